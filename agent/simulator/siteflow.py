"""The pretended Site Flow, below `/siteflow` and at the root: orders validated, created, shown and cancelled.

Below `/siteflow` PrintOS's way of signing is taken too, as on the old route; at the root only Site Flow's own. What is
refused is told in Site Flow's shape, validations with HTTP 400 and code 208.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from agent.simulator.printos_http import Call, RefusalError, Reply, Route
from agent.simulator.printos_signatures import Family, Signatures
from agent.simulator.siteflow_orders import OrderBook, SimulatedOrder
from agent.simulator.siteflow_rules import ACCOUNT, PRODUCTS, SKUS, invalid, mistakes

BASE = "/siteflow"
NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "TooManyRequests",
}
PAGE_LIMIT = 1000
SERVICES: Mapping[str, tuple[Family, ...]] = {BASE: ("x-oneflow", "x-hp-hmac"), "": ("x-oneflow",)}
"""The segments that its paths begin with, and the ways of signing that are taken there."""


class SiteFlowSide:
    """The calls of Site Flow.

    Attributes:
        book: the orders.
        is_receipt_only: a created order is answered with a receipt, valid or not, as where orders are made later.
    """

    def __init__(self, book: OrderBook, signatures: Signatures) -> None:
        self.book = book
        self.is_receipt_only = False
        self._signatures = signatures
        self._lock = threading.Lock()
        self._throttled = 0
        self._retry_after: str | None = None
        self._calls: dict[str, int] = {}

    def routes(self) -> list[Route]:
        """Give its routes, and those that steer it."""
        calls: tuple[tuple[str, str, Callable[[Call], Reply]], ...] = (
            ("POST", "/order/validate", self.validate),
            ("POST", "/order", self.create),
            ("POST", "/order/route/{rule}", self.create),
            ("GET", "/order", self.list_orders),
            ("GET", "/order/", self.list_orders),
            ("GET", "/order/{order_id}", self.show),
            ("GET", "/order/bysourceid/{source_order_id}", self.show_by_source_id),
            ("PUT", "/order/{order_id}/cancel", self.cancel),
            ("PUT", "/order/{source}/{source_order_id}/cancel", self.cancel_by_source_id),
            ("GET", "/files/order/{order_id}", self.list_files),
            ("GET", "/product", lambda _call: _listed(PRODUCTS)),
            ("GET", "/sku", lambda _call: _listed(SKUS)),
            ("GET", "/file/getpreupload", self.issue_urls),
        )
        routes = [
            Route(method, f"{base}/api{path}", self._signed(base, answer))
            for base in SERVICES
            for method, path, answer in calls
        ]
        return [*routes, Route("POST", "/simulator/siteflow/throttle", self.throttle)]

    def report(self) -> dict[str, Any]:
        """Tell what came."""
        with self._lock:
            calls = dict(self._calls)
        return {**self.book.report(), "calls": calls}

    def throttle(self, call: Call) -> Reply:
        """Answer 429 to the next `times` calls, with `retry_after` where that is given."""
        times = call.query.get("times", "1")
        if not times.isdecimal():
            raise RefusalError(400, "times must be a number")
        with self._lock:
            self._throttled, self._retry_after = int(times), call.query.get("retry_after")
        return Reply(200, {"throttled": int(times)})

    def validate(self, call: Call) -> Reply:
        """Look at an order."""
        _check(call.content())
        return Reply(200, {"success": True})

    def create(self, call: Call) -> Reply:
        """Make an order."""
        body = call.content()
        if self.is_receipt_only:
            return self._receipt(call, body)
        _check(body)
        return Reply(_made(call), {"order": self._shown(self.book.create(body, source=ACCOUNT)), "success": True})

    def list_orders(self, call: Call) -> Reply:
        """Give a page of orders."""
        page, size = call.query.get("page", "1"), call.query.get("pagesize", "10")
        if not (page.isdecimal() and size.isdecimal() and int(page) >= 1 and 1 <= int(size) <= PAGE_LIMIT):
            raise RefusalError(400, "page and pagesize must be numbers from 1")
        orders, count = self.book.page(int(page), int(size))
        return Reply(200, {"data": [self._shown(order) for order in orders], "page": int(page), "count": count})

    def show(self, call: Call) -> Reply:
        """Give an order."""
        return Reply(200, {"order": self._shown(self.book.find(call.match["order_id"])), "success": True})

    def show_by_source_id(self, call: Call) -> Reply:
        """Give an order by the id of whoever ordered."""
        return Reply(200, {"order": self._shown(self.book.find_by_source_id(call.match["source_order_id"]))})

    def cancel(self, call: Call) -> Reply:
        """End an order."""
        self.book.cancel(self.book.find(call.match["order_id"]))
        return Reply(200, {"success": True})

    def cancel_by_source_id(self, call: Call) -> Reply:
        """End an order by the account it comes from and the id there."""
        order = self.book.find_by_source_id(call.match["source_order_id"])
        if call.match["source"] not in (order.source, order.body["destination"]["name"]):
            raise RefusalError(404, "Couldn't find a thing with that ID")
        self.book.cancel(order)
        return Reply(200, {"success": True})

    def list_files(self, call: Call) -> Reply:
        """Give the artworks of an order."""
        return Reply(200, {"data": self._shown(self.book.find(call.match["order_id"]))["files"]})

    def issue_urls(self, call: Call) -> Reply:
        """Give the URLs for one document."""
        media_type = call.query.get("mimeType", "")
        if "/" not in media_type:
            raise RefusalError(400, "mimeType must be a media type such as application/pdf")
        upload_url, fetch_url = self.book.uploads.issue(media_type, "siteflow")
        return Reply(_made(call), {"success": True, "upload": upload_url, "fetch": fetch_url})

    def _signed(self, base: str, answer: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        def signed(call: Call) -> Reply:
            try:
                self._check_signature(call, base)
                self._count(call)
                return answer(call)
            except RefusalError as refusal:
                raise in_own_shape(refusal) from refusal

        return signed

    def _check_signature(self, call: Call, base: str) -> None:
        """Make sure that a call is signed.

        In Site Flow's own way HP's JavaScript signs all of the URL's path, HP's Python what follows its endpoint.
        """
        try:
            self._signatures.check(call, base=base, families=SERVICES[base])
        except RefusalError:
            if not base or "x-oneflow-authorization" not in call.headers:
                raise
            try:
                self._signatures.check(call, base="", families=("x-oneflow",))
            except RefusalError:
                self._signatures.check(call, base=base, families=SERVICES[base])  # which says what is wrong

    def _count(self, call: Call) -> None:
        with self._lock:
            name = f"{call.method} {call.path.partition('/api')[2]}"
            if len(self._calls) < PAGE_LIMIT or name in self._calls:
                self._calls[name] = self._calls.get(name, 0) + 1
            if not self._throttled:
                return
            self._throttled -= 1
            headers = {"Retry-After": self._retry_after} if self._retry_after is not None else {}
        self.book.counters["throttled"] += 1
        raise RefusalError(429, "Too many requests, please try again later.", headers=headers)

    def _receipt(self, call: Call, body: Mapping[str, Any]) -> Reply:
        """Take an order now and make it later, if it is valid."""
        try:
            _check(body)
            order_id = self.book.create(body, source=ACCOUNT).id
        except RefusalError:
            order_id = "0" * 24
        where = f"{self.book.uploads.url}{call.path}/{order_id}"
        timestamp = _written(datetime.now().astimezone())
        return Reply(201, {"_id": order_id, "url": where, "timestamp": timestamp, "sourceAccountId": ACCOUNT})

    def _shown(self, order: SimulatedOrder) -> dict[str, Any]:
        status = self.book.status(order)
        files = [
            {
                "_id": f"{order.id[:-2]}{number:02x}",
                "orderId": order.id,
                "fetch": True,
                "localFile": False,
                "fetchUrl": artwork.url,
                "fileSize": artwork.content.size if artwork.content else 0,
                "pageCount": artwork.content.pages if artwork.content else 0,
                "status": "ok" if artwork.content else "error" if artwork.problem else "notreceived",
                "error": {"code": int(bool(artwork.problem)), "message": artwork.problem},
            }
            for number, artwork in enumerate(order.artworks)
        ]
        return {
            "__v": 1,
            "_id": order.id,
            "destination": order.body["destination"],
            "source": {"name": order.source},
            "files": files,
            "logs": [],
            "orderData": {**order.body["orderData"], "date": _written(order.created_at), "status": status},
        }


def in_own_shape(refusal: RefusalError) -> RefusalError:
    """Give a refusal as Site Flow tells it."""
    if refusal.content is not None:
        return refusal
    error = {"message": str(refusal), "name": NAMES.get(refusal.status, "Error"), "code": refusal.status}
    content = {"success": False, "error": error}
    return RefusalError(refusal.status, str(refusal), headers=refusal.headers, content=content)


def _made(call: Call) -> int:
    """Give the status of what was made: HP's collection for the old route wants 201, its Ruby for today's 200."""
    return 200 if "x-oneflow-authorization" in call.headers else 201


def _check(body: Mapping[str, Any]) -> None:
    if found := mistakes(body):
        raise invalid(found)


def _listed(rows: tuple[Mapping[str, Any], ...]) -> Reply:
    return Reply(200, {"data": [dict(row) for row in rows], "count": len(rows)})


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
