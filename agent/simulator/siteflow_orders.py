"""The orders of the pretended Site Flow, and how each goes on: its artwork is fetched, it is printed, it is shipped."""

from __future__ import annotations

import json
import queue
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.errors import TransportError
from agent.http import HttpClient
from agent.model import Clock
from agent.simulator.printos_http import RefusalError
from agent.simulator.printos_uploads import Content, Intake, Uploads
from agent.simulator.siteflow_rules import invalid

MOST_ORDERS = 1000
FETCH_LIMIT_BYTES = 1 << 30
FETCH_SECONDS = 30.0
POSTBACK_SECONDS = 2.0
WORKERS = 2
LOOK_SECONDS = 0.2
WAITING_LIMIT = 10_000
STAGES = ("printready", "printed", "shipped")


@dataclass(slots=True)
class Artwork:
    """A component's document: where it is, and what was found there, None while nothing was."""

    url: str
    code: str
    content: Content | None = None
    problem: str = ""


@dataclass(slots=True)
class SimulatedOrder:
    """An order. `ready_at` is the monotonic moment from which on its artwork is there, None before."""

    id: str
    source: str
    body: Mapping[str, Any]
    created_at: datetime
    created: float
    artworks: tuple[Artwork, ...]
    visible_at: float
    ready_at: float | None = None
    failed_at: float | None = None
    cancelled: bool = False
    told: set[str] = field(default_factory=set)

    @property
    def source_order_id(self) -> str:
        """The id of whoever ordered."""
        return str(self.body["orderData"]["sourceOrderId"])


