"""StateDirectory: who makes it, what check and a start say of one that cannot be used, and reloads."""

import os
import re
import stat
import subprocess

import pytest

from lab.gateway import Gateway
from lab.wait import PATIENCE
from lab.way import Way

KINDS = {"serial", "totp", "revoked"}
CHANGED = r"StateDirectory changes only at a restart"


@pytest.fixture
def gateway(short, ring, make_sshd):
    """A gateway with a route; its keeper is another user than root."""
    short.chmod(0o755)
    users = {"RunAs": "daemon", "RunNetworkAs": "games"} if os.getuid() == 0 else {}
    g = Gateway(short / "gateway", ring, **users)
    g.sshd = make_sshd()
    g.route("alice", g.sshd, [ring.get("client")])
    yield g
    g.stop()


def set_state(g, path):
    g.options["StateDirectory"] = path
    g.write_gateway()


def refused_start(g):
    """What a gateway says that does not start."""
    p = subprocess.run([g.program, "serve", "-c", g.conf], capture_output=True, text=True, timeout=PATIENCE,
                       check=False)
    assert p.returncode == 78
    return p.stderr


def assert_made(path):
    assert {p.name for p in path.iterdir()} >= KINDS
    for kind in KINDS:
        assert stat.S_IMODE((path / kind).stat().st_mode) == 0o700
        assert (path / kind).stat().st_uid == path.stat().st_uid


def test_made_at_start(gateway, short):
    place = short / "place"
    place.mkdir(mode=0o755)
    set_state(gateway, place / "state")
    if os.getuid() == 0:
        # the keeper is not root, and root does not make it
        status, text = gateway.check()
        assert status == 78
        line = re.search(r"StateDirectory: \S*/state: cannot be made by user 1: Permission denied; run: (.*)\n", text)
        assert line, text
        said = refused_start(gateway)
        assert re.search(r"StateDirectory: \S*/state: cannot be made: Permission denied; run: ", said), said
        subprocess.run(line[1], shell=True, check=True)
    assert gateway.check() == (0, "")
    gateway.start()
    assert stat.S_IMODE((place / "state").stat().st_mode) == 0o700
    assert_made(place / "state")
    assert gateway.check() == (0, "")


def test_not_made_without_need(gateway):
    gateway.start()
    assert gateway.check() == (0, "")
    assert not (gateway.dir / "state").exists()
    dump = gateway.command("check", "--dump")
    assert f"StateDirectory = {gateway.dir}/state\n" in dump and "GatewayNumber = 0\n" in dump


def test_default_of_systemd(gateway, short):
    gateway.within = ("env", f"STATE_DIRECTORY={short}/one:{short}/two")
    p = subprocess.run([*gateway.within, gateway.program, "check", "--dump", "-c", gateway.conf],
                       capture_output=True, text=True, check=True)
    assert f"StateDirectory = {short}/one\n" in p.stdout


def test_others_may_not_write_to_it(gateway, short):
    path = short / "state"
    path.mkdir()
    path.chmod(0o777)
    set_state(gateway, path)
    for text in (gateway.check()[1], refused_start(gateway)):
        assert re.search(rf"StateDirectory: {path}: others may write to it \(mode 0777\); run: chmod go-w", text), text


@pytest.mark.parametrize("mode", [0o755, 0o000])
def test_open_or_closed_records_are_refused(gateway, short, mode):
    """check calls it an error, as the start does."""
    path = short / "state"
    path.mkdir(mode=0o700)
    (path / "serial").mkdir()
    (path / "serial").chmod(mode)
    if os.getuid() == 0:
        for place in (path, path / "serial"):
            os.chown(place, 1, 1)
    set_state(gateway, path)
    status, text = gateway.check()
    said = refused_start(gateway)
    (path / "serial").chmod(0o700)  # so that it can be removed
    assert status == 78 and f"StateDirectory: {path}/serial: " in said
    assert text.splitlines()[0] == said.splitlines()[0]


def test_place_that_others_can_replace(gateway, short):
    """Below a directory that others may write to, before and after it has been made."""
    place = short / "place"
    place.mkdir()
    place.chmod(0o777)
    set_state(gateway, place / "state")
    for _ in range(2):
        status, text = gateway.check()
        assert status == 78
        assert f"StateDirectory: {place}/state: is below the directory {place}, to which others may write" in text
        assert text.splitlines()[0] == refused_start(gateway).splitlines()[0]


def test_directory_of_somebody_else(gateway):
    """A directory of the system is not recommended to be given away."""
    set_state(gateway, "/etc")
    status, text = gateway.check()
    assert status == 78 and "StateDirectory: /etc: user " in text and "name another one" in text
    assert "install" not in text
    assert "StateDirectory: /etc/" in refused_start(gateway)


