"""Answers do not reveal whether a login exists: the same messages, byte for byte and in the same order.

`make bench-timing` measures the time.
"""

import collections
import functools
import re

import pytest


from lab import attack
from lab.attack import Attacker, answers, conversation, key_of, none, password, proof, query
from lab.timing import PACE, takes_as_long
from lab.totp import WITH_CODE, Secret
from lab.upstream import PASSTHROUGH, questioning_way
from lab.wait import wait_for

HASH = "$argon2id$v=19$m=1024,t=2,p=1$" + "A" * 22 + "$" + "A" * 43


def has_ended(t):
    """The connection has ended, or ends after a DISCONNECT, on which its thread may not have acted yet."""
    return not t.is_active() or (attack.DISCONNECT in t.received and t.ends(60))


class UnknownClient:
    """A client whose key and password are wrong everywhere."""

    def __init__(self, w, ring):
        self.w = w
        self.key = key_of(type("Client", (), {"key": ring.get("wrong0")}))

    def replies(self, login, steps):
        """The messages that answer each step, without the session id."""
        t = Attacker(self.w.gateway.port)
        try:
            t.service()
            heard = []
            for step in steps:
                if has_ended(t):
                    break
                message = proof(t, login, self.key) if step is proof else step(login)
                heard.append((step.__name__, [
                    (kind, re.sub(rb"session [0-9a-f]{4,}", b"session", rest).replace(
                        login.encode(), b"LOGIN"))
                    for kind, rest in t.ask(*message)[1]
                ]))
            if has_ended(t):
                # what came after the last answer
                heard.append(("end", [kind for _, kind, _ in t.messages][-2:]))
            return heard
        finally:
            t.close()

    def assert_same(self, steps, known="alice", unknown=("nobody-here", "alicf"), last=None):
        """Assert that each login gets the same replies; returns them.  last: the type of the last message."""
        heard = self.replies(known, steps)
        for login in unknown:
            assert self.replies(login, steps) == heard
        assert len(heard) > 1
        if last:
            assert heard[-1][0] == "end" and heard[-1][1][-1] == last, heard
        return heard

    def query(self, login):
        return query(login, self.key)


def wrong_password(login):
    return password(login, "wrong")


def empty_password(login):
    return password(login, "")


def long_password(login):
    return password(login, "x" * 2000)


def asking_for(device):
    """A conversation that names a device, as ssh -o KbdInteractiveDevices does."""
    def step(login):
        return [50, login, "ssh-connection", "keyboard-interactive", "", device]

    step.__name__ = f"asking for {device}"
    return step


def password_change(login):
    return [50, login, "ssh-connection", "password", True, "old", "new"]


def interactive_answer(login):
    return answers("wrong")


def hostbased(login):
    return [50, login, "ssh-connection", "hostbased"]


def malformed_request(login):
    return [50, login, "ssh-connection", "password", False]


@pytest.fixture
def banner(tmp_path):
    path = tmp_path / "banner"
    path.write_text("Property of the\nMinistry\n")
    return str(path)


def offered_methods(heard):
    return re.findall(rb"[a-z,-]{8,}", heard[0][1][-1][1])[0].decode()


def test_key_logins(gated, ring, banner):
    w = gated(front={"Banner": banner, "MaxAuthTries": "4"})
    s = UnknownClient(w, ring)
    heard = s.assert_same([none, s.query, conversation, interactive_answer, s.query, proof, none, wrong_password,
                           hostbased, proof], last=attack.DISCONNECT)
    assert offered_methods(heard) == "publickey"
    # the banner first and once; then the hint for a client without a right key
    kinds = [kind for _, messages in heard[:-1] for kind, _ in messages]
    assert kinds[:2] == [53, 51] and kinds.count(53) <= 2
    assert b"no key of yours opens this login" in heard[2][1][0][1]
    s.assert_same([conversation, wrong_password, s.query])
    s.assert_same([proof, proof])
    s.assert_same([malformed_request, none])


def test_password_hash_logins(gated, ring, banner):
    w = gated(front={"Banner": banner, "MaxAuthTries": "5"}, route={"PasswordHash": HASH})
    s = UnknownClient(w, ring)
    heard = s.assert_same([none, s.query, wrong_password, empty_password, long_password, conversation,
                           interactive_answer, password_change], last=attack.DISCONNECT)
    assert offered_methods(heard) == "publickey,password,keyboard-interactive"
    assert b"Password: " in dict(heard)["conversation"][0][1]
    s.assert_same([wrong_password, malformed_request])
    s.assert_same([conversation, interactive_answer, conversation, conversation, wrong_password, conversation, none])


