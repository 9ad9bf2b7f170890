"""Clients without a key, from any address of 127/8: each address is a source of its own."""

import re
import socket

import paramiko

NOT_ALLOWED = b"Not allowed at this time\r\n"


def connect(port, source="127.0.0.1", host="127.0.0.1", timeout=20.0):
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
        t.start_client(timeout=20)
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
