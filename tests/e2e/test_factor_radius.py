"""plugins/exec/factor-radius, with a real FreeRADIUS, and with servers that answer what none should."""

import contextlib
import hashlib
import hmac
import os
import re
import shutil
import socket
import stat
import struct
import threading
from pathlib import Path

import pytest

from lab.daemons import FreeRadius
from lab.factor_program import Dialogue, tried
from lab.program import HOSTILE, PROGRAMS
from lab.wait import wait_for

SECRET = "s3cret of both % $(id)"
ODD = "\\163%{User-Name} \"'`$(touch pwned)é"
QUESTION = [[("prompt", "Passcode: ")]]
ACCEPT, REJECT, CHALLENGE = 2, 3, 11

USERS = f"""
alice	Cleartext-Password := "123456"

long	Cleartext-Password := "{"x" * 128}"

odd	Cleartext-Password := "{"".join("%c%03o" % (92, byte) for byte in ODD.encode())}"
"""

# bob has a password, then a code that he is asked for, and then confirms with an empty line
CHALLENGES = r"""
if (&User-Name == "bob") {
	if (!&State && &User-Password == "first") {
		update reply {
			Reply-Message := "Two-factor login for bob\n\n 1. \"Push\" to caf\303\251\n%{string:x}"
			Reply-Message += "Passcode or option (1-1): "
			State := 0x0102ff
		}
		update control {
			Response-Packet-Type := Access-Challenge
		}
		handled
	}
	elsif (&State == 0x0102ff && &User-Password == "second") {
		update reply {
			Prompt := Echo
			State := 0x0a
		}
		update control {
			Response-Packet-Type := Access-Challenge
		}
		handled
	}
	elsif (&State == 0x0a && !&User-Password) {
		update control {
			Auth-Type := Accept
		}
	}
	else {
		reject
	}
}
"""

pytestmark = pytest.mark.skipif(not shutil.which("radclient"), reason="radclient is not installed (freeradius-utils)")


@pytest.fixture(scope="module")
def radius():
    server = FreeRadius(SECRET, USERS, CHALLENGES.replace("%{string:x}", ""))
    yield server
    server.stop()


@pytest.fixture
def settings(program_dir):
    """settings(Servers=…): the path of a settings file for the program."""
    secret = program_dir / "radius.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o640)

    def write(more="", **words):
        words = {"SecretFile": "radius.secret", "Timeout": 60, **words}
        file = program_dir / "radius"
        file.write_text("# where\n" + "".join(f"{k} = {v}\n" for k, v in words.items() if v is not None) + more)
        return file

    return write


def test_passcode(settings, radius):
    s = settings(Servers=radius.address)
    assert tried("factor-radius", s, answers=["123456"]) == (QUESTION, 0, "")
    for wrong in ("123457", "1234567", "", " ", "123456 ", "x" * 129, "x" * 1000, b"123456\xff\n"):
        rounds, status, _ = tried("factor-radius", s, answers=[wrong])
        assert (rounds, status) == (QUESTION, 1), wrong
    assert tried("factor-radius", s, login="long", answers=["x" * 128])[1] == 0
    assert tried("factor-radius", s, login="long", answers=["x" * 127])[1] == 1
    assert tried("factor-radius", settings(Servers=radius.address, Question="Code ; of your device"),
                 answers=["123456"])[0] == [[("prompt", "Code ")]]


def test_bytes_of_login_and_passcode_have_no_meaning(settings, radius, program_dir):
    s = settings(Servers=radius.address)
    assert tried("factor-radius", s, login="odd", answers=[ODD])[1] == 0
    for text in HOSTILE + ['a"', "%{User-Name}", "\\n"]:
        mark = radius.log.mark()
        assert tried("factor-radius", s, login=text, answers=[text])[1] == 1
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        for name in ("User-Name", "User-Password"):
            radius.log.wait(re.escape(f'{name} = "{escaped}"'), mark)
    mark = radius.log.mark()
    assert tried("factor-radius", s, login="é" * 126, answers=["\\" * 128])[1] == 1
    radius.log.wait(re.escape('User-Password = "' + "\\\\" * 128 + '"'), mark)
    radius.log.wait('User-Name = "' + "é" * 126 + '"', mark)
    assert tried("factor-radius", s, login="é" * 127, answers=["123456"])[1] == 1


