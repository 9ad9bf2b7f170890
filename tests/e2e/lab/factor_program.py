"""A program of Factor = exec:PROGRAM, run by the test as an errand runs it."""

import contextlib
import os
import signal
import subprocess
import threading

from .program import PROGRAMS
from .wait import PATIENCE


class Dialogue:
    """A running program: asked() is its next round, answer() what the person types, status() how it ended."""

    def __init__(self, program, *args, login="alice", client="192.0.2.9", **env):
        self.process = subprocess.Popen(
            [PROGRAMS / program, *map(str, args), login], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SALLYPORT_LOGIN": login,
                 "SALLYPORT_CLIENT_ADDRESS": client, **env})
        # one that hangs fails the test by what it has not written
        self.limit = threading.Timer(2 * PATIENCE, self.kill)
        self.limit.start()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)

    def asked(self):
        """The lines up to "ask", which ends a round, or up to the end."""
        lines = []
        for line in self.process.stdout:
            assert line.endswith(b"\n") and len(line) <= 1025, line
            line = line[:-1].decode()
            if line == "ask":
                break
            word, _, text = line.partition(" ")
            assert word in ("prompt", "echo", "info"), line
            lines.append((word, text))
        return lines

    def answer(self, *answers):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(b"".join(a if isinstance(a, bytes) else a.encode() + b"\n" for a in answers))
            self.process.stdin.flush()

    def status(self):
        """(exit status, its standard error, of which the log has the first line); it writes nothing more."""
        try:
            out, err = self.process.communicate()
        finally:
            self.limit.cancel()
        assert out == b"", out
        err = err.decode()
        assert err.count("\n") <= 1, err
        return self.process.returncode, err.rstrip("\n")


def tried(program, *args, answers=(), **words):
    """A whole login with one answer for each round: (rounds, exit status, standard error)."""
    d = Dialogue(program, *args, **words)
    rounds = [d.asked()]
    for answer in answers:
        d.answer(answer)
        rounds.append(d.asked())
    status, why = d.status()
    return [r for r in rounds if r], status, why
