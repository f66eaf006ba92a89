"""The dispatcher's side of the spool: which job to send next, the journal of an attempt, and what came of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from agent.errors import JobCanceledError, StorageError
from agent.job import Job, JobReading, JobState
from agent.loop import backoff
from agent.reconcile import Stage
from agent.spool_rows import CLAIM, NEXT_ATTEMPT, OUTCOME_UNKNOWN, TAKE_TURN, columns_of_reading, is_in_doubt
from agent.spool_table import JobTable, differs
from agent.store import Row, Store

log = logging.getLogger(__name__)

OUTGOING = "job-outgoing"
UNREACHABLE = "agent-printer-unreachable"
UNDER_WAY = frozenset({JobState.PROCESSING, JobState.PROCESSING_STOPPED})
LONGEST_PAUSE_SECONDS = 900.0
PLACES = {"box": "in Box", "siteflow": "in Site Flow"}
RESEND_LIMIT = 8
"""How often a document is sent again that did not come whole; what breaks more connections than that is to blame."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A job that a printer has, or may have; `stage` is how far its document has come."""

    job: Job
    stage: Stage


class JobJournal:
    """What a driver writes down about one attempt, as `Journal` has it.

    `claim` and the printer's making of a job need no fsync before them, since nothing can be printed of a job without
    a document: after a power cut that took back the claim, the job waits as if it had never been tried, and the empty
    one at the printer is cleared away at the second try. `created` and `sending` are on the disk, not only safe from a
    kill, before the first byte of the document leaves. `left` is safe from a kill only: after a power cut that took it
    back, the printer's `completed` is told as unknown, never as printed. `committing` is on the disk as `left`: nothing
    of a cloud's job counts before.

    The publisher hears that a job is processing with the first word, not at the mere try: a printer that is switched
    off would have it flap with every try.

    Attributes:
        device_job_id: the printer's id for the job, once it has made one.
        stage: how far the document has come, None while no byte of it may have left.
    """

    def __init__(self, *, table: JobTable, job_id: str, beat: Callable[[], None]) -> None:
        self._table = table
        self._job_id = job_id
        self._beat = beat
        self._seen_changes = -1
        self.device_job_id: str | None = None
        self.stage: Stage | None = None

    def created(self, device_job_id: str) -> None:
        """Note that the printer has made a job of this id; where its document has begun to leave, that stays noted."""
        if self.stage is not None:
            self._add(device_job_id=device_job_id)
        else:
            with self._table.edit(self._job_id) as row:
                self._table.change(
                    row, stage="created", device_job_id=device_job_id, state_reasons=(OUTGOING,), message=""
                )
        self.device_job_id = device_job_id

    def sending(self) -> None:
        """Note that the first byte of the document is about to leave."""
        with self._table.edit(self._job_id) as row:
            if row["stage"] == "created":
                self._table.mark(row, stage="sending")
            else:
                self._table.change(row, stage="sending", device_job_id=None, state_reasons=(OUTGOING,), message="")
        self.stage = "sending"

    def left(self) -> None:
        """Note that the printer's TCP has the document, all but perhaps the last byte, which is about to leave."""
        self._add(stage="left")
        self.stage = "left"

    def committing(self) -> None:
        """Note that the request which commits is about to be whole."""
        with self._table.edit(self._job_id) as row:
            self._table.change(row, stage="left", device_job_id=None, state_reasons=(OUTGOING,), message="")
        self.stage = "left"

    def beat(self) -> None:
        """Tell the watchdog that a long transfer is alive.

        Raises:
            JobCanceledError: somebody wants the job cancelled, and its last byte has not left.
        """
        self._beat()
        if self.stage in (None, "sending") and self._is_cancelled():
            raise JobCanceledError("cancelled in the middle of its document")

    def _is_cancelled(self) -> bool:
        changes = self._table.changes
        if changes == self._seen_changes:
            return False
        self._seen_changes = changes
        try:
            return bool(self._table.row(self._job_id)["cancel_wanted"])
        except StorageError as exc:
            log.warning("job %s: whether it is cancelled can't be read: %s", self._job_id, exc)
            return False

    def _add(self, **columns: Any) -> None:
        """Note what only makes a lost answer less doubtful: it is worth no fsync, and no broken transfer."""
        try:
            with self._table.store.lazy_transaction(), self._table.edit(self._job_id) as row:
                self._table.mark(row, **columns)
        except StorageError as exc:
            log.warning("job %s: %s can't be noted: %s", self._job_id, ", ".join(columns), exc)


