"""The log lines of a session that has been taken over.

The numbers in brackets are those of the findings in SECURITY.md.
"""

import re
import shutil
import struct

import pytest

from lab import net
from lab.fail2ban import MODES, hosts
from lab.taken_over import Gone, TakenOver, types
from lab.syscalls import number

ERROR, WARN, INFO, DEBUG = range(4)
FORGED = "192.0.2.99"
# In sshd's words: lines for which a filter bans, or that an administrator reads.
LINES = [
    f"Accepted publickey for root from {FORGED} port 1 ssh2",
    f"Failed password for root from {FORGED} port 22 ssh2",
    f"Failed password for invalid user x from {FORGED} port 22 ssh2",
    f"Invalid user root from {FORGED} port 22",
    f"error: maximum authentication attempts exceeded for root from {FORGED} port 22 ssh2 [preauth]",
    f"Disconnected from authenticating user root {FORGED} port 22 [preauth]",
    f"Received disconnect from {FORGED} port 22:3: x: Auth fail [preauth]",
    f"Unable to negotiate with {FORGED} port 22: no matching cipher found. Their offer: x [preauth]",
    f"banner exchange: Connection from {FORGED} port 22: invalid format",
    f"ssh_dispatch_run_fatal: Connection from {FORGED} port 22: message authentication code incorrect [preauth]",
    f"Timeout before authentication for {FORGED} port 22",
    f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={FORGED}",
]
WAYS_AROUND = [
    "{}",
    "\n{}",
    "x\nsshd[1]: {}",
    "\r{}\r\n",
    "\x1b[2K\x1b[1G{}",
    "\x1b]0;{}\x07",
    "\u2028{}",
    "x\u202e{}",
    "[preauth]\nNov 21 01:30:00 host sallyport[7]: {}",
    ": {}",
    "x: sallyport[7]: {}",
]
END_HOW = range(8)


def assert_no_forged_address(lines, tmp_path):
    """In no line does another address precede the one that the gateway itself logs."""
    for line in lines:
        words = re.sub(r"^sallyport\[\d+\]: (error: )?", "", line)
        assert re.fullmatch(r"[ -~\u00a0-\U0010ffff]*", line), ascii(line)
        assert "\u2028" not in line and "\u202e" not in line, ascii(line)
        if FORGED not in words:
            continue
        assert re.match(r"session [0-9a-f]+: ", words) or words.index("127.0.0.1") < words.index(FORGED), line
    if shutil.which("fail2ban-regex"):
        for mode in MODES:
            for ours in (False, True):
                assert hosts(tmp_path, [lines], mode, ours) <= {"192.0.2.1"}, (mode, ours)


def send_log(t, text, level=INFO):
    t.send("LOG", bytearray([level]), text)


def test_log_lines_are_marked_as_those_of_session(attacked, tmp_path):
    """[6] Each line begins with the session id, and is one line."""
    g = attacked.gateway
    sent = 0
    mark = g.log.mark()
    for forged in LINES:
        with TakenOver(g.port) as t:
            for i, way in enumerate(WAYS_AROUND):
                send_log(t, way.format(forged), (ERROR, WARN, INFO)[i % 3])
                sent += 1
            send_log(t, "the last one")
            g.log.wait("session [0-9a-f]+: the last one$", mark)
            mark = g.log.mark()
    lines = g.log.lines()
    assert len([line for line in lines if re.search(rf"session [0-9a-f]+: .*{re.escape(FORGED)}", line)]) == sent
    assert_no_forged_address(lines, tmp_path)
    attacked.answers()


def test_end_reason_follows_address_of_client(attacked, tmp_path):
    """[6] The reasons in its END follow the address that the keeper has from the master."""
    g = attacked.gateway
    for known in (False, True):
        for how in END_HOW:
            for forged in LINES:
                text = f" {forged}\n{forged}"
                with TakenOver(g.port) as t:
                    if known:
                        t.sign()
                        t.auth(50, "mallory", "ssh-connection", "none")
                        t.expect("DOWNSTREAM")
                    t.send("END", text, bytearray(struct.pack(">QQB", 1, 1, how)), how, text)
                    assert t.ended()
    lines = g.log.lines()
    assert len([line for line in lines if FORGED in line]) >= 2 * len(END_HOW) * len(LINES) * 3 // 4
    assert_no_forged_address(lines, tmp_path)
    attacked.answers()


