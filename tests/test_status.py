from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent.errors import NotFoundError, PrinterRejectedError, PrinterUnreachableError
from agent.model import Identity, Printer, PrinterState, PrinterStatus, Reading, Supply
from agent.status import StatusPoller, idle_seconds, pause_after
from tests.conftest import FakeClock
from tests.test_registry import OTHER_UUID, TONER, UUID, Bench

IDLE = Reading(Identity(uuid=UUID), PrinterStatus(PrinterState.IDLE, supplies=(TONER,)))


@dataclass
class Source:
    """A printer that tells what it is given to tell; an error is raised."""

    name: str = "ipp"
    answer: Reading | Exception = IDLE
    reads: int = 0
    reading: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event | None = None

    def read(self) -> Reading:
        """Answer, once it may."""
        self.reads += 1
        self.reading.set()
        if self.may_end is not None:
            assert self.may_end.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Polled:
    """A poller over one registry, with a clock moved by hand."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.seconds = 0.0
        self.sources: dict[str, Source] = {}
        self.printer = bench.registry.merge(bench.found())
        self.source = self.sources.setdefault(self.printer.id, Source())
        self.poller = StatusPoller(
            registry=bench.registry, source_for=self._source_for, now=bench.clock, monotonic=lambda: self.seconds
        )

    def _source_for(self, printer: Printer) -> Source:
        if printer.id not in self.sources:
            raise NotFoundError("nothing tells its status")
        return self.sources[printer.id]

    def now(self) -> Printer:
        """Give the printer as the registry has it."""
        return self.bench.registry.find(self.printer.id)

    def pass_seconds(self, seconds: int) -> None:
        """Let time pass, a second at a time, with all steps that are due."""
        for _ in range(seconds):
            while self.poller.step() == 0.0:
                pass
            self.seconds += 1
            self.bench.clock.advance(1)


@pytest.fixture
def polled(tmp_path: Path, clock: FakeClock) -> Iterator[Polled]:
    """Give a poller with one printer."""
    bench = Bench(tmp_path / "agent.db", clock)
    yield Polled(bench)
    bench.store.close()


def test_a_reading_becomes_the_printers_status(polled: Polled) -> None:
    """State, supplies and the moment are those that it told, and the protocol is noted."""
    jam = PrinterStatus(PrinterState.STOPPED, ("media-jam-error",), supplies=(replace(TONER, level=3),))
    polled.source.answer = Reading(Identity(uuid=UUID, firmware="2.0"), jam)
    polled.poller.step()
    printer = polled.now()
    assert (printer.status, printer.identity.firmware, printer.sources) == (jam, "2.0", ("mdns", "ipp"))
    assert printer.identity.make_and_model == "HP LaserJet 9"


def test_a_printer_is_offline_after_three_misses_not_after_one(polled: Polled) -> None:
    """A lost datagram is no outage; a minute of silence is."""
    polled.source.answer = PrinterUnreachableError("no answer")
    online = []
    for _ in range(3):
        polled.poller.poll_soon(polled.printer.id)
        polled.poller.step()
        online.append(polled.now().online)
    assert online == [True, True, False]


def test_a_printer_in_power_save_that_answers_every_third_time_does_not_flap(polled: Polled) -> None:
    """It wakes slowly: nobody is told that it went or came."""
    polled.bench.events()
    for attempt in range(30):
        polled.source.answer = PrinterUnreachableError("asleep") if attempt % 3 else IDLE
        polled.poller.poll_soon(polled.printer.id)
        polled.poller.step()
    assert (polled.now().online, polled.bench.events()) == (True, [])


def test_another_model_without_a_uuid_is_not_taken_for_it(polled: Polled) -> None:
    """It tells neither UUID nor serial; whoever it is, somebody hears that a stranger is there."""
    strangers: list[Identity] = []
    polled.poller.on_stranger = lambda _, told: strangers.append(told)
    polled.source.answer = Reading(Identity(make_and_model="Brother HL-2"), PrinterStatus(PrinterState.IDLE))
    polled.poller.step()
    assert (polled.now().online, polled.now().status.state_reasons) == (False, ("identity-conflict",))
    assert [told.make_and_model for told in strangers] == ["Brother HL-2"]


def test_an_offline_printer_keeps_its_last_values(polled: Polled) -> None:
    """What was known is still shown, with when it was last seen."""
    polled.pass_seconds(1)
    polled.source.answer = PrinterUnreachableError("no answer")
    polled.pass_seconds(120)
    printer = polled.now()
    assert (printer.online, printer.status) == (False, IDLE.status)
    assert printer.last_seen is not None
    assert printer.last_seen < polled.bench.clock()


def test_the_log_says_offline_once_and_online_once(polled: Polled, caplog: pytest.LogCaptureFixture) -> None:
    """A printer that is off over the weekend doesn't fill the log."""
    caplog.set_level(logging.INFO, "agent.status")
    polled.source.answer = PrinterUnreachableError("no answer")
    polled.pass_seconds(3600)
    polled.source.answer = IDLE
    polled.pass_seconds(600)
    assert [record.getMessage().rpartition(" is ")[2] for record in caplog.records] == [
        "offline: it doesn't answer",
        "online",
    ]


