"""[forward NAME] with real servers behind it: nginx, HAProxy; and what becomes of its connections while the gateway
is restarted, reloaded, or has lost its forwarder.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lab import net, procs
from lab.client import open_session
from lab.gateway_operator import HAProxy
from lab.wait import PATIENCE, Log, wait_for

ACTIVATE = Path(__file__).parent / "lab" / "activate.py"

NGINX = """daemon off;
master_process off;
pid {dir}/pid;
error_log stderr;
events {{ }}
http {{
	access_log {dir}/access;
	client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
	uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
	root {dir}/www;
	ssl_certificate {pem};
	ssl_certificate_key {pem};
	server {{
		listen 127.0.0.1:{tls} ssl default_server;
		listen unix:{dir}/tls ssl default_server;
		server_name _;
		location = /who {{ return 200 "other"; }}
	}}
	server {{
		listen 127.0.0.1:{tls} ssl;
		listen unix:{dir}/tls ssl;
		server_name www.example.org;
		location = /who {{ return 200 "www"; }}
	}}
	server {{
		listen 127.0.0.1:{proxied} ssl proxy_protocol;
		location = /who {{ return 200 $proxy_protocol_addr:$proxy_protocol_port; }}
	}}
}}
"""

HAPROXY = """defaults
	mode http
	timeout connect 60s
	timeout client 60s
	timeout server 60s
frontend web
	bind 127.0.0.1:{port} ssl crt {pem} accept-proxy
	bind {dir}/haproxy ssl crt {pem} accept-proxy
	http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]"
"""


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A certificate and its key in one file."""
    if not shutil.which("openssl"):
        pytest.skip("takes openssl")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", path, "-out", path, "-days", "2", "-subj", "/CN=test"], check=True, capture_output=True)
    return path


