"""contrib/sallyport.service: how tight it is, and that the gateway works within it."""

import http.server
import os
import random
import re
import shutil
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lab import net, web
from lab.ca import CA
from lab.gateway import TREE, Gateway, sanitized
from lab.hops import Behind
from lab.totp import WITH_CODE, Secret, enters, person
from lab.wait import PATIENCE
from lab.way import Way
from lab.x509 import Authority

UNIT = TREE / "contrib" / "sallyport.service"
SOCKET = TREE / "contrib" / "sallyport.socket"
PAM = TREE / "contrib" / "pam"
WITHIN = Path(__file__).parent / "lab" / "unit.py"


def analyze(*args):
    if not shutil.which("systemd-analyze"):
        pytest.skip("takes systemd-analyze")
    return subprocess.run(["systemd-analyze", *map(str, args)], capture_output=True, text=True, timeout=60,
                          check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})


def test_exposure_level_of_unit():
    """A unit that starts as root and binds low ports cannot get below 2.1."""
    p = analyze("security", "--offline=true", "--no-pager", UNIT)
    found = re.search(r"Overall exposure level for sallyport.service: (\d+\.\d+)", p.stdout)
    if found is None:
        pytest.skip(f"this systemd does not look at files: {p.stderr}")
    assert float(found[1]) <= 2.2, p.stdout


def test_unit_restarts_at_once():
    text = UNIT.read_text()
    assert re.search(r"^Restart=on-failure$", text, re.M) and re.search(r"^RestartSec=100ms$", text, re.M)
    assert re.search(r"^StartLimitIntervalSec=0$", text, re.M)


def test_unit_hears_of_gateway_and_keeps_sessions():
    """test_notify.py has what the gateway says; without KillMode=process a watchdog would end every session."""
    text = UNIT.read_text()
    assert re.search(r"^Type=notify$", text, re.M) and re.search(r"^WatchdogSec=60s$", text, re.M)
    assert re.search(r"^KillMode=process$", text, re.M)


def test_socket_unit_matches_listen_address_of_sample():
    streams = re.findall(r"^ListenStream=(\S+)$", SOCKET.read_text(), re.M)
    sample = (TREE / "conf.d" / "00-gateway.ini").read_text()
    (addresses,) = re.findall(r"^;?ListenAddress\s*=\s*(.*?)\s*(?:;.*)?$", sample, re.M)
    assert streams == addresses.split()
    assert "BindIPv6Only=ipv6-only" in SOCKET.read_text()


class UnixPage(socketserver.StreamRequestHandler):
    """A web server on a Unix socket."""

    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\na page\n")


class LookupService(http.server.BaseHTTPRequestHandler):
    """A service that answers a lookup program."""

    answer = b""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def lookup_service():
    with web.serving(LookupService) as server:
        yield server


@pytest.fixture
def confined(short):
    """The beginning of a command that runs with the restrictions of the unit."""
    if os.getuid() != 0:
        pytest.skip("root alone can do what systemd does")
    if sanitized():
        pytest.skip("sanitizers want /proc and memory as they are used to")
    if not shutil.which("systemd-analyze"):
        pytest.skip("takes systemd-analyze, which knows the sets of system calls")
    words = [sys.executable, "-B", str(WITHIN), str(UNIT), str(short), "--"]
    p = subprocess.run([*words, "true"], capture_output=True, text=True, timeout=60, check=False)
    if p.returncode == 77:
        pytest.skip(p.stderr)
    assert p.returncode == 0, p.stderr
    return words


