"""The measuring of fleets: that its printers answer as told, and what counts as a reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network

from agent.drivers.snmp import SnmpClient
from tests.fleet.measure import fleet, readings
from tests.fleet.printers import hosts_of_fleet

NETWORK = IPv4Network("127.21.0.0/29")
DEAD, SLOW, QUICK = hosts_of_fleet(NETWORK, 3)


@contextmanager
def client(port: int) -> Iterator[SnmpClient]:
    """Give a client that asks once, for half a second."""
    made = SnmpClient(port=port, timeout_seconds=0.5, retries=0, version="2c")
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_a_fleet_is_found_and_part_of_it_dies_or_becomes_slow_when_told() -> None:
    """Every address has a printer of its own; one that is silent or late is not there for who waits half a second."""
    with fleet(NETWORK, 3) as printers, client(printers.port) as snmp:
        found = snmp.sweep([DEAD, SLOW, QUICK])
        printers.tell({"silent": [DEAD], "slow": [SLOW]})
        left = snmp.sweep([DEAD, SLOW, QUICK])
    assert len({sighting.identity.serial for sighting in found}) == 3
    assert [sighting.host for sighting in left] == [QUICK]


def test_a_fleet_tells_when_each_of_its_printers_was_asked() -> None:
    """Also one that does not answer; what was asked before the moment in question is left out."""
    with fleet(NETWORK, 3) as printers, client(printers.port) as snmp:
        assert snmp.sweep([QUICK])
        begin = max(printers.report(0.0)[QUICK])
        assert snmp.sweep([SLOW])
        asked = printers.report(begin)
    assert (len(asked[QUICK]), len(asked[SLOW]) > 0, DEAD in asked) == (1, True, False)


def test_requests_close_together_are_one_reading() -> None:
    """A reading takes several requests, and some are sent again."""
    assert readings([1.0, 1.1, 3.0, 31.0, 31.5, 70.0]) == [1.0, 31.0, 70.0]
