"""A way from a client to a machine: straight to its sshd, or through the gateway."""

import itertools

from .client import Client
from .gateway import Gateway
from .sshd import ME, Sshd

# The key exchange of most tests, on each leg: the post-quantum ones take a tenth of a second of CPU
# for a login.  Tests about keys, logins side by side and rekeys go without: post_quantum=True.
QUICK_KEX = "curve25519-sha256"


class Way:
    """client --> door --> sshd, where the door is sshd itself or the gateway."""

    def __init__(self, name, directory, ring, sshd, gateway=None, login="alice", post_quantum=False):
        self.name = name
        self.dir = directory
        self.ring = ring
        self.sshd = sshd
        self.gateway = gateway
        self.door = gateway or sshd
        self.login = login if gateway else ME
        self.kex = {} if post_quantum else {"KexAlgorithms": QUICK_KEX}
        self.clients = []
        self.numbers = itertools.count()  # threads make clients too: no two get the same
        self.client = self.new_client()

    @property
    def direct(self):
        return self.gateway is None

    def new_client(self, key=None, user=None, known_hosts=None, **options):
        c = Client(
            self.dir / f"client{next(self.numbers)}",
            self.door.port,
            user or self.login,
            key or self.ring.get("client"),
            self.door.known_hosts() if known_hosts is None else known_hosts,
            **{**self.kex, **options},
        )
        self.clients.append(c)
        return c

    def ssh(self, *args, **kw):
        return self.client.ssh(*args, **kw)

    def servers(self):
        """The processes that serve connections at the door."""
        return self.gateway.sessions() if self.gateway else self.sshd.sessions()

    def answers(self, timeout=10):
        """The door lets a fresh login in."""
        r = self.client.ssh("echo in", timeout=timeout)
        assert r.text == "in\n", r

    def lets_in(self, login=None, **options):
        """Whether a login succeeds.  options: those of Client.ssh()."""
        return self.new_client(user=login).ssh("echo in", **options).text == "in\n"

    def close(self):
        for c in self.clients:
            c.close()


def lines(way, *texts):
    """The authorized_keys of the door, from the next login on."""
    file = way.sshd.authorized_keys if way.direct else way.gateway.conf / "alice.pub"
    file.write_text("\n".join(texts) + "\n")


def build(name, directory, ring, sshd=None, door=None, route=None, client_keys=None, host_keys=None,
          post_quantum=False):
    """A way of its own: its own sshd and, if it is to, its own gateway.

    sshd: options of the machine's sshd.  door: options of the server the client talks to, words that
    sshd_config and [gateway] share.  route: words of [route alice].
    """
    client_keys = client_keys or [ring.get("client")]
    options = dict(sshd or {})
    if name == "gateway" and not post_quantum:
        options.setdefault("KexAlgorithms", QUICK_KEX)
    if name == "direct":
        options.update(door or {})
    if host_keys:
        options["host_keys"] = host_keys
    machine = Sshd(directory / "sshd", ring, **options).start()
    try:
        if name == "direct":
            machine.authorize(*(k.public for k in client_keys))
            return Way(name, directory, ring, machine, post_quantum=post_quantum)
        gateway = Gateway(directory / "gateway", ring, **(door or {}))
        gateway.route("alice", machine, client_keys, **(route or {}))
        gateway.start()
        return Way(name, directory, ring, machine, gateway, post_quantum=post_quantum)
    except BaseException:
        machine.stop()
        raise
