from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.errors import SpoolFullError
from agent.loop import Loop, backoff, wake_one

PATIENCE_SECONDS = 5.0


class Step:
    """Counts the steps; fails with `error` while there is one."""

    def __init__(self, pause_seconds: float) -> None:
        self.error: Exception | None = None
        self.done = threading.Semaphore(0)
        self._pause_seconds = pause_seconds

    def __call__(self) -> float:
        """Do it."""
        self.done.release()
        if self.error is not None:
            raise self.error
        return self._pause_seconds

    def is_done(self) -> bool:
        """Wait for one more step."""
        return self.done.acquire(timeout=PATIENCE_SECONDS)


@contextmanager
def running(step: Step) -> Iterator[Loop]:
    """Run a loop, and end it."""
    loop = Loop("part", step)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop()
        assert loop.join(PATIENCE_SECONDS)


def test_a_pause_doubles_up_to_its_ceiling() -> None:
    """Half of it is jitter, so that many agents don't come back at once."""
    assert [backoff(attempt, ceiling=10, spread=1.0) for attempt in (1, 2, 3, 9)] == [1, 2, 4, 10]
    assert backoff(3, spread=0.0) == 2
    assert 2 <= backoff(3) <= 4


def test_a_loop_that_is_woken_steps_at_once() -> None:
    """However long it meant to wait."""
    step = Step(pause_seconds=3600)
    with running(step) as loop:
        assert step.is_done()
        loop.wake()
        assert step.is_done()


def test_an_error_of_ours_is_one_line_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk needs no traceback, and the next step comes all the same."""
    step = Step(pause_seconds=3600)
    step.error = SpoolFullError("the disk is full")
    with running(step):
        assert step.is_done()
        assert step.is_done()
    (failed,) = caplog.records
    assert (failed.getMessage(), failed.exc_info) == ("part: a step failed: the disk is full; it goes on", None)


def test_a_mistake_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """It is what whoever mends it needs."""
    step = Step(pause_seconds=3600)
    step.error = ZeroDivisionError("oh")
    with running(step):
        assert step.is_done()
    assert caplog.records[0].exc_info is not None


def test_a_loop_that_does_not_step_is_not_alive() -> None:
    """The watchdog goes by that; a beat from inside a long step counts."""
    silent = Loop("silent", lambda: 0.0, silence_seconds=0.0)
    assert not silent.is_alive()
    with running(Step(pause_seconds=3600)) as loop:
        assert loop.is_alive()


def test_one_of_those_that_wait_is_woken() -> None:
    """Eight threads for one job would only be in each other's way."""
    first, second = Step(pause_seconds=3600), Step(pause_seconds=3600)
    with running(first) as one, running(second) as other:
        assert first.is_done()
        assert second.is_done()
        wake_one([one, other])
        assert first.is_done() or second.is_done()
