"""Jobs that waited through an outage: a week offline must not mean a week of forecasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.accounts import Selection
from agent.job import JobReading, JobState, Ticket
from agent.outage import Consequence
from tests.conftest import FakeClock
from tests.fetch_parts import FetchBench
from tests.spool_parts import PDF, Parts, after_kill, begin, claimed, opened, told

HOUR, DAY = 3600, 86_400
HELD = (JobState.PENDING_HELD, ("agent-held-after-outage",))


class Box:
    """A gateway whose state folder outlives its agents, with a wall clock and one that only goes forward."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.state = folder / "state"
        self.clock = clock
        self.monotonic = 1000.0

    def pass_time(self, seconds: float) -> None:
        """Let time pass by both clocks."""
        self.clock.advance(seconds)
        self.monotonic += seconds

    @contextmanager
    def agent(self, **keys: Any) -> Iterator[Parts]:
        """Run an agent that holds what waited, unless told otherwise, until it is killed at the end of the block."""
        keys = {"after_outage": "hold", "max_age": 30 * DAY, **keys}
        with opened(self.state, self.clock, monotonic=lambda: self.monotonic, **keys) as parts:
            yield parts
            killed = after_kill(self.state)
        self.state = killed


@pytest.fixture
def box(tmp_path: Path, clock: FakeClock) -> Box:
    """Give a gateway."""
    return Box(tmp_path, clock)


def state_of(parts: Parts, job_id: str) -> tuple[JobState, tuple[str, ...]]:
    """Give state and reasons of a job."""
    job = parts.spool.get(job_id)
    return job.state, job.state_reasons


def fill(parts: Parts) -> None:
    """Have a job that waits, one that a person holds, and one that its printer has."""
    parts.accept(Ticket(printer="p", id="at-printer"))
    parts.spool.attempts.sent(begin(parts).id, JobReading(JobState.PROCESSING, device_job_id="42"))
    parts.accept(Ticket(printer="p", id="waits"))
    parts.accept(Ticket(printer="p", id="by-person", hold=True))


def test_a_queue_does_not_start_by_itself_after_an_outage(box: Box) -> None:
    """What waited is held and told before anything can claim it; the rest is as it was, and release frees it."""
    with box.agent() as parts:
        fill(parts)
    box.pass_time(2 * HOUR)
    with box.agent() as parts:
        assert (state_of(parts, "waits"), claimed(parts, "p")) == (HELD, None)
        assert state_of(parts, "by-person")[1] == ("job-hold-until-specified",)
        assert state_of(parts, "at-printer")[0] is JobState.PROCESSING
        (*_, note) = (note for note in parts.notes() if note.topic == "jobs/waits")
        assert told(note)["state_reasons"] == ["agent-held-after-outage"]
        assert parts.spool.release("waits").state is JobState.PENDING


def test_a_job_that_has_been_tried_before_the_outage_is_held_too(box: Box) -> None:
    """It waits with a reason, since its printer did not answer, but for nobody."""
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="waits"))
        assert claimed(parts) == "waits"
        parts.spool.attempts.retry("waits", after_seconds=1, reasons=("agent-printer-unreachable",), message="off")
    box.pass_time(2 * HOUR)
    with box.agent() as parts:
        assert state_of(parts, "waits") == HELD


def test_what_was_released_is_not_held_again(box: Box) -> None:
    """Not by the next look, and not by a short restart."""
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="waits"))
    box.pass_time(2 * HOUR)
    with box.agent() as parts:
        parts.spool.release("waits")
        box.pass_time(60)
        parts.spool.step()
        assert state_of(parts, "waits")[0] is JobState.PENDING
    box.pass_time(60)
    with box.agent() as parts:
        assert claimed(parts) == "waits"


def test_what_waited_can_be_dropped(box: Box) -> None:
    """It ends, is told, and is in the account."""
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="waits"), publisher="ann")
    box.pass_time(2 * HOUR)
    with box.agent(after_outage="drop") as parts:
        assert state_of(parts, "waits") == (JobState.ABORTED, ("agent-dropped-after-outage",))
        assert [entry["user"] for entry in parts.spool.accounts.read(Selection(user="ann"))] == ["ann"]


