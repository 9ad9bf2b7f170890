"""The keeper is killed in the middle of a login: the person and the log have one line each."""

import re
import socket
import threading

import pytest

from lab import attack, net
from lab.gateway import END_LINE
from lab.refusal import one_line, session_id
from lab.wait import wait_for

REQUEST_IDENTITIES = 11  # of an agent
SAYS = "sallyport: the gateway cannot log you in right now; try again later or ask your administrator"


def kill(w):
    (keeper,) = w.gateway.keepers()
    keeper.kill()


def logged(w, sid):
    """The session is over, and one line of the log is about it."""
    w.gateway.quiet()
    lines = [line for line in w.gateway.log.lines() if f"session {sid}" in line]
    assert len(lines) == 1 and lines[0].endswith(" was not let in: the keeper has hung up"), lines
    assert w.gateway.log.find(r"the keeper is gone \(closed by the other side\): ending")


def refused(w, p):
    out, err = p.communicate(timeout=10)
    assert p.returncode == 255 and out == b"", err
    line = one_line(err.decode())
    assert line.startswith(SAYS), line
    logged(w, session_id(line))


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
    logged(w, session_id(banner))


def test_before_the_first_request(gated):
    """No banner may be sent yet."""
    w = gated()
    a = attack.Attacker(w.gateway.port)
    kill(w)
    assert a.ends()
    assert attack.USERAUTH_BANNER not in a.received
    (reason,) = [m for _, kind, m in a.messages if kind == attack.DISCONNECT]
    assert SAYS.encode() in reason
    logged(w, session_id(reason.decode("latin1")))


def test_before_the_keys_are_exchanged(gated):
    w = gated()
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"SSH-2.0-slow\r\n")
        heard = s.recv(65536)
        kill(w)
        heard += net.read_all(s)
    assert SAYS.encode() in heard
    logged(w, session_id(heard.decode("latin1")))


def test_running_session_goes_on(gated):
    """It needs a keeper at rekeys alone; its end is in the log, with its bytes."""
    w = gated()
    p = w.client.spawn("echo up; cat")
    assert p.stdout.readline() == b"up\n"
    kill(w)
    w.gateway.log.wait(r"the keeper is gone .*: ending")
    out, err = p.communicate(b"still here", timeout=10)
    assert (p.returncode, out, err) == (0, b"still here", b"")
    w.gateway.quiet()
    (line,) = [line for line in w.gateway.log.lines() if re.search(END_LINE, line)]
    assert re.search(r"session [0-9a-f]+: 127\.0\.0\.1 closed, without a keeper: ", line), line
