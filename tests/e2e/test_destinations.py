"""AllowDestinations where the login names the machine, and SRV records: names and each address are compared.

The gateway asks a name server of the test, in a network of its own.
"""

import re
import shutil
import subprocess

import pytest

from lab import net
from lab.dns import A, NameServer
from lab.documents import block, put
from lab.gateway import SALLYPORT
from lab.proxies import Microsocks
from lab.sshd import ME
from lab.way import Way

OUTSIDE, INSIDE = "203.0.113.5", "10.0.0.5"
NOT_PERMITTED = "AllowDestinations does not permit this address"


@pytest.fixture
def dns(own_network, tmp_path):
    own_network.ip(f"addr add {OUTSIDE}/32 dev lo", f"addr add {INSIDE}/32 dev lo")
    server = NameServer(tmp_path)
    yield server
    server.close()


@pytest.fixture
def machine(dns, make_sshd):
    """On every address of the host, so that it is AllowDestinations that keeps users from some."""
    dns.addresses("vm7.example.org", OUTSIDE)
    return make_sshd(listen="0.0.0.0")


@pytest.fixture
def named(dns, machine, make_gateway, ring, tmp_path):
    """named(words of the route): a gateway with [route *+*], and a function that logs in."""
    made = []

    def make(**words):
        g = make_gateway(within=dns.within)
        key = machine.known_hosts().split(None, 1)[1]
        port = words.get("Port", machine.port)
        names = ",".join(f"[{n}.example.org]:{port}" if port else f"{n}.example.org" for n in ("vm7", "vm8"))
        g.route("*+*", machine, [ring.get("client")], known_hosts=f"{names} {key}", key="any", **{
            "HostName": "%2.example.org", "ConnectTimeout": "30s",
            "AllowDestinations": f"*.example.org:* {OUTSIDE}:*", **words})
        g.start()
        w = Way("gateway", tmp_path / f"way{len(made)}", ring, machine, g)
        made.append(w)
        return w

    yield make
    for w in made:
        w.close()


def login(w, name, command="echo in"):
    return w.new_client(user=name).ssh(command)


def refused(w, name, why):
    mark = w.gateway.log.mark()
    r = login(w, name)
    assert r.code == 255, r
    w.gateway.log.wait(why, mark)
    return r.err


def test_login_names_the_machine(named, dns):
    w = named()
    assert login(w, "alice+vm7").text == "in\n"
    w.gateway.log.wait(rf"alice\+vm7 from .* -> .*@vm7\.example\.org port {w.sshd.port} \({OUTSIDE}, dialled")
    dns.addresses("vm8.example.org", INSIDE)
    text = refused(w, "alice+vm8", rf"cannot connect: vm8\.example\.org \({INSIDE}\) port \d+: {NOT_PERMITTED}")
    assert "cannot be reached right now" in text
    dns.addresses("vm8.example.org", INSIDE, "127.0.0.1", OUTSIDE)
    assert login(w, "alice+vm8").text == "in\n"


def test_name_that_is_not_listed_is_not_looked_up(named, dns):
    w = named(AllowDestinations=f"vm7.example.org:* {OUTSIDE}:*")
    assert login(w, "alice+vm7").text == "in\n"
    dns.addresses("vm8.example.org", OUTSIDE)
    text = refused(w, "alice+vm8", r"AllowDestinations does not permit vm8\.example\.org port")
    assert "this machine is not among those that you may reach through here (session " in text
    assert not any("vm8" in name for name, _ in dns.asked)


def test_name_server_that_answers_anew_leads_nowhere_else(named, dns):
    """DNS rebinding: what was permitted once says nothing of the next connection."""
    w = named()
    dns.addresses("vm7.example.org", OUTSIDE, then=[INSIDE])
    assert login(w, "alice+vm7").text == "in\n"
    refused(w, "alice+vm7", rf"cannot connect: vm7\.example\.org \({INSIDE}\) port \d+: {NOT_PERMITTED}")
    dns.addresses("vm7.example.org", OUTSIDE, then=["127.0.0.1"])
    assert login(w, "alice+vm7").text == "in\n"
    refused(w, "alice+vm7", rf"\(127\.0\.0\.1\) port \d+: {NOT_PERMITTED}")


