"""Several [route]s for one login: MatchFingerprint, MatchAddress, MatchLocalAddress, MatchLocalPort."""

import base64
import re
import subprocess

import pytest

from lab import net
from lab.password import PASSWORD
from lab.wait import wait_for
from lab.way import Way


@pytest.fixture
def git_routes(make_gateway, make_sshd, ring, tmp_path):
    """git@ for everybody: each key has its own upstream."""
    g = make_gateway()
    upstreams = {}
    for name in ("client", "person"):
        upstreams[name] = make_sshd(env={"WHOSE": name})
        key = ring.get(name)
        g.route(f"git/{name}", upstreams[name], [key], key=name, MatchFingerprint=key.fingerprint)
    g.start()
    w = Way("gateway", tmp_path, ring, upstreams["client"], g, login="git")
    yield w
    w.close()


WHOSE = "echo $WHOSE"


def test_key_selects_route(git_routes, ring):
    for name in ("client", "person"):
        assert git_routes.new_client(ring.get(name)).ssh(WHOSE).text == f"{name}\n"
    assert not git_routes.gateway.log.find("Invalid user|invalid user")


def test_proven_key_selects_route(git_routes, ring, short):
    """The agent offers an unknown key first, then one of another route: the key that signs counts."""
    git_routes.client.popen(["ssh-agent", "-D", "-a", short / "agent"])
    wait_for("the agent", lambda: net.accepts(str(short / "agent")))
    env = {"SSH_AUTH_SOCK": str(short / "agent")}
    keys = [ring.get("stranger"), ring.get("person"), ring.get("client")]
    for key in keys:
        git_routes.client.run(["ssh-add", "-q", key.path], env=env, check=True)
    c = git_routes.new_client()
    c.key = None
    c.write_config(IdentitiesOnly="no")
    assert c.ssh(WHOSE, env=env).text == "person\n"
    log = git_routes.gateway.log.text()
    assert log.index(ring.get("stranger").fingerprint) < log.index(ring.get("person").fingerprint)


def test_key_among_thousands(git_routes, ring, ca):
    """Sections for thousands of other keys come first; a certificate counts as its key; a stranger is refused."""
    g, key = git_routes.gateway, ring.get("person")
    text = (g.conf / "10-git_person.ini").read_text()
    section = re.sub("(MatchFingerprint = ).*", r"\1{}", text).replace("[route git/person]", "[route git/other{}]")
    prints = ["SHA256:" + base64.b64encode(i.to_bytes(32, "big")).decode().rstrip("=") for i in range(3000)]
    (g.conf / "05.ini").write_text("".join(section.format(i, p) for i, p in enumerate(prints)))
    text = re.sub("AuthorizedKeysFile = .*", f"TrustedUserCAKeys = {ca.file}", text)
    (g.conf / "10-git_person.ini").write_text(text)
    g.command("reload")
    assert git_routes.new_client(ring.get("client")).ssh(WHOSE).text == "client\n"
    certificate = ca.sign(key, "git")
    listed = subprocess.run(["ssh-keygen", "-lf", certificate], capture_output=True, text=True, check=True).stdout
    assert listed.split()[1] == key.fingerprint and "-CERT" in listed
    assert git_routes.new_client(key, CertificateFile=certificate).ssh(WHOSE).text == "person\n"
    refused = [git_routes.new_client(ring.get("stranger"), user=user).ssh("true") for user in ("git", "nobody")]
    assert [r.code for r in refused] == [255, 255] and "git@127.0.0.1: Permission denied (" in refused[0].err
    assert refused[0].err.replace("git@", "nobody@") == refused[1].err


@pytest.fixture
def password_users(gated, ring, hashed):
    """Most logins have a password and no key; for a few, the key selects the route."""
    def make(**words):
        w = gated()
        for i in range(12):
            w.gateway.route(f"other{i}", w.sshd, [], key="alice", AuthorizedKeysFile=None, PasswordHash=hashed)
        for i in range(4):
            w.gateway.route(f"git{i}/x", w.sshd, [ring.get("client")], key="alice",
                            MatchFingerprint=ring.get("client").fingerprint, **words)
        w.gateway.command("reload")
        return w

    return make


