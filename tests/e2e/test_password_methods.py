"""PasswordHash with AuthenticationMethods and with keyboard-interactive."""

import functools
import re
import time

import paramiko
import pytest

from lab import procs
from lab.password import PASSWORD, with_password
from lab.timing import PACE, takes_as_long


def test_key_and_password_both_required(gated, hashed, ring):
    w = with_password(gated, hashed, AuthenticationMethods="publickey,password")
    t = w.client.prompting("-v", "echo in", PreferredAuthentications="publickey,password")
    t.expect(r"Authentications that can continue: publickey\r")
    t.expect("Authenticated using \"publickey\" with partial success")
    t.expect(r"Authentications that can continue: password\r")
    t.expect("password: ")
    t.send("wrong\n")
    t.expect("password: ")
    t.send(PASSWORD + "\n")
    t.expect("^in")
    assert t.wait() == 0
    t.close()
    w.gateway.log.wait("Partial publickey for alice .*SHA256:")
    w.gateway.log.wait("Accepted password for alice")


@pytest.mark.parametrize("first", ["none,publickey", "none,password"])
def test_one_of_two_methods_is_not_sufficient(gated, hashed, first):
    w = with_password(gated, hashed, AuthenticationMethods="publickey,password")
    t = w.client.prompting("echo in", PreferredAuthentications=first)
    t.expect("Permission denied")
    assert t.wait() == 255
    t.close()
    assert "Accepted" not in w.gateway.log.text()
    assert not w.sshd.log.find("Connection from")


def test_password_before_required_key_is_not_checked(gated, hashed):
    """A right password before the key fails like a wrong one."""
    w = with_password(gated, hashed, AuthenticationMethods="publickey,password")
    t = paramiko.Transport(("127.0.0.1", w.gateway.port))
    t.start_client(timeout=60)
    with pytest.raises(paramiko.BadAuthenticationType):
        t.auth_password("alice", PASSWORD, fallback=False)
    t.close()
    w.gateway.log.wait("Failed password for alice")
    assert "Partial" not in w.gateway.log.text()


def test_either_list_of_methods_is_sufficient(gated, hashed):
    w = with_password(gated, hashed, AuthenticationMethods="password,publickey publickey,password")
    for order in ("publickey,password", "password,publickey"):
        t = w.client.prompting("-v", "echo in", PreferredAuthentications=order)
        t.expect("password: ")
        t.send(PASSWORD + "\n")
        t.expect("^in")
        assert t.wait() == 0
        t.close()


def test_wrong_key_is_no_partial_success(gated, hashed, ring):
    """sshpiper #608."""
    w = with_password(gated, hashed, AuthenticationMethods="publickey,password")
    t = w.new_client(ring.get("wrong0")).prompting("-v", "true",
               PreferredAuthentications="publickey,password")
    t.expect("Permission denied")
    assert t.wait() == 255 and "partial" not in t.seen
    t.close()


@pytest.mark.parametrize("words, error", [
    ({"AuthenticationMethods": "publickey,hostbased"}, "is not a list of publickey"),
    ({"AuthenticationMethods": "publickey,"}, "is not a list of publickey"),
    ({"AuthenticationMethods": "publickey,password,password"}, "has a method twice"),
    ({"AuthenticationMethods": "password"}, "has nothing to check it with|the route has nothing"),
    ({"AuthenticationMethods": "keyboard-interactive"}, "the route has nothing"),
    ({"PasswordHash": "secret"}, "not what `sallyport hash-password` prints"),
    ({"PasswordHash": "$argon2id$v=19$m=99999999,t=2,p=1$" + "A" * 22 + "$" + "A" * 43}, "cost is too high"),
])
def test_password_configuration_errors(make_gateway, make_sshd, ring, words, error):
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")], **words)
    p = g.sallyport("check", "-c", g.conf)
    said = (p.stdout + p.stderr).decode()
    assert p.returncode == 78 and re.search(error, said), said
    assert "secret" not in said


