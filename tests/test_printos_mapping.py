"""A printer is told to PrintOS in PrintOS's words."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from agent.config_clouds import PrintosConfig
from agent.device_report import DeviceReport
from agent.job import Document, Job, JobOptions, JobState
from agent.model import PrinterState, PrinterStatus, Supply, Tray
from agent.printos.mapping import EXTENDED, PrintTime, device_status, metrics, platform_status, state_word
from tests.printos_parts import a_press
from tests.recorded_truth import IPP, SNMP

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
IDLE, PROCESSING, STOPPED, UNKNOWN = (
    PrinterState.IDLE,
    PrinterState.PROCESSING,
    PrinterState.STOPPED,
    PrinterState.UNKNOWN,
)


def a_report(status: PrinterStatus, *, online: bool = True, **facts: Any) -> DeviceReport:
    """Report on a press of this status."""
    return DeviceReport(a_press(status=status, online=online), **facts)


@pytest.mark.parametrize(
    ("state", "reasons", "word"),
    [
        (IDLE, (), "DS_ON"),
        (UNKNOWN, (), "DS_ON"),
        (PROCESSING, (), "DS_PRINTING"),
        (PROCESSING, ("toner-low-warning",), "DS_PRINTING"),
        (PROCESSING, ("media-empty-warning",), "DS_PRINTING"),
        (PROCESSING, ("media-jam",), "DS_ERROR"),
        (PROCESSING, ("media-needed-error",), "DS_ERROR"),
        (IDLE, ("door-open-error",), "DS_ERROR"),
        (IDLE, ("vendor-thing-error",), "DS_ERROR"),
        (IDLE, ("media-empty-error", "marker-supply-empty"), "DS_ON"),
        (UNKNOWN, ("media-empty-error",), "DS_ERROR"),
        (STOPPED, (), "DS_ERROR"),
        (STOPPED, ("paused",), "DS_STANDBY"),
        (STOPPED, ("paused", "media-jam-error"), "DS_ERROR"),
        (IDLE, ("standby",), "DS_STANDBY"),
        (IDLE, ("power-saver",), "DS_STANDBY"),
        (PROCESSING, ("deep-sleep",), "DS_STANDBY"),
        (IDLE, ("shutdown",), "DS_OFF"),
    ],
)
def test_state_and_reasons_give_one_word(state: PrinterState, reasons: tuple[str, ...], word: str) -> None:
    """What an idle printer lacks in one tray is no error, whom a person has paused is none either."""
    assert device_status(a_report(PrinterStatus(state=state, state_reasons=reasons))) == word


def test_a_printer_that_is_off_is_off_whatever_it_said_last() -> None:
    """Its last status is kept, and means nothing."""
    last = PrinterStatus(state=PROCESSING, state_reasons=("media-jam-error",))
    assert device_status(a_report(last, online=False)) == "DS_OFF"
    assert state_word(a_report(last, online=False)) == "offline"


def test_a_panel_that_shows_sleep_is_standby() -> None:
    """Where no reason tells, what the panel says does."""
    assert device_status(a_report(PrinterStatus(state=IDLE, state_message="Sleep mode on"))) == "DS_STANDBY"


def test_a_job_whose_pages_are_being_made_is_ripping() -> None:
    """Only where the printer has no trouble."""
    busy = PrinterStatus(state=PROCESSING)
    assert device_status(a_report(busy, is_interpreting=True)) == "DS_RIPPING"
    jammed = replace(busy, state_reasons=("media-jam-error",))
    assert device_status(a_report(jammed, is_interpreting=True)) == "DS_ERROR"


@pytest.mark.parametrize("truth", [*IPP.values(), *SNMP.values()], ids=[*IPP, *SNMP])
def test_no_recorded_printer_is_in_trouble(truth: Any) -> None:
    """All were fit to print when they were recorded, whatever they warned of."""
    state = next(state for state in PrinterState if state.keyword == truth.state)
    assert device_status(a_report(PrinterStatus(state=state, state_reasons=truth.reasons))) == "DS_ON"


def test_openapi_speaks_rfc_8011() -> None:
    """Its free status is the printer-state keyword; its level is the lowest of what is consumed."""
    assert state_word(DeviceReport(a_press())) == "idle"
    assert metrics(a_press()) == {"pagesTotal": 1234, "inkLevel": 60.0}


def test_sheets_stand_in_for_impressions() -> None:
    """Where only sheets are known, they are the pages."""
    assert metrics(a_press(status=PrinterStatus(media_sheets_completed=7))) == {"pagesTotal": 7}


def test_the_end_is_told_in_utc_without_a_zone() -> None:
    """As HP's sample writes it; where it isn't known it is left out."""
    east = timezone(timedelta(hours=2))
    told = platform_status(DeviceReport(a_press(), jobs=2, complete_at=NOON.astimezone(east)))
    assert told == {"deviceStatus": "DS_ON", "totalJobs": 2, "printTimeComplete": "2026-01-02T12:00:00"}
    assert "printTimeComplete" not in platform_status(DeviceReport(a_press()))


@pytest.mark.parametrize(
    ("print_time", "written"), [("utc-named", "2026-01-02T12:00:00Z"), ("local", "2026-01-02T14:30:00")]
)
def test_the_end_may_be_told_with_a_zone_or_in_the_time_of_this_box(
    monkeypatch: pytest.MonkeyPatch, print_time: PrintTime, written: str
) -> None:
    """HP's documents do not say whose time it is."""
    monkeypatch.setenv("TZ", "EAST-2:30")
    time.tzset()
    told = platform_status(DeviceReport(a_press(), complete_at=NOON), print_time=print_time)
    monkeypatch.undo()
    time.tzset()
    assert told["printTimeComplete"] == written


