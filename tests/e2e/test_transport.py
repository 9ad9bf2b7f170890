"""The transport layer: key exchange, compression, keepalives and extensions."""

import re
import signal

import pytest

from lab import procs
from lab.client import echoes, open_session
from lab.gateway import libssh
from lab.sshd import OLD_ALGORITHMS
from lab.wait import wait_for

POST_QUANTUM = r"kex: algorithm: (sntrup761x25519-sha512|mlkem768x25519-sha256)"


def test_post_quantum_key_exchange(own_way):
    if own_way.name == "gateway" and libssh() < (0, 12):
        pytest.skip("libssh 0.11 has no post-quantum key exchange")
    w = own_way(sshd={"LogLevel": "DEBUG1"}, post_quantum=True)
    r = w.ssh("-v", "true")
    assert re.search(POST_QUANTUM, r.err)
    w.sshd.log.wait(POST_QUANTUM)  # with the gateway: its upstream leg


@pytest.mark.parametrize("word, value", [
    ("Ciphers", "aes128-gcm@openssh.com"),
    ("Ciphers", "aes256-gcm@openssh.com"),
    ("Ciphers", "aes256-ctr"),
    ("Ciphers", "chacha20-poly1305@openssh.com"),
    ("KexAlgorithms", "curve25519-sha256"),
    ("KexAlgorithms", "ecdh-sha2-nistp256"),
    ("HostKeyAlgorithms", "ssh-ed25519"),
    ("HostKeyAlgorithms", "rsa-sha2-512"),
    ("HostKeyAlgorithms", "rsa-sha2-256"),
])
def test_each_algorithm(way, word, value):
    data = bytes(1_000_000)
    assert way.ssh("cat", stdin=data, **{word: value}).out == data


@pytest.mark.parametrize("mac", [
    "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
])
def test_each_mac(way, mac):
    data = bytes(1_000_000)
    assert way.ssh("cat", stdin=data, Ciphers="aes128-ctr", MACs=mac).out == data


def test_weak_algorithms_are_refused(way):
    for options in (
        {"KexAlgorithms": "diffie-hellman-group14-sha1"},
        {"KexAlgorithms": "diffie-hellman-group1-sha1"},
        {"Ciphers": "3des-cbc"},
        {"HostKeyAlgorithms": "ssh-rsa"},
    ):
        r = way.ssh("true", **options)
        assert r.code == 255 and "Unable to negotiate" in r.err, (options, r)


# warpgate #961


@pytest.mark.parametrize("upstream, words", OLD_ALGORITHMS, ids=[" ".join(m.values()) for m, _ in OLD_ALGORITHMS])
def test_old_upstream(gated, bulk, upstream, words):
    """Only the route that names the weak algorithms uses them, and then it works like any other."""
    route = dict.fromkeys(upstream, words)
    if "MACs" in upstream:
        route["MACs"] = "+" + upstream["MACs"]
    w = gated(sshd={**upstream, "RekeyLimit": "4M"}, route=route)
    b = bulk(20)
    with open(b.path, "rb") as f:
        assert w.ssh("sha256sum", stdin=f).text.split()[0] == b.sha256
    assert w.ssh(f"cat {b.path}").out == b.path.read_bytes()
    w.gateway.stop()
    w.gateway.route("bob", w.sshd, [w.client.key], key="alice")
    w.gateway.start()
    r = w.new_client(user="bob").ssh("true")
    assert r.code == 255, r
    w.gateway.log.wait("no matching")


def test_route_that_excludes_algorithms(gated):
    kex = "curve25519-sha256,diffie-hellman-group16-sha512"
    w = gated(sshd={"LogLevel": "DEBUG1", "KexAlgorithms": kex},
              route={"Ciphers": "-aes*", "KexAlgorithms": "-*25519*"})
    w.answers()
    w.sshd.log.wait(r"kex: algorithm: diffie-hellman-group16-sha512")
    w.sshd.log.wait(r"cipher: chacha20-poly1305@openssh.com")


