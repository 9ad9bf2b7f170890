"""A gateway whose route has a second factor: a program that the test writes."""

import os
import threading

import paramiko
import pytest

from . import procs
from .unauthenticated import connect
from .wait import PATIENCE, wait_for

LISTS = "publickey,keyboard-interactive:factor"
# One code, which is 123456.
CODE = 'echo prompt Code:; echo ask; read -r code; [ "$code" = 123456 ] || exit 1'


class Factor:
    """way: a way for alice, whose route runs dir/ask."""

    def __init__(self, way, script, nap):
        self.way = way
        self.gateway = way.gateway
        self.dir = way.gateway.dir / "factor"
        self.dir.mkdir()
        self.nap = nap
        self.script = self.dir / "ask"
        self.write(script)

    def write(self, script):
        """The program, a shell script in which 8461.7 is the time for which its processes sleep."""
        text = f"#!/bin/bash\nhere={self.dir}\n" + script.replace("8461.7", self.nap) + "\n"
        new = self.dir / "new"
        new.write_text(text)
        new.chmod(0o755)
        new.replace(self.script)

    def left(self):
        """Processes of the program that still run."""
        script = str(self.script)
        return [words for _, words in procs.command_lines()
                if self.nap in words or (script in words and words[0] != script)]

    def all_gone(self):
        wait_for("the end of all that was run", lambda: not self.left())


@pytest.fixture
def factor(gated):
    """factor(script, front={}, sshd={}, **route): a gateway with this program of Factor."""
    made = []

    def make(script=CODE, front=None, methods=LISTS, sshd=None, **route):
        words = {"Factor": "exec:factor/ask", "AuthenticationMethods": methods, **route}
        nap = f"8462.{os.getpid()}{len(made)}"
        made.append(Factor(gated(front=front or {}, sshd=sshd or {}, route=words), script, nap))
        return made[-1]

    yield make
    for f in made:
        f.way.close()
        f.all_gone()


class Person:
    """A client that answers in conversations, and remembers what it has been asked."""

    def __init__(self, way, login="alice", source="127.0.0.1", key=None):
        self.login = login
        self.asked = []  # (instructions, [(prompt, echo), ...]) of each round
        self.transport = paramiko.Transport(connect(way.front.port, source))
        self.transport.banner_timeout = self.transport.auth_timeout = PATIENCE
        self.transport.start_client(timeout=PATIENCE)
        self.key = paramiko.Ed25519Key.from_private_key_file(str((key or way.ring.get("client")).path))

    def prove_key(self):
        """What the server wants next."""
        return self.transport.auth_publickey(self.login, self.key)

    def converse(self, *rounds):
        """One conversation; of each round the answers.  True: logged in, False: refused, and may try again."""
        left = list(rounds)

        def answer(title, instructions, fields):
            self.asked.append((instructions, [(str(p), e) for p, e in fields]))
            given = left.pop(0) if left else [""] * len(fields)
            return given() if callable(given) else given

        try:
            return self.transport.auth_interactive(self.login, answer) == []
        except paramiko.BadAuthenticationType:
            raise  # there was no conversation
        except paramiko.AuthenticationException:
            return False

    def log_in(self, *rounds):
        self.prove_key()
        return self.converse(*rounds)

    def begin(self, *rounds):
        """log_in() in the background; .result once it has ended, .thread to wait for."""

        def run():
            try:
                self.result = self.log_in(*rounds)
            except (paramiko.SSHException, EOFError, OSError) as e:
                self.result = e

        self.result = None
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        return self

    def close(self):
        self.transport.close()


@pytest.fixture
def person():
    """person(way): a client that answers (Person)."""
    made = []

    def make(*args, **kw):
        made.append(Person(*args, **kw))
        return made[-1]

    yield make
    for p in made:
        p.close()
