"""What the log says of who is not let in: sshd's words, which fail2ban's filter knows (DESIGN 9)."""

import re
import shutil
import socket

import pytest

from lab import net
from lab.attack import (
    CHANNEL_OPEN, DISCONNECT, KEXINIT, NEWKEYS, SERVICE_REQUEST, USERAUTH_SUCCESS, Attacker, key_of,
    none, password, proof, query,
)
from lab.fail2ban import MODES, hosts
from lab.packets import GOOD_LISTS, HELLO, kexinit, padded_packet
from lab.wait import wait_for

paramiko = pytest.importorskip("paramiko")


# Each takes a way and ends its connection.


def raw(data):
    def talk(w):
        try:
            net.exchange(("127.0.0.1", w.door.port), data)
        except ConnectionResetError:
            pass

    return talk


def reset(data, after):
    """Reset it once the server has said this."""
    def talk(w):
        with net.connect(("127.0.0.1", w.door.port)) as s:
            s.sendall(data)
            got = b""
            while after not in got:
                got += s.recv(65536)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    return talk


def ssh(**options):
    return lambda w: w.new_client(**options).ssh("true")


def attacker(*messages, service=False, then=None):
    """Messages behind the key exchange; a function of the way gives one."""
    def talk(w):
        a = Attacker(w.door.port)
        try:
            if service or any(callable(m) for m in messages):
                a.service()
            for m in messages:
                if callable(m):
                    a.ask(*m(w))
                else:
                    a.send(*m)
            if then:
                then(a)
            elif messages:
                a.send(*BYE)
        except (OSError, EOFError, paramiko.SSHException):
            pass
        assert a.ends()
        a.close()

    return talk


def noise(a):
    a.sock.sendall(b"\xff" * 512)


def closes(a):
    a.sock.shutdown(socket.SHUT_RDWR)


BYE = (DISCONNECT, 11, "bye\nsshd[1]: Failed password for root from 192.0.2.99 port 22 ssh2", "")


def begin(w):
    return none(w.login)


def stranger(w):
    return none("mallory")


def other_lists(**other):
    """A KEXINIT with something in it that nobody has."""
    lists = [other.get(f"at{i}", one) for i, one in enumerate(GOOD_LISTS)]
    return HELLO + padded_packet(kexinit(*lists))


BY = r"127\.0\.0\.1 port \d+"
USER = r"authenticating user (alice|\w+) "
MAC = rf"ssh_dispatch_run_fatal: Connection from {BY}: message authentication code incorrect \[preauth\]$"
NOT_SSH = rf"banner exchange: Connection from {BY}: invalid format$"
VERSION = rf"banner exchange: Connection from {BY}: could not read protocol version$"


def unmatched(what, offer):
    return (rf"Unable to negotiate with {BY}: no matching {what} found\. Their offer: "
            rf"{re.escape(offer)}\S* \[preauth\]$")


