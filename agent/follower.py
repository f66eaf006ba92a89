"""Asks printers about the jobs that they have, until each has ended; a poll, so that a long print holds nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from agent.drivers.choose import PrintTarget
from agent.errors import (
    AgentError,
    NotFoundError,
    PrinterBusyError,
    PrinterProtocolError,
    PrinterRejectedError,
    PrinterUnreachableError,
)
from agent.loop import backoff
from agent.model import Job, JobReading, Printer
from agent.reconcile import Stage, Verdict, judge
from agent.settlement import Settlements
from agent.spool_attempts import Attempts, UnderWay

log = logging.getLogger(__name__)

FIRST_ASK_SECONDS = 0.05
QUICK_ASK_SECONDS = 2.0
LONGEST_ASK_SECONDS = 5.0
UNREACHABLE_CEILING_SECONDS = 30.0
RESEND_LIMIT = 3
CAUSES = {
    Verdict.INCOMPLETE: "the printer says completed, but may not have had the whole document: pages may be missing",
    Verdict.UNKNOWN: "the printer can't tell what came of it",
    Verdict.RESEND: "the printer did not get all of it, after several attempts",
}
"""Why a person must look."""

REFUSALS = (NotFoundError, PrinterRejectedError, PrinterProtocolError, PrinterBusyError)


@dataclass(frozen=True, slots=True)
class Targets:
    """Finds what prints on a printer.

    Attributes:
        find_printer: gives the printer of an id; NotFoundError where the registry has none.
        target_for: gives what prints on a printer; NotFoundError where nothing does.
    """

    find_printer: Callable[[str], Printer]
    target_for: Callable[[Printer], PrintTarget]

    def find(self, printer_id: str) -> tuple[Printer, PrintTarget]:
        """Find a printer and what prints on it.

        Raises:
            PrinterUnreachableError: there is no such printer now, or no way to print on it.
        """
        try:
            printer = self.find_printer(printer_id)
            return printer, self.target_for(printer)
        except NotFoundError as exc:
            raise PrinterUnreachableError(str(exc)) from exc


@dataclass(frozen=True, slots=True)
class Followed:
    """A job that its printer is asked about; moments are monotonic.

    `stage` is how far its document has come; `is_cancelled` where the printer was told of a person's cancel.
    """

    job: Job
    stage: Stage
    due_at: float
    pause_seconds: float = FIRST_ASK_SECONDS
    failures: int = 0
    is_cancelled: bool = False

    @property
    def device_job_id(self) -> str:
        """The printer's id for it."""
        return self.job.device_job_id or ""


def next_ask_seconds(pause_seconds: float) -> float:
    """Give the pause after `pause_seconds`: it grows fast to 2 s and slowly to 5 s."""
    if pause_seconds < QUICK_ASK_SECONDS:
        return min(1.5 * pause_seconds, QUICK_ASK_SECONDS)
    return min(1.05 * pause_seconds, LONGEST_ASK_SECONDS)


def tell_cancel(target: PrintTarget, device_job_id: str) -> None:
    """Have a printer cancel a job; that it can't any more shows when it is asked about the job."""
    try:
        target.cancel_job(device_job_id)
    except REFUSALS as exc:
        log.info("device job %s was not cancelled by its printer: %s", device_job_id, exc)


