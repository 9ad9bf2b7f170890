"""Password: the gateway logs in to the upstream with a password from its key store."""

import os
import re
import shutil
import subprocess

import pytest

from lab import procs
from lab.account import PASSWORD
from lab.client import open_session
from lab.gateway import SALLYPORT, sanitized
from lab.memory import found_in
from lab.tty import Terminal
from lab.upstream import QuestioningUpstream, ROUNDS, paramiko, questioning_way
from lab.wait import wait_for

NAME = "alice-password"


def way_with_password(gated, user, password=PASSWORD, sshd=None, **route):
    """A way to a real sshd, with a stored password alone."""
    options = {"UsePAM": "yes", "PasswordAuthentication": "yes"}
    options.update(sshd or {})
    words = {"User": user, "Key": None, "Password": NAME}
    words.update(route)
    w = gated(sshd=options, route=words)
    store_password(w.gateway, password)
    return w


def store_password(gateway, password, name=NAME):
    p = gateway.sallyport("key", "add", name, "--password", "-c", gateway.conf,
                          stdin=password.encode() + b"\nnot this\n")
    assert p.returncode == 0, p.stderr
    assert password.encode() not in p.stdout + p.stderr
    return p


def refusal_line(w, *args):
    """The line that the user reads."""
    r = w.ssh(*(args or ("true",)))
    assert r.code == 255
    said = re.search(r"^sallyport: .*\(session [0-9a-f]+\)$", r.err.replace("\r", ""), re.M)
    assert said, r.err
    return said[0]


# The commands.


def test_key_add_on_a_terminal(make_gateway):
    """It asks twice, without echo, and again if the two differ."""
    g = make_gateway()
    t = Terminal([SALLYPORT, "key", "add", NAME, "--password", "-c", str(g.conf)], os.environ, g.dir)
    for word in ("one", "two", "three", "three"):
        t.expect("Password: |Repeat it: ")
        t.send(word + "\n")
    t.expect(f"Password = {NAME}")
    assert t.wait() == 0
    assert "three" not in t.seen
    t.close()


def test_key_commands_with_passwords(make_gateway):
    g = make_gateway()
    store_password(g, "first")
    assert re.search(rf"^{NAME} +password$", g.command("key", "list"), re.M)
    assert re.search(r"^host_ed25519 +ED25519 +SHA256:", g.command("key", "list"), re.M)

    def fails(code, *args, stdin=b"x\n"):
        p = g.sallyport("key", *args, "-c", g.conf, stdin=stdin)
        assert p.returncode == code, (args, p)
        return p.stderr.decode()

    assert "is a password, not a key" in fails(1, "public", NAME)
    assert "already exists" in fails(1, "add", NAME, "--password")
    assert "already exists" in fails(1, "generate", NAME)
    assert "already exists" in fails(1, "add", "host_ed25519", "--password")
    assert "no password" in fails(1, "add", "other", "--password", stdin=b"")
    assert "1 to 1024" in fails(1, "add", "other", "--password", stdin=b"\n")
    fails(1, "add", "other", "--password", stdin=b"x" * 1025 + b"\n")
    # never on the command line
    assert "usage" in fails(2, "add", "other", "secret", "--password")
    assert "usage" in fails(2, "add", "other", "--password=secret")
    fails(2, "generate", "other", "--password")
    fails(2, "add", "../other", "--password")
    assert not (g.dir / "keys" / "other").exists()
    for file in (g.dir / "keys").iterdir():
        assert b"first" not in file.read_bytes() or file.name == ".unlock"
    g.command("key", "rewrap")
    g.command("key", "remove", NAME, "--force")
    assert NAME not in g.command("key", "list")


