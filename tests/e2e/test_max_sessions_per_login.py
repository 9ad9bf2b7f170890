"""MaxSessionsPerLogin: connections of one login at once."""

import pytest

from lab.client import echoes, open_session
from lab.wait import PATIENCE, wait_for

REFUSED = "sallyport: you have as many connections as this login may have at once: close one, and connect again"
IN_LOG = "refused: MaxSessionsPerLogin: this login has 1 connections already"


def closes(p):
    """End a session of open_session()."""
    p.communicate(b"", timeout=PATIENCE)


@pytest.mark.parametrize("passthrough", ["no", "yes"])
def test_one_beyond_the_limit_is_refused_after_its_proof(gated, ring, passthrough):
    w = gated(route={"MaxSessionsPerLogin": "1", "Passthrough": passthrough})
    held = open_session(w.client)
    r = w.ssh("echo in")
    assert r.code == 255 and REFUSED in r.err, r
    assert w.gateway.log.wait(IN_LOG)
    stranger = w.new_client(key=ring.get("other")).ssh("echo in")
    assert "Permission denied" in stranger.err and REFUSED not in stranger.err
    echoes(held)
    closes(held)
    wait_for("a login once the first has ended", w.lets_in)
