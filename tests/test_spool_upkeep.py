from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.config_option import DAY
from agent.job import JobReading, JobState, Ticket
from tests.conftest import FakeClock
from tests.dispatch_parts import Bench
from tests.spool_parts import PDF, Parts, PretendedPrinter, after_kill, begin, claimed, in_doubt, nothing, opened, told

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give the path of a state folder."""
    return tmp_path / "state"


@pytest.fixture
def parts(state: Path, clock: FakeClock) -> Iterator[Parts]:
    """Give an open spool."""
    with opened(state, clock) as parts:
        yield parts


def test_a_job_that_was_only_announced_is_sent_again(parts: Parts, clock: FakeClock) -> None:
    """A kill before the first byte costs nothing, and leaves no doubt."""
    job_id = parts.accept().job.id
    claimed(parts)
    with opened(after_kill(parts.state), clock) as survivor:
        assert claimed(survivor) == job_id


def test_a_job_that_the_printer_had_made_is_sent_again_and_the_empty_one_named(parts: Parts, clock: FakeClock) -> None:
    """No byte of the document left; the claim tells which job of the printer's to clear away."""
    parts.accept()
    job = parts.spool.attempts.claim()
    assert job is not None
    parts.spool.attempts.journal(job, beat=nothing).created("42")
    with opened(after_kill(parts.state), clock) as survivor:
        again = survivor.spool.attempts.claim()
        assert again is not None
        assert (again.id, again.device_job_id) == (job.id, "42")


def test_a_job_that_was_being_sent_is_unknown_where_nobody_can_be_asked(parts: Parts, clock: FakeClock) -> None:
    """It is held, told, and never sent again by itself."""
    job_id = parts.accept().job.id
    begin(parts)
    parts.notes()
    with opened(after_kill(parts.state), clock) as survivor:
        Bench(survivor, clock, {"p": PretendedPrinter()}).run(seconds=60)
        (note,) = survivor.notes()
        assert (told(note)["state"], told(note)["state_reasons"]) == ("pending-held", ["agent-outcome-unknown"])
        assert survivor.spool.get(job_id).document.path.read_bytes() == PDF


def test_a_job_that_the_printer_has_is_followed_after_a_kill(parts: Parts, clock: FakeClock) -> None:
    """It stays under way, known as sent or as doubtful."""
    parts.accept()
    parts.accept(Ticket(printer="q"))
    parts.spool.attempts.sent(begin(parts).id, JobReading(JobState.PROCESSING, device_job_id="42"))
    job = parts.spool.attempts.claim()
    assert job is not None
    journal = parts.spool.attempts.journal(job, beat=nothing)
    journal.created("43")
    journal.sending()
    with opened(after_kill(parts.state), clock) as survivor:
        under_way = survivor.spool.attempts.under_way()
        assert [(it.job.device_job_id, it.stage) for it in under_way] == [("42", "sent"), ("43", "sending")]


def test_an_id_that_comes_after_the_document_makes_its_job_followed_not_sent_again(
    parts: Parts, clock: FakeClock
) -> None:
    """That the document had left stays noted: HP's REST interface names the job in its answer."""
    parts.accept()
    job = parts.spool.attempts.claim()
    assert job is not None
    journal = parts.spool.attempts.journal(job, beat=nothing)
    journal.sending()
    journal.left()
    journal.created("42")
    with opened(after_kill(parts.state), clock) as survivor:
        (under_way,) = survivor.spool.attempts.under_way()
        assert (under_way.job.device_job_id, under_way.stage) == ("42", "left")
        assert claimed(survivor) is None


def test_a_job_that_had_left_for_a_printer_that_cannot_be_asked_is_a_persons_to_settle(
    parts: Parts, clock: FakeClock
) -> None:
    """It is held, and neither expires nor ends for want of its document."""
    parts.accept(Ticket(printer="p", expires_in=60))
    job = parts.spool.attempts.claim()
    assert job is not None
    journal = parts.spool.attempts.journal(job, beat=nothing)
    journal.sending()
    journal.left()
    clock.advance(10**6)
    with opened(after_kill(parts.state), clock) as survivor:
        Bench(survivor, clock, {"p": PretendedPrinter()}).run(seconds=60)
        assert survivor.spool.expire() == 0
        assert survivor.spool.get(job.id).state_reasons == ("agent-outcome-unknown",)


