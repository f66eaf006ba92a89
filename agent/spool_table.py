"""The table of jobs: every change of a row is told of in the transaction that makes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agent.clock_watch import EARLIEST
from agent.errors import NotFoundError, RefusedError
from agent.job import Job, JobState
from agent.model import Clock
from agent.spool_documents import name_of_incoming, part_of
from agent.spool_rows import INSERT, LIST, UPDATE, Columns, job_from_row
from agent.store import Row, Store

LIST_LIMIT = 10_000
FINAL = frozenset(state for state in JobState if state.is_final)
WITHOUT_DOCUMENT = frozenset({JobState.COMPLETED, JobState.CANCELED})


class JobTable:
    """Rows of jobs, found and changed.

    Args:
        store: where the rows are.
        folder: where the documents are.
        now: the present.
        tell: puts what is to be told of a changed job into the outbox.
        note_end: puts a job that has ended into the account.
        discard: removes a document, called once the row that no longer needs it is on the disk.

    Attributes:
        changes: grows with every row that is made or changed, and whenever more may be claimed.
        kept_back: no job up to this number is claimed.
    """

    def __init__(
        self,
        *,
        store: Store,
        folder: Path,
        now: Clock,
        tell: Callable[[Job], None],
        note_end: Callable[[Job], None],
        discard: Callable[[str], None],
    ) -> None:
        self.store = store
        self._folder = folder
        self._now = now
        self._tell = tell
        self._note_end = note_end
        self._discard = discard
        self.changes = 0
        self.kept_back = 0

    def insert(self, columns: Mapping[str, Any]) -> Job:
        """Make the row of a new job, within a transaction; the caller tells of it."""
        self.changes += 1
        return self.job(self.store.write(INSERT, columns)[0])

    def job(self, row: Row) -> Job:
        """Make the job of a row."""
        return job_from_row(row, self._folder)

    def now(self) -> float:
        """Give the present as the columns of time have it."""
        return self._now().timestamp()

    def judged_at(self) -> float:
        """Give the moment to judge ages by: 0 while the clock is behind, so that it can't be right."""
        last = self.store.query("SELECT max(updated_at) FROM jobs")[0][0]
        present = self.plausible_now()
        return present if present >= (last or 0.0) else 0.0

    def plausible_now(self) -> float:
        """Give the present, 0 where the clock has not been set since the power came."""
        now = self.now()
        return now if now >= EARLIEST else 0.0

    def row(self, job_id: str) -> Row:
        """Find the row of a job.

        Raises:
            NotFoundError: there is no such job.
        """
        return find_row(self.store, job_id)

    @contextmanager
    def edit(self, job_id: str) -> Iterator[Row]:
        """Hold the row of a job for the length of a transaction.

        Raises:
            NotFoundError: there is no such job.
        """
        with self.store.transaction():
            yield self.row(job_id)

    def change(self, row: Row, **changes: Any) -> Job:
        """Change columns of a row and tell of the job with a higher revision, within a transaction (`edit`)."""
        changes |= {"revision": row["revision"] + 1, "updated_at": self.now()}
        if changes.get("state") in FINAL:
            changes["cancel_wanted"] = False
        if changes.get("state") in WITHOUT_DOCUMENT and row["file"]:
            changes["file"] = None
            self.store.on_commit(partial(self._discard, row["file"]))
        job = self.mark(row, **changes)
        if job.state.is_final and row["stage"] == "incoming":
            self.store.on_commit(partial(self.discard_part, row["seq"]))
        if job.state.is_final and row["state"] < JobState.CANCELED:
            self._note_end(job)
        self._tell(job)
        return job

    def discard_part(self, seq: int) -> None:
        """Remove what has come of a document that nobody waits for any more."""
        self._discard(part_of(name_of_incoming(seq)))

    def mark(self, row: Row, **changes: Any) -> Job:
        """Change columns of a row that nobody is told of, within a transaction."""
        if isinstance(changes.get("state_reasons"), tuple):
            changes["state_reasons"] = json.dumps(changes["state_reasons"])
        self.changes += 1
        return self.job(self.store.write(UPDATE, {**dict(row), **changes})[0])

    def end_canceled(self, row: Row, *, message: str = "") -> Job:
        """End a job because somebody wanted it cancelled."""
        return self.change(row, state=JobState.CANCELED, state_reasons=("job-canceled-by-user",), message=message)


def differs(row: Columns, changes: Mapping[str, Any]) -> bool:
    """Tell whether `changes` would change anything of a row."""
    return any(row[name] != value for name, value in changes.items())


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs are in each state, by its keyword, what the documents take in bytes, and how many have yet to come.

    What is reserved for those counts as taken.
    """

    by_state: Mapping[str, int]
    document_bytes: int
    incoming: int = 0


def read_tally(store: Store) -> Tally:
    """Count jobs and add up documents, also in a store that is open for reading only."""
    rows = store.query("SELECT state, count(*) AS jobs FROM jobs GROUP BY state ORDER BY state")
    by_state = {JobState(row["state"]).keyword: row["jobs"] for row in rows}
    used_bytes = read_document_bytes(store) + read_reserved_bytes(store)
    return Tally(by_state, used_bytes, int(store.query("SELECT count(*) FROM incoming")[0][0]))


def read_document_bytes(store: Store) -> int:
    """Add up the documents that are kept."""
    return int(store.query("SELECT coalesce(sum(size), 0) FROM jobs WHERE file IS NOT NULL")[0][0])


def read_reserved_bytes(store: Store) -> int:
    """Add up what is reserved for documents that have yet to come."""
    return int(store.query("SELECT coalesce(sum(reserved), 0) FROM incoming")[0][0])


def find_row(store: Store, job_id: str) -> Row:
    """Find the row of a job, also in a store that is open for reading only.

    Raises:
        NotFoundError: there is no such job.
    """
    rows = store.query("SELECT * FROM jobs WHERE id = ?", (job_id,))
    if not rows:
        raise NotFoundError(f"there is no job {job_id}")
    return rows[0]


def check_user(row: Row, user: str | None) -> None:
    """Make sure that a job is a user's; None is whoever may see them all.

    Raises:
        RefusedError: it is another user's.
    """
    if user is not None and user != row["user"]:
        raise RefusedError(f"job {row['id']} isn't {user}'s")


def read_job(store: Store, job_id: str, *, folder: Path, user: str | None = None) -> Job:
    """Read one job, also from a store that is open for reading only; `user`, where given, must be its own.

    Raises:
        NotFoundError: there is no such job.
        RefusedError: it is another user's.
    """
    row = find_row(store, job_id)
    check_user(row, user)
    return job_from_row(row, folder)


def read_jobs(
    store: Store,
    *,
    folder: Path,
    printer_id: str | None = None,
    user: str | None = None,
    live: bool = False,
    limit: int = LIST_LIMIT,
) -> tuple[Job, ...]:
    """Read jobs, the newest first, also from a store that is open for reading only; `live` leaves out ended ones."""
    rows = store.query(LIST, {"printer_id": printer_id, "user": user, "live": live, "limit": limit})
    return tuple(job_from_row(row, folder) for row in rows)
