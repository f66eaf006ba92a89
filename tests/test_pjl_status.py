"""What follows for a job from what its printer says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.pjl_status import Listener
from agent.job import JobReading, JobState

TOKEN = "0123456789ab-1"
START = f'@PJL USTATUS JOB\r\nSTART\r\nNAME="Order 17 {TOKEN}"\r\n\f'
END = f'@PJL USTATUS JOB\r\nEND\r\nNAME="Order 17 {TOKEN}"\r\nPAGES=3\r\n\f'
CANCELED = "@PJL USTATUS JOB\r\nCANCELED\r\n\f"
OTHERS_START, OTHERS_END = START.replace("ab-1", "ab-2"), END.replace("ab-1", "ab-2")


def page(number: int) -> str:
    """Give the word that a page is out."""
    return f"@PJL USTATUS PAGE\r\n{number}\r\n\f"


def device(code: int, online: str | None, display: str = "SOMETHING") -> str:
    """Give a word on the printer itself."""
    tail = "" if online is None else f"ONLINE={online}\r\n"
    return f'@PJL USTATUS DEVICE\r\nCODE={code}\r\nDISPLAY="{display}"\r\n{tail}\f'


def told(*words: str, is_whole: bool = True) -> JobReading:
    """Give the job as it is when these words have come."""
    listener = Listener(TOKEN)
    listener.is_whole = is_whole
    for word in words:
        listener.feed(word.encode())
    return listener.told.reading()


def test_a_job_is_queued_then_prints_and_is_completed_by_its_own_end() -> None:
    """Its pages are counted on the way."""
    assert told() == JobReading(JobState.PROCESSING, TOKEN, ("job-queued",))
    assert told(START, page(1), page(2)) == JobReading(JobState.PROCESSING, TOKEN, ("job-printing",), 2)
    assert told(START, page(1), END) == JobReading(JobState.COMPLETED, TOKEN, ("job-completed-successfully",), 3)


def test_the_end_of_another_job_ends_nothing() -> None:
    """Nor do its pages count, nor an end without a name."""
    unnamed = "@PJL USTATUS JOB\r\nEND\r\nPAGES=9\r\n\f"
    reading = told(OTHERS_START, page(5), OTHERS_END, START, page(1), OTHERS_START, page(7), OTHERS_END, unnamed)
    assert (reading.state, reading.impressions_completed) == (JobState.PROCESSING, 1)


def test_an_end_before_the_whole_document_was_sent_is_no_end() -> None:
    """Nobody can have printed what is still here."""
    assert told(START, END, is_whole=False).state == JobState.PROCESSING


@pytest.mark.parametrize(
    ("result", "state", "reason"),
    [
        ("OK", JobState.COMPLETED, "job-completed-successfully"),
        ("USER_CANCELED", JobState.CANCELED, "job-canceled-at-device"),
        ("HOST_CANCELED", JobState.CANCELED, "job-canceled-by-operator"),
        ("RESOURCE_CANCELED", JobState.ABORTED, "resources-are-not-ready"),
        ("ELSE", JobState.ABORTED, "aborted-by-system"),
    ],
)
def test_the_result_tells_how_a_job_ended(result: str, state: JobState, reason: str) -> None:
    """Completed is only what the printer calls OK, or has no word for."""
    reading = told(START, END.replace("PAGES=3", f"PAGES=3\r\nRESULT={result}"))
    assert (reading.state, reading.state_reasons) == (state, (reason,))


def test_an_end_without_a_page_is_told_with_a_warning() -> None:
    """The printer's word is `completed`, but nothing seems to have come out."""
    assert told(START, END.replace("PAGES=3", "PAGES=0")).state_reasons == ("job-completed-with-warnings",)


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ((START, CANCELED, END), JobState.CANCELED),
        ((START, CANCELED.replace("CANCELED", "CANCELLED")), JobState.CANCELED),
        ((CANCELED.replace("\r\n\f", f'\r\nNAME="x {TOKEN}"\r\nRESULT=OK\r\n\f'),), JobState.CANCELED),
        ((START, OTHERS_START, CANCELED), JobState.PROCESSING),
        ((CANCELED,), JobState.PROCESSING),
        ((START, CANCELED.replace("\r\n\f", '\r\nNAME="x other-1"\r\n\f')), JobState.PROCESSING),
    ],
)
def test_a_cancel_at_the_panel_counts_for_the_job_that_it_is_about(words: tuple[str, ...], state: JobState) -> None:
    """Printers may leave its name out; then it is the one that they are at. The end behind it changes nothing."""
    assert told(*words).state == state


@pytest.mark.parametrize(
    ("code", "online", "reason"),
    [
        (40021, "FALSE", "cover-open-error"),
        (40022, "FALSE", "media-jam-error"),
        (42052, None, "media-jam-error"),
        (44001, "FALSE", "media-jam-error"),
        (41213, None, "media-needed-error"),
        (40010, "FALSE", "marker-supply-missing-error"),
        (15010, "FALSE", "output-area-full-error"),
        (10002, "FALSE", "offline-error"),
        (50001, None, "other-error"),
        (40099, "FALSE", "other-error"),
    ],
)
def test_a_printer_that_stands_still_stops_the_job_and_says_why(code: int, online: str | None, reason: str) -> None:
    """In PWG's words, with its own code and text in the message."""
    reading = told(START, device(code, online))
    assert (reading.state, reading.state_reasons) == (JobState.PROCESSING_STOPPED, ("printer-stopped", reason))
    assert reading.message == f"{code} SOMETHING"


@pytest.mark.parametrize(
    ("code", "online"), [(10006, "TRUE"), (10023, None), (11304, "TRUE"), (40038, "TRUE"), (15010, None), (35078, None)]
)
def test_a_printer_that_goes_on_stops_no_job(code: int, online: str | None) -> None:
    """Toner low, an empty tray beside a full one: warnings; and a jam that was cleared is over."""
    reading = told(START, device(40022, "FALSE"), device(code, online))
    assert (reading.state, reading.state_reasons, reading.message) == (JobState.PROCESSING, ("job-printing",), "")


@given(words=st.lists(st.sampled_from([OTHERS_START, OTHERS_END, page(9), device(40022, "FALSE"), "@PJL\f", "END\f"])))
def test_no_words_about_others_complete_a_job(words: list[str]) -> None:
    """Whatever their order: only its own name does."""
    assert told(START, *words).state in {JobState.PROCESSING, JobState.PROCESSING_STOPPED}


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes_are_listened_to(pieces: list[bytes]) -> None:
    """Without an error, and without an end."""
    listener = Listener(TOKEN)
    for piece in pieces:
        listener.feed(piece)
    assert listener.told.state is None
