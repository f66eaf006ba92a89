"""What the spool does when it opens: take up what a killed agent left."""

from __future__ import annotations

import logging
from collections.abc import Container

from agent.job import JobState
from agent.spool_table import JobTable

log = logging.getLogger(__name__)

ACTIVE = "SELECT * FROM jobs WHERE state IN (5, 6) ORDER BY seq"
UNSENT = "SELECT * FROM jobs WHERE state <= 4 AND stage = 'received' ORDER BY seq"


def recover(table: JobTable) -> None:
    """Settle the jobs that were under way when the agent ended, as far as the journal can tell.

    Of a job that was announced or created no byte has left: it ends where somebody has cancelled it, else it waits
    again, with the `device_job_id` of the empty job that the printer may still have. Any other stays under way: its
    printer is asked about it.
    """
    for row in table.store.query(ACTIVE):
        if row["cancel_wanted"] and row["stage"] in ("announced", "created"):
            table.end_canceled(row)
        elif row["stage"] == "announced":
            table.mark(row, state=JobState.PENDING, stage="received")
        elif row["stage"] == "created":
            table.change(row, state=JobState.PENDING, stage="received", state_reasons=())


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
