"""What `sallyport` says to whoever types a command, rightly or wrongly."""

import subprocess

from lab.gateway import SALLYPORT


def sallyport(*args):
    return subprocess.run([SALLYPORT, *args], capture_output=True, text=True, timeout=30, check=False)


def test_help_of_a_command_is_what_its_help_option_prints():
    p = sallyport("help", "route")
    assert p.stdout.startswith("usage: sallyport route LOGIN")
    assert (p.returncode, p.stdout) == (0, sallyport("route", "--help").stdout)


def test_help_of_an_unknown_command():
    p = sallyport("help", "rout")
    assert p.returncode == 2 and p.stderr == 'sallyport: unknown command "rout"; `sallyport help` lists them\n'


def test_wrong_option_is_named():
    p = sallyport("serve", "--foreground")
    assert p.returncode == 2
    assert p.stderr.splitlines()[0] == "sallyport: serve: wrong option --foreground"


def test_generated_key_is_explained_by_its_use(tmp_path):
    """A key that HostKey names is a host key; any other is probably for an upstream."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "00.ini").write_text("[gateway]\nHostKey = host_ed25519\n")
    told = {name: sallyport("key", "generate", name, "-c", str(tmp_path / "conf.d")).stderr
            for name in ("host_ed25519", "alice")}
    assert told["host_ed25519"].startswith("This is the gateway's own host key.")
    assert "upstream" not in told["host_ed25519"] and "SHA256:" in told["host_ed25519"]
    assert told["alice"].startswith("To log in with it upstream")
