"""OpenSSH certificates: those of a trusted CA log in, and no others.

"direct" is sshd with the same words in its configuration: its behaviour is the expected one.
"""

import base64
import os
import re
import subprocess

import paramiko
import pytest
from paramiko.message import Message

from lab import attack
from lab.ca import CA, certificate_client, blob_of, logs_in, krl, named_principals, rewrite, said
from lab.gateway import SALLYPORT
from lab.keys import TYPES
from lab.sshd import ME
from lab.tty import needs_terminals
from lab.way import set_authorized_keys


# Logins.


@pytest.mark.parametrize("kind", TYPES)
def test_certificate_for_each_type_of_key(trusting, ca, ring, kind):
    key = ring.get("person", kind)
    w = trusting()
    certificate = ca.sign(key, w.login, key_id="person@example.com", serial=7)
    r = certificate_client(w, key, certificate).ssh("echo in")
    assert r.text == "in\n" and r.err == "", r
    name = {"ed25519": "ED25519", "rsa3072": "RSA"}.get(kind, "ECDSA")
    assert said(
        w,
        rf"Accepted publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
        rf"{name}-CERT {re.escape(key.fingerprint)} ID person@example\.com \(serial 7\) "
        rf"CA ED25519 {re.escape(ca.key.fingerprint)}$",
    )


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_of_ca(own_way, ring, tmp_path, user_key, kind):
    ca = CA(tmp_path / "ca", ring.get("ca", kind))
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"TrustedUserCAKeys": ca.file}})
    assert logs_in(w, user_key, ca.sign(user_key, w.login))


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_rsa_by_either_hash(trusting, ca, ring, algorithm):
    key = ring.get("person", "rsa3072")
    w = trusting()
    certificate = ca.sign(key, w.login)
    assert logs_in(w, key, certificate, PubkeyAcceptedAlgorithms=f"{algorithm}-cert-v01@openssh.com,{algorithm}")


def test_one_of_several_principals(trusting, ca, user_key):
    w = trusting()
    assert logs_in(w, user_key, ca.sign(user_key, f"nobody,{w.login},somebody"))


def test_certificate_and_plain_key_both_work(trusting, ca, ring):
    key = ring.get("client")
    w = trusting()
    assert logs_in(w, key, ca.sign(key, w.login))
    w.answers()


def test_removing_ca_takes_effect_at_once(trusting, ca, user_key):
    w = trusting()
    certificate = ca.sign(user_key, w.login)
    assert logs_in(w, user_key, certificate)
    ca.file.write_text("")
    assert not logs_in(w, user_key, certificate)


def test_session_with_certificate_is_relayed(trusting, ca, user_key):
    w = trusting()
    c = certificate_client(w, user_key, ca.sign(user_key, w.login))
    assert c.ssh("cat", stdin=b"x" * 100_000).out == b"x" * 100_000
    assert c.ssh("exit 7").code == 7


# Principals.


def test_named_principals_in_place_of_the_login(own_way, ca, user_key, tmp_path):
    w = named_principals(own_way, ca, tmp_path, "operators", "admins")
    assert logs_in(w, user_key, ca.sign(user_key, "admins"))
    assert not logs_in(w, user_key, ca.sign(user_key, w.login)), "the login alone is not enough then"


# In authorized_keys.


def test_cert_authority_in_authorized_keys(own_way, ca, user_key):
    w = own_way()
    set_authorized_keys(w, f"cert-authority {ca.key.public}")
    assert logs_in(w, user_key, ca.sign(user_key, w.login))
    assert not logs_in(w, user_key, ca.sign(user_key, "another"))
    assert w.new_client(ca.key).ssh("true").code == 255, "the CA itself is no login key"


def test_principals_of_a_cert_authority_line(own_way, ca, user_key):
    w = own_way()
    set_authorized_keys(w, f'cert-authority,principals="operators,admins" {ca.key.public}')
    assert logs_in(w, user_key, ca.sign(user_key, "admins"))
    assert not logs_in(w, user_key, ca.sign(user_key, w.login))
    assert not logs_in(w, user_key, ca.sign(user_key)), "no principal is none of these"


def test_ca_line_without_cert_authority_trusts_no_certificate(own_way, ca, user_key):
    w = own_way()
    set_authorized_keys(w, ca.key.public)
    assert not logs_in(w, user_key, ca.sign(user_key, w.login))
    assert w.new_client(ca.key).ssh("true").code == 0


