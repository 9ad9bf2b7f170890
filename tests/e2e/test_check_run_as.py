"""`check` and `route` as root judge access to files as the users that the gateway will run as."""

import os
import re
import shutil
import subprocess

import pytest

from lab.gateway import SALLYPORT, Gateway
from lab.way import Way

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can change its user")

OK = (0, "")


class RunAsGateway:
    """A gateway that root is about to start: its keeper runs as daemon, all other processes as games."""

    def __init__(self, short, ring, upstream):
        self.short, self.ring, self.upstream = short, ring, upstream
        self.gateway = Gateway(short / "gateway", ring, RunAs="daemon", RunNetworkAs="games")
        self.route()

    def route(self, **words):
        self.gateway.route("alice", self.upstream, [self.ring.get("client")], **words)

    def check(self):
        p = self.gateway.sallyport("check", "-c", self.gateway.conf)
        return p.returncode, p.stderr.decode()

    def complains(self, file, key, path, who="daemon"):
        """check prints one line, at the line of that key; returns the remedy it suggests."""
        status, text = self.check()
        # what concerns one route, or the lookup program's own user, is a note
        if file == "10-alice.ini" or who != "daemon":
            assert status == 0 and text.startswith("note: "), text
            status, text = 78, text.removeprefix("note: ")
        assert status == 78 and len(text.splitlines()) == 1, text
        ini = (self.gateway.conf / file).read_text().splitlines()
        (line,) = [n for n, words in enumerate(ini, 1) if words.startswith(f"{key} =")]
        assert text.startswith(f"{self.gateway.conf / file}:{line}: {key}: {path}: "), text
        assert f"user {who} cannot " in text
        return re.search(r"; run: ([^,\n]*)", text)[1]

    def assert_remedy_works(self, remedy):
        """After the suggested command, check is content."""
        subprocess.run(remedy, shell=True, check=True)
        assert self.check() == OK


@pytest.fixture
def run_as(short, ring, make_sshd):
    short.chmod(0o755)
    dropped = RunAsGateway(short, ring, make_sshd())
    yield dropped
    dropped.gateway.stop()


@pytest.fixture
def started(run_as):
    run_as.gateway.start()
    w = Way("gateway", run_as.short, run_as.ring, run_as.upstream, run_as.gateway)
    yield w
    w.close()


def secret(run_as, name, text):
    """A file in conf.d that only root can read."""
    path = run_as.gateway.conf / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_readable_files_pass(run_as):
    assert run_as.check() == OK
    p = run_as.gateway.sallyport("route", "alice", "-c", run_as.gateway.conf)
    assert p.returncode == 0 and b"cannot" not in p.stdout, p


def test_authorized_keys_readable_by_root_alone(run_as, started):
    """check predicts the outcome of a login, and its remedy works."""
    path = run_as.gateway.conf / "alice.pub"
    path.chmod(0o600)
    remedy = run_as.complains("10-alice.ini", "AuthorizedKeysFile", path)
    p = run_as.gateway.sallyport("route", "alice", "-c", run_as.gateway.conf)
    assert p.returncode == 1 and f"{path} (can't be read!): user daemon cannot read it" in p.stdout.decode()
    assert started.ssh("true").code == 255
    run_as.gateway.log.wait(f"not accepted: {re.escape(str(path))}: Permission denied")
    run_as.assert_remedy_works(remedy)
    started.answers()


def test_closed_directory_above_file(run_as, started):
    closed = run_as.short / "closed"
    (closed / "open").mkdir(parents=True)
    (closed / "open" / "keys").write_text(run_as.ring.get("client").public + "\n")
    run_as.route(AuthorizedKeysFile=closed / "open" / "keys")
    assert run_as.gateway.sallyport("reload", "-c", run_as.gateway.conf).returncode == 0
    closed.chmod(0o700)
    remedy = run_as.complains("10-alice.ini", "AuthorizedKeysFile", closed / "open" / "keys")
    assert f"cannot enter {closed};" in run_as.check()[1]
    assert started.ssh("true").code == 255
    run_as.assert_remedy_works(remedy)
    started.answers()


def test_unreadable_file_owned_by_keeper(run_as):
    """For the owner only the owner's bits count, so a group would be no remedy."""
    path = run_as.gateway.conf / "alice.pub"
    subprocess.run(["chown", "daemon", path], check=True)
    path.chmod(0o044)
    run_as.assert_remedy_works(run_as.complains("10-alice.ini", "AuthorizedKeysFile", path))


