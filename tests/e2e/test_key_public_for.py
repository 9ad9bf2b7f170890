"""key public NAME --for ROUTE prints an authorized_keys line with which the upstream itself enforces the
route's policy (SECURITY.md, finding 3).

Each test installs the printed line in a real sshd, and then connects through the gateway, and directly with
the same mapped key: what somebody could do who has taken a session over.
"""

import types

import pytest

from lab import attack, net, taken_over
from lab.allowed import agent, listens, opens, pty, x11, x11_sshd_options
from lab.keys import generate
from lab.sshd import ME
from lab.taken_over import FalseUpstream, UpstreamConnection


def public_line(gateway, name, login, *options):
    p = gateway.sallyport("key", "public", name, "--for", login, "-c", gateway.conf, *options)
    assert p.returncode == 0, p.stderr
    return p.stdout.decode(), p.stderr.decode()


@pytest.fixture
def way_with_line(gated, ring, tmp_path):
    """way_with_line(Word=value, ...): a way whose upstream has the printed line and no other; way.beyond uses
    the mapped key without the gateway.
    """

    def make(*options, sshd=None, **words):
        w = gated(sshd={**x11_sshd_options(tmp_path), **(sshd or {})})
        mapped = generate(tmp_path / "mapped")
        w.gateway.add_key("mapped", mapped)
        w.gateway.route("alice", w.sshd, [ring.get("client")], key="mapped", **words)
        w.gateway.command("reload")
        text, said = public_line(w.gateway, "mapped", "alice", *options)
        w.sshd.authorized_keys.write_text(text)
        beyond = w.new_client(key=mapped, user=ME, known_hosts=w.sshd.known_hosts())
        beyond.port = w.sshd.port
        beyond.write_config()
        w.beyond = types.SimpleNamespace(client=beyond, ssh=beyond.ssh)
        w.line, w.said = text, said
        return w

    return make


def test_line_of_open_route_permits_all_it_allows(way_with_line, echo, tmp_path):
    w = way_with_line()
    options = w.line.split(" ssh-ed25519 ")[0]
    assert options == ('restrict,from="127.0.0.1",pty,port-forwarding,agent-forwarding,'
                       "X11-forwarding,user-rc")
    assert w.ssh("echo in; exit 3").outcome[:2] == (3, b"in\n")
    w.client.sftp("pwd")
    assert pty(w) and opens(w, echo.port) and listens(w, net.free_port())
    assert agent(w, tmp_path) and x11(w)


def test_mapped_key_is_refused_from_another_address(way_with_line):
    """On a connection of the attacker's own, which the gateway does not see."""
    w = way_with_line()
    assert w.ssh("echo in").text == "in\n"
    assert w.beyond.ssh("echo in").text == "in\n"
    r = w.beyond.ssh("echo in", BindAddress="127.0.0.2")
    assert r.code == 255 and "Permission denied (publickey)" in r.err, r
    w.sshd.log.wait(r"correct key but not from a permitted host .*127\.0\.0\.2")


@pytest.mark.parametrize("second_lock", [False, True])
def test_taken_over_session_cannot_use_signature_on_its_own_connection(
    make_gateway, make_sshd, ring, second_lock
):
    """SECURITY.md, finding 3: the keeper signs for alice's upstream, and the session uses the signature on a
    connection that the gateway does not see.  Without from= in the line that logs in.
    """
    gateway, upstream = make_gateway(program=taken_over.program()), make_sshd()
    gateway.route("alice", upstream, [ring.get("client")], Restrict="yes", ForceCommand="true")
    if second_lock:
        upstream.authorized_keys.write_text(public_line(gateway, "alice", "alice")[0])
    gateway.start()
    with taken_over.TakenOver(gateway.port) as t:
        liar = FalseUpstream(t, ring)
        own = UpstreamConnection(upstream, source="127.0.0.2")
        assert liar.show_host_key(own.session_id, *own.shown)
        liar.ready()
        said = own.login(liar.request())
        assert said == (attack.USERAUTH_FAILURE if second_lock else attack.USERAUTH_SUCCESS)
        own.close()


