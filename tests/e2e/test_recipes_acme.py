"""doc/recipes.md, Certificates from an ACME authority: challenges reach who answers them, and renewals take nobody down."""

import os
import re
import socket
import ssl
import subprocess
import threading

import pytest

from lab import net, web
from lab.documents import block, put
from lab.gateway import SALLYPORT
from lab.wait import PATIENCE
from lab.x509 import Authority, openssl

PAGE, RECIPE = "doc/recipes.md", "Certificates from an ACME authority"
HOST = "web-1.t.example.org"
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def responder(tmp_path):
    """What certbot --standalone is while it waits: a web server with the answer to one challenge; its port."""
    well_known = tmp_path / "responder" / ".well-known" / "acme-challenge"
    well_known.mkdir(parents=True)
    (well_known / TOKEN).write_text(f"{TOKEN}.thumbprint")

    with web.serving_files(tmp_path / "responder") as server:
        yield server.server_port


@pytest.fixture
def tls_responder(tmp_path):
    """A server of TLS-ALPN-01 (RFC 8737), with the certificate of its challenge; its port and the certificate."""
    pem = tmp_path / "challenge.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", pem, "-out",
            pem, "-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-addext",
            "1.3.6.1.5.5.7.1.31=critical,DER:04:20:" + ":".join(["5a"] * 32))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(["acme-tls/1"])

    def answer(s):
        with context.wrap_socket(s, server_side=True) as tls:
            tls.recv(1)

    server = net.Server(answer)
    yield server.port, pem
    server.close()


