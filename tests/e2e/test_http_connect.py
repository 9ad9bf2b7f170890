"""HttpConnect: clients name their machine by CONNECT of HTTP, as to a web proxy."""

import asyncio
import base64
import contextlib
import json
import os
import shutil

import pytest

from lab import net
from lab.documents import block, put
from lab.memory import found_in
from lab.sshd import ME
from lab.way import Way
from lab.x509 import Authority

PASSWORD = "Quite_secret-12"

# `nc` may be another one, which knows no proxies.
needs_nc = pytest.mark.skipif(not shutil.which("nc.openbsd"), reason="no netcat-openbsd")
needs_proxytunnel = pytest.mark.skipif(not shutil.which("proxytunnel"), reason="no proxytunnel")
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="no curl")


@pytest.fixture
def gw(make_gateway, make_sshd, ring, tmp_path):
    """gw(words of [edge], front=...): a gateway where alice has two machines, vm1 and vm2, and is a stranger
    elsewhere.
    """
    made = []

    def make(front=None, passwords=(), more="", **edge):
        g = make_gateway(**(front or {}))
        machines = {}
        for host in ("vm1", "vm2.example.org"):
            machines[host] = make_sshd()
            g.route(f"alice/{host}", machines[host], [ring.get("client")], key=host, MatchHost=host)
        for name in passwords:
            p = g.sallyport("key", "add", name, "--password", "-c", g.conf, stdin=PASSWORD.encode() + b"\n")
            assert p.returncode == 0, p
        if passwords:
            edge["ConnectPasswords"] = " ".join(passwords)
        g.write("05-edge.ini", "edge", {"HttpConnect": "yes", "DetectTimeout": "60s", **edge}, more)
        g.start()
        w = Way("gateway", tmp_path / f"way{len(made)}", ring, machines["vm1"], g)
        w.machines = machines
        made.append(w)
        return w

    yield make
    for w in made:
        w.close()


def by(w, command, host, port=22, alias=None):
    """A client whose connections are made by this command."""
    return w.new_client(HostName=host, Port=port, HostKeyAlias=alias or f"[127.0.0.1]:{w.gateway.port}",
                        ProxyCommand=command.format(gw=f"127.0.0.1:{w.gateway.port}"))


def machine(c):
    """The port of the sshd that a login comes to."""
    r = c.ssh("echo $SSH_CONNECTION")
    assert r.code == 0, r
    return int(r.text.split()[3])


