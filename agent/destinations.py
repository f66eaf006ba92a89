"""Where a document can go: to a printer of the registry, or to what HP's cloud has that takes documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.drivers.choose import PrintTarget
from agent.errors import TicketError
from agent.job import CloudDestination, Ticket
from agent.model import Printer


class TicketCheck(Protocol):
    """Where a ticket for a cloud destination is looked at before it is a job."""

    @property
    def name(self) -> str:
        """What people call the destination."""

    def check(self, ticket: Ticket) -> None:
        """Refuse, before it is a job, what it can tell that the cloud won't take; it asks nobody.

        Raises:
            TicketError: the ticket can never be delivered.
        """


class CloudTarget(TicketCheck, PrintTarget, Protocol):
    """Takes the documents of a cloud destination; it is sent to and asked like a printer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job goes: the `id` is a printer's or the name of a cloud destination, the `label` is for people."""

    id: str
    label: str


class Destinations:
    """All places.

    Args:
        find_printer: gives the printer of an id or an alias; NotFoundError where there is none.
        clouds: the cloud destinations that agent.toml has keys for.
    """

    def __init__(
        self, *, find_printer: Callable[[str], Printer], clouds: Mapping[CloudDestination, TicketCheck]
    ) -> None:
        self._find_printer = find_printer
        self._clouds = clouds

    def names(self) -> tuple[str, ...]:
        """Name the kinds of places that tickets may go to."""
        return ("printer", *self._clouds)

    def place_of(self, ticket: Ticket) -> Place:
        """Give the place that a ticket goes to.

        Raises:
            NotFoundError: there is no such printer.
            TicketError: there is no such destination here, or it would not take the ticket.
        """
        if ticket.destination == "printer":
            printer = self._find_printer(ticket.printer)
            return Place(printer.id, printer.label)
        target = self._clouds.get(ticket.destination)
        if target is None:
            raise TicketError(
                f"destination: agent.toml has no key in [{ticket.destination}]",
                reason="agent-destination-unsupported",
                job_id=ticket.id,
            )
        target.check(ticket)
        return Place(ticket.destination, target.name)
