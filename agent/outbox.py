"""What is to be told outside, durable, written in the transaction of the state that it tells of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.model import Clock, Event, timestamp
from agent.store import Store

SCHEMA = (
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        payload BLOB NOT NULL,
        retain INTEGER NOT NULL,
        absolute INTEGER NOT NULL,
        correlation_data BLOB)""",
    "CREATE UNIQUE INDEX outbox_retained ON outbox (topic, absolute) WHERE retain",
    "CREATE INDEX outbox_unretained ON outbox (id) WHERE NOT retain",
)
PUT = """
    INSERT OR REPLACE INTO outbox (topic, payload, retain, absolute, correlation_data) VALUES (?, ?, ?, ?, ?)"""
DROP_OLDEST = """
    DELETE FROM outbox WHERE NOT retain
    AND id <= (SELECT id FROM outbox WHERE NOT retain ORDER BY id DESC LIMIT 1 OFFSET ?)"""
UNRETAINED_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Note:
    """One message to be published.

    `topic` is relative to the base topic unless `absolute`. An empty retained payload clears the topic.
    """

    topic: str
    payload: bytes
    retain: bool = False
    absolute: bool = False
    correlation_data: bytes | None = None


class Outbox:
    """Notes in the order in which they were put.

    Attributes:
        on_put: called after the commit of a transaction that put something.
    """

    def __init__(self, store: Store, *, now: Clock) -> None:
        self._store = store
        self._now = now
        self.on_put: Callable[[], None] = _nobody_waits

    def open(self) -> None:
        """Make the table where it isn't there yet."""
        self._store.migrate("outbox", SCHEMA)

    def put(self, note: Note) -> None:
        """Add a note, in the running transaction if there is one.

        A retained note replaces an unsent one to the same topic. Of the others the newest 10,000 are kept.
        """
        self._store.write(PUT, (note.topic, note.payload, note.retain, note.absolute, note.correlation_data))
        if not note.retain:
            self._store.write(DROP_OLDEST, (UNRETAINED_LIMIT,))
        self._store.on_commit(self._announce)

    def put_event(self, event: Event) -> None:
        """Add an event for `bridge/event/<type>`: its facts with its `type` and the moment, `at`."""
        told = {**event.facts, "type": event.type, "at": timestamp(self._now())}
        self.put(Note(f"bridge/event/{event.type}", json.dumps(told).encode()))

    def take(self, limit: int) -> list[tuple[int, Note]]:
        """Give the oldest notes with their numbers; they stay until `done` names them."""
        rows = self._store.query("SELECT * FROM outbox ORDER BY id LIMIT ?", (limit,))
        return [
            (
                row["id"],
                Note(row["topic"], row["payload"], bool(row["retain"]), bool(row["absolute"]), row["correlation_data"]),
            )
            for row in rows
        ]

    def done(self, ids: Iterable[int]) -> None:
        """Remove notes that were published, in one transaction; after a power cut some may be published again."""
        with self._store.lazy_transaction() as connection:
            connection.executemany("DELETE FROM outbox WHERE id = ?", [(note_id,) for note_id in ids])

    def depth(self) -> int:
        """Count the notes that wait."""
        return int(self._store.query("SELECT count(*) FROM outbox")[0][0])

    def _announce(self) -> None:
        self.on_put()


def _nobody_waits() -> None:
    """Stand in for `on_put` until somebody waits."""
