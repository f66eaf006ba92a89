"""Who makes printers, and where each maker's own MIB keeps model, serial number, firmware and IEEE-1284 device id.

The places are those that the recordings of real printers and the makers' published MIBs show; only the arcs of makers
that a host's sysObjectID or sysDescr points to are asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.drivers.printer_mib import ENTERPRISES
from agent.drivers.snmp_message import Oid, oid


@dataclass(frozen=True, slots=True)
class Make:
    """One maker: its name as it stands on the printers, its names and product families in texts, and its arcs.

    `names` and `families` are regular expressions. Arcs are below 1.3.6.1.4.1: `enterprises` are its numbers, `arcs`
    the beginnings of sysObjectIDs that only printers have. `impressions` count what the printer has printed in all,
    `supplies` tell their levels in a form of the maker's own.
    """

    name: str
    names: str
    families: str | None = None
    enterprises: tuple[int, ...] = ()
    arcs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    serials: tuple[str, ...] = ()
    firmware: tuple[str, ...] = ()
    device_ids: tuple[str, ...] = ()
    impressions: tuple[str, ...] = ()
    supplies: tuple[str, ...] = ()


XEROX_MODEL, XEROX_SERIAL = "253.8.53.3.2.1.2.1", "253.8.53.3.2.1.3.1"
XEROX_IMPRESSIONS = "253.8.53.13.2.1.6.1.20.1"

MAKES: tuple[Make, ...] = (
    Make(
        "HP",
        r"hewlett[ -]?packard|hp",
        families=r"laser ?jet|(office|desk|design) ?jet|page ?wide|business ?inkjet|photosmart|jetdirect",
        enterprises=(11,),
        arcs=("11.2.3.9",),
        serials=("11.2.3.9.4.2.1.1.3.3.0",),
        firmware=("11.2.3.9.4.2.1.1.3.5.0",),
        device_ids=("11.2.3.9.1.1.7.0",),
        impressions=("11.2.3.9.4.2.1.4.1.2.5.0",),
    ),
    Make(
        "Brother",
        r"brother",
        enterprises=(2435,),
        arcs=("2435.2.3.9",),
        models=("2435.2.4.3.2435.5.13.3.0",),
        serials=("2435.2.3.9.4.2.1.5.5.1.0",),
        firmware=("2435.2.3.9.4.2.1.5.5.17.0",),
        device_ids=("2435.2.3.9.1.1.7.0",),
        supplies=("2435.2.3.9.4.2.1.5.5.8.0",),
    ),
    Make(
        "Canon",
        r"canon",
        families=r"imagerunner|imageclass|imagepress|i-sensys",
        enterprises=(1602,),
        arcs=("1602.4",),
        models=("1602.1.1.1.1.0",),
        serials=("1602.1.2.1.4.0", "1602.1.2.1.8.1.3.1.1"),
        firmware=("1602.1.1.1.4.0",),
        impressions=("1602.1.11.1.3.1.4.101",),
    ),
    Make(
        "Dell",
        r"dell",
        enterprises=(674,),
        arcs=("674.10898",),
        models=("674.10898.100.2.1.2.1.2.1",),
        serials=("674.10898.100.2.1.2.1.6.1",),
        firmware=("674.10898.100.1.1.1.0",),
        device_ids=("674.10898.100.2.1.2.1.3.1",),
    ),
    Make(
        "EPSON",
        r"(seiko )?epson",
        families=r"workforce|surecolor|stylus|aculaser|ecotank|colorworks",
        enterprises=(1248,),
        arcs=("1248.1.1",),
        models=("1248.1.2.2.1.1.1.2.1",),
        serials=("1248.1.2.2.1.1.1.5.1",),
        device_ids=("1248.1.2.2.1.1.1.1.1",),
    ),
    Make("FUJIFILM", r"fujifilm", families=r"apeos"),
    Make(
        "FUJI XEROX",
        r"fuji ?xerox",
        families=r"apeosport|docucentre|docuprint",
        enterprises=(297,),
        arcs=("297.1.11",),
        models=(XEROX_MODEL,),
        serials=(XEROX_SERIAL,),
        impressions=(XEROX_IMPRESSIONS,),
    ),
    Make(
        "Xerox",
        r"xerox",
        families=r"phaser|work ?centre|alta ?link|versa ?link|color ?qube|document centre|docucolor|primelink",
        enterprises=(253,),
        arcs=("253.8.62.1",),
        models=(XEROX_MODEL,),
        serials=(XEROX_SERIAL,),
        device_ids=("253.8.51.1.2.1.20.1",),
        impressions=(XEROX_IMPRESSIONS,),
    ),
    Make(
        "RICOH",
        r"ricoh",
        families=r"aficio",
        enterprises=(367,),
        arcs=("367.1",),
        models=("367.3.2.1.1.1.1.0",),
        serials=("367.3.2.1.2.1.4.0",),
        firmware=("367.3.2.1.1.1.2.0",),
        impressions=("367.3.2.1.2.19.1.0",),
    ),
    Make("Gestetner", r"gestetner"),
    Make("LANIER", r"lanier"),
    Make("SAVIN", r"savin"),
    Make("NRG", r"nrg"),
    Make("Nashuatec", r"nashuatec"),
    Make("Rex-Rotary", r"rex[ -]?rotary"),
    Make("infotec", r"infotec"),
    Make("UTAX", r"(ta[ _/])?utax([_/ ]ta)?"),
    Make("Triumph-Adler", r"(ta )?triumph[ -]?adler"),
    Make("Copystar", r"copystar"),
    Make(
        "KYOCERA",
        r"kyocera([ -]?mita)?",
        families=r"ecosys|taskalfa",
        enterprises=(1347,),
        arcs=("1347.41", "1347.43"),
        models=("1347.43.5.1.1.1.1",),
        serials=("1347.43.5.1.1.28.1",),
        firmware=("1347.43.5.4.1.5.1.1",),
        device_ids=("1347.40.1.1.1.8.1",),
        impressions=("1347.43.10.1.1.12.1.1",),
    ),
    Make("Develop", r"develop", families=r"ineo"),
    Make(
        "KONICA MINOLTA",
        r"konica[ -]?minolta",
        families=r"bizhub|magicolor|pagepro|accurio",
        enterprises=(18334, 2590),
        arcs=("18334.1",),
        models=("18334.1.1.1.1.6.2.1.0",),
        firmware=("18334.1.1.1.1.6.1.0",),
    ),
    Make("MINOLTA", r"minolta(-qms)?"),
    Make(
        "Lexmark",
        r"lexmark",
        enterprises=(641,),
        arcs=("641",),
        models=("641.2.1.2.1.2.1",),
        serials=("641.2.1.2.1.6.1",),
        device_ids=("641.2.1.2.1.3.1",),
    ),
    Make(
        "OKI",
        r"oki([ -]?data( corp(oration)?)?)?|okilan",
        enterprises=(2001,),
        arcs=("2001.1",),
        models=("2001.1.1.1.1.11.1.10.25.0",),
        serials=("2001.1.1.1.1.11.1.10.45.0",),
    ),
    Make(
        "Samsung",
        r"samsung",
        families=r"multixpress",
        enterprises=(236,),
        arcs=("236.11.5",),
        models=("236.11.5.1.1.1.1.0",),
        serials=("236.11.5.1.1.1.4.0",),
        firmware=("236.11.5.1.1.1.2.0",),
    ),
    Make(
        "SHARP",
        r"sharp",
        enterprises=(2385,),
        arcs=("2385.3.1",),
        firmware=("2385.2.1.1.2.1.2.1",),
    ),
    Make("TOSHIBA", r"toshiba([ -]?tec)?", families=r"e-studio", enterprises=(1129,), arcs=("1129.1", "1129.2")),
    Make(
        "Zebra",
        r"zebra( technologies)?|zebranet",
        enterprises=(10642, 683),
        arcs=("10642", "683.6"),
        models=("10642.1.1.0", "683.6.2.3.2.1.15.1"),
        serials=("10642.1.9.0", "10642.200.19.5.0"),
        firmware=("10642.1.2.0",),
        device_ids=("10642.1.3.0",),
    ),
    Make("Pantum", r"pantum", enterprises=(40093,), arcs=("40093",)),
    Make("Panasonic", r"panasonic", enterprises=(258,), arcs=("258.406",)),
    Make("Olivetti", r"olivetti", families=r"d-?copia|d-?color", enterprises=(279,)),
    Make("IBM", r"ibm|infoprint"),
    Make("Printronix", r"printronix"),
    Make("TallyGenicom", r"tally ?genicom|tally|genicom"),
    Make("Printek", r"printek"),
    Make("DYMO", r"dymo"),
    Make("Citizen", r"citizen"),
    Make("Datamax", r"datamax(-o'?neil)?"),
    Make("Intermec", r"intermec", enterprises=(1963,)),
    Make("Honeywell", r"honeywell"),
    Make("SATO", r"sato"),
    Make("BIXOLON", r"bixolon"),
    Make("TSC", r"tsc", enterprises=(51966,), arcs=("51966",)),
    Make("Star", r"star micronics"),
    Make("RISO", r"riso", families=r"comcolor"),
    Make("Sindoh", r"sindoh"),
    Make("Deli", r"deli"),
    Make("Mimaki", r"mimaki"),
    Make("Roland", r"roland dg"),
    Make("EFI", r"efi", families=r"fiery"),
)

PRINTER_PORT_MONITOR_DEVICE_ID = oid("1.3.6.1.4.1.2699.1.2.1.2.1.1.3.1")
"""The IEEE-1284 device id in PWG 5107.1, the same on every maker's printers."""


