"""Processes, as /proc shows them."""

import ctypes
import os
import signal
import subprocess

import pytest

from .wait import PATIENCE, wait_for

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None)


def adopt_orphans():
    """Orphans become children of this process and not of init, so none is lost."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_us():
    """For preexec_fn, in the main thread: daemons end with the tests, even if these are killed."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def command_lines():
    """Of all processes that still run: the pid, as text, and the words of the command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                found.append((pid, f.read().decode(errors="replace").split("\0")))
        except OSError:
            continue
    return found


class Proc:
    """One process; not equal to a later one with the same pid."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b") ")[2].split()
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.start = int(fields[19])

    def __eq__(self, other):
        return (self.pid, self.start) == (other.pid, other.start)

    def __hash__(self):
        return hash((self.pid, self.start))

    def __repr__(self):
        return f"<{self.pid} {self.state} {self.title()!r}>"

    def title(self):
        try:
            with open(f"/proc/{self.pid}/cmdline", "rb") as f:
                return f.read().rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def status(self, field):
        with open(f"/proc/{self.pid}/status", encoding="utf-8", errors="replace") as f:
            for line in f:
                name, _, value = line.partition(":")
                if name == field:
                    return value.strip()
        raise KeyError(field)

    def rss(self):
        """Resident memory in bytes."""
        return int(self.status("VmRSS").split()[0]) * 1024

    def cpu(self):
        """Seconds of CPU time used."""
        with open(f"/proc/{self.pid}/stat", "rb") as f:
            fields = f.read().rpartition(b") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        """{number: what it refers to}"""
        found = {}
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                found[int(fd)] = os.readlink(f"/proc/{self.pid}/fd/{fd}")
            except FileNotFoundError:
                pass
        return found

    def n_descriptors(self):
        """The number of descriptors; 0 if unknown, since only root can look into a keeper."""
        try:
            return len(self.descriptors())
        except PermissionError:
            return 0

    def environment(self):
        try:
            with open(f"/proc/{self.pid}/environ", "rb") as f:
                return f.read()
        except OSError:
            return b""

    def alive(self):
        """Whether it runs; a zombie does not."""
        try:
            now = Proc(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return now == self and now.state not in "ZX"

    def kill(self, sig=signal.SIGKILL):
        """Signal this process, but no later one with its pid."""
        try:
            if Proc(self.pid) == self:
                os.kill(self.pid, sig)
        except (FileNotFoundError, ProcessLookupError):
            pass


def everyone():
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found.append(Proc(int(name)))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def descendants(pid, procs=None):
    procs = procs if procs is not None else everyone()
    children = {}
    for p in procs:
        children.setdefault(p.parent, []).append(p)
    found, todo = [], [pid]
    while todo:
        for p in children.get(todo.pop(), []):
            found.append(p)
            todo.append(p.pid)
    return found


def reap(proc):
    """Collect an orphan that became ours and has ended."""
    try:
        os.waitpid(proc.pid, os.WNOHANG)
    except ChildProcessError:
        pass


def end(popen, timeout=5.0):
    """End a child: SIGTERM, then SIGKILL; with all of its process session."""
    if popen.poll() is None:
        popen.terminate()
        try:
            popen.wait(timeout)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait(PATIENCE)
    for stream in (popen.stdin, popen.stdout, popen.stderr):
        if stream:
            try:
                stream.close()
            except OSError:
                pass


def wait_gone(proc, timeout=PATIENCE):
    wait_for(f"end of {proc!r}", lambda: not proc.alive(), timeout)


def needs_access_to(process):
    """Skip the test unless this process can be examined."""
    if process.n_descriptors() == 0:
        assert os.getuid() != 0
        pytest.skip("only root may look into a process that cannot be dumped")
