from __future__ import annotations

import socket
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.networks import (
    covers_loopback,
    hosts_of,
    interface_index,
    is_within,
    parse_local_addresses,
    parse_neighbours,
    parse_routes,
    sweepable,
)

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
wlan0\t000200C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0
eth0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
NEIGHBOURS = """IP address       HW type     Flags       HW address            Mask     Device
192.0.2.7        0x1         0x2         AA:BB:CC:00:11:22     *        eth0
192.0.2.8        0x1         0x0         00:00:00:00:00:00     *        eth0
"""
LOCAL = """Main:
  +-- 0.0.0.0/0 3 0 5
        +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
"""


def test_attached_subnets_are_the_routes_without_a_gateway() -> None:
    """Each once, whatever interfaces lead there; link-local is none."""
    assert parse_routes(ROUTES) == (IPv4Network("192.0.2.0/24"), IPv4Network("172.17.0.0/16"))


def test_large_attached_subnets_are_not_swept_unasked() -> None:
    """A /16 would be 65,534 hosts; a /22 is the largest."""
    assert sweepable(parse_routes(ROUTES)) == (IPv4Network("192.0.2.0/24"),)
    assert sweepable([IPv4Network("10.0.0.0/22"), IPv4Network("10.0.0.0/21")]) == (IPv4Network("10.0.0.0/22"),)


def test_overlapping_subnets_are_swept_once() -> None:
    """Every host is asked once."""
    assert len(list(hosts_of([IPv4Network("192.0.2.0/29"), IPv4Network("192.0.2.0/30")]))) == 6


def test_a_neighbour_without_an_answer_has_no_mac() -> None:
    """The kernel keeps zeros for it."""
    assert parse_neighbours(NEIGHBOURS) == {"192.0.2.7": "aa:bb:cc:00:11:22"}


def test_own_addresses_are_the_local_leaves() -> None:
    """Networks and broadcasts are no addresses of ours."""
    assert parse_local_addresses(LOCAL) == ("127.0.0.1", "192.0.2.2")


def test_an_interface_is_told_by_its_number() -> None:
    """Of an address that is nobody's there is none."""
    assert interface_index("127.0.0.1") == socket.if_nametoindex("lo")
    assert interface_index("192.0.2.99") == 0


@pytest.mark.parametrize(
    ("subnets", "covered"), [(["127.0.0.0/8"], True), (["127.0.0.1/32"], True), (["192.0.2.0/24"], False), ([], False)]
)
def test_loopback_is_looked_at_only_where_a_subnet_says_so(subnets: list[str], covered: bool) -> None:
    """The demo configures it; in the field what is on loopback hangs on USB."""
    assert covers_loopback([IPv4Network(subnet) for subnet in subnets]) is covered


def test_a_network_to_ignore_may_be_an_address_or_nonsense() -> None:
    """A UUID in the same list is no network."""
    assert is_within("192.0.2.7", "192.0.2.0/24")
    assert is_within("192.0.2.7", "192.0.2.7")
    assert not is_within("192.0.2.7", "0f0e0d0c-0b0a-4908-8706-050403020100")


@given(st.text())
def test_whatever_the_kernel_writes_is_read(table: str) -> None:
    """A format that changes costs the sweep, not the agent."""
    assert parse_routes(table) is not None
    assert parse_neighbours(table) is not None
