"""The forwarder carries bytes between two sockets, with the test as its master and its errands."""

import contextlib
import os
import random
import signal
import socket
import struct
import threading

import pytest

from lab import net, procs
from lab.forwarder import FORMAT_JSON, Forwarder, answer_dialled, answer_failed
from lab.gateway import sanitized
from lab.wait import wait_for

RESET = struct.pack("ii", 1, 0)
END = r"^sallyport\[\d+\]: Forwarded web: 192\.0\.2\.7 port 50000 to "


def reset(sock):
    """Close it so that the peer gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


@pytest.fixture
def forwarder(tmp_path):
    with Forwarder(tmp_path) as f:
        yield f


@pytest.fixture
def target(forwarder):
    """accept(): the target's end of the next connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        forwarder.target = listening.getsockname()

        def accept():
            sock, _ = listening.accept()
            sock.settimeout(60)
            return sock
        yield accept


def test_bytes_and_line_of_the_log(forwarder, target):
    with forwarder.forward(host="www.example.org") as client, target() as other:
        client.sendall(b"question")
        assert other.recv(100) == b"question"
        other.sendall(b"an answer")
        assert client.recv(100) == b"an answer"
        client.close()
        assert other.recv(100) == b""
    assert forwarder.ended() == 1
    port = forwarder.target[1]
    forwarder.log.wait(END + rf"127\.0\.0\.1 port {port} \(www\.example\.org\): 8 bytes in, 9 out, \d+\.\d s$")


def test_either_side_ends_first(forwarder, target):
    """What one side has ended, the other may go on answering."""
    for swapped in (False, True):
        with forwarder.forward() as client, target() as other:
            first, second = (other, client) if swapped else (client, other)
            first.sendall(b"one")
            first.shutdown(socket.SHUT_WR)
            assert net.read_all(second) == b"one"
            second.sendall(b"two")
            assert first.recv(3) == b"two"
            second.sendall(b"three")
            second.shutdown(socket.SHUT_WR)
            assert net.read_all(first) == b"three"
        forwarder.ended()


def test_100_megabytes_each_way(forwarder, target):
    data = random.Random(1).randbytes(1 << 20) * 100
    with forwarder.forward() as client, target() as other:
        got = []
        thread = threading.Thread(target=lambda: got.append(net.exchange_on(other, data)), daemon=True)
        thread.start()
        assert net.sha256(net.exchange_on(client, data)) == net.sha256(data)
        thread.join(60)
    assert net.sha256(got[0]) == net.sha256(data)
    forwarder.ended()
    forwarder.log.wait(f": {len(data)} bytes in, {len(data)} out, ")


def test_unix_socket_as_target(forwarder, short):
    server = net.Server(net.digest, short / "s")
    data = os.urandom(3_000_000)
    with forwarder.forward(server.address) as client:
        assert net.exchange_on(client, data) == net.sha256(data)
    forwarder.ended()
    forwarder.log.wait(END + rf"unix:{server.address}: 3000000 bytes in, 64 out")
    server.close()


@pytest.mark.parametrize("side", ["client", "target"])
def test_reset_reaches_the_other_side(forwarder, target, side):
    """Otherwise what was cut in the middle looks complete."""
    client = forwarder.forward()
    other = target()
    broken, left = (client, other) if side == "client" else (other, client)
    with left:
        broken.sendall(b"x")
        assert left.recv(1) == b"x"
        reset(broken)
        with pytest.raises(ConnectionResetError):
            left.recv(1)
    forwarder.ended()
    forwarder.log.wait(f"; the {side} has reset the connection$")


def test_side_that_breaks_off_while_the_other_does_not_read(forwarder, target):
    """The pipe is full then, so that nothing is read any more."""
    with forwarder.forward() as client:
        other = target()
        sent = fill(client)
        assert sent > 0
        reset(client)
        forwarder.ended()
        forwarder.log.wait("; the client has reset the connection$")
        other.close()


def passes(client, other):
    client.sendall(b"x")
    assert other.recv(1) == b"x"


def fill(sock):
    """Send until nothing has been taken for a while; the number of bytes."""
    sock.settimeout(0.5)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while True:
            sent += sock.send(bytes(1 << 20))
    sock.settimeout(60)
    return sent


def test_side_that_does_not_read_is_waited_for(forwarder, target):
    """Its connection takes no memory of the forwarder; all bytes arrive later, and others go on meanwhile."""
    with forwarder.forward() as client, target() as other:
        passes(client, other)
        before = forwarder.process.rss()
        sent = fill(client)
        if not sanitized():
            assert forwarder.process.rss() < before + 1_000_000
        with forwarder.forward() as second, target() as beside:
            passes(second, beside)
        client.shutdown(socket.SHUT_WR)
        assert len(net.read_all(other)) == sent


def test_connection_without_bytes_has_two_descriptors(forwarder, target):
    with forwarder.forward() as client, target() as other:
        passes(client, other)
    forwarder.ended()
    procs.needs_access_to(forwarder.process)  # it has confined itself by now
    before = forwarder.process.n_descriptors()  # with a spare pipe
    pairs = [(forwarder.forward(), target()) for _ in range(20)]
    for client, other in pairs:
        passes(client, other)
    wait_for("no more pipes", lambda: forwarder.process.n_descriptors() == before + 40)
    for client, other in pairs:
        client.close()
        other.close()
        forwarder.ended()
    assert forwarder.process.n_descriptors() == before


def test_idle_connection_is_cut(forwarder, target):
    """One with traffic is not, nor one without IdleTimeout."""
    with forwarder.forward() as endless, target() as there, forwarder.forward(idle_ms=500) as client, target() as other:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(ConnectionResetError):
            other.recv(1)
        assert forwarder.ended() == 2
        forwarder.log.wait("; no byte for IdleTimeout$")
        endless.sendall(b"z")
        assert there.recv(1) == b"z"


