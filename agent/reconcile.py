"""What to do about a job whose answer was lost, by what the printer says about that very job; pure."""

from __future__ import annotations

import enum
from typing import Literal

from agent.job import Job, JobReading, JobState

Stage = Literal["sending", "refused", "left", "withdrawn", "sent"]
"""How far a document has come, by the journal: its first byte may have left, the printer said afterwards that it takes
none now, the printer's TCP has it all but perhaps the last byte, the printer was told to forget it because it waited
for the rest, the printer has answered that it has it all."""

WAITS_FOR_DATA = frozenset({"job-data-insufficient", "job-incoming"})
FAILED_FOR_WANT_OF_DATA = frozenset({"submission-interrupted", "job-data-insufficient"})
CANCELED_BY_OTHERS = frozenset({"job-canceled-at-device", "job-canceled-by-operator"})
HELD_BY_OTHERS = frozenset({"job-hold-until-specified", "job-password-wait"})
NO_CAUSE = frozenset({"aborted-by-system"})


class Verdict(enum.Enum):
    """What follows from a reading."""

    FOLLOW = "believe it and go on asking"
    WITHDRAW = "the printer waits for the rest: have it cancel the job, then ask again"
    RESEND = "it ended for want of data with nothing printed: send it again"
    INCOMPLETE = "it is called completed, but may be only the part that had come: a person must look"
    UNKNOWN = "a person must look"


def judge(reading: JobReading, stage: Stage) -> Verdict:
    """Judge what a printer says of a job.

    Before `left` the printer can't have the whole document, so that whatever it says is said of a part: `completed` is
    not the end, since many printers complete as much as they got, and an abort is not the document's fault. The job is
    sent again only if the printer has ended this very job and says that nothing of it was printed.
    """
    if stage == "sent":
        return Verdict.FOLLOW
    match reading.state:
        case None:
            return Verdict.UNKNOWN
        case JobState.COMPLETED:
            return Verdict.FOLLOW if stage == "left" else Verdict.INCOMPLETE
        case JobState.ABORTED:
            return _judge_abort(reading, stage)
        case JobState.CANCELED if _is_our_cancel(reading, stage):
            return Verdict.RESEND if _has_printed_nothing(reading) else Verdict.UNKNOWN
    return Verdict.WITHDRAW if stage != "left" and waits_for_data(reading) else Verdict.FOLLOW


def waits_for_data(reading: JobReading) -> bool:
    """Tell whether a printer waits for a document that it has not begun to print."""
    if reading.state == JobState.PENDING_HELD and reading.time_out_action == "hold-job":
        return not _has(reading, HELD_BY_OTHERS)
    return reading.state in {JobState.PENDING, JobState.PENDING_HELD} and _has(reading, WAITS_FOR_DATA)


def is_anothers(reading: JobReading, job: Job, *, of_any_attempt: bool = False) -> bool:
    """Tell whether a printer speaks of another job, having begun anew to count its jobs.

    Every name ends with the token of its attempt, unless the printer cuts names short or tells none. It may be any of
    the attempts at the job where those count as well.
    """
    if not reading.name or job.is_named(reading.name, of_any_attempt=of_any_attempt):
        return False
    return not job.shown_name.startswith(reading.name)


def _judge_abort(reading: JobReading, stage: Stage) -> Verdict:
    never_begun = reading.has_begun is False
    if stage == "left":
        is_for_want_of_data = never_begun and NO_CAUSE.issuperset(reading.state_reasons)
    else:
        is_for_want_of_data = never_begun or stage == "withdrawn" or reading.time_out_action == "abort-job"
    if is_for_want_of_data or _has(reading, FAILED_FOR_WANT_OF_DATA):
        return Verdict.RESEND if _has_printed_nothing(reading) else Verdict.UNKNOWN
    return Verdict.FOLLOW if stage == "left" else Verdict.UNKNOWN


def _is_our_cancel(reading: JobReading, stage: Stage) -> bool:
    """Whether it was cancelled by us, in this life or in one that was ended right after it."""
    if _has(reading, CANCELED_BY_OTHERS) or stage == "left":
        return False
    return stage == "withdrawn" or reading.has_begun is False


def _has_printed_nothing(reading: JobReading) -> bool:
    """Tell whether nothing came out, also of a printer that doesn't count.

    A job that was cancelled because it waited had not begun, nor had one with `job-data-insufficient` (RFC 8011
    section 5.3.8).
    """
    if reading.impressions_completed is None:
        has_not_begun = reading.has_begun is False or "job-data-insufficient" in reading.state_reasons
        return has_not_begun or reading.state == JobState.CANCELED
    return reading.impressions_completed == 0


def _has(reading: JobReading, reasons: frozenset[str]) -> bool:
    return not reasons.isdisjoint(reading.state_reasons)
