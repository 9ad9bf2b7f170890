"""What the benchmarks share: servers and clients on loopback, rounds that take turns, and the table.

Each benchmark is a class of servers and a dict of parts, and calls main().
"""

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from lab import net, procs  # noqa: E402
from lab.gateway import SALLYPORT, sanitized  # noqa: E402
from lab.sshd import ME  # noqa: E402
from lab.wait import wait_for  # noqa: E402

CIPHER = "aes128-gcm@openssh.com"
MIB = 1 << 20
GIB = 1 << 30
OTHERS_MAX = 0.1  # the most CPU time that other processes may take, as a share

# Of each sshd.
SSHD = {"host_keys": ("ed25519",), "LogLevel": "INFO", "Ciphers": CIPHER, "MaxSessions": 64}

# The end of each ssh_config.
SSH_COMMON = """\
Host *
    HostName 127.0.0.1
    User "{me}"
    HostKeyAlias machine
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    HostKeyAlgorithms ssh-ed25519
    PreferredAuthentications publickey
    Ciphers {cipher}
    Compression no
    BatchMode yes
    ConnectTimeout 20
    LogLevel ERROR
"""

HAPROXY_CONFIG = """\
global
    nbthread 1
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
"""


class Unmeasured(Exception):
    """Something could not be measured: the reason."""


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


class HAProxy:
    """listens: {name: its words, with {port} in them}.  ports: {name: port}."""

    def __init__(self, directory, listens):
        self.program = program("haproxy")
        if self.program is None:
            raise Unmeasured("haproxy is missing: `make deps`, or apt-get install haproxy")
        self.ports = {name: net.free_port() for name in listens}
        self.log = directory / "haproxy.log"
        config = directory / "haproxy.cfg"
        config.write_text(HAPROXY_CONFIG + "".join(
            f"listen {name}\n" + text.format(port=self.ports[name]) for name, text in listens.items()))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.program, "-db", "-q", "-f", str(config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            )
        try:
            wait_for(
                "haproxy to listen or to end",
                lambda: all(net.accepts(("127.0.0.1", port)) for port in self.ports.values())
                or self.process.poll() is not None,
            )
            if self.process.poll() is not None:
                raise Unmeasured(f"haproxy ended: {self.log.read_text()}")
        except BaseException:
            self.stop()
            raise

    def version(self):
        out = subprocess.run([self.program, "-v"], capture_output=True, text=True, check=False).stdout
        return " ".join(out.split()[:3])

    def stop(self):
        procs.end(self.process)


def unpaced():
    """The congestion control of all connections here, chosen so that none is paced.

    BBR sets a timer for every few packets, which on a virtual machine costs more than sending them,
    and on loopback leaves the processors idle: the settings of this host would be measured.
    A network namespace has its own.
    """
    setting = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    was = setting.read_text().strip()
    if was in ("cubic", "reno"):
        return was
    clone_newnet, siocsifflags, iff_up = 0x40000000, 0x8914, 0x1
    if os.getuid() != 0 or ctypes.CDLL(None).unshare(clone_newnet) != 0:
        return was
    with socket.socket() as s:
        fcntl.ioctl(s, siocsifflags, struct.pack("16sh14x", b"lo", iff_up))
    with contextlib.suppress(OSError):
        setting.write_text("reno")
    return setting.read_text().strip()


class Clients:
    """A directory, and the ssh processes that a benchmark has started; self.config is their ssh_config."""

    def __init__(self, directory):
        self.dir = directory
        self.config = directory / "ssh_config"
        self.started = []
        self.env = {"HOME": str(directory), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}

    def configure(self, client, hosts, config):
        """Write the ssh_config, which ends with what all hosts have; hosts: {HostKeyAlias: its daemon}."""
        known_hosts = self.dir / "known_hosts"
        known_hosts.write_text("".join(f"{name} {d.host_keys[0].public}\n" for name, d in hosts.items()))
        self.config.write_text(config + SSH_COMMON.format(
            me=ME, key=client.path, known_hosts=known_hosts, cipher=CIPHER))

    @staticmethod
    def daemon(stack, daemon):
        stack.callback(daemon.stop)  # also if it starts and does not answer
        return daemon.start()

    def argv(self, *args):
        return ["ssh", "-F", str(self.config), *map(str, args)]

    def popen(self, argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        with open(self.dir / "ssh.log", "ab") as log:
            p = subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=log, env=self.env)
        self.started.append(p)
        return p

    def end(self, *processes):
        for p in processes:
            if p.poll() is None:
                p.kill()  # it may be stopped
            procs.end(p)
            self.started.remove(p)

    def finish(self, p, what, timeout=60):
        # Popen.wait(timeout) polls only every 50 ms.
        fd = os.pidfd_open(p.pid)
        try:
            ended, _, _ = select.select([fd], [], [], timeout)
        finally:
            os.close(fd)
        if not ended:
            raise Unmeasured(f"{what}: no end within {timeout} s")
        self.started.remove(p)
        if p.wait() != 0:
            said = (self.dir / "ssh.log").read_text(errors="replace")[-1000:]
            raise Unmeasured(f"{what}: exit {p.returncode}: {said}")

    def timed(self, argv, what, stdin=subprocess.DEVNULL):
        """The seconds that a command takes."""
        start = time.monotonic()
        p = self.popen(argv, stdin)
        self.finish(p, what)
        return time.monotonic() - start

    def connection(self, way):
        """A connection that commands share: (its ssh, its control socket)."""
        path = self.dir / f"c.{way}.{len(self.started)}"
        p = self.popen(self.argv("-M", "-S", path, "-N", way))
        wait_for(f"login: {way}", lambda: path.exists() or p.poll() is not None, 30)
        if p.poll() is not None:
            self.finish(p, f"login: {way}")
            raise Unmeasured(f"login: {way}: ended at once")
        return p, path

    def close(self):
        self.end(*self.started[::-1])


