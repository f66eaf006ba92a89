from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from agent.config_schema import PrinterConfig
from agent.discovery import Discovery
from agent.drivers.probe import OPEN, Attempt, Probe
from agent.errors import NotFoundError
from agent.model import Identity, Printer, PrinterState, PrinterStatus, Sighting
from agent.networks import addresses_of
from agent.sightings import Sightings
from tests.conftest import FakeClock
from tests.test_registry import OTHER_UUID, UUID, Bench

IPP = "ipp://192.0.2.7:631/ipp/print"
IDLE = PrinterStatus(state=PrinterState.IDLE)


class Lan:
    """A discovery over a pretended network: `hosts` are the printers by address."""

    def __init__(
        self,
        bench: Bench,
        *,
        printers: tuple[PrinterConfig, ...] = (),
        ignore: tuple[str, ...] = (),
        subnets: tuple[str, ...] = (),
    ) -> None:
        self.bench = bench
        self.registry = bench.opened(*printers)
        self.hosts: dict[str, Printer] = {}
        self.raw: set[str] = set()
        self.asked: list[str] = []
        self.swept: list[str] = []
        self.polled: list[str] = []
        self.seconds = 0.0
        self.sightings = Sightings()
        self.discovery = Discovery(
            registry=self.registry,
            sightings=self.sightings,
            sweep=self._sweep,
            examine=self._examine,
            subnets=subnets,
            attached_subnets=lambda: (IPv4Network("192.0.2.0/28"), IPv4Network("10.0.0.0/8")),
            interval_seconds=300,
            ignore=ignore,
            printers=printers,
            poll_soon=self.polled.append,
            now=bench.clock,
            monotonic=lambda: self.seconds,
        )

    def place(self, host: str, uuid: str = UUID, **identity: str) -> Printer:
        """Put a printer at an address."""
        found = self.bench.found(host, uuid=uuid)
        told = replace(found.identity, **identity)
        self.hosts[host] = replace(found, identity=told, sources=("ipp",))
        return self.hosts[host]

    def known(self) -> list[tuple[str, str]]:
        """Give ids and hosts of the printers that are known."""
        return [(printer.id, printer.host) for printer in self.registry.printers()]

    def see(self, host: str = "192.0.2.7", uuid: str | None = UUID, **changes: object) -> None:
        """Have mDNS see a printer, and discovery do all that is due."""
        seen = Sighting("mdns", host, (f"ipp://{host}:631/ipp/print",), Identity(uuid=uuid, name="LaserJet"))
        self.sightings.put(replace(seen, **changes))  # type: ignore[arg-type]
        self.run()

    def run(self) -> None:
        """Do all that is due now."""
        while self.discovery.step() == 0.0:
            pass

    def _examine(self, host: str, uris: Sequence[str]) -> Probe:
        self.asked.append(host)
        raw = tuple(Attempt(uri, OPEN) for uri in uris if uri.startswith("socket:") and host in self.raw)
        return Probe(host, self.hosts.get(host), raw)

    def _sweep(self, hosts: Iterable[str]) -> Sequence[Sighting]:
        self.swept = list(hosts)
        return [
            Sighting("snmp", host, (f"snmp://{host}",), Identity(make_and_model="HP"))
            for host in self.swept
            if host in self.hosts
        ]


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Give a new registry."""
    it = Bench(tmp_path / "agent.db", clock)
    yield it
    it.store.close()


@pytest.fixture
def lan(bench: Bench) -> Lan:
    """Give a network without a printer, swept once."""
    it = Lan(bench)
    it.run()
    return it


def test_a_printer_seen_by_mdns_is_asked_and_entered(lan: Lan) -> None:
    """What it says of itself counts; the name that it announces fills in."""
    lan.place("192.0.2.7")
    lan.see()
    (printer,) = lan.registry.printers()
    assert (printer.identity.uuid, printer.sources, printer.online) == (UUID, ("mdns", "ipp"), True)


def test_what_is_announced_and_does_not_answer_is_not_entered(lan: Lan) -> None:
    """An announcement proves nothing."""
    lan.see()
    assert lan.registry.printers() == ()


def test_a_printer_that_announces_itself_before_it_answers_is_asked_again(lan: Lan) -> None:
    """It is told of only once."""
    lan.see()
    lan.place("192.0.2.7")
    lan.seconds += 11
    lan.run()
    assert len(lan.registry.printers()) == 1


def test_a_host_that_never_answers_is_asked_ever_more_seldom(lan: Lan) -> None:
    """In a day it is asked some 30 times, not 86,400."""
    lan.see()
    for _ in range(24 * 360):
        lan.seconds += 10
        lan.run()
    assert 20 < len(lan.asked) < 50


def test_several_records_of_one_printer_are_one_printer(lan: Lan) -> None:
    """IPP and the raw port are announced on their own."""
    lan.place("192.0.2.7")
    lan.see()
    lan.see(uris=("socket://192.0.2.7:9100",))
    lan.see(source="snmp", identity=Identity(make_and_model="HP"))
    (printer,) = lan.registry.printers()
    assert printer.sources == ("mdns", "ipp", "snmp")


def test_a_known_printer_that_is_seen_again_is_left_in_peace(lan: Lan) -> None:
    """It is asked again only where it offers something new."""
    lan.place("192.0.2.7")
    for _ in range(3):
        lan.see()
    assert lan.asked == ["192.0.2.7"]


def restarted(bench: Bench, *hosts: str, status: PrinterStatus = IDLE) -> Lan:
    """Give a network whose printers were known before a start, and have been swept since."""
    before = Lan(bench)
    for number, host in enumerate(hosts):
        placed = before.place(host, UUID[:-1] + str(number))
        before.hosts[host] = replace(placed, status=status, uris=(*placed.uris, f"snmp://{host}"))
        before.see(host, placed.identity.uuid)
    after = Lan(bench)
    after.hosts = before.hosts
    after.run()
    return after


def test_a_printer_that_was_known_before_a_start_is_asked_everything_once_a_day(bench: Bench) -> None:
    """Its firmware, its settings or this agent may be newer than what is known of it."""
    lan = restarted(bench, "192.0.2.7")
    for seconds in (300, 86_400):
        lan.seconds += seconds
        lan.run()
    assert lan.asked == ["192.0.2.7"] * 2


def test_known_printers_are_not_asked_everything_at_once(bench: Bench) -> None:
    """After a start one in ten seconds."""
    lan = restarted(bench, "192.0.2.7", "192.0.2.8")
    assert len(lan.asked) == 1
    lan.seconds += 300
    lan.run()
    assert sorted(lan.asked) == ["192.0.2.7", "192.0.2.8"]


def test_a_known_printer_that_sleeps_is_not_asked_everything(bench: Bench) -> None:
    """That could wake it."""
    assert restarted(bench, "192.0.2.7", status=replace(IDLE, state_message="Sleeping...")).asked == []


@pytest.mark.parametrize("subnets", [("10.1.0.0/20",), ("192.0.2.0/30", "198.51.100.0/30")])
def test_configured_subnets_are_swept_whatever_their_size_and_nothing_else(
    bench: Bench, subnets: tuple[str, ...]
) -> None:
    """Several, and larger ones than /22."""
    lan = Lan(bench, subnets=subnets)
    lan.run()
    assert lan.swept == [str(host) for subnet in subnets for host in IPv4Network(subnet).hosts()]


def test_attached_subnets_are_swept_and_large_ones_are_not(lan: Lan) -> None:
    """The /28 is asked, the /8 isn't."""
    assert len(lan.swept) == 14


