"""What a publisher may have in a day, and that neither a restart nor a clock gives it more, or nothing for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.config_schema import LimitsConfig, UserConfig
from agent.errors import ConflictError, TicketError
from agent.job import Job, JobOptions, JobReading, JobState, Ticket
from agent.limits import Usage, day_of, end_of, exceeded, limits_of
from agent.spool_deliveries import Delivery
from tests.conftest import FakeClock
from tests.spool_parts import PDF, Parts, after_kill, begin, opened

DAY = 86_400
TWO_JOBS = LimitsConfig(jobs_per_day=2)
TEN_PAGES = LimitsConfig(pages_per_day=10)
Open = Callable[..., AbstractContextManager[Parts]]


@pytest.fixture
def open_spool(tmp_path: Path, clock: FakeClock) -> Open:
    """Give what opens a spool in one and the same state folder, with the limits that are named."""
    return partial(opened, tmp_path / "state", clock)


@pytest.fixture
def parts(open_spool: Open) -> Iterator[Parts]:
    """Give an open spool that takes two jobs a day of each publisher."""
    with open_spool(limits=TWO_JOBS) as parts:
        yield parts


def publish(parts: Parts, publisher: str | None = "ann", **changes: Any) -> Job:
    """Accept a job of its own of a publisher."""
    job_id = changes.pop("id", None) or f"job-{len(parts.spool.jobs())}"
    return parts.accept(Ticket(printer="p", id=job_id, **changes), publisher=publisher).job


def printed(parts: Parts, impressions: int | None) -> None:
    """Have the next job printed with so many impressions."""
    reading = JobReading(JobState.COMPLETED, device_job_id="42", impressions_completed=impressions)
    parts.spool.attempts.sent(begin(parts).id, reading)


def test_the_third_of_two_jobs_is_refused_with_the_limit_and_its_end(parts: Parts) -> None:
    """The publisher hears which limit it was, and when the next day begins; nothing is left of the job."""
    publish(parts)
    publish(parts)
    with pytest.raises(
        TicketError, match=r"ann: no more than 2 jobs per day.*2026-01-03T00:00:00Z.*jobs_per_day"
    ) as no:
        publish(parts, id="third")
    assert (no.value.reason, no.value.job_id) == ("agent-limit-exceeded", "third")
    assert (len(parts.spool.jobs()), len(parts.documents())) == (2, 2)


def test_one_publisher_costs_another_nothing(parts: Parts) -> None:
    """Each has a count of its own, and so have all together whose topic names no user."""
    for publisher in ("ann", "ann", "bob", "bob", "", ""):
        publish(parts, publisher)
    with pytest.raises(TicketError, match="publishers whose topic names no user"):
        publish(parts, "")


def test_a_user_that_only_a_ticket_claims_is_charged_nothing(parts: Parts) -> None:
    """Whoever names somebody else in a ticket uses up the count of those without a user."""
    publish(parts, "", user="ann")
    publish(parts, "", user="ann")
    assert publish(parts, "ann").publisher == "ann"
    with pytest.raises(TicketError):
        publish(parts, "", user="bob")


def test_the_command_line_has_no_limit(parts: Parts) -> None:
    """Who may use it runs the site."""
    assert [publish(parts, None).publisher for _ in range(3)] == [None] * 3


def test_a_known_id_is_told_again_and_never_refused_or_charged(parts: Parts) -> None:
    """Publishing the same once more is how a publisher makes sure."""
    first = publish(parts, id="order-17")
    publish(parts, id="order-18")
    assert [publish(parts, id="order-17").id for _ in range(3)] == [first.id] * 3
    with pytest.raises(ConflictError):
        parts.accept(Ticket(printer="q", id="order-17"), publisher="ann")


def test_a_redelivery_is_never_refused(parts: Parts) -> None:
    """Its job was accepted, and only the acknowledgement was lost."""
    publish(parts)
    ticket = Ticket(printer="p")
    job = parts.accept(ticket, delivery=Delivery(7, dup=False), publisher="ann").job
    assert parts.accept(ticket, delivery=Delivery(7, dup=True), publisher="ann").job.id == job.id


def test_bytes_are_counted_at_acceptance(open_spool: Open) -> None:
    """A document that does not fit into the day any more is refused, a smaller one is not."""
    with open_spool(limits=LimitsConfig(bytes_per_day=2 * len(PDF) + 1)) as parts:
        publish(parts)
        with pytest.raises(TicketError, match="bytes_per_day"):
            parts.accept(Ticket(printer="p", id="large"), document=PDF * 2, publisher="ann")
        publish(parts, id="small")


def test_pages_are_counted_when_they_are_printed(open_spool: Open) -> None:
    """What a job will have is known only then: the one that reaches the limit is printed whole."""
    with open_spool(limits=TEN_PAGES) as parts:
        publish(parts)
        printed(parts, 9)
        publish(parts)
        printed(parts, 30)
        with pytest.raises(TicketError, match="pages_per_day"):
            publish(parts)


def test_a_job_that_waits_counts_as_a_page_a_copy(open_spool: Open) -> None:
    """A queue can't be filled before the first page of it is known; what is cancelled costs nothing."""
    with open_spool(limits=TEN_PAGES) as parts:
        waiting = publish(parts, options=JobOptions(copies=10))
        with pytest.raises(TicketError, match="pages_per_day"):
            publish(parts)
        parts.spool.cancel(waiting.id)
        assert publish(parts, options=JobOptions(copies=10)).state is JobState.PENDING


