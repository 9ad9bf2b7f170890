"""A gateway with a lookup program that the test writes."""

import os
import re
import time

import pytest

from . import procs
from .sshd import ME
from .wait import wait_for
from .way import Way

# The longest there is.  A test of it has a short one, with which an answer may fail on a busy machine, too.
TIMEOUT = 60
SCRIPT = """#!/bin/bash
here={here}
answer() {{ cat "$here/answer"; }}
echo "$1" >>"$here/asked"
case $1 in
{cases}
*) exit 1 ;;
esac
"""


@pytest.fixture
def lookup(make_gateway, make_sshd, ring, tmp_path):
    """lookup(cases): a gateway whose lookup program knows the login good, and what the shell cases say."""
    made = []

    class LookupGateway:
        def __init__(self, cases="", more="", order="exec", sshd=None, timeout=TIMEOUT, **options):
            self.sshd = make_sshd(**(sshd or {}))
            self.gateway = g = make_gateway(**options)
            self.here = g.dir / "exec"
            self.here.mkdir()
            self.sshd.authorize(g.generate_key("mapped"))
            (self.here / "keys").write_text(ring.get("client").public + "\n")
            (self.here / "known_hosts").write_text(self.sshd.known_hosts())
            self.answer = (
                f"HostName = {self.sshd.host}\nPort = {self.sshd.port}\nUser = {ME}\nKey = mapped\n"
                "AuthorizedKeysFile = exec/keys\nUserKnownHostsFile = exec/known_hosts\n"
            )
            (self.here / "answer").write_text(self.answer)
            self.script = self.here / "lookup"
            # tests run side by side: each looks for its own sleeping processes
            self.nap = f"8461.{os.getpid()}{len(made)}"
            cases = cases.replace("8461.7", self.nap)
            self.script.write_text(SCRIPT.format(here=self.here, cases=f"good*) answer ;;\n{cases}"))
            self.script.chmod(0o755)
            (g.conf / "20-lookup.ini").write_text(
                f"[lookup]\nOrder = {order}\n[lookup exec]\nCommand = exec/lookup\n"
                f"Timeout = {timeout}s\n{more}"
            )
            g.start()
            self.way = Way("gateway", tmp_path, ring, self.sshd, g, login="good")

        def login(self, login):
            return self.way.new_client(user=login).ssh("echo in")

        def refused(self, login, reason):
            """Long before LoginGraceTime, which the tests leave at 120 s, would end it."""
            mark = self.gateway.log.mark()
            start = time.monotonic()
            r = self.login(login)
            took = time.monotonic() - start
            assert r.code == 255 and r.out == b"" and "Permission denied" in r.err, r
            line = self.gateway.log.wait(r"^.*lookup exec: .*$", mark).group()
            assert re.search(reason, line), line
            assert took < 100, f"{took:.1f} s"
            wait_for("another login", lambda: self.login("good").text == "in\n")

        def left(self):
            """Processes of the script that still run."""
            return [(pid, words) for pid, words in procs.command_lines()
                    if str(self.script) in words or self.nap in words]

    def make(*args, **kw):
        made.append(LookupGateway(*args, **kw))
        return made[-1]

    yield make
    for x in made:
        x.way.close()
        wait_for("the end of all that was run", lambda: not x.left())
        wait_for("the master to collect its dead", lambda: not x.gateway.zombies())
