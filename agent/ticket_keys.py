"""The keys of a ticket: what each may be. A check gives the value as the model has it, or says what it must be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from agent.errors import TicketError
from agent.job import CLOUD_DESTINATIONS, CloudDestination

NAME_LIMIT_BYTES = 255
TEXT_READ_LIMIT = 10_000
"""Characters of a text that are looked at: one of megabytes would hold up every other ticket."""

NOTES_LIMIT = 2000
ORDER_LIMIT_BYTES = 262_144
PIN_LIMIT = 64
FINISHINGS_LIMIT = 16
RANGES_LIMIT = 100
YEAR_SECONDS = 31_536_000
YEARS = range(2000, 2200)
INTEGER_MAX = 2**31 - 1

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
RANGE = re.compile(r"([1-9][0-9]{0,9})(?:-([1-9][0-9]{0,9}))?")
SIDES = ("one-sided", "two-sided-long-edge", "two-sided-short-edge")
QUALITIES = ("draft", "normal", "high")


def check(key: str, value: Any) -> Any:
    """Give the value of a known key as the model has it.

    Raises:
        TicketError: it is of another type, form or range; the message names the key.
    """
    return _checked(key, CHECKS[key], value)


def check_user(level: str) -> str:
    """Give the user that a topic names, which can't be cleaned: it is the name that limits count on.

    Raises:
        TicketError: it is empty, too long or not printable.
    """
    return str(_checked("the topic's user", _topic_level, level))


def _checked(key: str, convert: Callable[[Any], Any], value: Any) -> Any:
    """Convert a value, with the key in the error."""
    try:
        return convert(value)
    except ValueError as error:
        raise TicketError(f"{key}: {error}") from None


def _text(value: Any) -> str:
    """Clean a text for people: control characters and lone surrogates go, what is too long is cut."""
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - _checked names the key for every ValueError
    printable = "".join(character for character in value[:TEXT_READ_LIMIT] if character.isprintable())
    return printable.encode()[:NAME_LIMIT_BYTES].decode(errors="ignore").strip()


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {what}")
        return value

    return convert


def _one_of(*choices: str) -> Callable[[Any], str]:
    def convert(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return str(value)

    return convert


def _whole_number(low: int, high: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return convert


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - as in _text
    return value


def _topic_level(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value.encode()) <= NAME_LIMIT_BYTES or not value.isprintable():
        raise ValueError("must be printable text")
    return value


def _pin(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= PIN_LIMIT or not value.isprintable():
        raise ValueError(f"must be text of 1 to {PIN_LIMIT} characters")
    return value


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        in_utc = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a time such as 2026-01-02T03:04:05Z") from None
    if moment.tzinfo is None or in_utc.year not in YEARS:
        raise ValueError("must be a time with a time zone, of this age")
    return in_utc


def _keywords(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > FINISHINGS_LIMIT:
        raise ValueError(f"must be a list of at most {FINISHINGS_LIMIT} keywords")
    return tuple(dict.fromkeys(_matching(KEYWORD, "a list of keywords")(item) for item in value))


def _page_ranges(value: Any) -> tuple[tuple[int, int], ...]:
    parts = value.split(",") if isinstance(value, str) else []
    matches = [RANGE.fullmatch(part.strip()) for part in parts[: RANGES_LIMIT + 1]]
    ranges = tuple((int(match[1]), int(match[2] or match[1])) for match in matches if match)
    ascending = all(low <= high <= INTEGER_MAX for low, high in ranges) and all(
        before[1] < after[0] for before, after in pairwise(ranges)
    )
    if not ranges or len(ranges) < len(matches) or len(matches) > RANGES_LIMIT or not ascending:
        raise ValueError("must be ascending ranges such as 1-3,7")
    return ranges


def _some_text(value: Any) -> str:
    """Clean a text that means one thing: a part of it might mean another."""
    text = _text(value)
    if not text:
        raise ValueError("must not be empty")
    if len(value.encode(errors="replace")) > NAME_LIMIT_BYTES:
        raise ValueError(f"must be at most {NAME_LIMIT_BYTES} bytes")
    return text


def _notes(value: Any) -> str:
    """Clean a text of several lines, which become one; nothing of it is lost."""
    if not isinstance(value, str) or len(value) > NOTES_LIMIT:
        raise ValueError(f"must be text of at most {NOTES_LIMIT} characters")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())


def _order(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise ValueError("must be a JSON object, the order's data")
    try:
        size = len(json.dumps(value))
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if size > ORDER_LIMIT_BYTES:
        raise ValueError(f"must be at most {ORDER_LIMIT_BYTES} bytes of JSON")
    return value


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "id": _matching(ID, "1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"),
    "printer": _matching(ID, "a printer's id or alias"),
    "created_at": _moment,
    "document_format": _matching(MEDIA_TYPE, "a media type such as application/pdf"),
    "name": _text,
    "user": _text,
    "copies": _whole_number(1, 999),
    "sides": _one_of(*SIDES),
    "media": _matching(KEYWORD, "a media name such as iso_a4_210x297mm"),
    "color_mode": _matching(KEYWORD, "a print-color-mode such as monochrome"),
    "page_ranges": _page_ranges,
    "print_quality": _one_of(*QUALITIES),
    "finishings": _keywords,
    "priority": _whole_number(1, 100),
    "fidelity": _one_of("strict", "best-effort"),
    "hold": _flag,
    "pin": _pin,
    "expires_in": _whole_number(1, YEAR_SECONDS),
    "destination": _one_of("printer", *CLOUD_DESTINATIONS),
    "folder": _some_text,
    "notes": _notes,
    "flow": _some_text,
    "substrate": _some_text,
    "order": _order,
}

DELIVERY_KEYS: Mapping[CloudDestination, frozenset[str]] = {
    "box": frozenset({"folder", "notes", "flow", "substrate"}),
    "siteflow": frozenset({"order"}),
}
"""The keys that only tickets of one destination have."""
