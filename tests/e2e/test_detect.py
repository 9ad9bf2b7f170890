"""SSH and other protocols on one port: [forward NAME] sections, DetectOn, DetectTimeout, RestrictToSSH."""

import contextlib
import shutil
import socket
import ssl
import subprocess

import pytest

from lab import net
from lab.wait import wait_for

HELLO = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s"
# A time that no test comes to the end of.
NEVER = {"DetectTimeout": "60s"}
# One that a test waits for.
SOON = {"DetectTimeout": "1s"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", path, "-out", path, "-days", "2", "-subj", "/CN=test"], check=True,
                   capture_output=True)
    return path


@pytest.fixture
def web():
    """web(name): the address of a server that answers each request with this name and the first line."""
    servers = []

    def make(name, **options):
        def answer(s):
            request = b""
            while b"\r\n\r\n" not in request:
                data = s.recv(4096)
                if not data:
                    return
                request += data
            body = name.encode() + b" " + request.split(b"\r\n")[0]
            s.sendall(HELLO % (len(body), body))
        servers.append(net.Server(answer, **options))
        address = servers[-1].address
        return f"unix:{address}" if isinstance(address, str) else f"127.0.0.1:{address[1]}"

    yield make
    for s in servers:
        s.close()


@pytest.fixture
def echo():
    """A server that sends back what comes."""
    server = net.Server(net.echo)
    yield server
    server.close()


@pytest.fixture
def https(certificate):
    """https(name): the address of a server that answers over TLS with this name, the SNI and the ALPN."""
    servers = []

    def make(name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.sni_callback = lambda sock, sni, _: setattr(sock, "asked", sni)

        def answer(s):
            with context.wrap_socket(s, server_side=True) as t:
                t.recv(4096)
                body = f"{name} {t.asked} {t.selected_alpn_protocol()}".encode()
                t.sendall(HELLO % (len(body), body))
        servers.append(net.Server(answer))
        return f"127.0.0.1:{servers[-1].port}"

    yield make
    for s in servers:
        s.close()


@pytest.fixture
def edged(gated):
    """edged(sections, edge): a way through a gateway with these [forward NAME] sections."""
    def make(sections, edge=None, front=None):
        w = gated(front=front or {})
        write(w, sections, edge or NEVER)
        w.gateway.hangup()
        return w

    return make


def write(w, sections, edge):
    w.gateway.write("05-edge.ini", "edge", edge,
                    "".join(f"[forward {name}]\n" + "".join(f"{k} = {v}\n" for k, v in words.items())
                            for name, words in sections.items()))


def curl(w, url, *args):
    """What curl prints, with each host of the URL at the gateway."""
    p = subprocess.run(["curl", "-sk", "--noproxy", "*", "--connect-to", f"::127.0.0.1:{w.gateway.port}", *args, url],
                       capture_output=True, timeout=60, check=False)
    return p.stdout.decode()


def ask(w, data):
    """What comes back for these bytes until the gateway hangs up; b"" also for a reset."""
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            return net.read_all(s)
        return b""


def logs_in(w):
    return w.ssh("echo in").text == "in\n"


needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="takes curl")


@needs_curl
def test_ssh_and_https_on_one_port(edged, https):
    """By the SNI, exact and by pattern, by ALPN, and by none."""
    tls = {"Protocol": "tls"}
    w = edged({"one": {**tls, "MatchHost": "www.example.org", "Target": https("one")},
               "two": {**tls, "MatchHost": "*.example.org", "Target": https("two")},
               "h2": {**tls, "MatchALPN": "h2", "Target": https("h2")},
               "rest": {**tls, "Target": https("rest")}})
    assert logs_in(w)
    assert curl(w, "https://www.example.org/", "--http1.1") == "one www.example.org http/1.1"
    assert curl(w, "https://WWW.example.org/", "--http1.1").lower() == "one www.example.org http/1.1"
    assert curl(w, "https://api.example.org/", "--http1.1") == "two api.example.org http/1.1"
    assert curl(w, "https://example.org/", "--http1.1") == "rest example.org http/1.1"
    w.gateway.log.wait(r"Forwarded two: 127\.0\.0\.1 port \d+ to 127\.0\.0\.1 port \d+ \(api\.example\.org\): ")
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2"])
    with net.connect(("127.0.0.1", w.gateway.port)) as s, context.wrap_socket(s) as t:
        t.sendall(b"x")
        assert net.read_all(t).endswith(b"h2 None h2")


