"""Read the printers' status in turn, each as often as its state deserves.

A printer goes offline after three reads in a row that found nothing, and keeps its last values. One that only has a raw
port tells nothing: it counts as online, its state is unknown, and what a print comes to is all that shows otherwise.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from agent.errors import NotFoundError, PrinterError, PrinterRejectedError
from agent.identity import IDENTITY_CONFLICT, contradict, displaced, told_anew
from agent.model import SLEEP_REASONS, Clock, Printer, PrinterState, Reading
from agent.registry import Registry

log = logging.getLogger(__name__)

MISSES_UNTIL_OFFLINE = 3
AGAIN_SECONDS = 5.0
OFFLINE_SECONDS = 60.0
OFFLINE_CEILING_SECONDS = 300.0
SLEEPING_SECONDS = 60.0
IDLE_SECONDS = 30.0
SECONDS_BY_STATE = {PrinterState.PROCESSING: 5.0, PrinterState.STOPPED: 10.0}
LONGEST_PAUSE_SECONDS = 1.0


class StatusSource(Protocol):
    """What reads one printer."""

    @property
    def name(self) -> str:
        """The driver, such as `ipp`."""

    def read(self) -> Reading:
        """Read identity, status and capabilities; PrinterError where that fails."""


class StatusPoller:
    """Keeps the registry's picture of every printer fresh.

    `step` reads the one printer that is most overdue, and may be run by a few threads at once: a printer is read by one
    of them at a time, and one that hangs holds up one of them only.

    Args:
        registry: whose printers are read.
        source_for: gives what reads a printer; NotFoundError where nothing does.
        now: the clock.
        monotonic: seconds that only rise.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        source_for: Callable[[Printer], StatusSource],
        now: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._source_for = source_for
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._reading: set[str] = set()
        self._refusing: set[str] = set()

    def step(self) -> float:
        """Read the printer that is due; gives the seconds until another is."""
        printer = self._claim()
        if printer is None:
            return self._pause()
        try:
            change = self._read(printer)
        finally:
            self._release(printer.id)
        self._apply(printer, change)
        return 0.0

    def poll_soon(self, printer_id: str) -> None:
        """Have a printer read at the next step."""
        with self._lock:
            self._due[printer_id] = self._monotonic()

    def _claim(self) -> Printer | None:
        """Take the printer that is most overdue; should its read fail badly, it is not due again at once."""
        present = self._monotonic()
        with self._lock:
            printers = {printer.id: printer for printer in self._registry.printers()}
            self._due = {printer_id: self._due.get(printer_id, present) for printer_id in printers}
            free = (printer_id for printer_id in printers if printer_id not in self._reading)
            first = min(free, key=self._due.__getitem__, default=None)
            if first is None or self._due[first] > present:
                return None
            self._reading.add(first)
            self._due[first] = present + IDLE_SECONDS
            return printers[first]

    def _release(self, printer_id: str) -> None:
        with self._lock:
            self._reading.discard(printer_id)

    def _pause(self) -> float:
        with self._lock:
            free = (due for printer_id, due in self._due.items() if printer_id not in self._reading)
            due = min(free, default=float("inf"))
        return max(0.0, min(due - self._monotonic(), LONGEST_PAUSE_SECONDS))

    def _read(self, printer: Printer) -> Callable[[Printer], Printer]:
        """Read a printer; gives the change that follows."""
        try:
            source = self._source_for(printer)
        except NotFoundError:
            return _count_as_online
        try:
            reading = source.read()
        except PrinterRejectedError as error:
            self._note_refusal(printer, error)
            return lambda known: _refusing(known, self._now())
        except PrinterError as error:
            log.debug("%s (%s) was not read: %s", printer.id, printer.label, error)
            return _missed
        self._refusing.discard(printer.id)
        if contradict(printer.identity, reading.identity):
            return displaced
        return lambda known: _seen(known, reading, source.name, self._now())

    def _note_refusal(self, printer: Printer, error: PrinterRejectedError) -> None:
        """Say once that a printer wants credentials, or other ones: only a person can give them."""
        if printer.id not in self._refusing:
            self._refusing.add(printer.id)
            log.warning("%s (%s): its status may not be read (credentials_file?): %s", printer.id, printer.label, error)

    def _apply(self, read: Printer, change: Callable[[Printer], Printer]) -> None:
        """Enter what was read, unless the printer was moved or forgotten in the meantime."""
        try:
            updated = self._registry.update(read.id, lambda known: change(known) if known.host == read.host else known)
        except NotFoundError:
            return
        _log_change(read, updated)
        with self._lock:
            if self._due.get(read.id, 0.0) > self._monotonic():
                self._due[read.id] = self._monotonic() + pause_after(updated)


def pause_after(printer: Printer) -> float:
    """Give the seconds until a printer is read again: a working one soon, a sleeping or absent one seldom."""
    if not printer.online:
        doublings = max(0, printer.misses - MISSES_UNTIL_OFFLINE)
        return min(OFFLINE_CEILING_SECONDS, OFFLINE_SECONDS * 2.0 ** min(doublings, 10))
    if printer.misses:
        return AGAIN_SECONDS
    if SLEEP_REASONS & set(printer.status.state_reasons):
        return SLEEPING_SECONDS
    return SECONDS_BY_STATE.get(printer.status.state, IDLE_SECONDS)


def _seen(known: Printer, reading: Reading, source: str, moment: datetime) -> Printer:
    return replace(
        known,
        identity=told_anew(known.identity, reading.identity),
        status=reading.status,
        capabilities=reading.capabilities.or_else(known.capabilities),
        sources=tuple(dict.fromkeys((*known.sources, source))),
        online=True,
        misses=0,
        last_seen=moment,
    )


def _missed(known: Printer) -> Printer:
    misses = known.misses + 1
    return replace(known, misses=misses, online=known.online and misses < MISSES_UNTIL_OFFLINE)


def _refusing(known: Printer, moment: datetime) -> Printer:
    """Give a printer that answers and wants other credentials: there, but of unknown state."""
    status = replace(known.status, state=PrinterState.UNKNOWN, state_reasons=())
    return replace(known, status=status, online=True, misses=0, last_seen=moment)


def _count_as_online(known: Printer) -> Printer:
    """Give a printer that can only be printed to: nothing is known against it."""
    status = replace(known.status, state=PrinterState.UNKNOWN, state_reasons=())
    return replace(known, status=status, online=known.print_driver is not None, misses=0)


def _log_change(old: Printer, new: Printer) -> None:
    """Say once that a printer went or came."""
    if old.online and not new.online:
        why = IDENTITY_CONFLICT if IDENTITY_CONFLICT in new.status.state_reasons else "it doesn't answer"
        log.warning("%s (%s) at %s is offline: %s", new.id, new.label, new.host, why)
    elif new.online and not old.online:
        log.info("%s (%s) at %s is online", new.id, new.label, new.host)
