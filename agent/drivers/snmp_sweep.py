"""Finding printers by asking every address of a subnet who it is.

All are asked in one go, 64 every 20 ms, so that neither buffers nor small switches overflow; who is silent is asked
once more for each retry. A silent subnet takes no longer than one silent address.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from agent.drivers import printer_mib as mib
from agent.drivers.printer_identity import is_printer, parse_identity, vendor_names
from agent.drivers.snmp_dialects import Dialect
from agent.drivers.snmp_message import Message, Oid, Operation, Value
from agent.drivers.snmp_reading import present
from agent.drivers.snmp_requests import SnmpRequests
from agent.drivers.snmp_socket import Address
from agent.errors import PrinterError
from agent.model import Identity, Sighting

log = logging.getLogger(__name__)

BURST = 64
BURST_SECONDS = 0.02

Arrival = tuple[Address, Message | None]


class Sweep:
    """One sweep: who is still silent, whose answer is under way, which printers were found."""

    def __init__(self, requests: SnmpRequests, *, port: int | None) -> None:
        self._requests = requests
        self._port = port
        self._silent: dict[Address, str] = {}
        self._asked: dict[Address, dict[int, Dialect]] = {}
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._found: dict[str, Sighting] = {}

    def run(self, hosts: Iterable[str]) -> list[Sighting]:
        """Ask all hosts and give a sighting for each that is a printer, in the order of `hosts`."""
        self._resolve(hosts)
        order = list(self._silent.values())
        try:
            for dialect in self._requests.dialects.of_strangers():
                self._ask_silent(dialect)
        finally:
            for address in list(self._asked):
                self._give_up(address)
        return [self._found[host] for host in order if host in self._found]

    def _resolve(self, hosts: Iterable[str]) -> None:
        for host in hosts:
            try:
                self._silent.setdefault(self._requests.resolve(host, self._port), host)
            except PrinterError as error:
                log.warning("sweep: %s", error)

    def _ask_silent(self, dialect: Dialect) -> None:
        addresses = list(self._silent)
        for at in range(0, len(addresses), BURST):
            for address in addresses[at : at + BURST]:
                self._ask(address, dialect)
            self._listen(BURST_SECONDS)
        self._listen(self._requests.timeout_seconds)

    def _ask(self, address: Address, dialect: Dialect) -> None:
        """Ask one address, unless somebody else is asking it: then its turn comes with the retry.

        What was asked before stays asked, for slow hosts.
        """
        if address in self._asked or self._requests.turns.take(address, 0):
            request_id, datagram = self._requests.encode(dialect, Operation.GET, mib.IDENTITY_NAMES)
            self._asked.setdefault(address, {})[request_id] = dialect
            self._requests.socket.send(
                address, request_id, datagram, lambda answer: self._arrivals.put((address, answer))
            )

    def _listen(self, seconds: float) -> None:
        """Wait for answers; what has come is taken also when the time is over, however long the taking takes."""
        deadline = time.monotonic() + seconds
        while self._asked:
            try:
                address, answer = self._arrivals.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            self._take(address, answer)

    def _take(self, address: Address, answer: Message | None) -> None:
        if address not in self._asked:
            return
        asked = self._give_up(address)
        host = self._silent.pop(address)
        if answer is None:
            return
        self._requests.dialects.remember(address, asked[answer.request_id])
        if answer.request_id != next(reversed(asked)):
            self._requests.be_patient(address, attempts=len(asked))
        try:
            self._judge(host, answer)
        except PrinterError as error:
            log.debug("sweep: %s", error)

    def _judge(self, host: str, answer: Message) -> None:
        """Look closer at who has answered: at once, while the silent ones are waited for."""
        get = partial(self._requests.get, host, port=self._port)
        told = {name for name, _ in answer.varbinds}
        is_whole = not answer.error_status and told.issuperset(mib.IDENTITY_NAMES)
        values = present(answer.varbinds) if is_whole else get(mib.IDENTITY_NAMES)
        identity = identify(values, get)
        if identity is not None:
            uri = f"snmp://{host}:{self._port}" if self._port else f"snmp://{host}"
            self._found[host] = Sighting(source="snmp", host=host, uris=(uri,), identity=identity)

    def _give_up(self, address: Address) -> dict[int, Dialect]:
        """Wait no longer for an address; gives what it was asked."""
        asked = self._asked.pop(address)
        for request_id in asked:
            self._requests.socket.forget(address, request_id)
        self._requests.turns.give_back(address)
        return asked


def identify(values: dict[Oid, Value], get: Callable[[Sequence[Oid]], dict[Oid, Value]]) -> Identity | None:
    """Judge by the values of `IDENTITY_NAMES`; for a printer, get what else tells who it is."""
    if not is_printer(values):
        return None
    return parse_identity({**values, **get((*vendor_names(values), *mib.INTERFACE_NAMES))})
