"""From Printer-MIB's values to a `PrinterStatus`: state, reasons, supplies, counters. Pure and total."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from agent.drivers import brother_mib
from agent.drivers import printer_keywords as keywords
from agent.drivers import printer_mib as mib
from agent.drivers.printer_makes import OWN_COUNTERS
from agent.drivers.printer_mib import Row, Values, cell, number, quantity, rows, text
from agent.drivers.printer_parts import open_covers, parse_console, parse_trays
from agent.model import PrinterState, PrinterStatus, Supply, SupplyClass

MOST_SUPPLIES = 64
MOST_REASONS = 32
LONGEST_DESCRIPTION = 255
FULL_PERCENT = 100
FIRST_BIT = 0x80

IMPRESSIONS, SHEETS = "impressions", "sheets"
RECEPTACLE = 4
DEVICE_DOWN = 5
STATUS_OTHER, STATUS_IDLE, STATUS_PRINTING, STATUS_WARMUP = 1, 3, 4, 5
OPEN = frozenset({"door-open", "cover-open", "interlock-open"})
STOPPING = frozenset(
    {"media-jam-error", "door-open-error", "cover-open-error", "interlock-open-error", "offline-error"}
)

_SEVERITIES = ("error", "warning")
_RESTING = re.compile(r"(?i)\b(sleep|power.?sav|energy.?sav|ready|idle|standby|warming)")

_TYPES_BY_WORD = (
    (r"waste.*\bink\b|maintenance (box|tank|cartridge)", "waste-ink"),
    (r"waste", "waste-toner"),
    (r"\bdrum|imaging unit|photoconductor", "opc"),
    (r"developer", "developer"),
    (r"fus(er|ing)", "fuser"),
    (r"transfer", "transfer-unit"),
    (r"\btoner", "toner"),
    (r"\bink\b", "ink"),
    (r"staple", "staples"),
    (r"belt|roller|\bkit\b|\bpad\b|filter", "other"),
)
_PART_CODE = re.compile(r"[A-Z]{2,3}-?\d{3,5}([KCMY])")
_COLORANT_BY_LETTER = {"K": "black", "C": "cyan", "M": "magenta", "Y": "yellow"}


def parse_status(values: Values) -> PrinterStatus:
    """Tell what the values say of the printer's state now; what they don't say is unknown."""
    supplies = parse_supplies(values)
    reasons = _reasons(values, supplies)
    impressions, sheets = _counter(values, IMPRESSIONS), _counter(values, SHEETS)
    return PrinterStatus(
        state=_state(values, reasons),
        state_reasons=reasons,
        supplies=supplies,
        impressions_completed=_own_count(values) if impressions is sheets is None else impressions,
        media_sheets_completed=sheets,
        state_message=parse_console(values),
        trays=parse_trays(values),
    )


def parse_supplies(values: Values) -> tuple[Supply, ...]:
    """Read prtMarkerSuppliesTable in order of index; rows without a description or a type are no supplies."""
    colorants = {index: text(row.get(mib.COLORANT_VALUE)) for index, row in rows(values, mib.COLORANTS).items()}
    found = [
        _supply(row, colorants.get((index[0], number(row.get(mib.SUPPLY_COLORANT_INDEX)) or 0)))
        for index, row in rows(values, mib.SUPPLIES).items()
        if row.get(mib.SUPPLY_DESCRIPTION) or row.get(mib.SUPPLY_TYPE)
    ]
    return brother_mib.complete(tuple(found[:MOST_SUPPLIES]), values)


def _supply(row: Row, colorant: str | None) -> Supply:
    description = text(row.get(mib.SUPPLY_DESCRIPTION), longest=LONGEST_DESCRIPTION) or ""
    supply_type = _supply_type(row, description)
    supply_class = _supply_class(row, supply_type)
    unit = keywords.UNITS.get(number(row.get(mib.SUPPLY_UNIT)) or 0)
    level = quantity(row.get(mib.SUPPLY_LEVEL))
    capacity = quantity(row.get(mib.SUPPLY_MAX_CAPACITY)) or None
    if capacity is None and unit == "percent" and level is not None and level <= FULL_PERCENT:
        capacity = FULL_PERCENT
    shown = None if supply_class == "receptacle" else _colorant(colorant, description)
    return Supply(
        description=description or keywords.describe_supply(shown, supply_type),
        supply_type=supply_type,
        supply_class=supply_class,
        colorant=shown,
        unit=unit,
        level=level,
        max_capacity=capacity,
    )


def _supply_type(row: Row, description: str) -> str:
    """Name the type; where the printer gives none, by the description's words."""
    if told := keywords.SUPPLY_TYPES.get(number(row.get(mib.SUPPLY_TYPE)) or 0):
        return told
    by_word = (name for pattern, name in _TYPES_BY_WORD if re.search(pattern, description, re.IGNORECASE))
    return next(by_word, "unknown")


def _supply_class(row: Row, supply_type: str) -> SupplyClass:
    is_receptacle = row.get(mib.SUPPLY_CLASS) == RECEPTACLE or supply_type.startswith("waste-")
    return "receptacle" if is_receptacle else "consumed"


