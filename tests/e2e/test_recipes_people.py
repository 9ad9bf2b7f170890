"""doc/recipes.md, People, as it is written there."""

import os
import re
import shutil
import subprocess
import uuid

import pytest

from lab.client import echoes, open_session
from lab.documents import block, put
from lab.fail2ban import FILTERS, OURS
from lab.gateway import TREE
from lab.gateway_operator import Operator
from lab.sshd import ME
from lab.way import Way

PAGE = "doc/recipes.md"


@pytest.fixture
def person(make_gateway, make_sshd, ring, tmp_path):
    """A way of a login whose name no other gateway of this host has, and its operator."""
    login = "zoe" + uuid.uuid4().hex[:8]
    gateway, sshd = make_gateway(), make_sshd()
    gateway.route(login, sshd, [ring.get("client")])
    gateway.start()
    way = Way("gateway", tmp_path, ring, sshd, gateway, login=login)
    yield way, Operator(gateway, way.client, tmp_path)
    way.close()


def test_who_is_on(person):
    way, operator = person
    each, count = (block(PAGE, "Who is on", "sh", n) for n in (0, 1))
    p, q = open_session(way.client), open_session(way.client)
    (line, _) = [li for li in operator.run(each).splitlines() if f" {way.login} " in li]
    assert re.search(rf"sallyport: session [0-9a-f]+ {way.login} 127.0.0.1 -> {ME}@127.0.0.1$", line), line
    assert f"2 {way.login}" in operator.run(count).splitlines()
    for process in (p, q):
        process.stdin.close()
        process.wait(60)
    way.gateway.quiet()
    assert way.login not in operator.run(each.rstrip() + " || true")


def test_put_off_now(person, ring):
    """All sessions of the login and no other."""
    way, operator = person
    other = way.login + "2"
    way.gateway.route(other, way.sshd, [ring.get("client")])
    operator.reload()
    mine, theirs = open_session(way.client), open_session(way.new_client(user=other))
    operator.run(put(block(PAGE, "Put somebody off, now", "sh"), ("alice", way.login)))
    _, err = mine.communicate(timeout=60)
    assert b"sallyport: ended by the operator" in err
    way.gateway.log.wait(f"{way.login} from .* closed after .*: ended by the operator")
    echoes(theirs)
    way.answers()


def test_put_off_for_good(person, ring):
    way, operator = person
    heading = "Put somebody off, for good"
    operator.append(f"10-{way.login}.ini", block(PAGE, heading, "ini"))
    operator.run(block(PAGE, heading, "sh"))
    way.answers()
    p = open_session(way.client)
    (way.gateway.dir / "alice.pub").write_text(way.client.key.public + "\n")
    operator.run(block(PAGE, heading, "sh", 1))
    assert not way.lets_in(way.login)
    echoes(p)
    operator.run(put(block(PAGE, "Put somebody off, now", "sh"), ("alice", way.login)))
    assert p.wait(60) == 255


def in_new_network(script):
    """A script as root of a network of its own, whose processes end with it."""
    own = [] if os.getuid() == 0 else ["-r"]
    return subprocess.run(["unshare", *own, "-n", "-p", "-f", "--kill-child", "bash", "-euc", script],
                          capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def test_ban_by_firewall():
    """A banned address is reset, open connections too; when the ban is lifted, it gets in again."""
    if not shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin"):
        pytest.skip("nftables is not installed")
    if in_new_network("ip link set lo up && nft add table inet t").returncode:
        pytest.skip("no network namespace with nftables here")
    heading = "Ban an address"
    table, ban, lift = (block(PAGE, heading, "sh", n) for n in range(3))
    address = ("203.0.113.9", "127.0.0.1")
    p = in_new_network(f"""
ip link set lo up
socat -u TCP-LISTEN:2222,reuseaddr,fork,bind=127.0.0.1 /dev/null >/dev/null 2>&1 &
opens() {{ (exec 3<>/dev/tcp/127.0.0.1/2222) 2>/dev/null; }}
until opens; do :; done
exec 4<>/dev/tcp/127.0.0.1/2222
{table}
opens && echo there
echo still >&4
{put(ban, address)}
opens || echo banned
(echo gone >&4; read -r -t 10 line <&4) 2>/dev/null || echo cut off
{put(lift, address)}
opens && echo lifted
""")
    assert p.returncode == 0, p
    said = p.stdout.splitlines()
    assert [line for line in said if line in ("there", "banned", "cut off", "lifted")] == \
        ["there", "banned", "cut off", "lifted"]
    assert "127.0.0.1 timeout 1d" in p.stdout


def test_jail_is_one_of_fail2ban(tmp_path):
    if not shutil.which("fail2ban-client"):
        pytest.skip("fail2ban is not installed")
    etc = tmp_path / "fail2ban"
    shutil.copytree(FILTERS.parent, etc)
    shutil.copy(OURS, etc / "filter.d")
    (etc / "jail.d").mkdir(exist_ok=True)
    for file in (etc / "jail.d").iterdir():
        file.unlink()
    (etc / "jail.d" / "sallyport.conf").write_text(block(PAGE, "Ban an address", "ini"))
    p = subprocess.run(["fail2ban-client", "-c", etc, "-d"], capture_output=True, text=True, timeout=60, check=False)
    assert p.returncode == 0, p
    assert "'bantime', '1d'" in p.stdout and "'maxretry', 5" in p.stdout, p.stdout
    assert "_SYSTEMD_UNIT=sallyport.service" in p.stdout


def test_ban_for_one_login(person):
    """The plain route has to go, or it would be used instead."""
    way, operator = person
    words = block(PAGE, "Ban an address", "ini", 1)
    name, condition = words.splitlines()
    file = way.gateway.conf / f"10-{way.login}.ini"
    route = file.read_text()

    def set_to(address):
        file.write_text(put(route, (f"[route {way.login}]", name.replace("alice", way.login)))
                        + put(condition, ("203.0.113.9", address)) + "\n")
        operator.reload()

    set_to("127.0.0.9")
    way.answers()
    set_to("127.0.0.1")
    assert not way.lets_in(way.login)


def test_ban_for_one_key(person):
    way, _ = person
    option = re.search(r'`(from="[^`]+)` in front', (TREE / PAGE).read_text())[1]
    file = way.gateway.conf / f"{way.login}.pub"
    key = file.read_text()
    file.write_text(f"{option} {key}")
    way.answers()
    file.write_text(f"{put(option, ('203.0.113.9', '127.0.0.1'))} {key}")
    assert not way.lets_in(way.login)
