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
from lab.password import PASSWORD, with_password
from lab.timing import PACE, takes_as_long
from lab.tty import Terminal
from lab.wait import wait_for

paramiko = pytest.importorskip("paramiko")




def test_hash_password_on_a_terminal(tmp_path):
    """It asks twice, without echo, and again if the two differ."""
    t = Terminal([SALLYPORT, "hash-password"], os.environ, tmp_path)
    for word in ("one", "two", "three", "three"):
        t.expect("Password: |Repeat it: ")
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
        a.send(*attack.password("alice", PASSWORD))
        assert a.expect(attack.USERAUTH_SUCCESS)
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

    w = with_password(gated, hashed, front={"LoginGraceTime": "120s"})
    w.answers()
    keeper = w.gateway.keepers()[0]
    before = int(keeper.status("VmRSS").split()[0])
    guessers = [Attacker(w.gateway.port) for _ in range(60)]
    for n, t in enumerate(guessers):
        t.service()
        t.send(*password("alice" if n % 2 else "nobody-here", "wrong" * 200))
    most = slowest = 0
    began = time.monotonic()
    while any(51 not in t.received for t in guessers):
        most = max(most, len(w.gateway.role("errand password")))
        start = time.monotonic()
        w.answers()
        slowest = max(slowest, time.monotonic() - start)
        assert all(t.is_active() for t in guessers)
    # a login behind all the guesses would take as long as they do
    assert 1 <= most <= 2 and slowest < (time.monotonic() - began) / 2, (most, slowest)
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


@pytest.mark.skipif(os.getuid() != 0, reason="only root may read the memory of the keeper")
@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
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
