"""RevokedKeys: keys and certificates in a list, text or KRL, cannot log in.

"direct" is sshd with the same words in its configuration: its behaviour is the expected one.
"""

import pytest

from lab.ca import CA, logs_in, krl, said

REVOKED = {
    "key, as text": lambda f, c: f.write_text(c.user_key.public + "\n"),
    "certificate, as text": lambda f, c: f.write_text("# gone\n\n" + c.certificate.read_text()),
    "CA, as text": lambda f, c: f.write_text(c.ca.key.public + "\n"),
    "serial number": lambda f, c: krl(f, spec="serial: 42", ca=c.ca),
    "serial numbers from to": lambda f, c: krl(f, spec="serial: 40-4000000000", ca=c.ca),
    "serial numbers, many": lambda f, c: krl(
        f, spec="\n".join(f"serial: {n}" for n in range(2, 90, 2)), ca=c.ca),
    "serial numbers, some": lambda f, c: krl(f, spec="serial: 1\nserial: 42\nserial: 9000000", ca=c.ca),
    "ID": lambda f, c: krl(f, spec="id: person@example.com", ca=c.ca),
    "ID, of any CA": lambda f, c: krl(f, spec="id: person@example.com", ca="none"),
    "certificate": lambda f, c: krl(f, keys=[c.certificate]),
    "key": lambda f, c: krl(f, keys=[c.user_key]),
    "key, named": lambda f, c: krl(f, spec="key: " + c.user_key.public),
    "SHA1": lambda f, c: krl(f, spec="sha1: " + c.user_key.public),
    "SHA256": lambda f, c: krl(f, spec="sha256: " + c.user_key.public),
    "fingerprint": lambda f, c: krl(f, spec="hash: " + c.user_key.fingerprint),
    "CA": lambda f, c: krl(f, keys=[c.ca.key]),
    "CA, SHA256": lambda f, c: krl(f, spec="sha256: " + c.ca.key.public),
}
NOT_REVOKED = {
    "nothing, as text": lambda f, c: f.write_text("# nothing yet\n\n"),
    "nothing": lambda f, c: krl(f),
    "other key, as text": lambda f, c: f.write_text(c.other.public + "\n"),
    "other serial numbers": lambda f, c: krl(
        f, spec="serial: 1-41\nserial: 43\nserial: 45\nserial: 100-200", ca=c.ca),
    "serial number of another CA": lambda f, c: krl(f, spec="serial: 42", ca=c.other_ca),
    "other ID": lambda f, c: krl(f, spec="id: person@example.co", ca=c.ca),
    "ID of another CA": lambda f, c: krl(f, spec="id: person@example.com", ca=c.other_ca),
    "other key": lambda f, c: krl(f, keys=[c.other]),
    "other fingerprint": lambda f, c: krl(f, spec="sha1: " + c.other.public),
}


class RevokedCase:
    def __init__(self, way, ca, user_key, ring, directory):
        self.ca = ca
        self.user_key = user_key
        self.other = ring.get("wrong0")
        self.other_ca = CA(directory / "other", ring.get("other_ca"))
        self.certificate = ca.sign(user_key, way.login, key_id="person@example.com", serial=42)


@pytest.fixture
def revoking(trusting, ca, user_key, ring, tmp_path):
    """A front with an empty RevokedKeys file, that file, and a certificate that is still good."""
    file = tmp_path / "revoked"
    file.write_text("")
    w = trusting(RevokedKeys=file)
    c = RevokedCase(w, ca, user_key, ring, tmp_path)
    assert logs_in(w, user_key, c.certificate)
    return w, file, c


@pytest.mark.parametrize("names", [list(REVOKED)[i::3] for i in range(3)], ids=range(3))
def test_each_form_of_revocation(revoking, names):
    w, file, c = revoking
    for name in names:
        file.unlink()
        REVOKED[name](file, c)
        assert not logs_in(w, c.user_key, c.certificate), name
    if not w.direct:
        assert said(w, r"not accepted: revoked by \S+/revoked$")


def test_near_misses_are_not_revoked(revoking):
    w, file, c = revoking
    for name, write in NOT_REVOKED.items():
        file.unlink()
        write(file, c)
        assert logs_in(w, c.user_key, c.certificate), name


def test_plain_key_is_revoked_too(revoking, ring):
    w, file, c = revoking
    key = ring.get("client")
    for write in (lambda: file.write_text(key.public + "\n"), lambda: krl(file, keys=[key]),
                  lambda: krl(file, spec="sha256: " + key.public)):
        w.answers()
        file.unlink()
        write()
        assert w.ssh("true").code == 255
        file.write_text("")


def test_certificate_without_serial_number_is_not_revoked_by_number(revoking):
    w, file, c = revoking
    file.unlink()
    krl(file, spec="serial: 1-100", ca=c.ca)
    assert logs_in(w, c.user_key, c.ca.sign(c.user_key, w.login))


@pytest.mark.parametrize("what", ["gone", "no list", "cut short", "not a file"])
def test_list_that_cannot_be_read_refuses_every_key(revoking, ring, what):
    w, file, c = revoking
    w.answers()
    if what == "gone":
        file.unlink()
    elif what == "no list":
        file.write_text("this is not a key\n")
    elif what == "cut short":
        file.unlink()
        krl(file, keys=[c.other])
        file.write_bytes(file.read_bytes()[:-3])
    else:
        file.unlink()
        file.mkdir()
    assert not logs_in(w, c.user_key, c.certificate)
    assert w.ssh("true").code == 255
    if not w.direct:
        why = {"gone": "No such file or directory", "not a file": "is not a regular file"}.get(
            what, "is neither a list of public keys nor made by ssh-keygen -k")
        assert said(w, rf"not accepted: RevokedKeys: \S+/revoked: {why}: no key is accepted$")
