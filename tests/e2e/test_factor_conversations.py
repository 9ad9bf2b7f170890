"""Factor = exec:PROGRAM: hostile clients, clients that go away, many at once, and logins that do not exist."""

import contextlib
import functools
import os
import re
import threading
import time

import paramiko
import pytest

from lab import attack, totp
from lab.account import PASSWORD
from lab.attack import Attacker, answers, conversation
from lab.factor import CODE, LISTS
from lab.gateway import TREE, Gateway, sanitized
from lab.memory import found_in
from lab.taken_over import Gone, TakenOver, program
from lab.timing import PACE, takes_as_long
from lab.upstream import PASSTHROUGH
from lab.wait import PATIENCE, wait_for
from lab.way import Way

DEVICE = "keyboard-interactive/factor"
# What it is told goes to a file that it may write.
TELLS = 'echo prompt Code:; echo ask; IFS= read -r a; printf "%s" "$a" >$here/out/told; [ "$a" != no ] || exit 1'


def may_write(f):
    """A directory for the program, whichever user it runs as."""
    out = f.dir / "out"
    out.mkdir()
    out.chmod(0o777)
    return out


def refused(p, *rounds):
    """The login ends, and not because of a wrong answer."""
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        assert p.log_in(*rounds) is False
    wait_for("the end of the connection", lambda: not p.transport.is_active())


@pytest.mark.parametrize("answer", [";$(touch pwned)", "`id`\t'\"\\", "x" * 1024, "☂ \x1b[2J\r", ""])
def test_answers_as_they_are_typed(factor, person, answer):
    f = factor(TELLS)
    out = may_write(f)
    assert person(f.way).log_in([answer])
    assert (out / "told").read_bytes() == answer.encode()
    assert answer == "" or answer not in f.gateway.log.text()


@pytest.mark.parametrize("answer", ["a\nb", "a\0", "x" * 1025])
def test_answers_that_are_no_line(factor, person, answer):
    """They are wrong, and the program does not hear of them."""
    f = factor(TELLS)
    out = may_write(f)
    p = person(f.way)
    assert p.log_in([answer]) is False
    f.all_gone()
    assert not (out / "told").exists()
    assert p.converse(["right"])
    f.gateway.log.wait(f"Failed {DEVICE} for alice")


def test_texts_cannot_reach_the_terminal(factor, person):
    r"""Control characters, a NUL and bytes that are not UTF-8 are shown as "?"."""
    f = factor(r"printf 'info a\033[2Jb\0c\rd\ninfo \342\230\202\377\nprompt \033]0;x\007: \necho \302\233\nask\n'")
    p = person(f.way)
    assert p.log_in(["", ""])
    assert p.asked == [("a?[2Jb?c?d\n☂?", [("?]0;x?: ", False), ("??", True)])]


@pytest.mark.parametrize("login", ["x;$(touch pwned)", "x`id`", "x a 'b\" \\c", "x$HOME&|", "x☂"])
def test_hostile_login_is_one_argument(factor, person, login):
    f = factor('printf "%s\\n" "$#" "$1" "$SALLYPORT_LOGIN" "$SALLYPORT_ROUTE" >$here/out/args')
    out = may_write(f)
    f.gateway.stop()
    f.gateway.route("x*", f.way.sshd, [f.way.ring.get("client")], key="alice", Factor="exec:factor/ask")
    f.gateway.start()
    assert person(f.way, login).log_in()
    assert (out / "args").read_text() == f"1\n{login}\n{login}\nx*\n"


