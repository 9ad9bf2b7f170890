"""The end of NOTIFY_SOCKET (sd_notify(3)): what a gateway tells its service manager."""

import os
import socket
import struct

from .wait import wait_for

# The same number for a master that is started through a shell.
OURS = 'WATCHDOG_PID=$$ exec "$@"'


class ServiceManager:
    """A datagram socket at a path, or with an abstract name ("@name")."""

    def __init__(self, name):
        self.name = name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.bind("\0" + name[1:] if name.startswith("@") else name)
        self.sock.setblocking(False)
        self.messages = []  # {NAME: VALUE}, with the sender's "pid"

    def within(self, watchdog_us=None, shell=OURS):
        """The beginning of a command that is started as by this service manager."""
        words = ["env", f"NOTIFY_SOCKET={self.name}"]
        if watchdog_us is not None:
            words.append(f"WATCHDOG_USEC={watchdog_us}")
        return (*words, "sh", "-c", shell, "sh")

    def received(self):
        while True:
            try:
                data, more, _, _ = self.sock.recvmsg(4096, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return self.messages
            message = dict(line.split("=", 1) for line in data.decode().split("\n"))
            message["pid"] = struct.unpack("3i", more[0][2])[0]
            self.messages.append(message)

    def has(self, word, since=0):
        """The first message since then that says NAME=VALUE, or None."""
        name, _, value = word.partition("=")
        return next((m for m in self.received()[since:] if m.get(name) == value), None)

    def wait(self, word, since=0):
        return wait_for(f"{word} at NOTIFY_SOCKET", lambda: self.has(word, since))

    def close(self):
        self.sock.close()
        if not self.name.startswith("@"):
            os.unlink(self.name)
