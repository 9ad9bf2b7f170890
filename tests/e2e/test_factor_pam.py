"""plugins/exec/factor-pam and sallyport-pam, with real PAM modules."""

import contextlib
import os
import re
import select
import shutil
import stat

import pytest

from lab import pam
from lab.account import PASSWORD
from lab.factor_program import Dialogue, tried
from lab.gateway import sanitized
from lab.pam import ME, PamSocket, module
from lab.program import PROGRAMS
from lab.wait import wait_for

QUESTION = [[("prompt", "Password: ")]]

# What pam_exec runs: it knows one password, and writes down what else it is given.
CHECK = """#!/bin/sh
env >{dir}/env
ls -l /proc/self/fd >{dir}/fds
echo passed
echo passed >&2
[ "$(tr -d '\\0')" = 'se cret' ]
"""


@pytest.fixture
def box(program_dir, short):
    # a path that is short enough for a socket
    server = PamSocket(short)
    (program_dir / "check").write_text(CHECK.format(dir=program_dir))
    (program_dir / "check").chmod(0o755)
    yield server
    server.close()


@pytest.fixture
def asks(box, program_dir):
    """The service sallyport asks for a password, which `check` judges."""
    box.service(f"auth required {module('pam_exec')} expose_authtok quiet {program_dir}/check\n"
                f"account required {module('pam_permit')}\n")
    return box


def factor(box, *args, **words):
    return tried("factor-pam", box.path, *args, PATH=f"{pam.PROGRAM.parent}:/usr/bin:/bin", **words)


def test_password(asks, program_dir):
    assert factor(asks, answers=["se cret"]) == (QUESTION, 0, "")
    for wrong in ("secret", "", " ", "x" * 500, b"\xff\xfe\n"):
        assert factor(asks, answers=[wrong]) == (QUESTION, 1, ""), wrong
    assert asks.ended() == [0] * 6
    assert factor(asks, login="al ice é", client="2001:db8::9", answers=["se cret"])[1] == 0
    told = (program_dir / "env").read_text().splitlines()
    for line in ("PAM_USER=al ice é", "PAM_RHOST=2001:db8::9", "PAM_SERVICE=sallyport", "PAM_TTY=ssh"):
        assert line in told
    log = asks.log.read_text()
    assert "sallyport-pam: alice from 192.0.2.9: service sallyport: passed\n" in log
    assert "sallyport-pam: alice from 192.0.2.9: service sallyport: System error\n" in log
    assert "se cret" not in log


def test_modules_have_no_hold_of_the_connection(asks, program_dir):
    """What they write is not taken for a verdict."""
    assert factor(asks, answers=["wrong"])[1] == 1
    assert "socket:" not in (program_dir / "fds").read_text()
    assert "passed" not in asks.log.read_text()


def test_several_rounds_and_texts(asks, program_dir):
    (program_dir / "notice").write_text("Hello %u\n\n  of %s:\n")
    echo = f"optional {module('pam_echo')} file={program_dir}/notice\n"
    asks.service(f"auth {echo}auth required {module('pam_exec')} expose_authtok quiet {program_dir}/check\n"
                 f"auth [success=ok default=die] {module('pam_oath')} usersfile={program_dir}/oath digits=6 window=3\n"
                 f"account {echo}account required {module('pam_permit')}\n")
    # RFC 4226, appendix D
    (program_dir / "oath").write_text("HOTP alice - 3132333435363738393031323334353637383930\n")
    (program_dir / "oath").chmod(0o600)
    hello = [("info", "Hello alice"), ("info", "  of sallyport:")]
    rounds, status, why = factor(asks, answers=["se cret", "755224", b""])
    assert rounds[0] == hello + QUESTION[0]
    assert [word for word, _ in rounds[1]] == ["prompt"] and "One-time password (OATH) for `alice'" in rounds[1][0][1]
    # the last word of the account phase, which asks nothing
    assert (rounds[2:], status, why) == ([hello], 0, "")
    # a code counts once
    assert factor(asks, answers=["se cret", "755224"])[1] == 1
    assert factor(asks, answers=["se cret", "287082", b""])[1] == 0


@pytest.mark.skipif(sanitized(), reason="the sanitizer has no crypt_r() for a module that is loaded later")
def test_account_of_this_host(box, account):
    box.service(f"auth required {module('pam_unix')} nodelay\naccount required {module('pam_unix')}\n")
    assert factor(box, login=account, answers=[PASSWORD]) == (QUESTION, 0, "")
    assert factor(box, login=account, answers=[PASSWORD + "x"])[1] == 1
    assert factor(box, login="no-such-user", answers=[PASSWORD]) == (QUESTION, 1, "")


def test_account_rules_decide_too(box):
    box.service(f"auth required {module('pam_permit')}\naccount required {module('pam_deny')}\n")
    assert factor(box) == ([], 1, "")
    box.service(f"auth required {module('pam_permit')}\naccount required {module('pam_permit')}\n", "sallyport-vpn")
    assert factor(box, "sallyport-vpn") == ([], 0, "")