@pytest.mark.parametrize("when", ["asked", "thinking"])
def test_client_that_goes_away(factor, person, when):
    """The program is killed with all that it has started, and nothing of it is left."""
    ask = "echo prompt Code:; echo ask;" if when == "asked" else ""
    f = factor(f"trap '' TERM HUP INT; sleep 8461.7 & setsid sleep 8461.7 & {ask} sleep 8461.7; read -r a")
    f.gateway.quiet()
    (keeper,) = f.gateway.keepers()
    before = keeper.n_descriptors() if os.getuid() == 0 else 0
    p = person(f.way).begin()
    wait_for("the program", lambda: len(f.left()) >= 3)
    p.close()
    f.all_gone()
    f.gateway.quiet()
    if before:
        wait_for("as many descriptors as before", lambda: keeper.n_descriptors() <= before)
    f.write(CODE)
    assert person(f.way).log_in(["123456"])


def test_client_that_gives_up_its_conversation(factor):
    """RFC 4256 section 3.1: it begins another one, or tries another method."""
    f = factor(CODE + "; sleep 8461.7", methods="keyboard-interactive:factor publickey")
    t = Attacker(f.gateway.port)
    try:
        t.service()
        for _ in range(3):
            assert b"Code:" in t.ask(*conversation("alice"))[1][-1][1]
        wait_for("one program", lambda: len(f.left()) == 1)
        assert t.ask(*conversation("alice"))[1][-1][0] == 60
        assert t.ask(*answers("wrong"))[1][-1][0] == attack.USERAUTH_FAILURE
        f.all_gone()
    finally:
        t.close()


def test_second_question_for_a_first_answer(factor):
    """Two answers to one question, and an answer without one, end the connection."""
    f = factor()
    for steps in ([conversation("alice"), answers("1", "2")], [answers("1")]):
        t = Attacker(f.gateway.port)
        try:
            t.service()
            for step in steps:
                t.ask(*step)
            assert t.ends(PATIENCE)
        finally:
            t.close()


# --- many ---


def test_one_person_does_not_take_all_places(factor, person):
    """Eight programs of one login run at once; the others wait, and somebody else does not."""
    f = factor(front={"FactorTimeout": "1h"})
    f.gateway.stop()
    f.gateway.route("bob", f.way.sshd, [f.way.ring.get("client")], key="alice", Factor="exec:factor/ask")
    f.gateway.start()
    go = threading.Event()
    people = [person(f.way).begin(lambda: go.wait(2 * PATIENCE) and ["123456"]) for _ in range(9)]
    wait_for("eight to be asked", lambda: sum(len(p.asked) for p in people) == 8)
    assert person(f.way, "bob").log_in(["123456"])
    wait_for("eight programs alone", lambda: len(f.gateway.role("errand factor")) == 8)
    assert sum(len(p.asked) for p in people) == 8
    go.set()
    wait_for("all nine", lambda: [p.result for p in people] == [True] * 9)


def test_one_address_does_not_take_all_places_unproven(factor, person):
    """Nine logins without any proof: eight programs."""
    f = factor(front={"LoginGraceTime": "1h", "FactorTimeout": "1h"}, methods="keyboard-interactive:factor")
    f.gateway.stop()
    for n in range(10):
        f.gateway.route(f"l{n}", f.way.sshd, [f.way.ring.get("client")], key="alice", Factor="exec:factor/ask",
                        AuthenticationMethods="keyboard-interactive:factor")
    f.gateway.start()
    go = threading.Event()

    def begin(n, source):
        p = person(f.way, f"l{n}", source=source)
        p.prove_key = lambda: None
        return p.begin(lambda: go.wait(2 * PATIENCE) and ["123456"])

    people = [begin(n, "127.0.0.1") for n in range(9)]
    wait_for("eight to be asked", lambda: sum(len(p.asked) for p in people) == 8)
    other = begin(9, "127.0.0.2")
    wait_for("another address to be asked", lambda: len(other.asked) == 1)
    assert sum(len(p.asked) for p in people) == 8
    go.set()
    wait_for("all nine", lambda: [p.result for p in people] == [True] * 9)


# --- reload, restart ---


