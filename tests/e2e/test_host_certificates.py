"""Machines that show a certificate: @cert-authority in known_hosts.  (FAULTS F19)

Direct: ssh checks; else the gateway does, for its login.
"""

import base64
import contextlib
import re
import threading

import pytest

from lab import ca as authority
from lab import net
from lab.agent import Agent
from lab.bulk import sha256_of
from lab.refusal import one_line, session_id
from lab.sshd import HOST_KEYS


class Known:
    """What is known of a machine, by the names that it has."""

    def __init__(self, way, port):
        self.way = way
        self.port = port
        self.file = way.client.known_hosts if way.direct else way.gateway.known_hosts_of("alice")

    @property
    def at(self):
        return f"[127.0.0.1]:{self.port}"

    def line(self, key, names=None, marker=""):
        return f"{marker} {names or self.at} {key.public}\n".lstrip()

    def authority(self, ca, names=None):
        return self.line(ca.key, names, "@cert-authority")

    def accepted(self, known):
        self.file.write_text(known)
        r = self.way.ssh("echo in")
        assert r.outcome[:2] == (0, b"in\n"), r

    def refused(self, known, *why):
        """why: what the gateway's log says of it."""
        self.file.write_text(known)
        tries = self.way.sshd.log.text().count(" publickey for ")
        r = self.way.ssh("echo in")
        assert r.code == 255 and r.out == b"", r
        assert self.way.sshd.log.text().count(" publickey for ") == tries  # nothing was offered
        if self.way.gateway:
            assert "host key" in one_line(r.err), r.err
            log = self.way.gateway.log
            line = log.find(rf"session {session_id(r.err)}: Host key verification failed .*SHA256:.*$")
            assert line and all(words in line.group() for words in why), log.text()


@pytest.fixture
def authorities(ring, tmp_path):
    """authorities(KIND): theirs, and another."""

    def make(kind="ed25519"):
        return (authority.CA(tmp_path / "ca", ring.get("host_ca", kind)),
                authority.CA(tmp_path / "other", ring.get("other_host_ca")))

    return make


@pytest.fixture
def certified(own_way, ring):
    """certified(CA, ...): a machine whose key the CA has signed; what else is of route and certificate."""

    def make(ca, kind="ed25519", strict="yes", route=None, sshd=None, **cert):
        file = ca.sign(ring.get("upstream_host", kind), **{"principals": "127.0.0.1", "host": True, **cert})
        w = own_way(sshd={"HostCertificate": file, **(sshd or {})}, host_keys=sorted({*HOST_KEYS, kind}),
                    route={"StrictHostKeyChecking": strict, **(route or {})})
        if w.direct:
            w.client.write_config(StrictHostKeyChecking=strict, HashKnownHosts="no")
        return Known(w, w.sshd.port)

    return make


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa3072"])
def test_each_type(authorities, certified, kind):
    """Key and authority of it: nothing else of the machine is known."""
    ca, _ = authorities(kind)
    k = certified(ca, kind)
    k.accepted(k.authority(ca))


@pytest.mark.parametrize("names", ["*", "127.0.0.*", "[127.0.0.1]:*", "127.0.0.1", "other,[*]:*"])
def test_names_of_the_authority(authorities, certified, names):
    ca, _ = authorities()
    k = certified(ca)
    k.accepted(k.authority(ca, names))


@pytest.mark.parametrize("names", ["127.0.0.2", "[127.0.0.1]:22", "*,![127.0.0.1]:*,!127.0.0.1", "other"])
def test_authority_for_others(authorities, certified, names):
    ca, _ = authorities()
    k = certified(ca)
    k.refused(k.authority(ca, names), "the key is not known")


def test_other_authority(authorities, certified):
    ca, other = authorities()
    k = certified(ca)
    k.refused(k.authority(other), "the key is not known")
    k.accepted(k.authority(other) + k.authority(ca))


def test_key_of_an_authority_is_no_host_key(authorities, certified, ring):
    """And a host key is no authority."""
    ca, _ = authorities()
    k = certified(ca)
    k.refused(k.line(ca.key))
    k.refused(k.line(ring.get("upstream_host"), marker="@cert-authority"))


@pytest.mark.parametrize("principals", ["", "a,127.0.0.1,b"])
def test_principals(authorities, certified, principals):
    """Without any, it is for all hosts."""
    ca, _ = authorities()
    k = certified(ca, principals=principals)
    k.accepted(k.authority(ca))


