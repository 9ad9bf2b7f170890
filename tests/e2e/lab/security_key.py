"""Security keys (FIDO), made by ssh-keygen on the software authenticator of sk_provider.c."""

import subprocess
from pathlib import Path

from .agent import start_agent
from .gateway import SALLYPORT
from .keys import Key

PROVIDER = Path(SALLYPORT).parent / "tests" / "sk_provider.so"
PIN = "314159"

# Names of ssh-keygen, and the words for them in sshd's log.
KINDS = {"ed25519-sk": "ED25519-SK", "ecdsa-sk": "ECDSA-SK"}


def enroll(path, kind="ed25519-sk", *options):
    """options: no-touch-required, verify-required, application=ssh:..."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-w", PROVIDER, "-N", "", "-C", path.name, "-f", path]
    for option in options:
        argv += ["-O", option]
    subprocess.run([str(a) for a in argv], check=True, stdin=subprocess.DEVNULL)
    return Key(path)


def answer_pin(client):
    """Answer each PIN prompt of this client."""
    ask = client.dir / "pin"
    ask.write_text(f"#!/bin/sh\necho {PIN}\n")
    ask.chmod(0o755)
    client.env.update(SK_PIN=PIN, SSH_ASKPASS=str(ask), SSH_ASKPASS_REQUIRE="force")


def security_key_client(way, key, **options):
    """A client with this key, its authenticator and its PIN."""
    c = way.new_client(key, SecurityKeyProvider=PROVIDER, **options)
    answer_pin(c)
    return c


def provider_agent(way, directory, *keys):
    """The environment of an agent that holds these security keys and may load the provider."""
    return start_agent(security_key_client(way, None), directory / "agent", *keys, provider=PROVIDER)
