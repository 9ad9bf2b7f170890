"""OpenSSH certificates: who a CA vouches for gets in, and nobody else.

"direct" is sshd with the same words in its configuration: what it does is what is right.
"""

import base64
import os
import re
import subprocess

import paramiko
import pytest
from paramiko.message import Message

from lab import attack
from lab.ca import CA, bearer, blob_of, is_in, krl, named_principals, rewrite, said
from lab.gateway import SALLYPORT
from lab.keys import TYPES
from lab.sshd import ME
from lab.tty import needs_terminals
from lab.way import lines


# Let in.


@pytest.mark.parametrize("kind", TYPES)
def test_certificate_for_each_type_of_key(trusting, ca, ring, kind):
    key = ring.get("person", kind)
    w = trusting()
    certificate = ca.sign(key, w.login, key_id="person@example.com", serial=7)
    r = bearer(w, key, certificate).ssh("echo in")
    assert r.text == "in\n" and r.err == "", r
    name = {"ed25519": "ED25519", "rsa3072": "RSA"}.get(kind, "ECDSA")
    assert said(
        w,
        rf"Accepted publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
        rf"{name}-CERT {re.escape(key.fingerprint)} ID person@example\.com \(serial 7\) "
        rf"CA ED25519 {re.escape(ca.key.fingerprint)}$",
    )


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_of_ca(own_way, ring, tmp_path, person, kind):
    ca = CA(tmp_path / "ca", ring.get("ca", kind))
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"TrustedUserCAKeys": ca.file}})
    assert is_in(w, person, ca.sign(person, w.login))


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_rsa_by_either_hash(trusting, ca, ring, algorithm):
    key = ring.get("person", "rsa3072")
    w = trusting()
    certificate = ca.sign(key, w.login)
    assert is_in(w, key, certificate, PubkeyAcceptedAlgorithms=f"{algorithm}-cert-v01@openssh.com,{algorithm}")


def test_one_of_several_principals(trusting, ca, person):
    w = trusting()
    assert is_in(w, person, ca.sign(person, f"nobody,{w.login},somebody"))


def test_certificate_and_key_of_the_same_person_both_work(trusting, ca, ring):
    key = ring.get("client")
    w = trusting()
    assert is_in(w, key, ca.sign(key, w.login))
    w.answers()


def test_ca_that_is_taken_off_the_list_is_out_at_once(trusting, ca, person):
    w = trusting()
    certificate = ca.sign(person, w.login)
    assert is_in(w, person, certificate)
    ca.file.write_text("")
    assert not is_in(w, person, certificate)


def test_session_is_relayed_whole(trusting, ca, person):
    w = trusting()
    c = bearer(w, person, ca.sign(person, w.login))
    assert c.ssh("cat", stdin=b"x" * 100_000).out == b"x" * 100_000
    assert c.ssh("exit 7").code == 7


# Principals.


def test_named_principals_in_place_of_the_login(own_way, ca, person, tmp_path):
    w = named_principals(own_way, ca, tmp_path, "operators", "admins")
    assert is_in(w, person, ca.sign(person, "admins"))
    assert not is_in(w, person, ca.sign(person, w.login)), "the login alone is not enough then"


# In authorized_keys.


def test_cert_authority_in_authorized_keys(own_way, ca, person):
    w = own_way()
    lines(w, f"cert-authority {ca.key.public}")
    assert is_in(w, person, ca.sign(person, w.login))
    assert not is_in(w, person, ca.sign(person, "another"))
    assert w.new_client(ca.key).ssh("true").code == 255, "the CA itself is no login key"


def test_principals_of_a_cert_authority_line(own_way, ca, person):
    w = own_way()
    lines(w, f'cert-authority,principals="operators,admins" {ca.key.public}')
    assert is_in(w, person, ca.sign(person, "admins"))
    assert not is_in(w, person, ca.sign(person, w.login))
    assert not is_in(w, person, ca.sign(person)), "no principal is none of these"


def test_ca_without_cert_authority_signs_for_nobody(own_way, ca, person):
    w = own_way()
    lines(w, ca.key.public)
    assert not is_in(w, person, ca.sign(person, w.login))
    assert w.new_client(ca.key).ssh("true").code == 0


def test_other_options_of_the_line_hold_as_well(own_way, ca, person):
    w = own_way()
    certificate = ca.sign(person, w.login)
    lines(w, f'cert-authority,command="echo forced" {ca.key.public}')
    assert bearer(w, person, certificate).ssh("echo in").text == "forced\n"
    lines(w, f'cert-authority,from="192.0.2.0/24" {ca.key.public}')
    assert not is_in(w, person, certificate)
    lines(w, f'cert-authority,expiry-time="20200101" {ca.key.public}')
    assert not is_in(w, person, certificate)
    lines(w, f"restrict,cert-authority {ca.key.public}")
    r = bearer(w, person, certificate).ssh("-tt", "tty")
    assert "PTY allocation request failed" in r.err