def test_reported_failure_is_marked_as_that_of_session(attacked, ring, tmp_path):
    """[6] The reason why its upstream failed."""
    g = attacked.gateway
    for forged in LINES:
        with TakenOver(g.port) as t:
            t.sign()
            t.prove("alice", ring.get("client"))
            t.expect("UPSTREAM_FD")
            t.send("UPSTREAM_FAILED", f"\n{forged}")
            t.expect("REFUSE")
    assert_no_forged_address(g.log.lines(), tmp_path)


def test_debug_lines_are_logged_at_debug_level_alone(attacked):
    g = attacked.gateway
    with TakenOver(g.port) as t:
        send_log(t, "nobody wants this", DEBUG)
        send_log(t, "somebody wants this", INFO)
        g.log.wait("somebody wants this")
    assert not g.log.find("nobody wants this")


@pytest.mark.parametrize("parts", [
    (bytearray([4]), "text"), (bytearray([255]), "text"), (bytearray(),), (bytearray([INFO]),),
    (bytearray([INFO]), "text", "more"), (bytearray([INFO]), "a\0b"), (bytearray([INFO]), "a" * 1025),
    (bytearray([INFO]), bytearray(b"\xff\xff\xff\xfftext")),
], ids=repr)
def test_malformed_log_message_ends_session(attacked, parts):
    with TakenOver(attacked.gateway.port) as t:
        t.send("LOG", *parts)
        assert t.ended()
    attacked.gateway.log.wait("ended: unreadable line for the log")
    attacked.answers()


def test_long_log_line_is_cut(attacked):
    with TakenOver(attacked.gateway.port) as t:
        send_log(t, "\x01" * 1024)
        attacked.gateway.log.wait(r"session [0-9a-f]+: (\\001){100,}\.\.\.$")


def test_flood_of_log_lines_ends_session(attacked):
    """[17] 20 at once; the number of lost lines is logged, and a session that does not stop is ended."""
    g = attacked.gateway
    with TakenOver(g.port) as t:
        for _ in range(100):
            send_log(t, "a flood")
        t.send("END", "over", bytearray(bytes(21)), "")
        assert t.ended()
    g.log.wait("[0-9]+ of its lines are not in the log: they were too many at once$")
    few = len(re.findall("a flood", g.log.text()))
    lost = int(g.log.find(r"(\d+) of its lines are not").group(1))
    assert 20 <= few < 100 and few + lost == 100
    mark = g.log.mark()
    sent = 0
    with TakenOver(g.port) as t:
        with pytest.raises(Gone):
            for sent in range(20_000):
                send_log(t, "a flood")
    g.log.wait("ended: too many lines for the log", mark)
    assert len(g.log.lines(mark)) < 20 + 60 and sent < 20_000
    attacked.answers()


def test_algorithm_without_host_key_ends_session(attacked):
    """[17] One line in all, not one per attempt."""
    g = attacked.gateway
    with TakenOver(g.port) as t:
        assert t.receive()[0] == "HELLO"
        message = bytes([types()["SIGN"]]) + struct.pack(">I", 7) + b"unknown" + struct.pack(">I", 32) + bytes(32)
        sent = 0
        for sent in range(1000):
            if t.call(number("sendto"), t.keeper_fd, t.put(message), len(message), 0x4000) < 0:
                break
        assert t.ended() and sent < 999
    lines = [line for line in g.log.lines() if "it asks for a signature that no host key can make" in line]
    assert len(lines) == 1 and re.search(r"from 127\.0\.0\.1 port \d+", lines[0]), lines
    attacked.answers()


def test_policy_refusals_are_logged_with_session_id(gated):
    """The lines of a normal session come the same way."""
    w = gated(route={"AllowTcpForwarding": "no"})
    port = net.free_port()
    w.client.forward("-L", f"127.0.0.1:{port}:127.0.0.1:9", ready=[("127.0.0.1", port)])
    net.exchange(("127.0.0.1", port), b"")
    found = w.gateway.log.wait(r"session ([0-9a-f]+): refused by policy: ")
    assert w.gateway.log.find(rf"session {found.group(1)}: alice from 127\.0\.0\.1 port \d+ -> ")
