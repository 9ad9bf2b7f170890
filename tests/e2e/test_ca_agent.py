"""Key = ca-agent:SOCKET: an ssh-agent signs the certificate of each login."""

import re
import threading
from pathlib import Path

import pytest

from lab.ca import CA
from lab.ca_agent import FAILURE, RUN, CaAgent, FalseAgent, Token, asked_to_sign, reachable, sign_response, string
from lab.refusal import one_line
from lab.wait import wait_for
from lab.way import QUICK_KEX, Way

IDENTITIES_ANSWER = 12


class ByAgent:
    """alice's route with a CA in the agent, and bob's with a mapped key, to one machine."""

    def __init__(self, gateway, make_sshd, ring, directory, path, ca, **words):
        self.gateway, self.path, self.ca = gateway, path, ca
        self.sshd = make_sshd(KexAlgorithms=QUICK_KEX, TrustedUserCAKeys=ca.file)
        key = f"ca-agent:{path}"
        gateway.keys[key] = ca.key.public
        self.authority = gateway.conf / "authority.pub"
        self.authority.write_text(f"# of the agent\n{ca.key.public} a CA\n")
        gateway.route("alice", self.sshd, [ring.get("client")], key=key,
                      **{"CertificateAuthority": "conf.d/authority.pub", **words})
        gateway.route("bob", self.sshd, [ring.get("client")])
        gateway.start()
        self.way = Way("gateway", directory, ring, self.sshd, gateway)

    def refused(self, why):
        """alice's login fails with one line, for which the log says why; bob's does not."""
        mark = self.gateway.log.mark()
        r = self.way.ssh("true")
        assert r.code == 255 and "the gateway cannot log you in right now" in one_line(r.err), r
        self.gateway.log.wait(rf"alice from .* refused: Key = ca-agent:{re.escape(str(self.path))}: no certificate: "
                              rf"{why}", mark)
        assert len(re.findall("no certificate", self.gateway.log.text(mark))) == 1
        assert self.way.lets_in("bob")
        self.gateway.quiet()


@pytest.fixture
def directory(short):
    return reachable(short)


@pytest.fixture
def by_agent(make_gateway, make_sshd, ring, tmp_path):
    """by_agent(path, kind=..., **words): a ByAgent whose CA key is of that type."""
    made = []

    def make(path, kind="ed25519", authority=None, **words):
        ca = CA(tmp_path / "ca", authority or ring.get("authority", kind))
        made.append(ByAgent(make_gateway(**RUN), make_sshd, ring, tmp_path / "way", path, ca, **words))
        return made[-1]

    yield make
    for b in made:
        b.way.close()


@pytest.fixture
def agent(directory):
    """agent(*flags, **env): an ssh-agent without keys."""
    made = []

    def make(*flags, **env):
        made.append(CaAgent(directory, *flags, **env))
        return made[-1]

    yield make
    for a in made:
        a.stop()


@pytest.fixture
def false_agent(directory):
    """false_agent(answer): a FalseAgent."""
    made = []

    def make(answer):
        made.append(FalseAgent(directory, answer))
        return made[-1]

    yield make
    for a in made:
        a.stop()


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "ecdsa256", "ecdsa521"])
def test_login_with_a_certificate_signed_by_an_agent(by_agent, agent, ring, kind):
    a = agent()
    a.add(ring.get("authority", kind))
    b = by_agent(a.path, kind)
    assert b.way.ssh("echo in").text == "in\n"
    says = b.gateway.log.wait(r", certificate serial (\d+) ID (alice session .*)$")
    b.sshd.log.wait(rf"Accepted publickey for .* ED25519-CERT SHA256:\S+ ID {re.escape(says[2])} "
                    rf"\(serial {says[1]}\) CA \S+ {re.escape(b.ca.key.fingerprint)}")
    # the key is in no file of the gateway's
    assert not [f for f in (b.gateway.dir / "keys").iterdir() if "authority" in f.name]


def test_agent_of_the_login_is_asked_once(by_agent, false_agent, ring):
    """For one signature, by the key that CertificateAuthority names, over a certificate for that login alone."""
    requests = []
    f = false_agent(lambda request: requests.append(request) or bytes([FAILURE]))
    by_agent(f.path).refused("the agent has no keys")
    signed = asked_to_sign(requests[0])
    assert b"ssh-ed25519-cert-v01@openssh.com" in signed and b"alice session " in signed
    assert len(requests) == 2 and requests[1] == bytes([11])  # and which keys it has


