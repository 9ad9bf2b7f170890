"""ProxyJump: what refuses a login on its way through bastions, and what `check` and `route` say of them."""

import pytest

from lab import net
from lab.gateway import NOT_RELOADED
from lab.refusal import one_line
from lab.sshd import ME
from lab.way import Way


def test_wrong_host_key_of_a_hop(behind, ring):
    b = behind(2)
    other = ring.get("other_host").public
    b.gateway.known_hosts_of("bastion0").write_text(f"[127.0.0.1]:{b.bastions[0].port} {other}\n")
    assert "the host key of the hop bastion0 on the way to your machine could not be verified" in b.refused()
    b.gateway.log.wait(rf"hop bastion0: Host key verification failed for 127\.0\.0\.1 port {b.bastions[0].port}: ")
    assert not b.bastions[0].log.find("Accepted")


def test_wrong_host_key_of_the_machine(behind, ring):
    """The bastion may lead anywhere; the machine's key is the gateway's to judge."""
    b = behind()
    other = ring.get("other_host").public
    b.gateway.known_hosts_of("alice").write_text(f"[127.0.0.1]:{b.machine.port} {other}\n")
    assert "the host key of your machine could not be verified" in b.refused()
    b.bastions[0].log.wait("Accepted publickey")
    assert not b.machine.log.find("Accepted")


def test_hop_that_does_not_take_the_key(behind):
    b = behind(2)
    b.bastions[1].authorized_keys.write_text("")
    assert "the hop bastion1 on the way to your machine did not let the gateway in" in b.refused()
    b.gateway.log.wait(rf"alice from 127\.0\.0\.1 port \d+ refused: hop bastion1: {ME}@127\.0\.0\.1: ")
    assert not b.machine.log.find("Connection from")


@pytest.mark.parametrize("words", [{"AllowTcpForwarding": "no"}, {"PermitOpen": "127.0.0.1:9"}], ids=str)
def test_hop_that_forbids_channels(behind, words):
    b = behind(hop=words)
    assert "the hop bastion0 does not let the gateway go on to your machine; ask your administrator" in b.refused()
    b.gateway.log.wait(
        r"refused: hop bastion0: 127\.0\.0\.1 port \d+: administratively prohibited: open failed: see "
        r"AllowTcpForwarding and PermitOpen there")


def test_machine_that_does_not_answer_the_hop(behind):
    b = behind(route={"Port": net.free_port()})
    assert "your machine cannot be reached from the hop bastion0 right now" in b.refused()
    b.gateway.log.wait(r"refused: hop bastion0: 127\.0\.0\.1 port \d+: the hop cannot connect: Connection refused")


def test_second_hop_that_does_not_answer_the_first(behind):
    b = behind(2)
    b.bastions[1].stop()
    assert "the hop bastion1 on the way to your machine cannot be reached right now" in b.refused()
    b.gateway.log.wait(r"refused: hop bastion1: cannot be reached from the hop bastion0: .*: Connection refused")


def test_first_hop_that_does_not_answer(behind):
    b = behind()
    b.bastions[0].stop()
    assert "the hop bastion0 on the way to your machine cannot be reached right now" in b.refused()
    b.gateway.log.wait(r"refused: hop bastion0: cannot connect: 127\.0\.0\.1.* port \d+: Connection refused")


def test_hosts_are_tried_in_order_through_the_hop(behind):
    """127.0.0.2 has the port, too, but nothing listens there."""
    b = behind(route={"HostName": "127.0.0.2 127.0.0.1"})
    assert b.ssh("echo in").text == "in\n"
    b.gateway.log.wait(r"127\.0\.0\.1 is used instead of another address: 127\.0\.0\.2 port \d+: the hop cannot "
                       "connect: Connection refused")


def test_slow_hop_is_given_up(behind):
    """ConnectTimeout is for each hop: for its login, and for its connection to the next machine."""
    b = behind()
    silent = net.Server(lambda s: all(iter(lambda: s.recv(4096), b"")))
    b.gateway.known_hosts_of("bastion0").write_text("")
    b.gateway.write("10-bastion0.ini", "route bastion0", {
        "Mode": "hop", "HostName": "127.0.0.1", "Port": silent.port, "User": ME, "Key": "bastion0",
        "UserKnownHostsFile": "conf.d/bastion0.known_hosts", "ConnectTimeout": "1s"})
    b.gateway.hangup()
    assert "the hop bastion0 on the way to your machine cannot be reached right now" in b.refused()
    b.gateway.log.wait("refused: hop bastion0: .*127.0.0.1.*timed out")
    silent.close()


def test_machine_that_is_silent_to_the_hop_is_given_up(behind):
    b = behind()
    hole = net.BlackHole("127.0.0.9", net.free_port())
    b.gateway.route("bob", b.machine, [b.way.ring.get("client")], HostName="127.0.0.9", Port=hole.port,
                    ConnectTimeout="1s", ProxyJump="bastion0")
    b.gateway.hangup()
    r = b.way.new_client(user="bob").ssh("true")
    assert "your machine cannot be reached from the hop bastion0 right now" in one_line(r.err)
    b.gateway.log.wait(r"refused: hop bastion0: 127\.0\.0\.9 port \d+: timed out")
    hole.close()


# --- configuration ---

def test_route_shows_the_way(behind):
    b = behind(2)
    text = b.gateway.command("route", "alice")
    assert (f"\nthrough    {ME}@127.0.0.1 port {b.bastions[0].port} (bastion0)\n"
            f"then       {ME}@127.0.0.1 port {b.bastions[1].port} (bastion1)\n") in text


