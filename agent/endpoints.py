"""Which driver speaks to which URI of a printer, and which of them is preferred."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from agent.model import Printer

DRIVERS_BY_SCHEME = {
    "ipp": "ipp",
    "ipps": "ipp",
    "http": "hp-rest",
    "https": "hp-rest",
    "ledm+http": "ledm",
    "ledm+https": "ledm",
    "cdm+http": "cdm",
    "cdm+https": "cdm",
    "snmp": "snmp",
    "socket": "raw",
}
PORTS_BY_SCHEME = {
    "ipp": 631,
    "ipps": 631,
    "http": 80,
    "https": 443,
    "ledm+http": 80,
    "ledm+https": 443,
    "cdm+http": 80,
    "cdm+https": 443,
    "socket": 9100,
    "snmp": 161,
}
STATUS_DRIVERS = ("ipp", "hp-rest", "ledm", "cdm", "snmp")
PRINT_DRIVERS = ("ipp", "hp-rest", "raw")


def driver_of(uri: str) -> str | None:
    """Name the driver that speaks to a URI; None where none does."""
    return DRIVERS_BY_SCHEME.get(uri.partition(":")[0])


def host_of(uri: str) -> str:
    """Give the host that a URI names, an IPv6 address without its brackets; empty where it is no URI."""
    try:
        return (urlsplit(uri).hostname or "").replace("%25", "%")
    except ValueError:
        return ""


def port_of(uri: str) -> int:
    """Give the port that a URI of a printer names, else its scheme's; 0 where it is no such URI."""
    try:
        parts = urlsplit(uri)
        return parts.port or PORTS_BY_SCHEME.get(parts.scheme, 0)
    except ValueError:
        return 0


def share_a_place(uris: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two endpoints are one: the same driver, host, port and path, with TLS or without."""
    return not set(map(_place, uris)).isdisjoint(map(_place, others))


def share_a_driver(uris: Iterable[str], others: Iterable[str]) -> bool:
    """Whether both have an endpoint of one driver."""
    return not set(map(driver_of, uris)).isdisjoint(map(driver_of, others))


def bracketed(host: str) -> str:
    """Write a host as a URI does: an IPv6 address in brackets, its zone escaped (RFC 6874)."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host


def rehosted(uri: str, host: str) -> str:
    """Give the same endpoint at another host."""
    return uri.replace(bracketed(host_of(uri)), bracketed(host), 1)


def status_uris(uris: Sequence[str], allowed: Sequence[str] = ()) -> tuple[str, ...]:
    """Rank the URIs that tell a status, best first; `allowed` are the drivers that may be used, empty for any."""
    return _ranked(uris, _order(allowed, STATUS_DRIVERS))


def print_uris(uris: Sequence[str], allowed: Sequence[str] = ()) -> tuple[str, ...]:
    """Rank the URIs that take a document, likewise."""
    return _ranked(uris, _order(allowed, PRINT_DRIVERS))


def with_drivers(printer: Printer, allowed: Sequence[str] = ()) -> Printer:
    """Name the drivers that a printer's URIs lead to."""
    status, target = status_uris(printer.uris, allowed), print_uris(printer.uris, allowed)
    return replace(
        printer,
        status_driver=driver_of(status[0]) if status else None,
        print_driver=driver_of(target[0]) if target else None,
    )


def _place(uri: str) -> tuple[str | None, str, int, str]:
    return driver_of(uri), host_of(uri), port_of(uri), uri.partition("://")[2].partition("/")[2]


def _order(allowed: Sequence[str], drivers: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in allowed if name in drivers) if allowed else tuple(drivers)


def _ranked(uris: Iterable[str], order: Sequence[str]) -> tuple[str, ...]:
    usable = (uri for uri in uris if driver_of(uri) in order)
    return tuple(sorted(usable, key=lambda uri: order.index(driver_of(uri) or "")))
