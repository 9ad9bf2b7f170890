"""doc/recipes.md, Networks, as it is written there: HAProxy, TLS, jump hosts, NAT, two gateways."""

import contextlib
import re
import shlex
import shutil
import ssl
import subprocess

import pytest

from lab import net
from lab.client import echoes, open_session
from lab.documents import block, put
from lab.gateway import TREE, Gateway
from lab.gateway_operator import HAProxy
from lab.proxies import PASSWORD, USER, Tinyproxy
from lab.sshd import ME
from lab.wait import wait_for
from lab.way import Way

PAGE = "doc/recipes.md"


def words_of(text):
    """The lines of a block of configuration as {keyword: value}."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


@pytest.fixture
def haproxy():
    """haproxy(config, port): run it with this configuration, which makes it listen on 127.0.0.1."""
    running = []

    def run(config, port):
        running.append(HAProxy(config, ("127.0.0.1", port)))
        return running[-1]

    yield run
    for h in running:
        h.stop()


@pytest.fixture
def certificate(short):
    """A certificate with its key for these names, self-signed."""
    pem = short / "gateway.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         short / "key.pem", "-out", short / "cert.pem", "-days", "2", "-subj", "/CN=gateway", "-addext",
         "subjectAltName=DNS:one.example.com,DNS:two.example.com"],
        check=True, capture_output=True, timeout=60)
    pem.write_bytes((short / "cert.pem").read_bytes() + (short / "key.pem").read_bytes())
    return pem


def at(gateway):
    return f"127.0.0.1:{gateway.port}"


def config(text, *replacements):
    """A configuration of HAProxy in which only loopback is bound."""
    return "global\n\tnbthread 1\n" + put(text, *replacements)


def greeted(sock):
    """Whether an SSH server speaks."""
    try:
        return sock.recv(8) == b"SSH-2.0-"
    except ConnectionResetError:
        return False


def test_two_gateways_behind_haproxy(gated, ring, haproxy, tmp_path):
    """One host key at both; health checks do no harm; when one is lost, users log in to the other."""
    edge = put(block(PAGE, "Behind HAProxy", "ini"), ("192.0.2.1", "127.0.0.1"))
    edge += "ProxyTimeout = 60s\n"  # of a busy host
    # checks are more frequent here
    limits = {"PerSourcePenalties": "yes", "PerSourcePenaltyExemptList": "127.0.0.1"}
    w = gated(front=limits)
    (w.gateway.conf / "05-edge.ini").write_text(edge)
    w.gateway.hangup()
    second = Gateway(tmp_path / "second", ring, host_keys=(), **limits)
    for name in ("conf.d", "keys"):
        shutil.copytree(w.gateway.dir / name, second.dir / name, dirs_exist_ok=True)
    second.host_key_names = w.gateway.host_key_names
    second.write_gateway()
    second.start()
    try:
        port = net.free_port()
        proxy = haproxy(config(block(PAGE, "Behind HAProxy", "haproxy"), ("bind :22", f"bind 127.0.0.1:{port}"),
                               ("192.0.2.10:2222", at(w.gateway)), ("192.0.2.11:2222", at(second)),
                               ("inter 5s", "inter 100ms")), port)
        known = w.gateway.known_hosts().replace(f":{w.gateway.port} ", f":{port} ")
        client = w.new_client(known_hosts=known, Port=port, BindAddress="127.0.0.9")
        for gateway in (w.gateway, second):
            wait_for("some checks", lambda log=gateway.log: log.text().count("[preauth]") > 8)
        sessions = [open_session(client) for _ in range(4)]
        assert [len(g.sessions("alice")) for g in (w.gateway, second)] == [2, 2]
        for gateway in (w.gateway, second):
            gateway.log.wait(r"alice from 127\.0\.0\.9 port \d+ -> ")
        assert "is DOWN" not in proxy.log.text()
        for p in sessions:
            echoes(p)
        w.gateway.kill()
        proxy.log.wait("Server gateways/one is DOWN")
        for _ in range(3):
            assert client.ssh("echo in").text == "in\n"
        for p in sessions:
            echoes(p, b"still here, under the old gateway\n")
            p.stdin.close()
            p.wait(60)

        with contextlib.ExitStack() as stack:
            many = [stack.enter_context(net.connect(("127.0.0.1", port))) for _ in range(61)]
            assert not all(greeted(s) for s in many), "HAProxy limits what comes from one address"
    finally:
        second.stop()


def test_ssh_and_https_on_one_port(gated, haproxy, certificate):
    """Also for a client that waits for the server to speak."""
    w = gated()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(s):
        with context.wrap_socket(s, server_side=True) as tls:
            tls.sendall(b"the web server")

    web = net.Server(serve)
    try:
        port = net.free_port()
        haproxy(config(block(PAGE, "Behind HAProxy", "haproxy", 1), ("bind :443", f"bind 127.0.0.1:{port}"),
                       ("192.0.2.20:443", f"127.0.0.1:{web.port}"), ("192.0.2.10:2222", at(w.gateway))), port)
        with net.connect(("127.0.0.1", port)) as s, \
                ssl._create_unverified_context().wrap_socket(s, server_hostname="www.example.com") as tls:
            assert tls.recv(64) == b"the web server"
        known = w.gateway.known_hosts().replace(f":{w.gateway.port} ", f":{port} ")
        assert w.new_client(known_hosts=known, Port=port).ssh("echo in").text == "in\n"
        with net.connect(("127.0.0.1", port)) as silent:
            assert silent.recv(8) == b"SSH-2.0-"
    finally:
        web.close()


def test_other_protocols_on_the_port_of_ssh(gated, haproxy, certificate):
    """With a web server that gets the clients' addresses."""
    w = gated()
    tls, plain, both = net.free_port(), net.free_port(), net.free_port()
    haproxy("defaults\n\tmode http\n\ttimeout connect 5s\n\ttimeout client 1m\n\ttimeout server 1m\nfrontend web\n"
            f"\tbind 127.0.0.1:{tls} accept-proxy ssl crt {certificate}\n\tbind 127.0.0.1:{plain}\n"
            '\thttp-request return status 200 content-type text/plain lf-string "web for %[src]"\n', tls)
    text = put(block(PAGE, "Other protocols on the port of SSH", "ini"), ("127.0.0.1:8443", f"127.0.0.1:{tls}"),
               ("127.0.0.1:8080", f"127.0.0.1:{plain}"), ("DetectOn = 443", f"DetectOn = {both}"),
               ("[gateway]\nListenAddress = 0.0.0.0:22 0.0.0.0:443\n", ""))
    (w.gateway.conf / "05-edge.ini").write_text(text)
    w.gateway.options["ListenAddress"] = f"{at(w.gateway)} 127.0.0.1:{both}"
    w.gateway.write_gateway()
    w.gateway.hangup()

    def curl(url, port):
        name = f"www.example.com:{port}:127.0.0.1:{both}"
        return subprocess.run(["curl", "-sk", "--noproxy", "*", "--interface", "127.0.0.8", "--connect-to", name, url],
                              capture_output=True, timeout=60, check=False).stdout

    assert curl("https://www.example.com/", 443) == b"web for 127.0.0.8"
    assert curl("http://www.example.com/", 80) == b"web for 127.0.0.1"
    known = w.gateway.known_hosts().replace(f":{w.gateway.port} ", f":{both} ")
    assert w.new_client(known_hosts=known, Port=both).ssh("echo in").text == "in\n"


