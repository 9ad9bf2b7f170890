"""Hostile user names: none logs in, none breaks the log, none becomes an option of a command."""

import os
import re
import subprocess

import pytest

from lab.wait import PATIENCE

NAMES = [
    "../alice", "a/b", "/etc/passwd", "..", ".", "alice/../alice", "conf.d/alice.pub",
    "alice\nsallyport[1]: Accepted publickey for root", "\x1b[2J\x1b]0;owned\x07", "%s%n%d", "%u%1%2",
    "аlice", "alice\u200b", "alice ", " alice", "ALICE", "-oProxyCommand=touch /tmp/owned", "-l",
    "alice;id", "$(id)", "`id`", "'\"", "*", "?", "a*", "[route alice]", "alice=x", "\xff", "alice\r",
    "\u202eecila", "alice\t", "a" * 255, "a" * 256, "a" * 1024, "alice,root", "alice@host", "nobody:alice",
]

RAW_NAMES = [
    b"", b"alice\0", b"\0", b"alice\0root", b"\n", b"alice\n", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80",
    b"x" * 20_000, b"\x7f", b"\x80", b"\xc2\x9b2J",
]


def test_hostile_names_from_ssh(way):
    mark = way.front.log.mark()
    running = {}
    for name in NAMES:
        argv = way.client.argv("ssh", "-l", name, "upstream", "echo not reached")
        running[name] = way.client.popen(argv, stdin=subprocess.DEVNULL)
    for name, p in running.items():
        out, err = p.communicate(timeout=PATIENCE)
        assert (p.returncode, out) == (255, b""), (name, err)
    assert not os.path.exists("/tmp/owned")
    assert_log_lines_intact(way, mark)


def assert_log_lines_intact(way, mark):
    """Each line begins like one of the daemon's, and has no control characters."""
    text = "\n".join(way.front.log.lines(mark))
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text), ascii(text)
    if way.gateway:
        for line in text.splitlines():
            assert re.match(r"sallyport\[\d+\]: ", line), ascii(text)
        assert "Accepted publickey for root" not in re.sub(r"user .*", "", text)


def test_hostile_names_in_raw_messages(way):
    paramiko = pytest.importorskip("paramiko")
    mark = way.front.log.mark()
    key = paramiko.Ed25519Key.from_private_key_file(str(way.client.key.path))
    for name in RAW_NAMES:
        t = paramiko.Transport(("127.0.0.1", way.front.port))
        try:
            t.start_client(timeout=PATIENCE)
            with pytest.raises((paramiko.SSHException, EOFError, OSError)):
                t.auth_publickey(name, key)
            assert not t.is_authenticated(), name
        finally:
            t.close()
    way.answers()
    assert_log_lines_intact(way, mark)
