"""Key = agent: the gateway logs in to the upstream with a key of the user's own agent."""

import hashlib
import random
import re
import signal
import subprocess

import pytest

from lab import net
from lab.agent import Agent, assert_login_refused, paramiko_runs, with_key
from lab.gateway import SALLYPORT
from lab.refusal import one_line
from lab.wait import PATIENCE, wait_for

SIGN_REQUEST = "type 13$"


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "ecdsa256", "ecdsa521"])
def test_key_in_agent_logs_in_to_upstream(agent_way, kind):
    w = agent_way([kind])
    r = w.ssh("echo in; exit 7")
    assert r.outcome == (7, b"in\n", ""), r
    w.sshd.log.wait(f"Accepted publickey .* {re.escape(w.keys[0].fingerprint)}")
    w.agent.log.wait(SIGN_REQUEST)
    w.gateway.log.wait(rf"the agent is asked to sign for .* {re.escape(w.keys[0].fingerprint)}")


def test_terminal(agent_way):
    w = agent_way()
    t = w.client.terminal("-tt", None)
    t.send("test -t 0 && echo on-a-$((6 * 7))-terminal; exit 3\n")
    t.expect("on-a-42-terminal")
    assert t.wait() == 3


def test_transfer_of_20_megabytes_each_way(agent_way, bulk):
    w = agent_way()
    b = bulk(20)
    with open(b.path, "rb") as f:
        r = w.ssh("-T", "cat", stdin=f)
    assert r.code == 0 and hashlib.sha256(r.out).hexdigest() == b.sha256


@pytest.mark.parametrize("program", ["sftp", "scp", "scp -O"])
def test_scp_and_sftp(agent_way, bulk, tmp_path, program):
    w = agent_way()
    b = bulk(20)
    there, back = tmp_path / "there", tmp_path / "back"
    if program == "sftp":
        w.client.sftp(f"put {b.path} {there}\nget {there} {back}\n", "-A")
    else:
        flags = program.split()[1:]
        w.client.scp(*flags, "-A", b.path, f"upstream:{there}")
        w.client.scp(*flags, "-A", f"upstream:{there}", back)
    assert hashlib.sha256(back.read_bytes()).hexdigest() == b.sha256


def test_git(agent_way, tmp_path):
    w = agent_way()
    work, bare, copy = tmp_path / "work", tmp_path / "bare.git", tmp_path / "copy"
    w.client.env["GIT_SSH_COMMAND"] += " -A"
    w.client.git("init", "-q", work)
    (work / "file").write_text("text\n" * 1000)
    w.client.git("add", "file", cwd=work)
    w.client.git("commit", "-q", "-m", "first", cwd=work)
    w.client.git("init", "-q", "--bare", bare)
    w.client.git("push", "-q", f"upstream:{bare}", "HEAD:refs/heads/main", cwd=work)
    w.client.git("clone", "-q", "-b", "main", f"upstream:{bare}", copy)
    assert (copy / "file").read_text() == (work / "file").read_text()


def test_control_master_asks_agent_of_first_session(agent_way, short, bulk):
    """Later sessions of the connection reuse its login."""
    w = agent_way()
    b = bulk(20)
    path = str(short / "c")
    master = w.client.spawn("-M", "-S", path, "cat")
    wait_for("the control socket", lambda: net.accepts(path))
    several = [w.client.spawn("-S", path, f"cat {b.path} | sha256sum; exit {n}") for n in range(5)]
    for n, p in enumerate(several):
        assert p.communicate(timeout=PATIENCE)[0].split()[0].decode() == b.sha256
        assert p.returncode == n
    assert master.communicate(b"bye\n", timeout=PATIENCE)[0] == b"bye\n"
    assert len(re.findall("Accepted publickey", w.sshd.log.text())) == 1


def test_remote_forward_requested_before_session(agent_way, make_sshd):
    """tcpip-forward arrives before the session: it is held back until the agent_way, and then works."""
    w = agent_way()
    local, remote, dynamic = net.free_port(), net.free_port(), net.free_port()
    p = w.client.spawn(
        "-L", f"{local}:127.0.0.1:{w.sshd.port}", "-R", f"{remote}:127.0.0.1:{w.sshd.port}",
        "-D", dynamic, "echo ready; cat", ExitOnForwardFailure="yes",
    )
    assert p.stdout.readline() == b"ready\n"
    for port in (local, remote):
        with net.connect(("127.0.0.1", port)) as s:
            assert s.makefile("rb").readline().startswith(b"SSH-2.0-OpenSSH")
    with net.connect(("127.0.0.1", dynamic)) as s:
        s.sendall(b"\5\1\0")
        assert s.recv(2) == b"\5\0"
        s.sendall(b"\5\1\0\1\x7f\0\0\1" + w.sshd.port.to_bytes(2, "big"))
        assert s.recv(10)[:2] == b"\5\0"
        assert s.makefile("rb").readline().startswith(b"SSH-2.0-OpenSSH")
    assert p.communicate(b"", timeout=PATIENCE)[0] == b"" and p.returncode == 0


