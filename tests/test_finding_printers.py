"""Finding printers with all real parts: mDNS, SNMP, IPP, the registry on its disk, the poller."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from agent.discovery import Discovery
from agent.drivers.choose import Drivers
from agent.drivers.probe import Prober
from agent.drivers.snmp import SnmpClient
from agent.http import HttpClient
from agent.mdns import Browser
from agent.model import Printer, PrinterState
from agent.networks import own_addresses
from agent.sightings import Sightings
from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from agent.status import StatusPoller
from tests.cable import INSIDE
from tests.conftest import FakeClock
from tests.printerbox import PrinterBox, ippeveprinter
from tests.test_registry import Bench

LOOPBACK = "127.0.0.1"
SECONDS = 60.0
NAME = f"Printer {os.getpid()}"
"""Whoever else runs tests on this machine may be heard as well."""


class Site:
    """The agent's finding half, stepped by hand, at one interface."""

    def __init__(self, path: Path, clock: FakeClock, *, snmp_port: int = 161, interface: str = LOOPBACK) -> None:
        self.bench = Bench(path, clock)
        self.registry = self.bench.registry
        self.http = HttpClient(connect_timeout_seconds=2, read_timeout_seconds=5)
        self.snmp = SnmpClient(port=snmp_port, timeout_seconds=0.5)
        self.sightings = Sightings()
        self.browser = Browser(
            interfaces=lambda: tuple({interface} & set(own_addresses(loopback=True))),
            loopback=interface == LOOPBACK,
            on_sighting=self.sightings.put,
        )
        drivers = Drivers(snmp=self.snmp, http_for=lambda _: self.http, config_for=self.registry.config_for)
        prober = Prober(snmp=self.snmp, http_for=lambda _: self.http, now=clock)
        self.poller = StatusPoller(registry=self.registry, source_for=drivers.status_source, now=clock)
        self.discovery = Discovery(
            registry=self.registry,
            sightings=self.sightings,
            sweep=self.snmp.sweep,
            examine=prober.examine,
            subnets=(f"{LOOPBACK}/32",),
            attached_subnets=tuple[IPv4Network, ...],
            interval_seconds=3600,
            ignore=(),
            printers=(),
            poll_soon=self.poller.poll_soon,
            now=clock,
        )

    def start(self) -> None:
        """Begin to listen."""
        self.snmp.start()
        self.browser.start()

    def stop(self) -> None:
        """Close everything."""
        self.browser.stop()
        self.snmp.stop()
        self.http.close()
        self.bench.store.close()

    def run_until(self, fits: Callable[[tuple[Printer, ...]], bool]) -> None:
        """Step until the registry is as wanted."""
        deadline = time.monotonic() + SECONDS
        while not fits(self.registry.printers()):
            assert time.monotonic() < deadline, self.registry.printers()
            self.browser.step()
            time.sleep(min(self.discovery.step(), self.poller.step(), 0.05))

    def read_until(self, fits: Callable[[Printer], bool]) -> Printer:
        """Read the printer of the box, and step, until it is as wanted; gives it."""

        def look(_printers: tuple[Printer, ...]) -> bool:
            if (printer := self.boxed()) is None:
                return False
            self.poller.poll_soon(printer.id)
            return fits(printer)

        self.run_until(look)
        found = self.boxed()
        assert found is not None
        return found

    def boxed(self) -> Printer | None:
        """Give the printer of the box."""
        return next((it for it in self.registry.printers() if it.identity.name == NAME), None)

    def announces_box(self) -> bool:
        """Whether the printer of the box is announced now."""
        return any(name.startswith(NAME) for name in self.browser.announced)

    def printer(self, serial: str | None) -> Printer | None:
        """Give the printer of a serial; others on this machine may announce as well."""
        return next((it for it in self.registry.printers() if it.identity.serial == serial), None)


