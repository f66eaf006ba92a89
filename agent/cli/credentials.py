"""`credentials`: how the logins of PrintOS devices are sealed, and another key for them."""

from __future__ import annotations

import argparse

from agent.cli import client
from agent.cli.output import show_json, table
from agent.config import load_config

LEFT = "no key that is here opens them: bring it back, or make the devices anew with `activate --replace`"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    credentials = commands.add_parser("credentials", help="how the logins of PrintOS devices are sealed")
    credentials.add_argument("--json", action="store_true")
    credentials.set_defaults(run=list_credentials)
    actions = credentials.add_subparsers(metavar="ACTION")
    rotate = actions.add_parser("rotate", help="seal them all with a new key, and forget the old one")
    rotate.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    rotate.set_defaults(run=rotate_key)


def list_credentials(options: argparse.Namespace) -> int:
    """List the sealed logins, with the key that each takes; never what is in them."""
    rows = client.ask(load_config(options.config), "credentials")
    if options.json:
        show_json(rows)
    elif rows:
        print(table(["printer", "sealed by", "key"], [[row["printer"], row["sealed_by"], row["key"]] for row in rows]))
    else:
        print("No printer has a PrintOS login.")
    return 0


def rotate_key(options: argparse.Namespace) -> int:
    """Have the running agent change the key; exit code 1 where something could not be opened."""
    done = client.ask(load_config(options.config), "credentials.rotate")
    if options.json:
        show_json(done)
    else:
        print(f"{done['key']} is new; logins that it seals: {len(done['sealed'])}")
        if done["left"]:
            print(f"Not sealed anew: {', '.join(done['left'])}; {LEFT}.")
    return int(bool(done["left"]))
