"""Rekeying during transfers and on idle connections.

The gateway's host key signs 20 key exchanges of a connection at once and then one per second: the figures
here stay below that, and test_taken_over_signatures.py goes beyond it.
"""

import asyncio
import hashlib
import random
import re
import subprocess
import warnings

import pytest

from lab import net
from lab.bulk import sha256_of
from lab.wait import wait_for

SIDES = pytest.mark.parametrize("side", ["client", "upstream", "both"])


@pytest.fixture
def rekeying_way(own_way):
    """A way on which the client, the upstream or both rekey every two megabytes."""

    def make(side, limit="2M", post_quantum=False, **sshd):
        if side != "client":
            sshd["RekeyLimit"] = limit
        w = own_way(sshd=sshd, post_quantum=post_quantum)
        w.options = {"RekeyLimit": limit} if side != "upstream" else {}
        return w

    return make


def count_rekeys(verbose):
    """The number of key exchanges, the first one included."""
    return len(re.findall(r"SSH2_MSG_NEWKEYS received", verbose))


@SIDES
def test_rekeying_during_upload(rekeying_way, bulk, side):
    w = rekeying_way(side)
    b = bulk(30)
    with open(b.path, "rb") as f:
        r = w.ssh("-v", "sha256sum", stdin=f, timeout=120, **w.options)
    assert r.code == 0 and r.text.split()[0] == b.sha256
    if side != "upstream" or w.direct:  # otherwise the upstream rekeys with the gateway alone
        assert count_rekeys(r.err) > 10


@SIDES
def test_rekeying_during_download(rekeying_way, bulk, tmp_path, side):
    w = rekeying_way(side)
    b = bulk(30)
    with open(tmp_path / "err", "wb") as err:
        p = w.client.spawn("-v", f"cat {b.path}", stdin=subprocess.DEVNULL, stderr=err, **w.options)
        assert sha256_of(p.stdout) == b.sha256
    assert p.wait(60) == 0
    if side != "upstream" or w.direct:
        assert count_rekeys((tmp_path / "err").read_text()) > 10


@pytest.mark.parametrize("megabytes, limit, post_quantum", [(100, "8M", False), (15, "1M", True)])
def test_rekeying_with_each_way_of_transfer(rekeying_way, bulk, megabytes, limit, post_quantum):
    w = rekeying_way("both", limit=limit, post_quantum=post_quantum)
    b = bulk(megabytes)
    with open(b.path, "rb") as f:
        r = w.ssh("sha256sum", stdin=f, timeout=120, **w.options)
    assert r.code == 0 and r.text.split()[0] == b.sha256
    p = w.client.spawn(f"cat {b.path}", stdin=subprocess.DEVNULL, **w.options)
    assert sha256_of(p.stdout) == b.sha256
    assert p.wait(60) == 0


def test_rekeying_with_both_directions_at_once(rekeying_way, bulk):
    w = rekeying_way("both")
    b = bulk(10)
    with open(b.path, "rb") as f:
        p = w.client.spawn("cat", stdin=f, **w.options)
        assert sha256_of(p.stdout) == b.sha256
    assert p.wait(60) == 0


@SIDES
def test_rekeying_with_forwarded_streams(rekeying_way, side):
    w = rekeying_way(side)
    echo = net.Server(net.echo)
    port = net.free_port()
    w.client.forward("-L", f"127.0.0.1:{port}:127.0.0.1:{echo.port}", ready=[("127.0.0.1", port)],
                     **w.options)
    data = hashlib.sha256(b"seed").digest() * 100_000
    assert net.exchange_many(("127.0.0.1", port), 6, data) == [data + b"%d" % i for i in range(6)]
    echo.close()


def test_rekeying_on_idle_terminal(rekeying_way, tmp_path):
    """By time: there is no traffic but the keepalive."""
    w = rekeying_way("both", limit="default 1s", post_quantum=True, ClientAliveInterval="1", ClientAliveCountMax="60")
    log = tmp_path / "log"
    log.touch()
    t = w.client.terminal("-t", "-v", "-E", log, "stty -echo; echo up; cat",
                          RekeyLimit="default 1s", ServerAliveInterval="1", ServerAliveCountMax="60")
    t.expect(r"^up\r")
    for i in range(2):
        wait_for("new keys", lambda i=i: count_rekeys(log.read_text()) >= 2 * i + 3, 60)
        t.send(f"said {i}\n")
        t.expect(rf"^said {i}\r")
    t.send("\x04")
    assert t.wait() == 0


def test_rekeying_with_full_window(rekeying_way):
    """The reader does not read, and the pipe is full."""
    w = rekeying_way("both")
    p = w.client.spawn("cat /dev/zero", stdin=subprocess.DEVNULL, **w.options)
    for _ in range(3):
        # Read a little more than what fits in between, so that both ends have been blocked.
        wait_for("a standstill", lambda: client_is_idle(p))
        assert len(p.stdout.read(3_000_000)) == 3_000_000
    assert p.poll() is None


