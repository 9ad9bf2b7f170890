"""The clients of the matrix, and the Debian packages that they are in."""

import subprocess

# The name in the table: its packages, of which the first has its version.
CLIENTS = {
    "OpenSSH": ["openssh-client"],
    "plink": ["putty-tools"],
    "psftp, pscp": ["putty-tools"],
    "dbclient": ["dropbear-bin"],
    "paramiko": ["python3-paramiko"],
    "asyncssh": ["python3-asyncssh"],
    "net-ssh": ["ruby-net-ssh", "ruby-net-sftp"],
    "curl": ["curl"],
    "rclone": ["rclone"],
    "sshfs": ["sshfs"],
    "rsync": ["rsync"],
    "Ansible": ["ansible-core"],
    "borg": ["borgbackup"],
    "git": ["git"],
    "hg": ["mercurial"],
    "mosh": ["mosh"],
    "an editor's remote mode": ["openssh-client"],
}


def version(package):
    """Of an installed package, without Debian's epoch and revision; or None."""
    p = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package],
                       capture_output=True, text=True, check=False)
    state, _, text = p.stdout.partition(" ")
    if state != "installed":
        return None
    return text.split(":", 1)[-1].rsplit("-", 1)[0]


def missing(client):
    return [package for package in CLIENTS[client] if version(package) is None]
