"""Jobs whose document is elsewhere: accepted at once, held as `job-incoming` until it is whole on the disk.

The URL is kept only here, and only until the document is there or the job has ended: a trigger sees to that.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.document_format import UNKNOWN_FORMAT
from agent.document_reference import Reference, parse_url
from agent.errors import SpoolFullError
from agent.job import Job, JobState
from agent.loop import backoff
from agent.spool_documents import Documents, name_of_incoming, part_of
from agent.spool_room import Room
from agent.spool_rows import INCOMING_REASONS, other_reasons
from agent.spool_table import JobTable
from agent.store import Row, Store

log = logging.getLogger(__name__)

ADD = """
    INSERT INTO incoming (seq, url, host, sha256, size, reserved) VALUES (?, ?, ?, ?, ?, ?)"""
TAKE = """
    SELECT incoming.*, jobs.id FROM incoming JOIN jobs ON jobs.seq = incoming.seq
    WHERE incoming.seq NOT IN (SELECT value FROM json_each(:left_alone))
        AND host NOT IN (SELECT value FROM json_each(:busy_hosts))
    ORDER BY incoming.seq LIMIT 1"""
PAUSE_CEILING_SECONDS = 300.0
ASKED_PAUSE_CEILING_SECONDS = 900.0
FETCHES_PER_HOST = 2


@dataclass(frozen=True, slots=True)
class Incoming:
    """A document that is being fetched, for one job.

    `host` is its URL's; `failures` is how often in a row it did not come; `validator` is what If-Range takes of the
    answer that the part came in, None where it had none.
    """

    seq: int
    job_id: str
    reference: Reference
    host: str
    failures: int = 0
    validator: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The name of its document."""
        return name_of_incoming(self.seq)


@dataclass(frozen=True, slots=True)
class Pause:
    """When a document is tried again, by the monotonic clock, and after how many failures in a row."""

    until: float
    failures: int


