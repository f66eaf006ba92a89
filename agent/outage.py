"""Jobs that waited through an outage of the agent or of its link to the broker: printed, held or dropped.

Of the agent: jobs that wait on the disk for their printer, and that nobody has touched since the agent was last alive.
Of the link: tickets that the broker kept, which come in one unbroken run after the reconnection; one that says when it
was made (`created_at`) has waited since then, one that does not, since the link went. A printer that is off is no
outage, and what a person holds is a person's to release.

A gateway without a battery starts with a clock that is behind, so that nobody knows how long it was off: what waited
is kept back until the clock is set, and is held where that takes too long.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from agent.clock_watch import ClockWatch
from agent.config_schema import SpoolConfig
from agent.job import Job, JobState
from agent.model import Clock
from agent.spool_rows import incoming_reasons, other_reasons
from agent.spool_table import JobTable
from agent.store import Row, Store

log = logging.getLogger(__name__)

Consequence = Literal["hold", "drop"]

SCHEMA = ("CREATE TABLE alive (what TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",)
NOTE = "INSERT OR REPLACE INTO alive VALUES (?, ?)"
WAITING = """
    SELECT * FROM jobs WHERE state = 3 AND stage = 'received' OR state = 4 AND stage = 'incoming' ORDER BY seq"""
AGENT_AWAY = "it waited here while the agent was not running"
LINK_AWAY = "it waited at the broker while the agent was not connected"

CLOCK_PATIENCE_SECONDS = 120.0
QUIET_SECONDS = 10.0
LONGEST_RUN_SECONDS = 300.0
NOTES_AN_OUTAGE = 10
LONGEST_NOTE_PAUSE_SECONDS = 300.0


class Outages:
    """What outages there were, and what becomes of the jobs that waited through them.

    Nothing is written and nothing waits where `spool.after_outage` is `print`.
    """

    def __init__(
        self,
        *,
        store: Store,
        table: JobTable,
        watch: ClockWatch,
        limits: SpoolConfig,
        now: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._table = table
        self._watch = watch
        self._policy = limits.after_outage
        self._seconds = limits.outage_seconds
        self._now = now
        self._monotonic = monotonic
        self._alive_at: float | None = None
        self._linked_at: float | None = None
        self._noted_at = -math.inf
        self._waiting: dict[int, int] = {}
        self._link_lost_at: float | None = None
        self._is_linked = False
        self._run = _Run(monotonic)

    def open(self) -> None:
        """Read when the agent and its link were last alive; called before anything is changed."""
        self._store.migrate("outage", SCHEMA)
        noted = {row["what"]: row["at"] for row in self._store.query("SELECT * FROM alive")}
        touched = self._store.query("SELECT max(updated_at) FROM jobs")[0][0]
        self._alive_at = max((at for at in (noted.get("agent"), touched) if at is not None), default=None)
        self._linked_at = noted.get("link")
        if self._alive_at is not None:
            self._watch.start_after(self._alive_at)

    def begin(self) -> None:
        """Keep back what waits from before this start until it is known how long the agent was away."""
        if self._policy != "print" and self._alive_at is not None:
            rows = self._store.query(WAITING)
            self._waiting = {row["seq"]: row["attempts"] for row in rows if not _is_held_by_people(row)}
            self._table.kept_back = max(self._waiting, default=0)
            self.step()

    def step(self) -> bool:
        """Judge what waits from before this start, and note being alive; True where jobs were let go to their printers.

        It is judged again when the clock was set late.
        """
        if self._policy == "print":
            return False
        was_kept_back = self._table.kept_back > 0
        self._judge()
        self._note_alive()
        return was_kept_back and self._table.kept_back == 0

    def link_up(self, *, session_present: bool) -> None:
        """Hear that the broker is connected; where it has kept the session, it sends what has come meanwhile."""
        away = self._link_away_seconds()
        self._is_linked, self._link_lost_at = True, None
        self._noted_at = -math.inf
        if session_present and away > self._seconds:
            self._run.begin(is_known=away < math.inf)

    def link_down(self) -> None:
        """Hear that the broker is no longer connected."""
        if self._is_linked:
            self._link_lost_at = self._monotonic()
        self._is_linked = False

    def idle(self) -> None:
        """Hear that nothing more waits to be taken in."""
        self._run.pause()

    def consequence(self, created_at: datetime | None) -> Consequence | None:
        """Tell what an outage means for a ticket that has come now; `created_at` is its own word, None without."""
        if self._policy == "print" or not self._run.goes_on():
            return None
        if not self._run.is_known or not self._is_clock_right():
            return "hold"
        waited = math.inf if created_at is None else (self._now() - created_at).total_seconds()
        return self._policy if waited > self._seconds else None

    def settle(self, row: Row, consequence: Consequence, why: str = LINK_AWAY) -> Job:
        """Hold or drop a job that waited through an outage, and tell of it, within a transaction."""
        log.info("job %s: %s", row["id"], f"{why} ({consequence})")
        if consequence == "drop":
            reasons = ("agent-dropped-after-outage",)
            return self._table.change(row, state=JobState.ABORTED, state_reasons=reasons, message=why)
        return self._table.change(
            row,
            state=JobState.PENDING_HELD,
            state_reasons=(*incoming_reasons(row), "agent-held-after-outage"),
            message=f"{why}; release it, or cancel it",
        )

    def set_back(self, at: float) -> None:
        """Move what a clock that was ahead has noted to `at`, which is the present, within a transaction."""
        self._store.write("UPDATE alive SET at = ? WHERE at > ?", (at, at))
        self._alive_at = None if self._alive_at is None else min(self._alive_at, at)
        self._linked_at = None if self._linked_at is None else min(self._linked_at, at)

    def _judge(self) -> None:
        if not self._waiting:
            return
        if self._is_clock_right():
            away = self._now().timestamp() - self._watch.uptime_seconds - (self._alive_at or 0.0)
            consequence = self._policy if away > self._seconds else None
        elif self._watch.uptime_seconds < CLOCK_PATIENCE_SECONDS:
            return
        else:
            consequence = "hold"
        if consequence in ("hold", "drop"):
            self._settle_waiting(consequence)
        self._table.kept_back = 0

    def _settle_waiting(self, consequence: Consequence) -> None:
        with self._store.transaction():
            for row in self._store.query(WAITING):
                if self._waiting.get(row["seq"]) == row["attempts"]:
                    self.settle(row, consequence, AGENT_AWAY)
        self._waiting = {}

    def _note_alive(self) -> None:
        pause = min(self._seconds / NOTES_AN_OUTAGE, LONGEST_NOTE_PAUSE_SECONDS)
        present, at = self._monotonic(), self._now().timestamp()
        if present - self._noted_at < pause or not (self._is_clock_right() and self._watch.is_settled()):
            return
        with self._store.lazy_transaction() as connection:
            connection.execute(NOTE, ("agent", at))
            if self._is_linked:
                connection.execute(NOTE, ("link", at))
        self._noted_at = present

    def _is_clock_right(self) -> bool:
        return self._table.judged_at() >= max(self._alive_at or 0.0, 1.0)

    def _link_away_seconds(self) -> float:
        """Tell how long the link was away; infinite where the clock is behind, so that nobody knows."""
        if self._is_linked:
            return 0.0
        if self._link_lost_at is not None:
            return self._monotonic() - self._link_lost_at
        if self._linked_at is None:
            return 0.0
        return self._now().timestamp() - self._linked_at if self._is_clock_right() else math.inf


def _is_held_by_people(row: Row) -> bool:
    """Whether a job waits for a person; one that is pending may have reasons too: its printer did not answer."""
    return bool(row["state"] == JobState.PENDING_HELD and other_reasons(row))


class _Run:
    """The unbroken run of messages that a broker sends after a reconnection.

    Attributes:
        is_known: whether it is known how long the link was away.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.is_known = True
        self._monotonic = monotonic
        self._ends_at = -math.inf
        self._idle_at = math.inf

    def begin(self, *, is_known: bool) -> None:
        """Begin when the broker is connected."""
        self.is_known = is_known
        self._idle_at = math.inf
        self._ends_at = self._monotonic() + LONGEST_RUN_SECONDS

    def pause(self) -> None:
        """Note that everything has been taken in that came."""
        self._idle_at = min(self._idle_at, self._monotonic())

    def goes_on(self) -> bool:
        """Whether a message that has come now still belongs to it."""
        present = self._monotonic()
        if present > self._ends_at or present - self._idle_at > QUIET_SECONDS:
            self._ends_at = -math.inf
            return False
        self._idle_at = math.inf
        return True
