"""ConnectVia: the upstream is reached by a SOCKS or HTTP proxy, real ones and bad ones."""

import base64
import re
import socket

import pytest

from lab import net
from lab.proxies import PASSWORD, USER, Microsocks, OpenSSH, Tinyproxy, dial, way_by

DATA = bytes(range(256)) * 2048


@pytest.fixture
def proxies(make_sshd, ring):
    """proxies(name): a proxy that runs."""
    made = []

    def make(name, **options):
        if name == "ssh":
            made.append(OpenSSH(make_sshd(), ring.get("tunnel")))
        else:
            made.append({"microsocks": Microsocks, "tinyproxy": Tinyproxy}[name](**options))
        return made[-1]

    yield make
    for p in made:
        p.stop()


@pytest.fixture
def behind(make_gateway, make_sshd, ring, tmp_path):
    """behind(url, words of the route): a gateway with a route by this proxy."""
    made = []

    def make(url, known=True, **options):
        made.append(way_by(url, make_gateway(), make_sshd(), ring, tmp_path / f"way{len(made)}",
                           known_hosts=None if known else "", **options))
        return made[-1]

    yield make
    for w in made:
        w.close()


def no_password(w):
    """Neither in the log nor in base64."""
    for secret in (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in w.gateway.log.text()


@pytest.mark.parametrize("name, login", [("ssh", False), ("microsocks", False), ("microsocks", True),
                                         ("tinyproxy", False), ("tinyproxy", True)])
def test_login_by_a_proxy(behind, proxies, name, login):
    proxy = proxies(name, **({"login": True} if login else {}))
    w = behind(proxy.url, password=PASSWORD if login else None, HostName="localhost")
    w.gateway.known_hosts_of("alice").write_text(w.sshd.known_hosts().replace("[127.0.0.1]", "[localhost]"))
    assert w.ssh("cat", stdin=DATA).out == DATA
    status, text = dial(w)
    assert f"\nvia        {proxy.url}\n" in text and ("with the password proxy-password\n" in text) == login
    assert status == 0 and re.search(
        rf"^dial       localhost port {w.sshd.port} via {proxy.scheme}://{re.escape(proxy.place)}: SSH-2\.0-.* is known",
        text, re.M), text
    no_password(w)
    proxy.stop()
    assert w.ssh("true").code == 255
    w.gateway.log.wait(rf"cannot connect: localhost port {w.sshd.port}: no connection to the proxy: "
                       rf"127\.0\.0\.1 port {proxy.port}: Connection refused$")


@pytest.mark.parametrize("name, why", [("ssh", "has closed the connection"),
                                       ("microsocks", r"refuses: .* \(SOCKS code \d\)"),
                                       ("tinyproxy", r"refuses: .* \(HTTP code \d+\)")])
def test_next_host_is_tried(behind, proxies, name, why):
    """Nothing listens at 127.0.0.2."""
    proxy = proxies(name)
    w = behind(proxy.url, HostName="127.0.0.2 127.0.0.1")
    assert w.ssh("echo in").text == "in\n"
    w.gateway.log.wait(r"127\.0\.0\.1 is used instead of another address: "
                       rf"127\.0\.0\.2 port {w.sshd.port}: the proxy 127\.0\.0\.1 port {proxy.port} {why}$")


@pytest.mark.parametrize("name, code", [("microsocks", ""), ("tinyproxy", r" \(HTTP code 40[17]\)")])
def test_login_at_the_proxy_fails(behind, proxies, name, code):
    proxy = proxies(name, login=True)
    w = behind(proxy.url, password="not it")
    assert w.ssh("true").code == 255
    w.gateway.log.wait("refuses the user and password of ConnectVia and ConnectViaPassword" + code)
    assert dial(w)[0] == 1
    assert "not it" not in w.gateway.log.text()
    other = behind(f"{proxy.scheme}://{proxy.place}")
    assert other.ssh("true").code == 255
    other.gateway.log.wait("wants a login" + code + ": write user@ into ConnectVia, and ConnectViaPassword")


def test_password_that_is_not_there(behind, proxies):
    """The login is refused with the reason, `check` has it before, and nothing is dialled."""
    proxy = proxies("microsocks", login=True)
    w = behind(proxy.url, ConnectViaPassword="missing")
    assert "ConnectViaPassword: there is no password missing in the key store" in w.gateway.notes()
    assert w.ssh("true").code == 255
    w.gateway.log.wait("ConnectVia: .*missing")
    assert dial(w)[0] == 1


def test_password_in_use_is_not_removed(behind, proxies):
    w = behind(proxies("microsocks", login=True).url, password=PASSWORD)
    p = w.gateway.sallyport("key", "remove", "proxy-password", "-c", w.gateway.conf)
    assert p.returncode != 0 and b"ConnectViaPassword = proxy-password" in p.stderr, p


def test_new_host_key_by_a_proxy(behind, proxies):
    """The errand that looks at it takes the same way."""
    w = behind(proxies("tinyproxy", login=True).url, password=PASSWORD, known=False,
               StrictHostKeyChecking="accept-new")
    w.answers()
    assert w.gateway.log.find(r"the host key of 127\.0\.0\.1 port \d+ is new")
    no_password(w)


def test_send_proxy_by_a_proxy(behind, proxies):
    """The header follows the proxy's answer."""
    read = []

    def serve(s):
        read.append(s.recv(13, socket.MSG_WAITALL))

    machine = net.Server(serve)
    try:
        w = behind(proxies("microsocks").url, Port=machine.port, SendProxy="v2")
        assert w.ssh("true").code == 255
        assert read == [b"\r\n\r\n\0\r\nQUIT\n\x21"]
    finally:
        machine.close()


# --- proxies that nobody should run ---


def read_request(s):
    """The request of HTTP CONNECT, or of SOCKS after its greeting is answered."""
    first = s.recv(1)
    if first == b"C":
        while not first.endswith(b"\r\n\r\n"):
            first += s.recv(1)
        return b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3000 + b"\r\n\r\n"
    s.recv(s.recv(1)[0], socket.MSG_WAITALL)
    s.sendall(b"\5\0")
    head = s.recv(4, socket.MSG_WAITALL)
    s.recv(6 if head[3] == 1 else s.recv(1)[0] + 2, socket.MSG_WAITALL)
    return b"\5\0\0\3\xff" + b"n" * 255 + b"\0\0"


@pytest.mark.parametrize("scheme", ["socks5", "http"])
@pytest.mark.parametrize("piece", [1, 100000])
def test_no_byte_is_lost(behind, scheme, piece):
    """An answer whose last segment has the machine's first bytes in it, and one that comes byte by byte."""
    ports = []

    def serve(s):
        answer = read_request(s)
        with net.connect(("127.0.0.1", ports[0])) as upstream:
            banner = upstream.recv(8)
            whole = answer + banner
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(whole), piece):
                s.sendall(whole[i:i + piece])
            net.relay(s, upstream)

    server = net.Server(serve)
    try:
        w = behind(f"{scheme}://127.0.0.1:{server.port}")
        ports.append(w.sshd.port)
        assert w.ssh("cat", stdin=DATA).out == DATA
    finally:
        server.close()


