"""Places that documents go to: a printer of the registry, or a cloud destination that agent.toml has a key for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.destinations import Destinations, Place
from agent.errors import NotFoundError, TicketError
from agent.job import Ticket
from agent.model import Printer
from tests.conftest import FakeClock
from tests.spool_parts import PDF, a_printer, opened

FOR_A_BOX = Ticket(printer="", id="order-17", destination="box", delivery={"folder": "May"})


class Shelf:
    """A cloud destination that takes only what names a folder."""

    name = "box"

    def check(self, ticket: Ticket) -> None:
        """Want a folder."""
        if "folder" not in ticket.delivery:
            raise TicketError("folder: missing", job_id=ticket.id)


def find(name: str) -> Printer:
    """Know one printer."""
    if name != "front":
        raise NotFoundError(f"no printer {name!r}")
    return a_printer("p1")


DESTINATIONS = Destinations(find_printer=find, clouds={"box": Shelf()})


def test_a_ticket_goes_to_its_printer_or_to_the_cloud() -> None:
    """A place's id stands in the spool, its label in the log."""
    assert DESTINATIONS.place_of(Ticket(printer="front")).id == "p1"
    assert DESTINATIONS.place_of(FOR_A_BOX) == Place("box", "box")
    assert DESTINATIONS.names() == ("printer", "box")


@pytest.mark.parametrize(
    ("ticket", "reason"),
    [
        (replace(FOR_A_BOX, delivery={}), "agent-bad-ticket"),
        (replace(FOR_A_BOX, destination="siteflow"), "agent-destination-unsupported"),
    ],
)
def test_what_a_destination_never_takes_is_refused_by_name(ticket: Ticket, reason: str) -> None:
    """The publisher hears it at once, and with its own id."""
    with pytest.raises(TicketError) as caught:
        DESTINATIONS.place_of(ticket)
    assert (caught.value.reason, caught.value.job_id) == (reason, "order-17")


def test_a_job_for_the_cloud_has_no_printer_and_keeps_what_was_asked(tmp_path: Path, clock: FakeClock) -> None:
    """Its destination is told in the printer's place, over a restart too."""
    with opened(tmp_path, clock) as parts:
        parts.spool.accept(FOR_A_BOX, PDF, printer_id="box", document_format="application/pdf", digest_parts=b"x")
    with opened(tmp_path, clock) as parts:
        job = parts.spool.get("order-17")
    assert (job.to_json()["destination"], job.to_json()["printer"]) == ("box", None)
    assert job.delivery == {"folder": "May"}
