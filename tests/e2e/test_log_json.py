"""LogFormat = json: the events and fields that sallyport(8) lists are those that are written."""

import json
import os
import re
import signal

import pytest

from lab import net
from lab.attack import Attacker, key_of, none, password, proof
from lab.ca import certificate_client
from lab.gateway import NOT_RELOADED, TREE
from lab.password import PASSWORD
from lab.sshd import ME
from lab.wait import wait_for

pytest.importorskip("paramiko")

ENVELOPE = {"time", "level", "pid", "message", "event"}
SESSION = {"session", "client", "client_port", "login"}
UPSTREAM = {"user", "upstream", "upstream_port", "upstream_address", "dialled_from", "dialled_from_port"}
NUMBERS = {"pid", "client_port", "upstream_port", "dialled_from_port", "seconds", "bytes_in", "bytes_out", "count",
           "signal", "port", "routes", "errors", "sessions", "tunnel_port", "from_port"}
MANUAL = (TREE / "man" / "sallyport.8").read_text()

# A pipe that nobody reads is what the first takes: tests/unit/base/test_log.c; the others are in
# test_forwarder.py, test_http_connect.py, test_tls.py and test_totp_state.py.
ELSEWHERE = {"factor_refused", "factor_locked", "factor_remembered", "factor_recovered",
             "lines_lost", "forwarded", "forward_failed", "connect", "tls", "tls_failed"}


def manual_events():
    """The events of each row of the table in the manual, and their fields."""
    rows = re.findall(r"^\.It Cm ([a-z_ ,]+) Ta (?:Cm ([a-z_ ]+) )?Ta ", MANUAL, re.M)
    assert len(rows) > 15
    return {tuple(events.split(" , ")): set(fields.split()) for events, fields in rows}


def unique(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)


def parse(line):
    o = json.loads(line, object_pairs_hook=unique)
    for name, value in o.items():
        assert re.fullmatch("[a-z_]+", name) and type(value) is (int if name in NUMBERS else str), (name, value)
        assert value != "" or name == "message", o
    assert {"time", "level", "pid", "message"} <= set(o)
    return o


class Events:
    """The log of a gateway, line by line."""

    def __init__(self, gateway):
        self.log = gateway.log

    def all(self, since=0):
        return [parse(line) for line in self.log.lines(since)]

    def wait(self, event, since=0, **fields):
        """The first line with this event and these fields."""
        def found():
            return next((o for o in self.all(since) if o.get("event") == event and
                         all(o.get(k) == v for k, v in fields.items())), None)

        try:
            return wait_for(f"{event} with {fields}", found)
        except AssertionError as e:
            raise AssertionError(f"{e} in\n{self.log.text(since)}") from None


@pytest.fixture
def logged(gated):
    """logged(route=...): a way whose gateway logs JSON, and its events."""
    def make(route=None, **front):
        w = gated(front={"LogFormat": "json", **front}, route=route)
        return w, Events(w.gateway)

    return make


def reload(w, events, **words):
    mark = w.gateway.log.mark()
    w.gateway.options.update(words)
    w.gateway.write_gateway()
    w.gateway.hangup()
    return events.wait("reloaded", mark)


def test_login_from_its_beginning_to_its_end(logged, ring):
    w, events = logged()
    w.ssh("head -c 5000 /dev/zero")
    closed = events.wait("closed")
    accepted, routed = events.wait("accepted"), events.wait("routed")
    assert events.wait("listening")["port"] == w.gateway.port
    key = {"method": "publickey", "key_type": "ED25519", "key": ring.get("client").fingerprint}
    client = {"session": accepted["session"], "login": "alice", "client": "127.0.0.1",
              "client_port": accepted["client_port"]}
    port = int(re.search(r"Accepted publickey for \S+ from 127\.0\.0\.1 port (\d+)", w.sshd.log.text())[1])
    upstream = {"user": ME, "upstream": "127.0.0.1", "upstream_port": w.sshd.port, "upstream_address": "127.0.0.1",
                "dialled_from": "127.0.0.1", "dialled_from_port": port}
    for o, fields in ((accepted, {**client, **key}), (routed, {**client, **key, **upstream}),
                      (closed, {**client, **key, **upstream})):
        assert {k: o.get(k) for k in fields} == fields, o
    assert f"alice from 127.0.0.1 port {client['client_port']} -> {ME}@127.0.0.1 port {w.sshd.port} " in routed["message"]
    assert closed["bytes_out"] > 5000 and closed["bytes_in"] > 0 and closed["seconds"] >= 0
    assert closed["reason"] in closed["message"]


