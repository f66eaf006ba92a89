"""What becomes of a message, by the contract alone: written from docs/mqtt.md, and shares nothing with the agent."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Verdict = Literal["job", "refused", "ignored"]
Version = Literal["5", "3.1.1"]

PRINTERS = ("desk", "nowhere")
"""The alias of the agent's printer, and that of none."""

LARGEST = 2**31 - 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
RESTRICTED_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
MEDIA_TYPE = re.compile(f"{RESTRICTED_NAME}/{RESTRICTED_NAME}")
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
TICKET_TOPICS = re.compile(r"(?:printers/([^/]*)/)?print(?:/([^/]*))?")
COMMAND_TOPICS = re.compile(
    r"jobs/[^/]*/cmd/(?:(?:cancel|release)(?:/[^/]*)?|confirm|reprint)|printers/[^/]*/cmd/(?:pause|resume|identify)"
)
PARTS = 500


@dataclass(frozen=True, slots=True)
class Message:
    """What is published: its topic below the base topic, and MQTT 5's properties where it is published by that."""

    topic: str
    payload: bytes
    version: Version = "5"
    retain: bool = False
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: Sequence[tuple[str, str]] = ()
    payload_format: int | None = None

    def as_seen_by(self, version: Version) -> Message:
        """Give what is left of it for a subscriber of this version: the retain flag and properties are MQTT 5's."""
        if version == "5":
            return self
        return Message(self.topic, self.payload)


def judge(message: Message) -> Verdict:
    """Say what has to become of a message as its subscriber sees it; every job's id is taken to be new."""
    is_command = COMMAND_TOPICS.fullmatch(message.topic)
    place = TICKET_TOPICS.fullmatch(message.topic)
    if not (is_command or place) or not message.payload:
        return "ignored"
    if message.retain or len(message.correlation_data or b"") > 1024 or len(message.user_properties) > 90:
        return "refused"
    return "job" if place and _is_ticket(message, *place.groups()) else "refused"


def hides_user(message: Message) -> bool:
    """Say whether the job of a message is told without its user, as a PIN has it."""
    return "pin" in _values(message)


def _is_ticket(message: Message, topic_printer: str | None, topic_user: str | None) -> bool:
    try:
        values = _values(message)
    except (ValueError, RecursionError):
        return False
    if topic_user is not None and not (topic_user.isprintable() and 0 < len(topic_user.encode()) <= 255):
        return False
    if not all(key in RULES and RULES[key](value) for key, value in values.items()):
        return False
    return {topic_printer, values.get("printer")} - {None} == {PRINTERS[0]}


def _values(message: Message) -> Mapping[str, Any]:
    """Give the keys of a ticket, `document` among them in either form.

    Raises:
        ValueError: they can't be read.
    """
    media_type = (message.content_type or "").partition(";")[0].strip()
    starts_as_json = message.payload.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(b"{")
    if media_type.lower() != "application/json" and (media_type or not starts_as_json):
        pairs = [("document_format", media_type)] if media_type else []
        return _once([*pairs, *map(_typed, message.user_properties), ("document", message.payload)])
    if sum(message.payload.count(mark) for mark in (b"{", b"[", b",")) > PARTS:
        raise ValueError("too many parts")
    values = json.loads(message.payload.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant)
    if not isinstance(values, dict):
        raise ValueError("no object")  # noqa: TRY004 - as its docstring says
    return {"document": None, **values}


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is repeated")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _typed(pair: tuple[str, str]) -> tuple[str, Any]:
    key, text = pair
    if key in ("copies", "priority", "expires_in") and re.fullmatch(r"-?[0-9]{1,10}", text):
        return key, int(text)
    if key == "hold":
        return key, {"true": True, "false": False}.get(text)
    return key, [part.strip() for part in text.split(",")] if key == "finishings" else text


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _text(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _is_document(value: Any) -> bool:
    if isinstance(value, bytes):
        return True
    data = value.get("data") if isinstance(value, dict) and len(value) == 1 else None
    return isinstance(data, str) and BASE64.fullmatch(data) is not None and bool(b64decode(data))


def _is_moment(value: Any) -> bool:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return moment.tzinfo is not None and 2000 < moment.year < 2199


def _is_pin(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable()


def _are_finishings(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 16 and all(map(_text(KEYWORD), value))


def _are_ranges(value: Any) -> bool:
    bounds = list(_bounds(value)) if isinstance(value, str) else [0]
    ascending = all(before < after for before, after in zip(bounds[1::2], bounds[2::2], strict=False))
    in_order = all(low <= high for low, high in zip(bounds[::2], bounds[1::2], strict=False))
    return ascending and in_order and len(bounds) <= 200 and all(1 <= bound <= LARGEST for bound in bounds)


def _bounds(value: str) -> Iterator[int]:
    for part in value.split(","):
        low, _, high = part.strip().partition("-")
        high = high if "-" in part else low
        for bound in (low, high):
            yield int(bound) if re.fullmatch(r"[1-9][0-9]{0,9}", bound) else 0


RULES: Mapping[str, Callable[[Any], bool]] = {
    "id": _text(NAME),
    "printer": _text(NAME),
    "document": _is_document,
    "document_format": _text(MEDIA_TYPE),
    "name": lambda value: isinstance(value, str),
    "user": lambda value: isinstance(value, str),
    "copies": _whole(1, 999),
    "sides": _one_of("one-sided", "two-sided-long-edge", "two-sided-short-edge"),
    "media": _text(KEYWORD),
    "color_mode": _text(KEYWORD),
    "page_ranges": _are_ranges,
    "print_quality": _one_of("draft", "normal", "high"),
    "finishings": _are_finishings,
    "priority": _whole(1, 100),
    "fidelity": _one_of("strict", "best-effort"),
    "hold": lambda value: isinstance(value, bool),
    "pin": _is_pin,
    "created_at": _is_moment,
    "expires_in": _whole(1, 31_536_000),
    "destination": _one_of("printer"),
}
