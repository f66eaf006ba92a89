"""Marker supplies from IPP: marker-* (one list for each property) and printer-supply (PWG 5100.13). Pure and total.

marker-levels are percent and tell how full a waste receptacle is; printer-supply has the Printer-MIB's units and tells
the room left in it, as `Supply.level` does.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, zip_longest

from agent.drivers.ipp_values import Attributes, hyphenated, parse_fields, parse_quantity
from agent.drivers.printer_keywords import describe_supply, find_colorant
from agent.model import Supply, SupplyClass

FULL = 100
MOST_SUPPLIES = 64

COLORANTS_BY_RGB = {"#000000": "black", "#00ffff": "cyan", "#ff00ff": "magenta", "#ffff00": "yellow"}
"""The marker-colors that are one colorant."""


def parse_supplies(printer: Attributes) -> tuple[Supply, ...]:
    """Give the supplies of a printer attributes group, by both of its descriptions where they are of one length.

    marker-* names and measures them; printer-supply tells their class and colorant, and stands in for what is unknown.
    """
    listed = _parse_printer_supply(printer)
    count = max(len(printer.values(name)) for name in ("marker-names", "marker-levels"))
    if not count:
        return listed
    rows = zip_longest(
        printer.texts("marker-names"),
        printer.texts("marker-types"),
        printer.texts("marker-colors"),
        printer.integers("marker-levels"),
        listed if len(listed) == count else (),
    )
    return tuple(
        _marker(name or "", type_ or "", color or "", level, partner)
        for name, type_, color, level, partner in islice(rows, min(count, MOST_SUPPLIES))
    )


def _marker(name: str, type_: str, color: str, level: int | None, listed: Supply | None) -> Supply:
    supply_type = hyphenated(type_) or (listed.supply_type if listed else "unknown")
    supply_class: SupplyClass = listed.supply_class if listed else _class(supply_type, "")
    colorant = (listed.colorant if listed else None) or _colorant(name) or _colorant(color)
    description = name or (listed.description if listed else "") or describe_supply(colorant, supply_type)
    supply = Supply(description, supply_type, supply_class, colorant, "percent", None, FULL)
    if level is not None and 0 <= level <= FULL:
        return replace(supply, level=FULL - level if supply_class == "receptacle" else level)
    if listed is not None:
        return replace(supply, unit=listed.unit, level=listed.level, max_capacity=listed.max_capacity)
    return supply


def _parse_printer_supply(printer: Attributes) -> tuple[Supply, ...]:
    texts = printer.texts("printer-supply")[:MOST_SUPPLIES]
    descriptions = printer.texts("printer-supply-description")[: len(texts)]
    pairs = zip_longest(texts, descriptions, fillvalue="")
    return tuple(_parse_supply(text, description) for text, description in pairs if "=" in text)


def _parse_supply(text: str, description: str) -> Supply:
    """Read `type=toner;maxcapacity=100;level=25;class=supplyThatIsConsumed;unit=percent;colorantname=black;`."""
    fields = parse_fields(text)
    supply_type = hyphenated(fields.get("type", "")) or "unknown"
    colorant = _colorant(fields.get("colorantname", "")) or _colorant(description)
    unit = hyphenated(fields.get("unit", "")) or None
    return Supply(
        description=description or describe_supply(colorant, supply_type),
        supply_type=supply_type,
        supply_class=_class(supply_type, fields.get("class", "")),
        colorant=colorant,
        unit=unit,
        level=parse_quantity(fields.get("level")),
        max_capacity=parse_quantity(fields.get("maxcapacity")) or (FULL if unit == "percent" else None),
    )


def _class(supply_type: str, text: str) -> SupplyClass:
    is_receptacle = "receptacle" in text.lower() or supply_type.startswith("waste")
    return "receptacle" if is_receptacle else "consumed"


def _colorant(text: str) -> str | None:
    """Find a colorant in a name or an RGB value."""
    return COLORANTS_BY_RGB.get(text.lower()) or find_colorant(text)
