"""The confinement of the keeper: what one that has been taken over can do to other processes, and that a
confined one can serve its logins.

The keeper of the attack build confines itself as that of the product, and then makes the system calls that
the test sends.
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
from lab.wait import PATIENCE
from lab.way import Way

# By name; the numbers are those of x86_64 and aarch64.
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
SIGSYS_LINE = r"the keeper has died \(killed by signal 31 \(system call not allowed\)\): exiting"


def call(k, name, *args):
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("the numbers of system calls are not known here")
    return k.call(NUMBERS[name][platform.machine() == "aarch64"], *args)


@pytest.fixture
def gateway(make_gateway, make_sshd, ring):
    """A gateway of the attack build with a way to alice's upstream."""
    g = make_gateway(program=taken_over.program())
    g.sshd = make_sshd()
    g.route("alice", g.sshd, [ring.get("client")])
    return g


@pytest.fixture
def keeper(gateway, short):
    with TakenOverKeeper(gateway, short) as k:
        yield k


def assert_login_works(gateway, tmp_path, ring, **options):
    w = Way("gateway", tmp_path, ring, gateway.sshd, gateway, **options)
    try:
        w.answers()
    finally:
        w.close()


def test_released_keeper_serves(keeper, tmp_path, ring):
    keeper.release()
    assert_login_works(keeper.gateway, tmp_path, ring)


# Placeholders of arguments: the master's pid, and addresses in the keeper of a path or of other bytes.
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
    "removing a directory": ("unlinkat", AT_FDCWD, "scratch", 0x200),
    "exchanging files": ("renameat2", AT_FDCWD, "scratch", AT_FDCWD, "scratch", 2),
    "a link": ("symlinkat", "scratch", AT_FDCWD, "scratch"),
    "a mode": ("chmod", AT_FDCWD, "scratch", 0o4777),
}


@pytest.mark.parametrize("what", DEADLY)
def test_system_call_kills_keeper(what, keeper):
    """And the master with it, at once; its log names the signal."""
    name, *args = DEADLY[what]
    keeper.put(b"/nonexistent\0".ljust(256, b"\0"))
    master = keeper.gateway.process.pid
    args = [{"scratch": keeper.scratch, "page": keeper.scratch & -4096, "master": master}.get(a, a) for a in args]
    if sanitized():
        pytest.skip("under sanitizers such calls fail, and some are allowed")
    with pytest.raises(Gone):
        call(keeper, name, *args)
    assert keeper.gateway.process.wait(PATIENCE) == 1
    keeper.gateway.log.wait(SIGSYS_LINE)


@pytest.mark.parametrize("family", [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK])
def test_keeper_cannot_make_sockets(family, keeper):
    """The call fails and does not kill: a lookup of a user tries to connect to a daemon first."""
    assert call(keeper, "socket", family, 1, 0) == -errno.EPERM


# Files, which Landlock protects; the tests run as root, who owns these.

def open_as_keeper(k, path, flags):
    return call(k, "openat", AT_FDCWD, k.put(os.fsencode(path) + b"\0"), flags, 0o600)


@pytest.mark.parametrize("path", ["/proc/1/environ", "/proc/self/status", "/proc/self/mem", "/proc/kmsg",
                                  "/sys/kernel/notes", "/dev/mem", "/dev/tty", "/dev/kmsg"])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR], ids=["read", "write", "both"])
def test_keeper_cannot_open_system_files(path, flags, keeper):
    keeper.gateway.needs_landlock()
    if sanitized() and path.startswith("/proc"):
        pytest.skip("the search for leaks reads it")
    if os.path.exists(path):
        assert open_as_keeper(keeper, path, flags) == -errno.EACCES


def test_keeper_writes_nothing_without_accept_new(keeper, tmp_path):
    """Neither the files of its routes nor any others, since no route here has accept-new."""
    keeper.gateway.needs_landlock()
    base, outside = keeper.gateway.dir, tmp_path / "outside"
    outside.write_text("mine")
    for path in (base / "conf.d" / "alice.known_hosts", base / "keys" / "host_ed25519", outside):
        assert open_as_keeper(keeper, path, os.O_RDONLY) >= 0
        assert open_as_keeper(keeper, path, os.O_WRONLY | os.O_APPEND) == -errno.EACCES
        assert open_as_keeper(keeper, path, os.O_WRONLY | os.O_TRUNC) == -errno.EACCES
    for path in (base / "conf.d" / "new.ini", base / "new", tmp_path / "new", "/var/tmp/sallyport-new"):
        assert open_as_keeper(keeper, path, os.O_WRONLY | os.O_CREAT) == -errno.EACCES
        assert not os.path.exists(path)
    assert outside.read_text() == "mine"


