from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

import pytest
import zeroconf
from hypothesis import given
from hypothesis import strategies as st

from agent.mdns import Browser
from agent.mdns_service import NotAPrinter, Service, parse_service, parse_txt
from agent.model import Sighting

NO = "no printer"
VERDICTS = {
    # device: what it offers best, its UUID's first group and its MAC; all read by hand
    "HP LaserJet 700 M712": ("http://192.168.17.68:80/", "56ff35dd", None),
    "HP DeskJet 3700 shared by a CUPS host": (NO, "CUPS", None),
    "HP ENVY 5640": ("ipp://192.168.0.33:631/ipp/print", "1c852a4d", "c8:d3:ff:c8:c2:d7"),
    "HP ENVY 5640 over USB (ippusbxd)": (NO, "USB", None),
    "HP Color LaserJet Pro M252dw raw": ("socket://192.168.1.172:9100", "564e4333", None),
    "HP LaserJet P3010": (None, None, None),
    "Canon SELPHY CP1300": ("ipp://192.168.0.105:631/ipp/print", "f84aad2c", None),
    "Epson WF-2630": ("ipp://192.168.1.159:631/ipp/print", "cfe92100", None),
    "Brother HL-5370DW": ("ipp://169.254.153.250:631/duerqxesz5090", None, None),
    "Brother DCP-L3550CDW": ("ipp://192.168.1.197:631/ipp/print", "e3248000", None),
    "Xerox WorkCentre 3025": ("ipp://192.168.8.100:631/ipp/print", "16a65700", None),
    "Samsung M267x 287x": ("ipp://192.0.2.9:631/ipp/print", "16a65700", None),
    "Ricoh MP C2011": ("http://192.0.2.9:80/", None, None),
    "Dell Color MFP E525w": ("ipp://192.0.2.9:631/ipp/print", "00000001", None),
    "Brother MFC-L8390CDW over USB (ipp-usb)": (NO, "USB", None),
    "Canon TR8500 shared by CUPS": (NO, "CUPS", None),
}
MODELS = {
    "HP LaserJet 700 M712": "HP LaserJet 700 M712",
    "HP ENVY 5640": "HP ENVY 5640 series",
    "HP Color LaserJet Pro M252dw raw": "HP Color LaserJet Pro M252dw",
    "HP LaserJet P3010": "HP LaserJet P3010 Series",
    "Canon SELPHY CP1300": "Canon SELPHY CP1300 HTTP",
    "Epson WF-2630": "EPSON WF-2630 Series",
    "Brother HL-5370DW": "Brother HL-5370DW series",
    "Brother DCP-L3550CDW": "Brother DCP-L3550CDW series",
    "Xerox WorkCentre 3025": "Xerox WorkCentre 3025",
    "Samsung M267x 287x": "Samsung M267x 287x Series",
    "Ricoh MP C2011": "RICOH MP C2011",
    "Dell Color MFP E525w": "Dell Color MFP E525w",
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


def verdict(found: Sighting | NotAPrinter, expected: str | None) -> tuple[str | None, str | None, str | None]:
    """Give what a table of verdicts says of a service; of a reason only the word that is expected."""
    if isinstance(found, NotAPrinter):
        return NO, expected if expected and expected in found.reason else found.reason, None
    uuid = found.identity.uuid
    return next(iter(found.uris), None), uuid and uuid[:8], found.identity.mac


def test_every_recorded_service_gets_its_verdict(recordings: Path) -> None:
    """CUPS shares and USB printers of a computer are none of the LAN; others tell where they print, UUID and MAC."""
    services = dict(recorded(recordings))
    found = {device: parse_service(it, loopback=False) for device, it in services.items()}
    assert {device: verdict(it, VERDICTS[device][1]) for device, it in found.items()} == VERDICTS


def test_every_recorded_printer_tells_its_model(recordings: Path) -> None:
    """As it calls itself."""
    found = {device: parse_service(it, loopback=False) for device, it in recorded(recordings)}
    models = {device: it.identity.make_and_model for device, it in found.items() if isinstance(it, Sighting)}
    assert models == MODELS


def test_recorded_formats_are_mime_types_whole(recordings: Path) -> None:
    """Lists of several lengths, none of which is cut."""
    found = {device: parse_service(it, loopback=False) for device, it in recorded(recordings)}
    canon, ricoh = found["Canon SELPHY CP1300"], found["Ricoh MP C2011"]
    assert isinstance(canon, Sighting)
    assert isinstance(ricoh, Sighting)
    assert canon.document_formats == ("image/urf", "image/jpeg", "image/pwg-raster", "application/octet-stream")
    assert ricoh.document_formats == ("application/postscript",)


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


def test_of_several_addresses_the_one_in_our_own_network_is_taken() -> None:
    """The same each time, in whatever order they come; the others are told as the host's own."""
    addresses = ("10.9.9.9", "192.0.2.7", "2001:db8::7", "10.1.1.1")
    for order in (addresses, addresses[::-1]):
        found = parse_service(service(addresses=order), loopback=False, attached=(IPv4Network("192.0.2.0/24"),))
        assert isinstance(found, Sighting)
        assert (found.host, found.other_hosts) == ("192.0.2.7", ("10.1.1.1", "10.9.9.9", "2001:db8::7"))


def test_what_stands_for_no_uuid_no_serial_and_no_mac_is_none() -> None:
    """The announcement is of a printer all the same."""
    txt = {**TXT, "uuid": "00000000-0000-0000-0000-000000000000", "usb_ser": "XXXXXXXX", "mac": "00:00:00:00:00:00"}
    identity = sighting(txt=txt).identity
    assert (identity.uuid, identity.serial, identity.mac) == (None, None, None)


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
        ({"type": "_ipps._tcp", "txt": {**TXT, "rp": "/printers/Office"}}, "CUPS"),
        ({"txt": {**TXT, "rp": "classes/All"}}, "CUPS"),
        ({"port": 60000, "txt": {**TXT, "usb_hwid": "04f9&0501"}}, "ipp-usb"),
        ({"txt": {**TXT, "rp": "ipp/faxout"}}, "fax"),
        ({"type": "_printer._tcp", "port": 515, "txt": {"rp": "lp", "qtotal": "1"}}, "does not say"),
        ({"txt": {**TXT, "adminurl": "https://pc.local.:631/printers/Office"}}, "CUPS"),
        ({"type": "_pdl-datastream._tcp", "port": 9100, "txt": {}}, "does not say"),
        ({"type": "_printer._tcp", "port": 0, "txt": {}}, "no port"),
        ({"addresses": ()}, "no address"),
        ({"addresses": ("fe80::1",)}, "no address"),
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


def listening(sightings: SimpleQueue[Sighting], **options: Any) -> Browser:
    """Give a browser on loopback that has begun to listen."""
    browser = Browser(interfaces=lambda: ("127.0.0.1",), loopback=True, on_sighting=sightings.put, **options)
    browser.start()
    return browser


def dns_name(name: str) -> bytes:
    """Write a name as DNS does, without compression."""
    labels = name.removesuffix(".").split(".")
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def shout(kind: str, name: str, uuid: str, *, ttl: int = 120) -> None:
    """Announce an IPP printer under a type, in one packet as it may come from anybody: PTR, SRV, TXT, A (RFC 6762)."""
    server = f"{name.partition('.')[0]}.local."
    txt = b"".join(bytes([len(it)]) + it for it in (b"ty=Test Printer", b"rp=ipp/print", f"UUID={uuid}".encode()))
    records = (
        (kind, 12, 1, dns_name(name)),
        (name, 33, 0x8001, struct.pack(">HHH", 0, 0, 8631) + dns_name(server)),
        (name, 16, 0x8001, txt),
        (server, 1, 0x8001, socket.inet_aton("127.0.0.1")),
    )
    packet = struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0)
    for owner, number, of_class, content in records:
        packet += dns_name(owner) + struct.pack(">HHIH", number, of_class, ttl, len(content)) + content
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sock.sendto(packet, ("224.0.0.251", 5353))


