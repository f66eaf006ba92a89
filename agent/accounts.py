"""Who printed what: the account of ended jobs, and what each publisher has had today, against its limits.

Both outlive the jobs of the spool, and are written in the transactions that accept and end them. The account is for
whoever bills for printing; what counts for limits is in `agent.limits`. A day never goes back, whatever the clock does,
so that one that jumps gives nobody a second day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from agent.config_schema import AccountConfig, LimitsConfig, UserConfig
from agent.errors import InputError, TicketError
from agent.job import Job, JobState
from agent.limits import Usage, day_of, end_of, exceeded, limits_of
from agent.model import Clock, timestamp
from agent.spool_rows import WAITING_PAGES, moment
from agent.store import Row, Store

SCHEMA = (
    """CREATE TABLE usage (
        day TEXT NOT NULL,
        publisher TEXT NOT NULL,
        jobs INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        pages INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (day, publisher)) WITHOUT ROWID""",
    """CREATE TABLE account (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL,
        printer_id TEXT NOT NULL,
        user TEXT,
        claimed_user TEXT,
        name TEXT,
        state INTEGER NOT NULL,
        state_reasons TEXT NOT NULL,
        impressions_completed INTEGER,
        copies INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        format TEXT NOT NULL,
        size INTEGER NOT NULL,
        received_at REAL NOT NULL,
        ended_at REAL NOT NULL)""",
    "CREATE INDEX account_ended ON account (ended_at)",
)
ADD_USAGE = """
    INSERT INTO usage (day, publisher, jobs, bytes, pages) VALUES (:day, :publisher, :jobs, :bytes, :pages)
    ON CONFLICT DO UPDATE
    SET jobs = jobs + excluded.jobs, bytes = bytes + excluded.bytes, pages = pages + excluded.pages"""
ADD_TO_ACCOUNT = """
    INSERT INTO account (job_id, printer_id, user, claimed_user, name, state, state_reasons, impressions_completed,
        copies, attempts, format, size, received_at, ended_at)
    VALUES (:job_id, :printer_id, :user, :claimed_user, :name, :state, :state_reasons, :impressions_completed,
        :copies, :attempts, :format, :size, :received_at, :ended_at)"""
READ_ACCOUNT = """
    SELECT * FROM account
    WHERE seq > :after AND (:user IS NULL OR user = :user) AND (:printer_id IS NULL OR printer_id = :printer_id)
        AND (:since IS NULL OR ended_at >= :since) AND (:until IS NULL OR ended_at < :until)
    ORDER BY seq LIMIT :limit"""
PRINTED = """
    SELECT printer_id, count(*) AS jobs, coalesce(sum(impressions_completed), 0) AS pages FROM account
    WHERE state = ? GROUP BY printer_id"""
USAGE = "SELECT jobs, bytes, pages FROM usage WHERE day = ? AND publisher = ?"
TOO_MANY = "DELETE FROM account WHERE seq <= (SELECT max(seq) FROM account) - ?"
NO_LIMITS = LimitsConfig()
DEFAULT_ACCOUNT = AccountConfig()
DAYS_KEPT = 7
PAGE_ROWS = 1000
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the account is asked for; None is all.

    `since` is included, `until` is not; `after` is the `entry` of the last row of the page before.
    """

    since: datetime | None = None
    until: datetime | None = None
    user: str | None = None
    printer_id: str | None = None
    after: int = 0


