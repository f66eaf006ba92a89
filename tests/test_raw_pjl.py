"""Printing in PJL over real sockets, to printers that behave and to those that don't."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.drivers.pjl_channels import BackChannels
from agent.drivers.pjl_message import UEL, encode_head, encode_tail
from agent.drivers.pjl_options import OPTIONS, settings
from agent.drivers.raw import Raw
from agent.errors import NotFoundError, OutcomeUnknownError, PrinterUnreachableError, StorageError
from agent.job import JobOptions, JobReading, JobState
from tests.pjl_parts import CANCELED, END, START, TOKEN, a_job, written
from tests.scripted_server import read_all, reset, scripted
from tests.test_raw import Notes, socket_uri

PDF = b"%PDF-1.4 " + bytes(range(256)) * 100
WRAPPED = frozenset({"application/pdf"})
PAUSE = 0.02


def raw(url: str, **more: float) -> Raw:
    """Give the driver of a scripted printer that speaks PJL."""
    return Raw(socket_uri(url), wrapped=WRAPPED, **more)  # type: ignore[arg-type]  # seconds


def read_job(sock: socket.socket) -> bytes:
    """Read until the tail of the job is there; the peer does not hang up."""
    got = b""
    while not got.endswith(b'"\r\n' + UEL):
        data = sock.recv(65_536)
        assert data
        got += data
    return got


def followed(target: Raw, reading: JobReading) -> JobReading:
    """Ask about the job until it has ended."""
    while reading.state is not None and not reading.state.is_final:
        threading.Event().wait(PAUSE)
        reading = target.read_job(TOKEN)
    return reading


def test_a_document_arrives_in_its_wrapper_and_the_printer_says_the_end(tmp_path: Path) -> None:
    """The connection stays open behind it; the thread that sent is free before the end is told."""
    job, got, ends = a_job(written(tmp_path, PDF), JobOptions(copies=2)), list[bytes](), threading.Event()

    def printer(sock: socket.socket) -> None:
        got.append(read_job(sock))
        sock.sendall(START)
        ends.wait(5)
        sock.sendall(END)
        got.append(read_all(sock))

    with scripted(printer) as url:
        target = raw(url)
        reading = target.print_job(job, notes := Notes())
        assert (reading.state, reading.device_job_id) == (JobState.PROCESSING, TOKEN)
        ends.set()
        last = followed(target, reading)
    assert got[0] == encode_head(job, settings(job.options), "PDF") + PDF + encode_tail(job)
    assert b"USTATUSOFF" in got[1]
    assert (last.state, last.impressions_completed) == (JobState.COMPLETED, 3)
    assert notes.notes == ["sending", "left"]


def test_a_printer_that_talks_all_the_while_is_listened_to_while_a_big_document_goes_out(tmp_path: Path) -> None:
    """Both would wait for each other for ever otherwise."""
    job = a_job(written(tmp_path, bytes(20_000_000)))
    told = b"@PJL USTATUS TIMED\r\nCODE=10001\r\n\f" * 100

    def printer(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        sock.sendall(START)
        rest = len(encode_head(job, (), "PDF")) + 20_000_000 + len(encode_tail(job))
        while rest:
            rest -= len(sock.recv(min(rest, 65_536)))
            sock.sendall(told)
        sock.sendall(END)
        read_all(sock)

    with scripted(printer) as url:
        target = raw(url, stall_seconds=5)
        assert followed(target, target.print_job(job, Notes())).state == JobState.COMPLETED


def test_a_printer_that_hangs_up_behind_the_document_leaves_it_unconfirmed(tmp_path: Path) -> None:
    """As one without PJL does."""
    with scripted(read_job) as url:
        target = raw(url)
        assert followed(target, target.print_job(a_job(written(tmp_path, PDF)), Notes())) == JobReading(state=None)


def test_a_cancel_at_the_panel_while_the_document_goes_out_is_told_though_the_printer_breaks_off(
    tmp_path: Path,
) -> None:
    """It has said what became of the job."""

    def printer(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(START + CANCELED)
        sock.recv(1_000_000)
        reset(sock)

    job = a_job(written(tmp_path, bytes(30_000_000)))
    with scripted(printer) as url:
        reading = raw(url).print_job(job, Notes())
    assert (reading.state, reading.state_reasons) == (JobState.CANCELED, ("job-canceled-at-device",))


def test_a_printer_that_breaks_off_in_the_middle_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    """Also where it has told an end that can't be true."""

    def printer(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(START + END)
        sock.recv(1000)
        reset(sock)

    job = a_job(written(tmp_path, bytes(30_000_000)))
    with scripted(printer) as url, pytest.raises(OutcomeUnknownError, match="after"):
        raw(url).print_job(job, notes := Notes())
    assert notes.notes == ["sending"]


def test_a_printer_that_breaks_off_behind_the_document_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    """It throws away what its TCP had taken."""

    def printer(sock: socket.socket) -> None:
        sock.sendall(START)
        read_job(sock)
        reset(sock)

    with scripted(printer) as url:
        target = raw(url)
        with pytest.raises((OutcomeUnknownError, NotFoundError)):
            followed(target, target.print_job(a_job(written(tmp_path, PDF)), Notes()))


def test_a_printer_that_takes_no_more_is_broken_off_with(tmp_path: Path) -> None:
    """Nothing of the rest is sent behind our back: the printer sees a reset, not an end."""
    over, ends = threading.Event(), list[BaseException | bytes]()

    def printer(sock: socket.socket) -> None:
        over.wait(5)
        try:
            ends.append(read_all(sock))
        except ConnectionResetError as exc:
            ends.append(exc)

    with scripted(printer) as url:
        with pytest.raises(OutcomeUnknownError, match="takes no more"):
            raw(url, stall_seconds=0.2).print_job(a_job(written(tmp_path, bytes(30_000_000))), Notes())
        over.set()
    assert isinstance(ends[0], ConnectionResetError)


def test_a_printer_that_is_off_is_unreachable_and_gets_no_byte(tmp_path: Path) -> None:
    """The job may be sent again."""
    with pytest.raises(PrinterUnreachableError):
        raw("http://127.0.0.1:1/").print_job(a_job(written(tmp_path, PDF)), notes := Notes())
    assert notes.notes == []


def test_a_send_that_is_broken_off_here_leaves_no_connection_open(tmp_path: Path) -> None:
    """Whatever stops the thread, the printer sees a reset."""
    job = a_job(written(tmp_path, bytes(30_000_000)))
    seen = list[bool]()

    def printer(sock: socket.socket) -> None:
        try:
            read_all(sock)
        except ConnectionResetError:
            seen.append(True)

    class Stopping(Notes):
        def beat(self) -> None:
            raise KeyboardInterrupt

    with scripted(printer) as url, pytest.raises(KeyboardInterrupt):
        raw(url).print_job(job, Stopping())
    assert seen == [True]


def test_a_document_with_pjl_of_its_own_keeps_it_and_takes_no_options(tmp_path: Path) -> None:
    """A Windows driver has wrapped it: ours goes around for the job's end, and enters no language."""
    document = UEL + b'@PJL JOB NAME="inner"\r\n@PJL ENTER LANGUAGE=PDF\r\n%PDF-1.4' + UEL + b"@PJL EOJ\r\n" + UEL
    job, got, channels = a_job(written(tmp_path, document), JobOptions(copies=2)), list[bytes](), BackChannels()
    with scripted(lambda sock: got.append(read_all(sock))) as url:
        target = Raw(socket_uri(url), wrapped=WRAPPED, channels=channels)
        assert target.carried(job) == frozenset()
        target.print_job(job, Notes())
        channels.close()
    assert got == [encode_head(job, (), None) + document + encode_tail(job)]


@pytest.mark.parametrize("document_format", ["text/plain", "application/octet-stream", "image/urf"])
def test_a_document_that_pjl_has_no_language_for_goes_bare(tmp_path: Path, document_format: str) -> None:
    """And then carries no option."""
    job, got = a_job(written(tmp_path, b"just text"), JobOptions(copies=2)), list[bytes]()
    job = replace(job, document=replace(job.document, format=document_format))
    with scripted(lambda sock: got.append(read_all(sock))) as url:
        target = raw(url)
        assert (target.carried(job), target.options) == (frozenset(), OPTIONS)
        assert target.print_job(job, Notes()) == JobReading(state=None)
    assert got == [b"just text"]


def test_a_document_that_is_gone_is_a_fault_of_the_disk(tmp_path: Path) -> None:
    """Not of the printer."""
    path = written(tmp_path, PDF)
    job = a_job(path)
    path.unlink()
    fails: tuple[Callable[[], object], ...] = (
        lambda: raw("http://127.0.0.1:1/").carried(job),
        lambda: raw("http://127.0.0.1:1/").print_job(job, Notes()),
    )
    for fail in fails:
        with pytest.raises(StorageError):
            fail()


def test_a_job_is_asked_for_by_whichever_driver_shares_the_connections(tmp_path: Path) -> None:
    """One is built for each job, as what is known of the printer changes."""
    channels = BackChannels()

    def printer(sock: socket.socket) -> None:
        read_job(sock)
        sock.sendall(START + END)
        read_all(sock)

    with scripted(printer) as url:
        reading = Raw(socket_uri(url), wrapped=WRAPPED, channels=channels).print_job(
            a_job(written(tmp_path, PDF)), Notes()
        )
        assert followed(Raw(socket_uri(url), channels=channels), reading).state == JobState.COMPLETED