def test_groups_of_keeper_count(run_as):
    """The groups of the keeper's user count, those of root do not."""
    path = run_as.gateway.conf / "alice.pub"
    path.chmod(0o640)
    run_as.complains("10-alice.ini", "AuthorizedKeysFile", path)
    subprocess.run(["chgrp", "daemon", path], check=True)
    assert run_as.check() == OK


@pytest.mark.parametrize("key", ["TrustedUserCAKeys", "RevokedKeys", "UserKnownHostsFile"])
def test_other_files_of_route(run_as, key):
    text = {"RevokedKeys": run_as.ring.get("stranger").public, "TrustedUserCAKeys": run_as.ring.get("ca").public,
            "UserKnownHostsFile": run_as.upstream.known_hosts()}[key]
    path = secret(run_as, "closed", text + "\n")
    run_as.route(**{key: path})
    run_as.assert_remedy_works(run_as.complains("10-alice.ini", key, path))


def test_certificate(run_as, ca, tmp_path):
    public = tmp_path / "alice.pub"
    public.write_text(run_as.gateway.keys["alice"] + "\n")
    subprocess.run(["ssh-keygen", "-q", "-s", ca.key.path, "-I", "x", "-n", "x", public], check=True)
    path = secret(run_as, "closed", (tmp_path / "alice-cert.pub").read_text())
    run_as.route(CertificateFile=path)
    text = run_as.gateway.notes()
    assert f"CertificateFile: {path}: " in text and len(text.splitlines()) == 1, text
    path.chmod(0o644)
    assert run_as.check() == OK


def test_known_hosts_in_closed_directory(run_as):
    """With accept-new a missing file is no error, but one that cannot be seen is."""
    closed = run_as.short / "closed"
    closed.mkdir(mode=0o700)
    run_as.route(UserKnownHostsFile=closed / "known", StrictHostKeyChecking="accept-new")
    run_as.complains("10-alice.ini", "UserKnownHostsFile", closed / "known")


@pytest.mark.parametrize("there", [True, False])
def test_accept_new_that_cannot_write(run_as, started, there):
    """The first login is refused, since its key cannot be saved."""
    path = run_as.gateway.conf / "learnt"
    if there:
        path.write_text("")
    run_as.route(UserKnownHostsFile=path, StrictHostKeyChecking="accept-new")
    run_as.gateway.stop()
    run_as.gateway.start()
    text = run_as.gateway.notes()
    assert re.search(
        rf"10-alice\.ini:\d+: UserKnownHostsFile: {path}: accept-new writes new host keys to it, and user "
        rf"daemon cannot {'write to' if there else 'create'} it; run: ", text), text
    p = run_as.gateway.sallyport("route", "alice", "-c", run_as.gateway.conf)
    assert p.returncode == 1 and b"accept-new writes new host keys to it" in p.stdout
    assert started.ssh("true").code == 255
    run_as.gateway.log.wait(f"cannot add the host key of 127.0.0.1: {path}: Permission denied")
    assert path.exists() == there
    run_as.assert_remedy_works(re.search("; run: (.*)", text)[1])
    started.answers()
    assert path.read_text() != ""


def test_accept_new_with_known_upstream(run_as):
    """All upstreams are known already: a note only, since logins work."""
    run_as.route(StrictHostKeyChecking="accept-new")
    status, text = run_as.check()
    assert status == 0 and re.fullmatch(r"note: \S+: UserKnownHostsFile: .*cannot write to it; run: .*\n", text), text
    assert run_as.gateway.sallyport("route", "alice", "-c", run_as.gateway.conf).returncode == 0


def test_stored_key_readable_by_root_alone(run_as):
    path = run_as.gateway.dir / "keys" / "alice"
    os.chown(path, 0, 0)
    text = run_as.gateway.notes()
    assert re.fullmatch(
        rf"\S+10-alice\.ini:\d+: Key: {path}: cannot be read by user 1; run: chown 1 {path}\n", text), text
    p = run_as.gateway.sallyport("route", "alice", "-c", run_as.gateway.conf)
    assert p.returncode == 1 and b"cannot be read by user 1" in p.stdout


