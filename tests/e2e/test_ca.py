"""sallyport ca: certificates for users and hosts, and KRLs, as ssh-keygen, sshd and ssh understand them."""

import json
import os
import pwd
import re
import subprocess

import pytest

from lab.ca import logs_in
from lab.security_key import enroll
from lab.sshd import ME


def listed(certificate):
    """What ssh-keygen -L prints: {word: [value, ...]}."""
    p = subprocess.run(["ssh-keygen", "-L", "-f", certificate], capture_output=True, text=True, check=True,
                       env={"TZ": "UTC", "PATH": "/usr/bin:/bin"})
    found = {}
    for line in p.stdout.splitlines()[1:]:
        if line.startswith(" " * 16):
            found[word].append(line.strip())
        else:
            word, _, value = line.strip().partition(": ")
            word = word.rstrip(":")
            found[word] = [value] if value.strip() else []
    return found


class Authority:
    """The subcommand, with a configuration that is not served."""

    def __init__(self, gateway, directory):
        self.gateway = gateway
        self.dir = directory

    def __call__(self, *args):
        return self.gateway.command("ca", *args)

    def refuses(self, *args, says, status=1):
        p = self.gateway.sallyport("ca", *args, "-c", self.gateway.conf)
        assert p.returncode == status and p.stdout == b"", p
        assert re.search(says, p.stderr.decode()), p.stderr

    def key(self, key):
        """A copy of the public key, beside which the certificate is written."""
        file = self.dir / f"{key.path.name}.pub"
        file.write_text(key.public + "\n")
        return file

    def sign(self, key, *args, name="users"):
        file = self.key(key)
        self("sign", file, "--ca", name, *args)
        return file.with_name(f"{key.path.name}-cert.pub")


@pytest.fixture
def ca(make_gateway, tmp_path):
    gateway = make_gateway()
    gateway.generate_key("users")
    directory = tmp_path / "signed"
    directory.mkdir()
    return Authority(gateway, directory)


@pytest.fixture
def machine(builder, ca, tmp_path):
    """machine(name, ...): a way to an sshd that trusts this CA."""

    def make(name="users", **words):
        trusted = tmp_path / "trusted"
        trusted.write_text(ca("public", name))
        return builder("direct", sshd={"TrustedUserCAKeys": trusted, **words})

    return make


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_machine_trusts_certificate(ca, machine, user_key, kind):
    ca.gateway.generate_key("others", "--type", kind)
    w = machine("others")
    certificate = ca.sign(user_key, "--principals", f"{ME},others", "--lifetime", "8h", name="others")
    assert logs_in(w, user_key, certificate)
    w.sshd.log.wait(rf"Accepted publickey for {ME} .* ID {ME} \(serial \d+\) CA ")
    says = listed(certificate)
    assert says["Principals"] == [ME, "others"] and says["Critical Options"] == ["(none)"]
    assert says["Extensions"] == ["permit-X11-forwarding", "permit-agent-forwarding",
                                  "permit-port-forwarding", "permit-pty", "permit-user-rc"]
    assert says["Signing CA"][0].endswith({"rsa": "(using rsa-sha2-512)", "ed25519": "(using ssh-ed25519)",
                                           "ecdsa": "(using ecdsa-sha2-nistp256)"}[kind])
    other = ca.sign(user_key, "--principals", "others", "--lifetime", "8h", name="others")
    assert not logs_in(w, user_key, other)


def test_options_of_a_user_hold_on_the_machine(ca, machine, user_key):
    w = machine()
    certificate = ca.sign(user_key, "--principals", ME, "--lifetime", "1d", "--id", "what for",
                          "--force-command", "echo \"forced\"", "--source-address", "127.0.0.1,10.0.0.0/8",
                          "--no-pty", "--no-port-forwarding", "--no-agent-forwarding", "--no-x11-forwarding",
                          "--no-user-rc")
    says = listed(certificate)
    assert says["Key ID"] == ['"what for"'] and says["Extensions"] == ["(none)"]
    assert says["Critical Options"] == ['force-command echo "forced"', "source-address 127.0.0.1,10.0.0.0/8"]
    client = w.new_client(user_key, CertificateFile=certificate)
    assert client.ssh("echo in").text == "forced\n"
    assert client.ssh("echo in", BindAddress="127.0.0.2").code == 255
    assert "PTY allocation request failed" in client.ssh("-tt", "true").err


