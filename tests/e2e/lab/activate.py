"""A stand-in for systemd with a socket unit: activate.py ADDRESS... -- COMMAND binds the addresses, runs the
command with the sockets (sd_listen_fds(3)), and runs it again when it fails.

SIGTERM is passed to the command, and ends both.  SIGUSR1 is `systemctl restart`: SIGTERM to the command, which
is run again when it has ended.
"""

import os
import signal
import socket
import sys
import time

FIRST = 3


def bound(address):
    host, _, port = address.rpartition(":")
    s = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if s.family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((host.strip("[]"), int(port)))
    s.listen(128)
    return s


def main():
    split = sys.argv.index("--")
    words, command = sys.argv[1:split], sys.argv[split + 1:]
    sockets = [bound(word) for word in words]
    child, ended, again = 0, False, False

    def end(number, _):
        nonlocal ended, again
        ended, again = number == signal.SIGTERM, number == signal.SIGUSR1
        if child:
            os.kill(child, signal.SIGTERM)

    signals = (signal.SIGTERM, signal.SIGUSR1)
    for number in signals:
        signal.signal(number, end)
    while not ended:
        # a signal between the fork and what follows it would reach neither process
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        child = os.fork()
        if child == 0:
            for number in signals:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        if child == 0:
            # out of the way of the numbers below
            high = [os.dup(os.dup2(s.fileno(), 100 + i)) for i, s in enumerate(sockets)]
            for i, fd in enumerate(high):
                os.dup2(fd, FIRST + i, inheritable=True)
            os.closerange(FIRST + len(high), 200)
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
            os.execvp(command[0], command)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        child = 0
        if again:
            again = False
            continue
        if status in (0, 2, 78):
            sys.exit(status)
        time.sleep(0.1)  # RestartSec of contrib/sallyport.service


if __name__ == "__main__":
    main()
