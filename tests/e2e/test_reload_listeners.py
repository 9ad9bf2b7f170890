"""Reloads that change ListenAddress."""

import re
import socket
import threading

import pytest

from lab import net
from lab.gateway import NOT_RELOADED
from lab.wait import wait_for


@pytest.fixture
def w(gated):
    return gated()


def test_reload_changes_listeners(w):
    """Addresses in both configurations stay open throughout; an address in use keeps the old configuration;
    removed ones are closed.
    """
    first, second = w.gateway.port, net.free_port()
    (master,) = w.gateway.role("master")

    def listen(*ports):
        w.gateway.options["ListenAddress"] = " ".join(f"127.0.0.1:{p}" for p in ports)
        w.gateway.write_gateway()

    def answers(port):
        try:
            with net.connect(("127.0.0.1", port)) as s:
                return s.recv(4) == b"SSH-"
        except ConnectionRefusedError:
            return False

    queued = socket.create_connection(("127.0.0.1", first))
    listen(first, second)
    w.gateway.hangup()
    assert answers(first) and answers(second)
    assert queued.recv(4) == b"SSH-"
    queued.close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listen(port, second)
        text = w.gateway.hangup(NOT_RELOADED)
        assert re.search(rf"reload: cannot listen on 127\.0\.0\.1 port {port}: Address already in use", text)
    assert answers(first) and answers(second)

    w.gateway.quiet()  # a new connection has further descriptors for a moment
    before = master.n_descriptors()
    listen(second)
    w.gateway.hangup()
    assert not answers(first) and answers(second)
    wait_for("one descriptor less", lambda: master.n_descriptors() <= before - 1)


@pytest.fixture(params=["same user", "other user"])
def overlapping(request):
    """A gateway that runs as the user of the tests, or one that has changed its user."""
    return request.getfixturevalue("w" if request.param == "same user" else "run_as_daemon")


def test_reload_with_overlapping_addresses(overlapping):
    """0.0.0.0 in place of 127.0.0.1 and back: there is always a listener."""
    w = overlapping
    port = w.gateway.port
    done = threading.Event()
    refused = []

    def listen(*addresses):
        w.gateway.options["ListenAddress"] = " ".join(addresses)
        w.gateway.write_gateway()

    def knock():
        while not done.is_set():
            try:
                with net.connect(("127.0.0.1", port)) as s:
                    s.recv(4)
            except ConnectionRefusedError as e:
                refused.append(e)
            except ConnectionResetError:
                pass  # it was being created at that moment

    def answers(host):
        try:
            with net.connect((host, port)) as s:
                return s.recv(4) == b"SSH-"
        except ConnectionRefusedError:
            return False

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        for _ in range(5):
            listen(f"0.0.0.0:{port}")
            w.gateway.hangup()
            assert answers("127.0.0.1") and answers("127.0.0.2")
            listen(f"127.0.0.1:{port}", f"127.0.0.3:{port}")
            w.gateway.hangup()
            assert answers("127.0.0.1") and answers("127.0.0.3") and not answers("127.0.0.2")
    finally:
        done.set()
        knocking.join()
    assert not refused
    # what no gateway could start with is refused by reload as well
    listen(f"0.0.0.0:{port}", f"127.0.0.1:{port}")
    assert "Address already in use" in w.gateway.hangup(NOT_RELOADED)
    listen(f"127.0.0.2:{port}", f"0.0.0.0:{port}")
    assert "Address already in use" in w.gateway.hangup(NOT_RELOADED)
    assert answers("127.0.0.1") and answers("127.0.0.3") and not answers("127.0.0.2")
    # and so is a port of another process
    with socket.socket() as other:
        other.bind(("127.0.0.9", port))
        other.listen()
        listen(f"0.0.0.0:{port}")
        assert "Address already in use" in w.gateway.hangup(NOT_RELOADED)
    assert answers("127.0.0.1") and w.lets_in()
    # no other process may share the port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError):
            other.bind(("0.0.0.0", port))


def test_reload_with_privileged_port(run_as_daemon):
    w = run_as_daemon
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
        first = int(f.read())
    if first < 2:
        pytest.skip("no port here takes root")
    w.gateway.options["ListenAddress"] = f"127.0.0.1:{w.gateway.port} 127.0.0.1:{first - 1}"
    w.gateway.write_gateway()
    p = w.gateway.reload()
    assert p.returncode == 78 and b"a port below 1024 needs a restart" in p.stderr, p
    assert w.lets_in()