@pytest.mark.parametrize("stage", ["announced", "created"])
def test_a_cancel_that_a_kill_came_after_is_not_forgotten(parts: Parts, clock: FakeClock, stage: str) -> None:
    """No byte has left, so that it has ended; it isn't sent first to be cancelled then."""
    job = parts.accept().job
    parts.spool.attempts.claim()
    if stage == "created":
        parts.spool.attempts.journal(job, beat=nothing).created("42")
    parts.spool.cancel(job.id)
    with opened(after_kill(parts.state), clock) as survivor:
        assert survivor.spool.get(job.id).state is JobState.CANCELED
        assert claimed(survivor) is None


def test_orphans_are_removed_on_both_sides(parts: Parts, clock: FakeClock) -> None:
    """A file without a row goes; a row without its file is told as lost, not tried for ever."""
    job = parts.accept(Ticket(printer="p", id="lost")).job
    parts.accept(Ticket(printer="p", id="sound"))
    copy = after_kill(parts.state)
    (copy / "documents" / job.document.path.name).unlink()
    (copy / "documents" / "orphan.doc").write_bytes(b"x")
    (copy / "documents" / "half.doc.tmp").write_bytes(b"x")
    with opened(copy, clock) as survivor:
        assert survivor.spool.get("lost").state_reasons == ("agent-document-lost",)
        assert [path.name for path in survivor.documents()] == [survivor.spool.get("sound").document.path.name]


def test_documents_outlive_a_damaged_database(parts: Parts, clock: FakeClock) -> None:
    """Where the rows are lost, the documents are kept aside beside them, not swept away as orphans."""
    parts.accept()
    copy = after_kill(parts.state)
    for path in copy.glob("agent.db*"):
        path.write_bytes(b"damaged beyond repair" * 100)
    with opened(copy, clock) as survivor:
        (aside,) = copy.glob("documents.damaged-*")
        assert (len(list(aside.iterdir())), survivor.spool.depth()) == (1, 0)


ACCEPT_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from agent.job import Ticket
from tests.spool_parts import opened

with opened(Path(sys.argv[1]), lambda: datetime.now(UTC)) as parts:
    for number in range(1_000_000):
        ticket = Ticket(printer="p", id=f"job-{sys.argv[2]}-{number}")
        accepted = parts.accept(ticket, document=ticket.id.encode() * 1000)
        print(accepted.job.id, flush=True)
"""


def test_twenty_kills_lose_nothing_that_was_acknowledged(state: Path, clock: FakeClock) -> None:
    """Whatever a process acknowledged before SIGKILL is there once, with its document whole."""
    acknowledged: list[str] = []
    for turn in range(20):
        child = subprocess.Popen(
            [sys.executable, "-c", ACCEPT_FOR_EVER, str(state), str(turn)],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
        )
        assert child.stdout is not None
        acknowledged += [child.stdout.readline().strip() for _ in range(3 + turn % 5)]
        child.send_signal(signal.SIGKILL)
        acknowledged += child.stdout.read().split()
        child.wait(10)
        child.stdout.close()
    with opened(state, clock) as parts:
        jobs = {job.id: job for job in parts.spool.jobs()}
        assert set(acknowledged) <= set(jobs)
        assert all(job.document.path.read_bytes() == job_id.encode() * 1000 for job_id, job in jobs.items())
        assert len(parts.documents()) == len(jobs)


def test_a_job_expires_at_the_earlier_of_both_limits(parts: Parts, clock: FakeClock) -> None:
    """The message's own expiry and the ticket's are both kept to."""
    created_at = clock() - timedelta(seconds=50)
    ticket = Ticket(printer="p", created_at=created_at, expires_in=60)
    assert parts.accept(ticket, expires_at=clock() + timedelta(seconds=30)).job.expires_at == created_at + timedelta(
        seconds=60
    )


def test_an_expired_job_is_not_printed_even_before_it_is_told(parts: Parts, clock: FakeClock) -> None:
    """Its time counts when it is claimed, and `expire` tells what became of it."""
    job_id = parts.accept(Ticket(printer="p", expires_in=60)).job.id
    clock.advance(61)
    assert claimed(parts) is None
    assert parts.spool.expire() == 1
    job = parts.spool.get(job_id)
    assert (job.state, job.state_reasons) == (JobState.ABORTED, ("agent-expired",))


def test_an_end_is_told_when_it_comes(parts: Parts, clock: FakeClock) -> None:
    """The next look is due at the next end, not only every half minute."""
    parts.accept(Ticket(printer="p", id="held", hold=True, expires_in=7))
    assert parts.spool.step() == 7.0
    clock.advance(7)
    assert parts.spool.step() == 30.0
    assert parts.spool.get("held").state_reasons == ("agent-expired",)


def test_a_week_offline_is_not_a_week_of_paper(state: Path, clock: FakeClock) -> None:
    """What has waited longer than `max_age` is not printed, held or not; a doubt is only a person's to settle."""
    with opened(state, clock, max_age=3600) as parts:
        in_doubt(parts)
        parts.accept()
        parts.accept(Ticket(printer="p", hold=True))
        clock.advance(3601)
        assert (parts.spool.expire(), parts.spool.depth()) == (2, 1)


