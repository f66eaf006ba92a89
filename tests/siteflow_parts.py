"""What the tests of Site Flow share: orders, and a dispatcher whose jobs go to a simulator, on a clock of their own."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config_clouds import SiteflowConfig
from agent.http import HttpClient
from agent.job import Job, JobState, Ticket
from agent.printos.presigned import PresignedPut
from agent.printos.signed_exchange import SignedExchange
from agent.printos.signing import ApiKey, sign_siteflow
from agent.printos.siteflow import SiteFlow
from agent.printos.siteflow_target import SiteFlowTarget
from agent.simulator.pdf import write_pdf
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from agent.simulator.printos_faults import Fault
from tests.conftest import FakeClock
from tests.dispatch_parts import cloud_dispatcher, step_for
from tests.spool_parts import Parts, opened

KEY, SECRET = "demo-key", "demo-secret"
CARD = write_pdf("Card", pages=2)
SUBMIT = "/siteflow/api/order"

ADDRESS = {
    "name": "N. Watson",
    "address1": "1 Primrose Street",
    "town": "London",
    "postcode": "EC2A",
    "isoCountry": "GB",
}
CARRIER = {"code": "royalmail", "service": "firstclass"}
ORDER: dict[str, Any] = {
    "destination": {"name": "psp"},
    "orderData": {
        "sourceOrderId": "A1",
        "items": [
            {
                "sourceItemId": "A1-1",
                "sku": "card",
                "quantity": 2,
                "components": [{"code": "card", "path": "https://files.example/a.pdf", "fetch": True}],
            }
        ],
        "shipments": [{"shipTo": ADDRESS, "carrier": CARRIER}],
    },
}
TEMPLATE: dict[str, Any] = {
    "destination": {"name": "psp"},
    "orderData": {
        "items": [{"sku": "card", "components": [{"code": "card"}]}],
        "shipments": [{"shipTo": ADDRESS, "carrier": CARRIER}],
    },
}


def changed(order: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Give a copy of an order with another value at a path such as `orderData.items.0.sku`; None takes it out."""
    whole = copy.deepcopy(order)
    *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    node: Any = whole
    for part in way:
        node = node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return whole


@dataclass
class SiteFlowBench:
    """A dispatcher whose jobs go to the simulator's Site Flow."""

    parts: Parts
    clock: FakeClock
    simulator: PrintOSSimulator
    http: HttpClient
    config: SiteflowConfig
    template: dict[str, Any]

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, *, secret: str = SECRET, put: PresignedPut | None = None) -> None:
        """Begin anew with what is on the disk, as an agent does after a crash; `put` uploads in another way."""
        self.target = SiteFlowTarget(
            client=a_client(self.simulator, self.http, self.clock, secret=secret),
            put=put or PresignedPut(http=self.http, service_url=self.simulator.url),
            config=self.config,
            template=self.template,
            monotonic=self._monotonic,
        )
        self.dispatcher = cloud_dispatcher(self.parts, {"siteflow": self.target}, self._monotonic)

    def accept(self, job_id: str = "cards", document: bytes = CARD, **facts: Any) -> Job:
        """Accept a ticket for Site Flow; `order` is what it asks for."""
        delivery = {"order": facts.pop("order")} if "order" in facts else {}
        ticket = Ticket(printer="", id=job_id, destination="siteflow", delivery=delivery, **facts)
        self.target.check(ticket)
        accepted = self.parts.spool.accept(
            ticket,
            document,
            printer_id="siteflow",
            document_format="application/pdf",
            digest_parts=repr(ticket).encode(),
        )
        return accepted.job

    def fault(self, method: str, pattern: str, **how: Any) -> Fault:
        """Have the simulator fail at the next such call."""
        return self.simulator.faults.add(Fault(method, pattern, **how))

    def run(self, seconds: float = 5.0) -> None:
        """Let a thread step for so many seconds of the pretended time, and Site Flow go on with its orders."""
        step_for(self.dispatcher, self.clock, seconds, after_each=self.simulator.siteflow.book.settle)

    def job(self, job_id: str = "cards") -> Job:
        """Give a job."""
        return self.parts.spool.get(job_id)

    def outcome(self, job_id: str = "cards") -> tuple[JobState, tuple[str, ...]]:
        """Give a job's state and reasons."""
        job = self.job(job_id)
        return job.state, job.state_reasons

    def orders(self) -> list[dict[str, Any]]:
        """Give the orders that Site Flow has."""
        return list(self.simulator.siteflow.report()["orders"])

    def calls(self, name: str) -> int:
        """Count the calls of a kind, such as `POST /order`."""
        return int(self.simulator.siteflow.report()["calls"].get(name, 0))

    def _monotonic(self) -> float:
        return self.clock.moment.timestamp()


def a_client(simulator: PrintOSSimulator, http: HttpClient, clock: FakeClock, *, secret: str = SECRET) -> SiteFlow:
    """Give a client of the simulator's Site Flow."""
    exchange = SignedExchange(
        service="Site Flow",
        http=http,
        base_url=f"{simulator.url}/siteflow",
        key=ApiKey(KEY, secret),
        sign=sign_siteflow,
        now=clock,
    )
    return SiteFlow(exchange=exchange, orders=exchange)


@contextmanager
def siteflow_bench(
    folder: Path, clock: FakeClock, *, simulated: dict[str, Any] | None = None, **config: Any
) -> Iterator[SiteFlowBench]:
    """Run a simulator and give a bench on it; `simulated` are options of the simulator."""
    options = PrintOSOptions("a", "b", api_key=KEY, api_secret=SECRET, **(simulated or {}))
    simulator = PrintOSSimulator(options, monotonic=lambda: clock().timestamp(), now=clock)
    simulator.start()
    http = HttpClient()
    try:
        with opened(folder / "state", clock) as parts:
            yield SiteFlowBench(parts, clock, simulator, http, SiteflowConfig(**config), TEMPLATE)
    finally:
        http.close()
        simulator.stop()
