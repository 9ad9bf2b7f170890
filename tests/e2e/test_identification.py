"""Version strings, and lines before them: RFC 4253 section 4.2, with OpenSSH's limits and in its words."""

import pytest

from lab import net
from lab.wait import PATIENCE

NOT_SSH = "Invalid SSH identification string."
OTHER_VERSION = "Protocol major versions differ."


@pytest.mark.parametrize("sent, told", [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", NOT_SSH),
    (b"\x16\x03\x01\0\xc8\x01\r\n" + bytes(100), NOT_SSH),
    (b"SSH-\r\n", NOT_SSH),
    (b"b" * 20_000, NOT_SSH),
    (b"hello\r\nSSH-2.0-x\r\n", NOT_SSH),
    (b"SSH-2.0-a\0b\r\n", NOT_SSH),
    (b"SSH-2.0-a\rb\r\n", NOT_SSH),
    (b"SSH-2.0-\r\n", NOT_SSH),
    (b"SSH-2.0-" + b"v" * 8185 + b"\r\n", NOT_SSH),
    (b"SSH-1.5-old\r\n", OTHER_VERSION),
    (b"SSH-9.9-new\r\n", OTHER_VERSION),
], ids=["http", "tls", "no-version", "long", "line-before", "nul", "cr", "no-software", "8193", "ssh1", "ssh9"])
def test_client_of_other_protocol_gets_message(way, sent, told):
    got = b""
    with net.connect(("127.0.0.1", way.front.port)) as s:
        s.sendall(sent)
        try:
            while data := s.recv(4096):
                got += data
        except ConnectionResetError:
            pass  # sshd does not read the rest
    version, text = got.decode().split("\r\n", 1)
    assert version.startswith("SSH-2.0-OpenSSH")
    whole = told + "\r\n"
    # the kernel discards what waits for an acknowledgement when sshd closes, often the end of this line alone
    assert whole.startswith(text) if way.direct else text == whole


@pytest.mark.parametrize("sent", [
    b"SSH-2.0-" + b"v" * 245 + b"\r\n", b"SSH-2.0-" + b"v" * 8184 + b"\r\n", b"SSH-2.0-x y z\n", b"SSH-1.99-x\r\n",
], ids=["255", "8194", "lf", "1.99"])
def test_version_string_of_client_is_taken(way, sent):
    """With its line end it has at most 255 bytes by the RFC, and 8194 by sshd."""
    with net.connect(("127.0.0.1", way.front.port)) as s:
        s.sendall(sent)
        got = b""
        while b"aes128-ctr" not in got:  # in KEXINIT
            data = s.recv(4096)
            assert data, got
            got += data


@pytest.mark.parametrize("size", [247, 4000])
def test_client_with_long_version_string_logs_in(way, size):
    """The version string is a part of what the host key signs."""
    paramiko = pytest.importorskip("paramiko")
    with net.connect(("127.0.0.1", way.front.port)) as s:
        t = paramiko.Transport(s)
        t.local_version = "SSH-2.0-" + "p" * (size - 8)
        t.start_client(timeout=PATIENCE)
        t.auth_publickey(way.login, paramiko.Ed25519Key.from_private_key_file(str(way.client.key.path)))
        assert t.is_authenticated()
        t.close()


class Talker(net.Server):
    """Sends some text to each client, and connects it to an sshd then."""

    def __init__(self, sshd, text):
        self.to = (sshd.host, sshd.port)
        self.text = text
        super().__init__(self.talk)

    def talk(self, client):
        with net.connect(self.to) as sshd:
            client.sendall(self.text)
            net.relay(client, sshd)


def logs_in_at(w, port):
    """Whether ssh, or the gateway as a client, can log in to the upstream through this port."""
    if w.direct:
        return w.ssh("echo in", Port=port, StrictHostKeyChecking="no").text == "in\n"
    w.gateway.route("talker", w.sshd, [w.client.key], key="alice", HostName="127.0.0.1", Port=port,
                    StrictHostKeyChecking="no")
    w.gateway.hangup()
    return w.lets_in("talker")


def test_lines_before_version_string_of_upstream(own_way):
    w = own_way()
    for text, taken in [
        (b"Welcome\r\nto this host\n\r\n", True),
        (b"line\r\n" * 1023, True),
        (b"line\r\n" * 1024, False),
        (b"x" * 8192 + b"\r\n", True),
        (b"x" * 8193 + b"\r\n", False),
        (b"a\0b\r\n", False),
    ]:
        talker = Talker(w.sshd, text)
        assert logs_in_at(w, talker.port) == taken, (text[:20], len(text))
        talker.close()


@pytest.mark.parametrize("size", [200, 2000])
def test_long_version_string_of_upstream(own_way, size):
    own_way(sshd={"VersionAddendum": "a" * size}).answers()
