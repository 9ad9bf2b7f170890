"""A machine behind bastions, which a gateway leads through (ProxyJump)."""

from .refusal import one_line
from .sshd import ME
from .way import Way


class Behind:
    """A way to a machine behind bastions; of several, hops[0] is the one that the gateway dials."""

    def __init__(self, gateway, ring, directory, make_sshd, hops, machine=None, hop=None, route=None,
                 hop_words=None):
        self.gateway = gateway
        self.ring = ring
        self.machine = make_sshd(**(machine or {}))
        self.bastions = [make_sshd(**(hop or {})) for _ in range(hops)]
        before = {}
        for i, sshd in enumerate(self.bastions):
            self.hop_route(i, sshd, **before, **(hop_words or {}))
            before = {"ProxyJump": f"bastion{i}"}
        gateway.route("alice", self.machine, [ring.get("client")], **before, **(route or {}))
        gateway.start()
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
