from __future__ import annotations

import pytest

from agent.model import JobReading, JobState
from agent.reconcile import Verdict, judge


def word(state: JobState | None, *reasons: str, impressions: int | None = None) -> JobReading:
    """Make what a printer says."""
    return JobReading(state, "42", state_reasons=reasons, impressions_completed=impressions)


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (word(None), Verdict.UNKNOWN),
        (word(JobState.COMPLETED, "job-completed-successfully", impressions=3), Verdict.INCOMPLETE),
        (word(JobState.PROCESSING, "job-printing"), Verdict.FOLLOW),
        (word(JobState.PROCESSING, "job-incoming", impressions=0), Verdict.FOLLOW),
        (word(JobState.PENDING, "job-incoming"), Verdict.WITHDRAW),
        (word(JobState.PENDING_HELD, "job-data-insufficient"), Verdict.WITHDRAW),
        (word(JobState.PENDING_HELD, "job-hold-until-specified"), Verdict.FOLLOW),
        (word(JobState.CANCELED, "job-canceled-at-device", impressions=0), Verdict.FOLLOW),
        (word(JobState.ABORTED, "document-format-error", impressions=0), Verdict.FOLLOW),
        (word(JobState.ABORTED, "aborted-by-system", impressions=0), Verdict.FOLLOW),
        (word(JobState.ABORTED, "submission-interrupted", impressions=0), Verdict.RESEND),
        (word(JobState.ABORTED, "aborted-by-system", "job-data-insufficient"), Verdict.RESEND),
        (word(JobState.ABORTED, "submission-interrupted", impressions=None), Verdict.UNKNOWN),
        (word(JobState.ABORTED, "submission-interrupted", impressions=1), Verdict.UNKNOWN),
    ],
)
def test_a_doubtful_job_is_judged_by_the_printers_own_word(reading: JobReading, verdict: Verdict) -> None:
    """Only a job that surely ended with nothing printed is sent again; what can't be told is a person's."""
    assert judge(reading, "sending") is verdict


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (word(JobState.COMPLETED), Verdict.FOLLOW),
        (word(JobState.PENDING_HELD, "job-incoming"), Verdict.FOLLOW),
        (word(JobState.ABORTED, "submission-interrupted", impressions=0), Verdict.RESEND),
    ],
)
def test_a_job_of_which_all_had_left_is_completed_when_the_printer_says_so(
    reading: JobReading, verdict: Verdict
) -> None:
    """The printer has the whole document, and is left alone with it."""
    assert judge(reading, "left") is verdict


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (word(JobState.CANCELED, "job-canceled-by-user"), Verdict.RESEND),
        (word(JobState.CANCELED, "job-canceled-by-user", impressions=1), Verdict.UNKNOWN),
        (word(JobState.CANCELED, "job-canceled-at-device"), Verdict.FOLLOW),
        (word(JobState.ABORTED, "aborted-by-system", impressions=0), Verdict.RESEND),
        (word(JobState.ABORTED, "aborted-by-system"), Verdict.UNKNOWN),
        (word(JobState.PENDING_HELD, "job-data-insufficient"), Verdict.FOLLOW),
        (word(JobState.COMPLETED), Verdict.INCOMPLETE),
    ],
)
def test_a_job_that_was_withdrawn_is_sent_again_once_it_has_surely_ended(reading: JobReading, verdict: Verdict) -> None:
    """Until the printer says that it is cancelled, it is only asked about; somebody else's cancel counts."""
    assert judge(reading, "withdrawn") is verdict


@pytest.mark.parametrize("state", [*JobState, None])
def test_a_job_that_the_printer_has_answered_for_is_only_followed(state: JobState | None) -> None:
    """There is no doubt to settle."""
    assert judge(word(state, "submission-interrupted", impressions=0), "sent") is Verdict.FOLLOW
