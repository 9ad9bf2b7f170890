"""The answer to a client of another protocol: RFC 4253 section 4.2, in sshd's words."""

import pytest

from lab import net

NOT_SSH = "Invalid SSH identification string."
OTHER_VERSION = "Protocol major versions differ."


@pytest.mark.parametrize("sent, told", [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", NOT_SSH),
    (b"\x16\x03\x01\0\xc8\x01\r\n" + bytes(100), NOT_SSH),
    (b"SSH-\r\n", NOT_SSH),
    (b"b" * 20_000, NOT_SSH),
    (b"SSH-1.5-old\r\n", OTHER_VERSION),
    (b"SSH-9.9-new\r\n", OTHER_VERSION),
], ids=["http", "tls", "no-version", "long", "ssh1", "ssh9"])
def test_client_of_other_protocol_gets_message(way, sent, told):
    got = b""
    with net.connect(("127.0.0.1", way.front.port), 20) as s:
        s.sendall(sent)
        try:
            while data := s.recv(4096):
                got += data
        except ConnectionResetError:
            pass  # sshd does not read the rest
    version, text = got.decode().split("\r\n", 1)
    assert version.startswith("SSH-2.0-OpenSSH")
    assert text == told + "\r\n"
