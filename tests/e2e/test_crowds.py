"""Many unauthenticated connections: each is refused cheaply, and other clients are served.

FULL=1 runs the full numbers, which take a minute more; the docstrings say where the default is smaller.
"""

import contextlib
import os
import re
import selectors
import signal
import statistics
import subprocess
import threading
import time

import pytest

from lab import net, taken_over, unauthenticated
from lab.taken_over import TakenOver
from lab.gateway import TREE, sanitized
from lab.sshd import penalising
from lab.unauthenticated import NOT_ALLOWED, dropped, first_words, guess, refused
from lab.wait import wait_for
from lab.way import Way

FULL = bool(os.environ.get("FULL"))
LOOP = os.path.join(os.path.dirname(os.environ.get("SALLYPORT") or str(TREE / "build" / "sallyport")),
                    "tests", "accept_loop")
# A hash whose password nobody knows, cheap to check.
HASH = {"PasswordHash": "$argon2id$v=19$m=1024,t=2,p=1$" + "A" * 22 + "$" + "A" * 43}
# Penalties that one failure triggers, and that outlast a test.
AT_ONCE = "crash:1h authfail:1h noauth:1h grace-exceeded:1h min:1s max:1h"


def client_at_other_address(w, **options):
    """A client whose address has no penalty."""
    return w.new_client(BindAddress="127.0.0.2", **options)


def assert_quick_login(w, limit=2.0):
    start = time.monotonic()
    r = client_at_other_address(w).ssh("echo in", timeout=30)
    took = time.monotonic() - start
    assert r.text == "in\n", r
    assert not FULL or took < limit, took


def penalise(port, source="127.0.0.1", **kw):
    """Connect and leave until the source is penalised; needs the words of AT_ONCE."""
    wait_for(f"a penalty of {source}", lambda: refused(port, source, **kw))


# Connections that make no progress.

GRACE = 5


def slow_connections(port, kinds):
    """{kind: [seconds from the server's first bytes until it closed]}

    kinds: {name: (number of connections, what to send first, what to send every two seconds)}.  The time a
    connection waits for accept(2) depends on this host, and does not count.
    """
    poll = selectors.DefaultSelector()
    open_, took = {}, {kind: [] for kind in kinds}
    for i, (kind, (n, text, again)) in enumerate(kinds.items()):
        for j in range(n):
            s = unauthenticated.connect(port, f"127.0.{i + 1}.{j % 20 + 1}")
            s.sendall(text)
            open_[s] = (kind, 0)
            poll.register(s, selectors.EVENT_READ)
    heard = said = time.monotonic()
    while open_:
        now = time.monotonic()
        assert now - heard < 60
        for key, _ in poll.select(0.5):
            s = key.fileobj
            kind, begun = open_[s]
            try:
                if s.recv(65536):
                    open_[s] = (kind, begun or time.monotonic())
                    continue
            except ConnectionResetError:
                pass
            del open_[s]
            took[kind].append(time.monotonic() - begun)
            poll.unregister(s)
            s.close()
        if now - said < 2:
            continue
        said = now
        for s, (kind, _) in open_.items():
            try:
                s.send(kinds[kind][2])
            except OSError:
                pass
    return took


def test_slow_unauthenticated_connections_are_cut_and_block_no_login(gated):
    """500 connections with FULL, else 100; fewer of the last kind, which need a key exchange each."""
    each = 150 if FULL else 32
    w = gated(front={"LoginGraceTime": f"{GRACE}s", "MaxStartups": "700", "PerSourceMaxStartups": "50",
                     "PerSourcePenalties": "yes"})
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
    wait_for("the crowd", lambda: len(w.gateway.sessions()) >= each * 3, 60)
    assert_quick_login(w)
    for t in (thread, *after_none):
        t.join(90)
    assert len(result) == 4 and len(result["none"]) == len(after_none)
    late = GRACE + (1 if FULL else 5)
    for kind, took in result.items():
        assert max(took) < late, (kind, max(took))
    assert min(result["silent"]) > GRACE - 0.5
    w.gateway.quiet()
    assert_quick_login(w)
    # each connection was worth 10 s to its source, which had several
    assert w.gateway.log.find(r"127\.0\.1\.1/32 is refused for \d+ s from now on: penalty: exceeded LoginGraceTime")
    wait_for("their sources to be refused", lambda: refused(w.gateway.port, "127.0.1.1"), 3)


