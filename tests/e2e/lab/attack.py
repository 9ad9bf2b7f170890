"""A client that breaks the protocol: it can send any message at any time."""

import time

import pytest

from . import net
from .wait import PATIENCE

paramiko = pytest.importorskip("paramiko")
Message = paramiko.Message

# Numbers of messages, by their names in the RFCs.
DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO = range(1, 8)
KEXINIT, NEWKEYS = 20, 21
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER = 50, 51, 52, 53
USERAUTH_PK_OK, USERAUTH_INFO_RESPONSE = 60, 61
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 80, 81, 82
CHANNEL_OPEN, CHANNEL_OPEN_CONFIRMATION, CHANNEL_OPEN_FAILURE, CHANNEL_WINDOW_ADJUST = 90, 91, 92, 93
CHANNEL_DATA, CHANNEL_EXTENDED_DATA, CHANNEL_EOF, CHANNEL_CLOSE, CHANNEL_REQUEST = 94, 95, 96, 97, 98
CHANNEL_SUCCESS, CHANNEL_FAILURE = 99, 100


def message(*parts):
    """A message of this type.  Further parts: bool, int (uint32), bytes or str (string), bytearray (as it
    is).
    """
    m = Message()
    m.add_byte(bytes([parts[0]]))
    for part in parts[1:]:
        if isinstance(part, bool):
            m.add_boolean(part)
        elif isinstance(part, int):
            m.add_int(part)
        elif isinstance(part, bytearray):
            m.add_bytes(bytes(part))
        else:
            m.add_string(part)
    return m


class Attacker(paramiko.Transport):
    """A client after its key exchange.  It records all messages, and reacts to none of them."""

    def __init__(self, port, source=None, version=None):
        """version: the identification string, if it is not paramiko's."""
        super().__init__(net.connect(("127.0.0.1", port), source=source))
        self.local_version = version or self.local_version
        self.port = self.sock.getsockname()[1]
        self.received = []
        self.messages = []  # time, type, rest
        read = self.packetizer.read_message

        def recording():
            while True:
                kind, m = read()
                self.messages.append((time.perf_counter(), kind, m.asbytes()))
                self.received.append(kind)
                if kind in range(DISCONNECT, UNIMPLEMENTED) or kind in range(KEXINIT, 50):
                    return kind, m

        self.packetizer.read_message = recording
        self.banner_timeout = self.handshake_timeout = PATIENCE
        self.start_client(timeout=PATIENCE)

    def send(self, *parts):
        self._send_message(message(*parts))

    def service(self, name="ssh-userauth"):
        self.send(SERVICE_REQUEST, name)
        return self.expect(SERVICE_ACCEPT)

    def expect(self, *kinds, after=0, timeout=PATIENCE):
        """Wait for a message of one of these types, or the end; the type, or None."""
        def heard():
            return next((k for k in self.received[after:] if k in kinds), None)

        deadline = time.monotonic() + timeout
        while not heard() and self.is_active() and time.monotonic() < deadline:
            time.sleep(0.005)
        return heard()

    def ask(self, *parts, timeout=PATIENCE):
        """Send a message and wait for a reply other than a banner, or the end: the seconds, and all messages
        that came.
        """
        before = len(self.messages)
        start = time.perf_counter()
        self.send(*parts)
        while time.perf_counter() < start + timeout and self.is_active():
            if any(kind != USERAUTH_BANNER for _, kind, _ in self.messages[before:]):
                break
            time.sleep(0.0005)
        came = self.messages[before:]
        assert came or not self.is_active(), f"no reply within {timeout} s"
        return (came[-1][0] if came else time.perf_counter()) - start, [m[1:] for m in came]

    def ends(self, timeout=PATIENCE):
        self.join(timeout)
        return not self.is_active()


def key_of(client):
    return paramiko.Ed25519Key.from_private_key_file(str(client.key.path))


def none(login):
    return [USERAUTH_REQUEST, login, "ssh-connection", "none"]


def query(login, key):
    """A publickey query: would this key be accepted?"""
    return [USERAUTH_REQUEST, login, "ssh-connection", "publickey", False, key.get_name(), key.asbytes()]


def password(login, word):
    return [USERAUTH_REQUEST, login, "ssh-connection", "password", False, word]


def conversation(login):
    return [USERAUTH_REQUEST, login, "ssh-connection", "keyboard-interactive", "", ""]


def answers(*words):
    return [USERAUTH_INFO_RESPONSE, len(words), *words]


def proof(transport, login, key, session_id=None, service="ssh-connection", algorithm=None):
    """A USERAUTH_REQUEST with a signature by this key."""
    algorithm = algorithm or key.get_name()
    blob = key.asbytes()
    signed = Message()
    signed.add_string(session_id if session_id is not None else transport.session_id)
    signed.add_byte(bytes([USERAUTH_REQUEST]))
    signed.add_string(login)
    signed.add_string(service)
    signed.add_string("publickey")
    signed.add_boolean(True)
    signed.add_string(algorithm)
    signed.add_string(blob)
    # paramiko 4 makes no signature of an RSA key by its own name
    signature = key.sign_ssh_data(signed.asbytes(), algorithm if key.get_name() == "ssh-rsa" else None).asbytes()
    return [USERAUTH_REQUEST, login, service, "publickey", True, algorithm, blob, signature]
