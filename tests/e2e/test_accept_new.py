"""accept-new: the gateway itself looks at a machine it does not know, and writes that key down, whole."""

import os
import re
import socket
import subprocess
import threading

import pytest

from lab import net
from lab.net import BlackHole
from lab.refusal import one_line, session_id
from lab.wait import wait_for


ADDED = r"the host key of 127\.0\.0\.1 port \d+ is new: ED25519 SHA256:\S+, added to "


def known(w):
    return w.gateway.known_hosts_of("alice")


def first(gated, **options):
    """A way to a machine that is not known yet."""
    route = {"StrictHostKeyChecking": "accept-new", **options.pop("route", {})}
    w = gated(route=route, **options)
    known(w).write_text("")
    return w


def connections(w):
    """How many there have been to the machine, once all of them are over."""
    w.sshd.quiet()
    return len(re.findall("Connection from", w.sshd.log.text()))


def test_fifty_first_logins_at_once_write_one_line_after_one_look(gated):
    """FAULTS F19."""
    w = first(gated, door={"MaxStartups": "200", "PerSourceMaxStartups": "none", "LoginGraceTime": "120s"},
              sshd={"MaxStartups": "200"}, route={"ConnectTimeout": "60s"})
    running = [w.new_client(ConnectTimeout="120").spawn("echo in", stdin=subprocess.DEVNULL)
               for _ in range(50)]
    for p in running:
        out, err = p.communicate(timeout=120)
        assert out == b"in\n", err
    assert len(known(w).read_text().splitlines()) == 1
    assert len(re.findall(ADDED, w.gateway.log.text())) == 1
    assert connections(w) == 51


def test_a_known_machine_is_not_looked_at(gated):
    w = first(gated)
    w.answers()
    assert connections(w) == 2
    w.answers()
    assert connections(w) == 3


def test_the_look_says_to_the_machine_what_it_was(gated):
    w = first(gated)
    w.answers()
    w.sshd.log.wait(r"Received disconnect from .* sallyport: a look at the host key")


def test_each_route_has_its_file_written_by_the_same_look(gated, ring):
    """Two routes to one machine, at once, each with a file of its own."""
    w = first(gated)
    w.gateway.stop()
    w.gateway.route("bob", w.sshd, [ring.get("client")], known_hosts="", StrictHostKeyChecking="accept-new")
    w.gateway.start()
    clients = [w.client, w.new_client(user="bob")]
    for p in [c.spawn("echo in", stdin=subprocess.DEVNULL) for c in clients]:
        assert p.communicate(timeout=30)[0] == b"in\n"
    for login in ("alice", "bob"):
        assert len(w.gateway.known_hosts_of(login).read_text().splitlines()) == 1


