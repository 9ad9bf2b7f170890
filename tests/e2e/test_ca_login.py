"""Key = ca:NAME: the gateway logs in to a real sshd with a certificate that it makes for each login."""

import re

import pytest

from lab import totp
from lab.account import PASSWORD as ACCOUNT_PASSWORD
from lab.ca import CA, krl
from lab.clock import Clock
from lab.gateway import sanitized
from lab.password import PASSWORD
from lab.sshd import ME


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "ecdsa256", "ecdsa521"])
def test_login_with_a_certificate_by_every_type_of_authority(certified, kind):
    c = certified(kind=kind)
    assert c.ssh("echo in").text == "in\n"
    assert c.issued() == c.accepted()


def test_key_id_names_person_session_proof_and_address(certified, ring):
    c = certified()
    c.way.answers()
    serial, key_id = c.issued()
    assert int(serial) >= 1 << 50
    number = c.gateway.log.wait(r"session ([0-9a-f]+): alice from")[1]
    assert key_id == f"alice session {number} key {ring.get('client').fingerprint} from 127.0.0.1"


def test_each_login_has_a_serial_of_its_own_also_after_a_restart(certified):
    c = certified()
    seen = []
    for restart in (False, True, True):
        if restart:
            c.gateway.stop()
            c.gateway.start()
        for _ in range(2):
            mark = c.gateway.log.mark()
            c.way.answers()
            seen.append(int(c.issued(mark)[0]))
    assert len(set(seen)) == len(seen) and seen == sorted(seen), seen


# --- proofs in the key id ---


def test_key_id_names_a_certificate_and_a_password(certified, ca, ring, hashed):
    c = certified(TrustedUserCAKeys=ca.file, PasswordHash=hashed, AuthenticationMethods="publickey,password")
    person = ring.get("person")
    client = c.way.new_client(
        person, CertificateFile=ca.sign(person, "alice", key_id='a "friend"'), NumberOfPasswordPrompts="1",
        BatchMode="no", PreferredAuthentications="publickey,password")
    t = client.terminal("echo in")
    t.expect("assword:")
    t.send(PASSWORD + "\r")
    t.expect("in")
    t.wait()
    assert c.issued()[1].split(" ", 3)[3] == "certificate ID \"a 'friend'\"+password from 127.0.0.1"
    assert c.issued() == c.accepted()


def test_key_id_names_a_one_time_code(certified, ring):
    c = certified(**totp.WITH_CODE)
    app = totp.Secret(c.gateway)
    assert totp.enters(totp.person(c.way, app.code()))
    assert c.issued()[1].endswith(f" key {ring.get('client').fingerprint}+totp from 127.0.0.1")
    assert c.issued() == c.accepted()


# --- refusals: the log says what to look at ---

LOOK = rf"{ME}@127\.0\.0\.1 refused the certificate ID alice session .* \(serial \d+\) CA ED25519 SHA256:\S+; its " \
       r"sshd logs why\.  Look at the clock there \(it is valid from \S+ \S+Z to \S+ \S+Z\), at TrustedUserCAKeys " \
       r"\(is the line of `sallyport ca public authority` in that file\?\), at the principals \(%s: "


def test_machine_that_does_not_know_the_authority(certified, ca):
    c = certified(trusts={"TrustedUserCAKeys": ca.file})
    assert "your machine did not let the gateway in" in c.refused(
        r"refused: .*upstream refused the certificate; it offers publickey")
    c.gateway.log.wait(LOOK % re.escape(ME))
    assert not c.sshd.log.find("ssh2: ED25519 SHA256"), "the key is not tried alone"


def test_machine_that_has_no_authority_at_all(certified):
    certified(trusts={}).refused("upstream refused the certificate")


@pytest.mark.skipif(sanitized(), reason="a sanitizer has to be the first library")
def test_clocks_that_differ_by_more_than_the_certificate_is_valid(certified, tmp_path):
    """A login that succeeds again as soon as they agree, or differ by less."""
    c = certified()
    clock = Clock(tmp_path)
    clock.put_into(c.gateway)
    for seconds, why in ((3600, "not yet valid"), (-3600, "expired")):
        clock.set(seconds)
        mark = c.sshd.log.mark()
        c.refused(LOOK % re.escape(ME))
        c.sshd.log.wait(f"Certificate invalid: {why}", mark)
    clock.set(-120)
    c.way.answers()


