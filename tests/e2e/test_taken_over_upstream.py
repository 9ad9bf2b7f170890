"""A session that has been taken over: what the keeper signs for it and believes about its upstream."""

import os
import re

import paramiko
import pytest

from lab import attack, taken_over
from lab.taken_over import FalseUpstream, Gone, Reader, TakenOver, UpstreamConnection, string
from lab.way import Way

HOSTBOUND = b"publickey-hostbound-v00@openssh.com"
FAILED, SUCCESS = attack.USERAUTH_FAILURE, attack.USERAUTH_SUCCESS


@pytest.fixture
def two_upstreams(make_gateway, make_sshd, ring, tmp_path):
    """two_upstreams(**route): a gateway of the attack build, alice's upstream, and bob's, which has the same
    mapped key and user.
    """
    ways = []

    def make(**route):
        gateway = make_gateway(program=taken_over.program())
        alices, bobs = make_sshd(), make_sshd(host_keys=["rsa3072"])
        gateway.route("alice", alices, [ring.get("client")], key="people", **route)
        bobs.authorize(gateway.keys["people"])
        gateway.start()
        ways.append(Way("gateway", tmp_path / "way", ring, alices, gateway))
        return gateway, alices, bobs

    yield make
    for way in ways:
        way.close()


def method_and_host_key(request):
    """The method and the host key of a signed publickey request."""
    r = Reader(request)
    assert r.u8() == attack.USERAUTH_REQUEST
    r.string(), r.string()
    method = r.string()
    assert r.bool()
    r.string(), r.string()
    return method, r.string() if method == HOSTBOUND else None


@pytest.mark.parametrize("strict", ["no", "yes"])
def test_signed_request_is_valid_at_right_upstream(two_upstreams, ring, strict):
    """With the true host key and hash of alice's upstream, known or not."""
    gateway, alices, _ = two_upstreams(StrictHostKeyChecking=strict, **({"known_hosts": ""} if strict == "no" else {}))
    with TakenOver(gateway.port) as t:
        liar = FalseUpstream(t, ring)
        connection = UpstreamConnection(alices)
        assert liar.show_host_key(connection.session_id, *connection.shown)
        liar.ready()
        request = liar.request()
        expected = (HOSTBOUND, connection.shown[0]) if strict == "no" else (b"publickey", None)
        assert method_and_host_key(request) == expected
        assert connection.login(request) == SUCCESS
        connection.close()


@pytest.mark.parametrize("bound", [False, True])
def test_mapped_key_signs_for_no_other_upstream_where_any_host_key_is_accepted(two_upstreams, ring, bound):
    """SECURITY.md, finding 4: bob's upstream has the same mapped key; alice's session shows a key of its own
    over bob's hash.
    """
    gateway, _, bobs = two_upstreams(StrictHostKeyChecking="no", known_hosts="")
    with TakenOver(gateway.port) as t:
        liar = FalseUpstream(t, ring)
        connection = UpstreamConnection(bobs)
        assert liar.show_host_key(connection.session_id)
        liar.ready(bound)
        request = liar.request()
        assert method_and_host_key(request) == (HOSTBOUND, liar.key.asbytes())
        assert connection.login(request) != SUCCESS
        connection.close()
    assert not bobs.log.find("Accepted publickey")


def test_mapped_key_signs_for_no_other_upstream_where_changed_host_key_is_accepted(two_upstreams, ring):
    gateway, alices, bobs = two_upstreams(StrictHostKeyChecking="no")
    with TakenOver(gateway.port) as t:
        liar = FalseUpstream(t, ring)
        connection = UpstreamConnection(bobs)
        assert liar.show_host_key(connection.session_id)
        liar.ready()
        request = liar.request()
        assert method_and_host_key(request) == (HOSTBOUND, liar.key.asbytes())
        assert connection.login(request) != SUCCESS
        connection.close()
    gateway.log.wait("host key of 127.0.0.1 is CHANGED, and StrictHostKeyChecking is no")


def test_session_cannot_choose_new_host_key(two_upstreams, ring):
    """SECURITY.md, findings 4 and 11, accept-new: known_hosts gets the key of alice's upstream, and the liar
    no signature.
    """
    gateway, alices, bobs = two_upstreams(StrictHostKeyChecking="accept-new", known_hosts="")
    file = gateway.known_hosts_of("alice")
    with TakenOver(gateway.port) as t:
        liar = FalseUpstream(t, ring)
        connection = UpstreamConnection(bobs)
        assert not liar.show_host_key(connection.session_id)
        assert t.expect("REFUSE")
        connection.close()
    gateway.log.wait("has shown the gateway another host key than this session reports")
    assert file.read_text() == f"[127.0.0.1]:{alices.port} {' '.join(alices.host_keys[0].public.split()[:2])}\n"


