"""ConnectVia = https:// and tls://: the proxy is reached inside TLS, which has a process of its own."""

import os
import re
import shutil

import pytest

from lab import net
from lab.gateway import sanitized
from lab.gateway_operator import HAProxy
from lab.proxies import PASSWORD, Tinyproxy, dial, way_by
from lab.sshd import ME
from lab.wait import wait_for
from lab.x509 import Authority

DATA = bytes(range(256)) * 8192
MACHINE = "vm7.example.org"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


def server(authority, *names):
    """A certificate with its key, for haproxy."""
    c = authority.issue("a proxy", names=",".join(names))
    pem = authority.dir / "haproxy.pem"
    pem.write_text(c.path.read_text() + c.key.read_text())
    return pem


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
def behind(make_gateway, make_sshd, ring, tmp_path, authority):
    """behind(url of an upstream, words of the route): a gateway with a route by this proxy."""
    made = []

    def make(url, upstream=None, ca=authority.certificate.path, known=None, **options):
        made.append(way_by(url, make_gateway(), upstream or make_sshd(), ring, tmp_path / f"way{len(made)}",
                           known_hosts=known, ConnectViaCA=ca, **options))
        return made[-1]

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


def no_tls(w):
    wait_for("the end of the processes for TLS", lambda: not w.gateway.role("tls to"))


def test_login_by_a_proxy_inside_tls(behind, proxy, ended, authority):
    at = ended(server(authority, "IP:127.0.0.1"), proxy.port)
    w = behind(https(proxy, at), password=PASSWORD)
    assert w.ssh("cat", stdin=DATA).out == DATA
    w.gateway.log.wait(rf"-> .*@127\.0\.0\.1 port {w.sshd.port} \(dialled from the gateway port 0\)")
    status, text = dial(w)
    assert status == 0 and f"certified by {authority.certificate.path}\n" in text, text
    assert re.search("^dial .* is known", text, re.M), text
    assert PASSWORD not in w.gateway.log.text()
    no_tls(w)


def test_tls_lasts_as_long_as_its_connection(behind, proxy, ended, authority):
    """Also past the end of the gateway, like its session."""
    at = ended(server(authority, "IP:127.0.0.1"), proxy.port)
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
    assert int(tls.status("CapEff"), 16) == 0
    if os.getuid() == 0:  # another user may not look
        assert tls.n_descriptors() == 5  # 0 to 2, the proxy, the session
    w.gateway.kill()
    out, _ = p.communicate(b"after\n", timeout=60)
    assert out == b"after\n" and p.returncode == 0
    no_tls(w)


def test_new_host_key_by_a_proxy_inside_tls(behind, proxy, ended, authority):
    at = ended(server(authority, "IP:127.0.0.1"), proxy.port)
    w = behind(https(proxy, at), password=PASSWORD, known="", StrictHostKeyChecking="accept-new")
    w.answers()
    assert w.gateway.log.find(r"the host key of 127\.0\.0\.1 port \d+ is new")
    no_tls(w)


def test_machine_by_the_server_name_of_tls(behind, make_sshd, ended, authority):
    """As ssh -o ProxyCommand="openssl s_client -quiet -connect proxy:443 -servername vm7"."""
    sshd = make_sshd()
    at = ended(server(authority, f"DNS:{MACHINE}"), sshd.port, only=MACHINE)
    known = sshd.known_hosts().replace("[127.0.0.1]", f"[{MACHINE}]")
    w = behind(f"tls://127.0.0.1:{at}", sshd, known=known, HostName=MACHINE)
    assert w.ssh("cat", stdin=DATA).out == DATA
    other = behind(f"tls://127.0.0.1:{at}", sshd, known=known.replace(MACHINE, "vm8.example.org"),
                   HostName="vm8.example.org")
    assert other.ssh("true").code == 255
    other.gateway.log.wait(rf"cannot connect: vm8\.example\.org port \d+: the proxy 127\.0\.0\.1 port {at} "
                           r"has a certificate that is not for 127\.0\.0\.1 or vm8\.example\.org$")
    no_tls(w)


def test_gateway_behind_a_gateway(behind, make_gateway, make_sshd, ring, authority):
    """The second one, which ends TLS, has the machine from the server name."""
    sshd, key = make_sshd(), ring.get("tunnel")
    second = make_gateway()
    c = authority.issue("second", names=f"DNS:{MACHINE}")
    second.command("key", "add", "tls_key", c.key)
    shutil.copy(c.path, second.conf / "tls.pem")
    second.write("20-tls.ini", "tls main", {"Certificate": "conf.d/tls.pem", "Key": "tls_key"})
    second.route(f"{ME}/vm7", sshd, [key], key="vm7", MatchHost=MACHINE)
    second.start()
    w = behind(f"tls://127.0.0.1:{second.port}", sshd, HostName=MACHINE, Port=None,
               known="".join(f"{MACHINE} {k.public}\n" for k in second.host_keys))
    (second.conf / f"{ME}_vm7.pub").write_text(w.gateway.keys["alice"] + "\n")
    assert w.ssh("cat", stdin=DATA).out == DATA
    second.log.wait(rf"session \w+: the connection from 127\.0\.0\.1 port \d+ is for host {re.escape(MACHINE)}$")
    no_tls(w)


def test_proxy_that_is_not_certified(behind, proxy, ended, authority, tmp_path, make_sshd):
    strange = Authority(tmp_path / "strange")
    at = ended(server(strange, "IP:127.0.0.1"), proxy.port)
    for ca in (authority.certificate.path, None):  # None: the authorities of this host
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


def test_check_of_proxies_inside_tls(make_gateway, make_sshd, ring, authority):
    g, sshd = make_gateway(), make_sshd()

    def noted(**words):
        g.route("alice", sshd, [ring.get("client")], **words)
        return g.check()[1]

    (g.conf / "empty.pem").write_text("")
    assert noted(ConnectVia="tls://p:443") == ""
    assert noted(ConnectVia="https://p:443", ConnectViaCA=authority.certificate.path) == ""
    assert "ConnectViaCA: there is no certificate in" in noted(
        ConnectVia="tls://p:443", ConnectViaCA="conf.d/empty.pem")
    assert "put the certificates of the proxy's authorities there" in noted(
        ConnectVia="tls://p:443", ConnectViaCA="conf.d/missing.pem")
    assert "ConnectViaCA needs ConnectVia = https://" in noted(ConnectVia="http://p:80", ConnectViaCA=authority.certificate.path)
    assert "ConnectViaCA needs ConnectVia" in noted(ConnectViaCA=authority.certificate.path)
    assert "tls:// has no user" in noted(ConnectVia="tls://u@p:443")
    assert "networks in AllowDestinations have no meaning" in noted(
        ConnectVia="tls://p:443", AllowDestinations="127.0.0.0/8:*")
