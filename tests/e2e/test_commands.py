"""Commands without the input they need print one line that says what to do."""

import os
import re
import shutil
import subprocess

import pytest

from lab.gateway import SALLYPORT
from lab.tty import Terminal


@pytest.fixture
def locked_key(tmp_path, ring):
    """A private key encrypted with a passphrase."""
    path = tmp_path / "locked"
    shutil.copy(ring.get("client", "ed25519").path, path)
    path.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", path], check=True,
                   capture_output=True)
    return path


@pytest.mark.parametrize("given,said", [
    (b"", "has a passphrase, and none was given: "), (b"open barley\n", "standard input is not its passphrase: ")])
def test_encrypted_key_without_terminal(make_gateway, locked_key, given, said):
    g = make_gateway()
    p = g.sallyport("key", "add", "new", locked_key, "-c", g.conf, stdin=given)
    text = p.stderr.decode()
    assert p.returncode == 1 and len(text.splitlines()) == 1 and said in text, text
    assert "run this on a terminal" in text and "ssh-keygen -p" in text and not (g.dir / "keys" / "new").exists()
    assert g.sallyport("key", "add", "new", locked_key, "-c", g.conf, stdin=b"open sesame\n").returncode == 0


def test_encrypted_key_on_terminal(make_gateway, locked_key):
    g = make_gateway()
    t = Terminal([SALLYPORT, "key", "add", "new", str(locked_key), "-c", str(g.conf)], os.environ, g.dir)
    for _ in range(3):
        t.expect("Passphrase of ")
        t.send("open barley\n")
    t.expect("wrong passphrase")
    assert t.wait() == 1 and "terminal" not in t.seen
    t.close()


def test_route_refuses_private_key(make_gateway, make_sshd, ring, locked_key, tmp_path):
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    putty = tmp_path / "putty"
    putty.write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    for path in (locked_key, ring.get("client").path, putty):
        p = g.sallyport("route", "alice", "--key", path, "-c", g.conf)
        assert p.returncode == 1 and p.stdout == b"" and p.stderr.decode() == (
            f"sallyport: {path}: is a private key; --key takes its public half: --key {path}.pub\n")
    p = g.sallyport("route", "alice", "--key", "/dev/null", "-c", g.conf)
    assert b"not an OpenSSH public key" in p.stderr


COMMANDS = (["check"], ["serve"], ["route", "alice"], ["key", "list"], ["key", "generate", "x"], ["reload"])


def one_line(args, cwd):
    p = subprocess.run([SALLYPORT, *args], capture_output=True, stdin=subprocess.DEVNULL, cwd=cwd, timeout=120, check=False)
    text = p.stderr.decode()
    assert p.returncode == 78 and p.stdout == b"" and len(text.splitlines()) == 1 and ":0:" not in text, (args, p)
    return text


@pytest.mark.skipif(os.path.exists("/etc/sallyport/conf.d"), reason="this host has a configuration")
@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_no_configuration_found(tmp_path, args):
    assert "no configuration: there is neither /etc/sallyport/conf.d nor ./conf.d" in one_line(args, tmp_path)


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_missing_configuration_directory(tmp_path, args):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name, said in (("none", "No such file or directory"), ("empty", r"there is no \*\.ini file in it"),
                       ("file", "Not a directory")):
        text = one_line([*args, "-c", tmp_path / name], tmp_path)
        assert re.match(rf"{tmp_path}/{name}: {said}", text), text


def test_notes_about_defaults_have_no_line_number(make_gateway):
    g = make_gateway(host_keys=())
    (g.conf / "00-gateway.ini").write_text("[route a]\nHostName = b\nUser = c\nAuthorizedKey = ssh-ed25519 AAAA\n"
                                           f"Passthrough = yes\nHostKeyFingerprint = SHA256:{'A' * 43}\nKey = agent\n")
    text = g.sallyport("check", "-c", g.conf).stderr.decode()
    assert re.search(rf"^{g.conf}: HostKey: there is no key host_ed25519", text, re.M) and ":0:" not in text, text


def test_manual_documents_each_option_of_key():
    text = subprocess.run([SALLYPORT, "key", "--help"], capture_output=True, text=True, check=True).stdout
    manual = (os.path.dirname(__file__) + "/../../man/sallyport.8")
    with open(manual, encoding="utf-8") as f:
        written = f.read()
    options = set(re.findall(r"--([a-z]+)", text))
    assert {"from", "unlock", "store", "type", "password"} <= options
    for option in options:
        assert f"Fl -{option}" in written, option
