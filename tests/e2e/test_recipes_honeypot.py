"""doc/recipes.md, Unknown names to a honeypot, as it is written there; asyncssh plays the honeypot."""

import asyncio
import re
import threading

import pytest

from lab.agent import start_agent
from lab.client import echoes, open_session
from lab.documents import block, put
from lab.way import Way

asyncssh = pytest.importorskip("asyncssh")

PAGE = "doc/recipes.md"
HEADING = "Unknown names to a honeypot"
TRIED = "123456"


class Honeypot:
    """It lets everybody in, and answers each command with who has come; "stay" does not end by itself."""

    def __init__(self, host_key):
        self.host_key = host_key
        self.tried = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result(60)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _listen(self):
        tried = self.tried

        class Stranger(asyncssh.SSHServer):
            def begin_auth(self, username):
                return True

            def password_auth_supported(self):
                return True

            def validate_password(self, username, password):
                tried.append((username, password))
                return True

        async def handle(process):
            process.stdout.write(f"honeypot of {process.get_extra_info('username')}\n")
            if process.command == "stay":
                await process.channel.wait_closed()
            else:
                process.exit(0)

        return await asyncssh.listen("127.0.0.1", 0, server_host_keys=[str(self.host_key.path)],
                                     server_factory=Stranger, process_factory=handle)

    def close(self):
        # without waiting: from Python 3.12 on the server waits for its connections
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


@pytest.fixture
def honeypot(ring):
    h = Honeypot(ring.get("upstream_host", "ed25519"))
    yield h
    h.close()


@pytest.fixture
def w(make_gateway, make_sshd, ring, tmp_path, honeypot):
    """alice and dev-* have a machine, ann one by her key as git; everybody else meets the honeypot."""
    g, sshd = make_gateway(), make_sshd(env={"WHOSE": "machine"})
    keys = [ring.get("client")]
    for login in ("alice", "dev-*"):
        g.route(login, sshd, keys, key="k")
    g.route("git/ann", sshd, keys, key="k", MatchFingerprint=keys[0].fingerprint)
    # an exact name keeps its route wherever it stands
    (g.conf / "10-alice.ini").rename(g.conf / "99-z.ini")
    (g.conf / "99-honeypot.ini").write_text(put(
        block(PAGE, HEADING, "ini"), ("10.66.0.2", "127.0.0.1"), ("2222", honeypot.port),
        ("SHA256:of-the-honeypot", honeypot.host_key.fingerprint)))
    g.start()
    way = Way("gateway", tmp_path, ring, sshd, g)
    yield way
    way.close()


def with_password(w, login, *args):
    """What ssh prints for a stranger who tries a password."""
    ask = w.dir / "ask"
    ask.write_text(f"#!/bin/sh\necho {TRIED}\n")
    ask.chmod(0o755)
    r = w.new_client(user=login).ssh(
        *(args or ["id"]), env={"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}, BatchMode="no",
        PubkeyAuthentication="no", PreferredAuthentications="password,keyboard-interactive", NumberOfPasswordPrompts="1")
    return r.text + r.err


def test_unknown_logins_meet_the_honeypot(w, honeypot, ring, short):
    assert w.gateway.notes() == ""
    for login in ("alice", "dev-1", "git"):
        assert w.new_client(user=login).ssh("echo $WHOSE").text == "machine\n"
    assert "honeypot of oracle" in with_password(w, "oracle")
    assert honeypot.tried == [("oracle", TRIED)]
    # a known login is refused as always, and the honeypot does not hear of it
    stranger = ring.get("stranger")
    for login in ("alice", "dev-1"):
        assert w.new_client(stranger, user=login).ssh("true").code == 255
        assert "Permission denied" in with_password(w, login)
    assert honeypot.tried == [("oracle", TRIED)]
    # where the key decides, one that no section names leads to the honeypot, and the next to its machine
    c = w.new_client(user="git")
    env = start_agent(c, short / "agent", stranger, ring.get("client"))
    c.key = None
    c.write_config(IdentitiesOnly="no")
    assert c.ssh("echo $WHOSE", env=env).text == "machine\n"
    assert "honeypot of git" in with_password(w, "git")


def test_limits_of_the_honeypot(w, honeypot):
    """Its own policy, and not that of other routes."""
    out = with_password(w, "oracle", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "id")
    assert "remote port forwarding failed" in out and "honeypot of" not in out
    assert w.ssh("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "echo in").text == "in\n"
    out = w.gateway.command("check", "--dump")
    section = out[out.index("[route *]"):].split("\n[")[0]
    assert re.search(r"^MaxSessions = 1$", section, re.M) and re.search(r"^SessionTimeout = (10m|600s?)$", section, re.M)


def test_session_timeout_of_the_honeypot(w, honeypot):
    """A session there ends; one of a known login, begun before it, goes on."""
    file = w.gateway.conf / "99-honeypot.ini"
    file.write_text(file.read_text().replace("10m", "1s"))
    w.gateway.command("reload")
    known = open_session(w.client)
    with_password(w, "oracle", "stay")
    assert w.gateway.log.wait(r"session \w+: oracle from .* closed .*SessionTimeout")
    echoes(known)
    known.stdin.close()
    known.wait(10)


def test_pattern_and_backend_behind_the_honeypot(w, honeypot):
    """What comes after [route *] is never used, and `check` says so."""
    g = w.gateway
    (g.conf / "10-dev__.ini").rename(g.conf / "99-y.ini")
    (g.dir / "users").mkdir()
    (g.conf / "20.ini").write_text("[lookup]\nOrder = ini directory\n[lookup directory]\nPath = users\n")
    notes = g.notes()
    assert re.search(r"99-y\.ini:1: \[route dev-\*\] is never used: \[route \*\] at \S+/99-honeypot\.ini:1 ", notes)
    assert re.search(r"99-honeypot\.ini:1: \[route \*\] is for every login, so the backends that come after ini in "
                     r"\[lookup\] Order are never asked; put ini last there$", notes, re.M)
    g.command("reload")
    assert "honeypot of dev-1" in with_password(w, "dev-1")
    (g.conf / "20.ini").write_text("[lookup]\nOrder = directory ini\n[lookup directory]\nPath = users\n")
    assert "Order" not in g.notes()
