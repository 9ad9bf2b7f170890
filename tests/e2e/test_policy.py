"""What a login may do: options of authorized_keys(5) and the policy keys of a route.

The oracle is sshd with the same options: by both ways the same assertions hold.
"""

import os
import socket

import pytest

from lab import net, procs
from lab.allowed import agent, listens, opens, pty
from lab.refusal import one_line, session_id
from lab.wait import wait_for

ENV = {"AcceptEnv": "LANG LC_* SSH_ORIGINAL_COMMAND GREETING"}


@pytest.fixture
def optioned(own_way, ring):
    """optioned(options, ...): the client's key stands in the door's authorized_keys with these options."""

    def make(options, sshd=None, **more):
        w = own_way(sshd={**ENV, **(sshd or {})}, **more)
        line = f"{options} {ring.get('client').public}\n"
        if w.gateway:
            (w.gateway.conf / "alice.pub").write_text(line)
        else:
            w.sshd.authorized_keys.write_text(line)
        return w

    return make


@pytest.fixture
def ruled(own_way):
    """ruled(Word=value, ...): sshd_config words at the door: of sshd, or of the route."""

    def make(**words):
        if own_way.name == "direct":
            return own_way(sshd={**ENV, **words})
        return own_way(sshd=ENV, route=words)

    return make


def tunnel(w, unit):
    """ssh -w with this unit of the machine's: the devices there are then, ours and the machine's; or none."""
    ours = next(n for n in range(7000, 7100) if not os.path.exists(f"/sys/class/net/tun{n}"))
    before = set(os.listdir("/sys/class/net"))
    log = w.client.dir / "tunnel.log"
    with open(log, "w") as f:
        p = w.client.popen(
            w.client.argv("ssh", "-w", f"{ours}:{unit}", "machine", "echo up; cat"), stderr=f
        )
        try:
            assert p.stdout.readline() == b"up\n"
            wait_for(
                "two devices, or a refusal",
                lambda: len(set(os.listdir("/sys/class/net")) - before) == 2
                or "failed" in log.read_text(),
            )
            made = set(os.listdir("/sys/class/net")) - before - {f"tun{ours}"}
            refused = "open failed" in log.read_text()
        finally:
            procs.end(p)
    wait_for("the devices to go", lambda: set(os.listdir("/sys/class/net")) == before)
    assert refused == (not made), log.read_text()
    return made


@pytest.fixture
def devices():
    if os.getuid() != 0 or not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("takes root and /dev/net/tun")
    free = [n for n in range(7100, 7200) if not os.path.exists(f"/sys/class/net/tun{n}")]
    return free[0], free[1]


# Options of keys.


def test_tunnel_of_one_unit(optioned, devices):
    one, other = devices
    w = optioned(f'tunnel="{one}"', sshd={"PermitTunnel": "yes"})
    assert tunnel(w, one) == {f"tun{one}"}
    assert tunnel(w, "any") == {f"tun{one}"}
    assert tunnel(w, other) == set()


def test_tunnel_of_a_key_without_the_option(optioned, devices):
    w = optioned("", sshd={"PermitTunnel": "point-to-point"})
    assert tunnel(w, devices[0]) == {f"tun{devices[0]}"}


def test_a_tunnel_is_forwarding(gated, ring, devices):
    """Here alone: sshd looks at PermitTunnel and nothing else."""
    w = gated(sshd={"PermitTunnel": "yes"})
    for options in ("restrict", f'no-port-forwarding,tunnel="{devices[0]}"'):
        (w.gateway.conf / "alice.pub").write_text(f"{options} {ring.get('client').public}\n")
        assert tunnel(w, devices[0]) == set()


def test_tunnels_are_for_the_machine_to_permit(optioned, devices):
    w = optioned(f'tunnel="{devices[0]}"')  # PermitTunnel is no
    assert tunnel(w, devices[0]) == set()


def test_restrict(optioned, echo, tmp_path):
    w = optioned("restrict")
    assert w.ssh("echo in; exit 3").outcome[:2] == (3, b"in\n")
    assert not pty(w)
    assert not opens(w, echo.port)
    assert not listens(w, net.free_port())
    assert not agent(w, tmp_path)
    w.client.sftp("pwd")


def test_restrict_but(optioned, echo):
    w = optioned("restrict,pty,port-forwarding")
    assert pty(w)
    assert opens(w, echo.port)
    assert listens(w, net.free_port())


def test_no_port_forwarding(optioned, echo, short):
    w = optioned("no-port-forwarding")
    assert pty(w)
    assert not opens(w, echo.port)
    r = w.ssh("-R", f"{short}/s:127.0.0.1:9", "echo in", ExitOnForwardFailure="yes")
    assert r.code == 255 and "remote port forwarding failed for listen path" in r.err


