"""A certificate authority of X.509, made with openssl(1), and what it issues."""

import dataclasses
import subprocess
from pathlib import Path

KEYS = {
    "rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ecdsa": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ed25519": ["ED25519"],
}

CONFIG = """
[ca]
default_ca = this
[this]
database = {0}/index
crlnumber = {0}/crlnumber
default_md = {1}
"""


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


@dataclasses.dataclass
class Certificate:
    path: Path
    key: Path
    name: str

    def fact(self, *what):
        """What openssl x509 -noout says of it, without the word in front."""
        p = subprocess.run(["openssl", "x509", "-noout", "-in", self.path, *what], check=True, capture_output=True,
                           text=True)
        return p.stdout.strip().split("=", 1)[1]

    @property
    def fingerprint(self):
        return self.fact("-fingerprint", "-sha256").replace(":", "").lower()


class Authority:
    """A directory with a CA certificate; issue() makes others, revoke() writes a list of revoked ones."""

    def __init__(self, directory, name="Test CA", kind="ecdsa"):
        self.dir = directory
        self.dir.mkdir()
        self.kind = kind
        self.serial = 100
        self.revoked = []
        self.certificate = self.make("ca", name, kind, ["-x509", "-addext", "keyUsage=critical,keyCertSign,cRLSign"])

    def key(self, file, kind):
        path = self.dir / f"{file}.key"
        openssl("genpkey", "-algorithm", *KEYS[kind], "-out", path)
        return path

    def make(self, file, name, kind, words):
        key, out = self.key(file, kind), self.dir / f"{file}.pem"
        openssl("req", "-new", "-key", key, "-subj", name if name.startswith("/") else f"/CN={name}", "-out", out,
                *words)
        return Certificate(out, key, name)

    def issue(self, name, kind="ecdsa", days=30, names="", file=None):
        """name: a CN, or a subject such as /OU=staff/CN=alice.  names: subjectAltName."""
        self.serial += 1
        file = file or f"{self.serial}"
        request = self.make(f"{file}.request", name, kind, [])
        extensions = self.dir / f"{file}.ext"
        extensions.write_text(f"subjectAltName={names}\n" if names else "")
        out = self.dir / f"{file}.pem"
        openssl("x509", "-req", "-in", request.path, "-CA", self.certificate.path, "-CAkey", self.certificate.key,
                "-set_serial", self.serial, "-days", days, "-extfile", extensions, "-out", out)
        return Certificate(out, request.key, name)

    def revoke(self, *certificates):
        """The path of a list of these."""
        (self.dir / "index").write_text("".join(
            f"R\t400101000000Z\t240101000000Z\t{c.fact('-serial')}\tunknown\t/CN=x\n" for c in certificates))
        (self.dir / "crlnumber").write_text("01\n")
        config = self.dir / "config"
        config.write_text(CONFIG.format(self.dir, "default" if self.kind == "ed25519" else "sha256"))
        out = self.dir / "crl.pem"
        openssl("ca", "-gencrl", "-crldays", "30", "-config", config, "-keyfile", self.certificate.key, "-cert",
                self.certificate.path, "-out", out)
        return out
