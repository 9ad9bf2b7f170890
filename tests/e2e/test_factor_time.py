"""FactorTimeout: how long a login that has been proven in part may take, and that it keeps nobody out."""

import contextlib
import signal
import subprocess

import pytest

from lab import attack, net
from lab.attack import Attacker, answers, conversation, key_of, password, proof
from lab.password import PASSWORD
from lab.taken_over import TakenOver
from lab.totp import WITH_CODE, Secret
from lab.unauthenticated import AT_ONCE, first_words
from lab.wait import PATIENCE, wait_for

# A login on a busy machine takes less, and a test has the patience for it.
SHORT = "8"
LONG = "600"
ASKED = 60  # INFO_REQUEST


@pytest.fixture
def thinking(gated):
    """thinking(front, **route): a way whose route asks for a code; half(...) of it begins a login."""
    with contextlib.ExitStack() as clients:
        def make(front=None, **route):
            w = gated(front={"LoginGraceTime": LONG, "FactorTimeout": LONG, **(front or {})},
                      route={**WITH_CODE, **route})
            w.secret = Secret(w.gateway)

            def half(source=None, first=None):
                t = clients.enter_context(contextlib.closing(Half(w, source)))
                t.prove_in_part(first)
                return t

            w.half = half
            return w

        yield make


class Half(Attacker):
    """A client that has proven something and has been asked for its code."""

    def __init__(self, w, source):
        super().__init__(w.gateway.port, source)
        self.key = key_of(w.client)
        self.service()

    def prove_in_part(self, first=None):
        first = first or proof(self, "alice", self.key)
        (_, rest), = self.ask(*first)[1]
        assert b"keyboard-interactive" in rest and rest.endswith(b"\1"), rest
        self.begin()

    def begin(self):
        (kind, rest), = self.ask(*conversation("alice"))[1]
        assert kind == ASKED and b"Verification code: " in rest

    def answer(self, code):
        """The reply to the code."""
        return self.ask(*answers(code))[1][0][0]


def test_slow_person_is_let_in(thinking):
    """LoginGraceTime is over, for another client as well, before the code is typed."""
    w = thinking({"LoginGraceTime": SHORT})
    slow = w.half()
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        w.gateway.log.wait(f"Timeout before authentication for 127.0.0.1 port {s.getsockname()[1]}$")
    assert slow.answer(w.secret.code()) == attack.USERAUTH_SUCCESS
    assert not w.gateway.log.find(f"Timeout before authentication for 127.0.0.1 port {slow.port}$")


def test_shorter_time_for_the_factor(thinking):
    """The time of the route, and not that of [gateway]: the end, the log and the penalty are those of LoginGraceTime."""
    w = thinking({"PerSourcePenalties": AT_ONCE}, FactorTimeout="1s")
    t = Half(w, "127.0.0.7")
    t.send(*proof(t, "alice", t.key))
    assert t.ends()
    log = w.gateway.log
    log.wait(f"Timeout before authentication for 127.0.0.7 port {t.port}$")
    log.wait(f"alice from 127.0.0.7 port {t.port} was not let in: FactorTimeout is over$")
    log.wait(r"127\.0\.0\.7/32 is refused for .*: penalty: exceeded LoginGraceTime$")
    assert b"the time for your second factor is over" in t.messages[-1][2]


def test_wrong_code_has_the_penalty_of_a_failure(thinking):
    w = thinking({"PerSourcePenalties": AT_ONCE})
    t = w.half("127.0.0.7")
    assert t.answer(w.secret.wrong()) == attack.USERAUTH_FAILURE
    t.close()
    w.gateway.log.wait(r"127\.0\.0\.7/32 is refused for .*: penalty: failed authentication$")


@pytest.mark.parametrize("first", ["publickey", "password"])
def test_people_who_think_keep_nobody_out(thinking, hashed, first):
    """With room for one login at a time."""
    w = thinking({"MaxStartups": "1", "PerSourceMaxStartups": "1"}, PasswordHash=hashed)
    word = password("alice", PASSWORD) if first == "password" else None
    people = [w.half(first=word) for _ in range(3)]
    for t in people:
        assert t.answer(w.secret.code()) == attack.USERAUTH_SUCCESS


@pytest.fixture
def flood(thinking):
    """flood(front): a way on which ten logins of alice wait for their code, and those; bob is another user."""
    def make(**front):
        w = thinking(front)
        g = w.gateway
        g.route("bob", w.sshd, [], AuthorizedKeysFile=None, AuthorizedKey=w.client.key.public, key="alice")
        g.command("reload")
        w.bob = w.new_client(user="bob")
        ten = [w.half() for _ in range(10)]
        assert w.bob.ssh("echo in").text == "in\n"
        return w, ten

    return make


