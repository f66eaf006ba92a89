"""What was last heard of the orders that are followed, and when each may be asked about again.

Orders take hours or days, and Site Flow counts requests by the minute: an order is looked at ever more rarely, unless a
postback or a cancel makes it urgent.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.errors import PrinterBusyError
from agent.job import JobReading, JobState
from agent.printos.siteflow_pauses import pause_seconds
from agent.printos.siteflow_status import OrderRecord

MOST_ORDERS = 10_000
FIRST_LOOK_SECONDS = 1.0
SLOWER = 1.5
APPEARS_SECONDS = 900.0
"""How long an order may not be shown that was created: one service makes them later than it answers."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An order: what was last heard, and when it is due; moments are monotonic.

    `absent_since` is when it was first not shown; `is_cancelled` whether we have asked for its end.
    """

    record: OrderRecord
    reading: JobReading
    due_at: float
    pause_seconds: float
    absent_since: float | None = None
    is_cancelled: bool = False


class OrderWatch:
    """The orders that are followed; safe in several threads.

    Args:
        longest_seconds: the longest pause between two looks at an order.
    """

    def __init__(self, *, longest_seconds: float) -> None:
        self._longest_seconds = longest_seconds
        self._lock = threading.Lock()
        self._orders: OrderedDict[str, Watched] = OrderedDict()

    def put(self, record: OrderRecord, reading: JobReading, now: float) -> None:
        """Note what was heard of an order; one that has ended is watched no longer."""
        with self._lock:
            before = self._orders.pop(record.id, None)
            if reading.state is not None and reading.state.is_final:
                return
            pause = FIRST_LOOK_SECONDS if before is None else min(SLOWER * before.pause_seconds, self._longest_seconds)
            is_cancelled = before is not None and before.is_cancelled
            self._orders[record.id] = Watched(record, reading, now + pause, pause, is_cancelled=is_cancelled)
            while len(self._orders) > MOST_ORDERS:
                self._orders.popitem(last=False)

    def get(self, order_id: str) -> Watched | None:
        """Give what was last heard of an order; None where nothing was."""
        with self._lock:
            return self._orders.get(order_id)

    def absent(self, order_id: str, now: float) -> JobReading | None:
        """Note that an order isn't shown; give what that means while it may still appear, then None."""
        waiting = JobReading(
            JobState.PROCESSING, device_job_id=order_id, message="Site Flow does not show the order yet"
        )
        with self._lock:
            watched = self._orders.get(order_id)
        if watched is None:
            self.put(OrderRecord(order_id), waiting, now)
            watched = self.get(order_id)
        assert watched is not None
        since = now if watched.absent_since is None else watched.absent_since
        if now - since >= APPEARS_SECONDS:
            return None
        pause = min(SLOWER * watched.pause_seconds, self._longest_seconds)
        with self._lock:
            self._orders[order_id] = replace(watched, absent_since=since, due_at=now + pause, pause_seconds=pause)
        return watched.reading

    def cancelled(self, order_id: str) -> None:
        """Note that we have asked for an order's end, and look soon."""
        self._hurry(order_id, is_cancelled=True)

    def hurry(self, source_order_ids: Iterable[str]) -> list[str]:
        """Have the orders of these own ids looked at now; give Site Flow's ids of those that are watched."""
        wanted = frozenset(source_order_ids)
        with self._lock:
            found = [order_id for order_id, it in self._orders.items() if it.record.source_order_id in wanted]
        for order_id in found:
            self._hurry(order_id, is_cancelled=False)
        return found

    def _hurry(self, order_id: str, *, is_cancelled: bool) -> None:
        with self._lock:
            watched = self._orders.get(order_id)
            if watched is not None:
                self._orders[order_id] = replace(
                    watched,
                    due_at=0.0,
                    pause_seconds=FIRST_LOOK_SECONDS,
                    is_cancelled=watched.is_cancelled or is_cancelled,
                )


class Gate:
    """Keeps everything from Site Flow while it wants to be left alone; safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._opens_at = 0.0

    def check(self, now: float) -> None:
        """Let nobody through before its time.

        Raises:
            PrinterBusyError: it is closed.
        """
        left = self._opens_at - now
        if left > 0:
            raise PrinterBusyError("Site Flow has asked for patience", retry_after_seconds=left)

    def close(self, now: float, *, asked_seconds: float | None, is_throttled: bool) -> float:
        """Close for as long as Site Flow asked for, else as HP's SDKs wait; gives the seconds."""
        with self._lock:
            self._failures += 1
            seconds = asked_seconds or pause_seconds(self._failures, is_throttled=is_throttled)
            self._opens_at = max(self._opens_at, now + seconds)
            return self._opens_at - now

    def open(self) -> None:
        """Note that Site Flow answers."""
        with self._lock:
            self._failures = 0
