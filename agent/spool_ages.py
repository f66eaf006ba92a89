"""What time does to jobs: ends what waited too long, forgets what ended long ago, but not by a doubtful clock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from agent.accounts import Accounts
from agent.clock_watch import ClockWatch
from agent.config_schema import SpoolConfig
from agent.job import JobState
from agent.outage import Outages
from agent.outbox import Note, Outbox
from agent.spool_table import JobTable

log = logging.getLogger(__name__)

PAUSE_SECONDS = 30.0
KEPT_BACK_PAUSE_SECONDS = 2.0

OVERDUE = """
    SELECT * FROM jobs WHERE state <= 4 AND stage IN ('incoming', 'received')
    AND (expires_at <= :at OR coalesce(waits_since, received_at) <= :oldest AND NOT is_undated) ORDER BY +seq"""
"""The + has SQLite look at the jobs that wait, not at all that ever ended."""
NEXT_END = "SELECT min(expires_at) FROM jobs WHERE state <= 4 AND stage IN ('incoming', 'received')"
FORGETTABLE = "SELECT * FROM jobs WHERE updated_at <= :oldest AND state >= 7 ORDER BY updated_at, seq"
UNDATED = "SELECT 1 FROM jobs WHERE is_undated AND state <= 4 LIMIT 1"
DATE = """
    UPDATE jobs SET received_at = :at, is_undated = 0, undated_seconds = NULL,
        expires_at = min(coalesce(expires_at, :at + undated_seconds), coalesce(:at + undated_seconds, expires_at))
    WHERE is_undated AND state <= 4"""
SET_BACK = """
    UPDATE jobs SET received_at = min(received_at, :at), waits_since = min(waits_since, :at),
        updated_at = min(updated_at, :at)
    WHERE updated_at > :at"""


class Ages:
    """Ends, forgets and dates jobs."""

    def __init__(
        self,
        *,
        table: JobTable,
        accounts: Accounts,
        outages: Outages,
        watch: ClockWatch,
        outbox: Outbox,
        discard: Callable[[str], None],
        limits: SpoolConfig,
    ) -> None:
        self._table = table
        self._store = table.store
        self._accounts = accounts
        self._outages = outages
        self._watch = watch
        self._outbox = outbox
        self._discard = discard
        self._limits = limits

    def expire(self) -> int:
        """Abort the waiting and held jobs that are past their time; give how many."""
        at = self._settled_at()
        with self._store.transaction():
            rows = self._store.query(OVERDUE, {"at": at, "oldest": at - self._limits.max_age})
            for row in rows:
                log.info("job %s: expired before it was printed", row["id"])
                message = "expired before it was printed"
                self._table.change(row, state=JobState.ABORTED, state_reasons=("agent-expired",), message=message)
        return len(rows)

    def prune(self) -> int:
        """Forget the jobs that ended long ago, clear their topics and remove their documents; give how many."""
        at = self._settled_at()
        self._accounts.prune(at)
        with self._store.transaction() as connection:
            rows = self._store.query(FORGETTABLE, {"oldest": at - self._limits.keep})
            for row in rows:
                connection.execute("DELETE FROM jobs WHERE seq = ?", (row["seq"],))
                self._outbox.put(Note(f"jobs/{row['id']}", b"", retain=True))
                if row["file"]:
                    self._store.on_commit(partial(self._discard, row["file"]))
        return len(rows)

    def step(self) -> tuple[float, bool]:
        """Do what is due; give the seconds until the next time, and whether there are jobs to be claimed now."""
        self._date_anew()
        self.expire()
        self.prune()
        has_let_go = self._outages.step()
        return KEPT_BACK_PAUSE_SECONDS if self._table.kept_back else self._seconds_to_next_end(), has_let_go

    def _seconds_to_next_end(self) -> float:
        at = self._settled_at()
        end = self._store.query(NEXT_END)[0][0] if at else None
        return PAUSE_SECONDS if end is None else min(PAUSE_SECONDS, max(0.0, end - at))

    def _settled_at(self) -> float:
        """Give the moment to judge by: 0 also for a while after the clock jumped, since it may be set back."""
        return self._table.judged_at() if self._watch.is_settled() else 0.0

    def _date_anew(self) -> None:
        """Date what a clock that was behind or ahead has dated, once it is believed: nothing waits for ever for it."""
        at = self._settled_at()
        if at and self._store.query(UNDATED):
            self._store.write(DATE, {"at": at})
        elif not at and self._watch.is_trusted() and (present := self._table.plausible_now()):
            self._set_back(present)

    def _set_back(self, at: float) -> None:
        log.warning("the clock was ahead and is believed to be right now: what it has dated is dated anew")
        with self._store.transaction():
            self._store.write(SET_BACK, {"at": at})
            self._accounts.set_back(at)
            self._outages.set_back(at)