def test_other_options_of_cert_authority_line_apply(own_way, ca, user_key):
    w = own_way()
    certificate = ca.sign(user_key, w.login)
    set_authorized_keys(w, f'cert-authority,command="echo forced" {ca.key.public}')
    assert certificate_client(w, user_key, certificate).ssh("echo in").text == "forced\n"
    set_authorized_keys(w, f'cert-authority,from="192.0.2.0/24" {ca.key.public}')
    assert not logs_in(w, user_key, certificate)
    set_authorized_keys(w, f'cert-authority,expiry-time="20200101" {ca.key.public}')
    assert not logs_in(w, user_key, certificate)
    set_authorized_keys(w, f"restrict,cert-authority {ca.key.public}")
    r = certificate_client(w, user_key, certificate).ssh("-tt", "tty")
    assert "PTY allocation request failed" in r.err


# Options in the certificate.


def test_forced_command(trusting, ca, user_key):
    w = trusting()
    certificate = ca.sign(user_key, w.login, options=["force-command=echo forced"])
    assert certificate_client(w, user_key, certificate).ssh("echo in").text == "forced\n"


def test_differing_forced_commands_are_refused(own_way, ca, user_key):
    w = own_way()
    set_authorized_keys(w, f'cert-authority,command="echo forced" {ca.key.public}')
    assert not logs_in(w, user_key, ca.sign(user_key, w.login, options=["force-command=echo other"]))
    same = ca.sign(user_key, w.login, options=["force-command=echo forced"])
    assert certificate_client(w, user_key, same).ssh("echo in").text == "forced\n"


def test_source_address(trusting, ca, user_key):
    w = trusting()
    there = ca.sign(user_key, w.login, options=["source-address=127.0.0.0/8,192.0.2.1/32"])
    assert logs_in(w, user_key, there)
    away = ca.sign(user_key, w.login, options=["source-address=192.0.2.0/24"])
    assert not logs_in(w, user_key, away)


def test_permit_pty(trusting, ca, user_key):
    needs_terminals()
    w = trusting()
    plain = certificate_client(w, user_key, ca.sign(user_key, w.login)).ssh("-tt", "tty")
    assert "/dev/pts/" in plain.text
    clear = ca.sign(user_key, w.login, options=["clear"])
    r = certificate_client(w, user_key, clear).ssh("-tt", "tty")
    assert "PTY allocation request failed" in r.err and "/dev/pts/" not in r.text


def test_permit_forwarding(trusting, ca, user_key):
    w = trusting()
    port = w.sshd.port
    r = certificate_client(w, user_key, ca.sign(user_key, w.login)).ssh("-W", f"127.0.0.1:{port}", "", stdin=b"x\n")
    assert r.out.startswith(b"SSH-2.0-")
    without = ca.sign(user_key, w.login, options=["no-port-forwarding"])
    r = certificate_client(w, user_key, without).ssh("-W", f"127.0.0.1:{port}", "", stdin=b"x\n")
    assert r.out == b"" and "administratively prohibited" in r.err


def test_line_and_certificate_must_both_permit(own_way, ca, user_key):
    w = own_way()
    set_authorized_keys(w, f"cert-authority,no-port-forwarding {ca.key.public}")
    without_pty = ca.sign(user_key, w.login, options=["no-pty"])
    c = certificate_client(w, user_key, without_pty)
    assert "PTY allocation request failed" in c.ssh("-tt", "tty").err
    r = c.ssh("-W", f"127.0.0.1:{w.sshd.port}", "", stdin=b"x\n")
    assert r.out == b"" and "administratively prohibited" in r.err


# Attacks.