# What the certificate itself asks for.


def test_forced_command(trusting, ca, person):
    w = trusting()
    certificate = ca.sign(person, w.login, options=["force-command=echo forced"])
    assert bearer(w, person, certificate).ssh("echo in").text == "forced\n"


def test_forced_command_other_than_the_lines_is_refused(own_way, ca, person):
    w = own_way()
    lines(w, f'cert-authority,command="echo forced" {ca.key.public}')
    assert not is_in(w, person, ca.sign(person, w.login, options=["force-command=echo other"]))
    same = ca.sign(person, w.login, options=["force-command=echo forced"])
    assert bearer(w, person, same).ssh("echo in").text == "forced\n"


def test_source_address(trusting, ca, person):
    w = trusting()
    there = ca.sign(person, w.login, options=["source-address=127.0.0.0/8,192.0.2.1/32"])
    assert is_in(w, person, there)
    away = ca.sign(person, w.login, options=["source-address=192.0.2.0/24"])
    assert not is_in(w, person, away)


def test_terminal_only_where_it_is_permitted(trusting, ca, person):
    needs_terminals()
    w = trusting()
    plain = bearer(w, person, ca.sign(person, w.login)).ssh("-tt", "tty")
    assert "/dev/pts/" in plain.text
    clear = ca.sign(person, w.login, options=["clear"])
    r = bearer(w, person, clear).ssh("-tt", "tty")
    assert "PTY allocation request failed" in r.err and "/dev/pts/" not in r.text


def test_forwarding_only_where_it_is_permitted(trusting, ca, person):
    w = trusting()
    port = w.sshd.port
    r = bearer(w, person, ca.sign(person, w.login)).ssh("-W", f"127.0.0.1:{port}", "", stdin=b"x\n")
    assert r.out.startswith(b"SSH-2.0-")
    without = ca.sign(person, w.login, options=["no-port-forwarding"])
    r = bearer(w, person, without).ssh("-W", f"127.0.0.1:{port}", "", stdin=b"x\n")
    assert r.out == b"" and "administratively prohibited" in r.err


def test_permitted_is_what_line_and_certificate_both_permit(own_way, ca, person):
    w = own_way()
    lines(w, f"cert-authority,no-port-forwarding {ca.key.public}")
    without_pty = ca.sign(person, w.login, options=["no-pty"])
    c = bearer(w, person, without_pty)
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
def test_refused(trusting, ca, person, name):
    w = trusting()
    good = ca.sign(person, w.login)
    bad = ATTACKS[name](ca, person, w.login)
    # ssh does not load what it cannot read, so it is sent by hand
    assert proof_of(w, person, blob_of(good)) == attack.USERAUTH_SUCCESS
    assert proof_of(w, person, blob_of(bad)) == attack.USERAUTH_FAILURE
    assert query_of(w, blob_of(bad)) == attack.USERAUTH_FAILURE


def query_of(way, blob):
    t = attack.Attacker(way.door.port)
    try:
        assert t.service()
        t.send(attack.USERAUTH_REQUEST, way.login, "ssh-connection", "publickey", False,
               "ssh-ed25519-cert-v01@openssh.com", blob)
        return t.hears(attack.USERAUTH_PK_OK, attack.USERAUTH_FAILURE)
    finally:
        t.close()


def proof_of(way, key, blob, algorithm="ssh-ed25519-cert-v01@openssh.com", inner=None):
    """Sign a login with the key, for this certificate."""
    signer = paramiko.Ed25519Key.from_private_key_file(str(key.path))
    t = attack.Attacker(way.door.port)
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
        return t.hears(attack.USERAUTH_SUCCESS, attack.USERAUTH_FAILURE)
    finally:
        t.close()


def test_signed_by_another_ca(trusting, ring, person, tmp_path):
    w = trusting()
    other = CA(tmp_path / "other", ring.get("other_ca"))
    assert not is_in(w, person, other.sign(person, w.login))


def test_self_made_ca_in_the_name_of_the_trusted_one(trusting, ca, ring, person, tmp_path):
    """The CA's public key is put into a certificate that another key has signed."""
    w = trusting()
    other = CA(tmp_path / "other", ring.get("other_ca"))
    mine = base64.b64decode(other.key.public.split()[1])
    theirs = base64.b64decode(ca.key.public.split()[1])

    def swap(blob):
        at = bytes(blob).index(mine)
        blob[at:at + len(mine)] = theirs

    forged = rewrite(other.sign(person, w.login), swap)
    assert proof_of(w, person, blob_of(forged)) == attack.USERAUTH_FAILURE


