"""accept-new writes only into directories that the configuration named at the start, since a Landlock ruleset
cannot be widened.
"""

import re
import sys

import pytest

from lab import without_landlock
from lab.sshd import ME
from lab.wait import wait_for

RESTART = r"accept-new writes to {}, in a directory that was not configured when this gateway started: restart it"


def route_with_accept_new(w, login, path, **words):
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


def test_reload_with_new_directory_asks_for_restart(w):
    path = w.known / "hosts"
    route_with_accept_new(w, "bob", path)
    file = w.gateway.conf / "10-bob.ini"
    line = file.read_text().splitlines().index(f"UserKnownHostsFile = {path}") + 1
    p = w.gateway.reload()
    message = rf"{re.escape(str(file))}:{line}: " + RESTART.format(re.escape(str(path)))
    assert p.returncode == 78 and re.search(message, p.stderr.decode() + p.stdout.decode()), p
    w.gateway.log.wait(message)
    w.gateway.log.wait(r"reload: 1 error; the configuration stays as it was")
    assert w.lets_in("alice") and not w.lets_in("bob")
    restart(w)
    assert w.lets_in("bob") and f":{w.sshd.port} " in path.read_text()


def test_reload_with_subdirectory_of_known_directory(w):
    route_with_accept_new(w, "bob", w.known / "hosts")
    restart(w)
    (w.known / "more").mkdir()
    path = w.known / "more" / "hosts"
    route_with_accept_new(w, "carol", path)
    assert w.gateway.reload().returncode == 0
    assert w.lets_in("carol") and path.exists()


def test_reload_with_accept_new_that_need_not_write(w):
    """The upstream is known by its fingerprint, or is never reached."""
    fingerprints = " ".join(k.fingerprint for k in w.sshd.host_keys)
    route_with_accept_new(w, "bob", w.known / "hosts", HostKeyFingerprint=fingerprints)
    assert w.gateway.reload().returncode == 0
    assert w.lets_in("bob")


def test_directory_created_after_start(w):
    route_with_accept_new(w, "bob", w.known / "later" / "hosts")
    restart(w)
    w.gateway.log.wait("listening on")
    assert w.gateway.reload().returncode == 0
    (w.known / "later").mkdir()
    p = w.gateway.reload()
    assert p.returncode == 78 and b"restart it" in p.stderr + p.stdout
    assert not w.lets_in("bob")
    w.gateway.log.wait(rf"cannot add the host key of 127\.0\.0\.1: {w.known}/later/hosts: is in a directory "
                              r"that the configuration did not name when the gateway was started")
    restart(w)
    assert w.lets_in("bob")


def test_replaced_directory_is_not_written(w):
    """Landlock rules are for the directory, not for its name."""
    route_with_accept_new(w, "bob", w.known / "hosts")
    restart(w)
    w.known.rename(w.known.with_name("old"))
    w.known.mkdir()
    p = w.gateway.reload()
    assert p.returncode == 78 and b"restart it" in p.stderr + p.stdout


def lookup_program(w, answer, more=""):
    program = w.gateway.dir / "lookup"
    program.write_text("#!/bin/sh\n[ $1 = bob ] || exit 1\ncat <<'END'\n" + answer + "END\n")
    program.chmod(0o755)
    (w.gateway.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = ini exec\n{more}\n[lookup exec]\nCommand = {program}\n")


def route_lines(w, path):
    (w.gateway.conf / "bob.pub").write_text(w.ring.get("client").public + "\n")
    return (f"HostName = 127.0.0.1\nPort = {w.sshd.port}\nUser = {ME}\nKey = alice\n"
            f"AuthorizedKeysFile = {w.gateway.conf}/bob.pub\nStrictHostKeyChecking = accept-new\n"
            f"UserKnownHostsFile = {path}\n")


def test_lookup_program_that_names_undeclared_directory(w):
    path = w.known / "hosts"
    lookup_program(w, route_lines(w, path))
    assert w.gateway.reload().returncode == 0
    assert not w.lets_in("bob")
    wait_for("the reason", lambda: w.gateway.log.find(
        rf"cannot add the host key of 127\.0\.0\.1: {path}: is in a directory that the configuration did not name "
        r"when the gateway was started; see KnownHostsDirectory in sallyport\.conf\(5\)"))
    lookup_program(w, route_lines(w, path), more=f"KnownHostsDirectory = {w.known}\n")
    p = w.gateway.reload()
    assert p.returncode == 78
    assert re.search(rf"20-lookup\.ini:3: {RESTART.format(w.known)}", (p.stderr + p.stdout).decode()), p
    restart(w)
    assert w.lets_in("bob") and path.exists()


def test_state_directory_of_unit_is_writable(w, short):
    """systemd passes its path as STATE_DIRECTORY."""
    w.gateway.stop()
    w.gateway.within = ("env", f"STATE_DIRECTORY=/nonexistent:{w.known}")
    w.gateway.start()
    route_with_accept_new(w, "bob", w.known / "hosts")
    assert w.gateway.reload().returncode == 0
    assert w.lets_in("bob")


@pytest.mark.parametrize("words", ["[lookup directory]\nStrictHostKeyChecking = accept-new\n",
                                   "KnownHostsDirectory = users\n[lookup directory]\n"])
def test_directory_backend_whose_routes_have_accept_new(w, words):
    """The routes are not read at the start, so the section of the backend must say that the tree is written
    to.
    """
    d = w.gateway.dir / "users" / "bob"
    d.mkdir(parents=True)
    (d / "route.ini").write_text(route_lines(w, "known_hosts"))
    lines = "[lookup]\nOrder = ini directory\n{}Path = users\n"
    (w.gateway.conf / "20-lookup.ini").write_text(lines.format("[lookup directory]\n"))
    restart(w)
    assert not w.lets_in("bob")
    w.gateway.log.wait(r"users/bob/known_hosts: is in a directory that the configuration did not name")
    (w.gateway.conf / "20-lookup.ini").write_text(lines.format(words))
    restart(w)
    assert w.lets_in("bob") and (d / "known_hosts").exists()


def test_reload_with_new_directory_without_landlock(gated, tmp_path):
    """One line of the log says that Landlock is missing; nothing is refused."""
    w = gated()
    w.known = tmp_path / "known"
    w.known.mkdir()
    w.gateway.stop()
    w.gateway.within = (sys.executable, without_landlock.__file__)
    mark = w.gateway.log.mark()
    w.gateway.start()
    said = [line for line in w.gateway.log.lines(mark) if "Landlock" in line]
    assert len(said) == 1 and "Landlock is not available here: Operation not supported; " in said[0], said
    route_with_accept_new(w, "bob", w.known / "hosts")
    assert w.gateway.reload().returncode == 0
    assert w.lets_in("bob") and w.lets_in("alice")
    (keeper,) = w.gateway.keepers()
    assert keeper.status("Seccomp") == "2"
