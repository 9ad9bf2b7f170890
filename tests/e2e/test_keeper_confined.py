"""What a keeper that has been taken over can do to others, and what a confined one can do for its logins.

The attack build's keeper confines itself as the product's does, and then makes the system calls it is told.
"""

import errno
import os
import platform
import signal
import struct

import pytest

from lab import taken_over
from lab.taken_over import Gone, TakenOverKeeper
from lab.gateway import Gateway, sanitized
from lab.way import Way

# By name: their numbers on x86_64 and aarch64.
NUMBERS = {
    "accept": (43, 202), "bind": (49, 200), "bpf": (321, 280), "chmod": (268, 53), "clone": (56, 220),
    "clone3": (435, 435), "connect": (42, 203), "execve": (59, 221), "execveat": (322, 281), "fcntl": (72, 25),
    "io_uring_setup": (425, 425), "keyctl": (250, 219), "kill": (62, 129), "listen": (50, 201),
    "memfd_create": (319, 279), "mmap": (9, 222), "mount": (165, 40), "mprotect": (10, 226), "openat": (257, 56),
    "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_open": (434, 434),
    "prctl": (157, 167), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117),
    "renameat2": (316, 276), "setns": (308, 268), "setuid": (105, 146), "socket": (41, 198),
    "socketpair": (53, 199), "symlinkat": (266, 36), "tgkill": (234, 131), "unlinkat": (263, 35),
    "unshare": (272, 97), "userfaultfd": (323, 282),
}
AT_FDCWD = -100
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SIGSYS_LINE = r"the keeper is gone \(killed by signal 31 \(system call not allowed\)\): ending"


def call(k, name, *args):
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("the numbers of system calls are not known here")
    return k.call(NUMBERS[name][platform.machine() == "aarch64"], *args)


@pytest.fixture
def gateway(make_gateway, make_sshd, ring):
    """Of the attack build, with a way to alice's machine."""
    g = make_gateway(program=taken_over.program())
    g.sshd = make_sshd()
    g.route("alice", g.sshd, [ring.get("client")])
    return g


@pytest.fixture
def keeper(gateway, short):
    with TakenOverKeeper(gateway, short) as k:
        yield k


def answers(gateway, tmp_path, ring, **options):
    w = Way("gateway", tmp_path, ring, gateway.sshd, gateway, **options)
    try:
        w.answers()
    finally:
        w.close()


def test_it_goes_on_when_it_is_released(keeper, tmp_path, ring):
    keeper.release()
    answers(keeper.gateway, tmp_path, ring)


# What there is to call with: the master's number, and an address in the keeper with a path, or bytes, at it.
DEADLY = {
    "a connection": ("connect", 0, "scratch", 16),
    "a port": ("bind", 0, "scratch", 16),
    "listening": ("listen", 0, 1),
    "accepting": ("accept", 0, 0, 0),
    "an internet socket pair": ("socketpair", AF_INET, 1, 0, "scratch"),
    "a program": ("execve", "scratch", 0, 0),
    "a program by descriptor": ("execveat", 3, "scratch", 0, 0, 0x1000),
    "a fork": ("clone", signal.SIGCHLD, 0, 0, 0, 0),
    "a thread": ("clone", 0x10F00, 0, 0, 0, 0),
    "a fork, new style": ("clone3", "scratch", 88),
    "debugging": ("ptrace", 16, "master", 0, 0),
    "reading the master's memory": ("process_vm_readv", "master", "scratch", 1, "scratch", 1, 0),
    "writing the master's memory": ("process_vm_writev", "master", "scratch", 1, "scratch", 1, 0),
    "a signal": ("kill", "master", 0),
    "a signal to a thread": ("tgkill", "master", "master", 0),
    "a handle of a process": ("pidfd_open", "master", 0),
    "signals from the kernel": ("fcntl", 3, 8, "master"),  # F_SETOWN
    "memory to run": ("mmap", 0, 4096, 5, 0x22, -1, 0),
    "memory made to run": ("mprotect", "page", 4096, 5),
    "memory that reads and runs": ("personality", 0x0400000),
    "a file of memory": ("memfd_create", "scratch", 0),
    "a mount": ("mount", "scratch", "scratch", "scratch", 0, 0),
    "a program of the kernel's": ("bpf", 0, "scratch", 64),
    "the kernel's keyring": ("keyctl", 0, 0, 0, 0, 0),
    "calls by a ring": ("io_uring_setup", 1, "scratch"),
    "counters": ("perf_event_open", "scratch", 0, -1, -1, 0),
    "page faults": ("userfaultfd", 0),
    "another namespace": ("setns", 3, 0),
    "a new namespace": ("unshare", 0x10000000),
    "another user": ("setuid", 0),
    "being dumped": ("prctl", 4, 1, 0, 0, 0),
    "removing a file": ("unlinkat", AT_FDCWD, "scratch", 0),
    "renaming a file": ("renameat2", AT_FDCWD, "scratch", AT_FDCWD, "scratch", 0),
    "a link": ("symlinkat", "scratch", AT_FDCWD, "scratch"),
    "a mode": ("chmod", AT_FDCWD, "scratch", 0o4777),
}


