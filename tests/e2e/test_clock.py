"""The gateway's clock is an hour off, or is set while it runs: what a second factor and certificates make of it."""

import subprocess

import pytest

from lab.clock import Clock
from lab.gateway import sanitized
from lab.sshd import ME
from lab.totp import enters, person

HOUR = 3600

pytestmark = pytest.mark.skipif(sanitized(), reason="the sanitizer's library has to be the first one")


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


def test_codes_while_the_clock_is_off(coded, clock):
    """They are refused, the log says why, and no code is good twice."""
    w = coded()
    clock.put_into(w.gateway)
    used = w.secret.code()
    assert enters(person(w, used))
    clock.set(HOUR)
    assert not enters(person(w, w.secret.code()))
    w.gateway.log.wait(r"wrong code, 1 in a row for totp-alice; it is the code of \d+ seconds earlier: look at the clock of "
                       "the device, and at this gateway's, which says ")
    clock.set(0)
    assert not enters(person(w, used))
    w.gateway.log.wait("this code of totp-alice has been used, or is older than the last one used")
    assert enters(person(w, w.secret.code()))
    mark = w.gateway.log.mark()
    clock.set(-HOUR)
    assert not enters(person(w, w.secret.code()))
    w.gateway.log.wait(r"it is the code of \d+ seconds later", mark)
    # of the gateway's own time, which was over when the last code was accepted
    assert not enters(person(w, w.secret.code_of(w.secret.now() - HOUR // 30)))
    w.gateway.log.wait("this code of totp-alice has been used, or is older", mark)
    clock.set(0)
    assert enters(person(w, w.secret.code()))


def test_codes_of_a_future_are_used_up_until_a_reset(coded, clock):
    w = coded()
    clock.put_into(w.gateway)
    clock.set(HOUR)
    assert enters(person(w, w.secret.code_of(w.secret.now() + HOUR // 30)))
    clock.set(0)
    assert not enters(person(w, w.secret.code()))
    w.gateway.log.wait("is older than the last one used")


def test_clock_is_set_while_somebody_types(coded, clock):
    """Times to answer, and those of a session, are not by the clock that jumps."""
    w = coded()
    clock.put_into(w.gateway)
    c = w.new_client(BatchMode="no", PreferredAuthentications="publickey,keyboard-interactive")
    t = c.terminal("echo ready; exec sed -u 's/^/got /'")
    t.expect("Verification code: ")
    for off in (HOUR, -HOUR, 0):
        clock.set(off)
        # the keeper looks at what is overdue between such logins
        for _ in range(2):
            assert w.new_client(user="nobody-here").ssh("true").code == 255
    t.send(w.secret.code() + "\r")
    t.expect("ready")
    for off in (HOUR, -HOUR, 0):
        clock.set(off)
        t.send(f"now {off}\r")
        t.expect(f"got now {off}")
    t.send("\x04")
    t.wait()


def test_certificates_while_the_clock_is_off(certified, clock):
    """The machine refuses them, both logs say why; and serial numbers grow nonetheless."""
    c = certified()
    clock.put_into(c.gateway)
    serials = []

    def login():
        mark = c.gateway.log.mark()
        assert c.ssh("echo in").text == "in\n"
        serials.append(int(c.issued(mark)[0]))

    login()
    for off, why in ((HOUR, "not yet valid"), (-HOUR, "expired")):
        clock.set(off)
        mark = c.sshd.log.mark()
        c.refused(rf"{ME}@127\.0\.0\.1 refused the certificate .* Look at the clock there \(it is valid from ")
        c.sshd.log.wait(f"(?i)certificate.*{why}", mark)
    c.gateway.stop()
    c.gateway.start()
    c.refused("Look at the clock there")
    clock.set(0)
    login()
    c.gateway.stop()
    c.gateway.start()
    login()
    assert serials == sorted(set(serials))


def test_certificates_of_people_while_the_clock_is_off(gated, ca, ring, clock):
    """The log has both times.  Who is logged in stays so."""
    w = gated(route={"TrustedUserCAKeys": ca.file, "AuthorizedKeysFile": None})
    clock.put_into(w.gateway)
    key = ring.get("person")
    c = w.new_client(key, CertificateFile=ca.sign(key, "alice", validity="-10m:+10m"))
    p = c.popen(c.argv("ssh", "upstream", "cat"), stdin=subprocess.PIPE)
    p.stdin.write(b"one\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"one\n"
    for off, why in ((HOUR, "has expired: it was valid until"), (-HOUR, "is not valid before")):
        clock.set(off)
        mark = w.gateway.log.mark()
        assert c.ssh("true").code == 255
        w.gateway.log.wait(rf"the certificate {why} \S+ \S+Z; this host's clock says \S+ \S+Z", mark)
    out, _ = p.communicate(b"two\n", timeout=60)
    assert out == b"two\n"
    clock.set(0)
    assert c.ssh("echo in").text == "in\n"