@pytest.fixture
def seen() -> Iterator[SimpleQueue[Sighting]]:
    """Give what a browser on loopback sees."""
    sightings: SimpleQueue[Sighting] = SimpleQueue()
    browser = listening(sightings)
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


def test_a_printer_that_is_only_a_subtype_of_ipp_is_seen(seen: SimpleQueue[Sighting]) -> None:
    """AirPrint's, by a responder that leaves out the type itself."""
    uuid = "aaaaaaaa-0002-4000-8000-00000000abcd"
    shout("_universal._sub._ipp._tcp.local.", "test-mdns-two._ipp._tcp.local.", uuid)
    found = take(seen, lambda it: it.identity.uuid == uuid)
    assert found is not None
    assert found.uris == ("ipp://127.0.0.1:8631/ipp/print",)


def test_a_printer_that_announces_itself_again_is_told_again() -> None:
    """It was switched on: nothing about it has changed, and whoever waits for it hears of it, once in 10 seconds."""
    seconds, sightings = [0.0], SimpleQueue[Sighting]()
    browser = listening(sightings, monotonic=lambda: seconds[0])
    name, uuid = "test-mdns-three._ipp._tcp.local.", "aaaaaaaa-0003-4000-8000-00000000abcd"
    for number in range(2):
        seconds[0] += 60.0
        shout("_ipp._tcp.local.", name, uuid, ttl=120 + number)
        assert take(sightings, lambda it: it.identity.uuid == uuid)
    browser.stop()


