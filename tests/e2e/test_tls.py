"""SSH inside TLS: `openssl s_client`, socat and stunnel as the ProxyCommand, a [tls] section at the gateway."""

import json
import shutil
import ssl
import subprocess

import pytest

from lab import net
from lab.bulk import sha256_of
from lab.client import echoes, open_session
from lab.gateway import sanitized
from lab.procs import needs_access_to
from lab.sshd import ME
from lab.wait import PATIENCE, wait_for
from lab.x509 import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("x509") / "ca")


@pytest.fixture(scope="module")
def served(authority):
    """A certificate of the gateway for each type of key."""
    return {kind: authority.issue("gw.example.org", kind, names="DNS:gw.example.org,DNS:vm1.example.org")
            for kind in ("rsa", "ecdsa", "ed25519")}


def add_tls(g, certificate, name="main", key="tls_main", **words):
    """A [tls] section with this certificate."""
    g.command("key", "add", key, certificate.key)
    shutil.copy(certificate.path, g.conf / f"{key}.pem")
    g.write(f"20-{name}.ini", f"tls {name}", {"Certificate": f"conf.d/{key}.pem", "Key": key, **words})


@pytest.fixture
def tls_way(make_gateway, make_sshd, way_through, served):
    """tls_way(kind, **words): a gateway with a [tls] section, an sshd behind it, and a way between them."""

    def make(kind="ecdsa", options=None, **words):
        sshd = make_sshd()
        g = make_gateway(**(options or {}))
        g.route("alice", sshd, [g.ring.get("client")])
        add_tls(g, served[kind], **words)
        return way_through(g, sshd)

    return make


def s_client(way, *words, host="vm1.example.org"):
    """What ssh -o ProxyCommand takes."""
    return " ".join(["openssl s_client -quiet -verify_quiet -connect", f"127.0.0.1:{way.gateway.port}", "-servername",
                     host, *map(str, words)])


def ssh(way, command, *words, host="vm1.example.org", **more):
    return way.ssh(command, ProxyCommand=s_client(way, *words, host=host), **more)


