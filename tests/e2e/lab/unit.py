"""contrib/sallyport.service without systemd: unit.py UNIT WRITABLE... -- COMMAND runs the command with the
restrictions of the unit, as far as a program other than systemd can; or prints "UNIT: reason" and exits with
77. / Needs root.  Directives it does not know are ignored.
"""

import ctypes
import os
import subprocess
import sys

SKIPPED = 77
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 1 << 18, 0x1000
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY, SYS_MOUNT_SETATTR = -100, 0x8000, 1, 442
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
PROT_EXEC, WRITE_AND_EXEC = 4, 6
ALLOW, ERRNO_EPERM = 0x7FFF0000, 0x00050001
EQ, MASKED = 4, 7
CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_NET_BIND_SERVICE": 10}

libc = ctypes.CDLL(None, use_errno=True)


class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def check(result, what):
    if result != 0:
        print(f"UNIT: {what}: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        sys.exit(SKIPPED)


def words_of(unit):
    found = {}
    for line in open(unit, encoding="utf-8"):
        name, equals, value = line.strip().partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def read_only(path, on):
    attr = MountAttr(set=MOUNT_ATTR_RDONLY * on, clear=MOUNT_ATTR_RDONLY * (not on))
    check(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), AT_RECURSIVE, ctypes.byref(attr),
                       ctypes.sizeof(attr)), f"mount_setattr {path}")


def mount(source, target, kind, flags, data=None):
    check(libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), data), f"mount {target}")


def file_system(words, writable):
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    if words["ProtectSystem"] == ["strict"]:
        writable = [p for p in writable if os.path.exists(p)]
        for path in writable:
            mount(os.fsencode(path), path, None, MS_BIND | MS_REC)
        read_only("/", True)
        for path in [*writable, "/dev"]:
            read_only(path, False)
    for path in ("/home", "/root"):
        # unless the tests themselves are there
        used = [os.path.realpath(p) for p in writable + sys.argv if os.path.isabs(p)]
        if words.get("ProtectHome") == ["yes"] and not any(p.startswith(path) for p in used):
            mount(b"tmpfs", path, b"tmpfs", 1, b"mode=000")
    options = []
    if words.get("ProtectProc"):
        options.append(f"hidepid={words['ProtectProc'][0]}")
    if words.get("ProcSubset"):
        options.append(f"subset={words['ProcSubset'][0]}")
    mount(b"proc", "/proc", b"proc", 0, ",".join(options).encode())


def expand(word):
    """The system calls of a set, whose names systemd knows."""
    if not word.startswith("@"):
        return {word}
    out = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True,
                         check=True).stdout
    return set().union(*(expand(line.strip()) for line in out.splitlines()[1:]
                         if line.strip() and not line.strip().startswith("#")))


def filters(words):
    """The seccomp filters for system calls and for their arguments."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    calls = set()
    for value in words["SystemCallFilter"]:
        deny = value.startswith("~")
        named = set().union(*(expand(word) for word in value.lstrip("~").split()))
        calls = calls - named if deny else calls | named
    allowed = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(ERRNO_EPERM)))
    for call in calls:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            seccomp.seccomp_rule_add(allowed, ctypes.c_uint32(ALLOW), number, 0)
    denied = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(ALLOW)))

    def deny_if(call, arg, op, a, b=0):
        number = seccomp.seccomp_syscall_resolve_name(call)
        seccomp.seccomp_rule_add_array(denied, ctypes.c_uint32(ERRNO_EPERM), number, 1,
                                       ctypes.byref(Comparison(arg, op, a, b)))

    if words.get("MemoryDenyWriteExecute") == ["yes"]:
        deny_if(b"mmap", 2, MASKED, WRITE_AND_EXEC, WRITE_AND_EXEC)
        deny_if(b"mprotect", 2, MASKED, PROT_EXEC, PROT_EXEC)
        deny_if(b"pkey_mprotect", 2, MASKED, PROT_EXEC, PROT_EXEC)
    permitted = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
    permitted = [permitted[name] for name in words["RestrictAddressFamilies"][0].split()]
    for family in set(range(64)) - set(permitted):
        deny_if(b"socket", 0, EQ, family)
    # the allow list last: it lacks seccomp(2) itself
    check(seccomp.seccomp_load(denied), "seccomp")
    check(seccomp.seccomp_load(allowed), "seccomp")


def main():
    split = sys.argv.index("--")
    unit, *writable = sys.argv[1:split]
    words = words_of(unit)
    kept = {CAPABILITIES[name] for name in words["CapabilityBoundingSet"][0].split()}
    # before /proc is remounted, which libseccomp and systemd-analyze need
    file_system(words, writable)
    os.umask(int(words["UMask"][0], 8))
    # systemd sets no-new-privileges before the filters, which would otherwise need CAP_SYS_ADMIN
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no-new-privileges")
    number = 0
    while number in kept or libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    filters(words)
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])


if __name__ == "__main__":
    main()
