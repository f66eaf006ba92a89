"""The spool's tables: their schema, the statements over them, and rows to and from jobs; pure.

`stage` is the journal of one attempt: `incoming` (the document has yet to come), `received` (nobody has tried, or the
last try came to nothing), `announced` (about to be sent), `created` (the printer has made a job, no byte of the
document has left), `sending` (the first byte may have left), `refused` (the printer has said since that it takes none
now), `left` (the printer's TCP has all but perhaps the last byte), `withdrawn` (the printer was told to forget it,
since it waited for the rest), `sent` (the printer has taken it all and answered).
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from agent.job import Document, Job, JobOptions, JobReading, JobState, Ticket


class Columns(Protocol):
    """A row, or a mapping that stands for one."""

    def __getitem__(self, name: str, /) -> Any:
        """Give the value of a column."""


OUTCOME_UNKNOWN = "agent-outcome-unknown"
JOB_INCOMING = "job-incoming"
INCOMING_REASONS = (JOB_INCOMING, "agent-fetch-delayed")
DEFAULT_OPTIONS = JobOptions()
TOKEN_DIGITS = 12

SCHEMA = (
    """CREATE TABLE jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        printer_id TEXT NOT NULL,
        state INTEGER NOT NULL,
        state_reasons TEXT NOT NULL DEFAULT '[]',
        message TEXT NOT NULL DEFAULT '',
        revision INTEGER NOT NULL DEFAULT 1,
        stage TEXT NOT NULL DEFAULT 'received',
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt_at REAL NOT NULL DEFAULT 0,
        device_job_id TEXT,
        impressions_completed INTEGER,
        ignored_options TEXT NOT NULL DEFAULT '[]',
        cancel_wanted INTEGER NOT NULL DEFAULT 0,
        name TEXT,
        user TEXT,
        options TEXT NOT NULL,
        fidelity TEXT NOT NULL,
        priority INTEGER NOT NULL,
        format TEXT NOT NULL,
        size INTEGER NOT NULL,
        file TEXT,
        digest BLOB NOT NULL,
        received_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        expires_at REAL,
        pin_hash BLOB,
        pin_tries INTEGER NOT NULL DEFAULT 0,
        pin_locked_until REAL NOT NULL DEFAULT 0,
        response_topic TEXT,
        correlation_data BLOB)""",
    "CREATE INDEX jobs_pending ON jobs (printer_id, priority DESC, seq) WHERE state = 3",
    "CREATE INDEX jobs_state ON jobs (state, printer_id)",
    "CREATE INDEX jobs_digest ON jobs (digest)",
    "CREATE INDEX jobs_cancel_wanted ON jobs (id) WHERE cancel_wanted",
    "CREATE INDEX jobs_documents ON jobs (size) WHERE file IS NOT NULL",
    "CREATE INDEX jobs_updated ON jobs (updated_at)",
    """CREATE TABLE deliveries (
        packet_id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL,
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE)""",
    "CREATE INDEX deliveries_job ON deliveries (job_id)",
    "CREATE TABLE spool_keys (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "ALTER TABLE jobs ADD COLUMN is_undated INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE jobs ADD COLUMN publisher TEXT",
    "CREATE INDEX jobs_publisher ON jobs (publisher) WHERE state < 7",
    "ALTER TABLE jobs ADD COLUMN undated_seconds REAL",
    "ALTER TABLE jobs ADD COLUMN resends INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE turns (printer_id TEXT PRIMARY KEY, turn INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE incoming (
        seq INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
        url TEXT NOT NULL,
        host TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER,
        reserved INTEGER NOT NULL,
        validator TEXT)""",
    """CREATE TRIGGER incoming_ended AFTER UPDATE OF state ON jobs WHEN NEW.state >= 7
        BEGIN DELETE FROM incoming WHERE seq = NEW.seq; END""",
    "CREATE INDEX jobs_tried ON jobs (next_attempt_at) WHERE state = 3 AND next_attempt_at > 0",
    "UPDATE jobs SET cancel_wanted = 0 WHERE cancel_wanted AND state >= 7",
    "ALTER TABLE jobs ADD COLUMN waits_since REAL",
    "ALTER TABLE jobs ADD COLUMN delivery TEXT NOT NULL DEFAULT '{}'",
)

INSERT = """
    INSERT INTO jobs (id, printer_id, state, state_reasons, stage, name, user, options, fidelity, priority, format,
        size, file, digest, received_at, updated_at, is_undated, expires_at, pin_hash, response_topic, correlation_data,
        publisher, undated_seconds, delivery)
    VALUES (:id, :printer_id, :state, :state_reasons, :stage, :name, :user, :options, :fidelity, :priority, :format,
        :size, :file, :digest, :received_at, :updated_at, :is_undated, :expires_at, :pin_hash, :response_topic,
        :correlation_data, :publisher, :undated_seconds, :delivery)
    RETURNING *"""

