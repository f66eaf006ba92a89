"""A hot folder with a real spool and a clock moved by hand, for tests; what prints the jobs is the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.config_schema import HotFolderConfig
from agent.hot_folder import HotFolder
from agent.hot_folder_jobs import HotFolderJobs
from agent.hot_folder_journal import HotFolderJournal
from agent.job import Job, JobReading, JobState
from agent.model import Printer
from tests.conftest import FakeClock
from tests.spool_parts import Parts, a_printer, nothing, opened, told

DOCUMENT = b"%PDF-1.4 a document\n%%EOF\n"
SETTLE_SECONDS = 5


@dataclass
class Hot:
    """A hot folder, looked into by hand.

    Attributes:
        printer: what its printer is; None while it has not been met.
    """

    path: Path
    parts: Parts
    clock: FakeClock
    folder: HotFolder
    printer: Printer | None = field(default_factory=a_printer)

    def drop(self, name: str, content: bytes | str = DOCUMENT) -> Path:
        """Put a file there, as a copy that is whole at once."""
        file = self.path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def look(self, seconds: float = 0.0) -> None:
        """Look into it, as often as there is more to do at once, after some time."""
        self.clock.advance(seconds)
        while self.folder.look():
            pass

    def settle(self) -> None:
        """Have what is there seen, and taken once it has settled."""
        self.look()
        self.look(SETTLE_SECONDS)

    def jobs(self) -> list[Job]:
        """Give the jobs, the oldest first."""
        return list(reversed(self.parts.spool.jobs()))

    def print_all(self) -> None:
        """Have every job that waits printed, in one commit: what a kill does to a print is others' to test."""
        with self.parts.store.transaction():
            while (job := self.parts.spool.attempts.claim()) is not None:
                self.parts.spool.attempts.journal(job, beat=nothing).sending()
                self.parts.spool.attempts.sent(job.id, JobReading(JobState.COMPLETED, device_job_id="7"))

    def reject(self, why: str) -> None:
        """Have the next job refused by its printer."""
        job = self.parts.spool.attempts.claim()
        assert job is not None
        self.parts.spool.attempts.reject(job.id, "unsupported-document-format", why)

    def names(self, below: str = "") -> list[str]:
        """Name the files of the folder, or of one below it."""
        return sorted(it.name for it in (self.path / below).iterdir() if it.is_file())

    def reason(self, name: str) -> str:
        """Read what is told of a file that failed."""
        return (self.path / "failed" / f"{name}.txt").read_text()

    def events(self) -> list[dict[str, Any]]:
        """Take the events that were told of hot folders."""
        return [told(note) for note in self.parts.notes() if note.topic.startswith("bridge/event/hot-folder")]


@contextmanager
def hot_folder(state: Path, path: Path, clock: FakeClock, *, keep: int = 3600, **settings: Any) -> Iterator[Hot]:
    """Open the state folder of an agent that has this hot folder, as its start does."""
    spool_keys = {name: settings.pop(name) for name in ("max_bytes", "max_job_bytes") if name in settings}
    with opened(state, clock, **spool_keys) as parts:
        journal = HotFolderJournal(parts.store, now=clock)
        journal.open([path])
        parts.spool.on_end = journal.note_end
        config = HotFolderConfig(settle_seconds=SETTLE_SECONDS, keep=keep, **settings)
        shared: dict[str, Any] = {
            "path": path,
            "settings": config,
            "journal": journal,
            "tell": parts.outbox.put_event,
            "monotonic": lambda: clock().timestamp(),
        }
        folder = HotFolder(
            name="press",
            find_printer=lambda: hot.printer,
            jobs=HotFolderJobs(spool=parts.spool, may_judge_age=lambda: True, **shared),
            store=parts.store,
            **shared,
        )
        hot = Hot(path, parts, clock, folder)
        yield hot