def test_key_and_password_logins(gated, ring):
    w = gated(route={"PasswordHash": HASH, "AuthenticationMethods": "publickey,password"})
    s = UnknownClient(w, ring)
    assert offered_methods(s.assert_same([none, s.query, wrong_password, proof, wrong_password])) == "publickey"


def test_logins_selected_by_key(gated, ring):
    """One login for everybody: MatchFingerprint."""
    w = gated(route={"MatchFingerprint": ring.get("client").fingerprint})
    s = UnknownClient(w, ring)
    s.assert_same([none, s.query, proof, s.query])


def test_lookup_program_logins(lookup, ring):
    x = lookup('fails) exit 3 ;;')
    s = UnknownClient(x, ring)
    s.assert_same([none, s.query, proof, wrong_password], known="good", unknown=("nobody", "fails"))


def test_directory_logins(gated, ring):
    w = gated()
    g = w.gateway
    g.stop()
    route = (g.conf / "10-alice.ini").read_text().replace("[route alice]\n", "")
    users = g.dir / "users"
    (users / "dora").mkdir(parents=True)
    (users / "broken").mkdir()
    (users / "dora" / "route.ini").write_text(route.replace("conf.d/alice", "alice"))
    (users / "dora" / "alice.pub").write_text(ring.get("client").public + "\n")
    (users / "dora" / "alice.known_hosts").write_text(w.sshd.known_hosts())
    (users / "broken" / "route.ini").write_text("HostName = \n")
    (g.conf / "20.ini").write_text("[lookup]\nOrder = directory\n[lookup directory]\nPath = users\n")
    g.start()
    assert w.new_client(user="dora").ssh("echo in").text == "in\n"
    s = UnknownClient(w, ring)
    s.assert_same([none, s.query, proof, wrong_password], known="dora", unknown=("nobody", "broken", "../dora", "-x"))


def test_passthrough_logins(gated, ring):
    """The gateway imitates what the upstream refuses and where it disconnects."""
    w = gated(sshd={"PasswordAuthentication": "yes", "UsePAM": "no", "MaxAuthTries": "4"},
              front={"MaxAuthTries": "4"}, route=PASSTHROUGH)
    s = UnknownClient(w, ring)
    steps = [none, wrong_password, conversation, s.query, empty_password, wrong_password, wrong_password]
    s.replies("alice", steps)  # the upstream is not known before
    heard = s.assert_same(steps, last=attack.DISCONNECT)
    assert offered_methods(heard) == "password,keyboard-interactive"
    assert re.search(rb"\bpassword\0", heard[1][1][-1][1])  # the upstream has nothing else


def test_passthrough_of_keyboard_interactive(gated, ring, account):
    w = gated(sshd={"KbdInteractiveAuthentication": "yes", "UsePAM": "yes"},
              route=dict(PASSTHROUGH, User=account))
    s = UnknownClient(w, ring)
    steps = [none, conversation, interactive_answer, conversation]
    s.replies("alice", steps)
    heard = s.assert_same(steps, unknown=("nobody-here",))
    assert b"Password: " in heard[1][1][0][1]


def test_passthrough_takes_time_of_upstream(gated, ring):
    """An upstream that refuses slowly: an unknown login is refused no sooner."""
    import time

    import paramiko

    class Slow(paramiko.ServerInterface):
        def get_allowed_auths(self, username):
            return "password"

        def check_auth_password(self, username, word):
            time.sleep(0.4)  # the upstream's delay
            return paramiko.AUTH_FAILED

    with questioning_way(gated, ring, judge=Slow) as (w, _):
        s = UnknownClient(w, ring)
        s.replies("alice", [wrong_password, wrong_password])
        first = {"alice": [], "nobody-here": []}

        def attempt(login):
            t = Attacker(w.gateway.port)
            try:
                t.service()
                times = [t.ask(*wrong_password(login))[0] for _ in range(2)]
            finally:
                t.close()
            first[login].append(times[0])
            return times[1]

        known, _ = takes_as_long(*(functools.partial(attempt, login) for login in first))
        assert 0.4 <= known < 0.8, known  # and not twice

        def first_are_alike():
            known, unknown = (min(times) for times in first.values())
            return abs(known - unknown) < 0.3

        for _ in range(20):  # other load only adds to a time
            if first_are_alike():
                break
            for login in first:
                attempt(login)
        assert first_are_alike(), first


# With a second factor of the gateway's own.

KBDINT = "keyboard-interactive"
CODE_FIRST = f"{KBDINT}:totp,publickey"


def asked(heard, step):
    """The message that answers this step."""
    return dict(heard)[step.__name__][0][1]


