"""Input trays from IPP: printer-input-tray (PWG 5100.13). Pure and total."""

from __future__ import annotations

from agent.drivers.ipp_values import Attributes, parse_fields, parse_quantity
from agent.model import Tray

MOST_TRAYS = 32
AUTO = "other"
"""The type of what stands for whichever tray fits."""


def parse_trays(printer: Attributes) -> tuple[Tray, ...]:
    """Give the trays that are real and have a name."""
    listed = (parse_fields(text) for text in printer.texts("printer-input-tray"))
    found = (
        Tray(
            name=fields["name"],
            level=parse_quantity(fields.get("level")),
            max_capacity=parse_quantity(fields.get("maxcapacity")) or None,
        )
        for fields in listed
        if fields.get("name") and fields.get("type") != AUTO
    )
    return tuple(found)[:MOST_TRAYS]
