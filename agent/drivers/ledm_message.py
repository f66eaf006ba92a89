"""What HP's LEDM says in XML over a printer's web server, as models: pure.

A printer tells each consumable twice: ConsumableConfigDyn with a level rounded to tens, ProductUsageDyn with the raw
one, which may be negative or 255 (not fitted). What the cartridge before it was is nested in both, so that only direct
children count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree.ElementTree import Element

from agent.drivers.hp_keywords import (
    COLORANTS,
    Conditions,
    cleaned,
    color_code,
    describe,
    plain,
    serial_of,
    supply_type_of,
    uuid_of,
    with_make,
)
from agent.drivers.xml_document import child_text, children, descendants, local_name, parse_xml
from agent.errors import PrinterProtocolError
from agent.model import Identity, Supply

FULL_PERCENT = 100
NOT_FITTED = 255
MOST_ITEMS = 64
LONGEST_NUMBER = 15

STATUS, CONFIG, CONSUMABLES, USAGE = "ProductStatusDyn", "ProductConfigDyn", "ConsumableConfigDyn", "ProductUsageDyn"
USUAL_PATHS: Mapping[str, str] = MappingProxyType(
    {name: f"/DevMgmt/{name}.xml" for name in (STATUS, CONFIG, CONSUMABLES, USAGE)}
)
_PATH = re.compile(r"/(?!/)[\w./~-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Consumable:
    """A ConsumableInfo: `code` is its label (K, C, CMY, …), `kind` HP's word, `level` its percentage in tens if any."""

    code: str
    kind: str
    number: str
    level: int | None
    is_present: bool
    is_measured: bool


@dataclass(frozen=True, slots=True)
class RawLevel:
    """The exact level of a consumable: percent, but it may be below 0, or 255."""

    code: str
    kind: str
    level: int


@dataclass(frozen=True, slots=True)
class Usage:
    """ProductUsageDyn: the life counts of the print engine, and the raw levels."""

    impressions_completed: int | None = None
    color_impressions: int | None = None
    monochrome_impressions: int | None = None
    duplex_sheets: int | None = None
    levels: tuple[RawLevel, ...] = ()


def parse_paths(body: bytes) -> Mapping[str, str]:
    """Read DiscoveryTree: the path of each document, the usual one where the tree has none.

    Raises:
        PrinterProtocolError: this is no discovery tree.
    """
    root = _root(body, "DiscoveryTree")
    told = {
        child_text(entry, "ResourceType").rpartition("hpLedm")[2].strip(): child_text(entry, "ResourceURI").strip()
        for entry in children(root, "SupportedTree")
    }
    return {name: told[name] if _PATH.fullmatch(told.get(name, "")) else usual for name, usual in USUAL_PATHS.items()}


def parse_conditions(body: bytes) -> Conditions:
    """Read ProductStatusDyn.

    Raises:
        PrinterProtocolError: this is no product status.
    """
    root = _root(body, STATUS)
    words = (child_text(status, "StatusCategory").strip() for status in descendants(root, "Status"))
    alerts = (
        (child_text(alert, "ProductStatusAlertID").strip(), child_text(alert, "Severity"))
        for alert in descendants(root, "Alert")
    )
    return Conditions(tuple(filter(None, words)), tuple(alert for alert in alerts if alert[0]))


def parse_identity(body: bytes) -> Identity:
    """Read ProductConfigDyn; a date stands for the firmware where that has no other name.

    Raises:
        PrinterProtocolError: this is no product configuration.
    """
    root = _root(body, CONFIG)
    product = next(descendants(root, "ProductInformation"), None)
    settings = next(descendants(root, "ProductSettings"), None)
    return Identity(
        uuid=uuid_of(child_text(product, "UUID")),
        serial=serial_of(child_text(product, "SerialNumber")),
        make_and_model=with_make(cleaned(child_text(product, "MakeAndModel"))),
        name=cleaned(child_text(settings, "FriendlyName")),
        location=cleaned(child_text(settings, "DeviceInformation", "DeviceLocation"))
        or cleaned(child_text(settings, "DeviceLocation")),
        firmware=cleaned(child_text(product, "Version", "Revision")) or cleaned(child_text(product, "Version", "Date")),
    )