class Served:
    """A gateway with a [tls] section for a wildcard certificate, whose inner streams are echoed."""

    def __init__(self, way, authority, echo):
        self.gateway = way.gateway
        self.authority = authority
        self.lineage = self.gateway.conf.parent / "live"
        self.context = ssl.create_default_context(cafile=str(authority.certificate.path))
        self.bin = self.gateway.conf.parent / "bin"
        self.lineage.mkdir()
        self.bin.mkdir()
        # the recipe's configuration is where it is looked for without -c
        (self.bin / "sallyport").write_text(f'#!/bin/sh\nexec {SALLYPORT} "$@" -c {self.gateway.conf}\n')
        (self.bin / "sallyport").chmod(0o755)
        self.issue()
        self.gateway.command("key", "add", "wildcard", self.lineage / "privkey.pem")
        (self.gateway.conf / "wildcard.pem").write_bytes((self.lineage / "fullchain.pem").read_bytes())
        # sections that take everything, in files before that of the recipe
        self.gateway.write("05-edge.ini", "edge", {"DetectTimeout": "60s"}, f"""
[tls wildcard]
MatchHost   = *.t.example.org
Certificate = conf.d/wildcard.pem
Key         = wildcard
ALPN        = http/1.1

[forward inside]
Mode     = raw
Protocol = http
Target   = 127.0.0.1:{echo.port}

[forward web]
Protocol = http tls
Target   = 127.0.0.1:{echo.port}
""")
        self.gateway.hangup()

    def issue(self):
        """What certbot leaves of a new certificate; its serial number."""
        c = self.authority.issue("t.example.org", names="DNS:*.t.example.org")
        (self.lineage / "fullchain.pem").write_bytes(c.path.read_bytes())
        (self.lineage / "privkey.pem").write_bytes(c.key.read_bytes())
        (self.lineage / "privkey.pem").chmod(0o600)
        return int(c.fact("-serial"), 16)

    def hook(self, only=None):
        """The deploy hook of the recipe, or as many of its lines."""
        text = put(block(PAGE, RECIPE, "sh", 0), ("/etc/sallyport/conf.d", self.gateway.conf))
        lines = text.splitlines()[:only]
        return subprocess.run(["/bin/sh", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=PATIENCE,
                              check=False, env={**os.environ, "RENEWED_LINEAGE": str(self.lineage),
                                                "PATH": f"{self.bin}:{os.environ['PATH']}"})

    def connect(self, **more):
        s = net.connect(("127.0.0.1", self.gateway.port))
        return self.context.wrap_socket(s, server_hostname=HOST, **more)

    @staticmethod
    def echoes(s):
        request = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        s.sendall(request)
        got = b""
        while len(got) < len(request):
            more = s.recv(4096)
            assert more, got
            got += more
        assert got == request

    def serial(self):
        """That of the certificate a new connection sees, which works."""
        with self.connect() as s:
            self.echoes(s)
            return int(s.getpeercert()["serialNumber"], 16)


@pytest.fixture
def served(gated, authority, echo):
    return Served(gated(), authority, echo)


def test_http_challenge(served, responder):
    """It is answered by the program, also cut into pieces; all other requests are for the web server."""
    g = served.gateway
    text = block(PAGE, RECIPE, "ini", 0)
    (g.conf / "50-acme.ini").write_text(put(text, ("127.0.0.1:8402", f"127.0.0.1:{responder}"), ("gw.example.org", HOST)))
    g.hangup()
    request = f"GET /.well-known/acme-challenge/{TOKEN} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    for pieces in ([request], [request[:1], request[1:20], request[20:50], request[50:]]):
        with net.connect(("127.0.0.1", g.port)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                s.sendall(piece)
            head, _, body = net.read_all(s).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200") and body == f"{TOKEN}.thumbprint".encode()
    for other in (request.replace(b"acme-challenge", b"security.txt"), request.replace(b"web-1", b"web-2")):
        assert net.exchange(("127.0.0.1", g.port), other) == other
    g.log.wait(r"Forwarded acme: ")


def test_tls_challenge(served, tls_responder):
    """A client that offers acme-tls/1 gets the program's certificate, all others that of the gateway."""
    g = served.gateway
    port, pem = tls_responder
    text = block(PAGE, RECIPE, "ini", 1)
    (g.conf / "50-acme.ini").write_text(put(text, ("127.0.0.1:8403", f"127.0.0.1:{port}"), ("gw.example.org", HOST)))
    g.hangup()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is known by what it shows
    context.set_alpn_protocols(["acme-tls/1"])
    with context.wrap_socket(net.connect(("127.0.0.1", g.port)), server_hostname=HOST) as s:
        assert s.selected_alpn_protocol() == "acme-tls/1"
        assert ssl.DER_cert_to_PEM_cert(s.getpeercert(binary_form=True)) in pem.read_text()
    served.serial()


def test_renewals(served):
    """The hook, twice, while a connection is open and new ones begin: each has a certificate that fits its key."""
    old = served.serial()
    seen, failed, over = {old}, [], threading.Event()

    def visit():
        while not over.is_set():
            try:
                seen.add(served.serial())
            except (AssertionError, OSError) as e:
                failed.append(e)
                return

    with served.connect() as held:
        served.echoes(held)
        visitor = threading.Thread(target=visit, daemon=True)
        visitor.start()
        issued = []
        for _ in range(2):
            issued.append(served.issue())
            p = served.hook()
            assert (p.returncode, p.stderr) == (0, ""), p
            assert served.serial() == issued[-1]
        over.set()
        visitor.join(PATIENCE)
        assert not failed and seen <= {old, *issued}, (failed, seen)
        served.echoes(held)
    assert served.gateway.check()[0] == 0


def test_half_a_renewal(served):
    """Of a hook that ends before the certificate is in place, nothing is used, and a reload says what is wrong."""
    old, new = served.serial(), served.issue()
    lines = block(PAGE, RECIPE, "sh", 0).splitlines()
    before = next(i for i, line in enumerate(lines) if line.startswith("mv "))
    assert served.hook(before).returncode == 0
    assert served.serial() == old
    mark = served.gateway.log.mark()
    p = served.gateway.reload()
    assert p.returncode == 78
    why = "[tls wildcard] Key: wildcard is not the private key of the certificate"
    assert why in p.stderr.decode()
    served.gateway.log.wait(re.escape(why), mark)
    assert served.serial() == old
    assert served.hook().returncode == 0
    assert served.serial() == new


def test_replacing_a_key(gated, authority):
    """`key add --replace` is for keys alone, and not for a host key of the gateway."""
    g = gated().gateway
    one, two = authority.issue("one"), authority.issue("two")
    replace = ["key", "add", "--replace", "-q", "-c", g.conf]
    first, second = (g.sallyport(*replace, "web", c.key) for c in (one, two))
    assert first.returncode == second.returncode == 0 and first.stdout != second.stdout
    assert g.sallyport("key", "public", "web", "-c", g.conf).stdout == second.stdout
    p = g.sallyport("key", "add", "web", one.key, "-c", g.conf)
    assert p.returncode == 1 and b"already" in p.stderr
    assert g.sallyport("key", "add", "word", "--password", "-c", g.conf, stdin=b"other\n").returncode == 0
    p = g.sallyport(*replace, "word", one.key)
    assert p.returncode == 1 and b"word: is not a key" in p.stderr
    host = g.sallyport("key", "public", "host_ed25519", "-c", g.conf).stdout
    p = g.sallyport(*replace, "host_ed25519", one.key)
    assert p.returncode == 1 and b"the gateway's own host key" in p.stderr
    assert g.sallyport("key", "public", "host_ed25519", "-c", g.conf).stdout == host
