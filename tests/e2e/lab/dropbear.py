"""A real Dropbear on loopback, which runs as the user of the tests and logs that user in."""

import shutil
import subprocess
from pathlib import Path

from . import net, procs
from .gateway import SALLYPORT
from .wait import Log, wait_for

DROPBEAR = "/usr/sbin/dropbear"
HOST_KEYS = ("ed25519", "ecdsa256", "rsa3072")
PRELOAD = Path(SALLYPORT).parent / "tests" / "passwd.so"

# The password of every account, and its crypt(3) hash.
PASSWORD = "open sesame"
CRYPTED = ("$6$sallyport$GJoMATwtOAOqb6jRv3nG3RyyolVKqAutZpHRME9UaDARs1d"
           "mOWxb9Mdqyxkd0NqHyUTuyuGzBWWeS22gxoOpd/")


def convert(key, path):
    """A key of ssh-keygen in Dropbear's format."""
    subprocess.run(["dropbearconvert", "openssh", "dropbear", key.path, path], check=True,
                   capture_output=True)
    return path


class Dropbear:
    """Has the interface of Sshd that Way and Gateway use."""

    host = "127.0.0.1"

    def __init__(self, directory, ring, host_keys=HOST_KEYS, options=()):
        self.dir = directory
        self.dir.mkdir(parents=True)
        self.host_keys = [ring.get("upstream_host", kind) for kind in host_keys]
        self.options = list(options)
        for i, key in enumerate(self.host_keys):
            self.options += ["-r", convert(key, self.dir / f"host_key{i}")]
        (self.dir / ".ssh").mkdir(mode=0o700)
        self.authorized_keys = self.dir / ".ssh" / "authorized_keys"
        self.authorized_keys.write_text("")
        self.log = Log(self.dir / "log")
        self.process = None
        self.port = None

    def authorize(self, *publics):
        with open(self.authorized_keys, "a", encoding="ascii") as f:
            f.writelines(public + "\n" for public in publics)

    def known_hosts(self, kinds=None):
        return "".join(
            f"[{self.host}]:{self.port} {key.public}\n"
            for key in self.host_keys
            if kinds is None or key.type in kinds
        )

    def start(self):
        for _ in range(5):
            self.port = net.free_port()
            with open(self.log.path, "ab") as log:
                self.process = subprocess.Popen(
                    [DROPBEAR, "-F", "-E", "-m", "-p", f"{self.host}:{self.port}", "-P", self.dir / "pid",
                     *self.options],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                    env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(PRELOAD), "LAB_HOME": str(self.dir),
                         "LAB_PASSWORD": CRYPTED},
                    preexec_fn=procs.end_with_us,
                )
            wait_for("Dropbear to listen or to end", lambda: self.process.poll() is not None
                     or net.accepts((self.host, self.port)))
            if self.process.poll() is None:
                return self
        raise AssertionError(f"Dropbear does not start: {self.log.text()}")

    def stop(self):
        left = procs.descendants(self.process.pid)
        procs.end(self.process)
        for p in left:
            p.kill()
            procs.reap(p)


def installed():
    return shutil.which("dbclient") and Path(DROPBEAR).exists()
