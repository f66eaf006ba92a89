from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.config_schema import PrinterConfig
from agent.errors import NotFoundError
from agent.model import Identity, Printer, PrinterState, PrinterStatus, Supply, printer_id
from agent.outbox import Note, Outbox
from agent.registry import Registry
from agent.store import Store
from tests.conftest import FakeClock

UUID = "0f0e0d0c-0b0a-4908-8706-050403020100"
OTHER_UUID = "1f0e0d0c-0b0a-4908-8706-050403020100"
TONER = Supply("Black Cartridge", "toner", colorant="black", unit="percent", level=50, max_capacity=100)


class Bench:
    """A registry on a disk, and what it told."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.clock = clock
        self.store = Store(path)
        self.store.open()
        self.outbox = Outbox(self.store, now=clock)
        self.outbox.open()
        self.registry = self.opened()

    def opened(self, *printers: PrinterConfig) -> Registry:
        """Open a registry on the same disk, as after a restart."""
        registry = Registry(store=self.store, outbox=self.outbox, now=self.clock, printers=printers)
        registry.open()
        return registry

    def found(self, host: str = "192.0.2.7", uuid: str | None = UUID, **changes: Any) -> Printer:
        """Give a printer as discovery finds it."""
        identity = changes.pop("identity", Identity(uuid=uuid, make_and_model="HP LaserJet 9", name="LaserJet"))
        printer = Printer(
            id="",
            identity=identity,
            host=host,
            uris=(f"ipp://{host}:631/ipp/print",),
            first_seen=self.clock(),
            status=PrinterStatus(PrinterState.IDLE, supplies=(TONER,)),
            sources=("mdns",),
            online=True,
            last_seen=self.clock(),
        )
        return replace(printer, **changes)

    def told(self) -> list[Note]:
        """Take what was told since the last time."""
        notes = self.outbox.take(1000)
        self.outbox.done(number for number, _ in notes)
        return [note for _, note in notes]

    def events(self) -> list[str]:
        """Take the types of the events that were told."""
        return [json.loads(note.payload)["type"] for note in self.told() if note.topic.startswith("bridge/event/")]


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Give a new registry."""
    it = Bench(tmp_path / "agent.db", clock)
    yield it
    it.store.close()


def test_a_new_printer_is_told_with_its_topic_its_availability_and_an_event(bench: Bench) -> None:
    """Everything that a dashboard needs is retained, and that it was found is an event."""
    printer = bench.registry.merge(bench.found())
    notes = {note.topic: note for note in bench.told()}
    assert set(notes) == {f"printers/{printer.id}", f"printers/{printer.id}/availability", "bridge/event/printer-found"}
    assert notes[f"printers/{printer.id}"].retain
    assert json.loads(notes[f"printers/{printer.id}"].payload) == printer.to_json()


def test_the_id_is_frozen_at_first_sight(bench: Bench) -> None:
    """A UUID that is learnt later doesn't change the id that topics are built on."""
    serial_only = bench.found(identity=Identity(serial="CN1234", make_and_model="HP LaserJet 9"))
    first = bench.registry.merge(serial_only)
    later = bench.registry.merge(bench.found(identity=replace(serial_only.identity, uuid=UUID)))
    assert later.id == first.id == printer_id(serial_only.identity, "")
    assert later.identity.uuid == UUID


def test_printers_survive_a_restart(bench: Bench) -> None:
    """With identity, supplies and everything else."""
    printer = bench.registry.merge(bench.found())
    assert bench.opened().printers() == (printer,)


def test_a_damaged_record_costs_one_printer(bench: Bench) -> None:
    """The others are there."""
    printer = bench.registry.merge(bench.found())
    with bench.store.transaction() as connection:
        connection.execute("INSERT INTO printers VALUES ('x', '{\"id\": 1}')")
    assert bench.opened().printers() == (printer,)


def test_several_sightings_of_one_printer_are_one(bench: Bench) -> None:
    """By UUID, by serial or, on a LAN, by address where nothing speaks against it."""
    bench.registry.merge(bench.found(identity=Identity(uuid=UUID, serial="CN1234")))
    bench.registry.merge(bench.found(identity=Identity(serial="CN1234")))
    bench.registry.merge(bench.found(identity=Identity(name="no idea"), sources=("snmp",)))
    (printer,) = bench.registry.printers()
    assert printer.sources == ("mdns", "snmp")


def test_printers_that_share_a_loopback_address_are_not_one(bench: Bench) -> None:
    """There, only a URI is a place."""
    for port in (1, 2):
        bench.registry.merge(bench.found("127.0.0.1", identity=Identity(), uris=(f"ipp://127.0.0.1:{port}/ipp/print",)))
    assert len(bench.registry.printers()) == 2


