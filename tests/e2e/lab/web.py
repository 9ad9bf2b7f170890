"""Web servers of the tests: Python's http.server on a port of 127.0.0.1 that the kernel chooses."""

import contextlib
import functools
import http.server
import threading

from .wait import PATIENCE


class Quiet(http.server.SimpleHTTPRequestHandler):
    """The files of a directory, without a line in the test's output for each request."""

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(handler):
    """A server that answers with this handler until the end of the block."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


def serving_files(directory):
    return serving(functools.partial(Quiet, directory=directory))
