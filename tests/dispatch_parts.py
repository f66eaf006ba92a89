"""A dispatcher on a bench, for its tests: a real spool, printers of the test's choice, a clock that the test moves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from agent.dispatcher import Dispatcher
from agent.drivers.choose import PrintTarget
from agent.errors import (
    NotFoundError,
    OutcomeUnknownError,
    PrinterUnreachableError,
)
from agent.job import CloudDestination, Job, JobState
from agent.model import Capabilities, Printer
from tests.conftest import FakeClock
from tests.ipp_parts import DEADLINE_SECONDS
from tests.spool_parts import Parts, a_printer, nothing

OFF = PrinterUnreachableError("no route to host")
LOST = OutcomeUnknownError("the connection broke")


def step_for(
    dispatcher: Dispatcher, clock: FakeClock, seconds: float, *, after_each: Callable[[], None] = nothing
) -> None:
    """Let a thread step for so many seconds of the pretended time, which passes as the dispatcher would wait."""
    end = clock().timestamp() + seconds
    for _ in range(20_000):
        pause = dispatcher.step()
        after_each()
        if clock().timestamp() + pause > end:
            break
        clock.advance(max(pause, 0.001) if pause else 0.0)
    clock.advance(max(0.0, end - clock().timestamp()))


@dataclass
class Bench:
    """A dispatcher with a real spool, pretended printers, and a clock that the test moves."""

    parts: Parts
    clock: FakeClock
    targets: dict[str, PrintTarget]
    capabilities: Capabilities = field(default_factory=Capabilities)
    paused: set[str] = field(default_factory=set)
    online: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    beat: Callable[[], None] = nothing

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(
            attempts=self.parts.spool.attempts,
            find_printer=self._find,
            target_for=lambda printer: self.targets[printer.id],
            paused=lambda: self.paused,
            beat=self.beat,
            online=lambda: self.online,
            stopped=lambda: self.stopped,
            monotonic=lambda: self.clock().timestamp(),
        )
        self.dispatcher.open()

    def run(self, seconds: float = 0.0) -> None:
        """Let a thread step for so many seconds of the pretended time."""
        left = seconds
        for _ in range(10_000):
            pause = self.dispatcher.step()
            if pause > left:
                self.clock.advance(left)
                break
            # the pretended clock counts microseconds
            pause = max(pause, 0.001) if pause else 0.0
            left -= pause
            self.clock.advance(pause)

    def job(self) -> Job:
        """Give the newest job."""
        return self.parts.spool.jobs()[0]

    def outcome(self) -> tuple[JobState, tuple[str, ...]]:
        """Give the newest job's state and reasons."""
        job = self.job()
        return job.state, job.state_reasons

    def _find(self, printer_id: str) -> Printer:
        if printer_id not in self.targets:
            raise NotFoundError(f"no printer {printer_id}")
        return a_printer(printer_id, capabilities=self.capabilities)


def cloud_dispatcher(
    parts: Parts, clouds: Mapping[CloudDestination, PrintTarget], monotonic: Callable[[], float]
) -> Dispatcher:
    """Open a dispatcher that has clouds alone to send to, with what is on the disk, as after a crash."""
    dispatcher = Dispatcher(
        attempts=parts.spool.attempts,
        find_printer=nothing,  # type: ignore[arg-type]  # no job here is a printer's
        target_for=nothing,  # type: ignore[arg-type]  # likewise
        paused=lambda: (),
        beat=nothing,
        clouds=clouds,
        monotonic=monotonic,
    )
    dispatcher.open()
    return dispatcher


@contextmanager
def sink(received: list[bytes]) -> Iterator[str]:
    """Give the URI of a raw printer that keeps what it receives, but not what is broken off by a reset."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_receive_all, args=(server, received))
        thread.start()
        try:
            yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def settled(bench: Bench) -> tuple[JobState, tuple[str, ...]]:
    """Step until nothing more becomes of the newest job by itself; a real printer takes its real time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not bench.job().state.is_final and bench.job().state != JobState.PENDING_HELD:
        assert time.monotonic() < deadline, bench.job()
        bench.run(seconds=1)
        time.sleep(0.02)
    return bench.outcome()


def _receive_all(server: socket.socket, received: list[bytes]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as stream, suppress(ConnectionResetError):
            received.append(stream.read())
