"""Whether a ticket is a job already: by its id, or because the broker delivers it again."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from agent.errors import ConflictError
from agent.store import Row, Store

REDELIVERED = "SELECT jobs.* FROM deliveries JOIN jobs ON id = job_id WHERE packet_id = ? AND deliveries.digest = ?"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How MQTT delivered a ticket at QoS 1: its packet identifier, and whether the DUP flag was set."""

    packet_id: int
    dup: bool


class Deliveries:
    """The packet identifiers that are open, and the jobs that came by them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def known(self, job_id: str | None, digest: bytes, delivery: Delivery | None) -> Row | None:
        """Find the row of the job that a ticket is already, None where it is new.

        Raises:
            ConflictError: there is another job of this id.
        """
        rows = self._store.query("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if rows and not hmac.compare_digest(rows[0]["digest"], digest):
            raise ConflictError(f"there is another job {job_id}")
        if not rows and delivery is not None and delivery.dup:
            rows = self._store.query(REDELIVERED, (delivery.packet_id, digest))
        return rows[0] if rows else None

    def open(self, delivery: Delivery | None, digest: bytes, job_id: str) -> None:
        """Note by which packet identifier a job came, within the transaction that accepts it."""
        if delivery is not None:
            self._store.write(
                "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?)", (delivery.packet_id, digest, job_id)
            )

    def forget(self) -> None:
        """Close every packet identifier, because the broker has begun a new session."""
        self._store.write("DELETE FROM deliveries")
