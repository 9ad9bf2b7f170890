"""The parts of the program: a libssh with its security fixes, and the compiler flags (SECURITY.md, findings 5
and 21).
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from lab.gateway import SALLYPORT, TREE, sanitized

BUILD_AUX = TREE / "build-aux"
TABLE = """\
# upstream 0.12 0.12.0
upstream 0.11 0.11.5
upstream 0.12 0.12.2
debian 0.12.1-1
release 0.12.2 SHA256SUM
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "libssh-security"
    path.write_text(TABLE)
    return {"PATH": os.environ["PATH"], "SALLYPORT_LIBSSH_SECURITY": str(path)}


def run_script(*argv, env):
    return subprocess.run(
        [str(a) for a in argv], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("version, wanted", [
    ("0.12.2", None), ("0.12.2-1", None), ("0.12.10", None), ("0.11.5-0+deb13u1", None),
    ("0.12.1-1", None), ("0.12.1-1+b2", None),  # patched by Debian
    ("0.12.1", "0.12.2"), ("0.12.1-0.1", "0.12.2"), ("0.12.0-3", "0.12.2"), ("0.12.0", "0.12.2"),
    ("0.11.4", "0.11.5"), ("0.11.2-1+deb13u1", "0.11.5"), ("0.12.2~rc1-1", "0.12.2"),
    ("0.1.2", "no security fixes"), ("0.10.6-0+deb12u1", "no security fixes"),
])
def test_versions_of_libssh_without_security_fixes(table, version, wanted):
    p = run_script(BUILD_AUX / "check-libssh", version, env=table)
    if wanted is None:
        assert (p.returncode, p.stdout) == (0, "")
    else:
        assert p.returncode == 1 and p.stdout.startswith(version) and wanted in p.stdout


def test_libssh_of_this_build_has_security_fixes():
    env = {"PATH": os.environ["PATH"]}
    text = run_script(SALLYPORT, "version", env=env).stdout
    found = re.search(r"^libssh (\S+), of (?:.*package (\S+)|a source tree), built \d{4}-\d\d-\d\d$",
                      text, re.M)
    assert found, text
    p = run_script(BUILD_AUX / "check-libssh", found[2] or found[1], env=env)
    assert p.returncode == 0, p.stdout


def make_source_tree(path, version, package=None):
    (path / "include" / "libssh").mkdir(parents=True)
    (path / "include" / "libssh" / "libssh.h").touch()
    (path / "CMakeLists.txt").write_text(f"project(libssh VERSION {version} LANGUAGES C)\n")
    if package:
        (path / "debian").mkdir()
        (path / "debian" / "changelog").write_text(f"libssh ({package}) unstable; urgency=low\n")


@pytest.mark.parametrize("version, package", [("0.12.0", None), ("0.12.1", "0.12.1-0.1")])
def test_source_tree_without_fixes_is_not_built(table, tmp_path, version, package):
    make_source_tree(tmp_path / "src", version, package)
    p = run_script(BUILD_AUX / "build-libssh", tmp_path / "src", tmp_path / "obj", env=table)
    assert p.returncode == 1 and not (tmp_path / "obj").exists()
    assert f"{package or version} lacks security fixes: 0.12.2 or later" in p.stderr
    assert "give LIBSSH_SRC= a newer tree" in p.stderr


@pytest.fixture
def without_archive(table, tmp_path):
    """A PATH with what fetch-libssh runs, except apt-get."""
    if not shutil.which("dpkg"):
        pytest.skip("not a Debian")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "sed", "head", "dpkg", "cp", "rm", "mkdir", "flock", "cat", "dirname", "basename",
                 "sha256sum", "grep", "ls", "tar", "patch", "mv"):
        (programs / name).symlink_to(shutil.which(name))
    return {**table, "PATH": str(programs)}


def test_cached_package_without_fixes_is_not_used(without_archive, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "libssh_0.12.0-3.dsc").write_text("Version: 0.12.0-3\n")
    p = run_script(BUILD_AUX / "fetch-libssh", tmp_path / "libssh",
                   env={**without_archive, "SALLYPORT_LIBSSH_CACHE": str(cache)})
    assert p.returncode == 1 and "no apt-get" in p.stderr
    assert not (tmp_path / "libssh" / "src").exists()
    assert p.stderr.endswith("""
    curl -LO https://www.libssh.org/files/0.12/libssh-0.12.2.tar.xz
    echo 'SHA256SUM  libssh-0.12.2.tar.xz' | sha256sum -c
    tar -xf libssh-0.12.2.tar.xz
    make LIBSSH_SRC=libssh-0.12.2        # and so make demo, make check, make install
""")


def test_release_that_people_are_told_to_get_has_security_fixes():
    text = (BUILD_AUX / "libssh-security").read_text()
    release, = re.findall(r"^release (\S+) [0-9a-f]{64}$", text, re.M)
    p = run_script(BUILD_AUX / "check-libssh", release, env={"PATH": os.environ["PATH"]})
    assert p.returncode == 0, p.stdout


