"""The IPP driver against printers on loopback that say what a test has written: the order of things, every refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.drivers.ipp import Ipp
from agent.drivers.ipp_message import encode_message
from agent.drivers.ipp_values import GroupTag, Message, Operation, Status, Tag, attribute
from agent.errors import (
    OutcomeUnknownError,
    PrinterBusyError,
    PrinterRejectedError,
    PrinterUnreachableError,
    StorageError,
)
from agent.http import Answer, HttpClient
from agent.job import Document, JobOptions, JobState
from agent.simulator.http_front import Request, Response
from agent.upload import Upload
from tests.ipp_parts import PDF, Notes, able, hang_up, job_reply, make_job, play, reply, scripted

CREATED = {
    Operation.CREATE_JOB: job_reply(),
    Operation.SEND_DOCUMENT: job_reply(state=JobState.PROCESSING),
    Operation.CANCEL_JOB: reply(),
}
AT_ONCE = (Operation.PRINT_JOB,)
BUSY = [
    Status.BUSY,
    Status.NOT_ACCEPTING_JOBS,
    Status.TOO_MANY_JOBS,
    Status.SERVICE_UNAVAILABLE,
]


# --- printing ---


def test_the_journal_is_told_before_the_printer(tmp_path: Path) -> None:
    """The printer's job id and the start of the document are on the disk before a byte of it leaves."""
    notes = Notes()
    seen: list[list[str]] = []

    def watch(message: Message, request: Request) -> Message | Response:
        seen.append(list(notes.told))
        return play(dict(CREATED))(message, request)

    with scripted(watch) as (ipp, printer):
        reading = ipp.print_job(make_job(tmp_path), notes)
        assert printer.operations() == ["GET_PRINTER_ATTRIBUTES", "CREATE_JOB", "SEND_DOCUMENT"]
    assert (reading.state, reading.device_job_id) == (JobState.PROCESSING, "42")
    assert seen == [[], [], ["created 42", "sending"]]


def test_the_document_arrives_as_it_is(tmp_path: Path) -> None:
    """What follows the attributes is the document, byte for byte, and the watchdog is fed meanwhile."""
    notes, received = Notes(), bytearray()

    def keep(message: Message, request: Request) -> Message:
        received.extend(b"".join(request.body.chunks()))
        return able(*CREATED) if message.code == Operation.GET_PRINTER_ATTRIBUTES else job_reply()

    with scripted(keep) as (ipp, _):
        ipp.print_job(make_job(tmp_path), notes)
    assert bytes(received) == PDF
    assert notes.beats >= 2


def test_a_printer_without_create_job_gets_print_job(tmp_path: Path) -> None:
    """IPP/1.0's one mandatory way to print will do."""
    notes = Notes()
    with scripted(play({Operation.PRINT_JOB: job_reply()}, operations=AT_ONCE)) as (ipp, printer):
        assert ipp.print_job(make_job(tmp_path), notes).device_job_id == "42"
    operation = printer.asked[-1].group(GroupTag.OPERATION)
    assert (printer.operations()[-1], operation.text("document-format")) == ("PRINT_JOB", "application/pdf")
    assert notes.told == ["sending", "left"]


def test_a_job_carries_who_what_and_how(tmp_path: Path) -> None:
    """User, name, fidelity and options go with the job; the name ends with the token of the attempt."""
    job = make_job(tmp_path, name="Büro", user="ann", options=JobOptions(copies=3, media="iso_a4_210x297mm"))
    with scripted(play(dict(CREATED))) as (ipp, printer):
        ipp.print_job(job, Notes())
    operation, template = printer.asked[1].group(GroupTag.OPERATION), printer.asked[1].group(GroupTag.JOB)
    assert (operation.text("requesting-user-name"), operation.text("job-name")) == ("ann", "Büro f00d-1")
    assert operation.boolean("ipp-attribute-fidelity") is True
    assert (template.integer("copies"), template.text("media")) == (3, "iso_a4_210x297mm")


