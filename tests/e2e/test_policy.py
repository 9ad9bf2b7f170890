"""The policy of a login: options of authorized_keys(5) and policy keys of a route.

The oracle is sshd with the same options: the same assertions hold for both ways.
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
def with_options(own_way, ring):
    """with_options(options, ...): a way whose front has the client's key in authorized_keys with these
    options.
    """

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
def with_words(own_way):
    """with_words(Word=value, ...): a way with sshd_config words, of sshd or of the route."""

    def make(**words):
        if own_way.name == "direct":
            return own_way(sshd={**ENV, **words})
        return own_way(sshd=ENV, route=words)

    return make


def tunnel_numbers():
    """The numbers of this process's tun devices: the client's, and two for the upstream.  Tests run side by side."""
    return [10_000 + 3 * os.getpid() + n for n in range(3)]


def tunnel_devices():
    return {f"tun{n}" for n in tunnel_numbers()} & set(os.listdir("/sys/class/net"))


def open_tunnel(w, unit):
    """ssh -w with this unit on the upstream: the upstream's tun devices that exist then."""
    ours = tunnel_numbers()[0]
    assert not tunnel_devices()
    log = w.client.dir / "tunnel.log"
    with open(log, "w") as f:
        p = w.client.popen(
            w.client.argv("ssh", "-w", f"{ours}:{unit}", "upstream", "echo up; cat"), stderr=f
        )
        try:
            assert p.stdout.readline() == b"up\n"
            wait_for(
                "two devices, or a refusal",
                lambda: len(tunnel_devices()) == 2 or "failed" in log.read_text(),
            )
            made = tunnel_devices() - {f"tun{ours}"}
            refused = "open failed" in log.read_text()
        finally:
            procs.end(p)
    wait_for("the devices to go", lambda: not tunnel_devices())
    assert refused == (not made), log.read_text()
    return made


@pytest.fixture
def tunnel_units():
    if os.getuid() != 0 or not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("takes root and /dev/net/tun")
    return tunnel_numbers()[1:]


# Options of authorized_keys.


def test_tunnel_option(with_options, tunnel_units):
    one, other = tunnel_units
    w = with_options(f'tunnel="{one}"', sshd={"PermitTunnel": "yes"})
    assert open_tunnel(w, one) == {f"tun{one}"}
    assert open_tunnel(w, "any") == {f"tun{one}"}
    assert open_tunnel(w, other) == set()


def test_tunnel_without_option(with_options, tunnel_units):
    w = with_options("", sshd={"PermitTunnel": "point-to-point"})
    assert open_tunnel(w, tunnel_units[0]) == {f"tun{tunnel_units[0]}"}


def test_allow_tcp_forwarding_covers_tunnels(gated, ring, tunnel_units):
    """The gateway alone: sshd looks only at PermitTunnel."""
    w = gated(sshd={"PermitTunnel": "yes"})
    for options in ("restrict", f'no-port-forwarding,tunnel="{tunnel_units[0]}"'):
        (w.gateway.conf / "alice.pub").write_text(f"{options} {ring.get('client').public}\n")
        assert open_tunnel(w, tunnel_units[0]) == set()


def test_tunnels_are_subject_to_upstream(with_options, tunnel_units):
    w = with_options(f'tunnel="{tunnel_units[0]}"')  # PermitTunnel is no
    assert open_tunnel(w, tunnel_units[0]) == set()


def test_restrict_option(with_options, echo, tmp_path):
    w = with_options("restrict")
    assert w.ssh("echo in; exit 3").outcome[:2] == (3, b"in\n")
    assert not pty(w)
    assert not opens(w, echo.port)
    assert not listens(w, net.free_port())
    assert not agent(w, tmp_path)
    w.client.sftp("pwd")


def test_restrict_with_exceptions(with_options, echo):
    w = with_options("restrict,pty,port-forwarding")
    assert pty(w)
    assert opens(w, echo.port)
    assert listens(w, net.free_port())


def test_no_port_forwarding_option(with_options, echo, short):
    w = with_options("no-port-forwarding")
    assert pty(w)
    assert not opens(w, echo.port)
    r = w.ssh("-R", f"{short}/s:127.0.0.1:9", "echo in", ExitOnForwardFailure="yes")
    assert r.code == 255 and "remote port forwarding failed for listen path" in r.err


@pytest.mark.parametrize("option, which", [
    ("no-pty", "pty"), ("no-agent-forwarding", "agent"), ("no-user-rc", ""), ("no-X11-forwarding", ""),
])
def test_each_no_option(with_options, tmp_path, option, which):
    w = with_options(option)
    assert pty(w) == (which != "pty")
    assert agent(w, tmp_path) == (which != "agent")


