"""Edge has been taken over: it can lie about the clients of load balancers, and nothing else."""

import contextlib
import socket
import struct

import pytest

from lab import net, taken_over
from lab.gateway import sanitized
from lab.syscalls import number
from lab.taken_over import TakenOverEdge
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


GARBAGE = {
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
