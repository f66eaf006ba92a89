"""Which driver reads a printer and which one prints on it.

Status and printing are two protocols, because status by SNMP with printing by raw 9100 is a normal pair.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from agent.config_schema import PrinterConfig
from agent.drivers.cdm import Cdm
from agent.drivers.embedded_web import EmbeddedWeb, Gaps
from agent.drivers.hp_rest import HpRest
from agent.drivers.ipp import Ipp
from agent.drivers.ledm import Ledm
from agent.drivers.merge import asleep, lacks, merge
from agent.drivers.pjl_channels import BackChannels
from agent.drivers.pjl_options import wrapped_formats
from agent.drivers.raw import Raw
from agent.drivers.snmp import SnmpPrinter, SnmpReader
from agent.endpoints import driver_of, host_of, print_uris, status_uris
from agent.errors import NotFoundError, PrinterError
from agent.http import HttpClient
from agent.identity import contradict
from agent.job import Job, JobReading, Journal
from agent.model import Identity, Printer, Reading

DRIVERS_LIMIT = 4096
AGAIN_SECONDS = 60.0
KEPT_SECONDS = 600.0
WEB_DRIVERS = ("ledm", "cdm")


class StatusSource(Protocol):
    """Reads what one printer says of itself."""

    @property
    def name(self) -> str:
        """The driver: `ipp`, `hp-rest`, `ledm`, `cdm` or `snmp`."""

    def read(self) -> Reading:
        """Read identity, status and capabilities.

        Raises:
            PrinterUnreachableError: it doesn't answer.
            PrinterBusyError: it is out of order.
            PrinterProtocolError: it answers, but is no printer of this kind.
            PrinterRejectedError: it wants credentials, or others.
        """


@runtime_checkable
class IdentitySource(Protocol):
    """A status source that can tell who the printer is at less cost."""

    def read_identity(self) -> Identity:
        """Read who it is; raises what `StatusSource.read` raises."""


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
            JobCanceledError: the journal's `beat` raised it, and the transfer is broken off.
        """

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:
        """Ask the printer for one of its jobs; `user` is whose it is, for a printer that tells others less.

        Raises:
            NotFoundError: it no longer knows the job, which proves nothing.
            PrinterUnreachableError: it doesn't answer.
        """

    def cancel_job(self, device_job_id: str, *, user: str | None = None) -> None:
        """Cancel a job on the printer; `user` is whose it is, for a printer that lets nobody else."""


@runtime_checkable
class JobFinder(Protocol):
    """A print target whose printer lists its jobs by their names."""

    def find_job(self, job: Job, *, of_any_attempt: bool = False) -> JobReading | None:
        """Look for this attempt at a job, or for the newest; None where none is listed, which proves nothing.

        Raises:
            PrinterUnreachableError: it doesn't answer.
        """


@runtime_checkable
class JobFitter(Protocol):
    """A print target that can carry other options for one job than for another."""

    def carried(self, job: Job) -> frozenset[str]:
        """Name the options, as `PrintTarget.options` does, that it can carry for this very job."""


def carried_for(job: Job, target: PrintTarget) -> frozenset[str]:
    """Name the options that a target can carry for a job."""
    return target.carried(job) if isinstance(target, JobFitter) else target.options


