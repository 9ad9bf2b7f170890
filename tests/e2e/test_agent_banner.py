"""Key = agent: the banner of the upstream goes to the stderr of the session, because it comes after the client's
login."""

import hashlib

import pytest

from lab.agent import paramiko_runs, with_key
from lab.wait import wait_for


@pytest.fixture
def banner(tmp_path):
    path = tmp_path / "banner"
    path.write_text("The machine says hello.\n\tSecond line \N{UMBRELLA}.\n")
    return path


def test_banner_is_shown(agent_way, banner):
    w = agent_way(sshd={"Banner": banner})
    for _ in range(2):
        r = w.ssh("-T", "echo in; echo err >&2; exit 7")
        assert (r.code, r.out) == (7, b"in\n"), r
        assert r.err == banner.read_text().replace("\n", "\r\n") + "err\n"


def test_banner_is_shown_once_after_refused_keys(agent_way, banner, ring):
    w = agent_way(["rsa3072", "ecdsa256"], upstream=[ring.get("last")], sshd={"Banner": banner})
    w.agent.add(ring.get("last"))
    r = w.ssh("echo in")
    assert r.out == b"in\n" and r.err.replace("\r", "") == banner.read_text()


def test_banner_of_upstream_that_refuses_login(agent_way, banner, ring):
    """The banner may say why."""
    w = agent_way(upstream=[ring.get("other")], sshd={"Banner": banner})
    r = w.ssh("echo in")
    assert r.code == 255 and r.out == b"", r
    assert r.err.replace("\r", "").startswith(banner.read_text() + "sallyport: your machine accepts none")


def test_banner_on_a_terminal(agent_way, banner):
    w = agent_way(sshd={"Banner": banner})
    t = w.client.terminal("-tt", "stty -a; exit 3")
    t.expect("The machine says hello.\r\n\tSecond line \N{UMBRELLA}.\r\n")
    t.expect("speed")
    assert t.wait() == 3


def test_long_banner_is_cut_at_16_kib(agent_way, banner):
    """As with any other key."""
    banner.write_text("long line\n" * 4000)
    r = agent_way(sshd={"Banner": banner}).ssh("echo in")
    assert r.out == b"in\n" and r.err.replace("\r", "") == banner.read_text()[:16384]


def test_transfer_of_20_megabytes_after_banner(agent_way, banner, bulk):
    banner.write_text("long line\n" * 1600)
    w = agent_way(sshd={"Banner": banner})
    b = bulk(20)
    r = w.ssh("-T", f"cat {b.path}; read line; echo $line >&2", stdin=b"on\n")
    assert r.code == 0 and hashlib.sha256(r.out).hexdigest() == b.sha256
    assert r.err.replace("\r", "") == banner.read_text() + "on\n"


def test_banner_is_counted_against_client_window(agent_way, banner, monkeypatch, bulk):
    """OpenSSH tolerates a tenth too much; this client has a small window and counts."""
    window = 1 << 15
    banner.write_text("long line\n" * 1000)
    shown = banner.read_bytes().replace(b"\n", b"\r\n")
    w = agent_way(sshd={"Banner": banner})
    b = bulk(1)
    with paramiko_runs(w, monkeypatch, with_key(w), f"cat {b.path}", window_size=window,
                       max_packet_size=4096) as channel:
        def unread():
            return len(channel.in_buffer) + len(channel.in_stderr_buffer)

        wait_for("a full window", lambda: unread() >= window)
        channel.transport.global_request("keepalive@openssh.com")
        assert unread() == window
        assert channel.recv_stderr(1 << 16) == shown
        out = bytearray()
        while data := channel.recv(1 << 16):
            out += data
        assert out == b.path.read_bytes() and channel.recv_exit_status() == 0


@pytest.mark.parametrize("program", ["sftp", "scp", "scp -O"])
def test_scp_and_sftp_with_banner(agent_way, banner, bulk, tmp_path, program):
    w = agent_way(sshd={"Banner": banner})
    b = bulk(1)
    there, back = tmp_path / "there", tmp_path / "back"
    if program == "sftp":
        r = w.client.sftp(f"put {b.path} {there}\nget {there} {back}\n", "-A")
    else:
        flags = program.split()[1:]
        w.client.scp(*flags, "-A", b.path, f"upstream:{there}")
        r = w.client.scp(*flags, "-A", f"upstream:{there}", back)
    assert hashlib.sha256(back.read_bytes()).hexdigest() == b.sha256
    assert r.err.replace("\r", "").count(banner.read_text()) == 1
