"""The lookup backend directory: route.ini, and an sshpiper workingdir as it is."""

import os
import re
import shutil
import subprocess

import pytest

from lab.ca import CA
from lab.sshd import ME
from lab.totp import App, enters, person
from lab.way import Way


@pytest.fixture
def tree(make_gateway, make_sshd, ring, tmp_path):
    """A gateway that looks into a directory, in which alice is in sshpiper's form."""

    class Tree:
        def __init__(self, order="directory", more=""):
            self.sshd = make_sshd()
            self.gateway = make_gateway()
            self.path = self.gateway.dir / "users"
            self.path.mkdir(mode=0o755)
            (self.gateway.conf / "20-lookup.ini").write_text(
                f"[lookup]\nOrder = {order}\n[lookup directory]\nPath = users\n{more}"
            )
            self.sshpiper_user("alice")
            self.gateway.start()
            self.way = Way("gateway", tmp_path, ring, self.sshd, self.gateway)

        def sshpiper_user(self, login, kind="ed25519", sshd=None):
            """A directory of one user of a workingdir."""
            d = self.path / login
            d.mkdir(parents=True)
            key = ring.get("piper", kind)
            sshd = sshd or self.sshd
            sshd.authorize(key.public)
            (d / "sshpiper_upstream").write_text(
                f"# where {login} is\n\n{ME}@{sshd.host}:{sshd.port}\n"
            )
            (d / "authorized_keys").write_text(ring.get("client").public + "\n")
            (d / "known_hosts").write_text(sshd.known_hosts())
            shutil.copy(key.path, d / "id_rsa")
            (d / "id_rsa").chmod(0o600)
            return d

        def assert_refused(self, reason, login="alice"):
            """The login fails, and the log says why."""
            mark = self.gateway.log.mark()
            r = self.way.new_client(user=login).ssh("echo in")
            assert r.code == 255 and r.out == b"" and "Permission denied" in r.err, r
            self.gateway.log.wait(reason, mark)

        def lets_in(self, login="alice"):
            assert self.way.new_client(user=login).ssh("echo in").text == "in\n"

    trees = []

    def make(**options):
        trees.append(Tree(**options))
        return trees[-1]

    yield make
    for t in trees:
        t.way.close()


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "ecdsa256"])
def test_sshpiper_workingdir(tree, ring, kind):
    t = tree()
    if kind != "ed25519":
        t.sshpiper_user("bob", kind)
    login = "alice" if kind == "ed25519" else "bob"
    t.lets_in(login)
    fingerprint = re.escape(ring.get("piper", kind).fingerprint)
    t.sshd.log.wait(rf"Accepted publickey .* {fingerprint}")


def test_certificates_of_ca_in_directory(tree, ring, tmp_path):
    t = tree()
    ca = CA(tmp_path / "ca", ring.get("ca"))
    key = ring.get("person")
    (t.path / "alice" / "authorized_keys").unlink()
    shutil.copy(ca.file, t.path / "alice" / "trusted_user_ca_keys")
    for principal, text in (("alice", "in\n"), ("bob", "")):
        c = t.way.new_client(key, CertificateFile=ca.sign(key, principal))
        assert c.ssh("echo in").text == text
    (t.path / "alice" / "trusted_user_ca_keys").chmod(0o666)
    t.assert_refused(r"alice/trusted_user_ca_keys: others may write")


def test_entries_are_read_at_each_login(tree, ring):
    t = tree()
    t.lets_in()
    t.sshpiper_user("new@host (ö)")
    t.lets_in("new@host (ö)")
    (t.path / "alice" / "authorized_keys").write_text(ring.get("person").public + "\n")
    assert t.way.ssh("true").code == 255
    shutil.rmtree(t.path / "new@host (ö)")
    assert t.way.new_client(user="new@host (ö)").ssh("true").code == 255
    t.gateway.log.wait(r"Invalid user new@host\\134040\(ö\) from")


