"""StrictModes: files that decide about logins, and that other users could have changed (SECURITY.md, finding
14).
"""

import os
import re
import shutil
import subprocess

import pytest

from lab.gateway import Gateway
from lab.sshd import ME
from lab.way import Way

NOBODY = 65534
needs_access_to = pytest.mark.skipif(os.getuid() != 0, reason="gives files away")


@pytest.fixture
def world_writable_dir(tmp_path):
    """A directory that everybody may write to."""
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture
def w(gated):
    return gated()


def route(w, **words):
    w.gateway.route("alice", w.sshd, [w.ring.get("client")], **words)


def set_strict_modes(w, value):
    w.gateway.options["StrictModes"] = value
    w.gateway.write_gateway()


def reload(w):
    p = w.gateway.reload()
    return p.returncode, (p.stdout + p.stderr).decode()


def assert_refused(w, reason, login="alice"):
    """The login fails, and the log says why."""
    mark = w.gateway.log.mark()
    assert not w.lets_in(login)
    w.gateway.log.wait(reason, mark)


def error_below(path, directory=None):
    directory = directory or path.parent
    return (f"{path}: is below the directory {directory}, to which others may write (mode 0777); run: chmod go-w "
            f"{directory}, or set StrictModes = no in [gateway]")


def assert_one_note(w, text):
    """check prints this note and nothing else."""
    said = w.gateway.notes()
    assert text in said and len(said.splitlines()) == 1, said


def assert_one_error(w, text):
    """check prints this error and no other."""
    status, said = w.gateway.check()
    assert status == 78 and text in said and len(said.splitlines()) == 1, said


@needs_access_to
def test_authorized_keys_in_world_writable_directory(w, world_writable_dir):
    """The attack of finding 14, and each remedy that the message suggests."""
    path = world_writable_dir / "list"
    path.write_text(w.ring.get("client").public + "\n")
    os.chown(path, NOBODY, NOBODY)
    route(w, AuthorizedKeysFile=path)
    assert reload(w)[0] == 0  # the files of a route are read at each login
    assert_one_note(w, f": AuthorizedKeysFile: {error_below(path)}\n")
    assert_refused(w, "not accepted: " + re.escape(error_below(path)))
    p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf)
    assert p.returncode == 1 and f"{path} (refused!): {error_below(path)}" in p.stdout.decode()

    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()
    w.gateway.command("route", "alice")
    set_strict_modes(w, "yes")
    assert reload(w)[0] == 0

    subprocess.run(re.search(r"run: ([^,]*)", w.gateway.check()[1])[1], shell=True, check=True)
    assert_one_note(w, f"{path}: belongs to user 65534, not to root; run: chown root {path}, or set StrictModes = no")
    assert_refused(w, "list: belongs to user 65534, not to root")
    subprocess.run(re.search(r"run: ([^,]*)", w.gateway.check()[1])[1], shell=True, check=True)
    assert w.gateway.check() == (0, "") and w.lets_in()


@pytest.mark.parametrize("key", ["AuthorizedKeysFile", "TrustedUserCAKeys", "RevokedKeys", "UserKnownHostsFile"])
def test_world_writable_directory_above_file(w, world_writable_dir, key):
    """Whoever may write to that directory can replace the file, whatever its own mode and owner."""
    public = {"RevokedKeys": "stranger", "TrustedUserCAKeys": "ca"}.get(key, "client")
    text = w.sshd.known_hosts() if key == "UserKnownHostsFile" else w.ring.get(public).public + "\n"
    path = world_writable_dir / "below" / "file"
    path.parent.mkdir()
    path.write_text(text)
    route(w, **{key: path})
    assert reload(w)[0] == 0
    assert_one_note(w, f": {key}: {error_below(path, world_writable_dir)}\n")
    if key != "TrustedUserCAKeys":  # the key permits no login then, and alice has another list besides
        reason = "cannot be read" if key == "UserKnownHostsFile" else re.escape(error_below(path, world_writable_dir))
        assert_refused(w, reason)
    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()
    set_strict_modes(w, "yes")
    world_writable_dir.chmod(0o1777)  # a sticky directory such as /tmp: nobody can replace files of others
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()


def test_trusted_ca_in_world_writable_directory(w, ca, world_writable_dir):
    user_key = w.ring.get("person")
    path = world_writable_dir / "cas"
    shutil.copy(ca.file, path)
    route(w, TrustedUserCAKeys=path)
    assert reload(w)[0] == 0
    c = w.new_client(user_key, CertificateFile=ca.sign(user_key, "alice"))
    mark = w.gateway.log.mark()
    assert c.ssh("true").code == 255
    w.gateway.log.wait(re.escape(error_below(path)), mark)
    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and c.ssh("echo in").text == "in\n"


