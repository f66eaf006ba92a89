"""The IPP driver against a real printer program: what is sent arrives, and what the printer says is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.drivers.ipp import Ipp
from agent.drivers.probe import open_places
from agent.endpoints import bracketed
from agent.errors import NotFoundError, PrinterBusyError, PrinterRejectedError, PrinterUnreachableError
from agent.http import HttpClient
from agent.job import Document, JobOptions, JobState
from agent.model import PrinterState, Reading
from tests.ipp_parts import DEADLINE_SECONDS, PDF, Notes, follow, make_job
from tests.printerbox import PORT, ippeveprinter


@pytest.fixture
def http() -> Iterator[HttpClient]:
    """Give a client that is closed at the end; the printer's certificate is its own."""
    client = HttpClient(verify=False, read_timeout_seconds=10.0)
    yield client
    client.close()


def _command(folder: Path, *lines: str) -> str:
    script = folder / "print-command"
    script.write_text("\n".join(("#!/bin/sh", *lines, "")))
    script.chmod(0o755)
    return str(script)


def _held_command(folder: Path, before: str = "", after: str = "") -> tuple[str, Path]:
    """Make a command that prints until a file appears; gives it and the file."""
    release = folder / "release"
    return _command(folder, before, f"while ! test -e {release}; do sleep 0.02; done", after), release


def _read_until(ipp: Ipp, holds: Callable[[Reading], bool]) -> Reading:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds(reading := ipp.read()):
        assert time.monotonic() < deadline, reading
        time.sleep(0.02)
    return reading


def test_a_job_prints_to_its_end_byte_for_byte(tmp_path: Path, http: HttpClient) -> None:
    """The printer keeps the bytes that were sent, says completed, and finds the job by our token."""
    with ippeveprinter(tmp_path / "spool") as printer:
        ipp, notes = Ipp(printer.uri, http=http), Notes()
        reading = ipp.print_job(make_job(tmp_path, name="Invoice"), notes)
        assert follow(ipp, reading.device_job_id).state == JobState.COMPLETED
        assert [document.read_bytes() for document in printer.documents()] == [PDF]
        assert notes.told == [f"created {reading.device_job_id}", "sending", "left"]
        found = ipp.find_job(make_job(tmp_path))
        assert found is not None
        assert (found.device_job_id, found.state) == (reading.device_job_id, JobState.COMPLETED)


def test_a_job_prints_over_tls(tmp_path: Path, http: HttpClient) -> None:
    """Over ipps the same bytes arrive."""
    with ippeveprinter(tmp_path / "spool") as printer:
        ipp = Ipp(printer.uri.replace("ipp:", "ipps:"), http=http)
        assert follow(ipp, ipp.print_job(make_job(tmp_path), Notes()).device_job_id).state == JobState.COMPLETED
        assert [document.read_bytes() for document in printer.documents()] == [PDF]


@pytest.mark.parametrize("scheme", ["ipp", "ipps"])
def test_a_job_prints_at_a_link_local_address(tmp_path: Path, http: HttpClient, scheme: str) -> None:
    """An IPv6 printer without any other address, by the zone of the cable that it is on."""
    with ippeveprinter(tmp_path / "spool") as printer:
        host = printer.cable.link_local_host
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not open_places([(host, PORT)]):
            assert time.monotonic() < deadline
            time.sleep(0.1)  # a second passes until the kernel has made sure that nobody else has the addresses
        ipp = Ipp(f"{scheme}://{bracketed(host)}:{PORT}/ipp/print", http=http)
        assert follow(ipp, ipp.print_job(make_job(tmp_path), Notes()).device_job_id).state == JobState.COMPLETED
        assert [document.read_bytes() for document in printer.documents()] == [PDF]


def test_a_printer_of_ipp_1_1_is_printed_on(tmp_path: Path, http: HttpClient) -> None:
    """A printer that speaks only IPP/1.1, and calls 2.0 a bad request, prints all the same."""
    with ippeveprinter(tmp_path / "spool", options=("-V", "1.1")) as printer:
        ipp = Ipp(printer.uri, http=http)
        assert follow(ipp, ipp.print_job(make_job(tmp_path), Notes()).device_job_id).state == JobState.COMPLETED
        assert [document.read_bytes() for document in printer.documents()] == [PDF]


def test_the_options_arrive(tmp_path: Path, http: HttpClient) -> None:
    """The printer's command sees every option as it was asked for."""
    command = _command(tmp_path, f"env > {tmp_path}/env")
    options = JobOptions(
        copies=2,
        sides="two-sided-long-edge",
        media="iso_a4_210x297mm",
        color_mode="monochrome",
        page_ranges=((1, 3), (7, 7)),
        print_quality="high",
    )
    with ippeveprinter(tmp_path / "spool", command=command, options=("-2",)) as printer:
        ipp = Ipp(printer.uri, http=http)
        follow(ipp, ipp.print_job(make_job(tmp_path, name="Büro", user="ann", options=options), Notes()).device_job_id)
    assert set((tmp_path / "env").read_text().splitlines()) >= {
        "IPP_COPIES=2",
        "IPP_SIDES=two-sided-long-edge",
        "IPP_MEDIA=iso_a4_210x297mm",
        "IPP_PRINT_COLOR_MODE=monochrome",
        "IPP_PAGE_RANGES=1-3,7-7",
        "IPP_PRINT_QUALITY=high",
        "IPP_JOB_NAME=Büro f00d-1",
        "IPP_JOB_ORIGINATING_USER_NAME=ann",
        "IPP_DOCUMENT_FORMAT_SUPPLIED=application/pdf",
    }


