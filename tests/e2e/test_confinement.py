"""The confinement of the processes that talk to the network."""

import os

import pytest

from lab import net
from lab.client import open_session
from lab.gateway import sanitized
from lab.procs import needs_access_to
from lab.wait import PATIENCE, wait_for


def assert_confined(gateway, session):
    if not sanitized():
        assert session.status("Seccomp") == "2"
    assert session.status("NoNewPrivs") == "1"
    for number, target in session.descriptors().items():
        if number <= 2:
            assert target == "/dev/null" or (sanitized() and number == 2), (number, target)
        else:
            assert target.startswith(("socket:", "anon_inode:", "pipe:")), (number, target)
    own = {t for t in session.descriptors().values() if t.startswith("socket:")}
    # The master closes its copies of the session's two sockets a moment after the session speaks.
    wait_for("no socket is the session's and the master's", lambda: not own & set(gateway.master.descriptors().values()))


@pytest.fixture
def w(gated):
    return gated()


def test_session_is_confined_from_first_byte(w):
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(4) == b"SSH-"
        (session,) = wait_for("the session", w.gateway.sessions)
        needs_access_to(session)
        assert_confined(w.gateway, session)


def test_session_is_confined_after_login(w):
    p = open_session(w.client)
    (session,) = w.gateway.sessions()
    needs_access_to(session)
    assert_confined(w.gateway, session)
    assert p.communicate(timeout=PATIENCE)[0] == b""


def test_sessions_share_no_descriptors(w):
    running = []
    for _ in range(3):
        p = open_session(w.client)
        running.append(p)
    seen = {}
    for session in w.gateway.sessions():
        needs_access_to(session)
        for number, target in session.descriptors().items():
            if target.startswith("socket:"):
                assert target not in seen, (session, seen[target])
                seen[target] = session
    for p in running:
        p.communicate(timeout=PATIENCE)


def test_no_process_dumps_core(w):
    for p in w.gateway.processes():
        with open(f"/proc/{p.pid}/limits", encoding="ascii") as f:
            cores = next(line for line in f if line.startswith("Max core file size"))
        dumpable = os.stat(f"/proc/{p.pid}/environ").st_uid == int(p.status("Uid").split()[0])
        if p.title().startswith(("sallyport: keeper", "sallyport: session")):
            assert cores.split()[4] == "0" or (os.getuid() != 0 and not dumpable), p


def test_run_as_gives_up_root(make_gateway, make_sshd, ring, short, tmp_path):
    """All remaining processes run as that user, without capabilities."""
    if os.getuid() != 0:
        pytest.skip("only root can give up root")
    import pwd

    from lab.gateway import Gateway
    from lab.way import Way

    user = pwd.getpwnam("nobody")
    os.chmod(short, 0o755)
    s = make_sshd()
    g = Gateway(short / "gateway", ring, RunAs="nobody")
    g.route("alice", s, [ring.get("client")])
    os.chown(g.dir / "keys", user.pw_uid, user.pw_gid)
    for f in (g.dir / "keys").iterdir():
        os.chown(f, user.pw_uid, user.pw_gid)
    g.start()
    try:
        w = Way("gateway", tmp_path, ring, s, g)
        p = w.client.spawn("echo up; cat")
        assert p.stdout.readline() == b"up\n", p.stderr.read()
        assert g.sessions() and g.keepers()
        wait_for("the end of its errands", lambda: not g.role("errand"))
        for process in g.processes():
            assert process.status("Uid").split() == [str(user.pw_uid)] * 4, process
            assert process.status("Gid").split() == [str(user.pw_gid)] * 4, process
            assert process.status("Groups").split() in ([], [str(user.pw_gid)]), process
            assert int(process.status("CapEff"), 16) == 0, process
            assert int(process.status("CapPrm"), 16) == 0, process
        p.communicate(timeout=PATIENCE)
        w.close()
    finally:
        g.stop()


def test_run_network_as_separates_users(short, ring, make_sshd, tmp_path):
    """The keeper runs as one user and all other processes as another, which share nothing."""
    if os.getuid() != 0:
        pytest.skip("only root can give up root")
    import pwd

    from lab.gateway import Gateway
    from lab.way import Way

    os.chmod(short, 0o755)
    s = make_sshd()
    g = Gateway(short / "gateway", ring, RunAs="daemon", RunNetworkAs="games")
    g.route("alice", s, [ring.get("client")])
    seen = short / "seen"
    seen.mkdir()
    seen.chmod(0o777)
    script = g.dir / "lookup"
    script.write_text(f"#!/bin/sh\nid -un >{seen}/$1\nexit 1\n")
    script.chmod(0o755)
    (g.conf / "20-lookup.ini").write_text(f"[lookup]\nOrder = exec ini\n[lookup exec]\nCommand = {script}\n")
    g.start()
    try:
        w = Way("gateway", tmp_path, ring, s, g)
        p = w.client.spawn("echo up; cat")
        assert p.stdout.readline() == b"up\n", p.stderr.read()
        assert g.sessions() and len(g.keepers()) == 1
        wait_for("the end of its errands", lambda: not g.role("errand"))
        for process in g.processes():
            user = pwd.getpwnam("daemon" if process in g.keepers() else "games")
            assert process.status("Uid").split() == [str(user.pw_uid)] * 4, process
            assert process.status("Gid").split() == [str(user.pw_gid)] * 4, process
            assert int(process.status("CapEff"), 16) == int(process.status("CapPrm"), 16) == 0, process
        assert (seen / "alice").read_text() == "games\n"
        p.communicate(timeout=PATIENCE)
        w.close()
    finally:
        g.stop()


@pytest.mark.parametrize("user", ["daemon", "root", "no-such-user"])
def test_forbidden_values_of_run_network_as(make_gateway, user):
    if os.getuid() != 0:
        pytest.skip("for root only")
    g = make_gateway(RunAs="daemon", RunNetworkAs=user)
    p = g.sallyport("serve", "-c", g.conf)
    assert p.returncode == 78 and b"RunNetworkAs: " in p.stderr and user.encode() in p.stderr


def test_serve_as_root_needs_run_as(make_gateway, ring):
    if os.getuid() != 0:
        pytest.skip("for root only")
    g = make_gateway(RunAs=None)
    p = g.sallyport("serve", "-c", g.conf)
    assert p.returncode != 0
    assert b"RunAs" in p.stderr
