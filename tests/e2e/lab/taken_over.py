"""A session or keeper that has been taken over: it sends the messages and makes the system calls that a test
wants.

The gateway is build/tests/sallyport-attack (tests/attack/attack.c): its sessions serve normal clients, and
obey a client that begins with a magic word.
"""

import errno
import functools
import os
import re
import socket
import struct

import pytest

from . import net
from .attack import USERAUTH_FAILURE, USERAUTH_REQUEST, USERAUTH_SUCCESS, Attacker, message, paramiko
from .gateway import SALLYPORT, TREE
from .wait import PATIENCE

PROGRAM = os.path.join(os.path.dirname(SALLYPORT), "tests", "sallyport-attack")
MAGIC = b"ATTACK!\n"
INFO, SEND, RECEIVE, CALL, SCRATCH_PUT, SCRATCH_GET, FILL, ALLOCATE, CRASH, CANARY = range(1, 11)


def program():
    """The path of the attack build; skips the test where it has not been built."""
    if not os.access(PROGRAM, os.X_OK):
        pytest.skip(f"{PROGRAM} is not there: make tests")
    return PROGRAM


@functools.cache
def types():
    """The number of each message type by its name, counted from 1 in the order of src/ipc/ipc.def."""
    names = re.findall(r"^IPC_MESSAGE\((\w+),", (TREE / "src/ipc/ipc.def").read_text(), re.M)
    return {name: number for number, name in enumerate(names, 1)}


def string(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(value)) + value


def body(*parts):
    """The body of a message, from parts like those of attack.message()."""
    out = b""
    for part in parts:
        if isinstance(part, bool):
            out += bytes([part])
        elif isinstance(part, int):
            out += struct.pack(">I", part)
        elif isinstance(part, bytearray):
            out += bytes(part)
        else:
            out += string(part)
    return out


class Reader:
    """Reads the body of a message from the keeper."""

    def __init__(self, data):
        self.data = data

    def take(self, n):
        assert len(self.data) >= n, "a message of the keeper is short"
        out, self.data = self.data[:n], self.data[n:]
        return out

    def u8(self):
        return self.take(1)[0]

    def bool(self):
        return self.u8() != 0

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def string(self):
        return self.take(self.u32())

    def strings(self):
        out = []
        while self.data:
            out.append(self.string())
        return out


class Gone(Exception):
    """The process has ended, or the keeper has closed the session's socket."""


