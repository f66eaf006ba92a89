"""Raw printing against real sockets, well-behaved and not."""

from __future__ import annotations

import resource
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.drivers.raw import Raw
from agent.errors import NotFoundError, OutcomeUnknownError, PrinterUnreachableError
from agent.job import Document, Job, JobState
from tests.scripted_server import read_all, reset, scripted, swallow

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


class Notes:
    """A journal that keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.beats = 0

    def created(self, device_job_id: str) -> None:
        """Note an id."""
        self.notes.append(device_job_id)

    def sending(self) -> None:
        """Note the start."""
        self.notes.append("sending")

    def left(self) -> None:
        """Note the end."""
        self.notes.append("left")

    def committing(self) -> None:
        """Note what only clouds are told."""
        self.notes.append("committing")

    def beat(self) -> None:
        """Count."""
        self.beats += 1


def job_of(path: Path, size: int) -> Job:
    """Give a job of a document."""
    document = Document(path, size, "application/pdf")
    return Job("j", "p", JobState.PROCESSING, document, received_at=MOMENT, updated_at=MOMENT)


def written(folder: Path, data: bytes) -> Job:
    """Give a job of these bytes."""
    path = folder / "document"
    path.write_bytes(data)
    return job_of(path, len(data))


def socket_uri(url: str) -> str:
    """Give the raw URI of a scripted server."""
    return url.replace("http:", "socket:").rstrip("/")


def test_the_bytes_that_arrive_are_the_bytes_of_the_document(tmp_path: Path) -> None:
    """Nothing before, nothing behind; and nothing is claimed about the end."""
    data = bytes(range(256)) * 5000
    got: list[bytes] = []
    with scripted(lambda sock: got.append(read_all(sock))) as url:
        reading = Raw(socket_uri(url)).print_job(written(tmp_path, data), notes := Notes())
    assert got == [data]
    assert reading.state is None
    assert notes.notes == ["sending", "left"]


def test_an_absent_printer_is_unreachable_and_nothing_is_noted(tmp_path: Path) -> None:
    """Refused or unknown: no byte left, so that the job may be sent again."""
    for uri in ("socket://127.0.0.1:1", "socket://nowhere.invalid", "socket://"):
        with pytest.raises(PrinterUnreachableError):
            Raw(uri).print_job(written(tmp_path, b"x"), notes := Notes())
        assert notes.notes == []


def test_a_reset_in_the_middle_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    """Some of the document left, so that it may be on paper."""

    def break_off(sock: socket.socket) -> None:
        sock.recv(1000)
        reset(sock)

    with scripted(break_off) as url, pytest.raises(OutcomeUnknownError, match="after"):
        Raw(socket_uri(url)).print_job(written(tmp_path, bytes(30_000_000)), notes := Notes())
    assert notes.notes == ["sending"]


def test_a_reset_after_the_last_byte_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    """The printer threw away what its TCP had taken."""

    def throw_away(sock: socket.socket) -> None:
        sock.recv(1)
        reset(sock)

    with scripted(throw_away) as url, pytest.raises(OutcomeUnknownError):
        Raw(socket_uri(url)).print_job(written(tmp_path, bytes(20_000)), Notes())


def test_a_printer_that_stops_reading_is_waited_for_with_beats(tmp_path: Path) -> None:
    """Out of paper for a while, it goes on by itself."""
    refilled = threading.Event()

    def out_of_paper(sock: socket.socket) -> None:
        refilled.wait(5)
        swallow(sock, 30_000_000)

    with scripted(out_of_paper) as url:
        job = written(tmp_path, bytes(30_000_000))
        threading.Timer(0.3, refilled.set).start()
        Raw(socket_uri(url)).print_job(job, notes := Notes())
    assert notes.beats > 100


def test_a_printer_that_never_reads_on_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    """The wait has a limit."""
    over = threading.Event()
    with scripted(lambda _sock: over.wait(5)) as url:
        with pytest.raises(OutcomeUnknownError, match="takes no more"):
            Raw(socket_uri(url), stall_seconds=0.2).print_job(written(tmp_path, bytes(30_000_000)), Notes())
        over.set()


def test_a_printer_that_does_not_hang_up_is_not_waited_for_long(tmp_path: Path) -> None:
    """Some keep the connection until the last page is out."""
    over = threading.Event()

    def keep(sock: socket.socket) -> None:
        swallow(sock, 1000)
        over.wait(5)

    began = time.monotonic()
    with scripted(keep) as url:
        Raw(socket_uri(url), farewell_seconds=0.1).print_job(written(tmp_path, bytes(1000)), Notes())
        over.set()
    assert time.monotonic() - began < 1


def test_a_printer_that_talks_is_listened_to(tmp_path: Path) -> None:
    """What comes back is read, or closing would reset the connection under the document."""
    got: list[bytes] = []

    def talk(sock: socket.socket) -> None:
        sock.sendall(b"@PJL INFO STATUS\r\n" * 1000)
        got.append(read_all(sock))

    with scripted(talk) as url:
        Raw(socket_uri(url)).print_job(written(tmp_path, bytes(100_000)), Notes())
    assert got == [bytes(100_000)]


def test_a_raw_port_is_never_asked() -> None:
    """Nobody can know, and nothing is sent to look."""
    for ask in (Raw("socket://127.0.0.1:1").read_job, Raw("socket://127.0.0.1:1").cancel_job):
        with pytest.raises(NotFoundError):
            ask("1")


def test_a_small_document_costs_less_than_a_millisecond(tmp_path: Path) -> None:
    """The median of 100, connection and goodbye included, and a second thread that takes them."""
    job, times = written(tmp_path, bytes(20_000)), []
    with scripted(*[read_all] * 100) as url:
        raw = Raw(socket_uri(url))
        for _ in range(100):
            began = time.perf_counter()
            raw.print_job(job, Notes())
            times.append(time.perf_counter() - began)
    assert sorted(times)[50] < 0.003  # twice and more of what it takes, for a machine that is busy


def test_a_big_document_needs_little_memory(tmp_path: Path) -> None:
    """100 MB grow the process by less than 24 MB."""
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with scripted(lambda sock: swallow(sock, 100_000_000)) as url:
        Raw(socket_uri(url)).print_job(job_of(path, 100_000_000), Notes())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24_000
