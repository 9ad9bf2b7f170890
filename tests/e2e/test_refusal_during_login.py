"""A client that is refused while its upstream is still answering is told why, and no process reports an
error.
"""

import signal
import socket
import threading

import pytest

from lab import net
from lab.attack import DISCONNECT, IGNORE, USERAUTH_BANNER, Attacker, answers, none, password
from lab.unread import all_read, some_unread
from lab.wait import wait_for

# An answer without a question is refused at once.
REFUSED = answers("x")


class PausingProxy:
    """A proxy in front of an upstream that forwards its data once it is opened."""

    def __init__(self, port):
        self.open = threading.Event()
        self.server = net.Server(lambda s: self.pass_on(s, port))
        self.port = self.server.port

    def pass_on(self, s, port):
        with net.connect(("127.0.0.1", port)) as upstream:
            upstream.settimeout(None)
            threading.Thread(target=self.pump, args=(upstream, s, self.open), daemon=True).start()
            self.pump(s, upstream, None)

    @staticmethod
    def pump(source, to, when):
        try:
            if when:
                when.wait(60)
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def paused_upstream(gated):
    """A gateway with a PausingProxy in front of its upstream; with Passthrough, so that it is dialled early.
    """
    w = gated(sshd={"PasswordAuthentication": "yes"}, route={"Passthrough": "yes"})
    d = PausingProxy(w.sshd.port)
    w.gateway.route("alice", w.sshd, [w.client.key], known_hosts=f"[127.0.0.1]:{d.port} "
                    + w.sshd.known_hosts().split(" ", 1)[1], Port=d.port, Passthrough="yes")
    w.gateway.command("reload")
    d.way = w
    yield d
    d.open.set()
    d.server.close()


def assert_told_once(a, log):
    """One line with the session id for the user, and one line with it in the log."""
    assert a.expect(USERAUTH_BANNER), a.received
    a.expect(DISCONNECT)
    assert a.ends()
    text = next(m for _, kind, m in a.messages if kind == USERAUTH_BANNER)
    assert text.count(b"(session ") == 1 and b"sallyport: " in text, text
    assert "bad message" not in log(), log()


def test_refusal_before_upstream_host_key(paused_upstream):
    w = paused_upstream.way
    mark = w.gateway.log.mark()
    a = Attacker(w.gateway.port)
    keeper, = w.gateway.keepers()
    try:
        a.service()
        a.send(*password("alice", "x"))
        wait_for("the dial", lambda: paused_upstream.server.accepted == 1)
        session, = w.gateway.sessions()
        wait_for("its title", lambda: "->" in session.title())
        keeper.kill(signal.SIGSTOP)
        try:
            a.send(*REFUSED)
            wait_for("the refused message to be passed on", lambda: all_read(session, a.port))
            paused_upstream.open.set()
            # A session that waits for the keeper does not read from its client.
            wait_for("the host key to be asked for", lambda: some_unread(session, a.port) or a.send(IGNORE, ""))
        finally:
            keeper.kill(signal.SIGCONT)
        assert_told_once(a, lambda: w.gateway.log.text(mark))
        assert w.gateway.log.text(mark).count("Disconnecting ") == 1
    finally:
        a.close()


def test_refusal_at_any_moment_of_upstream_login(gated):
    """The upstream is about to show its host key, to become ready, or to answer."""
    w = gated(sshd={"PasswordAuthentication": "yes"}, route={"Passthrough": "yes"})
    for i in range(60):
        a = Attacker(w.gateway.port)
        try:
            a.service()
            a.send(*password("alice", "x"))
            threading.Event().wait(i * 0.0005)  # this test is about the moment
            a.send(*REFUSED)
            assert_told_once(a, w.gateway.log.text)
        finally:
            a.close()


def test_refusal_by_keeper_that_dies(make_gateway, make_sshd, ring, tmp_path):
    """The keeper refuses and dies: the client gets the refusal although the session finds the keeper dead
    first.
    """
    program, go = tmp_path / "lookup.sh", tmp_path / "go"
    program.write_text(f"#!/bin/sh\nwhile ! [ -e {go} ]; do sleep 0.02; done\nexit 1\n")
    program.chmod(0o755)
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    g.write("50-lookup.ini", "lookup", {"Order": "ini exec"}, f"[lookup exec]\nCommand = {program}\n")
    g.start()
    a = Attacker(g.port)
    try:
        a.service()
        a.send(*none("slow"))
        a.send(50, "slow")  # too short: it is refused when its turn comes
        wait_for("the program", lambda: g.role("errand"))
        session, = g.sessions()
        wait_for("both to be passed on", lambda: all_read(session, a.port))
        session.kill(signal.SIGSTOP)
        try:
            a.send(*none("slow"))
            mark = g.log.mark()
            go.touch()
            wait_for("the refusal", lambda: g.log.find("Disconnecting ", mark))
            keeper, = g.keepers()
            keeper.kill()
            wait_for("the end of the keeper", lambda: not keeper.alive())
        finally:
            session.kill(signal.SIGCONT)
        assert_told_once(a, g.log.text)
    finally:
        a.close()