def test_look_at_a_new_host_key_compares_the_address(named, dns):
    """The second connection, of accept-new, asks the name server again."""
    w = named(StrictHostKeyChecking="accept-new", UserKnownHostsFile="conf.d/none")
    dns.addresses("vm7.example.org", OUTSIDE, then=[INSIDE])
    refused(w, "alice+vm7", rf"vm7\.example\.org \({INSIDE}\) port \d+: {NOT_PERMITTED}")
    known = w.gateway.conf / "none"
    assert not known.exists() or known.read_text() == ""
    dns.addresses("vm7.example.org", OUTSIDE)
    assert login(w, "alice+vm7").text == "in\n"
    assert known.read_text().startswith(f"[vm7.example.org]:{w.sshd.port} ")


def test_proxy_is_given_a_permitted_address(named, dns):
    """With a network in the list the gateway looks the name up; the proxy knows no such name."""
    proxy = Microsocks()
    try:
        w = named(ConnectVia=proxy.url)
        assert login(w, "alice+vm7").text == "in\n"
        dns.addresses("vm7.example.org", INSIDE)
        refused(w, "alice+vm7", rf"vm7\.example\.org \({INSIDE}\) port \d+: {NOT_PERMITTED}")
        dns.addresses("vm7.example.org", "127.0.0.1")
        refused(w, "alice+vm7", NOT_PERMITTED)
    finally:
        proxy.stop()


def test_routes_of_programs_and_directories(dns, machine, make_gateway, ring, tmp_path):
    """The keeper and the errand compare, whichever backend has found the route."""
    g = make_gateway(within=dns.within)
    machine.authorize(g.generate_key("any"))
    known = machine.known_hosts().split(None, 1)[1]
    (g.dir / "known").write_text("".join(f"[{n}.example.org]:{machine.port} {known}\n" for n in ("vm7", "vm8", "vm9")))
    (g.dir / "person.pub").write_text(ring.get("client").public + "\n")
    words = (f"HostName = %u.example.org\nPort = {machine.port}\nUser = {ME}\nKey = any\nConnectTimeout = 30s\n"
             f"AllowDestinations = vm7.example.org:* vm8.example.org:* {OUTSIDE}:*\n")
    program, user = g.dir / "program", g.dir / "users" / "vm8"
    (g.dir / "answer").write_text(
        f"{words}AuthorizedKeysFile = {g.dir}/person.pub\nUserKnownHostsFile = {g.dir}/known\n")
    program.write_text(f"#!/bin/sh\n[ \"$1\" != vm8 ] || exit 1\ncat {g.dir}/answer\n")
    program.chmod(0o755)
    user.mkdir(parents=True)
    (user / "route.ini").write_text(f"{words}UserKnownHostsFile = {g.dir}/known\n")
    (user / "authorized_keys").write_text(ring.get("client").public + "\n")
    (g.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = exec directory\n[lookup exec]\nCommand = {program}\nTimeout = 60s\n"
        "[lookup directory]\nPath = users\n")
    g.start()
    w = Way("gateway", tmp_path, ring, machine, g)
    try:
        assert login(w, "vm7").text == "in\n"
        refused(w, "vm9", r"AllowDestinations does not permit vm9\.example\.org port")
        dns.addresses("vm8.example.org", OUTSIDE)
        assert login(w, "vm8").text == "in\n"
        for name in ("vm7", "vm8"):
            dns.addresses(f"{name}.example.org", INSIDE)
            refused(w, name, rf"{name}\.example\.org \({INSIDE}\) port \d+: {NOT_PERMITTED}")
    finally:
        w.close()


