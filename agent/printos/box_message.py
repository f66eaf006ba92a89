"""What Box says of folders and files, and what a file's preflight comes to as a job. Pure.

Of a preflight's end no recording is public: only the words of one that runs are known (`Preflighting`, `pending`). So
its words are read by what they mean, and one that means nothing here is neither a success nor a failure.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.errors import CloudRefusedError
from agent.job import JobReading, JobState
from agent.printos.exchange import printable

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
ITEMS_LIMIT = 1000
TOLD_LIMIT = 3
NAMES_OF_FINDINGS = ("message", "description", "text", "name", "title", "type")

DENYING = frozenset({"not", "no", "never", "un"})
PASSING = frozenset(
    {"ok", "pass", "passed", "ready", "success", "succeeded", "successful", "done", "complete", "completed", "warning"}
    | {"warnings", "fixed"}
)
FAILING = frozenset(
    {"error", "errors", "fail", "failed", "failure", "invalid", "rejected", "corrupt", "corrupted", "damaged"}
)
GOING = frozenset(
    {"pending", "preflighting", "processing", "uploading", "downloading", "fetching", "queued", "waiting", "new"}
    | {"converting", "created", "running", "started", "progress", "analyzing"}
)


class Outcome(enum.Enum):
    """What a preflight has come to."""

    GOING = "it goes on"
    PASSED = "it has passed"
    FAILED = "it has failed"
    UNKNOWN = "its words mean nothing here"


@dataclass(frozen=True, slots=True)
class BoxFile:
    """A file in Box: `last_action`, `status`, `errors` and `warnings` are its own words, made fit for a log."""

    id: str
    folder_id: str | None
    name: str
    size: int | None
    source_url: str | None
    last_action: str
    status: str
    pages: int | None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What its preflight has come to: by its status, else by its last action where that tells of a failure.

        While either says that it goes on, it does; where they contradict each other otherwise, nothing is known.
        """
        status, action = _meaning(self.status), _meaning(self.last_action)
        if Outcome.GOING in (status, action):
            return Outcome.GOING
        if status is Outcome.UNKNOWN:
            return Outcome.FAILED if action is Outcome.FAILED else Outcome.UNKNOWN
        return status if action in (status, Outcome.UNKNOWN) else Outcome.UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """Give the file for the command line."""
        return {
            "id": self.id,
            "folder_id": self.folder_id,
            "name": self.name,
            "size": self.size,
            "pages": self.pages,
            "last_action": self.last_action,
            "status": self.status,
            "errors": list(self.errors),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class BoxFolder:
    """A folder in Box; `files` are those that it names, which the recorded one does not."""

    id: str
    name: str
    file_count: int | None
    total_size: int | None
    status: str
    preflight_status: str
    files: tuple[BoxFile, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the folder for the command line."""
        return {
            "id": self.id,
            "name": self.name,
            "file_count": self.file_count,
            "total_size": self.total_size,
            "status": self.status,
            "preflight_status": self.preflight_status,
            "files": [file.to_json() for file in self.files],
        }


@dataclass(frozen=True, slots=True)
class Flow:
    """An easy-submit flow; a ticket may name it by either."""

    id: str
    name: str


def parse_file(content: Any) -> BoxFile:
    """Read a file.

    Raises:
        CloudRefusedError: the answer is none.
    """
    version = _dict(_dict(content).get("currentVersion"))
    preflight = _dict(version.get("preflight")) or _dict(_dict(content).get("preflight"))
    return BoxFile(
        id=_id(content, "file"),
        folder_id=_text(content, "folderId") or None,
        name=_text(content, "name"),
        size=_count(content, "size"),
        source_url=_url(content),
        last_action=_text(content, "lastAction"),
        status=_text(version, "status") or _text(content, "status"),
        pages=_count(version, "pageCount") or None,
        errors=tuple(_findings(preflight, "errors")),
        warnings=tuple(_findings(preflight, "warnings")),
    )


def parse_folder(content: Any) -> BoxFolder:
    """Read a folder.

    Raises:
        CloudRefusedError: the answer is none.
    """
    files = _dict(content).get("files")
    return BoxFolder(
        id=_id(content, "folder"),
        name=_text(content, "name"),
        file_count=_count(content, "fileCount"),
        total_size=_count(content, "totalSize"),
        status=_text(content, "status"),
        preflight_status=_text(content, "preflightStatus"),
        files=tuple(parse_file(file) for file in _items(files) if _is_file(file)),
    )


def parse_substrates(content: Any) -> tuple[str, ...]:
    """Read the substrates: an array of names, or of objects with names, bare or within `items`."""
    names = (item if isinstance(item, str) else _text(item, "name") for item in _listed(content))
    return tuple(filter(None, map(printable, names)))


def parse_flows(content: Any) -> tuple[Flow, ...]:
    """Read the flows: `items` with `name` and `_id`, or that array bare."""
    flows = (Flow(_text(item, "_id") or _text(item, "id"), _text(item, "name")) for item in _listed(content))
    return tuple(flow for flow in flows if flow.id or flow.name)


def reading_of(file: BoxFile) -> JobReading:
    """Tell what a file is as a job: completed once its preflight has passed, aborted where that has failed.

    Its pages are no impressions: nothing is printed in Box.
    """
    match file.outcome:
        case Outcome.PASSED:
            return JobReading(JobState.COMPLETED, file.id, state_reasons=_how_it_passed(file), message=_passed(file))
        case Outcome.FAILED:
            told = _said(file.errors) or f"{file.last_action} {file.status}".strip()
            message = f"Box has it, and its preflight failed: {told}"
            return JobReading(JobState.ABORTED, file.id, state_reasons=("document-format-error",), message=message)
    message = f"in Box, its preflight goes on ({shown_state(file)})"
    return JobReading(JobState.PROCESSING, file.id, state_reasons=("job-interpreting",), message=message)


def shown_state(file: BoxFile) -> str:
    """Say how a file is, in Box's words."""
    return ", ".join(filter(None, (file.last_action, file.status))) or "it says nothing"


def _passed(file: BoxFile) -> str:
    pages = f" ({file.pages} {'page' if file.pages == 1 else 'pages'})" if file.pages else ""
    notes = _said((*file.errors, *file.warnings))
    return f"Box has it and its preflight has passed{pages}{f': {notes}' if notes else ''}"


def _how_it_passed(file: BoxFile) -> tuple[str, ...]:
    if file.errors:
        return ("job-completed-with-errors",)
    return ("job-completed-with-warnings",) if file.warnings else ("job-completed-successfully",)


def _said(findings: Iterable[str]) -> str:
    found = list(findings)
    more = f" and {len(found) - TOLD_LIMIT} more" if len(found) > TOLD_LIMIT else ""
    return "; ".join(found[:TOLD_LIMIT]) + more


def _meaning(text: str) -> Outcome:
    words = {word.lower() for word in WORD.findall(text)}
    if words & DENYING:
        return Outcome.UNKNOWN
    meanings = ((FAILING, Outcome.FAILED), (GOING, Outcome.GOING), (PASSING, Outcome.PASSED))
    return next((outcome for meant, outcome in meanings if words & meant), Outcome.UNKNOWN)


def _id(content: Any, what: str) -> str:
    found = next((value for name in ("_id", "id") if isinstance(value := _dict(content).get(name), str)), "")
    if not ID.fullmatch(found):
        raise CloudRefusedError(f"Box answers with no {what}", status=200)
    return found


def _is_file(content: Any) -> bool:
    try:
        _id(content, "file")
    except CloudRefusedError:
        return False
    return True


def _url(content: Any) -> str | None:
    """Give where a file came from, as it is: it is compared, and never shown."""
    url = _dict(content).get("sourceUrl")
    return url if isinstance(url, str) else None


def _findings(preflight: Mapping[str, Any], name: str) -> Iterator[str]:
    for item in _items(preflight.get(name)):
        texts = (_text(item, key) for key in NAMES_OF_FINDINGS) if isinstance(item, dict) else (printable(str(item)),)
        if text := next(filter(None, texts), ""):
            yield text


def _listed(content: Any) -> list[Any]:
    return _items(content.get("items") if isinstance(content, dict) else content)


def _items(content: Any) -> list[Any]:
    return content[:ITEMS_LIMIT] if isinstance(content, list) else []


def _dict(content: Any) -> Mapping[str, Any]:
    return content if isinstance(content, dict) else {}


def _text(content: Any, name: str) -> str:
    value = _dict(content).get(name)
    return printable(value) if isinstance(value, str) else ""


def _count(content: Any, name: str) -> int | None:
    value = _dict(content).get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