def test_ca_itself_is_no_login_key(trusting, ca):
    w = trusting()
    assert w.new_client(ca.key).ssh("true").code == 255


def test_certificate_without_the_key_in_it(trusting, ca, ring, person):
    """The signature of the login is by another key."""
    w = trusting()
    certificate = ca.sign(person, w.login)
    assert proof_of(w, ring.get("wrong0"), blob_of(certificate)) == attack.USERAUTH_FAILURE


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "rsa-sha2-512-cert-v01@openssh.com",
                                       "ssh-rsa-cert-v01@openssh.com", "ssh-rsa"])
def test_certificate_under_another_algorithm(trusting, ca, person, algorithm):
    w = trusting()
    certificate = ca.sign(person, w.login)
    assert proof_of(w, person, blob_of(certificate), algorithm) == attack.USERAUTH_FAILURE


def test_signature_of_a_login_in_the_name_of_a_certificate(trusting, ca, person):
    """Inside the signature stands the key's own algorithm, never that of certificates."""
    w = trusting()
    certificate = ca.sign(person, w.login)
    got = proof_of(w, person, blob_of(certificate), inner=b"ssh-ed25519-cert-v01@openssh.com")
    assert got == attack.USERAUTH_FAILURE


def test_ca_that_signs_with_sha1(own_way, ring, tmp_path, person):
    ca = CA(tmp_path / "ca", ring.get("ca", "rsa3072"))
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"TrustedUserCAKeys": ca.file}})
    good = ca.sign(person, w.login, algorithm="rsa-sha2-256")
    assert proof_of(w, person, blob_of(good)) == attack.USERAUTH_SUCCESS
    old = ca.sign(person, w.login, algorithm="ssh-rsa")
    assert b"ssh-rsa" in blob_of(old)[-500:]
    assert proof_of(w, person, blob_of(old)) == attack.USERAUTH_FAILURE
    if not w.direct:
        p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf, "--key", old)
        assert p.returncode == 1
        assert b"may not log in: the certificate is signed with an algorithm that is not" in p.stdout


def test_certificate_signed_by_a_certificate(trusting, ca, ring, person, tmp_path):
    """The key of a certificate is no CA, whoever has signed it."""
    w = trusting()
    middle = ring.get("middle")
    ca.sign(middle, w.login)
    assert not is_in(w, person, CA(tmp_path / "middle", middle).sign(person, w.login))


def test_certificate_in_the_list_of_cas_makes_no_ca(trusting, ca, ring, person, tmp_path):
    w = trusting()
    middle = ring.get("middle")
    ca.file.write_text(ca.sign(middle, w.login).read_text())
    assert not is_in(w, person, CA(tmp_path / "middle", middle).sign(person, w.login))


def test_id_of_a_stranger_is_not_in_the_log(gated, ca, ring, person, tmp_path):
    """It could be made to look as if somebody else had failed."""
    w = gated(route={"TrustedUserCAKeys": ca.file}, door={"MaxAuthTries": "1"})
    other = CA(tmp_path / "other", ring.get("other_ca"))
    bad = other.sign(person, w.login, key_id="x from 192.0.2.1 port 22 ssh2")
    assert not is_in(w, person, bad)
    assert said(w, rf"Failed publickey for {w.login} .*ED25519-CERT {re.escape(person.fingerprint)}")
    assert not said(w, r"192\.0\.2\.1")


def test_login_that_does_not_exist(gated, ca, person):
    w = gated(route={"TrustedUserCAKeys": ca.file})
    certificate = ca.sign(person, "mallory")
    r = w.new_client(person, user="mallory", CertificateFile=certificate).ssh("true")
    assert r.code == 255 and "Permission denied" in r.err


# With what else a route may ask for.


def test_route_that_depends_on_the_key(gated, ca, ring, person, make_sshd):
    """MatchFingerprint is about the key in a certificate; the key without it is another matter."""
    w = gated(route={"TrustedUserCAKeys": ca.file})
    other = make_sshd()
    g = w.gateway
    g.route("alice/person", other, [], MatchFingerprint=person.fingerprint, User=ME,
            TrustedUserCAKeys=ca.file, key="person_key")
    assert g.command("reload") is not None
    certificate = ca.sign(person, "alice")
    assert w.new_client(person).ssh("true").code == 255
    assert is_in(w, person, certificate)
    assert other.log.find(r"Accepted publickey")
    assert not w.sshd.log.find(r"Accepted publickey")
    w.answers()
    assert w.sshd.log.find(r"Accepted publickey")


