"""What the documents name is there."""

import re

import pytest

from lab.gateway import TREE

SECURITY = (TREE / "SECURITY.md").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:test|fuzz)_\w+(?:\.py)?)`", SECURITY))))
def test_a_test_that_security_names_is_there(name):
    places = [f"tests/e2e/{name}"] if name.endswith(".py") else [f"tests/unit/{name}.c", f"tests/fuzz/{name}.c"]
    assert any((TREE / place).is_file() for place in places)


def test_each_finding_of_the_review_has_an_end():
    rows = re.findall(r"^\| (\d+) \|.*\| (fixed|cannot be fixed|documented|the upstream as|keeper and)", SECURITY, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 25))
