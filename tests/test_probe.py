from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.drivers.ipp_message import encode_message
from agent.drivers.ipp_values import Attributes, Group, GroupTag, Message, Status, Tag, attribute
from agent.drivers.probe import NOT_HP, OPEN, Prober, open_places
from agent.drivers.snmp import SnmpClient
from agent.errors import NotFoundError
from agent.http import HttpClient
from agent.model import PrinterState
from agent.simulator.http_front import HttpFront, Request, Response
from agent.simulator.personality import Kind
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.conftest import FakeClock
from tests.hp_documents import SMART_TANK
from tests.web_printer import old_tls, patient_client, serving

HOST = "127.0.0.1"


@pytest.fixture
def prober(clock: FakeClock) -> Iterator[Prober]:
    """Give a prober with real clients."""
    http = HttpClient(connect_timeout_seconds=2, read_timeout_seconds=2)
    snmp = SnmpClient(timeout_seconds=0.3, retries=1)
    snmp.start()
    yield Prober(snmp=snmp, http_for=lambda _: http, now=clock)
    snmp.stop()
    http.close()


class Fleet:
    """Simulated printers that are stopped in the end."""

    def __init__(self) -> None:
        self.printers: list[SimulatedPrinter] = []

    def start(self, kind: Kind) -> tuple[SimulatedPrinter, int]:
        """Start one; gives it and its port."""
        printer = SimulatedPrinter(PrinterOptions(kind=kind, mdns=False))
        self.printers.append(printer)
        printer.start()
        return printer, int(printer.ready_line()["control_url"].split(":")[2].split("/")[0])


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Give a place to start printers in."""
    it = Fleet()
    yield it
    for printer in it.printers:
        printer.stop()


def test_a_printer_is_learnt_by_every_protocol_at_once(prober: Prober, fleet: Fleet) -> None:
    """One printer, its best drivers, and every source that told something."""
    simulated, port = fleet.start("all")
    found = prober.probe(HOST, ipp_port=port, http_port=port, snmp_port=port).printer
    assert found is not None
    assert (found.identity.uuid, found.identity.serial) == (
        simulated.engine.identity.uuid,
        simulated.engine.identity.serial,
    )
    assert found.sources == ("ipp", "hp-rest", "snmp")
    assert (found.status_driver, found.print_driver, found.status.state) == ("ipp", "ipp", PrinterState.IDLE)


def test_a_bare_snmp_agent_is_enough(prober: Prober, fleet: Fleet) -> None:
    """With its port given nothing else is asked, and nothing prints on it."""
    simulated, port = fleet.start("snmp")
    probe = prober.probe(HOST, snmp_port=port)
    assert probe.printer is not None
    assert probe.printer.identity.make_and_model == simulated.engine.identity.make_and_model
    assert (probe.printer.status_driver, probe.printer.print_driver) == ("snmp", None)
    assert [attempt.uri for attempt in probe.attempts] == [f"snmp://{HOST}:{port}"]


def test_a_printer_of_snmp_is_printed_on_by_its_raw_port(prober: Prober, fleet: Fleet) -> None:
    """But only if that is open."""
    _, port = fleet.start("raw")
    found = prober.examine(HOST, (f"snmp://{HOST}:{port}", f"socket://{HOST}:{port + 1}")).printer
    assert found is not None
    assert (found.status_driver, found.print_driver) == ("snmp", "raw")


@pytest.mark.parametrize(("kind", "level"), [("ledm", 81.0), ("cdm", 72.0)])
def test_hps_own_status_is_enough(prober: Prober, fleet: Fleet, kind: Kind, level: float) -> None:
    """Who it is, how it is, what it has left and what it has counted; printing needs another port."""
    simulated, port = fleet.start(kind)
    found = prober.probe(HOST, http_port=port).printer
    assert found is not None
    assert (found.sources, found.status_driver, found.print_driver) == ((kind,), kind, None)
    assert (found.identity.serial, found.status.state) == (simulated.engine.identity.serial, PrinterState.IDLE)
    assert (found.status.supplies[0].percent, found.status.impressions_completed) == (level, 0)


def test_a_port_that_only_speaks_tls_is_enough(tmp_path: Path, clock: FakeClock) -> None:
    """Whatever the certificate: plain HTTP is tried first."""
    with serving(SMART_TANK, tls=old_tls(tmp_path)) as printer, patient_client() as http:
        prober = Prober(snmp=None, http_for=lambda _: http, now=clock)
        found = prober.probe(HOST, http_port=printer.front.port).printer
    assert found is not None
    assert (found.identity.serial, found.sources, found.uris) == ("CN3AB1C2D3", ("cdm",), (printer.url("cdm"),))


def test_ipp_that_is_only_spoken_over_tls_is_enough(tmp_path: Path, clock: FakeClock) -> None:
    """As by printers whose administrator has switched plain IPP off."""
    told = Group(GroupTag.PRINTER, Attributes((attribute("printer-make-and-model", Tag.TEXT, "HP LaserJet 9"),)))

    def answer(request: Request) -> Response:
        assert b"".join(request.body.chunks())
        return Response(body=encode_message(Message(Status.OK, (told,))))

    front = HttpFront(host=HOST, port=0, routes=(answer,), tls=old_tls(tmp_path))
    front.start()
    with patient_client() as http:
        found = Prober(snmp=None, http_for=lambda _: http, now=clock).probe(HOST, ipp_port=front.port).printer
    front.stop()
    assert found is not None
    assert (found.uris, found.print_driver) == ((f"ipps://{HOST}:{front.port}/ipp/print",), "ipp")


def test_only_printers_of_hp_are_asked_for_ledm_and_cdm(prober: Prober) -> None:
    """The web server of any other is left alone."""
    printer = SimulatedPrinter(PrinterOptions(kind="all", model="Brother HL-L8260CDW", mdns=False))
    printer.start()
    place = f"{HOST}:{printer.ready_line()['snmp'].rpartition(':')[2]}"
    uris = (f"ipp://{place}/ipp/print", f"ledm+http://{place}/", f"cdm+http://{place}/")
    probe = prober.examine(HOST, uris)
    printer.stop()
    assert [attempt.outcome for attempt in probe.attempts] == ["Brother HL-L8260CDW", NOT_HP, NOT_HP]


def test_another_printer_behind_a_port_is_left_out(prober: Prober, fleet: Fleet) -> None:
    """Two printers share the loopback address: what the second tells is not the first one's."""
    (one, port), (_, other_port) = fleet.start("ipp"), fleet.start("snmp")
    found = prober.probe(HOST, ipp_port=port, snmp_port=other_port).printer
    assert found is not None
    assert (found.identity.serial, found.sources) == (one.engine.identity.serial, ("ipp",))


