"""`sallyport route LOGIN --dial` of a gateway, and what it prints."""

import re

from .keys import known_hosts_line

VERSION = r"SSH-2\.0-OpenSSH_\S+( [^,]*)?"
KEY = r"(ED25519|ECDSA|RSA)(-CERT)? SHA256:\S{43}"


class DialTrial:
    """A gateway that is not started, with a route for alice to an upstream or to a port."""

    def __init__(self, gateway, upstream, ring, **route):
        self.gateway, self.upstream, self.ring = gateway, upstream, ring
        self.file = gateway.known_hosts_of("alice")
        self.route(**route)

    def route(self, **words):
        known = self.file.read_text() if self.file.exists() else ""
        self.gateway.route("alice", self.upstream, [self.ring.get("client")], known_hosts=known, key="k", **words)

    def dial(self, known=None):
        """The exit status, and the line about the connection; self.asked is the one about the mapped key, or None."""
        if known is not None:
            self.file.write_text(known)
        p = self.gateway.sallyport("route", "alice", "--dial", "-c", self.gateway.conf)
        assert p.stderr == b"", p
        lines = re.findall(r"^dial       (.*)$", p.stdout.decode(), re.M)
        assert len(lines) in (1, 2) and p.stdout.decode().splitlines()[-1].startswith("dial "), p.stdout
        self.asked = lines[1] if len(lines) == 2 else None
        return p.returncode, lines[0]

    @property
    def at(self):
        return f"127.0.0.1 port {self.upstream.port}"

    def accepts(self, known, says):
        status, line = self.dial(known)
        assert status == 0 and re.fullmatch(rf"{re.escape(self.at)}: {VERSION}, {KEY} {says}", line), line

    def refuses(self, known, why):
        """The reason is the same as in the log of a login, except for the session."""
        status, line = self.dial(known)
        assert status == 1, line
        assert re.fullmatch(
            rf"{re.escape(self.at)}: {VERSION}: Host key verification failed: {KEY}: {why}; known keys are in .+",
            line), line

    def name(self, key, names=None, marker=""):
        return known_hosts_line(key, self.upstream.port, names, marker)
