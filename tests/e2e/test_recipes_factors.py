"""doc/recipes.md, a second factor by RADIUS and by PAM, as it is written there, with the real servers and modules."""

import shutil

import pytest

from lab import pam
from lab.daemons import FreeRadius
from lab.documents import block, put
from lab.gateway_operator import Operator
from lab.pam import PamSocket, module
from lab.program import PROGRAMS
from lab.way import Way

PAGE = "doc/recipes.md"
SECRET = "of gateway and RADIUS"
# After the passcode, a challenge.
CHALLENGE = """
if (!&State && &User-Password == "123456") {
	update reply {
		Reply-Message := "Sent to +49 1\\nCode of the message: "
		State := 0x01
	}
	update control {
		Response-Packet-Type := Access-Challenge
	}
	handled
}
elsif (&State == 0x01 && &User-Password == "789") {
	update control {
		Auth-Type := Accept
	}
}
else {
	reject
}
"""


@pytest.fixture
def served(make_gateway, make_sshd, ring, tmp_path):
    """served(a line of the route): a way of alice, and its operator.  The gateway has plugins/exec, as an installed one,
    and the programs {name: text} in bin.
    """
    made = []

    def serve(line, **programs):
        gateway, sshd = make_gateway(StrictModes="no"), make_sshd()
        gateway.route("alice", sshd, [ring.get("client")], **dict([[w.strip() for w in line.split("=", 1)]]))
        (gateway.dir / "plugins").mkdir()
        (gateway.dir / "plugins" / "exec").symlink_to(PROGRAMS)
        (gateway.dir / "bin").mkdir()
        for name, text in programs.items():
            (gateway.dir / "bin" / name).write_text(text)
            (gateway.dir / "bin" / name).chmod(0o755)
        gateway.start()
        made.append(Way("gateway", tmp_path, ring, sshd, gateway))
        return made[-1], Operator(gateway, made[-1].client, tmp_path)

    yield serve
    for way in made:
        way.close()


def log_in(way, *dialogue):
    """`ssh alice@gateway`, with what it shows and what is typed then."""
    t = way.client.prompting("echo in", PreferredAuthentications="publickey,keyboard-interactive")
    for shown, typed in dialogue:
        t.expect(shown)
        t.send(typed + "\n")
    t.expect("^in")
    assert t.wait() == 0
    t.close()


def test_second_factor_by_radius(served, tmp_path):
    recipe = "A second factor by RADIUS"
    if not shutil.which("radclient"):
        pytest.skip("radclient is not installed (freeradius-utils)")
    way, operator = served(block(PAGE, recipe, "ini"))
    server = FreeRadius(SECRET, "", CHALLENGE)
    try:
        (way.gateway.dir / "radius.secret").write_text(SECRET + "\n")
        operator.run(put(block(PAGE, recipe, "sh", 0), (" -g sallyport-net", "")))
        (way.gateway.conf / "radius").write_text(put(
            block(PAGE, recipe, ""), ("radius1.example.com radius2.example.com", server.address))
            + "Timeout = 60\n")
        # by hand
        trial = put(block(PAGE, recipe, "sh", 1), ("setpriv --reuid=sallyport-net --regid=sallyport-net --clear-groups ", ""))
        assert operator.run(f"printf '123456\\n789\\n' | {trial}").splitlines() == [
            "prompt Passcode: ", "ask", "info Sent to +49 1", "prompt Code of the message: ", "ask"]
        mark = server.log.mark()
        log_in(way, ("Passcode:", "wrong"), ("Passcode:", "123456"), ("Code of the message:", "789"))
        way.gateway.log.wait("Accepted keyboard-interactive/factor for alice from")
        server.log.wait('Calling-Station-Id = "127.0.0.1"', mark)
        # a server that is gone
        server.process.kill()
        server.process.wait()
        (way.gateway.conf / "radius").write_text((way.gateway.conf / "radius").read_text().replace("60", "1"))
        t = way.client.prompting("echo in", PreferredAuthentications="publickey,keyboard-interactive")
        t.expect("Passcode:")
        t.send("123456\n")
        assert t.wait() == 255
        t.close()
        way.gateway.log.wait(rf"factor.*no answer: {server.address}: ")
        assert SECRET not in way.gateway.log.text() and "123456" not in way.gateway.log.text()
    finally:
        server.stop()


def test_second_factor_by_pam(served, short, tmp_path):
    recipe = "A second factor by PAM"
    # sallyport-pam is not where the gateway looks for programs
    way, operator = served(
        put(block(PAGE, recipe, "ini"), ("plugins/exec/factor-pam", f"bin/pam {short}/pam.sock")),
        pam=f'#!/bin/sh\nPATH={pam.PROGRAM.parent}:$PATH exec plugins/exec/factor-pam "$@"\n')
    server = PamSocket(short)
    try:
        state = short / "state"
        server.service(put(block(PAGE, recipe, "pam"), ("/var/lib/sallyport-pam", state), ("pam_oath.so", module("pam_oath")),
                           ("pam_permit.so", module("pam_permit"))))
        # the secret of RFC 4226, appendix D
        operator.run(put(block(PAGE, recipe, "sh", 1), ("$(openssl rand -hex 20)", b"12345678901234567890".hex())).replace(
            "/var/lib/sallyport-pam", str(state)))
        log_in(way, ("One-time password.*:", "111111"), ("One-time password.*:", "755224"))
        way.gateway.log.wait("Failed keyboard-interactive/factor for alice from")
        way.gateway.log.wait("Accepted keyboard-interactive/factor for alice from")
        # the next code, and not the same
        log_in(way, ("One-time password.*:", "755224"), ("One-time password.*:", "287082"))
        assert "alice from 127.0.0.1: service sallyport: passed" in server.log.read_text()
        assert "755224" not in way.gateway.log.text() + server.log.read_text()
    finally:
        server.close()
