"""How long a printer takes for what waits for it, told from what it has really done lately; in memory only."""

from __future__ import annotations

import statistics
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.job import Job, JobState

JOBS_REMEMBERED = 20
UNCONFIRMED = "agent-completion-unconfirmed"
LEAST_LEFT_SHARE = 0.1
"""Of a copy: what takes longer than usual is not done yet."""


@dataclass(frozen=True, slots=True)
class Done:
    """A job that a printer has printed: how long it worked on it, and how many copies that were."""

    seconds: float
    copies: int


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An attempt that a printer works on: for `seconds`, and since `since` of the clock, None while it stands still."""

    job_id: str
    attempts: int
    copies: int
    seconds: float
    since: float | None

    def seconds_at(self, now: float) -> float:
        """Give how long the printer has worked on it."""
        return self.seconds + (0.0 if self.since is None else now - self.since)


def seconds_left(done: Sequence[Done], *, under_way: Done | None, copies: int, jobs: int) -> float | None:
    """Give how long a printer takes for what is left, None where it has done nothing to tell by.

    Args:
        done: what it has done lately.
        under_way: what it works on, with the seconds that it has worked.
        copies: what waits, where the copies are known.
        jobs: what else waits, each taken for a usual job.
    """
    if not done:
        return None
    a_copy = statistics.median(job.seconds / job.copies for job in done)
    a_job = statistics.median(job.seconds for job in done)
    left = copies * a_copy + jobs * a_job
    if under_way is not None:
        left += max(under_way.copies * a_copy - under_way.seconds, LEAST_LEFT_SHARE * a_copy)
    return left


class PrintTimes:
    """Watches jobs being printed; safe in several threads.

    A job whose end nobody has confirmed tells nothing, and neither does the time that a printer stood still.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._under_way: dict[str, UnderWay] = {}
        self._done: defaultdict[str, deque[Done]] = defaultdict(lambda: deque(maxlen=JOBS_REMEMBERED))

    def note(self, job: Job) -> None:
        """Note what has become of a job."""
        with self._lock:
            now, run = self._monotonic(), self._under_way.get(job.printer_id)
            if run is not None and (run.job_id, run.attempts) != (job.id, job.attempts):
                run = None
            if job.state is JobState.PROCESSING:
                run = run or UnderWay(job.id, job.attempts, job.options.copies, 0.0, now)
                self._under_way[job.printer_id] = run if run.since is not None else replace(run, since=now)
            elif run is not None and job.state is JobState.PROCESSING_STOPPED:
                self._under_way[job.printer_id] = replace(run, seconds=run.seconds_at(now), since=None)
            elif run is not None:
                del self._under_way[job.printer_id]
                if job.state is JobState.COMPLETED and UNCONFIRMED not in job.state_reasons:
                    self._done[job.printer_id].append(Done(run.seconds_at(now), run.copies))

    def seconds_left(self, printer_id: str, *, copies: int, jobs: int) -> float | None:
        """Give how long a printer takes for what it works on and for what waits, None where nobody can tell.

        Args:
            printer_id: the printer.
            copies: those of our jobs that wait.
            jobs: other people's, that are in the printer.
        """
        with self._lock:
            now, done = self._monotonic(), tuple(self._done.get(printer_id, ()))
            run = self._under_way.get(printer_id)
        under_way = None if run is None else Done(run.seconds_at(now), run.copies)
        return seconds_left(done, under_way=under_way, copies=copies, jobs=jobs)
