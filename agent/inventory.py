"""The inventory: the printers' counters are sampled, and each printer's row is told once a day and given when asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.accounts import read_printed
from agent.counters import Counters, read_counters, read_usage
from agent.errors import InputError, NotFoundError
from agent.inventory_row import UNUSED, Printed, inventory_row
from agent.model import Clock, Command, Printer, Progress
from agent.outbox import Note, Outbox
from agent.store import Store
from agent.usage import HOUR_SECONDS

PAUSE_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 5.0
"""Until there is a first sample: whoever has just installed it looks at once."""

LARGEST_HOUR = 1 << 32


class Inventory:
    """The service that keeps the inventory.

    Args:
        store: where counters and account are.
        outbox: takes each printer's row, `inventory/<id>`, retained.
        counters: the history.
        printers: gives the printers as they are now.
        device_ids: gives the device in PrintOS of each printer that has one.
        now: the present.
    """

    def __init__(
        self,
        *,
        store: Store,
        outbox: Outbox,
        counters: Counters,
        printers: Callable[[], Sequence[Printer]],
        device_ids: Callable[[], Mapping[str, str]],
        now: Clock,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._counters = counters
        self._printers = printers
        self._device_ids = device_ids
        self._now = now

    def step(self) -> float:
        """Sample what has changed, and tell the rows of the printers that were sampled for the first time today."""
        with self._store.lazy_transaction():
            sampled = self._counters.note(self._printers())
        if sampled:
            self._tell(set(sampled))
        self._counters.tidy()
        return PAUSE_SECONDS if self._counters.has_samples() else FIRST_PAUSE_SECONDS

    def restate(self) -> None:
        """Tell every row again, to a broker that has forgotten them."""
        self._tell({printer.id for printer in self._printers()})

    def forget(self, printer_id: str) -> None:
        """Drop the history of a printer and clear its topic, in the running transaction if there is one."""
        self._counters.forget(printer_id)
        self._outbox.put(Note(_topic(printer_id), b"", retain=True))

    def rows(self) -> list[dict[str, Any]]:
        """Give the row of every printer, first seen first."""
        return read_inventory(self._store, self._printers(), self._device_ids(), self._now())

    def commands(self) -> dict[str, Command]:
        """Give what the command line can ask, by name."""
        return {"inventory": self._list_rows, "counters": self._list_counters}

    def _tell(self, printer_ids: set[str]) -> None:
        rows = [row for row in self.rows() if row["id"] in printer_ids]
        with self._store.lazy_transaction():
            known = {printer.id for printer in self._printers()}
            for row in rows:
                if row["id"] in known:
                    payload = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
                    self._outbox.put(Note(_topic(row["id"]), payload, retain=True))

    def _list_rows(self, _arguments: Mapping[str, Any], _document: Path | None, _progress: Progress) -> Any:
        return self.rows()

    def _list_counters(self, arguments: Mapping[str, Any], _document: Path | None, _progress: Progress) -> Any:
        return list_counters(self._store, self._printers(), arguments)


def read_inventory(
    store: Store, printers: Iterable[Printer], device_ids: Mapping[str, str], now: datetime
) -> list[dict[str, Any]]:
    """Give the rows of printers, with what a store, also one that is open for reading only, knows of them."""
    used, printed = read_usage(store, now), read_printed(store)
    return [
        inventory_row(
            printer,
            used.get(printer.id, UNUSED),
            Printed(*printed.get(printer.id, (0, 0))),
            device_ids.get(printer.id),
        )
        for printer in printers
    ]


def list_counters(store: Store, printers: Iterable[Printer], arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give a page of the history that the command line asks for.

    Args:
        store: where it is.
        printers: those that there are.
        arguments: `since`, a time; `printer`, an id or alias; `after`, hour and id of the last row of the page before.

    Raises:
        InputError: it is no such time or row.
        NotFoundError: there is no such printer.
    """
    wanted = arguments.get("printer")
    printer_id = next((it.id for it in printers if wanted in (it.id, it.alias)), None) if wanted else None
    if wanted and printer_id is None:
        raise NotFoundError(f"no printer {wanted!r}")
    return read_counters(store, after=_parse_begin(arguments), printer_id=printer_id)


def _parse_begin(arguments: Mapping[str, Any]) -> tuple[int, str]:
    try:
        if arguments.get("after"):
            hour, printer_id = arguments["after"]
            begin = int(hour), str(printer_id)
        else:
            since = arguments.get("since")
            begin = int(datetime.fromisoformat(since).timestamp() // HOUR_SECONDS) if since else 0, ""
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"no part of the history: {error}") from error
    if abs(begin[0]) > LARGEST_HOUR:
        raise InputError("no part of the history: there is no such hour")
    return begin


def _topic(printer_id: str) -> str:
    return f"inventory/{printer_id}"
