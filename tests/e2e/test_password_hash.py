"""PasswordHash and AuthenticationMethods: the gateway checks passwords, alone or together with a key."""

import functools
import os
import re
import subprocess
import threading
import time

import pytest

from lab import procs
from lab.gateway import SALLYPORT, sanitized
from lab.memory import found_in
from lab.timing import PACE, takes_as_long
from lab.tty import Terminal
from lab.wait import wait_for

paramiko = pytest.importorskip("paramiko")


PASSWORD = "a pass; phrase # with = all ☂"


@pytest.fixture(scope="module")
def hashed():
    p = subprocess.run([SALLYPORT, "hash-password"], input=PASSWORD.encode() + b"\nmore\n",
                       capture_output=True, check=True, timeout=20)
    assert p.stderr == b""
    name, value = p.stdout.decode().rstrip("\n").split(" = ")
    assert name == "PasswordHash" and value.startswith("$argon2id$")
    return value


def with_password(gated, hashed, **route):
    words = {"PasswordHash": hashed}
    words.update(route)
    return gated(route=words)


def test_hash_password_on_a_terminal(tmp_path):
    """It asks twice, without echo, and again if the two differ."""
    t = Terminal([SALLYPORT, "hash-password"], os.environ, tmp_path)
    for word in ("one", "two", "three", "three"):
        t.expect("Password: |The same again: ")
        t.send(word + "\n")
    t.expect(r"PasswordHash = \$argon2id\$v=19\$m=\d+,t=\d+,p=1\$\S+")
    assert t.wait() == 0
    assert "three" not in t.seen
    t.close()


