"""StrictModes: files that decide who gets in, which others may have had a hand in (security.md, finding 14)."""

import os
import re
import shutil
import subprocess

import pytest

from lab.gateway import Gateway
from lab.sshd import ME
from lab.way import Way

NOBODY = 65534
only_root = pytest.mark.skipif(os.getuid() != 0, reason="gives files away")


@pytest.fixture
def open_dir(tmp_path):
    """A directory that anybody may write to."""
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture
def w(gated):
    return gated()


def route(w, **words):
    w.gateway.route("alice", w.sshd, [w.ring.get("client")], **words)


def strict(w, value):
    w.gateway.options["StrictModes"] = value
    w.gateway.write_gateway()


def reload(w):
    p = w.gateway.reload()
    return p.returncode, (p.stdout + p.stderr).decode()


def refuses(w, reason, login="alice"):
    """Not let in, and the log says why."""
    mark = w.gateway.log.mark()
    assert not w.lets_in(login)
    w.gateway.log.wait(reason, mark)


def below(path, directory=None):
    directory = directory or path.parent
    return (f"{path}: is below the directory {directory}, to which others may write (mode 0777); run: chmod go-w "
            f"{directory}, or set StrictModes = no in [gateway]")


def one_error(w, text):
    """check says this, and nothing else."""
    status, said = w.gateway.check()
    assert status == 78 and text in said and len(said.splitlines()) == 1, said


