"""A one-time code as a second factor: who types it, after what, and with which programs."""

import pytest

from lab import totp
from lab.password import PASSWORD
from lab.totp import WITH_CODE, Secret, enters, person

KBDINT = "keyboard-interactive"


def test_key_and_code(coded):
    w = coded()
    c = person(w, w.secret.code())
    r = c.ssh("-v", "echo in")
    assert r.text == "in\n", r
    assert 'using "publickey" with partial success' in r.err
    assert f'Authenticated to 127.0.0.1 ([127.0.0.1]:{w.gateway.port}) using "{KBDINT}"' in r.err
    assert c.answers.asked() == ["(alice@127.0.0.1) Verification code: "]
    log = w.gateway.log
    log.wait(r"Partial publickey for alice from 127\.0\.0\.1 port \d+ ssh2: ED25519 SHA256:")
    log.wait(rf"Accepted {KBDINT}/totp for alice from 127\.0\.0\.1 port \d+ ssh2$")


def test_key_alone_does_not_suffice(coded):
    w = coded()
    assert not enters(w.client)
    assert not w.sshd.log.find("Connection from")


def test_code_alone_does_not_suffice(coded, ring):
    w = coded()
    c = person(w, w.secret.code(), key=ring.get("wrong0"))
    assert not enters(c)
    assert c.answers.asked() == []


def test_wrong_code_counts_as_a_try(coded):
    w = coded(front={"MaxAuthTries": "2"})
    c = person(w, *[w.secret.wrong()] * 3, NumberOfPasswordPrompts="3")
    r = c.ssh("true")
    assert r.code == 255 and "Too many authentication failures" in r.err
    assert len(c.answers.asked()) == 2
    log = w.gateway.log.text()
    assert log.count(f"Failed {KBDINT}/totp for alice from") == 2
    assert "wrong code, 2 in a row for totp-alice" in log
    # a right one after a wrong one
    c = person(w, w.secret.wrong(), w.secret.code(), NumberOfPasswordPrompts="2")
    assert enters(c)


def test_no_code_typed_is_no_wrong_code(coded):
    w = coded()
    c = person(w, "", "", "", "", "", "", NumberOfPasswordPrompts="6")
    assert not enters(c)
    w.gateway.log.wait(f"Failed {KBDINT}/totp for alice")
    assert "in a row" not in w.gateway.log.text()
    assert enters(person(w, w.secret.code()))


def test_code_with_blanks(coded):
    w = coded()
    code = w.secret.code()
    assert enters(person(w, f" {code[:3]} {code[3:]}"))


@pytest.mark.parametrize("method", ["password", KBDINT])
def test_password_and_code(coded, hashed, method):
    w = coded(PasswordHash=hashed, AuthorizedKeysFile=None)
    # ssh counts all conversations, right ones too
    c = person(w, w.secret.code(), password=PASSWORD, PreferredAuthentications=f"{method},{KBDINT}",
               NumberOfPasswordPrompts="2")
    assert enters(c)
    assert [p.split(" ", 1)[1] if p.startswith("(") else p for p in c.answers.asked()] == [
        "alice@127.0.0.1's password: " if method == "password" else "Password: ", "Verification code: "]
    w.gateway.log.wait(f"Partial {method} for alice")
    w.gateway.log.wait(f"Accepted {KBDINT}/totp for alice")
    # a wrong password is not followed by a question for a code
    c = person(w, w.secret.code(), password="wrong", PreferredAuthentications=f"{method},{KBDINT}")
    assert not enters(c)
    assert "Verification" not in "".join(c.answers.asked())


def test_certificate_and_code(coded, ca, ring):
    w = coded(AuthorizedKeysFile=None, TrustedUserCAKeys=ca.file)
    key = ring.get("person")
    assert enters(person(w, w.secret.code(), key=key, CertificateFile=ca.sign(key, "alice")))
    w.gateway.log.wait(r"Partial publickey for alice .* ED25519-CERT SHA256:")


def test_code_first(coded, ring):
    w = coded(AuthenticationMethods=f"{KBDINT}:totp,publickey")
    methods = {"PreferredAuthentications": f"{KBDINT},publickey"}
    c = person(w, w.secret.code(), **methods)
    assert enters(c)
    w.gateway.log.wait(f"Partial {KBDINT}/totp for alice")
    w.gateway.log.wait("Accepted publickey for alice")
    assert not enters(person(w, w.secret.code(), key=ring.get("wrong0"), **methods))
    assert not enters(person(w, w.secret.wrong(), **methods))


