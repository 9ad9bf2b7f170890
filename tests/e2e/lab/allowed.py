"""What a login may do, each tried with OpenSSH's client.  w: a way, or anything with a client."""

import os
import subprocess

from . import net, procs


def opens(w, port, host="127.0.0.1"):
    """ssh -W to this port: whether the echo comes back."""
    r = w.client.run(w.client.argv("ssh", "-W", f"{host}:{port}", "upstream"), b"ping")
    assert r.out in (b"ping", b""), r
    if not r.out:
        assert "open failed: administratively prohibited: open failed" in r.err, r
    return r.out == b"ping"


def listens(w, port, host="127.0.0.1"):
    r = w.ssh("-R", f"{host}:{port}:127.0.0.1:9", "echo in", ExitOnForwardFailure="yes")
    if r.code == 255:
        assert f"remote port forwarding failed for listen port {port}" in r.err
    else:
        assert r.text == "in\n", r
    return r.code == 0


def pty(w):
    t = w.client.terminal("-tt", "tty; exit 7")
    with_one = t.expect(r"(/dev/pts/\d+|PTY allocation request failed)")[1][0] == "/"
    assert t.wait() == (7 if with_one else 255)
    t.close()
    return with_one


def agent(w, tmp_path):
    p = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "a")], stdout=subprocess.DEVNULL)
    try:
        net.wait_accepts(str(tmp_path / "a"))
        r = w.ssh("-A", "echo ${SSH_AUTH_SOCK:+yes}", env={"SSH_AUTH_SOCK": str(tmp_path / "a")})
        assert r.code == 0
        return r.text == "yes\n"
    finally:
        p.terminate()
        p.wait()


def x11_sshd_options(tmp_path):
    """Options of an sshd that forwards X11 and leaves ~/.Xauthority alone."""
    xauth = tmp_path / "xauth"
    xauth.write_text("#!/bin/sh\nexec cat >/dev/null\n")
    xauth.chmod(0o755)
    return {"X11Forwarding": "yes", "XAuthLocation": xauth,
            "X11DisplayOffset": str(500 + os.getpid() % 400)}


def x11(w):
    r = w.ssh("-Y", "echo [$DISPLAY]", env={"DISPLAY": "127.0.0.1:77"}, ForwardX11Timeout="0")
    assert r.code == 0, r
    refused = "X11 forwarding request failed on channel 0" in r.err
    assert refused == (r.text == "[]\n"), r
    return not refused


def socks(w, port):
    """ssh -D: whether the echo at this port can be reached."""
    here = net.free_port()
    p = w.client.forward("-D", f"127.0.0.1:{here}", ready=[("127.0.0.1", here)])
    try:
        with net.connect(("127.0.0.1", here)) as s:
            s.sendall(b"\x04\x01" + port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + b"\0" + b"ping")
            got = b""
            while len(got) < 12:
                more = s.recv(64)
                if not more:
                    break
                got += more
        return got[8:] == b"ping"
    finally:
        procs.end(p)


def reaches_socket(w, directory):
    """ssh -L to a Unix socket on the upstream."""
    here, there = str(directory / "l"), directory / "there"
    server = net.Server(net.echo, path=there)
    p = w.client.forward("-L", f"{here}:{there}", ready=[here])
    try:
        with net.connect(here) as s:
            try:
                s.sendall(b"ping")
                return s.recv(4) == b"ping"
            except (BrokenPipeError, ConnectionResetError):
                return False
    finally:
        procs.end(p)
        server.close()
        os.unlink(here)


def listens_on_socket(w, directory):
    """ssh -R from a Unix socket on the upstream."""
    r = w.ssh("-R", f"{directory}/r:127.0.0.1:9", "echo in", ExitOnForwardFailure="yes")
    if r.code == 255:
        assert "remote port forwarding failed for listen path" in r.err
    return r.code == 0
