"""User names nobody has (FAULTS F26): none gets in, none breaks the log or becomes an option."""

import os
import re

import pytest

NAMES = [
    "../alice", "a/b", "/etc/passwd", "..", ".", "alice/../alice", "conf.d/alice.pub",
    "alice\nsallyport[1]: Accepted publickey for root", "\x1b[2J\x1b]0;owned\x07", "%s%n%d", "%u%1%2",
    "аlice", "alice\u200b", "alice ", " alice", "ALICE", "-oProxyCommand=touch /tmp/owned", "-l",
    "alice;id", "$(id)", "`id`", "'\"", "*", "?", "a*", "[route alice]", "alice=x", "\xff", "alice\r",
    "\u202eecila", "alice\t", "a" * 255, "a" * 256, "a" * 1024, "alice,root", "alice@host", "alice:root",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda n: ascii(n)[1:40])
def test_by_the_ssh_client(way, name):
    mark = way.door.log.mark()
    argv = way.client.argv("ssh")
    r = way.client.run(argv + ["-l", name, "machine", "echo not reached"])
    assert r.code == 255 and r.out == b"", r
    assert not os.path.exists("/tmp/owned")
    lines_are_whole(way, mark)


def lines_are_whole(way, mark):
    """Each line begins as the daemon's lines do, and holds nothing that moves a cursor."""
    text = way.door.log.text(mark)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text), ascii(text)
    if way.gateway:
        for line in text.splitlines():
            assert re.match(r"sallyport\[\d+\]: ", line), ascii(text)
        assert "Accepted publickey for root" not in re.sub(r"user .*", "", text)


def raw_login(way, name):
    paramiko = pytest.importorskip("paramiko")
    t = paramiko.Transport(("127.0.0.1", way.door.port))
    try:
        t.start_client(timeout=10)
        key = paramiko.Ed25519Key.from_private_key_file(str(way.client.key.path))
        with pytest.raises((paramiko.SSHException, EOFError, OSError)):
            t.auth_publickey(name, key)
        assert not t.is_authenticated()
    finally:
        t.close()


@pytest.mark.parametrize("name", [
    b"", b"alice\0", b"\0", b"alice\0root", b"\n", b"alice\n", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80",
    b"x" * 20_000, b"\x7f", b"\x80", b"\xc2\x9b2J",
], ids=lambda n: ascii(n[:20]))
def test_byte_by_byte(way, name):
    mark = way.door.log.mark()
    raw_login(way, name)
    way.answers()
    lines_are_whole(way, mark)
