"""Clients with a command line like that of ssh."""

import hashlib

import pytest

from lab.tty import Terminal, needs_terminals


def openssh(way, *flags):
    return way.client.argv("ssh", *flags, "upstream")


def plink(way, *flags):
    return way.putty("plink", *flags, "-l", way.login, "127.0.0.1")


def dbclient(way, *flags):
    # twice -y: any host key
    return ["dbclient", "-y", "-y", "-i", way.key("dropbear"), "-p", way.front.port, *flags, f"{way.login}@127.0.0.1"]


PROGRAMS = {"OpenSSH": openssh, "plink": plink, "dbclient": dbclient}
each = pytest.mark.parametrize("client", PROGRAMS)


def terminal(way, argv):
    needs_terminals()
    t = Terminal([str(a) for a in argv], way.client.env, way.dir, 31, 97)
    way.client.started.append(t.process)
    return t


@each
def test_exit_status(both, client):
    """exit status 0, 1 and 255"""
    def run(way):
        seen = [way.run([*PROGRAMS[client](way), f"echo out; exit {n}"], check=False) for n in (0, 1, 255)]
        assert [r.out for r in seen] == [b"out\n"] * 3, seen
        return [r.code for r in seen]

    both(run)


@each
def test_signal(both, client):
    """end by a signal"""
    def run(way):
        r = way.run([*PROGRAMS[client](way), "echo out; kill -TERM $$"], check=False)
        assert r.out == b"out\n", r
        return r.code

    both(run)


@each
def test_streams(both, client):
    """8 MiB to stdin and from stdout"""
    def run(way):
        with open(way.bulk.path, "rb") as f:
            r = way.run([*PROGRAMS[client](way), "cat; echo err >&2"], f)
        assert hashlib.sha256(r.out).hexdigest() == way.bulk.sha256
        return r.code, "err\n" in r.err

    both(run)


@each
def test_shell(both, client):
    """shell on a terminal"""
    def run(way):
        flags = ["-tt"] if client == "OpenSSH" else ["-t"]
        t = terminal(way, PROGRAMS[client](way, *flags))
        t.send("PS1=; unset PROMPT_COMMAND; stty -echo; echo $((6*7)) $TERM; exit 5\n")
        t.expect(r"42 xterm\r")
        return t.wait()

    both(run)


@each
def test_resize(both, client):
    """window size and its change"""
    def run(way):
        t = terminal(way, [*PROGRAMS[client](way, "-t"),
                           "while :; do s=$(stty size); [ \"$s\" = \"$o\" ] || echo $s; o=$s; sleep 0.05; done"])
        t.expect(r"^31 97\r")
        t.resize(43, 132)
        t.expect(r"^43 132\r")

    both(run)
