"""Listens for printers that announce themselves by DNS-SD (RFC 6762, RFC 6763), on interfaces that come and go."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Network

import zeroconf

from agent.mdns_service import NotAPrinter, Service, parse_service, parse_txt
from agent.model import Sighting
from agent.networks import interface_index

log = logging.getLogger(__name__)

SERVICE_TYPES = ("_ipp._tcp.local.", "_ipps._tcp.local.", "_printer._tcp.local.", "_pdl-datastream._tcp.local.")
SUBTYPES = tuple(f"{name}._sub.{of}" for of in SERVICE_TYPES[:2] for name in ("_universal", "_print"))
"""AirPrint and IPP Everywhere: some printers answer only who asks for these."""

RESOLVE_TIMEOUT_MS = 3000
RESOLVE_AT_ONCE = 64
SERVICES_LIMIT = 4096
NAMES_LIMIT = 32_768

UPKEEP_SECONDS = 5.0
TELL_AGAIN_SECONDS = 300.0
QUIET_SECONDS = 10.0
SRV = 33


class Browser:
    """Listens for printing services on every interface, also those that come later.

    What is there is told again every five minutes, and at once when it announces itself again, as a printer does that
    was switched on: whoever hears of it may have been too busy, or may wait for it.

    Args:
        interfaces: gives the addresses to listen on.
        loopback: whether what is on loopback are printers.
        on_sighting: called by other threads with every new or changed printer and every goodbye: it must hand over
            and return.
        on_other: likewise with what is not a printer, and why.
        attached: gives the networks that we are attached to.
        names_limit: with so many names in its cache, which has no limit of its own, zeroconf is begun anew: somebody
            floods us.
        monotonic: seconds that only rise.
    """

    def __init__(
        self,
        *,
        interfaces: Callable[[], tuple[str, ...]],
        loopback: bool,
        on_sighting: Callable[[Sighting], None],
        on_other: Callable[[NotAPrinter], None] = lambda _other: None,
        attached: Callable[[], Iterable[IPv4Network]] = lambda: (),
        names_limit: int = NAMES_LIMIT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names_limit = names_limit
        self._interfaces = interfaces
        self._loopback = loopback
        self._on_sighting = on_sighting
        self._on_other = on_other
        self._attached = attached
        self._monotonic = monotonic
        self._present: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._tell_again_at = monotonic() + TELL_AGAIN_SECONDS
        self._zeroconf: zeroconf.Zeroconf | None = None
        self._browser: zeroconf.ServiceBrowser | None = None
        self._lock = threading.Lock()
        self._waiting: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        self._resolving: dict[str, Future[bool]] = {}
        self._told: dict[str, Sighting | NotAPrinter] = {}
        self._told_at: dict[str, float] = {}
        self._types: dict[str, set[str]] = {}

    @property
    def is_listening(self) -> bool:
        """Whether there is an interface to listen on."""
        return self._zeroconf is not None

    @property
    def announced(self) -> tuple[str, ...]:
        """The full names of the services that are there now and were told of."""
        with self._lock:
            return tuple(self._told)

    def start(self) -> None:
        """Listen on the interfaces that there are; where there are none yet, `step` keeps trying."""
        self.step()

    def step(self) -> float:
        """Follow the interfaces as they come and go; gives the seconds until the next look."""
        present = {address: interface_index(address) for address in self._interfaces()}
        if present != self._present or self._is_flooded() or self._has_died():
            self.stop()
            self._listen(present)
        if self._monotonic() >= self._tell_again_at:
            self._tell_again_at = self._monotonic() + TELL_AGAIN_SECONDS
            self._tell_all_again()
        self._resolve_changed()
        return UPKEEP_SECONDS

    def stop(self) -> None:
        """Stop listening; what was heard is forgotten."""
        if self._browser is not None:
            self._browser.cancel()
        with self._lock:
            resolving = tuple(self._resolving.values())
            for memory in (self._waiting, self._changed, self._resolving, self._told, self._told_at, self._types):
                memory.clear()
        for future in resolving:
            future.cancel()
        if self._zeroconf is not None:
            self._zeroconf.close()
        self._browser = self._zeroconf = None
        self._present = {}

    def _listen(self, present: dict[str, int]) -> None:
        if not present:
            return
        try:
            listening = zeroconf.Zeroconf(interfaces=list(present), ip_version=zeroconf.IPVersion.V4Only)
        except OSError as error:
            if present != self._refused:
                log.warning("mDNS can't listen on %s yet: %s", ", ".join(present), error)
            self._refused = present
            return
        self._zeroconf, self._present = listening, present
        listening.add_listener(AnnouncedAgain(self._announced_again), None)
        self._browser = zeroconf.ServiceBrowser(listening, [*SERVICE_TYPES, *SUBTYPES], handlers=[self._note_change])
        log.info("listening for printers by mDNS on %s", ", ".join(present))

    def _is_flooded(self) -> bool:
        if self._zeroconf is None or len(self._zeroconf.cache.cache) < self._names_limit:
            return False
        log.warning("%s names are announced by mDNS: all are forgotten, and listened for anew", self._names_limit)
        return True

    def _has_died(self) -> bool:
        """Whether the thread that listens has ended, which only a fault of ours or of zeroconf can be the reason of."""
        if self._browser is None or self._browser.is_alive():
            return False
        log.error("the listening for mDNS has died; it is begun anew")
        return True

    def _tell_all_again(self) -> None:
        """Tell of all that is there, and have resolved what did not answer before."""
        for name in self.announced:
            self._tell_again(name)
        with self._lock:
            self._changed.update(dict.fromkeys(name for name in self._types if name not in self._told))

    def _resolve_changed(self) -> None:
        """Resolve once more what has changed: an address that a host no longer has is known for a second longer."""
        with self._lock:
            self._waiting.update(self._changed)
            self._changed.clear()
        if self._zeroconf is not None:
            self._resolve_next(self._zeroconf)

    def _note_change(
        self,
        zeroconf: zeroconf.Zeroconf,  # the library calls it by these names
        service_type: str,
        name: str,
        state_change: zeroconf.ServiceStateChange,
    ) -> None:
        if state_change.name == "Removed":
            self._say_goodbye(service_type, name)
            return
        with self._lock:
            is_known = name in self._types
            if not is_known and state_change.name == "Updated":
                return  # it has left meanwhile
            if not is_known and len(self._types) >= SERVICES_LIMIT:
                self._forget(next(iter(self._types)))
            self._types.setdefault(name, set()).add(service_type)
            if not is_known or state_change.name == "Updated":
                self._waiting[name] = self._changed[name] = None
        self._resolve_next(zeroconf)

    def _forget(self, name: str) -> None:
        for memory in (self._types, self._waiting, self._changed, self._told, self._told_at):
            memory.pop(name, None)

    def _resolve_next(self, listening: zeroconf.Zeroconf) -> None:
        """Ask for what is not known yet of the services that wait, of many at once but not of all."""
        while (info := self._next_to_resolve()) is not None:
            if listening.loop is None:
                return
            future = asyncio.run_coroutine_threadsafe(info.async_request(listening, RESOLVE_TIMEOUT_MS), listening.loop)
            with self._lock:
                self._resolving[info.name] = future
            future.add_done_callback(partial(self._take_resolved, info, listening))

    def _next_to_resolve(self) -> zeroconf.ServiceInfo | None:
        with self._lock:
            while len(self._resolving) < RESOLVE_AT_ONCE:
                newest_first = reversed(self._waiting)
                name = next((name for name in newest_first if name not in self._resolving), None)
                if name is None:
                    return None
                del self._waiting[name]
                try:
                    return zeroconf.ServiceInfo(_base_type(name), name)
                except (zeroconf.Error, ValueError) as error:
                    log.debug("mDNS: %r is no name of a service: %r", name, error)
            return None

    def _take_resolved(self, info: zeroconf.ServiceInfo, listening: zeroconf.Zeroconf, future: Future[bool]) -> None:
        with self._lock:
            self._resolving.pop(info.name, None)
        try:
            if future.result():
                found = parse_service(_service(info), loopback=self._loopback, attached=self._attached())
                self._tell(info.name, found)
        except (CancelledError, zeroconf.Error) as error:
            log.debug("mDNS: %s was not resolved: %r", info.name, error)
            return
        self._resolve_next(listening)

    def _tell(self, name: str, found: Sighting | NotAPrinter) -> None:
        with self._lock:
            if name not in self._types or self._told.get(name) == found:
                return
            self._told[name] = found
            self._told_at[name] = self._monotonic()
        if isinstance(found, Sighting):
            self._on_sighting(found)
        else:
            self._on_other(found)

    def _announced_again(self, name: str) -> None:
        """Tell of what announces itself again, but not as often as it may."""
        if self._monotonic() - self._told_at.get(name, self._monotonic()) > QUIET_SECONDS:
            self._tell_again(name)

    def _tell_again(self, name: str) -> None:
        with self._lock:
            found = self._told.get(name)
            if found is not None:
                self._told_at[name] = self._monotonic()
        if isinstance(found, Sighting):
            self._on_sighting(found)

    def _say_goodbye(self, service_type: str, name: str) -> None:
        """Tell that a service has left its type, or the last subtype of one that was listed under no more."""
        with self._lock:
            types = self._types.get(name, set())
            types.discard(service_type)
            if types and service_type in SUBTYPES:
                return
            found = self._told.get(name)
            self._forget(name)
        if isinstance(found, Sighting):
            self._on_sighting(replace(found, gone=True))


class AnnouncedAgain(zeroconf.RecordUpdateListener):
    """Hears the services that were known and announce themselves once more; zeroconf's browser says nothing of them."""

    def __init__(self, on_name: Callable[[str], None]) -> None:
        self._on_name = on_name

    def async_update_records(self, zc: zeroconf.Zeroconf, now: float, records: list[zeroconf.RecordUpdate]) -> None:
        """Pick the records that were there before."""
        del zc, now
        for record in records:
            if record.old is not None and record.new.type == SRV and record.new.ttl:
                self._on_name(record.new.name)


def _base_type(name: str) -> str:
    """Give the type at the end of a service's full name, such as `_ipp._tcp.local.`."""
    return next((kind for kind in SERVICE_TYPES if name.lower().endswith(f".{kind}")), "")


def _service(info: zeroconf.ServiceInfo) -> Service:
    """Take what zeroconf resolved over into a value of ours."""
    return Service(
        instance=info.name[: -len(info.type) - 1],
        type=info.type.removesuffix(".local."),
        server=info.server or "",
        port=info.port or 0,
        addresses=tuple(info.parsed_scoped_addresses()),
        txt=parse_txt(info.text or b""),
    )
