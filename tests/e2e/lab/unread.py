"""Whether a session has read what its client has sent."""

from . import procs


def bytes_unread_while_waiting(session, port):
    """The number of bytes from its client, at this port of 127.0.0.0/8, that the session has not read while it waits;
    None if it does not wait.
    """
    end = f":{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f][1:]
    on_their_way = [row[4] for row in rows if row[1].endswith(end) and not row[4].startswith("00000000:")]
    arrived = [int(row[4].partition(":")[2], 16) for row in rows if row[2].endswith(end)]
    if on_their_way or not arrived or procs.Proc(session.pid).state != "S":
        return None
    return arrived[0]


def all_read(session, port):
    return bytes_unread_while_waiting(session, port) == 0


def some_unread(session, port):
    return bytes_unread_while_waiting(session, port)
