"""AcceptProxyFrom: load balancers say whose connections they pass on (haproxy's proxy-protocol.txt)."""

import contextlib
import os
import re
import signal
import socket
import struct
import sys
from pathlib import Path

import pytest

from lab import net
from lab.client import echoes, open_session
from lab.gateway import sanitized
from lab.gateway_operator import HAProxy
from lab.wait import wait_for
from lab.way import Way, set_authorized_keys

ACTIVATE = Path(__file__).parent / "lab" / "activate.py"
V2 = b"\r\n\r\n\0\r\nQUIT\n"
BALANCER = "127.0.0.1"
STRANGER = "127.0.0.2"  # not in the list


def v1(client, port=50000):
    return b"PROXY TCP4 %s 192.0.2.1 %d 22\r\n" % (client.encode(), port)


def v2(client, port=50000, command=0x21, family=0x11, values=b""):
    body = socket.inet_aton(client) + socket.inet_aton("192.0.2.1") + struct.pack(">HH", port, 22) + values
    return V2 + struct.pack(">BBH", command, family, len(body)) + body


@pytest.fixture
def behind(gated):
    """behind(list, front=..., ...): a way through a gateway with [edge] AcceptProxyFrom = list."""
    def make(accept=BALANCER, front=None, **edge):
        w = gated(front={"LogLevel": "DEBUG", **(front or {})})
        # a time that a busy host does not exceed
        w.gateway.write("05-edge.ini", "edge", {"AcceptProxyFrom": accept, "ProxyTimeout": "60s", **edge})
        w.gateway.hangup()
        return w

    return make


@pytest.fixture
def haproxy():
    running = []

    def run(gateway, words, listen="127.0.0.1"):
        port = net.free_port()
        config = (f"global\n\tnbthread 1\ndefaults\n\tmode tcp\n\ttimeout connect 5s\n\ttimeout client 1m\n"
                  f"\ttimeout server 1m\nlisten ssh\n\tbind {net.at(listen, port)}\n"
                  f"\tserver one 127.0.0.1:{gateway.port} {words}\n")
        running.append(HAProxy(config, ("127.0.0.1", port)))
        return port

    yield run
    for p in running:
        p.stop()


@contextlib.contextmanager
def sent(w, data, source=BALANCER):
    with net.connect(("127.0.0.1", w.gateway.port), source=source) as s:
        s.sendall(data)
        yield s


def first_bytes(s):
    """b"" if the gateway hangs up."""
    try:
        return s.recv(8)
    except ConnectionResetError:
        return b""


def answer(w, data, source=BALANCER):
    """The first bytes that the gateway sends after these."""
    with sent(w, data, source) as s:
        return first_bytes(s)


def edge(w):
    """The process edge, once there is one."""
    return wait_for("the process edge", lambda: w.gateway.role("edge"))[0]


