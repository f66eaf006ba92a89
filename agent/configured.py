"""The `[[printer]]`s of the configuration: each as a printer not reached yet, and which known printer it means."""

from __future__ import annotations

import re

from agent.config_schema import PrinterConfig
from agent.endpoints import host_of
from agent.model import Clock, Identity, Printer, printer_id


def configured_printer(config: PrinterConfig, now: Clock) -> Printer:
    """Give a printer of the configuration as it is before it has been reached: offline, its jobs wait."""
    uuid = config.uuid.lower().removeprefix("urn:uuid:") or None
    identity = Identity(uuid=uuid, serial=config.serial or None, mac=config.mac.lower() or None)
    host = host_of(config.uris[0]) if config.uris else config.host
    fallback = config.uris[0] if config.uris else host
    return Printer(printer_id(identity, fallback), identity, host, config.uris, now(), sources=("config",))


def is_configured_by(printer: Printer, config: PrinterConfig) -> bool:
    """Whether a printer is the one that a `[[printer]]` means: all that it names of it is so."""
    identity = printer.identity
    pairs = (
        (config.uuid.lower().removeprefix("urn:uuid:"), identity.uuid),
        (config.serial.casefold(), (identity.serial or "").casefold()),
        (_digits(config.mac), _digits(identity.mac or "")),
        (config.host, printer.host),
    )
    named = [wanted == told for wanted, told in pairs if wanted]
    return all(named) if named else bool(set(config.uris) & set(printer.uris))


def _digits(mac: str) -> str:
    return re.sub(r"[^0-9a-f]", "", mac.lower())