class Accounts:
    """What each has printed, and may still print today.

    Attributes:
        refused: how many tickets were refused for a limit since the agent started.
    """

    def __init__(
        self,
        *,
        store: Store,
        now: Clock,
        limits: LimitsConfig = NO_LIMITS,
        users: Sequence[UserConfig] = (),
        account: AccountConfig = DEFAULT_ACCOUNT,
    ) -> None:
        self.refused = 0
        self._store = store
        self._now = now
        self._limits = limits
        self._users = tuple(users)
        self._account = account

    def open(self) -> None:
        """Make the tables where they aren't there yet."""
        self._store.migrate("accounts", SCHEMA)

    def check(self, publisher: str, *, size: int, copies: int, job_id: str | None) -> None:
        """Make sure that a publisher may have one more job.

        Of pages only those of ended jobs are known: a job that waits counts as a page a copy until it has ended.

        Raises:
            TicketError: it would be over one of its limits; the message names it and when the next day begins.
        """
        limits = limits_of(publisher, self._limits, self._users)
        if limits == NO_LIMITS:
            return
        day = _present_day(self._store, self._now())
        rows = self._store.query(USAGE, (day, publisher))
        used = Usage(*rows[0]) if rows else Usage()
        key = exceeded(limits, _with_waiting(self._store, publisher, used, limits), Usage(1, size, copies))
        if key is not None:
            self.refused += 1
            who = publisher or "publishers whose topic names no user"
            raise TicketError(
                f"{who}: no more than {getattr(limits, key)} {key.replace('_', ' ')};"
                f" the next day begins at {_when(day)} ({key})",
                reason="agent-limit-exceeded",
                job_id=job_id,
            )

    def charge(self, publisher: str, size: int) -> None:
        """Count a job that is accepted, within its transaction."""
        self._add(publisher, Usage(jobs=1, bytes=size))

    def charge_bytes(self, publisher: str, size: int) -> None:
        """Count what a document that was fetched has beyond what its ticket told."""
        self._add(publisher, Usage(bytes=size))

    def note_end(self, job: Job) -> None:
        """Put an ended job into the account and count its pages, within the transaction that ends it."""
        self._store.write(ADD_TO_ACCOUNT, _columns(job))
        if job.publisher is not None and (pages := _pages(job)):
            self._add(job.publisher, Usage(pages=pages))

    def read(self, selection: Selection) -> list[dict[str, Any]]:
        """Read a page of the account, as `read_account`."""
        return read_account(self._store, selection)

    def at_limit(self) -> list[dict[str, Any]]:
        """Name the publishers that may have no more today, as `read_at_limit`."""
        return read_at_limit(self._store, self._limits, self._users, self._now())

    def prune(self, at: float) -> None:
        """Forget what is older than the account keeps, judged at `at` (0: the clock can't tell), or is too much."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM account WHERE ended_at <= ?", (at - self._account.keep,))
            connection.execute(TOO_MANY, (self._account.max_jobs,))
            if at > 0:
                oldest = day_of(moment(at - DAYS_KEPT * DAY_SECONDS))
                connection.execute("DELETE FROM usage WHERE day < ?", (oldest,))

    def set_back(self, at: float) -> None:
        """Move what a clock that was ahead has dated to `at`, which is the present, within a transaction."""
        today = day_of(moment(at))
        for row in self._store.query("SELECT * FROM usage WHERE day > ?", (today,)):
            self._store.write(ADD_USAGE, {**dict(row), "day": today})
        self._store.write("DELETE FROM usage WHERE day > ?", (today,))
        self._store.write("UPDATE account SET ended_at = ? WHERE ended_at > ?", (at, at))

    def _add(self, publisher: str, more: Usage) -> None:
        day = _present_day(self._store, self._now())
        counts = {"jobs": more.jobs, "bytes": more.bytes, "pages": more.pages}
        self._store.write(ADD_USAGE, {"day": day, "publisher": publisher, **counts})


def parse_selection(arguments: Mapping[str, Any], *, printer_id: str | None) -> Selection:
    """Read what the command line asks for.

    Raises:
        InputError: it is none of the times, texts and numbers that are asked for.
    """
    try:
        since, until = (
            datetime.fromisoformat(at) if (at := arguments.get(key)) else None for key in ("since", "until")
        )
        after, user = int(arguments.get("after") or 0), arguments.get("user")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"no part of the account: {error}") from error
    return Selection(since=since, until=until, user=user, printer_id=printer_id, after=after)


def read_printed(store: Store) -> dict[str, tuple[int, int]]:
    """Give the jobs that each printer has printed for us and their pages, by its id; also from a read-only store."""
    return {row["printer_id"]: (row["jobs"], row["pages"]) for row in store.query(PRINTED, (JobState.COMPLETED,))}


def read_account(store: Store, selection: Selection) -> list[dict[str, Any]]:
    """Read a page of the account as JSON can say it, the oldest first, also from a store open for reading only."""
    parameters = {
        "after": selection.after,
        "limit": PAGE_ROWS,
        "user": selection.user,
        "printer_id": selection.printer_id,
        "since": selection.since.timestamp() if selection.since else None,
        "until": selection.until.timestamp() if selection.until else None,
    }
    return [_entry(row) for row in store.query(READ_ACCOUNT, parameters)]


def read_at_limit(
    store: Store, limits: LimitsConfig, users: Sequence[UserConfig], now: datetime
) -> list[dict[str, Any]]:
    """Name the publishers that may have no more today, with the limit and the day's end; None is all without a user."""
    if limits == NO_LIMITS and not users:
        return []
    day = _present_day(store, now)
    told = []
    for publisher, *counts in store.query("SELECT publisher, jobs, bytes, pages FROM usage WHERE day = ?", (day,)):
        own = limits_of(publisher, limits, users)
        key = exceeded(own, _with_waiting(store, publisher, Usage(*counts), own), Usage(1, 1, 1))
        if key is not None:
            told.append({"user": publisher or None, "limit": key, "until": _when(day)})
    return told


