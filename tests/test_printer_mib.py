from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers import printer_mib as mib
from agent.drivers.printer_identity import is_printer, parse_identity
from agent.drivers.printer_makes import enterprise_oid
from agent.drivers.printer_mib import identifier, text
from agent.drivers.printer_status import parse_status
from agent.drivers.snmp_message import Missing, Oid, Value, oid
from agent.model import PrinterState, PrinterStatus, Supply, Tray

HP_DEVICE_ID = enterprise_oid("11.2.3.9.1.1.7.0")
LINUX = oid("1.3.6.1.4.1.8072.3.2.10")


def status_of(errors: bytes = b"\0", *, printer: int | None = None, device: int = 2) -> PrinterStatus:
    """Parse the status of a printer with these error bits, hrPrinterStatus and hrDeviceStatus."""
    values: dict[Oid, Value] = {
        (*mib.HR_PRINTERS, mib.HR_PRINTER_DETECTED_ERROR_STATE, 1): errors,
        (*mib.HR_PRINTERS, mib.HR_PRINTER_STATUS, 1): printer,
        (*mib.DEVICES, mib.HR_DEVICE_STATUS, 1): device,
    }
    return parse_status(values)


def alert(severity: int, code: int, description: str = "", *, group: int = 1) -> tuple[str, ...]:
    """Parse the reasons that one row of prtAlertTable gives."""
    columns: dict[int, Value] = {
        mib.ALERT_SEVERITY: severity,
        mib.ALERT_GROUP: group,
        mib.ALERT_CODE: code,
        mib.ALERT_DESCRIPTION: description.encode(),
    }
    return parse_status({(*mib.ALERTS, column, 1, 77): value for column, value in columns.items()}).state_reasons


def supply(**cells: Value) -> Supply:
    """Parse a printer's only supply: `type`, `class_`, `description`, `unit`, `capacity`, `level`, `colorant`."""
    columns = {
        "colorant": mib.SUPPLY_COLORANT_INDEX,
        "class_": mib.SUPPLY_CLASS,
        "type": mib.SUPPLY_TYPE,
        "description": mib.SUPPLY_DESCRIPTION,
        "unit": mib.SUPPLY_UNIT,
        "capacity": mib.SUPPLY_MAX_CAPACITY,
        "level": mib.SUPPLY_LEVEL,
    }
    values = {(*mib.SUPPLIES, columns[name], 1, 5): value for name, value in cells.items()}
    (found,) = parse_status({**values, (*mib.COLORANTS, mib.COLORANT_VALUE, 1, 2): b"cyan"}).supplies
    return found


# State and reasons


@pytest.mark.parametrize("errors", [b"\x04", b"\x04\x00"])
def test_a_jam_is_told_by_its_pwg_keyword(errors: bytes) -> None:
    """Bit 5 from the left, in one byte or two, and the printer has stopped."""
    status = status_of(errors, printer=1, device=5)
    assert (status.state, status.state_reasons) == (PrinterState.STOPPED, ("media-jam-error",))


def test_error_bits_that_look_like_a_space_are_not_text() -> None:
    """0x20 is lowToner."""
    assert status_of(b" ").state_reasons == ("toner-low-warning",)


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        (b"\x80", "media-low-warning"),
        (b"\x40", "media-empty-error"),
        (b"\x20\x00", "toner-low-warning"),
        (b"\x10", "toner-empty-error"),
        (b"\x08", "door-open-error"),
        (b"\x04", "media-jam-error"),
        (b"\x02", "offline-error"),
        (b"\x01\x00", "service-requested-warning"),
        (b"\x00\x80", "input-tray-missing-error"),
        (b"\x00\x40", "output-tray-missing-error"),
        (b"\x00\x20", "marker-supply-missing-error"),
        (b"\x00\x10", "output-area-almost-full-warning"),
        (b"\x00\x08", "output-area-full-error"),
        (b"\x00\x04", "media-empty-warning"),
        (b"\x00\x02", "maintenance-overdue-warning"),
    ],
)
def test_every_bit_of_the_error_state_has_its_word(errors: bytes, reason: str) -> None:
    """Bit 0 is the most significant of the first byte (RFC 2790)."""
    assert status_of(errors).state_reasons == (reason,)


@pytest.mark.parametrize("errors", [b"", b"\0", b"\0\0", b"\x00\x01", b"\0\0\xff"])
def test_error_bits_that_say_nothing_are_no_reason(errors: bytes) -> None:
    """None, one or two bytes of them; what lies behind the fifteen bits is not defined."""
    assert status_of(errors).state_reasons == ()


