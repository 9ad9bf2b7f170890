"""Programs that start ssh themselves."""

import random
import sys

import pytest

from lab import net
from lab.tty import Terminal, needs_terminals
from lab.wait import wait_for


@pytest.mark.client("git")
def test_git(both):
    """clone, push, fetch, missing repository"""
    def run(way):
        git = way.client.git
        origin, work, clone = (way.files / name for name in ("origin.git", "work", "clone"))
        url = f"ssh://upstream{origin}"
        git("init", "-q", "--bare", "-b", "main", origin)
        git("clone", "-q", url, work)
        (work / "file").write_bytes(random.Random(1).randbytes(3 << 20))
        git("add", ".", cwd=work)
        git("-c", "user.useConfigOnly=true", "commit", "-q", "-m", "one", "--date=@0 +0000", cwd=work)
        git("push", "-q", "origin", "HEAD:main", cwd=work)
        git("clone", "-q", url, clone)
        git("fsck", "--strict", cwd=clone)
        tree = git("rev-parse", "HEAD^{tree}", cwd=clone).text
        return tree, git("clone", "-q", f"ssh://upstream{way.files}/none", way.files / "x", check=False).code

    both(run)


@pytest.mark.client("hg")
def test_hg(both):
    """clone, push, incoming"""
    def run(way):
        hg = way.client.hg
        origin, work, clone = (way.files / name for name in ("origin", "work", "clone"))
        url = f"ssh://upstream/{origin}"
        hg("init", origin)
        hg("clone", url, work)
        (work / "file").write_bytes(random.Random(1).randbytes(3 << 20))
        hg("addremove", "-q", cwd=work)
        hg("commit", "-u", "tester", "-d", "0 0", "-m", "one", cwd=work)
        hg("push", url, cwd=work)
        hg("clone", url, clone)
        hg("verify", "-q", cwd=clone)
        return hg("id", "-i", cwd=clone).text, hg("incoming", url, cwd=clone, check=False).code

    both(run)


@pytest.mark.client("borg")
def test_borg(both):
    """init, create, extract, check"""
    def run(way):
        (way.dir / "borg").mkdir()
        (way.files / "out").mkdir()
        env = {"BORG_RSH": f"ssh -F {way.client.config}", "BORG_BASE_DIR": str(way.dir / "borg"),
               "BORG_REPO": f"ssh://upstream{way.files}/repository",
               "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}

        def borg(*args, cwd=way.bulk.path.parent, check=True):
            return way.client.run(["borg", *args], cwd=cwd, env=env, check=check)

        borg("init", "--encryption=none")
        borg("create", "::one", way.bulk.path.name)
        borg("extract", "::one", cwd=way.files / "out")
        assert (way.files / "out" / way.bulk.path.name).read_bytes() == way.bulk.path.read_bytes()
        borg("check", "--verify-data")
        return borg("list", "--short").out, borg("extract", "::none", check=False).code

    both(run)


@pytest.mark.client("mosh")
def test_mosh(both):
    """its login by ssh; its UDP packets go past the gateway, here on the same host"""
    def run(way):
        needs_terminals()
        argv = ["mosh", "--predict=never", f"--ssh=ssh -F {way.client.config}", "upstream", "--",
                "sh", "-c", "echo $((6*7)) in; read answer; exit 0"]
        t = Terminal(argv, way.client.env, way.dir, 31, 97)
        way.client.started.append(t.process)
        t.expect("42 in")
        t.send("done\n")
        code = t.wait()
        return code, "mosh is exiting" in t.seen

    both(run)


SERVER = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print("listening", flush=True)
c, _ = s.accept()
while data := c.recv(65536):
    c.sendall(data)
"""


@pytest.mark.client("an editor's remote mode")
def test_remote_editor(both):
    """a server started by one connection, reached by a Unix-socket forward of a second, files by a third"""
    def run(way):
        there, here = way.short / "there", way.short / "here"
        way.client.sftp(f"put {way.bulk.path} {way.files}/put\n")
        # as editors do: a shell without a terminal reads what to run
        server = way.client.spawn("-T", "sh")
        server.stdin.write(b"cat >%s <<'END'\n%sEND\nexec %s %s %s\n" % (
            *(str(a).encode() for a in (way.files / "server.py",)), SERVER.encode(),
            *(str(a).encode() for a in (sys.executable, way.files / "server.py", there))))
        server.stdin.flush()
        assert server.stdout.readline() == b"listening\n"
        way.client.forward("-L", f"{here}:{there}")
        wait_for("the forward", here.exists)
        data = random.Random(2).randbytes(3 << 20)
        with net.connect_when_ready(str(here)) as s:
            assert net.exchange_on(s, data) == data
        return server.wait(60)

    both(run)