ENDLESS = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 3000


@pytest.mark.parametrize("scheme, answer, why", [
    ("http", ENDLESS, "answers with more than 8192 bytes"),
    ("http", b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
    ("http", b"HTTP/1.1 200", "has closed the connection"),
    ("http", b"", "has closed the connection"),
    ("socks5", b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak SOCKS 5"),
    ("socks5", b"\5", "has closed the connection"),
])
def test_bad_answers(behind, scheme, answer, why):
    def serve(s):
        s.recv(1)
        s.sendall(answer)
        s.shutdown(socket.SHUT_WR)
        net.read_all(s)

    server = net.Server(serve)
    try:
        w = behind(f"{scheme}://127.0.0.1:{server.port}")
        assert w.ssh("true").code == 255
        w.gateway.log.wait(rf"cannot connect: 127\.0\.0\.1 port \d+: the proxy 127\.0\.0\.1 port {server.port} {why}$")
    finally:
        server.close()


def test_silent_proxy(behind):
    """ConnectTimeout is for all of it."""
    server = net.Server(net.read_all)
    try:
        w = behind(f"socks5://127.0.0.1:{server.port}", ConnectTimeout="5")
        assert w.ssh("true").code == 255
        w.gateway.log.wait(rf"the proxy 127\.0\.0\.1 port {server.port} does not answer in time$")
    finally:
        server.close()


def test_proxy_that_is_this_gateway(behind):
    w = behind("socks5://127.0.0.1:9")
    url = f"socks5://127.0.0.1:{w.gateway.port}"
    file = w.gateway.conf / "10-alice.ini"
    file.write_text(file.read_text().replace("socks5://127.0.0.1:9", url))
    assert f"ConnectVia: 127.0.0.1 port {w.gateway.port} leads back to this gateway" in w.gateway.notes()
    status, text = dial(w)
    assert status == 1 and f"127.0.0.1 port {w.gateway.port}: leads back to this gateway" in text
