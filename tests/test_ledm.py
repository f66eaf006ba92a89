"""LEDM: what its documents say, and the driver against real HTTP servers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.drivers.embedded_web import GAP_SECONDS, EmbeddedWeb, Gaps
from agent.drivers.ledm import TREE as TREE_PATH
from agent.drivers.ledm import Ledm
from agent.drivers.ledm_message import (
    USUAL_PATHS,
    Consumable,
    RawLevel,
    Usage,
    parse_conditions,
    parse_consumables,
    parse_identity,
    parse_paths,
    parse_usage,
    supplies_of,
)
from agent.errors import PrinterBusyError, PrinterProtocolError, PrinterRejectedError, PrinterUnreachableError
from agent.http import HttpClient
from agent.model import Identity, PrinterState, Supply
from agent.simulator.http_front import Response
from tests.hp_documents import LASER, OFFICE_CONSUMABLES, OFFICE_USAGE, TANK_STATUS, TREE, UUID
from tests.web_printer import Ticks, WebPrinter, patient_client, serving

STATUS, CONFIG, CONSUMABLES, USAGE = (
    f"/DevMgmt/{name}.xml"
    for name in ("ProductStatusDyn", "ProductConfigDyn", "ConsumableConfigDyn", "ProductUsageDyn")
)
READY = LASER[STATUS].replace(b"inPowerSave", b"ready")
PRINTING = LASER[STATUS].replace(b"inPowerSave", b"processing")
PARSERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (parse_paths, TREE),
    (parse_conditions, LASER[STATUS]),
    (parse_identity, LASER[CONFIG]),
    (parse_consumables, LASER[CONSUMABLES]),
    (parse_usage, LASER[USAGE]),
]


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give a client as printers get it."""
    with patient_client() as client:
        yield client


@pytest.fixture
def laser() -> Iterator[WebPrinter]:
    """Serve the laser printer, which has no discovery tree."""
    with serving(LASER) as printer:
        yield printer


def driver(printer: WebPrinter, http: HttpClient, ticks: Ticks | None = None) -> Ledm:
    """Give the driver, whose clock stands still but for its own pauses."""
    ticks = ticks or Ticks()
    return Ledm(EmbeddedWeb(printer.url("ledm"), http=http, clock=ticks, sleep=ticks.sleep))


def told(consumables: bytes, usage: bytes | None) -> list[tuple[str, float | None]]:
    """Give description and percent of each supply."""
    supplies = supplies_of(parse_consumables(consumables), parse_usage(usage) if usage else Usage())
    return [(supply.description, supply.percent) for supply in supplies]


# --- what is parsed ---


def test_a_laser_printer_is_read_whole() -> None:
    """The raw levels, the drum without one, nothing of the cartridges before, and the engine's own counters."""
    usage = parse_usage(LASER[USAGE])
    supplies = supplies_of(parse_consumables(LASER[CONSUMABLES]), usage)
    assert supplies == (
        Supply("Black Toner 207X", "toner", "consumed", "black", "percent", 21, 100),
        Supply("Cyan Toner", "toner", "consumed", "cyan", "percent", 31, 100),
        Supply("Black Image Drum", "opc", "consumed", "black", "percent", None, 100),
    )
    counted = (usage.impressions_completed, usage.color_impressions, usage.monochrome_impressions, usage.duplex_sheets)
    assert counted == (1344, 344, 1000, 408)


def test_identity_is_the_products_and_not_a_boards() -> None:
    """Text is cleaned, and a date stands for a firmware without a name."""
    assert parse_identity(LASER[CONFIG]) == Identity(
        uuid=UUID,
        serial="VNB3R01234",
        make_and_model="HP Color LaserJet M255dw",
        name="Office 2",
        location="2nd floor",
        firmware="2024-06-22",
    )


