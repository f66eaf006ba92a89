"""What the tests of IPP share: a job, a journal that remembers, and a printer that says what a test has written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.drivers.ipp import Ipp
from agent.drivers.ipp_message import encode_message, read_message
from agent.drivers.ipp_values import Attribute, Attributes, Group, GroupTag, Message, Operation, Tag, attribute
from agent.http import HttpClient
from agent.job import Document, Job, JobReading, JobState
from agent.simulator.http_front import DropConnectionError, HttpFront, Request, Response

PDF = b"%PDF-1.4\n" + bytes(range(256)) * 1200 + b"\n%%EOF\n"
DEADLINE_SECONDS = 20.0


def make_job(folder: Path, job_id: str = "order-17", **changes: Any) -> Job:
    """Give a job of a PDF of 300 KB."""
    path = folder / f"{job_id}.document"
    path.write_bytes(PDF)
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    document = Document(path, len(PDF), "application/pdf")
    return replace(Job(job_id, "p1", JobState.PROCESSING, document, now, now, token="f00d", attempts=1), **changes)


@dataclass
class Notes:
    """A journal that remembers in which order it was told."""

    told: list[str] = field(default_factory=list)
    beats: int = 0

    def created(self, device_job_id: str) -> None:
        """Note the printer's job id."""
        self.told.append(f"created {device_job_id}")

    def sending(self) -> None:
        """Note that the document leaves."""
        self.told.append("sending")

    def left(self) -> None:
        """Note that the printer's TCP has it all."""
        self.told.append("left")

    def committing(self) -> None:
        """Note what only clouds are told."""
        self.told.append("committing")

    def beat(self) -> None:
        """Count."""
        self.beats += 1


def follow(ipp: Ipp, device_job_id: str | None) -> JobReading:
    """Ask for a job until it is over."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not ((reading := ipp.read_job(device_job_id or "")).state or JobState.PENDING).is_final:
        assert time.monotonic() < deadline, reading
        time.sleep(0.02)
    return reading


Script = Callable[[Message, Request], Message | Response]
"""Answers a request: an IPP message, or an HTTP answer."""


@dataclass
class Scripted:
    """A printer on loopback that answers by a script and remembers what it was asked."""

    script: Script
    asked: list[Message] = field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        message = read_message(request.body)
        self.asked.append(message)
        answer = self.script(message, request)
        return answer if isinstance(answer, Response) else Response(body=encode_message(answer))

    def operations(self) -> list[str]:
        """Name what it was asked, in order."""
        return [Operation(message.code).name for message in self.asked]


@contextmanager
def scripted(script: Script) -> Iterator[tuple[Ipp, Scripted]]:
    """Run a scripted printer, and give a driver for it."""
    printer = Scripted(script)
    front = HttpFront(host="127.0.0.1", port=0, routes=(printer,))
    front.start()
    http = HttpClient(read_timeout_seconds=5.0)
    try:
        yield Ipp(f"ipp://127.0.0.1:{front.port}/ipp/print", http=http), printer
    finally:
        http.close()
        front.stop()


def reply(code: int = 0, *attributes: Attribute, tag: GroupTag = GroupTag.JOB) -> Message:
    """Make a response with one group."""
    return Message(code, (Group(tag, Attributes(attributes)),))


def job_reply(number: int = 42, state: JobState = JobState.PENDING) -> Message:
    """Make a response that tells of a job."""
    return reply(0, attribute("job-id", Tag.INTEGER, number), attribute("job-state", Tag.ENUM, state))


def able(*operations: Operation) -> Message:
    """Make a Get-Printer-Attributes response of an idle printer that has these operations."""
    return reply(
        0,
        attribute("printer-state", Tag.ENUM, 3),
        attribute("operations-supported", Tag.ENUM, *operations),
        tag=GroupTag.PRINTER,
    )


BY_CREATION = (Operation.CREATE_JOB, Operation.SEND_DOCUMENT, Operation.PRINT_JOB)


def play(answers: dict[Operation, Message | Response], *, operations: tuple[Operation, ...] = BY_CREATION) -> Script:
    """Make a script with one answer for each operation; a document is taken whole before it is answered."""

    def answer(message: Message, request: Request) -> Message | Response:
        if message.code == Operation.GET_PRINTER_ATTRIBUTES:
            return able(*operations)
        assert all(block for block in request.body.chunks())
        return answers[Operation(message.code)]

    return answer


def hang_up(message: Message, request: Request) -> Message:
    """Take the document and say nothing."""
    assert all(block for block in request.body.chunks())
    raise DropConnectionError
