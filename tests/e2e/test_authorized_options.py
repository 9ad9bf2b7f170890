"""Lines of authorized_keys: the gateway answers a publickey query as sshd does."""

import base64
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.attack import USERAUTH_FAILURE, USERAUTH_PK_OK, USERAUTH_REQUEST, Attacker
from lab.sshd import ME, version

# Queries on one connection: the gateway ends it after 64.
QUERIES = 60

FLAGS = r"""
restrict|RESTRICT,Pty|no-pty,no-pty|restrict,|,restrict|restrict,,pty|,|,,,|restrict ,pty|restrict@|restrict=|no-
no-no-pty|no-restrict|no-cert-authority|restrict,no-|restrictpty|pty="x"|restrict="x"|"restrict"|bogus|bogus="x"
no-port-forwarding,port-forwarding|user-rc|x11-forwarding|agent-forwarding|cert-authority|cert-authority,
touch-required|no-touch-required|verify-required|no-verify-required|principals="alice"
command=""|command=a|command="a b c"|command="a|command="a\"b"|command="a""b"|command="a\\"|command="a"no-pty
command ="x"|command='x'|command="x",|command="x",command="x"|command=|command="a\" b"|command="\"|COMMAND="x"
"""
FROM = r"""
127.0.0.1|127.0.0.?|127.*|*|?|!127.0.0.1,*|*,!127.0.0.1|!10.0.0.1|!10.0.0.1,*|!!127.0.0.1,*|!*,127.0.0.1||,|!|!,*
127.0.0.1,|,127.0.0.1|127.0.0.1,,10.0.0.1|*,!|127.0.0.1 | 127.0.0.1|*, 10.0.0.1|localhost|LOCALHOST,127.0.0.?
127.0.0.1/32|127.0.0.0/8|127.0.0.1/8|0.0.0.0/0|127.0.0.1/0|127.0.0.0/08|127.0.0.0/0000008|127.0.0.0/33,*|*,127.0.0.0/33
127.0.0.0/+8|127.0.0.0/+8,*|127.0.0.0/129,*|!127.0.0.0/129,*|127.0.0.0/-1,*|127.0.0.0/,*|127.0.0.0/x,*|/8,*|/,*
bogus/8,127.0.0.1|127.0.0.0/8/8,127.0.0.1|127.0.0.0/8 |!127.0.0.1,*,127.0.0.0/33|127.0.0.0/18446744073709551624
127.1|127.0/8|127/8|127|2130706433|0x7f.1|0X7F000001|0177.0.0.1|127.0.0.01|127.0.0.08|!127.1,*|!0x7f.1,*|127.0.0.1.
127.0.0.256|127.0.0.1.1|0x7f.1/32|!127.0/8,*|*,127.1/8
::ffff:127.0.0.1|::ffff:7f00:1|::ffff:127.0.0.0/104|!::ffff:127.0.0.1,*|!::ffff:127.0.0.0/104,*|::ffff:127.0.0.1/104,*
::/0|::1|::/129,*|*,::1/127|2001:db8::%/32|127.0.0.1%lo|127.0.0.1%1|!127.0.0.1%lo,*|fe80::1%lo,*|fe80::/10
"""
TIMES = r"""
20990101|20000101|20990101Z|20990101z|20990101UTC|20990101utc|20990101Utc|209901011200|209901011200Z|209901011200UTC
20990101120000|20990101120000z|20000101Z|20000101UTC|20990101ZUTC|20990101UTCZ|20990101GMT|20990101 Z|Z|UTC||soon
2099|2099010|2099010112|209901011|20991301|20990001|20990132|20990100|20990230|20990229|20990431|20990101125960
20990101125961|20990101125962|209901012400|209901011260|202A0101|2099 1 1|2099011 10|2099011 1000|20990101 | 2099101
19700101|19700101Z|19700102Z|19691231|19691231Z|00000101|99990101|000020990101|+2990101|2099-1-1|20990101T1200
"""
PERMITS = r"""
h:1|h|h:|h:0|h:65535|h:65536|h:022|h:+22|h: 22|h:22 |h:-0|h:-1|h:0x16|h:99999999999999999999|h:*|h:**|*:*|*|22|:22|:*|:
0|+22|none|any|h?:1|*.h:1|h/22|h/*|/22|/x/y:1|/x/y:*|/x/y|h/22:22|h:22/22|[h]:22|[h]/22|[]:80|[h]|[h:1|[h]x:22|[h]22
[::1]:22|[::]:22|::1:22|::1|[a/b]:*|[a]b]:1|a]b:1|[[h]:1|h:1:2|h h:1|
"""
TUNNELS = "0|1|any|ANY|x||-1|-0|+1| 1|1 |0x1|00000000001|2147483645|2147483646|4294967297|1:2|99999999999999999999"
ENVIRONMENT = "A=b|A=|=b|A||A-B=c|A B=c|A=b c|A_1=b|1=2|A=b=c|ä=b"
REPEATED = r"""
from="127.0.0.1",from="127.0.0.1"|environment="A=b",environment="A=c"|permitopen="h:1",permitopen="h:1"
tunnel="0",tunnel="1"|tunnel="0",tunnel="x"|expiry-time="20990101",expiry-time="20000101"
expiry-time="20000101",expiry-time="20990101"|expiry-time="20990101",expiry-time="soon"
"""

