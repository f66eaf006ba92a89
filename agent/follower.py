"""Asks printers about the jobs that they have, until each has ended; a poll, so that a long print holds nobody.

A job whose outcome is unknown is held for a person and asked about all the same, ever more rarely: the printer's own
late word settles it, unless a person is faster.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from agent.drivers.choose import JobFinder, PrintTarget
from agent.errors import (
    AgentError,
    ConflictError,
    NotFoundError,
    PrinterBusyError,
    PrinterProtocolError,
    PrinterRejectedError,
    PrinterUnreachableError,
)
from agent.followed import FIRST_ASK_SECONDS, Followed, FollowedJobs, next_ask_seconds
from agent.job import CloudDestination, Job, JobReading, JobState
from agent.loop import backoff
from agent.model import Capabilities, Printer
from agent.reconcile import Verdict, is_anothers, judge
from agent.settlement import Settlements
from agent.spool_attempts import Attempts, UnderWay

log = logging.getLogger(__name__)

UNREACHABLE_CEILING_SECONDS = 30.0
LOOK_SECONDS = 10.0
"""How long a job that nobody has named is looked for by its name: the printer may list it a little later."""
FIRST_LATE_ASK_SECONDS = 10.0
LATE_ASK_CEILING_SECONDS = 900.0
LATE_WORD_SECONDS = 86_400.0
"""How long a printer is asked about a job of unknown outcome; after a restart anew."""
CAUSES = {
    Verdict.INCOMPLETE: "the printer says completed, but may not have had the whole document: pages may be missing",
    Verdict.UNKNOWN: "the printer can't tell what came of it",
}
"""Why a person must look."""

REFUSALS = (NotFoundError, ConflictError, PrinterRejectedError, PrinterProtocolError, PrinterBusyError)


@dataclass(frozen=True, slots=True)
class Targets:
    """Finds what prints on a printer.

    Attributes:
        find_printer: gives the printer of an id; NotFoundError where the registry has none.
        target_for: gives what prints on a printer; NotFoundError where nothing does.
        clouds: what takes the jobs of cloud destinations.
    """

    find_printer: Callable[[str], Printer]
    target_for: Callable[[Printer], PrintTarget]
    clouds: Mapping[CloudDestination, PrintTarget]

    def find(self, job: Job) -> tuple[Capabilities, PrintTarget]:
        """Find what takes a job, and what its printer says that it can do.

        Raises:
            PrinterUnreachableError: there is no such printer now, or no way to print on it.
        """
        try:
            if job.destination != "printer":
                return Capabilities(), self._cloud(job.destination)
            printer = self.find_printer(job.printer_id)
            return printer.capabilities, self.target_for(printer)
        except NotFoundError as exc:
            raise PrinterUnreachableError(str(exc)) from exc

    def _cloud(self, name: CloudDestination) -> PrintTarget:
        if name not in self.clouds:
            raise NotFoundError(f"agent.toml has no key in [{name}] any more")
        return self.clouds[name]


def tell_cancel(target: PrintTarget, followed: Followed) -> None:
    """Have a printer cancel a job; that it can't any more shows when it is asked about the job."""
    try:
        target.cancel_job(followed.device_job_id, user=followed.job.user)
    except REFUSALS as exc:
        log.info("job %s was not cancelled by %s: %s", followed.job.id, followed.job.printer_id, exc)


