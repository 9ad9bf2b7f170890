"""The signatures by the gateway's host keys that a session gets that has been taken over.

The numbers in brackets are those of the findings in SECURITY.md.
"""

import base64
import hashlib
import os
import time

import paramiko
import pytest

from lab import net
from lab.taken_over import Gone, TakenOver, string

LENGTHS = (20, 32, 48, 64)
AT_ONCE = 20


def assert_ended(w, why, mark=0):
    w.gateway.log.wait(rf"session [0-9a-f]+: ended: {why} \(from 127\.0\.0\.1 port \d+\)$", mark)


@pytest.fixture
def logged_in_session(attacked, ring):
    """A session whose client is logged in for the keeper; its login has taken one signature."""
    with TakenOver(attacked.gateway.port) as t:
        t.began = time.monotonic()
        t.enter("alice", ring.get("client"), attacked.sshd.host_keys[0])
        t.way = attacked
        yield t


def blob_of(line):
    return base64.b64decode(line.split()[1])


def proof(t, *blobs):
    """PROVE: the signatures, or None if the keeper refuses."""
    t.send("PROVE", *blobs)
    _, answer, _ = t.expect("PROOF")
    return answer.strings() if answer.bool() else None


@pytest.mark.parametrize("length", LENGTHS)
def test_each_length_of_hash_is_signed(attacked, length):
    with TakenOver(attacked.gateway.port) as t:
        assert t.sign(data=os.urandom(length))


def test_one_signature_before_login(attacked):
    """[16] Before the login there is one key exchange."""
    with TakenOver(attacked.gateway.port) as t:
        assert t.sign()
        t.send("SIGN", "ssh-ed25519", os.urandom(32))
        assert t.ended()
    attacked.gateway.log.wait(r"ended: bad message \(SIGN in phase")
    with TakenOver(attacked.gateway.port) as t:
        assert t.sign()
        t.auth(50, "alice", "ssh-connection", "none")
        t.expect("DOWNSTREAM")
        t.send("SIGN", "ssh-ed25519", os.urandom(32))
        assert t.ended()
    attacked.answers()


def test_no_signature_during_upstream_login(attacked, ring):
    """[16] The client has authenticated, but the session has not been told that it is logged in."""
    with TakenOver(attacked.gateway.port) as t:
        t.sign()
        t.prove("alice", ring.get("client"))
        t.expect("UPSTREAM_FD")
        t.send("SIGN", "ssh-ed25519", os.urandom(32))
        assert t.ended()
    attacked.answers()


def signed_data_of_sshsig(namespace, text, algorithm="sha512"):
    """The bytes that ssh-keygen -Y sign signs: PROTOCOL.sshsig of OpenSSH."""
    return (b"SSHSIG" + string(namespace) + string("") + string(algorithm)
            + string(hashlib.new(algorithm, text).digest()))


def test_no_signature_of_files(attacked):
    """[16] With a namespace of three letters and SHA-256 these bytes have about the length of an exchange
    hash.
    """
    for blob in (signed_data_of_sshsig("file", b"x", "sha256"), signed_data_of_sshsig("git", b"x", "sha256"),
                 *(b"SSHSIG" + bytes(n) for n in (58, 57, 26, 14))):
        with TakenOver(attacked.gateway.port) as t:
            mark = attacked.gateway.log.mark()
            t.send("SIGN", "ssh-ed25519", blob)
            assert t.ended(), blob
            assert_ended(attacked, "it asks for a signature of something that is not an exchange hash", mark)
    attacked.answers()


def test_no_signature_of_other_lengths(attacked):
    """[16]"""
    for length in {*range(70), 128, 1000, 60_000} - {*LENGTHS}:
        with TakenOver(attacked.gateway.port) as t:
            t.send("SIGN", "ssh-ed25519", os.urandom(length))
            assert t.ended(), length
    attacked.answers()


@pytest.mark.parametrize("algorithm", ["", "ssh-dss", "ssh-rsa", "ecdsa-sha2-nistp256",
                                       "ssh-ed25519-cert-v01@openssh.com", "x" * 63])
def test_algorithm_of_no_host_key_ends_session(attacked, algorithm):
    """[17] ssh-rsa: with SHA-1."""
    with TakenOver(attacked.gateway.port) as t:
        t.send("SIGN", algorithm, os.urandom(32))
        assert t.ended()
    assert_ended(attacked, "it asks for a signature that no host key can make")


