"""The account of who printed what: written with a job's end, kept longer than the job, read at rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.accounts import PAGE_ROWS, Selection, parse_selection, read_account
from agent.cli.state import SCHEMAS
from agent.config_schema import AccountConfig
from agent.errors import InputError, StorageError
from agent.job import JobOptions, JobReading, JobState, Ticket
from agent.store import Store
from tests.conftest import FakeClock
from tests.spool_parts import PDF, Parts, after_kill, begin, in_doubt, opened

DAY = 86_400
ALL = Selection()
COMPLETED = JobReading(JobState.COMPLETED, device_job_id="42", impressions_completed=6)


@pytest.fixture
def parts(tmp_path: Path, clock: FakeClock) -> Iterator[Parts]:
    """Give an open spool."""
    with opened(tmp_path / "state", clock) as parts:
        yield parts


def end_one(parts: Parts, publisher: str | None = "ann", printer: str = "p", **ticket: Any) -> None:
    """Accept a job and cancel it."""
    parts.spool.cancel(parts.accept(Ticket(printer=printer, **ticket), publisher=publisher).job.id)


def entries(parts: Parts, **selection: Any) -> list[dict[str, Any]]:
    """Read the account."""
    return parts.spool.accounts.read(Selection(**selection))


def test_a_printed_job_is_in_the_account_with_all_that_a_bill_needs(parts: Parts, clock: FakeClock) -> None:
    """Job, pages, user, printer, time; a job that has not ended is not in it."""
    parts.accept(Ticket(printer="p", id="order-17", name="Order", options=JobOptions(copies=2)), publisher="ann")
    job = begin(parts)
    assert entries(parts) == []
    clock.advance(60)
    parts.spool.attempts.sent(job.id, COMPLETED)
    assert entries(parts) == [{
        "entry": 1, "id": "order-17", "printer": "p", "user": "ann", "claimed_user": None, "name": "Order",
        "state": "completed", "state_reasons": [], "impressions_completed": 6, "copies": 2, "attempts": 1,
        "document_format": "application/pdf", "size": len(PDF), "received_at": "2026-01-02T03:04:05Z",
        "ended_at": "2026-01-02T03:05:05Z",
    }]  # fmt: skip


@pytest.mark.parametrize("publisher", ["", None])
def test_a_claim_is_kept_as_a_claim(parts: Parts, publisher: str | None) -> None:
    """A user that only the ticket names is nobody's bill."""
    end_one(parts, publisher, user="ann")
    (entry,) = entries(parts)
    assert (entry["user"], entry["claimed_user"]) == (None, "ann")


def test_of_a_job_with_a_pin_the_user_is_kept_and_the_name_is_not(parts: Parts) -> None:
    """Who printed how much is what the account is for; what it was called is the user's secret."""
    end_one(parts, name="salary.pdf", pin="73519")
    (entry,) = entries(parts)
    assert (entry["user"], entry["name"]) == ("ann", None)


def test_a_job_ends_once_in_the_account(parts: Parts) -> None:
    """One in doubt is not in it until somebody has settled it; what is told again is not counted again."""
    job = in_doubt(parts)
    assert entries(parts) == []
    parts.spool.confirm(job.id, attempts=1)
    parts.accept(Ticket(printer="p", id="doubtful"))
    assert [(entry["id"], entry["state"]) for entry in entries(parts)] == [("doubtful", "completed")]


def test_an_end_that_is_not_on_the_disk_is_not_in_the_account(parts: Parts) -> None:
    """Both are one transaction."""
    job = parts.accept(publisher="ann").job
    parts.store.query("CREATE TEMP TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT raise(ABORT, 'disk'); END")
    with pytest.raises(StorageError, match="disk"):
        parts.spool.cancel(job.id)
    assert (parts.spool.get(job.id).state, entries(parts)) == (JobState.PENDING, [])


def test_the_account_outlives_the_jobs_and_a_kill(parts: Parts, clock: FakeClock) -> None:
    """The same id may come again after `spool.keep`: that is another entry."""
    for _ in range(2):
        end_one(parts, id="order-17")
        clock.advance(8 * DAY)
        parts.spool.step()
    with opened(after_kill(parts.state), clock) as survivor:
        assert [entry["id"] for entry in entries(survivor)] == ["order-17"] * 2
        assert survivor.spool.jobs() == ()


def test_the_account_is_kept_for_its_time_and_no_larger_than_it_may_be(tmp_path: Path, clock: FakeClock) -> None:
    """A card has an end; the oldest entries go first."""
    with opened(tmp_path / "state", clock, account=AccountConfig(keep=30 * DAY, max_jobs=2)) as parts:
        for number in range(4):
            end_one(parts, id=f"job-{number}")
        parts.spool.step()
        assert [entry["id"] for entry in entries(parts)] == ["job-2", "job-3"]
        clock.advance(30 * DAY)
        parts.spool.step()
        assert entries(parts) == []


def test_a_clock_that_is_behind_forgets_nothing_of_it(parts: Parts, clock: FakeClock) -> None:
    """Nor does one that jumps years ahead and back."""
    end_one(parts)
    clock.advance(-56 * 365 * DAY)
    parts.spool.step()
    assert len(entries(parts)) == 1


def test_a_part_of_it_can_be_asked_for(parts: Parts, clock: FakeClock) -> None:
    """By user, by printer, by when it ended: since is included, until is not."""
    for publisher, printer in (("ann", "p"), ("bob", "p"), ("ann", "q")):
        end_one(parts, publisher, printer)
        clock.advance(DAY)
    assert [entry["entry"] for entry in entries(parts, user="ann")] == [1, 3]
    assert [entry["entry"] for entry in entries(parts, printer_id="q")] == [3]
    begin_at = clock() - timedelta(days=2)
    assert [entry["entry"] for entry in entries(parts, since=begin_at)] == [2, 3]
    assert [entry["entry"] for entry in entries(parts, until=begin_at)] == [1]


def test_a_long_account_is_read_in_pages(parts: Parts) -> None:
    """Neither the agent nor a card has to hold all of it at once."""
    with parts.spool.accept_group():
        for number in range(PAGE_ROWS + 1):
            end_one(parts, id=f"job-{number}")
    first = entries(parts)
    assert [len(first), len(entries(parts, after=first[-1]["entry"]))] == [PAGE_ROWS, 1]


def test_it_is_read_at_rest_and_from_an_agent_of_before(parts: Parts, tmp_path: Path) -> None:
    """Without a running agent; a store without an account has an empty one."""
    end_one(parts)
    at_rest = Store.open_read_only(parts.store.path)
    assert [entry["user"] for entry in read_account(at_rest, ALL)] == ["ann"]
    at_rest.close()
    older = Store(tmp_path / "older.db")
    older.open()
    older.close()
    with closing(Store.open_read_only(older.path, SCHEMAS)) as reader:
        assert read_account(reader, ALL) == []


@pytest.mark.parametrize("arguments", [{"since": "yesterday"}, {"until": 7}, {"after": "x"}, {"after": [1]}])
def test_a_part_that_makes_no_sense_is_bad_input(arguments: dict[str, Any]) -> None:
    """It comes over a socket that other programs may use too."""
    with pytest.raises(InputError):
        parse_selection(arguments, printer_id=None)
