"""A route with several machines, and some of them do not answer."""

import re
import time


from lab.net import BlackHole, free_port


def seconds(w):
    start = time.monotonic()
    w.answers()
    return time.monotonic() - start


def said(w, mark=0):
    return re.findall(r"session [0-9a-f]+: (.*) instead of another: (.*)", w.gateway.log.text(mark))


def test_the_first_refuses(gated):
    w = gated(route={"HostName": "127.0.0.2 127.0.0.1"})
    w.answers()
    assert said(w) == [("127.0.0.1", f"127.0.0.2 port {w.sshd.port}: Connection refused")]
    mark = w.gateway.log.mark()
    w.answers()  # the second is asked first now
    assert said(w, mark) == []


def test_the_first_is_silent(gated):
    """It does not use up the time of the second, and the next login does not wait for it."""
    w = gated(route={"HostName": "127.0.0.3 127.0.0.1", "ConnectTimeout": "4s"})
    hole = BlackHole("127.0.0.3", w.sshd.port)
    try:
        first = seconds(w)
        assert 1.8 < first < 4
        assert said(w) == [("127.0.0.1", f"127.0.0.3 port {w.sshd.port}: Connection timed out")]
        assert seconds(w) < 1.5
    finally:
        hole.close()


def test_a_name_that_does_not_resolve(gated):
    w = gated(route={"HostName": "no.such.invalid 127.0.0.1"})
    w.answers()
    assert re.search(r"no\.such\.invalid: \S+", said(w)[0][1])


def test_none_answers(gated):
    """All are tried each time, and the log has the reason for each."""
    w = gated(route={"HostName": "127.0.0.4 127.0.0.5", "Port": free_port()})
    for _ in range(2):
        mark = w.gateway.log.mark()
        r = w.ssh("true")
        assert r.code == 255 and "cannot be reached right now" in r.err
        line = w.gateway.log.wait(r"refused: cannot connect: .*", mark)[0]
        for host in ("127.0.0.4", "127.0.0.5"):
            assert re.search(rf"{re.escape(host)} port \d+: Connection refused", line)


def test_more_hosts_than_are_tried(gated):
    w = gated(route={"HostName": " ".join(["127.0.0.1"] + [f"127.0.1.{i}" for i in range(100)])})
    w.answers()
    w.gateway.quiet()