def test_agent_without_the_key(by_agent, agent, ring):
    a = agent()
    b = by_agent(a.path)
    b.refused(r"the agent has no keys: it is locked, or nobody has added one \(ssh-add\)")
    a.add(ring.get("another"))
    b.refused(rf"the agent does not have the key {re.escape(b.ca.key.fingerprint)}")
    a.add(ring.get("authority"))
    b.way.answers()


def test_agent_that_is_locked(by_agent, agent, ring, tmp_path):
    a = agent()
    a.add(ring.get("authority"))
    b = by_agent(a.path)
    ask = tmp_path / "ask"
    ask.write_text("#!/bin/sh\necho secret\n")
    ask.chmod(0o755)
    asking = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    assert a.ssh_add("-x", **asking).returncode == 0
    b.refused("the agent has no keys: it is locked")
    assert a.ssh_add("-X", **asking).returncode == 0
    b.way.answers()


def test_agent_that_refuses(by_agent, agent, ring):
    a = agent(SSH_ASKPASS="/bin/false", SSH_ASKPASS_REQUIRE="force")
    a.add(ring.get("authority"), "-c")
    by_agent(a.path).refused("the agent refuses to sign with SHA256:")


def test_agent_that_is_gone(by_agent, agent, directory):
    b = by_agent(directory / "socket")
    b.refused("the agent cannot be connected to: No such file or directory")
    a = agent()
    a.stop()
    b.refused("the agent cannot be connected to: Connection refused")


BAD_ANSWERS = {
    "garbage": (lambda request: b"\xff" * 100, "the answer of the agent is not understood"),
    "nothing": (lambda request: None, "the agent closed the connection: OpenSSH's serves its own user alone"),
    "empty signature": (lambda request: sign_response(b""), "the answer of the agent is not understood"),
    "too long": (lambda request: b"\x0e" * (256 * 1024 + 1), "the answer of the agent is not understood"),
    "signature of nothing": (lambda request: sign_response(string(b"ssh-ed25519") + string(b"x" * 64)),
                             "the signature is not by the authority's key, or not over what was to be signed"),
    "SHA-1": (lambda request: sign_response(string(b"ssh-rsa") + string(b"x" * 384)),
              "the signature is by another algorithm than the one asked for"),
    "keys that are none": (lambda request: bytes([FAILURE] if request[0] == 13 else [IDENTITIES_ANSWER, 0, 0, 0, 9]),
                           "the answer of the agent is not understood"),
}


@pytest.mark.parametrize("what", list(BAD_ANSWERS))
def test_agent_with_a_bad_answer(by_agent, false_agent, what):
    answer, why = BAD_ANSWERS[what]
    by_agent(false_agent(answer).path).refused(why)


@pytest.mark.parametrize("alg", ["ssh-rsa", "rsa-sha2-256"])
def test_signature_of_another_algorithm(by_agent, false_agent, ring, alg):
    """It is a good one, by the right key over the right bytes."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding

    key = serialization.load_ssh_private_key(ring.get("authority", "rsa3072").path.read_bytes(), None)
    digest = hashes.SHA1() if alg == "ssh-rsa" else hashes.SHA256()

    def answer(request):
        signature = key.sign(asked_to_sign(request), padding.PKCS1v15(), digest)
        return sign_response(string(alg.encode()) + string(signature))

    by_agent(false_agent(answer).path, "rsa3072").refused("the signature is by another algorithm than the one asked for")


def test_signature_of_another_certificate(by_agent, false_agent, ring):
    """The agent's key has signed, but not what the keeper wanted signed."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_ssh_private_key(ring.get("authority").path.read_bytes(), None)

    def answer(request):
        data = bytearray(asked_to_sign(request))
        data[-40] ^= 1
        return sign_response(string(b"ssh-ed25519") + string(key.sign(bytes(data))))

    by_agent(false_agent(answer).path).refused("the signature is not by the authority's key, or not over what")


def test_agent_that_hangs_delays_nobody_else(by_agent, false_agent):
    """More logins wait for it than there are places to dial one machine."""
    b = by_agent(false_agent(lambda request: FalseAgent.HANGS).path)
    clients = [b.way.new_client() for _ in range(12)]
    waiting = [c.spawn("true") for c in clients]
    try:
        b.gateway.log.wait(r"Accepted publickey for alice")
        assert b.way.lets_in("bob")
        b.gateway.log.wait(r"no certificate: the agent did not answer in time")
        assert b.way.lets_in("bob")
    finally:
        for p in waiting:
            p.kill()
            p.wait(timeout=60)
    b.gateway.quiet()
    wait_for("the errands to end", lambda: not [p for p in b.gateway.processes() if "errand" in p.title()])


