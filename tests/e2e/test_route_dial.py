"""`sallyport route LOGIN --dial` says of the upstream what a login would find."""

import re
import subprocess

import pytest

from lab.ca import CA
from lab.dial_trial import VERSION
from lab.gateway import SALLYPORT, libssh
from lab.sshd import OLD_ALGORITHMS
from lab.way import Way


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
    assert not t.upstream.log.find(r"Connection reset|Failed|Accepted publickey")


def test_dial_agrees_with_login(trial, ring, tmp_path):
    """The verdict is the same, in the words of the log."""
    t = trial()
    for known in (t.upstream.known_hosts(), "", with_changed_key(t), with_changed_key(t) + t.upstream.known_hosts(),
                  t.upstream.known_hosts() + "".join(t.name(k, "*", "@revoked") for k in t.upstream.host_keys)):
        status, line = t.dial(known)
        assert login_succeeds(t, tmp_path) == (status == 0), line
        if status != 0:
            said = line.split("Host key verification failed: ")[1]
            t.gateway.log.wait(re.escape(f"Host key verification failed for {t.at}: {said}") + "$")


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
    assert status == 1 and line.endswith(": it does not get what the user types"), line
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
    t.accepts("# mine\n", rf"is not known: the first login will store it in {t.file}")
    assert t.file.read_text() == "# mine\n"
    t.file.unlink()
    assert t.dial()[0] == 0 and not t.file.exists()


def test_unknown_host_key_that_cannot_be_saved(trial, tmp_path):
    t = trial(StrictHostKeyChecking="accept-new", UserKnownHostsFile=tmp_path / "missing" / "file")
    status, line = t.dial()
    assert status == 1 and "is not known, and can't be stored: " in line and "No such file" in line, line


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
    t.gateway.log.wait("Host key verification failed for .*" + re.escape(why))


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
    why = "the certificate has expired: [^;]*; this host.s clock says [^;]*"
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
    if kex.startswith("sntrup761") and libssh() < (0, 12):
        pytest.skip("libssh 0.11 has no post-quantum key exchange")
    t = trial(sshd={"KexAlgorithms": kex, "Ciphers": cipher})
    t.accepts(t.upstream.known_hosts(), r"is known \(.*\)")


def test_dial_without_standard_streams(trial):
    t = trial()
    t.file.write_text(t.upstream.known_hosts())
    p = subprocess.run(["sh", "-c", 'exec "$@" <&- 2>&-', "sh", SALLYPORT, "route", "alice", "--dial", "-c",
                        t.gateway.conf], stdout=subprocess.PIPE, check=False)
    assert p.returncode == 0 and b" is known (" in p.stdout, p
