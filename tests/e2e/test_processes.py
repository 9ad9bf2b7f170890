"""Processes: who they are, who outlives whom, and what is left behind (nothing)."""

import re
import signal
import subprocess

import pytest

from lab import procs
from lab.client import echoes, held
from lab.gateway import END_LINE, sanitized
from lab.sshd import ME
from lab.wait import wait_for


def finishes(p, timeout=20):
    out, err = p.communicate(timeout=timeout)
    assert (p.returncode, out) == (0, b""), err


@pytest.fixture
def w(gated):
    return gated()


def test_titles(w):
    p = held(w.client)
    port = re.search(r"port (\d+) ->", w.gateway.log.wait(r"alice from .* -> .*")[0])
    assert port
    assert [m.title() for m in w.gateway.role("master")] == ["sallyport: master"]
    assert [k.title() for k in w.gateway.keepers()] == ["sallyport: keeper"]
    (session,) = w.gateway.sessions()
    assert re.fullmatch(
        rf"sallyport: session [0-9a-f]{{4,}} alice 127\.0\.0\.1 -> {ME}@127\.0\.0\.1", session.title()
    )
    assert w.gateway.role("errand") == []
    finishes(p)
    w.gateway.quiet()


def test_one_process_for_each_session(w):
    running = [held(w.client) for _ in range(5)]
    assert len(w.gateway.sessions("alice")) == 5
    assert len(w.gateway.keepers()) == 1
    for p in running:
        finishes(p)
    w.gateway.quiet()


def end_of(w, mark):
    return w.gateway.log.wait(END_LINE, mark)[0]


def test_client_killed(w):
    mark = w.gateway.log.mark()
    p = held(w.client)
    p.kill()
    w.gateway.quiet()
    w.sshd.quiet()
    end_of(w, mark)


def test_session_killed(w):
    """FAULTS F8: that session ends, with 255, and no other one."""
    mark = w.gateway.log.mark()
    p = held(w.client)
    (session,) = w.gateway.sessions()
    other = held(w.client)
    session.kill()
    assert p.wait(5) == 255
    wait_for("the machine's side of it to end", lambda: len(w.sshd.sessions()) <= 2)
    echoes(other, b"unharmed")
    finishes(other)
    w.gateway.quiet()
    w.gateway.log.wait(r"killed by signal 9", mark)
    w.answers()


def test_machine_killed(w):
    mark = w.gateway.log.mark()
    p = held(w.client)
    for s in w.sshd.sessions():
        s.kill()
    assert p.wait(5) == 255
    w.gateway.quiet()
    end_of(w, mark)


def test_master_killed(w):
    """FAULTS F9: sessions live on, rekeys included, and a new master takes logins at once."""
    master_ends(w, signal.SIGKILL)


def test_master_terminated(w):
    master_ends(w, signal.SIGTERM)


def master_ends(w, sig):
    """FAULTS F9, F18 with a few sessions in place of 20 and 50."""
    plain = held(w.client)
    rekeying = held(w.client, RekeyLimit="1M")
    old = w.gateway.keepers()
    w.gateway.kill(sig)
    echoes(plain, b"still here")

    w.gateway.start()
    w.answers()
    assert len(w.gateway.keepers()) == 2

    for i in range(8):  # new keys: the old keeper signs for the old session
        echoes(rekeying, bytes([65 + i]) * 1_000_000)
    newer = held(w.client)
    finishes(plain)
    finishes(rekeying)
    wait_for("the end of the old keeper", lambda: not old[0].alive())
    echoes(newer, b"new one unharmed")
    finishes(newer)
    w.gateway.quiet()
    assert len(w.gateway.keepers()) == 1


def test_everything_ends_after_the_master_when_idle(w):
    w.answers()
    w.gateway.kill(signal.SIGTERM)
    wait_for("the end of all", lambda: not w.gateway.processes(), 10)
    assert w.gateway.process.returncode == 0


def test_master_killed_when_idle_takes_the_keeper_along(w):
    w.answers()
    w.gateway.kill(signal.SIGKILL)
    wait_for("the end of all", lambda: not w.gateway.processes(), 10)


def test_interrupt_from_the_keyboard(w):
    w.gateway.kill(signal.SIGINT)
    wait_for("the end of all", lambda: not w.gateway.processes(), 10)


def test_keeper_killed(w):
    """Without a keeper nobody may log in; it must not look as if they could."""
    p = held(w.client)
    (keeper,) = w.gateway.keepers()
    keeper.kill()

    def recovered_or_gone():
        return w.gateway.process.poll() is not None or (
            [k for k in w.gateway.keepers() if k != keeper] != []
        )

    wait_for("a new keeper, or the end", recovered_or_gone, 10)
    if w.gateway.process.poll() is None:
        w.answers()
    procs.end(p)


def test_logins_under_way_when_the_master_ends(w):
    """Silent connections do not hold the old keeper longer than LoginGraceTime."""
    from lab import net

    s = net.connect(("127.0.0.1", w.gateway.port))
    assert s.recv(4) == b"SSH-"
    p = held(w.client)
    w.gateway.kill(signal.SIGTERM)
    w.gateway.start()
    w.answers()
    finishes(p)
    s.close()
    w.gateway.quiet()


def test_nothing_left_after_many_sessions(w):
    """FAULTS I3 and F16, scaled to 60 logins: descriptors and memory are back where they were."""
    def figures():
        (keeper,), (master,) = w.gateway.keepers(), w.gateway.role("master")
        return [p.n_descriptors() for p in (keeper, master)], [p.rss() for p in (keeper, master)]

    def burst():
        running = [w.client.spawn("true", stdin=subprocess.DEVNULL) for _ in range(10)]
        assert [p.wait(60) for p in running] == [0] * 10
        w.gateway.quiet()

    burst()
    descriptors, memory = figures()
    for _ in range(5):
        burst()
    wait_for("descriptors back", lambda: figures()[0] == descriptors)
    assert sanitized() or all(now - then < 2_000_000 for now, then in zip(figures()[1], memory))


def test_one_line_at_the_end_with_reason_and_bytes(w):
    mark = w.gateway.log.mark()
    assert w.client.ssh("head -c 3000000 /dev/zero", stdin=b"x" * 1000).code == 0
    line = end_of(w, mark)
    w.gateway.quiet()
    assert len(re.findall(END_LINE, w.gateway.log.text(mark), re.M)) == 1
    found = re.search(r"(\d+) bytes from client, (\d+) to client", line)
    assert int(found[1]) >= 1000 and int(found[2]) >= 3_000_000
    assert "alice" in line and "127.0.0.1" in line


def test_every_line_of_the_log_has_its_head(w, ring):
    w.answers()
    w.new_client(ring.get("wrong0")).ssh("true")
    for line in w.gateway.log.lines():
        assert re.match(r"sallyport\[\d+\]: ", line), line


def test_second_server_on_the_same_port_says_so(w):
    p = w.gateway.sallyport("serve", "-c", w.gateway.conf)
    assert p.returncode == 1
    assert b"Address already in use" in p.stderr
    w.answers()
