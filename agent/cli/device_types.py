"""`types`: what `printos_type` and `printos_model` of a `[[printer]]` may be."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from agent.cli.output import show_json, table
from agent.printos.device_types import DeviceType, device_types


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this module."""
    types = commands.add_parser("types", help="the device types and models that PrintOS is known to take")
    types.add_argument("containing", nargs="*", metavar="WORD", help="only those with these words in their names")
    types.add_argument("--all", action="store_true", help="also those that get no credentials, and so have no status")
    types.add_argument("--json", action="store_true")
    types.set_defaults(run=show_types)


def show_types(options: argparse.Namespace) -> int:
    """List types and models; exit code 3 where none is meant."""
    found = [it for it in device_types(" ".join(options.containing)) if it.self_provisionable or options.all]
    if options.json:
        show_json([asdict(it) for it in found])
    elif found:
        print(table(["printos_type", "printos_model", "gets credentials"], [_row(it) for it in found]))
    else:
        print("HP's list has nothing of that name; `--all` also shows what gets no credentials.")
    return 0 if found else 3


def _row(device_type: DeviceType) -> list[str]:
    return [device_type.type, device_type.model, "yes" if device_type.self_provisionable else "no"]