# In what sshd says of a connection there is this line; the gateway says nothing else.
CASES = {
    "nothing": (raw(b""), rf"Connection closed by {BY}( \[preauth\])?$"),
    "nothing-reset": (reset(b"", b"\n"), rf"Connection reset by {BY}( \[preauth\])?$"),
    "half-a-version": (raw(b"SSH-2.0-abc"), rf"Connection closed by {BY}( \[preauth\])?$"),
    "version": (raw(HELLO), rf"Connection closed by {BY} \[preauth\]$"),
    "version-reset": (reset(HELLO, b"curve25519"), rf"Connection reset by {BY} \[preauth\]$"),
    "kexinit": (raw(HELLO + padded_packet(kexinit(*GOOD_LISTS))), rf"Connection closed by {BY} \[preauth\]$"),
    "http": (raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), NOT_SSH),
    "tls": (raw(bytes.fromhex("16030100c8010000c40303") + bytes(190)), NOT_SSH),
    "nul": (raw(bytes(1000)), NOT_SSH),
    "forged": (raw(b"Failed password for root from 192.0.2.99 port 22 ssh2\r\n"), NOT_SSH),
    "long-line": (raw(b"b" * 100_000), NOT_SSH),
    "no-version": (raw(b"SSH-\r\n"), NOT_SSH),
    "ssh-1.5": (raw(b"SSH-1.5-old\r\n"), VERSION),
    "ssh-9.9": (raw(b"SSH-9.9-new\r\n"), VERSION),
    "length-0": (raw(HELLO + bytes(64)), MAC),
    "length-max": (raw(HELLO + b"\xff" * 100), MAC),
    "cut-kexinit": (raw(HELLO + padded_packet(kexinit(*GOOD_LISTS)[:60])),
                    rf"ssh_dispatch_run_fatal: Connection from {BY}: incomplete message \[preauth\]$"),
    "kex": (ssh(KexAlgorithms="diffie-hellman-group1-sha1"),
            unmatched("key exchange method", "diffie-hellman-group1-sha1,ext-info-c")),
    "host-key": (ssh(HostKeyAlgorithms="ssh-dss"), unmatched("host key type", "ssh-dss")),
    "cipher": (ssh(Ciphers="aes128-cbc"), unmatched("cipher", "aes128-cbc")),
    "mac": (ssh(Ciphers="aes128-ctr", MACs="hmac-md5"), unmatched("MAC", "hmac-md5")),
    "compression": (raw(other_lists(at6=b"lzo")), unmatched("compression method", "lzo")),
    "no-offer": (raw(other_lists(at0=b"")), unmatched("key exchange method", "")),
    "unknown-host": (ssh(known_hosts=""), rf"Connection closed by {BY} \[preauth\]$"),
    "noise": (attacker(then=noise), MAC),
    "service": (attacker((SERVICE_REQUEST, "bogus")),
                rf"Disconnecting {BY}: bad service request bogus \[preauth\]$"),
    "bye": (attacker(BYE), rf"Disconnected from {BY} \[preauth\]$"),
    "nothing-left": (attacker((DISCONNECT, 14, "No supported authentication methods available", "")),
                     rf"Received disconnect from {BY}:14: No supported authentication methods "
                     rf"available \[preauth\]$"),
    "auth-fail": (attacker((DISCONNECT, 3, "com.jcraft.jsch.JSchException: Auth fail", "")),
                  rf"Received disconnect from {BY}:3: com.jcraft.jsch.JSchException: Auth fail "
                  rf"\[preauth\]$"),
    # The same, once a login is known; the gateway has a second line then, with the session id.
    "user-bye": (attacker(begin), rf"Disconnected from {USER}{BY} \[preauth\]$"),
    "user-closes": (attacker(begin, then=closes), rf"Connection closed by {USER}{BY} \[preauth\]$"),
    "user-noise": (attacker(begin, then=noise), MAC.replace(BY, USER + BY)),
    "stranger-bye": (attacker(stranger), rf"Disconnected from invalid user mallory {BY} \[preauth\]$"),
    "stranger-closes": (attacker(stranger, then=closes),
                        rf"Connection closed by invalid user mallory {BY} \[preauth\]$"),
}


def lines_of(w, talk, pattern):
    """What the door says of one connection."""
    mark = w.door.log.mark()
    talk(w)
    wait_for("the end of it", lambda: not w.servers())
    w.door.log.wait("^(sallyport\\[\\d+\\]: )?(error: )?" + pattern, mark)
    return [re.sub(r"^sallyport\[\d+\]: ", "", line) for line in w.door.log.lines(mark)]


@pytest.fixture
def quiet_way(own_way):
    """LogLevel INFO, Debian's default; LoginGraceTime would cut what hangs."""
    words = {"sshd": {"LogLevel": "INFO"}} if own_way.name == "direct" else {}
    return own_way(door={"LoginGraceTime": "20"}, **words)