@pytest.mark.parametrize("option, which", [
    ("no-pty", "pty"), ("no-agent-forwarding", "agent"), ("no-user-rc", ""), ("no-X11-forwarding", ""),
])
def test_one_of_them(optioned, tmp_path, option, which):
    w = optioned(option)
    assert pty(w) == (which != "pty")
    assert agent(w, tmp_path) == (which != "agent")


def test_permitopen(optioned, echo):
    w = optioned(f'permitopen="127.0.0.1:{echo.port}",permitopen="localhost:1"')
    assert opens(w, echo.port)
    assert not opens(w, echo.port, "localhost")
    assert not opens(w, 1)
    assert listens(w, net.free_port())


def test_permitlisten(optioned, echo):
    a, b = net.free_port(), net.free_port()
    w = optioned(f'permitlisten="{a}",permitlisten="local*:{b}"')
    assert listens(w, a)
    assert not listens(w, b)
    assert listens(w, b, "localhost")
    assert opens(w, echo.port)


def test_command(optioned):
    w = optioned('command="echo forced: [$SSH_ORIGINAL_COMMAND]; exit 5"')
    r = w.ssh("rm -rf \"a b\"; id")
    assert r.outcome[:2] == (5, b'forced: [rm -rf "a b"; id]\n')
    t = w.client.terminal(None)
    t.expect(r"forced: \[\]")
    assert t.wait() == 5
    t.close()


def test_command_does_not_believe_the_client(optioned):
    w = optioned('command="env | grep -c ^SSH_ORIGINAL_COMMAND=x"')
    name = "SSH_ORIGINAL_COMMAND"
    r = w.ssh("real", env={name: "x"}, SendEnv=name)
    assert r.outcome[:2] == (1, b"0\n")


def test_several_commands_on_one_connection(optioned, short):
    w = optioned('command="echo [$SSH_ORIGINAL_COMMAND]"')
    control = short / "c"
    w.client.forward("-M", "-S", str(control))
    wait_for("the master", control.exists)
    for i in range(5):
        assert w.ssh("-S", control, f"c{i}").text == f"[c{i}]\n"


def test_environment(gated, ring):
    w = gated(sshd=ENV)
    line = f'environment="GREETING=good day" {ring.get("client").public}\n'
    (w.gateway.conf / "alice.pub").write_text(line)
    assert w.ssh("echo $GREETING").text == "good day\n"
    assert w.ssh("echo $GREETING", env={"GREETING": "x"}, SendEnv="GREETING").text == "good day\n"


# Keys of routes that are words of sshd_config.


@pytest.mark.parametrize("allow", ["yes", "no", "local", "remote"])
def test_allow_tcp_forwarding(ruled, echo, short, allow):
    w = ruled(AllowTcpForwarding=allow)
    assert opens(w, echo.port) == (allow in ("yes", "local"))
    assert listens(w, net.free_port()) == (allow in ("yes", "remote"))


@pytest.mark.parametrize("tcp, stream", [("no", "yes"), ("yes", "no"), ("yes", "local"), ("yes", "remote"),
                                         ("local", "yes"), ("remote", "yes")])
def test_allow_streamlocal_forwarding(ruled, short, tcp, stream):
    """Whatever sshd does about Unix sockets without TCP forwarding, the gateway does."""
    w = ruled(AllowTcpForwarding=tcp, AllowStreamLocalForwarding=stream)
    r = w.ssh("-R", f"{short}/r:127.0.0.1:9", "echo in", ExitOnForwardFailure="yes")
    assert (r.code == 0) == ("no" not in (tcp, stream) and "local" not in (tcp, stream)), r
    reached = short / "there"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(reached))
        server.listen()
        server.settimeout(10)
        w.client.forward("-L", f"{short}/l:{reached}")
        wait_for("the socket", (short / "l").exists)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(short / "l"))
            if "no" in (tcp, stream) or "remote" in (tcp, stream):
                assert s.recv(1) == b""
            else:
                there, _ = server.accept()
                there.sendall(b"x")
                assert s.recv(1) == b"x"
                there.close()


def test_permit_open(ruled, echo):
    w = ruled(PermitOpen=f"127.0.0.1:{echo.port} localhost:*")
    assert opens(w, echo.port)
    assert opens(w, echo.port, "localhost")
    assert not opens(w, echo.port + 1)
    assert listens(w, net.free_port())


def test_permit_open_none(ruled, echo):
    assert not opens(ruled(PermitOpen="none"), echo.port)


def test_permit_listen(ruled):
    a, b = net.free_port(), net.free_port()
    w = ruled(PermitListen=f"{a} localhost:{b}")
    assert listens(w, a)
    assert not listens(w, b)
    assert listens(w, b, "localhost")


