"""Jobs and their documents, durable: what was accepted is printed once, or told as what became of it.

Write down, then act: a job is on the disk before it is acknowledged, announced before it is sent, and what became of it
is written in the same transaction as what is told of it. Every call returns when it is on the disk.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from agent import spool_commands
from agent.accounts import Accounts
from agent.clock_watch import ClockWatch
from agent.config_schema import SpoolConfig
from agent.document_reference import Reference
from agent.errors import StorageError
from agent.job import Job, Ticket
from agent.model import Clock
from agent.outage import Consequence, Outages
from agent.outbox import Outbox
from agent.pin import hash_pin
from agent.spool_ages import Ages
from agent.spool_attempts import Attempts
from agent.spool_deliveries import Deliveries, Delivery
from agent.spool_documents import Documents
from agent.spool_incoming import IncomingDocuments
from agent.spool_news import JobNews
from agent.spool_queue import PrinterQueue, read_interpreting, read_queue
from agent.spool_room import Room
from agent.spool_rows import JOB_INCOMING, SCHEMA, columns_of_ticket, columns_of_time, other_reasons
from agent.spool_table import JobTable, Tally, read_job, read_jobs, read_tally
from agent.spool_upkeep import end_without_document, recover
from agent.store import Row, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job that a ticket is; `is_new` is False where it was there already."""

    job: Job
    is_new: bool


