"""HTTP and TLS for NAME.DOMAIN on the edge port lead into the tunnel NAME ([forward], Target = tunnel:%1)."""

import contextlib
import functools
import re
import shutil
import ssl
import subprocess

import pytest

from lab import net, web
from lab.documents import block, put
from lab.tunnels import Tunnels
from lab.x509 import Authority

SECTION = """[forward tunnels]
Protocol  = http tls
MatchHost = *.t.example.org
Target    = tunnel:%1
"""


@pytest.fixture
def tunnels(gated):
    def make(**words):
        w = gated()
        w.gateway.write("05-edge.ini", "edge", {"DetectTimeout": "60s"}, SECTION)
        return Tunnels(w, **words)

    return make


@pytest.fixture
def page(tmp_path):
    """A web server with one page, of a megabyte; its port."""
    root = tmp_path / "page"
    root.mkdir()
    (root / "index.html").write_bytes(b"hidden " * 150_000)

    with web.serving_files(root) as server:
        yield server.server_port


def fetch(t, host, path="/", wrap=lambda s: s):
    """The answer of HTTP for this host at the gateway: its head and its body."""
    with net.connect(("127.0.0.1", t.gateway.port), 120) as plain, wrap(plain) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        with contextlib.suppress(ConnectionResetError):
            data = net.read_all(s)
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode(), body


def test_page_of_a_hidden_machine(tunnels, page):
    t = tunnels()
    t.hold(f"web-1:80:127.0.0.1:{page}")
    for host in ("web-1.t.example.org", "WEB-1.T.example.org:8080"):
        head, body = fetch(t, host)
        assert head.startswith("HTTP/1.0 200") and body == b"hidden " * 150_000
    t.log.wait(r"127\.0\.0\.1 port \d+ connects to the tunnel web-1 port 80 of hold")


def test_user_reads_the_address(tunnels, page):
    t = tunnels()
    term = t.machine().terminal("-R", f"web-1:80:127.0.0.1:{page}", None)
    term.expect(r"Tunnel web-1 port 80 \(web-1\.t\.example\.org\) is open\.")
    assert fetch(t, "web-1.t.example.org", "/none")[0].startswith("HTTP/1.0 404")
    term.expect(r"127\.0\.0\.1 connected to web-1")
    term.send("\x03")
    term.process.wait(60)


def test_name_that_nobody_holds(tunnels):
    t = tunnels()
    head, body = fetch(t, "web-1.t.example.org")
    assert head.startswith("HTTP/1.1 404") and body == b"No machine is connected by this name.\r\n"
    assert fetch(t, "web_.t.example.org") == ("", b"")


def test_tls_passes_to_the_machine(tunnels, tmp_path):
    """The certificate is the machine's own, and the gateway sees no more than the SNI."""
    pem = tmp_path / "machine.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", pem, "-out", pem, "-days", "2", "-subj", "/CN=web-1.t.example.org",
                    "-addext", "subjectAltName=DNS:web-1.t.example.org"], check=True, capture_output=True)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(pem)

    def answer(s):
        with served.wrap_socket(s, server_side=True) as tls:
            tls.recv(4096)
            tls.sendall(b"HTTP/1.0 200 OK\r\n\r\nsecret")

    machine = net.Server(answer)
    t = tunnels()
    t.hold(f"web-1:443:127.0.0.1:{machine.port}", "web-1:80:127.0.0.1:9")
    context = ssl.create_default_context(cafile=str(pem))
    body = fetch(t, "web-1.t.example.org",
                 wrap=lambda s: context.wrap_socket(s, server_hostname="web-1.t.example.org"))[1]
    assert body == b"secret"
    t.log.wait(r"connects to the tunnel web-1 port 443 of hold")
    machine.close()


def test_gateway_ends_tls_for_all_names(tunnels, page, tmp_path):
    """One wildcard certificate at the gateway: machines speak plain HTTP ([tls], and Mode = raw)."""
    authority = Authority(tmp_path / "ca")
    wildcard = authority.issue("t.example.org", names="DNS:*.t.example.org")
    t = tunnels()
    g = t.gateway
    g.command("key", "add", "wildcard", wildcard.key)
    shutil.copy(wildcard.path, g.conf / "wildcard.pem")
    text = block("doc/recipes.md", "Pages of hidden machines", "ini", 1)
    (g.conf / "06-tls.ini").write_text(put(text, ("fullchain.pem", "wildcard.pem")))
    g.hangup()
    t.hold(f"web-1:80:127.0.0.1:{page}")
    context = ssl.create_default_context(cafile=str(authority.certificate.path))
    wrap = functools.partial(context.wrap_socket, server_hostname="web-1.t.example.org")
    head, body = fetch(t, "web-1.t.example.org", wrap=wrap)
    assert head.startswith("HTTP/1.0 200") and body == b"hidden " * 150_000
    assert fetch(t, "web-1.t.example.org")[1] == b"hidden " * 150_000, "and HTTP without TLS"
    t.log.wait(r"127\.0\.0\.1 port \d+ connects to the tunnel web-1 port 80 of hold")


def test_ssh_goes_on_at_the_same_port(tunnels):
    t = tunnels()
    t.hold_box()
    t.way.answers()


def test_given_name_has_an_address(tunnels, page):
    t = tunnels(TunnelNames="*")
    t.hold(f"80:127.0.0.1:{page}")
    name = re.search(r"\d holds the tunnel ([a-z]+-[a-z]+-\d+) port 80", t.log.text())[1]
    assert fetch(t, f"{name}.t.example.org")[0].startswith("HTTP/1.0 200")
