"""Mode = tunnel: `ssh -NR` at the gateway, and a machine behind it as the upstream of a route (HostName = tunnel:NAME)."""

import re
import signal

import pytest

from lab import net
from lab.memory import assert_bounded
from lab.sshd import ME
from lab.taken_over import TakenOver
from lab.tunnels import Tunnels


@pytest.fixture
def tunnels(gated):
    return lambda **words: Tunnels(gated(), **words)


def end(p):
    p.terminate()
    p.communicate(timeout=60)


def test_machine_behind_a_tunnel_is_a_route_like_any_other(tunnels, tmp_path):
    t = tunnels()
    t.hold_box()
    w = t.way
    assert w.ssh("echo in; echo err >&2; exit 7").outcome == (7, b"in\n", "err\n")
    data = bytes(range(256)) * 80_000
    file = tmp_path / "file"
    file.write_bytes(data)
    w.client.sftp(f"put {file} {tmp_path}/copy\nget {tmp_path}/copy {tmp_path}/back\n")
    assert (tmp_path / "back").read_bytes() == data
    assert w.ssh("sha256sum", stdin=data).text.split()[0].encode() == net.sha256(data).strip()
    t.log.wait(rf"alice from 127\.0\.0\.1 port \d+ -> {ME}@tunnel:box port 22 ")
    t.log.wait(r"127\.0\.0\.1 port \d+ connects to the tunnel box port 22 of hold")


def test_machine_that_connects_again_is_reached_again(tunnels):
    t = tunnels()
    first = t.hold_box()
    t.way.answers()
    end(first)
    t.log.wait("no longer holds the tunnel box port 22: its session has ended")
    r = t.way.ssh("true")
    assert r.code == 255 and "your machine is not connected to the gateway" in r.err
    t.log.wait("alice from .* refused: tunnel:box: nobody holds this tunnel")
    t.hold_box()
    t.way.answers()


def test_newer_connection_of_the_same_person_takes_the_name(gated):
    """A machine whose network has changed comes back before the gateway knows that its old connection is dead."""
    t = Tunnels(gated(front={"ClientAliveInterval": "0"}))
    dead = t.hold_box()
    dead.send_signal(signal.SIGSTOP)
    mark = t.log.mark()
    t.hold_box()
    t.log.wait("no longer holds the tunnel box port 22: a newer connection of yours holds it now", mark)
    t.way.answers()
    dead.kill()


def test_client_that_does_not_answer_loses_its_name(gated):
    t = Tunnels(gated(front={"ClientAliveInterval": "1s", "ClientAliveCountMax": "1"}))
    dead = t.hold_box()
    dead.send_signal(signal.SIGSTOP)
    t.log.wait("no longer holds the tunnel box port 22: its session has ended")
    dead.kill()


def test_nobody_takes_a_name_of_somebody_else(tunnels, ring):
    """Another key is another person, also at the same login."""
    t = tunnels()
    t.hold_box()
    (t.gateway.conf / "both.pub").write_text(f"{ring.get('client').public}\n{ring.get('person').public}\n")
    t.set_hold(keys="both.pub")
    other = t.machine(key=ring.get("person"))
    assert "no tunnel box port 22: somebody else holds this name" in t.refused("box:22:127.0.0.1:9", other)
    assert "somebody else holds this name" in t.refused("box:80:127.0.0.1:9", other)
    t.set_hold("other", keys="both.pub")
    other = t.machine("other")
    assert "somebody else holds this name" in t.refused("box:22:127.0.0.1:9", other)
    t.way.answers()


@pytest.mark.parametrize("forward, why", [
    ("other:80:127.0.0.1:9", "no tunnel other port 80: TunnelNames does not permit this name"),
    ("a/b:80:127.0.0.1:9", "a name has up to 63 of a-z"),
], ids=["not-permitted", "no-name"])
def test_name_that_is_not_permitted_is_refused(tunnels, forward, why):
    assert why in tunnels().refused(forward)


