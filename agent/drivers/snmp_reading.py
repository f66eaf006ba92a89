"""Getting values out of agents that limit, refuse or lose answers: what to ask next after each answer. No I/O here.

A v1 agent refuses a whole GET for one name that it hasn't, some can't fit an answer into a datagram and say so or say
nothing, some answer in part or go round in circles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agent.drivers.snmp_message import TOO_BIG, Message, Missing, Oid, Operation, Value, Varbind

LARGEST_REQUEST = 48
"""Names in one GET: their values fit into an Ethernet frame on nearly all printers."""

MOST_ROWS = 64

Ask = Callable[[Operation, tuple[Oid, ...]], Message | None]
"""Asks once; None where the agent is alive, but gives no answer to this request. A GETBULK may be sent as GETNEXT."""


def get_values(ask: Ask, names: Sequence[Oid]) -> dict[Oid, Value]:
    """Get what the agent has of `names`, in as few requests as it lets one."""
    found: dict[Oid, Value] = {}
    wanted = tuple(dict.fromkeys(names))
    pieces = [wanted[at : at + LARGEST_REQUEST] for at in range(0, len(wanted), LARGEST_REQUEST)]
    while pieces:
        piece = pieces.pop()
        answer = ask(Operation.GET, piece)
        if answer is not None and not answer.error_status:
            found |= {name: value for name, value in present(answer.varbinds).items() if name in piece}
        pieces += _still_to_ask(piece, answer)
    return found


def walk_columns(ask: Ask, columns: Sequence[Oid]) -> dict[Oid, Value]:
    """Read columns side by side to their ends, but no more than 64 rows."""
    return _walk(ask, {column: column for column in columns})


def _walk(ask: Ask, reached: Mapping[Oid, Oid]) -> dict[Oid, Value]:
    """Read on from where each column has been read to; those that can't be read together are read by halves."""
    found: dict[Oid, Value] = {}
    most = MOST_ROWS * len(reached)
    for _ in range(MOST_ROWS):
        if not reached or len(found) >= most:
            break
        answer = ask(Operation.GET_BULK, tuple(reached.values()))
        if answer is None or (answer.error_status and not _names_one(answer, len(reached))):
            return found | _walk_halves(ask, list(reached.items()))
        fresh = [] if answer.error_status else _fresh(reached, answer.varbinds)
        found |= dict(fresh)
        reached = _go_on(reached, answer, fresh)
    return found


def _walk_halves(ask: Ask, columns: Sequence[tuple[Oid, Oid]]) -> dict[Oid, Value]:
    middle = len(columns) // 2
    return _walk(ask, dict(columns[:middle])) | _walk(ask, dict(columns[middle:])) if middle else {}


def present(varbinds: Sequence[Varbind]) -> dict[Oid, Value]:
    """Leave out the names that the agent has nothing for."""
    return {name: value for name, value in varbinds if not isinstance(value, Missing)}


def _still_to_ask(piece: tuple[Oid, ...], answer: Message | None) -> list[tuple[Oid, ...]]:
    """Tell what to ask again: all but the name that an error is about, the names that were passed over, or halves."""
    if answer is not None and answer.error_status and _names_one(answer, len(piece)):
        rest = piece[: answer.error_index - 1] + piece[answer.error_index :]
        return [rest] if rest else []
    if answer is not None and not answer.error_status:
        told = {name for name, _ in answer.varbinds}
        passed_over = tuple(name for name in piece if name not in told)
        if len(passed_over) < len(piece):
            return [passed_over] if passed_over else []
    middle = len(piece) // 2
    return [piece[:middle], piece[middle:]] if middle else []


def _names_one(answer: Message, asked: int) -> bool:
    """Whether an error is about one of the names that were asked."""
    return answer.error_status != TOO_BIG and 1 <= answer.error_index <= asked


def _fresh(reached: Mapping[Oid, Oid], varbinds: Sequence[Varbind]) -> list[Varbind]:
    """Choose what lies in the columns, behind where they had been read to."""
    return [
        (name, value)
        for name, value in varbinds
        if not isinstance(value, Missing)
        and any(name[: len(column)] == column and name > last for column, last in reached.items())
    ]


def _go_on(reached: Mapping[Oid, Oid], answer: Message, fresh: Sequence[Varbind]) -> dict[Oid, Oid]:
    """Tell where each column goes on; one that gave nothing new is at its end, unless the answer was cut before it."""
    if answer.error_status:
        ended = list(reached)[answer.error_index - 1]
        return {column: last for column, last in reached.items() if column != ended}
    following: dict[Oid, Oid] = {}
    for at, (column, last) in enumerate(reached.items()):
        names = [name for name, _ in fresh if name[: len(column)] == column]
        if names:
            following[column] = max(names)
        elif fresh and at >= len(answer.varbinds):
            following[column] = last
    return following