@pytest.mark.parametrize(
    ("printer", "device", "state"),
    [
        (3, 2, PrinterState.IDLE),
        (4, 2, PrinterState.PROCESSING),
        (4, 3, PrinterState.PROCESSING),
        (4, 5, PrinterState.STOPPED),
        (5, 5, PrinterState.PROCESSING),
        (1, 2, PrinterState.IDLE),
        (1, 5, PrinterState.STOPPED),
        (None, 2, PrinterState.UNKNOWN),
        (None, 5, PrinterState.STOPPED),
        (2, 2, PrinterState.UNKNOWN),
    ],
)
def test_the_state_weighs_printer_and_device_status(printer: int | None, device: int, state: PrinterState) -> None:
    """`other` on a running device is sleep; without hrPrinterStatus nobody knows whether it prints."""
    assert status_of(printer=printer, device=device).state is state


@pytest.mark.parametrize(
    "devices",
    [
        pytest.param({(*mib.DEVICES, mib.HR_DEVICE_TYPE, 4): mib.HR_DEVICE_PRINTER}, id="under another index"),
        pytest.param({}, id="of no type"),
    ],
)
def test_a_printer_is_found_though_the_device_table_has_it_elsewhere(devices: dict[Oid, Value]) -> None:
    """Its own tables say how it is and who it is, and are polled."""
    own: dict[Oid, Value] = {
        (*mib.HR_PRINTERS, mib.HR_PRINTER_STATUS, 2): 4,
        (*mib.HR_PRINTERS, mib.HR_PRINTER_DETECTED_ERROR_STATE, 2): b"\x20",
        (*mib.GENERAL, mib.PRT_GENERAL_SERIAL_NUMBER, 2): b"VD21457943",
    }
    values = {**devices, **own}
    status = parse_status(values)
    assert (status.state, status.state_reasons) == (PrinterState.PROCESSING, ("toner-low-warning",))
    assert parse_identity(values).serial == "VD21457943"
    assert own.keys() <= set(mib.polled_names(values))


def test_an_idle_printer_with_one_empty_tray_is_idle() -> None:
    """It says itself that it could print."""
    assert status_of(b"\x40", printer=3, device=3).state is PrinterState.IDLE


def test_an_idle_printer_with_an_open_door_has_stopped() -> None:
    """Whatever it says, nothing can be printed."""
    assert status_of(b"\x08", printer=3, device=3).state is PrinterState.STOPPED


@pytest.mark.parametrize(
    ("severity", "code", "description"),
    [
        pytest.param(0, 0, "Sleep", id="Brother's sleep, its code in the wrong column"),
        pytest.param(1, 1, "Idle", id="Epson's row that is always there"),
        pytest.param(4, 503, "", id="Kyocera's power-up for ever"),
        pytest.param(5, 1001, "", id="Kyocera's warming up for ever"),
        pytest.param(1, 35078, "启用睡眠模式", id="a vendor's sleep code"),
        pytest.param(3, 40000, "Sleep", id="sleep that calls itself critical"),
        pytest.param(4, 35000, "Tray 2 changed", id="a vendor's own warning"),
        pytest.param(3, 4, "Front cover closed", id="a change that calls itself critical"),
    ],
)
def test_a_row_of_the_alert_table_that_is_no_fault_is_no_reason(severity: int, code: int, description: str) -> None:
    """The table also holds events, states and rows that mean nothing."""
    assert alert(severity, code, description) == ()


def test_alerts_are_told_with_their_severity() -> None:
    """Critical is an error; a binary change event is a warning."""
    assert alert(3, 8, "Paper jam") == ("media-jam-error",)
    assert alert(5, 1105, "Ink is low.", group=11) == ("marker-ink-almost-empty-warning",)
    assert alert(4, 13, "Tray 2 empty", group=8) == ("media-empty-warning",)


def test_a_vendors_own_critical_alert_is_told_as_other() -> None:
    """It has stopped for a reason that no standard names."""
    assert alert(3, 40123, "Call service E-52") == ("other-error",)


def test_one_fault_told_twice_is_one_reason_with_the_worse_severity() -> None:
    """Bits and alerts often tell the same."""
    row = {mib.ALERT_SEVERITY: 4, mib.ALERT_CODE: 8}
    values: dict[Oid, Value] = {(*mib.ALERTS, column, 1, 1): value for column, value in row.items()}
    values[(*mib.HR_PRINTERS, mib.HR_PRINTER_DETECTED_ERROR_STATE, 1)] = b"\x04"
    assert parse_status(values).state_reasons == ("media-jam-error",)


