"""The blocks of the documents, for tests that run what is written there."""

import re

from .gateway import TREE


def blocks(path, heading):
    """The fenced blocks below this heading, up to the next heading of any level: [(language, text)]."""
    text = (TREE / path).read_text()
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", _without_fences(text), re.M | re.S)
    assert found, f"{path}: no heading {heading!r}"
    return re.findall(r"^```(\w*)\n(.*?)^```$", text[found.start(1):found.end(1)], re.M | re.S)


def _without_fences(text):
    """The same text with blanks for what is in fences: a # there is no heading."""
    return re.sub(r"^```\w*\n.*?^```$", lambda m: re.sub(r"\S", ".", m[0]), text, flags=re.M | re.S)


def block(path, heading, language, number=0):
    """The text of one block of a language."""
    found = [text for kind, text in blocks(path, heading) if kind == language]
    assert len(found) > number, f"{path}, {heading}: {found}"
    return found[number]


def put(text, *replacements):
    """The text with (old, new) replaced; each old must be in it, so that text and test cannot part."""
    for old, new in replacements:
        assert old in text, f"{old!r} is not in:\n{text}"
        text = text.replace(old, str(new))
    return text
