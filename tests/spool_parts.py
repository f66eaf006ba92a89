"""A spool on a real disk, and a pretended printer, for the tests of the spool and the dispatcher."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.accounts import DEFAULT_ACCOUNT, NO_LIMITS, Accounts
from agent.config_schema import AccountConfig, LimitsConfig, SpoolConfig, UserConfig
from agent.document_reference import Reference
from agent.errors import NotFoundError, PrinterBusyError, PrinterRejectedError
from agent.job import Job, JobReading, JobState, Journal, Ticket
from agent.model import Clock, Identity, Printer
from agent.outbox import Note, Outbox
from agent.spool import Accepted, Spool
from agent.store import Store

PDF = b"%PDF-1.4 a document of some length\n"
TIME_ZERO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Parts:
    """A spool that is open, and what it stands on."""

    state: Path
    store: Store
    outbox: Outbox
    spool: Spool

    def accept(self, ticket: Ticket | None = None, document: bytes | Path | Reference = PDF, **more: Any) -> Accepted:
        """Accept a ticket for printer `p`; its digest is its repr unless given."""
        ticket = ticket or Ticket(printer="p")
        facts: dict[str, Any] = {"document_format": "application/pdf", "digest_parts": repr(ticket).encode()}
        return self.spool.accept(ticket, document, printer_id=ticket.printer, **facts | more)

    def documents(self) -> list[Path]:
        """Name the files of documents."""
        return sorted((self.state / "documents").iterdir())

    def notes(self) -> list[Note]:
        """Take all that is to be told."""
        taken = self.outbox.take(100_000)
        self.outbox.done([note_id for note_id, _ in taken])
        return [note for _, note in taken]


@contextmanager
def opened(
    state: Path,
    now: Clock,
    *,
    retain_final_jobs: bool = True,
    monotonic: Callable[[], float] | None = None,
    limits: LimitsConfig = NO_LIMITS,
    users: Sequence[UserConfig] = (),
    account: AccountConfig = DEFAULT_ACCOUNT,
    **spool_keys: Any,
) -> Iterator[Parts]:
    """Open the spool of a state folder, and close its store at the end; its clock runs evenly without `monotonic`."""
    store = Store(state / "agent.db")
    store.open()
    try:
        outbox = Outbox(store, now=now)
        outbox.open()
        spool = Spool(
            store=store,
            outbox=outbox,
            folder=state / "documents",
            limits=SpoolConfig(**spool_keys),
            retain_final_jobs=retain_final_jobs,
            now=now,
            accounts=Accounts(store=store, now=now, limits=limits, users=users, account=account),
            monotonic=monotonic or (lambda: now().timestamp()),
        )
        spool.open()
        yield Parts(state, store, outbox, spool)
    finally:
        store.close()


def after_kill(state: Path) -> Path:
    """Copy a state folder as it is on the disk at this moment: what `kill -9` would leave."""
    copy = state.with_name(f"{state.name}-after-kill")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(state, copy)
    return copy


def told(note: Note) -> Any:
    """Read a note's payload, None where it clears its topic."""
    return json.loads(note.payload) if note.payload else None


def a_printer(printer_id: str = "p", **facts: Any) -> Printer:
    """Make a printer that the registry might know."""
    return Printer(id=printer_id, identity=Identity(), host="127.0.0.1", uris=(), first_seen=TIME_ZERO, **facts)


def nothing() -> None:
    """Happen to be called."""


def begin(parts: Parts) -> Job:
    """Claim the next job and journal that its document is about to leave."""
    job = parts.spool.attempts.claim()
    assert job is not None
    parts.spool.attempts.journal(job, beat=nothing).sending()
    return job


def claimed(parts: Parts, *excluded: str) -> str | None:
    """Claim the next job and give its id."""
    job = parts.spool.attempts.claim(excluded)
    return None if job is None else job.id


def in_doubt(parts: Parts) -> Job:
    """Make a job whose outcome is unknown."""
    parts.accept(Ticket(printer="p", id="doubtful"))
    return parts.spool.attempts.hold_unknown(begin(parts).id, "no answer")


