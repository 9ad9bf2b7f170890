"""Restrict = yes forbids all that PermitCommands leaves open (SECURITY.md, finding 20)."""

import pytest

from lab import net
from lab.allowed import (
    agent, listens, listens_on_socket, opens, pty, reaches_socket, socks, x11, x11_sshd_options,
)


@pytest.fixture
def restricted_way(gated, tmp_path):
    return lambda **words: gated(sshd=x11_sshd_options(tmp_path), route=words)


def test_restrict_forbids_forwards_agent_x11_and_terminal(restricted_way, echo, short, tmp_path):
    w = restricted_way(Restrict="yes")
    assert w.ssh("echo in; exit 3").outcome[:2] == (3, b"in\n")
    w.client.sftp("pwd")
    assert not opens(w, echo.port)  # -W, and so -L
    assert not socks(w, echo.port)  # -D
    assert not listens(w, net.free_port())  # -R
    assert not reaches_socket(w, short)
    assert not listens_on_socket(w, short)
    assert not agent(w, tmp_path)
    assert not x11(w)
    assert not pty(w)
    assert echo.accepted == 0


def test_permit_commands_alone_forbids_no_forwards(restricted_way, echo, short, tmp_path):
    """So Restrict is needed besides: each forward works without it."""
    w = restricted_way(PermitCommands="sftp exec")
    assert opens(w, echo.port) and socks(w, echo.port) and listens(w, net.free_port())
    assert reaches_socket(w, short) and listens_on_socket(w, short)
    assert agent(w, tmp_path) and x11(w) and pty(w)


def test_restrict_to_sftp(restricted_way, echo, short):
    w = restricted_way(PermitCommands="sftp", Restrict="yes")
    w.client.sftp("pwd")
    assert w.ssh("id").outcome[:2] == (255, b"")
    assert not opens(w, echo.port) and not reaches_socket(w, short)


@pytest.mark.parametrize("word, found", [
    ("PermitTTY", lambda w, echo, short, tmp: pty(w)),
    ("AllowTcpForwarding", lambda w, echo, short, tmp: opens(w, echo.port)),
    ("AllowAgentForwarding", lambda w, echo, short, tmp: agent(w, tmp)),
    ("X11Forwarding", lambda w, echo, short, tmp: x11(w)),
])
def test_one_exception_from_restrict(restricted_way, echo, short, tmp_path, word, found):
    w = restricted_way(Restrict="yes", **{word: "yes"})
    assert found(w, echo, short, tmp_path)
    assert pty(w) == (word == "PermitTTY")
    assert opens(w, echo.port) == (word == "AllowTcpForwarding")
    assert not reaches_socket(w, short)


def test_unix_sockets_with_restrict_need_two_exceptions(restricted_way, short):
    w = restricted_way(Restrict="yes", AllowTcpForwarding="yes", AllowStreamLocalForwarding="yes")
    assert reaches_socket(w, short) and listens_on_socket(w, short)
