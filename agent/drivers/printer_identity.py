"""From SNMP values to who a printer is, and whether a host is a printer at all. Pure and total.

No single place can be believed. sysDescr is often the print server, sysObjectID often another maker's, hrDeviceDescr
may be a family's name or carry a serial number, so each has its rule, and the maker is what most of them say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from agent.command_set import parse_command_set
from agent.drivers import printer_mib as mib
from agent.drivers.device_id import parse_device_id, serial_number
from agent.drivers.printer_makes import (
    COMMON_DEVICE_IDS,
    DEVICE_IDS,
    MAKES,
    PRINTER_ARCS,
    Make,
    enterprise_oid,
    make_by_family,
    make_by_name,
    make_by_number,
    without_make,
)
from agent.drivers.printer_mib import Values, cell, identifier, rows, text
from agent.drivers.snmp_message import Oid
from agent.model import Capabilities, Identity

MAC_OCTETS = 6
LOOPBACK = 24
UP = 1
COMPUTER_ARCS = (enterprise_oid("8072.3"), enterprise_oid("311.1"))
"""net-snmp and Windows, whose HOST-RESOURCES list the printers that they print on."""

LANGUAGE_WORDS = {3: "PCL", 5: "PJL", 6: "POSTSCRIPT", 47: "PCLXL", 54: "PDF"}
"""The words of a command set for PrtInterpreterLangFamilyTC (IANA), of the languages that documents are sent in."""

_PRINT_SERVER = re.compile(
    r"(?i)ethernet multi-environment|jetdirect|^brother nc-|built-in|print ?server|printing system|printer i/f"
    r"|network printer$|zebranet|all-n-1 *$|^epson type-"
)
_COMPUTER = re.compile(r"(?i)^((linux|windows|darwin|freebsd|vxworks|net-snmp|sunos|ucd-snmp)\b|hardware:)")
_NO_PRINTER = re.compile(
    r"(?i)camera|switch|router|gateway|\bups\b|\bpdu\b|phone|\bpbx\b|document server|storage|\bnas\b|projector|display"
    r"|wireless|access point|firewall|scanner$|officeserv|procurve|powerconnect|power supply|time ?server|idrac|\bimm\b"
)
_PRINTS = re.compile(
    r"(?i)printer|print ?server|printing|jetdirect|ethernet multi-environment|okilan|all-n-1|zebranet"
    r"|(laser|office|desk|design|ink) ?jet|bizhub|\bineo\b|fiery|pantum|olivetti|dymo|datamax|printronix|tally|bixolon"
    r"|^brother (nc|hl|mfc|dcp)-|^epson (built-in|al-|wf-|tm-|type-)|^canon |^panasonic dp-"
    r"|^dell .*(mfp|laser)|^dell +[a-z]?\d{4}"
    r"|^samsung ([cmskx]|clp|clx|scx|ml|proxpress)\b|^samsung [cmskx][a-z]{0,2}[ -]?\d|^sharp (mx|bp|ar|dx|al|am)-"
    r"|^(ricoh|gestetner|lanier|savin|nrg|nashuatec|infotec|rex-?rotary|develop|lexmark|kyocera|oki|zebra|sato) "
    r"|^toshiba (tec|e-studio)|^(konica ?)?minolta|^(ta_)?utax|triumph-?adler|xerox|^fujifilm (apeos|revoria)"
    r"|^citizen (cl|clp|ct|cmp)|intermec .*p[cdfmx]\d"
)

_JUNK = re.compile(
    r"(?i)\s*(;|\s/\s|\s/P$|,\s|\sversion[:\s]|\sOS\s|\sv\(|\sv\s?\d+\.\s|\s\((net|firmware)|\sseries:|\s\[[0-9a-f]{12}\]$|\srev\.).*$"
)
_SERIAL_AND_FIRMWARE = re.compile(r"\s+[0-9A-Z-]{6,}\s+[A-Z0-9]+(\.[A-Z0-9-]+){2,}$")
_VERSION = re.compile(r"(?i)(\s+(v|ver\.?)?\d+\.\d+[\d.]*\w?)+$")
_GENERIC = re.compile(r"(?i)^generic\b|\d+x+ series\b|\bm\d+-m\d+\b|^printer$|^mf series printer$")
_ATTACHED = re.compile(r"Attached to (.+?)(?:\s+Rev\b|\s*:|$)")
_SERIAL_IN_DESCR = re.compile(r"(?:\bSN[: ]\s*|\bS/N[: ]\s*)([A-Za-z0-9-]{5,})")
_VERSION_IN_DESCR = re.compile(r"\sversion (\S+) kernel\b|; V([\w.]+)_")
_PID = re.compile(r",PID:([^,;]+)")


def vendor_names(values: Values) -> tuple[Oid, ...]:
    """Choose the places in makers' MIBs that are worth asking for, by sysObjectID and sysDescr."""
    descr = text(values.get(mib.SYS_DESCR))
    makes = (_numbered(values), make_by_name(descr), make_by_family(descr))
    places = [
        place
        for make in dict.fromkeys(makes)
        if make is not None
        for place in (*make.models, *make.serials, *make.firmware, *make.device_ids, *make.impressions, *make.supplies)
    ]
    return tuple(dict.fromkeys((*COMMON_DEVICE_IDS, *map(enterprise_oid, places))))


