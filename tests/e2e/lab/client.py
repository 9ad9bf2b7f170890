"""The OpenSSH clients and programs that use them, with a home directory of their own."""

import dataclasses
import random
import shlex
import subprocess
import threading

from . import net, procs
from .tty import Terminal, needs_terminals
from .wait import PATIENCE


@dataclasses.dataclass
class Result:
    code: int
    out: bytes
    err: str

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def outcome(self):
        """What a script sees of a command."""
        return (self.code, self.out, self.err)


class Client:
    """The computer of a user: an ssh_config file, a known_hosts file and a key."""

    def __init__(self, directory, port, user, key=None, known_hosts="", **options):
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        self.home = self.dir / "home"
        self.home.mkdir(exist_ok=True)
        self.port = port
        self.user = user
        self.key = key
        self.known_hosts = self.dir / "known_hosts"
        self.known_hosts.write_text(known_hosts)
        self.config = self.dir / "ssh_config"
        self.started = []
        self.env = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "USER": "tester",
            "LOGNAME": "tester",
            "TERM": "xterm",
            "HGRCPATH": "/dev/null",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_SSH_COMMAND": f"ssh -F {shlex.quote(str(self.config))}",
        }
        self.standing = options
        self.write_config()

    def write_config(self, **options):
        """options: words of ssh_config, in place of the defaults."""
        words = dict(
            HostName="127.0.0.1",
            Port=self.port,
            User=f'"{self.user}"',
            IdentityFile=self.key.path if self.key else "none",
            IdentitiesOnly="yes",
            UserKnownHostsFile=self.known_hosts,
            GlobalKnownHostsFile="/dev/null",
            StrictHostKeyChecking="yes",
            UpdateHostKeys="no",
            BatchMode="yes",
            ConnectTimeout="60",
            ControlPath="none",
            PreferredAuthentications="publickey",
        )
        words.update(self.standing)
        words.update(options)
        lines = [f"    {name} {value}\n" for name, value in words.items()]
        self.config.write_text("Host *\n" + "".join(lines))

    def argv(self, program, *args, **options):
        argv = [program, "-F", str(self.config)]
        for name, value in options.items():
            argv += ["-o", f"{name}={value}"]
        return argv + [str(a) for a in args]

    def run(self, argv, stdin=b"", timeout=120, cwd=None, env=None, check=False):
        """Run a command to its end.  stdin: bytes, or an open file."""
        given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        if stdin is None:
            given = {"stdin": subprocess.DEVNULL}
        p = self.popen(
            argv, cwd=cwd, env=env,
            stdin=subprocess.PIPE if "input" in given else given["stdin"],
        )
        try:
            out, err = p.communicate(given.get("input"), timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            raise AssertionError(
                f"{shlex.join(map(str, argv))}: no end within {timeout} s; "
                f"stdout {out[-500:]!r}, stderr {err.decode(errors='replace')[-2000:]}"
            ) from None
        finally:
            self.started.remove(p)
        result = Result(p.returncode, out, err.decode("utf-8", "replace"))
        if check:
            assert result.code == 0, f"{shlex.join(map(str, argv))}: {result}"
        return result

    def popen(self, argv, env=None, cwd=None, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
              stderr=subprocess.PIPE):
        """Start a command, which ends with the test at the latest."""
        p = subprocess.Popen(
            [str(a) for a in argv], stdin=stdin, stdout=stdout, stderr=stderr,
            cwd=cwd or self.dir, env={**self.env, **(env or {})}, preexec_fn=procs.end_with_us,
        )
        self.started.append(p)
        return p

    # Every program names the server "upstream"; the config file says where that is.

    def ssh(self, *args, stdin=b"", timeout=120, check=False, env=None, **options):
        """ssh [args] upstream command: the last argument is the command; those before it are options."""
        *flags, command = args
        argv = self.argv("ssh", *flags, "upstream", command, **options)
        return self.run(argv, stdin, timeout, env=env, check=check)

    def spawn(self, *args, env=None, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
              stderr=subprocess.PIPE, **options):
        """Like ssh(), in the background."""
        *flags, command = args
        return self.popen(
            self.argv("ssh", *flags, "upstream", command, **options),
            env=env, stdin=stdin, stdout=stdout, stderr=stderr,
        )

    def terminal(self, *args, rows=24, columns=80, env=None, **options):
        """ssh() on a terminal of its own.  With None as the command, a shell."""
        needs_terminals()
        *flags, command = args
        argv = self.argv("ssh", *flags, "upstream", *([command] if command else []), **options)
        t = Terminal(argv, {**self.env, **(env or {})}, self.dir, rows, columns)
        self.started.append(t.process)
        return t

    def prompting(self, *args, PreferredAuthentications="password", **options):
        """terminal(), where ssh may ask for passwords."""
        return self.terminal(*args, BatchMode="no", PreferredAuthentications=PreferredAuthentications, **options)

    def sftp(self, batch, *args, timeout=120, check=True, **options):
        argv = self.argv("sftp", "-b", "-", *args, **options) + ["upstream"]
        return self.run(argv, batch.encode(), timeout, check=check)

    def scp(self, *args, timeout=120, check=True, **options):
        return self.run(self.argv("scp", "-q", *args, **options), None, timeout, check=check)

    def git(self, *args, cwd=None, timeout=120, check=True):
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        return self.run(["git", *identity, *args], None, timeout, cwd=cwd, check=check)

    def hg(self, *args, cwd=None, timeout=120, check=True):
        ssh = ["--config", f"ui.ssh={self.env['GIT_SSH_COMMAND']}"]
        return self.run(["hg", "-y", *ssh, *args], None, timeout, cwd=cwd, check=check)

    def forward(self, *flags, ready=None, **options):
        """ssh -N with forwards; returns when each address in ready accepts connections."""
        argv = self.argv("ssh", "-N", *flags, "upstream", ExitOnForwardFailure="yes", **options)
        p = self.popen(argv, stdin=subprocess.DEVNULL)
        for address in ready or ():
            try:
                net.wait_accepts(address)
            except AssertionError as e:
                procs.end(p)
                raise AssertionError(f"{e}: ssh ended with {p.returncode}") from None
        return p

    def close(self):
        for p in self.started:
            procs.end(p)
        self.started.clear()


def echoes(p, text=b"still here\n"):
    """A running session, such as open_session() starts, sends this text back, however long it is."""
    writer = threading.Thread(target=lambda: (p.stdin.write(text), p.stdin.flush()))
    writer.start()
    got = p.stdout.read(len(text))
    writer.join(PATIENCE)
    assert got == text


def rekeys(p):
    """A running session with RekeyLimit=1M sends 3 MiB back, and exchanges keys meanwhile."""
    echoes(p, random.Random(1).randbytes(3 << 20))


def open_session(client, command="echo up; cat", **options):
    """Start a session that sends back what is written to it."""
    p = client.spawn(command, **options)
    assert p.stdout.readline() == b"up\n"
    return p
