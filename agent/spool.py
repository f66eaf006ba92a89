"""Jobs and their documents, durable: what was accepted is printed once, or told as what became of it.

Write down, then act: a job is on the disk before it is acknowledged, announced before it is sent, and what became of it
is written in the same transaction as what is told of it. Every call returns when it is on the disk.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from agent import spool_commands
from agent.config_schema import SpoolConfig
from agent.errors import ConflictError, SpoolFullError, StorageError, TicketError
from agent.model import Clock, Job, Ticket
from agent.outbox import Note, Outbox
from agent.pin import hash_pin
from agent.spool_attempts import Attempts
from agent.spool_documents import Documents
from agent.spool_rows import SCHEMA, columns_of_ticket
from agent.spool_table import JobTable, Tally, read_document_bytes, read_job, read_jobs, read_tally
from agent.spool_upkeep import end_without_document, expire, prune, recover
from agent.store import Row, Store

log = logging.getLogger(__name__)

RESERVE_BYTES = 8 << 20
UPKEEP_SECONDS = 30.0
REDELIVERED = "SELECT jobs.* FROM deliveries JOIN jobs ON id = job_id WHERE packet_id = ? AND deliveries.digest = ?"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How MQTT delivered a ticket at QoS 1: its packet identifier, and whether the DUP flag was set."""

    packet_id: int
    dup: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job that a ticket is; `is_new` is False where it was there already."""

    job: Job
    is_new: bool


class Spool:
    """The jobs of all printers.

    Attributes:
        attempts: the dispatcher's side of it.
        on_work: called after the commit of whatever a dispatcher may want to look at: a job that is new, released, to
            be reprinted or to be cancelled.
    """

    def __init__(
        self, *, store: Store, outbox: Outbox, folder: Path, limits: SpoolConfig, retain_final_jobs: bool, now: Clock
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._folder = folder
        self._documents = Documents(folder)
        self._limits = limits
        self._retain_final_jobs = retain_final_jobs
        self._now = now
        self._table = JobTable(store=store, folder=folder, now=now, tell=self._tell, discard=self._discard)
        self.attempts = Attempts(store=store, table=self._table)
        self._digest_key = b""
        self._refused_bytes = 0
        self.on_work: Callable[[], None] = _nobody_works

    def open(self) -> None:
        """Make the tables, take up what an agent that was killed has left, and remove orphans on both sides.

        Raises:
            StorageError: the disk doesn't let it.
        """
        self._store.migrate("spool", SCHEMA)
        aside = self._store.set_aside
        self._documents.open(set_aside=aside.name.removeprefix(self._store.path.name) if aside else None)
        with self._store.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO spool_keys VALUES ('digest', ?)", (secrets.token_bytes(32),))
            recover(self._table)
            end_without_document(self._table, self._documents.names())
        self._digest_key = self._store.query("SELECT value FROM spool_keys WHERE name = 'digest'")[0]["value"]
        rows = self._store.query("SELECT file FROM jobs WHERE file IS NOT NULL")
        self._documents.sweep(frozenset(row["file"] for row in rows))

    def accept(
        self,
        ticket: Ticket,
        document: bytes | Path,
        *,
        printer_id: str,
        document_format: str,
        digest_parts: bytes,
        delivery: Delivery | None = None,
        response_topic: str | None = None,
        correlation_data: bytes | None = None,
        expires_at: datetime | None = None,
    ) -> Accepted:
        """Make a job of a ticket, or find the job that it is already and tell its state again.

        Args:
            ticket: what was asked for.
            document: the bytes, or a file to copy.
            printer_id: the registry's id.
            document_format: the MIME media type.
            digest_parts: what tells this ticket from another, such as the whole message; kept as a keyed hash.
            delivery: how MQTT delivered it, None where it came otherwise.
            response_topic: where to answer, already checked against the policy.
            correlation_data: returned with each answer.
            expires_at: the message's own expiry, reckoned from now; the earlier of this and the ticket's counts.

        Raises:
            TicketError: the document is larger than a job may be.
            ConflictError: there is another job of this id.
            SpoolFullError: there is no room now.
            StorageError: the disk refuses otherwise.
        """
        self._check_room(ticket, self._documents.size(document))
        file, size = self._documents.write(document)
        columns = {
            **columns_of_ticket(ticket),
            **self._columns_of_time(ticket, expires_at),
            "id": ticket.id or f"job-{secrets.token_hex(8)}",
            "printer_id": printer_id,
            "format": document_format,
            "size": size,
            "file": file,
            "digest": self._digest(digest_parts),
            "pin_hash": None if ticket.pin is None else hash_pin(ticket.pin),
            "response_topic": response_topic,
            "correlation_data": correlation_data,
        }
        with self._store.transaction():
            self._store.on_rollback(partial(self._discard, file))
            self._store.before_commit(self._documents.sync)
            known = self._known(columns, delivery)
            if known is None:
                job = self._insert(columns)
            else:
                job = self._tell_again(known, response_topic, correlation_data)
                self._store.on_commit(partial(self._discard, file))
            self._open_delivery(delivery, columns["digest"], job.id)
            return Accepted(job, is_new=known is None)

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
        self._store.write("DELETE FROM deliveries")

    def has_room(self) -> bool:
        """Whether a job as large as the one last refused for want of room would be taken now."""
        return self._room_bytes() >= self._refused_bytes

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

    def get(self, job_id: str) -> Job:
        """Find a job.

        Raises:
            NotFoundError: there is no such job.
        """
        return read_job(self._store, job_id, folder=self._folder)

    def jobs(self, *, printer_id: str | None = None, user: str | None = None, live: bool = False) -> tuple[Job, ...]:
        """Give jobs, the newest first; `live` leaves out those that have ended."""
        return read_jobs(self._store, folder=self._folder, printer_id=printer_id, user=user, live=live)

    def waiting(self, printer_id: str) -> int:
        """Count the jobs of a printer that have not ended."""
        return self._count("SELECT count(*) FROM jobs WHERE state < 7 AND printer_id = ?", printer_id)

    def depth(self) -> int:
        """Count the jobs that have not ended."""
        return self._count("SELECT count(*) FROM jobs WHERE state < 7")

    def tally(self) -> Tally:
        """Count the jobs in each state, and add up the documents."""
        return read_tally(self._store)

    def expire(self) -> int:
        """Abort what has waited past its time; give how many jobs."""
        return expire(self._table, max_age_seconds=self._limits.max_age)

    def prune(self) -> int:
        """Forget what ended more than `spool.keep` ago; give how many jobs."""
        return prune(self._table, outbox=self._outbox, discard=self._discard, keep_seconds=self._limits.keep)

    def step(self) -> float:
        """Expire and prune; give the seconds until the next time."""
        self.expire()
        self.prune()
        return UPKEEP_SECONDS

    def _check_room(self, ticket: Ticket, size: int) -> None:
        if size > self._limits.max_job_bytes:
            raise TicketError(
                f"the document has {size} bytes, a job may have {self._limits.max_job_bytes}",
                reason="agent-document-too-large",
                job_id=ticket.id,
            )
        if size > self._room_bytes():
            self._refused_bytes = size
            raise SpoolFullError(f"no room in the spool for {size} bytes")
        self._refused_bytes = 0

    def _room_bytes(self) -> int:
        return min(
            self._limits.max_bytes - read_document_bytes(self._store), self._documents.free_bytes() - RESERVE_BYTES
        )

    def _columns_of_time(self, ticket: Ticket, expires_at: datetime | None) -> dict[str, Any]:
        """Give when it came and when it ends; by a clock that is behind, only what the publisher dated has an end."""
        is_dated = self._table.judged_at() > 0
        now = self._now()
        ends = [expires_at] if expires_at is not None and is_dated else []
        if ticket.expires_in is not None and (ticket.created_at or is_dated):
            ends.append((ticket.created_at or now) + timedelta(seconds=ticket.expires_in))
        return {
            "received_at": now.timestamp(),
            "updated_at": now.timestamp(),
            "is_undated": not is_dated,
            "expires_at": min(ends).timestamp() if ends else None,
        }

    def _known(self, columns: dict[str, Any], delivery: Delivery | None) -> Row | None:
        rows = self._store.query("SELECT * FROM jobs WHERE id = ?", (columns["id"],))
        if rows and not hmac.compare_digest(rows[0]["digest"], columns["digest"]):
            raise ConflictError(f"there is another job {columns['id']}")
        if not rows and delivery is not None and delivery.dup:
            rows = self._store.query(REDELIVERED, (delivery.packet_id, columns["digest"]))
        return rows[0] if rows else None

    def _insert(self, columns: dict[str, Any]) -> Job:
        job = self._table.insert(columns)
        self._tell(job)
        self._answer(job)
        self._store.on_commit(self._announce_work)
        return job

    def _tell_again(self, row: Row, response_topic: str | None, correlation_data: bytes | None) -> Job:
        job = self._table.job(row)
        if response_topic is not None:
            job = self._table.mark(row, response_topic=response_topic, correlation_data=correlation_data)
        self._tell(job)
        if not job.state.is_final:
            self._answer(job)
        return job

    def _open_delivery(self, delivery: Delivery | None, digest: bytes, job_id: str) -> None:
        if delivery is not None:
            self._store.write(
                "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?)", (delivery.packet_id, digest, job_id)
            )

    def _tell(self, job: Job) -> None:
        """Put a job's state on its topic, and its end also on the topic where it was asked for."""
        topic, payload = f"jobs/{job.id}", json.dumps(job.to_json()).encode()
        ends = job.state.is_final
        retain = self._retain_final_jobs or not ends
        self._outbox.put(Note(topic, payload, retain=retain))
        if not retain:
            self._outbox.put(Note(topic, b"", retain=True))
        if ends:
            self._answer(job)

    def _answer(self, job: Job) -> None:
        if job.response_topic is not None:
            payload = json.dumps(job.to_json()).encode()
            note = Note(job.response_topic, payload, absolute=True, correlation_data=job.correlation_data)
            self._outbox.put(note)

    def _announced(self, job: Job) -> Job:
        self.on_work()
        return job

    def _announce_work(self) -> None:
        self.on_work()

    def _discard(self, file: str) -> None:
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
