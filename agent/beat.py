"""Print Beat down: what HP's cloud tells of presses and their jobs, to MQTT.

Attempts are told once, in the order of their markers: the marker moves in the transaction that puts them into the
outbox. Print Beat takes about two requests a minute, so that a step makes at most one.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agent.beat_roll import ABOUT_PRESSES, Roll
from agent.errors import CloudRefusedError, CloudUnreachableError
from agent.loop import backoff
from agent.model import Printer
from agent.outbox import Note, Outbox
from agent.store import Store

log = logging.getLogger(__name__)

SCHEMA = (
    "CREATE TABLE beat_marker (id INTEGER PRIMARY KEY CHECK (id = 1), marker INTEGER NOT NULL)",
    "CREATE TABLE beat_topics (topic TEXT PRIMARY KEY) WITHOUT ROWID",
)
REQUEST_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 60.0
FAILURE_PAUSE_SECONDS = 60.0
REFUSED_PAUSE_SECONDS = 3600.0
PAGE_ATTEMPTS = 100
DEVICES_LIMIT = 100
UNSENT_LIMIT = 5000
"""Of the 10,000 that the outbox keeps; attempts that are not fetched yet are safe in the cloud."""

LEVEL_LIMIT = 64


class Attempt(Protocol):
    """One attempt to print a job."""

    @property
    def marker(self) -> int:
        """Rises from attempt to attempt."""

    @property
    def serial(self) -> str:
        """The press."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is told."""


class Press(Protocol):
    """How one press is."""

    @property
    def serial(self) -> str | None:
        """Its serial number, where that is told."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is told."""


class RealTime(Protocol):
    """How presses are."""

    @property
    def presses(self) -> Sequence[Press]:
        """They all."""


class PrintBeat(Protocol):
    """What asks Print Beat: `agent.printos.print_beat.PrintBeat`."""

    @property
    def tells_jobs(self) -> bool:
        """Whether it has a key for attempts."""

    @property
    def tells_presses(self) -> bool:
        """Whether it has a key for the state of presses."""

    def attempts(self, devices: Sequence[str], *, after: int) -> Sequence[Attempt]:
        """Read a page of the attempts after a marker; CloudError where that fails."""

    def newest(self, devices: Sequence[str]) -> Sequence[Attempt]:
        """Read the newest page; CloudError where that fails."""

    def presses(self, devices: Sequence[str]) -> RealTime:
        """Read how presses are; CloudError where that fails."""


@dataclass(slots=True)
class _Half:
    """One of the two things that are asked: about which presses, how, and when next.

    `ask` reads and discards; `tell` tells what it reads, and gives the seconds until the next.
    """

    name: str
    roll: Roll
    ask: Callable[[Sequence[str]], object]
    tell: Callable[[Sequence[str]], float]
    due_at: float = 0.0
    failures: int = 0
    problem: str = ""
    has_told: bool = False

    @property
    def standing(self) -> str:
        """Say how it stands."""
        return self.problem or (self.roll.told() if self.has_told else "starting")


