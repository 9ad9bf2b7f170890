"""The files of the Debian package that the tree decides.  tests/package/run builds the package and tries it."""

import re
import shutil
import subprocess

import pytest

from lab.gateway import TREE


def test_version_is_that_of_program():
    (version,) = re.findall(r"^VERSION = (\S+)$", (TREE / "Makefile").read_text(), re.M)
    assert (TREE / "debian" / "changelog").read_text().startswith(f"sallyport ({version}-")


def test_users_are_those_of_sysusers():
    """The README of the package and systemd-tmpfiles name them."""
    users = re.findall(r"^u (\S+)", (TREE / "contrib" / "sallyport.sysusers").read_text(), re.M)
    assert users == ["sallyport", "sallyport-net", "sallyport-lookup"]
    owners = re.findall(r"^d \S+ +\d+ (\S+) (\S+)", (TREE / "contrib" / "sallyport.tmpfiles").read_text(), re.M)
    assert owners and {name for pair in owners for name in pair} == {users[0]}
    assert "sallyport, sallyport-net and sallyport-lookup stay" in (TREE / "debian" / "README.Debian").read_text()


def test_build_needs_what_make_deps_installs():
    control = (TREE / "debian" / "control").read_text()
    deps = (TREE / "build-aux" / "deps").read_text().partition("\nsay() ")[0]  # below are those of others
    groups = re.findall(r"\bbuild='(.*)'|\bbuild=\"\$build (.*)\"", deps)
    names = {name for group in groups for text in group for name in text.split() if re.search("-dev$|cmake", name)}
    assert {"libsodium-dev", "libinih-dev", "cmake"} < names
    assert names - {"libc6-dev"} <= set(re.findall(r"^ ([a-z0-9-]+)", control, re.M))


def test_apparmor_profile_is_understood():
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin")
    if not parser:
        pytest.skip("takes apparmor_parser")
    p = subprocess.run([parser, "-Q", "-K", str(TREE / "contrib" / "apparmor" / "sallyport")], capture_output=True,
                       text=True, timeout=60, check=False)
    assert p.returncode == 0, p.stderr


def test_unit_has_apparmor_profile():
    profile = (TREE / "contrib" / "apparmor" / "sallyport").read_text()
    assert re.search(r"^profile sallyport flags=\(complain, ", profile, re.M)
    assert "\nAppArmorProfile=-sallyport\n" in (TREE / "contrib" / "sallyport.service").read_text()
