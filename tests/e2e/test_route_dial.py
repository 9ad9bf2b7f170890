"""`sallyport route LOGIN --dial` says of the upstream what a login would find."""

import base64
import os
import random
import re
import signal
import subprocess
import time

import paramiko
import pytest

from lab import net, procs
from lab.ca import CA
from lab.gateway import SALLYPORT, Gateway
from lab.sshd import OLD_ALGORITHMS
from lab.wait import wait_for
from lab.way import QUICK_KEX, Way


VERSION = r"SSH-2\.0-OpenSSH_\S+( [^,]*)?"
KEY = r"(ED25519|ECDSA|RSA)(-CERT)? SHA256:\S{43}"


class DialTrial:
    """A gateway that is not started, with a route for alice to an upstream or to a port."""

    def __init__(self, gateway, upstream, ring, **route):
        self.gateway, self.upstream, self.ring = gateway, upstream, ring
        self.file = gateway.known_hosts_of("alice")
        self.route(**route)

    def route(self, **words):
        known = self.file.read_text() if self.file.exists() else ""
        self.gateway.route("alice", self.upstream, [self.ring.get("client")], known_hosts=known, key="k", **words)

    def dial(self, known=None):
        """The exit status, and the lines about the connection."""
        if known is not None:
            self.file.write_text(known)
        p = self.gateway.sallyport("route", "alice", "--dial", "-c", self.gateway.conf, timeout=30)
        assert p.stderr == b"", p
        lines = re.findall(r"^dial       (.*)$", p.stdout.decode(), re.M)
        assert len(lines) == 1 and p.stdout.decode().splitlines()[-1].startswith("dial "), p.stdout
        return p.returncode, lines[0]

    @property
    def at(self):
        return f"127.0.0.1 port {self.upstream.port}"

    def accepts(self, known, says):
        status, line = self.dial(known)
        assert status == 0 and re.fullmatch(rf"{re.escape(self.at)}: {VERSION}, {KEY} {says}", line), line

    def refuses(self, known, why):
        """The reason is the same as in the log of a login, except for the session."""
        status, line = self.dial(known)
        assert status == 1, line
        assert re.fullmatch(
            rf"{re.escape(self.at)}: {VERSION}: Host key verification failed: {KEY}: {why}; known keys are in .+",
            line), line

    def name(self, key, names=None, marker=""):
        return f"{marker} {names or f'[127.0.0.1]:{self.upstream.port}'} {key.public}\n".lstrip()


@pytest.fixture
def trial(make_gateway, make_sshd, ring):
    def make(sshd=None, front=None, **route):
        g = make_gateway(port=net.free_port(), **(front or {}))
        m = make_sshd(**{"KexAlgorithms": QUICK_KEX, **(sshd or {})})
        t = DialTrial(g, m, ring, **route)
        return t

    return make


def with_changed_key(t):
    return "".join(t.name(t.ring.get("changed_host", k)) for k in ("ed25519", "ecdsa256", "rsa3072"))


def login_succeeds(t, tmp_path):
    """Whether a login by the same route succeeds."""
    if t.gateway.process is None:
        t.gateway.start()
    w = Way("gateway", tmp_path / "way", t.ring, t.upstream, t.gateway)
    try:
        return w.ssh("echo in").text == "in\n"
    finally:
        w.close()


# --- host keys ---


@pytest.mark.parametrize("kind, short", [("ssh-ed25519", "ED25519"), ("ecdsa-sha2-nistp256", "ECDSA"),
                                         ("ssh-rsa", "RSA")])
def test_known_host_key(trial, kind, short):
    """The algorithms requested follow the known keys, and the matching line is named."""
    t = trial()
    status, line = t.dial("# mine\n\n" + t.upstream.known_hosts([kind]))
    (key,) = [k for k in t.upstream.host_keys if k.type == kind]
    assert status == 0 and line.endswith(f", {short} {key.fingerprint} is known ({t.file}:3)"), line
    assert t.upstream.log.wait(r"sallyport: a trial connection")
    assert not t.upstream.log.find(r"publickey|Connection reset|Failed|Accepted")


