"""doc/recipes.md, Keys, as it is written there: rotating a mapped key, and backups."""

import shutil

import pytest

from lab.client import echoes, open_session
from lab.documents import block, put
from lab.gateway_operator import Operator

PAGE = "doc/recipes.md"


@pytest.fixture
def home(short):
    (short / ".ssh").mkdir()
    return short


@pytest.fixture
def alice(make_gateway, make_sshd, way_through, ring, tmp_path, home):
    """A way to an account whose home directory is `home`, and its operator."""
    sshd = make_sshd(AuthorizedKeysFile=f"{home}/.ssh/authorized_keys",
                     ForceCommand=f'cd {home} && exec sh -c "$SSH_ORIGINAL_COMMAND"')
    gateway = make_gateway()
    gateway.route("alice", sshd, [ring.get("client")])
    way = way_through(gateway, sshd)
    (home / ".ssh" / "authorized_keys").write_text(gateway.command("key", "public", "alice", "--for", "alice"))
    return way, Operator(gateway, way.client, tmp_path)


def test_rotate_mapped_key(alice, home):
    """Without an interruption; the old key is gone from both sides in the end."""
    way, operator = alice
    authorized = home / ".ssh" / "authorized_keys"
    old = authorized.read_text()
    p = open_session(way.client)
    heading = "Rotate a mapped key"
    operator.run(block(PAGE, heading, "sh"))
    assert authorized.read_text().startswith(old)
    way.answers()
    operator.run(block(PAGE, heading, "sh", 1))
    (line,) = authorized.read_text().splitlines()
    assert line.endswith(" alice2") and line.startswith("restrict,from=")
    assert [line.split()[0] for line in operator.run("sallyport key list").splitlines()] == \
        ["alice2", "host_ed25519", "host_rsa3072"]
    way.answers()
    echoes(p)


def test_back_up_and_restore(alice, tmp_path):
    """What is restored elsewhere lets the same users in, with the same host key."""
    way, operator = alice
    heading = "Back up and restore"
    operator.run(put(block(PAGE, heading, "sh"), ("/etc/sallyport", way.gateway.dir)), cwd=tmp_path)
    sealed = operator.run("tar -tzf sallyport.tar.gz", cwd=tmp_path).split()
    assert "keys/alice" in sealed and "keys/.store" in sealed and "conf.d/10-alice.ini" in sealed
    assert "keys/.unlock" not in sealed
    assert operator.run("tar -tzf sallyport-unlock.tar.gz", cwd=tmp_path).split() == ["keys/.unlock"]
    way.gateway.stop()
    shutil.rmtree(way.gateway.conf)
    shutil.rmtree(way.gateway.dir / "keys")
    operator.run(put(block(PAGE, heading, "sh", 1), ("/etc/sallyport", way.gateway.dir)), cwd=tmp_path)
    assert (way.gateway.dir / "keys").stat().st_mode & 0o777 == 0o700
    way.gateway.start()
    client = way.new_client()  # which knows the host key from before
    assert client.ssh("echo in").text == "in\n"


def test_key_for_two_gateways(alice):
    _, operator = alice
    line = operator.run(block(PAGE, "Two gateways", "sh"))
    assert line.startswith('restrict,from="192.0.2.10,192.0.2.11",')
