"""Servers for the programs of plugins/exec: slapd, PostgreSQL, FreeRADIUS, each in a directory of its own, run by nobody."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from . import net, procs
from .wait import PATIENCE, Log, wait_for


class Daemon:
    """A directory with a server in it.  slapd and PostgreSQL refuse to run as root."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="sp.", dir="/tmp"))
        self.user = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.dir, nobody.pw_uid, nobody.pw_gid)
        self.log = Log(self.dir / "log")
        self.process = None
        self.port = None

    def run(self, *argv, stdin=""):
        """A command that must succeed, run by the same user."""
        p = subprocess.run(
            [str(a) for a in argv], input=stdin, capture_output=True, text=True, timeout=300, check=False,
            cwd=self.dir, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}, **self.user,
        )
        assert p.returncode == 0, f"{argv}: {p.stderr}"
        return p.stdout

    def serve(self, ready, *argv):
        """Run argv, with {port} replaced, until the log shows that it is ready."""
        for _ in range(5):
            self.port = net.free_port()
            mark = self.log.mark()
            with open(self.log.path, "ab") as log:
                self.process = subprocess.Popen(
                    [str(a).replace("{port}", str(self.port)) for a in argv],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
                    start_new_session=True, preexec_fn=procs.end_with_us, **self.user,
                )
            wait_for(
                f"{argv[0]} to be ready or to end",
                lambda: self.process.poll() is not None or self.log.find(ready, mark),
            )
            if self.process.poll() is None:
                return
        raise AssertionError(f"{argv[0]} ended: {self.log.text()}")

    def stop(self):
        if self.process:
            procs.end(self.process, PATIENCE)
        shutil.rmtree(self.dir)


SLAPD_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
attributetype ( 1.3.6.1.4.1.24552.500.1.1.1.13 NAME 'sshPublicKey'
  EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.24552.500.1.1.2.0 NAME 'ldapPublicKey' SUP top AUXILIARY
  MAY ( sshPublicKey $ uid ) )
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {dir}/cert.pem
TLSCertificateFile {dir}/cert.pem
TLSCertificateKeyFile {dir}/key.pem
access to dn.subtree="ou=open,dc=test" by * read
access to attrs=userPassword by anonymous auth
access to * by dn.exact="cn=gateway,dc=test" read
database mdb
maxsize 10485760
suffix dc=test
rootdn cn=admin,dc=test
rootpw admin
directory {dir}/db
index uid eq
"""


class Slapd(Daemon):
    """dc=test, of which everybody can read ou=open, and cn=gateway all.  TLS for 127.0.0.1, with cert."""

    def __init__(self, ldif):
        super().__init__()
        try:
            self.run("mkdir", "db")
            self.cert = self.dir / "cert.pem"
            self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=ldap",
                     "-addext", "subjectAltName=IP:127.0.0.1")
            conf = self.dir / "slapd.conf"
            conf.write_text(SLAPD_CONF.format(dir=self.dir))
            self.run("/usr/sbin/slapadd", "-q", "-f", conf, stdin=ldif)
            self.uri = None
            self.ldapi = "ldapi://" + str(self.dir / "ldapi").replace("/", "%2F")
            self.serve("slapd starting", "/usr/sbin/slapd", "-d", "stats", "-f", conf, "-h",
                       f"ldap://127.0.0.1:{{port}}/ {self.ldapi}")
            self.uri = f"ldap://127.0.0.1:{self.port}"
        except BaseException:
            self.stop()
            raise

    def add(self, ldif):
        self.run("ldapadd", "-x", "-H", self.ldapi, "-D", "cn=admin,dc=test", "-w", "admin", stdin=ldif)


class Postgres(Daemon):
    """A cluster with one superuser, postgres, whose password is self.password."""

    def __init__(self, sql):
        super().__init__()
        self.password = "secret of postgres"
        found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        bin_dir = max(found, key=lambda p: float(p.parent.parent.name)).parent
        try:
            (self.dir / "password").write_text(self.password + "\n")
            (self.dir / "password").chmod(0o644)
            self.run(bin_dir / "initdb", "-D", "data", "-U", "postgres", "-A", "scram-sha-256", "-N",
                     "--pwfile=password", "--no-locale", "-E", "UTF8")
            self.serve("ready to accept connections", bin_dir / "postgres", "-D", "data", "-k", self.dir,
                       "-p", "{port}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
            self.sql(sql)
        except BaseException:
            self.stop()
            raise

    def sql(self, sql):
        p = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"], input=sql, capture_output=True,
            text=True, timeout=300, check=False,
            env={"PATH": "/usr/bin:/bin", "PGHOST": "127.0.0.1", "PGPORT": str(self.port),
                 "PGUSER": "postgres", "PGPASSWORD": self.password, "PGCLIENTENCODING": "UTF8"},
        )
        assert p.returncode == 0, p.stderr
        return p.stdout


FREERADIUS_CONF = """
name = test
libdir = {libdir}
raddbdir = {dir}
logdir = {dir}
run_dir = {dir}
pidfile = {dir}/pid
security {{
	allow_vulnerable_openssl = yes
}}
client here {{
	ipaddr = 127.0.0.1
	secret = "{secret}"
	require_message_authenticator = yes
}}
modules {{
	pap {{
	}}
	files {{
		filename = {dir}/users
	}}
	always handled {{
		rcode = handled
	}}
	always reject {{
		rcode = reject
	}}
}}
server default {{
	listen {{
		type = auth
		ipaddr = 127.0.0.1
		port = $ENV{{RADIUS_PORT}}
	}}
	authorize {{
		{authorize}
		files
		pap
	}}
	authenticate {{
		Auth-Type PAP {{
			pap
		}}
	}}
	post-auth {{
		# servers since July 2024 add it by themselves
		update reply {{
			Message-Authenticator := 0x00
		}}
		Post-Auth-Type REJECT {{
			update reply {{
				Message-Authenticator := 0x00
			}}
		}}
		Post-Auth-Type Challenge {{
			update reply {{
				Message-Authenticator := 0x00
			}}
		}}
	}}
}}
"""


class FreeRadius(Daemon):
    """A RADIUS server for clients on 127.0.0.1.  authorize: the beginning of that section, in FreeRADIUS's language;
    users: its file of users. 
    """

    def __init__(self, secret, users, authorize=""):
        found = [p.parent for p in Path("/usr").glob("lib*/freeradius/rlm_pap.so")]
        program = shutil.which("freeradius", path="/usr/sbin") or shutil.which("radiusd", path="/usr/sbin")
        if not found or not program:
            pytest.skip("FreeRADIUS is not installed")
        super().__init__()
        try:
            (self.dir / "dictionary").write_text("")
            (self.dir / "users").write_text(users)
            (self.dir / "radiusd.conf").write_text(
                FREERADIUS_CONF.format(libdir=found[0], dir=self.dir, secret=secret, authorize=authorize))
            for name in ("dictionary", "users", "radiusd.conf"):
                (self.dir / name).chmod(0o644)
            self.serve("Ready to process requests", "env", "RADIUS_PORT={port}", program, "-d", self.dir, "-f", "-xx",
                       "-l", "stdout")
            self.address = f"127.0.0.1:{self.port}"
        except BaseException:
            self.stop()
            raise