def test_certificate_of_mapped_key_in_world_writable_directory(w, ca, world_writable_dir, tmp_path):
    public = tmp_path / "alice.pub"
    public.write_text(w.gateway.keys["alice"] + "\n")
    subprocess.run(["ssh-keygen", "-q", "-s", ca.key.path, "-I", "x", "-n", "x", public], check=True)
    path = shutil.move(tmp_path / "alice-cert.pub", world_writable_dir / "cert")
    route(w, CertificateFile=path)
    assert_one_note(w, f": CertificateFile: {error_below(path)}\n")
    set_strict_modes(w, "no")
    assert w.gateway.check() == (0, "")


@pytest.mark.parametrize("mode", [0o664, 0o602])
def test_writable_file_is_refused_without_strict_modes(w, mode):
    path = w.gateway.conf / "alice.pub"
    for value in "yes", "no":
        set_strict_modes(w, value)
        assert reload(w)[0] == 0
        path.chmod(0o644)
        assert w.lets_in()
        path.chmod(mode)
        said = f"{path}: others may write to it (mode {mode:04o}); run: chmod go-w {path}"
        assert_one_note(w, said + "\n")
        assert_refused(w, re.escape(said))


def test_symlink_into_world_writable_directory(w, world_writable_dir):
    """The directory of the target counts."""
    path = world_writable_dir / "list"
    path.write_text(w.ring.get("client").public + "\n")
    link = w.gateway.conf / "link"
    link.symlink_to(path)
    route(w, AuthorizedKeysFile=link)
    assert reload(w)[0] == 0
    said = f"{link}: is below the directory {world_writable_dir}, to which others may write (mode 0777)"
    assert_one_note(w, said)
    assert_refused(w, re.escape(said))
    world_writable_dir.chmod(0o755)
    assert w.gateway.check() == (0, "") and w.lets_in()


