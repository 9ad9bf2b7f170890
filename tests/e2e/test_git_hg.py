"""Version control over ssh://."""

import random


def make_files(directory, seed, files=30):
    rng = random.Random(seed)
    for i in range(files):
        (directory / f"file{i}").write_bytes(rng.randbytes(rng.randrange(200_000)))


def test_git_clone_and_push(way, tmp_path):
    git = way.client.git
    origin, work, clone = tmp_path / "origin.git", tmp_path / "work", tmp_path / "clone"
    git("init", "-q", "--bare", "-b", "main", origin)
    url = f"ssh://upstream{origin}"
    git("clone", "-q", url, work)
    for seed in (1, 2):
        make_files(work, seed)
        git("add", ".", cwd=work)
        git("commit", "-q", "-m", f"seed {seed}", cwd=work)
        git("push", "-q", "origin", "HEAD:main", cwd=work)
    git("clone", "-q", url, clone)
    head = git("rev-parse", "HEAD", cwd=work).text
    assert git("rev-parse", "HEAD", cwd=clone).text == head
    git("fsck", "--strict", cwd=clone)
    git("push", "-q", "origin", "HEAD:refs/heads/branch", "HEAD:refs/tags/v1", cwd=clone)
    git("fetch", "-q", "--all", "--tags", cwd=work)
    assert git("rev-parse", "origin/branch", "v1", cwd=work).text == head * 2


def test_git_reports_missing_repository(way, tmp_path):
    r = way.client.git("clone", "-q", f"ssh://upstream{tmp_path}/nothing", tmp_path / "x", check=False)
    assert r.code == 128
    assert "does not appear to be a git repository" in r.err


def test_hg_clone_and_push(way, tmp_path):
    hg = way.client.hg
    origin, work, clone = tmp_path / "origin", tmp_path / "work", tmp_path / "clone"
    hg("init", origin)
    url = f"ssh://upstream/{origin}"
    hg("clone", url, work)
    for seed in (1,):
        make_files(work, seed)
        hg("addremove", "-q", cwd=work)
        hg("commit", "-u", "tester", "-m", f"seed {seed}", cwd=work)
        hg("push", url, cwd=work)
    hg("clone", url, clone)
    assert hg("id", "-i", cwd=clone).text == hg("id", "-i", cwd=work).text
    hg("verify", "-q", cwd=clone)
    assert hg("incoming", url, cwd=clone, check=False).code == 1