def test_check_and_route_report_missing_password(make_gateway, make_sshd, ring):
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")], Password=NAME)
    assert re.search(
        rf"10-alice.ini:\d+: Password: there is no password {NAME} in the key store .*; "
        rf"make it with: sallyport key add {NAME} --password -c ", g.notes())
    p = g.sallyport("route", "alice", "-c", g.conf)
    assert p.returncode == 1 and f"password   {NAME}: " in p.stdout.decode()
    store_password(g, "x")
    assert g.sallyport("check", "-c", g.conf).returncode == 0
    p = g.sallyport("route", "alice", "-c", g.conf)
    assert f"password   {NAME}\n" in p.stdout.decode()
    # one in place of the other
    g.route("alice", make_sshd(), [ring.get("client")], Key=NAME, Password="alice")
    said = g.sallyport("check", "-c", g.conf).stderr.decode()
    assert "is a password, not a key" in said and "is a key, not a password" in said


# Logins.


def test_stored_password_logs_in(gated, account):
    w = way_with_password(gated, account)
    r = w.ssh("id -un")
    assert r.text == account + "\n", r.err
    w.sshd.log.wait(f"Accepted password for {account} from")
    assert PASSWORD not in w.gateway.log.text()


def test_keyboard_interactive_with_one_hidden_prompt(gated, account):
    """An upstream with keyboard-interactive (PAM) alone."""
    w = way_with_password(gated, account, sshd={"PasswordAuthentication": "no", "KbdInteractiveAuthentication": "yes"})
    assert w.ssh("id -un").text == account + "\n"
    w.sshd.log.wait(f"Accepted keyboard-interactive/pam for {account} from")


@pytest.mark.parametrize("methods", [
    "publickey,password", "password,publickey", "publickey,keyboard-interactive",
    "keyboard-interactive,publickey",
])
def test_mapped_key_and_stored_password(gated, account, short, methods):
    """AuthenticationMethods of the upstream, in its order."""
    short.chmod(0o755)
    keys = short / "authorized_keys"  # where the account can read it
    w = way_with_password(
        gated, account, Key="alice",
        sshd={"AuthenticationMethods": methods, "AuthorizedKeysFile": keys,
              "KbdInteractiveAuthentication": "yes"},
    )
    keys.write_text(w.sshd.authorized_keys.read_text())
    assert w.ssh("id -un").text == account + "\n", w.gateway.log.text()
    assert not w.sshd.log.find("Failed")


@pytest.mark.parametrize("asks", ["password", "keyboard-interactive"])
def test_wrong_stored_password(gated, account, asks):
    """It is sent once; the user gets a line, and the log says what to do."""
    w = way_with_password(gated, account, "wrong horse", sshd={
        "PasswordAuthentication": "yes" if asks == "password" else "no",
        "KbdInteractiveAuthentication": "yes",
    })
    assert "your machine did not let the gateway in; ask your administrator" in refusal_line(w)
    found = w.gateway.log.wait(rf"{account}@127\.0\.0\.1: upstream refused the password stored as {NAME}; .*")
    assert f"sallyport key add {NAME} --password" in found[0]
    assert "wrong horse" not in w.gateway.log.text()
    w.sshd.quiet()
    assert len(re.findall(r"Failed \S+ for|error: PAM: Authentication failure", w.sshd.log.text())) == 1
    # a new password applies at once
    w.gateway.command("key", "remove", NAME, "--force")
    store_password(w.gateway, PASSWORD)
    w.answers()


def test_upstream_that_disconnects_after_wrong_password(gated, account):
    """MaxAuthTries 1: the upstream disconnects after a wrong password."""
    w = way_with_password(gated, account, "wrong", sshd={"MaxAuthTries": "1"})
    assert "your machine did not let the gateway in" in refusal_line(w)
    w.gateway.log.wait("ended after the stored password: .*Too many authentication failures")


def test_password_removed_from_store(gated, account):
    w = way_with_password(gated, account)
    w.answers()
    w.gateway.command("key", "remove", NAME, "--force")
    assert "the gateway cannot log you in right now" in refusal_line(w)
    w.gateway.log.wait(f"there is no such password; make it with: sallyport key add {NAME} --password")
    assert not w.sshd.log.find("Failed password")


