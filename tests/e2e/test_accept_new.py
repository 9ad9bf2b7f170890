"""StrictHostKeyChecking = accept-new: the gateway scans an unknown upstream for its host key, and adds it to
known_hosts.
"""

import os
import re
import subprocess
import threading

import pytest

from lab import net
from lab.net import BlackHole
from lab.refusal import one_line, session_id
from lab.wait import PATIENCE, wait_for


ADDED = r"the host key of 127\.0\.0\.1 port \d+ is new: ED25519 SHA256:\S+, added to "


def known_hosts_file(w):
    return w.gateway.known_hosts_of("alice")


def way_to_unknown_upstream(gated, **options):
    """A way to an upstream that is not in known_hosts yet."""
    route = {"StrictHostKeyChecking": "accept-new", **options.pop("route", {})}
    w = gated(route=route, **options)
    known_hosts_file(w).write_text("")
    return w


def finished_connections(w):
    """The number of connections that the upstream has had, once all of them are over."""
    w.sshd.quiet()
    return len(re.findall("Connection from", w.sshd.log.text()))


def test_fifty_concurrent_first_logins_cause_one_scan_and_one_line(gated):
    w = way_to_unknown_upstream(
        gated, front={"MaxStartups": "200", "PerSourceMaxStartups": "none", "LoginGraceTime": "600s"},
        sshd={"MaxStartups": "200", "LoginGraceTime": "600"}, route={"ConnectTimeout": "120s"})
    running = [w.new_client(ConnectTimeout="300").spawn("echo in", stdin=subprocess.DEVNULL)
               for _ in range(50)]
    for p in running:
        out, err = p.communicate(timeout=300)
        assert out == b"in\n", err
    assert len(known_hosts_file(w).read_text().splitlines()) == 1
    assert len(re.findall(ADDED, w.gateway.log.text())) == 1
    assert finished_connections(w) == 51


def test_known_upstream_is_not_scanned(gated):
    w = way_to_unknown_upstream(gated)
    w.answers()
    assert finished_connections(w) == 2
    w.answers()
    assert finished_connections(w) == 3


def test_scan_tells_upstream_its_purpose(gated):
    w = way_to_unknown_upstream(gated)
    w.answers()
    w.sshd.log.wait(r"Received disconnect from .* sallyport: a look at the host key")


def test_one_scan_writes_known_hosts_file_of_each_route(gated, ring):
    """Two routes to one upstream, each with a known_hosts file of its own, used at the same time."""
    w = way_to_unknown_upstream(gated)
    w.gateway.stop()
    w.gateway.route("bob", w.sshd, [ring.get("client")], known_hosts="", StrictHostKeyChecking="accept-new")
    w.gateway.start()
    clients = [w.client, w.new_client(user="bob")]
    for p in [c.spawn("echo in", stdin=subprocess.DEVNULL) for c in clients]:
        assert p.communicate(timeout=PATIENCE)[0] == b"in\n"
    for login in ("alice", "bob"):
        assert len(w.gateway.known_hosts_of(login).read_text().splitlines()) == 1


class HoldingProxy:
    """A proxy in front of the upstream: it forwards the first connections and holds the later ones."""

    def __init__(self, port, later):
        self.upstream = port
        self.later = later
        self.first = threading.Event()
        self.held = []
        self.server = net.Server(self.serve)
        self.port = self.server.port

    def serve(self, sock):
        if self.first.is_set():
            self.later(sock)
            return
        self.first.set()
        with net.connect(("127.0.0.1", self.upstream)) as upstream:
            net.relay(sock, upstream)

    def close(self):
        self.server.close()


@pytest.fixture
def through_proxy(gated):
    """through_proxy(later, **route): a way to an unknown upstream that answers its first connection alone."""
    relays = []

    def make(later, **route):
        w = way_to_unknown_upstream(gated)
        relays.append(HoldingProxy(w.sshd.port, later))
        w.gateway.stop()
        w.gateway.route("alice", w.sshd, [w.client.key], known_hosts="", Port=relays[-1].port,
                        StrictHostKeyChecking="accept-new", **route)
        w.gateway.start()
        return w

    yield make
    for relay in relays:
        relay.close()


@pytest.fixture
def silent_on_scan(through_proxy):
    """silent_on_scan(timeout): a way to an upstream that does not answer scans."""
    release = threading.Event()
    yield lambda timeout: through_proxy(lambda sock: release.wait(300), ConnectTimeout=timeout)
    release.set()


