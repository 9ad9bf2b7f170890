"""A client that reads no answers: they stay in the gateway, or in the buffers of the socket."""

import contextlib
import socket
import threading

from . import net
from .attack import CHANNEL_OPEN, Attacker
from .wait import PATIENCE

# What a session without AllowTcpForwarding refuses.
REFUSED = [CHANNEL_OPEN, "direct-tcpip", 7, 1 << 20, 32768, "127.0.0.1", 1, "127.0.0.1", 1]


class PausableSocket:
    """A socket whose reader can be stopped."""

    def __init__(self, sock):
        self.inner = sock
        self.readable = threading.Event()
        self.readable.set()
        self.reading = threading.Lock()

    def recv(self, size):
        while True:
            self.readable.wait()
            with self.reading:
                if self.readable.is_set():
                    return self.inner.recv(size)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class StalledClient(Attacker):
    """A client that can stop reading, and goes on sending."""

    def stop_reading(self):
        if self.sock.readable.is_set():
            self.sock.readable.clear()
            with self.sock.reading:
                pass  # a read that had begun has ended

    def flood(self, *parts):
        """Stop reading, and send this message again and again, in a thread, as long as it is taken."""
        self.stop_reading()

        def run():
            with contextlib.suppress(Exception):  # the connection has ended
                while not self.sock.readable.is_set():
                    self.send(*parts)

        threading.Thread(target=run, daemon=True).start()


@contextlib.contextmanager
def stalled_clients(monkeypatch):
    """A function that makes one for a port, with a small receive buffer."""

    def connect(address, timeout=PATIENCE, source=None):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.settimeout(timeout)
        if source:
            s.bind((source, 0))
        s.connect(address)
        return PausableSocket(s)

    monkeypatch.setattr(net, "connect", connect)
    made = []

    def make(port):
        made.append(StalledClient(port))
        return made[-1]

    yield make
    for a in made:
        a.sock.readable.set()
        a.close()
