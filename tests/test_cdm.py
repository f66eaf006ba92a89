"""CDM: what its documents say, and the driver against real HTTP servers, with gzip, redirections and old TLS."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.drivers.cdm import SERVICES, Cdm
from agent.drivers.cdm_message import (
    ALERTS,
    CONFIGURATION,
    COUNTERS,
    IDENTITY,
    PRINT_STATUS,
    SUPPLIES,
    SYSTEM_STATUS,
    USUAL_PATHS,
    Counters,
    parse_alerts,
    parse_configuration,
    parse_counters,
    parse_identity,
    parse_print_status,
    parse_services,
    parse_supplies,
    parse_system_status,
)
from agent.drivers.embedded_web import EmbeddedWeb
from agent.errors import PrinterProtocolError, PrinterRejectedError
from agent.http import HttpClient
from agent.model import Identity, PrinterState
from agent.simulator.http_front import Response
from tests.hp_documents import SMART_TANK, UUID
from tests.web_printer import Ticks, WebPrinter, old_tls, patient_client, serving

PARSERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (parse_system_status, SMART_TANK[SYSTEM_STATUS]),
    (parse_print_status, SMART_TANK[PRINT_STATUS]),
    (parse_alerts, SMART_TANK[ALERTS]),
    (parse_supplies, SMART_TANK[SUPPLIES]),
    (parse_counters, SMART_TANK[COUNTERS]),
    (parse_identity, SMART_TANK[IDENTITY]),
    (parse_configuration, SMART_TANK[CONFIGURATION]),
    (parse_services, b'{"services": [{"links": [{"href": "/cdm/system/v2/status"}]}]}'),
]


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give a client as printers get it."""
    with patient_client() as client:
        yield client


@pytest.fixture
def tank() -> Iterator[WebPrinter]:
    """Serve the tank printer."""
    with serving(SMART_TANK) as printer:
        yield printer


def driver(printer: WebPrinter, http: HttpClient, ticks: Ticks | None = None) -> Cdm:
    """Give the driver, whose clock stands still but for its own pauses."""
    ticks = ticks or Ticks()
    return Cdm(EmbeddedWeb(printer.url("cdm"), http=http, clock=ticks, sleep=ticks.sleep))


def written(**facts: Any) -> bytes:
    """Write a document."""
    return json.dumps(facts).encode()


def percents(**supply: Any) -> list[float | None]:
    """Give the percent of one supply."""
    return [found.percent for found in parse_supplies(written(suppliesList=[supply]))]


# --- what is parsed ---


def test_a_tank_printer_has_heads_without_levels_and_tanks_with() -> None:
    """The colour is in either of two places, and three colours are no one colorant."""
    supplies = [
        (supply.description, supply.supply_type, supply.colorant, supply.percent)
        for supply in parse_supplies(SMART_TANK[SUPPLIES])
    ]
    assert supplies == [
        ("CMY Ink Cartridge", "ink-cartridge", None, None),
        ("Black Ink Tank", "ink", "black", 100.0),
        ("Cyan Ink Tank", "ink", "cyan", 70.0),
    ]


def test_identity_is_put_together() -> None:
    """The maker stands apart from the model, and `version` is not the firmware's."""
    assert parse_identity(SMART_TANK[IDENTITY]) == Identity(
        uuid=UUID, serial="CN3AB1C2D3", make_and_model="HP Smart Tank 580-590 series", firmware="LWP1CN2630CR"
    )
    assert parse_identity(written(makeAndModel="HP LaserJet 9")).make_and_model == "HP LaserJet 9"


@pytest.mark.parametrize("percent", [-16, 255, "80", True, None, 1e400, [], {}])
def test_a_percentage_that_is_none_is_unknown(percent: Any) -> None:
    """JSON from a printer may hold anything."""
    assert percents(supplyColorCode="K", percentLifeDisplay=percent) == [None]


def test_a_bound_is_taken_as_it_is_shown_and_a_missing_supply_has_no_level() -> None:
    """`greaterThan` marks what is surely left."""
    assert percents(percentLifeDisplay=80, percentLifeDisplaySymbol="greaterThan") == [80.0]
    assert percents(percentLifeDisplay=80, supplyState="missing") == [None]


def test_booleans_are_strings() -> None:
    """`"false"` is not true."""
    told = parse_print_status(written(printerState="stopped", printerIsAcceptingJobs="false"))
    assert (told.state, told.accepting_jobs) == (PrinterState.STOPPED, False)
    assert parse_print_status(written(printerState="odd", printerIsAcceptingJobs=None)).accepting_jobs


def test_counters_that_make_no_sense_are_unknown() -> None:
    """The printer's own total is told as it is."""
    assert parse_counters(SMART_TANK[COUNTERS]) == Counters(10531, 1369, None, 647)
    assert parse_counters(written(printUsage={"impressions": {"total": -16}, "sheets": 3})) == Counters()


def test_services_name_the_version_that_a_printer_has() -> None:
    """Whatever the shape of the list; a path outside of `/cdm/` is none."""
    services = [{"links": [{"href": "/cdm/system/v2/status"}, {"href": "/cdm/../x"}]}, {"path": "//evil/v1/alerts"}]
    assert parse_services(written(services=services)) == {**USUAL_PATHS, SYSTEM_STATUS: "/cdm/system/v2/status"}


@pytest.mark.parametrize(("parse", "body"), PARSERS)
def test_damaged_documents_give_our_error_or_a_value(parse: Callable[[bytes], object], body: bytes) -> None:
    """Cut anywhere, and with bits flipped anywhere."""
    dice = random.Random(7)
    damaged = [body[:at] for at in range(0, len(body), 7)]
    for _ in range(400):
        copy = bytearray(body)
        for _ in range(dice.randint(1, 4)):
            copy[dice.randrange(len(copy))] ^= 1 << dice.randrange(8)
        damaged.append(bytes(copy))
    for document in damaged:
        try:
            parse(document)
        except PrinterProtocolError:
            continue