def test_flood_of_half_proven_logins_is_bounded(flood):
    """Somebody with a stolen key: ten of a login have the time at once, and those beyond count for MaxStartups."""
    w, ten = flood(MaxStartups="2")
    g = w.gateway
    beyond = [w.half() for _ in range(2)]
    g.log.wait("no FactorTimeout: 10 logins of this user wait for their second factor already")
    assert first_words(g.port) == b"Exceeded MaxStartups\r\n"
    assert all(t.is_active() for t in beyond)
    for t in ten:
        assert t.answer(w.secret.code()) == attack.USERAUTH_SUCCESS


def test_login_grace_time_ends_those_beyond(flood):
    """One that ends makes room for another."""
    w, ten = flood(LoginGraceTime=SHORT)
    log = w.gateway.log
    beyond = w.half()
    assert beyond.ends()
    log.wait(f"alice from 127.0.0.1 port {beyond.port} was not let in: LoginGraceTime is over$")
    ten[0].close()
    log.wait(f"alice from 127.0.0.1 port {ten[0].port} was not let in")
    again = w.half()
    assert log.text().count("no FactorTimeout: 10 logins of this user") == 1
    for t in (ten[1], again):
        assert t.answer(w.secret.code()) == attack.USERAUTH_SUCCESS


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_restart_while_a_person_thinks(thinking, sig):
    """The login goes on in the old keeper, which dials the upstream; tunnels and new logins are for the new gateway."""
    w = thinking()
    g = w.gateway
    g.write("20-hold.ini", "route hold", {"Mode": "tunnel", "AuthorizedKeysFile": "conf.d/alice.pub"})
    g.hangup()
    c = w.new_client(user="hold")
    holder = c.popen(c.argv("ssh", "-N", "-R", f"hold:22:127.0.0.1:{w.sshd.port}", "upstream"),
                     stdin=subprocess.DEVNULL)
    g.log.wait("holds the tunnel")
    slow, leaving = w.half(), w.half()
    g.kill(sig)
    assert "the gateway has been restarted: connect again" in holder.communicate(timeout=PATIENCE)[1].decode()
    g.log.wait("2 logins wait for a second factor, and go on")
    g.start()
    assert len(g.keepers()) == 2
    new = w.half()
    leaving.close()
    assert slow.answer(w.secret.wrong()) == attack.USERAUTH_FAILURE
    slow.begin()
    assert slow.answer(w.secret.code()) == attack.USERAUTH_SUCCESS
    wait_for("the end of what was left of the master", lambda: len(g.role("master")) == 1)
    assert slow.is_active()
    assert new.answer(w.secret.code()) == attack.USERAUTH_SUCCESS


# A session that has been taken over.


@pytest.fixture
def taken(attacked):
    g = attacked.gateway
    g.route("bob", attacked.sshd, [], AuthorizedKeysFile=None, AuthorizedKey=attacked.client.key.public, key="alice",
            **WITH_CODE)
    g.stop()
    g.start()
    Secret(g, "bob")
    with TakenOver(g.port) as t:
        yield attacked, t


@pytest.mark.parametrize("name", ["LOGIN_TIME", "HALF_PROVEN", "LOGGED_IN", "LEAVING", "RELAY"])
def test_session_cannot_ask_for_time(taken, name):
    """Messages of the keeper and of the master: what the keeper reads of a session ends it."""
    w, t = taken
    assert t.sign()
    t.send(name, *([bytearray(16)] if name in ("LOGIN_TIME", "HALF_PROVEN", "LOGGED_IN") else []))
    assert t.ended()
    w.answers()


def test_time_is_given_once(taken):
    """Conversations that are given up, and begun again, give no more time."""
    w, t = taken
    assert t.sign()
    t.prove("bob", w.client.key)
    assert t.expect("LOGIN_TIME", "DOWNSTREAM")[0] == "LOGIN_TIME"
    for _ in range(3):
        t.expect("DOWNSTREAM")
        t.auth(*conversation("bob"))
    names = []
    while (got := t.receive(timeout=0)) is not None:
        names.append(got[0])
    assert "LOGIN_TIME" not in names, names
    w.answers()


@pytest.mark.parametrize("name, parts", [
    ("UPSTREAM_READY", [b"x" * 32, "", True]), ("UPSTREAM_AUTH", [bytes([attack.USERAUTH_SUCCESS])]),
    ("HOST_KEY", ["ssh-ed25519", b"x" * 32, b"y", b"z"]), ("JUMP_OPEN", ["127.0.0.1", 22]),
])
def test_half_proven_session_goes_no_further(taken, name, parts):
    """What belongs to the login upstream, and to the relay, ends a session without its second factor."""
    w, t = taken
    assert t.sign()
    t.prove("bob", w.client.key)
    t.expect("LOGIN_TIME")
    t.send(name, *parts)
    assert t.ended()
    assert not w.sshd.log.find("Connection from")
    w.answers()
