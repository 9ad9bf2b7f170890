"""`sallyport route LOGIN --dial` with servers that are no upstreams, several hosts and the gateway itself; and
the process that dials."""

import base64
import contextlib
import os
import random
import re
import signal
import subprocess
import time

import paramiko
import pytest

from lab import net, procs
from lab.dial_trial import DialTrial
from lab.gateway import Gateway, SALLYPORT
from lab.wait import wait_for
from lab.way import QUICK_KEX

# The time of a dial to a server of which nothing is expected, and to one that says something before it is silent: a
# busy host may take seconds to hear that.
TIMEOUT, LONG_TIMEOUT = 5, 8

# --- servers that are no upstreams ---


@pytest.fixture
def dial_scripted_server(make_gateway, make_sshd, ring):
    """dial_scripted_server(HANDLE, ...): a route to this server; the status, the line and the seconds of a
    trial.  timeout: ConnectTimeout in seconds.
    """
    servers = []

    def make(handle, timeout=60, **route):
        servers.append(net.Server(handle))
        upstream = make_sshd()
        t = DialTrial(make_gateway(port=net.free_port()), upstream, ring,
                      **{"ConnectTimeout": f"{timeout}s", "Port": servers[0].port, **route})
        start = time.monotonic()
        status, line = t.dial(t.upstream.known_hosts())
        return status, line.replace(f"127.0.0.1 port {servers[0].port}: ", ""), time.monotonic() - start

    yield make
    for s in servers:
        s.close()


def until_closed(s):
    while s.recv(65536):
        pass


def sender_of(data):
    def handle(s):
        s.sendall(data)
        until_closed(s)

    return handle


NO_SSH = "connected, but no SSH server answers there: "


def test_silent_port(dial_scripted_server):
    status, line, seconds = dial_scripted_server(until_closed, TIMEOUT)
    assert (status, line) == (1, NO_SSH + "timed out") and TIMEOUT - 0.1 < seconds


def test_port_that_closes_at_once(dial_scripted_server):
    assert dial_scripted_server(lambda s: None)[:2] == (1, NO_SSH + "connection closed")


def test_silence_after_version(dial_scripted_server):
    status, line, seconds = dial_scripted_server(sender_of(b"SSH-2.0-slow\r\n"), LONG_TIMEOUT)
    assert (status, line) == (1, "SSH-2.0-slow: timed out")


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"A" * 100000, b"A line\r\n" * 10000, b"\0" * 1000, b"SSH-2.0-" + b"x" * 9000 + b"\r\n"],
    ids=["http", "tls", "long", "lines", "nul", "long-version"])
def test_servers_of_other_protocols(dial_scripted_server, data):
    status, line, seconds = dial_scripted_server(sender_of(data), TIMEOUT)
    assert status == 1 and line.startswith(NO_SSH) and len(line) < 200


def test_ssh_1_server(dial_scripted_server):
    status, line, seconds = dial_scripted_server(sender_of(b"SSH-1.5-old\r\n"))
    assert status == 1 and line.startswith("SSH-1.5-old: "), line


@pytest.mark.parametrize("after", [b"", bytes(64), random.Random(1).randbytes(4096), b"\xff" * 64],
                         ids=["nothing", "zeroes", "anything", "ones"])
def test_version_with_control_characters(dial_scripted_server, after):
    """The version string is printed without control characters, on one line."""
    status, line, _ = dial_scripted_server(sender_of(b"SSH-2.0-\x1b[2J\x07\x9bx %s%n\\ \r\n" + after), LONG_TIMEOUT)
    assert status == 1 and line.startswith(r"SSH-2.0-\033[2J\007\233x %s%n\134 : "), line
    assert line.isprintable()


def test_disconnect_with_control_characters(dial_scripted_server):
    text = b"\x1b]0;x\x07\nfake: line"
    body = b"\x01\0\0\0\x02" + len(text).to_bytes(4, "big") + text + b"\0\0\0\0"
    pad = 8 - (len(body) + 5) % 8 + 8
    packet = (1 + len(body) + pad).to_bytes(4, "big") + bytes([pad]) + body + bytes(pad)
    status, line, _ = dial_scripted_server(sender_of(b"SSH-2.0-x\r\n" + packet))
    assert status == 1 and line == r"SSH-2.0-x: \033]0;x\007\012fake: line", line


class StolenKey(paramiko.ECDSAKey):
    """A host key that is presented without its private key."""

    shown = b""

    def asbytes(self):
        return self.shown


def test_host_key_without_its_private_key(dial_scripted_server, ring):
    """The host key is known, but the server cannot sign with it."""
    key = ring.get("upstream_host", "ecdsa256")
    own = paramiko.ECDSAKey.generate(bits=256)
    liar = StolenKey(vals=(own.signing_key, own.verifying_key))
    liar.shown = base64.b64decode(key.public.split()[1])

    def handle(s):
        t = paramiko.Transport(s)
        t.add_server_key(liar)
        try:
            t.start_server(server=paramiko.ServerInterface())
        except (paramiko.SSHException, EOFError):
            pass
        finally:
            t.close()

    status, line, _ = dial_scripted_server(handle, HostKeyFingerprint=key.fingerprint,
                                           KexAlgorithms="ecdh-sha2-nistp256")
    assert status == 1 and "is known" not in line and "SSH-2.0-paramiko" in line, line
    assert re.search("(?i)signature", line), line


def test_closed_port(trial):
    t = trial()
    t.upstream.stop()
    assert t.dial() == (1, f"{t.at}: Connection refused")


# --- several hosts ---