@pytest.mark.parametrize("status", BUSY)
@pytest.mark.parametrize("operation", [Operation.CREATE_JOB, Operation.SEND_DOCUMENT])
def test_a_busy_printer_is_busy(tmp_path: Path, operation: Operation, status: Status) -> None:
    """Each way of saying later is the same to us, before the document and after it."""
    with scripted(play({**CREATED, operation: reply(status)})) as (ipp, _), pytest.raises(PrinterBusyError):
        ipp.print_job(make_job(tmp_path), Notes())


def test_a_busy_printer_may_say_for_how_long(tmp_path: Path) -> None:
    """HTTP's Retry-After is passed on, in seconds."""
    answer = Response(503, headers={"Retry-After": "7"})
    with scripted(play({Operation.CREATE_JOB: answer})) as (ipp, _), pytest.raises(PrinterBusyError) as busy:
        ipp.print_job(make_job(tmp_path), Notes())
    assert busy.value.retry_after_seconds == 7.0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(Status.DOCUMENT_FORMAT_NOT_SUPPORTED), "unsupported-document-format"),
        (
            reply(
                Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED,
                attribute("document-format", Tag.MIME_MEDIA_TYPE, "image/x"),
                tag=GroupTag.UNSUPPORTED,
            ),
            "unsupported-document-format",
        ),
        (reply(Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED), "unsupported-attributes-or-values"),
        (reply(Status.NOT_POSSIBLE), "aborted-by-system"),
        (reply(Status.OPERATION_NOT_SUPPORTED), "aborted-by-system"),
        (reply(Status.NOT_FOUND), "aborted-by-system"),
        (Response(401), "aborted-by-system"),
        (Response(400), "aborted-by-system"),
        (Response(413), "aborted-by-system"),
    ],
)
def test_a_refusal_tells_its_reason(tmp_path: Path, answer: Message | Response, reason: str) -> None:
    """A job that the printer will never take ends with a keyword, and leaves no empty job behind there."""
    with scripted(play({**CREATED, Operation.SEND_DOCUMENT: answer})) as (ipp, printer):
        with pytest.raises(PrinterRejectedError) as refusal:
            ipp.print_job(make_job(tmp_path), Notes())
        assert refusal.value.reason == reason
        assert printer.operations()[-1] == "CANCEL_JOB"


def test_a_refusal_names_what_is_refused(tmp_path: Path) -> None:
    """The message for a person names the attributes that the printer named."""
    sides = attribute("sides", Tag.KEYWORD, "two-sided-long-edge")
    refused = reply(Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED, sides, tag=GroupTag.UNSUPPORTED)
    script = play({Operation.CREATE_JOB: refused})
    with scripted(script) as (ipp, _), pytest.raises(PrinterRejectedError, match="refuses sides"):
        ipp.print_job(make_job(tmp_path), Notes())


def test_a_strict_job_is_not_sent_to_a_printer_that_ignores_its_options(tmp_path: Path) -> None:
    """A printer that takes the job but says that it won't staple gets no document of a strict job."""
    ignoring = Message(
        Status.OK_IGNORED_OR_SUBSTITUTED,
        (*job_reply().groups, *reply(0, attribute("copies", Tag.INTEGER, 2), tag=GroupTag.UNSUPPORTED).groups),
    )
    job, notes = make_job(tmp_path, options=JobOptions(copies=2)), Notes()
    with scripted(play({**CREATED, Operation.CREATE_JOB: ignoring})) as (ipp, printer):
        with pytest.raises(PrinterRejectedError, match="ignores copies"):
            ipp.print_job(job, notes)
        assert printer.operations()[-1] == "CANCEL_JOB"
    assert notes.told == []


def test_a_best_effort_job_loses_what_the_printer_refuses(tmp_path: Path) -> None:
    """Asked by Validate-Job, the printer names what it can't do, and the job goes without."""
    sides = attribute("sides", Tag.KEYWORD, "two-sided-long-edge")
    refused = reply(Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED, sides, tag=GroupTag.UNSUPPORTED)
    options = JobOptions(copies=2, sides="two-sided-long-edge")
    job = make_job(tmp_path, options=options, fidelity="best-effort")
    with scripted(play({**CREATED, Operation.VALIDATE_JOB: refused})) as (ipp, printer):
        ipp.print_job(job, Notes())
    created = printer.asked[2].group(GroupTag.JOB)
    assert (created.integer("copies"), created.text("sides")) == (2, None)