ATTACKS = {
    "host certificate": lambda ca, key, login: ca.sign(key, login, host=True),
    "wrong principal": lambda ca, key, login: ca.sign(key, login + "x"),
    "part of a principal": lambda ca, key, login: ca.sign(key, login[:-1]),
    "pattern as principal": lambda ca, key, login: ca.sign(key, "*"),
    "no principal": lambda ca, key, login: ca.sign(key),
    "not yet valid": lambda ca, key, login: ca.sign(key, login, validity="+1h:+2h"),
    "expired": lambda ca, key, login: ca.sign(key, login, validity="-2h:-1h"),
    "unknown critical option": lambda ca, key, login: ca.sign(
        key, login, options=["critical:only-on-sundays@example.com=yes"]),
    "source address that is none": lambda ca, key, login: ca.sign(
        key, login, options=["critical:source-address=nonsense"]),
    "command twice": lambda ca, key, login: ca.sign(
        key, login, options=["force-command=echo in", "critical:force-command=echo in"]),
    "one bit of the signature turned": lambda ca, key, login: rewrite(
        ca.sign(key, login), lambda b: b.__setitem__(-9, b[-9] ^ 1)),
    "one bit of the serial number turned": lambda ca, key, login: rewrite(
        ca.sign(key, login), lambda b: b.__setitem__(32 + 4 + 4 + 32 + 4 + 32 + 7, 1)),
    "bytes behind it": lambda ca, key, login: rewrite(
        ca.sign(key, login), lambda b: b.extend(b"more")),
    "cut short": lambda ca, key, login: rewrite(
        ca.sign(key, login), lambda b: b.__delitem__(slice(-4, None))),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_certificates_that_are_refused(trusting, ca, user_key, name):
    w = trusting()
    good = ca.sign(user_key, w.login)
    bad = ATTACKS[name](ca, user_key, w.login)
    # ssh does not load a file that it cannot parse, so the test sends the blob itself
    assert proof_of(w, user_key, blob_of(good)) == attack.USERAUTH_SUCCESS
    assert proof_of(w, user_key, blob_of(bad)) == attack.USERAUTH_FAILURE
    assert query_of(w, blob_of(bad)) == attack.USERAUTH_FAILURE


def query_of(way, blob):
    t = attack.Attacker(way.front.port)
    try:
        assert t.service()
        t.send(attack.USERAUTH_REQUEST, way.login, "ssh-connection", "publickey", False,
               "ssh-ed25519-cert-v01@openssh.com", blob)
        return t.expect(attack.USERAUTH_PK_OK, attack.USERAUTH_FAILURE)
    finally:
        t.close()


def proof_of(way, key, blob, algorithm="ssh-ed25519-cert-v01@openssh.com", inner=None):
    """A login request signed by the key, for this certificate."""
    signer = paramiko.Ed25519Key.from_private_key_file(str(key.path))
    t = attack.Attacker(way.front.port)
    try:
        assert t.service()
        signed = Message()
        signed.add_string(t.session_id)
        request = [attack.USERAUTH_REQUEST, way.login, "ssh-connection", "publickey", True, algorithm,
                   blob]
        signed.add_bytes(attack.message(*request).asbytes())
        made = signer.sign_ssh_data(signed.asbytes()).asbytes()
        if inner is not None:
            made = made.replace(b"ssh-ed25519", inner)
        t.send(*request, made)
        return t.expect(attack.USERAUTH_SUCCESS, attack.USERAUTH_FAILURE)
    finally:
        t.close()


def test_certificate_of_another_ca(trusting, ring, user_key, tmp_path):
    w = trusting()
    other = CA(tmp_path / "other", ring.get("other_ca"))
    assert not logs_in(w, user_key, other.sign(user_key, w.login))


def test_forged_ca_signature(trusting, ca, ring, user_key, tmp_path):
    """The certificate names the trusted CA's public key, but another key signed it."""
    w = trusting()
    other = CA(tmp_path / "other", ring.get("other_ca"))
    mine = base64.b64decode(other.key.public.split()[1])
    theirs = base64.b64decode(ca.key.public.split()[1])

    def swap(blob):
        at = bytes(blob).index(mine)
        blob[at:at + len(mine)] = theirs

    forged = rewrite(other.sign(user_key, w.login), swap)
    assert proof_of(w, user_key, blob_of(forged)) == attack.USERAUTH_FAILURE


def test_ca_key_is_no_login_key(trusting, ca):
    w = trusting()
    assert w.new_client(ca.key).ssh("true").code == 255


def test_certificate_without_possession_of_its_key(trusting, ca, ring, user_key):
    """The login is signed by another key."""
    w = trusting()
    certificate = ca.sign(user_key, w.login)
    assert proof_of(w, ring.get("wrong0"), blob_of(certificate)) == attack.USERAUTH_FAILURE


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "rsa-sha2-512-cert-v01@openssh.com",
                                       "ssh-rsa-cert-v01@openssh.com", "ssh-rsa"])
