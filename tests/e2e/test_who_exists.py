"""Whether a login exists: the words are the same, byte for byte and in the same order.

`make bench-timing` looks at the time.
"""

import collections
import functools
import re

import pytest


from lab import attack
from lab.attack import Attacker, answers, conversation, key_of, none, password, proof, query
from lab.timing import takes_as_long
from lab.upstream import PASSTHROUGH, upstream
from lab.wait import wait_for

HASH = "$argon2id$v=19$m=1024,t=2,p=1$" + "A" * 22 + "$" + "A" * 43


class Stranger:
    """A client with a key and a password that open nothing."""

    def __init__(self, w, ring):
        self.w = w
        self.key = key_of(type("Client", (), {"key": ring.get("wrong0")}))

    def hears(self, login, steps):
        """All messages that come in answer to each step; what says which session it is left out."""
        t = Attacker(self.w.gateway.port)
        try:
            t.service()
            heard = []
            for step in steps:
                if not t.is_active():
                    break
                message = proof(t, login, self.key) if step is proof else step(login)
                heard.append((step.__name__, [
                    (kind, re.sub(rb"session [0-9a-f]{4,}", b"session", rest).replace(
                        login.encode(), b"LOGIN"))
                    for kind, rest in t.ask(*message)[1]
                ]))
            if not t.is_active() or t.ends(0):
                # what came behind the last answer
                heard.append(("end", [kind for _, kind, _ in t.messages][-2:]))
            return heard
        finally:
            t.close()

    def same(self, steps, known="alice", unknown=("nobody-here", "alicf"), last=None):
        """What it hears, the same for each; last: the type of the last message."""
        heard = self.hears(known, steps)
        for login in unknown:
            assert self.hears(login, steps) == heard
        assert len(heard) > 1
        if last:
            assert heard[-1][0] == "end" and heard[-1][1][-1] == last, heard
        return heard

    def query(self, login):
        return query(login, self.key)


def wrong(login):
    return password(login, "wrong")


def empty(login):
    return password(login, "")


def long(login):
    return password(login, "x" * 2000)


def to_be_changed(login):
    return [50, login, "ssh-connection", "password", True, "old", "new"]


def reply(login):
    return answers("wrong")


def hostbased(login):
    return [50, login, "ssh-connection", "hostbased"]


def broken(login):
    return [50, login, "ssh-connection", "password", False]


@pytest.fixture
def banner(tmp_path):
    path = tmp_path / "banner"
    path.write_text("Property of the\nMinistry\n")
    return str(path)


def offered(heard):
    return re.findall(rb"[a-z,-]{8,}", heard[0][1][-1][1])[0].decode()


def test_key(gated, ring, banner):
    w = gated(door={"Banner": banner, "MaxAuthTries": "4"})
    s = Stranger(w, ring)
    heard = s.same([none, s.query, conversation, reply, s.query, proof, none, wrong, hostbased, proof],
                   last=attack.DISCONNECT)
    assert offered(heard) == "publickey"
    # the banner first and once; then the line for who has no key that opens anything
    kinds = [kind for _, messages in heard[:-1] for kind, _ in messages]
    assert kinds[:2] == [53, 51] and kinds.count(53) <= 2
    assert b"no key of yours opens this login" in heard[2][1][0][1]
    s.same([conversation, wrong, s.query])
    s.same([proof, proof])
    s.same([broken, none])


def test_password_hash(gated, ring, banner):
    w = gated(door={"Banner": banner, "MaxAuthTries": "5"}, route={"PasswordHash": HASH})
    s = Stranger(w, ring)
    heard = s.same([none, s.query, wrong, empty, long, conversation, reply, to_be_changed],
                   last=attack.DISCONNECT)
    assert offered(heard) == "publickey,password,keyboard-interactive"
    assert b"Password: " in dict(heard)["conversation"][0][1]
    s.same([wrong, broken])
    s.same([conversation, reply, conversation, conversation, wrong, conversation, none])


def test_key_and_password(gated, ring):
    w = gated(route={"PasswordHash": HASH, "AuthenticationMethods": "publickey,password"})
    s = Stranger(w, ring)
    assert offered(s.same([none, s.query, wrong, proof, wrong])) == "publickey"


def test_key_that_decides(gated, ring):
    """One login for everybody: MatchFingerprint."""
    w = gated(route={"MatchFingerprint": ring.get("client").fingerprint})
    s = Stranger(w, ring)
    s.same([none, s.query, proof, s.query])


