"""Messages in the wrong state: the connection ends or the message is refused; it never leads to a login."""

import concurrent.futures
import struct

import pytest

from lab.attack import (
    CHANNEL_CLOSE, CHANNEL_DATA, CHANNEL_EOF, CHANNEL_EXTENDED_DATA, CHANNEL_FAILURE, CHANNEL_OPEN,
    CHANNEL_OPEN_CONFIRMATION, CHANNEL_REQUEST, CHANNEL_SUCCESS, CHANNEL_WINDOW_ADJUST, DEBUG,
    DISCONNECT, EXT_INFO, GLOBAL_REQUEST, IGNORE, KEXINIT, NEWKEYS, REQUEST_FAILURE, REQUEST_SUCCESS,
    SERVICE_ACCEPT, SERVICE_REQUEST, UNIMPLEMENTED, USERAUTH_FAILURE, USERAUTH_INFO_RESPONSE,
    USERAUTH_PK_OK, USERAUTH_REQUEST, USERAUTH_SUCCESS, Attacker, key_of, proof,
)

paramiko = pytest.importorskip("paramiko")


SESSION = ("session", 0, 1 << 20, 32768)
NOT_IN = (USERAUTH_SUCCESS, CHANNEL_OPEN_CONFIRMATION, CHANNEL_SUCCESS, CHANNEL_DATA, REQUEST_SUCCESS)


@pytest.fixture
def attack(way):
    """attack(): one more connection of an attacker.  Afterwards, other clients can still log in."""
    made = []
    stable = [way.gateway.master, *way.gateway.keepers()] if way.gateway else []

    def connect():
        a = Attacker(way.front.port)
        a.way = way
        a.key = key_of(way.client)
        a.mark = way.front.log.mark()
        made.append(a)
        return a

    yield connect
    for a in made:
        a.close()
    assert all(p.alive() for p in stable)
    assert not way.front.log.find(r"killed by signal")
    way.answers()


def check_each(cases, check):
    """check(case) for all cases, a few at a time; those that fail, and how."""
    failed = {}

    def one(case):
        try:
            check(case)
        except Exception as e:
            failed[case] = e

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(one, cases))
    assert not failed, "".join(f"\n{case}: {e!r}" for case, e in failed.items())


def send_all(a, messages):
    try:
        for m in messages:
            a.send(*m)
    except (OSError, EOFError, paramiko.SSHException):
        pass


def assert_never_logged_in(a):
    """The client is not logged in, and does not get further by acting as if it were."""
    send_all(a, [(CHANNEL_OPEN, *SESSION), (CHANNEL_REQUEST, 0, "exec", True, "echo got in")])
    # The answer to two more requests, or the end, shows that all earlier messages have been handled.
    before = len(a.received)
    send_all(a, [(CHANNEL_EOF, 0), (SERVICE_REQUEST, "bogus")])
    a.expect(USERAUTH_FAILURE, UNIMPLEMENTED, DISCONNECT, after=before, timeout=2)
    send_all(a, [(DISCONNECT, 11, "bye", "")])
    assert a.ends(), "still connected"
    assert not a.way.front.log.find(rf"Accepted publickey for .* port {a.port} ", a.mark)
    assert not set(a.received) & set(NOT_IN), a.received


BEFORE_SERVICE = {
    "channel-open": [(CHANNEL_OPEN, *SESSION)],
    "userauth-success": [(USERAUTH_SUCCESS,)],
    "userauth-without-service": [(USERAUTH_REQUEST, "alice", "ssh-connection", "none")],
    "service-connection": [(SERVICE_REQUEST, "ssh-connection")],
    "service-bogus": [(SERVICE_REQUEST, "bogus")],
    "service-cut": [(SERVICE_REQUEST, bytearray(b"\0\0\0\x20ssh"))],
    "service-accept": [(SERVICE_ACCEPT, "ssh-userauth")],
    "global-request": [(GLOBAL_REQUEST, "tcpip-forward", True, "127.0.0.1", 0)],
    "keepalive": [(GLOBAL_REQUEST, "keepalive@openssh.com", True)],
    "channel-data": [(CHANNEL_DATA, 0, b"x" * 1000)],
    "channel-request": [(CHANNEL_REQUEST, 0, "exec", True, "id")],
    "window-adjust": [(CHANNEL_WINDOW_ADJUST, 0, 0xFFFFFFFF)],
    "confirmation": [(CHANNEL_OPEN_CONFIRMATION, 0, 0, 1 << 20, 32768)],
    "second-newkeys": [(NEWKEYS,)],
    "kexinit-cut": [(KEXINIT, bytearray(bytes(10)))],
    "empty-type-list": [(KEXINIT, bytearray(bytes(61)))],
}


