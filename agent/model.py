"""The nouns of the agent but those of jobs, in the words of RFC 8011 (IPP), RFC 3805 (Printer-MIB) and PWG 5100.9.

All are frozen: a change is `dataclasses.replace`. What is not known is None or empty, never a number that stands for
unknown. `to_json` gives the shapes that the contract promises outside.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal


def timestamp(moment: datetime | None) -> str | None:
    """Write an aware UTC datetime as RFC 3339 to the second, such as `2026-01-02T03:04:05Z`."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@enum.unique
class PrinterState(enum.IntEnum):
    """RFC 8011 printer-state, with the wire's integers, and 0 where nobody has told."""

    UNKNOWN = 0
    IDLE = 3
    PROCESSING = 4
    STOPPED = 5

    @property
    def keyword(self) -> str:
        """The name that RFC 8011 gives it, such as `idle`."""
        return self.name.lower()


SLEEP_REASONS = frozenset({"deep-sleep", "hibernate", "power-saver", "sleep", "standby", "suspend"})
"""The printer-state-reasons of a printer that sleeps."""

SLEEP_MESSAGE = re.compile(
    r"\b(sleep(ing)?|hibernat\w*|stand-?by|(power|energy)[ -]?sav\w*|low[ -]power|energiespar\w*|ruhe(zustand|modus)"
    r"|schlafmodus|veille|reposo|ahorro de energ\w*|risparmio energ\w*|slaap(stand|modus)|energiebesparing)\b"
    r"|睡眠|休眠|节能|節能|スリープ|省電力|節電|절전",
    re.IGNORECASE,
)
"""What the panel of a printer shows that sleeps, where nothing else tells."""

SupplyClass = Literal["consumed", "receptacle"]


@dataclass(frozen=True, slots=True)
class Supply:
    """One marker supply: prtMarkerSuppliesEntry of RFC 3805.

    `supply_type` is PWG 5100.9's keyword (`toner`, `toner-cartridge`, `waste-toner`, `opc`, …), `unit` likewise
    (`percent`, `impressions`, `sheets`, `tenths-of-grams`, …). `level` of a receptacle is the room left, as in the MIB;
    a parser of a protocol that tells how full it is (IPP) turns it round. A level or capacity that the printer does
    not know is None.
    """

    description: str
    supply_type: str
    supply_class: SupplyClass = "consumed"
    colorant: str | None = None
    unit: str | None = None
    level: int | None = None
    max_capacity: int | None = None

    @property
    def percent(self) -> float | None:
        """What is left of a consumed supply, or how full a receptacle is: 0 to 100, None where it can't be told."""
        left = _percentage(self.level, self.max_capacity)
        return left if left is None or self.supply_class == "consumed" else round(100 - left, 1)

    def to_json(self) -> dict[str, Any]:
        """Give the supply as the contract shows it."""
        return {
            "description": self.description,
            "supply_type": self.supply_type,
            "supply_class": self.supply_class,
            "colorant": self.colorant,
            "unit": self.unit,
            "level": self.level,
            "max_capacity": self.max_capacity,
            "percent": self.percent,
        }


@dataclass(frozen=True, slots=True)
class Tray:
    """One input tray: prtInputEntry of RFC 3805. `media` is what it was told lies in it, in the printer's words."""

    name: str
    media: str | None = None
    unit: str | None = None
    level: int | None = None
    max_capacity: int | None = None

    @property
    def percent(self) -> float | None:
        """How full it is: 0 to 100, None where it can't be told."""
        return _percentage(self.level, self.max_capacity)

    def to_json(self) -> dict[str, Any]:
        """Give the tray as the contract shows it."""
        return {
            "name": self.name,
            "media": self.media,
            "unit": self.unit,
            "level": self.level,
            "max_capacity": self.max_capacity,
            "percent": self.percent,
        }


