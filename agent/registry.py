"""The printers we know: each one identity that survives DHCP, sleep and power-off, in memory and on the disk.

What is read is a frozen snapshot and takes no lock. Every change runs in a transaction of the store, which is the only
lock there is, together with what it has to tell: the retained topics and the events.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from agent.config_schema import PrinterConfig
from agent.configured import configured_printer, is_configured_by
from agent.endpoints import host_of, share_a_driver, share_a_place, with_drivers
from agent.errors import NotFoundError, StorageError
from agent.identity import IDENTITY_CONFLICT, Likeness, compare, displaced, is_surely_one, told_anew
from agent.model import Clock, Event, Identity, Printer, PrinterStatus, printer_id
from agent.networks import is_loopback
from agent.outbox import Note, Outbox
from agent.printer_facts import diff
from agent.printer_record import encode_printer, parse_printer
from agent.store import Connection, Store

log = logging.getLogger(__name__)

SCHEMA = ("CREATE TABLE printers (id TEXT PRIMARY KEY, record TEXT NOT NULL)",)
URIS_LIMIT = 16
OTHER_HOSTS_LIMIT = 8
PRINTERS_LIMIT = 5000
LOGGED_ELSEWHERE = frozenset({"printer-lost", "printer-moved"})
"""Events that whoever noticed has a better line for: why it is lost, where it was before."""


class Registry:
    """The printers we know.

    Attributes:
        on_online: called with the id of a printer that is back or has moved, after the commit; it must be quick.
        on_forget: called with the id of a printer that is forgotten, within the transaction.
    """

    def __init__(self, *, store: Store, outbox: Outbox, now: Clock, printers: Sequence[PrinterConfig] = ()) -> None:
        self._store = store
        self._outbox = outbox
        self._now = now
        self._configs = tuple(printers)
        self._printers: Mapping[str, Printer] = MappingProxyType({})
        self._told: Mapping[str, Printer] = MappingProxyType({})
        self.on_online: Callable[[str], None] = lambda _printer_id: None
        self.on_forget: Callable[[str], None] = lambda _printer_id: None

    def open(self) -> None:
        """Load what was known, and enter the configured printers whose identity the configuration gives."""
        self._store.migrate("registry", SCHEMA)
        self._printers = self._told = MappingProxyType({printer.id: printer for printer in load_printers(self._store)})
        for printer in self.printers():
            self.update(printer.id, lambda known: known)
        for config in self._configs:
            if config.uris and any((config.uuid, config.serial, config.mac)):
                self.merge(configured_printer(config, self._now))

    def printers(self) -> tuple[Printer, ...]:
        """Give all printers as they are now, first seen first."""
        return tuple(self._printers.values())

    def find(self, id_or_alias: str) -> Printer:
        """Find a printer by its id, its alias, or the id that its identity would have today.

        The last is what `probe` tells of a printer that was entered before it could be reached. An alias is the
        replacement's once another printer answers in place of the one that had it.

        Raises:
            NotFoundError: there is none.
        """
        printers = self._printers
        aliased = (p for p in printers.values() if p.alias == id_or_alias)
        found = printers.get(id_or_alias) or min(aliased, key=_is_displaced, default=None)
        found = found or next((p for p in printers.values() if printer_id(p.identity, "") == id_or_alias), None)
        if found is None:
            raise NotFoundError(f"no printer {id_or_alias!r}; `printos-agent printers` lists them")
        return found

    def config_for(self, printer: Printer) -> PrinterConfig | None:
        """Give the `[[printer]]` of the configuration that is this printer."""
        return next((config for config in self._configs if is_configured_by(printer, config)), None)

    def recognise(self, identity: Identity, host: str, uris: Sequence[str] = ()) -> Printer | None:
        """Find the printer that this is: by what it tells of itself, else by its place where nothing speaks against it.

        Several printers may share a host, on loopback or behind a print server; there an endpoint is a place.
        """
        printers = self.printers()
        here = [printer for printer in printers if _is_at(printer, host, uris)]
        surely = (printer for printer in here if is_surely_one(printer.identity, identity))
        if found := next(surely, None):
            return found  # of a thousand printers that a sweep sees again, hardly one is compared with all the others
        likeness = {printer.id: compare(printer.identity, identity) for printer in printers}
        same = [printer for printer in printers if likeness[printer.id] is Likeness.SAME]
        there = (printer for printer in here if likeness[printer.id] is Likeness.UNKNOWN)
        # several may have one UUID: the one that is here, else the one that more speaks for
        best = max(same, key=lambda it: (_is_at(it, host, uris), is_surely_one(it.identity, identity)), default=None)
        return best or next(there, None)

    def knows(self, found: Printer) -> bool:
        """Whether a printer is known, wherever it is now, or was first known as this one."""
        return found.id in self._printers or self.recognise(found.identity, found.host, found.uris) is not None

    def shares_its_uuid(self, printer: Printer) -> bool:
        """Whether another printer has the same UUID, which then proves nothing by itself."""
        uuid = printer.identity.uuid
        return uuid is not None and sum(known.identity.uuid == uuid for known in self.printers()) > 1

    def merge(self, found: Printer) -> Printer:
        """Enter a printer that was found, or bring the one that it is up to date.

        A printer that is known at another host is left as it is: whether it moved must be proved first, then `move` it.
        An identity that contradicts itself (one UUID with two serials) is told, and kept as two.
        """
        with self._changes() as connection:
            known = self.recognise(found.identity, found.host, found.uris)
            if known is None:
                return self._enter(connection, found)
            return known if known.host != found.host else self._put(connection, _refreshed(known, found))

    def enter_apart(self, found: Printer) -> Printer:
        """Enter a printer that claims to be a known one and, as the caller has seen, is another."""
        with self._changes() as connection:
            return self._enter(connection, found)

    def move(self, printer_id: str, found: Printer) -> Printer:
        """Believe that a printer has moved to where it was found, which the caller has proved."""
        with self._changes() as connection:
            known = self.find(printer_id)
            self._displace(connection, found, but=printer_id)
            other_hosts = tuple(host for host in known.other_hosts if host != found.host)
            moved = _refreshed(replace(known, uris=(), other_hosts=other_hosts), found)
            log.info("%s (%s) moved from %s to %s", moved.id, moved.label, known.host, moved.host)
            return self._put(connection, moved)

    def note_other_host(self, printer_id: str, host: str) -> bool:
        """Note that what answers at `host` is, or says that it is, this printer too; False where that was known."""
        with self._changes() as connection:
            printer = self.find(printer_id)
            if host in printer.other_hosts:
                return False
            self._put(connection, replace(printer, other_hosts=(*printer.other_hosts, host)[-OTHER_HOSTS_LIMIT:]))
            return True

    def report_conflict(self, printer_id: str, host: str) -> None:
        """Tell, once for each host, that something there claims to be a printer that is known elsewhere."""
        with self._changes():
            if not self.note_other_host(printer_id, host):
                return
            printer = self.find(printer_id)
            facts = {"printer": printer_id, "name": printer.label, "host": printer.host, "other_host": host}
            self._outbox.put_event(Event(IDENTITY_CONFLICT, facts))
        log.warning("%s (%s) at %s: %s claims to be it too", printer_id, printer.label, printer.host, host)

    def displace(self, printer: Printer) -> None:
        """Take a printer offline and hold its jobs, unless it was moved meanwhile.

        What answers at its address, or claims to be it, is or may be another one.
        """
        with contextlib.suppress(NotFoundError):
            self.update(printer.id, lambda known: displaced(known) if known.host == printer.host else known)

    def update(self, printer_id: str, change: Callable[[Printer], Printer]) -> Printer:
        """Change a printer, atomically; what follows is written and told.

        Raises:
            NotFoundError: there is no such printer, or no longer.
        """
        with self._changes() as connection:
            return self._put(connection, change(self.find(printer_id)))

    def forget(self, id_or_alias: str) -> None:
        """Remove a printer and clear its retained topics.

        Raises:
            NotFoundError: there is none.
        """
        with self._changes() as connection:
            gone = self.find(id_or_alias).id
            connection.execute("DELETE FROM printers WHERE id = ?", (gone,))
            self._outbox.put(Note(f"printers/{gone}", b"", retain=True))
            self._outbox.put(Note(f"printers/{gone}/availability", b"", retain=True))
            self.on_forget(gone)
            self._printers = _without(self._printers, gone)
            self._told = _without(self._told, gone)

    def approve(self, id_or_alias: str) -> Printer:
        """Approve a printer for PrintOS."""
        return self.update(self.find(id_or_alias).id, lambda known: replace(known, approved=True))

    def pause(self, id_or_alias: str) -> Printer:
        """Let a printer's jobs wait, also over restarts."""
        return self.update(self.find(id_or_alias).id, lambda known: replace(known, paused=True))

    def resume(self, id_or_alias: str) -> Printer:
        """Let a printer's jobs go on."""
        return self.update(self.find(id_or_alias).id, lambda known: replace(known, paused=False))

    def set_printos(self, printer_id: str, state: str, message: str | None = None) -> Printer:
        """Note how a printer stands with PrintOS, and what PrintOS said of it."""
        return self.update(printer_id, lambda known: replace(known, printos=state, printos_message=message))

    @contextlib.contextmanager
    def _changes(self) -> Iterator[Connection]:
        """Run changes in one transaction; where the disk doesn't take it, it counts as not told."""
        told = self._told
        try:
            with self._store.transaction() as connection:
                yield connection
        except StorageError:
            self._told = told
            raise

    def _put(self, connection: Connection, printer: Printer) -> Printer:
        new = self._configured(printer)
        old = self._told.get(new.id)
        facts = diff(old, new)
        self._printers = MappingProxyType({**self._printers, new.id: new})
        if new.online and (facts.availability or (old is not None and old.host != new.host)):
            self._store.on_commit(lambda: self.on_online(new.id))
        if facts.written:
            self._told = MappingProxyType({**self._told, new.id: new})
            connection.execute("INSERT OR REPLACE INTO printers VALUES (?, ?)", (new.id, encode_printer(new)))
        if facts.told:
            self._outbox.put(Note(f"printers/{new.id}", _payload(new.to_json()), retain=True))
        if facts.availability:
            state = b"online" if new.online else b"offline"
            self._outbox.put(Note(f"printers/{new.id}/availability", state, retain=True))
        for event in facts.events:
            self._outbox.put_event(event)
            if event.type not in LOGGED_ELSEWHERE:
                log.info("%s: %s (%s) at %s%s", event.type, new.id, new.label, new.host, _detail_of(event))
        return new

    def _configured(self, printer: Printer) -> Printer:
        """Apply what the configuration says of a printer."""
        config = self.config_for(printer)
        if config is None:
            return with_drivers(replace(printer, alias=None))
        identity = replace(
            printer.identity,
            name=config.name or printer.identity.name,
            location=config.location or printer.identity.location,
        )
        here = printer.host in {host_of(uri) for uri in config.uris}
        uris = _union(config.uris, printer.uris) if here else printer.uris
        return with_drivers(replace(printer, identity=identity, alias=config.alias or None, uris=uris), config.drivers)

    def _enter(self, connection: Connection, found: Printer) -> Printer:
        if len(self._printers) >= PRINTERS_LIMIT:
            raise StorageError(f"more than {PRINTERS_LIMIT} printers: {found.host} is not entered")
        self._tell_conflicts(found)
        self._displace(connection, found)
        return self._put(connection, replace(found, id=self._free_id(found), first_seen=self._now()))

    def _tell_conflicts(self, found: Printer) -> None:
        for printer in self.printers():
            if compare(printer.identity, found.identity) is Likeness.CONFLICT:
                self.report_conflict(printer.id, found.host)

    def _displace(self, connection: Connection, found: Printer, but: str = "") -> None:
        """Take the printers offline at whose place another one was found."""
        for printer in self.printers():
            if printer.id != but and _is_at(printer, found.host, found.uris):
                self._put(connection, displaced(printer))

    def _free_id(self, found: Printer) -> str:
        """Give the id of a new printer; one whose UUID or serial another printer has is told by what is left."""
        ids = (printer_id(basis, found.uris[0] if found.uris else found.host) for basis in _bases(found.identity))
        free = next((candidate for candidate in ids if candidate not in self._printers), None)
        if free is None:
            raise StorageError(f"{found.host} can't be told from the printers that are known")
        return free