@pytest.mark.parametrize("file,key,name", [
    ("00-gateway.ini", "HostKey", "host_ed25519"), ("10-alice.ini", "Key", "alice"),
])
def test_unreadable_stored_key_owned_by_keeper(run_as, file, key, name):
    path = run_as.gateway.dir / "keys" / name
    path.chmod(0)
    status, text = run_as.check()
    assert status == (0 if key == "Key" else 78) and re.fullmatch(
        rf"(?:note: )?\S+{file}:\d+: {key}: {path}: its owner, user 1, cannot read it; run: chmod 600 {path}\n", text), text
    run_as.assert_remedy_works(re.search("; run: (.*)", text)[1])


@pytest.mark.parametrize("what", ["", ".store", ".unlock"])
def test_key_store_readable_by_root_alone(run_as, what):
    """Reported once, in the words `serve` uses."""
    path = run_as.gateway.dir / "keys" / what
    os.chown(path, 0, 0)
    status, text = run_as.check()
    assert status == 78 and len(text.splitlines()) == 1 and f": {str(path).rstrip('/')}: " in text, text
    assert "; run: chown " in text
    p = run_as.gateway.sallyport("serve", "-c", run_as.gateway.conf)
    assert p.returncode == 78 and text in p.stderr.decode()


def test_banner_readable_by_root_alone(run_as):
    path = secret(run_as, "banner", "hello\n")
    run_as.gateway.options["Banner"] = path
    run_as.gateway.write_gateway()
    run_as.assert_remedy_works(run_as.complains("00-gateway.ini", "Banner", path))


