"""A printer in PrintOS's words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from agent.device_report import DeviceReport
from agent.job import Job
from agent.model import Printer, PrinterState, timestamp

# RFC 8011 5.4.12 and PWG 5100.9: what stops printing, where the keyword comes without a severity.
STOPPING_REASONS = frozenset(
    {
        "cover-open",
        "door-open",
        "fuser-over-temp",
        "fuser-under-temp",
        "input-tray-missing",
        "interlock-open",
        "marker-supply-empty",
        "marker-waste-full",
        "media-empty",
        "media-jam",
        "media-needed",
        "opc-life-over",
        "output-area-full",
        "output-tray-missing",
        "stopped-partly",
        "toner-empty",
    }
)
OF_ONE_OF_SEVERAL = frozenset(
    {
        "input-tray-missing",
        "marker-supply-empty",
        "media-empty",
        "media-needed",
        "output-area-full",
        "output-tray-missing",
        "toner-empty",
    }
)
"""What a printer that says it is idle can print without: it has another tray or cartridge."""

PrintTime = Literal["utc", "utc-named", "local"]
"""In whose time `printTimeComplete` is: UTC's without a zone, the same with its `Z`, or this box's without a zone."""

GOING_OFF = frozenset({"shutdown", "shutdown-report", "shutdown-warning", "shutdown-error"})
PAUSED = frozenset({"moving-to-paused", "paused"})


def device_status(report: DeviceReport) -> str:
    """Give the platform's `deviceStatus`: DS_OFF, DS_ERROR, DS_RIPPING, DS_PRINTING, DS_STANDBY or DS_ON."""
    printer, status = report.printer, report.printer.status
    reasons = set(status.state_reasons)
    if not printer.online or reasons & GOING_OFF:
        return "DS_OFF"
    if is_in_trouble(printer):
        return "DS_ERROR"
    if status.state is PrinterState.STOPPED or status.is_asleep:
        return "DS_STANDBY"
    if report.is_interpreting:
        return "DS_RIPPING"
    return "DS_PRINTING" if status.state is PrinterState.PROCESSING else "DS_ON"


def is_in_trouble(printer: Printer) -> bool:
    """Whether a printer waits for somebody to put something right; one that a person has only paused doesn't."""
    state, plain = printer.status.state, {_plain(reason) for reason in printer.status.state_reasons}
    stopping = {_plain(reason) for reason in printer.status.state_reasons if _stops(reason)}
    if state is PrinterState.IDLE:
        stopping -= OF_ONE_OF_SEVERAL
    return bool(stopping) or (state is PrinterState.STOPPED and not plain & PAUSED)


def state_word(report: DeviceReport) -> str:
    """Give the OpenAPI dialect's free `status`: RFC 8011's printer-state keyword, or `offline`."""
    return report.printer.status.state.keyword if report.printer.online else "offline"


def metrics(printer: Printer) -> dict[str, Any]:
    """Give the OpenAPI dialect's metrics, each left out where it is unknown.

    `pagesTotal` is impressions, else sheets; `inkLevel` the lowest percent of the supplies that are consumed.
    """
    status = printer.status
    pages = status.media_sheets_completed if status.impressions_completed is None else status.impressions_completed
    levels = [supply.percent for supply in status.supplies if supply.supply_class == "consumed"]
    known = [level for level in levels if level is not None]
    return _known({"pagesTotal": pages, "inkLevel": min(known, default=None)})


def platform_status(
    report: DeviceReport, *, print_time: PrintTime = "utc", extended: Collection[str] = ()
) -> dict[str, Any]:
    """Give the platform's whole status; `extended` names what its `extendedInformation` has."""
    details = {name: write(report) for name, write in EXTENDED.items() if name in extended}
    told = {
        "deviceStatus": device_status(report),
        "totalJobs": report.jobs,
        "printTimeComplete": None if report.complete_at is None else _written(report.complete_at, print_time),
        "extendedInformation": details or None,
    }
    return _known(told)


def _written(moment: datetime, print_time: PrintTime) -> str:
    """Write a moment, to the second; HP's sample names no zone, and its documents don't say whose time it is."""
    zone = None if print_time == "local" else UTC
    suffix = "Z" if print_time == "utc-named" else ""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S") + suffix


def _supplies(report: DeviceReport) -> list[dict[str, Any]]:
    return [
        _known(
            {
                "description": supply.description,
                "type": supply.supply_type,
                "colorant": supply.colorant,
                "percent": supply.percent,
            }
        )
        for supply in report.printer.status.supplies
    ]


def _counters(report: DeviceReport) -> dict[str, Any]:
    status = report.printer.status
    return _known({"impressions": status.impressions_completed, "sheets": status.media_sheets_completed})


def _media(report: DeviceReport) -> list[dict[str, Any]]:
    return [
        _known({"tray": tray.name, "media": tray.media, "percent": tray.percent})
        for tray in report.printer.status.trays
    ]


def _jobs(report: DeviceReport) -> list[dict[str, Any]]:
    return [_job(job) for job in report.latest]


def _job(job: Job) -> dict[str, Any]:
    told = {
        "name": job.shown_name,
        "state": job.state.keyword,
        "copies": job.options.copies,
        "impressions": job.impressions_completed,
        "updatedAt": timestamp(job.updated_at),
    }
    return _known(told)


EXTENDED: Mapping[str, Callable[[DeviceReport], Any]] = MappingProxyType(
    {"supplies": _supplies, "counters": _counters, "media": _media, "jobs": _jobs}
)
"""What `extendedInformation` can have, and what writes it."""


def _known(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _plain(reason: str) -> str:
    return reason.removesuffix("-error").removesuffix("-warning").removesuffix("-report")


def _stops(reason: str) -> bool:
    """Whether a printer-state-reason is an error: by its suffix, else by its keyword."""
    return reason.endswith("-error") or reason in STOPPING_REASONS
