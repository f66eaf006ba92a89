"""Faults out of IPP's printer-alert (PWG 5100.9), which some printers tell only there. Pure and total.

A value is `code=coverOpen;severity=critical;group=cover;`. The list holds events and idle messages as well, and some
printers write a bare word: what isn't a known fault of a known severity is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from agent.drivers.ipp_values import Attributes, hyphenated, parse_fields
from agent.drivers.printer_keywords import ALERTS, GROUPED_ALERTS

SEVERITIES = {"critical": "error", "warning": "warning", "warning-binary-change-event": "warning"}

FAULTS = frozenset((*ALERTS.values(), *GROUPED_ALERTS.values()))

_OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "jam": "media-jam",
        "input-media-supply-low": "media-low",
        "input-media-supply-empty": "media-empty",
        "input-media-tray-missing": "input-tray-missing",
        "output-media-tray-missing": "output-tray-missing",
        "output-media-tray-almost-full": "output-area-almost-full",
        "output-media-tray-full": "output-area-full",
        "marker-toner-empty": "toner-empty",
        "marker-toner-almost-empty": "toner-low",
        "marker-opc-almost-empty": "opc-near-eol",
        "marker-opc-life-over": "opc-life-over",
        "marker-developer-almost-empty": "developer-low",
        "marker-developer-empty": "developer-empty",
    }
)
"""PrtAlertCodeTC's names where the keyword of printer-state-reasons is another."""


def parse_alerts(printer: Attributes) -> Iterator[str]:
    """Give the faults as printer-state-reasons."""
    for text in printer.texts("printer-alert"):
        fields = parse_fields(text)
        code, severity = hyphenated(fields.get("code", "")), hyphenated(fields.get("severity", ""))
        keyword = _OTHER_NAMES.get(code, code)
        if keyword in FAULTS and severity in SEVERITIES:
            yield f"{keyword}-{SEVERITIES[severity]}"
