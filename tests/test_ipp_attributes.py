"""What real printers say by IPP, told in the agent's words, and what hostile ones say, survived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.ipp_attributes import (
    PRINTER_ATTRIBUTES,
    job_attributes,
    job_name,
    parse_identity,
    parse_job,
    parse_reading,
)
from agent.drivers.ipp_message import parse_message
from agent.drivers.ipp_supplies import parse_supplies
from agent.drivers.ipp_values import Attribute, Attributes, GroupTag, Range, Tag, attribute
from agent.errors import PrinterRejectedError
from agent.job import JobOptions, JobReading, JobState
from agent.model import Identity, PrinterState, Reading, Supply, Tray
from tests.ipp_parts import make_job


def _read(recordings: Path, name: str) -> Reading:
    content = (recordings / "ipp" / name).read_bytes()
    return parse_reading(parse_message(content).group(GroupTag.PRINTER))


def _group(*items: Attribute) -> Attributes:
    return Attributes(items)


def test_an_officejet_is_told_truly(recordings: Path) -> None:
    """The HP 6830 says who it is, that its inks are low, and what it can do."""
    reading = _read(recordings, "get-printer-attributes-hp6830.bin")
    assert reading.identity == Identity(
        uuid="1c852a4d-b800-1f08-abcd-5820b1decccd",
        serial="TH55R620W0",
        make_and_model="HP Officejet Pro 6830",
        name="HP Officejet Pro 6830 [DECCCD]",
    )
    assert (reading.status.state, reading.status.state_reasons) == (PrinterState.IDLE, ("marker-supply-low-warning",))
    assert [(supply.description, supply.colorant, supply.percent) for supply in reading.status.supplies] == [
        ("magenta ink", "magenta", 20.0),
        ("cyan ink", "cyan", 20.0),
        ("yellow ink", "yellow", 20.0),
        ("black ink", "black", 20.0),
    ]


def test_an_officejets_abilities_are_told_in_keywords(recordings: Path) -> None:
    """Enums become keywords, a range stays a range, and the document formats keep their order."""
    capabilities = _read(recordings, "get-printer-attributes-hp6830.bin").capabilities
    assert capabilities.document_formats[:2] == ("application/vnd.hp-PCL", "image/jpeg")
    assert capabilities.options["print-quality"] == ("draft", "normal", "high")
    assert capabilities.options["copies"] == ("1-99",)


def test_a_photo_printer_is_told_truly(recordings: Path) -> None:
    """The Epson XP-6000 has five inks, and a serial and a firmware version of its own."""
    reading = _read(recordings, "get-printer-attributes-epsonxp6000.bin")
    assert reading.identity == Identity(
        uuid="cfe92100-67c4-11d4-a45f-f8d027761251",
        serial="X44Y0540",
        make_and_model="EPSON XP-6000 Series",
        name="EPSON XP-6000 Series",
        firmware="20.44.NU25M7",
    )
    assert [(supply.supply_type, supply.colorant, supply.percent) for supply in reading.status.supplies] == [
        ("ink-cartridge", "photo-black", 27.0),
        ("ink-cartridge", "cyan", 99.0),
        ("ink-cartridge", "magenta", 83.0),
        ("ink-cartridge", "yellow", 6.0),
        ("ink-cartridge", "black", 64.0),
    ]


def test_trays_and_message_are_told(recordings: Path) -> None:
    """A Kyocera that sleeps says so; its `Auto` is no tray."""
    status = _read(recordings, "Kyocera-ECOSYS-M2040dn-Printer-Attributes.ipp").status
    assert status.state_message == "Sleeping..."
    assert status.trays == (Tray("MP Tray", level=0, max_capacity=100), Tray("Cassette 1", max_capacity=250))


def test_a_printer_that_lists_no_trays_has_those_of_its_ready_media() -> None:
    """Each source once, with the key or the type and size of what lies in it."""
    a4 = _group(attribute("x-dimension", Tag.INTEGER, 21000), attribute("y-dimension", Tag.INTEGER, 29700))
    main = _group(
        attribute("media-source", Tag.KEYWORD, "main"),
        attribute("media-type", Tag.KEYWORD, "stationery"),
        attribute("media-size", Tag.BEGIN_COLLECTION, a4),
    )
    photo = _group(attribute("media-source", Tag.KEYWORD, "photo"), attribute("media-key", Tag.KEYWORD, "photo-4x6"))
    auto = _group(attribute("media-source", Tag.KEYWORD, "auto"))
    ready = attribute("media-col-ready", Tag.BEGIN_COLLECTION, main, main, auto, photo)
    assert parse_reading(_group(ready)).status.trays == (
        Tray("main", media="stationery 210x297mm"),
        Tray("photo", media="photo-4x6"),
    )


@pytest.mark.parametrize(
    ("reasons", "alerts", "told"),
    [
        ((), ("code=coverOpen;severity=critical;group=cover",), ("cover-open-error",)),
        (("media-empty-report",), ("code=inputMediaSupplyEmpty;severity=warning",), ("media-empty-report",)),
        ((), ("code=markerTonerAlmostEmpty;severity=warning",) * 2, ("toner-low-warning",)),
        (("none",), ("code=printerReadyToPrint;severity=other", "other", "code=unknown;severity=critical"), ()),
    ],
)
def test_a_fault_that_only_the_alerts_tell_is_a_reason(
    reasons: tuple[str, ...], alerts: tuple[str, ...], told: tuple[str, ...]
) -> None:
    """Events, idle messages and what the reasons say already are not."""
    group = _group(
        attribute("printer-state-reasons", Tag.KEYWORD, *reasons),
        attribute("printer-alert", Tag.OCTET_STRING, *(alert.encode() for alert in alerts)),
    )
    assert parse_reading(group).status.state_reasons == told


def test_a_sleeping_kyocera_is_idle_and_its_waste_box_empty(recordings: Path) -> None:
    """`none` is no reason, and marker-levels 0 of a waste box is 0 % full with all the room left."""
    status = _read(recordings, "Kyocera-ECOSYS-M2040dn-Printer-Attributes.ipp").status
    assert (status.state, status.state_reasons, status.accepting_jobs) == (PrinterState.IDLE, (), True)
    assert status.supplies == (
        Supply("Black TK-1170", "toner", "consumed", "black", "percent", 84, 100),
        Supply("Waste Toner Box", "waste-toner", "receptacle", None, "percent", 100, 100),
    )
    assert status.supplies[1].percent == 0.0


def test_a_kyoceras_serial_has_another_key(recordings: Path) -> None:
    """The serial stands in the IEEE-1284 device id, here as SER."""
    assert _read(recordings, "Kyocera-ECOSYS-M2040dn-Printer-Attributes.ipp").identity.serial == "VCF9192281"


def test_a_serial_number_of_its_own_goes_before_that_of_the_device_id() -> None:
    """Some device ids have the print server's."""
    told = attribute("printer-serial-number", Tag.TEXT, "JPBCR5D0KX")
    assert parse_identity(_group(told, attribute("printer-device-id", Tag.TEXT, "MFG:HP;MDL:X;SN:BOARD1;"))).serial == (
        "JPBCR5D0KX"
    )