def test_printers_behind_a_print_server_are_not_one(bench: Bench) -> None:
    """They share its address, and each has a port of its own."""
    uris = [(f"socket://192.0.2.7:{port}",) for port in (9100, 9101)]
    registry = bench.opened(*(PrinterConfig(uris=it, alias=it[0][-4:]) for it in uris))
    for it in uris:
        registry.merge(bench.found(identity=Identity(), uris=it))
    assert [registry.find(alias).uris for alias in ("9100", "9101")] == uris


def test_one_uuid_with_two_serials_is_told_and_kept_as_two(bench: Bench) -> None:
    """Nothing is silently merged that may be two."""
    one = bench.registry.merge(bench.found(identity=Identity(uuid=UUID, serial="CN1234")))
    two = bench.registry.merge(bench.found("192.0.2.8", identity=Identity(uuid=UUID, serial="CN9999")))
    assert one.id != two.id
    assert "identity-conflict" in bench.events()


def test_of_two_printers_with_one_uuid_the_one_that_is_here_is_meant(bench: Bench) -> None:
    """What is seen of the second is not told of the first."""
    bench.registry.merge(bench.found())
    two = bench.registry.enter_apart(bench.found("192.0.2.8"))
    assert bench.registry.merge(bench.found("192.0.2.8")).id == two.id
    assert bench.registry.shares_its_uuid(two)


def test_one_name_does_not_make_two_printers_one(bench: Bench) -> None:
    """Nor does one model: what tells nothing more of itself is told by its address."""
    for host in ("192.0.2.7", "192.0.2.8"):
        bench.registry.merge(bench.found(host, identity=Identity(name="LaserJet", make_and_model="HP LaserJet 9")))
    assert len(bench.registry.printers()) == 2


def test_a_replaced_printer_keeps_its_alias(bench: Bench) -> None:
    """Jobs for the alias go to the printer that stands there now, and the old one's own jobs are held."""
    registry = bench.opened(PrinterConfig(host="192.0.2.7", alias="front-desk"))
    old = registry.merge(bench.found())
    new = registry.merge(bench.found(uuid=OTHER_UUID))
    assert registry.find("front-desk").id == new.id
    assert registry.find(old.id).status.state_reasons == ("identity-conflict",)


def test_a_new_mainboard_is_told_and_kept_as_two(bench: Bench) -> None:
    """The same serial with another UUID: the old one's jobs are held until a person forgets it."""
    old = bench.registry.merge(bench.found(identity=Identity(uuid=UUID, serial="CN1234")))
    new = bench.registry.merge(bench.found(identity=Identity(uuid=OTHER_UUID, serial="CN1234")))
    assert new.id != old.id
    assert not bench.registry.find(old.id).status.accepting_jobs
    assert "identity-conflict" in bench.events()


def test_a_new_network_card_keeps_the_printer(bench: Bench) -> None:
    """The UUID proves it; its new MAC is shown."""
    old = bench.registry.merge(bench.found(identity=Identity(uuid=UUID, mac="3c:2a:f4:aa:c0:a4")))
    new = bench.registry.merge(bench.found(identity=Identity(uuid=UUID, mac="10:5b:ad:4a:15:70")))
    assert (new.id, new.identity.mac) == (old.id, "10:5b:ad:4a:15:70")


def test_another_printer_at_the_same_address_takes_the_first_offline(bench: Bench) -> None:
    """No job may go to whoever has the address now."""
    one = bench.registry.merge(bench.found())
    bench.registry.merge(bench.found(uuid=OTHER_UUID))
    displaced = bench.registry.find(one.id)
    assert (displaced.online, displaced.status.accepting_jobs) == (False, False)
    assert displaced.status.state_reasons == ("identity-conflict",)
    assert displaced.status.supplies == (TONER,)


def test_a_printer_that_is_known_elsewhere_is_not_moved_by_a_sighting(bench: Bench) -> None:
    """It keeps its address until the move is proved."""
    one = bench.registry.merge(bench.found())
    assert bench.registry.merge(bench.found("192.0.2.8")) == one


def test_a_printer_that_has_moved_is_told_to_whoever_waits_for_it(bench: Bench) -> None:
    """Its jobs waited for the old address, which was not yet missed."""
    back: list[str] = []
    printer = bench.registry.merge(bench.found())
    bench.registry.on_online = back.append
    bench.registry.move(printer.id, bench.found("192.0.2.8"))
    assert back == [printer.id]


