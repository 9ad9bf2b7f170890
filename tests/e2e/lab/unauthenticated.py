"""Clients without a key, from any address of 127/8: each address is a source of its own."""

import os
import re
import socket
import time

import paramiko

from .wait import PATIENCE, wait_for

NOT_ALLOWED = b"Not allowed at this time\r\n"
# A hash whose password nobody knows, cheap to check.
HASH = {"PasswordHash": "$argon2id$v=19$m=1024,t=2,p=1$" + "A" * 22 + "$" + "A" * 43}
# Penalties that one failure triggers, and that outlast a test.
AT_ONCE = "crash:1h authfail:1h noauth:1h grace-exceeded:1h min:1s max:1h"


def connect(port, source="127.0.0.1", host="127.0.0.1", timeout=PATIENCE):
    """A connection from this address."""
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.settimeout(timeout)
    try:
        s.bind((source, 0))
        s.connect((host, port))
    except BaseException:
        s.close()
        raise
    return s


def first_words(port, source="127.0.0.1", host="127.0.0.1"):
    """The first bytes from the server; "" if it closes without any."""
    with connect(port, source, host) as s:
        try:
            return s.recv(200)
        except ConnectionResetError:
            return b""


def refused(port, source="127.0.0.1", host="127.0.0.1"):
    return first_words(port, source, host) == NOT_ALLOWED


def guess(port, login="alice", tries=1, source="127.0.0.1", method="password"):
    """One connection with this many wrong passwords (or with "none" alone): how many were judged."""
    t = paramiko.Transport(connect(port, source))
    taken = 0
    try:
        t.banner_timeout = t.handshake_timeout = t.auth_timeout = PATIENCE
        t.start_client(timeout=PATIENCE)
        for _ in range(tries):
            try:
                if method == "none":
                    t.auth_none(login)
                else:
                    t.auth_password(login, "guess", fallback=False)
            except paramiko.BadAuthenticationType:
                break
            except paramiko.AuthenticationException:
                taken += 1
    except (paramiko.SSHException, EOFError, OSError):
        pass
    finally:
        t.close()
    return taken


def dropped(log, reason):
    """The number of connections refused for this reason, according to the log."""
    one = len(re.findall(rf"drop connection from \S+ port \d+: {reason}$", log, re.M))
    return one + sum(int(n) for n in re.findall(rf"drop connection: (\d+) more within a second: {reason}$", log, re.M))


def client_at_other_address(w, **options):
    """A client whose address has no penalty."""
    return w.new_client(BindAddress="127.0.0.2", **options)


def assert_quick_login(w, limit=2.0):
    """A login from an address without penalty succeeds; with FULL=1, within the limit in s."""
    start = time.monotonic()
    r = client_at_other_address(w).ssh("echo in", timeout=120)
    took = time.monotonic() - start
    assert r.text == "in\n", r
    assert not os.environ.get("FULL") or took < limit, took


def penalise(port, source="127.0.0.1", **kw):
    """Connect and leave until the source is penalised; needs the words of AT_ONCE."""
    wait_for(f"a penalty of {source}", lambda: refused(port, source, **kw))
