"""Edge has been taken over: it can lie about the clients of load balancers, and nothing else."""

import contextlib
import select
import socket
import struct

import pytest

from lab import net, taken_over
from lab.gateway import sanitized
from lab.syscalls import number
from lab.taken_over import TakenOverEdge
from lab.wait import wait_for
from lab.way import Way

STRANGER = "127.0.0.2"
# Of the first connection of a load balancer (src/master/arrivals.c).
FIRST = 2048
DIED = r"edge has died \((.*?)\): \d+ connections"


def u64(n):
    return bytearray(struct.pack(">Q", n))


def header(number, client, port):
    return u64(number), socket.inet_aton(client), port, socket.inet_aton("192.0.2.1"), 22


@pytest.fixture
def edge(make_gateway, make_sshd, ring, tmp_path, short):
    """A gateway with an edge that obeys; its way is for clients that come directly."""
    g = make_gateway(program=taken_over.program())
    s = make_sshd()
    g.route("alice", s, [ring.get("client")])
    g.write("05-edge.ini", "edge", {"AcceptProxyFrom": "127.0.0.1", "ProxyTimeout": "60s"})
    with TakenOverEdge(g, short) as e:
        g.start()
        e.next()
        e.way = Way("gateway", tmp_path, ring, s, g)
        e.direct = e.way.new_client(BindAddress=STRANGER)
        try:
            yield e
        finally:
            e.way.close()


def logs_in(e):
    assert e.direct.ssh("echo in").text == "in\n"


def test_lie_about_a_client(edge):
    """No header has come, and edge names one: the client is another, who has to prove itself all the same."""
    with net.connect(("127.0.0.1", edge.gateway.port)) as s:
        edge.await_connection()
        edge.send("HEADER", *header(FIRST, "198.51.100.7", 50000))
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        edge.gateway.log.wait(r"Connection from 198\.51\.100\.7 port 50000: invalid format")
    logs_in(edge)


def test_numbers_that_nobody_has(edge):
    """They may have been given up meanwhile, so that edge is no liar for it."""
    for number in (0, 1, FIRST + 1, 2 * FIRST, 2**63, 2**64 - 1):
        edge.send("HEADER", *header(number, "198.51.100.7", 50000))
        edge.send("NO_HEADER", u64(number), bytearray([0]))
        edge.send("KIND", *opening(number, SSH))
    with net.connect(("127.0.0.1", edge.gateway.port)) as s:
        edge.await_connection()
        edge.send("NO_HEADER", u64(FIRST), bytearray([0]))
        # a second word about the same connection
        edge.send("HEADER", *header(FIRST, "198.51.100.7", 50000))
        edge.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: no PROXY header")
        with contextlib.suppress(ConnectionResetError):
            assert not s.recv(8).startswith(b"SSH")
    logs_in(edge)
    assert not edge.gateway.log.find("edge")


SSH, TLS, HTTP = 1, 2, 3  # enum ipc_kind


def opening(number, kind, host=b"", port=0, alpn=b"", pattern=2**32 - 1, credentials=b""):
    return u64(number), bytearray([kind]), host, port, alpn, pattern, credentials


@pytest.fixture
def looking(edge):
    """The same where first bytes are looked at, on a second port."""
    e = edge
    e.other = net.free_port()
    e.target = net.Server(lambda s: s.sendall(b"target" if s.recv(9) else b""))
    e.gateway.options["ListenAddress"] = f"127.0.0.1:{e.gateway.port} 127.0.0.1:{e.other}"
    e.gateway.write_gateway()
    e.gateway.write("06-edge.ini", "edge", {"DetectOn": e.other, "DetectTimeout": "60s"},
                    f"[forward tls]\nProtocol = tls\nTarget = 127.0.0.1:{e.target.port}\n"
                    "[forward name]\nProtocol = http\nTarget = %h:443\nAllowDestinations = *.example.org:443\n")
    e.gateway.hangup()
    yield e
    e.target.close()