def _percentage(level: int | None, capacity: int | None) -> float | None:
    if level is None or not capacity or not 0 <= level <= capacity:
        return None
    return round(100 * level / capacity, 1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a printer is, as far as one source has told.

    `mac` is `aa:bb:cc:dd:ee:ff`, `uuid` is lower case and without `urn:uuid:`.
    """

    uuid: str | None = None
    serial: str | None = None
    mac: str | None = None
    make_and_model: str | None = None
    name: str | None = None
    location: str | None = None
    firmware: str | None = None

    def or_else(self, other: Identity) -> Identity:
        """Fill what is unknown here from `other`."""
        return Identity(*(getattr(self, name) or getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """What a printer said of itself at one moment; `state_reasons` is empty where it has none, never `none`.

    `state_message` is what its panel shows, in its own words and language. `queued_job_count` is how many jobs, of
    anybody, it has that have not ended. `color_impressions`, `monochrome_impressions` and `duplex_sheets` are parts of
    what it has printed in all.
    `sources` names for each field that was told the driver that told it, where several were asked.
    """

    state: PrinterState = PrinterState.UNKNOWN
    state_reasons: tuple[str, ...] = ()
    accepting_jobs: bool = True
    supplies: tuple[Supply, ...] = ()
    impressions_completed: int | None = None
    media_sheets_completed: int | None = None
    state_message: str | None = None
    trays: tuple[Tray, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    queued_job_count: int | None = None
    color_impressions: int | None = None
    monochrome_impressions: int | None = None
    duplex_sheets: int | None = None

    @property
    def is_asleep(self) -> bool:
        """Whether it sleeps to save power, by its reasons or by what its panel shows."""
        is_told = not SLEEP_REASONS.isdisjoint(self.state_reasons)
        return is_told or (
            self.state is not PrinterState.PROCESSING and bool(SLEEP_MESSAGE.search(self.state_message or ""))
        )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a printer says that it can do; an empty set means that it did not say.

    `options` maps an IPP attribute name (`sides`, `media`, `print-color-mode`, `print-quality`, `finishings`,
    `page-ranges`, `copies`) to the keywords it supports, numbers as text, a range as `1-999`. `command_set` is that of
    its IEEE-1284 device id in capitals, such as `PJL`, `PCLXL`.
    """

    document_formats: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    command_set: tuple[str, ...] = ()

    def or_else(self, other: Capabilities) -> Capabilities:
        """Fill what wasn't said here from `other`."""
        return Capabilities(*(getattr(self, name) or getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read of one printer by one protocol told."""

    identity: Identity
    status: PrinterStatus
    capabilities: Capabilities = Capabilities()


@dataclass(frozen=True, slots=True)
class Sighting:
    """One raw observation of a host: by mDNS, SNMP or the configuration, or by the driver that met a stranger there.

    `uris` are the endpoints it offers, best first: `ipp://h:631/ipp/print`, `ipps://…`, `socket://h:9100`, `snmp://h`,
    `http://h:8080` (HP REST), `ledm+http://h:8080`, `cdm+https://h`. `other_hosts` are more addresses that it says are
    its own. `gone` is a goodbye.
    """

    source: str
    host: str
    uris: tuple[str, ...]
    identity: Identity
    document_formats: tuple[str, ...] = ()
    command_set: tuple[str, ...] = ()
    other_hosts: tuple[str, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Printer:
    """A printer that the registry knows. `id` and `first_seen` never change.

    `other_hosts` are addresses where something said that it is this printer while this one answered at `host`.
    `printos` is a word of `agent.device_states`, `printos_message` what PrintOS said with it.
    """

    id: str
    identity: Identity
    host: str
    uris: tuple[str, ...]
    first_seen: datetime
    other_hosts: tuple[str, ...] = ()
    status: PrinterStatus = PrinterStatus()
    capabilities: Capabilities = Capabilities()
    sources: tuple[str, ...] = ()
    status_driver: str | None = None
    print_driver: str | None = None
    online: bool = False
    misses: int = 0
    last_seen: datetime | None = None
    alias: str | None = None
    approved: bool = False
    paused: bool = False
    printos: str = "none"
    printos_message: str | None = None

    @property
    def label(self) -> str:
        """What a person calls it in a log line or a table."""
        return self.alias or self.identity.name or self.identity.make_and_model or self.id

    def to_json(self) -> dict[str, Any]:
        """Give the printer as the contract shows it."""
        return {
            "id": self.id,
            "uuid": self.identity.uuid,
            "serial": self.identity.serial,
            "mac": self.identity.mac,
            "host": self.host,
            "name": self.identity.name,
            "make_and_model": self.identity.make_and_model,
            "firmware": self.identity.firmware,
            "location": self.identity.location,
            "state": self.status.state.keyword,
            "state_reasons": list(self.status.state_reasons),
            "state_message": self.status.state_message,
            "accepting_jobs": self.status.accepting_jobs and not self.paused,
            "online": self.online,
            "last_seen": timestamp(self.last_seen),
            "supplies": [supply.to_json() for supply in self.status.supplies],
            "trays": [tray.to_json() for tray in self.status.trays],
            "impressions_completed": self.status.impressions_completed,
            "media_sheets_completed": self.status.media_sheets_completed,
            "document_formats": list(self.capabilities.document_formats),
            "sources": list(self.sources),
            "status_driver": self.status_driver,
            "status_sources": dict(self.status.sources),
            "print_driver": self.print_driver,
            "alias": self.alias,
            "approved": self.approved,
            "printos": self.printos,
            "printos_message": self.printos_message,
        }


def printer_id(identity: Identity, fallback: str) -> str:
    """Give the id of a printer at its first sight: 12 hex digits of SHA-256 over uuid, else make and serial, else MAC.

    `fallback` (its first URI) stands in for a printer of the configuration that tells none of the three.
    """
    if identity.uuid:
        basis = identity.uuid
    elif identity.serial:
        basis = f"{identity.make_and_model or ''} {identity.serial}"
    else:
        basis = identity.mac or fallback
    return hashlib.sha256(basis.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person or a dashboard may want to know, told on `bridge/event/<type>`."""

    type: str
    facts: Mapping[str, Any]


Progress = Callable[[Mapping[str, Any]], None]
"""Is told, as facts that JSON can say, how far something long has come."""

Command = Callable[[Mapping[str, Any], Path | None, Progress], Any]
"""Does what was asked with its arguments and gives what JSON can say of it; raises AgentError.

The path is of a document that came along, which is deleted when the command has returned; the callable tells the
asking person how far it is.
"""

Clock = Callable[[], datetime]
"""Gives the present as an aware UTC datetime."""


def utc_now() -> datetime:
    """Give the present."""
    return datetime.now(UTC)
