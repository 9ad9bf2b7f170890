"""Targets of [forward] sections, as errands and the dialler dial them: several, Unix sockets, SendProxy."""

import contextlib
import os
import socket

import pytest

from lab import net
from lab.wait import wait_for

DATA = b"to and fro"


@pytest.fixture
def server():
    with contextlib.closing(net.Server(net.echo)) as s:
        yield s


@pytest.fixture
def unix_server(short):
    with contextlib.closing(net.Server(net.echo, short / "s")) as s:
        yield s


@pytest.fixture
def forwarding(gated):
    """forwarding(target, ..., key=value): a gateway that sends all that is no SSH there."""
    def make(*targets, **words):
        g = gated().gateway
        words = {"Protocol": "any", "Target": " ".join(targets), **words}
        g.write("05-edge.ini", "edge", {"DetectTimeout": "60s"},
                "[forward all]\n" + "".join(f"{k} = {v}\n" for k, v in words.items()))
        g.hangup()
        return g

    return make


def echoes(gateway, before=lambda sock: b""):
    """What is sent comes back, behind what before() says of the client's socket."""
    with net.connect(("127.0.0.1", gateway.port)) as s:
        expected = before(s) + DATA
        assert net.exchange_on(s, DATA) == expected


def fails(gateway, why):
    with net.connect(("127.0.0.1", gateway.port)) as s:
        s.sendall(DATA)
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(1) == b""
    gateway.log.wait(r"Forward all: no connection for 127\.0\.0\.1 port \d+: " + why)


def diallers(gateway):
    return [p for p in gateway.processes() if p.title() == "sallyport: dialler"]


def test_addresses_are_dialled_by_one_process(forwarding, server):
    """Names take an errand each, to look them up."""
    g = forwarding(f"localhost:{server.port}")
    echoes(g)
    assert not diallers(g)
    g = forwarding(f"127.0.0.1:{server.port}")
    for _ in range(3):
        echoes(g)
    assert len(diallers(g)) == 1


def test_dialler_that_dies_is_started_again(forwarding, server):
    g = forwarding(f"127.0.0.1:{server.port}")
    echoes(g)
    (old,) = diallers(g)
    old.kill()
    wait_for("its end", lambda: not old.alive())
    echoes(g)
    g.log.wait("the dialler has died")

    def another():
        echoes(g)
        return diallers(g)

    assert wait_for("another one", another) != [old]


@pytest.mark.skipif(not net.has_ipv6(), reason="no IPv6")
def test_ipv6_address(forwarding):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        g = forwarding(f"[::1]:{port}")
        with net.connect(("127.0.0.1", g.port)) as client:
            client.sendall(DATA)
            with listening.accept()[0] as other:
                assert other.recv(len(DATA)) == DATA
    g.log.wait(f"Forwarded all: .* to ::1 port {port}: 10 bytes in")


def test_unix_socket(forwarding, unix_server):
    g = forwarding(f"unix:{unix_server.address}")
    echoes(g)
    g.log.wait(rf"Forwarded all: .* to unix:{unix_server.address}: 10 bytes in, 10 out, ")


@pytest.fixture(params=["127.0.0.1", "localhost"])
def host(request):
    """Of which the first is dialled by the dialler, the second by an errand."""
    return request.param


@pytest.fixture
def nobody():
    """A port at which nobody listens, as long as the socket is open."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield s.getsockname()[1]


def test_next_target_is_tried(forwarding, server, short, host, nobody):
    g = forwarding(f"unix:{short}/none", f"127.0.0.1:{nobody}", f"{host}:{server.port}")
    echoes(g)
    g.log.wait(rf"Forward all: {host}:{server.port} is used instead of another address: "
               rf"unix:{short}/none: No such file or directory; 127\.0\.0\.1 port {nobody}: Connection refused")


def test_target_that_does_not_answer_leaves_time_for_the_next(forwarding, server):
    hole = net.BlackHole("127.0.0.1", net.free_port())
    with contextlib.closing(hole):
        g = forwarding(f"127.0.0.1:{hole.port}", f"127.0.0.1:{server.port}", ConnectTimeout="16s")
        echoes(g)
    g.log.wait(f"port {hole.port}: Connection timed out$")


def test_connect_timeout(forwarding, short, host):
    """Of a Unix socket, too, whose server does not accept."""
    hole = net.BlackHole("127.0.0.1", net.free_port())
    with contextlib.closing(hole), socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short / "s"))
        listening.listen(0)
        with net.connect(str(short / "s")):
            fails(forwarding(f"unix:{short}/s", f"{host}:{hole.port}", ConnectTimeout="2s"),
                  rf"unix:{short}/s: the server does not accept: timed out; {host}.* port {hole.port}: ")


def test_unix_socket_without_permission(forwarding, unix_server, host, nobody):
    os.chmod(unix_server.address, 0)
    fails(forwarding(f"unix:{unix_server.address}", f"{host}:{nobody}"),
          rf"unix:{unix_server.address}: Permission denied: the user of RunNetworkAs has to be able to write to "
          rf"this socket, and to enter its directory; {host}.* port {nobody}: Connection refused")


def header(version):
    """header(sock): the PROXY header of this version about the connection of a client's socket."""
    def of(sock):
        (client, client_port), (local, local_port) = sock.getsockname(), sock.getpeername()
        if version == "v1":
            return f"PROXY TCP4 {client} {local} {client_port} {local_port}\r\n".encode()
        return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton(client) + socket.inet_aton(local) +
                client_port.to_bytes(2, "big") + local_port.to_bytes(2, "big"))
    return of


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_send_proxy(forwarding, server, host, version):
    echoes(forwarding(f"{host}:{server.port}", SendProxy=version), header(version))


def test_send_proxy_to_a_unix_socket(forwarding, unix_server):
    echoes(forwarding(f"unix:{unix_server.address}", SendProxy="v1"), header("v1"))


def test_client_that_leaves_ends_the_errand(forwarding):
    hole = net.BlackHole("127.0.0.1", net.free_port())
    with contextlib.closing(hole):
        g = forwarding(f"localhost:{hole.port}", ConnectTimeout="5m")
        with net.connect(("127.0.0.1", g.port)) as client:
            client.sendall(DATA)
            wait_for("the errand", lambda: g.role("errand"))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        g.log.wait("no connection for .*: the client has reset the connection$")
        wait_for("its end", lambda: not g.role("errand"))