# By keyboard-interactive, as sshd with PAM does.

KBDINT = "keyboard-interactive"


def test_client_with_keyboard_interactive_alone(gated, hashed):
    w = with_password(gated, hashed, AuthorizedKeysFile=None)
    t = w.client.prompting("-v", "echo in", PreferredAuthentications=KBDINT)
    for word in ("wrong", "", PASSWORD):
        t.expect(r"\(alice@\S+\) Password: ")
        t.send(word + "\n")
    t.expect("^in")
    assert t.wait() == 0
    assert PASSWORD not in t.seen  # not echoed
    t.close()
    log = w.gateway.log
    log.wait(rf"Accepted {KBDINT} for alice from 127\.0\.0\.1 port \d+ ssh2$")
    assert len(re.findall(rf"Failed {KBDINT} for alice from 127\.0\.0\.1 port \d+ ssh2", log.text())) == 2
    assert PASSWORD not in log.text() and hashed not in log.text()


def test_max_auth_tries_counts_both_password_methods(gated, hashed):
    """Of both kinds together: MaxAuthTries."""
    w = with_password(gated, hashed, AuthorizedKeysFile=None)
    w.gateway.stop()
    w.gateway.options["MaxAuthTries"] = 3
    w.gateway.write_gateway()
    w.gateway.start()
    t = w.client.prompting("true", PreferredAuthentications=f"{KBDINT},password", NumberOfPasswordPrompts=2)
    for _ in range(3):
        t.expect("[Pp]assword: ")
        t.send("wrong\n")
    t.expect("Too many authentication failures")
    assert t.wait() == 255
    t.close()
    assert len(re.findall(r"Failed (password|keyboard-interactive) for alice", w.gateway.log.text())) == 3


def test_unknown_login_gets_same_prompt(gated, hashed):
    """The same prompt, offers and messages, in the same time."""
    w = with_password(gated, hashed, AuthorizedKeysFile=None)
    logins = ("alice", "nobody-here")
    said = []
    for login in logins:
        t = w.new_client(user=login).prompting("-v", "true", PreferredAuthentications=KBDINT,
                   NumberOfPasswordPrompts=1)
        t.expect("Password: ")
        t.send("wrong\n")
        t.wait()
        said.append(re.findall(r"Authentications that can continue.*|Permission denied.*", t.seen))
        t.close()
    assert said[0] == said[1] and said[0]
    w.gateway.log.wait(f"Failed {KBDINT} for invalid user nobody-here")
    prompts = set()

    def time_of_wrong_password(login):
        t = paramiko.Transport(("127.0.0.1", w.gateway.port))
        try:
            t.start_client(timeout=60)
            start = time.monotonic()
            with pytest.raises(paramiko.AuthenticationException):
                t.auth_interactive(login, lambda *a: prompts.add((a[0], a[1], *a[2])) or ["wrong"] * len(a[2]))
            return time.monotonic() - start
        finally:
            t.close()

    known, _ = takes_as_long(*(functools.partial(time_of_wrong_password, login) for login in logins), share=PACE)
    assert prompts == {("", "", ("Password: ", False))}
    assert known > 0.03  # a hash was computed


@pytest.mark.parametrize("order", [f"publickey,{KBDINT}", f"{KBDINT},publickey"])
def test_key_and_keyboard_interactive(gated, hashed, order):
    w = with_password(gated, hashed, AuthenticationMethods=order)
    first, second = order.split(",")
    t = w.client.prompting("-v", "echo in", PreferredAuthentications=order)
    t.expect(rf"Authentications that can continue: {first}\r")
    if first == "publickey":
        t.expect('Authenticated using "publickey" with partial success')
    t.expect("Password: ")
    t.send(PASSWORD + "\n")
    t.expect("^in")
    assert t.wait() == 0
    t.close()
    w.gateway.log.wait(f"Partial {first} for alice")
    w.gateway.log.wait(f"Accepted {second} for alice")
    # one of the two is not sufficient
    for only in order.split(","):
        t = w.client.prompting("true", PreferredAuthentications=f"none,{only}", NumberOfPasswordPrompts=1)
        if only == first == KBDINT:
            t.expect("Password: ")
            t.send(PASSWORD + "\n")
        t.expect("Permission denied")
        assert t.wait() == 255
        t.close()


