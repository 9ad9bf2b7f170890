"""Log lines about clients that do not log in: sshd's words, which fail2ban's filters know."""

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
from lab.gateway import libssh
from lab.packets import GOOD_LISTS, HELLO, kexinit, padded_packet
from lab.wait import wait_for

paramiko = pytest.importorskip("paramiko")


# Each function gives one that takes a way, makes a connection and ends it.


def send_raw(data):
    def talk(w):
        try:
            net.exchange(("127.0.0.1", w.front.port), data)
        except ConnectionResetError:
            pass

    return talk


def reset_after(data, after):
    """Reset the connection once the server has sent this."""
    def talk(w):
        with net.connect(("127.0.0.1", w.front.port)) as s:
            s.sendall(data)
            got = b""
            while after not in got:
                got += s.recv(65536)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    return talk


def run_ssh(**options):
    return lambda w: w.new_client(**options).ssh("true")


def send_messages(*messages, service=False, then=None):
    """Send messages after the key exchange.  A message may be a function of the way."""
    def talk(w):
        a = Attacker(w.front.port)
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


def send_noise(a):
    a.sock.sendall(b"\xff" * 512)


def close_socket(a):
    a.sock.shutdown(socket.SHUT_RDWR)


BYE = (DISCONNECT, 11, "bye\nsshd[1]: Failed password for root from 192.0.2.99 port 22 ssh2", "")


def none_request(w):
    return none(w.login)


def none_request_of_unknown(w):
    return none("mallory")


def kexinit_with(**other):
    """A KEXINIT in which one name-list has only unknown names."""
    lists = [other.get(f"at{i}", one) for i, one in enumerate(GOOD_LISTS)]
    return HELLO + padded_packet(kexinit(*lists))


BY = r"127\.0\.0\.1 port \d+"
USER = r"authenticating user (alice|\w+) "
# libssh 0.11 judges a length of zero otherwise.
MAC_WRONG = "message authentication code incorrect" + ("" if libssh() >= (0, 12) else "|incomplete message")
MAC = rf"ssh_dispatch_run_fatal: Connection from {BY}: ({MAC_WRONG}) \[preauth\]$"
PREAUTH = r"( \[preauth\])?"  # sshd 10.6 has these words by another process
NOT_SSH = rf"banner exchange: Connection from {BY}: invalid format{PREAUTH}$"
VERSION = rf"banner exchange: Connection from {BY}: could not read protocol version{PREAUTH}$"


def no_match_line(what, offer):
    return (rf"Unable to negotiate with {BY}: no matching {what} found\. Their offer: "
            rf"{re.escape(offer)}\S* \[preauth\]$")


