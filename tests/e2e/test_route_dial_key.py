"""`sallyport route LOGIN --dial` asks the upstream whether it takes the mapped key, and logs nobody in."""

import asyncio
import re
import subprocess

import pytest

from lab import dropbear
from lab.ca import CA
from lab.gateway import SALLYPORT
from lab.sshd import ME

ACCEPTED = "Accepted publickey|session opened"


def dial(t, **route):
    """The exit status and the line about the mapped key of a trial with the upstream's known host key."""
    t.route(**route)
    status, line = t.dial(t.upstream.known_hosts())
    assert " is known (" in line, line
    t.upstream.quiet()
    assert not t.upstream.log.find(ACCEPTED)
    return status, t.asked


def test_mapped_key_that_the_upstream_takes(trial):
    t = trial()
    assert dial(t) == (0, f"{ME}@127.0.0.1 takes the mapped key k")
    assert t.upstream.log.find("sallyport: a trial connection")


def test_mapped_key_that_the_upstream_does_not_take(trial):
    """The advice is the command that prints the line for authorized_keys; with it the upstream takes the key."""
    t = trial()
    t.upstream.authorized_keys.write_text("")
    status, line = dial(t)
    advice = re.fullmatch(
        rf"{ME}@127\.0\.0\.1 does not take the mapped key k: add what `(sallyport key public k --for alice -c \S+)` "
        rf"prints to the authorized_keys of {ME} there", line)
    assert status == 1 and advice, line
    words = advice[1].split()
    p = subprocess.run([SALLYPORT, *words[1:]], capture_output=True, text=True, check=True)
    t.upstream.authorize(p.stdout.strip())
    assert dial(t) == (0, f"{ME}@127.0.0.1 takes the mapped key k")


@pytest.mark.parametrize("kind", ["ecdsa256", "rsa3072"])
def test_other_types_of_keys(trial, ring, kind):
    t = trial()
    key = t.gateway.add_key(kind, ring.get("mapped", kind))
    assert dial(t, Key=kind)[0] == 1
    t.upstream.authorize(key.public)
    assert dial(t, Key=kind) == (0, f"{ME}@127.0.0.1 takes the mapped key {kind}")


def test_key_in_a_directory(trial, ring, tmp_path):
    """Of [lookup directory], whose keys `sallyport key` does not have."""
    t = trial()
    key, alice = ring.get("mapped"), tmp_path / "tree" / "alice"
    alice.mkdir(parents=True)
    for name, text in (("sshpiper_upstream", f"{ME}@127.0.0.1:{t.upstream.port}\n"), ("id_rsa", key.path.read_text()),
                       ("authorized_keys", ring.get("client").public), ("known_hosts", t.upstream.known_hosts())):
        (alice / name).write_text(text)
        (alice / name).chmod(0o600)
    (t.gateway.conf / "10-alice.ini").write_text(
        f"[lookup]\nOrder = directory\n[lookup directory]\nPath = {alice.parent}\n")
    status, line = t.dial()
    assert status == 1 and t.asked.endswith(f": add its public half to the authorized_keys of {ME} there"), (line, t.asked)
    t.upstream.authorize(key.public)
    status, line = t.dial()
    assert (status, t.asked) == (0, f"{ME}@127.0.0.1 takes the mapped key {alice / 'id_rsa'}")


@pytest.mark.skipif(not dropbear.installed(), reason="no Dropbear")
def test_algorithm_of_an_rsa_key(trial, ring, tmp_path):
    """As at a login: by server-sig-algs, which in Dropbear has rsa-sha2-256 alone."""
    t = trial()
    upstream = dropbear.Dropbear(tmp_path / "dropbear", ring).start()
    try:
        upstream.authorize(t.gateway.add_key("rsa", ring.get("mapped", "rsa3072")).public)
        t.route(Key="rsa", Port=upstream.port)
        assert t.dial(upstream.known_hosts())[0] == 0 and t.asked == f"{ME}@127.0.0.1 takes the mapped key rsa"
        t.route(Port=upstream.port)
        assert t.dial()[0] == 1
    finally:
        upstream.stop()