def test_compression(way, bulk):
    b = bulk(20)
    with open(b.path, "rb") as f:
        r = way.ssh("-C", "sha256sum", stdin=f)
    assert r.text.split()[0] == b.sha256
    assert way.ssh("-C", "head -c 5000000 /dev/zero").out == bytes(5_000_000)


def assert_stays_connected(way, tmp_path, packet, **options):
    """A session goes on until its client has logged six packets of this kind, one for each keepalive."""
    log = tmp_path / "log"
    log.touch()
    p = way.client.spawn("-vvv", "-E", log, "cat", **options)
    wait_for("answers", lambda: len(re.findall(packet, log.read_text())) >= 6 or p.poll() is not None, 60)
    echoes(p)
    out, _ = p.communicate(timeout=60)
    assert (p.returncode, out) == (0, b"")


def test_client_keepalive_is_answered(way, tmp_path):
    """Three without an answer would end the connection."""
    assert_stays_connected(way, tmp_path, r"receive packet: type 8[12]\b", ServerAliveInterval="1",
                           ServerAliveCountMax="3")


def test_silent_client_is_disconnected(own_way):
    w = own_way(front={"ClientAliveInterval": "1", "ClientAliveCountMax": "3"})
    p = open_session(w.client)
    p.send_signal(signal.SIGSTOP)
    try:
        wait_for("the end of the session", lambda: not w.servers(), 60)
        w.sshd.quiet()
    finally:
        p.send_signal(signal.SIGCONT)
    assert p.wait(60) == 255


def test_idle_client_is_not_disconnected(own_way, tmp_path):
    """It answers keepalives, as those of a channel or as global ones."""
    w = own_way(front={"ClientAliveInterval": "1", "ClientAliveCountMax": "3"})
    assert_stays_connected(w, tmp_path, r"send packet: type (8[12]|99|100)\b")


def test_frozen_upstream_is_disconnected(own_way):
    w = own_way(route={"ServerAliveInterval": "1s"})
    p = open_session(w.client, ServerAliveInterval="1" if w.direct else "0")
    frozen = w.sshd.sessions()
    for s in frozen:
        s.kill(signal.SIGSTOP)
    try:
        assert p.wait(60) == 255
        if w.gateway:
            w.gateway.quiet()
    finally:
        for s in frozen:
            s.kill(signal.SIGCONT)


def test_session_ends_at_once_with_killed_upstream(own_way):
    w = own_way()
    p = open_session(w.client)
    for s in w.sshd.sessions():
        s.kill()
    assert p.wait(30) == 255
    if w.gateway:
        w.gateway.quiet()


def test_client_learns_host_keys_of_front_alone(own_way):
    """sshpiper #131: hostkeys-00 relayed from the upstream caused a bad signature."""
    w = own_way()
    first = w.front.known_hosts().splitlines()[0] + "\n"
    c = w.new_client(known_hosts=first)
    r = c.ssh("-v", "true", UpdateHostKeys="yes", LogLevel="DEBUG1")
    assert r.code == 0
    known = {line.split()[2] for line in c.known_hosts.read_text().splitlines()}
    assert known <= {k.public.split()[1] for k in w.front.host_keys}
    assert "bad signature" not in r.err
    if w.direct:
        assert len(known) == len(w.front.host_keys)


def test_extensions_are_negotiated_per_leg(own_way):
    """sshpiper #323: an extension of one leg was offered on the other."""
    w = own_way(sshd={"LogLevel": "DEBUG2"})
    r = w.ssh("-v", "true")
    assert "SSH2_MSG_EXT_INFO received" in r.err
    assert r.code == 0


def test_many_small_packets(way):
    """One byte at a time, in both directions."""
    p = way.client.spawn("cat")
    for i in range(300):
        p.stdin.write(bytes([i % 256]))
        p.stdin.flush()
        assert p.stdout.read(1) == bytes([i % 256])
    p.stdin.close()
    p.stdin = None
    assert p.wait(60) == 0
    procs.end(p)
