"""Whose turn it is to log in to PrintOS, so that logins never come as a storm, whatever has ended all sessions at once.

Only logins wait here: a device whose session is open goes on meanwhile.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.errors import CloudRefusedError, CloudUnreachableError, LoginLaterError, LoginTurnError
from agent.loop import backoff

MOST_AT_ONCE = 2
AT_ONCE_PAUSE_SECONDS = 1.0
IN_A_ROW = 10
"""Where few logins were needed for a while, so many need not wait."""

LAPSE_SECONDS = 10.0
"""Who comes later than that has lost its turn: or all who were away meanwhile would come at once."""

DEVICE_LOGINS = 12
DEVICE_LOGIN_SECONDS = 300.0
"""A device may log in so often in a row, then once in so many seconds: 12 an hour."""

FAILURE_PAUSE_SECONDS = 5.0
FAILURE_PAUSE_CEILING_SECONDS = 300.0
ASKED_PAUSE_SPREAD = 0.1


class LoginTurns:
    """Gives devices their turns to log in, one after the other, evenly and with some jitter; safe in several threads.

    While the login service is out of order nobody gets one, but one device when each pause is over; the pauses grow,
    unless PrintOS itself says how long. A device that logs in again and again waits for itself alone.

    Args:
        per_minute: the most logins in a minute, but a few more after a quiet one.
        monotonic: the clock, in seconds.
        spread: gives a number from 0 to 1, to jitter by.
    """

    def __init__(
        self, *, per_minute: float, monotonic: Callable[[], float], spread: Callable[[], float] = random.random
    ) -> None:
        self._pause_seconds = 60.0 / per_minute
        self._monotonic = monotonic
        self._spread = spread
        self._lock = threading.Lock()
        self._turns: dict[str, float] = {}
        self._next_turn_at = 0.0
        self._under_way = 0
        self._spent: dict[str, tuple[float, float]] = {}
        self._failures = 0
        self._closed_until = 0.0
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why PrintOS takes no logins, empty where it does."""
        return self._problem

    @contextmanager
    def turn(self, device: str) -> Iterator[None]:
        """Hold a device's turn while it logs in; what the login comes to decides who gets one next.

        Raises:
            LoginTurnError: it is not its turn, which comes after `retry_after_seconds`.
            LoginLaterError: PrintOS takes no logins now; also in place of CloudUnreachableError of the login itself.
        """
        self._begin(device)
        try:
            yield
        except CloudUnreachableError as error:
            pause = self._failed(error)
            raise LoginLaterError(str(error), retry_after_seconds=pause) from error
        except CloudRefusedError:
            self._answered(device)
            raise
        else:
            self._answered(device)
        finally:
            with self._lock:
                self._under_way -= 1

    def _begin(self, device: str) -> None:
        with self._lock:
            now = self._monotonic()
            if now < self._closed_until:
                raise LoginLaterError(self._problem, retry_after_seconds=self._closed_until - now)
            wait = self._own_pause(device, now) or self._seconds_to_turn(device, now)
            if wait > 0:
                raise LoginTurnError("a device logs in when its turn comes", retry_after_seconds=wait)
            del self._turns[device]
            self._under_way += 1

    def _own_pause(self, device: str, now: float) -> float:
        """Give the seconds until a device may log in for all that it has done itself."""
        spent = self._spent_at(device, now)
        return max(0.0, spent + 1 - DEVICE_LOGINS) * DEVICE_LOGIN_SECONDS

    def _spent_at(self, device: str, now: float) -> float:
        spent, at = self._spent.get(device, (0.0, now))
        return max(0.0, spent - (now - at) / DEVICE_LOGIN_SECONDS)

    def _seconds_to_turn(self, device: str, now: float) -> float:
        at = self._turns.get(device)
        if at is None or at + LAPSE_SECONDS < now:
            turn_at = max(now - (IN_A_ROW - 1) * self._pause_seconds, self._next_turn_at)
            self._next_turn_at = turn_at + self._pause_seconds
            at = self._turns[device] = turn_at + self._pause_seconds * self._spread() / 2
        if at > now:
            return at - now
        return AT_ONCE_PAUSE_SECONDS if self._under_way >= MOST_AT_ONCE else 0.0

    def _answered(self, device: str) -> None:
        """Note that PrintOS took or refused a login: its service is there."""
        with self._lock:
            now = self._monotonic()
            self._spent[device] = (self._spent_at(device, now) + 1, now)
            self._failures, self._problem = 0, ""

    def _failed(self, error: CloudUnreachableError) -> float:
        """Note that a login got no answer; give the seconds until another is tried."""
        with self._lock:
            self._failures += 1
            self._problem = str(error)
            pause = self._pause_after(error.retry_after_seconds)
            self._closed_until = self._monotonic() + pause
            self._turns.clear()
            self._next_turn_at = self._closed_until
            return pause

    def _pause_after(self, asked_seconds: float | None) -> float:
        spread = self._spread()
        if asked_seconds:
            return asked_seconds * (1 + ASKED_PAUSE_SPREAD * spread)
        return backoff(self._failures, base=FAILURE_PAUSE_SECONDS, ceiling=FAILURE_PAUSE_CEILING_SECONDS, spread=spread)