UPDATE = """
    UPDATE jobs SET state = :state, state_reasons = :state_reasons, message = :message, revision = :revision,
        stage = :stage, next_attempt_at = :next_attempt_at, device_job_id = :device_job_id,
        impressions_completed = :impressions_completed, ignored_options = :ignored_options,
        cancel_wanted = :cancel_wanted, file = :file, size = :size, format = :format, resends = :resends,
        updated_at = :updated_at, pin_tries = :pin_tries, pin_locked_until = :pin_locked_until,
        response_topic = :response_topic, correlation_data = :correlation_data,
        expires_at = :expires_at, waits_since = :waits_since
    WHERE seq = :seq
    RETURNING *"""

# The best pending job of a printer that has none under way, or of a cloud destination that has all it was sent: those
# work at many at once, for days. Of printers whose best have one priority, that of the one that was served the longest
# ago. The printers with pending jobs are found by hops over the index, so that a long queue
# costs no more than a short one. A next attempt further away than any pause was written by a clock that was wrong.
CLAIM = """
    WITH RECURSIVE waiting (printer_id) AS (
        SELECT min(printer_id) FROM jobs WHERE state = 3
        UNION ALL
        SELECT (SELECT min(printer_id) FROM jobs WHERE state = 3 AND printer_id > waiting.printer_id)
        FROM waiting WHERE printer_id IS NOT NULL),
    best (seq) AS (
        SELECT (SELECT seq FROM jobs
            WHERE state = 3 AND printer_id = waiting.printer_id
                AND (next_attempt_at <= :now OR next_attempt_at > :latest)
                AND (expires_at IS NULL OR expires_at > :judged_at)
                AND seq > :kept_back
            ORDER BY priority DESC, seq LIMIT 1)
        FROM waiting
        WHERE printer_id NOT IN (SELECT value FROM json_each(:excluded))
            AND (:only IS NULL OR printer_id IN (SELECT value FROM json_each(:only)))
            AND NOT EXISTS (SELECT 1 FROM jobs WHERE printer_id = waiting.printer_id AND state IN (5, 6)
                AND NOT (printer_id IN ('box', 'siteflow') AND stage IN ('left', 'sent'))))
    UPDATE jobs SET state = 5, stage = 'announced', attempts = attempts + 1, updated_at = :now
    WHERE seq = (
        SELECT jobs.seq FROM best JOIN jobs ON jobs.seq = best.seq LEFT JOIN turns USING (printer_id)
        ORDER BY priority DESC, coalesce(turn, 0), jobs.seq LIMIT 1)
    RETURNING *"""

NEXT_ATTEMPT = """
    SELECT min(next_attempt_at) FROM jobs INDEXED BY jobs_tried
    WHERE state = 3 AND next_attempt_at > 0 AND next_attempt_at > ?"""

WAITING_PAGES = """
    SELECT coalesce(sum(max(coalesce(json_extract(options, '$.copies'), 1), coalesce(impressions_completed, 0))), 0)
    FROM jobs WHERE state < 7 AND publisher = ?"""

TAKE_TURN = "INSERT OR REPLACE INTO turns SELECT ?, coalesce(max(turn), 0) + 1 FROM turns"

LIST = """
    SELECT * FROM jobs
    WHERE (:printer_id IS NULL OR printer_id = :printer_id) AND (:user IS NULL OR user = :user)
        AND (state < 7 OR NOT :live)
    ORDER BY seq DESC LIMIT :limit"""


def job_from_row(row: Columns, folder: Path) -> Job:
    """Make the job of a row; `folder` is where the documents are."""
    ignored = json.loads(row["ignored_options"])
    reasons = [*json.loads(row["state_reasons"]), *(["agent-option-ignored"] if ignored else [])]
    return Job(
        id=row["id"],
        printer_id=row["printer_id"],
        state=JobState(row["state"]),
        document=Document(path=folder / (row["file"] or "gone"), size=row["size"], format=row["format"]),
        received_at=moment(row["received_at"]),
        updated_at=moment(row["updated_at"]),
        revision=row["revision"],
        state_reasons=tuple(dict.fromkeys(reasons)),
        message="; ".join(filter(None, (f"without {', '.join(ignored)}" if ignored else "", row["message"]))),
        name=row["name"],
        user=row["user"],
        options=options_from_json(row["options"]),
        fidelity=row["fidelity"],
        priority=row["priority"],
        impressions_completed=row["impressions_completed"],
        attempts=row["attempts"],
        token=token_of(row),
        device_job_id=row["device_job_id"],
        expires_at=None if row["expires_at"] is None else moment(row["expires_at"]),
        has_pin=row["pin_hash"] is not None,
        response_topic=row["response_topic"],
        correlation_data=row["correlation_data"],
        publisher=row["publisher"],
        delivery=json.loads(row["delivery"]),
    )


