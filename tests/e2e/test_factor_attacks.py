"""Clients that answer out of turn, give up, or send more than they should while a second factor is waited for: nobody
is let in without each method of a list.
"""

import contextlib

import pytest

from lab import attack
from lab.attack import Attacker, answers, conversation, key_of, none, password, proof, query
from lab.factor import CODE
from lab.password import PASSWORD
from lab.totp import WITH_CODE, Secret
from lab.wait import wait_for

KBDINT = "keyboard-interactive"
RIGHT = answers("123456")  # for CODE
QUESTION, SUCCESS, FAILURE = 60, attack.USERAUTH_SUCCESS, attack.USERAUTH_FAILURE


@pytest.fixture
def client():
    """client(w): a raw client of alice's, with her key."""
    with contextlib.ExitStack() as all_:
        def make(w):
            t = all_.enter_context(contextlib.closing(Attacker(w.gateway.port)))
            t.key = key_of(w.client)
            t.service()
            return t

        yield make


def asking_for(device):
    return [50, "alice", "ssh-connection", KBDINT, "", device]


def reply(t, message):
    """The number of the message that answers it."""
    return t.ask(*message)[1][0][0]


def prove(t):
    """The key: what else is needed."""
    kind, rest = t.ask(*proof(t, "alice", t.key))[1][0]
    assert kind == FAILURE and rest[-1] == 1, "partial success"
    return rest[4:-1].decode()


def assert_nobody_is_in(w, *clients):
    for t in clients:
        assert SUCCESS not in t.received
    assert not w.sshd.log.find("Connection from")


def test_requests_behind_a_conversation(factor, client):
    """Sent while the program runs: they wait, and none of them is taken for its verdict."""
    f = factor("sleep 1; " + CODE)
    t = client(f.way)
    assert prove(t) == KBDINT
    for message in (conversation("alice"), proof(t, "alice", t.key), password("alice", "123456"), none("alice"),
                    query("alice", t.key)):
        t.send(*message)
    assert t.expect(QUESTION)
    wait_for("an answer to each", lambda: t.received.count(FAILURE) == 1 + 4)
    # the conversation was given up by what came behind it
    t.send(*RIGHT)
    assert t.ends()
    assert_nobody_is_in(f.way, t)


def test_answer_before_the_question(factor, client):
    f = factor("sleep 1; " + CODE)
    t = client(f.way)
    prove(t)
    t.send(*conversation("alice"))
    t.send(*RIGHT)
    assert t.ends()
    assert_nobody_is_in(f.way, t)


@pytest.mark.parametrize("how", ["key", "none", "password"])
def test_answer_to_a_conversation_that_was_given_up(factor, client, how):
    f = factor()
    t = client(f.way)
    prove(t)
    assert reply(t, conversation("alice")) == QUESTION
    given_up = {"key": query("alice", t.key), "none": none("alice"), "password": password("alice", "123456")}
    assert reply(t, given_up[how]) == FAILURE
    t.send(*RIGHT)
    assert t.ends()
    assert_nobody_is_in(f.way, t)


def test_conversations_begun_again_and_again(factor, client):
    """One program runs for the client at a time, and the last one judges."""
    f = factor(f"echo >>$here/runs; {CODE}")
    t = client(f.way)
    prove(t)
    for _ in range(5):
        assert reply(t, conversation("alice")) == QUESTION
    wait_for("the end of those that nobody answers", lambda: len(f.left()) == 1)
    assert reply(t, RIGHT) == SUCCESS


def test_conversation_given_up_counts_as_a_try(factor, client):
    """The program may have sent something to a person: that cannot be had again and again."""
    f = factor(f"echo >>$here/runs; {CODE}", front={"MaxAuthTries": "3"})
    t = client(f.way)
    prove(t)
    for message in (conversation("alice"), conversation("alice"), conversation("alice")):
        assert reply(t, message) == QUESTION
    t.send(*conversation("alice"))
    assert t.ends()
    assert (f.dir / "runs").read_text() == "\n" * 3
    f.gateway.log.wait(f"Failed {KBDINT}/factor for alice")


def test_program_ends_while_another_conversation_goes_on(factor, client):
    """Its exit status 0 is for its own conversation."""
    f = factor("if [ -e $here/second ]; then " + CODE + "; else touch $here/second; echo ask; read -r; sleep 0.5; fi")
    t = client(f.way)
    prove(t)
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, answers("wrong")) == FAILURE
    assert_nobody_is_in(f.way, t)
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, RIGHT) == SUCCESS


