"""ssh-agent, for the clients of the tests."""

import contextlib
import re

import pytest

from . import net
from .refusal import one_line, session_id
from .wait import PATIENCE, Log, wait_for


def start_agent(client, path, *keys, provider=None):
    """An ssh-agent with these keys, in this order, until the client is closed; its environment.

    provider: the library of security keys that it may load.
    """
    client.popen(["ssh-agent", "-D", "-a", path, *(["-P", provider] if provider else [])])
    wait_for("the agent", lambda: net.accepts(str(path)))
    env = {"SSH_AUTH_SOCK": str(path)}
    client.run(["ssh-add", "-q", *(["-S", provider] if provider else []), *(k.path for k in keys)], env=env, check=True)
    return env


class Agent:
    """An ssh-agent that logs the type of each request, and that the client of a way forwards."""

    def __init__(self, way, path, *flags):
        self.way = way
        self.path = path
        self.log = Log(way.dir / "agent.log", "\r\n")
        with open(self.log.path, "wb") as log:
            self.process = way.client.popen(["ssh-agent", "-d", "-a", path, *flags], stderr=log)
        net.wait_accepts(str(path))
        way.client.env["SSH_AUTH_SOCK"] = str(path)
        way.client.write_config(ForwardAgent="yes")

    def add(self, key, *flags, **env):
        self.way.client.run(["ssh-add", "-q", *flags, key.path], env=env, check=True)
        return key


def assert_login_refused(w, r, says, why):
    """Exit status 255 and one line, whose session the log names."""
    assert r.code == 255 and r.out == b"", r
    assert re.search(says, one_line(r.err)), r.err
    sid = session_id(r.err)
    assert w.gateway.log.wait(rf"session {sid}: alice from .* refused: .*{why}")
    w.gateway.quiet()


@contextlib.contextmanager
def paramiko_runs(w, monkeypatch, prove, command, **sizes):
    """A client that waits for the reply to each of its requests; its channel."""
    paramiko = pytest.importorskip("paramiko")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(w.agent.path))
    with paramiko.Transport(net.connect(("127.0.0.1", w.front.port))) as t:
        t.start_client(timeout=PATIENCE)
        prove(t)
        channel = t.open_session(**sizes)
        handler = paramiko.agent.AgentRequestHandler(channel)
        channel.exec_command(command)
        yield channel
        handler.close()


def with_key(w):
    """A function that logs a paramiko.Transport in with the key of the client."""
    paramiko = pytest.importorskip("paramiko")
    key = paramiko.Ed25519Key.from_private_key_file(str(w.client.key.path))
    return lambda t: t.auth_publickey("alice", key)