def stay_after_none(port, source, result):
    t = unauthenticated.paramiko.Transport(unauthenticated.connect(port, source))
    try:
        t.start_client(timeout=20)
        begun = time.monotonic()
        try:
            t.auth_none("alice")
        except unauthenticated.paramiko.SSHException:
            pass
        wait_for("the end", lambda: not t.is_active(), GRACE + 20)
        result.setdefault("none", []).append(time.monotonic() - begun)
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
             lambda: dropped(w.gateway.log.text(mark), "PerSourceMaxStartups") == 5000, 5)
    assert len(re.findall("drop connection", w.gateway.log.text(mark))) < 6 * (took + 3)
    assert len(w.gateway.sessions()) == 50
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
    assert not w.gateway.sessions()


# Password guesses and penalties.

def guess_until_refused(w, source, login="alice", most=20):
    """The number of connections with a wrong password until the source was refused."""
    for n in range(most):
        if refused(w.gateway.port, source):
            return n
        assert guess(w.gateway.port, login, source=source) == 1, w.gateway.log.text()[-2000:]
        w.gateway.quiet()
    raise AssertionError(f"{most} guesses, and it is not refused")


def test_password_guesses_are_penalised(gated):
    """sshd's own values: four failed connections are followed by no fifth (4 x 5 s > 15 s)."""
    w = gated(front={"PerSourcePenalties": "noauth:0 authfail:5s"}, route=HASH)
    wrong = 0
    for _ in range(2000 if FULL else 500):
        if not refused(w.gateway.port):
            wrong += guess(w.gateway.port, tries=6)
    # six from each connection; no penalty expires meanwhile, unless this host sleeps
    assert 12 <= wrong <= 36, wrong
    assert w.gateway.log.find(r"127\.0\.0\.1/32 is refused for \d+ s from now on: penalty: failed authentication")
    assert_quick_login(w)


def test_penalty_threshold_is_configurable(gated):
    w = gated(front={"PerSourcePenalties": "authfail:8m noauth:0 min:10m max:20m"}, route=HASH)
    assert guess_until_refused(w, "127.0.0.1") == 2


def test_same_number_of_failures_as_sshd(make_sshd, gated):
    """A real sshd with the same settings refuses after the same failures."""
    if not penalising():
        pytest.skip("no sshd 9.8 or later here")
    words = "authfail:10m noauth:0 min:25m max:1h"
    upstream = make_sshd(program=penalising(), PasswordAuthentication="yes", PerSourcePenalties=words)
    w = gated(front={"PerSourcePenalties": words}, route=HASH)
    for port in (upstream.port, w.gateway.port):
        failed = 0
        while not refused(port):
            guess(port, "nobody-of-this-name")
            failed += 1
            upstream.quiet()
            w.gateway.quiet()
            assert failed < 10
        assert failed == 3


def test_penalties_do_not_reveal_which_logins_exist(gated):
    w = gated(front={"PerSourcePenalties": "authfail:10m noauth:1s min:25m max:1h"}, route=HASH)
    assert guess_until_refused(w, "127.0.0.3", "alice") == 3
    assert guess_until_refused(w, "127.0.0.4", "nobody") == 3
    text = w.gateway.log.text()
    assert re.search(r"127\.0\.0\.3/32 is refused for \d+ s from now on: penalty: failed authentication$", text, re.M)
    assert re.search(r"127\.0\.0\.4/32 is refused .* attempted authentication by invalid user$", text, re.M)
    # a connection with "none" alone is a guess at neither
    for login in ("alice", "nobody"):
        for _ in range(4):
            guess(w.gateway.port, login, source="127.0.0.5", method="none")
    assert not refused(w.gateway.port, "127.0.0.5")


def test_failed_keys_before_success_are_not_penalised(gated, ring):
    """As users with several keys in their agents cause them."""
    w = gated(front={"PerSourcePenalties": AT_ONCE.replace("noauth:1h", "noauth:0")})
    for _ in range(3):
        r = w.ssh("-v", "-i", str(ring.get("other").path), "echo in")
        assert r.text == "in\n" and r.err.count("Offering public key") == 2, r.err
    w.gateway.quiet()
    assert not refused(w.gateway.port)
    # the same key without the right one
    assert w.new_client(key=ring.get("other")).ssh("true").code == 255
    penalise(w.gateway.port)