@pytest.mark.parametrize("words", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_address_of_the_client_counts_behind_haproxy(behind, haproxy, words):
    """In the log, and for from=."""
    w = behind()
    port = haproxy(w.gateway, words)
    known = w.gateway.known_hosts().replace(f":{w.gateway.port} ", f":{port} ")
    set_authorized_keys(w, f'from="127.0.0.9" {w.ring.get("client").public}')
    assert w.new_client(known_hosts=known, Port=port, BindAddress="127.0.0.9").ssh("echo in").text == "in\n"
    w.gateway.log.wait(r"Accepted publickey for alice from 127\.0\.0\.9 port \d+")
    assert w.new_client(known_hosts=known, Port=port, BindAddress="127.0.0.8").ssh("echo in").code == 255
    w.gateway.log.wait(r"session \w+: alice from 127\.0\.0\.9 port \d+ -> ")
    assert not w.gateway.log.find(r" from 127\.0\.0\.1 port \d+ ssh2")


@pytest.mark.parametrize("words", ["send-proxy", "send-proxy-v2"])
def test_clients_of_ipv6_behind_haproxy(behind, haproxy, words):
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        pytest.skip("this host has no ::1")
    w = behind()
    port = net.free_port()
    p = HAProxy("global\n\tnbthread 1\ndefaults\n\tmode tcp\n\ttimeout connect 5s\n\ttimeout client 1m\n"
                f"\ttimeout server 1m\nlisten ssh\n\tbind 127.0.0.1:{port}\n\tbind [::1]:{port}\n"
                f"\tserver one 127.0.0.1:{w.gateway.port} {words}\n", ("127.0.0.1", port))
    try:
        known = w.gateway.known_hosts().replace(f"[127.0.0.1]:{w.gateway.port} ", f"[::1]:{port} ")
        set_authorized_keys(w, f'from="::1" {w.ring.get("client").public}')
        c = w.new_client(known_hosts=known, Port=port, HostName="::1")
        assert c.ssh("echo in").text == "in\n"
        w.gateway.log.wait(r"Accepted publickey for alice from ::1 port \d+")
    finally:
        p.stop()


GOOD = {
    "v1": (v1("198.51.100.7"), "198.51.100.7"),
    "v1-unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1-longest": (b"PROXY UNKNOWN" + b" " * 92 + b"\r\n", None),
    "v2": (v2("198.51.100.7"), "198.51.100.7"),
    "v2-values": (v2("198.51.100.7", values=b"\4\0\3abc"), "198.51.100.7"),
    "v2-local": (v2("198.51.100.7", command=0x20), None),
    "v2-unix": (V2 + b"\x21\x31\0\xd8" + b"/run/x".ljust(216, b"\0"), None),
    "v2-udp": (v2("198.51.100.7", family=0x12), None),
    "v6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 22\r\n", "2001:db8::7"),
    "v6-mapped": (b"PROXY TCP6 ::ffff:198.51.100.7 2001:db8::1 1 22\r\n", "198.51.100.7"),
}

BAD = {
    "missing": (b"SSH-2.0-OpenSSH_9.2\r\n", "no PROXY header, which AcceptProxyFrom demands of this address"),
    "v1-108": (b"PROXY UNKNOWN" + b" " * 93 + b"\r\n", "its PROXY header is malformed"),
    "v1-newline": (b"PROXY UNKNOWN\n", "its PROXY header is malformed"),
    "v2-65535": (V2 + b"\x21\x11\xff\xff" + bytes(64), "its PROXY header is longer than 4096 bytes"),
    "v2-version": (V2 + b"\x31\x11\0\x0c" + bytes(12), "its PROXY header is malformed"),
    "v2-short": (V2 + b"\x21\x11\0\x04" + bytes(4), "its PROXY header is malformed"),
    "v2-checksum": (v2("198.51.100.7", values=b"\3\0\4\0\0\0\0"), "the checksum of its PROXY header is wrong"),
}


def test_headers_are_read_as_the_protocol_says(behind):
    """Whole, and in segments of a byte; what the client sends behind it is the session's."""
    w = behind()
    for name, (header, client) in GOOD.items():
        client = re.escape(client or BALANCER)
        for split in (False, True):
            mark = w.gateway.log.mark()
            with net.connect(("127.0.0.1", w.gateway.port), source=BALANCER) as s:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for part in [header[i:i + 1] for i in range(len(header))] if split else [header]:
                    s.sendall(part)
                # this is no version of SSH, and the session says so: it has read it from its first byte on
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert s.recv(8) == b"SSH-2.0-", name
                w.gateway.log.wait(rf"banner exchange: Connection from {client} port \d+: invalid format", mark)
    for name, (header, why) in BAD.items():
        line = rf"drop connection from 127\.0\.0\.1 port \d+: {why}"

        def named():
            assert not answer(w, header).startswith(b"SSH"), name
            return w.gateway.log.find(line)

        # of each second only the first refusals have a line of their own
        wait_for(f"the line about {name}", named)


def test_address_that_is_not_listed_sends_no_header(behind):
    w = behind()
    assert answer(w, b"", STRANGER) == b"SSH-2.0-"
    answer(w, v1("198.51.100.7"), STRANGER)
    w.gateway.log.wait(r"banner exchange: Connection from 127\.0\.0\.2 port \d+: a header of the PROXY protocol, "
                       r"version 1, which is not read from this address: list the load balancer in AcceptProxyFrom")
    assert "198.51.100.7" not in w.gateway.log.text()


def test_silence_is_cut(behind):
    w = behind(ProxyTimeout="1s")
    with sent(w, b"PROXY TC") as s:
        assert not first_bytes(s).startswith(b"SSH")
    w.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: no whole PROXY header within ProxyTimeout")


