"""Security keys (FIDO): ssh with an authenticator in software, which can be left untouched.

"direct" is sshd with the same keys in the same words: what it does is what is right.
"""

import base64
import re

import pytest

from lab.ca import CA, krl, named_principals, said
from lab.refusal import one_line
from lab.security_key import KINDS, PROVIDER, enroll, holder, provider_agent
from lab.sshd import ME
from lab.way import lines

# What the owner of a key is asked for when it signs, as it was enrolled.
TOUCH, NOTHING, PIN_ALONE, BOTH = "touch", "nothing", "PIN alone", "touch and PIN"
ENROLLED = {
    TOUCH: (),
    NOTHING: ("no-touch-required",),
    PIN_ALONE: ("no-touch-required", "verify-required"),
    BOTH: ("verify-required",),
}

# Which of them an option lets in.
OPTIONS = {
    "": {TOUCH, BOTH},
    "no-touch-required": {TOUCH, NOTHING, PIN_ALONE, BOTH},
    "verify-required": {BOTH},
    "no-touch-required,verify-required": {PIN_ALONE, BOTH},
}


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    """tokens(kind, asked): a security key, enrolled once."""
    directory = tmp_path_factory.mktemp("tokens")
    made = {}

    def make(kind="ed25519-sk", asked=TOUCH):
        if (kind, asked) not in made:
            made[kind, asked] = enroll(directory / f"{kind}{len(made)}", kind, *ENROLLED[asked])
        return made[kind, asked]

    return make


@pytest.fixture
def sk_ca(tokens, tmp_path, monkeypatch):
    """sk_ca(kind): an authority whose own key is a security key."""
    monkeypatch.setenv("SSH_SK_PROVIDER", str(PROVIDER))
    return lambda kind="ed25519-sk": CA(tmp_path / "sk_ca", tokens(kind))


def is_in(way, key, env=None, **options):
    r = holder(way, key, **options).ssh("echo in", env=env)
    assert r.code in (0, 255), r
    assert r.code == 0 or "Permission denied" in r.err, r
    return r.text == "in\n"


def let_in(way, tokens, certify=None, kind="ed25519-sk"):
    """Which owners the door lets in, as it is now.  certify: the certificate for a key."""
    found = set()
    for asked in ENROLLED:
        key = tokens(kind, asked)
        extra = {"CertificateFile": certify(key)} if certify else {}
        if is_in(way, key, **extra):
            found.add(asked)
    return found


# Keys.


@pytest.mark.parametrize("kind", KINDS)
def test_security_key_logs_in(own_way, tokens, kind):
    key = tokens(kind)
    w = own_way()
    lines(w, key.public)
    assert is_in(w, key)
    assert said(w, rf"Accepted publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
                   rf"{KINDS[kind]} {re.escape(key.fingerprint)}$")
    lines(w, tokens(kind, NOTHING).public)
    assert not is_in(w, key), "it is on no list"


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_touch_and_pin_as_the_line_wants_them(own_way, tokens, kind, option):
    w = own_way()
    lines(w, *(f"{option} {tokens(kind, asked).public}" for asked in ENROLLED))
    assert let_in(w, tokens, kind=kind) == OPTIONS[option]


def test_later_option_holds(own_way, tokens):
    w = own_way()
    for option, same in (("no-touch-required,touch-required", ""),
                         ("touch-required,no-touch-required", "no-touch-required"),
                         ("verify-required,no-verify-required", ""),
                         ("No-Touch-Required", "no-touch-required")):
        lines(w, *(f"{option} {tokens(asked=asked).public}" for asked in ENROLLED))
        assert let_in(w, tokens) == OPTIONS[same], option


def test_restrict_says_nothing_of_touch(own_way, tokens):
    w = own_way()
    lines(w, *(f"restrict {tokens(asked=asked).public}" for asked in ENROLLED))
    assert let_in(w, tokens) == OPTIONS[""]
    lines(w, *(f"no-touch-required,restrict {tokens(asked=asked).public}" for asked in ENROLLED))
    assert let_in(w, tokens) == OPTIONS["no-touch-required"]


def test_options_of_another_line_do_not_hold(own_way, tokens):
    """The first line of the key is the one that counts; those of other keys never do."""
    key, other = tokens(asked=NOTHING), tokens(asked=PIN_ALONE)
    w = own_way()
    lines(w, f"no-touch-required {other.public}", key.public, f"no-touch-required {key.public}")
    assert not is_in(w, key)
    assert is_in(w, other)


def test_two_keys_on_one_connection(own_way, tokens):
    """Each proof is measured by the line of its own key."""
    free, touched, pin = tokens(asked=NOTHING), tokens("ecdsa-sk"), tokens("ecdsa-sk", NOTHING)
    w = own_way()
    c = holder(w, free)
    lines(w, f"no-touch-required,verify-required {free.public}", touched.public, pin.public)
    for second, outcome in ((touched, 0), (pin, 255)):
        c.write_config(IdentityFile=f"{free.path}\n    IdentityFile {second.path}")
        r = c.ssh("-v", "echo in")
        assert r.code == outcome
        assert len(re.findall("Server accepts key", r.err)) == 2, "both are on the list"


