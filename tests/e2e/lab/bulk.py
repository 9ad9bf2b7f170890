"""Large files whose digests are known, and the digest of what arrives."""

import hashlib
import random


class Bulk:
    """A file of incompressible bytes, and its digest."""

    def __init__(self, path, size, seed):
        self.path = path
        self.size = size
        digest = hashlib.sha256()
        block = random.Random(seed).randbytes(1 << 20)
        with open(path, "wb") as f:
            for i in range(size >> 20):
                piece = i.to_bytes(8, "big") + block[8:]
                digest.update(piece)
                f.write(piece)
        self.sha256 = digest.hexdigest()


def sha256_of(stream):
    """The hex SHA-256 of all that can be read from a stream."""
    h = hashlib.sha256()
    while True:
        data = stream.read(1 << 20)
        if not data:
            return h.hexdigest()
        h.update(data)
