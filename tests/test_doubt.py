"""Jobs whose answer was lost: found by their names, settled by the printer's late word or a person, never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp import Ipp
from agent.drivers.ipp_values import GroupTag, Message, Operation, Tag, attribute
from agent.http import HttpClient
from agent.job import JobState, Ticket
from agent.simulator.http_front import Request, Response
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.conftest import FakeClock
from tests.dispatch_parts import LOST, OFF, Bench, settled
from tests.ipp_parts import Notes, able, follow, hang_up, make_job, reply, scripted
from tests.printerbox import ippeveprinter
from tests.spool_parts import ListingPrinter, after_kill, opened

UNKNOWN = (JobState.PENDING_HELD, ("agent-outcome-unknown",))


@pytest.fixture
def printer() -> ListingPrinter:
    """Give the printer `p`, which loses the answer to a whole document."""
    return ListingPrinter(breaks=LOST, takes_all_first=True)


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock, printer: ListingPrinter) -> Iterator[Bench]:
    """Give a bench with one job for the printer."""
    with opened(tmp_path / "state", clock) as parts:
        parts.accept(Ticket(printer="p", id="order-17"))
        yield Bench(parts, clock, {"p": printer})


def listed(bench: Bench, printer: ListingPrinter, state: JobState, *reasons: str) -> None:
    """Have the printer list the job under its name."""
    printer.listed[bench.job().attempt_token] = "7"
    printer.say("7", state, *reasons)


def test_a_job_without_a_number_is_found_by_its_name_and_followed(bench: Bench, printer: ListingPrinter) -> None:
    """The answer that would have told its number was lost; nobody is troubled."""
    printer.at_stage["left"] = lambda: listed(bench, printer, JobState.PROCESSING)
    bench.run(seconds=5)
    assert (bench.outcome()[0], bench.job().device_job_id) == (JobState.PROCESSING, "7")
    listed(bench, printer, JobState.COMPLETED)
    bench.run(seconds=10)
    assert (bench.outcome()[0], printer.tries) == (JobState.COMPLETED, 1)


def test_a_job_that_is_listed_a_little_later_troubles_nobody(bench: Bench, printer: ListingPrinter) -> None:
    """A printer needs its time to list what it was just sent."""
    bench.run(seconds=5)
    assert bench.outcome()[0] is JobState.PROCESSING
    listed(bench, printer, JobState.COMPLETED)
    bench.run(seconds=10)
    assert bench.job().revision == 3


def test_a_job_without_a_number_is_not_called_completed_because_its_printer_goes_off(
    bench: Bench, printer: ListingPrinter
) -> None:
    """Nobody can be asked about it: it stays under way, and its late word still counts."""
    printer.at_stage["left"] = lambda: setattr(printer, "refusal", OFF)
    bench.run(seconds=60)
    assert bench.outcome() == (JobState.PROCESSING, ("agent-printer-unreachable",))
    printer.refusal = None
    listed(bench, printer, JobState.COMPLETED)
    bench.run(seconds=60)
    assert (bench.outcome()[0], printer.tries) == (JobState.COMPLETED, 1)


def test_a_job_that_no_list_shows_is_unknown_and_not_sent_again(bench: Bench, printer: ListingPrinter) -> None:
    """Absence proves nothing, however often it is asked for."""
    bench.run(seconds=86_400)
    assert (bench.outcome(), printer.tries) == (UNKNOWN, 1)


def test_a_cancel_that_a_printer_which_is_off_cannot_hear_does_not_hurry_every_question(
    bench: Bench, printer: ListingPrinter
) -> None:
    """Once at once, then ever more rarely, whatever else happens in the spool."""
    bench.run(seconds=60)
    printer.refusal = OFF
    looks: list[int] = []
    printer.at_stage["looked for"] = lambda: looks.append(1)
    bench.parts.spool.cancel("order-17")
    for _ in range(20):
        bench.parts.accept(Ticket(printer="another", hold=True))
        bench.run(seconds=0.1)
    assert len(looks) == 1


def test_the_printers_late_word_settles_an_unknown_outcome(bench: Bench, printer: ListingPrinter) -> None:
    """It is asked about while it is held."""
    bench.run(seconds=600)
    assert bench.outcome() == UNKNOWN
    listed(bench, printer, JobState.COMPLETED, "job-completed-successfully")
    bench.run(seconds=1000)
    assert (bench.outcome(), printer.tries) == ((JobState.COMPLETED, ("job-completed-successfully",)), 1)


def test_the_printers_late_word_settles_an_unknown_outcome_after_a_restart(
    bench: Bench, printer: ListingPrinter
) -> None:
    """What was held is asked about again from the beginning."""
    bench.run(seconds=600)
    listed(bench, printer, JobState.ABORTED, "submission-interrupted", "job-data-insufficient")
    printer.breaks, printer.answer = None, JobState.COMPLETED
    with opened(after_kill(bench.parts.state), bench.clock) as parts:
        survivor = Bench(parts, bench.clock, {"p": printer})
        survivor.run(seconds=60)
        assert (survivor.outcome()[0], printer.tries) == (JobState.COMPLETED, 2)


@pytest.mark.parametrize(("settle", "state"), [("confirm", JobState.COMPLETED), ("reprint", JobState.PROCESSING)])
def test_a_person_who_is_faster_than_the_printer_wins(
    bench: Bench, printer: ListingPrinter, settle: str, state: JobState
) -> None:
    """The late word of an attempt that a person has settled is not heard any more."""
    bench.run(seconds=60)
    listed(bench, printer, JobState.ABORTED, "submission-interrupted", "job-data-insufficient")
    printer.breaks, printer.answer, printer.makes_jobs_first = None, JobState.PROCESSING, True
    getattr(bench.parts.spool, settle)("order-17", attempts=1)
    bench.run(seconds=3600)
    assert (bench.outcome()[0], printer.tries) == (state, 2 if settle == "reprint" else 1)


def test_a_reprint_while_the_printer_is_being_asked_is_followed_to_its_end(
    bench: Bench, printer: ListingPrinter
) -> None:
    """The question about the attempt before must not take the place of the one about this."""
    bench.run(seconds=60)
    printer.breaks, printer.makes_jobs_first = None, True

    def reprint() -> None:
        printer.at_stage.clear()
        bench.parts.spool.reprint("order-17", attempts=1)
        bench.dispatcher.step()

    printer.at_stage["looked for"] = reprint
    bench.clock.advance(900)
    bench.run(seconds=5)
    printer.say("102", JobState.COMPLETED)
    bench.run(seconds=10)
    assert (bench.outcome()[0], printer.tries) == (JobState.COMPLETED, 2)


def test_a_job_of_unknown_outcome_is_cancelled_honestly(bench: Bench, printer: ListingPrinter) -> None:
    """It may have been printed, says the message; where the printer has it after all, it is told."""
    bench.run(seconds=60)
    job = bench.parts.spool.cancel("order-17")
    assert (job.state, "may have been printed" in job.message) == (JobState.CANCELED, True)
    listed(bench, printer, JobState.PROCESSING)
    bench.run(seconds=1)
    assert (printer.cancelled, bench.outcome()) == (["7"], (JobState.CANCELED, ("job-canceled-by-user",)))


def test_a_printer_that_does_not_answer_leaves_a_held_job_held(bench: Bench, printer: ListingPrinter) -> None:
    """The late word may come most of a day later."""
    bench.run(seconds=60)
    printer.refusal = OFF
    bench.run(seconds=80_000)
    assert bench.outcome() == UNKNOWN
    printer.refusal = None
    listed(bench, printer, JobState.COMPLETED)
    bench.run(seconds=1000)
    assert bench.outcome()[0] is JobState.COMPLETED


def test_a_lost_answer_to_print_job_is_asked_for_by_name(tmp_path: Path, clock: FakeClock) -> None:
    """An IPP printer without Create-Job never told the job's number; Get-Jobs does."""
    names: list[str] = []

    def answer(message: Message, request: Request) -> Message | Response:
        operation = message.group(GroupTag.OPERATION)
        if message.code == Operation.GET_PRINTER_ATTRIBUTES:
            return able(Operation.PRINT_JOB)
        if message.code == Operation.PRINT_JOB:
            names.append(operation.text("job-name") or "")
            return hang_up(message, request)
        if operation.text("which-jobs") == "not-completed":
            return reply()
        return reply(
            0,
            attribute("job-id", Tag.INTEGER, 9),
            attribute("job-name", Tag.NAME, names[0]),
            attribute("job-state", Tag.ENUM, JobState.COMPLETED),
        )

    with scripted(answer) as (ipp, _), opened(tmp_path / "state", clock) as parts:
        parts.accept(Ticket(printer="p"))
        bench = Bench(parts, clock, {"p": ipp})
        assert settled(bench)[0] is JobState.COMPLETED
        assert (bench.job().device_job_id, len(names)) == ("9", 1)


