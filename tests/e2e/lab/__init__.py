"""The parts of the end-to-end tests: real sshd, the gateway, the OpenSSH clients.

Most tests run twice, by the fixture `way`: with the client connected to sshd itself ("direct", the oracle)
and with the gateway in between, under the same assertions.
"""
