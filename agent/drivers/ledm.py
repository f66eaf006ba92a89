"""HP's LEDM: the status of a printer in XML documents of its embedded web server (`/DevMgmt/…`)."""

from __future__ import annotations

from dataclasses import replace

from agent.drivers.embedded_web import Cadence, EmbeddedWeb
from agent.drivers.hp_keywords import weigh
from agent.drivers.ledm_message import (
    CONFIG,
    CONSUMABLES,
    STATUS,
    USAGE,
    USUAL_PATHS,
    Usage,
    parse_conditions,
    parse_consumables,
    parse_identity,
    parse_paths,
    parse_usage,
    supplies_of,
)
from agent.errors import PrinterProtocolError
from agent.model import Reading

TREE = "/DevMgmt/DiscoveryTree.xml"


class Ledm:
    """Reads a printer by LEDM: who and how it is each time, the rest as seldom as it changes (`Cadence`).

    Which documents there are, and where, the discovery tree says; a printer without one has the usual places, and only
    the product status must be there.

    Args:
        web: the printer's web server.
    """

    name = "ledm"

    def __init__(self, web: EmbeddedWeb) -> None:
        self._web = web
        self._cadence = Cadence()

    def read(self) -> Reading:
        """Read who it is and how it is.

        Raises:
            PrinterUnreachableError: it doesn't answer.
            PrinterBusyError: it is out of order.
            PrinterProtocolError: it answers, but has no such documents.
            PrinterRejectedError: it wants other credentials.
        """
        web = self._web
        paths = web.places(TREE, parse_paths, USUAL_PATHS)
        identity = web.identity(paths[CONFIG], parse_identity)
        conditions = web.read(paths[STATUS], parse_conditions)
        if conditions is None:
            web.forget()
            raise PrinterProtocolError("no product status")
        seconds = self._cadence.fresh_seconds(conditions)
        consumables = web.read_optional(paths[CONSUMABLES], parse_consumables, fresh_seconds=seconds)
        usage = web.read_optional(paths[USAGE], parse_usage, fresh_seconds=seconds) or Usage()
        supplies = supplies_of(consumables or (), usage)
        status = weigh(conditions, uses_ink=any(supply.supply_type.startswith("ink") for supply in supplies))
        return Reading(
            identity,
            replace(
                status,
                supplies=supplies,
                impressions_completed=usage.impressions_completed,
                color_impressions=usage.color_impressions,
                monochrome_impressions=usage.monochrome_impressions,
                duplex_sheets=usage.duplex_sheets,
            ),
        )
