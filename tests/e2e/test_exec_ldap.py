"""plugins/exec/ldap, with a real slapd."""

import base64
import re
import signal
import socket

import pytest

from lab.daemons import Slapd
from lab.program import HOSTILE, PROGRAMS, run
from lab.sshd import ME

SECRET = "s3cret of the gateway"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 "


def entry(dn, uid, **attributes):
    """An entry in LDIF, with every value in base64, so that the server decides what it is."""
    lines = [f"dn: {dn},dc=test"]
    attributes = {"objectClass": ["inetOrgPerson", "ldapPublicKey", "extensibleObject"], "sn": "x", "cn": "x",
                  "uid": uid, **attributes}
    for name, values in attributes.items():
        for value in values if isinstance(values, list) else [values]:
            value = value if isinstance(value, bytes) else value.encode()
            lines.append(f"{name}:: {base64.b64encode(value).decode()}")
    return "\n".join(lines) + "\n\n"


PEOPLE = {
    "alice": {"ipHostNumber": ["10.0.0.5", "10.0.0.6"], "host": "h.example.com",
              "sshPublicKey": [KEY + "alice@ü", KEY + "two\n", b" " + KEY.encode() + b"three"],
              "labeledURI": ["http://wiki/alice", "ssh://ubuntu@10.0.0.9:2200 her machine"]},
    "tout(le)*\\monde": {"ipHostNumber": "10.0.0.7"},
    "jürgen": {"ipHostNumber": "10.0.0.8", "labeledURI": "ssh://[fe80::1]"},
    "twohosts": {"labeledURI": ["ssh://a", "ssh://b"]},
    "oddhost": {"labeledURI": "ssh://a/b"},
    "newline": {"ipHostNumber": "10.0.0.5", "description": "ubuntu\nHostName = evil"},
    "return": {"ipHostNumber": "10.0.0.5", "description": "ubuntu\rx"},
    "comment": {"ipHostNumber": "10.0.0.5", "description": "ubuntu ;x"},
    "onlycomment": {"ipHostNumber": "10.0.0.5", "description": ";x"},
    "binary": {"ipHostNumber": "10.0.0.5", "sshPublicKey": b"\xff\xfe\x00"},
    "nul": {"ipHostNumber": "10.0.0.5", "sshPublicKey": b"a\x00b"},
    "brace": {"ipHostNumber": "10.0.0.5", "description": "{sn}"},
}


@pytest.fixture(scope="module")
def slapd():
    ldif = "dn: dc=test\nobjectClass: domain\ndc: test\n\n"
    for unit in ("open", "closed", "twins"):
        ldif += f"dn: ou={unit},dc=test\nobjectClass: organizationalUnit\nou: {unit}\n\n"
    ldif += "dn: cn=gateway,dc=test\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n" \
            f"cn: gateway\nuserPassword: {SECRET}\n\n"
    for i, (uid, attributes) in enumerate(PEOPLE.items()):
        ldif += entry(f"cn=p{i},ou=open", uid, **attributes)
    ldif += entry("cn=bob,ou=closed", "bob", ipHostNumber="10.0.1.1")
    for n in (2, 3):
        for i in range(n):
            ldif += entry(f"cn=t{n}{i},ou=open", f"twin{n}", ipHostNumber="10.0.0.5")
    server = Slapd(ldif)
    yield server
    server.stop()


ROUTE = ("HostName = {ipHostNumber}\nUser = ubuntu ; as everybody\nAuthorizedKey = {sshPublicKey}\n"
         "Key = people\nForceCommand = echo {{uid}} {nothing}\n")


@pytest.fixture
def settings(program_dir, slapd):
    """settings(route lines, URI=…): the path of a settings file for the program."""
    def write(route=ROUTE, **words):
        words = {"URI": slapd.uri, "Base": "ou=open,dc=test", "CACert": slapd.cert, "NetworkTimeout": 20, **words}
        file = program_dir / "ldap"
        file.write_text("# where\n\n" + "".join(f"{k} = {v}\n" for k, v in words.items() if v) + route)
        return file

    return write


def test_ldap(settings):
    r = run("ldap", settings(), "alice")
    assert (r.returncode, r.stderr) == (0, "")
    assert sorted(r.stdout.splitlines()) == sorted([
        "HostName = 10.0.0.5 10.0.0.6", "User = ubuntu", f"AuthorizedKey = {KEY}alice@ü", f"AuthorizedKey = {KEY}two",
        f"AuthorizedKey =  {KEY}three", "Key = people"])
    assert run("ldap", settings("HostName = x-{HOST}.{sn}\n"), "alice").stdout == "HostName = x-h.example.com.x\n"
    assert run("ldap", settings("User = {description}\n"), "brace").stdout == "User = {sn}\n"
    assert run("ldap", settings(""), "alice").returncode == 0
    assert run("ldap", settings(Scope="base"), "alice").returncode == 1
    r = run("ldap", settings(Filter="(&(objectClass=ldapPublicKey)(|(uid=%u)(cn=%u)))"), "p0")
    assert "HostName = 10.0.0.5 10.0.0.6" in r.stdout