def test_a_printer_that_is_off_is_asked_ever_more_seldom(polled: Polled) -> None:
    """After an hour it is asked every five minutes."""
    polled.source.answer = PrinterUnreachableError("no answer")
    polled.pass_seconds(3600)
    reads = polled.source.reads
    polled.pass_seconds(3000)
    assert polled.source.reads - reads == 10


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        (PrinterStatus(PrinterState.PROCESSING), 5),
        (PrinterStatus(PrinterState.STOPPED), 10),
        (PrinterStatus(PrinterState.IDLE), 30),
        (PrinterStatus(PrinterState.IDLE, ("power-saver",)), 60),
    ],
)
def test_a_printer_is_read_as_often_as_its_state_deserves(
    polled: Polled, status: PrinterStatus, seconds: float
) -> None:
    """A working one every few seconds, a sleeping one is left to sleep."""
    assert pause_after(replace(polled.printer, status=status)) == seconds


@pytest.mark.parametrize(("printers", "seconds"), [(1, 30), (500, 30), (900, 49.5), (1000, 55), (5000, 55)])
def test_very_many_printers_are_each_read_a_little_more_seldom(polled: Polled, printers: int, seconds: float) -> None:
    """But still within the minute; one that works or is stopped is read as often as ever."""
    assert idle_seconds(printers) == seconds
    stopped = replace(polled.printer, status=PrinterStatus(PrinterState.STOPPED))
    assert (pause_after(polled.printer, seconds), pause_after(stopped, seconds)) == (seconds, 10)


def test_another_printer_at_its_address_is_never_taken_for_it(polled: Polled) -> None:
    """Its values stay out, it goes offline at once with the reason, and its jobs are held."""
    polled.source.answer = Reading(Identity(uuid=OTHER_UUID), PrinterStatus(supplies=(Supply("Other", "ink"),)))
    polled.poller.step()
    printer = polled.now()
    assert (printer.online, printer.status.accepting_jobs) == (False, False)
    assert "identity-conflict" in printer.status.state_reasons
    assert printer.status.supplies == (TONER,)


def test_the_right_printer_back_at_its_address_ends_the_conflict(polled: Polled) -> None:
    """Nobody has to clear it."""
    polled.source.answer = Reading(Identity(uuid=OTHER_UUID), PrinterStatus())
    polled.poller.step()
    polled.source.answer = IDLE
    polled.pass_seconds(301)
    assert (polled.now().online, polled.now().status.state_reasons) == (True, ())


def test_a_printer_that_wants_credentials_is_online_and_unknown(polled: Polled) -> None:
    """It is there; what it does isn't known."""
    polled.source.answer = PrinterRejectedError("401")
    polled.poller.step()
    assert (polled.now().online, polled.now().status.state) == (True, PrinterState.UNKNOWN)
    assert polled.now().status.supplies == (TONER,)


def test_that_a_printer_wants_credentials_is_logged_once(polled: Polled, caplog: pytest.LogCaptureFixture) -> None:
    """Only a person can give them; once it let itself be read, it is news again."""
    refused, refused_later = PrinterRejectedError("HTTP 401"), PrinterRejectedError("HTTP 403")
    for answer in (refused, refused, IDLE, refused_later):
        polled.source.answer = answer
        polled.pass_seconds(60)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [warning.rpartition(": ")[2] for warning in warnings] == ["HTTP 401", "HTTP 403"]


def test_a_printer_with_only_a_raw_port_counts_as_online(polled: Polled) -> None:
    """Nothing tells its state, and nothing is known against it."""
    raw = polled.bench.found("192.0.2.9", uuid=OTHER_UUID, uris=("socket://192.0.2.9:9100",), online=False)
    printer = polled.bench.registry.merge(raw)
    polled.pass_seconds(1)
    read = polled.bench.registry.find(printer.id)
    assert (read.online, read.status.state, read.print_driver) == (True, PrinterState.UNKNOWN, "raw")


def test_a_printer_that_hangs_holds_up_no_other(polled: Polled) -> None:
    """While one thread waits for it, another reads the rest, and the hanging one is not asked twice."""
    other = polled.bench.registry.merge(polled.bench.found("192.0.2.8", uuid=OTHER_UUID))
    polled.sources[other.id] = Source(answer=Reading(Identity(uuid=OTHER_UUID), PrinterStatus()))
    polled.source.may_end = threading.Event()
    thread = threading.Thread(target=polled.poller.step)
    thread.start()
    assert polled.source.reading.wait(10)
    polled.poller.poll_soon(polled.printer.id)
    polled.pass_seconds(1)
    polled.source.may_end.set()
    thread.join(10)
    assert (polled.sources[other.id].reads, polled.source.reads) == (1, 1)


def test_a_printer_forgotten_while_it_is_read_stays_forgotten(polled: Polled) -> None:
    """The late answer doesn't bring it back."""
    polled.source.may_end = threading.Event()
    thread = threading.Thread(target=polled.poller.step)
    thread.start()
    assert polled.source.reading.wait(10)
    polled.bench.registry.forget(polled.printer.id)
    polled.source.may_end.set()
    thread.join(10)
    assert polled.bench.registry.printers() == ()
