"""PerSourcePenalties, and sessions that end in unusual ways."""

import os
import re
import signal

import pytest

from lab import net, procs, taken_over
from lab.sshd import penalising
from lab.taken_over import TakenOver
from lab.unauthenticated import AT_ONCE, HASH, assert_quick_login, first_words, guess, penalise, refused
from lab.wait import wait_for
from lab.way import Way


def settle(w):
    """Wait until every session has ended, and the master has heard from the keeper how each login did: the answer to a
    reload comes after that.
    """
    w.gateway.quiet()
    assert w.gateway.reload().returncode == 0


def guess_until_refused(w, source, login="alice", most=20):
    """The number of connections with a wrong password until the source was refused."""
    for n in range(most):
        if refused(w.gateway.port, source):
            return n
        assert guess(w.gateway.port, login, source=source) == 1, w.gateway.log.text()[-2000:]
        settle(w)
    raise AssertionError(f"{most} guesses, and it is not refused")


def test_password_guesses_are_penalised(gated):
    """Four failed connections are followed by no fifth, as with sshd's own values (4 x 5 s > 15 s), of which these are
    multiples: a busy host takes seconds for a connection.
    """
    w = gated(front={"PerSourcePenalties": "noauth:0 authfail:5m min:15m max:1h"}, route=HASH)
    wrong = 0
    for _ in range(2000 if os.environ.get("FULL") else 500):
        if not refused(w.gateway.port):
            wrong += guess(w.gateway.port, tries=6)
    # six from each connection, and the end of one may not be known when the next one comes
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
            # sshd gives the penalty when it has collected the process
            wait_for("the end of it", lambda: not procs.descendants(upstream.process.pid))
            settle(w)
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
    settle(w)
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
    settle(w)
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
            settle(w)
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
        wait_for("the penalty", lambda: refused(w.gateway.port))
    w.gateway.log.wait(r"127\.0\.0\.1/32 is refused for 90 s from now on: penalty: caused crash")
    w.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: penalty: caused crash")
    assert_quick_login(w)


def test_stopped_sessions_are_killed(gated):
    """A stopped process reacts neither to its deadline nor to the keeper (SECURITY.md, finding 12)."""
    w = gated(front={"LoginGraceTime": "5s", "MaxStartups": "3",
                     "PerSourcePenalties": "grace-exceeded:1h min:1s max:1h"})
    held = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(3)]
    for s in held:
        assert s.recv(4) == b"SSH-"
    for p in w.gateway.sessions():
        p.kill(signal.SIGSTOP)
    assert first_words(w.gateway.port, "127.0.0.2") == b"Exceeded MaxStartups\r\n"
    killed = r"session [0-9a-f]{8}: killed: neither logged in nor gone 10 s after LoginGraceTime, from 127\.0\.0\.1 port \d+$"
    wait_for("the master to kill them", lambda: len(re.findall(killed, w.gateway.log.text(), re.M)) == 3, 60)
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
    wait_for("the master to kill them", lambda: not w.gateway.sessions(), 60)
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
    settle(w)
    text = w.gateway.log.text()
    numbers = list(dict.fromkeys(int(n, 16) for n in re.findall(r"session ([0-9a-f]+):", text)))
    assert len(numbers) == 20 and all(0x10000000 <= n < 1 << 32 for n in numbers), numbers
    assert numbers != sorted(numbers)
