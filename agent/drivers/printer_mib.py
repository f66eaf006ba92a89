"""Where a printer keeps what in its MIBs, and how values are read: RFC 3805 (Printer-MIB), RFC 2790 (HOST-RESOURCES).

Tables are named by their entry, the columns below it by their number. Everything a printer sends is hostile: text is
stripped of control characters and capped, and numbers that stand for other, unknown or some (-1, -2, -3) end here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from agent.drivers.snmp_message import Oid, Value, oid

Values = Mapping[Oid, Value]
"""What an agent answered, by name; names for which it has no value are not in it."""

Row = Mapping[int, Value]
"""One row of a table, by column number."""

LONGEST_TEXT = 127
"""RFC 8011's limit for the name of a printer or model."""

SYS_DESCR = oid("1.3.6.1.2.1.1.1.0")
SYS_OBJECT_ID = oid("1.3.6.1.2.1.1.2.0")
SYS_UP_TIME = oid("1.3.6.1.2.1.1.3.0")
SYS_NAME = oid("1.3.6.1.2.1.1.5.0")
SYS_LOCATION = oid("1.3.6.1.2.1.1.6.0")
ENTERPRISES = oid("1.3.6.1.4.1")

INTERFACES = oid("1.3.6.1.2.1.2.2.1")
IF_TYPE, IF_PHYS_ADDRESS, IF_OPER_STATUS = 3, 6, 8

DEVICES = oid("1.3.6.1.2.1.25.3.2.1")
HR_DEVICE_TYPE, HR_DEVICE_DESCR, HR_DEVICE_STATUS = 2, 3, 5
HR_DEVICE_PRINTER = oid("1.3.6.1.2.1.25.3.1.5")

HR_PRINTERS = oid("1.3.6.1.2.1.25.3.5.1")
HR_PRINTER_STATUS, HR_PRINTER_DETECTED_ERROR_STATE = 1, 2

PRINTER_MIB = oid("1.3.6.1.2.1.43")
GENERAL = oid("1.3.6.1.2.1.43.5.1.1")
PRT_GENERAL_PRINTER_NAME, PRT_GENERAL_SERIAL_NUMBER = 16, 17

MARKERS = oid("1.3.6.1.2.1.43.10.2.1")
PRT_MARKER_COUNTER_UNIT, PRT_MARKER_LIFE_COUNT = 3, 4

SUPPLIES = oid("1.3.6.1.2.1.43.11.1.1")
SUPPLY_COLORANT_INDEX, SUPPLY_CLASS, SUPPLY_TYPE, SUPPLY_DESCRIPTION = 3, 4, 5, 6
SUPPLY_UNIT, SUPPLY_MAX_CAPACITY, SUPPLY_LEVEL = 7, 8, 9

COLORANTS = oid("1.3.6.1.2.1.43.12.1.1")
COLORANT_VALUE = 4

INTERPRETERS = oid("1.3.6.1.2.1.43.15.1.1")
INTERPRETER_LANG_FAMILY = 2

COVERS = oid("1.3.6.1.2.1.43.6.1.1")
COVER_STATUS = 3

INPUTS = oid("1.3.6.1.2.1.43.8.2.1")
INPUT_UNIT, INPUT_MAX_CAPACITY, INPUT_LEVEL, INPUT_MEDIA, INPUT_NAME = 8, 9, 10, 12, 13
INPUT_MODEL, INPUT_DESCRIPTION = 15, 18

CONSOLE = oid("1.3.6.1.2.1.43.16.5.1")
CONSOLE_TEXT = 2

ALERTS = oid("1.3.6.1.2.1.43.18.1.1")
ALERT_SEVERITY, ALERT_GROUP, ALERT_CODE, ALERT_DESCRIPTION = 2, 4, 7, 8

