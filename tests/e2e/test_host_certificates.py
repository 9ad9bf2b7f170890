"""Upstreams that show a host certificate: @cert-authority in known_hosts.

Direct, ssh checks the certificate; otherwise the gateway does.
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
from lab.keys import known_hosts_line
from lab.refusal import one_line, session_id
from lab.sshd import HOST_KEYS, version
from lab.wait import PATIENCE


class KnownHosts:
    """The known_hosts file in use, and logins with it."""

    def __init__(self, way, port):
        self.way = way
        self.port = port
        self.file = way.client.known_hosts if way.direct else way.gateway.known_hosts_of("alice")

    def line(self, key, names=None, marker=""):
        return known_hosts_line(key, self.port, names, marker)

    def authority(self, ca, names=None):
        return self.line(ca.key, names, "@cert-authority")

    def accepted(self, known):
        self.file.write_text(known)
        r = self.way.ssh("echo in")
        assert r.outcome[:2] == (0, b"in\n"), r

    def refused(self, known, *why):
        """why: what the gateway's log says."""
        self.file.write_text(known)
        tries = self.way.sshd.log.text().count(" publickey for ")
        r = self.way.ssh("echo in")
        assert r.code == 255 and r.out == b"", r
        assert self.way.sshd.log.text().count(" publickey for ") == tries  # no key was offered
        if self.way.gateway:
            assert "host key" in one_line(r.err), r.err
            log = self.way.gateway.log
            line = log.wait(rf"session {session_id(r.err)}: Host key verification failed .*SHA256:.*$")
            assert all(words in line.group() for words in why), log.text()


@pytest.fixture
def authorities(ring, tmp_path):
    """authorities(KIND): the CA of the upstream, and another."""

    def make(kind="ed25519"):
        return (authority.CA(tmp_path / "ca", ring.get("host_ca", kind)),
                authority.CA(tmp_path / "other", ring.get("other_host_ca")))

    return make


@pytest.fixture
def upstream_with_certificate(own_way, ring):
    """upstream_with_certificate(CA, ...): a way to an upstream whose key the CA signed; options of the route
    and of the certificate.
    """

    def make(ca, kind="ed25519", strict="yes", route=None, sshd=None, **cert):
        file = ca.sign(ring.get("upstream_host", kind), **{"principals": "127.0.0.1", "host": True, **cert})
        w = own_way(sshd={"HostCertificate": file, **(sshd or {})}, host_keys=sorted({*HOST_KEYS, kind}),
                    route={"StrictHostKeyChecking": strict, **(route or {})})
        if w.direct:
            w.client.write_config(StrictHostKeyChecking=strict, HashKnownHosts="no")
        return KnownHosts(w, w.sshd.port)

    return make


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa3072"])
def test_each_type_of_key_and_ca(authorities, upstream_with_certificate, kind):
    """Nothing but the CA is known of the upstream."""
    ca, _ = authorities(kind)
    k = upstream_with_certificate(ca, kind)
    k.accepted(k.authority(ca))


@pytest.mark.parametrize("names", ["*", "127.0.0.*", "[127.0.0.1]:*", "127.0.0.1", "other,[*]:*"])
def test_ca_line_names_upstream(authorities, upstream_with_certificate, names):
    ca, _ = authorities()
    k = upstream_with_certificate(ca)
    k.accepted(k.authority(ca, names))


@pytest.mark.parametrize("names", ["127.0.0.2", "[127.0.0.1]:22", "*,![127.0.0.1]:*,!127.0.0.1", "other"])
def test_ca_line_for_other_hosts(authorities, upstream_with_certificate, names):
    ca, _ = authorities()
    k = upstream_with_certificate(ca)
    k.refused(k.authority(ca, names), "the key is not known")


def test_certificate_of_another_ca(authorities, upstream_with_certificate):
    ca, other = authorities()
    k = upstream_with_certificate(ca)
    k.refused(k.authority(other), "the key is not known")
    k.accepted(k.authority(other) + k.authority(ca))


def test_ca_key_is_no_host_key(authorities, upstream_with_certificate, ring):
    """And a host key is no CA."""
    ca, _ = authorities()
    k = upstream_with_certificate(ca)
    k.refused(k.line(ca.key))
    k.refused(k.line(ring.get("upstream_host"), marker="@cert-authority"))


@pytest.mark.parametrize("principals", ["", "a,127.0.0.1,b"])
def test_principals_of_certificate(authorities, upstream_with_certificate, principals):
    """A certificate without principals is for all hosts."""
    ca, _ = authorities()
    k = upstream_with_certificate(ca, principals=principals)
    if k.way.direct and principals == "" and version() >= (10, 1):
        pytest.skip("ssh 10.6 refuses them")
    k.accepted(k.authority(ca))