def test_ldap_uris(settings):
    route = "HostName = {labeledURI:host}\nPort = {labeledURI:port}\nUser = {labeledURI:user}\n"
    r = run("ldap", settings(route), "alice")
    assert r.stdout == "HostName = 10.0.0.9\nPort = 2200\nUser = ubuntu\n", r
    assert run("ldap", settings(route), "jürgen").stdout == "HostName = fe80::1\n"
    assert run("ldap", settings("HostName = {labeledURI:host}\n"), "twohosts").stdout in (
        "HostName = a b\n", "HostName = b a\n")
    r = run("ldap", settings("User = {labeledURI:host}\n"), "twohosts")
    assert (r.returncode, r.stdout) == (2, "") and "2 values for User, which takes one" in r.stderr
    assert run("ldap", settings(route), "oddhost").returncode == 2


@pytest.mark.parametrize("login", [
    *HOSTILE, "*", "a*", "alice*", "alice)(uid=*", "*)(objectClass=*", "alice)(|(uid=*", "\\2a", "(", ")", "\\",
    "alice\\", "%u", "alice ", "tout", "\xff".encode("latin-1").decode("utf-8", "surrogateescape"), "ü", "nobody",
])
def test_ldap_login_matches_exactly(settings, login):
    if login == "alice ":  # a directory ignores blanks at the ends (RFC 4518 section 2.6.1)
        assert run("ldap", settings(), login).returncode == 0
        return
    r = run("ldap", settings(), login)
    assert (r.returncode, r.stdout, r.stderr) == (1, "", ""), r.stderr


def test_ldap_odd_login_names(settings, slapd):
    mark = slapd.log.mark()
    for login, host in (("tout(le)*\\monde", "10.0.0.7"), ("jürgen", "10.0.0.8")):
        assert f"HostName = {host}\n" in run("ldap", settings(), login).stdout
    slapd.log.wait(r"filter=\"\(uid=tout\\28le\\29\\2A\\5Cmonde\)\"", mark)


@pytest.mark.parametrize("login", ["newline", "return", "comment", "onlycomment", "binary", "nul"])
def test_ldap_values_with_line_breaks(settings, login):
    r = run("ldap", settings("HostName = {ipHostNumber}\nUser = {description}\nAuthorizedKey = {sshPublicKey}\n"),
            login)
    assert r.returncode == 2 and r.stderr, r


@pytest.mark.parametrize("login", ["twin2", "twin3"])
def test_ldap_several_entries_of_one_login(settings, login):
    r = run("ldap", settings(), login)
    assert (r.returncode, r.stdout) == (2, "")
    assert "2 entries have this login" in r.stderr or "Size limit exceeded" in r.stderr


def test_ldap_bind_password(settings, program_dir, slapd):
    """A bound program sees protected entries; the password is on no command line."""
    secret = program_dir / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o640)
    words = {"Base": "dc=test", "BindDN": "cn=gateway,dc=test", "PasswordFile": secret}
    assert run("ldap", settings(Base="dc=test"), "bob").returncode != 0
    assert "HostName = 10.0.1.1\n" in run("ldap", settings(**words), "bob").stdout

    spy = program_dir / "bin" / "ldapsearch"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{program_dir}/argv\nenv >>{program_dir}/argv\n'
                   'exec /usr/bin/ldapsearch "$@"\n')
    spy.chmod(0o755)
    assert run("ldap", settings(**words), "bob", PATH=f"{spy.parent}:/usr/bin:/bin").returncode == 0
    seen = (program_dir / "argv").read_text()
    assert "cn=gateway" in seen and SECRET not in seen and SECRET not in slapd.log.text()

    secret.write_text("wrong\n")
    r = run("ldap", settings(**words), "bob")
    assert r.returncode == 2 and "Invalid credentials" in r.stderr
    # A name without a password is an anonymous bind, which servers accept.
    secret.write_text("\n")
    assert run("ldap", settings(**words), "bob").returncode == 2
    secret.write_text(SECRET)
    secret.chmod(0o644)
    r = run("ldap", settings(**words), "bob")
    assert r.returncode == 2 and "others may read it" in r.stderr
    assert run("ldap", settings(BindDN="cn=gateway,dc=test"), "bob").returncode == 2


