"""What a person may ask of a job: cancel, release, confirm, reprint."""

from __future__ import annotations

import json

from agent.errors import ConflictError, RefusedError
from agent.job import Job, JobState
from agent.pin import matches
from agent.spool_rows import incoming_reasons, is_in_doubt, other_reasons
from agent.spool_table import JobTable, check_user
from agent.store import Row

PIN_TRIES = 5
PIN_LOCK_SECONDS = 300.0
MAY_BE_PRINTED = "it was not known what had come of it: it may have been printed"


def cancel(table: JobTable, job_id: str, *, user: str | None) -> Job:
    """Cancel a waiting or held job; one that its printer has is marked, for the dispatcher to tell the printer."""
    with table.edit(job_id) as row:
        check_user(row, user)
        state = JobState(row["state"])
        if state.is_final:
            raise ConflictError(f"job {job_id} is {state.keyword} already")
        if state < JobState.PROCESSING:
            return table.end_canceled(row, message=MAY_BE_PRINTED if is_in_doubt(row) else "")
        if row["cancel_wanted"]:
            return table.job(row)
        reasons = (*json.loads(row["state_reasons"]), "processing-to-stop-point")
        return table.change(row, cancel_wanted=True, state_reasons=reasons)


def release(table: JobTable, job_id: str, *, pin: str | None, user: str | None) -> Job:
    """Let a held job go, once its document is there; a try at its PIN is counted on the disk before it is looked at."""
    with table.edit(job_id) as row:
        check_user(row, user)
        if not _is_held(row):
            raise ConflictError(f"job {job_id} isn't held for release")
        if row["pin_hash"] is not None:
            _count_try(table, row)
    if row["pin_hash"] is not None and not matches(pin or "", row["pin_hash"]):
        raise RefusedError(f"wrong PIN for job {job_id}")
    with table.edit(job_id) as row:
        if not _is_held(row):
            raise ConflictError(f"job {job_id} isn't held any more")
        incoming = incoming_reasons(row)
        state = JobState.PENDING_HELD if incoming else JobState.PENDING
        return table.change(row, state=state, state_reasons=incoming, message="", pin_tries=0, pin_locked_until=0.0)


def confirm(table: JobTable, job_id: str, *, attempts: int) -> Job:
    """Take a person's word that a job of unknown outcome was printed."""
    with table.edit(job_id) as row:
        _check_unknown(row, attempts)
        return table.change(row, state=JobState.COMPLETED, state_reasons=("agent-confirmed-by-person",), message="")


def reprint(table: JobTable, job_id: str, *, attempts: int) -> Job:
    """Take a person's word that a job of unknown outcome was not printed, and send it again, however old it is."""
    with table.edit(job_id) as row:
        _check_unknown(row, attempts)
        return table.change(
            row,
            state=JobState.PENDING,
            state_reasons=(),
            message="",
            stage="received",
            device_job_id=None,
            resends=0,
            expires_at=None,
            waits_since=max(table.now(), row["received_at"]),
        )


def _check_unknown(row: Row, attempts: int) -> None:
    if not is_in_doubt(row):
        raise ConflictError(f"the outcome of job {row['id']} isn't in doubt")
    if attempts != row["attempts"]:
        raise ConflictError(f"job {row['id']} has had {row['attempts']} attempts, not {attempts}")


def _is_held(row: Row) -> bool:
    """Whether a job waits for a person to let it go, and not just for its document."""
    waits_for_document = row["stage"] == "incoming" and not other_reasons(row)
    return row["state"] == JobState.PENDING_HELD and not is_in_doubt(row) and not waits_for_document


def _count_try(table: JobTable, row: Row) -> None:
    left = row["pin_locked_until"] - table.now()
    if 0 < left <= PIN_LOCK_SECONDS:
        raise RefusedError(f"too many wrong PINs for job {row['id']}: try again in {left:.0f} s")
    tries = row["pin_tries"] + 1
    if tries >= PIN_TRIES:
        table.mark(row, pin_tries=0, pin_locked_until=table.now() + PIN_LOCK_SECONDS)
    else:
        table.mark(row, pin_tries=tries)
