"""plugins/exec/docker and docker-sshpiper, with recorded answers of docker 28, and with the real client where it is
installed.
"""

import base64
import os
import shutil

import pytest

from lab.docker import RECORDED, Engine
from lab.program import HOSTILE, PROGRAMS, run
from lab.sshd import ME

DOCKER = shutil.which("docker")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 "


@pytest.fixture(params=["recorded", "docker"])
def engine(request, short, program_dir):
    e = Engine(short)
    if request.param == "recorded":
        e.install_client(short / "bin")
        e.path = f"{short}/bin:/usr/bin:/bin"
    else:
        if DOCKER is None:
            pytest.skip("no docker client here; the recorded one has been asked")
        e.serve()
        e.path = f"{os.path.dirname(DOCKER)}:/usr/bin:/bin"
    yield e
    e.close()


def asking(program, engine, directory, default):
    """ask(login, rest of the file, key, ...): what the program says with these words in its file."""

    def call(login="alice", route=default, key="", **words):
        words = {"DockerHost": f"unix://{engine.socket}", **words}
        (directory / "docker").write_text("".join(f"{k} = {v}\n" for k, v in words.items()) + route)
        return run(program, directory / "docker", login, PATH=engine.path, SALLYPORT_PUBLIC_KEY=key)

    return call


@pytest.fixture
def ask(engine, program_dir):
    return asking("docker", engine, program_dir, "Key = people\n")


@pytest.fixture
def recorded(program_gateway, short):
    """recorded(program, words of its file): a way through a gateway that runs it, and the engine that it asks."""

    def make(program, words):
        e = Engine(short)
        e.install_client(short / "bin")
        # PATH is set by the gateway, so a script stands in for the recorded client
        script = short / "lookup"
        script.write_text(f'#!/bin/sh\nPATH={short}/bin:$PATH exec {PROGRAMS}/{program} "$@"\n')
        script.chmod(0o755)
        w = program_gateway(script, "docker")
        (w.gateway.dir / "docker").write_text(words)
        return w, e

    return make


def test_docker(engine, ask):
    assert ask().returncode == 1
    engine.container()
    engine.container("bob", networks={"people_ssh": ("172.20.0.6", "")}, **{
        "user": "ubuntu", "port": "2200", "key": "bob", "authorized-key": KEY + "one", "authorized-key.2": KEY + "two",
        "host-key-fingerprint": "SHA256:x"})
    r = ask()
    assert (r.returncode, r.stdout, r.stderr) == (0, "HostName = 172.20.0.5\nKey = people\n", "")
    r = ask("bob", "key = people\nUser = root\nAuthorizedKey = k\nPermitTTY = no\n")
    assert sorted(r.stdout.splitlines()) == sorted([
        "HostName = 172.20.0.6", "User = ubuntu", "Port = 2200", "Key = bob", f"AuthorizedKey = {KEY}one",
        f"AuthorizedKey = {KEY}two", "HostKeyFingerprint = SHA256:x", "AuthorizedKey = k", "PermitTTY = no"])
    for login in ("carol", "ALICE", "al", "alice=", *HOSTILE):
        r = ask(login)
        assert (r.returncode, r.stdout, r.stderr) == (1, "", ""), login


def test_docker_login_matches_exactly(engine, ask):
    """docker trims the values of its filters; a login with an extra blank is still another login."""
    for login in ["a=b", "a,label=x", "{{.ID}}", "$(touch pwned)", "a b", "a'\"b", "--all", "name=x"]:
        engine.container(login)
        r = ask(login)
        assert r.stdout == "HostName = 172.20.0.5\nKey = people\n", (login, r)
    engine.container("alice")
    for login in ("alice ", " alice", "\talice", "sallyport.login=alice", "alice\n"):
        assert ask(login).returncode == 1, login
    engine.container("")
    assert ask(" ").returncode == 1


@pytest.mark.parametrize("status", ["created", "restarting", "removing", "paused", "exited", "dead"])
def test_docker_finds_only_running_containers(engine, ask, status):
    engine.container(status=status)
    assert ask().returncode == 1
    engine.container(networks={"a": ("10.9.9.9", "")})
    assert ask().stdout.startswith("HostName = 10.9.9.9\n")


def test_docker_several_containers_of_one_login(engine, ask):
    engine.container()
    engine.container(networks={"a": ("10.9.9.9", "")})
    r = ask()
    assert (r.returncode, r.stdout) == (2, "") and "several containers have this login" in r.stderr


