"""The programs in plugins/exec that need no server of their own, each with what it asks."""

import http.server
import json
import os
import urllib.parse

import pytest

from lab import web
from lab.program import HOSTILE, PROGRAMS, run
from lab.sshd import ME

# table


def test_table(program_dir):
    file = program_dir / "users=1.csv"
    file.write_text("# who\n\nlogin,HostName,User,Key\nalice,10.0.0.5,ubuntu,a\n10,h,u,k\nbob,10.0.0.6,,b\r\n")
    r = run("table", file, "alice")
    assert (r.returncode, r.stdout) == (0, "HostName = 10.0.0.5\nUser = ubuntu\nKey = a\n")
    assert run("table", file, "bob").stdout == "HostName = 10.0.0.6\nKey = b\n"
    for login in ["login", "carol", "", *HOSTILE]:
        r = run("table", file, login)
        assert (r.returncode, r.stdout) == (1, ""), login


@pytest.mark.parametrize("text", ["login\n", "name:HostName\n", "login,Host Name\n", "login,HostName\nalice,a,b\n",
                                  'login,HostName\nalice,"a"\n'])
def test_malformed_table(program_dir, text):
    (program_dir / "t").write_text(text)
    r = run("table", program_dir / "t", "alice")
    assert r.returncode == 2 and r.stdout == "" and "line " in r.stderr
    assert run("table", program_dir / "gone", "alice").returncode == 2
    assert run("table", program_dir, "alice").returncode == 2


def test_table_login(program_gateway, tmp_path):
    file = tmp_path / "users"
    w = program_gateway(PROGRAMS / "table", file)
    file.write_text(
        "login|HostName|Port|User|Key|AuthorizedKeysFile|UserKnownHostsFile\n"
        f"alice|127.0.0.1|{w.sshd.port}|{ME}|mapped|alice.pub|known_hosts\n"
    )
    w.answers()
    assert w.new_client(user="bob").ssh("true").code == 255
    w.gateway.log.wait("Invalid user bob")


# http


