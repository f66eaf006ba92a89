"""A pretended printer as a whole: one engine behind the servers that printers of its kind have.

| kind | tcp N | udp N | tcp N+1 | mDNS |
| --- | --- | --- | --- | --- |
| `hp-rest` | HP REST | | | |
| `ipp` | IPP | | | `_ipp` |
| `ledm` | LEDM | | raw | |
| `cdm` | CDM | | raw | |
| `snmp` | | SNMP | | |
| `raw` | | SNMP | raw | |
| `all` | HP REST, IPP | SNMP | raw | `_ipp`, `_pdl-datastream` |

Whatever the kind, `/simulator/…` on tcp N is where a test jams it and asks for its report.
"""

from __future__ import annotations

import errno
import io
import json
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, TextIO

from agent.drivers.pjl_message import LANGUAGES
from agent.simulator.cdm_documents import cdm_documents
from agent.simulator.control_front import ControlFront, Faults
from agent.simulator.document_front import DocumentFront
from agent.simulator.engine import PrinterEngine
from agent.simulator.hp_rest_front import HpRestFront
from agent.simulator.http_front import HttpFront, Request, Response, Route
from agent.simulator.ipp_front import IppFront
from agent.simulator.ledm_documents import ledm_documents
from agent.simulator.mdns_front import IPP, LOOPBACK, RAW, MdnsFront
from agent.simulator.personality import PERSONALITIES, Kind
from agent.simulator.raw_front import RawFront, RawMode
from agent.simulator.snmp_front import SnmpFront

IPP_PATH = "/ipp/print"
DOCUMENT_OPERATIONS = frozenset({b"\x00\x02", b"\x00\x06"})
"""Print-Job and Send-Document (RFC 8011)."""
PORT_TRIES = 20
SERVED: dict[str, frozenset[Kind]] = {
    "hp-rest": frozenset({"hp-rest", "all"}),
    "ipp": frozenset({"ipp", "all"}),
    "snmp": frozenset({"snmp", "raw", "all"}),
    "ledm": frozenset({"ledm"}),
    "cdm": frozenset({"cdm"}),
    "raw": frozenset({"raw", "ledm", "cdm", "all"}),
    "mdns": frozenset({"ipp", "all"}),
}


class Front(Protocol):
    """A server of the printer."""

    def start(self) -> None:
        """Listen. OSError where the port is taken."""

    def stop(self) -> None:
        """Stop listening."""


@dataclass(frozen=True, slots=True)
class PrinterOptions:
    """What is to be pretended.

    `port` 0 takes free ones. `host` is an IPv4 address. `keep` is a folder for the documents. `basic` and `bearer` are
    what HP REST demands. `interfaces` are those that mDNS speaks on. `raw` is what the raw port makes of PJL.
    """

    kind: Kind
    host: str = "127.0.0.1"
    port: int = 0
    keep: Path | None = None
    mdns: bool = True
    interfaces: tuple[str, ...] = LOOPBACK
    model: str | None = None
    serial: str | None = None
    seconds_per_page: float = 0.2
    community: str = "public"
    basic: tuple[str, str] | None = None
    bearer: str | None = None
    raw: RawMode = "pjl"


