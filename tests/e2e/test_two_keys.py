"""AuthenticationMethods = publickey,publickey: two different keys, as in sshd."""

import re

import pytest

from lab.way import set_authorized_keys

METHODS = {"AuthenticationMethods": "publickey,publickey"}


@pytest.fixture
def keys(ring):
    return ring.get("client"), ring.get("client", "rsa3072")


@pytest.fixture
def two_keys(own_way, keys):
    """A way on which a login needs both keys, with these options in authorized_keys."""

    def make(first="", second="", **words):
        sides = {"front": METHODS} if own_way.name == "direct" else {"route": {**METHODS, **words}}
        w = own_way(**sides)
        set_authorized_keys(w, first + keys[0].public, second + keys[1].public)
        return w

    return make


def both(w, keys, *args):
    """ssh with both keys."""
    return w.ssh("-i", keys[1].path, *args)


def test_two_keys_let_in(two_keys, keys):
    w = two_keys()
    assert both(w, keys, "echo in").text == "in\n"
    assert w.new_client(key=keys[1]).ssh("-i", keys[0].path, "echo in").text == "in\n"
    assert w.front.log.find(r"Partial publickey for")


@pytest.mark.parametrize("n", [0, 1])
def test_one_key_does_not(two_keys, keys, n):
    """The client offers its key once more, and it is refused."""
    w = two_keys()
    r = w.new_client(key=keys[n]).ssh("-v", "true")
    assert r.code == 255 and '"publickey" with partial success' in r.err, r.err


def test_same_key_twice_does_not(two_keys, keys, ring, tmp_path):
    """With another private key file that holds the same key, which the client tries as if it were another."""
    w = two_keys()
    copy = tmp_path / "copy"
    copy.write_bytes(keys[0].path.read_bytes())
    copy.chmod(0o600)
    r = w.ssh("-v", "-i", copy, "true")
    assert r.code == 255, r.err
    offered = re.findall(r"Offering public key: (\S+)", r.err)
    if len(offered) > 1:  # ssh 9.2 leaves the copy out by itself
        w.front.log.wait(r"used")


def test_options_of_both_keys_hold(two_keys, keys):
    w = two_keys(first="no-port-forwarding ", second='command="echo forced" ')
    r = both(w, keys, "-R", "0:127.0.0.1:1", "true")
    assert r.text == "forced\n" and "forwarding failed" in r.err, r


def test_two_commands_are_refused(two_keys, keys):
    w = two_keys(first='command="echo one" ', second='command="echo two" ')
    assert both(w, keys, "true").code == 255


def test_key_that_selects_the_route(gated, keys):
    """The second key is one of the route, and not one of MatchFingerprint."""
    w = gated()
    for label, mine in (("a", keys[0]), ("b", keys[1])):
        w.gateway.route(f"git/{label}", w.sshd, [keys[0], keys[1]], key="alice", MatchFingerprint=mine.fingerprint,
                        **METHODS)
    w.gateway.route("other", w.sshd, [keys[0]], key="alice", **METHODS)
    w.gateway.hangup()
    for user, result in (("git", "in\n"), ("other", "")):
        c = w.new_client(user=user)
        assert c.ssh("-i", keys[1].path, "echo in").text == result
