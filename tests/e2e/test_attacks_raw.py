"""Connections that send bytes other than SSH: cases that the fuzzers do not reach, over real sockets."""

import random
import struct
import threading
import time

import pytest

from lab import net
from lab.bulk import sha256_of
from lab.client import open_session
from lab.gateway import sanitized
from lab.packets import GOOD_LISTS, HELLO, kexinit, packet
from lab.wait import PATIENCE, wait_for

# A login beside all these connections takes its time on a busy machine.
GRACE = 10
RNG = random.Random(20240)


KEX = HELLO + packet(kexinit(*GOOD_LISTS))

BLOBS = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "http-long": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "ssh-1.5": b"SSH-1.5-old\r\n" + bytes(100),
    "ssh-1.99": b"SSH-1.99-old\r\n" + bytes(100),
    "ssh-9.9": b"SSH-9.9-new\r\n",
    "proxy-v1": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + HELLO,
    "proxy-v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + bytes(100),
    "nul": bytes(1000),
    "newlines": b"\n" * 10_000,
    "lines-before": b"hello\r\n" * 5000 + HELLO,
    "banner-255": b"SSH-2.0-" + b"b" * 245 + b"\r\n",
    "banner-256": b"SSH-2.0-" + b"b" * 300 + b"\r\n",
    "banner-64k-no-newline": b"SSH-2.0-" + b"b" * 65536,
    "banner-1m": b"b" * 1_000_000,
    "banner-nul": b"SSH-2.0-\0\0\0\r\n",
    "banner-escape": b"SSH-2.0-\x1b[2J\x1b]0;owned\x07\r\n" + packet(b"\x14"),
    "banner-format": b"SSH-2.0-%s%n%s%n%d\r\n" + packet(b"\x14"),
    "banner-no-version": b"SSH-\r\n",
    "length-zero": HELLO + bytes(64),
    "length-max": HELLO + b"\xff\xff\xff\xff" + bytes(1000),
    "length-256k": HELLO + struct.pack(">I", 262_145) + bytes(262_145),
    "length-2g": HELLO + b"\x7f\xff\xff\xff" + bytes(100_000),
    "length-odd": HELLO + struct.pack(">IB", 13, 4) + bytes(40),
    "padding-too-long": HELLO + struct.pack(">IB", 12, 255) + bytes(40),
    "empty-payload": HELLO + packet(b"", 11),
    "kexinit-empty": HELLO + packet(b"\x14"),
    "kexinit-cut": HELLO + packet(kexinit(*GOOD_LISTS)[:60]),
    "kexinit-nothing-common": HELLO + packet(kexinit(*[b"none-such"] * 10)),
    "kexinit-empty-lists": HELLO + packet(kexinit(*[b""] * 10)),
    "kexinit-long-lists": HELLO + packet(kexinit(*[b"a," * 1600] * 10)),
    "kexinit-list-lies": HELLO + packet(b"\x14" + bytes(16) + b"\xff\xff\xff\xf0" + bytes(60)),
    "kexinit-none-cipher": HELLO + packet(kexinit(
        GOOD_LISTS[0], GOOD_LISTS[1], b"none", b"none", b"none", b"none", b"none", b"none", b"", b"")),
    "kexinit-twice": KEX + packet(kexinit(*GOOD_LISTS)),
    "kexinit-many": KEX + packet(kexinit(*GOOD_LISTS)) * 50,
    "newkeys-first": KEX + packet(b"\x15"),
    "ecdh-empty": KEX + packet(b"\x1e"),
    "ecdh-short": KEX + packet(b"\x1e" + struct.pack(">I", 5) + b"short"),
    "ecdh-zero-point": KEX + packet(b"\x1e" + struct.pack(">I", 32) + bytes(32)),
    "ecdh-long": KEX + packet(b"\x1e" + struct.pack(">I", 30_000) + bytes(30_000)),
    "ecdh-lies": KEX + packet(b"\x1e" + b"\xff\xff\xff\xff" + bytes(32)),
    "ecdh-reply-from-client": KEX + packet(b"\x1f" + bytes(100)),
    "service-before-kex": HELLO + packet(b"\x05" + struct.pack(">I", 12) + b"ssh-userauth"),
    "userauth-in-the-clear": HELLO + packet(b"\x32" + struct.pack(">I", 5) + b"alice"),
    "success-in-the-clear": HELLO + packet(b"\x34"),
    "channel-in-the-clear": HELLO + packet(b"\x5a" + struct.pack(">I", 7) + b"session" + bytes(12)),
    "ignore-flood": HELLO + packet(b"\x02" + struct.pack(">I", 1000) + bytes(1000)) * 200,
    "debug": HELLO + packet(b"\x04\1" + struct.pack(">I", 5) + b"\x1b[2J\n" + struct.pack(">I", 0)),
    "disconnect": HELLO + packet(b"\x01" + struct.pack(">II", 2, 5) + b"\x1b[2J\n" + bytes(4)),
    "disconnect-cut": HELLO + packet(b"\x01\0"),
    "unimplemented": HELLO + packet(b"\x03\0\0\0\0"),
    "type-0": HELLO + packet(b"\0"),
    "type-255": HELLO + packet(b"\xff" * 20),
}
for _i in range(60):
    _size = RNG.choice([1, 2, 7, 8, 100, 1000, 35_000, 262_144])
    BLOBS[f"random-{_i}"] = (HELLO if _i % 2 else b"") + RNG.randbytes(_size)
