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
from lab.attack import Attacker, key_of, proof  # noqa: E402

GRACE = 3
UNKNOWN = 192  # a message that nobody knows is answered, too
MORE = 8 << 20  # FAULTS F1: of the memory of one that is not logged in


class Ears:
    """A socket that can stop taking what comes."""

    def __init__(self, sock):
        self.inner = sock
        self.hearing = threading.Event()
        self.hearing.set()
        self.listening = threading.Lock()

    def recv(self, size):
        while True:
            self.hearing.wait()
            with self.listening:
                if self.hearing.is_set():
                    return self.inner.recv(size)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Deaf(Attacker):
    """Once deaf, it takes nothing from its socket any more."""

    def deafen(self):
        if self.sock.hearing.is_set():
            self.sock.hearing.clear()
            with self.sock.listening:
                pass  # what was under way has come to its end

    def send_only(self, *parts):
        """From now on: the message, again and again, as long as it is taken."""
        self.deafen()

        def flood():
            with contextlib.suppress(Exception):  # the end of it, of whatever kind
                while not self.sock.hearing.is_set():
                    self.send(*parts)

        threading.Thread(target=flood, daemon=True).start()


@pytest.fixture
def deaf(monkeypatch):
    """deaf(PORT), with little room for what it does not take."""
    def connect(address, timeout=20.0, source=None):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.settimeout(timeout)
        if source:
            s.bind((source, 0))
        s.connect(address)
        return Ears(s)

    monkeypatch.setattr(net, "connect", connect)
    made = []

    def make(port):
        made.append(Deaf(port))
        return made[-1]

    yield make
    for a in made:
        a.sock.hearing.set()
        a.close()


def peak(session, timeout):
    """The most memory it had, until its end."""
    most, deadline = 0, time.monotonic() + timeout
    while session.alive() and time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, KeyError):  # it ends
            most = max(most, session.rss())
        time.sleep(0.02)
    return most


def test_before_the_login(gated, deaf):
    """It is cut when its time is over, and has not cost more than others."""
    w = gated(door={"LoginGraceTime": str(GRACE)})
    a = deaf(w.gateway.port)
    start = time.monotonic()
    (session,) = w.gateway.sessions()
    before = session.rss()
    a.send_only(UNKNOWN)
    most = peak(session, GRACE + 10)
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
            a.sock.inner.recv(1000)
            time.sleep(0.05)  # the attacker's pace
    wait_for("its end", lambda: not session.alive(), start + GRACE + 3 - time.monotonic())


REFUSED = [attack.CHANNEL_OPEN, "direct-tcpip", 7, 1 << 20, 32768, "127.0.0.1", 1, "127.0.0.1", 1]


@pytest.fixture
def inside(gated, deaf):
    """alice, who may not forward; her connection and its session."""
    w = gated(route={"AllowTcpForwarding": "no"})
    a = deaf(w.gateway.port)
    assert a.service()
    a.send(*proof(a, "alice", key_of(w.client)))
    assert a.hears(attack.USERAUTH_SUCCESS)
    (session,) = w.gateway.sessions("alice")
    return w, a, session


def test_refusals_after_the_login(inside):
    w, a, session = inside
    a.send_only(*REFUSED)
    bounded(session)
    rss, _ = settles(session)
    if not sanitized():
        assert rss < MORE + (8 << 20), f"{rss >> 20} MiB"
    w.answers()


def test_refusals_that_wait_for_new_keys(inside):
    """A key exchange that is begun and left so: the answers are kept for its end."""
    w, a, session = inside
    before = session.rss()
    a.deafen()
    a.send(attack.KEXINIT, bytearray(16 * b"x"), "curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr",
           "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "", False, 0)
    a.send_only(*REFUSED)
    most = peak(session, 30)
    if not sanitized():
        assert most < before + MORE, f"{before >> 20} to {most >> 20} MiB"
    assert w.gateway.log.wait("unexpected message type 90")
    w.answers()