@pytest.fixture
def service():
    """An HTTP service: service.answers[login] = (status, body); service.asked has the requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(url.query, keep_blank_values=True, strict_parsing=True)
            server.asked.append((query, self.headers.get("Authorization")))
            status, body = server.answers.get(query["login"][0], (404, "{}"))
            body = body if isinstance(body, bytes) else body.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with web.serving(Handler) as server:
        server.asked, server.answers = [], {}
        server.url = f"http://127.0.0.1:{server.server_port}/ssh"
        yield server


def test_http(program_dir, service):
    service.answers["alice"] = (200, json.dumps({
        "HostName": ["10.0.0.5", "10.0.0.6"], "Port": 2200, "AuthorizedKey": ["a AAAA one", "b AAAA"],
        "Key": "k", "User": None, "Foo": True}))
    (program_dir / "headers").write_text("Authorization: Bearer x\n")
    r = run("http", service.url, program_dir / "headers", "alice", SALLYPORT_FINGERPRINT="SHA256:a+b/c",
            SALLYPORT_CLIENT_ADDRESS="fe80::1%eth0")
    assert r.stdout == ("HostName = 10.0.0.5 10.0.0.6\nPort = 2200\nAuthorizedKey = a AAAA one\n"
                        "AuthorizedKey = b AAAA\nKey = k\nFoo = yes\n"), r
    assert r.returncode == 0
    assert service.asked == [({"login": ["alice"], "fingerprint": ["SHA256:a+b/c"],
                               "client": ["fe80::1%eth0"]}, "Bearer x")]


def test_http_login_matches_exactly(program_dir, service):
    for login in HOSTILE:
        assert run("http", service.url, login).returncode == 1
        assert service.asked.pop() == ({"login": [login], "fingerprint": [""], "client": [""]}, None)


@pytest.mark.parametrize("status, body", [
    (500, "{}"), (302, "{}"), (200, ""), (200, "[]"), (200, "{"), (200, '{"a b": "c"}'), (200, '{"a": {}}'),
    (200, '{"a\\n": "c"}'), (200, '{"a": [[]]}'), (200, '{"User": ";x"}'),
    (200, '{"User": "a\\nHostName = evil"}'), (200, '{"User": "a\\u0000"}'), (200, '{"User": "a ;b"}'),
    (200, '{"AuthorizedKey": ["a\\nb"]}'), (200, b'{"a": "' + b"x" * 70000 + b'"}'),
])
def test_http_wrong_answers(program_dir, service, status, body):
    service.answers["alice"] = (status, body)
    r = run("http", service.url, "alice")
    assert r.returncode == 2 and r.stderr, r


def test_http_service_that_is_down(program_dir):
    assert run("http", "http://127.0.0.1:1/", "alice").returncode == 2
    assert run("http", "file:///etc/passwd", "alice").returncode == 2


def test_http_login(program_gateway, service, ring):
    w = program_gateway(PROGRAMS / "http", service.url)
    service.answers["alice"] = (200, json.dumps({
        "HostName": "127.0.0.1", "Port": w.sshd.port, "User": ME, "Key": "mapped",
        "AuthorizedKey": [ring.get("client").public], "UserKnownHostsFile": "known_hosts"}))
    w.answers()
    service.answers["alice"] = (503, "")
    assert w.ssh("true").code == 255
    w.gateway.log.wait(r"lookup exec: alice: .*exit status 2: the service says 503")


# machines


def test_machines(program_dir):
    (program_dir / "list").write_text(
        "# all\nweb1 10.0.0.5\ndb1 10.0.0.6:2200 alice,bob\n10 h\nodd a b c d\nv6 fe80::1\n")
    (program_dir / "route").write_text("AuthorizedKeysFile = users/{user}.pub\nKey = {machine}-{user}\n")
    r = run("machines", "list", "route", "alice+web1")
    assert (r.returncode, r.stdout) == (
        0, "HostName = 10.0.0.5\nUser = alice\nAuthorizedKeysFile = users/alice.pub\nKey = web1-alice\n")
    assert run("machines", "list", "route", "bob+db1").stdout.startswith("Port = 2200\nHostName = 10.0.0.6\n")
    assert run("machines", "list", "route", "bob+v6").stdout.startswith("HostName = fe80::1\n")
    assert run("machines", "list", "route", "carol+odd").returncode == 2
    for login in ["carol+db1", "alice+web2", "alice", "alice+1e1", "../x+web1", "a&+web1", *HOSTILE]:
        r = run("machines", "list", "route", login)
        assert (r.returncode, r.stdout) == (1, ""), login
    assert run("machines", "gone", "route", "alice+web1").returncode == 2


def test_machines_login(program_gateway, tmp_path):
    w = program_gateway(PROGRAMS / "machines", tmp_path / "list", tmp_path / "route")
    (tmp_path / "list").write_text(f"box 127.0.0.1:{w.sshd.port}\n")
    (tmp_path / "route").write_text(
        "AuthorizedKeysFile = alice.pub\nKey = mapped\nUserKnownHostsFile = known_hosts\n")
    assert w.new_client(user=f"{ME}+box").ssh("id -un").text == f"{ME}\n"
    assert w.new_client(user=f"{ME}+other").ssh("true").code == 255


# username-router


ALLOW = "Allow = *.lab.example.com web1:* 10.0.0.0/24:22,2222 [fd00::7]\nallow = db1:5022\n"


@pytest.mark.parametrize("login, answer", [
    ("a.lab.example.com+bob", ("a.lab.example.com", 22, "bob")),
    ("A.b.LAB.example.com:22+bob", ("a.b.lab.example.com", 22, "bob")),
    ("web1:99+b+c@d", ("web1", 99, "b+c@d")),
    ("10.0.0.255:2222+bob", ("10.0.0.255", 2222, "bob")),
    ("[FD00::7]+bob", ("fd00::7", 22, "bob")),
    ("db1:5022+bob", ("db1", 5022, "bob")),
])
def test_username_router(program_dir, login, answer):
    (program_dir / "s").write_text(ALLOW + "Passthrough = yes ; the password\nKey = {user}-{host}-{port}\n")
    host, port, user = answer
    r = run("username-router", "s", login)
    assert (r.returncode, r.stdout, r.stderr) == (0, (
        f"HostName = {host}\nPort = {port}\nUser = {user}\nPassthrough = yes\nKey = {user}-{host}-{port}\n"), "")


@pytest.mark.parametrize("login", [
    "a.lab.example.com:23+bob", "lab.example.com+bob", "a.lab.example.com.evil.com+bob", "10.0.1.1+bob", "10.0.0.1:23+bob",
    "10.0.0.1.evil.com+bob", "10.0.0.01+bob", "10.0.0.256+bob", "0x0a000001+bob", "10.1+bob", "[fd00::8]+bob", "fd00::7+bob",
    "[10.0.0.1]+bob", "web1:0+bob", "web1:+bob", "web1:65536+bob", "web1:1a+bob", "web1", "+bob", "web1+", "web1+-x",
    "web1+.x", "web1+a b", "web1+a;b", "web1+%u", "*+bob", "*.lab.example.com+bob", "127.0.0.1.lab.example.com:9+bob",
    "10.0.0.0/24+bob", "db1+bob", "any+bob", *HOSTILE])
def test_username_router_refuses_other_targets(program_dir, login):
    (program_dir / "s").write_text(ALLOW)
    r = run("username-router", "s", login)
    assert (r.returncode, r.stdout, r.stderr) == (1, "", "")


@pytest.mark.parametrize("allow, login, answers", [
    ("any", "8.8.8.8:99+bob", True), ("any", "[::1]+bob", True), ("*", "a.b+bob", True), ("*", "127.0.0.1+bob", False),
    ("*", "127.1+bob", False), ("*", "2130706433+bob", False), ("*", "0x7f.1+bob", False), ("*", "[::1]+bob", False),
    ("0.0.0.0/0", "127.0.0.1+bob", True), ("a*b*c", "aXbXXc+bob", True), ("a*b*c", "ac+bob", False),
    ("10.0.0.1/32", "10.0.0.1+bob", True), ("10.0.0.1/32", "10.0.0.0+bob", False),
])
def test_username_router_allow(program_dir, allow, login, answers):
    (program_dir / "s").write_text(f"Allow = {allow}\n")
    assert run("username-router", "s", login).returncode == (0 if answers else 1)


@pytest.mark.parametrize("settings", ["", "Key = x\n", "Allow = \n", "Allow = 10.0.0.*\n", "Allow = 10.0.0.0/33\n",
                                      "Allow = a:x\n", "Allow = a:0\n", "Allow = a b@c\n", "nonsense\n"])
def test_username_router_wrong_settings(program_dir, settings):
    (program_dir / "s").write_text(settings)
    r = run("username-router", "s", "a:1+bob")
    assert r.returncode == 2 and r.stderr, r


def test_username_router_login(program_gateway, tmp_path):
    w = program_gateway(PROGRAMS / "username-router", tmp_path / "s")
    (tmp_path / "s").write_text(f"Allow = 127.0.0.1:{w.sshd.port}\nAuthorizedKeysFile = alice.pub\nKey = mapped\n"
                                "UserKnownHostsFile = known_hosts\n")
    assert w.new_client(user=f"127.0.0.1:{w.sshd.port}+{ME}").ssh("id -un").text == f"{ME}\n"
    assert w.new_client(user=f"127.0.0.2:{w.sshd.port}+{ME}").ssh("true").code == 255


def test_programs_are_writable_by_owner_alone():
    for name in os.listdir(PROGRAMS):
        mode = (PROGRAMS / name).stat().st_mode
        if (PROGRAMS / name).is_file() and name != "README.md":
            assert mode & 0o133 == 0o111, name
        else:
            assert mode & 0o022 == 0, name
