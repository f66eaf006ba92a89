"""What `doctor` tells of the printers' devices in PrintOS: one line a trouble, however many printers share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.cli.finding import Finding, Printers, named
from agent.device_states import STATES, advice

UNSAID = frozenset({"none"})


def check_devices(printers: Printers) -> Iterator[Finding]:
    """Group the printers by how they stand with PrintOS, and say of each group what that means and what to do."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for printer in printers:
        groups.setdefault(printer["printos"], []).append(printer)
    if strangers := groups.get("pending"):
        groups["pending"] = [printer for printer in strangers if printer["approved"]]
        yield from _unapproved([printer for printer in strangers if not printer["approved"]])
    for state in STATES:
        if state not in UNSAID and groups.get(state):
            yield _finding(state, groups[state])


def _unapproved(printers: Printers) -> Iterator[Finding]:
    """Tell of printers that nobody wanted in PrintOS yet, which is no fault."""
    if printers:
        waiting = named([_name(printer) for printer in printers])
        yield Finding("devices", "ok", f"pending: {waiting}; `printers approve` lets PrintOS have them")


def _finding(state: str, printers: Sequence[Mapping[str, Any]]) -> Finding:
    known = STATES[state]
    names = [_name(printer) for printer in printers]
    messages = {printer["printos_message"] for printer in printers}
    said = f" ({messages.pop()})" if len(messages) == 1 and None not in messages else ""
    message = f"{state}: {named(names)}; {'it' if len(names) == 1 else 'each'} {known.meaning}{said}"
    todo = "" if known.result == "ok" else advice(state, names[0] if len(names) == 1 else "ID")
    return Finding("devices", known.result, message, todo)


def _name(printer: Mapping[str, Any]) -> str:
    return str(printer["alias"] or printer["id"])
