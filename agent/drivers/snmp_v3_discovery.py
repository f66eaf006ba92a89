"""Who speaks SNMP v3: every engine answers the question for its id (RFC 3414 §4), without credentials."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence

from agent.drivers.snmp_message import SEQUENCE, Operation, Tag, encode_integer, encode_value

DISCOVERY_ID = 0x5052494E
BURST = 64
BURST_SECONDS = 0.02
LARGEST_DATAGRAM = 65_507
REPORTABLE = b"\x04"
USM = 3
V3 = 3

log = logging.getLogger(__name__)


def discover(hosts: Sequence[str], port: int, *, timeout_seconds: float, rounds: int) -> set[str]:
    """Find who speaks v3, within `rounds` time limits."""
    heard: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for _ in range(rounds):
            silent = [host for host in hosts if host not in heard]
            for at in range(0, len(silent), BURST):
                for host in silent[at : at + BURST]:
                    _send(udp, host, port)
                heard |= _hear(udp, BURST_SECONDS)
            if len(heard) < len(hosts):
                heard |= _hear(udp, timeout_seconds)
    return heard


def _send(udp: socket.socket, host: str, port: int) -> None:
    try:
        udp.sendto(DISCOVERY, (host, port))
    except OSError as error:
        log.debug("%s: not asked by SNMP v3: %s", host, error)


def _hear(udp: socket.socket, seconds: float) -> set[str]:
    """Collect for a while the addresses that answer."""
    heard: set[str] = set()
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        udp.settimeout(left)
        try:
            _, (host, _) = udp.recvfrom(LARGEST_DATAGRAM)
        except OSError:  # the time is up
            continue
        heard.add(host)
    return heard


def _encode_discovery() -> bytes:
    """Write a GET without user, engine id and names, which asks for a report."""
    empty = encode_value(Tag.OCTET_STRING, b"")
    zero = encode_integer(0)
    identifier = encode_integer(DISCOVERY_ID)
    flags = encode_value(Tag.OCTET_STRING, REPORTABLE)
    header = encode_value(SEQUENCE, identifier + encode_integer(LARGEST_DATAGRAM) + flags + encode_integer(USM))
    security = encode_value(SEQUENCE, empty + zero + zero + empty * 3)
    pdu = encode_value(Operation.GET, identifier + zero + zero + encode_value(SEQUENCE, b""))
    scoped = encode_value(SEQUENCE, empty * 2 + pdu)
    return encode_value(SEQUENCE, encode_integer(V3) + header + encode_value(Tag.OCTET_STRING, security) + scoped)


DISCOVERY = _encode_discovery()
