"""`check` and `route` as root: files are looked at as the users whom the gateway becomes."""

import os
import re
import subprocess

import pytest

from lab.gateway import Gateway
from lab.way import Way

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")

OK = (0, "")


class Dropped:
    """A gateway that root is about to start: its keeper is daemon, all else games."""

    def __init__(self, short, ring, machine):
        self.short, self.ring, self.machine = short, ring, machine
        self.gateway = Gateway(short / "gateway", ring, RunAs="daemon", RunNetworkAs="games")
        self.route()

    def route(self, **words):
        self.gateway.route("alice", self.machine, [self.ring.get("client")], **words)

    def check(self):
        p = self.gateway.sallyport("check", "-c", self.gateway.conf)
        return p.returncode, p.stderr.decode()

    def complains(self, file, key, path, who="daemon"):
        """One error, in the line of that key; the remedy it names."""
        status, text = self.check()
        assert status == 78 and len(text.splitlines()) == 1, text
        ini = (self.gateway.conf / file).read_text().splitlines()
        (line,) = [n for n, words in enumerate(ini, 1) if words.startswith(f"{key} =")]
        assert text.startswith(f"{self.gateway.conf / file}:{line}: {key}: {path}: "), text
        assert f"user {who} may not " in text
        return re.search(r"; run: ([^,\n]*)", text)[1]

    def mended(self, remedy):
        """The remedy is one."""
        subprocess.run(remedy, shell=True, check=True)
        assert self.check() == OK


@pytest.fixture
def d(short, ring, make_sshd):
    short.chmod(0o755)
    dropped = Dropped(short, ring, make_sshd())
    yield dropped
    dropped.gateway.stop()


@pytest.fixture
def started(d):
    d.gateway.start()
    w = Way("gateway", d.short, d.ring, d.machine, d.gateway)
    yield w
    w.close()


def secret(d, name, text):
    """A file in the usual place that is root's alone."""
    path = d.gateway.conf / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_all_is_open(d):
    assert d.check() == OK
    p = d.gateway.sallyport("route", "alice", "-c", d.gateway.conf)
    assert p.returncode == 0 and b"may not" not in p.stdout, p


def test_authorized_keys_of_root(d, started):
    """What check says is what a login finds, and its remedy helps."""
    path = d.gateway.conf / "alice.pub"
    path.chmod(0o600)
    remedy = d.complains("10-alice.ini", "AuthorizedKeysFile", path)
    p = d.gateway.sallyport("route", "alice", "-c", d.gateway.conf)
    assert p.returncode == 1 and f"{path} (can't be read!): user daemon may not read it" in p.stdout.decode()
    assert started.ssh("true").code == 255
    d.gateway.log.wait(f"not accepted: {re.escape(str(path))}: Permission denied")
    d.mended(remedy)
    started.answers()


def test_directory_on_the_way(d, started):
    closed = d.short / "closed"
    (closed / "open").mkdir(parents=True)
    (closed / "open" / "keys").write_text(d.ring.get("client").public + "\n")
    d.route(AuthorizedKeysFile=closed / "open" / "keys")
    assert d.gateway.sallyport("reload", "-c", d.gateway.conf).returncode == 0
    closed.chmod(0o700)
    remedy = d.complains("10-alice.ini", "AuthorizedKeysFile", closed / "open" / "keys")
    assert f"may not pass through {closed};" in d.check()[1]
    assert started.ssh("true").code == 255
    d.mended(remedy)
    started.answers()


def test_file_of_the_keepers_own(d):
    """The owner's bits alone count for the owner, so a group would be no remedy."""
    path = d.gateway.conf / "alice.pub"
    subprocess.run(["chown", "daemon", path], check=True)
    path.chmod(0o044)
    d.mended(d.complains("10-alice.ini", "AuthorizedKeysFile", path))


def test_who_has_a_group_may(d):
    """The groups of the user count, and root's own do not."""
    path = d.gateway.conf / "alice.pub"
    path.chmod(0o640)
    assert d.check()[0] == 78
    subprocess.run(["chgrp", "daemon", path], check=True)
    assert d.check() == OK