def test_names_are_given_where_none_is_asked_for(tunnels):
    t = tunnels()
    p = t.hold("80:127.0.0.1:9", "80:127.0.0.1:10", "0:127.0.0.1:11")
    held = re.findall(r"\d holds the tunnel (\S+) port (\d+)", t.log.text())
    assert held[0] == ("box", "80") and held[2] == ("box", "1")
    assert re.fullmatch(r"web-[a-z]+-[a-z]+-\d+", held[1][0]) and held[1][1] == "80"
    end(p)
    mark = t.log.mark()
    t.hold("80:127.0.0.1:9", "80:127.0.0.1:10", "0:127.0.0.1:11")
    assert re.findall(r"\d holds the tunnel (\S+) port (\d+)", t.log.text(mark)) == held


def test_default_name_is_the_login(tunnels):
    t = tunnels(TunnelNames=None)
    t.hold("80:127.0.0.1:9")
    t.log.wait("holds the tunnel hold port 80")
    assert "TunnelNames does not permit this name" in t.refused("box:22:127.0.0.1:9")


def test_limit_of_tunnels_for_each_person(tunnels):
    t = tunnels(MaxTunnels="2")
    t.hold("web-1:80:127.0.0.1:9")
    t.hold("web-2:80:127.0.0.1:9")
    assert "you hold as many tunnels as MaxTunnels permits" in t.refused("web-3:80:127.0.0.1:9")


def test_client_ends_one_tunnel_of_two(tunnels, short):
    t = tunnels()
    client = t.machine()
    control = f"{short}/control"
    t.hold(f"box:22:127.0.0.1:{t.way.sshd.port}", "web-1:80:127.0.0.1:9", client=client, ControlMaster="yes",
           ControlPath=control)
    client.run(["ssh", "-F", str(client.config), "-S", str(control), "-O", "cancel", "-R", "web-1:80:127.0.0.1:9",
                "upstream"], check=True)
    t.log.wait("no longer holds the tunnel web-1 port 80: its client has ended it")
    t.way.answers()


def test_user_at_a_terminal_reads_who_connects(tunnels):
    t = tunnels()
    client = t.machine()
    term = client.terminal("-R", f"box:22:127.0.0.1:{t.way.sshd.port}", None)
    term.expect(r"Tunnel box port 22 is open\.")
    t.way.answers()
    term.expect(r"127\.0\.0\.1 connected to box")
    term.send("\x03")
    term.process.wait(60)
    assert term.process.returncode == 0
    t.log.wait("no longer holds the tunnel box port 22")


def test_there_is_no_shell_and_no_command(tunnels):
    t = tunnels()
    client = t.machine()
    r = client.ssh("echo in")
    assert r.code == 1 and r.out == b""
    assert "this login holds tunnels and runs no commands: ssh -NR" in r.err
    r = client.run(client.argv("ssh", "upstream"))
    assert r.code == 1 and "This login holds tunnels and has no shell" in r.text
    r = client.run(client.argv("ssh", "-W", "127.0.0.1:22", "upstream"))
    assert r.code != 0 and "this login holds tunnels" in r.err
    r = client.sftp("ls\n", check=False)
    assert r.code != 0 and "runs no commands" in r.err


def test_forced_command_and_environment_of_a_key_change_nothing(tunnels):
    """What the policy puts in the client's place goes where the client's own messages go."""
    t = tunnels(SetEnv="A=b")
    keys = t.gateway.conf / "hold.pub"
    keys.write_text(f'command="true",tunnel="0" {t.way.ring.get("client").public}\n')
    t.set_hold(keys="hold.pub", SetEnv="A=b")
    client = t.machine()
    r = client.run(client.argv("ssh", "upstream"))
    assert r.code == 1 and "runs no commands" in r.err
    t.hold("box:22:127.0.0.1:9", client=client)


def test_options_of_a_key_hold(tunnels):
    t = tunnels()
    keys = t.gateway.conf / "hold.pub"
    keys.write_text(f'permitlisten="web-1:80" {t.way.ring.get("client").public}\n')
    t.set_hold(keys="hold.pub")
    t.hold("web-1:80:127.0.0.1:9")
    client = t.machine()
    r = client.run(client.argv("ssh", "-N", "-R", "web-2:80:127.0.0.1:9", "upstream", ExitOnForwardFailure="yes"))
    assert r.code == 255 and "remote port forwarding failed" in r.err


