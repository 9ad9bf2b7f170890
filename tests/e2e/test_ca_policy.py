"""A session through a gateway with Key = ca: beside one with a certificate by ssh-keygen at the same machine: the same
users may do the same things, and see the same."""

import os
import re

import pytest

from lab.agent import start_agent
from lab.ca import certificate_client
from lab.sshd import ME
from lab.tty import sshd_can_make_terminals
from lab.way import Way

# Words of the route, and options of ssh-keygen -O for the same.
SAME = {
    "everything": ({}, []),
    "nothing": ({"Restrict": "yes"}, ["clear"]),
    "a command": ({"ForceCommand": 'echo "[$SSH_ORIGINAL_COMMAND]"; exit 5'},
                  ['force-command=echo "[$SSH_ORIGINAL_COMMAND]"; exit 5']),
    "sftp": ({"ForceCommand": "internal-sftp"}, ["force-command=internal-sftp"]),
}


def lines(out):
    """Without what the sshd of the tests logs on the terminal that it has just opened."""
    return re.sub(rb"^.*refusing non-sftp session\n", b"", out.replace(b"\r", b""), flags=re.M)


def without_end(text):
    """Without the lines about the end of the connection, which name a host and a port."""
    return re.sub(r"^(Shared c|C)onnection (to|closed).*\n", "", text, flags=re.M)


def seen(c, echo, agent):
    """What a user sees who tries everything."""
    argv = c.argv
    results = {
        "exec": c.ssh("echo in; exit 3"),
        "shell": c.run(argv("ssh", "-T", "upstream"), stdin=b"echo in\nexit 3\n"),
        "sftp": c.run(argv("sftp", "-q", "-b", "-", "upstream"), stdin=b"ls /etc/passwd\n"),
        "forward": c.run(argv("ssh", "-W", f"127.0.0.1:{echo.port}", "upstream"), stdin=b"there and back"),
        "agent": c.ssh("-A", "ssh-add -l", env=agent),
        "X11": c.ssh("-Y", "echo ${DISPLAY:+display}", env={"DISPLAY": "127.0.0.1:77"}),
    }
    if sshd_can_make_terminals():
        results["terminal"] = c.run(argv("ssh", "-tt", "upstream", "test -t 0 && echo terminal; exit 3"))
    listening = c.run(argv("ssh", "-R", "0:127.0.0.1:1", "upstream", "exit 3", ExitOnForwardFailure="yes"))
    return {name: (r.code, lines(r.out), without_end(r.err)) for name, r in results.items()} | {
        "listen": (listening.code, "Allocated port" in listening.err)}


@pytest.mark.parametrize("name", SAME)
def test_user_sees_what_one_with_a_certificate_sees(certified, ring, tmp_path, short, echo, name):
    route, options = SAME[name]
    xauth = tmp_path / "xauth"  # sshd's real xauth would change ~/.Xauthority
    xauth.write_text("#!/bin/sh\nexec cat >/dev/null\n")
    xauth.chmod(0o755)
    c = certified(sshd={"X11Forwarding": "yes", "XAuthLocation": xauth,
                        "X11DisplayOffset": str(500 + os.getpid() % 400)}, **route)
    person = ring.get("person")
    direct = Way("direct", tmp_path / "direct", ring, c.sshd)
    try:
        client = certificate_client(direct, person, c.ca.sign(person, ME, options=options))
        agent = start_agent(client, short / "agent", person)
        there = seen(client, echo, agent)
        here = seen(c.way.client, echo, agent)
        assert here == there
        assert there["exec"][0] in (3, 5, 1), there
        # what is permitted is there, so that all this could differ
        works = {"X11": b"display\n", "forward": b"there and back"}
        assert ({name: there[name][1] for name in works} == works) == (name == "everything")
    finally:
        direct.close()


def test_command_reads_what_the_user_asked_for(certified):
    """With a mapped key it reads its own text there, unless the machine accepts the variable."""
    c = certified(ForceCommand='echo "$SSH_ORIGINAL_COMMAND"')
    assert c.ssh("rm -rf 'a b'").text == "rm -rf 'a b'\n"
