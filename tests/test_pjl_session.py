"""The raw port of a pretended printer, spoken to byte by byte."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.drivers.pjl_message import UEL
from agent.job import JobState
from agent.simulator.engine import PrinterEngine, SimulatedJob
from agent.simulator.pdf import write_pdf
from agent.simulator.personality import LASER
from agent.simulator.raw_front import RawFront, RawMode
from tests.test_simulated_printer import until

PDF = write_pdf("A test", pages=2)
HEAD = (
    b"@PJL\r\n@PJL USTATUS JOB = ON\r\n@PJL USTATUS PAGE = ON\r\n@PJL USTATUS DEVICE = ON\r\n"
    b'@PJL JOB NAME = "mine 1"\r\n@PJL SET COPIES=2\r\n@PJL SET PAPER=A4\r\n@PJL ENTER LANGUAGE = PDF\r\n'
)
TAIL = UEL + b'@PJL\r\n@PJL EOJ NAME = "mine 1"\r\n' + UEL


class Bench:
    """A printer that prints a page a second of a clock that stands still, and one connection to its raw port."""

    def __init__(self, keep: Path, mode: RawMode) -> None:
        self.now = 1000.0
        self.engine = PrinterEngine(
            identity=LASER.identity(serial="X1"),
            supplies=LASER.supplies,
            keep=keep,
            seconds_per_page=1.0,
            document_formats=LASER.document_formats,
            clock=lambda: self.now,
        )
        self.front = RawFront(self.engine, host="127.0.0.1", port=0, mode=mode)
        self.front.start()
        self.sock = socket.create_connection(("127.0.0.1", self.front.port))
        self.sock.settimeout(5)
        self.heard = b""

    def send(self, *pieces: bytes) -> None:
        """Send pieces, each in a segment of its own."""
        for piece in pieces:
            self.sock.sendall(piece)

    def hear(self, pattern: bytes) -> None:
        """Read until this was said."""
        while not re.search(pattern, self.heard, re.DOTALL):
            data = self.sock.recv(4096)
            assert data, self.heard
            self.heard += data

    def documents(self, count: int) -> list[SimulatedJob]:
        """Wait until so many documents have come; gives them."""
        until(lambda: len([job for job in self.engine.jobs() if job.sha256]) >= count)
        return list(self.engine.jobs())


@contextmanager
def a_bench(keep: Path, mode: RawMode = "pjl") -> Iterator[Bench]:
    """Give a bench."""
    bench = Bench(keep, mode)
    try:
        yield bench
    finally:
        bench.sock.close()
        bench.front.stop()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a printer that speaks PJL."""
    with a_bench(tmp_path / "kept") as bench:
        yield bench


def is_pdf(job: SimulatedJob) -> bool:
    """Whether this is the document, byte for byte."""
    return job.sha256 == hashlib.sha256(PDF).hexdigest()


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_a_document_is_taken_out_of_its_wrapper_however_it_is_cut(bench: Bench, step: int) -> None:
    """With the settings that PJL made for it."""
    stream = UEL + HEAD + PDF + TAIL
    bench.send(*(stream[at : at + step] for at in range(0, len(stream), step)))
    (job,) = bench.documents(1)
    assert is_pdf(job)
    assert (job.document_format, job.name) == ("application/pdf", "mine 1")
    assert dict(job.options) == {"COPIES": "2", "PAPER": "A4", "copies": 2}
    assert list(bench.front.refused) == []


def test_a_job_is_told_from_its_start_over_its_pages_to_its_end(bench: Bench) -> None:
    """Page by page as they come out, and the end when the last one is out."""
    bench.send(UEL, HEAD, PDF, TAIL)
    bench.hear(b'USTATUS JOB\r\nSTART\r\nNAME="mine 1"\r\n\f')
    bench.documents(1)
    bench.now += 1
    bench.hear(b"USTATUS PAGE\r\n1\r\n\f")
    assert b"END" not in bench.heard
    bench.now += 3
    bench.hear(b'PAGE\r\n4\r\n\f.*USTATUS JOB\r\nEND\r\nNAME="mine 1"\r\nPAGES=4\r\nRESULT=OK\r\n\f')


def test_a_jam_and_its_clearing_are_told(bench: Bench) -> None:
    """With HP's codes."""
    bench.send(UEL, HEAD, PDF, TAIL)
    bench.documents(1)
    bench.engine.jam()
    bench.hear(b'USTATUS DEVICE\r\nCODE=40022\r\nDISPLAY="13.1 JAM"\r\nONLINE=FALSE\r\n\f')
    bench.engine.stand_still("media-empty-error")
    bench.hear(b"CODE=41213\r\n")
    bench.engine.clear()
    bench.hear(b"CODE=41213.*CODE=10023\r\n[^\f]*ONLINE=TRUE\r\n\f")