def test_a_press_whose_answer_was_lost_is_asked_for_the_job_by_name(tmp_path: Path, clock: FakeClock) -> None:
    """HP's REST interface names a job only in the answer; the list of jobs has it."""
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest", mdns=False, seconds_per_page=0.01))
    press.start()
    press.faults.drop_answer(times=1)
    with opened(tmp_path / "state", clock) as parts, closing(HttpClient()) as http:
        parts.accept(Ticket(printer="p"))
        outcome = settled(Bench(parts, clock, {"p": HpRest(str(press.ready_line()["http_url"]), http=http)}))
    press.stop()
    assert (outcome[0], len(press.engine.history())) == (JobState.COMPLETED, 1)


def test_a_printer_that_numbers_its_jobs_anew_does_not_complete_ours(tmp_path: Path, clock: FakeClock) -> None:
    """A real printer is switched off while it prints; after that its job 1 is somebody else's, and completes."""
    release = tmp_path / "release"
    command = tmp_path / "print-command"
    command.write_text(f"#!/bin/sh\nwhile ! test -e {release}; do sleep 0.02; done\n")
    command.chmod(0o755)
    with (
        ippeveprinter(tmp_path / "printer", command=str(command)) as printer,
        closing(HttpClient()) as http,
        opened(tmp_path / "state", clock) as parts,
    ):
        parts.accept(Ticket(printer="p"))
        bench = Bench(parts, clock, {"p": Ipp(printer.uri, http=http)})
        bench.run()
        assert bench.job().device_job_id == "1"
        printer.stop()
        release.touch()
        printer.start()
        stranger = Ipp(printer.uri, http=http)
        stranger.print_job(make_job(tmp_path, name="Invoice"), Notes())
        assert follow(stranger, "1").state is JobState.COMPLETED
        assert settled(bench) == UNKNOWN


def test_a_printer_that_was_switched_off_in_the_middle_of_a_document_leaves_its_job_to_a_person(
    tmp_path: Path, clock: FakeClock
) -> None:
    """On again, it knows nothing of the job, which proves nothing; a person has it printed, once."""
    blocks: list[int] = []
    with (
        ippeveprinter(tmp_path / "printer") as printer,
        closing(HttpClient()) as http,
        opened(tmp_path / "state", clock) as parts,
    ):

        def beat() -> None:
            blocks.append(1)
            if len(blocks) == 4:
                printer.stop()

        job = parts.accept(Ticket(printer="p"), document=bytes(30_000_000)).job
        bench = Bench(parts, clock, {"p": Ipp(printer.uri, http=http)}, beat=beat)
        bench.run(seconds=2)
        assert bench.outcome() == (JobState.PROCESSING, ("agent-printer-unreachable",))
        printer.start()
        assert settled(bench) == UNKNOWN
        parts.spool.reprint(job.id, attempts=1)
        assert settled(bench)[0] is JobState.COMPLETED
        assert [path.stat().st_size for path in printer.documents()].count(30_000_000) == 1
