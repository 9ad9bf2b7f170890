"""`sallyport totp`: people are enrolled for one-time codes."""

import json
import os
import pwd
import re
import shutil
import subprocess

import pytest

from lab.gateway import SALLYPORT
from lab.qr import drawn, read_qr
from lab.totp import App
from lab.tty import Terminal

RECOVERY = r"[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}"


class Totp:
    def __init__(self, path):
        self.path = path
        (path / "conf.d").mkdir(parents=True)
        (path / "conf.d" / "00-gateway.ini").write_text(
            "[gateway]\nHostKey = host_ed25519\n" + ("RunAs = root\n" if os.getuid() == 0 else ""))
        (path / "authorized").touch(mode=0o600)
        assert self("generate", "host_ed25519", command="key").returncode == 0
        (path / "conf.d" / "50-routes.ini").write_text("".join(
            f"[route {name}]\nHostName = 127.0.0.1\nAuthorizedKeysFile = {path}/authorized\nPassword = machine\nStrictHostKeyChecking = no\n{more}\n"
            for name, more in (("alice", "TOTP = totp-%u"), ("bob", ""), ("dev-*", "TOTP = %1.team"))))

    def __call__(self, *words, stdin="", command="totp"):
        return subprocess.run([SALLYPORT, command, *words, "-c", self.path], capture_output=True, text=True, timeout=120,
                              check=False, input=stdin)

    def enroll(self, *words, stdin=""):
        p = self("enroll", *words, stdin=stdin)
        assert p.returncode == 0, p.stderr
        return p

    def listed(self):
        p = self("list", command="key")
        assert p.returncode == 0, p.stderr
        return {line.split()[0] for line in p.stdout.splitlines() if line.endswith("TOTP secret")}

    def terminal(self, *words, **size):
        return Terminal([SALLYPORT, "totp", *words, "-c", str(self.path)], {"PATH": os.environ["PATH"], "TERM": "xterm"},
                        self.path, **size)


@pytest.fixture
def totp(tmp_path):
    return Totp(tmp_path / "gw")


def shown_qr(text):
    return [line for line in text.splitlines() if line and not set(line) - set(" ▀▄█")]


def test_secret_is_shown_in_80_columns(totp):
    p = totp.enroll("alice", "--issuer", "gw.example")
    app = App(uri := re.search(r"^otpauth:.*", p.stdout, re.M).group())
    assert (app.label, app.issuer, app.digits, app.hash, len(app.secret)) == ("gw.example:alice", "gw.example", 6,
                                                                              "SHA1", 20)
    lines = p.stdout.splitlines()
    assert max(len(line) for line in lines if line != uri) <= 80
    assert read_qr(drawn(shown_qr(p.stdout))) == uri
    grouped = re.search(r"^Secret: (.*)", p.stdout, re.M).group(1)
    assert f"secret={grouped.replace(' ', '')}&" in uri
    codes = re.findall(RECOVERY, p.stdout)
    assert len(set(codes)) == 10
    assert p.stderr == "Stored as totp-alice, which the route of alice asks for.\n"
    assert totp.listed() == {"totp-alice"}
    # neither is it in the file
    sealed = (totp.path / "keys" / "totp-alice").read_bytes()
    assert app.secret not in sealed and sealed.startswith(b"SALLYPORT-OTP-1\n")
    assert os.stat(totp.path / "keys" / "totp-alice").st_mode & 0o777 == 0o600


def test_qr_code_is_read_by_zbarimg(totp, tmp_path):
    """Also a wide one, with a login that is not US-ASCII."""
    if not shutil.which("zbarimg"):
        pytest.skip("takes zbarimg (zbar-tools)")
    (totp.path / "conf.d" / "60.ini").write_text(
        (totp.path / "conf.d" / "50-routes.ini").read_text().split("[route bob]")[0].replace("alice", "жанна-" + "x" * 60)
        .replace("totp-%u", "x"))
    for name, words in (("alice", ()), ("жанна-" + "x" * 60, ("--hash", "sha512", "--digits", "8"))):
        p = totp.enroll(name, "--issuer", "gateway.example.org", *words)
        rows = drawn(shown_qr(p.stdout))
        white, scale = [0] * (len(rows) + 8), 4
        image = [white] * 4 + [[0] * 4 + row + [0] * 4 for row in rows] + [white] * 4
        pixels = b"".join(bytes(0 if bit else 255 for bit in row for _ in range(scale)) * scale for row in image)
        (tmp_path / "qr.pgm").write_bytes(b"P5 %d %d 255\n" % (len(image) * scale, len(image) * scale) + pixels)
        read = subprocess.run(["zbarimg", "-q", "--raw", tmp_path / "qr.pgm"], capture_output=True, text=True, timeout=120,
                              check=True).stdout
        assert read.strip() == re.search(r"^otpauth:.*", p.stdout, re.M).group()


