"""Certificate authorities, the certificates they sign, and KRLs, made by ssh-keygen."""

import base64
import subprocess

from .keys import Key


def keygen(*args):
    subprocess.run(["ssh-keygen", "-q", *map(str, args)], check=True, stdin=subprocess.DEVNULL)


class CA:
    def __init__(self, directory, key):
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        self.key = key
        self.signed = 0
        # the file for TrustedUserCAKeys
        self.file = self.dir / "ca_keys"
        self.file.write_text(f"# the authority\n\n{key.public} somebody\n")

    def sign(self, key, principals="", key_id="an id", serial=0, validity="-1h:+1h", options=(),
             host=False, algorithm=None):
        """The path of a certificate for the key, valid from an hour ago for another hour."""
        self.signed += 1
        public = self.dir / f"key{self.signed}.pub"
        public.write_text(key.public + "\n")
        argv = ["-s", self.key.path, "-I", key_id, "-z", serial, "-V", validity]
        if principals:
            argv += ["-n", principals]
        if host:
            argv += ["-h"]
        if algorithm:
            argv += ["-t", algorithm]
        for option in options:
            argv += ["-O", option]
        keygen(*argv, public)
        return self.dir / f"key{self.signed}-cert.pub"


def blob_of(path):
    return base64.b64decode(path.read_text().split()[1])


def rewrite(path, change):
    """A copy of a certificate file with its bytes changed."""
    kind, text = path.read_text().split()[:2]
    blob = bytearray(base64.b64decode(text))
    change(blob)
    other = path.with_name("other-" + path.name)
    other.write_text(f"{kind} {base64.b64encode(bytes(blob)).decode()}\n")
    return other


def krl(path, *, spec="", keys=(), ca=None):
    """A KRL of these keys or certificates, or of this specification."""
    argv = ["-k", "-f", path]
    if ca is not None:
        argv += ["-s", ca if ca == "none" else ca.key.path.with_suffix(".pub")]
    files = [k.path.with_suffix(".pub") if isinstance(k, Key) else k for k in keys]
    if spec:
        text = path.with_name(path.name + ".spec")
        text.write_text(spec + "\n")
        files.append(text)
    keygen(*argv, *files)
    return path


def named_principals(own_way, ca, directory, *names):
    """A way that trusts the CA, where a certificate must have one of these principals."""
    if own_way.name != "direct":
        return own_way(route={"TrustedUserCAKeys": ca.file, "AuthorizedPrincipals": " ".join(names)})
    file = directory / "principals"
    file.write_text("".join(name + "\n" for name in names))
    return own_way(sshd={"TrustedUserCAKeys": ca.file, "AuthorizedPrincipalsFile": file})


def certificate_client(way, key, certificate):
    """A client with the certificate and its key."""
    return way.new_client(key, CertificateFile=certificate)


def logs_in(way, key, certificate, **options):
    r = certificate_client(way, key, certificate).ssh("echo in", **options)
    assert r.code in (0, 255), r
    return r.text == "in\n"


def said(way, pattern):
    return way.front.log.wait(pattern)