def test_keeper_can_only_create_and_write_files_for_accept_new(gateway, short, ring, tmp_path):
    (tmp_path / "known").mkdir()
    gateway.route("bob", gateway.sshd, [ring.get("client")], key="alice", StrictHostKeyChecking="accept-new",
                  UserKnownHostsFile=tmp_path / "known" / "hosts")
    with TakenOverKeeper(gateway, short) as k:
        gateway.needs_landlock()
        assert open_as_keeper(k, tmp_path / "known" / "hosts", os.O_RDWR | os.O_APPEND | os.O_CREAT) >= 0
        assert open_as_keeper(k, tmp_path / "beside", os.O_RDWR | os.O_APPEND | os.O_CREAT) == -errno.EACCES
        assert open_as_keeper(k, gateway.conf / "alice.known_hosts", os.O_RDWR | os.O_APPEND) == -errno.EACCES
        k.release()
    assert_login_works(gateway, tmp_path, ring)


def unlink_as_keeper(k, path):
    return call(k, "unlinkat", AT_FDCWD, k.put(os.fsencode(path) + b"\0"), 0)


def rename_as_keeper(k, path, to):
    address = k.put(os.fsencode(path) + b"\0" + os.fsencode(to) + b"\0")
    return call(k, "renameat2", AT_FDCWD, address, AT_FDCWD, address + len(os.fsencode(path)) + 1, 0)


def test_keeper_replaces_files_in_state_directory_alone(gateway, short):
    """And only in the directories of records: other things may lie in /var/lib/sallyport."""
    gateway.options["StateDirectory"] = short / "state"
    gateway.write_gateway()
    with TakenOverKeeper(gateway, short) as k:
        gateway.needs_landlock()
        records, beside = short / "state" / "totp", short / "state" / "beside"
        beside.write_text("mine")
        for name in ("one", "two"):
            (records / name).write_text(name)
        assert open_as_keeper(k, records / "three", os.O_WRONLY | os.O_CREAT) >= 0
        assert rename_as_keeper(k, records / "three", records / "one") == 0
        assert unlink_as_keeper(k, records / "two") == 0
        assert (records / "one").read_text() == "" and not (records / "two").exists()
        assert open_as_keeper(k, beside, os.O_WRONLY) == -errno.EACCES
        for path in (beside, gateway.conf / "00-gateway.ini", gateway.dir / "keys" / "host_ed25519"):
            assert unlink_as_keeper(k, path) == -errno.EACCES
            assert rename_as_keeper(k, path, records / "one") in (-errno.EACCES, -errno.EXDEV)
            assert rename_as_keeper(k, records / "one", path) in (-errno.EACCES, -errno.EXDEV)
            assert path.exists()


def test_sockets_of_keeper_reach_no_other_peer(keeper):
    """TCP fast open would connect a socket without connect(2)."""
    if sanitized():
        pytest.skip("such calls fail there")
    keeper.put(struct.pack("<H14x", AF_INET))
    number = {"x86_64": 44, "aarch64": 206}.get(platform.machine())
    if number is None:
        pytest.skip("the numbers of system calls are not known here")
    with pytest.raises(Gone):
        keeper.call(number, 3, keeper.scratch, 1, 0x20000000, keeper.scratch, 16)


# The real keeper.

@pytest.fixture
def confined(short, ring, make_sshd, tmp_path):
    """confined(**route): a way through a gateway whose keeper runs as another user, if the tests run as root.
    """
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


def test_status_of_keeper_process(confined):
    """No capability, no new privileges, and a seccomp filter."""
    w = confined()
    w.answers()
    (keeper,) = w.gateway.keepers()
    assert keeper.status("NoNewPrivs") == "1"
    assert keeper.status("Seccomp") == "2"
    for field in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(keeper.status(field), 16) == 0, field


def test_keeper_as_root_keeps_two_capabilities(make_gateway, make_sshd, ring):
    if os.getuid() != 0:
        pytest.skip("only root can stay root")
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    g.start()
    (keeper,) = g.keepers()
    for field in ("CapPrm", "CapEff"):
        assert int(keeper.status(field), 16) & ~(1 << 1 | 1 << 2 | 1 << 14) == 0, field


def test_process_title_in_empty_environment(confined):
    w = confined(environment=("env", "-i"))
    assert [k.title() for k in w.gateway.keepers()] == ["sallyport: keeper"]
    w.answers()


def test_reload_with_unknown_user_does_not_kill_keeper(gated):
    """All modules of nsswitch.conf(5) are asked; some of them load libraries and connect to daemons."""
    if os.getuid() != 0:
        pytest.skip("only root looks a user up")
    w = gated()
    w.gateway.options["RunAs"] = "no-such-user-of-the-tests"
    w.gateway.write_gateway()
    w.gateway.sallyport("reload", "-c", w.gateway.conf)
    w.answers()
    assert not w.gateway.log.find("the keeper has died")


def test_master_and_children_have_no_new_privileges(confined):
    """A seccomp filter keeps them from other processes and from parts of the kernel."""
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
