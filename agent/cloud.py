"""Printers in PrintOS: a person has their devices created once, then PrintOS is told how they are.

A status goes every `status_interval_seconds`, a change of it after at most a minute, never oftener than that. Nothing
waits for a dead cloud: a status is read from the registry when it can be sent, so that only the newest ever goes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.activation import Activation, Printers, PrintOS, Row, result
from agent.credentials import CredentialStore, DeviceLogin
from agent.errors import (
    CloudError,
    CloudRefusedError,
    CloudUnreachableError,
    ConflictError,
    InputError,
    NotFoundError,
    RefusedError,
    StorageError,
)
from agent.loop import backoff
from agent.model import Event, Printer, Progress

log = logging.getLogger(__name__)

CHANGE_SECONDS = 60.0
POLL_SECONDS = 5.0
POST_TIMEOUT_SECONDS = 10.0
POSTS_PER_STEP = 20
STEP_BUDGET_SECONDS = 20.0
NEXT_BATCH_SECONDS = 1.0
AWAY_PAUSE_SECONDS = 5.0
AWAY_PAUSE_CEILING_SECONDS = 300.0
EXPIRED_PAUSE_SECONDS = 30.0
REFUSED_PAUSE_CEILING_SECONDS = 3600.0
CLOSE_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 2.0
UNTOLD = frozenset({"none", "pending"})


@dataclass(slots=True)
class _Device:
    """A printer's device and what it was last told; moments are of the monotonic clock."""

    login: DeviceLogin
    word: str | None = None
    posted_at: float | None = None
    retry_at: float = 0.0
    failures: int = 0

    def due_at(self, word: str, interval_seconds: float) -> float:
        """Give the moment from which a status may go: at once the first time, later where it has not changed."""
        if self.posted_at is None:
            return self.retry_at
        pause = interval_seconds if word == self.word else min(CHANGE_SECONDS, interval_seconds)
        return max(self.posted_at + pause, self.retry_at)


