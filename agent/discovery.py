"""Find printers: take in what mDNS sees, sweep subnets by SNMP, ask what is new, and believe a move only when proved.

`step` does one thing and may be run by a few threads at once, so that a slow host holds up one of them only.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from agent.config_schema import PrinterConfig
from agent.configured import configured_printer
from agent.drivers.probe import Probe, default_uris
from agent.endpoints import rehosted
from agent.errors import NotFoundError
from agent.identity import answers_as, contradict, is_another_model, is_surely_one, proves
from agent.model import Capabilities, Clock, Identity, Printer, Sighting, printer_id
from agent.networks import addresses_of, hosts_of, is_loopback, is_within, sweepable
from agent.registry import Registry
from agent.sightings import Revisits, Sightings, Unproved

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
HURRY_SECONDS = 60.0

Sweep = Callable[[Iterable[str]], Sequence[Sighting]]
Examine = Callable[[str, Sequence[str]], Probe]


class Discovery:
    """Enters printers into the registry and keeps their addresses right.

    Args:
        registry: where they are entered.
        sightings: what mDNS and the sweeps see.
        sweep: asks many hosts by SNMP and gives those that are printers; None where that is switched off.
        examine: asks one host everything.
        subnets: the configured subnets to sweep; where there are none, the attached ones up to /22.
        attached_subnets: gives the subnets that this machine is attached to now.
        interval_seconds: the time between two sweeps.
        ignore: addresses, networks, UUIDs and serials that are never taken in.
        printers: the `[[printer]]`s of the configuration.
        poll_soon: has the status of a printer read now: it said goodbye, came back, or moved.
        now: the clock.
        monotonic: seconds that only rise.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        sightings: Sightings,
        sweep: Sweep | None,
        examine: Examine,
        subnets: Sequence[str],
        attached_subnets: Callable[[], Iterable[IPv4Network]],
        interval_seconds: float,
        ignore: Sequence[str],
        printers: Sequence[PrinterConfig],
        poll_soon: Callable[[str], None],
        now: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._sightings = sightings
        self._sweep = sweep
        self._examine = examine
        self._subnets = tuple(IPv4Network(subnet) for subnet in subnets)
        self._attached_subnets = attached_subnets
        self._interval_seconds = interval_seconds
        self._ignore = tuple(entry.casefold() for entry in ignore)
        self._configs = tuple(printers)
        self._poll_soon = poll_soon
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._round_due = self._round_begun = 0.0
        self._unproved = Unproved(monotonic)
        self._revisits = Revisits(monotonic)

    def step(self) -> float:
        """Look at one sighting, or begin the round that is due; gives the seconds until there may be more to do."""
        if self._claim_round():
            self._begin_round()
            return 0.0
        sighting = self._sightings.take()
        if sighting is None:
            sighting = self._unproved.take_due()
        elif self._unproved.is_waiting(sighting) and not self._may_have_moved(sighting):
            return 0.0
        if sighting is None:
            return IDLE_SECONDS
        if not self._is_ignored(sighting.host, sighting.identity):
            self._look(sighting)
        return 0.0

    def find(self, id_or_alias: str) -> Printer:
        """Find a printer as the registry does; for an unknown name the configured ones are looked at first.

        So a job that comes in the first moments finds its printer, and one for a printer that is off can wait.

        Raises:
            NotFoundError: there is none.
        """
        with contextlib.suppress(NotFoundError):
            return self._registry.find(id_or_alias)
        for config in self._configs:
            sighting = _configured_sighting(config, self._now)
            if sighting.uris and self._registry.recognise(sighting.identity, sighting.host, sighting.uris) is None:
                self._look(sighting)
        return self._registry.find(id_or_alias)

    def hurry(self) -> None:
        """Have the next sweep begin now, but no sooner than a minute after the last: addresses have changed."""
        with self._lock:
            self._round_due = min(self._round_due, max(self._monotonic(), self._round_begun + HURRY_SECONDS))

    def _claim_round(self) -> bool:
        """Whether a sweep is due; only one thread is told so."""
        with self._lock:
            if self._monotonic() < self._round_due:
                return False
            self._round_begun = self._monotonic()
            self._round_due = self._round_begun + self._interval_seconds
            return True

    def _begin_round(self) -> None:
        for config in self._configs:
            if config.uris or config.host:
                self._sightings.put(_configured_sighting(config, self._now))
        if self._sweep is None:
            return
        subnets = self._subnets or sweepable(self._attached_subnets())
        for sighting in self._sweep(hosts_of(subnets)):
            self._sightings.put(sighting)

    def _look(self, sighting: Sighting) -> None:
        known = self._registry.recognise(sighting.identity, sighting.host, sighting.uris)
        if sighting.gone:
            self._unproved.drop(sighting)
        elif known is None or known.host != sighting.host or self._is_asked_anew(known, sighting):
            self._ask(sighting)
            return
        elif sighting.source not in known.sources:
            self._note_source(known, sighting.source)
        if known is not None and known.online == sighting.gone:
            self._poll_soon(known.id)
            self._look_elsewhere(sighting)

    def _is_asked_anew(self, known: Printer, sighting: Sighting) -> bool:
        """Whether to ask a known printer everything: for news, or once in a while if it doesn't sleep."""
        is_awake = known.online and not known.status.is_asleep
        is_due = is_awake and sighting.source != "config" and self._revisits.claim(known.id)
        return is_due or _is_news(known, sighting)

    def _may_have_moved(self, sighting: Sighting) -> bool:
        """Whether it is of a printer that doesn't answer where it was."""
        known = self._registry.recognise(sighting.identity, sighting.host, sighting.uris)
        return known is not None and not known.online and known.host != sighting.host

    def _look_elsewhere(self, sighting: Sighting) -> None:
        """Have the next of a host's addresses looked at, where it named several."""
        if sighting.other_hosts and not sighting.gone:
            host, *others = sighting.other_hosts
            uris = tuple(rehosted(uri, host) for uri in sighting.uris)
            self._sightings.put(replace(sighting, host=host, uris=uris, other_hosts=tuple(others)))

    def _note_source(self, known: Printer, source: str) -> None:
        self._registry.update(known.id, lambda printer: replace(printer, sources=(*printer.sources, source)))

    def _ask(self, sighting: Sighting) -> None:
        """Ask the host itself: what it says of itself is what counts. What comes to nothing is asked again later."""
        probe = self._examine(sighting.host, _uris_to_ask(sighting))
        found = _found(probe, sighting, self._now)
        if found is None:
            log.debug("%s was seen by %s and is no printer that can be read", sighting.host, sighting.source)
            self._look_elsewhere(sighting)
        if found is not None and (self._is_ignored(found.host, found.identity) or self._enter(found, probe, sighting)):
            self._unproved.drop(sighting)
        else:
            self._unproved.keep(sighting)

    def _enter(self, found: Printer, probe: Probe, sighting: Sighting) -> bool:
        """Enter a printer; False where it claims to be one that is known elsewhere, and may claim so again."""
        if sighting.source == "config" and not found.online and self._registry.knows(found):
            return True  # it has been met before, and may have moved from where the configuration has it
        known = self._registry.merge(found)
        self._revisits.note(known.id)
        if known.host == found.host or found.host in addresses_of(known.host):
            if not known.online:
                self._poll_soon(known.id)
            return True
        told = probe.printer.identity if probe.printer else Identity()
        there = self._examine(known.host, known.uris).printer
        if there is not None and answers_as(there.identity, known.identity):
            return self._enter_beside(known, there.identity, found, told, sighting)
        return self._enter_moved(known, found, told)

    def _enter_moved(self, known: Printer, found: Printer, told: Identity) -> bool:
        """Believe a move that is proved; where another may have the UUID that proves it, hold the printer's jobs."""
        if not proves(told, known.identity):
            self._registry.report_conflict(known.id, found.host)
            return False
        is_shared = found.host in known.other_hosts or self._registry.shares_its_uuid(known)
        if is_shared and not is_surely_one(told, known.identity):
            self._registry.displace(known)
            return False
        self._registry.move(known.id, found)
        self._poll_soon(known.id)
        return True

    def _enter_beside(
        self, known: Printer, there: Identity, found: Printer, told: Identity, sighting: Sighting
    ) -> bool:
        """Judge a second host that claims to be a printer which still answers: its other address, or another printer.

        Always False for its other address, so that it is looked at again when the first may have fallen silent.
        """
        if known.host in sighting.other_hosts and proves(told, there):
            return False
        if is_surely_one(told, there):
            if self._registry.note_other_host(known.id, found.host):
                log.info("%s (%s) at %s answers at %s too", known.id, known.label, known.host, found.host)
            return False
        self._registry.report_conflict(known.id, found.host)
        if sighting.source != "config" and not is_another_model(told, there):
            return False
        self._registry.enter_apart(found)
        return True

    def _is_ignored(self, host: str, identity: Identity) -> bool:
        own = {value.casefold() for value in (host, identity.uuid, identity.serial) if value}
        return any(entry in own or is_within(host, entry) for entry in self._ignore)


