"""Banner of a route: for those alone who have proven themselves."""

import pytest

TEXT = "Welcome, alice.\n\tSecond line.\n"


@pytest.fixture
def welcoming(gated, tmp_path):
    """welcoming(front=…, words of the route): its file has TEXT."""

    def make(front=None, **route):
        w = gated(front=front, route={"Banner": tmp_path / "welcome", **route})
        w.banner = tmp_path / "welcome"
        w.banner.write_text(TEXT)
        return w

    return make


def test_it_is_shown_after_the_proof_and_behind_that_of_the_gateway(welcoming, tmp_path):
    (tmp_path / "first").write_text("The gateway.\n")
    w = welcoming(front={"Banner": tmp_path / "first"})
    r = w.ssh("echo in; echo err >&2; exit 7", LogLevel="INFO")
    assert (r.code, r.text) == (7, "in\n"), r
    assert r.err.replace("\r", "") == "The gateway.\n" + TEXT + "err\n"


def test_nobody_else_sees_it(welcoming, ring):
    w = welcoming()
    for user in "alice", "nobody-of-that-name":
        r = w.new_client(key=ring.get("other"), user=user).ssh("echo in", LogLevel="INFO")
        assert r.code == 255 and "Permission denied" in r.err and "Welcome" not in r.err, r


def test_a_login_goes_on_without_a_file(welcoming):
    w = welcoming()
    w.banner.unlink()
    assert w.lets_in(LogLevel="INFO")
    assert w.gateway.log.wait("Banner: .*welcome.*; it is not shown")


def test_with_the_agent_of_the_client(agent_way, tmp_path):
    (tmp_path / "welcome").write_text(TEXT)
    r = agent_way(route={"Banner": tmp_path / "welcome"}).ssh("echo in", LogLevel="INFO")
    assert r.text == "in\n" and r.err.replace("\r", "") == TEXT