def parse_consumables(body: bytes) -> tuple[Consumable, ...]:
    """Read ConsumableConfigDyn.

    Raises:
        PrinterProtocolError: this is no configuration of consumables.
    """
    found = [_consumable(info) for info in descendants(_root(body, CONSUMABLES), "ConsumableInfo")]
    return tuple(found[:MOST_ITEMS])


def parse_usage(body: bytes) -> Usage:
    """Read ProductUsageDyn.

    Raises:
        PrinterProtocolError: this is no product usage.
    """
    root = _root(body, USAGE)
    printer = next(descendants(root, "PrinterSubunit"), None)
    levels = (_raw_level(consumable) for consumable in descendants(root, "Consumable"))
    return Usage(
        impressions_completed=_count(child_text(printer, "TotalImpressions")),
        color_impressions=_count(child_text(printer, "ColorImpressions")),
        monochrome_impressions=_count(child_text(printer, "MonochromeImpressions")),
        duplex_sheets=_count(child_text(printer, "DuplexSheets")),
        levels=tuple(level for level in levels if level)[:MOST_ITEMS],
    )


def supplies_of(consumables: Sequence[Consumable], usage: Usage) -> tuple[Supply, ...]:
    """Join both descriptions of the consumables, by colour and kind: the raw level where it is one."""
    return tuple(_supply(consumable, _matching(consumable, usage.levels)) for consumable in consumables)


def _root(body: bytes, name: str) -> Element:
    root = parse_xml(body)
    if local_name(root) != name:
        raise PrinterProtocolError(f"the answer is no {name}")
    return root


def _consumable(info: Element) -> Consumable:
    state = next(children(info, "ConsumableLifeState"), None)
    is_unknown = plain(child_text(info, "IsSupplyLevelUnknown")) == "true"
    return Consumable(
        code=color_code(child_text(info, "ConsumableLabelCode")),
        kind=cleaned(child_text(info, "ConsumableTypeEnum")) or "",
        number=cleaned(child_text(info, "ConsumableSelectibilityNumber")) or "",
        level=_integer(child_text(info, "ConsumablePercentageLevelRemaining")),
        is_present=plain(child_text(state, "ConsumableState")) not in ("missing", "misinstalled") and not is_unknown,
        is_measured=plain(child_text(state, "MeasuredQuantityState")) != "unknown",
    )


def _raw_level(consumable: Element) -> RawLevel | None:
    level = _integer(child_text(consumable, "ConsumableRawPercentageLevelRemaining"))
    if level is None:
        return None
    code = color_code(child_text(consumable, "MarkerColor"))
    return RawLevel(code, child_text(consumable, "ConsumableTypeEnum"), level)


def _matching(consumable: Consumable, levels: Sequence[RawLevel]) -> int | None:
    alike = (raw.level for raw in levels if raw.code == consumable.code and _stuff(raw.kind) == _stuff(consumable.kind))
    return next(alike, None)


def _stuff(kind: str) -> str:
    """Name what a kind of supply holds: `ink` of an ink cartridge."""
    return supply_type_of(kind).partition("-")[0]


def _supply(consumable: Consumable, raw: int | None) -> Supply:
    supply_type = supply_type_of(consumable.kind)
    return Supply(
        description=describe(consumable.code, consumable.kind, consumable.number),
        supply_type=supply_type,
        supply_class="receptacle" if supply_type.startswith("waste") else "consumed",
        colorant=COLORANTS.get(consumable.code),
        unit="percent",
        level=_level(consumable, raw),
        max_capacity=FULL_PERCENT,
    )


def _level(consumable: Consumable, raw: int | None) -> int | None:
    """Choose the level that means something; 0 of a supply that is not fitted, or not measured, does not."""
    coarse = consumable.level
    if not consumable.is_present or (raw == NOT_FITTED and not coarse):
        return None
    told = next((level for level in (raw, coarse) if level is not None and 0 <= level <= FULL_PERCENT), None)
    return told if told or consumable.is_measured else None


def _count(text: str) -> int | None:
    number = _integer(text)
    return number if number is not None and number >= 0 else None


def _integer(text: str) -> int | None:
    found = re.fullmatch(rf"(-?\d{{1,{LONGEST_NUMBER}}})(\.\d*)?", text.strip(), re.ASCII)
    return int(found[1]) if found else None