def test_address_that_a_machine_sees_is_the_hops(behind):
    b = behind()
    args = ("key", "public", "alice", "--for", "alice")
    p = b.gateway.sallyport(*args, "-c", b.gateway.conf)
    assert p.returncode == 1 and b"the upstream sees the address of the hop bastion0 (ProxyJump): give it" in p.stderr
    b.machine.authorized_keys.write_text(b.gateway.command(*args, "--from", "127.0.0.1"))
    assert b.ssh("echo in").text == "in\n"


def test_trial_is_of_the_first_hop(behind):
    b = behind()
    p = b.gateway.sallyport("route", "alice", "--dial", "-c", b.gateway.conf)
    text = p.stdout.decode()
    assert p.returncode == 0, text
    assert f"\ndial       first the hop bastion0:\ndial       127.0.0.1 port {b.bastions[0].port}: SSH-2.0-" in text
    assert f"127.0.0.1 port {b.machine.port}: not tried: only a login goes through the hop bastion0\n" in text
    b.bastions[0].stop()
    p = b.gateway.sallyport("route", "alice", "--dial", "-c", b.gateway.conf)
    assert p.returncode != 0 and "Connection refused" in p.stdout.decode()


UNFIT = [
    ({"ProxyJump": "nobody"}, "ProxyJump: there is no [route nobody] in conf.d"),
    ({"ProxyJump": "alice"}, "ProxyJump: alice leads back to itself"),
    ({"ProxyJump": "h4"}, "ProxyJump: more than 3 hops"),
    ({"ProxyJump": "loop1"}, "ProxyJump: loop1 leads back to itself"),
    ({"ProxyJump": "carried"}, "ProxyJump: [route carried] has Passthrough, and a hop is logged in to with a stored"),
    ({"ProxyJump": "own-agent"}, "ProxyJump: [route own-agent] has Key = agent, and a hop is logged in to with a"),
    ({"ProxyJump": "bastion0", "ConnectVia": "socks5://127.0.0.1:1"},
     "ConnectVia has no meaning with ProxyJump, where the hop connects to the machine; write it into [route bastion0]"),
    ({"ProxyJump": "bastion0", "SendProxy": "v2"}, "SendProxy has no meaning with ProxyJump"),
    ({"ProxyJump": "bastion0", "StrictHostKeyChecking": "accept-new"},
     "StrictHostKeyChecking = accept-new cannot be combined with ProxyJump: the gateway can look at the host keys"),
    ({"ProxyJump": "bastion0", "ResolveSRV": "yes"}, "ResolveSRV has no meaning with ProxyJump"),
    ({"ProxyJump": "bastion0", "AllowDestinations": "*"}, "AllowDestinations cannot be combined with ProxyJump"),
    ({"ProxyJump": "bastion0", "HostName": "tunnel:box"}, "a tunnel ends at this gateway, and is not reached by"),
    ({"ProxyJump": "*"}, '"*" is not the name of a route'),
    ({"ProxyJump": "bastion0", "Mode": "hop"}, "AuthorizedKeysFile has no meaning with Mode = hop: nobody logs in"),
]


def test_check_names_what_cannot_be(make_gateway, make_sshd, ring):
    g, sshd = make_gateway(), make_sshd()
    hop = {"AuthorizedKeysFile": None, "Mode": "hop", "key": "bastion0"}
    g.route("bastion0", sshd, **hop)
    for i in range(1, 5):
        g.route(f"h{i}", sshd, ProxyJump=f"h{i - 1}" if i > 1 else None, **hop)
    g.route("carried", sshd, key="agent", Key=None, AuthorizedKeysFile=None, Passthrough="yes")
    g.route("own-agent", sshd, [ring.get("client")], key="agent")
    g.route("alice", sshd, [ring.get("client")], key="bastion0", ProxyJump="h3")
    assert g.notes() == ""
    for name, other in (("loop1", "loop2"), ("loop2", "loop1")):
        g.route(name, sshd, ProxyJump=other, **hop)
    for words, said in UNFIT:
        g.route("alice", sshd, [ring.get("client")], key="bastion0", **words)
        status, text = g.check()
        assert status == 78 and said in text, text


def test_reload_keeps_the_hops_that_there_are(behind):
    b = behind()
    (b.gateway.conf / "10-bastion0.ini").rename(b.gateway.conf / "10-bastion0.off")
    assert "ProxyJump: there is no [route bastion0] in conf.d" in b.gateway.hangup(NOT_RELOADED)
    assert b.ssh("echo in").text == "in\n"


def test_hop_that_is_missing_is_named_at_the_login(make_gateway, make_sshd, ring, tmp_path):
    """A route that another backend finds is checked when it is used."""
    tree = tmp_path / "tree"
    g, sshd = make_gateway(), make_sshd()
    g.route("bastion0", sshd, AuthorizedKeysFile=None, Mode="hop")
    for login, hop in (("alice", "bastion0"), ("bob", "nobody")):
        (tree / login).mkdir(parents=True)
        (tree / login / "route.ini").write_text(
            f"HostName = {sshd.host}\nPort = {sshd.port}\nUser = {ME}\nKey = bastion0\nProxyJump = {hop}\n")
        (tree / login / "authorized_keys").write_text(ring.get("client").public + "\n")
        (tree / login / "known_hosts").write_text(sshd.known_hosts())
    g.write("30-lookup.ini", "lookup", {"Order": "directory"}, f"[lookup directory]\nPath = {tree}\n")
    g.start()
    w = Way("gateway", tmp_path, ring, sshd, g)
    assert w.lets_in("alice")
    assert "cannot log you in right now" in one_line(w.new_client(user="bob").ssh("true").err)
    g.log.wait(r"bob from 127\.0\.0\.1 port \d+ refused: ProxyJump: there is no \[route nobody\] in conf\.d")
    w.close()
