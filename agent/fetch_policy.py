"""From where documents may be fetched: which hosts, and to which addresses a connection may be made; pure.

Only hosts of the list are fetched from, and such a host may be private. What no name may lead to is this box itself and
its link (a page of the router, the metadata of a cloud), unless that very address is on the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from agent.document_reference import Place, Reference, canonical_host, parse_url
from agent.errors import FetchFailedError, TicketError

ACCESS_ERROR = "document-access-error"
NOT_ALLOWED = "agent-fetch-not-allowed"
TOO_LARGE = "agent-document-too-large"

IPV4_REFUSED = tuple(
    map(
        IPv4Network,
        ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
"""This network, loopback, link-local, protocol assignments, 6to4 relays, multicast, reserved (RFC 6890)."""

IPV6_ACCEPTED = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))
"""Global unicast and unique local: what is outside is loopback, link-local, multicast or reserved (RFC 4291)."""

TEREDO = IPv6Network("2001::/32")
IPV4_WITHIN = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Networks whose addresses lead to an IPv4 address (compatible, mapped, NAT64, 6to4), and the bits to its right."""


class FetchPolicy:
    """What may be fetched.

    Args:
        allowed_hosts: names and addresses; where there are none, nothing may be fetched.
        limit_bytes: the most that a document may have.
    """

    def __init__(self, allowed_hosts: Iterable[str], *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._hosts = frozenset(map(canonical_host, allowed_hosts))

    def check(self, reference: Reference) -> None:
        """Make sure that a ticket's document may be fetched, as far as the ticket tells.

        Raises:
            TicketError: its host is not on the list, its hash is missing, or it is larger than a document may be.
        """
        host = parse_url(reference.url).host
        if not self._hosts:
            problem = "this agent fetches from no host (its list of allowed hosts is empty); send document.data"
            raise TicketError(f"document.url: {problem}", reason=NOT_ALLOWED)
        if host not in self._hosts:
            raise TicketError(f"document.url: {host} is not among fetch.allowed_hosts", reason=NOT_ALLOWED)
        if not reference.sha256:
            raise TicketError("document.sha256: missing; whatever comes from the URL must be told from the document")
        if reference.size is not None and reference.size > self.limit_bytes:
            problem = f"{reference.size} bytes, a fetched document may have {self.limit_bytes}"
            raise TicketError(f"document.size: {problem}", reason=TOO_LARGE)

    def check_place(self, place: Place) -> None:
        """Make sure that a place that a document is said to be at may be asked.

        Raises:
            FetchFailedError: its host is not on the list.
        """
        if place.host not in self._hosts:
            raise _not_allowed(f"{place.host} is not among fetch.allowed_hosts")

    def allowed_addresses(self, host: str, found: Sequence[str]) -> tuple[str, ...]:
        """Give those of the addresses that a name has which a connection may be made to.

        Raises:
            FetchFailedError: there are none.
        """
        addresses = (ip_address(address.partition("%")[0]) for address in found)
        allowed = tuple(str(address) for address in addresses if self._is_allowed(address))
        if not allowed:
            raise _not_allowed(f"{host} leads to an address of this box or its link, which fetch.allowed_hosts lacks")
        return tuple(dict.fromkeys(allowed))

    def _is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        return str(address) in self._hosts or not is_refused(address)


def is_refused(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether no name may lead to an address; of one that leads to an IPv4 address, whether none may to that."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in IPV4_REFUSED)
    for network, shift in IPV4_WITHIN:
        if address in network:
            return is_refused(IPv4Address(int(address) >> shift & 0xFFFFFFFF))
    return address in TEREDO or not any(address in network for network in IPV6_ACCEPTED)


def _not_allowed(message: str) -> FetchFailedError:
    return FetchFailedError(message, reasons=(ACCESS_ERROR, NOT_ALLOWED))
