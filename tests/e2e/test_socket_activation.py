"""contrib/sallyport.socket: the listening sockets belong to the service manager and outlive the gateway."""

import collections
import concurrent.futures
import json
import signal
import sys
from pathlib import Path

import pytest

from lab import net
from lab.client import open_session
from lab.wait import wait_for

ACTIVATE = Path(__file__).parent / "lab" / "activate.py"
CONNECTS = 50
PROBES = 1000
SESSIONS = 50


def activated_by(*addresses):
    return [sys.executable, "-B", str(ACTIVATE), *addresses, "--"]


@pytest.fixture
def activated_gateway(gated):
    """activated_gateway(further addresses, ...): a gateway that such a service manager has started."""

    def make(*more, **options):
        port = net.free_port()
        return gated(front={"port": port, "within": activated_by(f"127.0.0.1:{port}", *more), **options})

    return make


def assert_version_sent(s):
    s.settimeout(60)
    return s.recv(8) == b"SSH-2.0-"


def test_killed_keeper_refuses_no_connection(activated_gateway):
    """The master ends with its keeper; new connections wait in the queue of the socket for the next gateway.
    """
    w = activated_gateway()
    w.answers()
    p = open_session(w.client)
    (keeper,) = w.gateway.keepers()
    mark = w.gateway.log.mark()
    keeper.kill()
    wait_for("its end", lambda: not keeper.alive() or keeper.state == "Z")
    came = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(CONNECTS)]
    assert [assert_version_sent(s) for s in came] == [True] * CONNECTS
    for s in came:
        s.close()
    assert w.gateway.log.find("the keeper has died .*: exiting", mark)
    assert w.gateway.log.find(r"Server listening on 127\.0\.0\.1 port \d+ \(of the socket unit\)", mark)
    w.answers()
    out, _ = p.communicate(b"still here", timeout=60)
    assert out == b"still here"  # a session of the old gateway


def test_restart_refuses_no_connection(activated_gateway):
    w = activated_gateway()
    masters = [p for p in w.gateway.processes() if p.title() == "sallyport: master"]
    mark = w.gateway.log.mark()
    for p in masters:
        p.kill(signal.SIGKILL)
    came = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(CONNECTS)]
    assert [assert_version_sent(s) for s in came] == [True] * CONNECTS
    for s in came:
        s.close()
    assert w.gateway.log.find(r"Server listening", mark)
    w.answers()