@only_root
def test_list_of_nobody_in_a_directory_of_all_lets_nobody_in(w, open_dir):
    """The attack of the review, and each remedy that is named."""
    path = open_dir / "list"
    path.write_text(w.ring.get("client").public + "\n")
    os.chown(path, NOBODY, NOBODY)
    route(w, AuthorizedKeysFile=path)
    assert reload(w)[0] == 0  # the files of a route are read at each login
    one_error(w, f": AuthorizedKeysFile: {below(path)}\n")
    refuses(w, "not accepted: " + re.escape(below(path)))
    p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf)
    assert p.returncode == 1 and f"{path} (refused!): {below(path)}" in p.stdout.decode()

    strict(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()
    w.gateway.command("route", "alice")
    strict(w, "yes")
    assert reload(w)[0] == 0

    subprocess.run(re.search(r"run: ([^,]*)", w.gateway.check()[1])[1], shell=True, check=True)
    one_error(w, f"{path}: belongs to user 65534, not to root; run: chown root {path}, or set StrictModes = no")
    refuses(w, "list: belongs to user 65534, not to root")
    subprocess.run(re.search(r"run: ([^,]*)", w.gateway.check()[1])[1], shell=True, check=True)
    assert w.gateway.check() == (0, "") and w.lets_in()


@pytest.mark.parametrize("key", ["AuthorizedKeysFile", "TrustedUserCAKeys", "RevokedKeys", "UserKnownHostsFile"])
def test_directory_of_all_on_the_way(w, open_dir, key):
    """Whoever may write there can put another file in its place; its own mode and owner say nothing."""
    public = {"RevokedKeys": "stranger", "TrustedUserCAKeys": "ca"}.get(key, "client")
    text = w.sshd.known_hosts() if key == "UserKnownHostsFile" else w.ring.get(public).public + "\n"
    path = open_dir / "below" / "file"
    path.parent.mkdir()
    path.write_text(text)
    route(w, **{key: path})
    assert reload(w)[0] == 0
    one_error(w, f": {key}: {below(path, open_dir)}\n")
    if key != "TrustedUserCAKeys":  # that one lets nobody in, and alice has a list besides
        refuses(w, re.escape(below(path, open_dir))) if key != "UserKnownHostsFile" else refuses(w, "cannot be read")
    strict(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()
    strict(w, "yes")
    open_dir.chmod(0o1777)  # a sticky one, as /tmp: nobody replaces what is another's
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()


def test_authority_in_a_directory_of_all(w, ca, open_dir):
    person = w.ring.get("person")
    path = open_dir / "cas"
    shutil.copy(ca.file, path)
    route(w, TrustedUserCAKeys=path)
    assert reload(w)[0] == 0
    c = w.new_client(person, CertificateFile=ca.sign(person, "alice"))
    mark = w.gateway.log.mark()
    assert c.ssh("true").code == 255
    w.gateway.log.wait(re.escape(below(path)), mark)
    strict(w, "no")
    assert reload(w)[0] == 0 and c.ssh("echo in").text == "in\n"


def test_certificate_of_a_mapped_key_in_a_directory_of_all(w, ca, open_dir, tmp_path):
    public = tmp_path / "alice.pub"
    public.write_text(w.gateway.keys["alice"] + "\n")
    subprocess.run(["ssh-keygen", "-q", "-s", ca.key.path, "-I", "x", "-n", "x", public], check=True)
    path = shutil.move(tmp_path / "alice-cert.pub", open_dir / "cert")
    route(w, CertificateFile=path)
    one_error(w, f": CertificateFile: {below(path)}\n")
    strict(w, "no")
    assert w.gateway.check() == (0, "")


@pytest.mark.parametrize("mode", [0o664, 0o602])
def test_mode_of_the_file_itself_counts_without_strict_modes(w, mode):
    path = w.gateway.conf / "alice.pub"
    for value in "yes", "no":
        strict(w, value)
        assert reload(w)[0] == 0
        path.chmod(0o644)
        assert w.lets_in()
        path.chmod(mode)
        said = f"{path}: others may write to it (mode {mode:04o}); run: chmod go-w {path}"
        one_error(w, said + "\n")
        refuses(w, re.escape(said))


def test_link_into_a_directory_of_all(w, open_dir):
    """A link is as good as the place where it leads."""
    path = open_dir / "list"
    path.write_text(w.ring.get("client").public + "\n")
    link = w.gateway.conf / "link"
    link.symlink_to(path)
    route(w, AuthorizedKeysFile=link)
    assert reload(w)[0] == 0
    said = f"{link}: is below the directory {open_dir}, to which others may write (mode 0777)"
    one_error(w, said)
    refuses(w, re.escape(said))
    open_dir.chmod(0o755)
    assert w.gateway.check() == (0, "") and w.lets_in()


@only_root
def test_link_of_another(w, tmp_path):
    """Where a sticky directory lacks the list that is named, anybody can say which list it is."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    link = shared / "list"
    link.symlink_to(w.gateway.conf / "alice.pub")
    os.lchown(link, NOBODY, NOBODY)
    route(w, AuthorizedKeysFile=link)
    assert reload(w)[0] == 0
    said = f"{link}: leads through the link {link}, which belongs to user 65534, not to root"
    one_error(w, said)
    refuses(w, re.escape(said))
    os.lchown(link, 0, 0)
    assert w.gateway.check() == (0, "") and w.lets_in()


def program(w, path):
    """A lookup program that knows bob."""
    shutil.copy(w.gateway.conf / "alice.pub", w.gateway.conf / "bob.pub")
    path.write_text(
        f"#!/bin/sh\n[ $1 = bob ] || exit 1\ncat <<E\nHostName = {w.sshd.host}\nPort = {w.sshd.port}\nUser = {ME}\n"
        "Key = alice\nAuthorizedKeysFile = conf.d/bob.pub\nUserKnownHostsFile = conf.d/alice.known_hosts\nE\n")
    path.chmod(0o755)
    (w.gateway.conf / "20-lookup.ini").write_text(f"[lookup]\nOrder = ini exec\n[lookup exec]\nCommand = {path}\n")


def test_lookup_program_in_a_directory_of_all(w, open_dir):
    """check and reload refuse it; one that became so later is not run; the others log in."""
    path = open_dir / "lookup"
    program(w, path)
    status, said = reload(w)
    assert status == 78 and re.search(rf"20-lookup\.ini:4: Command: {re.escape(below(path))}", said), said
    one_error(w, f": Command: {below(path)}\n")
    open_dir.chmod(0o755)
    assert reload(w)[0] == 0 and w.lets_in("bob")
    open_dir.chmod(0o777)
    refuses(w, "lookup exec: bob: " + re.escape(below(path)), "bob")
    assert w.lets_in()
    strict(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in("bob")


def test_start_with_a_program_that_is_refused_lets_the_others_in(w, open_dir):
    w.gateway.stop()
    program(w, open_dir / "lookup")
    mark = w.gateway.log.mark()
    w.gateway.start()
    w.gateway.log.wait(r"20-lookup\.ini:4: Command: " + re.escape(below(open_dir / "lookup")), mark)
    assert w.lets_in() and not w.lets_in("bob")


@only_root
def test_lookup_program_of_nobody(w, tmp_path):
    path = tmp_path / "lookup"
    program(w, path)
    os.chown(path, NOBODY, NOBODY)
    one_error(w, f"Command: {path}: belongs to user 65534, not to root; run: chown root {path}, or set StrictModes = no")
    assert reload(w)[0] == 78
    strict(w, "no")
    assert reload(w)[0] == 0 and w.lets_in("bob")


def tree(w, path):
    """A tree that has bob."""
    bob = path / "bob"
    bob.mkdir(parents=True)
    (bob / "route.ini").write_text(
        f"HostName = {w.sshd.host}\nPort = {w.sshd.port}\nUser = {ME}\nKey = alice\n")
    shutil.copy(w.gateway.conf / "alice.pub", bob / "authorized_keys")
    shutil.copy(w.gateway.conf / "alice.known_hosts", bob / "known_hosts")
    (w.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = ini directory\n[lookup directory]\nPath = {path}\n")


def test_tree_in_a_directory_of_all(w, open_dir):
    path = open_dir / "users"
    tree(w, path)
    one_error(w, f": Path: {below(path)}\n")
    assert below(path) in reload(w)[1]
    open_dir.chmod(0o755)
    assert reload(w)[0] == 0 and w.lets_in("bob")
    open_dir.chmod(0o777)
    refuses(w, "lookup directory: bob: " + re.escape(below(path)), "bob")
    strict(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in("bob")


def test_directory_of_all_within_a_tree(w, tmp_path):
    path = tmp_path / "users"
    tree(w, path)
    within = path / "bob" / "lists"
    within.mkdir()
    shutil.move(path / "bob" / "authorized_keys", within)
    with open(path / "bob" / "route.ini", "a", encoding="ascii") as f:
        f.write("AuthorizedKeysFile = lists/authorized_keys\n")
    assert reload(w)[0] == 0 and w.lets_in("bob")
    within.chmod(0o777)
    refuses(w, f"lists/authorized_keys: is below the directory {within}, to which others may write", "bob")


@only_root
def test_tree_of_nobody(w, tmp_path):
    """Its owner counts no more than anybody else."""
    path = tmp_path / "users"
    tree(w, path)
    for each in (path, path / "bob", *(path / "bob").iterdir()):
        os.chown(each, NOBODY, NOBODY)
    one_error(w, f"Path: {path}: belongs to user 65534, not to root; run: chown root {path}, or set StrictModes = no")
    assert reload(w)[0] == 78
    strict(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in("bob")


def test_banner_in_a_directory_of_all(w, open_dir):
    path = open_dir / "banner"
    path.write_text("Mind the gap.\n")
    w.gateway.options["Banner"] = path
    w.gateway.write_gateway()
    one_error(w, f": Banner: {below(path)}\n")
    assert below(path) in reload(w)[1] and w.lets_in()
    strict(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "")


def test_key_store_in_a_directory_of_all(w, open_dir):
    """Its own rule, which is stricter, does not look at what is above."""
    path = open_dir / "keys"
    shutil.copytree(w.gateway.dir / "keys", path)
    with open(w.gateway.conf / "00-gateway.ini", encoding="ascii") as f:
        text = f.read()
    moved = text.replace("Path = keys", f"Path = {path}")
    (w.gateway.conf / "00-gateway.ini").write_text(moved)
    one_error(w, f"00-gateway.ini:{moved[:moved.index('Path')].count(chr(10)) + 1}: {below(path)}\n")
    assert below(path) in reload(w)[1]
    (w.gateway.conf / "00-gateway.ini").write_text(moved.replace("[gateway]\n", "[gateway]\nStrictModes = no\n"))
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()


# conf.d itself.


def test_conf_d_below_a_directory_of_all(make_gateway, open_dir, ring, make_sshd):
    """Said once, and not for each file of conf.d."""
    g = Gateway(open_dir / "gateway", ring, StrictModes="no")
    g.route("alice", make_sshd(), [ring.get("client")])
    g.options["StrictModes"] = "yes"
    g.write_gateway()
    p = g.sallyport("serve", "-c", g.conf)
    assert p.returncode == 78 and p.stderr.decode() == below(g.conf, open_dir) + "\n", p
    p = g.sallyport("check", "-c", g.conf)
    assert p.returncode == 78 and below(g.conf, open_dir) + "\n" in p.stderr.decode(), p
    g.options["StrictModes"] = "no"
    g.write_gateway()
    try:
        g.start()
        g.command("check")
    finally:
        g.stop()


def test_conf_d_that_others_may_write_to(w):
    w.gateway.conf.chmod(0o775)
    said = f"{w.gateway.conf}: others may write to it (mode 0775); run: chmod go-w {w.gateway.conf}\n"
    status, text = w.gateway.check()
    assert status == 78 and text.startswith(said), text
    assert reload(w) == (78, said)
    refuses(w, f"alice.pub: is below the directory {w.gateway.conf}, to which others may write")
    strict(w, "no")
    assert reload(w)[0] == 0 and w.gateway.check() == (0, "") and w.lets_in()
    w.gateway.conf.chmod(0o777)
    said = said.replace("0775", "0777")
    assert w.gateway.check() == (78, said) and reload(w) == (78, said) and w.lets_in()


@only_root
def test_file_of_nobody_in_conf_d(w):
    """It is not read, and cannot switch the rule off."""
    path = w.gateway.conf / "10-alice.ini"
    os.chown(path, NOBODY, NOBODY)
    said = f"{path}: belongs to user 65534, not to root; run: chown root {path}, or set StrictModes = no in [gateway]\n"
    assert w.gateway.check() == (78, said)
    assert reload(w) == (78, said) and w.lets_in()
    strict(w, "no")
    assert w.gateway.check() == (0, "") and reload(w)[0] == 0 and w.lets_in()
    strict(w, "yes")
    gateway = w.gateway.conf / "00-gateway.ini"
    os.chown(path, 0, 0)
    assert reload(w)[0] == 0
    strict(w, "no")
    os.chown(gateway, NOBODY, NOBODY)
    for status, text in w.gateway.check(), reload(w):
        assert status == 78 and f"{gateway}: belongs to user 65534, not to root" in text, text
        assert "StrictModes: no counts only in a file that belongs to root or user 0" in text
    w.gateway.stop()
    p = w.gateway.sallyport("serve", "-c", w.gateway.conf)
    assert p.returncode == 78 and b"StrictModes: no counts only" in p.stderr


@pytest.fixture
def dropped(short, ring, make_sshd):
    """A gateway that was started by root and whose keeper is daemon."""
    short.chmod(0o755)
    g = Gateway(short / "gateway", ring, RunAs="daemon", RunNetworkAs="games")
    machine = make_sshd()
    g.route("alice", machine, [ring.get("client")])
    w = Way("gateway", short, ring, machine, g)
    yield w
    w.close()
    g.stop()


@only_root
def test_files_of_the_user_of_run_as_and_of_the_owner_of_conf_d(dropped):
    """Root that starts it, root that checks it and the keeper judge alike."""
    w = dropped
    conf = w.gateway.conf
    os.chown(conf / "10-alice.ini", 1, 1)  # daemon
    os.chown(conf / "alice.pub", 1, 1)
    assert w.gateway.check() == (0, "")
    w.gateway.start()
    assert w.lets_in()
    os.chown(conf, 5, 5)  # games is no more than the owner of conf.d
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


@only_root
def test_as_a_user_root_and_itself_count(w, short, ring, make_sshd):
    """A gateway that nobody but a user has started: files of root and of its own."""
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
    assert status == 78 and "alice.pub: belongs to user 2, not to root or user 1; run: chown 1 " in text, text


def test_missing_list_keeps_its_route_out_and_no_reload(w):
    """newcomer.md, P9: check says it; a reload does not look at what is read at each login."""
    path = w.gateway.conf / "later"
    route(w, AuthorizedKeysFile=path)
    one_error(w, f"AuthorizedKeysFile: {path}: No such file or directory")
    assert reload(w)[0] == 0
    refuses(w, re.escape(f"{path}: No such file or directory"))
    shutil.copy(w.gateway.conf / "alice.pub", path)
    assert w.lets_in() and w.gateway.check() == (0, "")
