"""contrib/completions: what bash, zsh and fish complete."""

import re
import shutil
import subprocess

import pytest

from lab.gateway import SALLYPORT, TREE

DIR = TREE / "contrib" / "completions"

BASH = f""". {DIR}/sallyport.bash
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_sallyport "$1" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

# The functions of the completion system, which run in an interactive shell alone, print what they are given.
ZSH = f"""
compadd() {{ [[ $1 != -a ]] || print -rl -- ${{(P)2}}; [[ $1 != -S ]] || print -rl -- ${{@:3}}; [[ $1 == -* ]] || print -rl -- $@ }}
_describe() {{ print -rl -- ${{${{(P)2}}%%:*}} }}
_files() {{ print -rl -- *(N) }}
words=("$@"); CURRENT=$#
. {DIR}/_sallyport
"""

FISH = f"source {DIR}/sallyport.fish; complete -C (string join -- ' ' (string escape -- $argv[1..-2]) $argv[-1])"


@pytest.fixture(params=["bash", "zsh", "fish"])
def completed(request, tmp_path):
    """completed(word, ..., beginning): what the shell offers for the last word of a command line."""
    shell = request.param
    if not shutil.which(shell):
        pytest.skip(f"takes {shell}")

    def complete(*words):
        words = (SALLYPORT, *map(str, words))
        argv = {"bash": ["bash", "--norc", "-c", BASH, "bash", *words],
                "zsh": ["zsh", "-f", "-c", ZSH, "zsh", *words],
                # fish knows completions by the name of the program
                "fish": ["fish", "--no-config", "-c", FISH, *words]}[shell]
        p = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
                           env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
        assert p.stderr == "", p.stderr
        return {line.partition("\t")[0] for line in p.stdout.splitlines() if line.startswith(words[-1])}

    return complete


def said(*words):
    return subprocess.run([SALLYPORT, *words], capture_output=True, text=True, timeout=120, check=True).stdout


def commands():
    return set(re.findall(r"^  ([a-z-]+) ", said("help"), re.M))


def test_commands_are_completed(completed):
    assert completed("") == commands() > {"check", "key", "route", "serve"}
    assert completed("h") == {"hash-password", "help"}
    assert completed("help", "") == commands()


def test_commands_of_key_are_completed(completed):
    assert completed("key", "") == {"generate", "add", "list", "public", "remove", "rewrap"}
    assert completed("key", "-c", "x", "re") == {"remove", "rewrap"}


def test_commands_of_totp_are_completed(completed, tmp_path):
    assert completed("totp", "") == {"enroll", "list", "reset"}
    assert completed("totp", "enroll", "alice", "--hash", "") == {"sha1", "sha256", "sha512"}
    subprocess.run([SALLYPORT, "init", tmp_path / "gw"], capture_output=True, check=True, timeout=120)
    (tmp_path / "gw" / "conf.d" / "20-more.ini").write_text("[route alice]\n[route bob/from-home]\n")
    assert completed("totp", "enroll", "-c", tmp_path / "gw", "--issuer", "x", "") == {"alice", "bob"}
    (tmp_path / "gw" / "conf.d" / "20-more.ini").unlink()
    subprocess.run([SALLYPORT, "totp", "enroll", "--name", "totp-alice", "-c", tmp_path / "gw"], capture_output=True,
                   check=True, timeout=120)
    assert completed("totp", "-c", tmp_path / "gw", "reset", "") == {"totp-alice"}


def test_commands_of_ca_are_completed(completed, tmp_path):
    assert completed("ca", "") == {"public", "list", "sign", "revoke"}
    (tmp_path / "users.pub").touch()
    assert completed("ca", "sign", "us") == {"users.pub"}


def test_options_of_every_command_are_completed(completed):
    for command in sorted(commands() - {"help"}):
        known = set(re.findall(r"(?<![a-z-])--?[a-z][a-z-]*", said(command, "--help")))
        assert completed(command, "-") == known, command
    assert completed("route", "alice", "--d") == {"--dial"}
    assert completed("check", "--du") == {"--dump"}


def test_values_of_options_are_completed(completed, tmp_path):
    assert completed("key", "generate", "alice", "--type", "") == {"ed25519", "rsa", "ecdsa"}
    assert "credential:" in completed("key", "rewrap", "--unlock", "c")


def test_keys_and_logins_are_completed(completed, tmp_path):
    """Of the configuration that -c names."""
    subprocess.run([SALLYPORT, "init", tmp_path / "gw"], capture_output=True, check=True, timeout=120)
    conf = tmp_path / "gw" / "conf.d"
    (conf / "20-more.ini").write_text("[route alice]\n[route bob/from-home]\n[route dev-*]\n[route  carol]\n")
    assert completed("key", "-c", conf, "public", "") == {"host_ed25519"}
    assert completed("key", "remove", "-c", conf, "ho") == {"host_ed25519"}
    assert completed("route", "-c", conf, "") == {"alice", "bob", "carol"}
    assert completed("route", "-c", tmp_path / "gw", "b") == {"bob"}
    assert completed("key", "public", "host_ed25519", "-c", conf, "--for", "c") == {"carol"}
    assert completed("ca", "-c", conf, "public", "--host", "") == {"host_ed25519"}
    assert completed("ca", "sign", "x.pub", "-c", conf, "--ca", "") == {"host_ed25519"}