def test_probes_over_restarts_are_all_answered(activated_gateway):
    """With 50 sessions, `systemctl restart`, and again before the last one is over: 1,000 of 1,000
    connections are greeted, and 50 of 50 sessions go on.
    """
    w = activated_gateway(MaxStartups="1000")
    sessions = [w.client.spawn("echo up; cat") for _ in range(SESSIONS)]
    assert [p.stdout.readline() for p in sessions] == [b"up\n"] * SESSIONS
    mark = w.gateway.log.mark()
    restarts = {PROBES // 4, PROBES // 2, 3 * PROBES // 4}

    def probe(number):
        if number in restarts:
            w.gateway.process.send_signal(signal.SIGUSR1)
        try:
            with net.connect(("127.0.0.1", w.gateway.port)) as s:
                return s.recv(8)
        except OSError as e:
            return type(e).__name__

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        came = collections.Counter(pool.map(probe, range(PROBES)))
    assert came == {b"SSH-2.0-": PROBES}
    assert w.gateway.log.find("Received signal 15; terminating", mark)
    assert w.gateway.log.find(r"Server listening on .* \(of the socket unit\)", mark)
    w.answers()
    assert [p.communicate(b"still here", timeout=60)[0] for p in sessions] == [b"still here"] * SESSIONS


def test_listen_addresses_without_socket_are_bound(activated_gateway, ring):
    """ListenAddress has an address that the socket unit does not."""
    other = net.free_port()
    w = activated_gateway()
    g = w.gateway
    g.options["ListenAddress"] = f"127.0.0.1:{g.port} 127.0.0.1:{other}"
    g.write_gateway()
    mark = g.log.mark()
    g.command("reload")
    assert g.log.find(rf"Server listening on 127\.0\.0\.1 port {other}\.", mark)
    with net.connect(("127.0.0.1", other)) as s:
        assert assert_version_sent(s)
    w.answers()


def test_socket_that_is_no_listen_address_refuses(activated_gateway):
    """A reload uses the socket when its address becomes a ListenAddress, and releases it without closing it.
    """
    stray = net.free_port()
    w = activated_gateway(f"127.0.0.1:{stray}")
    g = w.gateway
    assert g.log.find(rf"the socket unit listens on 127\.0\.0\.1 port {stray}, which is not a ListenAddress")
    for named in (True, False, True):
        if named:
            with net.connect(("127.0.0.1", stray)) as s:
                assert net.read_all(s).startswith(b"This address is not served: ")
        g.options["ListenAddress"] = f"127.0.0.1:{g.port}" + (f" 127.0.0.1:{stray}" if named else "")
        g.write_gateway()
        g.command("reload")
        if named:
            with net.connect(("127.0.0.1", stray)) as s:
                assert assert_version_sent(s)
    g.quiet()


CHANGE = "systemctl edit sallyport.socket, then systemctl restart sallyport.socket sallyport.service"


def test_reload_says_what_it_cannot_change_about_a_socket_unit(activated_gateway):
    """An address of the unit is neither opened nor closed by a reload: the output, the JSON and the log say so."""
    other = net.free_port()
    w = activated_gateway()
    g = w.gateway
    assert g.reload().stdout == b"the new configuration is in force\n"
    g.options["ListenAddress"] = f"127.0.0.1:{other}"
    g.write_gateway()
    mark = g.log.mark()
    p = g.reload()
    said = [f"note: the socket unit does not listen on 127.0.0.1 port {other}, so the gateway does: clients that connect "
            f"there during a restart are refused; to change the socket unit: {CHANGE}",
            f"note: the socket unit listens on 127.0.0.1 port {g.port}, which is not a ListenAddress: clients that connect "
            f"there are turned away; to change the socket unit: {CHANGE}"]
    assert (p.returncode, p.stderr) == (0, b""), p
    assert p.stdout.decode().splitlines() == ["the new configuration is in force", *said]
    for line in said:
        assert line.replace("note: ", ": reload: ") in g.log.text(mark)
    p = g.sallyport("reload", "--json", "-c", g.conf)
    assert json.loads(p.stdout) == {"ok": True, "routes": 1, "notes": said}


def python_prefix(code, *args):
    """The beginning of a command: Python code, which finds the rest in sys.argv[1 + len(args):]."""
    return [sys.executable, "-B", "-c", f"import os, socket, sys\n{code}", *args]


def test_dual_stack_socket_is_refused(make_gateway):
    """An IPv4 client would appear as an IPv6 one, to from= and MatchAddress."""
    g = make_gateway()
    g.within = python_prefix("""
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 0))  # descriptors are checked before addresses are compared
s.listen()
if s.fileno() != 3:
    os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[1], sys.argv[1:])
""")
    with pytest.raises(AssertionError, match="descriptor 3 takes IPv4 as well: write BindIPv6Only=ipv6-only"):
        g.start()
    assert g.process.wait(60) == 1


@pytest.mark.parametrize("pid, number", [("1", "1"), ("", "1"), ("self", "x"), ("self", "-1")])
def test_sockets_for_another_process_are_ignored(make_gateway, pid, number):
    g = make_gateway(within=python_prefix(
        "os.environ.update(LISTEN_PID=sys.argv[1].replace('self', str(os.getpid())), LISTEN_FDS=sys.argv[2])\n"
        "os.execv(sys.argv[3], sys.argv[3:])", pid, number,
    ))
    g.start()
    assert not g.log.find("socket")
