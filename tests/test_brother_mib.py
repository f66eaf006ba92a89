"""Brother's own percentages, as two of its printers send them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers import printer_mib as mib
from agent.drivers.brother_mib import MAINTENANCE, complete
from agent.drivers.printer_status import parse_status
from agent.drivers.snmp_message import Oid, Value
from agent.model import Supply

HL_L2340DW = (
    "63010400000001 110104000003da 410104000023f0 31010400000001 6f010400001d4c 81010400000050 8601040000000a ff"
)
DCP_L3550CDW = (
    "790104000023f0 7a0104000023f0 7b0104000023f0 800104000023f0 700104000003e8 8201040000000a 71010400000320"
    "8301040000000a 720104000000c8 8401040000000a 6f010400000a28 8101040000001e 690104000025e4 6a0104000025e4 ff"
)
OLD = "81010400000050 8201040000001e ff"


def toner(colorant: str | None, level: int | None = None) -> Supply:
    """Give a toner cartridge as Brother's Printer-MIB has it."""
    return Supply(f"{colorant} Toner Cartridge", "toner", colorant=colorant, unit="tenths-of-grams", level=level)


@pytest.mark.parametrize(
    ("told", "percents"),
    [(HL_L2340DW, [75, None, None, None]), (DCP_L3550CDW, [26, 10, 8, 2]), (OLD, [80, 30, None, None])],
)
def test_toner_is_told_in_percent(told: str, percents: list[int | None]) -> None:
    """In hundredths of a percent, by older models in steps of ten."""
    supplies = tuple(map(toner, ("black", "cyan", "magenta", "yellow")))
    found = complete(supplies, {MAINTENANCE: bytes.fromhex(told)})
    assert [supply.percent for supply in found] == percents


def test_a_level_that_printer_mib_tells_stands() -> None:
    """An empty slot stays empty, and a drum keeps its pages."""
    drum = Supply("Drum Unit", "opc", unit="impressions", level=11501, max_capacity=12000)
    supplies = (toner("black", 0), drum)
    assert complete(supplies, {MAINTENANCE: bytes.fromhex(HL_L2340DW)}) == supplies


def test_a_brothers_status_has_its_own_percentages() -> None:
    """Some is left, Printer-MIB says: how much stands beside it."""
    row: dict[int, Value] = {mib.SUPPLY_DESCRIPTION: b"Black Toner Cartridge", mib.SUPPLY_TYPE: 3, mib.SUPPLY_UNIT: 13}
    row |= {mib.SUPPLY_MAX_CAPACITY: -2, mib.SUPPLY_LEVEL: -3}
    values: dict[Oid, Value] = {(*mib.SUPPLIES, column, 1, 1): value for column, value in row.items()}
    (found,) = parse_status({**values, MAINTENANCE: bytes.fromhex(HL_L2340DW)}).supplies
    assert (found.unit, found.level, found.percent) == ("percent", 75, 75.0)


@given(st.binary(max_size=60))
def test_noise_changes_no_level_beyond_its_bounds(noise: bytes) -> None:
    """Whatever comes is a percentage or nothing."""
    (found,) = complete((toner("black"),), {MAINTENANCE: noise})
    assert found.percent is None or 0 <= found.percent <= 100
