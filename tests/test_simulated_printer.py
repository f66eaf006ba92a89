"""The simulated printer: its engine by a clock of the test's, its fronts over real sockets."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from zeroconf import ServiceBrowser, ServiceStateChange, Zeroconf

from agent.drivers.choose import build_http_source
from agent.drivers.embedded_web import Gaps
from agent.errors import ConflictError, NotFoundError
from agent.http import HttpClient
from agent.job import JobState
from agent.model import PrinterState
from agent.simulator.engine import PrinterEngine, SimulatedJob
from agent.simulator.pdf import PageCounter, write_pdf
from agent.simulator.personality import LASER, PERSONALITIES, Kind
from agent.simulator.printer import PrinterOptions, SimulatedPrinter

PDF = write_pdf("A test (with brackets)", pages=3)


class Bench:
    """An engine and its clock: a page a second."""

    def __init__(self, keep: Path) -> None:
        self.now = 1000.0
        self.engine = PrinterEngine(
            identity=LASER.identity(serial="X1"),
            supplies=LASER.supplies,
            keep=keep,
            seconds_per_page=1.0,
            document_formats=LASER.document_formats,
            clock=lambda: self.now,
        )

    def send(self, **options: object) -> int:
        """Send a PDF of three pages; gives its job's id."""
        job_id = self.engine.create_job("A test/1", "application/pdf", options)
        self.engine.receive(job_id, [PDF[:100], PDF[100:]])
        return job_id

    def job(self, job_id: int) -> SimulatedJob:
        """Give a job that must be there."""
        job = self.engine.job(job_id)
        assert job is not None
        return job


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give an engine that keeps its documents."""
    return Bench(tmp_path / "kept")


def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds, for at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- the PDF ---


@pytest.mark.parametrize("step", [1, 7, 64, 100_000])
def test_pages_are_counted_however_the_document_is_cut(step: int) -> None:
    """A page object that lies across two chunks counts once."""
    counter = PageCounter()
    for at in range(0, len(PDF), step):
        counter.update(PDF[at : at + step])
    assert counter.pages == 3


def test_the_cross_reference_table_of_a_pdf_is_right() -> None:
    """Each offset is where its object begins, so that any viewer opens it."""
    table = PDF[int(PDF.rsplit(b"startxref\n", 1)[1].split()[0]) :]
    offsets = [int(line[:10]) for line in table.splitlines()[3:] if line.endswith(b" n ")]
    assert len(offsets) == 9
    for number, offset in enumerate(offsets, start=1):
        assert PDF[offset:].startswith(b"%d 0 obj" % number)


# --- the engine ---


def test_a_document_is_kept_byte_for_byte(bench: Bench) -> None:
    """With its hash, its pages, and a name that is safe on a disk."""
    job = bench.job(bench.send())
    assert job.path is not None
    assert job.path.name == "1-A_test_1.pdf"
    assert job.path.read_bytes() == PDF
    assert (job.sha256, job.pages) == (hashlib.sha256(PDF).hexdigest(), 3)


def test_one_job_prints_at_a_time_by_the_clock(bench: Bench) -> None:
    """Pages times copies, and the next one begins where the one before ended."""
    first, second = bench.send(copies=2), bench.send()
    assert (bench.job(first).state, bench.job(second).state) == (JobState.PROCESSING, JobState.PENDING)
    bench.now += 5
    assert (bench.job(first).impressions_completed, bench.engine.status().state) == (5, PrinterState.PROCESSING)
    bench.now += 2
    assert (bench.job(first).state, bench.job(second).impressions_completed) == (JobState.COMPLETED, 1)
    bench.now += 2
    assert bench.job(second).state == JobState.COMPLETED
    assert (bench.engine.status().state, bench.engine.status().impressions_completed) == (PrinterState.IDLE, 9)


def test_a_jam_stops_the_job_until_it_is_cleared(bench: Bench) -> None:
    """It goes on where it stopped."""
    job_id = bench.send()
    bench.now += 1
    bench.engine.jam()
    bench.now += 50
    job = bench.job(job_id)
    assert (job.state, job.impressions_completed) == (JobState.PROCESSING_STOPPED, 1)
    assert "media-jam-error" in job.state_reasons
    assert bench.engine.status().state_reasons == ("media-jam-error",)
    bench.engine.clear()
    bench.now += 2
    assert bench.job(job_id).state == JobState.COMPLETED


def test_a_job_that_comes_during_a_jam_waits_stopped(bench: Bench) -> None:
    """The printer has it, and prints it when it can."""
    bench.engine.jam()
    job_id = bench.send()
    assert bench.job(job_id).state == JobState.PROCESSING_STOPPED
    bench.engine.clear()
    assert bench.job(job_id).state == JobState.PROCESSING


def test_a_canceled_job_makes_room_for_the_next(bench: Bench) -> None:
    """Which then takes its full time."""
    first, second = bench.send(), bench.send()
    bench.now += 0.9
    bench.engine.cancel(first)
    bench.now += 0.9
    assert (bench.job(first).state, bench.job(second).impressions_completed) == (JobState.CANCELED, 0)
    with pytest.raises(ConflictError):
        bench.engine.cancel(first)
    with pytest.raises(NotFoundError):
        bench.engine.cancel(99)


def test_a_finished_job_is_forgotten_after_a_minute(bench: Bench) -> None:
    """As by real printers; the report remembers it."""
    job_id = bench.send()
    bench.now += 62
    assert bench.job(job_id).state == JobState.COMPLETED
    bench.now += 2
    assert bench.engine.job(job_id) is None
    assert [job.state for job in bench.engine.history()] == [JobState.COMPLETED]


def test_a_document_that_breaks_off_aborts_its_job(bench: Bench) -> None:
    """Nothing of it is kept."""

    def broken() -> Iterator[bytes]:
        yield PDF[:500]
        raise ConnectionError("gone")

    job_id = bench.engine.create_job("x", "application/pdf", {})
    with pytest.raises(ConnectionError):
        bench.engine.receive(job_id, broken())
    assert bench.job(job_id).state == JobState.ABORTED
    assert list((bench.engine._keep or Path()).iterdir()) == []


def test_supplies_run_down_by_pages(bench: Bench) -> None:
    """Black text uses black only."""
    before = {supply.colorant: supply.level or 0 for supply in bench.engine.status().supplies}
    bench.send(copies=100, **{"print-color-mode": "monochrome"})
    bench.now += 300
    after = {supply.colorant: supply.level or 0 for supply in bench.engine.status().supplies}
    assert after["black"] == before["black"] - 720
    assert after["cyan"] == before["cyan"]


def test_a_low_supply_is_a_reason_of_the_printer(bench: Bench) -> None:
    """With PWG's keywords; a full waste toner box is told by its own level."""
    bench.engine.set_supply("black", 5)
    assert bench.engine.status().state_reasons == ("toner-low-warning",)
    bench.engine.set_supply("waste-toner", 90)
    assert [supply.percent for supply in bench.engine.status().supplies][::4] == [5.0, 90.0]
    with pytest.raises(NotFoundError):
        bench.engine.set_supply("ultraviolet", 5)


