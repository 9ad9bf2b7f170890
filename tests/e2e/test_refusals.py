"""Refused logins and unreachable upstreams: what the user sees and what the log says."""

import functools
import re
import socket
import subprocess
import time

import pytest

from lab import net
from lab.refusal import masked, one_line, session_id
from lab.timing import PACE, takes_as_long


def assert_refused(client, *flags, **options):
    r = client.ssh(*flags, "echo not reached", **options)
    assert r.code == 255 and r.out == b"", r
    return r


def test_unknown_login_and_wrong_key_get_same_answers(own_way, ring):
    """The answers do not reveal which logins exist."""
    w = own_way()
    stranger = ring.get("wrong0")
    known = assert_refused(w.new_client(stranger), "-v")
    unknown = assert_refused(w.new_client(stranger, user="nobody-by-this-name"), "-v")
    unknown_right_key = assert_refused(w.new_client(user="nobody-by-this-name"), "-v")

    def talk(r):
        """What the server sends, and when."""
        words = r"Authentications that can continue|Permission denied|sallyport|Received disconnect"
        said = "\n".join(line for line in r.err.splitlines() if re.search(words, line))
        return masked(said, w.login, "nobody-by-this-name")

    # through the gateway the user is told by keyboard-interactive, see below
    assert "Permission denied (publickey" in talk(known)
    assert talk(known) == talk(unknown) == talk(unknown_right_key)


PERSON = ("-o", "BatchMode=no", "-o", "PreferredAuthentications=publickey,keyboard-interactive")


def test_user_without_key_gets_hint(gated, ring):
    """Except in batch mode: one line with the session id, and then sshd's usual last line."""
    w = gated()
    for user in ("alice", "nobody-by-this-name"):
        r = assert_refused(w.new_client(ring.get("wrong0"), user=user), *PERSON)
        assert_refused_with_reason(w, r)
        assert r.err.rstrip().endswith("Permission denied (publickey)."), r.err


def test_successful_login_gets_no_message(gated, ring):
    w = gated()
    c = w.new_client(ring.get("wrong0"))
    r = c.ssh(*PERSON, "-i", str(ring.get("client").path), "echo in")
    assert (r.code, r.text, r.err) == (0, "in\n", ""), r


def test_unknown_login_and_wrong_key_take_same_time(own_way, ring):
    w = own_way()
    stranger = ring.get("wrong0")

    def attempt(client):
        start = time.monotonic()
        assert_refused(client)
        return time.monotonic() - start

    clients = [w.new_client(stranger), w.new_client(stranger, user="nobody-by-this-name")]
    takes_as_long(*(functools.partial(attempt, c) for c in clients), share=PACE)


def test_refused_login_is_logged(own_way, ring):
    w = own_way(front={"MaxAuthTries": "1"})  # the first refused key is half of them
    stranger = ring.get("wrong0")
    assert_refused(w.new_client(stranger))
    w.front.log.wait(
        rf"Failed publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
        rf"ED25519 {re.escape(stranger.fingerprint)}"
    )
    assert_refused(w.new_client(stranger, user="mallory"))
    w.front.log.wait(r"Invalid user mallory from 127\.0\.0\.1 port \d+")


def test_accepted_login_is_logged(own_way, ring):
    w = own_way()
    w.answers()
    w.front.log.wait(
        rf"Accepted publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
        rf"ED25519 {re.escape(ring.get('client').fingerprint)}$"
    )


def test_two_routes_are_separate(gated, ring, make_sshd):
    """Each login reaches its own upstream with its own key, and not the other's."""
    w = gated(sshd={"env": {"MACHINE": "alice-machine"}})
    bobs = make_sshd(env={"MACHINE": "bob-machine"})
    w.gateway.stop()
    w.gateway.route("bob", bobs, [ring.get("bob")])
    w.gateway.start()
    for login, mine, upstream in (("alice", "client", "alice-machine"), ("bob", "bob", "bob-machine")):
        assert w.new_client(ring.get(mine), user=login).ssh("echo $MACHINE").text == upstream + "\n"
        other = "bob" if mine == "client" else "client"
        assert_refused(w.new_client(ring.get(other), user=login))


# Upstreams that cannot be reached.


def assert_refused_with_reason(w, r, since=0):
    """The client gets one line with a session id that the log has too; that line."""
    line = one_line(r.err)
    sid = session_id(line)
    assert sid, line
    w.gateway.log.wait(rf"session {sid}\b", since)
    w.gateway.quiet()
    return line