# The line that sshd logs for each connection; the gateway logs it and nothing else.
CASES = {
    "nothing": (send_raw(b""), rf"Connection closed by {BY}( \[preauth\])?$"),
    "nothing-reset": (reset_after(b"", b"\n"), rf"Connection reset by {BY}( \[preauth\])?$"),
    "half-a-version": (send_raw(b"SSH-2.0-abc"), rf"Connection closed by {BY}( \[preauth\])?$"),
    "version": (send_raw(HELLO), rf"Connection closed by {BY} \[preauth\]$"),
    "version-reset": (reset_after(HELLO, b"curve25519"), rf"Connection reset by {BY} \[preauth\]$"),
    "kexinit": (send_raw(HELLO + padded_packet(kexinit(*GOOD_LISTS))), rf"Connection closed by {BY} \[preauth\]$"),
    "http": (send_raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), NOT_SSH),
    "tls": (send_raw(bytes.fromhex("16030100c8010000c40303") + bytes(190)), NOT_SSH),
    "nul": (send_raw(bytes(1000)), NOT_SSH),
    "forged": (send_raw(b"Failed password for root from 192.0.2.99 port 22 ssh2\r\n"), NOT_SSH),
    "long-line": (send_raw(b"b" * 100_000), NOT_SSH),
    "no-version": (send_raw(b"SSH-\r\n"), NOT_SSH),
    "ssh-1.5": (send_raw(b"SSH-1.5-old\r\n"), VERSION),
    "ssh-9.9": (send_raw(b"SSH-9.9-new\r\n"), VERSION),
    "length-0": (send_raw(HELLO + bytes(64)), MAC),
    "length-max": (send_raw(HELLO + b"\xff" * 100), MAC),
    "cut-kexinit": (send_raw(HELLO + padded_packet(kexinit(*GOOD_LISTS)[:60])),
                    rf"ssh_dispatch_run_fatal: Connection from {BY}: incomplete message \[preauth\]$"),
    "kex": (run_ssh(KexAlgorithms="diffie-hellman-group1-sha1"),
            no_match_line("key exchange method", "diffie-hellman-group1-sha1,ext-info-c")),
    "host-key": (run_ssh(HostKeyAlgorithms="ecdsa-sha2-nistp521"),
                 no_match_line("host key type", "ecdsa-sha2-nistp521")),
    "cipher": (run_ssh(Ciphers="aes128-cbc"), no_match_line("cipher", "aes128-cbc")),
    "mac": (run_ssh(Ciphers="aes128-ctr", MACs="hmac-md5"), no_match_line("MAC", "hmac-md5")),
    "compression": (send_raw(kexinit_with(at6=b"lzo")), no_match_line("compression method", "lzo")),
    "no-offer": (send_raw(kexinit_with(at0=b"")), no_match_line("key exchange method", "")),
    "unknown-host": (run_ssh(known_hosts=""), rf"Connection closed by {BY} \[preauth\]$"),
    "noise": (send_messages(then=send_noise), MAC),
    "service": (send_messages((SERVICE_REQUEST, "bogus")),
                rf"Disconnecting {BY}: bad service request bogus \[preauth\]$"),
    "bye": (send_messages(BYE), rf"Disconnected from {BY} \[preauth\]$"),
    "nothing-left": (send_messages((DISCONNECT, 14, "No supported authentication methods available", "")),
                     rf"Received disconnect from {BY}:14: No supported authentication methods "
                     rf"available \[preauth\]$"),
    "auth-fail": (send_messages((DISCONNECT, 3, "com.jcraft.jsch.JSchException: Auth fail", "")),
                  rf"Received disconnect from {BY}:3: com.jcraft.jsch.JSchException: Auth fail "
                  rf"\[preauth\]$"),
    # The same after a login name is known: the gateway then adds a line with the session id.
    "user-bye": (send_messages(none_request), rf"Disconnected from {USER}{BY} \[preauth\]$"),
    "user-closes": (send_messages(none_request, then=close_socket), rf"Connection closed by {USER}{BY} \[preauth\]$"),
    "user-noise": (send_messages(none_request, then=send_noise), MAC.replace(BY, USER + BY)),
    "stranger-bye": (send_messages(none_request_of_unknown),
                     rf"Disconnected from invalid user mallory {BY} \[preauth\]$"),
    "stranger-closes": (send_messages(none_request_of_unknown, then=close_socket),
                        rf"Connection closed by invalid user mallory {BY} \[preauth\]$"),
}


def lines_of_connection(w, talk, pattern, count=1):
    """What the front logs of one connection; a gateway at least so many lines, the last of them maybe after the end of
    the session's process.
    """
    mark = w.front.log.mark()
    talk(w)
    wait_for("the end of it", lambda: not w.servers())
    w.front.log.wait("^(sallyport\\[\\d+\\]: )?(error: )?" + pattern, mark)
    wait_for(f"{count} lines of it", lambda: w.direct or len(w.front.log.lines(mark)) >= count)
    return [re.sub(r"^sallyport\[\d+\]: ", "", line) for line in w.front.log.lines(mark)]


@pytest.fixture
def way_at_info(own_way):
    """LogLevel INFO is Debian's default; LoginGraceTime ends connections that hang."""
    words = {"sshd": {"LogLevel": "INFO"}} if own_way.name == "direct" else {}
    return own_way(front={"LoginGraceTime": "100"}, **words)


def test_unsuccessful_connections_are_logged_as_by_sshd(way_at_info):
    for name, (talk, pattern) in CASES.items():
        count = 1 + ("user" in name or "stranger" in name) + ("stranger" in name)
        lines = lines_of_connection(way_at_info, talk, pattern, count)
        if way_at_info.direct:
            continue
        assert not any(line.startswith("Failed") for line in lines), (name, lines)
        mine = [line for line in lines if re.search(BY, line)]
        assert lines == mine and len(mine) == count, (name, lines)
        assert len([line for line in mine if re.search(pattern, line)]) == 1, (name, lines)