class Obedient:
    """A process that follows commands on a socket."""

    def __init__(self, sock, timeout=2 * PATIENCE):
        self.sock = sock
        self.sock.settimeout(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def greet(self):
        info = Reader(self.ask(INFO))
        self.pid, self.client_fd, self.keeper_fd = info.u32(), info.u32(), info.u32()
        self.scratch = struct.unpack(">Q", info.data)[0]

    # Frames.

    def _read(self, n):
        data = b""
        while len(data) < n:
            try:
                got = self.sock.recv(n - len(data))
            except (ConnectionResetError, BrokenPipeError) as e:
                raise Gone from e
            if not got:
                raise Gone
            data += got
        return data

    def ask(self, op, payload=b""):
        try:
            self.sock.sendall(struct.pack(">IB", len(payload), op) + payload)
        except (ConnectionResetError, BrokenPipeError) as e:
            raise Gone from e
        return self._read(struct.unpack(">I", self._read(4))[0])

    # System calls.

    def call(self, number, *args):
        """The result of a system call by its number, or -errno; raises Gone if the process died."""
        args = [a & (2**64 - 1) for a in (*args, *[0] * (6 - len(args)))]
        return struct.unpack(">q", self.ask(CALL, struct.pack(">7Q", number, *args)))[0]

    def put(self, data):
        """Store bytes in the memory of the process; their address."""
        self.ask(SCRATCH_PUT, data)
        return self.scratch

    def get(self, n):
        return self.ask(SCRATCH_GET, struct.pack(">I", n))

    def allocate(self, n):
        """malloc(3) and write to this many bytes; how many it got."""
        return struct.unpack(">Q", self.ask(ALLOCATE, struct.pack(">Q", n)))[0]

    def fill(self, address, n):
        self.ask(FILL, struct.pack(">QQ", address, n))

    def crash(self):
        """Die of SIGILL."""
        with pytest.raises(Gone):
            self.ask(CRASH)

    def canary(self):
        return struct.unpack(">Q", self.ask(CANARY))[0]


class TakenOver(Obedient):
    """A connection to the gateway whose session obeys."""

    def __init__(self, port, host="127.0.0.1", timeout=2 * PATIENCE):
        super().__init__(net.connect((host, port)), timeout)
        self.sock.sendall(MAGIC)
        self.greet()

    # Messages to and from the keeper.

    def send(self, name, *parts):
        """Send a message to the keeper; raises Gone if the keeper has closed the socket."""
        result = struct.unpack(">q", self.ask(SEND, bytes([types()[name]]) + body(*parts)))[0]
        if result in (-errno.EPIPE, -errno.ECONNRESET):
            raise Gone
        assert result > 0, os.strerror(-result)

    def receive(self, timeout=PATIENCE):
        """The next message: name, body, descriptor (in the session) or None.  None if none came; raises Gone
        at the end.
        """
        answer = Reader(self.ask(RECEIVE, struct.pack(">I", int(timeout * 1000))))
        status, fd = answer.u8(), answer.u32()
        if status == 0:
            return None
        if status == 2:
            raise Gone
        kind = answer.u8()
        name = next(n for n, number in types().items() if number == kind)
        return name, answer, None if fd == 2**32 - 1 else fd

    def expect(self, *names, timeout=PATIENCE):
        """The next message with one of these names; others are skipped."""
        while True:
            got = self.receive(timeout)
            assert got is not None, f"none of {names} came"
            if got[0] in names:
                return got

    def ended(self, timeout=PATIENCE):
        """Whether the keeper closes the socket of this session."""
        try:
            while self.receive(timeout) is not None:
                pass
        except Gone:
            return True
        return False

    # A login without a key exchange: the session makes the exchange hash up.

    def sign(self, algorithm="ssh-ed25519", data=None):
        """SIGN: the signature, or None if the keeper refuses.  The first one begins the login."""
        data = os.urandom(32) if data is None else data
        self.send("SIGN", algorithm, data)
        _, answer, _ = self.expect("SIGNATURE")
        ok = answer.bool()
        signature = answer.string()
        if not hasattr(self, "session_id"):
            self.session_id = data
        return signature if ok else None

    def auth(self, *parts):
        """AUTH: a USERAUTH message, as if from the client."""
        self.send("AUTH", message(*parts).asbytes())

    def prove(self, login, key, service="ssh-connection"):
        """publickey with a key (lab.keys.Key, ed25519), signed over the first hash."""
        private = paramiko.Ed25519Key.from_private_key_file(str(key.path))
        request = (USERAUTH_REQUEST, login, service, "publickey", True, "ssh-ed25519", private.asbytes())
        signed = string(self.session_id) + message(*request).asbytes()
        signature = private.sign_ssh_data(signed)
        self.auth(*request, signature.asbytes())

    def enter(self, login, key, upstream):
        """Log in, as the keeper sees it: the session claims that the upstream showed this host key
        (lab.keys.Key, ed25519) and answered SUCCESS.
        """
        if not hasattr(self, "session_id"):
            self.sign()
        self.prove(login, key)
        self.expect("UPSTREAM_FD")
        private = paramiko.Ed25519Key.from_private_key_file(str(upstream.path))
        hash_ = os.urandom(32)
        self.send("HOST_KEY", "ssh-ed25519", hash_, private.asbytes(), private.sign_ssh_data(hash_).asbytes())
        assert self.expect("HOST_KEY_OK")[1].bool()
        self.send("UPSTREAM_READY", hash_, "ssh-ed25519", True)
        self.expect("UPSTREAM")
        self.send("UPSTREAM_AUTH", bytes([USERAUTH_SUCCESS]))
        self.expect("RELAY")

    def dies(self, gateway, number, *args):
        """This system call kills the session: the signal, from the gateway's log."""
        mark = gateway.log.mark()
        with pytest.raises(Gone):
            result = self.call(number, *args)
            pytest.fail(f"system call {number}{args} gave {result}")
        port = self.sock.getsockname()[1]
        found = gateway.log.wait(rf"crashed: killed by signal (\d+)\b.*, from 127\.0\.0\.1 port {port}$", mark)
        return int(found.group(1))


class TakenOverHops:
    """The carriers of hops of a gateway of the attack build, which obey from their confinement on."""

    def __init__(self, gateway, directory):
        path = directory / "obey"
        gateway.within = ("env", f"SALLYPORT_ATTACK_HOP={path}")
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen(8)
        self.listening.settimeout(PATIENCE)

    def next(self):
        """Wait for the next one: a TakenOver."""
        hop = TakenOver.__new__(TakenOver)
        Obedient.__init__(hop, self.listening.accept()[0])
        hop.greet()
        return hop

    def close(self):
        self.listening.close()


class FalseUpstream:
    """A taken-over session that says what its upstream says: it shows a host key of its own making."""

    def __init__(self, t, ring, key=None, login="alice"):
        self.t = t
        assert t.sign()
        t.prove(login, key or ring.get("client"))
        t.expect("UPSTREAM_FD")
        private = ring.get("made_on_the_spot")
        self.key = paramiko.Ed25519Key.from_private_key_file(str(private.path))

    def show_host_key(self, session_id, key=None, signature=None):
        """HOST_KEY: does the keeper accept this key, which signed that hash, as the upstream's?"""
        self.session_id = session_id
        key = key or self.key.asbytes()
        signature = signature or self.key.sign_ssh_data(session_id).asbytes()
        self.t.send("HOST_KEY", "ssh-ed25519", session_id, key, signature)
        return self.t.expect("HOST_KEY_OK")[1].bool()

    def ready(self, bound=False):
        """UPSTREAM_READY: the login may begin.  bound: whether the upstream takes hostbound requests."""
        self.t.send("UPSTREAM_READY", self.session_id, "", bound)

    def request(self, timeout=PATIENCE):
        """The next message that the keeper sends to the upstream."""
        return self.t.expect("UPSTREAM", timeout=timeout)[1].strings()[0]


class UpstreamConnection(Attacker):
    """A connection of the attacker's own to an upstream, after the key exchange."""

    def __init__(self, sshd, source=None):
        super().__init__(sshd.port, source)
        self.service()

    def login(self, request):
        """Send this USERAUTH_REQUEST: SUCCESS or FAILURE, or None if the upstream hangs up."""
        self.send(request[0], bytearray(request[1:]))
        return self.expect(USERAUTH_FAILURE, USERAUTH_SUCCESS)

    def _verify_key(self, host_key, sig):
        self.shown = (host_key, sig)
        super()._verify_key(host_key, sig)


class TakenOverKeeper(Obedient):
    """The keeper of a gateway of the attack build, which obeys after it has confined itself and before it is
    ready.

    with TakenOverKeeper(gateway, directory) as k: the master runs and waits.  k.release() lets the keeper go
    on, and the gateway serve.
    """

    def __init__(self, gateway, directory):
        self.gateway = gateway
        path = directory / "obey"
        gateway.within = ("env", f"SALLYPORT_ATTACK_KEEPER={path}")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(1)
            listening.settimeout(PATIENCE)
            gateway.port = net.free_port()
            gateway.write_gateway()
            self.mark = gateway.spawn()
            sock, _ = listening.accept()
        path.unlink()
        gateway.within = ()
        super().__init__(sock)
        self.greet()

    def release(self):
        self.sock.close()
        assert self.gateway.listens(self.mark), "somebody else has taken the port"


class Mute:
    """A process of the attack build, each time that it is started, that connects to the Unix socket at a path.  It
    obeys from its confinement on, until release(); it answers nothing.
    """

    def __init__(self, path):
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(str(path))
        self.listening.listen(8)
        self.listening.settimeout(20)
        self.sock = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()
        self.listening.close()

    def next(self):
        """Wait for the next one."""
        self.release()
        self.sock, _ = self.listening.accept()

    def release(self):
        if self.sock:
            self.sock.close()

    def send(self, name, *parts):
        """Send the master a message."""
        self.send_bytes(bytes([types()[name]]) + body(*parts))

    def send_bytes(self, data):
        self.sock.send(b"M" + data)

    def await_connection(self):
        """What is sent after this is sent once the master has handed over its first connection."""
        self.sock.send(b"W")

    def call(self, number, *args):
        """Make a system call."""
        args = [a & (2**64 - 1) for a in (*args, *[0] * (6 - len(args)))]
        self.sock.send(b"C" + struct.pack(">7Q", number, *args))


class TakenOverEdge(Mute):
    """The process edge of a gateway of the attack build."""

    def __init__(self, gateway, directory):
        super().__init__(directory / "obey")
        self.gateway = gateway
        gateway.within = ("env", f"SALLYPORT_ATTACK_EDGE={directory / 'obey'}")
