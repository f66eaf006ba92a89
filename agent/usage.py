"""What a printer has used, from what it told of itself hour by hour. Pure.

An hour is the number of hours since 1970 in UTC. `left` of a supply is whole percent, of a receptacle the room in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from agent.model import Printer, PrinterStatus, Supply

HOUR_SECONDS = 3600
HOURS_A_DAY = 24
WINDOW_DAYS = 30
SUPPLIES_LIMIT = 32
NAME_LIMIT = 48
COUNTER_LIMIT = 1 << 53
"""What is above has been garbled; JSON's numbers end there too."""

REFILL_PERCENT = 2
"""A level that rises by more was replaced or filled up; by less, it was only read better."""

LEAST_USED_PERCENT = 3
LEAST_DAYS = 3.0
FEWEST_HOURS = HOURS_A_DAY

Left = int | None
Levels = Mapping[str, Left]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one printer had come to in one hour.

    `impressions` and `sheets` are what it counts itself, as it last told them, and `source` is the driver that told.
    `color`, `monochrome` and `duplex` are parts of them, where it tells these.
    `pages` is what we have seen it count since `since`: it never falls, whatever becomes of the printer's own counters;
    `resets` is how often those fell, as they do when a board is replaced. `left` is by the name of the supply.
    """

    printer_id: str
    since: int
    hour: int
    impressions: int | None = None
    sheets: int | None = None
    source: str | None = None
    pages: int = 0
    resets: int = 0
    left: Levels = field(default_factory=dict)
    color: int | None = None
    monochrome: int | None = None
    duplex: int | None = None

    def is_news_after(self, before: Sample | None) -> bool:
        """Whether it tells anything that the sample before does not: what stays as it is, is told once a day."""
        if before is None or self.hour // HOURS_A_DAY > before.hour // HOURS_A_DAY:
            return True
        return replace(before, hour=self.hour) != self


@dataclass(frozen=True, slots=True)
class Usage:
    """What follows from the samples of one printer; None is what can't be known yet.

    `pages` is what was counted in all, from `since` on; `days_left` is by the name of the supply, in whole days.
    """

    since: datetime | None = None
    resets: int = 0
    pages: int | None = None
    pages_30_days: int | None = None
    pages_per_day: float | None = None
    days_left: Levels = field(default_factory=dict)


def sampled(before: Sample | None, printer: Printer, hour: int) -> Sample | None:
    """Give the sample of a printer in an hour, after the one before; None where it has told nothing to count."""
    status = printer.status
    counters = {
        "impressions": _counter(status.impressions_completed),
        "sheets": _counter(status.media_sheets_completed),
        "color": _counter(status.color_impressions),
        "monochrome": _counter(status.monochrome_impressions),
        "duplex": _counter(status.duplex_sheets),
    }
    told: dict[str, Any] = {name: value for name, value in counters.items() if value is not None}
    left = supplies_left(status.supplies)
    if told.keys().isdisjoint(("impressions", "sheets")) and not left:
        return None
    source = _source(status) or printer.status_driver
    known = before or Sample(printer.id, hour, hour)
    sample = replace(known, hour=hour, source=source, left=left, **told)
    return sample if before is None else _counted(before, sample)


def supplies_left(supplies: Sequence[Supply]) -> Levels:
    """Give what is left of each supply by its name, which stays when it is replaced."""
    return {name: _left(supply) for name, supply in named(supplies)}


def named(supplies: Sequence[Supply]) -> Iterator[tuple[str, Supply]]:
    """Give supplies with their names: colorant and type; of several the second is `… 2`."""
    seen: Counter[str] = Counter()
    for supply in supplies[:SUPPLIES_LIMIT]:
        name = " ".join(filter(None, (supply.colorant, supply.supply_type)))[:NAME_LIMIT]
        seen[name] += 1
        yield (f"{name} {seen[name]}" if seen[name] > 1 else name), supply


def moment_of(hour: int) -> datetime:
    """Give the beginning of an hour."""
    return datetime.fromtimestamp(hour * HOUR_SECONDS, UTC)


def used_since(base: Sample, last: Sample, hour: int, levels: Mapping[str, Sequence[tuple[int, Left]]]) -> Usage:
    """Tell what a printer has used, up to the present hour.

    Args:
        base: its first sample within the last 30 days.
        last: its newest.
        hour: the present.
        levels: of each supply, hours within these days with what was left then, the oldest first.
    """
    pages, hours = last.pages - base.pages, hour - base.hour
    return Usage(
        since=moment_of(last.since),
        resets=last.resets,
        pages=last.pages,
        pages_30_days=pages if hour - last.since >= WINDOW_DAYS * HOURS_A_DAY else None,
        pages_per_day=round(pages * HOURS_A_DAY / hours, 1) if hours >= FEWEST_HOURS else None,
        days_left={name: days_left(levels[name]) for name in last.left if name in levels},
    )


def days_left(levels: Sequence[tuple[int, Left]]) -> int | None:
    """Tell for how many days a supply lasts if it goes on being used as it was since it was last replaced.

    Args:
        levels: hours with what was left then, the oldest first.

    Returns:
        Whole days; None where it is used too little, or is known for too short, to tell.
    """
    known = [(hour, left) for hour, left in levels if left is not None]
    for at in range(len(known) - 1, 0, -1):
        if known[at][1] > known[at - 1][1] + REFILL_PERCENT:
            known = known[at:]
            break
    if not known:
        return None
    days = (known[-1][0] - known[0][0]) / HOURS_A_DAY
    used = known[0][1] - known[-1][1]
    if days < LEAST_DAYS or used < LEAST_USED_PERCENT:
        return None
    return int(known[-1][1] * days / used)


def _counted(before: Sample, told: Sample) -> Sample:
    """Count what was printed between two samples; by two drivers' counters, which may differ, that can't be told."""
    if before.source != told.source:
        return told
    grown = _growth(before.impressions, told.impressions)
    if grown is None:
        grown = _growth(before.sheets, told.sheets) or 0
    if grown < 0:
        return replace(told, resets=before.resets + 1)
    return replace(told, pages=before.pages + grown)


def _growth(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before


def _counter(value: int | None) -> int | None:
    return value if value is not None and 0 <= value < COUNTER_LIMIT else None


def _source(status: PrinterStatus) -> str | None:
    drivers = dict(status.sources)
    return drivers.get("impressions_completed") or drivers.get("media_sheets_completed")


def _left(supply: Supply) -> Left:
    if supply.percent is None:
        return None
    return round(100 - supply.percent if supply.supply_class == "receptacle" else supply.percent)
