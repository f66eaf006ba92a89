"""A gateway's clock is wrong at times: 1970 at boot, set by NTP, set wrong and set back. Nothing is lost by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.errors import RefusedError
from agent.job import JobReading, JobState, Ticket
from tests.conftest import FakeClock
from tests.spool_parts import Parts, begin, claimed, in_doubt, opened

MINUTE, DAY, YEAR = 60, 86_400, 365 * 86_400
SINCE_1970 = 56 * YEAR


class Clocks:
    """A wall clock that can be set, and what runs on whatever it says."""

    def __init__(self, wall: FakeClock) -> None:
        self.wall = wall
        self.uptime = 0.0

    def set_by(self, seconds: float) -> None:
        """Set the wall clock, in no time."""
        self.wall.advance(seconds)

    def run(self, parts: Parts, seconds: float) -> None:
        """Let time pass, with a step of the spool at the end."""
        self.wall.advance(seconds)
        self.uptime += seconds
        parts.spool.step()


@pytest.fixture
def clocks(clock: FakeClock) -> Clocks:
    """Give both clocks."""
    return Clocks(clock)


@pytest.fixture
def open_spool(tmp_path: Path, clocks: Clocks) -> Callable[..., Any]:
    """Give what opens the spool under these clocks."""

    @contextmanager
    def opening(**keys: Any) -> Iterator[Parts]:
        with opened(tmp_path / "state", clocks.wall, monotonic=lambda: clocks.uptime, **keys) as parts:
            yield parts

    return opening


@pytest.fixture
def parts(open_spool: Callable[..., Any]) -> Iterator[Parts]:
    """Give an open spool with a job of each kind: waiting, held, with a PIN, in doubt, at its printer, ended."""
    with open_spool() as parts:
        in_doubt(parts)
        parts.accept(Ticket(printer="r", id="at-printer", expires_in=60))
        parts.spool.attempts.sent(begin(parts).id, JobReading(JobState.PROCESSING, device_job_id="42"))
        parts.accept(Ticket(printer="q", id="waits", expires_in=3600))
        parts.accept(Ticket(printer="q", id="held", hold=True))
        parts.accept(Ticket(printer="q", id="pin", pin="4711"))
        parts.spool.cancel(parts.accept(Ticket(printer="q", id="ended")).job.id)
        yield parts


def states(parts: Parts) -> dict[str, JobState]:
    """Give the states of all jobs that are known."""
    return {job.id: job.state for job in parts.spool.jobs()}


def ids_that_expired(parts: Parts) -> set[str]:
    """Name the jobs that expired."""
    return {job.id for job in parts.spool.jobs() if "agent-expired" in job.state_reasons}


@pytest.mark.parametrize("seconds", [-SINCE_1970, -6 * 3600, 10 * YEAR])
def test_a_clock_that_jumps_and_is_set_right_again_changes_nothing(
    parts: Parts, clocks: Clocks, seconds: float
) -> None:
    """Far back or far ahead: no job ends, none is forgotten, none is sent again."""
    before = states(parts)
    clocks.set_by(seconds)
    for _ in range(9):
        clocks.run(parts, MINUTE)
    clocks.set_by(-seconds)
    clocks.run(parts, MINUTE)
    assert states(parts) == before
    clocks.run(parts, 11 * MINUTE)
    assert states(parts) == before


def test_a_job_is_not_sent_by_a_clock_by_which_it_is_too_old(parts: Parts, clocks: Clocks) -> None:
    """While nobody knows whether the jump is right, it is neither ended nor printed."""
    clocks.set_by(7 * DAY)
    parts.spool.step()
    assert (claimed(parts, "p"), ids_that_expired(parts)) == (None, set())


def test_a_clock_that_is_set_by_ntp_is_believed_after_a_while(parts: Parts, clocks: Clocks) -> None:
    """What waited or was held for a week has expired; a doubt and what a printer has, have not."""
    clocks.set_by(7 * DAY - MINUTE)
    clocks.run(parts, MINUTE)
    clocks.run(parts, 10 * MINUTE)
    assert ids_that_expired(parts) == {"waits", "held", "pin"}
    assert states(parts)["doubtful"] is JobState.PENDING_HELD
    assert states(parts)["at-printer"] is JobState.PROCESSING


def test_held_jobs_expire_by_their_own_time_and_by_max_age(open_spool: Callable[..., Any], clocks: Clocks) -> None:
    """A job that nobody releases does not stay for ever, nor one whose printer is gone."""
    with open_spool(max_age=3600) as parts:
        parts.accept(Ticket(printer="p", id="soon", pin="4711", expires_in=60))
        parts.accept(Ticket(printer="p", id="later", hold=True))
        parts.accept(Ticket(printer="p", id="no-printer"))
        clocks.run(parts, 61)
        assert ids_that_expired(parts) == {"soon"}
        clocks.run(parts, 3600)
        assert ids_that_expired(parts) == {"soon", "later", "no-printer"}


def test_a_job_of_1970_ages_from_when_the_clock_is_set(open_spool: Callable[..., Any], clocks: Clocks) -> None:
    """It neither expires at once nor waits for ever."""
    clocks.set_by(-SINCE_1970)
    with open_spool(max_age=DAY) as parts:
        parts.accept(Ticket(printer="p", id="early"))
        clocks.set_by(SINCE_1970)
        clocks.run(parts, MINUTE)
        clocks.run(parts, 11 * MINUTE)
        assert states(parts) == {"early": JobState.PENDING}
        clocks.run(parts, DAY + 1)
        assert ids_that_expired(parts) == {"early"}


def test_what_a_ticket_of_1970_says_of_its_time_holds_from_when_the_clock_is_set(
    open_spool: Callable[..., Any], clocks: Clocks
) -> None:
    """The shorter of `expires_in` and Message Expiry; what the publisher dated needs no clock of ours."""
    created_at = clocks.wall()
    clocks.set_by(-SINCE_1970)
    with open_spool() as parts:
        parts.accept(Ticket(printer="p", id="short", expires_in=120), expires_at=clocks.wall() + timedelta(days=1))
        parts.accept(
            Ticket(printer="p", id="by-message", expires_in=DAY), expires_at=clocks.wall() + timedelta(hours=1)
        )
        parts.accept(Ticket(printer="p", id="dated", created_at=created_at, expires_in=DAY))
        clocks.set_by(SINCE_1970)
        parts.spool.step()
        clocks.run(parts, 10 * MINUTE)
        assert ids_that_expired(parts) == set()
        ends = {job.id: job.expires_at for job in parts.spool.jobs()}
        assert ends == {
            "short": clocks.wall() + timedelta(seconds=120),
            "by-message": clocks.wall() + timedelta(hours=1),
            "dated": created_at + timedelta(days=1),
        }


def test_a_clock_that_was_years_ahead_stops_nothing_for_ever(parts: Parts, clocks: Clocks) -> None:
    """What it dated is dated anew after a day: jobs expire again, and what ended is forgotten."""
    clocks.set_by(10 * YEAR)
    clocks.run(parts, MINUTE)
    parts.spool.cancel(parts.accept(Ticket(printer="q", id="ahead")).job.id)
    clocks.set_by(-10 * YEAR)
    clocks.run(parts, MINUTE)
    clocks.run(parts, DAY)
    clocks.run(parts, MINUTE)
    assert ids_that_expired(parts) >= {"waits", "held"}
    assert parts.spool.get("ahead").updated_at <= clocks.wall()
    clocks.run(parts, 7 * DAY)
    assert states(parts).keys() == {"doubtful", "at-printer"}


@pytest.mark.parametrize("seconds", [-SINCE_1970, -6 * 3600, 10 * YEAR])
def test_a_locked_pin_is_not_locked_for_ever_by_a_clock(parts: Parts, clocks: Clocks, seconds: float) -> None:
    """A lock that ends further away than any lock lasts was set by a clock that was wrong."""
    clocks.set_by(max(seconds, 0))
    for _ in range(5):
        with pytest.raises(RefusedError):
            parts.spool.release("pin", pin="0000")
    clocks.set_by(min(seconds, -seconds))
    assert parts.spool.release("pin", pin="4711").state is JobState.PENDING


def test_a_start_by_a_clock_that_is_years_ahead_ends_nothing_at_once(
    open_spool: Callable[..., Any], clocks: Clocks
) -> None:
    """A box that was off for so long is believed a little later, and prints nothing old meanwhile."""
    with open_spool() as parts:
        parts.accept(Ticket(printer="p", id="waits", expires_in=60))
    clocks.set_by(10 * YEAR)
    with open_spool() as parts:
        parts.spool.step()
        assert (states(parts), claimed(parts)) == ({"waits": JobState.PENDING}, None)
        clocks.run(parts, 10 * MINUTE)
        assert ids_that_expired(parts) == {"waits"}


def test_the_memory_of_ids_outlives_a_jump(parts: Parts, clocks: Clocks) -> None:
    """An id that was forgotten too early would print again when it is published again."""
    clocks.set_by(10 * YEAR)
    parts.spool.step()
    assert not parts.accept(Ticket(printer="q", id="ended")).is_new