def test_qr_code_that_does_not_fit(totp):
    p = totp.enroll("--name", "x" * 64, "--issuer", "ж" * 50, "--hash", "sha512")
    assert "(a QR code of this is wider than 80 columns)" in p.stdout and not shown_qr(p.stdout)
    assert App(re.search(r"^otpauth:.*", p.stdout, re.M).group()).label == "ж" * 50 + ":" + "x" * 64


def test_uri_alone_for_programs(totp):
    p = totp.enroll("alice", "--uri", "--digits", "8", "--hash", "sha256")
    uri, *codes = p.stdout.splitlines()
    app = App(uri)
    assert (app.digits, app.hash, len(app.secret)) == (8, "SHA256", 32)
    assert len(codes) == 10 and all(re.fullmatch(RECOVERY, code) for code in codes)
    p = totp.enroll("dev-bob", "--no-qr")
    assert not shown_qr(p.stdout) and "otpauth://" in p.stdout
    assert totp.listed() == {"totp-alice", "bob.team"}


def test_secret_that_people_have(totp):
    """As sshpiper and google-authenticator write it; it is not shown."""
    p = totp.enroll("alice", "--import", stdin="jbsw y3dp ehpk 3pxp\n")
    assert "JBSW" not in p.stdout and len(re.findall(RECOVERY, p.stdout)) == 10
    p = totp("enroll", "alice", "--import", "--replace", stdin="not base32!\n")
    assert p.returncode == 1 and "is not a secret in base32" in p.stderr and p.stdout == ""
    p = totp("enroll", "alice", "--import", "--replace")
    assert p.returncode == 1 and p.stderr == "sallyport: no secret: end of input\n"
    p = totp.enroll("alice", "--import", "--replace", "--uri", stdin="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n")
    assert App(p.stdout.splitlines()[0]).secret == b"Hello!\xde\xad\xbe\xef" * 2


def test_nothing_is_replaced_by_accident(totp):
    totp.enroll("alice")
    before = (totp.path / "keys" / "totp-alice").read_bytes()
    p = totp("enroll", "alice")
    assert (p.returncode, p.stdout) == (1, "") and p.stderr.endswith(": add --replace\n")
    assert (totp.path / "keys" / "totp-alice").read_bytes() == before
    totp.enroll("alice", "--replace")
    assert (totp.path / "keys" / "totp-alice").read_bytes() != before
    for words in ((), ("--replace",)):
        p = totp("enroll", "--name", "host_ed25519", *words)
        assert (p.returncode, p.stdout) == (1, "") and "is the name of a key or password" in p.stderr


def test_wrong_words(totp):
    for words, status, said in (
            (("enroll", "bob"), 1, "bob: its route asks for no code; set TOTP there"),
            (("enroll", "carol"), 1, "carol: no such login"),
            (("enroll", "x/y"), 2, "x/y: cannot be a login"),
            (("enroll", "--name", "x/y"), 2, "name"),
            (("enroll", "alice", "--digits", "9"), 2, "--digits is 6, 7 or 8"),
            (("enroll", "alice", "--hash", "md5"), 2, "--hash is sha1, sha256 or sha512"),
            (("enroll", "alice", "--issuer", ""), 2, "--issuer has 1 to 100 bytes"),
            (("enroll", "alice", "bob"), 2, "totp enroll: give one login, or --name NAME in place of it\nusage: "),
            (("enroll", "bob", "--name", "bob"), 2, "give one login, or --name NAME in place of it\nusage: "),
            (("enroll",), 2, "give one login"), (("list", "alice"), 2, "totp list: takes --json alone\nusage: "),
            (("list", "--uri"), 2, "takes --json alone"), (("reset",), 2, "totp reset: give the name of one secret"),
            (("remove", "alice"), 2, "totp remove: there is no such command\nusage: ")):
        p = totp(*words)
        assert (p.returncode, p.stdout) == (status, "") and said in p.stderr, (words, p.stderr)
    assert totp.listed() == set()


def test_code_confirms_it_on_a_terminal(totp):
    t = totp.terminal("enroll", "alice")
    try:
        assert t.expect(r"\x1b\[40;37;1m")  # the colours of the QR code do not depend on the terminal's
        app = App(t.expect(r"^(otpauth:\S+)\r$").group(1))
        t.expect("to confirm \\(not shown\\): ")
        t.send(app.wrong() + "\n")
        t.expect("That is not a code of this secret.")
        t.expect("to confirm")
        t.send(app.code_of(app.now() + 8) + "\n")
        t.expect("That code is of another time: the clock of the app's device or of this machine is wrong.")
        t.expect("to confirm")
        t.send(app.code_of(app.now()) + "\n")
        t.expect("Stored as totp-alice")
        assert t.wait() == 0
    finally:
        t.close()
    assert totp.listed() == {"totp-alice"}


