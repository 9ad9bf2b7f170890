"""`check` prints notes about files of routes that are valid but keep users out."""

import re
import resource
import shutil
import subprocess

import pytest

from lab.sshd import ME


@pytest.fixture
def g(make_gateway, make_sshd, ring):
    g = make_gateway()
    g.upstream = make_sshd()
    g.route("alice", g.upstream, [ring.get("client")])
    assert notes_of_check(g) == []
    return g


def notes_of_check(g):
    p = g.sallyport("check", "-c", g.conf)
    assert p.returncode == 0 and g.sallyport("check", "-c", g.conf).stderr == p.stderr, p
    lines = p.stderr.decode().splitlines()
    assert all(line.startswith(f"note: {g.conf}/") for line in lines), lines
    return [line.removeprefix(f"note: {g.conf}/") for line in lines]


def over_two_lines(line):
    return line[:40] + "\n" + line[40:] + "\n"


NOT = "is not a public key line: "
BOM = "\ufeff"
FILES = {
    "no key at all": ("hello\n", {1: r"\[OPTIONS\] TYPE BASE64 \[COMMENT\]|TYPE BASE64"}),
    "over two lines": ("<KEY>\nHALVES", {2: "cut off", 3: "COMMENT] on one line"}),
    "byte order mark": (BOM + "<KEY>\n", {1: "byte order mark"}),
    "private key": ("<KEY>\n# mine\n\n<PRIVATE>", {4: "this is a private key"}),
    "another format": ("---- BEGIN SSH2 PUBLIC KEY ----\n", {1: "another format"}),
}


@pytest.mark.parametrize("word", ["AuthorizedKeysFile", "TrustedUserCAKeys"])
@pytest.mark.parametrize("kind", FILES)
def test_line_that_is_not_a_key(g, ring, kind, word):
    text, said = FILES[kind]
    key = ring.get("stranger", "ed25519")
    private = key.path.read_text() if kind == "private key" else ""
    path = g.conf / "list"
    content = text.replace("<KEY>", key.public).replace("HALVES", over_two_lines(key.public))
    path.write_text(content.replace("<PRIVATE>", private))
    g.route("alice", g.upstream, [ring.get("client")], **{word: "conf.d/list"})
    found = notes_of_check(g)
    for number, why in said.items():
        (note,) = [n for n in found if n.startswith(f"list:{number}: ")]
        assert note.startswith(f"list:{number}: {NOT}") and re.search(why, note), found
    none = [n for n in found if "there is no public key in" in n]
    assert len(none) == ("<KEY>" not in text or kind == "byte order mark")
    # no content of the file is printed, and a thousand bad lines do not make a thousand notes
    assert not any(line in "\n".join(found) for line in private.splitlines() if line)
    assert len(found) <= 7 if private else len(found) == len(said) + len(none)


def test_valid_lines_have_no_note(g, ring):
    key = ring.get("client").public
    (g.conf / "alice.pub").write_text(
        f"# who may\n\n  {key}\nrestrict,command=\"echo a b\" {key}\r\ncert-authority,principals=\"a,b\"\t{key} me\n"
        f"ssh-ed25519 AAAA{'x' * 10}\n")
    assert [n.split(": ")[0] for n in notes_of_check(g)] == ["alice.pub:6"]


def test_notes_for_many_bad_lines_are_bounded(g):
    (g.conf / "alice.pub").write_text((g.conf / "alice.pub").read_text() + "x\n" * 1000)
    found = notes_of_check(g)
    assert len(found) == 6 and found[-1] == "alice.pub:1001: is not a public key line; lines like it that are not shown: 994"


def test_same_file_of_two_routes_is_noted_once(g):
    (g.conf / "alice.pub").write_text((g.conf / "alice.pub").read_text() + "x\n")
    text = (g.conf / "10-alice.ini").read_text()
    (g.conf / "20-bob.ini").write_text(text.replace("[route alice]", "[route bob]"))
    assert len(notes_of_check(g)) == 1