def test_a_finished_job_is_told_truly(recordings: Path) -> None:
    """A Get-Jobs answer has state, reasons, count, message and name of a job, and whether it was ever begun."""
    content = (recordings / "ipp" / "get-jobs-kyocera-ecosys-m2540dn-000.bin").read_bytes()
    (job,) = parse_message(content).all_groups(GroupTag.JOB)
    message, name = "completed : job-completed-successfully", "Microsoft Word - ТСД"
    reasons = ("job-completed-successfully",)
    assert parse_job(job) == JobReading(JobState.COMPLETED, "1000", reasons, 3, message, name, has_begun=True)


@pytest.mark.parametrize(
    ("tag", "value", "has_begun"), [(Tag.NO_VALUE, None, False), (Tag.INTEGER, 0, True), (Tag.UNKNOWN, None, None)]
)
def test_a_job_that_was_never_begun_has_no_time_of_processing(
    tag: Tag, value: int | None, has_begun: bool | None
) -> None:
    """RFC 8011 section 5.3.14.2; what a printer doesn't know is something else."""
    assert parse_job(Attributes((attribute("time-at-processing", tag, value),))).has_begun is has_begun


@pytest.mark.parametrize("level", [-1, -2, -3, 101])
def test_a_level_that_is_no_level_is_unknown(level: int) -> None:
    """The Printer-MIB's sentinels never become numbers."""
    group = _group(attribute("marker-names", Tag.NAME, "Black"), attribute("marker-levels", Tag.INTEGER, level))
    assert [(supply.level, supply.percent) for supply in parse_supplies(group)] == [(None, None)]


def test_marker_lists_of_unequal_length_keep_what_is_known() -> None:
    """A name without a level is a supply of unknown level, a level without a name has one by its place."""
    group = _group(
        attribute("marker-names", Tag.NAME, "Cyan", "Magenta"),
        attribute("marker-types", Tag.KEYWORD, "toner"),
        attribute("marker-levels", Tag.INTEGER, 7),
    )
    told = [(supply.description, supply.supply_type, supply.level) for supply in parse_supplies(group)]
    assert told == [("Cyan", "toner", 7), ("Magenta", "unknown", None)]