def test_route_ini(tree):
    t = tree()
    d = t.sshpiper_user("bob")
    (d / "sshpiper_upstream").unlink()
    (d / "id_rsa").unlink()
    (d / "authorized_keys").rename(d / "who")
    t.sshd.authorize(t.gateway.generate_key("mapped"))
    (d / "route.ini").write_text(
        f"; bob's\nHostName = {t.sshd.host}\nPort = {t.sshd.port}\nUser = {ME}\n"
        "AuthorizedKeysFile = who\nKey = mapped\n"
    )
    t.lets_in("bob")
    with open(d / "route.ini", "a", encoding="ascii") as f:
        f.write("Keyy = x\n")
    t.assert_refused(r"lookup directory: bob: .*/users/bob/route\.ini:7: unknown keyword .*did you mean Key", "bob")
    t.lets_in()


def test_next_backend_is_asked(tree, ring):
    t = tree(order="directory ini")
    t.gateway.stop()
    t.gateway.route("carol", t.sshd, [ring.get("client")])
    t.gateway.start()
    t.lets_in("carol")
    t.lets_in("alice")


FAULTS = {
    "key others can read": (lambda d: (d / "id_rsa").chmod(0o640), r"alice/id_rsa: others have access"),
    "list others can write": (
        lambda d: (d / "authorized_keys").chmod(0o664), r"alice/authorized_keys: others may write"),
    "upstream others can write": (
        lambda d: (d / "sshpiper_upstream").chmod(0o666), r"alice/sshpiper_upstream: others may write"),
    "directory others can write": (lambda d: d.chmod(0o777), r"alice: others may write"),
    "tree others can write": (lambda d: d.parent.chmod(0o1777), r"users: others may write"),
    "no authorized_keys": (lambda d: (d / "authorized_keys").unlink(), r"alice: has no authorized_keys"),
    "no id_rsa": (lambda d: (d / "id_rsa").unlink(), r"alice: has neither id_rsa nor"),
    "no upstream": (lambda d: (d / "sshpiper_upstream").unlink(), r"alice: holds neither route\.ini nor"),
    "nonsense upstream": (
        lambda d: (d / "sshpiper_upstream").write_text("a b\n"), r"is not \[user@\]host\[:port\]"),
    "option as upstream": (
        lambda d: (d / "sshpiper_upstream").write_text("-oProxyCommand=x\n"), r"is not a host name"),
    "huge upstream": (
        lambda d: (d / "sshpiper_upstream").write_text("#" * 70000 + "\nhost\n"), r"sshpiper_upstream: "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_unsafe_files_are_refused(tree, fault):
    t = tree()
    t.sshpiper_user("bob")
    spoil, reason = FAULTS[fault]
    spoil(t.path / "alice")
    t.assert_refused(reason)
    if fault != "tree others can write":
        t.lets_in("bob")


@pytest.mark.parametrize("name", ["authorized_keys", "id_rsa", "sshpiper_upstream", "route.ini", "known_hosts"])
def test_symlinks_out_of_tree_and_fifos_are_refused(tree, name):
    t = tree()
    d = t.path / "alice"
    outside = t.gateway.dir / "outside"
    if (d / name).exists():
        shutil.move(d / name, outside)
    else:
        outside.write_text("HostName = 127.0.0.1\n")
    for target in (outside, f"../../{outside.name}"):
        (d / name).symlink_to(target)
        t.assert_refused(rf"alice/{name}: is a symbolic link that leaves")
        (d / name).unlink()
    os.mkfifo(d / name, 0o600)
    t.assert_refused(rf"alice/{name}: is not a regular file")


def test_symlinks_within_tree(tree):
    t = tree()
    d = t.path / "alice"
    (d / "..data").mkdir()
    (d / "authorized_keys").rename(d / "..data" / "authorized_keys")
    (d / "authorized_keys").symlink_to("..data/authorized_keys")
    (t.path / "bob").symlink_to("alice")
    t.lets_in("alice")
    t.lets_in("bob")
    (t.path / "eve").symlink_to("/etc")
    t.assert_refused(r"lookup directory: eve: .*/users/eve: is a symbolic link that leaves", "eve")


@pytest.mark.skipif(os.getuid() != 0, reason="gives a file away")
def test_files_of_other_users_are_refused(tree):
    t = tree()
    os.chown(t.path / "alice" / "authorized_keys", 65534, 65534)
    t.assert_refused(r"alice/authorized_keys: belongs to user 65534")


def test_route_ini_files_are_checked_as_its_own(tree, ring):
    """Files it names by a relative path must be as safe as its own."""
    t = tree()
    d = t.path / "alice"
    t.sshd.authorize(t.gateway.generate_key("mapped"))
    (d / "route.ini").write_text(
        f"HostName = {t.sshd.host}\nPort = {t.sshd.port}\nUser = {ME}\nKey = mapped\n"
        "AuthorizedKeysFile = ../../stolen\n"
    )
    (t.gateway.dir / "stolen").write_text(ring.get("client").public + "\n")
    t.assert_refused(r"stolen: is a symbolic link that leaves|stolen.*leaves")


def test_host_key_is_checked(tree, ring):
    t = tree()
    d = t.path / "alice"
    (d / "known_hosts").write_text(f"[{t.sshd.host}]:{t.sshd.port} {ring.get('person').public}\n")
    r = t.way.ssh("echo in")
    assert r.code == 255 and r.out == b""
    t.gateway.log.wait(r"Host key verification failed .* has CHANGED")
    (d / "known_hosts").unlink()
    assert t.way.ssh("echo in").code == 255
    t.gateway.log.wait(r"the key is not known")


def test_accept_new_creates_known_hosts(tree):
    t = tree(more="StrictHostKeyChecking = accept-new\n")
    d = t.path / "alice"
    (d / "known_hosts").unlink()
    t.lets_in()
    text = (d / "known_hosts").read_text()
    assert text.startswith(f"[{t.sshd.host}]:{t.sshd.port} ") and text.count("\n") == 1
    t.lets_in()
    assert (d / "known_hosts").read_text() == text


def test_encrypted_private_key(tree, tmp_path):
    t = tree()
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "secret", "-P", "", "-f", t.path / "alice" / "id_rsa"], check=True
    )
    r = t.way.ssh("echo in")
    assert r.code == 255 and r.out == b""
    t.gateway.log.wait(r"id_rsa: has a passphrase")


