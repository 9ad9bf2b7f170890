"""One-time codes: a secret in a gateway's store, and people who type its codes.

No test depends on the time of day: routes have TotpSkew = 10, so 21 codes are good at any time, and each code
that a Secret gives is a later one than the last, and good for minutes to come.
"""

import base64
import hmac
import re
import shlex
import struct
import time
import urllib.parse

STEP = 30
# How far behind the clock the first code is: a test may take so many steps until it is typed.
BEHIND = 5

# For a route.
WITH_CODE = {"TOTP": "totp-%u", "TotpSkew": "10"}
BOTH = "publickey,keyboard-interactive"


class App:
    """An authenticator app, which has read an otpauth URI in what `sallyport totp enroll` has printed."""

    def __init__(self, printed):
        (self.uri,) = re.findall(r"otpauth://\S+", printed)
        parts = urllib.parse.urlsplit(self.uri)
        words = {k: v[0] for k, v in urllib.parse.parse_qs(parts.query, strict_parsing=True).items()}
        assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
        self.label = urllib.parse.unquote(parts.path[1:])
        self.issuer = words.pop("issuer")
        secret = words.pop("secret")
        self.secret = base64.b32decode(secret + "=" * (-len(secret) % 8))
        self.digits = int(words.pop("digits", "6"))
        self.hash = words.pop("algorithm", "SHA1")
        assert not words, words
        self.recovery = re.findall(r"\b[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}\b", printed.replace(self.uri, ""))
        self.last = 0

    def code_of(self, step):
        """RFC 6238."""
        mac = hmac.digest(self.secret, struct.pack(">Q", step), self.hash.lower())
        at = mac[-1] & 15
        return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 10 ** self.digits:0{self.digits}}"

    @staticmethod
    def now():
        return int(time.time()) // STEP

    def code(self):
        """A code that has not been given before, nor one of a later step."""
        self.last = max(self.last + 1, self.now() - BEHIND)
        assert self.last <= self.now() + 9, "a test asks for more codes than there are"
        return self.code_of(self.last)

    def wrong(self):
        """A code that is wrong for the next hour."""
        right = {self.code_of(self.now() + n) for n in range(-20, 120)}
        return next(c for c in (f"{n:0{self.digits}}" for n in range(1000)) if c not in right)


class Secret(App):
    """The app of somebody whom this enrols, for a route whose TOTP is totp-%u."""

    def __init__(self, gateway, login="alice", *options):
        super().__init__(gateway.command("totp", "enroll", login, "--uri", *options))
        assert len(self.recovery) == 10


class Answers:
    """Answers a client's ssh, which asks no person: the next code to "Verification code", and the password to
    a password's prompt.  Without a code left, ssh gives up.
    """

    def __init__(self, client, *codes, password=""):
        self.codes, self.asked_file = client.dir / "codes", client.dir / "asked"
        self.give(*codes)
        ask = client.dir / "askpass"
        names = {k: shlex.quote(str(v)) for k, v in (("codes", self.codes), ("asked", self.asked_file))}
        ask.write_text(f"""#!/bin/sh
echo "$1" >>{names["asked"]}
case $1 in
*erification*)
    head -n 1 {names["codes"]} | grep . || exit 1
    sed -i 1d {names["codes"]};;
*) echo {shlex.quote(password)};;
esac
""")
        ask.chmod(0o755)
        client.env.update(SSH_ASKPASS=str(ask), SSH_ASKPASS_REQUIRE="force")

    def give(self, *codes):
        self.codes.write_text("".join(c + "\n" for c in codes))
        self.asked_file.write_text("")

    def asked(self):
        """The prompts that ssh has shown."""
        return self.asked_file.read_text().splitlines()


def person(way, *codes, password="", key=None, user=None, **options):
    """A client who proves a key, or types the password, and types the codes."""
    options = {"BatchMode": "no", "NumberOfPasswordPrompts": "1", "PreferredAuthentications": BOTH, **options}
    c = way.new_client(key, user, **options)
    c.answers = Answers(c, *codes, password=password)
    return c


def enters(client):
    """Whether a login succeeds."""
    return client.ssh("echo in").text == "in\n"