def test_permitopen_option(with_options, echo):
    w = with_options(f'permitopen="127.0.0.1:{echo.port}",permitopen="localhost:1"')
    assert opens(w, echo.port)
    assert not opens(w, echo.port, "localhost")
    assert not opens(w, 1)
    assert listens(w, net.free_port())


def test_permitlisten_option(with_options, echo):
    a, b = net.free_port(), net.free_port()
    w = with_options(f'permitlisten="{a}",permitlisten="local*:{b}"')
    assert listens(w, a)
    assert not listens(w, b)
    assert listens(w, b, "localhost")
    assert opens(w, echo.port)


def test_command_option(with_options):
    w = with_options('command="echo forced: [$SSH_ORIGINAL_COMMAND]; exit 5"')
    r = w.ssh("rm -rf \"a b\"; id")
    assert r.outcome[:2] == (5, b'forced: [rm -rf "a b"; id]\n')
    t = w.client.terminal(None)
    t.expect(r"forced: \[\]")
    assert t.wait() == 5
    t.close()


def test_command_option_overrides_ssh_original_command_of_client(with_options):
    w = with_options('command="env | grep -c ^SSH_ORIGINAL_COMMAND=x"')
    name = "SSH_ORIGINAL_COMMAND"
    r = w.ssh("real", env={name: "x"}, SendEnv=name)
    assert r.outcome[:2] == (1, b"0\n")


def test_command_option_for_several_sessions(with_options, short):
    w = with_options('command="echo [$SSH_ORIGINAL_COMMAND]"')
    control = short / "c"
    w.client.forward("-M", "-S", str(control))
    wait_for("the master", control.exists)
    for i in range(5):
        assert w.ssh("-S", control, f"c{i}").text == f"[c{i}]\n"


def test_environment_option(gated, ring):
    w = gated(sshd=ENV)
    line = f'environment="GREETING=good day" {ring.get("client").public}\n'
    (w.gateway.conf / "alice.pub").write_text(line)
    assert w.ssh("echo $GREETING").text == "good day\n"
    assert w.ssh("echo $GREETING", env={"GREETING": "x"}, SendEnv="GREETING").text == "good day\n"


# Words of sshd_config in a route.


@pytest.mark.parametrize("allow", ["yes", "no", "local", "remote"])
def test_allow_tcp_forwarding(with_words, echo, short, allow):
    w = with_words(AllowTcpForwarding=allow)
    assert opens(w, echo.port) == (allow in ("yes", "local"))
    assert listens(w, net.free_port()) == (allow in ("yes", "remote"))


@pytest.mark.parametrize("tcp, stream", [("no", "yes"), ("yes", "no"), ("yes", "local"), ("yes", "remote"),
                                         ("local", "yes"), ("remote", "yes")])
def test_allow_streamlocal_forwarding(with_words, short, tcp, stream):
    """Unix sockets without TCP forwarding behave as in this version of sshd."""
    w = with_words(AllowTcpForwarding=tcp, AllowStreamLocalForwarding=stream)
    r = w.ssh("-R", f"{short}/r:127.0.0.1:9", "echo in", ExitOnForwardFailure="yes")
    assert (r.code == 0) == ("no" not in (tcp, stream) and "local" not in (tcp, stream)), r
    reached = short / "there"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(reached))
        server.listen()
        server.settimeout(60)
        w.client.forward("-L", f"{short}/l:{reached}")
        with net.connect_when_ready(str(short / "l"), 60) as s:
            if "no" in (tcp, stream) or "remote" in (tcp, stream):
                assert s.recv(1) == b""
            else:
                there, _ = server.accept()
                there.sendall(b"x")
                assert s.recv(1) == b"x"
                there.close()


def test_permit_open(with_words, echo):
    w = with_words(PermitOpen=f"127.0.0.1:{echo.port} localhost:*")
    assert opens(w, echo.port)
    assert opens(w, echo.port, "localhost")
    assert not opens(w, echo.port + 1)
    assert listens(w, net.free_port())


def test_permit_open_none(with_words, echo):
    assert not opens(with_words(PermitOpen="none"), echo.port)


def test_permit_listen(with_words):
    a, b = net.free_port(), net.free_port()
    w = with_words(PermitListen=f"{a} localhost:{b}")
    assert listens(w, a)
    assert not listens(w, b)
    assert listens(w, b, "localhost")


def test_permit_tty(with_words, tmp_path):
    w = with_words(PermitTTY="no", AllowAgentForwarding="no")
    assert not pty(w)
    assert not agent(w, tmp_path)


def test_force_command(with_words):
    w = with_words(ForceCommand="echo forced: [$SSH_ORIGINAL_COMMAND]")
    assert w.ssh("id").text == "forced: [id]\n"


def test_force_command_internal_sftp(with_words):
    w = with_words(ForceCommand="internal-sftp")
    assert w.client.sftp("pwd").code == 0
    r = w.ssh("id")
    assert r.code == 1 and r.text.strip() == "This service allows sftp connections only."


