"""The IPP driver against printers on loopback that say what a test has written: reading them and following jobs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.drivers.ipp import Ipp, http_url
from agent.drivers.ipp_message import encode_message
from agent.drivers.ipp_values import GroupTag, Message, Operation, Status, Tag, attribute
from agent.errors import (
    NotFoundError,
    PrinterError,
    PrinterProtocolError,
    PrinterRejectedError,
    PrinterUnreachableError,
)
from agent.http import HttpClient
from agent.job import JobState
from agent.model import PrinterState
from agent.simulator.http_front import Request, Response
from tests.ipp_parts import Notes, able, job_reply, make_job, play, reply, scripted


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("ipp://h/ipp/print", "http://h:631/ipp/print"),
        ("ipps://h:443/ipp/print", "https://h:443/ipp/print"),
        ("ipps://[2001:db8::7]/", "https://[2001:db8::7]:631/"),
        ("ipp://h:8631", "http://h:8631/"),
    ],
)
def test_an_ipp_uri_is_http_on_port_631(uri: str, url: str) -> None:
    """The scheme names TLS, and the port is 631 where none is named."""
    assert http_url(uri) == url


# --- reading ---


def test_one_exchange_reads_a_printer() -> None:
    """Status costs one Get-Printer-Attributes, that names what it wants."""
    with scripted(play({})) as (ipp, printer):
        assert ipp.read().status.state == PrinterState.IDLE
        assert printer.operations() == ["GET_PRINTER_ATTRIBUTES"]
        assert "printer-state" in printer.asked[0].group(GroupTag.OPERATION).texts("requested-attributes")


@pytest.mark.parametrize(("says", "exchanges"), [(True, 1), (False, 2)])
def test_who_a_printer_is_costs_three_attributes(says: bool, exchanges: int) -> None:
    """One that tells nothing when it is asked so is read whole."""
    uuid = attribute("printer-uuid", Tag.URI, "urn:uuid:0f0e0d0c-0b0a-4908-8706-050403020100")

    def printer_says(message: Message, request: Request) -> Message:
        return reply(0, uuid, tag=GroupTag.PRINTER) if says else able()

    with scripted(printer_says) as (ipp, printer):
        assert (ipp.read_identity().uuid is not None) is says
        assert len(printer.asked) == exchanges
        assert len(printer.asked[0].group(GroupTag.OPERATION).texts("requested-attributes")) == 3


@pytest.mark.parametrize("spoken", [((2, 0), (1, 1)), ((2, 0), (1, 1), (1, 0))])
@pytest.mark.parametrize("refusal", [reply(Status.VERSION_NOT_SUPPORTED), Response(400)])
def test_an_old_printer_is_spoken_to_in_its_version(
    refusal: Message | Response, spoken: tuple[tuple[int, int], ...]
) -> None:
    """IPP 2.0 that is refused, one way or the other, becomes 1.1 or even 1.0, once and for good."""

    def old(message: Message, request: Request) -> Message | Response:
        return able() if message.version == spoken[-1] else refusal

    with scripted(old) as (ipp, printer):
        ipp.read()
        ipp.read()
        assert [message.version for message in printer.asked] == [*spoken, spoken[-1]]


def test_a_printer_that_dislikes_requested_attributes_is_asked_for_all() -> None:
    """A printer that stumbles over a name that it doesn't know is asked without names from then on."""

    def picky(message: Message, request: Request) -> Message:
        named = message.group(GroupTag.OPERATION).texts("requested-attributes")
        return reply(Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED) if named else able()

    with scripted(picky) as (ipp, printer):
        ipp.read()
        ipp.read()
        assert len(printer.asked) == 3


def test_a_printer_with_one_attribute_of_a_wrong_length_is_read_up_to_it() -> None:
    """What came before stands; nothing after it could be told from noise."""
    whole = encode_message(able())
    bad = whole[:-1] + b"\x41\x00\x0dprinter-state\xff\xffcut"
    with scripted(lambda message, request: Response(body=bad)) as (ipp, _):
        assert ipp.read().status.state == PrinterState.IDLE


def test_half_a_list_of_jobs_is_not_believed() -> None:
    """The job that is asked for may be in the other half."""
    bad = encode_message(job_reply(42))[:-1] + b"\x41\x00\x08job-name\xff\xffcut"

    def cut(message: Message, request: Request) -> Message | Response:
        return able() if message.code == Operation.GET_PRINTER_ATTRIBUTES else Response(body=bad)

    with scripted(cut) as (ipp, _), pytest.raises(PrinterProtocolError):
        ipp.read_job("42")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(401), PrinterRejectedError),
        (Response(403), PrinterRejectedError),
        (Response(400), PrinterProtocolError),
        (Response(404), PrinterProtocolError),
        (Response(301, headers={"Location": "https://elsewhere/"}), PrinterProtocolError),
        (Response(503), PrinterUnreachableError),
        (Response(500), PrinterUnreachableError),
        (Response(200, b"<html>"), PrinterProtocolError),
        (reply(Status.INTERNAL_ERROR), PrinterUnreachableError),
        (reply(Status.BUSY), PrinterUnreachableError),
        (reply(Status.NOT_FOUND), PrinterProtocolError),
        (reply(Status.OPERATION_NOT_SUPPORTED), PrinterProtocolError),
        (reply(Status.NOT_AUTHENTICATED), PrinterRejectedError),
        (reply(Status.OK, tag=GroupTag.PRINTER), PrinterProtocolError),
    ],
)
def test_what_is_no_reading_is_one_of_three_errors(answer: Message | Response, error: type[PrinterError]) -> None:
    """Try again, log in, or no IPP printer: the caller needs no more."""
    with scripted(lambda message, request: answer) as (ipp, _), pytest.raises(error):
        ipp.read()


