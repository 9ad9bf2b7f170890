"""A peer that asks and asks, and takes no answer: memory stays bounded, and so does the time it has."""

import contextlib
import socket
import threading
import time

import pytest

from lab.gateway import sanitized
from lab.wait import wait_for
from test_slow_reader import bounded, settles

pytest.importorskip("paramiko")

from lab import attack, net  # noqa: E402
from lab.attack import Attacker, key_of, message, proof  # noqa: E402

GRACE = 3
UNKNOWN = 192  # a message that nobody knows is answered, too
MORE = 8 << 20  # FAULTS F1: of the memory of one that is not logged in


class Deaf(Attacker):
    """Once deaf, it takes nothing from its socket any more."""

    def __init__(self, port):
        self.hearing = threading.Event()
        self.hearing.set()
        super().__init__(port)

    def send_only(self, *parts):
        """From now on: the message, again and again, as long as it is taken."""
        read = self.packetizer.read_message

        def deaf():
            self.hearing.wait()
            return read()

        self.packetizer.read_message = deaf
        self.hearing.clear()

        def flood():
            with contextlib.suppress(Exception):  # the end of it, of whatever kind
                while not self.hearing.is_set():
                    self.send(*parts)

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def deaf(monkeypatch):
    """deaf(PORT), with little room for what it does not take."""
    def connect(address, timeout=20.0):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.settimeout(timeout)
        s.connect(address)
        return s

    monkeypatch.setattr(net, "connect", connect)
    made = []

    def make(port):
        made.append(Deaf(port))
        return made[-1]

    yield make
    for a in made:
        a.hearing.set()
        a.close()


def test_before_the_login(gated, deaf):
    """It is cut when its time is over, and has not cost more than others."""
    w = gated(door={"LoginGraceTime": str(GRACE)})
    a = deaf(w.gateway.port)
    start = time.monotonic()
    (session,) = w.gateway.sessions()
    before = session.rss()
    a.send_only(UNKNOWN)
    most = 0
    while session.alive() and time.monotonic() < start + GRACE + 10:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, StopIteration):
            most = max(most, session.rss())
        time.sleep(0.02)
    took = time.monotonic() - start
    assert took < GRACE + 3, took
    if not sanitized():
        assert most < before + MORE, f"{before >> 20} to {most >> 20} MiB"
    assert w.gateway.log.wait("Timeout before authentication")
    w.answers()


def test_answers_that_are_taken_a_little_at_a_time(gated, deaf):
    """Taking some of it now and then does not lengthen the time."""
    w = gated(door={"LoginGraceTime": str(GRACE)})
    a = deaf(w.gateway.port)
    start = time.monotonic()
    (session,) = w.gateway.sessions()
    a.send_only(UNKNOWN)
    with contextlib.suppress(OSError):
        while session.alive() and time.monotonic() < start + GRACE + 10:
            a.sock.recv(1000)
            time.sleep(0.05)  # the attacker's pace
    wait_for("its end", lambda: not session.alive(), start + GRACE + 3 - time.monotonic())


def test_refusals_after_the_login(gated, deaf):
    w = gated(route={"AllowTcpForwarding": "no"})
    a = deaf(w.gateway.port)
    assert a.service()
    a.send(*proof(a, "alice", key_of(w.client)))
    assert a.hears(attack.USERAUTH_SUCCESS)
    (session,) = w.gateway.sessions("alice")
    a.send_only(attack.CHANNEL_OPEN, "direct-tcpip", 7, 1 << 20, 32768, "127.0.0.1", 1, "127.0.0.1", 1)
    bounded(session)
    rss, _ = settles(session)
    if not sanitized():
        assert rss < MORE + (8 << 20), f"{rss >> 20} MiB"
    w.answers()
