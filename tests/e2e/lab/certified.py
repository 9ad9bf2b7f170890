"""A gateway that is a certificate authority (Key = ca:NAME), and a machine that has no key of anybody."""

import re

from .ca import CA
from .sshd import ME
from .way import QUICK_KEX, Way

ISSUED = r", certificate serial (\d+) ID (.*)$"


class Certified:
    """A gateway with alice's route and the CA `authority` in its store; self.ca: the same for ssh-keygen."""

    def __init__(self, gateway, make_sshd, ring, directory, sshd=None, kind="ed25519", trusts=None, **words):
        self.ca = CA(directory / "authority", ring.get("authority", kind))
        trusted = {"TrustedUserCAKeys": self.ca.file} if trusts is None else trusts
        self.gateway = gateway
        self.sshd = make_sshd(**{"KexAlgorithms": QUICK_KEX, **trusted, **(sshd or {})})
        gateway.add_key("authority", self.ca.key)
        gateway.keys["ca:authority"] = self.ca.key.public
        self.ring = ring
        self.route(**words)
        gateway.start()
        self.way = Way("gateway", directory, ring, self.sshd, gateway)

    def route(self, **words):
        self.gateway.route("alice", self.sshd, [self.ring.get("client")], **{"key": "ca:authority", **words})

    def ssh(self, *args, **kw):
        return self.way.ssh(*args, **kw)

    def issued(self, since=0):
        """The serial number and the key id that the gateway has logged."""
        return self.gateway.log.wait(rf"-> {re.escape(ME)}@.*{ISSUED}", since).groups()

    def accepted(self, since=0):
        """The same two of the machine's log."""
        m = self.sshd.log.wait(
            rf"Accepted publickey for {ME} .* ED25519-CERT SHA256:\S+ ID (.*) \(serial (\d+)\) CA \S+ "
            rf"{re.escape(self.ca.key.fingerprint)}", since)
        return m[2], m[1]

    def refused(self, why):
        """A login fails; the gateway's log has this."""
        mark = self.gateway.log.mark()
        r = self.ssh("true")
        assert r.code == 255, r
        self.gateway.log.wait(why, mark)
        return r.err
