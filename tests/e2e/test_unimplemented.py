"""A machine that does not know global requests, as TinySSH: it says UNIMPLEMENTED to each."""

import socket
import threading

import pytest


from lab import net
from lab.wait import wait_for
from lab.way import Way

paramiko = pytest.importorskip("paramiko")

from paramiko.common import MSG_GLOBAL_REQUEST, MSG_UNIMPLEMENTED, cMSG_UNIMPLEMENTED


class Anybody(paramiko.ServerInterface):
    """Whatever is run ends when its input does."""

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username):
        return "publickey"

    def check_channel_request(self, kind, channel_id):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        def run():
            while channel.recv(65536):
                pass
            channel.send_exit_status(7)
            channel.close()

        threading.Thread(target=run, daemon=True).start()
        return True


class Machine:
    """further: how much too high the number is that it gives; TinySSH's is one."""

    host = "127.0.0.1"

    def __init__(self, ring, further):
        self.key = ring.get("upstream_host", "ecdsa256")
        self.further = further
        self.asked = 0
        self.server = net.Server(self.serve)
        self.port = self.server.port

    def authorize(self, *publics):
        pass

    def known_hosts(self):
        return f"[{self.host}]:{self.port} {self.key.public}\n"

    def serve(self, s):
        t = paramiko.Transport(s)
        t._handler_table = {k: v for k, v in t._handler_table.items() if k != MSG_GLOBAL_REQUEST}
        send = t._send_message

        def sending(m):
            data = m.asbytes()
            if data[:1] == cMSG_UNIMPLEMENTED:
                self.asked += 1
                number = int.from_bytes(data[1:5], "big") + self.further
                m = paramiko.Message(bytes([MSG_UNIMPLEMENTED]) + number.to_bytes(4, "big"))
            send(m)

        t._send_message = sending
        t.add_server_key(paramiko.ECDSAKey.from_private_key_file(str(self.key.path)))
        try:
            t.start_server(server=Anybody())
            t.join()
        except (paramiko.SSHException, EOFError, socket.error):
            pass
        finally:
            t.close()


@pytest.fixture
def build(make_gateway, tmp_path, ring):
    ways = []

    def make(name, further, **route):
        machine = Machine(ring, further)
        g = None
        if name == "gateway":
            g = make_gateway()
            g.route("alice", machine, [ring.get("client")], **route)
            g.start()
        # post_quantum: with all of ssh's key exchanges, of which paramiko knows one
        ways.append(Way(name, tmp_path, ring, machine, g, post_quantum=True))
        return ways[-1]

    yield make
    for w in ways:
        w.close()
        w.sshd.server.close()


def lives_on(way, asked, **options):
    """A session during which the machine is asked so often."""
    p = way.client.spawn("until the end of its input", **options)
    wait_for("questions", lambda: way.sshd.asked >= asked or p.poll() is not None, 20)
    out, err = p.communicate(b"", timeout=10)
    assert (p.returncode, out) == (7, b""), err


@pytest.mark.parametrize("name", ["direct", "gateway"])
def test_keepalives_of_ssh_are_answered(build, name):
    way = build(name, 1, ServerAliveInterval="none")
    lives_on(way, 3, ServerAliveInterval="1", ServerAliveCountMax="1")


@pytest.mark.parametrize("further", [0, 1])
def test_keepalives_of_the_gateway_are_answered(build, further):
    """It gives a machine up that has not answered three of them."""
    lives_on(build("gateway", further, ServerAliveInterval="1s"), 6)


@pytest.mark.parametrize("name", ["direct", "gateway"])
def test_no_more_sessions_is_for_openssh_alone(build, name):
    """Apache MINA would open nothing at all after that, and ssh -L failed."""
    way = build(name, 0, ServerAliveInterval="none")
    lives_on(way, 0)
    assert way.sshd.asked == 0