def told(edge, sock, *parts):
    """What comes to a client of whom edge says this, as soon as the master has it."""
    def answered():
        edge.send("KIND", *opening(*parts))
        return select.select([sock], [], [], 0.1)[0]

    wait_for("an answer", answered)
    with contextlib.suppress(ConnectionResetError):
        return sock.recv(8)


def test_lie_about_first_bytes(looking):
    """A client of SSH goes where one of TLS would, and one of TLS to a session: no further."""
    with net.connect(("127.0.0.1", looking.other), source=STRANGER) as s:
        s.sendall(b"SSH-2.0-x")
        assert told(looking, s, FIRST, TLS) == b"target"
    with net.connect(("127.0.0.1", looking.other), source=STRANGER) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert told(looking, s, 2 * FIRST, SSH) != b"target"
        looking.gateway.log.wait(r"Connection from 127\.0\.0\.2 port \d+: invalid format")
    # a host that the client has not named, and may not name
    with net.connect(("127.0.0.1", looking.other), source=STRANGER) as s:
        def refused():
            looking.send("KIND", *opening(3 * FIRST, HTTP, b"localhost"))
            return looking.gateway.log.find("AllowDestinations does not permit the host that the client names")

        wait_for("its end", refused)
    logs_in(looking)


GARBAGE = {
    # whose header it has to say first
    "kind of a load balancer's": lambda e: e.send("KIND", *opening(FIRST, SSH)),
    "nothing": lambda e: e.send_bytes(b"\xff"),
    "another's message": lambda e: e.send("LOGGED_IN", u64(1)),
    "its own order": lambda e: e.send("AWAIT_HEADER", u64(FIRST)),
    "cut": lambda e: e.send("HEADER", u64(FIRST), b"abcd"),
    "more": lambda e: e.send("NO_HEADER", u64(FIRST), bytearray([0, 0])),
    "no reason": lambda e: e.send("NO_HEADER", u64(FIRST), bytearray([255])),
    "family": lambda e: e.send("HEADER", u64(FIRST), b"abcde", 1, b"abcde", 1),
    "one address": lambda e: e.send("HEADER", u64(FIRST), b"abcd", 1, b"", 1),
    "port": lambda e: e.send("HEADER", *header(FIRST, "198.51.100.7", 65536)),
    "length": lambda e: e.send_bytes(bytes([taken_over.types()["HEADER"]]) + b"\xff" * 60),
    "too long": lambda e: e.send_bytes(b"\0" * 100000),
    "no kind": lambda e: e.send("KIND", *opening(FIRST, 200)),
    "no host": lambda e: e.send("KIND", *opening(FIRST, TLS, b"a b")),
    "no port": lambda e: e.send("KIND", *opening(FIRST, TLS, port=65536)),
    "kind with more": lambda e: e.send("KIND", *opening(FIRST, TLS), b""),
}


def test_master_survives_what_edge_may_not_send(edge):
    """It is killed and started again, and the connection that waits in it is closed."""
    for name, garbage in GARBAGE.items():
        mark = edge.gateway.log.mark()
        with net.connect(("127.0.0.1", edge.gateway.port)) as s:
            edge.await_connection()
            garbage(edge)
            edge.gateway.log.wait(DIED, mark)
            with contextlib.suppress(ConnectionResetError):
                assert not s.recv(8), name
        edge.next()
    logs_in(edge)


@pytest.mark.skipif(sanitized(), reason="forbidden calls fail there, and do not kill")
@pytest.mark.parametrize("call", ["open", "socket", "send", "pass", "kill", "dup"])
def test_calls_that_it_may_not_make(edge, call):
    args = {
        "open": (number("openat"), -100, 0, 0),
        "socket": (number("socket"), socket.AF_INET, socket.SOCK_STREAM, 0),
        # on a connection of a client
        "send": (number("sendto"), 5, 0, 0, 0, 0, 0),
        "pass": (number("sendmsg"), 3, 0, 0),
        "kill": (number("kill"), 1, 0),
        "dup": (number("dup"), 3),
    }[call]
    edge.call(*args)
    assert "system call not allowed" in edge.gateway.log.wait(DIED)[1]
    edge.next()
    logs_in(edge)
