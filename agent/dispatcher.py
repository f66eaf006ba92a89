"""Takes jobs from the spool to their printers, and has each followed to its end.

Several threads call `step` of one `Dispatcher`. A thread holds a job only while it sends. Whatever a printer or a
driver does, what became of the job is written down.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from agent.drivers.choose import JobFinder, PrintTarget, carried_for
from agent.errors import (
    AgentError,
    JobCanceledError,
    PrinterBusyError,
    PrinterRejectedError,
    PrinterUnreachableError,
    StorageError,
)
from agent.fitting import fit
from agent.follower import REFUSALS, Follower, Targets
from agent.job import CloudDestination, Job, JobReading
from agent.loop import backoff
from agent.model import Printer
from agent.reconcile import Stage, is_anothers, waits_for_data
from agent.settlement import Settlements
from agent.spool_attempts import Attempts, JobJournal, UnderWay

log = logging.getLogger(__name__)

UNREACHABLE_CEILING_SECONDS = 60.0
BUSY_CEILING_SECONDS = 300.0
BUSY_BACKOFF_CEILING_SECONDS = 60.0
IDLE_SECONDS = 5.0
UNSETTLED_SECONDS = 1.0
OVERTAKEN_EVERY = 8
"""At every so many tries a job of a printer that answers is put behind the next one."""
UNSURE_SENDERS = 8
"""How many threads may be with printers that may keep them: those of which nobody knows that they answer, each for half
a minute, those that stand still, and those that have been sent to for long, each until its upload's own limit."""

LONG_SEND_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Pause:
    """A printer that is left alone until a monotonic moment, after so many failures in a row."""

    until: float
    failures: int


