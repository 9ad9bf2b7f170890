"""Logins by key: on the downstream leg and on the upstream leg."""

import re
import subprocess

import pytest

from lab.agent import start_agent
from lab.keys import TYPES
from lab.wait import PATIENCE


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_of_user_key(own_way, ring, kind):
    key = ring.get("person", kind)
    w = own_way()
    add_authorized_keys(w, key)
    assert w.new_client(key).ssh("echo in").text == "in\n"
    name = {"ed25519": "ED25519", "rsa3072": "RSA"}.get(kind, "ECDSA")
    w.front.log.wait(
        rf"Accepted publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
        rf"{name} {re.escape(key.fingerprint)}"
    )


def add_authorized_keys(way, *keys):
    """Add these keys to the authorized_keys of the front."""
    if way.direct:
        way.sshd.authorize(*(k.public for k in keys))
    else:
        with open(way.gateway.conf / "alice.pub", "a", encoding="ascii") as f:
            f.writelines(k.public + "\n" for k in keys)


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_rsa_key_with_sha2(own_way, ring, algorithm):
    key = ring.get("person", "rsa3072")
    w = own_way()
    add_authorized_keys(w, key)
    r = w.new_client(key).ssh("echo in", PubkeyAcceptedAlgorithms=algorithm)
    assert r.text == "in\n"


def test_rsa_key_with_sha1_is_refused(own_way, ring):
    key = ring.get("person", "rsa3072")
    w = own_way()
    add_authorized_keys(w, key)
    r = w.new_client(key).ssh("echo in", PubkeyAcceptedAlgorithms="ssh-rsa")
    assert r.code == 255 and r.out == b"" and "Permission denied" in r.err


def test_authorized_keys_with_comments_and_blank_lines(own_way, ring):
    one, two = ring.get("client"), ring.get("person", "ecdsa256")
    w = own_way()
    file = w.sshd.authorized_keys if w.direct else w.gateway.conf / "alice.pub"
    text = f"# who may\n\n  \nnot a key at all\n{one.public} the first\n\t{two.public}"
    keep = file.read_text() if w.direct else ""
    file.write_text(text + "\n" + keep)
    for key in (one, two):
        assert w.new_client(key).ssh("echo in").text == "in\n"


def test_removing_key_takes_effect_at_once(own_way, ring):
    w = own_way()
    w.answers()
    file = w.sshd.authorized_keys if w.direct else w.gateway.conf / "alice.pub"
    file.write_text(ring.get("person").public + "\n")
    assert w.ssh("true").code == 255


# The mapped key.


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_of_added_mapped_key(own_way, ring, kind):
    """"direct": the user has the key."""
    key = ring.get("mapped", kind)
    w = own_way()
    w.sshd.authorized_keys.write_text(key.public + "\n")
    if w.gateway:
        w.gateway.add_key("other", key)
        w.gateway.route("bob", w.sshd, [ring.get("client")], key="other")
        w.gateway.stop()
        w.gateway.start()
        w.login = "bob"
        c = w.new_client()
    else:
        c = w.new_client(key)
    assert c.ssh("cat", stdin=b"through").out == b"through"
    w.sshd.log.wait(rf"Accepted publickey for \S+ .* {re.escape(key.fingerprint)}")


@pytest.mark.parametrize("options", [(), ("--type", "ed25519"), ("--type", "rsa"), ("--type", "ecdsa")])
def test_each_type_of_generated_mapped_key(make_gateway, make_sshd, way_through, ring, options):
    g = make_gateway()
    s = make_sshd()
    line = g.generate_key("mine", *options)
    kind = options[1] if options else "ed25519"
    assert line.startswith({"ed25519": "ssh-ed25519 ", "rsa": "ssh-rsa "}.get(kind, "ecdsa-sha2-"))
    s.authorize(line)
    g.route("alice", s, [ring.get("client")], key="mine")
    way_through(g, s).answers()


# Keys in an agent.


@pytest.mark.parametrize("count", [1, 6, 7, 20])
def test_right_key_is_last_of_many_in_agent(own_way, ring, short, count):
    """sshpiper #394.  sshd counts each key, so "direct" gets a higher limit."""
    w = own_way(sshd={"MaxAuthTries": "50"})
    keys = [ring.get(f"wrong{i}") for i in range(count - 1)] + [ring.get("client")]
    env = start_agent(w.client, short / "agent", *keys)
    c = w.new_client()
    c.write_config(IdentitiesOnly="no", IdentityFile="none")
    r = c.ssh("echo in", env=env)
    assert r.text == "in\n", r
    assert r.err == ""


def test_identity_file_is_used_before_other_keys_of_agent(own_way, ring, short):
    w = own_way()
    env = start_agent(w.client, short / "agent", *(ring.get(f"wrong{i}") for i in range(19)))
    c = w.new_client()
    c.write_config(IdentitiesOnly="no")
    assert c.ssh("echo in", env=env).code in (0, 255)
    c.write_config(IdentitiesOnly="yes")
    assert c.ssh("echo in", env=env).text == "in\n"


def test_only_methods_of_login_are_offered(own_way):
    w = own_way()
    r = w.ssh("-v", "true", PreferredAuthentications="none,password,keyboard-interactive")
    assert r.code == 255
    offers = set(re.findall(r"Authentications that can continue: (\S+)", r.err))
    assert offers == {"publickey"}


def test_paramiko_tries_second_key_on_same_connection(own_way, ring):
    """It requests the service again before each try."""
    paramiko = pytest.importorskip("paramiko")
    w = own_way()
    t = paramiko.Transport(("127.0.0.1", w.front.port))
    try:
        t.start_client(timeout=PATIENCE)
        with pytest.raises(paramiko.AuthenticationException):
            t.auth_publickey(w.login, paramiko.Ed25519Key.from_private_key_file(str(ring.get("wrong0").path)))
        t.auth_publickey(w.login, paramiko.Ed25519Key.from_private_key_file(str(ring.get("client").path)))
        assert t.is_authenticated()
    finally:
        t.close()


def test_max_auth_tries(own_way, ring):
    """Each failed signature counts; the connection ends in sshd's words."""
    paramiko = pytest.importorskip("paramiko")
    w = own_way(front={"MaxAuthTries": "3"})
    t = paramiko.Transport(("127.0.0.1", w.front.port))
    try:
        t.start_client(timeout=PATIENCE)
        tries = 0
        with pytest.raises((paramiko.SSHException, EOFError)):
            while tries < 10:
                wrong = paramiko.Ed25519Key.from_private_key_file(str(ring.get(f"wrong{tries}").path))
                try:
                    t.auth_publickey(w.login, wrong)
                except paramiko.AuthenticationException:
                    pass
                tries += 1
                if not t.is_active():
                    raise EOFError
        assert tries <= 3
    finally:
        t.close()
    w.answers()


def test_passwords_are_not_asked(own_way):
    w = own_way()
    p = subprocess.run(
        w.client.argv("ssh", "upstream", "true", BatchMode="no", PreferredAuthentications="password",
                      PubkeyAuthentication="no"),
        capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False, env=w.client.env,
    )
    assert p.returncode == 255 and b"Permission denied (publickey)" in p.stderr
