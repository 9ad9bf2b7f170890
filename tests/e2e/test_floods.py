"""Many unauthenticated connections: each is refused cheaply, and other clients are served.

FULL=1 runs the full numbers, which take a minute more; the docstrings say where the default is smaller.
"""

import contextlib
import os
import re
import selectors
import statistics
import subprocess
import threading
import time

import pytest

from lab import net, unauthenticated
from lab.gateway import TREE, sanitized
from lab.unauthenticated import (
    AT_ONCE, NOT_ALLOWED, assert_quick_login, dropped, first_words, penalise, refused,
)
from lab.wait import PATIENCE, wait_for

FULL = bool(os.environ.get("FULL"))
LOOP = os.path.join(os.path.dirname(os.environ.get("SALLYPORT") or str(TREE / "build" / "sallyport")),
                    "tests", "accept_loop")


# Connections that make no progress.

# All of them have come and are counted within this time, on a busy machine.
GRACE = 12


def slow_connections(port, kinds):
    """{kind: [(seconds from the server's first bytes until it closed, and since the connection was begun)]}

    kinds: {name: (number of connections, what to send first, what to send every two seconds)}.  The time a
    connection waits for accept(2) depends on this host, and does not count for the first number; nor does the time for
    which the first bytes have waited here for the second.
    """
    poll = selectors.DefaultSelector()
    open_, took = {}, {kind: [] for kind in kinds}
    for i, (kind, (n, text, again)) in enumerate(kinds.items()):
        for j in range(n):
            connected = time.monotonic()
            s = unauthenticated.connect(port, f"127.0.{i + 1}.{j % 20 + 1}")
            s.sendall(text)
            open_[s] = (kind, connected, 0)
            poll.register(s, selectors.EVENT_READ)
    heard = said = time.monotonic()
    while open_:
        now = time.monotonic()
        assert now - heard < GRACE + 2 * PATIENCE
        for key, _ in poll.select(0.5):
            s = key.fileobj
            kind, connected, begun = open_[s]
            try:
                if s.recv(65536):
                    open_[s] = (kind, connected, begun or time.monotonic())
                    continue
            except ConnectionResetError:
                pass
            del open_[s]
            ended = time.monotonic()
            took[kind].append((ended - begun, ended - connected))
            poll.unregister(s)
            s.close()
        if now - said < 2:
            continue
        said = now
        for s, (kind, _, _) in open_.items():
            try:
                s.send(kinds[kind][2])
            except OSError:
                pass
    return took


def test_slow_unauthenticated_connections_are_cut_and_block_no_login(gated):
    """500 connections with FULL, else 100; fewer of the last kind, which need a key exchange each."""
    each = 150 if FULL else 32
    w = gated(front={"LoginGraceTime": f"{GRACE}s", "MaxStartups": "700", "PerSourceMaxStartups": "50",
                     "PerSourcePenalties": "grace-exceeded:1h max:2h"})
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"SSH-2.0-x\r\n")
        hello = s.recv(4096)
        while len(hello) < 600:
            hello += s.recv(4096)
    kexinit = hello[hello.index(b"\n") + 1 :]
    kinds = {"silent": (each, b"", b""), "slow": (each, b"S", b"S"),
             "KEXINIT": (each, b"SSH-2.0-x\r\n" + kexinit[: int.from_bytes(kexinit[:4], "big") + 4], b"")}
    result = {}
    thread = threading.Thread(target=lambda: result.update(slow_connections(w.gateway.port, kinds)))
    thread.start()
    after_none = [threading.Thread(target=stay_after_none, args=(w.gateway.port, f"127.0.9.{i + 1}", result))
                  for i in range(50 if FULL else 4)]
    for t in after_none:
        t.start()
    wait_for("the crowd", lambda: len(w.gateway.sessions()) >= each * 3)
    assert_quick_login(w)
    for t in (thread, *after_none):
        t.join(GRACE + 3 * PATIENCE)
    assert len(result) == 4 and len(result["none"]) == len(after_none)
    late = GRACE + (1 if FULL else PATIENCE)  # the default is 120
    for kind, took in result.items():
        assert max(took)[0] < late, (kind, max(took))
    assert min(since for _, since in result["silent"]) > GRACE - 0.5
    w.gateway.quiet()
    assert_quick_login(w)
    w.gateway.log.wait(r"127\.0\.1\.1/32 is refused for \d+ s from now on: penalty: exceeded LoginGraceTime")
    wait_for("their sources to be refused", lambda: refused(w.gateway.port, "127.0.1.1"))


