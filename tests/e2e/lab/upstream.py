"""Upstreams other than sshd, which ask what the test wants asked."""

import contextlib
import threading

import pytest

from . import net

paramiko = pytest.importorskip("paramiko")

# Words of a route whose logins are judged by the upstream.
PASSTHROUGH = {"Passthrough": "yes", "Key": None, "AuthorizedKeysFile": None}

ROUNDS = [
    [("Password: ", False, "first"), ("Colour: ", True, "")],
    [],
    [("Code \u00fc: ", True, "123456"), ("a", False, "x" * 3000), ("", False, "é")],
]


class QuestioningUpstream(paramiko.ServerInterface):
    """It asks by keyboard-interactive.  rounds: for each, a list of (prompt, echo, right answer)."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.at = 0

    def get_allowed_auths(self, username):
        return "keyboard-interactive,password"

    def check_auth_none(self, username):
        return paramiko.AUTH_FAILED

    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL if password == "new" else paramiko.AUTH_FAILED

    def _ask(self):
        prompts = self.rounds[self.at]
        return paramiko.InteractiveQuery(
            f"round {self.at}", "Be careful: \u2602", *((p, e) for p, e, _ in prompts)
        )

    def check_auth_interactive(self, username, submethods):
        self.at = 0
        return self._ask()

    def check_auth_interactive_response(self, responses):
        if list(responses) != [a for _, _, a in self.rounds[self.at]]:
            return paramiko.AUTH_FAILED
        self.at += 1
        return paramiko.AUTH_SUCCESSFUL if self.at == len(self.rounds) else self._ask()

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        """Answer, and then run it."""
        reply = channel.transport._send_user_message

        def run(m):
            del channel.transport._send_user_message
            reply(m)
            channel.sendall(b"in\n")
            channel.send_exit_status(0)
            channel.close()

        channel.transport._send_user_message = run
        return True


@contextlib.contextmanager
def questioning_way(gated, ring, rounds=None, handler=None, judge=None, **route):
    """A way through a gateway to such an upstream, and the server it listens with.

    handler: called with each transport.  judge: makes the server interface, in place of the questions.
    """
    key = ring.get("upstream_host", "ed25519")
    done = threading.Event()

    def serve(s):
        t = paramiko.Transport(s)
        t.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(key.path)))
        with contextlib.suppress(paramiko.SSHException, EOFError):
            t.start_server(server=judge() if judge else QuestioningUpstream(rounds or ROUNDS), event=threading.Event())
            if handler:
                handler(t)
            done.wait(300)
        t.close()

    server = net.Server(serve)
    words = dict(PASSTHROUGH, Port=server.port)
    words.update(route)
    w = gated(route=words)
    w.gateway.known_hosts_of("alice").write_text(f"[127.0.0.1]:{server.port} {key.public}\n")
    try:
        yield w, server
    finally:
        done.set()
        server.close()