def test_changed_host_key_gets_no_password(gated, account):
    """Even with StrictHostKeyChecking = no."""
    w = way_with_password(gated, account, StrictHostKeyChecking="no")
    w.answers()
    hosts = w.gateway.known_hosts_of("alice")
    hosts.write_text("".join(
        f"[127.0.0.1]:{w.sshd.port} {k.public}\n" for k in w.gateway.host_keys))
    mark = w.sshd.log.mark()
    assert "your machine did not let the gateway in" in refusal_line(w)
    w.gateway.log.wait("has CHANGED: it does not get the stored password")
    w.sshd.quiet()
    assert not w.sshd.log.find("(Accepted|Failed) password", mark)


def test_client_that_is_not_logged_in(gated, account, ring):
    """The upstream is not even dialled."""
    w = way_with_password(gated, account)
    mark = w.sshd.log.mark()
    assert w.new_client(ring.get("wrong0")).ssh("true").code == 255
    w.gateway.quiet()
    assert not w.sshd.log.find("Connection from", mark)


def test_expired_password(gated, account):
    """PAM asks for the old password again and for a new one, which only the user can choose."""
    if not shutil.which("chage"):
        pytest.skip("no chage")
    w = way_with_password(gated, account, sshd={"PasswordAuthentication": "no", "KbdInteractiveAuthentication": "yes"})
    subprocess.run(["chage", "-d", "0", account], check=True)
    assert "or a new one; ask your administrator" in refusal_line(w)
    w.gateway.log.wait(f"asks for more than a stored password can answer: it may want the password stored as {NAME} changed")
    subprocess.run(["chage", "-d", "2020-01-01", account], check=True)
    w.answers()


def test_password_from_other_lookup_backends(gated, account, tmp_path):
    """route.ini of a directory, and a lookup program."""
    program = tmp_path / "lookup"
    w = gated(sshd={"UsePAM": "yes", "PasswordAuthentication": "yes"})
    store_password(w.gateway, PASSWORD, "pw-dave")
    lines = f"HostName = 127.0.0.1\nPort = {w.sshd.port}\nUser = {account}\nPassword = pw-dave\n"
    program.write_text(
        f"#!/bin/sh\ncat <<'END'\n{lines}"
        f"UserKnownHostsFile = {w.gateway.known_hosts_of('alice')}\n"
        f"AuthorizedKeysFile = {w.gateway.conf}/alice.pub\nEND\n")
    program.chmod(0o755)
    tree = tmp_path / "users"
    (tree / "dave").mkdir(parents=True)
    (tree / "dave" / "route.ini").write_text(lines)
    shutil.copy(w.gateway.conf / "alice.pub", tree / "dave" / "authorized_keys")
    shutil.copy(w.gateway.known_hosts_of("alice"), tree / "dave" / "known_hosts")
    w.gateway.stop()
    w.gateway.write("20-lookup.ini", "lookup", {"Order": "ini directory exec"},
                    f"[lookup directory]\nPath = {tree}\n[lookup exec]\nCommand = {program}\n")
    w.gateway.start()
    for login in ("dave", "erin"):
        r = w.new_client(user=login).ssh("id -un")
        assert r.text == account + "\n", (login, r.err, w.gateway.log.text())


# An upstream whose prompts the test chooses.


def prompting_upstream(gated, ring, monkeypatch, rounds, **words):
    return questioning_way(gated, ring, rounds=rounds, Passthrough=None, Password=NAME,
                   AuthorizedKeysFile="conf.d/alice.pub", **words)


@pytest.mark.parametrize("rounds", [
    [[("Password: ", True, PASSWORD)]],
    [[("Password: ", False, PASSWORD), ("Code: ", False, "")]],
    [[("Password: ", False, PASSWORD)], [(f"Not {PASSWORD}! New password: ", False, "")]],
])
def test_other_prompts_are_not_answered(gated, ring, monkeypatch, rounds):
    """An echoed prompt, two prompts, a second question: none of them is answered."""
    answers = []
    real = QuestioningUpstream.check_auth_interactive_response
    monkeypatch.setattr(QuestioningUpstream, "get_allowed_auths", lambda *a: "keyboard-interactive")
    monkeypatch.setattr(QuestioningUpstream, "check_auth_interactive_response",
                        lambda self, r: answers.extend(r) or real(self, r))
    with prompting_upstream(gated, ring, monkeypatch, rounds) as (w, _):
        store_password(w.gateway, PASSWORD)
        assert "wants more than the password that the gateway has for it" in refusal_line(w)
        w.gateway.log.wait("upstream asks for more than a stored password can answer: ")
        assert PASSWORD not in w.gateway.log.text()
        assert answers == ([PASSWORD] if len(rounds) > 1 else [])