@needs_access_to
def test_symlink_of_another_user(w, tmp_path):
    """In a sticky directory where the named file is missing, anybody can create a link by its name."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    link = shared / "list"
    link.symlink_to(w.gateway.conf / "alice.pub")
    os.lchown(link, NOBODY, NOBODY)
    route(w, AuthorizedKeysFile=link)
    assert reload(w)[0] == 0
    said = f"{link}: leads through the link {link}, which belongs to user 65534, not to root"
    assert_one_note(w, said)
    assert_refused(w, re.escape(said))
    os.lchown(link, 0, 0)
    assert w.gateway.check() == (0, "") and w.lets_in()


def add_lookup_program(w, path):
    """Add a lookup program that knows bob."""
    shutil.copy(w.gateway.conf / "alice.pub", w.gateway.conf / "bob.pub")
    path.write_text(
        f"#!/bin/sh\n[ $1 = bob ] || exit 1\ncat <<E\nHostName = {w.sshd.host}\nPort = {w.sshd.port}\nUser = {ME}\n"
        "Key = alice\nAuthorizedKeysFile = conf.d/bob.pub\nUserKnownHostsFile = conf.d/alice.known_hosts\nE\n")
    path.chmod(0o755)
    (w.gateway.conf / "20-lookup.ini").write_text(f"[lookup]\nOrder = ini exec\n[lookup exec]\nCommand = {path}\n")


def test_lookup_program_in_world_writable_directory(w, world_writable_dir):
    """check and reload refuse it; one whose directory is opened later is not run; other logins work."""
    path = world_writable_dir / "lookup"
    add_lookup_program(w, path)
    status, said = reload(w)
    assert status == 78 and re.search(rf"20-lookup\.ini:4: Command: {re.escape(error_below(path))}", said), said
    assert_one_error(w, f": Command: {error_below(path)}\n")
    world_writable_dir.chmod(0o755)
    assert reload(w)[0] == 0 and w.lets_in("bob")
    world_writable_dir.chmod(0o777)
    assert_refused(w, "lookup exec: bob: " + re.escape(error_below(path)), "bob")
    assert w.lets_in()
    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in("bob")


def test_refused_lookup_program_does_not_affect_other_backends(w, world_writable_dir):
    w.gateway.stop()
    add_lookup_program(w, world_writable_dir / "lookup")
    mark = w.gateway.log.mark()
    w.gateway.start()
    w.gateway.log.wait(r"20-lookup\.ini:4: Command: " + re.escape(error_below(world_writable_dir / "lookup")), mark)
    assert w.lets_in() and not w.lets_in("bob")


@needs_access_to
def test_lookup_program_of_another_user(w, tmp_path):
    path = tmp_path / "lookup"
    add_lookup_program(w, path)
    os.chown(path, NOBODY, NOBODY)
    assert_one_error(w, f"Command: {path}: belongs to user 65534, not to root; run: chown root {path}, "
                        "or set StrictModes = no")
    assert reload(w)[0] == 78
    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and w.lets_in("bob")


def add_tree(w, path):
    """Add a tree that has bob."""
    bob = path / "bob"
    bob.mkdir(parents=True)
    (bob / "route.ini").write_text(
        f"HostName = {w.sshd.host}\nPort = {w.sshd.port}\nUser = {ME}\nKey = alice\n")
    shutil.copy(w.gateway.conf / "alice.pub", bob / "authorized_keys")
    shutil.copy(w.gateway.conf / "alice.known_hosts", bob / "known_hosts")
    (w.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = ini directory\n[lookup directory]\nPath = {path}\n")


def test_tree_in_world_writable_directory(w, world_writable_dir):
    path = world_writable_dir / "users"
    add_tree(w, path)
    assert_one_error(w, f": Path: {error_below(path)}\n")
    assert error_below(path) in reload(w)[1]
    world_writable_dir.chmod(0o755)
    assert reload(w)[0] == 0 and w.lets_in("bob")
    world_writable_dir.chmod(0o777)
    assert_refused(w, "lookup directory: bob: " + re.escape(error_below(path)), "bob")
    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in("bob")


def test_world_writable_directory_within_tree(w, tmp_path):
    path = tmp_path / "users"
    add_tree(w, path)
    within = path / "bob" / "lists"
    within.mkdir()
    shutil.move(path / "bob" / "authorized_keys", within)
    with open(path / "bob" / "route.ini", "a", encoding="ascii") as f:
        f.write("AuthorizedKeysFile = lists/authorized_keys\n")
    assert reload(w)[0] == 0 and w.lets_in("bob")
    within.chmod(0o777)
    assert_refused(w, f"lists/authorized_keys: is below the directory {within}, to which others may write", "bob")


@needs_access_to
def test_tree_of_another_user(w, tmp_path):
    """Its owner has no more rights than anybody else."""
    path = tmp_path / "users"
    add_tree(w, path)
    for each in (path, path / "bob", *(path / "bob").iterdir()):
        os.chown(each, NOBODY, NOBODY)
    assert_one_error(w, f"Path: {path}: belongs to user 65534, not to root; run: chown root {path}, "
                        "or set StrictModes = no")
    assert reload(w)[0] == 78
    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in("bob")


def test_banner_in_world_writable_directory(w, world_writable_dir):
    path = world_writable_dir / "banner"
    path.write_text("Mind the gap.\n")
    w.gateway.options["Banner"] = path
    w.gateway.write_gateway()
    assert_one_error(w, f": Banner: {error_below(path)}\n")
    assert error_below(path) in reload(w)[1] and w.lets_in()
    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "")


def test_key_store_in_world_writable_directory(w, world_writable_dir):
    """The key store has its own, stricter rule, which does not cover the directories above."""
    path = world_writable_dir / "keys"
    shutil.copytree(w.gateway.dir / "keys", path)
    with open(w.gateway.conf / "00-gateway.ini", encoding="ascii") as f:
        text = f.read()
    moved = text.replace("Path = keys", f"Path = {path}")
    (w.gateway.conf / "00-gateway.ini").write_text(moved)
    assert_one_error(w, f"00-gateway.ini:{moved[:moved.index('Path')].count(chr(10)) + 1}: {error_below(path)}\n")
    assert error_below(path) in reload(w)[1]
    (w.gateway.conf / "00-gateway.ini").write_text(moved.replace("[gateway]\n", "[gateway]\nStrictModes = no\n"))
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()




def test_conf_d_below_world_writable_directory(make_gateway, world_writable_dir, ring, make_sshd):
    """Reported once, and not for each file of conf.d."""
    g = Gateway(world_writable_dir / "gateway", ring, StrictModes="no")
    g.route("alice", make_sshd(), [ring.get("client")])
    g.options["StrictModes"] = "yes"
    g.write_gateway()
    p = g.sallyport("serve", "-c", g.conf)
    assert p.returncode == 78 and p.stderr.decode() == error_below(g.conf, world_writable_dir) + "\n", p
    p = g.sallyport("check", "-c", g.conf)
    assert p.returncode == 78 and error_below(g.conf, world_writable_dir) + "\n" in p.stderr.decode(), p
    g.options["StrictModes"] = "no"
    g.write_gateway()
    try:
        g.start()
        g.command("check")
    finally:
        g.stop()


def test_world_writable_conf_d(w):
    w.gateway.conf.chmod(0o775)
    said = f"{w.gateway.conf}: others may write to it (mode 0775); run: chmod go-w {w.gateway.conf}\n"
    status, text = w.gateway.check()
    assert status == 78 and text.startswith(said), text
    assert reload(w) == (78, said)
    assert_refused(w, f"alice.pub: is below the directory {w.gateway.conf}, to which others may write")
    set_strict_modes(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()
    w.gateway.conf.chmod(0o777)
    said = said.replace("0775", "0777")
    assert w.gateway.check() == (78, said) and reload(w) == (78, said) and w.lets_in()


@needs_access_to
def test_conf_d_file_of_another_user(w):
    """The file is not read, so it cannot switch the rule off."""
    path = w.gateway.conf / "10-alice.ini"
    os.chown(path, NOBODY, NOBODY)
    said = f"{path}: belongs to user 65534, not to root; run: chown root {path}, or set StrictModes = no in [gateway]\n"
    assert w.gateway.check() == (78, said)
    assert reload(w) == (78, said) and w.lets_in()
    set_strict_modes(w, "no")
    assert w.gateway.check() == (0, "") and reload(w)[0] == 0 and w.lets_in()
    set_strict_modes(w, "yes")
    gateway = w.gateway.conf / "00-gateway.ini"
    os.chown(path, 0, 0)
    assert reload(w)[0] == 0
    set_strict_modes(w, "no")
    os.chown(gateway, NOBODY, NOBODY)
    for status, text in w.gateway.check(), reload(w):
        assert status == 78 and f"{gateway}: belongs to user 65534, not to root" in text, text
        assert "StrictModes: no is honoured only in a file that belongs to root or user 0" in text
    w.gateway.stop()
    p = w.gateway.sallyport("serve", "-c", w.gateway.conf)
    assert p.returncode == 78 and b"StrictModes: no is honoured only" in p.stderr


@pytest.fixture
def run_as_two_users(short, ring, make_sshd):
    """A gateway that root starts and whose keeper runs as daemon."""
    short.chmod(0o755)
    g = Gateway(short / "gateway", ring, RunAs="daemon", RunNetworkAs="games")
    upstream = make_sshd()
    g.route("alice", upstream, [ring.get("client")])
    w = Way("gateway", short, ring, upstream, g)
    yield w
    w.close()
    g.stop()


@needs_access_to
def test_owners_that_are_trusted(run_as_two_users):
    """Root that starts it, root that checks it and the keeper come to the same verdict."""
    w = run_as_two_users
    conf = w.gateway.conf
    os.chown(conf / "10-alice.ini", 1, 1)  # daemon
    os.chown(conf / "alice.pub", 1, 1)
    assert w.gateway.check() == (0, "")
    w.gateway.start()
    assert w.lets_in()
    os.chown(conf, 5, 5)  # games is nothing but the owner of conf.d
    os.chown(conf / "alice.known_hosts", 5, 5)
    os.chown(conf / "00-gateway.ini", 5, 5)
    assert w.gateway.check() == (0, "") and reload(w)[0] == 0 and w.lets_in()
    w.gateway.stop()
    w.gateway.start()
    assert w.lets_in()

    for name in "10-alice.ini", "alice.pub":
        os.chown(conf / name, NOBODY, NOBODY)
    said = f"10-alice.ini: belongs to user 65534, not to root, user 1 or user 5, the owner of conf.d; run: chown 5 {conf}/"
    for status, text in w.gateway.check(), reload(w):
        assert status == 78 and said in text, text
    w.gateway.stop()
    p = w.gateway.sallyport("serve", "-c", conf)
    assert p.returncode == 78 and b"10-alice.ini: belongs to user 65534, not to root" in p.stderr


@needs_access_to
def test_owners_that_are_trusted_without_root(w, short, ring, make_sshd):
    """A gateway that a user has started trusts files of root and of that user."""
    short.chmod(0o755)
    g = Gateway(short / "gateway", ring, RunAs=None)
    g.route("alice", w.sshd, [ring.get("client")])
    subprocess.run(["chown", "-R", "1:1", g.dir], check=True)
    os.chown(g.conf / "alice.pub", 0, 0)

    def checked():
        p = subprocess.run(["setpriv", "--reuid=1", "--regid=1", "--clear-groups",
                            shutil.copy(os.environ.get("SALLYPORT") or "build/sallyport", short / "sallyport"),
                            "check", "-c", g.conf], capture_output=True, timeout=60, check=False)
        return p.returncode, p.stderr.decode()

    assert checked() == (0, "")
    os.chown(g.conf / "alice.pub", 2, 2)
    status, text = checked()
    assert status == 0 and "alice.pub: belongs to user 2, not to root or user 1; run: chown 1 " in text, text


def test_missing_authorized_keys_blocks_its_route_but_no_reload(w):
    """check reports it; reload does not read what is read at each login."""
    path = w.gateway.conf / "later"
    route(w, AuthorizedKeysFile=path)
    assert_one_note(w, f"AuthorizedKeysFile: {path}: No such file or directory")
    assert reload(w)[0] == 0
    assert_refused(w, re.escape(f"{path}: No such file or directory"))
    shutil.copy(w.gateway.conf / "alice.pub", path)
    assert w.lets_in() and w.gateway.check() == (0, "")
