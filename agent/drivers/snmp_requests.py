"""SNMP v1 and v2c requests over one shared socket, for as many threads as like.

One request at a time goes to one host; a host that is slow or dead holds nobody but its own readers.
"""

from __future__ import annotations

import queue
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal

from agent.drivers.snmp_dialects import Dialect, Dialects
from agent.drivers.snmp_message import Message, Oid, Operation, Value, Version, encode_request, oid
from agent.drivers.snmp_reading import get_values, walk_columns
from agent.drivers.snmp_socket import Address, SnmpSocket
from agent.errors import PrinterUnreachableError

SMALL_REQUEST = 8
"""Where a GET of so few names gets no answer, the host is taken for dead."""

LARGEST_BULK = 60
ROWS_AT_ONCE = 10
TURN_SECONDS = 30.0
LONGEST_PATIENCE_SECONDS = 5.0
LARGEST_REQUEST_ID = 2**31 - 1
ALIVE = (oid("1.3.6.1.2.1.1.3.0"),)

_random = random.SystemRandom()


class SnmpRequests:
    """Asks SNMP agents by its `socket`, which must be started; thread-safe.

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
        communities: Sequence[str],
        version: Literal["auto", "1", "2c"],
        port: int,
        timeout_seconds: float,
        retries: int,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.socket = SnmpSocket()
        self.turns = Turns()
        self._port = port
        self.dialects = Dialects(communities, version=version, attempts=retries + 1)
        self._patience: dict[Address, float] = {}
        self._without_bulk: set[Address] = set()

    def get(self, host: str, names: Sequence[Oid], *, port: int | None = None) -> dict[Oid, Value]:
        """Ask for values; PrinterUnreachableError where there is no answer."""
        address = self.resolve(host, port)
        with self._turn(address) as deadline:
            return get_values(partial(self._ask, address, deadline), names)

    def walk(self, host: str, columns: Sequence[Oid], *, port: int | None = None) -> dict[Oid, Value]:
        """Read columns by GETBULK, or where that fails by GETNEXT; PrinterUnreachableError where there is no answer."""
        address = self.resolve(host, port)
        with self._turn(address) as deadline:
            return walk_columns(partial(self._ask, address, deadline), columns)

    def resolve(self, host: str, port: int | None) -> Address:
        """Give the IPv4 address of a host; PrinterUnreachableError where it has none."""
        try:
            found = socket.getaddrinfo(host, port or self._port, socket.AF_INET, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise PrinterUnreachableError(f"{host}: no IPv4 address: {error}") from error
        address = found[0][4]
        return str(address[0]), int(address[1])

    def encode(self, dialect: Dialect, operation: Operation, names: Sequence[Oid]) -> tuple[int, bytes]:
        """Write a request with a random id, which nobody can guess who doesn't see it; v1 has no GETBULK."""
        request_id = _random.randint(1, LARGEST_REQUEST_ID)
        if dialect.version is Version.V1 and operation is Operation.GET_BULK:
            operation = Operation.GET_NEXT
        rows = max(1, min(ROWS_AT_ONCE, LARGEST_BULK // len(names)))
        return request_id, encode_request(
            operation,
            names,
            request_id=request_id,
            community=dialect.community,
            version=dialect.version,
            max_repetitions=rows if operation is Operation.GET_BULK else 0,
        )

    @contextmanager
    def _turn(self, address: Address) -> Iterator[float]:
        """Wait for the turn at an address; gives the time by which it must be given back."""
        if not self.turns.take(address, TURN_SECONDS):
            raise PrinterUnreachableError(f"{address[0]}: is still being asked by SNMP")
        try:
            yield time.monotonic() + TURN_SECONDS
        finally:
            self.turns.give_back(address)

    def _ask(self, address: Address, deadline: float, operation: Operation, names: tuple[Oid, ...]) -> Message | None:
        """Ask; None where the host is alive but gives no answer to this."""
        if time.monotonic() > deadline:
            raise PrinterUnreachableError(f"{address[0]}: answers by SNMP, but too slowly")
        if operation is Operation.GET_BULK and address in self._without_bulk:
            operation = Operation.GET_NEXT
        answer = self._attempt(address, operation, names)
        if operation is Operation.GET_BULK and _failed_in_v2c(answer):
            self._without_bulk.add(address)
            answer = self._attempt(address, Operation.GET_NEXT, names)
        return answer

    def _attempt(self, address: Address, operation: Operation, names: tuple[Oid, ...]) -> Message | None:
        if answer := self._exchange(address, self.dialects.of(address), operation, names):
            return answer
        is_much = len(names) > SMALL_REQUEST or operation is Operation.GET_BULK
        if is_much and self._is_alive(address):
            return None
        self.dialects.doubt(address)
        self._patience.pop(address, None)
        raise PrinterUnreachableError(f"{address[0]}: no answer by SNMP")

    def _exchange(
        self, address: Address, dialects: Sequence[Dialect], operation: Operation, names: Sequence[Oid]
    ) -> Message | None:
        """Ask in each dialect in turn until there is an answer, which may be a late one to an earlier attempt.

        Who answers late is waited for longer from then on: repeating itself only gives a slow host more to do.
        """
        mailbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        asked: dict[int, Dialect] = {}
        try:
            for dialect in dialects:
                request_id, datagram = self.encode(dialect, operation, names)
                asked[request_id] = dialect
                self.socket.send(address, request_id, datagram, mailbox.put)
                if answer := self._wait(address, mailbox):
                    self.dialects.remember(address, asked[answer.request_id])
                    if answer.request_id != request_id:
                        self.be_patient(address, attempts=len(asked))
                    return answer
        finally:
            for request_id in asked:
                self.socket.forget(address, request_id)
        return None

    def be_patient(self, address: Address, *, attempts: int) -> None:
        """Note that a host has answered only while it was asked for the second time, or later."""
        longer = 2 * attempts * max(self.timeout_seconds, self._patience.get(address, 0.0))
        self._patience[address] = min(longer, LONGEST_PATIENCE_SECONDS)

    def _wait(self, address: Address, mailbox: queue.SimpleQueue[Message | None]) -> Message | None:
        try:
            answer = mailbox.get(timeout=max(self.timeout_seconds, self._patience.get(address, 0.0)))
        except queue.Empty:
            return None
        if answer is None:
            raise PrinterUnreachableError(f"{address[0]}: nothing listens on UDP port {address[1]}")
        return answer

    def _is_alive(self, address: Address) -> bool:
        """Whether a host that has answered before still does: it may only be unable to answer so much at once."""
        dialect = self.dialects.answered_to(address)
        return dialect is not None and self._exchange(address, [dialect], Operation.GET, ALIVE) is not None


class Turns:
    """Who is being asked: one request at a time to one address."""

    def __init__(self) -> None:
        self._freed = threading.Condition()
        self._taken: set[Address] = set()

    def take(self, address: Address, timeout_seconds: float) -> bool:
        """Take the turn at an address; False where it is not free within `timeout_seconds`."""
        with self._freed:
            if not self._freed.wait_for(lambda: address not in self._taken, timeout_seconds):
                return False
            self._taken.add(address)
            return True

    def give_back(self, address: Address) -> None:
        """Let the next one have it."""
        with self._freed:
            self._taken.discard(address)
            self._freed.notify_all()


def _failed_in_v2c(answer: Message | None) -> bool:
    return answer is None or (answer.version is Version.V2C and answer.error_status != 0)
