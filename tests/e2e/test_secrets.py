"""No private key in processes that talk to the network: the tests search their memory."""

import os
import re
import resource

import pytest

from lab.gateway import sanitized
from lab.keys import private_parts
from lab.memory import found_in
from lab.sshd import ME
from lab.totp import enters, person
from lab.wait import wait_for
from lab.way import Way


def forms_of_key(name, key):
    """Each form in which a private key has been found in memory."""
    needles = {}
    for part, value in private_parts(key.path).items():
        needles[f"{name} {part}"] = value[:32] if part == "seed" else value
        if part not in ("seed", "secret"):  # OpenSSL's form of a number
            needles[f"{name} {part} reversed"] = value[::-1]
    text = "".join(key.path.read_text().split("-----")[2].split())
    needles[f"{name} as text"] = text[-160:-60].encode()
    return needles


KINDS = ["ed25519", "rsa3072", "ecdsa256"]
HOST_KEY_ALGORITHMS = ["ssh-ed25519", "rsa-sha2-512", "ecdsa-sha2-nistp256"]


@pytest.fixture
def secrets(gated, ring):
    """A way through a gateway whose private keys the test knows."""
    if os.getuid() != 0:
        pytest.skip("only root may read the memory of a process that cannot be dumped")
    if sanitized():
        pytest.skip("the sanitizer maps terabytes, and keeps what was freed")
    w = gated(front={"host_keys": KINDS})
    w.gateway.stop()
    needles = {"store key": (w.gateway.dir / "keys" / ".unlock").read_bytes().strip()}
    for kind in KINDS:
        key = ring.get("mapped", kind)
        w.gateway.add_key(f"mapped_{kind}", key)
        w.sshd.authorize(key.public)
        w.gateway.route(kind, w.sshd, [ring.get("client")], key=f"mapped_{kind}")
        needles.update(forms_of_key(f"mapped {kind}", key))
    for key, kind in zip(w.gateway.host_keys, KINDS):
        needles.update(forms_of_key(f"host {kind}", key))
    w.gateway.start()
    return w, needles


def test_master_and_sessions_hold_no_private_key(secrets):
    w, needles = secrets
    for options in ({}, {"HostKeyAlgorithms": "rsa-sha2-512"}):
        for kind in KINDS:
            c = w.new_client(user=kind)
            p = c.spawn("-v", "echo up; cat", RekeyLimit="1M", **options)
            assert p.stdout.readline() == b"up\n"
            for _ in range(3):  # rekeying
                p.stdin.write(bytes(1_000_000))
                p.stdin.flush()
                assert p.stdout.read(1_000_000) == bytes(1_000_000)
    sessions = w.gateway.sessions()
    assert len(sessions) == 6
    for session in sessions:
        login = re.search(r"session \w+ (\w+)", session.title())[1]
        control = {"login": login.encode(), "host key": public_blob(w.gateway.host_keys[0])}
        assert found_in(session, control) == set(control), "the search itself does not work"
        assert found_in(session, needles) == set()
    assert found_in(w.gateway.master, needles) == set()


def test_keeper_holds_no_private_key_after_signing(secrets):
    """SECURITY.md, finding 22: mapped keys and host keys of all types are wiped after each use."""
    w, needles = secrets
    for algorithm in HOST_KEY_ALGORITHMS:
        for kind in KINDS:
            r = w.new_client(user=kind, HostKeyAlgorithms=algorithm).ssh("echo in")
            assert r.text == "in\n", r
    (keeper,) = w.gateway.keepers()
    control = {"host key": public_blob(w.gateway.host_keys[0])}
    assert found_in(keeper, control) == set(control), "the search itself does not work"
    assert found_in(keeper, needles) == set()


def test_keeper_holds_no_private_key_of_directory_backend(secrets, ring):
    """The keeper reads the private keys of the backend directory from files, at each login."""
    w, _ = secrets
    users = w.gateway.dir / "users"
    users.mkdir(mode=0o755)
    (w.gateway.conf / "20-lookup.ini").write_text(
        "[lookup]\nOrder = ini directory\n[lookup directory]\nPath = users\n"
    )
    needles = {}
    for kind in KINDS:
        key = ring.get("piper", kind)
        w.sshd.authorize(key.public)
        needles.update(forms_of_key(f"piper {kind}", key))
        d = users / f"piper-{kind}"
        d.mkdir()
        (d / "sshpiper_upstream").write_text(f"{ME}@{w.sshd.host}:{w.sshd.port}\n")
        (d / "authorized_keys").write_text(ring.get("client").public + "\n")
        (d / "known_hosts").write_text(w.sshd.known_hosts())
        (d / "id_rsa").touch(0o600)
        (d / "id_rsa").write_bytes(key.path.read_bytes())
    p = w.gateway.sallyport("reload", "-c", w.gateway.conf)
    assert p.returncode == 0, p
    for kind in KINDS:
        r = w.new_client(user=f"piper-{kind}").ssh("echo in")
        assert r.text == "in\n", r
    (keeper,) = w.gateway.keepers()
    assert found_in(keeper, needles) == set()


