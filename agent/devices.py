"""The devices of our printers in PrintOS: a person has them created once; here is how each printer stands with PrintOS.

Whoever tells PrintOS their statuses asks here for their logins, and says here what came of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from agent.activation import Activation, Printers, PrintOS, Row, result
from agent.credentials import CredentialStore, DeviceLogin
from agent.errors import (
    CloudRefusedError,
    ConflictError,
    InputError,
    NotFoundError,
    RefusedError,
    StorageError,
)
from agent.model import Event, Printer, Progress

log = logging.getLogger(__name__)

UNTOLD = frozenset({"none", "pending"})


class Devices:
    """The devices, by the ids of their printers.

    Args:
        printos: the dialect.
        registry: the printers.
        credentials: the devices' logins, sealed.
        tell: takes events.
    """

    def __init__(
        self, *, printos: PrintOS, registry: Printers, credentials: CredentialStore, tell: Callable[[Event], None]
    ) -> None:
        self._printos = printos
        self._registry = registry
        self._credentials = credentials
        self._tell = tell
        self._activating = threading.Lock()
        self._logins: dict[str, DeviceLogin] = {}

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

    def logins(self) -> Mapping[str, DeviceLogin]:
        """Give the login of every printer that has a device, as they are now."""
        return dict(self._logins)

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
            RefusedError: the key that seals what PrintOS gives may not be used where it is.
            StorageError: there is no such key.
            CloudError: the administrator's login is refused, or PrintOS can't be reached for it.
        """
        self._credentials.check_key()
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
        self._logins.pop(printer_id, None)
        self._credentials.remove(printer_id)

    def note_states(self) -> None:
        """Let the registry say how each printer stands with PrintOS, where it doesn't yet."""
        for printer in self._registry.printers():
            self._note_state(printer)

    def accepted(self, printer: Printer, login: DeviceLogin) -> None:
        """Note that PrintOS took a printer's status from the device of `login`."""
        if printer.printos == "refused" and self._is_current(printer, login):
            log.info("%s (%s): PrintOS takes its status again", printer.id, printer.label)
            self._set_state(printer, "active")

    def refused(self, printer: Printer, login: DeviceLogin, error: CloudRefusedError) -> None:
        """Note and tell that PrintOS refuses the device of `login`; of one replaced meanwhile that is no news."""
        if printer.printos == "refused" or not self._is_current(printer, login):
            return
        log.warning("%s (%s): PrintOS refuses its status: %s", printer.id, printer.label, error)
        self._set_state(printer, "refused")
        self._tell(Event("printos-refused", {"printer": printer.id, "name": printer.label, "message": str(error)}))

    def _is_current(self, printer: Printer, login: DeviceLogin) -> bool:
        return self._logins.get(printer.id) is login

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
        login = self._logins.get(printer.id)
        if login is None or replace:
            return None
        if printer.printos == "refused":
            return result(
                printer, "refused", "PrintOS refuses its credentials: activate --replace makes it anew", login
            )
        return result(printer, "active", "", login)

    def _adopt(self, printer_id: str, login: DeviceLogin) -> None:
        self._logins[printer_id] = login

    def _note_state(self, printer: Printer) -> None:
        if printer.id in self._logins:
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
