"""`check`, `reload` and `serve` agree: an error of one is an error of the others, and a note stops none of them."""

import os
import stat

import pytest


def ini(text):
    return lambda g: (g.conf / "20-more.ini").write_text(text)


def gateway(**words):
    def change(g):
        g.options.update({k: v.format(dir=g.dir) for k, v in words.items()})
        g.write_gateway()
    return change


def route(**words):
    def change(g):
        path = g.conf / "10-alice.ini"
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line for line in lines if line.split(" =")[0] not in words) + "\n"
                        + "".join(f"{k} = {v.format(dir=g.dir)}\n" for k, v in words.items() if v is not None))
    return change


def both(*changes):
    def change(g):
        for c in changes:
            c(g)
    return change


def flip(name):
    def change(g):
        path = g.dir / "keys" / name
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    return change


def file(name, text="", mode=0o644):
    def change(g):
        path = g.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    return change


def mode(name, bits):
    return lambda g: (g.dir / name).chmod(bits)


def gone(name):
    return lambda g: (g.dir / name).unlink()


def huge(name):
    return lambda g: os.truncate(g.dir / name, 1 << 30)


TREE = "[lookup]\nOrder = ini directory\n[lookup directory]\nPath = users\n"
PROGRAM = "[lookup]\nOrder = exec ini\n[lookup exec]\nCommand = {}\n"
BOB = "[route bob{}]\nHostName = h\nKey = alice\nAuthorizedKeysFile = conf.d/alice.pub\nStrictHostKeyChecking = no\n"
HOST_KEY = "[route {}]\nHostName = h\nKey = {}\nAuthorizedKeysFile = conf.d/alice.pub\nStrictHostKeyChecking = no\n"

# Whatever all logins depend on.
ERRORS = {
    "no end of a header": ini("[route x\n"),
    "unknown section": ini("[rout x]\n"),
    "no section": ini("Port = 22\n"),
    "unknown keyword in gateway": ini("[gateway]\nNope = 1\n"),
    "keyword twice in two files": ini("[gateway]\nHostKey = host_ed25519\n"),
    "bad value in gateway": gateway(MaxAuthTries="many"),
    "bad value in lookup": ini("[lookup]\nOrder = nowhere\n"),
    "unknown keyword in route": route(IdentityFile="x"),
    "bad value in route": route(Port="0"),
    "route without HostName": route(HostName=None),
    "route without Key": route(Key=None),
    "route twice": ini("[route alice]\n"),
    "bad words of PermitCommands": route(PermitCommands="none shell"),
    "key of the gateway itself": ini(HOST_KEY.format("x", "host_ed25519")),
    "files that others may write to": mode("conf.d/10-alice.ini", 0o666),
    "no files": lambda g: [p.unlink() for p in g.conf.glob("*.ini")],
    "no directory for the backend": ini("[lookup]\nOrder = directory\n"),
    "tree gone": ini(TREE),
    "program gone": ini(PROGRAM.format("plugins/none")),
    "program that cannot be run": both(ini(PROGRAM.format("program")), file("program", "#!/bin/sh\n")),
    "banner gone": gateway(Banner="{dir}/banner"),
    "banner too large": both(gateway(Banner="{dir}/banner"), file("banner", "x" * 20000)),
    "banner with a NUL": both(gateway(Banner="{dir}/banner"), file("banner", "x\0y")),
    "host key gone": gone("keys/host_ed25519"),
    "host key damaged": flip("host_ed25519"),
    "host key open": mode("keys/host_ed25519", 0o666),
    "host key unknown": gateway(HostKey="nothing"),
    "store open": mode("keys", 0o777),
    "store cut": lambda g: os.truncate(g.dir / "keys" / ".store", 60),
    "store gone": gone("keys/.store"),
    "unlock gone": gone("keys/.unlock"),
    "unlock another": file("keys/.unlock", "0123456789abcdef\n", 0o600),
    "unlock open": mode("keys/.unlock", 0o644),
    "store elsewhere": lambda g: (g.conf / "00-gateway.ini").write_text(
        (g.conf / "00-gateway.ini").read_text().replace("Path = keys", "Path = nowhere") + "Unlock = file:nowhere/x\n"),
}

