"""What the gateway keeps of one-time codes: which are used up, how many were wrong, and who is remembered."""

import json
import re
import shutil
import subprocess

import pytest

from lab.fail2ban import hosts
from lab.password import PASSWORD
from lab.totp import WITH_CODE, Secret, enters, person
from lab.way import Way

KBDINT = "keyboard-interactive"


def lock(w):
    """Type five wrong codes."""
    mark = w.gateway.log.mark()
    assert not enters(person(w, *[w.secret.wrong()] * 5, NumberOfPasswordPrompts="5"))
    w.gateway.log.wait(r"alice from 127\.0\.0\.1 port \d+: keyboard-interactive/totp: 5 wrong codes in a row: "
                       r"totp-alice is locked for 5 minutes; to unlock it: sallyport totp reset totp-alice$", mark)


def test_code_counts_once(coded):
    w = coded()
    code = w.secret.code()
    assert enters(person(w, code))
    assert not enters(person(w, *[code] * 6, NumberOfPasswordPrompts="6"))
    w.gateway.log.wait("this code of totp-alice has been used, or is older than the last one used")
    assert enters(person(w, w.secret.code()))


def test_code_for_one_of_several_logins_at_once(coded):
    w = coded()
    code = w.secret.code()
    logins = [person(w, code).spawn("echo in", stdin=subprocess.DEVNULL) for _ in range(4)]
    assert sorted(p.communicate(timeout=120)[0] for p in logins) == [b"", b"", b"", b"in\n"]


def test_code_for_one_of_two_gateways(coded, make_gateway, ring):
    """They have the same secrets, and one StateDirectory."""
    w = coded()
    other = make_gateway(StateDirectory=w.gateway.dir / "state")
    shutil.rmtree(other.dir / "keys")
    shutil.copytree(w.gateway.dir / "keys", other.dir / "keys")
    other.keys.update(w.gateway.keys)
    other.route("alice", w.sshd, [ring.get("client")], **WITH_CODE)
    other.start()
    ways = [w, Way("gateway", w.dir / "other", ring, w.sshd, other)]
    for _ in range(3):
        code = w.secret.code()
        logins = [person(each, code).spawn("echo in", stdin=subprocess.DEVNULL) for each in ways]
        assert sorted(p.communicate(timeout=120)[0] for p in logins) == [b"", b"in\n"]
    ways[1].close()


def test_code_counts_once_across_a_restart(coded):
    w = coded()
    code = w.secret.code()
    assert enters(person(w, code))
    for sig in (15, 9):
        w.gateway.kill(sig)
        w.gateway.start()
        assert not enters(person(w, code))
    assert enters(person(w, w.secret.code()))


def test_five_wrong_codes_lock(coded):
    w = coded()
    lock(w)
    c = person(w, w.secret.code())
    assert not enters(c)
    # it looks like a wrong code
    assert c.answers.asked() == ["(alice@127.0.0.1) Verification code: "]
    w.gateway.log.wait(r"totp-alice is locked for \d+ s more; to unlock it: sallyport totp reset totp-alice")
    w.gateway.kill(15)
    w.gateway.start()
    assert not enters(person(w, w.secret.code()))
    assert not enters(person(w, w.secret.recovery[0]))
    w.gateway.command("totp", "reset", "totp-alice")
    assert enters(person(w, w.secret.recovery[0]))
    assert enters(person(w, w.secret.code()))


def test_right_code_forgets_wrong_ones(coded):
    w = coded()
    for _ in range(2):
        codes = [*[w.secret.wrong()] * 4, w.secret.code()]
        assert enters(person(w, *codes, NumberOfPasswordPrompts="5"))
    assert "locked" not in w.gateway.log.text()


def test_recovery_code_counts_once(coded):
    w = coded()
    first, second = w.secret.recovery[:2]
    assert enters(person(w, first))
    w.gateway.log.wait("a recovery code of totp-alice is used up, 9 are left")
    assert not enters(person(w, first))
    assert enters(person(w, f" {second.upper().replace('-', ' ')} "))


def test_code_beyond_the_skew_is_wrong(coded):
    w = coded(TotpSkew="1")
    far = w.secret.code_of(w.secret.now() + 20)
    assert not enters(person(w, far))
    w.gateway.log.wait(r"wrong code, 1 in a row for totp-alice; it is the code of \d+ seconds later: look at the clock "
                       r"of the device, and at this gateway's, which says \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$")


def test_new_enrolment_begins_anew(coded):
    w = coded()
    assert enters(person(w, w.secret.code()))
    lock(w)
    old, w.secret = w.secret, Secret(w.gateway, "alice", "--replace")
    assert enters(person(w, w.secret.code()))
    assert not enters(person(w, old.code()))


