from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.drivers.raw import Raw
from agent.errors import (
    PrinterBusyError,
    PrinterProtocolError,
    PrinterRejectedError,
    StorageError,
)
from agent.job import Job, JobOptions, JobState, Ticket
from agent.model import Capabilities
from tests.conftest import FakeClock
from tests.dispatch_parts import OFF, Bench, sink
from tests.spool_parts import PDF, PretendedPrinter, opened


@pytest.fixture
def printer() -> PretendedPrinter:
    """Give the printer `p`."""
    return PretendedPrinter()


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock, printer: PretendedPrinter) -> Iterator[Bench]:
    """Give a bench with the one printer."""
    with opened(tmp_path / "state", clock) as parts:
        yield Bench(parts, clock, {"p": printer})


def test_a_job_is_followed_to_the_end_that_the_printer_tells(bench: Bench, printer: PretendedPrinter) -> None:
    """Completed is told when the printer says so, not when the document has left."""
    bench.parts.accept(Ticket(printer="p", name="Order 17"))
    bench.run()
    assert (printer.printed, bench.outcome()[0]) == ([("Order 17", PDF)], JobState.PROCESSING)
    printer.say("101", JobState.COMPLETED, "job-completed-successfully", impressions=2)
    bench.run(seconds=5)
    assert bench.outcome() == (JobState.COMPLETED, ("job-completed-successfully",))


def test_a_long_print_is_asked_about_ever_more_rarely(bench: Bench, printer: PretendedPrinter) -> None:
    """Often in the first seconds, later every five seconds."""
    bench.parts.accept()
    bench.run(seconds=5)
    early = printer.asked
    bench.run(seconds=595)
    assert 8 <= early <= 16
    assert printer.asked <= early + 160


def test_the_next_job_waits_for_the_end_of_the_one_before(bench: Bench, printer: PretendedPrinter) -> None:
    """One job at a time a printer."""
    bench.parts.accept(Ticket(printer="p", name="first"))
    bench.parts.accept(Ticket(printer="p", name="second"))
    bench.run(seconds=10)
    assert [name for name, _ in printer.printed] == ["first"]
    printer.say("101", JobState.COMPLETED)
    bench.run(seconds=10)
    assert [name for name, _ in printer.printed] == ["first", "second"]


def test_paper_out_is_waited_for_and_never_a_resend(bench: Bench, printer: PretendedPrinter) -> None:
    """A stopped job goes on when the printer does."""
    bench.parts.accept()
    bench.run()
    printer.say("101", JobState.PROCESSING_STOPPED, "media-empty")
    bench.run(seconds=3600)
    assert bench.outcome() == (JobState.PROCESSING_STOPPED, ("media-empty",))
    printer.say("101", JobState.COMPLETED)
    bench.run(seconds=10)
    assert (bench.outcome()[0], printer.tries) == (JobState.COMPLETED, 1)


def test_a_paused_printer_gets_nothing_until_it_is_resumed(bench: Bench, printer: PretendedPrinter) -> None:
    """Its jobs wait, and go when people say so."""
    bench.paused.add("p")
    bench.parts.accept()
    bench.run(seconds=60)
    assert printer.tries == 0
    bench.paused.clear()
    bench.dispatcher.printer_is_back("p")
    bench.run()
    assert len(printer.printed) == 1


def test_a_printer_that_is_off_is_tried_again_with_growing_pauses(bench: Bench, printer: PretendedPrinter) -> None:
    """A hundred jobs for a dead printer cost one try a pause, not one a job; all print once when it is back."""
    printer.refusal, printer.answer = OFF, JobState.COMPLETED
    for _ in range(100):
        bench.parts.accept()
    bench.run(seconds=600)
    assert 10 <= printer.tries <= 30
    assert bench.parts.spool.jobs()[-1].state_reasons == ("agent-printer-unreachable",)
    printer.refusal = None
    bench.dispatcher.printer_is_back("p")
    bench.run()
    assert len(printer.printed) == 100


def test_a_dead_printer_delays_no_other(bench: Bench, printer: PretendedPrinter) -> None:
    """The job behind a dead printer's goes out at once."""
    printer.refusal = OFF
    bench.targets["q"] = other = PretendedPrinter(answer=JobState.COMPLETED)
    bench.parts.accept(Ticket(printer="p", priority=99))
    bench.parts.accept(Ticket(printer="q", priority=1))
    bench.run()
    assert len(other.printed) == 1


def test_a_dead_printer_is_logged_once(
    bench: Bench, printer: PretendedPrinter, caplog: pytest.LogCaptureFixture
) -> None:
    """A printer that is off for the night fills no log."""
    printer.refusal = OFF
    bench.parts.accept()
    with caplog.at_level(logging.INFO):
        bench.run(seconds=3600)
    assert len(caplog.records) == 1


def test_a_busy_printer_is_asked_again_when_it_said(bench: Bench, printer: PretendedPrinter) -> None:
    """Its own pause is kept to, and the job prints once."""
    printer.refusal = PrinterBusyError("busy", retry_after_seconds=30)
    bench.parts.accept()
    bench.run(seconds=29)
    assert (printer.tries, bench.outcome()) == (1, (JobState.PENDING, ("agent-printer-busy",)))
    printer.refusal = None
    bench.run(seconds=10)
    assert len(printer.printed) == 1


