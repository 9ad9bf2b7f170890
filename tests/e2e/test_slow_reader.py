"""Peers that do not read: the memory of the session stays bounded, and other traffic goes on."""

import signal
import subprocess
import time

import pytest

from lab import net
from lab.memory import assert_bounded
from lab.procs import Proc
from lab.wait import wait_for


def bytes_written(procs):
    """The number of bytes that these processes have written so far."""
    total = 0
    for p in procs:
        with open(f"/proc/{p.pid}/io", encoding="ascii") as f:
            total += int(next(line for line in f if line.startswith("wchar")).split()[1])
    return total


@pytest.fixture
def w(gated):
    return gated()


def test_stopped_client(w):
    p = w.client.spawn("cat /dev/zero", stdin=subprocess.DEVNULL)
    assert p.stdout.read(1) == b"\0"
    p.send_signal(signal.SIGSTOP)
    try:
        (session,) = w.gateway.sessions("alice")
        assert_bounded(session)
        w.answers()
    finally:
        p.send_signal(signal.SIGCONT)
    assert p.stdout.read(50_000_000) == bytes(50_000_000)


def test_stopped_upstream(w):
    p = w.client.spawn("echo up; cat >/dev/null")
    assert p.stdout.readline() == b"up\n"
    frozen = w.sshd.sessions()
    for s in frozen:
        s.kill(signal.SIGSTOP)
    try:
        feeder = w.client.popen(["cat", "/dev/zero"], stdout=p.stdin, stdin=subprocess.DEVNULL)
        (session,) = w.gateway.sessions("alice")
        assert_bounded(session)
        feeder.kill()
    finally:
        for s in frozen:
            s.kill(signal.SIGCONT)


def test_client_that_grants_windows_and_never_reads(w):
    """The client gives end-to-end flow control away, so the gateway must hold back."""
    paramiko = pytest.importorskip("paramiko")
    t = paramiko.Transport(("127.0.0.1", w.gateway.port), default_window_size=(1 << 31) - 1)
    try:
        t.connect(username="alice",
                  pkey=paramiko.Ed25519Key.from_private_key_file(str(w.client.key.path)))
        read = t.packetizer.read_message
        stopped = []

        def read_no_more():
            if stopped:
                time.sleep(0.05)
                wait_for("the test to end", lambda: not stopped, 60)
            return read()

        t.packetizer.read_message = read_no_more
        channels = [t.open_session(timeout=60) for _ in range(4)]
        stopped.append(True)
        for c in channels:
            # a raw message, since the answer will not be read
            m = paramiko.Message()
            m.add_byte(bytes([98]))
            m.add_int(c.remote_chanid)
            m.add_string("exec")
            m.add_boolean(False)
            m.add_string("cat /dev/zero")
            t._send_message(m)
        (session,) = w.gateway.sessions("alice")
        wait_for("the flood", lambda: bytes_written(w.sshd.commands("/dev/zero")) > 4 << 20, 60)
        assert_bounded(session)
        w.answers()
    finally:
        stopped.clear()
        t.close()


def test_stalled_direction_does_not_block_others(own_way, short):
    w = own_way()
    control = short / "c"
    w.client.forward("-M", "-S", str(control))
    wait_for("the control socket", lambda: net.accepts(str(control)))
    stuck = w.client.spawn("-S", str(control), "cat /dev/zero & cat >/dev/null; kill $!; echo >&2 read all")
    wait_for("a full pipe", lambda: Proc(stuck.pid).state == "S")
    stuck.stdin.write(bytes(20_000_000))  # upstream, while the other direction is stalled
    stuck.stdin.flush()
    assert w.client.ssh("-S", control, "echo other", timeout=60).text == "other\n"


def test_twenty_clients_that_do_not_read(w):
    running = [w.client.spawn("cat /dev/zero", stdin=subprocess.DEVNULL) for _ in range(20)]
    for p in running:
        assert p.stdout.read(1) == b"\0"
    for session in w.gateway.sessions("alice"):
        assert_bounded(session)
    w.answers()