def test_no_proof_of_host_keys_before_login(attacked, ring):
    """[16] Neither before the client is in, nor while the upstream's login is under way."""
    blob = blob_of(attacked.gateway.host_keys[0].public)
    for steps in range(3):
        mark = attacked.gateway.log.mark()
        with TakenOver(attacked.gateway.port) as t:
            if steps > 0:
                assert t.sign()
            if steps > 1:
                t.prove("alice", ring.get("client"))
                t.expect("UPSTREAM_FD")
            t.send("PROVE", blob)
            assert t.ended()
        attacked.gateway.log.wait(r"ended: bad message \(PROVE in phase", mark)
    attacked.answers()


def test_proof_is_of_this_session_alone(logged_in_session):
    """[16] The keeper puts together what is signed: no byte of it is the session's."""
    t = logged_in_session
    blob = blob_of(t.way.gateway.host_keys[0].public)
    (signature,) = proof(t, blob)
    key = paramiko.Ed25519Key(data=blob)
    signed = string("hostkeys-prove-00@openssh.com") + string(t.session_id) + string(blob)
    assert key.verify_ssh_sig(signed, paramiko.Message(signature))
    assert len(signed) > max(LENGTHS)


def test_only_host_keys_are_proven(logged_in_session):
    """[16] A mapped key, and a host key that is not in HostKey, are in the store, too."""
    t = logged_in_session
    gateway = t.way.gateway
    host, mapped = blob_of(gateway.host_keys[0].public), blob_of(gateway.keys["alice"])
    other = blob_of(gateway.generate_key("other"))
    for blobs in ((mapped,), (other,), (b"",), (b"x" * 60_000,), (bytearray(b"\xff\xff\xff\xffx"),),
                  (bytearray(b"\0"),)):
        assert proof(t, *blobs) is None
    assert proof(t, host) and t.sign()
    t.way.answers()


def test_each_host_key_is_proven_once(logged_in_session):
    """[16] A session gets as many signatures as there are host keys."""
    t = logged_in_session
    one, two = (blob_of(key.public) for key in t.way.gateway.host_keys)
    assert proof(t, one, one) is None
    assert proof(t, one) is None
    assert len(proof(t, two)) == 1
    assert proof(t, two) is None
    assert proof(t) == []
    t.way.answers()


def test_rate_of_signatures_is_limited(logged_in_session):
    """[15] 20 at once, then one per second: further requests wait."""
    for _ in range(AT_ONCE - 1):
        assert logged_in_session.sign(algorithm="rsa-sha2-512")
    for n in range(1, 4):
        assert logged_in_session.sign()
        assert time.monotonic() - logged_in_session.began > n - 0.5  # the first one is that of the login
    logged_in_session.way.answers()


def test_second_concurrent_request_ends_session(logged_in_session):
    """[15] Only one may wait."""
    with pytest.raises(Gone):
        for _ in range(AT_ONCE + 40):
            logged_in_session.send("SIGN", "ssh-ed25519", os.urandom(32))
        while logged_in_session.receive():  # the keeper is busy, and ends the session later
            pass
    assert_ended(logged_in_session.way, "it asks for two signatures at once")
    assert len(logged_in_session.way.gateway.log.lines()) < 20
    logged_in_session.way.answers()


def test_continuous_rekeying_delays_no_other_session(logged_in_session):
    """[15] The keeper goes on, and so does the session itself: its log line is written meanwhile."""
    for _ in range(AT_ONCE):
        logged_in_session.send("SIGN", "ssh-ed25519", os.urandom(32))
    logged_in_session.send("LOG", bytearray([2]), "not asleep")
    logged_in_session.way.gateway.log.wait("session [0-9a-f]+: not asleep")
    logged_in_session.way.answers()
    for _ in range(AT_ONCE):
        logged_in_session.expect("SIGNATURE")


def test_client_that_rekeys_continuously_is_slowed_down(gated):
    """[15] Its connection stays up, with nothing lost; keepalives are answered."""
    w = gated(front={"ClientAliveInterval": "1", "ClientAliveCountMax": "2"})
    start = time.monotonic()
    t = paramiko.Transport(net.connect(("127.0.0.1", w.gateway.port)))
    try:
        t.connect(username="alice", pkey=paramiko.Ed25519Key.from_private_key_file(str(w.client.key.path)))
        c = t.open_session()
        c.exec_command("cat")
        for n in range(AT_ONCE + 5):
            t.renegotiate_keys()
            c.sendall(b"%04d" % n)
            assert c.recv(4) == b"%04d" % n
        assert time.monotonic() - start > 4
        c.shutdown_write()
        assert c.recv_exit_status() == 0
    finally:
        t.close()