def incoming_reasons(row: Columns) -> tuple[str, ...]:
    """Give those of a row's reasons that say that its document has yet to come; none once it is there."""
    told = tuple(reason for reason in json.loads(row["state_reasons"]) if reason in INCOMING_REASONS)
    return (told or (JOB_INCOMING,)) if row["stage"] == "incoming" else ()


def other_reasons(row: Columns) -> tuple[str, ...]:
    """Give the rest of them."""
    return tuple(reason for reason in json.loads(row["state_reasons"]) if reason not in INCOMING_REASONS)


def is_in_doubt(row: Columns) -> bool:
    """Tell whether the outcome of a row's job is unknown."""
    return row["state"] == JobState.PENDING_HELD and OUTCOME_UNKNOWN in json.loads(row["state_reasons"])


def token_of(row: Columns) -> str:
    """Give the token of a row's job: derived from its keyed digest, so that no stranger can guess it."""
    return hashlib.sha256(b"%d " % row["seq"] + row["digest"]).hexdigest()[:TOKEN_DIGITS]


def columns_of_ticket(ticket: Ticket, *held_for: str) -> dict[str, Any]:
    """Give the columns that a ticket decides: whether it is held, also for other reasons, and how it is printed."""
    reasons = [*held_for]
    if ticket.hold:
        reasons.append("job-hold-until-specified")
    if ticket.pin is not None:
        reasons.append("job-password-wait")
    return {
        "state": JobState.PENDING_HELD if reasons else JobState.PENDING,
        "state_reasons": json.dumps(reasons),
        "name": ticket.name,
        "user": ticket.user,
        "options": options_to_json(ticket.options),
        "fidelity": ticket.fidelity,
        "priority": ticket.priority,
        "delivery": json.dumps(ticket.delivery),
    }


def columns_of_time(ticket: Ticket, *, now: datetime, is_dated: bool, expires_at: datetime | None) -> dict[str, Any]:
    """Give when a job came and when it ends; `expires_at` is its message's own end, reckoned from now.

    By a clock that is behind (not `is_dated`) only what the publisher dated has an end; what else ends the job is kept
    as seconds, for when the clock is set.
    """
    from_now = [] if expires_at is None else [(expires_at - now).total_seconds()]
    ends = []
    if ticket.expires_in is not None and ticket.created_at is not None:
        ends.append(ticket.created_at.timestamp() + ticket.expires_in)
    elif ticket.expires_in is not None:
        from_now.append(ticket.expires_in)
    if is_dated:
        ends += [now.timestamp() + seconds for seconds in from_now]
    return {
        "received_at": now.timestamp(),
        "updated_at": now.timestamp(),
        "is_undated": not is_dated,
        "undated_seconds": None if is_dated else min(from_now, default=None),
        "expires_at": min(ends, default=None),
    }


def columns_of_reading(reading: JobReading, row: Columns) -> dict[str, Any]:
    """Give the columns that a printer's word on a job decides.

    A job that the printer can say nothing about, or that it gave no id to ask by, is completed as far as anyone will
    ever know; a job that waits within the printer is processing here.
    """
    state, reasons = reading.state, reading.state_reasons
    device_job_id = reading.device_job_id or row["device_job_id"]
    if state is None or (device_job_id is None and not state.is_final):
        state, reasons = JobState.COMPLETED, (*reasons, "queued-in-device", "agent-completion-unconfirmed")
    elif not state.is_final and state != JobState.PROCESSING_STOPPED:
        state = JobState.PROCESSING
    if row["cancel_wanted"] and not state.is_final:
        reasons = (*reasons, "processing-to-stop-point")
    impressions = reading.impressions_completed
    return {
        "state": state,
        "state_reasons": json.dumps(list(dict.fromkeys(reasons))),
        "message": reading.message,
        "device_job_id": device_job_id,
        "impressions_completed": row["impressions_completed"] if impressions is None else impressions,
    }


def options_to_json(options: JobOptions) -> str:
    """Write what differs from the printer's own defaults."""
    asked = {name: getattr(options, name) for name in options.__slots__}
    return json.dumps({name: value for name, value in asked.items() if value != getattr(DEFAULT_OPTIONS, name)})


def options_from_json(text: str) -> JobOptions:
    """Read what `options_to_json` wrote."""
    if text == "{}":
        return DEFAULT_OPTIONS
    asked = json.loads(text)
    if "page_ranges" in asked:
        asked["page_ranges"] = tuple((first, last) for first, last in asked["page_ranges"])
    if "finishings" in asked:
        asked["finishings"] = tuple(asked["finishings"])
    return JobOptions(**asked)


def moment(seconds: float) -> datetime:
    """Read a column of time: seconds since 1970, UTC."""
    return datetime.fromtimestamp(seconds, UTC)
