"""Targets of [forward] sections, as the errand dials them: several, Unix sockets, SendProxy, AllowDestinations."""

import contextlib
import os
import socket

import pytest

from lab import net
from lab.forwarder import Forwarder
from lab.wait import PATIENCE

V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n"
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") +
      (50000).to_bytes(2, "big") + (443).to_bytes(2, "big"))


@pytest.fixture
def forwarder(tmp_path):
    with Forwarder(tmp_path) as f:
        yield f


@pytest.fixture
def server():
    with contextlib.closing(net.Server(net.echo)) as s:
        yield s


@pytest.fixture
def unix_server(short):
    with contextlib.closing(net.Server(net.echo, short / "s")) as s:
        yield s


def refusing():
    """A port at which nobody listens, as long as the socket is open."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s


def echoes(client, before=b""):
    with client:
        assert net.exchange_on(client, b"to and fro") == before + b"to and fro"


def fails(forwarder, client, why):
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    forwarder.ended()
    return forwarder.log.wait(r"Forward web: no connection for 192\.0\.2\.7 port 50000: " + why)


def test_address_and_name(forwarder, server):
    echoes(forwarder.forward_really(f"127.0.0.1:{server.port}"))
    echoes(forwarder.forward_really(f"localhost:{server.port}"))


@pytest.mark.skipif(not net.has_ipv6(), reason="no IPv6")
def test_ipv6_address(forwarder):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        with forwarder.forward_really(f"[::1]:{port}") as client, listening.accept()[0] as other:
            client.sendall(b"six")
            assert other.recv(3) == b"six"
    forwarder.ended()
    forwarder.log.wait(f"Forwarded web: .* to ::1 port {port}: 3 bytes in")


def test_unix_socket(forwarder, unix_server):
    echoes(forwarder.forward_really(f"unix:{unix_server.address}"))
    forwarder.ended()
    forwarder.log.wait(rf"Forwarded web: .* to unix:{unix_server.address}: 10 bytes in, 10 out, ")


def test_next_target_is_tried(forwarder, server, short):
    with refusing() as s:
        port = s.getsockname()[1]
        echoes(forwarder.forward_really(f"unix:{short}/none", f"127.0.0.1:{port}", f"127.0.0.1:{server.port}"))
    forwarder.log.wait(rf"Forward web: 127\.0\.0\.1:{server.port} is used instead of another address: "
                       rf"unix:{short}/none: No such file or directory; "
                       rf"127\.0\.0\.1 port {port}: Connection refused$")


def test_target_that_does_not_answer_leaves_time_for_the_next(forwarder, server):
    hole = net.BlackHole("127.0.0.1", net.free_port())
    with contextlib.closing(hole):
        echoes(forwarder.forward_really(f"127.0.0.1:{hole.port}", f"127.0.0.1:{server.port}", timeout=20))
    forwarder.log.wait(f"port {hole.port}: Connection timed out$")


def test_connect_timeout(forwarder, short):
    """Of a Unix socket, too, whose server does not accept."""
    hole = net.BlackHole("127.0.0.1", net.free_port())
    with contextlib.closing(hole), socket.socket(socket.AF_UNIX) as listening, contextlib.ExitStack() as stack:
        listening.bind(str(short / "s"))
        listening.listen(0)
        stack.enter_context(net.connect(str(short / "s")))
        fails(forwarder, forwarder.forward_really(f"127.0.0.1:{hole.port}", f"unix:{short}/s", timeout=2),
              rf"127\.0\.0\.1 port {hole.port}: Connection timed out; "
              rf"unix:{short}/s: the server does not accept: timed out$")


def test_unix_socket_without_permission(forwarder, unix_server):
    os.chmod(unix_server.address, 0)
    fails(forwarder, forwarder.forward_really(f"unix:{unix_server.address}"),
          rf"unix:{unix_server.address}: Permission denied: the user of RunNetworkAs has to be able to write to "
          r"this socket, and to enter its directory$")


@pytest.mark.parametrize("version, header", [(1, V1), (2, V2)])
def test_send_proxy(forwarder, server, unix_server, version, header):
    echoes(forwarder.forward_really(f"127.0.0.1:{server.port}", send_proxy=version), header)
    echoes(forwarder.forward_really(f"unix:{unix_server.address}", send_proxy=version), header)
    # it is the gateway's own, and not the client's
    forwarder.ended()
    forwarder.log.wait(rf": 10 bytes in, {10 + len(header)} out")


def test_allow_destinations(forwarder, server):
    """The address decides, whatever name has led to it; and SendProxy goes with it."""
    permitted = [f"localhost:{server.port}", f"127.0.0.0/8:{server.port}"]
    echoes(forwarder.forward_really(f"localhost:{server.port}", send_proxy=1, destinations=permitted), V1)
    fails(forwarder, forwarder.forward_really(f"localhost:{server.port}", destinations=[f"localhost:{server.port}"]),
          r"localhost \(.*\) port \d+: AllowDestinations does not permit this address")


def test_client_that_leaves_ends_the_errand(forwarder):
    hole = net.BlackHole("127.0.0.1", net.free_port())
    with contextlib.closing(hole):
        client = forwarder.forward_really(f"127.0.0.1:{hole.port}", timeout=10 * PATIENCE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        forwarder.ended()
        # waits for it
        os.waitpid(forwarder.errands.pop(), 0)