def test_password_refused_by_upstream_is_penalised(gated):
    w = gated(front={"PerSourcePenalties": AT_ONCE.replace("noauth:1h", "noauth:0")},
              sshd={"PasswordAuthentication": "yes"},
              route={"Passthrough": "yes", "Key": None, "AuthorizedKeysFile": None})
    assert guess(w.gateway.port) == 1
    w.gateway.log.wait("from now on: penalty: failed authentication")
    # also where the upstream closes the connection before it refuses
    w = gated(front={"PerSourcePenalties": AT_ONCE.replace("noauth:1h", "noauth:0")},
              sshd={"PasswordAuthentication": "yes", "MaxAuthTries": "1"},
              route={"Passthrough": "yes", "Key": None, "AuthorizedKeysFile": None})
    guess(w.gateway.port)
    w.gateway.log.wait("from now on: penalty: failed authentication")


def test_unreachable_upstream_is_not_penalised(gated):
    w = gated(front={"PerSourcePenalties": AT_ONCE.replace("noauth:1h", "noauth:0")})
    w.sshd.stop()
    for _ in range(3):
        assert "cannot be reached right now" in w.ssh("true").err
    w.gateway.quiet()
    assert not refused(w.gateway.port)


def test_penalties_survive_reload_but_not_restart(gated):
    w = gated(front={"PerSourcePenalties": AT_ONCE})
    penalise(w.gateway.port)
    w.gateway.port, w.gateway.options["MaxStartups"] = w.gateway.port, "99"
    w.gateway.write_gateway()
    mark = w.gateway.log.mark()
    w.gateway.process.send_signal(signal.SIGHUP)
    w.gateway.log.wait("the new configuration is in force", mark)
    assert refused(w.gateway.port)
    w.gateway.stop()
    w.gateway.start()
    assert first_words(w.gateway.port)[:4] == b"SSH-"


def test_exempt_sources_are_not_penalised(gated):
    w = gated(front={"PerSourcePenalties": AT_ONCE, "PerSourcePenaltyExemptList": "127.0.0.1,127.0.7.0/24"})
    for source in ("127.0.0.1", "127.0.7.200"):
        for _ in range(3):
            assert first_words(w.gateway.port, source)[:4] == b"SSH-"
            w.gateway.quiet()
    penalise(w.gateway.port, "127.0.8.1")


def test_address_block_counts_as_one_source(gated):
    w = gated(front={"PerSourcePenalties": AT_ONCE, "PerSourceNetBlockSize": "24:64"})
    penalise(w.gateway.port, "127.0.7.1")
    assert refused(w.gateway.port, "127.0.7.254")
    assert first_words(w.gateway.port, "127.0.8.1")[:4] == b"SSH-"


def test_overflow_of_penalty_table(gated):
    w = gated(front={"PerSourcePenalties": f"{AT_ONCE} max-sources4:3"})
    for i in range(1, 5):
        penalise(w.gateway.port, f"127.0.7.{i}")
    wait_for("the first to be forgotten", lambda: not refused(w.gateway.port, "127.0.7.1"))
    w = gated(front={"PerSourcePenalties": f"{AT_ONCE} max-sources4:3 overflow:deny-all",
                     "PerSourcePenaltyExemptList": "127.0.0.2"})
    for i in range(1, 4):
        penalise(w.gateway.port, f"127.0.7.{i}")
    assert refused(w.gateway.port, "127.0.9.9")
    w.gateway.log.wait(r"drop connection from 127\.0\.9\.9 port \d+: too many penalised addresses")
    assert_quick_login(w)


def test_penalties_for_ipv6(make_gateway):
    g = make_gateway(host="::1", PerSourcePenalties=AT_ONCE).start()
    penalise(g.port, "::1", host="::1")
    g.log.wait(r"::/64 is refused for 3600 s from now on: penalty: connections without attempting authentication")


# Sessions that end in other ways, and their ids.