def test_dial_agrees_with_login(trial, ring, tmp_path):
    """The verdict is the same, in the words of the log."""
    t = trial()
    for known in (t.upstream.known_hosts(), "", with_changed_key(t), with_changed_key(t) + t.upstream.known_hosts(),
                  t.upstream.known_hosts() + "".join(t.name(k, "*", "@revoked") for k in t.upstream.host_keys)):
        status, line = t.dial(known)
        assert login_succeeds(t, tmp_path) == (status == 0), line
        if status != 0:
            said = line.split("Host key verification failed: ")[1]
            assert f"Host key verification failed for {t.at}: {said}\n" in t.gateway.log.text()


def test_second_known_hosts_file(trial, tmp_path):
    other = tmp_path / "other"
    t = trial(UserKnownHostsFile=f"conf.d/alice.known_hosts {other}")
    other.write_text("#\n" + t.upstream.known_hosts(["ssh-ed25519"]))
    t.accepts("", rf"is known \({other}:2\)")


def test_hashed_host_names(trial):
    t = trial()
    t.file.write_text(t.upstream.known_hosts(["ssh-ed25519"]))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", t.file], check=True, capture_output=True)
    t.accepts(None, rf"is known \({t.file}:1\)")


@pytest.mark.parametrize("strict", ["yes", "accept-new"])
def test_changed_host_key(trial, strict):
    t = trial(StrictHostKeyChecking=strict)
    t.refuses(with_changed_key(t), "the key has CHANGED: .*")


def test_changed_host_key_without_checking(trial, ring):
    t = trial(StrictHostKeyChecking="no")
    t.accepts(with_changed_key(t), "has CHANGED, and StrictHostKeyChecking is no")
    t.route(StrictHostKeyChecking="no", Passthrough="yes")
    status, line = t.dial()
    assert status == 1 and line.endswith(": it does not get what the person types"), line
    t.gateway.sallyport("key", "add", "secret", "--password", "-c", t.gateway.conf, stdin=b"secret\n")
    t.route(StrictHostKeyChecking="no", Password="secret")
    status, line = t.dial()
    assert status == 1 and line.endswith(": it does not get the stored password"), line


def test_unknown_host_key(trial):
    t = trial()
    t.refuses("", "the key is not known")
    t.refuses(t.upstream.known_hosts().replace("127.0.0.1", "127.0.0.2"), "the key is not known")
    t.file.unlink()
    p = t.gateway.sallyport("route", "alice", "--dial", "-c", t.gateway.conf)
    assert p.returncode == 1 and b": the key is not known; known keys are in " in p.stdout


def test_unknown_host_key_without_checking(trial):
    t = trial(StrictHostKeyChecking="no")
    t.accepts("", "is not known, and StrictHostKeyChecking is no")


def test_unknown_host_key_with_accept_new(trial):
    """The trial does not save the key."""
    t = trial(StrictHostKeyChecking="accept-new")
    t.accepts("# mine\n", rf"is not known: the first login will keep it in {t.file}")
    assert t.file.read_text() == "# mine\n"
    t.file.unlink()
    assert t.dial()[0] == 0 and not t.file.exists()


def test_unknown_host_key_that_cannot_be_saved(trial, tmp_path):
    t = trial(StrictHostKeyChecking="accept-new", UserKnownHostsFile=tmp_path / "missing" / "file")
    status, line = t.dial()
    assert status == 1 and "is not known, and can't be kept: " in line and "No such file" in line, line


def test_revoked_host_key(trial):
    t = trial()
    revoked = "".join(t.name(k, "*", "@revoked") for k in t.upstream.host_keys)
    t.refuses(t.upstream.known_hosts() + revoked, "the key is marked @revoked")
    t.route(StrictHostKeyChecking="no")
    t.refuses(None, "the key is marked @revoked")