def test_first_host_that_connects_decides(trial, ring):
    t = trial(sshd={"listen": "0.0.0.0"}, HostName="127.0.0.2 127.0.0.1")
    key = t.upstream.host_keys[0]
    status, line = t.dial(t.name(key))
    assert status == 1 and line.startswith(f"127.0.0.2 port {t.upstream.port}: SSH-2.0-"), line
    status, line = t.dial(t.name(key, f"[127.0.0.2]:{t.upstream.port}"))
    assert status == 0 and "is known" in line, line


def test_first_host_is_down(trial):
    t = trial(HostName="127.0.0.9 127.0.0.1")
    t.file.write_text(t.upstream.known_hosts())
    p = t.gateway.sallyport("route", "alice", "--dial", "-c", t.gateway.conf)
    first, second = p.stdout.decode().splitlines()[-3:-1]
    assert p.returncode == 0 and first == f"dial       127.0.0.9 port {t.upstream.port}: Connection refused"
    assert second.startswith(f"dial       {t.at}: SSH-2.0-") and "is known" in second


def test_host_name(trial):
    t = trial(HostName="localhost")
    status, line = t.dial(t.name(t.upstream.host_keys[0], f"[localhost]:{t.upstream.port}"))
    assert status == 0 and line.startswith(f"localhost (127.0.0.1) port {t.upstream.port}: SSH-2.0-"), line


def test_host_name_that_does_not_resolve(trial):
    status, line = trial(HostName="name.invalid").dial()
    assert status == 1 and line.startswith("name.invalid: "), line


# --- the gateway itself ---


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "127.0.0.1 [::1]"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_own_address_of_gateway_is_not_dialled(trial, listen, host):
    """Whether the gateway runs or not."""
    port = net.free_port()
    t = trial(front={"ListenAddress": " ".join(net.at(a.strip("[]"), port) for a in listen.split())})
    t.route(HostName=host, Port=port)
    assert t.dial() == (1, f"{host} port {port}: leads back to this gateway")


def test_other_address_or_port_beside_gateway_is_dialled(trial):
    """On another address, or on another port of the same one."""
    t = trial()
    t.gateway.options["ListenAddress"] = net.at("127.0.0.3", t.upstream.port)
    t.gateway.write_gateway()
    t.accepts(t.upstream.known_hosts(), r"is known \(.*\)")
    t.gateway.options["ListenAddress"] = "0.0.0.0:1"
    t.gateway.write_gateway()
    t.accepts(t.upstream.known_hosts(), r"is known \(.*\)")


# --- the process that talks to the upstream ---


class HeldTrial:
    """A trial that waits, because its upstream is silent, so that its processes can be examined."""

    def __init__(self, directory, upstream, ring, **front):
        directory.chmod(0o755)
        self.server = net.Server(until_closed)
        self.gateway = Gateway(directory / "gateway", ring, port=net.free_port(), **front)
        self.gateway.route("alice", upstream, Port=self.server.port, ConnectTimeout="60s")
        self.process = subprocess.Popen(
            [SALLYPORT, "route", "alice", "--dial", "-c", self.gateway.conf], stdout=subprocess.DEVNULL)
        self.talker = wait_for("the process that talks", self.confined, 60)

    def confined(self):
        for p in procs.descendants(self.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                if p.status("Seccomp") == "2":
                    return p
        return None

    def status(self, word):
        text = open(f"/proc/{self.talker.pid}/status", encoding="ascii").read()
        return re.search(rf"^{word}:\s+(.*)$", text, re.M)[1].split()

    def end(self):
        self.process.kill()
        self.process.wait(60)
        self.server.close()


@pytest.fixture
def held_trial(make_sshd, ring, short):
    made = []

    def make(**front):
        made.append(HeldTrial(short, make_sshd(), ring, **front))
        return made[0]

    yield make
    for h in made:
        h.end()


def test_dialling_process_is_confined(held_trial):
    h = held_trial()
    assert h.status("NoNewPrivs") == ["1"]
    if os.getuid() != 0:
        return  # it may not be examined
    wait_for("nothing but its two sockets and what libssh has in place of one",
             lambda: sorted(re.sub(r":.*", "", name) for name in h.talker.descriptors().values())
             == ["/dev/null"] * 3 + ["anon_inode"] + ["socket"] * 2)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can change its user")
def test_dialling_process_runs_as_network_user(held_trial):
    h = held_trial(RunAs="daemon", RunNetworkAs="games")
    assert h.status("Uid") == ["5"] * 4 and "0" not in h.status("Gid") and "0" not in h.status("Groups")


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT])
def test_dialling_process_ends_with_command(held_trial, sig):
    h = held_trial()
    h.process.send_signal(sig)
    h.process.wait(60)
    wait_for("its end", lambda: not h.talker.alive())


def test_killed_dialling_process_is_failure(held_trial):
    """The end of that process is not taken for success."""
    h = held_trial()
    h.talker.kill()
    assert h.process.wait(60) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can change its user")
def test_known_hosts_readable_by_root_alone(short, make_sshd, ring):
    """Judged with the rights of the keeper, by a process that reports back."""
    short.chmod(0o755)
    g = Gateway(short / "gateway", ring, port=net.free_port(), RunAs="daemon", RunNetworkAs="games")
    t = DialTrial(g, make_sshd(KexAlgorithms=QUICK_KEX), ring)
    t.accepts(t.upstream.known_hosts(), r"is known \(.*\)")
    t.file.chmod(0o600)
    status, line = t.dial()
    assert status == 1 and f"the known hosts cannot be read: {t.file}: Permission denied" in line, line
