"""What is sent again by itself, after how long, and what is not: busy printers before and after the document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp_values import Message, Operation, Status
from agent.errors import PrinterBusyError
from agent.http import HttpClient
from agent.job import JobState, Ticket
from agent.simulator.http_front import Request, Response
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.conftest import FakeClock
from tests.dispatch_parts import OFF, Bench, settled
from tests.ipp_parts import able, job_reply, reply, scripted
from tests.spool_parts import ListingPrinter, PretendedPrinter, opened

BUSY = PrinterBusyError("busy")


@pytest.fixture
def printer() -> PretendedPrinter:
    """Give the printer `p`."""
    return PretendedPrinter()


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock, printer: PretendedPrinter) -> Iterator[Bench]:
    """Give a bench with one job for the printer."""
    with opened(tmp_path / "state", clock) as parts:
        parts.accept(Ticket(printer="p", name="first"))
        yield Bench(parts, clock, {"p": printer})


@pytest.mark.parametrize("pause", [None, 0.0, 1.0])
def test_a_printer_that_is_always_busy_is_asked_ever_more_rarely(
    bench: Bench, printer: PretendedPrinter, pause: float | None
) -> None:
    """Also where it always says that it will be ready at once; at last once in half a minute to a minute."""
    printer.refusal = PrinterBusyError("busy", retry_after_seconds=pause)
    bench.run(seconds=3600)
    assert 60 <= printer.tries <= 140
    assert bench.outcome() == (JobState.PENDING, ("agent-printer-busy",))


@pytest.mark.parametrize("refusal", [OFF, BUSY])
def test_a_printer_that_takes_nothing_is_tried_by_one_thread_and_not_by_all_of_them(
    bench: Bench, printer: PretendedPrinter, refusal: Exception
) -> None:
    """Each would count as one more failure in a row, and a short absence end in a minute's pause."""

    def be_another_thread() -> None:
        bench.dispatcher.step()

    printer.refusal = refusal
    bench.parts.outbox.on_put = be_another_thread  # it looks as soon as the job waits again
    bench.dispatcher.step()
    assert printer.tries == 1


def test_a_printer_that_names_an_hour_is_asked_sooner(bench: Bench, printer: PretendedPrinter) -> None:
    """There is a ceiling to what a printer may ask for."""
    printer.refusal = PrinterBusyError("busy", retry_after_seconds=3600)
    bench.run(seconds=299)
    assert printer.tries == 1
    bench.run(seconds=2)
    assert printer.tries == 2


def test_a_job_that_a_printer_never_takes_does_not_stop_its_queue(bench: Bench, printer: PretendedPrinter) -> None:
    """The printer calls itself busy whenever this one job comes; after some tries the next goes first."""
    bench.parts.accept(Ticket(printer="p", name="second"))
    printer.never_takes, printer.answer = "first", JobState.COMPLETED
    bench.run(seconds=3600)
    assert [name for name, _ in printer.printed] == ["second"]
    assert bench.parts.spool.jobs()[-1].state is JobState.PENDING


def test_the_order_of_a_queue_outlives_the_outage_of_its_printer(bench: Bench, printer: PretendedPrinter) -> None:
    """Nobody is overtaken only because the printer was off."""
    bench.parts.accept(Ticket(printer="p", name="second"))
    printer.refusal, printer.answer = OFF, JobState.COMPLETED
    bench.run(seconds=3600)
    printer.refusal = None
    bench.dispatcher.printer_is_back("p")
    bench.run()
    assert [name for name, _ in printer.printed] == ["first", "second"]


def test_a_printer_that_says_busy_after_the_document_is_asked_what_it_has(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """One that prints all the same prints it once: its own job is followed, and nothing is sent again."""
    printer.breaks, printer.takes_all_first = BUSY, True
    bench.dispatcher.step()
    printer.breaks = None
    bench.run(seconds=600)
    assert (bench.outcome()[0], printer.tries) == (JobState.PROCESSING, 1)


def test_a_printer_that_says_busy_after_the_document_and_has_none_gets_it_again(
    bench: Bench, printer: PretendedPrinter
) -> None:
    """The empty job that it had made is cancelled first."""
    printer.breaks = BUSY
    bench.dispatcher.step()
    printer.breaks, printer.answer = None, JobState.COMPLETED
    bench.run(seconds=60)
    assert (bench.outcome()[0], printer.cancelled, printer.tries) == (JobState.COMPLETED, ["101"], 2)


def test_a_busy_printer_that_lists_no_such_job_gets_it_again_and_again(bench: Bench) -> None:
    """Its own word that it takes none now is no absence: the job is retried for as long as it is busy."""
    bench.targets["p"] = printer = ListingPrinter(breaks=BUSY)
    bench.run(seconds=3600)
    assert bench.outcome() == (JobState.PENDING, ("agent-printer-busy",))
    printer.breaks, printer.answer = None, JobState.COMPLETED
    bench.run(seconds=120)
    assert (bench.outcome()[0], len(printer.printed)) == (JobState.COMPLETED, 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_press_gets_its_job_once_it_is_ready(tmp_path: Path, clock: FakeClock, status: int) -> None:
    """HTTP's two ways to say later, by a press that has read none of the document."""
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest", mdns=False, seconds_per_page=0.01))
    press.start()
    press.faults.refuse(status, times=3)
    with opened(tmp_path / "state", clock) as parts, closing(HttpClient()) as http:
        parts.accept(Ticket(printer="p"))
        bench = Bench(parts, clock, {"p": HpRest(str(press.ready_line()["http_url"]), http=http)})
        bench.run(seconds=60)
        assert settled(bench)[0] is JobState.COMPLETED
        assert (bench.job().attempts, len(press.engine.history())) == (4, 1)
    press.stop()


@pytest.mark.parametrize(
    "trouble", [Response(500), Response(507), reply(Status.TEMPORARY_ERROR), reply(Status.INTERNAL_ERROR)]
)
def test_trouble_after_the_document_is_no_reason_to_send_it_again(
    tmp_path: Path, clock: FakeClock, trouble: Message | Response
) -> None:
    """The printer is asked about the job, and has completed it."""
    documents: list[int] = []

    def answer(message: Message, request: Request) -> Message | Response:
        if message.code == Operation.GET_PRINTER_ATTRIBUTES:
            return able(Operation.CREATE_JOB, Operation.SEND_DOCUMENT)
        if message.code == Operation.SEND_DOCUMENT:
            documents.append(sum(map(len, request.body.chunks())))
            return trouble
        return job_reply(state=JobState.COMPLETED if documents else JobState.PENDING_HELD)

    with scripted(answer) as (ipp, _), opened(tmp_path / "state", clock) as parts:
        parts.accept(Ticket(printer="p"))
        bench = Bench(parts, clock, {"p": ipp})
        assert settled(bench)[0] is JobState.COMPLETED
        assert len(documents) == 1