def test_one_side_may_know_a_printer_by_its_mac_and_the_other_by_its_serial(bench: Bench) -> None:
    """SNMP tells both, LEDM the serial, and the UUID of IPP ends in the MAC: one printer, at whatever address."""
    identities = (
        Identity(serial="CN1234", mac="3c:2a:f4:aa:c0:a4"),
        Identity(mac="3c:2a:f4:aa:c0:a4"),
        Identity(serial="CN1234"),
        Identity(uuid="e3248000-80ce-11db-8000-3c2af4aac0a4"),
    )
    first, *others = (bench.registry.merge(bench.found(identity=identity)).id for identity in identities)
    assert others == [first] * 3
    found = [bench.registry.recognise(identity, "192.0.2.99") for identity in identities]
    assert [printer and printer.id for printer in found] == [first] * 4


def test_forgetting_one_stuck_printer_touches_no_other(bench: Bench) -> None:
    """It is found anew, with its old id, and the other is told of by nothing."""
    one = bench.registry.merge(bench.found())
    other = bench.registry.merge(bench.found("192.0.2.8", uuid=OTHER_UUID))
    bench.registry.pause(other.id)
    bench.told()
    bench.registry.forget(one.id)
    assert bench.registry.merge(bench.found()).id == one.id
    assert {note.topic for note in bench.told() if other.id in note.topic} == set()
    assert bench.registry.find(other.id).paused


def test_a_move_keeps_the_printer_and_tells(bench: Bench) -> None:
    """Same id, new address, new endpoints, and an event."""
    one = bench.registry.merge(bench.found())
    bench.events()
    moved = bench.registry.move(one.id, bench.found("192.0.2.8"))
    assert (moved.id, moved.host, moved.uris) == (one.id, "192.0.2.8", ("ipp://192.0.2.8:631/ipp/print",))
    assert bench.events() == ["printer-moved"]


def test_being_seen_again_is_written_every_15_minutes_only(bench: Bench) -> None:
    """An SD card is not worn out by polls that bring nothing new."""
    printer = bench.registry.merge(bench.found())
    bench.told()
    for minutes, notes in ((5, 0), (5, 0), (5, 1), (5, 0)):
        bench.clock.advance(60 * minutes)
        bench.registry.update(printer.id, lambda known: replace(known, last_seen=bench.clock()))
        assert len(bench.told()) == notes


def test_the_length_of_its_queue_alone_is_neither_told_nor_written(bench: Bench) -> None:
    """It changes with every job, and is read anew soon after a start; it is known all the same."""
    printer = bench.registry.merge(bench.found())
    bench.told()
    told = bench.registry.update(
        printer.id, lambda known: replace(known, status=replace(known.status, queued_job_count=7))
    )
    assert (bench.told(), told.status.queued_job_count) == ([], 7)


def test_a_supply_that_runs_low_is_told_once(bench: Bench) -> None:
    """At 15 % and below nobody needs a message a page."""
    printer = bench.registry.merge(bench.found())
    bench.events()
    levels = [20, 14, 13, 90, 10]
    told = []
    for level in levels:
        status = PrinterStatus(supplies=(replace(TONER, level=level),))
        bench.registry.update(printer.id, lambda known, status=status: replace(known, status=status))  # type: ignore[misc]
        told.append(bench.events())
    assert told == [[], ["supply-low"], [], [], ["supply-low"]]


def test_a_full_waste_box_is_a_low_supply(bench: Bench) -> None:
    """A receptacle runs out of room."""
    waste = Supply("Waste", "waste-toner", "receptacle", level=5, max_capacity=100)
    bench.registry.merge(bench.found(status=PrinterStatus(supplies=(waste,))))
    assert "supply-low" in bench.events()


def test_an_open_raw_port_does_not_wipe_out_what_a_printer_told(bench: Bench) -> None:
    """A printer that wakes up opens it before it answers: its last values stay, and whether it is back is not said."""
    printer = bench.registry.merge(bench.found())
    bench.registry.update(printer.id, lambda known: replace(known, online=False))
    again = bench.registry.merge(bench.found(uris=("socket://192.0.2.7:9100",), status=PrinterStatus()))
    assert (again.status.supplies, again.online) == ((TONER,), False)
    assert "socket://192.0.2.7:9100" in again.uris


def test_a_lost_printer_is_told(bench: Bench) -> None:
    """Its availability turns, and an event says so."""
    printer = bench.registry.merge(bench.found())
    bench.told()
    bench.registry.update(printer.id, lambda known: replace(known, online=False))
    notes = {note.topic: note.payload for note in bench.told()}
    assert notes[f"printers/{printer.id}/availability"] == b"offline"
    assert "bridge/event/printer-lost" in notes


def test_a_forgotten_printer_leaves_no_retained_topic(bench: Bench) -> None:
    """Both topics are cleared with an empty retained message, and it stays forgotten after a restart."""
    printer = bench.registry.merge(bench.found())
    bench.told()
    bench.registry.forget(printer.id)
    cleared = [Note(f"printers/{printer.id}{suffix}", b"", retain=True) for suffix in ("", "/availability")]
    assert bench.told() == cleared
    assert bench.opened().printers() == ()


