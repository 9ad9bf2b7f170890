"""A forwarder whose master is the test, on the real socket: `sallyport role-forward`."""

import itertools
import json
import os
import select
import signal
import socket
import struct

from . import net
from .gateway import REPORTS, SALLYPORT
from .procs import Proc
from .taken_over import Reader, body, types
from .wait import PATIENCE, Log, wait_for

LOG_DEBUG, FORMAT_SSHD, FORMAT_JSON = 3, 0, 1


class Forwarder:
    """with Forwarder(directory) as f: f.forward(target) gives the client's end of a new connection."""

    def __init__(self, directory, target=None, log_format=FORMAT_SSHD, nofile=None, program=SALLYPORT, environ=()):
        """target: the address to which forward() connects; nofile: its limit of descriptors; environ: more
        variables.
        """
        self.target = target
        self.log = Log(directory / "forwarder.log")
        self.numbers = itertools.count(1)
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self.sock = ours
        out = os.open(self.log.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        command = [program, "role-forward"]
        if nofile:
            command = ["prlimit", f"--nofile={nofile}", *command]
        self.pid = os.posix_spawnp(command[0], command, {**os.environ, **dict(environ)}, file_actions=[
            (os.POSIX_SPAWN_DUP2, its.fileno(), 3), (os.POSIX_SPAWN_DUP2, out, 2)])
        os.close(out)
        its.close()
        self.status = None
        self.send("FORWARD_LOG", bytearray([LOG_DEBUG, log_format]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        assert not self.log.find(REPORTS), self.log.text()

    @property
    def process(self):
        return Proc(self.pid)

    # The master's side.

    def send(self, name, *parts, fd=None):
        select.select([], [self.sock], [], PATIENCE)
        message = bytes([types()[name]]) + body(*parts)
        socket.send_fds(self.sock, [message], [] if fd is None else [fd])

    def announce(self, sock, name="web", host="", idle_ms=0):
        """FORWARD, with the socket of a client; its number."""
        number = next(self.numbers)
        self.send("FORWARD", bytearray(struct.pack(">Q", number)), name, "192.0.2.7", 50000, host, idle_ms,
                  fd=sock.fileno())
        sock.close()
        return number

    def dial(self, number):
        """FORWARD_DIAL: the errand's end of its socket."""
        errand, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.send("FORWARD_DIAL", bytearray(struct.pack(">Q", number)), fd=its.fileno())
        its.close()
        return errand

    def ended(self, timeout=PATIENCE):
        """The next number that FORWARD_ENDED says."""
        assert select.select([self.sock], [], [], timeout)[0], f"no connection ended:\n{self.log.text()}"
        answer = Reader(self.sock.recv(65536))
        assert answer.u8() == types()["FORWARD_ENDED"]
        number = struct.unpack(">Q", answer.take(8))[0]
        assert not answer.data
        return number

    def leave(self):
        """The master ends."""
        self.sock.close()

    def wait(self):
        """How the process has ended, as os.wait() says it."""
        if self.status is None:
            wait_for("end of the forwarder", self._reap)
        return self.status

    def _reap(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid != 0:
            self.status = status
        return pid != 0

    # Connections.

    def client(self, **words):
        """The client's end of a new connection, and the number of the other one."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = net.connect(listening.getsockname())
            sock, _ = listening.accept()
        return client, self.announce(sock, **words)

    def forward(self, target=None, **words):
        """A new connection to the target: the client's end.  An errand, which is the test, has dialled."""
        client, number = self.client(**words)
        with self.dial(number) as errand:
            answer_dialled(errand, net.connect(target or self.target))
        return client

    def events(self):
        return [json.loads(line) for line in self.log.lines()]


def answer_dialled(errand, sock, why=""):
    """DIALLED, with the socket of the target."""
    with sock:
        socket.send_fds(errand, [bytes([types()["DIALLED"]]) + body("target", why, 0)], [sock.fileno()])


def answer_failed(errand, why):
    errand.send(bytes([types()["DIAL_FAILED"]]) + body(why, 0))