CERTIFICATES = r"""
cert-authority|restrict|cert-authority,|,cert-authority|cert-authority,cert-authority|CERT-AUTHORITY|no-cert-authority
principals="ops",cert-authority|principals="ops"|cert-authority,principals=ops|cert-authority,bogus
cert-authority,principals="ops",principals="ops"|cert-authority,command="x"|cert-authority,verify-required
cert-authority,from="127.1"|cert-authority,from="10.0.0.1"|cert-authority,expiry-time="20000101Z"
cert-authority,no-touch-required
"""
# Principals of the certificate: the login, ops and Web.
PRINCIPALS = r"""
ops|x|x,ops|ops,x|OPS|web|Web|op*|*|op|opsx| ops|ops x|!ops|!x,ops|ops,!x|,|x,,ops|ops,,x|,ops|ops,|
"""

# Values of the critical option source-address that ssh-keygen accepts.
SOURCES = r"""
127.0.0.1|127.0.0.0/8|127.0.0.0/08|127.0/8|127.1|10.0.0.0/8|10.0.0.1,127.0.0.1|0.0.0.0/0|::/0|::1
::ffff:127.0.0.1|::ffff:127.0.0.0/104|::ffff:127.0.0.1,127.0.0.1
"""

# sshd accepts these; sallyport.conf(5) says which the gateway refuses, and why.
STRICTER = {
    "name of a port": 'permitopen="h:http" {key}',
    "longer than 64 KiB": 'command="' + 66000 * "x" + '" {key}',
    "comment beyond 64 KiB": "{key} " + 70000 * "y",
    "zero byte behind the key": "restrict {key}\0 x",
}


def split_options(text):
    return [w for row in text.strip("\n").split("\n") for w in row.split("|")]


# The gateway reads the length of a prefix as sshd 9 does.  sshd 10 takes a sign, and refuses the whole list if
# a length is beyond 128.
# Nor is the gateway's date before 1970 one that sshd 10.6 takes for never.
DATES = ("19691231", "19691231Z", "00000101")
PREFIXES = ("127.0.0.0/+8", "127.0.0.0/129,*", "!127.0.0.0/129,*", "::/129,*")


def options():
    yield from split_options(FLAGS)
    yield from split_options(REPEATED)
    for name, values in (("from", FROM), ("expiry-time", TIMES), ("permitopen", PERMITS),
                         ("permitlisten", PERMITS), ("tunnel", TUNNELS), ("environment", ENVIRONMENT)):
        for value in split_options(values):
            if not (value in PREFIXES and version() >= (10, 0) or value in DATES and version() >= (10, 1)):
                yield f'{name}="{value}"'
    for length in (63, 64, 1022, 1023, 1100):
        yield f'from="*,{length * "1"}"'
        yield f'from="{length * "1"},!127.0.0.1,*"'
    yield f'from="0x{47 * "0"}7f.1"'
    yield f'from="0x{80 * "0"}7f.1"'
    for length in (1024, 1025):
        yield f'permitopen="{length * "h"}:1"'
        yield f'permitlisten="[{(length - 2) * "h"}]:1"'
    for count in (1025, 1026):
        yield ",".join(f'environment="A{i}=b"' for i in range(count))


def lines(key):
    kind, blob = key.split()[:2]
    for o in options():
        yield f"{o} {key}"
    yield from (
        key, f"{key}\r", f"restrict {kind} {blob}\r", f"\t {kind}\t{blob}\tc", f"restrict\t{key}", f"restrict,\t {key}",
        f"#{key}", f" # {key}", f"\ufeff{key}", f"\ufeff# x\n{key}", f"\0{key}",
        f"restrict\v{key}", f"restrict\u00a0{key}",
        f"{kind} {blob}=", f"{kind} {blob[:-4]}", f"{kind} {blob}AAAA", f"{kind} {blob[:20]} {blob[20:]}",
        f"ssh-rsa {blob}", f"{kind.upper()} {blob}", f"restrict restrict {key}", f"1024 35 12345 {key}", f"x\r{key}",
        f'expiry-time="20000101" {key}\n{key}', f'from="1.2.3.4" {key}\n{key}', f"bogus {key}\n{key}", f"bogus {key}",
        f'command="a\nb" {key}', f'command="{9000 * "x"}" {key}', f'command="a\\" {key}" {key}', f'command="{key}" x',
    )