class Nginx:
    def __init__(self, program, directory, pem):
        self.dir = directory
        self.tls, self.proxied = net.free_port(), net.free_port()
        (directory / "www").mkdir()
        (directory / "tmp").mkdir()
        (directory / "nginx.conf").write_text(
            NGINX.format(dir=directory, pem=pem, tls=self.tls, proxied=self.proxied))
        self.log = Log(directory / "log")
        with open(self.log.path, "wb") as log:
            self.process = subprocess.Popen(
                [program, "-p", directory, "-c", directory / "nginx.conf", "-e", "stderr"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=procs.end_with_us)
        wait_for("nginx to listen or to end",
                 lambda: net.accepts(("127.0.0.1", self.proxied)) or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.text()


@pytest.fixture
def nginx(short, pem):
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not program:
        pytest.skip("nginx is not installed")
    n = Nginx(program, short, pem)
    yield n
    procs.end(n.process)


def write(gateway, **sections):
    gateway.write("05-edge.ini", "edge", {"DetectTimeout": "60s"},
                  "".join(f"[forward {name}]\n" + "".join(f"{k} = {v}\n" for k, v in words.items())
                          for name, words in sections.items()))


@pytest.fixture
def forwarding(gated):
    """forwarding(NAME={...}): a way through a gateway with these [forward NAME] sections."""
    def make(**sections):
        w = gated()
        write(w.gateway, **sections)
        w.gateway.hangup()
        return w

    return make


def curl(w, url, *args):
    """What curl prints, with each host of the URL at the gateway."""
    if not shutil.which("curl"):
        pytest.skip("takes curl")
    p = subprocess.run(["curl", "-sSk", "--noproxy", "*", "--connect-to", f"::127.0.0.1:{w.gateway.port}",
                        "--max-time", str(int(PATIENCE)), *args, url], capture_output=True, check=False)
    assert p.returncode == 0, p.stderr.decode()
    return p.stdout


# --- real servers ---

def test_nginx_by_sni(forwarding, nginx):
    """TLS ends in nginx: at a port, and at a Unix socket; a file of 20 MB comes as it is; keep-alive; HTTP/1.1."""
    data = os.urandom(20_000_000)
    (nginx.dir / "www" / "file").write_bytes(data)
    w = forwarding(unix={"Protocol": "tls", "MatchHost": "www.example.org", "Target": f"unix:{nginx.dir}/tls"},
                   port={"Protocol": "tls", "Target": f"127.0.0.1:{nginx.tls}"})
    assert curl(w, "https://www.example.org/who") == b"www"
    assert curl(w, "https://api.example.org/who") == b"other"
    assert curl(w, "https://www.example.org/file", "https://www.example.org/file") == data + data
    w.answers()
    w.gateway.log.wait(rf"Forwarded unix: 127\.0\.0\.1 port \d+ to unix:{nginx.dir}/tls \(www\.example\.org\): "
                       r"\d+ bytes in, 4\d{7} out, \d+\.\d s$")


def test_nginx_learns_the_client_by_send_proxy(forwarding, nginx):
    w = forwarding(tls={"Protocol": "tls", "Target": f"127.0.0.1:{nginx.proxied}", "SendProxy": "v2"})
    assert curl(w, "https://www.example.org/who", "--interface", "127.0.0.3").startswith(b"127.0.0.3:")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_haproxy_learns_the_client_by_send_proxy(forwarding, pem, short, version):
    port = net.free_port()
    haproxy = HAProxy(HAPROXY.format(port=port, pem=pem, dir=short), ("127.0.0.1", port))
    try:
        w = forwarding(unix={"Protocol": "tls", "MatchHost": "unix.example.org", "Target": f"unix:{short}/haproxy",
                             "SendProxy": version},
                       port={"Protocol": "tls", "Target": f"127.0.0.1:{port}", "SendProxy": version})
        for host in ("unix", "port"):
            client = curl(w, f"https://{host}.example.org/", "--interface", "127.0.0.3").decode()
            address, _, port = client.rpartition(":")
            assert address == "127.0.0.3"
            w.gateway.log.wait(rf"Forwarded {host}: 127\.0\.0\.3 port {port} to ")
    finally:
        haproxy.stop()


# --- the gateway is restarted, reloaded, or loses its forwarder ---

class Slow:
    """A server that sends one half of its data at once, and the other when release() is called."""

    def __init__(self):
        self.data = os.urandom(8_000_000)
        self.released = threading.Event()
        self.server = net.Server(self.serve)
        self.words = {"Protocol": "http", "Target": f"127.0.0.1:{self.server.port}"}

    def serve(self, s):
        s.recv(4096)
        half = len(self.data) // 2
        s.sendall(self.data[:half])
        self.released.wait(2 * PATIENCE)
        s.sendall(self.data[half:])
        s.shutdown(1)

    def close(self):
        self.released.set()
        self.server.close()


class Download:
    """One through the gateway, of which the first half has come."""

    def __init__(self, port, slow):
        self.slow = slow
        self.sock = net.connect(("127.0.0.1", port))
        self.sock.sendall(b"GET / HTTP/1.0\r\nHost: www.example.org\r\n\r\n")
        half, self.hash = len(slow.data) // 2, hashlib.sha256()
        while half > 0:
            got = self.sock.recv(min(half, 1 << 20))
            assert got
            self.hash.update(got)
            half -= len(got)

    def finishes(self):
        self.slow.released.set()
        with self.sock:
            self.hash.update(net.read_all(self.sock))
        assert self.hash.hexdigest().encode() == net.sha256(self.slow.data)


@pytest.fixture
def slow():
    with contextlib.closing(Slow()) as s:
        yield s


def forwarders(gateway):
    return [p for p in gateway.processes() if p.title() == "sallyport: forwarder"]


def test_restart_breaks_off_no_download(gated, slow):
    """The old forwarder goes on until it has ended, and the new gateway has one of its own."""
    port = net.free_port()
    w = gated(front={"port": port, "within": (sys.executable, "-B", str(ACTIVATE), f"127.0.0.1:{port}", "--")})
    g = w.gateway
    write(g, web=slow.words)
    assert g.reload().returncode == 0
    download = Download(g.port, slow)
    (old,) = forwarders(g)
    mark = g.log.mark()
    g.process.send_signal(signal.SIGUSR1)
    g.log.wait("Server listening", mark)
    (new,) = wait_for("another forwarder", lambda: [p for p in forwarders(g) if p != old])
    assert old.alive()
    w.answers()
    download.finishes()
    g.log.wait(r"Forwarded web: .*: \d+ bytes in, 8000000 out", mark)
    wait_for("the end of the old forwarder", lambda: forwarders(g) == [new])


def test_reload_breaks_off_no_download(forwarding, slow):
    """Nor one that removes its section, and with it all of them."""
    w = forwarding(web=slow.words)
    download = Download(w.gateway.port, slow)
    assert w.gateway.reload().returncode == 0
    (w.gateway.conf / "05-edge.ini").unlink()
    assert w.gateway.reload().returncode == 0
    download.finishes()
    w.gateway.log.wait(r"Forwarded web: .*: \d+ bytes in, 8000000 out")
    wait_for("the end of the forwarder", lambda: not forwarders(w.gateway))


def test_forwarder_that_dies_is_started_again(forwarding, slow):
    """Its connections end, with a reset or without; sessions do not notice."""
    w = forwarding(web=slow.words)
    session = open_session(w.client)
    download = Download(w.gateway.port, slow)
    (old,) = forwarders(w.gateway)
    old.kill()
    w.gateway.log.wait(r"the forwarder has died \(killed by signal 9\): 1 forwarded connections? ")
    with download.sock, contextlib.suppress(ConnectionResetError):
        assert not download.sock.recv(1)
    slow.released.set()
    assert session.communicate(b"still there")[0] == b"still there"
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"GET / HTTP/1.0\r\nHost: www.example.org\r\n\r\n")
        assert net.read_all(s) == slow.data
    assert forwarders(w.gateway) != [old]
    w.answers()
