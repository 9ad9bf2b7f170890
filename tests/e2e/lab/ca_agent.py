"""ssh-agents that hold the key of a CA, for Key = ca-agent:, and agents that do not do what they should."""

import contextlib
import os
import pwd
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from . import net, procs
from .keys import Key
from .wait import wait_for

# The user that the gateway's errands have when root starts it, and so the agent: OpenSSH's serves its own user.
USER = "nobody" if os.getuid() == 0 else None
RUN = {"RunNetworkAs": USER} if USER else {}

SIGN_REQUEST, SIGN_RESPONSE, FAILURE = 13, 14, 5


def reachable(directory, user=USER):
    """A directory for the socket of an agent with that user."""
    directory.chmod(0o755)
    own = directory / "agent"
    own.mkdir()
    if user:
        shutil.chown(own, user)
    return own


def as_user(user):
    """Arguments of subprocess for a daemon of the test's with this user, or None for ours."""
    became = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    return {"stdin": subprocess.DEVNULL, "cwd": "/", **became}


class CaAgent:
    """An ssh-agent with its own user, in a directory made by reachable()."""

    def __init__(self, directory, *flags, user=USER, **env):
        self.path = directory / "socket"
        self.env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SSH_AUTH_SOCK": str(self.path), **env}
        self.process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", self.path, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=self.env, preexec_fn=procs.end_with_us, start_new_session=True, **as_user(user))
        wait_for("the agent", lambda: net.accepts(str(self.path)))

    def ssh_add(self, *args, **env):
        return subprocess.run(["ssh-add", *map(str, args)], env={**self.env, **env}, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=120, check=False)

    def add(self, key, *flags):
        p = self.ssh_add("-q", *flags, key.path)
        assert p.returncode == 0, p

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=60)


class Token:
    """A token of SoftHSM2 with keys that do not leave it, of the agent's user."""

    PIN = "314159"

    def __init__(self, directory, user=USER):
        self.user = user
        modules = [Path(p) for p in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
                                     "/usr/lib64/pkcs11/libsofthsm2.so") if Path(p).exists()]
        if not modules or not shutil.which("softhsm2-util") or not shutil.which("pkcs11-tool"):
            pytest.skip("takes softhsm2 and opensc")
        self.module = modules[0]
        self.env = {"SOFTHSM2_CONF": str(directory / "softhsm2.conf")}
        tokens = directory / "tokens"
        tokens.mkdir()
        (directory / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
        if user:
            shutil.chown(tokens, user)
        self.run("softhsm2-util", "--init-token", "--free", "--label", "ca", "--pin", self.PIN, "--so-pin", self.PIN)

    def run(self, *argv):
        return subprocess.run([str(a) for a in argv], env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **self.env},
                              check=True, capture_output=True, text=True, timeout=120, **as_user(self.user)).stdout

    def generate(self, kind, path):
        """A key with its public half in path.pub."""
        self.run("pkcs11-tool", "--module", self.module, "--login", "--pin", self.PIN, "--token-label", "ca",
                 "--keypairgen", "--key-type", kind, "--id", "01", "--label", "ca")
        path.with_suffix(".pub").write_text(self.run("ssh-keygen", "-D", self.module))
        return Key(path)


def string(b):
    return struct.pack(">I", len(b)) + b


class FalseAgent:
    """Answers each request with answer(request), which gives bytes without their length, or None: the connection
    is closed; or HANGS.
    """

    HANGS = object()

    def __init__(self, directory, answer):
        self.path = directory / "false"
        self.answer = answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.path.chmod(0o777)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(s,), daemon=True).start()

    def _talk(self, s):
        with s, s.makefile("rb") as f:
            while True:
                head = f.read(4)
                if len(head) < 4:
                    return
                request = f.read(struct.unpack(">I", head)[0])
                reply = self.answer(request)
                if reply is self.HANGS:
                    f.read(1)  # until the errand gives up
                    return
                if reply is None:
                    return
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    s.sendall(string(reply))

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # which ends accept()
        self.listener.close()


def sign_response(signature):
    return bytes([SIGN_RESPONSE]) + string(signature)


def asked_to_sign(request):
    """The data of a request for a signature, or None."""
    if request[0] != SIGN_REQUEST:
        return None
    n = struct.unpack(">I", request[1:5])[0]
    rest = request[5 + n:]
    return rest[4:4 + struct.unpack(">I", rest[:4])[0]]