def client_hello():
    """The first bytes of a client of TLS."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="vm1.example.org").do_handshake()
    return out.read()


def assert_confined(gateway):
    (process,) = gateway.role("tls")
    needs_access_to(process)
    if not sanitized():
        assert process.status("Seccomp") == "2"
    assert process.status("NoNewPrivs") == "1"
    descriptors = {n: target for n, target in process.descriptors().items() if n > 2}
    assert descriptors.keys() == {3, 4, 5} and all(t.startswith("socket:") for t in descriptors.values())
    own = set(descriptors.values())
    wait_for("no socket is the master's as well", lambda: not own & set(gateway.master.descriptors().values()))


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_shell_through_s_client(tls_way, authority, kind, version):
    way = tls_way(kind)
    trust = ["-CAfile", authority.certificate.path, "-verify_return_error", "-verify_hostname", "vm1.example.org"]
    r = ssh(way, "echo in; echo err >&2; exit 7", version, *trust)
    assert (r.code, r.text) == (7, "in\n") and "err" in r.err
    way.gateway.log.wait(r"TLS connection from 127\.0\.0\.1 port \d+.*: TLSv1\." + version[-1])
    assert way.gateway.log.find(r"Accepted publickey for alice from 127\.0\.0\.1 port \d+ ssh2")


def test_transfers_through_tls(tls_way, bulk):
    """20 MB each way, at once and by sftp, arrive unchanged, also with socat as the client."""
    way, b = tls_way("rsa"), bulk(20)
    socat = f"socat - OPENSSL:127.0.0.1:{way.gateway.port},verify=0"
    for proxy in (s_client(way), socat):
        with open(b.path, "rb") as f:
            p = way.client.spawn("cat", stdin=f, ProxyCommand=proxy)
            assert sha256_of(p.stdout) == b.sha256
        assert p.wait(PATIENCE) == 0
    got = way.client.home / "got"
    way.client.sftp(f"get {b.path} {got}\n", ProxyCommand=socat)
    with open(got, "rb") as f:
        assert sha256_of(f) == b.sha256


def test_end_of_each_side(tls_way):
    """The process of a TLS connection ends with its session, and the session with the process."""
    way = tls_way()
    p = open_session(way.client, ProxyCommand=s_client(way))
    assert len(way.gateway.role("tls")) == 1 and len(way.gateway.sessions()) == 1
    p.stdin.close()
    assert p.wait(PATIENCE) == 0
    wait_for("no process of the connection", lambda: not way.gateway.role("tls") and not way.gateway.sessions())
    first, second = (open_session(way.client, ProxyCommand=s_client(way)) for _ in range(2))
    victim = min(way.gateway.role("tls"), key=lambda process: process.start)
    victim.kill()
    assert first.wait(PATIENCE) == 255
    echoes(second)
    wait_for("the end of its session", lambda: len(way.gateway.sessions()) == 1)


def test_process_is_confined(tls_way, people):
    """Three sockets and no file, and a filter of system calls, before its client has sent a certificate and after it."""
    way = tls_way(ClientCA=people.certificate.path)
    with net.connect(("127.0.0.1", way.gateway.port)) as s:
        s.sendall(client_hello())
        assert s.recv(1) == b"\x16"  # its answer, so that it waits for the certificate
        assert_confined(way.gateway)
    wait_for("its end", lambda: not way.gateway.role("tls"))
    p = open_session(way.client, ProxyCommand=s_client(way, *showing(people.alice)))
    assert_confined(way.gateway)
    p.stdin.close()
    assert p.wait(PATIENCE) == 0


def test_restart_leaves_sessions(tls_way):
    way = tls_way()
    p = open_session(way.client, ProxyCommand=s_client(way))
    way.gateway.kill(15)
    echoes(p)
    way.gateway.start()
    echoes(p)
    assert ssh(way, "echo new").text == "new\n"
    p.stdin.close()
    assert p.wait(PATIENCE) == 0


def test_plain_ssh_on_the_same_port(tls_way):
    way = tls_way()
    way.answers()
    assert not way.gateway.role("tls")


def test_new_certificate_without_a_restart(tls_way, authority, served):
    """A changed file counts after a reload; one that does not fit its key is refused, and the old one stays."""
    way = tls_way("ecdsa")
    g = way.gateway
    show = ["openssl", "s_client", "-connect", f"127.0.0.1:{g.port}", "-servername", "vm1.example.org"]

    def serial():
        p = subprocess.run(show, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
        p = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=p.stdout, capture_output=True, check=True)
        return p.stdout.decode().strip()

    before = serial()
    p = open_session(way.client, ProxyCommand=s_client(way))
    new = authority.issue("gw.example.org", names="DNS:vm1.example.org")
    shutil.copy(new.path, g.conf / "tls_main.pem")
    assert g.reload().returncode != 0
    assert serial() == before
    assert "Key: tls_main is not the private key of the certificate" in g.check()[1]
    g.command("key", "remove", "tls_main")
    g.command("key", "add", "tls_main", new.key)
    assert g.reload().returncode == 0
    assert serial() == f"serial={new.fact('-serial')}" != before
    echoes(p)


def test_what_is_no_tls(tls_way):
    """A handshake that fails is one line in the log; TLS 1.1 and an unknown ALPN are refused."""
    way = tls_way(MinProtocol="TLSv1.3", ALPN="ssh")
    g = way.gateway
    assert ssh(way, "true", "-tls1_2").code == 255
    g.log.wait(r"TLS connection from 127\.0\.0\.1 port \d+ failed.*: unsupported protocol")
    assert ssh(way, "true", "-alpn", "h2").code == 255
    g.log.wait(r"TLS connection from 127\.0\.0\.1 port \d+ failed.*: no application protocol")
    assert ssh(way, "echo in", "-alpn", "h2,ssh").text == "in\n"


def test_machine_by_server_name(tls_way, make_sshd):
    """The SNI chooses the machine; an address may stand there, too."""
    way = tls_way()
    g, keys = way.gateway, [way.ring.get("client")]
    for label, host in {"vm7": "vm7.example.org", "ten": "10.0.0.5"}.items():
        g.route(f"alice/{label}", make_sshd(env={"WHOSE": label}), keys, key=label, MatchHost=host)
    g.hangup()
    for host, whose in {"VM7.example.org": "vm7\n", "10.0.0.5": "ten\n", "vm8.example.org": "\n"}.items():
        assert ssh(way, "echo $WHOSE", host=host).text == whose
    g.log.wait(r"the connection from 127\.0\.0\.1 port \d+ is for host vm7\.example\.org")


def test_sections_by_server_name(tls_way, authority):
    """The first section whose MatchHost has the SNI; without one, a client that no section wants is refused."""
    way = tls_way(MatchHost="*.example.org")
    g = way.gateway
    add_tls(g, authority.issue("other.example.net"), "other", "tls_other", MatchHost="other.example.net")
    g.hangup()
    trust = ["-CAfile", authority.certificate.path, "-verify_return_error", "-verify_hostname"]
    assert ssh(way, "echo in", *trust, "gw.example.org", host="vm1.example.org").text == "in\n"
    assert ssh(way, "echo in", *trust, "other.example.net", host="other.example.net").text == "in\n"
    assert ssh(way, "echo in", host="elsewhere.example.com").code == 255
    g.log.wait(r"TLS for elsewhere\.example\.com, which no \[tls\] or \[forward\] section takes")


def test_raw_stream_to_a_machine(tls_way, people, make_sshd):
    """Mode = raw: the machine's own sshd is inside, for who has a client certificate, by the name in the SNI."""
    way = tls_way(ClientCA=people.certificate.path)
    g, machine = way.gateway, make_sshd()
    machine.authorize(way.ring.get("client").public)
    g.write("30-raw.ini", "forward raw", {
        "Protocol": "ssh", "Mode": "raw", "MatchHost": "127.0.0.*", "Target": f"%h:{machine.port}",
        "AllowDestinations": f"127.0.0.1/32:{machine.port}"})
    g.hangup()
    known = "".join(f"[127.0.0.1]:{g.port} {key.public}\n" for key in machine.host_keys)
    client = way.new_client(user=ME, known_hosts=known)
    proxy = s_client(way, *showing(people.alice), host="127.0.0.1")
    assert client.ssh("echo in", ProxyCommand=proxy).text == "in\n"
    # the same by a name that is not allowed, and without the certificate
    assert client.ssh("echo in", ProxyCommand=s_client(way, *showing(people.alice), host="127.0.0.2")).code == 255
    assert client.ssh("echo in", ProxyCommand=s_client(way, host="127.0.0.1")).code == 255
    # other names are for the routes
    assert ssh(way, "echo in", *showing(people.alice)).text == "in\n"


