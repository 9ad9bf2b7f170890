"""A program on a terminal of its own, as a user runs it."""

import fcntl
import functools
import grp
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from .wait import PATIENCE


@functools.cache
def sshd_can_make_terminals():
    """sshd gives a terminal to the group tty, which without root works only if it belongs to tty already."""
    if os.getuid() == 0:
        return True
    master, slave = pty.openpty()
    try:
        return os.fstat(slave).st_gid == grp.getgrnam("tty").gr_gid
    except KeyError:
        return True
    finally:
        os.close(master)
        os.close(slave)


def needs_terminals():
    if not sshd_can_make_terminals():
        pytest.skip("/dev/pts is mounted without gid=5 here: an sshd that is not root has no terminals")


class Terminal:
    def __init__(self, argv, env, cwd, rows=24, columns=80):
        self.fd, slave = pty.openpty()
        self.seen = ""
        self.resize(rows, columns)

        def own_terminal():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd,
            start_new_session=True, preexec_fn=own_terminal,
        )
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self.fd, data) :]

    def expect(self, pattern, timeout=PATIENCE):
        """Read until the pattern matches; output up to its end is consumed."""
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.seen, re.M)
            if found:
                self.seen = self.seen[found.end() :]
                return found
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"no /{pattern}/ on the terminal, but {self.seen[-3000:]!r}")

    def _read(self, timeout):
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the program has closed the terminal
            return False
        # without what systemd's shell profile tells the terminal about each command
        self.seen = re.sub(r"\x1b\]3008;.*?\x1b\\", "", self.seen + data.decode("utf-8", "replace"))
        return bool(data)

    def wait(self, timeout=PATIENCE):
        """Read until the program ends; its exit status."""
        deadline = time.monotonic() + timeout
        while self._read(max(0.0, deadline - time.monotonic())):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