def test_docker_networks(engine, ask):
    engine.container(networks={"front": ("10.0.0.2", "fd00::2"), "back": ("10.0.1.2", "")})
    engine.container("bob", networks={"front": ("10.0.0.3", ""), "back": ("10.0.1.3", "")}, network="back")
    engine.container("host", networks={"host": ("", "")})
    engine.container("six", networks={"a": ("", "fd00::6")})
    r = ask()
    assert (r.returncode, r.stdout) == (2, "") and "2 networks" in r.stderr
    assert ask(Network="back").stdout.startswith("HostName = 10.0.1.2\n")
    assert ask(Network="front").stdout.startswith("HostName = 10.0.0.2 fd00::2\n")
    r = ask(Network="elsewhere")
    assert (r.returncode, r.stdout) == (2, "") and "not on the network elsewhere" in r.stderr
    assert ask("bob", Network="front").stdout.startswith("HostName = 10.0.1.3\n")
    assert ask("six").stdout.startswith("HostName = fd00::6\n")
    r = ask("host")
    assert (r.returncode, r.stdout) == (2, "") and "no address" in r.stderr


@pytest.mark.parametrize("label, value", [
    ("user", "ubuntu\nHostName = 10.6.6.6"), ("user", "ubuntu\rx"), ("user", "a ;b"), ("user", ";b"),
    ("authorized-key", "a\nb"), ("network", "x\nHostName = y"), ("hostname", "10.6.6.6"), ("HostName", "10.6.6.6"),
    ("user-known-hosts-file", "/tmp/x"), ("authorized-keys-file", "/tmp/x"), ("permit-open", "none"),
    ("user\nKey", "x"), ("authorized-key\n", "x"), ("", "x"), ("User", "root"), ("authorized-key.a b", "x"),
])
def test_docker_wrong_labels(engine, ask, label, value):
    engine.container(**{label: value})
    r = ask()
    assert r.returncode == 2 and r.stderr, r


def test_docker_labels_of_images_do_not_count(engine, ask):
    """Docker copies labels of an image to its containers: whoever uploads an image must not get a login."""
    engine.container()
    for labels in ({"sallyport.login": "alice"}, {"x": "y", "sallyport.authorized-key": "k"}):
        engine.images[RECORDED["Image"]] = labels
        engine.save()
        r = ask()
        assert (r.returncode, r.stdout) == (2, "") and "its image has the label" in r.stderr
    engine.images[RECORDED["Image"]] = {"maintainer": "x", "org.sallyport.login": "y"}
    engine.save()
    assert ask().returncode == 0
    engine.images.clear()
    engine.save()
    assert ask().returncode == 2


def test_docker_engine_that_is_down(engine, ask):
    engine.container()
    assert ask().returncode == 0
    engine.down = True
    engine.save()
    r = ask(DockerHost=f"unix://{engine.socket}.none")
    assert (r.returncode, r.stdout) == (2, "")
    assert r.stderr.startswith("Cannot connect to the Docker daemon at unix://")
    assert r.stderr.endswith("no answer from Docker\n")
    assert run("docker", "/nowhere", "alice", PATH=engine.path).returncode == 2
    assert ask(route="nonsense\n").returncode == 2


def test_docker_client_is_missing(program_dir):
    (program_dir / "docker").write_text("")
    (program_dir / "bin").mkdir()
    for name in ("dirname", "readlink", "jq", "sh"):
        (program_dir / "bin" / name).symlink_to(shutil.which(name))
    r = run("docker", program_dir / "docker", "alice", PATH=f"{program_dir}/bin")
    assert r.returncode == 2 and "not found" in r.stderr


def test_docker_login(recorded):
    w, e = recorded("docker", "AuthorizedKeysFile = alice.pub\nUserKnownHostsFile = known_hosts\nNetwork = ssh\n")
    e.container("alice", networks={"ssh": ("127.0.0.1", ""), "x": ("10.0.0.1", "")}, user=ME, key="mapped",
                port=str(w.sshd.port))
    w.answers()
    assert w.new_client(user="bob").ssh("true").code == 255
    w.gateway.log.wait("Invalid user bob")
    e.down = True
    e.save()
    assert w.ssh("true").code == 255
    w.gateway.log.wait(r"lookup exec: alice: .*exit status 2: Cannot connect to the Docker daemon")


