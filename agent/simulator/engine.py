"""The truth about one pretended printer, which its fronts (IPP, HP REST, SNMP, raw 9100) only tell.

Nothing runs by itself: whatever is asked first lets the printing catch up with the clock, so there is no thread, and a
test moves the printer by moving the clock.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from agent.errors import ConflictError, NotFoundError
from agent.job import JobState
from agent.model import Capabilities, Identity, PrinterState, PrinterStatus, Supply
from agent.simulator.pdf import PageCounter

PAGES_A_CARTRIDGE = 1000
LOW_PERCENT = 10.0
HISTORY_LIMIT = 10_000
EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {"application/postscript": ".ps", "application/vnd.hp-pcl": ".pcl", "application/octet-stream": ".bin"}
)
DEFAULT_OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "copies": ("1-999",),
        "sides": ("one-sided", "two-sided-long-edge", "two-sided-short-edge"),
        "media": ("iso_a4_210x297mm", "na_letter_8.5x11in"),
        "print-color-mode": ("auto", "color", "monochrome"),
        "print-quality": ("draft", "normal", "high"),
        "page-ranges": ("1-9999",),
    }
)


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """A job as the printer knows it; `sha256` is hex, `size` bytes and `pages` those of one copy, once it has arrived.

    `path` is where the document is kept, None where the printer keeps none; `began_at` when it came to its turn, by the
    engine's clock.
    """

    id: int
    name: str
    document_format: str
    options: Mapping[str, object] = field(default_factory=dict)
    state: JobState = JobState.PENDING
    state_reasons: tuple[str, ...] = ("job-incoming",)
    impressions_completed: int = 0
    size: int = 0
    sha256: str | None = None
    pages: int = 0
    path: Path | None = None
    began_at: float | None = None

    @property
    def impressions(self) -> int:
        """The sides to print: pages times copies."""
        copies = self.options.get("copies", 1)
        return self.pages * (copies if isinstance(copies, int) else 1)

    @property
    def is_monochrome(self) -> bool:
        """Whether only black is used."""
        return self.options.get("print-color-mode") == "monochrome"


class PrinterEngine:
    """One pretended printer: takes jobs, prints one at a time by the clock, uses up its supplies; thread-safe.

    Attributes:
        power_cuts: how often its power was cut; its fronts end their connections then.

    Args:
        identity: who it is.
        supplies: what it has at the beginning.
        keep: a folder for the documents, byte for byte; None keeps only their SHA-256.
        seconds_per_page: how long an impression takes; 0 prints at once.
        document_formats: the MIME media types that it takes.
        options: its capabilities, as in `Capabilities.options`.
        command_set: the languages that its IEEE-1284 device id names.
        forget_seconds: how long a finished job can still be asked for, as with real printers.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        supplies: Sequence[Supply],
        keep: Path | None,
        seconds_per_page: float,
        document_formats: Sequence[str],
        options: Mapping[str, tuple[str, ...]] = DEFAULT_OPTIONS,
        command_set: Sequence[str] = (),
        forget_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.identity = identity
        self._capabilities = Capabilities(tuple(document_formats), options, tuple(command_set))
        self._supplies = list(supplies)
        self._levels = [float(supply.level or 0) for supply in supplies]
        self._keep = keep
        self._seconds_per_page = seconds_per_page
        self._forget_seconds = forget_seconds
        self._clock = clock
        self._lock = threading.RLock()
        self._jobs: dict[int, SimulatedJob] = {}
        self._queue: deque[int] = deque()
        self._finished: deque[tuple[float, int]] = deque()
        self._history: deque[SimulatedJob] = deque(maxlen=HISTORY_LIMIT)
        self._page_began_at = 0.0
        self._impressions = 0
        self._last_id = 0
        self._stopped_for: str | None = None
        self.power_cuts = 0

    def create_job(self, name: str, document_format: str, options: Mapping[str, object]) -> int:
        """Make a job that waits for its document; gives its id, from 1."""
        with self._lock:
            self._last_id += 1
            self._jobs[self._last_id] = SimulatedJob(self._last_id, name, document_format, dict(options))
            return self._last_id

    def receive(self, job_id: int, chunks: Iterable[bytes]) -> None:
        """Take the job's document and queue it for printing.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has its document.
            Exception: what `chunks` raises; the job is aborted then, and nothing of the document kept.
        """
        job = self._known(job_id)
        if job.sha256 is not None:
            raise ConflictError(f"job {job_id} has its document")
        path = self._path(job)
        try:
            size, sha256, pages = _store(path, chunks)
        except Exception:
            self._abort(job_id, path)
            raise
        with self._lock:
            job = replace(self._known(job_id), size=size, sha256=sha256, pages=pages, path=path)
            self._jobs[job_id] = job
            if not job.state.is_final:
                self._enqueue(job_id)

    def job(self, job_id: int) -> SimulatedJob | None:
        """Give the job as it is now; None where there is none, or it was finished too long ago."""
        with self._lock:
            self._catch_up()
            return self._jobs.get(job_id)

    def jobs(self) -> tuple[SimulatedJob, ...]:
        """Give all jobs that the printer still knows, oldest first."""
        with self._lock:
            self._catch_up()
            return tuple(self._jobs.values())

    def history(self) -> tuple[SimulatedJob, ...]:
        """Give all jobs, also those that a printer would have forgotten, for a test to compare."""
        with self._lock:
            self._catch_up()
            return (*self._history, *(job for job in self._jobs.values() if not job.state.is_final))

    def cancel(self, job_id: int) -> None:
        """Cancel a job.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it is finished.
        """
        with self._lock:
            self._catch_up()
            if self._known(job_id).state.is_final:
                raise ConflictError(f"job {job_id} is finished")
            was_printing = job_id in tuple(self._queue)[:1]
            self._finish(job_id, JobState.CANCELED, "job-canceled-by-user")
            if was_printing:
                self._page_began_at = self._clock()

    def status(self) -> PrinterStatus:
        """Tell state, reasons, supplies and counter."""
        with self._lock:
            self._catch_up()
            state = PrinterState.PROCESSING if self._queue else PrinterState.IDLE
            return PrinterStatus(
                state=PrinterState.STOPPED if self._stopped_for else state,
                state_reasons=tuple(self._reasons()),
                supplies=tuple(self._supplies),
                impressions_completed=self._impressions,
            )

    def capabilities(self) -> Capabilities:
        """Tell the formats it takes and the options it carries out."""
        return self._capabilities

    def jam(self) -> None:
        """Jam: the job that prints stops in the middle."""
        self.stand_still("media-jam-error")

    def stand_still(self, reason: str) -> None:
        """Stop for a reason, such as `media-empty-error`: the job that prints stops in the middle."""
        with self._lock:
            self._catch_up()
            self._stopped_for = reason
            self._show_head()

    def clear(self) -> None:
        """Clear what it stands still for: the job goes on where it stopped."""
        with self._lock:
            self._catch_up()
            self._stopped_for = None
            self._page_began_at = self._clock()
            self._show_head()

    def cancel_at_panel(self) -> None:
        """Cancel the job that prints, or the first that comes in, as somebody does who stands before the printer.

        Raises:
            NotFoundError: there is none.
        """
        with self._lock:
            self._catch_up()
            live = (job.id for job in self._jobs.values() if not job.state.is_final)
            job_id = next(iter(self._queue), None) or next(live, None)
        if job_id is None:
            raise NotFoundError("no job to cancel")
        self.cancel(job_id)

    def cut_power(self) -> None:
        """Lose every job that isn't done, and every connection."""
        with self._lock:
            self._catch_up()
            for job in list(self._jobs.values()):
                if not job.state.is_final:
                    self._finish(job.id, JobState.ABORTED, "aborted-by-system")
            self.power_cuts += 1

    def set_supply(self, colorant: str, percent: float) -> None:
        """Set what is left of the supply of this colorant (or of this type, such as `waste-toner`: how full it is).

        Raises:
            NotFoundError: it has no such supply.
        """
        with self._lock:
            for index, supply in enumerate(self._supplies):
                if colorant in {supply.colorant, supply.supply_type}:
                    left = 100 - percent if supply.supply_class == "receptacle" else percent
                    self._set_level(index, left / 100 * (supply.max_capacity or 100))
                    return
        raise NotFoundError(f"no supply of {colorant}")

    def _known(self, job_id: int) -> SimulatedJob:
        with self._lock:
            if job_id not in self._jobs:
                raise NotFoundError(f"no job {job_id}")
            return self._jobs[job_id]

    def _path(self, job: SimulatedJob) -> Path | None:
        if self._keep is None:
            return None
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", job.name)[:64] or "job"
        extension = EXTENSIONS.get(job.document_format.lower()) or mimetypes.guess_extension(job.document_format)
        return self._keep / f"{job.id}-{name}{extension or '.bin'}"

    def _abort(self, job_id: int, path: Path | None) -> None:
        if path is not None:
            path.unlink(missing_ok=True)
        with self._lock:
            if job_id in self._jobs and not self._jobs[job_id].state.is_final:
                self._finish(job_id, JobState.ABORTED, "submission-interrupted")

    def _enqueue(self, job_id: int) -> None:
        self._catch_up()
        self._queue.append(job_id)
        self._change(job_id, state=JobState.PENDING, state_reasons=())
        if len(self._queue) == 1:
            self._page_began_at = self._clock()
            self._show_head()
            self._catch_up()

    def _catch_up(self) -> None:
        """Print what the printer has had the time to print, and forget what it would have forgotten."""
        now = self._clock()
        while self._queue and not self._stopped_for and self._page_began_at + self._seconds_per_page <= now:
            self._page_began_at += self._seconds_per_page
            self._print_page(self._jobs[self._queue[0]])
        while self._finished and self._finished[0][0] + self._forget_seconds < now:
            self._jobs.pop(self._finished.popleft()[1])

    def _print_page(self, job: SimulatedJob) -> None:
        self._impressions += 1
        for index, supply in enumerate(self._supplies):
            if supply.max_capacity and not (job.is_monochrome and supply.colorant not in {None, "black"}):
                self._set_level(index, self._levels[index] - supply.max_capacity / PAGES_A_CARTRIDGE)
        self._change(job.id, impressions_completed=job.impressions_completed + 1)
        if job.impressions_completed + 1 >= job.impressions:
            self._finish(job.id, JobState.COMPLETED, "job-completed-successfully", at=self._page_began_at)

    def _finish(self, job_id: int, state: JobState, reason: str, *, at: float | None = None) -> None:
        self._change(job_id, state=state, state_reasons=(reason,))
        self._history.append(self._jobs[job_id])
        self._finished.append((self._clock() if at is None else at, job_id))
        if job_id in self._queue:
            self._queue.remove(job_id)
            self._show_head()

    def _show_head(self) -> None:
        """Let the state of the job that is next on paper follow the printer's."""
        if not self._queue:
            return
        if self._jobs[self._queue[0]].began_at is None:
            self._change(self._queue[0], began_at=self._clock())
        if self._stopped_for:
            reasons = ("printer-stopped", self._stopped_for)
            self._change(self._queue[0], state=JobState.PROCESSING_STOPPED, state_reasons=reasons)
        else:
            self._change(self._queue[0], state=JobState.PROCESSING, state_reasons=("job-printing",))

    def _change(self, job_id: int, **changes: object) -> None:
        self._jobs[job_id] = replace(self._jobs[job_id], **changes)  # type: ignore[arg-type]

    def _set_level(self, index: int, level: float) -> None:
        self._levels[index] = max(0.0, level)
        self._supplies[index] = replace(self._supplies[index], level=round(self._levels[index]))

    def _reasons(self) -> Iterator[str]:
        if self._stopped_for:
            yield self._stopped_for
        for supply in self._supplies:
            if supply.percent is not None and supply.supply_class == "consumed" and supply.percent <= LOW_PERCENT:
                kind = "toner" if supply.supply_type.startswith("toner") else "marker-supply"
                yield f"{kind}-low-warning" if supply.percent else f"{kind}-empty-warning"


def _store(path: Path | None, chunks: Iterable[bytes]) -> tuple[int, str, int]:
    """Write the chunks to `path`, if any; gives size, SHA-256 in hex, and pages."""
    if path is None:
        return _take(None, chunks)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        return _take(file, chunks)


def _take(file: BinaryIO | None, chunks: Iterable[bytes]) -> tuple[int, str, int]:
    size, digest, counter = 0, hashlib.sha256(), PageCounter()
    for chunk in chunks:
        size += len(chunk)
        digest.update(chunk)
        counter.update(chunk)
        if file is not None:
            file.write(chunk)
    return size, digest.hexdigest(), counter.pages
