"""From Printer-MIB's values to a printer's trays, covers and console. Pure and total."""

from __future__ import annotations

from collections.abc import Iterator

from agent.drivers import printer_keywords as keywords
from agent.drivers import printer_mib as mib
from agent.drivers.printer_mib import Row, Values, number, quantity, rows, text
from agent.model import SLEEP_MESSAGE, Tray

MOST_TRAYS = 32
COVER_OPEN, INTERLOCK_OPEN = 3, 5


def parse_trays(values: Values) -> tuple[Tray, ...]:
    """Read prtInputTable in order of index; a row without any name is no tray that a person could find."""
    found = [_tray(row) for row in rows(values, mib.INPUTS).values()]
    return tuple(tray for tray in found if tray.name)[:MOST_TRAYS]


def parse_console(values: Values) -> str | None:
    """Put the lines of the console into one; where it shows nothing, an alert that says that the printer sleeps."""
    lines = (text(row.get(mib.CONSOLE_TEXT)) for row in rows(values, mib.CONSOLE).values())
    alerts = (text(row.get(mib.ALERT_DESCRIPTION)) or "" for row in rows(values, mib.ALERTS).values())
    shown = " ".join(filter(None, lines)) or next(filter(SLEEP_MESSAGE.search, alerts), "")
    return shown[: mib.LONGEST_TEXT].rstrip() or None


def open_covers(values: Values) -> Iterator[tuple[str, str]]:
    """Give keyword and severity of each kind of cover that is open; that it stops the printer only alerts can tell."""
    states = {row.get(mib.COVER_STATUS) for row in rows(values, mib.COVERS).values()}
    if COVER_OPEN in states:
        yield "cover-open", "warning"
    if INTERLOCK_OPEN in states:
        yield "interlock-open", "warning"


def _tray(row: Row) -> Tray:
    names = (text(row.get(column)) for column in (mib.INPUT_NAME, mib.INPUT_DESCRIPTION, mib.INPUT_MODEL))
    return Tray(
        name=next(filter(None, names), ""),
        media=text(row.get(mib.INPUT_MEDIA)),
        unit=keywords.UNITS.get(number(row.get(mib.INPUT_UNIT)) or 0),
        level=quantity(row.get(mib.INPUT_LEVEL)),
        max_capacity=quantity(row.get(mib.INPUT_MAX_CAPACITY)) or None,
    )
