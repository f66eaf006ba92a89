"""Which driver reads a printer and which one prints on it.

Status and printing are two protocols, because status by SNMP with printing by raw 9100 is a normal pair.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from agent.config_schema import PrinterConfig
from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp import Ipp
from agent.drivers.raw import Raw
from agent.drivers.snmp import SnmpPrinter, SnmpReader
from agent.endpoints import driver_of, host_of, print_uris, status_uris
from agent.errors import NotFoundError, PrinterError
from agent.http import HttpClient
from agent.identity import contradict
from agent.model import Capabilities, Job, JobReading, Journal, Printer, Reading

DRIVERS_LIMIT = 4096


class StatusSource(Protocol):
    """Reads what one printer says of itself."""

    @property
    def name(self) -> str:
        """The driver: `ipp`, `hp-rest` or `snmp`."""

    def read(self) -> Reading:
        """Read identity, status and capabilities.

        Raises:
            PrinterUnreachableError: it doesn't answer.
            PrinterProtocolError: it answers, but is no printer of this kind.
            PrinterRejectedError: it wants credentials, or others.
        """


class PrintTarget(Protocol):
    """Prints on one printer, and follows its jobs."""

    @property
    def name(self) -> str:
        """The driver: `ipp`, `hp-rest` or `raw`."""

    @property
    def options(self) -> frozenset[str]:
        """The IPP attribute names of `JobOptions` that it can carry."""

    def print_job(self, job: Job, journal: Journal) -> JobReading:
        """Send a job.

        Raises:
            PrinterUnreachableError: no byte of the document left.
            PrinterBusyError: the printer said later, and took nothing.
            PrinterRejectedError: the printer said no.
            OutcomeUnknownError: a byte left and no whole answer came.
        """

    def read_job(self, device_job_id: str) -> JobReading:
        """Ask the printer for one of its jobs.

        Raises:
            NotFoundError: it no longer knows the job, which proves nothing.
            PrinterUnreachableError: it doesn't answer.
        """

    def cancel_job(self, device_job_id: str) -> None:
        """Cancel a job on the printer."""


@runtime_checkable
class JobFinder(Protocol):
    """A print target whose printer lists its jobs by their names."""

    def find_job(self, token: str) -> JobReading | None:
        """Look for the newest attempt at the job of this token; None where none is listed, which proves nothing.

        Raises:
            PrinterUnreachableError: it doesn't answer.
        """


@dataclass(frozen=True, slots=True)
class Complemented:
    """A status source, with what it doesn't tell of supplies and counters filled in from a second one."""

    first: StatusSource
    second: StatusSource

    @property
    def name(self) -> str:
        """The driver of the first source."""
        return self.first.name

    def read(self) -> Reading:
        """Read the first source, and the second where the first tells no supplies or no counter."""
        reading = self.first.read()
        if reading.status.supplies and reading.status.impressions_completed is not None:
            return reading
        try:
            return complement(reading, self.second.read())
        except PrinterError:
            return reading


def complement(reading: Reading, other: Reading) -> Reading:
    """Fill what a reading doesn't tell from another reading, unless that is plainly of another printer."""
    if contradict(reading.identity, other.identity):
        return reading
    status, more = reading.status, other.status
    counted = status.impressions_completed is not None or status.media_sheets_completed is not None
    counter = status if counted else more
    return Reading(
        identity=reading.identity.or_else(other.identity),
        status=replace(
            status,
            supplies=status.supplies or more.supplies,
            impressions_completed=counter.impressions_completed,
            media_sheets_completed=counter.media_sheets_completed,
        ),
        capabilities=Capabilities(
            document_formats=reading.capabilities.document_formats or other.capabilities.document_formats,
            options=reading.capabilities.options or other.capabilities.options,
        ),
    )


class Drivers:
    """The drivers of the printers, each built once for its URI.

    Args:
        snmp: the shared client, None where SNMP is switched off.
        http_for: gives the HTTP client, with its credentials, for a printer.
        config_for: gives the printer's `[[printer]]`, None where it has none.
    """

    def __init__(
        self,
        *,
        snmp: SnmpReader | None,
        http_for: Callable[[Printer], HttpClient],
        config_for: Callable[[Printer], PrinterConfig | None],
    ) -> None:
        self._snmp = snmp
        self._http_for = http_for
        self._config_for = config_for
        self._lock = threading.Lock()
        self._targets: dict[tuple[str, str], PrintTarget] = {}
        self._sources: dict[tuple[str, str], StatusSource] = {}

    def status_source(self, printer: Printer) -> StatusSource:
        """Give what reads a printer's status: IPP, else HP REST, else SNMP, unless the configuration says otherwise.

        Raises:
            NotFoundError: none of its endpoints tells a status.
        """
        uris = self._readable(printer)
        if not uris:
            raise NotFoundError(f"{printer.label} ({printer.id}) has no endpoint that tells its status")
        source = self._source(printer, uris[0])
        second = next((uri for uri in uris[1:] if driver_of(uri) == "snmp"), None)
        return Complemented(source, self._source(printer, second)) if second else source

    def print_target(self, printer: Printer) -> PrintTarget:
        """Give what prints on a printer: IPP, else HP REST, else raw 9100, unless the configuration says otherwise.

        Raises:
            NotFoundError: none of its endpoints takes a document.
        """
        uris = print_uris(printer.uris, self._allowed(printer))
        if not uris:
            raise NotFoundError(f"{printer.label} ({printer.id}) has no endpoint that takes a document")
        with self._lock:
            key = (printer.id, uris[0])
            if key not in self._targets:
                _make_room(self._targets)
                self._targets[key] = self._build_target(printer, uris[0])
            return self._targets[key]

    def _source(self, printer: Printer, uri: str) -> StatusSource:
        with self._lock:
            key = (printer.id, uri)
            if key not in self._sources:
                _make_room(self._sources)
                self._sources[key] = self._build_source(printer, uri)
            return self._sources[key]

    def _build_target(self, printer: Printer, uri: str) -> PrintTarget:
        if driver_of(uri) == "raw":
            return Raw(uri)
        return build_http_driver(uri, self._http_for(printer))

    def _build_source(self, printer: Printer, uri: str) -> StatusSource:
        if driver_of(uri) == "snmp" and self._snmp is not None:
            return build_snmp_driver(uri, self._snmp)
        return build_http_driver(uri, self._http_for(printer))

    def _readable(self, printer: Printer) -> tuple[str, ...]:
        """Give the endpoints that may be read for a status, the best first; SNMP not where it is switched off."""
        ranked = status_uris(printer.uris, self._allowed(printer))
        return tuple(uri for uri in ranked if self._snmp is not None or driver_of(uri) != "snmp")

    def _allowed(self, printer: Printer) -> Sequence[str]:
        config = self._config_for(printer)
        return config.drivers if config else ()


def build_http_driver(uri: str, http: HttpClient) -> Ipp | HpRest:
    """Build the driver of an `ipp`, `ipps`, `http` or `https` URI."""
    return Ipp(uri, http=http) if driver_of(uri) == "ipp" else HpRest(uri, http=http)


def build_snmp_driver(uri: str, client: SnmpReader) -> SnmpPrinter:
    """Build the driver of an `snmp` URI, with the port that it names."""
    return SnmpPrinter(host_of(uri), client=client, port=urlsplit(uri).port)


def _make_room(drivers: dict[tuple[str, str], PrintTarget] | dict[tuple[str, str], StatusSource]) -> None:
    """Begin anew where far more drivers were built than there are printers: addresses come and go for years."""
    if len(drivers) >= DRIVERS_LIMIT:
        drivers.clear()