def test_route_and_check_explain_directory(tree):
    t = tree()
    out = t.gateway.command("route", "alice", "--dial")
    assert "found by   directory: [route alice] at" in out and "sshpiper_upstream" in out
    assert f"leads to   {ME}@{t.sshd.host} port {t.sshd.port}" in out
    assert "key        " in out and "/alice/id_rsa" in out
    assert re.search(r"^dial       .*: SSH-2\.0-.* is known \(.*/alice/known_hosts:1\)$", out, re.M), out
    assert "ok" in t.gateway.command("check")
    t.path.chmod(0o777)
    p = t.gateway.sallyport("check", "-c", t.gateway.conf)
    assert p.returncode == 78 and b"20-lookup.ini:4: Path: " in p.stderr
    assert b"others may write" in p.stderr


def test_password_hash_without_authorized_keys(tree, monkeypatch):
    t = tree()
    d = t.path / "alice"
    (d / "sshpiper_upstream").unlink()
    (d / "authorized_keys").unlink()
    line = t.gateway.sallyport("hash-password", stdin=b"open sesame\n").stdout.decode()
    (d / "route.ini").write_text(f"HostName = {t.sshd.host}\nPort = {t.sshd.port}\nUser = {ME}\n{line}")
    paramiko = pytest.importorskip("paramiko")
    monkeypatch.setenv("HOME", str(t.path))

    def password(word):
        c = paramiko.SSHClient()
        c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        with c:
            c.connect(t.gateway.host, t.gateway.port, "alice", word, look_for_keys=False, allow_agent=False)
            return c.exec_command("echo in")[1].read()

    assert password("open sesame") == b"in\n"
    with pytest.raises(paramiko.AuthenticationException):
        password("open barley")


