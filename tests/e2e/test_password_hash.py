"""PasswordHash and AuthenticationMethods: the gateway checks passwords, alone or together with a key."""

import functools
import os
import re
import signal
import subprocess
import time

import pytest

from lab import procs
from lab.gateway import SALLYPORT, sanitized
from lab.memory import found_in
from lab.password import PASSWORD, with_password
from lab.timing import PACE, takes_as_long
from lab.tty import Terminal
from lab.unread import all_read
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
        t.start_client(timeout=60)
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


def slow_hash(mib):
    """A hash that nobody has the password of, and whose check takes a second or two."""
    return f"$argon2id$v=19$m={mib * 1024},t=16,p=1$" + "A" * 22 + "$" + "A" * 43


@pytest.fixture
def held_checks():
    """held_checks(way): both places for password checks are taken, by errands that are stopped; the errands."""
    guessers = []

    def make(w):
        from lab.attack import USERAUTH_FAILURE, Attacker, password

        w.gateway.route("slow", w.sshd, key="alice", PasswordHash=slow_hash(128))
        assert w.gateway.reload().returncode == 0

        def guess():
            guessers.append(Attacker(w.gateway.port))
            guessers[-1].service()
            guessers[-1].send(*password("slow", "wrong"))

        def held():
            errands = w.gateway.role("errand password")
            for e in errands:
                e.kill(signal.SIGSTOP)
            for e in w.gateway.role("errand done"):  # it was too late to stop that one
                e.kill(signal.SIGCONT)
            if sum(USERAUTH_FAILURE not in a.received for a in guessers) < 2:
                guess()
            return errands if len(errands) == 2 else None

        errands = wait_for("two checks", held, 120)
        # without its route, logins that do not exist are checked with the quick hash of the others
        (w.gateway.conf / "10-slow.ini").unlink()
        assert w.gateway.reload().returncode == 0
        return errands

    yield make
    for a in guessers:
        a.close()


def give_up(errands):
    for e in errands:
        e.kill()


def test_at_most_two_password_checks_at_once(gated, hashed, held_checks):
    """Twelve clients guess at the same time; only two checks use their memory at once."""
    from lab.attack import USERAUTH_FAILURE, Attacker, password

    w = with_password(gated, hashed)
    held = held_checks(w)
    guessers = [Attacker(w.gateway.port) for _ in range(12)]
    for n, a in enumerate(guessers):
        a.service()
        a.send(*password("alice" if n % 2 else "nobody-here", "wrong"))

    def answered():
        assert len(w.gateway.role("errand password")) <= 2
        return all(USERAUTH_FAILURE in a.received for a in guessers)

    w.answers()
    assert not answered()
    give_up(held)
    wait_for("an answer to each", answered, 300)
    assert len(re.findall("Failed password for (alice|invalid user nobody-here) ", w.gateway.log.text())) == 12
    for a in guessers:
        a.close()
    w.answers()


def test_many_password_checks_do_not_delay_key_logins(gated, hashed, held_checks):
    """60 clients guess at the same time: two errands run, the others wait, and a login by key succeeds
    meanwhile.
    """
    from lab.attack import USERAUTH_FAILURE, Attacker, password

    w = with_password(gated, hashed, front={"LoginGraceTime": "300s"})
    w.answers()
    held = held_checks(w)
    keeper = w.gateway.keepers()[0]
    before = int(keeper.status("VmRSS").split()[0])
    guessers = [Attacker(w.gateway.port) for _ in range(60)]
    for n, t in enumerate(guessers):
        t.service()
        t.send(*password("alice" if n % 2 else "nobody-here", "wrong" * 200))
    for _ in range(3):
        w.answers()
    assert w.gateway.role("errand password") == held
    assert not any(USERAUTH_FAILURE in t.received for t in guessers)
    give_up(held)
    while any(USERAUTH_FAILURE not in t.received for t in guessers):
        assert len(w.gateway.role("errand password")) <= 2
        w.answers()
        assert all(t.is_active() for t in guessers)
    if not sanitized():
        assert int(keeper.status("VmHWM").split()[0]) < before + 16 * 1024
    for t in guessers:
        t.close()


def test_busy_source_does_not_delay_password_checks_of_others(gated, hashed, held_checks):
    """40 clients guess from one address: a login from another address is next, not last."""
    from lab.attack import USERAUTH_SUCCESS, Attacker, password

    w = with_password(gated, hashed)
    held = held_checks(w)
    crowd = [Attacker(w.gateway.port) for _ in range(40)]
    for a in crowd:
        a.service()
        a.send(*password("nobody-here", "wrong"))
    other = Attacker(w.gateway.port, source="127.0.0.2")
    other.service()
    other.send(*password("alice", PASSWORD))
    (session,) = [s for s in w.gateway.sessions() if s.title().endswith(" 127.0.0.2")]
    wait_for("its password to be passed on", lambda: all_read(session, other.port))
    w.answers()  # by now the keeper has read it, too
    give_up(held)
    assert other.expect(USERAUTH_SUCCESS, timeout=300)
    before = w.gateway.log.text().partition("Accepted password for alice from 127.0.0.2 ")
    assert before[1] and before[0].count("Failed password for invalid user nobody-here ") < 5, before[0]
    for a in [*crowd, other]:
        a.close()


def test_killed_password_errand_fails_its_login(gated, hashed):
    """The login fails closed, and the place is free again."""
    w = with_password(gated, slow_hash(256))
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
    w = with_password(gated, slow_hash(256))
    for _ in range(5):
        t = w.client.prompting("true", NumberOfPasswordPrompts=1)
        t.expect("password: ")
        t.send("x\n")
        procs.end(t.process)
        t.close()
    wait_for("the sessions to go", lambda: not w.gateway.sessions())
    assert len(w.gateway.role("errand password")) <= 2

    def killed():
        for p in w.gateway.role("errand password"):
            p.kill()
        return not w.gateway.role("errand")

    wait_for("the last of the errands", killed, 120)
    w.gateway.quiet()
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