class Follower:
    """The jobs that are asked about; several threads may call `ask_next`, each then has a job of its own."""

    def __init__(
        self, *, attempts: Attempts, targets: Targets, settlements: Settlements, monotonic: Callable[[], float]
    ) -> None:
        self._attempts = attempts
        self._targets = targets
        self._settlements = settlements
        self._monotonic = monotonic
        self._followed = FollowedJobs()
        self._seen_changes = -1

    def follow(self, under_way: UnderWay) -> None:
        """Begin to ask about a job."""
        now = self._monotonic()
        self._followed.put(
            Followed(under_way.job, under_way.stage, now + FIRST_ASK_SECONDS, ends_at=now + LOOK_SECONDS)
        )

    def follow_held(self, under_way: UnderWay) -> None:
        """Begin to ask about a job of unknown outcome that is held."""
        now = self._monotonic()
        held = Followed(under_way.job, under_way.stage, now, is_held=True, ends_at=now + LATE_WORD_SECONDS)
        self._ask_rarely(replace(held, pause_seconds=FIRST_LATE_ASK_SECONDS))

    def ask_next(self) -> bool:
        """Ask about one job that is due; False where none is."""
        self._hurry_cancelled()
        followed = self._followed.take_due(self._monotonic())
        if followed is None:
            return False
        try:
            self._ask_about(followed)
        finally:
            self._followed.done_with(followed)
        return True

    def seconds_to_next(self) -> float | None:
        """Say when the next job is due; None where none is followed that may be asked about now."""
        due_at = self._followed.next_due_at()
        return None if due_at is None else max(0.0, due_at - self._monotonic())

    def hurry(self, printer_id: str) -> None:
        """Ask now about the jobs of a printer."""
        self._followed.hurry_printer(printer_id)

    def _hurry_cancelled(self) -> None:
        changes = self._attempts.changes
        if changes == self._seen_changes or not self._followed:
            return
        wanted = self._attempts.cancel_requests() | self._attempts.canceled_among(self._followed.held())
        self._seen_changes = changes
        self._followed.hurry_cancelled(wanted)

    def _ask_about(self, followed: Followed) -> None:
        if followed.is_held:
            self._ask_late(followed)
            return
        try:
            self._ask(followed)
        except NotFoundError as exc:
            self._settle_absent(followed, exc)
        except PrinterRejectedError as exc:
            self._settlements.settle(partial(self._settle_untold, followed, str(exc)))
        except Exception as exc:  # noqa: BLE001 - whatever it was, the job is asked about again
            self._ask_later(followed, exc)

    def _ask(self, followed: Followed) -> None:
        wants_cancel = not followed.is_cancelled and self._attempts.is_cancel_wanted(followed.job.id)
        try:
            _, target = self._targets.find(followed.job)
            followed = self._identified(followed, target)
            reading = _read(target, followed)
            if wants_cancel and not (reading.state or JobState.PENDING).is_final:
                tell_cancel(target, followed)
                followed = replace(followed, is_cancelled=True, pause_seconds=FIRST_ASK_SECONDS)
                reading = _read(target, followed)
        except PrinterUnreachableError as exc:
            if not wants_cancel or followed.job.destination != "printer":  # a cloud works on, and can be told later
                raise
            self._attempts.end_canceled(
                followed.job.id, f"the printer could not be told: {exc}; pages of it may come out"
            )
            return
        self._believe(followed, target, reading)

    def _identified(self, followed: Followed, target: PrintTarget) -> Followed:
        """Find a job by its name where its answer was lost before it could be noted which of the printer's it is."""
        if followed.device_job_id:
            return followed
        if not isinstance(target, JobFinder):
            raise PrinterRejectedError("it can't be asked")
        found = target.find_job(followed.job)
        if found is None or found.device_job_id is None:
            raise NotFoundError("the printer lists no job of this name")
        self._attempts.found(followed.job.id, found.device_job_id)
        return replace(followed, job=replace(followed.job, device_job_id=found.device_job_id))

    def _believe(self, followed: Followed, target: PrintTarget, reading: JobReading) -> None:
        job, verdict = followed.job, judge(reading, followed.stage)
        if verdict is Verdict.WITHDRAW:
            self._attempts.withdraw(job.id)
            tell_cancel(target, followed)
            self._follow_on(replace(followed, stage="withdrawn"), job)
        elif verdict is Verdict.RESEND:
            log.info("job %s: %s did not get all of it and printed nothing", job.id, job.printer_id)
            self._send_again(followed)
        elif verdict is Verdict.FOLLOW:
            self._follow_on(followed, self._attempts.record(job.id, reading))
        else:
            self._hold(followed, CAUSES[verdict])

    def _ask_late(self, held: Followed) -> None:
        """Ask about a job that is held because its outcome is unknown; what a person says first, wins."""
        job = held.job
        try:
            is_canceled = bool(self._attempts.canceled_among([job.id]))
            if not is_canceled and not self._attempts.still_in_doubt(job):
                return
            _, target = self._targets.find(job)
            found = self._identified(held, target)
            reading = _read(target, found)
            if is_canceled:
                tell_cancel(target, found)
            elif judge(reading, held.stage) not in CAUSES and self._attempts.take_up(found.job):
                log.info("job %s: %s has a word on it after all", job.id, job.printer_id)
                self.follow(UnderWay(found.job, held.stage))
        except Exception as exc:  # noqa: BLE001 - whatever it was, a person can still settle it
            log.debug("job %s: nothing new of it on %s: %s", job.id, job.printer_id, exc)
            self._ask_rarely(held)

    def _follow_on(self, followed: Followed, job: Job) -> None:
        if job.state.is_final:
            log.info("job %s: %s on %s", job.id, job.state.keyword, job.printer_id)
            return
        due_at = self._monotonic() + followed.pause_seconds
        pause = next_ask_seconds(followed.pause_seconds)
        self._followed.put(replace(followed, job=job, due_at=due_at, pause_seconds=pause, failures=0))

    def _ask_later(self, followed: Followed, exc: Exception) -> None:
        job, failures = followed.job, followed.failures + 1
        if failures == 1:
            unexpected = None if isinstance(exc, AgentError) else exc
            log.warning("job %s: %s can't be asked: %s", job.id, job.printer_id, exc, exc_info=unexpected)
        due_at = self._monotonic() + backoff(failures, ceiling=UNREACHABLE_CEILING_SECONDS)
        self._followed.put(replace(followed, failures=failures, due_at=due_at, pause_seconds=FIRST_ASK_SECONDS))
        if failures == 1 and isinstance(exc, PrinterUnreachableError):
            self._settlements.settle(partial(self._attempts.unreachable, job.id))

    def _ask_rarely(self, held: Followed) -> None:
        due_at = self._monotonic() + held.pause_seconds
        if due_at < held.ends_at:
            pause = min(2 * held.pause_seconds, LATE_ASK_CEILING_SECONDS)
            # a person may have had it reprinted meanwhile, and then that attempt is followed
            self._followed.put_where_none_is(replace(held, due_at=due_at, pause_seconds=pause))

    def _settle_absent(self, followed: Followed, exc: NotFoundError) -> None:
        """Settle what is about a job that the printer doesn't know, which proves nothing."""
        now = self._monotonic()
        if followed.device_job_id or followed.stage == "refused" or now >= followed.ends_at:
            self._settlements.settle(partial(self._settle_forgotten, followed, str(exc)))
        else:
            self._follow_on(followed, followed.job)

    def _settle_forgotten(self, followed: Followed, message: str) -> None:
        if followed.stage == "refused":
            self._send_again(followed)
        else:
            self._hold(followed, message, ask_late=True)

    def _send_again(self, followed: Followed) -> None:
        if followed.stage == "refused":
            reasons, message = ("agent-printer-busy",), "the printer takes no jobs now"
            self._attempts.retry(followed.job.id, after_seconds=0, reasons=reasons, message=message)
        elif self._attempts.resend(followed.job.id).state is JobState.ABORTED:
            log.warning(
                "job %s: given up: its document never reached %s whole", followed.job.id, followed.job.printer_id
            )

    def _settle_untold(self, followed: Followed, message: str) -> None:
        stands_still = followed.job.state is JobState.PROCESSING_STOPPED
        if followed.stage == "sent" and not stands_still:
            self._attempts.record(followed.job.id, JobReading(state=None))
        elif followed.stage == "refused":
            self._send_again(followed)
        else:
            self._hold(followed, f"the printer tells nothing of it: {message}")

    def _hold(self, followed: Followed, cause: str, *, ask_late: bool = False) -> None:
        job = followed.job
        held = self._attempts.hold_unknown(job.id, cause)
        if held.state.is_final:
            return
        log.warning("job %s: outcome unknown on %s: %s", job.id, job.printer_id, cause)
        if ask_late:
            self.follow_held(UnderWay(job, followed.stage))


def _read(target: PrintTarget, followed: Followed) -> JobReading:
    reading = target.read_job(followed.device_job_id, user=followed.job.user)
    if is_anothers(reading, followed.job):
        raise NotFoundError(f"the printer's job {followed.device_job_id} is another one by now")
    return reading