def test_dialling_fails(forwarder):
    client, number = forwarder.client(host="www.example.org")
    with client, forwarder.dial(number) as errand:
        answer_failed(errand, "10.0.0.1 port 443: Connection refused")
        assert forwarder.ended() == number
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    forwarder.log.wait(r"Forward web: no connection for 192\.0\.2\.7 port 50000 \(www\.example\.org\): "
                       r"10\.0\.0\.1 port 443: Connection refused$")


@pytest.mark.parametrize("answer", [b"", b"\xff", b"\0" * 100])
def test_errand_that_dies_or_says_nonsense(forwarder, answer):
    client, number = forwarder.client()
    with client:
        with forwarder.dial(number) as errand:
            if answer:
                errand.send(answer)
        assert forwarder.ended() == number
    forwarder.log.wait("the errand that dials died: ")


def test_errand_passes_something_else(forwarder):
    client, number = forwarder.client()
    with client, forwarder.dial(number) as errand:
        answer_dialled(errand, socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        assert forwarder.ended() == number
    forwarder.log.wait("unreadable answer from an errand")


def test_address_that_was_passed_over_is_logged(forwarder, target):
    client, number = forwarder.client()
    with client, forwarder.dial(number) as errand:
        answer_dialled(errand, net.connect(forwarder.target), "10.0.0.1 port 443: timed out")
        with target() as other:
            other.sendall(b"x")
            assert client.recv(1) == b"x"
    forwarder.log.wait(r"Forward web: target is used instead of another address: 10\.0\.0\.1 port 443: timed out$")


def test_client_leaves_while_the_errand_dials(forwarder):
    """The errand ends by that, too."""
    client, number = forwarder.client()
    with forwarder.dial(number) as errand:
        reset(client)
        assert forwarder.ended() == number
        errand.settimeout(60)
        assert errand.recv(1) == b""
    forwarder.log.wait("no connection for .*: the client has reset the connection$")


def test_bytes_and_end_of_the_client_before_the_target_is_there(forwarder, target):
    client, number = forwarder.client()
    with client:
        client.sendall(b"early")
        client.shutdown(socket.SHUT_WR)
        with forwarder.dial(number) as errand:
            answer_dialled(errand, net.connect(forwarder.target))
        with target() as other:
            assert net.read_all(other) == b"early"
            other.sendall(b"late")
        assert net.read_all(client) == b"late"
    forwarder.ended()


def test_socket_that_another_process_still_has(forwarder, target):
    """The errand has the target's for a moment longer: what happens on it later is no event of another connection."""
    client, number = forwarder.client()
    held = net.connect(forwarder.target)
    with client, target() as other, held:
        with forwarder.dial(number) as errand:
            answer_dialled(errand, held.dup())
        passes(client, other)
        reset(client)
        forwarder.ended()
        with forwarder.forward() as second, target() as beside:
            passes(second, beside)
            reset(other)
            with pytest.raises(ConnectionResetError):
                held.recv(1)
            passes(second, beside)
            passes(beside, second)


def test_more_connections_than_descriptors(tmp_path):
    """They are refused, and those that there are go on."""
    with Forwarder(tmp_path, nofile=100) as f, net_echo() as server:
        f.target = server
        clients = [f.forward() for _ in range(3)]
        refused, number = f.client()
        assert f.ended() == number
        with contextlib.suppress(ConnectionResetError):
            assert refused.recv(1) == b""
        f.log.wait("too many connections for the limit of descriptors$")
        for client in clients:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            client.close()
            f.ended()
        with f.forward() as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"


@contextlib.contextmanager
def net_echo():
    server = net.Server(net.echo)
    try:
        yield server.address
    finally:
        server.close()


def test_goes_on_after_its_master(forwarder, target):
    """Until its last connection has ended."""
    with forwarder.forward() as client, target() as other:
        waiting, _ = forwarder.client()
        forwarder.leave()
        with waiting, contextlib.suppress(ConnectionResetError):
            assert waiting.recv(1) == b""
        client.sendall(b"still")
        assert other.recv(5) == b"still"
    assert forwarder.wait() == 0
    forwarder.log.wait("5 bytes in, 0 out")


def test_sigterm_ends_connections_with_a_line(forwarder, target):
    with forwarder.forward() as client, target() as other:
        passes(client, other)
        os.kill(forwarder.pid, signal.SIGTERM)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert forwarder.wait() == 0
    forwarder.log.wait("; the gateway is being ended$")


def test_log_as_json(tmp_path):
    with Forwarder(tmp_path, log_format=FORMAT_JSON) as f, net_echo() as server:
        with f.forward(server, host="www.example.org") as client:
            assert net.exchange_on(client, b"12345") == b"12345"
        f.ended()
        client, number = f.client()
        with client, f.dial(number) as errand:
            answer_failed(errand, "refused")
            f.ended()
        wait_for("two lines", lambda: len(f.log.lines()) == 2)
        forwarded, failed = f.events()
    for name in ("time", "level", "pid", "message"):
        del forwarded[name], failed[name]
    assert forwarded.pop("seconds") >= 0
    assert forwarded == {"event": "forwarded", "forward": "web", "client": "192.0.2.7", "client_port": 50000,
                         "host": "www.example.org", "target": "127.0.0.1", "target_port": server[1],
                         "bytes_in": 5, "bytes_out": 5}
    assert failed == {"event": "forward_failed", "forward": "web", "client": "192.0.2.7", "client_port": 50000,
                      "reason": "refused"}