def test_a_cancel_at_the_panel_is_told_and_ends_the_job(bench: Bench) -> None:
    """Also one in the middle of the document, whose rest is swallowed."""
    bench.send(UEL, HEAD, PDF[:100])
    until(lambda: bool(bench.engine.jobs()))
    bench.engine.cancel_at_panel()
    bench.hear(b'CANCELED\r\nNAME="mine 1"\r\nRESULT=USER_CANCELED\r\n\f')
    bench.send(PDF[100:], TAIL)
    bench.hear(b"END\r\n[^\f]*PAGES=0\r\nRESULT=USER_CANCELED\r\n\f")


def test_a_power_cut_breaks_the_connection_off_and_loses_the_job(bench: Bench) -> None:
    """Nothing is said any more."""
    bench.send(UEL, HEAD, PDF, TAIL)
    bench.documents(1)
    bench.engine.cut_power()
    with pytest.raises(ConnectionResetError):
        bench.hear(b"never")
    assert bench.engine.history()[0].state == JobState.ABORTED


def test_a_connection_that_ends_in_the_middle_prints_what_has_come(bench: Bench) -> None:
    """As real printers do, which is why nobody may call that completed."""
    bench.send(UEL, HEAD, PDF[:100])
    bench.sock.shutdown(socket.SHUT_WR)
    (job,) = bench.documents(1)
    assert (job.size, is_pdf(job)) == (100, False)


def test_a_printer_hangs_up_as_soon_as_the_other_side_does(bench: Bench) -> None:
    """Whoever wants to hear the end keeps the connection."""
    bench.send(UEL, HEAD, PDF, TAIL)
    bench.sock.shutdown(socket.SHUT_WR)
    bench.documents(1)
    while data := bench.sock.recv(4096):
        bench.heard += data
    assert b"END" not in bench.heard


def test_a_job_within_a_job_does_not_end_the_outer_one(bench: Bench) -> None:
    """JOB and EOJ are counted."""
    inner = UEL + b'@PJL JOB NAME="inner"\r\n@PJL ENTER LANGUAGE=PDF\r\n' + PDF + UEL + b"@PJL EOJ\r\n" + UEL
    outer = HEAD.partition(b"@PJL ENTER")[0]
    bench.send(UEL, outer, inner, TAIL)
    (job,) = bench.documents(1)
    assert is_pdf(job)
    bench.now += 10
    bench.hear(b'END\r\nNAME="mine 1"\r\nPAGES=2\r\n')
    assert b"inner" not in bench.heard


def test_questions_are_answered_and_what_is_not_known_with_a_question_mark(bench: Bench) -> None:
    """ECHO and INFO."""
    bench.send(UEL, b"@PJL ECHO one two\r\n@PJL INFO ID\r\n@PJL INFO STATUS\r\n@PJL INFO NONSENSE\r\n")
    bench.hear(b'ECHO one two\r\n\f.*INFO ID\r\n"HP .*CODE=10001\r\n.*INFO NONSENSE\r\n\\?\r\n\f')


@pytest.mark.parametrize(
    "line",
    [
        b'@PJL JOB NAME = "a"b"\r\n',
        b'@PJL JOB NAME = "' + b"x" * 81 + b'"\r\n',
        b"@PJL SET COPIES=2;3\r\n",
        b"@PJL DEFAULT COPIES=9\r\n",
        b"@PJLJOB\r\n",
        b"@PJL ENTER LANGUAGE=\r\n",
    ],
)
def test_a_line_with_a_mistake_is_passed_over_whole(bench: Bench, line: bytes) -> None:
    """And remembered, for a test to see."""
    bench.send(UEL, line, b"@PJL ECHO on\r\n")
    bench.hear(b"ECHO on")
    assert list(bench.front.refused) == [line]


def test_what_is_no_pjl_where_pjl_is_due_is_printed_as_text(bench: Bench) -> None:
    """A wrapper that was broken shows on paper."""
    bench.send(UEL, b"@PJL\r\nNAME = oops\r\n", TAIL)
    (job,) = bench.documents(1)
    assert (job.document_format, job.size) == ("text/plain", len(b"NAME = oops\r\n"))


def test_a_bare_document_is_taken_as_it_is(bench: Bench) -> None:
    """Without any PJL the connection is the job, and nothing is told."""
    bench.send(PDF)
    bench.sock.shutdown(socket.SHUT_WR)
    (job,) = bench.documents(1)
    assert (is_pdf(job), job.document_format, bench.sock.recv(1)) == (True, "application/pdf", b"")


def test_a_printer_without_a_back_channel_takes_pjl_and_says_nothing(tmp_path: Path) -> None:
    """The document is right, the silence complete."""
    with a_bench(tmp_path / "kept", "silent") as bench:
        bench.send(UEL, HEAD, PDF, TAIL)
        assert is_pdf(bench.documents(1)[0])
        bench.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            bench.sock.recv(1)


def test_a_printer_without_pjl_prints_the_wrapper_too(tmp_path: Path) -> None:
    """What comes out is not the document."""
    with a_bench(tmp_path / "kept", "bare") as bench:
        bench.send(UEL, HEAD, PDF, TAIL)
        bench.sock.shutdown(socket.SHUT_WR)
        (job,) = bench.documents(1)
    assert (job.size, is_pdf(job)) == (len(UEL + HEAD + PDF + TAIL), False)
