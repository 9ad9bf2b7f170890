"""The memory of a session that has been taken over, or whose peers make it grow; and its stack canary.

The numbers in brackets are those of the findings in SECURITY.md.
"""

import errno
import os
import resource

import pytest

from lab.taken_over import TakenOver
from lab.gateway import sanitized
from lab.stalled_client import REFUSED
from lab.syscalls import number

pytestmark = pytest.mark.skipif(sanitized(), reason="a sanitizer has memory of its own")

MIB = 1 << 20
MOST = 64 * MIB  # a small multiple of the 9.5 MiB that a session needs whose peers do not read
PROT_READ, PROT_WRITE = 1, 2
OURS = 0x22  # MAP_PRIVATE | MAP_ANONYMOUS


def test_memory_is_limited(attacked):
    """[18] By malloc(3), by mmap(2), by brk(2), by mremap(2)."""
    g = attacked.gateway
    with TakenOver(g.port) as t:
        (session,) = [s for s in g.sessions() if s.pid == t.pid]
        assert MIB < t.allocate(1 << 34) < MOST
        assert session.rss() < MOST
        attacked.answers()
    with TakenOver(g.port) as t:
        # memory that is not counted, or counted only when touched, cannot be had: see the tests of system calls
        got = 0
        while t.call(number("mmap"), 0, MIB, PROT_READ | PROT_WRITE, OURS, -1, 0) > 0:
            got += MIB
            assert got < MOST
        assert t.call(number("mmap"), 0, 1 << 40, PROT_READ | PROT_WRITE, OURS, -1, 0) == -errno.ENOMEM
    with TakenOver(g.port) as t:
        end = t.call(number("brk"), 0)
        assert t.call(number("brk"), end + MOST) == end
    with TakenOver(g.port) as t:
        page = t.call(number("mmap"), 0, 4096, PROT_READ | PROT_WRITE, OURS, -1, 0)
        assert t.call(number("mremap"), page, 4096, MOST, 1) == -errno.ENOMEM
    attacked.answers()


def test_session_out_of_memory_is_logged(stalled_session):
    """Its client reads no answers, and the test lowers its limit: one line in the log, and other logins work.
    """
    w, client, session = stalled_session
    data = int(session.status("VmData").split()[0]) * 1024
    resource.prlimit(session.pid, resource.RLIMIT_DATA, (data, data))
    client.flood(*REFUSED)
    w.gateway.log.wait(r"alice from .* closed after .*\bout of memory; \d+ bytes from client", timeout=60)
    w.answers()


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="glibc's canary is read-only here")
def test_each_session_has_its_own_stack_canary(attacked):
    """[5] Crashes of one session reveal nothing about the next."""
    seen = set()
    for _ in range(8):
        with TakenOver(attacked.gateway.port) as t:
            seen.add(t.canary())
    assert len(seen) == 8 and all(canary & 0xff == 0 for canary in seen)
