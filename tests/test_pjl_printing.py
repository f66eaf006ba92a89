"""Jobs to a printer that speaks PJL, from the spool to its last word: a real dispatcher, a real pretended printer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.drivers.pjl_channels import BackChannels, Patience
from agent.drivers.raw import Raw
from agent.job import JobOptions, JobState, Ticket
from agent.model import Capabilities
from agent.simulator.engine import PrinterEngine, SimulatedJob
from agent.simulator.pdf import write_pdf
from agent.simulator.personality import LASER
from agent.simulator.raw_front import RawFront, RawMode
from tests.conftest import FakeClock
from tests.dispatch_parts import Bench
from tests.spool_parts import Parts, after_kill, nothing, opened
from tests.test_simulated_printer import until

PDF = write_pdf("Order 17", pages=2)
WRAPPED = frozenset({"application/pdf"})


class Site:
    """A spool with its dispatcher, and one printer whose clock the test moves."""

    def __init__(self, parts: Parts, clock: FakeClock, keep: Path) -> None:
        self.now = 1000.0
        self.engine = PrinterEngine(
            identity=LASER.identity(serial="X1"),
            supplies=LASER.supplies,
            keep=keep,
            seconds_per_page=1.0,
            document_formats=LASER.document_formats,
            clock=lambda: self.now,
        )
        self.front = RawFront(self.engine, host="127.0.0.1", port=0)
        self.front.start()
        self.channels = BackChannels(Patience(start=5))
        self.on_beat: Callable[[], None] = nothing
        self.bench = Bench(parts, clock, {"p": self.target(self.channels)}, beat=self._beat)

    def _beat(self) -> None:
        self.on_beat()

    def target(self, channels: BackChannels) -> Raw:
        """Give the driver."""
        return Raw(f"socket://127.0.0.1:{self.front.port}", wrapped=WRAPPED, channels=channels)

    def accept(self, document: bytes = PDF, **ticket: object) -> None:
        """Accept a job."""
        self.bench.parts.accept(Ticket(printer="p", **ticket), document)  # type: ignore[arg-type]  # fields of a ticket

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the dispatcher work until it holds."""

        def holds() -> bool:
            self.bench.run(seconds=6)
            return condition()

        until(holds)

    def until_job(self, state: JobState) -> tuple[str, ...]:
        """Let the dispatcher work until the newest job is in a state; gives its reasons."""
        self.until(lambda: self.bench.job().state == state)
        return self.bench.job().state_reasons

    def print_pages(self, count: int) -> None:
        """Let so many pages of a document come out, once it is there."""
        self.until(lambda: any(job.sha256 and not job.state.is_final for job in self.engine.jobs()))
        self.now += count

    def printed(self) -> list[SimulatedJob]:
        """Give what the printer has."""
        return list(self.engine.jobs())


@pytest.fixture
def site(tmp_path: Path, clock: FakeClock) -> Iterator[Site]:
    """Give a site."""
    with opened(tmp_path / "state", clock) as parts:
        site = Site(parts, clock, tmp_path / "kept")
        yield site
        site.channels.close()
        site.front.stop()


def test_a_raw_job_is_completed_by_the_printers_own_word(site: Site) -> None:
    """With its pages, and not before the last of them; what came out is the document, byte for byte."""
    site.accept(name='Order "17"')
    site.print_pages(1)
    site.until(lambda: site.bench.job().impressions_completed == 1)
    assert (site.bench.job().state, site.bench.job().state_reasons) == (JobState.PROCESSING, ("job-printing",))
    site.print_pages(1)
    assert site.until_job(JobState.COMPLETED) == ("job-completed-successfully",)
    (printed,) = site.printed()
    assert printed.sha256 == hashlib.sha256(PDF).hexdigest()
    assert printed.name == f"Order 17 {site.bench.job().device_job_id}"
    assert (site.bench.job().impressions_completed, list(site.front.refused)) == (2, [])


def test_options_arrive_in_pjl(site: Site) -> None:
    """Every one that it has."""
    options = JobOptions(
        copies=2,
        sides="two-sided-long-edge",
        media="na_letter_8.5x11in",
        color_mode="monochrome",
        print_quality="high",
    )
    site.accept(options=options, user="anna")
    site.print_pages(4)
    site.until_job(JobState.COMPLETED)
    assert dict(site.printed()[0].options) == {
        "USERNAME": "anna",
        "COPIES": "2",
        "DUPLEX": "ON",
        "BINDING": "LONGEDGE",
        "PAPER": "LETTER",
        "RENDERMODE": "GRAYSCALE",
        "ECONOMODE": "OFF",
        "RESOLUTION": "1200",
        "copies": 2,
        "print-color-mode": "monochrome",
    }
    assert (site.bench.job().impressions_completed, list(site.front.refused)) == (4, [])


def test_what_pjl_has_no_word_for_is_refused_or_told(site: Site) -> None:
    """Strict names it and sends nothing; best-effort prints without it."""
    options = JobOptions(copies=2, media="om_large-photo_200x300mm")
    site.accept(options=options)
    assert site.until_job(JobState.ABORTED) == ("unsupported-attributes-or-values",)
    assert "media=om_large-photo_200x300mm" in site.bench.job().message
    assert site.printed() == []
    site.accept(options=options, fidelity="best-effort")
    site.print_pages(4)
    assert "agent-option-ignored" in site.until_job(JobState.COMPLETED)
    assert site.bench.job().message == "without media"
    assert site.printed()[0].options["COPIES"] == "2"


