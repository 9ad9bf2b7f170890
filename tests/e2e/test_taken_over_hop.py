"""The carrier of a hop that has been taken over (ProxyJump)."""

import base64

import pytest

from lab.gateway import sanitized
from lab.syscalls import number


@pytest.fixture
def taken(behind, short):
    """A Behind whose carriers obey, and where they are."""
    pytest.importorskip("paramiko")
    from lab.taken_over import TakenOverHops, program

    made = []
    b = behind(gateway={"program": program()}, prepare=lambda g: made.append(TakenOverHops(g, short)))
    yield b, made[0]
    made[0].close()


def test_taken_over_hop_gets_signatures_for_its_own_login_alone(taken, ring):
    """Finding: what a carrier asks for beside that ends it, and its session's login."""
    from lab.taken_over import paramiko

    b, hops = taken
    hash_ = bytes(range(32))
    key = paramiko.Ed25519Key.from_private_key_file(str(ring.get("upstream_host", "ed25519").path))
    own = paramiko.Ed25519Key.from_private_key_file(str(ring.get("made_on_the_spot").path))

    def login(*messages):
        """The carrier sends these; whether the keeper then hangs up.  Where it is told to log in: the request."""
        p = b.way.client.spawn("true")
        with hops.next() as t:
            t.expect("HOP")
            t.expect("UPSTREAM_FD")
            request = None
            for name, *parts in messages:
                t.send(name, *parts)
                if name == "HOST_KEY":
                    assert t.expect("HOST_KEY_OK")[1].bool() == (parts[2] == key.asbytes())
                if name == "UPSTREAM_READY":
                    request = t.expect("UPSTREAM")[1].strings()[0]
            ended = t.ended(1 if request else 60)
        assert p.wait(60) == 255
        return request if request else ended

    shown = ("HOST_KEY", "ssh-ed25519", hash_, key.asbytes(), key.sign_ssh_data(hash_).asbytes())
    for message in (("SIGN", "ssh-ed25519", hash_), ("AUTH", b"x"), ("PROVE", key.asbytes()),
                    ("JUMP_OPEN", "127.0.0.1", 22), ("CARRIED", "127.0.0.1", "", 0), ("AGENT_OPEN",)):
        assert login(message)
        assert login(shown, message)
    assert login(("HOST_KEY", "ssh-ed25519", hash_, own.asbytes(), own.sign_ssh_data(hash_).asbytes()))
    request = login(shown, ("UPSTREAM_READY", hash_, "ssh-ed25519", True))
    keys = {name: base64.b64decode(b.gateway.keys[name].split()[1]) for name in ("bastion0", "alice")}
    assert keys["bastion0"] in request and keys["alice"] not in request
    assert not b.machine.log.find("Connection from")


@pytest.mark.skipif(sanitized(), reason="there a call that is not allowed fails")
def test_taken_over_hop_opens_nothing(taken):
    """It is confined as a session is; its death is its session's login's."""
    from lab.taken_over import Gone

    b, hops = taken
    for name, *args in (("socket", 2, 1, 0), ("execve", 0, 0, 0), ("clone", 17, 0, 0), ("setsid",)):
        p = b.way.client.spawn("true")
        with hops.next() as t:
            t.expect("UPSTREAM_FD")
            with pytest.raises(Gone):
                pytest.fail(f"{name} gave {t.call(number(name), *args)}")
        assert p.wait(60) == 255
    b.gateway.log.wait("refused: hop bastion0: its process has ended")
