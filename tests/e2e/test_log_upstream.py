"""The upstream's log and the gateway's have the port that was dialled from in common."""

import re

from lab.sshd import ME
from lab.wait import wait_for


def test_log_has_the_port_that_the_upstream_logs(gated):
    """With one user upstream for many people there is nothing else to tell their logins apart."""
    w = gated()
    for _ in range(2):
        w.answers()
    pattern = (rf"session \w+: alice from 127\.0\.0\.1 port \d+ -> {ME}@127\.0\.0\.1 port {w.sshd.port} "
               r"\(dialled from 127\.0\.0\.1 port (\d+)\)$")
    wait_for("both logins in the log", lambda: len(re.findall(pattern, w.gateway.log.text(), re.M)) == 2)
    ours = [m.group(1) for m in re.finditer(pattern, w.gateway.log.text(), re.M)]
    theirs = re.findall(rf"Accepted publickey for {ME} from 127\.0\.0\.1 port (\d+) ssh2", w.sshd.log.text())
    assert len(ours) == 2 and ours == theirs, (w.gateway.log.text(), w.sshd.log.text())


def test_log_has_the_address_of_a_host_with_a_name(gated):
    w = gated(route={"HostName": "localhost", "StrictHostKeyChecking": "no"})
    w.answers()
    w.gateway.log.wait(rf"-> {ME}@localhost port {w.sshd.port} \(127\.0\.0\.1, dialled from 127\.0\.0\.1 port \d+\)$")
