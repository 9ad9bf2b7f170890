"""Key = agent under attack: clients, agents and upstreams that break the protocol."""

import contextlib
import socket
import struct
import threading

import pytest

from lab.attack import (
    CHANNEL_CLOSE, CHANNEL_DATA, CHANNEL_EOF, CHANNEL_FAILURE, CHANNEL_OPEN,
    CHANNEL_EXTENDED_DATA, CHANNEL_OPEN_CONFIRMATION, CHANNEL_OPEN_FAILURE, CHANNEL_REQUEST,
    CHANNEL_SUCCESS, CHANNEL_WINDOW_ADJUST, GLOBAL_REQUEST, REQUEST_FAILURE, USERAUTH_FAILURE,
    USERAUTH_REQUEST, USERAUTH_SUCCESS, Attacker, key_of, proof,
)
from lab import net
from lab.agent import Agent
from lab.refusal import one_line

paramiko = pytest.importorskip("paramiko")


SESSION = 0x7FFF0000  # the channel number the gateway gives to the first session
AGENT = 0x7FFF0001
MINE = 5
BANNER = "0123456789abcdef"


@pytest.fixture
def grace():
    return "120s"


@pytest.fixture
def way(gated, ring, tmp_path, request, grace):
    """A way to an upstream that accepts no key of these agents: a session there is a break-in.  Its
    parameter: how often the upstream sends BANNER.
    """
    sshd = {}
    if times := getattr(request, "param", 0):
        sshd["Banner"] = tmp_path / "banner"
        sshd["Banner"].write_text(BANNER * times)
    w = gated(route={"key": "agent"}, front={"LoginGraceTime": grace}, sshd=sshd)
    yield w
    assert not w.sshd.log.find("Accepted publickey")
    assert not w.gateway.log.find("killed by signal|process died|bad message")
    assert all(p.alive() for p in [w.gateway.master, *w.gateway.keepers()])
    for client in w.clients:
        client.close()
    w.gateway.quiet()


@pytest.fixture
def attack(way):
    made = []

    def connect():
        a = Attacker(way.front.port)
        a.service()
        a.send(*proof(a, way.login, key_of(way.client)))
        assert a.expect(USERAUTH_SUCCESS)
        made.append(a)
        return a

    yield connect
    for a in made:
        a.close()


def session(a, window=1 << 20, packet=32768):
    a.send(CHANNEL_OPEN, "session", 0, window, packet)
    assert a.expect(CHANNEL_OPEN_CONFIRMATION)


def open_session_with_agent(a, window=1 << 20, packet=32768):
    """Open a session, offer an agent, and read the gateway's first request to it if the window allows one."""
    session(a)
    a.send(CHANNEL_REQUEST, SESSION, "auth-agent-req@openssh.com", True)
    assert a.expect(CHANNEL_OPEN)
    a.send(CHANNEL_OPEN_CONFIRMATION, AGENT, MINE, window, packet)
    if window:
        assert a.expect(CHANNEL_DATA)


def answer_agent(a, body):
    """Send one answer of the agent; return when the gateway's next request or the end has come."""
    before = len(a.received)
    a.send(CHANNEL_DATA, AGENT, struct.pack(">I", len(body)) + body)
    return a.expect(CHANNEL_DATA, CHANNEL_CLOSE, after=before)


def assert_session_refused(way, a, why):
    """The session ends with a message and an exit status, and the log has the reason."""
    assert a.expect(CHANNEL_CLOSE), a.received
    assert way.gateway.log.wait(rf"alice from .* refused: .*{why}")
    with contextlib.suppress(EOFError):  # it does not wait long for this
        a.send(CHANNEL_CLOSE, SESSION)
    assert a.ends()


def string(b):
    return struct.pack(">I", len(b)) + b


ED25519 = string(string(b"ssh-ed25519") + string(bytes(32)))

LISTS = {
    "not-a-list": b"\x06",
    "empty-answer": b"\x0c",
    "more-than-said": b"\x0c" + struct.pack(">I", 0) + b"x",
    "fewer-than-said": b"\x0c" + struct.pack(">I", 2) + ED25519 + string(b""),
    "4294967295-keys": b"\x0c" + struct.pack(">I", 0xFFFFFFFF) + string(b"") * 4000,
    "long-key": b"\x0c" + struct.pack(">I", 1) + struct.pack(">I", 0xFFFFFFF0) + b"x" * 100,
}


@pytest.mark.parametrize("case", LISTS)
def test_malformed_list_of_keys(way, attack, case):
    a = attack()
    open_session_with_agent(a)
    assert answer_agent(a, b"\x05") == CHANNEL_DATA  # answers session-bind
    answer_agent(a, LISTS[case])
    assert_session_refused(way, a, "unreadable answer from the agent")