def test_gateway_works_within_unit(confined, short, ring, make_sshd, tmp_path, lookup_service):
    """A low port, two users, a lookup program that runs curl, a password, accept-new, a reload, a rekey."""
    if not shutil.which("curl"):
        pytest.skip("takes curl")
    os.chmod(short, 0o755)
    host = "127.0.0.1"
    # at random, as tests run side by side
    port = next(p for p in random.sample(range(600, 1024), 424) if not net.accepts((host, p)))
    upstream = make_sshd()
    known = short / "known"
    known.mkdir()
    shutil.chown(known, "daemon")
    g = Gateway(short / "gateway", ring, port=port, within=confined, RunAs="daemon", RunNetworkAs="games")
    try:
        p = g.sallyport("hash-password", stdin=b"secret\n")
        hashed = re.search(rb"\$argon2id\S+", p.stdout)[0].decode()
        g.route("alice", upstream, [ring.get("client")], UserKnownHostsFile=known / "hosts",
                StrictHostKeyChecking="accept-new")
        g.route("carol", upstream, [ring.get("client")], PasswordHash=hashed,
                AuthenticationMethods="publickey,password")
        LookupService.answer = (g.conf / "10-alice.ini").read_bytes().partition(b"\n")[2]
        program = short / "lookup"
        program.write_text(f"#!/bin/sh\n[ $1 = bob ] || exit 1\n"
                           f"curl -s http://127.0.0.1:{lookup_service.server_port}/$1 | cat\n")
        program.chmod(0o755)
        g.write("20-lookup.ini", "lookup", {"Order": "ini exec"}, f"[lookup exec]\nCommand = {program}\n")
        g.start()
        (keeper,) = g.keepers()
        assert keeper.status("NoNewPrivs") == "1" and keeper.status("Uid").split()[0] != "0"
        w = Way("gateway", tmp_path, ring, upstream, g)
        w.answers()
        assert str(upstream.port) in (known / "hosts").read_text()
        assert w.new_client(user="bob").ssh("echo in").text == "in\n"
        t = w.new_client(user="carol", BatchMode="no", PreferredAuthentications="publickey,password").terminal(
            "echo in")
        t.expect("password:")
        t.send("secret\n")
        t.expect("in")
        assert t.wait() == 0
        t.close()
        g.write("30-none.ini", "route dave/x", {"MatchAddress": "192.0.2.1", "HostName": "x", "Key": "alice",
                "AuthorizedKeysFile": "conf.d/alice.pub", "HostKeyFingerprint": "SHA256:" + "A" * 43})
        mark = g.log.mark()
        g.command("reload")
        assert g.log.find("eload", mark)
        r = w.ssh("head -c 3000000 /dev/zero | wc -c; cat | wc -c", stdin=bytes(3000000), RekeyLimit="1M")
        assert r.text.split() == ["3000000", "3000000"]
        w.close()
    finally:
        g.stop()


def test_edge_works_within_unit(confined, short, ring, make_sshd, tmp_path, lookup_service):
    """TLS, [forward] to an address, a name and a Unix socket, a hop, a tunnel."""
    if not shutil.which("curl") or not shutil.which("openssl"):
        pytest.skip("takes curl and openssl")
    os.chmod(short, 0o755)
    g = Gateway(short / "gateway", ring, within=confined, RunAs="daemon", RunNetworkAs="games")
    served = Authority(short / "ca").issue("gw.example.org", "ecdsa", names="DNS:gw.example.org")
    LookupService.answer = b"a page\n"
    page = lookup_service.server_port
    with socketserver.ThreadingUnixStreamServer(str(short / "web"), UnixPage) as unix:
        threading.Thread(target=unix.serve_forever, daemon=True).start()
        os.chmod(short / "web", 0o777)
        try:
            b = Behind(g, ring, tmp_path, make_sshd, hops=1)
            g.command("key", "add", "tls_main", served.key)
            shutil.copy(served.path, g.conf / "tls_main.pem")
            g.write("20-tls.ini", "tls main", {"Certificate": "conf.d/tls_main.pem", "Key": "tls_main"})
            for host, target in (("address", f"127.0.0.1:{page}"), ("name", f"localhost:{page}"),
                                 ("unix", f"unix:{short}/web")):
                g.write(f"30-{host}.ini", f"forward {host}",
                        {"Protocol": "http", "MatchHost": f"{host}.example.org", "Target": target})
            g.write("40-hold.ini", "route hold",
                    {"Mode": "tunnel", "TunnelNames": "box", "AuthorizedKeysFile": "conf.d/alice.pub"})
            g.command("reload")
            for host in ("address", "name", "unix"):
                p = subprocess.run(["curl", "-sS", "--connect-to", f"::127.0.0.1:{g.port}",
                                    f"http://{host}.example.org/"], capture_output=True, timeout=PATIENCE, check=False)
                assert p.stdout == b"a page\n", (host, p, g.log.text())
            proxy = f"openssl s_client -quiet -connect 127.0.0.1:{g.port} -servername gw.example.org"
            assert b.ssh("echo in", ProxyCommand=proxy).text == "in\n"
            g.log.wait(b.through())
            client = b.way.new_client(user="hold")
            held = client.popen(client.argv("ssh", "-N", "-R", "box:22:127.0.0.1:1", "upstream"),
                                stdin=subprocess.DEVNULL)
            g.log.wait(r"holds the tunnel box port 22")
            held.terminate()
            held.wait(PATIENCE)
            b.way.close()
        finally:
            g.stop()
            unix.shutdown()


