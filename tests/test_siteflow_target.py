"""Site Flow as a destination: a ticket becomes one order, whatever breaks, and its job is what Site Flow says of it."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from agent.errors import TicketError
from agent.job import Document, JobOptions, JobState, Ticket
from agent.printos.presigned import PresignedPut
from agent.simulator.printos_http import Call
from tests.conftest import FakeClock
from tests.siteflow_parts import CARD, ORDER, SUBMIT, SiteFlowBench, changed, siteflow_bench

HELD = (JobState.PENDING_HELD, ("agent-outcome-unknown",))
SHIPPED = (JobState.COMPLETED, ("job-completed-successfully",))
SHA256 = hashlib.sha256(CARD).hexdigest()
OPEN = changed(ORDER, "orderData.items.0.components.0.path", None)
HOUR = 3600


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[SiteFlowBench]:
    """Give a bench whose orders are at each stage for a minute."""
    with siteflow_bench(tmp_path, clock, simulated={"stage_seconds": 60.0, "artwork_seconds": 120.0}) as it:
        yield it


def test_a_job_is_an_order_with_the_document_as_its_artwork(bench: SiteFlowBench) -> None:
    """Made of the template, followed until it is shipped; looked at ever more rarely."""
    job = bench.accept(options=JobOptions(copies=3))
    bench.run(30)
    assert bench.outcome() == (JobState.PROCESSING, ("job-transforming",))
    (order,) = bench.orders()
    assert order["source_order_id"] == f"cards.{job.token}"
    assert (order["quantities"], order["sha256"], order["sizes"]) == ([3], [SHA256], [len(CARD)])
    assert bench.job().device_job_id == order["id"]
    bench.run(100)
    assert bench.outcome() == (JobState.PROCESSING, ("job-queued-for-marker",))
    bench.run(300)
    assert bench.outcome() == SHIPPED
    assert bench.job().message == "Site Flow: shipped"
    assert bench.calls("POST /order") == 1
    assert bench.calls(f"GET /order/{order['id']}") < 20


def test_a_ticket_may_bring_its_whole_order(bench: SiteFlowBench) -> None:
    """Its own id is the order's."""
    bench.accept(order=OPEN)
    bench.run(5)
    assert [(order["source_order_id"], order["quantities"]) for order in bench.orders()] == [("A1", [2])]


def test_many_orders_are_under_way_at_a_time(bench: SiteFlowBench) -> None:
    """None waits for another to be shipped."""
    for number in range(5):
        bench.accept(f"cards-{number}")
    bench.run(10)
    assert len(bench.orders()) == 5


@pytest.mark.parametrize(
    ("ticket", "words"),
    [
        ({"order": ORDER}, "exactly one component must have no path"),
        ({"order": {"items": [{"sku": ""}]}}, r"orderData.items\[0\].sku"),
        ({"order": OPEN, "options": JobOptions(copies=2)}, "every item of the order has a quantity"),
        ({"options": JobOptions(sides="two-sided-long-edge")}, "sides: the product of an order says that"),
    ],
)
def test_what_can_be_no_order_is_refused_before_it_is_a_job(
    bench: SiteFlowBench, ticket: dict[str, Any], words: str
) -> None:
    """The refusal names the place; Site Flow isn't asked."""
    with pytest.raises(TicketError, match=words):
        bench.accept(**ticket)
    assert bench.simulator.siteflow.report()["calls"] == {}


def test_a_ticket_without_an_end_is_refused(bench: SiteFlowBench) -> None:
    """Whatever depth a ticket's limits let through."""
    deep: dict[str, Any] = {}
    for _ in range(600):
        deep = {"a": deep}
    with pytest.raises(TicketError, match="nested too deeply"):
        bench.target.check(Ticket(printer="", destination="siteflow", delivery={"order": deep}))


def test_what_site_flow_finds_invalid_is_not_uploaded(bench: SiteFlowBench) -> None:
    """The job ends with the mistakes and their places."""
    bench.accept(order=changed(OPEN, "orderData.items.0.sku", "boat"))
    bench.run(5)
    assert bench.outcome() == (JobState.ABORTED, ("aborted-by-system",))
    assert "orderData.items.0.sku: SKU not found: boat" in bench.job().message
    assert (bench.orders(), bench.calls("POST /order")) == ([], 0)


