"""`inventory`: what fleet tools hold of the printers, and their counters over time."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from agent.cli import state
from agent.cli.arguments import moment
from agent.cli.output import age, defused, show_json, show_json_list, table
from agent.config import load_config
from agent.config_schema import Config
from agent.errors import InputError
from agent.inventory_row import COLUMNS, flat

HOUR_LETTERS = len("2026-01-31T15")
COUNTER_COLUMNS = (
    "printer", "at", "impressions_completed", "media_sheets_completed", "pages", "reset", "pages_counted", "left",
    "color_impressions", "monochrome_impressions", "duplex_sheets",
)  # fmt: skip


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this module."""
    inventory = commands.add_parser("inventory", help="what fleet tools hold of the printers, and their use over time")
    shape = inventory.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true")
    shape.add_argument("--csv", action="store_true", help="a row a printer, for spreadsheets and fleet tools")
    inventory.add_argument("--counters", action="store_true", help="their counters and supply levels over time")
    inventory.add_argument("--since", type=moment, metavar="TIME", help="counters of then or later: 2026-01-31")
    inventory.add_argument("--printer", metavar="ID", help="only this printer: an id or an alias")
    inventory.set_defaults(run=show)


def show(options: argparse.Namespace) -> int:
    """Show the inventory, or the history of the counters."""
    config = load_config(options.config)
    if options.since and not options.counters:
        raise InputError("--since goes with --counters: the inventory itself is of now")
    if options.counters:
        _show_counters(config, options)
    else:
        _show_inventory(config, options)
    return 0


def _show_inventory(config: Config, options: argparse.Namespace) -> None:
    rows = state.read(config, "inventory")
    if options.printer:
        wanted = state.read(config, "printers.show", {"id": options.printer})["id"]
        rows = [row for row in rows if row["id"] == wanted]
    if options.json:
        show_json(rows)
    elif options.csv:
        _write_csv(COLUMNS, map(flat, rows))
    elif rows:
        print(_inventory_table(rows))
    else:
        print("No printer has been found yet. `printos-agent discover` looks now.")


def _show_counters(config: Config, options: argparse.Namespace) -> None:
    pages = with_pages(_pages(config, options))
    if options.json:
        show_json_list(row for page in pages for row in page)
    elif options.csv:
        _write_csv(COUNTER_COLUMNS, ({**row, "left": _levels(row["left"])} for page in pages for row in page))
    else:
        rows = [
            [
                row["printer"],
                row["at"][:HOUR_LETTERS],
                row["impressions_completed"],
                row["media_sheets_completed"],
                *_told(row),
            ]
            for page in pages
            for row in page
        ]
        print(
            table(["id", "hour (UTC)", "impressions", "sheets", "pages", "left"], rows)
            if rows
            else "Nothing counted yet."
        )


def with_pages(pages: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    """Add to each sample the pages since the printer's sample before, and whether its counters were set back since.

    Of the first sample of a printer neither is known.
    """
    before: dict[str, Mapping[str, Any]] = {}
    for page in pages:
        rows = []
        for row in page:
            last = before.get(row["printer"])
            since = last and row["pages_counted"] - last["pages_counted"]
            reset = last and row["resets"] > last["resets"]
            shown = {name: row[name] for name in row if name not in ("hour", "resets")}
            rows.append({**shown, "pages": since, "reset": reset})
            before[row["printer"]] = row
        yield rows


def _pages(config: Config, options: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Give the samples as they are read, in pages, however many there are; the last one is empty."""
    asked = {"since": options.since.isoformat() if options.since else None, "printer": options.printer}
    page: list[dict[str, Any]] = state.read(config, "counters", asked)
    while page:
        yield page
        page = state.read(config, "counters", {**asked, "after": [page[-1]["hour"], page[-1]["printer"]]})


def _write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a file, or what stands for one
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows([defused(row[column]) for column in columns] for row in rows)


def _inventory_table(rows: Sequence[Mapping[str, Any]]) -> str:
    cells = [
        [
            row["alias"] or row["id"],
            " ".join(filter(None, (row["make"], row["model"]))) or row["name"],
            row["serial"],
            row["host"],
            row["firmware"],
            row["location"],
            row["impressions_completed"] if row["media_sheets_completed"] is None else row["media_sheets_completed"],
            row["pages_per_day"],
            _first_to_end(row["supplies"]),
            age(row["last_seen"]),
        ]
        for row in rows
    ]
    headings = ["id", "printer", "serial", "host", "firmware", "location", "pages", "a day", "next to end", "seen"]
    return table(headings, cells)


def _first_to_end(supplies: Sequence[Mapping[str, Any]]) -> str:
    """Name the supply that ends first, as far as that is known."""
    lasting = [supply for supply in supplies if supply["days_left"] is not None]
    first = min(lasting, key=lambda supply: supply["days_left"], default=None)
    return "" if first is None else f"{first['colorant'] or first['supply_type']} in {first['days_left']} d"


def _told(row: Mapping[str, Any]) -> list[Any]:
    pages = "counters were set back" if row["reset"] else row["pages"]
    return [pages, _levels(row["left"])]


def _levels(left: Mapping[str, int | None]) -> str:
    return "; ".join(f"{name} {'?' if level is None else level}" for name, level in left.items())
