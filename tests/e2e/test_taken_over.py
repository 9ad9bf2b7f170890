"""What a session that has been taken over can do: to the keeper, to other processes, to the machine.

The attack build stands in for the bug that let an attacker in.
"""

from lab.taken_over import TakenOver


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
