"""Packets from before the key exchange, built by hand: valid and invalid ones."""

import struct

HELLO = b"SSH-2.0-attacker\r\n"
GOOD_LISTS = [
    b"curve25519-sha256", b"ssh-ed25519", b"aes128-ctr", b"aes128-ctr", b"hmac-sha2-256",
    b"hmac-sha2-256", b"none", b"none", b"", b"",
]


def packet(payload, padding=8):
    """A packet with this much padding, also where RFC 4253 requires another length."""
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def padded_packet(payload):
    """A packet with the padding that RFC 4253 requires."""
    padding = 8 + -(len(payload) + 13) % 8
    return (len(payload) + padding + 1).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


def kexinit(*lists, tail=b"\0\0\0\0\0"):
    """The payload of a KEXINIT with these name-lists."""
    return b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(n)) + n for n in lists) + tail