class OrderBook:
    """The orders of one account; safe in several threads. Of too many the oldest go.

    Args:
        uploads: where documents are sent to.
        stage_seconds: how long an order is at each stage.
        error_seconds: how long its artwork may stay away (at the real one, twelve hours).
        delay_seconds: how long after its creation an order is not shown.
        postback_url: where to tell of each stage, None for nowhere.
        postback_token: goes with that, in a header.
        monotonic: the clock of all that.
        now: the present.
    """

    def __init__(
        self,
        *,
        uploads: Uploads,
        stage_seconds: float,
        error_seconds: float,
        delay_seconds: float,
        postback_url: str | None,
        postback_token: str,
        monotonic: Callable[[], float],
        now: Clock,
    ) -> None:
        self.uploads = uploads
        self._stage_seconds = stage_seconds
        self._error_seconds = error_seconds
        self._delay_seconds = delay_seconds
        self._postback_url = postback_url
        self._postback_token = postback_token
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.RLock()
        self._orders: OrderedDict[str, SimulatedOrder] = OrderedDict()
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue(WAITING_LIMIT)
        self._threads: list[threading.Thread] = []
        self.counters: Counter[str] = Counter()

    def start(self) -> None:
        """Begin to fetch and to tell."""
        self._threads = [
            threading.Thread(target=self._run, name="siteflow-worker", daemon=True) for _ in range(WORKERS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End that."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(FETCH_SECONDS)

    def settle(self) -> None:
        """Wait until all is fetched and told that is to be."""
        self._work.join()

    def create(self, body: Mapping[str, Any], *, source: str) -> SimulatedOrder:
        """Make an order and have its artwork fetched; 400 where there is one of its sourceOrderId."""
        with self._lock:
            if self._with_source_id(body["orderData"]["sourceOrderId"]) is not None:
                raise invalid([{"path": "orderData.sourceOrderId", "message": "already exists"}])
            present = self._monotonic()
            artworks = tuple(
                Artwork(component["path"], component["code"])
                for item in body["orderData"].get("items", [])
                for component in item["components"]
            )
            order = SimulatedOrder(
                secrets.token_hex(12), source, body, self._now(), present, artworks, present + self._delay_seconds
            )
            self._orders[order.id] = order
            self.counters["created"] += 1
            while len(self._orders) > MOST_ORDERS:
                self._orders.popitem(last=False)
        self._work.put(lambda: self._fetch_all(order))
        self._tell(order, "received")
        return order

    def find(self, order_id: str) -> SimulatedOrder:
        """Give an order; 404 where there is none, or none yet."""
        with self._lock:
            return self._shown(self._orders.get(order_id))

    def find_by_source_id(self, source_order_id: str) -> SimulatedOrder:
        """Give the order of an id of whoever ordered; 404 likewise."""
        with self._lock:
            return self._shown(self._with_source_id(source_order_id))

    def page(self, number: int, size: int) -> tuple[list[SimulatedOrder], int]:
        """Give a page of the orders, the newest first, and how many there are."""
        with self._lock:
            present = self._monotonic()
            shown = [order for order in reversed(self._orders.values()) if order.visible_at <= present]
        return shown[(number - 1) * size : number * size], len(shown)

    def cancel(self, order: SimulatedOrder) -> None:
        """End an order; 409 once it is printed, or has ended."""
        with self._lock:
            status = self.status(order)
            if status in ("printed", "shipped", "cancelled"):
                raise RefusalError(409, f"the order is {status}")
            order.cancelled = True
        self._tell(order, "cancelled")

    def status(self, order: SimulatedOrder) -> str:
        """Say how far an order is, and tell of what is new of it."""
        status = self._status(order)
        if status != "dataready":
            self._tell(order, status)
        return status

    def report(self) -> dict[str, Any]:
        """Tell what came."""
        with self._lock:
            orders = list(self._orders.values())
        return {"counters": dict(self.counters), "orders": [self._told(order) for order in orders]}

    def look(self) -> None:
        """Let time have its effect on all orders."""
        with self._lock:
            orders = list(self._orders.values())
        for order in orders:
            self.status(order)

    def _status(self, order: SimulatedOrder) -> str:
        if order.cancelled:
            return "cancelled"
        present = self._monotonic()
        if order.failed_at is not None and present >= order.created + self._error_seconds:
            return "errored"
        if order.ready_at is None:
            return "dataready"
        passed = int((present - order.ready_at) / self._stage_seconds) if self._stage_seconds else len(STAGES)
        return STAGES[min(passed, len(STAGES)) - 1] if passed else "dataready"

    def _fetch_all(self, order: SimulatedOrder) -> None:
        for artwork in order.artworks:
            artwork.content, artwork.problem = self._fetch(artwork.url)
        with self._lock:
            if all(artwork.content for artwork in order.artworks):
                order.ready_at = self._monotonic()
            else:
                order.failed_at = self._monotonic()

    def _fetch(self, url: str) -> tuple[Content | None, str]:
        """Give what a URL has, be it ours or anybody's, or why it has nothing."""
        if self.uploads.is_own(url):
            content = self.uploads.find(url)
            return content, "" if content else "nothing was uploaded there"
        with closing(HttpClient(connect_timeout_seconds=2.0, read_timeout_seconds=FETCH_SECONDS)) as http:
            try:
                answer = http.request("GET", url, limit_bytes=FETCH_LIMIT_BYTES)
            except TransportError as error:
                return None, str(error)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
            return None, f"HTTP {answer.status}"
        document = Intake()
        document.write(answer.body)
        return document.content(answer.headers.get("Content-Type", "").partition(";")[0]), ""

    def _tell(self, order: SimulatedOrder, status: str) -> None:
        """Send a postback, once for each status."""
        with self._lock:
            if self._postback_url is None or status in order.told:
                return
            order.told.add(status)
        facts = {"timestamp": self._now().isoformat(), "sourceOrderId": order.source_order_id, "status": status}
        self._work.put(lambda: self._post(facts))

    def _post(self, facts: Mapping[str, str]) -> None:
        assert self._postback_url is not None
        headers = {"Content-Type": "application/json", "x-postback-token": self._postback_token}
        with closing(
            HttpClient(connect_timeout_seconds=POSTBACK_SECONDS, read_timeout_seconds=POSTBACK_SECONDS)
        ) as http:
            try:
                answer = http.request("POST", self._postback_url, headers=headers, body=json.dumps(facts).encode())
            except TransportError:
                self.counters["postbacks_lost"] += 1
            else:
                self.counters["postbacks" if answer.status < 300 else "postbacks_refused"] += 1  # noqa: PLR2004 - a success

    def _run(self) -> None:
        """Do what is to be done, and look now and then whose time has come."""
        while True:
            try:
                work = self._work.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self.look()
                continue
            try:
                if work is None:
                    return
                work()
            finally:
                self._work.task_done()

    def _shown(self, order: SimulatedOrder | None) -> SimulatedOrder:
        if order is None or order.visible_at > self._monotonic():
            raise RefusalError(404, "Couldn't find a thing with that ID")
        return order

    def _with_source_id(self, source_order_id: str) -> SimulatedOrder | None:
        return next((it for it in self._orders.values() if it.source_order_id == source_order_id), None)

    def _told(self, order: SimulatedOrder) -> dict[str, Any]:
        contents = [artwork.content for artwork in order.artworks]
        return {
            "id": order.id,
            "source_order_id": order.source_order_id,
            "status": self._status(order),
            "quantities": [item.get("quantity") for item in order.body["orderData"].get("items", [])],
            "sha256": [content.sha256 if content else None for content in contents],
            "sizes": [content.size if content else None for content in contents],
        }
