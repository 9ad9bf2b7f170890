"""One-time codes with every kind of route, and with a session that has been taken over."""

import pytest

from lab.account import PASSWORD
from lab.agent import Agent
from lab.attack import USERAUTH_INFO_RESPONSE, USERAUTH_REQUEST
from lab.taken_over import TakenOver, program
from lab.totp import WITH_CODE, Secret, enters, person
from lab.tunnels import Tunnels
from lab.upstream import PASSTHROUGH

KBDINT = "keyboard-interactive"
WITH_PAM = {"UsePAM": "yes", "KbdInteractiveAuthentication": "yes", "PasswordAuthentication": "yes"}
CODE = "Verification code: "


def prompts(client):
    """What ssh has asked, without the name of the login."""
    return [p.split(") ")[-1].split("'s ")[-1] for p in client.answers.asked()]


@pytest.mark.parametrize("method", ["password", KBDINT])
def test_code_before_the_password_of_the_upstream(coded, account, method):
    w = coded(sshd=WITH_PAM, User=account, **PASSTHROUGH)
    options = {"PreferredAuthentications": f"{method},{KBDINT}", "NumberOfPasswordPrompts": "3"}
    c = person(w, w.secret.code(), password=PASSWORD, **options)
    assert enters(c)
    assert [p.lower() for p in prompts(c)] == [CODE.lower(), "password: "]
    w.gateway.log.wait(f"Partial {KBDINT}/totp for alice")
    w.gateway.log.wait(f"Accepted {method} for alice")
    # without a code the upstream hears nothing
    w.sshd.quiet()
    mark = w.sshd.log.mark()
    c = person(w, w.secret.wrong(), password=PASSWORD, **options)
    assert not enters(c)
    assert "password" not in "".join(prompts(c)).lower()
    assert not w.sshd.log.find("Connection from", mark)


def test_wrong_password_after_the_code(coded, account):
    """The code is not asked for again for another try of the password."""
    w = coded(sshd=WITH_PAM, User=account, **PASSTHROUGH)
    c = person(w, w.secret.code(), password="wrong", NumberOfPasswordPrompts="2",
               PreferredAuthentications=f"password,{KBDINT}")
    assert not enters(c)
    assert prompts(c)[0] == CODE and CODE not in prompts(c)[1:]
    w.gateway.log.wait("Failed password for alice")


def test_key_and_code_with_passthrough(coded, account, short):
    """The upstream asks for more than the mapped key: its question comes after the code."""
    short.chmod(0o755)
    keys = short / "authorized_keys"  # where the account can read it
    w = coded(sshd={**WITH_PAM, "AuthenticationMethods": f"publickey,{KBDINT}", "AuthorizedKeysFile": keys},
              User=account, Passthrough="yes")
    keys.write_text(w.sshd.authorized_keys.read_text())
    c = person(w, w.secret.code(), password=PASSWORD, NumberOfPasswordPrompts="3")
    assert enters(c)
    assert [p.lower() for p in prompts(c)] == [CODE.lower(), "password: "]
    c = person(w, w.secret.wrong(), password=PASSWORD)
    assert not enters(c)


def test_key_alone_with_passthrough_and_code(coded):
    """The mapped key is what the upstream wants."""
    w = coded(Passthrough="yes")
    assert enters(person(w, w.secret.code()))
    assert not enters(w.client)


def test_agent_of_the_client(agent_way):
    w = agent_way(route=WITH_CODE)
    secret = Secret(w.gateway)
    c = person(w, secret.code(), ForwardAgent="yes")
    c.env["SSH_AUTH_SOCK"] = str(w.agent.path)
    assert isinstance(w.agent, Agent) and enters(c)
    assert prompts(c) == [CODE]
    c.answers.give(secret.wrong())
    assert not enters(c)


def test_machine_behind_a_hop(behind):
    b = behind(1, route=WITH_CODE)
    secret = Secret(b.gateway)
    c = person(b.way, secret.code())
    assert enters(c)
    b.gateway.log.wait(b.through())
    assert not enters(person(b.way, secret.wrong()))


STATE = {"StateDirectory": "state"}


def test_jump(gated):
    w = gated(front=STATE)
    w.gateway.write("20-jump.ini", "route jump", {
        "Mode": "jump", "AllowDestinations": f"127.0.0.1:{w.sshd.port}", "AuthorizedKeysFile": "conf.d/alice.pub",
        **WITH_CODE})
    w.gateway.hangup()
    secret = Secret(w.gateway, "jump")
    c = person(w, secret.code(), user="jump")
    argv = c.argv("ssh", "-W", f"127.0.0.1:{w.sshd.port}", "upstream")
    assert c.run(argv, b"SSH-2.0-x\r\n").out.startswith(b"SSH-2.0-OpenSSH")
    c.answers.give(secret.wrong())
    assert c.run(argv).out == b""


def test_tunnel(gated):
    t = Tunnels(gated(front=STATE), **WITH_CODE)
    secret = Secret(t.gateway, "hold")
    t.hold_box(client=person(t.way, secret.code(), user="hold"))
    t.way.answers()
    assert not enters(person(t.way, secret.wrong(), user="hold"))


