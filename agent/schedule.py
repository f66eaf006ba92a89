"""Who is read next: each when it is due, and who answers late or not at all never in everyone's way."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterable

Entry = tuple[float, int, str]
"""When somebody is due, a number that keeps the order of equals, and who it is."""


class Schedule:
    """When each printer is due; safe in several threads, each of which has a printer to itself from claim to release.

    Args:
        tardy_at_once: of those that are tardy, how many may be with threads at a time; the other threads are free for
            those that answer at once.
        monotonic: seconds that only rise.
    """

    def __init__(self, *, tardy_at_once: int, monotonic: Callable[[], float]) -> None:
        self._tardy_at_once = tardy_at_once
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._claimed: set[str] = set()
        self._tardy: set[str] = set()
        self._numbers = itertools.count()
        self._punctual_queue: list[Entry] = []
        self._tardy_queue: list[Entry] = []

    def keep(self, names: Iterable[str]) -> None:
        """Have exactly these; who is new is due now."""
        wanted = dict.fromkeys(names)
        with self._lock:
            for name in self._due.keys() - wanted.keys():
                del self._due[name]
                self._tardy.discard(name)
            if len(wanted) > len(self._due):
                for name in wanted:
                    if name not in self._due:
                        self._put(name, self._monotonic())

    def hurry(self, name: str) -> None:
        """Have one due now; while it is claimed, as soon as it is released."""
        with self._lock:
            if name in self._due:
                self._put(name, self._monotonic())

    def claim(self, *, otherwise_seconds: float) -> str | None:
        """Take who is most overdue; None where nobody is due.

        Args:
            otherwise_seconds: when it is due again if its release says nothing else.
        """
        with self._lock:
            present = self._monotonic()
            queue = min(self._open_queues(), key=lambda queue: queue[0], default=None)
            if queue is None or queue[0][0] > present:
                return None
            _, _, name = heapq.heappop(queue)
            self._claimed.add(name)
            self._due[name] = present + otherwise_seconds
            return name

    def release(self, name: str, *, pause_seconds: float | None = None, is_tardy: bool | None = None) -> None:
        """Give one back; None leaves when it is due, and whether it is tardy, as it was."""
        with self._lock:
            self._claimed.discard(name)
            if name not in self._due:
                return
            if is_tardy is not None:
                (self._tardy.add if is_tardy else self._tardy.discard)(name)
            present = self._monotonic()
            is_hurried = self._due[name] <= present
            self._put(name, self._due[name] if is_hurried or pause_seconds is None else present + pause_seconds)

    def seconds_to_next(self) -> float:
        """Say when somebody is due who may be claimed; infinity where nobody is."""
        with self._lock:
            due = min((queue[0][0] for queue in self._open_queues()), default=float("inf"))
            return max(0.0, due - self._monotonic())

    def _put(self, name: str, due: float) -> None:
        """Have one due at a moment; what stands in a queue under another moment is void."""
        self._due[name] = due
        if name not in self._claimed:
            heapq.heappush(
                self._tardy_queue if name in self._tardy else self._punctual_queue, (due, next(self._numbers), name)
            )

    def _open_queues(self) -> list[list[Entry]]:
        """Give the queues that may be claimed from, with nothing void at their heads."""
        queues = [self._punctual_queue]
        if len(self._claimed & self._tardy) < self._tardy_at_once:
            queues.append(self._tardy_queue)
        for queue in queues:
            while queue and self._is_void(queue[0]):
                heapq.heappop(queue)
        return [queue for queue in queues if queue]

    def _is_void(self, entry: Entry) -> bool:
        due, _, name = entry
        return name in self._claimed or self._due.get(name) != due
