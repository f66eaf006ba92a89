"""The words for Printer-MIB's numbers: keywords of PWG 5100.9 and RFC 8011 for the enumerations of RFC 3805."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

SUPPLY_TYPES: Mapping[int, str] = MappingProxyType(
    dict(
        enumerate(
            (
                "other",
                "unknown",
                "toner",
                "waste-toner",
                "ink",
                "ink-cartridge",
                "ink-ribbon",
                "waste-ink",
                "opc",
                "developer",
                "fuser-oil",
                "solid-wax",
                "ribbon-wax",
                "waste-wax",
                "fuser",
                "corona-wire",
                "fuser-oil-wick",
                "cleaner-unit",
                "fuser-cleaning-pad",
                "transfer-unit",
                "toner-cartridge",
                "fuser-oiler",
                "water",
                "waste-water",
                "glue-water-additive",
                "waste-paper",
                "binding-supply",
                "banding-supply",
                "stitching-wire",
                "shrink-wrap",
                "paper-wrap",
                "staples",
                "inserts",
                "covers",
            ),
            start=1,
        )
    )
)
"""PrtMarkerSuppliesTypeTC."""

UNITS: Mapping[int, str] = MappingProxyType(
    {
        1: "other",
        3: "ten-thousandths-of-inches",
        4: "micrometers",
        7: "impressions",
        8: "sheets",
        11: "hours",
        12: "thousandths-of-ounces",
        13: "tenths-of-grams",
        14: "hundredths-of-fluid-ounces",
        15: "tenths-of-milliliters",
        16: "feet",
        17: "meters",
        18: "items",
        19: "percent",
    }
)
"""PrtMarkerSuppliesSupplyUnitTC and PrtMarkerCounterUnitTC; 2, unknown, is left out."""

DETECTED_ERRORS: tuple[tuple[str, str], ...] = (
    ("media-low", "warning"),
    ("media-empty", "error"),
    ("toner-low", "warning"),
    ("toner-empty", "error"),
    ("door-open", "error"),
    ("media-jam", "error"),
    ("offline", "error"),
    ("service-requested", "warning"),
    ("input-tray-missing", "error"),
    ("output-tray-missing", "error"),
    ("marker-supply-missing", "error"),
    ("output-area-almost-full", "warning"),
    ("output-area-full", "error"),
    ("media-empty", "warning"),
    ("maintenance-overdue", "warning"),
)
"""The bits of hrPrinterDetectedErrorState from the most significant of the first byte: keyword and severity.