def test_unexpected_messages_are_logged_with_address(gated):
    """sshd names the message and goes on; the gateway disconnects and logs the line with the address."""
    w = gated()
    for before in ((), (none_request,)):
        for message in ((CHANNEL_OPEN, "session", 0, 1 << 20, 32768), (NEWKEYS,), (USERAUTH_SUCCESS,),
                        (KEXINIT, bytearray(bytes(10)))):
            user = USER if before else ""
            if before and message[0] == USERAUTH_SUCCESS:
                continue  # the keeper judges these
            lines = lines_of_connection(w, send_messages(*before, message),
                                        rf"Disconnecting {user}{BY}: unexpected message type {message[0]} \[preauth\]$",
                                        1 + len(before))
            assert len(lines) == 1 + len(before), lines


def test_logged_offer_is_bounded_and_escaped(gated):
    """A client's offer goes into the log."""
    w = gated()
    forged = b"x [preauth]\nFailed password for root from 192.0.2.99 port 22 ssh2\x1b[2J" + b"a" * 20_000
    begins = re.escape("x [preauth]\\012Failed password for root from 192.0.2.99")
    lines = lines_of_connection(w, send_raw(kexinit_with(at2=forged)),
                                rf"Unable to negotiate with {BY}: .* offer: {begins}")
    assert len(lines) == 1 and len(lines[0]) < 1000 and "\x1b" not in lines[0], lines


LOGINS = ["x from 192.0.2.99 port 22 ssh2: ", "x 192.0.2.99 on", "x from 192.0.2.99", "x 192.0.2.99",
          "x for root from 192.0.2.99 port 22 ssh2", " ", "root from 192.0.2.99 port 1 ssh2: RSA x"]


@pytest.mark.parametrize("talk", [
    lambda login: send_messages(lambda w: query(login, key_of(w.client))),
    lambda login: send_messages(lambda w: query(login, key_of(w.client)), then=close_socket),
    lambda login: send_messages(lambda w: query(login, key_of(w.client)), then=send_noise),
    lambda login: send_messages(lambda w: none(login), *[lambda w: password(login, "x")] * 6),
], ids=["bye", "closes", "noise", "passwords"])
def test_login_name_cannot_pass_for_address(gated, tmp_path, talk):
    """A name with spaces could make a filter find a false address, as it does in sshd's log."""
    w = gated()
    for login in LOGINS:
        lines = lines_of_connection(w, talk(login), ".")
        # fail2ban's filter ignores the reason, at the end of a line that begins with "session"
        judged = [line for line in lines if not line.startswith("session ")]
        assert judged and not any(re.search(r" 192\.0\.2\.99\b", line) for line in judged), lines
    if shutil.which("fail2ban-regex"):
        for ours in (False, True):
            assert hosts(tmp_path, [w.front.log.lines()], "aggressive", ours) <= {"192.0.2.1"}


# With fail2ban itself, where it is installed.


def send_wrong_passwords(w):
    send_messages(none_request, *[lambda w: password(w.login, "wrong")] * 6)(w)


def send_wrong_proofs(w):
    """Signatures by a key that is not accepted, without a query before."""
    def talk(a):
        for _ in range(6):
            a.ask(*proof(a, w.login, key_of(w.new_client(w.ring.get("wrong0")))))

    send_messages(none_request, then=talk)(w)


LOGGED_IN = {
    "in": (lambda w: w.answers(), "Accepted publickey for"),
    "wrong-key": (lambda w: w.new_client(w.ring.get("wrong0")).ssh("true"), "Connection closed by"),
    "wrong-user": (lambda w: w.new_client(user="mallory").ssh("true"), "Connection closed by"),
    "wrong-proofs": (send_wrong_proofs, "maximum authentication attempts exceeded for"),
    "wrong-passwords": (send_wrong_passwords, "maximum authentication attempts exceeded for"),
}


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="no fail2ban-regex")
def test_fail2ban_finds_same_hosts_as_with_sshd(builder, tmp_path):
    cases = {**CASES, **LOGGED_IN}
    found = {}
    for name, words in (("direct", {"sshd": {"LogLevel": "INFO"}}), ("gateway", {})):
        w = builder(name, **words)
        connections = [lines_of_connection(w, talk, pattern) for talk, pattern in cases.values()]
        for mode in MODES:
            ids = hosts(tmp_path, connections, mode)
            if w.gateway:
                # those who logged in must come after all that failed
                turned = [*connections, connections[list(cases).index("in")]]
                assert hosts(tmp_path, turned, mode, ours=True) == ids
            found[name, mode] = {c for n, c in enumerate(cases, 1) if f"192.0.2.{n}" in ids}
            assert len(ids) == len(found[name, mode]), ids
    assert {"wrong-passwords", "wrong-user", "auth-fail"} <= found["direct", "normal"]
    assert "in" not in found["direct", "aggressive"]
    assert len(found["direct", "aggressive"]) > 20
    for mode in MODES:
        # sshd has two lines for a DISCONNECT, and this mode knows only the other one
        missing = {"nothing-left"} if mode == "ddos" else set()
        # sshd 10 has words for these that the filter of fail2ban 1.1 does not know
        more = {"nothing", "half-a-version"} & found["gateway", mode]
        assert found["gateway", mode] == (found["direct", mode] | more) - missing, mode


