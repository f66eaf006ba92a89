from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp import Ipp
from agent.http import HttpClient
from agent.job import JobState, Ticket
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.conftest import FakeClock
from tests.dispatch_parts import LOST, Bench, settled
from tests.printerbox import ippeveprinter
from tests.spool_parts import PDF, PretendedPrinter, after_kill, opened

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Give a bench with one job waiting for printer `p`."""
    with opened(tmp_path / "state", clock) as parts:
        parts.accept(Ticket(printer="p", id="order-17"))
        yield Bench(parts, clock, {"p": PretendedPrinter()})


def kill_at(stage: str, bench: Bench, printer: PretendedPrinter) -> Path:
    """Send the one job, and give the state folder that a kill at this stage would have left."""
    copies: list[Path] = []
    bench.targets["p"] = printer
    printer.at_stage[stage] = lambda: copies.append(after_kill(bench.parts.state))
    if stage != "printed":
        # the killed process does nothing more
        printer.breaks, printer.takes_all_first = TimeoutError("killed"), stage == "left"
    bench.dispatcher.step()
    printer.at_stage.clear()
    printer.breaks = None
    return copies[0]


@pytest.mark.parametrize("stage", ["announced", "created", "sending", "left", "printed"])
def test_a_printer_that_can_be_asked_prints_once_whenever_the_agent_is_killed(stage: str, bench: Bench) -> None:
    """The journal and the printer's own word together leave no doubt."""
    printer = PretendedPrinter()
    copy = kill_at(stage, bench, printer)
    with opened(copy, bench.clock) as parts:
        survivor = Bench(parts, bench.clock, {"p": printer})
        survivor.run(seconds=5)
        printer.say(survivor.job().device_job_id or "", JobState.COMPLETED)
        survivor.run(seconds=60)
        assert (printer.printed, survivor.outcome()[0]) == ([(None, PDF)], JobState.COMPLETED)


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        ("announced", JobState.COMPLETED),
        ("created", JobState.COMPLETED),
        ("sending", JobState.PENDING_HELD),
        ("left", JobState.PENDING_HELD),
        ("printed", JobState.PENDING_HELD),
    ],
)
def test_a_printer_that_tells_nothing_never_prints_twice_whenever_the_agent_is_killed(
    stage: str, state: JobState, bench: Bench
) -> None:
    """Before the first byte the job is sent again; after it a person is told, and nothing is claimed."""
    printer = PretendedPrinter(makes_jobs_first=False, answer=None)
    copy = kill_at(stage, bench, printer)
    with opened(copy, bench.clock) as parts:
        survivor = Bench(parts, bench.clock, {"p": printer})
        survivor.run(seconds=60)
        assert len(printer.printed) == (0 if stage == "sending" else 1)
        assert survivor.job().state is state


def test_the_empty_job_of_a_killed_agent_is_cleared_away(bench: Bench) -> None:
    """What the printer had made and never got is cancelled there before the job is sent again."""
    printer = PretendedPrinter()
    copy = kill_at("created", bench, printer)
    with opened(copy, bench.clock) as parts:
        Bench(parts, bench.clock, {"p": printer}).run()
        assert (printer.cancelled, len(printer.printed)) == (["101"], 1)


def test_a_kill_between_a_withdrawal_and_its_end_loses_no_job(bench: Bench) -> None:
    """That the agent itself had the printer cancel the half document is on the disk before the printer is told."""
    printer = PretendedPrinter(breaks=LOST)
    bench.targets["p"] = printer
    copies: list[Path] = []
    printer.at_stage["cancelled"] = lambda: copies.append(after_kill(bench.parts.state))
    bench.run(seconds=0.1)
    printer.breaks, printer.answer = None, JobState.COMPLETED
    printer.at_stage.clear()
    with opened(copies[0], bench.clock) as parts:
        survivor = Bench(parts, bench.clock, {"p": printer})
        survivor.run(seconds=5)
        assert (survivor.outcome()[0], len(printer.printed)) == (JobState.COMPLETED, 1)


SENDER = """
import os, signal, sys
from pathlib import Path
from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp import Ipp
from agent.drivers.raw import Raw
from agent.http import HttpClient
from agent.job import Ticket
from agent.model import utc_now
from agent.spool_attempts import Attempts, JobJournal
from tests.dispatch_parts import Bench
from tests.spool_parts import opened

state, uri, moment = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
blocks = []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def beat():
    blocks.append(1)
    if moment == "midway" and len(blocks) == 3:
        die()

def dying_after(act):
    def act_and_die(*arguments):
        act(*arguments)
        die()
    return act_and_die

if moment == "made":
    JobJournal.created = lambda *_: die()
elif moment == "answered":
    Attempts.sent = lambda *_: die()
elif moment != "midway":
    setattr(JobJournal, moment, dying_after(getattr(JobJournal, moment)))
driver = Ipp if uri.startswith("ipp") else HpRest
with opened(state, utc_now) as parts:
    parts.accept(Ticket(printer="p"), document=bytes(3_000_009))
    Bench(parts, utc_now, {"p": driver(uri, http=HttpClient(verify=False))}, beat=beat).dispatcher.step()
"""


@pytest.mark.parametrize(
    ("moment", "scheme"),
    [
        *((moment, "ipp") for moment in ("made", "created", "sending", "midway", "left", "answered")),
        ("midway", "ipps"),
        ("left", "ipps"),
    ],
)
def test_a_real_printer_prints_once_whenever_the_agent_is_killed(
    moment: str, scheme: str, tmp_path: Path, clock: FakeClock
) -> None:
    """No doubt is left: the killed agent's half document is broken off by a reset, and its job found by id or name."""
    with ippeveprinter(tmp_path / "printer") as printer, closing(HttpClient()) as http:
        send_and_kill(tmp_path / "state", printer.uri.replace("ipp:", f"{scheme}:"), moment)
        with opened(tmp_path / "state", clock) as parts:
            outcome = settled(Bench(parts, clock, {"p": Ipp(printer.uri, http=http)}))
        assert outcome == (JobState.COMPLETED, ("job-completed-successfully",))
        assert [path.stat().st_size for path in printer.documents()] == [3_000_009]


@pytest.mark.parametrize("moment", ["sending", "midway", "left", "answered"])
def test_a_press_by_hp_rest_prints_once_whenever_the_agent_is_killed(
    moment: str, tmp_path: Path, clock: FakeClock
) -> None:
    """Its job has no number of ours to ask by: it is found in the press's list by its name."""
    press = SimulatedPrinter(PrinterOptions(kind="hp-rest", keep=tmp_path / "kept", mdns=False, seconds_per_page=0.01))
    press.start()
    uri = str(press.ready_line()["http_url"])
    try:
        send_and_kill(tmp_path / "state", uri, moment)
        with opened(tmp_path / "state", clock) as parts, closing(HttpClient()) as http:
            outcome = settled(Bench(parts, clock, {"p": HpRest(uri, http=http)}))
    finally:
        press.stop()
    assert outcome == (JobState.COMPLETED, ("job-completed-successfully",))
    assert [job.size for job in press.engine.history() if job.state is JobState.COMPLETED] == [3_000_009]


def send_and_kill(state: Path, uri: str, moment: str) -> None:
    """Run an agent that kills itself while it sends a document of 3 MB, at a word of its journal or midway."""
    command = [sys.executable, "-c", SENDER, str(state), uri, moment]
    assert subprocess.run(command, cwd=REPOSITORY, check=False, timeout=30).returncode == -signal.SIGKILL