def test_a_sweep_comes_round_and_finds_what_mdns_does_not(lan: Lan) -> None:
    """Every interval, not oftener."""
    lan.place("192.0.2.9")
    lan.seconds += 299
    lan.run()
    assert lan.registry.printers() == ()
    lan.seconds += 1
    lan.run()
    assert [printer.host for printer in lan.registry.printers()] == ["192.0.2.9"]


def test_addresses_that_have_changed_are_swept_for_soon_but_not_all_the_time(lan: Lan) -> None:
    """Where another answers at a printer's address, others have moved as well."""
    lan.place("192.0.2.9")
    for seconds, found in ((30, 0), (29, 0), (1, 1)):
        lan.seconds += seconds
        lan.discovery.hurry()
        lan.run()
        assert len(lan.known()) == found


def test_an_announcement_that_mixes_two_printers_up_moves_neither(lan: Lan) -> None:
    """One name, announced by both at once: the UUID of one with the address of the other. The hosts are asked."""
    for host, uuid in (("192.0.2.7", UUID), ("192.0.2.8", OTHER_UUID)):
        lan.place(host, uuid)
        lan.see(host, uuid)
    before = lan.known()
    lan.see("192.0.2.8", UUID)
    lan.see("192.0.2.7", OTHER_UUID)
    assert lan.known() == before


