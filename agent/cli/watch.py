"""What mDNS and an SNMP sweep see, put together to one entry a printer, while a person looks on."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any, Literal, Self

from agent.clients import snmp_client
from agent.config_schema import Config
from agent.identity import Likeness, compare
from agent.mdns import Browser
from agent.mdns_service import NotAPrinter
from agent.model import Identity, Sighting
from agent.networks import attached_subnets, covers_loopback, hosts_of, is_loopback, mdns_interfaces, sweepable

WAIT_SECONDS = 0.2

Change = Literal["found", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Found:
    """A printer as it shows on the LAN."""

    host: str
    identity: Identity
    uris: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def model(self) -> str | None:
        """Its make and model, else the name that it goes by."""
        return self.identity.make_and_model or self.identity.name

    def is_seen_in(self, sighting: Sighting) -> bool:
        """Whether a sighting is of this printer: by what it tells of itself, else by the place where it stands."""
        likeness = compare(self.identity, sighting.identity)
        if likeness is not Likeness.UNKNOWN or self.host != sighting.host:
            return likeness is Likeness.SAME
        return not is_loopback(self.host) or bool(set(self.uris) & set(sighting.uris))

    def joined(self, sighting: Sighting) -> Found:
        """Add what a sighting tells."""
        return replace(
            self,
            identity=self.identity.or_else(sighting.identity),
            uris=tuple(dict.fromkeys((*self.uris, *sighting.uris))),
            sources=tuple(dict.fromkeys((*self.sources, sighting.source))),
        )

    def row(self) -> list[Any]:
        """Give the cells of a table."""
        return [self.host, self.model, self.identity.serial, self.sources, self.uris]

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
        found: the printers seen so far.
        others: what announces itself as a printer and is none of this LAN.
    """

    def __init__(self, config: Config) -> None:
        self.found: list[Found] = []
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
            self._sweeper.join()

    def changes(self, seconds: float | None) -> Iterator[tuple[Change, Found]]:
        """Give what comes, changes and goes, for so many seconds; None is for ever."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while deadline is None or time.monotonic() < deadline:
            try:
                sighting = self._seen.get(timeout=WAIT_SECONDS)
            except queue.Empty:
                continue
            if (change := self._take(sighting)) is not None:
                yield change

    def _take(self, sighting: Sighting) -> tuple[Change, Found] | None:
        at = next((index for index, found in enumerate(self.found) if found.is_seen_in(sighting)), None)
        if sighting.gone:
            return None if at is None else ("gone", self.found.pop(at))
        if at is None:
            self.found.append(Found(sighting.host, sighting.identity, sighting.uris, (sighting.source,)))
            return "found", self.found[-1]
        joined = self.found[at].joined(sighting)
        if joined == self.found[at]:
            return None
        self.found[at] = joined
        return "changed", joined

    def _sweep_on(self) -> None:
        snmp = snmp_client(self._config.snmp)
        snmp.start()
        try:
            while not self._stopping.is_set():
                subnets = self._subnets or sweepable(attached_subnets())
                for sighting in snmp.sweep(hosts_of(subnets)):
                    self._seen.put(sighting)
                self._stopping.wait(self._config.discovery.interval)
        finally:
            snmp.stop()
