"""The confinement of errands and of the programs that they run (SECURITY.md, finding 13)."""

import json
import os
import subprocess
import sys

import pytest

from lab.gateway import Gateway, sanitized
from lab.procs import needs_access_to
from lab.client import Client
from lab.net import BlackHole
from lab.wait import PATIENCE, wait_for


SLOW = "$argon2id$v=19$m=262144,t=16,p=1$" + "A" * 22 + "$" + "A" * 43

# A lookup program that tries what an attacker would who has taken one over.
PROBE = r"""
import ctypes, errno, json, os, signal, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
facts = json.load(open(sys.argv[1]))

def call(number, *args):
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(a & (1 << 64) - 1) for a in args])
    return 0 if r >= 0 else ctypes.get_errno()

def tried(f, *args):
    try:
        f(*args)
        return 0
    except OSError as e:
        return e.errno

buffer = ctypes.addressof(ctypes.create_string_buffer(4096))
said = {"user": os.getuid(), "status": {}}
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    said["status"][name] = value.strip()
said["keys"] = {p: tried(lambda: open(p, "rb").read()) for p in facts["secret"]}
said["conf"] = {p: tried(lambda: open(p, "ab")) for p in facts["conf"]}
said["moved"] = tried(os.rename, facts["store"], facts["store"] + ".moved")
said["kill"] = {p: [tried(os.kill, p, s) for s in (signal.SIGTERM, signal.SIGCONT)] for p in facts["pids"]}
numbers = facts["calls"]
for p in facts["pids"]:
    said.setdefault("process", []).append(tried(lambda: open(f"/proc/{p}/mem", "rb").read(1)))
    said["process"].append(call(numbers["ptrace"], 16, p, 0, 0))
    said["process"].append(call(numbers["process_vm_readv"], p, buffer, 1, buffer, 1, 0))
    said["process"].append(call(numbers["prlimit64"], p, 0, buffer, 0))
    said["process"].append(call(numbers["sched_setscheduler"], p, 3, buffer))
said["calls"] = {
    "mount": call(numbers["mount"], 0, buffer, 0, 1 << 12, 0),
    "unshare": call(numbers["unshare"], 0x10000000),
    "clone": call(numbers["clone"], 0x10000000 | 17, 0, 0, 0, 0),
    "setns": call(numbers["setns"], 0, 0),
    "bpf": call(numbers["bpf"], 0, buffer, 8),
    "keyctl": call(numbers["keyctl"], 0, -3 & (1 << 64) - 1, 0),
    "add_key": call(numbers["add_key"], buffer, buffer, 0, 0, 0),
    "perf_event_open": call(numbers["perf_event_open"], buffer, 0, -1, -1, 0),
    "userfaultfd": call(numbers["userfaultfd"], 0),
    "io_uring_setup": call(425, 1, buffer),
    "init_module": call(numbers["init_module"], 0, 0, 0),
    # the kernel takes the lower half of the command alone
    "fcntl": call(numbers["fcntl"], 0, (1 << 32) + 8, os.getppid()),
}
# and what a program may do
child = subprocess.Popen(["sleep", "60"])
child.terminate()
said["child"] = child.wait()
said["timeout"] = subprocess.run(["timeout", "0.1", "sleep", "60"], check=False).returncode
said["abort"] = subprocess.run(["sh", "-c", "kill -ABRT $$"], check=False).returncode
said["jobs"] = subprocess.run(["bash", "-c", "set -m; sleep 60 & kill %1; wait; echo done"],
                              capture_output=True, check=False).stdout.decode()
with open(sys.argv[2] + ".new", "w") as f:
    json.dump(said, f)
os.rename(sys.argv[2] + ".new", sys.argv[2])
"""