class Cloud:
    """The devices of our printers in PrintOS.

    Args:
        printos: the dialect.
        registry: the printers.
        credentials: the devices' logins, sealed.
        waiting_jobs: gives how many jobs wait for a printer.
        tell: takes events.
        status_interval_seconds: between two statuses of a printer that has not changed.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        *,
        printos: PrintOS,
        registry: Printers,
        credentials: CredentialStore,
        waiting_jobs: Callable[[str], int],
        tell: Callable[[Event], None],
        status_interval_seconds: float = 120.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._printos = printos
        self._registry = registry
        self._credentials = credentials
        self._waiting_jobs = waiting_jobs
        self._tell = tell
        self._interval_seconds = status_interval_seconds
        self._monotonic = monotonic
        self._activating = threading.Lock()
        self._is_closing = False
        self._devices: dict[str, _Device] = {}
        self._failures = 0
        self._closed_until = 0.0
        self._problem = ""
        self._updates = 0
        self._updated_at: float | None = None

    def open(self) -> None:
        """Load the credentials of the devices; one that can't be opened is told, and the others go on."""
        for printer_id in self._credentials.ids():
            try:
                login = self._credentials.load(printer_id)
            except (RefusedError, StorageError) as error:
                log.error("%s: can't log in to PrintOS: %s", printer_id, error)  # noqa: TRY400 - the message is all
                continue
            if login is not None:
                self._adopt(printer_id, login)

    def activate(
        self, login: str, password: str, *, printer_ids: Sequence[str] | None, replace: bool, progress: Progress
    ) -> list[Row]:
        """Create the devices of approved printers, those of `printer_ids` or all; give a row for each.

        A device whose credentials are here is left alone unless `replace` says to make it anew.

        Args:
            login: the PSP administrator's.
            password: likewise; it is kept nowhere.
            printer_ids: ids or aliases; None for all that are approved.
            replace: make devices anew.
            progress: is told what happens.

        Raises:
            InputError: the administrator's login or password is missing, and PrintOS wants them.
            NotFoundError: there is no such printer, or none is approved.
            ConflictError: somebody else is at it.
            CloudError: the administrator's login is refused, or PrintOS can't be reached for it.
        """
        if self._printos.needs_login and not (login and password):
            raise InputError("the PSP administrator's login and password are missing")
        if not self._activating.acquire(blocking=False):
            raise ConflictError("devices are being activated already")
        try:
            chosen = self._chosen(printer_ids)
            rows = {printer.id: self._as_it_is(printer, replace=replace) for printer in chosen}
            wanted = [printer for printer in chosen if rows[printer.id] is None]
            activation = Activation(
                printos=self._printos,
                registry=self._registry,
                credentials=self._credentials,
                tell=self._tell,
                on_device=self._adopt,
            )
            created = activation.run(login, password, wanted, replace=replace, progress=progress)
            rows |= {row["printer"]: row for row in created}
        finally:
            self._activating.release()
        return [row for row in rows.values() if row is not None]

    def forget(self, printer_id: str) -> None:
        """Drop a printer's credentials; its device stays in PrintOS.

        Raises:
            StorageError: the sealed file can't be deleted.
        """
        self._devices.pop(printer_id, None)
        self._credentials.remove(printer_id)

    def step(self) -> float:
        """Post what is due; gives the seconds until more may be."""
        printers = self._registry.printers()
        for printer in printers:
            self._note_state(printer)
        now = self._monotonic()
        if now < self._closed_until:
            return min(self._closed_until - now, POLL_SECONDS)
        queue = sorted(self._queue(printers), key=lambda it: (it[1].failures, it[0]))
        due = [(device, printer) for moment, device, printer in queue if moment <= now]
        for device, printer in due[:POSTS_PER_STEP]:
            is_late = self._is_closing or self._monotonic() - now > STEP_BUDGET_SECONDS
            if is_late or not self._post(device, printer):
                return NEXT_BATCH_SECONDS
        if len(due) > POSTS_PER_STEP:
            return NEXT_BATCH_SECONDS
        next_due = min((moment for moment, _, _ in self._queue(printers)), default=now + POLL_SECONDS)
        return max(0.0, min(next_due - self._monotonic(), POLL_SECONDS))

    def close(self) -> None:
        """Tell PrintOS that the devices go off, as far as that goes in a few seconds."""
        self._is_closing = True  # a step that goes on meanwhile would tell that they are on
        deadline = self._monotonic() + CLOSE_SECONDS
        for printer in self._registry.printers():
            off, device = replace(printer, online=False), self._devices.get(printer.id)
            if device is None or device.word in (None, self._printos.status_word(off)):
                continue
            left = deadline - self._monotonic()
            if left <= 0 or self._monotonic() < self._closed_until:
                log.info("PrintOS was not told of every printer that it goes off")
                return
            self._post(device, off, timeout_seconds=min(left, CLOSE_TIMEOUT_SECONDS))

    def health(self) -> dict[str, Any]:
        """Tell how things stand with PrintOS: `state` is `unused`, `connecting`, `online` or `away`."""
        told_at, devices = self._updated_at, len(self._devices)
        state = "unused" if not devices else "away" if self._failures else "connecting" if told_at is None else "online"
        return {
            "state": state,
            "devices": devices,
            "logins": self._printos.logins,
            "status_updates": self._updates,
            "last_success_seconds_ago": None if told_at is None else round(self._monotonic() - told_at),
            "problem": self._problem or None,
        }

    def _chosen(self, printer_ids: Sequence[str] | None) -> list[Printer]:
        if printer_ids is not None:
            return [self._registry.find(printer_id) for printer_id in printer_ids]
        approved = [printer for printer in self._registry.printers() if printer.approved]
        if not approved:
            raise NotFoundError("no printer is approved for PrintOS: `printos-agent printers approve ID` does that")
        return approved

    def _as_it_is(self, printer: Printer, *, replace: bool) -> Row | None:
        """Give the row of a printer that nothing is to be done for; None for one that needs a device."""
        if not printer.approved:
            return result(printer, "refused", f"approve it first: printos-agent printers approve {printer.id}")
        device = self._devices.get(printer.id)
        if device is None or replace:
            return None
        if printer.printos == "refused":
            return result(
                printer, "refused", "PrintOS refuses its credentials: activate --replace makes it anew", device.login
            )
        return result(printer, "active", "", device.login)

    def _adopt(self, printer_id: str, login: DeviceLogin) -> None:
        self._devices[printer_id] = _Device(login)

    def _note_state(self, printer: Printer) -> None:
        """Let the registry say how a printer stands, where it doesn't yet."""
        if printer.id in self._devices:
            state = "active" if printer.printos in UNTOLD | {"credentials-lost"} else printer.printos
        elif printer.printos == "active":
            log.error("%s (%s): its PrintOS credentials are lost; activate --replace", printer.id, printer.label)
            state = "credentials-lost"
        else:
            state = "pending" if printer.approved and printer.printos == "none" else printer.printos
        if state != printer.printos and not self._activating.locked():
            self._set_state(printer, state)

    def _set_state(self, printer: Printer, state: str) -> None:
        try:
            self._registry.set_printos(printer.id, state)
        except NotFoundError:
            log.info("%s (%s): has been forgotten meanwhile", printer.id, printer.label)

    def _queue(self, printers: Sequence[Printer]) -> Iterator[tuple[float, _Device, Printer]]:
        """Give each printer that has a device, with the moment its status is due."""
        for printer in printers:
            device = self._devices.get(printer.id)
            if device is not None:
                yield device.due_at(self._printos.status_word(printer), self._interval_seconds), device, printer

    def _post(self, device: _Device, printer: Printer, *, timeout_seconds: float = POST_TIMEOUT_SECONDS) -> bool:
        """Post a status; False where PrintOS can't be reached, so that the others needn't try."""
        jobs = self._waiting_jobs(printer.id)
        try:
            self._printos.post_status(device.login, printer, jobs=jobs, timeout_seconds=timeout_seconds)
        except CloudUnreachableError as error:
            self._away(device, error)
            return False
        except CloudRefusedError as error:
            self._refused(device, printer, error)
        except CloudError as error:
            self._expired(device, printer, error)
        else:
            self._posted(device, printer)
        return True

    def _posted(self, device: _Device, printer: Printer) -> None:
        now = self._monotonic()
        device.word, device.posted_at = self._printos.status_word(printer), now
        device.failures, device.retry_at = 0, 0.0
        self._updates += 1
        self._updated_at = now
        self._reached()
        if printer.printos == "refused":
            log.info("%s (%s): PrintOS takes its status again", printer.id, printer.label)
            self._set_state(printer, "active")

    def _reached(self) -> None:
        if self._failures:
            log.info("PrintOS is there again after %d attempts", self._failures)
            self._failures, self._problem = 0, ""

    def _away(self, device: _Device, error: CloudUnreachableError) -> None:
        """Leave PrintOS alone for a while, and this device for longer where it fails while others don't."""
        self._failures += 1
        device.failures += 1
        device.retry_at = self._monotonic() + _away_pause(device.failures)
        self._problem = str(error)
        if self._failures == 1:
            log.warning("%s; it is tried again, and printing goes on", error)
        self._closed_until = self._monotonic() + (error.retry_after_seconds or _away_pause(self._failures))

    def _expired(self, device: _Device, printer: Printer, error: CloudError) -> None:
        device.failures += 1
        device.retry_at = self._monotonic() + backoff(device.failures, base=EXPIRED_PAUSE_SECONDS)
        if device.failures == 1:
            log.warning("%s (%s): %s", printer.id, printer.label, error)

    def _refused(self, device: _Device, printer: Printer, error: CloudRefusedError) -> None:
        device.failures += 1
        pause = backoff(device.failures, base=2 * self._interval_seconds, ceiling=REFUSED_PAUSE_CEILING_SECONDS)
        device.retry_at = self._monotonic() + pause
        self._reached()
        was_replaced = self._devices.get(printer.id) is not device
        if was_replaced or printer.printos == "refused":
            return
        log.warning("%s (%s): PrintOS refuses its status: %s", printer.id, printer.label, error)
        self._set_state(printer, "refused")
        self._tell(Event("printos-refused", {"printer": printer.id, "name": printer.label, "message": str(error)}))


def _away_pause(failures: int) -> float:
    return backoff(failures, base=AWAY_PAUSE_SECONDS, ceiling=AWAY_PAUSE_CEILING_SECONDS)
