"""The truth about every recorded printer, by hand, read over UDP as the agent reads real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.drivers.snmp import SnmpClient, SnmpPrinter
from agent.errors import PrinterProtocolError
from agent.model import Reading
from tests.snmp_agent import load_recording, serving


class Truth(NamedTuple):
    """What a recording says: `percents` of the supplies in order, `pages` in impressions and in sheets."""

    make_and_model: str | None
    serial: str | None = None
    state: str = "unknown"
    reasons: tuple[str, ...] = ()
    percents: tuple[float | None, ...] = ()
    pages: tuple[int | None, int | None] = (None, None)


M880 = (92, 16, 100, 70, 53, 58, 58, 58, 89, 84, 99, 97, None, None, None)
EPSON_LOW = ("marker-supply-low-warning", "marker-ink-almost-empty-warning")

TRUTHS = {
    "brother": Truth("Brother MFC-L2710DW series", "000A5J431816", percents=(None, 95.8)),
    "brother_hl5370dw": Truth("Brother HL-5370DW series", "B9J154306", percents=(None, None, 68.8), pages=(7792, None)),
    "canonprinter_d1180": Truth("Canon D1180/MF6680"),
    "canonprinter_tm": Truth("Canon TM-5300", percents=(80, 100, 60, 80, 70, 10), pages=(None, 21588)),
    "dell-laser_s5830dn": Truth("Dell S5830dn", "7XQ1R92-132-13", percents=(49, 72, 83, 89)),
    "epson": Truth("EPSON WF-C5790BA", "X3B8022793", percents=(1, 1, 1, 1)),
    "full_brother_hl_l8260cdw": Truth(
        "Brother HL-L8260CDW series",
        "U64641E7J134163",
        state="idle",
        percents=(None, None, None, None, None, 56.5, 75.3),
        pages=(None, 42976),
    ),
    "full_epson_cw_c6500": Truth(
        "EPSON CW-C6500Au", "X7F4008528", "idle", EPSON_LOW, percents=(86, 1, 1, 1, 50), pages=(7389, None)
    ),
    "full_kyocera_p2040dw": Truth(
        "KYOCERA ECOSYS P2040dw", "VD21457943", state="idle", percents=(98, None), pages=(7432, None)
    ),
    "gestetner": Truth("Gestetner MPC2500/DSc525", "M6394300657"),
    "jetdirect": Truth("HP Color LaserJet M452nw", "AAA0A00000", percents=(54, 44, 76, 71)),
    "jetdirect_1": Truth(None),
    "jetdirect_m130nw": Truth("HP LaserJet MFP M130nw", "VNCRC48198", percents=(28, 71), pages=(15232, None)),
    "jetdirect_m880": Truth("HP Color LaserJet flow MFP M880", percents=M880),
    "jetdirect_m880_repaired": Truth("HP Color LaserJet flow MFP M880", percents=M880),
    "konica": Truth(
        "KONICA MINOLTA bizhub C3110",
        percents=(29, 31, 58, 83, 59, 79, 97, 78, 59, 78, 20, 71, None, 68, 41, 45, 45),
    ),
    "konica_2": Truth("Konica Minolta bizhub 25e", percents=(8, 99, 58, 58)),
    "kyocera": Truth("KYOCERA FS-1028MFP", "QUV9600664"),
    "lexmarkprinter": Truth("Lexmark T640"),
    "okilan": Truth("OKI MC342"),
    "partial_lexmark_x748": Truth(None, percents=(94, 96, 96, 94, 71, 71, 71, 71, 0, 77, 77, None)),
    "partial_oki": Truth(None, percents=(30, 10, 10, 40, 2, 39.8, 58, 23.1, 79, 43.6, None)),
    "partial_utf8_sleep_alert": Truth(None, state="idle"),
    "ricoh": Truth("RICOH MP 3053"),
    "ricoh_mpc3002": Truth("RICOH Aficio MP C3002", "W492KB03439", percents=(40, 0, 20, 50, 50), pages=(None, 271871)),
    "samsungprinter_c": Truth("Samsung C"),
    "samsungprinter_m4080fx": Truth(
        "Samsung M4080FX",
        reasons=("media-low-warning",),
        percents=(88, 74.5, 84.7, 95.6, 100, 90.5, 90.5),
        pages=(22934, None),
    ),
    "sharp": Truth(
        "SHARP MX-3570N",
        "6509415X00",
        reasons=("toner-low-warning",),
        percents=(55, 19, 40, 34, None, 81, 81, 81, 95, 91, 91, 91, 74, None),
        pages=(121104, None),
    ),
    "toshiba-tec_fv4": Truth("TOSHIBA TEC B-FV4"),
    "xerox": Truth("Xerox AltaLink C8045", percents=(20, 66, 72, 60, 50, 92, 93, 93, 90, 95, 65, 86)),
    "xerox_phaser": Truth("Xerox Phaser 4600"),
    "zebra": Truth("Zebra ZTC TLP 2824 Plus", "37J162600538", state="idle"),
}


@pytest.fixture(scope="module")
def client() -> Iterator[SnmpClient]:
    """Give a client that reads all recordings over one socket."""
    client = SnmpClient(timeout_seconds=2)
    client.start()
    yield client
    client.stop()


def told(reading: Reading) -> Truth:
    """Put a reading into the form of the table."""
    identity, status = reading.identity, reading.status
    return Truth(
        identity.make_and_model,
        identity.serial,
        status.state.keyword,
        status.state_reasons,
        tuple(supply.percent for supply in status.supplies),
        (status.impressions_completed, status.media_sheets_completed),
    )


@pytest.mark.parametrize("name", TRUTHS)
def test_a_recorded_printer_is_told_truly(recordings: Path, client: SnmpClient, name: str) -> None:
    """Model, serial number, state, reasons, supplies and counter, at the first read and at the polls after it."""
    with serving(load_recording(recordings / "snmp" / f"{name}.snmprec")) as agent:
        printer = SnmpPrinter("127.0.0.1", client=client, port=agent.port)
        assert told(printer.read()) == TRUTHS[name]
        assert told(printer.read()) == TRUTHS[name]


@pytest.mark.parametrize("name", ["axisdocserver", "panasonic-ns"])
def test_what_is_no_printer_is_not_taken_for_one(recordings: Path, client: SnmpClient, name: str) -> None:
    """A document server and a telephone exchange answer by SNMP too."""
    with serving(load_recording(recordings / "snmp" / f"{name}.snmprec")) as agent:
        printer = SnmpPrinter("127.0.0.1", client=client, port=agent.port)
        with pytest.raises(PrinterProtocolError, match="no printer"):
            printer.read()


def test_every_recording_has_its_truth(recordings: Path) -> None:
    """A new recording is a new line in the table."""
    names = {path.stem for path in (recordings / "snmp").glob("*.snmprec")}
    assert names - {"axisdocserver", "panasonic-ns"} == set(TRUTHS)