def test_key_is_requested_where_it_selects_route(password_users):
    """Although an unknown login may look as if it had only a password."""
    w = password_users()
    for i in range(4):
        assert w.new_client(user=f"git{i}").ssh("echo in").text == "in\n"


@pytest.mark.parametrize("words, steps", [
    ({"AuthenticationMethods": "publickey,password"}, '"publickey" with partial success'),
    ({"AuthorizedKeysFile": None}, "Offering public key"),
])
def test_password_after_key_that_selects_route(password_users, hashed, words, steps):
    """In the route that the key selected: a password besides the key, or in place of it."""
    w = password_users(PasswordHash=hashed, **words)
    c = w.new_client(user="git1")
    t = c.terminal("-v", "echo in", BatchMode="no", PreferredAuthentications="publickey,password")
    t.expect(steps)
    t.expect("password: ")
    t.send(PASSWORD + "\n")
    t.expect("^in")
    assert t.wait() == 0
    t.close()


@pytest.mark.parametrize("methods, better", [
    ("password,publickey", "publickey,password"),
    ("keyboard-interactive,publickey,password", "publickey,keyboard-interactive,password"),
    ("password keyboard-interactive,publickey", "publickey,keyboard-interactive"),
])
def test_key_that_selects_route_comes_first(make_gateway, make_sshd, ring, hashed, methods, better):
    g = make_gateway()
    words = {"PasswordHash": hashed, "AuthenticationMethods": methods}
    g.route("git", make_sshd(), [ring.get("client")], **words)
    g.command("check")  # without MatchFingerprint any order is valid
    g.route("git", make_sshd(), [ring.get("client")], MatchFingerprint=ring.get("client").fingerprint, **words)
    p = g.sallyport("check", "-c", g.conf)
    said = p.stderr.decode()
    assert p.returncode == 78 and len(said.splitlines()) == 1, said
    assert re.match(rf"\S+/10-git\.ini:\d+: AuthenticationMethods: \S+ can't be completed with "
                    rf"MatchFingerprint: .*; write {better}$", said), said
    words["AuthenticationMethods"] = f"{methods} {better}"
    g.route("git", make_sshd(), [ring.get("client")], MatchFingerprint=ring.get("client").fingerprint, **words)
    g.command("check")


@pytest.mark.parametrize("option, more, texts", [
    ("--from", "", ("10.0.0.1:22",)),
    ("--to", ", alone or as ADDRESS:PORT or [ADDRESS]:PORT",
     ("10.0.0.1:", "10.0.0.1:0", ":22", "[10.0.0.1]:22", "1:2:3:4:5:6:7:8:22", "[::1]", "[::1:22", "[::1]22")),
])
def test_address_of_route_command(make_gateway, option, more, texts):
    g = make_gateway()
    for text in ("gateway.example.com", "10.0.0", "10.0.0.0/8", "", *texts):
        p = g.sallyport("route", "alice", option, text, "-c", g.conf)
        assert p.returncode == 2 and p.stderr.decode() == (
            f'sallyport: {option}: "{text}" is not an IPv4 or IPv6 address{more}\n')


def test_each_port_has_its_routes(make_gateway, make_sshd, ring, tmp_path):
    """Two ports of one gateway: other machines, and for one login a policy of its own."""
    ports = [net.free_port(), net.free_port()]
    g = make_gateway(port=ports[0], ListenAddress=" ".join(f"127.0.0.1:{p}" for p in ports))
    first, second = make_sshd(env={"WHOSE": "first"}), make_sshd(env={"WHOSE": "second"})
    keys = [ring.get("client")]
    g.route("alice", first, keys, key="a")
    g.route("alice/outside", second, keys, key="b", MatchLocalPort=ports[1], ForceCommand="echo only $WHOSE")
    g.route("bob/inside", first, keys, key="a", MatchLocalPort=f"1 {ports[0]}")
    g.start()
    w = Way("gateway", tmp_path, ring, first, g)
    try:
        known = "".join(f"[127.0.0.1]:{p} {k.public}\n" for p in ports for k in g.host_keys)
        outside = w.new_client(known_hosts=known, Port=ports[1])
        assert w.ssh(WHOSE).text == "first\n" and outside.ssh("true").text == "only second\n"
        assert w.lets_in("bob")
        r = w.new_client(user="bob", known_hosts=known, Port=ports[1]).ssh("true")
        assert r.code == 255 and "Permission denied" in r.err
        for to, name in (("127.0.0.1", "alice"), (f"127.0.0.1:{ports[0]}", "alice"),
                         (f"127.0.0.1:{ports[1]}", "alice/outside"), (f"[::1]:{ports[1]}", "alice/outside")):
            assert f"[route {name}] at" in g.command("route", "alice", "--to", to)
    finally:
        w.close()