def _is_news(known: Printer, sighting: Sighting) -> bool:
    """Whether a sighting of a printer at its place tells of an endpoint that isn't known to answer."""
    return known.last_seen is None or not set(sighting.uris) <= set(known.uris)


def _configured_sighting(config: PrinterConfig, now: Clock) -> Sighting:
    printer = configured_printer(config, now)
    return Sighting("config", printer.host, printer.uris, printer.identity)


def _uris_to_ask(sighting: Sighting) -> tuple[str, ...]:
    """Give what was seen and the usual places; of the configuration, and on loopback, only what is named."""
    is_complete = sighting.source == "config" or (sighting.source != "snmp" and is_loopback(sighting.host))
    return sighting.uris if sighting.uris and is_complete else (*sighting.uris, *default_uris(sighting.host))


def _found(probe: Probe, sighting: Sighting, now: Clock) -> Printer | None:
    """Make a printer of what the host told, with what was announced where the host didn't tell."""
    printer = probe.printer or _raw_printer(probe, sighting, now)
    if printer is None:
        return None
    told, announced = sighting.identity, Capabilities(sighting.document_formats, command_set=sighting.command_set)
    return replace(
        printer,
        identity=printer.identity if contradict(printer.identity, told) else printer.identity.or_else(told),
        capabilities=printer.capabilities.or_else(announced),
        sources=tuple(dict.fromkeys((sighting.source, *printer.sources))),
    )


def _raw_printer(probe: Probe, sighting: Sighting, now: Clock) -> Printer | None:
    """Make a printer of an open raw port whose model was announced; a configured one is a printer even unreached."""
    is_configured = sighting.source == "config" and bool(sighting.uris)
    is_there = bool(probe.raw_uris)
    if not is_configured and not (is_there and sighting.identity.make_and_model):
        return None
    return Printer(
        id=printer_id(sighting.identity, (*sighting.uris, sighting.host)[0]),
        identity=sighting.identity,
        host=sighting.host,
        uris=sighting.uris if is_configured else probe.raw_uris,
        first_seen=now(),
        online=is_there,
        last_seen=now() if is_there else None,
    )