def test_messages_before_service_request(attack):
    def check(case):
        a = attack()
        send_all(a, BEFORE_SERVICE[case])
        assert_never_logged_in(a)

    check_each(BEFORE_SERVICE, check)


def log_in(a):
    return a.way.login


BEFORE_LOGIN = {
    "channel-open": lambda a: [(CHANNEL_OPEN, *SESSION)],
    "userauth-success": lambda a: [(USERAUTH_SUCCESS,)],
    "userauth-failure": lambda a: [(USERAUTH_FAILURE, "publickey", True)],
    "pk-ok": lambda a: [(USERAUTH_PK_OK, a.key.get_name(), a.key.asbytes())],
    "info-response": lambda a: [(USERAUTH_INFO_RESPONSE, 0)],
    "info-response-many": lambda a: [(USERAUTH_INFO_RESPONSE, 0xFFFFFFFF)],
    "query-then-channel": lambda a: [
        (USERAUTH_REQUEST, log_in(a), "ssh-connection", "publickey", False, a.key.get_name(),
         a.key.asbytes()),
        (CHANNEL_OPEN, *SESSION),
    ],
    "empty-signature": lambda a: [proof(a, log_in(a), a.key)[:-1] + [b""]],
    "no-signature": lambda a: [proof(a, log_in(a), a.key)[:-1]],
    "cut-signature": lambda a: [proof(a, log_in(a), a.key)[:-1] + [proof(a, log_in(a), a.key)[-1][:-5]]],
    "flipped-signature": lambda a: [
        proof(a, log_in(a), a.key)[:-1]
        + [proof(a, log_in(a), a.key)[-1][:-1] + bytes([proof(a, log_in(a), a.key)[-1][-1] ^ 1])]
    ],
    "signature-of-another-session": lambda a: [proof(a, log_in(a), a.key, session_id=bytes(32))],
    "signature-for-another-login": lambda a: [
        [USERAUTH_REQUEST, log_in(a)] + proof(a, "somebody", a.key)[2:]
    ],
    "signature-for-another-service": lambda a: [
        proof(a, log_in(a), a.key)[:2] + ["ssh-connection"]
        + proof(a, log_in(a), a.key, service="ssh-userauth")[3:]
    ],
    "proof-for-a-bogus-service": lambda a: [proof(a, log_in(a), a.key, service="bogus")],
    "algorithm-is-not-the-key's": lambda a: [proof(a, log_in(a), a.key, algorithm="rsa-sha2-512")],
    "algorithm-bogus": lambda a: [proof(a, log_in(a), a.key, algorithm="none")],
    "none": lambda a: [(USERAUTH_REQUEST, log_in(a), "ssh-connection", "none")],
    "password": lambda a: [(USERAUTH_REQUEST, log_in(a), "ssh-connection", "password", False, "secret")],
    "password-empty": lambda a: [(USERAUTH_REQUEST, log_in(a), "ssh-connection", "password", False, "")],
    "keyboard-interactive": lambda a: [
        (USERAUTH_REQUEST, log_in(a), "ssh-connection", "keyboard-interactive", "", "")
    ],
    "hostbased": lambda a: [
        (USERAUTH_REQUEST, log_in(a), "ssh-connection", "hostbased", "ssh-ed25519", b"", "h", "u", b"")
    ],
    "gssapi": lambda a: [(USERAUTH_REQUEST, log_in(a), "ssh-connection", "gssapi-with-mic", 1, b"\6\0")],
    "method-of-64k": lambda a: [(USERAUTH_REQUEST, log_in(a), "ssh-connection", "m" * 30_000)],
    "request-cut": lambda a: [(USERAUTH_REQUEST, log_in(a), bytearray(b"\0\0\0\x0essh"))],
    "request-empty": lambda a: [(USERAUTH_REQUEST,)],
    "key-blob-lies": lambda a: [
        (USERAUTH_REQUEST, log_in(a), "ssh-connection", "publickey", False, "ssh-ed25519",
         b"\0\0\0\x0bssh-ed25519\xff\xff\xff\xff")
    ],
    "key-blob-empty": lambda a: [
        (USERAUTH_REQUEST, log_in(a), "ssh-connection", "publickey", True, "ssh-ed25519", b"", b"")
    ],
    "key-blob-rsa-of-1-bit": lambda a: [
        (USERAUTH_REQUEST, log_in(a), "ssh-connection", "publickey", False, "rsa-sha2-256",
         b"\0\0\0\x07ssh-rsa\0\0\0\x01\x01\0\0\0\x01\x01")
    ],
    "key-blob-rsa-huge": lambda a: [
        (USERAUTH_REQUEST, log_in(a), "ssh-connection", "publickey", False, "rsa-sha2-256",
         b"\0\0\0\x07ssh-rsa\0\0\0\x01\x03" + struct.pack(">I", 20_000) + b"\x7f" * 20_000)
    ],
    "kexinit-then-channel": lambda a: [(CHANNEL_OPEN, *SESSION), (KEXINIT, bytearray(bytes(61)))],
    "ext-info-late": lambda a: [(EXT_INFO, 1, "server-sig-algs", "x"), (CHANNEL_OPEN, *SESSION)],
    "type-70": lambda a: [(70, bytearray(bytes(100))), (79,), (CHANNEL_OPEN, *SESSION)],
    "success-then-exec": lambda a: [
        (USERAUTH_SUCCESS,), (CHANNEL_OPEN, *SESSION), (CHANNEL_REQUEST, 0, "exec", True, "id")
    ],
    "change-of-name": lambda a: [
        (USERAUTH_REQUEST, "nobody-here", "ssh-connection", "none"), proof(a, log_in(a), a.key)
    ],
    "change-of-service": lambda a: [
        (USERAUTH_REQUEST, log_in(a), "bogus", "none"), proof(a, log_in(a), a.key)
    ],
}