def test_plain_ssh_names_no_host(make_gateway, make_sshd, ring, tmp_path):
    """MatchHost is for what a connection says outside of SSH: `route --host` plays one that does."""
    g = make_gateway()
    sshd, keys = make_sshd(), [ring.get("client")]
    g.route("alice", sshd, keys, key="a")
    g.route("alice/vm1", sshd, keys, key="a", MatchHost="vm1.example.org", ForceCommand="echo vm1")
    g.route("alice/zone", sshd, keys, key="a", MatchHost="*", ForceCommand="echo any")
    g.start()
    w = Way("gateway", tmp_path, ring, sshd, g)
    try:
        assert w.ssh("echo plain").text == "plain\n"
    finally:
        w.close()
    for words, name in (((), "alice"), (("--host", "VM1.example.org"), "alice/vm1"),
                        (("--host", "2001:db8::1"), "alice/zone")):
        assert f"[route {name}] at" in g.command("route", "alice", *words)
    for text in ("", "-x", "a b", "vm1:22", "[::1]"):
        p = g.sallyport("route", "alice", "--host", text, "-c", g.conf)
        assert p.returncode == 2 and p.stderr.decode() == (
            f'sallyport: --host: "{text}" is not a host name or a numeric address\n')


def test_key_of_no_route(git_routes, ring):
    r = git_routes.new_client(ring.get("stranger")).ssh("true")
    assert r.code == 255 and "Permission denied" in r.err
    git_routes.gateway.log.wait("Invalid user git")
    assert len(re.findall("Invalid user git", git_routes.gateway.log.text())) == 1


def test_section_without_match_must_be_last(make_gateway, make_sshd, ring, tmp_path):
    g = make_gateway()
    a, b = make_sshd(env={"WHOSE": "office"}), make_sshd(env={"WHOSE": "elsewhere"})
    keys = [ring.get("client")]
    g.route("alice", b, keys, key="b")
    g.route("alice/office", a, keys, key="a", MatchAddress="127.0.0.0/8 !127.0.0.9, 10.0.0.0/8",
            MatchLocalAddress="127.0.0.1")
    g.route("dev-*/office", a, keys, key="a", MatchAddress="127.0.0.1")
    g.start()
    w = Way("gateway", tmp_path, ring, a, g)
    try:
        assert w.ssh(WHOSE).text == "office\n"
        assert w.ssh(WHOSE, BindAddress="127.0.0.9").text == "elsewhere\n"
        c = w.new_client(user="dev-1")
        assert c.ssh(WHOSE).text == "office\n"
        assert c.ssh(WHOSE, BindAddress="127.0.0.9").code == 255
        out = g.command("route", "alice", "--from", "10.1.2.3")
        assert "[route alice] at" in out  # the address it would connect from is not known here
        out = g.command("route", "alice", "--from", "10.1.2.3", "--to", "127.0.0.1")
        assert "[route alice/office] at" in out
        out = g.command("route", "alice", "--from", "192.0.2.1", "--to", "127.0.0.1")
        assert "[route alice] at" in out
        out = g.command("check", "--dump")
        assert "[route alice/office]" in out and "MatchAddress = 127.0.0.0/8 !127.0.0.9, 10.0.0.0/8" in out
    finally:
        w.close()


def test_route_explains_match_fingerprint(git_routes, ring):
    g = git_routes.gateway
    p = g.sallyport("route", "git", "-c", g.conf)
    assert p.returncode == 1 and b"it may depend on the key" in p.stdout
    out = g.command("route", "git", "--key", ring.get("person").path.with_suffix(".pub"))
    assert "[route git/person] at" in out and "may log in" in out
