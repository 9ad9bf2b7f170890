"""Routes whose names are regular expressions: [route /^(.+)\\+(.+)$/]."""

import re

import pytest

from lab.gateway import NOT_RELOADED
from lab.sshd import ME
from lab.way import Way

SLOW = r"/(a+)+[bd]/"
TOO_LONG = "a" * 40 + "c"  # takes SLOW more steps than there are


@pytest.fixture
def routed(make_gateway, make_sshd, ring, tmp_path):
    """ME+web@ for one key; a slow expression behind it."""
    g = make_gateway()
    sshd = make_sshd(env={"WHOSE": "web"})
    g.route("plain", sshd, [ring.get("client")])
    words = {"key": "plain", "UserKnownHostsFile": "conf.d/plain.known_hosts"}
    g.route(r"/([^]+]+)\+web/", sshd, User="%1", AuthorizedKeysFile="conf.d/keys-%1.pub", **words)
    (g.conf / f"keys-{ME}.pub").write_text(ring.get("client").public + "\n")
    g.route(SLOW, sshd, [ring.get("client")], **words)
    g.start()
    w = Way("gateway", tmp_path, ring, sshd, g, login=f"{ME}+web")
    yield w
    w.close()


def test_captures_fill_values(routed):
    assert routed.ssh("echo $WHOSE; whoami").text == f"web\n{ME}\n"
    out = routed.gateway.command("route", f"{ME}+web")
    assert rf"[route /([^]+]+)\+web/] at" in out
    for login in (f"{ME}+webb", f"x{ME}+web", "..+web", "+web"):
        assert routed.new_client(user=login).ssh("true").code == 255


def test_match_limit_refuses_that_login_alone(routed):
    """The keeper goes on, the log says why, and the client hears what an unknown login hears."""
    said = {}
    for login in (TOO_LONG, "nobody"):
        r = routed.new_client(user=login).ssh("true")
        assert r.code == 255
        said[login] = re.sub(r"session [0-9a-f]+", "", r.err).replace(login, "LOGIN")
    assert said[TOO_LONG] == said["nobody"]
    routed.gateway.log.wait(
        rf"lookup ini: {TOO_LONG}: \S+/10-\S+\.ini:1: the regular expression takes more than \d+ steps")
    assert routed.lets_in("aab") and routed.lets_in("plain")


def test_key_selects_expression(make_gateway, make_sshd, ring, tmp_path):
    g = make_gateway()
    upstreams = {}
    for name in ("client", "person"):
        upstreams[name] = make_sshd(env={"WHOSE": name})
        key = ring.get(name)
        g.route(rf"/git-\d+/{name}", upstreams[name], [key], key=name, MatchFingerprint=key.fingerprint)
    g.start()
    w = Way("gateway", tmp_path, ring, upstreams["client"], g, login="git-7")
    try:
        for name in ("client", "person"):
            assert w.new_client(ring.get(name)).ssh("echo $WHOSE").text == f"{name}\n"
        assert w.new_client(user="git-x").ssh("true").code == 255
    finally:
        w.close()


def test_wrong_expression_is_not_loaded(routed):
    g = routed.gateway
    (g.conf / "20-wrong.ini").write_text("[route /^[a-z+$/]\nHostName = h\n")
    code, said = g.check()
    assert code == 78 and re.search(
        r"20-wrong\.ini:1: the regular expression is wrong at byte 7: missing terminating \]", said), said
    assert "expression is wrong" in g.hangup(NOT_RELOADED)
    assert routed.ssh("true").code == 0


def test_dump_can_be_read_again(routed, tmp_path):
    out = routed.gateway.command("check", "--dump")
    again = tmp_path / "again" / "conf.d"
    again.mkdir(parents=True)
    (again / "a.ini").write_text(out)
    assert routed.gateway.sallyport("check", "-c", again, "--dump").stdout.decode() == out
