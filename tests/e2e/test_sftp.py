"""sftp in batches, with both of OpenSSH's servers."""

import os

import pytest


@pytest.fixture(params=["internal-sftp", "/usr/lib/openssh/sftp-server"])
def upstream(request, own_way):
    return own_way(sshd={"Subsystem": f"sftp {request.param}"})


def test_each_command(upstream, bulk, tmp_path):
    b = bulk(20)
    there = tmp_path / "there"
    there.mkdir()
    back = tmp_path / "back"
    r = upstream.client.sftp(
        f"cd {there}\nput {b.path} big\nmkdir d\nput {b.path} d/copy\nln -s big link\n"
        f"chmod 600 big\nls -l\nrename d/copy d/moved\nls -1 d\nget big {back}\nrm d/moved\nrmdir d\n"
        "ls -1\npwd\n"
    )
    assert back.read_bytes() == b.path.read_bytes() == (there / "big").read_bytes()
    assert sorted(os.listdir(there)) == ["big", "link"]
    assert (there / "big").stat().st_mode & 0o777 == 0o600
    assert "-rw-------" in r.text and "\nmoved" in r.text.replace("d/", "")
    assert f"Remote working directory: {there}" in r.text


def test_resumed_transfers(upstream, bulk, tmp_path):
    b = bulk(20)
    data = b.path.read_bytes()
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(data[:7_000_000])
    upstream.client.sftp(f"reput {b.path} {there}\n")
    assert there.read_bytes() == data
    back.write_bytes(data[:3_000_000])
    upstream.client.sftp(f"reget {there} {back}\n")
    assert back.read_bytes() == data


def test_trees(way, tmp_path):
    source = tmp_path / "source"
    for d in ("a", "b/c", "leer ☂"):
        (source / d).mkdir(parents=True)
        for i in range(20):
            (source / d / f"file {i}").write_text(f"{d} {i}\n" * i)
    way.client.sftp(f"put -pR {source} {tmp_path}/there\nget -pR {tmp_path}/there {tmp_path}/back\n")
    way.client.run(["diff", "-r", source, tmp_path / "there"], check=True)
    way.client.run(["diff", "-r", source, tmp_path / "back"], check=True)


def test_failure_has_message_and_status(way, tmp_path):
    r = way.client.sftp(f"get {tmp_path}/nothing {tmp_path}/x\n", check=False)
    assert r.code == 1
    assert 'not found' in r.err


def test_long_directory_and_many_requests_at_once(way, tmp_path):
    d = tmp_path / "many"
    d.mkdir()
    for i in range(200):
        (d / f"{i:03}").write_text(str(i))
    r = way.client.sftp(f"ls -1 {d}\n", "-R", "256", "-B", "261120")
    assert len([line for line in r.text.splitlines() if line.startswith(str(d))]) == 200


def test_upstream_without_sftp(own_way):
    w = own_way(sshd={"Subsystem": "other /bin/true"})
    r = w.client.sftp("ls\n", check=False)
    assert r.code == 255
    assert "subsystem request failed on channel 0" in r.err