def test_secret_of_several_logins(gated):
    """A name without %u: a code that one login has used is used for the other."""
    w = gated(route={**WITH_CODE, "TOTP": "shared"})
    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice", **{**WITH_CODE, "TOTP": "shared"})
    w.gateway.hangup()
    secret = Secret(w.gateway)
    code = secret.code()
    assert enters(person(w, code))
    assert not enters(person(w, code, user="bob"))
    assert enters(person(w, secret.code(), user="bob"))


def test_code_and_then_a_program(factor):
    """TOTP and Factor without AuthenticationMethods: both; and what is remembered of one is not of the other."""
    f = factor(methods=None, **WITH_CODE, TotpRemember="1h")
    secret = Secret(f.gateway)
    options = {"password": "123456", "NumberOfPasswordPrompts": "3"}
    c = person(f.way, secret.code(), **options)
    assert enters(c)
    assert prompts(c) == [CODE, "Code:"]
    c.answers.give()
    assert enters(c)
    assert prompts(c) == ["Code:"]
    c = person(f.way, **{**options, "password": "654321"})
    assert not enters(c)
    assert CODE not in prompts(c)


def test_code_or_a_program(factor):
    """The first list counts, unless the client asks for the other device."""
    f = factor(methods=f"publickey,{KBDINT}:totp publickey,{KBDINT}:factor", **WITH_CODE)
    secret = Secret(f.gateway)
    c = person(f.way, secret.code(), password="123456")
    assert enters(c)
    assert prompts(c) == [CODE]
    c = person(f.way, password="123456", KbdInteractiveDevices="factor")
    assert enters(c)
    assert prompts(c) == ["Code:"]


def test_check_says_what_does_not_go_together(gated):
    w = gated()
    for words, error in (
            ({"AuthenticationMethods": "publickey"}, "no list has keyboard-interactive:totp"),
            ({"AuthenticationMethods": f"{KBDINT}:totp"}, "a code alone lets in who guesses it"),
            ({**PASSTHROUGH, "AuthenticationMethods": f"password,{KBDINT}:totp"}, f"write {KBDINT}:totp,password"),
            ({"Mode": "hop", "AuthorizedKeysFile": None}, "TOTP has no meaning with Mode = hop"),
            ({"AuthenticationMethods": f"{KBDINT}:totp,publickey", "TotpRemember": "1h"}, "must come after a key"),
            ({"TotpSkew": "11"}, "TotpSkew"),
            ({"TOTP": "a/b"}, "TOTP")):
        w.gateway.route("other", w.sshd, [w.ring.get("client")], key="alice", **{**WITH_CODE, **words})
        status, text = w.gateway.check()
        assert status == 78 and error in text, (words, text)


# A session that has been taken over.


def begin(t, login="alice"):
    t.auth(USERAUTH_REQUEST, login, "ssh-connection", KBDINT, "", "")


def answer(t, text):
    t.auth(USERAUTH_INFO_RESPONSE, 1, text)


def next_methods(t):
    """The name-list of the next USERAUTH_FAILURE, and whether it is a partial success."""
    while True:
        for payload in t.expect("DOWNSTREAM")[1].strings():
            if payload[0] == 51:
                n = int.from_bytes(payload[1:5], "big")
                return payload[5:5 + n].decode(), payload[-1] == 1


def test_taken_over_session_gets_nowhere_before_the_code(coded, ring):
    """The keeper dials nothing, and the mapped key signs nothing, until the code has been typed."""
    w = coded(front={"program": program()})
    g, secret = w.gateway, w.secret
    mark = w.sshd.log.mark()
    with TakenOver(g.port) as t:
        t.sign()
        t.prove("alice", ring.get("client"))
        assert next_methods(t) == (KBDINT, True)
        begin(t)
        answer(t, secret.wrong())
        assert next_methods(t) == (KBDINT, False)
        # whatever it says of an upstream is out of place
        t.send("UPSTREAM_READY", b"x" * 32, "ssh-ed25519", True)
        assert t.ended()
    g.log.wait(r"ended: bad message \(UPSTREAM_READY in phase")
    assert not w.sshd.log.find("Connection from", mark)
    with TakenOver(g.port) as t:
        t.sign()
        t.prove("alice", ring.get("client"))
        assert next_methods(t) == (KBDINT, True)
        # an answer to a question that was not asked
        answer(t, secret.code())
        t.expect("REFUSE")
    assert not w.sshd.log.find("Connection from", mark)
    with TakenOver(g.port) as t:
        t.sign()
        t.prove("alice", ring.get("client"))
        begin(t)
        answer(t, secret.code())
        t.expect("UPSTREAM_FD")


def test_taken_over_session_does_not_pass_the_code_by_its_word(coded, ring):
    """With Passthrough it may claim that the upstream has accepted a password: the code is asked for before."""
    w = coded(front={"program": program()}, Passthrough="yes")
    g = w.gateway
    mark = w.sshd.log.mark()
    with TakenOver(g.port) as t:
        t.sign()
        t.prove("alice", ring.get("client"))
        assert next_methods(t) == (KBDINT, True)
        t.auth(USERAUTH_REQUEST, "alice", "ssh-connection", "password", False, "x")
        assert next_methods(t) == (KBDINT, False)
        t.send("UPSTREAM_AUTH", bytes([52]))
        assert t.ended()
    assert not w.sshd.log.find("Connection from", mark)
    g.log.wait(r"ended: bad message \(UPSTREAM_AUTH in phase")
