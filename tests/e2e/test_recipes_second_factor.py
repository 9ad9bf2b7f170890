"""doc/recipes.md, A second factor, as it is written there."""

import re

import pytest

from lab.documents import block, blocks, put
from lab.gateway_operator import Operator
from lab.totp import App, enters, person
from lab.way import Way

PAGE, HEADING = "doc/recipes.md", "A second factor"


@pytest.fixture
def operated(make_gateway, make_sshd, ring, tmp_path):
    """A way, and the operator of its gateway, whose service manager restarts it."""
    gateway, sshd = make_gateway(), make_sshd()
    gateway.route("alice", sshd, [ring.get("client")])
    gateway.start()
    way = Way("gateway", tmp_path, ring, sshd, gateway)
    operator = Operator(gateway, way.client, tmp_path)
    operator.command("systemctl", '[ "$*" = "restart sallyport" ]')
    yield way, operator
    way.close()


def restart(gateway):
    gateway.kill(15)
    gateway.start()


def test_second_factor(operated):
    way, operator = operated
    gateway = way.gateway
    kinds = [kind for kind, _ in blocks(PAGE, HEADING)]
    assert kinds == ["ini", "sh", "sh", "ini", "", "ini", "sh", "sh", "sh"]
    # the code is one of minutes ago (lab.totp)
    operator.append("10-alice.ini", block(PAGE, HEADING, "ini") + "TotpSkew = 10\n")
    app = App(operator.run(block(PAGE, HEADING, "sh")))
    operator.run(block(PAGE, HEADING, "sh", 1))
    restart(gateway)
    assert not enters(way.client)
    assert enters(person(way, app.code()))

    operator.append("10-alice.ini", block(PAGE, HEADING, "ini", 1))
    operator.reload()
    assert enters(person(way, app.recovery[0]))
    assert enters(person(way))

    operator.run(block(PAGE, HEADING, "sh", 2))
    assert not enters(person(way))

    app = App(operator.run(block(PAGE, HEADING, "sh", 3)))
    assert enters(person(way, app.recovery[0]))


def test_secret_that_alice_has(operated, tmp_path):
    way, operator = operated
    operator.append("10-alice.ini", block(PAGE, HEADING, "ini") + "TotpSkew = 10\n")
    (tmp_path / "secret").write_text('JBSWY3DPEHPK3PXPJBSWY3DPEH\n" RATE_LIMIT 3 30\n" TOTP_AUTH\n12345678\n')
    operator.run(put(block(PAGE, HEADING, "sh", 4), ("/home/alice/.google_authenticator", tmp_path / "secret")))
    restart(way.gateway)
    assert enters(person(way, App("otpauth://totp/x:alice?issuer=x&secret=JBSWY3DPEHPK3PXPJBSWY3DPEH").code()))


def test_no_code_from_the_office(operated):
    way, operator = operated
    conf = way.gateway.conf
    without = (conf / "10-alice.ini").read_text()
    office = put(block(PAGE, HEADING, "ini", 2), ("10.1.0.0/16", "127.0.0.2"))
    (conf / "10-alice.ini").write_text(re.sub(r"^\[route alice\]\n", office, without, flags=re.M) +
                                       without + block(PAGE, HEADING, "ini"))
    operator.run(block(PAGE, HEADING, "sh"))
    restart(way.gateway)
    assert enters(way.new_client(BindAddress="127.0.0.2"))
    assert not enters(way.client)


def test_connection_that_the_client_keeps(operated, short):
    way, operator = operated
    operator.append("10-alice.ini", block(PAGE, HEADING, "ini"))
    app = App(operator.run(block(PAGE, HEADING, "sh")))
    restart(way.gateway)
    words = put(block(PAGE, HEADING, ""), ("Host gateway\n", ""), ("~/.ssh/", f"{short}/"))
    c = person(way, app.recovery[0], **dict(line.split() for line in words.splitlines()))
    assert enters(c) and enters(c)
    assert len(c.answers.asked()) == 1
    c.run(c.argv("ssh", "-O", "exit", "upstream"))
