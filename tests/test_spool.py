from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import ConflictError, NotFoundError, SpoolFullError, TicketError
from agent.job import JobOptions, JobReading, JobState, Ticket
from agent.spool_deliveries import Delivery
from agent.spool_table import read_job, read_jobs
from agent.store import Store
from tests.conftest import FakeClock
from tests.spool_parts import PDF, Parts, after_kill, begin, claimed, opened, told


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give the path of a state folder."""
    return tmp_path / "state"


@pytest.fixture
def parts(state: Path, clock: FakeClock) -> Iterator[Parts]:
    """Give an open spool."""
    with opened(state, clock) as parts:
        yield parts


def test_an_accepted_job_and_its_document_survive_a_kill(parts: Parts, clock: FakeClock) -> None:
    """When `accept` returns, row and document are on the disk."""
    ticket = Ticket(printer="p", id="order-17", name="Order 17", options=JobOptions(page_ranges=((1, 3), (7, 7))))
    job = parts.accept(ticket).job
    with opened(after_kill(parts.state), clock) as survivor:
        kept = survivor.spool.get("order-17")
        assert kept.document.path.read_bytes() == PDF
        assert (kept.state, kept.options, kept.name) == (JobState.PENDING, job.options, "Order 17")


def test_a_document_may_come_as_a_file(parts: Parts, tmp_path: Path) -> None:
    """A file is copied, and stays the publisher's."""
    source = tmp_path / "large.pdf"
    source.write_bytes(PDF * 50_000)
    job = parts.accept(document=source).job
    assert job.document.path.read_bytes() == source.read_bytes()
    assert job.document.size == source.stat().st_size


def test_acceptance_is_told_on_the_job_topic_and_where_the_publisher_listens(parts: Parts) -> None:
    """The job JSON is retained on its own topic and answered, unretained, with the correlation data."""
    job = parts.accept(response_topic="replies/me", correlation_data=b"\x01").job
    state, answer = parts.notes()
    assert (state.topic, state.retain, told(state)["state"]) == (f"jobs/{job.id}", True, "pending")
    assert (answer.topic, answer.retain, answer.absolute) == ("replies/me", False, True)
    assert (told(answer), answer.correlation_data) == (told(state), b"\x01")


def test_the_same_ticket_again_is_the_same_job(parts: Parts) -> None:
    """An id with the same ticket is told again, to whoever asked now, and not printed again."""
    ticket = Ticket(printer="p", id="order-17")
    first = parts.accept(ticket)
    parts.notes()
    again = parts.accept(ticket, response_topic="replies/me")
    assert (again.is_new, again.job.id, len(parts.documents())) == (False, first.job.id, 1)
    assert [note.topic for note in parts.notes()] == ["jobs/order-17", "replies/me"]


def test_the_same_id_with_another_ticket_is_a_conflict(parts: Parts) -> None:
    """An id can't be used for something else, and nothing of the second is kept."""
    parts.accept(Ticket(printer="p", id="order-17"))
    with pytest.raises(ConflictError):
        parts.accept(Ticket(printer="p", id="order-17", name="another"))
    assert len(parts.documents()) == 1


def test_an_id_is_remembered_after_a_restart_and_the_end_of_the_job(parts: Parts, clock: FakeClock) -> None:
    """A ticket that comes again after its job has ended is told the end, whatever happened in between."""
    ticket = Ticket(printer="p", id="order-17")
    parts.accept(ticket)
    parts.spool.attempts.sent(begin(parts).id, JobReading(JobState.COMPLETED))
    with opened(after_kill(parts.state), clock) as survivor:
        again = survivor.accept(ticket)
        assert (again.is_new, again.job.state, claimed(survivor)) == (False, JobState.COMPLETED, None)


def test_without_an_id_every_message_is_a_job_of_its_own(parts: Parts) -> None:
    """The same label twice is two labels."""
    first = parts.accept(delivery=Delivery(1, dup=False))
    second = parts.accept(delivery=Delivery(2, dup=False))
    assert second.is_new
    assert first.job.id != second.job.id


def test_a_redelivery_is_not_a_second_job_even_after_a_restart(parts: Parts, clock: FakeClock) -> None:
    """DUP, the same packet identifier and the same content are the message that was accepted before."""
    first = parts.accept(delivery=Delivery(7, dup=False))
    with opened(after_kill(parts.state), clock) as survivor:
        again = survivor.accept(delivery=Delivery(7, dup=True))
        assert (again.is_new, again.job.id) == (False, first.job.id)