@pytest.mark.parametrize("principals", ["127.0.0.2", "127.0.0.*", "*", "[127.0.0.1]", "127.0.0.1x"])
def test_principals_of_others(authorities, certified, principals):
    ca, _ = authorities()
    k = certified(ca, principals=principals)
    k.refused(k.authority(ca), "127.0.0.1 is not a principal of the certificate, and the key is not known")


@pytest.mark.parametrize("cert, why", [
    ({"validity": "-2h:-1h"}, "the certificate has expired"),
    ({"validity": "+1h:+2h"}, "the certificate is not valid before"),
    ({"options": ["critical:x@example.com=1"]}, "has a critical option"),
])
def test_not_good_now(authorities, certified, ring, cert, why):
    """As for ssh, its key may be known all the same."""
    ca, _ = authorities()
    k = certified(ca, **cert)
    k.refused(k.authority(ca), why, "the key is not known")
    k.accepted(k.authority(ca) + k.line(ring.get("upstream_host")))
    changed = k.line(ring.get("changed_host"))
    k.refused(k.authority(ca) + changed, why, "the key has CHANGED")


def test_revoked(authorities, certified, ring):
    ca, other = authorities()
    k = certified(ca)
    good = k.authority(ca) + k.line(ring.get("upstream_host"))
    k.accepted(good + k.line(other.key, "*", "@revoked"))
    k.refused(good + k.line(ca.key, "*", "@revoked"), "@revoked")
    k.refused(good + k.line(ring.get("upstream_host"), "*", "@revoked"), "@revoked")


def test_machine_without_a_certificate(authorities, own_way, ring):
    """Where there is an authority: its key has to be known."""
    ca, _ = authorities()
    w = own_way()
    k = Known(w, w.sshd.port)
    k.refused(k.authority(ca), "the key is not known")
    for key in w.sshd.host_keys:
        k.accepted(k.authority(ca) + k.line(key))


def test_accept_new_keeps_the_key(authorities, certified):
    """Of a certificate by an authority that is not known; by one that is, nothing is written."""
    ca, other = authorities()
    k = certified(ca, strict="accept-new")
    k.accepted(k.authority(ca))
    assert k.file.read_text() == k.authority(ca)
    k.accepted(k.authority(other))
    assert re.fullmatch(re.escape(k.authority(other) + k.at) + r" (ssh-ed25519|ssh-rsa|ecdsa-\S+) \S+\n",
                        k.file.read_text())
    k.accepted(k.file.read_text())


def test_no_checking(authorities, certified):
    ca, other = authorities()
    k = certified(ca, strict="no")
    k.accepted(k.authority(other))


def test_fingerprint(authorities, certified, ring):
    """HostKeyFingerprint: that of a certificate is its key's."""
    ca, other = authorities()
    k = certified(ca, route={"HostKeyFingerprint": ring.get("upstream_host").fingerprint})
    if k.way.gateway:
        k.accepted(k.authority(other))


def test_host_key_algorithms(authorities, certified):
    """Certificates alone are asked for."""
    ca, other = authorities()
    only = "ssh-ed25519-cert-v01@openssh.com"
    k = certified(ca, route={"HostKeyAlgorithms": only})
    if k.way.direct:
        k.way.client.write_config(HostKeyAlgorithms=only, StrictHostKeyChecking="yes")
    k.accepted(k.authority(ca))
    k.refused(k.authority(other))


def test_rekeys(authorities, certified, bulk):
    """By the machine, in the middle of a transfer."""
    ca, _ = authorities()
    k = certified(ca, sshd={"RekeyLimit": "1M"})
    k.accepted(k.authority(ca))
    b = bulk(30)
    p = k.way.client.spawn(f"cat {b.path}")
    assert sha256_of(p.stdout) == b.sha256
    assert p.wait(10) == 0


def test_agent(authorities, gated, ring, short):
    """Key = agent, and a key that may only be used for machines of the authority: it sees the same."""
    ca, _ = authorities()
    file = ca.sign(ring.get("upstream_host"), principals="127.0.0.1,machine", host=True)
    w = gated(sshd={"HostCertificate": file}, route={"key": "agent"})
    k = Known(w, w.sshd.port)
    agent = Agent(w, short / "a")
    hosts = w.dir / "hosts"
    hosts.write_text("".join(k.line(key, "gateway") for key in w.gateway.host_keys)
                     + k.authority(ca, "machine"))
    key = agent.add(ring.get("agent"), "-H", hosts, "-h", "gateway", "-h", "gateway>machine")
    w.sshd.authorize(key.public)
    k.accepted(k.authority(ca))