# --- lost answers ---


def test_a_lost_answer_to_the_document_is_an_unknown_outcome(tmp_path: Path) -> None:
    """Once the document left and no answer came, nobody says that it failed, and nothing is canceled."""

    def silent(message: Message, request: Request) -> Message | Response:
        answer = hang_up if message.code == Operation.SEND_DOCUMENT else play(dict(CREATED))
        return answer(message, request)

    with scripted(silent) as (ipp, printer):
        with pytest.raises(OutcomeUnknownError):
            ipp.print_job(make_job(tmp_path), Notes())
        assert printer.operations()[-1] == "SEND_DOCUMENT"


class HastyClient(HttpClient):
    """A transport whose printer says yes when it has the beginning of a document: what loopback does only by chance."""

    def request(self, method: str, url: str, *, body: bytes | Upload | None = None, **_: Any) -> Answer:
        """Answer at once."""
        head = body.read(1000) if isinstance(body, Upload) else body or b""
        is_question = int.from_bytes(head[2:4]) == Operation.GET_PRINTER_ATTRIBUTES
        answer = able(*CREATED) if is_question else job_reply()
        return Answer(200, {"Content-Type": "application/ipp"}, encode_message(answer))


def test_a_document_that_is_taken_too_soon_is_of_unknown_outcome(tmp_path: Path) -> None:
    """A printer that says yes and has not read half of it may print as much as it got."""
    notes, http = Notes(), HastyClient()
    with pytest.raises(OutcomeUnknownError):
        Ipp("ipp://127.0.0.1/ipp/print", http=http).print_job(make_job(tmp_path), notes)
    http.close()
    assert notes.told == ["created 42", "sending"]


@pytest.mark.parametrize(
    "answer",
    [
        reply(Status.INTERNAL_ERROR),
        reply(Status.TEMPORARY_ERROR),
        Response(500),
        Response(507),
        Response(200, b"what?"),
    ],
)
def test_an_answer_that_says_nothing_is_an_unknown_outcome(tmp_path: Path, answer: Message | Response) -> None:
    """A printer in trouble after the whole document came doesn't say what it did with it."""
    script = play({Operation.PRINT_JOB: answer}, operations=AT_ONCE)
    with scripted(script) as (ipp, _), pytest.raises(OutcomeUnknownError):
        ipp.print_job(make_job(tmp_path), Notes())


@pytest.mark.parametrize(
    "answer",
    [
        Response(500),
        Response(404),
        Response(200, b"what?"),
        reply(Status.INTERNAL_ERROR),
        reply(Status.TEMPORARY_ERROR),
    ],
)
def test_trouble_before_the_document_is_safe_to_try_again(tmp_path: Path, answer: Message | Response) -> None:
    """As long as no byte of the document has left, the printer counts as unreachable."""
    notes = Notes()
    with scripted(play({Operation.CREATE_JOB: answer})) as (ipp, _), pytest.raises(PrinterUnreachableError):
        ipp.print_job(make_job(tmp_path), notes)
    assert notes.told == []


def test_a_job_whose_document_never_started_is_canceled(tmp_path: Path) -> None:
    """When the disk refuses the note before the first byte, the printer's empty job is taken back."""

    class FullDisk(Notes):
        def sending(self) -> None:
            raise StorageError("no room")

    with scripted(play(dict(CREATED))) as (ipp, printer):
        with pytest.raises(StorageError):
            ipp.print_job(make_job(tmp_path), FullDisk())
        assert "CANCEL_JOB" in printer.operations()


def test_an_unreadable_document_is_told_before_the_printer_is_asked(tmp_path: Path) -> None:
    """A document that is gone from the disk makes no job on the printer."""
    job = make_job(tmp_path, document=Document(tmp_path / "gone", 1, "application/pdf"))
    with scripted(play(dict(CREATED))) as (ipp, printer):
        with pytest.raises(StorageError):
            ipp.print_job(job, Notes())
        assert printer.asked == []