def test_validity_and_serial_numbers(ca, user_key):
    numbers = []
    for _ in range(3):
        says = listed(ca.sign(user_key, "--principals", "a", "--lifetime", "1w2d"))
        numbers.append(int(says["Serial"][0]))
    assert numbers == sorted(set(numbers)) and numbers[0] > 0
    begin, end = re.fullmatch(r"from (\S+) to (\S+)", says["Valid"][0]).groups()
    days = subprocess.run(["date", "-u", "-d", f"{end} 9 days ago", "+%s"], capture_output=True, check=True)
    start = subprocess.run(["date", "-u", "-d", begin, "+%s"], capture_output=True, check=True)
    # ssh-keygen prints minutes' seconds as they are: a minute for clocks that are behind
    assert 0 <= int(days.stdout) - int(start.stdout) <= 120
    assert listed(ca.sign(user_key, "--principals", "a", "--lifetime", "1h", "--serial", "7"))["Serial"] == ["7"]


def test_standard_output(ca, user_key):
    p = ca.gateway.sallyport("ca", "sign", "-", "--ca", "users", "--principals", "a", "--lifetime", "1h", "-c",
                             ca.gateway.conf, stdin=f"# a key\n{user_key.public} its comment\n".encode())
    assert p.returncode == 0 and p.stdout.endswith(b" its comment\n"), p
    assert b'standard output: user certificate ID "a" serial ' in p.stderr
    file = ca.dir / "out.pub"
    file.write_bytes(p.stdout)
    assert listed(file)["Principals"] == ["a"]
    assert not list(ca.dir.glob("*-cert.pub"))


def test_machine_known_by_its_certificate(gated, ring, tmp_path):
    """@cert-authority is all that the gateway needs to know a machine."""
    w = gated()
    ca = Authority(w.gateway, tmp_path)
    w.gateway.generate_key("hosts", "--type", "rsa")
    w.gateway.generate_key("others")
    known = w.gateway.known_hosts_of("alice")
    w.sshd.stop()
    key = w.sshd.host_keys[0]
    w.sshd.options["HostCertificate"] = ca.sign(key, "--host", "--principals", "127.0.0.1,m.example",
                                                "--lifetime", "forever", name="hosts")
    says = listed(w.sshd.options["HostCertificate"])
    assert says["Principals"] == ["127.0.0.1", "m.example"] and says["Extensions"] == ["(none)"]
    assert says["Valid"][0] == "forever" or says["Valid"][0].startswith("after ")
    w.sshd.options["HostKey"] = [key.path]
    w.sshd.start()
    known.write_text(ca("public", "hosts", "--host"))
    assert known.read_text().startswith("@cert-authority * ssh-rsa ")
    w.answers()
    # and ssh itself
    direct = w.new_client(w.client.key, user=ME, known_hosts=known.read_text())
    direct.port = w.sshd.port
    direct.write_config()
    w.sshd.authorize(w.client.key.public)
    assert direct.ssh("echo in").text == "in\n"
    known.write_text(ca("public", "others", "--host"))
    assert w.ssh("true").code == 255
    w.gateway.log.wait("Host key verification failed")
    # a machine that has a certificate, and does not show it
    known.write_text(ca("public", "hosts", "--host"))
    w.sshd.stop()
    del w.sshd.options["HostCertificate"]
    w.sshd.start()
    assert w.ssh("true").code == 255
    w.gateway.log.wait("it has shown no certificate by the authority that is known .*, and the key is not known")


