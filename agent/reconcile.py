"""What to do about a job whose answer was lost, by what the printer says about that very job; pure."""

from __future__ import annotations

import enum
from typing import Literal

from agent.model import JobReading, JobState

Stage = Literal["sending", "left", "withdrawn", "sent"]
"""How far a document has come, by the journal: its first byte may have left, the printer's TCP has its last byte, the
printer was told to forget it because it waited for the rest, the printer has answered that it has it all."""

WAITS_FOR_DATA = frozenset({"job-data-insufficient", "job-incoming"})
FAILED_FOR_WANT_OF_DATA = frozenset({"submission-interrupted", "job-data-insufficient"})
CANCELED_BY_OTHERS = frozenset({"job-canceled-at-device", "job-canceled-by-operator"})


class Verdict(enum.Enum):
    """What follows from a reading."""

    FOLLOW = "believe it and go on asking"
    WITHDRAW = "the printer waits for the rest: have it cancel the job, then ask again"
    RESEND = "it ended for want of data with nothing printed: send it again"
    INCOMPLETE = "it is called completed, but may be only the part that had come: a person must look"
    UNKNOWN = "a person must look"


def judge(reading: JobReading, stage: Stage) -> Verdict:
    """Judge what a printer says of a job.

    Where its answer was lost, the job is sent again only if the printer has ended this very job, says that nothing of
    it was printed, and that it did not get the whole document. `completed` is not enough: many printers complete as
    much as they got.
    """
    if stage == "sent":
        return Verdict.FOLLOW
    if reading.state is None:
        return Verdict.UNKNOWN
    if reading.state == JobState.COMPLETED:
        return Verdict.FOLLOW if stage == "left" else Verdict.INCOMPLETE
    if _is_for_want_of_data(reading, stage):
        return Verdict.RESEND if _has_printed_nothing(reading) else Verdict.UNKNOWN
    if stage == "sending" and waits_for_data(reading):
        return Verdict.WITHDRAW
    return Verdict.FOLLOW


def waits_for_data(reading: JobReading) -> bool:
    """Tell whether a printer waits for a document that it has not begun to print."""
    return reading.state in {JobState.PENDING, JobState.PENDING_HELD} and _has(reading, WAITS_FOR_DATA)


def _is_for_want_of_data(reading: JobReading, stage: Stage) -> bool:
    if reading.state == JobState.ABORTED:
        return stage == "withdrawn" or _has(reading, FAILED_FOR_WANT_OF_DATA)
    return reading.state == JobState.CANCELED and stage == "withdrawn" and not _has(reading, CANCELED_BY_OTHERS)


def _has_printed_nothing(reading: JobReading) -> bool:
    """Tell whether nothing came out, also of a printer that doesn't count.

    A job that was cancelled because it waited had not begun, nor had one with `job-data-insufficient` (RFC 8011
    section 5.3.8).
    """
    if reading.impressions_completed is None:
        return reading.state == JobState.CANCELED or "job-data-insufficient" in reading.state_reasons
    return reading.impressions_completed == 0


def _has(reading: JobReading, reasons: frozenset[str]) -> bool:
    return not reasons.isdisjoint(reading.state_reasons)
