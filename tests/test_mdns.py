from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
import zeroconf
from hypothesis import given
from hypothesis import strategies as st

from agent.mdns import Browser, NotAPrinter, Service, parse_service, parse_txt
from agent.model import Sighting

NOT_PRINTERS = {
    "HP DeskJet 3700 shared by a CUPS host",
    "HP ENVY 5640 over USB (ippusbxd)",
    "Brother MFC-L8390CDW over USB (ipp-usb)",
    "Canon TR8500 shared by CUPS",
}
TXT = {"ty": "HP LaserJet 9", "uuid": "0f0e0d0c-0b0a-4908-8706-050403020100", "rp": "ipp/print"}


def service(**changes: object) -> Service:
    """Give a service of a plain IPP printer, but for the changes."""
    values: dict[str, object] = {
        "instance": "LaserJet",
        "type": "_ipp._tcp",
        "server": "NPI1.local.",
        "port": 631,
        "addresses": ("192.0.2.7",),
        "txt": TXT,
    }
    return Service(**{**values, **changes})  # type: ignore[arg-type]


def sighting(**changes: object) -> Sighting:
    """Parse such a service, which must be a printer."""
    found = parse_service(service(**changes), loopback=False)
    assert isinstance(found, Sighting)
    return found


def refusal(**changes: object) -> str:
    """Parse such a service, which must not be a printer; gives the reason."""
    found = parse_service(service(**changes), loopback=False)
    assert isinstance(found, NotAPrinter)
    return found.reason


def recorded(recordings: Path) -> Iterator[tuple[str, Service]]:
    """Give the recorded services; where the source has no address, one is made up."""
    for record in json.loads((recordings / "mdns" / "txt-real-printers.json").read_text()):
        raw = b"".join(bytes([len(text.encode())]) + text.encode() for text in record["txt"])
        yield (
            record["device"],
            Service(
                instance=record["instance"],
                type=record["service"],
                server=record["hostname"] or "printer.local",
                port=record["port"],
                addresses=(record["address"] or "192.0.2.9",),
                txt=parse_txt(raw),
            ),
        )


def test_recorded_printers_are_told_from_what_only_looks_like_one(recordings: Path) -> None:
    """CUPS shares and USB printers on loopback are not printers of the LAN, and all the others are."""
    found = {device: parse_service(it, loopback=False) for device, it in recorded(recordings)}
    assert {device for device, it in found.items() if isinstance(it, NotAPrinter)} == NOT_PRINTERS


def test_recorded_printers_tell_model_and_uuid(recordings: Path) -> None:
    """Each has its model from `ty`, and its UUID where the record has one."""
    found = {device: parse_service(it, loopback=False) for device, it in recorded(recordings)}
    envy = found["HP ENVY 5640"]
    assert isinstance(envy, Sighting)
    assert (envy.identity.make_and_model, envy.identity.uuid, envy.identity.mac) == (
        "HP ENVY 5640 series",
        "1c852a4d-b800-1f08-abcd-c8d3ffc8c2d7",
        "c8:d3:ff:c8:c2:d7",
    )
    assert all(it.identity.make_and_model for it in found.values() if isinstance(it, Sighting))


def test_the_resource_path_is_the_printers_own() -> None:
    """A printer's `rp` may be anything; where it is missing the usual path is taken."""
    assert sighting(txt={**TXT, "rp": "duerqxesz5090"}).uris[0] == "ipp://192.0.2.7:631/duerqxesz5090"
    assert sighting(txt={"ty": "X"}).uris[0] == "ipp://192.0.2.7:631/ipp/print"


def test_a_key_without_a_value_and_a_repeated_key_are_read() -> None:
    """A key without `=` is there with nothing in it; the first of two counts (RFC 6763, 6.4)."""
    assert parse_txt(b"\x04flag\x04ty=A\x04TY=B\x00\x63cut=off") == {"flag": "", "ty": "A", "cut": "off"}


def test_a_list_of_formats_cut_at_255_bytes_loses_its_last() -> None:
    """The last word may be half a format, so it isn't believed."""
    pdl = ",".join(["application/pdf", "image/jpeg", "application/x-" + "a" * 300])[:251]
    assert sighting(txt={**TXT, "pdl": pdl}).document_formats == ("application/pdf", "image/jpeg")


def test_ipv4_goes_before_ipv6_and_a_routable_address_before_a_link_local_one() -> None:
    """The address that most surely works is taken; a link-local IPv6 one keeps its scope."""
    addresses = ("fe80::1%2", "2001:db8::7", "169.254.1.2", "192.0.2.7")
    hosts = [sighting(addresses=addresses[:count]).host for count in (1, 2, 3, 4)]
    assert hosts == ["fe80::1%2", "2001:db8::7", "2001:db8::7", "192.0.2.7"]
    assert sighting(addresses=("fe80::1%2",)).uris[0] == "ipp://[fe80::1%252]:631/ipp/print"