@pytest.mark.skipif(not shutil.which("nc.openbsd"), reason="no netcat-openbsd")
def test_host_of_the_connection_is_the_machine(named, dns, machine, ring):
    """What a client names by CONNECT leads to the machines of that domain, and nowhere else."""
    w = named()
    g = w.gateway
    known = machine.known_hosts().split(None, 1)[1]
    g.route("alice/any", machine, [ring.get("client")], key="any", MatchHost="*.example.org *.example.net",
            HostName="%n", AllowDestinations=f"*.example.org:* {OUTSIDE}:*", ConnectTimeout="30s",
            known_hosts=f"[*.example.org]:{machine.port} {known}")
    g.write("05-edge.ini", "edge", {"HttpConnect": "yes", "DetectTimeout": "60s"})
    g.hangup()

    def to(host):
        return w.new_client(HostName=host, Port=22, HostKeyAlias=f"[127.0.0.1]:{g.port}",
                            ProxyCommand=f"nc.openbsd -X connect -x 127.0.0.1:{g.port} %h %p").ssh("echo in")

    def is_refused(host, why):
        mark = g.log.mark()
        assert to(host).code == 255
        g.log.wait(why, mark)

    mark = g.log.mark()
    assert to("VM7.example.org").text == "in\n"
    g.log.wait(r"session \w+: the connection from 127\.0\.0\.1 port \d+ is for host vm7\.example\.org$", mark)
    g.log.wait(rf"alice from .* -> .*@vm7\.example\.org port {machine.port} \({OUTSIDE}, dialled", mark)
    dns.addresses("vm8.example.org", INSIDE)
    is_refused("vm8.example.org", NOT_PERMITTED)
    is_refused("vm7.example.net", r"AllowDestinations does not permit vm7\.example\.net port")
    is_refused("127.0.0.1", "Invalid user alice")


def test_recipe_for_a_domain(dns, machine, make_gateway, ring, tmp_path):
    g = make_gateway(within=dns.within)
    text = put(block("doc/recipes.md", "Any machine of a domain", "ini"),
               ("*.corp.example 10.0.0.0/8", f"*.corp.example:* {OUTSIDE}:*"))
    (g.conf / "10-any.ini").write_text(f"{text}Port = {machine.port}\nConnectTimeout = 30s\n")
    (g.conf / "users").mkdir()
    (g.conf / "users" / f"{ME}.pub").write_text(ring.get("client").public + "\n")
    (g.conf / "known_hosts").write_text("".join(
        f"[*.corp.example]:{machine.port} {line.split(None, 1)[1]}\n"
        for line in machine.known_hosts().splitlines()))
    machine.authorize(g.generate_key("staff"))
    g.start()
    w = Way("gateway", tmp_path, ring, machine, g)
    try:
        dns.addresses("vm7.corp.example", OUTSIDE)
        dns.addresses("vm8.corp.example", INSIDE)
        assert login(w, f"{ME}+vm7").text == "in\n"
        refused(w, f"{ME}+vm8", NOT_PERMITTED)
        refused(w, f"{ME}+vm7.elsewhere", r"cannot connect: vm7\.elsewhere\.corp\.example: ")
    finally:
        w.close()
    assert g.notes() == ""


def test_address_of_a_name_is_used_again(named, dns, ring, machine):
    """ResolveCache: without a question, and with every comparison."""
    w = named(ResolveCache="5m")
    g = w.gateway
    g.route("bob+vm7", machine, [ring.get("client")], key="any", HostName="vm7.example.org", ResolveCache="5m",
            AllowDestinations="*.example.org:* 192.0.2.0/24:*")
    g.hangup()
    assert login(w, "alice+vm7").text == "in\n"
    asked = len(dns.asked)
    assert login(w, "carol+vm7").text == "in\n" and len(dns.asked) == asked
    refused(w, "bob+vm7", rf"vm7\.example\.org \({OUTSIDE}\) port \d+: {NOT_PERMITTED}")
    assert len(dns.asked) > asked
    # where it is not permitted any more it is looked up
    g.route("*+*", machine, [ring.get("client")], key="any", HostName="%2.example.org", ResolveCache="5m",
            AllowDestinations=f"*.example.org:* {INSIDE}:*",
            known_hosts=machine.known_hosts().replace("[0.0.0.0]", "[vm7.example.org]"))
    g.hangup()
    dns.addresses("vm7.example.org", INSIDE)
    assert login(w, "alice+vm7").text == "in\n"


@pytest.fixture
def by_srv(named, dns, machine):
    """Records of vm7: a port where nothing listens, then the machine."""
    dns.addresses("m1.example.org", OUTSIDE)
    closed = net.free_port()
    dns.srv("_ssh._tcp.vm7.example.org", (20, 1, machine.port, "m1.example.org"), (10, 1, closed, "m1.example.org"))
    w = named(ResolveSRV="yes", Port=None)
    w.closed = closed
    return w


