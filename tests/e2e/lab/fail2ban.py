"""fail2ban's filters, applied to log lines of a test."""

import re
import shutil
import subprocess
from pathlib import Path

from .gateway import TREE

MODES = ("normal", "ddos", "extra", "aggressive")
FILTERS = Path("/etc/fail2ban/filter.d")
OURS = TREE / "contrib" / "fail2ban" / "sallyport.conf"


def filter_of_ours(directory):
    """A copy of our filter, beside a copy of the one for sshd that it includes."""
    file = directory / "filter.d" / OURS.name
    file.parent.mkdir(exist_ok=True)
    shutil.copy(OURS, file)
    for name in ("sshd.conf", "common.conf"):
        shutil.copy(FILTERS / name, file.parent)
    return file


def hosts(directory, connections, mode, ours=False):
    """The addresses that fail2ban finds if the nth connection came from 192.0.2.n.

    With the filter for sshd, with a process per connection; or with ours, with one process for all.
    """
    file = directory / "log"
    name = filter_of_ours(directory) if ours else "sshd"
    with open(file, "w", encoding="utf-8") as f:
        for n, lines in enumerate(connections, 1):
            for line in lines:
                line = re.sub(r"^sallyport\[\d+\]: ", "", line).replace("127.0.0.1", f"192.0.2.{n}")
                daemon = "sallyport[7]" if ours else f"sshd[{n}]"
                f.write(f"Nov 21 01:30:00 host {daemon}: {line}\n")
    p = subprocess.run(["fail2ban-regex", "-o", "id", str(file), f"{name}[mode={mode}]"],
                       capture_output=True, text=True, timeout=120, check=True)
    return set(p.stdout.split())
