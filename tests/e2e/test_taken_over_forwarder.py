"""The forwarder has been taken over: it opens nothing, and sends nothing of its own to anybody but the master."""

import contextlib
import os
import signal
import socket

import pytest

from lab import net, taken_over
from lab.forwarder import Forwarder
from lab.gateway import sanitized
from lab.syscalls import number
from lab.taken_over import Mute

# Of the first client, which comes after standard error, the master, signals and epoll, and the test.
CLIENT = 7


@pytest.fixture
def forwarder(tmp_path, short):
    with contextlib.closing(net.Server(net.echo)) as server, Mute(short / "obey") as mute:
        with Forwarder(tmp_path, server.address, program=taken_over.program(),
                       environ={"SALLYPORT_ATTACK_FORWARDER": str(short / "obey")}) as f:
            mute.next()
            f.mute = mute
            yield f


def test_serves_when_it_does_not_obey(forwarder):
    forwarder.mute.release()
    with forwarder.forward() as client:
        assert net.exchange_on(client, b"served") == b"served"
    forwarder.ended()


CALLS = {
    "open": lambda: (number("openat"), -100, 0, 0),
    "socket": lambda: (number("socket"), socket.AF_INET, socket.SOCK_STREAM, 0),
    "connect": lambda: (number("connect"), CLIENT, 0, 0),
    "accept": lambda: (number("accept4"), CLIENT, 0, 0, 0),
    "send": lambda: (number("sendto"), CLIENT, 0, 0, 0, 0, 0),
    "send to": lambda: (number("sendto"), 3, 0, 0, 0, 1, 16),
    "write": lambda: (number("write"), CLIENT, 0, 0),
    "pass": lambda: (number("sendmsg"), 3, 0, 0),
    "vmsplice": lambda: (number("vmsplice"), CLIENT, 0, 0, 0),
    "read": lambda: (number("read"), CLIENT, 0, 0),
    "own": lambda: (number("fcntl"), CLIENT, 8, 1),
    "bind to device": lambda: (number("setsockopt"), CLIENT, socket.SOL_SOCKET, 25, 0, 0),
    "kill": lambda: (number("kill"), 1, 0),
    "fork": lambda: (number("clone"), 17, 0, 0, 0, 0),
    "execute": lambda: (number("execve"), 0, 0, 0),
    "executable memory": lambda: (number("mmap"), 0, 4096, 7, 0x22, -1, 0),
    "dup": lambda: (number("dup"), 3),
}


@pytest.mark.skipif(sanitized(), reason="forbidden calls fail there, and do not kill")
@pytest.mark.parametrize("call", CALLS)
def test_calls_that_it_may_not_make(forwarder, call):
    forwarder.mute.call(*CALLS[call]())
    assert os.WTERMSIG(forwarder.wait()) == signal.SIGSYS
