"""A login with 5,000 keys on its list: the right ones get in, no others, and changes count at once."""

import base64
import os
import random
import time

from lab.wait import wait_for
from lab.way import lines


def anybody(n):
    """The line of a key that nobody has."""
    raw = random.Random(n).randbytes(32)
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} key{n}"


def settled(path):
    """Its times tell its versions apart: from here on an index is taken without reading the file."""
    wait_for("the list to be some seconds old", lambda: time.time() > os.stat(path).st_ctime + 4)


def test_a_login_with_5000_keys(gated, ring):
    w = gated()
    path = w.gateway.conf / "alice.pub"
    mine, other = ring.get("client"), ring.get("other")
    many = [anybody(n) for n in range(5000)]
    for at, line in ((4999, mine.public), (2500, f'environment="A=1",no-pty {mine.public}')):
        lines(w, *many[:at], line, *many[at:])
        for _ in range(2):
            assert w.new_client().ssh("echo in").text == "in\n"
            assert w.new_client(key=other).ssh("echo in").code == 255
            settled(path)
    # several lines with one key: the first that allows it
    lines(w, f'from="192.0.2.1" {mine.public}', *many, f'command="echo forced" {mine.public}', mine.public)
    for _ in range(2):
        assert w.new_client().ssh("echo in").text == "forced\n"
        settled(path)
    lines(w, *many)
    assert w.new_client().ssh("echo in").code == 255
    lines(w, *many, other.public)
    assert w.new_client().ssh("echo in").code == 255
    assert w.new_client(key=other).ssh("echo in").text == "in\n"
