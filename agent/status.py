"""Read the printers' status in turn, each as often as its state deserves.

A printer goes offline after three reads in a row that found nothing, and keeps its last values. One that only has a raw
port tells nothing: it counts as online, its state is unknown, and what a print comes to is all that shows otherwise.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from agent.errors import NotFoundError, PrinterError, PrinterRejectedError
from agent.identity import IDENTITY_CONFLICT, answers_as, credible, displaced, told_anew
from agent.model import Clock, Identity, Printer, PrinterState, Reading
from agent.registry import Registry
from agent.schedule import Schedule

log = logging.getLogger(__name__)

MISSES_UNTIL_OFFLINE = 3
AGAIN_SECONDS = 5.0
OFFLINE_SECONDS = 60.0
OFFLINE_CEILING_SECONDS = 300.0
SLEEPING_SECONDS = 60.0
IDLE_SECONDS = 30.0
IDLE_CEILING_SECONDS = 55.0
IDLE_SECONDS_A_PRINTER = 0.055
"""A thousand printers are read within the minute by a small part of one core."""

SECONDS_BY_STATE = {PrinterState.PROCESSING: 5.0, PrinterState.STOPPED: 10.0}
LONGEST_PAUSE_SECONDS = 1.0
TARDY_SECONDS = 1.0
TARDY_AT_ONCE = 8
"""Of the threads that read, so many may wait for printers that are slow or don't answer."""


class StatusSource(Protocol):
    """What reads one printer."""

    @property
    def name(self) -> str:
        """The driver, such as `ipp`."""

    def read(self) -> Reading:
        """Read identity, status and capabilities; PrinterError where that fails."""


class StatusPoller:
    """Keeps the registry's picture of every printer fresh.

    `step` reads the one printer that is most overdue, and may be run by many threads at once: a printer is read by one
    of them at a time, and printers that are slow or dead hold up some of them only.

    Attributes:
        on_stranger: called with a printer at whose address another answered, and what that told; it must be quick.

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
        self._refusing: set[str] = set()
        self._met = 0
        self._meet_again_at = 0.0
        self._schedule = Schedule(tardy_at_once=TARDY_AT_ONCE, monotonic=monotonic)
        self.on_stranger: Callable[[Printer, Identity], None] = lambda _printer, _told: None

    def step(self) -> float:
        """Read the printer that is due; gives the seconds until another is."""
        self._meet()
        printer_id = self._schedule.claim(otherwise_seconds=IDLE_SECONDS)
        if printer_id is None:
            return min(self._schedule.seconds_to_next(), LONGEST_PAUSE_SECONDS)
        updated, begin = None, self._monotonic()
        try:
            updated = self._update(printer_id)
        finally:
            if updated is None:  # forgotten in the meantime, or a mistake of ours: not due again at once
                self._schedule.release(printer_id)
            else:
                is_tardy = updated.misses > 0 or self._monotonic() - begin > TARDY_SECONDS
                pause = pause_after(updated, idle_seconds(self._met))
                self._schedule.release(printer_id, pause_seconds=pause, is_tardy=is_tardy)
        return 0.0

    def _meet(self) -> None:
        """Take up who was entered and drop who was forgotten: where their number tells so, else once a second."""
        printers, present = self._registry.printers(), self._monotonic()
        if len(printers) != self._met or present >= self._meet_again_at:
            self._met, self._meet_again_at = len(printers), present + LONGEST_PAUSE_SECONDS
            self._schedule.keep(printer.id for printer in printers)

    def poll_soon(self, printer_id: str) -> None:
        """Have a printer read at the next step."""
        self._schedule.hurry(printer_id)

    def _update(self, printer_id: str) -> Printer | None:
        """Read a printer and enter what was read; None where it was forgotten in the meantime.

        What was read at an address that the printer has left is not entered.
        """
        try:
            printer = self._registry.find(printer_id)
            change = self._read(printer)
            updated = self._registry.update(
                printer_id, lambda known: change(known) if known.host == printer.host else known
            )
        except NotFoundError:
            return None
        _log_change(printer, updated)
        return updated

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
        told = credible(reading.identity)
        if not answers_as(told, printer.identity):
            self.on_stranger(printer, told)
            return displaced
        reading = replace(reading, identity=told)
        return lambda known: _seen(known, reading, source.name, self._now())

    def _note_refusal(self, printer: Printer, error: PrinterRejectedError) -> None:
        """Say once that a printer wants credentials, or other ones: only a person can give them."""
        if printer.id not in self._refusing:
            self._refusing.add(printer.id)
            log.warning("%s (%s): its status may not be read (credentials_file?): %s", printer.id, printer.label, error)


def idle_seconds(printers: int) -> float:
    """Give the seconds between two readings of an idle printer, where there are so many: 30 s, with very many 55 s."""
    return min(IDLE_CEILING_SECONDS, max(IDLE_SECONDS, IDLE_SECONDS_A_PRINTER * printers))


def pause_after(printer: Printer, idle: float = IDLE_SECONDS) -> float:
    """Give the seconds until a printer is read again: a working one soon, a sleeping or absent one seldom.

    Args:
        printer: as it was last read.
        idle: the seconds where it is idle.
    """
    if not printer.online:
        doublings = max(0, printer.misses - MISSES_UNTIL_OFFLINE)
        return min(OFFLINE_CEILING_SECONDS, OFFLINE_SECONDS * 2.0 ** min(doublings, 10))
    if printer.misses:
        return AGAIN_SECONDS
    if printer.status.is_asleep:
        return SLEEPING_SECONDS
    return SECONDS_BY_STATE.get(printer.status.state, idle)


def _seen(known: Printer, reading: Reading, source: str, moment: datetime) -> Printer:
    return replace(
        known,
        identity=told_anew(known.identity, reading.identity),
        status=reading.status,
        capabilities=reading.capabilities.or_else(known.capabilities),
        sources=tuple(dict.fromkeys((*known.sources, source, *(driver for _, driver in reading.status.sources)))),
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
