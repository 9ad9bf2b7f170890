"""ProxyJump: machines behind bastions, which the gateway logs in to for each session."""

import pytest

from lab import net
from lab.bulk import sha256_of
from lab.client import echoes, open_session
from lab.gateway import NOT_RELOADED
from lab.proxies import Microsocks
from lab.refusal import one_line
from lab.sshd import ME
from lab.wait import wait_for
from lab.way import Way

DATA = bytes(range(256)) * 8000  # 2 MB


class Behind:
    """A way to a machine behind bastions; of several, hops[0] is the one that the gateway dials."""

    def __init__(self, gateway, ring, directory, make_sshd, hops, machine=None, hop=None, route=None):
        self.gateway = gateway
        self.machine = make_sshd(**(machine or {}))
        self.bastions = [make_sshd(**(hop or {})) for _ in range(hops)]
        before = {}
        for i, sshd in enumerate(self.bastions):
            self.hop_route(i, sshd, **before)
            before = {"ProxyJump": f"bastion{i}"}
        gateway.route("alice", self.machine, [ring.get("client")], **before, **(route or {}))
        self.gateway.start()
        self.way = Way("gateway", directory, ring, self.machine, gateway)

    def hop_route(self, i, sshd, **words):
        self.gateway.route(f"bastion{i}", sshd, AuthorizedKeysFile=None, Mode="hop", **words)

    def ssh(self, *args, **kw):
        return self.way.ssh(*args, **kw)

    def through(self):
        """What the log says of the way, once somebody has logged in."""
        places = ", ".join(rf"{ME}@127\.0\.0\.1 port {b.port}" for b in self.bastions)
        return (rf"alice from 127\.0\.0\.1 port \d+ -> {ME}@127\.0\.0\.1 port {self.machine.port} "
                rf"through {places} \(dialled from 127\.0\.0\.1 port \d+\)$")

    def refused(self):
        """The line that the user reads."""
        r = self.ssh("true")
        assert r.code == 255 and r.out == b"", r
        return one_line(r.err)


@pytest.fixture
def behind(make_gateway, make_sshd, ring, tmp_path):
    """behind(hops=1, ...): a Behind."""
    made = []

    def make(hops=1, **options):
        made.append(Behind(make_gateway(), ring, tmp_path / f"way{len(made)}", make_sshd, hops, **options))
        return made[-1]

    yield make
    for b in made:
        b.way.close()
        b.gateway.quiet()


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_machine_is_reached_through_hops(behind, hops):
    b = behind(hops)
    assert b.ssh("cat; exit 7", stdin=DATA).outcome == (7, DATA, "")
    b.gateway.log.wait(b.through())
    assert b.ssh("kill -TERM $$").code == 255


def test_processes_are_named_and_end_with_the_session(behind):
    b = behind(2)
    p = open_session(b.way.client)
    titles = ["sallyport: hop bastion0 -> 127.0.0.1 for alice", "sallyport: hop bastion1 -> 127.0.0.1 for alice"]
    assert sorted(h.title() for h in b.gateway.role("hop")) == titles
    (session,) = b.gateway.sessions("alice")
    session.kill()
    wait_for("the end of the hops", lambda: not b.gateway.role("hop"))
    p.wait(60)
    for sshd in b.bastions:
        sshd.quiet()


@pytest.mark.parametrize("victim", [0, 1])
def test_session_ends_with_a_hop(behind, victim):
    b = behind(2)
    p = open_session(b.way.client)
    b.gateway.role(f"hop bastion{victim}")[0].kill()
    assert p.wait(60) == 255
    wait_for("the end of the hops", lambda: not b.gateway.role("hop"))
    b.gateway.log.wait("upstream: ")
    b.ssh("true")


def test_bastion_that_dies_ends_the_session(behind):
    b = behind()
    p = open_session(b.way.client)
    for s in b.bastions[0].sessions():
        s.kill()
    assert p.wait(60) == 255
    b.gateway.log.wait(r"session [0-9a-f]+: hop bastion0: has ended: upstream: ")


def test_bulk_both_ways(behind, bulk):
    """Two megabytes at most wait in a hop: the rest waits where it comes from."""
    b, file = behind(2), bulk(50)
    with open(file.path, "rb") as f:
        p = b.way.client.spawn("cat", stdin=f)
        assert sha256_of(p.stdout) == file.sha256
    assert p.wait(60) == 0


