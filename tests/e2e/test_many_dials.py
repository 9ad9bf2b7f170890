"""Many logins to upstreams that never answer do not delay other logins."""

import subprocess
import time

from lab.net import BlackHole
from lab.wait import wait_for


# As in src/keeper/jobs.c.
SAME = 8
EACH = 2


def test_dead_upstream_uses_few_errands_and_delays_no_other_login(gated, ring):
    """All 40 logins to the dead upstream are told, and others succeed meanwhile."""
    w = gated(front={"LoginGraceTime": "30s", "MaxStartups": "200"})
    w.gateway.stop()
    w.gateway.route("dead", w.sshd, [ring.get("client")], HostName="127.0.0.6", ConnectTimeout=f"{EACH}s")
    w.gateway.start()
    hole = BlackHole("127.0.0.6", w.sshd.port)
    keeper = w.gateway.keepers()[0]
    descriptors = keeper.n_descriptors()
    try:
        dead = [w.new_client(user="dead").spawn("true", stdin=subprocess.DEVNULL) for _ in range(40)]
        most = []

        def errands():
            most.append(len(w.gateway.role("errand dial")))
            return most[-1]

        wait_for("the errands", lambda: errands() >= SAME)
        while any(p.poll() is None for p in dead):
            start = time.monotonic()
            w.answers()
            assert time.monotonic() - start < 2
            errands()
        assert max(most) == SAME
        for p in dead:
            err = p.communicate(timeout=20)[1]
            assert p.returncode == 255 and b"cannot be reached right now" in err, err
        log = w.gateway.log.text()
        tried, late = log.count("Connection timed out"), log.count("too many logins wait for 127.0.0.6")
        assert tried + late == 40 and tried >= SAME and late > 0, log
        w.gateway.quiet()
        wait_for("its descriptors to be as before", lambda: keeper.n_descriptors() == descriptors, 3)
    finally:
        hole.close()


def test_errand_ends_with_its_login(gated):
    """The client connects and leaves while the errand dials."""
    w = gated(route={"HostName": "127.0.0.7", "ConnectTimeout": "60s"}, front={"LoginGraceTime": "90s"})
    hole = BlackHole("127.0.0.7", w.sshd.port)
    try:
        clients = [w.new_client().spawn("true", stdin=subprocess.DEVNULL) for _ in range(SAME + 1)]
        wait_for("the errands", lambda: len(w.gateway.role("errand dial")) == SAME)
        for c in clients:
            c.kill()
        wait_for("the end of them all", lambda: not w.gateway.role("errand") + w.gateway.sessions(), 5)
        w.gateway.quiet()
    finally:
        hole.close()


def test_killed_dial_errand_fails_its_login(gated):
    """The client is told, and the place is free again."""
    w = gated(route={"HostName": "127.0.0.7", "ConnectTimeout": "60s"}, front={"LoginGraceTime": "90s"})
    hole = BlackHole("127.0.0.7", w.sshd.port)
    try:
        for _ in range(SAME + 1):
            c = w.client.spawn("true", stdin=subprocess.DEVNULL)
            wait_for("the errand", lambda: w.gateway.role("errand dial"))[0].kill()
            assert b"the gateway cannot log you in right now" in c.communicate(timeout=10)[1]
        w.gateway.quiet()
    finally:
        hole.close()


def test_concurrent_dials_to_one_upstream_take_turns(gated):
    """More than sshd accepts at once by default (10:30:100): all of them log in."""
    w = gated(front={"MaxStartups": "200"}, sshd={"MaxStartups": "10:30:100"})
    clients = [w.new_client(ConnectTimeout="60").spawn("echo in", stdin=subprocess.DEVNULL)
               for _ in range(5 * SAME)]
    ends = [c.communicate(timeout=60) for c in clients]
    assert [out for out, _ in ends] == [b"in\n"] * len(ends), ends
    w.gateway.quiet()
