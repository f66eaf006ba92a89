"""The dispatcher's side of the spool: which job to send next, the journal of an attempt, and what came of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from agent.errors import StorageError
from agent.model import Job, JobReading, JobState
from agent.reconcile import Stage
from agent.spool_rows import CLAIM, OUTCOME_UNKNOWN, columns_of_reading
from agent.spool_table import JobTable, differs
from agent.store import Store

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A job that a printer has, or may have; `stage` is how far its document has come."""

    job: Job
    stage: Stage


class JobJournal:
    """What a driver writes down about one attempt, as `Journal` has it.

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
        self.device_job_id: str | None = None
        self.stage: Stage | None = None

    def created(self, device_job_id: str) -> None:
        """Note that the printer has made a job of this id; where its document has begun to leave, that stays noted."""
        if self.stage is not None:
            self._add(device_job_id=device_job_id)
        else:
            with self._table.edit(self._job_id) as row:
                self._table.change(
                    row, stage="created", device_job_id=device_job_id, state_reasons=("job-outgoing",), message=""
                )
        self.device_job_id = device_job_id

    def sending(self) -> None:
        """Note that the first byte of the document is about to leave."""
        with self._table.edit(self._job_id) as row:
            if row["stage"] == "created":
                self._table.mark(row, stage="sending")
            else:
                self._table.change(
                    row, stage="sending", device_job_id=None, state_reasons=("job-outgoing",), message=""
                )
        self.stage = "sending"

    def left(self) -> None:
        """Note that the printer's TCP has the last byte of the document."""
        self._add(stage="left")
        self.stage = "left"

    def beat(self) -> None:
        """Tell the watchdog that a long transfer is alive."""
        self._beat()

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

    def claim(self, excluded_printers: Collection[str] = ()) -> Job | None:
        """Choose the job to send next and note that it is about to be tried.

        Not fsynced: until the journal's first word, which is, a power cut leaves the job waiting as it was.

        It is the one of the highest priority, then the oldest, among the printers that have no job under way. One that
        has a `device_job_id` here was tried before: the printer may keep an empty job of that id.
        """
        now = self._table.now()
        parameters = {
            "now": now,
            "latest": now + LONGEST_PAUSE_SECONDS,
            "judged_at": self._table.judged_at(),
            "excluded": json.dumps(list(excluded_printers)),
            "kept_back": self._table.kept_back,
        }
        with self._store.lazy_transaction() as connection:
            rows = connection.execute(CLAIM, parameters).fetchall()
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
        pause = min(after_seconds, LONGEST_PAUSE_SECONDS)
        told = {"state_reasons": json.dumps(reasons), "message": message}
        waiting = {
            **told,
            "state": JobState.PENDING,
            "stage": "received",
            "next_attempt_at": self._table.now() + pause if pause > 0 else 0.0,
        }
        with self._table.edit(job_id) as row:
            if row["cancel_wanted"]:
                return self._table.end_canceled(row)
            if row["stage"] == "announced" and not differs(row, told):
                return self._table.mark(row, **waiting)
            return self._table.change(row, **waiting)

    def reject(self, job_id: str, reason: str, message: str) -> Job:
        """End a job that the printer refuses, or that it can't do as asked."""
        with self._table.edit(job_id) as row:
            return self._table.change(
                row, state=JobState.ABORTED, state_reasons=(reason,), message=message, cancel_wanted=False
            )

    def hold_unknown(self, job_id: str, message: str) -> Job:
        """Hold a job that may have been printed, until a person settles it."""
        with self._table.edit(job_id) as row:
            return self._table.change(
                row,
                state=JobState.PENDING_HELD,
                state_reasons=(OUTCOME_UNKNOWN,),
                message=message,
                cancel_wanted=False,
            )

    def cancel_requests(self) -> frozenset[str]:
        """Name the jobs under way that somebody wants cancelled."""
        return frozenset(row["id"] for row in self._store.query("SELECT id FROM jobs WHERE cancel_wanted"))

    def end_canceled(self, job_id: str, message: str) -> Job:
        """End a job as cancelled that its printer could not be told to cancel."""
        with self._table.edit(job_id) as row:
            return self._table.end_canceled(row, message=message)

    def seconds_to_next(self) -> float | None:
        """Say when the next job is due that waits to be tried again; None where none does."""
        now = self._table.now()
        sql = "SELECT min(next_attempt_at) FROM jobs WHERE state = 3 AND next_attempt_at > ?"
        due = self._store.query(sql, (now,))[0][0]
        return None if due is None else float(due - now)