def test_what_is_there_is_told_again_every_five_minutes() -> None:
    """Whoever was too busy to hear it the first time hears it then."""
    seconds, sightings = [0.0], SimpleQueue[Sighting]()
    browser = listening(sightings, monotonic=lambda: seconds[0])
    uuid = "aaaaaaaa-0005-4000-8000-00000000abcd"
    shout("_ipp._tcp.local.", "test-mdns-five._ipp._tcp.local.", uuid)
    assert take(sightings, lambda it: it.identity.uuid == uuid)
    seconds[0] = 301.0
    browser.step()
    assert take(sightings, lambda it: it.identity.uuid == uuid)
    browser.stop()


def test_ten_thousand_services_hide_no_printer(seen: SimpleQueue[Sighting]) -> None:
    """Somebody makes them up as fast as can be; the printer that announces itself after them, a few times, is seen."""
    for number in range(10_000):
        shout("_ipp._tcp.local.", f"flood-{number}._ipp._tcp.local.", str(UUID(int=number + 7 << 64)))
    uuid = "aaaaaaaa-0004-4000-8000-00000000abcd"
    for number in range(30):
        shout("_ipp._tcp.local.", "test-mdns-four._ipp._tcp.local.", uuid, ttl=120 + number)
        if take(seen, lambda it: it.identity.uuid == uuid, seconds=1):
            return
    pytest.fail("the printer was not seen")


def test_a_flood_of_names_is_forgotten_and_listening_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Memory stays as it is; a printer that announces itself afterwards is seen."""
    sightings = SimpleQueue[Sighting]()
    browser = listening(sightings, names_limit=100)
    for number in range(200):
        shout("_ipp._tcp.local.", f"more-{number}._ipp._tcp.local.", str(UUID(int=number + 7 << 64)))
        assert take(sightings, lambda _: True)
    browser.step()
    uuid = "aaaaaaaa-0007-4000-8000-00000000abcd"
    shout("_ipp._tcp.local.", "test-mdns-seven._ipp._tcp.local.", uuid)
    assert take(sightings, lambda it: it.identity.uuid == uuid)
    assert "100 names" in caplog.text
    browser.stop()


def test_a_name_that_is_no_services_hurts_nobody(seen: SimpleQueue[Sighting]) -> None:
    """The thread that listens lives on, and the next printer is seen."""
    for name in ("_ipp._tcp.local.", "a.b.local.", "\x01.example._ipp._tcp.local.", "x._printer._tcp.local."):
        shout("_ipp._tcp.local.", name, "no uuid")
    uuid = "aaaaaaaa-0006-4000-8000-00000000abcd"
    shout("_ipp._tcp.local.", "test-mdns-six._ipp._tcp.local.", uuid)
    assert take(seen, lambda it: it.identity.uuid == uuid)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_listening_that_has_died_is_begun_anew(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever killed it: at the next step the network is listened to again."""
    sightings = SimpleQueue[Sighting]()

    def stumble(sighting: Sighting) -> None:
        sightings.put(sighting)
        assert not sighting.gone

    browser = Browser(interfaces=lambda: ("127.0.0.1",), loopback=True, on_sighting=stumble)
    browser.start()
    kind, name = "_ipp._tcp.local.", "test-mdns-eight._ipp._tcp.local."
    uuid = "aaaaaaaa-0008-4000-8000-00000000abcd"
    shout(kind, name, uuid)
    assert take(sightings, lambda it: it.identity.uuid == uuid)
    shout(kind, name, uuid, ttl=0)
    assert take(sightings, lambda it: it.identity.uuid == uuid and it.gone)
    assert any(step_and_hear(browser, sightings, ttl=120 + number) for number in range(20))
    assert "begun anew" in caplog.text
    browser.stop()


def step_and_hear(browser: Browser, sightings: SimpleQueue[Sighting], ttl: int) -> bool:
    """Step, announce a printer, and say whether it was seen."""
    browser.step()
    uuid = "aaaaaaaa-0009-4000-8000-00000000abcd"
    shout("_ipp._tcp.local.", "test-mdns-nine._ipp._tcp.local.", uuid, ttl=ttl)
    return take(sightings, lambda it: it.identity.uuid == uuid, seconds=1) is not None


def test_a_network_that_comes_late_is_listened_on() -> None:
    """Without an interface nothing happens; once one is there, the next step listens."""
    present: list[str] = []
    browser = Browser(interfaces=lambda: tuple(present), loopback=True, on_sighting=lambda _: None)
    browser.start()
    assert not browser.is_listening
    present.append("127.0.0.1")
    browser.step()
    assert browser.is_listening
    browser.stop()
