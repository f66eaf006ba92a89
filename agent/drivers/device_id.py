"""IEEE-1284 device ids, `MFG:HP;MDL:LaserJet 4;SN:X1;`, as printers tell them by IPP and by SNMP. Pure and total."""

from __future__ import annotations

import re
from collections.abc import Mapping

LONGEST_FIELD = 127

_SHORT_KEYS = {
    "MANUFACTURER": "MFG",
    "MODEL": "MDL",
    "DESCRIPTION": "DES",
    "SERIALNUMBER": "SN",
    "SERN": "SN",
    "SER": "SN",
}
_FILLER = "0xX-?. "
_EPSONS_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){6,}")
_EPSONS_END = 0x12


def parse_device_id(text: str) -> dict[str, str]:
    """Split a device id by its keys in their short form, in upper case; of two the first that says something counts."""
    fields: dict[str, str] = {}
    for part in text.split(";"):
        key, separator, value = part.partition(":")
        key, value = key.strip().upper(), value.strip()[:LONGEST_FIELD]
        if separator and value.strip(_FILLER):
            fields.setdefault(_SHORT_KEYS.get(key, key), value)
    return fields


def serial_number(device_id: Mapping[str, str]) -> str | None:
    """Give the serial number of a device id; Epson writes its in hexadecimal, with 0x12 at the end."""
    told = device_id.get("SN")
    if told and _EPSONS_HEX.fullmatch(told):
        octets = bytes.fromhex(told)
        plain = octets.rstrip(bytes((_EPSONS_END,)))
        if octets != plain and plain.isalnum():
            return plain.decode("ascii")
    return told