@pytest.fixture
def coded(gated, ring):
    """coded(route): a client whose key, password and code are wrong everywhere, and a route with a TOTP secret."""
    def make(enrolled=True, front=None, **route):
        w = gated(front=front or {}, route={**WITH_CODE, **route})
        s = UnknownClient(w, ring)
        s.secret = Secret(w.gateway) if enrolled else None
        return s

    return make


def test_key_and_then_code(coded):
    s = coded(front={"MaxAuthTries": "4"})
    heard = s.assert_same([none, s.query, conversation, interactive_answer, wrong_password, proof, conversation,
                           interactive_answer, asking_for("totp"), proof, proof], last=attack.DISCONNECT)
    assert offered_methods(heard) == "publickey"


@pytest.mark.parametrize("lists", [None, f"password,{KBDINT}:totp", f"{KBDINT},{KBDINT}:totp"])
def test_password_and_then_code(coded, lists):
    s = coded(PasswordHash=HASH, AuthenticationMethods=lists)
    s.assert_same([none, s.query, wrong_password, conversation, interactive_answer, asking_for("totp"),
                   interactive_answer, wrong_password])


@pytest.mark.parametrize("then", ["publickey", "password", "publickey,password"])
def test_code_and_then_the_rest(coded, then):
    """The same question for everybody; also if the factor is locked, which four more wrong codes do."""
    s = coded(front={"MaxAuthTries": "4"}, PasswordHash=HASH if "password" in then else None,
              AuthenticationMethods=f"{KBDINT}:totp,{then}")
    steps = [none, s.query, wrong_password, conversation, interactive_answer, conversation, conversation,
             interactive_answer, asking_for("factor"), interactive_answer]
    for _ in range(3):
        heard = s.assert_same(steps, last=attack.DISCONNECT)
    assert offered_methods(heard) == KBDINT
    assert b"Verification code: " in asked(heard, conversation)
    s.w.gateway.log.wait("wrong codes in a row: totp-alice is locked")


def test_code_without_a_secret(coded):
    """What is missing in the store is in the log alone."""
    s = coded(enrolled=False, AuthenticationMethods=CODE_FIRST)
    heard = s.assert_same([none, conversation, interactive_answer, conversation, interactive_answer])
    assert b"Verification code: " in asked(heard, conversation)
    s.w.gateway.log.wait("alice: TOTP = totp-alice: not in the key store")


def test_code_and_then_the_password_of_the_upstream(coded):
    """Passthrough: without the code, no password is passed on."""
    s = coded(**PASSTHROUGH)
    heard = s.assert_same([none, s.query, wrong_password, conversation, interactive_answer, wrong_password,
                           conversation, interactive_answer])
    assert b"Verification code: " in asked(heard, conversation)
    assert not s.w.sshd.log.find("Connection from")


@pytest.mark.parametrize("lists", [f"{CODE_FIRST} {KBDINT},publickey", f"{KBDINT},publickey {CODE_FIRST}"])
def test_devices_that_the_client_names(coded, lists):
    """Unknown logins have the devices of a route, in the order of its lists."""
    s = coded(PasswordHash=HASH, AuthenticationMethods=lists)
    code, any_, both = asking_for("totp"), asking_for("factor"), asking_for("factor,totp")
    heard = s.assert_same([code, interactive_answer, any_, interactive_answer, both, conversation])
    assert b"Verification code: " in asked(heard, code)
    assert b"Verification code: " in asked(heard, both)
    assert (b"Verification code: " if lists.startswith(CODE_FIRST) else b"Password: ") in asked(heard, any_)


def test_pace_of_wrong_codes(coded):
    """Where the code comes first: with a secret to compare it with, a locked one, and none."""
    s = coded(AuthenticationMethods=CODE_FIRST)
    tries = {"alice": 0, "nobody-here": 0}

    def attempt(login):
        tries[login] += 1
        if login == "alice" and tries[login] % 8 == 0:
            s.w.gateway.command("totp", "reset", s.secret.name)
        t = Attacker(s.w.gateway.port)
        try:
            t.service()
            t.ask(*conversation(login))
            return t.ask(*interactive_answer(login))[0]
        finally:
            t.close()

    takes_as_long(*(functools.partial(attempt, login) for login in tries), share=PACE)


# The program of a Factor, where it comes first: it is learnt from known logins what unknown ones are asked.

PROGRAM_FIRST = f"{KBDINT}:factor,publickey"