def test_what_is_not_confirmed_is_not_stored(totp):
    totp.enroll("alice")
    before = (totp.path / "keys" / "totp-alice").read_bytes()
    t = totp.terminal("enroll", "alice", "--replace")
    try:
        app = App(t.expect(r"^(otpauth:\S+)\r$").group(1))
        for _ in range(3):
            t.expect("to confirm")
            t.send(app.wrong() + "\n")
            t.expect("That is not a code")
        t.expect("not confirmed: nothing has changed in the key store")
        assert t.wait() == 1
    finally:
        t.close()
    assert (totp.path / "keys" / "totp-alice").read_bytes() == before


def test_output_that_nobody_reads_stores_nothing(totp):
    with open("/dev/full", "wb") as full:
        p = subprocess.run([SALLYPORT, "totp", "enroll", "alice", "-c", totp.path], stdin=subprocess.DEVNULL, stdout=full,
                           stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert p.returncode == 1 and "cannot be shown, and is not stored: No space left on device" in p.stderr
    assert totp.listed() == set()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can write for another user")
def test_root_writes_for_the_user_of_the_gateway(totp):
    """As `key generate` does."""
    nobody = pwd.getpwnam("nobody")
    keys = totp.path / "keys"
    for path in (keys, *keys.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    totp.enroll("alice")
    assert (keys / "totp-alice").stat().st_uid == nobody.pw_uid


def test_list_and_reset(totp):
    """What logins leave behind is tested with logins: here are secrets that nobody has used."""
    for name in ("alice", "dev-ops"):
        totp.enroll(name)
    p = totp("list")
    assert p.returncode == 0 and p.stdout.splitlines() == [
        f"{name:<24}  6 digits  10 of 10 recovery codes  never used" for name in ("ops.team", "totp-alice")]
    p = totp("list", "--json")
    assert [(e["name"], e["recovery_left"], e["last_used"], e["locked_until"]) for e in json.loads(p.stdout)] == [
        ("ops.team", 10, None, None), ("totp-alice", 10, None, None)]
    p = totp("reset", "totp-alice")
    assert p.returncode == 0 and "there is nothing to reset" in p.stderr
    # of a login, of a key, of nothing
    for name in ("alice", "host_ed25519", "totp-bob"):
        p = totp("reset", name)
        assert p.returncode == 1
        assert p.stderr == f"sallyport: {name}: is no TOTP secret; sallyport totp list prints their names\n"
    (totp.path / "keys" / "totp-alice").write_bytes(b"SALLYPORT-OTP-1\nxxxx")
    p = totp("list")
    assert p.returncode == 1 and "ops.team" in p.stdout and "totp-alice: is cut short" in p.stderr


def test_damaged_record_is_begun_anew(totp):
    """As if every code of it had been used."""
    totp.enroll("alice")
    kept = totp.path / "state" / "totp"
    kept.mkdir(parents=True, mode=0o700)
    kept.parent.chmod(0o700)
    record = kept / "totp-alice"
    record.write_text("sallyport-totp 1\nnonsense x\n")
    record.chmod(0o600)
    p = totp("list")
    assert p.returncode == 1 and p.stderr.endswith(
        "state/totp/totp-alice: is damaged; begin it anew with: sallyport totp reset totp-alice\n"), p.stderr
    for damaged in ("sallyport-totp 1\nnonsense x\n", "sallyport-totp 1\nstep 7", "sallyport-totp 2\n", ""):
        record.write_text(damaged)
        p = totp("reset", "totp-alice")
        assert p.returncode == 0, p
        assert "was damaged: codes of the next minutes and all recovery codes count as used" in p.stderr
    p = totp("list")
    assert p.returncode == 0 and "  0 of 10 recovery codes  never used" in p.stdout, p


def test_check_and_route_report_a_missing_secret(totp):
    p = totp(command="check")
    assert re.search(r"50-routes.ini:6: TOTP: there is no TOTP secret totp-alice in the key store .*; make it with: "
                     r"sallyport totp enroll alice -c ", p.stderr + p.stdout), p
    p = totp("alice", command="route")
    assert p.returncode == 1 and re.search("^factor     a code of the TOTP secret totp-alice: there is no such TOTP secret; make it "
                                           "with: sallyport totp enroll alice$",
                                           p.stdout, re.M), p.stdout
    totp.enroll("alice")
    assert "TOTP" not in totp(command="check").stderr
    assert re.search("^factor     a code of the TOTP secret totp-alice$", totp("alice", command="route").stdout, re.M)
    # something else, and another person's file
    keys = totp.path / "keys"
    assert totp("remove", "totp-alice", "--force", command="key").returncode == 0
    assert totp("generate", "totp-alice", command="key").returncode == 0
    assert "TOTP: " + str(keys) + "/totp-alice: is a key, not a TOTP secret" in totp(command="check").stderr
    totp.enroll("dev-ops")
    (keys / "totp-alice").write_bytes((keys / "ops.team").read_bytes())
    assert "totp-alice: is damaged, renamed or from another store" in totp(command="check").stderr
