"""One reading out of several: each field of a printer's status from the best source that tells it. Pure.

The readings come in order, the best source first. State, reasons and whether jobs are taken belong together; supplies
come whole from one source, one that knows a level before one that only lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from agent.identity import contradict
from agent.model import Capabilities, Identity, PrinterState, PrinterStatus, Reading, Supply

Told = tuple[str, Reading]
"""A driver's name, and what it read."""

Tells = Callable[[PrinterStatus], Any]


def merge(told: Sequence[Told]) -> Reading:
    """Merge readings, at least one; any that is plainly of another printer than those before it is left out."""
    identity, capabilities = Identity(), Capabilities()
    statuses: list[tuple[str, PrinterStatus]] = []
    for driver, reading in told:
        if contradict(identity, reading.identity):
            continue
        identity = identity.or_else(reading.identity)
        capabilities = capabilities.or_else(reading.capabilities)
        statuses.append((driver, reading.status))
    return Reading(identity, _status(statuses), capabilities)


def asleep(awake: Reading, glance: Reading, *, watched_by: str) -> Reading:
    """Give the reading of a printer that sleeps: how it is comes from the glance, all else from when it was awake."""
    fresh = glance.status
    sources = {**dict(awake.status.sources), **dict.fromkeys(("state", "state_reasons", "state_message"), watched_by)}
    status = replace(
        awake.status,
        state=fresh.state if _tells_state(fresh) else PrinterState.IDLE,
        state_reasons=fresh.state_reasons,
        state_message=fresh.state_message,
        sources=tuple(sources.items()),
    )
    return Reading(glance.identity.or_else(awake.identity), status, awake.capabilities)


def lacks(reading: Reading) -> bool:
    """Whether a further source could tell more of the state, the supplies or the counter."""
    status = reading.status
    return not (_tells_state(status) and _tells_levels(status) and _tells_count(status))


def _status(told: Sequence[tuple[str, PrinterStatus]]) -> PrinterStatus:
    state_by, state = _best(told, _tells_state)
    supplies_by, supplies = _best(told, _tells_levels, _tells_supplies)
    count_by, count = _best(told, _tells_count)
    message_by, message = _best(told, lambda status: status.state_message)
    trays_by, trays = _best(told, lambda status: status.trays)
    _, kinds = _best(told, _tells_kinds)
    _, queue = _best(told, lambda status: status.queued_job_count is not None)
    sources = {
        "state": state_by if _tells_state(state) else None,
        "state_reasons": state_by if _tells_state(state) or state.state_reasons else None,
        "state_message": message_by if message.state_message else None,
        "supplies": supplies_by if supplies.supplies else None,
        "trays": trays_by if trays.trays else None,
        "impressions_completed": count_by if count.impressions_completed is not None else None,
        "media_sheets_completed": count_by if count.media_sheets_completed is not None else None,
    }
    return replace(
        state,
        state_message=message.state_message,
        supplies=supplies.supplies,
        trays=trays.trays,
        queued_job_count=queue.queued_job_count,
        impressions_completed=count.impressions_completed,
        media_sheets_completed=count.media_sheets_completed,
        color_impressions=kinds.color_impressions,
        monochrome_impressions=kinds.monochrome_impressions,
        duplex_sheets=kinds.duplex_sheets,
        sources=tuple((field, driver) for field, driver in sources.items() if driver),
    )


def _best(told: Sequence[tuple[str, PrinterStatus]], *tells: Tells) -> tuple[str, PrinterStatus]:
    """Give the first status that tells something, by the first of `tells` that any fulfils; else the first."""
    return next((pair for tell in tells for pair in told if tell(pair[1])), told[0])


def _tells_state(status: PrinterStatus) -> bool:
    return status.state is not PrinterState.UNKNOWN


def _tells_kinds(status: PrinterStatus) -> bool:
    return any(it is not None for it in (status.color_impressions, status.monochrome_impressions, status.duplex_sheets))


def _tells_supplies(status: PrinterStatus) -> tuple[Supply, ...]:
    return status.supplies


def _tells_levels(status: PrinterStatus) -> bool:
    return any(supply.percent is not None for supply in status.supplies)


def _tells_count(status: PrinterStatus) -> bool:
    return status.impressions_completed is not None or status.media_sheets_completed is not None
