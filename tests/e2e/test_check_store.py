"""`check` opens the key store and each named key as the keeper would, and reports what would make `serve` or
a login fail.
"""

import os
import re

import pytest

PASSWORD = "the machine's"


def line_of(g, file, key):
    ini = (g.conf / file).read_text().splitlines()
    (line,) = [n for n, words in enumerate(ini, 1) if words.startswith(f"{key} =")]
    return f"{g.conf / file}:{line}: "


@pytest.fixture
def g(make_gateway, make_sshd, ring):
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    g.command("key", "generate", "other")
    p = g.sallyport("key", "add", "secret", "--password", "-c", g.conf, stdin=PASSWORD.encode() + b"\n")
    assert p.returncode == 0
    assert g.check() == (0, "")
    return g


def keys(g):
    return g.dir / "keys"


def assert_same_as_serve(g, said):
    """check prints one line, the same as `serve`; its suggested remedy is sufficient."""
    status, text = g.check()
    assert status == 78 and len(text.splitlines()) == 1 and re.search(said, text), text
    p = g.sallyport("serve", "-c", g.conf)
    assert p.returncode == 78 and text.split(": ", 1)[1] in p.stderr.decode(), (text, p.stderr)
    return text


STORE = {
    "store open to all": (lambda k: k.chmod(0o777), r"others may write to it \(mode 0777\); run: chmod go-w \S+/keys$"),
    "unlock 0644": (lambda k: (k / ".unlock").chmod(0o644), r"run: chmod 600 \S+/\.unlock"),
    "unlock 0666": (lambda k: (k / ".unlock").chmod(0o666), r"run: chmod 600 \S+/\.unlock"),
    "unlock empty": (lambda k: (k / ".unlock").write_text(""), "holds 0 bytes.* 16 are needed"),
    "unlock short": (lambda k: (k / ".unlock").write_text("fifteen letters\n"), "holds 15 bytes"),
    "unlock another": (lambda k: (k / ".unlock").write_text("0123456789abcdef\n"), "does not unlock it"),
    "unlock gone": (lambda k: (k / ".unlock").unlink(), "is not there; restore it"),
    "store cut": (lambda k: os.truncate(k / ".store", 60), r"/\.store: is damaged"),
    "store foreign": (lambda k: (k / ".store").write_text("x" * 200), r"/\.store: does not belong to a sallyport key store"),
    "store 0644": (lambda k: (k / ".store").chmod(0o644), r"run: chmod 600 \S+/\.store"),
    "store gone": (lambda k: (k / ".store").unlink(), "there is no key store yet"),
}


@pytest.mark.parametrize("harm", STORE)
def test_damaged_key_store(g, harm):
    how, said = STORE[harm]
    how(keys(g))
    assert_same_as_serve(g, said)


def openssh_key(path, ring):
    path.write_bytes(ring.get("stranger").path.read_bytes())


def flip(path, _ring):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def fifo(path, _ring):
    path.unlink()
    os.mkfifo(path)


def link(path, _ring):
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


KEY = {
    "cut short": (lambda p, _: os.truncate(p, 30), "is cut short; restore it"),
    "cut": (lambda p, _: os.truncate(p, 100), "is damaged, renamed or from another store"),
    "empty": (lambda p, _: os.truncate(p, 0), "is not a sealed "),
    "flipped": (flip, "is damaged, renamed or from another store"),
    "openssh": (openssh_key, "is not a sealed "),
    "0666": (lambda p, _: p.chmod(0o666), r"run: chmod 600 \S+"),
    "fifo": (fifo, "is not a regular file; remove it"),
    "link": (link, "is a symbolic link"),
    "other's": (lambda p, _: p.write_bytes((p.parent / "other").read_bytes()), "is damaged, renamed or|is a key, not a"),
}


@pytest.mark.parametrize("harm", KEY)
def test_unusable_host_key(g, ring, harm):
    how, said = KEY[harm]
    how(keys(g) / "host_ed25519", ring)
    status, text = g.check()
    assert status == 78 and text.startswith(line_of(g, "00-gateway.ini", "HostKey") + "HostKey: "), text
    assert re.search(rf"HostKey: {keys(g)}/host_ed25519: .*({said})", text) and len(text.splitlines()) == 1
    p = g.sallyport("serve", "-c", g.conf)
    assert p.returncode == 78 and text.split("HostKey: ")[1] in p.stderr.decode()


@pytest.mark.parametrize("harm", KEY)
@pytest.mark.parametrize("key,name", [("Key", "alice"), ("Password", "secret")])
def test_unusable_mapped_key(g, ring, make_sshd, key, name, harm):
    """The key fails its own login alone; others work."""
    how, said = KEY[harm]
    g.route("alice", make_sshd(), [ring.get("client")], Password="secret")
    assert g.check() == (0, "")
    how(keys(g) / name, ring)
    text = g.notes()
    assert text.startswith(line_of(g, "10-alice.ini", key) + f"{key}: {keys(g)}/{name}: "), text
    assert re.search(said, text) and len(text.splitlines()) == 1, text
    p = g.sallyport("route", "alice", "-c", g.conf)
    assert p.returncode == 1 and re.search(said, p.stdout.decode()), p.stdout


