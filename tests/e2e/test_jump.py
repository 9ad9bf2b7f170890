"""Mode = jump: `ssh -J gateway machine`, where the gateway leads on to machines that the client names."""


import pytest

from lab import net
from lab.sshd import ME
from lab.taken_over import TakenOver
from lab.wait import wait_for

DATA = bytes(range(256)) * 40_000  # 10 MB
HERE = "localhost:* 127.0.0.0/8:*"


class Jump:
    """A gateway with [route jump], and a client with the hosts gw, for the gateway, and vm, behind it."""

    def __init__(self, way, **words):
        self.way = way
        self.gateway = way.gateway
        self.set_route(**words)
        self.client = way.new_client(user="jump")
        self.client.known_hosts.write_text(
            way.gateway.known_hosts() + way.sshd.known_hosts()
            + way.sshd.known_hosts().replace("[127.0.0.1]", "[localhost]"))
        way.sshd.authorize(way.ring.get("client").public)
        text = self.client.config.read_text()
        self.client.config.write_text(
            "Host gw upstream\n"
            f"    HostName 127.0.0.1\n    Port {self.gateway.port}\n    User jump\n"
            "Host vm\n"
            f"    HostName localhost\n    Port {way.sshd.port}\n    User {ME}\n    ProxyJump gw\n"
            + text)

    def set_route(self, **words):
        route = {"Mode": "jump", "AllowDestinations": HERE, "AuthorizedKeysFile": "conf.d/alice.pub", **words}
        self.gateway.write("20-jump.ini", "route jump", route)
        self.gateway.hangup()

    def run(self, command, **kw):
        return self.client.run(self.client.argv("ssh", "vm", command), **kw)

    def refused(self, address):
        """What ssh says of a connection to this address, by -W."""
        r = self.client.run(self.client.argv("ssh", "-W", address, "gw"))
        assert r.code != 0 and r.out == b"", r
        return r.err


@pytest.fixture
def jump(gated):
    return lambda **words: Jump(gated(), **words)


def test_ssh_jumps_to_a_machine(jump):
    j = jump()
    assert j.run("echo in; exit 7").outcome == (7, b"in\n", "")
    lines = j.gateway.log
    lines.wait(r"session [0-9a-f]+: jump from 127\.0\.0\.1 port \d+ -> jump$")
    lines.wait(rf"jump from 127\.0\.0\.1 port \d+ jumps to localhost port {j.way.sshd.port} "
                      r"\(127\.0\.0\.1\)$")
    lines.wait(r"jump from 127\.0\.0\.1 port \d+ closed after \d+ s: client .*bytes from client")


def test_machine_shows_its_own_host_key(jump):
    """The inner connection is the client's own: a machine whose key it does not know is refused by it."""
    j = jump()
    j.client.known_hosts.write_text(j.gateway.known_hosts())
    r = j.run("echo in")
    assert r.code == 255 and "Host key verification failed" in r.err


def test_bulk_data_passes_both_ways(jump, tmp_path):
    j = jump()
    file = tmp_path / "file"
    file.write_bytes(DATA * 3)
    with open(file, "rb") as f:
        assert j.run("cat", stdin=f).out == DATA * 3


def test_keys_are_exchanged_anew_meanwhile(jump, echo):
    """The host key signs each exchange; connections go on, and others are opened."""
    j = jump()
    port = net.free_port()
    p = j.client.forward("-v", "-o", "RekeyLimit=1M", "-L", f"127.0.0.1:{port}:127.0.0.1:{echo.port}",
                         ready=[("127.0.0.1", port)])
    data = DATA[:2_000_000]
    assert net.exchange_many(("127.0.0.1", port), 4, data) == [data + b"%d" % i for i in range(4)]
    p.terminate()
    assert p.communicate(timeout=60)[1].count(b"SSH2_MSG_NEWKEYS received") > 2


def test_forwards_and_half_closed_connections(jump, echo, digest):
    j = jump()
    a, b = net.free_port(), net.free_port()
    j.client.forward(
        "-L", f"127.0.0.1:{a}:127.0.0.1:{echo.port}", "-L", f"127.0.0.1:{b}:localhost:{digest.port}",
        ready=[("127.0.0.1", a), ("127.0.0.1", b)],
    )
    assert net.exchange(("127.0.0.1", a), DATA) == DATA
    assert net.exchange(("127.0.0.1", b), DATA) == net.sha256(DATA)
    small = DATA[:500_000]
    assert net.exchange_many(("127.0.0.1", a), 30, small) == [small + b"%d" % i for i in range(30)]