@dataclass(frozen=True, slots=True)
class Send:
    """What a thread is busy with: a printer, since a monotonic moment."""

    printer_id: str
    since: float


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
        clouds: what takes the jobs of cloud destinations.
        online: gives the ids of the printers that have answered lately.
        stopped: gives the ids of the printers that stand still, and may stop reading in the midst of a document.
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
        clouds: Mapping[CloudDestination, PrintTarget] = MappingProxyType({}),
        online: Callable[[], Collection[str]] = tuple,
        stopped: Callable[[], Collection[str]] = tuple,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attempts = attempts
        self._targets = Targets(find_printer, target_for, clouds)
        self._paused = paused
        self._beat = beat
        self._online = online
        self._stopped = stopped
        self._monotonic = monotonic
        self._settlements = Settlements()
        self._follower = Follower(
            attempts=attempts, targets=self._targets, settlements=self._settlements, monotonic=monotonic
        )
        self._lock = threading.Lock()
        self._claiming = threading.Lock()
        self._pauses: dict[str, Pause] = {}
        self._proven: set[str] = set()
        self._sends: dict[int, Send] = {}
        self._nothing_since = -1
        self._claim_again_at = 0.0
        self.on_work: Callable[[], None] = lambda: None

    def open(self) -> None:
        """Take up the jobs that printers had when the agent ended, and those of unknown outcome."""
        for under_way in self._attempts.under_way():
            self._follower.follow(under_way)
        for in_doubt in self._attempts.in_doubt():
            self._follower.follow_held(in_doubt)

    def step(self) -> float:
        """Ask about one job that is due, else send one; give the seconds until there is something to do."""
        is_settled = self._settlements.again()
        if self._follower.ask_next():
            return 0.0
        job = self._claim()
        if job is not None:
            try:
                self._call_others(job)
                self._send(job)
            finally:
                with self._lock:
                    del self._sends[threading.get_ident()]
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
            # an empty claim stays empty until a job changes or a pause ends: idle threads must cost nothing
            if changes == self._nothing_since and now < self._claim_again_at:
                return None
            left_alone = [printer_id for printer_id, pause in self._pauses.items() if now < pause.until]
        with self._claiming:
            job = self._attempts.claim([*left_alone, *self._paused()], only=self._only())
            if job is not None:
                with self._lock:
                    self._sends[threading.get_ident()] = Send(job.printer_id, now)
        if job is None:
            seconds = self._attempts.seconds_to_next()
            with self._lock:
                ends = [pause.until for pause in self._pauses.values() if now < pause.until]
                self._nothing_since = changes
                self._claim_again_at = min(
                    now + IDLE_SECONDS, *ends, now + (IDLE_SECONDS if seconds is None else seconds)
                )
        return job

    def _only(self) -> frozenset[str] | None:
        """Give the printers that surely take a job, where enough threads are with others; else None."""
        if len(self._sends) < UNSURE_SENDERS:
            return None
        online, stopped = frozenset(self._online()), frozenset(self._stopped())
        long_ago = self._monotonic() - LONG_SEND_SECONDS
        with self._lock:
            sure = (online | self._proven) - self._pauses.keys() - stopped
            unsure = sum(send.since < long_ago or send.printer_id not in sure for send in self._sends.values())
        return sure if unsure >= UNSURE_SENDERS else None

    def _call_others(self, job: Job) -> None:
        """Wake a thread for another printer's jobs; a disk that can't tell of any keeps this job from nothing."""
        with suppress(StorageError):
            if self._attempts.has_work_beside(job):
                self.on_work()

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
            outcome = partial(self._busy, job, journal, exc)
        except PrinterUnreachableError as exc:
            outcome = partial(self._unreachable, job, exc)
        except JobCanceledError as exc:
            outcome = partial(self._broken_off, job, journal, exc)
        except Exception as exc:  # noqa: BLE001 - whatever it was, what became of the job is written down
            outcome = partial(self._failed, job, journal, exc)
        else:
            outcome = partial(self._taken, job, reading)
        self._settlements.settle(outcome)

    def _print(self, job: Job, journal: JobJournal) -> JobReading:
        if not job.document.path.is_file():
            raise PrinterRejectedError("the document is no longer on the disk", reason="agent-document-lost")
        capabilities, target = self._targets.find(job)
        if job.attempts > 1:
            _clear_away(target, job)
        fitted = fit(job, capabilities=capabilities, carried=carried_for(job, target))
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

    def _busy(self, job: Job, journal: JobJournal, exc: PrinterBusyError) -> None:
        """Try a job again later; where some of it had left, its printer is asked first whether it took none of it."""
        own = backoff(self._failures(job.printer_id) + 1, ceiling=BUSY_BACKOFF_CEILING_SECONDS)
        pause = min(max(exc.retry_after_seconds or 0.0, own), BUSY_CEILING_SECONDS)
        self._pause(job, pause, exc)  # first, or another thread would have the job at once
        if journal.stage is None:
            longer = 2 * pause if _may_be_to_blame(job) else 0.0
            self._attempts.retry(job.id, after_seconds=longer, reasons=("agent-printer-busy",), message=str(exc))
        else:
            self._attempts.refused(job.id)
            self._ask_about(job, journal, "refused")

    def _unreachable(self, job: Job, exc: PrinterUnreachableError) -> None:
        pause = backoff(self._failures(job.printer_id) + 1, ceiling=UNREACHABLE_CEILING_SECONDS)
        longer = 2 * pause if _may_be_to_blame(job) and job.printer_id in self._online() else 0.0
        self._pause(job, pause, exc)
        self._attempts.retry(job.id, after_seconds=longer, reasons=("agent-printer-unreachable",), message=str(exc))

    def _broken_off(self, job: Job, journal: JobJournal, exc: JobCanceledError) -> None:
        log.info("job %s: %s", job.id, exc)
        if journal.stage is None:
            self._attempts.retry(job.id, after_seconds=0, reasons=(), message="")  # which ends a job like this one
        else:
            self._ask_about(job, journal, "sending")

    def _failed(self, job: Job, journal: JobJournal, exc: Exception) -> None:
        if journal.stage is None:
            pause = backoff(job.attempts)
            self._attempts.retry(job.id, after_seconds=pause, reasons=("agent-printer-error",), message=str(exc))
        else:
            self._ask_about(job, journal, journal.stage)
        unexpected = None if isinstance(exc, AgentError) else exc
        log.warning("job %s: sending to %s failed: %s", job.id, job.printer_id, exc, exc_info=unexpected)

    def _ask_about(self, job: Job, journal: JobJournal, stage: Stage) -> None:
        self._follower.follow(UnderWay(replace(job, device_job_id=journal.device_job_id), stage))

    def _answered(self, printer_id: str) -> None:
        with self._lock:
            self._proven.add(printer_id)
            pause = self._pauses.pop(printer_id, None)
        if pause is not None:
            log.info("%s takes jobs again", printer_id)

    def _failures(self, printer_id: str) -> int:
        with self._lock:
            pause = self._pauses.get(printer_id)
        return 0 if pause is None else pause.failures

    def _pause(self, job: Job, seconds: float, exc: Exception) -> None:
        """Leave a printer alone; a thread that had chosen its job before a pause began is no further failure."""
        failures, now = self._failures(job.printer_id) + 1, self._monotonic()
        with self._lock:
            before = self._pauses.get(job.printer_id)
            if before is not None and now < before.until:
                return
            self._pauses[job.printer_id] = Pause(now + seconds, failures)
        if failures == 1:
            log.warning("job %s: %s takes none now: %s; it waits", job.id, job.printer_id, exc)


def _may_be_to_blame(job: Job) -> bool:
    """Whether it is time that a job lets the next one have a try: it may be the job, and not the printer."""
    return job.attempts % OVERTAKEN_EVERY == 0


def _clear_away(target: PrintTarget, job: Job) -> None:
    """Cancel the empty job that an attempt which sent nothing may have left, since it holds the printer up."""
    try:
        left = _left_behind(target, job)
        if left is not None and left.device_job_id is not None and waits_for_data(left):
            target.cancel_job(left.device_job_id, user=job.user)
    except REFUSALS as exc:
        log.info("job %s: whatever its last attempt left on %s was not cleared away: %s", job.id, job.printer_id, exc)


def _left_behind(target: PrintTarget, job: Job) -> JobReading | None:
    """Find a job of the printer's by its name, for an agent that was killed before it noted the id; else by its id."""
    found = target.find_job(job, of_any_attempt=True) if isinstance(target, JobFinder) else None
    if found is None and job.device_job_id is not None:
        found = target.read_job(job.device_job_id, user=job.user)
    return None if found is None or is_anothers(found, job, of_any_attempt=True) else found