def test_a_reprint_has_all_its_time_from_the_persons_word_on(parts: Parts, clock: FakeClock) -> None:
    """It was in doubt past both of its ends; whoever wants it sent again now wants it printed."""
    parts.accept(Ticket(printer="p", id="a", expires_in=60))
    job = parts.spool.attempts.hold_unknown(begin(parts).id, "no answer")
    clock.advance(3 * DAY)
    parts.spool.expire()
    assert parts.spool.get("a").state == JobState.PENDING_HELD
    reprinted = parts.spool.reprint("a", attempts=job.attempts)
    parts.spool.expire()
    assert (reprinted.expires_at, parts.spool.get("a").state) == (None, JobState.PENDING)
    clock.advance(2 * DAY)
    parts.spool.expire()
    assert parts.spool.get("a").state_reasons == ("agent-expired",)


def test_nothing_is_judged_while_the_clock_is_behind(parts: Parts, clock: FakeClock) -> None:
    """A clock of 1970 after a boot neither expires nor forgets anything, and keeps no job from its printer."""
    parts.accept(Ticket(printer="p", id="waits", expires_in=60))
    parts.spool.cancel(parts.accept().job.id)
    clock.advance(-50 * 365 * 86400)
    assert (parts.spool.expire(), parts.spool.prune()) == (0, 0)
    assert claimed(parts) == "waits"


@pytest.mark.parametrize("behind_seconds", [3600, 50 * 365 * 86400])
def test_a_job_accepted_by_a_clock_that_is_behind_does_not_expire_when_it_is_set(
    parts: Parts, clock: FakeClock, behind_seconds: float
) -> None:
    """A gateway was off for a week, and takes tickets before it knows the time."""
    parts.accept(Ticket(printer="p", hold=True))
    clock.advance(-behind_seconds)
    job = parts.accept(Ticket(printer="q", id="new", expires_in=60), expires_at=clock() + timedelta(seconds=30)).job
    clock.advance(behind_seconds + 7 * 86400)
    assert (job.expires_at, parts.spool.expire()) == (None, 1)
    assert claimed(parts) == "new"


def test_a_clock_of_1970_is_known_to_be_wrong_without_a_job_to_compare(parts: Parts, clock: FakeClock) -> None:
    """The first job of a new gateway waits as long as it has to."""
    years = 56 * 365 * 86400
    clock.advance(-years)
    parts.accept(Ticket(printer="p", id="first", expires_in=60))
    clock.advance(years)
    assert (parts.spool.expire(), claimed(parts)) == (0, "first")


def test_what_the_publisher_dated_expires_whatever_the_clock_was_at_acceptance(parts: Parts, clock: FakeClock) -> None:
    """`created_at` and `expires_in` make a moment that needs no clock of ours until it is judged."""
    created_at = clock()
    parts.accept()
    clock.advance(-(10**6))
    job = parts.accept(Ticket(printer="p", created_at=created_at, expires_in=60)).job
    clock.advance(10**6 + 61)
    assert (job.expires_at, parts.spool.expire()) == (created_at + timedelta(seconds=60), 1)


def test_what_ended_is_forgotten_after_a_while(parts: Parts, clock: FakeClock) -> None:
    """Row, id, document and retained topic go together."""
    parts.accept(Ticket(printer="p", id="old"))
    parts.spool.attempts.reject(begin(parts).id, "aborted-by-system", "no")
    parts.notes()
    clock.advance(7 * 86400 + 1)
    assert parts.spool.step() > 0
    (note,) = parts.notes()
    assert (note.topic, note.payload, note.retain) == ("jobs/old", b"", True)
    assert (parts.spool.jobs(), parts.documents()) == ((), [])
