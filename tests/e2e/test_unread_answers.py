"""A peer that asks and asks, and takes no answer: memory stays bounded, and so does the time it has."""

import contextlib
import time


from lab.gateway import sanitized
from lab.wait import wait_for

from lab import attack
from lab.memory import bounded, peak, settles
from lab.stalled_client import REFUSED

GRACE = 3
UNKNOWN = 192  # a message that nobody knows is answered, too
MORE = 8 << 20  # FAULTS F1: of the memory of one that is not logged in


def test_before_the_login(gated, stalled_client):
    """It is cut when its time is over, and has not cost more than others."""
    w = gated(door={"LoginGraceTime": str(GRACE)})
    a = stalled_client(w.gateway.port)
    start = time.monotonic()
    (session,) = w.gateway.sessions()
    before = session.rss()
    a.flood(UNKNOWN)
    most = peak(session, GRACE + 10)
    took = time.monotonic() - start
    assert took < GRACE + 3, took
    if not sanitized():
        assert most < before + MORE, f"{before >> 20} to {most >> 20} MiB"
    assert w.gateway.log.wait("Timeout before authentication")
    w.answers()


def test_answers_that_are_taken_a_little_at_a_time(gated, stalled_client):
    """Taking some of it now and then does not lengthen the time."""
    w = gated(door={"LoginGraceTime": str(GRACE)})
    a = stalled_client(w.gateway.port)
    start = time.monotonic()
    (session,) = w.gateway.sessions()
    a.flood(UNKNOWN)
    with contextlib.suppress(OSError):
        while session.alive() and time.monotonic() < start + GRACE + 10:
            a.sock.inner.recv(1000)
            time.sleep(0.05)  # the attacker's pace
    wait_for("its end", lambda: not session.alive(), start + GRACE + 3 - time.monotonic())


def test_refusals_after_the_login(stalled_session):
    w, a, session = stalled_session
    a.flood(*REFUSED)
    bounded(session)
    rss, _ = settles(session)
    if not sanitized():
        assert rss < MORE + (8 << 20), f"{rss >> 20} MiB"
    w.answers()


def test_refusals_that_wait_for_new_keys(stalled_session):
    """A key exchange that is begun and left so: the answers are kept for its end."""
    w, a, session = stalled_session
    before = session.rss()
    a.stop_reading()
    a.send(attack.KEXINIT, bytearray(16 * b"x"), "curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr",
           "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "", False, 0)
    a.flood(*REFUSED)
    most = peak(session, 30)
    if not sanitized():
        assert most < before + MORE, f"{before >> 20} to {most >> 20} MiB"
    assert w.gateway.log.wait("unexpected message type 90")
    w.answers()
