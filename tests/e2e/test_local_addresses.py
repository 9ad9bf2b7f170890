"""Addresses that choose the machine: a whole prefix, and addresses that are not on the host yet."""

import re

import pytest

from lab import net
from lab.wait import PATIENCE
from lab.way import Way

PREFIX = "2001:db8:64:1"
WHOSE = "echo $WHOSE"


@pytest.fixture(autouse=True)
def network(own_network):
    """Before the daemons of each test, and after them."""
    own_network.need_ipv6()
    return own_network


@pytest.fixture
def machines(make_sshd):
    return {name: make_sshd(env={"WHOSE": name}) for name in ("vm7", "vm8")}


@pytest.fixture
def connect(ring, tmp_path):
    """connect(gateway, address): a client of the gateway at this address."""
    ways = []

    def at(gateway, address, login="alice", key=None):
        w = Way("gateway", tmp_path / f"way{len(ways)}", ring, None, gateway, login=login)
        ways.append(w)
        known = "".join(f"[{address}]:{gateway.port} {k.public}\n" for k in gateway.host_keys)
        return w.new_client(key, known_hosts=known, HostName=address)

    yield at
    for w in ways:
        w.close()


def test_prefix_has_an_address_for_each_machine(network, make_gateway, machines, connect, ring):
    """One wildcard listener for a /64: each address is a machine, for whatever login, among 2,000 routes."""
    network.ip(f"-6 route add local {PREFIX}::/64 dev lo")
    port = net.free_port()
    g = make_gateway(port=port, host="::", ListenAddress=f"[::]:{port}")
    keys = [ring.get("client")]
    for name, sshd in machines.items():
        g.route(f"*/{name}", sshd, keys, key=name, MatchLocalAddress=f"{PREFIX}::{name[2:]}")
    text = (g.conf / "10-__vm7.ini").read_text()
    (g.conf / "05.ini").write_text("".join(
        text.replace("[route */vm7]", f"[route */other{i}]").replace(f"{PREFIX}::7", f"{PREFIX}:1::{i:x}")
        for i in range(1, 2000)))
    g.route("*/net", machines["vm8"], keys, key="vm8", MatchLocalAddress=f"{PREFIX}:2::/80 !{PREFIX}:2::1")
    g.start()
    assert connect(g, f"{PREFIX}::7").ssh(WHOSE).text == "vm7\n"
    assert connect(g, f"{PREFIX}::8", "bob").ssh(WHOSE).text == "vm8\n"
    assert connect(g, f"{PREFIX}:1::7cf").ssh(WHOSE).text == "vm7\n"
    assert connect(g, f"{PREFIX}:2::abcd").ssh(WHOSE).text == "vm8\n"
    refused = connect(g, f"{PREFIX}::7", key=ring.get("stranger")).ssh("true")
    for unknown in (f"{PREFIX}::9", f"{PREFIX}:2::1", "::1"):
        r = connect(g, unknown).ssh("true")
        assert r.code == 255 and "Permission denied" in r.err
        assert r.err.replace(unknown, f"{PREFIX}::7") == refused.err
    out = g.command("route", "anybody", "--to", f"[{PREFIX}::8]:{port}")
    assert "[route */vm8] at" in out


def test_prefix_is_the_gateway_itself(network, make_gateway, machines, connect, ring):
    """A jump does not lead to an address of it, although a network in AllowDestinations has it."""
    network.ip(f"-6 route add local {PREFIX}::/64 dev lo", "-6 addr add 2001:db8:9::1/128 dev lo")
    port = net.free_port()
    g = make_gateway(port=port, host="::", ListenAddress=f"[::]:{port}")
    g.route("alice", machines["vm7"], [ring.get("client")])
    (g.conf / "20.ini").write_text("[route jump]\nMode = jump\nAllowDestinations = [2001:db8::/32]:*\n"
                                   "AuthorizedKeysFile = conf.d/alice.pub\n")
    g.start()
    c = connect(g, f"{PREFIX}::7", "jump")
    for address in (f"{PREFIX}::8", "2001:db8:9::1"):
        assert c.ssh("-W", f"[{address}]:{port}", "").code == 255
        g.log.wait(rf"was refused a jump to {address} port {port}: .*AllowDestinations does not permit this address")


@pytest.mark.parametrize("address", [f"{PREFIX}::7", "192.0.2.7"])
def test_address_that_comes_later(network, make_gateway, machines, connect, ring, address):
    """ListenFreeBind binds it at the start and at a reload, and it serves once the host has it."""
    options = {"ListenAddress": net.at(address, net.free_port())}
    g = make_gateway(host=address, port=int(options["ListenAddress"].rsplit(":", 1)[1]), **options)
    g.route("alice", machines["vm7"], [ring.get("client")], MatchLocalAddress=address)
    g.spawn()
    assert g.process.wait(PATIENCE) != 0
    said = (rf"cannot bind {re.escape(address)} port {g.port}: Cannot assign requested address "
            r"\(this host does not have it; ListenFreeBind = yes binds it all the same\)")
    g.log.wait(said)

    g.options["ListenAddress"] = f"127.0.0.1:{g.port}"
    g.write_gateway()
    g.host, later = "127.0.0.1", g.host
    g.start()
    g.options["ListenAddress"] += " " + net.at(later, g.port)
    g.write_gateway()
    p = g.reload()
    assert p.returncode != 0 and re.search(said.replace("cannot bind", "cannot listen on"), p.stderr.decode()), p
    g.options["ListenFreeBind"] = "yes"
    g.write_gateway()
    g.command("reload")
    network.ip(f"addr add {later} dev lo")
    assert connect(g, later).ssh(WHOSE).text == "vm7\n"
    g.stop()
    network.ip(f"addr del {later} dev lo")
    g.start()
    network.ip(f"addr add {later} dev lo")
    assert connect(g, later).ssh(WHOSE).text == "vm7\n"
