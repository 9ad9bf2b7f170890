"""An upstream that knows no global requests, as TinySSH: it answers each with UNIMPLEMENTED."""

import socket
import threading

import pytest


from lab import net
from lab.wait import wait_for
from lab.way import Way

paramiko = pytest.importorskip("paramiko")

from paramiko.common import MSG_GLOBAL_REQUEST, MSG_UNIMPLEMENTED, cMSG_UNIMPLEMENTED


class EchoStatusServer(paramiko.ServerInterface):
    """A command ends with its input."""

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


class UnimplementedUpstream:
    """offset: how much too high the sequence number in UNIMPLEMENTED is; that of TinySSH is one too high."""

    host = "127.0.0.1"

    def __init__(self, ring, offset):
        self.key = ring.get("upstream_host", "ecdsa256")
        self.offset = offset
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
                number = int.from_bytes(data[1:5], "big") + self.offset
                m = paramiko.Message(bytes([MSG_UNIMPLEMENTED]) + number.to_bytes(4, "big"))
            send(m)

        t._send_message = sending
        t.add_server_key(paramiko.ECDSAKey.from_private_key_file(str(self.key.path)))
        try:
            t.start_server(server=EchoStatusServer())
            t.join()
        except (paramiko.SSHException, EOFError, socket.error):
            pass
        finally:
            t.close()


@pytest.fixture
def way_to_upstream(make_gateway, tmp_path, ring):
    ways = []

    def make(name, offset, **route):
        upstream = UnimplementedUpstream(ring, offset)
        g = None
        if name == "gateway":
            g = make_gateway()
            g.route("alice", upstream, [ring.get("client")], **route)
            g.start()
        # post_quantum: ssh may use all of its key exchanges, of which paramiko knows one
        ways.append(Way(name, tmp_path, ring, upstream, g, post_quantum=True))
        return ways[-1]

    yield make
    for w in ways:
        w.close()
        w.sshd.server.close()


def assert_session_survives(way, asked, **options):
    """A session during which the upstream gets this many global requests."""
    p = way.client.spawn("until the end of its input", **options)
    wait_for("questions", lambda: way.sshd.asked >= asked or p.poll() is not None, 60)
    out, err = p.communicate(b"", timeout=60)
    assert (p.returncode, out) == (7, b""), err


@pytest.mark.parametrize("name", ["direct", "gateway"])
def test_keepalives_of_ssh(way_to_upstream, name):
    way = way_to_upstream(name, 1, ServerAliveInterval="none")
    assert_session_survives(way, 6, ServerAliveInterval="1", ServerAliveCountMax="3")


@pytest.mark.parametrize("offset", [0, 1])
def test_keepalives_of_gateway(way_to_upstream, offset):
    """The gateway gives up an upstream that has not answered three of them."""
    assert_session_survives(way_to_upstream("gateway", offset, ServerAliveInterval="1s"), 6)


@pytest.mark.parametrize("name", ["direct", "gateway"])
def test_no_more_sessions_is_for_openssh_alone(way_to_upstream, name):
    """Apache MINA opens nothing after that request, and ssh -L failed."""
    way = way_to_upstream(name, 0, ServerAliveInterval="none")
    assert_session_survives(way, 0)
    assert way.sshd.asked == 0
