"""SendProxy: HAProxy in front of the upstream reads the header, and says which addresses it has read."""

import re

import pytest

from lab import net
from lab.gateway_operator import HAProxy
from lab.way import Way

CONFIG = """
global
	log stdout format raw local0
	nbthread 1
defaults
	mode tcp
	timeout connect 10s
	timeout client 1m
	timeout server 1m
frontend machine
	bind 127.0.0.1:{port} accept-proxy
	log global
	option logasap
	log-format "read %ci %cp %fi %fp"
	default_backend sshd
backend sshd
	server one {sshd}
"""


@pytest.fixture
def behind(make_gateway, make_sshd, ring, tmp_path):
    """behind(version, host): a gateway at host, and a route through an HAProxy that demands the header."""
    made = []

    def make(version, host="127.0.0.1", known=True, **route):
        upstream = make_sshd()
        port = net.free_port()
        proxy = HAProxy(CONFIG.format(port=port, sshd=net.at(upstream.host, upstream.port)), ("127.0.0.1", port))
        made.append(proxy.stop)
        g = make_gateway(host=host)
        lines = upstream.known_hosts().replace(f":{upstream.port} ", f":{port} ")
        g.route("alice", upstream, [ring.get("client")], known_hosts=lines if known else "", Port=port,
                SendProxy=version, **route)
        g.start()
        w = Way("gateway", tmp_path / "way", ring, upstream, g)
        w.client = w.new_client(HostName=host)
        w.proxy = proxy
        made.append(w.close)
        return w

    yield make
    for step in reversed(made):
        step()


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(
    not net.has_ipv6(), reason="there is no ::1 here"))])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_address_of_the_client_arrives(behind, version, host):
    w = behind(version, host)
    data = bytes(range(256)) * 64
    assert w.ssh("cat", stdin=data).out == data
    login = w.gateway.log.wait(rf"Accepted publickey for alice from {host} port (\d+) ssh2")
    w.proxy.log.wait(rf"^read {host} {login[1]} {host} {w.gateway.port}$")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_connections_of_the_gateway_itself(behind, version):
    """`route --dial`, and the look at a new host key: the header has no client."""
    w = behind(version, known=False, StrictHostKeyChecking="accept-new")
    out = w.gateway.command("route", "alice", "--dial")
    assert re.search(r"^dial .*: SSH-2\.0-OpenSSH.* is not known: the first login will store it", out, re.M), out
    w.answers()
    assert w.gateway.log.find(r"the host key of 127\.0\.0\.1 port \d+ is new")


def test_upstream_that_demands_a_header(behind):
    """HAProxy takes no connection without one: what the other tests show is not by chance."""
    w = behind("no")
    assert w.ssh("true").code == 255


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_sshd_does_not_expect_a_header(gated, version):
    """The log and `route --dial` name the keyword."""
    w = gated(route={"SendProxy": version})
    hint = rf"; the route has SendProxy = {version}: does this port expect a PROXY header\?$"
    assert w.ssh("true").code == 255
    w.gateway.log.wait(hint)
    p = w.gateway.sallyport("route", "alice", "--dial", "-c", w.gateway.conf)
    assert p.returncode == 1 and re.search("^dial .*" + hint, p.stdout.decode(), re.M), p
