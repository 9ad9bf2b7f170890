"""ProxyJump: machines behind bastions, which the gateway logs in to for each session."""

import pytest

from lab import net
from lab.account import PASSWORD
from lab.agent import Agent
from lab.bulk import sha256_of
from lab.client import echoes, open_session
from lab.proxies import Microsocks
from lab.refusal import one_line
from lab.tunnels import Tunnels
from lab.upstream import PASSTHROUGH
from lab.wait import wait_for

DATA = bytes(range(256)) * 8000  # 2 MB


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_machine_is_reached_through_hops(behind, hops):
    b = behind(hops)
    assert b.ssh("cat; exit 7", stdin=DATA).outcome == (7, DATA, "")
    b.gateway.log.wait(b.through())
    assert b.ssh("kill -TERM $$").code == 255


def test_processes_are_named_and_end_with_the_session(behind):
    b = behind(2)
    p = open_session(b.way.client)
    titles = ["sallyport: hop bastion0 -> 127.0.0.1 for alice", "sallyport: hop bastion1 -> 127.0.0.1 for alice"]
    assert sorted(h.title() for h in b.gateway.role("hop")) == titles
    (session,) = b.gateway.sessions("alice")
    session.kill()
    wait_for("the end of the hops", lambda: not b.gateway.role("hop"))
    p.wait(60)
    for sshd in b.bastions:
        sshd.quiet()


@pytest.mark.parametrize("victim", [0, 1])
def test_session_ends_with_a_hop(behind, victim):
    b = behind(2)
    p = open_session(b.way.client)
    b.gateway.role(f"hop bastion{victim}")[0].kill()
    assert p.wait(60) == 255
    wait_for("the end of the hops", lambda: not b.gateway.role("hop"))
    b.gateway.log.wait("upstream: ")
    b.ssh("true")


def test_bastion_that_dies_ends_the_session(behind):
    b = behind()
    p = open_session(b.way.client)
    for s in b.bastions[0].sessions():
        s.kill()
    assert p.wait(60) == 255
    b.gateway.log.wait("alice from .* closed after .*: upstream: ")


def test_bulk_both_ways(behind, bulk):
    """Two megabytes at most wait in a hop: the rest waits where it comes from."""
    b, file = behind(2), bulk(50)
    with open(file.path, "rb") as f:
        p = b.way.client.spawn("cat", stdin=f)
        assert sha256_of(p.stdout) == file.sha256
    assert p.wait(60) == 0


@pytest.mark.parametrize("side", ["route", "sshd"])
def test_keys_of_a_hop_are_exchanged_anew_meanwhile(behind, bulk, side):
    """The carrier needs no keeper for that: a hop has to show the same host key again."""
    file = bulk(20)
    b = behind(hop={"RekeyLimit": "2M", "LogLevel": "DEBUG1"} if side == "sshd" else {"LogLevel": "DEBUG1"})
    if side == "route":
        b.hop_route(0, b.bastions[0], RekeyLimit="2M")
        b.gateway.hangup()
    with open(file.path, "rb") as f:
        assert b.ssh("sha256sum", stdin=f).text.split()[0] == file.sha256
    assert b.bastions[0].log.text().count("SSH2_MSG_NEWKEYS received") > 5


def test_sftp_and_forwards(behind, bulk, tmp_path, echo, digest):
    """As to any machine: half-closed connections, those that the machine's side opens."""
    b, file = behind(), bulk(5)
    back = tmp_path / "back"
    b.way.client.sftp(f"put {file.path} {tmp_path}/there\nget {tmp_path}/there {back}\n")
    assert back.read_bytes() == file.path.read_bytes()
    here, there, far = net.free_port(), net.free_port(), net.free_port()
    b.way.client.forward("-L", f"127.0.0.1:{here}:127.0.0.1:{digest.port}", "-L",
                         f"127.0.0.1:{there}:127.0.0.1:{echo.port}", "-R", f"127.0.0.1:{far}:127.0.0.1:{echo.port}",
                         ready=[("127.0.0.1", p) for p in (here, there, far)])
    assert net.exchange(("127.0.0.1", here), DATA) == net.sha256(DATA)
    assert net.exchange(("127.0.0.1", there), DATA) == DATA
    assert net.exchange(("127.0.0.1", far), DATA) == DATA


def test_restart_leaves_sessions_through_hops(behind):
    b = behind()
    p = open_session(b.way.client)
    b.gateway.kill()
    b.gateway.start()
    echoes(p)
    p.stdin.close()
    assert p.wait(60) == 0
    wait_for("the end of the hop", lambda: not b.gateway.role("hop"))
    b.way.close()


def test_session_goes_on_without_its_keeper(behind):
    """New keys for the hop as well."""
    b = behind(hop={"RekeyLimit": "1M"})
    p = open_session(b.way.client)
    (keeper,) = b.gateway.keepers()
    keeper.kill()
    b.gateway.process.wait(60)
    echoes(p, DATA * 2)
    p.stdin.close()
    assert p.wait(60) == 0
    wait_for("the end of the hop", lambda: not b.gateway.role("hop"))


def test_dead_machine_keeps_nobody_from_the_hop(behind):
    """Ten wait for it, which are more than log in at one host at a time."""
    b = behind()
    hole = net.BlackHole("127.0.0.9", net.free_port())
    b.gateway.route("bob", b.machine, [b.ring.get("client")], HostName="127.0.0.9", Port=hole.port,
                    ConnectTimeout="60s", ProxyJump="bastion0")
    b.gateway.hangup()
    waiting = b.way.new_client(user="bob")
    stuck = [waiting.spawn("true") for _ in range(10)]
    assert b.ssh("echo in").text == "in\n"
    for p in stuck:
        p.kill()
        p.wait(60)
    hole.close()