def test_srv_records_say_host_and_port(by_srv, dns, machine):
    """The host key is that of HostName, whatever host and port they say."""
    w = by_srv
    mark = w.gateway.log.mark()
    assert login(w, "alice+vm7").text == "in\n"
    w.gateway.log.wait(rf"instead of another address: m1\.example\.org \({OUTSIDE}\) port {w.closed}: "
                       "Connection refused$", mark)
    w.gateway.log.wait(rf"-> .*@vm7\.example\.org port {machine.port} \({OUTSIDE}, dialled", mark)
    assert ("vm7.example.org", A) not in dns.asked
    p = subprocess.run([*w.gateway.within, SALLYPORT, "route", "alice+vm7", "--dial", "-c", w.gateway.conf],
                       capture_output=True, timeout=120, check=False)
    assert re.search(rb"^dial .*vm7\.example\.org .*is known", p.stdout, re.M), p
    dns.addresses("m2.example.org", OUTSIDE)
    dns.srv("_ssh._tcp.vm9.example.org", (1, 1, machine.port, "m2.example.org"))
    refused(w, "alice+vm9", "Host key verification failed for vm9.example.org port 22")


def test_srv_records_lead_where_the_list_does(by_srv, dns, machine):
    w = by_srv
    dns.srv("_ssh._tcp.vm7.example.org", (1, 1, machine.port, "inside.example.net"),
            (2, 1, machine.port, "m2.example.org"))
    dns.addresses("inside.example.net", OUTSIDE)
    dns.addresses("m2.example.org", INSIDE)
    refused(w, "alice+vm7", rf"inside\.example\.net port {machine.port}: AllowDestinations does not permit this name; "
                            rf"m2\.example\.org \({INSIDE}\) port {machine.port}: {NOT_PERMITTED}")
    assert ("inside.example.net", A) not in dns.asked


def test_srv_records_that_are_not_there(by_srv, dns):
    w = by_srv
    dns.addresses("vm8.example.org", OUTSIDE)
    refused(w, "alice+vm8", rf"vm8\.example\.org \({OUTSIDE}\) port 22: Connection refused")
    dns.srv("_ssh._tcp.vm8.example.org", (0, 0, 22, ""))
    refused(w, "alice+vm8", r"_ssh\._tcp\.vm8\.example\.org: there is no such service")
    dns.fails("_ssh._tcp.vm8.example.org")
    refused(w, "alice+vm8", r"_ssh\._tcp\.vm8\.example\.org: (Host name lookup failure|Try again)")
    dns.srv("_ssh._tcp.vm7.example.org", (0, 0, 22, "a b"))
    refused(w, "alice+vm7", r"_ssh\._tcp\.vm7\.example\.org: the name server's answer is malformed")


def test_new_host_key_of_a_machine_by_srv(dns, named, machine):
    """The look at it goes to the very machine that the login is connected to."""
    dns.addresses("m1.example.org", OUTSIDE)
    dns.srv("_ssh._tcp.vm7.example.org", (1, 1, machine.port, "m1.example.org"))
    w = named(ResolveSRV="yes", Port=None, StrictHostKeyChecking="accept-new", UserKnownHostsFile="conf.d/none")
    assert login(w, "alice+vm7").text == "in\n"
    assert (w.gateway.conf / "none").read_text().startswith("vm7.example.org ")


def test_check_names_what_does_not_go_together(make_gateway, make_sshd, ring):
    g, sshd = make_gateway(), make_sshd()
    g.route("alice", sshd, [ring.get("client")], AllowDestinations="*.example.org")
    assert f"HostName: AllowDestinations does not permit 127.0.0.1 port {sshd.port}" in g.check()[1]
    g.route("alice", sshd, [ring.get("client")], HostName="%n")
    text = g.check()[1]
    assert "HostName: %n needs MatchHost" in text and "HostName: %n needs AllowDestinations" in text
    g.route("alice", sshd, [ring.get("client")], HostName="%n", MatchHost="*.example.org",
            AllowDestinations="*.example.org:*")
    assert g.notes() == ""
    shown = g.command("route", "alice", "--host", "vm7.example.org")
    assert f"@vm7.example.org port {sshd.port}\nonly to    *.example.org:*\n" in shown
    g.route("alice", sshd, [ring.get("client")], ResolveSRV="yes", ConnectVia="socks5://p:1080")
    assert "ResolveSRV has no meaning with ConnectVia" in g.check()[1]
    g.route("alice", sshd, [ring.get("client")], ResolveSRV="yes", ResolveCache="5s")
    assert "ResolveCache has no meaning with ResolveSRV" in g.check()[1]