def cpu_seconds(pid):
    """User and system time of a process of one thread."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9
    except FileNotFoundError:
        return procs.Proc(pid).cpu()


def cpu_of_all(top):
    """CPU seconds of a process and its descendants, those that have ended and been waited for among them."""
    total = 0
    for pid in [top, *(p.pid for p in procs.descendants(top))]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/stat", "rb") as f:
                ended = f.read().rpartition(b") ")[2].split()[13:15]
            total += cpu_seconds(pid) + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
    return total


def ticks():
    """CPU time so far: available on this host, used, and used by processes that we started."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = [int(n) for n in f.readline().split()[1:9]]
    idle = fields[3] + fields[4]
    ours = 0
    for pid in [os.getpid(), *(p.pid for p in procs.descendants(os.getpid()))]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/stat", "rb") as f:
                ours += sum(int(n) for n in f.read().rpartition(b") ")[2].split()[11:15])
    return sum(fields), sum(fields) - idle, ours


def used_by_others(before, after):
    """The share of the CPU time that other processes used."""
    total, busy, ours = (b - a for a, b in zip(before, after))
    return max(0.0, (busy - ours) / total)


def ratio(figures, a, b):
    """Median, least and greatest of the rounds' ratios of a to b."""
    each = [x / y for x, y in zip(figures[a], figures[b])]
    return {"median": statistics.median(each), "min": min(each), "max": max(each)}


def rounds(least_most, budget, times):
    """Count rounds until there are enough, or the time is over."""
    least, most = least_most
    start = time.monotonic()
    for i in range(most * times):
        used = time.monotonic() - start
        if i >= least and used + used / i > budget * times:
            return
        yield i


def transfer(field, way, path, direction, size):
    """The seconds that this many bytes take over an open connection."""
    ssh = field.argv("-S", path, way)
    what = f"{size // MIB} MiB {direction}: {way}"
    if direction == "down":
        return field.timed(ssh + [f"head -c {size} /dev/zero"], what)
    head = field.popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
    with head.stdout as pipe:
        seconds = field.timed(ssh + ["cat >/dev/null"], what, stdin=pipe)
    field.finish(head, what)
    return seconds


# --- table ---------------------------------------------------------------------------------------


def verdict(value, target):
    return "" if target is None else f"<= {target:<6.4g}" + ("ok" if value <= target else "OVER")


def heading(*columns):
    print("  {:<16}{:>9}{:>9}{:>9}  {}".format(*columns))


def row(name, a, b, c, r, target=None):
    cells = "".join(f"{'' if v is None else format(v, '.3f' if v < 20 else '.0f'):>9}" for v in (a, b, c))
    spread = f"[{r['min']:.2f}-{r['max']:.2f}]"
    print(f"  {name:<16}{cells}  {r['median']:5.2f} {spread:<13}{verdict(r['median'], target)}")


def amount(name, value, unit, target=None):
    print(f"  {name:<44}{value:8.1f} {unit}  {verdict(value, target)}".rstrip())


# --- all of it -----------------------------------------------------------------------------------


def machine(field, congestion_control):
    version = subprocess.run([SALLYPORT, "version"], capture_output=True, text=True, check=False).stdout
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    return {
        "cores": len(os.sched_getaffinity(0)),
        "congestion_control": congestion_control,
        "load": os.getloadavg()[0],
        "sallyport": ", ".join(version.split("\n")).strip(", "),
        "openssh": ssh.split(",")[0],
        "haproxy": field.haproxy.version(),
    }


def measure(servers, available, directory, parts, times):
    congestion_control = unpaced()
    with contextlib.ExitStack() as stack:
        field = servers(directory, stack)
        result = {"machine": machine(field, congestion_control)}
        about = result["machine"]
        print(f"{about['sallyport']}; {about['openssh']}; {about['haproxy']}")
        print(f"{about['cores']} cores, TCP {congestion_control}, load {about['load']:.1f}")
        for part in parts:
            run, show = available[part]
            start, before = time.monotonic(), ticks()
            result[part] = run(field, times)
            result[part]["took"] = round(time.monotonic() - start, 1)
            result[part]["used_by_others"] = others = round(used_by_others(before, ticks()), 2)
            show(result[part])
            if others > OTHERS_MAX and part != "memory":
                print(f"  others used {others:.0%} of the processors meanwhile: times, and ratios of times, are off")
            sys.stdout.flush()
        result["machine"]["load_after"] = os.getloadavg()[0]
    return result


def main(doc, servers, available):
    """servers(directory, stack): runs what is measured.  available: {part: (measure it, print it)}."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--only", choices=available, action="append", help="run this part alone")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="N times the rounds")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    args = parser.parse_args()
    if args.times < 1:
        parser.error("--times: 1 or more")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.umask(0o022)
    for name in [n for n in os.environ if n.startswith("SSH_")]:
        del os.environ[name]
    procs.adopt_orphans()
    start = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="sp.", dir="/tmp"))
    try:
        if sanitized():
            raise Unmeasured(f"{SALLYPORT} is built with a sanitizer: its figures mean nothing")
        result = measure(servers, available, directory, args.only or list(available), args.times)
    except (Unmeasured, AssertionError, OSError) as e:
        print(f"bench: could not measure: {e}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"took {time.monotonic() - start:.0f} s")
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    return 0
