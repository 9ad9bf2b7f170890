"""One command per connection, as scripts run it."""

import hashlib
import random
import signal

import pytest

from lab.tty import needs_terminals
from lab.wait import PATIENCE, wait_for


@pytest.mark.parametrize("code", [0, 1, 2, 127, 254, 255])
def test_exit_code_is_relayed(way, code):
    assert way.ssh(f"exit {code}").outcome == (code, b"", "")


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV", "HUP"])
def test_death_by_a_signal_is_255_and_silent(way, name):
    assert way.ssh(f"ulimit -c 0; kill -{name} $$").outcome == (255, b"", "")


def test_command_not_found(way):
    r = way.ssh("there-is-no-such-command")
    assert r.code == 127 and r.out == b"" and "not found" in r.err


def test_stdout_and_stderr_stay_apart(way):
    r = way.ssh("for i in 1 2 3; do echo out$i; echo err$i >&2; done; exit 7")
    assert r.outcome == (7, b"out1\nout2\nout3\n", "err1\nerr2\nerr3\n")


def test_much_on_stdout_and_stderr_at_once(way):
    r = way.ssh("head -c 5000000 /dev/zero & head -c 5000000 /dev/zero | tr '\\0' e >&2; wait")
    assert r.code == 0
    assert r.out == bytes(5000000)
    assert r.err == "e" * 5000000


def test_every_byte_value_passes_unchanged(way):
    data = bytes(range(256)) * 400 + b"~.\n\x1b]0;x\x07\r\n" * 10
    assert way.ssh("cat", stdin=data).outcome == (0, data, "")


def test_user_and_environment_are_those_of_upstream(way):
    from lab.sshd import ME

    assert way.ssh("id -un").text == ME + "\n"


def test_command_with_quotes_newlines_and_utf8(way):
    command = "printf '%s|' \"a b\" 'c\"d' \"$(echo e)\" 'grün ☂' '\n' '\\\\'"
    assert way.ssh(command).text == "a b|c\"d|e|grün ☂|\n|\\\\|"


def test_command_of_100_kilobytes(way):
    text = "x" * 100_000
    assert way.ssh(f"printf %s {text} | sha256sum").text.split()[0] == (
        hashlib.sha256(text.encode()).hexdigest()
    )


def test_stdin_from_dev_null(way):
    assert way.ssh("-n", "cat; echo done").outcome == (0, b"done\n", "")


def test_empty_command_output_and_input(way):
    assert way.ssh("true").outcome == (0, b"", "")


def test_twenty_commands_at_once(way):
    running = [way.client.spawn(f"cat; exit {i}") for i in range(20)]
    answers = [p.communicate(b"%d" % i, timeout=PATIENCE) for i, p in enumerate(running)]
    assert [(p.returncode, out) for p, (out, _) in zip(running, answers)] == [
        (i, b"%d" % i) for i in range(20)
    ]


def test_interrupting_client_ends_command(way):
    needs_terminals()
    p = way.client.spawn("-tt", "echo started; sleep 1001")
    assert p.stdout.readline().strip() == b"started"
    wait_for("sleep", lambda: way.sshd.commands("1001"))
    p.send_signal(signal.SIGINT)
    p.wait(PATIENCE)
    wait_for("end of sleep", lambda: not way.sshd.commands("1001"))


def test_background_process_keeps_session_open_as_with_sshd(way):
    # ssh waits for processes that hold stdout, and for no others.
    r = way.ssh("sh -c 'exec >&- 2>&- <&-; sleep 1002' & echo first")
    assert r.outcome == (0, b"first\n", "")
    # its shell has the number in its command line as well, and may not have started it yet
    wait_for("sleep", lambda: any(p.title() == "sleep 1002" for p in way.sshd.commands("1002")))
    for p in way.sshd.commands("1002"):
        p.kill()


def test_exit_signal_is_relayed_with_its_name(way, exit_signal_client):
    channel = exit_signal_client(way)
    channel.exec_command("ulimit -c 0; echo out; echo err >&2; kill -TERM $$")
    assert channel.makefile().read() == b"out\n"
    assert channel.makefile_stderr().read() == b"err\n"
    wait_for("exit-signal", lambda: channel.exit_signal)
    name, dumped, message, _ = channel.exit_signal
    assert (name, dumped, message) == ("TERM", False, "")


def test_exec_requests_and_replies_keep_their_order(way, exit_signal_client):
    """Output, EOF, exit status and close arrive together: nothing is lost."""
    size = random.Random(1).randrange(300_000, 400_000)
    for _ in range(10):
        r = way.ssh(f"head -c {size} /dev/zero; exit 9")
        assert (r.code, len(r.out)) == (9, size)


@pytest.fixture
def exit_signal_client():
    """paramiko ignores exit-signal: record it before paramiko does."""
    paramiko = pytest.importorskip("paramiko")
    from paramiko.common import MSG_CHANNEL_REQUEST

    transports = []

    def on_request(channel, m):
        place = m.packet.tell()
        if m.get_text() == "exit-signal":
            m.get_boolean()
            channel.exit_signal = (m.get_text(), m.get_boolean(), m.get_text(), m.get_text())
            return
        m.packet.seek(place)
        paramiko.Channel._handle_request(channel, m)

    def connect(way):
        t = paramiko.Transport(("127.0.0.1", way.client.port))
        transports.append(t)
        t._channel_handler_table = {**t._channel_handler_table, MSG_CHANNEL_REQUEST: on_request}
        key = paramiko.Ed25519Key.from_private_key_file(str(way.client.key.path))
        t.connect(username=way.client.user, pkey=key)
        channel = t.open_session(timeout=PATIENCE)
        channel.exit_signal = None
        return channel

    yield connect
    for t in transports:
        t.close()