@pytest.mark.parametrize("where, what", [("keys", "key store"), ("keys/", "key store"), ("link", "key store"),
                                         ("conf.d", "configuration")])
def test_directory_of_keys_or_configuration(gateway, where, what):
    """The keeper may write to the state directory."""
    (gateway.dir / "link").symlink_to("keys")
    set_state(gateway, where)
    status, text = gateway.check()
    assert status == 78
    assert re.search(rf"StateDirectory: {gateway.dir}/{where}: is the directory of the {what}; name one", text), text
    assert text.splitlines()[0] == refused_start(gateway).splitlines()[0]
    assert not list(gateway.dir.glob("*/serial"))


@pytest.mark.parametrize("text, mode, advice", [
    ("", 0o600, r"damaged, .*; if the clock is right, remove the file"),
    ("sallyport-serial 1\nblock x\n", 0o600, r"damaged, .*; if the clock is right, remove the file"),
    ("sallyport-serial 1\nblock 7\n", 0o644, "run: chmod 600 ")])
def test_unusable_record_of_serial_numbers_is_noted(gateway, short, text, mode, advice):
    """No certificate can be made, while other logins work."""
    path = short / "state"
    (path / "serial").mkdir(parents=True)
    record = path / "serial" / "last"
    record.write_text(text)
    record.chmod(mode)
    for place in (path, path / "serial", *(path / kind for kind in KINDS - {"serial"})):
        place.mkdir(exist_ok=True)
        place.chmod(0o700)
    if os.getuid() == 0:
        for place in (path, record, *(path / kind for kind in KINDS)):
            os.chown(place, 1, 1)
    set_state(gateway, path)
    status, said = gateway.check()
    assert status == 0
    assert re.search(rf"note: \S+: no certificate can be made: {record}: .*{advice}", said), said
    record.unlink()
    assert gateway.check() == (0, "")


def test_reload_to_another_is_refused(gateway, short):
    place = short / "place"
    place.mkdir()
    place.chmod(0o777 | stat.S_ISVTX)
    set_state(gateway, place / "one")
    gateway.start()
    set_state(gateway, place / "two")
    p = gateway.reload()
    assert p.returncode != 0 and re.search(CHANGED, p.stderr.decode())
    assert not (place / "two").exists()
    set_state(gateway, place / "one")
    gateway.options["GatewayNumber"] = 7
    gateway.write_gateway()
    assert gateway.reload().returncode == 0


def test_reload_to_a_first_one_is_refused(gateway, short):
    gateway.start()
    place = short / "place"
    place.mkdir()
    place.chmod(0o777 | stat.S_ISVTX)
    gateway.options["StateDirectory"] = gateway.dir / "state"
    gateway.write_gateway()
    p = gateway.reload()
    assert p.returncode != 0 and b"StateDirectory needs the state directory, which was not in use" in p.stderr


def test_read_only_one_is_said_at_start(gateway, short, ring, tmp_path):
    """Logins that need it are refused; others go on."""
    if os.getuid() != 0:
        pytest.skip("mounts")
    path = short / "state"
    path.mkdir()
    script = f"""mount --make-rprivate / && mount -t tmpfs -o mode=0755,uid=1,gid=1 none {path} &&
        mkdir -m 700 {' '.join(f'{path}/{kind}' for kind in KINDS)} &&
        chown 1:1 {path}/* && mount -o remount,ro {path} && exec "$@" """
    within = ("unshare", "--mount", "sh", "-c", script, "sh")
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespaces here")
    set_state(gateway, path)
    authority = gateway.add_key("authority", ring.get("authority"))
    gateway.keys["ca:authority"] = authority.public
    gateway.route("bob", gateway.sshd, [ring.get("client")], key="ca:authority")
    p = subprocess.run([*within, gateway.program, "check", "-c", gateway.conf], capture_output=True, text=True,
                       check=False)
    assert p.returncode == 0 and re.search(r"note: \S+: StateDirectory: \S+: .*Read-only file system", p.stderr), p
    gateway.within = within
    gateway.start()
    gateway.log.wait(r"StateDirectory: \S+: .*Read-only file system")
    w = Way("gateway", tmp_path, ring, gateway.sshd, gateway)
    try:
        w.answers()
        assert w.new_client(user="bob").ssh("true").code == 255
        gateway.log.wait(r"refused: Key = ca:authority: no certificate: \S+/state/serial\S*: .*Read-only file system")
    finally:
        w.close()
