"""What must be written down, even if the disk refuses for a while: kept in memory and tried again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from agent.errors import StorageError

log = logging.getLogger(__name__)


class Settlements:
    """Writes that happen now or as soon as the disk takes them; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []

    def settle(self, write: Callable[[], None]) -> None:
        """Call `write`; where the disk refuses, keep it for `again`.

        Args:
            write: writes first and only then does anything else, so that it can be repeated.
        """
        try:
            write()
        except StorageError as exc:
            with self._lock:
                self._waiting.append(write)
                count = len(self._waiting)
            if count == 1:
                log.warning("what came of a job can't be written, it is tried again: %s", exc)

    def again(self) -> bool:
        """Try what waits once more; False while something still waits."""
        with self._lock:
            writes, self._waiting = self._waiting, []
        try:
            while writes:
                self.settle(writes.pop(0))
        finally:  # one that fails otherwise than by the disk takes none of the others with it
            with self._lock:
                self._waiting += writes
        return not self._waiting
