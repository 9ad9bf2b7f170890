"""scp with the old protocol (-O) and the new one (-s), in both directions."""

import pytest

PROTOCOLS = pytest.mark.parametrize("protocol", ["-O", "-s"])


@PROTOCOLS
def test_file_up_and_down(way, bulk, tmp_path, protocol):
    b = bulk(20)
    way.client.scp(protocol, "-p", b.path, f"upstream:{tmp_path}/there")
    way.client.scp(protocol, "-p", f"upstream:{tmp_path}/there", f"{tmp_path}/back")
    data = b.path.read_bytes()
    assert (tmp_path / "there").read_bytes() == data
    assert (tmp_path / "back").read_bytes() == data
    assert int((tmp_path / "back").stat().st_mtime) == int(b.path.stat().st_mtime)


@PROTOCOLS
def test_tree_with_names_that_need_quotes(way, tmp_path, protocol):
    source = tmp_path / "a tree"
    (source / "inner").mkdir(parents=True)
    for i in range(30):
        (source / "inner" / f"it's {i} ☂").write_text("x" * i * 1000)
    (source / "empty").write_text("")
    target = tmp_path / "there"
    target.mkdir()
    way.client.scp(protocol, "-r", source, f"upstream:{target}")
    way.client.run(["diff", "-r", source, target / "a tree"], check=True)
    back = tmp_path / "back"
    way.client.scp(protocol, "-r", f"upstream:{target}", back)
    way.client.run(["diff", "-r", target, back], check=True)


@PROTOCOLS
def test_copy_between_upstreams_through_client(way, tmp_path, protocol):
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 10_000)
    way.client.scp(protocol, "-3", f"upstream:{source}", f"upstream:{tmp_path}/target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


@PROTOCOLS
def test_missing_file_is_reported(way, tmp_path, protocol):
    r = way.client.scp(protocol, f"upstream:{tmp_path}/nothing", tmp_path / "x", check=False)
    assert r.code == 1
    assert "No such file" in r.err


@PROTOCOLS
def test_full_disk_is_reported(way, tmp_path, protocol):
    source = tmp_path / "source"
    source.write_bytes(bytes(100_000))
    r = way.client.scp(protocol, source, "upstream:/dev/full", check=False)
    assert r.code == 1 and r.err


def test_large_file_with_old_protocol(way, bulk, tmp_path):
    """warpgate #479: scp of a large file broke the pipe."""
    b = bulk(200)
    way.client.scp("-O", b.path, "upstream:/dev/null")
    way.client.scp("-O", f"upstream:{b.path}", tmp_path / "back")
    way.client.run(["cmp", b.path, tmp_path / "back"], check=True)
    (tmp_path / "back").unlink()