def test_manual_lists_what_is_logged(logged, ring, ca, hashed):
    """Each event, with all of its fields, and no others."""
    person = ring.get("person")
    w, events = logged({"TrustedUserCAKeys": ca.file}, MaxAuthTries="2", StateDirectory="state")
    g = w.gateway
    w.sshd.authorize(f"cert-authority {g.generate_key('authority')}")
    g.keys["ca:authority"] = g.keys["authority"]
    g.route("certified", w.sshd, [ring.get("client")], key="ca:authority")
    two = {"PasswordHash": hashed, "AuthenticationMethods": "publickey,password"}
    g.route("two", w.sshd, [ring.get("client")], key="alice", **two)
    g.route("dead", w.sshd, [ring.get("client")], key="alice", Port=net.free_port())
    g.route("far", w.sshd, [], key="alice")
    (g.conf / "far.pub").write_text(f'from="192.0.2.1" {ring.get("client").public}\n')
    g.route("guessed", w.sshd, key="alice", AuthorizedKeysFile=None, PasswordHash=hashed)
    g.route("hop", w.sshd, key="alice", AuthorizedKeysFile=None, Mode="hop")
    g.route("behind", w.sshd, [ring.get("client")], key="alice", ProxyJump="hop")
    g.write("20-jump.ini", "route jump", {
        "Mode": "jump", "AllowDestinations": f"127.0.0.1:{w.sshd.port}", "AuthorizedKeysFile": "conf.d/alice.pub"})
    g.write("20-tunnel.ini", "route hold", {"Mode": "tunnel", "AuthorizedKeysFile": "conf.d/alice.pub"})
    g.route("held", w.sshd, [ring.get("client")], key="alice", HostName="tunnel:hold")
    reload(w, events)

    hold = w.new_client(user="hold")
    hold.run(hold.argv("ssh", "-N", "-R", "other:80:127.0.0.1:1", "upstream"))
    hold = hold.popen(hold.argv("ssh", "-N", "-R", "80:127.0.0.1:1", "upstream"))
    events.wait("tunnel")
    w.new_client(user="held").ssh("true")
    hold.terminate()
    hold.communicate()
    jump = w.new_client(user="jump")
    for port in (w.sshd.port, 1):
        jump.run(jump.argv("ssh", "-W", f"127.0.0.1:{port}", "upstream"))
    w.new_client(user="behind").ssh("true")
    w.new_client(user="certified").ssh("true")
    certificate_client(w, person, ca.sign(person, "alice")).ssh("true")
    a = Attacker(g.port)
    a.service()
    a.ask(*proof(a, "two", key_of(w.client)))
    a.ask(*password("two", PASSWORD))
    a.close()
    for login in ("nobody", "dead", "far"):
        w.new_client(user=login).ssh("true")
    guess(w, "guessed", 2)
    a = Attacker(g.port)
    a.service()
    a.ask(*proof(a, "alice", key_of(w.new_client(key=person))))
    a.ask(*none("alice"))
    a.close()
    net.exchange(("127.0.0.1", g.port), b"no SSH\r\n")
    events.wait("not_let_in", login="alice")

    g.quiet()
    with net.connect(("127.0.0.1", g.port)):
        (session,) = wait_for("a session", g.sessions)
        os.kill(session.pid, signal.SIGKILL)
        events.wait("crashed")
    reload(w, events, MaxStartups="1")
    with net.connect(("127.0.0.1", g.port)):
        wait_for("more refusals than are logged one by one", lambda: flood(g.port, 50) or [
            o for o in events.all() if o.get("event") == "dropped" and "count" in o])
    reload(w, events, MaxStartups="100", LoginGraceTime="1")
    with net.connect(("127.0.0.1", g.port)):
        events.wait("timeout")
    # the answer to a reload comes after the end of each login, none of which has a penalty yet
    g.quiet()
    reload(w, events, LoginGraceTime="60")
    reload(w, events, PerSourcePenalties="authfail:1m min:1")
    guess(w, "guessed", 1)
    events.wait("penalty", network="127.0.0.1/32")
    (g.conf / "99.ini").write_text("[route broken]\n")
    g.hangup(NOT_RELOADED)
    g.stop()
    events.wait("stopping")

    seen = {}
    for o in events.all():
        if "event" in o:
            seen.setdefault(o["event"], set()).update(set(o) - ENVELOPE)
    documented = manual_events()
    assert set(seen) | ELSEWHERE == {e for row in documented for e in row}
    for row, fields in documented.items():
        if not set(row) <= ELSEWHERE:
            there = set().union(*(seen[e] for e in row))
            assert fields <= there and there - fields <= SESSION | UPSTREAM, (row, there)
            assert "session" not in there or {"client", "client_port"} <= there
    for name in SESSION | UPSTREAM | {"said_by"}:
        assert re.search(rf"^\.Cm (\w+ , )*{name}\b", MANUAL, re.M), name


def guess(w, login, tries):
    a = Attacker(w.gateway.port)
    a.service()
    for _ in range(tries):
        a.ask(*password(login, "wrong"))
    a.close()


def flood(port, n):
    sockets = [net.connect(("127.0.0.1", port)) for _ in range(n)]
    for s in sockets:
        s.close()


@pytest.mark.parametrize("login", [
    'a","event":"accepted","login":"root', "a\nb", "a\x1b[2J", "a\\b", "\u202eecila", "\N{UMBRELLA}" * 80, '"' * 255,
    "\x01" * 255,
], ids=["fields", "newline", "escape", "backslash", "direction", "umbrellas", "quotes", "controls"])
def test_hostile_login_stays_in_its_field(logged, login):
    w, events = logged()
    guess(w, login, 1)
    o = events.wait("failed")
    w.gateway.quiet()
    for line in w.gateway.log.lines():
        assert len(line) < 4096 and parse(line).get("event") != "accepted"
    assert o["client"] == "127.0.0.1" and o["login"].isprintable()
    if login.isprintable() and "\\" not in login:
        assert o["login"] == login


def test_words_of_a_session_are_marked(attacked):
    """And it has no fields but those that the keeper knows."""
    from lab.taken_over import TakenOver

    attacked.gateway.options["LogFormat"] = "json"
    attacked.gateway.write_gateway()
    attacked.gateway.hangup()
    with TakenOver(attacked.gateway.port) as t:
        t.send("LOG", bytearray([2]), 'x","event":"accepted","login":"root')
        attacked.gateway.log.wait('login.":')
    (o,) = [o for o in Events(attacked.gateway).all(attacked.gateway.log.text().index("{")) if "root" in o["message"]]
    assert o["said_by"] == "session" and "event" not in o and "login" not in o and o["client"] == "127.0.0.1"