# --- its first connection, and other ways to log in ---

def test_first_hop_is_reached_by_a_proxy(behind):
    proxy = Microsocks()
    b = behind()
    b.hop_route(0, b.bastions[0], ConnectVia=proxy.url)
    b.gateway.hangup()
    assert b.ssh("echo in").text == "in\n"
    proxy.stop()
    assert "the hop bastion0 on the way to your machine cannot be reached right now" in b.refused()


def test_nobody_logs_in_by_the_route_of_a_hop(behind):
    b = behind()
    assert not b.way.lets_in("bastion0")
    b.gateway.log.wait("Mode = hop: nobody logs in by this route")
    assert "\nwho        nobody: it is for ProxyJump of other routes" in b.gateway.command("route", "bastion0")
    line = b.gateway.command("key", "public", "bastion0", "--for", "bastion0")
    assert line.startswith('restrict,from="127.0.0.1",port-forwarding,permitlisten="none.invalid:1" ssh-ed25519 ')


def test_route_of_a_login_may_be_a_hop(behind, ring):
    b = behind()
    b.gateway.route("ops", b.bastions[0], [ring.get("client")])
    b.gateway.route("bob", b.machine, [ring.get("client")], ProxyJump="ops")
    b.gateway.hangup()
    assert b.way.lets_in("ops") and b.way.lets_in("bob")


def test_login_names_its_hop(behind):
    b = behind()
    b.gateway.route("*-vm", b.machine, [b.ring.get("client")], key="alice", ProxyJump="%1")
    b.gateway.hangup()
    assert b.way.lets_in("bastion0-vm")
    assert not b.way.lets_in("other-vm")
    b.gateway.log.wait(r"other-vm from .* refused: ProxyJump: there is no \[route other\] in conf\.d")
    assert not b.way.lets_in("alice-vm")
    b.gateway.log.wait(r"alice-vm from .* refused: ProxyJump: \[route alice\] lacks Mode = hop, which a hop has to have")


def test_first_key_of_a_hop_is_learnt(behind):
    """The gateway reaches it itself, and looks."""
    b = behind()
    b.hop_route(0, b.bastions[0], StrictHostKeyChecking="accept-new")
    b.gateway.known_hosts_of("bastion0").write_text("")
    b.gateway.kill(15)
    b.gateway.start()
    assert b.ssh("echo in").text == "in\n"
    b.gateway.log.wait("hop bastion0: the host key of 127.0.0.1 port .* is new: ")


def test_first_hop_gets_the_header_of_the_client(behind):
    heard = []
    server = net.Server(lambda s: heard.append(s.recv(100)))
    b = behind()
    b.hop_route(0, b.bastions[0], Port=server.port, SendProxy="v1")
    b.gateway.hangup()
    b.refused()
    assert heard[0].startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
    server.close()


def test_hop_is_logged_in_to_with_a_stored_password(behind, account):
    b = behind(hop={"UsePAM": "yes", "PasswordAuthentication": "yes"})
    p = b.gateway.sallyport("key", "add", "hop-password", "--password", "-c", b.gateway.conf,
                            stdin=PASSWORD.encode() + b"\n")
    assert p.returncode == 0
    b.hop_route(0, b.bastions[0], Key=None, Password="hop-password", User=account)
    b.gateway.hangup()
    assert b.ssh("echo in").text == "in\n"
    b.bastions[0].log.wait(f"Accepted password for {account} ")


def test_user_logs_in_behind_a_hop_by_password(behind, account):
    """With Passthrough the machine judges it; the hop's key signs before that."""
    b = behind(machine={"UsePAM": "yes", "PasswordAuthentication": "yes"}, route={**PASSTHROUGH, "User": account})
    t = b.way.client.prompting("id -un")
    t.expect("[Pp]assword: ")
    t.send(PASSWORD + "\n")
    t.expect(account)
    assert t.wait() == 0
    t.close()


def test_agent_of_the_user_logs_in_behind_a_hop(behind, ring, short):
    b = behind(route={"Key": "agent"})
    agent = Agent(b.way, short / "a")
    b.machine.authorized_keys.write_text(agent.add(ring.get("agent")).public + "\n")
    assert b.ssh("echo in").text == "in\n"


def test_hop_may_be_behind_a_tunnel(gated, make_sshd, ring):
    """A bastion that keeps `ssh -NR` open at the gateway."""
    t = Tunnels(gated())
    machine = make_sshd()
    t.gateway.route("bastion", t.way.sshd, key="alice", AuthorizedKeysFile=None, Mode="hop", HostName="tunnel:box",
                    Port=None, UserKnownHostsFile="conf.d/box.known_hosts")
    t.gateway.route("bob", machine, [ring.get("client")], ProxyJump="bastion")
    t.gateway.hangup()
    w = t.way.new_client(user="bob")
    assert "the hop bastion on the way to your machine is not connected to the gateway" in one_line(w.ssh("true").err)
    t.hold_box()
    assert w.ssh("echo in").text == "in\n"


def test_login_grace_time_is_for_the_whole_way(behind):
    b = behind(gateway={"LoginGraceTime": "3s"})
    hole = net.BlackHole("127.0.0.9", net.free_port())
    b.gateway.route("alice", b.machine, [b.ring.get("client")], HostName="127.0.0.9", Port=hole.port,
                    ConnectTimeout="60s", ProxyJump="bastion0")
    b.gateway.hangup()
    assert b.ssh("true").code == 255
    b.gateway.log.wait("Timeout before authentication for 127.0.0.1")
    b.gateway.quiet()
    hole.close()