def test_bad_value_of_authorized_key(g, ring):
    key = ring.get("client").public
    g.route("alice", g.upstream, AuthorizedKeysFile=None, AuthorizedKey=key)
    assert notes_of_check(g) == []
    with open(g.conf / "10-alice.ini", "a") as ini:
        ini.write(f"AuthorizedKey = {key.replace('AAAA', 'AAAA+')}\n")
    number = len((g.conf / "10-alice.ini").read_text().splitlines())
    (note,) = notes_of_check(g)
    assert note.startswith(f"10-alice.ini:{number}: AuthorizedKey: {NOT}the key in it is cut off")


# Notes about known_hosts.


def notes_on_known_hosts(g, text, **words):
    g.route("alice", g.upstream, [], AuthorizedKeysFile="conf.d/client.pub", known_hosts=text, **words)
    return notes_of_check(g)


@pytest.fixture
def h(g, ring):
    (g.conf / "client.pub").write_text(ring.get("client").public + "\n")
    return g


def test_known_hosts_without_line_for_upstream(h):
    key = h.upstream.known_hosts().splitlines()[0].split(None, 1)[1]
    for text in ("", "# nobody\n", f"[127.0.0.1]:1 {key}", f"elsewhere {key}", f"@revoked [127.0.0.1]:* {key}",
                 f"[127.0.0.1]:{h.upstream.port} ssh-ed25519 AAAA\n"):
        (note,) = notes_on_known_hosts(h, text)
        assert re.fullmatch(
            rf"10-alice\.ini:\d+: UserKnownHostsFile: no line of {h.conf}/alice\.known_hosts is for 127\.0\.0\.1 port "
            rf"{h.upstream.port}: connections to it will be refused; add what ssh-keyscan -p {h.upstream.port} 127\.0\.0\.1 "
            r"prints, .*", note), note
        assert notes_on_known_hosts(h, text, StrictHostKeyChecking="accept-new") == []
        assert notes_on_known_hosts(h, text, StrictHostKeyChecking="no") == []
        assert notes_on_known_hosts(h, text, HostKeyFingerprint=f"SHA256:{'A' * 43}") == []


def test_known_hosts_lines_that_match_upstream(h):
    key = h.upstream.known_hosts().splitlines()[0].split(None, 1)[1]
    at = f"[127.0.0.1]:{h.upstream.port}"
    for names in (at, f"x,{at}", "127.0.0.1", "*", f"[127.0.0.?]:{h.upstream.port}", f"@cert-authority {at}"):
        assert notes_on_known_hosts(h, f"{names} {key}") == [], names
    # host names match in any case
    assert notes_on_known_hosts(h, f"[GATE.example]:{h.upstream.port} {key}", HostName="gate.EXAMPLE") == []
    assert len(notes_on_known_hosts(h, f"[gate.example]:{h.upstream.port} {key}", HostName="gate.example other")) == 1


def test_hashed_known_hosts_line(h):
    known = h.known_hosts_of("alice")
    known.write_text(h.upstream.known_hosts())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    hashed = known.read_text()
    assert hashed.startswith("|1|")
    assert notes_on_known_hosts(h, hashed) == []


def test_host_name_that_depends_on_login(h):
    """The host is not known before the login."""
    assert notes_on_known_hosts(h, h.upstream.known_hosts()) == []
    text = (h.conf / "10-alice.ini").read_text()
    (h.conf / "20-any.ini").write_text(
        text.replace("[route alice]", "[route dev-*]").replace(
            "HostName = 127.0.0.1", "HostName = %1.example\nAllowDestinations = *.example:*"))
    assert notes_of_check(h) == []