@pytest.mark.parametrize(
    ("covers", "errors", "reasons"),
    [
        ((4, 4), b"\0", ()),
        ((4, 3), b"\0", ("cover-open-warning",)),
        ((5, 6), b"\0", ("interlock-open-warning",)),
        ((3,), b"\x08", ("door-open-error",)),
        ((None, -2, 1), b"\0", ()),
    ],
)
def test_an_open_cover_is_a_reason(covers: tuple[int | None, ...], errors: bytes, reasons: tuple[str, ...]) -> None:
    """Unless the error bits tell the same, with its severity."""
    values: dict[Oid, Value] = {(*mib.COVERS, mib.COVER_STATUS, 1, row): state for row, state in enumerate(covers, 1)}
    values[(*mib.HR_PRINTERS, mib.HR_PRINTER_DETECTED_ERROR_STATE, 1)] = errors
    assert parse_status(values).state_reasons == reasons


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((b"Sleeping",), "Sleeping"),
        ((b"ENERGIESPAREN   \rTROMMEL ERSETZ. ", b"", b"Tray 2\0junk"), "ENERGIESPAREN TROMMEL ERSETZ. Tray 2"),
        ((b"", b"", b"", b"", b""), None),
        ((), None),
        ((b"x" * 100, b"y" * 100), f"{'x' * 100} {'y' * 26}"),
        ((7, None), None),
    ],
)
def test_the_console_is_one_line(lines: tuple[Value, ...], message: str | None) -> None:
    """Epson has no rows or five empty ones, Brother a carriage return."""
    values = {(*mib.CONSOLE, mib.CONSOLE_TEXT, 1, row): line for row, line in enumerate(lines, start=1)}
    assert parse_status(values).state_message == message


@pytest.mark.parametrize(
    ("shown", "is_asleep"),
    [
        ("Sleep Mode On", True),
        ("Im Ruhezustand", True),
        ("Ahorro de energía", True),
        ("En veille", True),
        ("スリープ中", True),
        ("절전 모드", True),
        ("Ready", False),
        ("Surveillez le bac 2", False),
    ],
)
def test_a_panel_says_in_its_own_language_that_the_printer_sleeps(shown: str, is_asleep: bool) -> None:
    """Most printers say so nowhere else."""
    values: dict[Oid, Value] = {(*mib.CONSOLE, mib.CONSOLE_TEXT, 1, 1): shown.encode()}
    assert parse_status(values).is_asleep is is_asleep


def test_a_tray_is_told_with_what_lies_in_it() -> None:
    """Some remains is no number; a tray is named by whichever of its names it has."""
    columns: dict[int, tuple[Value, Value]] = {
        mib.INPUT_UNIT: (8, 8),
        mib.INPUT_MAX_CAPACITY: (500, 250),
        mib.INPUT_LEVEL: (200, -3),
        mib.INPUT_MEDIA: (b"Plain", b""),
        mib.INPUT_NAME: (b"Tray 2", None),
        mib.INPUT_DESCRIPTION: (None, b"Cassette 1"),
    }
    values = {(*mib.INPUTS, column, 1, row): told[row - 1] for column, told in columns.items() for row in (1, 2)}
    trays = parse_status(values).trays
    assert trays == (Tray("Tray 2", "Plain", "sheets", 200, 500), Tray("Cassette 1", None, "sheets", None, 250))
    assert [tray.percent for tray in trays] == [40.0, None]


# Supplies and counters


@pytest.mark.parametrize(
    ("capacity", "level"),
    [
        pytest.param(-2, -3, id="Brother's toner: some"),
        pytest.param(-2, 0, id="Brother's empty slot"),
        pytest.param(-1, -1, id="no limit"),
        pytest.param(30000, -3, id="IBM's toner, Lexmark's separator pad"),
        pytest.param(1, -2, id="OKI's waste box"),
        pytest.param(-2, 100, id="Sharp's drum"),
        pytest.param(-2, 9, id="Sharp's developer"),
        pytest.param(50, 51, id="more than fits"),
        pytest.param(None, -3, id="Kyocera without a capacity"),
        pytest.param(100, None, id="Xerox without a level"),
        pytest.param(0, 0, id="of nothing"),
    ],
)
def test_a_level_that_is_not_known_gives_no_percentage(capacity: int | None, level: int | None) -> None:
    """Other, unknown and some are not numbers."""
    found = supply(description=b"Toner", type=3, capacity=capacity, level=level, unit=7)
    assert found.percent is None
    assert all(number is None or number >= 0 for number in (found.level, found.max_capacity))