def test_ssh_in_tls_by_name(make_gateway, make_sshd, ring, haproxy, certificate, tmp_path):
    heading = "SSH in TLS, by name"
    port = net.free_port()
    gateway = make_gateway(port=port, ListenAddress=f"127.0.0.1:{port} 127.0.0.2:{port}")
    first, second = make_sshd(env={"MACHINE": "one"}), make_sshd(env={"MACHINE": "two"})
    routes = block(PAGE, heading, "ini").split("\n\n")
    for sshd, address, text in zip((first, second), ("10.0.0.5", "10.0.0.6"), routes, strict=True):
        words = words_of(text)
        assert words.pop("HostName") == address
        name = text.split("]")[0].removeprefix("[route ")
        gateway.route(name, sshd, [ring.get("client")], key=sshd.dir.name, **words)
    gateway.start()
    tls = net.free_port()
    haproxy(config(block(PAGE, heading, "haproxy"), ("bind :443", f"bind 127.0.0.1:{tls}"),
                   ("/etc/haproxy/gateway.pem", certificate), ("127.0.0.1:2222", f"127.0.0.1:{port}"),
                   ("127.0.0.2:2222", f"127.0.0.2:{port}")), tls)

    w = Way("gateway", tmp_path, ring, first, gateway, login="git")
    names = ("one.example.com", "two.example.com", "three.example.com")
    client = w.new_client(known_hosts="".join(f"{n} {k.public}\n" for n in names for k in gateway.host_keys),
                          HostName="%h", Port=22)
    proxied = put(block(PAGE, heading, "ssh"), ("%h:443", f"127.0.0.1:{tls}"),
                  ("Host one.example.com two.example.com", "Host *"))
    client.config.write_text(proxied + client.config.read_text())
    trusting = {"SSL_CERT_FILE": str(certificate)}
    for name, machine in zip(names, ("one", "two")):
        r = client.run(client.argv("ssh", name, "echo $MACHINE"), env=trusting)
        assert r.text == f"{machine}\n", r
    assert client.run(client.argv("ssh", names[0], "true")).code == 255, "the certificate is verified"
    assert client.run(client.argv("ssh", names[2], "true"), env=trusting).code == 255
    w.close()