def request(w, head, source=None):
    """The status of the answer to a request, and all of it."""
    with net.connect(("127.0.0.1", w.gateway.port), source=source) as s:
        s.sendall(head.encode() + b"\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            with contextlib.suppress(ConnectionResetError):
                if data := s.recv(4096):
                    answer += data
                    continue
            break
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else None, answer.decode()


def basic(name, password=PASSWORD):
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


RAW = """
[forward machines]
Protocol = connect
Target = %h:%p
AllowDestinations = 127.0.0.1:{port}
"""

NC = "nc.openbsd -X connect -x {gw} %h %p"


@needs_nc
def test_host_by_netcat(gw):
    w = gw()
    for host, sshd in w.machines.items():
        assert machine(by(w, NC, host)) == sshd.port
        w.gateway.log.wait(rf"CONNECT to {host} port 22 from 127\.0\.0\.1 port \d+$")
    # names are names of hosts, in any case; another one has no route
    assert machine(by(w, "nc.openbsd -X connect -x {gw} VM1 22", "vm1")) == w.machines["vm1"].port
    assert by(w, NC, "vm3").ssh("true").code == 255
    # plain SSH has no host
    assert w.ssh("true").code == 255


@needs_proxytunnel
def test_host_by_proxytunnel(gw):
    w = gw()
    for host, sshd in w.machines.items():
        assert machine(by(w, "proxytunnel -q -p {gw} -d %h:%p", host)) == sshd.port


@needs_nc
def test_host_by_asyncssh(gw):
    asyncssh = pytest.importorskip("asyncssh")
    w = gw()
    command = ["nc.openbsd", "-X", "connect", "-x", f"127.0.0.1:{w.gateway.port}", "vm1", "22"]

    async def login():
        async with asyncssh.connect("vm1", username="alice", known_hosts=None, config=None,
                                    client_keys=[str(w.ring.get("client").path)], proxy_command=command) as c:
            return (await c.run("echo $SSH_CONNECTION")).stdout

    assert int(asyncio.run(login()).split()[3]) == w.machines["vm1"].port


@needs_curl
def test_answers_that_curl_understands(gw):
    w = gw(passwords=["office"])
    c = w.client

    def code(target, *args):
        return c.run(["curl", "-sp", "-m", "60", "-o", "/dev/null", "-w", "%{http_connect}", "-x",
                      f"http://127.0.0.1:{w.gateway.port}", *args, f"http://{target}/"]).text

    assert code("vm1:22") == "407"
    assert code("vm1:22", "-U", f"office:{PASSWORD}x") == "407"
    assert code("vm1:25", "-U", f"office:{PASSWORD}") == "403"
    assert code("vm1:22", "-U", f"office:{PASSWORD}") == "200"


@needs_proxytunnel
def test_password_of_the_proxy(gw):
    """In the log is the name of the password alone."""
    w = gw(passwords=["office", "home"])
    for name in ("office", "home"):
        c = by(w, f"proxytunnel -q -p {{gw}} -d %h:%p -P {name}:{PASSWORD}", "vm1")
        assert machine(c) == w.machines["vm1"].port
        w.gateway.log.wait(rf"CONNECT to vm1 port 22 from 127\.0\.0\.1 port \d+ with the password {name}$")
    for name, password in (("office", PASSWORD + "x"), ("office", PASSWORD[:-1]), ("office", ""), ("office", "x" * 1025),
                           ("other", PASSWORD), ("", PASSWORD), ("host_ed25519", PASSWORD)):
        status, answer = request(w, f"CONNECT vm1:22 HTTP/1.1\r\n{basic(name, password)}")
        assert status == 407 and '\r\nProxy-Authenticate: Basic realm="' in answer
    w.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: CONNECT with a wrong password$")
    for secret in (PASSWORD, base64.b64encode(f"office:{PASSWORD}".encode()).decode()):
        assert secret not in w.gateway.log.text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may read the memory of a process that cannot be dumped")
def test_password_of_the_proxy_stays_in_no_process(gw):
    """The right one and a wrong one, also in base64, once they have been looked at."""
    w = gw(passwords=["office"])
    for password, status in ((PASSWORD, 200), (PASSWORD[::-1], 407)):
        assert request(w, f"CONNECT vm1:22 HTTP/1.1\r\n{basic('office', password)}")[0] == status
    # the beginnings are those of the name
    needles = {"right": PASSWORD.encode(), "wrong": PASSWORD[::-1].encode(),
               "right in base64": basic("office").split()[-1][12:].encode(),
               "wrong in base64": basic("office", PASSWORD[::-1]).split()[-1][12:].encode()}
    for p in [w.gateway.master, *w.gateway.role("edge"), *w.gateway.keepers()]:
        assert found_in(p, needles) == set(), p


def test_log_as_json(gw):
    w = gw(passwords=["office"], front={"LogFormat": "json"})
    assert request(w, f"CONNECT vm1:22 HTTP/1.1\r\n{basic('office')}", "127.0.0.3")[0] == 200
    line = w.gateway.log.wait(r'^.*"event":"connect".*$')[0]
    said = json.loads(line)
    assert {k: said[k] for k in ("client", "host", "port", "name")} == {
        "client": "127.0.0.3", "host": "vm1", "port": 22, "name": "office"} and said["client_port"] > 0


def test_wrong_password_of_the_proxy_is_penalised(gw):
    w = gw(passwords=["office"], front={"PerSourcePenalties": "authfail:10m max:10m min:1s"})
    head = "CONNECT vm1:22 HTTP/1.1"
    # one who sends none is not guessing
    assert request(w, head, "127.0.0.3")[0] == 407
    assert request(w, head, "127.0.0.3")[0] == 407
    assert request(w, f"{head}\r\n{basic('office', 'wrong')}", "127.0.0.3")[0] == 407
    w.gateway.log.wait("CONNECT with a wrong password")
    assert request(w, f"{head}\r\n{basic('office')}", "127.0.0.3")[0] == 403
    w.gateway.log.wait(r"drop connection from 127\.0\.0\.3 port \d+: .*penalty")
    assert request(w, f"{head}\r\n{basic('office')}", "127.0.0.4")[0] == 200


def test_requests_that_are_refused(gw):
    w = gw()
    for head, status in (("CONNECT vm1:25 HTTP/1.1", 403), ("CONNECT vm1 HTTP/1.1", 400),
                         ("CONNECT -oProxyCommand=x:22 HTTP/1.1", 400), ("CONNECT vm1:22 HTTP/1.1\r\nHost: x", 200),
                         (f"CONNECT vm1:{w.gateway.port} HTTP/1.0", 200)):
        assert request(w, head)[0] == status, head


def test_request_within_a_request(gw):
    """No chain of them, also where a section would take the second."""
    w = gw(more=RAW.format(port=22))
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"CONNECT vm1:22 HTTP/1.1\r\n\r\nCONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n")
        answer = net.read_all(s)
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1 2") == 1


def test_client_that_does_not_wait_for_the_answer(gw):
    """The version string comes in one segment with the request, of which not a byte more is taken."""
    w = gw()
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"CONNECT vm1:22 HTTP/1.1\r\n\r\nSSH-2.0-hasty\r\n")
        data = b""
        while b"\r\n\r\nSSH-2.0-" not in data:
            got = s.recv(4096)
            assert got, data
            data += got
    assert data.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nSSH-2.0-")


def test_off_by_default(gw):
    """The request is one of HTTP, and nothing of it is taken."""
    w = gw(HttpConnect="no", RestrictToSSH="yes")
    assert request(w, "CONNECT vm1:22 HTTP/1.1")[0] == 421