# Numbers on x86-64, and those that the other architectures share.
CALLS = {
    "x86_64": {"mount": 165, "unshare": 272, "clone": 56, "setns": 308, "bpf": 321, "keyctl": 250, "add_key": 248,
               "perf_event_open": 298, "userfaultfd": 323, "init_module": 175, "fcntl": 72, "ptrace": 101,
               "process_vm_readv": 310, "prlimit64": 302, "sched_setscheduler": 144},
    "aarch64": {"mount": 40, "unshare": 97, "clone": 220, "setns": 268, "bpf": 280, "keyctl": 219, "add_key": 217,
                "perf_event_open": 241, "userfaultfd": 282, "init_module": 105, "fcntl": 25, "ptrace": 117,
                "process_vm_readv": 270, "prlimit64": 261, "sched_setscheduler": 119},
}
EPERM, EACCES = 1, 13


def landlock():
    """The Landlock version of this kernel, or 0."""
    import ctypes

    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


def filters(p):
    return int(p.status("Seccomp_filters"))


def confined(errand, parent):
    """The errand has a seccomp filter of its own besides its parent's."""
    wait_for("its filter", lambda: filters(errand) > filters(parent))
    assert errand.status("NoNewPrivs") == "1" and errand.status("Seccomp") == "2", errand
    for field in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(errand.status(field), 16) == 0, errand


def own_layout(w, errand):
    """The errand has an address space layout of its own, not the master's."""
    def where(p):
        with open(f"/proc/{p.pid}/maps", encoding="ascii") as f:
            return f.readline().split("-")[0]

    needs_access_to(errand)
    with open("/proc/sys/kernel/randomize_va_space", encoding="ascii") as f:
        if f.read().strip() == "0" or sanitized():
            return
    assert where(errand) != where(w.gateway.master)


def test_dialling_errand_is_confined(gated):
    w = gated(route={"HostName": "127.0.0.8", "ConnectTimeout": "300s"}, front={"LoginGraceTime": "300s"})
    hole = BlackHole("127.0.0.8", w.sshd.port)
    try:
        c = w.client.spawn("true", stdin=subprocess.DEVNULL)
        (errand,) = wait_for("the errand", lambda: w.gateway.role("errand dial"))
        confined(errand, w.gateway.master)
        own_layout(w, errand)
        c.kill()
        w.gateway.quiet()
    finally:
        hole.close()


def test_password_errand_is_confined(gated):
    w = gated(route={"PasswordHash": SLOW})
    t = w.client.prompting("true", NumberOfPasswordPrompts=1)
    t.expect("password: ")
    t.send("x\n")
    (errand,) = wait_for("the errand", lambda: w.gateway.role("errand password"))
    confined(errand, w.gateway.master)
    errand.kill()
    t.close()
    w.gateway.quiet()


def gateway_with_probe(g, directory, run_as=""):
    """The gateway asks a program that runs PROBE for the login probe, and sleeps for the login slow."""
    here = directory / "program"
    here.mkdir()
    seen = directory / "seen"
    seen.mkdir()
    seen.chmod(0o777)
    (here / "probe.py").write_text(PROBE)
    script = here / "lookup"
    script.write_text(
        f"#!/bin/sh\ncase $1 in\nprobe) {sys.executable} {here}/probe.py {seen}/facts {seen}/said >{seen}/out 2>&1 ;;\n"
        f"slow) sleep 8462.{os.getpid()} ;;\nesac\nexit 1\n")
    script.chmod(0o755)
    (g.conf / "20-lookup.ini").write_text(
        f"[lookup]\nOrder = exec ini\n[lookup exec]\nCommand = {script}\nTimeout = 60s\n{run_as}")
    return seen


def probe_facts(g, seen):
    store = g.dir / "keys"
    secret = [str(store / name) for name in os.listdir(store)]
    assert str(store / ".unlock") in secret and str(store / "host_ed25519") in secret
    upstream = os.uname().machine
    if upstream not in CALLS:
        pytest.skip(f"no numbers of system calls for {upstream}")
    pids = [g.process.pid, g.keepers()[0].pid, *[p.pid for p in g.role("starter")]]
    (seen / "facts").write_text(json.dumps({
        "secret": secret, "store": str(store), "conf": [str(g.conf / "20-lookup.ini"), str(g.conf / "99.ini")],
        "pids": pids, "calls": CALLS[upstream]}))


