"""plugins/exec/postgresql, with a real server."""

import signal

import pytest

from lab.daemons import Postgres
from lab.program import HOSTILE, PROGRAMS, run
from lab.sshd import ME

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 "


def sample_query(first, last):
    """Lines from the comment at the head of the program, which must work as printed."""
    lines = (PROGRAMS / "postgresql").read_text().split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith(f"#\t{first}"))
    end = next(i for i in range(start, len(lines)) if lines[i].startswith(f"#\t{last}"))
    return "\n".join(line[2:] for line in lines[start:end + 1]) + "\n"


QUERY = sample_query("SELECT host", "FROM ssh_users")
TABLES = sample_query("CREATE TABLE ssh_users", "GRANT")

PEOPLE = f"""
INSERT INTO ssh_users VALUES ('locked', '10.0.0.7', 22, NULL, true);
INSERT INTO ssh_users VALUES ('alice', '10.0.0.5', 2200, 'ubuntu'), ('bob', '10.0.0.6', 22, NULL),
    ('o''brien', '10.0.0.8', 22, NULL), ('jürgen', '10.0.0.9', 22, NULL);
INSERT INTO ssh_keys VALUES ('alice', '{KEY}one'), ('alice', '{KEY}two');
"""


@pytest.fixture(scope="module")
def database():
    server = Postgres(f"CREATE USER sallyport PASSWORD 'of sallyport';\n{TABLES}{PEOPLE}")
    yield server
    server.stop()


@pytest.fixture
def services(program_dir, database):
    """services(word=…): the path of a connection service file."""
    def write(**words):
        words = {"host": "127.0.0.1", "port": database.port, "dbname": "postgres", "user": "sallyport",
                 "passfile": program_dir / "pgpass", "connect_timeout": 20, **words}
        (program_dir / "pgpass").write_text("*:*:*:sallyport:of sallyport\n")
        (program_dir / "pgpass").chmod(0o600)
        file = program_dir / "services"
        file.write_text("[sallyport]\n" + "".join(f"{k}={v}\n" for k, v in words.items() if v is not None))
        file.chmod(0o600)
        return file

    return write


@pytest.fixture
def ask(services, program_dir):
    """ask(login, query): the program's answer."""
    def call(login, query=QUERY, services=services(), **env):
        (program_dir / "query").write_text(query)
        return run("postgresql", services, program_dir / "query", login, **env)

    return call


def test_postgresql_query(ask):
    r = ask("alice")
    assert (r.returncode, r.stderr) == (0, "")
    assert r.stdout == ("hostname = 10.0.0.5\nport = 2200\nuser = ubuntu\nkey = people\nuserknownhostsfile = "
                        f"conf.d/known_hosts\nauthorizedkey = {KEY}one\nauthorizedkey = {KEY}two\n")
    r = ask("bob")
    assert "user =" not in r.stdout and "authorizedkey" not in r.stdout and "port = 22\n" in r.stdout
    assert "hostname = 10.0.0.8\n" in ask("o'brien").stdout
    assert "hostname = 10.0.0.9\n" in ask("jürgen").stdout
    assert ask("alice", QUERY + ";\n\n").stdout == ask("alice", QUERY + "-- that is all").stdout == ask("alice").stdout
    for login in ("locked", "carol", "ALICE", "alice ", *HOSTILE):
        r = ask(login)
        assert (r.returncode, r.stdout, r.stderr) == (1, "", ""), login


def test_postgresql_values_with_line_breaks(ask):
    r = ask("x", "SELECT true AS a, ARRAY['h', 'i'] AS hostname, NULL AS b, 7 AS port, "
                 "ARRAY['A=1', NULL, 'B=2'] AS setenv, '10.0.0.1'::inet AS c")
    assert r.stdout == "a = yes\nhostname = h i\nport = 7\nsetenv = A=1\nsetenv = B=2\nc = 10.0.0.1\n"
    r = ask("x", "SELECT :'login' AS a, :'fingerprint' AS b, :'client' AS c", SALLYPORT_FINGERPRINT="SHA256:a+/",
            SALLYPORT_CLIENT_ADDRESS="fe80::1%eth0")
    assert r.stdout == "a = x\nb = SHA256:a+/\nc = fe80::1%eth0\n"
    # A query that nobody waits for any more ends on the server as well.
    assert ask("x", "SELECT current_setting('statement_timeout') AS a").stdout == "a = 10s\n"


@pytest.mark.parametrize("login", [
    "' OR '1'='1", "x' OR true --", "x'; UPDATE ssh_users SET host = 'evil'; --", "x'; COMMIT; DROP TABLE ssh_keys; --",
    "\\' OR true --", "x\\'; DROP TABLE ssh_keys; --", "') OR true --", "$$ OR true --", ":'login'", ":login",
    "x' UNION SELECT 'evil', 22, 'root', 'k', 'k', NULL --", "x'\\; SELECT 1", "'||(SELECT 'alice')||'",
    "\\! touch pwned", "x' \\g pwned", "`touch pwned`", "\\", "'", "''", "%", "_", "al%", "x\\gexec", "E'alice'",
    "\N{FULLWIDTH APOSTROPHE} OR true --", "\N{MODIFIER LETTER APOSTROPHE}; DROP TABLE ssh_keys",
    *(b.decode("utf-8", "surrogateescape") for b in (
        b"\xbf' OR true --", b"x\xc0'; DROP TABLE ssh_keys; --", b"\xff", b"x\xc0\xa7 OR true --", b"\xe2\x80' OR 1=1 --")),
])
def test_postgresql_injection(ask, database, login):
    before = database.sql("SELECT * FROM ssh_users; SELECT * FROM ssh_keys")
    r = ask(login)
    assert (r.returncode, r.stdout) == (1, ""), r
    assert database.sql("SELECT * FROM ssh_users; SELECT * FROM ssh_keys") == before
    # The server has received the very bytes of the login.
    r = ask(login, "SELECT encode(convert_to(:'login', 'UTF8'), 'hex') AS x")
    raw = login.encode("utf-8", "surrogateescape")
    assert r.stdout == ("" if "\udc80" <= max(login) <= "\udcff" else f"x = {raw.hex()}\n")


