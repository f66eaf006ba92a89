"""What the agent knows, told by the running agent, or read from its disk where none is running."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from agent import accounts, box_memory, outbox, registry, spool_rows
from agent.accounts import parse_selection, read_account, read_at_limit
from agent.box_memory import read_files, read_folders
from agent.cli import client
from agent.config_schema import Config
from agent.errors import NotFoundError, RefusedError
from agent.health import status_at_rest
from agent.model import utc_now
from agent.outbox import Outbox
from agent.registry import load_printers
from agent.spool_table import read_job, read_jobs, read_tally
from agent.store import Store

SCHEMAS = {
    "accounts": accounts.SCHEMA,
    "box": box_memory.SCHEMA,
    "outbox": outbox.SCHEMA,
    "registry": registry.SCHEMA,
    "spool": spool_rows.SCHEMA,
}
LISTS: Mapping[str, Callable[[Store], list[Any]]] = {
    "printers": lambda store: [printer.to_json() for printer in load_printers(store)],
    "box.folders": read_folders,
    "box.files": read_files,
}


def read(config: Config, question: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """Give the answer to `printers`, `printers.show`, `jobs`, `jobs.show`, `account`, `status`, or one of LISTS.

    Raises:
        NotFoundError: there is no such printer or job, or the agent has never run with this configuration.
        RefusedError: this user may neither ask the agent nor read its disk.
    """
    try:
        return client.ask(config, question, arguments)
    except client.NobodyThereError as nobody:
        try:
            return _at_rest(config, question, arguments or {})
        except PermissionError as error:
            raise RefusedError(f"{nobody}, and {config.agent.state_dir} may only be read by its owner") from error
        except NotFoundError as error:
            raise NotFoundError(f"{error}; {nobody}") from error


def _at_rest(config: Config, question: str, arguments: Mapping[str, Any]) -> Any:
    folder = config.documents_folder
    with closing(Store.open_read_only(config.store_file, SCHEMAS)) as store:
        match question:
            case _ if question in LISTS:
                return LISTS[question](store)
            case "printers.show":
                return _printer(store, arguments["id"])
            case "jobs":
                printer_id, user = _printer_id(store, arguments), arguments.get("user")
                return [job.to_json() for job in read_jobs(store, folder=folder, printer_id=printer_id, user=user)]
            case "jobs.show":
                return read_job(store, arguments["id"], folder=folder, user=arguments.get("user")).to_json()
            case "account":
                selection = parse_selection(arguments, printer_id=_printer_id(store, arguments))
                return read_account(store, selection)
            case _:
                depth = Outbox(store, now=utc_now).depth()
                at_limit = read_at_limit(store, config.limits, config.users, utc_now())
                return status_at_rest(config, load_printers(store), read_tally(store), depth, at_limit)


def _printer_id(store: Store, arguments: Mapping[str, Any]) -> str | None:
    printer = arguments.get("printer")
    return _printer(store, printer)["id"] if printer else None


def _printer(store: Store, id_or_alias: str) -> dict[str, Any]:
    for printer in load_printers(store):
        if id_or_alias in (printer.id, printer.alias):
            return printer.to_json()
    raise NotFoundError(f"no printer {id_or_alias!r}")
