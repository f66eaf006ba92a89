"""What fleet tools hold of a printer, in one row: who, where and how it is, what it has and what it has used. Pure.

As JSON a row is nested; as CSV it is flat, with the columns of `COLUMNS` in this order: new ones only come at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.drivers.printer_makes import make_by_family, make_by_name, without_make
from agent.endpoints import driver_of
from agent.model import Printer, timestamp
from agent.usage import Usage, named

COLORANTS = ("black", "cyan", "magenta", "yellow")
COLUMNS = (
    "id", "alias", "name", "make", "model", "serial", "mac", "uuid", "host", "location", "firmware", "first_seen",
    "last_seen", "online", "state", "state_reasons", "protocols", "status_driver", "print_driver", "document_formats",
    "impressions_completed", "media_sheets_completed", "counted_since", "pages_counted", "pages_30_days",
    "pages_per_day", "counter_resets", "black_percent", "cyan_percent", "magenta_percent", "yellow_percent",
    "black_days_left", "cyan_days_left", "magenta_days_left", "yellow_days_left", "supplies", "trays", "approved",
    "printos", "printos_device_id", "jobs_completed", "jobs_impressions", "color_impressions", "monochrome_impressions",
    "duplex_sheets", "state_message", "accepting_jobs", "paused", "queued_jobs", "can_color", "can_duplex", "media",
    "finishings", "command_set", "uris",
)  # fmt: skip
UNUSED = Usage()


@dataclass(frozen=True, slots=True)
class Printed:
    """What the account knows that a printer has printed for us."""

    jobs: int = 0
    impressions: int = 0


def inventory_row(printer: Printer, usage: Usage, printed: Printed, device_id: str | None) -> dict[str, Any]:
    """Give the row of a printer as JSON can say it; what is not known is null.

    Args:
        printer: as the registry has it.
        usage: what its counters come to.
        printed: what it printed for us.
        device_id: its device in PrintOS, where that can be told.
    """
    told = printer.to_json()
    make, model = make_and_model(printer.identity.make_and_model)
    known = ("name", "serial", "mac", "uuid", "host", "location", "firmware", "last_seen", "online", "state")
    return {
        "id": printer.id,
        "alias": printer.alias,
        "make": make,
        "model": model,
        **{name: told[name] for name in known},
        "state_reasons": told["state_reasons"],
        "first_seen": timestamp(printer.first_seen),
        "protocols": sorted({driver for uri in printer.uris if (driver := driver_of(uri)) is not None}),
        "status_driver": printer.status_driver,
        "print_driver": printer.print_driver,
        "document_formats": told["document_formats"],
        "impressions_completed": told["impressions_completed"],
        "media_sheets_completed": told["media_sheets_completed"],
        "color_impressions": printer.status.color_impressions,
        "monochrome_impressions": printer.status.monochrome_impressions,
        "duplex_sheets": printer.status.duplex_sheets,
        "counted_since": timestamp(usage.since),
        "pages_counted": usage.pages,
        "pages_30_days": usage.pages_30_days,
        "pages_per_day": usage.pages_per_day,
        "counter_resets": usage.resets,
        "supplies": [
            {**supply.to_json(), "days_left": usage.days_left.get(name)}
            for name, supply in named(printer.status.supplies)
        ],
        "trays": told["trays"],
        **_abilities(printer),
        "approved": printer.approved,
        "printos": printer.printos,
        "printos_device_id": device_id,
        "jobs_completed": printed.jobs,
        "jobs_impressions": printed.impressions,
    }


def _abilities(printer: Printer) -> dict[str, Any]:
    """Tell what a printer can do, what it says, and whether it does it now."""
    options = printer.capabilities.options
    return {
        "can_color": _can(options.get("print-color-mode"), "color"),
        "can_duplex": _can(options.get("sides"), "two-sided-long-edge", "two-sided-short-edge"),
        "media": list(options.get("media", ())),
        "finishings": [word for word in options.get("finishings", ()) if word != "none"],
        "command_set": list(printer.capabilities.command_set),
        "uris": [uri.partition("?")[0] for uri in printer.uris],
        "state_message": printer.status.state_message,
        "accepting_jobs": printer.status.accepting_jobs,
        "paused": printer.paused,
        "queued_jobs": printer.status.queued_job_count,
    }


def _can(said: Sequence[str] | None, *words: str) -> bool | None:
    """Whether one of these is among what a printer said that it can; None where it did not say."""
    return None if said is None else not frozenset(words).isdisjoint(said)


def make_and_model(text: str | None) -> tuple[str | None, str | None]:
    """Part a make and model: `HP Color LaserJet` is `HP` and `Color LaserJet`; a make that nobody knows is None."""
    make = make_by_name(text) or make_by_family(text)
    if make is None or text is None:
        return None, text
    return make.name, without_make(text, make) or text


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row with one text, number or None a column; lists are joined by `; `."""
    cells = {name: _cell(row.get(name)) for name in COLUMNS}
    for colorant in COLORANTS:
        supply = _supply_of(row["supplies"], colorant)
        cells[f"{colorant}_percent"] = supply.get("percent")
        cells[f"{colorant}_days_left"] = supply.get("days_left")
    cells["supplies"] = _cell([f"{it['description']} {_percent(it)}" for it in row["supplies"]])
    cells["trays"] = _cell([f"{it['name']} {it['media'] or '?'} {_percent(it)}" for it in row["trays"]])
    return cells


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _supply_of(supplies: Sequence[Mapping[str, Any]], colorant: str) -> Mapping[str, Any]:
    """Give the supply of a colour that runs out first, of several."""
    of_colorant = [it for it in supplies if it["colorant"] == colorant and it["supply_class"] == "consumed"]
    return min(of_colorant, key=lambda it: 101 if it["percent"] is None else it["percent"], default={})


def _percent(part: Mapping[str, Any]) -> str:
    return "unknown" if part["percent"] is None else f"{part['percent']:.0f} %"