@needs_curl
def test_http_by_host(edged, web, short):
    """To a port, and to a Unix socket; a Target that does not answer is passed over."""
    http = {"Protocol": "http"}
    with socket.socket() as closed:  # nobody listens there, nor can begin to
        closed.bind(("127.0.0.1", 0))
        w = edged({"one": {**http, "MatchHost": "one.example.org",
                           "Target": f"127.0.0.1:{closed.getsockname()[1]} {web('one')}"},
                   "unix": {**http, "MatchHost": "unix.example.org", "Target": web("unix", path=short / "web")}})
        assert curl(w, "http://one.example.org/") == "one GET / HTTP/1.1"
    assert curl(w, "http://unix.example.org/x") == "unix GET /x HTTP/1.1"
    mark = w.gateway.log.mark()
    answer = ask(w, b"GET / HTTP/1.1\r\nHost: two.example.org\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 421 ")
    w.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: HTTP for two\.example\.org, which no \[tls\] "
                       r"or \[forward\] section takes", mark)
    assert logs_in(w)


def test_first_bytes_split_and_the_rest(edged, web):
    """The longest FirstBytes that fits counts, also byte by byte; Protocol = any has what is left."""
    w = edged({"any": {"Protocol": "any", "Target": web("any")},
               "long": {"FirstBytes": r"\x00\x0e8", "Target": web("long")},
               "short": {"FirstBytes": r"\x00", "Target": web("short")}})
    for data, name in ((b"\0\x0e8\r\n\r\n", b"long"), (b"\0\x0e7\r\n\r\n", b"short"), (b"\1\r\n\r\n", b"any"),
                       (b"GET / HTTP/1.0\r\n\r\n", b"any")):
        assert ask(w, data).split(b"\r\n\r\n")[1].startswith(name + b" ")
        with net.connect(("127.0.0.1", w.gateway.port)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                s.sendall(data[i:i + 1])
            assert net.read_all(s).split(b"\r\n\r\n")[1].startswith(name + b" ")
    assert logs_in(w)


def test_version_string_in_pieces(edged, web):
    w = edged({"any": {"Protocol": "any", "Target": web("any")}})
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        for part in (b"S", b"SH", b"-2.0-", b"x\r\n"):
            s.sendall(part)
        assert s.recv(8) == b"SSH-2.0-"


def test_host_itself_within_allowed_destinations(edged, web):
    """%h, and addresses that a name leads to: neither may leave the list."""
    port = web("here").rpartition(":")[2]
    w = edged({"self": {"Protocol": "http", "Target": f"%h:{port}",
                        "AllowDestinations": f"localhost:{port} 127.0.0.1:{port}"}})
    request = b"GET / HTTP/1.0\r\nHost: %s\r\n\r\n"
    assert b"here GET" in ask(w, request % b"localhost")
    assert b"here GET" in ask(w, request % b"127.0.0.1")
    mark = w.gateway.log.mark()
    assert ask(w, request % b"127.0.0.2") == b""
    w.gateway.log.wait(r"\[forward self\]: AllowDestinations does not permit the host that the client names", mark)


def test_client_that_waits_for_the_banner(edged, web):
    w = edged({"any": {"Protocol": "any", "Target": web("any")}}, SOON)
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(8) == b"SSH-2.0-"


def test_undecided_bytes_are_judged_when_the_time_is_up(edged):
    """"G" may be the beginning of GET, and is not."""
    other = net.Server(lambda s: s.sendall(b"other:" + s.recv(1)))
    try:
        w = edged({"any": {"Protocol": "any", "Target": f"127.0.0.1:{other.port}"}}, SOON)
        with net.connect(("127.0.0.1", w.gateway.port)) as s:
            s.sendall(b"G")
            assert net.read_all(s) == b"other:G"
    finally:
        other.close()


def test_restrict_to_ssh(edged):
    """Silent clients and other protocols are cut, logged and counted; SSH is not kept waiting."""
    w = edged({}, {**SOON, "RestrictToSSH": "yes"})
    assert logs_in(w)
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(8) == b""
    w.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: RestrictToSSH: it was silent until DetectTimeout")
    assert ask(w, b"\x05\x01\x00") == b""
    w.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: something other than SSH, which no \[tls\] or "
                       r"\[forward\] section takes")
    assert ask(w, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421 ")


def test_penalty_for_what_is_no_ssh(edged):
    w = edged({}, {**NEVER, "RestrictToSSH": "yes"},
              front={"PerSourcePenalties": "noauth:60s min:30s"})
    assert ask(w, b"\x05\x01\x00") == b""
    wait_for("the penalty", lambda: b"Not allowed" in ask(w, b"SSH-2.0-x\r\n"))


def test_more_than_can_wait(edged, web):
    """Of many silent clients the oldest get the banner early; others get through all the time."""
    w = edged({"any": {"Protocol": "any", "Target": web("any")}})
    with net.descriptors(1000), contextlib.ExitStack() as stack:
        silent = [stack.enter_context(net.connect(("127.0.0.1", w.gateway.port))) for _ in range(776)]
        assert [s.recv(8) for s in silent[:8]] == [b"SSH-2.0-"] * 8
        assert b"any GET" in ask(w, b"GET / HTTP/1.0\r\n\r\n")
        assert logs_in(w)
    wait_for("nothing waits", lambda: w.gateway.role("edge")[0].n_descriptors() < 12)


def test_limit_by_source(edged):
    """PerSourceMaxStartups counts those that are being looked at."""
    w = edged({"any": {"Protocol": "any", "Target": "127.0.0.1:9"}}, front={"PerSourceMaxStartups": "2"})
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(net.connect(("127.0.0.1", w.gateway.port), source="127.0.0.2"))
        with net.connect(("127.0.0.1", w.gateway.port), source="127.0.0.2") as s:
            assert b"PerSourceMaxStartups" in net.read_all(s)
        assert logs_in(w)


def test_reload_adds_and_removes_a_section(edged, web, echo):
    """Without any section there is neither process; connections that are being forwarded go on."""
    w = edged({}, {})
    request = b"GET / HTTP/1.0\r\n\r\n"
    assert not w.gateway.role("edge") and not w.gateway.role("forwarder")
    write(w, {"one": {"Protocol": "http", "Target": web("one")},
              "echo": {"FirstBytes": "echo", "Target": f"127.0.0.1:{echo.port}"}}, NEVER)
    w.gateway.hangup()
    assert b"one GET" in ask(w, request)
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"echo")
        assert s.recv(4) == b"echo"
        write(w, {"two": {"Protocol": "http", "Target": web("two")}}, NEVER)
        w.gateway.hangup()
        assert b"two GET" in ask(w, request)
        s.sendall(b"more")
        assert s.recv(4) == b"more"
        write(w, {}, {})
        w.gateway.hangup()
        s.sendall(b"and more")
        assert s.recv(8) == b"and more"
    wait_for("the end of edge", lambda: not w.gateway.role("edge"))
    wait_for("the end of the forwarder", lambda: not w.gateway.role("forwarder"))
    assert not w.gateway.log.find("has died")
    assert logs_in(w)


