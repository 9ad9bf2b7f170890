"""SftpReadOnly: sftp through the gateway reads, and is refused all that writes in the words of sshd's own internal-sftp -R."""

import re

import pytest

# What to write at the end of the line: it is carried on after each failure.
WRITES = ("put {local} {there}/new", "rm {there}/file", "rename {there}/file {there}/other", "mkdir {there}/sub",
          "chmod 600 {there}/file", "rmdir {there}/empty", "ln -s {there}/file {there}/link")


@pytest.fixture
def there(tmp_path):
    d = tmp_path / "there"
    (d / "empty").mkdir(parents=True)
    (d / "file").write_text("text\n")
    (d / "file").chmod(0o644)
    return d


def tried(w, there, tmp_path):
    """What sftp says to one user who reads and then tries to write; the files stay as they are."""
    got = tmp_path / f"got-{w.name}"
    w.client.sftp(f"get {there}/file {got}")
    assert got.read_text() == "text\n"
    batch = "".join(f"-{line}\n" for line in WRITES).format(local=got, there=there)
    r = w.client.sftp(batch)
    assert sorted(p.name for p in there.iterdir()) == ["empty", "file"]
    assert (there / "file").read_text() == "text\n" and (there / "file").stat().st_mode & 0o777 == 0o644
    said = re.sub(str(got), "LOCAL", r.err)
    assert len(re.findall("ermission denied", said)) == len(WRITES), said
    return said


def test_files_are_read_and_not_written(builder, there, tmp_path):
    direct = tried(builder("direct", sshd={"Subsystem": "sftp internal-sftp -R"}), there, tmp_path)
    for words in ({}, {"PermitCommands": "sftp"}):
        w = builder("gateway", route={"SftpReadOnly": "yes", **words})
        assert tried(w, there, tmp_path) == direct, words
        assert (w.ssh("echo in").text == "in\n") == (not words)


def test_path_of_the_program(gated, there, tmp_path):
    program = tmp_path / "sftp-server"
    program.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/ran\nexit 3\n")
    program.chmod(0o755)
    w = gated(route={"SftpReadOnly": program})
    assert w.client.sftp("pwd", check=False).code != 0
    assert (tmp_path / "ran").read_text() == "-R\n"


def test_certificate_has_the_machine_refuse(certified, there, tmp_path):
    c = certified(SftpReadOnly="yes", PermitCommands="sftp")
    tried(c.way, there, tmp_path)
    assert c.ssh("echo in").code == 255
