"""`box`: PrintOS Box. What the agent made there is its own memory, since Box lists neither folders nor files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from agent.cli import client, state
from agent.cli.output import age, amount, facts, progress, show_json, table
from agent.cloud_clients import build_box, cloud_http
from agent.config import load_config
from agent.config_schema import Config
from agent.errors import CloudRefusedError, NotFoundError
from agent.printos.box import Box

NOT_FOUND = 404
OUR_OWN = "Box lists none; these are those that this agent {}."


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    box = commands.add_parser("box", help="PrintOS Box: folders, files, flows, substrates")
    what = box.add_subparsers(metavar="WHAT", required=True)
    folders = _add(what, "folders", "the folders that this agent made", list_folders)
    actions = folders.add_subparsers(metavar="ACTION")
    _add_one(actions, "show", "a folder, as Box has it", "ID", show_folder)
    _add_one(actions, "create", "make a folder; tickets may then name it", "NAME", create_folder)
    files = _add(what, "files", "the files that this agent sent", list_files)
    _add_one(files.add_subparsers(metavar="ACTION"), "show", "a file, as Box has it", "ID", show_file)
    _add(what, "flows", "the easy-submit flows that a ticket may name", list_flows)
    _add(what, "substrates", "the substrates that a ticket may name", list_substrates)


def _add(what: Any, name: str, about: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = what.add_parser(name, help=about)
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)
    return parser


def _add_one(actions: Any, name: str, about: str, which: str, run: Callable[[argparse.Namespace], int]) -> None:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=about)
    parser.add_argument("which", metavar=which)
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def list_folders(options: argparse.Namespace) -> int:
    """List the folders that the agent made."""
    folders = state.read(load_config(options.config), "box.folders")
    rows = [[folder["id"], folder["name"], folder["job"], age(folder["made_at"])] for folder in folders]
    return _show(options, folders, ["id", "name", "for the job", "made"], rows, OUR_OWN.format("made"))


def list_files(options: argparse.Namespace) -> int:
    """List the files that the agent sent."""
    files = state.read(load_config(options.config), "box.files")
    rows = [[file["id"], file["name"], file["folder_id"], file["job"], age(file["sent_at"])] for file in files]
    return _show(options, files, ["id", "name", "folder", "job", "sent"], rows, OUR_OWN.format("sent"))


def list_flows(options: argparse.Namespace) -> int:
    """List the flows."""
    with _box(load_config(options.config)) as box:
        flows = [{"id": flow.id, "name": flow.name} for flow in box.flows()]
    return _show(options, flows, ["id", "name"], [[flow["id"], flow["name"]] for flow in flows])


def list_substrates(options: argparse.Namespace) -> int:
    """List the substrates."""
    with _box(load_config(options.config)) as box:
        substrates = list(box.substrates())
    return _show(options, substrates, ["substrate"], [[name] for name in substrates])


def show_folder(options: argparse.Namespace) -> int:
    """Show a folder."""
    with _box(load_config(options.config)) as box:
        folder = box.read_folder(options.which).to_json()
    return _show_one(options, folder)


def show_file(options: argparse.Namespace) -> int:
    """Show a file."""
    with _box(load_config(options.config)) as box:
        file = box.read_file(options.which).to_json()
    return _show_one(options, file)


def create_folder(options: argparse.Namespace) -> int:
    """Have the running agent make a folder, which it remembers by its name."""
    config = load_config(options.config)
    folder = client.ask(config, "box.folders.create", {"name": options.which})
    if options.json:
        show_json(folder)
    else:
        print(f"{folder['id']}: {folder['name']}")
    return 0


@contextmanager
def _box(config: Config) -> Iterator[Box]:
    """Give the client, with our word for what Box doesn't have."""
    with closing(cloud_http(config.printos)) as http:
        try:
            yield build_box(config.box, http)
        except CloudRefusedError as error:
            if error.status != NOT_FOUND:
                raise
            raise NotFoundError(str(error)) from error


def _show(options: argparse.Namespace, items: list[Any], headings: list[str], rows: list[Any], note: str = "") -> int:
    if options.json:
        show_json(items)
    elif rows:
        print(table(headings, rows))
    else:
        print("There are none.")
    if note and not options.json:
        progress(note)
    return 0


def _show_one(options: argparse.Namespace, item: dict[str, Any]) -> int:
    if options.json:
        show_json(item)
        return 0
    told = {name.replace("_", " "): value for name, value in item.items() if name != "files"}
    for name in ("size", "total size"):
        if told.get(name) is not None:
            told[name] = amount(told[name])
    print(facts(told))
    if files := item.get("files"):
        print("\n" + table(["id", "name", "status"], [[file["id"], file["name"], file["status"]] for file in files]))
    return 0
