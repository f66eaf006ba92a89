from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from agent.config_schema import PrinterConfig
from agent.drivers.choose import Complemented, Drivers, StatusSource, complementing
from agent.drivers.snmp import SnmpClient
from agent.endpoints import bracketed, host_of, rehosted, with_drivers
from agent.errors import NotFoundError, PrinterUnreachableError
from agent.http import HttpClient
from agent.model import Capabilities, Identity, Printer, PrinterState, PrinterStatus, Reading, Supply
from tests.web_printer import Ticks

HOST = "192.0.2.7"
IPP = f"ipp://{HOST}:631/ipp/print"
IPPS = f"ipps://{HOST}:631/ipp/print"
REST = f"http://{HOST}:8080/"
SNMP = f"snmp://{HOST}"
RAW = f"socket://{HOST}:9100"
LEDM = f"ledm+http://{HOST}:8080/"
CDM = f"cdm+https://{HOST}:443/"
TONER = Supply("Black", "toner", level=1, max_capacity=2)


def printer(*uris: str) -> Printer:
    """Give a printer with these endpoints."""
    return Printer("p1", Identity(name="Office"), HOST, uris, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give an HTTP client that nobody uses."""
    client = HttpClient()
    yield client
    client.close()


def drivers(http: HttpClient, *, snmp: SnmpClient | None = None, allowed: Sequence[str] = ()) -> Drivers:
    """Give the drivers, with what the configuration allows."""
    config = PrinterConfig(uuid="u", drivers=tuple(allowed))  # type: ignore[arg-type]  # names of drivers
    return Drivers(snmp=snmp, http_for=lambda _: http, config_for=lambda _: config if allowed else None)


@pytest.mark.parametrize(
    ("uris", "names"),
    [
        ((RAW, SNMP, REST, IPPS), ("ipp", "ipp")),
        ((RAW, SNMP, REST), ("hp-rest", "hp-rest")),
        ((RAW, SNMP), ("snmp", "raw")),
        ((RAW, SNMP, CDM, LEDM), ("ledm", "raw")),
        ((RAW, SNMP, CDM), ("cdm", "raw")),
    ],
)
def test_the_best_protocol_that_a_printer_has_is_chosen(
    http: HttpClient, uris: tuple[str, ...], names: tuple[str, str]
) -> None:
    """IPP, else HP REST, LEDM, CDM, SNMP for the status and raw for printing; the registry names the same."""
    chosen, known = drivers(http, snmp=SnmpClient()), printer(*uris)
    assert (chosen.status_source(known).name, chosen.print_target(known).name) == names
    named = with_drivers(known)
    assert (named.status_driver, named.print_driver) == names


def test_the_configuration_overrules_the_choice(http: HttpClient) -> None:
    """Only what it names is used, in its order."""
    chosen, known = drivers(http, snmp=SnmpClient(), allowed=("snmp", "raw", "ipp")), printer(IPP, SNMP, RAW)
    assert (chosen.status_source(known).name, chosen.print_target(known).name) == ("snmp", "raw")


def test_a_printer_that_nothing_prints_on_is_told_clearly(http: HttpClient) -> None:
    """SNMP tells a status and takes no document."""
    with pytest.raises(NotFoundError, match=r"Office .* takes a document"):
        drivers(http, snmp=SnmpClient()).print_target(printer(SNMP))


def test_snmp_that_is_switched_off_is_not_used(http: HttpClient) -> None:
    """A printer that only has SNMP then tells no status."""
    with pytest.raises(NotFoundError, match="tells its status"):
        drivers(http).status_source(printer(SNMP, RAW))


@pytest.mark.parametrize(
    ("uris", "name"), [((SNMP, IPP), "ipp"), ((RAW, SNMP, REST), "hp-rest"), ((RAW, SNMP), "snmp")]
)
def test_who_a_printer_is_is_asked_by_what_prints_where_that_can_tell(
    http: HttpClient, uris: tuple[str, ...], name: str
) -> None:
    """A raw port can't, so SNMP beside it is asked."""
    chosen = drivers(http, snmp=SnmpClient())
    assert chosen.identity_source(with_drivers(printer(*uris))).name == name


def test_a_raw_port_alone_tells_nobody_who_it_is(http: HttpClient) -> None:
    """Nor where SNMP is switched off, or not allowed by the configuration."""
    for it in (drivers(http), drivers(http, snmp=SnmpClient(), allowed=("raw",))):
        with pytest.raises(NotFoundError, match="tells who it is"):
            it.identity_source(printer(RAW, SNMP))


def test_a_driver_is_built_once_for_a_uri(http: HttpClient) -> None:
    """What it has learnt of its printer is kept; at a new address it is another."""
    chosen = drivers(http)
    assert chosen.print_target(printer(IPP)) is chosen.print_target(printer(IPP, RAW))
    assert chosen.print_target(printer(IPP)) is not chosen.print_target(printer(IPP.replace(HOST, "192.0.2.8")))


@dataclass
class Told:
    """A source that tells one thing."""

    reading: Reading | None
    name: str = "snmp"
    reads: int = 0

    def read(self) -> Reading:
        """Tell it; None is a printer that doesn't answer."""
        self.reads += 1
        if self.reading is None:
            raise PrinterUnreachableError("no answer")
        return self.reading


BARE = Reading(Identity(uuid="u"), PrinterStatus(PrinterState.IDLE, ("media-low-warning",)))
ASLEEP = Reading(Identity(uuid="u"), PrinterStatus(PrinterState.IDLE, ("standby",)))
RICH = Reading(
    Identity(serial="CN1234"),
    PrinterStatus(PrinterState.STOPPED, supplies=(TONER,), impressions_completed=7),
    Capabilities(("application/pdf",)),
)


def test_what_the_first_source_does_not_tell_comes_from_the_next() -> None:
    """The name is the first one's, and so are state and reasons."""
    source: StatusSource = Complemented([Told(BARE, "ipp"), Told(None, "ledm"), Told(RICH)])
    status = source.read().status
    assert source.name == "ipp"
    assert (status.state, status.supplies, status.impressions_completed) == (PrinterState.IDLE, (TONER,), 7)


def test_a_source_that_does_not_answer_is_not_made_up_for() -> None:
    """The next one complements the first; it doesn't stand in for it."""
    with pytest.raises(PrinterUnreachableError):
        Complemented([Told(None, "ipp"), Told(RICH)]).read()


def test_a_further_source_is_not_asked_needlessly() -> None:
    """Where the first tells state, levels and a counter, nothing is missing."""
    second = Told(RICH)
    Complemented([Told(RICH, "ipp"), second]).read()
    assert second.reads == 0


@pytest.mark.parametrize(
    ("uris", "chosen"),
    [
        ((IPP, LEDM, CDM, SNMP), (IPP, SNMP, LEDM)),
        ((IPP, CDM), (IPP, CDM)),
        ((LEDM, CDM, SNMP), (LEDM, SNMP)),
        ((SNMP,), (SNMP,)),
        ((), ()),
    ],
)
def test_what_fills_in_is_snmp_then_one_of_hps_own(uris: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    """SNMP is the gentler; LEDM and CDM are two dialects of one web server."""
    assert complementing(uris) == chosen


def test_a_further_source_is_asked_once_a_minute_and_not_while_the_printer_sleeps() -> None:
    """What it told is kept through the sleep; where it falls silent, for ten minutes."""
    first, second, ticks = Told(BARE, "ipp"), Told(RICH, "ledm"), Ticks()
    source = Complemented([first, second], clock=ticks)
    counters = []
    steps = (
        (0, BARE, RICH),
        (59, BARE, RICH),
        (1, ASLEEP, RICH),
        (9000, ASLEEP, None),
        (0, BARE, RICH),
        (599, BARE, None),
    )
    for seconds, reading, told in (*steps, (1, BARE, None)):
        ticks.now += seconds
        first.reading, second.reading = reading, told
        counters.append((source.read().status.impressions_completed, second.reads))
    assert counters == [(7, 1), (7, 1), (7, 1), (7, 1), (7, 2), (7, 3), (None, 3)]


def test_a_printer_that_sleeps_by_snmp_is_asked_by_nothing_else() -> None:
    """HTTP would wake it: what it told when it was awake is kept, and its panel shows that it sleeps."""
    awake = Reading(Identity(uuid="u"), PrinterStatus(PrinterState.PROCESSING, supplies=(TONER,)), RICH.capabilities)
    sleeps = Reading(
        Identity(uuid="u"), PrinterStatus(PrinterState.IDLE, state_message="Sleep", impressions_completed=9)
    )
    ipp, snmp = Told(awake, "ipp"), Told(sleeps)
    source = Complemented([ipp, snmp])
    source.read()
    reading = source.read()
    assert (ipp.reads, reading.status.state_message, reading.status.state) == (1, "Sleep", PrinterState.IDLE)
    assert (reading.status.supplies, reading.capabilities) == ((TONER,), RICH.capabilities)


@pytest.mark.parametrize("glance", [None, BARE, replace(ASLEEP, identity=Identity(uuid="another"))])
def test_a_printer_that_does_not_sleep_by_snmp_is_asked_as_ever(glance: Reading | None) -> None:
    """Also where SNMP falls silent, or where it is another printer that sleeps there."""
    ipp, snmp = Told(BARE, "ipp"), Told(ASLEEP)
    source = Complemented([ipp, snmp])
    source.read()
    snmp.reading = glance
    source.read()
    assert ipp.reads == 2


def test_a_printer_that_sleeps_from_the_start_is_left_alone() -> None:
    """Its supplies are unknown until it wakes."""
    second = Told(RICH, "ledm")
    assert Complemented([Told(ASLEEP, "snmp"), second]).read().status.supplies == ()
    assert second.reads == 0


def test_ipv6_hosts_go_into_uris_and_come_out_again() -> None:
    """In brackets, the zone escaped (RFC 6874)."""
    assert host_of(f"ipp://{bracketed('fe80::1%2')}:631/") == "fe80::1%2"
    assert host_of("ipp://[nonsense") == ""
    assert rehosted("ipp://192.0.2.7:631/ipp/print", "fe80::1%2") == "ipp://[fe80::1%252]:631/ipp/print"
