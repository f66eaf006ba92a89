"""Jobs whose document is elsewhere: held until it is there, and as any other job in all else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.document_reference import Reference
from agent.errors import ConflictError, RefusedError, SpoolFullError, TicketError
from agent.job import Job, JobState, Ticket
from agent.spool_incoming import Incoming
from tests.conftest import FakeClock
from tests.spool_parts import PDF, Parts, after_kill, claimed, opened, told

URL = "https://files.example/order.pdf?sig=SECRET"
MIB = 1 << 20


@pytest.fixture
def parts(tmp_path: Path, clock: FakeClock) -> Iterator[Parts]:
    """Give an open spool with room for four documents of a megabyte."""
    with opened(tmp_path / "state", clock, max_bytes=4 * MIB, max_job_bytes=2 * MIB) as parts:
        yield parts


def accept(parts: Parts, *, size: int | None = None, **ticket: Any) -> Job:
    """Accept a ticket whose document is elsewhere."""
    reference = Reference(URL, "ab" * 32, size)
    return parts.accept(Ticket(printer="p", **ticket), reference, document_format="application/octet-stream").job


def taken(parts: Parts) -> Incoming:
    """Take the document to fetch next."""
    incoming = parts.spool.incoming.take()
    assert incoming is not None
    return incoming


def arrive(parts: Parts) -> Job | None:
    """Have the next document come, as a fetcher would."""
    incoming = taken(parts)
    parts.spool.incoming.documents.reopen(incoming.name).write_bytes(PDF)
    job = parts.spool.incoming.arrived(incoming, size=len(PDF), document_format="application/pdf")
    parts.spool.incoming.give_back(incoming)
    return job


def test_a_job_is_told_with_what_is_known_of_its_document(parts: Parts) -> None:
    """The size is the ticket's, or nothing yet; neither the URL nor its host is told."""
    accept(parts, size=123)
    (note,) = parts.notes()
    shown = told(note)
    assert (shown["size"], shown["document_format"]) == (123, "application/octet-stream")
    assert (shown["state"], shown["state_reasons"]) == ("pending-held", ["job-incoming"])
    assert b"files.example" not in note.payload


@pytest.mark.parametrize(
    ("ticket", "reasons"),
    [({"hold": True}, ("job-hold-until-specified",)), ({"pin": "1234"}, ("job-password-wait",))],
)
def test_a_job_with_hold_or_pin_stays_held_when_its_document_is_there(
    ticket: dict[str, Any], reasons: tuple[str, ...], parts: Parts
) -> None:
    """It waits for both, in whatever order they come."""
    assert accept(parts, **ticket).state_reasons == ("job-incoming", *reasons)
    job = arrive(parts)
    assert job is not None
    assert (job.state, job.state_reasons) == (JobState.PENDING_HELD, reasons)


def test_a_job_that_is_released_before_its_document_is_there_prints_when_it_is(parts: Parts) -> None:
    """With the right PIN; a release of what waits only for its document is a mistake."""
    job_id = accept(parts, pin="1234").id
    with pytest.raises(RefusedError):
        parts.spool.release(job_id, pin="0000")
    released = parts.spool.release(job_id, pin="1234")
    assert (released.state, released.state_reasons) == (JobState.PENDING_HELD, ("job-incoming",))
    with pytest.raises(ConflictError, match="isn't held"):
        parts.spool.release(job_id, pin="1234")
    assert claimed(parts) is None
    arrive(parts)
    assert claimed(parts) == job_id


def test_a_delay_is_told_once_and_keeps_why_else_the_job_is_held(parts: Parts) -> None:
    """A server that is down for a day doesn't flap."""
    accept(parts, hold=True)
    incoming = taken(parts)
    parts.notes()
    for _ in range(2):
        parts.spool.incoming.tell_delay(incoming, "files.example: HTTP 503")
    (note,) = parts.notes()
    assert told(note)["state_reasons"] == ["job-incoming", "agent-fetch-delayed", "job-hold-until-specified"]


def test_a_job_that_is_cancelled_before_its_document_is_there_leaves_nothing(parts: Parts) -> None:
    """Neither the part nor the URL."""
    job_id = accept(parts).id
    incoming = taken(parts)
    parts.spool.incoming.documents.reopen(incoming.name).write_bytes(b"some")
    parts.spool.cancel(job_id)
    assert (parts.documents(), parts.spool.incoming.is_wanted(incoming)) == ([], False)
    assert parts.spool.incoming.arrived(incoming, size=4, document_format="x/y") is None
    assert parts.spool.get(job_id).state is JobState.CANCELED


def test_a_part_that_is_made_after_the_end_of_its_job_is_removed(parts: Parts) -> None:
    """The fetcher had just begun."""
    job_id = accept(parts).id
    incoming = taken(parts)
    parts.spool.cancel(job_id)
    parts.spool.incoming.documents.reopen(incoming.name).write_bytes(b"some")
    parts.spool.incoming.give_back(incoming)
    assert parts.documents() == []


def test_a_job_expires_while_its_document_does_not_come(parts: Parts, clock: FakeClock) -> None:
    """By what the ticket says, and by `spool.max_age`."""
    accept(parts, expires_in=60)
    accept(parts)
    clock.advance(61)
    assert parts.spool.expire() == 1
    clock.advance(86_400)
    assert parts.spool.expire() == 1
    assert {job.state_reasons for job in parts.spool.jobs()} == {("agent-expired",)}
    assert parts.spool.incoming.take() is None