@pytest.mark.parametrize("form", ["sshpiper", "route.ini"])
def test_passthrough_without_keys(tree, ring, form):
    """As in an sshpiper workingdir with sshpiper_upstream alone, but only if the operator allows it."""
    t = tree(more="Passthrough = yes\n" if form == "sshpiper" else "")
    d = t.path / "alice"
    (d / "authorized_keys").unlink()
    out = t.gateway.sallyport("route", "alice", "-c", t.gateway.conf)
    if form == "sshpiper":  # id_rsa alone permits no login
        assert out.returncode == 1 and b"need each other" in out.stderr + out.stdout
    (d / "id_rsa").unlink()
    if form == "route.ini":
        (d / "sshpiper_upstream").unlink()
        (d / "route.ini").write_text(f"HostName = {t.sshd.host}\nPort = {t.sshd.port}\nPassthrough = yes\n")
    out = t.gateway.command("route", "alice", "--dial")
    assert "whom the upstream lets in with a password" in out


def test_route_names_backends_that_were_asked(tree):
    t = tree(order="ini directory")
    out = t.gateway.sallyport("route", "nobody", "-c", t.gateway.conf).stdout
    assert b"nobody: no such login: it is unknown to ini directory, all of [lookup] Order" in out


STATE = "[gateway]\nStateDirectory = state\n"


@pytest.fixture
def otp():
    """The app of somebody whose secret is in a file totp, as sshpiper has it."""
    return App("otpauth://totp/x:alice?issuer=x&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")


def put_totp(directory, text="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n"):
    (directory / "totp").write_text(text)
    (directory / "totp").chmod(0o600)


@pytest.mark.parametrize("form", ["sshpiper", "route.ini"])
def test_sshpiper_totp_is_asked_for(tree, otp, form):
    t = tree(more=STATE)
    d = t.path / "alice"
    if form == "route.ini":
        t.sshd.authorize(t.gateway.generate_key("mapped"))
        (d / "sshpiper_upstream").rename(d / "old")
        (d / "route.ini").write_text(f"HostName = {t.sshd.host}\nPort = {t.sshd.port}\nUser = {ME}\nKey = mapped\n")
    put_totp(d)
    out = t.gateway.command("route", "alice")
    assert re.search(r"^factor     a code of the secret in .*users/alice/totp$", out, re.M)
    assert re.search(r"^methods    publickey,keyboard-interactive:totp$", out, re.M)
    assert "totp" not in t.gateway.notes()
    p = t.gateway.sallyport("totp", "enroll", "alice", "-c", t.gateway.conf)
    assert p.returncode == 1 and p.stdout == b"" and b"users/alice/totp; to have one in the key store" in p.stderr
    # each is good for at least half a minute from now on
    code = otp.code_of(otp.now())
    c = person(t.way, code)
    assert enters(c) and len(c.answers.asked()) == 1
    t.gateway.log.wait("Accepted keyboard-interactive/totp for alice")
    assert not enters(person(t.way, code)) and not enters(t.way.client)
    t.gateway.log.wait("this code of sshpiper-alice has been used")
    # locked and unlocked; what is used is kept by the login's name
    for _ in range(5):
        assert not enters(person(t.way, otp.wrong()))
    t.gateway.log.wait("sshpiper-alice is locked for 5 minutes; to unlock it: sallyport totp reset sshpiper-alice")
    assert re.search(r"^sshpiper-alice +not in the key store  used \S+Z, locked until \S+Z$",
                     t.gateway.command("totp", "list"), re.M)
    assert not enters(person(t.way, otp.code_of(otp.now() + 1)))
    t.gateway.command("totp", "reset", "sshpiper-alice")
    assert not enters(person(t.way, code))
    assert enters(person(t.way, otp.code_of(otp.now() + 1)))
    # another secret is another enrolment
    put_totp(d, "MZXW6YTBOJRGC6Q3MZXW6YTBOJRGC6Q3")
    other = App("otpauth://totp/x:a?issuer=x&secret=MZXW6YTBOJRGC6Q3MZXW6YTBOJRGC6Q3")
    assert enters(person(t.way, other.code_of(other.now())))