def test_what_waited_is_printed_unless_told_otherwise(box: Box) -> None:
    """The default; nothing is noted on the card for it."""
    with box.agent(after_outage="print") as parts:
        parts.accept(Ticket(printer="p", id="waits"))
        parts.spool.step()
        assert parts.store.query("SELECT * FROM alive") == []
    box.pass_time(2 * HOUR)
    with box.agent(after_outage="print") as parts:
        assert claimed(parts) == "waits"


def test_a_short_restart_is_no_outage(box: Box) -> None:
    """Also of an agent that had nothing to do for days: it notes at times that it is alive."""
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="waits"))
        for _ in range(30):
            box.pass_time(HOUR)
            parts.spool.step()
    box.pass_time(HOUR - 400)
    with box.agent() as parts:
        assert claimed(parts) == "waits"


def test_a_printer_that_was_off_is_no_outage(box: Box) -> None:
    """Its jobs wait as long as they may, while the agent is alive."""
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="waits"))
        for _ in range(10):
            box.pass_time(HOUR)
            parts.spool.step()
        assert claimed(parts) == "waits"


def test_a_box_without_a_battery_keeps_its_queue_back_until_its_clock_is_set(box: Box) -> None:
    """It starts in the past: only NTP tells that it was off for a week; then the queue is held, new jobs go."""
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="waits"))
    box.clock.advance(-HOUR)
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="new"))
        assert claimed(parts) == "new"
        box.pass_time(40)
        assert parts.spool.step() < 10
        assert claimed(parts, "q") is None
        box.clock.advance(7 * DAY)
        parts.spool.step()
        assert state_of(parts, "waits") == HELD


def test_a_document_that_comes_while_nobody_knows_the_time_goes_no_faster_than_the_queue(box: Box) -> None:
    """Its job waited as the others did: it is held with them once the clock is set."""
    with box.agent() as parts:
        FetchBench(parts, box.clock).accept("http://127.0.0.1/", id="waits")
    box.clock.advance(-HOUR)
    with box.agent() as parts:
        incoming = parts.spool.incoming.take()
        assert incoming is not None
        parts.spool.incoming.documents.reopen(incoming.name).write_bytes(PDF)
        parts.spool.incoming.arrived(incoming, size=len(PDF), document_format="application/pdf")
        assert claimed(parts) is None
        box.clock.advance(7 * DAY)
        parts.spool.step()
        assert state_of(parts, "waits") == HELD


def test_a_clock_that_was_set_after_a_short_absence_lets_the_queue_go(box: Box) -> None:
    """And whoever sends jobs is told to look."""
    calls: list[str] = []
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="waits"))
    box.clock.advance(-HOUR)
    with box.agent() as parts:
        parts.spool.on_work = lambda: calls.append("work")
        assert claimed(parts) is None
        box.clock.advance(HOUR + 300)
        parts.spool.step()
        assert (claimed(parts), calls) == ("waits", ["work"])


def test_a_clock_that_nobody_sets_has_the_queue_held_not_dropped(box: Box) -> None:
    """How long it was, nobody knows: a person decides."""
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="waits"))
    box.clock.advance(-HOUR)
    with box.agent(after_outage="drop") as parts:
        box.pass_time(121)
        parts.spool.step()
        assert state_of(parts, "waits") == HELD


def test_a_job_that_may_have_been_sent_is_its_printers_to_tell_of(box: Box) -> None:
    """An outage neither drops it nor has it sent again."""
    with box.agent() as parts:
        parts.accept(Ticket(printer="p", id="doubtful"))
        begin(parts)
    box.pass_time(7 * DAY)
    with box.agent(after_outage="drop") as parts:
        assert state_of(parts, "doubtful") == (JobState.PROCESSING, ("job-outgoing",))
        assert claimed(parts) is None