def stay_after_none(port, source, result):
    t = unauthenticated.paramiko.Transport(unauthenticated.connect(port, source))
    try:
        t.banner_timeout = t.handshake_timeout = PATIENCE
        t.start_client(timeout=PATIENCE)
        begun = time.monotonic()
        try:
            t.auth_none("alice")
        except unauthenticated.paramiko.SSHException:
            pass
        wait_for("the end", lambda: not t.is_active(), GRACE + PATIENCE)
        result.setdefault("none", []).append((time.monotonic() - begun, None))
    finally:
        t.close()


# Floods of connections.

def cpu_time(pid):
    """Microseconds of CPU time that a process has used."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1000


def flood(port, n, sources=("127.0.0.1",), answers=None):
    for i in range(n):
        said = first_words(port, sources[i % len(sources)])
        if answers is not None:
            answers[said] = answers.get(said, 0) + 1


@contextlib.contextmanager
def on_one_processor(*pids):
    """Bind these processes and this one to one processor."""
    mine = os.sched_getaffinity(0)
    for pid in (0, *pids):
        os.sched_setaffinity(pid, {max(mine)})
    try:
        yield
    finally:
        for pid in (0, *pids):
            os.sched_setaffinity(pid, mine)


@pytest.fixture
def loop():
    if not os.access(LOOP, os.X_OK):
        pytest.skip(f"{LOOP} is not there: make tests")
    port = net.free_port()
    p = subprocess.Popen([LOOP, str(port)])
    net.wait_accepts(("127.0.0.1", port))
    p.port = port
    yield p
    p.kill()
    p.wait()


def test_flood_from_one_source_is_refused_before_fork(gated):
    """5,000 connections, of which 50 may be logging in; the log has only a few lines for them."""
    w = gated(front={"PerSourceMaxStartups": "50", "PerSourcePenalties": "no", "LoginGraceTime": "5m"})
    held = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(50)]
    for s in held:
        assert s.recv(4) == b"SSH-"
    mark, answers, start = w.gateway.log.mark(), {}, time.monotonic()
    flood(w.gateway.port, 4000, answers=answers)
    assert_quick_login(w)
    flood(w.gateway.port, 1000, answers=answers)
    took = time.monotonic() - start
    assert set(answers) <= {b"Exceeded PerSourceMaxStartups\r\n", b""}, answers
    assert answers[b"Exceeded PerSourceMaxStartups\r\n"] > 4900, answers
    wait_for("the log to have them all",
             lambda: dropped(w.gateway.log.text(mark), "PerSourceMaxStartups") == 5000)
    assert len(re.findall("drop connection", w.gateway.log.text(mark))) < 6 * (took + 3)
    wait_for("the held ones alone", lambda: len(w.gateway.sessions()) == 50)
    for s in held:
        s.close()


def test_refusing_penalised_sources_costs_little_more_than_accept_loop(gated, loop, capsys):
    """20,000 connections from 1,000 penalised sources with FULL, else 5,000 from 250.

    The master uses at most twice the CPU time of a bare accept-send-close loop.
    """
    if sanitized():
        pytest.skip("costs more with the sanitizers")
    n = 20000 if FULL else 5000
    sources = [f"127.1.{i // 250}.{i % 250 + 1}" for i in range(n // 20)]
    w = gated(front={"PerSourcePenalties": AT_ONCE, "MaxStartups": "1000"})
    for source in sources:
        first_words(w.gateway.port, source)
    for source in sources:
        penalise(w.gateway.port, source)
    w.gateway.quiet()
    cost, answers, rounds = {w.gateway.process.pid: [], loop.pid: []}, {}, 20
    # Waking a process on another processor costs several times what a refusal does, and the scheduler may
    # put either server there: two copies of the bare loop then differ by a factor of two and more.
    with on_one_processor(*cost):
        for _ in range(rounds):
            for pid, port in ((w.gateway.process.pid, w.gateway.port), (loop.pid, loop.port)):
                before = cpu_time(pid)
                flood(port, n // rounds, sources, answers)
                cost[pid].append((cpu_time(pid) - before) / (n // rounds))
    assert_quick_login(w)
    assert set(answers) <= {NOT_ALLOWED, b""} and answers[NOT_ALLOWED] > 2 * n - n // 100, answers
    # The halves of a round take turns, so that other load on this host affects both.
    ours, bare = cost.values()
    ratios = sorted(a / b for a, b in zip(ours, bare))
    median = statistics.median(ratios)
    with capsys.disabled():
        print(f"\n{n} refused from {len(sources)} sources, in {rounds} rounds: {statistics.median(ours):.1f} us each, "
              f"bare loop {statistics.median(bare):.1f} us; ratio {ratios[0]:.2f} to {ratios[-1]:.2f}, median {median:.2f}")
    assert median <= 2, ratios
    w.gateway.quiet()
