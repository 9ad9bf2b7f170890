"""The gateway under test: its directory, its configuration, its processes."""

import functools
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from . import net, procs
from .keys import Key
from .sshd import ME
from .wait import PATIENCE, Log, wait_for

TREE = Path(__file__).resolve().parents[3]
SALLYPORT = os.path.abspath(os.environ.get("SALLYPORT") or TREE / "build" / "sallyport")
REPORTS = r"AddressSanitizer|LeakSanitizer|UndefinedBehavior|runtime error:|stack smashing"

# What the master logs after SIGHUP.
RELOADED = r"reload: the new configuration is in force"
NOT_RELOADED = r"reload: \d+ errors?; the configuration stays as it was"

# The line that a session logs when it ends.
END_LINE = r"^sallyport\[\d+\]: .*\bbytes\b.*$"


@functools.cache
def can_serve():
    """Whether sallyport has the command that all tests need."""
    try:
        p = subprocess.run(
            [SALLYPORT, "serve", "--help"], capture_output=True, timeout=PATIENCE, check=False
        )
    except (FileNotFoundError, PermissionError):
        return False
    return p.returncode == 0


@functools.cache
def libssh():
    """The version of libssh in it, (0, 12, 2)."""
    text = subprocess.run([SALLYPORT, "version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.search(r"^libssh (\d+)\.(\d+)\.(\d+)", text, re.M).groups()))


@functools.cache
def sanitized():
    """Built with the address sanitizer, which makes memory figures meaningless."""
    with open(SALLYPORT, "rb") as f:
        return b"__asan_init" in f.read()


class Gateway:
    """DIR/conf.d and DIR/keys, and a running `sallyport serve`."""

    def __init__(self, directory, ring, host_keys=("ed25519", "rsa3072"), port=None, host="127.0.0.1",
                 within=(), program=None, **options):
        """within: the beginning of a command that runs the rest of it, for example in a namespace. / program:
        another build of sallyport.
        """
        self.dir = directory
        self.conf = directory / "conf.d"
        self.conf.mkdir(parents=True)
        self.ring = ring
        self.host = host
        self.within = within
        self.program = program or SALLYPORT
        self.port = port
        self.options = options
        self.keys = {}
        self.log = Log(directory / "gateway.log")
        self.process = None
        self.group = set()  # the process sessions that our masters lead
        self.seen = set()
        self.host_keys = []
        self.host_key_names = [f"host_{kind}" for kind in host_keys]
        self.write_gateway()
        for kind in host_keys:
            self.host_keys.append(self.add_key(f"host_{kind}", ring.get("gateway_host", kind)))

    # Configuration.

    def write_gateway(self):
        words = {
            "ListenAddress": net.at(self.host, self.port or net.free_port()),
            "HostKey": " ".join(self.host_key_names),
            # Thousands of failing logins come from 127.0.0.1; tests of these limits set them.
            "PerSourcePenalties": "no",
            "PerSourceMaxStartups": "none",
        }
        if os.getuid() == 0:
            words["RunAs"] = "root"
        words.update(self.options)
        self.write("00-gateway.ini", "gateway", words, "[keystore]\nPath = keys\n")

    def write(self, name, section, words, more=""):
        lines = [f"{k} = {v}\n" for k, v in words.items() if v is not None]
        (self.conf / name).write_text(f"[{section}]\n" + "".join(lines) + more)

    def known_hosts(self):
        return "".join(f"[{self.host}]:{self.port} {key.public}\n" for key in self.host_keys)

    def sallyport(self, *args, stdin=b"", timeout=120):
        return subprocess.run(
            [SALLYPORT, *map(str, args)], input=stdin, capture_output=True, timeout=timeout, check=False
        )

    def command(self, *args):
        """A subcommand that must succeed; its standard output."""
        p = self.sallyport(*args, "-c", self.conf)
        assert p.returncode == 0, f"sallyport {args}: exit {p.returncode}, {p.stderr.decode()}"
        return p.stdout.decode()

    def check(self):
        """`sallyport check`: its exit status and what it wrote to standard error."""
        p = self.sallyport("check", "-c", self.conf)
        assert b"PRIVATE KEY" not in p.stderr + p.stdout
        return p.returncode, p.stderr.decode()

    def notes(self):
        """What `check` notes on a configuration without errors, without the word; with --strict it fails."""
        status, text = self.check()
        lines = text.splitlines(keepends=True)
        assert status == 0 and all(line.startswith("note: ") for line in lines), (status, text)
        assert self.sallyport("check", "--strict", "-c", self.conf).returncode == (1 if lines else 0)
        return "".join(line.removeprefix("note: ") for line in lines)

    def reload(self):
        """`sallyport reload`: the completed process."""
        return self.sallyport("reload", "-c", self.conf)

    def hangup(self, pattern=RELOADED):
        """Send SIGHUP to the master and wait for this log line; what it has logged since."""
        mark = self.log.mark()
        self.process.send_signal(signal.SIGHUP)
        self.log.wait(pattern, mark)
        return self.log.text(mark)

    def set_unlock(self, spec):
        """Unlock = spec, at the end of the [keystore] section."""
        file = self.conf / "00-gateway.ini"
        text = re.sub(r"(\nUnlock = .*)?$", f"\nUnlock = {spec}", file.read_text().rstrip("\n"))
        file.write_text(text + "\n")

    def add_key(self, name, key):
        self.command("key", "add", name, key.path)
        self.keys[name] = key.public
        return Key(key.path)

    def generate_key(self, name, *options):
        """Generate a key in the store; its public line."""
        line = self.command("key", "generate", name, *options).strip()
        self.keys[name] = line
        return line

    def route(self, login, sshd, client_keys=(), known_hosts=None, key=None, **words):
        """Add [route login] to this sshd.  A word set to None is left out."""
        file = re.sub(r"[^A-Za-z0-9]", "_", login)
        (self.conf / f"{file}.pub").write_text("".join(k.public + "\n" for k in client_keys))
        (self.conf / f"{file}.known_hosts").write_text(
            sshd.known_hosts() if known_hosts is None else known_hosts
        )
        if key is None:
            key = login
        if key not in self.keys and key != "agent":
            sshd.authorize(self.generate_key(key))
        route = {
            "HostName": sshd.host,
            "Port": sshd.port,
            "User": ME,
            "AuthorizedKeysFile": f"conf.d/{file}.pub",
            "Key": key,
            "UserKnownHostsFile": f"conf.d/{file}.known_hosts",
        }
        route.update(words)
        self.write(f"10-{file}.ini", f"route {login}", route)

    def known_hosts_of(self, login):
        return self.conf / f"{login}.known_hosts"

    # Processes.

    def start(self):
        keep = self.port is not None
        for _ in range(5):
            if not keep:
                self.port = net.free_port()
                self.write_gateway()
            if self._start():
                return self
        raise AssertionError(f"the gateway does not start: {self.log.text()}")

    def spawn(self):
        """Start the process without waiting; the mark where its log begins."""
        mark = self.log.mark()
        with open(self.log.path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.within, self.program, "serve", "-c", str(self.conf)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                preexec_fn=procs.end_with_us,
            )
        self.group.add(self.process.pid)
        return mark

    def _start(self):
        return self.listens(self.spawn())

    def listens(self, mark):
        """Wait until the gateway listens; False if its port is in use."""
        listening = rf"listening on {re.escape(self.host)} port {self.port}\b"
        wait_for(
            "the gateway to listen or to end",
            lambda: self.log.find(listening, mark) or self.process.poll() is not None,
        )
        if self.process.poll() is None:
            return True
        if self.log.find("Address already in use", mark):
            return False
        raise AssertionError(f"sallyport serve ended:\n{self.log.text(mark)}")

    def needs_landlock(self):
        """Skip the test where the keeper has no Landlock."""
        if self.log.find("Landlock is not available here"):
            pytest.skip("this kernel has no Landlock, or not for us")

    @property
    def master(self):
        return procs.Proc(self.process.pid)

    def processes(self):
        """All running processes that the masters of this directory have started."""
        everyone = procs.everyone()
        found = {p for p in everyone if p.session in self.group}
        for pid in self.group:
            found |= set(procs.descendants(pid, everyone))
        found |= {p for p in everyone if p in self.seen}
        self.seen |= found
        return sorted((p for p in found if p.alive()), key=lambda p: p.start)

    def zombies(self):
        """Dead children that the master has not collected."""
        return [p for p in procs.descendants(self.process.pid) if p.state == "Z"]

    def role(self, word):
        return [p for p in self.processes() if p.title().startswith(f"sallyport: {word}")]

    def keepers(self):
        return self.role("keeper")

    def sessions(self, login=""):
        return [p for p in self.role("session") if not login or login in p.title().split()]

    def quiet(self, timeout=PATIENCE):
        """Wait until no process of any session is left."""
        def left():
            return self.sessions() + self.role("hop") + self.role("errand") + self.zombies()

        try:
            wait_for("no session in the gateway", lambda: not left(), timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}: {left()}") from None

    def kill(self, sig=9):
        """Kill the master alone."""
        self.process.send_signal(sig)
        self.process.wait(PATIENCE)

    def stop(self):
        """End the gateway: no process may be left, and no sanitizer may have reported."""
        if self.process is None:
            return
        self.processes()
        procs.end(self.process, PATIENCE)
        try:
            wait_for("the end of every process of the gateway", lambda: not self.processes())
        finally:
            for p in self.processes():
                p.kill()
            for p in self.seen:
                if p.pid not in self.group:
                    procs.reap(p)
            self.process = None
        report = self.log.find(rf"^.*({REPORTS}).*$")
        assert not report, self.log.text()[report.start() :][:6000]
