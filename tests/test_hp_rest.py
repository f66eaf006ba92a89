"""HP's REST interface: what is parsed, and the driver against a simulated printer and scripted servers."""

from __future__ import annotations

import contextlib
import hashlib
import resource
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.hp_rest import HpRest
from agent.drivers.hp_rest_message import parse_device_id, parse_job, parse_reading, parse_supplies
from agent.errors import (
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    PrinterBusyError,
    PrinterError,
    PrinterProtocolError,
    PrinterRejectedError,
    PrinterUnreachableError,
)
from agent.http import HttpClient
from agent.job import Document, Job, JobOptions, JobState
from agent.model import PrinterState, Supply
from agent.simulator.control_front import Faults
from agent.simulator.engine import PrinterEngine
from agent.simulator.hp_rest_front import HpRestFront
from agent.simulator.http_front import HttpFront
from agent.simulator.personality import PRESS
from tests.scripted_server import Script, answering, read_head, reset, scripted, swallow
from tests.test_raw import Notes

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
READY = b'{"status": "ready"}'


class Press:
    """A simulated press with HP's REST interface; its clock stands still until it is moved."""

    def __init__(self, keep: Path) -> None:
        self.now = 0.0
        self.faults = Faults()
        self.engine = PrinterEngine(
            identity=PRESS.identity(serial="EX123"),
            supplies=PRESS.supplies,
            keep=keep,
            seconds_per_page=1.0,
            document_formats=PRESS.document_formats,
            clock=lambda: self.now,
        )
        routes = [HpRestFront(self.engine, faults=self.faults, basic=("admin", "secret"), bearer="token").answer]
        self.front = HttpFront(host="127.0.0.1", port=0, routes=routes)

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.front.port}/"


@pytest.fixture
def press(tmp_path: Path) -> Iterator[Press]:
    """Give a press that listens."""
    press = Press(tmp_path / "kept")
    press.front.start()
    yield press
    press.front.stop()


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give a client with the press's credentials."""
    client = HttpClient(connect_timeout_seconds=2, read_timeout_seconds=2, basic=("admin", "secret"))
    yield client
    client.close()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Give a job of 20 KB."""
    path = tmp_path / "document"
    path.write_bytes(b"%PDF-1.4\n" + b"x" * 20_000)
    document = Document(path, path.stat().st_size, "application/pdf")
    return Job("j", "p", JobState.PROCESSING, document, MOMENT, MOMENT, name="Order 17", token="f00d", attempts=1)


def print_against(script: Script, job: Job, http: HttpClient) -> Notes:
    """Print against a script that takes the request for documents; gives the journal."""
    notes = Notes()
    with scripted(script) as url:
        HpRest(f"{url}Devices/7", http=http).print_job(job, notes)
    return notes


def taking(answer: bytes) -> Script:
    """Take a document of 20 KB and answer with these bytes, then hang up."""

    def script(sock: socket.socket) -> None:
        head = read_head(sock)
        swallow(sock, int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0]))
        sock.sendall(answer)

    return script


# --- what is parsed ---


def test_consumables_are_read_as_the_product_brief_has_them() -> None:
    """`/dev/rest/consumables`, with the colour in the name only."""
    (supply,) = parse_supplies(b'{"consumables":[{"name":"Black Toner","percentRemaining":42}]}')
    assert supply == Supply("Black Toner", "toner", "consumed", "black", "percent", 42, 100)


def test_consumables_are_read_from_xml_by_local_names() -> None:
    """Namespaces and capitals differ between firmwares."""
    body = b"""<?xml version="1.0"?><c:Consumables xmlns:c="urn:x"><c:Consumable><c:Name>Waste Toner Box</c:Name>
    <c:PercentRemaining>30 %</c:PercentRemaining></c:Consumable></c:Consumables>"""
    (supply,) = parse_supplies(body)
    assert (supply.supply_class, supply.percent) == ("receptacle", 70.0)


def test_a_percentage_that_is_none_is_unknown() -> None:
    """255 means not fitted and -1 unknown; neither is a number to show."""
    for told in (b"255", b"-1", b"null", b'"?"', b"true", b"1e400", b"NaN"):
        (supply,) = parse_supplies(b'{"consumables":[{"name":"Ink","percentRemaining":%b}]}' % told)
        assert supply.percent is None


@pytest.mark.parametrize(
    ("word", "state"), [("Ready", "idle"), ("BUSY", "processing"), ("error", "stopped"), ("dreaming", "unknown")]
)
def test_a_status_word_gives_a_state(word: str, state: str) -> None:
    """The set is open: a word that is not known is kept as a reason."""
    status = parse_reading(b'{"status": "%b", "stateReasons": ["none"]}' % word.encode(), None).status
    assert status.state.keyword == state
    assert status.state_reasons == (("dreaming",) if state == "unknown" else ())


def test_a_hostile_text_is_cleaned_and_cut() -> None:
    """Control characters go, and so does what is too long."""
    body = b'{"status": "ready", "deviceName": "a\\u001b[2J\\nb%b", "uuid": "urn:uuid:AB"}' % (b"c" * 1000)
    identity = parse_reading(body, None).identity
    assert identity.name == "a[2Jb" + "c" * 250
    assert identity.uuid == "ab"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"42",
        b"[" * 100_000,
        b"<html><body>Welcome</body></html>",
        b'<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>',
        b"<a>" * 50 + b"</a>" * 50,
        b"{}",
    ],
)
def test_what_is_no_product_status_is_a_protocol_error(body: bytes) -> None:
    """Another server, a web page, or an attack."""
    with pytest.raises(PrinterProtocolError):
        parse_reading(body, None)


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.from_regex(r'\{"(jobs?|status|id)": ?[\[{"0-9a-z\]}]*\}').map(str.encode)
)
def test_parsing_is_total(body: bytes) -> None:
    """Whatever the bytes: a model or our error."""
    for parse in (parse_job, parse_supplies, parse_device_id):
        with contextlib.suppress(PrinterProtocolError):
            parse(body)


# --- the driver, against a simulated press ---


def test_a_press_is_read_whole(press: Press, http: HttpClient) -> None:
    """Identity, state, supplies and formats, with the device found through `/Devices`."""
    press.engine.jam()
    reading = HpRest(press.url, http=http).read()
    assert reading.identity == press.engine.identity
    assert reading.status == replace(press.engine.status(), state=PrinterState.STOPPED)
    assert reading.capabilities.document_formats == PRESS.document_formats


def test_a_job_is_printed_and_followed_to_its_end(press: Press, http: HttpClient, job: Job) -> None:
    """The bytes are the same, and `completed` is the press's own word."""
    driver = HpRest(press.url, http=http)
    reading = driver.print_job(replace(job, options=JobOptions(copies=2, sides="one-sided")), notes := Notes())
    assert (reading.state, notes.notes) == (JobState.PENDING, ["sending", "left", "1"])
    assert driver.read_job("1").state == JobState.PROCESSING
    press.now = 2.0
    assert (driver.read_job("1").state, driver.read_job("1").impressions_completed) == (JobState.COMPLETED, 2)
    (kept,) = press.engine.jobs()
    assert kept.sha256 == hashlib.sha256(job.document.path.read_bytes()).hexdigest()
    assert kept.options == {"copies": 2, "sides": "one-sided"}