def test_login_time_is_limited(behind):
    w = behind(front={"LoginGraceTime": "1s"})
    with sent(w, v1("198.51.100.7")) as s:
        w.gateway.log.wait(r"Timeout before authentication for 198\.51\.100\.7 port 50000")
        assert net.read_all(s).startswith(b"SSH-2.0-")


def test_penalties_are_those_of_the_client(behind):
    w = behind(front={"PerSourcePenalties": "noauth:1h min:1s"})
    with sent(w, v1("198.51.100.7")) as s:
        assert s.recv(8) == b"SSH-2.0-"
    w.gateway.log.wait(r"198\.51\.100\.7/32 is refused for \d+ s from now on")
    assert answer(w, v1("198.51.100.7")) == b"Not allo"
    w.gateway.log.wait(r"drop connection from 198\.51\.100\.7 port 50000: ")
    assert answer(w, v1("198.51.100.8")) == b"SSH-2.0-"


def test_limit_of_a_source_is_that_of_the_client(behind):
    w = behind(front={"PerSourceMaxStartups": "2"})
    with sent(w, v1("198.51.100.7")) as a, sent(w, v2("198.51.100.7")) as b:
        assert (a.recv(8), b.recv(8)) == (b"SSH-2.0-", b"SSH-2.0-")
        assert answer(w, v1("198.51.100.7")) == b"Exceeded"
        assert answer(w, v1("198.51.100.8")) == b"SSH-2.0-"


def test_reload_changes_the_list(behind, gated):
    w = gated()
    w.answers()
    assert not w.gateway.role("edge"), "who has no [edge] pays nothing for it"
    w.gateway.write("05-edge.ini", "edge", {"AcceptProxyFrom": "127.0.0.0/24", "ProxyTimeout": "60s"})
    w.gateway.hangup()
    assert answer(w, v1("198.51.100.7")) == b"SSH-2.0-"
    with sent(w, b"PROXY TCP4 198.51.100.7 192.0.2.1 50000") as s:
        (w.gateway.conf / "05-edge.ini").unlink()
        w.gateway.hangup()
        w.answers()
        # it came while the list had it
        s.sendall(b" 22\r\n")
        assert s.recv(8) == b"SSH-2.0-"
    wait_for("the end of edge", lambda: not w.gateway.role("edge"))
    w.gateway.write("05-edge.ini", "edge", {"AcceptProxyFrom": BALANCER, "ProxyTimeout": "60s"})
    w.gateway.hangup()
    assert answer(w, v1("198.51.100.7")) == b"SSH-2.0-"


def test_mistakes_in_the_section_are_named(gated):
    w = gated()
    for words, error in (
        ({"AcceptProxyFrom": "balancer.example.com"}, '"balancer.example.com" is not an address or a network'),
        ({"AcceptProxyFrom": "10.0.0.1/8"}, '"10.0.0.1/8" is not an address or a network'),
        ({"ProxyTimeout": "none"}, "ProxyTimeout"),
        ({"ListenAddress": "0.0.0.0:22"}, "it belongs to [gateway]"),
    ):
        w.gateway.write("05-edge.ini", "edge", words)
        status, text = w.gateway.check()
        assert status != 0 and error in text, text
    (w.gateway.conf / "05-edge.ini").unlink()
    w.gateway.write("05-edge.ini", "gateway", {"AcceptProxyFrom": "10.0.0.0/8"})
    assert "it belongs to [edge]" in w.gateway.check()[1]


def test_edge_is_confined(behind):
    e = edge(behind())
    wait_for("its filter", lambda: e.status("Seccomp") == "2")
    assert e.status("NoNewPrivs") == "1"
    assert int(e.status("CapEff"), 16) == int(e.status("CapPrm"), 16) == 0


def test_death_of_edge_ends_no_session(behind):
    w = behind()
    with sent(w, v1("127.0.0.9")) as s:
        assert s.recv(8) == b"SSH-2.0-"
        first = edge(w)
        with sent(w, b"PROXY TCP4") as waiting:
            # edge has looked at it: it answers in turn
            assert answer(w, v1("198.51.100.7")) == b"SSH-2.0-"
            first.kill()
            assert first_bytes(waiting) == b""
        w.gateway.log.wait(r"edge has died \(killed by signal 9\): 1 connections that it was looking at")
        # what comes meanwhile waits for the next
        assert answer(w, v1("198.51.100.7")) == b"SSH-2.0-"
        assert edge(w) != first
        s.sendall(b"SSH-2.0-x\r\n")
        assert s.recv(1), "this session goes on"


