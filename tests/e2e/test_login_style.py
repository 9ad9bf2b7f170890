"""A login with a style, "alice:x": sshd takes it for alice, the gateway too unless it has a route as a whole."""

import re


def test_style_is_cut_off(own_way):
    w = own_way()
    for style in ("x", "a:b"):  # sshd 9.2 ends a connection with an empty style
        r = w.ssh("echo in", User=f"{w.login}:{style}")
        assert r.text == "in\n", r
    if w.gateway:
        w.gateway.log.wait(r"Accepted publickey for alice:a:b from 127.0.0.1")
        w.gateway.log.wait(r"alice:x from 127.0.0.1 port \d+ -> ")


def test_route_as_a_whole_comes_first(gated, make_sshd):
    w = gated()
    other = make_sshd()
    w.gateway.route("alice:ci", other, [w.client.key], key="ci")
    w.gateway.hangup()
    w.answers()
    assert w.ssh("echo in", User="alice:ci").text == "in\n"
    other.log.wait(r"Accepted publickey")
    mark = other.log.mark()
    assert w.ssh("echo in", User="alice:other").text == "in\n"
    assert not other.log.find(r"Accepted publickey", mark)


def test_unknown_login_with_style_is_unknown(own_way):
    w = own_way()
    answers = set()
    for login in ("nobody-here", "nobody-here:x", ":x", "alice\\:x"):
        # from its file: ssh 10.6 refuses a backslash on the command line
        r = w.new_client(user=login).ssh("-v", "true")
        assert r.code == 255
        answers.add(tuple(re.findall(r"can continue: (\S+)", r.err)))
    assert len(answers) == 1, answers
    w.front.log.wait(r"Invalid user nobody-here")


def test_route_command_says_so(gated):
    w = gated()
    assert "login      alice:x, without its style: alice\n" in w.gateway.command("route", "alice:x")


def test_program_is_asked_for_both(lookup):
    l = lookup(cases="exact) answer ;;\nwhole:x) answer ;;\n")
    assert l.login("exact:x").text == "in\n"
    assert l.login("whole:x").text == "in\n"
    assert l.login("none:x").code == 255
    asked = (l.here / "asked").read_text().split()
    assert asked[:3] == ["exact:x", "exact", "whole:x"] and asked[3:5] == ["none:x", "none"]