@pytest.mark.parametrize("key", ["TrustedUserCAKeys", "RevokedKeys", "UserKnownHostsFile"])
def test_other_files_of_a_route(d, key):
    text = {"RevokedKeys": d.ring.get("stranger").public, "TrustedUserCAKeys": d.ring.get("ca").public,
            "UserKnownHostsFile": d.machine.known_hosts()}[key]
    path = secret(d, "closed", text + "\n")
    d.route(**{key: path})
    d.mended(d.complains("10-alice.ini", key, path))


def test_certificate(d, ca, tmp_path):
    public = tmp_path / "alice.pub"
    public.write_text(d.gateway.keys["alice"] + "\n")
    subprocess.run(["ssh-keygen", "-q", "-s", ca.key.path, "-I", "x", "-n", "x", public], check=True)
    path = secret(d, "closed", (tmp_path / "alice-cert.pub").read_text())
    d.route(CertificateFile=path)
    status, text = d.check()
    assert status == 78 and f"CertificateFile: {path}: " in text and len(text.splitlines()) == 1, text
    path.chmod(0o644)
    assert d.check() == OK


def test_known_hosts_in_a_closed_directory(d):
    """With accept-new a file that is not there is no error; one that can't be seen is."""
    closed = d.short / "closed"
    closed.mkdir(mode=0o700)
    d.route(UserKnownHostsFile=closed / "known", StrictHostKeyChecking="accept-new")
    d.complains("10-alice.ini", "UserKnownHostsFile", closed / "known")


@pytest.mark.parametrize("there", [True, False])
def test_accept_new_that_cannot_write(d, started, there):
    """A first login is refused, since the key can't be kept: an error."""
    path = d.gateway.conf / "learnt"
    if there:
        path.write_text("")
    d.route(UserKnownHostsFile=path, StrictHostKeyChecking="accept-new")
    d.gateway.stop()
    d.gateway.start()
    status, text = d.check()
    assert status == 78 and re.search(
        rf"10-alice\.ini:\d+: UserKnownHostsFile: {path}: accept-new writes new host keys to it, and user "
        rf"daemon may not {'write to' if there else 'make'} it; run: ", text), text
    p = d.gateway.sallyport("route", "alice", "-c", d.gateway.conf)
    assert p.returncode == 1 and b"accept-new writes new host keys to it" in p.stdout
    assert started.ssh("true").code == 255
    d.gateway.log.wait(f"cannot add the host key of 127.0.0.1: {path}: Permission denied")
    assert path.exists() == there
    d.mended(re.search("; run: (.*)", text)[1])
    started.answers()
    assert path.read_text() != ""


def test_accept_new_that_need_not_write(d):
    """All are known already: a note, as logins work."""
    d.route(StrictHostKeyChecking="accept-new")
    status, text = d.check()
    assert status == 0 and re.fullmatch(r"note: \S+: UserKnownHostsFile: .*may not write to it; run: .*\n", text), text
    assert d.gateway.sallyport("route", "alice", "-c", d.gateway.conf).returncode == 0


def test_key_of_root_in_the_store(d):
    path = d.gateway.dir / "keys" / "alice"
    os.chown(path, 0, 0)
    status, text = d.check()
    assert status == 78 and re.fullmatch(
        rf"\S+10-alice\.ini:\d+: Key: {path}: cannot be read by user 1; chown it\n", text), text
    p = d.gateway.sallyport("route", "alice", "-c", d.gateway.conf)
    assert p.returncode == 1 and b"cannot be read by user 1" in p.stdout


@pytest.mark.parametrize("file,key,name", [("00-gateway.ini", "HostKey", "host_ed25519"), ("10-alice.ini", "Key", "alice")])
def test_key_of_the_keepers_own_that_is_closed(d, file, key, name):
    path = d.gateway.dir / "keys" / name
    path.chmod(0)
    status, text = d.check()
    assert status == 78 and re.fullmatch(
        rf"\S+{file}:\d+: {key}: {path}: its owner, user 1, may not read it; run: chmod 600 {path}\n", text), text
    d.mended(re.search("; run: (.*)", text)[1])