def test_a_web_server_is_no_printer(prober: Prober, fleet: Fleet) -> None:
    """It answers everything with 404, and the message says what was tried."""
    _, port = fleet.start("snmp")
    with pytest.raises(NotFoundError, match=rf"{HOST} is no printer.*ipp://{HOST}:{port}/ipp/printer"):
        prober.probe(HOST, ipp_port=port, http_port=port)


def test_an_open_raw_port_alone_is_no_printer(prober: Prober) -> None:
    """A PC may listen there as well; nothing is sent to it."""
    received: list[bytes] = []
    with socket.create_server((HOST, 0)) as server:
        taker = threading.Thread(target=lambda: received.append(_received(server)))
        taker.start()
        probe = prober.examine(HOST, (f"socket://{HOST}:{server.getsockname()[1]}",))
        taker.join(10)
    assert (probe.printer, [attempt.outcome for attempt in probe.attempts]) == (None, [OPEN])
    assert received == [b""]


def test_a_host_where_nothing_listens_is_told_fast(prober: Prober) -> None:
    """Nobody waits for a dead host longer than six seconds."""
    begun = time.monotonic()
    with pytest.raises(NotFoundError, match="is no printer"):
        prober.probe("127.0.0.77")
    assert time.monotonic() - begun < 6


def test_ports_that_swallow_everything_cost_one_time_limit() -> None:
    """All ports are tried together, and one that never answers counts as closed."""
    with socket.socket() as full, socket.create_server((HOST, 0)) as listening:
        full.bind((HOST, 0))
        full.listen(0)
        swallowing, answering = full.getsockname(), listening.getsockname()
        with socket.create_connection(swallowing):
            begun = time.monotonic()
            found = open_places([swallowing, answering], timeout_seconds=0.3)
    assert found == {answering}
    assert time.monotonic() - begun < 3


def _received(server: socket.socket) -> bytes:
    connection, _ = server.accept()
    with connection:
        return connection.recv(100)
