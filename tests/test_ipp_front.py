"""The pretended IPP printer: as strict as the standards, for our driver and for CUPS's ipptool."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.drivers.ipp import Ipp
from agent.drivers.ipp_message import encode_message, parse_message
from agent.drivers.ipp_values import (
    Attribute,
    Attributes,
    Group,
    GroupTag,
    Message,
    Operation,
    Status,
    Tag,
    attribute,
)
from agent.errors import NotFoundError, PrinterRejectedError
from agent.http import HttpClient
from agent.job import Document, JobOptions, JobState
from agent.model import Identity, Supply
from agent.simulator.engine import PrinterEngine
from agent.simulator.http_front import HttpFront, Request, Response
from agent.simulator.ipp_front import VERSIONS, IppFront
from tests.ipp_parts import PDF, Notes, follow, make_job

IDENTITY = Identity(
    uuid="1c852a4d-b800-1f08-abcd-5820b1decccd",
    serial="SIM1",
    make_and_model="HP Color LaserJet M452nw",
    name="Front desk",
    location="Hall",
    firmware="1.2.3",
)
SUPPLIES = (
    Supply("Black Cartridge", "toner-cartridge", "consumed", "black", "percent", 80, 100),
    Supply("Waste Box", "waste-toner", "receptacle", None, "percent", 90, 100),
)
URI = "ipp://printer.example/ipp/print"
FIRST = (
    attribute("attributes-charset", Tag.CHARSET, "utf-8"),
    attribute("attributes-natural-language", Tag.NATURAL_LANGUAGE, "en"),
    attribute("printer-uri", Tag.URI, URI),
)
FIDELITY = attribute("ipp-attribute-fidelity", Tag.BOOLEAN, True)


def make_engine(seconds_per_page: float = 0.0) -> PrinterEngine:
    """Give a printer that keeps no documents, and prints at once unless told otherwise."""
    return PrinterEngine(
        identity=IDENTITY,
        supplies=SUPPLIES,
        keep=None,
        seconds_per_page=seconds_per_page,
        document_formats=("application/pdf", "application/octet-stream"),
    )


@contextmanager
def served(engine: PrinterEngine, versions: tuple[tuple[int, int], ...] = VERSIONS) -> Iterator[tuple[Ipp, str]]:
    """Serve a pretended printer on loopback; give our driver for it, and its URI."""
    ipp_front = IppFront(engine, versions=versions)

    def route(asked: Request) -> Response:
        answer = ipp_front.answer(io.BufferedReader(asked.body), asked.body.length)
        return Response(body=answer, content_type="application/ipp")

    front, http = HttpFront(host="127.0.0.1", port=0, routes=(route,)), HttpClient()
    front.start()
    uri = f"ipp://127.0.0.1:{front.port}/ipp/print"
    try:
        yield Ipp(uri, http=http), uri
    finally:
        http.close()
        front.stop()


@dataclass
class Bench:
    """A pretended printer, and our driver for it."""

    engine: PrinterEngine
    ipp: Ipp


@pytest.fixture(params=[VERSIONS, VERSIONS[:1]], ids=["IPP/2.0", "IPP/1.1"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Serve a pretended printer, a modern one and an old one."""
    engine = make_engine()
    with served(engine, request.param) as (ipp, _):
        yield Bench(engine, ipp)


def test_the_driver_reads_what_the_engine_is(bench: Bench) -> None:
    """Identity, supplies and abilities survive the way through IPP."""
    reading = bench.ipp.read()
    assert reading.identity == IDENTITY
    assert reading.status.supplies == SUPPLIES
    assert reading.capabilities.document_formats == bench.engine.capabilities().document_formats
    assert reading.capabilities.options["print-quality"] == ("draft", "normal", "high")


def test_a_job_prints_to_its_end_byte_for_byte(bench: Bench, tmp_path: Path) -> None:
    """The document and the options reach the engine, and the end of the job comes back."""
    options = JobOptions(copies=2, page_ranges=((1, 2),), print_quality="high")
    reading = bench.ipp.print_job(make_job(tmp_path, name="Invoice", options=options, priority=70), Notes())
    assert follow(bench.ipp, reading.device_job_id).state == JobState.COMPLETED
    job = bench.engine.job(int(reading.device_job_id or ""))
    assert job is not None
    assert (job.name, job.sha256) == ("Invoice f00d-1", hashlib.sha256(PDF).hexdigest())
    assert job.options == {"copies": 2, "page-ranges": ((1, 2),), "print-quality": "high", "job-priority": 70}