def is_printer(values: Values) -> bool:
    """Judge by evidence for it: a Printer-MIB value, a printer in hrDeviceTable, a device id, an arc, a description."""
    if any(name[: len(mib.PRINTER_MIB)] == mib.PRINTER_MIB and value is not None for name, value in values.items()):
        return True
    if _is_computer(values):
        return False
    return _has_printer_device(values) or any(_device_ids(values)) or _describes_printer(values)


def parse_identity(values: Values) -> Identity:
    """Tell what the values say of who the printer is; what they don't say is None."""
    return Identity(
        serial=next(_serials(values), None),
        mac=_mac(values),
        make_and_model=_make_and_model(values),
        name=text(values.get(mib.SYS_NAME)),
        location=text(values.get(mib.SYS_LOCATION)),
        firmware=_firmware(values),
    )


def parse_capabilities(values: Values) -> Capabilities:
    """Tell which languages the printer names: in its IEEE-1284 device ids, and as its interpreters."""
    told = (text(values.get(place), longest=2048) or "" for place in DEVICE_IDS)
    named = (word for device_id in told if ";" in device_id for word in parse_command_set(device_id))
    families = (row.get(mib.INTERPRETER_LANG_FAMILY) for row in rows(values, mib.INTERPRETERS).values())
    spoken = (LANGUAGE_WORDS[family] for family in families if isinstance(family, int) and family in LANGUAGE_WORDS)
    return Capabilities(command_set=tuple(dict.fromkeys((*named, *spoken))))


def _is_computer(values: Values) -> bool:
    if _is_below(values, PRINTER_ARCS):
        return False
    descr = text(values.get(mib.SYS_DESCR)) or ""
    return _is_below(values, COMPUTER_ARCS) or bool(_COMPUTER.search(descr))


def _is_below(values: Values, arcs: Iterable[Oid]) -> bool:
    sys_object_id = _sys_object_id(values)
    return any(sys_object_id[: len(arc)] == arc for arc in arcs)


def _has_printer_device(values: Values) -> bool:
    if any(row.get(mib.HR_DEVICE_TYPE) == mib.HR_DEVICE_PRINTER for row in rows(values, mib.DEVICES).values()):
        return True
    return any(value is not None for row in rows(values, mib.HR_PRINTERS).values() for value in row.values())


def _describes_printer(values: Values) -> bool:
    descr = text(values.get(mib.SYS_DESCR)) or ""
    if _NO_PRINTER.search(descr):
        return False
    return _is_below(values, PRINTER_ARCS) or bool(_PRINTS.search(descr))


def _sys_object_id(values: Values) -> Oid:
    value = values.get(mib.SYS_OBJECT_ID)
    return value if isinstance(value, tuple) else ()


def _numbered(values: Values) -> Make | None:
    return make_by_number(_sys_object_id(values))


# Make and model


def _make_and_model(values: Values) -> str | None:
    """Give what a person would call it: the first model that names one machine, with its maker in front.

    Where no model is told, the maker that sysDescr names.
    """
    models = [model for model in map(_tidy, _models(values)) if model]
    if not models:
        return _make_alone(values)
    model = min(models, key=lambda found: bool(_GENERIC.search(found)))
    named = make_by_name(model)
    if named and without_make(model, named) != model:
        return _spelt(model, named)
    make = _make(values, model)
    return f"{make.name} {model}"[: mib.LONGEST_TEXT] if make else model


def _spelt(model: str, make: Make) -> str:
    """Keep the maker's name as the printer spells it, but for one that is too long for people."""
    return f"HP {without_make(model, make)}" if make.name == "HP" else model


