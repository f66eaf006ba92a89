"""How answers are shown: tables for people, JSON for machines on standard output, progress on standard error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

CELL_LIMIT = 48
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet may take for a formula, also in full width."""

NARROWEST = 15
"""An IPv4 address still fits."""


def show_json(value: Any) -> None:
    """Print one JSON value on one line, at once."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def show_json_list(items: Iterable[Any]) -> None:
    """Print one JSON array on one line, item by item, for it may be more than the memory takes."""
    before = "["
    for item in items:
        print(before, json.dumps(item, ensure_ascii=False), sep="", end="")
        before = ", "
    print("[]" if before == "[" else "]", flush=True)


def progress(text: str) -> None:
    """Tell a person at standard error what is going on."""
    print(text, file=sys.stderr, flush=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lay out rows under headings; the first column, an id, and the last, where messages stand, are never cut."""
    cells = [[*map(_cell, row[:-1]), _cell(row[-1], limit=None)] for row in rows]
    lines = [[heading.upper() for heading in headings], *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if sys.stdout.isatty():
        widths = fitted(widths, shutil.get_terminal_size().columns)
    return "\n".join(
        "  ".join(_cut(text, width).ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def fitted(widths: Sequence[int], room: int) -> list[int]:
    """Narrow the widest columns but the first and the last until a table fits, as far as it can still be read."""
    first, *inner, last = widths
    room -= first + last + 2 * (len(inner) + 1)
    while inner and sum(inner) > room and max(inner) > NARROWEST:
        inner[inner.index(max(inner))] -= 1
    return [first, *inner, last]


def facts(pairs: Mapping[str, Any]) -> str:
    """Lay out names and values under each other; what is unknown is a dash."""
    width = max(map(len, pairs))
    return "\n".join(f"{name:{width}}  {_cell(value, limit=None)}" for name, value in pairs.items())


def age(moment: str | None, now: datetime | None = None) -> str:
    """Tell how long ago a timestamp of the contract was, such as `3 min ago`."""
    if moment is None:
        return "never"
    return f"{duration(((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds())} ago"


def duration(seconds: float) -> str:
    """Write a number of seconds for a person, such as `3 min`."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def amount(size: float) -> str:
    """Write a number of bytes for a person, such as `1.5 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":  # noqa: PLR2004 - the step between units
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError(size)


def defused(value: Any) -> Any:
    """Give the cell of a CSV file as a spreadsheet shows it and doesn't run it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _cell(value: Any, limit: int | None = CELL_LIMIT) -> str:
    if value is None or value in ("", [], ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if limit is None else _cut(text, limit)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