def test_principal_that_the_machine_does_not_take(certified):
    c = certified(CertificatePrincipals="web-%u db")
    c.refused(LOOK % "web-alice,db")
    c.sshd.log.wait("principal")


def test_principals_of_a_file_on_the_machine(certified, tmp_path):
    file = tmp_path / "principals"
    file.write_text("db\n")
    c = certified(sshd={"AuthorizedPrincipalsFile": file}, CertificatePrincipals="web-%u db")
    c.way.answers()
    file.write_text("web-bob\n")
    c.refused(LOOK % "web-alice,db")


def test_address_that_the_machine_does_not_see(certified):
    c = certified(CertificateSourceAddress="192.0.2.1 2001:db8::/32")
    c.refused("and at CertificateSourceAddress")
    c.sshd.log.wait("not from a permitted source address")


def test_certificates_that_the_machine_has_revoked(certified, tmp_path):
    """All serial numbers of the authority up to now: the way to end what a lost CA key might have signed."""
    revoked = tmp_path / "krl"
    revoked.write_text("")
    c = certified(sshd={"RevokedKeys": revoked})
    c.way.answers()
    krl(revoked, spec="serial: 1-18446744073709551615", ca=c.ca)
    c.refused("upstream refused the certificate")
    c.sshd.log.wait("revoked")


def test_store_without_the_authority(certified):
    c = certified()
    c.gateway.command("key", "remove", "authority", "--force")
    c.refused(r"refused: Key = ca:authority: no certificate: .*keys/authority")
    assert "there is no key authority in the key store" in c.gateway.notes()


def test_new_authority_counts_at_the_next_login(certified, ring):
    c = certified()
    c.way.answers()
    other = ring.get("next_authority")
    with open(c.ca.file, "a", encoding="ascii") as f:
        f.write(other.public + "\n")
    c.gateway.command("key", "add", "authority", other.path, "--replace")
    c.way.answers()
    c.sshd.log.wait(rf"CA ED25519 {re.escape(other.fingerprint)}")


# --- beside other words ---


def test_several_hosts_and_an_unknown_host_key(certified):
    """127.0.0.9 refuses; the signature names the host key, which may be anybody's."""
    c = certified(HostName="127.0.0.9 127.0.0.1", StrictHostKeyChecking="no", known_hosts="")
    c.way.answers()
    c.accepted()


def test_hops_with_certificates(behind, ring, tmp_path):
    authority = CA(tmp_path / "authority", ring.get("authority"))

    def prepare(g):
        g.add_key("authority", authority.key)
        g.keys["ca:authority"] = authority.key.public

    trusting = {"TrustedUserCAKeys": authority.file}
    b = behind(prepare=prepare, machine=trusting, hop=trusting, hop_words={"key": "ca:authority"},
               route={"key": "ca:authority"})
    b.way.answers()
    number = b.gateway.log.wait(r"session ([0-9a-f]+): alice from")[1]
    key_id = rf"ID alice session {number} key SHA256:\S+ from 127\.0\.0\.1 \(serial (\d+)\)"
    serials = {s.log.wait(rf"Accepted publickey for {ME} .*{key_id}")[1] for s in (b.machine, b.bastions[0])}
    assert len(serials) == 2
    b.gateway.log.wait(rf"hop bastion0: {ME}@127\.0\.0\.1 lets the gateway in, certificate serial \d+ ID alice")


def test_password_beside_the_certificate(certified, account):
    """The machine wants both, or takes either."""
    pam = {"UsePAM": "yes", "PasswordAuthentication": "yes"}
    c = certified(sshd={**pam, "AuthenticationMethods": "publickey,password"}, Password="word", User=account)
    p = c.gateway.sallyport("key", "add", "word", "--password", "-c", c.gateway.conf,
                            stdin=ACCOUNT_PASSWORD.encode() + b"\n")
    assert p.returncode == 0, p
    c.way.answers()
    c.sshd.log.wait(rf"Accepted password for {account}")
    c.gateway.log.wait(r"-> .*, certificate serial \d+ ID alice")
    mark = c.gateway.log.mark()
    c.ca.file.write_text("")
    c.refused("upstream refused the certificate and accepts no password")
    c.sshd.stop()
    del c.sshd.options["AuthenticationMethods"]
    c.sshd.start()
    mark = c.gateway.log.mark()
    c.way.answers()
    c.gateway.log.wait("refused the certificate ID alice", mark)
    assert not c.gateway.log.find(r"-> .*certificate serial", mark)


