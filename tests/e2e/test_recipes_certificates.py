"""doc/recipes.md, Keys, as it is written there: certificates instead of mapped keys."""

import pytest

from lab.documents import block, put
from lab.gateway_operator import Operator

PAGE = "doc/recipes.md"


@pytest.fixture
def machine(make_gateway, make_sshd, way_through, ring, tmp_path):
    """A way with a mapped key to a machine whose /etc/ssh is a directory of this test, that, and its operator."""
    etc = tmp_path / "etc"
    (etc / "sshd_config.d").mkdir(parents=True)
    sshd = make_sshd(Include=f"{etc}/sshd_config.d/*.conf")
    gateway = make_gateway(StateDirectory="state")
    gateway.route("alice", sshd, [ring.get("client")])
    way = way_through(gateway, sshd)
    operator = Operator(gateway, way.client, tmp_path)
    operator.command("systemctl", "true")  # the test itself restarts sshd
    operator.command("journalctl", f"cat {sshd.log.path}")
    return way, etc, operator


def test_change_over_to_certificates(machine):
    way, etc, operator = machine
    heading = "Certificates instead of mapped keys"
    operator.run(block(PAGE, heading, "sh"))
    operator.run(put(block(PAGE, heading, "sh", 1), ("/etc/ssh", etc)))
    way.sshd.stop()
    way.sshd.start()
    file = way.gateway.conf / "10-alice.ini"
    file.write_text(put(file.read_text(), ("Key = alice\n", block(PAGE, heading, "ini"))))
    said = operator.run(block(PAGE, heading, "sh", 2))
    assert said.endswith(" takes a certificate by the authority gateway_ca\n"), said
    way.sshd.authorized_keys.write_text("")
    way.answers()
    said = operator.run(block(PAGE, heading, "sh", 3))
    assert said.startswith("ID alice session ") and " key SHA256:" in said, said
