"""Somebody who runs a gateway: a shell in its directory, in which the commands of doc/recipes.md work."""

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from . import net, procs
from .gateway import SALLYPORT
from .wait import Log, wait_for


class Operator:
    def __init__(self, gateway, client, directory):
        """client: whose ssh the commands use.  `sallyport` finds the configuration by itself, as in
        /etc/sallyport.
        """
        self.gateway = gateway
        self.client = client
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.command("sallyport", f'exec {shlex.quote(SALLYPORT)} "$@" -c {shlex.quote(str(gateway.conf))}')
        self.command("ssh", f'exec /usr/bin/ssh -F {shlex.quote(str(client.config))} "$@"')

    def command(self, name, script):
        """A command of this name, in front of any other."""
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def env(self):
        return {**self.client.env, "PATH": f"{self.bin}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}

    def run(self, script, cwd=None):
        """The standard output of a script that must succeed, each command of it."""
        p = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=cwd or self.gateway.dir, env=self.env(),
                           capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
        assert p.returncode == 0, f"{script}: exit {p.returncode}\n{p.stdout}{p.stderr}"
        return p.stdout

    def append(self, name, text):
        """Add lines to a file in conf.d."""
        with open(self.gateway.conf / name, "a", encoding="utf-8") as f:
            f.write(text)

    def reload(self):
        p = self.gateway.reload()
        assert p.returncode == 0, p.stderr.decode()


class HAProxy:
    """haproxy with this configuration, which must make it listen at the address."""

    def __init__(self, config, address):
        program = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not program:
            pytest.skip("haproxy is not installed")
        self.dir = Path(tempfile.mkdtemp(prefix="sp.", dir="/tmp"))
        (self.dir / "haproxy.cfg").write_text(config)
        self.log = Log(self.dir / "log")
        with open(self.log.path, "wb") as log:
            self.process = subprocess.Popen(
                [program, "-db", "-f", str(self.dir / "haproxy.cfg")], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd="/", preexec_fn=procs.end_with_us,
            )
        wait_for("haproxy to listen or to end",
                 lambda: net.accepts(address) or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.text()

    def stop(self):
        procs.end(self.process)
        shutil.rmtree(self.dir)
