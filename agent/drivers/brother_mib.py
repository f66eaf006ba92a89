"""What Brother tells of supplies in its own MIB: the percentages that its Printer-MIB leaves at `some`. Pure and total.

brInfoMaintenance is a string of records: a code, 01, 04, and a number of four octets. Found out by the people of
BRN-Printer-sCounters-Info and bieniu/brother.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.drivers.printer_makes import enterprise_oid
from agent.drivers.printer_mib import Values
from agent.model import Supply

MAINTENANCE = enterprise_oid("2435.2.3.9.4.2.1.5.5.8.0")
RECORD_OCTETS = 7
FULL = 100

_HUNDREDTHS: Mapping[tuple[str, str | None], int] = {
    ("toner", "black"): 0x6F,
    ("toner", "cyan"): 0x70,
    ("toner", "magenta"): 0x71,
    ("toner", "yellow"): 0x72,
    ("opc", None): 0x41,
    ("opc", "black"): 0x80,
    ("opc", "cyan"): 0x79,
    ("opc", "magenta"): 0x7A,
    ("opc", "yellow"): 0x7B,
    ("transfer-unit", None): 0x69,
    ("fuser", None): 0x6A,
}
_TENS: Mapping[tuple[str, str | None], int] = {
    ("toner", "black"): 0x81,
    ("toner", "cyan"): 0x82,
    ("toner", "magenta"): 0x83,
    ("toner", "yellow"): 0x84,
}
"""Older models tell their toner in steps of ten percent."""

_KINDS = {"toner-cartridge": "toner", "ink": "toner", "ink-cartridge": "toner"}


def complete(supplies: tuple[Supply, ...], values: Values) -> tuple[Supply, ...]:
    """Give the supplies with the percentages of those whose level Printer-MIB doesn't tell."""
    told = dict(_records(values.get(MAINTENANCE)))
    return tuple(_completed(supply, told) for supply in supplies) if told else supplies


def _completed(supply: Supply, told: Mapping[int, int]) -> Supply:
    key = _KINDS.get(supply.supply_type, supply.supply_type), supply.colorant
    hundredths, percent = told.get(_HUNDREDTHS.get(key, -1)), told.get(_TENS.get(key, -1))
    level = percent if hundredths is None else round(hundredths / 100)
    if supply.level is not None or level is None or level > FULL:
        return supply
    return replace(supply, unit="percent", level=level, max_capacity=FULL)


def _records(octets: object) -> Iterator[tuple[int, int]]:
    """Give each whole record's code and number."""
    if not isinstance(octets, bytes):
        return
    for at in range(0, len(octets) - RECORD_OCTETS + 1, RECORD_OCTETS):
        code, record = octets[at], octets[at : at + RECORD_OCTETS]
        if record[1:3] != b"\x01\x04":
            return
        yield code, int.from_bytes(record[3:], "big")
