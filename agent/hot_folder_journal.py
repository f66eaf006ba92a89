"""What has been taken from hot folders, durable: written before a file is moved, and when its job ends.

`stage` is how far a file has come: `claimed` (it is about to be moved into the folder of a job, and to become one),
`taken` (it is a job), `ended` (the job has ended, or it could not become one), `moving` (it is about to be put away,
under names that are written down), `kept` (it is in `done` or `failed`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.clock_watch import EARLIEST
from agent.hot_folder_names import shown
from agent.job import Job, JobState
from agent.model import Clock, timestamp
from agent.spool_rows import moment
from agent.store import Row, Store

Stage = Literal["claimed", "taken", "ended", "moving", "kept"]

REFUSED = "refused"
"""The state of what became no job."""

SCHEMA = (
    """CREATE TABLE hot_folder_files (
        token TEXT PRIMARY KEY,
        folder TEXT NOT NULL,
        printer_id TEXT NOT NULL,
        job_id TEXT NOT NULL,
        names TEXT NOT NULL,
        stage TEXT NOT NULL DEFAULT 'claimed',
        is_printed INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT '',
        message TEXT NOT NULL DEFAULT '',
        bytes INTEGER NOT NULL DEFAULT 0,
        at REAL NOT NULL)""",
    "CREATE INDEX hot_folder_files_stage ON hot_folder_files (folder, stage, at)",
    "CREATE INDEX hot_folder_files_job ON hot_folder_files (job_id)",
)
INSERT = """
    INSERT INTO hot_folder_files (token, folder, printer_id, job_id, names, at) VALUES (?, ?, ?, ?, ?, ?)"""
UNFINISHED = "SELECT * FROM hot_folder_files WHERE folder = ? AND stage IN ('claimed', 'ended', 'moving') ORDER BY at"
IN_PRINT = "SELECT token FROM hot_folder_files WHERE folder = ? AND stage = 'taken'"
END = """
    UPDATE hot_folder_files SET stage = 'ended', state = ?, is_printed = ?, message = ?, at = ?
    WHERE job_id = ? AND stage IN ('claimed', 'taken')"""
LAST = """
    SELECT * FROM hot_folder_files WHERE folder = ? AND stage IN ('ended', 'moving', 'kept') ORDER BY at DESC LIMIT 1"""
KEPT_BYTES = "SELECT coalesce(sum(bytes), 0) FROM hot_folder_files WHERE folder = ? AND stage = 'kept'"
OVERDUE = """
    SELECT * FROM hot_folder_files WHERE folder = :folder AND stage = 'kept' AND is_printed
    AND at BETWEEN :earliest AND :oldest ORDER BY at LIMIT :limit"""
LEAST_WANTED = """
    SELECT * FROM hot_folder_files WHERE folder = :folder AND stage = 'kept'
    ORDER BY is_printed DESC, at LIMIT :limit"""
AT_ONCE = 100
"""So many files that may go are given at a time."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Files that were taken from a hot folder together.

    Attributes:
        token: the name of their folder below `processing`.
        names: those that they had, with those that they have once they are put away.
        document: the one of them that is to be printed, the last; a JDF without one is alone.
        state: what became of the job, in the words of job states; `refused` where it became none.
    """

    token: str
    printer_id: str
    job_id: str
    names: Mapping[str, str]
    stage: Stage
    is_printed: bool
    state: str
    message: str
    size: int
    at: float

    @property
    def document(self) -> str:
        """The name of what is to be printed."""
        return list(self.names)[-1]

    @property
    def shown(self) -> str:
        """The same, as it may stand in a message."""
        return shown(self.document)


class HotFolderJournal:
    """The table of what was taken; every call but `note_end` is a transaction of its own."""

    def __init__(self, store: Store, *, now: Clock) -> None:
        self._store = store
        self._now = now

    def open(self, folders: Iterable[Path]) -> None:
        """Make the table, and forget what has ended in folders that are no longer configured."""
        self._store.migrate("hot-folders", SCHEMA)
        known = json.dumps([str(folder) for folder in folders])
        self._store.write(
            "DELETE FROM hot_folder_files WHERE stage NOT IN ('claimed', 'taken')"
            " AND folder NOT IN (SELECT value FROM json_each(?))",
            (known,),
        )

    def claim(self, token: str, folder: Path, *, printer_id: str, job_id: str, names: Sequence[str]) -> Taken:
        """Note files that are about to be taken, the document last."""
        mapping = json.dumps({name: name for name in names})
        self._store.write(INSERT, (token, str(folder), printer_id, job_id, mapping, self._at()))
        return self.find(token)

    def accepted(self, token: str) -> None:
        """Note that a file has become a job; one whose job has ended by now stays so."""
        with self._store.lazy_transaction():
            self._store.write(
                "UPDATE hot_folder_files SET stage = 'taken' WHERE token = ? AND stage = 'claimed'", (token,)
            )

    def note_end(self, job: Job) -> None:
        """Note that a job has ended, within the transaction that ends it; most jobs are none of ours."""
        is_printed = job.state is JobState.COMPLETED
        self._store.write(END, (job.state.keyword, is_printed, _why(job), self._at(), job.id))

    def refuse(self, token: str, message: str) -> None:
        """Note that files can't become a job."""
        self._store.write(
            "UPDATE hot_folder_files SET stage = 'ended', state = ?, message = ?, at = ? WHERE token = ?",
            (REFUSED, message, self._at(), token),
        )

    def about_to_move(self, token: str, names: Mapping[str, str]) -> None:
        """Note under which names files are about to be put away."""
        self._store.write(
            "UPDATE hot_folder_files SET stage = 'moving', names = ? WHERE token = ?", (json.dumps(names), token)
        )

    def moved(self, token: str, size: int) -> None:
        """Note that they are there since now, and take so many bytes."""
        sql = "UPDATE hot_folder_files SET stage = 'kept', bytes = ?, at = ? WHERE token = ?"
        with self._store.lazy_transaction():
            self._store.write(sql, (size, self._at(), token))

    def forget(self, token: str) -> None:
        """Drop what is known of files."""
        self._store.write("DELETE FROM hot_folder_files WHERE token = ?", (token,))

    def find(self, token: str) -> Taken:
        """Give what is known of files; the caller knows that there is something."""
        return _taken(self._store.query("SELECT * FROM hot_folder_files WHERE token = ?", (token,))[0])

    def knows(self, token: str) -> bool:
        """Whether anything is known of files."""
        return bool(self._store.query("SELECT 1 FROM hot_folder_files WHERE token = ?", (token,)))

    def unfinished(self, folder: Path) -> list[Taken]:
        """Give what was taken from a folder and has yet to become a job, or to be put away, in order."""
        return [_taken(row) for row in self._store.query(UNFINISHED, (str(folder),))]

    def in_print(self, folder: Path) -> frozenset[str]:
        """Give the tokens of what is a job that has not ended."""
        return frozenset(row["token"] for row in self._store.query(IN_PRINT, (str(folder),)))

    def age_seconds(self, taken: Taken) -> float:
        """Say how long ago it was that files were last noted."""
        return self._at() - taken.at

    def overdue(self, folder: Path, *, seconds: int) -> list[Taken]:
        """Give some of what was printed so long ago; what a clock has dated that was not set yet is none of it."""
        times = {"earliest": EARLIEST, "oldest": self._at() - seconds}
        rows = self._store.query(OVERDUE, {"folder": str(folder), "limit": AT_ONCE, **times})
        return [_taken(row) for row in rows]

    def excess(self, folder: Path, *, limit_bytes: int) -> list[Taken]:
        """Give some of what is put away beyond so many bytes: first what was printed, of that the oldest."""
        excess_bytes = int(self._store.query(KEPT_BYTES, (str(folder),))[0][0]) - limit_bytes
        excess: list[Taken] = []
        if excess_bytes > 0:
            for row in self._store.query(LEAST_WANTED, {"folder": str(folder), "limit": AT_ONCE}):
                if sum(taken.size for taken in excess) < excess_bytes:
                    excess.append(_taken(row))
        return excess

    def _at(self) -> float:
        return self._now().timestamp()


