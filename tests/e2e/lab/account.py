"""A user of this host with a password, for an sshd with PAM."""

import contextlib
import os
import shutil
import subprocess
import uuid

import pytest

PASSWORD = "correct horse; battery=staple"


@contextlib.contextmanager
def new_account():
    """The name of a user who is there until the end, and whose password is PASSWORD."""
    if os.getuid() != 0:
        pytest.skip("only root can make a user with a password")
    if not shutil.which("useradd") or not shutil.which("openssl"):
        pytest.skip("no useradd or no openssl")
    name = "spt" + uuid.uuid4().hex[:8]
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(
        ["useradd", "-M", "-N", "-d", "/tmp", "-s", "/bin/sh", "-p", hashed, name], check=True
    )
    yield name
    subprocess.run(["userdel", "-f", name], check=True, capture_output=True)
