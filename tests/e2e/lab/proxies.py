"""Proxies on loopback that a gateway connects through: OpenSSH's own (ssh -D), microsocks, tinyproxy."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from . import net, procs
from .sshd import ME
from .wait import Log, wait_for
from .way import Way

USER, PASSWORD = "gateway", "staple-Battery.9"


class Proxy:
    """A proxy on a port of 127.0.0.1; url is what ConnectVia has."""

    scheme = "socks5"

    def __init__(self, login=False):
        self.login = login
        self.dir = Path(tempfile.mkdtemp(prefix="sp.", dir="/tmp"))
        self.log = Log(self.dir / "log")
        self.process = None
        self.port = None

    def start(self, *argv):
        """Run argv, with {port} replaced; another port if that one is taken meanwhile."""
        program = shutil.which(argv[0], path=os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin")
        if not program:
            self.stop()
            pytest.skip(f"{argv[0]} is not installed")
        for _ in range(5):
            self.port = net.free_port()
            self.prepare()
            with open(self.log.path, "ab") as log:
                self.process = subprocess.Popen(
                    [program, *(str(a).replace("{port}", str(self.port)) for a in argv[1:])],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", preexec_fn=procs.end_with_us)
            wait_for(f"{argv[0]} to listen or to end",
                     lambda: net.accepts(("127.0.0.1", self.port)) or self.process.poll() is not None)
            if self.process.poll() is None:
                return self
        raise AssertionError(f"{argv[0]} ended: {self.log.text()}")

    def prepare(self):
        """Write what the program reads, once its port is known."""

    @property
    def place(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"{self.scheme}://{USER + '@' if self.login else ''}{self.place}"

    def stop(self):
        if self.process:
            procs.end(self.process)
            self.process = None
        shutil.rmtree(self.dir, ignore_errors=True)


class OpenSSH(Proxy):
    """ssh -D, to an sshd that lets this key in."""

    def __init__(self, bastion, key):
        super().__init__()
        bastion.authorize(key.public)
        known = self.dir / "known_hosts"
        known.write_text(bastion.known_hosts())
        self.start("ssh", "-F", "none", "-N", "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes",
                   "-o", f"UserKnownHostsFile={known}", "-o", "IdentitiesOnly=yes", "-i", key.path,
                   "-p", bastion.port, "-D", "127.0.0.1:{port}", f"{ME}@{bastion.host}")


class Microsocks(Proxy):
    def __init__(self, login=False):
        super().__init__(login)
        self.start("microsocks", "-i", "127.0.0.1", "-p", "{port}",
                   *(("-u", USER, "-P", PASSWORD) if login else ()))


class Tinyproxy(Proxy):
    scheme = "http"

    def __init__(self, login=False):
        super().__init__(login)
        self.start("tinyproxy", "-d", "-c", self.dir / "conf")

    def prepare(self):
        login = f'BasicAuth {USER} {PASSWORD}\n' if self.login else ""
        (self.dir / "conf").write_text(f"Port {self.port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\n"
                                       f"MaxClients 20\nLogLevel Info\n{login}")


def add_password(gateway, name, password):
    p = gateway.sallyport("key", "add", name, "--password", "-c", gateway.conf, stdin=password.encode() + b"\n")
    assert p.returncode == 0, p


def way_by(url, gateway, upstream, ring, directory, password=None, **route):
    """alice's way to the upstream by the proxy of this URL, which is told this password."""
    if password is not None:
        add_password(gateway, "proxy-password", password)
        route["ConnectViaPassword"] = "proxy-password"
    gateway.route("alice", upstream, [ring.get("client")], ConnectVia=url, **route)
    gateway.start()
    return Way("gateway", directory, ring, upstream, gateway)


def dial(way):
    """The exit status and the text of `sallyport route alice --dial`."""
    p = way.gateway.sallyport("route", "alice", "--dial", "-c", way.gateway.conf)
    return p.returncode, p.stdout.decode()