REVOKED = {
    "certificate": lambda c: ("users", c.certificate),
    "serial number": lambda c: ("users", listed(c.certificate)["Serial"][0]),
    "range": lambda c: ("users", "1-18446744073709551615"),
    "key ID": lambda c: ("users", "--id", "an ID"),
    "key": lambda c: ("users", c.key(c.user_key)),
}


@pytest.mark.parametrize("what", list(REVOKED))
def test_revoked_certificate_is_refused(ca, machine, user_key, ring, what):
    krl = ca.dir / "revoked"
    ca("revoke", "--krl", krl)
    w = machine(RevokedKeys=krl)
    ca.user_key = user_key
    ca.certificate = ca.sign(user_key, "--principals", ME, "--lifetime", "1h", "--id", "an ID")
    other_key = ring.get("another")
    ca.gateway.generate_key("more")
    other = ca.sign(other_key, "--principals", ME, "--lifetime", "1h", "--id", "another", name="more")
    assert logs_in(w, user_key, ca.certificate)
    ca("revoke", *REVOKED[what](ca), "--krl", krl)
    assert not logs_in(w, user_key, ca.certificate)
    p = subprocess.run(["ssh-keygen", "-Q", "-f", krl, ca.certificate, other], capture_output=True, check=False)
    assert p.stdout.count(b"REVOKED") == 1 and p.stdout.count(b"): ok") == 1, p
    assert krl.stat().st_mode & 0o777 == 0o644
    # the next KRL has what was revoked before
    ca("revoke", "more", other, "--krl", krl)
    p = subprocess.run(["ssh-keygen", "-Q", "-f", krl, ca.certificate, other], capture_output=True, check=False)
    assert p.stdout.count(b"REVOKED") == 2, p
    assert not [f for f in ca.dir.iterdir() if f.name.startswith("revoked.")]


def test_gateway_reads_the_krl(gated, user_key, tmp_path):
    """For users who log in at the gateway with certificates."""
    w = gated()
    ca = Authority(w.gateway, tmp_path)
    w.gateway.generate_key("users")
    trusted, krl = tmp_path / "trusted", tmp_path / "revoked"
    trusted.write_text(ca("public", "users"))
    ca("revoke", "--krl", krl)
    w.gateway.route("alice", w.sshd, [], TrustedUserCAKeys=trusted, RevokedKeys=krl)
    assert w.gateway.reload().returncode == 0
    certificate = ca.sign(user_key, "--principals", "alice", "--lifetime", "1h")
    assert logs_in(w, user_key, certificate)
    ca("revoke", "users", certificate, "--krl", krl)
    assert not logs_in(w, user_key, certificate)
    w.gateway.log.wait("not accepted: revoked by ")


def test_what_is_revoked_is_listed(ca, user_key):
    certificate = ca.sign(user_key, "--principals", "a", "--lifetime", "1h", "--serial", "7")
    ca("revoke", "users", certificate, "10-20", "9")
    ca("revoke", "users", ca.key(user_key), "--id", "an ID")
    text = ca("revoke", "--list")
    assert text.splitlines()[1:] == ["    serial 7", "    serial 9-20", "    id an ID",
                                     f"    key {user_key.fingerprint}"]
    assert text.startswith("users SHA256:")
    ca.refuses("revoke", "users", "7", "--krl", ca.dir / "no" / "such", says=r"/no/such: cannot be written: No such file")
    ca.gateway.generate_key("other")
    ca.refuses("revoke", "other", certificate, says="another CA has signed this certificate")
    ca.refuses("revoke", "users", "7-3", says="is no serial number")
    ca.refuses("revoke", "users", ca.dir / "nothing", says="No such file")
    ca.refuses("revoke", "users", "seven", says="seven: is neither a serial number, such as 7, nor a file\n")