IDENTITY_NAMES: tuple[Oid, ...] = (
    SYS_DESCR,
    SYS_OBJECT_ID,
    SYS_UP_TIME,
    SYS_NAME,
    SYS_LOCATION,
    (*DEVICES, HR_DEVICE_TYPE, 1),
    (*DEVICES, HR_DEVICE_DESCR, 1),
    (*HR_PRINTERS, HR_PRINTER_STATUS, 1),
    (*HR_PRINTERS, HR_PRINTER_DETECTED_ERROR_STATE, 1),
    (*GENERAL, PRT_GENERAL_PRINTER_NAME, 1),
    (*GENERAL, PRT_GENERAL_SERIAL_NUMBER, 1),
    (*MARKERS, PRT_MARKER_COUNTER_UNIT, 1, 1),
    (*MARKERS, PRT_MARKER_LIFE_COUNT, 1, 1),
    (*SUPPLIES, SUPPLY_DESCRIPTION, 1, 1),
)
"""What tells in one request whether a host is a printer, and nearly always which: hrDeviceIndex is 1 on most."""

STATIC_TABLES: Mapping[Oid, tuple[int, ...]] = MappingProxyType(
    {
        DEVICES: (HR_DEVICE_TYPE, HR_DEVICE_DESCR, HR_DEVICE_STATUS),
        INTERFACES: (IF_TYPE, IF_PHYS_ADDRESS, IF_OPER_STATUS),
        SUPPLIES: (
            SUPPLY_COLORANT_INDEX,
            SUPPLY_CLASS,
            SUPPLY_TYPE,
            SUPPLY_DESCRIPTION,
            SUPPLY_UNIT,
            SUPPLY_MAX_CAPACITY,
            SUPPLY_LEVEL,
        ),
        COLORANTS: (COLORANT_VALUE,),
        MARKERS: (PRT_MARKER_COUNTER_UNIT, PRT_MARKER_LIFE_COUNT),
        GENERAL: (PRT_GENERAL_PRINTER_NAME, PRT_GENERAL_SERIAL_NUMBER),
        HR_PRINTERS: (HR_PRINTER_STATUS, HR_PRINTER_DETECTED_ERROR_STATE),
        INTERPRETERS: (INTERPRETER_LANG_FAMILY,),
        COVERS: (COVER_STATUS,),
        INPUTS: (
            INPUT_UNIT,
            INPUT_MAX_CAPACITY,
            INPUT_LEVEL,
            INPUT_MEDIA,
            INPUT_NAME,
            INPUT_MODEL,
            INPUT_DESCRIPTION,
        ),
    }
)
"""Tables that are walked once and then hourly, because their rows are sparse."""

INTERFACE_NAMES: tuple[Oid, ...] = tuple(
    (*INTERFACES, column, index) for index in (1, 2, 3, 4) for column in (IF_TYPE, IF_PHYS_ADDRESS, IF_OPER_STATUS)
)
"""The interfaces where a printer's own address nearly always is."""

WALKED_COLUMNS: tuple[Oid, ...] = (
    *((*ALERTS, column) for column in (ALERT_SEVERITY, ALERT_GROUP, ALERT_CODE, ALERT_DESCRIPTION)),
    (*CONSOLE, CONSOLE_TEXT),
)
"""What is walked at each poll, because its rows come and go."""

_POLLED = {
    (*HR_PRINTERS, HR_PRINTER_STATUS),
    (*HR_PRINTERS, HR_PRINTER_DETECTED_ERROR_STATE),
    (*MARKERS, PRT_MARKER_LIFE_COUNT),
    (*SUPPLIES, SUPPLY_LEVEL),
    (*SUPPLIES, SUPPLY_MAX_CAPACITY),
    (*COVERS, COVER_STATUS),
    (*INPUTS, INPUT_LEVEL),
    (*INPUTS, INPUT_MEDIA),
}

_PML_PREFIX = b"\x01\x15"
"""HP's private strings begin with their symbol set."""

_C1 = re.compile(rb"[\x80-\x9f]")
"""Control characters in Latin-1, and what Shift-JIS is full of."""

_PLACEHOLDER = re.compile(r"(?i)(.)\1*|unknown|none|null|n/?a|not (available|set|specified)|<private>|x+")


