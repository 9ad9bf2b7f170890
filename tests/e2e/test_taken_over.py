"""What a session that has been taken over can do: to the keeper, to other processes, to the machine.

The attack build stands in for the bug that let an attacker in.
"""

import pytest

from lab import attacker
from lab.attacker import TakenOver
from lab.way import Way


@pytest.fixture
def attacked(make_gateway, make_sshd, ring, tmp_path):
    """A way through a gateway of the attack build to alice's machine."""
    sshd = make_sshd()
    gateway = make_gateway(program=attacker.program())
    gateway.route("alice", sshd, [ring.get("client")])
    gateway.start()
    way = Way("gateway", tmp_path, ring, sshd, gateway)
    yield way
    way.close()


def test_the_attack_build_serves_usual_clients(attacked):
    attacked.answers()


def test_a_session_that_proves_a_key_gets_its_machine_and_says_no_errands_words(attacked, ring):
    with TakenOver(attacked.gateway.port) as t:
        assert t.receive()[0] == "HELLO"
        assert t.sign()
        t.prove("alice", ring.get("client"))
        assert t.expect("UPSTREAM_FD")[2] is not None
        t.send("DIALLED", "127.0.0.1", "", 0)
        assert t.ended()
    attacked.answers()