class Spool:
    """The jobs of all printers.

    Attributes:
        attempts: the dispatcher's side of it.
        incoming: the fetchers' side of it.
        accounts: who printed what, and the limits of publishers.
        outages: what becomes of jobs that waited through an outage.
        on_told: called with every job whose state has changed, within the transaction; it must be quick.
        on_work: called after the commit of whatever a dispatcher may want to look at: a job that is new, released, to
            be reprinted or to be cancelled.
        on_end: called with a job that ends, within the transaction that ends it.
    """

    def __init__(
        self,
        *,
        store: Store,
        outbox: Outbox,
        folder: Path,
        limits: SpoolConfig,
        retain_final_jobs: bool,
        now: Clock,
        accounts: Accounts | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._folder = folder
        self._documents = Documents(folder)
        self._deliveries = Deliveries(store)
        self._room = Room(store=store, documents=self._documents, limits=limits)
        self._now = now
        self._news = JobNews(outbox=outbox, retain_final_jobs=retain_final_jobs)
        self.accounts = accounts or Accounts(store=store, now=now)
        self._table = JobTable(
            store=store,
            folder=folder,
            now=now,
            tell=self._tell,
            note_end=self._note_end,
            discard=self._discard,
        )
        watch = ClockWatch(now=now, monotonic=monotonic)
        self.outages = Outages(store=store, table=self._table, watch=watch, limits=limits, now=now, monotonic=monotonic)
        self._ages = Ages(
            table=self._table,
            accounts=self.accounts,
            outages=self.outages,
            watch=watch,
            outbox=outbox,
            discard=self._discard,
            limits=limits,
        )
        self.attempts = Attempts(store=store, table=self._table)
        self.incoming = IncomingDocuments(
            store=store,
            table=self._table,
            documents=self._documents,
            room=self._room,
            charge=self.accounts.charge_bytes,
            monotonic=monotonic,
        )
        self._digest_key = b""
        self.on_work: Callable[[], None] = _nobody_works
        self.on_told: Callable[[Job], None] = _nobody_listens
        self.on_end: Callable[[Job], None] = _nobody_listens

    def open(self) -> None:
        """Make the tables, take up what an agent that was killed has left, and remove orphans on both sides.

        Raises:
            StorageError: the disk doesn't let it.
        """
        self._store.migrate("spool", SCHEMA)
        self.accounts.open()
        self.outages.open()
        aside = self._store.set_aside
        self._documents.open(set_aside=aside.name.removeprefix(self._store.path.name) if aside else None)
        with self._store.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO spool_keys VALUES ('digest', ?)", (secrets.token_bytes(32),))
            recover(self._table)
            end_without_document(self._table, self._documents.names())
        self._digest_key = self._store.query("SELECT value FROM spool_keys WHERE name = 'digest'")[0]["value"]
        rows = self._store.query("SELECT file FROM jobs WHERE file IS NOT NULL")
        self._documents.sweep(frozenset(row["file"] for row in rows) | self.incoming.files())
        self.outages.begin()

    def accept(
        self,
        ticket: Ticket,
        document: bytes | Path | Reference,
        *,
        printer_id: str,
        document_format: str,
        digest_parts: bytes,
        delivery: Delivery | None = None,
        response_topic: str | None = None,
        correlation_data: bytes | None = None,
        expires_at: datetime | None = None,
        publisher: str | None = None,
        after_outage: Consequence | None = None,
    ) -> Accepted:
        """Make a job of a ticket, or find the job that it is already and tell its state again.

        Args:
            ticket: what was asked for.
            document: the bytes, a file to copy, or where it is to be fetched from.
            printer_id: the registry's id.
            document_format: the MIME media type.
            digest_parts: what tells this ticket from another, such as the whole message; kept as a keyed hash.
            delivery: how MQTT delivered it, None where it came otherwise.
            response_topic: where to answer, already checked against the policy.
            correlation_data: returned with each answer.
            expires_at: the message's own expiry, reckoned from now; the earlier of this and the ticket's counts.
            publisher: whom it is charged to, `""` for a topic that names no user; None where no limits hold.
            after_outage: what becomes of it because it waited through an outage.

        Raises:
            TicketError: the document is larger than a job may be, or the publisher has had enough today.
            ConflictError: there is another job of this id.
            SpoolFullError: there is no room now.
            StorageError: the disk refuses otherwise.
        """
        digest = self._digest(digest_parts)
        with self._store.transaction():
            if (known := self._deliveries.known(ticket.id, digest, delivery)) is not None:
                return self._accept_again(known, delivery, response_topic, correlation_data)
        size = document.size or 0 if isinstance(document, Reference) else self._documents.size(document)
        if publisher is not None:
            self.accounts.check(publisher, size=size, copies=ticket.options.copies, job_id=ticket.id)
        self._room.check(size, job_id=ticket.id)
        kept = self._keep(document)
        columns = {
            **columns_of_ticket(ticket, *([JOB_INCOMING] if isinstance(document, Reference) else [])),
            **kept,
            **columns_of_time(ticket, now=self._now(), is_dated=self._table.judged_at() > 0, expires_at=expires_at),
            "id": ticket.id or f"job-{secrets.token_hex(8)}",
            "printer_id": printer_id,
            "format": document_format,
            "digest": digest,
            "pin_hash": None if ticket.pin is None else hash_pin(ticket.pin),
            "response_topic": response_topic,
            "correlation_data": correlation_data,
            "publisher": publisher,
        }
        with self._store.transaction():
            self._store.on_rollback(partial(self._discard, kept["file"]))
            self._store.before_commit(self._documents.sync)
            if (known := self._deliveries.known(ticket.id, digest, delivery)) is not None:  # another thread was faster
                self._store.on_commit(partial(self._discard, kept["file"]))
                return self._accept_again(known, delivery, response_topic, correlation_data)
            job = self._insert(columns, document, after_outage)
            self._deliveries.open(delivery, digest, job.id)
            return Accepted(job, is_new=True)

    @contextmanager
    def accept_group(self) -> Iterator[None]:
        """Make several `accept`s one commit: none of them is durable before the block ends."""
        with self._store.transaction():
            yield

    def knows(self, job_id: str | None, digest_parts: bytes) -> bool:
        """Whether there is a job of this id, or of these digest parts."""
        digest = self._digest(digest_parts)
        return bool(self._store.query("SELECT 1 FROM jobs WHERE id = ? OR digest = ? LIMIT 1", (job_id, digest)))

    def forget_deliveries(self) -> None:
        """Close every packet identifier, because the broker has begun a new session."""
        self._deliveries.forget()

    def has_room(self) -> bool:
        """Whether a job as large as the one last refused for want of room would be taken now."""
        return self._room.is_back()

    def cancel(self, job_id: str, *, user: str | None = None) -> Job:
        """Cancel a job; `user`, where given, must be its own.

        Raises:
            NotFoundError: there is no such job.
            RefusedError: it is another user's.
            ConflictError: it has ended.
        """
        return self._announced(spool_commands.cancel(self._table, job_id, user=user))

    def release(self, job_id: str, *, pin: str | None = None, user: str | None = None) -> Job:
        """Let a held job go to its printer.

        Raises:
            NotFoundError: there is no such job.
            RefusedError: it is another user's, the PIN is wrong, or there were too many wrong ones.
            ConflictError: it isn't held, or held because its outcome is unknown.
        """
        return self._announced(spool_commands.release(self._table, job_id, pin=pin, user=user))

    def confirm(self, job_id: str, *, attempts: int) -> Job:
        """Complete a job of unknown outcome that a person has found printed.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: its outcome isn't in doubt, or it was tried another number of times than the person saw.
        """
        return self._announced(spool_commands.confirm(self._table, job_id, attempts=attempts))

    def reprint(self, job_id: str, *, attempts: int) -> Job:
        """Send a job of unknown outcome again that a person has found missing; raises as `confirm`."""
        return self._announced(spool_commands.reprint(self._table, job_id, attempts=attempts))

    def get(self, job_id: str, *, user: str | None = None) -> Job:
        """Find a job; `user`, where given, must be its own.

        Raises:
            NotFoundError: there is no such job.
            RefusedError: it is another user's.
        """
        return read_job(self._store, job_id, folder=self._folder, user=user)

    def jobs(self, *, printer_id: str | None = None, user: str | None = None, live: bool = False) -> tuple[Job, ...]:
        """Give jobs, the newest first; `live` leaves out those that have ended."""
        return read_jobs(self._store, folder=self._folder, printer_id=printer_id, user=user, live=live)

    def latest(self, printer_id: str, limit: int) -> tuple[Job, ...]:
        """Give the last jobs of a printer, the newest first."""
        return read_jobs(self._store, folder=self._folder, printer_id=printer_id, limit=limit)

    def queue(self, printer_id: str) -> PrinterQueue:
        """Count the jobs of a printer that have not ended."""
        return read_queue(self._store, printer_id)

    def interpreting(self) -> frozenset[str]:
        """Give the printers that make pages of one of our jobs and don't print them yet."""
        return read_interpreting(self._store)

    def waiting(self, printer_id: str) -> int:
        """Count the jobs of a printer that have not ended."""
        return self._count("SELECT count(*) FROM jobs WHERE state IN (3, 4, 5, 6) AND printer_id = ?", printer_id)

    def depth(self) -> int:
        """Count the jobs that have not ended."""
        return self._count("SELECT count(*) FROM jobs WHERE state < 7")

    def tally(self) -> Tally:
        """Count the jobs in each state, and add up the documents."""
        return read_tally(self._store)

    def expire(self) -> int:
        """Abort what has waited past its time; give how many jobs."""
        return self._ages.expire()

    def prune(self) -> int:
        """Forget what ended more than `spool.keep` ago; give how many jobs."""
        return self._ages.prune()

    def step(self) -> float:
        """Do what time asks for; give the seconds until the next time."""
        seconds, has_let_go = self._ages.step()
        if has_let_go:
            self.on_work()
        return seconds

    def _keep(self, document: bytes | Path | Reference) -> dict[str, Any]:
        """Write a document and give the columns that tell of it; one that is elsewhere is written when it has come."""
        if isinstance(document, Reference):
            return {"file": None, "size": document.size or 0, "stage": "incoming"}
        file, size = self._documents.write(document)
        return {"file": file, "size": size, "stage": "received"}

    def _insert(
        self, columns: dict[str, Any], document: bytes | Path | Reference, after_outage: Consequence | None
    ) -> Job:
        job = self._table.insert(columns)
        if isinstance(document, Reference):
            self.incoming.add(job, document)
        if columns["publisher"] is not None:
            self.accounts.charge(columns["publisher"], columns["size"])
        row = self._table.row(job.id)
        if after_outage is not None and not other_reasons(row):
            job = self.outages.settle(row, after_outage)
        else:
            self._news.tell(job)
        if not job.state.is_final:
            self._news.answer(job)
        self._store.on_commit(self._announce_work)
        return job

    def _accept_again(
        self, row: Row, delivery: Delivery | None, response_topic: str | None, correlation_data: bytes | None
    ) -> Accepted:
        job = self._table.job(row)
        if response_topic is not None:
            job = self._table.mark(row, response_topic=response_topic, correlation_data=correlation_data)
        self._news.tell(job)
        if not job.state.is_final:
            self._news.answer(job)
        self._deliveries.open(delivery, row["digest"], job.id)
        return Accepted(job, is_new=False)

    def _tell(self, job: Job) -> None:
        self._news.tell(job)
        self.on_told(job)

    def _note_end(self, job: Job) -> None:
        self.accounts.note_end(job)
        self.on_end(job)

    def _announced(self, job: Job) -> Job:
        self.on_work()
        return job

    def _announce_work(self) -> None:
        self.on_work()

    def _discard(self, file: str | None) -> None:
        if file is None:
            return
        try:
            self._documents.remove(file)
        except StorageError as exc:
            log.warning("document %s could not be removed, the next start will: %s", file, exc)

    def _digest(self, digest_parts: bytes) -> bytes:
        return hmac.digest(self._digest_key, digest_parts, "sha256")

    def _count(self, sql: str, *params: str) -> int:
        return int(self._store.query(sql, params)[0][0])


def _nobody_works() -> None:
    """Stand in for `on_work` until somebody does."""


def _nobody_listens(_job: Job) -> None:
    """Stand in for `on_told` and `on_end` until somebody does."""
