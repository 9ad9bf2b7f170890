"""Reloads of the configuration while sessions run."""

import hashlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from lab import net
from lab.client import echoes, open_session
from lab.gateway import Gateway, SALLYPORT, sanitized
from lab.wait import wait_for
from lab.way import Way

DONE = r"reload: the new configuration is in force"
KEPT = r"reload: \d+ errors?; the configuration stays as it was"


@pytest.fixture
def w(gated):
    return gated()


def hup(w, pattern):
    mark = w.gateway.log.mark()
    w.gateway.process.send_signal(signal.SIGHUP)
    w.gateway.log.wait(pattern, mark)
    return w.gateway.log.text(mark)


SECOND = r"HostKey new2026: a second ed25519 key, beside host_ed25519; a gateway has one of each kind"


def test_second_host_key_of_one_type_is_refused(w):
    """check and reload used to accept it, and then no login worked."""
    w.gateway.generate_key("new2026")
    w.gateway.host_key_names = ["host_ed25519", "new2026"]
    w.gateway.write_gateway()
    check = w.gateway.sallyport("check", "-c", w.gateway.conf)
    assert check.returncode == 78 and SECOND in check.stderr.decode()
    p = w.gateway.reload()
    assert p.returncode == 78 and SECOND in (p.stdout + p.stderr).decode()
    assert w.lets_in()
    w.gateway.port = net.free_port()
    w.gateway.write_gateway()
    serve = w.gateway.sallyport("serve", "-c", w.gateway.conf)
    assert serve.returncode == 78 and SECOND in serve.stderr.decode()


def test_reload_adds_and_removes_routes(w):
    running = open_session(w.client)
    assert not w.lets_in("bob")
    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
    hup(w, DONE)
    assert w.lets_in("bob") and w.lets_in()
    (w.gateway.conf / "10-alice.ini").unlink()
    hup(w, DONE)
    assert w.lets_in("bob") and not w.lets_in()
    echoes(running)


def test_reload_changes_limits(w):
    w.gateway.options["MaxStartups"] = "1"
    w.gateway.write_gateway()
    hup(w, DONE)
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(4) == b"SSH-"
        with net.connect(("127.0.0.1", w.gateway.port)) as t:
            assert net.read_all(t).startswith(b"Exceeded MaxStartups")
    w.gateway.options["MaxStartups"] = "50"
    w.gateway.write_gateway()
    hup(w, DONE)
    held_open = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(5)]
    assert [s.recv(4) for s in held_open] == [b"SSH-"] * 5
    for s in held_open:
        s.close()


def test_reload_changes_banner_and_log_level(w):
    (w.gateway.conf / "banner.txt").write_text("Mind the gap.\n")
    w.gateway.options.update(Banner="conf.d/banner.txt", LogFormat="json", LogLevel="DEBUG")
    w.gateway.write_gateway()
    hup(w, DONE)
    mark = w.gateway.log.mark()
    assert "Mind the gap." in w.client.ssh("true").err
    w.gateway.log.wait(r'^\{"time":.*Accepted publickey for alice', mark)


def test_reload_with_errors_keeps_old_configuration(w):
    """Each error has its line, and there is one summary."""
    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
    bad = w.gateway.conf / "90-bad.ini"
    bad.write_text("[route carol]\nHostNam = x\nPort = 99999\n")
    text = hup(w, KEPT)
    for line in (r"90-bad\.ini:2: unknown key \"HostNam\" .*did you mean HostName",
                 r"90-bad\.ini:3: Port: \"99999\" is not a port"):
        assert len(re.findall(rf"reload: .*{line}", text)) == 1, text
    assert len(re.findall(KEPT, text)) == 1
    assert w.lets_in() and not w.lets_in("bob")
    bad.unlink()
    hup(w, DONE)
    assert w.lets_in("bob")


@pytest.mark.parametrize("option,value,reason", [
    ("HostKey", "host_ed25519 nobodys", r"00-gateway\.ini:\d+: HostKey nobodys: .*no such key"),
    ("Banner", "conf.d/none.txt", r"00-gateway\.ini:\d+: Banner: .*none\.txt"),
])
def test_reload_checks_files_that_keys_name(w, option, value, reason):
    words = {"ListenAddress": f"127.0.0.1:{w.gateway.port}", "HostKey": "host_ed25519"}
    if os.getuid() == 0:
        words["RunAs"] = "root"
    words[option] = value
    w.gateway.write("00-gateway.ini", "gateway", words)
    assert re.search(reason, hup(w, KEPT))
    assert w.lets_in()


def test_reload_keeps_old_key_store_where_new_one_does_not_open(w):
    unlock = w.gateway.dir / "keys" / ".unlock"
    right = unlock.read_bytes()
    unlock.write_bytes(b"x" * 64)
    running = open_session(w.client)
    hup(w, KEPT)
    assert w.lets_in()
    unlock.write_bytes(right)
    hup(w, DONE)
    assert w.lets_in()
    echoes(running)


