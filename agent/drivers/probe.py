"""Ask one host, by every protocol, whether it is a printer and what it says of itself."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from agent.drivers.choose import WEB_DRIVERS, StatusSource, build_http_source, build_snmp_driver
from agent.drivers.embedded_web import Gaps
from agent.drivers.merge import merge
from agent.drivers.printer_makes import make_by_name
from agent.drivers.snmp import SnmpReader
from agent.endpoints import bracketed, driver_of, host_of, port_of, status_uris, with_drivers
from agent.errors import NotFoundError, PrinterError, PrinterProtocolError
from agent.http import HttpClient
from agent.identity import contradict, credible
from agent.model import Clock, Printer, Reading, printer_id
from agent.networks import mac_of

CONNECT_SECONDS = 1.5
IPP_RESOURCES = ("/ipp/print", "/ipp/printer", "/")


Place = tuple[str, int]
"""A host and a TCP port."""

OPEN = "open; nothing was sent to it"
CLOSED = "closed"
ANOTHER = "another printer answers there"
NOT_HP = "not asked: only HP's printers have it"
HAS_LEDM = "not asked: LEDM tells as much"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One endpoint that was asked, and in a few words what came of it."""

    uri: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What a host told: the printer that it is, None where it is none that can be read, and every attempt in turn."""

    host: str
    printer: Printer | None
    attempts: tuple[Attempt, ...]

    @property
    def raw_uris(self) -> tuple[str, ...]:
        """The ports for raw documents that are open, which by themselves prove no printer."""
        return tuple(attempt.uri for attempt in self.attempts if attempt.outcome == OPEN)


def default_uris(host: str) -> tuple[str, ...]:
    """Give the endpoints where printers are usually to be found."""
    place = bracketed(host)
    return (
        f"ipp://{place}:631/ipp/print",
        f"ipps://{place}:631/ipp/print",
        f"http://{place}:8080/",
        f"http://{place}:80/",
        f"snmp://{place}",
        f"socket://{place}:9100",
        f"ledm+http://{place}:80/",
        f"ledm+http://{place}:8080/",
        f"ledm+https://{place}:443/",
        f"cdm+https://{place}:443/",
        f"cdm+http://{place}:80/",
    )


def port_uris(host: str, *, snmp_port: int | None, ipp_port: int | None, http_port: int | None) -> tuple[str, ...]:
    """Give the endpoints at the ports that a person names; the usual ones where none is named."""
    place = bracketed(host)
    web = ("http", "ledm+http", "cdm+http", "ledm+https", "cdm+https") if http_port else ()
    ipp = ("ipp", "ipps") if ipp_port else ()
    named = (
        *(f"{scheme}://{place}:{ipp_port}/ipp/print" for scheme in ipp),
        f"snmp://{place}:{snmp_port}" if snmp_port else None,
        *(f"{scheme}://{place}:{http_port}/" for scheme in web),
    )
    return tuple(filter(None, named)) or default_uris(host)


def open_places(places: Iterable[Place], *, timeout_seconds: float = CONNECT_SECONDS) -> frozenset[Place]:
    """Connect to all places at once and say which of them are open; nothing is sent to them."""
    deadline = time.monotonic() + timeout_seconds
    found: set[Place] = set()
    with contextlib.ExitStack() as closing, selectors.DefaultSelector() as selector:
        for place in sorted(set(places)):
            if sock := _connecting(place):
                selector.register(closing.enter_context(sock), selectors.EVENT_WRITE, data=(sock, place))
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                sock, place = key.data
                selector.unregister(sock)
                if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    found.add(place)
    return frozenset(found)


class Prober:
    """Asks hosts what they are.

    Args:
        snmp: the shared client, None where SNMP is switched off.
        http_for: gives the HTTP client for a URI; its timeouts should be a few seconds.
        now: the clock.
        gaps: shared with others that read web servers of printers.
    """

    def __init__(
        self,
        *,
        snmp: SnmpReader | None,
        http_for: Callable[[str], HttpClient],
        now: Clock,
        gaps: Gaps | None = None,
    ) -> None:
        self._snmp = snmp
        self._http_for = http_for
        self._now = now
        self._gaps = gaps or Gaps()

    def probe(
        self,
        host: str,
        *,
        snmp_port: int | None = None,
        ipp_port: int | None = None,
        http_port: int | None = None,
    ) -> Probe:
        """Learn everything of one host; with ports given, only these are asked.

        Raises:
            NotFoundError: it is no printer; the message says what was tried.
        """
        uris = port_uris(host, snmp_port=snmp_port, ipp_port=ipp_port, http_port=http_port)
        probe = self.examine(host, uris)
        if probe.printer is None:
            tried = "; ".join(f"{attempt.uri}: {attempt.outcome}" for attempt in probe.attempts)
            raise NotFoundError(f"{host} is no printer that can be read ({tried})")
        return probe

    def examine(self, host: str, uris: Sequence[str]) -> Probe:
        """Ask the given endpoints of a host, in a bounded time: a dead host takes less than 6 seconds."""
        uris = tuple(dict.fromkeys(uris))
        open_tcp = open_places(_place(uri) for uri in uris if driver_of(uri) != "snmp")
        attempts: list[Attempt] = []
        readings: dict[str, Reading] = {}
        for uri in uris:
            if driver_of(uri) in map(driver_of, readings):
                continue
            if outcome := _reason_not_to_ask(uri, open_tcp, readings):
                attempts.append(Attempt(uri, outcome))
            else:
                attempts += self._read(uri, readings)
        return Probe(host, self._printer(host, readings, attempts), tuple(attempts))

    def _read(self, uri: str, readings: dict[str, Reading]) -> Iterator[Attempt]:
        """Read one endpoint; where IPP is spoken but not under that path, the other usual paths too."""
        for variant in _variants(uri):
            try:
                reading = self._source(variant).read()
                reading = replace(reading, identity=credible(reading.identity))
            except PrinterProtocolError as error:
                yield Attempt(variant, str(error))
            except (PrinterError, NotFoundError) as error:
                yield Attempt(variant, str(error))
                return
            else:
                alien = any(contradict(other.identity, reading.identity) for other in readings.values())
                if not alien:
                    readings[variant] = reading
                yield Attempt(variant, ANOTHER if alien else _told(reading))
                return

    def _source(self, uri: str) -> StatusSource:
        if driver_of(uri) != "snmp":
            return build_http_source(uri, self._http_for(uri), self._gaps)
        if self._snmp is None:
            raise NotFoundError("SNMP is switched off")
        return build_snmp_driver(uri, self._snmp)

    def _printer(self, host: str, readings: Mapping[str, Reading], attempts: Sequence[Attempt]) -> Printer | None:
        """Make one printer of all readings, the best source for each field."""
        if not readings:
            return None
        ranked = status_uris(tuple(readings))
        reading = merge([(driver_of(uri) or "", readings[uri]) for uri in ranked])
        identity = reading.identity
        if not (identity.uuid or identity.serial or identity.mac):
            identity = replace(identity, mac=mac_of(host))
        raw = tuple(attempt.uri for attempt in attempts if attempt.outcome == OPEN)
        now = self._now()
        return with_drivers(
            Printer(
                id=printer_id(identity, ranked[0]),
                identity=identity,
                host=host,
                uris=(*ranked, *raw),
                first_seen=now,
                status=reading.status,
                capabilities=reading.capabilities,
                sources=tuple(filter(None, map(driver_of, ranked))),
                online=True,
                last_seen=now,
            )
        )


def _variants(uri: str) -> tuple[str, ...]:
    if driver_of(uri) != "ipp":
        return (uri,)
    parts = urlsplit(uri)
    return tuple(dict.fromkeys((uri, *(parts._replace(path=path).geturl() for path in IPP_RESOURCES))))


def _reason_not_to_ask(uri: str, open_tcp: frozenset[Place], readings: Mapping[str, Reading]) -> str | None:
    driver = driver_of(uri)
    if driver != "snmp" and _place(uri) not in open_tcp:
        return CLOSED
    if driver == "raw":
        return OPEN
    if driver in WEB_DRIVERS and _is_of_another_make(readings.values()):
        return NOT_HP
    return HAS_LEDM if driver == "cdm" and "ledm" in map(driver_of, readings) else None


def _is_of_another_make(readings: Iterable[Reading]) -> bool:
    """Whether a printer has told a maker, and none that is HP."""
    makes = {make.name for reading in readings if (make := make_by_name(reading.identity.make_and_model))}
    return bool(makes) and "HP" not in makes


def _told(reading: Reading) -> str:
    return reading.identity.make_and_model or "a printer that doesn't tell its model"


def _place(uri: str) -> Place:
    return host_of(uri), port_of(uri)


def _connecting(place: Place) -> socket.socket | None:
    """Begin to connect; None where the host has no address or no route."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)[0]
    except OSError:
        return None
    sock = socket.socket(family, kind)
    sock.setblocking(False)
    if sock.connect_ex(address) in (0, errno.EINPROGRESS):
        return sock
    sock.close()
    return None
