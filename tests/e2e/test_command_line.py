"""What `sallyport` says to whoever types a command, rightly or wrongly."""

import subprocess

from lab.gateway import SALLYPORT


def sallyport(*args):
    return subprocess.run([SALLYPORT, *args], capture_output=True, text=True, timeout=120, check=False)


def test_help_of_a_command_is_what_its_help_option_prints():
    p = sallyport("help", "route")
    assert p.stdout.startswith("usage: sallyport route [LOGIN]")
    assert (p.returncode, p.stdout) == (0, sallyport("route", "--help").stdout)


def test_help_of_an_unknown_command():
    p = sallyport("help", "rout")
    assert p.returncode == 2 and p.stderr == 'sallyport: unknown command "rout"; `sallyport help` lists them\n'


def test_wrong_option_is_named():
    p = sallyport("serve", "--foreground")
    assert p.returncode == 2
    assert p.stderr.splitlines()[0] == "sallyport: serve: wrong option --foreground"


def test_generated_key_is_explained_by_its_use(tmp_path):
    """A key that HostKey names is a host key; any other is probably for an upstream."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "00.ini").write_text("[gateway]\nHostKey = host_ed25519\n")
    told = {name: sallyport("key", "generate", name, "-c", str(tmp_path / "conf.d")).stderr
            for name in ("host_ed25519", "alice", "host_2026")}
    assert "To replace a host key" not in told["host_ed25519"] + told["alice"]
    assert "To replace a host key of the same type, name this one behind it first" in told["host_2026"]
    assert told["host_ed25519"].startswith("This is the gateway's own host key.")
    assert "upstream" not in told["host_ed25519"] and "SHA256:" in told["host_ed25519"]
    assert told["alice"].startswith("To log in with it upstream")
    assert "Key = ca:alice" in told["alice"] and "`sallyport ca public alice`" in told["alice"]
    p = sallyport("key", "generate", "bob", "-q", "-c", str(tmp_path / "conf.d"))
    assert p.stderr == "" and p.stdout.startswith("ssh-ed25519 ")
    assert sallyport("key", "list", "-q", "-c", str(tmp_path / "conf.d")).returncode == 2


def test_key_in_use_is_not_removed(tmp_path):
    conf = tmp_path / "conf.d"
    conf.mkdir()
    (conf / "00.ini").write_text("[gateway]\nHostKey = host\n")
    (conf / "10.ini").write_text(
        "[route alice]\nKey = alice\nPassword = secret\n[route dev-*]\nKey = dev-%1\n[route x-*]\nKey = %u\n"
        "[route bob]\nKey = %u\n[route broken]\n" + "".join(f"[route u{i}]\nKey = shared\n" for i in range(30))
        + "[route zoe]\nTOTP = code\n[route x-*/home]\nTOTP = code-%u\n")

    def key(*words, stdin=None):
        return subprocess.run([SALLYPORT, "key", *words, "-c", str(tmp_path)], capture_output=True, text=True,
                              timeout=120, check=False, input=stdin)

    used = {"host": ["00.ini:2: HostKey of [gateway]"], "alice": ["10.ini:2: Key = alice in [route alice]"],
            "dev-1": ["10.ini:5: Key = dev-%1 in [route dev-*]"], "x-y": ["10.ini:7: Key = %u in [route x-*]"],
            "bob": ["10.ini:9: Key = %u in [route bob]"],
            "shared": [f"10.ini:{2 * i + 12}: Key = shared in [route u{i}]" for i in range(20)]}
    for name in [*used, "spare", "dev"]:
        assert key("generate", name).returncode == 0
    assert key("add", "secret", "--password", stdin="x\n").returncode == 0
    for name in ("code", "code-x-y"):
        assert subprocess.run([SALLYPORT, "totp", "enroll", "--name", name, "-c", str(tmp_path)], timeout=120,
                              capture_output=True, check=False).returncode == 0
    used["code"] = ["10.ini:72: TOTP = code in [route zoe]"]
    used["code-x-y"] = ["10.ini:74: TOTP = code-%u in [route x-*/home]"]
    used["secret"] = ["10.ini:3: Password = secret in [route alice]"]
    for name, lines in used.items():
        p = key("remove", name)
        more = ["    and 10 more"] if name == "shared" else []
        assert p.returncode == 1 and p.stderr.splitlines() == [
            *(f"    {conf}/{line}" for line in lines), *more,
            f"sallyport: {name} is in use there, and stays; to remove it nevertheless, add --force"], p.stderr
    for name in ("spare", "dev"):
        assert key("remove", name).returncode == 0
    assert len(key("list").stdout.splitlines()) == len(used)
    for name in used:
        p = key("remove", name, "--force")
        assert (p.returncode, p.stderr) == (0, "")
    assert key("list").stdout == ""
    assert "no such key" in key("remove", "alice").stderr
    assert key("list", "--force").returncode == 2


def test_advice_repeats_where_the_store_is(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "00.ini").touch()
    for where in (("-c", str(tmp_path)), ("--store", str(tmp_path / "keys"))):
        name = where[0].strip("-")
        told = sallyport("key", "generate", name, *where).stderr
        assert f"key public {name} --for LOGIN{' -c ' + str(tmp_path) if name == 'c' else ''}`" in told
        p = sallyport("key", "generate", name, *where)
        assert p.returncode == 1 and p.stderr == (
            f"sallyport: {tmp_path}/keys/{name}: already exists; choose another name, or, if nothing uses this one any "
            f"more: sallyport key remove {name} {' '.join(where)}\n")
