"""A clock for a gateway that a test sets (clock.c): all its processes see the jump at once."""

import os
import struct
from pathlib import Path

from .gateway import SALLYPORT

PRELOAD = Path(SALLYPORT).parent / "tests" / "clock.so"


class Clock:
    def __init__(self, directory):
        self.path = directory / "clock"
        self.path.write_bytes(bytes(8))
        self.path.chmod(0o644)

    def put_into(self, gateway):
        """Start the gateway again, with this clock."""
        gateway.stop()
        gateway.within = ("env", f"LD_PRELOAD={PRELOAD}", f"LAB_CLOCK={self.path}")
        gateway.start()

    def set(self, seconds):
        """So many seconds ahead of the host's clock."""
        fd = os.open(self.path, os.O_WRONLY)
        os.pwrite(fd, struct.pack("=q", seconds), 0)
        os.close(fd)
