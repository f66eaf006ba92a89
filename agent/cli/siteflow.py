"""`siteflow`: orders validated, submitted, looked at and cancelled in HP Site Flow, and what can be ordered there.

Everything but an order with a document asks Site Flow itself, with the key of the configuration and without an agent.
"""

from __future__ import annotations

import argparse
import getpass
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from agent.cli import client
from agent.cli.output import facts, progress, show_json, table
from agent.cloud_clients import build_siteflow, cloud_http
from agent.config import load_config
from agent.config_schema import Config
from agent.errors import (
    AgentError,
    CloudUnreachableError,
    ConfigError,
    ConflictError,
    ConnectFailedError,
    InputError,
    NotFoundError,
)
from agent.printos.siteflow import InvalidOrderError, NotNowError, SiteFlow, ThrottledError
from agent.printos.siteflow_order import Order, completed, order_of, problems, source_order_id
from agent.printos.siteflow_pauses import RETRIES, pause_seconds
from agent.printos.siteflow_status import OrderRecord
from agent.secret_files import read_order_file

Told = TypeVar("Told")

PAGE_SIZE = 50
LONGEST_PAUSE_SECONDS = 300.0
HEADINGS = ("id", "source order id", "status", "from", "to", "created", "problem")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    siteflow = commands.add_parser("siteflow", help="HP Site Flow: orders, products, skus")
    what = siteflow.add_subparsers(metavar="WHAT", required=True)
    actions = what.add_parser("order", help="orders").add_subparsers(metavar="ACTION", required=True)
    validate = _add(actions, "validate", "have Site Flow look at an order without making it", validate_order)
    submit = _add(actions, "submit", "make an order", submit_order)
    for parser in (validate, submit):
        parser.add_argument("file", type=Path, metavar="FILE", help="the order, or its orderData, as JSON")
    submit.add_argument("--document", type=Path, metavar="F", help="its artwork; then it is a job of the running agent")
    listed = _add(actions, "list", "the orders, the newest first", list_orders)
    listed.add_argument("--page", type=int, default=1, metavar="N")
    listed.add_argument("--page-size", type=int, default=PAGE_SIZE, metavar="N")
    for name, about, run in (("show", "one order", show_order), ("cancel", "ask for an order's end", cancel_order)):
        parser = _add(actions, name, about, run)
        parser.add_argument("id", metavar="ID")
        parser.add_argument("--source-id", action="store_true", help="ID is the order's sourceOrderId")
    _add(what, "products", "what can be ordered", list_products)
    _add(what, "skus", "the codes by which it is ordered", list_skus)


def _add(actions: Any, name: str, about: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=about)
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)
    return parser


def validate_order(options: argparse.Namespace) -> int:
    """Validate an order; exit code 2 where it is invalid."""
    config = load_config(options.config)
    found: list[str] = []
    try:
        order = _order(config, options.file)
        with _siteflow(config) as siteflow:
            _patiently(lambda: siteflow.validate(order))
    except InvalidOrderError as error:
        found = error.validations
    except _LocallyInvalidError as error:
        found = error.found
    if options.json:
        show_json({"valid": not found, "validations": found})
    else:
        print("\n".join(found) if found else "Site Flow finds it valid")
    return InvalidOrderError.exit_code if found else 0


def submit_order(options: argparse.Namespace) -> int:
    """Submit an order: straight to Site Flow, or with its document to the running agent."""
    config = load_config(options.config)
    if options.document is not None:
        ticket: dict[str, Any] = {"destination": "siteflow", "name": options.document.name, "user": getpass.getuser()}
        if asked := read_order_file(options.file):
            ticket["order"] = asked
        job = client.ask(config, "print", {"ticket": ticket}, document=_readable(options.document))
        return _show(options, job, f"{job['id']}: {job['state']}; follow it with: printos-agent jobs show {job['id']}")
    order = _order(config, options.file)
    with _siteflow(config) as siteflow:
        record = _submitted(siteflow, order)
    return _show(options, record.to_json(), f"{record.id}: {record.status or 'submitted'} ({source_order_id(order)})")


def show_order(options: argparse.Namespace) -> int:
    """Show an order."""
    with _siteflow(load_config(options.config)) as siteflow:
        record = _found(siteflow, options)
        files = _patiently(lambda: siteflow.files(record.id))
    shown = {**record.to_json(), "artwork": [file.to_json() for file in files]}
    lines = {**record.to_json(), "artwork": [file.sentence() for file in files]}
    return _show(options, shown, facts({name.replace("_", " "): value for name, value in lines.items()}))


def list_orders(options: argparse.Namespace) -> int:
    """List a page of orders."""
    if options.page < 1 or options.page_size < 1:
        raise InputError("--page and --page-size begin at 1")
    with _siteflow(load_config(options.config)) as siteflow:
        records = _patiently(lambda: siteflow.orders(page=options.page, page_size=options.page_size))
    rows = [list(record.to_json().values()) for record in records]
    columns = [[row[0], row[1], row[2], row[4], row[5], row[6], row[3]] for row in rows]
    text = table(HEADINGS, columns) if rows else "There are no orders on this page."
    return _show(options, [record.to_json() for record in records], text)


