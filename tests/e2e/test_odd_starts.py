"""A gateway started in an odd environment, or short of resources."""

import contextlib
import os
import resource
import signal
import subprocess

import pytest

from lab import net
from lab.client import open_session
from lab.gateway import SALLYPORT, sanitized
from lab.procs import needs_access_to
from lab.wait import wait_for


@pytest.fixture
def restarted(gated):
    """restarted(words of a command, ...): the gateway started anew by that command."""

    def make(*within, **front):
        w = gated(front=front)
        w.gateway.kill(signal.SIGTERM)
        w.gateway.within = within
        w.gateway.start()
        return w

    return make


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
def test_start_with_closed_standard_descriptors(restarted, closed):
    w = restarted("sh", "-c", f'exec "$@" {closed}', "sh")
    w.answers()
    for p in [w.gateway.master, *w.gateway.keepers()]:
        needs_access_to(p)
        open_on = p.descriptors()
        assert all(open_on[fd] == "/dev/null" for fd, sign in ((0, "<"), (1, ">")) if sign in closed)
        assert open_on[2] == str(w.gateway.log.path)


def test_start_without_stderr(gated):
    """Messages for standard error go to no other descriptor, least of all to a socket."""
    w = gated()
    w.gateway.kill(signal.SIGTERM)
    w.gateway.process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", SALLYPORT, "serve", "-c", w.gateway.conf],
        start_new_session=True,
    )
    w.gateway.group.add(w.gateway.process.pid)
    wait_for("the gateway to listen", lambda: net.accepts(("127.0.0.1", w.gateway.port))
             or w.gateway.process.poll() is not None)
    w.answers()
    w.gateway.quiet()


def test_start_with_sigchld_ignored(restarted):
    """Children that end are still counted."""
    w = restarted("env", "--ignore-signal=CHLD", MaxStartups="3")
    for _ in range(10):
        with net.connect(("127.0.0.1", w.gateway.port)) as s:
            assert s.recv(4) == b"SSH-"
        wait_for("the end of it", lambda: not w.gateway.sessions())
    w.answers()


def test_log_file_at_size_limit(gated):
    """RLIMIT_FSIZE ends no process that writes to the log."""
    w = gated()
    w.gateway.kill(signal.SIGTERM)
    size = w.gateway.log.mark()
    w.gateway.within = ("prlimit", f"--fsize={size + 500}", "--")
    w.gateway.start()
    for _ in range(5):
        w.answers()
    w.gateway.quiet()
    assert w.gateway.log.mark() <= size + 500
    assert w.gateway.process.poll() is None


def test_connections_beyond_descriptor_limit(restarted):
    """New connections are refused, sessions go on, and there is room again at once."""
    w = restarted("prlimit", "--nofile=40", "--", MaxStartups="200")
    running = open_session(w.client)
    heard = []
    waiting = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(60)]
    for s in waiting:
        try:
            heard.append(s.recv(4))
        except ConnectionResetError:
            heard.append(b"")
    assert heard.count(b"SSH-") > 10 and heard.count(b"") > 10
    w.gateway.log.wait(r"^sallyport\[\d+\]: error: cannot accept a connection: Too many open files$")
    assert w.ssh("true").code == 255
    for s in waiting:
        s.close()
    wait_for("room", lambda: len(w.gateway.sessions()) == 1)
    w.answers()
    out, err = running.communicate(b"still here", timeout=60)
    assert (running.returncode, out) == (0, b"still here"), err
    assert not w.gateway.log.find(r"the keeper has died")
    w.gateway.quiet()


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes a user who has no other process")
def test_connections_beyond_process_limit(restarted):
    """Each connection is refused with a message and one line in the log; there is room again at once."""
    w = restarted("prlimit", "--nproc=12", "--", MaxStartups="200", RunNetworkAs="uucp")
    running = open_session(w.client)
    mark = w.gateway.log.mark()
    with contextlib.ExitStack() as waiting:
        heard = [waiting.enter_context(net.connect(("127.0.0.1", w.gateway.port))).recv(100) for _ in range(30)]
        refused = [text for text in heard if not text.startswith(b"SSH-")]
        assert 10 < len(refused) < 30
        assert all(text.startswith(b"Gateway is out of resources, try again later: ") for text in refused)
        lines = w.gateway.log.lines(mark)
        assert len(lines) == len(refused), lines
        assert all("error: drop connection from 127.0.0.1 port " in line for line in lines)
    wait_for("room", lambda: len(w.gateway.sessions()) == 1)
    w.answers()
    out, err = running.communicate(b"still here", timeout=60)
    assert (running.returncode, out) == (0, b"still here"), err


def test_logins_near_descriptor_limit(restarted):
    """However few descriptors are left, a login succeeds, or is refused for a reason that is logged."""
    w = restarted("prlimit", "--nofile=24", "--", MaxStartups="200")
    with contextlib.ExitStack() as waiting:
        codes = []
        taken = True
        while taken:
            mark = w.gateway.log.mark()
            codes.append(w.ssh("true").code)
            if codes[-1] != 0:
                w.gateway.log.wait("Too many open files", mark)
            # the descriptors of that login are free again
            wait_for("its end", lambda: len(w.gateway.sessions()) == len(codes) - 1 and not w.gateway.zombies())
            s = waiting.enter_context(net.connect(("127.0.0.1", w.gateway.port)))
            try:
                taken = s.recv(4) == b"SSH-"
            except ConnectionResetError:
                taken = False
            assert len(codes) <= 24
    assert codes[0] == 0 and codes[-1] == 255
    wait_for("room", lambda: not w.gateway.sessions())
    w.answers()


def test_session_that_cannot_start_logs_reason(gated):
    """Before it sends its version, here because it has no memory left: no other process can log this."""
    if sanitized():
        pytest.skip("the sanitizer ends whoever has no memory left, with words of its own")
    w = gated()
    data = int(w.gateway.master.status("VmData").split()[0]) * 1024
    resource.prlimit(w.gateway.master.pid, resource.RLIMIT_DATA, (data, data))
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert net.read_all(s) == b""
    w.gateway.log.wait(r"error: (session [0-9a-f]+: (cannot (start|enter the sandbox)|crashed)|new session): \w")
    w.gateway.quiet()
