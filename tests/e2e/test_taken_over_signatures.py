"""What the gateway's host keys sign for a session that has been taken over.

The numbers in brackets are those of the findings of the review these tests come from.
"""

import hashlib
import os
import time

import paramiko
import pytest

from lab import net
from lab.taken_over import Gone, TakenOver, string

LENGTHS = (20, 32, 48, 64)
AT_ONCE = 20


def ended_for(w, why, mark=0):
    w.gateway.log.wait(rf"session [0-9a-f]+: ended: {why} \(from 127\.0\.0\.1 port \d+\)$", mark)


@pytest.fixture
def inside(attacked, ring):
    """A session whose client is logged in, as the keeper sees it; its login has cost one signature."""
    with TakenOver(attacked.gateway.port) as t:
        t.enter("alice", ring.get("client"), attacked.sshd.host_keys[0])
        t.way = attacked
        yield t


@pytest.mark.parametrize("length", LENGTHS)
def test_hash_of_each_length_is_signed(attacked, length):
    with TakenOver(attacked.gateway.port) as t:
        assert t.sign(data=os.urandom(length))


def test_signs_once_before_the_login(attacked):
    """[16] Until somebody is let in there is one key exchange."""
    with TakenOver(attacked.gateway.port) as t:
        assert t.sign()
        t.send("SIGN", "ssh-ed25519", os.urandom(32))
        assert t.ended()
    attacked.gateway.log.wait(r"ended for a bad message \(SIGN in phase")
    with TakenOver(attacked.gateway.port) as t:
        assert t.sign()
        t.auth(50, "alice", "ssh-connection", "none")
        t.expect("DOWNSTREAM")
        t.send("SIGN", "ssh-ed25519", os.urandom(32))
        assert t.ended()
    attacked.answers()


def test_signs_nothing_on_the_way_to_the_machine(attacked, ring):
    """[16] The client has proven itself, and is not in yet."""
    with TakenOver(attacked.gateway.port) as t:
        t.sign()
        t.prove("alice", ring.get("client"))
        t.expect("UPSTREAM_FD")
        t.send("SIGN", "ssh-ed25519", os.urandom(32))
        assert t.ended()
    attacked.answers()


def sshsig(namespace, text, algorithm="sha512"):
    """What ssh-keygen -Y sign signs: PROTOCOL.sshsig of OpenSSH."""
    return (b"SSHSIG" + string(namespace) + string("") + string(algorithm)
            + string(hashlib.new(algorithm, text).digest()))


def test_signs_no_file(attacked):
    """[16] With a namespace of three letters and SHA-256 this had the length of a hash, or nearly."""
    for blob in (sshsig("file", b"x", "sha256"), sshsig("git", b"x", "sha256"), b"SSHSIG" + bytes(58), b"SSHSIG" + bytes(57),
                 b"SSHSIG" + bytes(26), b"SSHSIG" + bytes(14)):
        with TakenOver(attacked.gateway.port) as t:
            mark = attacked.gateway.log.mark()
            t.send("SIGN", "ssh-ed25519", blob)
            assert t.ended(), blob
            ended_for(attacked, "what it wants signed is no exchange hash", mark)
    attacked.answers()


def test_signs_no_other_length(attacked):
    """[16]"""
    for length in {*range(70), 128, 1000, 60_000} - {*LENGTHS}:
        with TakenOver(attacked.gateway.port) as t:
            t.send("SIGN", "ssh-ed25519", os.urandom(length))
            assert t.ended(), length
    attacked.answers()


@pytest.mark.parametrize("algorithm", ["", "ssh-dss", "ssh-rsa", "ecdsa-sha2-nistp256", "x" * 63])
def test_algorithm_of_no_host_key_ends_it(attacked, algorithm):
    """[17] ssh-rsa: with SHA-1."""
    with TakenOver(attacked.gateway.port) as t:
        t.send("SIGN", algorithm, os.urandom(32))
        assert t.ended()
    ended_for(attacked, "no host key has the algorithm it wants a signature of")


def test_signs_for_who_is_in_at_a_bounded_rate(inside):
    """[15] 20, then one a second: what is beyond that waits."""
    start = time.monotonic()
    for _ in range(AT_ONCE - 1):
        assert inside.sign(algorithm="rsa-sha2-512")
    for n in range(1, 4):
        assert inside.sign()
        assert time.monotonic() - start > n - 0.5  # the first token is from the login, before the start
    inside.way.answers()


def test_wants_two_signatures_at_once(inside):
    """[15] One may wait."""
    with pytest.raises(Gone):
        for _ in range(AT_ONCE + 40):
            inside.send("SIGN", "ssh-ed25519", os.urandom(32))
    ended_for(inside.way, "it wants two signatures at once")
    assert len(inside.way.gateway.log.lines()) < 20
    inside.way.answers()


def test_nobody_waits_for_who_rekeys_without_end(inside):
    """[15] The keeper goes on; so does the session itself: its line for the log is written meanwhile."""
    for _ in range(AT_ONCE):
        inside.send("SIGN", "ssh-ed25519", os.urandom(32))
    inside.send("LOG", bytearray([2]), "not asleep")
    inside.way.gateway.log.wait("session [0-9a-f]+: not asleep")
    inside.way.answers()
    for _ in range(AT_ONCE):
        inside.expect("SIGNATURE")


def test_client_that_rekeys_without_end_is_slowed_down(gated):
    """[15] Its connection lives on, with nothing lost; keepalives find it alive."""
    w = gated(door={"ClientAliveInterval": "1", "ClientAliveCountMax": "2"})
    t = paramiko.Transport(net.connect(("127.0.0.1", w.gateway.port)))
    try:
        t.connect(username="alice", pkey=paramiko.Ed25519Key.from_private_key_file(str(w.client.key.path)))
        c = t.open_session()
        c.exec_command("cat")
        start = time.monotonic()
        for n in range(AT_ONCE + 5):
            t.renegotiate_keys()
            c.sendall(b"%04d" % n)
            assert c.recv(4) == b"%04d" % n
        assert time.monotonic() - start > 4
        c.shutdown_write()
        assert c.recv_exit_status() == 0
    finally:
        t.close()
