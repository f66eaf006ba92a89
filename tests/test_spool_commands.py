from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import ConflictError, NotFoundError, RefusedError
from agent.job import JobReading, JobState, Ticket
from tests.conftest import FakeClock
from tests.spool_parts import PDF, Parts, after_kill, begin, claimed, in_doubt, opened


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give the path of a state folder."""
    return tmp_path / "state"


@pytest.fixture
def parts(state: Path, clock: FakeClock) -> Iterator[Parts]:
    """Give an open spool."""
    with opened(state, clock) as parts:
        yield parts


def test_a_job_that_waits_is_cancelled_at_once(parts: Parts) -> None:
    """Nothing of it is sent, and its document goes."""
    job = parts.spool.cancel(parts.accept().job.id)
    assert (job.state, job.state_reasons) == (JobState.CANCELED, ("job-canceled-by-user",))
    assert (claimed(parts), parts.documents()) == (None, [])


def test_cancelling_what_prints_is_a_wish_for_the_printer(parts: Parts) -> None:
    """The job goes on as the printer says, with the wish told, and it survives a restart."""
    job_id = parts.accept().job.id
    parts.spool.attempts.sent(begin(parts).id, JobReading(JobState.PROCESSING, device_job_id="42"))
    job = parts.spool.cancel(job_id)
    assert (job.state, job.state_reasons) == (JobState.PROCESSING, ("processing-to-stop-point",))
    assert parts.spool.attempts.cancel_requests() == {job_id}


def test_only_the_user_of_a_job_may_cancel_it(parts: Parts) -> None:
    """A command that names its user counts for that user's jobs only."""
    job = parts.accept(Ticket(printer="p", user="ann")).job
    with pytest.raises(RefusedError):
        parts.spool.cancel(job.id, user="bob")
    assert parts.spool.cancel(job.id, user="ann").state is JobState.CANCELED


def test_what_has_ended_cannot_be_cancelled(parts: Parts) -> None:
    """A second cancel is a conflict, and a job that never was isn't found."""
    job_id = parts.accept().job.id
    parts.spool.cancel(job_id)
    with pytest.raises(ConflictError):
        parts.spool.cancel(job_id)
    with pytest.raises(NotFoundError):
        parts.spool.cancel("no-such-job")


def test_a_held_job_waits_for_its_release(parts: Parts) -> None:
    """Hold is a state of its own, and release sends the job."""
    job = parts.accept(Ticket(printer="p", hold=True)).job
    assert (job.state, job.state_reasons) == (JobState.PENDING_HELD, ("job-hold-until-specified",))
    assert claimed(parts) is None
    parts.spool.release(job.id)
    assert claimed(parts) == job.id


def test_a_job_with_a_pin_really_holds(parts: Parts) -> None:
    """It prints only with the PIN, tells neither name nor user, and the PIN is nowhere in the state folder."""
    job = parts.accept(Ticket(printer="p", name="salary", user="ann", pin="73519")).job
    with pytest.raises(RefusedError):
        parts.spool.release(job.id, pin="00000")
    with pytest.raises(RefusedError):
        parts.spool.release(job.id)
    assert (job.to_json()["name"], job.to_json()["user"], job.state_reasons) == (None, None, ("job-password-wait",))
    assert all(b"73519" not in path.read_bytes() for path in parts.state.rglob("*") if path.is_file())
    assert parts.spool.release(job.id, pin="73519").state is JobState.PENDING


def test_a_pin_that_is_no_text_in_any_encoding_is_a_wrong_one(parts: Parts) -> None:
    """JSON can bring half a surrogate pair."""
    job_id = parts.accept(Ticket(printer="p", pin="73519")).job.id
    with pytest.raises(RefusedError, match="wrong PIN"):
        parts.spool.release(job_id, pin="\ud800")


def test_five_wrong_pins_lock_a_job_for_a_while(parts: Parts, clock: FakeClock) -> None:
    """Even the right PIN is refused then, also after a restart, until five minutes have passed."""
    job_id = parts.accept(Ticket(printer="p", pin="73519")).job.id
    for _ in range(5):
        with pytest.raises(RefusedError, match="wrong PIN"):
            parts.spool.release(job_id, pin="0")
    with opened(after_kill(parts.state), clock) as survivor:
        with pytest.raises(RefusedError, match="too many"):
            survivor.spool.release(job_id, pin="73519")
        clock.advance(301)
        assert survivor.spool.release(job_id, pin="73519").state is JobState.PENDING


def test_release_does_not_settle_a_doubt(parts: Parts) -> None:
    """A job of unknown outcome is settled by confirm or reprint only."""
    job = in_doubt(parts)
    with pytest.raises(ConflictError):
        parts.spool.release(job.id)
    assert (job.state, job.state_reasons) == (JobState.PENDING_HELD, ("agent-outcome-unknown",))


def test_a_person_confirms_what_lies_in_the_tray(parts: Parts) -> None:
    """Confirm completes the job, and says by whose word."""
    job = parts.spool.confirm(in_doubt(parts).id, attempts=1)
    assert (job.state, job.state_reasons) == (JobState.COMPLETED, ("agent-confirmed-by-person",))


def test_a_person_has_printed_again_what_is_missing(parts: Parts) -> None:
    """Reprint sends the same document again, once."""
    job = in_doubt(parts)
    parts.spool.reprint(job.id, attempts=1)
    with pytest.raises(ConflictError):
        parts.spool.reprint(job.id, attempts=1)
    assert begin(parts).document.path.read_bytes() == PDF


def test_a_word_on_an_older_attempt_settles_nothing(parts: Parts) -> None:
    """Whoever saw another number of attempts than there were is told of the conflict."""
    job = in_doubt(parts)
    with pytest.raises(ConflictError, match="1 attempts"):
        parts.spool.confirm(job.id, attempts=2)
