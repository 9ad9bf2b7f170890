"""The other way round: to the machine, all the people of the gateway are one source, and it penalises that.

sshd 9.8 and later has PerSourcePenalties.  Where this machine's is older, $LAB_NEW_SSHD may name another.
"""

import pytest

from lab import net
from lab.sshd import penalising
from lab.strangers import guess, refused
from lab.wait import wait_for
from lab.way import Way

LINE = (r"refused: 127\.0\.0\.1 port \d+ refuses the gateway for a time \(PerSourcePenalties there, or MaxStartups\): "
        r"add the gateway's address to PerSourcePenaltyExemptList in its sshd_config$")


def new_sshd():
    if not penalising():
        pytest.skip("no sshd 9.8 or later here")
    return penalising()


def told(way, client):
    mark = way.gateway.log.mark()
    r = client.ssh("true")
    assert r.code == 255 and "your machine cannot be reached right now" in r.err, r
    way.gateway.log.wait(LINE, mark)
    assert not way.gateway.log.find("has CHANGED|crashed", mark)


def test_penalty_of_the_machine_is_named(gated):
    w = gated(sshd={"program": new_sshd(), "PerSourcePenalties": "noauth:1h min:1s"})
    w.answers()

    wait_for("the penalty", lambda: refused(w.sshd.port))
    told(w, w.client)


def test_strangers_by_passthrough_lock_everybody_out_unless_the_gateway_is_exempt(gated, ring):
    for exempt in (None, "127.0.0.0/8"):
        options = {"PerSourcePenaltyExemptList": exempt} if exempt else {}
        w = gated(sshd={"program": new_sshd(), "PasswordAuthentication": "yes",
                        "PerSourcePenalties": "authfail:1h min:1s", **options})
        w.gateway.route("bob", w.sshd, [], Passthrough="yes", Key=None, AuthorizedKeysFile=None)
        assert w.gateway.sallyport("reload", "-c", w.gateway.conf).returncode == 0
        assert guess(w.gateway.port, "bob") == 1
        w.gateway.quiet()
        w.sshd.quiet()
        if exempt:
            w.answers()
        else:
            told(w, w.client)


@pytest.fixture
def says(make_gateway, make_sshd, ring, tmp_path):
    """says(bytes, ...): by a gateway to a machine that says this and closes."""
    servers = []

    def make(words, **route):
        servers.append(net.Server(lambda s: s.sendall(words)))
        machine = make_sshd()
        g = make_gateway()
        g.route("alice", machine, [ring.get("client")], Port=servers[-1].port, **route)
        return Way("gateway", tmp_path, ring, machine, g.start())

    yield make
    for s in servers:
        s.close()


def test_words_of_such_an_sshd(says):
    """The same without one: these bytes are all that it sends."""
    w = says(b"Not allowed at this time\r\n")
    told(w, w.client)


def test_look_at_a_host_key_is_refused(says):
    w = says(b"Not allowed at this time\r\n", StrictHostKeyChecking="accept-new", known_hosts="")
    told(w, w.client)
    r = w.gateway.sallyport("route", "alice", "--dial", "-c", w.gateway.conf)
    assert r.returncode == 1 and b"before that it said: Not allowed at this time" in r.stderr + r.stdout, r


def test_other_words_before_the_version_are_in_the_log(says):
    w = says(b"Exceeded MaxStartups\x1b[7m\r\nreally\r\n")
    assert w.ssh("true").code == 255
    w.gateway.log.wait(r"before that it said: Exceeded MaxStartups\\033\[7m$")