def test_printer_supply_keeps_the_printers_units() -> None:
    """PWG 5100.13's printer-supply is told with its capacity and unit, the Printer-MIB's names as keywords."""
    octets = b"type=tonerCartridge;maxcapacity=5000;level=1250;unit=tenthsOfGrams;colorantname=cyan;"
    group = _group(attribute("printer-supply", Tag.OCTET_STRING, octets))
    expected = Supply("Cyan toner cartridge", "toner-cartridge", "consumed", "cyan", "tenths-of-grams", 1250, 5000)
    assert parse_supplies(group) == (expected,)
    assert expected.percent == 25.0


def test_a_waste_box_by_printer_supply_tells_the_room_left() -> None:
    """printer-supply's level of a receptacle is the Printer-MIB's: the room left."""
    octets = b"type=wasteToner;maxcapacity=100;level=25;class=receptacleThatIsFilled;unit=percent;"
    (supply,) = parse_supplies(_group(attribute("printer-supply", Tag.OCTET_STRING, octets)))
    assert (supply.supply_class, supply.level, supply.percent) == ("receptacle", 25, 75.0)


def test_printer_supply_stands_in_for_an_unknown_marker_level() -> None:
    """Where marker-levels says -2, the other description of the same supply may know."""
    octets = b"type=toner;maxcapacity=2000;level=500;class=supplyThatIsConsumed;unit=impressions;colorantname=#000000;"
    group = _group(
        attribute("marker-names", Tag.NAME, "TK-1"),
        attribute("marker-levels", Tag.INTEGER, -2),
        attribute("printer-supply", Tag.OCTET_STRING, octets),
    )
    assert parse_supplies(group) == (Supply("TK-1", "toner", "consumed", "black", "impressions", 500, 2000),)


def test_a_printer_supply_that_is_none_is_left_out() -> None:
    """Octets that are no supply spoil no other supply."""
    values = (b"\xff\x00", b"", b"type=ink;level=abc;maxcapacity=-2;unit=percent")
    supplies = parse_supplies(_group(attribute("printer-supply", Tag.OCTET_STRING, *values)))
    assert supplies == (Supply("Ink", "ink", "consumed", None, "percent", None, 100),)


def test_a_printer_can_not_claim_supplies_without_end() -> None:
    """The number of supplies is limited."""
    group = _group(attribute("marker-levels", Tag.INTEGER, *range(1000)))
    assert len(parse_supplies(group)) == 64


@pytest.mark.parametrize(
    "uuid",
    ["urn:uuid:00000000-0000-0000-0000-000000000000", "urn:uuid:1234", "not a uuid", ""],
)
def test_a_uuid_that_identifies_nobody_is_none(uuid: str) -> None:
    """Two printers must not become one because both send a placeholder."""
    assert parse_identity(_group(attribute("printer-uuid", Tag.URI, uuid))).uuid is None


def test_a_uuid_is_compared_in_lower_case() -> None:
    """The URN prefix goes, and so do capitals."""
    group = _group(attribute("printer-uuid", Tag.URI, "urn:uuid:1C852A4D-B800-1F08-ABCD-5820B1DECCCD"))
    assert parse_identity(group).uuid == "1c852a4d-b800-1f08-abcd-5820b1decccd"


def test_make_and_model_fall_back_on_the_device_id() -> None:
    """What else than printer-make-and-model tells."""
    group = _group(attribute("printer-device-id", Tag.TEXT, "MANUFACTURER:HP;MODEL:LaserJet 4;"))
    assert parse_identity(group).make_and_model == "HP LaserJet 4"


@pytest.mark.parametrize(
    ("model", "device_id", "expected"),
    [
        ("ECOSYS M2040dn", "MFG:Kyocera;MDL:ECOSYS M2040dn;", "Kyocera ECOSYS M2040dn"),
        ("C610", "MFG:OKI DATA CORP;MDL:C610;", "OKI C610"),
        ("HP LaserJet 4", "MFG:Hewlett-Packard;MDL:HP LaserJet 4;", "HP LaserJet 4"),
        ("Office printer", "MFG:Nobody knows;", "Office printer"),
        ("Office printer", "", "Office printer"),
    ],
)
def test_a_model_that_names_no_maker_gets_it_from_the_device_id(model: str, device_id: str, expected: str) -> None:
    """By IPP as by SNMP, so that the two agree."""
    group = _group(
        attribute("printer-make-and-model", Tag.TEXT, model), attribute("printer-device-id", Tag.TEXT, device_id)
    )
    assert parse_identity(group).make_and_model == expected


