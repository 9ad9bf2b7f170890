"""The check of the upstream's host key: directly by ssh, otherwise by the gateway."""

import contextlib
import subprocess

import pytest

from lab.keys import fingerprint
from lab.refusal import one_line, session_id
from lab.upstream import QuestioningUpstream, paramiko, questioning_way

ED25519, ECDSA, RSA = "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"


class Check:
    """Logins with a known_hosts file: that of the client if direct, else that of the route."""

    def __init__(self, way):
        self.way = way
        if way.direct:
            self.file = way.client.known_hosts
        else:
            self.file = way.gateway.known_hosts_of("alice")

    def login(self):
        return self.way.ssh("echo in")

    def accepted(self, known=None):
        if known is not None:
            self.file.write_text(known)
        r = self.login()
        assert r.outcome[:2] == (0, b"in\n"), r

    def refused(self, known=None):
        if known is not None:
            self.file.write_text(known)
        logins = self.way.sshd.log.text().count("Accepted publickey")
        tries = self.way.sshd.log.text().count(" publickey for ")
        r = self.login()
        assert r.code == 255 and r.out == b"", r
        assert self.way.sshd.log.text().count("Accepted publickey") == logins
        assert self.way.sshd.log.text().count(" publickey for ") == tries  # no key was offered
        if self.way.gateway:
            assert "host key" in one_line(r.err), r.err
            sid = session_id(r.err)
            self.way.gateway.log.wait(rf"session {sid}: Host key verification failed .*SHA256:")
        return r


@pytest.fixture
def check(own_way):
    def make(strict="yes", **options):
        w = own_way(route={"StrictHostKeyChecking": strict}, **options)
        if w.direct:
            w.client.write_config(StrictHostKeyChecking=strict, HashKnownHosts="no")
        return Check(w)

    return make


def lines_with_wrong_keys(check, ring, kinds=("ed25519", "ecdsa256", "rsa3072")):
    s = check.way.sshd
    return "".join(f"[{s.host}]:{s.port} {ring.get('changed_host', k).public}\n" for k in kinds)


def test_known_host_key(check):
    c = check()
    c.accepted(c.way.sshd.known_hosts())


@pytest.mark.parametrize("kind", [ED25519, ECDSA, RSA])
def test_one_known_type_of_several(check, kind):
    """sshpiper #554: the algorithms requested follow the known keys."""
    c = check()
    c.accepted(c.way.sshd.known_hosts([kind]))


def test_unknown_host_key(check):
    check().refused("")


def test_missing_known_hosts(check):
    c = check()
    c.file.unlink()
    c.refused()


def test_changed_host_key(check, ring):
    c = check()
    c.refused(lines_with_wrong_keys(c, ring))
    if c.way.gateway:
        log = c.way.gateway.log.text()
        assert c.way.sshd.host_keys[0].fingerprint in log and str(c.file) in log


def test_changed_host_key_with_accept_new(check, ring):
    c = check("accept-new")
    c.refused(lines_with_wrong_keys(c, ring))


def test_changed_key_of_other_type(check, ring):
    """The RSA key of the upstream is the known one, but its Ed25519 key is not."""
    c = check()
    c.refused(lines_with_wrong_keys(c, ring, ["ed25519"]))


def test_second_known_key_of_type(check, ring):
    c = check()
    c.accepted(lines_with_wrong_keys(c, ring, ["ed25519"]) + c.way.sshd.known_hosts([ED25519]))


def test_hashed_host_names(check, tmp_path):
    c = check()
    file = tmp_path / "hashed"
    file.write_text(c.way.sshd.known_hosts())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    text = file.read_text()
    assert "|1|" in text and "127.0.0.1" not in text
    c.accepted(text)


def test_host_name_without_port_does_not_match(check):
    c = check()
    c.refused(c.way.sshd.known_hosts().replace(f"[127.0.0.1]:{c.way.sshd.port}", "127.0.0.2"))


def test_other_port_does_not_match(check):
    c = check()
    c.refused(c.way.sshd.known_hosts().replace(f":{c.way.sshd.port} ", ":22 "))


def test_patterns_lists_negation_and_comments(check):
    c = check()
    port = c.way.sshd.port
    key = c.way.sshd.host_keys[0].public
    c.accepted(f"# comment\n\nrubbish\nother,[127.0.0.*]:{port} {key} a comment\n")
    c.refused(f"![127.0.0.1]:{port},[127.0.0.*]:{port} {key}\n")


