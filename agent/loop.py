"""Repeat a step in a named thread, and tell a watchdog that it is alive.

A background activity is an object with `step()`, which does what is due now and returns the seconds until the next.
Tests call `step()` themselves; only `Loop` has a thread.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from agent.errors import AgentError

log = logging.getLogger(__name__)

FAILURE_PAUSE_SECONDS = 1.0
FAILURE_PAUSE_CEILING_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 10.0

_running = threading.local()


def backoff(attempt: int, *, base: float = 1.0, ceiling: float = 300.0, spread: float | None = None) -> float:
    """Give the pause after the `attempt`-th failure (from 1): it doubles up to `ceiling`, then half of it is jittered.

    Args:
        attempt: failures in a row, at least 1.
        base: the first pause, in seconds.
        ceiling: the longest pause, in seconds.
        spread: where in the jittered half to fall, 0 to 1; random unless given.
    """
    pause = float(min(ceiling, base * 2 ** min(attempt - 1, 30)))
    fraction = random.random() if spread is None else spread  # noqa: S311 - jitter is not a secret
    return pause / 2 + pause / 2 * fraction


def beat() -> None:
    """Say from inside a long step that it goes on; in a thread that no `Loop` runs it says nothing."""
    loop: Loop | None = getattr(_running, "loop", None)
    if loop is not None:
        loop.beat()


class Loop:
    """A thread that calls `step` until it is stopped.

    An exception in a step is logged once in a row and slows the loop down; it never ends it.

    Attributes:
        name: the thread's.
        is_waiting: whether it has nothing to do until its time comes or somebody wakes it.
    """

    def __init__(
        self, name: str, step: Callable[[], float], *, silence_seconds: float = 120.0, gather_seconds: float = 0.0
    ) -> None:
        """Store the parts; `gather_seconds` after a wake, so that what comes together is done together."""
        self.name = name
        self.is_waiting = False
        self._step = step
        self._silence_seconds = silence_seconds
        self._gather_seconds = gather_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._beat_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._beat_at = time.monotonic()
        self._thread.start()

    def wake(self) -> None:
        """Make the next step happen now."""
        self.is_waiting = False
        self._wake.set()

    def beat(self) -> None:
        """Say from inside a long step that it goes on."""
        self._beat_at = time.monotonic()

    def stop(self) -> None:
        """Ask the thread to end after its present step; `join` waits for it."""
        self._stopping.set()
        self._wake.set()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread to end; False where it has not within `timeout_seconds`."""
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        """Whether the thread runs and has stepped or beaten within its silence limit."""
        return self._thread.is_alive() and time.monotonic() - self._beat_at < self._silence_seconds

    def _run(self) -> None:
        _running.loop = self
        while not self._stopping.is_set():
            self._wake.clear()
            self.beat()
            deadline = time.monotonic() + self._step_safely()
            self.is_waiting = True
            while not self._wake.is_set() and (left := deadline - time.monotonic()) > 0:
                self._wake.wait(min(left, LONGEST_WAIT_SECONDS))
                self.beat()
            self.is_waiting = False
            if self._gather_seconds:
                self._stopping.wait(self._gather_seconds)

    def _step_safely(self) -> float:
        try:
            seconds = self._step()
        except Exception as error:  # noqa: BLE001 - a loop never ends by one; it is logged
            self._failures += 1
            if self._failures == 1:
                self._log_failure(error)
            return backoff(self._failures, base=FAILURE_PAUSE_SECONDS, ceiling=FAILURE_PAUSE_CEILING_SECONDS)
        if self._failures:
            log.info("%s: works again after %d failed steps", self.name, self._failures)
            self._failures = 0
        return seconds

    def _log_failure(self, error: Exception) -> None:
        """Log an error of ours, such as a full disk, in one line; whatever else it is needs its traceback."""
        unexpected = None if isinstance(error, AgentError) else error
        log.error("%s: a step failed: %s; it goes on", self.name, error, exc_info=unexpected)


def wake_one(loops: Sequence[Loop]) -> None:
    """Wake a loop that waits; where none does, have all look again when they are done with what they do."""
    waiting = next((loop for loop in loops if loop.is_waiting), None)
    for loop in loops if waiting is None else (waiting,):
        loop.wake()
