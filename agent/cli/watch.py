"""What mDNS and an SNMP sweep see, put together to one entry a printer, while a person looks on."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any, Literal, Self

from agent.config_schema import Config
from agent.identity import Likeness, compare
from agent.mdns import Browser
from agent.mdns_service import NotAPrinter
from agent.model import Identity, Sighting, utc_now
from agent.networks import attached_subnets, covers_loopback, hosts_of, is_loopback, mdns_interfaces, sweepable
from agent.printer_clients import snmp_client

WAIT_SECONDS = 0.5
JOIN_SECONDS = 5.0
HOSTS_AT_ONCE = 256
SWEEP_AGAIN_SECONDS = 30.0
GONE_LIMIT = 20

Sweep = Callable[[Iterable[str]], Sequence[Sighting]]
Change = Literal["found", "changed", "gone"]


Offer = tuple[str, tuple[str, ...]]
"""By what something was seen, and which endpoints it offered: what a goodbye takes back."""


@dataclass(frozen=True, slots=True)
class Found:
    """A printer as it shows on the LAN, `since` it came, changed or went; once it has gone it has no `offers`."""

    host: str
    identity: Identity
    offers: tuple[Offer, ...]
    since: datetime

    @property
    def model(self) -> str | None:
        """Its make and model, else the name that it goes by."""
        return self.identity.make_and_model or self.identity.name

    @property
    def sources(self) -> tuple[str, ...]:
        """What sees it."""
        return tuple(dict.fromkeys(source for source, _ in self.offers))

    @property
    def uris(self) -> tuple[str, ...]:
        """Where it can be reached."""
        return tuple(dict.fromkeys(uri for _, uris in self.offers for uri in uris))

    def is_seen_in(self, sighting: Sighting) -> bool:
        """Whether a sighting is of this printer: by what it tells of itself, else by the place where it stands."""
        likeness = compare(self.identity, sighting.identity)
        if likeness is not Likeness.UNKNOWN or self.host != sighting.host:
            return likeness is Likeness.SAME
        return not is_loopback(self.host) or bool(set(self.uris) & set(sighting.uris))

    def joined(self, sighting: Sighting) -> Found:
        """Add what a sighting tells; one at another address takes the place of what the same protocol saw before."""
        has_moved = sighting.host != self.host and sighting.source in self.sources
        kept = tuple(it for it in self.offers if not (has_moved and it[0] == sighting.source))
        return replace(
            self,
            host=sighting.host if has_moved or not kept else self.host,
            identity=self.identity.or_else(sighting.identity),
            offers=tuple(dict.fromkeys((*kept, _offer(sighting)))),
        )

    def without(self, sighting: Sighting) -> Found:
        """Take back what a goodbye takes back."""
        return replace(self, offers=tuple(it for it in self.offers if it != _offer(sighting)))

    def row(self) -> list[Any]:
        """Give the cells of a table."""
        return [self.host, self.model, self.identity.serial, self.sources or "gone", self.uris]

    def to_json(self) -> dict[str, Any]:
        """Give it for machines, in the words of the printer JSON."""
        identity = self.identity
        return {
            "host": self.host,
            "name": identity.name,
            "make_and_model": identity.make_and_model,
            "uuid": identity.uuid,
            "serial": identity.serial,
            "mac": identity.mac,
            "location": identity.location,
            "uris": list(self.uris),
            "sources": list(self.sources),
        }


class Lan:
    """Browses and sweeps while its `with` block runs.

    Attributes:
        found: the printers that are there.
        gone: those that were, the last to go first.
        others: what announces itself as a printer and is none of this LAN.
    """

    def __init__(self, config: Config) -> None:
        self.found: list[Found] = []
        self.gone: list[Found] = []
        self.others: list[NotAPrinter] = []
        self._config = config
        self._subnets = tuple(IPv4Network(subnet) for subnet in config.discovery.subnets)
        self._seen: queue.SimpleQueue[Sighting] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._browser = Browser(
            interfaces=lambda: mdns_interfaces(self._subnets),
            loopback=covers_loopback(self._subnets),
            on_sighting=self._seen.put,
            on_other=self.others.append,
            attached=attached_subnets,
        )
        self._sweeper = threading.Thread(target=self._sweep_on, name="sweep", daemon=True)

    def __enter__(self) -> Self:
        if self._config.discovery.mdns:
            self._browser.start()
        if self._config.discovery.snmp:
            self._sweeper.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        self._browser.stop()
        if self._sweeper.ident is not None:
            self._sweeper.join(JOIN_SECONDS)

    def changes(self, seconds: float | None) -> Iterator[tuple[Change, Found] | None]:
        """Give what comes, changes and goes, for so many seconds (None: for ever), and None while nothing does."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            try:
                yield self._take(self._seen.get(timeout=WAIT_SECONDS))
            except queue.Empty:
                yield None

    def _take(self, sighting: Sighting) -> tuple[Change, Found] | None:
        at = next((index for index, found in enumerate(self.found) if found.is_seen_in(sighting)), None)
        if sighting.gone:
            return None if at is None else self._lose(at, sighting)
        if at is None:
            self.gone = [found for found in self.gone if not found.is_seen_in(sighting)]
            self.found.append(Found(sighting.host, sighting.identity, (_offer(sighting),), utc_now()))
            return "found", self.found[-1]
        joined = self.found[at].joined(sighting)
        if joined == self.found[at]:
            return None
        self.found[at] = replace(joined, since=utc_now())
        return "changed", self.found[at]

    def _lose(self, at: int, sighting: Sighting) -> tuple[Change, Found] | None:
        left = replace(self.found[at].without(sighting), since=utc_now())
        if left.offers == self.found[at].offers:
            return None
        if left.offers:
            self.found[at] = left
            return "changed", left
        lost = self.found.pop(at)
        self.gone = [left, *self.gone][:GONE_LIMIT]
        return "gone", lost

    def _sweep_on(self) -> None:
        """Sweep again and again; what a whole sweep no longer sees has gone."""
        snmp = snmp_client(self._config.snmp)
        snmp.start()
        before: dict[str, Sighting] = {}
        try:
            while not self._stopping.is_set():
                answering = {sighting.host: sighting for sighting in self._sweep(snmp.sweep)}
                if not self._stopping.is_set():
                    for host in before.keys() - answering.keys():
                        self._seen.put(replace(before[host], gone=True))
                before = answering
                self._stopping.wait(min(self._config.discovery.interval, SWEEP_AGAIN_SECONDS))
        finally:
            snmp.stop()

    def _sweep(self, sweep: Sweep) -> Iterator[Sighting]:
        """Sweep a few hosts at a time, so that what answers shows early and the end is never far."""
        hosts = hosts_of(self._subnets or sweepable(attached_subnets()))
        while not self._stopping.is_set() and (some := tuple(itertools.islice(hosts, HOSTS_AT_ONCE))):
            for sighting in sweep(some):
                self._seen.put(sighting)
                yield sighting


def _offer(sighting: Sighting) -> Offer:
    return sighting.source, sighting.uris
