"""Type=notify and WatchdogSec= of the service unit: what the service manager is told (sd_notify(3))."""

import re
import signal
import time

import pytest

from lab import net
from lab.client import open_session
from lab.memory import found_in
from lab.procs import needs_access_to
from lab.service_manager import ServiceManager
from lab.wait import wait_for

WATCHDOG_US = 900_000


@pytest.fixture
def manager(short):
    m = ServiceManager(str(short / "notify"))
    yield m
    m.close()


@pytest.fixture
def noted(gated):
    """noted(manager, ...): a gateway that this service manager has started."""
    return lambda manager, **options: gated(front={"within": manager.within(**options)})


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_is_told_when_gateway_answers(noted, short, abstract):
    name = str(short / "notify")
    m = ServiceManager("@sallyport" + name if abstract else name)
    w = noted(m)
    ready = m.wait("READY=1")
    assert m.messages[0] is ready and ready["pid"] == w.gateway.process.pid
    assert ready["STATUS"] == "Serving, sessions: 0"
    with net.connect(("127.0.0.1", w.gateway.port)) as s:
        assert s.recv(8) == b"SSH-2.0-"
    m.close()


def test_ready_is_not_told_without_keeper(make_gateway, manager):
    """The configuration is wrong: the keeper does not become ready, and the gateway ends."""
    g = make_gateway(within=manager.within())
    g.write("20-wrong.ini", "route alice", {"HostNam": "x"})
    with pytest.raises(AssertionError, match='unknown keyword "HostNam"'):
        g.start()
    assert not manager.received()


def test_keeper_does_not_know_socket(noted, manager):
    w = noted(manager)
    manager.wait("READY=1")
    (keeper,) = w.gateway.keepers()
    needs_access_to(keeper)
    assert not found_in(keeper, {"socket": manager.name.encode()})


def test_reload_is_told(noted, manager):
    w = noted(manager)
    manager.wait("READY=1")
    since = len(manager.messages)
    before = time.monotonic_ns() // 1000
    w.gateway.command("reload")
    reloading, ready = manager.received()[since:]  # both before the command has ended
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert ready["READY"] == "1" and ready["STATUS"] == "Serving, sessions: 0"


def test_refused_reload_is_told(noted, manager):
    w = noted(manager)
    manager.wait("READY=1")
    since = len(manager.messages)
    bad = w.gateway.conf / "90-bad.ini"
    bad.write_text("[route carol]\nHostNam = x\nPor = 1\n")
    w.gateway.hangup(r"reload: \d+ errors; the configuration stays")
    ready = manager.wait("READY=1", since)
    assert manager.has("RELOADING=1", since)
    assert ready["STATUS"].startswith("Serving, sessions: 0; the last reload was refused, errors: "), ready
    since = len(manager.messages)
    bad.unlink()
    w.gateway.hangup()
    assert manager.wait("READY=1", since)["STATUS"] == "Serving, sessions: 0"


def test_stop_is_told(noted, manager):
    w = noted(manager)
    p = open_session(w.client)
    w.gateway.kill(signal.SIGTERM)
    assert manager.wait("STOPPING=1")["STATUS"] == "Stopping, sessions that go on: 1"
    out, _ = p.communicate(b"still here", timeout=60)
    assert out == b"still here"


def test_watchdog_hears_of_master_and_keeper(noted, manager):
    """While the keeper hangs the watchdog hears nothing, and sessions go on."""
    w = noted(manager, watchdog_us=WATCHDOG_US)
    p = open_session(w.client)
    told = manager.wait("WATCHDOG=1")
    assert told["pid"] == w.gateway.process.pid
    assert manager.wait("STATUS=Serving, sessions: 1")["WATCHDOG"] == "1"
    (keeper,) = w.gateway.keepers()
    mark = w.gateway.log.mark()
    keeper.kill(signal.SIGSTOP)

    def keeper_is_late():
        """It may have been late before, on a busy machine, and have answered again."""
        said = re.findall("the keeper (has not answered|answers again)", w.gateway.log.text())
        return said and said[-1] == "has not answered"

    try:
        wait_for("the keeper to be late", keeper_is_late)
        since = len(manager.received())
        p.stdin.write(b"relayed\n")
        p.stdin.flush()
        assert p.stdout.readline() == b"relayed\n"
        assert not manager.has("WATCHDOG=1", since)
    finally:
        keeper.kill(signal.SIGCONT)
    manager.wait("WATCHDOG=1", since)
    w.gateway.log.wait("the keeper answers again, after [0-9]+ ms", mark)
    w.answers()


def test_watchdog_of_another_process_is_ignored(noted, manager):
    w = noted(manager, watchdog_us=3000, shell='WATCHDOG_PID=1 exec "$@"')
    w.answers()
    w.gateway.command("reload")
    assert manager.has("READY=1") and not manager.has("WATCHDOG=1")


@pytest.mark.parametrize("name, why", [
    ("relative", "a path or an abstract name"), ("/nowhere/notify", "No such file"), ("/" * 200, "a path or"),
])
def test_gateway_serves_without_service_manager(gated, name, why):
    w = gated()
    w.gateway.kill(signal.SIGTERM)
    w.gateway.within = ("env", f"NOTIFY_SOCKET={name}", f"WATCHDOG_USEC={WATCHDOG_US}")
    mark = w.gateway.log.mark()
    w.gateway.start()
    assert w.gateway.log.find(f"NOTIFY_SOCKET: .*: .*{why}", mark)
    w.answers()


def test_service_manager_that_does_not_read_holds_nobody_up(noted, manager):
    """Its queue is full, as when the first process of the host hangs."""
    w = noted(manager, watchdog_us=3000)
    manager.wait("WATCHDOG=1")
    limit = int(open("/proc/sys/net/unix/max_dgram_qlen", encoding="ascii").read())
    if limit > 1000:
        pytest.skip(f"the queue of a socket takes {limit} messages here")
    w.gateway.log.wait("the service manager cannot be told that WATCHDOG=1", 0, 60)
    w.answers()