def test_answer_for_one_device_is_not_for_the_other(factor, client):
    lists = f"publickey,{KBDINT}:totp publickey,{KBDINT}:factor"
    f = factor(methods=lists, **WITH_CODE)
    secret = Secret(f.gateway)
    t = client(f.way)
    prove(t)
    assert reply(t, asking_for("factor")) == QUESTION
    assert reply(t, asking_for("totp")) == QUESTION
    assert reply(t, RIGHT) == FAILURE
    assert reply(t, asking_for("totp")) == QUESTION
    assert reply(t, asking_for("factor")) == QUESTION
    assert reply(t, answers(secret.code())) == FAILURE
    assert_nobody_is_in(f.way, t)
    log = f.gateway.log
    log.wait(f"Failed {KBDINT}/totp for alice")
    log.wait(f"Failed {KBDINT}/factor for alice")


def test_both_devices_are_needed(factor, client):
    """One after the other: the second is not passed by what passed the first."""
    f = factor(methods=f"publickey,{KBDINT}:totp,{KBDINT}:factor", **WITH_CODE)
    secret = Secret(f.gateway)
    t = client(f.way)
    assert prove(t) == KBDINT
    # a client cannot choose the order
    assert reply(t, asking_for("factor")) == QUESTION
    assert reply(t, RIGHT) == FAILURE
    code = secret.code()
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, answers(code)) == FAILURE  # with partial success
    assert t.messages[-1][2].endswith(b"\1")
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, answers(code)) == FAILURE
    assert_nobody_is_in(f.way, t)
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, RIGHT) == SUCCESS


def test_password_does_not_pass_for_a_code(gated, hashed, client):
    """Both are answers in a conversation."""
    w = gated(route={**WITH_CODE, "PasswordHash": hashed, "AuthenticationMethods": f"{KBDINT},{KBDINT}:totp"})
    secret = Secret(w.gateway)
    t = client(w)
    for wrong, right in ((secret.code(), PASSWORD), (PASSWORD, None)):
        assert reply(t, conversation("alice")) == QUESTION
        assert reply(t, answers(wrong)) == FAILURE
        if right:
            assert reply(t, asking_for("totp")) == QUESTION
            assert reply(t, answers(right)) == FAILURE
    assert_nobody_is_in(w, t)
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, answers(secret.code())) == SUCCESS


def test_code_that_is_not_asked_for_is_followed_by_the_rest(gated, hashed, client):
    """TotpRemember, with a password to come: it passes for the code alone, and only for who has proven the key."""
    w = gated(route={**WITH_CODE, "TotpRemember": "1h", "PasswordHash": hashed,
                     "AuthenticationMethods": f"publickey,{KBDINT}:totp,password"})
    secret = Secret(w.gateway)
    t = client(w)
    prove(t)
    assert reply(t, conversation("alice")) == QUESTION
    t.send(*answers())  # as if it were known
    assert t.ends()
    assert_nobody_is_in(w, t)
    t = client(w)
    prove(t)
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, answers(secret.code())) == FAILURE
    assert reply(t, password("alice", PASSWORD)) == SUCCESS
    mark = w.sshd.log.mark()
    for word in ("wrong", PASSWORD):
        t = client(w)
        assert prove(t) == KBDINT
        assert reply(t, conversation("alice")) == QUESTION
        assert t.ask(*answers())[1] == [(FAILURE, b"\0\0\0\x08password\1")]
        assert SUCCESS not in t.received and not w.sshd.log.find("Connection from", mark)
        assert reply(t, password("alice", word)) == (SUCCESS if word == PASSWORD else FAILURE)


def test_program_after_a_password_that_the_upstream_has_refused(factor, client):
    """Passthrough: the upstream has been dialled, and the gateway's own factor still counts."""
    f = factor(methods=f"publickey,{KBDINT}:factor password", Passthrough="yes")
    t = client(f.way)
    assert reply(t, password("alice", "wrong")) == FAILURE
    f.way.sshd.log.wait("Connection from")
    assert KBDINT in prove(t)
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, answers("654321")) == FAILURE
    assert SUCCESS not in t.received
    assert reply(t, conversation("alice")) == QUESTION
    assert reply(t, RIGHT) == SUCCESS


def test_proof_to_one_route_does_not_count_for_another(gated, hashed, ring, client):
    """A password that alice's route has accepted; then a key that leads to another, which wants both."""
    other = ring.get("other")
    w = gated(route={**WITH_CODE, "PasswordHash": hashed, "AuthenticationMethods": f"password,{KBDINT}:totp"})
    g = w.gateway
    g.route("alice/other", w.sshd, [other], key="alice", MatchFingerprint=other.fingerprint, PasswordHash=hashed,
            AuthenticationMethods="publickey,password")
    g.command("reload")
    Secret(g)
    t = client(w)
    t.key = key_of(type("Client", (), {"key": other}))
    assert reply(t, password("alice", PASSWORD)) == FAILURE
    assert reply(t, conversation("alice")) == QUESTION
    assert prove(t) == "password"
    assert reply(t, password("alice", "wrong")) == FAILURE
    assert_nobody_is_in(w, t)
    assert reply(t, password("alice", PASSWORD)) == SUCCESS
