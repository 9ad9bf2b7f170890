"""doc/recipes.md, Keys, as it is written there: authorities are rotated, sign machines, revoke, and are in an agent."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import net, procs
from lab.ca_agent import RUN, CaAgent, Token, as_user, reachable
from lab.documents import block, blocks, put
from lab.gateway_operator import Operator
from lab.sshd import ME

PAGE = "doc/recipes.md"


class Site:
    """A gateway, a machine whose /etc/ssh is a directory of the test, and who runs both."""

    def __init__(self, gateway, sshd, way, directory):
        self.gateway, self.sshd, self.way = gateway, sshd, way
        self.etc = directory / "etc"
        self.operator = Operator(gateway, way.client, directory)
        self.operator.command("systemctl", "true")  # the test itself restarts sshd
        self.run = self.operator.run

    def on_machine(self, script):
        self.run(put(script, ("/etc/ssh", self.etc)))
        self.sshd.stop()
        self.sshd.start()

    def set(self, key, line):
        """Write this line in the place of that key of alice's route."""
        file = self.gateway.conf / "10-alice.ini"
        text = re.sub(rf"^{key} = .*\n", "", file.read_text(), flags=re.M)
        file.write_text(text + line)


@pytest.fixture
def site(make_gateway, make_sshd, way_through, ring, tmp_path):
    etc = tmp_path / "etc"
    (etc / "sshd_config.d").mkdir(parents=True)
    trusted = etc / "gateway_ca.pub"
    trusted.touch()
    sshd = make_sshd(Include=f"{etc}/sshd_config.d/*.conf", TrustedUserCAKeys=trusted)
    gateway = make_gateway(StateDirectory="state", **RUN)
    gateway.generate_key("gateway_ca")
    gateway.keys["ca:gateway_ca"] = gateway.keys["gateway_ca"]
    gateway.route("alice", sshd, [ring.get("client")], key="ca:gateway_ca")
    way = way_through(gateway, sshd)
    s = Site(gateway, sshd, way, tmp_path)
    (gateway.dir / "gateway_ca.pub").write_text(gateway.command("ca", "public", "gateway_ca"))
    trusted.write_text((gateway.dir / "gateway_ca.pub").read_text())
    return s


def test_authorities_are_rotated_without_a_failing_login(site):
    heading = "Rotate the authority of certificates"
    scripts = [text for kind, text in blocks(PAGE, heading) if kind == "sh"]
    make, both, over, forget, remove = scripts
    site.way.answers()
    site.run(make)
    site.way.answers()
    site.run(put(both, ("/etc/ssh", site.etc)))
    site.way.answers()
    site.set("Key", block(PAGE, heading, "ini"))
    said = site.run(over)
    assert " takes a certificate by the authority gateway_ca_2\n" in said, said
    assert re.search(r"^gateway_ca_2 +ED25519 +SHA256:\S+  alice$", said, re.M), said
    site.way.answers()
    site.run(put(forget, ("/etc/ssh", site.etc)))
    site.way.answers()
    site.run(remove)
    assert site.gateway.reload().returncode == 0
    site.way.answers()
    assert len((site.etc / "gateway_ca.pub").read_text().splitlines()) == 1


def test_machines_are_known_by_a_certificate(site):
    heading = "Machines known by a certificate"
    scripts = [text for kind, text in blocks(PAGE, heading) if kind == "sh"]
    make, sign, install = scripts
    site.run(make)
    key = site.sshd.host_keys[0]
    site.sshd.options["HostKey"] = [key.path]
    (site.gateway.dir / "vm7.pub").write_text(key.public + "\n")
    site.run(put(sign, ("10.0.0.5", site.sshd.host)))
    site.on_machine(install.replace("vm7-cert.pub", f"{site.gateway.dir}/vm7-cert.pub", 1))
    site.set("UserKnownHostsFile", block(PAGE, heading, "ini"))
    site.gateway.command("reload")
    site.way.answers()
    (known,) = (site.gateway.conf / "machines").read_text().splitlines()
    assert known.startswith("@cert-authority * ")


