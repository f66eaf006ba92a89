"""What of the spool is on its way to a printer, in numbers."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from agent.store import Store

INTERPRETING = frozenset({"job-interpreting", "job-transforming"})
"""RFC 8011 5.3.8: a job's data are being made into pages, …"""

PRINTING = frozenset({"job-printing"})
"""… and the first of them is being printed."""

QUEUE = """
    SELECT count(*) AS jobs,
        count(*) FILTER (WHERE state > 3 AND stage IN ('created', 'sending', 'left', 'sent')) AS in_printer,
        coalesce(sum(coalesce(json_extract(options, '$.copies'), 1)) FILTER (WHERE state = 3), 0) AS copies
    FROM jobs WHERE state IN (3, 4, 5, 6) AND printer_id = ?"""

UNDER_WAY = "SELECT printer_id, state_reasons FROM jobs WHERE state = 5"


@dataclass(frozen=True, slots=True)
class PrinterQueue:
    """Our jobs for one printer: those that have not ended, those of them that it has, the copies that wait to be sent.

    A job of unknown outcome counts among those that it has.
    """

    jobs: int
    in_printer: int
    copies: int


def read_queue(store: Store, printer_id: str) -> PrinterQueue:
    """Count the jobs of a printer."""
    row = store.query(QUEUE, (printer_id,))[0]
    return PrinterQueue(row["jobs"], row["in_printer"], row["copies"])


def read_interpreting(store: Store) -> frozenset[str]:
    """Give the printers that say of our job that they make pages of it and don't print yet."""
    rows = store.query(UNDER_WAY)
    return frozenset(row["printer_id"] for row in rows if _is_interpreted(json.loads(row["state_reasons"])))


def _is_interpreted(reasons: Collection[str]) -> bool:
    return not INTERPRETING.isdisjoint(reasons) and PRINTING.isdisjoint(reasons)