def scan_errand(w):
    return wait_for("the look", lambda: w.gateway.role("errand look"))[0]


def test_failed_scan_refuses_login_like_failed_dial(through_proxy):
    """The upstream hangs up during the scan: the client is told, and nothing is written."""
    w = through_proxy(lambda sock: None)
    r = w.ssh("true")
    assert r.code == 255 and "cannot be reached right now" in one_line(r.err)
    sid = session_id(r.err)
    w.gateway.log.wait(rf"session {sid}: alice from .* refused: cannot look at its host key: 127\.0\.0\.1 port")
    assert known_hosts_file(w).read_text() == ""


def test_log_names_upstream_that_penalises_scan(through_proxy):
    """sshd 9.8 and later refuses a source that has penalties."""
    w = through_proxy(lambda sock: sock.sendall(b"Not allowed at this time\r\n"))
    r = w.ssh("true")
    assert r.code == 255 and "cannot be reached right now" in one_line(r.err)
    w.gateway.log.wait(rf"session {session_id(r.err)}: .*PerSourcePenaltyExemptList")


def test_connect_timeout_ends_scan(silent_on_scan):
    w = silent_on_scan("6s")
    r = w.ssh("true")
    assert r.code == 255 and "cannot be reached right now" in one_line(r.err)
    w.gateway.log.wait("cannot look at its host key: 127.0.0.1 port .*: timed out")
    w.gateway.quiet()


def test_scan_ends_with_last_waiting_login(silent_on_scan):
    w = silent_on_scan("300s")
    p = w.client.spawn("true", stdin=subprocess.DEVNULL)
    scan_errand(w)
    w.gateway.sessions()[0].kill()
    p.communicate(timeout=PATIENCE)
    w.gateway.quiet()


def test_killed_scan_fails_its_login(silent_on_scan):
    """The client is told, and no login goes on waiting."""
    w = silent_on_scan("300s")
    p = w.client.spawn("true", stdin=subprocess.DEVNULL)
    scan_errand(w).kill()
    assert b"cannot be reached right now" in p.communicate(timeout=PATIENCE)[1]
    w.gateway.quiet()


def test_scan_is_confined(silent_on_scan):
    """The answers of the upstream are read where nothing can be opened, started or connected to."""
    w = silent_on_scan("300s")
    p = w.client.spawn("true", stdin=subprocess.DEVNULL)
    look = scan_errand(w)
    # the seccomp filters of the master, of a dialling errand, and of a session
    wait_for("its filters", lambda: int(look.status("Seccomp_filters")) ==
             int(w.gateway.master.status("Seccomp_filters")) + 2)
    for fd in (0, 1, 2) if os.getuid() == 0 else ():  # no other user may look into the process
        assert os.readlink(f"/proc/{look.pid}/fd/{fd}") == "/dev/null"
    look.kill()
    p.communicate(timeout=PATIENCE)


def test_full_disk_leaves_no_partial_line(gated, small_disk):
    """A line that does not fit is not written at all: the login is refused, and the next one can write it."""
    hosts, other = small_disk / "known_hosts", small_disk / "other"
    w = way_to_unknown_upstream(gated, route={"UserKnownHostsFile": hosts})
    text = "# " + "x" * 4030 + "\n"
    hosts.write_text(text)
    other.write_text("y" * 4096)  # leaves 63 bytes of the page that known_hosts is in
    r = w.ssh("true")
    assert r.code == 255 and "host key of your machine could not be verified" in one_line(r.err)
    w.gateway.log.wait(r"cannot add the host key of 127\.0\.0\.1: .*/known_hosts: No space left on device")
    assert hosts.read_text() == text
    other.unlink()
    w.answers()
    assert re.fullmatch(r"\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n", hosts.read_text()[len(text):])


def test_second_host_is_scanned_where_first_is_dead(gated):
    """The gateway scans the host that the session is connected to."""
    w = way_to_unknown_upstream(gated, route={"HostName": "127.0.0.9 127.0.0.1", "ConnectTimeout": "12s"})
    hole = BlackHole("127.0.0.9", w.sshd.port)
    try:
        w.answers()
        assert re.fullmatch(r"\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n", known_hosts_file(w).read_text())
    finally:
        hole.close()