def enterprise_oid(suffix: str) -> Oid:
    """Give the object identifier of a place under 1.3.6.1.4.1."""
    return (*ENTERPRISES, *oid(suffix))


DEVICE_IDS: tuple[Oid, ...] = (
    *(enterprise_oid(place) for make in MAKES for place in make.device_ids),
    PRINTER_PORT_MONITOR_DEVICE_ID,
)
COMMON_DEVICE_IDS: tuple[Oid, ...] = (enterprise_oid("11.2.3.9.1.1.7.0"), PRINTER_PORT_MONITOR_DEVICE_ID)
"""Places of the IEEE-1284 device id that other makers than HP use as well."""

OWN_COUNTERS: tuple[Oid, ...] = tuple(enterprise_oid(place) for make in MAKES for place in make.impressions)
OWN_SUPPLIES: tuple[Oid, ...] = tuple(enterprise_oid(place) for make in MAKES for place in make.supplies)
"""Makers' own counters and levels: what changes from poll to poll."""

PRINTER_ARCS: tuple[Oid, ...] = tuple(enterprise_oid(arc) for make in MAKES for arc in make.arcs)
"""Beginnings of sysObjectIDs that only printers and print servers have."""

_NAMES = tuple((make, re.compile(rf"(?i)(?<![a-z])({make.names})(?![a-z])")) for make in MAKES)
_FAMILIES = tuple((make, re.compile(rf"(?i)(?<![a-z])({make.families})")) for make in MAKES if make.families)
_BY_NUMBER = {number: make for make in MAKES for number in make.enterprises}


def make_by_number(sys_object_id: Oid) -> Make | None:
    """Find the maker by its enterprise number, which may be that of whoever built the print server."""
    if sys_object_id[:-1][: len(ENTERPRISES)] != ENTERPRISES:
        return None
    return _BY_NUMBER.get(sys_object_id[len(ENTERPRISES)])


def make_by_name(text: str | None) -> Make | None:
    """Find the maker whose own name comes first in a text."""
    found = [(match.start(), make) for make, names in _NAMES if (match := names.search(text or ""))]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def make_by_family(text: str | None) -> Make | None:
    """Find the maker by the name of a product family, such as `LaserJet`."""
    return next((make for make, families in _FAMILIES if families.search(text or "")), None)


def without_make(text: str, make: Make) -> str:
    """Cut the maker's name from the beginning of a text, however and however often it is spelt there."""
    return re.sub(rf"(?i)^(?:({make.names})(?![a-z])[\s:_-]*)+", "", text)
