"""`sallyport reload`, and the control socket it uses."""

import json
import os
import re
import socket
import subprocess

import pytest

from lab.gateway import SALLYPORT
from lab.wait import wait_for


@pytest.fixture
def w(gated):
    return gated()


def test_reload_command(w):
    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
    p = w.gateway.reload()
    assert (p.returncode, p.stderr) == (0, b""), p
    assert p.stdout == b"the new configuration is in force\n"
    assert w.lets_in("bob")
    (w.gateway.conf / "90-bad.ini").write_text("[route carol]\nHostNam = x\n")
    p = w.gateway.reload()
    assert p.returncode == 78 and p.stdout == b""
    assert re.search(rb'90-bad\.ini:2: unknown keyword "HostNam"', p.stderr)
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
    assert any(e.startswith(f'{bad}:2: unknown keyword "HostNam"') for e in said["errors"]), said
    bad.write_text("".join(f"[route c{i}]\nHostNam = x\n" for i in range(2000)))
    status, said = reload_json()
    assert status == 78 and said["count"] > len(said["errors"]) > 10
    bad.write_text("[gateway]\nLogLevel = LOUD\n")
    status, said = reload_json()
    assert status == 78 and not said["ok"] and str(bad) in said["errors"][0]
    bad.unlink()
    w.gateway.stop()
    status, said = reload_json()
    assert status == 1 and "no gateway is running there" in said["errors"][0]


def test_concurrent_reload_commands(w):
    ps = [subprocess.Popen([SALLYPORT, "reload", "-c", w.gateway.conf], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE) for _ in range(8)]
    assert [(p.communicate(timeout=60), p.returncode)[1] for p in ps] == [0] * 8


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
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(60)\n"
        "s.connect(f'/proc/self/fd/{fd}/control'); s.send(b'reload')\n"
        "print(s.recv(100))\n"
    )
    mark = w.gateway.log.mark()
    p = subprocess.run(["/usr/bin/python3", "-c", code, path.parent], capture_output=True, timeout=60)
    assert p.stdout in (b"", b"b''\n"), p
    w.gateway.log.wait("control: user 65534 is not permitted to use the socket", mark)


def ask_control_socket(w, *requests):
    """Send these requests on the control socket; the answers."""
    fd = os.open(w.gateway.dir / "run", os.O_PATH)
    try:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(60)
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
    assert re.search("ControlSocket changes only at a restart", w.gateway.hangup())
    p = w.gateway.reload()
    assert p.returncode == 1 and b"SIGHUP" in p.stderr