def test_jump_host_for_a_fleet(gated, make_sshd):
    """Any machine whose name and address are listed, and no other."""
    heading = "Jump hosts"
    target, other = make_sshd(env={"MACHINE": "target"}), make_sshd()
    w = gated()
    client = w.new_client(known_hosts=w.gateway.known_hosts() + "".join(
        s.known_hosts().replace("127.0.0.1", "localhost") for s in (target, other)))
    for sshd in (target, other):
        sshd.authorize(client.key.public)
    text = put(block(PAGE, heading, "ini"), ("*.corp.example 10.0.0.0/8", f"localhost:{target.port} 127.0.0.0/8:*"),
               ("staff.keys", "alice.pub"))
    (w.gateway.conf / "20-jump.ini").write_text(text)
    w.gateway.hangup()
    proxied = put(block(PAGE, heading, "ssh"), ("Host *.corp.example", "Host localhost"),
                  ("jump@gateway.example", f"jump@127.0.0.1:{w.gateway.port}"))
    client.config.write_text(f"{proxied}    HostName localhost\n    User {ME}\n{client.config.read_text()}")

    def reach(sshd):
        return client.run(client.argv("ssh", "-p", sshd.port, "localhost", "echo $MACHINE"))

    assert reach(target).text == "target\n"
    assert reach(other).code == 255
    assert w.gateway.log.find(rf"was refused a jump to localhost port {other.port}")


def test_address_for_each_machine(own_network, make_gateway, make_sshd, ring, tmp_path):
    heading = "An address for each machine"
    own_network.need_ipv6()
    command = block(PAGE, heading, "sh").strip()
    own_network.ip(command.removeprefix("ip "))
    words = words_of(block(PAGE, heading, "ini", 1))
    port = net.free_port()
    words["ListenAddress"] = put(words["ListenAddress"], (":22", f":{port}"))
    gateway = make_gateway(host="::", port=port, **words)
    machine, other = make_sshd(env={"MACHINE": "vm7"}), make_sshd()
    route = words_of(block(PAGE, heading, "ini"))
    address = route["MatchLocalAddress"]
    route.update(HostName=machine.host, UserKnownHostsFile="conf.d/__vm7.known_hosts")
    assert route.pop("Key") == "%u" and block(PAGE, heading, "ini").startswith("[route */vm7]\n")
    (gateway.conf / "users").mkdir()
    (gateway.conf / "users" / "alice.pub").write_text(ring.get("client").public + "\n")
    machine.authorize(gateway.generate_key("alice"))
    gateway.keys["%u"] = gateway.keys["alice"]
    gateway.route("*/vm7", machine, key="%u", **route)
    gateway.route("*/other", other, key="alice", MatchLocalAddress=address + "f")
    gateway.start()
    w = Way("gateway", tmp_path, ring, machine, gateway)
    known = "".join(f"[{address}]:{port} {k.public}\n" for k in gateway.host_keys)
    client = w.new_client(known_hosts=known, HostName=address)
    assert client.ssh("echo $MACHINE").text == "vm7\n"
    assert client.ssh("-l", "bob", "true").code == 255
    assert "[route */vm7] at" in gateway.command("route", "alice", "--to", address)
    w.close()


