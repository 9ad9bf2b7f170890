"""Much data, every byte of it: 200 MB each way."""

import hashlib
import subprocess

SIZE = 200


def sha256_of(stream):
    h = hashlib.sha256()
    while True:
        data = stream.read(1 << 20)
        if not data:
            return h.hexdigest()
        h.update(data)


def test_200_megabytes_up(way, bulk):
    b = bulk(SIZE)
    with open(b.path, "rb") as f:
        r = way.ssh("sha256sum", stdin=f)
    assert r.code == 0 and r.text.split()[0] == b.sha256


def test_200_megabytes_down(way, bulk):
    b = bulk(SIZE)
    p = way.client.spawn(f"cat {b.path}", stdin=subprocess.DEVNULL)
    assert sha256_of(p.stdout) == b.sha256
    assert p.wait(10) == 0


def test_100_megabytes_there_and_back_at_once(way, bulk):
    b = bulk(100)
    with open(b.path, "rb") as f:
        p = way.client.spawn("cat", stdin=f)
        assert sha256_of(p.stdout) == b.sha256
    assert p.wait(10) == 0


def test_five_transfers_side_by_side(way, bulk):
    b = bulk(20)
    running = [way.client.spawn(f"cat {b.path}", stdin=subprocess.DEVNULL) for _ in range(5)]
    for p in running:
        assert sha256_of(p.stdout) == b.sha256
        assert p.wait(10) == 0