@pytest.mark.parametrize("script, rounds", [
    ("echo prompt PIN:; echo ask; read -r a; exit 1", 1),
    ("echo info Both, please; echo prompt PIN:; echo echo Token:; echo ask; exit 1", 1),
    ("echo prompt User:; echo ask; read -r a; echo prompt PIN:; echo ask; exit 1", 2),
    ("exit 1", 0),
])
def test_program_and_then_a_key(factor, ring, script, rounds):
    w = factor(script, methods=PROGRAM_FIRST, front={"MaxAuthTries": "4"}).way
    s = UnknownClient(w, ring)

    def answer(login):
        return answers("wrong", "wrong") if "Token" in script else answers("wrong")

    def two_lines(login):
        return answers("a\nb", "a") if "Token" in script else answers("a\nb")

    steps = [none, s.query, conversation] + [answer] * rounds + [conversation, conversation] + [answer] * rounds
    s.replies("alice", steps)
    heard = s.assert_same(steps)
    assert offered_methods(heard) == KBDINT
    if rounds:
        s.assert_same([conversation, two_lines, none])


def test_program_that_is_broken(factor, ring):
    """The log has the reason; a client that has proven nothing is asked and refused as ever."""
    f = factor("echo prompt PIN:; echo ask; read -r a; exit 1", methods=PROGRAM_FIRST)
    s = UnknownClient(f.way, ring)
    steps = [conversation, interactive_answer, conversation, interactive_answer]
    s.assert_same(steps)
    for script in ("exit 3", "echo nonsense", "echo prompt PIN:; echo ask; read -r a; exit 4"):
        f.write(script)
        s.assert_same(steps)
    f.script.unlink()
    s.assert_same(steps)
    f.gateway.log.wait(f"alice: exec:{f.script}: .*No such file")


def test_program_that_takes_its_time(factor, ring):
    """Before its question and before its refusal: an unknown login gets neither sooner."""
    w = factor("sleep 0.2; echo prompt PIN:; echo ask; read -r a; sleep 0.4; exit 1", methods=PROGRAM_FIRST).way
    first = {"alice": [], "nobody-here": []}

    def attempt(login):
        t = Attacker(w.gateway.port)
        try:
            t.service()
            question, refusal = (t.ask(*step(login))[0] for step in (conversation, interactive_answer))
        finally:
            t.close()
        first[login].append(question)
        return refusal

    attempt("alice")  # no program has been timed before
    known, unknown = takes_as_long(*(functools.partial(attempt, login) for login in first))
    assert known >= 0.4 and unknown >= 0.35
    assert min(first["alice"]) >= 0.2 and min(first["nobody-here"]) >= 0.17, first


def test_routes_with_different_methods(gated, ring):
    """Unknown logins get the methods of existing ones, in the same proportions, and each name always the
    same.
    """
    w = gated(route={"PasswordHash": HASH})
    g = w.gateway
    g.stop()
    g.route("bob", w.sshd, [ring.get("client")], key="alice")
    g.route("carol", w.sshd, [ring.get("client")], key="alice")
    g.start()
    s = UnknownClient(w, ring)
    logins = [f"nobody{n}" for n in range(48)]

    def shapes():
        return {login: offered_methods(s.replies(login, [none])) for login in logins}

    before = shapes()
    count = collections.Counter(before.values())
    assert set(count) == {"publickey", "publickey,password,keyboard-interactive"}
    assert 18 <= count["publickey"] <= 45, count  # of 48, where 32 are expected, and others once in 100,000 runs
    g.stop()
    g.start()
    assert shapes() == before
    g.stop()
    g.route("dave", w.sshd, [ring.get("client")], key="alice")
    g.start()
    after = shapes()
    assert sum(after[login] != before[login] for login in logins) < 15


def test_refusals_take_pace_of_login(gated, ring):
    """No sooner than the pace of the login, and "none" sooner than other methods."""
    w = gated(front={"MaxAuthTries": "20"})
    s = UnknownClient(w, ring)
    for login in ("alice", "nobody-here"):
        t = Attacker(w.gateway.port)
        t.service()
        assert t.ask(*none(login))[0] >= 0.00125
        times = [t.ask(*s.query(login))[0] for _ in range(10)]
        assert 0.005 <= min(times) < 0.2, times
        t.close()


def test_pipelined_requests_are_answered_in_order(gated, ring):
    w = gated(front={"MaxAuthTries": "20"})
    s = UnknownClient(w, ring)
    for login in ("alice", "nobody-here"):
        t = Attacker(w.gateway.port)
        t.service()
        for message in [s.query(login)] * 5 + [none(login)]:
            t.send(*message)
        wait_for("an answer to each", lambda t=t: t.received.count(51) == 6, 60)
        assert t.received[-6:] == [51] * 6
        t.close()


