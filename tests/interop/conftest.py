"""Each test is one row of the matrix for one client.  It runs directly to an sshd, and then through a gateway to
the same sshd, and both must be equal: what direct does is what is right.

The docstring of a test names its row in doc/interop.md; the client is its parameter `client`, or that of the mark
of its module.
"""

import os
import platform
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
pytest.register_assert_rewrite("lab")

import clients
from lab import net, procs
from lab.gateway import SALLYPORT, can_serve
from lab.keys import Ring
from sides import Sides

os.umask(0o022)
for name in [n for n in os.environ if n.startswith(("SSH_", "ANSIBLE_", "BORG_", "RCLONE_"))]:
    del os.environ[name]
procs.adopt_orphans()


def pytest_addoption(parser):
    parser.addoption("--table", type=Path, help="write the results to this file, a table in Markdown")


def pytest_configure(config):
    config.addinivalue_line("markers", "client(name): the client of this module's rows, of clients.CLIENTS")


def client_of(item):
    callspec = getattr(item, "callspec", None)
    if callspec and "client" in callspec.params:
        return callspec.params["client"]
    return item.get_closest_marker("client").args[0]


def pytest_collection_modifyitems(items):
    for item in items:
        item.user_properties.append(("row", (client_of(item), item.function.__doc__)))


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    return Ring(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def sides(tmp_path_factory, ring):
    if not can_serve():
        pytest.exit(f"{SALLYPORT} has no `serve`: run `make`", returncode=2)
    both_sides = Sides(tmp_path_factory.mktemp("interop"), ring)
    yield both_sides
    both_sides.stop()


@pytest.fixture(autouse=True)
def client_installed(request):
    if packages := clients.missing(client_of(request.node)):
        pytest.skip(f"not installed: {', '.join(packages)}")


@pytest.fixture
def both(request, sides):
    """both(run): run(side) returns what its client saw; it must be the same direct and through the gateway."""

    def one(name, run):
        side = sides.side(name)
        try:
            return run(side)
        finally:
            side.close()

    def compare(run):
        expected = one("direct", run)
        request.node.user_properties.append(("direct", "works"))
        assert one("gateway", run) == expected

    return compare


# The table.

results = {}


def pytest_runtest_logreport(report):
    """A row is the worst of its tests and of their phases."""
    words = dict(report.user_properties)
    if report.when != "call" and report.passed:
        return
    if report.passed:
        result = "same"
    elif report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        result = "not tried, " + reason.removeprefix("Skipped: ")
    elif "direct" in words:
        result = "DIFFERS"
    else:
        result = "fails direct as well"
    client, row = words["row"]
    rows = results.setdefault(client, {})
    if rows.get(row, "same") == "same":
        rows[row] = result


HEADING = """# Clients through the gateway

`make interop` writes this file from its run: each row of `tests/interop/` is done directly to an sshd and through a
gateway to the same sshd, and "same" says that exit status, output, files and sizes were equal.

{system}, {version}.

| client | version | same direct and through the gateway | anything else |
|---|---|---|---|
"""


def operating_system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def line_of(client):
    rows = results.get(client, {})
    same = sorted(row for row, result in rows.items() if result == "same")
    groups = {}
    for row, result in sorted(rows.items()):
        if result != "same":
            groups.setdefault(result, []).append(row)
    other = [f"{', '.join(names)}: {result}" for result, names in groups.items()] if rows else ["no row yet: not tried"]
    version = clients.version(clients.CLIENTS[client][0]) or "-"
    return f"| {client} | {version} | {'; '.join(same)} | {'; '.join(other)} |\n"


def pytest_sessionfinish(session):
    path = session.config.getoption("--table")
    if path and results and not hasattr(session.config, "workerinput"):  # not in a process of pytest-xdist
        heading = HEADING.format(system=operating_system(), version=f"sshd {clients.version('openssh-server')}")
        path.write_text(heading + "".join(map(line_of, clients.CLIENTS)), encoding="utf-8")


@pytest.fixture
def echo():
    """A server that sends back what it receives."""
    server = net.Server(net.echo)
    yield server
    server.close()