def test_permit_tty(ruled, tmp_path):
    w = ruled(PermitTTY="no", AllowAgentForwarding="no")
    assert not pty(w)
    assert not agent(w, tmp_path)


def test_force_command(ruled):
    w = ruled(ForceCommand="echo forced: [$SSH_ORIGINAL_COMMAND]")
    assert w.ssh("id").text == "forced: [id]\n"


def test_force_command_internal_sftp(ruled):
    w = ruled(ForceCommand="internal-sftp")
    assert w.client.sftp("pwd").code == 0
    r = w.ssh("id")
    assert r.code == 1 and r.text.strip() == "This service allows sftp connections only."


def test_force_command_goes_before_the_keys(optioned, own_way):
    word = {"ForceCommand": "echo config"}
    if own_way.name == "direct":
        w = optioned('command="echo key"', sshd=word)
    else:
        w = optioned('command="echo key"', route=word)
    assert w.ssh("id").text == "config\n"


def test_set_env(ruled):
    w = ruled(SetEnv='GREETING="good day" LC_X=1')
    r = w.ssh("echo \"$GREETING|$LC_X|$LC_Y\"", env={"LC_X": "2", "LC_Y": "3"}, SendEnv="LC_*")
    assert r.text == "good day|1|3\n"


def test_accept_env(ruled):
    w = ruled(AcceptEnv="LC_A*")
    r = w.ssh("echo \"$LC_AB|$LC_B\"", env={"LC_AB": "1", "LC_B": "2"}, SendEnv="LC_*")
    assert r.text == "1|\n"


def test_max_sessions(ruled, short):
    w = ruled(MaxSessions="2")
    control = short / "c"
    w.client.forward("-M", "-S", str(control))
    wait_for("the master", control.exists)
    two = [w.client.spawn("-S", control, "echo in; cat") for _ in range(2)]
    for p in two:
        assert p.stdout.readline() == b"in\n"
    r = w.ssh("-S", control, "echo third", ControlMaster="no")
    assert "Session open refused by peer" in r.err, r  # and ssh connects anew
    for p in two:
        p.stdin.close()
        assert p.wait(10) == 0
    assert w.ssh("-S", control, "echo third").text == "third\n"


def test_max_sessions_0(ruled, echo):
    w = ruled(MaxSessions="0")
    assert w.ssh("echo in").code == 255
    assert opens(w, echo.port)


# What only the gateway has.


def test_permit_commands(gated, tmp_path):
    w = gated(route={"PermitCommands": "sftp"})
    w.client.sftp("pwd")
    r = w.ssh("id")
    assert r.code == 255 and r.out == b""
    line = one_line(r.err)
    assert "may use: sftp" in line
    w.gateway.log.wait(rf"session {session_id(line)}: refused by policy: exec")
    t = w.client.terminal(None)
    t.expect("sallyport: this login may not do that; it may use: sftp")
    assert t.wait() == 255
    t.close()


def test_refused_commands_leave_the_connection(gated, short):
    """One after another and all at once, with input on its way: the others go on."""
    w = gated(route={"PermitCommands": "exec"})
    control = short / "c"
    w.client.forward("-M", "-S", str(control))
    wait_for("the master", control.exists)
    running = w.client.spawn("-S", control, "echo in; cat")
    assert running.stdout.readline() == b"in\n"
    argv = w.client.argv("ssh", "-S", str(control), "-s", "machine", "sftp")
    for _ in range(20):
        assert w.client.run(argv, b"x" * 100_000).code == 255
    many = [w.client.popen(argv) for _ in range(8)]
    for p in many:
        p.communicate(b"x" * 100_000, timeout=20)
        assert p.returncode == 255
    out, _ = running.communicate(b"still here", timeout=20)
    assert out == b"still here" and running.returncode == 0


def test_idle_timeout(gated):
    w = gated(route={"IdleTimeout": "2s"})
    p = w.client.spawn("cat")
    for _ in range(4):
        p.stdin.write(b"x\n")
        p.stdin.flush()
        assert p.stdout.readline() == b"x\n"
    said = p.stderr.read().decode()
    assert p.wait(20) == 255
    assert "sallyport: closed, because it was not used for so long (session" in said
    w.gateway.log.wait(r"closed after .*: IdleTimeout is over")


def test_session_timeout(gated):
    w = gated(route={"SessionTimeout": "2s"})
    r = w.ssh("while :; do echo x; sleep 0.1; done")
    assert r.code == 255 and "this login ends after a time" in r.err
    w.gateway.log.wait(r"closed after .*: SessionTimeout is over")