def test_client_that_leaves_ends_the_errand(by_agent, false_agent):
    asked = threading.Event()
    b = by_agent(false_agent(lambda request: asked.set() or FalseAgent.HANGS).path, ConnectTimeout="600")
    p = b.way.client.spawn("true")
    assert asked.wait(60)
    p.kill()
    p.wait(timeout=60)
    b.gateway.quiet()
    wait_for("the errand to end", lambda: not [p for p in b.gateway.processes() if "errand" in p.title()])


@pytest.mark.parametrize("kind", ["EC:prime256v1", "rsa:2048"])
def test_key_in_a_token(by_agent, agent, directory, tmp_path, kind):
    """SoftHSM2 by PKCS#11, which a helper of ssh-agent loads; the keeper loads no such library."""
    token = Token(directory)
    key = token.generate(kind, tmp_path / "authority")
    ask = directory.parent / "pin"
    ask.write_text(f"#!/bin/sh\necho {token.PIN}\n")
    ask.chmod(0o755)
    a = agent("-P", f"{token.module},{token.module.resolve()}", **token.env)
    p = a.ssh_add("-s", token.module, SSH_ASKPASS=str(ask), SSH_ASKPASS_REQUIRE="force")
    if "agent refused operation" in p.stderr:
        pytest.skip("this ssh-agent loads no PKCS#11 library")
    assert p.returncode == 0, p
    b = by_agent(a.path, authority=key)
    b.way.answers()
    b.sshd.log.wait(rf"Accepted publickey for .* CA \S+ {re.escape(key.fingerprint)}")
    for keeper in b.gateway.keepers():
        try:
            maps = Path(f"/proc/{keeper.pid}/maps").read_text()
        except PermissionError:
            continue  # it can be read by root alone, and not in every container
        assert "libsodium" in maps and not re.search("pkcs11|p11|hsm", maps), maps


def test_dial_asks_the_agent(by_agent, agent, ring):
    a = agent()
    b = by_agent(a.path)
    p = b.gateway.sallyport("route", "alice", "--dial", "-c", b.gateway.conf)
    assert p.returncode == 1 and b"no certificate: the agent has no keys" in p.stdout, p
    a.add(ring.get("authority"))
    p = b.gateway.sallyport("route", "alice", "--dial", "-c", b.gateway.conf)
    assert p.returncode == 0 and b"takes a certificate by the authority " in p.stdout, p
    assert f"in the agent {a.path}".encode() in p.stdout
    assert not b.sshd.log.find("Accepted publickey")


def test_check_looks_at_agent_and_authority(by_agent, agent, ring, directory):
    a = agent()
    b = by_agent(a.path)
    assert b.gateway.notes() == ""
    a.stop()
    a.path.unlink(missing_ok=True)
    assert "No such file or directory; is the agent running?" in b.gateway.notes()
    b.authority.write_text("nothing\n")
    assert "CertificateAuthority: " in b.gateway.notes() and "has no public key" in b.gateway.notes()
    b.authority.write_text(b.gateway.host_keys[0].public + "\n")
    assert "this key is HostKey host_ed25519, too" in b.gateway.notes()
    key = f"ca-agent:{a.path}"
    for words, says in [({"CertificateAuthority": None}, "needs CertificateAuthority = FILE.pub"),
                        ({"CertificateFile": "x"}, "cannot be combined")]:
        b.gateway.route("alice", b.sshd, [ring.get("client")], key=key,
                        **{"CertificateAuthority": "conf.d/authority.pub", **words})
        status, text = b.gateway.check()
        assert status == 78 and says in text, text
    for wrong in ("ca-agent:relative", "ca-agent:/" + "x" * 108):
        b.gateway.keys[wrong] = ""
        b.gateway.route("alice", b.sshd, [ring.get("client")], key=wrong, CertificateAuthority="conf.d/authority.pub")
        status, text = b.gateway.check()
        assert status == 78 and "the absolute path of an ssh-agent's socket" in text, text


def test_key_of_a_ca_is_for_nothing_else(make_gateway, make_sshd, ring):
    g, upstream = make_gateway(), make_sshd()
    g.generate_key("users")
    g.keys["ca:users"] = g.keys["users"]
    g.route("alice", upstream, [ring.get("client")], key="ca:users")
    assert g.notes() == ""
    g.route("bob", upstream, [ring.get("client")], key="users")
    assert "Key: users is a CA's key, too (Key = ca:users)" in g.notes()
