"""A policy larger than the keeper's message to the session is refused before the upstream is dialled."""

import ctypes
import os
import socket

import pytest

from lab.gateway import END_LINE
from lab.procs import needs_access_to
from lab.refusal import one_line, session_id
from lab.wait import wait_for
from lab.way import set_authorized_keys

TEXT = "the options of your key are longer than the gateway supports; ask your administrator"


def permitopen_options(n):
    return ",".join(f'permitopen="h:{i + 1}"' for i in range(n))


@pytest.mark.parametrize("options, why", [
    (permitopen_options(1025), "more than 1024 of permitopen="),
    (",".join(f'permitlisten="{i + 1}"' for i in range(3000)), "more than 1024 of permitlisten="),
], ids=["open", "listen"])
def test_oversized_options_of_key(gated, options, why):
    w = gated()
    set_authorized_keys(w, f"{options} {w.client.key.public}")
    mark, upstream = w.gateway.log.mark(), w.sshd.log.mark()
    r = w.client.ssh("echo in")
    assert r.code == 255 and r.text == "", r
    assert TEXT in one_line(r.err)
    text = w.gateway.log.text(mark)
    refused = [line for line in text.splitlines() if " refused: " in line]
    assert len(refused) == 1 and refused[0].endswith(f"refused: {why}"), text
    assert f"session {session_id(r.err)}: " in refused[0]
    assert "Accepted" not in text and "Connection from" not in w.sshd.log.text(upstream)
    p = w.gateway.sallyport("route", "alice", "--key", w.client.key.path.with_suffix(".pub"), "-c", w.gateway.conf)
    assert p.returncode == 1 and f"may not log in: line 1 of {w.gateway.conf}/alice.pub: {why}" in p.stdout.decode(), p


def test_policy_at_size_limit(gated):
    w = gated()
    set_authorized_keys(w, f"{permitopen_options(1024)} {w.client.key.public}")
    w.answers()


def test_oversized_policy_of_key_and_route_together(gated):
    """Each fits alone, but one message carries both."""
    w = gated(route={"PermitOpen": " ".join(f"{'h' * 12}{i}:22" for i in range(700)),
                     "PermitListen": " ".join(f"{'h' * 12}{i}:22" for i in range(700))})
    set_authorized_keys(w, f"command=\"{'x' * 60000}\" {w.client.key.public}")
    mark = w.gateway.log.mark()
    r = w.client.ssh("echo in")
    assert TEXT in one_line(r.err)
    assert "refused: what the options of the key and the route permit is longer than 68 KiB" in w.gateway.log.text(mark)
    set_authorized_keys(w, w.client.key.public)
    w.answers()


@pytest.mark.parametrize("words, line, why", [
    ({"PermitOpen": " ".join(f"h:{i + 1}" for i in range(1025))}, 8, "PermitOpen: more than 1024 of them"),
    ({"AcceptEnv": " ".join(f"V{i}" for i in range(1025))}, 8, "AcceptEnv: more than 1024 of them"),
    ({key: " ".join(f"{'h' * 20}{i}:22" for i in range(600)) for key in ("PermitOpen", "PermitListen")}
     | {"AcceptEnv": " ".join(f"{'V' * 20}{i}" for i in range(600)), "ForceCommand": "x" * 5000}, 1,
     "[route alice]: PermitOpen, PermitListen, PermitCommands, AcceptEnv, SetEnv and ForceCommand together are "
     "longer than 48 KiB"),
], ids=["open", "env", "all"])
def test_check_reports_oversized_policy(gated, words, line, why):
    w = gated()
    w.gateway.route("alice", w.sshd, [w.client.key], **words)
    p = w.gateway.sallyport("check", "-c", w.gateway.conf)
    assert p.returncode == 78
    assert f"{w.gateway.conf}/10-alice.ini:{line}: {why}\n" in p.stderr.decode(), p.stderr.decode()[-600:]


def keeper_socket(session):
    """The session's end of its socket to the keeper, taken with pidfd_getfd(2), to act as the session."""
    needs_access_to(session)
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(session.pid)
    try:
        for number, where in session.descriptors().items():
            if not where.startswith("socket:"):
                continue
            fd = libc.syscall(438, pidfd, number, 0)
            if fd == -1:
                pytest.skip(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
            s = socket.socket(fileno=fd)
            if s.family == socket.AF_UNIX:
                return s
            s.close()
    finally:
        os.close(pidfd)
    raise AssertionError("it has no socket to the keeper")


def test_end_of_session_that_breaks_protocol_is_logged(gated):
    """A message out of turn ends the session, and the log has its end."""
    w = gated()
    with w.client.spawn("echo in; cat") as p:
        assert p.stdout.readline() == b"in\n"
        session, = w.gateway.sessions()
        mark = w.gateway.log.mark()
        with keeper_socket(session) as s:
            s.send(bytes([250]))
        wait_for("its end in the log", lambda: w.gateway.log.find(END_LINE, mark))
    text = w.gateway.log.text(mark)
    assert text.count("ended: bad message") == 1
    assert text.count(" closed after ") == 1 and "ended by the gateway" in text