def test_a_printer_that_moved_stays_the_same_printer(lan: Lan) -> None:
    """The old address is silent, the new one proves the UUID: same id, new address, read at once."""
    lan.place("192.0.2.7")
    lan.see()
    (before,) = lan.registry.printers()
    lan.hosts.clear()
    lan.place("192.0.2.8")
    lan.see("192.0.2.8")
    (after,) = lan.registry.printers()
    assert (after.id, after.host) == (before.id, "192.0.2.8")
    assert lan.polled == [before.id]


def test_a_printer_that_still_answers_has_not_moved(lan: Lan) -> None:
    """Somebody else claims its UUID: told, and jobs go where they went."""
    lan.place("192.0.2.7")
    lan.see()
    lan.bench.events()
    lan.place("192.0.2.8")
    lan.see("192.0.2.8")
    (printer,) = lan.registry.printers()
    assert (printer.host, lan.bench.events()) == ("192.0.2.7", ["identity-conflict"])


def test_a_printer_configured_by_its_name_has_not_moved_to_its_address(bench: Bench) -> None:
    """The name and the address are one host."""
    if "127.0.0.1" not in addresses_of("localhost"):
        pytest.skip("this machine has no name `localhost` (/etc/hosts)")
    lan = Lan(bench, printers=(PrinterConfig(uris=("ipp://localhost:631/ipp/print",)),))
    lan.place("localhost")
    lan.run()
    bench.events()
    lan.place("127.0.0.1")
    lan.see("127.0.0.1")
    assert ([printer.host for printer in lan.registry.printers()], bench.events()) == (["localhost"], [])


def test_mdns_alone_moves_no_printer(lan: Lan) -> None:
    """The new address does not prove the UUID, so that the printer stays where it was, although it is silent."""
    lan.place("192.0.2.7")
    lan.see()
    lan.hosts.clear()
    lan.see("192.0.2.8")
    (printer,) = lan.registry.printers()
    assert printer.host == "192.0.2.7"


def test_a_printer_with_two_addresses_is_one_and_no_conflict(lan: Lan) -> None:
    """Wi-Fi and Ethernet, one serial: nothing is told, and when the first falls silent the second is taken."""
    lan.place("192.0.2.7", serial="CN1234")
    lan.see()
    lan.bench.events()
    lan.place("192.0.2.8", serial="CN1234")
    lan.see("192.0.2.8")
    ((printer_id, host),) = lan.known()
    assert (host, lan.bench.events()) == ("192.0.2.7", [])
    del lan.hosts["192.0.2.7"]
    lan.registry.update(printer_id, lambda known: replace(known, online=False))
    lan.see("192.0.2.8")
    assert lan.known() == [(printer_id, "192.0.2.8")]


def test_a_printer_whose_first_address_leads_nowhere_is_found_at_its_second(lan: Lan) -> None:
    """Its IPv4 address is of a network that is not ours."""
    lan.place("2001:db8::7")
    lan.see("10.9.9.9", other_hosts=("10.9.9.10", "2001:db8::7"))
    assert [host for _, host in lan.known()] == ["2001:db8::7"]
    assert lan.registry.printers()[0].uris == ("ipp://2001:db8::7:631/ipp/print",)


def test_a_record_that_names_both_addresses_is_no_conflict(lan: Lan) -> None:
    """IPv4 and IPv6 of one host: each proves the UUID, and the host says that both are its own."""
    lan.place("192.0.2.7")
    lan.see()
    lan.bench.events()
    lan.place("2001:db8::7")
    lan.see("2001:db8::7", other_hosts=("192.0.2.7",))
    assert ([host for _, host in lan.known()], lan.bench.events()) == (["192.0.2.7"], [])


def test_a_uuid_that_two_printers_have_moves_neither(lan: Lan) -> None:
    """Both have answered with it at once: when the first is off, the second is not taken for it; its jobs are held."""
    lan.place("192.0.2.7")
    lan.see()
    lan.place("192.0.2.8")
    lan.see("192.0.2.8")
    del lan.hosts["192.0.2.7"]
    lan.bench.events()
    lan.seconds += 3600
    lan.see("192.0.2.8")
    (printer,) = lan.registry.printers()
    assert (printer.host, printer.status.state_reasons) == ("192.0.2.7", ("identity-conflict",))
    assert "identity-conflict" in lan.bench.events()


