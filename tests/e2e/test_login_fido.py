"""Security keys (FIDO), with an authenticator in software that can be used with or without touch.

"direct" is sshd with the same keys and options: its behaviour is the expected one.
"""

import base64
import re

import pytest

from lab.ca import CA, krl, named_principals, said
from lab.documents import block
from lab.refusal import one_line
from lab.security_key import KINDS, PROVIDER, enroll, security_key_client, provider_agent
from lab.sshd import ME
from lab.way import set_authorized_keys

# What each enrolled key asks of its owner when it signs.
TOUCH, NOTHING, PIN_ALONE, BOTH = "touch", "nothing", "PIN alone", "touch and PIN"
ENROLLED = {
    TOUCH: (),
    NOTHING: ("no-touch-required",),
    PIN_ALONE: ("no-touch-required", "verify-required"),
    BOTH: ("verify-required",),
}

# Which of these an option of authorized_keys accepts.
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
    """sk_ca(kind): a CA whose own key is a security key."""
    monkeypatch.setenv("SSH_SK_PROVIDER", str(PROVIDER))
    return lambda kind="ed25519-sk": CA(tmp_path / "sk_ca", tokens(kind))


def logs_in(way, key, env=None, **options):
    r = security_key_client(way, key, **options).ssh("echo in", env=env)
    assert r.code in (0, 255), r
    assert r.code == 0 or "Permission denied" in r.err, r
    return r.text == "in\n"


def accepted_owners(way, tokens, certify=None, kind="ed25519-sk"):
    """The owners who can log in, as things are.  certify: makes the certificate of a key."""
    found = set()
    for asked in ENROLLED:
        key = tokens(kind, asked)
        extra = {"CertificateFile": certify(key)} if certify else {}
        if logs_in(way, key, **extra):
            found.add(asked)
    return found


# Keys.


@pytest.mark.parametrize("kind", KINDS)
def test_security_key_logs_in(own_way, tokens, kind):
    key = tokens(kind)
    w = own_way()
    set_authorized_keys(w, key.public)
    assert logs_in(w, key)
    assert said(w, rf"Accepted publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
                   rf"{KINDS[kind]} {re.escape(key.fingerprint)}$")
    set_authorized_keys(w, tokens(kind, NOTHING).public)
    assert not logs_in(w, key), "it is not in any list of this route"


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_touch_and_pin_options_of_line(own_way, tokens, kind, option):
    w = own_way()
    set_authorized_keys(w, *(f"{option} {tokens(kind, asked).public}" for asked in ENROLLED))
    assert accepted_owners(w, tokens, kind=kind) == OPTIONS[option]


def test_last_option_of_line_applies(own_way, tokens):
    w = own_way()
    for option, same in (("no-touch-required,touch-required", ""),
                         ("touch-required,no-touch-required", "no-touch-required"),
                         ("verify-required,no-verify-required", ""),
                         ("No-Touch-Required", "no-touch-required")):
        set_authorized_keys(w, *(f"{option} {tokens(asked=asked).public}" for asked in ENROLLED))
        assert accepted_owners(w, tokens) == OPTIONS[same], option


def test_restrict_does_not_change_touch(own_way, tokens):
    w = own_way()
    set_authorized_keys(w, *(f"restrict {tokens(asked=asked).public}" for asked in ENROLLED))
    assert accepted_owners(w, tokens) == OPTIONS[""]
    set_authorized_keys(w, *(f"no-touch-required,restrict {tokens(asked=asked).public}" for asked in ENROLLED))
    assert accepted_owners(w, tokens) == OPTIONS["no-touch-required"]


def test_options_of_other_lines_do_not_apply(own_way, tokens):
    """The first line of the key counts; lines of other keys never do."""
    key, other = tokens(asked=NOTHING), tokens(asked=PIN_ALONE)
    w = own_way()
    set_authorized_keys(w, f"no-touch-required {other.public}", key.public, f"no-touch-required {key.public}")
    assert not logs_in(w, key)
    assert logs_in(w, other)


def test_two_security_keys_on_one_connection(own_way, tokens):
    """Each signature is judged by the line of its own key."""
    free, touched, pin = tokens(asked=NOTHING), tokens("ecdsa-sk"), tokens("ecdsa-sk", NOTHING)
    w = own_way()
    c = security_key_client(w, free)
    set_authorized_keys(w, f"no-touch-required,verify-required {free.public}", touched.public, pin.public)
    for second, outcome in ((touched, 0), (pin, 255)):
        c.write_config(IdentityFile=f"{free.path}\n    IdentityFile {second.path}")
        r = c.ssh("-v", "echo in")
        assert r.code == outcome
        assert len(re.findall("Server accepts key", r.err)) == 2, "both are on the list"