def test_a_tricolour_cartridge_is_joined_by_its_letters() -> None:
    """`CMY` is `CyanMagentaYellow`; a printhead has no level; without a raw level the rounded one stays."""
    assert told(OFFICE_CONSUMABLES, OFFICE_USAGE) == [
        ("CMYK Printhead", None),
        ("CMY Ink Cartridge", 44.0),
        ("Black Ink Cartridge", 80.0),
    ]


def test_a_printer_without_usage_has_rounded_levels() -> None:
    """Some models have no ProductUsageDyn at all."""
    assert told(OFFICE_CONSUMABLES, None)[1:] == [("CMY Ink Cartridge", 50.0), ("Black Ink Cartridge", 80.0)]


@pytest.mark.parametrize(
    ("coarse", "raw", "percent"),
    [
        (20, 21, 21.0),
        (20, -102, 20.0),
        (20, 255, 20.0),
        (0, 255, None),
        (None, 255, None),
        (255, None, None),
        (-1, -1, None),
        (0, 0, 0.0),
        (None, None, None),
    ],
)
def test_a_level_that_is_none_is_unknown(coarse: int | None, raw: int | None, percent: float | None) -> None:
    """255 is a cartridge that isn't fitted, and one that is used up beyond its end is below zero."""
    levels = () if raw is None else (RawLevel("K", "toner", raw),)
    consumable = Consumable("K", "toner", "", coarse, is_present=True, is_measured=True)
    (supply,) = supplies_of([consumable], Usage(levels=levels))
    assert supply.percent == percent


def test_nothing_of_an_unmeasured_or_a_missing_cartridge_is_unknown() -> None:
    """0 is what printers say then, and it isn't empty."""
    unmeasured = Consumable("K", "toner", "", 0, is_present=True, is_measured=False)
    missing = Consumable("K", "toner", "", 50, is_present=False, is_measured=True)
    assert [supply.percent for supply in supplies_of([unmeasured, missing], Usage())] == [None, None]


@pytest.mark.parametrize(("state", "quantity"), [("missing", "ok"), ("ok", "unknown")])
def test_the_life_state_says_whether_a_level_counts(state: str, quantity: str) -> None:
    """It is read where it stands, whatever its namespace."""
    body = LASER[CONSUMABLES].replace(b">ok</dd:ConsumableState>", f">{state}</dd:ConsumableState>".encode())
    body = body.replace(b">ok</dd:Measured", f">{quantity}</dd:Measured".encode()).replace(b">20</dd", b">0</dd")
    assert told(body, None)[0] == ("Black Toner 207X", None)


def test_prefixes_and_the_order_of_categories_do_not_matter() -> None:
    """A note that the ink is genuine comes first, and is no state."""
    conditions = parse_conditions(TANK_STATUS)
    assert (conditions.words, conditions.is_busy) == (("genuineHP", "processing"), True)


def test_a_tree_leads_to_documents_and_never_out_of_the_printer() -> None:
    """What it doesn't have, or has at an impossible place, is looked for at the usual one."""
    paths = parse_paths(TREE)
    assert paths == {**USUAL_PATHS, "ProductStatusDyn": "/Other/Status.xml"}


def test_the_recorded_tree_is_read(recordings: Path) -> None:
    """It is of a real printer, with the usual places."""
    assert parse_paths((recordings / "ledm" / "discoveryTree.xml").read_bytes()) == USUAL_PATHS


@pytest.mark.parametrize(("parse", "body"), PARSERS)
def test_damaged_documents_give_our_error_or_a_value(parse: Callable[[bytes], object], body: bytes) -> None:
    """Cut anywhere, and with bits flipped anywhere."""
    dice = random.Random(7)
    damaged = [body[:at] for at in range(0, len(body), 23)]
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
def test_what_is_no_such_document_is_our_error(parse: Callable[[bytes], object], body: bytes) -> None:
    """A web page, another document, a document type declaration, a bomb, and nothing at all."""
    doctype = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + body.removeprefix(b'<?xml version="1.0" encoding="UTF-8"?>')
    deep = b"<a>" * 100_000 + b"</a>" * 100_000
    for wrong in (b"<html><body>log in</body></html>", b"<Other/>", doctype, deep, b"", b"{}", b" " * 2_000_000 + body):
        with pytest.raises(PrinterProtocolError):
            parse(wrong)


