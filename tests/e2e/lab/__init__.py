"""What the end-to-end tests are made of: real sshd, the gateway, the OpenSSH clients.

A test names a behaviour.  Most run twice, by the fixture `way`: with the client talking to sshd
itself ("direct", the oracle) and with the gateway in between, under the same assertions.
"""
