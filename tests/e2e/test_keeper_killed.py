"""The keeper is killed: the person has one line, and the log one for all sessions, which are not logged any more."""

import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from lab import attack, net, taken_over
from lab.client import echoes, held
from lab.gateway import SALLYPORT
from lab.refusal import one_line, session_id
from lab.wait import wait_for

KILLED = (r"error: the keeper is gone \(killed by signal 9\): ending; of \d+ sessions those that are logged in "
          r"go on, and are not logged any more$")
REQUEST_IDENTITIES = 11  # of an agent
SAYS = "sallyport: the gateway cannot log you in right now; try again later or ask your administrator"


def kill(w):
    (keeper,) = w.gateway.keepers()
    keeper.kill()


def logged(w, counts=(0, 1)):
    """The sessions are over; with the keeper gone the master has the last word about all of them.

    A login that ends with the keeper may have gone before the master counts.
    """
    w.gateway.quiet()
    lines = w.gateway.log.lines()
    (last,) = [line for line in lines if "the keeper is gone" in line]
    assert re.search(KILLED, last) and any(f" of {n} sessions" in last for n in counts), last
    assert not [line for line in lines[lines.index(last) + 1:] if "session" in line], lines


def refused(w, p):
    out, err = p.communicate(timeout=10)
    assert p.returncode == 255 and out == b"", err
    line = one_line(err.decode())
    assert line.startswith(SAYS), line
    assert session_id(line)
    logged(w)


@pytest.fixture
def serve():
    """serve(handle, path=...): one of lab.net's servers."""
    made = []

    def make(handle, **options):
        made.append(net.Server(handle, **options))
        return made[-1]

    yield make
    for s in made:
        s.close()


def test_while_the_machine_is_dialled(gated, serve):
    """It takes the connection and says nothing."""
    came = threading.Event()

    def hold(s):
        came.set()
        net.read_all(s)

    w = gated(route={"Port": serve(hold).port, "ConnectTimeout": "30s"})
    p = w.client.spawn("true")
    assert came.wait(10)
    wait_for("the session to be at it", lambda: w.gateway.sessions("alice"))
    kill(w)
    refused(w, p)


def test_while_the_agent_is_asked(gated, serve, short):
    """The client is in already: the line is on its session's stderr."""
    asked = []
    forwarded = threading.Event()

    def agent(s):
        """It has no key for the client itself, and never answers the gateway."""
        while head := s.recv(4, socket.MSG_WAITALL):
            request = s.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
            if request[0] != REQUEST_IDENTITIES:
                s.sendall(b"\0\0\0\x01\x06")
                continue
            asked.append(request)
            if len(asked) > 1:
                forwarded.set()
                net.read_all(s)
                return
            s.sendall(b"\0\0\0\x05\x0c\0\0\0\0")

    w = gated(route={"key": "agent"})
    serve(agent, path=short / "agent")
    p = w.client.spawn("true", env={"SSH_AUTH_SOCK": str(short / "agent")}, ForwardAgent="yes")
    assert forwarded.wait(10)
    kill(w)
    refused(w, p)


def text_of(m):
    message = attack.Message(m)
    return message.get_text()


def test_while_the_person_types(gated):
    """Between two requests: a banner, which clients show, and a DISCONNECT that does not repeat it."""
    w = gated()
    a = attack.Attacker(w.gateway.port)
    a.service()
    a.ask(*attack.none("alice"))
    kill(w)
    assert a.ends()
    (banner,) = [text_of(m) for _, kind, m in a.messages if kind == attack.USERAUTH_BANNER]
    assert banner.startswith(SAYS) and banner.endswith(")\r\n")
    (reason,) = [m for _, kind, m in a.messages if kind == attack.DISCONNECT]
    assert SAYS.encode() not in reason and f"session {session_id(banner)}".encode() in reason
    logged(w)


