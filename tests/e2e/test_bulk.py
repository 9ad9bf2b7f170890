"""Bulk transfers: 200 MB each way arrive unchanged."""

import subprocess

from lab.bulk import sha256_of
from lab.wait import PATIENCE

SIZE = 200


def test_upload_of_200_megabytes(way, bulk):
    b = bulk(SIZE)
    with open(b.path, "rb") as f:
        r = way.ssh("sha256sum", stdin=f)
    assert r.code == 0 and r.text.split()[0] == b.sha256


def test_download_of_200_megabytes(way, bulk):
    b = bulk(SIZE)
    p = way.client.spawn(f"cat {b.path}", stdin=subprocess.DEVNULL)
    assert sha256_of(p.stdout) == b.sha256
    assert p.wait(PATIENCE) == 0


def test_100_megabytes_both_ways_at_once(way, bulk):
    b = bulk(100)
    with open(b.path, "rb") as f:
        p = way.client.spawn("cat", stdin=f)
        assert sha256_of(p.stdout) == b.sha256
    assert p.wait(PATIENCE) == 0


def test_five_transfers_side_by_side(way, bulk):
    b = bulk(20)
    running = [way.client.spawn(f"cat {b.path}", stdin=subprocess.DEVNULL) for _ in range(5)]
    for p in running:
        assert sha256_of(p.stdout) == b.sha256
        assert p.wait(PATIENCE) == 0