def test_messages_before_login(attack):
    def check(case):
        a = attack()
        assert a.service()
        send_all(a, BEFORE_LOGIN[case](a))
        assert_never_logged_in(a)

    check_each(BEFORE_LOGIN, check)


def test_complete_proof_logs_in(attack):
    """So the proofs that are refused above are refused for their fault."""
    a = attack()
    assert a.service()
    a.send(*proof(a, log_in(a), a.key))
    assert a.expect(USERAUTH_SUCCESS)


def test_proof_cannot_be_replayed_on_another_connection(attack):
    first, second = attack(), attack()
    words = proof(first, log_in(first), first.key)
    assert first.service() and second.service()
    first.send(*words)
    assert first.expect(USERAUTH_SUCCESS)
    send_all(second, [words])
    assert_never_logged_in(second)


def test_second_service_request_and_ignore_messages_are_harmless(attack):
    a = attack()
    assert a.service() and a.service()
    send_all(a, [(IGNORE, b"x" * 30_000), (DEBUG, True, "text\x1b[2J", ""), (UNIMPLEMENTED, 3)])
    a.send(*proof(a, log_in(a), a.key))
    assert a.expect(USERAUTH_SUCCESS)


AFTER_LOGIN = {
    "data-to-nobody": [(CHANNEL_DATA, 77, b"x" * 1000)],
    "extended-data-to-nobody": [(CHANNEL_EXTENDED_DATA, 77, 1, b"x" * 1000)],
    "window-to-nobody": [(CHANNEL_WINDOW_ADJUST, 77, 1000)],
    "request-to-nobody": [(CHANNEL_REQUEST, 77, "exec", True, "id")],
    "close-to-nobody": [(CHANNEL_CLOSE, 77)],
    "eof-to-nobody": [(CHANNEL_EOF, 77)],
    "confirmation-of-nothing": [(CHANNEL_OPEN_CONFIRMATION, 77, 0, 1000, 1000)],
    "answer-to-nothing": [(REQUEST_SUCCESS,), (REQUEST_FAILURE,), (CHANNEL_SUCCESS, 0)],
    "window-overflow": [(CHANNEL_WINDOW_ADJUST, 0, 0xFFFFFFFF), (CHANNEL_WINDOW_ADJUST, 0, 0xFFFFFFFF)],
    "close-twice": [(CHANNEL_CLOSE, 0), (CHANNEL_CLOSE, 0)],
    "data-after-close": [(CHANNEL_CLOSE, 0), (CHANNEL_DATA, 0, b"x" * 1000)],
    "eof-twice-then-data": [(CHANNEL_EOF, 0), (CHANNEL_EOF, 0), (CHANNEL_DATA, 0, b"x")],
    "data-beyond-the-window": [(CHANNEL_DATA, 0, b"x" * 32_000)] * 100,
    "data-too-large": [(CHANNEL_DATA, 0, b"x" * 200_000)],
    "data-length-lies": [(CHANNEL_DATA, 0, bytearray(b"\xff\xff\xff\xff123"))],
    "data-cut": [(CHANNEL_DATA, bytearray(b"\0"))],
    "open-cut": [(CHANNEL_OPEN, "session", bytearray(b"\0\0"))],
    "open-bogus": [(CHANNEL_OPEN, "bogus\x1b[2J", 5, 1000, 1000)],
    "open-x11-from-client": [(CHANNEL_OPEN, "x11", 5, 1000, 1000, "127.0.0.1", 1)],
    "open-forwarded-from-client": [
        (CHANNEL_OPEN, "forwarded-tcpip", 5, 1000, 1000, "127.0.0.1", 1, "127.0.0.1", 2)
    ],
    "open-many": [(CHANNEL_OPEN, "session", i, 1 << 20, 32768) for i in range(1, 200)],
    "global-bogus": [(GLOBAL_REQUEST, "bogus", True)] * 50,
    "global-cut": [(GLOBAL_REQUEST, bytearray(b"\0\0\0\x40x"))],
    "hostkeys-from-client": [(GLOBAL_REQUEST, "hostkeys-00@openssh.com", False, b"x" * 100)],
    "hostkeys-prove": [(GLOBAL_REQUEST, "hostkeys-prove-00@openssh.com", True, b"x" * 100)],
    "userauth-success": [(USERAUTH_SUCCESS,)],
    "userauth-again": [(USERAUTH_REQUEST, "root", "ssh-connection", "none")],
    "service-again": [(SERVICE_REQUEST, "ssh-userauth")],
    "service-accept": [(SERVICE_ACCEPT, "ssh-userauth")],
    "newkeys": [(NEWKEYS,)],
    "kexinit-rubbish": [(KEXINIT, bytearray(bytes(100)))],
    "kexinit-twice": [(KEXINIT, bytearray(bytes(61)))] * 2,
    "kex-30-out-of-turn": [(30, bytearray(bytes(40)))],
    "type-127": [(127, bytearray(bytes(40)))],
    "type-128": [(128, bytearray(bytes(40)))],
    "type-192": [(192, bytearray(bytes(40)))],
    "type-255": [(255, bytearray(bytes(40)))],
    "type-0": [(0,)],
}