def test_what_the_printer_can_not_do_is_refused_or_left_out(tmp_path: Path, http: HttpClient) -> None:
    """A strict duplex job is refused by a simplex printer, a best-effort one is printed on one side."""
    duplex = JobOptions(sides="two-sided-long-edge")
    with ippeveprinter(tmp_path / "spool") as printer:
        ipp = Ipp(printer.uri, http=http)
        with pytest.raises(PrinterRejectedError, match="sides") as refusal:
            ipp.print_job(make_job(tmp_path, options=duplex), Notes())
        assert refusal.value.reason == "unsupported-attributes-or-values"
        job = make_job(tmp_path, options=duplex, fidelity="best-effort")
        assert follow(ipp, ipp.print_job(job, Notes()).device_job_id).state == JobState.COMPLETED


def test_a_refused_format_leaves_the_printer_free(tmp_path: Path, http: HttpClient) -> None:
    """A document of a wrong kind is refused with its reason, and the next job prints at once."""
    with ippeveprinter(tmp_path / "spool", formats=("application/pdf",)) as printer:
        ipp, job = Ipp(printer.uri, http=http), make_job(tmp_path)
        with pytest.raises(PrinterRejectedError) as refusal:
            ipp.print_job(make_job(tmp_path, document=Document(job.document.path, len(PDF), "image/tiff")), Notes())
        assert refusal.value.reason == "unsupported-document-format"
        assert follow(ipp, ipp.print_job(job, Notes()).device_job_id).state == JobState.COMPLETED


def test_a_failing_printer_aborts_the_job(tmp_path: Path, http: HttpClient) -> None:
    """What the printer could not print ends aborted, because the printer said so."""
    with ippeveprinter(tmp_path / "spool", command="/bin/false") as printer:
        ipp = Ipp(printer.uri, http=http)
        reading = follow(ipp, ipp.print_job(make_job(tmp_path), Notes()).device_job_id)
        assert (reading.state, reading.state_reasons) == (JobState.ABORTED, ("aborted-by-system",))


def test_a_jam_is_told_by_its_pwg_keyword(tmp_path: Path, http: HttpClient) -> None:
    """While paper is jammed the reasons say so, and the second job hears that the printer is busy."""
    jam, clear = ("echo 'STATE: +media-jam-error' >&2", "echo 'STATE: -media-jam-error' >&2")
    command, release = _held_command(tmp_path, jam, clear)
    with ippeveprinter(tmp_path / "spool", command=command) as printer:
        ipp = Ipp(printer.uri, http=http)
        first = ipp.print_job(make_job(tmp_path), Notes())
        jammed = _read_until(ipp, lambda reading: bool(reading.status.state_reasons)).status
        assert any(reason.startswith("media-jam") for reason in jammed.state_reasons)
        assert jammed.state == PrinterState.PROCESSING
        with pytest.raises(PrinterBusyError):
            ipp.print_job(make_job(tmp_path, "order-18"), Notes())
        release.touch()
        assert follow(ipp, first.device_job_id).state == JobState.COMPLETED
        assert ipp.read().status.state_reasons == ()


def test_a_job_is_canceled_while_it_prints(tmp_path: Path, http: HttpClient) -> None:
    """Cancel-Job ends a job, and a job that the printer doesn't know is not found."""
    command, release = _held_command(tmp_path)
    with ippeveprinter(tmp_path / "spool", command=command) as printer:
        ipp = Ipp(printer.uri, http=http)
        reading = ipp.print_job(make_job(tmp_path), Notes())
        ipp.cancel_job(reading.device_job_id or "")
        release.touch()
        assert follow(ipp, reading.device_job_id).state == JobState.CANCELED
        with pytest.raises(NotFoundError):
            ipp.read_job("999")


def test_supplies_that_run_down_are_told(tmp_path: Path, http: HttpClient) -> None:
    """Levels come from printer-supply, and from marker-levels where the printer has them."""
    command = _command(tmp_path, "echo 'ATTR: marker-names=Black marker-levels=7 marker-types=toner' >&2")
    with ippeveprinter(tmp_path / "spool", command=command) as printer:
        ipp = Ipp(printer.uri, http=http)
        http.request("GET", f"{printer.web}/supplies?supply1=2")
        status = ipp.read().status
        assert [supply.percent for supply in status.supplies if supply.colorant == "black"] == [2.0]
        assert status.state_reasons == ("toner-low-report",)
        follow(ipp, ipp.print_job(make_job(tmp_path), Notes()).device_job_id)
        assert [supply.percent for supply in ipp.read().status.supplies] == [7.0]


def test_a_printer_that_was_off_is_the_same_printer(tmp_path: Path, http: HttpClient) -> None:
    """Off is unreachable; on again, the same driver reads and prints."""
    with ippeveprinter(tmp_path / "spool") as printer:
        ipp = Ipp(printer.uri, http=http)
        identity = ipp.read().identity
        printer.stop()
        with pytest.raises(PrinterUnreachableError):
            ipp.print_job(make_job(tmp_path), Notes())
        printer.start()
        assert ipp.read().identity == identity
        assert follow(ipp, ipp.print_job(make_job(tmp_path), Notes()).device_job_id).state == JobState.COMPLETED


def test_a_printer_identifies_itself(tmp_path: Path, http: HttpClient) -> None:
    """Identify-Printer is taken by a real printer."""
    with ippeveprinter(tmp_path / "spool") as printer:
        Ipp(printer.uri, http=http).identify()
        assert "Identify-Printer successful-ok" in printer.log.read_text()
