"""The gateway as the first process of a PID namespace, as under `docker run`."""

import os
import re
import signal
import subprocess

import pytest

from lab import net
from lab.client import open_session
from lab.gateway import END_LINE
from lab.wait import PATIENCE, wait_for

WITHIN = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture
def w(gated):
    if os.getuid() != 0 or subprocess.run([*WITHIN, "true"], check=False, capture_output=True).returncode:
        pytest.skip("takes a PID namespace")
    w = gated()
    w.gateway.kill(signal.SIGTERM)
    w.gateway.within = WITHIN
    w.gateway.start()
    yield w
    for p in w.gateway.role("master"):
        p.kill(signal.SIGTERM)  # unshare(1) does not pass it on


def master_of(w):
    (master,) = w.gateway.role("master")
    return master


def test_sigterm_ends_sessions_cleanly(w):
    """No process survives the first one of a namespace: before it ends, each client is told and each session
    is logged.
    """
    running = [open_session(w.client) for _ in range(3)]
    stranger = net.connect(("127.0.0.1", w.gateway.port))
    assert stranger.recv(4) == b"SSH-"
    mark = w.gateway.log.mark()
    master_of(w).kill(signal.SIGTERM)
    for p in running:
        out, err = p.communicate(timeout=PATIENCE)
        assert (p.returncode, out) == (255, b"")
        assert re.search(rb"sallyport: ended by the operator \(session [0-9a-f]+\)", err), err
    stranger.close()
    assert w.gateway.process.wait(PATIENCE) == 0
    wait_for("the end of all", lambda: not w.gateway.processes())
    lines = re.findall(END_LINE, w.gateway.log.text(mark), re.M)
    assert len(lines) == 3 and all("ended by the operator" in line for line in lines), lines
    w.sshd.quiet()


def test_sigterm_ends_forwarded_connections(w):
    """Each has its line in the log."""
    server = net.Server(net.echo)
    w.gateway.write("05-edge.ini", "edge", {"DetectTimeout": "60s"},
                    f"[forward all]\nProtocol = any\nTarget = 127.0.0.1:{server.port}\n")
    assert w.gateway.reload().returncode == 0
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"to and fro")
        assert s.recv(1) == b"t"
        master_of(w).kill(signal.SIGTERM)
        assert w.gateway.process.wait(PATIENCE) == 0
    server.close()
    w.gateway.log.wait(r"Forwarded all: .*: 10 bytes in, 10 out, .*; the gateway is being ended$")
    assert not w.gateway.log.find("has died")


def test_stalled_client_does_not_delay_shutdown(w):
    p = open_session(w.client, "echo up; exec cat /dev/zero")
    p.send_signal(signal.SIGSTOP)
    try:
        master_of(w).kill(signal.SIGTERM)
        assert w.gateway.process.wait(PATIENCE) == 0
    finally:
        p.send_signal(signal.SIGCONT)
    w.gateway.log.wait(r"closed after .*ended by the operator")


def test_dead_children_are_collected(w):
    p = open_session(w.client)
    for _ in range(3):
        q = open_session(w.client)
        w.gateway.sessions("alice")[-1].kill()
        assert q.wait(PATIENCE) == 255
    wait_for("no dead child", lambda: not w.gateway.zombies())
    assert p.poll() is None
    w.answers()