def client_is_idle(p, seen={}):
    """The client has used no CPU since the last call."""
    from lab.procs import Proc

    now = Proc(p.pid).cpu()
    before, times = seen.get(p, (None, 0))
    seen[p] = (now, times + 1 if now == before else 0)
    return seen[p][1] > 10


def test_rekeying_by_escape_sequence(own_way):
    w = own_way()
    t = w.client.terminal("-tt", "-v", "stty -echo; echo up; cat")
    t.expect(r"^up\r")
    for i in range(3):
        t.send("\n~R")
        t.expect(r"SSH2_MSG_NEWKEYS received")
        t.send(f"word{i}\n")
        t.expect(rf"^word{i}\r")


def test_rekeying_during_sftp(rekeying_way, bulk, tmp_path):
    w = rekeying_way("both")
    b = bulk(10)
    w.client.sftp(f"put {b.path} {tmp_path}/a\nget {tmp_path}/a {tmp_path}/b\n", **w.options)
    assert (tmp_path / "b").read_bytes() == b.path.read_bytes()


# RekeyLimit of the server, which then asks for new keys itself, on both of its connections.

ASKED = pytest.mark.parametrize("words, cipher", [
    ({"front": {"RekeyLimit": "1M"}}, "aes128-gcm@openssh.com"),
    ({"front": {"RekeyLimit": "1M 1h"}}, "chacha20-poly1305@openssh.com"),
    ({"front": {"RekeyLimit": "1G"}, "route": {"RekeyLimit": "1M"}}, "aes128-ctr"),
], ids=["gcm", "chacha20", "route"])


@ASKED
def test_server_asks_for_new_keys(own_way, bulk, tmp_path, words, cipher):
    """At least every three megabytes: one, and the two of a channel's window, which may be on their way."""
    w = own_way(sshd={"LogLevel": "DEBUG1"}, **words)
    if w.direct and "route" in words:
        pytest.skip("a word of [route]")
    b = bulk(12)
    with open(b.path, "rb") as f:
        r = w.ssh("-v", "sha256sum", stdin=f, Ciphers=cipher)
    assert r.code == 0 and r.text.split()[0] == b.sha256
    assert count_rekeys(r.err) > 3
    with open(tmp_path / "err", "wb") as err:
        p = w.client.spawn("-v", f"cat {b.path}", stdin=subprocess.DEVNULL, stderr=err, Ciphers=cipher)
        assert sha256_of(p.stdout) == b.sha256
    assert p.wait(60) == 0
    assert count_rekeys((tmp_path / "err").read_text()) > 3
    assert len(re.findall(r"SSH2_MSG_NEWKEYS received", w.sshd.log.text())) > 7


def test_server_and_client_ask_for_new_keys(own_way, bulk):
    """At nearly the same time, in both directions: neither answers the other's request with a refusal."""
    w = own_way(sshd={"RekeyLimit": "1M"}, front={"RekeyLimit": "1M"})
    b = bulk(10)
    with open(b.path, "rb") as f:
        p = w.client.spawn("cat", stdin=f, RekeyLimit="1M")
        assert sha256_of(p.stdout) == b.sha256
    assert p.wait(60) == 0


def test_server_asks_for_new_keys_by_time(own_way, tmp_path):
    w = own_way(front={"RekeyLimit": "default 1s", "ClientAliveInterval": "1", "ClientAliveCountMax": "60"})
    log = tmp_path / "log"
    log.touch()
    t = w.client.terminal("-t", "-v", "-E", log, "stty -echo; echo up; cat")
    t.expect(r"^up\r")
    wait_for("new keys", lambda: count_rekeys(log.read_text()) >= 3, 60)
    t.send("said\n\x04")
    t.expect(r"^said\r")
    assert t.wait() == 0


def test_server_asks_for_new_keys_while_nothing_is_read(own_way):
    """The client does not read, so that the pipe is full."""
    w = own_way(front={"RekeyLimit": "1M"})
    p = w.client.spawn("cat /dev/zero", stdin=subprocess.DEVNULL)
    for _ in range(3):
        wait_for("a standstill", lambda: client_is_idle(p))
        assert len(p.stdout.read(3_000_000)) == 3_000_000
    assert p.poll() is None


@pytest.mark.parametrize("compression, cipher", [
    ("none", "aes128-gcm@openssh.com"), ("none", "aes128-ctr"), ("zlib@openssh.com", "aes128-gcm@openssh.com"),
])
def test_client_that_sends_more_after_its_kexinit(own_way, compression, cipher):
    """asyncssh sends one more message after its KEXINIT, which RFC 4253 forbids and sshd accepts."""
    asyncssh = importorskip("asyncssh")
    w = own_way()
    data = random.Random(0).randbytes(6_000_000)

    async def talk():
        async with asyncssh.connect(
            "127.0.0.1", w.front.port, username=w.login, client_keys=[str(w.client.key.path)],
            known_hosts=None, config=None, agent_path=None, rekey_bytes=500_000,
            compression_algs=[compression], encryption_algs=[cipher],
        ) as c:
            r = await c.run("cat; exit 7", input=data, encoding=None)
            return r.exit_status, r.stdout == data

    assert asyncio.run(talk()) == (7, True)


def importorskip(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of its imports
        return pytest.importorskip(name)