def test_a_name_that_a_pin_guards_is_not_sent(press: Press, http: HttpClient, job: Job) -> None:
    """Whoever walks past the press must not read it."""
    driver = HpRest(press.url, http=http)
    driver.print_job(job, Notes())
    driver.print_job(replace(job, has_pin=True), Notes())
    assert [kept.name for kept in press.engine.jobs()] == ["Order 17 f00d-1", "j f00d-1"]


def test_a_press_that_names_jobs_in_its_own_way_is_believed(http: HttpClient) -> None:
    """Only the name of another job of ours tells that a number is not the job's any more."""
    told = {b"Page 1": None, b"Order 17 0123456789ab-2": "Order 17 0123456789ab-2"}
    for name, heard in told.items():
        body = b'{"jobId": "7", "status": "completed", "name": "%b"}' % name
        with scripted(answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)) as url:
            assert HpRest(f"{url}Devices/7", http=http).read_job("7").name == heard


def test_a_job_is_canceled_once(press: Press, http: HttpClient, job: Job) -> None:
    """A second time, or with an id that it doesn't know, it says so."""
    driver = HpRest(press.url, http=http)
    driver.print_job(job, Notes())
    driver.cancel_job("1")
    assert driver.read_job("1").state == JobState.CANCELED
    with pytest.raises(ConflictError):
        driver.cancel_job("1")
    with pytest.raises(NotFoundError):
        driver.cancel_job("99")


def test_a_job_that_the_press_has_forgotten_is_not_found(press: Press, http: HttpClient, job: Job) -> None:
    """Which proves nothing about its end."""
    driver = HpRest(press.url, http=http)
    driver.print_job(job, Notes())
    press.now = 1.0
    assert driver.read_job("1").state == JobState.COMPLETED
    press.now = 100.0
    with pytest.raises(NotFoundError):
        driver.read_job("1")


def test_wrong_credentials_are_a_refusal(press: Press, job: Job) -> None:
    """Nothing of the document is taken."""
    stranger = HttpClient(basic=("admin", "guess"))
    with pytest.raises(PrinterRejectedError) as caught:
        HpRest(press.url, http=stranger).print_job(job, Notes())
    stranger.close()
    assert caught.value.reason == "account-authorization-failed"
    assert press.engine.jobs() == ()


def test_a_token_is_as_good_as_a_password(press: Press, job: Job) -> None:
    """The client brings either."""
    bearer = HttpClient(bearer="token")
    assert HpRest(press.url, http=bearer).print_job(job, Notes()).device_job_id == "1"
    bearer.close()