def test_revoked_host_key(check):
    c = check()
    known = c.way.sshd.known_hosts()
    c.accepted(known)
    c.refused(known + "".join(f"@revoked * {k.public}\n" for k in c.way.sshd.host_keys))


def test_accept_new_saves_host_key_once(check, ring):
    c = check("accept-new")
    c.accepted("# mine\n")
    text = c.file.read_text()
    assert text.startswith("# mine\n")
    assert [line.split()[0] for line in text.splitlines()[1:]] == [f"[127.0.0.1]:{c.way.sshd.port}"]
    c.accepted()
    assert c.file.read_text() == text
    c.way.sshd.stop()
    c.way.sshd.host_keys = [ring.get("changed_host")]
    c.way.sshd.start()
    c.refused()
    assert c.file.read_text() == text


def test_accept_new_after_last_line_without_newline(check):
    c = check("accept-new")
    c.accepted("# no newline at the end")
    if c.way.gateway:  # ssh continues that line
        assert len(c.file.read_text().splitlines()) == 2


def test_strict_host_key_checking_no(check, ring):
    c = check("no")
    c.accepted("")
    if c.way.gateway:
        c.way.gateway.log.wait(r"StrictHostKeyChecking is no")


@contextlib.contextmanager
def upstream_without_hostbound(gated, ring, strict, known):
    with questioning_way(gated, ring, judge=lambda: UpstreamWithoutHostbound(None), Passthrough=None, Key="alice",
                 AuthorizedKeysFile="conf.d/alice.pub", StrictHostKeyChecking=strict) as (w, _):
        if not known:
            w.gateway.known_hosts_of("alice").write_text("")
        yield w


class UpstreamWithoutHostbound(QuestioningUpstream):
    """It accepts any key, and does not know publickey-hostbound."""

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL


@pytest.mark.parametrize("strict, known", [("no", True), ("accept-new", False), ("yes", True)])
def test_upstream_without_hostbound_requests(gated, ring, strict, known):
    """Known by its key or scanned: the mapped key signs as it always has."""
    with upstream_without_hostbound(gated, ring, strict, known) as w:
        assert w.ssh("x").outcome[:2] == (0, b"in\n")
        assert "does not take" not in w.gateway.command("route", "alice", "--dial")


def test_unknown_upstream_without_hostbound_requests(gated, ring):
    """The mapped key signs nothing that another upstream could use; the log says what to do."""
    with upstream_without_hostbound(gated, ring, "no", False) as w:
        r = w.ssh("x")
        assert r.code == 255 and "your machine did not let the gateway in" in one_line(r.err)
        advice = "add its host key to UserKnownHostsFile, or set StrictHostKeyChecking = accept-new"
        w.gateway.log.wait(rf"session {session_id(r.err)}: .*publickey-hostbound.*{advice}")
        p = w.gateway.sallyport("route", "alice", "--dial", "-c", w.gateway.conf)
        assert p.returncode == 1 and advice in p.stdout.decode()


def test_host_key_fingerprint(gated, ring):
    keys = [ring.get("upstream_host", kind) for kind in ("ed25519", "ecdsa256", "rsa3072")]
    for key in keys[:1]:
        w = gated(route={"UserKnownHostsFile": None, "HostKeyFingerprint": key.fingerprint})
        w.answers()


@pytest.mark.parametrize("kind", ["ecdsa256", "rsa3072"])
def test_host_key_fingerprint_of_another_key(gated, ring, kind):
    key = ring.get("upstream_host", kind)
    w = gated(host_keys=[kind],
              route={"UserKnownHostsFile": None, "HostKeyFingerprint": key.fingerprint})
    w.answers()


def test_wrong_host_key_fingerprint(gated, ring):
    wrong = fingerprint(ring.get("changed_host").public)
    w = gated(route={"UserKnownHostsFile": None, "HostKeyFingerprint": wrong})
    Check(w).refused()


def test_client_detects_changed_host_key_of_front(way, ring):
    """The check by the client remains, of the host key of the server it talks to."""
    c = way.new_client(known_hosts=f"[127.0.0.1]:{way.front.port} {ring.get('changed_host').public}\n")
    r = c.ssh("echo not reached")
    assert r.code == 255 and "Host key verification failed" in r.err
