"""A key and a one-time code, with clients other than OpenSSH's."""

import asyncio
import shutil
import subprocess

import paramiko
import pytest

from lab import dropbear
from lab.tty import Terminal

PROMPT = "Verification code: "
needs = {name: pytest.mark.skipif(not shutil.which(name), reason=f"takes {name}")
         for name in ("plink", "puttygen", "dbclient", "dropbearconvert")}


@pytest.fixture
def on_terminal(tmp_path):
    """on_terminal(argv): a program with a terminal of its own."""
    made = []

    def run(argv):
        made.append(Terminal(list(map(str, argv)), {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "dumb"},
                             tmp_path))
        return made[-1]

    yield run
    for t in made:
        t.close()


def type_codes(t, w):
    """A wrong code, then a right one."""
    t.expect(PROMPT)
    t.send(w.secret.wrong() + "\n")
    t.expect(PROMPT)
    t.send(w.secret.code() + "\n")
    t.expect("^in\r?$")
    assert t.wait() == 0
    w.gateway.log.wait("Failed keyboard-interactive/totp for alice")
    w.gateway.log.wait("Accepted keyboard-interactive/totp for alice")


@needs["plink"]
@needs["puttygen"]
def test_putty(coded, on_terminal, ring, tmp_path):
    w = coded()
    key = tmp_path / "key.ppk"
    subprocess.run(["puttygen", ring.get("client").path, "-O", "private", "-o", key], check=True, capture_output=True)
    type_codes(on_terminal(["plink", "-no-antispoof", "-P", w.gateway.port, "-hostkey",
                            w.gateway.host_keys[0].fingerprint, "-i", key, "-l", "alice", "127.0.0.1", "echo in"]), w)


@needs["dbclient"]
@needs["dropbearconvert"]
def test_dropbear(coded, on_terminal, ring, tmp_path):
    w = coded()
    key = dropbear.convert(ring.get("client"), tmp_path / "key")
    type_codes(on_terminal(["dbclient", "-y", "-y", "-p", w.gateway.port, "-i", key, "-l", "alice", "127.0.0.1", "echo in"]),
               w)


def test_paramiko(coded, ring):
    w = coded()
    t = paramiko.Transport(("127.0.0.1", w.gateway.port))
    try:
        t.start_client(timeout=120)
        assert t.auth_publickey("alice", paramiko.Ed25519Key.from_private_key_file(str(ring.get("client").path))) == [
            "keyboard-interactive"]
        asked = []

        def answer(title, instructions, prompts):
            asked.append((title, instructions, prompts))
            return [w.secret.code()]

        assert t.auth_interactive("alice", answer) == []
        title, instructions, ((prompt, echo),) = asked[-1]
        assert (title, instructions, prompt.strip(), echo) == ("", "", PROMPT.strip(), False)  # 3.x strips it
        channel = t.open_session()
        channel.exec_command("echo in")
        assert channel.makefile().read() == b"in\n"
    finally:
        t.close()


def test_asyncssh(coded, ring):
    asyncssh = pytest.importorskip("asyncssh")
    w = coded()
    asked = []

    class Person(asyncssh.SSHClient):
        def kbdint_auth_requested(self):
            return ""

        def kbdint_challenge_received(self, name, instructions, lang, prompts):
            asked.append((name, instructions, list(prompts)))
            return [w.secret.code()]

    async def connect():
        async with asyncssh.connect("127.0.0.1", w.gateway.port, username="alice", known_hosts=None, config=None,
                                    client_keys=[str(ring.get("client").path)], agent_path=None,
                                    client_factory=Person) as c:
            return (await c.run("echo in")).stdout

    assert asyncio.run(asyncio.wait_for(connect(), 120)) == "in\n"
    assert asked == [("", "", [(PROMPT, False)])]