@pytest.mark.parametrize("kind", KINDS)
def test_authenticator_that_lets_itself_be_used_untouched(own_way, tokens, kind):
    """The key was made to be touched; what counts is what was signed."""
    w = own_way()
    lines(w, tokens(kind).public, f"verify-required {tokens(kind, BOTH).public}")
    assert not is_in(w, tokens(kind), {"SK_UNTOUCHED": "1"})
    assert not is_in(w, tokens(kind, BOTH), {"SK_UNTOUCHED": "1"})
    assert not is_in(w, tokens(kind, BOTH), {"SK_UNVERIFIED": "1"})
    assert is_in(w, tokens(kind))
    assert is_in(w, tokens(kind, BOTH))
    if not w.direct:
        assert said(w, r"alice: key \S+ not accepted: signed without a touch of the security key")
        assert said(w, r"alice: key \S+ not accepted: signed without verification of the user")


@pytest.mark.parametrize("kind", KINDS)
def test_signature_for_another_application(own_way, tokens, kind):
    w = own_way()
    lines(w, tokens(kind).public)
    for application in ("ssh:other", "ssh", "", "https://example.com"):
        assert not is_in(w, tokens(kind), {"SK_APPLICATION": application})
    assert is_in(w, tokens(kind), {"SK_APPLICATION": "ssh:"})


def test_key_of_another_application_is_another_key(own_way, tmp_path):
    key = enroll(tmp_path / "key", "ed25519-sk", "application=ssh:there")
    w = own_way()
    kind, text = key.public.split()
    blob = base64.b64decode(text)
    assert blob.endswith(b"\0\0\0\x09ssh:there")
    lines(w, f"{kind} {base64.b64encode(blob[:-13] + bytes([0, 0, 0, 4]) + b'ssh:').decode()}")
    assert not is_in(w, key)
    lines(w, key.public)
    assert is_in(w, key)


def test_counter_may_go_backwards(own_way, tokens):
    """sshd does not keep it, since it would have to do so for all machines together."""
    w = own_way()
    lines(w, tokens().public)
    for counter in ("9", "3", "3", "4294967295", "0"):
        assert is_in(w, tokens(), {"SK_COUNTER": counter})


def test_revoked(own_way, tokens, tmp_path):
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"RevokedKeys": revoked}})
    lines(w, tokens().public, tokens("ecdsa-sk").public)
    assert is_in(w, tokens()) and is_in(w, tokens("ecdsa-sk"))
    revoked.write_text(tokens().public + "\n")
    assert not is_in(w, tokens()) and is_in(w, tokens("ecdsa-sk"))
    krl(tmp_path / "new", keys=[tokens("ecdsa-sk")]).rename(revoked)
    assert is_in(w, tokens()) and not is_in(w, tokens("ecdsa-sk"))


# From the agent.


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_agent(own_way, tokens, short, kind):
    w = own_way()
    env = provider_agent(w, short, *(tokens(kind, asked) for asked in ENROLLED))
    c = w.new_client()
    c.write_config(IdentitiesOnly="no", IdentityFile="none")
    for asked in ENROLLED:
        lines(w, tokens(kind, asked).public)
        assert (c.ssh("echo in", env=env).text == "in\n") == (asked in OPTIONS[""]), asked
    lines(w, f"verify-required {tokens(kind, BOTH).public}")
    assert c.ssh("echo in", env=env).text == "in\n"


# Certificates.


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_touch_and_pin_as_the_certificate_wants_them(trusting, ca, tokens, kind, option):
    w = trusting()
    options = option.split(",") if option else []
    assert let_in(w, tokens, lambda key: ca.sign(key, w.login, options=options), kind) == OPTIONS[option]
    key = tokens(kind, BOTH)
    assert said(w, rf"Accepted publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
                   rf"{KINDS[kind]}-CERT {re.escape(key.fingerprint)} ID an id \(serial 0\) "
                   rf"CA ED25519 {re.escape(ca.key.fingerprint)}$")


@pytest.mark.parametrize("line", OPTIONS)
def test_line_and_certificate_together(own_way, ca, tokens, line):
    """That it need not be touched both have to say; that a PIN is needed, either."""
    w = own_way()
    lines(w, ",".join(filter(None, ["cert-authority", line])) + f" {ca.key.public}")
    for option in OPTIONS:
        options = option.split(",") if option else []
        free = "no-touch-required" in line and "no-touch-required" in option
        verify = "verify-required" in line or "verify-required" in option
        want = ",".join(["no-touch-required"] * free + ["verify-required"] * verify)
        found = let_in(w, tokens, lambda key: ca.sign(key, w.login, options=options))
        assert found == OPTIONS[want], option


def test_named_principals_and_touch(own_way, ca, tokens, tmp_path):
    """A list of names without no-touch-required in front of them wants a touch."""
    w = named_principals(own_way, ca, tmp_path, "operators")
    for option in OPTIONS:
        options = option.split(",") if option else []
        want = "verify-required" if "verify-required" in option else ""
        found = let_in(w, tokens, lambda key: ca.sign(key, "operators", options=options))
        assert found == OPTIONS[want], option


