"""Forwards of Unix sockets, in both directions, and of the agent."""

import pytest

from lab import net, procs
from lab.agent import start_agent

DATA = bytes(range(256)) * 20_000


@pytest.fixture
def echo(short):
    s = net.Server(net.echo, short / "echo")
    yield s
    s.close()


def test_local_socket_to_remote_socket(way, short, echo):
    here = str(short / "here")
    way.client.forward("-L", f"{here}:{echo.address}", ready=[here])
    assert net.exchange(here, DATA) == DATA


def test_local_port_to_remote_socket(way, echo):
    port = net.free_port()
    way.client.forward("-L", f"127.0.0.1:{port}:{echo.address}", ready=[("127.0.0.1", port)])
    assert net.exchange(("127.0.0.1", port), DATA) == DATA


def test_remote_socket_to_local_socket(way, short, echo):
    there = str(short / "there")
    way.client.forward("-R", f"{there}:{echo.address}", ready=[there])
    assert net.exchange(there, DATA) == DATA


def test_existing_remote_socket_is_replaced_with_stream_local_bind_unlink(own_way, short, echo):
    w = own_way(sshd={"StreamLocalBindUnlink": "yes"})
    there = str(short / "there")
    for _ in range(2):  # sshd leaves the socket behind
        p = w.client.forward("-R", f"{there}:{echo.address}", ready=[there])
        assert net.exchange(there, b"again") == b"again"
        procs.end(p)
        w.sshd.quiet()


def test_existing_remote_socket_is_refused(way, short, echo):
    r = way.ssh("-R", f"{echo.address}:{short}/x", "echo not reached", ExitOnForwardFailure="yes")
    assert r.code == 255 and "remote port forwarding failed" in r.err


def test_upstream_that_forbids_socket_forwarding(own_way, short, echo):
    w = own_way(sshd={"AllowStreamLocalForwarding": "no"})
    here = str(short / "here")
    w.client.forward("-L", f"{here}:{echo.address}", ready=[here])
    with net.connect(here) as s:
        assert s.recv(1) == b""
    assert echo.accepted == 0


# The agent.


def start_forwarded_agent(way, short, ring):
    return start_agent(way.client, short / "agent", ring.get("agent"), ring.get("agent", "rsa3072"))


@pytest.fixture
def agent(way, short, ring):
    return start_forwarded_agent(way, short, ring)


def test_agent_forwarding(way, agent, ring):
    r = way.ssh("-A", "ssh-add -l; echo $SSH_AUTH_SOCK", env=agent)
    assert ring.get("agent").fingerprint in r.text
    assert ring.get("agent", "rsa3072").fingerprint in r.text
    assert str(way.dir) not in r.text and "/agent" in r.text


def test_agent_is_not_forwarded_unless_asked(way, agent):
    r = way.ssh("ssh-add -l; echo [$SSH_AUTH_SOCK]", env=agent)
    assert "[]" in r.text


def test_login_to_third_host_with_forwarded_agent(way, agent, make_sshd, ring, tmp_path):
    third = make_sshd(env={"MACHINE": "third"})
    third.authorize(ring.get("agent", "rsa3072").public)
    known = tmp_path / "known"
    known.write_text(third.known_hosts())
    r = way.ssh(
        "-A",
        f"ssh -F none -p {third.port} -o BatchMode=yes -o UserKnownHostsFile={known}"
        " -o GlobalKnownHostsFile=/dev/null 127.0.0.1 'echo $MACHINE'",
        env=agent,
    )
    assert r.text == "third\n", r


def test_many_agent_channels_at_once(way, agent):
    """warpgate #1459: three channels at once stalled."""
    command = "for i in 1 2 3 4 5 6 7 8; do ssh-add -l & done; wait"
    r = way.ssh("-A", command, env=agent)
    assert len(r.text.splitlines()) == 16, r


def test_agent_forwarding_refused_by_upstream(own_way, short, ring):
    w = own_way(sshd={"AllowAgentForwarding": "no"})
    r = w.ssh("-A", "echo [$SSH_AUTH_SOCK]", env=start_forwarded_agent(w, short, ring))
    assert r.text == "[]\n"
