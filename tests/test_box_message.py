"""What Box says, of whatever shape: a recording, guesses at what nobody has recorded, and hostile answers."""

from __future__ import annotations

from typing import Any

import pytest

from agent.errors import CloudRefusedError
from agent.job import JobState
from agent.printos.box_message import (
    Flow,
    Outcome,
    parse_file,
    parse_flows,
    parse_folder,
    parse_substrates,
    reading_of,
)

ID = "57d05577f20c5a1100fb5b80"
RECORDED: dict[str, Any] = {
    "__v": 1,
    "_id": ID,
    "id": ID,
    "currentRevision": 2,
    "currentVersion": {
        "_id": "57d05577f20c5a1100fb5b84",
        "pageConfigs": [],
        "pageCount": 0,
        "pages": [],
        "preflight": {"fixups": []},
        "profile": "standard",
        "revision": 2,
        "size": 0,
        "status": "pending",
    },
    "folderId": "57d054aaf20c5a1100fb5b4c",
    "lastAction": "Preflighting",
    "lastPrinted": None,
    "name": "Python_File.pdf",
    "printInstructions": {"copies": 1, "notes": "File was uploaded using Python"},
    "size": 0,
    "sourceUrl": "https://bucket.example/a",
}


def a_file(status: str, action: str = "", **preflight: Any) -> dict[str, Any]:
    """Give a file whose preflight has come to something."""
    version = RECORDED["currentVersion"] | {"status": status, "preflight": {"fixups": [], **preflight}, "pageCount": 3}
    return RECORDED | {"lastAction": action, "currentVersion": version}


def test_the_recorded_file_is_being_looked_at() -> None:
    """As HP's sample shows it, seconds after it was made."""
    file = parse_file(RECORDED)
    assert (file.id, file.folder_id, file.name, file.pages) == (ID, RECORDED["folderId"], "Python_File.pdf", None)
    assert file.outcome is Outcome.GOING
    assert reading_of(file).state is JobState.PROCESSING


@pytest.mark.parametrize(
    ("status", "action", "outcome"),
    [
        ("ok", "Preflighted", Outcome.PASSED),
        ("ok", "", Outcome.PASSED),
        ("ready", "Printed", Outcome.PASSED),
        ("warning", "Preflighted", Outcome.PASSED),
        ("completed", "Preflight passed", Outcome.PASSED),
        ("error", "Preflighted", Outcome.FAILED),
        ("preflightFailed", "", Outcome.FAILED),
        ("done", "Preflighting", Outcome.GOING),
        ("pending", "Preflighted", Outcome.GOING),
        ("error", "Preflighting", Outcome.GOING),
        ("ok", "Preflight failed", Outcome.UNKNOWN),
        ("inProgress", "", Outcome.GOING),
        ("", "Preflight failed", Outcome.FAILED),
        ("not ready", "", Outcome.UNKNOWN),
        ("zzz", "Preflighted", Outcome.UNKNOWN),
        ("", "", Outcome.UNKNOWN),
    ],
)
def test_its_words_are_read_by_their_meaning(status: str, action: str, outcome: Outcome) -> None:
    """What either says to go on, does; what is new, or a contradiction, is neither good nor bad."""
    assert parse_file(a_file(status, action)).outcome is outcome


@pytest.mark.parametrize(
    ("found", "reason", "words"),
    [
        ({}, "job-completed-successfully", "has passed (3 pages)"),
        ({"warnings": ["Low resolution"]}, "job-completed-with-warnings", "(3 pages): Low resolution"),
        ({"warnings": [{"message": "RGB"}, {"name": "a"}, "b", "c"]}, "job-completed-with-warnings", "RGB; a; b and 1"),
        ({"errors": [{"description": "No bleed"}]}, "job-completed-with-errors", "No bleed"),
    ],
)
def test_what_a_passed_preflight_found_is_told(found: dict[str, Any], reason: str, words: str) -> None:
    """In Box's words, in whichever shape they come."""
    reading = reading_of(parse_file(a_file("ok", "Preflighted", **found)))
    assert (reading.state, reading.state_reasons) == (JobState.COMPLETED, (reason,))
    assert words in reading.message


def test_what_a_failed_preflight_found_is_told() -> None:
    """Its errors, else the words of its state."""
    told = reading_of(parse_file(a_file("error", "Preflighted", errors=["Damaged"])))
    untold = reading_of(parse_file(a_file("error", "Preflighted")))
    assert (told.state, told.state_reasons) == (JobState.ABORTED, ("document-format-error",))
    assert "Damaged" in told.message
    assert "Preflighted error" in untold.message


def test_a_folder_is_read_with_the_files_that_it_may_list() -> None:
    """HP's recorded one lists none."""
    folder = {"_id": ID, "name": "N", "fileCount": 2, "totalSize": 7, "status": "ready", "preflightStatus": "ok"}
    assert parse_folder(folder).files == ()
    assert parse_folder(folder).file_count == 2
    listed = parse_folder(folder | {"files": [RECORDED, {"no": "id"}, "x"]})
    assert [file.id for file in listed.files] == [ID]


@pytest.mark.parametrize("content", [["Gloss", "Silk"], {"items": [{"name": "Gloss"}, "Silk", 7]}])
def test_substrates_come_as_texts_or_objects(content: Any) -> None:
    """The samples have texts."""
    assert parse_substrates(content) == ("Gloss", "Silk")


@pytest.mark.parametrize("content", [{"items": [{"_id": "1", "name": "Cards"}, 3]}, [{"id": "1", "name": "Cards"}]])
def test_flows_come_within_items_or_bare(content: Any) -> None:
    """The samples have items."""
    assert parse_flows(content) == (Flow("1", "Cards"),)


@pytest.mark.parametrize("content", [None, [], "x", {}, {"_id": 7}, {"_id": "../../etc"}, {"id": "a" * 65}])
def test_an_answer_without_an_id_is_none(content: Any) -> None:
    """An id becomes part of a path."""
    with pytest.raises(CloudRefusedError):
        parse_file(content)
    with pytest.raises(CloudRefusedError):
        parse_folder(content)


def test_what_is_hostile_is_tamed() -> None:
    """Control characters, wrong types, endless lists."""
    version = {"status": "o\x1b[31mk\n", "pageCount": "many", "preflight": {"errors": "x", "warnings": [None] * 5000}}
    file = parse_file({"_id": ID, "name": 7, "size": -1, "sourceUrl": 9, "lastAction": [], "currentVersion": version})
    assert (file.name, file.size, file.source_url, file.pages, file.last_action) == ("", None, None, None, "")
    assert file.status.isprintable()
    assert len(reading_of(file).message) < 1000
    assert parse_file({"_id": ID, "currentVersion": "x"}).outcome is Outcome.UNKNOWN