def test_passthrough_beside_the_certificate(certified):
    """Somebody with a key gets a certificate; of others the machine asks the password."""
    c = certified(sshd={"PasswordAuthentication": "yes"}, Passthrough="yes")
    c.way.answers()
    assert c.issued() == c.accepted()
    stranger = c.way.new_client(c.way.ring.get("stranger"))
    assert stranger.ssh("true").code == 255
    c.ca.file.write_text("")
    mark = c.gateway.log.mark()
    assert c.ssh("true").code == 255
    c.gateway.log.wait(rf"{ME}@127\.0\.0\.1 refused the certificate$", mark)
    c.gateway.log.wait(LOOK % re.escape(ME), mark)


# --- sallyport route ---


def test_route_shows_what_a_certificate_says(certified):
    c = certified(CertificatePrincipals="%u web", PermitTTY="no", PermitOpen="db:5432", ForceCommand="uptime")
    out = c.gateway.command("route", "alice")
    assert f"""\
key        a certificate for each login, by the authority authority (ED25519 {c.ca.key.fingerprint})
           for alice
           and web
           valid from 60 s before the login to 300 s after it, from the gateway's address alone
           with the command uptime
           that permits X11-forwarding agent-forwarding port-forwarding user-rc
           the session alone keeps PermitOpen
""" in out
    assert c.gateway.notes() == ""
    p = c.gateway.sallyport("check", "--verbose", "--strict", "-c", c.gateway.conf)
    assert p.returncode == 0, p
    assert re.fullmatch(r"info: .*/10-alice\.ini:\d+: Key: no certificate can say what the route says with PermitOpen: "
                        r"the session alone keeps to it, not the machine\n", p.stderr.decode()), p


def test_trial_asks_the_machine(certified, ca):
    c = certified()
    dial = lambda: c.gateway.sallyport("route", "alice", "--dial", "-c", c.gateway.conf)
    p = dial()
    assert p.returncode == 0, p
    assert f"dial       {ME}@127.0.0.1 takes a certificate by the authority authority\n" in p.stdout.decode()
    c.ca.file.write_text(ca.file.read_text())
    p = dial()
    assert p.returncode == 1, p
    assert re.search(rf"dial       {ME}@127\.0\.0\.1 does not take a certificate by the authority authority: put the line "
                     r"of `sallyport ca public authority` into the file of TrustedUserCAKeys there; ", p.stdout.decode())
    assert not c.sshd.log.find("Accepted publickey")


BAD = {
    "a name": ({"Key": "ca:a/b"}, "Key: ca:NAME, with the name of a key in the key store: "),
    "no name": ({"Key": "ca:"}, "Key: ca:NAME, with the name of a key in the key store: "),
    "the host key": ({"Key": "ca:host_ed25519"}, "Key: host_ed25519 is the gateway's own HostKey, and no authority"),
    "a certificate": ({"CertificateFile": "x"}, "CertificateFile and Key = ca:authority cannot be combined"),
    "a short time": ({"CertificateLifetime": "29s"}, "CertificateLifetime: "),
    "a long time": ({"CertificateLifetime": "25h"}, "CertificateLifetime: "),
    "a long skew": ({"CertificateSkew": "2h"}, "CertificateSkew: "),
    "a comma": ({"CertificatePrincipals": "a,b"}, "\"a,b\" can't be a principal"),
    "an address": ({"CertificateSourceAddress": "gateway"}, '"gateway" is not auto, none, or a list of the addresses'),
    "no authority": ({"Key": "alice", "CertificatePrincipals": "a"}, "CertificatePrincipals needs Key = ca:NAME"),
}


@pytest.mark.parametrize("name", BAD)
def test_check_refuses(trial, name):
    t = trial()
    t.gateway.generate_key("authority")
    t.gateway.keys["ca:authority"] = ""
    words, why = BAD[name]
    t.gateway.route("alice", t.upstream, key="ca:authority", **words)
    status, text = t.gateway.check()
    assert status == 78 and why in text, text


def test_authority_comes_from_the_route_and_never_from_a_login(trial):
    t = trial()
    t.gateway.generate_key("authority")
    t.gateway.keys["%u"] = ""
    t.gateway.route("*", t.upstream, key="%u")
    p = t.gateway.sallyport("route", "ca:authority", "-c", t.gateway.conf)
    assert p.returncode == 1 and b'Key: "%u" is filled in with an authority' in p.stderr + p.stdout, p