@pytest.mark.parametrize("kind", KINDS)
def test_signature_without_touch_is_refused(own_way, tokens, kind):
    """The key was enrolled to need touch; the flags in the signature count."""
    w = own_way()
    set_authorized_keys(w, tokens(kind).public, f"verify-required {tokens(kind, BOTH).public}")
    assert not logs_in(w, tokens(kind), {"SK_UNTOUCHED": "1"})
    assert not logs_in(w, tokens(kind, BOTH), {"SK_UNTOUCHED": "1"})
    assert not logs_in(w, tokens(kind, BOTH), {"SK_UNVERIFIED": "1"})
    assert logs_in(w, tokens(kind))
    assert logs_in(w, tokens(kind, BOTH))
    if not w.direct:
        assert said(w, r"alice: key \S+ not accepted: signed without a touch of the security key")
        assert said(w, r"alice: key \S+ not accepted: signed without verification of the user")


@pytest.mark.parametrize("kind", KINDS)
def test_signature_for_another_application(own_way, tokens, kind):
    w = own_way()
    set_authorized_keys(w, tokens(kind).public)
    for application in ("ssh:other", "ssh", "", "https://example.com"):
        assert not logs_in(w, tokens(kind), {"SK_APPLICATION": application})
    assert logs_in(w, tokens(kind), {"SK_APPLICATION": "ssh:"})


def test_key_of_another_application_is_refused(own_way, tmp_path):
    key = enroll(tmp_path / "key", "ed25519-sk", "application=ssh:there")
    w = own_way()
    kind, text = key.public.split()
    blob = base64.b64decode(text)
    assert blob.endswith(b"\0\0\0\x09ssh:there")
    set_authorized_keys(w, f"{kind} {base64.b64encode(blob[:-13] + bytes([0, 0, 0, 4]) + b'ssh:').decode()}")
    assert not logs_in(w, key)
    set_authorized_keys(w, key.public)
    assert logs_in(w, key)


def test_signature_counter_may_go_backwards(own_way, tokens):
    """sshd does not store the counter, which would have to be shared by all servers."""
    w = own_way()
    set_authorized_keys(w, tokens().public)
    for counter in ("9", "3", "3", "4294967295", "0"):
        assert logs_in(w, tokens(), {"SK_COUNTER": counter})


def test_revoked_security_key(own_way, tokens, tmp_path):
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"RevokedKeys": revoked}})
    set_authorized_keys(w, tokens().public, tokens("ecdsa-sk").public)
    assert logs_in(w, tokens()) and logs_in(w, tokens("ecdsa-sk"))
    revoked.write_text(tokens().public + "\n")
    assert not logs_in(w, tokens()) and logs_in(w, tokens("ecdsa-sk"))
    krl(tmp_path / "new", keys=[tokens("ecdsa-sk")]).rename(revoked)
    assert logs_in(w, tokens()) and not logs_in(w, tokens("ecdsa-sk"))


# What is required of all security keys, whatever lines and certificates say.


@pytest.mark.parametrize("written, same", [("none", "no-touch-required"), ("touch-required", ""),
                                           ("verify-required", "no-touch-required,verify-required"),
                                           ("Touch-Required verify-required", "verify-required")])
def test_pubkey_auth_options(own_way, tokens, user_key, written, same):
    """no-touch-required of a line loses to touch-required; other kinds of keys are not affected."""
    w = own_way(front={"PubkeyAuthOptions": written})
    set_authorized_keys(w, user_key.public, *(f"no-touch-required {tokens(asked=asked).public}" for asked in ENROLLED))
    assert accepted_owners(w, tokens) == OPTIONS[same]
    assert logs_in(w, user_key)


def test_pubkey_auth_options_of_certificates(own_way, ca, tokens):
    front = {"PubkeyAuthOptions": "touch-required verify-required"}
    trust = {"TrustedUserCAKeys": ca.file}
    direct = own_way.name == "direct"
    w = own_way(front=front | trust) if direct else own_way(front=front, route=trust)
    certify = lambda key: ca.sign(key, w.login, options=["no-touch-required"])
    assert accepted_owners(w, tokens, certify) == {BOTH}


