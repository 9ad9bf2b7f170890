"""The memory of a session that has been taken over, or whose peers make it grow; and its stack's canary.

The numbers in brackets are those of the findings of the review these tests come from.
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
MOST = 64 * MIB  # a small multiple of what a session needs whose peers read nothing: 9.5 MiB
PROT_READ, PROT_WRITE = 1, 2
OURS = 0x22  # MAP_PRIVATE | MAP_ANONYMOUS


def test_memory_has_an_end(attacked):
    """[18] By malloc(3), by mmap(2), by brk(2), by growing what is there."""
    g = attacked.gateway
    with TakenOver(g.port) as t:
        (session,) = [s for s in g.sessions() if s.pid == t.pid]
        assert MIB < t.allocate(1 << 34) < MOST
        assert session.rss() < MOST
        attacked.answers()
    with TakenOver(g.port) as t:
        got = 0  # what is not counted, or only when it is touched, is none to be had: see the test of the calls
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


def test_session_out_of_memory_says_so(stalled_session):
    """Its client takes no answers, and here it has less than it should have: one line, and nobody else is harmed."""
    w, client, session = stalled_session
    data = int(session.status("VmData").split()[0]) * 1024
    resource.prlimit(session.pid, resource.RLIMIT_DATA, (data, data))
    client.flood(*REFUSED)
    w.gateway.log.wait(r"alice from .* closed after .*\bout of memory; \d+ bytes from client", timeout=20)
    w.answers()


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="glibc's canary is read-only here")
def test_each_session_has_a_canary_of_its_own(attacked):
    """[5] What crashes teach of one says nothing of the next."""
    seen = set()
    for _ in range(8):
        with TakenOver(attacked.gateway.port) as t:
            seen.add(t.canary())
    assert len(seen) == 8 and all(canary & 0xff == 0 for canary in seen)