def load_printers(store: Store) -> list[Printer]:
    """Read the printers from an open store, first seen first; a damaged record costs one printer, and is logged."""
    printers: list[Printer] = []
    for row in store.query("SELECT id, record FROM printers"):
        try:
            printers.append(parse_printer(row["record"]))
        except StorageError as error:
            log.warning("printer %s is left out until it is found again: %s", row["id"], error)
    return sorted(printers, key=lambda printer: printer.first_seen)


def _bases(identity: Identity) -> Iterator[Identity]:
    yield identity
    yield replace(identity, uuid=None)
    yield replace(identity, uuid=None, serial=None)
    yield Identity()


def _refreshed(known: Printer, found: Printer) -> Printer:
    """Bring a printer up to date with what was found: who it is stays, what it says of itself is the newest.

    Where only an open raw port was found, a printer whose status can be read keeps its last one until it is read.
    """
    tells = found.online and (found.status != PrinterStatus() or known.status_driver is None)
    fresh = found if tells else known
    return replace(
        known,
        identity=told_anew(known.identity, found.identity),
        host=found.host,
        uris=_union(found.uris, known.uris),
        status=fresh.status,
        capabilities=found.capabilities.or_else(known.capabilities),
        sources=_union(known.sources, found.sources),
        online=fresh.online,
        misses=fresh.misses,
        last_seen=found.last_seen or known.last_seen,
    )


def _is_displaced(printer: Printer) -> bool:
    return IDENTITY_CONFLICT in printer.status.state_reasons


def _detail_of(event: Event) -> str:
    if supply := event.facts.get("supply"):
        return f": {supply['description']} {supply['percent']:.0f} %"
    return f": {event.facts['state']}" if "state" in event.facts else ""


def _union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))[:URIS_LIMIT]


def _is_at(printer: Printer, host: str, uris: Sequence[str]) -> bool:
    """Whether a printer's place is this one: the host, unless a print server has several printers at its ports.

    On loopback, where every printer of a demo is, only a shared endpoint tells.
    """
    if printer.host != host:
        return False
    return share_a_place(printer.uris, uris) or not (is_loopback(host) or share_a_driver(printer.uris, uris))


def _without(printers: Mapping[str, Printer], gone: str) -> Mapping[str, Printer]:
    return MappingProxyType({key: printer for key, printer in printers.items() if key != gone})


def _payload(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