@pytest.mark.parametrize("name, host, noted", [
    ("*+*", "%2", "lets users choose any address that this host reaches"),
    ("*", "%u", "lets users choose any address that this host reaches"),
    ("*+*", "%2.example", "users choose a part of %2.example, and name servers the address; write AllowDestinations"),
    ("*", "10.0.0.%1", "users choose a part of 10.0.0.%1"),
    ("*+*", "%2\nAllowDestinations = *.example", None),
    ("/(.+)[+](web|db)/", "%2", None),
])
def test_host_that_users_choose_is_noted(h, name, host, noted):
    """As with sshpiper's username-router; what a group of an expression matches is not known."""
    assert notes_on_known_hosts(h, h.upstream.known_hosts()) == []
    text = (h.conf / "10-alice.ini").read_text()
    (h.conf / "20-any.ini").write_text(
        text.replace("[route alice]", f"[route {name}]").replace("HostName = 127.0.0.1", f"HostName = {host}"))
    notes = notes_of_check(h)
    assert len(notes) == bool(noted), notes
    assert not noted or noted in notes[0]


def test_known_hosts_shared_by_many_routes(h):
    """The shared file is read once."""
    key = h.upstream.known_hosts().splitlines()[0].split(None, 1)[1]
    (h.conf / "known").write_text("".join(f"h{i} {key}\n" for i in range(2000)))
    (h.conf / "20-many.ini").write_text("".join(
        f"[route u{i}]\nHostName = h{i % 2000}\nUser = x\nKey = alice\nAuthorizedKeysFile = conf.d/client.pub\n"
        f"UserKnownHostsFile = conf.d/known\n" for i in range(20000)))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert notes_on_known_hosts(h, h.upstream.known_hosts()) == []
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # processor time, which other work on this host does not add to
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60


# Notes about names.


def more(g, name, text):
    (g.conf / name).write_text(text.replace("REST", "HostName = h\nKey = alice\nAuthorizedKeysFile = conf.d/alice.pub\n"
                                                    "StrictHostKeyChecking = no"))


def test_private_key_as_list_of_keys_is_one_note(g, ring):
    (g.conf / "alice.pub").write_text(ring.get("client").path.read_text())
    (note,) = notes_of_check(g)
    assert note == f"alice.pub:1: {NOT}this is a private key, which opens nothing here; put its public half, FILE.pub, in its place"


def test_patterns_behind_others(g):
    more(g, "20.ini", "[route *]\nREST\n[route dev-*]\nREST\n")
    assert notes_of_check(g) == [
        f"20.ini:6: [route dev-*] is never used: [route *] at {g.conf}/20.ini:1 comes first and matches the same logins; "
        "put it behind this one"]
    # a longer pattern first; others that only overlap; one with a condition
    more(g, "20.ini", "[route dev-*]\nREST\n[route *-x]\nREST\n[route d*v-x]\nREST\n[route a*/l]\nREST\n"
                      "MatchAddress = 192.0.2.1\n[route ab*]\nREST\n[route alice*]\nREST\n")
    assert [n.split(":")[:2] for n in notes_of_check(g)] == [["20.ini", "11"]]


def test_conditions_that_are_there_before(g):
    more(g, "20.ini", "[route bob/a]\nREST\nMatchAddress = 192.0.2.1\n[route bob/b]\nREST\nMatchAddress = 192.0.2.2\n"
                      "[route bob/c]\nREST\nMatchAddress = 192.0.2.1\n[route bob]\nREST\n"
                      "[route carol/a]\nREST\nMatchAddress = 192.0.2.1\n")
    assert notes_of_check(g) == [
        f"20.ini:13: [route bob/c] is never used: [route bob/a] at {g.conf}/20.ini:1 has the same conditions and comes first"]


def test_files_that_are_not_read(g):
    for name in ("10-bob.conf", "20-bob.INI", "bob"):
        more(g, name, "; a comment\n\n[route bob]\nREST\n")
    for name in ("30.ini~", "30.ini.bak", ".30.ini", "30.ini.dpkg-dist"):
        more(g, name, "[route bob]\nREST\n")
    more(g, "pg_service.conf", "[route_db]\nhost=x\n")
    assert notes_of_check(g) == [
        f"{name}: is not read: of a configuration, only files *.ini are; rename it to {new}.ini"
        for name, new in (("10-bob.conf", "10-bob"), ("20-bob.INI", "20-bob"), ("bob", "bob"))]


