"""HostName is a name: all of its addresses are tried, and it is looked up afresh at each login.

The gateway has an /etc/hosts of its own here, in a mount namespace.
"""

import os
import subprocess

import pytest

from lab.way import Way

NAME = "machine.example"


@pytest.fixture
def hosts(tmp_path):
    """hosts(addresses): what the name means from now on to who runs within hosts.within."""
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
    machine = make_sshd()
    known = machine.known_hosts().replace("[127.0.0.1]", f"[{NAME}]")
    g.route("alice", machine, [ring.get("client")], known_hosts=known, HostName=NAME, ConnectTimeout="5s")
    g.start()
    w = Way("gateway", tmp_path, ring, machine, g)
    yield w
    w.close()


def test_each_address_is_tried(named, hosts):
    """An IPv6 address and an IPv4 one at which nobody is, in front of the one that answers."""
    hosts("::1", "127.0.0.77", "127.0.0.1")
    named.answers()
    hosts("127.0.0.77", "::1", "127.0.0.1")
    named.answers()


def test_a_name_is_looked_up_afresh(named, hosts):
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


def test_the_reason_for_each_address_is_in_the_log(named, hosts):
    hosts("127.0.0.77", "127.0.0.78")
    mark = named.gateway.log.mark()
    assert named.ssh("true").code == 255
    line = named.gateway.log.wait(r"refused: cannot connect: .*", mark)[0]
    for address in ("127.0.0.77", "127.0.0.78"):
        assert f"{NAME} ({address}) port {named.sshd.port}: Connection refused" in line, line


def test_a_name_with_an_ipv6_address_alone(hosts, make_gateway, make_sshd, ring, tmp_path):
    g = make_gateway(within=hosts.within)
    try:
        machine = make_sshd(listen="::1")
    except AssertionError:
        pytest.skip("there is no ::1 here")
    known = machine.known_hosts().replace("[::1]", f"[{NAME}]")
    g.route("alice", machine, [ring.get("client")], known_hosts=known, HostName=NAME)
    hosts("::1")
    g.start()
    w = Way("gateway", tmp_path, ring, machine, g)
    try:
        w.answers()
    finally:
        w.close()
