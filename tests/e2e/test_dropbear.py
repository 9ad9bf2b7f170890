"""Dropbear, as used on routers: as the upstream, direct and through the gateway, and as the client."""

import hashlib
import select
import socket
import subprocess

import pytest

from lab import dropbear, net
from lab.bulk import sha256_of
from lab.dropbear import PASSWORD, Dropbear
from lab.gateway import Gateway
from lab.sshd import ME
from lab.wait import PATIENCE
from lab.way import Way

pytestmark = pytest.mark.skipif(not dropbear.installed(), reason="no Dropbear")

# Dropbear accepts RSA keys with rsa-sha2-256 alone.
KINDS = ["ed25519", "ecdsa256", "ecdsa521", "rsa3072"]
REKEY = {"RekeyLimit": "1M"}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory, ring):
    m = Dropbear(tmp_path_factory.mktemp("dropbear") / "upstream", ring).start()
    m.authorize(*(ring.get("client", kind).public for kind in KINDS))
    yield m
    m.stop()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, ring, upstream):
    """A route for each key, one for a stored password, and one with Passthrough."""
    g = Gateway(tmp_path_factory.mktemp("dropbear") / "gateway", ring)
    people = [ring.get("client")]
    for kind in KINDS:
        upstream.authorize(ring.get("mapped", kind).public)
        g.add_key(kind, ring.get("mapped", kind))
        g.route(kind, upstream, people)
    p = g.sallyport("key", "add", "stored", "--password", "-c", g.conf, stdin=PASSWORD.encode())
    assert p.returncode == 0, p.stderr
    g.route("alice", upstream, people)
    for key in upstream.host_keys:
        g.route(key.type, upstream, people, key="alice", known_hosts=upstream.known_hosts([key.type]))
    for login, word in (("stored", {"Password": "stored"}), ("passed", {"Passthrough": "yes"})):
        g.route(login, upstream, people, key="alice", **word, Key=None,
                **({"AuthorizedKeysFile": None} if login == "passed" else {}))
    g.start()
    yield g
    g.stop()


@pytest.fixture(params=["direct", "gateway"])
def way(request, tmp_path, ring, upstream):
    g = request.getfixturevalue("gateway") if request.param == "gateway" else None
    w = Way(request.param, tmp_path, ring, upstream, g)
    yield w
    w.close()


def client_with_key(way, kind="ed25519", login="alice", **options):
    """A client with a key that logs in: directly the key itself, through the gateway the key of the user."""
    if way.direct:
        return way.new_client(way.ring.get("client", kind), **options)
    return way.new_client(user=login, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_login_with_each_key(way, kind):
    assert client_with_key(way, kind, login=kind).ssh("echo in; exit 7").outcome == (7, b"in\n", "")


@pytest.mark.parametrize("host_key", dropbear.HOST_KEYS)
def test_each_type_of_host_key(way, host_key):
    key = way.ring.get("upstream_host", host_key)
    options = {"known_hosts": way.sshd.known_hosts([key.type])} if way.direct else {}
    c = client_with_key(way, login=key.type, **options)
    assert c.ssh("echo in").outcome == (0, b"in\n", "")
    if not way.direct:
        assert key.fingerprint in way.gateway.command("route", key.type, "--dial")


def answer_prompts(client, word):
    """ssh of this client answers each prompt with this word."""
    ask = client.dir / "ask"
    ask.write_text(f"#!/bin/sh\necho '{word}'\n")
    ask.chmod(0o755)
    client.env.update(SSH_ASKPASS=str(ask), SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")


@pytest.mark.parametrize("word, code", [(PASSWORD, 0), ("another", 255)], ids=["right", "wrong"])
def test_password_of_user(way, word, code):
    c = client_with_key(way, login="passed", PreferredAuthentications="password", BatchMode="no",
                        NumberOfPasswordPrompts="1")
    answer_prompts(c, word)
    r = c.ssh("echo in")
    assert (r.code, r.out) == (code, b"" if code else b"in\n"), r
    assert not code or "Permission denied" in r.err


def test_stored_password(gateway, tmp_path, ring, upstream):
    w = Way("gateway", tmp_path, ring, upstream, gateway, login="stored")
    assert w.ssh("echo in").outcome == (0, b"in\n", "")
    w.close()


def test_streams_and_exit_codes(way):
    data = bytes(range(256)) * 4000
    assert way.ssh("cat; echo err >&2; exit 9", stdin=data).outcome == (9, data, "err\n")
    assert way.ssh("kill -TERM $$").outcome == (255, b"", "")


def test_terminal(way):
    t = way.client.terminal("-tt", "stty size; exit 4", rows=33, columns=99)
    t.expect(r"^33 99\r")
    assert t.wait() == 4


def test_rekeying_by_either_side(way, bulk):
    b = bulk(10)
    with open(b.path, "rb") as f:
        assert way.ssh("sha256sum", stdin=f, **REKEY).text.split()[0] == b.sha256
    p = way.client.spawn(f"cat {b.path}", stdin=subprocess.DEVNULL, **REKEY)
    assert sha256_of(p.stdout) == b.sha256 and p.wait(PATIENCE) == 0


def test_files(way, bulk, tmp_path):
    b = bulk(10)
    way.client.scp("-O", b.path, f"upstream:{tmp_path}/a")
    way.client.scp("-O", f"upstream:{tmp_path}/a", f"{tmp_path}/b")
    assert (tmp_path / "b").read_bytes() == b.path.read_bytes()


@pytest.mark.parametrize("flag", ["-L", "-R"])
def test_forwards(way, flag):
    echo = net.Server(net.echo)
    port = net.free_port()
    way.client.forward(flag, f"127.0.0.1:{port}:127.0.0.1:{echo.port}", ready=[("127.0.0.1", port)])
    data = hashlib.sha256(b"seed").digest() * 20_000
    assert net.exchange_many(("127.0.0.1", port), 4, data) == [data + b"%d" % i for i in range(4)]
    echo.close()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "rsa3072"])