def test_sshpiper_totp_that_cannot_be_used_refuses_login(tree):
    """Without it the key alone would be sufficient."""
    t = tree(more=STATE)
    d = t.path / "alice"
    t.lets_in()
    for make, said in ((lambda p: p.mkdir(), "alice/totp"), (lambda p: p.symlink_to("/nowhere"), "alice/totp"),
                       (lambda p: p.symlink_to("known_hosts"), "alice/totp"),
                       (lambda p: (p.touch(), p.chmod(0o644)), "alice/totp: others have access to it")):
        make(d / "totp")
        t.assert_refused("lookup directory: alice: .*" + re.escape(said))
        p = t.gateway.sallyport("route", "alice", "-c", t.gateway.conf)
        assert p.returncode == 1 and said in (p.stdout + p.stderr).decode(), p
        if (d / "totp").is_dir() and not (d / "totp").is_symlink():
            (d / "totp").rmdir()
        else:
            (d / "totp").unlink()
        t.lets_in()
    said = "alice/totp: does not begin with a secret in base32 of 10 to 64 bytes"
    for text in ("", "\n", "JBSWY3DP\n", "not base32: 0189 89 89 89 89 89 89\n", "A" * 200):
        put_totp(d, text)
        assert said in t.gateway.notes()
        assert said in t.gateway.sallyport("route", "alice", "-c", t.gateway.conf).stdout.decode()
    c = person(t.way, "123456")
    assert not enters(c) and c.answers.asked() == []
    t.gateway.log.wait("TOTP = sshpiper-alice: .*" + re.escape(said))


def test_totp_without_state_directory(tree):
    """Only what is written in conf.d makes it at the start."""
    t = tree()
    put_totp(t.path / "alice")
    assert "one-time codes need a directory for those that are used: set StateDirectory in [gateway]" in t.gateway.notes()
    assert not enters(person(t.way, "123456"))
    t.gateway.log.wait("TOTP = sshpiper-alice: there is no directory to keep used codes in: set StateDirectory")


def test_sshpiper_check_totp(tree, otp):
    """With it, sshpiper lets nobody in without a file, and here a state directory is made."""
    t = tree(more="CheckTotp = yes\n")
    t.assert_refused("lookup directory: alice: has no file totp, and CheckTotp = yes refuses it without")
    put_totp(t.path / "alice")
    assert "totp" not in t.gateway.notes()
    assert enters(person(t.way, otp.code_of(otp.now())))


def test_sshpiper_totp_with_passthrough(tree):
    """The upstream gets a password from nobody who has not typed a code."""
    t = tree(more="Passthrough = yes\n" + STATE)
    put_totp(t.path / "alice")
    out = t.gateway.command("route", "alice")
    assert "publickey,keyboard-interactive:totp" in out and "keyboard-interactive:totp,password" in out


def test_sshpiper_totp_of_a_login_with_odd_characters(tree, otp):
    t = tree(more=STATE)
    put_totp(t.sshpiper_user("жанна"))
    assert enters(person(t.way, otp.code_of(otp.now()), user="жанна"))
    assert re.search("^sshpiper-[0-9a-f]{32} +not in the key store  used ", t.gateway.command("totp", "list"), re.M)


@pytest.fixture
def git(tree, make_sshd, ring):
    """git@ with two machines below it, as sshpiper --recursive-search has them."""
    def make(more="", **words):
        t = tree(more="Recursive = yes\n" + "".join(f"{k} = {v}\n" for k, v in words.items()) + more)
        for name, where in (("client", "git/github"), ("person", "git/work/gitlab")):
            d = t.sshpiper_user(where, sshd=make_sshd(env={"WHOSE": name}))
            (d / "authorized_keys").write_text(ring.get(name).public + "\n")
        return t

    return make


WHOSE = "echo $WHOSE"


def test_key_selects_directory_below(git, ring):
    t = git()
    for name in ("client", "person"):
        assert t.way.new_client(ring.get(name), user="git").ssh(WHOSE).text == f"{name}\n"
    r = t.way.new_client(ring.get("stranger"), user="git").ssh("true")
    assert r.code == 255 and "Permission denied" in r.err
    t.lets_in("alice")  # a login without such directories is as ever
    assert t.way.new_client(user="github").ssh("true").code == 255
    out = t.gateway.command("route", "git", "--key", ring.get("person").path.with_suffix(".pub"))
    assert "git/work/gitlab/sshpiper_upstream" in out and "may log in" in out
    p = t.gateway.sallyport("route", "git", "-c", t.gateway.conf)
    assert p.returncode == 1 and b"it may depend on the key" in p.stdout


