"""Many channels on one connection."""

import statistics
import subprocess
import time

import pytest

from lab import net, procs
from lab.wait import PATIENCE, wait_for


@pytest.fixture
def shared_connection(own_way, short):
    """shared_connection(MaxSessions=…): a way, and a connection that its sessions share."""

    def make(**sshd):
        w = own_way(sshd=sshd)
        w.control = short / "control"
        w.master = w.client.forward("-M", "-S", str(w.control))
        wait_for("the control socket", lambda: net.accepts(str(w.control)))
        w.session = lambda command, **kw: w.client.spawn("-S", str(w.control), command, **kw)
        return w

    return make


def test_20_concurrent_and_60_consecutive_sessions(shared_connection):
    w = shared_connection(MaxSessions="50")
    running = [w.session(f"cat; echo err{i} >&2; exit {i}") for i in range(20)]
    for i, p in enumerate(running):
        out, err = p.communicate(b"%d" % i * 100_000, timeout=PATIENCE)
        assert (p.returncode, out, err) == (i, b"%d" % i * 100_000, b"err%d\n" % i)
    for i in range(60):
        r = w.client.ssh("-S", w.control, f"echo {i}; exit {i % 7}")
        assert r.outcome == (i % 7, b"%d\n" % i, "")
    # All sessions used one connection.
    assert len(w.sshd.log.text().split("Accepted publickey")) == 2


def test_sessions_beyond_max_sessions_are_refused(shared_connection):
    w = shared_connection(MaxSessions="3")
    held = [w.session("echo up; cat") for _ in range(3)]
    for p in held:
        assert p.stdout.readline() == b"up\n"
    argv = w.client.argv("ssh", "-S", w.control, "upstream", "echo not reached")
    r = w.client.run(argv)
    assert "Session open refused by peer" in r.err
    for p in held:
        out, _ = p.communicate(b"still", timeout=PATIENCE)
        assert (p.returncode, out) == (0, b"still")


def test_stalled_session_does_not_delay_others(shared_connection):
    w = shared_connection(MaxSessions="50")
    slow = w.session("cat /dev/zero", stdin=subprocess.DEVNULL)  # nobody reads its output
    for _ in range(10):
        assert w.client.ssh("-S", w.control, "echo quick").text == "quick\n"
    assert slow.poll() is None


def test_forward_added_to_running_connection(shared_connection):
    w = shared_connection()
    echo = net.Server(net.echo)
    port = net.free_port()
    forward = f"127.0.0.1:{port}:127.0.0.1:{echo.port}"
    w.client.run(w.client.argv("ssh", "-S", w.control, "-O", "forward", "-L", forward, "upstream"),
                 check=True)
    assert net.exchange(("127.0.0.1", port), b"through") == b"through"
    echo.close()


def test_sftp_and_a_shell_on_one_connection(shared_connection, bulk, tmp_path):
    w = shared_connection()
    b = bulk(20)
    w.client.sftp(f"put {b.path} {tmp_path}/x\n", "-o", f"ControlPath={w.control}")
    t = w.client.terminal("-t", "-S", str(w.control), "cmp /dev/null /dev/null && echo same")
    t.expect("same")
    assert t.wait() == 0
    assert (tmp_path / "x").read_bytes() == b.path.read_bytes()


def test_end_of_connection_ends_its_sessions(shared_connection):
    w = shared_connection()
    p = w.session("echo up; sleep 1007")
    assert p.stdout.readline() == b"up\n"
    procs.end(w.master)
    p.wait(PATIENCE)
    assert p.returncode == 255
    wait_for("the end of it at the front", lambda: not w.servers())


def test_terminal_stays_responsive_during_upload(shared_connection):
    """The gateway reads an upload in large pieces, and must serve the other channels in between."""
    w = shared_connection()
    cat = w.session("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def seconds():
        """The median of 200 answers, so that a process that has to wait for a processor now and then is none of it."""
        taken = []
        for i in range(200):
            started = time.monotonic()
            cat.stdin.write(b"%d\n" % i)
            cat.stdin.flush()
            assert cat.stdout.readline() == b"%d\n" % i
            taken.append(time.monotonic() - started)
        return statistics.median(taken)

    alone = seconds()
    w.upload = w.session("cat >/dev/null", stdin=open("/dev/zero", "rb"), stdout=subprocess.DEVNULL)
    taken = seconds()
    assert w.upload.poll() is None
    procs.end(w.upload)
    cat.stdin.close()
    assert cat.wait(PATIENCE) == 0
    # an answer takes a few ms, and more on a busy host
    assert taken < max(0.05, 50 * alone), (taken, alone)
