"""sallyport-pam behind its socket: as systemd with Accept=yes, one process for each connection."""

import os
import pwd
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from . import procs
from .gateway import SALLYPORT
from .wait import PATIENCE, wait_for

PROGRAM = Path(SALLYPORT).parent / "sallyport-pam"
ME = pwd.getpwuid(os.getuid()).pw_name


def module(name):
    """The path of a PAM module, or the test is skipped."""
    for place in ("/lib", "/usr/lib", "/usr/lib64", "/lib64"):
        for found in [*Path(place).glob(f"*/security/{name}.so"), *Path(place).glob(f"security/{name}.so")]:
            return found
    pytest.skip(f"there is no PAM module {name}")


class PamSocket:
    """Services are files in self.services, with modules' names in place of their paths."""

    def __init__(self, directory, user=ME):
        self.path = directory / "pam.sock"
        self.services = directory / "pam.d"
        self.services.mkdir()
        self.log = directory / "pam.log"
        self.user = user
        self.processes = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.path.chmod(0o666)
        self.listener.listen(64)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            with connection, open(self.log, "ab") as log:
                if self.user is None:
                    return
                self.processes.append(subprocess.Popen(
                    [PROGRAM, "-u", self.user, "-d", self.services], stdin=connection, stdout=log, stderr=log, cwd="/",
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, preexec_fn=procs.end_with_us))

    def service(self, text, name="sallyport"):
        (self.services / name).write_text(text)

    def ended(self):
        """The exit statuses of all, which must end."""
        wait_for("sallyport-pam to end", lambda: all(p.poll() is not None for p in self.processes))
        return [p.returncode for p in self.processes]

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        s.connect(str(self.path))
        return s

    def close(self):
        self.user = None
        self.connect().close()
        self.thread.join()
        self.listener.close()
        for p in self.processes:
            procs.end(p)
