from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.hot_folder_names import is_left_alone, job_name, numbered, pair, shown

BROKEN = os.fsdecode(b"caf\xe9 \n.pdf")


@pytest.mark.parametrize(
    "name",
    [
        ".order.pdf", ".~lock.order.pdf#", "._order.pdf", ".order.pdf.Xy12Zq",
        "~$order.pdf", "order.pdf~", "order.pdf.tmp",
        "order.TMP", "order.pdf.part", "order.pdf.filepart", "order.crdownload", "Thumbs.db",
        "desktop.ini", ".DS_Store", "Icon\r",
    ],
)  # fmt: skip
def test_what_programs_have_not_finished_and_systems_leave_is_left_alone(name: str) -> None:
    """The list is closed, and in the documents."""
    assert is_left_alone(name)


@pytest.mark.parametrize("name", ["order.pdf", "order", "partial order.pdf", "tmp.pdf", "Bestellung Nr. 7.PDF", BROKEN])
def test_any_other_name_is_a_document_s(name: str) -> None:
    """Whatever a customer calls it."""
    assert not is_left_alone(name)


@pytest.mark.parametrize(
    ("ticket", "named", "documents", "document"),
    [
        ("Order.jdf", None, ["order.PDF"], "order.PDF"),
        ("order.pdf.jdf", None, ["order.pdf", "order.ps"], "order.pdf"),
        ("order.jdf", None, ["order.ps", "order.pdf"], "order.pdf"),
        ("order.jdf", "artwork 7.pdf", ["order.pdf", "Artwork 7.pdf"], "Artwork 7.pdf"),
        ("order.jdf", "elsewhere.pdf", ["order.pdf"], "order.pdf"),
        ("u\u0308ber.jdf", None, ["\u00fcber.pdf"], "\u00fcber.pdf"),
        ("order.jdf", None, ["other.pdf"], ""),
    ],
)
def test_a_ticket_finds_its_document(ticket: str, named: str | None, documents: list[str], document: str) -> None:
    """By what it names, else by its own name; Windows and Macs write names otherwise."""
    assert pair({ticket: named}, documents) == ({document: ticket} if document else {})


def test_the_first_of_two_tickets_for_one_document_is_its() -> None:
    """The other waits for a document of its own."""
    assert pair({"a.jdf": "order.pdf", "order.jdf": None}, ["order.pdf"]) == {"order.pdf": "a.jdf"}


def test_a_job_is_called_as_its_file_but_for_the_ending() -> None:
    """Also where that is no UTF-8."""
    assert [job_name(name) for name in ("Order 17.pdf", "order", BROKEN)] == ["Order 17", "order", "caf\ufffd \n"]


def test_a_hostile_name_is_shown_in_one_short_line() -> None:
    """In the log, in events, and to people."""
    assert shown(BROKEN) == "caf\ufffd ?.pdf"
    assert shown("\x1b[2J" + "x" * 300) == "?[2J" + "x" * 76 + "…"


@pytest.mark.parametrize("name", ["o" * 251 + ".pdf", "ö" * 125 + ".pdf", BROKEN, "o." + "p" * 253, "order"])
def test_a_numbered_name_fits_on_any_disk(tmp_path: Path, name: str) -> None:
    """With the ending of its reason, too; what it is called otherwise stays."""
    for number in (1, 2, 1000):
        (tmp_path / f"{numbered(name, number)}.txt").touch()
    assert len(list(tmp_path.iterdir())) == 3


def test_names_are_numbered_before_their_ending() -> None:
    """So that they still open by a click."""
    assert [numbered("order.pdf", number) for number in (1, 2)] == ["order.pdf", "order (2).pdf"]
