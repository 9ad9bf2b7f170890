"""A route with several hosts, some of which do not answer."""

import re
import time


from lab.net import BlackHole, free_port


def fallback_lines(w, mark=0):
    return re.findall(r"session [0-9a-f]+: (.*) is used instead of another address: (.*)", w.gateway.log.text(mark))


def test_first_host_refuses_connection(gated):
    w = gated(route={"HostName": "127.0.0.2 127.0.0.1"})
    w.answers()
    assert fallback_lines(w) == [("127.0.0.1", f"127.0.0.2 port {w.sshd.port}: Connection refused")]
    mark = w.gateway.log.mark()
    w.answers()  # the second host is tried first now
    assert fallback_lines(w, mark) == []


def test_first_host_is_silent(gated):
    """It does not use up the time of the second host, and the next login does not wait for it."""
    w = gated(route={"HostName": "127.0.0.3 127.0.0.1", "ConnectTimeout": "12s"})
    hole = BlackHole("127.0.0.3", w.sshd.port)
    try:
        start = time.monotonic()
        w.answers()  # in the half that is left for the second host
        assert time.monotonic() - start > 5.8
        assert fallback_lines(w) == [("127.0.0.1", f"127.0.0.3 port {w.sshd.port}: Connection timed out")]
        mark = w.gateway.log.mark()
        w.answers()  # the second host is tried first now
        assert fallback_lines(w, mark) == []
    finally:
        hole.close()


def test_first_host_does_not_resolve(gated):
    w = gated(route={"HostName": "no.such.invalid 127.0.0.1"})
    w.answers()
    assert re.search(r"no\.such\.invalid: \S+", fallback_lines(w)[0][1])


def test_no_host_answers(gated):
    """All are tried each time, and the log has the reason for each."""
    w = gated(route={"HostName": "127.0.0.4 127.0.0.5", "Port": free_port()})
    for _ in range(2):
        mark = w.gateway.log.mark()
        r = w.ssh("true")
        assert r.code == 255 and "cannot be reached right now" in r.err
        line = w.gateway.log.wait(r"refused: cannot connect: .*", mark)[0]
        for host in ("127.0.0.4", "127.0.0.5"):
            assert re.search(rf"{re.escape(host)} port \d+: Connection refused", line)


def test_more_hosts_than_limit(gated):
    w = gated(route={"HostName": " ".join(["127.0.0.1"] + [f"127.0.1.{i}" for i in range(100)])})
    w.answers()
    w.gateway.quiet()