inputTrayEmpty (13) is a warning because another tray may have media; noPaper (1) is not.
"""

SUPPLY_WORDS: Mapping[str, str] = MappingProxyType(
    {"toner-low": "marker-supply-low", "toner-empty": "marker-supply-empty"}
)
"""What the toner bits mean on a printer that has no toner."""

SEVERITIES: Mapping[int, str] = MappingProxyType({3: "error", 4: "warning", 5: "warning"})
"""PrtAlertSeverityLevelTC critical, warning and warningBinaryChangeEvent; other (1) and anything else is no fault."""

GROUP_INPUT, GROUP_OUTPUT, GROUP_SUPPLIES, GROUP_COVER = 8, 9, 11, 6

GROUPED_ALERTS: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (9, GROUP_INPUT): "input-tray-missing",
        (9, GROUP_OUTPUT): "output-tray-missing",
        (9, GROUP_SUPPLIES): "marker-supply-missing",
        (12, GROUP_INPUT): "media-low",
        (12, GROUP_SUPPLIES): "marker-supply-low",
        (13, GROUP_INPUT): "media-empty",
        (13, GROUP_SUPPLIES): "marker-supply-empty",
        (14, GROUP_OUTPUT): "output-area-almost-full",
        (14, GROUP_SUPPLIES): "marker-waste-almost-full",
        (15, GROUP_OUTPUT): "output-area-full",
        (15, GROUP_SUPPLIES): "marker-waste-full",
        (18, GROUP_COVER): "cover-open",
    }
)
"""Alert codes whose meaning lies in prtAlertGroup, by (code, group)."""

ALERTS: Mapping[int, str] = MappingProxyType(
    {
        3: "cover-open",
        5: "interlock-open",
        8: "media-jam",
        9: "subunit-missing",
        10: "subunit-life-almost-over",
        11: "subunit-life-over",
        12: "subunit-almost-empty",
        13: "subunit-empty",
        14: "subunit-almost-full",
        15: "subunit-full",
        16: "subunit-near-limit",
        17: "subunit-at-limit",
        18: "subunit-opened",
        21: "subunit-turned-off",
        22: "subunit-offline",
        26: "subunit-removed",
        29: "subunit-recoverable-failure",
        30: "subunit-unrecoverable-failure",
        31: "subunit-recoverable-storage",
        32: "subunit-unrecoverable-storage",
        33: "subunit-motor-failure",
        34: "subunit-memory-exhausted",
        35: "subunit-under-temperature",
        36: "subunit-over-temperature",
        37: "subunit-timing-failure",
        38: "subunit-thermistor-failure",
        501: "door-open",
        504: "power-down",
        801: "input-tray-missing",
        807: "media-low",
        808: "media-empty",
        809: "media-needed",
        810: "input-manual-input-request",
        811: "input-tray-position-failure",
        812: "input-tray-elevation-failure",
        813: "input-cannot-feed-size-selected",
        901: "output-tray-missing",
        902: "output-area-almost-full",
        903: "output-area-full",
        904: "output-mailbox-select-failure",
        1002: "fuser-over-temp",
        1003: "marker-fuser-timing-failure",
        1004: "marker-fuser-thermistor-failure",
        1101: "toner-empty",
        1102: "marker-ink-empty",
        1103: "marker-print-ribbon-empty",
        1104: "toner-low",
        1105: "marker-ink-almost-empty",
        1106: "marker-print-ribbon-almost-empty",
        1107: "marker-waste-toner-receptacle-almost-full",
        1108: "marker-waste-ink-receptacle-almost-full",
        1109: "marker-waste-toner-receptacle-full",
        1110: "marker-waste-ink-receptacle-full",
        1111: "opc-near-eol",
        1112: "opc-life-over",
        1113: "developer-low",
        1114: "developer-empty",
        1115: "marker-toner-cartridge-missing",
        1301: "media-path-media-tray-missing",
        1302: "media-path-media-tray-almost-full",
        1303: "media-path-media-tray-full",
        1304: "media-path-cannot-duplex-media-selected",
        1507: "interpreter-resource-unavailable",
        1509: "interpreter-complex-page-encountered",
    }
)
"""PrtAlertCodeTC's faults. Codes that tell of a change or of warming up (503, 1001, 23, …) are left out: some printers
keep such rows for ever."""

EVENTS: frozenset[int] = frozenset(
    (4, 6, 7, 19, 20, 23, 24, 25, 27, 28, 502, 503, 505, 506, 507, *range(802, 807), 1005, *range(1501, 1507), 1801)
)
"""PrtAlertCodeTC's codes of what is no fault at any severity: closed, added, changed, switched on."""

COLORANTS: tuple[str, ...] = (
    "light-cyan",
    "light-magenta",
    "light-gray",
    "light-light-black",
    "light-black",
    "photo-black",
    "matte-black",
    "black",
    "cyan",
    "magenta",
    "yellow",
    "gray",
    "red",
    "green",
    "blue",
    "orange",
    "violet",
    "white",
    "clear",
)
"""Colours as they are looked for in a supply's description, the longer ones first."""

COLORANTS_ABROAD: tuple[tuple[str, str], ...] = (
    (
        "black",
        "black|schwarz|noire?|negr[oa]|nero|preto|czarny|zwart|svart|siyah|fekete|čern|чёрн|черн|黑|黒|ブラック|검정",
    ),
    ("cyan", "cyan|zyan|cian|ciano|cyaan|azur|голуб|青|藍|蓝|シアン|시안"),
    ("magenta", "magenta|macenta|purpur|пурпур|洋紅|洋红|品紅|品红|マゼンタ|마젠타"),
    ("yellow", "yellow|gelb|jaune|amarill[oa]|giallo|amarelo|żółty|geel|žlut|жёлт|желт|黃|黄|イエロー|노랑"),
)
"""Colours in the languages of panels and in compounds, as regular expressions; they may stand anywhere."""

_COLORANT = re.compile(rf"(?<![a-z])({'|'.join(COLORANTS)})(?![a-z])")


def find_colorant(text: str) -> str | None:
    """Find the colour that a text names, None where it names none or several, as of a cartridge with three inks."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s_-]+", "-", text).lower()
    named = set(_COLORANT.findall(words))
    if not named:
        named = {name for name, abroad in COLORANTS_ABROAD if re.search(abroad, words)}
    return named.pop() if len(named) == 1 else None


def describe_supply(colorant: str | None, supply_type: str) -> str:
    """Name a supply that the printer gives no name, such as `Black toner`."""
    return " ".join(filter(None, (colorant, supply_type.replace("-", " ")))).capitalize()
