"""What OpenSSH alone does, or does in its own way."""

import hashlib
import os
import shutil
import subprocess

import pytest

from lab import net, procs
from lab.agent import start_agent
from lab.sshd import ME
from lab.wait import wait_for

pytestmark = pytest.mark.client("OpenSSH")
DATA = bytes(range(256)) * 8192


def test_environment(both):
    """environment"""
    def run(way):
        return way.ssh('echo "$LC_TEST|$OTHER"', env={"LC_TEST": "grün ☂ $x", "OTHER": "x"}, SendEnv="LC_TEST OTHER",
                       check=True).out

    both(run)


@pytest.mark.parametrize("flag", ["-L", "-R"])
def test_port_forward(both, echo, flag):
    """-L and -R"""
    def run(way):
        port = net.free_port()
        way.client.forward(flag, f"127.0.0.1:{port}:127.0.0.1:{echo.port}", ready=[("127.0.0.1", port)])
        assert net.exchange(("127.0.0.1", port), DATA) == DATA

    both(run)


def forward_socks(way, flag, echo):
    port = net.free_port()
    way.client.forward(flag, f"127.0.0.1:{port}", ready=[("127.0.0.1", port)])
    with net.socks5(("127.0.0.1", port), "localhost", echo.port) as s:
        assert net.exchange_on(s, DATA) == DATA


def test_dynamic_forward(both, echo):
    """-D"""
    both(lambda way: forward_socks(way, "-D", echo))


def test_remote_dynamic_forward(both, echo):
    """-R as a SOCKS proxy"""
    both(lambda way: forward_socks(way, "-R", echo))


def test_stdio_forward(both):
    """-W"""
    def run(way):
        server = net.Server(net.digest)
        try:
            r = way.run(way.client.argv("ssh", "-W", f"127.0.0.1:{server.port}", "upstream"), DATA)
        finally:
            server.close()
        assert r.out == net.sha256(DATA)
        return r.outcome

    both(run)


@pytest.mark.parametrize("flag", ["-L", "-R"])
def test_unix_socket_forward(both, flag):
    """-L and -R of Unix sockets"""
    def run(way):
        server = net.Server(net.echo, way.short / "echo")
        here = str(way.short / "here")
        try:
            way.client.forward(flag, f"{here}:{server.address}", ready=[here])
            assert net.exchange(here, DATA) == DATA
        finally:
            server.close()

    both(run)


def test_agent(both, ring):
    """agent forwarding"""
    def run(way):
        env = start_agent(way.client, way.short / "agent", ring.get("client"))
        return way.ssh("-A", "ssh-add -L | cut -d ' ' -f 1,2", env=env, check=True).out

    both(run)


@pytest.fixture
def display():
    """The display of an X server without a screen of its own."""
    for program, package in (("Xvfb", "xvfb"), ("xauth", "xauth"), ("xdpyinfo", "x11-utils")):
        if not shutil.which(program):
            pytest.skip(f"not installed: {package}")
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-nolisten", "tcp", "-screen", "0", "320x200x24"],
                              pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, preexec_fn=procs.end_with_us)
    os.close(write)
    with open(read, encoding="ascii") as f:
        number = f.readline().strip()
    assert number, "Xvfb does not start"
    yield f":{number}"
    procs.end(server)


@pytest.mark.parametrize("flag", ["-X", "-Y"])
def test_x11(both, display, flag):
    """X11 by -X and -Y, under Xvfb"""
    def run(way):
        # how long -X is valid: a display of an untrusted client ends with its cookie
        r = way.ssh(flag, "xdpyinfo", env={"DISPLAY": display}, check=True, ForwardX11Timeout="10m")
        lines = r.text.splitlines()
        return [line for line in lines if line.strip().startswith(("vendor", "dimensions", "version", "depth"))]

    both(run)


def test_control_master(both):
    """ControlMaster"""
    def run(way):
        control = way.short / "control"
        way.client.forward("-M", "-S", control)
        wait_for("the control socket", lambda: net.accepts(str(control)))
        running = [way.client.spawn("-S", control, f"cat; exit {i}") for i in range(10)]
        return [(p.communicate(b"%d" % i * 10_000, timeout=120), p.returncode) for i, p in enumerate(running)]

    both(run)


def test_jump(both):
    """-J through it, to a third host"""
    def run(way):
        third = way.new_client()
        text = third.config.read_text()
        third.known_hosts.write_text(way.front.known_hosts() + way.sshd.known_hosts())
        third.config.write_text(f"Host third\n    Port {way.sshd.port}\n    User \"{ME}\"\n\n" + text)
        r = third.run(third.argv("ssh", "-J", "upstream", "third", "sha256sum; exit 9"), DATA)
        assert hashlib.sha256(DATA).hexdigest() in r.text, r
        return r.outcome

    both(run)
