"""What the agent remembers of Box, which lists neither folders nor files: those that it made, and for which job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.job import Job
from agent.model import Clock, timestamp
from agent.spool_rows import moment
from agent.store import Row, Store

SCHEMA = (
    """CREATE TABLE box_folders (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        job_id TEXT,
        made_at REAL NOT NULL)""",
    "CREATE UNIQUE INDEX box_folder_names ON box_folders (name) WHERE job_id IS NULL",
    """CREATE TABLE box_files (
        attempt TEXT PRIMARY KEY,
        job_id TEXT NOT NULL,
        name TEXT NOT NULL,
        folder_id TEXT NOT NULL,
        is_alone INTEGER NOT NULL,
        source_url TEXT NOT NULL,
        file_id TEXT,
        sent_at REAL NOT NULL)""",
    "CREATE INDEX box_files_of_jobs ON box_files (job_id)",
)
MOST_FOLDERS = 10_000
MOST_FILES = 10_000
LIST_LIMIT = 1000
DROP_FOLDERS = """
    DELETE FROM box_folders WHERE rowid IN (
        SELECT rowid FROM box_folders WHERE (job_id IS NULL) = ? ORDER BY made_at DESC LIMIT -1 OFFSET ?)"""
DROP_FILES = (
    "DELETE FROM box_files WHERE rowid IN (SELECT rowid FROM box_files ORDER BY sent_at DESC LIMIT -1 OFFSET ?)"
)


@dataclass(frozen=True, slots=True)
class KnownFolder:
    """A folder that the agent made: for everything that names it, or for one job."""

    id: str
    name: str
    job_id: str | None
    made_at: str

    def to_json(self) -> dict[str, Any]:
        """Give the folder for the command line."""
        return {"id": self.id, "name": self.name, "job": self.job_id, "made_at": self.made_at}


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that the agent sent, or was about to send; `file_id` is None while Box has not named it.

    `is_alone` where its folder was made for this very attempt.
    """

    job_id: str
    name: str
    folder_id: str
    is_alone: bool
    source_url: str
    file_id: str | None
    sent_at: str

    def to_json(self) -> dict[str, Any]:
        """Give the file for the command line; the URL that it was fetched by is nobody's business."""
        return {
            "id": self.file_id,
            "name": self.name,
            "folder_id": self.folder_id,
            "job": self.job_id,
            "sent_at": self.sent_at,
        }


class BoxMemory:
    """The folders and files of the store; the oldest are forgotten, those of jobs and those with names of their own."""

    def __init__(self, store: Store, *, now: Clock) -> None:
        self._store = store
        self._now = now

    def open(self) -> None:
        """Make the tables where they aren't there yet."""
        self._store.migrate("box", SCHEMA)

    def folder_named(self, name: str) -> str | None:
        """Give the id of the folder of a name; None where the agent has made none."""
        rows = self._store.query("SELECT id FROM box_folders WHERE name = ? AND job_id IS NULL", (name,))
        return rows[0]["id"] if rows else None

    def empty_folder_of(self, job: Job) -> str | None:
        """Give the id of a folder that was made for a job and that no attempt at it was about to put a file into."""
        sql = "SELECT id FROM box_folders WHERE job_id = ? AND id NOT IN (SELECT folder_id FROM box_files)"
        rows = self._store.query(sql, (job.id,))
        return rows[0]["id"] if rows else None

    def has_folder(self, folder_id: str) -> bool:
        """Whether the agent made a folder."""
        return bool(self._store.query("SELECT 1 FROM box_folders WHERE id = ?", (folder_id,)))

    def add_folder(self, folder_id: str, name: str, *, job: Job | None = None) -> None:
        """Remember a folder: one for a job, else the one of its name, which takes the place of an earlier one."""
        with self._store.transaction():
            if job is None:
                self._store.write("DELETE FROM box_folders WHERE name = ? AND job_id IS NULL", (name,))
            self._store.write(
                "INSERT OR REPLACE INTO box_folders VALUES (?, ?, ?, ?)",
                (folder_id, name, None if job is None else job.id, self._now().timestamp()),
            )
            self._store.write(DROP_FOLDERS, (job is None, MOST_FOLDERS))

    def forget_folder(self, folder_id: str) -> None:
        """Forget a folder, since it is gone from Box."""
        self._store.write("DELETE FROM box_folders WHERE id = ?", (folder_id,))

    def add_file(self, job: Job, name: str, folder_id: str, source_url: str, *, is_alone: bool) -> None:
        """Remember, before it is asked for, which file this attempt at a job makes."""
        with self._store.transaction():
            self._store.write(
                "INSERT OR REPLACE INTO box_files VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
                (job.attempt_token, job.id, name, folder_id, is_alone, source_url, self._now().timestamp()),
            )
            self._store.write(DROP_FILES, (MOST_FILES,))

    def forget_file(self, job: Job) -> None:
        """Forget a file that surely was not made."""
        self._store.write("DELETE FROM box_files WHERE attempt = ?", (job.attempt_token,))

    def name_file(self, job: Job, file_id: str) -> None:
        """Remember what Box calls the file of this attempt."""
        self._store.write("UPDATE box_files SET file_id = ? WHERE attempt = ?", (file_id, job.attempt_token))

    def file_of(self, job: Job) -> SentFile | None:
        """Give the file of this attempt at a job; None where it was never about to be made."""
        rows = self._store.query("SELECT * FROM box_files WHERE attempt = ?", (job.attempt_token,))
        return _sent_file(rows[0]) if rows else None


def read_folders(store: Store) -> list[dict[str, Any]]:
    """Give the folders that the agent made, the newest first, as JSON."""
    rows = store.query("SELECT * FROM box_folders ORDER BY made_at DESC LIMIT ?", (LIST_LIMIT,))
    return [KnownFolder(row["id"], row["name"], row["job_id"], _written(row["made_at"])).to_json() for row in rows]


def read_files(store: Store) -> list[dict[str, Any]]:
    """Give the files that the agent sent, the newest first, as JSON."""
    rows = store.query("SELECT * FROM box_files ORDER BY sent_at DESC LIMIT ?", (LIST_LIMIT,))
    return [_sent_file(row).to_json() for row in rows]


def _sent_file(row: Row) -> SentFile:
    return SentFile(
        job_id=row["job_id"],
        name=row["name"],
        folder_id=row["folder_id"],
        is_alone=bool(row["is_alone"]),
        source_url=row["source_url"],
        file_id=row["file_id"],
        sent_at=_written(row["sent_at"]),
    )


def _written(seconds: float) -> str:
    return timestamp(moment(seconds)) or ""
