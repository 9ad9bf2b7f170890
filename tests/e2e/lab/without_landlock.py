"""Run a program as on a kernel without Landlock: its first system call fails.  For Gateway(within=...)."""

import ctypes
import errno
import os
import sys

ALLOW = 0x7FFF0000
FAIL = 0x00050000


def main():
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ALLOW))
    number = seccomp.seccomp_syscall_resolve_name(b"landlock_create_ruleset")
    assert seccomp.seccomp_rule_add(context, FAIL | errno.EOPNOTSUPP, number, 0) == 0
    assert seccomp.seccomp_load(context) == 0
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
