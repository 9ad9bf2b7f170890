"""LoginGraceTime, MaxStartups and PerSourceMaxStartups: the same limits as sshd's, logged in the same words.
"""

import concurrent.futures
import socket
import threading
import time

import paramiko
import pytest

from lab import net
from lab.client import open_session
from lab.wait import PATIENCE, wait_for

# Each of these connections, and a login beside them, gets so far within this time on a busy machine.
GRACE = 8


@pytest.fixture
def short_grace_time(own_way):
    return own_way(front={"LoginGraceTime": str(GRACE)})


def time_until_closed(address, talk=lambda s: None):
    """Connect and call talk; the time until the server has closed the connection."""
    start = time.monotonic()
    with net.connect(address, GRACE + PATIENCE) as s:
        done = threading.Event()

        def run():
            while not done.is_set():
                try:
                    if talk(s) is None:
                        return
                except OSError:
                    return
                done.wait(0.1)

        t = threading.Thread(target=run, daemon=True)
        t.start()
        try:
            while s.recv(65536):
                pass
        except ConnectionResetError:
            pass
        took = time.monotonic() - start
        done.set()
        t.join()
    return took


def send_nothing(port):
    return time_until_closed(("127.0.0.1", port))


def send_byte_by_byte(port):
    return time_until_closed(("127.0.0.1", port), lambda s: s.send(b"S"))


def send_garbage_after_version(port):
    said = []

    def talk(s):
        if not said:
            said.append(s.sendall(b"SSH-2.0-babbler\r\n"))
        return s.send(b"\0")

    return time_until_closed(("127.0.0.1", port), talk)


def stop_after_key_exchange(port):
    return by_paramiko(port, 0)


def send_requests_continuously(port):
    """Activity does not extend the time."""
    return by_paramiko(port, 1000)


def by_paramiko(port, requests):
    start = time.monotonic()
    t = paramiko.Transport(("127.0.0.1", port))
    try:
        t.banner_timeout = t.handshake_timeout = PATIENCE
        t.start_client(timeout=PATIENCE)
        try:
            for _ in range(requests + 1):
                try:
                    t.auth_none("alice")
                except paramiko.BadAuthenticationType:
                    pass
                t.send_ignore(100)
                time.sleep(0.01)  # the attacker's pace
        except (paramiko.SSHException, EOFError, OSError):
            pass
        wait_for("the end", lambda: not t.is_active(), GRACE + PATIENCE)
    finally:
        t.close()
    return time.monotonic() - start


def test_login_grace_time_closes_connection(own_way):
    w = own_way(front={"LoginGraceTime": str(GRACE), "MaxAuthTries": "1000"})
    ways = (send_nothing, send_byte_by_byte, send_garbage_after_version, stop_after_key_exchange,
            send_requests_continuously)
    with concurrent.futures.ThreadPoolExecutor(len(ways)) as pool:
        took = {f.__name__: t for f, t in zip(ways, pool.map(lambda f: f(w.front.port), ways))}
    assert GRACE - 0.5 < took["send_nothing"]
    assert max(took.values()) < GRACE + PATIENCE, took  # the default is 120
    w.answers()


def test_login_grace_time_does_not_end_session(short_grace_time):
    assert short_grace_time.ssh(f"sleep {GRACE + 1}; echo still in").text == "still in\n"


def test_hundred_silent_connections_do_not_block_login(own_way):
    w = own_way(front={"LoginGraceTime": "600", "MaxStartups": "200"})
    silent = [net.connect(("127.0.0.1", w.front.port)) for _ in range(100)]
    w.answers()
    for s in silent:
        s.close()
    wait_for("the end of them all", lambda: not w.servers())


def test_timeout_is_logged(short_grace_time):
    time_until_closed(("127.0.0.1", short_grace_time.front.port))
    if short_grace_time.gateway:  # Debian's sshd does not log it
        short_grace_time.front.log.wait(r"[Tt]imeout before authentication for 127\.0\.0\.1 port \d+")


def test_max_startups_refuses_with_message(own_way):
    w = own_way(front={"MaxStartups": "2"})
    waiting = [net.connect(("127.0.0.1", w.front.port)) for _ in range(2)]
    for s in waiting:
        assert s.recv(4) == b"SSH-"
    with net.connect(("127.0.0.1", w.front.port)) as s:
        said = net.read_all(s)
    if w.gateway:
        assert said == b"Exceeded MaxStartups\r\n"
    else:  # sshd's words before 9.8 and since
        assert said in (b"Exceeded MaxStartups\r\n", b"Not allowed at this time\r\n")
    r = w.ssh("true")
    assert r.code == 255 and r.out == b""
    for s in waiting:
        s.close()

    def room():
        return w.ssh("echo in").text == "in\n"

    wait_for("room again", room)


def test_sessions_do_not_count_as_startups(own_way):
    w = own_way(front={"MaxStartups": "2"})
    running = []
    for _ in range(4):
        p = open_session(w.client)
        running.append(p)
    for p in running:
        assert p.communicate(timeout=PATIENCE)[0] == b""


def test_max_startups_random_early_drop(own_way):
    w = own_way(front={"MaxStartups": "1:50:200"})
    held = [net.connect(("127.0.0.1", w.front.port)) for _ in range(40)]
    first = []
    for s in held:
        try:
            first.append(s.recv(4))
        except ConnectionResetError:
            first.append(b"")
    dropped = sum(f != b"SSH-" for f in first)
    assert 0 < dropped < 40, first
    for s in held:
        s.close()
    wait_for("the end of them all", lambda: not w.servers())


def test_connections_that_are_reset_at_once(own_way):
    """As a port scanner: connect and reset."""
    w = own_way()
    for _ in range(100):
        s = socket.create_connection(("127.0.0.1", w.front.port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
    w.answers()
    wait_for("the end of them all", lambda: not w.servers())


def test_per_source_max_startups(own_way):
    w = own_way(front={"PerSourceMaxStartups": "3"})
    held = [net.connect(("127.0.0.1", w.front.port)) for _ in range(3)]
    for s in held:
        assert s.recv(4) == b"SSH-"
    with net.connect(("127.0.0.1", w.front.port)) as s:
        assert not net.read_all(s).startswith(b"SSH-")
    with socket.socket() as s:  # other sources are accepted
        s.bind(("127.0.0.77", 0))
        s.settimeout(PATIENCE)
        s.connect(("127.0.0.1", w.front.port))
        assert s.recv(4) == b"SSH-"
    for s in held:
        s.close()
