"""Takes jobs from the spool to their printers, and has each followed to its end.

Several threads call `step` of one `Dispatcher`. A thread holds a job only while it sends. Whatever a printer or a
driver does, what became of the job is written down.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

from agent.drivers.choose import JobFinder, PrintTarget, carried_for
from agent.errors import AgentError, PrinterBusyError, PrinterRejectedError, PrinterUnreachableError
from agent.fitting import fit
from agent.follower import REFUSALS, Follower, Targets
from agent.loop import backoff
from agent.model import Job, JobReading, Printer
from agent.reconcile import waits_for_data
from agent.settlement import Settlements
from agent.spool_attempts import Attempts, JobJournal, UnderWay

log = logging.getLogger(__name__)

UNREACHABLE_CEILING_SECONDS = 60.0
BUSY_CEILING_SECONDS = 300.0
IDLE_SECONDS = 5.0
UNSETTLED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Pause:
    """A printer that is left alone until a monotonic moment, after so many failures in a row."""

    until: float
    failures: int


class Dispatcher:
    """Sends jobs and has them followed.

    Attributes:
        on_work: called where there is work for another thread than the calling one: it wakes one that waits.

    Args:
        attempts: the dispatcher's side of the spool.
        find_printer: gives the printer of an id; NotFoundError where the registry has none.
        target_for: gives what prints on a printer; NotFoundError where nothing does.
        paused: gives the ids of the printers that people have paused.
        beat: tells the watchdog that the calling thread is alive in a long transfer.
        monotonic: seconds that never jump.
    """

    def __init__(
        self,
        *,
        attempts: Attempts,
        find_printer: Callable[[str], Printer],
        target_for: Callable[[Printer], PrintTarget],
        paused: Callable[[], Collection[str]],
        beat: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attempts = attempts
        self._targets = Targets(find_printer, target_for)
        self._paused = paused
        self._beat = beat
        self._monotonic = monotonic
        self._settlements = Settlements()
        self._follower = Follower(
            attempts=attempts, targets=self._targets, settlements=self._settlements, monotonic=monotonic
        )
        self._lock = threading.Lock()
        self._pauses: dict[str, Pause] = {}
        self._nothing_since = -1
        self._claim_again_at = 0.0
        self.on_work: Callable[[], None] = lambda: None

    def open(self) -> None:
        """Take up the jobs that printers had when the agent ended."""
        for under_way in self._attempts.under_way():
            self._follower.follow(under_way)

    def step(self) -> float:
        """Ask about one job that is due, else send one; give the seconds until there is something to do."""
        is_settled = self._settlements.again()
        if self._follower.ask_next():
            return 0.0
        job = self._claim()
        if job is not None:
            if self._attempts.has_work_beside(job):
                self.on_work()
            self._send(job)
            return 0.0
        idle = self._idle_seconds()
        return idle if is_settled else min(idle, UNSETTLED_SECONDS)

    def printer_is_back(self, printer_id: str) -> None:
        """Try a printer again now: it was seen, or people have resumed it."""
        with self._lock:
            self._pauses.pop(printer_id, None)
            self._claim_again_at = 0.0
        self._follower.hurry(printer_id)
        self.on_work()

    def _claim(self) -> Job | None:
        now, changes = self._monotonic(), self._attempts.changes
        with self._lock:
            # an empty claim stays empty until a job changes or a pause ends: eight idle threads must cost nothing
            if changes == self._nothing_since and now < self._claim_again_at:
                return None
            left_alone = [printer_id for printer_id, pause in self._pauses.items() if now < pause.until]
        job = self._attempts.claim([*left_alone, *self._paused()])
        if job is None:
            seconds = self._attempts.seconds_to_next()
            with self._lock:
                ends = [pause.until for pause in self._pauses.values() if now < pause.until]
                self._nothing_since = changes
                self._claim_again_at = min(
                    now + IDLE_SECONDS, *ends, now + (IDLE_SECONDS if seconds is None else seconds)
                )
        return job

    def _idle_seconds(self) -> float:
        asks = self._follower.seconds_to_next()
        with self._lock:
            claims = max(0.0, self._claim_again_at - self._monotonic())
        return claims if asks is None else min(asks, claims)

    def _send(self, job: Job) -> None:
        journal = self._attempts.journal(job, beat=self._beat)
        try:
            reading = self._print(job, journal)
        except PrinterRejectedError as exc:
            outcome = partial(self._refused, job, exc)
        except PrinterBusyError as exc:
            outcome = partial(self._busy, job, exc)
        except PrinterUnreachableError as exc:
            outcome = partial(self._unreachable, job, exc)
        except Exception as exc:  # noqa: BLE001 - whatever it was, what became of the job is written down
            outcome = partial(self._failed, job, journal, exc)
        else:
            outcome = partial(self._taken, job, reading)
        self._settlements.settle(outcome)

    def _print(self, job: Job, journal: JobJournal) -> JobReading:
        if not job.document.path.is_file():
            raise PrinterRejectedError("the document is no longer on the disk", reason="agent-document-lost")
        printer, target = self._targets.find(job.printer_id)
        if job.attempts > 1:
            _clear_away(target, job)
        fitted = fit(job, capabilities=printer.capabilities, carried=carried_for(job, target))
        if fitted.ignored:
            self._attempts.ignore_options(job.id, fitted.ignored)
        return target.print_job(replace(fitted.job, device_job_id=None), journal)

    def _taken(self, job: Job, reading: JobReading) -> None:
        job = self._attempts.sent(job.id, reading)
        log.info("job %s: %s has it (%s)", job.id, job.printer_id, job.state.keyword)
        self._answered(job.printer_id)
        if not job.state.is_final:
            self._follower.follow(UnderWay(job, "sent"))

    def _refused(self, job: Job, exc: PrinterRejectedError) -> None:
        self._attempts.reject(job.id, exc.reason, str(exc))
        log.warning("job %s: refused for %s: %s", job.id, job.printer_id, exc)

    def _busy(self, job: Job, exc: PrinterBusyError) -> None:
        pause = min(exc.retry_after_seconds or backoff(job.attempts), BUSY_CEILING_SECONDS)
        self._attempts.retry(job.id, after_seconds=pause, reasons=("agent-printer-busy",), message=str(exc))
        self._pause(job, pause, exc)

    def _unreachable(self, job: Job, exc: PrinterUnreachableError) -> None:
        self._attempts.retry(job.id, after_seconds=0, reasons=("agent-printer-unreachable",), message=str(exc))
        self._pause(job, None, exc)

    def _failed(self, job: Job, journal: JobJournal, exc: Exception) -> None:
        if journal.stage is None:
            pause = backoff(job.attempts)
            self._attempts.retry(job.id, after_seconds=pause, reasons=("agent-printer-error",), message=str(exc))
        elif journal.device_job_id is not None:
            job = replace(job, device_job_id=journal.device_job_id)
            self._follower.follow(UnderWay(job, journal.stage))
        else:
            message = f"no answer came ({exc}); look at the printer, then confirm or reprint"
            self._attempts.hold_unknown(job.id, message)
        unexpected = None if isinstance(exc, AgentError) else exc
        log.warning("job %s: sending to %s failed: %s", job.id, job.printer_id, exc, exc_info=unexpected)

    def _answered(self, printer_id: str) -> None:
        with self._lock:
            pause = self._pauses.pop(printer_id, None)
        if pause is not None:
            log.info("%s takes jobs again", printer_id)

    def _pause(self, job: Job, seconds: float | None, exc: Exception) -> None:
        with self._lock:
            before = self._pauses.get(job.printer_id)
            failures = 1 if before is None else before.failures + 1
            pause = backoff(failures, ceiling=UNREACHABLE_CEILING_SECONDS) if seconds is None else seconds
            self._pauses[job.printer_id] = Pause(self._monotonic() + pause, failures)
        if before is None:
            log.warning("job %s: %s takes none now: %s; it waits", job.id, job.printer_id, exc)


def _clear_away(target: PrintTarget, job: Job) -> None:
    """Cancel the empty job that an attempt which sent nothing may have left, since it holds the printer up."""
    try:
        left = _left_behind(target, job)
        if left is not None and left.device_job_id is not None and waits_for_data(left):
            target.cancel_job(left.device_job_id)
    except REFUSALS as exc:
        log.info("job %s: whatever its last attempt left on %s was not cleared away: %s", job.id, job.printer_id, exc)


def _left_behind(target: PrintTarget, job: Job) -> JobReading | None:
    """Find a job of the printer's by its name, for an agent that was killed before it noted the id; else by its id."""
    found = target.find_job(job.token) if isinstance(target, JobFinder) else None
    if found is None and job.device_job_id is not None:
        return target.read_job(job.device_job_id)
    return found
