"""A whole site for tests: the agent's real parts, stepped by hand, and pretended printers that change their addresses.

Each printer has a loopback address of its own, as printers on a LAN have; what mDNS would tell is told by the test.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.config import parse_config
from agent.drivers.identity_check import FRESH_SECONDS
from agent.job import Job, Ticket
from agent.model import Identity, Printer, Sighting
from agent.parts import Parts
from agent.simulator.personality import Kind
from agent.simulator.printer import PrinterOptions, SimulatedPrinter

PATIENCE_SECONDS = 60.0
CONFIG = """
[agent]
id = "site"
state_dir = "{state}"
[discovery]
mdns = false
snmp = false
subnets = ["127.0.0.0/8"]
[mqtt]
host = "127.0.0.1"
"""


class Site:
    """An agent without its threads, and its printers by serial."""

    def __init__(self, folder: Path, printers: dict[str, SimulatedPrinter], keep: Path) -> None:
        path = folder / "agent.toml"
        config = parse_config(CONFIG.format(state=folder / "state"), path)
        config.agent.state_dir.mkdir()
        self.parts = Parts(config)
        self.printers = printers
        self._keep = keep
        for part in (self.parts.store, self.parts.outbox, self.parts.registry, self.parts.incoming.hot_folders):
            part.open()
        self.parts.spool.open()
        self.parts.dispatcher.open()
        self.parts.lan.snmp.start()

    def close(self) -> None:
        """Switch everything off."""
        self.power_off(*self.printers)
        self.parts.lan.snmp.stop()
        self.parts.lan.drivers.close()
        self.parts.lan.clients.close()
        self.parts.store.close()

    def power_off(self, *serials: str) -> None:
        """Pull the plugs."""
        for serial in serials:
            self.printers[serial].stop()

    def renumber(self, hosts: dict[str, str]) -> None:
        """Give printers other addresses, all at once, and switch them on; no DHCP does it in half a second."""
        self.power_off(*hosts)
        time.sleep(FRESH_SECONDS)
        for serial, host in hosts.items():
            self.printers[serial].readdress(host)
        for serial in hosts:
            self.printers[serial].start()

    def announce(self, *serials: str) -> None:
        """Have discovery hear what mDNS would tell of printers, and do all that is due."""
        for serial in serials:
            ready = self.printers[serial].ready_line()
            uris = tuple(ready[name] for name in ("ipp_uri", "http_url", "raw_uri") if name in ready)
            uris += (f"snmp://{ready['snmp']}",) if "snmp" in ready else ()
            host = uris[0].split("/")[2].rpartition(":")[0]
            self.parts.lan.sightings.put(Sighting("mdns", host, uris, Identity(uuid=ready["uuid"])))
        self.discover()

    def discover(self) -> None:
        """Do all that discovery has to do."""
        while self.parts.lan.discovery.step() == 0.0:
            pass

    def poll(self, times: int = 1) -> None:
        """Read the status of every printer."""
        for _ in range(times):
            for printer in self.parts.registry.printers():
                self.parts.lan.status.poll_soon(printer.id)
            while self.parts.lan.status.step() == 0.0:
                pass

    def dispatch(self) -> None:
        """Send and follow what can be now."""
        while self.parts.dispatcher.step() == 0.0:
            pass

    def dispatch_until(self, fits: Callable[[], bool]) -> None:
        """Send and follow until it is as wanted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not fits():
            assert time.monotonic() < deadline, self.parts.spool.jobs()
            time.sleep(min(self.parts.dispatcher.step(), 0.02))

    def printer(self, serial: str) -> Printer:
        """Give the one printer that is known by a serial or, of IPP, by the UUID that goes with it."""
        uuid = self.printers[serial].engine.identity.uuid
        (found,) = (
            it for it in self.parts.registry.printers() if serial == it.identity.serial or uuid == it.identity.uuid
        )
        return found

    def print_on(self, serials: Iterable[str], name: str) -> list[str]:
        """Accept a job for each printer, named for it; gives the jobs' ids."""
        return [
            self.parts.spool.accept(
                Ticket(printer=self.printer(serial).id, name=f"{name} {serial}"),
                b"%PDF-1.4 for " + serial.encode(),
                printer_id=self.printer(serial).id,
                document_format="application/pdf",
                digest_parts=f"{name} {serial}".encode(),
            ).job.id
            for serial in serials
        ]

    def jobs(self) -> dict[str, Job]:
        """Give all jobs by id."""
        return {job.id: job for job in self.parts.spool.jobs()}

    def received(self) -> dict[str, list[bytes]]:
        """Give the documents that have come to printers, by serial."""
        return {
            serial: _documents(self._keep / serial) for serial in self.printers if any((self._keep / serial).iterdir())
        }


@contextmanager
def site(
    folder: Path, hosts: dict[str, str], *, kind: Kind = "ipp", port: int, seconds_per_page: float = 0.0
) -> Iterator[Site]:
    """Give a site whose printers, by serial, stand at these addresses and are known."""
    printers = {}
    for serial, host in hosts.items():
        (keep := folder / "kept" / serial).mkdir(parents=True)
        options = PrinterOptions(
            kind, host, port, keep=keep, mdns=False, serial=serial, seconds_per_page=seconds_per_page
        )
        printers[serial] = SimulatedPrinter(options)
    it = Site(folder, printers, folder / "kept")
    try:
        for printer in printers.values():
            printer.start()
        it.announce(*hosts)
        yield it
    finally:
        it.close()


def _documents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]