def test_a_job_is_found_canceled_and_forgotten_as_with_real_printers(bench: Bench, tmp_path: Path) -> None:
    """A jammed printer's job is found by our token, and can be canceled; another is not found."""
    bench.engine.jam()
    reading = bench.ipp.print_job(make_job(tmp_path), Notes())
    found = bench.ipp.find_job(make_job(tmp_path))
    assert found is not None
    assert (found.device_job_id, found.state) == (reading.device_job_id, JobState.PROCESSING_STOPPED)
    bench.ipp.cancel_job(reading.device_job_id or "")
    assert bench.ipp.read_job(reading.device_job_id or "").state == JobState.CANCELED
    with pytest.raises(NotFoundError):
        bench.ipp.read_job("77")


def test_a_jam_is_told_by_its_pwg_keyword(bench: Bench) -> None:
    """A jam is a stopped printer with its reason."""
    bench.engine.jam()
    assert bench.ipp.read().status.state_reasons == ("media-jam-error",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"options": JobOptions(finishings=("staple",))}, "unsupported-attributes-or-values"),
        ({"options": JobOptions(copies=1000)}, "unsupported-attributes-or-values"),
        ({"options": JobOptions(media="iso_a0_841x1189mm")}, "unsupported-attributes-or-values"),
        ({"document": Document(Path(__file__), 100, "image/tiff")}, "unsupported-document-format"),
    ],
)
def test_what_it_can_not_do_it_refuses(bench: Bench, tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """A strict job with an option or a format that the printer hasn't is refused, and prints nothing."""
    with pytest.raises(PrinterRejectedError) as refusal:
        bench.ipp.print_job(make_job(tmp_path, **changes), Notes())
    assert refusal.value.reason == reason
    assert [job for job in bench.engine.history() if job.size] == []


def test_a_best_effort_job_is_printed_without(bench: Bench, tmp_path: Path) -> None:
    """What can't be done is left out of a best-effort job."""
    options = JobOptions(copies=2, finishings=("staple",))
    reading = bench.ipp.print_job(make_job(tmp_path, options=options, fidelity="best-effort"), Notes())
    job = bench.engine.job(int(reading.device_job_id or ""))
    assert job is not None
    assert job.options == {"copies": 2}


# --- strictness, without a network ---


def asking(code: int, *operation: Attribute, template: Sequence[Attribute] = ()) -> Message:
    """Make a request that begins as it should."""
    job = (Group(GroupTag.JOB, Attributes(tuple(template))),) if template else ()
    return Message(code, (*operation_group(*FIRST, *operation), *job))


def answer(request: Message, document: bytes = b"") -> Message:
    """Give the answer to a request."""
    body = encode_message(request) + document
    return parse_message(IppFront(make_engine()).answer(io.BytesIO(body), len(body)))


def operation_group(*items: Attribute) -> tuple[Group, ...]:
    """Give the groups of a request with only operation attributes."""
    return (Group(GroupTag.OPERATION, Attributes(items)),)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.OK),
        ({"version": (3, 0)}, Status.VERSION_NOT_SUPPORTED),
        ({"version": (0, 9)}, Status.VERSION_NOT_SUPPORTED),
        ({"request_id": 0}, Status.BAD_REQUEST),
        ({"groups": ()}, Status.BAD_REQUEST),
        ({"groups": (Group(GroupTag.JOB, Attributes(FIRST)),)}, Status.BAD_REQUEST),
        ({"groups": operation_group(*FIRST[1:])}, Status.BAD_REQUEST),
        ({"groups": operation_group(FIRST[1], FIRST[0], FIRST[2])}, Status.BAD_REQUEST),
        ({"groups": operation_group(*FIRST[:2])}, Status.BAD_REQUEST),
        ({"groups": operation_group(*FIRST, FIRST[2])}, Status.BAD_REQUEST),
        (
            {"groups": operation_group(attribute("attributes-charset", Tag.CHARSET, "utf-7"), *FIRST[1:])},
            Status.CHARSET_NOT_SUPPORTED,
        ),
        ({"code": 0x4001}, Status.OPERATION_NOT_SUPPORTED),
    ],
)
def test_a_request_must_begin_as_the_standard_wants(changes: dict[str, Any], status: Status) -> None:
    """Version, request-id, charset, language and printer-uri are demanded, in this order."""
    assert answer(replace(asking(Operation.GET_PRINTER_ATTRIBUTES), **changes)).code == status


