"""What the log says of refusals: a flood of them must not fill the journal of a box with an SD card."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

QUIET_SECONDS = 60.0
KINDS_LIMIT = 20
SHOWN = 200
"""Characters of a topic that stand in the log: it may have 65,535."""


@dataclass
class _Repeated:
    """What has come of one kind since it was logged, and the last problem of it."""

    since: float
    count: int = 0
    problem: str = ""


class RefusalLog:
    """Logs the first refusal of a topic and reason at once, and a minute later how many more came, if any did.

    Past 20 topics and reasons in the same minute the rest is counted together.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str], _Repeated] = {}

    def note(self, topic: str, reason: str, problem: str) -> None:
        """Log a refusal, or count it."""
        with self._lock:
            self._settle()
            kind = (ascii(topic[:SHOWN]), reason)
            if kind not in self._kinds and len(self._kinds) >= KINDS_LIMIT:
                kind = ("many topics", "several reasons")
            known = self._kinds.get(kind)
            if known is None:
                self._kinds[kind] = _Repeated(self._monotonic())
                log.info("%s: refused (%s): %s", *kind, problem)
            else:
                known.count += 1
                known.problem = problem

    def settle(self) -> None:
        """Log what was counted and is a minute old; to be called now and then."""
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        now = self._monotonic()
        for kind, repeated in list(self._kinds.items()):
            if now - repeated.since >= QUIET_SECONDS:
                self._tell(kind, repeated, now)

    def _tell(self, kind: tuple[str, str], repeated: _Repeated, now: float) -> None:
        if not repeated.count:
            del self._kinds[kind]
            return
        log.info("%s: refused (%s): %d more, the last: %s", *kind, repeated.count, repeated.problem)
        self._kinds[kind] = _Repeated(now)