def test_certificate_offered_under_another_algorithm(trusting, ca, user_key, algorithm):
    w = trusting()
    certificate = ca.sign(user_key, w.login)
    assert proof_of(w, user_key, blob_of(certificate), algorithm) == attack.USERAUTH_FAILURE


def test_login_signature_under_certificate_algorithm(trusting, ca, user_key):
    """RFC 4252 signatures carry the plain key's algorithm, never that of the certificate."""
    w = trusting()
    certificate = ca.sign(user_key, w.login)
    got = proof_of(w, user_key, blob_of(certificate), inner=b"ssh-ed25519-cert-v01@openssh.com")
    assert got == attack.USERAUTH_FAILURE


def test_ca_signature_with_sha1(own_way, ring, tmp_path, user_key):
    ca = CA(tmp_path / "ca", ring.get("ca", "rsa3072"))
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"TrustedUserCAKeys": ca.file}})
    good = ca.sign(user_key, w.login, algorithm="rsa-sha2-256")
    assert proof_of(w, user_key, blob_of(good)) == attack.USERAUTH_SUCCESS
    old = ca.sign(user_key, w.login, algorithm="ssh-rsa")
    assert b"ssh-rsa" in blob_of(old)[-500:]
    assert proof_of(w, user_key, blob_of(old)) == attack.USERAUTH_FAILURE
    if not w.direct:
        p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf, "--key", old)
        assert p.returncode == 1
        assert b"may not log in: the certificate is signed with an algorithm that is not" in p.stdout


def test_certificate_signed_by_a_certificate(trusting, ca, ring, user_key, tmp_path):
    """The key inside a certificate is no CA, whoever signed it."""
    w = trusting()
    middle = ring.get("middle")
    ca.sign(middle, w.login)
    assert not logs_in(w, user_key, CA(tmp_path / "middle", middle).sign(user_key, w.login))


def test_certificate_in_list_of_cas_is_no_ca(trusting, ca, ring, user_key, tmp_path):
    w = trusting()
    middle = ring.get("middle")
    ca.file.write_text(ca.sign(middle, w.login).read_text())
    assert not logs_in(w, user_key, CA(tmp_path / "middle", middle).sign(user_key, w.login))


def test_key_id_of_untrusted_certificate_is_not_logged(gated, ca, ring, user_key, tmp_path):
    """The key id of an untrusted certificate could make the log blame somebody else."""
    w = gated(route={"TrustedUserCAKeys": ca.file}, front={"MaxAuthTries": "1"})
    other = CA(tmp_path / "other", ring.get("other_ca"))
    bad = other.sign(user_key, w.login, key_id="x from 192.0.2.1 port 22 ssh2")
    assert not logs_in(w, user_key, bad)
    assert said(w, rf"Failed publickey for {w.login} .*ED25519-CERT {re.escape(user_key.fingerprint)}")
    assert not w.front.log.find(r"192\.0\.2\.1")


def test_certificate_for_unknown_login(gated, ca, user_key):
    w = gated(route={"TrustedUserCAKeys": ca.file})
    certificate = ca.sign(user_key, "mallory")
    r = w.new_client(user_key, user="mallory", CertificateFile=certificate).ssh("true")
    assert r.code == 255 and "Permission denied" in r.err


# Combined with other words of a route.


def test_match_fingerprint_of_certificate(gated, ca, ring, user_key, make_sshd):
    """MatchFingerprint matches the key in a certificate; the same key without it is another case."""
    w = gated(route={"TrustedUserCAKeys": ca.file})
    other = make_sshd()
    g = w.gateway
    g.route("alice/person", other, [], MatchFingerprint=user_key.fingerprint, User=ME,
            TrustedUserCAKeys=ca.file, key="person_key")
    assert g.command("reload") is not None
    certificate = ca.sign(user_key, "alice")
    assert w.new_client(user_key).ssh("true").code == 255
    assert logs_in(w, user_key, certificate)
    other.log.wait(r"Accepted publickey")
    assert not w.sshd.log.find(r"Accepted publickey")
    w.answers()
    w.sshd.log.wait(r"Accepted publickey")