@pytest.mark.parametrize("principals", ["127.0.0.2", "127.0.0.*", "*", "[127.0.0.1]", "127.0.0.1x"])
def test_principals_of_other_hosts(authorities, upstream_with_certificate, principals):
    ca, _ = authorities()
    k = upstream_with_certificate(ca, principals=principals)
    if k.way.direct and "*" in principals and version() >= (10, 1):
        pytest.skip("for ssh 10.6 these are patterns")
    k.refused(k.authority(ca), "127.0.0.1 is not a principal of the certificate, and the key is not known")


@pytest.mark.parametrize("cert, why", [
    ({"validity": "-2h:-1h"}, "the certificate has expired"),
    ({"validity": "+1h:+2h"}, "the certificate is not valid before"),
    ({"options": ["critical:x@example.com=1"]}, "has a critical option"),
])
def test_certificate_outside_its_validity(authorities, upstream_with_certificate, ring, cert, why):
    """As in ssh, the plain key may still be known."""
    ca, _ = authorities()
    k = upstream_with_certificate(ca, **cert)
    k.refused(k.authority(ca), why, "the key is not known")
    k.accepted(k.authority(ca) + k.line(ring.get("upstream_host")))
    changed = k.line(ring.get("changed_host"))
    k.refused(k.authority(ca) + changed, why, "the key has CHANGED")


def test_revoked_certificate(authorities, upstream_with_certificate, ring):
    ca, other = authorities()
    k = upstream_with_certificate(ca)
    good = k.authority(ca) + k.line(ring.get("upstream_host"))
    k.accepted(good + k.line(other.key, "*", "@revoked"))
    k.refused(good + k.line(ca.key, "*", "@revoked"), "@revoked")
    k.refused(good + k.line(ring.get("upstream_host"), "*", "@revoked"), "@revoked")


def test_upstream_without_certificate(authorities, own_way, ring):
    """With a CA in known_hosts, its plain key must be known."""
    ca, _ = authorities()
    w = own_way()
    k = KnownHosts(w, w.sshd.port)
    k.refused(k.authority(ca), "the key is not known")
    for key in w.sshd.host_keys:
        k.accepted(k.authority(ca) + k.line(key))


def test_accept_new_saves_plain_key(authorities, upstream_with_certificate):
    """Saved if the CA is unknown; with a known CA, nothing is written."""
    ca, other = authorities()
    k = upstream_with_certificate(ca, strict="accept-new")
    k.accepted(k.authority(ca))
    assert k.file.read_text() == k.authority(ca)
    k.accepted(k.authority(other))
    assert re.fullmatch(re.escape(f"{k.authority(other)}[127.0.0.1]:{k.port}") + r" (ssh-ed25519|ssh-rsa|ecdsa-\S+) \S+\n",
                        k.file.read_text())
    k.accepted(k.file.read_text())


def test_strict_host_key_checking_no(authorities, upstream_with_certificate):
    ca, other = authorities()
    k = upstream_with_certificate(ca, strict="no")
    k.accepted(k.authority(other))


def test_host_key_fingerprint_of_certificate(authorities, upstream_with_certificate, ring):
    """HostKeyFingerprint is that of the key in the certificate."""
    ca, other = authorities()
    k = upstream_with_certificate(ca, route={"HostKeyFingerprint": ring.get("upstream_host").fingerprint})
    if k.way.gateway:
        k.accepted(k.authority(other))


def test_certificate_algorithms_alone(authorities, upstream_with_certificate):
    ca, other = authorities()
    only = "ssh-ed25519-cert-v01@openssh.com"
    k = upstream_with_certificate(ca, route={"HostKeyAlgorithms": only})
    if k.way.direct:
        k.way.client.write_config(HostKeyAlgorithms=only, StrictHostKeyChecking="yes")
    k.accepted(k.authority(ca))
    k.refused(k.authority(other))


def test_rekeying_with_certificate(authorities, upstream_with_certificate, bulk):
    """The upstream rekeys during a transfer."""
    ca, _ = authorities()
    k = upstream_with_certificate(ca, sshd={"RekeyLimit": "1M"})
    k.accepted(k.authority(ca))
    b = bulk(30)
    p = k.way.client.spawn(f"cat {b.path}")
    assert sha256_of(p.stdout) == b.sha256
    assert p.wait(PATIENCE) == 0


def test_key_agent_with_host_certificate(authorities, gated, ring, short):
    """A key of the agent that is restricted to upstreams of the CA."""
    ca, _ = authorities()
    file = ca.sign(ring.get("upstream_host"), principals="127.0.0.1,upstream", host=True)
    w = gated(sshd={"HostCertificate": file}, route={"key": "agent"})
    k = KnownHosts(w, w.sshd.port)
    agent = Agent(w, short / "a")
    hosts = w.dir / "hosts"
    hosts.write_text("".join(k.line(key, "gateway") for key in w.gateway.host_keys)
                     + k.authority(ca, "upstream"))
    key = agent.add(ring.get("agent"), "-H", hosts, "-h", "gateway", "-h", "gateway>upstream")
    w.sshd.authorize(key.public)
    k.accepted(k.authority(ca))


