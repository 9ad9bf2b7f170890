"""Passthrough: the upstream judges passwords and answers, and the gateway relays them."""

import re
import shutil

import pytest

from lab import procs
from lab.account import PASSWORD
from lab.gateway import sanitized
from lab.memory import found_in
from lab.upstream import PASSTHROUGH, QuestioningUpstream, ROUNDS, questioning_way

paramiko = pytest.importorskip("paramiko")


def way_with_pam(gated, account, sshd=None, **route):
    """A way with Passthrough to a real sshd with PAM."""
    options = {"UsePAM": "yes", "KbdInteractiveAuthentication": "yes", "PasswordAuthentication": "yes"}
    options.update(sshd or {})
    words = dict(PASSTHROUGH, User=account)
    words.update(route)
    return gated(sshd=options, route=words)


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_right_password_after_wrong_ones(gated, account, method):
    """Two wrong passwords and the right one, over one connection to the upstream."""
    w = way_with_pam(gated, account)
    t = w.client.prompting("id -un", PreferredAuthentications=method)
    for word in ("wrong", "wrong again", PASSWORD):
        t.expect("[Pp]assword: ")
        t.send(word + "\n")
    t.expect(account)
    assert t.wait() == 0
    t.close()
    log = w.gateway.log
    log.wait(rf"Accepted {method} for alice from 127\.0\.0\.1 port \d+ ssh2$")
    assert len(re.findall(rf"Failed {method} for alice from 127\.0\.0\.1 port \d+ ssh2", log.text())) == 2
    assert len(re.findall(r"Connection from", w.sshd.log.text())) == 1
    for secret in ("wrong again", PASSWORD):
        assert secret not in log.text()


def test_upstream_max_auth_tries_ends_login(gated, account):
    """The user is told."""
    w = way_with_pam(gated, account, sshd={"MaxAuthTries": "2"})
    t = w.client.prompting("true", PreferredAuthentications="password", NumberOfPasswordPrompts=5)
    for _ in range(2):
        t.expect("password: ")
        t.send("wrong\n")
    t.expect(r"sallyport: your machine has ended the login.*\(session [0-9a-f]+\)")
    assert t.wait() == 255
    t.close()
    w.gateway.log.wait("Too many authentication failures")
    assert len(re.findall("Failed password for alice", w.gateway.log.text())) == 2


def test_only_methods_of_upstream_are_offered(gated, account):
    w = way_with_pam(gated, account, sshd={"KbdInteractiveAuthentication": "no"})
    t = w.client.prompting("-v", "echo $((6*7))", PreferredAuthentications="keyboard-interactive,password")
    t.expect("password: ")
    t.send(PASSWORD + "\n")
    t.expect("42")
    assert t.wait() == 0
    t.close()
    assert "Failed" not in w.gateway.log.text()


def test_key_then_keyboard_interactive(gated, account, short):
    """warpgate #2508, sshpiper #50: AuthenticationMethods of the upstream."""
    short.chmod(0o755)
    keys = short / "authorized_keys"  # where the account can read it
    w = way_with_pam(
        gated, account,
        sshd={"AuthenticationMethods": "publickey,keyboard-interactive", "AuthorizedKeysFile": keys},
        Key="alice", AuthorizedKeysFile="conf.d/alice.pub",
    )
    shutil.copy(w.sshd.authorized_keys, keys)
    t = w.client.prompting("-v", "id -un", PreferredAuthentications="publickey,keyboard-interactive")
    t.expect("Authenticated using \"publickey\" with partial success")
    t.expect("Authentications that can continue: keyboard-interactive\r")
    t.expect("[Pp]assword: ")
    t.send(PASSWORD + "\n")
    t.expect(rf"^{account}")
    assert t.wait() == 0
    t.close()
    w.gateway.log.wait(r"Partial publickey for alice .*: ED25519 SHA256:")
    w.gateway.log.wait("Accepted keyboard-interactive for alice")
    # the password alone is not sufficient
    t = w.client.prompting("true", PreferredAuthentications="keyboard-interactive")
    t.expect(r"Permission denied \(publickey")
    assert t.wait() == 255
    t.close()


