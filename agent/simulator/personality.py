"""Who a pretended printer is: a press with HP's REST interface, an old plotter, and what stands in offices."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from agent.model import Identity, Supply

Kind = Literal["hp-rest", "ipp", "ledm", "cdm", "snmp", "raw", "all"]

CMYK = ("black", "cyan", "magenta", "yellow")


@dataclass(frozen=True, slots=True)
class Personality:
    """A model of printer. `serial` is what its serials begin with."""

    make_and_model: str
    name: str
    serial: str
    location: str
    firmware: str
    document_formats: tuple[str, ...]
    supplies: tuple[Supply, ...]

    def identity(self, *, serial: str, model: str | None = None) -> Identity:
        """Give the identity of one machine: its UUID and MAC follow from its serial."""
        digest = hashlib.sha256(serial.encode()).hexdigest()
        return Identity(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, serial)),
            serial=serial,
            mac=":".join(("02", *(digest[at : at + 2] for at in range(0, 10, 2)))),  # 02: locally administered
            make_and_model=model or self.make_and_model,
            name=self.name,
            location=self.location,
            firmware=self.firmware,
        )

    def serial_at(self, host: str, port: int) -> str:
        """Make up the serial of the machine at an address: another for every address, always the same for one."""
        return self.serial + hashlib.sha256(f"{host} {port}".encode()).hexdigest()[:6].upper()


def _marker(colorant: str, supply_type: str, noun: str, *, level: int, max_capacity: int, unit: str) -> Supply:
    return Supply(
        description=f"{colorant.capitalize()} {noun}",
        supply_type=supply_type,
        colorant=colorant,
        unit=unit,
        level=level,
        max_capacity=max_capacity,
    )


LASER = Personality(
    make_and_model="HP Color LaserJet Pro M454dw",
    name="Front office",
    serial="VNB4",
    location="Front office",
    firmware="20240613",
    document_formats=("application/pdf", "application/postscript", "application/vnd.hp-PCL", "image/pwg-raster"),
    supplies=(
        *(
            _marker(colorant, "toner", "Toner", level=level, max_capacity=2400, unit="impressions")
            for colorant, level in zip(CMYK, (1440, 1800, 2000, 900), strict=True)
        ),
        Supply("Waste Toner", "waste-toner", "receptacle", None, "percent", 70, 100),
    ),
)
PRESS = Personality(
    make_and_model="HP T300M",
    name="Web press",
    serial="EX12",
    location="Press hall",
    firmware="7.2.1",
    document_formats=("application/pdf", "application/postscript", "application/vnd.hp-PCL"),
    supplies=tuple(
        _marker(colorant, "ink", "Ink", level=level, max_capacity=100, unit="percent")
        for colorant, level in zip(CMYK, (62, 81, 74, 55), strict=True)
    ),
)
PLOTTER = Personality(
    make_and_model="HP Designjet Z6200",
    name="Plotter",
    serial="MY0C",
    location="Drawing office",
    firmware="CLN_02_04_00.1",
    document_formats=("application/pdf", "application/postscript", "application/octet-stream"),
    supplies=tuple(
        _marker(colorant, "ink-cartridge", "Ink Cartridge", level=level, max_capacity=775, unit="tenths-of-milliliters")
        for colorant, level in zip(CMYK, (400, 310, 620, 540), strict=True)
    ),
)
INKJET = Personality(
    make_and_model="HP OfficeJet Pro 9020 series",
    name="Reception",
    serial="TH3B",
    location="Reception",
    firmware="MANHHIPP1N005.2623A.00",
    document_formats=("application/pdf", "application/vnd.hp-PCL", "image/jpeg"),
    supplies=tuple(
        _marker(colorant, "ink-cartridge", "Ink Cartridge", level=level, max_capacity=100, unit="percent")
        for colorant, level in zip(CMYK, (81, 43, 38, 56), strict=True)
    ),
)
SMALL_LASER = Personality(
    make_and_model="HP Color LaserJet Pro MFP 3302fdw",
    name="Back office",
    serial="VNBR",
    location="Back office",
    firmware="6.28.3.30",
    document_formats=("application/pdf", "application/postscript", "application/vnd.hp-PCL"),
    supplies=tuple(
        _marker(colorant, "toner-cartridge", "Toner Cartridge", level=level, max_capacity=100, unit="percent")
        for colorant, level in zip(CMYK, (72, 64, 58, 91), strict=True)
    ),
)
PERSONALITIES: Mapping[Kind, Personality] = MappingProxyType(
    {
        "hp-rest": PRESS,
        "ipp": LASER,
        "ledm": INKJET,
        "cdm": SMALL_LASER,
        "snmp": PLOTTER,
        "raw": PLOTTER,
        "all": LASER,
    }
)
