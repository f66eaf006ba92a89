"""The devices of our printers in PrintOS: a person has them created once; here is how each printer stands with PrintOS.

Whoever tells PrintOS their statuses asks here for their logins, and says here what came of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from agent.activation import Activation, Printers, PrintOS, Row, obstacle_of, product_of, result, was_made
from agent.credentials import CredentialStore, DeviceLogin
from agent.device_states import HERE, OWNED, UNAUTHORIZED, UNSETTLED, advice, state_after_refusal
from agent.errors import (
    CloudRefusedError,
    ConflictError,
    InputError,
    NotFoundError,
    RefusedError,
    StorageError,
)
from agent.loop import beat
from agent.made_devices import MadeDevices
from agent.model import Event, Identity, Printer, Progress

log = logging.getLogger(__name__)

BROKEN = frozenset({"credentials-refused", "revoked", "replaced", "refused"})
"""What says that a device whose credentials are here is of no use as it is."""


class Devices:
    """The devices, by the ids of their printers.

    Args:
        printos: the dialect.
        registry: the printers.
        credentials: the devices' logins, sealed.
        made: the devices that were made from this box.
        tell: takes events.
    """

    def __init__(
        self,
        *,
        printos: PrintOS,
        registry: Printers,
        credentials: CredentialStore,
        made: MadeDevices,
        tell: Callable[[Event], None],
    ) -> None:
        self._printos = printos
        self._registry = registry
        self._credentials = credentials
        self._made = made
        self._tell = tell
        self._changing = threading.Lock()
        self._logins: dict[str, DeviceLogin] = {}
        self._unopened: dict[str, str] = {}
        self._judged: dict[str, tuple[Identity, bool, str, DeviceLogin | None]] = {}

    def open(self) -> None:
        """Load the credentials of the devices; one that can't be opened is told, and the others go on."""
        for printer_id in self._credentials.ids():
            try:
                login = self._credentials.load(printer_id)
            except RefusedError as error:
                self._unopened[printer_id] = "wrong-seal-key"
                log.error("%s: can't log in to PrintOS: %s", printer_id, error)  # noqa: TRY400 - the message is all
            except StorageError as error:
                is_there = printer_id in self._credentials.ids()
                self._unopened[printer_id] = "credentials-unreadable" if is_there else "credentials-lost"
                log.error("%s: can't log in to PrintOS: %s", printer_id, error)  # noqa: TRY400 - the message is all
            else:
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
        self.note_states()
        with self._alone():
            chosen = self._chosen(printer_ids)
            rows: dict[str, Row | None] = {}
            for printer in chosen:
                coming = [it for it in chosen if it.id in rows and rows[it.id] is None]
                rows[printer.id] = self._as_it_is(printer, coming, replace=replace)
            wanted = [printer for printer in chosen if rows[printer.id] is None]
            activation = Activation(
                printos=self._printos,
                registry=self._registry,
                credentials=self._credentials,
                made=self._made,
                tell=self._tell,
                on_device=self._adopt,
            )
            created = activation.run(login, password, wanted, replace=replace, progress=progress)
            rows |= {row["printer"]: row for row in created}
        return [row for row in rows.values() if row is not None]

    def forget(self, printer_id: str) -> str | None:
        """Drop a printer with its credentials and session; gives the id of its device, which stays in PrintOS.

        Raises:
            ConflictError: devices are being made.
            StorageError: the sealed file can't be deleted.
        """
        with self._alone():
            self._credentials.remove(printer_id)
            self._unopened.pop(printer_id, None)
            self._judged.pop(printer_id, None)
            login = self._logins.pop(printer_id, None)
            if login is not None:
                self._printos.end_session(login)
            self._registry.forget(printer_id)
        return login.device_id if login else None

    def note_states(self) -> None:
        """Let the registry say how each printer stands with PrintOS, where that follows from what is here."""
        if not self._changing.locked():
            for printer in self._registry.printers():
                self._note_state(printer)

    def accepted(self, printer: Printer, login: DeviceLogin) -> None:
        """Note that PrintOS took a printer's status from the device of `login`."""
        if printer.printos != "active" and self._is_current(printer, login):
            self._set_state(printer, "active")

    def refused(self, printer: Printer, login: DeviceLogin, error: CloudRefusedError) -> None:
        """Note that PrintOS refuses the device of `login`, and why; of one that is or was replaced that is no news."""
        if not self._is_current(printer, login):
            return
        state = self._state_after(printer, login, error)
        if state != printer.printos:
            log.warning("%s (%s): PrintOS refuses it (%s): %s", printer.id, printer.label, state, error)
            self._set_state(printer, state, str(error))

    def _state_after(self, printer: Printer, login: DeviceLogin, error: CloudRefusedError) -> str:
        """Find out what a refusal means; another device may look where this one can't log in any more."""
        _type, model, _serial = product_of(printer, self._registry)
        witness = login if error.status != UNAUTHORIZED else self._witness(printer)
        trace = self._printos.trace_device(login, model=model, witness=witness)
        return state_after_refusal(error.status, trace, has_login=self._printos.needs_login)

    def _witness(self, printer: Printer) -> DeviceLogin | None:
        """Give another device, which PrintOS takes."""
        others = (it for it in self._registry.printers() if it.printos == "active" and it.id != printer.id)
        return next((self._logins[it.id] for it in others if it.id in self._logins), None)

    def _is_current(self, printer: Printer, login: DeviceLogin) -> bool:
        """Whether a login is still the printer's; while devices are made nobody knows, and the next status tells."""
        return not self._changing.locked() and self._logins.get(printer.id) is login

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Change which devices there are, or raise ConflictError where somebody else does."""
        if not self._changing.acquire(blocking=False):
            raise ConflictError("devices are being activated; try again when that is done")
        try:
            yield
        finally:
            self._changing.release()

    def _chosen(self, printer_ids: Sequence[str] | None) -> list[Printer]:
        if printer_ids is not None:
            return [self._registry.find(printer_id) for printer_id in printer_ids]
        approved = [printer for printer in self._registry.printers() if printer.approved]
        if not approved:
            raise NotFoundError("no printer is approved for PrintOS: `printos-agent printers approve ID` does that")
        return approved

    def _as_it_is(self, printer: Printer, coming: Sequence[Printer], *, replace: bool) -> Row | None:
        """Give the row of a printer that nothing is to be done for; None for one that needs a device, as `coming`."""
        name = printer.alias or printer.id
        if not printer.approved:
            return result(printer, "refused", f"approve it first: printos-agent printers approve {name}")
        if twin := self._twin(printer, coming):
            return _as_twin(printer, twin)
        if replace:
            return None
        login = self._logins.get(printer.id)
        if printer.id in self._unopened or (login is not None and printer.printos in BROKEN):
            return result(printer, printer.printos, advice(printer.printos, name), login)
        if login is not None and printer.printos != "deleted":
            return result(printer, "active", "", login)
        others = [it for it in self._registry.printers() if it.id != printer.id and it.id in self._logins]
        twin = self._twin(printer, others)
        return _as_twin(printer, twin) if twin else None

    def _twin(self, printer: Printer, others: Sequence[Printer]) -> Printer | None:
        """Find a printer of the same type, model and serial number, which are one device in PrintOS."""
        product = product_of(printer, self._registry)
        return next((it for it in others if product[2] and product_of(it, self._registry) == product), None)

    def _adopt(self, printer_id: str, login: DeviceLogin) -> None:
        self._unopened.pop(printer_id, None)
        old = self._logins.get(printer_id)
        if old is not None:
            self._printos.end_session(old)
        self._logins[printer_id] = login

    def _note_state(self, printer: Printer) -> None:
        """Judge a printer anew where it, or what is known of it, has changed."""
        basis = (printer.identity, printer.approved, printer.printos, self._logins.get(printer.id))
        if self._judged.get(printer.id) == basis:
            return
        beat()
        self._judged[printer.id] = basis
        if printer.approved and printer.id not in self._logins:
            self._inherit(printer)
        state, message = self._state_here(printer)
        if state != printer.printos:
            self._set_state(printer, state, message)

    def _state_here(self, printer: Printer) -> tuple[str, str | None]:
        """Give the state that follows from what is here, and why; what only PrintOS can tell stays as it is."""
        told = printer.printos
        if printer.id in self._logins:
            return ("active" if told in UNSETTLED or told in HERE else told), None
        if printer.id in self._unopened:
            return self._unopened[printer.id], None
        if told == "activating":
            return "unfinished", None
        if told in OWNED:
            return "credentials-lost", None
        return self._state_without_device(printer) if told in UNSETTLED else (told, None)

    def _state_without_device(self, printer: Printer) -> tuple[str, str | None]:
        obstacle = obstacle_of(printer, self._registry, self._printos)
        if not printer.approved:
            return ("none" if obstacle else "pending"), None
        if obstacle:
            return obstacle
        is_lost = was_made(printer, self._registry, self._printos, self._made)
        return ("credentials-lost" if is_lost else "pending"), None

    def _inherit(self, printer: Printer) -> None:
        """Take over the device of a printer that is gone, where this is the same one, entered anew under another id."""
        serial = product_of(printer, self._registry)[2].casefold()
        known = {it.id for it in self._registry.printers()}
        gone = (it for it in self._logins.items() if it[0] not in known and it[1].serial.strip().casefold() == serial)
        old_id, login = next(gone, (None, None)) if serial else (None, None)
        if old_id is None or login is None:
            return
        try:
            self._credentials.save(printer.id, login)
            self._credentials.remove(old_id)
        except (StorageError, RefusedError) as error:
            log.warning("%s (%s): can't take over the device of %s: %s", printer.id, printer.label, old_id, error)
            return
        self._logins.pop(old_id, None)
        self._adopt(printer.id, login)
        log.info("%s (%s): has the PrintOS device of %s, which was the same printer", printer.id, printer.label, old_id)

    def _set_state(self, printer: Printer, state: str, message: str | None = None) -> None:
        try:
            self._registry.set_printos(printer.id, state, message)
        except NotFoundError:
            log.info("%s (%s): has been forgotten meanwhile", printer.id, printer.label)


def _as_twin(printer: Printer, twin: Printer) -> Row:
    todo = (
        f"it has the device of {twin.label} ({twin.id}), whose serial number is the same: forget one of the two first"
    )
    return result(printer, "refused", todo)