def test_banner_of_upstream_is_shown_once(gated, account, tmp_path):
    banner = tmp_path / "banner"
    banner.write_text("The machine says hello.\n")
    w = way_with_pam(gated, account, sshd={"Banner": banner})
    t = w.client.prompting("echo in", PreferredAuthentications="password")
    t.expect("password: ")
    t.send("wrong\n")
    t.expect("The machine says hello")
    t.expect("password: ")
    t.send(PASSWORD + "\n")
    t.expect("^in")
    t.wait()
    assert "hello" not in t.seen
    t.close()


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_changed_host_key_gets_no_password(gated, account, method):
    """Even with StrictHostKeyChecking = no, as in ssh."""
    w = way_with_pam(gated, account, StrictHostKeyChecking="no")
    hosts = w.gateway.known_hosts_of("alice")
    hosts.write_text("".join(f"[127.0.0.1]:{w.sshd.port} {k.public}\n" for k in w.gateway.host_keys))
    mark = w.sshd.log.mark()
    t = w.client.prompting("true", PreferredAuthentications=method)
    if method == "password":  # otherwise the upstream would first be asked for its question
        t.expect("password: ")
        t.send(PASSWORD + "\n")
    t.expect(r"sallyport: the host key of your machine could not be verified.*\(session [0-9a-f]+\)")
    assert t.wait() == 255
    t.close()
    w.gateway.log.wait("has CHANGED: it does not get what the user types")
    w.sshd.quiet()
    assert not w.sshd.log.find("(Accepted|Failed) (password|keyboard)", mark)


def test_unreachable_upstream(gated):
    w = gated(route=PASSTHROUGH)
    w.sshd.stop()
    t = w.client.prompting("true", PreferredAuthentications="password")
    t.expect("password: ")
    t.send("anything\n")
    t.expect("sallyport: your machine cannot be reached")
    assert t.wait() == 255
    t.close()


def test_upstream_is_not_dialled_before_first_answer(gated, ring):
    """A login name alone does not make the gateway dial."""
    w = gated(route=PASSTHROUGH)
    mark = w.sshd.log.mark()
    r = w.ssh("-v", "true", PreferredAuthentications="none,publickey")
    assert r.code == 255
    offers = set(re.findall(r"Authentications that can continue: (\S+)", r.err))
    assert offers == {"password,keyboard-interactive"}
    w.gateway.quiet()
    assert not w.sshd.log.find("Connection from", mark)


def test_unknown_login_is_asked_for_password(gated):
    """With the same offers and prompt; the answer is refused."""
    w = gated(route=PASSTHROUGH)
    for method in ("password", "keyboard-interactive"):
        t = w.new_client(user="nobody-here").terminal(
            "-v", "true", BatchMode="no", PreferredAuthentications=method, NumberOfPasswordPrompts=1
        )
        t.expect(r"Authentications that can continue: password,keyboard-interactive\r")
        t.expect("[Pp]assword: ")
        t.send("anything\n")
        t.expect(r"Permission denied \(password,keyboard-interactive\)")
        assert t.wait() == 255
        t.close()
        w.gateway.log.wait(rf"Failed {method} for invalid user nobody-here from")
    assert "anything" not in w.gateway.log.text()


# An upstream whose questions the test chooses.


def connect(w):
    t = paramiko.Transport(("127.0.0.1", w.gateway.port))
    t.start_client(timeout=60)
    return t


def test_keyboard_interactive_rounds_are_relayed(gated, ring):
    """Prompts, echo flags, names, instructions and answers arrive unchanged."""
    with questioning_way(gated, ring) as (w, server):
        seen = []

        def answer(title, instruction, prompts):
            seen.append((title, instruction, list(prompts)))
            return [a for _, _, a in ROUNDS[len(seen) - 1]]

        t = connect(w)
        t.auth_interactive("alice", answer)
        assert seen == [
            (f"round {i}", "Be careful: \u2602", [(p, e) for p, e, _ in r]) for i, r in enumerate(ROUNDS)
        ]
        c = t.open_session()
        c.exec_command("x")
        assert c.recv(100) == b"in\n"
        t.close()
        assert server.accepted == 1
        assert "123456" not in w.gateway.log.text()


def test_retry_after_failure_in_second_round(gated, ring, monkeypatch):
    with questioning_way(gated, ring) as (w, server):
        t = connect(w)
        with pytest.raises(paramiko.AuthenticationException):
            t.auth_interactive("alice", lambda *a: ["first", ""] if "0" in a[0] else ["no"] * len(a[2]))
        # paramiko requests the service again with each try, which is refused
        accept = paramiko.Message()
        accept.add_string("ssh-userauth")
        monkeypatch.setattr(
            paramiko.auth_handler.AuthHandler, "_request_auth",
            lambda handler: handler._parse_service_accept(paramiko.Message(accept.asbytes())),
        )
        rounds = iter(ROUNDS)
        t.auth_interactive("alice", lambda *a: [x for _, _, x in next(rounds)])
        assert t.is_authenticated()
        t.close()
        assert server.accepted == 1
        assert w.gateway.log.text().count("Failed keyboard-interactive for alice") == 1


def test_wrong_number_of_answers(gated, ring):
    """One answer too many ends the connection; the upstream does not see it."""
    with questioning_way(gated, ring) as (w, _):
        t = connect(w)
        with pytest.raises((paramiko.SSHException, EOFError)):
            t.auth_interactive("alice", lambda *a: ["first", "", "more"])
        t.close()
        w.gateway.log.wait("wrong number of answers")