class Follower:
    """The jobs that are asked about; several threads may call `ask_next`, each then has a job of its own."""

    def __init__(
        self, *, attempts: Attempts, targets: Targets, settlements: Settlements, monotonic: Callable[[], float]
    ) -> None:
        self._attempts = attempts
        self._targets = targets
        self._settlements = settlements
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._followed: dict[str, Followed] = {}
        self._seen_changes = -1

    def follow(self, under_way: UnderWay) -> None:
        """Begin to ask about a job."""
        due_at = self._monotonic() + FIRST_ASK_SECONDS
        self._put_back(Followed(under_way.job, under_way.stage, due_at))

    def hurry(self, printer_id: str) -> None:
        """Ask now about the jobs of a printer."""
        with self._lock:
            for job_id, followed in self._followed.items():
                if followed.job.printer_id == printer_id:
                    self._followed[job_id] = replace(followed, due_at=0.0)

    def ask_next(self) -> bool:
        """Ask about one job that is due; False where none is."""
        self._hurry_cancelled()
        followed = self._take_due()
        if followed is None:
            return False
        try:
            self._ask(followed)
        except NotFoundError as exc:
            self._settlements.settle(partial(self._settle_forgotten, followed, str(exc)))
        except PrinterRejectedError as exc:
            self._settlements.settle(partial(self._settle_untold, followed, str(exc)))
        except Exception as exc:  # noqa: BLE001 - whatever it was, the job is asked about again
            self._ask_later(followed, exc)
        return True

    def seconds_to_next(self) -> float | None:
        """Say when the next job is due; None where none is followed."""
        with self._lock:
            due_at = min((followed.due_at for followed in self._followed.values()), default=None)
        return None if due_at is None else max(0.0, due_at - self._monotonic())

    def _take_due(self) -> Followed | None:
        now = self._monotonic()
        with self._lock:
            first = min(self._followed.values(), key=lambda followed: followed.due_at, default=None)
            return None if first is None or first.due_at > now else self._followed.pop(first.job.id)

    def _put_back(self, followed: Followed) -> None:
        with self._lock:
            self._followed[followed.job.id] = followed

    def _hurry_cancelled(self) -> None:
        changes = self._attempts.changes
        if changes == self._seen_changes or not self._followed:
            return
        wanted = self._attempts.cancel_requests()
        with self._lock:
            self._seen_changes = changes
            for job_id, followed in self._followed.items():
                if job_id in wanted and not followed.is_cancelled:
                    self._followed[job_id] = replace(followed, due_at=0.0)

    def _ask(self, followed: Followed) -> None:
        wants_cancel = not followed.is_cancelled and followed.job.id in self._attempts.cancel_requests()
        try:
            _, target = self._targets.find(followed.job.printer_id)
            if wants_cancel:
                tell_cancel(target, followed.device_job_id)
                followed = replace(followed, is_cancelled=True, pause_seconds=FIRST_ASK_SECONDS)
            reading = target.read_job(followed.device_job_id)
        except PrinterUnreachableError as exc:
            if not wants_cancel:
                raise
            self._attempts.end_canceled(followed.job.id, f"the printer could not be told: {exc}")
            return
        self._believe(followed, target, reading)

    def _believe(self, followed: Followed, target: PrintTarget, reading: JobReading) -> None:
        job, verdict = followed.job, judge(reading, followed.stage)
        if verdict is Verdict.WITHDRAW:
            self._attempts.withdraw(job.id)
            tell_cancel(target, followed.device_job_id)
            self._put_back(replace(followed, stage="withdrawn", due_at=self._monotonic() + FIRST_ASK_SECONDS))
        elif verdict is Verdict.RESEND and job.attempts < RESEND_LIMIT:
            log.info("job %s: %s did not get all of it and printed nothing; it is sent again", job.id, job.printer_id)
            self._attempts.retry(job.id, after_seconds=0, reasons=(), message="the document did not come whole")
        elif verdict is Verdict.FOLLOW:
            self._follow_on(followed, self._attempts.record(job.id, reading))
        else:
            self._hold(job, CAUSES[verdict])

    def _follow_on(self, followed: Followed, job: Job) -> None:
        if job.state.is_final:
            log.info("job %s: %s on %s", job.id, job.state.keyword, job.printer_id)
            return
        due_at = self._monotonic() + followed.pause_seconds
        pause = next_ask_seconds(followed.pause_seconds)
        self._put_back(replace(followed, job=job, due_at=due_at, pause_seconds=pause, failures=0))

    def _ask_later(self, followed: Followed, exc: Exception) -> None:
        job, failures = followed.job, followed.failures + 1
        if failures == 1:
            unexpected = None if isinstance(exc, AgentError) else exc
            log.warning("job %s: %s can't be asked: %s", job.id, job.printer_id, exc, exc_info=unexpected)
        due_at = self._monotonic() + backoff(failures, ceiling=UNREACHABLE_CEILING_SECONDS)
        self._put_back(replace(followed, failures=failures, due_at=due_at, pause_seconds=FIRST_ASK_SECONDS))
        if failures == 1 and isinstance(exc, PrinterUnreachableError):
            self._settlements.settle(partial(self._tell_unreachable, job))

    def _tell_unreachable(self, job: Job) -> None:
        reasons = tuple(dict.fromkeys((*job.state_reasons, "agent-printer-unreachable")))
        self._attempts.record(job.id, JobReading(state=job.state, state_reasons=reasons))

    def _settle_forgotten(self, followed: Followed, message: str) -> None:
        job = followed.job
        if job.id in self._attempts.cancel_requests():
            self._attempts.end_canceled(job.id, "the printer no longer knew it")
        else:
            self._hold(job, f"the printer no longer knows it: {message}")

    def _settle_untold(self, followed: Followed, message: str) -> None:
        if followed.stage == "sent":
            self._attempts.record(followed.job.id, JobReading(state=None))
        else:
            self._hold(followed.job, f"the printer tells nothing of it: {message}")

    def _hold(self, job: Job, cause: str) -> None:
        self._attempts.hold_unknown(job.id, f"{cause}; look at the printer, then confirm or reprint")
        log.warning("job %s: outcome unknown on %s: %s", job.id, job.printer_id, cause)
