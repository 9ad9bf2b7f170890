"""TCP forwards: -L, -R, -D, -W."""

import re

import pytest

from lab import net
from lab.wait import wait_for

DATA = bytes(range(256)) * 40_000  # 10 MB


def test_local_forward(way, echo, digest):
    a, b = net.free_port(), net.free_port()
    way.client.forward(
        "-L", f"127.0.0.1:{a}:127.0.0.1:{echo.port}", "-L", f"127.0.0.1:{b}:127.0.0.1:{digest.port}",
        ready=[("127.0.0.1", a), ("127.0.0.1", b)],
    )
    assert net.exchange(("127.0.0.1", a), DATA) == DATA
    assert net.exchange(("127.0.0.1", b), DATA) == net.sha256(DATA)
    small = DATA[:2_000_000]
    assert net.exchange_many(("127.0.0.1", a), 8, small) == [small + b"%d" % i for i in range(8)]


def test_local_forward_to_closed_port(way):
    port, nobody = net.free_port(), net.free_port()
    way.client.forward("-L", f"127.0.0.1:{port}:127.0.0.1:{nobody}", ready=[("127.0.0.1", port)])
    with net.connect(("127.0.0.1", port)) as s:
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass


def test_remote_forward(way, echo, digest):
    a, b = net.free_port(), net.free_port()
    way.client.forward(
        "-R", f"127.0.0.1:{a}:127.0.0.1:{echo.port}", "-R", f"127.0.0.1:{b}:127.0.0.1:{digest.port}",
        ready=[("127.0.0.1", a), ("127.0.0.1", b)],
    )
    assert net.exchange(("127.0.0.1", a), DATA) == DATA
    assert net.exchange(("127.0.0.1", b), DATA) == net.sha256(DATA)
    small = DATA[:2_000_000]
    assert net.exchange_many(("127.0.0.1", a), 8, small) == [small + b"%d" % i for i in range(8)]


def test_remote_forward_with_port_chosen_by_upstream(way, echo):
    p = way.client.forward("-R", f"127.0.0.1:0:127.0.0.1:{echo.port}")
    line = p.stderr.readline().decode()
    port = int(re.match(r"Allocated port (\d+) for remote forward", line)[1])
    assert net.exchange(("127.0.0.1", port), DATA) == DATA


def test_remote_forward_of_used_port_is_refused(way, echo):
    r = way.ssh(
        "-R", f"127.0.0.1:{echo.port}:127.0.0.1:9", "echo not reached", ExitOnForwardFailure="yes"
    )
    assert r.code == 255 and r.out == b""
    assert f"remote port forwarding failed for listen port {echo.port}" in r.err


def test_remote_forward_can_be_cancelled(way, echo, short):
    port = net.free_port()
    control = short / "c"
    m = way.client.forward("-M", "-S", str(control), "-R", f"127.0.0.1:{port}:127.0.0.1:{echo.port}",
                           ready=[("127.0.0.1", port)])
    way.client.ssh("-S", control, "true")  # the client has read the answer to its request
    argv = way.client.argv("ssh", "-S", control, "-O", "cancel", "-R",
                           f"127.0.0.1:{port}:127.0.0.1:{echo.port}", "upstream")
    way.client.run(argv, check=True)
    wait_for("the end of the forward", lambda: not net.accepts(("127.0.0.1", port)))
    assert m.poll() is None, m.stderr.read()


def test_dynamic_forward(way, echo):
    port = net.free_port()
    way.client.forward("-D", f"127.0.0.1:{port}", ready=[("127.0.0.1", port)])
    with net.socks5(("127.0.0.1", port), "localhost", echo.port) as s:
        assert net.exchange_on(s, DATA) == DATA
    with net.socks5(("127.0.0.1", port), "127.0.0.1", echo.port) as s:
        assert net.exchange_on(s, b"") == b""


def test_remote_dynamic_forward(way, echo):
    port = net.free_port()
    way.client.forward("-R", f"127.0.0.1:{port}", ready=[("127.0.0.1", port)])
    with net.socks5(("127.0.0.1", port), "127.0.0.1", echo.port) as s:
        assert net.exchange_on(s, DATA) == DATA


def test_stdio_forward(way, echo, digest):
    ssh = way.client.argv("ssh", "-W", f"127.0.0.1:{digest.port}", "upstream")
    assert way.client.run(ssh, DATA).outcome == (0, net.sha256(DATA), "")
    ssh = way.client.argv("ssh", "-W", f"127.0.0.1:{echo.port}", "upstream")
    assert way.client.run(ssh, DATA).outcome == (0, DATA, "")


def test_stdio_forward_to_closed_port(way):
    r = way.client.run(way.client.argv("ssh", "-W", f"127.0.0.1:{net.free_port()}", "upstream"))
    assert r.code == 255
    assert "open failed: connect failed: Connection refused" in r.err


def test_upstream_that_forbids_forwarding(own_way, echo):
    w = own_way(sshd={"AllowTcpForwarding": "no"})
    r = w.client.run(w.client.argv("ssh", "-W", f"127.0.0.1:{echo.port}", "upstream"))
    assert r.code == 255
    assert "open failed: administratively prohibited" in r.err
    r = w.ssh("-R", f"127.0.0.1:0:127.0.0.1:{echo.port}", "echo still here")
    assert r.text == "still here\n" and "remote port forwarding failed" in r.err


def test_proxy_jump_to_another_upstream(way, make_sshd, ring):
    """ssh -J: a whole SSH connection in one channel."""
    inner = make_sshd(env={"MACHINE": "inner"})
    inner.authorize(ring.get("client").public)
    from lab.sshd import ME

    outer = way.client
    c = way.new_client(user=ME)
    c.port = inner.port
    c.known_hosts.write_text(inner.known_hosts())
    c.write_config(ProxyCommand=f"ssh -F {outer.config} -W %h:%p upstream")
    assert c.ssh("echo $MACHINE").text == "inner\n"
    assert c.ssh("cat", stdin=DATA).out == DATA