def test_server_is_told_of_the_client(settings, radius):
    mark = radius.log.mark()
    more = "NAS-IP-Address = 192.0.2.1\nService-Type = Authenticate-Only\n"
    assert tried("factor-radius", settings(more, Servers=radius.address), answers=["123456"], client="2001:db8::9")[1] == 0
    radius.log.wait("Sent Access-Accept", mark)
    text = radius.log.text(mark)
    for line in ('Calling-Station-Id = "2001:db8::9"', f'NAS-Identifier = "{os.uname().nodename}"', "NAS-Port-Type = Virtual",
                 "NAS-IP-Address = 192.0.2.1", "Service-Type = Authenticate-Only", "Message-Authenticator = 0x"):
        assert line in text, line
    mark = radius.log.mark()
    assert tried("factor-radius", settings('NAS-Identifier = "gw 1"\n', Servers=radius.address), answers=["123456"])[1] == 0
    radius.log.wait('NAS-Identifier = "gw 1"', mark)


def test_challenges(settings, radius):
    s = settings(Servers=radius.address)
    first = [("info", "Two-factor login for bob"), ("info", ' 1. "Push" to café'), ("prompt", "Passcode or option (1-1): ")]
    rounds, status, _ = tried("factor-radius", s, login="bob", answers=["first", "second", ""])
    assert (rounds, status) == (QUESTION + [first, [("echo", "Response:")]], 0)
    assert tried("factor-radius", s, login="bob", answers=["first", "other"])[1] == 1
    assert tried("factor-radius", s, login="bob", answers=["first", "second", "x"])[1] == 1
    d = Dialogue("factor-radius", s, login="bob")
    d.asked()
    d.process.stdin.close()
    d.process.stdin = None
    assert d.status() == (2, "the answer is missing")


class Fake:
    """A server that answers each request with reply(request): (code, attributes, signed: True | False | "wrongly")."""

    def __init__(self, reply, secret=SECRET):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.reply, self.secret, self.requests = reply, secret.encode(), []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            request, sender = self.socket.recvfrom(4096)
            if not request:
                return
            self.requests.append(request)
            answer = self.reply(request)
            if answer is None:
                continue
            code, attributes, signed = answer
            if signed:
                attributes += b"\x50\x12" + bytes(16)
            head = struct.pack(">BBH", code, request[1], 20 + len(attributes))
            if signed:
                mac = hmac.new(self.secret, head + request[4:20] + attributes, hashlib.md5).digest()
                attributes = attributes[:-16] + (mac if signed is True else bytes(16))
            proof = hashlib.md5(head + request[4:20] + attributes + self.secret).digest()
            self.socket.sendto(head + proof + attributes, sender)

    def close(self):
        host, port = self.address.split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", (host, int(port)))
        self.thread.join()
        self.socket.close()


@pytest.fixture
def fake():
    made = []

    def make(reply, **words):
        made.append(Fake(reply, **words))
        return made[-1]

    yield make
    for server in made:
        server.close()


def text(kind, value):
    value = value if isinstance(value, bytes) else value.encode()
    return bytes([kind, 2 + len(value)]) + value


def test_answers_without_message_authenticator_are_refused(settings, fake):
    """CVE-2024-3596: a forged answer has a right Response Authenticator, but cannot have this."""
    attribute = text(18, "\n\tMessage-Authenticator = 0x00")
    for code in (ACCEPT, REJECT, CHALLENGE):
        unsigned = fake(lambda request, code=code: (code, attribute + text(24, "s"), False))
        rounds, status, why = tried("factor-radius", settings(Servers=unsigned.address), answers=["123456"])
        assert (rounds, status) == (QUESTION, 2)
        assert why == f"{unsigned.address}: an answer without Message-Authenticator (RequireMessageAuthenticator)"
        # the first byte of a request's attributes
        assert unsigned.requests[0][20] == 80
    believed = fake(lambda request: (ACCEPT, b"", False))
    s = settings(Servers=believed.address, RequireMessageAuthenticator="no")
    assert tried("factor-radius", s, answers=["123456"])[1] == 0


def test_answers_of_another_are_none(settings, fake):
    """A wrong Message-Authenticator, a wrong secret: it is as if nothing had come."""
    for server in (fake(lambda request: (ACCEPT, b"", "wrongly")), fake(lambda request: (ACCEPT, b"", True), secret="other")):
        s = settings(Servers=server.address, Timeout=1, Tries=1, RequireMessageAuthenticator="no")
        rounds, status, why = tried("factor-radius", s, answers=["123456"])
        assert (rounds, status) == (QUESTION, 2) and why.startswith(f"no answer: {server.address}: "), why


