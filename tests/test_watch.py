from __future__ import annotations

from agent.cli.watch import Found
from agent.model import Identity, Sighting

MAC = "02:19:9d:ce:28:6b"
UUID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def found(host: str, uri: str, **identity: str) -> Found:
    """Give a printer that a sweep has found."""
    return Found(host, Identity(**identity), (uri,), ("snmp",))


def seen(host: str, uri: str, **identity: str) -> Sighting:
    """Give a sighting by mDNS."""
    return Sighting("mdns", host, (uri,), Identity(**identity))


def test_what_both_protocols_tell_is_one_printer() -> None:
    """Also where they share no more than the MAC, and stand at one loopback address with others."""
    by_snmp = found("127.0.77.1", "snmp://127.0.77.1", serial="CN1234", mac=MAC)
    by_mdns = seen("127.0.77.1", "ipp://127.0.77.1:631/ipp/print", uuid=UUID, mac=MAC.upper())
    assert by_snmp.is_seen_in(by_mdns)
    joined = by_snmp.joined(by_mdns)
    assert (joined.identity.serial, joined.identity.uuid, joined.sources) == ("CN1234", UUID, ("snmp", "mdns"))


def test_a_host_of_the_lan_is_one_printer_unless_something_speaks_against_it() -> None:
    """The sweep tells a serial, mDNS a UUID: the address is what they have in common."""
    by_snmp = found("192.0.2.7", "snmp://192.0.2.7", serial="CN1234")
    assert by_snmp.is_seen_in(seen("192.0.2.7", "socket://192.0.2.7:9100", uuid=UUID))
    assert not by_snmp.is_seen_in(seen("192.0.2.7", "socket://192.0.2.7:9101", serial="XY9876"))


def test_printers_at_one_loopback_address_are_told_apart_by_their_ports() -> None:
    """Every printer of a demo stands there."""
    one = found("127.0.0.1", "snmp://127.0.0.1:9161")
    assert not one.is_seen_in(seen("127.0.0.1", "ipp://127.0.0.1:8631/ipp/print"))
    assert one.is_seen_in(seen("127.0.0.1", "snmp://127.0.0.1:9161"))