class Archive:
    """An apt archive in a directory, with source packages named libssh, and this host's only source."""

    def __init__(self, top):
        self.top = top
        self.pool = top / "pool"
        self.pool.mkdir(parents=True)
        self.libssh = top / "libssh"

    def add(self, suite, version):
        release = version.split("-", maxsplit=1)[0]
        files = [self.tar(f"libssh_{release}.orig.tar.gz", f"libssh-{release}/CMakeLists.txt"),
                 self.tar(f"libssh_{version}.debian.tar.gz", "debian/changelog")]
        dsc = self.pool / f"libssh_{version}.dsc"
        dsc.write_text(f"Format: 3.0 (quilt)\nSource: libssh\nVersion: {version}\n" + self.sums(files))
        index = self.top / "dists" / suite / "main" / "source" / "Sources"
        index.parent.mkdir(parents=True)
        index.write_text(f"Package: libssh\nFormat: 3.0 (quilt)\nVersion: {version}\n"
                         f"Directory: pool\n{self.sums([dsc, *files])}\n")
        named = f" {hashlib.sha256(index.read_bytes()).hexdigest()} {index.stat().st_size} main/source/Sources\n"
        (index.parents[2] / "Release").write_text(
            f"Suite: {suite}\nCodename: {suite}\nComponents: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"SHA256:\n{named}")

    def tar(self, name, member):
        with tarfile.open(self.pool / name, "w:gz") as t:
            t.addfile(tarfile.TarInfo(member), io.BytesIO(b""))
        return self.pool / name

    def sums(self, files):
        lines = [f" {hashlib.sha256(f.read_bytes()).hexdigest()} {f.stat().st_size} {f.name}\n" for f in files]
        return "Checksums-Sha256:\n" + "".join(lines)

    def fetch(self, source, env):
        (self.top / "sources.list").write_text(f"# ours\n{source}\n")
        config = self.top / "apt.conf"
        config.write_text(f'Dir::Etc::SourceList "{self.top}/sources.list";\nDir::Etc::SourceParts "/dev/null";\n')
        return run_script(BUILD_AUX / "fetch-libssh", self.libssh, env={**env, "APT_CONFIG": str(config)})

    @property
    def fetched(self):
        return (self.libssh / "src" / ".stamp").read_text().strip()


@pytest.fixture
def archive(tmp_path):
    if not shutil.which("apt-get"):
        pytest.skip("takes apt-get")
    return Archive(tmp_path / "ubuntu")


def test_source_of_ubuntus_next_release_is_taken(archive, table):
    """That of the release in use is too old, or lacks fixes, more often than not."""
    archive.add("noble", "0.10.6-2ubuntu0.1")
    archive.add("devel", "0.12.2-1ubuntu1")
    p = archive.fetch(f"deb [trusted=yes] file:{archive.top} noble noble-updates main universe", table)
    assert p.returncode == 0 and archive.fetched == "0.12.2-1ubuntu1", p.stderr
    assert (archive.libssh / "src" / "debian" / "changelog").exists()


def test_release_is_named_if_no_archive_has_source(archive, table):
    archive.add("noble", "0.10.6-2ubuntu0.1")
    p = archive.fetch(f"deb [trusted=yes] file:{archive.top} noble main", table)
    assert p.returncode == 1 and not (archive.libssh / "src").exists()
    assert "apt-get finds no source of 0.11 or 0.12 here" in p.stderr
    assert "https://www.libssh.org/files/0.12/libssh-0.12.2.tar.xz" in p.stderr


def test_fetched_source_is_checked_again(without_archive, tmp_path):
    """A fix may have become known since: `make` runs this when the list has changed."""
    source = tmp_path / "libssh" / "src"
    source.mkdir(parents=True)
    (source / ".stamp").write_text("0.12.1-1\n")
    p = run_script(BUILD_AUX / "fetch-libssh", tmp_path / "libssh", env=without_archive)
    assert (p.returncode, p.stderr) == (0, "")
    (source / ".stamp").write_text("0.12.0-3\n")
    p = run_script(BUILD_AUX / "fetch-libssh", tmp_path / "libssh", env=without_archive)
    assert p.returncode == 1
    assert "0.12.0-3 lacks security fixes: 0.12.2 or later of its series has them: fetching it anew" \
        in p.stderr


# Compiler flags.


def tool(*argv):
    if not shutil.which(argv[0]):
        pytest.skip(f"takes {argv[0]}")
    return subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, timeout=120, check=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    ).stdout


@pytest.fixture
def product():
    if sanitized():
        pytest.skip("a build with sanitizers is not the product")


def test_pie_full_relro_and_no_executable_stack(product):
    assert re.search(r"Type:\s+DYN", tool("readelf", "-h", SALLYPORT))
    segments = tool("readelf", "-lW", SALLYPORT)
    assert re.search(r"GNU_RELRO", segments)
    assert re.search(r"GNU_STACK +(\S+ +){5}RW +", segments), segments
    assert not re.search(r"LOAD .* RWE ", segments)
    assert re.search(r"FLAGS.*BIND_NOW|FLAGS_1.*NOW", tool("readelf", "-dW", SALLYPORT))


def test_stack_protector_and_fortify(product):
    symbols = set(re.findall(r"UND (\w+)@", tool("readelf", "--dyn-syms", "-W", SALLYPORT)))
    assert "__stack_chk_fail" in symbols
    assert {"__snprintf_chk", "__vsnprintf_chk", "__memcpy_chk"} <= symbols


def test_landing_pads_for_indirect_branches(product, tmp_path):
    """As far as this toolchain emits them, which a program of one line shows."""
    if os.uname().machine != "x86_64":
        pytest.skip("x86 alone")
    (tmp_path / "one.c").write_text("int main(void) { return 0; }\n")
    tool("cc", "-fcf-protection", "-pie", "-fPIE", "-o", tmp_path / "one", tmp_path / "one.c")
    feature = r"x86 feature: .*IBT, SHSTK"
    if re.search(feature, tool("readelf", "-nW", tmp_path / "one")):
        assert re.search(feature, tool("readelf", "-nW", SALLYPORT))
    # the start files of the C library may lack the note; our code and libssh have the landing pads
    functions = re.findall(r"^[0-9a-f]+ <(main|ssh_packet_send)>:\n.*\bendbr64",
                           tool("objdump", "-d", "--no-show-raw-insn", SALLYPORT), re.M)
    assert sorted(set(functions)) == ["main", "ssh_packet_send"]