def test_a_percentage_without_a_capacity_is_of_a_hundred() -> None:
    """Unit 19 is percent; a level above a hundred is none."""
    assert supply(description=b"Toner", unit=19, capacity=-2, level=40).percent == 40.0
    assert supply(description=b"Toner", unit=19, capacity=-2, level=140).percent is None


def test_a_receptacle_is_told_by_how_full_it_is() -> None:
    """Its level is the room that is left, by class, by type or by its name."""
    assert supply(description=b"Maintenance Box", class_=4, type=1, capacity=67, level=50).percent == 25.4
    assert supply(description=b"Box", class_=3, type=8, capacity=6700, level=6030).percent == 10.0
    assert supply(description=b"Waste Toner Container, PN 008R13061", capacity=100, level=5).percent == 95.0


def test_a_supply_is_named_with_type_unit_and_colour() -> None:
    """The colour comes from the colorant table where the text has none."""
    found = supply(description=b"TK-5240", type=21, class_=3, unit=13, colorant=2, capacity=2000, level=1200)
    assert (found.supply_type, found.unit, found.colorant) == ("toner-cartridge", "tenths-of-grams", "cyan")
    assert (found.supply_class, found.percent) == ("consumed", 60.0)


@pytest.mark.parametrize(
    ("description", "colorant"),
    [
        (b"Toner (Black)", "black"),
        (b"CANON Matte Black Ink Tank", "matte-black"),
        (b"Light Cyan", "light-cyan"),
        (b"TK-8527M", "magenta"),
        ("黑色碳粉".encode(), "black"),
        ("洋紅色碳粉".encode(), "magenta"),
        ("青色碳粉".encode(), "cyan"),
        ("黃色碳粉".encode(), "yellow"),
        (b"Tonerkassette Schwarz", "black"),
        (b"PhotoBlack Ink", "photo-black"),
        (b"Light Light Black Ink", "light-light-black"),
        (b"Magentatoner", "magenta"),
        ("Картридж (чёрный)".encode(), "black"),
        (b"Cyan, Magenta and Yellow Ink Cartridge", None),
        (b"Reduced Yield Black Toner", "black"),
        (b"Registered Trademark Roller", None),
        (b"Fuser", None),
    ],
)
def test_the_colour_is_found_in_the_description(description: bytes, colorant: str | None) -> None:
    """By its words in the panel's language, or by the last letter of a part code."""
    assert supply(description=description).colorant == colorant


@pytest.mark.parametrize(
    ("number", "supply_type"),
    [
        *((1, "other"), (3, "toner"), (4, "waste-toner"), (5, "ink"), (6, "ink-cartridge"), (8, "waste-ink")),
        *(
            (9, "opc"),
            (10, "developer"),
            (15, "fuser"),
            (20, "transfer-unit"),
            (21, "toner-cartridge"),
            (32, "staples"),
        ),
        *((99, "toner"), (None, "toner")),
    ],
)
def test_every_type_of_supply_has_its_word(number: int | None, supply_type: str) -> None:
    """One that RFC 3805 doesn't know is told by its description."""
    assert supply(description=b"Black Toner", type=number).supply_type == supply_type


@pytest.mark.parametrize(
    ("cells", "description"),
    [({"type": 21, "colorant": 2}, "Cyan toner cartridge"), ({"type": 4, "class_": 4}, "Waste toner")],
)
def test_a_supply_without_a_description_is_named_by_what_it_is(cells: dict[str, Value], description: str) -> None:
    """Somebody must know what to order."""
    assert supply(**cells, level=1).description == description


def test_supplies_keep_the_order_of_their_sparse_indexes() -> None:
    """Fujifilm's run from 2 to 9 and go on at 30."""
    values: dict[Oid, Value] = {
        (*mib.SUPPLIES, mib.SUPPLY_DESCRIPTION, 1, index): f"Supply {index}".encode() for index in (30, 2, 31, 9)
    }
    told = [supply.description for supply in parse_status(values).supplies]
    assert told == ["Supply 2", "Supply 9", "Supply 30", "Supply 31"]


