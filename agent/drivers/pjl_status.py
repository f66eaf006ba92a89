"""What a printer has said of one job by PJL, and what follows for the job. Pure.

Printers tell every connection of every job, so that only what carries the job's own token counts as its end. Status
codes are those of Appendix D of HP's PJL Technical Reference Manual; a printer that says ONLINE=TRUE has not stopped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.drivers.pjl_message import Reply, ReplyReader
from agent.job import JobReading, JobState

LONGEST_DISPLAY = 60
LONGEST_COUNT = 9
DEVICE_SUBJECTS = frozenset({"USTATUS DEVICE", "USTATUS TIMED", "INFO STATUS"})

STOPPED_BY_CODE = {
    40010: "marker-supply-missing-error",
    40021: "cover-open-error",
    40022: "media-jam-error",
    40038: "toner-low-error",
    40600: "toner-empty-error",
}
STOPPED_BY_GROUP = {
    10: "offline-error",
    15: "output-area-full-error",
    41: "media-needed-error",
    42: "media-jam-error",
    44: "media-jam-error",
}
"""The reason by the first two of the five digits of a code."""

STOPPING_GROUPS = frozenset({40, 41, 42, 43, 44, 50})
"""What stops a printer that doesn't say whether it is on-line."""

CANCELED = {
    "USER_CANCELED": (JobState.CANCELED, "job-canceled-at-device"),
    "HOST_CANCELED": (JobState.CANCELED, "job-canceled-by-operator"),
    "RESOURCE_CANCELED": (JobState.ABORTED, "resources-are-not-ready"),
}
"""What a RESULT other than OK means."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a printer has said of the job of a token.

    Attributes:
        has_started: whether it has said that it has begun with the job, so that it can be expected to tell the end.
        is_current: whether this job is the last one that it said it had started.
        stopped_for: why the printer stands still, None while it doesn't.
        device: the code and text of its last status.
        state: how the job ended, None while it hasn't.
        reason: the state-reasons keyword of its end.
    """

    token: str
    has_started: bool = False
    is_current: bool = False
    pages: int | None = None
    stopped_for: str | None = None
    device: str = ""
    state: JobState | None = None
    reason: str = ""

    def reading(self) -> JobReading:
        """Give the job as it is by this."""
        reading = JobReading(None, self.token, impressions_completed=self.pages)
        if self.state is not None:
            return replace(reading, state=self.state, state_reasons=(self.reason,))
        if self.stopped_for is not None:
            reasons = ("printer-stopped", self.stopped_for)
            return replace(reading, state=JobState.PROCESSING_STOPPED, state_reasons=reasons, message=self.device)
        reason = "job-printing" if self.is_current else "job-queued"
        return replace(reading, state=JobState.PROCESSING, state_reasons=(reason,))


def hear(told: Told, reply: Reply) -> Told:
    """Take in one more reply."""
    subject = reply.subject.upper()
    if told.state is not None:
        return told
    if subject in DEVICE_SUBJECTS:
        return _hear_device(told, reply)
    if subject == "USTATUS PAGE" and told.is_current:
        return replace(told, pages=_most(told.pages, _count(next(iter(reply.lines), ""))))
    return _hear_job(told, reply) if subject == "USTATUS JOB" else told


class Listener:
    """Follows one job through what its printer says; `is_whole` from when all of it has been sent."""

    def __init__(self, token: str) -> None:
        self.told = Told(token)
        self.is_whole = False
        self._reader = ReplyReader()

    def feed(self, data: bytes) -> None:
        """Take in bytes as they come; none at all is the printer's goodbye."""
        for reply in self._reader.feed(data) if data else self._reader.end():
            told = hear(self.told, reply)
            if self.is_whole or told.state != JobState.COMPLETED:  # no end can be that of a document still under way
                self.told = told


def _hear_job(told: Told, reply: Reply) -> Told:
    event, values = next((line.upper() for line in reply.lines if "=" not in line), ""), reply.values
    name = values.get("NAME")
    is_ours = name is not None and name.casefold().split()[-1:] == [told.token.casefold()]
    result = values.get("RESULT", "").upper()
    if event == "START":
        return replace(told, has_started=told.has_started or is_ours, is_current=is_ours)
    if event in {"CANCELED", "CANCELLED"} and (is_ours or (name is None and told.is_current)):
        state, reason = CANCELED.get(result, CANCELED["USER_CANCELED"])
        return replace(told, state=state, reason=reason)
    if event == "END" and is_ours:
        pages = _most(told.pages, _count(values.get("PAGES", "")))
        state, reason = _end(result, pages)
        return replace(told, pages=pages, state=state, reason=reason)
    return told


def _end(result: str, pages: int | None) -> tuple[JobState, str]:
    """Judge the end of a job; older printers tell no RESULT."""
    if result not in ("", "OK"):
        return CANCELED.get(result, (JobState.ABORTED, "aborted-by-system"))
    return JobState.COMPLETED, "job-completed-with-warnings" if pages == 0 else "job-completed-successfully"


def _hear_device(told: Told, reply: Reply) -> Told:
    values = reply.values
    codes = [code for name in ("CODE", "CODE2") if (code := _count(values.get(name, ""))) is not None]
    if not codes:
        return told
    stopped_for = _stopped_for(codes, values.get("ONLINE", "").upper())
    device = f"{codes[0]} {values.get('DISPLAY', '')[:LONGEST_DISPLAY]}".strip()
    return replace(told, stopped_for=stopped_for, device=device)


def _stopped_for(codes: list[int], online: str) -> str | None:
    is_online = online == "TRUE" if online else not any(code // 1000 in STOPPING_GROUPS for code in codes)
    if is_online:
        return None
    reasons = (STOPPED_BY_CODE.get(code) or STOPPED_BY_GROUP.get(code // 1000) for code in codes)
    return next(filter(None, reasons), "other-error")


def _count(text: str) -> int | None:
    digits = re.match(rf"[0-9]{{1,{LONGEST_COUNT}}}(?![0-9])", text)
    return int(digits[0]) if digits else None


def _most(first: int | None, second: int | None) -> int | None:
    return max((count for count in (first, second) if count is not None), default=None)
