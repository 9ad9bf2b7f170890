"""SSH keys, made once per test run by ssh-keygen."""

import base64
import math
import subprocess

TYPES = {
    "ed25519": ("ed25519", None),
    "ecdsa256": ("ecdsa", 256),
    "ecdsa384": ("ecdsa", 384),
    "ecdsa521": ("ecdsa", 521),
    "rsa3072": ("rsa", 3072),
}
# Types that are refused.
WEAK = {"rsa1024": ("rsa", 1024)}
# An RSA key of 2048 bits with a public exponent of six bytes: its signatures are expensive to verify.
COSTLY = "rsa_e48"


class Key:
    def __init__(self, path):
        self.path = path

    @property
    def public(self):
        """The line for authorized_keys: type and base64, without a comment."""
        return " ".join(self.path.with_suffix(".pub").read_text().split()[:2])

    @property
    def type(self):
        return self.public.split()[0]

    @property
    def fingerprint(self):
        return fingerprint(self.public)


def known_hosts_line(key, port, names=None, marker=""):
    """names: of the host, in place of 127.0.0.1 and this port.  marker: "@cert-authority" or "@revoked"."""
    return f"{marker} {names or f'[127.0.0.1]:{port}'} {key.public}\n".lstrip()


def fingerprint(public):
    import hashlib

    blob = base64.b64decode(public.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def generate_costly(path):
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import rsa

    n = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    phi, e = (n.p - 1) * (n.q - 1), (1 << 47) + 1
    while math.gcd(e, phi) != 1:
        e += 2
    d = pow(e, -1, phi)
    public = rsa.RSAPublicNumbers(e, n.public_numbers.n)
    key = rsa.RSAPrivateNumbers(n.p, n.q, d, d % (n.p - 1), d % (n.q - 1), n.iqmp, public).private_key()
    # the cryptography package writes OpenSSH's format for any exponent
    path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption()))
    path.chmod(0o600)
    line = key.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(line + b" " + path.name.encode() + b"\n")
    return Key(path)


def generate(path, kind="ed25519"):
    if kind == COSTLY:
        return generate_costly(path)
    name, bits = (TYPES | WEAK)[kind]
    argv = ["ssh-keygen", "-q", "-t", name, "-N", "", "-C", path.name, "-f", str(path)]
    subprocess.run(argv + (["-b", str(bits)] if bits else []), check=True, stdin=subprocess.DEVNULL)
    return Key(path)


class Ring:
    """Keys by purpose and type, made on first use."""

    def __init__(self, directory):
        self.directory = directory
        self.made = {}

    def get(self, purpose, kind="ed25519"):
        if (purpose, kind) not in self.made:
            self.made[purpose, kind] = generate(self.directory / f"{purpose}_{kind}", kind)
        return self.made[purpose, kind]


def private_parts(path):
    """The secret numbers of an unencrypted OpenSSH private key, as {name: bytes}."""
    text = path.read_text().split("-----")[2]
    blob = base64.b64decode("".join(text.split()))
    assert blob.startswith(b"openssh-key-v1\0")

    def string(at):
        size = int.from_bytes(blob[at : at + 4], "big")
        return blob[at + 4 : at + 4 + size], at + 4 + size

    at = 15
    for _ in range(3):  # cipher, kdf, kdf options
        _, at = string(at)
    _, at = string(at + 4)
    at += 4 + 8  # length of the private section, two check words
    kind, at = string(at)
    fields = []
    while True:
        try:
            value, at = string(at)
        except IndexError:
            break
        if at > len(blob) or len(fields) == 7:
            break
        fields.append(value)
    if kind == b"ssh-ed25519":
        return {"seed": fields[1][:32], "secret": fields[1]}
    if kind == b"ssh-rsa":  # n e d iqmp p q
        return {n: fields[i].lstrip(b"\0") for n, i in (("d", 2), ("p", 4), ("q", 5))}
    return {"d": fields[2].lstrip(b"\0")}  # ecdsa: curve, public, d