def test_second_new_host_key_ends_session(two_upstreams, ring):
    """While the gateway scans the upstream."""
    gateway, _, _ = two_upstreams(StrictHostKeyChecking="accept-new", known_hosts="")
    with TakenOver(gateway.port) as t:
        liar = FalseUpstream(t, ring)
        hash_ = os.urandom(32)
        shown = ("ssh-ed25519", hash_, liar.key.asbytes(), liar.key.sign_ssh_data(hash_).asbytes())
        try:
            t.send("HOST_KEY", *shown)
            t.send("HOST_KEY", *shown)
        except Gone:
            pass
        assert t.ended()
    gateway.quiet()


PASSTHROUGH = {"Passthrough": "yes", "StrictHostKeyChecking": "no", "known_hosts": ""}


@pytest.mark.parametrize("claim", ["partial", "success"])
def test_session_cannot_claim_that_password_was_accepted(two_upstreams, ring, claim):
    """SECURITY.md, finding 9: publickey,password, and an upstream that would accept the mapped key alone."""
    gateway, _, _ = two_upstreams(AuthenticationMethods="publickey,password", **PASSTHROUGH)
    with TakenOver(gateway.port) as t:
        assert t.sign()
        t.prove("alice", ring.get("client"))
        t.auth(*attack.password("alice", "wrong"))
        t.expect("UPSTREAM_FD")
        liar = FalseUpstream.__new__(FalseUpstream)
        liar.t, liar.key = t, paramiko.Ed25519Key.from_private_key_file(str(ring.get("made_on_the_spot").path))
        assert liar.show_host_key(os.urandom(32))
        liar.ready(True)
        assert b"none" in liar.request()
        t.send("UPSTREAM_AUTH", bytes([FAILED]) + string("password,publickey") + b"\0")
        assert b"wrong" in liar.request()
        if claim == "partial":
            t.send("UPSTREAM_AUTH", bytes([FAILED]) + string("publickey") + b"\1")
        else:
            t.send("UPSTREAM_AUTH", bytes([SUCCESS]))
        t.prove("alice", ring.get("client"))
        messages = []
        while (got := t.receive()) is not None:
            messages.append(got)
            if got[0] in ("REFUSE", "RELAY"):
                break
        assert "UPSTREAM" not in [m[0] for m in messages]
        assert messages[-1][0] == ("REFUSE" if claim == "partial" else "RELAY")


@pytest.mark.parametrize("where", ["ini", "directory", "exec"])
def test_mapped_key_after_password_judged_by_upstream_is_refused(
        make_gateway, make_sshd, ring, where):
    """SECURITY.md, finding 9: password,publickey with Passthrough, from whatever backend the route is."""
    text = ("HostName = 127.0.0.1\nPassthrough = yes\nKey = alice\nAuthorizedKey = "
            f"{ring.get('client').public}\nStrictHostKeyChecking = no\n"
            "AuthenticationMethods = password,publickey\n")
    words = "AuthenticationMethods: password,publickey: with Passthrough"
    g = make_gateway()
    g.generate_key("alice")
    if where == "ini":
        (g.conf / "10-alice.ini").write_text("[route alice]\n" + text)
        p = g.sallyport("check", "-c", g.conf)
        assert p.returncode == 78
    elif where == "directory":
        user = g.dir / "users" / "alice"
        user.mkdir(parents=True)
        (user / "route.ini").write_text(text)
        (g.conf / "20-lookup.ini").write_text(f"[lookup]\nOrder = directory\n[lookup directory]\nPath = {user.parent}\n")
    else:
        program = g.dir / "program"
        program.write_text(f"#!/bin/sh\ncat <<'E'\n{text}E\n")
        program.chmod(0o755)
        (g.conf / "20-lookup.ini").write_text(f"[lookup]\nOrder = exec\n[lookup exec]\nCommand = {program}\n")
    if where != "ini":
        p = g.sallyport("route", "alice", "-c", g.conf)
        assert p.returncode != 0
    said = (p.stdout + p.stderr).decode()
    assert words in said and re.search("write publickey,password$", said, re.M), said