def test_agent_is_forwarded_to_upstream(agent_way):
    w = agent_way()
    assert w.ssh("ssh-add -L").text.split()[:2] == w.keys[0].public.split()


def test_agent_is_not_forwarded_without_permission(agent_way):
    """AllowAgentForwarding = no: the agent serves the login alone."""
    w = agent_way(route={"AllowAgentForwarding": "no"})
    r = w.ssh("test -z \"$SSH_AUTH_SOCK\" && echo none")
    assert r.outcome[:2] == (0, b"none\n"), r


@pytest.mark.parametrize("flags", [(), ("-tt",)])
def test_client_without_agent(agent_way, flags):
    w = agent_way()
    del w.client.env["SSH_AUTH_SOCK"]
    assert_login_refused(w, w.ssh(*flags, "echo in"), "ssh -A", "no agent is offered")


def test_client_that_does_not_forward_its_agent(agent_way):
    w = agent_way()
    assert_login_refused(w, w.ssh("-a", "echo in"), "ssh -A", "no agent is offered")
    assert w.client.sftp("pwd\n", check=False).code == 255


def test_empty_agent(agent_way):
    refused_with = agent_way(keys=[])
    assert_login_refused(refused_with, refused_with.ssh("echo in"), "no key in your agent", "lists no key")


