"""How the key store is opened: by a file, a systemd credential or a passphrase."""

import os
import re

import pytest

from lab import net
from lab.gateway import SALLYPORT
from lab.tty import Terminal
from lab.way import Way


def test_unlock_by_credential(make_gateway, make_sshd, ring, tmp_path, monkeypatch):
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    credentials = tmp_path / "credentials"
    credentials.mkdir(0o700)
    (credentials / "store").write_text("0123456789abcdef\n")
    (credentials / "store").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    g.command("key", "rewrap", "--unlock", "credential:store")
    write = g.write_gateway
    g.write_gateway = lambda: (write(), g.set_unlock("credential:store"))
    g.start()
    w = Way("gateway", tmp_path, ring, None, g)
    try:
        assert w.ssh("echo in").text == "in\n"
    finally:
        w.close()
    g.kill(15)

    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    for args in (["key", "list"], ["key", "generate", "new"], ["serve"]):
        p = g.sallyport(*args, "-c", g.conf)
        assert p.returncode in (1, 78) and b"no credentials were passed" in p.stderr, p
        assert b"key generate" not in p.stderr and p.stdout == b""


def test_unlock_by_passphrase(make_gateway, make_sshd, ring, tmp_path):
    """Asked for on the terminal at the start; a wrong one ends the start."""
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    p = g.sallyport("key", "rewrap", "--unlock", "passphrase", "-c", g.conf, stdin=b"open sesame\nopen sesame\n")
    assert p.returncode == 0, p.stderr
    g.set_unlock("passphrase")
    text = (g.conf / "00-gateway.ini").read_text()
    for word, said in (("open barley", "wrong passphrase"), ("open sesame", r"Server listening on")):
        g.port = net.free_port()
        (g.conf / "00-gateway.ini").write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{g.port}", text))
        t = Terminal([SALLYPORT, "serve", "-c", str(g.conf)], os.environ, g.dir)
        t.expect("assphrase")
        t.send(word + "\n")
        t.expect(said)
        assert word not in t.seen
        if word == "open sesame":
            w = Way("gateway", tmp_path, ring, None, g)
            try:
                assert w.ssh("echo in").text == "in\n"
            finally:
                w.close()
            t.send("\x03")
            assert t.wait() == 0
        else:
            assert t.wait() == 78
        t.close()


@pytest.mark.skipif(os.getuid() != 0, reason="it is root who starts it as somebody else")
def test_missing_user_of_run_as(make_gateway):
    """check accepts it, since the user may be created later; serve does not."""
    g = make_gateway(RunAs="nobody-there")
    status, text = g.check()
    assert status == 0 and re.search(r'note: \S+:\d+: RunAs: there is no user "nobody-there"', text), text
    p = g.sallyport("serve", "-c", g.conf)
    assert p.returncode == 78 and b'RunAs: there is no user "nobody-there"' in p.stderr


def test_missing_unlock_file(make_gateway, make_sshd, ring):
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    assert g.check()[0] == 0
    store = (g.dir / "keys" / ".store").read_bytes()
    (g.dir / "keys" / ".unlock").unlink()
    status, text = g.check()
    assert status == 78 and re.search(r"locked with a file, and file:\S+/keys/\.unlock is not there; restore it", text)
    for args in (["key", "generate", "new"], ["serve"]):
        p = g.sallyport(*args, "-c", g.conf)
        assert p.returncode in (1, 78) and b"is not there; restore it" in p.stderr, p
    assert (g.dir / "keys" / ".store").read_bytes() == store
