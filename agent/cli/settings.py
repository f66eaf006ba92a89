"""`config check` and `config show`: what agent.toml says."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from agent.cli.output import facts, show_json
from agent.config import load_config
from agent.config_files import check_files
from agent.config_schema import SECTIONS, TABLES, Config
from agent.config_warnings import config_warnings


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    config = commands.add_parser("config", help="check or show the configuration")
    actions = config.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser("check", help="tell what is wrong with it")
    check.set_defaults(run=check_config)
    show = actions.add_parser("show", help="what is in force, defaults included")
    show.set_defaults(run=show_config)
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true")


def check_config(options: argparse.Namespace) -> int:
    """Read the configuration and the files it names; an error is one line and exit code 2, a doubt none."""
    config = load_config(options.config)
    check_files(config)
    warnings = list(config_warnings(config))
    if options.json:
        show_json({"path": str(config.path), "valid": True, "warnings": warnings})
    else:
        for warning in warnings:
            print(f"{config.path}: {warning}; see printos-agent types", file=sys.stderr)
        print(f"{config.path}: good; [[printer]] entries: {len(config.printers)}")
    return 0


def show_config(options: argparse.Namespace) -> int:
    """Show every key with its value; secrets are only ever file names here."""
    shown = effective(load_config(options.config))
    if options.json:
        show_json(shown)
        return 0
    for name in SECTIONS:
        print(f"[{name}]\n{facts(shown[name])}\n")
    for name in TABLES:
        for entry in shown[name]:
            print(f"[[{name}]]\n{facts(entry)}\n")
    return 0


def effective(config: Config) -> dict[str, Any]:
    """Give the configuration in force as JSON can say it."""
    shown: dict[str, Any] = {name: _values(getattr(config, name)) for name in SECTIONS}
    tables = {"printer": config.printers, "user": config.users}
    return shown | {name: [_values(entry) for entry in entries] for name, entries in tables.items()}


def _values(section: Any) -> dict[str, Any]:
    return {key.name: _shown(getattr(section, key.name)) for key in fields(section)}


def _shown(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_shown(item) for item in value]
    return value