def test_certificate_is_revoked(site, ring, tmp_path):
    heading = "Revoke a certificate"
    revoke, install = [text for kind, text in blocks(PAGE, heading) if kind == "sh"]
    key = ring.get("person")
    (site.gateway.dir / "alice.pub").write_text(key.public + "\n")
    site.gateway.command("ca", "sign", site.gateway.dir / "alice.pub", "--ca", "gateway_ca", "--principals", ME,
                         "--lifetime", "30d")
    site.way.front = site.sshd  # the certificate's owner connects directly
    site.way.login = ME

    def owner():
        c = site.way.new_client(key, known_hosts=site.sshd.known_hosts(),
                                CertificateFile=site.gateway.dir / "alice-cert.pub")
        return c.ssh("echo in").text == "in\n"

    assert owner()
    assert site.run(revoke).splitlines()[-1] == "revoked"
    site.on_machine(install)
    assert not owner()
    site.way.front, site.way.login = site.gateway, "alice"
    site.way.answers()
    assert "    serial " in site.run("sallyport ca revoke --list")


CA_USER = "daemon" if os.getuid() == 0 else None


def test_authority_in_a_token(site, short, tmp_path):
    """The agent has a user of its own, and the gateway's comes in by the proxy."""
    if not shutil.which("systemd-socket-activate"):
        pytest.skip("takes systemd-socket-activate")
    heading = "An authority in an agent, a token or an HSM"
    agent_unit, socket_unit, door_unit, route = [t for kind, t in blocks(PAGE, heading) if kind == "ini"]
    add, check = [t for kind, t in blocks(PAGE, heading) if kind == "sh"]
    directory = reachable(short, CA_USER)
    own = re.search(r"^ExecStart=/usr/bin/ssh-agent -D -a (\S+) (-P \S+)$", agent_unit, re.M)
    proxy = re.search(r"^ExecStart=(\S+) (\S+)$", door_unit, re.M)
    assert own[1] == proxy[2] and "SocketGroup=sallyport-net" in socket_unit
    if not Path(proxy[1]).exists():
        pytest.skip(f"takes {proxy[1]}")
    token = Token(directory, CA_USER)
    key = token.generate("EC:prime256v1", tmp_path / "hsm")
    agent = CaAgent(directory, *own[2].split(), user=CA_USER, **token.env)
    door = directory / "door"
    process = subprocess.Popen(["systemd-socket-activate", "-l", door, proxy[1], agent.path],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=procs.end_with_us,
                               start_new_session=True, **as_user(CA_USER))
    try:
        net.wait_accepts(str(door))
        door.chmod(0o666)  # of the group, in the recipe
        pin = directory / "pin"
        pin.write_text(f"#!/bin/sh\necho {token.PIN}\n")
        pin.chmod(0o755)
        said = subprocess.run(
            ["sh", "-ec", put(add, (own[1], agent.path), ("/usr/lib/softhsm/libsofthsm2.so", token.module))],
            env={**agent.env, "SSH_ASKPASS": str(pin), "SSH_ASKPASS_REQUIRE": "force"}, capture_output=True, text=True,
            timeout=120, check=False, **as_user(CA_USER))
        if "agent refused operation" in said.stderr:
            pytest.skip("this ssh-agent loads no PKCS#11 library")
        assert said.returncode == 0, said
        line = next(t for t in said.stdout.splitlines() if t.startswith(key.public))
        (site.gateway.conf / "hsm_ca.pub").write_text(line + "\n")
        (site.etc / "gateway_ca.pub").write_text(line + "\n")
        site.set("Key", put(route, ("/run/ca-door.sock", door)))
        assert " takes a certificate by the authority " in site.run(check)
        site.way.answers()
        site.sshd.log.wait(rf"Accepted publickey for .* CA \S+ {re.escape(key.fingerprint)}")
    finally:
        process.kill()
        process.wait(timeout=60)
        agent.stop()
