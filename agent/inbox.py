"""What the broker's thread hands over to a service's thread, limited in bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from agent.mqtt_message import Inbound

PATIENCE_SECONDS = 20.0
"""How long the broker's thread may wait for room: less than one and a half keep-alives, when it is given up."""


class Inbox:
    """Messages in order of arrival.

    What was taken counts until it is released, for it is still in memory. One message is let in however large it is.

    Attributes:
        on_arrival: called when there is something to take, in the thread that put it.
    """

    def __init__(self, *, limit_bytes: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.on_arrival: Callable[[], None] = _nobody_waits
        self._limit_bytes = limit_bytes
        self._patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._messages: deque[Inbound] = deque()
        self._bytes = 0
        self._is_open = True

    def put(self, message: Inbound) -> bool:
        """Add a message, and wait for room where there is none.

        False where it was dropped: the inbox is closed, or there was no room in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(message) or not self._is_open, self._patience_seconds)
            if not self._is_open or not self._has_room(message):
                return False
            self._messages.append(message)
            self._bytes += message.size
        self.on_arrival()
        return True

    def take(self, limit: int) -> list[Inbound]:
        """Give the oldest messages, at most `limit`; `release` them when they are done with."""
        with self._changed:
            return [self._messages.popleft() for _ in range(min(limit, len(self._messages)))]

    def release(self, messages: Sequence[Inbound]) -> None:
        """Make room where messages that were taken are no longer needed."""
        with self._changed:
            self._bytes -= sum(message.size for message in messages)
            self._changed.notify_all()

    def close(self) -> None:
        """Drop what waits, and whatever comes until `open`."""
        with self._changed:
            self._is_open = False
            self._bytes -= sum(message.size for message in self._messages)
            self._messages.clear()
            self._changed.notify_all()

    def open(self) -> None:
        """Take messages again."""
        with self._changed:
            self._is_open = True

    def waiting_bytes(self) -> int:
        """Tell how much memory messages keep here, about."""
        return self._bytes

    def _has_room(self, message: Inbound) -> bool:
        return self._bytes == 0 or self._bytes + message.size <= self._limit_bytes


def _nobody_waits() -> None:
    """Stand in for `on_arrival` until somebody waits."""
