"""contrib/from-sshpiper: the configuration of sshpiperd's yaml plugin, converted and used."""

import base64
import json
import os
import re
import subprocess

import pytest

from lab.account import PASSWORD
from lab.ca import CA
from lab.documents import block, put
from lab.gateway import SALLYPORT, TREE
from lab.sshd import ME
from lab.way import Way

yaml = pytest.importorskip("yaml", reason="needs python3-yaml")

PROGRAM = TREE / "contrib" / "from-sshpiper"


def convert(directory, *files, env=None, name=()):
    """The completed process; no private key or password may be shown."""
    p = subprocess.run(["/usr/bin/python3", PROGRAM, *name, "--sallyport", SALLYPORT, directory, *files],
                       capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
                       env={**os.environ, **(env or {})})
    assert "PRIVATE KEY" not in p.stdout + p.stderr and PASSWORD not in p.stdout + p.stderr
    return p


def data(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class Piper:
    """sshpiperd.yaml, and the files that it names."""

    def __init__(self, directory, ring):
        self.dir = directory / "piper"
        self.dir.mkdir()
        self.ring = ring
        self.pipes = []

    def file(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return name

    def pipe(self, froms, **to):
        self.pipes.append({"from": froms if isinstance(froms, list) else [froms], "to": to})

    def save(self, name="sshpiperd.yaml", **more):
        return self.dir / self.file(name, yaml.safe_dump({"version": "1.0", "pipes": self.pipes, **more}))


@pytest.fixture
def piper(tmp_path, ring):
    return Piper(tmp_path, ring)


@pytest.fixture
def machine(make_sshd, ring):
    """A machine that takes the mapped key, and the fields of `to` for it."""
    def make(whose, **options):
        sshd = make_sshd(env={"WHOSE": whose}, **options)
        sshd.authorize(ring.get("mapped").public)
        return sshd, {"host": f"{sshd.host}:{sshd.port}", "username": ME, "known_hosts_data": data(sshd.known_hosts()),
                      "private_key_data": data(ring.get("mapped").path.read_bytes())}

    return make


WHOSE = "echo $WHOSE"


def test_logins_by_key_authority_and_expression(piper, machine, make_gateway, ring, tmp_path):
    """Every way to log in, with files and with data, to real machines."""
    one, to_one = machine("one")
    _, to_two = machine("two")
    ca = CA(tmp_path / "ca", ring.get("ca"))
    client, person, other = (ring.get(n) for n in ("client", "person", "stranger"))
    piper.file("mapped", ring.get("mapped").path.read_bytes())
    piper.file("hosts", one.known_hosts())
    piper.pipe({"username": "alice", "authorized_keys": [piper.file("a1", person.public + "\n"),
                                                         str(piper.dir / piper.file("a2", client.public))]},
               host=f"{one.host}:{one.port}", username=ME, private_key="mapped", known_hosts=["hosts"])
    piper.pipe([{"username": "bob", "authorized_keys_data": data(client.public)},
                {"username": "robert", "authorized_keys_data": [data(client.public), data(person.public)]}], **to_two)
    piper.pipe({"username": "carol", "trusted_user_ca_keys": piper.file("ca.pub", ca.file.read_bytes())}, **to_one)
    # one login, two machines: the key selects
    piper.pipe({"username": "git", "authorized_keys_data": data(client.public)}, **to_one)
    piper.pipe({"username": "git", "authorized_keys_data": data(person.public)}, **to_two)
    piper.pipe({"username": "^(?:any.*|bob|git)$", "username_regex_match": True,
                "authorized_keys_data": data(other.public)}, **to_two)
    piper.file(f"homes/{ME}-dev/keys", client.public)
    piper.pipe({"username": "^(?P<who>.+)-dev$", "username_regex_match": True,
                "authorized_keys": "homes/$DOWNSTREAM_USER/keys"}, **{**to_one, "username": "${who}"})

    g = make_gateway()
    p = convert(g.dir, piper.save(), env={"HOME": "/nowhere"})
    said = p.stderr.splitlines()
    assert p.returncode == 0 and all(line.startswith("note: ") for line in said), p
    assert len(said) == 1 and "stays at" in said[0], p
    assert "routes: 8, keys added: 1, not converted: 0" in p.stdout  # the same key in all pipes
    for path in g.dir.rglob("*"):
        if path.is_file() and path.parent.name != "keys":
            assert b"PRIVATE KEY" not in path.read_bytes(), path
    g.start()
    w = Way("gateway", tmp_path, ring, one, g)
    try:
        def whose(login, key, **options):
            return w.new_client(key, user=login, **options).ssh(WHOSE).text

        assert whose("alice", client) == whose("alice", person) == "one\n"
        assert whose("bob", client) == whose("robert", person) == "two\n"
        assert whose("bob", person) == ""
        assert whose("carol", person, CertificateFile=ca.sign(person, "carol")) == "one\n"
        assert whose("carol", person, CertificateFile=ca.sign(person, "bob")) == ""
        assert whose(f"{ME}-dev", client) == "one\n"
        assert whose(f"x{ME}-dev", client) == ""
        assert whose("git", client) == "one\n" and whose("git", person) == "two\n"
        # a login of its own whose key is of the pipe for all
        for login in ("anybody", "bob", "git"):
            assert whose(login, other) == "two\n", login
        assert whose("anybody", client) == ""
    finally:
        w.close()


def test_passwords(piper, machine, make_gateway, ring, tmp_path, account):
    """The user's own goes to the upstream; to.password, which sshpiper ignores, does log in."""
    sshd, to = machine("machine", UsePAM="yes", PasswordAuthentication="yes")
    to = {k: v for k, v in to.items() if k != "private_key_data"}
    piper.pipe({"username": "carried"}, **{**to, "username": account})
    piper.pipe({"username": "stored", "authorized_keys_data": data(ring.get("client").public)},
               **{**to, "username": account, "password": PASSWORD})
    g = make_gateway()
    p = convert(g.dir, piper.save())
    assert p.returncode == 0 and "to.password does nothing in sshpiper; here it logs in" in p.stderr, p
    assert PASSWORD.encode() not in b"".join(f.read_bytes() for f in g.dir.rglob("*") if f.is_file())
    g.start()
    w = Way("gateway", tmp_path, ring, sshd, g)
    try:
        assert w.new_client(user="stored").ssh("id -un").text == account + "\n"
        t = w.new_client(user="carried").prompting("id -un", PreferredAuthentications="password")
        t.expect("password: ")
        t.send(PASSWORD + "\n")
        t.expect(account)
        assert t.wait() == 0
        t.close()
    finally:
        w.close()


KEYS = {"authorized_keys_data": data("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHYwkyZa7t7lTV8N0mYc6uAoKZcYFVxYFUvS6o1YpHcE\n")}
BOX = {"host": "box", "ignore_hostkey": True}


@pytest.mark.parametrize("froms, to, reason", [
    ({"groupname": "staff", **KEYS}, {}, "groupname staff: there are no groups"),
    ({**KEYS}, {}, "no username and matches nobody"),
    ({"username": "x"}, {}, "lets anybody in there, with any password"),
    ({"username": "x", **KEYS}, {"private_key_data": None}, "no private_key: there is nothing to log in"),
    ({"username": "x", **KEYS}, {"private_key_data": "?"}, "private_key_data is not base64"),
    ({"username": "x", **KEYS}, {"host": None}, "to has no host"),
    ({"username": "x", **KEYS}, {"host": "a:b:c]"}, "'a:b:c]' is not host:port"),
    ({"username": "x", **KEYS}, {"private_key": "/nowhere/key"}, "/nowhere/key: No such file"),
    ({"username": "x", "authorized_keys": "none"}, {}, "none: No such file"),
    ({"username": "x", "authorized_keys": "$NO_SUCH_THING/x"}, {}, "the environment has no NO_SUCH_THING"),
    ({"username": "x\ny", **KEYS}, {}, "username has characters"),
    ({"username": "x", **KEYS}, {"username": "a ;b"}, "to.username has characters"),
    ({"username": "(x)", "username_regex_match": True, **KEYS}, {"username": "$1x"}, "not one of the first nine groups"),
    ({"username": "x", **KEYS}, {"ignore_hostkey": False}, "has neither known_hosts nor ignore_hostkey"),
    ({"username": "x", "frm": "y", **KEYS}, {}, "unknown field 'frm' in from"),
    ({"username": "x", **KEYS}, {"proxy": "y"}, "unknown field 'proxy' in to"),
])
def test_what_has_no_equivalent_is_named(piper, tmp_path, ring, froms, to, reason):
    """On standard error, with the pipe that it is about; the rest is converted."""
    key = {"private_key_data": data(ring.get("mapped").path.read_bytes())}
    piper.pipe({"username": "good", **KEYS}, **BOX, **key)
    piper.pipe(froms, **{k: v for k, v in {**BOX, **key, **to}.items() if v is not None})
    p = convert(tmp_path / "gate", piper.save())
    assert p.returncode == 1, p
    assert re.search(rf"sshpiperd\.yaml: pipe 2: .*(?:{reason})", p.stderr), p.stderr
    assert "[route good]" in (tmp_path / "gate/conf.d/50-sshpiper.ini").read_text()


def test_order_of_pipes_that_cannot_be_kept_is_named(piper, tmp_path, ring):
    key = {"private_key_data": data(ring.get("mapped").path.read_bytes())}
    ca = {"trusted_user_ca_keys_data": KEYS["authorized_keys_data"]}
    piper.pipe({"username": "x", **ca}, **BOX, **key)
    piper.pipe({"username": "x.*", "username_regex_match": True, **KEYS}, **BOX, **key)
    piper.pipe({"username": "y"}, **BOX)
    piper.pipe({"username": "y"}, **BOX)
    p = convert(tmp_path / "gate", piper.save())
    assert p.returncode == 1
    assert re.search(r"pipe 1: a login that it matches, .* goes on to \S+ pipe 2 in sshpiper", p.stderr), p.stderr
    assert re.search(r"pipe 4: not converted: it is never reached behind \S+ pipe 3", p.stderr), p.stderr
    assert re.search(r"note: .*pipe 2: username: sshpiper searches x\.\* in the login", p.stderr), p.stderr


def test_nothing_is_overwritten(piper, tmp_path, ring):
    key = {"private_key_data": data(ring.get("mapped").path.read_bytes())}
    piper.pipe({"username": "x", **KEYS}, **BOX, **key)
    file = piper.save()
    gate = tmp_path / "gate"
    assert convert(gate, file).returncode == 0
    before = {f: f.read_bytes() for f in gate.rglob("*") if f.is_file()}
    p = convert(gate, file)
    assert p.returncode == 2 and "50-sshpiper.ini exists already" in p.stderr
    (gate / "conf.d/50-sshpiper.ini").rename(gate / "conf.d/50-old.ini")
    (gate / "conf.d/sshpiper-pipe1.authorized_keys").rename(gate / "conf.d/old-keys")
    p = convert(gate, file)
    assert p.returncode == 2 and 'key sshpiper-pipe1 cannot be added: ' in p.stderr and "already exists" in p.stderr
    assert {f.name for f in gate.rglob("*") if f.is_file()} == {f.name for f in before} - {
        "50-sshpiper.ini", "sshpiper-pipe1.authorized_keys"} | {"50-old.ini", "old-keys"}
    (gate / "conf.d/50-old.ini").unlink()
    assert convert(gate, file, name=("--name", "again")).returncode == 0
    for f, text in before.items():
        if f.exists():
            assert f.read_bytes() == text


def test_keys_that_depend_on_the_login(piper, tmp_path, ring):
    """private_key with a placeholder: the keys that there are, and %1 in Key."""
    for name, kind in (("ann", "ed25519"), ("ben", "ecdsa256")):
        piper.file(f"keys/{name}/id", ring.get("mapped", kind).path.read_bytes())
    piper.pipe({"username": "^(.*)[.]web$", "username_regex_match": True, **KEYS}, host="box", username="$1",
               private_key="keys/$UPSTREAM_USER/id", ignore_hostkey="yes")
    p = convert(tmp_path / "gate", piper.save())
    assert p.returncode == 0 and "2 keys are added as sshpiper-pipe1-LOGIN" in p.stderr, p
    text = (tmp_path / "gate/conf.d/50-sshpiper.ini").read_text()
    assert "[route /^(.*)[.]web$/]" in text and "Key = sshpiper-pipe1-%1\n" in text and "User = %1\n" in text
    out = subprocess.run([SALLYPORT, "key", "list", "-c", tmp_path / "gate/conf.d"], capture_output=True, text=True,
                         check=True).stdout
    assert "sshpiper-pipe1-ann" in out and "sshpiper-pipe1-ben" in out


@pytest.mark.parametrize("text", ["", "[]", "pipes: 3", "a: [", "pipes: [{from: 1}]", "pipes: []"])
def test_other_files_are_refused(piper, tmp_path, text):
    p = convert(tmp_path / "gate", piper.dir / piper.file("x.yaml", text))
    assert p.returncode == 2 and "x.yaml" in p.stderr + "x.yaml" and p.stderr.count("Traceback") == 0, p
    assert not (tmp_path / "gate").exists()


def test_sshpiper_own_example(piper, tmp_path):
    """That of the README of sshpiper's plugin, with single values and a catch-all."""
    file = piper.file("README.yaml", json.dumps({"version": "1.0", "pipes": [
        {"from": [{"username": "password_simple"}], "to": {"host": "host-password:2222", "username": "user", **BOX}},
        {"from": [{"username": "password_.*_regex", "username_regex_match": True}],
         "to": {"username": "user", "ignore_hostkey": True, "host": "host-password:2222"}},
    ]}))
    p = convert(tmp_path / "gate", piper.dir / file)
    assert p.returncode == 0, p
    text = (tmp_path / "gate/conf.d/50-sshpiper.ini").read_text()
    assert "[route password_simple]\n" in text and "[route /password_.*_regex/]\n" in text
    assert text.count("Passthrough = yes\n") == 2 and "Port = 2222\n" in text


DOCUMENT = "doc/from-sshpiper.md"


def test_first_steps_of_the_document(piper, tmp_path, ring):
    """The commands of doc/from-sshpiper.md, in their order."""
    piper.pipe({"username": "x", **KEYS}, **BOX, private_key_data=data(ring.get("mapped").path.read_bytes()))
    text = put(block(DOCUMENT, "First steps", "sh"), ("cd /srv ", f"cd {tmp_path} "),
               ("/etc/ssh/ssh_host_ed25519_key", ring.get("gateway_host").path), ("sallyport ", SALLYPORT + " "))
    text += put(block(DOCUMENT, "yaml", "sh"), ("/etc/sshpiperd.yaml", piper.save()), (
        "/usr/local/share/sallyport/from-sshpiper ", f"/usr/bin/python3 {PROGRAM} --sallyport {SALLYPORT} "))
    p = subprocess.run(["/bin/sh", "-e"], input=text, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert p.returncode == 0, p
    first = tmp_path / "gateway/conf.d/00-gateway.ini"
    first.write_text(re.sub(r"(?m)^;?HostKey +=.*$", "HostKey = host_old", first.read_text()))
    listed = subprocess.run([SALLYPORT, "key", "list", "-c", tmp_path / "gateway"], capture_output=True, text=True,
                            check=True).stdout
    assert re.search(rf"^host_old +ED25519 +{re.escape(ring.get('gateway_host').fingerprint)}", listed, re.M), listed
    said = subprocess.run([SALLYPORT, "check", "-c", tmp_path / "gateway"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said


def test_workingdir_of_the_document(make_gateway, tmp_path):
    g = make_gateway()
    tree = tmp_path / "piper"
    tree.mkdir(mode=0o755)
    (g.conf / "20-lookup.ini").write_text(put(block(DOCUMENT, "workingdir", "ini"), ("/var/sshpiper", tree)))
    assert g.check()[0] == 0