def test_machine_with_another_host_key_is_refused(tunnels):
    """Whoever may hold the name of a machine is not the machine."""
    t = tunnels()
    (t.gateway.conf / "box.known_hosts").write_text(
        "".join(f"tunnel:box {key.public}\n" for key in t.gateway.host_keys))
    t.hold_box()
    r = t.way.ssh("true")
    assert r.code == 255 and "could not be verified" in r.err


def test_machine_behind_a_machine_behind_a_tunnel(tunnels, make_sshd):
    """A hop may be held by a tunnel."""
    t = tunnels()
    t.hold_box()
    far = make_sshd()
    t.gateway.route("far", far, [t.way.ring.get("client")], ProxyJump="box")
    t.gateway.write("15-box.ini", "route box", {
        "Mode": "hop", "HostName": "tunnel:box", "User": ME, "Key": "alice",
        "UserKnownHostsFile": "conf.d/box.known_hosts"})
    t.gateway.hangup()
    assert t.way.new_client(user="far").ssh("echo in").outcome == (0, b"in\n", "")


def test_login_does_not_name_a_tunnel(tunnels):
    """HostName = %1 is for hosts; a route that leads to tunnels says so."""
    t = tunnels()
    t.hold_box()
    t.gateway.route("*+x", t.way.sshd, [t.way.ring.get("client")], key="alice", HostName="%1", Port=None)
    t.gateway.hangup()
    assert not t.way.lets_in("tunnel:box+x")
    t.log.wait('HostName: "%1" is filled in with a tunnel')


def test_machine_that_refuses_the_connection(tunnels):
    t = tunnels()
    t.hold(f"box:22:127.0.0.1:{net.free_port()}")
    r = t.way.ssh("true")
    assert r.code == 255 and "your machine cannot be reached right now" in r.err


def test_client_that_reads_nothing_bounds_what_is_kept(gated, tmp_path):
    """The kernel's buffers and one window: then the one who sends waits."""
    t = Tunnels(gated(front={"ClientAliveInterval": "0"}))
    p = t.hold_box()
    file = tmp_path / "file"
    with open(file, "wb") as f:
        f.truncate(64 << 20)
    with open(file, "rb") as f:
        s = t.way.client.spawn("echo up; cat >/dev/null; echo done", stdin=f)
        assert s.stdout.readline() == b"up\n"
        p.send_signal(signal.SIGSTOP)
        for session in t.gateway.sessions():
            assert_bounded(session)
        p.send_signal(signal.SIGCONT)
        assert s.communicate(timeout=300)[0] == b"done\n"


def test_restart_of_the_gateway_ends_tunnels(tunnels):
    """The new gateway has to know the names, so clients are made to connect again."""
    t = tunnels()
    p = t.hold_box()
    t.gateway.kill(15)
    assert "the gateway has been restarted: connect again" in p.communicate(timeout=60)[1].decode()
    assert p.returncode == 255
    t.gateway.start()
    t.hold_box()
    t.way.answers()


def test_death_of_the_keeper_ends_tunnels(tunnels):
    """Nobody else knows their names."""
    t = tunnels()
    p = t.hold_box()
    t.gateway.keepers()[0].kill()
    assert "the gateway has lost its tunnels: connect again" in p.communicate(timeout=60)[1].decode()


def test_reload_leaves_tunnels(tunnels):
    t = tunnels()
    t.hold_box()
    t.gateway.hangup()
    t.way.answers()


