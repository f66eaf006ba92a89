"""Command messages: what a publisher may have the agent do with a job or a printer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from agent.answers import Answers
from agent.errors import (
    AgentError,
    ConflictError,
    InputError,
    NotFoundError,
    PrinterUnreachableError,
    RefusedError,
    StorageError,
)
from agent.inbox import Inbox
from agent.job import Job
from agent.loop import LONGEST_WAIT_SECONDS
from agent.model import Printer
from agent.mqtt_message import Inbound

log = logging.getLogger(__name__)

PAYLOAD_LIMIT_BYTES = 4096
DISK_PAUSE_SECONDS = 1.0
INTEGER_MAX = 2**31 - 1

JOB_COMMANDS = ("cancel", "release", "confirm", "reprint")
PRINTER_COMMANDS = ("pause", "resume", "identify")
WITH_USER = ("cancel", "release")

REASONS: tuple[tuple[type[AgentError], str], ...] = (
    (NotFoundError, "agent-not-found"),
    (RefusedError, "agent-refused"),
    (ConflictError, "agent-conflict"),
    (InputError, "agent-bad-command"),
    (PrinterUnreachableError, "agent-printer-unreachable"),
    (AgentError, "agent-failed"),
)
"""What a publisher is told for each error; the first that fits."""


class Operations(Protocol):
    """What can be asked for; each change is on the disk when it returns."""

    def cancel(self, job_id: str, *, user: str | None = None) -> Job:
        """End a job."""

    def release(self, job_id: str, *, pin: str | None = None, user: str | None = None) -> Job:
        """Let a held job print."""

    def confirm(self, job_id: str, *, attempts: int | None) -> Job:
        """Settle an unknown outcome: it is there."""

    def reprint(self, job_id: str, *, attempts: int | None) -> Job:
        """Settle an unknown outcome: send it again."""

    def pause(self, printer: str) -> Printer:
        """Send a printer no more jobs."""

    def resume(self, printer: str) -> Printer:
        """Send a printer jobs again."""

    def identify(self, printer: str) -> Printer:
        """Have a printer show where it stands."""


def command_topics(base_topic: str) -> tuple[str, ...]:
    """Give the filters of the topics that commands come by."""
    on_jobs = (f"{base_topic}/jobs/+/cmd/{name}" for name in JOB_COMMANDS)
    for_users = (f"{base_topic}/jobs/+/cmd/{name}/+" for name in WITH_USER)
    on_printers = (f"{base_topic}/printers/+/cmd/{name}" for name in PRINTER_COMMANDS)
    return (*on_jobs, *for_users, *on_printers)


class Commands:
    """The service behind the command topics; every message is answered and acknowledged.

    What the disk doesn't take now is done as soon as it does, before what comes after it.
    """

    def __init__(
        self,
        *,
        operations: Operations,
        answers: Answers,
        base_topic: str,
        inbox: Inbox,
        ack: Callable[[Inbound], object],
    ) -> None:
        self._operations = operations
        self._answers = answers
        self._base_topic = base_topic
        self._inbox = inbox
        self._ack = ack
        self._postponed: list[Inbound] = []

    def receive(self, message: Inbound) -> None:
        """Take a message over from the broker's thread."""
        if not self._inbox.put(message):
            log.warning("%s: dropped, too many commands wait", ascii(message.topic))
            self._ack(message)

    def step(self) -> float:
        """Do the next command; gives the seconds until the next step is due."""
        messages = self._postponed or self._inbox.take(1)
        for message in messages:
            try:
                self._answer(message)
            except StorageError as error:
                return self._postpone(messages, error)
            except BaseException:
                self._settle(message)
                raise
            self._settle(message)
        return 0.0 if messages else LONGEST_WAIT_SECONDS

    def _settle(self, message: Inbound) -> None:
        self._postponed = []
        self._inbox.release([message])
        self._ack(message)

    def _postpone(self, messages: list[Inbound], error: StorageError) -> float:
        if not self._postponed:
            log.warning("%s: waits until the disk takes it: %s", ascii(messages[0].topic), error)
        self._postponed = messages
        return DISK_PAUSE_SECONDS

    def _answer(self, message: Inbound) -> None:
        if not message.payload:
            return
        if message.retain:
            self._answers.refuse_retained(message)
            return
        try:
            if message.problem:
                raise InputError(message.problem)
            self._answers.address(message)
            outcome = self._run(message)
        except StorageError:
            raise
        except AgentError as error:
            reason = next(reason for kind, reason in REASONS if isinstance(error, kind))
            self._answers.refuse(message, str(error), reason=reason, job_id=self._job_id(message.topic))
            return
        try:
            self._answers.tell(message, outcome.to_json())
        except StorageError as error:  # it must not be done a second time
            log.warning("%s: it is done, but the answer is lost: %s", ascii(message.topic), error)

    def _run(self, message: Inbound) -> Job | Printer:
        values = _parse_payload(message.payload)
        match self._levels(message.topic):
            case ["jobs", job_id, "cmd", "cancel", *levels]:
                _check_keys(values)
                return self._operations.cancel(job_id, user=_user(levels))
            case ["jobs", job_id, "cmd", "release", *levels]:
                _check_keys(values, "pin")
                return self._operations.release(job_id, pin=_pin(values), user=_user(levels))
            case ["jobs", job_id, "cmd", "confirm"]:
                return self._operations.confirm(job_id, attempts=_attempts(values, message))
            case ["jobs", job_id, "cmd", "reprint"]:
                return self._operations.reprint(job_id, attempts=_attempts(values, message))
            case ["printers", printer, "cmd", "pause" | "resume" | "identify" as name]:
                _check_keys(values)
                change: Callable[[str], Printer] = getattr(self._operations, name)
                return change(printer)
        raise InputError("this is no topic for commands")

    def _levels(self, topic: str) -> list[str]:
        base = f"{self._base_topic}/"
        return topic.removeprefix(base).split("/") if topic.startswith(base) else []

    def _job_id(self, topic: str) -> str | None:
        levels = self._levels(topic)
        return levels[1] if len(levels) > 1 and levels[0] == "jobs" else None


def _parse_payload(payload: bytes) -> Mapping[str, Any]:
    if len(payload) > PAYLOAD_LIMIT_BYTES:
        raise InputError(f"a command has at most {PAYLOAD_LIMIT_BYTES} bytes")
    try:
        values = json.loads(payload.decode(), object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError):
        raise InputError("the command is not valid JSON") from None
    if not isinstance(values, dict):
        raise InputError("a command is a JSON object, such as {}")
    return values


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InputError("a key is repeated")
    return values


def _check_keys(values: Mapping[str, Any], *known: str) -> None:
    for key in values:
        if key not in known:
            raise InputError(f"{key!a}: unknown key")


def _pin(values: Mapping[str, Any]) -> str | None:
    pin = values.get("pin")
    if pin is not None and not isinstance(pin, str):
        raise InputError("pin: must be text")
    return pin


def _attempts(values: Mapping[str, Any], message: Inbound) -> int | None:
    """Read what the person has seen of the job: None for `{}`, which must not be a repetition that went unseen."""
    _check_keys(values, "attempts")
    attempts = values.get("attempts")
    if attempts is None and message.dup:
        raise ConflictError("attempts: this came twice, so say how many attempts of the job were seen last")
    if attempts is None:
        return None
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 0 <= attempts <= INTEGER_MAX:
        raise InputError("attempts: must be a whole number")
    return attempts


def _user(levels: list[str]) -> str | None:
    if len(levels) > 1:
        raise InputError("a topic names one user")
    return levels[0] if levels else None
