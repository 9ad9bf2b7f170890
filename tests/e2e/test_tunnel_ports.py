"""TunnelPorts: plain TCP on a port of the gateway leads into a tunnel."""

import re
import select

import pytest

from lab import net
from lab.gateway import sanitized
from lab.taken_over import TakenOver
from lab.tunnels import Tunnels
from lab.wait import wait_for

DATA = bytes(range(256)) * 4_000  # 1 MB


@pytest.fixture
def ports(gated):
    """ports(n, **words): a gateway whose tunnels may have n ports."""
    def make(n=20, **words):
        first = net.free_port()
        return Tunnels(gated(), TunnelPorts=f"127.0.0.1:{first}-{first + n - 1}", **words)

    return make


def held(t, since=0):
    """The port of the tunnel that was opened last."""
    return int(re.findall(r"\d holds the tunnel \S+ port (\d+)", t.log.text(since))[-1])


def test_port_leads_into_the_tunnel(ports, echo, digest):
    t = ports()
    p = t.hold(f"0:127.0.0.1:{echo.port}", f"web-1:0:127.0.0.1:{digest.port}")
    first, second = map(int, re.findall(r"\d holds the tunnel \S+ port (\d+)", t.log.text()))
    assert net.exchange(("127.0.0.1", first), DATA) == DATA
    assert net.exchange(("127.0.0.1", second), DATA) == net.sha256(DATA)
    assert net.exchange_many(("127.0.0.1", first), 20, DATA) == [DATA + b"%d" % i for i in range(20)]
    t.log.wait(rf"127\.0\.0\.1 port \d+ connects to the tunnel web-1 port {second} of hold")
    p.terminate()
    assert f"Allocated port {first} for remote forward" in p.communicate(timeout=60)[1].decode()
    wait_for("closed ports", lambda: not net.accepts(("127.0.0.1", first)) and not net.accepts(("127.0.0.1", second)))


def test_port_that_is_asked_for(ports, echo):
    t = ports()
    p = t.hold(f"web-1:0:127.0.0.1:{echo.port}")
    port = held(t)
    assert f"port {port} is taken" in t.refused(f"web-2:{port}:127.0.0.1:{echo.port}")
    p.terminate()
    p.wait(60)
    wait_for("a closed port", lambda: not net.accepts(("127.0.0.1", port)))
    t.hold(f"web-2:{port}:127.0.0.1:{echo.port}")
    assert net.exchange(("127.0.0.1", port), DATA) == DATA


def test_port_outside_of_the_range_is_a_name_alone(ports, echo):
    t = ports()
    port = net.free_port()
    t.hold(f"web-1:{port}:127.0.0.1:{echo.port}")
    assert not net.accepts(("127.0.0.1", port))


def test_all_ports_are_taken(ports):
    t = ports(1)
    t.hold("web-1:0:127.0.0.1:9")
    assert re.search(r"all ports of TunnelPorts, \d+ to \d+, are taken", t.refused("web-2:0:127.0.0.1:9"))


def test_newer_connection_takes_the_port_over(gated, echo):
    """Nobody finds it closed meanwhile."""
    first = net.free_port()
    t = Tunnels(gated(front={"ClientAliveInterval": "0"}), TunnelPorts=f"127.0.0.1:{first}-{first + 19}")
    old = t.hold("web-1:0:127.0.0.1:9")
    port = held(t)
    mark = t.log.mark()
    t.hold(f"web-1:0:127.0.0.1:{echo.port}")
    assert held(t, mark) == port
    old.terminate()
    old.wait(60)
    assert net.exchange(("127.0.0.1", port), DATA) == DATA


def test_connection_that_nobody_takes_is_closed(ports):
    t = ports()
    t.hold(f"web-1:0:127.0.0.1:{net.free_port()}")
    with net.connect(("127.0.0.1", held(t))) as s:
        assert s.recv(1) == b""


def test_one_source_has_half_of_the_connections(ports):
    t = ports()
    silent = net.Server(lambda s: (s.sendall(b"x"), s.recv(1)))
    t.hold(f"web-1:0:127.0.0.1:{silent.port}")
    port = held(t)
    open_ = [net.connect(("127.0.0.1", port), 120) for _ in range(30)]

    def first_byte(s):
        try:
            return s.recv(1)
        except ConnectionResetError:
            return b""

    answers = [first_byte(s) for s in open_]
    assert answers.count(b"x") == 24, answers
    with net.connect(("127.0.0.1", port), source="127.0.0.2") as other:
        assert other.recv(1) == b"x"
    for s in open_:
        s.close()
    silent.close()


def test_many_connections_leave_nothing_behind(ports, echo):
    t = ports()
    t.hold(f"web-1:0:127.0.0.1:{echo.port}")
    port = held(t)

    def some(n):
        for _ in range(n):
            assert net.exchange(("127.0.0.1", port), b"data") == b"data"

    some(20)
    (session,) = t.gateway.sessions("hold")
    (keeper,) = t.gateway.keepers()
    everybody = (t.gateway.master, keeper, session)
    before = [p.n_descriptors() for p in everybody]
    memory = [p.rss() for p in everybody]
    some(1000)
    wait_for("descriptors as before", lambda: [p.n_descriptors() for p in everybody] == before)
    for p, then in zip(everybody, memory):
        assert sanitized() or p.rss() < then + (4 << 20), p


def test_session_that_does_not_read_bounds_what_waits(attacked):
    """32 connections are on their way to it; others are closed, and its socket always takes an answer."""
    first = net.free_port()
    t = Tunnels(attacked, TunnelPorts=f"127.0.0.1:{first}-{first + 19}")
    t.hold_box()
    with TakenOver(t.gateway.port) as a:
        a.sign()
        a.prove("hold", attacked.ring.get("client"))
        a.expect("RELAY")
        a.send("TUNNEL_LISTEN", "web-1", 0)
        answer = a.expect("TUNNEL_ANSWER")[1]
        assert answer.bool()
        port = answer.u32()
        visitors = [net.connect(("127.0.0.1", port)) for _ in range(40)]
        assert [v.recv(1) for v in visitors[32:]] == [b""] * 8
        assert not select.select(visitors[:32], [], [], 0)[0]
        attacked.answers()
        for v in visitors:
            v.close()
    wait_for("a closed port", lambda: not net.accepts(("127.0.0.1", port)))


def test_check_knows_a_range(ports):
    t = ports()
    t.gateway.write("20-hold.ini", "route hold", {
        "Mode": "tunnel", "TunnelPorts": "80-90", "AuthorizedKeysFile": "conf.d/alice.pub"})
    assert '"80-90" is not FIRST-LAST or ADDRESS:FIRST-LAST' in t.gateway.check()[1]
