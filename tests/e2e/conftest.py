import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

pytest.register_assert_rewrite("lab")

from lab import net, procs, totp
from lab.account import new_account
from lab.agent import Agent
from lab.bulk import Bulk
from lab.ca import CA
from lab.certified import Certified
from lab.dial_trial import DialTrial
from lab.gateway import Gateway, SALLYPORT, can_serve
from lab.hops import Behind
from lab.keys import Ring
from lab.network import OwnNetwork
from lab.password import PASSWORD
from lab.sshd import Sshd
from lab.way import QUICK_KEX, Way, build

pytest_plugins = ["lab.factor", "lab.lookup_program", "lab.program"]

os.umask(0o022)
for name in [n for n in os.environ if n.startswith("SSH_")]:
    del os.environ[name]
procs.adopt_orphans()
# A process started in the background or under nohup ignores these signals, and so would every ssh that it
# starts.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

NO_SERVE = f"{SALLYPORT} has no `serve` command (yet)"


def needs_gateway():
    if not can_serve():
        pytest.skip(NO_SERVE)


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    return Ring(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def short():
    """A temporary directory whose path is short enough for Unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="sp.", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)  # a process that ends now removes its socket itself
    if path.exists():
        shutil.rmtree(path)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two pages."""
    if os.getuid() != 0:
        pytest.skip("only root can mount")
    place = tmp_path / "disk"
    place.mkdir()
    p = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k,mode=755", "tmpfs", place],
                       capture_output=True, check=False)
    if p.returncode != 0:
        pytest.skip(f"no mount here: {p.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def own_network():
    """A network of its own for this test and the daemons that it starts after it: lab.network.OwnNetwork."""
    network = OwnNetwork()
    yield network
    network.close()


@pytest.fixture(scope="session")
def shared_direct(tmp_path_factory, ring):
    way = build("direct", tmp_path_factory.mktemp("direct"), ring)
    yield way
    way.sshd.stop()


@pytest.fixture(scope="session")
def shared_gateway(tmp_path_factory, ring):
    needs_gateway()
    way = build("gateway", tmp_path_factory.mktemp("shared"), ring)
    yield way
    try:
        way.gateway.stop()
    finally:
        way.sshd.stop()


@pytest.fixture(params=["direct", "gateway"])
def way(request, tmp_path, ring):
    """The shared way, once direct and once through the gateway.  What a test leaves running fails it."""
    if request.param == "gateway":
        needs_gateway()
    shared = request.getfixturevalue(f"shared_{request.param}")
    w = Way(request.param, tmp_path, ring, shared.sshd, shared.gateway)
    yield w
    w.close()
    if w.gateway:
        w.gateway.quiet()
    w.sshd.quiet()


@pytest.fixture
def builder(tmp_path, ring):
    """builder(name, ...) builds a way with daemons of its own; see lab.way.build()."""
    made = []

    def make(name, **options):
        if name == "gateway":
            needs_gateway()
        w = build(name, tmp_path / f"way{len(made)}", ring, **options)
        made.append(w)
        return w

    yield make
    errors = []
    for w in made:
        for step in (w.close, w.gateway.stop if w.gateway else lambda: None, w.sshd.stop):
            try:
                step()
            except Exception as e:
                errors.append(e)
    if errors:
        raise errors[0]


@pytest.fixture(params=["direct", "gateway"])
def own_way(request, builder):
    """own_way(sshd=..., front=..., route=...): a way with daemons of its own, once direct and once through
    the gateway.
    """
    if request.param == "gateway":
        needs_gateway()

    def make(**options):
        return builder(request.param, **options)

    make.name = request.param
    return make


@pytest.fixture
def gated(builder):
    """gated(sshd=..., front=..., route=...): a way through a gateway, with daemons of its own."""
    needs_gateway()
    return lambda **options: builder("gateway", **options)


@pytest.fixture
def coded(gated):
    """coded(**route): a way whose route asks for a code (TOTP); its secret is enrolled.  front, sshd: as gated."""
    def make(front=None, sshd=None, **route):
        w = gated(front=front or {}, sshd=sshd or {}, route={**totp.WITH_CODE, **route})
        w.secret = totp.Secret(w.gateway)
        return w

    return make


@pytest.fixture
def make_sshd(tmp_path, ring):
    """make_sshd(**options): another sshd, started."""
    made = []

    def make(**options):
        s = Sshd(tmp_path / f"sshd{len(made)}", ring, **options)
        made.append(s)
        return s.start()

    yield make
    for s in made:
        s.stop()


@pytest.fixture
def make_gateway(tmp_path, ring):
    """make_gateway(**options): a gateway without routes, not yet started."""
    needs_gateway()
    made = []

    def make(**options):
        g = Gateway(tmp_path / f"gateway{len(made)}", ring, **options)
        made.append(g)
        return g

    yield make
    for g in made:
        g.stop()


@pytest.fixture
def attacked(gated):
    """A way through a gateway of the attack build (lab.taken_over) to alice's upstream."""
    pytest.importorskip("paramiko")
    from lab import taken_over

    return gated(front={"program": taken_over.program()})


@pytest.fixture
def way_through(ring, tmp_path):
    """way_through(gateway, sshd): starts the gateway; a way through it to this upstream."""
    made = []

    def make(gateway, sshd):
        made.append(Way("gateway", tmp_path, ring, sshd, gateway.start()))
        return made[-1]

    yield make
    for w in made:
        w.close()


@pytest.fixture
def ca(ring, tmp_path):
    return CA(tmp_path / "ca", ring.get("ca"))


@pytest.fixture
def certified(make_gateway, make_sshd, ring, tmp_path):
    """certified(sshd=..., kind=..., front=..., **route): a Certified."""
    made = []

    def make(front=None, **options):
        made.append(Certified(make_gateway(**(front or {})), make_sshd, ring,
                              tmp_path / f"certified{len(made)}", **options))
        return made[-1]

    yield make
    for c in made:
        c.way.close()
        c.gateway.quiet()


@pytest.fixture
def digest():
    """A server that reads to the end, and answers with the SHA-256 of it."""
    s = net.Server(net.digest)
    yield s
    s.close()


@pytest.fixture
def echo():
    """A server that sends back what it receives."""
    s = net.Server(net.echo)
    yield s
    s.close()


@pytest.fixture
def user_key(ring):
    return ring.get("person")


@pytest.fixture
def trusting(own_way, ca):
    """trusting(**words): a front with TrustedUserCAKeys and further words of sshd_config."""

    def make(**words):
        words.setdefault("TrustedUserCAKeys", ca.file)
        return own_way(**{"sshd" if own_way.name == "direct" else "route": words})

    return make


@pytest.fixture
def behind(make_gateway, make_sshd, ring, tmp_path):
    """behind(hops=1, ...): a Behind.  prepare: called with its gateway before that is started."""
    made = []

    def make(hops=1, gateway=None, prepare=None, **options):
        g = make_gateway(**(gateway or {}))
        if prepare:
            prepare(g)
        made.append(Behind(g, ring, tmp_path / f"way{len(made)}", make_sshd, hops, **options))
        return made[-1]

    yield make
    for b in made:
        b.way.close()
        b.gateway.quiet()


@pytest.fixture
def run_as_daemon(short, ring, make_sshd):
    """A gateway that root started and that runs as daemon."""
    if os.getuid() != 0:
        pytest.skip("takes root")
    short.chmod(0o755)
    g = Gateway(short / "gateway", ring, RunAs="daemon")
    upstream = make_sshd()
    g.route("alice", upstream, [ring.get("client")])
    g.start()
    w = Way("gateway", short, ring, upstream, g)
    yield w
    w.close()
    g.stop()


@pytest.fixture
def trial(make_gateway, make_sshd, ring):
    """trial(sshd=..., front=..., **route): a gateway that is not started, for `route alice --dial`."""

    def make(sshd=None, front=None, **route):
        g = make_gateway(port=net.free_port(), **(front or {}))
        m = make_sshd(**{"KexAlgorithms": QUICK_KEX, **(sshd or {})})
        t = DialTrial(g, m, ring, **route)
        return t

    return make


@pytest.fixture
def agent_way(gated, ring, short):
    """agent_way(keys=..., upstream=...): a way with Key = agent, and an agent with these keys.  upstream: the
    keys that the upstream accepts, if others.
    """

    def make(keys=("ed25519",), upstream=None, route=None, agent=(), **options):
        w = gated(route={"key": "agent", **(route or {})}, **options)
        w.agent = Agent(w, short / "a", *agent)
        w.keys = [w.agent.add(ring.get("agent", kind)) for kind in keys]
        w.sshd.authorize(*(k.public for k in (w.keys if upstream is None else upstream)))
        return w

    return make


@pytest.fixture(scope="session")
def hashed():
    """The PasswordHash of lab.password.PASSWORD."""
    p = subprocess.run([SALLYPORT, "hash-password"], input=PASSWORD.encode() + b"\nmore\n",
                       capture_output=True, check=True, timeout=120)
    assert p.stderr == b""
    name, value = p.stdout.decode().rstrip("\n").split(" = ")
    assert name == "PasswordHash" and value.startswith("$argon2id$")
    return value


@pytest.fixture
def account():
    """The name of a user of this host, whose password is lab.account.PASSWORD."""
    with new_account() as name:
        yield name


@pytest.fixture
def stalled_client(monkeypatch):
    """stalled_client(port): a client that can stop reading (lab.stalled_client)."""
    pytest.importorskip("paramiko")
    from lab.stalled_client import stalled_clients

    with stalled_clients(monkeypatch) as make:
        yield make


@pytest.fixture
def stalled_session(gated, stalled_client):
    """A way, a connection of alice, who may not forward, and the process of its session."""
    from lab.attack import USERAUTH_SUCCESS, key_of, proof

    w = gated(route={"AllowTcpForwarding": "no"})
    a = stalled_client(w.gateway.port)
    assert a.service()
    a.send(*proof(a, "alice", key_of(w.client)))
    assert a.expect(USERAUTH_SUCCESS)
    (session,) = w.gateway.sessions("alice")
    return w, a, session


@pytest.fixture(scope="session")
def bulk(tmp_path_factory):
    """bulk(megabytes): a lab.bulk.Bulk of that size, made once per run."""
    directory = tmp_path_factory.mktemp("bulk")
    made = {}

    def make(megabytes):
        if megabytes not in made:
            made[megabytes] = Bulk(directory / str(megabytes), megabytes << 20, megabytes)
        return made[megabytes]

    yield make
    shutil.rmtree(directory)