def _colorant(told: str | None, description: str) -> str | None:
    """Name the colour: as the colorant table has it, else by the description's words, else by a part code's letter."""
    for source in (told, description):
        if found := keywords.find_colorant(source or ""):
            return found
    code = _PART_CODE.fullmatch(description)
    return _COLORANT_BY_LETTER[code[1]] if code else None


def _counter(values: Values, unit: str) -> int | None:
    """Give the life count of the printer's first marker that tells one, if it counts in this unit."""
    for marker in rows(values, mib.MARKERS).values():
        count = quantity(marker.get(mib.PRT_MARKER_LIFE_COUNT))
        if count is not None:
            told = keywords.UNITS.get(number(marker.get(mib.PRT_MARKER_COUNTER_UNIT)) or 0)
            return count if told == unit else None
    return None


def _own_count(values: Values) -> int | None:
    """Give what the maker's own counter of everything printed says."""
    return next((told for name in OWN_COUNTERS if (told := quantity(values.get(name))) is not None), None)


def _state(values: Values, reasons: tuple[str, ...]) -> PrinterState:
    """Weigh hrPrinterStatus against hrDeviceStatus and what is wrong (RFC 3805 §2.2.13.2).

    Without hrPrinterStatus nobody knows whether an untroubled printer prints. `other` is what a printer says that
    sleeps, and one that has stopped.
    """
    status = number(mib.printer_row(values, mib.HR_PRINTERS).get(mib.HR_PRINTER_STATUS))
    is_down = cell(values, mib.DEVICES, mib.HR_DEVICE_STATUS, mib.printer_index(values)) == DEVICE_DOWN
    if status == STATUS_WARMUP or (status == STATUS_PRINTING and not is_down):
        return PrinterState.PROCESSING
    if is_down or any(_stops(reason, status) for reason in reasons):
        return PrinterState.STOPPED
    return PrinterState.IDLE if status in (STATUS_OTHER, STATUS_IDLE) else PrinterState.UNKNOWN


def _stops(reason: str, status: int | None) -> bool:
    """Whether nothing can be printed: one that says it is idle may have another tray or cartridge."""
    return reason in STOPPING if status == STATUS_IDLE else reason.endswith("-error")


def _reasons(values: Values, supplies: Iterable[Supply]) -> tuple[str, ...]:
    """Gather what is wrong from error bits, alerts and covers, each keyword once with its worst severity."""
    worst: dict[str, str] = {}
    for keyword, severity in (*_detected_errors(values, supplies), *_alerts(values)):
        known = worst.get(keyword, severity)
        worst[keyword] = min(known, severity, key=_SEVERITIES.index)
    if not worst.keys() & OPEN:
        worst |= dict(open_covers(values))
    return tuple(f"{keyword}-{severity}" for keyword, severity in worst.items())[:MOST_REASONS]


def _detected_errors(values: Values, supplies: Iterable[Supply]) -> Iterator[tuple[str, str]]:
    """Read hrPrinterDetectedErrorState: one or two bytes, bit 0 the most significant of the first."""
    state = mib.printer_row(values, mib.HR_PRINTERS).get(mib.HR_PRINTER_DETECTED_ERROR_STATE)
    if not isinstance(state, bytes):
        return
    words = keywords.SUPPLY_WORDS if _uses_ink(supplies) else {}
    for bit, (keyword, severity) in enumerate(keywords.DETECTED_ERRORS):
        if bit // 8 < len(state) and state[bit // 8] & FIRST_BIT >> bit % 8:
            yield words.get(keyword, keyword), severity


def _uses_ink(supplies: Iterable[Supply]) -> bool:
    return any(supply.supply_type.startswith(("ink", "solid-wax", "ribbon-wax")) for supply in supplies)


def _alerts(values: Values) -> Iterator[tuple[str, str]]:
    """Read the faults out of prtAlertTable, which also holds events, idle messages and rows that mean nothing."""
    for row in rows(values, mib.ALERTS).values():
        severity = keywords.SEVERITIES.get(number(row.get(mib.ALERT_SEVERITY)) or 0)
        keyword = _alert_keyword(row)
        if severity == "error" and keyword is None and not _is_no_fault(row):
            yield "other", severity
        elif severity and keyword:
            yield keyword, severity


def _alert_keyword(row: Row) -> str | None:
    """Name the fault; None for what is none, and for a vendor's own code."""
    code = number(row.get(mib.ALERT_CODE)) or 0
    group = number(row.get(mib.ALERT_GROUP)) or 0
    return keywords.GROUPED_ALERTS.get((code, group)) or keywords.ALERTS.get(code)


def _is_no_fault(row: Row) -> bool:
    """Whether a row that claims to be critical only tells of a change, of rest, or has no words at all."""
    description = text(row.get(mib.ALERT_DESCRIPTION))
    is_event = row.get(mib.ALERT_CODE) in keywords.EVENTS
    return is_event or description is None or bool(_RESTING.search(description))
