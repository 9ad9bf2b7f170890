"""doc/recipes.md: a host key is rotated, and nobody is warned."""

import shlex
import subprocess

import pytest

from lab.client import echoes, open_session, rekeys
from lab.documents import block, blocks, put
from lab.gateway import SALLYPORT
from lab.keys import known_hosts_line
from lab.wait import wait_for

CHANGED = "REMOTE HOST IDENTIFICATION HAS CHANGED"
LEARNED = "Learned new hostkey: "


@pytest.fixture
def g(gated):
    """A gateway with the host key that the recipe replaces."""
    w = gated()
    w.gateway.host_key_names = ["host_ed25519"]
    w.gateway.write_gateway()
    assert w.gateway.reload().returncode == 0
    return w


def steps():
    """The blocks of the recipe, a step for each that sets HostKey: [[(language, text), ...]]."""
    out = [[]]
    for language, text in blocks("doc/recipes.md", "Rotate the host key"):
        out[-1].append((language, text))
        if "sallyport reload" in text:
            out.append([])
    return [step for step in out if step]


def follow(w, step):
    for language, text in step:
        for line in text.splitlines():
            if language == "ini":
                key, value = line.split(" = ")
                assert key == "HostKey"
                w.gateway.host_key_names = value.split()
                w.gateway.write_gateway()
                status, said = w.gateway.check()
                assert status == 0, said
            else:
                words = shlex.split(line)
                assert words[0] == "sallyport"
                w.gateway.command(*words[1:])


def user(w, learns="yes"):
    """A user whose known_hosts has the key of today, hashed."""
    line = known_hosts_line(w.gateway.host_keys[0], w.gateway.port)
    c = w.new_client(known_hosts=line, UpdateHostKeys=learns, HashKnownHosts="yes")
    subprocess.run(["ssh-keygen", "-H", "-f", c.known_hosts], capture_output=True, check=True)
    return c


def logs_in(client, knows=None):
    """knows: stay until the client knows this many host keys, whose proofs may come after the end of a command."""
    p = client.spawn("echo in; cat", LogLevel="VERBOSE", StrictHostKeyChecking="yes")
    assert p.stdout.readline() == b"in\n"
    if knows:
        wait_for("host keys that it knows", lambda: keys_known(client) == knows)
    out, err = p.communicate(timeout=60)
    assert (p.returncode, out) == (0, b"") and CHANGED not in err.decode(), err
    return err.decode()


def is_warned(client):
    r = client.ssh("echo in", StrictHostKeyChecking="yes")
    return r.code == 255 and CHANGED in r.err


def keys_known(client):
    """How many; hashed lines have three words, too."""
    return len(client.known_hosts.read_text().splitlines())


def test_nobody_is_warned(g):
    announced, serves, alone = steps()
    learner, late, old = user(g), user(g), user(g, learns="no")
    running = open_session(g.client, RekeyLimit="1M", UpdateHostKeys="no")
    assert LEARNED not in logs_in(learner)

    follow(g, announced)
    assert logs_in(learner, knows=2).count(LEARNED) == 1
    assert LEARNED not in logs_in(old) and keys_known(old) == 1
    rekeys(running)

    follow(g, serves)
    assert LEARNED not in logs_in(learner) and keys_known(learner) == 2
    assert is_warned(old)
    assert is_warned(late), "the recipe says who is warned"

    follow(g, alone)
    logs_in(learner, knows=1)
    logs_in(learner)
    rekeys(running)
    echoes(running)


def test_the_way_back(g):
    announced, serves, _ = steps()
    learner, late = user(g), user(g)
    follow(g, announced)
    logs_in(learner, knows=2)
    follow(g, serves)
    logs_in(learner)
    assert is_warned(late)
    follow(g, announced[-2:])
    for client in (learner, late):
        logs_in(client, knows=2)
    follow(g, serves)
    for client in (learner, late):
        logs_in(client)


def test_host_keys_by_certificate(g, tmp_path):
    heading = "Host keys by certificate"
    conf, at = g.gateway.conf, f"[127.0.0.1]:{g.gateway.port}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "host_ca"], check=True)
    sh = put(block("doc/recipes.md", heading, "sh"), ("sallyport key", f"{SALLYPORT} key"),
             ("host_ed25519 >", f"host_ed25519 -c {conf} >"), ("/etc/sallyport/conf.d", conf),
             ("gateway.example.org,", "127.0.0.1,"))
    subprocess.run(["sh", "-ec", sh], cwd=tmp_path, check=True, capture_output=True)
    key, path = block("doc/recipes.md", heading, "ini").strip().split(" = ")
    g.gateway.options[key] = path
    g.gateway.write_gateway()
    assert g.gateway.reload().returncode == 0
    known = put(block("doc/recipes.md", heading, "text"), ("gateway.example.org,gateway", f"{at},gateway"),
                ("ssh-ed25519 AAAA...", (tmp_path / "host_ca.pub").read_text().strip()))
    c = g.new_client(known_hosts=known)
    logs_in(c)
    assert c.ssh("echo in", HostKeyAlias="gateway").text == "in\n"
