"""One status out of several sources, and who told what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.merge import lacks, merge
from agent.model import Capabilities, Identity, PrinterState, PrinterStatus, Reading, Supply

TONER = Supply("Black", "toner", level=1, max_capacity=2)
SOME_TONER = Supply("Black Toner", "toner")
PDF = Capabilities(("application/pdf",))
IPP = Reading(Identity(uuid="u"), PrinterStatus(PrinterState.IDLE, ("media-low-warning",)))
SNMP = Reading(
    Identity(serial="CN1234"),
    PrinterStatus(PrinterState.STOPPED, ("media-jam-error",), supplies=(TONER,), impressions_completed=7),
    PDF,
)


def reading(**status: object) -> Reading:
    """Give a reading of an idle printer."""
    return Reading(Identity(), PrinterStatus(**{"state": PrinterState.IDLE, **status}))  # type: ignore[arg-type]


def test_each_field_comes_from_the_best_source_that_tells_it() -> None:
    """And which that was is told with it."""
    merged = merge([("ipp", IPP), ("snmp", SNMP)])
    assert merged.status == PrinterStatus(
        PrinterState.IDLE,
        ("media-low-warning",),
        supplies=(TONER,),
        impressions_completed=7,
        sources=(
            ("state", "ipp"),
            ("state_reasons", "ipp"),
            ("supplies", "snmp"),
            ("impressions_completed", "snmp"),
        ),
    )
    assert (merged.identity, merged.capabilities) == (Identity(uuid="u", serial="CN1234"), PDF)


def test_the_queue_comes_from_whoever_tells_it() -> None:
    """A source that tells all else may say nothing of it."""
    first, second = reading(supplies=(TONER,), impressions_completed=9), reading(queued_job_count=4)
    assert merge([("snmp", first), ("ipp", second)]).status.queued_job_count == 4


def test_state_and_reasons_come_from_one_source() -> None:
    """Where the first doesn't know its state, its silence about reasons says nothing either."""
    status = merge([("snmp", reading(state=PrinterState.UNKNOWN)), ("ledm", SNMP)]).status
    assert (status.state, status.state_reasons) == (PrinterState.STOPPED, ("media-jam-error",))
    assert dict(status.sources)["state"] == "ledm"


def test_levels_go_before_a_list_without_levels() -> None:
    """A Brother says `some` by one protocol, and how much by another."""
    first, second = reading(supplies=(SOME_TONER,)), reading(supplies=(TONER,))
    assert merge([("ipp", first), ("snmp", second)]).status.supplies == (TONER,)
    assert merge([("ipp", first), ("snmp", first)]).status.sources[-1] == ("supplies", "ipp")


def test_a_counter_in_sheets_is_not_mixed_with_anothers_impressions() -> None:
    """One source counts, or the two would drift apart."""
    first, second = reading(media_sheets_completed=5), reading(impressions_completed=9)
    status = merge([("snmp", first), ("ledm", second)]).status
    assert (status.impressions_completed, status.media_sheets_completed) == (None, 5)


def test_counters_by_kind_come_from_whoever_tells_them() -> None:
    """IPP tells the total alone, and HP's own protocols what was in colour and on both sides."""
    first, second = (
        reading(impressions_completed=9),
        reading(impressions_completed=8, color_impressions=3, duplex_sheets=1),
    )
    status = merge([("ipp", first), ("ledm", second)]).status
    assert (status.impressions_completed, status.color_impressions, status.duplex_sheets) == (9, 3, 1)


def test_what_another_printer_tells_is_left_out() -> None:
    """Whoever answers at another port need not be the same."""
    other = Reading(Identity(uuid="another"), SNMP.status)
    assert merge([("ipp", IPP), ("snmp", other)]) == merge([("ipp", IPP)])


def test_what_nobody_tells_has_no_source() -> None:
    """Unknown is unknown."""
    nothing = Reading(Identity(), PrinterStatus())
    assert merge([("ipp", nothing), ("snmp", nothing)]) == nothing


@pytest.mark.parametrize(
    ("told", "is_lacking"),
    [
        (SNMP, False),
        (IPP, True),
        (reading(supplies=(SOME_TONER,), impressions_completed=1), True),
        (reading(supplies=(TONER,), media_sheets_completed=1), False),
        (reading(state=PrinterState.UNKNOWN, supplies=(TONER,), impressions_completed=1), True),
    ],
)
def test_it_is_known_whether_a_further_source_could_help(told: Reading, is_lacking: bool) -> None:
    """A printer is not asked twice for what it has told."""
    assert lacks(told) is is_lacking


@given(
    st.lists(
        st.builds(
            PrinterStatus,
            state=st.sampled_from(PrinterState),
            state_reasons=st.sampled_from([(), ("media-jam-error",)]),
            supplies=st.sampled_from([(), (TONER,), (SOME_TONER,)]),
            impressions_completed=st.sampled_from([None, 0, 7]),
            media_sheets_completed=st.sampled_from([None, 3]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_nothing_is_told_that_no_source_has_told(statuses: list[PrinterStatus]) -> None:
    """However many tell how much: each field is one source's, named, and the merged reading lacks what all lack."""
    told = [(str(number), Reading(Identity(), status)) for number, status in enumerate(statuses)]
    merged = merge(told)
    assert all(
        getattr(merged.status, field) == getattr(statuses[int(driver)], field)
        for field, driver in merged.status.sources
    )
    assert not lacks(merged) or all(lacks(reading) for _, reading in told)
