"""A real sshd on loopback, which runs as the user of the tests and logs that user in."""

import functools
import os
import pwd
import re
import subprocess
import uuid

from . import net, procs
from .wait import PATIENCE, Log, wait_for

SSHD = "/usr/sbin/sshd"
ME = pwd.getpwuid(os.getuid()).pw_name
HOST_KEYS = ("ed25519", "ecdsa256", "rsa3072")

# Algorithms that an old sshd may have alone, and the words of a route that allow them.
OLD_ALGORITHMS = [
    ({"KexAlgorithms": "diffie-hellman-group1-sha1"}, "+diffie-hellman-group1-sha1"),
    ({"KexAlgorithms": "diffie-hellman-group14-sha1"}, "diffie-hellman-group14-sha1"),
    ({"HostKeyAlgorithms": "ssh-rsa"}, "+ssh-rsa"),
    ({"Ciphers": "3des-cbc"}, "+3des-cbc"),
    ({"Ciphers": "aes128-cbc"}, "^aes128-cbc"),
    ({"Ciphers": "aes256-cbc", "MACs": "hmac-sha1"}, "+aes256-cbc"),
    ({"Ciphers": "aes128-ctr", "MACs": "hmac-sha1-etm@openssh.com"}, "aes128-ctr"),
]


@functools.cache
def version():
    text = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    return tuple(int(n) for n in re.search(r"OpenSSH_(\d+)\.(\d+)", text).groups())


@functools.cache
def penalising():
    """The path of an sshd with PerSourcePenalties, 9.8 or later: that of this host, or $LAB_NEW_SSHD; or
    None.
    """
    for program in (os.environ.get("LAB_NEW_SSHD"), SSHD):
        if program:
            p = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
            found = re.search(r"OpenSSH_(\d+)\.(\d+)", p.stderr)
            if found and tuple(int(n) for n in found.groups()) >= (9, 8):
                return program
    return None


def _locked():
    """Without PAM sshd refuses an account whose password field starts with '!'."""
    try:
        with open("/etc/shadow", encoding="ascii", errors="replace") as f:
            return any(line.startswith(f"{ME}:!") for line in f)
    except PermissionError:
        return False


class Sshd:
    """options: words of sshd_config; a list gives a word several times.  env: variables of each session."""

    def __init__(self, directory, ring, host_keys=HOST_KEYS, env=None, listen="127.0.0.1", program=SSHD,
                 **options):
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        self.host = listen
        self.port = None
        self.host_keys = [ring.get("upstream_host", kind) for kind in host_keys]
        self.options = options
        self.program = program
        self.env = env or {}
        self.mark = f"LAB_SSHD={uuid.uuid4().hex}"
        self.authorized_keys = self.dir / "authorized_keys"
        self.authorized_keys.write_text("")
        self.log = Log(self.dir / "sshd.log", "\r\n")
        self.process = None
        self.seen = set()

    def authorize(self, *publics):
        with open(self.authorized_keys, "a", encoding="ascii") as f:
            for public in publics:
                f.write(public + "\n")

    def known_hosts(self, kinds=None):
        """Lines for a known_hosts file: one per host key."""
        return "".join(
            f"[{self.host}]:{self.port} {key.public}\n"
            for key in self.host_keys
            if kinds is None or key.type in kinds
        )

    def config(self):
        # SHLVL keeps bash from reading the ~/.bashrc of the user who runs the tests.
        env = [self.mark, "SHLVL=2", "HGRCPATH=/dev/null", "GIT_CONFIG_GLOBAL=/dev/null"]
        env += [f"{name}={value}" for name, value in self.env.items()]
        words = {k.lower(): v for k, v in self.options.items()}
        defaults = {
            "ListenAddress": net.at(self.host, self.port),
            "HostKey": [k.path for k in self.host_keys],
            "AuthorizedKeysFile": self.authorized_keys,
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "yes" if os.getuid() == 0 and _locked() else "no",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PrintMotd": "no",
            "PrintLastLog": "no",
            "LogLevel": "VERBOSE",
            "MaxStartups": "200",
            "AcceptEnv": "LANG LC_*",
            "SetEnv": " ".join(env),
            "Subsystem": "sftp internal-sftp",
        }
        if version() >= (9, 8):
            defaults["PerSourcePenalties"] = "no"
        lines = []
        for word, value in self.options.items():
            lines += [f"{word} {v}" for v in (value if isinstance(value, list) else [value])]
        for word, value in defaults.items():
            if word.lower() not in words:
                lines += [f"{word} {v}" for v in (value if isinstance(value, list) else [value])]
        return "\n".join(lines) + "\n"

    def start(self):
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        keep = self.port is not None
        for _ in range(5):
            if not keep:
                self.port = net.free_port()
            if self._start():
                return self
        raise AssertionError(f"sshd does not start: {self.log.text()}")

    def _start(self):
        path = self.dir / "sshd_config"
        path.write_text(self.config())
        mark = self.log.mark()
        with open(self.log.path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "-D", "-e", "-f", str(path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd="/", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, start_new_session=True,
                preexec_fn=procs.end_with_us,
            )
        listening = rf"Server listening on {re.escape(self.host)} port {self.port}\."
        wait_for(
            "sshd to listen or to end",
            lambda: self.log.find(listening, mark) or self.process.poll() is not None,
        )
        if self.process.poll() is None:
            return True
        if self.log.find("Address already in use", mark):
            return False
        raise AssertionError(f"sshd ended:\n{self.log.text(mark)}\n{path.read_text()}")

    def processes(self):
        """sshd's processes and the commands of its sessions, also those whose parent has ended."""
        everyone = procs.everyone()
        found = set(procs.descendants(self.process.pid, everyone))
        found |= {p for p in everyone if p in self.seen}
        mark = self.mark.encode()
        found |= {p for p in everyone if p.state != "Z" and mark in p.environment().split(b"\0")}
        self.seen |= found
        return sorted((p for p in found if p.alive()), key=lambda p: p.start)

    def sessions(self):
        """The processes that serve connections."""
        return [p for p in self.processes() if p.title().startswith(("sshd: ", "sshd-session: "))]

    def commands(self, word):
        """Commands of sessions with this word in their command line."""
        return [
            p for p in self.processes() if word in p.title().split() and not p.title().startswith("sshd")
        ]

    def quiet(self, timeout=PATIENCE):
        """Wait until no connection is served and no command of one runs."""
        try:
            wait_for("no session in sshd", lambda: not self.processes(), timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.processes()}") from None

    def stop(self):
        if self.process is None:
            return
        left = self.processes()
        procs.end(self.process)
        for p in left + self.processes():
            p.kill()
        for p in self.seen:
            procs.reap(p)