class Complemented:
    """Several status sources of one printer, the best first: what one doesn't tell comes from the next.

    A further source is asked once a minute, not while the first says that the printer sleeps, and not where nothing is
    missing. What it last told is kept through the sleep, and for ten minutes where it doesn't answer.

    SNMP wakes no printer, HTTP does: where SNMP is among the sources it is asked before all others, and while it says
    that the printer sleeps, alone.
    """

    def __init__(self, sources: Sequence[StatusSource], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._first, *self._others = sources
        self._clock = clock
        self._due: dict[str, float] = {}
        self._last: dict[str, tuple[float, Reading | None]] = {}
        self._watch = next((source for source in self._others if source.name == "snmp"), None)
        self._awake: Reading | None = None

    @property
    def name(self) -> str:
        """The driver of the first source."""
        return self._first.name

    def read(self) -> Reading:
        """Read the first source, and the others in turn for as long as something is lacking."""
        if self._awake and (glance := self._glance()):
            return asleep(self._awake, glance, watched_by="snmp")
        first = self._first.read()
        told = [(self.name, first)]
        for source in self._others:
            if not lacks(merge(told)):
                break
            if other := self._told(source, is_asleep=first.status.is_asleep):
                told.append((source.name, other))
        self._awake = merge(told)
        return self._awake

    def _glance(self) -> Reading | None:
        """Give what SNMP says of a printer that sleeps; None where it is awake, or SNMP tells nothing of it."""
        if self._watch is None or self._awake is None:
            return None
        glance = self._ask(self._watch)
        if glance is None or contradict(glance.identity, self._awake.identity):
            return None
        return glance if glance.status.is_asleep else None

    def _told(self, source: StatusSource, *, is_asleep: bool) -> Reading | None:
        now = self._clock()
        if not is_asleep and now >= self._due.get(source.name, now):
            self._ask(source)
        told_at, last = self._last.get(source.name, (now, None))
        return last if is_asleep or now - told_at < KEPT_SECONDS else None

    def _ask(self, source: StatusSource) -> Reading | None:
        """Read a further source and keep what it tells; None where it doesn't answer."""
        now = self._clock()
        self._due[source.name] = now + AGAIN_SECONDS
        try:
            reading = source.read()
        except PrinterError:
            return None
        self._last[source.name] = now, reading
        return reading


class Drivers:
    """The drivers of the printers, each built once for its URI.

    Args:
        snmp: the shared client, None where SNMP is switched off.
        http_for: gives the HTTP client, with its credentials, for a printer.
        config_for: gives the printer's `[[printer]]`, None where it has none.
        gaps: shared with others that read web servers of printers.
    """

    def __init__(
        self,
        *,
        snmp: SnmpReader | None,
        http_for: Callable[[Printer], HttpClient],
        config_for: Callable[[Printer], PrinterConfig | None],
        gaps: Gaps | None = None,
    ) -> None:
        self._snmp = snmp
        self._http_for = http_for
        self._config_for = config_for
        self._gaps = gaps or Gaps()
        self._channels = BackChannels()
        self._lock = threading.Lock()
        self._targets: dict[tuple[str, str], PrintTarget] = {}
        self._sources: dict[tuple[str, str], StatusSource] = {}
        self._identities: dict[tuple[str, str], StatusSource] = {}

    def status_source(self, printer: Printer) -> StatusSource:
        """Give what reads a printer's status: the best of its protocols, and what fills in what that doesn't tell.

        Raises:
            NotFoundError: none of its endpoints tells a status.
        """
        uris = complementing(self._readable(printer))
        if not uris:
            raise NotFoundError(f"{printer.label} ({printer.id}) has no endpoint that tells its status")
        return self._source(printer, *uris)

    def identity_source(self, printer: Printer) -> StatusSource:
        """Give what reads who a printer is: by the protocol that prints on it where that tells it, else by another.

        Raises:
            NotFoundError: none of its endpoints tells who it is.
        """
        uris = self._readable(printer)
        if not uris:
            raise NotFoundError(f"{printer.label} ({printer.id}) has no endpoint that tells who it is")
        uri = next((uri for uri in uris if driver_of(uri) == printer.print_driver), uris[0])
        with self._lock:
            key = (printer.id, uri)
            if key not in self._identities:
                _make_room(self._identities)
                self._identities[key] = self._build_source(printer, uri)
            return self._identities[key]

    def print_target(self, printer: Printer) -> PrintTarget:
        """Give what prints on a printer: IPP, else HP REST, else raw 9100, unless the configuration says otherwise.

        Raises:
            NotFoundError: none of its endpoints takes a document.
        """
        uris = print_uris(printer.uris, self._allowed(printer))
        if not uris:
            raise NotFoundError(f"{printer.label} ({printer.id}) has no endpoint that takes a document")
        if driver_of(uris[0]) == "raw":
            return self._raw(printer, uris[0])
        with self._lock:
            key = (printer.id, uris[0])
            if key not in self._targets:
                _make_room(self._targets)
                self._targets[key] = build_http_target(uris[0], self._http_for(printer))
            return self._targets[key]

    def close(self) -> None:
        """Hang up on the printers that still tell of jobs."""
        self._channels.close()

    def _source(self, printer: Printer, *uris: str) -> StatusSource:
        with self._lock:
            key = (printer.id, " ".join(uris))
            if key not in self._sources:
                _make_room(self._sources)
                self._sources[key] = Complemented([self._build_source(printer, uri) for uri in uris])
            return self._sources[key]

    def _raw(self, printer: Printer, uri: str) -> Raw:
        """Build what prints on a raw port, each time anew: what the printer says of itself may have changed."""
        config = self._config_for(printer)
        wrapped = wrapped_formats(config.raw if config else "auto", printer.capabilities)
        return Raw(uri, wrapped=wrapped, channels=self._channels)

    def _build_source(self, printer: Printer, uri: str) -> StatusSource:
        if driver_of(uri) == "snmp" and self._snmp is not None:
            return build_snmp_driver(uri, self._snmp)
        return build_http_source(uri, self._http_for(printer), self._gaps)

    def _readable(self, printer: Printer) -> tuple[str, ...]:
        """Give the endpoints that may be read for a status, the best first; SNMP not where it is switched off."""
        ranked = status_uris(printer.uris, self._allowed(printer))
        return tuple(uri for uri in ranked if self._snmp is not None or driver_of(uri) != "snmp")

    def _allowed(self, printer: Printer) -> Sequence[str]:
        config = self._config_for(printer)
        return config.drivers if config else ()


def complementing(uris: Sequence[str]) -> tuple[str, ...]:
    """Choose, of the endpoints that tell a status, the best one and those that may fill in what it doesn't tell.

    SNMP goes before HP's web server, which is gentler to a printer; one of LEDM and CDM is enough.
    """
    seconds = [next((uri for uri in uris[1:] if driver_of(uri) in kind), None) for kind in (("snmp",), WEB_DRIVERS)]
    if uris and driver_of(uris[0]) in WEB_DRIVERS:
        seconds.pop()
    return (*uris[:1], *filter(None, seconds))


def build_http_target(uri: str, http: HttpClient) -> Ipp | HpRest:
    """Build the driver that prints at an `ipp`, `ipps`, `http` or `https` URI."""
    return Ipp(uri, http=http) if driver_of(uri) == "ipp" else HpRest(uri, http=http)


def build_http_source(uri: str, http: HttpClient, gaps: Gaps) -> StatusSource:
    """Build the driver that reads a status at such a URI, or at one of LEDM or CDM."""
    if driver_of(uri) == "ledm":
        return Ledm(EmbeddedWeb(uri, http=http, gaps=gaps))
    return Cdm(EmbeddedWeb(uri, http=http, gaps=gaps)) if driver_of(uri) == "cdm" else build_http_target(uri, http)


def build_snmp_driver(uri: str, client: SnmpReader) -> SnmpPrinter:
    """Build the driver of an `snmp` URI, with the port that it names."""
    return SnmpPrinter(host_of(uri), client=client, port=urlsplit(uri).port)


def _make_room(drivers: dict[tuple[str, str], PrintTarget] | dict[tuple[str, str], StatusSource]) -> None:
    """Begin anew where far more drivers were built than there are printers: addresses come and go for years."""
    if len(drivers) >= DRIVERS_LIMIT:
        drivers.clear()