def test_reload_changes_listeners(w):
    """Addresses in both configurations stay open throughout; an address in use keeps the old configuration;
    removed ones are closed.
    """
    first, second = w.gateway.port, net.free_port()
    (master,) = w.gateway.role("master")

    def listen(*ports):
        w.gateway.options["ListenAddress"] = " ".join(f"127.0.0.1:{p}" for p in ports)
        w.gateway.write_gateway()

    def answers(port):
        try:
            with net.connect(("127.0.0.1", port)) as s:
                return s.recv(4) == b"SSH-"
        except ConnectionRefusedError:
            return False

    queued = socket.create_connection(("127.0.0.1", first))
    listen(first, second)
    hup(w, DONE)
    assert answers(first) and answers(second)
    assert queued.recv(4) == b"SSH-"
    queued.close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listen(port, second)
        text = hup(w, KEPT)
        assert re.search(rf"reload: cannot listen on 127\.0\.0\.1 port {port}: Address already in use", text)
    assert answers(first) and answers(second)

    w.gateway.quiet()  # a new connection has further descriptors for a moment
    before = master.n_descriptors()
    listen(second)
    hup(w, DONE)
    assert not answers(first) and answers(second)
    wait_for("one descriptor less", lambda: master.n_descriptors() == before - 1)


@pytest.fixture(params=["same user", "other user"])
def overlapping(request):
    """A gateway that runs as the user of the tests, or one that has changed its user."""
    return request.getfixturevalue("w" if request.param == "same user" else "dropped")


def test_reload_with_overlapping_addresses(overlapping):
    """0.0.0.0 in place of 127.0.0.1 and back: there is always a listener."""
    w = overlapping
    port = w.gateway.port
    done = threading.Event()
    refused = []

    def listen(*addresses):
        w.gateway.options["ListenAddress"] = " ".join(addresses)
        w.gateway.write_gateway()

    def knock():
        while not done.is_set():
            try:
                with net.connect(("127.0.0.1", port)) as s:
                    s.recv(4)
            except ConnectionRefusedError as e:
                refused.append(e)
            except ConnectionResetError:
                pass  # it was being created at that moment

    def answers(host):
        try:
            with net.connect((host, port)) as s:
                return s.recv(4) == b"SSH-"
        except ConnectionRefusedError:
            return False

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        for _ in range(5):
            listen(f"0.0.0.0:{port}")
            hup(w, DONE)
            assert answers("127.0.0.1") and answers("127.0.0.2")
            listen(f"127.0.0.1:{port}", f"127.0.0.3:{port}")
            hup(w, DONE)
            assert answers("127.0.0.1") and answers("127.0.0.3") and not answers("127.0.0.2")
    finally:
        done.set()
        knocking.join()
    assert not refused
    # what no gateway could start with is refused by reload as well
    listen(f"0.0.0.0:{port}", f"127.0.0.1:{port}")
    assert "Address already in use" in hup(w, KEPT)
    listen(f"127.0.0.2:{port}", f"0.0.0.0:{port}")
    assert "Address already in use" in hup(w, KEPT)
    assert answers("127.0.0.1") and answers("127.0.0.3") and not answers("127.0.0.2")
    # and so is a port of another process
    with socket.socket() as other:
        other.bind(("127.0.0.9", port))
        other.listen()
        listen(f"0.0.0.0:{port}")
        assert "Address already in use" in hup(w, KEPT)
    assert answers("127.0.0.1") and w.lets_in()
    # no other process may share the port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError):
            other.bind(("0.0.0.0", port))


def test_running_session_rekeys_with_its_old_host_key(w, tmp_path):
    """The new key has the name of the old one; a running session rekeys with the key it began with."""
    running = open_session(w.client, RekeyLimit="1M", LogLevel="VERBOSE", HostKeyAlgorithms="ssh-ed25519")
    w.gateway.command("key", "remove", "host_ed25519")
    new = w.gateway.generate_key("host_ed25519")
    hup(w, DONE)
    data = random.Random(1).randbytes(5 << 20)
    got = bytearray()

    def read():
        while len(got) < len(data):
            got.extend(running.stdout.read1(65536))

    t = threading.Thread(target=read)
    t.start()
    running.stdin.write(data)
    running.stdin.flush()
    t.join(60)
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    line = f"[127.0.0.1]:{w.gateway.port} {' '.join(new.split()[:2])}\n"
    c = w.new_client(known_hosts=line)
    assert c.ssh("echo in", HostKeyAlgorithms="ssh-ed25519").text == "in\n"
    r = w.client.ssh("echo in", HostKeyAlgorithms="ssh-ed25519")
    assert r.code == 255 and "IDENTIFICATION HAS CHANGED" in r.err


