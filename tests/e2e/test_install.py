"""make install puts files where the sample and the manual say."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.gateway import SALLYPORT, TREE


@pytest.fixture
def installed(short):
    """installed(): run make install (or uninstall) once more, without building; the destination."""
    short.chmod(0o755)  # if this host has the user of RunAs, it may look here

    def install(target="install", tree=TREE):
        p = subprocess.run(
            ["make", "-o", "all", target, f"BUILD={Path(SALLYPORT).parent}", f"PREFIX={short}/usr",
             f"SYSCONFDIR={short}/etc", "DESTDIR="],
            cwd=tree, capture_output=True, text=True, timeout=300, check=False,
            env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
        )
        assert p.returncode == 0, p.stderr
        return short

    return install


def test_programs_are_installed_where_sample_says(installed):
    root = installed()
    etc = root / "etc" / "sallyport"
    sample = (etc / "conf.d" / "00-gateway.ini").read_text()
    named = re.findall(r"^;?Command\s*=\s*(plugins/exec/\S+)", sample, re.M)
    programs = {p.name for p in (etc / "plugins" / "exec").iterdir()}
    factors = {name for name in programs if name.startswith("factor-")}
    assert {Path(n).name for n in named} == programs - factors
    manual = (root / "usr" / "share" / "man" / "man5" / "sallyport-exec.5").read_text()
    for name in named:
        assert os.access(etc / name, os.X_OK)
        assert str((etc / name).resolve()) == f"{root}/usr/share/sallyport/exec/{Path(name).name}"
        assert f".It Pa {Path(name).name} Ar " in manual
    for name in factors:
        assert re.search(rf"^\.It Pa {name} (Ar|Op)", manual, re.M)

    (etc / "conf.d" / "20-lookup.ini").write_text(
        "[lookup]\nOrder = exec\n[lookup exec]\nCommand = plugins/exec/table conf.d/users.csv\n")
    gateway = etc / "conf.d" / "00-gateway.ini"
    gateway.write_text(re.sub(r"^\[lookup\]$", "", gateway.read_text(), flags=re.M))
    (etc / "conf.d" / "users.csv").write_text(
        "login,HostName,Key,AuthorizedKey,HostKeyFingerprint\n"
        f"alice,10.0.0.5,alice,ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43},SHA256:{'A' * 43}\n")
    p = subprocess.run([root / "usr" / "bin" / "sallyport", "route", "alice", "-c", etc / "conf.d"],
                       capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert "10.0.0.5" in p.stdout and "exit status 0" in p.stdout, p


def test_programs_find_shared_files(installed):
    """The programs are links, and the files they share are beside the targets of the links."""
    exec_dir = installed() / "etc" / "sallyport" / "plugins" / "exec"
    (exec_dir.parent / "ldap").write_text("Base = x\n")
    p = subprocess.run([exec_dir / "ldap", exec_dir.parent / "ldap", "alice"], capture_output=True, text=True,
                       timeout=120, check=False)
    assert p.returncode == 2 and "URI is missing" in p.stderr


def test_conf_d_is_installed_with_its_modes(installed, tmp_path):
    """With subdirectories; files that not everybody may read stay so.  In a copy of the tree: other tests install the
    tree at the same time.
    """
    tree = tmp_path / "tree"
    shutil.copytree(TREE, tree, symlinks=True, ignore=lambda d, names: {".git", "build", "tests"} & set(names))
    mine = tree / "conf.d" / "mine"
    mine.mkdir()
    (mine / "alice.pub").write_text("key\n")
    (mine / "password").write_text("secret\n")
    (mine / "password").chmod(0o620)
    there = installed(tree=tree) / "etc" / "sallyport" / "conf.d" / mine.name
    assert (there / "alice.pub").read_text() == "key\n"
    assert (there / "password").stat().st_mode & 0o777 == 0o600


def test_existing_configuration_is_kept(installed):
    etc = installed() / "etc" / "sallyport"
    (etc / "conf.d" / "00-gateway.ini").write_text("; mine\n")
    (etc / "conf.d" / "10-routes.ini").unlink()
    own, gone = etc / "plugins" / "exec" / "table", etc / "plugins" / "exec" / "http"
    own.unlink()
    own.write_text("#!/bin/sh\n")
    gone.unlink()
    installed()
    assert (etc / "conf.d" / "00-gateway.ini").read_text() == "; mine\n"
    assert not (etc / "conf.d" / "10-routes.ini").exists()
    assert own.read_text() == "#!/bin/sh\n" and not own.is_symlink()
    assert gone.is_symlink()


def test_units_are_installed(installed):
    root = installed()
    units = root / "usr" / "lib" / "systemd" / "system"
    assert f"ExecStart={root}/usr/bin/sallyport serve\n" in (units / "sallyport.service").read_text()
    assert (units / "sallyport.socket").read_text() == (TREE / "contrib" / "sallyport.socket").read_text()


def test_installed_units_have_no_mistakes(installed):
    if not shutil.which("systemd-analyze"):
        pytest.skip("takes systemd-analyze")
    units = installed() / "usr" / "lib" / "systemd" / "system"
    p = subprocess.run(["systemd-analyze", "verify", "--man=no", units / "sallyport.socket", units / "sallyport.service"],
                       capture_output=True, text=True, timeout=120, check=False,
                       env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    # of other units of this host it may say something
    said = [line for line in (p.stdout + p.stderr).splitlines() if "sallyport" in line]
    assert not said


def test_files_of_other_programs_are_installed(installed):
    """Where systemd, the shells, fail2ban and AppArmor look for them."""
    root = installed()
    for source, place in {
        "sallyport.sysusers": "usr/lib/sysusers.d/sallyport.conf",
        "sallyport.tmpfiles": "usr/lib/tmpfiles.d/sallyport.conf",
        "completions/sallyport.bash": "usr/share/bash-completion/completions/sallyport",
        "completions/_sallyport": "usr/share/zsh/site-functions/_sallyport",
        "completions/sallyport.fish": "usr/share/fish/vendor_completions.d/sallyport.fish",
        "fail2ban/sallyport.conf": "etc/fail2ban/filter.d/sallyport.conf",
    }.items():
        assert (root / place).read_text() == (TREE / "contrib" / source).read_text(), place
        assert (root / place).stat().st_mode & 0o777 == 0o644
    profile = (root / "etc" / "apparmor.d" / "sallyport").read_text()
    assert f"  {root}/usr/bin/sallyport mrix,\n" in profile and " /usr/bin/sallyport" not in profile
    assert (root / "etc" / "sallyport" / "keys").stat().st_mode & 0o777 == 0o700


def test_uninstall_leaves_the_configuration(installed):
    root = installed()
    own = root / "etc" / "sallyport" / "plugins" / "exec" / "mine"
    own.symlink_to("/bin/true")
    conf = {p for p in (root / "etc" / "sallyport").rglob("*.ini")}
    assert installed("uninstall") == root
    left = {p for p in root.rglob("*") if p.is_symlink() or not p.is_dir()}
    assert conf and left == conf | {own} | {p for p in left if p.is_relative_to(root / "etc" / "sallyport" / "conf.d")}
    assert (root / "etc" / "sallyport" / "keys").is_dir()
    installed("uninstall")  # nothing to remove is no error