def mixed_lines(key):
    """Options of all kinds combined, well formed ones and malformed ones."""
    pick = random.Random(9)
    some = ["restrict", "no-pty", "PTY", 'command="a,b \\" c"', 'from="127.0.0.0/8"', 'from="!10.0.0.0/8,127.1"',
            'expiry-time="20990101UTC"', 'permitopen="h:1"', 'permitlisten=":22"', 'tunnel="any"',
            'environment="A=b c"', "no-touch-required", "", ""]
    odd = ["bogus", 'from="10.0.0.1"', 'permitopen="/x:1"', 'command="', 'expiry-time="20000101Z"', " "]
    for _ in range(100):
        chosen = pick.choices(some, k=pick.randint(1, 5)) + pick.choices(odd, k=pick.random() < 0.3)
        pick.shuffle(chosen)
        yield ",".join(chosen) + f" {key}"


class Server:
    """The verdicts of one server about a key it is asked about."""

    def __init__(self, port, login, file):
        self.port, self.login, self.file = port, login, file
        self.peer = None
        self.asked = 0

    def close(self):
        if self.peer is not None:
            self.peer.close()
        self.peer = None

    def takes(self, line, kind, blob):
        self.file.write_bytes(line.encode() + b"\n")
        if self.asked % QUERIES == 0:
            self.close()
            self.peer = Attacker(self.port)
            assert self.peer.service()
        self.asked += 1
        came = self.peer.ask(USERAUTH_REQUEST, self.login, "ssh-connection", "publickey", False, kind, blob)[1]
        answer = came[-1][0] if came else None
        assert answer in (USERAUTH_PK_OK, USERAUTH_FAILURE), (answer, line[:200])
        return answer == USERAUTH_PK_OK


def key_and_blob(public):
    """The type and the blob of a key or certificate."""
    kind, blob = public.split()[:2]
    return kind, base64.b64decode(blob)


@pytest.fixture
def servers(gated):
    way = gated(sshd={"MaxAuthTries": "1000"}, post_quantum=True)
    both = (Server(way.sshd.port, ME, way.sshd.authorized_keys),
            Server(way.gateway.port, "alice", way.gateway.conf / "alice.pub"))
    yield both
    for front in both:
        front.close()


def assert_same_verdicts(servers, texts, kind, blob):
    """The lines about which the two servers differ, and how many lines were accepted and refused by both."""
    taken, bad = [0, 0], []
    with ThreadPoolExecutor() as pool:  # both servers at the same time
        for text in texts:
            sshd, gateway = pool.map(lambda front, text=text: front.takes(text, kind, blob), servers)
            taken[sshd] += 1
            if sshd != gateway:
                bad.append(f"{'sshd' if sshd else 'gateway'} alone: {text[:200]!r}")
    return bad, taken


def test_key_is_accepted_where_sshd_accepts_it(servers, ring):
    key = ring.get("client").public
    bad, (refused, taken) = assert_same_verdicts(servers, [*lines(key), *mixed_lines(key)], *key_and_blob(key))
    assert not bad, "\n".join(bad)
    assert refused > 150 and taken > 150


def test_certificate_is_accepted_where_sshd_accepts_it(servers, ring, ca):
    key = ring.get("client")
    certificate = ca.sign(key, principals=f"{ME},alice,ops,Web").read_text()
    texts = [f"{o} {ca.key.public}" for o in split_options(CERTIFICATES)]
    texts += [f"cert-authority,{line}" for line in mixed_lines(ca.key.public)]
    texts += [f'cert-authority,principals="{p}" {ca.key.public}'
              for p in [*split_options(PRINCIPALS), 50 * "x," + "ops"]]
    bad, (refused, taken) = assert_same_verdicts(servers, texts, *key_and_blob(certificate))
    assert not bad, "\n".join(bad)
    assert refused > 20 and taken > 20


def test_source_address_of_certificate_as_in_sshd(servers, ring, ca):
    key = ring.get("client")
    line = [f"cert-authority {ca.key.public}"]
    bad, decided = [], [0, 0]
    for addresses in split_options(SOURCES):
        certificate = ca.sign(key, principals=f"{ME},alice", options=[f"source-address={addresses}"]).read_text()
        some, counts = assert_same_verdicts(servers, line, *key_and_blob(certificate))
        bad += [f"{addresses}: {b}" for b in some]
        decided = [sum(n) for n in zip(decided, counts)]
    assert not bad, "\n".join(bad)
    assert min(decided) > 3


def test_options_refused_on_purpose(servers, ring):
    key = ring.get("client").public
    for case, text in STRICTER.items():
        assert not servers[1].takes(text.format(key=key), *key_and_blob(key)), case
        assert servers[1].takes(f"{text.format(key=key)}\n{key}", *key_and_blob(key)), case