def test_mistyped_commands(g):
    more(g, "20.ini", "[route bob]\nREST\nPermitCommands = shel exec Sftp git-annex\n")
    assert notes_of_check(g) == [
        f"20.ini:6: PermitCommands: {word} permits a subsystem of that name (did you mean {guess}?)"
        for word, guess in (("Sftp", "sftp"), ("shel", "shell"))]


def test_sftp_that_can_be_passed_by(g):
    more(g, "20.ini", "[route bob]\nREST\nSftpReadOnly = yes\n"
                      "[route carol]\nREST\nSftpReadOnly = /opt/sftp-server\nForceCommand = true\n"
                      "[route dan]\nREST\nSftpReadOnly = yes\nPermitCommands = sftp\n"
                      "[route eve]\nREST\nSftpReadOnly = no\n")
    assert [n.split(": ", 1)[1] for n in notes_of_check(g)] == [
        "SftpReadOnly: shells and commands can still write; PermitCommands = sftp permits sftp alone",
        "SftpReadOnly has no effect: ForceCommand runs in place of sftp, too"]
    more(g, "20.ini", "[route bob]\nREST\nSftpReadOnly = sftp-server; id\n")
    assert b"is not yes, no or the path of sftp-server on the machine" in g.sallyport("check", "-c", g.conf).stderr


# Directories of logins.


@pytest.fixture
def tree(g, ring):
    users = g.dir / "users"

    def add(login):
        d = users / login
        d.mkdir(parents=True)
        (d / "sshpiper_upstream").write_text(f"root@127.0.0.1:{g.upstream.port}\n")
        (d / "authorized_keys").write_text(ring.get("client").public + "\n")
        (d / "known_hosts").write_text(g.upstream.known_hosts())
        (d / "id_rsa").write_text(ring.get("client").path.read_text())
        (d / "id_rsa").chmod(0o600)
        return d

    more(g, "20.ini", f"[lookup]\nOrder = ini directory\n[lookup directory]\nPath = {users}\n")
    g.add, g.users = add, users
    add("bob")
    return g


def tree_notes(g):
    return [line.removeprefix(f"{g.users}/") for line in g.notes().splitlines()]


def summary(g):
    return g.sallyport("check", "-c", g.conf).stdout.decode()


def test_directories_get_the_checks_of_routes(tree, ring):
    assert tree_notes(tree) == [] and summary(tree) == f"{tree.conf}: ok: 1 route, 1 directory\n"
    port = re.search(r"ListenAddress = \S+:(\d+)", (tree.conf / "00-gateway.ini").read_text())[1]
    harms = {
        "empty": (lambda d: [p.unlink() for p in d.iterdir()], ": holds neither route.ini nor sshpiper_upstream"),
        "nokey": (lambda d: (d / "id_rsa").unlink(), ": has neither id_rsa nor a route.ini with Key"),
        "open": (lambda d: (d / "id_rsa").chmod(0o644), ": others have access to it (mode 0644); run: chmod go= "),
        "damaged": (lambda d: (d / "id_rsa").write_text("x\n"), "id_rsa"),
        "lines": (lambda d: (d / "authorized_keys").write_text("x\n" + ring.get("client").public), "authorized_keys:1: is not"),
        "none": (lambda d: (d / "authorized_keys").write_text(""), "there is no public key in"),
        "hosts": (lambda d: (d / "known_hosts").unlink(), "known_hosts: No such file"),
        "other": (lambda d: (d / "known_hosts").write_text(""), "connections to it will be refused"),
        "words": (lambda d: (d / "route.ini").write_text("HostName = h\nIdentityFile = x\n"), "route.ini:2: unknown keyword"),
        "totp": (lambda d: ((d / "totp").touch(), (d / "totp").chmod(0o644)), "totp: others have access to it"),
        "key": (lambda d: (d / "route.ini").write_text("HostName = h\nKey = none\nHostKeyFingerprint = SHA256:"
                                                       + "A" * 43), "there is no key none in the key store"),
        "inline": (lambda d: (d / "route.ini").write_text("HostName = h\nAuthorizedKey = ssh-ed25519 AAAA\nKey = alice\n"),
                   "AuthorizedKey: is not a public key line"),
        "back": (lambda d: (d / "sshpiper_upstream").write_text(f"127.0.0.1:{port}"), "leads back to this gateway"),
    }
    for login, (harm, _) in harms.items():
        harm(tree.add(login))
    tree.add("alice")  # the [route alice] answers first
    (tree.users / ".hidden").mkdir()
    (tree.users / "README").write_text("x")
    found = tree_notes(tree)
    for login, (_, said) in harms.items():
        mine = [n for n in found if n.startswith(f"{login}/") or n.startswith(f"{login}:")]
        assert any(said in n for n in mine), (login, found)
    assert [n for n in found if n.startswith("alice")] == [
        f"alice: is never used: [route alice] at {tree.conf}/10-alice.ini:1 is found first"]
    assert not [n for n in found if n.startswith(("bob", ".hidden", "README"))]
    assert summary(tree) == f"{tree.conf}: ok: 1 route, {len(harms) + 2} directories, {len(found)} notes\n"


