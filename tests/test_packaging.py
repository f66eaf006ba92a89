"""What the project promises as a package: metadata, files at hand, and a lock that fits."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = sorted((REPOSITORY / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """Give the [project] table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return table


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    """Give the locked versions by normalised name."""
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {_normalised(name): version for name, _, version in pins}


def _normalised(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def _wanted(project: dict[str, Any]) -> list[str]:
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["demo"], *extras["dev"]]


def test_every_dependency_is_locked(project: dict[str, Any], locked: dict[str, str]) -> None:
    """What pyproject.toml asks for has an exact version in constraints.txt."""
    assert [name for name in _wanted(project) if _normalised(name) not in locked] == []


def test_the_lock_holds_exact_versions_only(locked: dict[str, str]) -> None:
    """No line of the lock is a path, an address or a range."""
    assert [name for name, version in locked.items() if not re.fullmatch(r"\d[0-9A-Za-z.+]*", version)] == []


def test_runtime_dependencies_have_lower_bounds_and_no_upper_ones(project: dict[str, Any]) -> None:
    """An integrator can bring newer libraries; CI has the lock."""
    bounded = re.compile(r"[A-Za-z0-9._-]+>=[0-9.]+")
    assert [name for name in project["dependencies"] if not bounded.fullmatch(name)] == []


def test_the_changelog_begins_with_what_is_not_released_yet() -> None:
    """Keep a Changelog: the section Unreleased stands first."""
    sections = re.findall(r"^## \[(.+?)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == "Unreleased"


def test_the_licence_is_the_one_that_is_declared(project: dict[str, Any]) -> None:
    """Apache-2.0, in full."""
    text = (REPOSITORY / "LICENSE").read_text()
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("path", [REPOSITORY / "README.md", *DOCUMENTS], ids=lambda path: path.name)
def test_links_between_the_documents_lead_somewhere(path: Path) -> None:
    """A relative link names a file of the repository."""
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