def test_restrict_applies_without_gateway(way_with_line, echo, tmp_path):
    w = way_with_line(Restrict="yes", AllowTcpForwarding="local", PermitOpen=f"127.0.0.1:{echo.port}")
    for way in (w, w.beyond):
        assert way.ssh("echo in").text == "in\n"
        assert opens(way, echo.port)
        assert not opens(way, echo.port, "localhost")
        assert not listens(way, net.free_port())
        assert not pty(way) and not agent(way, tmp_path) and not x11(way)
    assert ",user-rc" not in w.line
    assert "AllowStreamLocalForwarding in the upstream's sshd_config" in w.said


def test_line_for_remote_forwards_alone(way_with_line, echo):
    port = net.free_port()
    w = way_with_line(Restrict="yes", AllowTcpForwarding="remote", PermitListen=f"localhost:{port}")
    for way in (w, w.beyond):
        assert listens(way, port, "localhost")
        assert not listens(way, net.free_port())
        assert not opens(way, echo.port)


def test_force_command_applies_without_gateway(way_with_line):
    w = way_with_line(ForceCommand='echo "it\'s \\" $((1 + 1))"; exit 4')
    for way in (w, w.beyond):
        assert way.ssh("id").outcome[:2] == (4, b"it's \" 2\n")
    assert "SSH_ORIGINAL_COMMAND" in w.said


def test_restriction_to_sftp_applies_without_gateway(way_with_line, echo):
    w = way_with_line(PermitCommands="sftp", Restrict="yes")
    for way in (w, w.beyond):
        way.client.sftp("pwd")
        assert way.ssh("echo in").text != "in\n"
        assert not opens(way, echo.port) and not pty(way)
    assert 'command="internal-sftp"' in w.line


def test_policy_that_upstream_cannot_enforce_is_noted(way_with_line):
    w = way_with_line("--from", "192.0.2.7,2001:db8::/64", IdleTimeout="1h", MaxSessions="3",
                      PermitCommands="sftp")
    assert 'from="192.0.2.7,2001:db8::/64"' in w.line
    assert "the upstream cannot enforce MaxSessions, IdleTimeout with this line" in w.said
    assert "PermitCommands = sftp does not close forwards" in w.said
    assert "PerSourcePenaltyExemptList 192.0.2.7,2001:db8::/64" in w.said
    assert w.ssh("true").code == 255  # the gateway has another address


def test_line_for_pattern_route_and_for_lookup_program(make_gateway, make_sshd, tmp_path):
    gateway, upstream = make_gateway(), make_sshd()
    gateway.route("dev-*", upstream, key="shared", PermitTTY="no")
    program = tmp_path / "lookup"
    program.write_text("#!/bin/sh\n[ $1 = bob ] || exit 1\n"
                       f"cat <<EOF\nHostName = 127.0.0.1\nPort = {upstream.port}\nKey = shared\n"
                       "AuthorizedKeysFile = conf.d/x.pub\nHostKeyFingerprint = SHA256:"
                       f"{'A' * 43}\nRestrict = yes\nEOF\n")
    program.chmod(0o755)
    gateway.write("20-lookup.ini", "lookup", {"Order": "ini exec"},
                  f"[lookup exec]\nCommand = {program}\n")
    text, _ = public_line(gateway, "shared", "dev-7")
    assert text.startswith('restrict,from="127.0.0.1",port-forwarding,')
    text, said = public_line(gateway, "shared", "bob")
    assert text.startswith('restrict,from="127.0.0.1" ssh-ed25519 ') and "asked" in said
    p = gateway.sallyport("key", "public", "shared", "--for", "nobody", "-c", gateway.conf)
    assert p.returncode == 1 and p.stdout == b"" and b"no such login" in p.stderr


def test_key_other_than_that_of_route_is_noted(make_gateway, make_sshd):
    gateway = make_gateway()
    gateway.route("alice", make_sshd())
    gateway.generate_key("other")
    _, said = public_line(gateway, "other", "alice")
    assert "the route logs in to the upstream with alice, not with other" in said


@pytest.mark.parametrize("arguments, status", [
    (["--for", "alice", "--from", "a b"], 2), (["--for", "-x"], 2), (["--from", "127.0.0.1"], 2),
    (["--for", "alice", "--store", "/nowhere"], 2),
])
def test_wrong_usage(make_gateway, make_sshd, arguments, status):
    gateway = make_gateway()
    gateway.route("alice", make_sshd())
    conf = [] if "--store" in arguments else ["-c", gateway.conf]
    p = gateway.sallyport("key", "public", "alice", *arguments, *conf)
    assert p.returncode == status and p.stdout == b"", p
