"""The Host: in an SSH banner: a version string that looks like a request of HTTP, and a Host: in the first packet, which
SSH ignores.
"""

import inspect
import re

import pytest

from lab import net
from lab.way import Way
from lab.sshd import ME

paramiko = pytest.importorskip("paramiko")

FORWARD = """
[forward machines]
Protocol = banner
MatchHost = localhost 127.0.0.1
Target = %h:{port}
AllowDestinations = 127.0.0.1:{port} localhost:{port} 127.0.0.0/8:{port}
"""


class Hidden(paramiko.Transport):
    """A client that says where it wants to go."""

    def __init__(self, sock, host):
        # it forbids an IGNORE before the KEXINIT; an older paramiko does not know it
        known = inspect.signature(paramiko.Transport.__init__).parameters
        super().__init__(sock, **({"strict_kex": False} if "strict_kex" in known else {}))
        self.local_version = "SSH-2.0-client / HTTP/1.1"
        self.host = host

    def _check_banner(self):
        # it does not wait for the server's
        if self.host:
            m = paramiko.Message()
            m.add_byte(paramiko.common.cMSG_IGNORE)
            m.add_string(f"\r\nHost: {self.host}\r\n\r\n")
            self._send_message(m)
        super()._check_banner()


def login(port, host, user, ring):
    """The output of a command, and the type and key of the host."""
    with net.connect(("127.0.0.1", port)) as s:
        t = Hidden(s, host)
        try:
            t.start_client(timeout=60)
            key = t.get_remote_server_key()
            t.auth_publickey(user, paramiko.Ed25519Key.from_private_key_file(str(ring.get("client").path)))
            c = t.open_session()
            c.exec_command("echo $SSH_CONNECTION")
            return c.makefile().read().decode(), key.get_base64()
        finally:
            t.close()


@pytest.fixture
def gw(make_gateway, make_sshd, ring, tmp_path):
    """A gateway that hands SSH for localhost to a machine, and has a route for vm1."""
    g = make_gateway()
    machine, vm1 = make_sshd(), make_sshd()
    machine.authorize(ring.get("client").public)
    g.route("alice/vm1", vm1, [ring.get("client")], key="vm1", MatchHost="vm1")
    g.write("05-edge.ini", "edge", {"DetectTimeout": "60s"}, FORWARD.format(port=machine.port))
    g.start()
    w = Way("gateway", tmp_path / "way", ring, vm1, g)
    w.machine = machine
    yield w
    w.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST:22"])
def test_host_in_the_banner_leads_to_the_machine(gw, ring, host):
    """Its sshd gets all of it, and takes it for the beginning of SSH."""
    text, key = login(gw.gateway.port, host, ME, ring)
    assert int(text.split()[3]) == gw.machine.port
    assert key in gw.machine.known_hosts()
    gw.gateway.log.wait(r"Forwarded machines: 127\.0\.0\.1 port \d+ to ")


def test_host_in_the_banner_is_the_host_of_a_route(gw, ring):
    """No section takes it."""
    text, key = login(gw.gateway.port, "vm1", "alice", ring)
    assert int(text.split()[3]) == gw.sshd.port
    assert key in gw.gateway.known_hosts()


def test_machine_that_is_not_allowed(gw, ring):
    """A section takes its name, and AllowDestinations does not."""
    file = gw.gateway.conf / "05-edge.ini"
    file.write_text(re.sub("AllowDestinations = .*", "AllowDestinations = other.example.org", file.read_text()))
    gw.gateway.hangup()
    with pytest.raises((paramiko.SSHException, EOFError, OSError)):
        login(gw.gateway.port, "127.0.0.1", ME, ring)
    gw.gateway.log.wait(r"127\.0\.0\.1")


def test_banner_without_a_host_is_ssh(gw, ring):
    """When no packet has come in time, since the client waits for the server's banner."""
    file = gw.gateway.conf / "05-edge.ini"
    file.write_text(file.read_text().replace("DetectTimeout = 60s", "DetectTimeout = 1s"))
    gw.gateway.hangup()
    with pytest.raises(paramiko.AuthenticationException):
        login(gw.gateway.port, None, "alice", ring)