class Relay:
    """In front of the machine: connections are passed on, or, when they are the later ones, held."""

    def __init__(self, port, later):
        self.machine = port
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
        with net.connect(("127.0.0.1", self.machine)) as upstream:
            back = threading.Thread(target=self.pump, args=(upstream, sock), daemon=True)
            back.start()
            self.pump(sock, upstream)
            back.join(20)

    @staticmethod
    def pump(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.server.close()


@pytest.fixture
def relayed(gated):
    """relayed(later, **route): a way to an unknown machine that answers its first connection alone."""
    relays = []

    def make(later, **route):
        w = first(gated)
        relays.append(Relay(w.sshd.port, later))
        w.gateway.stop()
        w.gateway.route("alice", w.sshd, [w.client.key], known_hosts="", Port=relays[-1].port,
                        StrictHostKeyChecking="accept-new", **route)
        w.gateway.start()
        return w

    yield make
    for relay in relays:
        relay.close()


@pytest.fixture
def hanging(relayed):
    """hanging(timeout): a way to a machine that answers no look."""
    release = threading.Event()
    yield lambda timeout: relayed(lambda sock: release.wait(60), ConnectTimeout=timeout)
    release.set()


def look_of(w):
    return wait_for("the look", lambda: w.gateway.role("errand look"))[0]


def test_a_look_that_fails_refuses_as_a_failed_dial_does(relayed):
    """The machine hangs up on the look: the login is told so, and nothing is written."""
    w = relayed(lambda sock: None)
    r = w.ssh("true")
    assert r.code == 255 and "cannot be reached right now" in one_line(r.err)
    sid = session_id(r.err)
    w.gateway.log.wait(rf"session {sid}: alice from .* refused: cannot look at its host key: 127\.0\.0\.1 port")
    assert known(w).read_text() == ""


def test_a_machine_that_turns_the_look_away_is_named(relayed):
    """sshd 9.8 and later, to a source with penalties."""
    w = relayed(lambda sock: sock.sendall(b"Not allowed at this time\r\n"))
    r = w.ssh("true")
    assert r.code == 255 and "cannot be reached right now" in one_line(r.err)
    w.gateway.log.wait(rf"session {session_id(r.err)}: .*PerSourcePenaltyExemptList")


def test_a_look_that_hangs_ends_with_connect_timeout(hanging):
    w = hanging("1s")
    r = w.ssh("true")
    assert r.code == 255 and "cannot be reached right now" in one_line(r.err)
    w.gateway.log.wait("cannot look at its host key: 127.0.0.1 port .*: timed out")
    w.gateway.quiet()


def test_who_leaves_takes_the_look_along(hanging):
    """The errand ends with the last login that waits for it."""
    w = hanging("60s")
    p = w.client.spawn("true", stdin=subprocess.DEVNULL)
    look_of(w)
    w.gateway.sessions()[0].kill()
    p.communicate(timeout=20)
    w.gateway.quiet()


def test_a_look_that_is_killed(hanging):
    """That login is told, and nothing waits any longer."""
    w = hanging("60s")
    p = w.client.spawn("true", stdin=subprocess.DEVNULL)
    look_of(w).kill()
    assert b"cannot be reached right now" in p.communicate(timeout=20)[1]
    w.gateway.quiet()


def test_the_look_is_confined(hanging):
    """What the machine sends it is read where nothing can be opened, started or connected to."""
    w = hanging("60s")
    p = w.client.spawn("true", stdin=subprocess.DEVNULL)
    look = look_of(w)
    # the master's, that of an errand which dials, and that of a session
    wait_for("its filters", lambda: int(look.status("Seccomp_filters")) ==
             int(w.gateway.master.status("Seccomp_filters")) + 2)
    for fd in (0, 1, 2) if os.getuid() == 0 else ():  # nobody else may look
        assert os.readlink(f"/proc/{look.pid}/fd/{fd}") == "/dev/null"
    look.kill()
    p.communicate(timeout=20)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two pages."""
    if os.getuid() != 0:
        pytest.skip("only root can mount")
    place = tmp_path / "disk"
    place.mkdir()
    p = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k,mode=755", "tmpfs", place],
                       capture_output=True, check=False)
    if p.returncode != 0:
        pytest.skip(f"no mount here: {p.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_leaves_no_torn_line(gated, small_disk):
    """The line does not fit: it is not there at all, the login is refused, and the next can write it."""
    hosts, other = small_disk / "known_hosts", small_disk / "other"
    w = first(gated, route={"UserKnownHostsFile": hosts})
    text = "# " + "x" * 4030 + "\n"
    hosts.write_text(text)
    other.write_text("y" * 4096)  # 63 bytes are left of the page that known_hosts has
    r = w.ssh("true")
    assert r.code == 255 and "host key of your machine could not be verified" in one_line(r.err)
    w.gateway.log.wait(r"cannot add the host key of 127\.0\.0\.1: .*/known_hosts: No space left on device")
    assert hosts.read_text() == text
    other.unlink()
    w.answers()
    assert re.fullmatch(r"\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n", hosts.read_text()[len(text):])


def test_the_second_of_two_hosts_is_looked_at_when_it_answers(gated):
    """The first is dead: what is looked at is the one that the session talks to."""
    w = first(gated, route={"HostName": "127.0.0.9 127.0.0.1", "ConnectTimeout": "4s"})
    hole = BlackHole("127.0.0.9", w.sshd.port)
    try:
        w.answers()
        assert re.fullmatch(r"\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n", known(w).read_text())
    finally:
        hole.close()