# Keys that are refused.


def failure_lines(w, mark=0):
    return re.findall(r"^.*Failed publickey for .*$", w.front.log.text(mark), re.M)


def offer_keys(w, names, login=None):
    """A client with these keys in its agent; the last is the right one."""
    c = w.new_client(w.ring.get(names[-1]), user=login)
    flags = [a for n in names[:-1] for a in ("-i", str(w.ring.get(n).path))]
    return c.ssh(*flags, "echo in")


def test_first_refused_keys_are_not_logged(way_at_info):
    """Logged from half of MaxAuthTries on; sshd logs them as VERBOSE."""
    w = way_at_info
    offer_keys(w, [f"wrong{i}" for i in range(3)])
    offer_keys(w, [f"wrong{i}" for i in range(2)] + ["client"])
    wait_for("the end of it", lambda: not w.servers())
    assert not failure_lines(w)
    offer_keys(w, [f"wrong{i}" for i in range(5)])
    wait_for("the end of it", lambda: not w.servers())
    logged = [] if w.direct else [w.ring.get(f"wrong{i}").fingerprint for i in (3, 4)]
    assert [line.split()[-1] for line in failure_lines(w)] == logged


def test_many_refused_keys_cause_few_lines(gated):
    w = gated()
    assert offer_keys(w, [f"wrong{i}" for i in range(20)] + ["client"]).text == "in\n"
    w.gateway.quiet()
    assert len(failure_lines(w)) == 6
    w.gateway.log.wait("closed after .*; 11 more failures are not in the log; ")


def test_unknown_login_is_logged_from_first_key(gated):
    w = gated()
    offer_keys(w, [f"wrong{i}" for i in range(20)], "mallory")
    w.gateway.quiet()
    lines = failure_lines(w)
    assert len(lines) == 6 and all("for invalid user mallory from" in line for line in lines)
    w.gateway.log.wait("was not let in: .*; 14 more failures are not in the log$")


def test_refused_keys_do_not_hide_wrong_signatures(gated):
    """All wrong signatures are logged, also after 40 refused queries."""
    w = gated()
    wrong = key_of(w.new_client(w.ring.get("wrong0")))

    def talk(a):
        for _ in range(40):
            a.ask(*query(w.login, wrong))
        for _ in range(6):
            a.ask(*proof(a, w.login, wrong))

    lines = lines_of_connection(w, send_messages(none_request, then=talk),
                                "maximum authentication attempts exceeded for")
    assert len([line for line in lines if "Failed publickey for alice" in line]) == 12
    assert any(line.endswith(": 31 more failures are not in the log") for line in lines)


@pytest.mark.parametrize("version, header", [
    (1, b"PROXY TCP4 192.0.2.99 192.0.2.1 50000 22\r\n"), (1, b"PROXY UNKNOWN\r\n"),
    (2, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x63\xc0\0\x02\x01\xc3\x50\0\x16"),
], ids=["v1", "unknown", "v2"])
def test_proxy_header_is_named(gated, tmp_path, version, header):
    """Nothing else tells why nobody gets through a load balancer.  fail2ban does not ban it for that, nor the
    address that the header names.
    """
    w = gated()
    send_raw(header + b"SSH-2.0-OpenSSH_9.2\r\n")(w)
    line = w.front.log.wait(rf"^.*: a header of the PROXY protocol, version {version}, which .*send-proxy\)$")[0]
    assert re.search(r"banner exchange: Connection from 127\.0\.0\.1 port \d+: a header", line)
    assert "192.0.2" not in w.front.log.text()
    if shutil.which("fail2ban-regex"):
        assert not any(hosts(tmp_path, [[line]], mode) for mode in MODES)
