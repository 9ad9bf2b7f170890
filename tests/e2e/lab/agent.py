"""ssh-agent, for the clients of the tests."""

from . import net
from .wait import Log, wait_for


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
        wait_for("the agent's socket", path.exists)
        way.client.env["SSH_AUTH_SOCK"] = str(path)
        way.client.write_config(ForwardAgent="yes")

    def add(self, key, *flags, **env):
        self.way.client.run(["ssh-add", "-q", *flags, key.path], env=env, check=True)
        return key
