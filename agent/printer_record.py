"""A printer to and from the JSON that the registry keeps on the disk. Both ways are pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from agent.errors import StorageError
from agent.model import Capabilities, Identity, Printer, PrinterState, PrinterStatus, Supply, Tray


def encode_printer(printer: Printer) -> str:
    """Write a printer as one line of JSON."""
    record = {name: getattr(printer, name) for name in Printer.__slots__}
    record["identity"] = asdict(printer.identity)
    record["status"] = {name: getattr(printer.status, name) for name in PrinterStatus.__slots__}
    record["status"]["supplies"] = [asdict(supply) for supply in printer.status.supplies]
    record["status"]["trays"] = [asdict(tray) for tray in printer.status.trays]
    record["capabilities"] = {
        "document_formats": printer.capabilities.document_formats,
        "options": dict(printer.capabilities.options),
        "command_set": printer.capabilities.command_set,
    }
    return json.dumps(record, default=_encode_moment, ensure_ascii=False, separators=(",", ":"))


def parse_printer(text: str) -> Printer:
    """Read what `encode_printer` wrote; a field that an older version did not write has its default.

    Raises:
        StorageError: it is not such a record.
    """
    try:
        return _printer(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"a printer's record is damaged: {error!r}") from error


def _encode_moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a record")


def _printer(record: Mapping[str, Any]) -> Printer:
    fields = {name: value for name, value in record.items() if name in Printer.__slots__}
    fields["identity"] = Identity(**record["identity"])
    fields["status"] = _status(record["status"])
    fields["capabilities"] = Capabilities(
        document_formats=tuple(record["capabilities"]["document_formats"]),
        options={name: tuple(values) for name, values in record["capabilities"]["options"].items()},
        command_set=tuple(record["capabilities"].get("command_set", ())),
    )
    fields |= {name: tuple(record.get(name, ())) for name in ("uris", "sources", "other_hosts")}
    fields |= {name: _moment(record.get(name)) for name in ("first_seen", "last_seen")}
    return Printer(**fields)


def _status(record: Mapping[str, Any]) -> PrinterStatus:
    fields = dict(record)
    fields["state"] = PrinterState(record["state"])
    fields["state_reasons"] = tuple(record["state_reasons"])
    fields["supplies"] = tuple(Supply(**supply) for supply in record["supplies"])
    fields["trays"] = tuple(Tray(**tray) for tray in record.get("trays", ()))
    fields["sources"] = tuple((field, driver) for field, driver in record.get("sources", ()))
    return PrinterStatus(**fields)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
