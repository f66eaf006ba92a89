"""A printer in PrintOS's words. Pure."""

from __future__ import annotations

from typing import Any

from agent.model import Printer, PrinterState

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
SLEEPING_REASONS = frozenset({"hibernate", "power-save", "sleep", "sleeping", "standby", "suspend"})
STATE_WORDS = {PrinterState.PROCESSING: "DS_PRINTING", PrinterState.STOPPED: "DS_ERROR"}


def device_status(printer: Printer) -> str:
    """Give the platform's `deviceStatus`: DS_OFF, DS_ERROR, DS_PRINTING, DS_STANDBY or DS_ON."""
    if not printer.online:
        return "DS_OFF"
    if any(_stops(reason) for reason in printer.status.state_reasons):
        return "DS_ERROR"
    if printer.status.state in STATE_WORDS:
        return STATE_WORDS[printer.status.state]
    return "DS_STANDBY" if SLEEPING_REASONS & set(printer.status.state_reasons) else "DS_ON"


def state_word(printer: Printer) -> str:
    """Give the OpenAPI dialect's free `status`: RFC 8011's printer-state keyword, or `offline`."""
    return printer.status.state.keyword if printer.online else "offline"


def metrics(printer: Printer) -> dict[str, Any]:
    """Give the OpenAPI dialect's metrics, each left out where it is unknown.

    `pagesTotal` is impressions, else sheets; `inkLevel` the lowest percent of the supplies that are consumed.
    """
    status = printer.status
    pages = status.media_sheets_completed if status.impressions_completed is None else status.impressions_completed
    levels = [supply.percent for supply in status.supplies if supply.supply_class == "consumed"]
    known = [level for level in levels if level is not None]
    told = {"pagesTotal": pages, "inkLevel": min(known, default=None)}
    return {name: value for name, value in told.items() if value is not None}


def _stops(reason: str) -> bool:
    """Whether a printer-state-reason is an error: by its suffix, else by its keyword."""
    return reason.endswith("-error") or reason in STOPPING_REASONS
