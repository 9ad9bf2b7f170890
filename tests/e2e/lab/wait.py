"""Waiting for a condition, never for a time."""

import re
import time

# Longer than what is waited for ever takes, on a machine that is busy with other work: the limit only ends a test
# that hangs.
PATIENCE = 60.0


def wait_for(what, check, timeout=PATIENCE, every=0.02):
    """Call check() until it returns something true, and return that.  AssertionError at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout:g} s")
        time.sleep(every)


class Log:
    """The log file of a daemon under test."""

    def __init__(self, path, line_end="\n"):
        self.path = path
        self.line_end = line_end

    def text(self, since=0):
        try:
            with open(self.path, "rb") as f:
                f.seek(since)
                text = f.read().decode("utf-8", "backslashreplace")
                return text.replace(self.line_end, "\n")
        except FileNotFoundError:
            return ""

    def lines(self, since=0):
        return self.text(since).split("\n")[:-1]

    def mark(self):
        """The current end of the log, for `since`."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def find(self, pattern, since=0):
        """What matches in the lines that have been written as a whole, or None.  A line that must be there, or will be,
        takes wait(): a process may write it after it has answered the client.
        """
        text = self.text(since)
        return re.search(pattern, text[:text.rfind("\n") + 1], re.M)

    def wait(self, pattern, since=0, timeout=PATIENCE):
        try:
            return wait_for(f"log line /{pattern}/", lambda: self.find(pattern, since), timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}; {self.path} says:\n{self.text(since)[-4000:]}") from None
