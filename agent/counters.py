"""The printers' counters and supply levels over time: a bounded history that a memory card can bear.

Each printer has a sample an hour in which something changed, and one a day; after a week one a day is kept, after 400
days none. Rows are in the order of time, so that an hour of all printers is a few pages at the end of the file, written
in one transaction that a power cut may take back.
"""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any

from agent.clock_watch import EARLIEST, ClockWatch
from agent.model import Clock, Printer, timestamp
from agent.store import Connection, Row, Store
from agent.usage import (
    HOUR_SECONDS,
    HOURS_A_DAY,
    WINDOW_DAYS,
    Left,
    Sample,
    Usage,
    moment_of,
    sampled,
    used_since,
)

log = logging.getLogger(__name__)

SCHEMA = (
    "CREATE TABLE supply_sets (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE)",
    """CREATE TABLE counted (
        printer_id TEXT PRIMARY KEY,
        since INTEGER NOT NULL,
        hour INTEGER NOT NULL,
        impressions INTEGER,
        sheets INTEGER,
        source TEXT,
        pages INTEGER NOT NULL,
        resets INTEGER NOT NULL,
        supply_set INTEGER NOT NULL,
        levels TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE counters (
        hour INTEGER NOT NULL,
        printer_id TEXT NOT NULL,
        impressions INTEGER,
        sheets INTEGER,
        pages INTEGER NOT NULL,
        resets INTEGER NOT NULL,
        supply_set INTEGER NOT NULL,
        levels TEXT NOT NULL,
        PRIMARY KEY (hour, printer_id)) WITHOUT ROWID""",
    *(
        f"ALTER TABLE {table} ADD COLUMN {part} INTEGER"
        for table in ("counted", "counters")
        for part in ("color", "monochrome", "duplex")
    ),
)
ADD_SET = "INSERT OR IGNORE INTO supply_sets (names) VALUES (?)"
ADD = """
    INSERT OR REPLACE INTO counters
        (hour, printer_id, impressions, sheets, color, monochrome, duplex, pages, resets, supply_set, levels)
    VALUES (:hour, :printer_id, :impressions, :sheets, :color, :monochrome, :duplex, :pages, :resets, :supply_set,
        :levels)"""
SET_NEWEST = """
    INSERT OR REPLACE INTO counted
        (printer_id, since, hour, impressions, sheets, color, monochrome, duplex, source, pages, resets, supply_set,
        levels)
    VALUES (:printer_id, :since, :hour, :impressions, :sheets, :color, :monochrome, :duplex, :source, :pages, :resets,
        :supply_set, :levels)"""
NEWEST = "SELECT counted.*, names FROM counted JOIN supply_sets ON id = supply_set"
FIRST_WITHIN = "SELECT printer_id, min(hour) AS hour, pages FROM counters WHERE hour >= ? GROUP BY printer_id"
LEVELS_BY_DAY = """
    SELECT printer_id, max(hour) AS hour, names, levels
    FROM counters JOIN supply_sets ON id = supply_set WHERE hour >= ? AND levels != ''
    GROUP BY printer_id, hour / 24 ORDER BY printer_id, hour"""
PAGE = """
    SELECT hour, printer_id, impressions, sheets, color, monochrome, duplex, pages, resets, names, levels
    FROM counters JOIN supply_sets ON id = supply_set
    WHERE (hour, printer_id) > (:hour, :printer_id) AND (:only IS NULL OR printer_id = :only)
    ORDER BY hour, printer_id LIMIT :limit"""
THIN = """
    DELETE FROM counters WHERE hour >= :begin AND hour < :end AND hour || ' ' || printer_id NOT IN (
        SELECT max(hour) || ' ' || printer_id FROM counters WHERE hour >= :begin AND hour < :end GROUP BY printer_id)"""
"""One text is looked up in an index, where SQLite would go through all pairs of columns for each row."""
UNUSED_SETS = """
    DELETE FROM supply_sets WHERE id NOT IN (SELECT supply_set FROM counters UNION SELECT supply_set FROM counted)"""
TOLD = tuple(each.name for each in fields(Sample) if each.name != "left")
HOURLY_DAYS = 7
DAILY_DAYS = 400
PAGE_ROWS = 1000