@pytest.mark.parametrize("query", [
    "SELECT host AS hostname FROM ssh_users WHERE login = :login",
    "SELECT host AS hostname FROM ssh_users WHERE login = ':login'",
    "SELECT host AS hostname FROM ssh_users WHERE login = :\"login\"",
    "SELECT :'login' AS x, ':client' AS y",
])
def test_postgresql_unquoted_query(ask, query):
    r = ask("' OR login = 'alice", query)
    assert (r.returncode, r.stdout) == (2, "") and "write :'login'" in r.stderr


def test_postgresql_transaction_is_read_only(ask, database):
    database.sql("GRANT UPDATE ON ssh_users TO sallyport; CREATE OR REPLACE FUNCTION lock(who text) RETURNS text AS "
                 "'UPDATE ssh_users SET locked = true WHERE login = who; SELECT who' LANGUAGE sql")
    r = ask("alice", "SELECT lock('alice') AS x")
    assert r.returncode == 2 and "read-only transaction" in r.stderr
    assert ask("alice").returncode == 0
    r = ask("alice", "SELECT 1 AS x) AS y; DELETE FROM ssh_users; SELECT (SELECT 1 AS x")
    assert r.returncode == 2


@pytest.mark.parametrize("query", [
    "", ";", "SELECT 1", "SELECT 1 AS \"a b\"", "SELECT host FROM ssh_users", "SELECT 1 AS a UNION SELECT 2",
    "SELECT '{}'::json AS a", "SELECT E'x\\nHostName = evil' AS user", "SELECT E'x\\ry' AS a", "SELECT 'x ;y' AS a",
    "SELECT ';y' AS a", "SELECT ARRAY[E'a\\nb'] AS authorizedkey", "SELECT 1/0 AS a",
    "SELECT nothing FROM nowhere", "SELECT :'nothing' AS a", "SELECT 1 AS a; SELECT 2 AS b",
    "SELECT ARRAY[ARRAY['a']] AS a",
])
def test_postgresql_wrong_answers(ask, query):
    r = ask("alice", query)
    assert r.returncode == 2 and r.stderr, r


def test_postgresql_connection_errors(ask, services, database, program_dir):
    for words, reason in (({"port": 1}, "refused"), ({"dbname": "none"}, "does not exist"),
                          ({"user": "nobody"}, "password"), ({"sslmode": "require"}, "SSL"),
                          ({"host": "::1,127.0.0.1", "port": "1,1"}, "refused"), ({"wrong": "x"}, "syntax error")):
        r = ask("alice", services=services(**words))
        assert (r.returncode, r.stdout) == (2, "") and reason in r.stderr, (words, r)
    both = services(host="127.0.0.1,127.0.0.1", port=f"1,{database.port}")
    assert ask("alice", services=both).returncode == 0
    assert ask("alice", services=services(host=database.dir)).returncode == 0
    with_password = services(passfile=None, password="of sallyport")
    assert ask("alice", services=with_password).returncode == 0
    with_password.chmod(0o644)
    r = ask("alice", services=with_password)
    assert r.returncode == 2 and "others may read it" in r.stderr
    (program_dir / "other").write_text("[else]\nhost=127.0.0.1\n")
    assert ask("alice", services=program_dir / "other").returncode == 2
    assert ask("alice", services=program_dir / "gone").returncode == 2


def test_postgresql_password_is_on_no_command_line(ask, program_dir):
    spy = program_dir / "bin" / "psql"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{program_dir}/seen\nenv >>{program_dir}/seen\n'
                   'exec /usr/bin/psql "$@"\n')
    spy.chmod(0o755)
    assert ask("alice", PATH=f"{spy.parent}:/usr/bin:/bin").returncode == 0
    seen = (program_dir / "seen").read_text()
    assert "login=alice" in seen and "of sallyport" not in seen


def test_postgresql_login(program_gateway, database, services, ring):
    """Relative paths start where those of conf.d do.  Changes in the database apply at once."""
    w = program_gateway(PROGRAMS / "postgresql", "services", "route.sql", timeout=10)
    services(passfile="pgpass", connect_timeout=None).rename(w.gateway.dir / "services")
    (w.gateway.dir / "pgpass").write_text("*:*:*:sallyport:of sallyport\n")
    (w.gateway.dir / "pgpass").chmod(0o600)
    (w.gateway.dir / "route.sql").write_text(
        QUERY.replace("conf.d/", "").replace("'people'", "'mapped'").replace(":'login'", "'of ' || :'login'"))
    assert w.ssh("true").code == 255
    w.gateway.log.wait("Invalid user alice")
    database.sql(f"INSERT INTO ssh_users VALUES ('of alice', '127.0.0.1', {w.sshd.port}, '{ME}'); "
                 f"INSERT INTO ssh_keys VALUES ('of alice', '{ring.get('client').public}')")
    w.answers()
    assert w.new_client(user="x' OR login = 'of alice").ssh("true").code == 255
    database.process.send_signal(signal.SIGSTOP)
    try:
        mark = w.gateway.log.mark()
        assert w.ssh("true").code == 255
        w.gateway.log.wait(r"lookup exec: alice: ", mark)
    finally:
        database.process.send_signal(signal.SIGCONT)
    w.answers()
