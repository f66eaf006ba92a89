"""Site Flow as a destination: a ticket and its document become an order, which is followed to its end.

The document is uploaded first, where it means nothing yet; one request then creates the order, which is all there or
not at all. Every order has an id of its own, so that one whose answer was lost can be asked for: before an order is
created, and again before it is created anew, Site Flow is asked whether it has it. That it shows none is no proof, as
a request may still be on its way and orders may be made later: nothing is created again unless a person wants it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from agent.config_clouds import SiteflowConfig
from agent.errors import (
    CloudError,
    CloudRefusedError,
    CloudUnreachableError,
    ConflictError,
    ConnectFailedError,
    NotFoundError,
    OutcomeUnknownError,
    PrinterBusyError,
    PrinterRejectedError,
    PrinterUnreachableError,
    TicketError,
)
from agent.job import Job, JobReading, JobState, Journal, Ticket
from agent.printos.presigned import PresignedPut
from agent.printos.siteflow import NotNowError, SiteFlow, ThrottledError
from agent.printos.siteflow_order import (
    Order,
    completed,
    has_quantities,
    order_of,
    problems,
    source_order_id,
    with_document,
)
from agent.printos.siteflow_status import OrderRecord, reading_of
from agent.printos.siteflow_watch import Gate, OrderWatch

OPTIONS = frozenset({"copies"})
OURS_TO_MEND = frozenset({401, 403, *range(300, 400)})
"""What is a matter of the key, or of the way to Site Flow, and not of an order."""
PROBLEMS_SHOWN = 5
LATER_ID = "the id of the job"

Told = TypeVar("Told")


class SiteFlowTarget:
    """Takes the jobs of the destination `siteflow`.

    Args:
        client: asks Site Flow.
        put: uploads documents.
        config: how orders are made and judged.
        template: what every order has unless its ticket says otherwise.
        monotonic: seconds that never jump.
    """

    def __init__(
        self,
        *,
        client: SiteFlow,
        put: PresignedPut,
        config: SiteflowConfig,
        template: Mapping[str, Any],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._put = put
        self._config = config
        self._template = template
        self._monotonic = monotonic
        self._watch = OrderWatch(longest_seconds=config.poll_interval)
        self._gate = Gate()

    @property
    def name(self) -> str:
        """What people call it."""
        return "Site Flow"

    @property
    def options(self) -> frozenset[str]:
        """What of a ticket's options an order can say; the product says the rest."""
        return OPTIONS

    def check(self, ticket: Ticket) -> None:
        """Refuse a ticket that can be no order, as far as that can be told without asking.

        Raises:
            TicketError: it names what is wrong.
        """
        extra = sorted(ticket.options.requested() - OPTIONS)
        if extra and ticket.fidelity == "strict":
            problem = f"{', '.join(extra)}: the product of an order says that"
            raise TicketError(problem, reason="unsupported-attributes-or-values", job_id=ticket.id)
        try:
            self._order(ticket.delivery, ticket.options.copies, LATER_ID)
        except PrinterRejectedError as error:
            raise TicketError(str(error), job_id=ticket.id) from error
        if ticket.options.copies != 1 and has_quantities(order_of(ticket.delivery.get("order", {}), self._template)):
            raise TicketError("copies: every item of the order has a quantity", job_id=ticket.id)

    def print_job(self, job: Job, journal: Journal) -> JobReading:
        """Upload the document and create the order, unless Site Flow has it already."""
        order = self._order(job.delivery, job.options.copies, _own_id(job))
        there = self._there(order, job)
        if there is None:
            urls = self._asked(lambda: self._client.upload_urls(job.document.format))
            order = with_document(order, urls.fetch)
            if self._config.validate:
                self._asked(lambda: self._client.validate(order))
            journal.beat()
            self._put.put(urls.upload, job.document, beat=journal.beat)
            journal.beat()
            there = self._created(order, job, journal)
        journal.created(there.id)
        return self._noted(there)

    def find_job(self, job: Job, *, of_any_attempt: bool = False) -> JobReading | None:
        """Look for the order of a job by its own id, which all attempts at it share.

        Raises:
            NotFoundError: Site Flow shows none of this attempt, which proves nothing.
        """
        asked = order_of(job.delivery.get("order", {}), self._template)
        own_id = source_order_id(asked) or _own_id(job)
        found = self._found_if_told(own_id)
        if found is None and not of_any_attempt:
            raise NotFoundError(f"Site Flow shows no order with the sourceOrderId {own_id}")
        return None if found is None else self._noted(found)

    def read_job(self, device_job_id: str, *, user: str | None = None) -> JobReading:  # noqa: ARG002 - an order is nobody's
        """Tell how an order is; Site Flow is asked only where that is due."""
        watched, now = self._watch.get(device_job_id), self._monotonic()
        if watched is not None and now < watched.due_at:
            return watched.reading
        try:
            record = self._heard(lambda: self._client.order(device_job_id))
        except PrinterBusyError:
            if watched is None:
                raise
            return watched.reading
        except NotFoundError:
            waiting = self._watch.absent(device_job_id, now)
            if waiting is None:
                raise
            return waiting
        return self._noted(record)

    def cancel_job(self, device_job_id: str, *, user: str | None = None) -> None:  # noqa: ARG002 - an order is nobody's
        """Ask for an order's end, which is believed when the order says so."""
        try:
            self._cancel(device_job_id)
        except CloudUnreachableError as error:
            raise PrinterUnreachableError(str(error)) from error
        except CloudRefusedError as error:
            raise PrinterRejectedError(str(error)) from error
        self._watch.cancelled(device_job_id)

    def hurry(self, source_order_ids: Iterable[str]) -> list[str]:
        """Have the orders of these own ids looked at now; give Site Flow's ids of those that are followed."""
        return self._watch.hurry(source_order_ids)

    def _order(self, delivery: Mapping[str, Any], copies: int, own_id: str) -> Order:
        """Make the order of a job, which still lacks its document; PrinterRejectedError where it can't be one."""
        try:
            order = order_of(delivery.get("order", {}), self._template, destination=self._config.destination)
            order = completed(order, source_id=own_id, copies=copies)
            found = problems(order, open_components=1)
        except RecursionError:
            raise PrinterRejectedError("order: is nested too deeply") from None
        if found:
            raise PrinterRejectedError(f"order: {'; '.join(map(str, found[:PROBLEMS_SHOWN]))}")
        return order

    def _there(self, order: Order, job: Job) -> OrderRecord | None:
        """Give the order where Site Flow has it from an earlier attempt.

        An id that the ticket chose may be another order's: of the first attempt it must be, later it is where it has
        other items.
        """
        own_id = source_order_id(order) or ""
        if own_id == _own_id(job):
            return self._found_if_told(own_id)
        found = self._found(own_id)
        if found is None:
            return None
        if job.attempts > 1 and (not found.items or found.items == _items(order)):
            return found
        problem = f"Site Flow has another order with the sourceOrderId {own_id} ({found.id})"
        raise PrinterRejectedError(problem, reason="agent-conflict")

    def _created(self, order: Order, job: Job, journal: Journal) -> OrderRecord:
        """Create the order. The document went before, so that an order that Site Flow has is whole."""
        try:
            record = self._client.submit(order, committing=journal.committing, beat=journal.beat)
        except NotNowError as error:
            raise self._busy(error) from error
        except CloudUnreachableError as error:
            if isinstance(error.__cause__, ConnectFailedError):
                raise PrinterUnreachableError(str(error)) from error
            raise OutcomeUnknownError(str(error)) from error
        except (CloudRefusedError, NotFoundError, ConflictError) as error:
            there = self._there(order, replace(job, attempts=2))  # a request that was thought lost may have come late
            if there is None:
                raise _refused(error) from error
            return there
        if record is None:
            raise OutcomeUnknownError("Site Flow answered without the id of the order")
        return replace(record, source_order_id=source_order_id(order))

    def _found(self, own_id: str) -> OrderRecord | None:
        try:
            return self._heard(lambda: self._client.order_by_source(own_id))
        except NotFoundError:
            return None

    def _found_if_told(self, own_id: str) -> OrderRecord | None:
        """Look for an order; one that Site Flow does not know how to look for is none that it shows."""
        try:
            return self._found(own_id)
        except PrinterUnreachableError as error:
            cause = error.__cause__
            if isinstance(cause, CloudRefusedError) and cause.status not in OURS_TO_MEND:
                return None
            raise

    def _noted(self, record: OrderRecord) -> JobReading:
        reading = reading_of(record, completed_at=self._config.completed_at, errored=self._config.errored)
        watched = self._watch.get(record.id)
        if reading.state is JobState.CANCELED and watched is not None and watched.is_cancelled:
            reading = replace(reading, state_reasons=("job-canceled-by-user",))
        self._watch.put(record, reading, self._monotonic())
        return reading

    def _cancel(self, order_id: str) -> None:
        watched = self._watch.get(order_id)
        record = watched.record if watched is not None else None
        try:
            self._client.cancel(order_id)
        except NotFoundError:
            if record is None or not (record.source and record.source_order_id):
                raise
            self._client.cancel_by_source(record.source, record.source_order_id)

    def _asked(self, ask: Callable[[], Told]) -> Told:
        """Ask what comes before an order is created: no failure leaves anything behind."""
        self._gate.check(self._monotonic())
        try:
            told = ask()
        except NotNowError as error:
            raise self._busy(error) from error
        except CloudUnreachableError as error:
            raise PrinterUnreachableError(str(error)) from error
        except (CloudRefusedError, NotFoundError, ConflictError) as error:
            raise _refused(error) from error
        self._gate.open()
        return told

    def _heard(self, ask: Callable[[], Told]) -> Told:
        """Ask about an order: that Site Flow refuses to tell is no word on the order."""
        self._gate.check(self._monotonic())
        try:
            told = ask()
        except ThrottledError as error:
            raise self._busy(error) from error
        except CloudError as error:
            raise PrinterUnreachableError(str(error)) from error
        self._gate.open()
        return told

    def _busy(self, error: NotNowError) -> PrinterBusyError:
        seconds = self._gate.close(
            self._monotonic(),
            asked_seconds=error.retry_after_seconds,
            is_throttled=isinstance(error, ThrottledError),
        )
        return PrinterBusyError(str(error), retry_after_seconds=seconds)


def _own_id(job: Job) -> str:
    """Give the id of a job's order where its ticket names none: nobody else has it, and every attempt has the same."""
    return f"{job.id}.{job.token}"


def _items(order: Order) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (str(item.get("sourceItemId")), str(item.get("sku")), str(item.get("quantity")))
        for item in order["orderData"].get("items", ())
    )


def _refused(error: Exception) -> PrinterRejectedError | PrinterUnreachableError:
    """Tell what is wrong with the order from what the operator can mend."""
    if isinstance(error, CloudRefusedError) and error.status in OURS_TO_MEND:
        return PrinterUnreachableError(str(error))
    return PrinterRejectedError(str(error))
