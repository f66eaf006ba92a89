"""SNMP v1 and v2c: a client for many printers at once, the sweep of a subnet, and one printer's status.

v1 and v2c go through a lenient codec of our own (`snmp_message` says why); v3 goes through pysnmp in `snmp_v3`, which
offers the same calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol

from agent.drivers import printer_mib as mib
from agent.drivers.printer_identity import is_printer, parse_capabilities, parse_identity, vendor_names
from agent.drivers.printer_makes import OWN_COUNTERS, OWN_SUPPLIES
from agent.drivers.printer_mib import Values
from agent.drivers.printer_status import parse_status
from agent.drivers.snmp_message import Oid, Value
from agent.drivers.snmp_requests import SnmpRequests
from agent.drivers.snmp_sweep import Sweep
from agent.errors import PrinterProtocolError
from agent.model import Capabilities, Identity, Reading, Sighting

RELEARN_SECONDS = 3600.0
OWN_POLLED = (*OWN_COUNTERS, *OWN_SUPPLIES)


class SnmpClient:
    """Asks SNMP agents over one UDP socket; thread-safe between `start` and `stop`.

    Args:
        communities: the read communities, the most likely first.
        version: `auto` is v2c, then v1.
        port: where agents listen, unless a call says otherwise.
        timeout_seconds: how long one request waits.
        retries: how often it is sent again.
    """

    def __init__(
        self,
        *,
        communities: Sequence[str] = ("public",),
        version: Literal["auto", "1", "2c"] = "auto",
        port: int = 161,
        timeout_seconds: float = 1.0,
        retries: int = 1,
    ) -> None:
        self._requests = SnmpRequests(
            communities=communities, version=version, port=port, timeout_seconds=timeout_seconds, retries=retries
        )

    def start(self) -> None:
        """Open the socket and start receiving."""
        self._requests.socket.start()

    def stop(self) -> None:
        """Stop receiving and close the socket."""
        self._requests.socket.stop()

    def get(self, host: str, oids: Sequence[Oid], *, port: int | None = None) -> dict[Oid, Value]:
        """Ask for values; those that the agent hasn't are left out, those that it sends broken are None.

        Raises:
            PrinterUnreachableError: no answer.
        """
        return self._requests.get(host, oids, port=port)

    def walk(self, host: str, columns: Sequence[Oid], *, port: int | None = None) -> dict[Oid, Value]:
        """Read the columns of a table side by side, up to 64 rows.

        Raises:
            PrinterUnreachableError: no answer.
        """
        return self._requests.walk(host, columns, port=port)

    def sweep(self, hosts: Iterable[str], *, port: int | None = None) -> list[Sighting]:
        """Find the printers among `hosts`; takes about one time limit a retry, however many are silent."""
        return Sweep(self._requests, port=port).run(hosts)


class SnmpReader(Protocol):
    """What a printer is read with: `SnmpClient`, or its counterpart for v3."""

    def get(self, host: str, oids: Sequence[Oid], *, port: int | None = None) -> dict[Oid, Value]:
        """Ask for values; PrinterUnreachableError where there is no answer."""

    def walk(self, host: str, columns: Sequence[Oid], *, port: int | None = None) -> dict[Oid, Value]:
        """Read columns; PrinterUnreachableError where there is no answer."""


class SnmpPrinter:
    """The status of one printer by Printer-MIB.

    Identity, tables' rows and capacities are learnt once and then hourly, or when the printer has restarted or a row is
    gone; in between, each read asks for what changes by one GET of known names, and walks alerts and console.

    Args:
        host: its name or address.
        client: what to ask with.
        port: the agent's port, unless it is the client's.
        clock: monotonic seconds.
    """

    name = "snmp"

    def __init__(
        self,
        host: str,
        *,
        client: SnmpReader,
        port: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._client = client
        self._port = port
        self._clock = clock
        self._known: Values = {}
        self._polled: tuple[Oid, ...] = ()
        self._identity = Identity()
        self._capabilities = Capabilities()
        self._learnt_at: float | None = None

    def read(self) -> Reading:
        """Read who it is and how it is.

        Raises:
            PrinterUnreachableError: no answer.
            PrinterProtocolError: something answers that is no printer.
        """
        values = self._poll() or self._learn()
        return Reading(self._identity, parse_status(values), self._capabilities)

    def _poll(self) -> Values | None:
        """Ask for what changes; None where everything must be learnt, first or again."""
        if self._learnt_at is None or self._clock() - self._learnt_at > RELEARN_SECONDS:
            return None
        fresh = self._client.get(self._host, self._polled, port=self._port)
        if self._has_restarted(fresh) or self._is_another(fresh):
            return None
        return {**self._known, **fresh, **self._walk(mib.WALKED_COLUMNS)}

    def _has_restarted(self, fresh: Values) -> bool:
        before, now = mib.number(self._known.get(mib.SYS_UP_TIME)), mib.number(fresh.get(mib.SYS_UP_TIME))
        return before is not None and now is not None and now < before

    def _is_another(self, fresh: Values) -> bool:
        """Whether a row is gone, or another printer has the address now."""
        known = self._known
        return any(
            name not in fresh or (mib.tells_who(name) and fresh[name] != known[name])
            for name in self._polled
            if name in known
        )

    def _learn(self) -> Values:
        values = self._client.get(self._host, mib.IDENTITY_NAMES, port=self._port)
        if not is_printer(values):
            values |= self._walk_table(mib.DEVICES)
        if not is_printer(values):
            self._learnt_at = None
            raise PrinterProtocolError(f"{self._host}: answers by SNMP, but is no printer")
        for entry in mib.STATIC_TABLES:
            values |= self._walk_table(entry)
        values |= self._client.get(self._host, vendor_names(values), port=self._port)
        self._known = values
        self._polled = (*mib.polled_names(values), *(name for name in OWN_POLLED if name in values))
        self._identity = parse_identity(values)
        self._capabilities = parse_capabilities(values)
        self._learnt_at = self._clock()
        return {**values, **self._walk(mib.WALKED_COLUMNS)}

    def _walk_table(self, entry: Oid) -> dict[Oid, Value]:
        return self._walk([(*entry, column) for column in mib.STATIC_TABLES[entry]])

    def _walk(self, columns: Sequence[Oid]) -> dict[Oid, Value]:
        return self._client.walk(self._host, columns, port=self._port)