def test_pages_that_nobody_counts_are_at_least_one_a_copy(open_spool: Open) -> None:
    """A printer that can say nothing does not print for nothing."""
    with open_spool(limits=TEN_PAGES) as parts:
        publish(parts, options=JobOptions(copies=10))
        parts.spool.attempts.sent(begin(parts).id, JobReading(None))
        with pytest.raises(TicketError, match="pages_per_day"):
            publish(parts)


def test_a_new_day_is_a_new_count(parts: Parts, clock: FakeClock) -> None:
    """It begins at midnight where the box is."""
    publish(parts)
    publish(parts)
    clock.advance(DAY)
    assert publish(parts).state is JobState.PENDING


def test_a_restart_and_forgotten_jobs_give_nothing_back(open_spool: Open, clock: FakeClock) -> None:
    """The count is on the disk, and not a count of what the spool remembers."""
    with open_spool(limits=TWO_JOBS, keep=60) as parts:
        for _ in range(2):
            parts.spool.cancel(publish(parts).id)
        clock.advance(61)
        assert parts.spool.prune() == 2
        state = after_kill(parts.state)
    with opened(state, clock, limits=TWO_JOBS) as survivor, pytest.raises(TicketError):
        publish(survivor)


def test_a_clock_of_1970_after_a_power_cut_gives_no_second_day(parts: Parts, clock: FakeClock) -> None:
    """The last day that anything was counted on goes on until the clock is past it."""
    publish(parts)
    publish(parts)
    clock.advance(-56 * 365 * DAY)
    with pytest.raises(TicketError):
        publish(parts)


def test_a_clock_that_was_years_ahead_blocks_nobody_for_ever(open_spool: Open, clock: FakeClock) -> None:
    """Once it has run evenly for a day, it is believed, and what it had dated later counts for today."""
    uptime = [0.0]
    with open_spool(limits=TWO_JOBS, monotonic=lambda: uptime[0]) as parts:
        clock.advance(3650 * DAY)
        publish(parts)
        publish(parts)
        clock.advance(-3650 * DAY)
        parts.spool.step()
        uptime[0] += DAY + 1
        clock.advance(DAY + 1)
        parts.spool.step()
        with pytest.raises(TicketError, match="2026-01-04"):
            publish(parts)
        clock.advance(DAY)
        assert publish(parts).state is JobState.PENDING


def test_who_is_at_a_limit_is_told(parts: Parts) -> None:
    """With the limit and the end of the day, for `status`."""
    publish(parts)
    publish(parts)
    publish(parts, "bob")
    (told,) = parts.spool.accounts.at_limit()
    assert told == {"user": "ann", "limit": "jobs_per_day", "until": "2026-01-03T00:00:00Z"}


def test_a_user_has_its_own_limits_and_everybodys_where_it_has_none() -> None:
    """0 is no limit; what is not said is as for everybody."""
    everybody = LimitsConfig(jobs_per_day=5, bytes_per_day=100)
    users = [UserConfig(name="ann", jobs_per_day=0), UserConfig(name="bob", pages_per_day=7)]
    assert limits_of("ann", everybody, users) == LimitsConfig(jobs_per_day=0, bytes_per_day=100)
    assert limits_of("bob", everybody, users) == LimitsConfig(jobs_per_day=5, bytes_per_day=100, pages_per_day=7)
    assert limits_of("", everybody, users) == everybody


@pytest.mark.parametrize(
    ("used", "key"),
    [(Usage(1, 99, 9), None), (Usage(2, 0, 0), "jobs_per_day"), (Usage(0, 100, 0), "bytes_per_day"),
     (Usage(0, 0, 10), "pages_per_day")],
)  # fmt: skip
def test_a_limit_may_be_reached_and_not_exceeded(used: Usage, key: str | None) -> None:
    """Two of two jobs is within."""
    limits = LimitsConfig(jobs_per_day=2, bytes_per_day=100, pages_per_day=10)
    assert exceeded(limits, used, Usage(1, 1, 1)) == key


def test_a_day_is_that_of_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Berlin it ends an hour or two before midnight UTC, also when the clocks change."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert day_of(datetime(2026, 1, 2, 23, 30, tzinfo=UTC)) == "2026-01-03"
        assert end_of("2026-01-03") == datetime(2026, 1, 3, 23, tzinfo=UTC)
        assert end_of("2026-03-29") == datetime(2026, 3, 29, 22, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