for _i in range(60):
    _kex = bytearray(KEX)
    for _ in range(RNG.choice([1, 1, 2, 10])):
        _kex[RNG.randrange(len(HELLO), len(_kex))] = RNG.randrange(256)
    BLOBS[f"flipped-{_i}"] = bytes(_kex)


def send_until_closed(port, blob, result, name):
    start = time.monotonic()
    got = b""
    try:
        with net.connect(("127.0.0.1", port), GRACE + PATIENCE) as s:
            try:
                s.sendall(blob)
            except OSError:
                pass
            while True:
                data = s.recv(65536)
                if not data:
                    break
                got += data
    except ConnectionResetError:
        pass
    except OSError as e:
        result[name] = e
        return
    result[name] = (time.monotonic() - start, got)


def test_bytes_that_are_not_ssh_are_dropped(own_way):
    """Each connection is closed within the grace time, and others can log in meanwhile and afterwards."""
    w = own_way(front={"LoginGraceTime": str(GRACE)})
    running = open_session(w.client)
    results = {}
    most = 0
    names = list(BLOBS)
    for i in range(0, len(names), 90):
        threads = [
            threading.Thread(target=send_until_closed, args=(w.front.port, BLOBS[n], results, n))
            for n in names[i : i + 90]
        ]
        for t in threads:
            t.start()
        w.answers()
        for p in w.servers():
            try:
                most = max(most, p.rss())
            except (KeyError, FileNotFoundError, ProcessLookupError):
                pass
        for t in threads:
            t.join(GRACE + 2 * PATIENCE)
    late = {n: r for n, r in results.items() if isinstance(r, OSError) or r[0] > GRACE + PATIENCE}  # the default is 120
    assert len(results) == len(BLOBS) and not late
    if w.gateway and not sanitized():
        assert most < 16 << 20, most
    running.stdin.write(b"unharmed\n")
    running.stdin.close()
    assert running.stdout.read() == b"unharmed\n"
    running.stdin = None
    w.answers()
    assert not w.front.log.find(r"killed by signal")
    if w.gateway:
        w.gateway.quiet()


def test_running_transfer_is_unharmed_by_raw_bytes(own_way, bulk):
    w = own_way(front={"LoginGraceTime": str(GRACE)})
    b = bulk(200)
    p = w.client.spawn(f"cat {b.path}")
    results = {}
    names = [n for n in BLOBS if not n.startswith(("random", "flipped"))]
    threads = [
        threading.Thread(target=send_until_closed, args=(w.front.port, BLOBS[n], results, n)) for n in names
    ]
    for t in threads:
        t.start()
    assert sha256_of(p.stdout) == b.sha256
    for t in threads:
        t.join(GRACE + 2 * PATIENCE)
    assert p.wait(PATIENCE) == 0


@pytest.mark.parametrize("blob", [HELLO, KEX], ids=["banner", "kexinit"])
def test_login_in_segments_of_one_byte(way, blob):
    with net.connect(("127.0.0.1", way.front.port)) as s:
        s.setsockopt(6, 1, 1)
        for i in range(len(blob)):
            s.sendall(blob[i : i + 1])
        got = b""
        while b"\r\n" not in got or len(got) < 500:
            data = s.recv(65536)
            assert data
            got += data
        assert got.startswith(b"SSH-2.0-")
    wait_for("the end of it", lambda: not way.servers())