@pytest.mark.parametrize("when", ["before", "middle", "after"])
@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        ("GET", ".*/bysourceid/.*"),
        ("GET", ".*/getpreupload"),
        ("POST", ".*/order/validate"),
        ("PUT", "/s3/.*"),
    ],
)
def test_what_breaks_before_the_order_is_begun_again(
    bench: SiteFlowBench, method: str, pattern: str, when: str
) -> None:
    """Nothing of it counts; one order comes of it."""
    bench.fault(method, pattern, when=when)
    bench.fault(method, pattern, when=when)
    bench.accept()
    bench.run(60)
    assert [order["sha256"] for order in bench.orders()] == [[SHA256]]
    assert bench.job().device_job_id == bench.orders()[0]["id"]


def test_an_order_whose_answer_was_lost_is_found_by_its_own_id(bench: SiteFlowBench) -> None:
    """It is followed, and nothing is ordered again."""
    bench.fault("POST", SUBMIT, when="after")
    bench.accept()
    bench.run(600)
    assert bench.outcome() == SHIPPED
    assert (len(bench.orders()), bench.calls("POST /order")) == (1, 1)


@pytest.mark.parametrize("how", [{"when": "before"}, {"status": 500}, {"status": 504}])
def test_an_order_that_may_have_come_is_a_persons_to_settle(bench: SiteFlowBench, how: dict[str, Any]) -> None:
    """That Site Flow shows none is no proof; who has it reprinted has it ordered, once."""
    bench.fault("POST", SUBMIT, **how)
    bench.accept()
    bench.run(HOUR)
    assert bench.outcome() == HELD
    assert bench.orders() == []
    assert bench.job().message.startswith("Site Flow shows no order with the sourceOrderId cards.")
    bench.parts.spool.reprint("cards", attempts=1)
    bench.run(600)
    assert bench.outcome() == SHIPPED
    assert len(bench.orders()) == 1


def test_a_late_order_settles_the_doubt_itself(tmp_path: Path, clock: FakeClock) -> None:
    """Also where a person had been told: the answer was lost, and the order is shown an hour later."""
    with siteflow_bench(tmp_path, clock, simulated={"order_delay_seconds": 3600.0}) as bench:
        bench.fault("POST", SUBMIT, when="after")
        bench.accept()
        bench.run(1800)
        assert bench.outcome() == HELD
        bench.run(7200)
        assert bench.outcome() == SHIPPED
        assert bench.calls("POST /order") == 1


def test_a_reprint_of_an_order_that_has_come_meanwhile_orders_nothing(bench: SiteFlowBench) -> None:
    """Site Flow is asked before."""
    bench.fault("POST", SUBMIT, when="before")
    bench.accept()
    bench.run(30)
    assert bench.outcome() == HELD
    job = bench.job()
    body = changed(ORDER, "orderData.sourceOrderId", f"cards.{job.token}")
    bench.simulator.siteflow.book.create(body, source="simulated-psp")
    bench.parts.spool.reprint("cards", attempts=1)
    bench.run(5)
    assert (len(bench.orders()), bench.calls("POST /order")) == (1, 0)
    assert bench.outcome()[0] is JobState.PROCESSING


def test_an_order_that_is_shown_later_than_it_is_made_is_waited_for(tmp_path: Path, clock: FakeClock) -> None:
    """The service that makes orders later gives a receipt; for a quarter of an hour its absence means nothing."""
    simulated = {"order_delay_seconds": 600.0, "stage_seconds": 1.0}
    with siteflow_bench(tmp_path, clock, simulated=simulated) as bench:
        bench.simulator.siteflow.is_receipt_only = True
        bench.accept()
        bench.run(500)
        assert bench.outcome()[0] is JobState.PROCESSING
        bench.run(300)
        assert bench.outcome() == SHIPPED


def test_a_receipt_for_an_order_that_never_comes_is_told(bench: SiteFlowBench) -> None:
    """The receipt is given valid or not: after a quarter of an hour a person is told."""
    bench.simulator.siteflow.is_receipt_only = True
    bench.config = bench.config.__class__(validate=False)
    bench.restart()
    bench.accept(order=changed(OPEN, "orderData.items.0.sku", "boat"))
    bench.run(600)
    assert bench.outcome()[0] is JobState.PROCESSING
    bench.run(600)
    assert bench.outcome() == HELD


