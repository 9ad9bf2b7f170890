"""What the certificates of Key = ca: say, in the words of ssh-keygen -L, beside those that ssh-keygen -s makes; and
what the machine holds to when a session is taken over (SECURITY.md, finding 3)."""

import base64
import os
import re
import subprocess

import pytest

pytest.importorskip("paramiko")

from lab import attack
from lab.ca import CA
from lab.sshd import ME
from lab.taken_over import FalseUpstream, Reader, TakenOver, TakenOverHops, UpstreamConnection, paramiko, program
from lab.tty import needs_terminals

ALL = ["pty", "port-forwarding", "agent-forwarding", "X11-forwarding", "user-rc"]


def described(path):
    """What ssh-keygen -L prints, without what differs between any two certificates."""
    text = subprocess.run(["ssh-keygen", "-L", "-f", path], capture_output=True, text=True, check=True).stdout
    lines = [line.strip() for line in text.splitlines()[1:]]
    return [line for line in lines if not line.startswith(("Public key", "Key ID", "Serial", "Valid"))]


def certificate_in(request, directory):
    """A file with the certificate of a publickey request."""
    r = Reader(request)
    assert r.u8() == attack.USERAUTH_REQUEST
    assert [r.string() for _ in range(2)] == [ME.encode(), b"ssh-connection"]
    assert r.string() in (b"publickey", b"publickey-hostbound-v00@openssh.com") and r.bool()
    kind, blob = r.string().decode(), r.string()
    assert kind == "ssh-ed25519-cert-v01@openssh.com"
    file = directory / "issued-cert.pub"
    file.write_text(f"{kind} {base64.b64encode(blob).decode()}\n")
    return file


class Issued:
    """A session of alice's that has been taken over, up to the request with the certificate."""

    def __init__(self, c, ring, directory, key=None, source=None, login="alice"):
        self.t = TakenOver(c.gateway.port)
        self.connection = None
        try:
            self.log_in(c, ring, directory, key, source, login)
        except BaseException:
            self.close()
            raise

    def log_in(self, c, ring, directory, key, source, login):
        liar = FalseUpstream(self.t, ring, key=key, login=login)
        self.connection = UpstreamConnection(c.sshd, source=source)
        assert liar.show_host_key(self.connection.session_id, *self.connection.shown)
        liar.ready()
        self.request = liar.request()
        self.file = certificate_in(self.request, directory)

    def close(self):
        if self.connection:
            self.connection.close()
        self.t.sock.close()


@pytest.fixture
def issued(certified, ring, tmp_path):
    """issued(key_options=..., sshd=..., source=..., **route): a Certified of the attack build, and an Issued."""
    made = []

    def make(key_options=None, sshd=None, source=None, **route):
        # the second name is the one that paramiko knows
        kex = {"KexAlgorithms": "curve25519-sha256,curve25519-sha256@libssh.org"}
        c = certified(front={"program": program()}, sshd={**kex, **(sshd or {})}, **route)
        if key_options:
            (c.gateway.conf / "alice.pub").write_text(f"{key_options} {ring.get('client').public}\n")
        made.append(Issued(c, ring, tmp_path, source=source))
        return c, made[-1]

    yield make
    for i in made:
        i.close()


# What the route says, what the line of the user's key says, and the options of ssh-keygen -O for the same.
SAME = {
    "everything": ({}, None, []),
    "nothing": ({"Restrict": "yes"}, None, ["clear"]),
    "a terminal alone": ({"Restrict": "yes", "PermitTTY": "yes"}, None, ["clear", "permit-pty"]),
    "no terminal": ({"PermitTTY": "no"}, None, ["no-pty"]),
    "no forwarding": ({"AllowTcpForwarding": "no"}, None, ["no-port-forwarding"]),
    "forwarding one way": ({"AllowTcpForwarding": "remote"}, None, []),
    "no agent": ({"AllowAgentForwarding": "no"}, None, ["no-agent-forwarding"]),
    "no X11": ({"X11Forwarding": "no"}, None, ["no-x11-forwarding"]),
    "a command": ({"ForceCommand": 'echo "a b"'}, None, ['force-command=echo "a b"']),
    "sftp": ({"ForceCommand": "internal-sftp -R"}, None, ["force-command=internal-sftp -R"]),
    "sftp that only reads": ({"SftpReadOnly": "yes", "PermitCommands": "sftp"}, None,
                             ["force-command=internal-sftp -R"]),
    "sftp of the key that only reads": ({"SftpReadOnly": "yes"}, 'command="internal-sftp -d /"',
                                        ["force-command=internal-sftp -d / -R"]),
    "a restricted key": ({}, "restrict,pty", ["clear", "permit-pty"]),
    "a key without rc": ({}, "no-user-rc", ["no-user-rc"]),
    "a key with a command": ({}, 'command="id -u"', ["force-command=id -u"]),
    "a command of both": ({"ForceCommand": "true"}, 'command="id",no-pty', ["force-command=true", "no-pty"]),
    "addresses": ({"CertificateSourceAddress": "192.0.2.0/24 2001:db8::1"}, None,
                  ["source-address=192.0.2.0/24,2001:db8::1"]),
    "any address": ({"CertificateSourceAddress": "none"}, None, ["source-address="]),
}


@pytest.mark.parametrize("name", SAME)
def test_certificate_says_what_the_policy_says(issued, ring, name):
    route, key_options, options = SAME[name]
    if not any(o.startswith("source-address=") for o in options):
        options = [*options, "source-address=127.0.0.1"]
    options = [o for o in options if o != "source-address="]
    c, i = issued(key_options=key_options, CertificatePrincipals="%u web", **route)
    assert described(i.file) == described(c.ca.sign(ring.get("any"), "alice,web", options=options))


