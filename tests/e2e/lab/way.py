"""A way from a client to an upstream: directly to its sshd, or through the gateway."""

import itertools

from .client import Client
from .gateway import Gateway
from .sshd import ME, Sshd

# The key exchange of most tests, on each leg: a post-quantum one takes a tenth of a second of CPU time per
# login.  Tests of keys, of concurrent logins and of rekeying set post_quantum=True.
QUICK_KEX = "curve25519-sha256"


class Way:
    """client --> front --> sshd, where the front, the server that the client talks to, is sshd itself or the
    gateway.
    """

    def __init__(self, name, directory, ring, sshd, gateway=None, login="alice", post_quantum=False):
        self.name = name
        self.dir = directory
        self.ring = ring
        self.sshd = sshd
        self.gateway = gateway
        self.front = gateway or sshd
        self.login = login if gateway else ME
        self.kex = {} if post_quantum else {"KexAlgorithms": QUICK_KEX}
        self.clients = []
        self.numbers = itertools.count()  # clients are also made in threads: numbers must be unique
        self.client = self.new_client()

    @property
    def direct(self):
        return self.gateway is None

    def new_client(self, key=None, user=None, known_hosts=None, **options):
        c = Client(
            self.dir / f"client{next(self.numbers)}",
            self.front.port,
            user or self.login,
            key or self.ring.get("client"),
            self.front.known_hosts() if known_hosts is None else known_hosts,
            **{**self.kex, **options},
        )
        self.clients.append(c)
        return c

    def ssh(self, *args, **kw):
        return self.client.ssh(*args, **kw)

    def servers(self):
        """The processes that serve connections at the front."""
        return self.gateway.sessions() if self.gateway else self.sshd.sessions()

    def answers(self, timeout=120):
        """A new login succeeds."""
        r = self.client.ssh("echo in", timeout=timeout)
        assert r.text == "in\n", r

    def lets_in(self, login=None, **options):
        """Whether a login succeeds.  options: those of Client.ssh()."""
        return self.new_client(user=login).ssh("echo in", **options).text == "in\n"

    def close(self):
        for c in self.clients:
            c.close()


def set_authorized_keys(way, *texts):
    """Set the authorized_keys of the front, from the next login on."""
    file = way.sshd.authorized_keys if way.direct else way.gateway.conf / "alice.pub"
    file.write_text("\n".join(texts) + "\n")


def build(name, directory, ring, sshd=None, front=None, route=None, client_keys=None, host_keys=None,
          post_quantum=False):
    """A way with its own sshd and, unless it is direct, its own gateway.

    sshd: options of the upstream's sshd.  front: options of the server that the client talks to, in words
    that sshd_config and [gateway] share.  route: words of [route alice].
    """
    client_keys = client_keys or [ring.get("client")]
    options = dict(sshd or {})
    if name == "gateway" and not post_quantum:
        options.setdefault("KexAlgorithms", QUICK_KEX)
    if name == "direct":
        options.update(front or {})
    if host_keys:
        options["host_keys"] = host_keys
    upstream = Sshd(directory / "sshd", ring, **options).start()
    try:
        if name == "direct":
            upstream.authorize(*(k.public for k in client_keys))
            return Way(name, directory, ring, upstream, post_quantum=post_quantum)
        gateway = Gateway(directory / "gateway", ring, **(front or {}))
        gateway.route("alice", upstream, client_keys, **(route or {}))
        gateway.start()
        return Way(name, directory, ring, upstream, gateway, post_quantum=post_quantum)
    except BaseException:
        upstream.stop()
        raise
