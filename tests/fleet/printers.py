"""A fleet of printers in one process: an SNMP agent on an address of its own for each, all on one UDP port.

It says where it listens in a JSON line, and then does what each JSON line of its standard input says:
`{"silent": [hosts], "slow": [hosts]}` has some answer no more, or late; `{"report": since}` is answered by a line with
the moments of CLOCK_MONOTONIC at which each host was asked for values.
"""

from __future__ import annotations

import argparse
import heapq
import json
import resource
import selectors
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from itertools import islice
from typing import Any

from agent.drivers import printer_mib as mib
from agent.drivers.snmp_message import Oid, Operation, Tag, encode_integer, parse_message
from agent.errors import PrinterProtocolError
from agent.simulator.engine import PrinterEngine
from agent.simulator.personality import LASER
from agent.simulator.snmp_agent import answer
from agent.simulator.snmp_front import printer_cells

SLOW_SECONDS = 0.8
LARGEST_REQUEST = 65_535
SPARE_FILES = 64
WAKE_SECONDS = 1.0

Late = tuple[float, int, bytes, Any]
"""When an answer is due, a number to order equals by, the answer, and whom it is for."""


def hosts_of_fleet(network: IPv4Network, printers: int) -> list[str]:
    """Give the addresses of a fleet of so many printers."""
    return [str(host) for host in islice(network.hosts(), printers)]


class FleetPrinter:
    """One printer: its values, and its socket."""

    def __init__(self, host: str, port: int) -> None:
        identity = LASER.identity(serial=LASER.serial_at(host, port))
        engine = PrinterEngine(
            identity=identity, supplies=LASER.supplies, keep=None, seconds_per_page=0.0, document_formats=()
        )
        self.host = host
        self.cells = printer_cells(identity, engine.status(), engine.capabilities().command_set)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.socket.setblocking(False)

    def reply(self, datagram: bytes) -> tuple[Operation, bytes | None] | None:
        """Give what was asked and the answer to it; None where the datagram is no request."""
        try:
            request = parse_message(datagram)
        except PrinterProtocolError:
            return None
        cells: dict[Oid, bytes] = {**self.cells, mib.SYS_UP_TIME: _up_time()}
        return request.operation, answer(request, cells)


class Fleet:
    """All printers, answered by one thread."""

    def __init__(self, hosts: Iterable[str]) -> None:
        first, *others = hosts
        printer = FleetPrinter(first, 0)
        self.port = int(printer.socket.getsockname()[1])
        self._asked: defaultdict[str, list[float]] = defaultdict(list)
        self._silent: frozenset[str] = frozenset()
        self._slow: frozenset[str] = frozenset()
        self._late: list[Late] = []
        self._selector = selectors.DefaultSelector()
        for each in (printer, *(FleetPrinter(host, self.port) for host in others)):
            self._selector.register(each.socket, selectors.EVENT_READ, each)
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Answer until standard input ends."""
        while True:
            wait = self._late[0][0] - time.monotonic() if self._late else WAKE_SECONDS
            for key, _ in self._selector.select(max(0.0, wait)):
                if isinstance(key.data, FleetPrinter):
                    self._take(key.data)
                elif not self._obey(sys.stdin.readline()):
                    return
            for datagram, place, printer in self._due():
                printer.socket.sendto(datagram, place)

    def _take(self, printer: FleetPrinter) -> None:
        datagram, place = printer.socket.recvfrom(LARGEST_REQUEST)
        reply = printer.reply(datagram)
        if reply is None or reply[1] is None:
            return
        now = time.monotonic()
        if reply[0] is Operation.GET:
            self._asked[printer.host].append(now)
        if printer.host not in self._silent:
            due = now + SLOW_SECONDS if printer.host in self._slow else now
            heapq.heappush(self._late, (due, time.monotonic_ns(), reply[1], (place, printer)))

    def _due(self) -> Iterator[tuple[bytes, Any, FleetPrinter]]:
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, datagram, (place, printer) = heapq.heappop(self._late)
            yield datagram, place, printer

    def _obey(self, line: str) -> bool:
        if not line:
            return False
        order = json.loads(line)
        if "report" in order:
            report = {host: [at for at in moments if at >= order["report"]] for host, moments in self._asked.items()}
            print(json.dumps(report), flush=True)
        else:
            self._silent, self._slow = frozenset(order["silent"]), frozenset(order["slow"])
        return True


def _up_time() -> bytes:
    return encode_integer(int(time.monotonic() * 100) % 2**32, Tag.TIME_TICKS)


def main() -> None:
    """Be the fleet until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.printers")
    parser.add_argument("--network", type=IPv4Network, required=True)
    parser.add_argument("--printers", type=int, required=True)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, options.printers + SPARE_FILES), most))
    fleet = Fleet(hosts_of_fleet(options.network, options.printers))
    print(json.dumps({"ready": True, "port": fleet.port}), flush=True)
    fleet.serve()


if __name__ == "__main__":
    main()
