"""The figures: what is measured, how often, beside what, and what it should come to."""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from tests.benchmarks.byte_sink import ByteSink
from tests.benchmarks.gateway import BASE_TOPIC, Gateway
from tests.benchmarks.http_sink import HttpSink
from tests.benchmarks.neighbours import Cups, cupsd, mosquitto
from tests.benchmarks.publisher import Publisher
from tests.benchmarks.ratio import Ratio, alternate

DOCUMENT_BYTES = 20_480
FILE_BYTES = 100_000_000
MANY_PRINTERS = 20
IDLE_LIMIT_MB = 56.0
TRANSFER_LIMIT_MB = 24.0
READY_LIMIT_SECONDS = 1.5
QUIET_SECONDS = 0.03
SETTLE_SECONDS = 5.0
CALL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds of each pair, jobs in a round, single jobs timed in a round, starts timed."""

    rounds: int
    jobs: int
    single_jobs: int
    starts: int


FULL = Plan(rounds=7, jobs=200, single_jobs=40, starts=7)
QUICK = Plan(rounds=3, jobs=200, single_jobs=20, starts=3)


class Part(Protocol):
    """Something of a set-up that is started and stopped."""

    def start(self) -> object:
        """Start it."""

    def stop(self) -> None:
        """End it."""


P = TypeVar("P", bound=Part)


def document() -> bytes:
    """Give a PDF as far as a spooler looks, of 20 KB that do not compress."""
    head, tail = b"%PDF-1.4\n", b"\n%%EOF\n"
    return head + random.Random(1).randbytes(DOCUMENT_BYTES - len(head) - len(tail)) + tail  # always the same bytes


def measure_jobs(plan: Plan, folder: Path) -> Iterator[Ratio]:
    """Jobs from MQTT to a 9100 sink beside CUPS to the same kind of sink: many at once, then one at a time."""
    with ExitStack() as stack:
        broker = _started(stack, mosquitto(folder))
        ours, theirs = (_started(stack, ByteSink(document_bytes=DOCUMENT_BYTES)) for _ in range(2))
        printers = {"sink": f"socket://127.0.0.1:{ours.port}"}
        _started(stack, Gateway(folder / "jobs", broker_port=broker.port, printers=printers))
        publisher = _started(stack, Publisher(port=broker.port, topic=f"{BASE_TOPIC}/printers/sink/print"))
        cups = Cups(port=_started(stack, cupsd(folder / "cups")).port)
        stack.callback(cups.close)
        cups.add_queue(theirs.port)
        content, path = document(), folder / "document.pdf"
        path.write_bytes(content)

        rates = alternate(
            plan.rounds,
            lambda: _rate(plan.jobs, lambda: publisher.publish(content), ours),
            lambda: _rate(plan.jobs, lambda: cups.print_by_lp(path), theirs),
        )
        yield Ratio("durable jobs a second, 20 KB", rates[0], "CUPS, lp -o raw", rates[1], "at least", 2.0)
        delays = alternate(
            plan.rounds,
            lambda: _delay(plan.single_jobs, lambda: publisher.publish(content), ours),
            lambda: _delay(plan.single_jobs, lambda: cups.print_by_ipp(content), theirs),
        )
        yield Ratio("one job to its last byte, s", delays[0], "CUPS, Print-Job", delays[1], "at most", 0.6)


def measure_upload(plan: Plan, folder: Path) -> Iterator[Ratio]:
    """100 MB from a file to an HTTP sink, from the first byte to the last, and what it costs in memory."""
    path = folder / "upload.pdf"
    _write_file(path)
    with ExitStack() as stack:
        broker = _started(stack, mosquitto(folder))
        sink = _started(stack, HttpSink())
        gateway = Gateway(folder / "upload", broker_port=broker.port, printers={"sink": sink.uri})
        _started(stack, gateway)
        gateway.wait_online()
        idle = gateway.memory_mb()
        gateway.forget_peak()
        seconds = alternate(
            plan.rounds,
            lambda: _upload_seconds(sink, lambda: gateway.ask("print", str(path), "--printer", "sink", "--wait")),
            lambda: _upload_seconds(sink, lambda: _curl(path, sink.port)),
        )
        yield Ratio("100 MB to an HTTP sink, s", seconds[0], "curl -T", seconds[1], "at most", 2.0)
        more = max(gateway.peak_memory_mb() - idle, 0.0)
        yield Ratio("memory over idle for 100 MB, MB", more, "its limit", TRANSFER_LIMIT_MB, "at most", 1.0)


def measure_idle(_: Plan, folder: Path) -> Iterator[Ratio]:
    """Resident memory with 20 printers that are polled and have nothing to print."""
    with ExitStack() as stack:
        broker = _started(stack, mosquitto(folder))
        sinks = [_started(stack, HttpSink()) for _ in range(MANY_PRINTERS)]
        printers = {f"sink-{number}": sink.uri for number, sink in enumerate(sinks)}
        gateway = _started(stack, Gateway(folder / "idle", broker_port=broker.port, printers=printers))
        gateway.wait_online()
        time.sleep(SETTLE_SECONDS)
        memory = gateway.memory_mb()
    yield Ratio(f"idle with {MANY_PRINTERS} printers, MB", memory, "its limit", IDLE_LIMIT_MB, "at most", 1.0)


def measure_start(plan: Plan, folder: Path) -> Iterator[Ratio]:
    """From exec to READY=1."""
    seconds = []
    with ExitStack() as stack:
        broker = _started(stack, mosquitto(folder))
        printers = {"sink": "socket://127.0.0.1:9"}
        for _ in range(plan.starts):
            gateway = Gateway(folder / "start", broker_port=broker.port, printers=printers)
            try:
                seconds.append(gateway.start())
            finally:
                gateway.stop()
    yield Ratio("start to ready, s", statistics.median(seconds), "its limit", READY_LIMIT_SECONDS, "at most", 1.0)


ALL = (measure_jobs, measure_upload, measure_idle, measure_start)


def _started(stack: ExitStack, part: P) -> P:
    stack.callback(part.stop)
    part.start()
    return part


def _rate(jobs: int, submit: Callable[[], None], sink: ByteSink) -> float:
    before, begin = sink.count(), time.monotonic()
    for _ in range(jobs):
        submit()
    return jobs / (sink.wait(before + jobs) - begin)


def _delay(jobs: int, submit: Callable[[], None], sink: ByteSink) -> float:
    seconds = []
    for _ in range(jobs):
        before, begin = sink.count(), time.monotonic()
        submit()
        seconds.append(sink.wait(before + 1) - begin)
        time.sleep(QUIET_SECONDS)  # one job alone: whoever sent the last one is done with it
    return statistics.median(seconds)


def _upload_seconds(sink: HttpSink, upload: Callable[[], object]) -> float:
    before = len(sink.uploads)
    upload()
    if len(sink.uploads) != before + 1:
        raise RuntimeError(f"the sink got {len(sink.uploads) - before} uploads for one")
    return sink.uploads[-1]


def _curl(path: Path, port: int) -> None:
    command = [shutil.which("curl") or "curl", "--silent", "--fail", "-T", str(path), f"http://127.0.0.1:{port}/upload"]
    subprocess.run(command, check=True, capture_output=True, timeout=CALL_SECONDS)


def _write_file(path: Path) -> None:
    chunk = b"%PDF-1.4\n" + random.Random(2).randbytes(1_000_000)
    with path.open("wb") as file:
        while file.tell() < FILE_BYTES:
            file.write(chunk)
        file.truncate(FILE_BYTES)