def test_crash_is_logged_with_source_and_penalised(gated):
    w = gated(front={"PerSourcePenalties": "yes"})
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(4) == b"SSH-"
        port = s.getsockname()[1]
        (session,) = w.gateway.sessions()
        session.kill(signal.SIGABRT)
        w.gateway.log.wait(rf"error: session [0-9a-f]{{8}}: crashed: killed by signal 6, from 127\.0\.0\.1 port {port}$")
        wait_for("the penalty", lambda: refused(w.gateway.port), 3)
    w.gateway.log.wait(r"127\.0\.0\.1/32 is refused for 90 s from now on: penalty: caused crash")
    w.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: penalty: caused crash")
    assert_quick_login(w)


def test_stopped_sessions_are_killed(gated):
    """A stopped process reacts neither to its deadline nor to the keeper (SECURITY.md, finding 12)."""
    w = gated(front={"LoginGraceTime": "1s", "MaxStartups": "3",
                     "PerSourcePenalties": "grace-exceeded:1h min:1s max:1h"})
    held = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(3)]
    for s in held:
        assert s.recv(4) == b"SSH-"
    for p in w.gateway.sessions():
        p.kill(signal.SIGSTOP)
    assert first_words(w.gateway.port, "127.0.0.2") == b"Exceeded MaxStartups\r\n"
    killed = r"session [0-9a-f]{8}: killed: neither logged in nor gone 10 s after LoginGraceTime, from 127\.0\.0\.1 port \d+$"
    wait_for("the master to kill them", lambda: len(re.findall(killed, w.gateway.log.text(), re.M)) == 3, 30)
    w.gateway.quiet()
    assert not w.gateway.log.find("crashed")
    assert_quick_login(w)
    assert refused(w.gateway.port)
    for s in held:
        s.close()


@pytest.fixture
def attacked(make_gateway, make_sshd, ring, tmp_path):
    """attacked(words): a way through a gateway of the attack build."""
    def make(**words):
        upstream = make_sshd()
        g = make_gateway(program=taken_over.program(), **words)
        g.route("alice", upstream, [ring.get("client")], **HASH)
        return Way("gateway", tmp_path, ring, upstream, g.start())

    return make


def test_taken_over_sessions_do_not_use_up_max_startups(attacked):
    """SECURITY.md, finding 12: three such sessions used to block a MaxStartups of three for ever."""
    w = attacked(LoginGraceTime="1s", MaxStartups="3",
                 PerSourcePenalties="grace-exceeded:1h min:1s max:1h")
    sessions = [TakenOver(w.gateway.port) for _ in range(3)]
    assert first_words(w.gateway.port, "127.0.0.2") == b"Exceeded MaxStartups\r\n"
    wait_for("the master to kill them", lambda: not w.gateway.sessions(), 30)
    w.gateway.quiet()
    assert_quick_login(w)
    assert refused(w.gateway.port)
    for t in sessions:
        t.sock.close()
    w.close()


def test_taken_over_session_cannot_hide_failed_login(attacked):
    """The session claims success after one failed guess, but the keeper has counted the guess."""
    w = attacked(PerSourcePenalties="authfail:1h noauth:0 min:1s max:1h")
    with TakenOver(w.gateway.port) as t:
        t.receive()
        t.sign()
        t.auth(50, "alice", "ssh-connection", "password", False, "guess")
        t.expect("DOWNSTREAM")
        t.send("END", "all is well", *[bytearray(8)] * 2, bytearray(1), 0, "")
    # (a client of the attack build receives nothing before it has sent something)
    w.gateway.log.wait("from now on: penalty: failed authentication")
    assert refused(w.gateway.port)
    w.close()


def test_crashing_session_penalises_its_source(attacked):
    w = attacked(PerSourcePenalties="yes")
    with TakenOver(w.gateway.port) as t:
        t.crash()
    w.gateway.log.wait(r"error: session [0-9a-f]{8}: crashed: killed by signal 4, from 127\.0\.0\.1 port \d+$")
    w.gateway.log.wait("from now on: penalty: caused crash")
    assert refused(w.gateway.port)
    assert_quick_login(w)
    w.close()


def test_session_ids_are_not_sequential(gated):
    w = gated(front={"LogLevel": "DEBUG"})
    for _ in range(20):
        first_words(w.gateway.port)
    w.gateway.quiet()
    text = w.gateway.log.text()
    numbers = list(dict.fromkeys(int(n, 16) for n in re.findall(r"session ([0-9a-f]+):", text)))
    assert len(numbers) == 20 and all(0x10000000 <= n < 1 << 32 for n in numbers), numbers
    assert numbers != sorted(numbers)