# --- client certificates ---


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Certificates of people, by another authority than the gateway's."""
    people = Authority(tmp_path_factory.mktemp("people") / "ca", "People CA")
    people.alice = people.issue("/OU=staff/CN=alice", names="email:alice@example.org")
    people.bob = people.issue("/OU=guests/CN=bob")
    people.gone = people.issue("/OU=staff/CN=gone")
    people.crl = people.revoke(people.gone)
    return people


def showing(certificate):
    return ["-cert", certificate.path, "-key", certificate.key]


def test_client_certificates(tls_way, people, authority):
    """None, an unknown, a revoked one: no connection, and the log says why.  A good one lets nobody in by itself."""
    way = tls_way(ClientCA=people.certificate.path, ClientCRL=people.crl)
    g = way.gateway
    assert ssh(way, "echo in", *showing(people.alice)).text == "in\n"
    g.log.wait(r"TLS connection from 127\.0\.0\.1 port \d+.*, certificate CN=alice serial .* SHA256 "
               + people.alice.fingerprint)
    g.log.wait(r"alice from 127\.0\.0\.1 port \d+ -> .*, certificate CN=alice SHA256 " + people.alice.fingerprint)
    refused = {
        r"peer did not return a certificate": [],
        r"CN=gone: certificate revoked": showing(people.gone),
        r"CN=gw\.example\.org: unable to get local issuer certificate": showing(authority.issue("gw.example.org")),
    }
    for why, words in refused.items():
        for version in ("-tls1_2", "-tls1_3"):
            mark = g.log.mark()
            assert ssh(way, "echo in", version, *words).code == 255
            g.log.wait(r"TLS connection from 127\.0\.0\.1 port \d+ failed.*" + why, mark)
    # without a key of alice's, no certificate helps
    stranger = way.new_client(key=way.ring.get("stranger"))
    r = stranger.ssh("echo in", ProxyCommand=s_client(way, *showing(people.alice)))
    assert r.code == 255 and "Permission denied" in r.err