def test_what_a_printer_rejects_is_told_and_not_sent_again(bench: Bench, printer: PretendedPrinter) -> None:
    """One bad job ends, and the next goes on."""
    printer.refusal = PrinterRejectedError("no PostScript here", reason="unsupported-document-format")
    bench.parts.accept()
    bench.run(seconds=60)
    assert (bench.outcome(), printer.tries) == ((JobState.ABORTED, ("unsupported-document-format",)), 1)
    assert bench.job().message == "no PostScript here"


def test_a_driver_that_fails_before_the_first_byte_does_not_stop_the_queue(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """Its job waits to be tried again, and is overtaken."""
    printer.refusal = PrinterProtocolError("gibberish")
    bench.parts.accept(Ticket(printer="p", name="first"))
    bench.parts.accept(Ticket(printer="p", name="second"))
    bench.dispatcher.step()
    printer.refusal = None
    bench.run()
    assert [name for name, _ in printer.printed] == ["second"]


def test_a_printer_that_nobody_knows_keeps_its_jobs_waiting(bench: Bench) -> None:
    """A job for a printer that the registry has lost isn't lost with it."""
    bench.parts.accept(Ticket(printer="gone"))
    bench.run(seconds=60)
    assert bench.outcome() == (JobState.PENDING, ("agent-printer-unreachable",))


def test_a_printer_that_goes_away_while_it_prints_is_asked_until_it_answers(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """Nothing is sent again; its own late word ends the job."""
    bench.parts.accept()
    bench.run()
    printer.refusal = OFF
    bench.run(seconds=3600)
    assert bench.outcome() == (JobState.PROCESSING, ("agent-printer-unreachable",))
    printer.refusal = None
    printer.say("101", JobState.COMPLETED)
    bench.run(seconds=60)
    assert (bench.outcome(), len(printer.printed)) == ((JobState.COMPLETED, ()), 1)


def test_strict_refuses_what_the_printer_cannot_do_and_names_it(bench: Bench, printer: PretendedPrinter) -> None:
    """Nothing is sent of a job that couldn't be printed as asked."""
    bench.capabilities = Capabilities(options={"sides": ("one-sided",)})
    bench.parts.accept(Ticket(printer="p", options=JobOptions(sides="two-sided-long-edge", finishings=("staple",))))
    bench.run()
    assert (bench.outcome(), printer.tries) == ((JobState.ABORTED, ("unsupported-attributes-or-values",)), 0)
    assert bench.job().message == "the printer can't do finishings=staple, sides=two-sided-long-edge"


def test_best_effort_prints_without_it_and_says_so(bench: Bench, printer: PretendedPrinter) -> None:
    """What was left out is in the reasons, and named."""
    printer.answer = JobState.COMPLETED
    options = JobOptions(copies=2, media="iso_a4_210x297mm")
    bench.parts.accept(Ticket(printer="p", options=options, fidelity="best-effort"))
    bench.run()
    assert bench.outcome() == (JobState.COMPLETED, ("agent-option-ignored",))
    assert bench.job().message == "without media"


def test_a_format_that_the_printer_cannot_take_is_refused_before_it_is_sent(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """Where the printer says what it takes, nothing else is sent."""
    bench.capabilities = Capabilities(document_formats=("application/postscript",))
    bench.parts.accept(document_format="application/pdf")
    bench.run()
    assert (bench.outcome(), printer.tries) == ((JobState.ABORTED, ("unsupported-document-format",)), 0)


def test_threads_send_every_job_once_to_a_raw_printer(tmp_path: Path, clock: FakeClock) -> None:
    """Four threads, one real socket: each document arrives once and whole, and is told as unconfirmed."""
    received: list[bytes] = []
    with sink(received) as uri, opened(tmp_path / "state", clock) as parts:
        bench = Bench(parts, clock, {"p": Raw(uri)})
        documents = [f"document {number}".encode() * 1000 for number in range(40)]
        for document in documents:
            parts.accept(document=document)
        threads = [threading.Thread(target=_step_until(bench, len(documents))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert received == documents
        assert {job.state_reasons for job in parts.spool.jobs()} == {
            ("queued-in-device", "agent-completion-unconfirmed")
        }


def _step_until(bench: Bench, count: int) -> Callable[[], None]:
    def run() -> None:
        while bench.parts.spool.tally().by_state.get("completed", 0) < count:
            bench.dispatcher.step()

    return run


def test_a_disk_that_cannot_tell_of_other_work_keeps_no_job_from_its_printer(
    bench: Bench, printer: PretendedPrinter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is claimed by then: it would wait for the next start."""

    def refuse(_job: Job) -> bool:
        raise StorageError("input/output error")

    monkeypatch.setattr(bench.parts.spool.attempts, "has_work_beside", refuse)
    bench.parts.accept()
    bench.run(seconds=1)
    assert len(printer.printed) == 1