def test_noise_is_a_bad_request() -> None:
    """What is no IPP message is answered as such."""
    assert parse_message(IppFront(make_engine()).answer(io.BytesIO(b"GET /"), 5)).code == Status.BAD_REQUEST


def test_an_answer_belongs_to_its_request() -> None:
    """Request id and version come back."""
    told = answer(replace(asking(Operation.GET_PRINTER_ATTRIBUTES), request_id=77, version=(1, 1)))
    assert (told.request_id, told.version) == (77, (1, 1))


def test_only_what_was_asked_for_is_told() -> None:
    """requested-attributes limits the answer."""
    wanted = attribute("requested-attributes", Tag.KEYWORD, "printer-state", "no-such")
    told = answer(asking(Operation.GET_PRINTER_ATTRIBUTES, wanted))
    assert [item.name for item in told.group(GroupTag.PRINTER).items] == ["printer-state"]


def test_unsupported_options_are_given_back() -> None:
    """A refusal names the values, and an unknown attribute as unsupported."""
    template = (attribute("sides", Tag.KEYWORD, "tumble"), attribute("scent", Tag.KEYWORD, "rose"))
    told = answer(asking(Operation.VALIDATE_JOB, FIDELITY, template=template))
    assert told.code == Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED
    assert told.group(GroupTag.UNSUPPORTED).items == (template[0], attribute("scent", Tag.UNSUPPORTED, None))


def test_an_option_of_the_wrong_syntax_is_unsupported() -> None:
    """A number as a keyword is no number of copies."""
    told = answer(asking(Operation.VALIDATE_JOB, template=(attribute("copies", Tag.KEYWORD, "2"),)))
    assert told.code == Status.OK_IGNORED_OR_SUBSTITUTED


@pytest.mark.parametrize(
    ("items", "status"),
    [
        ((attribute("job-id", Tag.INTEGER, 9), attribute("last-document", Tag.BOOLEAN, True)), Status.NOT_FOUND),
        ((attribute("last-document", Tag.BOOLEAN, True),), Status.BAD_REQUEST),
    ],
)
def test_a_document_needs_its_job(items: tuple[Attribute, ...], status: Status) -> None:
    """Send-Document without a job, or with one that isn't there, is refused."""
    assert answer(asking(Operation.SEND_DOCUMENT, *items), document=PDF).code == status


def test_a_document_that_ends_early_is_no_job() -> None:
    """A connection that breaks inside the document leaves an aborted job."""
    engine = make_engine()
    body = encode_message(Message(Operation.PRINT_JOB, operation_group(*FIRST))) + PDF
    with pytest.raises(ConnectionError):
        IppFront(engine).answer(io.BytesIO(body), len(body) + 1)
    assert [job.state for job in engine.jobs()] == [JobState.ABORTED]


@pytest.mark.parametrize(("version", "suite", "seconds_per_page"), [("1.1", "ipp-1.1", 0.0), ("2.0", "ipp-2.0", 0.1)])
def test_ipptool_finds_nothing_to_complain_of(
    tmp_path: Path, version: str, suite: str, seconds_per_page: float
) -> None:
    """CUPS's own conformance suites pass the pretended printer, one that prints at once and one that takes its time."""
    if shutil.which("ipptool") is None:
        pytest.skip("ipptool (cups-ipp-utils) is not installed")
    document = tmp_path / "document.pdf"
    document.write_bytes(PDF)
    with served(make_engine(seconds_per_page)) as (_, uri):
        command = ("ipptool", "-t", "-V", version, "-f", str(document), uri, f"{suite}.test")
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert "[FAIL]" not in done.stdout, done.stdout
    assert "[PASS]" in done.stdout, done.stdout
