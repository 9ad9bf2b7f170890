"""A shell on a terminal."""

import signal

from lab.wait import wait_for

# The start files of this host decide about the prompt: set a known one.
PROMPT = "PS1='rea''dy> '; PS2=; unset PROMPT_COMMAND; bind 'set enable-bracketed-paste off' 2>/dev/null\n"


def open_shell(way, *args, **options):
    t = way.client.terminal(*args, None, **options)
    t.send(PROMPT)
    t.expect(r"ready> ")
    return t


def test_shell_with_prompt(way):
    t = open_shell(way)
    t.send("echo $((6*7)) $TERM; tty\n")
    t.expect(r"^42 xterm\r")
    t.expect(r"^/dev/pts/\d+\r")
    t.send("exit 5\n")
    assert t.wait() == 5


def test_window_size_and_its_change_arrive(way):
    t = way.client.terminal(
        "-t", "while :; do s=$(stty size); [ \"$s\" = \"$o\" ] || echo $s; o=$s; sleep 0.05; done",
        rows=31, columns=97,
    )
    t.expect(r"^31 97\r")
    for rows, columns in ((50, 132), (1, 1), (43, 501)):
        t.resize(rows, columns)
        t.expect(rf"^{rows} {columns}\r")


def test_window_change_signals_program(way):
    t = way.client.terminal("-t", "trap 'stty size' WINCH; echo waiting; while :; do sleep 0.1; done")
    t.expect(r"^waiting\r")
    t.resize(50, 132)
    t.expect(r"^50 132\r")


def test_control_c_interrupts_command_alone(way):
    t = open_shell(way)
    t.send("echo going; sleep 1003\n")
    t.expect(r"^going\r")
    wait_for("sleep", lambda: way.sshd.commands("1003"))
    t.send("\x03")
    t.expect(r"ready> ")
    t.send("echo status $?\n")
    t.expect(r"^status 130\r")
    t.send("exit 3\n")
    assert t.wait() == 3


def test_control_d_control_z_and_control_backslash(way):
    t = open_shell(way)
    t.send("cat -u\n")
    wait_for("cat", lambda: way.sshd.commands("cat"))
    t.send("line\n")
    t.expect(r"^line\r\nline\r")
    t.send("\x04")
    t.expect(r"ready> ")
    t.send("sleep 1004\n")
    wait_for("sleep", lambda: way.sshd.commands("1004"))
    t.send("\x1a")
    t.expect(r"Stopped")
    t.send("kill %1; wait; ulimit -c 0\n")
    t.send("sleep 1005\n")
    wait_for("sleep", lambda: way.sshd.commands("1005"))
    t.send("\x1c")
    t.expect(r"Quit")
    t.send("exit 0\n")
    assert t.wait() == 0


def test_exit_code_of_command_on_terminal(way):
    t = way.client.terminal("-t", "test -t 0 && test -t 1 && echo terminal; exit 9")
    t.expect(r"^terminal\r")
    assert t.wait() == 9


def test_no_terminal_unless_requested(way):
    assert way.ssh("tty; test -t 1 || echo none").text == "not a tty\nnone\n"


def test_terminal_modes_arrive(way):
    t = way.client.terminal("-tt", "stty -a; exit 0")
    t.expect(r"intr = \^C")
    t.expect(r"onlcr")
    assert t.wait() == 0


def test_megabyte_of_terminal_output(way):
    t = way.client.terminal("-t", "seq 1 150000; echo the-end")
    t.expect(r"the-end\r", timeout=60)
    assert t.wait() == 0


def test_pasting_100_kilobytes(way):
    t = way.client.terminal("-t", "stty raw -echo; echo go; head -c 100000 | sha256sum; exit 0")
    t.expect(r"^go\r?$")
    import hashlib

    text = "paste " * 16666 + "last"
    t.send(text)
    t.expect(hashlib.sha256(text.encode()).hexdigest())
    assert t.wait() == 0


def test_escape_sequence_disconnects(way):
    t = open_shell(way)
    t.send("\n")
    t.expect(r"ready> ")
    t.send("~.")
    assert t.wait() == 255
    way.sshd.quiet()


def test_closed_terminal_hangs_up_shell(way):
    t = open_shell(way)
    t.send("sleep 1006\n")
    wait_for("sleep", lambda: way.sshd.commands("1006"))
    t.process.send_signal(signal.SIGHUP)
    t.process.wait(60)
    way.sshd.quiet()


def test_last_output_of_session_arrives(way):
    for i in range(10):
        t = way.client.terminal("-t", f"echo last-words-{i}")
        t.expect(rf"last-words-{i}\r")
        assert t.wait() == 0
