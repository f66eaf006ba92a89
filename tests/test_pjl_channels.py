"""The connections on which printers tell of their jobs: real sockets, and a clock that the test moves."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from agent.drivers.pjl_channels import MOST_CHANNELS, BackChannels
from agent.drivers.pjl_message import GOODBYE
from agent.drivers.pjl_status import Listener
from agent.errors import NotFoundError
from agent.job import JobReading, JobState
from tests.pjl_parts import CANCELED, END, JAM, READY, START, TOKEN
from tests.scripted_server import reset

ADDRESS = ("192.0.2.7", 9100)


class Bench:
    """Back-channels, the clock, and the printer's end of one connection after another."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.channels = BackChannels(clock=lambda: self.now)
        self.sockets: list[socket.socket] = []

    def keep(self, token: str = TOKEN, address: tuple[str, int] = ADDRESS) -> socket.socket:
        """Hand over a connection; gives the printer's end."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs, _ = server.accept()
        theirs.settimeout(5)
        ours.setblocking(False)
        self.sockets += [ours, theirs]
        listener = Listener(token)
        listener.is_whole = True
        self.channels.keep(address, ours, listener)
        return theirs

    def read(self, token: str = TOKEN) -> JobReading:
        """Ask about a job."""
        return self.channels.read(token)

    def outcome(self) -> tuple[JobState | None, int | None]:
        """Give the state and the pages of the job."""
        reading = self.read()
        return reading.state, reading.impressions_completed


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a bench, and close what it opened."""
    bench = Bench()
    yield bench
    bench.channels.close()
    for sock in bench.sockets:
        sock.close()


def test_a_job_is_followed_to_its_end_and_the_printer_is_told_goodbye(bench: Bench) -> None:
    """Then the connection is free for others, and the end can still be asked for."""
    printer = bench.keep()
    printer.sendall(START)
    assert bench.outcome() == (JobState.PROCESSING, None)
    printer.sendall(b"@PJL USTATUS PAGE\r\n1\r\n\f")
    assert bench.outcome() == (JobState.PROCESSING, 1)
    printer.sendall(END)
    assert [bench.outcome(), bench.outcome()] == [(JobState.COMPLETED, 3)] * 2
    assert printer.recv(1000) + printer.recv(1) == GOODBYE


def test_a_jam_stops_the_job_for_as_long_as_it_lasts(bench: Bench) -> None:
    """Hours later it goes on."""
    printer = bench.keep()
    printer.sendall(START + JAM)
    assert bench.read().state_reasons == ("printer-stopped", "media-jam-error")
    bench.now += 8 * 3600
    assert bench.outcome() == (JobState.PROCESSING_STOPPED, None)
    printer.sendall(READY + END)
    assert bench.outcome() == (JobState.COMPLETED, 3)


def test_a_cancel_at_the_panel_is_told(bench: Bench) -> None:
    """By the printer's word."""
    bench.keep().sendall(START + CANCELED)
    assert bench.read().state_reasons == ("job-canceled-at-device",)


def test_a_printer_that_never_says_a_word_is_given_a_minute_and_next_time_seconds(bench: Bench) -> None:
    """Its jobs end unconfirmed, and don't hold one another up."""
    bench.keep()
    assert bench.outcome() == (JobState.PROCESSING, None)
    bench.now += 61
    assert bench.outcome() == (None, None)
    printer = bench.keep("second-1")
    bench.now += 6
    assert bench.read("second-1").state is None
    assert printer.recv(1) == b""


def test_a_printer_that_begins_and_never_ends_is_given_an_hour_and_next_time_a_minute(bench: Bench) -> None:
    """From its last word on; the end of a job makes it a talking one again."""
    bench.keep().sendall(START)
    bench.read()
    bench.now += 3601
    assert bench.outcome() == (None, None)
    second = bench.keep("second-1")
    second.sendall(START.replace(TOKEN.encode(), b"second-1"))
    bench.read("second-1")
    bench.now += 59
    second.sendall(b"@PJL USTATUS PAGE\r\n1\r\n\f")
    bench.read("second-1")
    bench.now += 59
    assert bench.read("second-1").state == JobState.PROCESSING
    second.sendall(END.replace(TOKEN.encode(), b"second-1"))
    bench.read("second-1")
    bench.keep("third-1")
    bench.now += 1800
    assert bench.read("third-1").state == JobState.PROCESSING


