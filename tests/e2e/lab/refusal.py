"""What a person is told when it does not work out."""

import re


def session_id(said):
    """The session id a refusal names, or None."""
    found = re.search(r"\(session ([0-9a-f]{4,})\)", said)
    return found[1] if found else None


def one_line(said):
    """The line of ours in what ssh wrote; there is one and no more."""
    lines = [line for line in said.splitlines() if line.startswith("sallyport:")]
    assert len(lines) == 1, said
    return lines[0]


def masked(said, *names):
    """said with what may differ from one refusal to the next taken out: names, ids, ports."""
    for name in names:
        said = said.replace(name, "NAME")
    said = re.sub(r"\(session [0-9a-f]+\)", "(session ID)", said)
    return re.sub(r"port \d+", "port N", said)
