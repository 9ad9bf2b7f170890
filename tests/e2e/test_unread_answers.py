"""A client that sends requests and reads no answers: memory and time stay bounded."""

import contextlib
import time


from lab.gateway import sanitized
from lab.wait import wait_for

from lab import attack
from lab.memory import assert_bounded, peak, wait_until_idle
from lab.stalled_client import REFUSED

GRACE = 6
UNKNOWN = 192  # a message that is not known gets an answer, too
MORE = 8 << 20  # the most memory that a session may gain before its login


def assert_ended_by_itself(w, session):
    """After LoginGraceTime, and not ten seconds later by the master, which kills a session that does not end."""
    assert not session.alive()
    w.gateway.log.wait("Timeout before authentication")
    assert not w.gateway.log.find("killed: neither logged in nor gone")


def test_unread_answers_before_login(gated, stalled_client):
    """The session ends after LoginGraceTime, and has used no more memory than others."""
    w = gated(front={"LoginGraceTime": str(GRACE)})
    a = stalled_client(w.gateway.port)
    (session,) = w.gateway.sessions()
    before = session.rss()
    a.flood(UNKNOWN)
    most = peak(session, 60)
    assert_ended_by_itself(w, session)
    if not sanitized():
        assert most < before + MORE, f"{before >> 20} to {most >> 20} MiB"
    w.answers()


def test_slowly_read_answers_do_not_extend_grace_time(gated, stalled_client):
    w = gated(front={"LoginGraceTime": str(GRACE)})
    a = stalled_client(w.gateway.port)
    (session,) = w.gateway.sessions()
    a.flood(UNKNOWN)
    end = time.monotonic() + 60
    with contextlib.suppress(OSError):
        while session.alive() and time.monotonic() < end:
            a.sock.inner.recv(1000)
            time.sleep(0.05)  # the attacker's pace
    wait_for("its end", lambda: not session.alive())
    assert_ended_by_itself(w, session)


def test_unread_refusals_after_login(stalled_session):
    w, a, session = stalled_session
    a.flood(*REFUSED)
    assert_bounded(session)
    rss, _ = wait_until_idle(session)
    if not sanitized():
        assert rss < MORE + (8 << 20), f"{rss >> 20} MiB"
    w.answers()


def test_refusals_held_back_by_unfinished_key_exchange(stalled_session):
    """The client begins a key exchange and does not continue: the answers wait for its end."""
    w, a, session = stalled_session
    before = session.rss()
    a.stop_reading()
    a.send(attack.KEXINIT, bytearray(16 * b"x"), "curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr",
           "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "", False, 0)
    a.flood(*REFUSED)
    most = peak(session, 60)
    if not sanitized():
        assert most < before + MORE, f"{before >> 20} to {most >> 20} MiB"
    assert w.gateway.log.wait("unexpected message type 90")
    w.answers()
