"""The lookup backend exec: whatever the program does, only its own login fails, closed, and in time."""

import re
import subprocess
import time

import pytest

from lab.gateway import sanitized
from lab.lookup_program import TIMEOUT
from lab.sshd import ME
from lab.unauthenticated import dropped, guess
from lab.wait import PATIENCE, wait_for


def test_answer_of_program_is_route(lookup):
    x = lookup()
    assert x.login("good").text == "in\n"
    assert x.login("nobody").code == 255
    x.gateway.log.wait(r"Invalid user nobody from")


def test_environment_and_descriptors_of_program(lookup, ring):
    x = lookup('show) env -0 | tr "\\0" "\\n" >"$here/env"; ls -l /proc/self/fd >"$here/fds"; '
            'tr "\\0" "\\n" </proc/$$/cmdline >"$here/argv"; cat >"$here/stdin"; answer ;;')
    assert x.login("show").text == "in\n"
    env = dict(line.split("=", 1) for line in (x.here / "env").read_text().splitlines())
    assert env.pop("PWD") == str(x.gateway.dir)
    for name in ("SHLVL", "_", "OLDPWD"):
        env.pop(name, None)  # set by the shell itself
    assert env.pop("PATH").startswith("/usr/")
    assert env.pop("LANG") == "C.UTF-8"
    assert env.pop("SALLYPORT_SESSION") in x.gateway.log.text()
    assert 0 < int(env.pop("SALLYPORT_CLIENT_PORT")) < 65536
    assert env.pop("SALLYPORT_LOCAL_PORT") == str(x.gateway.port)
    assert env == {
        "SALLYPORT_LOGIN": "show", "SALLYPORT_CLIENT_ADDRESS": "127.0.0.1",
        "SALLYPORT_LOCAL_ADDRESS": "127.0.0.1", "SALLYPORT_METHOD": "none",
        "SALLYPORT_HOST": "", "SALLYPORT_CLIENT_CERTIFICATE": "", "SALLYPORT_CLIENT_CN": "",
        "SALLYPORT_FINGERPRINT": "", "SALLYPORT_PUBLIC_KEY": "",
    }
    fds = re.findall(r" (\d+) -> (\S+)", (x.here / "fds").read_text())
    assert {n for n, _ in fds} <= {"0", "1", "2", "3"}  # 3 is the directory that ls reads
    assert [to for n, to in fds if n == "3"][0].startswith("/proc/")
    assert (x.here / "argv").read_text().splitlines()[-2:] == [str(x.script), "show"]
    assert (x.here / "stdin").read_text() == ""


def test_program_decides_by_key(lookup, ring):
    """git@ for everybody: the program decides by the offered key."""
    one, two = ring.get("client"), ring.get("person")
    x = lookup(f'git) [ "$SALLYPORT_FINGERPRINT" = {one.fingerprint} ] || exit 1; '
            f'[ "$SALLYPORT_PUBLIC_KEY" = "{one.public}" ] || exit 3; answer ;;', "PerKey = yes\n")
    assert x.login("git").text == "in\n"
    assert not x.gateway.log.find("Invalid user git")
    assert x.way.new_client(two, user="git").ssh("true").code == 255
    x.gateway.log.wait("Invalid user git")