def test_routes_by_client_certificate(tls_way, people):
    way = tls_way(ClientCA=people.certificate.path)
    g, sshd = way.gateway, way.sshd
    keys = [g.ring.get("client")]
    for label, words in {"staff": {"MatchClientOU": "staff"}, "mail": {"MatchClientSAN": "email:*@example.org"},
                         "hash": {"MatchClientFingerprint": people.bob.fact("-fingerprint", "-sha256")},
                         "name": {"MatchClientCN": "b?b"}}.items():
        g.route(f"{label}", sshd, keys, key="alice", **words)
    g.hangup()

    def who(login):
        return [c for c in (people.alice, people.bob)
                if way.new_client(user=login).ssh("echo in", ProxyCommand=s_client(way, *showing(c))).text == "in\n"]

    assert who("staff") == who("mail") == [people.alice]
    assert who("hash") == who("name") == [people.bob]
    # outside of TLS there is no certificate
    assert not way.new_client(user="staff").ssh("echo in").text


def test_client_rules(tls_way, people, make_sshd, tmp_path):
    """By login, network and certificate, from the first handshake on; a mistake has its line."""
    rules = tmp_path / "rules"
    rules.write_text("deny login=root\nallow ou=staff login=al* from=127.0.0.0/8\nallow cn=late from=192.0.2.1\n")
    way = tls_way(ClientCA=people.certificate.path, ClientRules=rules)
    g, machine = way.gateway, make_sshd()
    g.route("bob", way.sshd, [way.ring.get("client")], key="alice")
    g.write("30-raw.ini", "forward raw", {"Protocol": "ssh", "Mode": "raw", "MatchHost": "raw.example.org",
                                          "Target": f"127.0.0.1:{machine.port}"})
    g.hangup()
    alice, bob = showing(people.alice), showing(people.bob)
    assert ssh(way, "echo in", *alice).text == "in\n"
    r = way.new_client(user="bob").ssh("echo in", ProxyCommand=s_client(way, *alice))
    assert r.code == 255 and "Permission denied" in r.err
    g.log.wait(r"ClientRules of \[tls main\], line 0: bob is denied to its certificate")
    assert ssh(way, "echo in", *bob).code == 255
    g.log.wait(r"TLS connection from .* failed.*: no rule of ClientRules allows the certificate CN=bob")
    # to a machine itself, where there is no login, only what a rule without one allows
    assert ssh(way, "echo in", *alice, host="raw.example.org").code == 255
    g.log.wait(r"ClientRules: its certificate is for certain logins alone")
    rules.write_text("allow ou=staff\npermit cn=bob\n")
    status, said = g.check()
    assert status == 78 and said == f'{rules}:2: "permit" is none of allow, deny and group\n'
    assert g.reload().returncode != 0
    rules.write_text("allow group=people\n")
    assert g.check() == (78, f'{rules}:1: group=people: no line says "group people ..."\n')
    rules.write_text("deny group=guests\nallow group=people\ngroup people ou=staff cn=bob\ngroup guests cn=bob\n")
    assert g.reload().returncode == 0
    assert ssh(way, "echo in", *bob).code == 255
    g.log.wait(r"TLS connection from .* failed.*: line 1 of ClientRules denies the certificate CN=bob")
    assert way.new_client(user="bob").ssh("echo in", ProxyCommand=s_client(way, *alice)).text == "in\n"


