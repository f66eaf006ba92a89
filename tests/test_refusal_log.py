"""A flood of refusals does not fill the log, and none goes uncounted."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from agent.refusal_log import KINDS_LIMIT, QUIET_SECONDS, RefusalLog


class Time:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Give the present."""
        return self.now


@pytest.fixture
def clock() -> Time:
    """Give a clock."""
    return Time()


@pytest.fixture
def refusals(clock: Time, caplog: pytest.LogCaptureFixture) -> Iterator[RefusalLog]:
    """Give a log of refusals whose lines are kept."""
    with caplog.at_level(logging.INFO):
        yield RefusalLog(monotonic=clock)


def test_the_same_refusal_is_logged_once_and_then_counted(
    refusals: RefusalLog, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """The first at once, the rest a minute later with their number and the last problem."""
    for number in range(1000):
        refusals.note("a/print", "agent-bad-ticket", f"problem {number}")
    assert caplog.messages == ["'a/print': refused (agent-bad-ticket): problem 0"]
    clock.now += QUIET_SECONDS
    refusals.settle()
    assert caplog.messages[1:] == ["'a/print': refused (agent-bad-ticket): 999 more, the last: problem 999"]


def test_what_does_not_come_again_is_logged_each_time(
    refusals: RefusalLog, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """Another topic or reason is news, and so is the same one a minute later."""
    for topic, reason in (("a", "x"), ("a", "y"), ("b", "x")):
        refusals.note(topic, reason, "why")
    clock.now += QUIET_SECONDS
    refusals.note("a", "x", "why")
    assert len(caplog.messages) == 4
    assert not any("more" in line for line in caplog.messages)


def test_a_flood_on_many_topics_is_counted_together(
    refusals: RefusalLog, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """A publisher can make up topics without end, and long ones."""
    for number in range(5000):
        refusals.note(f"{number}" + "x" * 60_000, "agent-bad-ticket", "why")
    clock.now += QUIET_SECONDS
    refusals.settle()
    assert len(caplog.messages) == KINDS_LIMIT + 2
    assert f"{5000 - KINDS_LIMIT - 1} more" in caplog.messages[-1]
    assert max(len(line) for line in caplog.messages) < 300
