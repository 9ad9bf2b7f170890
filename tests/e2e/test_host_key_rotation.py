"""Host keys that a client learns after its login: hostkeys-00 and hostkeys-prove-00 (UpdateHostKeys)."""

import subprocess

import paramiko
import pytest

from lab.attack import (CHANNEL_OPEN, CHANNEL_OPEN_CONFIRMATION, GLOBAL_REQUEST, REQUEST_FAILURE, REQUEST_SUCCESS,
                        USERAUTH_SUCCESS, Attacker, key_of, proof)
from lab.client import echoes, open_session
from lab.wait import PATIENCE, wait_for

PROVE = "hostkeys-prove-00@openssh.com"
LEARNED = "Learned new hostkey: "


@pytest.fixture
def w(gated):
    return gated()


def known(w, *lines, **options):
    """A client that knows these public lines as the gateway's, and learns others."""
    at = f"[127.0.0.1]:{w.gateway.port}"
    text = "".join(f"{at} {' '.join(line.split()[:2])}\n" for line in lines)
    return w.new_client(known_hosts=text, UpdateHostKeys="yes", **options)


def knows(client):
    """The public keys in the client's known_hosts, each as TYPE BASE64."""
    return {" ".join(line.split()[1:3]) for line in client.known_hosts.read_text().splitlines()}


def plain(*lines):
    return {" ".join(line.split()[:2]) for line in lines}


def serve(w, *names):
    """HostKey = names, by a reload."""
    w.gateway.host_key_names = list(names)
    w.gateway.write_gateway()
    p = w.gateway.reload()
    assert p.returncode == 0, p.stderr


def learn(client, lines, *flags, **options):
    """What ssh says in a session that goes on until it knows the keys of these public lines."""
    p = client.spawn(*flags, "echo up; cat", LogLevel="VERBOSE", **options)
    assert p.stdout.readline() == b"up\n", p.stderr.read()
    wait_for("the keys in known_hosts", lambda: knows(client) == plain(*lines))
    out, err = p.communicate(timeout=PATIENCE)
    assert (p.returncode, out) == (0, b""), err
    return err.decode()


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256"])
def test_client_learns_all_host_keys(w, algorithm):
    """Whichever of them it knows: ssh takes a proof by RSA only of the algorithm of the key exchange."""
    lines = [k.public for k in w.gateway.host_keys]
    lines += [w.gateway.generate_key("ecdsa", "--type", "ecdsa"), w.gateway.generate_key("second"),
              w.gateway.generate_key("second_rsa", "--type", "rsa")]
    serve(w, *w.gateway.host_key_names, "ecdsa", "second", "second_rsa")
    first = next(line for line in lines if line.split()[0][:7] in (algorithm[:7], f"ssh-{algorithm[:3]}"))
    others = [a for a in ("ssh-ed25519", "rsa-sha2-512", "ecdsa-sha2-nistp256") if a[:3] != algorithm[:3]]
    c = known(w, first, HostKeyAlgorithms=",".join([algorithm, *others]))
    assert learn(c, lines).count(LEARNED) == 4
    assert LEARNED not in learn(c, lines)


def test_client_with_hashed_known_hosts_learns(w):
    c = known(w, w.gateway.host_keys[0].public)
    subprocess.run(["ssh-keygen", "-H", "-f", c.known_hosts], capture_output=True, check=True)
    learn(c, [k.public for k in w.gateway.host_keys], HashKnownHosts="yes")
    assert "127.0.0.1" not in c.known_hosts.read_text()


def test_client_that_forwards_ports_learns(w):
    """The proof and the replies to its requests for forwardings come in the order of the requests."""
    c = known(w, w.gateway.host_keys[0].public)
    err = learn(c, [k.public for k in w.gateway.host_keys],
                *(word for n in (7, 8, 9) for word in ("-R", f"0:127.0.0.1:{n}")))
    assert err.count("Allocated port") == 3 and LEARNED in err and "failed" not in err.lower(), err


# --- message by message ---


@pytest.fixture
def enter():
    """enter(way): a client of its own making that is logged in."""
    opened = []

    def make(w, version=None):
        a = Attacker(w.front.port, version=version)
        opened.append(a)
        a.service()
        a.send(*proof(a, w.login, key_of(w.client)))
        assert a.expect(USERAUTH_SUCCESS)
        return a

    yield make
    for a in opened:
        a.close()


def requests(a):
    """The global requests that came, and replies, as (type, rest)."""
    return [(kind, rest) for _, kind, rest in a.messages if kind in (GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE)]