# --- the driver ---


def test_a_printer_is_read_without_a_tree(laser: WebPrinter, http: HttpClient) -> None:
    """The usual documents are enough; it sleeps, and its black toner is low."""
    reading = driver(laser, http).read()
    assert (reading.status.state, reading.status.state_reasons) == (PrinterState.IDLE, ("standby", "toner-low-warning"))
    assert (reading.identity.serial, reading.status.impressions_completed) == ("VNB3R01234", 1344)
    assert [supply.percent for supply in reading.status.supplies] == [21.0, 31.0, None]
    assert laser.asked == [TREE_PATH, CONFIG, STATUS, CONSUMABLES, USAGE]


def test_the_tree_comes_first(http: HttpClient) -> None:
    """The status is where it says."""
    with serving({TREE_PATH: TREE, "/Other/Status.xml": TANK_STATUS}) as printer:
        assert driver(printer, http).read().status.state is PrinterState.PROCESSING
        assert (printer.asked[0], "/Other/Status.xml" in printer.asked, STATUS in printer.asked) == (
            TREE_PATH,
            True,
            False,
        )


def test_requests_come_one_at_a_time_half_a_second_apart(laser: WebPrinter, http: HttpClient) -> None:
    """A burst makes some printers deaf for a while."""
    ticks = Ticks()
    driver(laser, http, ticks).read()
    assert ticks.slept == [0.0, *[GAP_SECONDS] * 4]


def test_whoever_asks_leaves_half_a_second_to_whoever_asked_before(laser: WebPrinter, http: HttpClient) -> None:
    """What polls a printer and what examines it ask one web server, perhaps at the same moment."""
    ticks, gaps = Ticks(), Gaps()
    for _ in range(2):
        Ledm(EmbeddedWeb(laser.url("ledm"), http=http, clock=ticks, sleep=ticks.sleep, gaps=gaps)).read()
    assert ticks.slept == [0.0, *[GAP_SECONDS] * 9]


def test_what_rarely_changes_is_rarely_asked(laser: WebPrinter, http: HttpClient) -> None:
    """A minute later only who and how it is, ten minutes later the levels too."""
    laser.documents[STATUS] = READY
    ticks = Ticks()
    source = driver(laser, http, ticks)
    asked = []
    for seconds in (0, 60, 600):
        ticks.now += seconds
        source.read()
        asked.append(len(laser.taken()))
    assert asked == [5, 2, 4]


def test_a_printer_that_worked_is_asked_for_its_counter_soon(laser: WebPrinter, http: HttpClient) -> None:
    """While it prints every minute, and once more after that."""
    laser.documents[STATUS] = PRINTING
    ticks = Ticks()
    source = driver(laser, http, ticks)
    source.read()
    laser.documents[STATUS] = READY
    laser.documents[USAGE] = LASER[USAGE].replace(b"1344", b"1350")
    ticks.now += 60
    assert source.read().status.impressions_completed == 1350


def test_a_sleeping_printer_is_asked_who_and_how_it_is_only(laser: WebPrinter, http: HttpClient) -> None:
    """However long it sleeps; its last values are kept."""
    ticks = Ticks()
    source = driver(laser, http, ticks)
    source.read()
    laser.taken()
    ticks.now += 100_000
    reading = source.read()
    assert laser.taken() == [CONFIG, STATUS]
    assert (reading.identity.serial, reading.status.supplies[0].percent) == ("VNB3R01234", 21.0)


