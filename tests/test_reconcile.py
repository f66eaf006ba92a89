from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.job import Document, Job, JobReading, JobState
from agent.reconcile import Verdict, is_anothers, judge


def word(state: JobState | None, *reasons: str, impressions: int | None = None, **more: Any) -> JobReading:
    """Make what a printer says."""
    return JobReading(state, "42", state_reasons=reasons, impressions_completed=impressions, **more)


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
        (word(JobState.ABORTED, "document-format-error", impressions=0), Verdict.UNKNOWN),
        (word(JobState.ABORTED, "aborted-by-system", impressions=0), Verdict.UNKNOWN),
        (word(JobState.ABORTED, "aborted-by-system", impressions=0, has_begun=True), Verdict.UNKNOWN),
        (word(JobState.ABORTED, "aborted-by-system", impressions=0, has_begun=False), Verdict.RESEND),
        (word(JobState.ABORTED, "document-format-error", has_begun=False), Verdict.RESEND),
        (word(JobState.CANCELED, "job-canceled-by-user", has_begun=False), Verdict.RESEND),
        (word(JobState.CANCELED, "job-canceled-by-user", impressions=0), Verdict.FOLLOW),
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
        (word(JobState.ABORTED, "aborted-by-system", has_begun=False), Verdict.RESEND),
        (word(JobState.ABORTED, "document-format-error", has_begun=False), Verdict.FOLLOW),
        (word(JobState.ABORTED, "aborted-by-system", impressions=0), Verdict.FOLLOW),
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
        (word(JobState.PENDING_HELD, "job-data-insufficient"), Verdict.WITHDRAW),
        (word(JobState.COMPLETED), Verdict.INCOMPLETE),
    ],
)
def test_a_job_that_was_withdrawn_is_sent_again_once_it_has_surely_ended(reading: JobReading, verdict: Verdict) -> None:
    """Until the printer says that it is cancelled, it is told again; somebody else's cancel counts."""
    assert judge(reading, "withdrawn") is verdict


@pytest.mark.parametrize(
    ("action", "aborted", "held", "completed"),
    [
        ("abort-job", Verdict.RESEND, Verdict.FOLLOW, Verdict.INCOMPLETE),
        ("hold-job", Verdict.UNKNOWN, Verdict.WITHDRAW, Verdict.INCOMPLETE),
        ("process-job", Verdict.UNKNOWN, Verdict.FOLLOW, Verdict.INCOMPLETE),
    ],
)
def test_what_a_printer_does_with_half_a_document_counts(
    action: str, aborted: Verdict, held: Verdict, completed: Verdict
) -> None:
    """An abort or a hold without a cause is for want of data where that is how the printer deals with it."""
    readings = (
        word(JobState.ABORTED, "aborted-by-system", impressions=0, time_out_action=action),
        word(JobState.PENDING_HELD, time_out_action=action),
        word(JobState.COMPLETED, "job-completed-successfully", time_out_action=action),
    )
    assert [judge(reading, "sending") for reading in readings] == [aborted, held, completed]


@pytest.mark.parametrize(
    ("name", "is_anothers_job"),
    [
        ("Order 17 f00d-2", False),
        (None, False),
        ("Order", False),
        ("Order 17 f00d-1", True),
        ("Invoice", True),
        ("Order 17 beef-2", True),
    ],
)
def test_a_job_that_a_printer_numbers_anew_is_told_from_ours(name: str | None, is_anothers_job: bool) -> None:
    """A printer that was switched off counts from 1 again, and its job 1 is somebody else's."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    document = Document(Path("d"), 1, "application/pdf")
    job = Job("j", "p", JobState.PROCESSING, document, now, now, name="Order 17", token="f00d", attempts=2)
    assert is_anothers(word(JobState.COMPLETED, name=name), job) is is_anothers_job


@pytest.mark.parametrize("state", [*JobState, None])
def test_a_job_that_the_printer_has_answered_for_is_only_followed(state: JobState | None) -> None:
    """There is no doubt to settle."""
    assert judge(word(state, "submission-interrupted", impressions=0), "sent") is Verdict.FOLLOW