@pytest.mark.parametrize(("parse", "body"), PARSERS)
def test_other_types_than_expected_give_our_error_or_a_value(parse: Callable[[bytes], object], body: bytes) -> None:
    """Every member of a document may be anything, and text may hold half a character."""
    for name in json.loads(body):
        values: list[Any] = [None, [], {}, 7, -1.5, "\ud800\x00", True, [[{}]], [{name: [name]}], 10**400]
        for value in values:
            try:
                parse(json.dumps({**json.loads(body), name: value}).encode())
            except PrinterProtocolError:
                continue


@pytest.mark.parametrize("parse", [parse for parse, _ in PARSERS])
def test_what_is_no_document_is_our_error(parse: Callable[[bytes], object]) -> None:
    """A web page, a list, a bomb, and nothing at all."""
    for wrong in (b"<html></html>", b"[]", b"7", b"", b"[" * 100_000, b" " * 2_000_000 + b"{}"):
        with pytest.raises(PrinterProtocolError):
            parse(wrong)


# --- the driver ---


def test_a_printer_is_read_whole(tank: WebPrinter, http: HttpClient) -> None:
    """It sleeps, genuine ink is no fault, and a number for the shop comes from its configuration."""
    reading = driver(tank, http).read()
    assert (reading.status.state, reading.status.state_reasons) == (PrinterState.IDLE, ("standby",))
    assert (reading.status.impressions_completed, reading.status.media_sheets_completed) == (10531, 1369)
    assert (reading.identity.serial, reading.identity.location) == ("CN3AB1C2D3", "Shop")
    assert [supply.percent for supply in reading.status.supplies] == [None, 100.0, 70.0]


def test_the_print_service_says_what_prints(tank: WebPrinter, http: HttpClient) -> None:
    """A printer that scans is busy and prints nothing; its alerts are told with the service's own reasons."""
    tank.documents[SYSTEM_STATUS] = written(status="processing")
    tank.documents[PRINT_STATUS] = written(printerState="idle", printerStateReasons=["media-low-warning", "mediaEmpty"])
    tank.documents[ALERTS] = written(alerts=[{"category": "cartridgeLow", "severity": "warning"}])
    status = driver(tank, http).read().status
    assert status.state is PrinterState.IDLE
    assert status.state_reasons == ("media-low-warning", "media-empty", "marker-supply-low-warning")


@pytest.mark.parametrize("kept", [SYSTEM_STATUS, PRINT_STATUS])
def test_one_of_two_documents_of_status_is_enough(http: HttpClient, kept: str) -> None:
    """Everything else may be missing: 400 and 404 both say so."""
    with serving({kept: SMART_TANK[kept], SUPPLIES: Response(400)}) as printer:
        reading = driver(printer, http).read()
    assert (reading.identity, reading.status.state) == (Identity(), PrinterState.IDLE)


def test_the_services_come_first(http: HttpClient) -> None:
    """A wrong version would be a 404."""
    services = written(services=[{"href": "/cdm/system/v2/status"}])
    with serving({SERVICES: services, "/cdm/system/v2/status": written(status="ready")}) as printer:
        assert driver(printer, http).read().status.state is PrinterState.IDLE
        assert printer.asked[:3] == [SERVICES, IDENTITY, "/cdm/system/v2/status"]


def test_without_any_status_there_is_no_reading(http: HttpClient) -> None:
    """An LEDM printer may answer a few of the other paths."""
    with serving({SUPPLIES: SMART_TANK[SUPPLIES]}) as printer, pytest.raises(PrinterProtocolError):
        driver(printer, http).read()


def test_a_status_that_is_forbidden_asks_for_credentials(tank: WebPrinter, http: HttpClient) -> None:
    """Nobody but an administrator can give them."""
    tank.documents[SYSTEM_STATUS] = Response(403)
    with pytest.raises(PrinterRejectedError):
        driver(tank, http).read()


def test_a_sleeping_printer_is_asked_who_and_how_it_is_only(tank: WebPrinter, http: HttpClient) -> None:
    """Its supplies don't change in its sleep."""
    ticks = Ticks()
    source = driver(tank, http, ticks)
    source.read()
    tank.taken()
    ticks.now += 100_000
    source.read()
    assert tank.taken() == [IDENTITY, SYSTEM_STATUS, PRINT_STATUS, ALERTS]


def test_gzip_comes_unasked(http: HttpClient) -> None:
    """As the firmware has it, whatever the client accepts."""
    packed = {
        path: Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        for path, body in SMART_TANK.items()
    }
    with serving(packed) as printer:
        assert driver(printer, http).read().status.impressions_completed == 10531


def test_a_printer_moves_everybody_to_old_tls(tmp_path: Path) -> None:
    """It redirects by its own name, signs its own certificate, exchanges keys by RSA; from there nobody goes back."""
    with serving(SMART_TANK, tls=old_tls(tmp_path)) as secure, patient_client() as client:
        place = f"https://tank.local:{secure.front.port}"
        moved = {path: Response(301, headers={"Location": f"{place}{path}"}) for path in (*SMART_TANK, SERVICES)}
        with serving(moved) as plain:
            reading = driver(plain, client).read()
            assert (reading.status.impressions_completed, plain.asked) == (10531, [SERVICES])
            secure.documents[SYSTEM_STATUS] = Response(302, headers={"Location": f"http://x:{plain.front.port}/"})
            with pytest.raises(PrinterProtocolError, match="a redirection to http"):
                driver(secure, client).read()
