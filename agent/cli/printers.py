"""`printers`: the registry."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from agent.cli import client, state
from agent.cli.hot_folder_lines import hot_folder_line
from agent.cli.output import age, facts, show_json, table
from agent.config import load_config
from agent.device_states import STATES, advice

CHANGES = {
    "approve": ("let `activate` create its PrintOS device", "approved: `printos-agent activate` creates its device"),
    "forget": ("drop it and its retained topics", "forgotten"),
    "pause": ("send it no jobs until `resume`", "paused: it gets no jobs until `resume`"),
    "resume": ("send it jobs again", "resumed: it gets jobs again"),
    "identify": ("have it blink or beep", "told to show where it stands"),
}
"""What can be done to a printer: what that is, and what is said when it is done."""

TABLES = ("supplies", "trays")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    printers = commands.add_parser("printers", help="the printers that the agent knows")
    printers.add_argument("--json", action="store_true")
    printers.set_defaults(run=show_printers)
    actions = printers.add_subparsers(metavar="ACTION")
    show = actions.add_parser("show", help="everything known of one")
    show.set_defaults(run=show_printer)
    for name, (about, _done) in CHANGES.items():
        change = actions.add_parser(name, help=about)
        change.set_defaults(run=change_printer, action=name)
    for action in actions.choices.values():
        action.add_argument("id", metavar="ID", help="an id or an alias")
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def show_printers(options: argparse.Namespace) -> int:
    """List the registry."""
    printers = state.read(load_config(options.config), "printers")
    if options.json:
        show_json(printers)
    elif printers:
        print(printer_table(printers))
    else:
        print("No printer has been found yet. `printos-agent discover` looks now.")
    return 0


def show_printer(options: argparse.Namespace) -> int:
    """Show one printer."""
    printer = state.read(load_config(options.config), "printers.show", {"id": options.id})
    if options.json:
        show_json(printer)
    else:
        print(printer_page(printer))
    return 0


def change_printer(options: argparse.Namespace) -> int:
    """Have the running agent change something about one printer."""
    printer = client.ask(load_config(options.config), f"printers.{options.action}", {"id": options.id})
    if options.json:
        show_json(printer)
    else:
        print(f"{printer['alias'] or printer['name'] or printer['id']}: {_done(options.action, printer)}")
    return 0


def _done(action: str, printer: Mapping[str, Any]) -> str:
    """Say what was done, and what is left to do for a person."""
    _about, done = CHANGES[action]
    if action == "approve" and printer["printos"] != "pending":
        told = STATES.get(printer["printos"])
        return f"approved: it {told.meaning if told else printer['printos']}{_todo(printer)}"
    if action == "forget" and printer["printos_device"]:
        return f"{done}; its device {printer['printos_device']} stays in PrintOS: delete it there, if it is not wanted"
    return done


def _todo(printer: Mapping[str, Any]) -> str:
    todo = advice(printer["printos"], printer["alias"] or printer["id"])
    return f": {todo}" if todo else ""


def printer_table(printers: list[Mapping[str, Any]]) -> str:
    """Lay out printers, one a line."""
    rows = [
        [
            printer["alias"] or printer["id"],
            printer["make_and_model"] or printer["name"],
            printer["host"],
            state_of(printer),
            printer["state_reasons"],
            _supplies(printer["supplies"]),
            f"{printer['status_driver'] or '-'}/{printer['print_driver'] or '-'}",
            printer["printos"],
        ]
        for printer in printers
    ]
    return table(["id", "printer", "host", "state", "reasons", "supplies", "drivers", "PrintOS"], rows)


def printer_page(printer: Mapping[str, Any]) -> str:
    """Lay out everything known of one printer."""
    told = {name.replace("_", " "): value for name, value in printer.items() if name not in TABLES}
    told["status sources"] = [
        f"{field.replace('_', ' ')}: {driver}" for field, driver in told["status sources"].items()
    ]
    told["hot folder"] = hot_folder_line(told["hot folder"]) if told["hot folder"] else None
    supplies = [
        [supply["description"], supply["supply_type"], supply["colorant"], _percent(supply)]
        for supply in printer["supplies"]
    ]
    if state := STATES.get(printer["printos"]):
        told["printos"] = f"{printer['printos']}: it {state.meaning}{_todo(printer)}"
    trays = [[tray["name"], tray["media"], _percent(tray)] for tray in printer["trays"]]
    tables = (
        table(["supply", "type", "colorant", "left"], supplies) if supplies else "",
        table(["tray", "media", "left"], trays) if trays else "",
    )
    return "\n\n".join(filter(None, (facts(told), *tables)))


def state_of(printer: Mapping[str, Any]) -> str:
    """Say in a few words how a printer is."""
    if not printer["online"]:
        return f"offline, seen {age(printer['last_seen'])}" if printer["last_seen"] else "offline, never seen"
    return str(printer["state"]) if printer["accepting_jobs"] else f"{printer['state']}, takes no jobs"


def _supplies(supplies: list[Mapping[str, Any]]) -> str:
    consumed = [supply for supply in supplies if supply["supply_class"] == "consumed" and supply["percent"] is not None]
    return " ".join(
        f"{(supply['colorant'] or supply['supply_type'])[:7]} {supply['percent']:.0f}%" for supply in consumed
    )


def _percent(part: Mapping[str, Any]) -> str:
    if part["percent"] is None:
        return "unknown"
    return f"{part['percent']:.0f} %{' full' if part.get('supply_class') == 'receptacle' else ''}"
