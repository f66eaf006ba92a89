from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import (
    PrinterRejectedError,
    SpoolFullError,
)
from agent.job import Job, JobState
from tests.conftest import FakeClock
from tests.dispatch_parts import LOST, OFF, Bench
from tests.spool_parts import PretendedPrinter, opened


@pytest.fixture
def printer() -> PretendedPrinter:
    """Give the printer `p`."""
    return PretendedPrinter()


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock, printer: PretendedPrinter) -> Iterator[Bench]:
    """Give a bench with the one printer."""
    with opened(tmp_path / "state", clock) as parts:
        yield Bench(parts, clock, {"p": printer})


def test_a_job_that_the_printer_has_forgotten_is_unknown_never_completed(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """Absence from the job list proves nothing."""
    bench.parts.accept()
    bench.run(seconds=5)
    printer.job_list.clear()
    bench.run(seconds=10)
    assert bench.outcome() == (JobState.PENDING_HELD, ("agent-outcome-unknown",))
    assert len(printer.printed) == 1


def test_a_lost_answer_is_asked_for(bench: Bench, printer: PretendedPrinter) -> None:
    """A job that the printer has after all is followed, and believed, since its TCP had the whole document."""
    printer.breaks, printer.takes_all_first = LOST, True
    bench.parts.accept()
    bench.run()
    printer.say("101", JobState.COMPLETED, "job-completed-successfully")
    bench.run(seconds=10)
    assert bench.outcome() == (JobState.COMPLETED, ("job-completed-successfully",))
    assert printer.tries == 1


def test_a_completion_is_not_believed_where_some_of_the_document_may_not_have_left(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """Printers complete as much as they got: a person is told that pages may be missing, and nothing is sent again."""
    printer.breaks = LOST
    printer.at_stage["sending"] = lambda: printer.say("101", JobState.PROCESSING)
    bench.parts.accept()
    bench.run()
    printer.say("101", JobState.COMPLETED, "job-completed-successfully")
    bench.run(seconds=10)
    assert bench.outcome() == (JobState.PENDING_HELD, ("agent-outcome-unknown",))
    assert "pages may be missing" in bench.job().message
    assert printer.tries == 1


def test_a_lost_answer_of_a_printer_that_cannot_be_asked_is_a_persons_to_settle(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """Without a job of the printer's to ask about, it is held."""
    printer.breaks, printer.makes_jobs_first = LOST, False
    bench.parts.accept()
    bench.run(seconds=60)
    assert (bench.outcome(), printer.tries) == ((JobState.PENDING_HELD, ("agent-outcome-unknown",)), 1)
    printer.breaks, printer.answer = None, JobState.COMPLETED
    bench.parts.spool.reprint(bench.job().id, attempts=1)
    bench.run()
    assert (bench.outcome()[0], len(printer.printed)) == (JobState.COMPLETED, 1)


def test_a_job_that_failed_for_want_of_data_is_sent_again(bench: Bench, printer: PretendedPrinter) -> None:
    """The printer says of that very job that nothing was printed because the document never came whole."""
    printer.breaks = LOST
    printer.at_stage["sending"] = lambda: printer.say("101", JobState.ABORTED, "submission-interrupted", impressions=0)
    bench.parts.accept()
    bench.dispatcher.step()
    printer.breaks, printer.answer = None, JobState.COMPLETED
    bench.run(seconds=5)
    assert (bench.outcome()[0], len(printer.printed), printer.tries) == (JobState.COMPLETED, 1, 2)


def test_an_abort_of_half_a_document_without_a_cause_is_a_persons_to_settle(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """That no page was counted is not enough to send it again, and the document is not to blame."""
    printer.breaks = LOST
    printer.at_stage["sending"] = lambda: printer.say("101", JobState.ABORTED, "aborted-by-system", impressions=0)
    bench.parts.accept()
    bench.run(seconds=3600)
    assert (bench.outcome(), printer.tries) == ((JobState.PENDING_HELD, ("agent-outcome-unknown",)), 1)


def test_a_printer_that_waits_for_the_rest_is_told_to_forget_it(bench: Bench, printer: PretendedPrinter) -> None:
    """Half a document is cancelled on the printer before the whole is sent again."""
    printer.breaks = LOST
    bench.parts.accept()
    bench.dispatcher.step()
    printer.breaks, printer.answer = None, JobState.COMPLETED
    bench.run(seconds=5)
    assert (printer.cancelled, len(printer.printed), bench.outcome()[0]) == (["101"], 1, JobState.COMPLETED)


def test_a_document_that_breaks_every_connection_is_not_sent_for_ever(bench: Bench, printer: PretendedPrinter) -> None:
    """With growing pauses, and then it ends; the outcome is no secret: nothing was printed."""
    printer.breaks = LOST
    bench.parts.accept()
    bench.run(seconds=3600)
    assert (bench.outcome(), printer.tries) == ((JobState.ABORTED, ("submission-interrupted",)), 9)


def test_tries_at_a_printer_that_was_off_do_not_count_as_broken_documents(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """A job that waited a night for its printer is sent again like any other when its document breaks off."""
    printer.refusal = OFF
    bench.parts.accept()
    bench.run(seconds=3600)
    printer.refusal, printer.breaks = None, LOST
    bench.dispatcher.printer_is_back("p")
    bench.dispatcher.step()
    printer.breaks, printer.answer = None, JobState.COMPLETED
    bench.run(seconds=60)
    assert (bench.outcome()[0], len(printer.printed)) == (JobState.COMPLETED, 1)


def test_a_job_of_which_pages_came_out_is_never_sent_again(bench: Bench, printer: PretendedPrinter) -> None:
    """An aborted job with a page printed is a person's to settle."""
    printer.breaks = LOST
    printer.at_stage["sending"] = lambda: printer.say("101", JobState.ABORTED, "submission-interrupted", impressions=1)
    bench.parts.accept()
    bench.run(seconds=3600)
    assert (bench.outcome(), printer.tries) == ((JobState.PENDING_HELD, ("agent-outcome-unknown",)), 1)


def test_a_driver_that_fails_after_the_first_byte_is_a_lost_answer(bench: Bench, printer: PretendedPrinter) -> None:
    """A mistake of ours is no reason to print twice."""
    printer.breaks, printer.makes_jobs_first = ZeroDivisionError("ours"), False
    bench.parts.accept()
    bench.run(seconds=60)
    assert (bench.outcome()[0], printer.tries) == (JobState.PENDING_HELD, 1)


def test_a_disk_that_is_full_for_a_while_forgets_nothing(
    bench: Bench, printer: PretendedPrinter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came of a job is written as soon as the disk takes it."""
    printer.answer = JobState.COMPLETED
    bench.parts.accept()
    sent = bench.parts.spool.attempts.sent

    def refuse(*_: object) -> Job:
        raise SpoolFullError("the disk is full")

    monkeypatch.setattr(bench.parts.spool.attempts, "sent", refuse)
    bench.run(seconds=10)
    assert bench.outcome()[0] is JobState.PROCESSING
    monkeypatch.setattr(bench.parts.spool.attempts, "sent", sent)
    bench.run(seconds=10)
    assert (bench.outcome()[0], len(printer.printed)) == (JobState.COMPLETED, 1)


def test_a_job_that_prints_is_cancelled_on_the_printer(bench: Bench, printer: PretendedPrinter) -> None:
    """The printer is told, once, and its word ends the job."""
    bench.parts.accept()
    bench.run(seconds=30)
    bench.parts.spool.cancel(bench.job().id)
    bench.run(seconds=1)
    assert (printer.cancelled, bench.outcome()) == (["101"], (JobState.CANCELED, ("job-canceled-by-user",)))


def test_a_job_that_stood_still_is_not_called_completed_because_its_printer_says_no_more(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """A login that is asked for all at once is no word on the paper that was out."""
    bench.parts.accept()
    bench.run()
    printer.say("101", JobState.PROCESSING_STOPPED, "media-empty")
    bench.run(seconds=5)
    printer.refusal = PrinterRejectedError("the printer asks for a login")
    bench.run(seconds=10)
    assert bench.outcome() == (JobState.PENDING_HELD, ("agent-outcome-unknown",))


def test_a_job_is_cancelled_also_with_the_printer_gone(bench: Bench, printer: PretendedPrinter) -> None:
    """Nobody has to wait for a printer that was thrown away."""
    bench.parts.accept()
    bench.run()
    printer.refusal = OFF
    bench.parts.spool.cancel(bench.job().id)
    bench.run()
    assert bench.outcome()[0] is JobState.CANCELED
    assert "could not be told" in bench.job().message
    assert "pages of it may come out" in bench.job().message


def test_a_cancel_that_comes_too_late_leaves_the_truth(bench: Bench, printer: PretendedPrinter) -> None:
    """A job that was printed before the printer heard of it is completed."""
    bench.parts.accept()
    bench.run()
    printer.is_too_late = True
    printer.say("101", JobState.COMPLETED)
    bench.parts.spool.cancel(bench.job().id)
    bench.run(seconds=1)
    assert bench.outcome()[0] is JobState.COMPLETED