def test_a_throttled_job_waits_as_long_as_hps_sdks_do(bench: SiteFlowBench) -> None:
    """No thread is held meanwhile, and nothing is asked."""
    bench.simulator.siteflow.throttle(call("times=2"))
    bench.accept()
    bench.run(17)
    assert bench.outcome() == (JobState.PENDING, ("agent-printer-busy",))
    assert bench.simulator.siteflow.book.counters["throttled"] == 1
    bench.run(120)
    assert len(bench.orders()) == 1


def test_a_pause_that_site_flow_asks_for_is_kept(bench: SiteFlowBench) -> None:
    """Also at the request that counts: it was refused, so that the order is created afterwards, once."""
    bench.fault("POST", SUBMIT, status=429, headers={"Retry-After": "40"})
    bench.accept()
    bench.run(39)
    assert bench.orders() == []
    bench.run(60)
    assert len(bench.orders()) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/siteflow/api/file/getpreupload", 404),
        ("GET", "/siteflow/api/file/getpreupload", 302),
        ("POST", SUBMIT, 302),
    ],
)
def test_a_wrong_way_to_site_flow_ends_no_job(bench: SiteFlowBench, method: str, path: str, status: int) -> None:
    """It says nothing of the order, which is created once the way is right."""
    bench.fault(method, path, status=status)
    bench.accept()
    bench.run(0.5)
    assert bench.outcome() == (JobState.PENDING, ("agent-printer-unreachable",))
    bench.run(60)
    assert len(bench.orders()) == 1


def test_a_wrong_secret_keeps_jobs_waiting_for_the_operator(bench: SiteFlowBench) -> None:
    """None is lost for it; the job says why it waits, in Site Flow's words."""
    bench.restart(secret="another")
    bench.accept()
    bench.run(60)
    assert bench.outcome() == (JobState.PENDING, ("agent-printer-unreachable",))
    assert "HTTP 401: the digest is wrong: wrong secret" in bench.job().message
    bench.restart()
    bench.run(5)
    assert len(bench.orders()) == 1


def test_a_secret_that_is_wrong_later_ends_no_order(bench: SiteFlowBench) -> None:
    """What becomes of it is asked on and on."""
    bench.accept()
    bench.run(5)
    bench.restart(secret="another")
    bench.run(600)
    assert bench.outcome()[0] is JobState.PROCESSING
    bench.restart()
    bench.run(5)
    assert bench.outcome() == SHIPPED


def test_an_order_in_error_ends_its_job_or_stops_it(tmp_path: Path, clock: FakeClock) -> None:
    """As configured: somebody may mend it in Site Flow."""
    for errored, outcome in (
        ("aborted", (JobState.ABORTED, ("aborted-by-system",))),
        ("stopped", (JobState.PROCESSING_STOPPED, ("job-suspended",))),
    ):
        with siteflow_bench(tmp_path / errored, clock, errored=errored) as bench:
            bench.accept()
            bench.fault("PUT", "/s3/.*", status=200)
            bench.run(60)
            assert bench.outcome() == outcome
            assert "nothing was uploaded there" in bench.job().message


def test_a_cancel_is_believed_when_the_order_says_so(bench: SiteFlowBench) -> None:
    """It is asked for at once, and told as the user's own."""
    bench.accept()
    bench.run(5)
    bench.parts.spool.cancel("cards")
    bench.run(5)
    assert bench.outcome() == (JobState.CANCELED, ("job-canceled-by-user",))
    assert bench.orders()[0]["status"] == "cancelled"


def test_a_cancel_that_comes_too_late_is_told_as_what_it_is(bench: SiteFlowBench) -> None:
    """The order is printed already, and goes on."""
    bench.accept()
    bench.run(150)
    bench.parts.spool.cancel("cards")
    bench.run(5)
    assert bench.outcome() == (JobState.PROCESSING, ("job-printing", "processing-to-stop-point"))
    bench.run(300)
    assert bench.outcome() == SHIPPED


