"""System calls by name, with the numbers of this architecture."""

import functools
import re
import shutil
import subprocess

import pytest


@functools.cache
def numbers():
    """{name: number}, from the header of the C library."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler, whose headers have the numbers of system calls")
    p = subprocess.run([compiler, "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"],
                       capture_output=True, text=True, check=True)
    return {name: int(n) for name, n in re.findall(r"^#define __NR_(\w+) (\d+)$", p.stdout, re.M)}


def number(name):
    return numbers()[name]
