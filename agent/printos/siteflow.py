"""The client of Site Flow: orders validated, created, looked at and cancelled, and what can be ordered.

Everything is below `/api`. Nothing is tried twice here: who asks knows what may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from agent.errors import CloudRefusedError, CloudUnreachableError, ConflictError, NotFoundError
from agent.http import Answer
from agent.printos.exchange import parse_json, retry_after
from agent.printos.signed_exchange import SignedExchange
from agent.printos.signing import ApiKey, Sign
from agent.printos.siteflow_status import (
    ArtworkRecord,
    OrderRecord,
    parse_artwork,
    parse_order,
    parse_orders,
    parse_refusal,
)
from agent.printos.upload_urls import UploadUrls, parse_upload_urls

THROTTLED = 429
UNAVAILABLE = 503
NOT_FOUND = 404
CONFLICT = 409
FIRST_ERROR = 400
LIST_LIMIT = 1000


class NotNowError(CloudUnreachableError):
    """Raised when Site Flow says that it did nothing, and will another time."""


class ThrottledError(NotNowError):
    """Raised when Site Flow has been asked too much within the minute."""


class InvalidOrderError(CloudRefusedError):
    """Raised when Site Flow finds an order invalid.

    Attributes:
        validations: what is wrong, each with its path.
    """

    exit_code = 2

    def __init__(self, validations: list[str], *, status: int) -> None:
        super().__init__(f"Site Flow finds the order invalid: {'; '.join(validations)}", status=status)
        self.validations = validations


class SiteFlow:
    """Asks one account of Site Flow.

    Args:
        exchange: sends to Site Flow.
        orders: sends to where orders are created, which may be another service.
        upload_key: the name of the upload URL's field; empty where that is not known.
        fetch_key: likewise.

    Every method raises:
        CloudUnreachableError: no whole answer came, or it is out of order; of these NotNowError and ThrottledError say
            that nothing was done.
        CloudRefusedError: it refuses, and would again.
        NotFoundError: there is no such thing.
    """

    def __init__(
        self, *, exchange: SignedExchange, orders: SignedExchange, upload_key: str = "", fetch_key: str = ""
    ) -> None:
        self._exchange = exchange
        self._orders = orders
        self._upload_key = upload_key
        self._fetch_key = fetch_key

    def validate(self, order: Mapping[str, Any]) -> None:
        """Have an order looked at without making it; raises InvalidOrderError too."""
        self._ask(self._exchange, "POST", "/api/order/validate", body=order)

    def submit(
        self,
        order: Mapping[str, Any],
        *,
        committing: Callable[[], None] = lambda: None,
        beat: Callable[[], None] = lambda: None,
    ) -> OrderRecord | None:
        """Create an order; None where the answer is a success that tells of none. Raises InvalidOrderError too.

        `committing`, `beat` and the cause of CloudUnreachableError are as for `SignedExchange.commit`.
        """
        answer = self._orders.commit("/api/order", order, committing=committing, beat=beat)
        return parse_order(_content(answer, self._orders))

    def order(self, order_id: str) -> OrderRecord:
        """Read one order by Site Flow's id."""
        return self._one(f"/api/order/{_segment(order_id)}", f"order {order_id}")

    def order_by_source(self, source_order_id: str) -> OrderRecord:
        """Read one order by the id that it was given by whoever ordered."""
        what = f"order with the sourceOrderId {source_order_id}"
        record = self._one(f"/api/order/bysourceid/{_segment(source_order_id)}", what)
        if record.source_order_id not in (None, source_order_id):
            raise NotFoundError(f"Site Flow has no {what}")
        return record

    def orders(self, *, page: int = 1, page_size: int = 50) -> list[OrderRecord]:
        """Read a page of the orders, counted from 1."""
        return parse_orders(self._get("/api/order", page=str(page), pagesize=str(page_size)))

    def cancel(self, order_id: str) -> None:
        """Ask for an order's end; ConflictError where it is too late for that."""
        self._ask(self._exchange, "PUT", f"/api/order/{_segment(order_id)}/cancel")

    def cancel_by_source(self, source: str, source_order_id: str) -> None:
        """Ask for an order's end by the account it comes from and its own id."""
        self._ask(self._exchange, "PUT", f"/api/order/{_segment(source)}/{_segment(source_order_id)}/cancel")

    def products(self) -> list[dict[str, Any]]:
        """Read what can be ordered."""
        return _listed(self._get("/api/product"))

    def skus(self) -> list[dict[str, Any]]:
        """Read by which codes it can be ordered."""
        return _listed(self._get("/api/sku"))

    def files(self, order_id: str) -> list[ArtworkRecord]:
        """Read what is known of an order's documents."""
        return [parse_artwork(file) for file in _listed(self._get(f"/api/files/order/{_segment(order_id)}"))]

    def upload_urls(self, media_type: str) -> UploadUrls:
        """Get the URLs to put a document and to have it fetched from.

        An answer that has none is a matter of the configuration, and raises CloudUnreachableError.
        """
        try:
            answer = self._get("/api/file/getpreupload", mimeType=media_type)
        except NotFoundError as error:
            raise CloudUnreachableError(
                f"there are no upload URLs to be had below siteflow.base_url: {error}"
            ) from error
        try:
            return parse_upload_urls(answer, upload_key=self._upload_key, fetch_key=self._fetch_key)
        except CloudRefusedError as error:
            raise CloudUnreachableError(f"Site Flow: {error}") from error

    def _one(self, path: str, what: str) -> OrderRecord:
        try:
            record = parse_order(self._get(path))
        except NotFoundError as error:
            raise NotFoundError(f"Site Flow has no {what}") from error
        if record is None:
            raise NotFoundError(f"Site Flow has no {what}")
        return record

    def _get(self, path: str, **query: str) -> Any:
        return self._ask(self._exchange, "GET", path, query=query)

    def _ask(
        self,
        exchange: SignedExchange,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        return _content(exchange.send(method, path, query=query or {}, body=body), exchange)


def _content(answer: Answer, exchange: SignedExchange) -> Any:
    """Give the JSON of a success; raises what another answer means."""
    if answer.status < FIRST_ERROR:
        content = parse_json(exchange.checked(answer).body)
        _check_success(content, answer)
        return content
    raise _refusal(answer, exchange)


def with_account(sign: Sign, account: str) -> Sign:
    """Sign for a service user: the account that it works for goes beside the signature."""

    def signed(key: ApiKey, method: str, path: str, moment: datetime) -> Mapping[str, str]:
        return {**sign(key, method, path, moment), "x-oneflow-account": account}

    return signed if account else sign


def _check_success(content: Any, answer: Answer) -> None:
    """Refuse what is a success by its status only."""
    if isinstance(content, Mapping) and content.get("success") is False:
        message, failed = parse_refusal(content)
        if failed:
            raise InvalidOrderError(failed, status=answer.status)
        raise CloudRefusedError(f"Site Flow refuses: {message or 'no reason given'}", status=answer.status)


def _refusal(answer: Answer, exchange: SignedExchange) -> Exception:
    message, failed = parse_refusal(parse_json(answer.body))
    if answer.status == THROTTLED:
        told = message or "too many requests"
        return ThrottledError(f"Site Flow asks for patience: {told}", retry_after_seconds=retry_after(answer))
    if answer.status == UNAVAILABLE:
        told = message or "HTTP 503"
        return NotNowError(f"Site Flow is out of order: {told}", retry_after_seconds=retry_after(answer))
    if failed:
        return InvalidOrderError(failed, status=answer.status)
    if answer.status == NOT_FOUND:
        return NotFoundError(f"Site Flow has no such thing: {message or 'HTTP 404'}")
    if answer.status == CONFLICT:
        return ConflictError(f"Site Flow refuses: {message or 'HTTP 409'}")
    try:
        exchange.checked(replace(answer, body=message.encode()) if message else answer)
    except (CloudRefusedError, CloudUnreachableError) as error:
        return error
    raise AssertionError(answer.status)


def _listed(content: Any) -> list[dict[str, Any]]:
    """Give the objects of a list, whatever it is wrapped in."""
    if isinstance(content, Mapping):
        content = next((value for value in content.values() if isinstance(value, list)), [])
    return [row for row in content[:LIST_LIMIT] if isinstance(row, dict)] if isinstance(content, list) else []


def _segment(text: str) -> str:
    return quote(text, safe="")