@pytest.mark.parametrize("what", DEADLY)
def test_the_keeper_dies_of(what, keeper):
    """And the master with it, at once: its log says of what."""
    name, *args = DEADLY[what]
    keeper.put(b"/nonexistent\0".ljust(256, b"\0"))
    master = keeper.gateway.process.pid
    args = [{"scratch": keeper.scratch, "page": keeper.scratch & -4096, "master": master}.get(a, a) for a in args]
    if sanitized():
        pytest.skip("under sanitizers such calls fail, and some are allowed")
    with pytest.raises(Gone):
        call(keeper, name, *args)
    assert keeper.gateway.process.wait(10) == 1
    assert keeper.gateway.log.find(SIGSYS_LINE), keeper.gateway.log.text()


@pytest.mark.parametrize("family", [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK])
def test_it_has_no_socket(family, keeper):
    """It does not die of it: what looks up a user tries to reach a daemon first."""
    assert call(keeper, "socket", family, 1, 0) == -errno.EPERM


# Files, which Landlock keeps; the tests run as root, whose own files these are.

def opened(k, path, flags):
    return call(k, "openat", AT_FDCWD, k.put(os.fsencode(path) + b"\0"), flags, 0o600)


@pytest.mark.parametrize("path", ["/proc/1/environ", "/proc/self/status", "/proc/self/mem", "/proc/kmsg",
                                  "/sys/kernel/notes", "/dev/mem", "/dev/tty", "/dev/kmsg"])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR], ids=["read", "write", "both"])
def test_of_other_processes_and_the_machine_it_opens_nothing(path, flags, keeper):
    keeper.gateway.needs_landlock()
    if sanitized() and path.startswith("/proc"):
        pytest.skip("the search for leaks reads it")
    if os.path.exists(path):
        assert opened(keeper, path, flags) == -errno.EACCES


def test_it_writes_nothing_but_the_known_hosts_of_accept_new(keeper, tmp_path):
    """And here no route accepts new keys: neither to what its routes are made of, nor elsewhere."""
    keeper.gateway.needs_landlock()
    base, outside = keeper.gateway.dir, tmp_path / "outside"
    outside.write_text("mine")
    for path in (base / "conf.d" / "alice.known_hosts", base / "keys" / "host_ed25519", outside):
        assert opened(keeper, path, os.O_RDONLY) >= 0
        assert opened(keeper, path, os.O_WRONLY | os.O_APPEND) == -errno.EACCES
        assert opened(keeper, path, os.O_WRONLY | os.O_TRUNC) == -errno.EACCES
    for path in (base / "conf.d" / "new.ini", base / "new", tmp_path / "new", "/var/tmp/sallyport-new"):
        assert opened(keeper, path, os.O_WRONLY | os.O_CREAT) == -errno.EACCES
        assert not os.path.exists(path)
    assert outside.read_text() == "mine"


def test_where_accept_new_writes_it_makes_and_fills_files_alone(gateway, short, ring, tmp_path):
    (tmp_path / "known").mkdir()
    gateway.route("bob", gateway.sshd, [ring.get("client")], key="alice", StrictHostKeyChecking="accept-new",
                  UserKnownHostsFile=tmp_path / "known" / "hosts")
    with TakenOverKeeper(gateway, short) as k:
        gateway.needs_landlock()
        assert opened(k, tmp_path / "known" / "hosts", os.O_RDWR | os.O_APPEND | os.O_CREAT) >= 0
        assert opened(k, tmp_path / "beside", os.O_RDWR | os.O_APPEND | os.O_CREAT) == -errno.EACCES
        assert opened(k, gateway.conf / "alice.known_hosts", os.O_RDWR | os.O_APPEND) == -errno.EACCES
        k.release()
    answers(gateway, tmp_path, ring)