def test_connections_end_in_the_words_of_sshd(quiet_way):
    for name, (talk, pattern) in CASES.items():
        lines = lines_of(quiet_way, talk, pattern)
        if quiet_way.direct:
            continue
        assert not any(line.startswith("Failed") for line in lines), (name, lines)
        known = "user" in name or "stranger" in name
        mine = [line for line in lines if re.search(BY, line)]
        assert lines == mine and len(mine) == 1 + known + ("stranger" in name), (name, lines)
        assert len([line for line in mine if re.search(pattern, line)]) == 1, (name, lines)


def test_messages_out_of_place(gated):
    """sshd says which, and goes on; who is cut off here gets the line with the address."""
    w = gated()
    for before in ((), (begin,)):
        for message in ((CHANNEL_OPEN, "session", 0, 1 << 20, 32768), (NEWKEYS,), (USERAUTH_SUCCESS,),
                        (KEXINIT, bytearray(bytes(10)))):
            user = USER if before else ""
            if before and message[0] == USERAUTH_SUCCESS:
                continue  # the keeper's to judge
            lines = lines_of(w, attacker(*before, message),
                             rf"Disconnecting {user}{BY}: unexpected message type {message[0]} \[preauth\]$")
            assert len(lines) == 1 + len(before), lines


def test_offer_is_bounded_and_escaped(gated):
    """What a stranger offers is text for the log."""
    w = gated()
    forged = b"x [preauth]\nFailed password for root from 192.0.2.99 port 22 ssh2\x1b[2J" + b"a" * 20_000
    begins = re.escape("x [preauth]\\012Failed password for root from 192.0.2.99")
    lines = lines_of(w, raw(other_lists(at2=forged)), rf"Unable to negotiate with {BY}: .* offer: {begins}")
    assert len(lines) == 1 and len(lines[0]) < 1000 and "\x1b" not in lines[0], lines


LOGINS = ["x from 192.0.2.99 port 22 ssh2: ", "x 192.0.2.99 on", "x from 192.0.2.99", "x 192.0.2.99",
          "x for root from 192.0.2.99 port 22 ssh2", " ", "root from 192.0.2.99 port 1 ssh2: RSA x"]


@pytest.mark.parametrize("talk", [
    lambda login: attacker(lambda w: query(login, key_of(w.client))),
    lambda login: attacker(lambda w: query(login, key_of(w.client)), then=closes),
    lambda login: attacker(lambda w: query(login, key_of(w.client)), then=noise),
    lambda login: attacker(lambda w: none(login), *[lambda w: password(login, "x")] * 6),
], ids=["bye", "closes", "noise", "passwords"])
def test_login_is_no_address(gated, tmp_path, talk):
    """With spaces in it a filter would find somebody else's in it, as it does in sshd's log."""
    w = gated()
    for login in LOGINS:
        lines = lines_of(w, talk(login), ".")
        # the reason, at the end of a line that begins with "session", is no concern of the filter's
        judged = [line for line in lines if not line.startswith("session ")]
        assert judged and not any(re.search(r" 192\.0\.2\.99\b", line) for line in judged), lines
    if shutil.which("fail2ban-regex"):
        for ours in (False, True):
            assert hosts(tmp_path, [w.door.log.lines()], "aggressive", ours) <= {"192.0.2.1"}


# fail2ban itself, where it is installed.


def wrong_passwords(w):
    attacker(begin, *[lambda w: password(w.login, "wrong")] * 6)(w)


def wrong_proofs(w):
    """A key that is not taken, without asking first."""
    def talk(a):
        for _ in range(6):
            a.ask(*proof(a, w.login, key_of(w.new_client(w.ring.get("wrong0")))))

    attacker(begin, then=talk)(w)


