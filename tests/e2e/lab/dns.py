"""A name server of a test, and processes that ask it alone."""

import os
import socket
import struct
import subprocess
import threading

import pytest

A, AAAA, SRV = 1, 28, 33


def _name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


class NameServer:
    """On port 53 of 127.0.0.1, in a network of its own (network.OwnNetwork).

    Answers are replaced by addresses(), srv() and fails(); within is for processes that are to ask it: the
    beginning of a command that runs the rest.
    """

    def __init__(self, directory):
        self.records = {}
        self.failing = set()
        self.asked = []  # (name, type)
        (directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")
        (directory / "nsswitch.conf").write_text("hosts: files dns\n")
        mounts = " && ".join(f"{{ [ ! -e /etc/{f} ] || mount --bind {directory / f} /etc/{f}; }}"
                             for f in ("resolv.conf", "nsswitch.conf"))
        self.within = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
        if os.getuid() != 0 or not os.path.exists("/etc/resolv.conf") or subprocess.run(
                [*self.within, "true"], check=False, capture_output=True).returncode:
            pytest.skip("takes a mount namespace")
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def addresses(self, name, *addresses, then=None):
        """IPv4 addresses; with then, those of the second and later questions."""
        first = [socket.inet_aton(a) for a in addresses]
        self.records[name, A] = [first] if then is None else [first, [socket.inet_aton(a) for a in then]]

    def srv(self, name, *targets):
        """Targets as (priority, weight, port, host)."""
        self.records[name, SRV] = [[struct.pack(">HHH", *t[:3]) + _name(t[3]) for t in targets]]

    def fails(self, name):
        self.failing.add(name)

    def close(self):
        self.sock.close()

    def _answer(self, query):
        end = query.index(b"\0", 12)
        labels, at = [], 12
        while at < end:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", query[end + 1:end + 3])[0]
        self.asked.append((name, kind))
        values = self.records.get((name, kind), [[]])
        records = values.pop(0) if len(values) > 1 else values[0]
        known = any(n == name for n, _ in self.records)
        code = 2 if name in self.failing else 0 if known else 3
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        return head + query[12:end + 5] + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(r)) + r for r in records)

    def _serve(self):
        while True:
            try:
                query, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            self.sock.sendto(self._answer(query), peer)