def test_reload_during_a_conversation(factor, person):
    """It goes on as it began; the next login has the new configuration."""
    f = factor()
    go = threading.Event()
    p = person(f.way).begin(lambda: go.wait(PATIENCE) and ["123456"])
    wait_for("the question", lambda: p.asked)
    route = f.gateway.conf / "10-alice.ini"
    route.write_text(re.sub(r"Factor = .*|AuthenticationMethods = .*", "", route.read_text()))
    f.gateway.hangup()
    go.set()
    wait_for("the end", lambda: p.result is not None)
    assert p.result is True
    assert f.way.lets_in()


def test_restart_during_a_conversation(factor, person):
    """The person goes on with the gateway that asked, and others come to the new one."""
    f = factor()
    go = threading.Event()
    p = person(f.way).begin(lambda: go.wait(2 * PATIENCE) and ["123456"])
    wait_for("the question", lambda: p.asked)
    f.gateway.process.send_signal(15)
    f.gateway.log.wait("1 logins wait for a second factor, and go on")
    old = f.gateway.process
    f.gateway.start()
    assert person(f.way).log_in(["123456"])
    go.set()
    wait_for("the end", lambda: p.result is not None)
    assert p.result is True
    p.close()
    wait_for("the end of the old gateway", lambda: old.poll() is not None)


# --- users, secrets ---


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts programs as another user")
def test_lookup_programs_with_a_user_of_their_own(short, ring, make_sshd, person):
    """Programs of Factor do not have it; and are none but those of FactorPrograms."""
    short.chmod(0o755)
    g, sshd = Gateway(short / "gateway", ring, RunAs="root", RunNetworkAs="nobody"), make_sshd()
    g.route("alice", sshd, [ring.get("client")], Factor="exec:factor/ask", AuthenticationMethods=LISTS)
    text = (g.conf / "10-alice.ini").read_text().split("\n", 1)[1]
    (g.dir / "factor").mkdir()
    out = g.dir / "out"
    out.mkdir()
    out.chmod(0o777)
    for name, script in (("lookup", f"cat <<'E'\n{text}E"), ("ask", f"id -un >{out}/user")):
        (g.dir / "factor" / name).write_text(f"#!/bin/sh\n{script}\n")
        (g.dir / "factor" / name).chmod(0o755)
    (g.conf / "20-lookup.ini").write_text(
        "[lookup]\nOrder = exec\n[lookup exec]\nCommand = factor/lookup\nRunAs = games\n")
    g.start()
    way = Way("gateway", short, ring, sshd, g)
    people = [person(way)]
    try:
        refused(people[0])
        g.log.wait("exec:.*/factor/ask: not run, as FactorPrograms in .gateway. did not name it at the start")
        assert "is not run unless FactorPrograms in [gateway] names it, because [lookup exec] has RunAs" in g.notes()
        g.options["FactorPrograms"] = "factor/other factor/ask"
        g.write_gateway()
        assert b"note: FactorPrograms changes only at a restart" in g.reload().stdout
        people[0].close()
        g.quiet()
        g.stop()
        g.start()
        assert g.notes() == ""
        people.append(person(way))
        assert people[1].log_in()
        assert (out / "user").read_text() == "nobody\n"
    finally:
        for p in people:
            p.close()
        way.close()
        g.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may read the memory of a process that cannot be dumped")
@pytest.mark.skipif(sanitized(), reason="a sanitizer keeps freed memory")
def test_answers_do_not_stay_in_memory(factor, person):
    """Neither in the keeper, nor in the errand while the program asks on, nor in the session."""
    f = factor("echo prompt a; echo ask; read -r a; unset a; echo prompt b; echo ask; read -r b")
    secret = "correct-horse-8461-battery"
    go = threading.Event()
    p = person(f.way).begin([secret], lambda: go.wait(PATIENCE) and ["b"])
    wait_for("the second question", lambda: len(p.asked) == 2)
    (errand,) = f.gateway.role("errand factor")
    for proc in [f.gateway.master, *f.gateway.keepers(), *f.gateway.sessions(), errand]:
        assert not found_in(proc, {"answer": secret.encode()}), proc.title()
    assert found_in(errand, {"control": str(f.script).encode()})
    go.set()
    wait_for("the login", lambda: p.result is True)


