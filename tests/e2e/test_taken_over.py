"""A session that has been taken over: what it can do to the keeper, to other processes and to the host.

The attack build stands in for the bug that let the attacker in.
"""

from lab.taken_over import TakenOver


def test_attack_build_serves_normal_clients(attacked):
    attacked.answers()


def test_taken_over_session_logs_in_by_the_normal_messages_alone(attacked, ring):
    with TakenOver(attacked.gateway.port) as t:
        assert t.receive()[0] == "HELLO"
        assert t.sign()
        t.prove("alice", ring.get("client"))
        assert t.expect("UPSTREAM_FD")[2] is not None
        t.send("DIALLED", "127.0.0.1", "", 0)
        assert t.ended()
    attacked.answers()