@pytest.mark.parametrize(
    ("unit", "pages"), [(7, (500, None)), (8, (None, 500)), (11, (None, None)), (None, (None, None))]
)
def test_the_counter_keeps_its_unit(unit: int | None, pages: tuple[int | None, int | None]) -> None:
    """Sheets are not impressions, and hours are no pages at all."""
    status = parse_status({(*mib.MARKERS, 3, 1, 1): unit, (*mib.MARKERS, 4, 1, 1): 500})
    assert (status.impressions_completed, status.media_sheets_completed) == pages


def test_the_first_marker_that_counts_is_the_counter() -> None:
    """A second one counts the same sheets, or those of another colour."""
    lives: dict[Oid, Value] = {(*mib.MARKERS, 4, 1, marker): count for marker, count in ((1, -2), (2, 70), (3, 9))}
    units: dict[Oid, Value] = {(*mib.MARKERS, 3, 1, marker): unit for marker, unit in ((1, 8), (2, 7), (3, 8))}
    status = parse_status({**lives, **units})
    assert (status.impressions_completed, status.media_sheets_completed) == (70, None)


@pytest.mark.parametrize("standard", [{}, {(*mib.MARKERS, mib.PRT_MARKER_LIFE_COUNT, 1, 1): -2}])
def test_a_makers_own_counter_stands_in_for_the_standards(standard: dict[Oid, Value]) -> None:
    """Where Printer-MIB counts neither impressions nor sheets."""
    status = parse_status({**standard, enterprise_oid("253.8.53.13.2.1.6.1.20.1"): 4711})
    assert (status.impressions_completed, status.media_sheets_completed) == (4711, None)


def test_a_counter_in_sheets_is_not_topped_up_with_the_makers_impressions() -> None:
    """One of them is enough, and the two need not be of one moment."""
    values = {(*mib.MARKERS, 3, 1, 1): 8, (*mib.MARKERS, 4, 1, 1): 500, enterprise_oid("1602.1.11.1.3.1.4.101"): 9}
    status = parse_status(values)
    assert (status.impressions_completed, status.media_sheets_completed) == (None, 500)


# Text


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"Black Cartridge\x00", "Black Cartridge"),
        (b"ENERGIESPAREN   \rTROMMEL", "ENERGIESPAREN TROMMEL"),
        ("黑色碳粉".encode(), "黑色碳粉"),
        ("Büro".encode("latin-1"), "Büro"),
        ("トナー".encode("shift_jis"), "トナー"),
        ("Büro-Drucker é".encode()[:-1], "Büro-Drucker"),
        (b"\x1b[31mred\x07", "[31mred"),
        ("safe\u202egnp".encode(), "safe gnp"),
        (b"x" * 500, "x" * 127),
        (b" \x00", None),
        (5, None),
    ],
)
def test_text_is_decoded_cleaned_and_capped(octets: Value, expected: str | None) -> None:
    """UTF-8, else Latin-1 or Shift-JIS; nothing that moves a terminal's cursor; 127 characters."""
    assert text(octets) == expected


@pytest.mark.parametrize("octets", [b"0000000", b"XXXX", b"N/A", b"unknown", b"", b"A12\n345", None])
def test_a_serial_number_that_is_none_is_none(octets: Value) -> None:
    """Placeholders, and numbers broken by control characters, would make two printers one."""
    assert identifier(octets) is None


# Whatever comes

values = st.one_of(
    st.none(),
    st.integers(-(2**31), 2**64),
    st.binary(max_size=40),
    st.lists(st.integers(0, 2**32), max_size=9).map(tuple),
    st.sampled_from(Missing),
)
entries = st.sampled_from(
    [mib.DEVICES, mib.HR_PRINTERS, mib.MARKERS, mib.SUPPLIES, mib.COLORANTS, mib.ALERTS, mib.INTERFACES]
)
cells = st.tuples(entries, st.lists(st.integers(1, 9), max_size=3)).map(lambda cell: (*cell[0], *cell[1]))
names = st.one_of(cells, st.sampled_from([*mib.IDENTITY_NAMES, HP_DEVICE_ID]))


@given(st.dictionaries(names, values, max_size=30))
def test_whatever_an_agent_answers_gives_a_model(answered: dict[Oid, Value]) -> None:
    """Values of the wrong type, cells without rows, rows without an index: never an exception, never a bad number."""
    identity, status = parse_identity(answered), parse_status(answered)
    assert is_printer(answered) in (True, False)
    assert all(len(told) <= 127 and told.isprintable() for told in (identity.name, identity.serial) if told)
    assert all(supply.percent is None or 0 <= supply.percent <= 100 for supply in status.supplies)