def test_a_cancel_during_an_outage_is_carried_out_after_it(bench: SiteFlowBench) -> None:
    """Site Flow works on meanwhile: nothing is called cancelled that isn't."""
    bench.accept()
    bench.run(5)
    bench.simulator.cloud.begin_outage(20, dropping=True)
    bench.parts.spool.cancel("cards")
    bench.run(10)
    assert not bench.outcome()[0].is_final
    bench.run(50)
    assert bench.outcome() == (JobState.CANCELED, ("job-canceled-by-user",))


class CancelledMeanwhile(PresignedPut):
    """Uploads a document while somebody cancels its job."""

    def __init__(self, bench: SiteFlowBench) -> None:
        super().__init__(http=bench.http, service_url=bench.simulator.url)
        self._bench = bench

    def put(self, url: str, document: Document, *, beat: Callable[[], None]) -> None:
        """Upload, then cancel."""
        super().put(url, document, beat=beat)
        self._bench.parts.spool.cancel("cards")


def test_a_cancel_before_the_order_leaves_nothing(bench: SiteFlowBench) -> None:
    """It is looked for between the upload and the order."""
    bench.restart(put=CancelledMeanwhile(bench))
    bench.accept()
    bench.run(30)
    assert bench.outcome() == (JobState.CANCELED, ("job-canceled-by-user",))
    assert (bench.orders(), bench.calls("GET /file/getpreupload")) == ([], 1)


def test_a_cancel_in_site_flow_is_told_as_the_operators(bench: SiteFlowBench) -> None:
    """Whoever did that there."""
    bench.accept()
    bench.run(5)
    book = bench.simulator.siteflow.book
    book.cancel(book.find(bench.job().device_job_id or ""))
    bench.run(100)
    assert bench.outcome() == (JobState.CANCELED, ("job-canceled-by-operator",))


def test_an_id_of_the_tickets_own_that_is_another_orders_is_refused(bench: SiteFlowBench) -> None:
    """It would be told as ordered, and is something else."""
    bench.simulator.siteflow.book.create(copy.deepcopy(ORDER), source="simulated-psp")
    bench.accept(order=OPEN)
    bench.run(5)
    assert bench.outcome() == (JobState.ABORTED, ("agent-conflict",))
    assert len(bench.orders()) == 1


def test_a_site_flow_that_knows_no_own_ids_gets_orders_all_the_same(bench: SiteFlowBench) -> None:
    """Nobody else has an id that we have made; of a ticket's own id that must be known."""
    bench.fault("GET", ".*/bysourceid/.*", status=400)
    bench.accept()
    bench.dispatcher.step()
    assert len(bench.orders()) == 1
    bench.fault("GET", ".*/bysourceid/.*", status=400)
    bench.accept("theirs", order=OPEN)
    bench.run(0)
    assert bench.outcome("theirs") == (JobState.PENDING, ("agent-printer-unreachable",))
    assert len(bench.orders()) == 1


def test_an_order_that_site_flow_cant_look_for_is_a_persons_to_settle(bench: SiteFlowBench) -> None:
    """Its answer was lost, and the question after its own id is refused."""
    bench.fault("POST", SUBMIT, when="after")
    bench.accept()
    bench.dispatcher.step()
    for _ in range(60):
        bench.fault("GET", ".*/bysourceid/.*", status=400)
    bench.run(20)
    assert bench.outcome() == HELD


def test_an_agent_that_starts_again_follows_its_orders(bench: SiteFlowBench) -> None:
    """By Site Flow's id of each."""
    bench.accept()
    bench.run(5)
    bench.restart()
    bench.run(600)
    assert bench.outcome() == SHIPPED
    assert bench.calls("POST /order") == 1


def test_a_hurried_order_is_looked_at_at_once(bench: SiteFlowBench) -> None:
    """By its own id; of others nobody knows anything."""
    bench.accept()
    bench.run(59)
    bench.clock.advance(240)
    assert bench.outcome()[0] is JobState.PROCESSING
    assert bench.target.hurry([bench.orders()[0]["source_order_id"], "stranger"]) == [bench.job().device_job_id]
    bench.dispatcher.printer_is_back("siteflow")
    bench.dispatcher.step()
    assert bench.outcome() == SHIPPED


def call(query: str) -> Call:
    """Give a call that steers the simulator."""
    return Call("POST", "/simulator/siteflow/throttle", dict(parse_qsl(query)), {}, b"")
