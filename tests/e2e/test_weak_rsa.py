"""RSA keys that are too short or too large are refused, and the log says that this is why."""

import re

import pytest

import paramiko

from lab.attack import USERAUTH_FAILURE, Attacker, proof, query
from lab.ca import CA
from lab.keys import COSTLY
from lab.refusal import session_id
from lab.way import set_authorized_keys

WHY = {
    "rsa1024": "the RSA key is shorter than 2048 bits",
    COSTLY: "the RSA key is larger than 8192 bits, or its exponent is larger than 5 bytes",
}


@pytest.fixture(params=list(WHY))
def weak_key(request, ring):
    key = ring.get("weak", request.param)
    key.why = WHY[request.param]
    return key


def assert_refused(way, log, **client):
    mark = way.gateway.log.mark()
    r = way.new_client(**client).ssh("echo in")
    assert r.code == 255 and "in" not in r.text, r
    way.gateway.log.wait(re.escape(log), mark)
    return r, way.gateway.log.text(mark)


def test_weak_user_key(gated, weak_key):
    w = gated()
    set_authorized_keys(w, weak_key.public)
    assert_refused(w, f"key {weak_key.fingerprint} not accepted: {weak_key.why}", key=weak_key)
    a = Attacker(w.gateway.port)
    try:
        a.service()
        a.send(*query("alice", paramiko.RSAKey.from_private_key_file(str(weak_key.path))))
        assert a.expect(60, USERAUTH_FAILURE) == USERAUTH_FAILURE, "it looks as if a proof would do"
    finally:
        a.close()
    p = w.gateway.sallyport("route", "alice", "--key", weak_key.path.with_suffix(".pub"), "-c", w.gateway.conf)
    assert p.returncode == 1
    assert f"RSA {weak_key.fingerprint} may not log in: {weak_key.why}" in p.stdout.decode(), p


def test_weak_key_for_unknown_login(gated, weak_key):
    w = gated()
    assert_refused(w, f"key {weak_key.fingerprint} not accepted: {weak_key.why}", key=weak_key, user="nobody")


@pytest.mark.parametrize("line", [None, "cert-authority"])
def test_weak_ca_key(gated, ring, weak_key, tmp_path, line):
    ca = CA(tmp_path / "ca", weak_key)
    w = gated(route={} if line else {"TrustedUserCAKeys": ca.file})
    set_authorized_keys(w, f"{line} {weak_key.public}" if line else "")
    user_key = ring.get("person")
    certificate = ca.sign(user_key, principals="alice", algorithm="rsa-sha2-512")
    assert_refused(w, f"not accepted: {weak_key.why} (that of the certificate or of its CA)", key=user_key,
                   CertificateFile=certificate)
    p = w.gateway.sallyport("route", "alice", "--key", certificate, "-c", w.gateway.conf)
    assert p.returncode == 1 and f"may not log in: {weak_key.why}" in p.stdout.decode(), p


@pytest.mark.parametrize("kind", list(WHY))
def test_weak_host_key_of_upstream(gated, kind):
    w = gated(host_keys=[kind])
    r, log = assert_refused(w, f"Host key verification failed for {w.sshd.host} port {w.sshd.port}: RSA "
                            f"{w.sshd.host_keys[0].fingerprint}: {WHY[kind]}; known keys are in ")
    assert "host key of your machine could not be verified" in r.err
    assert session_id(r.err) in log


def test_weak_key_in_revoked_keys(gated, weak_key, tmp_path):
    """A list with such a key still works."""
    revoked = tmp_path / "revoked"
    revoked.write_text(weak_key.public + "\n")
    w = gated(route={"RevokedKeys": revoked})
    w.answers()


def test_weak_mapped_key_and_host_key(make_gateway, weak_key):
    """The key store refuses both."""
    g = make_gateway()
    p = g.sallyport("key", "add", "mine", weak_key.path, "-c", g.conf)
    assert p.returncode == 1 and weak_key.why in p.stderr.decode(), p
    assert not (g.dir / "keys" / "mine").exists()


def test_oversized_key_is_logged_once(gated, ring):
    """SECURITY.md, finding 8: showing it again and again, with signatures, causes neither arithmetic nor log
    lines.
    """
    key = ring.get("weak", COSTLY)
    w = gated()
    set_authorized_keys(w, key.public)
    numbers = paramiko.RSAKey.from_private_key_file(str(key.path))
    mark = w.gateway.log.mark()
    a = Attacker(w.gateway.port)
    try:
        a.service()
        for _ in range(3):
            _, came = a.ask(*query("alice", numbers))
            assert came[-1][0] == USERAUTH_FAILURE
            _, came = a.ask(*proof(a, "alice", numbers, algorithm="rsa-sha2-512"))
            assert came[-1][0] == USERAUTH_FAILURE
    finally:
        a.close()
    w.gateway.quiet()
    assert len(re.findall(re.escape(WHY[COSTLY]), w.gateway.log.text(mark))) == 1, w.gateway.log.text(mark)