def test_pubkey_auth_options_of_route(gated, tokens, make_sshd):
    """They stand in place of those of [gateway]; the log says what has required it, and `route --key` what will."""
    w = gated(front={"PubkeyAuthOptions": "verify-required"}, route={"PubkeyAuthOptions": "none"})
    key = tokens(asked=NOTHING)
    lines = f"no-touch-required {key.public}"
    w.gateway.route("bob", w.sshd, [], AuthorizedKeysFile=None, AuthorizedKey=lines, User=ME, key="bob_key")
    w.gateway.route("carol", w.sshd, [], AuthorizedKeysFile=None, AuthorizedKey=lines, User=ME, key="carol_key",
                    PubkeyAuthOptions="touch-required")
    w.gateway.command("reload")
    set_authorized_keys(w, lines)
    assert logs_in(w, key)
    shown = {}
    for login in ("alice", "bob", "carol"):
        p = w.gateway.sallyport("route", login, "-c", w.gateway.conf, "--key", key.path.with_suffix(".pub"))
        shown[login] = re.findall("refused if it signs without .*", p.stdout.decode())
    assert shown == {"alice": [],
                     "bob": ["refused if it signs without verification of its owner, such as by a PIN"],
                     "carol": ["refused if it signs without a touch"]}
    c = security_key_client(w, key)
    assert c.ssh("-l", "bob", "true").code == 255
    w.gateway.log.wait("bob: key .* not accepted: signed without verification of the user, "
                       "which PubkeyAuthOptions requires")
    assert c.ssh("-l", "carol", "true").code == 255
    w.gateway.log.wait("carol: key .* not accepted: signed without a touch of the security key, "
                       "which PubkeyAuthOptions requires")


def test_recipe_of_security_keys_with_a_pin(gated, tokens, user_key):
    page = "doc/recipes.md", "Security keys with a PIN"
    assert block(*page, "sh").split()[-2:] == ["-O", *ENROLLED[BOTH]]
    w = gated(route=dict(line.replace(" ", "").split("=") for line in block(*page, "ini").splitlines()))
    set_authorized_keys(w, user_key.public, *(f"no-touch-required {tokens(asked=asked).public}" for asked in ENROLLED))
    assert accepted_owners(w, tokens) == {PIN_ALONE, BOTH}
    assert not logs_in(w, user_key)


# Keys in an agent.


@pytest.mark.parametrize("kind", KINDS)
def test_security_key_in_agent(own_way, tokens, short, kind):
    w = own_way()
    env = provider_agent(w, short, *(tokens(kind, asked) for asked in ENROLLED))
    c = w.new_client()
    c.write_config(IdentitiesOnly="no", IdentityFile="none")
    for asked in ENROLLED:
        set_authorized_keys(w, tokens(kind, asked).public)
        assert (c.ssh("echo in", env=env).text == "in\n") == (asked in OPTIONS[""]), asked
    set_authorized_keys(w, f"verify-required {tokens(kind, BOTH).public}")
    assert c.ssh("echo in", env=env).text == "in\n"


# Certificates.


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_touch_and_pin_options_of_certificate(trusting, ca, tokens, kind, option):
    w = trusting()
    options = option.split(",") if option else []
    assert accepted_owners(w, tokens, lambda key: ca.sign(key, w.login, options=options), kind) == OPTIONS[option]
    key = tokens(kind, BOTH)
    assert said(w, rf"Accepted publickey for {w.login} from 127\.0\.0\.1 port \d+ ssh2: "
                   rf"{KINDS[kind]}-CERT {re.escape(key.fingerprint)} ID an id \(serial 0\) "
                   rf"CA ED25519 {re.escape(ca.key.fingerprint)}$")


@pytest.mark.parametrize("line", OPTIONS)
def test_options_of_line_and_certificate_combined(own_way, ca, tokens, line):
    """no-touch-required must be in both; verify-required in either is sufficient."""
    w = own_way()
    set_authorized_keys(w, ",".join(filter(None, ["cert-authority", line])) + f" {ca.key.public}")
    for option in OPTIONS:
        options = option.split(",") if option else []
        free = "no-touch-required" in line and "no-touch-required" in option
        verify = "verify-required" in line or "verify-required" in option
        want = ",".join(["no-touch-required"] * free + ["verify-required"] * verify)
        found = accepted_owners(w, tokens, lambda key: ca.sign(key, w.login, options=options))
        assert found == OPTIONS[want], option


def test_touch_with_authorized_principals(own_way, ca, tokens, tmp_path):
    """AuthorizedPrincipals without no-touch-required requires touch."""
    w = named_principals(own_way, ca, tmp_path, "operators")
    for option in OPTIONS:
        options = option.split(",") if option else []
        want = "verify-required" if "verify-required" in option else ""
        found = accepted_owners(w, tokens, lambda key: ca.sign(key, "operators", options=options))
        assert found == OPTIONS[want], option


@pytest.mark.parametrize("kind", KINDS)
def test_security_key_as_ca(own_way, sk_ca, tokens, user_key, kind):
    ca = sk_ca(kind)
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"TrustedUserCAKeys": ca.file}})
    assert logs_in(w, user_key, CertificateFile=ca.sign(user_key, w.login))
    assert said(w, rf"Accepted publickey .* ED25519-CERT .* CA {KINDS[kind]} {re.escape(ca.key.fingerprint)}$")
    assert logs_in(w, tokens("ecdsa-sk"), CertificateFile=ca.sign(tokens("ecdsa-sk"), w.login))
    assert not logs_in(w, user_key, CertificateFile=ca.sign(user_key, w.login + "x"))
    set_authorized_keys(w, f"cert-authority {ca.key.public}")
    assert logs_in(w, user_key, CertificateFile=ca.sign(user_key, w.login))


