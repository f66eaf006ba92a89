"""One UDP socket for all SNMP requests: matches answers to requests, and hears of closed ports at once.

An answer counts only from the host that was asked, with the request id that was sent, which nobody can guess; some
print servers answer from another port. The receive buffer is large, or a thousand printers that answer together
overflow it.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable

from agent.drivers.snmp_message import Message, Operation, parse_message
from agent.errors import PrinterProtocolError

log = logging.getLogger(__name__)

Address = tuple[str, int]
"""An IPv4 address and a port."""

Deliver = Callable[[Message | None], None]
"""Takes the answer, or None where the network says that nobody is there; called once at most, must not block."""

RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024
LARGEST_DATAGRAM = 65_535
WAKE_SECONDS = 1.0
SEND_ATTEMPTS = 4
IP_RECVERR = 11
"""Linux: ICMP errors are queued with the address that they are about, also on a socket that isn't connected."""


class SnmpSocket:
    """Sends requests and hands each answer to whoever waits for it; one thread receives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, int], tuple[Address, Deliver]] = {}
        self._closing = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the socket and start receiving."""
        self._closing.clear()
        self._socket = _open_socket()
        self._thread = threading.Thread(target=self._receive, args=(self._socket,), name="snmp", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop receiving and close; who still waits runs into its own time limit."""
        if self._socket is None or self._thread is None:
            return
        self._closing.set()
        self._socket.sendto(b"", ("127.0.0.1", self._socket.getsockname()[1]))
        self._thread.join(2 * WAKE_SECONDS)
        self._socket.close()
        self._socket = self._thread = None

    def send(self, address: Address, request_id: int, datagram: bytes, deliver: Deliver) -> None:
        """Send a request; `deliver` gets its answer unless `forget` comes first."""
        with self._lock:
            self._waiting[address[0], request_id] = address, deliver
        if not self._transmit(datagram, address):
            self._refuse(address)

    def forget(self, address: Address, request_id: int) -> None:
        """Wait no longer for this answer."""
        with self._lock:
            self._waiting.pop((address[0], request_id), None)

    def _transmit(self, datagram: bytes, address: Address) -> bool:
        """Send; an error may be an older one about another address, so that it is tried again."""
        if self._socket is None:
            return False
        for _ in range(SEND_ATTEMPTS):
            try:
                self._socket.sendto(datagram, address)
            except OSError as error:
                log.debug("%s: not sent: %s", address[0], error)
            else:
                return True
        return False

    def _receive(self, udp: socket.socket) -> None:
        poller = select.poll()
        poller.register(udp, select.POLLIN)
        while not self._closing.is_set():
            for _, events in poller.poll(WAKE_SECONDS * 1000):
                if events & select.POLLERR:
                    self._take_refusals(udp)
                self._take_answer(udp)

    def _take_answer(self, udp: socket.socket) -> None:
        try:
            datagram, address = udp.recvfrom(LARGEST_DATAGRAM)
        except OSError:  # an ICMP error about something sent earlier: its details are in the error queue
            return
        try:
            answer = parse_message(datagram)
        except PrinterProtocolError as error:
            if datagram:
                log.debug("%s: %s", address[0], error)
            return
        with self._lock:
            if answer.operation is not Operation.RESPONSE:
                return
            _, deliver = self._waiting.pop((address[0], answer.request_id), (None, None))
        if deliver is not None:
            deliver(answer)

    def _take_refusals(self, udp: socket.socket) -> None:
        while True:
            try:
                *_, address = udp.recvmsg(LARGEST_DATAGRAM, 1024, socket.MSG_ERRQUEUE)
            except OSError:  # the queue is empty
                return
            self._refuse(address)

    def _refuse(self, address: Address) -> None:
        with self._lock:
            refused = [key for key, (asked, _) in self._waiting.items() if asked == address]
            delivers = [self._waiting.pop(key)[1] for key in refused]
        for deliver in delivers:
            deliver(None)


def _open_socket() -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    if hasattr(socket, "MSG_ERRQUEUE"):
        udp.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    udp.bind(("", 0))
    udp.setblocking(False)
    return udp
