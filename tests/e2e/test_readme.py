"""The five minutes of the README, as they are written there."""

import os
import re
import shutil

import pytest

from lab import net, procs
from lab.client import Client
from lab.documents import blocks, put
from lab.gateway import SALLYPORT, TREE
from lab.sshd import ME
from lab.tty import Terminal
from lab.wait import Log

LOOKS = [text for _, text in blocks("README.md", "How it looks")]
FIVE = [text for _, text in blocks("README.md", "Your own machine in five minutes")]
ASKED = r"ED25519 key fingerprint is:? (SHA256:\S+?)\.?\s"  # ssh 10.6 has the colon, ssh 10.0 the full stop


def test_length():
    """A visitor reads it to the end."""
    assert len((TREE / "README.md").read_text().split()) <= 1500


@pytest.mark.parametrize("name", ["README.md", "CHANGES.md"])
def test_lines_are_of_one_length(name):
    assert [line for line in (TREE / name).read_text().splitlines() if len(line) > 120] == []


def test_pages_are_listed_once():
    text = (TREE / "README.md").read_text()
    pages = [str(p.relative_to(TREE)) for p in (TREE / "doc").iterdir() if p.is_file()]
    assert "doc/recipes.md" in pages
    assert {p: len(re.findall(rf"\({re.escape(p)}\)", text)) for p in pages} == {p: 1 for p in pages}


def labels(text):
    """The first words of the lines that begin with one, each once."""
    return list(dict.fromkeys(re.findall(r"^(\S+) ", text, re.M)))


def anonymous(refusal):
    return re.sub(r"session [0-9a-f]+", "session ...", refusal)


@pytest.fixture
def tree(short):
    """What `git clone` and `make` leave: conf.d, an empty key store, and the program in build/."""
    tree = short / "sallyport"
    (tree / "build").mkdir(parents=True)
    (tree / "build" / "sallyport").symlink_to(SALLYPORT)
    shutil.copytree(TREE / "keys", tree / "keys", ignore=lambda d, names: set(names) - {".gitignore", "README.md"})
    (tree / "conf.d").mkdir()
    for name in ("00-gateway.ini", "10-routes.ini"):
        shutil.copy(TREE / "conf.d" / name, tree / "conf.d")
    return tree


@pytest.fixture
def machine(make_sshd, short, ring):
    """An sshd whose user has a home directory of the test, in which the person of the tests logs in."""
    home = short / "account"
    (home / ".ssh").mkdir(parents=True)
    return make_sshd(
        AuthorizedKeysFile=f"{home}/.ssh/authorized_keys",
        ForceCommand=f'cd {home} && exec sh -c "$SSH_ORIGINAL_COMMAND"',
    ), home


@pytest.mark.parametrize("kind", ["ecdsa256", "rsa3072"])
def test_own_machine_in_five_minutes(tree, machine, ring, short, kind):
    """Whatever kind of key the user has; on a port other than 22; ssh asks about one fingerprint."""
    clone, where, keys, who, authorize, check, login = FIVE
    umask, *rest = clone.splitlines()
    assert umask.startswith("umask 022 ") and rest[1:] == ["make deps && make", "PATH=$PWD/build:$PATH"]
    sshd, account = machine
    port = net.free_port()
    conf = tree / "conf.d" / "00-gateway.ini"
    words = f"[gateway]\nListenAddress = 127.0.0.1:{port}\n"
    if os.getuid() == 0:  # as the package does it: a user of the gateway, who can read what it needs
        short.chmod(0o755)
        words += "RunAs = daemon\nRunNetworkAs = nobody\n"
    conf.write_text(put(conf.read_text(), ("[gateway]\n", words)))

    person = Client(short / "person", sshd.port, ME, ring.get("person", kind))
    (account / ".ssh" / "authorized_keys").write_text(person.key.public + "\n")
    (person.home / ".ssh").mkdir()
    shutil.copy(person.key.path.with_suffix(".pub"), person.home / ".ssh" / f"id_{kind[:3]}.pub")
    # ssh takes the home directory from passwd(5) and not from HOME, so it gets a configuration
    (person.dir / "ssh_config").write_text(
        f"IdentityFile {person.key.path}\nIdentitiesOnly yes\nGlobalKnownHostsFile /dev/null\n"
        f"Host gateway\nHostName 127.0.0.1\nUserKnownHostsFile {person.known_hosts}\n")
    (person.dir / "bin").mkdir()
    ssh = person.dir / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {person.config} "$@"\n')
    ssh.chmod(0o755)
    env = {**person.env, "PATH": f"{tree}/build:{ssh.parent}:{person.env['PATH']}"}

    def shell(script):
        # Debian 13 and Ubuntu give users of a group of their own umask 002, with which StrictModes refuses the files
        script = f"umask 002\n{umask}\n{script}\necho all of it: done"
        return Terminal(["bash", "-e", "-u", "-c", script], env, tree, columns=500)

    check, serve = check.rsplit("\n", 2)[:2]
    assert serve == "sallyport serve"
    where = put(where, ("10.0.0.5", sshd.host), ("port=22", f"port={sshd.port}"), ("ubuntu", ME))
    t = shell(where + keys + who + authorize + check)
    try:
        shown = t.expect(ASKED)
        assert shown[1] == sshd.host_keys[0].fingerprint
        t.expect(r"\(yes/no")
        t.send("yes\n")
        t.expect(r"conf.d: ok: 1 route")
        t.expect(r"--key +.*may log in: line 1")
        t.expect(r"dial .* is known \(")
        t.expect("^all of it: done")
        assert t.wait() == 0
    finally:
        t.close()

    shown = person.run(LOOKS[0].splitlines()[0].removeprefix("$ ").split(), env=env, cwd=tree, check=True).text
    assert labels(shown) == labels(LOOKS[0].partition("\n")[2])

    log = Log(short / "log")
    with open(log.path, "wb") as out:
        gateway = person.popen(serve.split(), env=env, cwd=tree, stdout=out, stderr=out)
    try:
        log.wait(rf"listening on 127.0.0.1 port {port}")
        t = shell(put(login.rstrip(), ("2222", port)) + " echo here I am")
        try:
            shown = t.expect(ASKED)
            listed = person.run(["sallyport", "key", "list"], env=env, cwd=tree, check=True).text
            assert f"host_ed25519  ED25519  {shown[1]}\n" in listed
            t.expect(r"\(yes/no")
            t.send("yes\n")
            t.expect("^here I am")
            t.expect("^all of it: done")
        finally:
            t.wait()
            t.close()
        sshd.stop()
        refused = person.run(["ssh", "-p", port, "alice@gateway", "true"], env=env).err
        assert anonymous(LOOKS[1].splitlines()[1]) == anonymous(refused.splitlines()[0])
    finally:
        everyone = procs.descendants(gateway.pid)
        person.close()
        for p in everyone:
            procs.wait_gone(p)
            procs.reap(p)