def test_the_same_ticket_is_the_same_job_whether_its_document_is_there_or_not(parts: Parts) -> None:
    """And another URL under the same id is another ticket."""
    first = accept(parts, id="order-17")
    assert accept(parts, id="order-17").id == first.id
    arrive(parts)
    again = parts.accept(
        Ticket(printer="p", id="order-17"), Reference(URL, "ab" * 32), document_format="application/octet-stream"
    )
    assert (again.is_new, again.job.state) == (False, JobState.PENDING)
    assert parts.spool.incoming.take() is None
    with pytest.raises(ConflictError):
        parts.accept(Ticket(printer="p", id="order-17"), Reference(URL), document_format="x/y", digest_parts=b"another")


def test_room_is_reserved_for_what_has_yet_to_come(parts: Parts) -> None:
    """So documents that come at the same time never take more than there is."""
    accept(parts, size=2 * MIB)
    accept(parts)
    sized, unsized = taken(parts), taken(parts)
    parts.spool.incoming.reserve(sized, 2 * MIB)
    parts.spool.incoming.reserve(unsized, MIB)
    assert parts.spool.tally().document_bytes == 3 * MIB
    with pytest.raises(SpoolFullError):
        parts.spool.incoming.reserve(unsized, 2 * MIB + 1)
    with pytest.raises(SpoolFullError):
        parts.accept(document=bytes(MIB + 1))
    parts.spool.incoming.release(unsized)
    assert parts.spool.tally().document_bytes == 2 * MIB


def test_what_came_is_counted_once(parts: Parts) -> None:
    """The reservation ends with the document, or with the job."""
    accept(parts, size=2 * MIB)
    arrive(parts)
    assert parts.spool.tally().document_bytes == len(PDF)
    parts.spool.cancel(accept(parts, size=2 * MIB).id)
    assert (parts.spool.tally().document_bytes, parts.spool.tally().incoming) == (len(PDF), 0)


def test_a_ticket_whose_document_is_too_large_or_has_no_room_is_not_accepted(parts: Parts) -> None:
    """The first for ever; the second until there is room, of which `has_room` tells."""
    with pytest.raises(TicketError, match="a job may have"):
        accept(parts, size=2 * MIB + 1)
    jobs = [accept(parts, size=2 * MIB) for _ in range(2)]
    with pytest.raises(SpoolFullError):
        accept(parts, size=1)
    assert not parts.spool.has_room()
    parts.spool.cancel(jobs[0].id)
    assert parts.spool.has_room()


def test_orphans_are_removed_on_both_sides(parts: Parts, clock: FakeClock) -> None:
    """A part whose job is unknown goes at start; one of a job that waits stays, and goes on."""
    accept(parts)
    copy = after_kill(parts.state)
    for name in ("incoming-1.doc.part", "incoming-9.doc.part", "incoming-8.doc"):
        (copy / "documents" / name).write_bytes(b"some")
    with opened(copy, clock) as survivor:
        assert [path.name for path in survivor.documents()] == ["incoming-1.doc.part"]
        assert taken(survivor).reference.url == URL


def test_a_document_is_one_fetchers_until_it_is_given_back(parts: Parts) -> None:
    """Two threads never write the same part."""
    accept(parts)
    incoming = taken(parts)
    assert parts.spool.incoming.take() is None
    parts.spool.incoming.give_back(incoming)
    assert parts.spool.incoming.take() == incoming


def test_whoever_fetches_hears_of_a_new_job_when_it_is_on_the_disk(parts: Parts) -> None:
    """And not of one that has its document."""
    heard: list[int] = []
    parts.spool.incoming.on_work = lambda: heard.append(parts.spool.tally().incoming)
    with parts.spool.accept_group():
        accept(parts)
        assert heard == []
    parts.accept()
    assert heard == [1]


@pytest.mark.parametrize("kept_by", ["agent", "broker"])
def test_a_document_that_has_yet_to_come_is_held_after_an_outage_too(
    kept_by: str, tmp_path: Path, clock: FakeClock
) -> None:
    """The job waits for its document and for a person, and prints only when it has both."""
    keys: dict[str, Any] = {"after_outage": "hold", "max_age": 30 * 86_400}
    with opened(tmp_path / "site", clock, **keys) as parts:
        if kept_by == "agent":
            job_id = accept(parts).id
        else:
            document = Reference(URL, "ab" * 32)
            job_id = parts.accept(document=document, document_format="x/y", after_outage="hold").job.id
        copy = after_kill(parts.state)
    clock.advance(7200)
    with opened(copy, clock, **keys) as survivor:
        assert survivor.spool.get(job_id).state_reasons == ("job-incoming", "agent-held-after-outage")
        survivor.spool.release(job_id)
        assert claimed(survivor) is None
        arrive(survivor)
        assert claimed(survivor) == job_id


def test_a_document_that_has_yet_to_come_is_dropped_after_an_outage_too(parts: Parts) -> None:
    """It is not fetched any more."""
    document = Reference(URL, "ab" * 32)
    job = parts.accept(document=document, document_format="x/y", after_outage="drop").job
    assert job.state_reasons == ("agent-dropped-after-outage",)
    assert parts.spool.incoming.take() is None


def test_a_publisher_is_charged_with_what_came(parts: Parts) -> None:
    """With the size that the ticket tells at once, with the rest when it is there."""
    document = Reference(URL, "ab" * 32, 10)
    parts.accept(document=document, document_format="x/y", publisher="ann")
    assert charged(parts) == 10
    arrive(parts)
    assert charged(parts) == len(PDF)


def charged(parts: Parts) -> int:
    """Give the bytes that publishers are charged with."""
    return int(parts.store.query("SELECT sum(bytes) FROM usage")[0][0])