def test_machine_that_reads_nothing_delays_no_other(jump, echo):
    j = jump()
    stuck = []
    silent = net.Server(lambda s: stuck.append(s) or s.recv(1) and wait_for("the end", lambda: not stuck, 60))
    a, b = net.free_port(), net.free_port()
    j.client.forward("-L", f"127.0.0.1:{a}:127.0.0.1:{silent.port}", "-L", f"127.0.0.1:{b}:127.0.0.1:{echo.port}",
                     ready=[("127.0.0.1", a), ("127.0.0.1", b)])
    with net.connect(("127.0.0.1", a)) as s:
        s.setblocking(False)
        sent = 0

        def full():
            nonlocal sent
            try:
                sent += s.send(DATA[:65536])
                return False
            except BlockingIOError:
                return True

        wait_for("a full connection", full)
        assert net.exchange(("127.0.0.1", b), DATA) == DATA
        stuck.clear()
    silent.close()


def test_too_many_connections_at_a_time_are_refused(jump):
    j = jump()
    held = []
    holder = net.Server(lambda s: (held.append(s), s.sendall(b"x"), s.recv(1)))
    port = net.free_port()
    forward = j.client.forward("-L", f"127.0.0.1:{port}:127.0.0.1:{holder.port}", ready=[("127.0.0.1", port)])
    # the connection that found the forward ready has been one
    wait_for("its end", lambda: all(s.fileno() == -1 for s in held), 20)
    open_ = [net.connect(("127.0.0.1", port), 120) for _ in range(60)]
    answers = [s.recv(1) for s in open_]
    assert 40 <= answers.count(b"x") <= 48 and answers.count(b"") == 60 - answers.count(b"x"), answers
    for s in open_:
        s.close()
    holder.close()
    assert forward.poll() is None


@pytest.mark.parametrize("allowed, asked", [
    ("vm1 *.example", "localhost:{port}"),
    ("localhost", "localhost:{port}"),
    ("*", "127.0.0.1:{port}"),
    ("127.0.0.0/8:*", "localhost:{port}"),
    ("127.0.0.2:*", "127.0.0.1:{port}"),
], ids=str)
def test_destination_that_is_not_listed_is_refused(jump, allowed, asked):
    j = jump(AllowDestinations=allowed)
    asked = asked.format(port=j.way.sshd.port)
    host, port = asked.split(":")
    error = j.refused(asked)
    assert "administratively prohibited" in error
    assert f"{host} port {port} is not among the machines that you may reach through here (session " in error
    j.gateway.log.wait(rf"was refused a jump to {host} port {port}: AllowDestinations does not permit this name")


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "ip6-localhost"])
def test_name_leads_to_no_address_that_is_not_listed(jump, name):
    """A name server, or a resolver's reading of a number, may lead anywhere: the address is what counts."""
    j = jump(AllowDestinations="*:*")
    error = j.refused(f"{name}:{j.way.sshd.port}")
    assert "connect failed" in error and "cannot be reached" in error
    j.gateway.log.wait(
        rf"was refused a jump to {name} port \d+: .*(AllowDestinations does not permit this address|not known)")


def test_gateway_itself_is_never_a_machine(jump):
    """Its other addresses are its own as well; only a listed address leads there."""
    j = jump(AllowDestinations="*:* 0.0.0.0/0:* [::/0]:*")
    assert "cannot be reached" in j.refused(f"localhost:{j.gateway.port}")
    assert "cannot be reached" in j.refused(f"127.0.0.1:{j.gateway.port}")
    assert "cannot be reached" in j.refused(f"0.0.0.0:{j.gateway.port}")


def test_closed_port_and_unknown_name(jump):
    j = jump(AllowDestinations="*:* 127.0.0.0/8:*")
    port = net.free_port()
    assert f"localhost port {port} cannot be reached (session " in j.refused(f"localhost:{port}")
    j.gateway.log.wait(rf"localhost.* port {port}: Connection refused")
    assert "cannot be reached" in j.refused("no-such-host.invalid:22")
    j.gateway.log.wait("was refused a jump to no-such-host.invalid port 22: ")


def test_shell_is_refused_with_a_hint(jump):
    j = jump()
    r = j.client.ssh("echo in")
    assert r.code == 255 and "this login leads on to other machines: ssh -J LOGIN@GATEWAY MACHINE" in r.err


def test_remote_forward_is_refused(jump, echo):
    j = jump()
    r = j.client.run(j.client.argv("ssh", "-N", "-R", f"127.0.0.1:0:127.0.0.1:{echo.port}", "gw",
                                   ExitOnForwardFailure="yes"))
    assert r.code == 255 and "remote port forwarding failed" in r.err


