"""A gateway that holds tunnels (Mode = tunnel), and machines that connect to it."""

import re
import subprocess

from .wait import wait_for


class Tunnels:
    """A gateway with [route hold] (Mode = tunnel), and [route alice], which leads into the tunnel box."""

    def __init__(self, way, **words):
        self.way = way
        self.gateway = way.gateway
        self.log = way.gateway.log
        (self.gateway.conf / "box.known_hosts").write_text(
            re.sub(r"^\S+", "tunnel:box", way.sshd.known_hosts(), flags=re.M))
        self.gateway.route("alice", way.sshd, [way.ring.get("client")], HostName="tunnel:box", Port=None,
                           UserKnownHostsFile="conf.d/box.known_hosts")
        self.set_hold(**words)

    def set_hold(self, name="hold", keys="alice.pub", **words):
        route = {"Mode": "tunnel", "TunnelNames": "box web-*", "AuthorizedKeysFile": f"conf.d/{keys}", **words}
        self.gateway.write(f"20-{name}.ini", f"route {name}", route)
        self.gateway.hangup()

    def machine(self, user="hold", key=None):
        """A machine that connects to the gateway."""
        return self.way.new_client(user=user, key=key)

    def hold(self, *forwards, client=None, **options):
        """ssh -NR, with each of these forwards; returns when the gateway holds all of them."""
        mark = self.log.mark()
        client = client or self.machine()
        argv = client.argv("ssh", "-N", *[w for f in forwards for w in ("-R", f)], "upstream",
                           ExitOnForwardFailure="yes", **options)
        p = client.popen(argv, stdin=subprocess.DEVNULL)

        def held():
            return len(re.findall(r"\d holds the tunnel", self.log.text(mark))) >= len(forwards)

        wait_for("tunnels", lambda: held() or p.poll() is not None)
        assert held(), p.stderr.read()
        return p

    def hold_box(self, **options):
        return self.hold(f"box:22:127.0.0.1:{self.way.sshd.port}", **options)

    def refused(self, forward, client=None):
        """What ssh says when the gateway does not hold this forward."""
        client = client or self.machine()
        r = client.run(client.argv("ssh", "-N", "-R", forward, "upstream"), stdin=None)
        assert r.code == 255
        return r.err