def a_job(**changes: Any) -> Job:
    """Give a job that has been printed."""
    job = Job(
        id="order-17",
        printer_id="p",
        state=JobState.COMPLETED,
        document=Document(Path("d"), 1, "application/pdf"),
        received_at=NOON,
        updated_at=NOON,
        name="Order 17",
        options=JobOptions(copies=2),
        impressions_completed=4,
    )
    return replace(job, **changes)


def test_extended_information_has_what_is_asked_for_and_no_more() -> None:
    """Each part in a shape that is documented; a job with a PIN is named by its id."""
    status = PrinterStatus(
        supplies=(Supply("Black", "toner", colorant="black", level=60, max_capacity=100),),
        trays=(Tray("Tray 1", "iso_a4_210x297mm", level=50, max_capacity=100), Tray("Tray 2")),
        impressions_completed=7,
    )
    report = a_report(status, latest=(a_job(), a_job(has_pin=True)))
    job = {"name": "Order 17", "state": "completed", "copies": 2, "impressions": 4, "updatedAt": "2026-01-02T12:00:00Z"}
    whole = {
        "supplies": [{"description": "Black", "type": "toner", "colorant": "black", "percent": 60.0}],
        "counters": {"impressions": 7},
        "media": [{"tray": "Tray 1", "media": "iso_a4_210x297mm", "percent": 50.0}, {"tray": "Tray 2"}],
        "jobs": [job, {**job, "name": "order-17"}],
    }
    assert platform_status(report, extended=tuple(whole))["extendedInformation"] == whole
    assert platform_status(report, extended=("counters",))["extendedInformation"] == {"counters": {"impressions": 7}}
    assert "extendedInformation" not in platform_status(report)
    assert json.dumps(whole)


def test_the_configuration_names_what_there_is() -> None:
    """The words of `extended_information` are those that can be told."""
    kind = get_type_hints(PrintosConfig)["extended_information"]
    assert get_args(get_args(kind)[0]) == tuple(EXTENDED)
