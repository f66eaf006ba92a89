"""The SNMP side of a pretended printer: system, interfaces, HOST-RESOURCES and Printer-MIB from the engine's truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from agent.drivers import printer_keywords as keywords
from agent.drivers import printer_mib as mib
from agent.drivers.printer_makes import PRINTER_PORT_MONITOR_DEVICE_ID
from agent.drivers.snmp_message import Oid, Tag, encode_integer, encode_oid, encode_value
from agent.model import Identity, PrinterState, PrinterStatus, Supply
from agent.simulator.engine import PrinterEngine
from agent.simulator.snmp_agent import SnmpAgent

DEVICE = 1
ETHERNET = 6
UP = 1
CONSUMED, RECEPTACLE = 3, 4
UNKNOWN = -2
IMPRESSIONS, SHEETS, PERCENT = 7, 8, 19

HR_PRINTER_STATUSES: Mapping[PrinterState, int] = MappingProxyType(
    {PrinterState.UNKNOWN: 2, PrinterState.IDLE: 3, PrinterState.PROCESSING: 4, PrinterState.STOPPED: 1}
)
HR_DEVICE_RUNNING, HR_DEVICE_WARNING, HR_DEVICE_DOWN = 2, 3, 5
ALERT_SEVERITIES: Mapping[str, int] = MappingProxyType({"error": 3, "warning": 4, "report": 1})

_SUPPLY_TYPES = {word: number for number, word in keywords.SUPPLY_TYPES.items()}
_UNITS = {word: number for number, word in keywords.UNITS.items()}
_ALERT_CODES = {word: (code, 1) for code, word in keywords.ALERTS.items()} | {
    word: place for place, word in keywords.GROUPED_ALERTS.items()
}
_ERROR_BITS = {word: bit for bit, (word, _) in reversed(list(enumerate(keywords.DETECTED_ERRORS)))}
_ERROR_BITS |= {supply_word: _ERROR_BITS[word] for word, supply_word in keywords.SUPPLY_WORDS.items()}


class SnmpFront:
    """Serves one engine by SNMP v1 and v2c.

    Args:
        engine: the printer.
        host: the address to listen on.
        port: the UDP port, 0 for any that is free.
        community: the read community.
    """

    def __init__(self, engine: PrinterEngine, *, host: str, port: int, community: str = "public") -> None:
        self._engine = engine
        self._started_at = time.monotonic()
        self._agent = SnmpAgent(self._cells, host=host, port=port, community=community)

    @property
    def port(self) -> int:
        """The UDP port it listens on, known once it is started."""
        return self._agent.port

    def start(self) -> None:
        """Listen."""
        self._agent.start()

    def stop(self) -> None:
        """Stop listening."""
        self._agent.stop()

    def _cells(self) -> dict[Oid, bytes]:
        ticks = int((time.monotonic() - self._started_at) * 100)
        return {
            mib.SYS_UP_TIME: encode_integer(ticks % 2**32, Tag.TIME_TICKS),
            **printer_cells(self._engine.identity, self._engine.status(), self._engine.capabilities().command_set),
        }


Cell = tuple[Oid, bytes]


def printer_cells(identity: Identity, status: PrinterStatus, command_set: tuple[str, ...]) -> dict[Oid, bytes]:
    """Give the values of a printer, but for sysUpTime, in BER by name."""
    return {
        **dict(_identity_cells(identity, command_set)),
        **dict(_status_cells(status)),
        **dict(_supply_cells(status.supplies)),
        **dict(_alert_cells(status.state_reasons)),
    }


def _octets(words: str | None) -> bytes:
    return encode_value(Tag.OCTET_STRING, (words or "").encode())


def _identity_cells(identity: Identity, command_set: tuple[str, ...]) -> Iterator[Cell]:
    model = identity.make_and_model or "Simulated Printer"
    make, _, rest = model.partition(" ")
    languages = f"CMD:{','.join(command_set)};" if command_set else ""
    device_id = f"MFG:{make};{languages}MDL:{rest or make};CLS:PRINTER;DES:{model};SN:{identity.serial or ''};"
    yield mib.SYS_DESCR, _octets(f"{model}; firmware {identity.firmware or '1.0'}")
    yield mib.SYS_OBJECT_ID, encode_oid((0, 0))
    yield mib.SYS_NAME, _octets(identity.name)
    yield mib.SYS_LOCATION, _octets(identity.location)
    yield (*mib.INTERFACES, mib.IF_TYPE, 1), encode_integer(ETHERNET)
    yield (*mib.INTERFACES, mib.IF_PHYS_ADDRESS, 1), encode_value(Tag.OCTET_STRING, _mac_octets(identity.mac))
    yield (*mib.INTERFACES, mib.IF_OPER_STATUS, 1), encode_integer(UP)
    yield (*mib.DEVICES, mib.HR_DEVICE_TYPE, DEVICE), encode_oid(mib.HR_DEVICE_PRINTER)
    yield (*mib.DEVICES, mib.HR_DEVICE_DESCR, DEVICE), _octets(model)
    yield (*mib.GENERAL, mib.PRT_GENERAL_PRINTER_NAME, DEVICE), _octets(identity.name or model)
    yield (*mib.GENERAL, mib.PRT_GENERAL_SERIAL_NUMBER, DEVICE), _octets(identity.serial)
    yield PRINTER_PORT_MONITOR_DEVICE_ID, _octets(device_id)


def _mac_octets(mac: str | None) -> bytes:
    return bytes.fromhex((mac or "").replace(":", ""))


def _status_cells(status: PrinterStatus) -> Iterator[Cell]:
    running = HR_DEVICE_WARNING if status.state_reasons else HR_DEVICE_RUNNING
    device = HR_DEVICE_DOWN if status.state is PrinterState.STOPPED else running
    errors = encode_value(Tag.OCTET_STRING, _detected_errors(status.state_reasons))
    yield (*mib.DEVICES, mib.HR_DEVICE_STATUS, DEVICE), encode_integer(device)
    yield (
        (*mib.HR_PRINTERS, mib.HR_PRINTER_STATUS, DEVICE),
        encode_integer(HR_PRINTER_STATUSES[status.state]),
    )
    yield (*mib.HR_PRINTERS, mib.HR_PRINTER_DETECTED_ERROR_STATE, DEVICE), errors
    impressions = status.impressions_completed
    count = impressions if impressions is not None else status.media_sheets_completed
    unit = IMPRESSIONS if impressions is not None else SHEETS
    yield (*mib.MARKERS, mib.PRT_MARKER_COUNTER_UNIT, DEVICE, 1), encode_integer(unit)
    yield (*mib.MARKERS, mib.PRT_MARKER_LIFE_COUNT, DEVICE, 1), encode_integer(count or 0, Tag.COUNTER32)


def _detected_errors(reasons: tuple[str, ...]) -> bytes:
    """Write hrPrinterDetectedErrorState, bit 0 the most significant of the first of two bytes."""
    bits = {_ERROR_BITS.get(reason.rpartition("-")[0]) for reason in reasons}
    return sum(1 << 15 - bit for bit in bits if bit is not None).to_bytes(2, "big")


def _supply_cells(supplies: tuple[Supply, ...]) -> Iterator[Cell]:
    colorants = list(dict.fromkeys(supply.colorant for supply in supplies if supply.colorant))
    for index, colorant in enumerate(colorants, start=1):
        yield (*mib.COLORANTS, mib.COLORANT_VALUE, DEVICE, index), _octets(colorant)
    for index, supply in enumerate(supplies, start=1):
        colorant_index = colorants.index(supply.colorant) + 1 if supply.colorant else 0
        row = {
            mib.SUPPLY_COLORANT_INDEX: encode_integer(colorant_index),
            mib.SUPPLY_CLASS: encode_integer(RECEPTACLE if supply.supply_class == "receptacle" else CONSUMED),
            mib.SUPPLY_TYPE: encode_integer(_SUPPLY_TYPES.get(supply.supply_type, _SUPPLY_TYPES["other"])),
            mib.SUPPLY_DESCRIPTION: _octets(supply.description),
            mib.SUPPLY_UNIT: encode_integer(_UNITS.get(supply.unit or "", PERCENT)),
            mib.SUPPLY_MAX_CAPACITY: encode_integer(_known(supply.max_capacity)),
            mib.SUPPLY_LEVEL: encode_integer(_known(supply.level)),
        }
        yield from (((*mib.SUPPLIES, column, DEVICE, index), value) for column, value in row.items())


def _known(count: int | None) -> int:
    return UNKNOWN if count is None else count


def _alert_cells(reasons: tuple[str, ...]) -> Iterator[Cell]:
    for index, reason in enumerate(reasons, start=1):
        keyword, _, severity = reason.rpartition("-")
        code, group = _ALERT_CODES.get(keyword, (1, 1))
        row = {
            mib.ALERT_SEVERITY: encode_integer(ALERT_SEVERITIES.get(severity, ALERT_SEVERITIES["report"])),
            mib.ALERT_GROUP: encode_integer(group),
            mib.ALERT_CODE: encode_integer(code),
            mib.ALERT_DESCRIPTION: _octets(keyword.replace("-", " ")),
        }
        yield from (((*mib.ALERTS, column, DEVICE, index), value) for column, value in row.items())