LOGGED_IN = {
    "in": (lambda w: w.answers(), "Accepted publickey for"),
    "wrong-key": (lambda w: w.new_client(w.ring.get("wrong0")).ssh("true"), "Connection closed by"),
    "wrong-user": (lambda w: w.new_client(user="mallory").ssh("true"), "Connection closed by"),
    "wrong-proofs": (wrong_proofs, "maximum authentication attempts exceeded for"),
    "wrong-passwords": (wrong_passwords, "maximum authentication attempts exceeded for"),
}


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="no fail2ban-regex")
def test_fail2ban_finds_the_same_hosts(builder, tmp_path):
    cases = {**CASES, **LOGGED_IN}
    found = {}
    for name, words in (("direct", {"sshd": {"LogLevel": "INFO"}}), ("gateway", {})):
        w = builder(name, **words)
        connections = [lines_of(w, talk, pattern) for talk, pattern in cases.values()]
        for mode in MODES:
            ids = hosts(tmp_path, connections, mode)
            if w.gateway:
                # those who got in last come after all that failed
                turned = [*connections, connections[list(cases).index("in")]]
                assert hosts(tmp_path, turned, mode, ours=True) == ids
            found[name, mode] = {c for n, c in enumerate(cases, 1) if f"192.0.2.{n}" in ids}
            assert len(ids) == len(found[name, mode]), ids
    assert {"wrong-passwords", "wrong-user", "auth-fail"} <= found["direct", "normal"]
    assert "in" not in found["direct", "aggressive"]
    assert len(found["direct", "aggressive"]) > 20
    for mode in MODES:
        # sshd has two lines for a DISCONNECT, and this mode only knows the other one
        missing = {"nothing-left"} if mode == "ddos" else set()
        assert found["gateway", mode] == found["direct", mode] - missing, mode


# Keys that are shown in vain.


def failures(w, mark=0):
    return re.findall(r"^.*Failed publickey for .*$", w.door.log.text(mark), re.M)


def shows(w, names, login=None):
    """A person with these keys in the agent, and the right one last."""
    c = w.new_client(w.ring.get(names[-1]), user=login)
    flags = [a for n in names[:-1] for a in ("-i", str(w.ring.get(n).path))]
    return c.ssh(*flags, "echo in")


def test_first_keys_shown_in_vain_are_not_in_the_log(quiet_way):
    """From half of MaxAuthTries on they are; sshd has them in its log as VERBOSE."""
    w = quiet_way
    shows(w, [f"wrong{i}" for i in range(3)])
    shows(w, [f"wrong{i}" for i in range(2)] + ["client"])
    wait_for("the end of it", lambda: not w.servers())
    assert not failures(w)
    shows(w, [f"wrong{i}" for i in range(5)])
    wait_for("the end of it", lambda: not w.servers())
    logged = [] if w.direct else [w.ring.get(f"wrong{i}").fingerprint for i in (3, 4)]
    assert [line.split()[-1] for line in failures(w)] == logged


def test_many_keys_make_few_lines(gated):
    w = gated()
    assert shows(w, [f"wrong{i}" for i in range(20)] + ["client"]).text == "in\n"
    w.gateway.quiet()
    assert len(failures(w)) == 6
    w.gateway.log.wait("closed after .*; 11 more failures are not in the log; ")


def test_login_that_does_not_exist_is_logged_from_the_first_key(gated):
    w = gated()
    shows(w, [f"wrong{i}" for i in range(20)], "mallory")
    w.gateway.quiet()
    lines = failures(w)
    assert len(lines) == 6 and all("for invalid user mallory from" in line for line in lines)
    w.gateway.log.wait("was not let in: .*; 14 more failures are not in the log$")


def test_keys_shown_in_vain_hide_no_guesses(gated):
    """Who shows 40 keys first has all wrong signatures in the log."""
    w = gated()
    wrong = key_of(w.new_client(w.ring.get("wrong0")))

    def talk(a):
        for _ in range(40):
            a.ask(*query(w.login, wrong))
        for _ in range(6):
            a.ask(*proof(a, w.login, wrong))

    lines = lines_of(w, attacker(begin, then=talk), "maximum authentication attempts exceeded for")
    assert len([line for line in lines if "Failed publickey for alice" in line]) == 12
    assert any(line.endswith(": 31 more failures are not in the log") for line in lines)