@pytest.mark.parametrize("kind", KINDS)
def test_ca_that_is_a_security_key(own_way, sk_ca, tokens, person, kind):
    ca = sk_ca(kind)
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"TrustedUserCAKeys": ca.file}})
    assert is_in(w, person, CertificateFile=ca.sign(person, w.login))
    assert said(w, rf"Accepted publickey .* ED25519-CERT .* CA {KINDS[kind]} {re.escape(ca.key.fingerprint)}$")
    assert is_in(w, tokens("ecdsa-sk"), CertificateFile=ca.sign(tokens("ecdsa-sk"), w.login))
    assert not is_in(w, person, CertificateFile=ca.sign(person, w.login + "x"))
    lines(w, f"cert-authority {ca.key.public}")
    assert is_in(w, person, CertificateFile=ca.sign(person, w.login))


def test_ca_that_is_not_touched(own_way, sk_ca, person, monkeypatch):
    """How it came to sign is its own affair; what it has signed must be for its own application."""
    ca = sk_ca()
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"TrustedUserCAKeys": ca.file}})
    monkeypatch.setenv("SK_UNTOUCHED", "1")
    assert is_in(w, person, CertificateFile=ca.sign(person, w.login))
    monkeypatch.setenv("SK_APPLICATION", "ssh:other")
    assert not is_in(w, person, CertificateFile=ca.sign(person, w.login))


# What the gateway alone has.


def test_route_by_the_security_key(gated, tokens, make_sshd):
    w = gated()
    other = make_sshd()
    g = w.gateway
    key = tokens()
    g.route("alice/token", other, [], MatchFingerprint=key.fingerprint, User=ME,
            AuthorizedKeysFile=None, AuthorizedKey=key.public, key="token_key")
    g.command("reload")
    assert is_in(w, key)
    assert other.log.find("Accepted publickey") and not w.sshd.log.find("Accepted publickey")
    assert not is_in(w, tokens("ecdsa-sk"))
    w.answers()
    assert w.sshd.log.find("Accepted publickey")


def test_no_touch_in_an_inline_key(gated, tokens):
    w = gated(route={"AuthorizedKeysFile": None,
                     "AuthorizedKey": f"no-touch-required {tokens(asked=NOTHING).public}"})
    assert is_in(w, tokens(asked=NOTHING))


def test_route_explains(gated, tokens):
    w = gated()
    lines(w, tokens().public)
    path = tokens().path.with_suffix(".pub")
    p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf, "--key", path)
    assert p.returncode == 0, p
    assert f"ED25519-SK {tokens().fingerprint} may log in" in p.stdout.decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("passphrase", ["", "a passphrase"])
def test_security_key_cannot_sit_in_the_key_store(gated, tmp_path, kind, passphrase):
    """Its file is a handle: the key itself stays in the token, which the gateway does not have."""
    w = gated()
    key = enroll(tmp_path / "key", kind)
    w.client.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", key.path], check=True)
    p = w.gateway.sallyport("key", "add", "token", key.path, "-c", w.gateway.conf)
    assert p.returncode == 1 and p.stdout == b"", p
    said_of_it = p.stderr.decode()
    assert one_line(said_of_it) == said_of_it.strip()
    assert "a security key's" in said_of_it and "Key = agent" in said_of_it
    assert not (w.gateway.dir / "keys" / "token").exists()


@pytest.mark.parametrize("asked", [TOUCH, NOTHING, BOTH])
@pytest.mark.parametrize("kind", KINDS)
def test_security_key_in_the_agent_opens_the_machine(gated, tokens, short, kind, asked):
    key = tokens(kind, asked)
    w = gated(route={"key": "agent"})
    w.sshd.authorize(f"{'no-touch-required' if asked == NOTHING else ''} {key.public}")
    env = provider_agent(w, short, key)
    r = w.ssh("-A", "echo in", env=env)
    assert r.text == "in\n", r
    assert w.sshd.log.find(rf"Accepted publickey .* {KINDS[kind]} {re.escape(key.fingerprint)}")
    assert w.gateway.log.find(
        rf"the agent is asked to sign for .* with {KINDS[kind]} {re.escape(key.fingerprint)}")


def test_certificate_of_a_security_key_in_the_agent(gated, ca, tmp_path, short):
    key = enroll(tmp_path / "key")
    ca.sign(key, ME).rename(tmp_path / "key-cert.pub")  # ssh-add takes it along
    w = gated(route={"key": "agent"}, sshd={"TrustedUserCAKeys": ca.file})
    assert w.ssh("-A", "echo in", env=provider_agent(w, short, key)).text == "in\n"
    assert w.sshd.log.find(rf"Accepted publickey .* ED25519-SK-CERT {re.escape(key.fingerprint)}")


def test_machine_that_wants_it_touched(gated, tokens, short):
    key = tokens(asked=NOTHING)
    w = gated(route={"key": "agent"})
    w.sshd.authorize(key.public)
    r = w.ssh("-A", "echo in", env=provider_agent(w, short, key))
    assert r.code == 255 and "takes none of the keys" in one_line(r.err)