def polled_names(values: Values) -> tuple[Oid, ...]:
    """Choose from what a printer once answered the names whose values change from poll to poll."""
    device = printer_index(values)
    return (SYS_UP_TIME, *(name for name in values if _is_polled(name, device) or tells_who(name)))


def tells_who(name: Oid) -> bool:
    """Whether it is what another printer at the same address would answer otherwise: kind, serial number, MACs."""
    return (
        name == SYS_OBJECT_ID
        or name[: len(GENERAL) + 1] == (*GENERAL, PRT_GENERAL_SERIAL_NUMBER)
        or name[: len(INTERFACES) + 1] == (*INTERFACES, IF_PHYS_ADDRESS)
    )


def _is_polled(name: Oid, device: int) -> bool:
    """Whether it changes; of the devices only the printer counts, but its tables may have it under another index."""
    if name[: len(DEVICES)] == DEVICES:
        return name == (*DEVICES, HR_DEVICE_STATUS, device)
    return name[: len(DEVICES) + 1] in _POLLED


def rows(values: Values, entry: Oid) -> dict[Oid, dict[int, Value]]:
    """Gather a table's rows by their index, in order of index."""
    depth = len(entry)
    found: dict[Oid, dict[int, Value]] = {}
    for name, value in values.items():
        if name[:depth] == entry and len(name) > depth + 1:
            found.setdefault(name[depth + 1 :], {})[name[depth]] = value
    return dict(sorted(found.items()))


def printer_index(values: Values) -> int:
    """Give the hrDeviceIndex of the printer: the first row of that type, else of a table that only printers have."""
    devices = rows(values, DEVICES).items()
    typed = (index for index, row in devices if row.get(HR_DEVICE_TYPE) == HR_DEVICE_PRINTER)
    told = (*typed, *rows(values, HR_PRINTERS), *rows(values, GENERAL))
    return told[0][0] if told else 1


def printer_row(values: Values, entry: Oid) -> Row:
    """Give the printer's row of a table that only printers have; the first where none has the device's index."""
    table = rows(values, entry)
    return table.get((printer_index(values),)) or next(iter(table.values()), {})


def cell(values: Values, entry: Oid, column: int, *index: int) -> Value:
    """Give one cell of a table, None where there is none."""
    return values.get((*entry, column, *index))


def number(value: Value) -> int | None:
    """Give a value that must be a number."""
    return value if isinstance(value, int) else None


def quantity(value: Value) -> int | None:
    """Give a value that counts something: below zero it stands for other, unknown or some."""
    return value if isinstance(value, int) and value >= 0 else None


def text(value: Value, *, longest: int = LONGEST_TEXT) -> str | None:
    """Give a value that must be text, up to its first NUL, without control characters; None where nothing is left."""
    if not isinstance(value, bytes):
        return None
    decoded = _decode(value.removeprefix(_PML_PREFIX).partition(b"\0")[0])
    printable = "".join(letter if letter.isprintable() else " " for letter in decoded)
    return " ".join(printable.split())[:longest].rstrip() or None


def identifier(value: Value) -> str | None:
    """Give a serial number or a version: text in one piece that is no placeholder.

    One with control characters in it is None: nobody could compare what is left of it.
    """
    found = text(value)
    if found is None or not isinstance(value, bytes):
        return None
    inner = value.removeprefix(_PML_PREFIX).rstrip(b"\0\r\n\t ")
    is_whole = all(octet >= ord(" ") for octet in inner)
    return found if is_whole and not _PLACEHOLDER.fullmatch(found) else None


def _decode(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError as broken:
        if broken.reason == "unexpected end of data":
            return octets[: broken.start].decode()
        return _decode_shift_jis(octets) if _C1.search(octets) else octets.decode("latin-1")


def _decode_shift_jis(octets: bytes) -> str:
    try:
        return octets.decode("shift_jis")
    except UnicodeDecodeError:
        return octets.decode("latin-1")
