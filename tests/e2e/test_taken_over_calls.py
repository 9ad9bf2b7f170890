"""The system calls of a session that has been taken over: a few on its own resources work, and any other
kills it.

The numbers in brackets are those of the findings in SECURITY.md.
"""

import os
import signal
import socket

import pytest

from lab import taken_over
from lab.client import open_session
from lab.taken_over import TakenOver
from lab.gateway import Gateway, sanitized
from lab.syscalls import number, numbers
from lab.way import Way

pytestmark = pytest.mark.skipif(sanitized(), reason="under sanitizers foreign calls fail, and kill nobody")

F_GETFL, F_SETFL = 3, 4
O_RDWR = os.O_RDWR
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_GROWSDOWN = 1, 2, 0x10, 0x20, 0x100
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4
MSG_OOB, MSG_NOSIGNAL, MSG_FASTOPEN = 1, 0x4000, 0x20000000
SESSION_CLIENT, SESSION_KEEPER = 3, 4
PAGE = 4096
HIGH = 1 << 32  # the kernel ignores the upper half of an int argument


@pytest.fixture(params=["one user", "two users"])
def attacked_as(request, ring, make_sshd, short, tmp_path):
    """attacked, as one user, or with RunAs and RunNetworkAs: then master and sessions are one user, the
    keeper another.
    """
    if request.param == "one user":
        yield request.getfixturevalue("attacked")
        return
    if os.getuid() != 0:
        pytest.skip("only root has two users")
    os.chmod(short, 0o755)
    sshd = make_sshd()
    g = Gateway(short / "gateway", ring, program=taken_over.program(), RunAs="daemon", RunNetworkAs="games")
    g.route("alice", sshd, [ring.get("client")])
    g.start()
    w = Way("gateway", tmp_path, ring, sshd, g)
    try:
        assert w.gateway.keepers()[0].status("Uid") != w.gateway.master.status("Uid")
        yield w
        w.close()
    finally:
        g.stop()


def test_session_cannot_signal_other_processes(attacked_as):
    """[1] Neither the master nor the keeper nor another session, which may all run as its user."""
    g = attacked_as.gateway
    running = open_session(attacked_as.client)
    (other,) = g.sessions("alice")
    tgkill, tkill = number("tgkill"), number("tkill")
    for victim in (g.master, *g.keepers(), other):
        with TakenOver(g.port) as t:
            assert t.dies(g, tgkill, victim.pid, victim.pid, signal.SIGABRT) == signal.SIGSYS, victim
        with TakenOver(g.port) as t:
            assert t.dies(g, tgkill, t.pid, victim.pid, signal.SIGABRT) == signal.SIGSYS, victim
        with TakenOver(g.port) as t:
            assert t.dies(g, tkill, victim.pid, signal.SIGABRT) == signal.SIGSYS, victim
        assert victim.alive(), victim
    with TakenOver(g.port) as t, TakenOver(g.port) as neighbour:
        assert t.dies(g, tgkill, neighbour.pid, neighbour.pid, signal.SIGABRT) == signal.SIGSYS
        assert neighbour.call(number("getpid")) == neighbour.pid
    attacked_as.answers()
    assert running.communicate(b"still", timeout=60)[0] == b"still"


def test_session_may_abort(attacked):
    """abort(3): how the C library ends a program with corrupted memory."""
    g = attacked.gateway
    with TakenOver(g.port) as t:
        assert t.dies(g, number("tgkill"), t.pid, t.pid, signal.SIGABRT) == signal.SIGABRT
    for args in ((HIGH, 0, signal.SIGABRT), (0, HIGH, signal.SIGABRT), (0, 0, signal.SIGKILL), (0, 0, signal.SIGSTOP)):
        with TakenOver(g.port) as t:
            assert t.dies(g, number("tgkill"), t.pid + args[0], t.pid + args[1], args[2]) == signal.SIGSYS
    with TakenOver(g.port) as t:
        assert t.dies(g, number("tkill"), t.pid, signal.SIGABRT) == signal.SIGABRT
    with TakenOver(g.port) as t:
        assert t.dies(g, number("tkill"), t.pid, signal.SIGKILL) == signal.SIGSYS
    attacked.answers()


