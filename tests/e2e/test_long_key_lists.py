"""A login with 5,000 keys in its list: exactly those keys log in, and changes apply at once."""

import base64
import os
import random
import time

from lab.wait import wait_for
from lab.way import set_authorized_keys


def line_of_unused_key(n):
    """A line with a key that nobody has."""
    raw = random.Random(n).randbytes(32)
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} key{n}"


def wait_settled(path):
    """Wait until a further change would also change the times of the file: from then on its index is used
    without reading the file.
    """
    wait_for("the list to be some seconds old", lambda: time.time() > os.stat(path).st_ctime + 4)


def test_authorized_keys_with_5000_keys(gated, ring):
    w = gated()
    path = w.gateway.conf / "alice.pub"
    mine, other = ring.get("client"), ring.get("other")
    many = [line_of_unused_key(n) for n in range(5000)]
    for at, line in ((4999, mine.public), (2500, f'environment="A=1",no-pty {mine.public}')):
        set_authorized_keys(w, *many[:at], line, *many[at:])
        for _ in range(2):
            assert w.new_client().ssh("echo in").text == "in\n"
            assert w.new_client(key=other).ssh("echo in").code == 255
            wait_settled(path)
    # several lines with one key: the first one that permits the login counts
    set_authorized_keys(w, f'from="192.0.2.1" {mine.public}', *many,
                        f'command="echo forced" {mine.public}', mine.public)
    for _ in range(2):
        assert w.new_client().ssh("echo in").text == "forced\n"
        wait_settled(path)
    set_authorized_keys(w, *many)
    assert w.new_client().ssh("echo in").code == 255
    set_authorized_keys(w, *many, other.public)
    assert w.new_client().ssh("echo in").code == 255
    assert w.new_client(key=other).ssh("echo in").text == "in\n"
