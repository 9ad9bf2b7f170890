"""The memory of a process: how much it has, and whether a secret is in it."""

import contextlib
import time

import pytest

from .gateway import sanitized

LIMIT = 24 << 20  # the most memory that a session may need whose peers do not read


def wait_until_idle(session):
    """Wait until the session uses no CPU; its memory then, and the most seen before."""
    most = 0
    last, still = None, 0
    deadline = time.monotonic() + 30
    while still < 15 and time.monotonic() < deadline:
        now = session.cpu()
        still = still + 1 if now == last else 0
        last = now
        most = max(most, session.rss())
        time.sleep(0.02)
    return session.rss(), most


def assert_bounded(session):
    _, most = wait_until_idle(session)
    if not sanitized():
        assert most < LIMIT, f"{most >> 20} MiB"


def peak(session, timeout):
    """The most memory of a session, until it ends."""
    most, deadline = 0, time.monotonic() + timeout
    while session.alive() and time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, KeyError):  # it has ended
            most = max(most, session.rss())
        time.sleep(0.02)
    return most


def memory(proc):
    """The contents of a process's memory, piece by piece."""
    with open(f"/proc/{proc.pid}/maps", encoding="utf-8") as maps, open(
        f"/proc/{proc.pid}/mem", "rb", buffering=0
    ) as mem:
        for line in maps:
            start, end = (int(n, 16) for n in line.split()[0].split("-"))
            if "r" not in line.split()[1] or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            try:
                mem.seek(start)
                left = end - start
                while left > 0:
                    piece = mem.read(min(left, 1 << 26))
                    if not piece:
                        break
                    left -= len(piece)
                    yield piece
            except OSError:
                continue


def found_in(proc, needles):
    """The names of the needles, {name: bytes}, that are in the memory of the process."""
    if sanitized():
        pytest.skip("the sanitizer maps terabytes, and keeps what was freed")
    pieces = list(memory(proc))
    assert sum(map(len, pieces)) > 100_000
    return {name for name, needle in needles.items() if any(needle in piece for piece in pieces)}
