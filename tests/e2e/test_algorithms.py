"""KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs and PubkeyAcceptedAlgorithms of the server that clients
connect to: sshd directly, and [gateway].
"""

import re

import pytest

from lab.way import set_authorized_keys

# For each server: a word, its list, a client's one algorithm that is in it, and one that is not.
SERVERS = [
    [("KexAlgorithms", "diffie-hellman-group18-sha512", "diffie-hellman-group18-sha512", "curve25519-sha256"),
     ("Ciphers", "aes256-ctr,aes192-ctr", "aes192-ctr", "aes128-gcm@openssh.com"),
     ("MACs", "hmac-sha1", "hmac-sha1", "hmac-sha2-256"),
     ("HostKeyAlgorithms", "rsa-sha2-256", "rsa-sha2-256", "ssh-ed25519")],
    [("KexAlgorithms", "+diffie-hellman-group14-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"),
     ("Ciphers", "-aes*-ctr", "aes256-gcm@openssh.com", "aes128-ctr"),
     ("HostKeyAlgorithms", "-ssh-ed25519*", "rsa-sha2-512", "ssh-ed25519")],
    [("KexAlgorithms", "^diffie-hellman-group16-sha512", "diffie-hellman-group16-sha512", "diffie-hellman-group1-sha1"),
     ("Ciphers", "+3des-cbc", "3des-cbc", "aes128-cbc"),
     ("MACs", "-*-etm@openssh.com", "hmac-sha2-512", "hmac-sha2-512-etm@openssh.com")],
]


@pytest.mark.parametrize("lists", SERVERS, ids=["names", "plus-minus", "head"])
def test_lists_of_the_server(own_way, lists):
    w = own_way(front={word: value for word, value, _, _ in lists})
    data = bytes(300_000)
    accepted = {word: good for word, _, good, _ in lists}
    assert w.ssh("cat", stdin=data, **accepted).out == data
    for word, _, _, bad in lists:
        # where MACs are listed, the accepted cipher is one that needs a MAC
        r = w.ssh("true", **{**accepted, word: bad})
        assert r.code == 255 and "Unable to negotiate" in r.err, (word, bad, r)


def test_group_exchange_and_other_algorithms_with_upstream(gated):
    """Those that only an upstream can be asked for, or that have to be named."""
    for kex in ("diffie-hellman-group-exchange-sha256", "diffie-hellman-group18-sha512"):
        w = gated(sshd={"KexAlgorithms": kex, "LogLevel": "DEBUG1"}, route={"KexAlgorithms": "+" + kex})
        w.answers()
        w.sshd.log.wait(rf"kex: algorithm: {kex}")
        w.close()


@pytest.mark.parametrize("line, said", [
    ("KexAlgorithms = +diffie-hellman-group-exchange-sha256", "the file of moduli, which the sandbox forbids"),
    ("MACs = umac-64-etm@openssh.com,hmac-sha2-256", "libssh, which the gateway is built on, does not have it"),
    ("Ciphers = aes128-gmc@openssh.com", r"did you mean aes128-gcm@openssh.com\?"),
    ("HostKeyAlgorithms = ecdsa-sha2-nistp256", "no HostKey is of a type that it names"),
])
def test_list_that_cannot_be_used(gated, line, said):
    w = gated()
    file = w.gateway.conf / "00-gateway.ini"
    good = file.read_text()
    file.write_text(good.replace("[gateway]\n", f"[gateway]\n{line}\n"))
    code, err = w.gateway.check()
    assert code != 0 and re.search(rf"00-gateway.ini:2: {line.split()[0]}: .*{said}", err), err
    w.gateway.hangup(r"reload: \d+ errors?; the configuration stays as it was")
    w.answers()


def test_lists_change_with_a_reload(gated):
    w = gated()
    assert w.ssh("true", Ciphers="aes128-ctr").code == 0
    w.gateway.options["Ciphers"] = "-aes128-ctr"
    w.gateway.write_gateway()
    w.gateway.hangup()
    assert "Unable to negotiate" in w.ssh("true", Ciphers="aes128-ctr").err
    w.answers()


def offers(result):
    """server-sig-algs, as the client was told it."""
    return re.search(r"server-sig-algs=<([^>]*)>", result.err)[1].split(",")


def test_user_keys_by_algorithm(own_way, ring):
    w = own_way(front={"PubkeyAcceptedAlgorithms": "-ssh-ed25519*,rsa-sha2-256*"})
    rsa = ring.get("client", "rsa3072")
    set_authorized_keys(w, ring.get("client").public, rsa.public)
    r = w.ssh("-v", "true")
    assert r.code == 255 and "Permission denied" in r.err
    if w.gateway:  # sshd tells the list since 9.6
        told = offers(r)
        assert "rsa-sha2-512" in told and "ssh-ed25519" not in told and "rsa-sha2-256" not in told
    w.front.log.wait(r"ssh-ed25519 not in PubkeyAcceptedAlgorithms")
    c = w.new_client(key=rsa)
    assert c.ssh("echo in").text == "in\n"
    assert c.ssh("true", PubkeyAcceptedAlgorithms="rsa-sha2-256").code == 255


def test_route_narrows_user_keys(gated, ring):
    """The client is told the list of [gateway], whichever login it will name."""
    rsa = ring.get("client", "rsa3072")
    w = gated(front={"PubkeyAcceptedAlgorithms": "ssh-ed25519,rsa-sha2-*"},
              route={"PubkeyAcceptedAlgorithms": "-ssh-ed25519"})
    set_authorized_keys(w, ring.get("client").public, rsa.public)
    r = w.ssh("-v", "true")
    assert r.code == 255 and offers(r) == ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"]
    w.gateway.log.wait(r"alice: key SHA256:\S+ not accepted: signature algorithm ssh-ed25519 not in")
    assert w.new_client(key=rsa).ssh("echo in").text == "in\n"
    p = w.gateway.sallyport("route", "-c", w.gateway.conf, "alice", "--key", f"{ring.get('client').path}.pub")
    assert p.returncode == 1 and b"PubkeyAcceptedAlgorithms has no algorithm of such keys" in p.stdout