@pytest.mark.parametrize(
    ("delivery", "digest_parts"),
    [(Delivery(7, dup=False), b"a"), (Delivery(8, dup=True), b"a"), (Delivery(7, dup=True), b"b")],
    ids=["no DUP", "another packet identifier", "other content"],
)
def test_what_only_looks_like_a_redelivery_is_a_job(parts: Parts, delivery: Delivery, digest_parts: bytes) -> None:
    """All three must agree: the flag, the packet identifier and the content."""
    parts.accept(delivery=Delivery(7, dup=False), digest_parts=b"a")
    assert parts.accept(delivery=delivery, digest_parts=digest_parts).is_new


def test_a_packet_identifier_closes_when_it_comes_without_dup(parts: Parts) -> None:
    """A later DUP of that identifier is a redelivery of the later message."""
    parts.accept(delivery=Delivery(7, dup=False), digest_parts=b"a")
    later = parts.accept(delivery=Delivery(7, dup=False), digest_parts=b"a")
    again = parts.accept(delivery=Delivery(7, dup=True), digest_parts=b"a")
    assert again.job.id == later.job.id


def test_a_new_session_of_the_broker_closes_every_packet_identifier(parts: Parts) -> None:
    """After CONNACK has said that the session is gone, nothing can be a redelivery."""
    parts.accept(delivery=Delivery(7, dup=False))
    parts.spool.forget_deliveries()
    assert parts.accept(delivery=Delivery(7, dup=True)).is_new


def test_a_group_is_accepted_as_one(parts: Parts) -> None:
    """A conflict within a group is that ticket's alone; an error that leaves the group takes all of it along."""
    with parts.spool.accept_group():
        parts.accept(Ticket(printer="p", id="one"))
        with pytest.raises(ConflictError):
            parts.accept(Ticket(printer="p", id="one", name="another"))
        parts.accept(Ticket(printer="p", id="two"))
    assert [job.id for job in parts.spool.jobs()] == ["two", "one"]
    with pytest.raises(NotFoundError), parts.spool.accept_group():
        parts.spool.get(parts.accept().job.id + "x")
    assert (parts.spool.depth(), len(parts.documents())) == (2, 2)


def test_a_document_that_is_too_large_is_refused_for_good(state: Path, clock: FakeClock) -> None:
    """What is larger than a job may be can never become one."""
    with opened(state, clock, max_job_bytes=10) as parts:
        with pytest.raises(TicketError) as refusal:
            parts.accept(Ticket(printer="p", id="large"))
        assert (refusal.value.reason, refusal.value.job_id) == ("agent-document-too-large", "large")


def test_a_full_spool_takes_again_when_there_is_room(state: Path, clock: FakeClock) -> None:
    """What doesn't fit now is not accepted, and `has_room` tells when it would be."""
    with opened(state, clock, max_bytes=len(PDF)) as parts:
        job = parts.accept().job
        with pytest.raises(SpoolFullError):
            parts.accept()
        assert not parts.spool.has_room()
        parts.spool.cancel(job.id)
        assert parts.spool.has_room()
        assert parts.accept().is_new


def test_a_full_disk_is_a_full_spool(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reserve of the disk is left, so that what became of the jobs can still be written."""
    real = os.statvfs(parts.state)
    full = os.statvfs_result([*real[:4], 1, *real[5:]])
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    with pytest.raises(SpoolFullError):
        parts.accept()


def test_the_spool_can_be_read_at_rest(parts: Parts) -> None:
    """Lists need no running agent."""
    parts.accept(Ticket(printer="p", id="mine", user="ann"))
    parts.accept(Ticket(printer="q", id="hers", user="bea"))
    reader = Store.open_read_only(parts.store.path)
    folder = parts.state / "documents"
    assert [job.id for job in read_jobs(reader, folder=folder)] == ["hers", "mine"]
    assert [job.id for job in read_jobs(reader, folder=folder, user="ann", live=True)] == ["mine"]
    assert read_job(reader, "hers", folder=folder).printer_id == "q"
    reader.close()


def test_a_dispatcher_is_woken_for_what_it_may_do(parts: Parts) -> None:
    """Acceptance, release and cancel are work; each is announced after its commit."""
    seen: list[int] = []
    parts.spool.on_work = lambda: seen.append(parts.spool.depth())
    job_id = parts.accept(Ticket(printer="p", hold=True)).job.id
    parts.spool.release(job_id)
    parts.spool.cancel(job_id)
    assert seen == [1, 1, 0]