def test_only_six_of_thousands_of_keys_are_tried(way, attack):
    """Entries that are no keys are skipped, and six keys are tried, however many there are."""
    a = attack()
    open_session_with_agent(a)
    answer_agent(a, b"\x05")
    answer_agent(a, b"\x0c" + struct.pack(">I", 1000) + (ED25519 + string(b"")) * 500
                 + (string(b"junk") + string(b"")) * 500)
    assert_session_refused(way, a, "accepts none|Too many authentication failures")
    assert len(way.sshd.log.text().split("Failed publickey")) <= 7


RAW = {
    "length-too-large": [(CHANNEL_DATA, AGENT, struct.pack(">I", 1 << 30))],
    "two-answers": [(CHANNEL_DATA, AGENT, b"\0\0\0\1\5\0\0\0\1\5")],
    "more-than-the-window": [(CHANNEL_DATA, AGENT, b"\0\0\xff\xff" + bytes(30000))] * 3,
    "window-overflow": [(CHANNEL_WINDOW_ADJUST, AGENT, 0xFFFFFFFF)],
    "cut": [(CHANNEL_DATA, AGENT, bytearray())],
    "confirmed-twice": [(CHANNEL_OPEN_CONFIRMATION, AGENT, 6, 1, 1)],
    "request": [(CHANNEL_REQUEST, AGENT, "exec", True, "id")],
    "success": [(CHANNEL_SUCCESS, AGENT)],
}


@pytest.mark.parametrize("case", RAW)
def test_misuse_of_agent_channel(way, attack, case):
    a = attack()
    open_session_with_agent(a)
    for m in RAW[case]:
        a.send(*m)
    assert_session_refused(way, a, "unreadable answer from the agent")


@pytest.mark.parametrize("last", [(CHANNEL_EOF, AGENT), (CHANNEL_CLOSE, AGENT)])
def test_agent_channel_closed_during_login(way, attack, last):
    a = attack()
    open_session_with_agent(a)
    a.send(*last)
    assert_session_refused(way, a, "the agent went away")


def test_agent_channel_that_is_refused(way, attack):
    a = attack()
    session(a)
    a.send(CHANNEL_REQUEST, SESSION, "auth-agent-req@openssh.com", True)
    assert a.expect(CHANNEL_OPEN)
    a.send(CHANNEL_OPEN_FAILURE, AGENT, 2, "no", "")
    assert_session_refused(way, a, "does not open a channel to its agent")


@pytest.mark.parametrize("grace", ["8s"])
@pytest.mark.parametrize("window, packet", [(0, 32768), (1 << 20, 0), (10, 1)])
def test_login_grace_time_ends_wait_for_agent_window(way, attack, window, packet):
    a = attack()
    open_session_with_agent(a, window if packet else 0, packet)
    assert_session_refused(way, a, "LoginGraceTime was over")


@pytest.mark.parametrize("flood", [
    (CHANNEL_REQUEST, SESSION, "env", True, "A", "b" * 1000),
    (GLOBAL_REQUEST, "tcpip-forward", True, "127.0.0.1", 1),
    (CHANNEL_OPEN, "session", 1, 1 << 20, 32768),
    (CHANNEL_DATA, SESSION, b"x" * 30000),
    (CHANNEL_DATA, 77, b"x" * 30000),
])
def test_flood_while_waiting_for_agent_is_bounded(way, attack, flood):
    """What the gateway holds back for later is limited."""
    a = attack()
    session(a)
    with pytest.raises((OSError, EOFError, paramiko.SSHException)):
        for _ in range(100_000):
            a.send(*flood)
            if not a.is_active():
                raise EOFError
    assert a.ends()
    assert way.gateway.log.wait("client sends too much before the upstream")


def test_keepalives_during_agent_login_are_answered(way, attack):
    a = attack()
    for _ in range(5000):
        a.send(GLOBAL_REQUEST, "keepalive@openssh.com", True)
    session(a)
    assert a.received.count(REQUEST_FAILURE) == 5000


def test_login_messages_after_login_are_ignored(way, attack):
    a = attack()
    a.send(USERAUTH_REQUEST, "alice", "ssh-connection", "none")
    session(a)
    assert USERAUTH_FAILURE not in a.received and a.received.count(USERAUTH_SUCCESS) == 1


