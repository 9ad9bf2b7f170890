"""Key = ca:NAME: the gateway logs in to a real sshd with a certificate that it makes for each login."""

import re

import pytest

from lab.sshd import ME


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "ecdsa256", "ecdsa521"])
def test_login_with_a_certificate_by_every_type_of_authority(certified, kind):
    c = certified(kind=kind)
    assert c.ssh("echo in").text == "in\n"
    assert c.issued() == c.accepted()


def test_key_id_names_person_session_proof_and_address(certified, ring):
    c = certified()
    c.way.answers()
    serial, key_id = c.issued()
    assert int(serial) >= 1 << 50
    number = c.gateway.log.wait(r"session ([0-9a-f]+): alice from")[1]
    assert key_id == f"alice session {number} key {ring.get('client').fingerprint} from 127.0.0.1"


def test_each_login_has_a_serial_of_its_own_also_after_a_restart(certified):
    c = certified()
    seen = []
    for restart in (False, True, True):
        if restart:
            c.gateway.stop()
            c.gateway.start()
        for _ in range(2):
            mark = c.gateway.log.mark()
            c.way.answers()
            seen.append(int(c.issued(mark)[0]))
    assert len(set(seen)) == len(seen) and seen == sorted(seen), seen