@dataclass
class PretendedPrinter:
    """A print target that keeps what it prints, has a job list, and fails as it is told.

    Attributes:
        printed: the documents that came out, by the name of their job.
        job_list: what it says of its jobs, by its own ids.
        refusal: raised before anything is taken.
        never_takes: the name of a job that it calls itself busy at.
        breaks: raised after some of the document has left.
        takes_all_first: whether all of it has left by then.
        makes_jobs_first: whether it has Create-Job.
        at_stage: called with the name of each stage of a job.
        answer: the state that it answers a whole document with.
        is_too_late: whether it refuses to cancel.
    """

    name: str = "ipp"
    options: frozenset[str] = frozenset({"sides", "copies"})
    printed: list[tuple[str | None, bytes]] = field(default_factory=list)
    job_list: dict[str, JobReading] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    refusal: Exception | None = None
    never_takes: str | None = None
    breaks: Exception | None = None
    takes_all_first: bool = False
    makes_jobs_first: bool = True
    at_stage: dict[str, Callable[[], None]] = field(default_factory=dict)
    answer: JobState | None = JobState.PROCESSING
    is_too_late: bool = False
    asked: int = 0
    tries: int = 0

    def print_job(self, job: Job, journal: Journal) -> JobReading:
        """Take a job as a printer would."""
        self.tries += 1
        self._reach("announced")
        if self.refusal is not None:
            raise self.refusal
        if self.never_takes is not None and job.name == self.never_takes:
            raise PrinterBusyError("busy")
        device_job_id = str(100 + self.tries) if self.makes_jobs_first else None
        if device_job_id:
            self.say(device_job_id, JobState.PENDING_HELD, "job-data-insufficient", impressions=0)
            journal.created(device_job_id)
        self._reach("created")
        journal.sending()
        self._reach("sending")
        document = job.document.path.read_bytes()
        journal.beat()
        if self.breaks is not None and not self.takes_all_first:
            raise self.breaks
        self.printed.append((job.name, document))
        if device_job_id and self.answer is not None:
            self.say(device_job_id, self.answer)
        journal.left()
        self._reach("left")
        if self.breaks is not None:
            raise self.breaks
        self._reach("printed")
        return JobReading(self.answer, device_job_id=device_job_id)

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:
        """Say what the job list says."""
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal
        if device_job_id not in self.job_list:
            raise NotFoundError(f"no job {device_job_id}")
        return self.job_list[device_job_id]

    def cancel_job(self, device_job_id: str, *, user: str | None = None) -> None:
        """Cancel a job of the list."""
        if self.refusal is not None:
            raise self.refusal
        if self.is_too_late:
            raise PrinterRejectedError("not possible")
        self.cancelled.append(device_job_id)
        self.say(device_job_id, JobState.CANCELED, "job-canceled-by-user", impressions=0)
        self._reach("cancelled")

    def say(self, device_job_id: str, state: JobState, *reasons: str, impressions: int | None = None) -> None:
        """Have the job list say this from now on."""
        self.job_list[device_job_id] = JobReading(
            state, device_job_id=device_job_id, state_reasons=reasons, impressions_completed=impressions
        )

    def _reach(self, stage: str) -> None:
        self.at_stage.get(stage, nothing)()


@dataclass
class ListingPrinter(PretendedPrinter):
    """A pretended printer without Create-Job whose jobs can be found by name; `listed` are its ids by attempt token."""

    makes_jobs_first: bool = False
    listed: dict[str, str] = field(default_factory=dict)

    def find_job(self, job: Job, *, of_any_attempt: bool = False) -> JobReading | None:
        """Find a job of the list."""
        self._reach("looked for")
        if self.refusal is not None:
            raise self.refusal
        found = (
            device_job_id
            for token, device_job_id in self.listed.items()
            if job.is_named(token, of_any_attempt=of_any_attempt)
        )
        device_job_id = next(found, None)
        return None if device_job_id is None else self.job_list[device_job_id]
