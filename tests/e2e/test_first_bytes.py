"""First bytes that are slow, split, missing, oversized, or of several protocols: each is cut in time, and nothing is
left of it.  FULL=1 sends 20,000 of them.
"""

import contextlib
import os
import random
import selectors
import socket
import struct
import time

import pytest

from lab import net
from lab.gateway import sanitized
from lab.wait import PATIENCE, wait_for

BATCH = 200
SPARE = 64  # descriptors of pipes that the forwarder keeps, FORWARD_PIPES_MAX in src/edge/forward_way.h
BATCHES = 100 if os.environ.get("FULL") else 3

# sent in one piece by those that are complete
HTTP = b"GET / HTTP/1.1\r\nUser-Agent: x\r\nHost: %s\r\n\r\n"
CONNECT = b"CONNECT %s:22 HTTP/1.1\r\nProxy-Authorization: Basic Z3c6c2VjcmV0\r\n\r\n"
XMPP = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='%s' version='1.0'>"
OPENVPN = b"\0\x0e\x38" + bytes(13)
KNOWN, UNKNOWN = b"www.example.org", b"other.example.org"


def vector(size, data):
    return len(data).to_bytes(size, "big") + data


def tls(host, record=16384):
    """A ClientHello in records of this size."""
    names = vector(2, b"\0" + vector(2, host))
    extensions = b"\x1a\x1a\0\0" + b"\0\0" + vector(2, names)
    hello = b"\3\3" + bytes(32) + vector(1, b"") + vector(2, b"\x13\1") + b"\1\0" + vector(2, extensions)
    message = b"\1" + vector(3, hello)
    return b"".join(b"\x16\3\1" + vector(2, message[at:at + record]) for at in range(0, len(message), record))


def whole(r, host):
    return r.choice([HTTP % host, tls(host), tls(host, r.randrange(1, 40))])


# What a client sends: the pieces, in this order.
KINDS = {
    "silent": lambda r: [],
    "beginning": lambda r: [(o := r.choice([HTTP % KNOWN, tls(KNOWN), CONNECT % b"vm1", XMPP % KNOWN, OPENVPN[:3]]))
                            [:r.randrange(1, min(len(o), 20))]],
    "unknown": lambda r: [whole(r, UNKNOWN)],
    "unknown, byte by byte": lambda r: [bytes([b]) for b in whole(r, UNKNOWN)],
    "known": lambda r: [whole(r, KNOWN)],
    "known, split": lambda r: [(o := whole(r, KNOWN))[:(at := r.randrange(1, len(o)))], o[at:]],
    "not taken": lambda r: [r.choice([XMPP % KNOWN, OPENVPN])],
    "oversized": lambda r: [r.choice([b"GET /", b"CONNECT vm1:22 HTTP/1.1\r\nX: ", b"<?xml ", b"GET / HTTP/1.1\r\nX: "])
                            + b"x" * r.randrange(16000, 40000)],
    "several": lambda r: [tls(KNOWN)[:20] + HTTP % KNOWN],
    "noise": lambda r: [b"\x80" + r.randbytes(300)],
    "not allowed": lambda r: [CONNECT % b"vm1"],
    "reset": lambda r: [b"GE"],
}


@pytest.fixture
def gw(gated, echo):
    """A gateway that takes SSH and the known host."""
    w = gated(front={"PerSourceMaxStartups": "none"})
    p = w.gateway.sallyport("key", "add", "gw", "--password", "-c", w.gateway.conf, stdin=b"other\n")
    assert p.returncode == 0, p
    w.gateway.write("05-edge.ini", "edge", {"RestrictToSSH": "yes", "DetectTimeout": "1s", "HttpConnect": "yes",
                                            "ConnectPasswords": "gw"},
                    f"[forward web]\nProtocol = http tls\nMatchHost = {KNOWN.decode()}\n"
                    f"Target = 127.0.0.1:{echo.port}\n")
    w.gateway.kill(15)
    w.gateway.start()
    return w


def send(s, pieces):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for piece in pieces:
            s.sendall(piece)


def batch(w, seed):
    """The clients of one batch, until the gateway has closed each of them: {kind: [(what it said, the answer)]}"""
    r = random.Random(seed)
    poll = selectors.DefaultSelector()
    answers = {kind: [] for kind in KINDS}
    said = {}
    for i in range(BATCH):
        kind = list(KINDS)[i % len(KINDS)]
        s = net.connect(("127.0.0.1", w.gateway.port), source=f"127.0.{i % 7 + 1}.{i % 31 + 1}")
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = KINDS[kind](r)
        send(s, pieces)
        if kind == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
            continue
        if kind.startswith("known"):
            s.shutdown(socket.SHUT_WR)
        said[s] = kind, b"".join(pieces), b""
        poll.register(s, selectors.EVENT_READ)
    deadline = time.monotonic() + PATIENCE
    while said:
        assert time.monotonic() < deadline, sorted({kind for kind, *_ in said.values()})
        for key, _ in poll.select(1):
            s = key.fileobj
            kind, sent, data = said[s]
            got = b""
            with contextlib.suppress(ConnectionResetError):
                got = s.recv(65536)
            if got:
                said[s] = kind, sent, data + got
                continue
            answers[kind].append((sent, data))
            poll.unregister(s)
            s.close()
            del said[s]
    return answers


def held(w):
    """What the processes hold: {name: descriptors}"""
    found = {"master": w.gateway.master}
    for role in ("edge", "forwarder", "keeper"):
        found[role] = wait_for(role, lambda role=role: w.gateway.role(role))[0]
    return {role: p.n_descriptors() for role, p in found.items()}, found


def logs_in(w):
    # a client that its host delays is cut, too
    wait_for("a login", w.lets_in)


def test_odd_first_bytes_are_cut_and_leave_nothing(gw):
    """No process starts anew, and none is larger than after the first batch, but for what an allocator keeps."""
    logs_in(gw)
    batch(gw, 0)
    gw.gateway.quiet()
    before, processes = held(gw)
    size = {role: p.rss() for role, p in processes.items()}
    through = 0
    for seed in range(1, BATCHES + 1):
        answers = batch(gw, seed)
        for kind, said in answers.items():
            assert len(said) >= BATCH // len(KINDS) or kind == "reset"
            for sent, data in said:
                if kind.startswith("known"):
                    # the server has sent it back; or it was late, on a host that had no time for it
                    assert data in (sent, b"")
                    through += data == sent
                elif kind == "not allowed":
                    assert data.startswith(b"HTTP/1.1 407 ") or data == b""
                else:
                    assert KNOWN not in data and not data.startswith(b"SSH-"), (kind, data)
    assert through > 0
    logs_in(gw)
    gw.gateway.quiet()
    # no more than before, when some connections of the first batch may just have been closing
    before["forwarder"] += SPARE
    wait_for("the descriptors to be as before", lambda: all(n <= before[role] for role, n in held(gw)[0].items()))
    assert held(gw)[1] == processes
    if not sanitized():
        for role, p in processes.items():
            assert p.rss() < size[role] + (1 << 20), f"{role}: {size[role]} bytes, then {p.rss()}"