def test_two_keys_swapped(g):
    """Each file is sealed under the other's name."""
    (keys(g) / "alice").rename(keys(g) / "x")
    (keys(g) / "other").rename(keys(g) / "alice")
    (keys(g) / "x").rename(keys(g) / "other")
    text = g.notes()
    assert "Key: " in text and "renamed" in text, text


def test_passphrase_is_not_asked_for(g):
    """check reports what it can tell without the passphrase."""
    g.write_gateway()
    g.set_unlock("passphrase")
    assert_same_as_serve(g, r"\.store: is locked with a file or credential, not with a passphrase")
    g.write_gateway()
    g.set_unlock("file:keys/.unlock")
    p = g.sallyport("key", "rewrap", "--unlock", "passphrase", "-c", g.conf, stdin=b"open sesame\nopen sesame\n")
    assert p.returncode == 0
    assert_same_as_serve(g, r"\.store: is locked with a passphrase, not with file:.*; set Unlock = passphrase")
    g.write_gateway()
    g.set_unlock("passphrase")
    assert g.check() == (0, "")
    # visible without unlocking
    os.truncate(keys(g) / "alice", 30)
    (keys(g) / "host_ed25519").chmod(0o644)
    status, text = g.check()
    assert status == 78 and "alice: is cut short" in text and "chmod 600" in text and len(text.splitlines()) == 2, text


def test_credential_is_used_where_it_is_present(g, tmp_path, monkeypatch):
    credential = tmp_path / "store"
    credential.write_text("0123456789abcdef\n")
    credential.chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    g.command("key", "rewrap", "--unlock", "credential:store")
    g.write_gateway()
    g.set_unlock("credential:store")
    assert g.check() == (0, "")
    flip(keys(g) / "alice", None)
    assert "renamed" in g.check()[1]
    credential.chmod(0o600)
    credential.write_text("another that is long enough\n")
    assert_same_as_serve(g, "does not unlock it")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert g.check() == (0, "")


def test_missing_keys_are_reported_with_store_errors(g):
    keys(g).chmod(0o777)
    (keys(g) / "alice").unlink()
    status, text = g.check()
    assert status == 78 and "chmod go-w" in text and "there is no key alice" in text and len(text.splitlines()) == 2


def test_fresh_install(g):
    """Of a store without keys, no more is said than how to make the host keys."""
    for path in keys(g).iterdir():
        if path.name not in (".store", ".unlock"):
            path.unlink()
    (g.conf / "10-alice.ini").unlink()
    for harm in (lambda: None, (keys(g) / ".store").unlink, (keys(g) / ".unlock").unlink, keys(g).rmdir):
        harm()
        status, text = g.check()
        assert status == 78 and not any(n.startswith("note: ") for n in text.splitlines()), text
        assert len(text.splitlines()) == 2 and "make it with: sallyport key generate host_ed25519" in text
    g.command("key", "generate", "host_ed25519")
    (keys(g) / "host_ed25519").unlink()
    (keys(g) / "host_ed25519.pub").unlink()
    (keys(g) / ".unlock").chmod(0o644)
    assert g.check()[0] == 78


def test_bad_key_is_reported_for_each_route(g):
    keys_file = g.conf / "alice.pub"

    (g.conf / "20-many.ini").write_text("".join(
        f"[route u{i}]\nHostName = 127.0.0.1\nUser = x\nKey = alice\nAuthorizedKeysFile = {keys_file}\n"
        f"HostKeyFingerprint = SHA256:{'A' * 43}\n" for i in range(50)))
    assert g.check() == (0, "")
    flip(keys(g) / "alice", None)
    assert len(g.notes().splitlines()) == 51


BANNER = {
    "a directory": lambda p: p.mkdir(),
    "gone": lambda p: None,
    "too large": lambda p: p.write_text("x" * 20000),
    "a NUL": lambda p: p.write_bytes(b"x\0y"),
}


@pytest.mark.parametrize("harm", BANNER)
def test_unusable_banner(g, harm):
    BANNER[harm](g.dir / "banner")
    g.options["Banner"] = g.dir / "banner"
    g.write_gateway()
    status, text = g.check()
    assert status == 78 and text.startswith(line_of(g, "00-gateway.ini", "Banner") + f"Banner: {g.dir}/banner: "), text
    p = g.sallyport("serve", "-c", g.conf)
    assert p.returncode == 78 and text.split(": ", 3)[3] in p.stderr.decode()


def test_too_many_host_keys(g):
    """Sixteen serve; the one after them is refused by check and by serve."""
    names = [f"more{n}" for n in range(16 - len(g.host_key_names))]
    for name in [*names, "last"]:
        g.generate_key(name)
    g.host_key_names += names
    g.write_gateway()
    assert g.check()[0] == 0
    g.host_key_names.append("last")
    g.write_gateway()
    assert_same_as_serve(g, "HostKey last: one too many; a gateway has at most 16 host keys")