@pytest.mark.parametrize("rule, answer", [("allow ou=staff", 200), ("allow ou=staff login=al*", 403)])
def test_client_rules_and_connect(tls_way, people, tmp_path, rule, answer):
    """CONNECT inside TLS opens a machine itself by a rule without login= alone, as Mode = raw does for SSH."""
    rules = tmp_path / "rules"
    rules.write_text(f"{rule}\n")
    way = tls_way(ClientCA=people.certificate.path, ClientRules=rules)
    g, port = way.gateway, way.sshd.port
    g.write("30-raw.ini", "forward raw", {"Protocol": "connect", "Mode": "raw", "Target": "%h:%p",
                                          "AllowDestinations": f"127.0.0.1/32:{port}"})
    g.hangup()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(people.alice.path, people.alice.key)
    with (net.connect(("127.0.0.1", g.port)) as plain,
          context.wrap_socket(plain, server_hostname="vm1.example.org") as s):
        s.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        got = s.makefile("rb")
        assert got.readline().split()[1] == str(answer).encode()
        if answer == 200:
            assert got.readline() == b"\r\n" and got.readline().startswith(b"SSH-2.0-")


@pytest.mark.skipif(not shutil.which("stunnel"), reason="no stunnel")
def test_stunnel(tls_way, people, authority, tmp_path):
    """With a server name that it checks, and a client certificate; without that, nothing."""
    way = tls_way(ClientCA=people.certificate.path)

    def stunnel(name, *words):
        conf = tmp_path / f"{name}.conf"
        conf.write_text("\n".join([
            "client = yes", "pid =", "syslog = no", f"output = {tmp_path}/{name}.log",
            f"connect = 127.0.0.1:{way.gateway.port}", "sni = vm1.example.org",
            f"CAfile = {authority.certificate.path}", "verifyChain = yes", "checkHost = vm1.example.org", *words, ""]))
        return way.ssh("cat; exit 7", stdin=b"over\n", ProxyCommand=f"stunnel {conf}")

    r = stunnel("alice", f"cert = {people.alice.path}", f"key = {people.alice.key}")
    assert (r.code, r.text) == (7, "over\n"), r
    way.gateway.log.wait(r"for host vm1\.example\.org: TLSv1\.3, certificate CN=alice ")
    assert stunnel("nobody").code == 255
    way.gateway.log.wait(r"TLS connection from .* failed.*: peer did not return a certificate")


def test_lookup_program_is_told_of_the_certificate(lookup, people, served):
    """Its fingerprint and its CN as it is, in the environment alone."""
    x = lookup('told) printf "%s\\n" "$SALLYPORT_CLIENT_CERTIFICATE" "$SALLYPORT_CLIENT_CN" >"$here/told"; answer ;;')
    g = x.gateway
    cn = """a $(touch owned) `touch owned` 'b' "c"; touch owned"""
    odd = people.issue(f"/CN={cn}")
    add_tls(g, served["ecdsa"], ClientCA=people.certificate.path)
    g.hangup()
    client = x.way.new_client(user="told")
    assert client.ssh("echo in", ProxyCommand=s_client(x.way, *showing(odd))).text == "in\n"
    assert (x.here / "told").read_text() == f"{odd.fingerprint}\n{cn}\n"
    assert client.ssh("echo in").text == "in\n"
    assert (x.here / "told").read_text() == "\n\n"
    assert not list(g.dir.rglob("owned"))


