"""What the tests of the inventory share: an inventory on a disk, a clock moved by hand, and printers that count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.accounts import Accounts
from agent.counters import Counters, read_counters
from agent.inventory import Inventory
from agent.model import Identity, Printer, PrinterState, PrinterStatus, Supply
from agent.outbox import Outbox
from agent.registry import Registry
from agent.store import Store
from tests.conftest import FakeClock

HOUR = 3600
DAY = 24 * HOUR
FROM_THE_BEGINNING = (0, "")


def toner(left: int | None, colorant: str = "black") -> Supply:
    """Give a cartridge with so much in it."""
    return Supply("Cartridge HP CF410X", "toner", colorant=colorant, unit="percent", level=left, max_capacity=100)


class Bench:
    """An inventory whose clock and printers do what a test says; `restart` opens it again on the same disk."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.clock = clock
        self.store = Store(path)
        self.device_ids: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        """End, and begin with what is on the disk."""
        self.store.close()
        self.store.open()
        self.outbox = Outbox(self.store, now=self.clock)
        self.outbox.open()
        Accounts(store=self.store, now=self.clock).open()
        self.registry = Registry(store=self.store, outbox=self.outbox, now=self.clock)
        self.registry.open()
        self.counters = Counters(store=self.store, now=self.clock, monotonic=self._monotonic())
        self.counters.open()
        self.inventory = Inventory(
            store=self.store,
            outbox=self.outbox,
            counters=self.counters,
            printers=self.registry.printers,
            device_ids=lambda: self.device_ids,
            now=self.clock,
        )
        self.registry.on_forget = self.inventory.forget

    def enter(self, serial: str = "S1", pages: int | None = 1000, *, left: int | None = 80, **changes: Any) -> Printer:
        """Let a printer be found."""
        printer = Printer(
            id="",
            identity=Identity(serial=serial, make_and_model="HP Color LaserJet M452nw", name="Desk"),
            host=f"192.0.2.{len(self.registry.printers()) + 1}",
            uris=("ipp://192.0.2.7:631/ipp/print", "snmp://192.0.2.7"),
            first_seen=self.clock(),
            status=PrinterStatus(PrinterState.IDLE, supplies=(toner(left),), impressions_completed=pages),
            online=True,
            last_seen=self.clock(),
        )
        return self.registry.merge(replace(printer, **changes))

    def count(self, printer: Printer, pages: int | None, *, left: int | None = 80, **changes: Any) -> None:
        """Let a printer tell its counter and its toner, and the inventory do what is due."""
        status = replace(printer.status, impressions_completed=pages, supplies=(toner(left),), **changes)
        self.registry.update(printer.id, lambda known: replace(known, status=status, last_seen=self.clock()))
        self.inventory.step()

    def samples(self, *names: str) -> list[Any]:
        """Give these facts of all samples, the oldest first."""
        rows = read_counters(self.store, after=FROM_THE_BEGINNING)
        return [row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows]

    def row(self) -> Mapping[str, Any]:
        """Give the row of the only printer."""
        (row,) = self.inventory.rows()
        return row

    def told(self) -> list[Any]:
        """Take what was told on topics of the inventory since the last time; None where one was cleared."""
        notes = self.outbox.take(1000)
        self.outbox.done(number for number, _ in notes)
        told = [note for _, note in notes if note.topic.startswith("inventory/")]
        assert all(note.retain for note in told)
        return [json.loads(note.payload) if note.payload else None for note in told]

    def _monotonic(self) -> Any:
        """Give a clock of a process that begins now, which no jump of the wall clock moves."""
        self.seconds = 0.0
        return lambda: self.seconds

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.seconds += seconds
