"""Create the PrintOS devices of printers: one administrator's session for all, credentials sealed before they count."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from agent.config_schema import PrinterConfig
from agent.credentials import CredentialStore, DeviceLogin
from agent.errors import (
    CloudError,
    CloudRefusedError,
    CloudUnreachableError,
    ConfigError,
    LoginTurnError,
    RefusedError,
    StorageError,
)
from agent.model import Event, Printer, Progress

log = logging.getLogger(__name__)

Row = dict[str, Any]


class PrintOS(Protocol):
    """One dialect of the Device API; what fails raises CloudError."""

    @property
    def needs_login(self) -> bool:
        """Whether a device must log in before it can tell its status."""

    def check_printer(self, printer: Printer, *, device_type: str, model: str) -> None:
        """Raise ConfigError where the configuration must name something, RefusedError where PrintOS never takes it."""

    def login_administrator(self, login: str, password: str) -> str:
        """Log a person in and give the session's token."""

    def provision_device(
        self, printer: Printer, *, device_type: str, model: str, replace: bool, token: str, password: str
    ) -> DeviceLogin:
        """Create or adopt a printer's device; raises RefusedError where that takes `replace`."""

    def logout_administrator(self, token: str) -> None:
        """End a person's session; raises nothing."""

    def login_device(self, device: DeviceLogin) -> None:
        """Open a device's session."""


class Printers(Protocol):
    """What is needed of the registry."""

    def printers(self) -> tuple[Printer, ...]:
        """Give all printers as they are now."""

    def find(self, id_or_alias: str) -> Printer:
        """Find a printer; raises NotFoundError."""

    def config_for(self, printer: Printer) -> PrinterConfig | None:
        """Give the printer's section of the configuration."""

    def set_printos(self, printer_id: str, state: str) -> Printer:
        """Note how a printer stands with PrintOS; raises NotFoundError."""


class Activation:
    """Creates devices.

    Args:
        printos: the dialect.
        registry: the printers.
        credentials: where their logins are sealed.
        tell: takes events.
        on_device: takes a printer's id and its new device, once that is sealed and the administrator is logged out.
    """

    def __init__(
        self,
        *,
        printos: PrintOS,
        registry: Printers,
        credentials: CredentialStore,
        tell: Callable[[Event], None],
        on_device: Callable[[str, DeviceLogin], None],
    ) -> None:
        self._printos = printos
        self._registry = registry
        self._credentials = credentials
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
        rows = {printer.id: self._obstacle(printer) for printer in printers}
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

    def _obstacle(self, printer: Printer) -> Row | None:
        """Tell what speaks against asking PrintOS at all; None where nothing does."""
        device_type, model = self._product(printer)
        try:
            self._printos.check_printer(printer, device_type=device_type, model=model)
        except ConfigError as error:
            return self._settled(printer, "not-provisionable", str(error))
        except RefusedError as error:
            return self._settled(printer, "refused", str(error))
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
        device_type, model = self._product(printer)
        try:
            device = self._printos.provision_device(
                printer, device_type=device_type, model=model, replace=replace, token=token, password=password
            )
        except CloudUnreachableError:
            raise
        except RefusedError as error:  # it takes a decision of the person: what the printer is stays as it is
            return result(printer, "refused", str(error)), None
        except CloudError as error:
            return self._settled(printer, "refused", str(error)), None
        if self._printos.needs_login and not device.login:
            message = (
                "PrintOS gave the device no login, without which it can't tell its status: its type is not "
                'self-provisionable, or the openapi dialect needs another [printos] auth than "session"'
            )
            return self._settled(printer, "not-provisionable", message), None
        return self._sealed(printer, device)

    def _sealed(self, printer: Printer, device: DeviceLogin) -> tuple[Row, DeviceLogin | None]:
        try:
            self._credentials.save(printer.id, device)
        except (StorageError, RefusedError) as error:
            self._registry.set_printos(printer.id, "credentials-lost")
            advice = "put that right and make the device anew with activate --replace"
            return result(printer, "failed", f"its credentials could not be kept: {error}; {advice}"), None
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
            self._registry.set_printos(row["printer"], "refused")
            return {**row, "result": "refused", "message": str(error)}
        except CloudError as error:
            return {**row, "message": f"it logs in when it can: {error}"}
        return row

    def _settled(self, printer: Printer, outcome: str, message: str) -> Row:
        """Note what PrintOS will say again until a person changes something."""
        self._registry.set_printos(printer.id, outcome)
        return result(printer, outcome, message)

    def _product(self, printer: Printer) -> tuple[str, str]:
        """Give PrintOS's names of the printer's type and model, each empty where it isn't known."""
        config = self._registry.config_for(printer)
        device_type, model = (config.printos_type, config.printos_model) if config else ("", "")
        return device_type, model or printer.identity.make_and_model or ""


def result(printer: Printer, outcome: str, message: str, device: DeviceLogin | None = None) -> Row:
    """Give the row that a person reads of one printer: `result` is a word, `message` says what to do."""
    return {
        "printer": printer.id,
        "name": printer.label,
        "result": outcome,
        "device_id": device.device_id if device else None,
        "message": message,
    }
