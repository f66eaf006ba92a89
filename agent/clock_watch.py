"""How evenly the wall clock has run: a gateway has no battery, and its time is set, or wrong, while the agent runs."""

from __future__ import annotations

from collections.abc import Callable

from agent.model import Clock

EARLIEST = 1_704_067_200.0
"""2024-01-01: a clock that is behind it has not been set since the power came."""

JUMP_SECONDS = 30.0
"""More than NTP slews between two looks, less than anything that a job waits for."""

SETTLING_SECONDS = 600.0
TRUSTED_SECONDS = 86_400.0
LONGEST_ABSENCE_SECONDS = 30 * 86_400.0


class ClockWatch:
    """The wall clock beside one that only goes forward.

    Attributes:
        started_at: when this was made, by the clock that only goes forward.
    """

    def __init__(self, *, now: Clock, monotonic: Callable[[], float]) -> None:
        self._now = now
        self._monotonic = monotonic
        self.started_at = monotonic()
        self._ahead = now().timestamp() - self.started_at
        self._jumped_at: float | None = None

    def start_after(self, last_at: float) -> None:
        """Hear what was last on the disk: a start so long after it may be by a clock that is ahead."""
        if self._now().timestamp() - last_at > LONGEST_ABSENCE_SECONDS:
            self._jumped_at = self.started_at

    @property
    def uptime_seconds(self) -> float:
        """How long this watches, whatever the wall clock says."""
        return self._monotonic() - self.started_at

    def is_settled(self) -> bool:
        """Whether the clock has not jumped, or long enough ago that nobody has set it back at once."""
        self._look()
        return self._jumped_at is None or self._even_seconds() >= SETTLING_SECONDS

    def is_trusted(self) -> bool:
        """Whether it has run evenly for so long that it is believed even where it contradicts what is on the disk."""
        self._look()
        return self._even_seconds() >= TRUSTED_SECONDS

    def _even_seconds(self) -> float:
        return self._monotonic() - (self.started_at if self._jumped_at is None else self._jumped_at)

    def _look(self) -> None:
        present = self._monotonic()
        ahead = self._now().timestamp() - present
        if abs(ahead - self._ahead) > JUMP_SECONDS:
            self._jumped_at = present
        self._ahead = ahead
