"""CertificateFile: the mapped key and a certificate for it, in front of a real sshd."""

import os
import re

import pytest

from lab.ca import bearer
from lab.keys import TYPES
from lab.sshd import ME
from lab.way import Way


class Mapped:
    """A machine that knows the CA, not the key; a gateway that has the key and a certificate."""

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
        self.way.gateway.command("key", "remove", "alice")
        self.way.gateway.add_key("alice", self.key)

    def sign(self, **options):
        self.file.write_text(self.ca.sign(options.pop("key", self.key), ME, **options).read_text())

    def check(self):
        p = self.way.gateway.sallyport("check", "-c", self.way.gateway.conf)
        return p.returncode, p.stderr.decode()


@pytest.fixture
def mapped(gated, ring, ca, tmp_path):
    return lambda **options: Mapped(gated, ring, ca, tmp_path, **options)


@pytest.mark.parametrize("kind", TYPES)
def test_mapped_key_with_certificate(mapped, kind):
    m = mapped(kind=kind)
    m.sign(key_id="the gateway", serial=3)
    assert m.way.ssh("echo in").text == "in\n"
    assert m.way.sshd.log.find(
        rf"Accepted publickey for {ME} .*-CERT {re.escape(m.key.fingerprint)} "
        r"ID the gateway \(serial 3\) CA ED25519"
    )
    out = m.way.gateway.command("route", "alice")
    assert f"with the certificate {m.file}: ID the gateway (serial 3) CA ED25519" in out


def test_certificate_is_read_afresh(mapped):
    m = mapped()
    assert m.way.ssh("true").code == 255
    m.sign(validity="-2h:-1h")
    assert m.way.ssh("true").code == 255
    m.sign()
    m.way.answers()


def test_key_alone_where_the_certificate_is_refused(mapped):
    m = mapped(trusting=False)
    m.sign()
    r = m.way.ssh("true")
    assert r.code == 255
    m.way.gateway.log.wait(r"upstream refused the mapped key and its certificate; it offers publickey")
    m.way.sshd.authorize(m.key.public)
    m.way.answers()
    assert m.way.gateway.log.find(r"refused the certificate of the mapped key, but not the key")


BAD = {
    "expired": (lambda m, ring: m.sign(validity="-2h:-1h"), "the certificate has expired", 0),
    "not yet valid": (lambda m, ring: m.sign(validity="+1h:+2h"), "the certificate is not valid before", 0),
    "another key's": (lambda m, ring: m.sign(key=ring.get("wrong0")), "is for another key", 78),
    "a host's": (lambda m, ring: m.sign(host=True), "the certificate is a host's", 78),
    "none": (lambda m, ring: m.file.write_text("x\n"), "is not an OpenSSH certificate", 78),
    "a plain key": (lambda m, ring: m.file.write_text(m.key.public), "is not an OpenSSH certificate", 78),
    "gone": (lambda m, ring: m.file.unlink(), "No such file", 78),
    "a directory": (lambda m, ring: (m.file.unlink(), m.file.mkdir()), "is not a regular file", 78),
    "huge": (lambda m, ring: os.truncate(m.file, 1 << 30), "too large", 78),
}


@pytest.mark.parametrize("name", BAD)
def test_certificate_that_is_no_good(mapped, ring, name):
    """It is not sent; the key alone may do; the log and check say what is wrong."""
    m = mapped()
    m.sign()
    assert m.check() == (0, "")
    spoil, why, status = BAD[name]
    spoil(m, ring)
    m.way.sshd.authorize(m.key.public)
    m.way.answers()
    assert not m.way.sshd.log.find(r"publickey for .*-CERT")
    assert m.way.gateway.log.find(rf"CertificateFile: {m.file}: .*{why}.*; the key is tried without it")
    got, text = m.check()
    assert got == status and "CertificateFile: " in text and why in text


def test_certificate_in_a_directory(make_gateway, make_sshd, ring, ca, tmp_path):
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
        assert s.log.find(r"Accepted publickey .*ED25519-CERT")
        assert f"with the certificate {d}/id_rsa-cert.pub: ID an id" in g.command("route", "alice")
    finally:
        w.close()


def test_both_legs_with_certificates(mapped, ca, ring, person, tmp_path):
    """And a command that the upstream's certificate forces."""
    m = mapped(TrustedUserCAKeys=ca.file)
    m.sign(options=["force-command=echo forced"])
    c = bearer(m.way, person, ca.sign(person, "alice"))
    assert c.ssh("echo in").text == "forced\n"