def test_locked_agent(agent_way):
    w = agent_way()
    askpass = w.client.dir / "askpass"
    askpass.write_text("#!/bin/sh\necho secret\n")
    askpass.chmod(0o755)
    w.client.run(["ssh-add", "-x"], env={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"},
                 check=True)
    assert_login_refused(w, w.ssh("echo in"), "locked", "lists no key")


def test_agent_that_does_not_sign(gated, ring, short):
    w = gated(route={"key": "agent"})
    w.client.env.update(SSH_ASKPASS="/bin/false", SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")
    w.agent = Agent(w, short / "a")
    w.sshd.authorize(w.agent.add(ring.get("agent"), "-c").public)
    assert_login_refused(w, w.ssh("echo in"), "did not sign", "did not sign with it")
    assert not w.sshd.log.find("Accepted publickey")


def test_keys_that_upstream_refuses(agent_way, ring):
    w = agent_way(["ed25519", "ecdsa256"], upstream=[ring.get("other")])
    assert_login_refused(w, w.ssh("echo in"), "accepts none of the keys", "none of the 2 keys")


def test_six_keys_are_tried_and_no_more(agent_way, ring):
    kinds = ["rsa3072", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"]
    w = agent_way(kinds, upstream=[ring.get("sixth")])
    w.agent.add(ring.get("sixth"))
    assert w.ssh("echo in").text == "in\n"
    w.client.run(["ssh-add", "-q", "-d", ring.get("sixth").path], check=True)
    w.agent.add(ring.get("seventh"))
    w.agent.add(ring.get("sixth"))
    assert_login_refused(w, w.ssh("echo in"), "first keys|none of the keys", ".")


def test_key_of_gateway_login_is_tried_first(agent_way, ring):
    """Behind ten other keys of the agent it would not be tried at all."""
    w = agent_way(upstream=[ring.get("client")])
    for n in range(9):
        w.agent.add(ring.get(f"many{n}"))
    w.agent.add(ring.get("client"))
    assert w.ssh("echo in").text == "in\n"


def test_certificate_in_agent(gated, ring, short, tmp_path):
    """ssh-add adds the key and its certificate, and the upstream trusts the CA."""
    authority, key = ring.get("authority"), tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", key], check=True)
    w = gated(route={"key": "agent"}, sshd={"TrustedUserCAKeys": authority.path.with_suffix(".pub")})
    user = w.sshd.options.get("User") or subprocess.run(
        ["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["ssh-keygen", "-q", "-s", authority.path, "-I", "somebody", "-n", user,
                    tmp_path / "key.pub"], check=True)
    w.agent = Agent(w, short / "a")
    w.client.run(["ssh-add", "-q", key], check=True)
    assert w.ssh("echo in").text == "in\n"
    w.sshd.log.wait(r"Accepted publickey .* RSA-CERT .* ID somebody")


@pytest.mark.parametrize("side", ["client", "upstream", "both"])
def test_rekeying_during_agent_login(agent_way, side):
    """The limit is so low that keys are also exchanged while the agent is asked."""
    w = agent_way(["rsa3072", "ed25519"], sshd={"RekeyLimit": "1K"} if side != "client" else {})
    options = {"RekeyLimit": "1K"} if side != "upstream" else {}
    r = w.ssh("-v", "echo in", **options)
    assert r.outcome[:2] == (0, b"in\n"), r
    if side != "upstream":
        early = r.err[: r.err.index("free: authentication agent connection")]
        assert len(re.findall("SSH2_MSG_NEWKEYS received", early)) > 2, r.err
    data = random.Random(1).randbytes(100_000)
    r = w.ssh("-T", "cat", stdin=data, **options)
    assert r.code == 0 and r.out == data


def test_forward_without_session_is_refused_with_reason(agent_way):
    """ssh -W and ssh -N -L: the refused channel carries the reason."""
    w = agent_way(front={"LoginGraceTime": "10s"})
    r = w.client.run(w.client.argv("ssh", "-W", f"127.0.0.1:{w.sshd.port}", "upstream"))
    assert r.code == 255 and "needs your agent" in r.err, r
    port = net.free_port()
    p = w.client.forward("-v", "-L", f"{port}:127.0.0.1:{w.sshd.port}", ready=[("127.0.0.1", port)])
    with net.connect(("127.0.0.1", port)) as s:
        assert s.recv(100) == b""
    _, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 255 and b"needs your agent" in err, err
    assert b"did not answer in time" in err, err
    w.gateway.quiet()


def test_login_grace_time_ends_unconfirmed_signature(gated, ring, short):
    w = gated(route={"key": "agent"}, front={"LoginGraceTime": "12s"})
    askpass = w.client.dir / "askpass"
    askpass.write_text("#!/bin/sh\nexec sleep 60\n")
    askpass.chmod(0o755)
    w.client.env.update(SSH_ASKPASS=str(askpass), SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")
    w.agent = Agent(w, short / "a")
    w.sshd.authorize(w.agent.add(ring.get("agent"), "-c").public)
    # without answers from the gateway, the client would end it after 10 s
    r = w.ssh("echo in", ServerAliveInterval="2", ServerAliveCountMax="4")
    assert_login_refused(w, r, "did not answer in time", "LoginGraceTime was over")


def test_upstream_that_freezes_after_signature_is_blamed(gated, ring, short):
    """The message does not send the user to look at the agent."""
    w = gated(route={"key": "agent"}, front={"LoginGraceTime": "10s"})
    askpass = w.client.dir / "askpass"
    askpass.write_text(f"#!/bin/sh\nexec kill -STOP $(pgrep -P {w.sshd.process.pid})\n")
    askpass.chmod(0o755)
    w.client.env.update(SSH_ASKPASS=str(askpass), SSH_ASKPASS_REQUIRE="force", DISPLAY=":0")
    w.agent = Agent(w, short / "a")
    w.sshd.authorize(w.agent.add(ring.get("agent"), "-c").public)
    try:
        assert_login_refused(w, w.ssh("echo in"), "your machine did not answer in time", "before it had answered the login")
    finally:
        for p in w.sshd.processes():
            p.kill(signal.SIGCONT)


def test_upstream_that_is_down(agent_way):
    w = agent_way()
    w.sshd.stop()
    r = w.ssh("echo in")
    assert r.code == 255 and "cannot be reached" in one_line(r.err), r
    assert not w.agent.log.find(SIGN_REQUEST)


def test_changed_host_key_of_upstream(agent_way, ring):
    """The agent is never asked for a signature."""
    w = agent_way()
    w.gateway.known_hosts_of("alice").write_text(
        f"[127.0.0.1]:{w.sshd.port} {ring.get('wrong_host').public}\n")
    r = w.ssh("echo in")
    assert r.code == 255 and "host key" in one_line(r.err), r
    assert not w.agent.log.find(SIGN_REQUEST)


def named_host_keys(w, tmp_path):
    path = tmp_path / "hosts"
    path.write_text("".join(f"gateway {k.public}\n" for k in w.gateway.host_keys)
                    + "".join(f"upstream {k.public}\n" for k in w.sshd.host_keys))
    return path


def test_key_restricted_to_this_upstream(gated, ring, short, tmp_path):
    """ssh-add -h: the agent must be told of both hops."""
    w = gated(route={"key": "agent"})
    w.agent = Agent(w, short / "a")
    hosts = named_host_keys(w, tmp_path)
    key = ring.get("agent")
    w.sshd.authorize(key.public)
    w.agent.add(key, "-H", hosts, "-h", "gateway", "-h", "gateway>upstream")
    assert w.ssh("echo in").text == "in\n"


def test_key_restricted_to_another_upstream(gated, ring, short, tmp_path):
    w = gated(route={"key": "agent"})
    w.agent = Agent(w, short / "a")
    hosts = named_host_keys(w, tmp_path)
    with open(hosts, "a", encoding="ascii") as f:
        f.write(f"other {ring.get('other_host').public}\n")
    key = ring.get("agent")
    w.sshd.authorize(key.public)
    w.agent.add(key, "-H", hosts, "-h", "gateway", "-h", "gateway>other")
    assert_login_refused(w, w.ssh("echo in"), "no key in your agent|did not sign", ".")
    assert not w.sshd.log.find("Accepted publickey")


def test_max_sessions_counts_session_of_agent_login(agent_way):
    w = agent_way(route={"MaxSessions": "0"})
    r = w.ssh("echo in")
    assert r.code == 255 and "may not open a session" in one_line(r.err), r
    w.gateway.quiet()


def test_session_timeout(agent_way):
    w = agent_way(route={"SessionTimeout": "8s"})
    r = w.ssh("echo in; exec sleep 300")
    assert r.code == 255 and r.out == b"in\n" and "time limit of a connection is over" in r.err, r


def test_forced_command(agent_way):
    w = agent_way(route={"ForceCommand": "echo forced"})
    assert w.ssh("echo in").outcome[:2] == (0, b"forced\n")


def login_by_paramiko(w, monkeypatch, prove):
    with paramiko_runs(w, monkeypatch, prove, "cat; exit 3") as channel:
        channel.sendall(b"text")
        channel.shutdown_write()
        assert channel.recv(100) == b"text" and channel.recv_exit_status() == 3


def test_paramiko_client(agent_way, monkeypatch):
    w = agent_way()
    login_by_paramiko(w, monkeypatch, with_key(w))


def test_password_at_gateway_and_agent_for_upstream(agent_way, monkeypatch):
    """The gateway identifies the user by password."""
    hashed = subprocess.run([SALLYPORT, "hash-password"], input=b"a long secret\n",
                            capture_output=True, check=True).stdout.decode().split(" = ")[1]
    w = agent_way(route={"AuthorizedKeysFile": None, "PasswordHash": hashed.strip()})
    login_by_paramiko(w, monkeypatch, lambda t: t.auth_password("alice", "a long secret"))
    w.gateway.log.wait("Accepted password for alice")


def test_check_and_route_know_key_agent(agent_way, ring):
    w = agent_way()
    g = w.gateway
    g.command("check")
    assert "Key = agent\n" in re.sub(" +", " ", g.command("check", "--dump"))
    assert re.search(r"^key +the user's own agent", g.command("route", "alice"), re.M)
    for words in (["generate", "agent"], ["add", "agent", ring.get("client").path]):
        p = g.sallyport("key", *words, "-c", g.conf)
        assert p.returncode == 2 and b"the user's own agent" in p.stderr, p
    # a key of that name from before the word was reserved
    g.command("key", "generate", "old")
    (g.dir / "keys" / "old").rename(g.dir / "keys" / "agent")
    assert "which is not used any more" in g.notes()


def test_login_named_agent_uses_its_mapped_key(agent_way):
    """Key = %u: "agent" is reserved in the configuration, not where a login name is filled in."""
    w = agent_way()
    (w.gateway.conf / "20-any.ini").write_text(
        (w.gateway.conf / "10-alice.ini").read_text().replace("[route alice]", "[route *]")
        .replace("Key = agent", "Key = %u"))
    p = w.gateway.sallyport("route", "agent", "-c", w.gateway.conf)
    assert p.returncode == 1 and b"own agent" not in p.stdout and b"agent.pub" in p.stdout, p
