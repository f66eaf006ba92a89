"""What the tests of Box share: a dispatcher with a real spool and a running simulator, on one clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.box_memory import BoxMemory
from agent.config_clouds import BoxConfig
from agent.http import HttpClient
from agent.job import Job, JobState, Ticket
from agent.printos.box import Box
from agent.printos.box_target import BoxTarget
from agent.printos.presigned import PresignedPut
from agent.printos.signed_exchange import SignedExchange
from agent.printos.signing import ApiKey, sign_printos
from agent.simulator.pdf import write_pdf
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from agent.simulator.printos_faults import Fault
from tests.conftest import FakeClock
from tests.dispatch_parts import cloud_dispatcher, step_for
from tests.spool_parts import Parts, opened

KEY, SECRET = "demo-key", "demo-secret"
MENU = write_pdf("Menu", pages=2)
FILE = "/box/api/partner/file"
FOLDER = "/box/api/partner/folder"


@dataclass
class BoxBench:
    """A dispatcher whose jobs go to the simulator's Box."""

    parts: Parts
    clock: FakeClock
    simulator: PrintOSSimulator
    http: HttpClient
    config: BoxConfig

    def __post_init__(self) -> None:
        self.memory = BoxMemory(self.parts.store, now=self.clock)
        self.memory.open()
        self.target = BoxTarget(
            box=a_box(self),
            put=PresignedPut(http=self.http, service_url=self.simulator.url),
            memory=self.memory,
            config=self.config,
            monotonic=self._monotonic,
        )
        self.restart()

    def restart(self) -> None:
        """Begin anew with what is on the disk, as an agent does after a crash."""
        self.dispatcher = cloud_dispatcher(self.parts, {"box": self.target}, self._monotonic)

    def accept(self, job_id: str = "menu", document: bytes = MENU, **delivery: Any) -> Job:
        """Accept a ticket for Box, with what is asked of it."""
        facts = {name: delivery.pop(name) for name in ("options", "name", "pin", "fidelity") if name in delivery}
        ticket = Ticket(printer="", id=job_id, destination="box", delivery=delivery, **facts)
        accepted = self.parts.spool.accept(
            ticket, document, printer_id="box", document_format="application/pdf", digest_parts=repr(ticket).encode()
        )
        return accepted.job

    def fault(self, method: str, pattern: str, **how: Any) -> Fault:
        """Have the simulator fail at the next such call."""
        return self.simulator.faults.add(Fault(method, pattern, **how))

    def run(self, seconds: float = 5.0) -> None:
        """Let a thread step for so many seconds of the pretended time."""
        step_for(self.dispatcher, self.clock, seconds)

    def job(self, job_id: str = "menu") -> Job:
        """Give a job."""
        return self.parts.spool.get(job_id)

    def outcome(self, job_id: str = "menu") -> tuple[JobState, tuple[str, ...]]:
        """Give a job's state and reasons."""
        job = self.job(job_id)
        return job.state, job.state_reasons

    def folders(self) -> list[dict[str, Any]]:
        """Give what is in Box."""
        return list(self.simulator.box.report()["folders"])

    def files(self) -> list[dict[str, Any]]:
        """Give all files in Box."""
        return [file for folder in self.folders() for file in folder["files"]]

    def _monotonic(self) -> float:
        return self.clock().timestamp()


def a_box(bench: BoxBench) -> Box:
    """Give a client of the simulator's Box."""
    exchange = SignedExchange(
        service="Box",
        http=bench.http,
        base_url=f"{bench.simulator.url}/box",
        key=ApiKey(KEY, SECRET),
        sign=sign_printos,
        now=bench.clock,
    )
    config = bench.config
    return Box(exchange=exchange, upload_url_key=config.upload_url_key, fetch_url_key=config.fetch_url_key)


@contextmanager
def box_bench(tmp_path: Path, clock: FakeClock, **config: Any) -> Iterator[BoxBench]:
    """Run a simulator and give a bench on it."""
    options = PrintOSOptions(admin_login="a", admin_password="b", api_key=KEY, api_secret=SECRET)
    simulator = PrintOSSimulator(options, monotonic=lambda: clock().timestamp(), now=clock)
    simulator.start()
    http = HttpClient()
    try:
        with opened(tmp_path / "state", clock) as parts:
            yield BoxBench(parts, clock, simulator, http, BoxConfig(**config))
    finally:
        http.close()
        simulator.stop()