def test_detect_on_some_addresses(gated, web):
    """On the others nobody waits, and nothing is looked at."""
    other = net.free_port()
    w = gated()
    w.gateway.options["ListenAddress"] = f"127.0.0.1:{w.gateway.port} 127.0.0.1:{other}"
    w.gateway.write_gateway()
    write(w, {"any": {"Protocol": "any", "Target": web("any")}}, {**NEVER, "DetectOn": str(other)})
    w.gateway.hangup()
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(8) == b"SSH-2.0-"
    with net.connect(("127.0.0.1", other)) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"any GET" in net.read_all(s)


def test_limit_of_a_section(edged, echo):
    w = edged({"echo": {"Protocol": "any", "Target": f"127.0.0.1:{echo.port}", "MaxConnections": "1"}})
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        assert ask(w, b"y") == b""
        w.gateway.log.wait(r"drop connection from 127\.0\.0\.1 port \d+: \[forward echo\]: MaxConnections")
    wait_for("room for another", lambda: answers(w, b"z"))


def answers(w, data):
    with net.connect(("127.0.0.1", w.gateway.port)) as s, contextlib.suppress(ConnectionResetError):
        s.sendall(data)
        return s.recv(len(data)) == data


def test_dials_are_limited_and_shared(edged, web):
    """64 at once; the next errand is for the source that has the fewest, though others wait for longer."""
    hole = net.BlackHole("127.0.0.1", net.free_port())
    # names, which take errands; addresses do not
    by_name = web("web").replace("127.0.0.1", "localhost")
    w = edged({"hole": {"FirstBytes": "hole", "Target": f"localhost:{hole.port}", "ConnectTimeout": "60s"},
               "web": {"Protocol": "http", "Target": by_name, "ConnectTimeout": "60s"}})
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(70):
                s = stack.enter_context(net.connect(("127.0.0.1", w.gateway.port)))
                s.sendall(b"hole")
            errands = wait_for("64 errands", lambda: len(e := w.gateway.role("errand dial")) == 64 and e)
            with net.connect(("127.0.0.1", w.gateway.port), source="127.0.0.2") as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                s.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    s.recv(1)
                s.settimeout(60)
                errands[0].kill()
                assert b"web GET" in net.read_all(s)
            # errands of logins do not wait for these
            assert logs_in(w)
    finally:
        hole.close()


def test_death_of_the_forwarder_ends_no_session(edged, web, echo):
    """It is started again, and what it forwarded is counted no longer."""
    w = edged({"echo": {"Protocol": "any", "Target": f"127.0.0.1:{echo.port}", "MaxConnections": "1"}})
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        w.gateway.role("forwarder")[0].kill()
        w.gateway.log.wait(r"the forwarder has died \(killed by signal 9\): 1 forwarded connections are closed")
        assert s.recv(1) == b""
    wait_for("the next one", lambda: answers(w, b"z"))
    assert logs_in(w)