def test_standard_descriptors_are_dev_null(attacked):
    """[6] Descriptors 0 to 2 are /dev/null and cannot be changed; other processes still log."""
    g = attacked.gateway
    with TakenOver(g.port) as t:
        text = b"Accepted publickey for root from 192.0.2.99 port 1 ssh2\n"
        assert t.call(number("write"), 2, t.put(text), len(text)) == len(text)
        for fd in range(3):
            assert t.call(number("fcntl"), fd, F_GETFL) & os.O_ACCMODE == os.O_RDWR
    for fd in (0, 1, 2, HIGH, HIGH + 1, HIGH + 2, 1 << 63):
        for call in (("shutdown", fd, socket.SHUT_RDWR), ("shutdown", fd, socket.SHUT_WR),
                     ("fcntl", fd, F_SETFL, O_RDWR | os.O_NONBLOCK), ("fcntl", fd, F_SETFL, os.O_APPEND)):
            with TakenOver(g.port) as t:
                assert t.dies(g, number(call[0]), *call[1:]) == signal.SIGSYS, call
    for call in (("write", 0), ("write", 1), ("write", SESSION_CLIENT), ("write", SESSION_KEEPER), ("read", 0)):
        with TakenOver(g.port) as t:
            assert t.dies(g, number(call[0]), call[1], t.put(b"text"), 4) == signal.SIGSYS, call
    mark = g.log.mark()
    attacked.answers()
    g.log.wait("Accepted publickey for alice", mark)
    assert "192.0.2.99" not in g.log.text()


def test_session_has_no_sockets_but_its_own(attacked):
    """It can send to its own peers alone, without descriptors, and set no options but those a session needs.
    """
    g = attacked.gateway
    with TakenOver(g.port) as t:
        assert t.call(number("fcntl"), SESSION_CLIENT, F_SETFL, O_RDWR | os.O_NONBLOCK) == 0
        assert t.call(number("sendto"), SESSION_KEEPER + 1, t.put(b"x"), 1, MSG_NOSIGNAL) < 0
    address = socket.inet_aton("127.0.0.1")
    sockaddr = b"\x02\0" + g.port.to_bytes(2, "big") + address + bytes(8)
    for call in (
        ("sendto", SESSION_CLIENT, "memory", 1, MSG_NOSIGNAL, "memory", 16),
        ("sendto", SESSION_CLIENT, "memory", 1, MSG_NOSIGNAL | MSG_FASTOPEN),
        ("sendto", SESSION_CLIENT, "memory", 1, MSG_OOB),
        ("sendmsg", SESSION_KEEPER, "memory"),
        ("sendmmsg", SESSION_KEEPER, "memory", 1),
        ("recvmsg", SESSION_CLIENT, "memory"),
        ("recvmsg", HIGH + SESSION_KEEPER, "memory"),
        ("fcntl", SESSION_CLIENT, F_SETFL, O_RDWR | os.O_NONBLOCK | 0o20000),  # O_ASYNC: signals
        ("fcntl", SESSION_CLIENT, 0, 0),  # F_DUPFD
        ("fcntl", SESSION_CLIENT, 8, "pid"),  # F_SETOWN
        ("setsockopt", SESSION_CLIENT, socket.SOL_SOCKET, socket.SO_RCVBUF, "memory", 4),
        ("setsockopt", SESSION_CLIENT, socket.SOL_SOCKET, socket.SO_LINGER, "memory", 8),
        ("shutdown", SESSION_CLIENT, socket.SHUT_RD),
        ("eventfd2", 1, 0),
    ):
        with TakenOver(g.port) as t:
            values = {"memory": t.put(sockaddr), "pid": t.pid}
            args = [values.get(a, a) for a in call[1:]]
            assert t.dies(g, number(call[0]), *args) == signal.SIGSYS, call
    attacked.answers()