def replies(a, n):
    wait_for(f"{n} replies", lambda: len([1 for kind, _ in requests(a) if kind != GLOBAL_REQUEST]) >= n)
    return [r for r in requests(a) if r[0] != GLOBAL_REQUEST]


def announced(a):
    """The blobs of the one hostkeys-00, which comes first."""
    wait_for("hostkeys-00", lambda: requests(a))
    m = paramiko.Message(requests(a)[0][1])
    assert m.get_text() == "hostkeys-00@openssh.com" and not m.get_boolean()
    return strings(m)


def strings(m):
    out = []
    while m.get_remainder():
        out.append(m.get_binary())
    return out


def proves(a, blob, signature):
    m = paramiko.Message()
    m.add_string(PROVE)
    m.add_string(a.session_id)
    m.add_string(blob)
    kind = paramiko.Message(blob).get_text()[:7]
    key = {"ssh-rsa": paramiko.RSAKey, "ssh-ed2": paramiko.Ed25519Key, "ecdsa-s": paramiko.ECDSAKey}[kind](data=blob)
    return key.verify_ssh_sig(m.asbytes(), paramiko.Message(signature))


def test_proofs_come_in_turn(own_way, enter):
    """Between two requests for a forwarding, whose replies come from the upstream."""
    w = own_way()
    a = enter(w)
    blobs = announced(a)
    assert len(blobs) >= 2
    a.send(GLOBAL_REQUEST, "tcpip-forward", True, "127.0.0.1", 0)
    a.send(GLOBAL_REQUEST, PROVE, True, blobs[1], blobs[0])
    a.send(GLOBAL_REQUEST, "tcpip-forward", True, "127.0.0.1", 0)
    a.send(GLOBAL_REQUEST, "no-such-request", True)
    came = replies(a, 4)
    assert [kind for kind, _ in came] == [REQUEST_SUCCESS] * 3 + [REQUEST_FAILURE]
    assert len(came[0][1]) == len(came[2][1]) == 4
    signatures = strings(paramiko.Message(came[1][1]))
    assert len(signatures) == 2
    assert proves(a, blobs[1], signatures[0]) and proves(a, blobs[0], signatures[1])


def test_only_announced_keys_are_proven(own_way, enter):
    w = own_way()
    a = enter(w)
    blobs = announced(a)
    foreign = key_of(w.client).asbytes()
    for rest in ([foreign], [blobs[0], foreign], [bytearray(b"\0\0\0\x40x")], [blobs[0][:-1]], [b""]):
        a.send(GLOBAL_REQUEST, PROVE, True, *rest)
    assert [kind for kind, _ in replies(a, 5)] == [REQUEST_FAILURE] * 5
    a.send(CHANNEL_OPEN, "session", 0, 1 << 20, 32768)
    assert a.expect(CHANNEL_OPEN_CONFIRMATION)


def test_each_key_is_proven_once(w, enter):
    a = enter(w)
    blobs = announced(a)
    for blob in (blobs[0], blobs[0], blobs[1], blobs[1]):
        a.send(GLOBAL_REQUEST, PROVE, True, blob)
    assert [kind for kind, _ in replies(a, 4)] == [REQUEST_SUCCESS, REQUEST_FAILURE] * 2


def test_clients_that_break_are_not_told(own_way, enter):
    """Those that sshd spares, too."""
    w = own_way()
    a = enter(w, "SSH-2.0-TTSSH/2.72 Win32")
    a.send(GLOBAL_REQUEST, "no-such-request", True)
    replies(a, 1)
    assert [kind for kind, _ in requests(a)] == [REQUEST_FAILURE]


def test_session_has_the_keys_it_began_with(w, enter):
    """A reload puts another key in place; the session that runs proves those that it was told."""
    old = w.gateway.host_keys[0].public
    running = open_session(w.client)
    a = enter(w)
    blobs = announced(a)
    new = w.gateway.generate_key("new2026")
    serve(w, "new2026")
    b = enter(w)
    assert plain(new) == {f"ssh-ed25519 {paramiko.Ed25519Key(data=blob).get_base64()}" for blob in announced(b)}
    a.send(GLOBAL_REQUEST, PROVE, True, announced(b)[0])
    a.send(GLOBAL_REQUEST, PROVE, True, blobs[0])
    assert [kind for kind, _ in replies(a, 2)] == [REQUEST_FAILURE, REQUEST_SUCCESS]
    assert plain(old) == {f"ssh-ed25519 {paramiko.Ed25519Key(data=blobs[0]).get_base64()}"}
    echoes(running)