def test_directories_below_a_login(tree):
    """With Recursive, the key selects one of them: each is looked at and listed."""
    (tree.conf / "20.ini").write_text((tree.conf / "20.ini").read_text() + "Recursive = yes\n")
    for name in ("git/one", "git/two/deep"):
        tree.add(name)
    assert tree_notes(tree) == []
    assert [line.split()[0] for line in tree.command("route").splitlines()] in (
        ["alice", "bob", "git", "git"], ["alice", "git", "git", "bob"])
    (tree.users / "git" / "one" / "id_rsa").chmod(0o644)
    (tree.users / "git" / "two" / "deep" / "authorized_keys").write_text("x\n")
    found = tree_notes(tree)
    assert any("git/one/id_rsa: others have access" in n for n in found), found
    assert any(n.startswith("git/two/deep/authorized_keys:1: is not a public key") for n in found), found


def test_key_of_a_directory_is_not_removed(tree):
    (tree.add("carol") / "route.ini").write_text("HostName = h\nKey = spare\n")
    tree.command("key", "generate", "spare")
    p = tree.sallyport("key", "remove", "spare", "-c", tree.conf)
    assert p.returncode == 1 and p.stderr.decode().splitlines()[0] == f"    {tree.users}/carol/route.ini: Key = spare"
    tree.command("key", "remove", "spare", "--force")


def test_every_directory_is_counted(tree):
    for i in range(300):
        shutil.copytree(tree.users / "bob", tree.users / f"u{i}")
    assert tree_notes(tree) == [] and "301 directories" in summary(tree)


def test_list_of_routes(tree):
    more(tree, "30.ini", "[route dev-*]\nREST\nPort = 2200\nUser = %1\n[route six]\nREST\nAuthorizedKey = x AAAA\n".replace(
        "[route six]\nREST", "[route six]\nHostName = ::1 db\nKey = alice\nStrictHostKeyChecking = no"))
    lines = [line.split() for line in tree.command("route").splitlines()]
    at = f"127.0.0.1:{tree.upstream.port}"
    assert lines == [["alice", at, ME], ["dev-*", "h:2200", "%1"], ["six", "[::1],db:22", "%u"], ["bob", at, "root"]]
    tree.add("broken")
    (tree.users / "broken" / "id_rsa").unlink()
    p = tree.sallyport("route", "-c", tree.conf)
    assert p.returncode == 0 and len(p.stdout.splitlines()) == 4 and b"users/broken: has neither id_rsa" in p.stderr
    assert tree.sallyport("route", "--dial", "-c", tree.conf).returncode == 2