def test_an_alias_of_the_configuration_is_as_good_as_an_id(bench: Bench) -> None:
    """So are its name and its location what people see."""
    config = PrinterConfig(uuid=UUID.upper(), alias="front-desk", name="Front desk", location="Hall")
    registry = bench.opened(config)
    printer = registry.merge(bench.found())
    assert registry.find("front-desk") == printer
    assert (printer.identity.name, printer.identity.location) == ("Front desk", "Hall")


def test_a_configured_printer_is_there_before_it_is_reached(bench: Bench) -> None:
    """Jobs for its alias wait for it; nobody refuses them."""
    config = PrinterConfig(serial="CN1234", uris=("socket://192.0.2.9:9100",), alias="label")
    printer = bench.opened(config).find("label")
    assert (printer.online, printer.print_driver, printer.host) == (False, "raw", "192.0.2.9")


def test_configured_drivers_overrule_the_choice(bench: Bench) -> None:
    """The first of the list that the printer has is taken."""
    uris = ("ipp://192.0.2.7:631/ipp/print", "snmp://192.0.2.7", "socket://192.0.2.7:9100")
    registry = bench.opened(PrinterConfig(uuid=UUID, drivers=("snmp", "raw")))
    printer = registry.merge(bench.found(uris=uris))
    assert (printer.status_driver, printer.print_driver) == ("snmp", "raw")
    bench.registry.merge(bench.found("192.0.2.8", uuid=OTHER_UUID, uris=uris))
    assert bench.registry.printers()[-1].status_driver == "ipp"


def test_approval_and_pause_survive_a_restart(bench: Bench) -> None:
    """A person said so once."""
    printer = bench.registry.merge(bench.found())
    bench.registry.approve(printer.id)
    bench.registry.pause(printer.id)
    again = bench.opened().find(printer.id)
    assert (again.approved, again.paused) == (True, True)


def test_a_conflict_is_told_once_for_each_host_also_over_restarts(bench: Bench) -> None:
    """A claim that is made every five minutes is one event."""
    printer = bench.registry.merge(bench.found())
    bench.events()
    for host in ("192.0.2.8", "192.0.2.8", "192.0.2.9"):
        bench.opened().report_conflict(printer.id, host)
    assert bench.events() == ["identity-conflict", "identity-conflict"]


def test_an_unknown_printer_is_named_in_the_error(bench: Bench) -> None:
    """The person who mistyped it sees what was looked for."""
    with pytest.raises(NotFoundError, match="nowhere"):
        bench.registry.find("nowhere")


def test_a_printer_that_comes_back_is_told_to_whoever_waits_for_it(bench: Bench) -> None:
    """Its jobs need not wait for the end of a pause."""
    back: list[str] = []
    bench.registry.on_online = back.append
    printer = bench.registry.merge(bench.found())
    bench.registry.update(printer.id, lambda known: replace(known, online=False))
    bench.registry.update(printer.id, lambda known: replace(known, online=True))
    assert back[-1] == printer.id


def test_printers_are_recognised_while_others_are_entered(tmp_path: Path, clock: FakeClock) -> None:
    """Two threads look at what a sweep has found; who looks sees the printers of one moment."""
    bench = Bench(tmp_path / "agent.db", clock)
    uuids = [f"{number:08x}-0b0a-4908-8706-050403020100" for number in range(1, 101)]
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(1) as other_thread:
            entered = [
                other_thread.submit(bench.registry.merge, bench.found(f"{uuid[:8]}.test", uuid)) for uuid in uuids
            ]
            while bench.registry.recognise(Identity(uuid=uuids[-1]), "elsewhere.test") is None:
                assert not entered[-1].done() or bench.registry.recognise(Identity(uuid=uuids[-1]), "elsewhere.test")
    finally:
        sys.setswitchinterval(switching)
    assert len({future.result().id for future in entered}) == len(uuids)
    bench.store.close()


def test_a_change_with_printos_is_told_once_with_what_to_do(bench: Bench) -> None:
    """On the printer's topic and as an event; what stays as it is tells nothing more."""
    printer = bench.registry.merge(bench.found())
    bench.told()
    for _ in range(2):
        bench.registry.set_printos(printer.id, "revoked", "HTTP 401: wrong")
    shown, event = bench.told()
    assert (json.loads(shown.payload)["printos"], json.loads(shown.payload)["printos_message"]) == (
        "revoked",
        "HTTP 401: wrong",
    )
    told = json.loads(event.payload)
    assert (event.topic, told["state"], told["message"]) == ("bridge/event/printos-state", "revoked", "HTTP 401: wrong")
    assert f"--printer {printer.id} --replace" in told["advice"]
