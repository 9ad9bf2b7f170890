"""A network of its own for a test and for all that it starts: loopback alone, with whatever addresses it adds."""

import ctypes
import os
import shutil
import subprocess

import pytest

CLONE_NEWNET = 0x40000000
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

libc = ctypes.CDLL(None, use_errno=True)


class OwnNetwork:
    """The calling thread is in it, and what it starts, until close()."""

    def __init__(self):
        if not shutil.which("ip", path=PATH):
            pytest.skip("iproute2 is not installed")
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if libc.unshare(CLONE_NEWNET) == -1:
            os.close(self.before)
            pytest.skip(f"no network namespace here: {os.strerror(ctypes.get_errno())}")
        try:
            self.ip("link set lo up")
        except BaseException:
            self.close()
            raise

    def ip(self, *lines):
        """Commands of ip(8)."""
        for line in lines:
            p = subprocess.run(["ip", *line.split()], capture_output=True, text=True, timeout=20, check=False,
                               env={"PATH": PATH})
            assert p.returncode == 0, f"ip {line}: {p.stderr}"

    def need_ipv6(self):
        p = subprocess.run(["ip", "-6", "route", "add", "local", "2001:db8:f::/64", "dev", "lo"], env={"PATH": PATH},
                           capture_output=True, text=True, timeout=20, check=False)
        if p.returncode != 0:
            pytest.skip(f"no IPv6 in a network namespace here: {p.stderr.strip()}")

    def close(self):
        r = libc.setns(self.before, CLONE_NEWNET)
        os.close(self.before)
        assert r == 0, "back to the network of the tests"