def test_two_models_with_one_uuid_are_two_printers(lan: Lan) -> None:
    """The UUID is the maker's for all: told, and each is entered."""
    lan.place("192.0.2.7", make_and_model="Zebra A")
    lan.see()
    lan.place("192.0.2.8", make_and_model="Zebra B")
    lan.see("192.0.2.8")
    assert [host for _, host in lan.known()] == ["192.0.2.7", "192.0.2.8"]
    assert "identity-conflict" in lan.bench.events()


def test_two_printers_with_one_uuid_can_be_configured_by_their_addresses(bench: Bench) -> None:
    """A person says that they are two."""
    uris = [f"ipp://192.0.2.{last}:631/ipp/print" for last in (7, 8)]
    lan = Lan(bench, printers=tuple(PrinterConfig(uris=(uri,), alias=uri[14:15]) for uri in uris))
    lan.place("192.0.2.7")
    lan.place("192.0.2.8")
    lan.run()
    assert [lan.registry.find(alias).host for alias in "78"] == ["192.0.2.7", "192.0.2.8"]


def test_a_configured_printer_that_has_moved_is_not_entered_anew_at_its_old_address(bench: Bench) -> None:
    """The configuration names its serial, which is found elsewhere."""
    lan = Lan(bench, printers=(PrinterConfig(uris=(IPP,), serial="CN1234", alias="office"),))
    lan.place("192.0.2.8", serial="CN1234")
    lan.see("192.0.2.8")
    lan.seconds += 3600
    lan.run()
    assert [host for _, host in lan.known()] == ["192.0.2.8"]


def test_same_named_printers_are_two(lan: Lan) -> None:
    """The name is the model's."""
    for host, uuid in (("192.0.2.7", UUID), ("192.0.2.8", OTHER_UUID)):
        lan.place(host, uuid)
        lan.see(host, uuid)
    assert [printer.identity.name for printer in lan.registry.printers()] == ["LaserJet", "LaserJet"]


def test_whoever_waits_for_a_sighting_is_woken() -> None:
    """A new printer is looked at when it is seen, not half a second later."""
    sightings, woken = Sightings(), []
    sightings.on_arrival = lambda: woken.append(sightings.take())
    seen = Sighting("mdns", "192.0.2.7", (IPP,), Identity())
    sightings.put(seen)
    assert woken == [seen]


def test_a_host_that_makes_up_printers_holds_no_other_up() -> None:
    """Of ten thousand of one host some wait, and what was seen last is looked at next but one."""
    sightings = Sightings()
    for number in range(10_000):
        sightings.put(Sighting("mdns", "192.0.2.66", (f"ipp://192.0.2.66:{number}/",), Identity()))
    sightings.put(Sighting("mdns", "192.0.2.7", (IPP,), Identity()))
    taken = [sighting.host for sighting in iter(sightings.take, None)]
    assert (len(taken), taken[1]) == (65, "192.0.2.7")


def test_a_stranger_at_a_printers_address_is_found_out_about(lan: Lan) -> None:
    """Whoever met it tells discovery, and both printers end where they are."""
    lan.place("192.0.2.7")
    lan.place("192.0.2.8", OTHER_UUID)
    lan.see()
    lan.see("192.0.2.8", OTHER_UUID)
    (one, _), (other, _) = lan.known()
    lan.hosts.clear()
    lan.place("192.0.2.7", OTHER_UUID)
    lan.sightings.put_stranger(lan.registry.find(one), Identity(uuid=OTHER_UUID))
    lan.run()
    assert lan.known() == [(one, "192.0.2.7"), (other, "192.0.2.7")]
    assert [lan.registry.find(it).online for it in (one, other)] == [False, True]


def test_two_printers_that_swap_addresses_stay_themselves(lan: Lan) -> None:
    """Each is found at the other's address, none is doubled, and while one is not yet found it is offline."""
    lan.place("192.0.2.7", UUID)
    lan.place("192.0.2.8", OTHER_UUID)
    lan.see("192.0.2.7", UUID)
    lan.see("192.0.2.8", OTHER_UUID)
    one, other = lan.registry.printers()
    lan.place("192.0.2.7", OTHER_UUID)
    lan.place("192.0.2.8", UUID)
    lan.see("192.0.2.8", UUID)
    assert not lan.registry.find(other.id).online
    lan.see("192.0.2.7", OTHER_UUID)
    assert [(printer.id, printer.host, printer.online) for printer in lan.registry.printers()] == [
        (one.id, "192.0.2.8", True),
        (other.id, "192.0.2.7", True),
    ]


