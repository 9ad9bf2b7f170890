"""An upstream that penalises the gateway: to it, all users of the gateway are one source.

sshd 9.8 and later has PerSourcePenalties.  Where that of this host is older, $LAB_NEW_SSHD may name another.
"""

import pytest

from lab import net, procs
from lab.sshd import penalising
from lab.unauthenticated import guess, refused
from lab.wait import wait_for
from lab.way import Way

LINE = (r"refused: 127\.0\.0\.1 port \d+ refuses the gateway for a time \(PerSourcePenalties there, or MaxStartups\): "
        r"add the gateway's address to PerSourcePenaltyExemptList in its sshd_config$")


def new_sshd():
    if not penalising():
        pytest.skip("no sshd 9.8 or later here")
    return penalising()


def assert_told(way, client):
    mark = way.gateway.log.mark()
    r = client.ssh("true")
    assert r.code == 255 and "your machine cannot be reached right now" in r.err, r
    way.gateway.log.wait(LINE, mark)
    assert not way.gateway.log.find("has CHANGED|crashed", mark)


def test_log_names_penalty_of_upstream(gated):
    w = gated(sshd={"program": new_sshd(), "PerSourcePenalties": "noauth:1h min:1s"})
    w.answers()

    wait_for("the penalty", lambda: refused(w.sshd.port))
    assert_told(w, w.client)


def test_failed_passthrough_logins_penalise_gateway_unless_exempt(gated, ring):
    for exempt in (None, "127.0.0.0/8"):
        options = {"PerSourcePenaltyExemptList": exempt} if exempt else {}
        w = gated(sshd={"program": new_sshd(), "PasswordAuthentication": "yes",
                        "PerSourcePenalties": "authfail:1h min:1s", **options})
        w.gateway.route("bob", w.sshd, [], Passthrough="yes", Key=None, AuthorizedKeysFile=None)
        assert w.gateway.sallyport("reload", "-c", w.gateway.conf).returncode == 0
        assert guess(w.gateway.port, "bob") == 1
        w.gateway.quiet()
        # sshd gives the penalty when it has collected the process
        wait_for("the end of it", lambda: not procs.descendants(w.sshd.process.pid))
        if exempt:
            w.answers()
        else:
            assert_told(w, w.client)


@pytest.fixture
def upstream_that_sends(make_gateway, make_sshd, ring, tmp_path):
    """upstream_that_sends(bytes, ...): a way to an upstream that sends this and closes."""
    servers = []

    def make(words, **route):
        servers.append(net.Server(lambda s: s.sendall(words)))
        upstream = make_sshd()
        g = make_gateway()
        g.route("alice", upstream, [ring.get("client")], Port=servers[-1].port, **route)
        return Way("gateway", tmp_path, ring, upstream, g.start())

    yield make
    for s in servers:
        s.close()


def test_refusal_text_of_penalising_sshd(upstream_that_sends):
    """Without a new sshd: the bytes are all that it sends."""
    w = upstream_that_sends(b"Not allowed at this time\r\n")
    assert_told(w, w.client)


def test_host_key_scan_refused_by_penalty(upstream_that_sends):
    w = upstream_that_sends(b"Not allowed at this time\r\n", StrictHostKeyChecking="accept-new", known_hosts="")
    assert_told(w, w.client)
    r = w.gateway.sallyport("route", "alice", "--dial", "-c", w.gateway.conf)
    assert r.returncode == 1 and b"before that it said: Not allowed at this time" in r.stderr + r.stdout, r


def test_other_text_before_version_is_logged(upstream_that_sends):
    w = upstream_that_sends(b"Exceeded MaxStartups\x1b[7m\r\nreally\r\n")
    assert w.ssh("true").code == 255
    w.gateway.log.wait(r"before that it said: Exceeded MaxStartups\\033\[7m$")