def test_directory_backend(run_as):
    tree = run_as.short / "tree"
    tree.mkdir(mode=0o700)
    (run_as.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = directory\n[lookup directory]\nPath = {tree}\n")
    run_as.assert_remedy_works(run_as.complains("20-lookup.ini", "Path", tree))
    # nobody needs to list this directory
    tree.chmod(0o711)
    assert run_as.check() == OK


@pytest.fixture
def program(run_as):
    path = run_as.short / "lookup"
    path.write_text(f"#!/bin/sh\nid -un >{run_as.short}/seen/$1\nid -ru >>{run_as.short}/seen/$1\nexit 1\n")
    path.chmod(0o755)
    (run_as.short / "seen").mkdir()
    (run_as.short / "seen").chmod(0o777)
    (run_as.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = exec ini\n[lookup exec]\nCommand = {path}\n")
    return path


def test_lookup_program_executable_by_root_alone(run_as, program):
    program.chmod(0o700)
    run_as.assert_remedy_works(run_as.complains("20-lookup.ini", "Command", program, "games"))


def test_lookup_program_executable_by_keeper_alone(run_as, program):
    program.chmod(0o750)
    subprocess.run(["chgrp", "daemon", program], check=True)
    run_as.complains("20-lookup.ini", "Command", program, "games")


@pytest.mark.parametrize("owner", ["root", "daemon"])
def test_program_of_a_factor_that_its_user_cannot_execute(run_as, program, owner):
    """It runs as the network processes do, whoever the keeper is."""
    (run_as.gateway.conf / "20-lookup.ini").unlink()
    run_as.route(Factor=f"exec:{program}", AuthenticationMethods="publickey,keyboard-interactive:factor")
    assert run_as.check() == OK
    program.chmod(0o744)
    shutil.chown(program, owner)
    status, text = run_as.check()
    assert status == 0 and re.search(rf"10-alice.ini:\d+: Factor: {program}: user games cannot", text), text


def test_route_does_not_run_lookup_program_as_root(run_as, program):
    p = run_as.gateway.sallyport("route", "alice", "-c", run_as.gateway.conf)
    assert p.returncode == 0 and b"exit status 1" in p.stdout, p
    assert (run_as.short / "seen" / "alice").read_text().split() == ["games", "5"]


def test_key_option_is_read_as_caller(run_as, tmp_path):
    """--key is read with the rights of the user who runs the command."""
    key = tmp_path / "mine.pub"
    key.write_text(run_as.ring.get("client").public + "\n")
    key.chmod(0o600)
    p = run_as.gateway.sallyport("route", "alice", "--key", key, "-c", run_as.gateway.conf)
    assert p.returncode == 0 and b"may log in" in p.stdout, p


def test_configuration_readable_by_root_alone(run_as, started):
    """check and reload report the same, and the remedy works."""
    file = run_as.gateway.conf / "10-alice.ini"
    file.chmod(0o600)
    status, text = run_as.check()
    assert status == 78 and text == (
        f"{file}: user daemon cannot read it; run: chgrp daemon {file} && chmod g+r {file}\n")
    p = run_as.gateway.sallyport("reload", "-c", run_as.gateway.conf)
    assert p.returncode == 78 and p.stderr.decode() == text
    run_as.assert_remedy_works(re.search("; run: (.*)", text)[1])
    assert run_as.gateway.sallyport("reload", "-c", run_as.gateway.conf).returncode == 0
    started.answers()


def test_closed_configuration_directory(run_as):
    run_as.gateway.dir.chmod(0o700)
    status, text = run_as.check()
    assert status == 78 and text == (
        f"{run_as.gateway.conf}: user daemon cannot enter {run_as.gateway.dir}; run: chgrp daemon "
        f"{run_as.gateway.dir} && chmod g+x {run_as.gateway.dir}, or keep it elsewhere\n")


def test_relative_path_below_a_closed_directory(run_as):
    """As with -c gateway in /root: the directory above is named, and no file of conf.d."""
    below = run_as.gateway.dir.parent / "below"
    below.mkdir()
    below.chmod(0o755)
    name = os.path.relpath(run_as.gateway.conf, below)
    run_as.short.chmod(0o700)
    p = subprocess.run([SALLYPORT, "check", "-c", name], cwd=below, capture_output=True, text=True, timeout=60,
                       check=False)
    assert p.returncode == 78 and p.stderr == (
        f"{name}: user daemon cannot enter {run_as.short}; run: chgrp daemon {run_as.short} && "
        f"chmod g+x {run_as.short}, or keep it elsewhere\n")
    run_as.assert_remedy_works(re.search("; run: ([^,\n]*)", p.stderr)[1])


def test_directories_of_logins_of_another_user(run_as):
    """sshpiper's working directories belong to root, and nobody else may read them."""
    login = run_as.short / "tree" / "bob"
    login.mkdir(parents=True, mode=0o700)
    (login / "sshpiper_upstream").write_text("vm7.example")
    (run_as.gateway.conf / "20-tree.ini").write_text(
        f"[lookup]\nOrder = ini directory\n[lookup directory]\nPath = {login.parent}\n")
    status, text = run_as.check()
    note = f"note: {login}: user daemon cannot read all of it; run: chown -R daemon {login}\n"
    assert status == 0 and note in text, text
    subprocess.run(["chown", "-R", "daemon", login], check=True)
    assert "cannot read" not in run_as.check()[1]


def test_unreadable_gateway_section(run_as):
    """check does not guess what an unreadable section says."""
    file = run_as.gateway.conf / "00-gateway.ini"
    file.chmod(0o600)
    assert run_as.check() == (
        78, f"{file}: user daemon cannot read it; run: chgrp daemon {file} && chmod g+r {file}\n")


def test_run_as_root_reads_all_files(run_as):
    run_as.gateway.options.update(RunAs="root", RunNetworkAs=None)
    run_as.gateway.write_gateway()
    (run_as.gateway.conf / "alice.pub").chmod(0o600)
    (run_as.gateway.conf / "10-alice.ini").chmod(0o600)
    os.chown(run_as.gateway.dir / "keys" / "alice", 0, 0)
    assert run_as.check() == OK


def test_another_user_is_told_to_become_the_gateways(run_as):
    """Never to take a file from the gateway that runs."""
    g = run_as.gateway
    keys = g.dir / "keys"
    secret(run_as, "private.ini", "").chmod(0o640)

    def said(*words):
        p = subprocess.run([SALLYPORT, *words, "-c", g.conf], capture_output=True, text=True, timeout=120, check=False,
                           user=65534, group=65534, extra_groups=[])
        assert p.returncode != 0, p
        return p.stderr

    for words in (["check"], ["key", "list"], ["key", "generate", "x"], ["key", "remove", "alice"], ["serve"],
                  ["route", "alice"], ["key", "public", "alice"]):
        lines = said(*words).splitlines()
        assert lines and all(line.endswith(": run this as root (sudo) or as user daemon") for line in lines), lines
        assert not any(word in line for line in lines for word in ("chown", "chgrp", "chmod"))
    (g.conf / "private.ini").unlink()
    assert f"{keys}: is not this user's: run this as root (sudo) or as user daemon" in said("serve")
    assert re.search(rf"{keys}: .*run this as root \(sudo\) or as user daemon", said("key", "generate", "x"))
    g.start()
    assert said("reload").endswith("run/control: Permission denied: run this as root (sudo) or as user daemon\n")
    g.dir.chmod(0o700)
    assert "run this as root (sudo)" in said("check")
