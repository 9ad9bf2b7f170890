"""The processes of the gateway: titles, lifetimes, and that they leave nothing behind."""

import re
import signal
import subprocess

import pytest

from lab import procs
from lab.client import echoes, open_session
from lab.gateway import END_LINE, sanitized
from lab.sshd import ME
from lab.wait import wait_for


def assert_finishes(p, timeout=60):
    out, err = p.communicate(timeout=timeout)
    assert (p.returncode, out) == (0, b""), err


@pytest.fixture
def w(gated):
    return gated()


def test_process_titles(w):
    p = open_session(w.client)
    port = re.search(r"port (\d+) ->", w.gateway.log.wait(r"alice from .* -> .*")[0])
    assert port
    assert [m.title() for m in w.gateway.role("master")] == ["sallyport: master"]
    assert [k.title() for k in w.gateway.keepers()] == ["sallyport: keeper"]
    (session,) = w.gateway.sessions()
    assert re.fullmatch(
        rf"sallyport: session [0-9a-f]{{4,}} alice 127\.0\.0\.1 -> {ME}@127\.0\.0\.1", session.title()
    )
    wait_for("the end of the errand that has dialled", lambda: not w.gateway.role("errand"))
    assert_finishes(p)
    w.gateway.quiet()


def test_one_process_per_session(w):
    running = [open_session(w.client) for _ in range(5)]
    assert len(w.gateway.sessions("alice")) == 5
    assert len(w.gateway.keepers()) == 1
    for p in running:
        assert_finishes(p)
    w.gateway.quiet()


def end_line(w, mark):
    return w.gateway.log.wait(END_LINE, mark)[0]


def test_session_ends_with_killed_client(w):
    mark = w.gateway.log.mark()
    p = open_session(w.client)
    p.kill()
    w.gateway.quiet()
    w.sshd.quiet()
    end_line(w, mark)


def test_killed_session_ends_no_other(w):
    """The client of the killed session exits with 255."""
    mark = w.gateway.log.mark()
    p = open_session(w.client)
    (session,) = w.gateway.sessions()
    other = open_session(w.client)
    session.kill()
    assert p.wait(60) == 255
    wait_for("the end of the connection to the upstream", lambda: len(w.sshd.sessions()) <= 2)
    echoes(other, b"unharmed")
    assert_finishes(other)
    w.gateway.quiet()
    w.gateway.log.wait(r"killed by signal 9", mark)
    w.answers()


def test_session_ends_with_killed_upstream(w):
    mark = w.gateway.log.mark()
    p = open_session(w.client)
    for s in w.sshd.sessions():
        s.kill()
    assert p.wait(30) == 255
    w.gateway.quiet()
    end_line(w, mark)


def test_sessions_survive_killed_master(w):
    """Sessions go on and can rekey, and a new master accepts logins at once."""
    assert_sessions_survive_master(w, signal.SIGKILL)


def test_sessions_survive_terminated_master(w):
    assert_sessions_survive_master(w, signal.SIGTERM)


def assert_sessions_survive_master(w, sig):
    plain = open_session(w.client)
    rekeying = open_session(w.client, RekeyLimit="1M")
    old = w.gateway.keepers()
    w.gateway.kill(sig)
    echoes(plain, b"still here")

    w.gateway.start()
    w.answers()
    assert len(w.gateway.keepers()) == 2

    for i in range(8):  # rekeying: the old keeper signs for the old session
        echoes(rekeying, bytes([65 + i]) * 1_000_000)
    newer = open_session(w.client)
    assert_finishes(plain)
    assert_finishes(rekeying)
    wait_for("the end of the old keeper", lambda: not old[0].alive())
    echoes(newer, b"new one unharmed")
    assert_finishes(newer)
    w.gateway.quiet()
    assert len(w.gateway.keepers()) == 1


def test_idle_gateway_ends_with_master(w):
    w.answers()
    w.gateway.kill(signal.SIGTERM)
    wait_for("the end of all", lambda: not w.gateway.processes())
    assert w.gateway.process.returncode == 0


def test_idle_keeper_ends_with_killed_master(w):
    w.answers()
    w.gateway.kill(signal.SIGKILL)
    wait_for("the end of all", lambda: not w.gateway.processes())


def test_interrupt_from_keyboard(w):
    w.gateway.kill(signal.SIGINT)
    wait_for("the end of all", lambda: not w.gateway.processes())


def test_no_login_without_keeper(w):
    """No login can succeed without a keeper, and none must appear to."""
    p = open_session(w.client)
    (keeper,) = w.gateway.keepers()
    keeper.kill()

    def recovered_or_gone():
        return w.gateway.process.poll() is not None or (
            [k for k in w.gateway.keepers() if k != keeper] != []
        )

    wait_for("a new keeper, or the end", recovered_or_gone, 60)
    if w.gateway.process.poll() is None:
        w.answers()
    procs.end(p)


def test_silent_connections_do_not_hold_old_keeper(w):
    """No longer than LoginGraceTime."""
    from lab import net

    s = net.connect(("127.0.0.1", w.gateway.port))
    assert s.recv(4) == b"SSH-"
    p = open_session(w.client)
    w.gateway.kill(signal.SIGTERM)
    w.gateway.start()
    w.answers()
    assert_finishes(p)
    s.close()
    w.gateway.quiet()


def test_many_sessions_leave_nothing_behind(w):
    """After 60 logins, descriptors and memory are back where they were."""
    def figures():
        (keeper,), (master,) = w.gateway.keepers(), w.gateway.role("master")
        return [p.n_descriptors() for p in (keeper, master)], [p.rss() for p in (keeper, master)]

    def burst():
        running = [w.client.spawn("true", stdin=subprocess.DEVNULL) for _ in range(10)]
        assert [p.wait(60) for p in running] == [0] * 10
        w.gateway.quiet()

    descriptors = figures()[0]
    burst()
    memory = figures()[1]
    for _ in range(5):
        burst()
    wait_for("descriptors back", lambda: figures()[0] == descriptors)
    assert sanitized() or all(now - then < 2_000_000 for now, then in zip(figures()[1], memory))


def test_session_ends_with_one_log_line(w):
    mark = w.gateway.log.mark()
    assert w.client.ssh("head -c 3000000 /dev/zero", stdin=b"x" * 1000).code == 0
    line = end_line(w, mark)
    w.gateway.quiet()
    assert len(re.findall(END_LINE, w.gateway.log.text(mark), re.M)) == 1
    found = re.search(r"(\d+) bytes from client, (\d+) to client", line)
    assert int(found[1]) >= 1000 and int(found[2]) >= 3_000_000
    assert "alice" in line and "127.0.0.1" in line


def test_every_log_line_has_prefix(w, ring):
    w.answers()
    w.new_client(ring.get("wrong0")).ssh("true")
    for line in w.gateway.log.lines():
        assert re.match(r"sallyport\[\d+\]: ", line), line


def test_second_gateway_on_same_port(w):
    """The exit status is one with which the service unit does not try again, ten times a second."""
    p = w.gateway.sallyport("serve", "-c", w.gateway.conf)
    assert p.returncode == 78
    assert b"Address already in use" in p.stderr
    w.answers()
