"""accept-new writes where the configuration said when the gateway was started: Landlock cannot be widened."""

import re
import sys

import pytest

from lab import without_landlock
from lab.sshd import ME
from lab.wait import wait_for

RESTART = r"accept-new writes to {}, in a directory that this gateway may not write to since its start: restart it"


def accepting(w, login, path, **words):
    w.gateway.route(login, w.sshd, [w.ring.get("client")], key="alice", StrictHostKeyChecking="accept-new",
                    UserKnownHostsFile=path, **words)


def restart(w):
    w.gateway.stop()
    w.gateway.start()


@pytest.fixture
def w(gated, tmp_path):
    w = gated()
    w.gateway.needs_landlock()
    w.known = tmp_path / "known"
    w.known.mkdir()
    return w


def test_reload_that_names_a_new_directory_is_refused_with_the_word_restart(w):
    path = w.known / "hosts"
    accepting(w, "bob", path)
    file = w.gateway.conf / "10-bob.ini"
    line = file.read_text().splitlines().index(f"UserKnownHostsFile = {path}") + 1
    p = w.gateway.reload()
    message = rf"{re.escape(str(file))}:{line}: " + RESTART.format(re.escape(str(path)))
    assert p.returncode == 78 and re.search(message, p.stderr.decode() + p.stdout.decode()), p
    assert w.gateway.log.find(message)
    assert w.gateway.log.find(r"reload: 1 error; the configuration stays as it was")
    assert w.lets_in("alice") and not w.lets_in("bob")
    restart(w)
    assert w.lets_in("bob") and f":{w.sshd.port} " in path.read_text()


def test_reload_that_names_a_directory_below_a_known_one_is_taken(w):
    accepting(w, "bob", w.known / "hosts")
    restart(w)
    (w.known / "more").mkdir()
    path = w.known / "more" / "hosts"
    accepting(w, "carol", path)
    assert w.gateway.reload().returncode == 0
    assert w.lets_in("carol") and path.exists()


def test_reload_with_accept_new_that_needs_not_write_is_taken(w):
    """The machine is known by its fingerprint, or nobody ever goes there."""
    accepting(w, "bob", w.known / "hosts", HostKeyFingerprint=" ".join(k.fingerprint for k in w.sshd.host_keys))
    assert w.gateway.reload().returncode == 0
    assert w.lets_in("bob")


def test_directory_that_was_not_there_at_the_start(w):
    accepting(w, "bob", w.known / "later" / "hosts")
    restart(w)
    w.gateway.log.wait("listening on")
    assert w.gateway.reload().returncode == 0
    (w.known / "later").mkdir()
    p = w.gateway.reload()
    assert p.returncode == 78 and b"restart it" in p.stderr + p.stdout
    assert not w.lets_in("bob")
    assert w.gateway.log.find(rf"cannot add the host key of 127\.0\.0\.1: {w.known}/later/hosts: is in a directory "
                              r"that the configuration did not name when the gateway was started")
    restart(w)
    assert w.lets_in("bob")


def test_directory_that_was_replaced(w):
    """Another one of the same name is another one."""
    accepting(w, "bob", w.known / "hosts")
    restart(w)
    w.known.rename(w.known.with_name("old"))
    w.known.mkdir()
    p = w.gateway.reload()
    assert p.returncode == 78 and b"restart it" in p.stderr + p.stdout


def lookup(w, answer, more=""):
    program = w.gateway.dir / "lookup"
    program.write_text("#!/bin/sh\n[ $1 = bob ] || exit 1\ncat <<'END'\n" + answer + "END\n")
    program.chmod(0o755)
    (w.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = ini exec\n{more}\n[lookup exec]\nCommand = {program}\n")


def answer(w, path):
    (w.gateway.conf / "bob.pub").write_text(w.ring.get("client").public + "\n")
    return (f"HostName = 127.0.0.1\nPort = {w.sshd.port}\nUser = {ME}\nKey = alice\n"
            f"AuthorizedKeysFile = {w.gateway.conf}/bob.pub\nStrictHostKeyChecking = accept-new\n"
            f"UserKnownHostsFile = {path}\n")


def test_program_that_answers_with_a_directory_nobody_named(w):
    path = w.known / "hosts"
    lookup(w, answer(w, path))
    assert w.gateway.reload().returncode == 0
    assert not w.lets_in("bob")
    wait_for("the reason", lambda: w.gateway.log.find(
        rf"cannot add the host key of 127\.0\.0\.1: {path}: is in a directory that the configuration did not name "
        r"when the gateway was started; see KnownHostsDirectory in sallyport\.conf\(5\)"))
    lookup(w, answer(w, path), more=f"KnownHostsDirectory = {w.known}\n")
    p = w.gateway.reload()
    assert p.returncode == 78
    assert re.search(rf"20-lookup\.ini:3: {RESTART.format(w.known)}", (p.stderr + p.stdout).decode()), p
    restart(w)
    assert w.lets_in("bob") and path.exists()


def test_state_directory_of_the_unit(w, short):
    """systemd says where it is by STATE_DIRECTORY."""
    w.gateway.stop()
    w.gateway.within = ("env", f"STATE_DIRECTORY=/nonexistent:{w.known}")
    w.gateway.start()
    accepting(w, "bob", w.known / "hosts")
    assert w.gateway.reload().returncode == 0
    assert w.lets_in("bob")


@pytest.mark.parametrize("words", ["[lookup directory]\nStrictHostKeyChecking = accept-new\n",
                                   "KnownHostsDirectory = users\n[lookup directory]\n"])
def test_tree_whose_routes_accept_new_on_their_own(w, words):
    """What stands in a tree is not looked at when the gateway starts: its section says that it is written to."""
    d = w.gateway.dir / "users" / "bob"
    d.mkdir(parents=True)
    (d / "route.ini").write_text(answer(w, "known_hosts"))
    lines = "[lookup]\nOrder = ini directory\n{}Path = users\n"
    (w.gateway.conf / "20-lookup.ini").write_text(lines.format("[lookup directory]\n"))
    restart(w)
    assert not w.lets_in("bob")
    assert w.gateway.log.find(r"users/bob/known_hosts: is in a directory that the configuration did not name")
    (w.gateway.conf / "20-lookup.ini").write_text(lines.format(words))
    restart(w)
    assert w.lets_in("bob") and (d / "known_hosts").exists()


def test_kernel_without_landlock(gated, tmp_path):
    """One line says so; there is nothing to refuse."""
    w = gated()
    w.known = tmp_path / "known"
    w.known.mkdir()
    w.gateway.stop()
    w.gateway.within = (sys.executable, without_landlock.__file__)
    mark = w.gateway.log.mark()
    w.gateway.start()
    said = [line for line in w.gateway.log.lines(mark) if "Landlock" in line]
    assert len(said) == 1 and "Landlock is not available here: Operation not supported; " in said[0], said
    accepting(w, "bob", w.known / "hosts")
    assert w.gateway.reload().returncode == 0
    assert w.lets_in("bob") and w.lets_in("alice")
    (keeper,) = w.gateway.keepers()
    assert keeper.status("Seccomp") == "2"
