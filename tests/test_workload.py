"""What PrintOS is told that a printer has to do, and until when: jobs on a real disk, a fake clock, no printer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from agent.device_report import DeviceReport
from agent.job import Job, JobOptions, JobReading, JobState, Ticket
from agent.model import Printer, PrinterState, PrinterStatus
from agent.print_times import Done, PrintTimes, seconds_left
from agent.workload import Workload
from tests.printos_parts import Ticker
from tests.spool_parts import Parts, a_printer, begin, opened

COMPLETED = JobReading(JobState.COMPLETED)
PRINTING = JobReading(JobState.PROCESSING, device_job_id="7", state_reasons=("job-printing",))


@dataclass
class Shop:
    """A spool, what watches it, and the clock of both."""

    parts: Parts
    workload: Workload
    ticker: Ticker

    def accept(self, copies: int = 1, *, hold: bool = False) -> Job:
        """Accept a job."""
        ticket = Ticket(printer="p", options=JobOptions(copies=copies), hold=hold)
        return self.parts.accept(ticket, digest_parts=str(self.ticker.seconds).encode()).job

    def begin(self) -> Job:
        """Send a job to the printer, which begins to print it."""
        job = begin(self.parts)
        return self.parts.spool.attempts.sent(job.id, PRINTING)

    def print_one(self, seconds: float, copies: int = 1, reading: JobReading = COMPLETED) -> None:
        """Have a job printed in so many seconds."""
        self.accept(copies)
        job = self.begin()
        self.ticker.advance(seconds)
        self.parts.spool.attempts.record(job.id, reading)

    def report(self, printer: Printer | None = None) -> DeviceReport:
        """Report on the printer, which is online and prints."""
        return self.workload.report(printer or in_state(PrinterState.PROCESSING), is_interpreting=False)

    def seconds_left(self, printer: Printer | None = None) -> float | None:
        """Give how far away the end is that is told."""
        moment = self.report(printer).complete_at
        return None if moment is None else (moment - self.ticker.now()).total_seconds()


def in_state(state: PrinterState, *, queued: int | None = None, online: bool = True, paused: bool = False) -> Printer:
    """Give the printer of the spool's jobs."""
    return a_printer(online=online, paused=paused, status=PrinterStatus(state=state, queued_job_count=queued))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Give a shop where nothing has been printed yet."""
    ticker = Ticker()
    with opened(tmp_path, ticker.now, monotonic=ticker) as parts:
        times = PrintTimes(monotonic=ticker)
        parts.spool.on_told = times.note
        yield Shop(parts, Workload(spool=parts.spool, times=times, now=ticker.now, with_latest=True), ticker)


def test_jobs_of_others_are_counted_and_ours_once(shop: Shop) -> None:
    """Three in the spool, one of which the printer has, and four in the printer: six."""
    for _ in range(3):
        shop.ticker.advance(1)
        shop.accept()
    shop.begin()
    assert shop.report().jobs == 3
    assert shop.report(in_state(PrinterState.PROCESSING, queued=4)).jobs == 6
    assert shop.report(in_state(PrinterState.PROCESSING, queued=0)).jobs == 3
    assert shop.report(in_state(PrinterState.PROCESSING, queued=4, online=False)).jobs == 3


def test_nothing_is_foretold_where_nothing_was_printed(shop: Shop) -> None:
    """An end is only told by what the printer has done."""
    shop.accept()
    assert shop.seconds_left() is None


def test_an_end_is_told_by_what_the_printer_has_really_done(shop: Shop) -> None:
    """Ten seconds a copy: what it works on for four, three copies that wait, and two jobs of others."""
    for seconds, copies in ((10, 1), (20, 2), (100, 1)):
        shop.print_one(seconds, copies)
    assert shop.seconds_left() is None
    shop.accept()
    shop.begin()
    shop.ticker.advance(4)
    shop.accept(3)
    assert shop.seconds_left() == 6 + 30
    assert shop.seconds_left(in_state(PrinterState.PROCESSING, queued=3)) == 6 + 30 + 2 * 20


def test_an_end_is_never_in_the_past(shop: Shop) -> None:
    """What takes longer than usual is not done yet."""
    shop.print_one(10)
    shop.accept()
    shop.begin()
    shop.ticker.advance(3600)
    assert shop.seconds_left() == 1


def test_no_end_is_told_of_a_printer_that_does_nothing(shop: Shop) -> None:
    """One that is away, stands still or is paused; and held jobs are not waited for."""
    shop.print_one(10)
    shop.accept(hold=True)
    assert shop.seconds_left() is None
    shop.ticker.advance(1)
    shop.accept()
    assert shop.seconds_left(in_state(PrinterState.IDLE)) == 10
    for printer in (
        in_state(PrinterState.STOPPED),
        in_state(PrinterState.IDLE, online=False),
        in_state(PrinterState.IDLE, paused=True),
    ):
        assert shop.seconds_left(printer) is None


def test_time_in_which_the_printer_stood_still_does_not_count(shop: Shop) -> None:
    """Nor does a job whose end nobody has confirmed."""
    shop.print_one(1, reading=JobReading(None))
    shop.accept()
    job = shop.begin()
    shop.ticker.advance(5)
    shop.parts.spool.attempts.record(job.id, JobReading(JobState.PROCESSING_STOPPED))
    shop.ticker.advance(3600)
    shop.parts.spool.attempts.record(job.id, PRINTING)
    shop.ticker.advance(5)
    shop.parts.spool.attempts.record(job.id, COMPLETED)
    shop.accept()
    assert shop.seconds_left() == 10


def test_an_attempt_that_came_to_nothing_is_not_counted(shop: Shop) -> None:
    """Only the attempt that printed the job tells how long that took."""
    shop.accept()
    job = begin(shop.parts)
    shop.ticker.advance(50)
    shop.parts.spool.attempts.retry(job.id, after_seconds=100, reasons=(), message="")
    shop.ticker.advance(101)
    job = shop.begin()
    shop.ticker.advance(10)
    shop.parts.spool.attempts.record(job.id, COMPLETED)
    shop.accept()
    assert shop.seconds_left() == 10


def test_pages_that_are_being_made_show(shop: Shop) -> None:
    """As long as the printer says so of our job, and not that it prints."""
    shop.accept()
    job = shop.begin()
    for reasons, expected in (
        (("job-interpreting",), {"p"}),
        (("job-transforming",), {"p"}),
        (("job-interpreting", "job-printing"), set()),
        (("job-printing",), set()),
    ):
        shop.parts.spool.attempts.record(job.id, JobReading(JobState.PROCESSING, state_reasons=reasons))
        assert shop.workload.interpreting() == expected


def test_the_latest_jobs_are_named_the_newest_first(shop: Shop) -> None:
    """Ended ones too, and no more than ten."""
    for _ in range(12):
        shop.print_one(1)
    last = shop.accept()
    latest = shop.report().latest
    assert (len(latest), latest[0].id) == (10, last.id)


def test_a_usual_job_is_the_middle_one() -> None:
    """One that took a day tells nothing of the next."""
    done = [Done(10, 1), Done(11, 1), Done(timedelta(days=1).total_seconds(), 1)]
    assert seconds_left(done, under_way=None, copies=2, jobs=1) == 33
