"""Create the PrintOS devices of printers: one administrator's session for all, credentials sealed before they count."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from agent.config_schema import PrinterConfig
from agent.credentials import CredentialStore, DeviceLogin
from agent.device_states import OWNED, Trace, advice, state_after_creation
from agent.errors import (
    AnswerLostError,
    CloudError,
    CloudRefusedError,
    CloudUnreachableError,
    ConfigError,
    ConflictError,
    LoginTurnError,
    RefusedError,
    StorageError,
)
from agent.made_devices import Device, MadeDevices
from agent.model import Event, Printer, Progress

log = logging.getLogger(__name__)

Row = dict[str, Any]


class PrintOS(Protocol):
    """One dialect of the Device API; what fails raises CloudError."""

    @property
    def needs_login(self) -> bool:
        """Whether a device must log in before it can tell its status."""

    @property
    def replaces_unasked(self) -> bool:
        """Whether making a device that is there already ends that one, and nothing tells beforehand that it is."""

    def check_printer(self, printer: Printer, *, device_type: str, model: str) -> None:
        """Raise ConfigError where the configuration must name something, RefusedError where PrintOS never takes it."""

    def login_administrator(self, login: str, password: str) -> str:
        """Log a person in and give the session's token."""

    def provision_device(
        self, printer: Printer, *, device_type: str, model: str, replace: bool, token: str, password: str
    ) -> DeviceLogin:
        """Create or adopt a printer's device; raises ConflictError where it is there and its credentials are not."""

    def logout_administrator(self, token: str) -> None:
        """End a person's session; raises nothing."""

    def login_device(self, device: DeviceLogin) -> None:
        """Open a device's session."""

    def trace_device(self, device: DeviceLogin, *, model: str, witness: DeviceLogin | None) -> Trace:
        """Find what became of a device, with another's session where one is needed; raises nothing."""

    def end_session(self, device: DeviceLogin) -> None:
        """Forget a device's session."""


class Printers(Protocol):
    """What is needed of the registry."""

    def printers(self) -> tuple[Printer, ...]:
        """Give all printers as they are now."""

    def find(self, id_or_alias: str) -> Printer:
        """Find a printer; raises NotFoundError."""

    def config_for(self, printer: Printer) -> PrinterConfig | None:
        """Give the printer's section of the configuration."""

    def set_printos(self, printer_id: str, state: str, message: str | None = None) -> Printer:
        """Note how a printer stands with PrintOS, and what PrintOS said; raises NotFoundError."""

    def forget(self, id_or_alias: str) -> None:
        """Remove a printer; raises NotFoundError."""


