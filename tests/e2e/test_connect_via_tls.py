"""ConnectVia = https:// and tls://: the proxy is reached inside TLS, which has a process of its own."""

import re
import subprocess

import pytest

from lab import net
from lab.gateway import sanitized
from lab.gateway_operator import HAProxy
from lab.proxies import PASSWORD, Tinyproxy
from lab.wait import wait_for
from lab.way import Way

DATA = bytes(range(256)) * 8192
MACHINE = "vm7.example.org"


class Certificates:
    """An authority, and certificates by it: PEM files with the key for haproxy."""

    def __init__(self, directory):
        self.dir = directory
        directory.mkdir()
        self.ca = self._make("ca", "/CN=an authority", "-addext", "basicConstraints=critical,CA:TRUE")

    def _make(self, name, subject, *more):
        pem = self.dir / f"{name}.pem"
        p = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-keyout", f"{name}.key", "-out", pem, "-subj", subject, *more],
            cwd=self.dir, capture_output=True, check=False)
        assert p.returncode == 0, p.stderr
        return pem

    def server(self, name, *names):
        pem = self._make(name, f"/CN={name}", "-CA", "ca.pem", "-CAkey", "ca.key", "-addext",
                         "subjectAltName=" + ",".join(names), "-addext", "basicConstraints=CA:FALSE")
        pem.write_text(pem.read_text() + (self.dir / f"{name}.key").read_text())
        return pem


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path / "tls")


@pytest.fixture
def ended():
    """ended(pem, port): haproxy ends TLS with this certificate, and leads on to this port; its own port."""
    made = []

    def make(pem, port, only=None):
        at = net.free_port()
        rule = f"use_backend there if {{ ssl_fc_sni {only} }}" if only else "default_backend there"
        made.append(HAProxy(
            "defaults\n  mode tcp\n  timeout connect 30s\n  timeout client 60s\n  timeout server 60s\n"
            f"frontend tls\n  bind 127.0.0.1:{at} ssl crt {pem}\n  {rule}\n"
            f"backend there\n  server s 127.0.0.1:{port}\n", ("127.0.0.1", at)))
        return at

    yield make
    for h in made:
        h.stop()


@pytest.fixture
def behind(make_gateway, make_sshd, ring, tmp_path, certificates):
    """behind(url of an upstream, words of the route): a gateway with a route by this proxy."""
    made = []

    def make(url, upstream=None, password=None, ca=certificates.ca, known=None, **route):
        upstream = upstream or make_sshd()
        g = make_gateway()
        if password is not None:
            p = g.sallyport("key", "add", "proxy", "--password", "-c", g.conf, stdin=password.encode() + b"\n")
            assert p.returncode == 0, p
            route["ConnectViaPassword"] = "proxy"
        g.route("alice", upstream, [ring.get("client")], known_hosts=known, ConnectVia=url, ConnectViaCA=ca, **route)
        g.start()
        w = Way("gateway", tmp_path / f"way{len(made)}", ring, upstream, g)
        made.append(w)
        return w

    yield make
    for w in made:
        w.close()


@pytest.fixture
def proxy():
    p = Tinyproxy(login=True)
    yield p
    p.stop()


def https(proxy, port):
    return proxy.url.replace("http://", "https://").replace(str(proxy.port), str(port))


def dial(w):
    p = w.gateway.sallyport("route", "alice", "--dial", "-c", w.gateway.conf)
    return p.returncode, p.stdout.decode()


def no_tls(w):
    wait_for("the end of the processes for TLS", lambda: not w.gateway.role("tls to"))


def test_login_by_a_proxy_inside_tls(behind, proxy, ended, certificates):
    at = ended(certificates.server("proxy", "IP:127.0.0.1"), proxy.port)
    w = behind(https(proxy, at), password=PASSWORD)
    assert w.ssh("cat", stdin=DATA).out == DATA
    w.gateway.log.wait(rf"-> .*@127\.0\.0\.1 port {w.sshd.port} \(dialled from the gateway port 0\)")
    status, text = dial(w)
    assert status == 0 and f"certified by {certificates.ca}\n" in text and re.search("^dial .* is known", text, re.M), text
    assert PASSWORD not in w.gateway.log.text()
    no_tls(w)


