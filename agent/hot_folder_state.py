"""How hot folders are, as `status` and `printers show` tell it, by a running agent or from its disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.config_schema import PrinterConfig
from agent.configured import is_configured_by
from agent.hot_folder_journal import read_in_process, read_last
from agent.model import Printer
from agent.store import Store


def configured_folders(printers: Sequence[PrinterConfig]) -> Iterator[tuple[PrinterConfig, Path, str]]:
    """Give the hot folders of the configuration, each with what its printer is called."""
    for number, printer in enumerate(printers, 1):
        if printer.hot_folder is not None:
            yield printer, printer.hot_folder, printer.alias or printer.name or f"[[printer]] {number}"


def state_of(
    store: Store, folder: Path, *, name: str, printer: Printer | None, problem: str | None, waiting: int | None
) -> dict[str, Any]:
    """Give the state of a hot folder; `waiting` are the files in it, None where nobody has looked."""
    return {
        "printer": None if printer is None else printer.id,
        "name": name,
        "folder": str(folder),
        "problem": problem,
        "waiting": waiting,
        "in_process": read_in_process(store, folder),
        "last": read_last(store, folder),
    }


def states_at_rest(store: Store, configs: Sequence[PrinterConfig], printers: Sequence[Printer]) -> list[dict[str, Any]]:
    """Give the states of all, from a store that is open for reading only."""
    return [
        state_of(
            store,
            folder,
            name=name,
            printer=next((printer for printer in printers if is_configured_by(printer, config)), None),
            problem="no agent is running",
            waiting=None,
        )
        for config, folder, name in configured_folders(configs)
    ]


def hot_folder_of(printer_id: str, states: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Give the state of a printer's hot folder; None where it has none."""
    return next((state for state in states if state["printer"] == printer_id), None)