def test_upstream_that_refuses_connections(gated):
    w = gated()
    w.sshd.stop()
    line = assert_refused_with_reason(w, assert_refused(w.client))
    assert "SHA256" not in line and "127.0.0.1" not in line
    w.gateway.log.wait(r"[Cc]onnection refused")


def test_upstream_that_does_not_resolve(gated):
    w = gated(route={"HostName": "does-not-exist.invalid"})
    assert_refused_with_reason(w, assert_refused(w.client))


def test_silent_upstream(gated):
    """It accepts the connection and never answers: ConnectTimeout."""
    silent = socket.create_server(("127.0.0.1", 0))
    w = gated(route={"Port": silent.getsockname()[1], "ConnectTimeout": "2s"})
    start = time.monotonic()
    assert_refused_with_reason(w, assert_refused(w.client))
    assert time.monotonic() - start < 60  # and not LoginGraceTime
    silent.close()


@pytest.mark.parametrize("speech", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.5-old\r\n",
                                    b"SSH-2.0-x\r\n" + b"\xff" * 1000, b"x" * 70_000, b""])
def test_upstream_that_is_no_ssh_server(gated, speech):
    def talk(s):
        s.sendall(speech)

    server = net.Server(talk)
    w = gated(route={"Port": server.port})
    assert_refused_with_reason(w, assert_refused(w.client))
    server.close()


def test_upstream_that_refuses_mapped_key(gated):
    w = gated()
    w.sshd.authorized_keys.write_text("")
    assert_refused_with_reason(w, assert_refused(w.client))


def test_second_host_answers(gated):
    """HostName with several: the first one that answers."""
    w = gated(route={"HostName": "127.0.0.9 127.0.0.1"})
    known = w.gateway.known_hosts_of("alice")
    known.write_text(known.read_text() + known.read_text().replace("127.0.0.1", "127.0.0.9"))
    w.answers()


def test_missing_mapped_key(gated):
    """Only its route fails, with a reason in the log."""
    w = gated()
    w.answers()
    w.gateway.command("key", "remove", "alice", "--force")
    mark = w.gateway.log.mark()
    assert_refused_with_reason(w, assert_refused(w.client), mark)


def test_refusal_by_upstream_ends_login_at_once(gated):
    """sshpiper #608: a failure at the upstream must not look like a partial success, or clients try again."""
    w = gated()
    w.sshd.stop()
    r = assert_refused(w.client, "-v")
    assert r.err.count("Server accepts key") <= 1
    assert "partial success" not in r.err


def test_banner_is_shown_once(own_way, tmp_path):
    """sshpiper #593, #532: the banner was missing, or shown for each try."""
    text = tmp_path / "banner"
    text.write_text("Welcome to the banner.\nSecond line ☂.\n")
    w = own_way(front={"Banner": text})
    r = w.ssh("true")
    assert r.err.replace("\r", "") == text.read_text()


def test_banner_of_upstream_is_shown_once(own_way, tmp_path):
    text = tmp_path / "banner"
    text.write_text("The machine says hello.\n")
    w = own_way(sshd={"Banner": text})
    assert w.ssh("true").err.replace("\r", "") == text.read_text()


@pytest.mark.parametrize("kib", [20, 200], ids=["20k", "200k"])
def test_long_banner_of_upstream_is_cut(gated, tmp_path, kib):
    text = tmp_path / "banner"
    text.write_text("The machine says very much.\n".ljust(64, "-") * (kib * 16))
    w = gated(sshd={"Banner": text})
    r = w.ssh("echo in")
    assert (r.code, r.text) == (0, "in\n"), r.err[-300:]
    shown = r.err.replace("\r", "")
    assert len(shown) >= 16 * 1024 and text.read_text().startswith(shown.rstrip("\n"))
    w.gateway.log.wait(" is longer than 16 KiB and was cut")
    w.gateway.quiet()
    assert w.gateway.log.text().count(" is longer than 16 KiB and was cut") == 1


def test_refusals_leave_nothing_behind(own_way, ring):
    w = own_way()
    c = w.new_client(ring.get("wrong0"))
    for _ in range(5):
        running = [c.spawn("true", stdin=subprocess.DEVNULL) for _ in range(10)]
        assert [p.wait(60) for p in running] == [255] * 10
    w.answers()
    if w.gateway:
        w.gateway.quiet()
