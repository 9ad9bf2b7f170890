"""What the documents refer to exists."""

import re

import pytest

from lab.gateway import TREE

SECURITY = (TREE / "SECURITY.md").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:test|fuzz)_\w+(?:\.py)?)`", SECURITY))))
def test_tests_named_in_security_exist(name):
    places = [f"tests/e2e/{name}"] if name.endswith(".py") else [f"tests/unit/{name}.c", f"tests/fuzz/{name}.c"]
    assert any((TREE / place).is_file() for place in places)


def test_each_finding_has_a_resolution():
    rows = re.findall(r"^\| (\d+) \|.*\| (fixed|cannot be fixed|documented|the upstream as|keeper and)", SECURITY, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 25))