def _make_alone(values: Values) -> str | None:
    """Name the maker in sysDescr; HP's print servers are in printers of other makers too."""
    make, numbered = make_by_name(text(values.get(mib.SYS_DESCR))), _numbered(values)
    is_guest = make is not None and make.name == "HP" and numbered not in (make, None)
    return make.name if make and not is_guest else None


def _make(values: Values, model: str) -> Make | None:
    """Name the maker by majority; on a tie, texts go before the enterprise number."""
    descr = text(values.get(mib.SYS_DESCR))
    told = (
        make_by_name(model) or make_by_family(model),
        make_by_name(descr),
        *(make_by_name(device_id.get("MFG")) for device_id in _device_ids(values)),
        _numbered(values),
    )
    votes = Counter(make for make in told if make is not None)
    return votes.most_common(1)[0][0] if votes else None


def _models(values: Values) -> Iterator[str | None]:
    """Give every text that may name the model, the most reliable first."""
    yield text(cell(values, mib.DEVICES, mib.HR_DEVICE_DESCR, mib.printer_index(values)))
    descr = text(values.get(mib.SYS_DESCR)) or ""
    yield _model_in_descr(descr)
    for device_id in _device_ids(values):
        yield _model_in_device_id(device_id)
    for make in MAKES:
        for place in make.models:
            yield text(values.get(enterprise_oid(place)))
    yield text(mib.printer_row(values, mib.GENERAL).get(mib.PRT_GENERAL_PRINTER_NAME))
    # An administrator may have named it, so that this comes last.
    named = _PID.search(descr)
    yield named[1] if named else None


def _model_in_descr(descr: str) -> str | None:
    """Find the model in sysDescr; None where that describes a print server or an operating system."""
    if attached := _ATTACHED.search(descr):
        return attached[1]
    if _PRINT_SERVER.search(_JUNK.sub("", descr)) or _COMPUTER.search(descr):
        return None
    return descr


def _model_in_device_id(device_id: dict[str, str]) -> str | None:
    model = device_id.get("MDL")
    return device_id.get("DES", model) if model and _GENERIC.search(model) else model


def _tidy(model: str | None) -> str:
    """Cut versions, serial numbers and lists of modules from the end of a text that names a model."""
    found = re.sub(r"(?i)\bcanon inc\.,", "Canon", model or "")
    for junk in (_JUNK, _SERIAL_AND_FIRMWARE, _VERSION):
        found = junk.sub("", found)
    return found.strip(" -:,;")


# The rest


def _device_ids(values: Values) -> Iterator[dict[str, str]]:
    """Read the IEEE-1284 device ids that name a model."""
    for place in DEVICE_IDS:
        told = text(values.get(place), longest=2048)
        if told and (fields := parse_device_id(told)).get("MDL"):
            yield fields


def _serials(values: Values) -> Iterator[str]:
    """Give every serial number found, the most reliable first."""
    told = [identifier(mib.printer_row(values, mib.GENERAL).get(mib.PRT_GENERAL_SERIAL_NUMBER))]
    # Brother and Kyocera answer in HP's arc as well, so their own places come first.
    told += [identifier(values.get(enterprise_oid(place))) for make in reversed(MAKES) for place in make.serials]
    told += map(serial_number, _device_ids(values))
    in_descr = _SERIAL_IN_DESCR.search(text(values.get(mib.SYS_DESCR), longest=512) or "")
    told.append(in_descr[1] if in_descr else None)
    return (serial for serial in told if serial)


def _firmware(values: Values) -> str | None:
    told = (identifier(values.get(enterprise_oid(place))) for make in reversed(MAKES) for place in make.firmware)
    in_descr = _VERSION_IN_DESCR.search(text(values.get(mib.SYS_DESCR)) or "")
    return next(filter(None, told), in_descr and (in_descr[1] or in_descr[2])) or None


def _mac(values: Values) -> str | None:
    """Give the address of the interface that is most likely the printer's own: up, no loopback, not made up."""
    found = [
        (row.get(mib.IF_OPER_STATUS) != UP, row.get(mib.IF_TYPE) == LOOPBACK, bool(address[0] & 2), index, address)
        for index, row in rows(values, mib.INTERFACES).items()
        if isinstance(address := row.get(mib.IF_PHYS_ADDRESS), bytes) and _is_own_address(address)
    ]
    return min(found)[-1].hex(":") if found else None


def _is_own_address(address: bytes) -> bool:
    """Whether it is 48 bits of a single station: not zero, no group's."""
    return len(address) == MAC_OCTETS and any(address) and not address[0] & 1