def test_what_the_printer_says_that_it_can_do_still_counts(site: Site) -> None:
    """PJL could say it, but the printer has no second side."""
    site.bench.capabilities = Capabilities(options={"sides": ("one-sided",)})
    site.accept(options=JobOptions(sides="two-sided-long-edge"))
    assert site.until_job(JobState.ABORTED) == ("unsupported-attributes-or-values",)


def test_paper_out_over_9100_is_told_and_no_job_vanishes_as_done(site: Site) -> None:
    """It stands still for as long as it lasts, and goes on by itself."""
    site.accept()
    site.print_pages(1)
    site.engine.stand_still("media-empty-error")
    assert site.until_job(JobState.PROCESSING_STOPPED) == ("printer-stopped", "media-needed-error")
    assert site.bench.job().message == "41213 LOAD TRAY 1 A4"
    site.engine.clear()
    site.print_pages(1)
    site.until_job(JobState.COMPLETED)
    assert (site.bench.job().attempts, site.bench.job().message, len(site.printed())) == (1, "", 1)


def test_a_job_that_somebody_cancels_at_the_panel_is_canceled(site: Site) -> None:
    """By the printer's word."""
    site.accept()
    site.print_pages(1)
    site.engine.cancel_at_panel()
    assert site.until_job(JobState.CANCELED) == ("job-canceled-at-device",)


def test_a_cancel_from_afar_changes_nothing_that_the_printer_has(site: Site) -> None:
    """PJL knows none: the job is told as what becomes of it."""
    site.accept(id="order-17")
    site.print_pages(1)
    site.until(lambda: site.bench.job().impressions_completed == 1)
    site.bench.parts.spool.cancel("order-17")
    site.until(lambda: "processing-to-stop-point" in site.bench.job().state_reasons)
    site.print_pages(1)
    assert site.until_job(JobState.COMPLETED) == ("job-completed-successfully",)


def test_a_printer_that_is_switched_off_in_the_middle_leaves_the_outcome_unknown(site: Site) -> None:
    """Nothing is sent again, and nothing called completed."""
    site.accept()
    site.print_pages(1)
    site.engine.cut_power()
    assert site.until_job(JobState.PENDING_HELD) == ("agent-outcome-unknown",)
    assert len(site.engine.history()) == 1


def test_a_printer_that_is_switched_off_in_the_middle_of_a_document_leaves_the_outcome_unknown(site: Site) -> None:
    """Some of it left, and may be on paper."""
    site.on_beat = site.engine.cut_power
    site.accept(bytes(20_000_000))
    assert site.until_job(JobState.PENDING_HELD) == ("agent-outcome-unknown",)
    assert [job.state for job in site.engine.history()] in ([], [JobState.ABORTED])


def test_a_restart_while_the_printer_prints_leaves_the_outcome_unknown(
    site: Site, tmp_path: Path, clock: FakeClock
) -> None:
    """The connection that its word would come on has ended; a person settles it, and nothing is printed twice."""
    site.accept()
    site.print_pages(1)
    site.until(lambda: site.bench.job().impressions_completed == 1)
    with opened(after_kill(tmp_path / "state"), clock) as parts:
        again = Bench(parts, clock, {"p": site.target(BackChannels())})
        again.run(seconds=10)
        assert again.outcome() == (JobState.PENDING_HELD, ("agent-outcome-unknown",))
    assert len(site.engine.history()) == 1


def test_jobs_in_a_row_each_get_the_end_that_is_their_own(site: Site) -> None:
    """The next one goes out when the one before has ended."""
    for number in range(5):
        site.accept(name=f"Order {number}")
    for _ in range(5):
        site.print_pages(2)
    site.until(lambda: site.bench.parts.spool.tally().by_state.get("completed") == 5)
    assert {job.state_reasons for job in site.bench.parts.spool.jobs()} == {("job-completed-successfully",)}
    assert [job.name.split()[1] for job in site.engine.history()] == ["0", "1", "2", "3", "4"]


def test_a_printer_whose_back_channel_is_dead_ends_unconfirmed(site: Site) -> None:
    """It has every byte, and says nothing for as long as it is given."""
    with front(site, "silent"):
        site.accept()
        assert site.until_job(JobState.COMPLETED) == ("queued-in-device", "agent-completion-unconfirmed")
        assert site.printed()[0].sha256 == hashlib.sha256(PDF).hexdigest()


def test_a_printer_without_pjl_prints_the_wrapper_which_is_why_nobody_guesses(site: Site) -> None:
    """What comes out is not the document, and nothing is confirmed."""
    with front(site, "bare"):
        site.accept()
        assert site.until_job(JobState.COMPLETED) == ("queued-in-device", "agent-completion-unconfirmed")
    until(lambda: bool(site.printed()[0].sha256))
    assert site.printed()[0].size > len(PDF)


@contextmanager
def front(site: Site, mode: RawMode) -> Iterator[None]:
    """Have the printer's raw port be another one, which is given little time for a word."""
    other = RawFront(site.engine, host="127.0.0.1", port=0, mode=mode)
    other.start()
    channels = BackChannels(Patience(start=0.1))
    site.bench.targets["p"] = Raw(f"socket://127.0.0.1:{other.port}", wrapped=WRAPPED, channels=channels)
    yield
    channels.close()
    other.stop()