def test_jump_host_for_one_target(gated, make_sshd):
    """ssh -J reaches the target that the route names and no other, and nothing runs on the way."""
    heading = "Jump hosts"
    target, other = make_sshd(env={"MACHINE": "target"}), make_sshd()
    route = words_of(block(PAGE, heading, "ini", 1))
    route["PermitOpen"] = put(route["PermitOpen"], ("10.0.0.7:22", f"127.0.0.1:{target.port}"))
    w = gated(route=route)
    for sshd in (target, other):
        sshd.authorize(w.client.key.public)
    known = w.gateway.known_hosts() + target.known_hosts() + other.known_hosts()
    client = w.new_client(known_hosts=known)

    def jump(sshd):
        argv = client.argv("ssh", "-J", f"alice@127.0.0.1:{w.gateway.port}", "-p", sshd.port, f"{ME}@next",
                           "echo $MACHINE")
        return client.run(argv)

    assert jump(target).text == "target\n"
    assert jump(other).code == 255
    r = client.ssh("echo ran")
    assert r.code != 0 and "ran" not in r.text, r


@pytest.fixture
def tunnel(tmp_path, ring):
    """tunnel(command, sshd, name): run this command of ssh, to a server that it calls name."""
    running = []

    def start(command, sshd, name):
        file = tmp_path / "tunnel_config"
        (tmp_path / "tunnel_known_hosts").write_text(sshd.known_hosts())
        file.write_text(f"Host {name}\nHostName 127.0.0.1\nPort {sshd.port}\nUser {ME}\n"
                        f"IdentityFile {ring.get('tunnel').path}\nIdentitiesOnly yes\nBatchMode yes\n"
                        f"UserKnownHostsFile {tmp_path}/tunnel_known_hosts\nGlobalKnownHostsFile /dev/null\n")
        argv = shlex.split(put(command, (f"tunnel@{name}", name)))
        assert argv[0] == "ssh"
        running.append(subprocess.Popen(["ssh", "-F", file, *argv[1:]], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE))
        return running[-1]

    yield start
    for p in running:
        p.terminate()
        p.communicate(timeout=60)


def through(gateway, ring, sshd, port, text, tmp_path):
    """A way to this sshd by a route with the words of the text; port: where a tunnel to it begins."""
    words = words_of(text)
    known = "".join(f"[127.0.0.1]:{port} {key.public}\n" for key in sshd.host_keys)
    gateway.route("alice", sshd, [ring.get("client")], known_hosts=known, **{**words, "Port": port})
    gateway.start()
    return Way("gateway", tmp_path / "way", ring, sshd, gateway)


def test_machine_behind_a_bastion(make_gateway, make_sshd, ring, tmp_path):
    heading = "Machines behind a bastion"
    bastion, machine, gateway = make_sshd(), make_sshd(env={"MACHINE": "behind"}), make_gateway()
    hop = put(block(PAGE, heading, "ini"), ("bastion.example.com", f"127.0.0.1\nPort = {bastion.port}"),
              ("= gateway", f"= {ME}"))
    (gateway.conf / "20-hop.ini").write_text(hop)
    (gateway.conf / "known_hosts").write_text(bastion.known_hosts())
    gateway.generate_key("bastion")
    bastion.authorize(gateway.command("key", "public", "bastion", "--for", "bastion").strip())
    text = put(block(PAGE, heading, "ini", 1), ("vm7.internal", "127.0.0.1"))
    w = through(gateway, ring, machine, machine.port, text, tmp_path)
    assert w.ssh("echo $MACHINE").text == "behind\n"
    gateway.log.wait(rf"through {ME}@127\.0\.0\.1 port {bastion.port} ")
    w.close()