def test_route_says_so(authorities, gated):
    ca, _ = authorities()
    w = gated()
    k = Known(w, w.sshd.port)
    k.file.write_text(k.authority(ca))
    said = w.gateway.command("route", "alice")
    assert f"host key   127.0.0.1 port {k.port}: a certificate, by an authority that is known\n" in said
    assert "none is known" not in said


paramiko = pytest.importorskip("paramiko")


class Shown(paramiko.Ed25519Key):
    """A host key that shows a certificate, any bytes, and signs with a key, any key."""

    blob = b""
    name = "ssh-ed25519-cert-v01@openssh.com"

    def get_name(self):
        return self.name

    def asbytes(self):
        return self.blob


@contextlib.contextmanager
def machine_that_shows(gated, ring, blob, key=None, name=None):
    """A machine that is not sshd, and the login alice to it."""
    shown = Shown(filename=str((key or ring.get("upstream_host")).path))
    shown.blob = blob
    shown.name = name or Shown.name
    tries, done = [], threading.Event()

    class Machine(paramiko.ServerInterface):
        def check_auth_publickey(self, username, key):
            tries.append(username)
            return paramiko.AUTH_FAILED

        def get_allowed_auths(self, username):
            return "publickey"

    def serve(s):
        t = paramiko.Transport(s)
        t.server_key_dict = {shown.name: shown}
        t._preferred_keys = (shown.name,)
        t._key_info = {**t._key_info, shown.name: Shown}
        with contextlib.suppress(paramiko.SSHException, EOFError):
            t.start_server(server=Machine(), event=threading.Event())
            done.wait(30)
        t.close()

    server = net.Server(serve)
    w = gated(route={"Port": server.port})
    try:
        yield Known(w, server.port), tries
    finally:
        done.set()
        server.close()


def forged(ca, other, key):
    """The key, signed by one authority in the name of another."""
    cert = bytearray(authority.blob_of(other.sign(key, principals="127.0.0.1", host=True)))
    mine, theirs = (base64.b64decode(c.key.public.split()[1]) for c in (ca, other))
    assert bytes(cert).count(theirs) == 1 and len(mine) == len(theirs)
    return bytes(cert).replace(theirs, mine)


def test_good_one_of_a_machine_that_is_not_sshd(authorities, gated, ring):
    """So that the next ones are refused for what they are for."""
    ca, _ = authorities()
    cert = authority.blob_of(ca.sign(ring.get("upstream_host"), principals="127.0.0.1", host=True))
    with machine_that_shows(gated, ring, cert) as (k, tries):
        k.file.write_text(k.authority(ca))
        r = k.way.ssh("echo in")
        assert "did not let the gateway in" in r.err and tries, r


@pytest.mark.parametrize("attack, why", [
    ("forged", "the signature of the certificate is not its CA's, and the key is not known"),
    ("other key", "Failed to verify server hostkey signature"),
    ("user", "the certificate is a user's, not a host's"),
    ("cut", "Failed to import next public key"),
    ("cut behind the key", "the certificate is malformed"),
    ("plain name", "bad signature"),
])
def test_attacks(authorities, gated, ring, attack, why):
    """Each is refused before anything is offered; the next login is as before."""
    ca, other = authorities()
    key, name, signer = ring.get("upstream_host"), None, None
    cert = authority.blob_of(ca.sign(key, principals="127.0.0.1", host=True))
    if attack == "forged":
        cert = forged(ca, other, key)
    elif attack == "other key":
        signer = ring.get("changed_host")
    elif attack == "user":
        cert = authority.blob_of(ca.sign(key, principals="127.0.0.1"))
    elif attack == "cut":
        cert = cert[:60]
    elif attack == "cut behind the key":
        cert = cert[:-40]
    elif attack == "plain name":
        name = "ssh-ed25519"
    with machine_that_shows(gated, ring, cert, signer, name) as (k, tries):
        k.file.write_text(k.authority(ca))
        r = k.way.ssh("echo in")
        assert r.code == 255 and r.out == b"" and not tries, r
        assert session_id(one_line(r.err))
        assert why in k.way.gateway.log.text()


def test_one_that_is_too_large(authorities, gated, ring):
    ca, _ = authorities()
    many = ",".join(f"{n}." + 200 * "x" for n in range(60)) + ",127.0.0.1"
    cert = authority.blob_of(ca.sign(ring.get("upstream_host"), principals=many, host=True))
    with machine_that_shows(gated, ring, cert) as (k, tries):
        k.file.write_text(k.authority(ca))
        r = k.way.ssh("echo in")
        assert r.code == 255 and r.out == b"" and not tries, r
        assert session_id(one_line(r.err)) and "host key: too large" in k.way.gateway.log.text()
