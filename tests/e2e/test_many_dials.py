"""Many logins to upstreams that never answer do not delay other logins."""

import signal
import subprocess

from lab.net import BlackHole
from lab.wait import wait_for


# As in src/keeper/jobs.c.
SAME = 8
EACH = 6


def test_dead_upstream_uses_few_errands_and_delays_no_other_login(gated, ring):
    """All 40 logins to the dead upstream are told, and others succeed while its errands are stopped."""
    w = gated(front={"LoginGraceTime": "300s", "MaxStartups": "200"})
    w.gateway.stop()
    w.gateway.route("dead", w.sshd, [ring.get("client")], HostName="127.0.0.6", ConnectTimeout=f"{EACH}s")
    w.gateway.start()
    hole = BlackHole("127.0.0.6", w.sshd.port)
    keeper = w.gateway.keepers()[0]
    descriptors = keeper.n_descriptors()
    try:
        dead = [w.new_client(user="dead").spawn("true", stdin=subprocess.DEVNULL) for _ in range(40)]

        def held():
            """The errands, which are stopped: their logins wait until they may go on."""
            errands = w.gateway.role("errand dial 127.0.0.6")
            # one that has answered is seen until it ends
            assert len(errands) <= SAME + w.gateway.log.text().count("Connection timed out")
            for e in errands:
                e.kill(signal.SIGSTOP)
            return errands

        errands = wait_for("the errands", lambda: [e for e in [held()] if len(e) >= SAME])[0]
        for _ in range(3):
            w.answers()
        assert set(held()) >= set(errands) and any(p.poll() is None for p in dead)
        for e in errands:
            e.kill()
        said = [p.communicate(timeout=120)[1] for p in dead]
        assert [p.returncode for p in dead] == [255] * len(dead)
        killed, unreached = (sum(text in err for err in said) for text in (
            b"the gateway cannot log you in right now", b"your machine cannot be reached right now"))
        # also one that is late by ten seconds is killed, by its alarm(2)
        assert killed > 0 and killed + unreached == len(dead), said
        log = w.gateway.log.text()
        tried, late = log.count("Connection timed out"), log.count("too many logins wait for 127.0.0.6")
        assert tried + late == unreached and late > 0, log
        w.gateway.quiet()
        wait_for("its descriptors to be as before", lambda: keeper.n_descriptors() == descriptors)
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
        wait_for("the end of them all", lambda: not w.gateway.role("errand") + w.gateway.sessions())
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
            assert b"the gateway cannot log you in right now" in c.communicate(timeout=60)[1]
        w.gateway.quiet()
    finally:
        hole.close()


def test_concurrent_dials_to_one_upstream_take_turns(gated):
    """More than sshd accepts at once by default (10:30:100): all of them log in."""
    w = gated(front={"MaxStartups": "200"}, sshd={"MaxStartups": "10:30:100"})
    clients = [w.new_client(ConnectTimeout="60").spawn("echo in", stdin=subprocess.DEVNULL)
               for _ in range(5 * SAME)]
    ends = [c.communicate(timeout=180) for c in clients]
    assert [out for out, _ in ends] == [b"in\n"] * len(ends), ends
    w.gateway.quiet()
