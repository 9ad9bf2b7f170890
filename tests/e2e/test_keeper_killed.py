"""When the keeper is killed, each client that is logging in gets one line, and the log gets one line for all
sessions.
"""

import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from lab import attack, net, taken_over
from lab.client import echoes, open_session
from lab.gateway import SALLYPORT
from lab.refusal import one_line, session_id
from lab.wait import PATIENCE, wait_for

KILLED = (r"error: the keeper has died \(killed by signal 9\): exiting; of \d+ sessions, those that are logged in "
          r"continue, but are not logged any more$")
REQUEST_IDENTITIES = 11  # a request of the agent protocol
SAYS = "sallyport: the gateway cannot log you in right now; try again later or ask your administrator"


def kill_keeper(w):
    (keeper,) = w.gateway.keepers()
    keeper.kill()


def assert_log_after_kill(w, counts=(0, 1)):
    """The sessions are over, and the master has logged the end of the keeper.

    A session that ends with the keeper may be gone before the master counts.
    """
    w.gateway.log.wait("the keeper has died")
    w.gateway.quiet()
    lines = w.gateway.log.lines()
    (last,) = [line for line in lines if "the keeper has died" in line]
    assert re.search(KILLED, last) and any(f" of {n} sessions" in last for n in counts), last
    assert not [line for line in lines[lines.index(last) + 1:] if "session" in line], lines


def assert_client_told(w, p):
    out, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 255 and out == b"", err
    line = one_line(err.decode())
    assert line.startswith(SAYS), line
    assert session_id(line)
    assert_log_after_kill(w)


@pytest.fixture
def serve():
    """serve(handle, path=...): a lab.net.Server."""
    made = []

    def make(handle, **options):
        made.append(net.Server(handle, **options))
        return made[-1]

    yield make
    for s in made:
        s.close()


def test_keeper_killed_while_upstream_is_dialled(gated, serve):
    """The upstream accepts the connection and says nothing."""
    came = threading.Event()

    def hold(s):
        came.set()
        net.read_all(s)

    w = gated(route={"Port": serve(hold).port, "ConnectTimeout": "300s"})
    p = w.client.spawn("true")
    assert came.wait(PATIENCE)
    wait_for("the session to be at it", lambda: w.gateway.sessions("alice"))
    kill_keeper(w)
    assert_client_told(w, p)


def test_keeper_killed_while_agent_is_asked(gated, serve, short):
    """The client is logged in already: the line is on the stderr of its session."""
    asked = []
    forwarded = threading.Event()

    def agent(s):
        """An agent with no key for the client itself, which never answers the gateway."""
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
    assert forwarded.wait(PATIENCE)
    kill_keeper(w)
    assert_client_told(w, p)


def text_of(m):
    message = attack.Message(m)
    return message.get_text()


@pytest.mark.parametrize("version, shows_banners", [
    (None, False), ("SSH-2.0-PuTTY_Release_0.78", False), ("SSH-2.0-OpenSSH_9.2p1 Debian-2", True),
    ("SSH-2.0-OpenSSH_for_Windows_9.5", True), ("SSH-2.0-dropbear_2022.83", True),
])
def test_keeper_killed_while_user_types_password(gated, version, shows_banners):
    """Between two requests the client gets a banner and a DISCONNECT, which repeats it for a client that is
    not known to show banners.
    """
    w = gated()
    a = attack.Attacker(w.gateway.port, version=version)
    a.service()
    a.ask(*attack.none("alice"))
    kill_keeper(w)
    assert a.ends()
    (banner,) = [text_of(m) for _, kind, m in a.messages if kind == attack.USERAUTH_BANNER]
    assert banner.startswith(SAYS) and banner.endswith(")\r\n")
    (reason,) = [m for _, kind, m in a.messages if kind == attack.DISCONNECT]
    assert (SAYS.encode() in reason) != shows_banners and f"session {session_id(banner)}".encode() in reason
    assert_log_after_kill(w)


