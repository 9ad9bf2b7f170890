"""What the documents refer to exists."""

import re

import pytest

from lab.gateway import TREE

SECURITY = (TREE / "SECURITY.md").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:test|fuzz)_\w+(?:\.py)?)`", SECURITY))))
def test_tests_named_in_security_exist(name):
    places = [f"tests/e2e/{name}"] if name.endswith(".py") else [f"tests/unit/*/{name}.c", f"tests/fuzz/{name}.c"]
    assert any(list(TREE.glob(place)) for place in places)


def test_each_finding_has_a_resolution():
    rows = re.findall(r"^\| (\d+) \|.*\| (fixed|cannot be fixed|documented|the upstream as|keeper and)", SECURITY, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 25))


# doc/PROTOCOL.keeper and src/ipc/ipc.def: the same messages, senders, phases and descriptors.

SENDERS = {
    "Keeper to master": "KEEPER_TO_MASTER",
    "Master to keeper": "MASTER_TO_KEEPER",
    "Master to edge": "MASTER_TO_EDGE",
    "Edge to master": "EDGE_TO_MASTER",
    "Master to forwarder": "MASTER_TO_FORWARDER",
    "Forwarder to master": "FORWARDER_TO_MASTER",
    "Errand to keeper, or to the forwarder: its one answer, but for FACTOR": "ERRAND_TO_KEEPER",
    "Keeper to errand: its order": "KEEPER_TO_ERRAND",
    "Keeper to session": "KEEPER_TO_SESSION",
    "Session to keeper": "SESSION_TO_KEEPER",
    "Keeper to TLS process": "KEEPER_TO_TLS",
    "TLS process to keeper": "TLS_TO_KEEPER",
}


def documented_messages():
    sender, messages = None, {}
    for line in (TREE / "doc/PROTOCOL.keeper").read_text().splitlines():
        sender = SENDERS.get(line, sender)
        entry = re.fullmatch(r"([A-Z_]+)((?: [A-Z_]+)+| any)( \+fd)?", line)
        if sender and entry:
            assert entry[1] not in messages
            messages[entry[1]] = (sender, frozenset(entry[2].split()), bool(entry[3]))
    return messages


def listed_messages():
    text = re.sub(r"/\*.*?\*/", "", (TREE / "src/ipc/ipc.def").read_text(), flags=re.S)
    messages = {}
    for name, way, phases, descriptor in re.findall(r"IPC_MESSAGE\((\w+), IPC_(\w+),\s*([^,]+),\s*(\d)\)", text):
        phases = frozenset(p.strip().removeprefix("IPC_PHASE_") for p in phases.split("|"))
        messages[name] = (way, frozenset(["any"]) if phases == {"ANY"} else phases, descriptor == "1")
    return messages


def test_protocol_has_every_message():
    listed = listed_messages()
    assert len(listed) > 30
    assert documented_messages() == listed


@pytest.mark.parametrize("path", ["doc/ARCHITECTURE.md", "doc/HACKING.md", "doc/PROTOCOL.keeper", "doc/PROTOCOL.store",
                                  "doc/PROTOCOL.state", "tests/README.md"])
def test_files_that_a_document_names_exist(path):
    """What looks like a file of the tree is one: src/..., or DIR/NAME.c below src/."""
    text = (TREE / path).read_text()
    names = set(re.findall(r"(?<![\w/.*-])((?:[a-z0-9_-]+/)+[\w-]+\.(?:c|h|py|def|md|ini|5|8))\b", text))
    assert names
    missing = [n for n in sorted(names) if not re.search("NAME|NOUN", n) and not any(
        (TREE / base / n).is_file() for base in ("", "src", "tests/e2e", "tests", path.rpartition("/")[0]))]
    assert not missing


PAGES = ["README.md", "SECURITY.md", "CHANGES.md", "plugins/exec/README.md", "keys/README.md",
         *(str(p.relative_to(TREE)) for p in TREE.glob("doc/*.md"))]


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (TREE / path).read_text())
    assert [link for link in links if ":" not in link and not ((TREE / path).parent / link).exists()] == []


def test_comments_name_documents_that_exist():
    documents = re.compile(r"\bDESIGN\b|\bFAULTS F\d|\bdoc/([\w.-]+)")
    for source in [*TREE.glob("src/**/*.[ch]"), *TREE.glob("plugins/*.[ch]"), *TREE.glob("tests/**/*.[chp]*")]:
        if source.suffix not in (".c", ".h", ".py") or source.name == "test_documents.py":
            continue
        for match in documents.finditer(source.read_text()):
            assert match[1] and (TREE / "doc" / match[1].rstrip(".")).is_file(), (source, match[0])


# doc/from-sshpiper.md: what it says to write exists.

PIPER = (TREE / "doc/from-sshpiper.md").read_text()


def anchors(document):
    """The names by which headings are linked to."""
    headings = re.findall(r"^#+ (.*)$", (TREE / "doc" / document).read_text(), re.M)
    return {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)]+)\)", PIPER))))
def test_links_for_users_of_sshpiper_lead_somewhere(target):
    path, _, anchor = target.partition("#")
    assert (TREE / "doc" / path).exists()
    assert not anchor or anchor in anchors(path)


def test_keywords_for_users_of_sshpiper_exist():
    """Code that looks like a keyword, at the beginning of a span or of a line of a block."""
    manual = (TREE / "man/sallyport.conf.5").read_text()
    known = set(re.findall(r"^\.It Cm (\w+)", manual, re.M))
    here = [row.rpartition(" | ")[2] for row in PIPER.splitlines() if row.startswith("| ")]
    named = {k for cell in here for k in re.findall(r"`([A-Z][a-z]\w+)(?: = [^`]*)?`", cell)}
    named |= set(re.findall(r"^([A-Z]\w+) += ", PIPER, re.M))
    assert len(named) > 30
    assert named - known <= {"Pipe"}, named - known


def test_commands_for_users_of_sshpiper_exist():
    subcommands = set(re.findall(r"X\((\w+)\)", (TREE / "src/cli/cli.h").read_text()))
    named = set(re.findall(r"(?:`|^)sallyport ([a-z-]+)", PIPER, re.M))
    assert len(named) > 3 and named <= subcommands, named
    assert (TREE / "contrib/from-sshpiper").is_file() and "share/sallyport/from-sshpiper" in PIPER
    assert "contrib/from-sshpiper $(SHARE)/sallyport" in (TREE / "Makefile").read_text()