def test_stopped_edge_holds_up_nobody_else(behind):
    w = behind(ProxyTimeout="1s")
    e = edge(w)
    os.kill(e.pid, signal.SIGSTOP)
    try:
        with sent(w, v1("198.51.100.7")) as s:
            w.gateway.log.wait("no whole PROXY header within ProxyTimeout")
            assert not first_bytes(s).startswith(b"SSH")
        assert answer(w, b"", STRANGER) == b"SSH-2.0-"
    finally:
        os.kill(e.pid, signal.SIGCONT)
    wait_for("its service", lambda: answer(w, v1("198.51.100.7")) == b"SSH-2.0-", 60)


def test_socket_activation_and_restart(make_gateway, make_sshd, ring, tmp_path):
    """A session of a client behind a load balancer goes on, and clients that come meanwhile are served."""
    port = net.free_port()
    g = make_gateway(port=port, within=[sys.executable, "-B", str(ACTIVATE), f"127.0.0.1:{port}", "--"])
    s = make_sshd()
    g.route("alice", s, [ring.get("client")])
    g.write("05-edge.ini", "edge", {"AcceptProxyFrom": BALANCER, "ProxyTimeout": "60s"})
    g.start()
    w = Way("gateway", tmp_path, ring, s, g)
    try:
        c = w.new_client(BindAddress=STRANGER)
        p = open_session(c)
        mark = g.log.mark()
        g.process.send_signal(signal.SIGUSR1)
        g.log.wait("Received signal 15; terminating", mark)
        came = []
        for i in range(40):
            came.append(net.connect(("127.0.0.1", port), source=BALANCER))
            came[-1].sendall(v2(f"198.51.100.{i}"))
        assert [c.recv(8) for c in came] == [b"SSH-2.0-"] * len(came)
        for c in came:
            c.close()
        g.log.wait(r"Server listening on .*of the socket unit", mark)
        echoes(p)
        p.stdin.close()
        p.wait(10)
    finally:
        w.close()


def test_more_than_can_wait(behind):
    """The oldest gives way, and a load balancer gets through all the time."""
    w = behind(ProxyTimeout="60s")
    with net.descriptors(1300), contextlib.ExitStack() as stack:
        silent = [stack.enter_context(net.connect(("127.0.0.1", w.gateway.port), source=BALANCER))
                  for _ in range(1030)]
        w.gateway.log.wait("no PROXY header so far, and 1024 connections wait for theirs")
        assert answer(w, v1("198.51.100.7")) == b"SSH-2.0-"
        assert not first_bytes(silent[0]).startswith(b"SSH")
    wait_for("nothing waits", lambda: answer(w, v1("198.51.100.7")) == b"SSH-2.0-" and
             edge(w).n_descriptors() < 12)


def test_broken_headers_leave_nothing_behind(behind):
    """20,000 slow, silent, cut and oversized ones with FULL=1: memory and descriptors are as they were."""
    w = behind()
    kinds = [b"", b"P", b"PROXY TCP4 1", V2, V2 + b"\x21\x11\xff\xff", b"\0" * 300, v1("198.51.100.7")[:-1],
             v2("198.51.100.7", values=b"\4\xff")]

    def some(n):
        for i in range(n):
            with sent(w, kinds[i % len(kinds)]):
                pass
        assert answer(w, v1("198.51.100.7")) == b"SSH-2.0-"
        w.gateway.quiet()

    def held():
        return [p.n_descriptors() for p in (w.gateway.master, edge(w))]

    some(400)
    wait_for("nothing waits", lambda: held()[1] < 12)
    before, memory = held(), [p.rss() for p in (w.gateway.master, edge(w))]
    some(20000 if os.environ.get("FULL") else 1200)
    wait_for("as many descriptors as before", lambda: held() == before)
    if not sanitized():
        after = [p.rss() for p in (w.gateway.master, edge(w))]
        assert all(b - a < 1 << 20 for a, b in zip(memory, after)), (memory, after)