def test_ca_signature_needs_no_touch(own_way, sk_ca, user_key, monkeypatch):
    """The flags of the CA's signature do not count; its application must be its own."""
    ca = sk_ca()
    w = own_way(**{"sshd" if own_way.name == "direct" else "route": {"TrustedUserCAKeys": ca.file}})
    monkeypatch.setenv("SK_UNTOUCHED", "1")
    assert logs_in(w, user_key, CertificateFile=ca.sign(user_key, w.login))
    monkeypatch.setenv("SK_APPLICATION", "ssh:other")
    assert not logs_in(w, user_key, CertificateFile=ca.sign(user_key, w.login))


# Features of the gateway alone.


def test_match_fingerprint_of_security_key(gated, tokens, make_sshd):
    w = gated()
    other = make_sshd()
    g = w.gateway
    key = tokens()
    g.route("alice/token", other, [], MatchFingerprint=key.fingerprint, User=ME,
            AuthorizedKeysFile=None, AuthorizedKey=key.public, key="token_key")
    g.command("reload")
    assert logs_in(w, key)
    other.log.wait("Accepted publickey")
    assert not w.sshd.log.find("Accepted publickey")
    assert not logs_in(w, tokens("ecdsa-sk"))
    w.answers()
    w.sshd.log.wait("Accepted publickey")


def test_no_touch_in_an_inline_key(gated, tokens):
    w = gated(route={"AuthorizedKeysFile": None,
                     "AuthorizedKey": f"no-touch-required {tokens(asked=NOTHING).public}"})
    assert logs_in(w, tokens(asked=NOTHING))


def test_route_explains_security_key(gated, tokens):
    w = gated()
    set_authorized_keys(w, tokens().public)
    path = tokens().path.with_suffix(".pub")
    p = w.gateway.sallyport("route", "alice", "-c", w.gateway.conf, "--key", path)
    assert p.returncode == 0, p
    assert f"ED25519-SK {tokens().fingerprint} may log in" in p.stdout.decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("passphrase", ["", "a passphrase"])
def test_security_key_is_refused_by_key_store(gated, tmp_path, kind, passphrase):
    """The file of a security key is only a handle: the key stays in the token, which the gateway does not
    have.
    """
    w = gated()
    key = enroll(tmp_path / "key", kind)
    w.client.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", key.path], check=True)
    p = w.gateway.sallyport("key", "add", "token", key.path, "-c", w.gateway.conf)
    assert p.returncode == 1 and p.stdout == b"", p
    said_of_it = p.stderr.decode()
    assert one_line(said_of_it) == said_of_it.strip()
    assert "a security key" in said_of_it and "Key = agent" in said_of_it
    assert not (w.gateway.dir / "keys" / "token").exists()


@pytest.mark.parametrize("asked", [TOUCH, NOTHING, BOTH])
@pytest.mark.parametrize("kind", KINDS)
def test_key_agent_with_security_key(gated, tokens, short, kind, asked):
    key = tokens(kind, asked)
    w = gated(route={"key": "agent"})
    w.sshd.authorize(f"{'no-touch-required' if asked == NOTHING else ''} {key.public}")
    env = provider_agent(w, short, key)
    r = w.ssh("-A", "echo in", env=env)
    assert r.text == "in\n", r
    w.sshd.log.wait(rf"Accepted publickey .* {KINDS[kind]} {re.escape(key.fingerprint)}")
    w.gateway.log.wait(
        rf"the agent is asked to sign for .* with {KINDS[kind]} {re.escape(key.fingerprint)}")


def test_key_agent_with_certificate_of_security_key(gated, ca, tmp_path, short):
    key = enroll(tmp_path / "key")
    ca.sign(key, ME).rename(tmp_path / "key-cert.pub")  # ssh-add adds it with the key
    w = gated(route={"key": "agent"}, sshd={"TrustedUserCAKeys": ca.file})
    assert w.ssh("-A", "echo in", env=provider_agent(w, short, key)).text == "in\n"
    w.sshd.log.wait(rf"Accepted publickey .* ED25519-SK-CERT {re.escape(key.fingerprint)}")


def test_upstream_that_requires_touch(gated, tokens, short):
    key = tokens(asked=NOTHING)
    w = gated(route={"key": "agent"})
    w.sshd.authorize(key.public)
    r = w.ssh("-A", "echo in", env=provider_agent(w, short, key))
    assert r.code == 255 and "accepts none of the keys" in one_line(r.err)
