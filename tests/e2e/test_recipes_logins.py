"""doc/recipes.md, What a login may do, as it is written there: file transfer only, git for many."""

import pytest

from lab import net
from lab.documents import block, put
from lab.gateway_operator import Operator
from lab.sshd import ME
from lab.way import Way

PAGE = "doc/recipes.md"


def test_file_transfer_only(gated, tmp_path):
    words = dict(line.replace(" ", "").split("=") for line in block(PAGE, "File transfer only", "ini").splitlines())
    w = gated(route=words)
    (tmp_path / "here").write_text("text\n")
    w.client.sftp(f"put {tmp_path}/here {tmp_path}/there\n")
    assert (tmp_path / "there").read_text() == "text\n"
    w.client.scp("-s", tmp_path / "here", f"upstream:{tmp_path}/second")
    assert (tmp_path / "second").read_text() == "text\n"
    assert w.ssh("echo ran").out == b""
    assert w.client.scp("-O", tmp_path / "here", f"upstream:{tmp_path}/third", check=False).code != 0
    port = net.free_port()
    assert w.client.forward("-R", f"{port}:127.0.0.1:{w.sshd.port}").wait(60) != 0
    line = w.gateway.command("key", "public", "alice", "--for", "alice")
    assert line.startswith("restrict,") and 'command="internal-sftp"' in line


@pytest.fixture
def forge(make_gateway, make_sshd, ring, tmp_path):
    """git@gateway for ann and ben, whose mapped keys an account for git tells apart, and the keys of the two."""
    gateway, sshd = make_gateway(), make_sshd()
    people = {"ann": ring.get("ann"), "ben": ring.get("ben", "rsa3072")}
    (gateway.conf / "git").mkdir()
    (gateway.conf / "known_hosts").write_text(sshd.known_hosts())
    client = Way("gateway", tmp_path, ring, sshd, gateway).client
    operator = Operator(gateway, client, tmp_path)
    for name, key in people.items():
        (gateway.conf / "git" / f"{name}.pub").write_text(key.public + "\n")
        gateway.generate_key(f"git-{name}")
        listed = operator.run(f"ssh-keygen -lf conf.d/git/{name}.pub").split()[1]
        operator.append(f"10-git-{name}.ini", put(
            block(PAGE, "Git for many", "ini"), ("SHA256:of-her-key", listed),
            ("10.0.0.9", f"127.0.0.1\nPort = {sshd.port}"), ("= git\n", f"= {ME}\n"),
            ("git-ann", f"git-{name}"), ("git/ann", f"git/{name}")))
        public = operator.run(f"sallyport key public git-{name}").strip()
        sshd.authorize(f'command="echo {name} >>{tmp_path}/who; git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"" {public}')
    gateway.start()
    way = Way("gateway", tmp_path / "people", ring, sshd, gateway, login="git")
    yield way, people
    way.close()


def test_git_for_many(forge, ring, tmp_path):
    way, people = forge
    repository = tmp_path / "repository.git"
    way.client.git("init", "-q", "--bare", "-b", "main", repository)
    for name, key in people.items():
        client, copy = way.new_client(key=key), tmp_path / name
        client.git("clone", "-q", f"upstream:{repository}", copy)
        client.git("checkout", "-q", "-B", "main", cwd=copy)
        client.git("commit", "-q", "--allow-empty", "-m", name, cwd=copy)
        client.git("push", "-q", "origin", "main", cwd=copy)
        assert client.ssh("").code != 0, "no shell"
    assert way.client.git("--git-dir", repository, "log", "--format=%s", "main").text == "ben\nann\n"
    assert (tmp_path / "who").read_text().split() == ["ann", "ann", "ben", "ben"]
    assert not way.lets_in("git"), "a key that no route names"