LEFT_BEHIND = "left behind keeps its output open"
FAULTS = {
    "hangs": ("sleep 8461.7", "took too long"),
    "ignores SIGTERM": ("trap '' TERM INT HUP; while :; do sleep 8461.7; done", "took too long"),
    "dribbles": ("while :; do printf x; sleep 0.05; done", "took too long"),
    "floods": ("cat /dev/zero", "more than 65536 bytes"),
    "floods slowly enough": ("yes '; nothing' | head -c 70000", "more than 65536 bytes"),
    "floods stderr": ("cat /dev/zero >&2", "more than 65536 bytes"),
    "ten megabytes": ("answer; head -c 10000000 /dev/zero", "more than 65536 bytes"),
    "grandchild keeps the pipe": ("answer; sleep 8461.7 & exit 0", LEFT_BEHIND),
    "daemon keeps the pipe": ("answer; setsid sleep 8461.7 & exit 0", LEFT_BEHIND),
    "exit 2": ("answer; echo cannot say >&2; exit 2", "exit status 2: cannot say"),
    "exit 139": ("answer; exit 139", "exit status 139"),
    "crashes": ("answer; kill -SEGV $$", "killed by signal 11"),
    "kill -9": ("answer; kill -9 $$", "killed by signal 9"),
    "says nothing": ("exit 0", "needs HostName"),
    "NUL": ("answer; printf 'MACs = a\\0b\\n'", "NUL byte"),
    "newline in a value": ("answer; printf 'MACs = a\\nb\\n'", "neither KEYWORD = VALUE"),
    "twice": ("answer; echo HostName = 127.0.0.2", "already set"),
    "section": ("echo '[gateway]'; answer", r"no \[sections\]"),
    "unknown key": ("answer; echo Foo = bar", "unknown keyword"),
    "no UTF-8": ("answer; printf 'Ciphers = \\377\\376\\n'", "Ciphers"),
    "option": ("answer | sed 's/127.0.0.1/-oProxyCommand=x/'", "not a host name"),
    "stdin": ("cat >/dev/null; exit 7", "exit status 7"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failing_program_fails_its_login_alone(lookup, fault):
    what, reason = FAULTS[fault]
    x = lookup(f"bad) {what} ;;", timeout={"took too long": 2, LEFT_BEHIND: 8}.get(reason, TIMEOUT))
    x.refused("bad", reason)
    wait_for("the end of it", lambda: not x.left())
    x.gateway.quiet()


def test_unsafe_program_is_refused(lookup):
    x = lookup()
    for change, reason in (
        (lambda: x.script.chmod(0o775), "others may write"),
        (lambda: x.script.chmod(0o644), "is not executable"),
        (lambda: x.script.rename(x.here / "gone"), "No such file"),
    ):
        change()
        mark = x.gateway.log.mark()
        assert x.login("good").code == 255
        x.gateway.log.wait(rf"lookup exec: good: .*{reason}", mark)
        p = x.gateway.sallyport("check", "-c", x.gateway.conf)
        assert p.returncode == 78 and b"20-lookup.ini:4: Command: " in p.stderr, p
    (x.here / "gone").rename(x.script)
    x.script.chmod(0o755)
    x.script.write_text("no interpreter line, no program")
    mark = x.gateway.log.mark()
    assert x.login("good").code == 255
    x.gateway.log.wait(r"lookup exec: good: .*cannot be run: Exec format error", mark)
    x.script.write_text("#!/no/such/interpreter\n")
    assert x.login("good").code == 255
    x.gateway.log.wait(r"lookup exec: good: .*cannot be run: No such file", mark)


@pytest.mark.parametrize(
    "login", ["$(touch pwned)", "`touch pwned`", ";touch pwned", "a'b", "x|y&z", "%s%n", "a b  c", "*", "ö"]
)
def test_hostile_login_is_one_argument(lookup, login):
    x = lookup()
    guess(x.gateway.port, login, method="none")  # ssh 10 refuses or expands some of these
    asked = x.here / "asked"
    wait_for("the program", lambda: asked.exists() and asked.read_text().endswith("\n"))
    assert asked.read_text() == login + "\n"
    assert not list(x.gateway.dir.rglob("pwned"))


def test_next_backend_is_asked(lookup, ring):
    x = lookup(order="exec ini")
    x.gateway.stop()
    x.gateway.route("carol", x.sshd, [ring.get("client")])
    x.gateway.start()
    assert x.login("carol").text == "in\n"


# The first programs wait until 16 are running.
COUNTED = (
    'many*) : >"$here/run.$$"; '
    'until set -- "$here"/run.*; [ -e "$here/full" ] || [ $# -ge 16 ]; do sleep 0.05; done; '
    ': >"$here/full"; echo $# >>"$here/counts"; rm "$here/run.$$"; answer ;;'
)


def spawn_clients(x, n):
    """n clients that log in at the same time, as many0, many1..."""
    return [
        x.way.new_client(user=f"many{i}", ConnectTimeout="300").spawn("echo in", stdin=subprocess.DEVNULL)
        for i in range(n)
    ]


def outcomes_of(clients):
    return [(*c.communicate(timeout=300), c.returncode) for c in clients]


def test_number_of_running_programs_is_limited(lookup):
    """200 logins at the same time.  Each program counts those that run, itself included."""
    # the upstream has sshd's defaults, which refuse more than 10 concurrent logins
    x = lookup(COUNTED, sshd={"MaxStartups": "10:30:100"}, MaxStartups="300", LoginGraceTime="600s")
    keeper = x.gateway.keepers()[0]
    descriptors = keeper.n_descriptors()
    ends = outcomes_of(spawn_clients(x, 200))
    bad = [end for end in ends if end[0] != b"in\n"]
    assert not bad, (len(bad), bad[:5], x.gateway.log.text()[-3000:])
    counts = [int(n) for n in (x.here / "counts").read_text().split()]
    assert len(counts) == 200 and max(counts) == 16, counts
    x.gateway.quiet()
    wait_for("its descriptors to be as before", lambda: keeper.n_descriptors() == descriptors)
    if not sanitized():
        assert int(keeper.status("VmHWM").split()[0]) < 32 * 1024


def test_logins_beyond_queue_limit_are_refused(lookup):
    """They are refused with a message, and others are not affected.

    The programs are held until all clients have connected, however slow this host is.
    """
    x = lookup('many*) until [ -e "$here/go" ]; do sleep 0.1; done; answer ;;', MaxStartups="20",
            LoginGraceTime="600s")
    clients = spawn_clients(x, 60)
    wait_for("40 to be refused", lambda: sum(c.poll() is not None for c in clients) == 40, 50)
    (x.here / "go").touch()
    ends = outcomes_of(clients)
    assert sum(end[0] == b"in\n" for end in ends) == 20, ends
    wait_for("the log to have them all", lambda: dropped(x.gateway.log.text(), "MaxStartups") == 40)
    # the end of the session can overtake its message
    assert all(
        code == 255 and (b"closed" in err or b"reset" in err) for out, err, code in ends if not out
    ), ends
    x.gateway.quiet()


def test_busy_source_does_not_delay_lookups_of_others(lookup):
    """40 logins from one address wait for a slow program: a login from another address is next, not last.

    The programs are held until the other login waits, too, however slow this host is.
    """
    x = lookup('slow*) until [ -e "$here/go" ]; do sleep 0.1; done; exit 1 ;;', MaxStartups="300",
            LoginGraceTime="600s", LogLevel="DEBUG")

    def waiting(n):
        return lambda: len(re.findall("auth server: .* -> lookup$", x.gateway.log.text(), re.M)) == n

    crowd = [x.way.new_client(user=f"slow{i}").spawn("true", stdin=subprocess.DEVNULL) for i in range(40)]
    wait_for("the crowd", waiting(40), 50)
    good = x.way.new_client(user="good", BindAddress="127.0.0.2").spawn("echo in")
    wait_for("the other", waiting(41))
    (x.here / "go").touch()
    assert good.communicate(timeout=PATIENCE)[0] == b"in\n"
    asked = (x.here / "asked").read_text().split()
    assert 16 <= asked.index("good") < 36, asked
    for c in crowd:
        c.communicate(timeout=PATIENCE)


def test_killed_program_errand_fails_its_login(lookup):
    """The login fails closed, the program does not outlive its errand, and the next login gets its turn."""
    x = lookup("slow) exec sleep 8461.7 ;;")
    for _ in range(17):
        c = x.way.new_client(user="slow").spawn("true", stdin=subprocess.DEVNULL)
        wait_for("the errand", lambda: x.gateway.role("errand exec"))[0].kill()
        assert b"Permission denied" in c.communicate(timeout=PATIENCE)[1]
    x.gateway.log.wait("lookup exec: slow: .*the errand died")
    assert x.login("good").text == "in\n"


def test_killed_errand_ends_children_of_program(lookup):
    """Also children in a session of their own; other programs go on."""
    x = lookup("slow) sleep 8461.7 & setsid sleep 8461.7 & sleep 8461.7 ;;")
    stays = x.way.new_client(user="good").spawn("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stays.stdin.write(b"one\n")
    stays.stdin.flush()
    assert stays.stdout.readline() == b"one\n"
    c = x.way.new_client(user="slow").spawn("true", stdin=subprocess.DEVNULL)
    wait_for("all of it", lambda: len(x.left()) >= 3)
    for errand in x.gateway.role("errand exec"):
        errand.kill()
    assert b"Permission denied" in c.communicate(timeout=PATIENCE)[1]
    wait_for("the end of it", lambda: not x.left())
    assert stays.communicate(b"two\n", timeout=PATIENCE)[0] == b"two\n"
    assert x.login("good").text == "in\n"


def test_client_that_leaves_frees_its_place_in_queue(lookup):
    x = lookup("slow*) sleep 8461.7 ;;")
    clients = [x.way.new_client(user=f"slow{n}").spawn("true") for n in range(16)]
    wait_for("all to be asked", lambda: (x.here / "asked").exists()
             and (x.here / "asked").read_text().count("slow") == 16)
    asked = time.monotonic()
    for c in clients:
        c.kill()
    assert x.login("good").text == "in\n"
    assert time.monotonic() - asked < TIMEOUT
    wait_for("the end of it", lambda: not x.left())


def test_route_explains_program(lookup):
    x = lookup("bad) sleep 8461.7 ;;", timeout=10)
    out = x.gateway.command("route", "good", "--dial")
    assert f"asked      {x.script}: exit status 0, " in out
    assert "found by   exec: [route good] at" in out and f"{ME}@{x.sshd.host} port" in out
    p = x.gateway.sallyport("route", "bad", "-c", x.gateway.conf)
    assert p.returncode == 1 and b"took too long" in p.stdout and b"the lookup failed" in p.stdout
    p = x.gateway.sallyport("route", "nobody", "-c", x.gateway.conf)
    assert p.returncode == 1 and b"no such login" in p.stdout


def test_dump_shows_effective_settings(lookup, tmp_path):
    g = lookup("").gateway
    out = g.command("check", "--dump")
    assert f"[lookup exec]\nCommand = {g.dir}/exec/lookup\nTimeout = {TIMEOUT}s\nPerKey = no\n" in out
    again = tmp_path / "again" / "conf.d"
    again.mkdir(parents=True)
    (again / "all.ini").write_text(out)
    p = g.sallyport("check", "--dump", "-c", again)
    assert p.returncode == 0 and p.stdout.decode() == out
