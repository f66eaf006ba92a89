"""`jobs export`: who printed what, for whoever bills for it."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from typing import Any

from agent.cli import state
from agent.cli.arguments import moment
from agent.cli.output import defused, show_json
from agent.config import load_config
from agent.config_schema import Config

COLUMNS = (
    "entry", "id", "printer", "user", "claimed_user", "name", "state", "state_reasons", "impressions_completed",
    "copies", "attempts", "document_format", "size", "received_at", "ended_at",
)  # fmt: skip


def add_export(actions: Any) -> None:
    """Add `jobs export`."""
    export = actions.add_parser("export", help="the account of ended jobs, as CSV: who printed what, where and when")
    export.add_argument("--since", type=moment, metavar="TIME", help="ended then or later: 2026-01-31, or with a time")
    export.add_argument("--until", type=moment, metavar="TIME", help="ended before")
    export.add_argument("--user", metavar="NAME", help="charged to this user", default=argparse.SUPPRESS)
    export.add_argument("--printer", metavar="ID", help="printed there", default=argparse.SUPPRESS)
    export.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    export.set_defaults(run=export_account)


def export_account(options: argparse.Namespace) -> int:
    """Write the account as CSV, or as one JSON array, the oldest job first."""
    pages = _pages(load_config(options.config), options)
    if options.json:
        show_json([entry for page in pages for entry in page])
        return 0
    writer = csv.writer(sys.stdout)
    for number, page in enumerate(pages):
        if number == 0:
            writer.writerow(COLUMNS)
        writer.writerows([_csv_cell(entry[column]) for column in COLUMNS] for entry in page)
    return 0


def _pages(config: Config, options: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Give the entries as they are read, in pages, however many there are; the last one is empty."""
    selection = {
        "since": options.since.isoformat() if options.since else None,
        "until": options.until.isoformat() if options.until else None,
        "user": options.user,
        "printer": options.printer,
    }
    page: list[dict[str, Any]] = state.read(config, "account", selection)
    yield page
    while page:
        page = state.read(config, "account", {**selection, "after": page[-1]["entry"]})
        yield page


def _csv_cell(value: Any) -> Any:
    return defused(" ".join(value) if isinstance(value, list) else value)