def test_messages_after_login(attack):
    """Such messages concern the client and its upstream alone; other clients are not affected."""
    other = logged_in(attack)

    def check(case):
        a = logged_in(attack)
        a.send(CHANNEL_OPEN, *SESSION)
        assert a.expect(CHANNEL_OPEN_CONFIRMATION)
        a.send(CHANNEL_REQUEST, 0, "exec", True, "cat >/dev/null")
        assert a.expect(CHANNEL_SUCCESS, CHANNEL_FAILURE)
        send_all(a, AFTER_LOGIN[case])
        send_all(a, [(DISCONNECT, 11, "bye", "")])
        assert a.ends(), "still connected"

    check_each(AFTER_LOGIN, check)
    other.send(CHANNEL_OPEN, *SESSION)
    assert other.expect(CHANNEL_OPEN_CONFIRMATION)


def test_login_messages_after_login_are_ignored(attack):
    """RFC 4252 section 5.1."""
    a = logged_in(attack)
    before = len(a.received)
    send_all(a, [
        (USERAUTH_REQUEST, log_in(a), "ssh-connection", "none"),
        tuple(proof(a, log_in(a), a.key)),
        (USERAUTH_REQUEST, "root", "ssh-connection", "none"),
        (USERAUTH_REQUEST, bytearray(b"\xff")),
        (USERAUTH_INFO_RESPONSE, 0),
        (79,),
        (CHANNEL_OPEN, *SESSION),
    ])
    assert a.expect(CHANNEL_OPEN_CONFIRMATION, after=before), a.received
    assert not {USERAUTH_FAILURE, USERAUTH_SUCCESS} & set(a.received[before:])


def logged_in(attack):
    a = attack()
    assert a.service()
    a.send(*proof(a, log_in(a), a.key))
    assert a.expect(USERAUTH_SUCCESS)
    return a