def test_certificate_is_valid_for_the_time_that_the_route_says(issued, ring):
    c, i = issued(CertificateLifetime="30s", CertificateSkew="90s")
    text = subprocess.run(["ssh-keygen", "-L", "-f", i.file], capture_output=True, text=True, check=True,
                          env={**os.environ, "TZ": "UTC"}).stdout
    start, end = (subprocess.run(["date", "-u", "+%s", "-d", t], capture_output=True, text=True, check=True)
                  for t in re.search(r"Valid: from (\S+) to (\S+)", text).groups())
    assert int(end.stdout) - int(start.stdout) == 120


class Shell:
    """The attacker's own SSH connection to the machine, as a client of the certificate."""

    def __init__(self, connection):
        self.c = connection
        self.channels = 0

    def open(self, kind, *parts):
        """Whether the machine opens a channel."""
        self.channels += 1
        before = len(self.c.received)
        self.c.send(attack.CHANNEL_OPEN, kind, self.channels, 1 << 20, 1 << 15, *parts)
        return self.c.expect(attack.CHANNEL_OPEN_CONFIRMATION, attack.CHANNEL_OPEN_FAILURE,
                             after=before) == attack.CHANNEL_OPEN_CONFIRMATION

    def request(self, name, *parts):
        """Whether the machine grants a request on its first channel."""
        before = len(self.c.received)
        self.c.send(attack.CHANNEL_REQUEST, 0, name, True, *parts)
        return self.c.expect(attack.CHANNEL_SUCCESS, attack.CHANNEL_FAILURE,
                             after=before) == attack.CHANNEL_SUCCESS

    def listen(self):
        before = len(self.c.received)
        self.c.send(attack.GLOBAL_REQUEST, "tcpip-forward", True, "127.0.0.1", 0)
        return self.c.expect(attack.REQUEST_SUCCESS, attack.REQUEST_FAILURE,
                             after=before) == attack.REQUEST_SUCCESS

    def output(self):
        self.c.expect(attack.CHANNEL_CLOSE)
        return b"".join(m[8:] for _, kind, m in self.c.messages if kind == attack.CHANNEL_DATA)


PTY = ("xterm", 80, 24, 0, 0, b"")


def everything(i, port):
    """What the attacker gets of the machine, on a connection of its own."""
    assert i.connection.login(i.request) == attack.USERAUTH_SUCCESS
    shell = Shell(i.connection)
    assert shell.open("session")
    got = {
        "terminal": shell.request("pty-req", *PTY),
        "agent": shell.request("auth-agent-req@openssh.com"),
        "listen": shell.listen(),
        "forward": shell.open("direct-tcpip", "127.0.0.1", port, "127.0.0.1", 1),
    }
    assert shell.request("exec", "echo theirs")
    got["output"] = shell.output().replace(b"\r", b"")
    return got


def test_machine_holds_to_the_certificate_on_a_connection_of_the_attackers_own(issued, echo):
    """SECURITY.md, finding 3: with a mapped key this was a shell without any policy.  Here the attacker sits on the
    gateway's address, which a real one has only within a session of the gateway."""
    c, i = issued(Restrict="yes", ForceCommand="echo ours: [$SSH_ORIGINAL_COMMAND]")
    assert everything(i, echo.port) == {"terminal": False, "agent": False, "listen": False, "forward": False,
                                        "output": b"ours: [echo theirs]\n"}
    c.accepted()


def test_machine_permits_what_the_certificate_permits(issued, echo):
    """The same without a policy: what the test above finds missing is there."""
    needs_terminals()
    _, i = issued()
    assert everything(i, echo.port) == {"terminal": True, "agent": True, "listen": True, "forward": True,
                                        "output": b"theirs\n"}


def test_certificate_is_refused_from_another_address(issued):
    c, i = issued(source="127.0.0.2")
    assert i.connection.login(i.request) != attack.USERAUTH_SUCCESS
    c.sshd.log.wait(r"not from a permitted source address \(127\.0\.0\.2\)")
    assert not c.sshd.log.find("Accepted publickey")


def test_hop_gets_a_certificate_that_forwards_and_runs_nothing(behind, ring, tmp_path, short):
    """To the carrier of a hop that has been taken over."""
    authority = CA(tmp_path / "authority", ring.get("authority"))
    made = []

    def prepare(g):
        g.add_key("authority", authority.key)
        g.keys["ca:authority"] = authority.key.public
        made.append(TakenOverHops(g, short))

    b = behind(gateway={"program": program()}, prepare=prepare, hop_words={"key": "ca:authority"})
    hash_ = bytes(range(32))
    host = paramiko.Ed25519Key.from_private_key_file(str(ring.get("upstream_host", "ed25519").path))
    p = b.way.client.spawn("true")
    with made[0].next() as t:
        t.expect("UPSTREAM_FD")
        t.send("HOST_KEY", "ssh-ed25519", hash_, host.asbytes(), host.sign_ssh_data(hash_).asbytes())
        assert t.expect("HOST_KEY_OK")[1].bool()
        t.send("UPSTREAM_READY", hash_, "ssh-ed25519", True)
        file = certificate_in(t.expect("UPSTREAM")[1].strings()[0], tmp_path)
    assert p.wait(60) == 255
    made[0].close()
    options = ["clear", "permit-port-forwarding", "force-command=exit 1", "source-address=127.0.0.1"]
    assert described(file) == described(authority.sign(ring.get("any"), ME, options=options))


def test_no_second_certificate_for_one_login(issued):
    """A session that asks again is ended."""
    c, i = issued()
    i.t.send("UPSTREAM_READY", i.connection.session_id, "", False)
    assert i.t.ended()
    assert not c.sshd.log.find("Accepted publickey")
