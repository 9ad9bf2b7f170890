"""Factor = exec:PROGRAM: a program asks for a second factor."""

import contextlib
import re
import subprocess

import paramiko
import pytest

from lab.factor import CODE, LISTS
from lab.wait import wait_for

DEVICE = "keyboard-interactive/factor"


def test_key_and_code(factor):
    f = factor()
    t = f.way.client.prompting("-v", "echo in", PreferredAuthentications="publickey,keyboard-interactive")
    t.expect(r"Authentications that can continue: keyboard-interactive\r")
    t.expect(r"\(alice@\S+\) Code:")
    t.send("654321\n")
    t.expect(r"\(alice@\S+\) Code:")
    t.send("123456\n")
    t.expect("^in")
    assert t.wait() == 0 and "123456" not in t.seen
    t.close()
    log = f.gateway.log
    log.wait("Partial publickey for alice")
    log.wait(rf"Failed {DEVICE} for alice from 127\.0\.0\.1 port \d+ ssh2$")
    log.wait(rf"Accepted {DEVICE} for alice from 127\.0\.0\.1 port \d+ ssh2")
    assert not re.search("123456|654321", log.text())


def test_sftp_and_a_command_by_askpass(factor, tmp_path):
    """Clients without a terminal ask by a program of the user's."""
    f = factor()
    askpass = tmp_path / "askpass"
    askpass.write_text("#!/bin/sh\necho 123456\n")
    askpass.chmod(0o755)
    env = {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    options = {"BatchMode": "no", "PreferredAuthentications": "publickey,keyboard-interactive"}
    c = f.way.new_client(**options)
    assert c.ssh("echo in", env=env).text == "in\n"
    # not sftp -b, which asks nothing
    r = c.run(c.argv("sftp", "upstream"), f"ls {f.dir}\n".encode(), env=env)
    assert r.code == 0 and "ask" in r.text, r


@pytest.mark.parametrize("n", [1, 2, 8])
def test_questions(factor, person, n):
    """Each with its own echo, and with instructions above."""
    lines = "".join(f"echo {'echo' if i % 2 else 'prompt'} Question {i}: ;" for i in range(n))
    reads = "".join(f'read -r a; [ "$a" = "answer {i}" ] || exit 1;' for i in range(n))
    f = factor(f"echo info Welcome; echo info; echo info 'to  all'; {lines} echo ask; {reads}")
    p = person(f.way)
    assert p.log_in([f"answer {i}" for i in range(n)])
    asked = [(f"Question {i}:", i % 2 == 1) for i in range(n)]
    assert p.asked == [("Welcome\n\nto  all", asked)]


def test_rounds(factor, person):
    """The second depends on what the first has brought; one has no question."""
    f = factor('echo echo Token:; echo ask; read -r t; echo info "For $t"; echo prompt PIN:; echo ask; read -r p;'
               'echo info Accept it on your telephone; echo ask; [ "$t$p" = t1234 ] || exit 1')
    p = person(f.way)
    assert p.log_in(["t1"], ["234"], [])
    assert p.asked == [("", [("Token:", True)]), ("For t1", [("PIN:", False)]),
                       ("Accept it on your telephone", [])]


def test_last_word_of_a_refusal(factor, person):
    f = factor("echo info Your token has expired; echo ask; exit 1")
    p = person(f.way)
    assert p.log_in([]) is False
    assert p.asked == [("Your token has expired", [])]


def test_program_that_asks_nothing(factor, person):
    """As one that waits for a telephone."""
    f = factor("[ -e $here/accepted ] || exit 1")
    p = person(f.way)
    assert p.log_in() is False
    (f.dir / "accepted").touch()
    assert p.converse() is True and p.asked == []


def test_what_the_program_is_told(factor, person):
    f = factor('cd $here/out; env | sort >env; printf "%s\\n" "$@" >args; cat /proc/self/status >status',
               Factor="exec:factor/ask one two", FactorTimeout="600")
    out = f.dir / "out"
    out.mkdir()
    out.chmod(0o777)
    p = person(f.way)
    assert p.log_in()
    env = dict(line.split("=", 1) for line in (out / "env").read_text().splitlines())
    assert (out / "args").read_text().split() == ["one", "two", "alice"]
    assert env.pop("OLDPWD") == str(f.gateway.dir) and env.pop("PWD") == str(out)
    status = (out / "status").read_text()
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
    assert 0 < int(env.pop("SALLYPORT_FACTOR_TIMEOUT")) <= 600
    for name in ("_", "SHLVL", "PATH", "SALLYPORT_SESSION", "SALLYPORT_CLIENT_PORT"):
        env.pop(name, None)
    assert env == {
        "LANG": "C.UTF-8", "SALLYPORT_LOGIN": "alice", "SALLYPORT_ROUTE": "alice",
        "SALLYPORT_CLIENT_ADDRESS": "127.0.0.1", "SALLYPORT_LOCAL_ADDRESS": "127.0.0.1",
        "SALLYPORT_LOCAL_PORT": str(f.gateway.port), "SALLYPORT_HOST": "", "SALLYPORT_METHOD": "keyboard-interactive",
        "SALLYPORT_CLIENT_CERTIFICATE": "", "SALLYPORT_CLIENT_CN": "", "SALLYPORT_PUBLIC_KEY": "",
        "SALLYPORT_FINGERPRINT": f.way.ring.get("client").fingerprint,
    }


HOSTILE = {
    "nonsense": ("echo 123456; sleep 8461.7", r"line 1 of its output begins with none of prompt, echo, info, ask$"),
    "zeros": ("head -c 10000000 /dev/zero; sleep 8461.7", "line 1 of its output has more than 1024 bytes$"),
    "flood": ("yes info a", r"line \d+ of its output: more than 16384 bytes of info in one round$"),
    "errors": ("yes >&2", "it printed more than 65536 bytes and was killed: y$"),
    "nine": ("yes echo a", "line 9 of its output is one question more than 8$"),
    "rounds": ("while echo ask; do sleep 0; done", "it printed more than|asks once more than 16 times$"),
    "empty": ("echo prompt; sleep 8461.7", "line 1 of its output has a question without a text$"),
    "exit": ("echo no server >&2; echo 2 >&2; exit 70", "exit status 70: no server$"),
    "exit 255": ("exit 255", "exit status 255$"),
    "killed": ("kill -9 $$", "killed by signal 9$"),
    "hangs": ("trap '' TERM HUP INT; sleep 8461.7", "it took too long and was killed$"),
    "closed": ("exec >&- 2>&-; sleep 8461.7", "it took too long and was killed$"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_program_that_misbehaves(factor, person, what):
    """The user hears of no detail; the log has them, and never what the program has printed."""
    script, reason = HOSTILE[what]
    slow = what in ("hangs", "closed")
    f = factor(script, FactorTimeout="1" if slow else "600")
    p = person(f.way)
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        assert p.log_in(*[[]] * 17) is False
    wait_for("the end of the connection", lambda: not p.transport.is_active())
    if slow:
        # the session's clock and the program's are the same
        f.gateway.log.wait(f"alice.*{reason}|Timeout before authentication")
        f.all_gone()
        return
    f.gateway.log.wait(f"alice.*exec:{f.script}: {reason}")
    assert "123456" not in f.gateway.log.text()
    f.all_gone()
    f.write(CODE)
    assert person(f.way).log_in(["123456"])


@pytest.mark.parametrize("status", [0, 1])
def test_processes_left_behind_do_not_delay_the_verdict(factor, person, status):
    """They hold the program's pipes open, and are killed."""
    f = factor(f"sleep 8461.7 & setsid sleep 8461.7 & exit {status}", front={"LoginGraceTime": "1h"}, FactorTimeout="1h")
    assert person(f.way).log_in() is (status == 0)
    f.all_gone()


def test_user_hears_no_detail_of_a_failure(factor):
    f = factor("echo the server is on fire >&2; exit 70")
    t = f.way.client.prompting("true", PreferredAuthentications="publickey,keyboard-interactive")
    t.expect(r"sallyport: the gateway cannot log you in right now; .* \(session [0-9a-f]+\)")
    assert t.wait() == 255 and "fire" not in t.seen
    t.close()
    f.gateway.log.wait("exit status 70: the server is on fire$")


def test_check_and_route_say_what_is_wrong(factor):
    f = factor()
    g = f.gateway
    shown = g.sallyport("route", "-c", g.conf, "alice").stdout.decode()
    assert f"factor     what the program {f.script} asks\n" in shown and LISTS in shown
    assert g.notes() == ""
    f.script.chmod(0o644)
    assert re.search(f"10-alice.ini:\\d+: Factor: {f.script}: is not executable; run: chmod [+]x", g.notes())
    p = subprocess.run([g.program, "route", "-c", g.conf, "alice"], capture_output=True, text=True, check=False)
    assert p.returncode == 1 and f"asks: {f.script}: is not executable" in p.stdout
    f.script.unlink()
    assert re.search(f"10-alice.ini:\\d+: Factor: {f.script}: No such file", g.notes())