def test_certificate_and_password_both_required(gated, ca, user_key, tmp_path):
    """AuthenticationMethods requires both; the restrictions of the certificate still apply."""
    made = subprocess.run([SALLYPORT, "hash-password"], input=b"correct horse\n", capture_output=True,
                          check=True)
    w = gated(route={
        "TrustedUserCAKeys": ca.file, "AuthenticationMethods": "publickey,password",
        "PasswordHash": made.stdout.decode().strip().split(" = ")[1],
    })
    certificate = ca.sign(user_key, "alice", options=["force-command=echo forced"])
    ask = tmp_path / "ask"
    ask.write_text("#!/bin/sh\necho correct horse\n")
    ask.chmod(0o755)
    c = certificate_client(w, user_key, certificate)
    env = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    words = {"BatchMode": "no", "NumberOfPasswordPrompts": "1",
             "PreferredAuthentications": "publickey,password"}
    assert c.ssh("echo in", env=env, **words).text == "forced\n"
    assert said(w, r"Partial publickey for alice .*ED25519-CERT \S+ ID an id \(serial 0\) CA ED25519")
    ask.write_text("#!/bin/sh\necho wrong\n")
    assert c.ssh("echo in", env=env, **words).code == 255


# The output of `sallyport route`.


def test_route_explains_certificate(gated, ca, ring, user_key, tmp_path):
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    w = gated(route={"TrustedUserCAKeys": ca.file, "RevokedKeys": revoked})

    def explain(certificate, *args):
        p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf, "--key", certificate, *args)
        lines = [line for line in p.stdout.decode().splitlines() if line.startswith("--key")]
        return p.returncode, "\n".join(lines)

    good = ca.sign(user_key, "alice", key_id="person@example.com", serial=9)
    status, text = explain(good)
    assert status == 0, text
    assert f"ID person@example.com (serial 9) CA ED25519 {ca.key.fingerprint}" in text
    assert f"ED25519-CERT {user_key.fingerprint} may log in: a CA in {ca.file}" in text
    for certificate, why in (
        (ca.sign(user_key, "alice", validity="-2h:-1h"), "the certificate has expired"),
        (ca.sign(user_key, "alice", validity="+1h:+2h"), "the certificate is not valid before"),
        (ca.sign(user_key, "bob"), "the login is not a principal of the certificate"),
        (ca.sign(user_key), "the certificate has no principals"),
        (ca.sign(user_key, "alice", host=True), "the certificate is a host's"),
        (CA(tmp_path / "o", ring.get("other_ca")).sign(user_key, "alice"), "it is not in any list of this route"),
        (ca.sign(user_key, "alice", options=["source-address=192.0.2.0/24"]),
         "the certificate is not for this address (source-address) (try --from ADDRESS)"),
        (rewrite(good, lambda b: b.__setitem__(-9, b[-9] ^ 1)),
         "the certificate's signature is not by its CA"),
    ):
        status, text = explain(certificate)
        assert status == 1 and f"may not log in: {why}" in text, (why, text)
    away = ca.sign(user_key, "alice", options=["source-address=192.0.2.0/24"])
    assert explain(away, "--from", "192.0.2.7")[0] == 0
    krl(tmp_path / "new", keys=[good]).rename(revoked)
    status, text = explain(good)
    assert status == 1 and f"may not log in: revoked by {revoked}" in text


def test_check_reads_certificate_files(gated, ca, tmp_path):
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    w = gated(route={"TrustedUserCAKeys": ca.file, "RevokedKeys": revoked})

    assert w.gateway.check()[0] == 0
    revoked.write_text("nonsense\n")
    assert f"RevokedKeys: {revoked} is neither a list of public keys nor" in w.gateway.notes()
    revoked.unlink()
    assert f"RevokedKeys: {revoked}: No such file" in w.gateway.notes()
    revoked.write_text("")
    ca.file.write_text("# nobody\n")
    text = w.gateway.notes()
    assert text.startswith(f"{w.gateway.conf}/10-alice.ini") and "no certificate is accepted" in text
    os.truncate(ca.file, 1 << 30)
    assert f"TrustedUserCAKeys: {ca.file} is larger than 1 MiB" in w.gateway.notes()
    ca.file.write_text("")
    ca.file.chmod(0o666)
    assert f"{ca.file}: others may write to it (mode 0666); run: chmod go-w {ca.file}" in w.gateway.notes()