def test_what_has_not_changed_is_not_sent_again(laser: WebPrinter, http: HttpClient) -> None:
    """The printer's ETag goes back to it, and 304 keeps the value."""
    laser.documents[STATUS] = Response(body=READY, headers={"ETag": '"7"'})
    source = driver(laser, http)
    first = source.read()
    laser.taken()
    assert source.read() == first
    assert laser.taken() == [CONFIG, f'{STATUS} unless "7"']


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_document_that_is_refused_leaves_the_others(laser: WebPrinter, http: HttpClient, status: int) -> None:
    """An administrator may have locked some of them."""
    laser.documents[CONSUMABLES] = Response(status)
    laser.documents[CONFIG] = b"<html>log in</html>"
    reading = driver(laser, http).read()
    assert (reading.identity, reading.status.supplies, reading.status.impressions_completed) == (Identity(), (), 1344)


def test_last_values_outlive_a_failure(laser: WebPrinter, http: HttpClient) -> None:
    """A printer that is out of breath has not lost its cartridges."""
    laser.documents[STATUS] = READY
    ticks = Ticks()
    source = driver(laser, http, ticks)
    before = source.read()
    laser.documents[CONSUMABLES] = laser.documents[USAGE] = Response(503)
    ticks.now += 700
    assert source.read().status.supplies == before.status.supplies


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, PrinterProtocolError),
        (Response(400), PrinterProtocolError),
        (b"<html>welcome</html>", PrinterProtocolError),
        (Response(401), PrinterRejectedError),
        (Response(503), PrinterBusyError),
        (Response(302, headers={"Location": "/DevMgmt/ProductStatusDyn.xml"}), PrinterProtocolError),
        (Response(302, headers={"Location": "ftp://127.0.0.1/"}), PrinterProtocolError),
        (Response(302, headers={"Location": "http://[nowhere"}), PrinterProtocolError),
    ],
)
def test_without_a_product_status_there_is_no_reading(
    laser: WebPrinter, http: HttpClient, answer: bytes | Response | None, error: type[Exception]
) -> None:
    """And the error says what to do: look elsewhere, log in, or try again."""
    if answer is None:
        del laser.documents[STATUS]
    else:
        laser.documents[STATUS] = answer
    with pytest.raises(error):
        driver(laser, http).read()


def test_another_printer_at_the_address_gets_nothing_of_the_one_before(laser: WebPrinter, http: HttpClient) -> None:
    """Who answers is asked each time, and what was remembered is of the other one."""
    source = driver(laser, http)
    source.read()
    laser.documents = {
        STATUS: Response(body=READY, headers={"ETag": '"7"'}),
        CONFIG: LASER[CONFIG].replace(b"VNB3R01234", b"VNB3R99999").replace(b"1c852a4d", b"2d963b5e"),
    }
    reading = source.read()
    assert (reading.identity.serial, reading.status.supplies, reading.status.impressions_completed) == (
        "VNB3R99999",
        (),
        None,
    )


def test_a_dead_printer_costs_one_time_limit(http: HttpClient) -> None:
    """Nothing more is asked of one that doesn't answer the first question."""
    with serving({}) as printer:
        url = printer.url("ledm")
    ticks = Ticks()
    with pytest.raises(PrinterUnreachableError):
        Ledm(EmbeddedWeb(url, http=http, clock=ticks, sleep=ticks.sleep)).read()
    assert len(ticks.slept) == 1


def test_a_redirection_to_another_host_goes_to_the_printer_itself(laser: WebPrinter, http: HttpClient) -> None:
    """It may call itself by any name, and can send nobody elsewhere."""
    laser.documents[STATUS] = Response(302, headers={"Location": f"http://evil.example:{laser.front.port}/moved"})
    laser.documents["/moved"] = READY
    assert driver(laser, http).read().status.state is PrinterState.IDLE
    laser.documents[STATUS] = Response(302, headers={"Location": ".evil.example/moved"})
    with pytest.raises(PrinterProtocolError):
        driver(laser, http).read()