def test_second_agent_request_opens_nothing(way, attack):
    a = attack()
    open_session_with_agent(a)
    a.send(CHANNEL_REQUEST, SESSION, "auth-agent-req@openssh.com", True)
    a.send(CHANNEL_DATA, AGENT, bytearray())
    assert_session_refused(way, a, "unreadable answer from the agent")
    assert a.received.count(CHANNEL_OPEN) == 1


def test_shell_request_is_answered_where_agent_is_missing(way, attack):
    """Clients that wait for the reply to their request still show the message."""
    a = attack()
    session(a)
    a.send(CHANNEL_REQUEST, SESSION, "shell", True)
    assert_session_refused(way, a, "no agent is offered")
    assert CHANNEL_SUCCESS in a.received and CHANNEL_FAILURE not in a.received
    assert CHANNEL_REQUEST in a.received  # exit-status


@pytest.mark.parametrize("way", [2000], indirect=True)
@pytest.mark.parametrize("window, packet, shown", [
    (0, 32768, 0), (1, 32768, 1), (10_000, 32768, 10_000), (1 << 20, 0, 0), (1 << 20, 1, 16384),
    (0xFFFFFFFF, 0xFFFFFFFF, 16384),
])
def test_banner_respects_small_client_window(way, attack, window, packet, shown):
    a = attack()
    session(a, window, packet)
    a.send(CHANNEL_REQUEST, SESSION, "auth-agent-req@openssh.com", True)
    assert a.expect(CHANNEL_OPEN)
    a.send(CHANNEL_OPEN_CONFIRMATION, AGENT, MINE, 1 << 20, 32768)
    assert a.expect(CHANNEL_DATA)
    answer_agent(a, b"\x05")
    answer_agent(a, b"\x0c" + struct.pack(">I", 1) + ED25519 + string(b""))
    assert_session_refused(way, a, "accepts none")
    pieces = [m[12:] for _, kind, m in a.messages if kind == CHANNEL_EXTENDED_DATA]
    assert all(len(p) <= packet for p in pieces)
    text = b"".join(pieces)
    assert len(text) <= window
    banner = BANNER.encode() * 1024
    assert text[:shown] == banner[:shown]
    assert text[shown:] == b"" or text[shown:].startswith(b"sallyport: "[:packet])


# Agents, whose answers ssh forwards unchanged.


class FakeAgent:
    """An agent on a Unix socket.  answers(type, body) gives the answer in bytes, or None to hang up."""

    def __init__(self, path, answers):
        self.answers = answers
        self.types = []
        self.server = net.Server(self.serve, path)

    def serve(self, s):
        with s.makefile("rb") as f:
            while len(head := f.read(4)) == 4:
                body = f.read(struct.unpack(">I", head)[0])
                self.types.append(body[0])
                reply = self.answers(body[0], body[1:])
                if reply is None:
                    return
                s.sendall(struct.pack(">I", len(reply)) + reply)


AGENTS = {
    "hangs-up-at-once": (lambda kind: None, "disappeared before it signed"),
    "hangs-up-when-it-is-to-sign": (lambda kind: None if kind == 13 else "list", "disappeared before it signed"),
    "empty-signature": (lambda kind: b"\x0e\0\0\0\0" if kind == 13 else "list", "did not sign"),
    "signature-of-another-kind": (
        lambda kind: b"\x0e" + string(string(b"ssh-rsa") + string(b"x" * 64)) if kind == 13 else "list",
        "did not sign"),
    "wrong-signature": (
        lambda kind: b"\x0e" + string(string(b"ssh-ed25519") + string(b"x" * 64)) if kind == 13 else "list",
        "accepts none"),
    "large-signature": (
        lambda kind: b"\x0e" + string(string(b"ssh-ed25519") + bytes(60000)) if kind == 13 else "list",
        "did not sign"),
    "says-it-succeeded": (lambda kind: b"\x06" if kind == 13 else "list", "cannot be used"),
    "65-kilobytes": (lambda kind: b"\x0c" + bytes(65536), "cannot be used"),
}


@pytest.mark.parametrize("case", AGENTS)
def test_malformed_answers_of_agent(way, ring, short, case):
    answers, says = AGENTS[case]
    key = paramiko.Ed25519Key.from_private_key_file(str(ring.get("agent").path))
    way.sshd.authorize(ring.get("agent").public)
    keys = b"\x0c" + struct.pack(">I", 1) + string(key.asbytes()) + string(b"")

    def give(kind, body):
        if kind == 27:
            return b"\x05"
        reply = answers(kind)
        return keys if reply == "list" else reply

    agent = FakeAgent(short / "fake", give)
    way.client.env["SSH_AUTH_SOCK"] = str(short / "fake")
    r = way.client.ssh("-A", "echo in")  # the login to the gateway itself uses a key file
    assert r.code == 255 and r.out == b"" and says in one_line(r.err), r
    assert 11 in agent.types
    agent.server.close()