# --- the fronts ---


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    """Give a printer with everything but mDNS, that prints at once."""
    printer = SimulatedPrinter(PrinterOptions("all", keep=tmp_path / "kept", mdns=False, seconds_per_page=0))
    printer.start()
    yield printer
    printer.stop()


def ask(printer: SimulatedPrinter, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    """Ask over HTTP on a connection of its own; gives status and body."""
    host, _, port = printer.ready_line()["http_url"].removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names, encode_chunked=not isinstance(body, bytes | None))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/Devices/1/ProductStatus", 405),
        ("DELETE", "/Devices/1/Print/Jobs", 405),
        ("GET", "/Devices/2/ProductStatus", 404),
        ("GET", "/Devices/1/Print/Jobs/99", 404),
        ("POST", "/Devices/1/Print/Jobs", 415),
        ("GET", "/ipp/print", 405),
        ("POST", "/ipp/print", 415),
        ("GET", "/", 404),
        ("POST", "/simulator/explode", 404),
        ("POST", "/simulator/supply?colorant=black&percent=much", 400),
    ],
)
def test_the_http_front_is_strict(printer: SimulatedPrinter, method: str, path: str, status: int) -> None:
    """A wrong method, path or type is told by the status that HTTP has for it."""
    assert ask(printer, method, path)[0] == status


def test_a_document_may_come_in_chunks(printer: SimulatedPrinter) -> None:
    """Chunked transfer coding is taken, and the bytes are the same."""
    pieces = iter([PDF[:10], PDF[10:]])
    path = "/Devices/1/Print/Jobs"
    status, body = ask(printer, "POST", path, pieces, Content_Type="application/pdf", Transfer_Encoding="chunked")
    assert (status, json.loads(body)["jobId"]) == (201, "1")
    assert [job.sha256 for job in printer.engine.jobs()] == [hashlib.sha256(PDF).hexdigest()]