def login(g, ring, directory, user):
    return Client(directory / f"client.{user}", g.port, user, ring.get("client"), g.known_hosts())


def probe(g, seen, ring, directory):
    probe_facts(g, seen)
    before = g.processes()
    assert login(g, ring, directory, "probe").ssh("true").code == 255
    assert (seen / "said").exists(), (seen / "out").read_text() + g.log.text()
    for p in before:
        assert p.alive(), p
    return json.loads((seen / "said").read_text())


def assert_attacks_failed(said):
    """None of the attacks worked, and what a program needs works."""
    assert said["status"]["NoNewPrivs"] == "1" and said["status"]["Seccomp"] == "2"
    assert int(said["status"]["CapEff"], 16) == int(said["status"]["CapPrm"], 16) == 0
    assert set(said["calls"].values()) == {EPERM}, said["calls"]
    assert 0 not in said["process"], said["process"]
    assert all(set(codes) == {EPERM} for codes in said["kill"].values()), said["kill"]
    if landlock() > 0:
        assert set(said["keys"].values()) == {EACCES}, said["keys"]
        assert set(said["conf"].values()) == {EACCES}, said["conf"]
        assert said["moved"] in (EACCES, EPERM, 18)
    assert said["child"] == -15 and said["timeout"] == 124 and said["abort"] == -6, said
    assert said["jobs"] == "done\n"


def test_malicious_lookup_program_reaches_no_key_and_no_process(make_gateway, ring, tmp_path):
    """For a gateway that runs as one user: not started as root, or staying root."""
    g = make_gateway()
    seen = gateway_with_probe(g, tmp_path)
    g.start()
    assert_attacks_failed(probe(g, seen, ring, tmp_path))


def test_program_errand_is_confined(make_gateway, ring, tmp_path):
    g = make_gateway()
    gateway_with_probe(g, tmp_path)
    g.start()
    c = login(g, ring, tmp_path, "slow").spawn("true", stdin=subprocess.DEVNULL)
    wait_for("the program", lambda: [p for p in g.processes() if p.title().startswith("sleep 8462.")])
    (errand,) = g.role("errand exec")
    confined(errand, g.master)
    c.kill()
    g.quiet()


# RunAs of [lookup exec] is games, that of the keeper daemon, that of the network processes nobody.

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root starts programs as another user")


# The capabilities that contrib/sallyport.service leaves to root.
UNIT = ["setpriv", "--no-new-privs",
        "--bounding-set=-all,+net_bind_service,+setuid,+setgid,+dac_read_search"]


@pytest.fixture(params=[(), UNIT], ids=["root", "unit"])
def three_users(request, short, ring):
    """A gateway of three users, and the directory where its program leaves its results."""
    import pwd

    os.chmod(short, 0o755)
    g = Gateway(short / "gateway", ring, within=request.param, RunAs="daemon", RunNetworkAs="nobody")
    seen = gateway_with_probe(g, short, "RunAs = games\n")
    user = pwd.getpwnam("daemon")
    for f in (g.dir / "keys", *(g.dir / "keys").iterdir()):
        os.chown(f, user.pw_uid, user.pw_gid)
    g.start()
    g.seen_dir = seen
    yield g
    g.stop()


def uid(name):
    import pwd

    return pwd.getpwnam(name).pw_uid


@needs_root
def test_run_as_of_lookup_programs(three_users, ring, tmp_path):
    said = probe(three_users, three_users.seen_dir, ring, tmp_path)
    assert said["user"] == uid("games")
    assert_attacks_failed(said)