def test_certificate_and_password(gated, ca, person, tmp_path):
    """AuthenticationMethods asks for both; what the certificate permits still holds."""
    made = subprocess.run([SALLYPORT, "hash-password"], input=b"correct horse\n", capture_output=True,
                          check=True)
    w = gated(route={
        "TrustedUserCAKeys": ca.file, "AuthenticationMethods": "publickey,password",
        "PasswordHash": made.stdout.decode().strip().split(" = ")[1],
    })
    certificate = ca.sign(person, "alice", options=["force-command=echo forced"])
    ask = tmp_path / "ask"
    ask.write_text("#!/bin/sh\necho correct horse\n")
    ask.chmod(0o755)
    c = bearer(w, person, certificate)
    env = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    words = {"BatchMode": "no", "NumberOfPasswordPrompts": "1",
             "PreferredAuthentications": "publickey,password"}
    assert c.ssh("echo in", env=env, **words).text == "forced\n"
    assert said(w, r"Partial publickey for alice .*ED25519-CERT \S+ ID an id \(serial 0\) CA ED25519")
    ask.write_text("#!/bin/sh\necho wrong\n")
    assert c.ssh("echo in", env=env, **words).code == 255


# What `sallyport route` says.


def test_route_explains(gated, ca, ring, person, tmp_path):
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    w = gated(route={"TrustedUserCAKeys": ca.file, "RevokedKeys": revoked})

    def explain(certificate, *args):
        p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf, "--key", certificate, *args)
        lines = [line for line in p.stdout.decode().splitlines() if line.startswith("--key")]
        return p.returncode, "\n".join(lines)

    good = ca.sign(person, "alice", key_id="person@example.com", serial=9)
    status, text = explain(good)
    assert status == 0, text
    assert f"ID person@example.com (serial 9) CA ED25519 {ca.key.fingerprint}" in text
    assert f"ED25519-CERT {person.fingerprint} may log in: a CA in {ca.file}" in text
    for certificate, why in (
        (ca.sign(person, "alice", validity="-2h:-1h"), "the certificate has expired"),
        (ca.sign(person, "alice", validity="+1h:+2h"), "the certificate is not valid before"),
        (ca.sign(person, "bob"), "the login is not a principal of the certificate"),
        (ca.sign(person), "the certificate has no principals"),
        (ca.sign(person, "alice", host=True), "the certificate is a host's"),
        (CA(tmp_path / "o", ring.get("other_ca")).sign(person, "alice"), "it is on no list"),
        (ca.sign(person, "alice", options=["source-address=192.0.2.0/24"]),
         "the certificate is not for this address (source-address) (try --from ADDRESS)"),
        (rewrite(good, lambda b: b.__setitem__(-9, b[-9] ^ 1)),
         "the signature of the certificate is not its CA's"),
    ):
        status, text = explain(certificate)
        assert status == 1 and f"may not log in: {why}" in text, (why, text)
    away = ca.sign(person, "alice", options=["source-address=192.0.2.0/24"])
    assert explain(away, "--from", "192.0.2.7")[0] == 0
    krl(tmp_path / "new", keys=[good]).rename(revoked)
    status, text = explain(good)
    assert status == 1 and f"may not log in: revoked by {revoked}" in text


def test_check_looks_at_the_files(gated, ca, tmp_path):
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    w = gated(route={"TrustedUserCAKeys": ca.file, "RevokedKeys": revoked})

    def check():
        p = w.gateway.sallyport("check", "-c", w.gateway.conf)
        return p.returncode, p.stderr.decode()

    assert check()[0] == 0
    revoked.write_text("nonsense\n")
    status, text = check()
    assert status == 78 and f"RevokedKeys: {revoked} is neither a list of public keys nor" in text
    revoked.unlink()
    status, text = check()
    assert status == 78 and f"RevokedKeys: {revoked}: No such file" in text
    revoked.write_text("")
    ca.file.write_text("# nobody\n")
    status, text = check()
    assert status == 0 and f"note: {w.gateway.conf}/10-alice.ini" in text
    assert "no certificate is accepted" in text
    os.truncate(ca.file, 1 << 30)
    status, text = check()
    assert status == 78 and f"TrustedUserCAKeys: {ca.file} is larger than 1 MiB" in text
    ca.file.write_text("")
    ca.file.chmod(0o666)
    status, text = check()
    assert status == 78 and f"{ca.file}: others may write to it (mode 0666); run: chmod go-w {ca.file}" in text