def test_pam_units():
    """The unit of sallyport-pam is root's, for modules; nothing starts it but its socket, for the gateway's user."""
    service, listener = PAM / "sallyport-pam@.service", PAM / "sallyport-pam.socket"
    sysusers = (TREE / "contrib" / "sallyport.sysusers").read_text()
    group = re.search(r"^SocketGroup=(\S+)$", listener.read_text(), re.M)[1]
    assert re.search(rf"^u {group} ", sysusers, re.M)
    assert f"ExecStart=/usr/sbin/sallyport-pam -u {group}\n" in service.read_text()
    assert "\nSocketMode=0660\n" in listener.read_text() and "\nAccept=yes\n" in listener.read_text()
    p = analyze("security", "--offline=true", "--no-pager", service)
    found = re.search(r"Overall exposure level for sallyport-pam@\S*.service: (\d+\.\d+)", p.stdout)
    if found is None:
        pytest.skip(f"this systemd does not look at files: {p.stderr}")
    assert float(found[1]) <= 2.9, p.stdout


def test_second_factors_and_certificates_work_within_unit(confined, short, ring, make_sshd, tmp_path):
    """A code and a program's question, a certificate for the machine, and records of the keeper's user."""
    os.chmod(short, 0o755)
    authority = CA(short / "authority", ring.get("authority"))
    upstream = make_sshd(TrustedUserCAKeys=authority.file)
    program = short / "factor"
    program.write_text("#!/bin/sh\necho 'prompt Verification number:'; echo ask; read -r n; [ $n = 42 ]\n")
    program.chmod(0o755)
    state = short / "state"
    state.mkdir()
    shutil.chown(state, "daemon", "daemon")
    g = Gateway(short / "gateway", ring, within=confined, RunAs="daemon", RunNetworkAs="games", StateDirectory=state)
    try:
        g.add_key("authority", authority.key)
        g.keys["ca:authority"] = authority.key.public
        g.route("alice", upstream, [ring.get("client")], key="ca:authority", Factor=f"exec:{program}", **WITH_CODE)
        code = Secret(g).code()
        g.start()
        w = Way("gateway", tmp_path, ring, upstream, g)
        assert enters(person(w, code, "42", NumberOfPasswordPrompts="2"))
        assert not enters(person(w, code, "42"))
        assert (state / "totp" / "totp-alice").owner() == (state / "serial" / "last").owner() == "daemon"
        upstream.log.wait(r"Accepted publickey for \S+ .* ED25519-CERT SHA256:\S+ ID alice session ")
        w.close()
    finally:
        g.stop()
