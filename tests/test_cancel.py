"""Cancels of jobs that are on their way: what is broken off, what the printer is told, and what is told of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from agent.drivers.choose import PrintTarget
from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp import Ipp
from agent.drivers.raw import Raw
from agent.errors import JobCanceledError
from agent.http import HttpClient
from agent.job import JobState, Ticket
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.conftest import FakeClock
from tests.dispatch_parts import Bench, settled, sink
from tests.printerbox import ippeveprinter
from tests.spool_parts import Parts, PretendedPrinter, begin, nothing, opened

SIZE = 30_000_000
CANCELED = (JobState.CANCELED, ("job-canceled-by-user",))


def cancelled_midway(parts: Parts, clock: FakeClock, target: PrintTarget) -> Bench:
    """Print 30 MB, have somebody cancel it after some blocks, and wait for the end."""
    blocks: list[int] = []

    def beat() -> None:
        blocks.append(1)
        if len(blocks) == 4:
            parts.spool.cancel("large")

    parts.accept(Ticket(printer="p", id="large"), document=bytes(SIZE))
    bench = Bench(parts, clock, {"p": target}, beat=beat)
    bench.dispatcher.step()
    assert len(blocks) < SIZE >> 18
    settled(bench)
    return bench


def test_a_cancel_breaks_off_a_document_on_a_real_printer(tmp_path: Path, clock: FakeClock) -> None:
    """It has printed nothing, and takes the next job at once."""
    with (
        ippeveprinter(tmp_path / "printer") as printer,
        closing(HttpClient()) as http,
        opened(tmp_path / "state", clock) as parts,
    ):
        bench = cancelled_midway(parts, clock, Ipp(printer.uri, http=http))
        assert (bench.outcome(), printer.documents()) == (CANCELED, [])
        parts.accept(Ticket(printer="p", id="next"))
        assert settled(bench)[0] is JobState.COMPLETED


def test_a_cancel_breaks_off_a_document_on_a_press(tmp_path: Path, clock: FakeClock) -> None:
    """Its job is found by name, and has ended with nothing printed."""
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest", mdns=False, seconds_per_page=0.01))
    press.start()
    with opened(tmp_path / "state", clock) as parts, closing(HttpClient()) as http:
        bench = cancelled_midway(parts, clock, HpRest(str(press.ready_line()["http_url"]), http=http))
        assert bench.outcome() == CANCELED
    press.stop()
    assert [job.state for job in press.engine.history()] == [JobState.ABORTED]


def test_a_cancel_breaks_off_a_document_on_a_raw_port_and_says_what_may_have_come_out(
    tmp_path: Path, clock: FakeClock
) -> None:
    """What has left has left, and the connection ends with a reset, not like a whole document."""
    received: list[bytes] = []
    with sink(received) as uri, opened(tmp_path / "state", clock) as parts:
        bench = cancelled_midway(parts, clock, Raw(uri))
        assert bench.outcome() == CANCELED
        assert "some of it may have been printed" in bench.job().message
    assert received == []


def test_a_cancel_breaks_off_what_comes_before_a_document(tmp_path: Path, clock: FakeClock) -> None:
    """Nothing that counts has left, so that there is nothing to ask about and nothing to doubt."""
    with opened(tmp_path / "state", clock) as parts:
        parts.accept(Ticket(printer="p", id="order-17"))
        job = begin(parts)
        journal = parts.spool.attempts.journal(job, beat=nothing)
        parts.spool.cancel("order-17")
        with pytest.raises(JobCanceledError):
            journal.beat()
        ended = parts.spool.attempts.retry("order-17", after_seconds=0, reasons=(), message="")
        assert (ended.state, ended.state_reasons, ended.message) == (*CANCELED, "")


def test_a_cancel_that_was_carried_out_is_wanted_no_longer(tmp_path: Path, clock: FakeClock) -> None:
    """However it ended: printers are asked about cancels for as long as some are wanted."""
    with opened(tmp_path / "state", clock) as parts:
        printer = PretendedPrinter()
        bench = Bench(parts, clock, {"p": printer})
        for printer.is_too_late in (False, True):
            job = parts.accept().job
            bench.run(seconds=1)
            parts.spool.cancel(job.id)
            bench.run(seconds=1)
            printer.say(f"{100 + printer.tries}", JobState.COMPLETED)
            bench.run(seconds=5)
            assert (parts.spool.get(job.id).state.is_final, parts.spool.attempts.cancel_requests()) == (
                True,
                frozenset(),
            )


def test_a_cancel_of_a_document_that_has_left_whole_is_the_printers_to_carry_out(
    tmp_path: Path, clock: FakeClock
) -> None:
    """There is nothing to break off while its answer is waited for."""
    with opened(tmp_path / "state", clock) as parts:
        parts.accept(Ticket(printer="p", id="order-17"))
        printer = PretendedPrinter()
        printer.at_stage["left"] = lambda: cancel_and_beat(parts)
        bench = Bench(parts, clock, {"p": printer})
        bench.run(seconds=5)
        assert (printer.cancelled, bench.outcome()) == (["101"], CANCELED)


def cancel_and_beat(parts: Parts) -> None:
    """Cancel the job, and look whether another journal of it would break off."""
    job = parts.spool.cancel("order-17")
    journal = parts.spool.attempts.journal(job, beat=nothing)
    journal.left()
    journal.beat()


def test_a_cancel_that_nobody_wants_breaks_nothing_off(tmp_path: Path, clock: FakeClock) -> None:
    """Other jobs may come, change and be cancelled meanwhile."""
    with opened(tmp_path / "state", clock) as parts:
        parts.accept(Ticket(printer="p", id="mine"))
        job = begin(parts)
        journal = parts.spool.attempts.journal(job, beat=nothing)
        journal.sending()
        parts.spool.cancel(parts.accept().job.id)
        journal.beat()
        parts.spool.cancel("mine")
        with pytest.raises(JobCanceledError):
            journal.beat()
