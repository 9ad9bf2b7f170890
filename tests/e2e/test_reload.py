"""Reloads of the configuration while sessions run."""

import os
import re
import signal
import subprocess
import threading
import time

import pytest

from lab import net
from lab.client import echoes, open_session, rekeys
from lab.gateway import NOT_RELOADED, RELOADED, sanitized
from lab.wait import wait_for


@pytest.fixture
def w(gated):
    return gated()


def test_first_host_key_of_each_type_serves(w):
    """A second one used to pass check and reload, and then no login worked."""
    new = w.gateway.generate_key("new2026")
    ecdsa = [w.gateway.generate_key(f"ecdsa{n}", "--type", "ecdsa") for n in (1, 2)]
    for names, serves in (("host_ed25519 new2026 ecdsa1 ecdsa2", ecdsa[0]), ("ecdsa2 new2026 host_ed25519 ecdsa1", new)):
        w.gateway.host_key_names = names.split()
        w.gateway.write_gateway()
        status, text = w.gateway.check()
        assert status == 0, text
        p = w.gateway.reload()
        assert p.returncode == 0, p.stderr
        kind, key = serves.split()[:2]
        c = w.new_client(known_hosts=f"[127.0.0.1]:{w.gateway.port} {kind} {key}\n")
        assert c.ssh("echo in", HostKeyAlgorithms=kind).text == "in\n"


def test_host_key_under_two_names_is_refused(w, ring):
    w.gateway.add_key("copy", ring.get("gateway_host", "ed25519"))
    w.gateway.host_key_names = ["host_ed25519", "copy"]
    w.gateway.write_gateway()
    said = "HostKey copy: the same key as host_ed25519"
    check = w.gateway.check()
    assert check[0] == 78 and said in check[1]
    p = w.gateway.reload()
    assert p.returncode == 78 and said in (p.stdout + p.stderr).decode()
    assert w.lets_in()
    w.gateway.port = net.free_port()
    w.gateway.write_gateway()
    serve = w.gateway.sallyport("serve", "-c", w.gateway.conf)
    assert serve.returncode == 78 and said in serve.stderr.decode()


def test_reload_adds_and_removes_routes(w):
    running = open_session(w.client)
    assert not w.lets_in("bob")
    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
    w.gateway.hangup()
    assert w.lets_in("bob") and w.lets_in()
    (w.gateway.conf / "10-alice.ini").unlink()
    w.gateway.hangup()
    assert w.lets_in("bob") and not w.lets_in()
    echoes(running)


def test_reload_changes_limits(w):
    w.gateway.options["MaxStartups"] = "1"
    w.gateway.write_gateway()
    w.gateway.hangup()
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(4) == b"SSH-"
        with net.connect(("127.0.0.1", w.gateway.port)) as t:
            assert net.read_all(t).startswith(b"Exceeded MaxStartups")
    w.gateway.options["MaxStartups"] = "50"
    w.gateway.write_gateway()
    w.gateway.hangup()
    held_open = [net.connect(("127.0.0.1", w.gateway.port)) for _ in range(5)]
    assert [s.recv(4) for s in held_open] == [b"SSH-"] * 5
    for s in held_open:
        s.close()


def test_reload_changes_banner_and_log_level(w):
    (w.gateway.conf / "banner.txt").write_text("Mind the gap.\n")
    w.gateway.options.update(Banner="conf.d/banner.txt", LogFormat="json", LogLevel="DEBUG")
    w.gateway.write_gateway()
    w.gateway.hangup()
    mark = w.gateway.log.mark()
    assert "Mind the gap." in w.client.ssh("true").err
    w.gateway.log.wait(r'^\{"time":.*Accepted publickey for alice', mark)


def test_reload_with_errors_keeps_old_configuration(w):
    """Each error has its line, and there is one summary."""
    w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
    bad = w.gateway.conf / "90-bad.ini"
    bad.write_text("[route carol]\nHostNam = x\nPort = 99999\n")
    text = w.gateway.hangup(NOT_RELOADED)
    for line in (r"90-bad\.ini:2: unknown keyword \"HostNam\" .*did you mean HostName",
                 r"90-bad\.ini:3: Port: \"99999\" is not a port"):
        assert len(re.findall(rf"reload: .*{line}", text)) == 1, text
    assert len(re.findall(NOT_RELOADED, text)) == 1
    assert w.lets_in() and not w.lets_in("bob")
    bad.unlink()
    w.gateway.hangup()
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
    assert re.search(reason, w.gateway.hangup(NOT_RELOADED))
    assert w.lets_in()


