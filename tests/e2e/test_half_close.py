"""One direction ends before the other, in 12 concurrent runs."""

import subprocess

from lab import procs
from lab.wait import PATIENCE

TIMES = 12


def run_concurrently(way, command, stdin, times=TIMES):
    """Outcomes of the same command, run several times at once."""
    running = []
    for _ in range(times):
        p = way.client.spawn(command)
        p.stdin.write(stdin)
        p.stdin.close()
        p.stdin = None
        running.append(p)
    outcomes = []
    for p in running:
        out, err = p.communicate(timeout=PATIENCE)
        outcomes.append((p.returncode, out, err))
    return outcomes


def test_output_after_end_of_input(way):
    expected = (3, b"xlate\n", b"")
    assert run_concurrently(way, "cat; sleep 1; echo late; exit 3", b"x") == [expected] * TIMES


def test_output_closed_before_command_ends(way):
    assert run_concurrently(way, "exec >&-; sleep 1; exit 4", b"") == [(4, b"", b"")] * TIMES


def test_stderr_after_stdout_is_closed(way):
    expected = (5, b"first\n", b"second\n")
    command = "echo first; exec >&-; sleep 1; echo second >&2; exit 5"
    assert run_concurrently(way, command, b"") == [expected] * TIMES


def test_input_goes_on_after_output_is_closed(way, tmp_path):
    target = tmp_path / "got"
    data = b"0123456789" * 300_000
    r = way.ssh(f"exec >&-; cat >{target}; exit 6", stdin=data)
    assert r.outcome == (6, b"", "")
    assert target.read_bytes() == data


def test_immediate_end_of_input(way):
    assert run_concurrently(way, "wc -c", b"") == [(0, b"0\n", b"")] * TIMES


def test_command_that_ignores_its_input(way):
    r = way.ssh("exec <&-; echo no reader; exit 7", stdin=bytes(5_000_000))
    assert r.outcome == (7, b"no reader\n", "")


def test_late_flood_after_end_of_input(way):
    r = way.ssh("cat >/dev/null; sleep 0.3; head -c 20000000 /dev/zero; exit 8", stdin=b"x" * 100_000)
    assert (r.code, len(r.out), r.err) == (8, 20_000_000, "")


def test_reader_that_stops_reading(way):
    """ssh … | head -1: the command gets SIGPIPE."""
    ssh = way.client.spawn("yes 1>&1; echo ended >&2", stdin=subprocess.DEVNULL)
    head = way.client.popen(["head", "-1"], stdin=ssh.stdout)
    ssh.stdout.close()
    ssh.stdout = None
    assert head.communicate(timeout=PATIENCE)[0] == b"y\n"
    ssh.wait(PATIENCE)
    procs.end(ssh)
    way.sshd.quiet()


def test_command_that_closes_input_and_goes_on_writing(way):
    ssh = way.client.spawn("head -c 2; exec <&-; cat /dev/zero")
    feeder = way.client.popen(["yes"], stdout=ssh.stdin, stdin=subprocess.DEVNULL)
    ssh.stdin.close()
    ssh.stdin = None
    assert ssh.stdout.read(5_000_000)[:4] == b"y\n\0\0"
    procs.end(ssh)
    feeder.wait(PATIENCE)
    way.sshd.quiet()