def test_a_printer_that_is_known_to_talk_may_have_many_jobs_before_ours(bench: Bench) -> None:
    """It says nothing until it comes to ours."""
    bench.keep().sendall(START + END)
    bench.read()
    bench.keep("second-1")
    bench.now += 1800
    assert bench.read("second-1").state == JobState.PROCESSING


def test_status_alone_is_no_word_about_a_job(bench: Bench) -> None:
    """A printer that tells of itself but not of jobs would be waited for for ever."""
    printer = bench.keep()
    bench.now += 61
    printer.sendall(READY)
    assert bench.outcome() == (None, None)


def test_a_printer_that_has_begun_and_falls_silent_is_waited_for_an_hour(bench: Bench) -> None:
    """Timed statuses that say the same again are no progress."""
    printer = bench.keep()
    printer.sendall(START + READY)
    bench.read()
    for _ in range(2):
        bench.now += 1801
        printer.sendall(READY.replace(b"DEVICE", b"TIMED"))
        reading = bench.read()
    assert reading.state is None


def test_a_printer_that_hangs_up_after_it_began_leaves_the_end_unconfirmed(bench: Bench) -> None:
    """It has every byte, and nothing speaks against it; what came last is heard, also without its form feed."""
    printer = bench.keep()
    printer.sendall(START + b"@PJL USTATUS PAGE\r\n2")
    printer.close()
    assert bench.outcome() == (None, 2)


@pytest.mark.parametrize("says", [JAM, START + JAM])
def test_a_printer_that_hangs_up_while_it_stands_still_has_not_completed(bench: Bench, says: bytes) -> None:
    """Out of paper over 9100 is not `done`: a person must look."""
    printer = bench.keep()
    printer.sendall(says)
    printer.close()
    with pytest.raises(NotFoundError, match="40022 JAM"):
        bench.read()


def test_a_printer_that_breaks_off_has_not_completed(bench: Bench) -> None:
    """Switched off, it throws away what it had."""
    printer = bench.keep()
    printer.sendall(START)
    bench.read()
    reset(printer)
    printer.close()
    for _ in range(2):
        with pytest.raises(NotFoundError, match="broke before"):
            bench.read()


def test_an_end_counts_though_the_printer_breaks_off_behind_it(bench: Bench) -> None:
    """Its word came first."""
    printer = bench.keep()
    printer.sendall(START + END)
    reset(printer)
    printer.close()
    assert bench.outcome() == (JobState.COMPLETED, 3)


def test_nobody_can_tell_of_a_job_after_a_restart(bench: Bench) -> None:
    """Its connection ended with the agent."""
    bench.keep()
    bench.channels.close()
    with pytest.raises(NotFoundError):
        bench.read()


def test_the_next_job_to_a_printer_closes_the_connection_of_the_one_before(bench: Bench) -> None:
    """Many printers take one at a time; others are left alone."""
    printer = bench.keep()
    bench.keep("other-1", ("192.0.2.8", 9100))
    bench.channels.release(ADDRESS)
    assert printer.recv(1) == b""
    assert bench.read("other-1").state == JobState.PROCESSING


def test_a_connection_that_nobody_asks_about_is_closed(bench: Bench) -> None:
    """A job that was cancelled here is not asked about any more."""
    printer = bench.keep()
    bench.now += 301
    bench.keep("other-1", ("192.0.2.8", 9100))
    assert printer.recv(1) == b""


def test_there_is_a_most_of_connections(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """One that has ended gives way first, then the one that was asked about longest ago, which is told."""
    printer, ended = bench.keep(), bench.keep("ended-1")
    ended.close()
    bench.read("ended-1")
    for number in range(MOST_CHANNELS):
        bench.now += 0.001
        bench.keep(f"other-{number}", ("192.0.2.8", number))
    assert printer.recv(1) == b""
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_printer_that_never_stops_talking_is_listened_to_in_pieces(bench: Bench) -> None:
    """One question takes in so much and no more."""
    printer = bench.keep()
    printer.settimeout(0)
    said = b"x" * 65_536
    for _ in range(3):
        try:
            printer.send(said)
        except BlockingIOError:
            break
    assert bench.outcome() == (JobState.PROCESSING, None)
