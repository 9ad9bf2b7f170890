"""Environment variables and X11."""

import os

import pytest

from lab import net


def test_locale_is_passed(way):
    env = {"LC_TEST": "grün ☂ $x", "LC_ALL": "C.UTF-8", "OTHER": "x"}
    r = way.ssh("echo \"$LC_TEST|$LC_ALL|$OTHER\"", env=env, SendEnv="LC_* OTHER")
    assert r.text == "grün ☂ $x|C.UTF-8|\n"


def test_set_env(own_way):
    w = own_way(sshd={"AcceptEnv": "GOOD LONG"})
    r = w.client.ssh("echo \"$GOOD|$BAD|${#LONG}\"", SetEnv=f'GOOD=yes BAD=no LONG={"x" * 20_000}')
    assert r.text == "yes||20000\n"


def test_forbidden_x11_is_refused(way):
    env = {"DISPLAY": "127.0.0.1:77"}
    r = way.ssh("-Y", "echo [$DISPLAY]", env=env)
    assert r.outcome[:2] == (0, b"[]\n")
    assert "X11 forwarding request failed on channel 0" in r.err


@pytest.fixture
def display():
    """The socket of an X server, which sends back what it receives."""
    for number in range(200, 400):
        try:
            server = net.Server(net.echo, port=6000 + number)
            break
        except OSError:
            pass
    server.number = number
    yield server
    server.close()


def test_x11_forwarding(own_way, tmp_path, display):
    """A program on the upstream reaches the client's display, with the cookie that ssh made up."""
    xauth = tmp_path / "xauth"  # sshd's real xauth would change ~/.Xauthority
    xauth.write_text(f"#!/bin/sh\nexec cat >{tmp_path}/cookie.new\n")
    xauth.chmod(0o755)
    w = own_way(sshd={
        "X11Forwarding": "yes", "XAuthLocation": xauth, "X11DisplayOffset": str(500 + os.getpid() % 400),
    })
    program = tmp_path / "program.py"
    program.write_text(f"""
import os, re, socket
cookie = bytes.fromhex(re.search(r"add .* (\\w+)$", open("{tmp_path}/cookie.new").read(), re.M)[1])
host, _, number = os.environ["DISPLAY"].partition(":")
s = socket.create_connection((host, 6000 + int(number.split(".")[0])))
name = b"MIT-MAGIC-COOKIE-1"
hello = b"l\\0" + (11).to_bytes(2, "little") + bytes(2)
hello += len(name).to_bytes(2, "little") + len(cookie).to_bytes(2, "little") + bytes(2)
hello += name + bytes(-len(name) % 4) + cookie
s.sendall(hello + b"x" * 100000)
got = b""
while len(got) < len(hello) + 100000:
    data = s.recv(65536)
    if not data:
        break
    got += data
print(len(got) - len(hello), got[:6] == hello[:6])
""")
    r = w.ssh("-Y", f"/usr/bin/python3 {program}", env={"DISPLAY": f"127.0.0.1:{display.number}"},
              ForwardX11Timeout="0")
    assert r.text == "100000 True\n", r