class SimulatedPrinter:
    """One pretended printer; stopped and started again it is the same at the same ports, as after a power-off."""

    def __init__(self, options: PrinterOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults = Faults()
        self._options = options
        self._clock = clock
        self._port = options.port
        self._engine: PrinterEngine | None = None
        self._fronts: list[Front] = []

    @property
    def engine(self) -> PrinterEngine:
        """The printer itself, once it has started."""
        assert self._engine is not None
        return self._engine

    def start(self) -> None:
        """Start all servers. OSError where a port is taken."""
        for attempt in range(1, PORT_TRIES + 1):
            port = self._port or _free_port(self._options.host)
            try:
                self._start_at(port)
            except OSError as exc:
                self.stop()
                if exc.errno != errno.EADDRINUSE or self._port or attempt == PORT_TRIES:
                    raise
            else:
                self._port = port
                return

    def stop(self) -> None:
        """Stop all servers, with a goodbye by mDNS; the printer remembers its jobs."""
        while self._fronts:
            self._fronts.pop().stop()

    def readdress(self, host: str) -> None:
        """Have it start at another address next time, as DHCP may give it one."""
        self._options = replace(self._options, host=host)

    def withdraw(self) -> None:
        """Say goodbye by mDNS and go on otherwise."""
        for front in self._fronts:
            if isinstance(front, MdnsFront):
                front.withdraw()

    def ready_line(self) -> dict[str, Any]:
        """Tell where what listens; only what the kind has is named."""
        host, port, identity = self._options.host, self._port, self.engine.identity
        places = {
            "ipp_uri": ("ipp", f"ipp://{host}:{port}{IPP_PATH}"),
            "http_url": ("hp-rest", f"http://{host}:{port}"),
            "ledm_uri": ("ledm", f"ledm+http://{host}:{port}"),
            "cdm_uri": ("cdm", f"cdm+http://{host}:{port}"),
            "snmp": ("snmp", f"{host}:{port}"),
            "raw_uri": ("raw", f"socket://{host}:{port + 1}"),
        }
        return {
            "ready": True,
            "kind": self._options.kind,
            **{name: place for name, (protocol, place) in places.items() if self._serves(protocol)},
            "control_url": f"http://{host}:{port}/simulator/",
            "uuid": identity.uuid,
            "serial": identity.serial,
            "make_and_model": identity.make_and_model,
            "name": identity.name,
        }

    def _serves(self, protocol: str) -> bool:
        return self._options.kind in SERVED[protocol]

    def _start_at(self, port: int) -> None:
        if self._engine is None:
            self._engine = _engine(self._options, port, self._clock)
        for front in self._build(self._engine, port):
            front.start()
            self._fronts.append(front)

    def _build(self, engine: PrinterEngine, port: int) -> Sequence[Front]:
        options = self._options
        fronts: list[Front] = [HttpFront(host=options.host, port=port, routes=self._routes(engine))]
        if self._serves("snmp"):
            fronts.append(SnmpFront(engine, host=options.host, port=port, community=options.community))
        if self._serves("raw"):
            fronts.append(RawFront(engine, host=options.host, port=port + 1, mode=options.raw))
        if self._serves("mdns") and options.mdns:
            ports = {IPP: port} | ({RAW: port + 1} if self._serves("raw") else {})
            fronts.append(MdnsFront(engine, host=options.host, ports=ports, interfaces=options.interfaces))
        return fronts

    def _routes(self, engine: PrinterEngine) -> list[Route]:
        routes: list[Route] = [ControlFront(engine, faults=self.faults).answer]
        if self._serves("hp-rest"):
            options = self._options
            rest = HpRestFront(engine, faults=self.faults, basic=options.basic, bearer=options.bearer)
            routes.append(rest.answer)
        if self._serves("ledm"):
            documents = ledm_documents(engine)
            routes.append(DocumentFront("/DevMgmt/", documents, content_type="text/xml", gzipped=False).answer)
        if self._serves("cdm"):
            documents = cdm_documents(engine)
            routes.append(DocumentFront("/cdm/", documents, content_type="application/json", gzipped=True).answer)
        if self._serves("ipp"):
            routes.append(_ipp_route(IppFront(engine), self.faults))
        return routes


def serve(options: PrinterOptions, out: TextIO) -> int:
    """Be a printer until SIGTERM or SIGINT: one JSON line to `out` when it is ready, then nothing. Gives 0."""
    signals = {signal.SIGTERM, signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before there are threads that could get them
    printer = SimulatedPrinter(options)
    try:
        printer.start()
        out.write(f"{json.dumps(printer.ready_line())}\n")
        out.flush()
        signal.sigwait(signals)
    finally:
        printer.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


def _engine(options: PrinterOptions, port: int, clock: Callable[[], float]) -> PrinterEngine:
    personality = PERSONALITIES[options.kind]
    serial = options.serial or personality.serial_at(options.host, port)
    return PrinterEngine(
        identity=personality.identity(serial=serial, model=options.model),
        supplies=personality.supplies,
        keep=options.keep,
        seconds_per_page=options.seconds_per_page,
        document_formats=personality.document_formats,
        command_set=_command_set(options, personality.document_formats),
        clock=clock,
    )


def _command_set(options: PrinterOptions, document_formats: Sequence[str]) -> tuple[str, ...]:
    languages = (LANGUAGES[name.lower()] for name in document_formats if name.lower() in LANGUAGES)
    has_pjl = options.kind in SERVED["raw"] and options.raw != "bare"
    return (*(("PJL",) if has_pjl else ()), *languages)


def _ipp_route(front: IppFront, faults: Faults) -> Route:
    """Serve IPP (RFC 8010, section 4): POST, `application/ipp`, one path."""

    def answer(request: Request) -> Response | None:
        if request.path != IPP_PATH:
            return None
        if request.method != "POST":
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, b"no\n", headers={"Allow": "POST"})
        if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/ipp":
            return Response(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, b"only application/ipp\n")
        body = io.BufferedReader(request.body)

        def take() -> Response:
            return Response(body=front.answer(body, request.body.length), content_type="application/ipp")

        return faults.applied(take) if body.peek(4)[2:4] in DOCUMENT_OPERATIONS else take()

    return answer


def _free_port(host: str) -> int:
    """Find a TCP port that is free for UDP too, with the next one free for TCP; another may take them at any moment."""
    for _ in range(PORT_TRIES):
        with socket.create_server((host, 0)) as first, socket.socket(type=socket.SOCK_DGRAM) as udp:
            port: int = first.getsockname()[1]
            try:
                udp.bind((host, port))
                socket.create_server((host, port + 1)).close()
            except (OSError, OverflowError):
                continue
            return port
    raise OSError(errno.EADDRINUSE, "no pair of free ports")
