"""IEEE-1284 device ids as printers really write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.device_id import LONGEST_FIELD, parse_device_id, serial_number


@pytest.mark.parametrize(
    "text",
    [
        "MFG:HP;MDL:LaserJet 4;CLS:PRINTER;",
        "MANUFACTURER:HP;COMMAND SET:PCL;MODEL:LaserJet 4",
        " mfg : HP ; mdl:LaserJet 4;MDL:another;",
        "ID:x;MFG:HP;MFG:;;:;=;nonsense;MODEL:XXXX;MDL:LaserJet 4;",
    ],
)
def test_keys_are_read_in_every_spelling(text: str) -> None:
    """Long and short keys mean the same, in any case; of two the first that says something counts."""
    fields = parse_device_id(text)
    assert (fields["MFG"], fields["MDL"]) == ("HP", "LaserJet 4")


@pytest.mark.parametrize(
    ("text", "serial"),
    [
        ("MFG:Kyocera;SER:VD21457943;", "VD21457943"),
        ("MFG:X;SERN:A2;", "A2"),
        ("SN:000000;SERIALNUMBER:A4;", "A4"),
        ("MFG:EPSON;SN:583434593035343012;", "X44Y0540"),
        ("MFG:X;SN:123456789012;", "123456789012"),
        ("MFG:X;SN:00112233445566FF;", "00112233445566FF"),
        ("SN:XXXXXXXXXX;", None),
        ("", None),
    ],
)
def test_the_serial_number_is_found_and_read(text: str, serial: str | None) -> None:
    """Epson's is the hexadecimal of its letters with 0x12 behind them; another's that only looks so is kept."""
    assert serial_number(parse_device_id(text)) == serial


def test_a_field_without_end_is_cut() -> None:
    """It comes from the network."""
    assert len(parse_device_id("MDL:" + "m" * 5000)["MDL"]) == 127


@given(st.text(alphabet="MFGDLSNER:;0123456789abcdefX \0é", max_size=80) | st.text())
def test_whatever_is_sent_gives_short_fields(text: str) -> None:
    """And a serial number that is one of them, or Epson's in plain letters."""
    fields = parse_device_id(text)
    assert all(0 < len(value) <= LONGEST_FIELD for value in fields.values())
    assert (serial_number(fields) is None) == ("SN" not in fields)
