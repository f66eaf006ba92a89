from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp import Ipp
from agent.drivers.raw import Raw
from agent.http import HttpClient
from agent.model import JobState, Ticket
from agent.simulator.engine import PrinterEngine
from agent.simulator.personality import LASER
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from agent.simulator.raw_front import RawFront
from tests.conftest import FakeClock
from tests.dispatch_parts import LOST, Bench, settled, sink
from tests.printerbox import ippeveprinter
from tests.spool_parts import PDF, PretendedPrinter, after_kill, opened
from tests.test_simulated_printer import until

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


AGENT = """
import sys
from pathlib import Path
from agent.drivers.raw import Raw
from agent.model import Ticket, utc_now
from tests.dispatch_parts import Bench
from tests.spool_parts import opened

state, uri, turn, *wrapped = Path(sys.argv[1]), *sys.argv[2:]
with opened(state, utc_now) as parts:
    bench = Bench(parts, utc_now, {"p": Raw(uri, wrapped=frozenset(wrapped))})
    for number in range(1_000_000):
        ticket = Ticket(printer="p", id=f"job-{turn}-{number}")
        print(parts.accept(ticket, document=f"<{ticket.id}>".encode() * 1000).job.id, flush=True)
        bench.dispatcher.step()
"""


def run_and_kill(state: Path, uri: str, turn: int, *wrapped: str) -> list[str]:
    """Run an agent that accepts and prints, kill it in the middle, and give the jobs that it acknowledged.

    Documents of the media types `wrapped` are printed in PJL.
    """
    command = [sys.executable, "-c", AGENT, str(state), uri, str(turn), *wrapped]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True) as agent:
        assert agent.stdout is not None
        acknowledged = [agent.stdout.readline().strip() for _ in range(2 + turn % 7)]
        agent.send_signal(signal.SIGKILL)
        return acknowledged + agent.stdout.read().split()


def test_twenty_kills_lose_nothing_double_nothing_and_claim_nothing_false(tmp_path: Path, clock: FakeClock) -> None:
    """Real processes, SIGKILL, a real socket: each job arrived once, or a person is told; at most one doubt a kill."""
    received: list[bytes] = []
    with sink(received) as uri:
        acknowledged = {job_id for turn in range(20) for job_id in run_and_kill(tmp_path / "state", uri, turn)}
        with opened(tmp_path / "state", clock) as parts:
            Bench(parts, clock, {"p": Raw(uri)}).run(seconds=5)
            jobs = {job.id: job for job in parts.spool.jobs()}
            documents = parts.documents()
    arrivals = {job_id: received.count(f"<{job_id}>".encode() * 1000) for job_id in jobs}
    doubtful = {job_id for job_id, job in jobs.items() if job.state_reasons == ("agent-outcome-unknown",)}
    completed = {job_id for job_id, job in jobs.items() if job.state is JobState.COMPLETED}
    assert acknowledged <= set(jobs) == completed | doubtful
    assert len(doubtful) == len(documents) <= 20
    assert {arrivals[job_id] for job_id in completed} == {1}
    assert all(arrivals[job_id] <= 1 for job_id in doubtful)


def test_kills_while_a_printer_tells_of_its_jobs_lose_nothing_double_nothing_and_claim_nothing_false(
    tmp_path: Path, clock: FakeClock
) -> None:
    """In PJL: what is completed is so by the printer's word; a kill costs at most one doubt."""
    engine = PrinterEngine(
        identity=LASER.identity(serial="X1"),
        supplies=(),
        keep=None,
        seconds_per_page=0.0,
        document_formats=("application/pdf",),
    )
    front = RawFront(engine, host="127.0.0.1", port=0)
    front.start()
    uri = f"socket://127.0.0.1:{front.port}"
    acknowledged = {
        job_id for turn in range(6) for job_id in run_and_kill(tmp_path / "state", uri, turn, "application/pdf")
    }
    with opened(tmp_path / "state", clock) as parts:
        bench = Bench(parts, clock, {"p": Raw(uri, wrapped=frozenset({"application/pdf"}))})
        until(lambda: is_done(bench))
        jobs = {job.id: job for job in parts.spool.jobs()}
    front.stop()
    hashes = [job.sha256 for job in engine.history()]
    arrivals = {job_id: hashes.count(sha256(f"<{job_id}>".encode() * 1000).hexdigest()) for job_id in jobs}
    doubtful = {job_id for job_id, job in jobs.items() if job.state_reasons == ("agent-outcome-unknown",)}
    completed = {job.id for job in jobs.values() if job.state_reasons == ("job-completed-successfully",)}
    assert acknowledged <= set(jobs) == completed | doubtful
    assert len(doubtful) <= 6
    assert {arrivals[job_id] for job_id in completed} == {1}
    assert all(arrivals[job_id] <= 1 for job_id in doubtful)


def is_done(bench: Bench) -> bool:
    """Let the dispatcher work; whether nothing is left to do."""
    bench.run(seconds=6)
    return not {"pending", "processing"} & bench.parts.spool.tally().by_state.keys()


SENDER = """
import os, signal, sys
from pathlib import Path
from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp import Ipp
from agent.http import HttpClient
from agent.model import Ticket, utc_now
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