def test_login_under_way_keeps_its_configuration(w):
    paramiko = pytest.importorskip("paramiko")
    t = paramiko.Transport(("127.0.0.1", w.gateway.port))
    try:
        t.start_client(timeout=10)
        (w.gateway.conf / "10-alice.ini").unlink()
        w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
        for _ in range(3):
            hup(w, DONE)
        key = paramiko.Ed25519Key.from_private_key_file(str(w.ring.get("client").path))
        t.auth_publickey("alice", key)
        channel = t.open_session(timeout=10)
        channel.exec_command("echo in")
        assert channel.makefile().read() == b"in\n"
    finally:
        t.close()
    assert not w.lets_in()


def test_continuous_reloads_during_transfers(w, bulk):
    """Every third configuration is bad."""
    b = bulk(30)
    bad = w.gateway.conf / "90-bad.ini"
    sums, mark = [], w.gateway.log.mark()

    def copy(c):
        with open(b.path, "rb") as f:
            sums.append(c.ssh("sha256sum", stdin=f, timeout=120, RekeyLimit="4M").text.split()[:1])

    def copies():
        while not done.is_set():
            copy(w.client)

    done = threading.Event()
    threads = [threading.Thread(target=copies) for _ in range(5)]
    for t in threads:
        t.start()
    for i in range(30):
        if i % 3 == 2:
            bad.write_text("[gateway\n")
        text = hup(w, KEPT if i % 3 == 2 else DONE)
        assert len(re.findall(f"{KEPT}|{DONE}", text)) == 1
        if i % 3 == 2:
            assert w.gateway.sallyport("check", "-c", w.gateway.conf).returncode == 78
            bad.unlink()
        time.sleep(0.3)  # sets the rate of reloads; waits for nothing
    done.set()
    for t in threads:
        t.join(120)
    assert len(sums) >= 5 and all(s == [b.sha256] for s in sums), sums
    assert len(re.findall(KEPT, w.gateway.log.text(mark))) == 10
    w.answers()


def test_many_hangup_signals_at_once(w):
    for _ in range(200):
        w.gateway.process.send_signal(signal.SIGHUP)
    w.gateway.log.wait(DONE)
    w.answers()