@pytest.mark.parametrize("side", ["route", "sshd"])
def test_keys_of_a_hop_are_exchanged_anew_meanwhile(behind, bulk, side):
    """The carrier needs no keeper for that: a hop has to show the same host key again."""
    file = bulk(20)
    b = behind(hop={"RekeyLimit": "2M", "LogLevel": "DEBUG1"} if side == "sshd" else {"LogLevel": "DEBUG1"})
    if side == "route":
        b.hop_route(0, b.bastions[0], RekeyLimit="2M")
        b.gateway.hangup()
    with open(file.path, "rb") as f:
        assert b.ssh("sha256sum", stdin=f).text.split()[0] == file.sha256
    assert b.bastions[0].log.text().count("SSH2_MSG_NEWKEYS received") > 5


def test_sftp_and_forwards(behind, bulk, tmp_path, echo, digest):
    """As to any machine: half-closed connections, those that the machine's side opens."""
    b, file = behind(), bulk(5)
    back = tmp_path / "back"
    b.way.client.sftp(f"put {file.path} {tmp_path}/there\nget {tmp_path}/there {back}\n")
    assert back.read_bytes() == file.path.read_bytes()
    here, there, far = net.free_port(), net.free_port(), net.free_port()
    b.way.client.forward("-L", f"127.0.0.1:{here}:127.0.0.1:{digest.port}", "-L",
                         f"127.0.0.1:{there}:127.0.0.1:{echo.port}", "-R", f"127.0.0.1:{far}:127.0.0.1:{echo.port}",
                         ready=[("127.0.0.1", p) for p in (here, there, far)])
    assert net.exchange(("127.0.0.1", here), DATA) == net.sha256(DATA)
    assert net.exchange(("127.0.0.1", there), DATA) == DATA
    assert net.exchange(("127.0.0.1", far), DATA) == DATA


def test_restart_leaves_sessions_through_hops(behind):
    b = behind()
    p = open_session(b.way.client)
    b.gateway.kill()
    b.gateway.start()
    echoes(p)
    p.stdin.close()
    assert p.wait(60) == 0
    wait_for("the end of the hop", lambda: not b.gateway.role("hop"))
    b.way.close()


def test_session_goes_on_without_its_keeper(behind):
    b = behind()
    p = open_session(b.way.client)
    (keeper,) = b.gateway.keepers()
    keeper.kill()
    b.gateway.process.wait(60)
    echoes(p)
    p.stdin.close()
    assert p.wait(60) == 0
    wait_for("the end of the hop", lambda: not b.gateway.role("hop"))


# --- refusals ---

def test_wrong_host_key_of_a_hop(behind, ring):
    b = behind(2)
    other = ring.get("other_host").public
    b.gateway.known_hosts_of("bastion0").write_text(f"[127.0.0.1]:{b.bastions[0].port} {other}\n")
    assert "the host key of the hop bastion0 on the way to your machine could not be verified" in b.refused()
    b.gateway.log.wait(rf"hop bastion0: Host key verification failed for 127\.0\.0\.1 port {b.bastions[0].port}: ")
    assert not b.bastions[0].log.find("Accepted")


def test_wrong_host_key_of_the_machine(behind, ring):
    """The bastion may lead anywhere; the machine's key is the gateway's to judge."""
    b = behind()
    other = ring.get("other_host").public
    b.gateway.known_hosts_of("alice").write_text(f"[127.0.0.1]:{b.machine.port} {other}\n")
    assert "the host key of your machine could not be verified" in b.refused()
    b.bastions[0].log.wait("Accepted publickey")
    assert not b.machine.log.find("Accepted")


def test_hop_that_does_not_take_the_key(behind):
    b = behind(2)
    b.bastions[1].authorized_keys.write_text("")
    assert "the hop bastion1 on the way to your machine did not let the gateway in" in b.refused()
    b.gateway.log.wait(rf"alice from 127\.0\.0\.1 port \d+ refused: hop bastion1: {ME}@127\.0\.0\.1: ")
    assert not b.machine.log.find("Connection from")


@pytest.mark.parametrize("words", [{"AllowTcpForwarding": "no"}, {"PermitOpen": "127.0.0.1:9"}], ids=str)
def test_hop_that_forbids_channels(behind, words):
    b = behind(hop=words)
    assert "the hop bastion0 does not let the gateway go on to your machine; ask your administrator" in b.refused()
    b.gateway.log.wait(
        r"refused: hop bastion0: 127\.0\.0\.1 port \d+: administratively prohibited: open failed: see "
        r"AllowTcpForwarding and PermitOpen there")


def test_machine_that_does_not_answer_the_hop(behind):
    b = behind(route={"Port": net.free_port()})
    assert "your machine cannot be reached from the hop bastion0 right now" in b.refused()
    b.gateway.log.wait(r"refused: hop bastion0: 127\.0\.0\.1 port \d+: the hop cannot connect: Connection refused")


def test_second_hop_that_does_not_answer_the_first(behind):
    b = behind(2)
    b.bastions[1].stop()
    assert "the hop bastion1 on the way to your machine cannot be reached right now" in b.refused()
    b.gateway.log.wait(r"refused: hop bastion1: cannot be reached from the hop bastion0: .*: Connection refused")