# What concerns the logins of one route, or may be meant.
NOTES = {
    "AuthorizedKeysFile gone": gone("conf.d/alice.pub"),
    "AuthorizedKeysFile open": mode("conf.d/alice.pub", 0o666),
    "AuthorizedKeysFile a directory": route(AuthorizedKeysFile="conf.d"),
    "AuthorizedKeysFile empty": file("conf.d/alice.pub"),
    "AuthorizedKeysFile too large": huge("conf.d/alice.pub"),
    "AuthorizedKey cut": route(AuthorizedKey="ssh-ed25519 AAAA"),
    "TrustedUserCAKeys gone": route(TrustedUserCAKeys="conf.d/none"),
    "RevokedKeys gone": route(RevokedKeys="conf.d/none"),
    "RevokedKeys nonsense": both(route(RevokedKeys="conf.d/revoked"), file("conf.d/revoked", "x\n")),
    "CertificateFile gone": route(CertificateFile="conf.d/none"),
    "UserKnownHostsFile gone": gone("conf.d/alice.known_hosts"),
    "UserKnownHostsFile empty": file("conf.d/alice.known_hosts"),
    "UserKnownHostsFile too large": huge("conf.d/alice.known_hosts"),
    "Key gone": gone("keys/alice"),
    "Key damaged": flip("alice"),
    "Key open": mode("keys/alice", 0o666),
    "Key of the gateway itself, by the login": ini(HOST_KEY.format("host_ed25519", "%u")),
    "Password gone": route(Password="none"),
    "back to this gateway": lambda g: route(Port=str(g.port))(g),
    "mistyped class of commands": route(PermitCommands="shel"),
    "pattern behind another": ini(BOB.format("-*") + BOB.format("-x-*")),
    "conditions twice": ini(BOB.format("/a") + "MatchAddress = 192.0.2.1\n" + BOB.format("/b")
                            + "MatchAddress = 192.0.2.1\n"),
    "file that is not read": file("conf.d/20-bob.conf", BOB.format("")),
    "empty directory of a login": both(ini(TREE), lambda g: (g.dir / "users" / "bob").mkdir(parents=True)),
    "bad route.ini": both(ini(TREE), file("users/bob/route.ini", "HostNam = x\n")),
}

FINE = {
    "as it was": lambda g: None,
    "a second file for sections": ini("[gateway]\nMaxAuthTries = 3\n[lookup]\nOrder = ini\n[keystore]\n"),
    "a file put aside": file("conf.d/20-bob.ini.bak", "[route bob]\n"),
    "other files": both(file("conf.d/users.csv", "a,b\n"), file("conf.d/pg_service.conf", "[service]\nhost=x\n")),
    "patterns in order": ini(BOB.format("-x-*") + BOB.format("-*")),
    "no commands": route(PermitCommands="none"),
    "an empty tree": both(ini(TREE), lambda g: (g.dir / "users").mkdir()),
}


def snapshot(g):
    return {p: (p.read_bytes() if p.is_file() else None, p.stat().st_mode)
            for top in (g.conf, g.dir / "keys") for p in (top, *top.rglob("*"))}


def restore(g, before):
    for p in sorted(g.dir.rglob("*"), reverse=True):
        inside = p.is_relative_to(g.conf) or p.is_relative_to(g.dir / "keys")
        if (inside or p.parts[len(g.dir.parts)] in ("users", "banner", "program")) and p not in before:
            p.rmdir() if p.is_dir() else p.unlink()
    for p, (data, bits) in before.items():
        if data is not None:
            p.write_bytes(data)
        p.chmod(stat.S_IMODE(bits))


def judged(g, words):
    p = g.sallyport(*words, "-c", g.conf)
    return p.returncode, (p.stderr + p.stdout).decode()


def each_case(g, cases):
    """Change the configuration, one case after the other, and back."""
    options, before = dict(g.options), snapshot(g)
    for name, harm in cases.items():
        harm(g)
        yield name
        g.options = dict(options)
        restore(g, before)


@pytest.mark.parametrize("cases,statuses", [(ERRORS, (78, 78, 78)), (NOTES, (0, 1, 0)), (FINE, (0, 0, 0))],
                         ids=["errors", "notes", "fine"])
def test_check_and_reload_agree(gated, cases, statuses):
    w = gated()
    g, wrong = w.gateway, []
    for name in each_case(g, cases):
        said = judged(g, ["check"]), judged(g, ["check", "--strict"]), judged(g, ["reload"])
        if tuple(s for s, _ in said) != statuses:
            wrong.append(f"{name}: {said}")
    assert not wrong, "\n".join(wrong)
    assert g.reload().returncode == 0 and w.lets_in("alice")


# A start does not wait for a lookup backend, which may be there later: it logs the error.
NOT_AT_START = {"tree gone", "program gone", "program that cannot be run"}


def test_serve_refuses_what_check_calls_an_error(make_gateway, make_sshd, ring):
    g = make_gateway()
    g.route("alice", make_sshd(), [ring.get("client")])
    wrong = [f"{name}: {said}" for name in each_case(g, {n: ERRORS[n] for n in ERRORS if n not in NOT_AT_START})
             if (said := judged(g, ["serve"]))[0] != 78]
    assert not wrong, "\n".join(wrong)