def test_old_configurations_are_freed(w):
    """While a session from before them runs on."""
    running = open_session(w.client)
    routes = "".join(
        f"[route user{i}]\nHostName = h{i}\nKey = alice\nAuthorizedKey = ssh-ed25519 AAAA\n"
        "StrictHostKeyChecking = no\n" for i in range(3000))
    (w.gateway.conf / "50-many.ini").write_text(routes)
    for _ in range(3):
        hup(w, DONE)
    (keeper,) = w.gateway.keepers()

    def kib():
        with open(f"/proc/{keeper.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    before = kib(), keeper.n_descriptors()
    for _ in range(20):
        hup(w, DONE)
    # the keeper frees the last one after the master has reported success
    wait_for("its descriptors", lambda: keeper.n_descriptors() <= before[1])
    if not sanitized():
        assert kib() < before[0] + 4096
    echoes(running)


# sallyport reload


def test_reload_command(w):
    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
    p = w.gateway.reload()
    assert (p.returncode, p.stderr) == (0, b""), p
    assert p.stdout == b"the new configuration is in force\n"
    assert w.lets_in("bob")
    (w.gateway.conf / "90-bad.ini").write_text("[route carol]\nHostNam = x\n")
    p = w.gateway.reload()
    assert p.returncode == 78 and p.stdout == b""
    assert re.search(rb'90-bad\.ini:2: unknown key "HostNam"', p.stderr)
    assert w.lets_in("bob")


def test_reload_command_with_json(w):
    def reload_json():
        p = w.gateway.sallyport("reload", "--json", "-c", w.gateway.conf)
        assert p.stderr == b"", p
        return p.returncode, json.loads(p.stdout)

    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
    assert reload_json() == (0, {"ok": True, "routes": 2})
    bad = w.gateway.conf / "90-bad.ini"
    bad.write_text("[route carol]\nHostNam = x\n")
    status, said = reload_json()
    assert (status, said["ok"], said["count"]) == (78, False, len(said["errors"])), said
    assert any(e.startswith(f'{bad}:2: unknown key "HostNam"') for e in said["errors"]), said
    bad.write_text("".join(f"[route c{i}]\nHostNam = x\n" for i in range(2000)))
    status, said = reload_json()
    assert status == 78 and said["count"] > len(said["errors"]) > 10
    bad.write_text("[gateway]\n")
    status, said = reload_json()
    assert status == 78 and not said["ok"] and str(bad) in said["errors"][0]
    bad.unlink()
    w.gateway.stop()
    status, said = reload_json()
    assert status == 1 and "no gateway is running there" in said["errors"][0]


def test_concurrent_reload_commands(w):
    ps = [subprocess.Popen([SALLYPORT, "reload", "-c", w.gateway.conf], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE) for _ in range(8)]
    assert [(p.communicate(timeout=20), p.returncode)[1] for p in ps] == [0] * 8


def test_reload_command_without_gateway(w):
    w.gateway.stop()
    p = w.gateway.reload()
    assert p.returncode == 1 and b"no gateway is running there" in p.stderr


def test_control_socket_is_for_its_owner_alone(w):
    path = w.gateway.dir / "run" / "control"
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.parent.stat().st_mode & 0o7777 == 0o700
    if os.getuid() != 0:
        pytest.skip("another user takes root")
    for p in (path.parent, path):  # as if by carelessness
        p.chmod(0o777)
    code = (
        "import os,socket,sys\n"
        "fd = os.open(sys.argv[1], os.O_PATH)\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(10)\n"
        "s.connect(f'/proc/self/fd/{fd}/control'); s.send(b'reload')\n"
        "print(s.recv(100))\n"
    )
    mark = w.gateway.log.mark()
    p = subprocess.run(["/usr/bin/python3", "-c", code, path.parent], capture_output=True, timeout=20)
    assert p.stdout in (b"", b"b''\n"), p
    w.gateway.log.wait("control: user 65534 may not give orders", mark)


def ask_control_socket(w, *requests):
    """Send these requests on the control socket; the answers."""
    fd = os.open(w.gateway.dir / "run", os.O_PATH)
    try:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(10)
        s.connect(f"/proc/self/fd/{fd}/control")
    finally:
        os.close(fd)
    with s:
        for r in requests:
            s.send(r)
        try:
            return s.recv(65536)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("request_", [b"relo", b"reload\n", b"x" * 256, b"x" * 257, b"reload\0", b"%s%n"])
def test_unknown_requests_on_control_socket(w, request_):
    assert ask_control_socket(w, request_) in (b"2\nunknown request\n", b"")
    assert ask_control_socket(w, b"reload") == b"0\nthe new configuration is in force\n"


def test_control_clients_that_do_not_wait(w):
    for _ in range(50):
        fd = os.open(w.gateway.dir / "run", os.O_PATH)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(f"/proc/self/fd/{fd}/control")
        try:
            s.send(b"reload")
        except BrokenPipeError:
            pass  # the control socket has all the clients it may have
        s.close()
        os.close(fd)
    wait_for("an answer", lambda: w.gateway.reload().returncode == 0)
    w.answers()


def test_stale_control_socket_is_replaced(w):
    w.gateway.kill()
    assert (w.gateway.dir / "run" / "control").exists()
    w.gateway.start()
    assert w.gateway.reload().returncode == 0


def test_gateway_without_control_socket(w, gated):
    w.gateway.options["ControlSocket"] = "none"
    w.gateway.write_gateway()
    assert re.search("ControlSocket changes at a restart only", hup(w, DONE))
    p = w.gateway.reload()
    assert p.returncode == 1 and b"SIGHUP" in p.stderr


@pytest.fixture
def run_as_daemon(short, ring, make_sshd):
    """A gateway that root started and that runs as daemon."""
    if os.getuid() != 0:
        pytest.skip("takes root")
    short.chmod(0o755)
    g = Gateway(short / "gateway", ring, RunAs="daemon")
    upstream = make_sshd()
    g.route("alice", upstream, [ring.get("client")])
    g.start()
    w = Way("gateway", short, ring, upstream, g)
    yield w
    w.close()
    g.stop()


def test_reload_after_change_of_user(run_as_daemon):
    """Only the keeper can still read the configuration."""
    w = run_as_daemon
    subprocess.run(["chgrp", "-R", "daemon", w.gateway.conf], check=True)
    w.gateway.conf.chmod(0o750)
    w.gateway.options["LoginGraceTime"] = "20s"
    w.gateway.options["ListenAddress"] = f"127.0.0.1:{w.gateway.port} 127.0.0.1:{net.free_port()}"
    w.gateway.write_gateway()
    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
    p = w.gateway.reload()
    assert p.returncode == 0, p
    assert w.lets_in("bob")


def test_reload_with_privileged_port(run_as_daemon):
    w = run_as_daemon
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
        first = int(f.read())
    if first < 2:
        pytest.skip("no port here takes root")
    w.gateway.options["ListenAddress"] = f"127.0.0.1:{w.gateway.port} 127.0.0.1:{first - 1}"
    w.gateway.write_gateway()
    p = w.gateway.reload()
    assert p.returncode == 78 and b"a port below 1024 takes a restart" in p.stderr, p
    assert w.lets_in()