def test_nonsense_becomes_unknown_and_the_rest_is_kept() -> None:
    """A malformed part is null, and does not hide the others."""
    status = parse_reading(
        _group(
            attribute("printer-state", Tag.ENUM, 99),
            attribute("printer-state-reasons", Tag.KEYWORD, "none", "", "media-jam-error", "media-jam-error"),
            attribute("printer-impressions-completed", Tag.INTEGER, -2),
            attribute("printer-media-sheets-completed", Tag.INTEGER, 12),
            attribute("queued-job-count", Tag.INTEGER, 3),
        )
    ).status
    assert (status.state, status.state_reasons, status.queued_job_count) == (
        PrinterState.UNKNOWN,
        ("media-jam-error",),
        3,
    )
    assert (status.impressions_completed, status.media_sheets_completed) == (None, 12)


TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "type=toner;level=-3;maxcapacity=9",
        "type=wasteToner;level=900;unit=percent",
        "code=jam;severity=critical",
        "none",
    ]
)
VALUES = st.one_of(TEXTS, TEXTS.map(str.encode), st.integers(-4, 2**31), st.booleans(), st.none())
MEDIA = st.dictionaries(st.sampled_from(["media-source", "media-type", "media-size", "x-dimension"]), VALUES)
COLLECTIONS = MEDIA.map(lambda them: _group(*(attribute(name, Tag.KEYWORD, value) for name, value in them.items())))
GROUPS = st.dictionaries(st.sampled_from(PRINTER_ATTRIBUTES), st.lists(VALUES | COLLECTIONS, max_size=4))


@given(GROUPS)
def test_whatever_a_printer_answers_gives_a_reading(told: dict[str, list[Any]]) -> None:
    """With values of any type under any name; percentages stay within their bounds."""
    reading = parse_reading(_group(*(attribute(name, Tag.TEXT, *values) for name, values in told.items())))
    percents = [supply.percent for supply in reading.status.supplies] + [tray.percent for tray in reading.status.trays]
    assert all(percent is None or 0 <= percent <= 100 for percent in percents)
    assert "none" not in reading.status.state_reasons


def test_a_job_state_that_is_none_is_unknown() -> None:
    """A state out of range is not guessed at."""
    assert parse_job(_group(attribute("job-state", Tag.ENUM, 17), attribute("job-id", Tag.INTEGER, 3))).state is None


def test_options_are_written_as_ipp_has_them() -> None:
    """Keywords, enums and ranges each have their syntax, and what wasn't asked for isn't sent."""
    options = JobOptions(
        copies=2,
        sides="two-sided-long-edge",
        page_ranges=((1, 3), (7, 7)),
        print_quality="high",
        finishings=("staple",),
    )
    assert job_attributes(options) == (
        attribute("copies", Tag.INTEGER, 2),
        attribute("sides", Tag.KEYWORD, "two-sided-long-edge"),
        attribute("page-ranges", Tag.RANGE_OF_INTEGER, Range(1, 3), Range(7, 7)),
        attribute("print-quality", Tag.ENUM, 5),
        attribute("finishings", Tag.ENUM, 4),
    )
    assert job_attributes(JobOptions()) == ()


@pytest.mark.parametrize("options", [JobOptions(finishings=("origami",)), JobOptions(media="x" * 256)])
def test_an_option_that_ipp_can_not_say_is_refused(options: JobOptions) -> None:
    """What has no IPP form is refused before anything is sent."""
    with pytest.raises(PrinterRejectedError) as refusal:
        job_attributes(options)
    assert refusal.value.reason == "unsupported-attributes-or-values"


def test_a_long_name_keeps_its_token(tmp_path: Path) -> None:
    """A name is cut to 255 octets without losing the word by which the job is found again."""
    (name,) = (value.value for value in job_name(make_job(tmp_path, name="ü" * 300)).values)
    assert isinstance(name, str)
    assert len(name.encode()) <= 255
    assert name.split()[-1] == "f00d-1"


def test_a_job_name_is_one_line(tmp_path: Path) -> None:
    """Control characters from a ticket don't reach the printer's panel."""
    assert job_name(make_job(tmp_path, name="a\r\nb\x1b")) == attribute("job-name", Tag.NAME, "a b f00d-1")
    assert job_name(make_job(tmp_path)) == attribute("job-name", Tag.NAME, "order-17 f00d-1")
