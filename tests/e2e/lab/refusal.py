"""The message that a refused user sees."""

import re


def session_id(said):
    """The session id in a message, or None."""
    found = re.search(r"\(session ([0-9a-f]{4,})\)", said)
    return found[1] if found else None


def one_line(said):
    """The gateway's line in the output of ssh; there must be exactly one."""
    lines = [line for line in said.splitlines() if line.startswith("sallyport:")]
    assert len(lines) == 1, said
    return lines[0]


def masked(said, *names):
    """A message without what varies between refusals: names, ids, ports."""
    for name in names:
        said = said.replace(name, "NAME")
    said = re.sub(r"\(session [0-9a-f]+\)", "(session ID)", said)
    return re.sub(r"port \d+", "port N", said)
