"""Which clients show their user why a login was refused: each that can, and once."""

import asyncio
import logging
import shutil
import subprocess

import pytest

from lab import dropbear, net
from lab.refusal import session_id

SENTENCE = "sallyport: your machine cannot be reached right now; try again later or ask your administrator"
NO_KEY = "sallyport: no key of yours opens this login; give your administrator your public key"
PUTTY = ("plink", "psftp", "pscp")

needs_putty = pytest.mark.skipif(not all(map(shutil.which, (*PUTTY, "puttygen"))), reason="no putty-tools")


@pytest.fixture
def refusing(gated):
    """A way whose route for alice leads to a port where nothing listens."""
    return gated(route={"Port": net.free_port()})


def assert_told_once(w, said, sentence=SENTENCE):
    """What the user reads has the sentence once, with the number of the session that the log has."""
    assert said.count("sallyport:") == 1 and sentence in said, said
    w.gateway.log.wait(rf"session {session_id(said)}\b")


@pytest.fixture
def putty(tmp_path, ring):
    """putty(way, program, key): run one of PuTTY's programs; what it writes, its wrapped lines joined."""

    def run(w, program, key, words=()):
        file = tmp_path / f"{key}.ppk"
        subprocess.run(["puttygen", ring.get(key).path, "-O", "private", "-o", file], check=True, capture_output=True)
        argv = [program, "-P", str(w.gateway.port), "-batch", "-hostkey", w.gateway.host_keys[0].fingerprint, "-i", file]
        if program == "pscp":
            argv += ["alice@127.0.0.1:file", tmp_path / "file"]
        else:
            argv += ["-l", "alice", "127.0.0.1", *words]
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
                           env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
        return p.returncode, (p.stdout + p.stderr).replace("\n> ", "")

    return run


@needs_putty
@pytest.mark.parametrize("program", PUTTY)
def test_putty(refusing, putty, program):
    """And WinSCP, which is made of the same code: they show the text of a DISCONNECT.  Newer ones would show a
    banner before it as well, so they get none.
    """
    code, said = putty(refusing, program, "client")
    assert code == 1 and "disconnect" in said
    assert_told_once(refusing, said)


@needs_putty
def test_putty_without_a_right_key(gated, putty):
    w = gated()
    assert putty(w, "plink", "client", ["echo in"]) == (0, "in\n")
    code, said = putty(w, "plink", "wrong0", ["echo in"])
    assert code == 1
    assert_told_once(w, said, NO_KEY)


def test_asyncssh(refusing, ring):
    asyncssh = pytest.importorskip("asyncssh")

    async def connect():
        await asyncssh.connect("127.0.0.1", refusing.gateway.port, username="alice", known_hosts=None, config=None,
                               client_keys=[str(ring.get("client").path)], agent_path=None)

    with pytest.raises(asyncssh.DisconnectError) as e:
        asyncio.run(asyncio.wait_for(connect(), 120))
    assert_told_once(refusing, e.value.reason)


def test_paramiko(refusing, ring, caplog):
    """Its exception is "Authentication failed."; the sentence is in its log."""
    paramiko = pytest.importorskip("paramiko")
    key = paramiko.Ed25519Key.from_private_key_file(str(ring.get("client").path))
    t = paramiko.Transport(("127.0.0.1", refusing.gateway.port))
    try:
        with caplog.at_level(logging.INFO, logger="paramiko"):
            t.start_client(timeout=60)
            with pytest.raises(paramiko.SSHException):
                t.auth_publickey("alice", key)
    finally:
        t.close()
    # as well as the banner, which it logs with its quotes
    said = [r.getMessage() for r in caplog.records if "Disconnect" in r.getMessage()]
    assert len(said) == 1, caplog.text
    assert_told_once(refusing, said[0])


def test_openssh(refusing):
    """The banner has the sentence, so the DISCONNECT does not repeat it.  -q silences both."""
    assert_told_once(refusing, refusing.ssh("true").err)
    assert "refused, session" in refusing.ssh("true").err
    assert refusing.ssh("-q", "true").outcome == (255, b"", "")


@pytest.mark.skipif(not dropbear.installed(), reason="no Dropbear")
def test_dbclient(refusing, ring, tmp_path):
    key = dropbear.convert(ring.get("client"), tmp_path / "key")
    p = subprocess.run(["dbclient", "-y", "-y", "-p", str(refusing.gateway.port), "-i", key, "alice@127.0.0.1", "true"],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
                       env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert_told_once(refusing, p.stderr)