def test_exec(lookup, ring):
    x = lookup('fails) exit 3 ;;')
    s = Stranger(x, ring)
    s.same([none, s.query, proof, wrong], known="good", unknown=("nobody", "fails"))


def test_directory(gated, ring):
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
    s = Stranger(w, ring)
    s.same([none, s.query, proof, wrong], known="dora", unknown=("nobody", "broken", "../dora", "-x"))


def test_passthrough(gated, ring):
    """What the machine refuses, and where it ends the login, is imitated."""
    w = gated(sshd={"PasswordAuthentication": "yes", "UsePAM": "no", "MaxAuthTries": "4"},
              door={"MaxAuthTries": "4"}, route=PASSTHROUGH)
    s = Stranger(w, ring)
    steps = [none, wrong, conversation, s.query, empty, wrong, wrong]
    s.hears("alice", steps)  # the machine is not known before
    heard = s.same(steps, last=attack.DISCONNECT)
    assert offered(heard) == "password,keyboard-interactive"
    assert re.search(rb"\bpassword\0", heard[1][1][-1][1])  # the machine has nothing else


def test_passthrough_of_a_conversation(gated, ring, account):
    w = gated(sshd={"KbdInteractiveAuthentication": "yes", "UsePAM": "yes"},
              route=dict(PASSTHROUGH, User=account))
    s = Stranger(w, ring)
    steps = [none, conversation, reply, conversation]
    s.hears("alice", steps)
    heard = s.same(steps, unknown=("nobody-here",))
    assert b"Password: " in heard[1][1][0][1]


def test_passthrough_takes_the_time_of_the_machine(gated, ring):
    """One that is slow to refuse: nobody gets an answer sooner for not existing."""
    import time

    import paramiko

    class Slow(paramiko.ServerInterface):
        def get_allowed_auths(self, username):
            return "password"

        def check_auth_password(self, username, word):
            time.sleep(0.4)  # the machine's time
            return paramiko.AUTH_FAILED

    with upstream(gated, ring, judge=Slow) as (w, _):
        s = Stranger(w, ring)
        s.hears("alice", [wrong, wrong])
        first = {"alice": [], "nobody-here": []}

        def attempt(login):
            t = Attacker(w.gateway.port)
            try:
                t.service()
                times = [t.ask(*wrong(login))[0] for _ in range(2)]
            finally:
                t.close()
            first[login].append(times[0])
            return times[1]

        known, _ = takes_as_long(*(functools.partial(attempt, login) for login in first))
        assert 0.4 <= known < 0.6, known
        known, unknown = (min(times) for times in first.values())
        assert abs(known - unknown) < 0.3, first


def test_routes_that_differ(gated, ring):
    """Unknown logins look like those that exist, in the same shares, and each always the same."""
    w = gated(route={"PasswordHash": HASH})
    g = w.gateway
    g.stop()
    g.route("bob", w.sshd, [ring.get("client")], key="alice")
    g.route("carol", w.sshd, [ring.get("client")], key="alice")
    g.start()
    s = Stranger(w, ring)
    logins = [f"nobody{n}" for n in range(48)]

    def shapes():
        return {login: offered(s.hears(login, [none])) for login in logins}

    before = shapes()
    count = collections.Counter(before.values())
    assert set(count) == {"publickey", "publickey,password,keyboard-interactive"}
    assert 24 <= count["publickey"] <= 40, count  # of 48, where 32 are to be expected
    g.stop()
    g.start()
    assert shapes() == before
    g.stop()
    g.route("dave", w.sshd, [ring.get("client")], key="alice")
    g.start()
    after = shapes()
    assert sum(after[login] != before[login] for login in logins) < 12


def test_refusals_come_at_a_pace(gated, ring):
    """No sooner than the login's own pace, and "none" sooner than the others."""
    w = gated(door={"MaxAuthTries": "20"})
    s = Stranger(w, ring)
    for login in ("alice", "nobody-here"):
        t = Attacker(w.gateway.port)
        t.service()
        assert t.ask(*none(login))[0] >= 0.00125
        times = [t.ask(*s.query(login))[0] for _ in range(10)]
        assert 0.005 <= min(times) < 0.02, times
        t.close()


def test_pipelined_requests_are_answered_in_order(gated, ring):
    w = gated(door={"MaxAuthTries": "20"})
    s = Stranger(w, ring)
    for login in ("alice", "nobody-here"):
        t = Attacker(w.gateway.port)
        t.service()
        for message in [s.query(login)] * 5 + [none(login)]:
            t.send(*message)
        wait_for("an answer to each", lambda t=t: t.received.count(51) == 6)
        assert t.received[-6:] == [51] * 6
        t.close()


