"""doc/recipes.md, Watching, as it is written there: the log as JSON, alarms, a probe."""

import json
import re
import shutil

import pytest

from lab import net
from lab.client import open_session
from lab.documents import block, put
from lab.gateway import NOT_RELOADED, TREE
from lab.gateway_operator import Operator
from lab.wait import wait_for

PAGE = "doc/recipes.md"


def watching(way, directory):
    """An operator whose journal is the log of this gateway."""
    operator = Operator(way.gateway, way.client, directory)
    operator.command("journalctl", f"exec cat {way.gateway.log.path}")
    return operator


def words_of(text):
    return dict(re.findall(r"^(\w+) *= (.*)$", text, re.M))


def test_logs_as_json(gated, ring, tmp_path):
    """The fields that Alloy and jq are told to take are there."""
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    heading = "Logs into Loki"
    w = gated(front=words_of(block(PAGE, heading, "ini")))
    w.gateway.route("bob", w.sshd, [ring.get("client")], Port=net.free_port())
    assert w.gateway.reload().returncode == 0
    operator = watching(w, tmp_path)
    for _ in range(2):
        assert w.ssh("head -c 100000 /dev/zero").code == 0
    assert not w.lets_in("bob")
    wait_for("the ends of sessions", lambda: w.gateway.log.text().count('"event":"closed"') == 2)

    refused, by_login, dialled = (block(PAGE, heading, "sh", n) for n in range(3))
    assert re.fullmatch(r"bob\t127\.0\.0\.1\tcannot connect: .*Connection refused\n", operator.run(refused))
    login, sessions, _, received = operator.run(by_login).rstrip("\n").split("\t")
    assert (login, sessions) == ("alice", "2") and int(received) > 200000
    lines = [json.loads(line) for line in w.gateway.log.lines()]
    port = next(o["dialled_from_port"] for o in lines if "dialled_from_port" in o)
    assert operator.run(put(dialled, ("36324", port))) == "alice\n"

    alloy = block(PAGE, heading, "alloy")
    taken, labels, metadata = (set(re.findall(r'(\w+) = ""', found))
                               for found in re.findall(r'\{(\w+ = "".*)\}', alloy))
    assert taken == labels | metadata
    assert taken <= set().union(*lines) and labels <= set(lines[-1])


def test_alarms(gated, ring, tmp_path):
    """Each pattern finds the line it is meant for, and lines of an ordinary day raise no alarm."""
    w = gated(front={"MaxStartups": "3"})
    w.gateway.route("closed", w.sshd, [ring.get("client")], Port=net.free_port())
    w.gateway.route("changed", w.sshd, [ring.get("client")],
                    known_hosts=w.sshd.known_hosts().replace(w.sshd.host_keys[0].public, ring.get("other").public))
    w.gateway.generate_key("stranger")
    w.gateway.route("nolet", w.sshd, [ring.get("client")], key="stranger")
    assert w.gateway.reload().returncode == 0
    operator = watching(w, tmp_path)
    operator.command("mail", f'echo "$*: $(cat)" >>{tmp_path}/mails')
    script = block(PAGE, "Alarms", "sh")

    w.answers()
    assert not w.lets_in("nobody")
    w.gateway.quiet()
    p = open_session(w.client)
    assert "reload: the new" in w.gateway.log.text()
    for login in ("closed", "changed", "nolet"):
        assert not w.lets_in(login)
    (w.gateway.conf / "99-wrong.ini").write_text("[route x]\nHostNam = y\n")
    assert w.gateway.reload().returncode != 0
    w.gateway.log.wait(NOT_RELOADED)
    (session,) = w.gateway.sessions("alice")
    session.kill()
    w.gateway.log.wait("its process died")
    p.wait(60)
    held = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(5)]
    w.gateway.log.wait("MaxStartups")
    for s in held:
        s.close()
    (keeper,) = w.gateway.keepers()
    keeper.kill()
    w.gateway.log.wait("the keeper has died")

    operator.run(script)
    found = (tmp_path / "mails").read_text().splitlines()
    assert all(line.startswith("-s sallyport: look root: ") for line in found)
    patterns = "|".join(re.findall(r"-e '(.*?)'", script)).split("|")
    assert len(patterns) == 8
    for pattern in patterns:
        if pattern == "refuses the gateway for a time":  # takes an upstream with PerSourcePenalties
            assert pattern in (TREE / "src" / "keeper" / "upstream.c").read_text()
            continue
        assert [line for line in found if re.search(pattern, line)], pattern
    assert len(found) < len(w.gateway.log.lines()) and not [m for m in found if "Accepted" in m or "nobody" in m]


def test_probe(gated):
    """It tells whether users get in, as far as their machine."""
    words = words_of(block(PAGE, "Alarms", "ini"))
    w = gated(route=words)
    probe = put(block(PAGE, "Alarms", "sh", 1), ("monitor@gateway", "alice@upstream")).split()
    assert probe[0] == "ssh"
    assert w.client.run(w.client.argv("ssh", *probe[1:])).outcome == (0, b"", "")
    assert w.ssh("echo other").out == b""
    w.sshd.stop()
    assert w.client.run(w.client.argv("ssh", *probe[1:])).code == 255