class IncomingDocuments:
    """The documents that have yet to come; safe in several threads, each of which then has a document of its own.

    Args:
        store: where the rows are.
        table: the jobs that wait for them.
        documents: where they go.
        room: what they may take.
        charge: charges a publisher with bytes that its ticket did not tell of.
        monotonic: for pauses.

    Attributes:
        on_work: called after the commit of a job whose document can be fetched.
    """

    def __init__(
        self,
        *,
        store: Store,
        table: JobTable,
        documents: Documents,
        room: Room,
        charge: Callable[[str, int], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.documents = documents
        self._store = store
        self._table = table
        self._room = room
        self._charge = charge
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._taken: dict[int, str] = {}
        self._pauses: dict[int, Pause] = {}
        self.on_work: Callable[[], None] = _nobody_works

    def files(self) -> frozenset[str]:
        """Name the files that may be there of documents that have yet to come."""
        names = [name_of_incoming(row["seq"]) for row in self._store.query("SELECT seq FROM incoming")]
        return frozenset([*names, *map(part_of, names)])

    def add(self, job: Job, reference: Reference) -> None:
        """Note what a new job's document is, in the transaction that makes the job; room of its size is reserved."""
        seq = self._table.row(job.id)["seq"]
        host, size = parse_url(reference.url).host, reference.size
        self._store.write(ADD, (seq, reference.url, host, reference.sha256, size, size or 0))
        self._store.on_commit(self._announce)

    def take(self) -> Incoming | None:
        """Choose the document to fetch next: the first to have come whose pause is over and whose host has not enough.

        It is the caller's until `give_back`.
        """
        with self._lock:
            now = self._monotonic()
            paused = [seq for seq, pause in self._pauses.items() if now < pause.until]
            hosts = list(self._taken.values())
            busy = [host for host in set(hosts) if hosts.count(host) >= FETCHES_PER_HOST]
            parameters = {"left_alone": json.dumps([*paused, *self._taken]), "busy_hosts": json.dumps(busy)}
            rows = self._store.query(TAKE, parameters)
            if not rows:
                self._forget_ended()
                return None
            self._taken[rows[0]["seq"]] = rows[0]["host"]
            pause = self._pauses.get(rows[0]["seq"])
        return _incoming(rows[0], failures=0 if pause is None else pause.failures)

    def give_back(self, incoming: Incoming) -> None:
        """Let another thread have it; what has come of a document that nobody wants any more is removed."""
        try:
            if not self.is_wanted(incoming):
                self._table.discard_part(incoming.seq)
        finally:
            with self._lock:
                self._taken.pop(incoming.seq, None)

    def seconds_to_next(self) -> float | None:
        """Say when the next pause ends; None where none is running."""
        now = self._monotonic()
        with self._lock:
            return min((pause.until - now for pause in self._pauses.values() if pause.until > now), default=None)

    def is_wanted(self, incoming: Incoming) -> bool:
        """Whether its job still waits for it: it was neither cancelled, nor did it expire."""
        return bool(self._store.query("SELECT 1 FROM incoming WHERE seq = ?", (incoming.seq,)))

    def reserve(self, incoming: Incoming, size: int) -> None:
        """Reserve room for a document of at least `size` bytes.

        Raises:
            SpoolFullError: there is no room now.
        """
        with self._store.lazy_transaction():
            rows = self._store.query("SELECT reserved FROM incoming WHERE seq = ?", (incoming.seq,))
            more = size - rows[0]["reserved"] if rows else 0
            if more > 0:
                if more > self._room.left_bytes():
                    raise SpoolFullError(f"no room in the spool for {size} bytes")
                self._store.write("UPDATE incoming SET reserved = ? WHERE seq = ?", (size, incoming.seq))

    def release(self, incoming: Incoming) -> None:
        """Reserve no more than the ticket tells, since nothing of the document is kept."""
        self._store.write(
            "UPDATE incoming SET reserved = coalesce(size, 0), validator = NULL WHERE seq = ?", (incoming.seq,)
        )

    def note_validator(self, incoming: Incoming, validator: str | None) -> None:
        """Note what tells the answer that comes from a changed one, for the day that it breaks off."""
        with self._store.lazy_transaction():
            self._store.write("UPDATE incoming SET validator = ? WHERE seq = ?", (validator, incoming.seq))

    def arrived(self, incoming: Incoming, *, size: int, document_format: str) -> Job | None:
        """Let the job go on, since its document is whole and on the disk; None where nobody wants it any more.

        Args:
            incoming: the document.
            size: its bytes.
            document_format: what its first bytes tell, which counts where the ticket tells nothing.
        """
        with self._table.edit(incoming.job_id) as row:
            if not self.is_wanted(incoming):
                return None
            self.documents.finish(incoming.name)
            self._store.before_commit(self.documents.sync)
            self._store.write("DELETE FROM incoming WHERE seq = ?", (incoming.seq,))
            if row["publisher"] is not None and size > row["size"]:
                self._charge(row["publisher"], size - row["size"])
            reasons = other_reasons(row)
            return self._table.change(
                row,
                state=JobState.PENDING_HELD if reasons else JobState.PENDING,
                stage="received",
                state_reasons=reasons,
                message="",
                file=incoming.name,
                size=size,
                format=document_format if row["format"] == UNKNOWN_FORMAT else row["format"],
            )

    def pause(self, incoming: Incoming, *, asked_seconds: float = 0.0, gained: bool = False) -> Pause:
        """Leave it alone for a while that grows with every failure in which nothing was `gained`, nobody being told.

        `asked_seconds` is the pause that its server asked for.
        """
        with self._lock:
            before = self._pauses.get(incoming.seq)
            failures = 1 if before is None or gained else before.failures + 1
            seconds = max(
                backoff(failures, ceiling=PAUSE_CEILING_SECONDS), min(asked_seconds, ASKED_PAUSE_CEILING_SECONDS)
            )
            pause = self._pauses[incoming.seq] = Pause(self._monotonic() + seconds, failures)
        return pause

    def tell_delay(self, incoming: Incoming, message: str) -> None:
        """Tell why a document does not come now, where that is news."""
        with self._table.edit(incoming.job_id) as row:
            reasons = [*INCOMING_REASONS, *other_reasons(row)]
            told = {"state_reasons": json.dumps(reasons), "message": message}
            if self.is_wanted(incoming) and any(row[name] != value for name, value in told.items()):
                self._table.change(row, **told)

    def fail(self, incoming: Incoming, message: str, *, reasons: tuple[str, ...]) -> None:
        """End the job, whose document won't come."""
        with self._table.edit(incoming.job_id) as row:
            if self.is_wanted(incoming):
                self._table.change(row, state=JobState.ABORTED, state_reasons=reasons, message=message)

    def _forget_ended(self) -> None:
        if self._pauses:
            live = {row["seq"] for row in self._store.query("SELECT seq FROM incoming")}
            self._pauses = {seq: pause for seq, pause in self._pauses.items() if seq in live}

    def _announce(self) -> None:
        self.on_work()


def _incoming(row: Row, *, failures: int) -> Incoming:
    reference = Reference(row["url"], row["sha256"], row["size"])
    return Incoming(row["seq"], row["id"], reference, row["host"], failures, row["validator"])


def _nobody_works() -> None:
    """Stand in for `on_work` until somebody does."""
