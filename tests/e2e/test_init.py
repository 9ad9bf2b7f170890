"""`sallyport init`: from an empty directory to a running gateway."""

import os
import re
import shutil
import subprocess

import pytest

from lab.gateway import SALLYPORT, TREE, Gateway
from lab.way import Way


def init(directory, **kw):
    return subprocess.run([SALLYPORT, "init", directory], capture_output=True, text=True, timeout=120,
                          check=False, **kw)


def files(directory):
    return {str(p.relative_to(directory)): (p.read_bytes(), p.stat().st_mode) if p.is_file() else None
            for p in directory.rglob("*")}


def test_init_writes_sample_configuration(short):
    short.chmod(0o755)  # if this host has the user of RunAs, it may look here
    d = short / "gate"
    p = init(d)
    assert p.returncode == 0 and p.stderr == "", p
    for name in ("00-gateway.ini", "10-routes.ini"):
        assert (d / "conf.d" / name).read_bytes() == (TREE / "conf.d" / name).read_bytes()
    assert (d / "keys").stat().st_mode & 0o777 == 0o700
    assert (d / "keys" / "host_ed25519").stat().st_mode & 0o777 == 0o600
    listed = subprocess.run([SALLYPORT, "key", "list", "-c", d / "conf.d"], capture_output=True, text=True,
                            check=True).stdout
    assert listed.split()[2] in p.stdout
    commands = [line.strip() for line in p.stdout.splitlines() if line.startswith("    sallyport ")]
    assert [c.split()[1] for c in commands] == ["key", "check", "serve"]
    for c in commands[:2]:
        argv = c.split()
        r = subprocess.run([SALLYPORT, *argv[1:]], capture_output=True, check=False)
        assert r.returncode == 0, r
    # -c takes the directory that was made, too
    for words in (["check"], ["key", "list"], ["route", "alice"], ["reload"]):
        ran = [subprocess.run([SALLYPORT, *words, "-c", c], capture_output=True, check=False)
               for c in (d, d / "conf.d")]
        assert (ran[0].returncode, ran[0].stdout, ran[0].stderr) == (ran[1].returncode, ran[1].stdout, ran[1].stderr)
        assert ran[0].returncode == (words[0] in ("route", "reload")), ran


# init looks beside its own program: build/sallyport, or bin/sallyport when installed.
in_place = pytest.mark.skipif(SALLYPORT != str(TREE / "build" / "sallyport"), reason="not build/sallyport")


@in_place
def test_sample_names_existing_programs(tmp_path):
    p = init(tmp_path / "gate")
    sample = (TREE / "conf.d" / "00-gateway.ini").read_text()
    named = set(re.findall(r"^;?Command\s*=\s*(plugins/exec/\S+)", sample, re.M))
    assert named and f"made {tmp_path}/gate/plugins/exec: links to" in p.stdout
    # those for a second factor are no lookup programs
    there = {str(f.relative_to(tmp_path / "gate")) for f in (tmp_path / "gate/plugins/exec").iterdir()
             if not f.name.startswith("factor-")}
    assert there == named
    for name in named:
        assert os.path.samefile(tmp_path / "gate" / name, TREE / name)


@in_place
def test_existing_programs_are_kept(tmp_path):
    own = tmp_path / "plugins" / "exec" / "table"
    own.parent.mkdir(parents=True)
    own.write_text("mine\n")
    assert init(tmp_path).returncode == 0
    assert own.read_text() == "mine\n" and not own.is_symlink()
    assert (own.parent / "http").is_symlink()


def test_init_without_programs_directory(tmp_path):
    alone = tmp_path / "bin" / "sallyport"
    alone.parent.mkdir()
    shutil.copy(SALLYPORT, alone)
    p = subprocess.run([alone, "init", tmp_path / "gate"], capture_output=True, text=True, check=False)
    assert p.returncode == 0 and p.stderr == "" and "plugins" not in p.stdout
    assert not (tmp_path / "gate" / "plugins").exists()


def test_gateway_serves_with_sample(tmp_path, ring, make_sshd):
    d = tmp_path / "gate"
    assert init(d).returncode == 0
    g = Gateway(tmp_path / "other", ring, host_keys=())
    g.dir, g.conf = d, d / "conf.d"
    g.host_key_names = ["host_ed25519"]
    g.write_gateway()  # with another port
    upstream = make_sshd()
    g.route("alice", upstream, [ring.get("client")])
    g.start()
    w = Way("gateway", tmp_path, ring, upstream, g)
    try:
        line = (d / "keys" / "host_ed25519.pub").read_text()
        c = w.new_client(known_hosts=f"[127.0.0.1]:{g.port} {line}")
        assert c.ssh("echo in").text == "in\n"
    finally:
        w.close()
        g.stop()


@pytest.mark.parametrize("there", ["conf.d/mine.ini", "keys/alice", "conf.d/00-gateway.ini"])
def test_existing_files_are_kept(tmp_path, there):
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).write_text("mine\n")
    before = files(tmp_path)
    p = init(tmp_path)
    assert p.returncode == 1 and "is not changed" in p.stderr and p.stdout == ""
    assert files(tmp_path) == before


def test_second_init_changes_nothing(tmp_path):
    assert init(tmp_path).returncode == 0
    before = files(tmp_path)
    assert init(tmp_path).returncode == 1
    assert files(tmp_path) == before


def test_init_does_not_follow_symlink(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").touch()
    (tmp_path / "d" / "conf.d").symlink_to(tmp_path / "elsewhere")
    assert init(tmp_path / "d").returncode == 1
    assert os.listdir(tmp_path / "elsewhere") == ["x"]


def test_init_in_unwritable_place(tmp_path):
    p = init(tmp_path / "no" / "such")
    assert p.returncode == 1 and "No such file or directory" in p.stderr


@pytest.mark.parametrize("args", [[], ["a", "b"], ["--what"], [""]])
def test_wrong_usage(args):
    p = subprocess.run([SALLYPORT, "init", *args], capture_output=True, check=False)
    assert p.returncode == 2 and b"usage: sallyport init DIR\n" in p.stderr


def test_place_that_cannot_be_looked_at(tmp_path):
    """It is not said to exist already."""
    (tmp_path / "file").touch()
    p = init(tmp_path / "file")
    assert p.returncode == 1 and p.stderr == f"sallyport: {tmp_path}/file/conf.d: Not a directory\n"
