"""One sshd, reached directly and through a gateway, and what a client needs to log in to either."""

import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.bulk import Bulk
from lab.gateway import Gateway
from lab.sshd import Sshd
from lab.way import Way

MEBIBYTES = 8


class Side(Way):
    """A Way with the files of one run of one row: files, a directory for what the run makes; short, one whose
    path is short enough for Unix sockets; bulk, a large file and its digest.
    """

    def __init__(self, name, directory, ring, sshd, gateway, bulk):
        super().__init__(name, directory, ring, sshd, gateway, post_quantum=True)
        self.bulk = bulk
        self.files = directory / "files"
        self.files.mkdir()
        self.short = Path(tempfile.mkdtemp(prefix="si.", dir="/tmp"))
        self.address = ("127.0.0.1", self.front.port)
        # where programs that know no ssh_config look
        own = self.client.home / ".ssh"
        own.mkdir(mode=0o700)
        (own / "known_hosts").write_text(self.front.known_hosts())

    @property
    def host_key(self):
        """The fingerprint of the front's first host key, of type ed25519."""
        return self.front.host_keys[0].fingerprint

    def run(self, argv, stdin=b"", env=None, check=True):
        return self.client.run(argv, stdin, env=env, check=check)

    def key(self, form):
        """The client's key in the form of PuTTY or Dropbear; or its RSA key in that of OpenSSL."""
        path = self.client.dir / f"key.{form}"
        key = self.ring.get("client").path
        if path.exists():
            return path
        if form == "pem":
            shutil.copy(self.ring.get("client", "rsa3072").path, path)
        argv = {"ppk": ["puttygen", key, "-O", "private", "-o", path],
                "dropbear": ["dropbearconvert", "openssh", "dropbear", key, path],
                "pem": ["ssh-keygen", "-q", "-p", "-m", "PEM", "-P", "", "-N", "", "-f", path]}[form]
        subprocess.run(argv, check=True, capture_output=True)
        return path

    def putty(self, program, *words):
        """The beginning of a command line of PuTTY's programs."""
        return [program, "-P", self.front.port, "-batch", "-hostkey", self.host_key, "-i", self.key("ppk"), *words]

    def close(self):
        super().close()
        shutil.rmtree(self.short, ignore_errors=True)


class Sides:
    """The daemons of a whole run, and a new Side for each run of a row."""

    def __init__(self, directory, ring):
        self.dir = directory
        self.ring = ring
        self.numbers = itertools.count()
        keys = [ring.get("client"), ring.get("client", "rsa3072")]
        home = directory / "home"
        home.mkdir()
        # a home of its own: what a client leaves there is nobody's
        env = {"HOME": str(home), "XAUTHORITY": str(home / "xauthority")}
        self.sshd = Sshd(directory / "sshd", ring, env=env, X11Forwarding="yes", MaxSessions="50").start()
        self.gateway = None
        try:
            self.sshd.authorize(*(key.public for key in keys))
            self.gateway = Gateway(directory / "gateway", ring)
            self.gateway.route("alice", self.sshd, keys)
            self.gateway.start()
        except BaseException:
            self.sshd.stop()
            raise
        self.bulk = Bulk(directory / "bulk", MEBIBYTES << 20, 12)

    def side(self, name):
        directory = self.dir / f"{name}{next(self.numbers)}"
        gateway = self.gateway if name == "gateway" else None
        return Side(name, directory, self.ring, self.sshd, gateway, self.bulk)

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.sshd.stop()