def test_route_of_a_certificate(tls_way, people, make_sshd, tmp_path):
    """sallyport route --client-certificate: what it says, its route, and the line of ClientRules that decides."""
    rules = tmp_path / "rules"
    rules.write_text("deny login=root\nallow ou=staff login=al* from=192.0.2.0/24\n")
    way = tls_way(ClientCA=people.certificate.path, ClientRules=rules, MatchHost="*.example.org")
    g, keys = way.gateway, [way.ring.get("client")]
    g.route("alice/staff", way.sshd, keys, key="alice", MatchClientOU="staff")

    def route(certificate, *words, login="alice"):
        p = g.sallyport("route", login, "-c", g.conf, "--client-certificate", certificate, *words)
        return p.returncode, p.stdout.decode(), p.stderr.decode()

    host = ["--host", "vm1.example.org"]
    status, said, _ = route(people.alice.path, *host, "--from", "192.0.2.7")
    assert status == 0 and f"SHA256 {people.alice.fingerprint}\n" in said
    for line in ("CN=alice", "OU=staff", "email:alice@example.org", f"allowed by {rules}:2"):
        assert f" {line}\n" in said
    assert "[route alice/staff] at" in said
    status, said, _ = route(people.bob.path, *host, "--from", "192.0.2.7")
    assert status == 1 and f"denied: no line of {rules} holds\n" in said and "[route alice] at" in said
    status, said, _ = route(people.alice.path, *host)
    assert status == 1 and "needs --from ADDRESS" in said
    status, said, _ = route(people.alice.path, *host, login="root")
    assert status == 1 and f"denied by {rules}:1\n" in said
    status, said, _ = route(people.alice.path)
    assert status == 1 and "no [tls] section is for clients without --host" in said
    assert route(people.alice.key, *host) == (1, "", f"sallyport: {people.alice.key}: not a PEM certificate\n")
    rules.write_text("allow\npermit\n")
    status, _, said = route(people.alice.path, *host)
    assert status == 78 and said == f'{rules}:2: "permit" is none of allow, deny and group\n'


def test_log_as_json(tls_way, people):
    """The events tls and tls_failed with their fields, and the certificate in the lines about the session inside."""
    way = tls_way(options={"LogFormat": "json"}, ClientCA=people.certificate.path)
    log = way.gateway.log
    assert ssh(way, "echo in", *showing(people.alice)).text == "in\n"
    assert ssh(way, "echo in").code == 255
    log.wait(r'"event":"tls_failed"')
    log.wait(r'"event":"closed"')
    events = {e["event"]: e for e in map(json.loads, log.text().splitlines()) if "event" in e}
    where = {"client": "127.0.0.1", "host": "vm1.example.org"}
    who = {"client_certificate": people.alice.fingerprint, "client_cn": "alice"}
    expected = {"tls": {**where, **who, "tls": "main", "version": "TLSv1.3"}, "routed": {**where, **who},
                "closed": {**where, **who},
                "tls_failed": {**where, "tls": "main", "reason": "peer did not return a certificate"}}
    for event, fields in expected.items():
        assert {k: events[event].get(k) for k in fields} == fields


# --- check ---


def test_check_of_tls_sections(make_gateway, authority, served):
    g = make_gateway()
    good = served["ecdsa"]
    g.command("key", "add", "tls_main", good.key)
    cases = {
        "has no Certificate": {"Key": "tls_main"},
        "has no Key": {"Certificate": good.path},
        "not PEM certificates": {"Certificate": good.key, "Key": "tls_main"},
        "is not the private key of the certificate": {"Certificate": served["rsa"].path, "Key": "tls_main"},
        "a key is for one of the two": {"Certificate": good.path, "Key": "host_ed25519"},
        "ClientCA: ": {"Certificate": good.path, "Key": "tls_main", "ClientCA": good.key},
        "has ClientCRL without ClientCA": {"Certificate": good.path, "Key": "tls_main", "ClientCRL": good.path},
    }
    for text, words in cases.items():
        g.write("20-tls.ini", "tls main", words)
        status, said = g.check()
        assert status == 78 and f"{g.conf}/20-tls.ini:1: " in said and text in said, (text, said)
    g.write("20-tls.ini", "tls main", {"Certificate": good.path, "Key": "tls_main"})
    assert g.check() == (0, "")
    g.write("10-alice.ini", "route alice", {
        "HostName": "192.0.2.1", "Key": "tls_main", "AuthorizedKey": g.ring.get("client").public,
        "HostKeyFingerprint": "SHA256:" + 43 * "A"})
    assert "Key: tls_main is the key of [tls main], too" in g.notes()