def test_keeper_killed_before_first_request(gated):
    """Before the first request no banner may be sent."""
    w = gated()
    a = attack.Attacker(w.gateway.port)
    kill_keeper(w)
    assert a.ends()
    assert attack.USERAUTH_BANNER not in a.received
    (reason,) = [m for _, kind, m in a.messages if kind == attack.DISCONNECT]
    assert SAYS.encode() in reason
    assert session_id(reason.decode("latin1"))
    assert_log_after_kill(w)


def test_keeper_killed_before_key_exchange(gated):
    w = gated()
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"SSH-2.0-slow\r\n")
        heard = s.recv(65536)
        kill_keeper(w)
        heard += net.read_all(s)
    assert SAYS.encode() in heard
    assert session_id(heard.decode("latin1"))
    assert_log_after_kill(w)


def test_running_session_survives_keeper(gated):
    """A session needs the keeper for rekeying alone."""
    w = gated()
    p = open_session(w.client)
    kill_keeper(w)
    w.gateway.log.wait(KILLED)
    out, err = p.communicate(b"still here", timeout=PATIENCE)
    assert (p.returncode, out, err) == (0, b"still here", b"")
    assert_log_after_kill(w, counts=(1,))


# The gateway ends: systemd starts another at once, by Restart=on-failure of the unit.

def assert_gateway_ended(gateway):
    """The master has ended at once, with a status that is neither success nor a configuration error, and has
    left no process behind.
    """
    assert gateway.process.wait(PATIENCE) == 1
    gateway.log.wait(KILLED)
    assert not (gateway.dir / "run" / "control").exists()
    with pytest.raises(ConnectionRefusedError):
        net.connect(("127.0.0.1", gateway.port)).close()


def test_new_gateway_starts_beside_sessions_of_old_one(gated):
    w = gated()
    assert (w.gateway.dir / "run" / "control").exists()
    running = open_session(w.client)
    kill_keeper(w)
    assert_gateway_ended(w.gateway)
    w.gateway.start()
    w.answers()
    assert w.gateway.sallyport("reload", "-c", w.gateway.conf).returncode == 0
    echoes(running, b"still here\n")
    running.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("other", ["a session", "an errand"])
def test_other_processes_do_not_hold_keeper_socket_open(other, gated, serve):
    """No other process has a copy of the keeper's socket to the master."""
    came = threading.Event()

    def hold(s):
        came.set()
        net.read_all(s)

    w = gated(route={"Port": serve(hold).port, "ConnectTimeout": "300s"} if other == "an errand" else {})
    p = w.client.spawn("echo up; cat")
    if other == "an errand":
        assert came.wait(PATIENCE)
    else:
        assert p.stdout.readline() == b"up\n"
    kill_keeper(w)
    assert_gateway_ended(w.gateway)
    p.kill()
    p.communicate()


def test_keeper_killed_during_reload(gated):
    """A reload waits for the keeper's answer, and ends without one."""
    w = gated()
    (keeper,) = w.gateway.keepers()
    keeper.kill(signal.SIGSTOP)
    with subprocess.Popen([SALLYPORT, "reload", "-c", str(w.gateway.conf)], stderr=subprocess.PIPE) as reload:
        w.gateway.log.wait("control: reload")
        keeper.kill()
        assert_gateway_ended(w.gateway)
        assert reload.wait(PATIENCE) != 0
        assert b"sallyport" in reload.stderr.read()


def test_keeper_killed_before_it_is_ready(make_gateway, make_sshd, ring, short):
    """The keeper of the attack build waits for commands where it would report that it is ready."""
    g = make_gateway(program=taken_over.program())
    g.route("alice", make_sshd(), [ring.get("client")])
    with taken_over.TakenOverKeeper(g, short) as k:
        os.kill(k.pid, signal.SIGKILL)
        assert g.process.wait(PATIENCE) == 1
    g.log.wait(KILLED)


def test_log_reports_crashed_keeper(make_gateway, make_sshd, ring, short):
    g = make_gateway(program=taken_over.program())
    g.route("alice", make_sshd(), [ring.get("client")])
    with taken_over.TakenOverKeeper(g, short) as k:
        k.crash()
        assert g.process.wait(PATIENCE) == 1
    g.log.wait(r"the keeper has died \(killed by signal 4\): exiting")
