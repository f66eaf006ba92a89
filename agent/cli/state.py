"""What the agent knows, told by the running agent, or read from its disk where none is running."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from agent import accounts, box_memory, counters, hot_folder_journal, outbox, registry, spool_rows
from agent.accounts import parse_selection, read_account, read_at_limit
from agent.box_memory import read_files, read_folders
from agent.cli import client
from agent.config_schema import Config
from agent.errors import NotFoundError, RefusedError
from agent.health import status_at_rest
from agent.hot_folder_state import hot_folder_of, states_at_rest
from agent.inventory import list_counters, read_inventory
from agent.model import utc_now
from agent.outbox import Outbox
from agent.registry import load_printers
from agent.spool_table import read_job, read_jobs, read_tally
from agent.store import Store

SCHEMAS = {
    "accounts": accounts.SCHEMA,
    "box": box_memory.SCHEMA,
    "counters": counters.SCHEMA,
    "hot-folders": hot_folder_journal.SCHEMA,
    "outbox": outbox.SCHEMA,
    "registry": registry.SCHEMA,
    "spool": spool_rows.SCHEMA,
}


def read(config: Config, question: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """Give the answer to a question, one of `ANSWERS`.

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
    with closing(Store.open_read_only(config.store_file, SCHEMAS)) as store:
        return ANSWERS[question](config, store, arguments)


def _box_folders(_config: Config, store: Store, _arguments: Mapping[str, Any]) -> Any:
    return read_folders(store)


def _box_files(_config: Config, store: Store, _arguments: Mapping[str, Any]) -> Any:
    return read_files(store)


def _printers(_config: Config, store: Store, _arguments: Mapping[str, Any]) -> Any:
    return [printer.to_json() for printer in load_printers(store)]


def _one_printer(config: Config, store: Store, arguments: Mapping[str, Any]) -> Any:
    printer = _printer(store, arguments["id"])
    hot_folders = states_at_rest(store, config.printers, load_printers(store))
    return {**printer, "hot_folder": hot_folder_of(printer["id"], hot_folders)}


def _jobs(config: Config, store: Store, arguments: Mapping[str, Any]) -> Any:
    printer_id, user = _printer_id(store, arguments), arguments.get("user")
    jobs = read_jobs(store, folder=config.documents_folder, printer_id=printer_id, user=user)
    return [job.to_json() for job in jobs]


def _one_job(config: Config, store: Store, arguments: Mapping[str, Any]) -> Any:
    return read_job(store, arguments["id"], folder=config.documents_folder, user=arguments.get("user")).to_json()


def _account(_config: Config, store: Store, arguments: Mapping[str, Any]) -> Any:
    return read_account(store, parse_selection(arguments, printer_id=_printer_id(store, arguments)))


def _inventory(_config: Config, store: Store, _arguments: Mapping[str, Any]) -> Any:
    return read_inventory(store, load_printers(store), {}, utc_now())


def _counters(_config: Config, store: Store, arguments: Mapping[str, Any]) -> Any:
    return list_counters(store, load_printers(store), arguments)


def _status(config: Config, store: Store, _arguments: Mapping[str, Any]) -> Any:
    depth = Outbox(store, now=utc_now).depth()
    at_limit = read_at_limit(store, config.limits, config.users, utc_now())
    printers = load_printers(store)
    hot_folders = states_at_rest(store, config.printers, printers)
    return status_at_rest(config, printers, read_tally(store), depth, at_limit, hot_folders=hot_folders)


ANSWERS: Mapping[str, Callable[[Config, Store, Mapping[str, Any]], Any]] = {
    "account": _account,
    "box.files": _box_files,
    "box.folders": _box_folders,
    "counters": _counters,
    "inventory": _inventory,
    "jobs": _jobs,
    "jobs.show": _one_job,
    "printers": _printers,
    "printers.show": _one_printer,
    "status": _status,
}
"""What can be read of an agent that doesn't run."""


def _printer_id(store: Store, arguments: Mapping[str, Any]) -> str | None:
    printer = arguments.get("printer")
    return _printer(store, printer)["id"] if printer else None


def _printer(store: Store, id_or_alias: str) -> dict[str, Any]:
    for printer in load_printers(store):
        if id_or_alias in (printer.id, printer.alias):
            return printer.to_json()
    raise NotFoundError(f"no printer {id_or_alias!r}")