def test_ldap_tls(settings, program_dir, slapd, ring):
    """StartTLS is the default, must succeed, and the certificate of the server must match."""
    mark = slapd.log.mark()
    assert run("ldap", settings(), "alice").returncode == 0
    slapd.log.wait("TLS established", mark)
    for words in ({"CACert": None}, {"URI": slapd.uri.replace("127.0.0.1", "localhost")}):
        mark = slapd.log.mark()
        r = run("ldap", settings(**words), "alice")
        assert (r.returncode, r.stdout) == (2, "")
        assert not slapd.log.find("SRCH", mark)
    # The ldap.conf of this host does not matter.
    (program_dir / "ldap.conf").write_text("TLS_REQCERT never\n")
    assert run("ldap", settings(CACert=None), "alice", LDAPCONF=str(program_dir / "ldap.conf")).returncode == 2
    mark = slapd.log.mark()
    assert run("ldap", settings(StartTLS="no"), "alice").returncode == 0
    assert run("ldap", settings(URI=slapd.ldapi, CACert=None), "alice").returncode == 0
    # slapd may log TLS of the connections before these only now
    plain = set(re.findall(r"conn=(\d+) op=\d+ SRCH", slapd.log.text(mark)))
    assert len(plain) == 2
    assert not plain & set(re.findall(r"conn=(\d+) fd=\d+ TLS established", slapd.log.text(mark)))
    assert run("ldap", settings(StartTLS="on"), "alice").returncode == 2
    assert run("ldap", settings(CACert="/nowhere"), "alice").returncode == 2


def test_ldap_server_that_does_not_answer(settings, slapd):
    r = run("ldap", settings(URI="ldap://127.0.0.1:1"), "alice")
    assert r.returncode == 2 and "Can't contact LDAP server" in r.stderr
    assert run("ldap", settings(URI=f"ldap://127.0.0.1:1 {slapd.uri}"), "alice").returncode == 0
    # The time limit also covers a server that accepts and never answers the TLS handshake: without one run() fails.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
        assert run("ldap", settings(URI=uri, NetworkTimeout=1), "alice").returncode == 2
    r = run("ldap", settings(Base="ou=gone,dc=test"), "alice")
    assert r.returncode == 2 and "No such object" in r.stderr


def test_ldap_wrong_settings(settings, program_dir):
    assert run("ldap", program_dir / "gone", "alice").returncode == 2
    assert run("ldap", program_dir, "alice").returncode == 2
    for words in ({"URI": None}, {"Base": None}, {"Filter": "(uid=alice)"}, {"Filter": "(uid=%u"},
                  {"Scope": "all"}, {"BindDN": "cn=x"}, {"URI": "gopher://x"}):
        r = run("ldap", settings(**words), "alice")
        assert (r.returncode, r.stdout) == (2, "") and r.stderr, words
    assert run("ldap", settings("HostName\n"), "alice").returncode == 2
    assert run("ldap", settings("Host Name = x\n"), "alice").returncode == 2


def test_ldap_login(program_gateway, slapd, ring, tmp_path):
    """One entry is sufficient.  Relative paths start where those of conf.d do."""
    w = program_gateway(PROGRAMS / "ldap", "ldap", timeout=10)
    (w.gateway.dir / "cert.pem").write_bytes(slapd.cert.read_bytes())
    (w.gateway.dir / "ldap").write_text(
        f"URI = {slapd.uri}\nBase = ou=open,dc=test\nCACert = cert.pem\nNetworkTimeout = 60\nFilter = (cn=%u)\n"
        "HostName = {labeledURI:host}\nPort = {labeledURI:port}\nUser = {labeledURI:user}\n"
        "AuthorizedKey = {sshPublicKey}\nKey = mapped\nUserKnownHostsFile = known_hosts\n")
    assert w.ssh("true").code == 255
    slapd.add(entry("cn=alice,ou=open", "a", cn="alice", labeledURI=f"ssh://{ME}@127.0.0.1:{w.sshd.port}",
                    sshPublicKey=[KEY + "AAAA", ring.get("client").public]))
    w.answers()
    assert w.new_client(user="*").ssh("true").code == 255
    w.gateway.log.wait(r"Invalid user \* from")
    # A stopped server fails the login in time.
    slapd.process.send_signal(signal.SIGSTOP)
    try:
        mark = w.gateway.log.mark()
        assert w.ssh("true").code == 255
        w.gateway.log.wait(r"lookup exec: alice: .*took too long", mark)
    finally:
        slapd.process.send_signal(signal.SIGCONT)
    w.answers()