# Upstreams that are hostile or odd.


class OddUpstream(paramiko.ServerInterface):
    """A server that accepts any key.  session=False: it opens no session; hang_up=True: it resets the
    connection after SUCCESS.
    """

    def __init__(self, key, session=True, first=0, packet=32768, window=None, hang_up=False, banner=None):
        self.key, self.session, self.first, self.packet = key, session, first, packet
        self.window = window or 1 << 21
        self.hang_up = hang_up
        self.banner = banner
        self.got = b""
        self.done = threading.Event()
        self.server = net.Server(self.serve)
        self.host, self.port = self.server.address

    def known_hosts(self):
        return f"[{self.host}]:{self.port} {self.key.get_name()} {self.key.get_base64()}\n"

    def authorize(self, *publics):
        pass

    def serve(self, s):
        t = paramiko.Transport(s, default_window_size=self.window, default_max_packet_size=self.packet)
        t._channel_counter = self.first
        send = t._send_message

        def last(m):
            over = self.hang_up and m.asbytes()[0] == USERAUTH_SUCCESS
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            send(m)
            if over:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()  # a reset

        t._send_message = last
        t.add_server_key(self.key)
        try:
            t.start_server(server=self)
            channel = t.accept(60)
            while data := channel.recv(1 << 20):
                self.got += data
            channel.sendall(b"%d" % len(self.got))
            channel.send_exit_status(0)
            channel.close()
        except (AttributeError, EOFError, OSError, paramiko.SSHException):
            pass  # no session was opened, or the connection is gone
        self.done.wait(300)
        t.close()

    def get_banner(self):
        return self.banner, "en"

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED if self.session else paramiko.OPEN_FAILED_RESOURCE_SHORTAGE

    def check_channel_exec_request(self, channel, command):
        return True


@pytest.fixture
def odd_upstream(make_gateway, ring, tmp_path, short):
    """odd_upstream(...): a way with an agent, to an OddUpstream with these options."""
    from lab.way import Way

    made = []

    def make(**options):
        upstream = OddUpstream(
            paramiko.Ed25519Key.from_private_key_file(str(ring.get("odd_host").path)), **options)
        g = make_gateway()
        g.route("alice", upstream, [ring.get("client")], key="agent")
        g.start()
        w = Way("gateway", tmp_path / "odd", ring, upstream, g)
        agent = Agent(w, short / "a")
        agent.add(ring.get("agent"))
        made.append(w)
        w.upstream = upstream
        return w

    yield make
    for w in made:
        w.upstream.done.set()
        w.upstream.server.close()
        w.close()
        w.gateway.quiet()


def test_upstream_that_takes_small_packets(odd_upstream, bulk):
    """The client was promised larger packets before the upstream was known: the gateway splits them."""
    w = odd_upstream(packet=4096, window=1 << 16)
    b = bulk(1)
    with open(b.path, "rb") as f:
        r = w.ssh("-T", "count", stdin=f)
    assert r.outcome == (0, b"%d" % b.size, ""), r
    assert w.upstream.got == b.path.read_bytes()


def test_banner_of_upstream_sends_no_terminal_controls(odd_upstream):
    """As in OpenSSH's client, which filters a banner that comes before the login."""
    w = odd_upstream(banner="\x1b[2J\x9b31mred\x07\x7f\0\rover\r\n\xe9\t.\n")
    r = w.ssh("count")
    assert r.code == 0 and r.out == b"0", r
    assert r.err == "?[2J??31mred???over\r\n\xe9\t.\r\n"


def test_upstream_that_opens_no_session(odd_upstream):
    w = odd_upstream(session=False)
    r = w.ssh("echo in")
    assert r.code == 255 and "does not open a session" in one_line(r.err), r


def test_upstream_that_hangs_up_after_success(odd_upstream):
    """Nothing crashes, and the next login works."""
    w = odd_upstream(hang_up=True)
    for _ in range(8):
        r = w.ssh("echo in")
        assert r.code == 255 and r.out == b"" and "to your machine lost" in r.err, r
    assert not w.gateway.log.find("killed by signal|process died|bad message")


@pytest.mark.parametrize("number", [SESSION, AGENT])
def test_upstream_that_uses_channel_numbers_of_gateway(odd_upstream, number):
    w = odd_upstream(first=number)
    r = w.ssh("echo in")
    assert r.code == 255 and r.out == b"", r
    assert w.gateway.log.wait("under a number of ours")