def test_tls_lasts_as_long_as_its_connection(behind, proxy, ended, certificates):
    """Also past the end of the gateway, like its session."""
    at = ended(certificates.server("proxy", "IP:127.0.0.1"), proxy.port)
    w = behind(https(proxy, at), password=PASSWORD)
    c = w.new_client()
    p = c.popen(c.argv("ssh", "upstream", "cat"))
    p.stdin.write(b"before\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"before\n"
    (tls,) = w.gateway.role("tls to")
    assert tls.title() == "sallyport: tls to 127.0.0.1"
    if not sanitized():
        assert tls.status("Seccomp") == "2" and tls.status("NoNewPrivs") == "1"
    assert int(tls.status("CapEff"), 16) == 0 and tls.n_descriptors() == 5  # 0 to 2, the proxy, the session
    w.gateway.kill()
    out, _ = p.communicate(b"after\n", timeout=60)
    assert out == b"after\n" and p.returncode == 0
    no_tls(w)


def test_new_host_key_by_a_proxy_inside_tls(behind, proxy, ended, certificates):
    at = ended(certificates.server("proxy", "IP:127.0.0.1"), proxy.port)
    w = behind(https(proxy, at), password=PASSWORD, known="", StrictHostKeyChecking="accept-new")
    w.answers()
    assert w.gateway.log.find(r"the host key of 127\.0\.0\.1 port \d+ is new")
    no_tls(w)


def test_machine_by_the_server_name_of_tls(behind, make_sshd, ended, certificates):
    """As ssh -o ProxyCommand="openssl s_client -quiet -connect proxy:443 -servername vm7"."""
    sshd = make_sshd()
    at = ended(certificates.server("machine", f"DNS:{MACHINE}"), sshd.port, only=MACHINE)
    known = sshd.known_hosts().replace("[127.0.0.1]", f"[{MACHINE}]")
    w = behind(f"tls://127.0.0.1:{at}", sshd, known=known, HostName=MACHINE)
    assert w.ssh("cat", stdin=DATA).out == DATA
    other = behind(f"tls://127.0.0.1:{at}", sshd, known=known.replace(MACHINE, "vm8.example.org"),
                   HostName="vm8.example.org")
    assert other.ssh("true").code == 255
    other.gateway.log.wait(rf"cannot connect: vm8\.example\.org port \d+: the proxy 127\.0\.0\.1 port {at} "
                           r"has a certificate that is not for 127\.0\.0\.1 or vm8\.example\.org$")
    no_tls(w)


def test_proxy_that_is_not_certified(behind, proxy, ended, certificates, tmp_path, make_sshd):
    strange = Certificates(tmp_path / "strange")
    at = ended(strange.server("proxy", "IP:127.0.0.1"), proxy.port)
    for ca in (certificates.ca, None):  # None: the authorities of this host
        w = behind(https(proxy, at), password=PASSWORD, ca=ca)
        assert w.ssh("true").code == 255
        w.gateway.log.wait(rf"the proxy 127\.0\.0\.1 port {at} has a certificate that is not accepted \(.*\): "
                           "ConnectViaCA names its authority$")
        status, text = dial(w)
        assert status == 1 and "has a certificate that is not accepted" in text
        no_tls(w)


def test_proxy_that_speaks_no_tls(behind, proxy, make_sshd):
    w = behind(https(proxy, make_sshd().port), password=PASSWORD)
    assert w.ssh("true").code == 255
    w.gateway.log.wait(r"the proxy 127\.0\.0\.1 port \d+ does not speak TLS as wanted: ")


def test_check_of_proxies_inside_tls(make_gateway, make_sshd, ring, certificates):
    g, sshd = make_gateway(), make_sshd()

    def noted(**words):
        g.route("alice", sshd, [ring.get("client")], **words)
        return g.check()[1]

    (g.conf / "empty.pem").write_text("")
    assert noted(ConnectVia="tls://p:443") == ""
    assert noted(ConnectVia="https://p:443", ConnectViaCA=certificates.ca) == ""
    assert "ConnectViaCA: there is no certificate in" in noted(ConnectVia="tls://p:443", ConnectViaCA="conf.d/empty.pem")
    assert "put the certificates of the proxy's authorities there" in noted(
        ConnectVia="tls://p:443", ConnectViaCA="conf.d/missing.pem")
    assert "ConnectViaCA needs ConnectVia = https://" in noted(ConnectVia="http://p:80", ConnectViaCA=certificates.ca)
    assert "ConnectViaCA needs ConnectVia" in noted(ConnectViaCA=certificates.ca)
    assert "tls:// has no user" in noted(ConnectVia="tls://u@p:443")
    assert "networks in AllowDestinations have no meaning" in noted(
        ConnectVia="tls://p:443", AllowDestinations="127.0.0.0/8:*")
