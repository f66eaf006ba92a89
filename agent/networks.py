"""Which IPv4 networks this machine is attached to, who its neighbours are, and which hosts a sweep would ask.

The kernel's own tables in `/proc/net` tell it, so nothing is run and no package is needed. The `parse_*` are pure.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import re
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

ROUTES = Path("/proc/net/route")
LOCAL_ADDRESSES = Path("/proc/net/fib_trie")
NEIGHBOURS = Path("/proc/net/arp")
LARGEST_ATTACHED_PREFIX = 22
HOST_PREFIX = 32
ROUTE_COLUMNS = 8
SIOCGIFADDR = 0x8915
LOOPBACK_ADDRESS = "127.0.0.1"
LOOPBACK = IPv4Network("127.0.0.0/8")


def attached_subnets() -> tuple[IPv4Network, ...]:
    """Give the subnets that this machine is attached to; none while the network is away."""
    return parse_routes(_read(ROUTES))


def own_addresses(*, loopback: bool) -> tuple[str, ...]:
    """Give this machine's IPv4 addresses, in order; those of loopback only where `loopback` says so."""
    found = parse_local_addresses(_read(LOCAL_ADDRESSES))
    return tuple(address for address in found if loopback or not is_loopback(address))


def interface_index(address: str) -> int:
    """Give the number of the interface that has an IPv4 address as its first, 0 where none has.

    A cable that was drawn and put back may have its address again, but another number, and our groups are gone.
    """
    wanted = socket.inet_aton(address)
    with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as sock:
        return next((index for index, name in socket.if_nameindex() if _address_of(sock, name) == wanted), 0)
    return 0


def mac_of(host: str) -> str | None:
    """Give the MAC of a neighbour that was spoken to lately; None beyond a router."""
    return parse_neighbours(_read(NEIGHBOURS)).get(host)


def parse_routes(table: str) -> tuple[IPv4Network, ...]:
    """Read `/proc/net/route`: the routes without a gateway are the attached subnets."""
    found = dict.fromkeys(filter(None, map(_attached, table.splitlines()[1:])))
    return tuple(found)


def parse_local_addresses(table: str) -> tuple[str, ...]:
    """Read `/proc/net/fib_trie`: the leaves that are `host LOCAL` are addresses of this machine."""
    return tuple(sorted(set(re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", table))))


def parse_neighbours(table: str) -> dict[str, str]:
    """Read `/proc/net/arp` to MACs (`aa:bb:cc:dd:ee:ff`) by IPv4 address; entries without an answer are left out."""
    rows = re.findall(r"^([0-9.]+)\s+0x\w+\s+0x\w+\s+((?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2})\s", table, re.MULTILINE)
    return {host: mac.lower() for host, mac in rows if mac != "00:00:00:00:00:00"}


def sweepable(attached: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
    """Leave out the attached subnets that are too large to sweep unasked, and single addresses."""
    return tuple(net for net in attached if LARGEST_ATTACHED_PREFIX <= net.prefixlen < HOST_PREFIX)


def hosts_of(subnets: Iterable[IPv4Network]) -> Iterator[str]:
    """Give the host addresses of the subnets, each once."""
    seen: set[IPv4Address] = set()
    for subnet in subnets:
        for host in subnet.hosts():
            if host not in seen:
                seen.add(host)
                yield str(host)


def covers_loopback(subnets: Sequence[IPv4Network]) -> bool:
    """Whether a configured subnet lies on loopback: only then is what is offered there a printer to us."""
    return any(subnet.subnet_of(LOOPBACK) for subnet in subnets)


def mdns_interfaces(subnets: Sequence[IPv4Network]) -> tuple[str, ...]:
    """Give our addresses to listen on for mDNS: loopback's only where a configured subnet is there, or all are."""
    if subnets and all(subnet.subnet_of(LOOPBACK) for subnet in subnets):
        return (LOOPBACK_ADDRESS,)
    return own_addresses(loopback=covers_loopback(subnets))


def is_loopback(host: str) -> bool:
    """Whether an address, or the name `localhost`, is this machine itself."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def addresses_of(name: str) -> frozenset[str]:
    """Give the addresses of a host name; none where it can't be resolved now."""
    try:
        return frozenset(str(entry[4][0]) for entry in socket.getaddrinfo(name, None))
    except (OSError, UnicodeError):
        return frozenset()


def is_within(host: str, network: str) -> bool:
    """Whether `host` is in `network` (an address or a network); False where either is no address."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _address_of(sock: socket.socket, interface: str) -> bytes | None:
    try:
        return fcntl.ioctl(sock, SIOCGIFADDR, struct.pack("256s", interface.encode()))[20:24]
    except OSError:
        return None


def _attached(row: str) -> IPv4Network | None:
    """Read one route: interface, destination, gateway, flags, …, mask; the addresses are little-endian hex."""
    columns = row.split()
    if len(columns) < ROUTE_COLUMNS or columns[2] != "00000000":
        return None
    try:
        destination, mask = (int.from_bytes(bytes.fromhex(columns[at]), "little") for at in (1, 7))
        network = IPv4Network((destination, str(IPv4Address(mask))))
    except ValueError:
        return None
    return network if mask and not network.is_link_local else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return ""