def test_upstream_that_lacks_sha2_for_rsa(trial, ring):
    """Signatures with SHA-1 are never made; this upstream says that it takes the key, and would refuse the login."""
    asyncssh = pytest.importorskip("asyncssh")
    t = trial()
    key, host = t.gateway.add_key("rsa", ring.get("mapped", "rsa3072")), ring.get("upstream_host")
    allowed = asyncssh.import_authorized_keys(key.public + "\n")

    async def talk():
        server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[str(host.path)], authorized_client_keys=allowed,
                                       signature_algs=["ssh-ed25519", "ssh-rsa"])
        async with server:
            port = server.sockets[0].getsockname()[1]
            t.route(Key="rsa", Port=port)
            return await asyncio.to_thread(t.dial, f"[127.0.0.1]:{port} {host.public}\n")

    status, line = asyncio.run(talk())
    assert (status, t.asked) == (1, f"{ME}@127.0.0.1: the mapped key rsa is an RSA key, and the upstream takes no "
                                    "signatures with rsa-sha2-512 or rsa-sha2-256 (it takes ssh-ed25519,ssh-rsa): use an "
                                    "ed25519 key"), line


def test_certificate_of_the_mapped_key(trial, ring, tmp_path):
    ca = CA(tmp_path / "ca", ring.get("ca"))
    t = trial(sshd={"TrustedUserCAKeys": ca.file})
    key = t.gateway.add_key("m", ring.get("mapped"))
    words = {"Key": "m", "CertificateFile": ca.sign(ring.get("mapped"), ME)}
    assert dial(t, **words) == (0, f"{ME}@127.0.0.1 takes the certificate of the mapped key m")
    words["CertificateFile"] = ca.sign(ring.get("mapped"), "another-user")
    assert dial(t, **words)[0] == 1
    t.upstream.authorize(key.public)
    assert dial(t, **words) == (0, f"{ME}@127.0.0.1 takes the mapped key m, but not its certificate")


def test_upstream_that_takes_no_keys(trial):
    t = trial(sshd={"PubkeyAuthentication": "no", "PasswordAuthentication": "yes"})
    assert dial(t) == (1, f"{ME}@127.0.0.1 does not take the mapped key k: it takes no keys at all for this user; it "
                          "offers password")


def test_routes_without_a_mapped_key(trial):
    """What a trial cannot find out is said."""
    t = trial()
    alone = "a login alone shows whether the upstream takes "
    assert dial(t, Key="agent") == (0, "the key is one of the user's agent, so a login alone shows whether the upstream "
                                       "takes it")
    t.gateway.sallyport("key", "add", "secret", "--password", "-c", t.gateway.conf, stdin=b"secret\n")
    assert dial(t, Key=None, Password="secret") == (0, alone + "the stored password")
    assert dial(t, Key=None, AuthorizedKeysFile=None, Passthrough="yes") == (0, alone + "what the user types")
    assert not t.upstream.log.find("publickey|password")


def test_stored_password_beside_a_key(trial):
    t = trial()
    t.gateway.sallyport("key", "add", "secret", "--password", "-c", t.gateway.conf, stdin=b"secret\n")
    t.upstream.authorized_keys.write_text("")
    status, line = dial(t, Password="secret")
    assert status == 0 and line.endswith("; a login tries the stored password as well, and a trial does not"), line


@pytest.mark.parametrize("strict", ["yes", "accept-new", "no"])
def test_unverified_upstream_does_not_hear_of_the_key(trial, strict):
    """Neither the user's name nor the key is sent to a machine whose host key is not the known one."""
    t = trial(StrictHostKeyChecking=strict)
    status, line = t.dial("")
    assert status == (1 if strict == "yes" else 0), line
    if strict == "yes":
        assert t.asked is None
    else:
        assert t.asked == f"{ME}@127.0.0.1 was not asked whether it takes the mapped key k: its host key is not known yet"
    changed = "".join(t.name(t.ring.get("changed_host", k)) for k in ("ed25519", "ecdsa256", "rsa3072"))
    t.dial(changed)
    t.upstream.quiet()
    assert not t.upstream.log.find(rf"publickey|Accepted|Failed|user {ME}"), t.upstream.log.text()
    assert t.upstream.log.find(r"\[preauth\]")


def test_upstream_that_ends_the_connection_when_asked(trial):
    t = trial(sshd={"MaxAuthTries": "1"})
    t.upstream.authorized_keys.write_text("")
    status, line = dial(t)
    assert status == 1 and re.search(r"asked whether it takes the mapped key k: |does not take the mapped key k: ", line)
