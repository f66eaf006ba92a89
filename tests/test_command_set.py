"""The languages that a printer names, by whatever way they are told, on their way to the driver of its raw port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest

from agent.command_set import parse_command_set
from agent.config_schema import PrinterConfig
from agent.drivers import printer_mib as mib
from agent.drivers.choose import Drivers, carried_for
from agent.drivers.ipp_attributes import parse_capabilities as parse_ipp
from agent.drivers.ipp_values import Attributes, Tag, attribute
from agent.drivers.merge import merge
from agent.drivers.pjl_options import OPTIONS
from agent.drivers.printer_identity import parse_capabilities as parse_snmp
from agent.drivers.printer_makes import PRINTER_PORT_MONITOR_DEVICE_ID
from agent.drivers.snmp_message import Oid, Value
from agent.http import HttpClient
from agent.mdns_service import Service, parse_service
from agent.model import Capabilities, Identity, Printer, PrinterStatus, Reading, Sighting
from agent.printer_record import encode_printer, parse_printer

DEVICE_ID = "MFG:HP;CMD:PJL,PCL,PDF;MDL:LaserJet 9;CLS:PRINTER;"
WORDS = ("PJL", "PCL", "PDF")
PRINTER = Printer("p", Identity(), "192.0.2.7", ("socket://192.0.2.7:9100",), datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give an HTTP client that nobody uses."""
    client = HttpClient()
    yield client
    client.close()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("MFG:HP;CMD:PJL,PML,PCLXL;MDL:X;", ("PJL", "PML", "PCLXL")),
        ("MFG:Xerox; CMD:PCL, PJL, PostScript; MDL:Y", ("PCL", "PJL", "POSTSCRIPT")),
        ("MANUFACTURER:B;COMMAND SET:PJL,PCL,PJL;", ("PJL", "PCL")),
        ("PJL,PCL,PCLXL,URF", ("PJL", "PCL", "PCLXL", "URF")),
        ("COMMAND SET:;MODEL:Dell S5830dn", ()),
        ("MDL:CMD PJL;", ()),
        ("", ()),
    ],
)
def test_a_command_set_is_read_from_a_device_id_or_alone(told: str, words: tuple[str, ...]) -> None:
    """Both spellings of the key, in capitals, each word once."""
    assert parse_command_set(told) == words


def test_ipp_tells_it_in_the_device_id() -> None:
    """printer-device-id."""
    told = Attributes((attribute("printer-device-id", Tag.TEXT, DEVICE_ID),))
    assert parse_ipp(told).command_set == WORDS


def test_snmp_tells_it_in_the_device_id_and_as_interpreters() -> None:
    """PWG's place of the device id, and Printer-MIB's table; languages that no document has are left out."""
    values: dict[Oid, Value] = {
        PRINTER_PORT_MONITOR_DEVICE_ID: DEVICE_ID.encode(),
        (*mib.INTERPRETERS, mib.INTERPRETER_LANG_FAMILY, 1, 1): 6,
        (*mib.INTERPRETERS, mib.INTERPRETER_LANG_FAMILY, 1, 2): 5,
        (*mib.INTERPRETERS, mib.INTERPRETER_LANG_FAMILY, 1, 3): 37,
    }
    assert parse_snmp(values).command_set == (*WORDS, "POSTSCRIPT")
    assert parse_snmp({}) == Capabilities()


def test_mdns_tells_it_as_usb_cmd() -> None:
    """The list alone, or a whole device id."""
    for told in (DEVICE_ID, "PJL,PCL,PDF"):
        txt = {"ty": "LaserJet 9", "usb_cmd": told}
        found = parse_service(
            Service("LaserJet", "_pdl-datastream._tcp", "x.local.", 9100, ("192.0.2.7",), txt), loopback=False
        )
        assert isinstance(found, Sighting)
        assert found.command_set == WORDS


def test_one_source_completes_what_another_tells() -> None:
    """Formats from one, languages from the other."""
    first, second = Capabilities(("application/pdf",)), Capabilities(("image/urf",), command_set=WORDS)
    told = [(name, Reading(Identity(), PrinterStatus(), part)) for name, part in (("ipp", first), ("snmp", second))]
    assert merge(told).capabilities == Capabilities(("application/pdf",), command_set=WORDS)


def test_it_is_remembered_over_a_restart() -> None:
    """And a record of before it was known is read as ever."""
    known = replace(PRINTER, capabilities=Capabilities(command_set=WORDS))
    record = encode_printer(known)
    assert parse_printer(record) == known
    assert parse_printer(record.replace(',"command_set":["PJL","PCL","PDF"]', "")) == PRINTER


@pytest.mark.parametrize(
    ("mode", "command_set", "options"),
    [
        ("auto", WORDS, OPTIONS),
        ("auto", ("PCL", "PDF"), frozenset()),
        ("auto", (), frozenset()),
        ("pjl", (), OPTIONS),
        ("bare", WORDS, frozenset()),
    ],
)
def test_the_configuration_goes_before_what_the_printer_says(
    http: HttpClient, mode: Literal["auto", "pjl", "bare"], command_set: tuple[str, ...], options: frozenset[str]
) -> None:
    """And what it says may change between two jobs."""
    config = PrinterConfig(host="192.0.2.7", raw=mode)
    drivers = Drivers(snmp=None, http_for=lambda _: http, config_for=lambda _: config)
    drivers.print_target(PRINTER)
    target = drivers.print_target(replace(PRINTER, capabilities=Capabilities(command_set=command_set)))
    assert (target.name, target.options) == ("raw", options)


def test_a_target_that_carries_the_same_for_every_job_is_asked_for_that(http: HttpClient) -> None:
    """IPP looks at no document."""
    drivers = Drivers(snmp=None, http_for=lambda _: http, config_for=lambda _: None)
    target = drivers.print_target(replace(PRINTER, uris=("ipp://192.0.2.7/ipp/print",)))
    assert carried_for(None, target) == target.options  # type: ignore[arg-type]  # no job is looked at
    drivers.close()
