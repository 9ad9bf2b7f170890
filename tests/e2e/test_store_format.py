"""doc/PROTOCOL.store, followed literally: a key store can be opened with libsodium alone."""

import base64
import ctypes
import ctypes.util
import hashlib
import re
import struct

import pytest

from lab.totp import App

NONCE, TAG, KEY = 24, 16, 32


@pytest.fixture(scope="module")
def sodium():
    lib = ctypes.CDLL(ctypes.util.find_library("sodium"))
    assert lib.sodium_init() >= 0
    return lib


def take_string(data):
    """Split an RFC 4251 string off the front: the string, and the rest."""
    n, = struct.unpack(">I", data[:4])
    assert len(data) >= 4 + n
    return data[4:4 + n], data[4 + n:]


def decrypt(sodium, box, ad, nonce, key):
    out = ctypes.create_string_buffer(len(box))
    bad = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        out, None, None, box, ctypes.c_ulonglong(len(box)), ad, ctypes.c_ulonglong(len(ad)), nonce, key)
    assert bad == 0, "does not open"
    return out.raw[:len(box) - TAG]


def open_store_key(sodium, store, secret):
    """Section 1."""
    magic, rest = store[:18], store[18:]
    assert magic == b"SALLYPORT-STORE-1\n"
    kdf, rest = take_string(rest)
    salt, rest = take_string(rest)
    operations, memory = struct.unpack(">QQ", rest[:16])
    ad = store[:len(store) - len(rest) + 16]
    nonce, rest = take_string(rest[16:])
    box, rest = take_string(rest)
    assert (len(salt), len(nonce), len(box), rest) == (16, NONCE, KEY + TAG, b"")
    key = ctypes.create_string_buffer(KEY)
    if kdf == b"blake2b":
        assert (operations, memory) == (0, 0)
        bad = sodium.crypto_generichash(key, ctypes.c_size_t(KEY), secret, ctypes.c_ulonglong(len(secret)), salt,
                                        ctypes.c_size_t(len(salt)))
    else:
        assert kdf == b"argon2id" and (operations, memory) == (4, 128 << 20)
        bad = sodium.crypto_pwhash(key, ctypes.c_ulonglong(KEY), secret, ctypes.c_ulonglong(len(secret)), salt,
                                   ctypes.c_ulonglong(operations), ctypes.c_size_t(memory), 2)
    assert bad == 0
    return decrypt(sodium, box, ad, nonce, key.raw)


def unseal(sodium, path, magic, ad, key):
    """Section 3."""
    data = path.read_bytes()
    assert data[:16] == magic
    return decrypt(sodium, data[16 + NONCE:], ad, data[16:16 + NONCE], key)


def test_a_store_opens_as_documented(make_gateway, sodium):
    g = make_gateway()
    g.command("key", "generate", "one")
    g.command("key", "generate", "two", "--type", "rsa")
    assert g.sallyport("key", "add", "three", "--password", "-c", g.conf, stdin=b"open sesame\n").returncode == 0
    keys = g.conf.parent / "keys"

    secret = (keys / ".unlock").read_bytes()
    assert re.fullmatch(rb"[0-9a-f]{64}\n", secret)
    key = open_store_key(sodium, (keys / ".store").read_bytes(), secret.rstrip(b"\n"))

    for name in ("one", "two"):
        kind, rest = take_string(unseal(sodium, keys / name, b"SALLYPORT-KEY-1\n", name.encode(), key))
        public, rest = take_string(rest)
        private, rest = take_string(rest)
        assert rest == b""
        shown = (keys / f"{name}.pub").read_text().split()
        assert shown == [kind.decode(), base64.b64encode(public).decode(), name]
        if kind == b"ssh-ed25519":
            assert len(private) == 64 and private[32:] == public[-32:]
        else:
            assert take_string(private)[0] == kind == b"ssh-rsa"

    sealed = unseal(sodium, keys / "three", b"SALLYPORT-PWD-1\n", b"password\nthree", key)
    assert len(sealed) == 1028
    password, rest = take_string(sealed)
    assert password == b"open sesame" and rest == bytes(len(rest))

    shown = g.command("totp", "enroll", "--name", "four", "--uri", "--digits", "8").split()
    fields, rest = [], unseal(sodium, keys / "four", b"SALLYPORT-OTP-1\n", b"totp\nfour", key)
    kind, rest = take_string(rest)
    assert (kind, *struct.unpack(">II", rest[:8])) == (b"SHA1", 8, 30)
    rest = rest[8:]
    for _ in range(3):
        field, rest = take_string(rest)
        fields.append(field)
    totp, number, hashes = fields
    assert rest == b"" and App(shown[0]).secret == totp and len(number) == 16
    assert hashes == b"".join(hashlib.blake2b(code.replace("-", "").upper().encode(), digest_size=16, key=number).digest()
                              for code in shown[1:])

    # with a passphrase: another .store for the same key
    assert g.sallyport("key", "rewrap", "--unlock", "passphrase", "-c", g.conf,
                       stdin=b"long enough\nlong enough\n").returncode == 0
    assert open_store_key(sodium, (keys / ".store").read_bytes(), b"long enough") == key
