"""HP's CDM: the status of a printer of newer firmware in JSON documents of its embedded web server (`/cdm/…`)."""

from __future__ import annotations

from dataclasses import replace

from agent.drivers.cdm_message import (
    ALERTS,
    CONFIGURATION,
    COUNTERS,
    IDENTITY,
    PRINT_STATUS,
    SUPPLIES,
    SYSTEM_STATUS,
    USUAL_PATHS,
    Counters,
    parse_alerts,
    parse_configuration,
    parse_counters,
    parse_identity,
    parse_print_status,
    parse_services,
    parse_supplies,
    parse_system_status,
    status_of,
)
from agent.drivers.embedded_web import Cadence, EmbeddedWeb
from agent.drivers.hp_keywords import Conditions
from agent.errors import PrinterProtocolError
from agent.model import Identity, Reading

SERVICES = "/cdm/servicesDiscovery"


class Cdm:
    """Reads a printer by CDM: who and how it is each time, the rest as seldom as it changes (`Cadence`).

    One that has neither of the two documents of status has no CDM; everything else may be missing.

    Args:
        web: the printer's web server.
    """

    name = "cdm"

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
        paths = web.places(SERVICES, parse_services, USUAL_PATHS)
        identity = web.identity(paths[IDENTITY], parse_identity)
        word = web.read(paths[SYSTEM_STATUS], parse_system_status)
        printing = web.read_optional(paths[PRINT_STATUS], parse_print_status)
        if word is None and printing is None:
            web.forget()
            raise PrinterProtocolError("no status")
        alerts = web.read_optional(paths[ALERTS], parse_alerts) or ()
        conditions = Conditions((word,) if word else (), alerts)
        seconds = self._cadence.fresh_seconds(conditions)
        supplies = web.read_optional(paths[SUPPLIES], parse_supplies, fresh_seconds=seconds) or ()
        counters = web.read_optional(paths[COUNTERS], parse_counters, fresh_seconds=seconds) or Counters()
        status = status_of(
            conditions, printing, uses_ink=any(supply.supply_type.startswith("ink") for supply in supplies)
        )
        settings = web.read_optional(paths[CONFIGURATION], parse_configuration, fresh_seconds=seconds) or Identity()
        return Reading(
            identity.or_else(settings),
            replace(
                status,
                supplies=supplies,
                impressions_completed=counters.impressions_completed,
                media_sheets_completed=counters.media_sheets_completed,
                color_impressions=counters.color_impressions,
                monochrome_impressions=counters.monochrome_impressions,
            ),
        )
