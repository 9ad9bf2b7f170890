"""HostName is a DNS name: all of its addresses are tried, and it is resolved at each login.

The gateway has its own /etc/hosts here, in a mount namespace.
"""

import os
import subprocess

import pytest

from lab.way import Way

NAME = "machine.example"


@pytest.fixture
def hosts(tmp_path):
    """hosts(addresses): what the name resolves to from now on, for processes started within hosts.within."""
    file = tmp_path / "hosts"
    within = ["unshare", "-m", "sh", "-c", f"mount --bind {file} /etc/hosts && exec \"$@\"", "sh"]

    def say(*addresses):
        file.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {NAME}\n" for a in addresses))

    say()
    if os.getuid() != 0 or subprocess.run([*within, "true"], check=False, capture_output=True).returncode:
        pytest.skip("takes a mount namespace")
    say.within = within
    return say


@pytest.fixture
def named(hosts, make_gateway, make_sshd, ring, tmp_path):
    g = make_gateway(within=hosts.within)
    upstream = make_sshd()
    known = upstream.known_hosts().replace("[127.0.0.1]", f"[{NAME}]")
    g.route("alice", upstream, [ring.get("client")], known_hosts=known, HostName=NAME, ConnectTimeout="30s")
    g.start()
    w = Way("gateway", tmp_path, ring, upstream, g)
    yield w
    w.close()


def test_each_address_of_name_is_tried(named, hosts):
    """An IPv6 and an IPv4 address where nothing listens, before the one that answers."""
    hosts("::1", "127.0.0.77", "127.0.0.1")
    named.answers()
    hosts("127.0.0.77", "::1", "127.0.0.1")
    named.answers()


def test_name_is_resolved_at_each_login(named, hosts):
    hosts("127.0.0.77")
    r = named.ssh("true")
    assert r.code == 255 and "cannot be reached right now" in r.err, r
    hosts("127.0.0.1")
    named.answers()
    hosts()
    r = named.ssh("true")
    assert r.code == 255 and "cannot be reached right now" in r.err, r
    hosts("127.0.0.1")
    named.answers()


def test_log_has_reason_for_each_address(named, hosts):
    hosts("127.0.0.77", "127.0.0.78")
    mark = named.gateway.log.mark()
    assert named.ssh("true").code == 255
    line = named.gateway.log.wait(r"refused: cannot connect: .*", mark)[0]
    for address in ("127.0.0.77", "127.0.0.78"):
        assert f"{NAME} ({address}) port {named.sshd.port}: Connection refused" in line, line


def test_name_with_ipv6_address_alone(hosts, make_gateway, make_sshd, ring, tmp_path):
    g = make_gateway(within=hosts.within)
    try:
        upstream = make_sshd(listen="::1")
    except AssertionError:
        pytest.skip("there is no ::1 here")
    known = upstream.known_hosts().replace("[::1]", f"[{NAME}]")
    g.route("alice", upstream, [ring.get("client")], known_hosts=known, HostName=NAME)
    hosts("::1")
    g.start()
    w = Way("gateway", tmp_path, ring, upstream, g)
    try:
        w.answers()
    finally:
        w.close()
