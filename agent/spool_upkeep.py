"""What the spool does by itself: take up what a killed agent left, end what is too old, forget what ended long ago."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from functools import partial

from agent.model import JobState
from agent.outbox import Note, Outbox
from agent.spool_rows import OUTCOME_UNKNOWN
from agent.spool_table import JobTable

log = logging.getLogger(__name__)

INTERRUPTED = "the agent was interrupted while it sent this job: look at the printer, then confirm or reprint"

ACTIVE = "SELECT * FROM jobs WHERE state IN (5, 6) ORDER BY seq"
UNSENT = "SELECT * FROM jobs WHERE state <= 4 AND stage = 'received' ORDER BY seq"
OVERDUE = """
    SELECT * FROM jobs WHERE state <= 4 AND stage = 'received'
    AND (expires_at <= :at OR received_at <= :oldest AND NOT is_undated) ORDER BY seq"""
FORGETTABLE = "SELECT * FROM jobs WHERE updated_at <= :oldest AND state >= 7 ORDER BY seq"


def recover(table: JobTable) -> None:
    """Settle the jobs that were under way when the agent ended, as far as the journal can tell.

    Of a job that was announced or created no byte has left: it waits again, with the `device_job_id` of the empty job
    that the printer may still have. One that was sent, or that the printer can be asked about, stays under way; the
    outcome of the others is unknown.
    """
    for row in table.store.query(ACTIVE):
        if row["stage"] == "announced":
            table.mark(row, state=JobState.PENDING, stage="received")
        elif row["stage"] == "created":
            table.change(row, state=JobState.PENDING, stage="received", state_reasons=())
        elif row["device_job_id"] is None:
            log.warning("job %s: interrupted while it was sent to %s; a person must look", row["id"], row["printer_id"])
            table.change(row, state=JobState.PENDING_HELD, state_reasons=(OUTCOME_UNKNOWN,), message=INTERRUPTED)


def end_without_document(table: JobTable, present: Container[str]) -> None:
    """Abort the waiting jobs whose document isn't among those `present`."""
    for row in table.store.query(UNSENT):
        if row["file"] not in present:
            log.error("job %s: its document is lost", row["id"])
            table.change(
                row,
                state=JobState.ABORTED,
                state_reasons=("agent-document-lost",),
                message="the document is no longer on the disk",
                file=None,
            )


def expire(table: JobTable, *, max_age_seconds: int) -> int:
    """Abort the waiting and held jobs that are past their time, but not while the clock is behind; give how many."""
    at = table.judged_at()
    with table.store.transaction():
        rows = table.store.query(OVERDUE, {"at": at, "oldest": at - max_age_seconds})
        for row in rows:
            log.info("job %s: expired before it was printed", row["id"])
            table.change(
                row, state=JobState.ABORTED, state_reasons=("agent-expired",), message="expired before it was printed"
            )
    return len(rows)


def prune(table: JobTable, *, outbox: Outbox, discard: Callable[[str], None], keep_seconds: int) -> int:
    """Forget the jobs that ended long ago, clear their topics and remove their documents; give how many."""
    with table.store.transaction() as connection:
        rows = table.store.query(FORGETTABLE, {"oldest": table.judged_at() - keep_seconds})
        for row in rows:
            connection.execute("DELETE FROM jobs WHERE seq = ?", (row["seq"],))
            outbox.put(Note(f"jobs/{row['id']}", b"", retain=True))
            if row["file"]:
                table.store.on_commit(partial(discard, row["file"]))
    return len(rows)
