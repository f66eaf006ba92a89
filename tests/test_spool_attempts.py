from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import SpoolFullError
from agent.job import JobReading, JobState, Ticket
from tests.conftest import FakeClock
from tests.spool_parts import Parts, begin, claimed, in_doubt, nothing, opened, told


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give the path of a state folder."""
    return tmp_path / "state"


@pytest.fixture
def parts(state: Path, clock: FakeClock) -> Iterator[Parts]:
    """Give an open spool."""
    with opened(state, clock) as parts:
        yield parts


def test_the_next_job_is_that_of_the_highest_priority_then_the_oldest(parts: Parts) -> None:
    """Priority first, arrival next."""
    for job_id, priority in (("low", 1), ("first", 50), ("second", 50), ("high", 90)):
        parts.accept(Ticket(printer="p", id=job_id, priority=priority))
    order = []
    while (job := parts.spool.attempts.claim()) is not None:
        order.append(job.id)
        parts.spool.attempts.sent(job.id, JobReading(JobState.COMPLETED))
    assert order == ["high", "first", "second", "low"]


def test_a_printer_has_one_job_at_a_time(parts: Parts) -> None:
    """While one is under way the next of that printer waits, and other printers go on."""
    parts.accept(Ticket(printer="p", id="p-1"))
    parts.accept(Ticket(printer="p", id="p-2"))
    parts.accept(Ticket(printer="q", id="q-1", priority=1))
    assert [claimed(parts) for _ in range(3)] == ["p-1", "q-1", None]


def test_a_cloud_destination_works_at_many_jobs_at_a_time(parts: Parts) -> None:
    """It has its next one as soon as it has all of the last one, however long that takes there; not before."""
    for job_id in ("first", "second"):
        parts.accept(Ticket(printer="siteflow", id=job_id))
    assert (claimed(parts), claimed(parts)) == ("first", None)
    parts.spool.attempts.sent("first", JobReading(JobState.PROCESSING, device_job_id="1"))
    assert claimed(parts) == "second"


def test_a_printer_that_is_left_alone_is_passed_over(parts: Parts) -> None:
    """The jobs of excluded printers stay where they are."""
    parts.accept(Ticket(printer="p", id="p-1", priority=90))
    parts.accept(Ticket(printer="q", id="q-1"))
    assert claimed(parts, "p", "another") == "q-1"


def test_a_job_that_waits_to_be_tried_again_is_overtaken(parts: Parts, clock: FakeClock) -> None:
    """A retry has its time, and until then the next job goes first."""
    parts.accept(Ticket(printer="p", id="first"))
    parts.accept(Ticket(printer="p", id="second"))
    claimed(parts)
    parts.spool.attempts.retry("first", after_seconds=10, reasons=("agent-printer-busy",), message="busy")
    assert claimed(parts) == "second"
    parts.spool.attempts.sent("second", JobReading(JobState.COMPLETED))
    assert (claimed(parts), parts.spool.attempts.seconds_to_next()) == (None, 10)
    clock.advance(10)
    assert claimed(parts) == "first"


def test_a_clock_that_was_set_back_keeps_no_job_waiting(parts: Parts, clock: FakeClock) -> None:
    """A next attempt that lies further ahead than any pause was written by a clock that was wrong."""
    parts.accept(Ticket(printer="p", id="first"))
    clock.advance(10**7)
    claimed(parts)
    parts.spool.attempts.retry("first", after_seconds=60, reasons=(), message="")
    clock.advance(-(10**7))
    assert claimed(parts) == "first"


def test_a_job_of_unknown_outcome_does_not_block_its_printer(parts: Parts) -> None:
    """One doubtful job is held alone."""
    in_doubt(parts)
    parts.accept(Ticket(printer="p", id="next"))
    assert claimed(parts) == "next"


def test_a_long_queue_is_claimed_from_as_fast_as_a_short_one(parts: Parts) -> None:
    """Ten thousand jobs that wait for a busy printer cost the others nothing."""
    with parts.spool.accept_group():
        parts.accept(Ticket(printer="busy", id="job-0"))
    insert = """
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO jobs
            (id, printer_id, state, options, fidelity, priority, format, size, digest, received_at, updated_at)
        SELECT 'more-' || i, 'busy', 3, '{}', 'strict', 50, 'text/plain', 1, x'00', 0, 0 FROM n"""
    parts.store.write(insert)
    assert claimed(parts) == "job-0"
    begun = time.perf_counter()
    assert [claimed(parts) for _ in range(20)] == [None] * 20
    assert time.perf_counter() - begun < 0.2


def test_completed_is_the_printers_word_and_frees_the_disk(parts: Parts) -> None:
    """The end is told once where it was asked for, and the document is gone."""
    parts.accept(response_topic="replies/me")
    job = begin(parts)
    parts.notes()
    parts.spool.attempts.sent(job.id, JobReading(JobState.PROCESSING, device_job_id="42"))
    parts.spool.attempts.record(job.id, JobReading(JobState.COMPLETED, impressions_completed=3))
    state, answer = parts.notes()
    assert told(state)["state"] == told(answer)["state"] == "completed"
    assert (told(state)["impressions_completed"], told(state)["device_job_id"]) == (3, "42")
    assert (state.retain, answer.topic, parts.documents()) == (True, "replies/me", [])


def test_a_printer_that_can_say_nothing_confirms_nothing(parts: Parts) -> None:
    """A job of raw 9100 ends as queued in the device, unconfirmed."""
    parts.accept()
    job = parts.spool.attempts.sent(begin(parts).id, JobReading(state=None))
    assert job.state is JobState.COMPLETED
    assert job.state_reasons == ("queued-in-device", "agent-completion-unconfirmed")


def test_a_jam_is_the_jobs_own_state_and_goes_on_by_itself(parts: Parts) -> None:
    """Stopped and going on are told as the printer says them."""
    parts.accept()
    job_id = begin(parts).id
    parts.spool.attempts.sent(job_id, JobReading(JobState.PENDING, device_job_id="42"))
    stopped = parts.spool.attempts.record(
        job_id, JobReading(JobState.PROCESSING_STOPPED, state_reasons=("printer-stopped",))
    )
    going = parts.spool.attempts.record(job_id, JobReading(JobState.PROCESSING, state_reasons=("job-printing",)))
    assert (stopped.state, stopped.state_reasons) == (JobState.PROCESSING_STOPPED, ("printer-stopped",))
    assert (going.state, going.state_reasons) == (JobState.PROCESSING, ("job-printing",))


def test_a_word_that_is_no_news_is_not_written(parts: Parts) -> None:
    """Asking every two seconds wears no card and tells nobody anything."""
    parts.accept()
    job_id = begin(parts).id
    first = parts.spool.attempts.sent(job_id, JobReading(JobState.PROCESSING, device_job_id="42"))
    parts.notes()
    again = parts.spool.attempts.record(job_id, JobReading(JobState.PROCESSING, device_job_id="42"))
    assert (again.revision, parts.notes()) == (first.revision, [])


def test_a_full_disk_breaks_no_transfer_once_the_document_has_left(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent knows it all the same, and after a restart the outcome is unknown, never false."""
    parts.accept()
    job = parts.spool.attempts.claim()
    assert job is not None
    journal = parts.spool.attempts.journal(job, beat=nothing)
    journal.sending()

    def refuse() -> None:
        raise SpoolFullError("the disk is full")

    monkeypatch.setattr(parts.store, "lazy_transaction", refuse)
    journal.left()
    (under_way,) = parts.spool.attempts.under_way()
    assert (journal.stage, under_way.stage) == ("left", "sending")