def test_force_command_overrides_command_option(with_options, own_way):
    word = {"ForceCommand": "echo config"}
    if own_way.name == "direct":
        w = with_options('command="echo key"', sshd=word)
    else:
        w = with_options('command="echo key"', route=word)
    assert w.ssh("id").text == "config\n"


def test_set_env(with_words):
    w = with_words(SetEnv='GREETING="good day" LC_X=1')
    r = w.ssh("echo \"$GREETING|$LC_X|$LC_Y\"", env={"LC_X": "2", "LC_Y": "3"}, SendEnv="LC_*")
    assert r.text == "good day|1|3\n"


def test_accept_env(with_words):
    w = with_words(AcceptEnv="LC_A*")
    r = w.ssh("echo \"$LC_AB|$LC_B\"", env={"LC_AB": "1", "LC_B": "2"}, SendEnv="LC_*")
    assert r.text == "1|\n"


def test_max_sessions(with_words, short):
    w = with_words(MaxSessions="2")
    control = short / "c"
    w.client.forward("-M", "-S", str(control))
    wait_for("the master", control.exists)
    two = [w.client.spawn("-S", control, "echo in; cat") for _ in range(2)]
    for p in two:
        assert p.stdout.readline() == b"in\n"
    r = w.ssh("-S", control, "echo third", ControlMaster="no")
    assert "Session open refused by peer" in r.err, r  # and ssh makes a new connection
    for p in two:
        p.stdin.close()
        assert p.wait(60) == 0
    assert w.ssh("-S", control, "echo third").text == "third\n"


def test_max_sessions_zero(with_words, echo):
    w = with_words(MaxSessions="0")
    assert w.ssh("echo in").code == 255
    assert opens(w, echo.port)


# Policy keys of the gateway alone.


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


def test_permit_commands_none(gated, echo):
    """Nothing runs, not even a subsystem of that name; forwards do."""
    w = gated(route={"PermitCommands": "none"})
    for words in (["upstream", "id"], ["upstream"], ["-s", "upstream", "none"], ["-s", "upstream", "sftp"]):
        r = w.client.run(w.client.argv("ssh", *words))
        assert r.code == 255 and "may use: none" in one_line(r.err), (words, r)
    assert opens(w, echo.port)


def test_refused_commands_do_not_end_connection(gated, short):
    """One after another and several at once, with input on its way: the other sessions go on."""
    w = gated(route={"PermitCommands": "exec"})
    control = short / "c"
    w.client.forward("-M", "-S", str(control))
    wait_for("the master", control.exists)
    running = w.client.spawn("-S", control, "echo in; cat")
    assert running.stdout.readline() == b"in\n"
    argv = w.client.argv("ssh", "-S", str(control), "-s", "upstream", "sftp")
    for _ in range(20):
        assert w.client.run(argv, b"x" * 100_000).code == 255
    many = [w.client.popen(argv) for _ in range(8)]
    for p in many:
        p.communicate(b"x" * 100_000, timeout=60)
        assert p.returncode == 255
    out, _ = running.communicate(b"still here", timeout=60)
    assert out == b"still here" and running.returncode == 0


def test_idle_timeout(gated):
    w = gated(route={"IdleTimeout": "5s"})  # a busy machine may take seconds for a line
    p = w.client.spawn("cat")
    for _ in range(4):
        p.stdin.write(b"x\n")
        p.stdin.flush()
        assert p.stdout.readline() == b"x\n"
    said = p.stderr.read().decode()
    assert p.wait(60) == 255
    assert "sallyport: closed, because it was idle for too long (session" in said
    w.gateway.log.wait(r"closed after .*: IdleTimeout is over")


def test_session_timeout(gated):
    w = gated(route={"SessionTimeout": "2s"})
    r = w.ssh("while :; do echo x; sleep 0.1; done")
    assert r.code == 255 and "time limit of a connection is over" in r.err
    w.gateway.log.wait(r"closed after .*: SessionTimeout is over")


def test_unused_connection_timeout(with_words):
    """A connection that only listens ends, and one with a session, which is older, goes on."""
    w = with_words(UnusedConnectionTimeout="5s")  # a busy machine may take seconds for a session
    used = w.client.spawn("cat")
    used.stdin.write(b"before\n")
    used.stdin.flush()
    assert used.stdout.readline() == b"before\n"
    r = w.client.run(w.client.argv("ssh", "-N", "-R", "127.0.0.1:0:127.0.0.1:9", "upstream"))
    assert r.code == 255 and "Allocated port" in r.err
    out, _ = used.communicate(b"after\n", timeout=60)
    assert out == b"after\n" and used.returncode == 0
    if w.gateway:
        assert "sallyport: closed, because no channel was open for too long (session" in r.err
        w.gateway.log.wait(r"closed after .*: UnusedConnectionTimeout is over")
