"""contrib/sallyport.socket: the sockets are somebody else's, and outlive a gateway that dies."""

import signal
import sys
from pathlib import Path

import pytest

from lab import net
from lab.client import held
from lab.wait import wait_for
from lab.way import Way

ACTIVATE = Path(__file__).parent / "lab" / "activate.py"
CONNECTS = 50


def within(*addresses):
    return [sys.executable, "-B", str(ACTIVATE), *addresses, "--"]


@pytest.fixture
def activated(make_gateway, make_sshd, ring, tmp_path):
    """activated(addresses besides the gateway's own, ...): a gateway that such a parent has started."""
    ways = []

    def make(*more, **options):
        port = net.free_port()
        g = make_gateway(port=port, within=within(f"127.0.0.1:{port}", *more), **options)
        s = make_sshd()
        g.route("alice", s, [ring.get("client")])
        g.start()
        ways.append(Way("gateway", tmp_path, ring, s, g))
        return ways[-1]

    yield make
    for w in ways:
        w.close()


def greets(s):
    s.settimeout(20)
    return s.recv(8) == b"SSH-2.0-"


def test_a_killed_keeper_refuses_nobody(activated):
    """The master ends with it; whoever comes waits in the queue of the socket for the next gateway."""
    w = activated()
    w.answers()
    p = held(w.client)
    (keeper,) = w.gateway.keepers()
    mark = w.gateway.log.mark()
    keeper.kill()
    wait_for("its end", lambda: not keeper.alive() or keeper.state == "Z")
    came = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(CONNECTS)]
    assert [greets(s) for s in came] == [True] * CONNECTS
    for s in came:
        s.close()
    assert w.gateway.log.find("the keeper is gone .*: ending", mark)
    assert w.gateway.log.find(r"Server listening on 127\.0\.0\.1 port \d+ \(of the socket unit\)", mark)
    w.answers()
    out, _ = p.communicate(b"still here", timeout=10)
    assert out == b"still here"  # a session of the old one


def test_a_restart_refuses_nobody(activated):
    w = activated()
    masters = [p for p in w.gateway.processes() if p.title() == "sallyport: master"]
    mark = w.gateway.log.mark()
    for p in masters:
        p.kill(signal.SIGKILL)
    came = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(CONNECTS)]
    assert [greets(s) for s in came] == [True] * CONNECTS
    for s in came:
        s.close()
    assert w.gateway.log.find(r"Server listening", mark)
    w.answers()


def test_other_addresses_are_bound(activated, ring):
    """ListenAddress has one that the socket unit does not."""
    other = net.free_port()
    w = activated()
    g = w.gateway
    g.options["ListenAddress"] = f"127.0.0.1:{g.port} 127.0.0.1:{other}"
    g.write_gateway()
    mark = g.log.mark()
    g.command("reload")
    assert g.log.find(rf"Server listening on 127\.0\.0\.1 port {other}\.", mark)
    with net.connect(("127.0.0.1", other)) as s:
        assert greets(s)
    w.answers()


def test_an_address_that_is_no_listenaddress_turns_people_away(activated):
    """A reload takes it over when it becomes one, and gives it back without closing it."""
    stray = net.free_port()
    w = activated(f"127.0.0.1:{stray}")
    g = w.gateway
    assert g.log.find(rf"the socket unit listens on 127\.0\.0\.1 port {stray}, which is no ListenAddress")
    for named in (True, False, True):
        if named:
            with net.connect(("127.0.0.1", stray)) as s:
                assert net.read_all(s).startswith(b"Nobody is served at this address: ")
        g.options["ListenAddress"] = f"127.0.0.1:{g.port}" + (f" 127.0.0.1:{stray}" if named else "")
        g.write_gateway()
        g.command("reload")
        if named:
            with net.connect(("127.0.0.1", stray)) as s:
                assert greets(s)
    g.quiet()


def given(code, *args):
    """The beginning of a command: python code, which has the rest in sys.argv[1 + len(args):]."""
    return [sys.executable, "-B", "-c", f"import os, socket, sys\n{code}", *args]


def test_a_socket_for_both_kinds_of_addresses_is_refused(make_gateway):
    """An IPv4 client would look like an IPv6 one, to from= and MatchAddress."""
    port = net.free_port()
    g = make_gateway(port=port, host="::")
    g.within = given("""
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", int(sys.argv[1])))
s.listen()
if s.fileno() != 3:
    os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
""", str(port))
    with pytest.raises(AssertionError, match="descriptor 3 takes IPv4 as well: write BindIPv6Only=ipv6-only"):
        g.start()
    assert g.process.wait(10) == 1


@pytest.mark.parametrize("pid, number", [("1", "1"), ("", "1"), ("self", "x"), ("self", "-1")])
def test_what_is_meant_for_another_process_is_not_taken(make_gateway, pid, number):
    g = make_gateway(within=given(
        "os.environ.update(LISTEN_PID=sys.argv[1].replace('self', str(os.getpid())), LISTEN_FDS=sys.argv[2])\n"
        "os.execv(sys.argv[3], sys.argv[3:])", pid, number,
    ))
    g.start()
    assert not g.log.find("socket")
