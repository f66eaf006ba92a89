"""What the documents promise is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.__main__ import build_parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_reasons_of_the_documents_are_those_of_the_code() -> None:
    """The table of `agent-` reasons is closed: none is missing, none is made up."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "agent").rglob("*.py"))
    told = set(re.findall(r"^\| `(agent-[a-z-]+)`", (ROOT / "docs/mqtt.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert told == set(re.findall(r"\"(agent-[a-z-]+)\"", sources))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    """A page or a file that is gone would be found by a reader first."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_a_document_exists(document: Path) -> None:
    """The first word after `printos-agent` in an example is a command of the command line."""
    text = document.read_text(encoding="utf-8")
    examples = re.findall(r"^(?:sudo )?printos-agent(?: --config \S+)? ([a-z]+)", text, re.MULTILINE)
    known = next(action.choices for action in build_parser()._actions if action.dest == "command" or action.choices)
    assert known is not None
    assert [command for command in examples if command not in known] == []
