"""The jobs that printers are asked about, and when each is due; in memory, since the spool has them all."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from agent.job import Job
from agent.reconcile import Stage

FIRST_ASK_SECONDS = 0.05
QUICK_ASK_SECONDS = 2.0
LONGEST_ASK_SECONDS = 5.0

MOST_IN_TROUBLE = 4
"""How many threads may ask printers that did not answer the last time: each may hang for half a minute."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A job that its printer is asked about; moments are monotonic.

    `stage` is how far its document has come; `is_cancelled` where the printer was told of a person's cancel;
    `is_hurried` where that was tried at once, and a printer that was off then is not hurried again; `ends_at` when it
    is given up to look for it, or to ask about it while it is held.
    """

    job: Job
    stage: Stage
    due_at: float
    pause_seconds: float = FIRST_ASK_SECONDS
    failures: int = 0
    is_cancelled: bool = False
    is_hurried: bool = False
    is_held: bool = False
    ends_at: float = 0.0

    @property
    def device_job_id(self) -> str:
        """The printer's id for it."""
        return self.job.device_job_id or ""

    @property
    def is_in_trouble(self) -> bool:
        """Whether its printer may well not answer."""
        return self.is_held or self.failures > 0


def next_ask_seconds(pause_seconds: float) -> float:
    """Give the pause after `pause_seconds`: it grows fast to 2 s and slowly to 5 s."""
    if pause_seconds < QUICK_ASK_SECONDS:
        return min(1.5 * pause_seconds, QUICK_ASK_SECONDS)
    return min(1.05 * pause_seconds, LONGEST_ASK_SECONDS)


class FollowedJobs:
    """Each of them once; safe in several threads, of which one at a time has a job from `take_due` on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Followed] = {}
        self._in_trouble = 0

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def put(self, followed: Followed) -> None:
        """Have a job asked about as this says, whatever was said before."""
        with self._lock:
            self._jobs[followed.job.id] = followed

    def put_where_none_is(self, followed: Followed) -> None:
        """Have a job asked about as this says, unless something else was said meanwhile."""
        with self._lock:
            self._jobs.setdefault(followed.job.id, followed)

    def take_due(self, now: float) -> Followed | None:
        """Take the job that is most overdue; None where none is due that may be asked about. `done_with` follows."""
        with self._lock:
            first = min(self._askable(), key=lambda followed: followed.due_at, default=None)
            if first is None or first.due_at > now:
                return None
            self._in_trouble += first.is_in_trouble
            return self._jobs.pop(first.job.id)

    def done_with(self, taken: Followed) -> None:
        """Hear that a thread no longer asks about what it took."""
        with self._lock:
            self._in_trouble -= taken.is_in_trouble

    def next_due_at(self) -> float | None:
        """Say when the next is due; None where there is none that may be asked about now."""
        with self._lock:
            return min((followed.due_at for followed in self._askable()), default=None)

    def held(self) -> list[str]:
        """Name those that are held because their outcome is unknown."""
        with self._lock:
            return [job_id for job_id, followed in self._jobs.items() if followed.is_held]

    def hurry_printer(self, printer_id: str) -> None:
        """Have the jobs of a printer due now."""
        with self._lock:
            for job_id, followed in self._jobs.items():
                if followed.job.printer_id == printer_id:
                    self._jobs[job_id] = replace(followed, due_at=0.0)

    def hurry_cancelled(self, job_ids: Collection[str]) -> None:
        """Have those of some jobs due now that were not hurried before."""
        with self._lock:
            for job_id in self._jobs.keys() & job_ids:
                if not self._jobs[job_id].is_hurried:
                    self._jobs[job_id] = replace(self._jobs[job_id], due_at=0.0, is_hurried=True)

    def _askable(self) -> Iterator[Followed]:
        """Give those that may be asked about: enough threads may hang already on printers that don't answer."""
        is_enough = self._in_trouble >= MOST_IN_TROUBLE
        return (followed for followed in self._jobs.values() if not (is_enough and followed.is_in_trouble))