# docker-sshpiper


@pytest.fixture
def ask_piper(engine, program_dir):
    return asking("docker-sshpiper", engine, program_dir, "Key = {container}\n")


def data(text):
    return base64.b64encode(text.encode()).decode()


def test_sshpiper_labels(engine, ask_piper):
    assert ask_piper().returncode == 1
    engine.container()  # sallyport's own labels are not read
    assert ask_piper().returncode == 1
    engine.container(piper={"username": "alice", "container_username": "ubuntu", "port": "2222",
                            "authorized_keys": data(f"# us\n{KEY}one\r\n\n{KEY}two"),
                            "trusted_user_ca_keys": data(KEY + "ca\n"), "private_key": data("secret")})
    r = ask_piper(route="Key = {container}\nStrictHostKeyChecking = no\nUser = root\n")
    assert (r.returncode, r.stderr) == (0, "") and "c2Vj" not in r.stdout, r
    assert r.stdout.splitlines() == [
        "HostName = 172.20.0.5", "Port = 2222", "User = ubuntu", f"AuthorizedKey = {KEY}one", f"AuthorizedKey = {KEY}two",
        f"AuthorizedKey = cert-authority {KEY}ca", "Key = box1", "StrictHostKeyChecking = no"]
    r = ask_piper(route="")
    assert r.returncode == 2 and "has to be in the key store" in r.stderr
    # without a list, the container asks for the password, and no mapped key may log in there
    engine.container(piper={"username": "bob"})
    assert ask_piper("bob").stdout == "HostName = 172.20.0.5\nPassthrough = yes\n"
    for login in ("carol", "ALICE", "al", "alice ", *HOSTILE):
        r = ask_piper(login)
        assert (r.returncode, r.stdout, r.stderr) == (1, "", ""), login


def test_sshpiper_key_selects_container(engine, ask_piper):
    """One login for several containers, and containers for any login."""
    for name, key in (("git", "one"), ("git", "two"), (None, "three"), ("git", None)):
        labels = {"username": name, "authorized_keys": key and data(KEY.strip() + key)}
        engine.container(piper={k: v for k, v in labels.items() if v}, networks={"n": (f"10.0.0.{len(engine.containers)}", "")})
    engine.container(piper={"authorized_keys": "not base64!"})

    def host(login, key):
        return ask_piper(login, key=KEY.strip() + key if key else "").stdout.partition("\n")[0].removeprefix("HostName = ")

    assert [host("git", k) for k in ("one", "two", "three", "four", "")] == [
        "10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.3"]
    assert host("anybody", "three") == "10.0.0.2" and host("anybody", "one") == "" and host("anybody", "") == ""
    assert host("git", "on") == "10.0.0.3"  # a part of a key is no key


@pytest.mark.parametrize("labels, reason", [
    ({"docker_exec_cmd": "true"}, "without an sshd"), ({"docker_sshd": "True"}, "without an sshd"),
    ({"host": "x"}, "no label sshpiper."), ({"port": "22\nKey = x"}, "not one line"),
    ({"authorized_keys": data("a\x01b")}, "not one line"), ({"authorized_keys": "?"}, ""),
    ({"container_username": "a ;b"}, "not one line"), ({"network": "none"}, "not on the network none"),
])
def test_sshpiper_wrong_labels(engine, ask_piper, labels, reason):
    engine.container(piper={"username": "alice", **labels})
    r = ask_piper()
    assert r.returncode == 2 and reason in r.stderr, r


def test_sshpiper_labels_of_images_do_not_count(engine, ask_piper):
    engine.container(piper={"username": "alice"})
    engine.images[RECORDED["Image"]] = {"sshpiper.username": "alice"}
    engine.save()
    r = ask_piper()
    assert (r.returncode, r.stdout) == (2, "") and "its image has the label sshpiper.username" in r.stderr


def test_sshpiper_login(recorded, ring):
    w, e = recorded("docker-sshpiper", "Key = mapped\nUserKnownHostsFile = known_hosts\n")
    e.container(networks={"ssh": ("127.0.0.1", "")}, piper={
        "username": "alice", "container_username": ME, "port": str(w.sshd.port),
        "authorized_keys": data(ring.get("client").public)})
    w.answers()
    assert w.new_client(ring.get("person")).ssh("true").code == 255
    assert w.new_client(user="bob").ssh("true").code == 255