def test_round_without_prompts(gated, ring, monkeypatch):
    monkeypatch.setattr(QuestioningUpstream, "get_allowed_auths", lambda *a: "keyboard-interactive")
    rounds = [[], [("Password: ", False, PASSWORD)], []]
    with prompting_upstream(gated, ring, monkeypatch, rounds) as (w, _):
        store_password(w.gateway, PASSWORD)
        assert w.ssh("x").text == "in\n"


def test_password_change_request(gated, ring, monkeypatch):
    """PASSWD_CHANGEREQ: the user gets a line, the log the reason, and there is no second try."""
    asked = []

    def parse(handler, m):
        _, _, method = m.get_text(), m.get_text(), m.get_text()
        reply = paramiko.Message()
        if method == "password":
            asked.append((m.get_boolean(), m.get_text()))
            reply.add_byte(bytes([60]))
            reply.add_string("Your password is too old.")
            reply.add_string("en")
        else:
            reply.add_byte(bytes([51]))
            reply.add_string("password")
            reply.add_boolean(False)
        handler.transport._send_message(reply)

    monkeypatch.setattr(paramiko.auth_handler.AuthHandler, "_parse_userauth_request", parse)
    table = getattr(paramiko.auth_handler.AuthHandler, "_server_handler_table", None)
    if isinstance(table, dict):
        monkeypatch.setattr(paramiko.auth_handler.AuthHandler, "_server_handler_table",
                            {**table, 50: parse})
    with prompting_upstream(gated, ring, monkeypatch, ROUNDS) as (w, _):
        store_password(w.gateway, PASSWORD)
        assert "or a new one; ask your administrator" in refusal_line(w)
        w.gateway.log.wait(f"wants the password stored as {NAME} changed; .*sallyport key remove --force {NAME}")
        assert asked == [(False, PASSWORD)]


# Secrets.


@pytest.mark.skipif(os.getuid() != 0, reason="only root may read the memory of the keeper")
@pytest.mark.parametrize("asks", ["password", "keyboard-interactive"])
def test_password_does_not_stay_in_memory(gated, account, asks):
    """Neither in the session, which encrypted it, nor in the keeper nor in the master; rekeyed or not."""
    if sanitized():
        pytest.skip("a sanitizer keeps freed memory")
    w = way_with_password(gated, account, sshd={
        "PasswordAuthentication": "yes" if asks == "password" else "no",
        "KbdInteractiveAuthentication": "yes",
    })
    control = {"user": account.encode()}
    for _ in range(2):
        p = open_session(w.client)
        for proc in [w.gateway.master, *w.gateway.keepers(), *w.gateway.sessions()]:
            assert not found_in(proc, {"password": PASSWORD.encode()}), proc.title()
        for session in w.gateway.sessions():
            assert found_in(session, control) == set(control), "the search itself does not work"
        procs.end(p)
    # a refused password as well
    w.gateway.command("key", "remove", NAME, "--force")
    store_password(w.gateway, "staple-battery-horse")
    refusal_line(w)
    w.gateway.quiet()
    for proc in [w.gateway.master, *w.gateway.keepers()]:
        assert not found_in(proc, {"password": b"staple-battery-horse"}), proc.title()


def test_password_does_not_reach_user(gated, account):
    """It is in no environment that the user can read, and not in ssh's debug output."""
    w = way_with_password(gated, account)
    r = w.ssh("-vvv", "env; cat /proc/$PPID/environ 2>/dev/null | tr '\\0' '\\n'")
    assert r.code == 0 and PASSWORD not in r.text + r.err
    assert subprocess.run(["grep", "-rqF", PASSWORD, w.gateway.dir], check=False).returncode == 1
    wait_for("the end", lambda: not w.gateway.sessions())
