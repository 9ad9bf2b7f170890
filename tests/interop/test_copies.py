"""Clients that copy files: each puts a large file, gets it again, and says what happens to one that is missing."""

import hashlib
import os

import pytest

from lab.wait import wait_for


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_copied(way):
    """What was put to files/put and got from there to files/got is the large file."""
    assert [digest(way.files / name) for name in ("put", "got")] == [way.bulk.sha256] * 2


@pytest.mark.parametrize("client", ["OpenSSH"])
def test_sftp(both, client):
    """sftp put, get, ls"""
    def run(way):
        way.client.sftp(f"put {way.bulk.path} {way.files}/put\nget {way.files}/put {way.files}/got\n")
        assert_copied(way)
        r = way.client.sftp(f"ls -1 {way.files}\nget {way.files}/none x\n", check=False)
        return r.code, r.text.replace(str(way.files), "FILES"), r.err.replace(str(way.files), "FILES")

    both(run)


@pytest.mark.parametrize("client", ["OpenSSH"])
@pytest.mark.parametrize("flag", ["-O", "-s"])
def test_scp(both, client, flag):
    """scp -O and -s"""
    def run(way):
        way.client.scp(flag, way.bulk.path, f"upstream:{way.files}/put")
        way.client.scp(flag, f"upstream:{way.files}/put", way.files / "got")
        assert_copied(way)
        return way.client.scp(flag, f"upstream:{way.files}/none", way.files / "x", check=False).code

    both(run)


@pytest.mark.parametrize("client", ["psftp, pscp"])
def test_psftp(both, client):
    """psftp put, get"""
    def run(way):
        batch = way.dir / "batch"
        batch.write_text(f"put {way.bulk.path} {way.files}/put\nget {way.files}/put {way.files}/got\n")
        way.run(way.putty("psftp", "-l", way.login, "-b", batch, "127.0.0.1"))
        assert_copied(way)
        batch.write_text(f"get {way.files}/none x\n")
        r = way.run(way.putty("psftp", "-l", way.login, "-b", batch, "127.0.0.1"), check=False)
        return r.code, "no such file" in r.text

    both(run)


@pytest.mark.parametrize("client", ["psftp, pscp"])
@pytest.mark.parametrize("flag", ["-scp", "-sftp"])
def test_pscp(both, client, flag):
    """pscp -scp and -sftp"""
    def run(way):
        pscp = way.putty("pscp", "-q", flag)
        way.run([*pscp, way.bulk.path, f"{way.login}@127.0.0.1:{way.files}/put"])
        way.run([*pscp, f"{way.login}@127.0.0.1:{way.files}/put", way.files / "got"])
        assert_copied(way)
        return way.run([*pscp, f"{way.login}@127.0.0.1:{way.files}/none", way.files / "x"], check=False).code

    both(run)


@pytest.mark.parametrize("client", ["curl"])
@pytest.mark.parametrize("scheme", ["sftp", "scp"])
def test_curl(both, client, scheme):
    """sftp:// and scp://, upload and download"""
    def run(way):
        key = way.ring.get("client").path
        curl = ["curl", "-sS", "--key", key, "--pubkey", f"{key}.pub", "-u", f"{way.login}:"]
        url = f"{scheme}://127.0.0.1:{way.front.port}{way.files}"
        way.run([*curl, "-T", way.bulk.path, f"{url}/put"])
        way.run([*curl, "-o", way.files / "got", f"{url}/put"])
        assert_copied(way)
        return way.run([*curl, "-o", way.files / "x", f"{url}/none"], check=False).code

    both(run)


@pytest.mark.parametrize("client", ["rclone"])
def test_rclone(both, client):
    """copy there and back, ls"""
    def run(way):
        rclone = ["rclone", "--config", "/dev/null", "--sftp-host", "127.0.0.1", "--sftp-port", way.front.port,
                  "--sftp-user", way.login, "--sftp-key-file", way.ring.get("client").path,
                  "--sftp-known-hosts-file", way.client.known_hosts]
        way.run([*rclone, "copyto", way.bulk.path, f":sftp:{way.files}/put"])
        way.run([*rclone, "copyto", f":sftp:{way.files}/put", way.files / "got"])
        assert_copied(way)
        r = way.run([*rclone, "lsf", f":sftp:{way.files}"])
        return r.out, way.run([*rclone, "lsf", f":sftp:{way.files}/none"], check=False).code

    both(run)


@pytest.mark.parametrize("client", ["rsync"])
def test_rsync(both, client):
    """a tree there and back, --delete, --checksum"""
    def run(way):
        tree = way.dir / "tree"
        (tree / "sub").mkdir(parents=True)
        (tree / "sub" / "large").hardlink_to(way.bulk.path)
        (tree / "grün ☂ $x").write_text("name")
        rsync = ["rsync", "-a", "--delete", "--checksum", "-e", f"ssh -F {way.client.config}"]
        way.run([*rsync, f"{tree}/", f"upstream:{way.files}/put/"])
        (tree / "grün ☂ $x").unlink()
        way.run([*rsync, f"{tree}/", f"upstream:{way.files}/put/"])
        way.run([*rsync, f"upstream:{way.files}/put/", f"{way.files}/got/"])
        assert digest(way.files / "got" / "sub" / "large") == way.bulk.sha256
        r = way.run([*rsync, f"upstream:{way.files}/none/", f"{way.files}/x/"], check=False)
        return sorted(p.name for p in (way.files / "got").rglob("*")), r.code

    both(run)


@pytest.mark.parametrize("client", ["sshfs"])
def test_sshfs(both, client):
    """mount, write, read, rename, remove"""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no /dev/fuse here")

    def run(way):
        there, here = way.files / "there", way.dir / "here"
        there.mkdir()
        here.mkdir()
        p = way.client.popen(["sshfs", "-f", "-F", way.client.config, f"upstream:{there}", here])
        try:
            wait_for("the mount or its end", lambda: os.path.ismount(here) or p.poll() is not None)
            if p.poll() is not None and way.direct:
                pytest.skip(f"no mount here: {p.stderr.read().decode().strip()}")
            assert p.poll() is None, p.stderr.read()
            (here / "a").write_bytes(way.bulk.path.read_bytes())
            (here / "a").rename(here / "b")
            (here / "sub").mkdir()
            (here / "c").write_text("x")
            (here / "c").unlink()
            assert digest(there / "b") == digest(here / "b") == way.bulk.sha256
            return sorted(os.listdir(here)), (here / "b").stat().st_size
        finally:
            way.run(["fusermount3", "-u", here], check=False)

    both(run)