class Counters:
    """The history, in the store, with the newest sample of each printer in memory.

    Nothing is written by a clock that has not been set, that has just jumped, or that is behind what was written.
    """

    def __init__(self, *, store: Store, now: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._now = now
        self._watch = ClockWatch(now=now, monotonic=monotonic)
        self._newest: dict[str, Sample] = {}
        self._tidied_to = 0

    def open(self) -> None:
        """Make the tables where they aren't there yet, and load the newest samples."""
        self._store.migrate("counters", SCHEMA)
        self._newest = read_newest(self._store)
        if self._newest:
            self._watch.start_after(self._newest_hour() * HOUR_SECONDS)

    def note(self, printers: Iterable[Printer]) -> list[str]:
        """Write down what printers have told within this hour, each once; within a transaction that may be lazy.

        Returns:
            The ids of those that were written for the first time on this day.
        """
        hour = self._settled_hour()
        if not hour:
            return []
        fresh = [sample for printer in printers if (sample := self._fresh(printer, hour)) is not None]
        if not fresh:
            return []
        with self._store.transaction() as connection:
            for sample in fresh:
                _write(connection, sample)
        today = [sample.printer_id for sample in fresh if self._is_first_of_day(sample)]
        self._store.on_commit(lambda: self._newest.update({sample.printer_id: sample for sample in fresh}))
        return today

    def has_samples(self) -> bool:
        """Whether any printer has ever been written down."""
        return bool(self._newest)

    def tidy(self) -> None:
        """Once a day: keep one sample a day of what is older than a week, and none of what is too old."""
        hour = self._settled_hour()
        begin = (hour // HOURS_A_DAY - HOURLY_DAYS) * HOURS_A_DAY
        if not hour or begin <= self._tidied_to:
            return
        with self._store.lazy_transaction() as connection:
            connection.execute("DELETE FROM counters WHERE hour < ?", (hour - DAILY_DAYS * HOURS_A_DAY,))
            connection.execute(UNUSED_SETS)
        for day in range(self._tidied_to or self._oldest_day(), begin, HOURS_A_DAY):
            with self._store.lazy_transaction() as connection:  # one each: nobody waits for a year of them
                connection.execute(THIN, {"begin": day, "end": day + HOURS_A_DAY})
        self._tidied_to = begin

    def _oldest_day(self) -> int:
        (oldest,) = self._store.query("SELECT min(hour) FROM counters")
        hour = oldest[0] or 0
        return int(hour - hour % HOURS_A_DAY)

    def forget(self, printer_id: str) -> None:
        """Drop the history of a printer, in the running transaction if there is one."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM counters WHERE printer_id = ?", (printer_id,))
            connection.execute("DELETE FROM counted WHERE printer_id = ?", (printer_id,))
        self._store.on_commit(lambda: self._drop(printer_id))

    def _drop(self, printer_id: str) -> None:
        self._newest.pop(printer_id, None)

    def _settled_hour(self) -> int:
        """Give the present hour; 0 where the clock can't be believed."""
        present = self._now().timestamp()
        if present < EARLIEST or not self._watch.is_settled():
            return 0
        hour = int(present // HOUR_SECONDS)
        if hour < self._newest_hour():
            if not self._watch.is_trusted():
                return 0
            self._set_back(hour)
        return hour

    def _set_back(self, hour: int) -> None:
        """Drop what a clock that was ahead has dated; what was counted stays counted."""
        log.warning("the clock was ahead and is believed to be right now: counters that it dated are dropped")
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM counters WHERE hour >= ?", (hour,))
            connection.execute("UPDATE counted SET hour = min(hour, :to), since = min(since, :to)", {"to": hour - 1})
        self._newest = read_newest(self._store)

    def _newest_hour(self) -> int:
        return max((sample.hour for sample in self._newest.values()), default=0)

    def _fresh(self, printer: Printer, hour: int) -> Sample | None:
        """Give the sample of a printer that has told something within the last hour that is not written yet."""
        before = self._newest.get(printer.id)
        if not printer.online or printer.last_seen is None or (before is not None and before.hour >= hour):
            return None
        if self._now().timestamp() - printer.last_seen.timestamp() > HOUR_SECONDS:
            return None
        sample = sampled(before, printer, hour)
        return sample if sample is not None and sample.is_news_after(before) else None

    def _is_first_of_day(self, sample: Sample) -> bool:
        before = self._newest.get(sample.printer_id)
        return before is None or before.hour // HOURS_A_DAY < sample.hour // HOURS_A_DAY


def read_newest(store: Store) -> dict[str, Sample]:
    """Read the newest sample of each printer, also from a store that is open for reading only."""
    return {row["printer_id"]: _sample(row) for row in store.query(NEWEST)}


def read_usage(store: Store, now: datetime) -> Mapping[str, Usage]:
    """Tell what each printer has used, by its id; also from a store that is open for reading only."""
    hour = int(now.timestamp() // HOUR_SECONDS)
    first = hour - WINDOW_DAYS * HOURS_A_DAY
    bases = {row["printer_id"]: row for row in store.query(FIRST_WITHIN, (first,))}
    levels = _levels_by_supply(store.query(LEVELS_BY_DAY, (first,)))
    return {
        printer_id: _usage(last, bases.get(printer_id), hour, levels.get(printer_id, {}))
        for printer_id, last in read_newest(store).items()
    }


def read_counters(store: Store, *, after: tuple[int, str], printer_id: str | None = None) -> list[dict[str, Any]]:
    """Read a page of samples as JSON can say it, the oldest first, from the one `after`: its `hour` and `printer`.

    It may come from a store that is open for reading only.
    """
    page = {"hour": after[0], "printer_id": after[1], "only": printer_id, "limit": PAGE_ROWS}
    return [
        {
            "printer": row["printer_id"],
            "hour": row["hour"],
            "at": timestamp(moment_of(row["hour"])),
            "impressions_completed": row["impressions"],
            "media_sheets_completed": row["sheets"],
            "color_impressions": row["color"],
            "monochrome_impressions": row["monochrome"],
            "duplex_sheets": row["duplex"],
            "pages_counted": row["pages"],
            "resets": row["resets"],
            "left": _parse_levels(row),
        }
        for row in store.query(PAGE, page)
    ]


def _write(connection: Connection, sample: Sample) -> None:
    names = json.dumps(list(sample.left), ensure_ascii=False, separators=(",", ":"))
    connection.execute(ADD_SET, (names,))
    columns = {
        "printer_id": sample.printer_id,
        "since": sample.since,
        "hour": sample.hour,
        "impressions": sample.impressions,
        "sheets": sample.sheets,
        "color": sample.color,
        "monochrome": sample.monochrome,
        "duplex": sample.duplex,
        "source": sample.source,
        "pages": sample.pages,
        "resets": sample.resets,
        "supply_set": connection.execute("SELECT id FROM supply_sets WHERE names = ?", (names,)).fetchone()["id"],
        "levels": ",".join("" if left is None else str(left) for left in sample.left.values()),
    }
    connection.execute(ADD, columns)
    connection.execute(SET_NEWEST, columns)


def _sample(row: Row) -> Sample:
    return Sample(**{name: row[name] for name in TOLD}, left=_parse_levels(row))


def _parse_levels(row: Row) -> dict[str, Left]:
    names = _parse_names(row["names"])
    levels = row["levels"].split(",") if names else []
    return {name: int(level) if level else None for name, level in zip(names, levels, strict=True)}


@lru_cache(maxsize=64)
def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _levels_by_supply(rows: Iterable[Row]) -> Mapping[str, Mapping[str, list[tuple[int, Left]]]]:
    levels: dict[str, dict[str, list[tuple[int, Left]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for name, left in _parse_levels(row).items():
            levels[row["printer_id"]][name].append((row["hour"], left))
    return levels


def _usage(last: Sample, base: Row | None, hour: int, levels: Mapping[str, list[tuple[int, Left]]]) -> Usage:
    begin = last if base is None else Sample(last.printer_id, last.since, base["hour"], pages=base["pages"])
    return used_since(begin, last, hour, levels)