def test_unreadable_known_hosts(trial, tmp_path):
    """The file may revoke the key."""
    t = trial(StrictHostKeyChecking="no")
    t.file.unlink()
    t.file.mkdir()
    p = t.gateway.sallyport("route", "alice", "--dial", "-c", t.gateway.conf)
    assert p.returncode == 1
    why = f": the known hosts cannot be read: {t.file}: "
    assert why in p.stdout.decode().splitlines()[-1], p
    assert not login_succeeds(t, tmp_path)
    assert t.gateway.log.find("Host key verification failed for .*" + re.escape(why))


def test_host_key_fingerprint(trial, ring):
    right = ring.get("upstream_host").fingerprint
    t = trial(sshd={"host_keys": ("ed25519",)}, UserKnownHostsFile=None, HostKeyFingerprint=right)
    t.accepts(None, r"is known \(HostKeyFingerprint\)")
    t.route(UserKnownHostsFile=None, HostKeyFingerprint=ring.get("changed_host").fingerprint)
    t.refuses(None, "the key has CHANGED: .*")


# --- certificates ---


@pytest.fixture
def certified(trial, ring, tmp_path):
    def make(**cert):
        ca = CA(tmp_path / "ca", ring.get("host_ca"))
        file = ca.sign(ring.get("upstream_host"), **{"principals": "127.0.0.1", "host": True, **cert})
        t = trial(sshd={"HostCertificate": file})
        return t, t.name(ca.key, marker="@cert-authority")

    return make


def test_host_certificate(certified, ring):
    t, authority = certified()
    t.accepts("\n" + authority, rf"is known \({t.file}:2, @cert-authority\)")
    other = t.name(ring.get("other_host_ca"), marker="@cert-authority")
    t.refuses(other, "the key is not known")
    t.refuses(authority + t.name(ring.get("host_ca"), "*", "@revoked"), "the key is marked @revoked")


def test_invalid_host_certificate(certified, ring):
    t, authority = certified(validity="-2h:-1h")
    why = "the certificate has expired[^;]*"
    t.refuses(authority, f"{why}, and the key is not known")
    t.accepts(authority + t.name(ring.get("upstream_host")), rf"is known \({t.file}:2\); {why}")


def test_host_certificate_of_another_ca(certified):
    t, authority = certified(principals="127.0.0.2")
    t.refuses(authority, "127.0.0.1 is not a principal of the certificate, and the key is not known")


# --- algorithms ---


@pytest.mark.parametrize("upstream, words", OLD_ALGORITHMS, ids=[" ".join(m.values()) for m, _ in OLD_ALGORITHMS])
def test_old_algorithms(trial, upstream, words):
    route = dict.fromkeys(upstream, words)
    if "MACs" in upstream:
        route["MACs"] = "+" + upstream["MACs"]
    t = trial(sshd=upstream, **route)
    t.accepts(t.upstream.known_hosts(), r"is known \(.*\)")
    t.route()
    status, line = t.dial()
    assert status == 1 and re.search(rf"^{t.at}: {VERSION}: no matching .* found. Their offer: ", line), line


@pytest.mark.parametrize("kex", ["sntrup761x25519-sha512@openssh.com", "ecdh-sha2-nistp521",
                                 "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256"])
