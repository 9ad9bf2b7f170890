"""What ssh-audit finds: with the default algorithms nothing that the newest sshd's own default does not have, and
with those of doc/recipes.md nothing.
"""

import functools
import re
import shutil
import subprocess

import pytest

from lab import sshd
from lab.documents import block
from lab.gateway_operator import Operator
from lab.way import Way

PAGE = "doc/recipes.md"
HEADING = "Algorithms without a finding of ssh-audit"

# What sshd 10.0 to 10.2 offers by default: KEX_SERVER_KEX, KEX_SERVER_ENCRYPT and KEX_SERVER_MAC of its myproposal.h
# (`sshd -T -f /dev/null` prints them), and the algorithms of the host keys that ssh-keygen -A makes.
SSHD_10 = set("""
mlkem768x25519-sha256 sntrup761x25519-sha512 sntrup761x25519-sha512@openssh.com curve25519-sha256
curve25519-sha256@libssh.org ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521 ext-info-s
kex-strict-s-v00@openssh.com
chacha20-poly1305@openssh.com aes128-gcm@openssh.com aes256-gcm@openssh.com aes128-ctr aes192-ctr aes256-ctr
umac-64-etm@openssh.com umac-128-etm@openssh.com hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com
hmac-sha1-etm@openssh.com umac-64@openssh.com umac-128@openssh.com hmac-sha2-256 hmac-sha2-512 hmac-sha1
ssh-ed25519 ecdsa-sha2-nistp256 rsa-sha2-512 rsa-sha2-256
""".split())

# ssh-audit 2.5 of Debian 12 is older than these.
NEWER = ("unknown algorithm", "using experimental algorithm")


@functools.cache
def program():
    path = shutil.which("ssh-audit")
    if path is None:
        pytest.skip("ssh-audit is not installed")
    text = subprocess.run([path, "--help"], capture_output=True, text=True, check=False).stdout
    # its test of connection rates is about another subject
    return [path, *(["--skip-rate-test"] if "--skip-rate-test" in text else [])]


def findings(port):
    """(algorithm, level, text) of each failure and warning."""
    p = subprocess.run([*program(), "--no-colors", "--level=warn", "--timeout=60", f"--port={port}", "127.0.0.1"],
                       capture_output=True, text=True, timeout=300, check=False)
    found, name = set(), None
    for line in p.stdout.splitlines():
        m = re.match(r"(?:\((?:kex|key|enc|mac)\) (\S+)(?: \([^)]*\))?)?\s+(?:--|`-) \[(fail|warn)\] (.*)", line)
        if m:
            name = m[1] or name
            found.add((name, m[2], m[3].strip()))
    assert "[exception]" not in p.stdout and p.returncode in (0, 2, 3), p.stdout + p.stderr
    assert bool(found) == (p.returncode != 0), p.stdout
    return found


@pytest.fixture
def gateway(make_gateway):
    return make_gateway().start()


def test_default_has_nothing_that_sshd_has_not(gateway, make_sshd):
    ours = findings(gateway.port)
    assert ours, "the default has NIST curves, which every version of ssh-audit finds"
    assert {name for name, _, _ in ours} <= SSHD_10, ours
    theirs = findings(make_sshd().port)
    if sshd.version() >= (10, 0):
        assert ours <= theirs, ours - theirs
    else:  # it offers more, but not yet those of SSHD_10 that are post-quantum
        assert {f for f in ours if f[2] not in NEWER} <= theirs, ours - theirs
    print(f"sallyport {len(ours)} findings, OpenSSH {sshd.version()} {len(theirs)}")


def test_recipe_has_no_finding(gateway, make_sshd, ring, tmp_path):
    upstream = make_sshd()
    gateway.route("alice", upstream, [ring.get("client")])
    way = Way("gateway", tmp_path, ring, upstream, gateway, post_quantum=True)
    try:
        (gateway.conf / "50-algorithms.ini").write_text(block(PAGE, HEADING, "ini"))
        Operator(gateway, way.client, tmp_path).run(block(PAGE, HEADING, "sh").splitlines()[0])
        assert not {f for f in findings(gateway.port) if f[2] not in NEWER}
        way.answers()
    finally:
        way.close()