def cancel_order(options: argparse.Namespace) -> int:
    """Ask for an order's end; exit code 5 where it is too late."""
    with _siteflow(load_config(options.config)) as siteflow:
        record = _found(siteflow, options)
        _patiently(lambda: siteflow.cancel(record.id))
        record = _patiently(lambda: siteflow.order(record.id))
    return _show(options, record.to_json(), f"{record.id}: {record.status or 'asked for its end'}")


def list_products(options: argparse.Namespace) -> int:
    """List the products."""
    with _siteflow(load_config(options.config)) as siteflow:
        products = _patiently(siteflow.products)
    rows = [[it.get("_id"), it.get("productCode"), it.get("name") or it.get("description")] for it in products]
    return _show(options, products, table(["id", "code", "name"], rows) if rows else "There are no products.")


def list_skus(options: argparse.Namespace) -> int:
    """List the skus."""
    with _siteflow(load_config(options.config)) as siteflow:
        skus = _patiently(siteflow.skus)
    rows = [[it.get("code"), it.get("productId"), _codes(it.get("components"))] for it in skus]
    return _show(options, skus, table(["code", "product", "components"], rows) if rows else "There are no skus.")


def _codes(components: Any) -> list[str]:
    listed = components if isinstance(components, list) else []
    return [str(component.get("code")) for component in listed if isinstance(component, Mapping)]


class _LocallyInvalidError(InputError):
    """Raised when an order lacks what every account demands."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(f"the order is invalid: {'; '.join(found)}")
        self.found = found


@contextmanager
def _siteflow(config: Config) -> Iterator[SiteFlow]:
    if not config.siteflow.key:
        raise ConfigError("Site Flow is off: there is no key in [siteflow]")
    with closing(cloud_http(config.printos)) as http:
        yield build_siteflow(config.siteflow, http)


def _order(config: Config, file: Path) -> Order:
    """Read a whole order, with what the template has."""
    template = read_order_file(config.siteflow.order_file) if config.siteflow.order_file else {}
    try:
        order = order_of(read_order_file(file), template, destination=config.siteflow.destination)
        order = completed(order, source_id=f"cli-{secrets.token_hex(8)}", copies=1)
        found = problems(order)
    except RecursionError:
        raise InputError(f"{file}: is nested too deeply") from None
    if found:
        raise _LocallyInvalidError([str(problem) for problem in found])
    return order


def _readable(document: Path) -> Path:
    try:
        with document.open("rb") as file:
            if file.read(1):
                return document
    except OSError as error:
        raise InputError(f"{document}: {error.strerror}") from error
    raise InputError(f"{document}: is empty")


def _submitted(siteflow: SiteFlow, order: Order) -> OrderRecord:
    """Create an order, once: one whose answer is lost is asked for, and never submitted again."""
    own_id = source_order_id(order) or ""
    if (there := _by_source_id(siteflow, own_id)) is not None:
        raise ConflictError(f"Site Flow has an order with the sourceOrderId {own_id} already: {there.id}")
    try:
        record = _patiently(lambda: siteflow.submit(order))
    except CloudUnreachableError as error:
        if isinstance(error, NotNowError) or isinstance(error.__cause__, ConnectFailedError):
            raise
        record = _by_source_id(siteflow, own_id)
        if record is None:
            advice = f"it may have come: printos-agent siteflow order show --source-id {own_id}"
            raise AgentError(f"{error}; {advice}") from error
    if record is None:
        raise AgentError(f"Site Flow answered without an id: printos-agent siteflow order show --source-id {own_id}")
    return record


def _by_source_id(siteflow: SiteFlow, own_id: str) -> OrderRecord | None:
    try:
        return _patiently(lambda: siteflow.order_by_source(own_id))
    except NotFoundError:
        return None


def _found(siteflow: SiteFlow, options: argparse.Namespace) -> OrderRecord:
    look = siteflow.order_by_source if options.source_id else siteflow.order
    return _patiently(lambda: look(options.id))


def _patiently(ask: Callable[[], Told]) -> Told:
    """Ask again after a pause where Site Flow asks for patience, three times, as HP's SDKs do."""
    for failures in range(1, RETRIES + 1):
        try:
            return ask()
        except NotNowError as error:
            pause = error.retry_after_seconds or pause_seconds(failures, is_throttled=isinstance(error, ThrottledError))
            if pause > LONGEST_PAUSE_SECONDS:
                raise
            progress(f"{error}; again in {pause:.1f} s")
            time.sleep(pause)
    return ask()


def _show(options: argparse.Namespace, value: Any, text: str | Sequence[str]) -> int:
    if options.json:
        show_json(value)
    else:
        print(text)
    return 0
