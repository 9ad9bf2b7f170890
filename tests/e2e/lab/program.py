"""The programs of plugins/exec: run by hand, and run by a gateway."""

import subprocess

import pytest

from .gateway import TREE

PROGRAMS = TREE / "plugins" / "exec"
HOSTILE = ["$(touch pwned)", "`touch pwned`", "a;touch pwned", "a'b", "a&fingerprint=x", "a%00b", "a b", "a\\nb",
           "x=@/etc/passwd", "@/etc/passwd", "1e1", "010", ".*", "a,b", "&", "\\1", "+", "a+", "+web1", "a+b+c"]


def run(program, *args, **env):
    return subprocess.run(
        [PROGRAMS / program, *map(str, args)], capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **env},
    )


@pytest.fixture
def program_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "pwned").exists()


@pytest.fixture
def program_gateway(make_gateway, make_sshd, way_through, ring):
    """program_gateway(words of Command): a way for alice through a gateway that runs this lookup program.  It
    has a key "mapped", alice.pub and known_hosts.
    """

    def make(*command, timeout=60):
        # the checkout, and so its programs, may belong to anybody
        g, s = make_gateway(StrictModes="no"), make_sshd()
        s.authorize(g.generate_key("mapped"))
        (g.dir / "known_hosts").write_text(s.known_hosts())
        (g.dir / "alice.pub").write_text(ring.get("client").public + "\n")
        (g.conf / "20-lookup.ini").write_text(
            "[lookup]\nOrder = exec\n[lookup exec]\nCommand = " + " ".join(map(str, command)) + "\n"
            + f"Timeout = {timeout}s\n"
        )
        return way_through(g, s)

    return make