def test_remembered_by_key_and_address(coded, ring):
    w = coded(TotpRemember="1h")
    w.gateway.route("alice", w.sshd, [ring.get("client"), ring.get("person")], **WITH_CODE, TotpRemember="1h")
    w.gateway.hangup()
    c = person(w, w.secret.code())
    assert enters(c) and enters(c) and enters(c)
    assert len(c.answers.asked()) == 1
    w.gateway.log.wait("keyboard-interactive/totp: no code is asked for, because of TotpRemember")
    assert enters(person(w))
    # another key, and another address
    other = person(w, w.secret.code(), key=ring.get("person"))
    assert enters(other) and len(other.answers.asked()) == 1
    other = person(w, w.secret.code(), BindAddress="127.0.0.2")
    assert enters(other) and len(other.answers.asked()) == 1
    w.gateway.kill(15)
    w.gateway.start()
    assert enters(person(w))
    w.gateway.command("totp", "reset", "totp-alice")
    assert not enters(person(w))


def test_remembered_by_password(coded, hashed):
    w = coded(PasswordHash=hashed, TotpRemember="1h")
    by_password = {"password": PASSWORD, "PreferredAuthentications": f"password,{KBDINT}"}
    assert enters(person(w, w.secret.code(), **by_password))
    assert enters(person(w, **by_password))
    # the key has not been followed by a code
    assert not enters(person(w))


def test_nobody_is_remembered_by_default(coded):
    w = coded()
    assert enters(person(w, w.secret.code()))
    assert not enters(person(w))


def test_full_disk_lets_nobody_in(coded, small_disk):
    w = coded(front={"StateDirectory": small_disk / "state"})
    (small_disk / "other").write_text("y" * 8192)
    code = w.secret.code()
    r = person(w, code).ssh("echo in")
    assert r.code == 255 and "the gateway cannot log you in right now" in r.err
    w.gateway.log.wait(r"refused: TOTP = totp-alice: .*: No space left on device")
    # nor does it count wrong ones without end: it looks at none
    assert "the gateway cannot log you in right now" in person(w, w.secret.wrong()).ssh("true").err
    (small_disk / "other").unlink()
    assert enters(person(w, code))
    assert not enters(person(w, code))


def test_damaged_record_lets_nobody_in(coded):
    w = coded()
    assert enters(person(w, w.secret.code()))
    record = w.gateway.dir / "state" / "totp" / "totp-alice"
    text = record.read_text()
    for damaged in (text + "color blue\n", text[:-1], "", "sallyport-totp 2\n"):
        record.write_text(damaged)
        r = person(w, w.secret.code()).ssh("echo in")
        assert r.code == 255 and "the gateway cannot log you in right now" in r.err
    w.gateway.log.wait(r"TOTP = totp-alice: its record in \S+/state is damaged; to begin a new one: "
                       "sallyport totp reset totp-alice")
    record.write_text(text)
    assert enters(person(w, w.secret.code()))


def test_wrong_codes_are_penalised(coded):
    w = coded(front={"PerSourcePenalties": "authfail:20m noauth:0 min:10m max:30m"})
    assert not enters(person(w, w.secret.wrong()))
    w.gateway.log.wait(r"127\.0\.0\.1/32 is refused for \d+ s from now on: penalty: failed authentication")


def test_json_events(coded):
    w = coded(front={"LogFormat": "json"}, TotpRemember="1h")
    assert enters(person(w, w.secret.recovery[0]))
    assert enters(person(w))
    w.gateway.command("totp", "reset", "totp-alice")
    assert not enters(person(w, *[w.secret.wrong()] * 6, NumberOfPasswordPrompts="6"))
    w.gateway.log.wait("is locked for \\d+ s more")
    lines = [json.loads(line) for line in w.gateway.log.lines()]
    seen = {o["event"]: o for o in lines if o.get("event", "").startswith("factor_")}
    assert set(seen) == {"factor_refused", "factor_locked", "factor_remembered", "factor_recovered"}
    for o in seen.values():
        assert o["method"] == "keyboard-interactive/totp" and o["reason"] in o["message"], o
        assert o["login"] == "alice" and o["client"] == "127.0.0.1", o
    methods = {(o["event"], o["method"]) for o in lines if o.get("event") in ("partial", "accepted", "failed", "routed")}
    code = "keyboard-interactive/totp"
    assert methods == {("partial", "publickey"), ("accepted", code), ("failed", code), ("routed", code)}


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="no fail2ban here")
def test_fail2ban_counts_wrong_codes_alone(coded, tmp_path):
    w = coded()
    connections = []
    for codes in ([w.secret.wrong()] * 3, [w.secret.code()], [w.secret.wrong(), w.secret.code()]):
        mark = w.gateway.log.mark()
        person(w, *codes, NumberOfPasswordPrompts=str(len(codes))).ssh("true")
        port = w.gateway.log.wait(r"Partial publickey for alice from 127\.0\.0\.1 port (\d+)", mark).group(1)
        w.gateway.log.wait(rf"from 127\.0\.0\.1 port {port} (was not let in|closed after)", mark)
        w.gateway.quiet()
        connections.append([line for line in w.gateway.log.lines(mark) if re.search(rf"port {port}\b", line)])
    for mode in ("normal", "aggressive"):
        for ours in (False, True):
            ids = hosts(tmp_path, connections, mode, ours)
            # one wrong code before the right one counts, as with sshd's keyboard-interactive/pam
            assert ids - {"192.0.2.3"} == {"192.0.2.1"}, (mode, ours, ids)