@pytest.mark.parametrize("words, says", [
    ((), "ca: give one of public, list, sign, revoke"),
    (("lst",), "ca lst: there is no such command"),
    (("list", "users"), "ca list: too many names or files"),
    (("public",), "ca public: a name or file is missing"),
    (("revoke", "users", "--serial", "7"), "ca revoke: has no such option"),
    (("revoke", "users"), "ca revoke: give what the CA revokes: a serial number"),
    (("revoke",), "ca revoke: give the CA and what it revokes"),
])
def test_wrong_command_is_said_above_the_usage(ca, words, says):
    ca.refuses(*words, status=2, says=rf"^sallyport: {says}.*\nusage: ")


def test_authority_that_was_removed(ca):
    file = ca.dir / "old.pub"
    file.write_text(ca("public", "users"))
    assert ca.gateway.sallyport("key", "remove", "users", "--force", "-c", ca.gateway.conf).returncode == 0
    ca.refuses("revoke", "users", "7", says="there is no key users in the key store; .*: FILE.pub\n")
    ca("revoke", file, "7")
    assert "    serial 7\n" in ca("revoke", "--list")


def test_authority_in_a_file_of_any_name(ca):
    """A line of the record, and no damage to it: the next KRL of all authorities is made of it."""
    odd = ca.dir / "odd\nserial 7.pub"
    odd.write_text(ca("public", "users"))
    ca("revoke", odd, "9")
    assert [line.strip() for line in ca("revoke", "--list").splitlines()[1:]] == ["serial 9"]


def test_authorities_are_listed(ca, ring):
    g = ca.gateway
    assert ca("list") == "" and json.loads(ca("list", "--json")) == []
    g.generate_key("hosts", "--type", "rsa")
    ca.sign(ring.get("person"), "--host", "--principals", "m", "--lifetime", "1h", name="hosts")
    ca("revoke", "hosts", "1")
    (one,) = json.loads(ca("list", "--json"))
    assert (one["name"], one["type"], one["revoked"], one["routes"]) == ("hosts", "RSA", 1, [])
    assert re.fullmatch(rf"hosts +RSA +{re.escape(one['fingerprint'])} \(1 revoked\)\n", ca("list"))


def test_routes_that_use_an_authority_are_listed(ca, make_sshd, ring, tmp_path):
    """Of conf.d, of a directory, and with the key in an agent."""
    g, upstream = ca.gateway, make_sshd()
    key = ring.get("authority")
    (g.conf / "agent.pub").write_text(key.public + "\n")
    for login, name in (("alice", "ca:users"), ("b-*", "ca:users"), ("carol", "ca-agent:/run/x")):
        g.keys[name] = key.public
        g.route(login, upstream, [ring.get("client")], key=name,
                CertificateAuthority="conf.d/agent.pub" if "agent" in name else None)
    tree = g.dir / "tree"
    (tree / "dave").mkdir(parents=True)
    (tree / "dave" / "route.ini").write_text("HostName = 127.0.0.1\nKey = ca:users\n")
    (tree / "dave" / "authorized_keys").write_text(ring.get("client").public + "\n")
    g.write("20-lookup.ini", "lookup", {"Order": "ini directory"}, "[lookup directory]\nPath = tree\n")
    found = {one["name"]: one for one in json.loads(ca("list", "--json"))}
    assert sorted(found["users"]["routes"]) == ["alice", "b-*", "dave"], found
    agent = found[str(g.conf / "agent.pub")]
    assert agent["routes"] == ["carol"] and agent["fingerprint"] == key.fingerprint