def test_what_commits_a_clouds_job_outlives_a_power_cut(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """One word, on the disk: whatever was noted less durably is not needed to believe the cloud."""
    parts.accept()
    job = parts.spool.attempts.claim()
    assert job is not None
    monkeypatch.setattr(parts.store, "lazy_transaction", nothing)
    parts.spool.attempts.journal(job, beat=nothing).committing()
    (under_way,) = parts.spool.attempts.under_way()
    assert under_way.stage == "left"


def test_what_a_printer_aborts_keeps_its_document(parts: Parts) -> None:
    """An aborted job's document is kept for as long as the job is remembered."""
    parts.accept()
    parts.spool.attempts.reject(begin(parts).id, "unsupported-document-format", "no PDF here")
    assert len(parts.documents()) == 1


def test_the_revision_only_rises_with_what_is_told(parts: Parts, clock: FakeClock) -> None:
    """Every state that is told has a higher revision, even where the clock goes backwards."""
    job_id = parts.accept().job.id
    revisions = [told(note)["revision"] for note in parts.notes()]
    clock.advance(-3600)
    begin(parts)
    revisions += [told(note)["revision"] for note in parts.notes()]
    parts.spool.attempts.sent(job_id, JobReading(JobState.COMPLETED))
    revisions += [told(note)["revision"] for note in parts.notes()]
    assert revisions == sorted(set(revisions))


def test_a_final_state_that_is_not_kept_is_told_and_cleared(state: Path, clock: FakeClock) -> None:
    """Without `retain_final_jobs` the end is told unretained, and the topic is empty after it."""
    with opened(state, clock, retain_final_jobs=False) as parts:
        parts.accept()
        parts.spool.attempts.sent(begin(parts).id, JobReading(JobState.COMPLETED))
        end, clearing = parts.notes()[-2:]
        assert (told(end)["state"], end.retain) == ("completed", False)
        assert (clearing.topic, clearing.payload, clearing.retain) == (end.topic, b"", True)


def test_a_printer_that_is_off_does_not_make_its_jobs_flap(parts: Parts) -> None:
    """Trying again and again with the same result is told once."""
    parts.accept(Ticket(printer="p", id="first"))
    parts.notes()
    for _ in range(3):
        claimed(parts)
        parts.spool.attempts.retry("first", after_seconds=0, reasons=("agent-printer-unreachable",), message="off")
    (note,) = parts.notes()
    assert (told(note)["state"], told(note)["state_reasons"]) == ("pending", ["agent-printer-unreachable"])
    assert parts.spool.get("first").attempts == 3