def test_a_goodbye_has_the_printer_read_soon(lan: Lan) -> None:
    """It is not believed by itself."""
    lan.place("192.0.2.7")
    lan.see()
    lan.see(gone=True)
    (printer,) = lan.registry.printers()
    assert (printer.online, lan.polled) == (True, [printer.id])


def test_a_printer_that_comes_and_goes_by_mdns_is_not_made_and_deleted_in_a_loop(lan: Lan) -> None:
    """It answers all the while: one entry, found once, and not examined again."""
    lan.place("192.0.2.7")
    for _ in range(20):
        lan.see()
        lan.see(gone=True)
    assert (len(lan.known()), lan.bench.events(), lan.asked) == (1, ["printer-found"], ["192.0.2.7"])


def test_an_offline_printer_that_announces_itself_is_read_soon(lan: Lan) -> None:
    """Also where only its raw port answers yet, which doesn't make it online."""
    lan.place("192.0.2.7")
    lan.see()
    (printer,) = lan.registry.printers()
    lan.registry.update(printer.id, lambda known: replace(known, online=False))
    lan.hosts.clear()
    lan.raw.add("192.0.2.7")
    lan.see(uris=("socket://192.0.2.7:9100",), identity=Identity(uuid=UUID, make_and_model="HP LaserJet 9"))
    assert (lan.registry.find(printer.id).online, lan.polled) == (False, [printer.id])


@pytest.mark.parametrize("entry", ["192.0.2.7", "192.0.2.0/29", UUID.upper()])
def test_what_is_to_be_ignored_is_not_entered(bench: Bench, entry: str) -> None:
    """By address, by network and by UUID, also where the UUID is learnt from the host only."""
    lan = Lan(bench, ignore=(entry,))
    lan.place("192.0.2.7")
    lan.see(uuid=None)
    assert lan.registry.printers() == ()


def test_a_configured_printer_is_entered_though_it_is_off(bench: Bench) -> None:
    """Its jobs wait for it; when it answers it is the same, with what it tells."""
    lan = Lan(bench, printers=(PrinterConfig(uris=(IPP,), alias="office"),))
    lan.run()
    before = lan.registry.find("office")
    assert (before.online, before.print_driver) == (False, "ipp")
    lan.place("192.0.2.7")
    lan.seconds += 3600
    lan.run()
    after = lan.registry.find("office")
    assert (after.id, after.online, after.identity.uuid) == (before.id, True, UUID)


def test_a_configured_printer_that_answers_has_the_id_of_its_uuid(bench: Bench) -> None:
    """As if it had been found by itself."""
    lan = Lan(bench, printers=(PrinterConfig(uris=(IPP,), alias="office"),))
    found = lan.place("192.0.2.7")
    lan.run()
    other = Lan(Bench(bench.store.path.with_name("other.db"), bench.clock))
    other.hosts = lan.hosts
    other.see()
    assert lan.registry.find("office").id == other.registry.printers()[0].id
    assert found.identity.uuid == UUID
    other.bench.store.close()


def test_an_announced_raw_port_that_is_open_is_a_printer(lan: Lan) -> None:
    """It can be printed to, and tells nothing; without an announced model an open port is no printer."""
    lan.raw.add("192.0.2.7")
    lan.see(uris=("socket://192.0.2.7:9100",), identity=Identity(name="Nobody"))
    assert lan.registry.printers() == ()
    lan.see(uris=("socket://192.0.2.7:9100", "http://192.0.2.7:80/"), identity=Identity(make_and_model="Zebra"))
    (printer,) = lan.registry.printers()
    assert (printer.status_driver, printer.print_driver, printer.online) == (None, "raw", True)


def test_a_job_of_the_first_moment_finds_the_configured_printer(bench: Bench) -> None:
    """Before anything was looked at: the printer that is asked for is asked then, and one that is off is entered."""
    lan = Lan(bench, printers=(PrinterConfig(uris=(IPP,), alias="office"),))
    assert lan.discovery.find("office").online is False
    with pytest.raises(NotFoundError):
        lan.discovery.find("nobody")