def test_password_change_request(gated, ring, monkeypatch):
    """PASSWD_CHANGEREQ, answered by OpenSSH's client with the old and the new password."""
    asked = []

    def parse(handler, m):
        # paramiko's server does not implement this: RFC 4252 section 8
        user, service, method = m.get_text(), m.get_text(), m.get_text()
        reply = paramiko.Message()
        if method != "password":
            reply.add_byte(bytes([51]))
            reply.add_string("password")
            reply.add_boolean(False)
        else:
            change, old = m.get_boolean(), m.get_text()
            asked.append((change, old, m.get_text() if change else None))
            if change:
                handler.authenticated = True
                handler.auth_username = user
                reply.add_byte(bytes([52]))
            else:
                reply.add_byte(bytes([60]))
                reply.add_string("Your password is too old.")
                reply.add_string("en")
        handler.transport._send_message(reply)
        if handler.authenticated:
            handler.transport._auth_trigger()

    table = dict(paramiko.auth_handler.AuthHandler._server_handler_table) if hasattr(
        paramiko.auth_handler.AuthHandler, "_server_handler_table") and isinstance(
        paramiko.auth_handler.AuthHandler._server_handler_table, dict) else None
    if table is None:
        monkeypatch.setattr(paramiko.auth_handler.AuthHandler, "_parse_userauth_request", parse)
    else:
        table[50] = parse
        monkeypatch.setattr(paramiko.auth_handler.AuthHandler, "_server_handler_table", table)
    with questioning_way(gated, ring) as (w, server):
        t = w.client.prompting("x", PreferredAuthentications="password")
        t.expect("alice@.* password: ")
        t.send("old\n")
        t.expect("Your password is too old")
        t.expect("old password: ")
        t.send("old\n")
        t.expect("new password: ")
        t.send("new one\n")
        t.expect("new password: ")
        t.send("new one\n")
        t.expect("^in")
        assert t.wait() == 0
        t.close()
        assert asked == [(False, "old", None), (True, "old", "new one")]
        assert server.accepted == 1
        assert "new one" not in w.gateway.log.text()


def test_mapped_key_without_authorized_keys_is_configuration_error(make_gateway, make_sshd, ring):
    """The mapped key would otherwise log anybody in."""
    g = make_gateway()
    g.route("alice", make_sshd(), [], Passthrough="yes", AuthorizedKeysFile=None)
    p = g.sallyport("check", "-c", g.conf)
    assert p.returncode == 78 and b"need each other" in p.stdout + p.stderr


def test_key_at_gateway_and_password_at_upstream(gated, account):
    """AuthenticationMethods of the gateway: it checks the key, the upstream the password."""
    w = way_with_pam(
        gated, account, Key="alice", AuthorizedKeysFile="conf.d/alice.pub",
        AuthenticationMethods="publickey,password",
    )
    t = w.client.prompting("-v", "id -un", PreferredAuthentications="publickey,password")
    t.expect(r"Authentications that can continue: publickey\r")
    t.expect("Authenticated using \"publickey\" with partial success")
    for word in ("wrong", PASSWORD):
        t.expect("password: ")
        t.send(word + "\n")
    t.expect(rf"^{account}")
    assert t.wait() == 0
    t.close()
    w.gateway.log.wait("Accepted password for alice")


def test_upstream_that_accepts_any_login(gated, ring, monkeypatch):
    """Where AuthenticationMethods requires a password, a login without one is refused."""
    monkeypatch.setattr(QuestioningUpstream, "check_auth_none", lambda *a: paramiko.AUTH_SUCCESSFUL)
    with questioning_way(gated, ring, AuthenticationMethods="password") as (w, _):
        t = w.client.prompting("x", PreferredAuthentications="password")
        t.expect("password: ")
        t.send("anything\n")
        t.expect("sallyport: your machine did not let the gateway in")
        assert t.wait() == 255
        t.close()
        assert "Accepted" not in w.gateway.log.text()


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_password_does_not_stay_in_memory(gated, account, method):
    """Neither in the session, which had it on both legs, nor in the keeper."""
    if sanitized():
        pytest.skip("a sanitizer keeps freed memory")
    w = way_with_pam(gated, account)
    t = w.client.prompting("echo ready; cat", PreferredAuthentications=method)
    t.expect("[Pp]assword: ")
    t.send(PASSWORD + "\n")
    t.expect("^ready")
    for p in [w.gateway.master, *w.gateway.keepers(), *w.gateway.sessions()]:
        assert not found_in(p, {"password": PASSWORD.encode()}), p.title()
    procs.end(t.process)
    t.close()