def test_first_hop_that_does_not_answer(behind):
    b = behind()
    b.bastions[0].stop()
    assert "the hop bastion0 on the way to your machine cannot be reached right now" in b.refused()
    b.gateway.log.wait(r"refused: hop bastion0: cannot connect: 127\.0\.0\.1.* port \d+: Connection refused")


def test_hosts_are_tried_in_order_through_the_hop(behind):
    """127.0.0.2 has the port, too, but nothing listens there."""
    b = behind(route={"HostName": "127.0.0.2 127.0.0.1"})
    assert b.ssh("echo in").text == "in\n"
    b.gateway.log.wait(r"127\.0\.0\.1 is used instead of another address: 127\.0\.0\.2 port \d+: the hop cannot "
                       "connect: Connection refused")


def test_slow_hop_is_given_up(behind):
    """ConnectTimeout is for each hop: for its login, and for its connection to the next machine."""
    b = behind()
    silent = net.Server(lambda s: all(iter(lambda: s.recv(4096), b"")))
    b.gateway.known_hosts_of("bastion0").write_text("")
    b.gateway.write("10-bastion0.ini", "route bastion0", {
        "Mode": "hop", "HostName": "127.0.0.1", "Port": silent.port, "User": ME, "Key": "bastion0",
        "UserKnownHostsFile": "conf.d/bastion0.known_hosts", "ConnectTimeout": "1s"})
    b.gateway.hangup()
    assert "the hop bastion0 on the way to your machine cannot be reached right now" in b.refused()
    b.gateway.log.wait(r"refused: hop bastion0: 127\.0\.0\.1 port \d+: timed out")
    silent.close()


def test_machine_that_is_silent_to_the_hop_is_given_up(behind):
    b = behind()
    hole = net.BlackHole("127.0.0.9", net.free_port())
    b.gateway.route("bob", b.machine, [b.way.ring.get("client")], HostName="127.0.0.9", Port=hole.port,
                    ConnectTimeout="1s", ProxyJump="bastion0")
    b.gateway.hangup()
    r = b.way.new_client(user="bob").ssh("true")
    assert "your machine cannot be reached from the hop bastion0 right now" in one_line(r.err)
    b.gateway.log.wait(r"refused: hop bastion0: 127\.0\.0\.9 port \d+: timed out")
    hole.close()


# --- its first connection, and other ways to log in ---

def test_first_hop_is_reached_by_a_proxy(behind):
    proxy = Microsocks()
    b = behind()
    b.hop_route(0, b.bastions[0], ConnectVia=proxy.url)
    b.gateway.hangup()
    assert b.ssh("echo in").text == "in\n"
    proxy.stop()
    assert "the hop bastion0 on the way to your machine cannot be reached right now" in b.refused()


def test_nobody_logs_in_by_the_route_of_a_hop(behind):
    b = behind()
    assert not b.way.lets_in("bastion0")
    b.gateway.log.wait("Mode = hop: nobody logs in by this route")
    assert "\nwho        nobody: it is for ProxyJump of other routes" in b.gateway.command("route", "bastion0")
    line = b.gateway.command("key", "public", "bastion0", "--for", "bastion0")
    assert line.startswith('restrict,from="127.0.0.1",port-forwarding,permitlisten="none.invalid:1" ssh-ed25519 ')


def test_route_of_a_login_may_be_a_hop(behind, ring):
    b = behind()
    b.gateway.route("ops", b.bastions[0], [ring.get("client")])
    b.gateway.route("bob", b.machine, [ring.get("client")], ProxyJump="ops")
    b.gateway.hangup()
    assert b.way.lets_in("ops") and b.way.lets_in("bob")


def test_first_key_of_a_hop_is_learnt(behind):
    """The gateway reaches it itself, and looks."""
    b = behind()
    b.hop_route(0, b.bastions[0], StrictHostKeyChecking="accept-new")
    b.gateway.known_hosts_of("bastion0").write_text("")
    b.gateway.kill(15)
    b.gateway.start()
    assert b.ssh("echo in").text == "in\n"
    b.gateway.log.wait("hop bastion0: the host key of 127.0.0.1 port .* is new: ")


# --- configuration ---

def test_route_shows_the_way(behind):
    b = behind(2)
    text = b.gateway.command("route", "alice")
    assert (f"\nthrough    {ME}@127.0.0.1 port {b.bastions[0].port} (bastion0)\n"
            f"then       {ME}@127.0.0.1 port {b.bastions[1].port} (bastion1)\n") in text