def test_an_unsupported_format_is_rejected_for_good(press: Press, http: HttpClient, job: Job) -> None:
    """With RFC 8011's reason."""
    with pytest.raises(PrinterRejectedError) as caught:
        HpRest(press.url, http=http).print_job(
            replace(job, document=replace(job.document, format="image/heic")), Notes()
        )
    assert caught.value.reason == "unsupported-document-format"
    assert press.engine.jobs() == ()


def test_a_busy_press_says_when_to_come_back(press: Press, http: HttpClient, job: Job) -> None:
    """Nothing was taken, and the second try works."""
    press.faults.refuse(503, times=1)
    driver = HpRest(press.url, http=http)
    with pytest.raises(PrinterBusyError) as caught:
        driver.print_job(job, Notes())
    assert caught.value.retry_after_seconds == 1.0
    assert driver.print_job(job, Notes()).device_job_id == "1"


def test_a_lost_answer_leaves_the_outcome_unknown(press: Press, http: HttpClient, job: Job) -> None:
    """The press has the document and prints it; only nobody said so."""
    press.faults.drop_answer(times=1)
    with pytest.raises(OutcomeUnknownError):
        HpRest(press.url, http=http).print_job(job, notes := Notes())
    assert notes.notes == ["sending", "left"]
    assert len(press.engine.jobs()) == 1


# --- the driver, against servers that do it wrong ---


def test_an_absent_press_is_unreachable(http: HttpClient, job: Job) -> None:
    """For reading, printing, asking and canceling."""
    driver = HpRest("http://127.0.0.1:1/Devices/1", http=http)
    for act in (driver.read, lambda: driver.print_job(job, Notes()), lambda: driver.read_job("1")):
        with pytest.raises(PrinterUnreachableError):
            act()


def test_another_web_server_is_no_press(http: HttpClient) -> None:
    """It says 404, or shows a page."""
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>"
    missing = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    for scripts in ([answering(page)], [answering(missing)] * 2):
        with scripted(*scripts) as url, pytest.raises(PrinterProtocolError):
            HpRest(url, http=http).read()


def test_the_other_family_of_consumables_is_asked_second(http: HttpClient) -> None:
    """A device without `Consumables` may have `/dev/rest/consumables`."""
    missing = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    found = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"consumables":[{"name":"Cyan Ink","percentRemaining":7}]}'
    ready = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + READY
    with scripted(answering(ready), answering(missing), answering(found)) as url:
        reading = HpRest(f"{url}Devices/7", http=http).read()
    assert [supply.colorant for supply in reading.status.supplies] == ["cyan"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, PrinterRejectedError),
        (404, PrinterRejectedError),
        (429, PrinterBusyError),
        (499, PrinterRejectedError),
        (500, OutcomeUnknownError),
        (501, PrinterRejectedError),
        (502, OutcomeUnknownError),
        (503, PrinterBusyError),
        (507, OutcomeUnknownError),
    ],
)
def test_what_a_status_means_for_a_document(http: HttpClient, job: Job, status: int, error: type[PrinterError]) -> None:
    """No and later took nothing; a failure inside leaves it open."""
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: soon\r\n\r\n" % status
    with pytest.raises(error):
        print_against(taking(answer), job, http)


def test_a_created_job_is_named_by_location_or_body(http: HttpClient, job: Job) -> None:
    """Or by nothing, and then nothing can be asked about it."""
    head = b"HTTP/1.1 201 Created\r\nConnection: close\r\n"
    answers = {
        head + b"Location: /Devices/7/Print/Jobs/a%2Fb\r\n\r\n": ["sending", "left", "a/b"],
        head + b"\r\n<Job><JobId>17</JobId></Job>": ["sending", "left", "17"],
        head + b"\r\nthank you": ["sending", "left"],
    }
    for answer, notes in answers.items():
        assert print_against(taking(answer), job, http).notes == notes


def test_a_document_that_is_taken_too_soon_is_of_unknown_outcome(http: HttpClient, job: Job) -> None:
    """A press that says yes before it can have all of it may print as much as it got; its job can be asked for."""
    over, notes = threading.Event(), Notes()

    def take_little(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 36\r\n\r\n<Job><JobId>17</JobId><!-- --></Job>")
        over.wait(5)

    with scripted(take_little, receive_bytes=4096) as url:
        with pytest.raises(OutcomeUnknownError):
            HpRest(f"{url}Devices/7", http=http).print_job(job, notes)
        over.set()
    assert notes.notes == ["sending", "17"]


def test_a_reset_in_the_middle_leaves_the_outcome_unknown(http: HttpClient, job: Job) -> None:
    """Some of the document left."""

    def break_off(sock: socket.socket) -> None:
        read_head(sock)
        sock.recv(1000)
        reset(sock)

    with pytest.raises(OutcomeUnknownError):
        print_against(break_off, job, http)


def test_a_big_document_needs_little_memory(tmp_path: Path, http: HttpClient, job: Job) -> None:
    """100 MB grow the process by less than 24 MB."""
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print_against(taking(answer), replace(job, document=Document(path, 100_000_000, "application/pdf")), http)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24_000