def test_its_own_sockets_send_to_nobody_else(keeper):
    """By TCP fast open a socket connects without connect(2)."""
    if sanitized():
        pytest.skip("such calls fail there")
    keeper.put(struct.pack("<H14x", AF_INET))
    number = {"x86_64": 44, "aarch64": 206}.get(platform.machine())
    if number is None:
        pytest.skip("the numbers of system calls are not known here")
    with pytest.raises(Gone):
        keeper.call(number, 3, keeper.scratch, 1, 0x20000000, keeper.scratch, 16)


# The product.

@pytest.fixture
def confined(short, ring, make_sshd, tmp_path):
    """confined(**route): a way through a gateway whose keeper is another user, where we are root."""
    made = []
    os.chmod(short, 0o755)

    def make(environment=(), **route):
        sshd = make_sshd()
        user = {"RunAs": "daemon", "RunNetworkAs": "games"} if os.getuid() == 0 else {}
        g = Gateway(short / "gateway", ring, **user)
        g.within = environment
        g.route("alice", sshd, [ring.get("client")], **route)
        g.start()
        made.append(Way("gateway", tmp_path, ring, sshd, g))
        return made[-1]

    yield make
    for w in made:
        w.close()
        w.gateway.stop()


def test_status_of_the_keeper(confined):
    """No capability, no new privileges, and a filter."""
    w = confined()
    w.answers()
    (keeper,) = w.gateway.keepers()
    assert keeper.status("NoNewPrivs") == "1"
    assert keeper.status("Seccomp") == "2"
    for field in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(keeper.status(field), 16) == 0, field


def test_a_keeper_that_stays_root_keeps_no_capability_but_to_open_files_and_lock_memory(make_gateway, make_sshd, ring):
    if os.getuid() != 0:
        pytest.skip("only root can stay root")
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    g.start()
    (keeper,) = g.keepers()
    for field in ("CapPrm", "CapEff"):
        assert int(keeper.status(field), 16) & ~(1 << 1 | 1 << 2 | 1 << 14) == 0, field


def test_title_in_an_empty_environment(confined):
    w = confined(environment=("env", "-i"))
    assert [k.title() for k in w.gateway.keepers()] == ["sallyport: keeper"]
    w.answers()


def test_a_user_that_is_looked_up_at_a_reload_and_that_nobody_knows(gated):
    """All modules of nsswitch.conf(5) are asked, some of which load libraries and connect to daemons."""
    if os.getuid() != 0:
        pytest.skip("only root looks a user up")
    w = gated()
    w.gateway.options["RunAs"] = "no-such-user-of-the-tests"
    w.gateway.write_gateway()
    w.gateway.sallyport("reload", "-c", w.gateway.conf)
    w.answers()
    assert not w.gateway.log.find("the keeper is gone")


def test_the_master_and_what_it_starts_get_no_new_privileges(confined):
    """A filter keeps them out of other processes and of the kernel."""
    w = confined()
    (w.gateway.dir / "lookup").write_text(
        f"#!/bin/sh\n[ $1 = bob ] && cat /proc/self/status >{w.gateway.dir}/seen/status\nexit 1\n")
    (w.gateway.dir / "lookup").chmod(0o755)
    (w.gateway.dir / "seen").mkdir()
    (w.gateway.dir / "seen").chmod(0o777)
    (w.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = ini exec\n[lookup exec]\nCommand = {w.gateway.dir}/lookup\n")
    assert w.gateway.sallyport("reload", "-c", w.gateway.conf).returncode == 0
    assert w.new_client(user="bob").ssh("true").code == 255
    seen = dict(line.split(":", 1) for line in (w.gateway.dir / "seen" / "status").read_text().splitlines())
    for status in (w.gateway.master.status, lambda field: seen[field].strip()):
        assert status("NoNewPrivs") == "1" and status("Seccomp") == "2"
        assert int(status("CapEff"), 16) == int(status("CapPrm"), 16) == 0
