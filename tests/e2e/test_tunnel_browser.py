"""A real browser (chromium, without a window) that opens pages of a hidden machine through the edge port."""

import base64
import hashlib
import http.server
import os
import shutil
import signal
import subprocess
import threading

import pytest

from lab import web
from lab.documents import block, put
from lab.tunnels import Tunnels
from lab.wait import PATIENCE
from lab.x509 import Authority

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="takes chromium, which is too large for a build machine")

# What --dump-dom prints is the document when load has fired: the last script is inserted when all the rest has come.
INDEX = """<!DOCTYPE html><html><head><link rel=stylesheet href=style.css></head><body>
<p id=said>nothing</p><img src=one.svg><img src=two.svg>
<script src=script.js></script></body></html>"""
SCRIPT = """
const said = document.getElementById('said');
const request = new XMLHttpRequest();
request.open('POST', 'upper', false);
request.send('posted');
said.textContent = location.protocol + '//' + location.host + ' ' + request.responseText;
// the page has loaded when the frame has, which is when the socket has answered
const socket = new WebSocket(location.protocol.replace('http', 'ws') + '//' + location.host + '/socket');
socket.onopen = () => socket.send('to and fro');
socket.onmessage = e => { said.textContent += ' ' + e.data; fetch('/done').then(() => 0); };
socket.onerror = () => { said.textContent += ' error'; };
"""
FILES = {
    "/": ("text/html", INDEX),
    "/style.css": ("text/css", "p { color: green }"),
    "/script.js": ("text/javascript", SCRIPT),
    "/one.svg": ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg' width='4' height='4'/>"),
}


class Page(http.server.BaseHTTPRequestHandler):
    """The web server of the hidden machine: HTTP/1.1 that keeps connections, and a WebSocket that echoes."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, kind, text, status=200):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self):
        self.server.seen.append((self.client_address, self.path, self.headers["Host"]))

    def do_POST(self):
        self.note()
        self.answer("text/plain", self.rfile.read(int(self.headers["Content-Length"])).decode().upper())

    def do_GET(self):
        self.note()
        if self.path == "/socket":
            self.socket()
        elif self.path == "/two.svg":
            # the second picture comes when the socket has echoed, so that the page has loaded not before
            self.server.echoed.wait(PATIENCE)
            self.answer(*FILES["/one.svg"])
        elif self.path == "/done":
            self.answer("text/plain", "")
            self.server.echoed.set()
        elif self.path in FILES:
            self.answer(*FILES[self.path])
        else:
            self.answer("text/plain", "", 404)

    def socket(self):
        """RFC 6455: one message of text comes back."""
        accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
        self.send_response(101)
        for name, value in {"Upgrade": "websocket", "Connection": "Upgrade",
                            "Sec-WebSocket-Accept": base64.b64encode(accept.digest()).decode()}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        head = self.rfile.read(6)
        size, mask = head[1] & 0x7f, head[2:]
        text = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(size)))
        self.wfile.write(bytes([0x81, len(text)]) + text)
        self.rfile.read(1)  # until the browser closes it


@pytest.fixture
def page():
    with web.serving(Page) as server:
        server.seen, server.echoed = [], threading.Event()
        yield server


@pytest.fixture
def browse(tmp_path):
    """browse(url, gateway, *words): the document when the page has loaded.  All names lead to the gateway."""
    running = []

    def run(url, gateway, *words):
        home = tmp_path / f"home{len(running)}"
        home.mkdir()
        p = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
             "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
             f"--user-data-dir={home}/data", f"--host-resolver-rules=MAP * 127.0.0.1:{gateway.port}",
             "--dump-dom", *words, url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "HOME": str(home)})
        running.append(p)
        out, err = p.communicate(timeout=PATIENCE)
        assert p.returncode == 0, err
        return out

    yield run
    for p in running:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGKILL)
            p.communicate()


@pytest.fixture
def tunnels(gated):
    w = gated()
    w.gateway.write("05-edge.ini", "edge", {"DetectTimeout": "60s"})
    return Tunnels(w)


def test_page_by_http(tunnels, page, browse):
    """A page with its style, pictures, script, a POST and a WebSocket, several requests on a connection."""
    g = tunnels.gateway
    (g.conf / "06-web.ini").write_text(put(block("doc/recipes.md", "Pages of hidden machines", "ini", 0).partition(
        "[forward tunnels]")[2], ("Protocol", "[forward tunnels]\nProtocol")))
    g.hangup()
    tunnels.hold(f"web-1:80:127.0.0.1:{page.server_address[1]}")
    document = browse("http://web-1.t.example.org/", g)
    assert '<p id="said">http://web-1.t.example.org POSTED to and fro</p>' in document
    paths = [path for _, path, _ in page.seen]
    assert {"/", "/style.css", "/script.js", "/one.svg", "/two.svg", "/upper", "/socket"} <= set(paths)
    assert {host for *_, host in page.seen} == {"web-1.t.example.org"}
    assert len({peer for peer, *_ in page.seen}) < len(page.seen), "each request had a connection of its own"


def test_page_by_https(tunnels, page, browse, tmp_path):
    """The same by https, with a wildcard certificate at the gateway."""
    wildcard = Authority(tmp_path / "ca").issue("t.example.org", names="DNS:*.t.example.org")
    g = tunnels.gateway
    g.command("key", "add", "wildcard", wildcard.key)
    shutil.copy(wildcard.path, g.conf / "wildcard.pem")
    text = block("doc/recipes.md", "Pages of hidden machines", "ini", 1)
    (g.conf / "06-tls.ini").write_text(put(text, ("fullchain.pem", "wildcard.pem")))
    g.hangup()
    tunnels.hold(f"web-1:80:127.0.0.1:{page.server_address[1]}")
    pin = subprocess.run(f"openssl x509 -in {wildcard.path} -pubkey -noout | openssl pkey -pubin -outform der | "
                         "openssl dgst -sha256 -binary | base64", shell=True, capture_output=True, text=True, check=True)
    # of all unknown authorities' certificates, that with this key alone
    document = browse("https://web-1.t.example.org/", g, f"--ignore-certificate-errors-spki-list={pin.stdout.strip()}")
    assert '<p id="said">https://web-1.t.example.org POSTED to and fro</p>' in document
    assert "/socket" in {path for _, path, _ in page.seen}