@pytest.mark.parametrize("words, says", [
    (("--principals", "", "--lifetime", "1h"), "--principals has an empty name"),
    (("--principals", "a,,b", "--lifetime", "1h"), "--principals has an empty name"),
    (("--principals", "a b", "--lifetime", "1h"), "--principals takes names without blanks"),
    (("--principals", "a", "--lifetime", "0"), "--lifetime takes a time such as"),
    (("--principals", "a", "--lifetime", "8"), "--lifetime is at least 30s"),
    (("--principals", "a", "--lifetime", "soon"), "--lifetime takes a time such as"),
    (("--principals", "a", "--lifetime", "forever"), "a user's certificate has to end"),
    (("--principals", "M", "--lifetime", "1h", "--host"), "in lower case"),
    (("--principals", "m", "--lifetime", "1h", "--host", "--no-pty"), "has no options"),
    (("--principals", "a", "--lifetime", "1h", "--source-address", "nowhere"), "--source-address takes addresses"),
    (("--principals", "a", "--lifetime", "1h", "--id", "a\nb"), "--id takes one line"),
    (("--principals", "a", "--lifetime", "1h", "--force-command", ""), "--force-command takes one line"),
    (("--principals", "a", "--lifetime", "1h", "--serial", "0"), "--serial takes a number"),
    (("--principals", "a"), "ca sign takes --ca NAME"),
    (("--principals", "a", "--lifetime", "1h", "--krl", "x"), "usage: "),
])
def test_wrong_words_are_refused(ca, user_key, words, says):
    ca.refuses("sign", ca.key(user_key), "--ca", "users", *words, status=2, says=says)
    assert not list(ca.dir.glob("*-cert.pub"))


def test_wrong_keys_are_refused(ca, user_key, ring):
    words = ("--ca", "users", "--principals", "a", "--lifetime", "1h")
    weak = ca.key(ring.get("person", "rsa1024"))
    ca.refuses("sign", weak, *words, says="the RSA key is shorter than 2048 bits")
    certificate = ca.sign(user_key, "--principals", "a", "--lifetime", "1h")
    ca.refuses("sign", certificate, *words, says="is a certificate already")
    ca.refuses("sign", user_key.path, *words, says="is a private key: give its public half")
    ca.refuses("sign", ca.dir / "none.pub", *words, says="No such file")
    ca.refuses("sign", ca.key(user_key), "--ca", "nobody", *words[2:], says="nobody")
    ca.refuses("sign", ca.key(user_key), "--ca", ca.key(user_key), *words[2:], status=2, says="ssh-keygen -Us")


def test_security_key_is_certified_and_no_authority(ca):
    key = enroll(ca.dir / "token")
    ca("sign", ca.dir / "token.pub", "--ca", "users", "--principals", "a", "--lifetime", "1h", "--verify-required")
    assert listed(ca.dir / "token-cert.pub")["Critical Options"][0].startswith("verify-required")
    ca.refuses("public", key.path.with_suffix(".pub"), says="cannot be the key of a CA here: somebody would have to touch")


def test_full_disk_leaves_the_old_krl(ca):
    krl = ca.dir / "revoked"
    ca("revoke", "users", "1", "--krl", krl)
    before = krl.read_bytes()
    p = subprocess.run(["prlimit", "--fsize=0", "--", ca.gateway.program, "ca", "revoke", "--krl", krl, "-c",
                        ca.gateway.conf], capture_output=True, check=False, timeout=120,
                       restore_signals=False)  # SIGXFSZ stays ignored
    assert p.returncode == 1 and b"cannot be written: File too large" in p.stderr, p
    assert krl.read_bytes() == before and not list(ca.dir.glob("revoked.*"))


def test_root_leaves_files_that_the_gateway_can_use(run_as_daemon, tmp_path, ring):
    ca = Authority(run_as_daemon.gateway, tmp_path)
    ca.gateway.generate_key("users")
    ca.sign(ring.get("person"), "--principals", "a", "--lifetime", "1h")
    ca("revoke", "users", "1")
    uid = pwd.getpwnam("daemon").pw_uid
    for directory, _, files in os.walk(ca.gateway.dir / "state"):
        assert os.stat(directory).st_uid == uid and os.stat(directory).st_mode & 0o077 == 0, directory
        assert all(os.stat(os.path.join(directory, f)).st_uid == uid for f in files), files
    ca.gateway.command("key", "generate", "again")