@needs_nc
@pytest.mark.parametrize("word", ["no", "yes"])
def test_raw_to_a_machine(gw, make_sshd, ring, word):
    """The machine's own host key and its own logins; other names are for routes, if those may have them."""
    sshd = make_sshd()
    sshd.authorize(ring.get("client").public)
    w = gw(HttpConnect=word, more=RAW.format(port=sshd.port))
    c = by(w, NC, "127.0.0.1", sshd.port, alias=f"[127.0.0.1]:{sshd.port}")
    c.known_hosts.write_text(sshd.known_hosts())
    assert c.ssh("echo in", User=ME).text == "in\n"
    for target in ("127.0.0.2", "localhost"):
        assert request(w, f"CONNECT {target}:{sshd.port} HTTP/1.1")[0] == 403
    assert request(w, "CONNECT vm1:22 HTTP/1.1")[0] == (200 if word == "yes" else 403)


@pytest.fixture
def inside_tls(gw, tmp_path):
    """The same gateway with a [tls] section."""
    certificate = Authority(tmp_path / "ca").issue("gw.example.org", names="DNS:gw.example.org")
    w = gw(passwords=["office"])
    w.gateway.command("key", "add", "tls", certificate.key)
    shutil.copy(certificate.path, w.gateway.conf / "tls.pem")
    w.gateway.write("20-tls.ini", "tls main", {"Certificate": "conf.d/tls.pem", "Key": "tls"})
    w.gateway.hangup()
    return w


@needs_proxytunnel
def test_request_inside_tls(inside_tls):
    """The target is the host, and not the name in TLS."""
    w = inside_tls
    for host, sshd in w.machines.items():
        command = f"proxytunnel -q -E -z -p {{gw}} -d %h:%p -P office:{PASSWORD}"
        assert machine(by(w, command, host)) == sshd.port


@needs_curl
def test_answers_inside_tls(inside_tls):
    """curl offers http/1.1 by ALPN."""
    w = inside_tls
    for password, code in ((PASSWORD, "200"), ("wrong", "407")):
        r = w.client.run(["curl", "-sp", "-m", "60", "-o", "/dev/null", "-w", "%{http_connect}", "--proxy-insecure", "-x",
                          f"https://127.0.0.1:{w.gateway.port}", "-U", f"office:{password}", "http://vm1:22/"])
        assert r.text == code


@needs_nc
def test_recipe(make_gateway, make_sshd, ring, tmp_path):
    """doc/recipes.md, Machines by CONNECT: to any host of a domain, here localhost."""
    g, sshd = make_gateway(), make_sshd()
    sshd.authorize(g.generate_key("staff"))
    (g.conf / "users").mkdir()
    (g.conf / "users" / "alice.pub").write_text(ring.get("client").public + "\n")
    (g.conf / "known_hosts").write_text(sshd.known_hosts().replace("[127.0.0.1]", "[localhost]"))
    text = put(block("doc/recipes.md", "Machines by CONNECT", "ini"),
               ("MatchHost          = *.corp.example", "MatchHost = localhost"),
               ("*.corp.example 10.0.0.0/8", f"localhost:{sshd.port} 127.0.0.1:{sshd.port}"))
    (g.conf / "10-corp.ini").write_text(f"{text}Port = {sshd.port}\nUser = {ME}\n")
    g.start()
    w = Way("gateway", tmp_path / "way", ring, sshd, g)
    c = w.client
    c.known_hosts.write_text("".join(f"gateway.example.com {k.public}\n" for k in g.host_keys))
    # an ssh_config takes the first value of a word: those of the recipe
    words = c.config.read_text().split("\n", 1)[1].replace("HostName 127.0.0.1", "HostName localhost")
    words = words.replace(f"Port {g.port}", "Port 22")
    c.config.write_text(put(block("doc/recipes.md", "Machines by CONNECT", "ssh"), ("*.corp.example", "localhost"),
                            ("gateway.example.com:443", f"127.0.0.1:{g.port}"), ("nc -X", "nc.openbsd -X"))
                        + "Host *\n" + words)
    r = c.run(["ssh", "-F", c.config, "localhost", "echo $SSH_CONNECTION"])
    assert r.code == 0 and int(r.text.split()[3]) == sshd.port, r
    w.close()


def test_check_knows_the_passwords(gw):
    w = gw(passwords=["office"])
    assert w.gateway.notes() == ""
    g = w.gateway
    p = g.sallyport("key", "remove", "office", "-c", g.conf)
    assert p.returncode == 1 and b"05-edge.ini:4: ConnectPasswords has office" in p.stderr, p
    g.command("key", "remove", "--force", "office")
    assert "ConnectPasswords: there is no password office in the key store" in g.notes()
    assert request(w, f"CONNECT vm1:22 HTTP/1.1\r\n{basic('office')}")[0] == 407
    g.log.wait(r"ConnectPasswords: .*office")
    g.write("05-edge.ini", "edge", {"ConnectPasswords": "office"})
    status, text = g.check()
    assert status != 0 and "ConnectPasswords needs HttpConnect = yes" in text
