"""Manners towards printers: what sleeps is not woken."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from agent.drivers.choose import Drivers
from agent.drivers.ipp_values import GroupTag, Message, Tag, attribute
from agent.drivers.snmp import SnmpClient
from agent.http import HttpClient
from agent.model import Identity, Printer, PrinterState, Reading, utc_now
from tests.ipp_parts import reply, scripted
from tests.snmp_agent import load_recording, serving

IPP_TELLS = (
    attribute("printer-state", Tag.ENUM, 3),
    attribute("printer-state-reasons", Tag.KEYWORD, "none"),
    attribute("marker-names", Tag.NAME, "Black"),
    attribute("marker-levels", Tag.INTEGER, 40),
)


def read_thrice(recording: Path) -> tuple[list[Reading], int]:
    """Read a printer three times by IPP and SNMP as recorded; gives the readings and how often IPP was asked."""

    def ipp_tells(message: Message, request: object) -> Message:
        return reply(0, *IPP_TELLS, tag=GroupTag.PRINTER)

    snmp = SnmpClient()
    snmp.start()
    with (
        scripted(ipp_tells) as (ipp, asked),
        serving(load_recording(recording)) as agent,
        closing(HttpClient()) as http,
    ):
        uris = (ipp._uri, f"snmp://{agent.host}:{agent.port}")
        printer = Printer("p1", Identity(), agent.host, uris, utc_now())
        source = Drivers(snmp=snmp, http_for=lambda _: http, config_for=lambda _: None).status_source(printer)
        readings = [source.read() for _ in range(3)]
        snmp.stop()
        return readings, len(asked.asked)


@pytest.mark.parametrize(
    "recording",
    ["full_brother_hl_l8260cdw.snmprec", "full_kyocera_p2040dw.snmprec", "partial_utf8_sleep_alert.snmprec"],
)
def test_a_real_printer_that_sleeps_is_asked_by_ipp_only_once(recordings: Path, recording: str) -> None:
    """Its panel, or an alert, says by SNMP that it sleeps; what IPP told at first is kept."""
    readings, asked = read_thrice(recordings / "snmp" / recording)
    assert asked == 1
    assert {reading.status.state for reading in readings} == {PrinterState.IDLE}
    assert [reading.status.supplies[0].description for reading in readings] == ["Black"] * 3


def test_a_real_printer_that_is_awake_is_asked_each_time(recordings: Path) -> None:
    """Its panel says that it is ready."""
    _, asked = read_thrice(recordings / "snmp" / "jetdirect_m130nw.snmprec")
    assert asked == 3
