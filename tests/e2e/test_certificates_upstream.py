"""CertificateFile: the gateway logs in to a real sshd with the mapped key and its certificate."""

import os
import re

import pytest

from lab.ca import certificate_client
from lab.keys import TYPES
from lab.sshd import ME
from lab.way import Way


class MappedCertificate:
    """An upstream that trusts the CA but not the key, and a gateway with the key and a certificate."""

    def __init__(self, gated, ring, ca, directory, kind="ed25519", trusting=True, **words):
        self.ca = ca
        self.key = ring.get("mapped", kind)
        self.file = directory / "mapped-cert.pub"
        self.file.write_text("")
        self.way = gated(
            sshd={"TrustedUserCAKeys": ca.file} if trusting else {},
            route={"CertificateFile": self.file, **words},
        )
        self.way.sshd.authorized_keys.write_text("")
        self.way.gateway.command("key", "remove", "alice", "--force")
        self.way.gateway.add_key("alice", self.key)

    def sign(self, **options):
        self.file.write_text(self.ca.sign(options.pop("key", self.key), ME, **options).read_text())

    def check(self):
        p = self.way.gateway.sallyport("check", "-c", self.way.gateway.conf)
        return p.returncode, p.stderr.decode()


@pytest.fixture
def mapped_certificate(gated, ring, ca, tmp_path):
    return lambda **options: MappedCertificate(gated, ring, ca, tmp_path, **options)


@pytest.mark.parametrize("kind", TYPES)
def test_mapped_key_with_certificate(mapped_certificate, kind):
    m = mapped_certificate(kind=kind)
    m.sign(key_id="the gateway", serial=3)
    assert m.way.ssh("echo in").text == "in\n"
    m.way.sshd.log.wait(
        rf"Accepted publickey for {ME} .*-CERT {re.escape(m.key.fingerprint)} "
        r"ID the gateway \(serial 3\) CA ED25519"
    )
    out = m.way.gateway.command("route", "alice")
    assert f"with the certificate {m.file}: ID the gateway (serial 3) CA ED25519" in out


def test_certificate_is_read_at_each_login(mapped_certificate):
    m = mapped_certificate()
    assert m.way.ssh("true").code == 255
    m.sign(validity="-2h:-1h")
    assert m.way.ssh("true").code == 255
    m.sign()
    m.way.answers()


def test_plain_key_is_tried_where_certificate_is_refused(mapped_certificate):
    m = mapped_certificate(trusting=False)
    m.sign()
    r = m.way.ssh("true")
    assert r.code == 255
    m.way.gateway.log.wait(r"upstream refused the mapped key and its certificate; it offers publickey")
    m.way.sshd.authorize(m.key.public)
    m.way.answers()
    m.way.gateway.log.wait(r"refused the certificate of the mapped key, but not the key")


BAD = {
    "expired": (lambda m, ring: m.sign(validity="-2h:-1h"), "the certificate has expired"),
    "not yet valid": (lambda m, ring: m.sign(validity="+1h:+2h"), "the certificate is not valid before"),
    "another key's": (lambda m, ring: m.sign(key=ring.get("wrong0")), "is not for the route's Key"),
    "a host's": (lambda m, ring: m.sign(host=True), "the certificate is a host's"),
    "none": (lambda m, ring: m.file.write_text("x\n"), "is not an OpenSSH certificate"),
    "a plain key": (lambda m, ring: m.file.write_text(m.key.public), "is not an OpenSSH certificate"),
    "gone": (lambda m, ring: m.file.unlink(), "No such file"),
    "a directory": (lambda m, ring: (m.file.unlink(), m.file.mkdir()), "is not a regular file"),
    "huge": (lambda m, ring: os.truncate(m.file, 1 << 30), "too large"),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_certificate_is_not_sent(mapped_certificate, ring, name):
    """The plain key may still log in; the log and check say what is wrong with the certificate."""
    m = mapped_certificate()
    m.sign()
    assert m.check() == (0, "")
    spoil, why = BAD[name]
    spoil(m, ring)
    m.way.sshd.authorize(m.key.public)
    m.way.answers()
    assert not m.way.sshd.log.find(r"publickey for .*-CERT")
    m.way.gateway.log.wait(rf"CertificateFile: {m.file}: .*{why}.*; the key is tried without it")
    text = m.way.gateway.notes()
    assert "CertificateFile: " in text and why in text


def test_certificate_in_directory_backend(make_gateway, make_sshd, ring, ca, tmp_path):
    users = tmp_path / "users"
    d = users / "alice"
    d.mkdir(parents=True)
    g = make_gateway()
    s = make_sshd(TrustedUserCAKeys=ca.file)
    key = ring.get("piper")
    (d / "sshpiper_upstream").write_text(f"{ME}@{s.host}:{s.port}\n")
    (d / "authorized_keys").write_text(ring.get("client").public + "\n")
    (d / "known_hosts").write_text(s.known_hosts())
    (d / "id_rsa").write_bytes(key.path.read_bytes())
    (d / "id_rsa").chmod(0o600)
    (d / "id_rsa-cert.pub").write_text(ca.sign(key, ME).read_text())
    g.write("20-lookup.ini", "lookup", {"Order": "directory"}, f"[lookup directory]\nPath = {users}\n")
    g.start()
    w = Way("gateway", tmp_path, ring, s, g)
    try:
        w.answers()
        s.log.wait(r"Accepted publickey .*ED25519-CERT")
        assert f"with the certificate {d}/id_rsa-cert.pub: ID an id" in g.command("route", "alice")
    finally:
        w.close()


def test_both_legs_with_certificates(mapped_certificate, ca, ring, user_key, tmp_path):
    """With a command that the upstream certificate forces."""
    m = mapped_certificate(TrustedUserCAKeys=ca.file)
    m.sign(options=["force-command=echo forced"])
    c = certificate_client(m.way, user_key, ca.sign(user_key, "alice"))
    assert c.ssh("echo in").text == "forced\n"