def test_hash_password_without_input():
    p = subprocess.run([SALLYPORT, "hash-password"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert p.returncode == 1 and p.stderr == b"sallyport: no password: end of input\n"


def test_hash_password_of_empty_password(gated):
    w = gated()
    assert w.gateway.sallyport("hash-password", stdin=b"").returncode == 1
    assert w.gateway.sallyport("hash-password", stdin=b"\n").returncode == 1
    assert w.gateway.sallyport("hash-password", "argument").returncode == 2
    assert w.gateway.sallyport("hash-password", "--help").returncode == 0


def test_right_password_after_wrong_one(gated, hashed):
    w = with_password(gated, hashed, AuthorizedKeysFile=None)
    t = w.client.prompting("-v", "echo in")
    t.expect(r"Authentications that can continue: password,keyboard-interactive\r")
    for word in ("wrong", PASSWORD):
        t.expect("password: ")
        t.send(word + "\n")
    t.expect("^in")
    assert t.wait() == 0
    t.close()
    log = w.gateway.log
    log.wait(r"Failed password for alice from 127\.0\.0\.1 port \d+ ssh2$")
    log.wait(r"Accepted password for alice from 127\.0\.0\.1 port \d+ ssh2$")
    assert PASSWORD not in log.text() and hashed not in log.text()


def test_key_or_password(gated, hashed):
    w = with_password(gated, hashed)
    assert w.ssh("echo in").text == "in\n"
    t = w.client.prompting("echo in")
    t.expect("password: ")
    t.send(PASSWORD + "\n")
    t.expect("^in")
    t.close()


def test_options_of_unproven_key_do_not_apply(gated, hashed):
    """Without its signature, the options of a key are not for a login by password."""
    import struct

    from lab import attack

    w = with_password(gated, hashed)
    g = w.gateway
    (g.conf / "alice.pub").write_text(f'restrict,command="echo forced" {w.client.key.public}\n')
    a = attack.Attacker(w.front.port)
    try:
        a.service()
        assert a.ask(*attack.query("alice", attack.key_of(w.client)))[1][-1][0] == attack.USERAUTH_PK_OK
        assert a.ask(*attack.password("alice", PASSWORD))[1][-1][0] == attack.USERAUTH_SUCCESS
        a.send(attack.CHANNEL_OPEN, "session", 0, 1 << 20, 32768)
        assert a.expect(attack.CHANNEL_OPEN_CONFIRMATION)
        number = struct.unpack(">I", next(
            m for _, kind, m in a.messages if kind == attack.CHANNEL_OPEN_CONFIRMATION)[4:8])[0]
        a.send(attack.CHANNEL_REQUEST, number, "exec", True, "echo in")
        assert a.expect(attack.CHANNEL_DATA)
        assert b"in\n" in next(m for _, kind, m in a.messages if kind == attack.CHANNEL_DATA)
    finally:
        a.close()
    assert w.ssh("echo in").text == "forced\n"


def test_upstream_is_not_dialled_for_wrong_password(gated, hashed):
    w = with_password(gated, hashed)
    mark = w.sshd.log.mark()
    t = w.client.prompting("true", NumberOfPasswordPrompts=1)
    t.expect("password: ")
    t.send("wrong\n")
    t.expect("Permission denied")
    t.close()
    w.gateway.quiet()
    assert not w.sshd.log.find("Connection from", mark)


def time_of_wrong_password(w, login):
    """Seconds that a wrong password takes, on a connection of its own."""
    t = paramiko.Transport(("127.0.0.1", w.gateway.port))
    try:
        t.start_client(timeout=10)
        start = time.monotonic()
        with pytest.raises(paramiko.AuthenticationException):
            t.auth_password(login, "wrong", fallback=False)
        return time.monotonic() - start
    finally:
        t.close()


def test_unknown_login_takes_as_long_as_wrong_password(gated, hashed):
    """And gets the same answers."""
    w = with_password(gated, hashed, AuthorizedKeysFile=None)
    logins = ("alice", "nobody-here")
    known, _ = takes_as_long(*(functools.partial(time_of_wrong_password, w, login) for login in logins), share=PACE)
    assert known > 0.03  # a hash was computed
    said = []
    for login in logins:
        t = w.new_client(user=login).prompting("-v", "true", NumberOfPasswordPrompts=1)
        t.expect("password: ")
        t.send("wrong\n")
        t.wait()
        said.append(re.findall(r"Authentications that can continue.*|Permission denied.*", t.seen))
        t.close()
    assert said[0] == said[1] and said[0]
    w.gateway.log.wait("Failed password for invalid user nobody-here")


def test_at_most_two_password_checks_at_once(gated, hashed):
    """Twelve clients guess at the same time; only two checks use their memory at once."""
    w = with_password(gated, hashed)
    most = [0]
    done = threading.Event()

    def watch():
        while not done.is_set():
            most[0] = max(most[0], len(w.gateway.role("errand password")))

    watcher = threading.Thread(target=watch)
    guessers = [threading.Thread(target=time_of_wrong_password, args=(w, login))
                for login in ("alice", "nobody-here") * 6]
    watcher.start()
    for g in guessers:
        g.start()
    for g in guessers:
        g.join(60)
    done.set()
    watcher.join()
    assert 1 <= most[0] <= 2
    assert len(re.findall("Failed password for", w.gateway.log.text())) == 12
    w.answers()


def test_many_password_checks_do_not_delay_key_logins(gated, hashed):
    """60 clients guess at the same time: two errands run, the others wait, and a login by key succeeds
    meanwhile.
    """
    from lab.attack import Attacker, password

    w = with_password(gated, hashed)
    w.answers()
    keeper = w.gateway.keepers()[0]
    before = int(keeper.status("VmRSS").split()[0])
    guessers = [Attacker(w.gateway.port) for _ in range(60)]
    for n, t in enumerate(guessers):
        t.service()
        t.send(*password("alice" if n % 2 else "nobody-here", "wrong" * 200))
    most = slowest = 0
    while any(51 not in t.received for t in guessers):
        most = max(most, len(w.gateway.role("errand password")))
        start = time.monotonic()
        w.answers()
        slowest = max(slowest, time.monotonic() - start)
        assert all(t.is_active() for t in guessers)
    assert 1 <= most <= 2 and slowest < 2, (most, slowest)
    if not sanitized():
        assert int(keeper.status("VmHWM").split()[0]) < before + 16 * 1024
    for t in guessers:
        t.close()
    w.gateway.quiet()


def test_busy_source_does_not_delay_password_checks_of_others(gated, hashed):
    """40 clients guess from one address: a login from another address is next, not last."""
    from lab.attack import USERAUTH_FAILURE, Attacker, password

    w = with_password(gated, hashed)
    t = w.client.prompting("echo in", BindAddress="127.0.0.2")
    crowd = [Attacker(w.gateway.port) for _ in range(40)]
    t.expect("password: ")
    for a in crowd:
        a.service()
    for a in crowd:
        a.send(*password("nobody-here", "wrong"))
    crowd[0].expect(USERAUTH_FAILURE)
    t.send(PASSWORD + "\n")
    t.expect("in\r\n", timeout=60)
    assert t.wait() == 0
    t.close()
    still = [a for a in crowd if USERAUTH_FAILURE not in a.received]
    assert len(still) > 15
    for a in crowd:
        a.close()


def test_killed_password_errand_fails_its_login(gated, hashed):
    """The login fails closed, and the place is free again."""
    slow = "$argon2id$v=19$m=262144,t=16,p=1$" + "A" * 22 + "$" + "A" * 43
    w = with_password(gated, slow)
    clients = [w.client.prompting("true", NumberOfPasswordPrompts=1) for _ in range(2)]
    for t in clients:
        t.expect("password: ")
        t.send("x\n")
    for t in clients:
        errand = wait_for("an errand", lambda: w.gateway.role("errand password"))[0]
        errand.kill()
        wait_for("its end", lambda e=errand: not e.alive())
    for t in clients:
        t.expect(r"sallyport: the gateway cannot log you in right now.*\(session")
        assert t.wait() == 255
        t.close()
    w.answers()


def test_running_check_counts_after_client_has_left(gated):
    """The client guesses and leaves; its errand counts until it ends."""
    slow = "$argon2id$v=19$m=262144,t=16,p=1$" + "A" * 22 + "$" + "A" * 43
    w = with_password(gated, slow)
    for _ in range(5):
        t = w.client.prompting("true", NumberOfPasswordPrompts=1)
        t.expect("password: ")
        t.send("x\n")
        procs.end(t.process)
        t.close()
    wait_for("the sessions to go", lambda: not w.gateway.sessions())
    assert len(w.gateway.role("errand password")) <= 2
    for _ in range(20):
        for p in w.gateway.role("errand password"):
            p.kill()
    w.gateway.quiet(30)
    w.answers()


# AuthenticationMethods


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
    t.start_client(timeout=10)
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
    ({"AuthenticationMethods": "publickey,publickey"}, "has a method twice"),
    ({"AuthenticationMethods": "password"}, "has nothing to check it with|the route has nothing"),
    ({"AuthenticationMethods": "keyboard-interactive"}, "the route has nothing"),
    ({"PasswordHash": "secret"}, "not what `sallyport hash-password` prints"),
    ({"PasswordHash": "$argon2id$v=19$m=99999999,t=2,p=1$" + "A" * 22 + "$" + "A" * 43}, "costs too much"),
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
            t.start_client(timeout=10)
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
        t.start_client(timeout=10)
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
        t.start_client(timeout=10)
        with pytest.raises((paramiko.SSHException, EOFError)):
            t.auth_interactive("alice", lambda *a, r=answer: r)
        assert not t.is_authenticated()
        t.close()
    w.gateway.log.wait("wrong number of answers")
    for answer in (PASSWORD + "x" * 2000, PASSWORD + "\0", ""):
        t = paramiko.Transport(("127.0.0.1", w.gateway.port))
        t.start_client(timeout=10)
        with pytest.raises(paramiko.AuthenticationException):
            t.auth_interactive("alice", lambda *a, r=answer: [r])
        t.close()
    assert "Accepted" not in w.gateway.log.text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may read the memory of the keeper")
@pytest.mark.parametrize("method", ["password", KBDINT])
def test_password_does_not_stay_in_memory(gated, hashed, method):
    """Neither in the session nor in the keeper nor in the master, once the login is over."""
    if sanitized():
        pytest.skip("a sanitizer keeps freed memory")
    w = with_password(gated, hashed)
    t = w.client.prompting("echo ready; cat", PreferredAuthentications=method)
    t.expect("[Pp]assword: ")
    t.send(PASSWORD + "\n")
    t.expect("^ready")
    w.gateway.log.wait(f"Accepted {method}")
    for p in [w.gateway.master, *w.gateway.keepers(), *w.gateway.sessions()]:
        assert not found_in(p, {"password": PASSWORD.encode()}), p.title()
    procs.end(t.process)
    t.close()