class Beat:
    """The service.

    Args:
        print_beat: asks.
        devices: gives the serial numbers of the presses to ask about.
        store: where the markers are.
        outbox: takes what is told.
        interval_seconds: between two polls of each half.
        begin: where the attempts begin at the first start: those to come, or all that Print Beat has.
        monotonic: seconds that only rise.
    """

    def __init__(
        self,
        *,
        print_beat: PrintBeat,
        devices: Callable[[], Sequence[str]],
        store: Store,
        outbox: Outbox,
        interval_seconds: float,
        begin: Literal["now", "beginning"],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._print_beat = print_beat
        self._devices = devices
        self._store = store
        self._outbox = outbox
        self._interval_seconds = interval_seconds
        self._begin = begin
        self._monotonic = monotonic
        self._free_at = 0.0
        self._told: dict[str, bytes | None] = {}  # None where an earlier life told it
        jobs = _Half("jobs", Roll("jobs", monotonic=monotonic), print_beat.newest, self._tell_attempts)
        presses = _Half("presses", Roll("presses", monotonic=monotonic), print_beat.presses, self._tell_presses)
        self._halves = [*([jobs] if print_beat.tells_jobs else []), *([presses] if print_beat.tells_presses else [])]

    def open(self) -> None:
        """Make the tables where they aren't there yet, and find out what an earlier life has told."""
        self._store.migrate("beat", SCHEMA)
        self._told = {row["topic"]: None for row in self._store.query("SELECT topic FROM beat_topics")}
        if not self._print_beat.tells_presses:
            self._show({})

    def step(self) -> float:
        """Ask what is due, once; gives the seconds until the next."""
        devices = tuple(sorted(set(self._devices())))[:DEVICES_LIMIT]
        if not self._halves or not devices:
            self._show({})
            return LONGEST_PAUSE_SECONDS
        half = min(self._halves, key=lambda it: it.due_at)
        present = self._monotonic()
        wait = max(half.due_at, self._free_at) - present
        if wait > 0:
            return min(wait, LONGEST_PAUSE_SECONDS)
        self._free_at = present + REQUEST_SECONDS
        half.due_at = present + self._asked(half, devices)
        return REQUEST_SECONDS

    def restate(self) -> None:
        """Tell how the presses are again, to a broker that has forgotten it."""
        for topic, payload in list(self._told.items()):
            if payload is not None:
                self._outbox.put(Note(topic, payload, retain=True))

    def health(self) -> dict[str, str]:
        """Say how each half stands: `starting`, what is wrong, or `ok`, perhaps without presses that it knows not."""
        return {half.name: half.standing for half in self._halves}

    def _asked(self, half: _Half, devices: Sequence[str]) -> float:
        """Ask one half and give the seconds until it is due again."""
        try:
            pause = self._told_or_tried(half, devices)
        except CloudUnreachableError as error:
            half.failures += 1
            pause = backoff(half.failures, base=FAILURE_PAUSE_SECONDS, ceiling=REFUSED_PAUSE_SECONDS)
            if error.retry_after_seconds is not None:
                pause = max(pause, error.retry_after_seconds)
                self._free_at = max(self._free_at, self._monotonic() + error.retry_after_seconds)
            _note_problem(half, str(error))
        except CloudRefusedError as error:
            pause = REFUSED_PAUSE_SECONDS
            _note_problem(half, str(error))
        return pause

    def _told_or_tried(self, half: _Half, devices: Sequence[str]) -> float:
        """Tell of the presses that are known; where their list is refused, find out by its parts which are not."""
        part = half.roll.doubtful(devices)
        if part:
            half.roll.settle(part, refusal=_refusal_of(half.ask, part))
            return 0.0
        known = half.roll.known(devices)
        try:
            pause = half.tell(known)
        except CloudRefusedError as error:
            if error.status not in ABOUT_PRESSES or not half.roll.doubt(known):
                raise
            return 0.0
        half.roll.take()
        if half.problem:
            log.info("Print Beat tells its %s again", half.name)
        half.failures, half.problem, half.has_told = 0, "", True
        return pause

    def _tell_attempts(self, devices: Sequence[str]) -> float:
        """Tell the next page of attempts; where that was full, the next is due at once."""
        if self._outbox.depth() > UNSENT_LIMIT:
            return self._interval_seconds
        marker = self._marker()
        if marker is None:
            newest = self._print_beat.newest(devices)
            self._save_marker(max((attempt.marker for attempt in newest), default=0))
            return self._interval_seconds
        page = self._print_beat.attempts(devices, after=marker)
        fresh = sorted((it for it in page if it.marker > marker), key=lambda it: it.marker)
        if not fresh:
            return self._interval_seconds
        with self._store.transaction():
            for attempt in fresh:
                self._outbox.put(Note(f"beat/jobs/{_level(attempt.serial)}", _payload(attempt.facts)))
            self._save_marker(fresh[-1].marker)
        return 0.0 if len(page) >= PAGE_ATTEMPTS else self._interval_seconds

    def _tell_presses(self, devices: Sequence[str]) -> float:
        """Tell the presses that have changed, and clear those that are gone."""
        self._show(
            {
                f"beat/presses/{_level(press.serial or press.name)}": _payload(press.facts)
                for press in self._print_beat.presses(devices).presses
            }
        )
        return self._interval_seconds

    def _show(self, now: Mapping[str, bytes]) -> None:
        """Have these retained topics, and no others, at the broker."""
        if now == self._told:
            return
        with self._store.lazy_transaction() as connection:
            for topic, payload in now.items():
                if self._told.get(topic) != payload:
                    connection.execute("INSERT OR IGNORE INTO beat_topics VALUES (?)", (topic,))
                    self._outbox.put(Note(topic, payload, retain=True))
            for topic in self._told.keys() - now.keys():
                connection.execute("DELETE FROM beat_topics WHERE topic = ?", (topic,))
                self._outbox.put(Note(topic, b"", retain=True))
        self._told = dict(now)

    def _marker(self) -> int | None:
        """Give the marker up to which attempts are told, of whichever presses; None before the first."""
        rows = self._store.query("SELECT marker FROM beat_marker")
        if rows:
            return int(rows[0]["marker"])
        return 0 if self._begin == "beginning" else None

    def _save_marker(self, marker: int) -> None:
        self._store.write("INSERT OR REPLACE INTO beat_marker VALUES (1, ?)", (marker,))


def approved_serials(printers: Iterable[Printer], serial_of: Callable[[Printer], str]) -> tuple[str, ...]:
    """Give PrintOS's serial numbers of the printers that are approved for it; `serial_of` tells one, empty for none."""
    return tuple(serial for it in printers if it.approved and (serial := serial_of(it)))


def _refusal_of(ask: Callable[[Sequence[str]], object], part: Sequence[str]) -> CloudRefusedError | None:
    """Ask about some presses, and give the refusal that may be of one of them; None where they are taken."""
    try:
        ask(part)
    except CloudRefusedError as error:
        if error.status not in ABOUT_PRESSES:
            raise
        return error
    return None


def _note_problem(half: _Half, problem: str) -> None:
    if not half.problem:
        log.warning("Print Beat does not tell its %s: %s; it is asked again", half.name, problem)
    half.problem = problem


def _level(text: str) -> str:
    """Make a level of a topic out of a serial number or a name, which may be anything."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:LEVEL_LIMIT] or "unknown"


def _payload(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
