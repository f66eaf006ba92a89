"""The nouns of jobs, in the words of RFC 8011 (IPP): a publisher's ticket, the job it became, a printer's word on it.

All are frozen, as in `agent.model`; `to_json` gives the shape that the contract promises outside.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from agent.model import timestamp


@enum.unique
class JobState(enum.IntEnum):
    """RFC 8011 job-state, with the wire's integers."""

    PENDING = 3
    PENDING_HELD = 4
    PROCESSING = 5
    PROCESSING_STOPPED = 6
    CANCELED = 7
    ABORTED = 8
    COMPLETED = 9

    @property
    def keyword(self) -> str:
        """The name that RFC 8011 gives it, such as `pending-held`."""
        return self.name.lower().replace("_", "-")

    @property
    def is_final(self) -> bool:
        """Whether no further state follows."""
        return self >= JobState.CANCELED


Fidelity = Literal["strict", "best-effort"]
Destination = Literal["printer", "box", "siteflow"]
CloudDestination = Literal["box", "siteflow"]
CLOUD_DESTINATIONS: tuple[CloudDestination, ...] = ("box", "siteflow")
"""What takes documents beside printers. In the spool their names stand where the id of a printer stands."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a ticket asks of the printer, in IPP's keywords; None or empty is the printer's own default."""

    copies: int = 1
    sides: str | None = None
    media: str | None = None
    color_mode: str | None = None
    page_ranges: tuple[tuple[int, int], ...] = ()
    print_quality: str | None = None
    finishings: tuple[str, ...] = ()

    def requested(self) -> frozenset[str]:
        """Name the options that were asked for, as IPP attribute names."""
        asked = {
            "copies": self.copies != 1,
            "sides": self.sides,
            "media": self.media,
            "print-color-mode": self.color_mode,
            "page-ranges": self.page_ranges,
            "print-quality": self.print_quality,
            "finishings": self.finishings,
        }
        return frozenset(name for name, value in asked.items() if value)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a publisher asked for; with its document it becomes a job.

    `id` is None where the publisher gave none. `printer` is an id or an alias, empty where the destination is none.
    `expires_in` is seconds. `user` is the topic's where the topic names one, else the ticket's own claim. `delivery` is
    what is asked of a cloud destination, as JSON values by the ticket's keys.
    """

    printer: str
    id: str | None = None
    name: str | None = None
    user: str | None = None
    document_format: str | None = None
    options: JobOptions = JobOptions()
    fidelity: Fidelity = "strict"
    priority: int = 50
    hold: bool = False
    pin: str | None = field(default=None, repr=False)
    created_at: datetime | None = None
    expires_in: int | None = None
    destination: Destination = "printer"
    delivery: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A job's document on the disk. `format` is a MIME media type, `size` bytes."""

    path: Path
    size: int
    format: str


ATTEMPT_TOKEN = re.compile(r"(?:^| )[0-9a-f]{12}-[0-9]+$")
"""The last word of a name that we gave a job at a printer."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the spool.

    `revision` rises with every change; `attempts` counts the times it was about to be sent. `token` tells it from
    every other job, ours and strangers', in a printer's own list; it has no hyphen. `publisher` is whom it is charged
    to: the user that the topic named, `""` where it named none, None where it came by the command line. `printer_id` is
    the name of a cloud destination where the job goes to one, `delivery` is what the ticket asks of that.
    """

    id: str
    printer_id: str
    state: JobState
    document: Document
    received_at: datetime
    updated_at: datetime
    revision: int = 1
    state_reasons: tuple[str, ...] = ()
    message: str = ""
    name: str | None = None
    user: str | None = None
    options: JobOptions = JobOptions()
    fidelity: Fidelity = "strict"
    priority: int = 50
    impressions_completed: int | None = None
    attempts: int = 0
    token: str = ""
    device_job_id: str | None = None
    expires_at: datetime | None = None
    has_pin: bool = False
    response_topic: str | None = None
    correlation_data: bytes | None = None
    publisher: str | None = None
    delivery: Mapping[str, Any] = field(default_factory=dict)

    @property
    def destination(self) -> Destination:
        """What kind of place it goes to."""
        return next((name for name in CLOUD_DESTINATIONS if name == self.printer_id), "printer")

    @property
    def shown_name(self) -> str:
        """The name that a printer may show: the publisher's, but the id where there is none or a PIN guards it."""
        return (None if self.has_pin else self.name) or self.id

    @property
    def attempt_token(self) -> str:
        """The word that names this attempt in the printer's list of jobs: `<token>-<attempts>`."""
        return f"{self.token}-{self.attempts}"

    def is_named(self, name: str | None, *, of_any_attempt: bool = False) -> bool:
        """Whether a name in a printer's list of jobs ends with the token of this attempt, or of any attempt at it."""
        word = (name or "").rpartition(" ")[2]
        return word.rpartition("-")[0] == self.token if of_any_attempt else word == self.attempt_token

    def to_json(self) -> dict[str, Any]:
        """Give the job as the contract shows it; one with a PIN tells neither its name nor its user."""
        return {
            "id": self.id,
            "revision": self.revision,
            "destination": self.destination,
            "printer": self.printer_id if self.destination == "printer" else None,
            "name": None if self.has_pin else self.name,
            "user": None if self.has_pin else self.user,
            "state": self.state.keyword,
            "state_reasons": list(self.state_reasons),
            "message": self.message,
            "impressions_completed": self.impressions_completed,
            "attempts": self.attempts,
            "document_format": self.document.format,
            "size": self.document.size,
            "device_job_id": self.device_job_id,
            "received_at": timestamp(self.received_at),
            "updated_at": timestamp(self.updated_at),
            "expires_at": timestamp(self.expires_at),
        }


@dataclass(frozen=True, slots=True)
class JobReading:
    """What a printer says about one job: `state` is None where it can say nothing (raw 9100).

    `name` is the job's name there. `has_begun` tells whether the printer ever began to process it. `time_out_action` is
    what the printer does with a job whose document stays away (RFC 8011's multiple-operation-time-out-action):
    `abort-job`, `hold-job` or `process-job`.
    """

    state: JobState | None
    device_job_id: str | None = None
    state_reasons: tuple[str, ...] = ()
    impressions_completed: int | None = None
    message: str = ""
    name: str | None = None
    has_begun: bool | None = None
    time_out_action: str | None = None


class Journal(Protocol):
    """What a driver writes down about a job before it acts: each call returns when it is on the disk."""

    def created(self, device_job_id: str) -> None:
        """Note that the printer has made a job of this id, before any of the document leaves where that can be."""

    def sending(self) -> None:
        """Note that the first byte of the document is about to leave."""

    def left(self) -> None:
        """Note that the printer's TCP has the document, all but perhaps its last byte, which is about to leave.

        Only then is the printer's `completed` the whole document. This word alone outlives a kill, but not always a
        power cut: where it is missing, the outcome is unknown, never false.
        """

    def committing(self) -> None:
        """Note that the last byte is about to leave of the one request by which a cloud takes the job.

        Before that nothing is committed, and after it the cloud may have all of it, also after a power cut.
        """

    def beat(self) -> None:
        """Tell the watchdog that a long transfer is alive; cheap, called every few hundred KiB.

        Raises:
            JobCanceledError: somebody wants the job cancelled, and it has not left yet: the transfer is broken off.
        """
