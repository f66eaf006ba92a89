"""What was last heard of the preflights that are followed, and when Box may be asked again.

A preflight can take an hour, and there may be hundreds: each is looked at ever more rarely, and none while Box wants to
be left alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from agent.errors import PrinterBusyError
from agent.job import JobReading

MOST_FILES = 10_000
FIRST_LOOK_SECONDS = 0.5
SLOWER = 1.5
LONGEST_LOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A file: what was last heard, since when it is followed, when it is due; moments are monotonic."""

    reading: JobReading
    since: float
    due_at: float
    pause_seconds: float


class PreflightWatch:
    """The files that are followed; safe in several threads. After a restart of the agent they are followed anew.

    Args:
        limit_seconds: how long one is followed.
        monotonic: seconds that never jump.
    """

    def __init__(self, *, limit_seconds: float, monotonic: Callable[[], float]) -> None:
        self._limit_seconds = limit_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._files: OrderedDict[str, Watched] = OrderedDict()
        self._rests_until = 0.0

    def heard(self, file_id: str, reading: JobReading) -> None:
        """Note what was heard of a file; one that has ended is followed no longer."""
        now = self._monotonic()
        with self._lock:
            before = self._files.pop(file_id, None)
            if reading.state is not None and reading.state.is_final:
                return
            pause = FIRST_LOOK_SECONDS if before is None else min(SLOWER * before.pause_seconds, LONGEST_LOOK_SECONDS)
            since = now if before is None else before.since
            self._files[file_id] = Watched(reading, since, now + pause, pause)
            while len(self._files) > MOST_FILES:
                self._files.popitem(last=False)

    def last_word(self, file_id: str) -> JobReading | None:
        """Give what was last heard of a file where it is too soon to ask again; None where it isn't.

        Raises:
            PrinterBusyError: Box wants to be left alone, and nothing was heard yet.
        """
        now = self._monotonic()
        with self._lock:
            watched, rest_seconds = self._files.get(file_id), self._rests_until - now
        if watched is not None and (rest_seconds > 0 or now < watched.due_at):
            return watched.reading
        if rest_seconds > 0:
            raise PrinterBusyError("Box has asked for patience", retry_after_seconds=rest_seconds)
        return None

    def is_overdue(self, file_id: str) -> bool:
        """Whether a file has been followed for as long as it is to be."""
        with self._lock:
            watched = self._files.get(file_id)
        return watched is not None and self._monotonic() >= watched.since + self._limit_seconds

    def rest(self, seconds: float) -> None:
        """Leave Box alone for so long, as it asks."""
        with self._lock:
            self._rests_until = max(self._rests_until, self._monotonic() + seconds)