def _columns(job: Job) -> Mapping[str, Any]:
    """Give the columns of an ended job; what one with a PIN is called stays its user's secret."""
    is_proven = bool(job.publisher)
    return {
        "job_id": job.id,
        "printer_id": job.printer_id,
        "user": job.publisher if is_proven else None,
        "claimed_user": None if is_proven else job.user,
        "name": None if job.has_pin else job.name,
        "state": job.state,
        "state_reasons": json.dumps(job.state_reasons),
        "impressions_completed": job.impressions_completed,
        "copies": job.options.copies,
        "attempts": job.attempts,
        "format": job.document.format,
        "size": job.document.size,
        "received_at": job.received_at.timestamp(),
        "ended_at": job.updated_at.timestamp(),
    }


def _entry(row: Row) -> dict[str, Any]:
    return {
        "entry": row["seq"],
        "id": row["job_id"],
        "printer": row["printer_id"],
        "user": row["user"],
        "claimed_user": row["claimed_user"],
        "name": row["name"],
        "state": JobState(row["state"]).keyword,
        "state_reasons": json.loads(row["state_reasons"]),
        "impressions_completed": row["impressions_completed"],
        "copies": row["copies"],
        "attempts": row["attempts"],
        "document_format": row["format"],
        "size": row["size"],
        "received_at": timestamp(moment(row["received_at"])),
        "ended_at": timestamp(moment(row["ended_at"])),
    }


def _pages(job: Job) -> int:
    """Count the pages of an ended job: what the printer says, else at least one a copy of what was printed."""
    if job.impressions_completed is not None:
        return job.impressions_completed
    return job.options.copies if job.state is JobState.COMPLETED else 0


def _with_waiting(store: Store, publisher: str, used: Usage, limits: LimitsConfig) -> Usage:
    """Add the pages that jobs count as until they have ended, where there is a limit to pages."""
    if not limits.pages_per_day:
        return used
    return replace(used, pages=used.pages + store.query(WAITING_PAGES, (publisher,))[0][0])


def _present_day(store: Store, now: datetime) -> str:
    """Give today; while the clock is behind, the last day that anything was counted on."""
    return max(day_of(now), store.query("SELECT max(day) FROM usage")[0][0] or "")


def _when(day: str) -> str:
    return str(timestamp(end_of(day).astimezone(UTC)))