def test_a_printer_on_loopback_counts_only_where_loopback_is_looked_at() -> None:
    """In the demo it is a printer; otherwise it is one on USB."""
    found = parse_service(service(addresses=("127.0.0.1",)), loopback=True)
    assert isinstance(found, Sighting)
    assert "USB" in refusal(addresses=("127.0.0.1",))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"txt": {**TXT, "printer-type": "0x801046"}}, "CUPS"),
        ({"txt": {**TXT, "rp": "printers/Office"}}, "CUPS"),
        ({"txt": {**TXT, "adminurl": "https://pc.local.:631/printers/Office"}}, "CUPS"),
        ({"type": "_pdl-datastream._tcp", "port": 9100, "txt": {}}, "does not say"),
        ({"type": "_printer._tcp", "port": 0, "txt": {}}, "no port"),
        ({"addresses": ()}, "no address"),
    ],
)
def test_what_is_no_printer_is_told_with_its_reason(changes: dict[str, object], reason: str) -> None:
    """A person who misses something in `discover` can see why it isn't there."""
    assert reason in refusal(**changes)


def test_the_web_server_is_an_endpoint_only_on_the_printer_itself() -> None:
    """Whatever `adminurl` says, nobody else is asked."""
    own = {**TXT, "adminurl": "http://NPI1.local.:8080/"}
    other = {**TXT, "adminurl": "http://elsewhere.example:8080/"}
    assert sighting(txt=own, server="npi1.local.").uris[1] == "http://192.0.2.7:8080/"
    assert len(sighting(txt=other).uris) == 1


def test_control_characters_and_long_texts_are_cut() -> None:
    """What the network says of itself is clean and short before anybody sees it."""
    found = sighting(instance="A\x1b[31m\n" + "b" * 500, txt={"ty": "M\x00odel"})
    assert found.identity.make_and_model == "Model"
    assert (found.identity.name or "")[:6] == "A[31mb"
    assert len(found.identity.name or "") <= 127


@given(
    st.binary(max_size=600),
    st.text(max_size=40),
    st.integers(),
    st.lists(st.text(max_size=20), max_size=3),
    st.sampled_from(["_ipp._tcp", "_ipps._tcp", "_printer._tcp", "_pdl-datastream._tcp", "?"]),
)
def test_whatever_is_announced_is_a_printer_or_not(
    txt: bytes, text: str, port: int, addresses: list[str], kind: str
) -> None:
    """No announcement makes it stumble."""
    announced = Service(text, kind, text, port, tuple(addresses), parse_txt(txt))
    assert isinstance(parse_service(announced, loopback=True), Sighting | NotAPrinter)


@pytest.fixture
def announcer() -> Iterator[zeroconf.Zeroconf]:
    """Give something that announces on loopback."""
    with zeroconf.Zeroconf(interfaces=["127.0.0.1"]) as announcing:
        yield announcing


@pytest.fixture
def seen() -> Iterator[SimpleQueue[Sighting]]:
    """Give what a browser on loopback sees."""
    sightings: SimpleQueue[Sighting] = SimpleQueue()
    browser = Browser(interfaces=lambda: ("127.0.0.1",), loopback=True, on_sighting=sightings.put)
    browser.start()
    yield sightings
    browser.stop()


def announce(announcer: zeroconf.Zeroconf, name: str, uuid: str) -> zeroconf.ServiceInfo:
    """Announce an IPP printer."""
    info = zeroconf.ServiceInfo(
        "_ipp._tcp.local.",
        f"{name}._ipp._tcp.local.",
        addresses=[socket.inet_aton("127.0.0.1")],
        port=8631,
        properties={"ty": "Test Printer", "UUID": uuid, "rp": "ipp/print"},
        server=f"{name}.local.",
    )
    announcer.register_service(info)
    return info


def take(seen: SimpleQueue[Sighting], fits: Callable[[Sighting], bool], seconds: float = 10.0) -> Sighting | None:
    """Wait for the sighting that fits; others on this machine may announce as well."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            found = seen.get(timeout=left)
        except Empty:
            return None
        if fits(found):
            return found
    return None


def test_a_printer_that_appears_is_seen_once_and_its_goodbye_too(
    announcer: zeroconf.Zeroconf, seen: SimpleQueue[Sighting]
) -> None:
    """It is seen within seconds, with its address and UUID, and then its leaving."""
    uuid = "aaaaaaaa-0001-4000-8000-00000000abcd"
    info = announce(announcer, "test-mdns-one", uuid)
    found = take(seen, lambda it: it.identity.uuid == uuid)
    assert found is not None
    assert (found.uris, found.gone) == (("ipp://127.0.0.1:8631/ipp/print",), False)
    announcer.unregister_service(info)
    farewell = take(seen, lambda it: it.identity.uuid == uuid)
    assert farewell is not None
    assert farewell.gone


def test_a_network_that_comes_late_is_listened_on() -> None:
    """Without an interface nothing happens; once one is there, the next step listens."""
    present: list[str] = []
    browser = Browser(interfaces=lambda: tuple(present), loopback=True, on_sighting=lambda _: None)
    browser.start()
    assert browser._zeroconf is None
    present.append("127.0.0.1")
    browser.step()
    assert browser._zeroconf is not None
    browser.stop()
