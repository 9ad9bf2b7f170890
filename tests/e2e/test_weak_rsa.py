"""RSA keys that are too short or too large open nothing, and the administrator is told that this is why."""

import re

import pytest

import paramiko

from lab.attack import USERAUTH_FAILURE, Attacker, proof, query
from lab.ca import CA
from lab.keys import COSTLY
from lab.refusal import session_id
from lab.way import lines

WHY = {
    "rsa1024": "the RSA key is shorter than 2048 bits",
    COSTLY: "the RSA key is larger than 8192 bits, or its exponent than 5 bytes",
}


@pytest.fixture(params=list(WHY))
def weak(request, ring):
    key = ring.get("weak", request.param)
    key.why = WHY[request.param]
    return key


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
    refused(w, f"key {weak.fingerprint} not accepted: {weak.why}", key=weak)
    a = Attacker(w.gateway.port)
    try:
        a.service()
        a.send(*query("alice", paramiko.RSAKey.from_private_key_file(str(weak.path))))
        assert a.hears(60, USERAUTH_FAILURE) == USERAUTH_FAILURE, "it looks as if a proof would do"
    finally:
        a.close()
    p = w.gateway.sallyport("route", "alice", "--key", weak.path.with_suffix(".pub"), "-c", w.gateway.conf)
    assert p.returncode == 1
    assert f"RSA {weak.fingerprint} may not log in: {weak.why}" in p.stdout.decode(), p


def test_it_says_as_much_of_a_login_that_does_not_exist(gated, weak):
    w = gated()
    refused(w, f"key {weak.fingerprint} not accepted: {weak.why}", key=weak, user="nobody")


@pytest.mark.parametrize("line", [None, "cert-authority"])
def test_authority(gated, ring, weak, tmp_path, line):
    ca = CA(tmp_path / "ca", weak)
    w = gated(route={} if line else {"TrustedUserCAKeys": ca.file})
    lines(w, f"{line} {weak.public}" if line else "")
    person = ring.get("person")
    certificate = ca.sign(person, principals="alice", algorithm="rsa-sha2-512")
    refused(w, f"not accepted: {weak.why}, the certificate's or its CA's", key=person, CertificateFile=certificate)
    p = w.gateway.sallyport("route", "alice", "--key", certificate, "-c", w.gateway.conf)
    assert p.returncode == 1 and f"may not log in: {weak.why}" in p.stdout.decode(), p


@pytest.mark.parametrize("kind", list(WHY))
def test_host_key_of_a_machine(gated, kind):
    w = gated(host_keys=[kind])
    r, log = refused(w, f"Host key verification failed for {w.sshd.host} port {w.sshd.port}: RSA "
                     f"{w.sshd.host_keys[0].fingerprint}: {WHY[kind]}; known keys are in ")
    assert "host key of your machine could not be verified" in r.err
    assert session_id(r.err) in log


def test_revoked_list_may_hold_one(gated, weak, tmp_path):
    """A list with such a key is no reason to shut everybody out."""
    revoked = tmp_path / "revoked"
    revoked.write_text(weak.public + "\n")
    w = gated(route={"RevokedKeys": revoked})
    w.answers()


def test_mapped_key_and_host_key(make_gateway, weak):
    """None gets into the key store."""
    g = make_gateway()
    p = g.sallyport("key", "add", "mine", weak.path, "-c", g.conf)
    assert p.returncode == 1 and weak.why in p.stderr.decode(), p
    assert not (g.dir / "keys" / "mine").exists()


def test_the_log_says_once_why_a_large_key_is_refused(gated, ring):
    """Finding 8: whoever shows it again and again, with signatures, buys neither arithmetic nor lines."""
    key = ring.get("weak", COSTLY)
    w = gated()
    lines(w, key.public)
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