class Activation:
    """Creates devices.

    Args:
        printos: the dialect.
        registry: the printers.
        credentials: where their logins are sealed.
        made: the devices that were made before.
        tell: takes events.
        on_device: takes a printer's id and its new device, once that is sealed and the administrator is logged out.
    """

    def __init__(
        self,
        *,
        printos: PrintOS,
        registry: Printers,
        credentials: CredentialStore,
        made: MadeDevices,
        tell: Callable[[Event], None],
        on_device: Callable[[str, DeviceLogin], None],
    ) -> None:
        self._printos = printos
        self._registry = registry
        self._credentials = credentials
        self._made = made
        self._tell = tell
        self._on_device = on_device

    def run(
        self, login: str, password: str, printers: Sequence[Printer], *, replace: bool, progress: Progress
    ) -> list[Row]:
        """Create the devices of `printers`, log the administrator out, and log the devices in.

        The administrator logs in only where something is left to create, and is always logged out.

        Raises:
            CloudError: the administrator's login is refused, or PrintOS can't be reached for it.
        """
        rows = {printer.id: self._obstacle(printer, replace=replace) for printer in printers}
        wanted = [printer for printer in printers if rows[printer.id] is None]
        created: list[tuple[Row, DeviceLogin | None]] = []
        if wanted:
            progress({"message": "logging the administrator in"})
            token = self._printos.login_administrator(login, password)
            try:
                for row, device in self._create_all(wanted, token=token, password=password, replace=replace):
                    created.append((row, device))
                    progress(row)
            finally:
                self._printos.logout_administrator(token)
                for row, device in created:
                    if device:
                        self._on_device(row["printer"], device)
        rows |= {row["printer"]: self._first_login(device, row) if device else row for row, device in created}
        return [row for row in rows.values() if row is not None]

    def _obstacle(self, printer: Printer, *, replace: bool) -> Row | None:
        """Tell what speaks against asking PrintOS at all; None where nothing does."""
        obstacle = obstacle_of(printer, self._registry, self._printos)
        if obstacle is not None:
            return self._settled(printer, *obstacle)
        if not replace and was_made(printer, self._registry, self._printos, self._made):
            return self._settled(printer, "credentials-lost", "")
        return None

    def _create_all(
        self, printers: Sequence[Printer], *, token: str, password: str, replace: bool
    ) -> Iterator[tuple[Row, DeviceLogin | None]]:
        """Create device after device, until PrintOS can't be reached for one."""
        for number, printer in enumerate(printers, 1):
            try:
                yield self._create(printer, token=token, password=password, replace=replace)
            except CloudUnreachableError as error:
                yield result(printer, "unreachable", str(error)), None
                for left in printers[number:]:
                    yield result(left, "unreachable", "not tried: PrintOS did not answer for another"), None
                return

    def _create(self, printer: Printer, *, token: str, password: str, replace: bool) -> tuple[Row, DeviceLogin | None]:
        self._registry.set_printos(printer.id, "activating")
        try:
            device = self._provisioned(printer, token=token, password=password, replace=replace)
        except CloudUnreachableError as error:
            self._registry.set_printos(printer.id, "unfinished" if _may_be_made(error) else printer.printos, str(error))
            raise
        except ConflictError as error:
            return self._settled(printer, "credentials-lost", str(error)), None
        except CloudRefusedError as error:
            return self._settled(printer, state_after_creation(error.status, str(error)), str(error)), None
        except CloudError as error:
            return self._settled(printer, "refused", str(error)), None
        if self._printos.needs_login and not device.login:
            hint = "" if self._printos.replaces_unasked else '; is [printos] auth to be "none" or "bearer"?'
            message = f"PrintOS gave device {device.device_id} no login{hint}"
            return self._settled(printer, "not-provisionable", message), None
        return self._sealed(printer, device)

    def _provisioned(self, printer: Printer, *, token: str, password: str, replace: bool) -> DeviceLogin:
        """Have PrintOS make a device; that it may have been made is on the disk before, and off it where it was not."""
        device_type, model, serial = product = product_of(printer, self._registry)
        is_new = self._printos.replaces_unasked and self._remembered(product)
        try:
            return self._printos.provision_device(
                _of_serial(printer, serial),
                device_type=device_type,
                model=model,
                replace=replace,
                token=token,
                password=password,
            )
        except CloudError as error:
            if is_new and not _may_be_made(error):
                self._made.drop(product)
            raise

    def _remembered(self, product: Device) -> bool:
        """Remember a device that is about to be made; False where it was known, or can't be remembered."""
        if self._made.has(product):
            return False
        try:
            self._made.note(product)
        except StorageError as error:
            log.warning("a lost state folder would not be noticed, for what was made can't be remembered: %s", error)
            return False
        return True

    def _sealed(self, printer: Printer, device: DeviceLogin) -> tuple[Row, DeviceLogin | None]:
        try:
            self._credentials.save(printer.id, device)
        except (StorageError, RefusedError) as error:
            problem = f"its credentials could not be kept: {error}"
            return {**self._settled(printer, "credentials-lost", problem), "result": "failed"}, None
        self._registry.set_printos(printer.id, "active")
        self._tell(Event("provisioned", {"printer": printer.id, "name": printer.label, "device_id": device.device_id}))
        log.info("%s (%s): is PrintOS device %s now", printer.id, printer.label, device.device_id)
        return result(printer, "active", "", device), device

    def _first_login(self, device: DeviceLogin, row: Row) -> Row:
        try:
            self._printos.login_device(device)
        except LoginTurnError:  # with many devices most logins wait for their turn
            return row
        except CloudRefusedError as error:
            self._registry.set_printos(row["printer"], "credentials-refused", str(error))
            return {**row, "result": "credentials-refused", "message": str(error)}
        except CloudError as error:
            self._registry.set_printos(row["printer"], "unreachable", str(error))
            return {**row, "message": f"it logs in when it can: {error}"}
        return row

    def _settled(self, printer: Printer, state: str, message: str) -> Row:
        """Note what stays so until a person changes something, with what that may be."""
        self._registry.set_printos(printer.id, state, message or None)
        todo = advice(state, printer.alias or printer.id)
        return result(printer, state, ": ".join(filter(None, (message, todo))))


def product_of(printer: Printer, registry: Printers) -> Device:
    """Give PrintOS's names of the printer's type and model, and its serial number, each empty where it isn't known."""
    config = registry.config_for(printer) or PrinterConfig()
    model = config.printos_model or printer.identity.make_and_model or ""
    serial = config.printos_serial or (printer.identity.serial or "").strip()
    return config.printos_type, model, serial


def _of_serial(printer: Printer, serial: str) -> Printer:
    """Give a printer with the serial number that PrintOS is told of it."""
    return replace(printer, identity=replace(printer.identity, serial=serial or None))


def obstacle_of(printer: Printer, registry: Printers, printos: PrintOS) -> tuple[str, str] | None:
    """Give the state of a printer that PrintOS needn't be asked about, with the reason; None where it may be."""
    device_type, model, serial = product_of(printer, registry)
    try:
        printos.check_printer(_of_serial(printer, serial), device_type=device_type, model=model)
    except ConfigError as error:
        return "type-missing", str(error)
    except RefusedError as error:
        return "serial-unusable", str(error)
    return None


def was_made(printer: Printer, registry: Printers, printos: PrintOS, made: MadeDevices) -> bool:
    """Whether making a printer's device would end one that was made before, so that a person must say so.

    Where the answer to the last attempt was lost, or another organisation was in the way, they have said so already.
    """
    if not printos.replaces_unasked or printer.printos in ("unfinished", "other-organisation"):
        return False
    return printer.printos in OWNED or made.has(product_of(printer, registry))


def _may_be_made(error: BaseException | None) -> bool:
    """Whether a request that failed may have made a device: something was sent, and no answer came."""
    return error is not None and (isinstance(error, AnswerLostError) or _may_be_made(error.__cause__))


def result(printer: Printer, outcome: str, message: str, device: DeviceLogin | None = None) -> Row:
    """Give the row that a person reads of one printer: `result` is a word, `message` says what to do."""
    return {
        "printer": printer.id,
        "name": printer.label,
        "result": outcome,
        "device_id": device.device_id if device else None,
        "message": message,
    }