@pytest.mark.parametrize("cipher", ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes192-ctr"])
def test_each_key_exchange(trial, kex, cipher):
    """Under the seccomp filter."""
    t = trial(sshd={"KexAlgorithms": kex, "Ciphers": cipher})
    t.accepts(t.upstream.known_hosts(), r"is known \(.*\)")


def test_dial_without_standard_streams(trial):
    t = trial()
    t.file.write_text(t.upstream.known_hosts())
    p = subprocess.run(["sh", "-c", 'exec "$@" <&- 2>&-', "sh", SALLYPORT, "route", "alice", "--dial", "-c",
                        t.gateway.conf], stdout=subprocess.PIPE, check=False)
    assert p.returncode == 0 and b" is known (" in p.stdout, p


# --- servers that are no upstreams ---


@pytest.fixture
def dial_scripted_server(make_gateway, make_sshd, ring):
    """dial_scripted_server(HANDLE, ...): a route to this server; the status, the line and the seconds of a
    trial.
    """
    servers = []

    def make(handle, **route):
        servers.append(net.Server(handle))
        upstream = make_sshd()
        t = DialTrial(make_gateway(port=net.free_port()), upstream, ring,
                      **{"ConnectTimeout": "1s", "Port": servers[0].port, **route})
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
    status, line, seconds = dial_scripted_server(until_closed)
    assert (status, line) == (1, NO_SSH + "timed out") and 0.9 < seconds < 4


def test_port_that_closes_at_once(dial_scripted_server):
    assert dial_scripted_server(lambda s: None)[:2] == (1, NO_SSH + "closed by the other side")


def test_silence_after_version(dial_scripted_server):
    status, line, seconds = dial_scripted_server(sender_of(b"SSH-2.0-slow\r\n"))
    assert (status, line) == (1, "SSH-2.0-slow: timed out") and seconds < 4


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"A" * 100000, b"A line\r\n" * 10000, b"\0" * 1000, b"SSH-2.0-" + b"x" * 300 + b"\r\n"],
    ids=["http", "tls", "long", "lines", "nul", "long-version"])
def test_servers_of_other_protocols(dial_scripted_server, data):
    status, line, seconds = dial_scripted_server(sender_of(data))
    assert status == 1 and line.startswith(NO_SSH) and len(line) < 200 and seconds < 4


def test_ssh_1_server(dial_scripted_server):
    status, line, seconds = dial_scripted_server(sender_of(b"SSH-1.5-old\r\n"))
    assert status == 1 and line.startswith("SSH-1.5-old: ") and seconds < 4, line


@pytest.mark.parametrize("after", [b"", bytes(64), random.Random(1).randbytes(4096), b"\xff" * 64],
                         ids=["nothing", "zeroes", "anything", "ones"])
def test_version_with_control_characters(dial_scripted_server, after):
    """The version string is printed without control characters, on one line."""
    status, line, _ = dial_scripted_server(sender_of(b"SSH-2.0-\x1b[2J\x07\x9bx %s%n\\ \r\n" + after))
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
    first, second = p.stdout.decode().splitlines()[-2:]
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
        self.talker = wait_for("the process that talks", self.confined, 10)

    def confined(self):
        for p in procs.descendants(self.process.pid):
            if "Seccomp:\t2" in open(f"/proc/{p.pid}/status", encoding="ascii").read():
                return p
        return None

    def status(self, word):
        text = open(f"/proc/{self.talker.pid}/status", encoding="ascii").read()
        return re.search(rf"^{word}:\s+(.*)$", text, re.M)[1].split()

    def end(self):
        self.process.kill()
        self.process.wait(10)
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
    here = f"/proc/{h.talker.pid}/fd"
    wait_for("nothing but its two sockets and what libssh has in place of one",
             lambda: sorted(re.sub(r":.*", "", os.readlink(f"{here}/{f}")) for f in os.listdir(here))
             == ["/dev/null"] * 3 + ["anon_inode"] + ["socket"] * 2)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can change its user")
def test_dialling_process_runs_as_network_user(held_trial):
    h = held_trial(RunAs="daemon", RunNetworkAs="games")
    assert h.status("Uid") == ["5"] * 4 and "0" not in h.status("Gid") and "0" not in h.status("Groups")


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT])
def test_dialling_process_ends_with_command(held_trial, sig):
    h = held_trial()
    h.process.send_signal(sig)
    h.process.wait(10)
    wait_for("its end", lambda: not h.talker.alive(), 10)


def test_killed_dialling_process_is_failure(held_trial):
    """The end of that process is not taken for success."""
    h = held_trial()
    h.talker.kill()
    assert h.process.wait(10) == 1


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