def test_before_the_first_request(gated):
    """No banner may be sent yet."""
    w = gated()
    a = attack.Attacker(w.gateway.port)
    kill(w)
    assert a.ends()
    assert attack.USERAUTH_BANNER not in a.received
    (reason,) = [m for _, kind, m in a.messages if kind == attack.DISCONNECT]
    assert SAYS.encode() in reason
    assert session_id(reason.decode("latin1"))
    logged(w)


def test_before_the_keys_are_exchanged(gated):
    w = gated()
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"SSH-2.0-slow\r\n")
        heard = s.recv(65536)
        kill(w)
        heard += net.read_all(s)
    assert SAYS.encode() in heard
    assert session_id(heard.decode("latin1"))
    logged(w)


def test_running_session_goes_on(gated):
    """It needs a keeper at rekeys alone."""
    w = gated()
    p = held(w.client)
    kill(w)
    w.gateway.log.wait(KILLED)
    out, err = p.communicate(b"still here", timeout=10)
    assert (p.returncode, out, err) == (0, b"still here", b"")
    logged(w, counts=(1,))


# The gateway: systemd is to start another at once, by the unit's Restart=on-failure.

def ended(gateway):
    """The master has ended at once (its only other way out of poll(2) is none), with a status that is no
    success and no wrong configuration, and left nothing behind."""
    assert gateway.process.wait(5) == 1
    assert gateway.log.find(KILLED)
    assert not (gateway.dir / "run" / "control").exists()
    with pytest.raises(ConnectionRefusedError):
        net.connect(("127.0.0.1", gateway.port)).close()


def test_another_gateway_takes_its_place_while_sessions_of_the_old_go_on(gated):
    w = gated()
    assert (w.gateway.dir / "run" / "control").exists()
    running = held(w.client)
    kill(w)
    ended(w.gateway)
    w.gateway.start()
    w.answers()
    assert w.gateway.sallyport("reload", "-c", w.gateway.conf).returncode == 0
    echoes(running, b"still here\n")
    running.communicate(timeout=10)


@pytest.mark.parametrize("other", ["a session", "an errand"])
def test_whoever_else_is_there_does_not_keep_the_master(other, gated, serve):
    """The keeper's socket to the master is in no other process."""
    came = threading.Event()

    def hold(s):
        came.set()
        net.read_all(s)

    w = gated(route={"Port": serve(hold).port, "ConnectTimeout": "30s"} if other == "an errand" else {})
    p = w.client.spawn("echo up; cat")
    if other == "an errand":
        assert came.wait(10)
    else:
        assert p.stdout.readline() == b"up\n"
    kill(w)
    ended(w.gateway)
    p.kill()
    p.communicate()


def test_a_keeper_that_is_stopped_and_killed_while_it_loads_anew(gated):
    """A reload waits for its answer, and ends without one."""
    w = gated()
    (keeper,) = w.gateway.keepers()
    keeper.kill(signal.SIGSTOP)
    with subprocess.Popen([SALLYPORT, "reload", "-c", str(w.gateway.conf)], stderr=subprocess.PIPE) as reload:
        w.gateway.log.wait("control: reload")
        keeper.kill()
        ended(w.gateway)
        assert reload.wait(10) != 0
        assert b"sallyport" in reload.stderr.read()


def test_before_it_is_ready(make_gateway, make_sshd, ring, short):
    """The attack build's keeper waits for orders where it would say that it is ready."""
    g = make_gateway(program=taken_over.program())
    g.route("alice", make_sshd(), [ring.get("client")])
    with taken_over.TakenOverKeeper(g, short) as k:
        os.kill(k.pid, signal.SIGKILL)
        assert g.process.wait(5) == 1
    assert g.log.find(KILLED)


def test_a_keeper_that_crashes_is_said_to(make_gateway, make_sshd, ring, short):
    g = make_gateway(program=taken_over.program())
    g.route("alice", make_sshd(), [ring.get("client")])
    with taken_over.TakenOverKeeper(g, short) as k:
        k.crash()
        assert g.process.wait(10) == 1
    assert g.log.find(r"the keeper is gone \(killed by signal 4\): ending")