def test_dbclient_with_guessed_key_exchange(way, kind, tmp_path):
    """dbclient sends the first message of a guessed key exchange right away."""
    key = dropbear.convert(way.ring.get("client", kind), tmp_path / "key")
    if not way.direct:
        (way.gateway.conf / "alice.pub").write_text(
            "".join(way.ring.get("client", k).public + "\n" for k in KINDS))
    argv = ["dbclient", "-y", "-y", "-i", key, "-p", way.front.port, f"{way.login}@127.0.0.1"]
    data = bytes(range(256)) * 4000
    r = way.client.run([*argv, "cat; exit 9"], data)
    assert (r.code, r.out) == (9, data), r.err


class LateExtInfoProxy:
    """A proxy in front of the upstream that delays what follows its NEWKEYS until the client has gone on (RFC
    8308 section 2.4: EXT_INFO is there).
    """

    host = "127.0.0.1"

    def __init__(self, upstream):
        self.upstream = upstream
        self.server = net.Server(self.relay)
        self.port = self.server.port

    def known_hosts(self):
        return self.upstream.known_hosts().replace(f":{self.upstream.port} ", f":{self.port} ")

    def relay(self, client):
        with net.connect((self.upstream.host, self.upstream.port)) as upstream:
            up, down = client.makefile("rb", 0), upstream.makefile("rb", 0)
            upstream.sendall(up.readline())
            client.sendall(down.readline())
            upstream.sendall(read_packet(up))  # KEXINIT
            client.sendall(read_packet(down))
            upstream.sendall(read_packet(up))  # ECDH
            client.sendall(read_packet(down))
            upstream.sendall(read_packet(up))  # NEWKEYS
            client.sendall(read_packet(down))
            upstream.sendall(client.recv(65536))
            ends = {client: upstream, upstream: client}
            while ends:
                for s in select.select(list(ends), [], [], 60)[0]:
                    data = s.recv(65536)
                    if data:
                        ends[s].sendall(data)
                    else:
                        ends.pop(s).shutdown(socket.SHUT_WR)


def read_packet(f):
    """An unencrypted packet, from a file without a buffer."""
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        size = 4 if len(data) < 4 else 4 + int.from_bytes(data[:4], "big")
        more = f.read(size - len(data))
        if not more:
            raise OSError("the end")
        data += more
    return data


@pytest.mark.parametrize("name", ["direct", "gateway"])
def test_rsa_login_where_ext_info_arrives_late(name, upstream, make_gateway, tmp_path, ring):
    late = LateExtInfoProxy(upstream)
    key = ring.get("client", "rsa3072")
    if name == "direct":
        w = Way(name, tmp_path, ring, late)
        c = w.new_client(key)
    else:
        g = make_gateway()
        g.add_key("alice", key)
        g.route("alice", late, [ring.get("client")])
        g.start()
        w = Way(name, tmp_path, ring, late, g)
        c = w.client
    assert c.user in (ME, "alice")
    assert c.ssh("echo in").outcome == (0, b"in\n", "")
    w.close()
    late.server.close()