@needs_root
def test_starter_keeps_two_capabilities_and_kills_leftovers(three_users, ring, tmp_path):
    (starter,) = three_users.role("starter")
    assert starter.status("Uid").split() == [str(uid("daemon"))] * 4
    setuid_setgid = 1 << 6 | 1 << 7
    for field in ("CapPrm", "CapEff"):
        assert int(starter.status(field), 16) == setuid_setgid, field
    if not three_users.within:
        assert int(starter.status("CapBnd"), 16) == setuid_setgid
    assert int(starter.status("CapInh"), 16) == int(starter.status("CapAmb"), 16) == 0
    assert starter.status("NoNewPrivs") == "1" and filters(starter) > 0
    c = login(three_users, ring, tmp_path, "slow").spawn("true", stdin=subprocess.DEVNULL)

    def programs():
        return [p for p in three_users.processes() if "8462." in p.title() or "lookup slow" in p.title()]

    wait_for("the program", lambda: len([p for p in programs() if p.title().startswith("sleep")]) == 1)
    (errand,) = three_users.role("errand exec")
    confined(errand, starter)
    for p in (errand, *programs()):
        assert p.status("Uid").split() == [str(uid("games"))] * 4, p
    errand.kill()
    wait_for("the end of what it ran", lambda: not [p for p in programs() if p.alive()])
    assert three_users.log.wait("lookup exec: slow: .*the errand died")
    c.kill()
    three_users.quiet()
    wait_for("no zombie of the starter's", lambda: not [
        p for p in three_users.processes() if p.parent == starter.pid])


@needs_root
def test_reload_cannot_change_lookup_program(three_users, ring, tmp_path):
    """The starter runs the command it was started with: a reload that names another one is refused."""
    file = three_users.conf / "20-lookup.ini"
    text = file.read_text()
    for other in (text.replace("/lookup\n", "/probe.py\n"), text.replace("RunAs = games\n", ""),
                  text.replace("games", "man")):
        assert other != text
        file.write_text(other)
        p = three_users.sallyport("reload", "-c", three_users.conf)
        assert p.returncode == 78 and b"restart" in p.stdout + p.stderr, p
    file.write_text(text.replace("60s", "20s"))
    assert three_users.sallyport("reload", "-c", three_users.conf).returncode == 0


@needs_root
def test_next_lookup_ends_gateway_whose_starter_died(three_users, ring, tmp_path):
    """The service manager starts the gateway anew; without its starter no login could be looked up."""
    (starter,) = three_users.role("starter")
    starter.kill()
    assert login(three_users, ring, tmp_path, "slow").ssh("true").code == 255
    assert three_users.process.wait(PATIENCE) == 1
    three_users.log.wait("the starter of lookup programs has died")


@needs_root
@pytest.mark.parametrize("command", ["route", "check"])
def test_commands_run_lookup_program_as_its_user(three_users, command, ring):
    probe_facts(three_users, three_users.seen_dir)
    if command == "route":
        three_users.sallyport("route", "probe", "-c", three_users.conf)
        said = json.loads((three_users.seen_dir / "said").read_text())
        assert said["user"] == uid("games")
        assert_attacks_failed(said)
    else:
        (three_users.seen_dir.parent / "program").chmod(0o700)
        p = three_users.sallyport("check", "-c", three_users.conf)
        assert p.returncode == 78 and b"games" in p.stderr, p


@pytest.mark.parametrize("user", ["daemon", "nobody", "root", "no-such-user"])
def test_forbidden_users_of_lookup_programs(short, ring, user):
    """Root, the gateway's own users, users that do not exist; and where the gateway was not started as root,
    any other user.
    """
    if os.getuid() == uid("nobody"):
        pytest.skip("that one may")
    os.chmod(short, 0o755)
    g = Gateway(short / "gateway", ring, RunAs="daemon", RunNetworkAs="nobody")
    gateway_with_probe(g, short, f"RunAs = {user}\n")
    for command in ("check", "serve"):
        p = g.sallyport(command, "-c", g.conf)
        assert p.returncode == 78 and b"20-lookup.ini:6: RunAs: " in p.stderr, p