CLAIMS = {
    "RELAY": [], "UPSTREAM_READY": [b"x" * 32, "ssh-ed25519", True], "UPSTREAM_AUTH": [bytes([52])],
    "HOST_KEY": ["ssh-ed25519", b"x" * 32, b"", b""], "FACTOR_ANSWERS": ["123456"], "RAN": ["", 0, "", ""],
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_session_cannot_claim_that_a_factor_was_passed(factor, ring, claim):
    """SECURITY.md, finding 26: the keeper hears from the program alone, and dials for nobody before."""
    f = factor(front={"program": program()})
    with TakenOver(f.gateway.port) as t:
        assert t.sign()
        t.prove("alice", ring.get("client"))
        t.auth(*conversation("alice"))
        while b"Code:" not in (got := t.expect("DOWNSTREAM"))[1].data:
            assert got[0] == "DOWNSTREAM"
        with contextlib.suppress(Gone):
            if claim == "RELAY":
                t.auth(attack.USERAUTH_SUCCESS)  # what a server says
            t.send(claim, *CLAIMS[claim])
        assert t.ended()
    f.gateway.quiet()
    assert not f.way.sshd.log.find("Connection from") and "Accepted" not in f.gateway.log.text()


# --- beside other things ---


def test_code_of_totp_and_program(factor):
    """Both are asked for, one after the other, and each has its line in the log."""
    f = factor(methods=f"publickey,keyboard-interactive:totp,{LISTS.split(',')[1]}", **totp.WITH_CODE)
    secret = totp.Secret(f.gateway)
    assert totp.enters(totp.person(f.way, secret.code(), password="123456", NumberOfPasswordPrompts="2"))
    f.gateway.log.wait("Partial keyboard-interactive/totp for alice")
    f.gateway.log.wait(f"Accepted {DEVICE} for alice")
    for code, password in ((secret.code(), "wrong"), (secret.wrong(), "123456")):
        assert not totp.enters(totp.person(f.way, code, password=password, NumberOfPasswordPrompts="2"))


def test_factor_before_a_password_of_the_upstream(factor, account):
    """With Passthrough, the upstream is not dialled before the factor is proven."""
    f = factor(methods="keyboard-interactive:factor,password", User=account, **PASSTHROUGH,
               sshd={"UsePAM": "yes", "PasswordAuthentication": "yes"})
    t = f.way.client.prompting("id -un", PreferredAuthentications="keyboard-interactive,password")
    for code in ("wrong", "123456"):
        t.expect("Code:")
        assert not f.way.sshd.log.find("Connection from")
        t.send(code + "\n")
    t.expect("password: ")
    t.send(PASSWORD + "\n")
    t.expect(rf"^{account}")
    assert t.wait() == 0
    t.close()
    f.gateway.log.wait(f"Partial {DEVICE} for alice")
    f.gateway.log.wait("Accepted password for alice")


def test_jump_with_a_factor(factor, person):
    f = factor(Mode="jump", AllowDestinations="127.0.0.0/8:*", HostName=None, Port=None, User=None, Key=None,
               UserKnownHostsFile=None)
    p = person(f.way)
    assert p.log_in(["wrong"]) is False and p.converse(["123456"])
    channel = p.transport.open_channel("direct-tcpip", ("127.0.0.1", f.way.sshd.port), ("127.0.0.1", 1), timeout=PATIENCE)
    assert channel.recv(8) == b"SSH-2.0-"


# --- logins that do not exist ---

FIRST = "keyboard-interactive:factor"


def test_unknown_login_gets_the_same_questions(factor, person):
    """Where the factor comes first: those that somebody was asked last, in the same time."""
    f = factor("echo info Welcome; " + CODE, front={"MaxAuthTries": "2"}, methods=FIRST, AuthorizedKeysFile=None)

    def tries(login):
        p = person(f.way, login)
        start = time.monotonic()
        assert p.converse(["wrong"]) is False
        took = time.monotonic() - start
        asked = p.asked
        p.close()
        assert asked == [("Welcome", [("Code:", False)])], login
        return took

    tries("alice")
    takes_as_long(*(functools.partial(tries, login) for login in ("alice", "nobody-here")), share=PACE)
    f.gateway.log.wait(f"Failed {DEVICE} for invalid user nobody-here")


def test_unknown_login_is_not_shown_what_a_user_was(factor, person):
    """The texts of a conversation that has succeeded may be for its user alone."""
    f = factor("echo info Hello $(cat $here/name); " + CODE, methods=FIRST, AuthorizedKeysFile=None)
    asked = []
    for login, name, code in (("alice", "you", "wrong"), ("alice", "Alice", "123456"), ("nobody-here", "-", "wrong")):
        (f.dir / "name").write_text(name)
        p = person(f.way, login)
        assert p.converse([code]) is (code == "123456")
        asked.append(p.asked[0][0])
        p.close()
    assert asked == ["Hello you", "Hello Alice", "Hello you"]


@pytest.mark.parametrize("script", ["exit 70", "echo nonsense", "echo prompt Code:; echo ask; read -r a; exit 70"])
def test_broken_program_does_not_tell_who_exists(factor, person, script):
    """A client that has proven nothing sees no refusal, but for the log."""
    f = factor(script, front={"MaxAuthTries": "3"}, methods=FIRST, AuthorizedKeysFile=None)
    heard = []
    for login in ("alice", "nobody-here"):
        p = person(f.way, login)
        assert p.converse(["wrong"]) is False and p.converse(["wrong"]) is False
        heard.append(p.asked)
    assert heard[0] == heard[1] and len(heard[0]) == 2
    f.gateway.log.wait(f"alice: exec:{f.script}: ")
    f.script.unlink()
    p = person(f.way)
    assert p.converse(["wrong"]) is False and p.asked == heard[0][:1]


def test_program_that_has_gone(factor, person):
    f = factor()
    f.script.unlink()
    refused(person(f.way))
    f.gateway.log.wait(f"alice.*refused: exec:{f.script}: {f.script}: No such file or directory")
    f.write("exit 0")
    f.script.chmod(0o777)
    refused(person(f.way))
    f.gateway.log.wait(f"alice.*refused: exec:{f.script}: {f.script}: others may write to it")
    f.script.chmod(0o644)
    refused(person(f.way))
    f.gateway.log.wait(f"alice.*refused: exec:{f.script}: {f.script}: is not executable; run: chmod")
    f.script.write_text("#!/no/such/shell\n")
    f.script.chmod(0o755)
    refused(person(f.way))
    f.gateway.log.wait(f"alice.*refused: exec:{f.script}: cannot be run: No such file or directory")


# --- the manual ---


def test_example_of_the_manual(factor, person):
    page = (TREE / "man/sallyport-exec.5").read_text()
    example = page.split(".Ss Example")[1].split("literal -offset indent\n")[1].split(".Ed")[0].replace("\\e", "\\")
    f = factor()
    codes = f.dir / "codes"
    codes.mkdir()
    (codes / "alice").write_text("4711\n")
    f.script.write_text(example.replace("/etc/sallyport/codes", str(codes)))
    p = person(f.way)
    assert p.log_in(["123456"]) is False and p.converse(["4711"])
    assert p.asked == [("", [("Code: ", False)])] * 2
    (codes / "alice").unlink()
    refused(person(f.way), ["4711"])
    f.gateway.log.wait("exit status 2: cat: ")
