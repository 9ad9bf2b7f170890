"""RSA keys below 2048 bits open nothing, and the administrator is told that this is why."""

import pytest

pytest.importorskip("paramiko")
import paramiko  # noqa: E402

from lab.attack import USERAUTH_FAILURE, Attacker, query  # noqa: E402
from lab.ca import CA  # noqa: E402
from lab.refusal import session_id  # noqa: E402
from lab.way import lines  # noqa: E402

WHY = "the RSA key is shorter than 2048 bits"


@pytest.fixture
def weak(ring):
    return ring.get("weak", "rsa1024")


def refused(way, log, **client):
    mark = way.gateway.log.mark()
    r = way.new_client(**client).ssh("echo in")
    assert r.code == 255 and "in" not in r.text, r
    text = way.gateway.log.text(mark)
    assert log in text, text
    return r, text


def test_key_of_a_person(gated, weak):
    w = gated()
    lines(w, weak.public)
    refused(w, f"key {weak.fingerprint} not accepted: {WHY}", key=weak)
    a = Attacker(w.gateway.port)
    try:
        a.service()
        a.send(*query("alice", paramiko.RSAKey.from_private_key_file(str(weak.path))))
        assert a.hears(60, USERAUTH_FAILURE) == USERAUTH_FAILURE, "it looks as if a proof would do"
    finally:
        a.close()
    p = w.gateway.sallyport("route", "alice", "--key", weak.path.with_suffix(".pub"), "-c", w.gateway.conf)
    assert p.returncode == 1
    assert f"RSA {weak.fingerprint} may not log in: {WHY}" in p.stdout.decode(), p


def test_it_says_as_much_of_a_login_that_does_not_exist(gated, weak):
    w = gated()
    refused(w, f"key {weak.fingerprint} not accepted: {WHY}", key=weak, user="nobody")


@pytest.mark.parametrize("line", [None, "cert-authority"])
def test_authority(gated, ring, weak, tmp_path, line):
    ca = CA(tmp_path / "ca", weak)
    w = gated(route={} if line else {"TrustedUserCAKeys": ca.file})
    lines(w, f"{line} {weak.public}" if line else "")
    person = ring.get("person")
    certificate = ca.sign(person, principals="alice", algorithm="rsa-sha2-512")
    refused(w, f"not accepted: {WHY}, the certificate's or its CA's", key=person, CertificateFile=certificate)
    p = w.gateway.sallyport("route", "alice", "--key", certificate, "-c", w.gateway.conf)
    assert p.returncode == 1 and f"may not log in: {WHY}" in p.stdout.decode(), p


def test_host_key_of_a_machine(gated):
    w = gated(host_keys=["rsa1024"])
    r, log = refused(w, f"Host key verification failed for {w.sshd.host} port {w.sshd.port}: RSA "
                     f"{w.sshd.host_keys[0].fingerprint}: {WHY}; known keys are in ")
    assert "host key of your machine could not be verified" in r.err
    assert session_id(r.err) in log


def test_revoked_list_may_hold_one(gated, weak, tmp_path):
    """A list with such a key is no reason to shut everybody out."""
    revoked = tmp_path / "revoked"
    revoked.write_text(weak.public + "\n")
    w = gated(route={"RevokedKeys": revoked})
    w.answers()