def test_servers_that_do_not_answer(settings, fake, radius):
    s = settings(Servers=f"127.0.0.1:99999 {radius.address}")
    assert tried("factor-radius", s, answers=["123456"])[1] == 0
    silent = fake(lambda request: None)
    s = settings(Servers=f"{silent.address} 127.0.0.1:99999 {silent.address}", Timeout=1)
    status, why = tried("factor-radius", s, answers=["123456"])[1:]
    assert status == 2
    assert [w.split()[0] for w in why.removeprefix("no answer: ").split("; ")] == [
        f"{silent.address}:", "127.0.0.1:99999:", f"{silent.address}:"]
    # two tries each: one packet, so that the server knows the second as the same
    wait_for("the last packet to be read", lambda: len(silent.requests) == 4)
    first, second, third, fourth = silent.requests
    assert first == second and third == fourth and first != third


@pytest.mark.parametrize("attributes, asked", [
    (text(18, "x" * 253) + text(18, "y\r\n\x1b\\"), [("info", "x" * 253 + "y "), ("prompt", " \\")]),
    (text(18, "\n \n"), [("prompt", "Response:")]),
    (text(18, "one") + text(18, "two\t?\n\n"), [("info", "one"), ("prompt", "two ?")]),
    (text(76, b"\0\0\0\0") + text(18, b"\xff\xfe 100% \\n \\\""), [("prompt", '   100% \\n \\"')]),
    (text(76, b"\0\0\0\1") + text(18, "ask\nprompt x"), [("info", "ask"), ("echo", "prompt x")]),
])
def test_texts_of_challenges(settings, fake, attributes, asked):
    server = fake(lambda request: (CHALLENGE, attributes + text(24, "s"), True) if b"\x18\x03s" not in request else
                  (ACCEPT, b"", True))
    rounds, status, _ = tried("factor-radius", settings(Servers=server.address), answers=["123456", "7"])
    assert (rounds[1:], status) == ([asked], 0)


@pytest.mark.parametrize("code, status", [(ACCEPT, 0), (REJECT, 1)])
def test_text_of_the_last_answer(settings, fake, code, status):
    server = fake(lambda request: (code, text(18, "Locked.\nAsk 1234.\n") + text(76, b"\0\0\0\1"), True))
    assert tried("factor-radius", settings(Servers=server.address), answers=["123456"]) == (
        QUESTION + [[("info", "Locked."), ("info", "Ask 1234.")]], status, "")


def test_challenge_without_state(settings, fake):
    server = fake(lambda request: (CHALLENGE, text(18, "\tState = 0x01"), True))
    assert tried("factor-radius", settings(Servers=server.address), answers=["123456"])[1:] == (
        2, f"{server.address}: a challenge without State")


def command_lines_and_environments():
    """Those of all processes that may be seen, while they run."""
    found = b""
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                found += (process / name).read_bytes()
    return found


def test_secret_is_nowhere_to_be_read(settings, fake):
    seen = []

    def reply(request):
        seen.append(command_lines_and_environments())
        return ACCEPT, b"", True

    s = settings(Servers=fake(reply).address)
    assert tried("factor-radius", s, answers=["pass of alice"])[1] == 0
    assert b"radius.secret" in seen[0]
    assert SECRET.encode() not in seen[0] and b"pass of alice" not in seen[0]


def test_secret_that_others_may_read(settings, program_dir):
    s, secret = settings(Servers="127.0.0.1"), program_dir / "radius.secret"
    for mode in (0o644, 0o642, 0o641):
        secret.chmod(mode)
        rounds, status, why = tried("factor-radius", s)
        assert (rounds, status) == ([], 2) and why == "radius.secret holds a password and others may read it: chmod o= radius.secret"
    secret.chmod(0o600)
    secret.write_text("")
    assert tried("factor-radius", s) == ([], 2, "radius.secret is empty")
    secret.unlink()
    assert tried("factor-radius", s) == ([], 2, "radius.secret cannot be read")


def test_wrong_settings(settings, program_dir):
    for words in ({"Servers": None}, {"SecretFile": None}, {"Timeout": "x"}, {"Timeout": "0"}, {"Timeout": "301"}, {"Tries": "11"},
                  {"Question": ""}, {"RequireMessageAuthenticator": "maybe"}, {"User-Name": "x"}, {"Servers = x\nA b": "c"}):
        rounds, status, why = tried("factor-radius", settings(**{"Servers": "127.0.0.1", **words}))
        assert (rounds, status) == ([], 2) and why, words
    assert tried("factor-radius", program_dir / "gone")[1] == 2
    assert tried("factor-radius")[2] == "usage: factor-radius SETTINGS LOGIN"
    assert stat.S_IMODE((PROGRAMS / "factor-radius").stat().st_mode) & 0o111 == 0o111
