"""What Site Flow says of orders, and what that means for the jobs that they are. Pure and total.

Answers come in several shapes: `{"order": {…}}`, `{"data": [{…}]}`, the order itself, and the receipt of the service
that makes orders later, which has an `_id` whether or not the order is valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent.job import JobReading, JobState
from agent.printos.exchange import printable

Milestone = Literal["accepted", "printready", "printed", "shipped"]
MILESTONES: tuple[Milestone, ...] = ("accepted", "printready", "printed", "shipped")
"""How far an order can have come, in order."""

REACHED: Mapping[Milestone, frozenset[str]] = {
    "accepted": frozenset(
        {"received", "submitted", "new", "dataready", "processing", "validated", "pending", "notreceived", "queued"}
        | {"created", "open", "live", "fetching", "filesready"}
    ),
    "printready": frozenset(
        {"accepted", "printready", "pressready", "ready", "batched", "imposed", "printing", "inproduction"}
        | {"production", "inprogress", "reprinted", "senttodevice"}
    ),
    "printed": frozenset({"printed", "atdispatch", "dispatch", "manufactured", "produced", "packed", "batchcomplete"}),
    "shipped": frozenset({"shipped", "dispatched", "complete", "completed", "delivered", "closed"}),
}
ERRORED = frozenset({"error", "errored", "failed", "submissionerror", "rejected", "invalid"})
CANCELED = frozenset({"cancelled", "canceled"})
REASONS: Mapping[Milestone | None, tuple[str, ...]] = {
    None: (),
    "accepted": ("job-transforming",),
    "printready": ("job-queued-for-marker",),
    "printed": ("job-printing",),
    "shipped": (),
}
ORDERS_LIMIT = 1000
DEEPEST = 4
VALIDATIONS_LIMIT = 20
ID_LIMIT = 200
_NO_LETTER = re.compile(r"[^a-z]")


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """What Site Flow tells of one order; `status` is in its words, empty where it told none."""

    id: str
    source_order_id: str | None = None
    status: str = ""
    problem: str = ""
    source: str | None = None
    destination: str | None = None
    created_at: str | None = None
    items: tuple[tuple[str, str, str], ...] = ()
    """Each item's sourceItemId, sku and quantity."""

    @property
    def milestone(self) -> Milestone | None:
        """How far it has come; None where its status is an end that is none of these, or a word nobody knows."""
        word = _word(self.status)
        return next((milestone for milestone, words in REACHED.items() if word in words), None)

    def to_json(self) -> dict[str, Any]:
        """Give it for a person."""
        return {
            "id": self.id,
            "source_order_id": self.source_order_id,
            "status": self.status or None,
            "problem": self.problem or None,
            "source": self.source,
            "destination": self.destination,
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class ArtworkRecord:
    """What Site Flow tells of one document of an order; of its URL nothing, which may be as good as a password."""

    status: str = ""
    pages: int | None = None
    size: int | None = None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it for a machine."""
        return {
            "status": self.status or None,
            "pages": self.pages,
            "size": self.size,
            "problem": self.problem or None,
        }

    def sentence(self) -> str:
        """Give it for a person."""
        pages = f", {self.pages} {'page' if self.pages == 1 else 'pages'}" if self.pages else ""
        return f"{self.status or 'unknown'}{pages}{f' ({self.problem})' if self.problem else ''}"


def parse_artwork(file: Mapping[str, Any]) -> ArtworkRecord:
    """Read what is told of one document."""
    problem = _object(file.get("error")).get("message")
    return ArtworkRecord(
        status=_text(file.get("status")) or "",
        pages=_count(file.get("pageCount")),
        size=_count(file.get("fileSize")),
        problem=_text(problem) or "",
    )


def parse_order(content: Any) -> OrderRecord | None:
    """Read the one order of an answer; None where there is none."""
    return next(_records(content), None)


def parse_orders(content: Any) -> list[OrderRecord]:
    """Read all orders of a list's answer."""
    return [record for record, _ in zip(_records(content), range(ORDERS_LIMIT), strict=False)]


def parse_refusal(content: Any) -> tuple[str, list[str]]:
    """Read an error answer: what it says in one line, and the validations that failed, with their paths."""
    if not isinstance(content, Mapping):
        return "", []
    error = content.get("error")
    if isinstance(error, str):
        return printable(error), []
    node = error if isinstance(error, Mapping) else content
    listed = node.get("validations")
    failed = [_validation(it) for it in listed[:VALIDATIONS_LIMIT]] if isinstance(listed, list) else []
    return printable(str(node.get("message") or node.get("name") or "")), list(filter(None, failed))


def reading_of(record: OrderRecord, *, completed_at: Milestone, errored: Literal["aborted", "stopped"]) -> JobReading:
    """Say what an order's status means for its job.

    It is completed when the order has come as far as `completed_at`. A word that nobody knows is no end.
    """
    word, milestone = _word(record.status), record.milestone
    state, reasons = JobState.PROCESSING, REASONS[milestone]
    if word in CANCELED:
        state, reasons = JobState.CANCELED, ("job-canceled-by-operator",)
    elif word in ERRORED:
        state = JobState.ABORTED if errored == "aborted" else JobState.PROCESSING_STOPPED
        reasons = ("aborted-by-system",) if errored == "aborted" else ("job-suspended",)
    elif milestone is not None and MILESTONES.index(milestone) >= MILESTONES.index(completed_at):
        state, reasons = JobState.COMPLETED, ("job-completed-successfully",)
    told = record.status or "has the order"
    return JobReading(
        state=state,
        device_job_id=record.id,
        state_reasons=reasons,
        message=f"Site Flow: {told}{f' ({record.problem})' if record.problem else ''}",
    )


def _records(content: Any) -> Iterator[OrderRecord]:
    for node in _order_nodes(content):
        record = _record(node)
        if record is not None:
            yield record


def _order_nodes(content: Any, depth: int = DEEPEST) -> Iterator[Mapping[str, Any]]:
    """Give the orders of an answer, whatever they are wrapped in."""
    if isinstance(content, list) and depth:
        yield from (node for element in content[:ORDERS_LIMIT] for node in _order_nodes(element, depth - 1))
    elif isinstance(content, Mapping):
        inner = next((content[name] for name in ("order", "orders", "data") if content.get(name)), None)
        if inner is not None and depth and "orderData" not in content and not _is_id(content.get("_id")):
            yield from _order_nodes(inner, depth - 1)
        else:
            yield content


def _record(node: Mapping[str, Any]) -> OrderRecord | None:
    order_id = next((str(node[name]) for name in ("_id", "id", "orderId") if _is_id(node.get(name))), None)
    if order_id is None:
        return None
    data = _object(node.get("orderData"))
    return OrderRecord(
        id=order_id,
        source_order_id=_text(data.get("sourceOrderId") or node.get("sourceOrderId")),
        status=_text(data.get("status") or node.get("status")) or "",
        problem=_problem(node, data),
        source=_text(_object(node.get("source")).get("name") or node.get("sourceAccountId")),
        destination=_text(_object(node.get("destination")).get("name")),
        created_at=_text(data.get("date") or node.get("timestamp") or node.get("created")),
        items=tuple(_items(data)),
    )


def _items(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    items = data.get("items")
    for item in items[:ORDERS_LIMIT] if isinstance(items, list) else ():
        if isinstance(item, Mapping):
            yield str(item.get("sourceItemId")), str(item.get("sku")), str(item.get("quantity"))


def _problem(node: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Find what went wrong with an order, in its own error or in that of one of its files."""
    files = node.get("files")
    places = [node.get("error"), data.get("error"), *(_files_errors(files) if isinstance(files, list) else ())]
    for place in places:
        for error in place if isinstance(place, list) else [place]:
            message = _object(error).get("message") if not isinstance(error, str) else error
            if message and isinstance(message, str):
                return printable(message)
    return ""


def _files_errors(files: list[Any]) -> list[Any]:
    return [_object(file).get("error") for file in files[:ORDERS_LIMIT]]


def _validation(entry: Any) -> str:
    if isinstance(entry, str):
        return printable(entry)
    path, message = (printable(str(_object(entry).get(name) or "")) for name in ("path", "message"))
    return ": ".join(filter(None, (path, message)))


def _word(status: str) -> str:
    return _NO_LETTER.sub("", status.lower())


def _is_id(value: Any) -> bool:
    return (isinstance(value, str) and 0 < len(value) <= ID_LIMIT and value.isprintable()) or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text(value: Any) -> str | None:
    return printable(value) or None if isinstance(value, str) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