def test_policy_of_route_and_key_hold(jump):
    j = jump()
    j.set_route(AllowTcpForwarding="no")
    assert "administratively prohibited" in j.refused(f"localhost:{j.way.sshd.port}")
    j.set_route(PermitOpen="localhost:9")
    assert "administratively prohibited" in j.refused(f"localhost:{j.way.sshd.port}")
    j.set_route(PermitOpen=f"localhost:{j.way.sshd.port}")
    assert j.run("echo in").text == "in\n"
    keys = j.gateway.conf / "alice.pub"
    keys.write_text(f'permitopen="localhost:9" {keys.read_text()}')
    assert "administratively prohibited" in j.refused(f"localhost:{j.way.sshd.port}")


def test_time_limit_ends_the_session(jump):
    j = jump(SessionTimeout="1s")
    r = j.run("sleep 60")
    assert r.code == 255
    j.gateway.log.wait("closed after .*SessionTimeout is over")


def test_connection_without_a_machine_ends(jump):
    j = jump(UnusedConnectionTimeout="1s")
    assert j.client.run(j.client.argv("ssh", "-N", "gw")).code == 255
    j.gateway.log.wait("closed after .*UnusedConnectionTimeout is over")


def test_restart_leaves_connections(jump):
    j = jump()
    p = j.client.popen(j.client.argv("ssh", "vm", "cat"))
    p.stdin.write(b"before\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"before\n"
    j.gateway.kill()
    out, _ = p.communicate(b"after\n", timeout=60)
    assert out == b"after\n" and p.returncode == 0


def test_taken_over_session_gets_no_other_machine(attacked):
    """The keeper compares the name, an errand the address, whatever the session says."""
    g = attacked.gateway
    silent = net.BlackHole("127.0.0.9", net.free_port())
    g.write("20-jump.ini", "route jump", {
        "Mode": "jump", "AllowDestinations": f"localhost:* 127.0.0.9:{silent.port}", "ConnectTimeout": "60s",
        "AuthorizedKeysFile": "conf.d/alice.pub"})
    g.hangup()

    def let_in(t):
        t.sign()
        t.prove("jump", attacked.ring.get("client"))
        t.expect("RELAY")

    with TakenOver(g.port) as t:
        let_in(t)
        for host in ("127.0.0.1", "vm1", "", "-x", "a b"):
            t.send("JUMP_OPEN", host, attacked.sshd.port)
            t.expect("JUMP_REFUSED")
        t.send("JUMP_OPEN", "localhost", attacked.sshd.port)
        t.expect("JUMP_REFUSED")
        t.send("JUMP_OPEN", "localhost", 70_000)
        assert t.ended()
    with TakenOver(g.port) as t:
        let_in(t)
        for _ in range(2):
            t.send("JUMP_OPEN", "127.0.0.9", silent.port)
        assert t.ended()
    g.log.wait("ended: it asks for a machine out of place")
    silent.close()
    attacked.answers()


def test_session_of_another_route_cannot_jump(attacked):
    g = attacked.gateway
    with TakenOver(g.port) as t:
        t.enter("alice", attacked.ring.get("client"), attacked.ring.get("upstream_host", "ed25519"))
        t.send("JUMP_OPEN", "127.0.0.1", attacked.sshd.port)
        assert t.ended()
    g.log.wait("ended: it asks for a machine out of place")
    attacked.answers()


def test_check_names_what_does_not_go_together(gated):
    g = gated().gateway
    g.write("20-jump.ini", "route jump", {
        "Mode": "jump", "HostName": "vm1", "AuthorizedKeysFile": "conf.d/alice.pub"})
    status, text = g.check()
    assert status == 78
    assert "HostName has no meaning with Mode = jump" in text
    assert "[route jump] needs AllowDestinations: the machines that its users may name" in text
    g.write("20-jump.ini", "route jump", {
        "Mode": "jump", "AllowDestinations": "10.0.0.1/8", "AuthorizedKeysFile": "conf.d/alice.pub"})
    assert '"10.0.0.1/8" is not HOST, NETWORK, HOST:PORT or NETWORK:PORT' in g.check()[1]
    g.write("20-jump.ini", "route jump", {
        "Mode": "jump", "AllowDestinations": "*.example 10.0.0.0/8", "AuthorizedKeysFile": "conf.d/alice.pub"})
    assert g.notes() == ""
    shown = g.command("route", "jump")
    assert "jump to    *.example\nor to      10.0.0.0/8\n" in shown and "host key" not in shown
    assert "jump to *.example,10.0.0.0/8" in g.command("route")