def test_trial_is_of_each_hop_that_can_be_tried(behind):
    b = behind()
    p = b.gateway.sallyport("route", "alice", "--dial", "-c", b.gateway.conf)
    text = p.stdout.decode()
    assert p.returncode == 0, text
    assert f"\ndial       first the hop bastion0:\ndial       127.0.0.1 port {b.bastions[0].port}: SSH-2.0-" in text
    assert f"127.0.0.1 port {b.machine.port}: not tried: only a login goes through the hop bastion0\n" in text
    b.bastions[0].stop()
    p = b.gateway.sallyport("route", "alice", "--dial", "-c", b.gateway.conf)
    assert p.returncode != 0 and "Connection refused" in p.stdout.decode()


UNFIT = [
    ({"ProxyJump": "nobody"}, "ProxyJump: there is no [route nobody] in conf.d"),
    ({"ProxyJump": "alice"}, "ProxyJump: alice leads back to itself"),
    ({"ProxyJump": "h4"}, "ProxyJump: more than 3 hops"),
    ({"ProxyJump": "loop1"}, "ProxyJump: loop1 leads back to itself"),
    ({"ProxyJump": "carried"}, "ProxyJump: [route carried] has Passthrough, and a hop is logged in to with a stored"),
    ({"ProxyJump": "own-agent"}, "ProxyJump: [route own-agent] has Key = agent, and a hop is logged in to with a"),
    ({"ProxyJump": "bastion0", "ConnectVia": "socks5://127.0.0.1:1"},
     "ConnectVia has no meaning with ProxyJump, where the hop connects to the machine; write it into [route bastion0]"),
    ({"ProxyJump": "bastion0", "SendProxy": "v2"}, "SendProxy has no meaning with ProxyJump"),
    ({"ProxyJump": "bastion0", "StrictHostKeyChecking": "accept-new"},
     "StrictHostKeyChecking = accept-new cannot be combined with ProxyJump: the gateway can look at the host keys"),
    ({"ProxyJump": "*"}, '"*" is not the name of a route'),
    ({"ProxyJump": "bastion0", "Mode": "hop"}, "AuthorizedKeysFile has no meaning with Mode = hop: nobody logs in"),
]


def test_check_names_what_cannot_be(make_gateway, make_sshd, ring):
    g, sshd = make_gateway(), make_sshd()
    hop = {"AuthorizedKeysFile": None, "Mode": "hop", "key": "bastion0"}
    g.route("bastion0", sshd, **hop)
    for i in range(1, 5):
        g.route(f"h{i}", sshd, ProxyJump=f"h{i - 1}" if i > 1 else None, **hop)
    g.route("carried", sshd, key="agent", Key=None, AuthorizedKeysFile=None, Passthrough="yes")
    g.route("own-agent", sshd, [ring.get("client")], key="agent")
    g.route("alice", sshd, [ring.get("client")], key="bastion0", ProxyJump="h3")
    assert g.notes() == ""
    for name, other in (("loop1", "loop2"), ("loop2", "loop1")):
        g.route(name, sshd, ProxyJump=other, **hop)
    for words, said in UNFIT:
        g.route("alice", sshd, [ring.get("client")], key="bastion0", **words)
        status, text = g.check()
        assert status == 78 and said in text, text


def test_reload_keeps_the_hops_that_there_are(behind):
    b = behind()
    (b.gateway.conf / "10-bastion0.ini").rename(b.gateway.conf / "10-bastion0.off")
    assert "ProxyJump: there is no [route bastion0] in conf.d" in b.gateway.hangup(NOT_RELOADED)
    assert b.ssh("echo in").text == "in\n"


def test_hop_that_is_missing_is_named_at_the_login(make_gateway, make_sshd, ring, tmp_path):
    """A route that another backend finds is checked when it is used."""
    tree = tmp_path / "tree"
    g, sshd = make_gateway(), make_sshd()
    g.route("bastion0", sshd, AuthorizedKeysFile=None, Mode="hop")
    for login, hop in (("alice", "bastion0"), ("bob", "nobody")):
        (tree / login).mkdir(parents=True)
        (tree / login / "route.ini").write_text(
            f"HostName = {sshd.host}\nPort = {sshd.port}\nUser = {ME}\nKey = bastion0\nProxyJump = {hop}\n")
        (tree / login / "authorized_keys").write_text(ring.get("client").public + "\n")
        (tree / login / "known_hosts").write_text(sshd.known_hosts())
    g.write("30-lookup.ini", "lookup", {"Order": "directory"}, f"[lookup directory]\nPath = {tree}\n")
    g.start()
    w = Way("gateway", tmp_path, ring, sshd, g)
    assert w.lets_in("alice")
    assert "cannot log you in right now" in one_line(w.new_client(user="bob").ssh("true").err)
    g.log.wait(r"bob from 127\.0\.0\.1 port \d+ refused: ProxyJump: there is no \[route nobody\] in conf\.d")
    w.close()