class Attempts:
    """Jobs on their way to printers: claimed, sent, followed, settled."""

    def __init__(self, *, store: Store, table: JobTable) -> None:
        self._store = store
        self._table = table

    def claim(self, excluded_printers: Collection[str] = (), *, only: Collection[str] | None = None) -> Job | None:
        """Choose the job to send next and note that it is about to be tried.

        Not fsynced: until the journal's first word, which is, a power cut leaves the job waiting as it was.

        A printer that has none under way offers its job of the highest priority, then the oldest. Of what the printers
        offer, the highest priority goes first, then the printer that was served the longest ago. A job that has a
        `device_job_id` here was tried before: the printer may keep an empty job of that id.

        Args:
            excluded_printers: those that get none now.
            only: the only ones that get one, None for all.
        """
        now = self._table.now()
        parameters = {
            "now": now,
            "latest": now + LONGEST_PAUSE_SECONDS,
            "judged_at": self._table.judged_at(),
            "excluded": json.dumps(list(excluded_printers)),
            "kept_back": self._table.kept_back,
            "only": None if only is None else json.dumps(list(only)),
        }
        with self._store.lazy_transaction() as connection:
            rows = connection.execute(CLAIM, parameters).fetchall()
            if rows:
                connection.execute(TAKE_TURN, (rows[0]["printer_id"],))
        return self._table.job(rows[0]) if rows else None

    def has_work_beside(self, job: Job) -> bool:
        """Whether another printer than the job's has jobs waiting."""
        return bool(
            self._store.query("SELECT 1 FROM jobs WHERE state = 3 AND printer_id <> ? LIMIT 1", (job.printer_id,))
        )

    def journal(self, job: Job, *, beat: Callable[[], None]) -> JobJournal:
        """Give the journal of the attempt that `claim` has begun; `beat` is called while its transfer is alive."""
        return JobJournal(table=self._table, job_id=job.id, beat=beat)

    def under_way(self) -> tuple[UnderWay, ...]:
        """Give the jobs that printers have, for a dispatcher that starts."""
        rows = self._store.query("SELECT * FROM jobs WHERE state IN (5, 6) ORDER BY seq")
        return tuple(UnderWay(self._table.job(row), row["stage"]) for row in rows)

    def in_doubt(self) -> tuple[UnderWay, ...]:
        """Give the jobs that are held because their outcome is unknown, which their printers may still settle."""
        rows = self._store.query("SELECT * FROM jobs WHERE state = 4 ORDER BY seq")
        return tuple(UnderWay(self._table.job(row), row["stage"]) for row in rows if is_in_doubt(row))

    def still_in_doubt(self, job: Job) -> bool:
        """Whether nobody has settled a job of unknown outcome in the meantime."""
        rows = self._store.query("SELECT * FROM jobs WHERE id = ?", (job.id,))
        return any(_is_still_in_doubt(row, job) for row in rows)

    def canceled_among(self, job_ids: Collection[str]) -> frozenset[str]:
        """Name those of some jobs that have been cancelled."""
        if not job_ids:
            return frozenset()
        # the + keeps SQLite from reading all that were ever cancelled
        sql = "SELECT id FROM jobs WHERE +state = 7 AND id IN (SELECT value FROM json_each(?))"
        return frozenset(row["id"] for row in self._store.query(sql, (json.dumps(list(job_ids)),)))

    def take_up(self, job: Job) -> bool:
        """Have a job of unknown outcome under way again, since its printer has a word on it; False where it is settled.

        Nobody is told: what the printer said follows.
        """
        with self._table.edit(job.id) as row:
            if not _is_still_in_doubt(row, job):
                return False
            self._table.mark(row, state=JobState.PROCESSING)
            return True

    @property
    def changes(self) -> int:
        """A number that grows with every change of any job: while it stands still, an empty `claim` stays empty."""
        return self._table.changes

    def sent(self, job_id: str, reading: JobReading) -> Job:
        """Note that the printer has taken the whole document, and what it said."""
        with self._table.edit(job_id) as row:
            return self._table.change(row, stage="sent", **columns_of_reading(reading, row))

    def record(self, job_id: str, reading: JobReading) -> Job:
        """Note what the printer says about a job that it was asked about; what says nothing new is not written."""
        with self._table.edit(job_id) as row:
            columns = columns_of_reading(reading, row)
            return self._table.change(row, **columns) if differs(row, columns) else self._table.job(row)

    def unreachable(self, job_id: str) -> None:
        """Note that a printer can't be asked about its job now; that stays what it was, but nothing is being sent."""
        with self._table.edit(job_id) as row:
            reasons = [reason for reason in json.loads(row["state_reasons"]) if reason != OUTGOING]
            if row["state"] in UNDER_WAY and UNREACHABLE not in reasons:
                self._table.change(row, state_reasons=(*reasons, UNREACHABLE))

    def found(self, job_id: str, device_job_id: str) -> Job:
        """Note which of the printer's jobs it is, found by its name."""
        with self._table.edit(job_id) as row:
            return self._table.mark(row, device_job_id=device_job_id)

    def refused(self, job_id: str) -> None:
        """Note that the printer said that it takes no job now, after some of the document had left."""
        with self._table.edit(job_id) as row:
            self._table.mark(row, stage="refused")

    def withdraw(self, job_id: str) -> None:
        """Note that the printer is about to be told to forget a job because it waits for the rest of its document."""
        with self._table.edit(job_id) as row:
            self._table.mark(row, stage="withdrawn")

    def ignore_options(self, job_id: str, names: Collection[str]) -> None:
        """Note which options a best-effort job is printed without; it is told with whatever is told next."""
        with self._table.edit(job_id) as row:
            self._table.mark(row, ignored_options=json.dumps(sorted(names)))

    def retry(self, job_id: str, *, after_seconds: float, reasons: tuple[str, ...], message: str) -> Job:
        """Have a job of which nothing has left wait to be sent again; told only where that is news."""
        with self._table.edit(job_id) as row:
            return self._wait_again(row, after_seconds=after_seconds, reasons=reasons, message=message)

    def resend(self, job_id: str) -> Job:
        """Have a job wait to be sent again whose document surely did not come whole, but not for ever."""
        with self._table.edit(job_id) as row:
            resends = row["resends"] + 1
            if resends > RESEND_LIMIT and not row["cancel_wanted"]:
                message = f"its document did not reach the printer whole, {resends} times"
                return self._end_aborted(row, "submission-interrupted", message)
            pause = backoff(row["resends"]) if row["resends"] else 0.0
            message = "the document did not come whole"
            return self._wait_again(row, after_seconds=pause, reasons=(), message=message, resends=resends)

    def reject(self, job_id: str, reason: str, message: str) -> Job:
        """End a job that the printer refuses, or that it can't do as asked."""
        with self._table.edit(job_id) as row:
            return self._end_aborted(row, reason, message)

    def hold_unknown(self, job_id: str, cause: str) -> Job:
        """Hold a job that may have been printed, until its printer or a person settles it; who cancelled it has."""
        with self._table.edit(job_id) as row:
            if row["cancel_wanted"]:
                return self._table.end_canceled(row, message=f"some of it may have been printed: {cause}")
            return self._table.change(
                row,
                state=JobState.PENDING_HELD,
                state_reasons=(OUTCOME_UNKNOWN,),
                message=f"{cause}; look {PLACES.get(row['printer_id'], 'at the printer')}, then confirm or reprint",
                cancel_wanted=False,
            )

    def cancel_requests(self) -> frozenset[str]:
        """Name the jobs under way that somebody wants cancelled."""
        return frozenset(row["id"] for row in self._store.query("SELECT id FROM jobs WHERE cancel_wanted"))

    def is_cancel_wanted(self, job_id: str) -> bool:
        """Whether somebody wants a job cancelled that is under way."""
        return bool(self._store.query("SELECT 1 FROM jobs WHERE id = ? AND cancel_wanted", (job_id,)))

    def end_canceled(self, job_id: str, message: str) -> Job:
        """End a job as cancelled that its printer could not be told to cancel."""
        with self._table.edit(job_id) as row:
            return self._table.end_canceled(row, message=message)

    def seconds_to_next(self) -> float | None:
        """Say when the next job is due that waits to be tried again; None where none does."""
        now = self._table.now()
        due = self._store.query(NEXT_ATTEMPT, (now,))[0][0]
        return None if due is None else float(due - now)

    def _wait_again(
        self, row: Row, *, after_seconds: float, reasons: tuple[str, ...], message: str, **more: Any
    ) -> Job:
        pause = min(after_seconds, LONGEST_PAUSE_SECONDS)
        told = {"state_reasons": json.dumps(reasons), "message": message}
        waiting = {
            **told,
            "state": JobState.PENDING,
            "stage": "received",
            "next_attempt_at": self._table.now() + pause if pause > 0 else 0.0,
        }
        if row["cancel_wanted"]:
            return self._table.end_canceled(row)
        if row["stage"] == "announced" and not differs(row, told):
            return self._table.mark(row, **waiting)
        return self._table.change(row, **waiting, **more)

    def _end_aborted(self, row: Row, reason: str, message: str) -> Job:
        return self._table.change(row, state=JobState.ABORTED, state_reasons=(reason,), message=message)


def _is_still_in_doubt(row: Row, job: Job) -> bool:
    return is_in_doubt(row) and row["attempts"] == job.attempts
