"""Client, gateway and upstream on IPv6: the same words, with addresses in brackets."""

import re

import pytest

from lab import net
from lab.way import Way


pytestmark = pytest.mark.skipif(not net.has_ipv6(), reason="there is no ::1 here")

WHOSE = "echo $WHOSE"


@pytest.fixture
def v6(make_gateway, make_sshd, ring, tmp_path):
    """v6(words of the route): ListenAddress [::1]:P, HostName ::1, and [::1]:P in known_hosts."""
    ways = []

    def make(more=lambda g: None, **route):
        upstream = make_sshd(listen="::1")
        g = make_gateway(host="::1")
        g.route("alice", upstream, [ring.get("client")], **route)
        more(g)
        g.start()
        w = Way("gateway", tmp_path, ring, upstream, g)
        w.client = w.new_client(HostName="::1")
        ways.append(w)
        return w

    yield make
    for w in ways:
        w.close()


def test_ipv6_on_both_legs(v6):
    w = v6()
    r = w.ssh("echo $SSH_CONNECTION")
    assert r.text.split()[0] == "::1" and r.text.split()[2:] == ["::1", str(w.sshd.port)], r
    w.gateway.log.wait(r"Accepted publickey for alice from ::1 port \d+ ssh2")
    w.gateway.log.wait(rf"Server listening on ::1 port {w.gateway.port}\.")
    data = bytes(range(256)) * 4096
    assert w.ssh("cat", stdin=data).out == data
    out = w.gateway.command("route", "alice", "--dial", "--from", "::1")
    assert f"@::1 port {w.sshd.port}" in out and f"dial       ::1 port {w.sshd.port}: SSH-2.0-" in out
    assert re.search(r" SHA256:\S+ is known \(.*alice\.known_hosts:\d\)$", out, re.M)


def test_changed_host_key_over_ipv6(v6, ring):
    """The line of known_hosts for [::1]:PORT counts."""
    w = v6()
    file = w.gateway.known_hosts_of("alice")
    file.write_text(re.sub("ssh-ed25519 .*", ring.get("stranger").public, file.read_text().split("\n")[0]) + "\n")
    r = w.ssh("true")
    assert r.code == 255 and "host key" in r.err, r
    file.write_text(w.sshd.known_hosts().replace("[::1]", "[::2]"))
    assert w.ssh("true").code == 255
    file.write_text(w.sshd.known_hosts())
    w.answers()


def test_host_key_fingerprint_over_ipv6(v6, ring):
    fingerprint = ring.get("upstream_host", "ed25519").fingerprint
    w = v6(UserKnownHostsFile=None, HostKeyFingerprint=fingerprint)
    w.answers()


@pytest.mark.parametrize("options, may", [
    ('from="::1"', True),
    ('from="::/64,10.0.0.0/8"', True),
    ('from="2001:db8::/32,0:0:0::1"', True),
    ('from="2001:db8::/32"', False),
    ('from="!::1,*"', False),
    ('from="127.0.0.1"', False),
])
def test_from_option_with_ipv6(v6, ring, options, may):
    w = v6()
    (w.gateway.conf / "alice.pub").write_text(f"{options} {ring.get('client').public}\n")
    assert (w.ssh("echo in").text == "in\n") is may
    p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf, "--from", "::1",
                            "--key", ring.get("client").path.with_suffix(".pub"))
    assert (p.returncode == 0) is may, p


@pytest.mark.parametrize("words, yes", [
    ({"MatchAddress": "::/16"}, True),
    ({"MatchAddress": "2001:db8::/32, ::1/128"}, True),
    ({"MatchAddress": "::/16 !::1"}, False),
    ({"MatchAddress": "2001:db8::/32 127.0.0.0/8"}, False),
    ({"MatchLocalAddress": "::1"}, True),
    ({"MatchLocalAddress": "::2/127"}, False),
])
def test_match_address_with_ipv6(v6, make_sshd, ring, words, yes):
    other = make_sshd(listen="::1", env={"WHOSE": "matched"})
    w = v6(lambda g: g.route("alice/matched", other, [ring.get("client")], key="other", **words))
    assert w.ssh(WHOSE).text == ("matched\n" if yes else "\n")
