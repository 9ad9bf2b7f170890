"""Sockets: free ports, small servers, and data exchanged through forwards."""

import contextlib
import hashlib
import os
import random
import resource
import socket
import threading

import pytest

from .wait import PATIENCE, wait_for

# Below the range of ephemeral ports, so that no outgoing connection uses one.
_ports = random.Random(os.getpid() ^ int.from_bytes(os.urandom(4), "big"))


def free_port():
    for _ in range(200):
        port = _ports.randrange(12000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def has_ipv6():
    """Whether a socket can be bound to ::1."""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def at(host, port):
    """ADDRESS:PORT in the form of sshd_config."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connect(address, timeout=PATIENCE, source=None):
    """A connection to (host, port), from this source address, or to a Unix socket by its path."""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    s = socket.socket(family)
    s.settimeout(timeout)
    try:
        if source is not None:
            s.bind((source, 0))
        s.connect(address)
    except BaseException:
        s.close()
        raise
    return s


def accepts(address):
    try:
        connect(address, 2).close()
        return True
    except OSError:
        return False


def wait_accepts(address, timeout=PATIENCE):
    wait_for(f"an answer at {address}", lambda: accepts(address), timeout)


def connect_when_ready(address, timeout=PATIENCE):
    """connect(), as soon as somebody listens: a Unix socket has a path before it does."""
    def connected():
        try:
            return connect(address, timeout)
        except (ConnectionRefusedError, FileNotFoundError):
            return None

    return wait_for(f"a connection to {address}", connected)


@contextlib.contextmanager
def descriptors(n):
    """This process may open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        pytest.skip(f"takes {n} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def read_all(sock):
    """All bytes until the peer closes its end."""
    parts = []
    while True:
        data = sock.recv(65536)
        if not data:
            return b"".join(parts)
        parts.append(data)


def exchange(address, data, timeout=PATIENCE):
    """Send data, half-close, and return all that comes back."""
    with connect(address, timeout) as s:
        return exchange_on(s, data)


def exchange_on(sock, data):
    def send():
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    answer = read_all(sock)
    sender.join(PATIENCE)
    return answer


def exchange_many(address, count, data):
    """exchange() on several connections at once, each with its own data; the answers."""
    answers = [None] * count

    def one(i):
        try:
            answers[i] = exchange(address, data + b"%d" % i)
        except OSError as e:
            answers[i] = e

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(2 * PATIENCE)
    return answers


class Server:
    """Accepts on a port, or on a Unix socket if path is given, and calls handle(sock) for each connection."""

    def __init__(self, handle, path=None, port=0):
        self.handle = handle
        self.accepted = 0
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(str(path))
            self.address = str(path)
        else:
            self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind(("127.0.0.1", port))
            self.address = self.sock.getsockname()
        self.sock.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self):
        return self.address[1]

    def _accept(self):
        while True:
            try:
                s, _ = self.sock.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        with s:
            s.settimeout(120)
            try:
                self.handle(s)
            except OSError:
                pass

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class BlackHole:
    """An address that never answers a connection: its accept queue is full and is never emptied."""

    def __init__(self, host, port):
        self.port = port
        self.sockets = [socket.socket()]
        self.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sockets[0].bind((host, port))
        self.sockets[0].listen(0)
        for _ in range(8):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((host, port))
            self.sockets.append(s)
        with socket.socket() as s:
            s.settimeout(0.3)
            try:
                s.connect((host, port))
            except TimeoutError:
                return
        raise AssertionError(f"{host} port {port} takes connections")

    def close(self):
        for s in self.sockets:
            s.close()


def echo(sock):
    """Send back what comes; close when the peer has closed."""
    while True:
        data = sock.recv(65536)
        if not data:
            sock.shutdown(socket.SHUT_WR)
            return
        sock.sendall(data)


def relay(a, b):
    """Pass on what comes from either side until both have closed."""
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    back = threading.Thread(target=copy, args=(b, a), daemon=True)
    back.start()
    copy(a, b)
    back.join()


def digest(sock):
    """Read to the end, then answer with the SHA-256: works only if half-close is relayed."""
    h = hashlib.sha256()
    while True:
        data = sock.recv(262144)
        if not data:
            break
        h.update(data)
    sock.sendall(h.hexdigest().encode())
    sock.shutdown(socket.SHUT_WR)


def sha256(data):
    """What digest() answers to this data."""
    return hashlib.sha256(data).hexdigest().encode()


def socks5(proxy, host, port):
    """A connection to a host name by SOCKS 5."""
    s = connect(proxy)
    try:
        s.sendall(b"\5\1\0")
        assert s.recv(2) == b"\5\0"
        name = host.encode()
        s.sendall(b"\5\1\0\3" + bytes([len(name)]) + name + port.to_bytes(2, "big"))
        answer = s.recv(10)
        if answer[1] != 0:
            raise ConnectionError(f"SOCKS answer {answer[1]}")
        return s
    except BaseException:
        s.close()
        raise