def test_machines_behind_a_proxy(make_gateway, make_sshd, ring, tmp_path):
    heading = "Machines behind a proxy"
    proxy, machine, gateway = Tinyproxy(login=True), make_sshd(env={"MACHINE": "behind"}), make_gateway()
    try:
        stored = gateway.sallyport("key", "add", "proxy", "--password", "-c", gateway.conf,
                                   stdin=PASSWORD.encode() + b"\n")
        assert stored.returncode == 0, stored
        text = put(block(PAGE, heading, "ini"), ("vm1.internal", "127.0.0.1"),
                   ("gateway@proxy.example.com:3128", f"{USER}@{proxy.place}"))
        w = through(gateway, ring, machine, machine.port, text, tmp_path)
        assert w.ssh("echo $MACHINE").text == "behind\n"
        assert "via http://" in gateway.command("route", "alice", "--dial")
        w.close()
    finally:
        proxy.stop()


def test_machines_behind_a_jump_host(make_gateway, make_sshd, ring, tunnel, tmp_path):
    heading = "Machines behind a proxy"
    bastion, machine = make_sshd(), make_sshd(env={"MACHINE": "behind"})
    bastion.authorize(ring.get("tunnel").public)
    port = net.free_port()
    tunnel(put(block(PAGE, heading, "sh"), ("127.0.0.1:1080", f"127.0.0.1:{port}")), bastion, "bastion")
    net.wait_accepts(("127.0.0.1", port))
    text = put(block(PAGE, heading, "ini", 1), ("10.0.0.8", "127.0.0.1"), ("127.0.0.1:1080", f"127.0.0.1:{port}"))
    w = through(make_gateway(), ring, machine, machine.port, text, tmp_path)
    assert w.ssh("echo $MACHINE").text == "behind\n"
    w.close()


def test_machines_behind_nat(gated, ring):
    """Each machine by the command of its unit, with a key that gives one name."""
    heading = "Machines behind NAT"
    w = gated()
    conf = w.gateway.conf
    lines = block(PAGE, heading, "").splitlines()
    (conf / "machines.keys").write_text("".join(
        put(line, ("ssh-ed25519 …", key.public)) + "\n"
        for line, key in zip(lines, (ring.get("client"), ring.get("person")), strict=True)))
    (conf / "known_hosts").write_text(re.sub(r"^\S+", "tunnel:box7", w.sshd.known_hosts(), flags=re.M))
    machines, alice = put(block(PAGE, heading, "ini"), ("HostName ", f"User = {ME}\nHostName ")).split("\n\n")
    (conf / "20-machines.ini").write_text(machines + "\n")
    (conf / "10-alice.ini").write_text(alice)
    w.gateway.hangup()
    unit = re.search(r"^ExecStart=ssh (.*)$", block(PAGE, heading, "systemd"), re.M)[1]

    def connect(key, name="box7"):
        client = w.new_client(user="machines", key=key)
        words = put(unit, ("box7", name), ("localhost:22", f"127.0.0.1:{w.sshd.port}"),
                    ("machines@gateway.example", "upstream"))
        return client.popen(client.argv("ssh", *words.split()), stdin=subprocess.DEVNULL)

    other = connect(ring.get("person"))
    assert b"remote port forwarding failed" in other.communicate(timeout=60)[1]
    connect(ring.get("client"))
    w.gateway.log.wait("holds the tunnel box7 port 22")
    w.answers()


def test_pages_of_hidden_machines(gated):
    heading = "Pages of hidden machines"
    w = gated()
    text = block(PAGE, heading, "ini")
    assert words_of(text)["ListenAddress"] == "0.0.0.0:22 0.0.0.0:80 0.0.0.0:443"
    text = put(text[text.index("[route share]"):], ("staff.keys", "alice.pub"))
    (w.gateway.conf / "20-share.ini").write_text(text)
    w.gateway.hangup()
    page = net.Server(lambda s: (s.recv(4096), s.sendall(b"HTTP/1.0 200 OK\r\n\r\nhidden")))
    client = w.new_client(user="share")
    command = re.search(r"`ssh -NR (shop:80:localhost:8080) share@gateway\.example`", (TREE / PAGE).read_text())[1]
    client.popen(client.argv("ssh", "-NR", put(command, ("localhost:8080", f"127.0.0.1:{page.port}")), "upstream"),
                 stdin=subprocess.DEVNULL)
    w.gateway.log.wait("holds the tunnel shop port 80")
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: shop.t.example.org\r\n\r\n")
        assert net.read_all(s).endswith(b"hidden")
    page.close()