def away(box: Box, parts: Parts, seconds: float) -> None:
    """Lose the link for so long, then have it again with the session that the broker kept."""
    parts.spool.outages.link_up(session_present=True)
    parts.spool.outages.link_down()
    box.pass_time(seconds)
    parts.spool.outages.link_up(session_present=True)


@pytest.mark.parametrize(
    ("seconds", "created_ago", "expected"),
    [(HOUR - 1, None, None), (2 * HOUR, None, "hold"), (2 * HOUR, 2 * HOUR, "hold"), (2 * HOUR, 60, None)],
)
def test_a_ticket_that_the_broker_kept_is_judged_by_how_long_it_waited(
    box: Box, seconds: float, created_ago: float | None, expected: Consequence | None
) -> None:
    """By `created_at` where it has one; the end of an outage is not stale."""
    with box.agent() as parts:
        away(box, parts, seconds)
        created_at = None if created_ago is None else box.clock() - timedelta(seconds=created_ago)
        assert parts.spool.outages.consequence(created_at) == expected


def test_what_comes_after_the_run_of_kept_tickets_is_new(box: Box) -> None:
    """The broker sends what it kept without a pause, however slowly the disk takes it."""
    outcomes = []
    with box.agent() as parts:
        away(box, parts, 2 * HOUR)
        for taking, waiting in ((60, 1), (60, 9), (1, 11)):
            outcomes.append(parts.spool.outages.consequence(None))
            box.pass_time(taking)
            parts.spool.outages.idle()
            box.pass_time(waiting)
        outcomes.append(parts.spool.outages.consequence(None))
    assert outcomes == ["hold", "hold", "hold", None]


def test_a_busy_site_does_not_hold_for_ever(box: Box) -> None:
    """After five minutes of tickets without a pause they are taken for new."""
    with box.agent() as parts:
        away(box, parts, 2 * HOUR)
        box.pass_time(301)
        assert parts.spool.outages.consequence(None) is None


def test_a_broker_that_kept_no_session_kept_no_tickets(box: Box) -> None:
    """What comes then is new."""
    with box.agent() as parts:
        parts.spool.outages.link_up(session_present=True)
        parts.spool.outages.link_down()
        box.pass_time(2 * HOUR)
        parts.spool.outages.link_up(session_present=False)
        assert parts.spool.outages.consequence(None) is None


def test_an_outage_of_the_link_is_known_across_a_restart(box: Box) -> None:
    """The agent was off, or lost the broker and was then restarted: the tickets have waited all the same."""
    with box.agent() as parts:
        parts.spool.step()
        parts.spool.outages.link_up(session_present=False)
        parts.spool.step()
    box.pass_time(2 * HOUR)
    with box.agent() as parts:
        parts.spool.outages.link_up(session_present=True)
        assert parts.spool.outages.consequence(None) == "hold"


@pytest.mark.parametrize(
    ("policy", "outcome"), [("hold", HELD), ("drop", (JobState.ABORTED, ("agent-dropped-after-outage",)))]
)
def test_a_kept_ticket_is_accepted_and_told_as_what_becomes_of_it(box: Box, policy: Any, outcome: Any) -> None:
    """It is in the spool, so that its id is known and a second copy of it is no job."""
    with box.agent() as parts:
        job = parts.accept(Ticket(printer="p", id="kept"), after_outage=policy, response_topic="r").job
        assert (job.state, job.state_reasons) == outcome
        notes = [note for note in parts.notes() if note.payload]
        assert {told(note)["state_reasons"][0] for note in notes} == set(outcome[1])
        assert [note.topic for note in notes] == ["jobs/kept", "r"]
        assert not parts.accept(Ticket(printer="p", id="kept")).is_new


def test_a_kept_ticket_that_waits_for_a_person_does_so(box: Box) -> None:
    """A PIN still has to be given."""
    with box.agent() as parts:
        job = parts.accept(Ticket(printer="p", pin="4711"), after_outage="drop").job
        assert (job.state, job.state_reasons) == (JobState.PENDING_HELD, ("job-password-wait",))