def test_without_recursive_nothing_below_is_read(git, ring):
    t = git()
    file = t.gateway.conf / "20-lookup.ini"
    file.write_text(file.read_text().replace("Recursive = yes", "Recursive = no"))
    t.gateway.command("reload")
    t.assert_refused("git: holds neither route.ini nor sshpiper_upstream", "git")


def test_first_directory_with_the_key_counts(git, ring):
    """In byte order, each before those in it."""
    t = git()
    both = "".join(ring.get(n).public + "\n" for n in ("client", "person"))
    for where in ("git/github", "git/work/gitlab"):
        (t.path / where / "authorized_keys").write_text(both)
    assert t.way.new_client(ring.get("person"), user="git").ssh(WHOSE).text == "client\n"
    shutil.copytree(t.path / "git/work/gitlab", t.path / "git", dirs_exist_ok=True)
    assert t.way.new_client(user="git").ssh(WHOSE).text == "person\n"


def test_certificate_selects_directory_below(git, ring, tmp_path):
    t = git()
    ca = CA(tmp_path / "ca", ring.get("ca"))
    key = ring.get("stranger")
    shutil.copy(ca.file, t.path / "git/work/gitlab/trusted_user_ca_keys")
    c = t.way.new_client(key, user="git", CertificateFile=ca.sign(key, "git"))
    assert c.ssh(WHOSE).text == "person\n"


def test_directory_that_cannot_be_used_keeps_nobody_out_of_others(git, ring):
    t = git()
    (t.path / "git/github/id_rsa").chmod(0o644)
    os.symlink("work/gitlab", t.path / "git/a-link")
    (t.path / "git/open").mkdir()
    (t.path / "git/open").chmod(0o777)
    assert t.way.new_client(ring.get("person"), user="git").ssh(WHOSE).text == "person\n"
    t.assert_refused(r"lookup directory: git: .*git/(open: others may write|github/id_rsa: others)", "git")


@pytest.mark.parametrize("where", ["git/github", "git/work/gitlab"])
def test_totp_below_the_login_refuses_it(git, ring, where):
    """sshpiper reads the login's own alone."""
    t = git()
    put_totp(t.path / where)
    t.assert_refused(rf"{where}/totp: is not read, as by sshpiper: move it to git/totp", "git")
    assert t.way.new_client(ring.get("person"), user="git").ssh("true").code == 255


def test_totp_of_the_login_is_for_all_below(git, ring, otp):
    t = git(more=STATE)
    put_totp(t.path / "git")
    assert t.way.new_client(ring.get("person"), user="git").ssh("true").code == 255
    c = person(t.way, otp.code_of(otp.now()), key=ring.get("person"), user="git")
    assert c.ssh(WHOSE).text == "person\n"


@pytest.mark.parametrize("make", [
    lambda d: [(d / f"x{i}").mkdir() for i in range(64)],
    lambda d: (d / "1/2/3/4/5/6/7/8/9").mkdir(parents=True),
])
def test_too_many_directories_refuse_login(git, make):
    t = git()
    make(t.path / "git")
    t.assert_refused("a login can have at most 64 directories, 8 deep", "git")
    t.lets_in("alice")


def test_password_goes_to_directory_without_keys(git, ring):
    """The key selects its directory; a client without one gets the first that asks for a password."""
    t = git(Passthrough="yes", StrictHostKeyChecking="no")
    (t.path / "git/hosting").mkdir()
    (t.path / "git/hosting/sshpiper_upstream").write_text(f"{ME}@127.0.0.1:{t.sshd.port}\n")
    assert t.way.new_client(ring.get("person"), user="git").ssh(WHOSE).text == "person\n"
    c = t.way.new_client(ring.get("stranger"), user="git")
    r = c.ssh("-v", "true")
    assert r.code == 255 and "password" in r.err.split("Authentications that can continue:")[-1]


def test_unknown_login_looks_like_recursive_one(git, ring):
    t = git()
    said = []
    for login in ("git", "nobody-here"):
        r = t.way.new_client(ring.get("stranger"), user=login).ssh("true")
        said.append(re.sub(r"session [0-9a-f]+", "", r.err).replace(login, "LOGIN"))
    assert said[0] == said[1]
