"""HostCertificate: certificates of the gateway's own host keys, for clients that know its authority alone."""

import re
import subprocess
from types import SimpleNamespace

import pytest

from lab.ca import CA, rewrite
from lab.client import open_session, rekeys
from lab.gateway import NOT_RELOADED
from lab.keys import known_hosts_line
from lab.wait import wait_for

ALGORITHMS = {
    "ed25519": ["ssh-ed25519-cert-v01@openssh.com"],
    "rsa": ["rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com"],
    "ecdsa": ["ecdsa-sha2-nistp256-cert-v01@openssh.com"],
}


@pytest.fixture
def ca(tmp_path, ring):
    return CA(tmp_path / "ca", ring.get("host_authority"))


@pytest.fixture
def w(gated, ca):
    """A gateway with three host keys, each with a certificate for 127.0.0.1 and "gateway"."""
    way = gated()
    ecdsa = way.gateway.generate_key("host_ecdsa", "--type", "ecdsa")
    way.gateway.host_key_names.append("host_ecdsa")
    way.keys = [*way.gateway.host_keys, SimpleNamespace(public=ecdsa)]
    serve(way, *(ca.sign(key, "127.0.0.1,gateway", host=True) for key in way.keys))
    return way


def configure(w, *paths):
    w.gateway.options["HostCertificate"] = " ".join(map(str, paths)) or None
    w.gateway.write_gateway()


def serve(w, *paths):
    """HostCertificate = paths, by a reload; what check says."""
    configure(w, *paths)
    status, said = w.gateway.check()
    assert status == 0, said
    p = w.gateway.reload()
    assert p.returncode == 0, p.stderr
    return said


def trusting(w, ca, names=None, **options):
    """A client that knows the authority, and no key of the gateway."""
    return w.new_client(known_hosts=known_hosts_line(ca.key, w.gateway.port, names, "@cert-authority"), **options)


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_certificate_of_each_type(w, ca, kind):
    for algorithm in ALGORITHMS[kind]:
        r = trusting(w, ca, HostKeyAlgorithms=algorithm).ssh("echo in", LogLevel="DEBUG1")
        assert (r.code, r.text) == (0, "in\n"), r.err
        assert f"kex: host key algorithm: {algorithm}" in r.err and "Server host certificate" in r.err


def test_certificate_in_each_key_exchange(w, ca):
    known = subprocess.run(["ssh", "-Q", "kex"], capture_output=True, text=True, check=True).stdout.split()
    served = re.search(r"^KexAlgorithms += +(\S+)", w.gateway.command("check", "--dump"), re.M)[1].split(",")
    both = [name for name in served if name in known]
    assert len(both) >= 5
    for name in both:
        r = trusting(w, ca, KexAlgorithms=name).ssh("echo in")
        assert (r.code, r.text) == (0, "in\n"), (name, r.err)


def test_certificate_in_rekeys(w, ca):
    running = open_session(trusting(w, ca), RekeyLimit="1M")
    serve(w)
    rekeys(running)


def test_certificate_comes_before_the_key(w, ca):
    """Clients that know the key, with certificates and without, go on as before."""
    r = trusting(w, ca).ssh("true", LogLevel="DEBUG1")
    assert r.code == 0 and "kex: host key algorithm: ssh-ed25519-cert-v01@openssh.com" in r.err, r.err
    for options in ({}, {"HostKeyAlgorithms": "ssh-ed25519"}, {"UpdateHostKeys": "yes"}):
        c = w.new_client(**options)
        assert c.ssh("echo in").text == "in\n"
    assert "-cert-" not in c.known_hosts.read_text()


def test_principal_must_be_the_name(w, ca):
    assert trusting(w, ca, "gateway", HostKeyAlias="gateway").ssh("true").code == 0
    r = trusting(w, ca, "other", HostKeyAlias="other").ssh("true")
    assert r.code == 255 and "not a listed principal" in r.err, r.err


def test_host_key_algorithms_can_leave_certificates_out(w, ca):
    w.gateway.options["HostKeyAlgorithms"] = "ssh-ed25519,rsa-sha2-512"
    w.gateway.write_gateway()
    assert w.gateway.reload().returncode == 0
    assert trusting(w, ca).ssh("true").code == 255
    assert w.new_client().ssh("true").code == 0
    w.gateway.options["HostKeyAlgorithms"] = "ssh-ed25519-cert-v01@openssh.com"
    w.gateway.write_gateway()
    status, said = w.gateway.check()
    assert status == 78 and "HostKeyAlgorithms: no HostKey is of a type that it names" in said


def change_last_byte(blob):
    blob[-1] ^= 1


WRONG = {
    "a user's certificate": (lambda w, ca: [ca.sign(w.keys[0], "gateway")], "is a user's certificate, not a host's"),
    "another key's": (lambda w, ca: [ca.sign(w.client.key, host=True)], "is not for a key in HostKey"),
    "a key": (lambda w, ca: [ca.key.path.with_suffix(".pub")], "is no certificate that can be used"),
    "not there": (lambda w, ca: [ca.dir / "none"], "No such file"),
    "two for a key": (lambda w, ca: [ca.sign(w.keys[0], host=True) for _ in range(2)],
                      "a second certificate for host_ed25519"),
    "changed": (lambda w, ca: [rewrite(ca.sign(w.keys[0], host=True), change_last_byte)], "its signature is not by its CA"),
    "an option": (lambda w, ca: [ca.sign(w.keys[0], host=True, options=["critical:x@example.com=y"])],
                  "has a critical option"),
}


@pytest.mark.parametrize("how", WRONG)
def test_certificates_that_cannot_be_used(w, ca, how):
    """check, reload and serve refuse them; the certificates in force stay."""
    make, why = WRONG[how]
    configure(w, *make(w, ca))
    status, said = w.gateway.check()
    assert status == 78 and re.search(rf"00-gateway\.ini:\d+: HostCertificate: /\S+: .*{why}", said), said
    w.gateway.hangup(NOT_RELOADED)
    w.gateway.log.wait(why)
    assert trusting(w, ca).ssh("true").code == 0


@pytest.mark.parametrize("validity, why", [("-2h:-1h", "the certificate has expired: it was valid until"),
                                           ("+1h:+2h", "the certificate is not valid before")])
def test_certificate_out_of_its_time(w, ca, validity, why):
    """An expired certificate stops nobody: it is not offered, and the keys are."""
    mark = w.gateway.log.mark()
    said = serve(w, ca.sign(w.keys[0], "127.0.0.1", validity=validity, host=True))
    assert re.search(rf"note: .*HostCertificate: .*: {why} .*; it is not offered", said), said
    w.gateway.log.wait(rf"HostCertificate: .*: {why} .*; it is not offered to clients", mark)
    r = trusting(w, ca).ssh("true")
    assert r.code == 255 and "Host key verification failed" in r.err
    assert w.new_client().ssh("true").code == 0


def test_certificate_that_expires_while_it_is_served(w, ca):
    mark = w.gateway.log.mark()
    serve(w, ca.sign(w.keys[0], "127.0.0.1", validity="-1h:+3s", host=True))

    def gone():
        """The gateway finds it at a connection, maybe a moment after the client."""
        refused = trusting(w, ca).ssh("true").code == 255
        return refused and w.gateway.log.find(r"HostCertificate: .* has expired: .*; it is not offered to clients", mark)

    wait_for("it to expire", gone)
    assert w.new_client().ssh("true").code == 0
    assert len(re.findall("it is not offered", w.gateway.log.text(mark))) == 1
