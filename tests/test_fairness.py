"""Whose turn it is: printers take turns, and those that hang never hold all the threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from agent.dispatcher import LONG_SEND_SECONDS, UNSURE_SENDERS
from agent.drivers.ipp import Ipp
from agent.errors import PrinterUnreachableError
from agent.followed import MOST_IN_TROUBLE
from agent.http import HttpClient
from agent.job import JobReading, JobState, Ticket
from tests.conftest import FakeClock
from tests.dispatch_parts import Bench
from tests.ipp_parts import DEADLINE_SECONDS
from tests.spool_parts import PretendedPrinter, claimed, opened

THREADS = 16
DEAD = 40


def test_printers_take_turns(tmp_path: Path, clock: FakeClock) -> None:
    """A printer with a long old queue doesn't keep the others waiting; priority still goes first."""
    with opened(tmp_path / "state", clock) as parts:
        for number in range(3):
            parts.accept(Ticket(printer="busy", id=f"busy-{number}"))
        parts.accept(Ticket(printer="p", id="p-0"))
        parts.accept(Ticket(printer="q", id="q-0", priority=60))
        order = []
        while (job_id := claimed(parts)) is not None:
            order.append(job_id)
            parts.spool.attempts.sent(job_id, JobReading(JobState.COMPLETED))
        assert order == ["q-0", "busy-0", "p-0", "busy-1", "busy-2"]


def test_printers_take_turns_also_after_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    """Who was served last is on the disk."""
    with opened(tmp_path / "state", clock) as parts:
        for printer, number in (("p", 0), ("p", 1), ("q", 0)):
            parts.accept(Ticket(printer=printer, id=f"{printer}-{number}"))
        parts.spool.attempts.sent(claimed(parts) or "", JobReading(JobState.COMPLETED))
    with opened(tmp_path / "state", clock) as parts:
        assert claimed(parts) == "q-0"


def test_many_printers_that_hang_in_connect_delay_none_that_answers(tmp_path: Path, clock: FakeClock) -> None:
    """Forty real addresses that take no connection, and whose jobs come first: the one that answers prints its own."""
    good = PretendedPrinter(answer=JobState.COMPLETED)
    with opened(tmp_path / "state", clock) as parts, full_port() as port, ExitStack() as stack:
        hanging = stack.enter_context(closing(HttpClient(connect_timeout_seconds=3)))
        dead = {f"dead-{n}": Ipp(f"ipp://127.0.0.1:{port}/ipp/print", http=hanging) for n in range(DEAD)}
        bench = Bench(parts, clock, {**dead, "good": good}, online={"good"})
        for printer in dead:
            parts.accept(Ticket(printer=printer, priority=90))
        for _ in range(20):
            parts.accept(Ticket(printer="good"))
        with stepping(bench):
            wait_until(lambda: len(good.printed) == 20)
            assert any(not job.attempts for job in parts.spool.jobs() if job.printer_id != "good")


@pytest.mark.parametrize("is_known", [True, False])
def test_printers_that_stop_reading_in_the_midst_of_documents_hold_half_of_the_threads(
    tmp_path: Path, clock: FakeClock, is_known: bool
) -> None:
    """Out of paper, whether they are known to stand still or have only been sent to for long: the good one prints."""
    paper, good = threading.Event(), PretendedPrinter(answer=JobState.COMPLETED)

    def wait_for_paper() -> None:
        paper.wait(DEADLINE_SECONDS)

    with opened(tmp_path / "state", clock) as parts:
        stuck = {f"stuck-{number}": PretendedPrinter() for number in range(DEAD if is_known else UNSURE_SENDERS)}
        for printer in stuck.values():
            printer.at_stage["sending"] = wait_for_paper
        bench = Bench(parts, clock, {**stuck, "good": good}, online={*stuck, "good"})
        bench.stopped |= stuck.keys() if is_known else set()
        for name in stuck:
            parts.accept(Ticket(printer=name, priority=90))
        with stepping(bench):
            wait_until(lambda: sum(printer.tries for printer in stuck.values()) >= UNSURE_SENDERS)
            clock.advance(LONG_SEND_SECONDS + 1)
            late = {f"late-{number}": PretendedPrinter() for number in range(DEAD)}
            bench.targets |= late
            for name in late:
                parts.accept(Ticket(printer=name, priority=90))
            parts.accept(Ticket(printer="good"))
            wait_until(lambda: len(good.printed) == 1)
            tries = sum(printer.tries for printer in (*stuck.values(), *late.values()))
            paper.set()
        assert tries <= UNSURE_SENDERS


class Dark(PretendedPrinter):
    """A printer that took a job and then went dark: whoever asks it hangs until the light is back."""

    def __init__(self, light: threading.Event) -> None:
        super().__init__()
        self.light = light

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:
        """Hang."""
        self.asked += 1
        self.light.wait(DEADLINE_SECONDS if self.asked > 1 else 0)
        raise PrinterUnreachableError(f"nothing of {device_job_id}")


def test_many_printers_that_hang_when_asked_delay_none_that_answers(tmp_path: Path, clock: FakeClock) -> None:
    """Forty printers that went dark in the middle of their jobs are asked by a few threads only."""
    light, good = threading.Event(), PretendedPrinter(answer=JobState.COMPLETED)
    with opened(tmp_path / "state", clock) as parts:
        dark = {f"dark-{number}": Dark(light) for number in range(DEAD)}
        bench = Bench(parts, clock, {**dark, "good": good}, online={*dark, "good"})
        for printer in dark:
            parts.accept(Ticket(printer=printer))
        bench.run(seconds=0.2)
        clock.advance(3600)
        for _ in range(20):
            parts.accept(Ticket(printer="good"))
        with stepping(bench):
            wait_until(lambda: len(good.printed) == 20)
            assert sum(printer.asked > 1 for printer in dark.values()) <= MOST_IN_TROUBLE
            light.set()


@contextmanager
def full_port() -> Iterator[int]:
    """Give a port of loopback where every further connection hangs: the queue of those that wait is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listening.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


@contextmanager
def stepping(bench: Bench) -> Iterator[None]:
    """Have as many threads step as the agent has."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            ended.wait(min(bench.dispatcher.step(), 0.01))

    threads = [threading.Thread(target=run, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(2 * DEADLINE_SECONDS)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
