"""What is worth writing down and telling when a printer changes. `diff` is pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from agent.device_states import advice
from agent.identity import IDENTITY_CONFLICT
from agent.model import Event, Printer, Supply

SUPPLY_LOW_PERCENT = 15.0
LAST_SEEN_EVERY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Facts:
    """What follows from a change: whether the disk, the topic and the availability need it, and the events."""

    written: bool = False
    told: bool = False
    availability: bool = False
    events: tuple[Event, ...] = ()


def diff(old: Printer | None, new: Printer) -> Facts:
    """Compare a printer with what was last written and told of it; None where it is new.

    That it was seen again is written every 15 minutes only, for the sake of SD cards.
    """
    if old is None:
        return Facts(written=True, told=True, availability=True, events=tuple(_first_events(new)))
    overdue = _is_last_seen_overdue(old, new)
    return Facts(
        written=overdue or _lasting(old) != _lasting(new),
        told=overdue or _shown(old) != _shown(new),
        availability=old.online != new.online,
        events=tuple(_events(old, new)),
    )


def is_low(supply: Supply) -> bool:
    """Whether a supply runs out, or a receptacle is nearly full."""
    percent = supply.percent
    if percent is None:
        return False
    left = 100 - percent if supply.supply_class == "receptacle" else percent
    return left < SUPPLY_LOW_PERCENT


def _first_events(new: Printer) -> Iterator[Event]:
    yield _event("printer-found", new, host=new.host, make_and_model=new.identity.make_and_model)
    yield from _supply_events((), new)


def _events(old: Printer, new: Printer) -> Iterator[Event]:
    if old.online and not new.online:
        yield _event("printer-lost", new, host=new.host)
    if old.host != new.host:
        yield _event("printer-moved", new, host=new.host, old_host=old.host)
    if IDENTITY_CONFLICT in set(new.status.state_reasons) - set(old.status.state_reasons):
        yield _event(IDENTITY_CONFLICT, new, host=new.host)
    if old.printos != new.printos:
        todo = advice(new.printos, new.alias or new.id)
        yield _event("printos-state", new, state=new.printos, message=new.printos_message, advice=todo or None)
    yield from _supply_events(old.status.supplies, new)


def _supply_events(old: tuple[Supply, ...], new: Printer) -> Iterator[Event]:
    """Tell a supply when it becomes low; what was low before has been told."""
    low_before = {_supply_key(supply) for supply in old if is_low(supply)}
    for supply in new.status.supplies:
        if is_low(supply) and _supply_key(supply) not in low_before:
            yield _event("supply-low", new, supply=supply.to_json())


def _supply_key(supply: Supply) -> tuple[str | None, ...]:
    return supply.description, supply.supply_type, supply.colorant


def _event(kind: str, printer: Printer, **facts: Any) -> Event:
    return Event(kind, {"printer": printer.id, "name": printer.label, **facts})


def _lasting(printer: Printer) -> Printer:
    """Leave out what is not worth a write: it is read anew before long."""
    return replace(printer, last_seen=None, misses=0, status=replace(printer.status, queued_job_count=None))


def _shown(printer: Printer) -> dict[str, Any]:
    return replace(printer, last_seen=None).to_json()


def _is_last_seen_overdue(old: Printer, new: Printer) -> bool:
    if new.last_seen is None or old.last_seen is None:
        return old.last_seen != new.last_seen
    return new.last_seen - old.last_seen >= LAST_SEEN_EVERY