@pytest.mark.parametrize("service, why", [
    ("sallyport-gone", "the service has no file in /etc/pam.d"),
    ("other", "the first line is wrong: a service is sallyport or sallyport-NAME"),
    ("sallyportx", "the first line is wrong: a service is sallyport or sallyport-NAME"),
    ("sallyport-/../other", "the first line is wrong: a service is sallyport or sallyport-NAME"),
    ("sallyport-a 1.2.3.4", "the service has no file in /etc/pam.d"),
    ("sallyport-broken", None),
])
def test_other_services_are_refused(box, service, why):
    """Of a service without a file, PAM would ask "other"; and those of other programs may let root in (su)."""
    box.service(f"auth required {module('pam_permit')}\naccount required {module('pam_permit')}\n", "other")
    box.service(f"auth required {module('pam_permit')}\naccount required {module('pam_permit')}\n", "sallyportx")
    box.service("auth required /no/such/module.so\n", "sallyport-broken")
    rounds, status, said = factor(box, service)
    assert (rounds, status) == ([], 2) and said == f"sallyport-pam: {why or 'Module is unknown'}"


@pytest.mark.parametrize("first", [
    b"", b"\n", b"x\n", b"sallyport-pam\n", b"sallyport-pam 1\n", b"sallyport-pam 1 sallyport\n",
    b"sallyport-pam 1 sallyport 192.0.2.9\n", b"sallyport-pam 2 sallyport - alice\n", b"sallyport-pam 1 sallyport - \n",
    b"sallyport-pam 1 sallyport - -x\n", b"sallyport-pam 1 sallyport - a/b\n", b"sallyport-pam 1 sallyport - a\x01b\n",
    b"sallyport-pam 1 sallyport - a\0b\n", b"sallyport-pam 1 sallyport - " + b"a" * 256 + b"\n",
    b"sallyport-pam 1 sallyport " + b"1" * 101 + b" alice\n", b"sallyport-pam 1 sallyport 1\x01 alice\n",
    b"sallyport-pam 1 sallyport-" + b"a" * 64 + b" - alice\n", b"a" * 1025 + b"\n", b"a" * 5000, b"sallyport-pam 1 sallyport - alice"])
def test_hostile_first_lines(box, first):
    box.service(f"auth required {module('pam_permit')}\naccount required {module('pam_permit')}\n")
    with box.connect() as s:
        got = b""
        # more than is read of a line resets the connection
        with contextlib.suppress(ConnectionError):
            s.sendall(first)
            s.shutdown(1)
            got = s.makefile("rb").read()
    assert re.fullmatch(rb"error the first line is wrong.*\n", got) or len(first) > 4096, got
    assert box.ended() == [2]


def test_answers_that_are_none(asks):
    for answer in (b"x" * 1025 + b"\n", b"x" * 20000, b"a\0b\n", b"se cret", b""):
        with asks.connect() as s:
            s.sendall(b"sallyport-pam 1 sallyport - alice\n")
            lines = s.makefile("rb")
            assert [lines.readline(), lines.readline()] == [b"prompt Password: \n", b"ask\n"]
            with contextlib.suppress(ConnectionError):
                s.sendall(answer)
                s.shutdown(1)
                assert lines.read() != b"passed\n"
    assert set(asks.ended()) <= {0, 2}


def test_gateway_that_hangs_up(asks):
    d = Dialogue("factor-pam", asks.path, PATH=f"{pam.PROGRAM.parent}:/usr/bin:/bin")
    assert d.asked() == QUESTION[0]
    d.kill()
    d.status()
    asks.ended()
    assert "passed" not in asks.log.read_text()


def test_gateway_that_hangs_up_while_a_module_waits(box, program_dir):
    """It takes no place of the socket's any more: else a client with one right key could take all."""
    os.mkfifo(program_dir / "end")
    (program_dir / "wait").write_text(f"#!/bin/sh\ntouch {program_dir}/waits\nread -r _ <{program_dir}/end\n")
    (program_dir / "wait").chmod(0o755)
    box.service(f"auth required {module('pam_exec')} quiet {program_dir}/wait\n")
    end = os.open(program_dir / "end", os.O_RDWR)
    try:
        with box.connect() as s:
            s.sendall(b"sallyport-pam 1 sallyport - alice\nanswer\n")
            wait_for("the module", (program_dir / "waits").exists)
            assert [p.poll() for p in box.processes] == [None]
        assert box.ended() == [2]
    finally:
        os.write(end, b"\n")
        wait_for("what the module has run", lambda: not select.select([end], [], [], 0)[0])
        os.close(end)


def test_other_users_are_not_answered(asks, program_dir):
    """The socket's mode keeps them out; this is what would be if it did not."""
    asks.user = "nobody" if ME != "nobody" else "root"
    rounds, status, why = factor(asks, answers=[])
    assert (rounds, status) == ([], 2)
    assert why in ("sallyport-pam: sallyport-pam has ended without an answer; its log says why",
                   f"sallyport-pam: {asks.path}: Broken pipe")
    assert asks.ended() == [2]
    assert f"a process of user {os.getuid()} has connected, not of {asks.user}" in asks.log.read_text()


def test_without_a_server(program_dir, short):
    why = tried("factor-pam", short / "gone.sock", PATH=f"{pam.PROGRAM.parent}:/usr/bin:/bin")[2]
    assert why == f"sallyport-pam: {short}/gone.sock: No such file or directory"
    assert tried("factor-pam", "x" * 200, PATH=f"{pam.PROGRAM.parent}:/usr/bin:/bin")[1] == 2
    if not shutil.which("sallyport-pam", path="/usr/bin:/bin"):
        assert tried("factor-pam", PATH="/usr/bin:/bin")[1:] == (2, "sallyport-pam is not installed, or not in /usr/bin:/bin")
    assert tried("factor-pam", "a", "b", "c")[1] == 2
    assert stat.S_IMODE((PROGRAMS / "factor-pam").stat().st_mode) & 0o111 == 0o111