def test_reload_keeps_old_key_store_where_new_one_does_not_open(w):
    unlock = w.gateway.dir / "keys" / ".unlock"
    right = unlock.read_bytes()
    unlock.write_bytes(b"x" * 64)
    running = open_session(w.client)
    w.gateway.hangup(NOT_RELOADED)
    assert w.lets_in()
    unlock.write_bytes(right)
    w.gateway.hangup()
    assert w.lets_in()
    echoes(running)


def test_running_session_rekeys_with_its_old_host_key(w, tmp_path):
    """The new key has the name of the old one; a running session rekeys with the key it began with."""
    running = open_session(w.client, RekeyLimit="1M", LogLevel="VERBOSE", HostKeyAlgorithms="ssh-ed25519")
    w.gateway.command("key", "remove", "host_ed25519", "--force")
    new = w.gateway.generate_key("host_ed25519")
    w.gateway.hangup()
    rekeys(running)
    line = f"[127.0.0.1]:{w.gateway.port} {' '.join(new.split()[:2])}\n"
    c = w.new_client(known_hosts=line)
    assert c.ssh("echo in", HostKeyAlgorithms="ssh-ed25519").text == "in\n"
    r = w.client.ssh("echo in", HostKeyAlgorithms="ssh-ed25519")
    assert r.code == 255 and "IDENTIFICATION HAS CHANGED" in r.err


def test_login_under_way_keeps_its_configuration(w):
    paramiko = pytest.importorskip("paramiko")
    t = paramiko.Transport(("127.0.0.1", w.gateway.port))
    try:
        t.start_client(timeout=60)
        (w.gateway.conf / "10-alice.ini").unlink()
        w.gateway.route("bob", w.sshd, [w.ring.get("client")], key="alice")
        for _ in range(3):
            w.gateway.hangup()
        key = paramiko.Ed25519Key.from_private_key_file(str(w.ring.get("client").path))
        t.auth_publickey("alice", key)
        channel = t.open_session(timeout=60)
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
        text = w.gateway.hangup(NOT_RELOADED if i % 3 == 2 else RELOADED)
        assert len(re.findall(f"{NOT_RELOADED}|{RELOADED}", text)) == 1
        if i % 3 == 2:
            assert w.gateway.sallyport("check", "-c", w.gateway.conf).returncode == 78
            bad.unlink()
        time.sleep(0.3)  # sets the rate of reloads; waits for nothing
    done.set()
    for t in threads:
        t.join(120)
    assert len(sums) >= 5 and all(s == [b.sha256] for s in sums), sums
    assert len(re.findall(NOT_RELOADED, w.gateway.log.text(mark))) == 10
    w.answers()


def test_many_hangup_signals_at_once(w):
    for _ in range(200):
        w.gateway.process.send_signal(signal.SIGHUP)
    w.gateway.log.wait(RELOADED)
    w.answers()


def test_old_configurations_are_freed(w):
    """While a session from before them runs on."""
    running = open_session(w.client)
    routes = "".join(
        f"[route user{i}]\nHostName = h{i}\nKey = alice\nAuthorizedKey = ssh-ed25519 AAAA\n"
        "StrictHostKeyChecking = no\n" for i in range(3000))
    (w.gateway.conf / "50-many.ini").write_text(routes)
    for _ in range(3):
        w.gateway.hangup()
    (keeper,) = w.gateway.keepers()

    def kib():
        with open(f"/proc/{keeper.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    before = kib(), keeper.n_descriptors()
    for _ in range(20):
        w.gateway.hangup()
    # the keeper frees the last one after the master has reported success
    wait_for("its descriptors", lambda: keeper.n_descriptors() <= before[1])
    if not sanitized():
        wait_for("its memory", lambda: kib() < before[0] + 4096)
    echoes(running)


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