def test_taken_over_session_gets_no_name_of_others(attacked):
    """The keeper knows who the session's client is, and compares each name with TunnelNames."""
    g = attacked.gateway
    t = Tunnels(attacked)
    t.hold_box()
    t.set_hold("other", TunnelNames="box evil")
    with TakenOver(g.port) as a:
        a.sign()
        a.prove("other", attacked.ring.get("client"))
        a.expect("RELAY")
        for name in ("box", "BOX", "web-1", "", "x" * 200):
            a.send("TUNNEL_LISTEN", name, 22)
            done = a.expect("TUNNEL_ANSWER")[1].bool()
            assert done == (name == ""), name
        a.send("TUNNEL_CANCEL", "box", 22)
        assert not a.expect("TUNNEL_ANSWER")[1].bool()
        a.send("TUNNEL_TAKEN")
        assert a.ended()
    g.log.wait("ended: it has read a connection that it was not sent")
    attacked.answers()


def test_session_of_another_route_holds_no_tunnel(attacked):
    g = attacked.gateway
    with TakenOver(g.port) as a:
        a.enter("alice", attacked.ring.get("client"), attacked.ring.get("upstream_host", "ed25519"))
        a.send("TUNNEL_LISTEN", "alice", 22)
        assert a.ended()
    g.log.wait("ended: it asks for a tunnel out of place")
    attacked.answers()


def test_everybody_may_hold_a_tunnel(tunnels):
    """AuthenticationMethods = none: a person is an address, and an address has MaxTunnels connections."""
    t = tunnels(AuthorizedKeysFile=None, AuthenticationMethods="none", MaxTunnels="2")
    t.hold("web-1:80:127.0.0.1:9")
    t.log.wait(r"Accepted none for hold from 127\.0\.0\.1 port \d+ ssh2$")
    elsewhere = t.way.new_client(user="hold", BindAddress="127.0.0.2")
    assert "somebody else holds this name" in t.refused("web-1:80:127.0.0.1:9", elsewhere)
    t.hold("web-2:80:127.0.0.1:9")
    assert "there are too many connections of your address already" in t.refused("web-3:80:127.0.0.1:9")
    t.hold("web-3:80:127.0.0.1:9", client=elsewhere)
    for login in ("nobody", "alice"):
        assert not t.way.lets_in(login, PreferredAuthentications="none")


def test_check_names_what_does_not_go_together(tunnels):
    t = tunnels()
    g = t.gateway
    assert g.notes() == ""
    shown = g.command("route", "hold")
    assert "holds      box\nor         web-*\n" in shown
    assert "holds box,web-*" in g.command("route")
    g.write("20-hold.ini", "route hold", {"Mode": "tunnel", "Key": "alice", "AuthorizedKeysFile": "conf.d/alice.pub"})
    assert "Key has no meaning with Mode = tunnel" in g.check()[1]
    g.write("20-hold.ini", "route hold", {
        "HostName": "tunnel:box vm1", "Key": "alice", "AuthorizedKeysFile": "conf.d/alice.pub",
        "UserKnownHostsFile": "conf.d/box.known_hosts", "StrictHostKeyChecking": "accept-new", "TunnelNames": "a"})
    text = g.check()[1]
    assert "HostName: a tunnel is the only host" in text and "TunnelNames needs Mode = tunnel" in text
    assert "accept-new cannot look at a machine behind a tunnel" in text
    g.write("20-hold.ini", "route hold", {
        "HostName": "tunnel:box", "Key": "alice", "AuthenticationMethods": "none",
        "HostKeyFingerprint": "SHA256:" + "A" * 43})
    assert "AuthenticationMethods = none lets everybody in, which needs Mode = tunnel" in g.check()[1]
    g.write("20-hold.ini", "route hold", {
        "Mode": "tunnel", "AuthorizedKeysFile": "conf.d/alice.pub", "AuthenticationMethods": "publickey,none"})
    assert '"publickey,none": none stands alone' in g.check()[1]
    g.write("20-hold.ini", "route hold", {
        "Mode": "tunnel", "AuthorizedKeysFile": "conf.d/alice.pub", "AuthenticationMethods": "publickey none"})
    assert "none lets everybody in: write no other beside it" in g.check()[1]
    g.write("20-hold.ini", "route hold", {
        "HostName": "tunnel:-x", "Key": "alice", "AuthorizedKeysFile": "conf.d/alice.pub",
        "HostKeyFingerprint": "SHA256:" + "A" * 43})
    assert "the name of a tunnel has up to 63 of a-z" in g.check()[1]