def test_xml_is_spoken_where_it_is_preferred(printer: SimulatedPrinter) -> None:
    """JSON otherwise."""
    assert b"<Status>ready</Status>" in ask(printer, "GET", "/Devices/1/ProductStatus", Accept="application/xml")[1]
    assert json.loads(ask(printer, "GET", "/Devices/1/ProductStatus")[1])["status"] == "ready"


def test_a_refused_document_is_answered_early(printer: SimulatedPrinter) -> None:
    """The client reads the refusal though it never sent all."""
    ask(printer, "POST", "/simulator/refuse?status=429&times=1")
    head = b"POST /Devices/1/Print/Jobs HTTP/1.1\r\nContent-Type: application/pdf\r\nContent-Length: 999999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", printer._port), 5) as sock:
        sock.sendall(head + PDF)
        assert sock.recv(1000).startswith(b"HTTP/1.1 429 ")


def test_the_report_tells_every_document(printer: SimulatedPrinter) -> None:
    """Those by HTTP and those by the raw port, with their hashes, and what was done to them."""
    ask(printer, "POST", "/simulator/drop-answer?times=1")
    with pytest.raises(http.client.RemoteDisconnected):
        ask(printer, "POST", "/Devices/1/Print/Jobs", PDF, Content_Type="application/pdf")
    with socket.create_connection(("127.0.0.1", printer._port + 1), 5) as sock:
        sock.sendall(b"\x1b%-12345X@PJL\r\n@PJL ENTER LANGUAGE=PDF\r\n" + PDF)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    report = json.loads(ask(printer, "GET", "/simulator/report")[1])
    assert [job["state"] for job in report["jobs"]] == ["completed", "completed"]
    assert report["jobs"][0]["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert (report["jobs"][1]["document_format"], report["dropped"]) == ("application/pdf", 1)


@pytest.mark.parametrize(
    ("kind", "path", "encoding"),
    [
        ("ledm", "/DevMgmt/ProductStatusDyn.xml", ("Transfer-Encoding", "chunked")),
        ("cdm", "/cdm/system/v1/status", ("Content-Encoding", "gzip")),
    ],
)
def test_hps_documents_can_only_be_read(kind: Kind, path: str, encoding: tuple[str, str]) -> None:
    """In chunks or compressed, not again if unchanged, and by GET without a query only."""
    printer = SimulatedPrinter(PrinterOptions(kind, mdns=False))
    printer.start()
    url = printer.ready_line()["control_url"].removesuffix("/simulator/")
    with requests.Session() as session:
        found = session.get(url + path, timeout=5)
        again = session.get(url + path, headers={"If-None-Match": found.headers["ETag"]}, timeout=5)
        refused = [session.request(method, url + path, timeout=5).status_code for method in ("PUT", "POST", "DELETE")]
        strange = [session.get(url + other, timeout=5).status_code for other in (f"{path}?x=1", f"{path}x")]
    printer.stop()
    assert (found.status_code, found.headers[encoding[0]], again.status_code) == (200, encoding[1], 304)
    assert (refused, strange) == ([405, 405, 405], [400, 404])


@pytest.mark.parametrize(("kind", "reason"), [("ledm", "marker-supply-low-warning"), ("cdm", "toner-low-warning")])
def test_a_jam_and_a_low_supply_show_in_hps_words(kind: Kind, reason: str) -> None:
    """They come out at the other end as the keywords that they were."""
    printer = SimulatedPrinter(PrinterOptions(kind, mdns=False))
    printer.start()
    printer.engine.jam()
    printer.engine.set_supply("black", 5)
    http = HttpClient()
    status = build_http_source(printer.ready_line()[f"{kind}_uri"], http, Gaps()).read().status
    http.close()
    printer.stop()
    assert (status.state, set(status.state_reasons)) == (PrinterState.STOPPED, {"media-jam-error", reason})
    assert status.supplies[0].percent == 5.0


def test_a_printer_stands_still_is_cancelled_at_its_panel_and_loses_its_power(printer: SimulatedPrinter) -> None:
    """As a test asks for by HTTP."""
    ask(printer, "POST", "/simulator/stand-still?reason=media-empty-error")
    ask(printer, "POST", "/Devices/1/Print/Jobs", PDF, Content_Type="application/pdf")
    assert json.loads(ask(printer, "GET", "/simulator/report")[1])["state_reasons"] == ["media-empty-error"]
    assert ask(printer, "POST", "/simulator/cancel")[0] == 204
    assert ask(printer, "POST", "/simulator/cancel")[0] == 400
    ask(printer, "POST", "/Devices/1/Print/Jobs", PDF, Content_Type="application/pdf")
    ask(printer, "POST", "/simulator/cut-power")
    report = json.loads(ask(printer, "GET", "/simulator/report")[1])
    assert [job["state"] for job in report["jobs"]] == ["canceled", "aborted"]


def test_the_ready_line_names_only_what_the_kind_has() -> None:
    """So that nobody looks for a protocol that isn't there."""
    named = {}
    for kind in PERSONALITIES:
        printer = SimulatedPrinter(PrinterOptions(kind, mdns=False))
        printer.start()
        named[kind] = set(printer.ready_line()) & {*("ipp_uri", "http_url", "ledm_uri", "cdm_uri", "snmp", "raw_uri")}
        printer.stop()
    assert named == {
        "hp-rest": {"http_url"},
        "ipp": {"ipp_uri"},
        "ledm": {"ledm_uri", "raw_uri"},
        "cdm": {"cdm_uri", "raw_uri"},
        "snmp": {"snmp"},
        "raw": {"snmp", "raw_uri"},
        "all": {"ipp_uri", "http_url", "snmp", "raw_uri"},
    }


def test_a_printer_switched_off_and_on_is_the_same(printer: SimulatedPrinter) -> None:
    """Same ports, same identity, same jobs; while it is off nobody answers."""
    ask(printer, "POST", "/Devices/1/Print/Jobs", PDF, Content_Type="application/pdf")
    before = printer.ready_line()
    printer.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(printer, "GET", "/Devices")
    printer.start()
    assert printer.ready_line() == before
    assert json.loads(ask(printer, "GET", "/Devices/1/Print/Jobs")[1])["jobs"][0]["status"] == "completed"


def test_two_printers_of_one_kind_are_two() -> None:
    """Another address is another machine."""
    first, second = (SimulatedPrinter(PrinterOptions("hp-rest")) for _ in range(2))
    first.start()
    second.start()
    assert first.engine.identity.uuid != second.engine.identity.uuid
    first.stop()
    second.stop()


def test_a_printer_is_seen_by_mdns_and_says_goodbye() -> None:
    """With the TXT record that real printers have."""
    printer = SimulatedPrinter(PrinterOptions("ipp"))
    seen: dict[str, dict[bytes, bytes | None]] = {}
    gone = threading.Event()

    def note(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            gone.set()
        elif info := zeroconf.get_service_info(service_type, name, timeout=3000):
            seen[name] = info.properties

    zeroconf = Zeroconf(interfaces=["127.0.0.1"])
    browser = ServiceBrowser(zeroconf, "_ipp._tcp.local.", handlers=[note])
    printer.start()
    uuid = (printer.engine.identity.uuid or "").encode()
    until(lambda: uuid in [properties.get(b"UUID") for properties in list(seen.values())])
    printer.withdraw()
    assert gone.wait(10)
    browser.cancel()
    zeroconf.close()
    printer.stop()


def test_the_command_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """One line of JSON when it is ready, and a clean end by SIGTERM."""
    program = (
        "import sys; from agent.simulator.printer import PrinterOptions, serve;"
        "sys.exit(serve(PrinterOptions('hp-rest'), sys.stdout))"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(10) == 0
    assert (ready["ready"], ready["kind"]) == (True, "hp-rest")


def test_the_command_line_says_what_the_raw_port_makes_of_pjl() -> None:
    """`--raw bare` prints the wrapper."""
    command = [sys.executable, "-m", "agent", "simulate", "printer", "--kind", "raw", "--port", "0", "--raw", "bare"]
    wrapped = b"\x1b%-12345X@PJL\r\n@PJL ENTER LANGUAGE=PDF\r\n" + PDF
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        host, _, port = ready["raw_uri"].removeprefix("socket://").partition(":")
        with socket.create_connection((host, int(port)), 5) as sock:
            sock.sendall(wrapped)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
        with urllib.request.urlopen(f"{ready['control_url']}report", timeout=5) as report:
            (job,) = json.load(report)["jobs"]
        child.terminate()
        assert child.wait(10) == 0
    assert job["size"] == len(wrapped)