def test_memory_is_private_and_not_executable(attacked):
    g = attacked.gateway
    rw, ours = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
    with TakenOver(g.port) as t:
        page = t.call(number("mmap"), 0, PAGE, rw, ours, -1, 0)
        assert page > 0 and t.call(number("mremap"), page, PAGE, 2 * PAGE, MREMAP_MAYMOVE) > 0
    for call in (
        ("mmap", 0, PAGE, rw | PROT_EXEC, ours, -1, 0),
        ("mmap", 0, 1 << 40, PROT_READ, ours, -1, 0),  # unbounded page tables
        ("mmap", 0, PAGE, 0, ours, -1, 0),
        ("mmap", 0, PAGE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
        ("mmap", 0, PAGE, rw, ours | MAP_GROWSDOWN, -1, 0),
        ("mmap", "memory", PAGE, rw, ours | MAP_FIXED, -1, 0),
        ("mmap", 0, PAGE, rw, MAP_PRIVATE, SESSION_CLIENT, 0),
        ("mprotect", "memory", PAGE, PROT_READ | PROT_EXEC),
        ("mprotect", "memory", PAGE, rw),
        ("mremap", "memory", PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, "memory"),
        ("mremap", "memory", PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0),
        ("madvise", "memory", PAGE, 12),  # MADV_MERGEABLE: reveals whether another process has the same memory
        ("futex", "memory", 6, 0),  # FUTEX_LOCK_PI
        ("futex", "memory", 3, 0),  # FUTEX_REQUEUE
    ):
        with TakenOver(g.port) as t:
            args = [t.scratch & -PAGE if a == "memory" else a for a in call[1:]]
            assert t.dies(g, number(call[0]), *args) == signal.SIGSYS, call
    attacked.answers()


# System calls that a session needs; the tests above are about their arguments.
ALLOWED = """brk clock_gettime close eventfd2 exit exit_group fcntl futex getpid getrandom gettid gettimeofday
    madvise mmap mremap munmap poll ppoll recvfrom recvmsg restart_syscall rt_sigprocmask sendto
    setsockopt shutdown tgkill write writev""".split()
# System calls that lead to files, to the network, to other processes, or deep into the kernel.
DANGEROUS = """bpf clone clone3 connect execve execveat fork io_uring_setup ioctl kexec_load keyctl kill
    memfd_create mount open open_by_handle_at openat openat2 personality pidfd_getfd pidfd_open pidfd_send_signal
    prctl prlimit64 process_madvise process_vm_readv process_vm_writev ptrace rt_sigqueueinfo rt_sigreturn seccomp
    sendmsg setns setrlimit setuid shmat socket tkill unshare userfaultfd vfork""".split()
# uretprobe and uprobe: Linux kills or refuses these before any filter runs.
UNFILTERED = {335, 336} if os.uname().machine == "x86_64" else set()


def test_any_other_system_call_kills(attacked_as):
    g = attacked_as.gateway
    known = numbers()
    last = max(460, *(n for n in known.values() if n < 4096))
    refused = set(range(last + 1)) - {known[name] for name in ALLOWED if name in known} - UNFILTERED
    assert {known[name] for name in DANGEROUS if name in known} <= refused
    for n in sorted(refused):
        with TakenOver(g.port) as t:
            assert t.dies(g, n) == signal.SIGSYS, n
    if os.uname().machine == "x86_64":
        with TakenOver(g.port) as t:
            assert t.dies(g, 0x40000000 + known["getpid"]) == signal.SIGSYS, "the x32 way"
    attacked_as.answers()
    assert all(p.alive() for p in (g.master, *g.keepers()))