def test_route_dial_shows_certificate(authorities, gated):
    ca, _ = authorities()
    w = gated()
    k = KnownHosts(w, w.sshd.port)
    k.file.write_text(k.authority(ca))
    said = w.gateway.command("route", "alice")
    assert f"host key   127.0.0.1 port {k.port}: a certificate, by an authority that is known\n" in said
    assert "none is known" not in said


paramiko = pytest.importorskip("paramiko")


class CertificateKey(paramiko.Ed25519Key):
    """A host key that shows any bytes as its certificate, and signs with any key."""

    blob = b""
    shown_as = ""  # paramiko reads and signs by `name`

    def get_name(self):
        return self.shown_as

    def asbytes(self):
        return self.blob


@contextlib.contextmanager
def upstream_with_host_key(gated, ring, blob, key=None, name=None):
    """A way to an upstream that is not sshd, with this host key."""
    shown = CertificateKey(filename=str((key or ring.get("upstream_host")).path))
    shown.blob = blob
    shown.shown_as = name or "ssh-ed25519-cert-v01@openssh.com"
    tries, done = [], threading.Event()

    class Machine(paramiko.ServerInterface):
        def check_auth_publickey(self, username, key):
            tries.append(username)
            return paramiko.AUTH_FAILED

        def get_allowed_auths(self, username):
            return "publickey"

    def serve(s):
        t = paramiko.Transport(s)
        t.server_key_dict = {shown.shown_as: shown}
        t._preferred_keys = (shown.shown_as,)
        t._key_info = {**t._key_info, shown.shown_as: CertificateKey}
        with contextlib.suppress(paramiko.SSHException, EOFError):
            t.start_server(server=Machine(), event=threading.Event())
            done.wait(300)
        t.close()

    server = net.Server(serve)
    w = gated(route={"Port": server.port})
    try:
        yield KnownHosts(w, server.port), tries
    finally:
        done.set()
        server.close()


def forged_certificate(ca, other, key):
    """The certificate is signed by another CA than it names."""
    cert = bytearray(authority.blob_of(other.sign(key, principals="127.0.0.1", host=True)))
    mine, theirs = (base64.b64decode(c.key.public.split()[1]) for c in (ca, other))
    assert bytes(cert).count(theirs) == 1 and len(mine) == len(theirs)
    return bytes(cert).replace(theirs, mine)


def test_valid_certificate_of_scripted_upstream(authorities, gated, ring):
    """Shows that the certificates refused below are refused for their fault."""
    ca, _ = authorities()
    cert = authority.blob_of(ca.sign(ring.get("upstream_host"), principals="127.0.0.1", host=True))
    with upstream_with_host_key(gated, ring, cert) as (k, tries):
        k.file.write_text(k.authority(ca))
        r = k.way.ssh("echo in")
        assert "did not let the gateway in" in r.err and tries, r


@pytest.mark.parametrize("attack, why", [
    ("forged", "the certificate's signature is not by its CA, and the key is not known"),
    ("other key", "Failed to verify server hostkey signature"),
    ("user", "the certificate is a user's, not a host's"),
    ("cut", "Failed to import next public key"),
    ("cut behind the key", "the certificate is malformed"),
    ("plain name", "bad signature"),
])
def test_invalid_certificates_are_refused(authorities, gated, ring, attack, why):
    """Each is refused before a key is offered; the next login is not affected."""
    ca, other = authorities()
    key, name, signer = ring.get("upstream_host"), None, None
    cert = authority.blob_of(ca.sign(key, principals="127.0.0.1", host=True))
    if attack == "forged":
        cert = forged_certificate(ca, other, key)
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
    with upstream_with_host_key(gated, ring, cert, signer, name) as (k, tries):
        k.file.write_text(k.authority(ca))
        r = k.way.ssh("echo in")
        assert r.code == 255 and r.out == b"" and not tries, r
        assert session_id(one_line(r.err))
        k.way.gateway.log.wait(re.escape(why))


def test_oversized_certificate(authorities, gated, ring):
    ca, _ = authorities()
    many = ",".join(f"{n}." + 200 * "x" for n in range(60)) + ",127.0.0.1"
    cert = authority.blob_of(ca.sign(ring.get("upstream_host"), principals=many, host=True))
    with upstream_with_host_key(gated, ring, cert) as (k, tries):
        k.file.write_text(k.authority(ca))
        r = k.way.ssh("echo in")
        assert r.code == 255 and r.out == b"" and not tries, r
        assert session_id(one_line(r.err))
        k.way.gateway.log.wait("host key: too large")