def test_several_lists(coded, hashed):
    """A key and a code, or two other proofs without one."""
    w = coded(PasswordHash=hashed, AuthenticationMethods=f"publickey,{KBDINT}:totp publickey,password")
    assert enters(person(w, w.secret.code()))
    assert enters(person(w, password=PASSWORD, PreferredAuthentications="publickey,password"))
    assert not enters(w.client)


def test_device_is_chosen_by_the_client(coded, hashed):
    """Where lists differ in what keyboard-interactive is for, the client's wish counts."""
    w = coded(PasswordHash=hashed, AuthenticationMethods=f"publickey,{KBDINT} publickey,{KBDINT}:totp")
    c = person(w, password=PASSWORD)
    assert enters(c) and "Password: " in c.answers.asked()[0]
    c = person(w, w.secret.code(), KbdInteractiveDevices="pam,totp")
    assert enters(c) and "Verification code: " in c.answers.asked()[0]


def test_sftp_scp_and_git(coded, tmp_path):
    w = coded()
    file = tmp_path / "file"
    file.write_text("x" * 100000)
    c = person(w, w.secret.code())
    # sftp -b and scp -B would set BatchMode
    r = c.run(c.argv("sftp") + [f"upstream:{file}", str(tmp_path / "back")])
    assert r.code == 0 and (tmp_path / "back").read_text() == file.read_text(), r
    c.answers.give(w.secret.code())
    c.scp(file, f"upstream:{tmp_path / 'copy'}")
    assert (tmp_path / "copy").read_text() == file.read_text()
    repository = tmp_path / "repository"
    c.git("init", "-q", str(repository), check=True)
    c.git("commit", "-q", "--allow-empty", "-m", "first", cwd=repository)
    c.answers.give(w.secret.code())
    c.git("clone", "-q", f"upstream:{repository}", "clone")
    assert "first" in c.git("log", cwd=c.dir / "clone").text
    assert len(c.answers.asked()) == 1


def test_control_master_asks_once(coded, short):
    w = coded()
    c = person(w, w.secret.code(), ControlMaster="auto", ControlPath=short / "c", ControlPersist="yes")
    for _ in range(3):
        assert enters(c)
    assert len(c.answers.asked()) == 1
    c.run(c.argv("ssh", "-O", "exit", "upstream"))


def test_terminal_asks(coded):
    w = coded()
    t = w.client.prompting("echo in", PreferredAuthentications=totp.BOTH)
    t.expect(r"Verification code: ")
    t.send(w.secret.wrong() + "\n")
    t.expect(r"Verification code: ")
    t.send(w.secret.code() + "\n")
    t.expect("^in")
    assert t.wait() == 0
    t.close()


def test_login_that_is_not_enrolled(gated):
    """Who has proven a key is told; for others nothing is different."""
    w = gated(route=dict(WITH_CODE))
    r = person(w, "000000").ssh("true")
    assert r.code == 255 and "this login needs a second factor, and you have none yet" in r.err
    w.gateway.log.wait("TOTP = totp-alice: not in the key store; make it with: sallyport totp enroll alice")


def test_unknown_login_with_code_first(coded):
    """It is asked for a code as a known one is, and no code is right."""
    w = coded(AuthenticationMethods=f"{KBDINT}:totp,publickey")
    seen = []
    for login in ("alice", "nobody"):
        c = person(w, w.secret.wrong(), user=login, PreferredAuthentications=f"{KBDINT},publickey")
        r = c.ssh("-v", "true")
        seen.append(([p.replace(login, "LOGIN") for p in c.answers.asked()],
                     [line for line in r.err.splitlines() if "can continue" in line]))
    assert seen[0] == seen[1] and len(seen[0][0]) == 1
    w.gateway.log.wait(f"Failed {KBDINT}/totp for invalid user nobody from")
    # with a code that is right for somebody, too
    c = person(w, w.secret.code(), user="nobody", PreferredAuthentications=f"{KBDINT},publickey")
    assert not enters(c)
    assert f"Partial {KBDINT}/totp for" not in w.gateway.log.text()