def test_no_process_holds_the_secret_of_one_time_codes(coded):
    """Nor what liboath computes with: the secret, combined with the pads of RFC 2104; nor a recovery code."""
    if os.getuid() != 0:
        pytest.skip("only root may read the memory of a process that cannot be dumped")
    if sanitized():
        pytest.skip("the sanitizer maps terabytes, and keeps what was freed")
    w = coded()
    secret = w.secret.secret
    needles = {"secret": secret, **{f"{pad:02x} pad": bytes(b ^ pad for b in secret) for pad in (0x36, 0x5c)},
               "base32": w.secret.uri.split("secret=")[1][:32].encode()}
    assert not enters(person(w, w.secret.wrong()))
    assert enters(person(w, w.secret.recovery[0]))
    c = person(w, w.secret.code())
    p = c.spawn("echo up; cat")
    assert p.stdout.readline() == b"up\n"
    (keeper,), (session,) = w.gateway.keepers(), w.gateway.sessions()
    control = {"login": b"alice"}
    for process in (keeper, session, w.gateway.master):
        assert found_in(process, needles) == set()
    assert found_in(keeper, control) == found_in(session, control) == set(control), "the search itself does not work"
    # with its dashes as typed, and without them as it is hashed
    typed = w.secret.recovery[0]
    assert found_in(keeper, {"typed": typed.encode(), "hashed": typed.replace("-", "").upper().encode()}) == set()


def test_unlockable_memory_is_one_warning(make_gateway, make_sshd, ring):
    """SECURITY.md, finding 22: one warning with what to do; everything else works."""
    limit = ["prlimit", "--memlock=0:0"]
    if os.getuid() == 0:  # the limit does not apply to root
        limit = ["setpriv", "--bounding-set=-ipc_lock", *limit]
    g = make_gateway(within=limit)
    sshd = make_sshd()
    g.route("alice", sshd, [ring.get("client")])
    g.start()
    w = Way("gateway", g.dir / "way", ring, sshd, g)
    try:
        w.answers()
        assert g.sallyport("reload", "-c", g.conf).returncode == 0
        w.answers()
    finally:
        w.close()
    said = re.findall(r"memory cannot be locked: .*LimitMEMLOCK=.*ulimit -l", g.log.text())
    assert len(said) == 1, g.log.text()


def test_lockable_memory_is_no_warning(make_gateway, make_sshd, ring):
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if os.getuid() != 0 and hard != resource.RLIM_INFINITY and hard < 1 << 20:
        pytest.skip("no more than that may be locked here")
    g = make_gateway(within=["prlimit", "--memlock=1048576:1048576"])
    g.route("alice", make_sshd(), [ring.get("client")])
    g.start()
    assert "cannot be locked" not in g.log.text()


def public_blob(key):
    """The 32 public bytes of an Ed25519 key."""
    import base64

    return base64.b64decode(key.public.split()[1])[-32:]


def test_connection_before_login_holds_no_private_key(secrets):
    from lab import net

    w, needles = secrets
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(4) == b"SSH-"
        (session,) = wait_for("the session", w.gateway.sessions)
        assert found_in(session, needles) == set()


def test_keys_on_disk_are_sealed(secrets):
    w, needles = secrets
    for directory, _, files in os.walk(w.gateway.dir / "keys"):
        for name in files:
            path = os.path.join(directory, name)
            assert os.stat(path).st_mode & 0o077 == 0 or name.endswith(".pub"), path
            if name == ".unlock":
                continue
            with open(path, "rb") as f:
                data = f.read()
            assert [n for n, needle in needles.items() if needle in data] == []


def test_no_secret_in_the_log(secrets, ring):
    w, needles = secrets
    w.client.ssh("true")
    w.new_client(ring.get("wrong0")).ssh("true")
    log = w.gateway.log.text().encode()
    assert [n for n, needle in needles.items() if needle in log] == []