@pytest.fixture
def printers() -> Iterator[tuple[SimulatedPrinter, SimulatedPrinter]]:
    """Give one printer that announces itself and one that only SNMP finds."""
    announced = SimulatedPrinter(PrinterOptions(kind="ipp"))
    silent = SimulatedPrinter(PrinterOptions(kind="snmp"))
    announced.start()
    silent.start()
    yield announced, silent
    announced.stop()
    silent.stop()


@pytest.fixture
def site(tmp_path: Path, clock: FakeClock, printers: tuple[SimulatedPrinter, SimulatedPrinter]) -> Iterator[Site]:
    """Give a site whose sweep asks the port of the second printer."""
    it = Site(tmp_path / "agent.db", clock, snmp_port=int(printers[1].ready_line()["snmp"].rpartition(":")[2]))
    it.start()
    yield it
    it.stop()


def test_printers_are_found_by_mdns_and_by_snmp_and_read(
    site: Site, printers: tuple[SimulatedPrinter, SimulatedPrinter]
) -> None:
    """Each is one entry with its own drivers, and a jam shows at the next read."""
    serials = [printer.engine.identity.serial for printer in printers]
    site.run_until(lambda _: all(map(site.printer, serials)))
    announced, silent = (site.printer(serial) for serial in serials)
    assert announced is not None
    assert silent is not None
    assert (announced.status_driver, announced.print_driver) == ("ipp", "ipp")
    assert (silent.status_driver, silent.print_driver) == ("snmp", None)
    for printer, known in zip(printers, (announced, silent), strict=True):
        printer.engine.jam()
        site.poller.poll_soon(known.id)
    stopped = (PrinterState.STOPPED, PrinterState.STOPPED)
    site.run_until(lambda _: tuple(p and p.status.state for p in map(site.printer, serials)) == stopped)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[PrinterBox]:
    """Give a real printer program that Avahi announces on a cable of its own."""
    with ippeveprinter(tmp_path / "spool", name=NAME, announce_on=INSIDE) as it:
        yield it


@pytest.fixture
def floor(tmp_path: Path, clock: FakeClock, box: PrinterBox) -> Iterator[Site]:
    """Give the agent's half at the other end of the cable, that has found the printer."""
    it = Site(tmp_path / "agent.db", clock, interface=box.cable.gateway)
    it.start()
    it.read_until(lambda printer: printer.online)
    yield it
    it.stop()


def test_a_printer_of_avahi_says_goodbye_goes_and_is_found_again(floor: Site, box: PrinterBox) -> None:
    """One entry all the time, whose last values stay while it is off; the goodbye has it read at once."""
    before = floor.read_until(lambda printer: printer.online)
    box.say_goodbye()
    floor.run_until(lambda _: not floor.announces_box())
    box.stop()
    gone = floor.read_until(lambda printer: not printer.online)
    assert (gone.id, gone.status.supplies, gone.host) == (before.id, before.status.supplies, box.host)
    box.start()
    again = floor.read_until(lambda printer: printer.online)
    assert (again.id, again.identity.uuid) == (before.id, before.identity.uuid)


def test_a_power_cut_without_a_goodbye_loses_no_printer(floor: Site, box: PrinterBox) -> None:
    """The cable is gone with it, and has another number when it is back: it is listened on again."""
    before = floor.read_until(lambda printer: printer.online)
    box.stop()
    box.cable.pull()
    floor.read_until(lambda printer: not printer.online)
    box.cable.plug()
    box.start()
    floor.run_until(lambda _: floor.announces_box())
    assert floor.read_until(lambda printer: printer.online).id == before.id


def test_a_printer_of_avahi_that_gets_another_address_is_the_same(floor: Site, box: PrinterBox) -> None:
    """Avahi announces the new address, the printer proves itself there, and the old one is silent."""
    before = floor.read_until(lambda printer: printer.online)
    box.cable.readdress()
    moved = floor.read_until(lambda printer: printer.host == box.host and printer.online)
    assert (moved.id, moved.uris[0]) == (before.id, box.uri)