def read_last(store: Store, folder: Path) -> dict[str, Any] | None:
    """Tell what became of the last file of a folder, also from a store that is open for reading only."""
    rows = store.query(LAST, (str(folder),))
    if not rows:
        return None
    taken = _taken(rows[0])
    facts = {"file": taken.shown, "job": taken.job_id if taken.state != REFUSED else None}
    return {**facts, "state": taken.state, "message": taken.message, "at": timestamp(moment(taken.at))}


def read_in_process(store: Store, folder: Path) -> int:
    """Count the files of a folder whose jobs have not ended."""
    sql = "SELECT count(*) FROM hot_folder_files WHERE folder = ? AND stage IN ('claimed', 'taken')"
    return int(store.query(sql, (str(folder),))[0][0])


def _taken(row: Row) -> Taken:
    return Taken(
        token=row["token"],
        printer_id=row["printer_id"],
        job_id=row["job_id"],
        names=json.loads(row["names"]),
        stage=row["stage"],
        is_printed=bool(row["is_printed"]),
        state=row["state"],
        message=row["message"],
        size=row["bytes"],
        at=row["at"],
    )


def _why(job: Job) -> str:
    """Say what became of a job, for a person who finds its document in `failed`."""
    return "; ".join(filter(None, (job.message, ", ".join(job.state_reasons))))