def test_password_and_keyboard_interactive_are_distinct_methods(gated, hashed):
    """Where keyboard-interactive is required, a "password" request does not count, nor the other way round.
    """
    for wanted, used in ((KBDINT, "password"), ("password", KBDINT)):
        w = with_password(gated, hashed, AuthorizedKeysFile=None, AuthenticationMethods=wanted)
        t = paramiko.Transport(("127.0.0.1", w.gateway.port))
        t.start_client(timeout=60)
        with pytest.raises(paramiko.AuthenticationException):
            if used == "password":
                t.auth_password("alice", PASSWORD, fallback=False)
            else:
                t.auth_interactive("alice", lambda *a: [PASSWORD] * len(a[2]))
        assert not t.is_authenticated()
        t.close()
        w.gateway.log.wait(f"Failed {used} for alice")
        assert "Accepted" not in w.gateway.log.text()


def test_hint_is_only_for_logins_without_password(gated, hashed, ring):
    """A client without the right key is asked for the password, if the login has one; else it gets the hint.
    """
    w = with_password(gated, hashed)
    w.gateway.stop()
    w.sshd.authorize(w.gateway.generate_key("bob"))
    w.gateway.route("bob", w.sshd, [ring.get("client")])
    w.gateway.route("carol", w.sshd, [ring.get("client")], PasswordHash=hashed,
                    AuthenticationMethods=f"publickey,{KBDINT}")
    w.gateway.start()
    hint = "no key of yours opens this login"
    order = f"publickey,{KBDINT}"
    for login, prompt, not_said in (
        ("alice", r"\(alice@\S+\) Password: ", hint), ("bob", hint, "assword: "), ("carol", hint, "assword: "),
    ):
        t = w.new_client(ring.get("wrong0"), user=login).prompting("true", PreferredAuthentications=order)
        t.expect(prompt)
        assert not_said not in t.seen
        if login == "alice":
            procs.end(t.process)
        else:
            t.expect("Permission denied")
        t.wait()
        assert not_said not in t.seen
        t.close()
    # the hint, then the right key, then the prompt
    t = w.new_client(ring.get("wrong0"), user="carol").prompting("-i", str(ring.get("client").path), "echo in",
               PreferredAuthentications=order)
    t.expect("Password: ")
    assert hint not in t.seen
    t.send(PASSWORD + "\n")
    t.expect("^in")
    assert t.wait() == 0
    t.close()


def test_malformed_answers_to_prompt(gated, hashed):
    """Too many answers end the connection; one that is too long is a wrong password."""
    w = with_password(gated, hashed, AuthorizedKeysFile=None)
    for answer in ([PASSWORD, PASSWORD], []):
        t = paramiko.Transport(("127.0.0.1", w.gateway.port))
        t.start_client(timeout=60)
        with pytest.raises((paramiko.SSHException, EOFError)):
            t.auth_interactive("alice", lambda *a, r=answer: r)
        assert not t.is_authenticated()
        t.close()
    w.gateway.log.wait("wrong number of answers")
    for answer in (PASSWORD + "x" * 2000, PASSWORD + "\0", ""):
        t = paramiko.Transport(("127.0.0.1", w.gateway.port))
        t.start_client(timeout=60)
        with pytest.raises(paramiko.AuthenticationException):
            t.auth_interactive("alice", lambda *a, r=answer: [r])
        t.close()
    assert "Accepted" not in w.gateway.log.text()
