"""An SNMP v1 and v2c agent on UDP: answers GET, GETNEXT and GETBULK from a table of values, but not to strangers."""

from __future__ import annotations

import logging
import select
import socket
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from agent.drivers.snmp_message import (
    NO_SUCH_NAME,
    TOO_BIG,
    Message,
    Missing,
    Oid,
    Operation,
    Tag,
    Version,
    encode_response,
    encode_value,
    encode_varbinds,
    parse_message,
)
from agent.errors import PrinterProtocolError

log = logging.getLogger(__name__)

LARGEST_ANSWER = 1472
LARGEST_REQUEST = 65_535
MOST_REPETITIONS = 100
LONGER_LENGTHS = 8
"""What the lengths of a message can grow by when it is filled."""

WAKE_SECONDS = 0.5

Cells = Mapping[Oid, bytes]
"""Values in BER by name."""

Cell = tuple[Oid, bytes]


def answer(request: Message, cells: Cells, *, largest: int = LARGEST_ANSWER) -> bytes | None:
    """Answer a request as RFC 1157 and RFC 3416 say, in at most `largest` bytes; None where it deserves no answer."""
    if request.operation is Operation.GET:
        bound = [(name, cells.get(name) or _absent(Missing.NO_SUCH_INSTANCE)) for name, _ in request.varbinds]
        return _answer_all(request, bound, largest)
    if request.operation is Operation.GET_NEXT:
        names = sorted(cells)
        return _answer_all(request, [_next(name, names, cells) for name, _ in request.varbinds], largest)
    if request.operation is Operation.GET_BULK and request.version is Version.V2C:
        return _answer_bulk(request, cells, largest)
    return None


def _answer_all(request: Message, bound: list[Cell], largest: int) -> bytes:
    nulls = [(name, encode_value(Tag.NULL, b"")) for name, _ in request.varbinds]
    if request.version is Version.V1:
        for at, (_, value) in enumerate(bound, start=1):
            if value in _ABSENT:
                return encode_response(request, nulls, error_status=NO_SUCH_NAME, error_index=at)
    response = encode_response(request, bound)
    return response if len(response) <= largest else encode_response(request, nulls, error_status=TOO_BIG)


def _answer_bulk(request: Message, cells: Cells, largest: int) -> bytes:
    """Give as many repetitions as fit."""
    room = largest - len(encode_response(request, ())) - LONGER_LENGTHS
    bound = list(_bulk(request, cells))
    sizes = accumulate(len(encode_varbinds([cell])) for cell in bound)
    return encode_response(request, bound[: bisect_right(list(sizes), room)])


def _bulk(request: Message, cells: Cells) -> Iterator[Cell]:
    names = sorted(cells)
    asked = [name for name, _ in request.varbinds]
    singles = max(0, request.error_status)
    yield from (_next(name, names, cells) for name in asked[:singles])
    repeated = asked[singles:]
    for _ in range(min(request.error_index, MOST_REPETITIONS)):
        found = [_next(name, names, cells) for name in repeated]
        yield from found
        if all(value in _ABSENT for _, value in found):
            return
        repeated = [name for name, _ in found]


def _next(name: Oid, names: list[Oid], cells: Cells) -> Cell:
    at = bisect_right(names, name)
    return (names[at], cells[names[at]]) if at < len(names) else (name, _absent(Missing.END_OF_MIB_VIEW))


def _absent(missing: Missing) -> bytes:
    return encode_value(missing.value, b"")


_ABSENT = frozenset(map(_absent, Missing))


class SnmpAgent:
    """A UDP socket that answers from `cells` as they are when asked.

    Args:
        cells: gives the values.
        host: the address to listen on.
        port: the port, 0 for any that is free.
        community: who asks with another gets no answer; None leaves it to `reply`.
        reply: how to answer, for an agent with faults of its own.
    """

    def __init__(
        self,
        cells: Callable[[], Cells],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        community: str | None = "public",
        reply: Callable[[Message, Cells], bytes | None] = answer,
    ) -> None:
        self.host = host
        self.port = port
        self._cells = cells
        self._community = community
        self._reply = reply
        self._closing = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen; `port` is the real one from now on."""
        self._closing.clear()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.host, self.port))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), name="snmp-agent", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        if self._socket is None or self._thread is None:
            return
        self._closing.set()
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(2 * WAKE_SECONDS)
        self._socket.close()
        self._socket = self._thread = None

    def _serve(self, udp: socket.socket) -> None:
        poller = select.poll()
        poller.register(udp, select.POLLIN)
        while not self._closing.is_set():
            if poller.poll(WAKE_SECONDS * 1000):
                self._answer_one(udp)

    def _answer_one(self, udp: socket.socket) -> None:
        try:
            datagram, sender = udp.recvfrom(LARGEST_REQUEST)
            response = self.respond(datagram)
            if response is not None:
                udp.sendto(response, sender)
        except OSError as error:
            log.debug("SNMP agent: %s", error)

    def respond(self, datagram: bytes) -> bytes | None:
        """Answer one datagram; None where it is no request for this agent."""
        try:
            request = parse_message(datagram)
        except PrinterProtocolError:
            return None
        is_welcome = self._community is None or request.community == self._community.encode()
        return self._reply(request, self._cells()) if is_welcome else None