def test_nobody_there_is_unreachable() -> None:
    """A closed port is an unreachable printer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    http = HttpClient()
    with pytest.raises(PrinterUnreachableError):
        Ipp(f"ipp://127.0.0.1:{port}/ipp/print", http=http).read()
    http.close()


# --- following ---


@pytest.mark.parametrize("ask", [Ipp.read_job, Ipp.cancel_job])
def test_a_job_is_asked_for_and_cancelled_as_its_user(ask: Callable[..., object]) -> None:
    """A queue that checks owners lets nobody else cancel it, nor see its name."""
    asked: list[str | None] = []

    def answer(message: Message, request: Request) -> Message | Response:
        asked.append(message.group(GroupTag.OPERATION).text("requesting-user-name"))
        return job_reply(7)

    with scripted(answer) as (ipp, _):
        ask(ipp, "7", user="kiosk-3")
    assert "kiosk-3" in asked


@pytest.mark.parametrize("ask", [lambda ipp: ipp.read_job("7"), lambda ipp: ipp.cancel_job("7")])
@pytest.mark.parametrize("status", [Status.NOT_FOUND, Status.GONE])
def test_a_job_that_the_printer_forgot_is_not_found(ask: Callable[[Ipp], object], status: Status) -> None:
    """Printers forget; that is told as what it is."""
    with scripted(lambda message, request: reply(status)) as (ipp, _), pytest.raises(NotFoundError):
        ask(ipp)


@pytest.mark.parametrize("device_job_id", ["job-a", "", "-5", "2147483648", "99999999999"])
def test_an_id_of_another_kind_is_not_found(device_job_id: str) -> None:
    """An id that IPP can't have given out is asked of nobody."""
    with scripted(play({})) as (ipp, printer), pytest.raises(NotFoundError):
        ipp.read_job(device_job_id)
    assert printer.asked == []


def test_a_printer_that_makes_a_job_without_an_id_gets_no_document(tmp_path: Path) -> None:
    """A job that can't be followed isn't begun."""
    notes = Notes()
    with scripted(play({Operation.CREATE_JOB: job_reply(-5)})) as (ipp, _), pytest.raises(PrinterRejectedError):
        ipp.print_job(make_job(tmp_path), notes)
    assert notes.told == []


def test_a_job_without_a_state_is_no_answer() -> None:
    """A printer that leaves the state out has not said that it can say nothing."""
    answer = reply(0, attribute("job-id", Tag.INTEGER, 7))
    with scripted(lambda message, request: answer) as (ipp, _), pytest.raises(PrinterProtocolError):
        ipp.read_job("7")


def test_a_job_is_found_by_the_last_word_of_its_name(tmp_path: Path) -> None:
    """After a lost answer the newest job of that name is the one, among those under way and those that are over."""

    def listing(message: Message, request: Request) -> Message:
        is_over = message.group(GroupTag.OPERATION).text("which-jobs") == "completed"
        names = {3: "a f00d-1", 5: "b f00d-2", 9: "f00d-3 b"} if is_over else {4: "a f00d-1", 8: "af00d-1"}
        groups = tuple(
            reply(
                0,
                attribute("job-id", Tag.INTEGER, number),
                attribute("job-name", Tag.NAME, name),
                attribute("job-state", Tag.ENUM, 9 if is_over else 5),
            ).groups[0]
            for number, name in names.items()
        )
        return Message(Status.OK, groups)

    with scripted(listing) as (ipp, _):
        job = make_job(tmp_path, token="f00d", attempts=1)
        any_attempt, this_attempt = ipp.find_job(job, of_any_attempt=True), ipp.find_job(job)
        assert any_attempt is not None
        assert this_attempt is not None
        assert (any_attempt.device_job_id, any_attempt.state) == ("5", JobState.COMPLETED)
        assert (this_attempt.device_job_id, this_attempt.state) == ("4", JobState.PROCESSING)
        assert ipp.find_job(replace(job, attempts=3)) is None


def test_a_printer_without_a_list_of_jobs_finds_none(tmp_path: Path) -> None:
    """A refused Get-Jobs is no error: it proves as little as an empty list."""
    with scripted(lambda message, request: reply(Status.OPERATION_NOT_SUPPORTED)) as (ipp, _):
        assert ipp.find_job(make_job(tmp_path)) is None


def test_only_a_printer_that_can_is_asked_to_identify_itself() -> None:
    """Identify-Printer goes to printers that have it; the others refuse in one clear line."""
    with scripted(play({Operation.IDENTIFY_PRINTER: reply()}, operations=(Operation.IDENTIFY_PRINTER,))) as (
        ipp,
        printer,
    ):
        ipp.identify()
        assert printer.operations()[-1] == "IDENTIFY_PRINTER"
    with scripted(play({})) as (ipp, _), pytest.raises(PrinterRejectedError, match="no way to identify"):
        ipp.identify()