@pytest.mark.parametrize("what", ["", ".store", ".unlock"])
def test_store_of_root(d, what):
    """Said once, and as when the gateway is started."""
    path = d.gateway.dir / "keys" / what
    os.chown(path, 0, 0)
    status, text = d.check()
    assert status == 78 and len(text.splitlines()) == 1 and f": {str(path).rstrip('/')}: " in text, text
    assert "; chown" in text
    p = d.gateway.sallyport("serve", "-c", d.gateway.conf)
    assert p.returncode == 78 and text in p.stderr.decode()


def test_banner_of_root(d):
    path = secret(d, "banner", "hello\n")
    d.gateway.options["Banner"] = path
    d.gateway.write_gateway()
    d.mended(d.complains("00-gateway.ini", "Banner", path))


def test_directory_backend(d):
    tree = d.short / "tree"
    tree.mkdir(mode=0o700)
    (d.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = directory\n[lookup directory]\nPath = {tree}\n")
    d.mended(d.complains("20-lookup.ini", "Path", tree))
    # to list it is nobody's need
    tree.chmod(0o711)
    assert d.check() == OK


@pytest.fixture
def program(d):
    path = d.short / "lookup"
    path.write_text(f"#!/bin/sh\nid -un >{d.short}/seen/$1\nid -ru >>{d.short}/seen/$1\nexit 1\n")
    path.chmod(0o755)
    (d.short / "seen").mkdir()
    (d.short / "seen").chmod(0o777)
    (d.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = exec ini\n[lookup exec]\nCommand = {path}\n")
    return path


def test_program_that_only_root_can_run(d, program):
    program.chmod(0o700)
    d.mended(d.complains("20-lookup.ini", "Command", program, "games"))


def test_program_that_only_the_keeper_can_run(d, program):
    program.chmod(0o750)
    subprocess.run(["chgrp", "daemon", program], check=True)
    d.complains("20-lookup.ini", "Command", program, "games")


def test_route_runs_no_program_as_root(d, program):
    p = d.gateway.sallyport("route", "alice", "-c", d.gateway.conf)
    assert p.returncode == 0 and b"exit status 1" in p.stdout, p
    assert (d.short / "seen" / "alice").read_text().split() == ["games", "5"]


def test_key_to_be_tried_is_the_operators(d, tmp_path):
    """--key is read by who runs the command."""
    key = tmp_path / "mine.pub"
    key.write_text(d.ring.get("client").public + "\n")
    key.chmod(0o600)
    p = d.gateway.sallyport("route", "alice", "--key", key, "-c", d.gateway.conf)
    assert p.returncode == 0 and b"may log in" in p.stdout, p


def test_configuration_of_root(d, started):
    """check and reload say the same, and it helps."""
    file = d.gateway.conf / "10-alice.ini"
    file.chmod(0o600)
    status, text = d.check()
    assert status == 78 and text == (
        f"{file}: user daemon may not read it; run: chgrp daemon {file} && chmod g+r {file}\n")
    p = d.gateway.sallyport("reload", "-c", d.gateway.conf)
    assert p.returncode == 78 and p.stderr.decode() == text
    d.mended(re.search("; run: (.*)", text)[1])
    assert d.gateway.sallyport("reload", "-c", d.gateway.conf).returncode == 0
    started.answers()


def test_directory_of_the_configuration(d):
    d.gateway.dir.chmod(0o700)
    status, text = d.check()
    assert status == 78 and text == (
        f"{d.gateway.conf}: user daemon may not pass through {d.gateway.dir}; run: chgrp daemon "
        f"{d.gateway.dir} && chmod g+x {d.gateway.dir}, or keep it elsewhere\n")


def test_gateway_section_of_root(d):
    """Nothing is guessed of what can't be read."""
    file = d.gateway.conf / "00-gateway.ini"
    file.chmod(0o600)
    assert d.check() == (
        78, f"{file}: user daemon may not read it; run: chgrp daemon {file} && chmod g+r {file}\n")


def test_root_that_stays_root_sees_all(d):
    """RunAs = root: as before."""
    d.gateway.options.update(RunAs="root", RunNetworkAs=None)
    d.gateway.write_gateway()
    (d.gateway.conf / "alice.pub").chmod(0o600)
    (d.gateway.conf / "10-alice.ini").chmod(0o600)
    os.chown(d.gateway.dir / "keys" / "alice", 0, 0)
    assert d.check() == OK
