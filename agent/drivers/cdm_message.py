"""What HP's CDM says in JSON under `/cdm/`, as models: pure.

Booleans are the strings `true` and `false`, `version` is the schema's and never the firmware's, and a number may be
negative nonsense.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from agent.drivers.hp_keywords import (
    COLORANTS,
    Conditions,
    cleaned,
    color_code,
    describe,
    hyphenated,
    merged,
    plain,
    serial_of,
    supply_type_of,
    uuid_of,
    weigh,
    with_make,
)
from agent.errors import PrinterProtocolError
from agent.model import Identity, PrinterState, PrinterStatus, Supply

FULL_PERCENT = 100
MOST_ITEMS = 64
LARGEST_DOCUMENT_BYTES = 1_048_576
LARGEST_NUMBER = 10**15
SYSTEM_STATUS = "/cdm/system/v1/status"
PRINT_STATUS = "/cdm/print/v2/status"
ALERTS = "/cdm/alert/v1/alerts"
SUPPLIES = "/cdm/supply/v1/suppliesPublic"
COUNTERS = "/cdm/deviceUsage/v1/lifetimeCounters"
IDENTITY = "/cdm/system/v1/identity"
CONFIGURATION = "/cdm/system/v1/configuration"
USUAL_PATHS: Mapping[str, str] = MappingProxyType(
    {path: path for path in (SYSTEM_STATUS, PRINT_STATUS, ALERTS, SUPPLIES, COUNTERS, IDENTITY, CONFIGURATION)}
)
MOST_SERVICES = 4096
_PATH = re.compile(r"/cdm/\w{1,64}/v\d{1,3}/\w{1,64}", re.ASCII)
PRINTER_STATES = {state.keyword: state for state in PrinterState if state is not PrinterState.UNKNOWN}

Tree = Mapping[str, Any]
Alerts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PrintStatus:
    """`print/v2/status`, which speaks IPP's words."""

    state: PrinterState = PrinterState.UNKNOWN
    reasons: tuple[str, ...] = ()
    accepting_jobs: bool = True


@dataclass(frozen=True, slots=True)
class Counters:
    """`deviceUsage/v1/lifetimeCounters`: impressions and sheets of the whole life."""

    impressions_completed: int | None = None
    media_sheets_completed: int | None = None
    color_impressions: int | None = None
    monochrome_impressions: int | None = None


def parse_services(body: bytes) -> Mapping[str, str]:
    """Read `servicesDiscovery`: the path of each document, in the version that this printer has; else the usual one.

    Raises:
        PrinterProtocolError: it lists no services.
    """
    tree = _tree(body)
    if "services" not in tree:
        raise PrinterProtocolError("the answer lists no services")
    listed = {_without_version(path): path for path in _paths(tree["services"])}
    return {path: listed.get(_without_version(path), path) for path in USUAL_PATHS}


def parse_system_status(body: bytes) -> str:
    """Read `system/v1/status`: HP's word for the state.

    Raises:
        PrinterProtocolError: it has none.
    """
    word = _text(_tree(body).get("status"))
    if word is None:
        raise PrinterProtocolError("the answer names no status")
    return word


def parse_print_status(body: bytes) -> PrintStatus:
    """Read `print/v2/status`.

    Raises:
        PrinterProtocolError: it names no state.
    """
    tree = _tree(body)
    if "printerState" not in tree:
        raise PrinterProtocolError("the answer names no printer state")
    reasons = (hyphenated(text) for text in map(_text, _items(tree.get("printerStateReasons"))) if text)
    return PrintStatus(
        state=PRINTER_STATES.get(plain(_text(tree.get("printerState")) or ""), PrinterState.UNKNOWN),
        reasons=tuple(reason for reason in reasons if reason not in {"", "none"}),
        accepting_jobs=_boolean(tree.get("printerIsAcceptingJobs")) is not False,
    )


def parse_alerts(body: bytes) -> Alerts:
    """Read `alert/v1/alerts` or `supply/v1/alerts`: category and severity of each.

    Raises:
        PrinterProtocolError: it is no list of alerts.
    """
    alerts = ((_text(item.get("category")), _text(item.get("severity"))) for item in _objects(_tree(body), "alerts"))
    return tuple((category, severity or "") for category, severity in alerts if category)


def parse_identity(body: bytes) -> Identity:
    """Read `system/v1/identity`.

    Raises:
        PrinterProtocolError: it is no JSON object.
    """
    tree = _tree(body)
    model = tree.get("makeAndModel")
    names = [model] if isinstance(model, str) else [_dict(model).get(name) for name in ("name", "base", "family")]
    return Identity(
        uuid=uuid_of(_text(tree.get("deviceUuid")) or ""),
        serial=serial_of(_text(tree.get("serialNumber")) or ""),
        make_and_model=with_make(next(filter(None, map(_text, names)), None)),
        firmware=_text(tree.get("firmwareVersion")) or _text(tree.get("firmwareDateCode")),
    )


def parse_configuration(body: bytes) -> Identity:
    """Read `system/v1/configuration`: where the printer stands, and what people call it.

    Raises:
        PrinterProtocolError: it is no JSON object.
    """
    tree = _tree(body)
    return Identity(name=_text(tree.get("deviceName")), location=_text(tree.get("deviceLocation")))


def parse_supplies(body: bytes) -> tuple[Supply, ...]:
    """Read `supply/v1/suppliesPublic`; a percentage that is only a bound is taken as it is shown.

    Raises:
        PrinterProtocolError: it is no list of supplies.
    """
    return tuple(map(_supply, _objects(_tree(body), "suppliesList")))


def parse_counters(body: bytes) -> Counters:
    """Read `deviceUsage/v1/lifetimeCounters`.

    Raises:
        PrinterProtocolError: it is no JSON object.
    """
    usage = _dict(_tree(body).get("printUsage"))
    impressions = _dict(usage.get("impressions"))
    return Counters(
        impressions_completed=_count(impressions.get("total")),
        media_sheets_completed=_count(_dict(usage.get("sheets")).get("total")),
        color_impressions=_count(impressions.get("color")),
        monochrome_impressions=_count(impressions.get("monochrome")),
    )


def status_of(conditions: Conditions, told: PrintStatus | None, *, uses_ink: bool) -> PrinterStatus:
    """Make one status of the system's word, the alerts, and the print service's state.

    The state is the print service's where it tells one: a printer that scans does not print.
    """
    status = weigh(conditions, uses_ink=uses_ink)
    if told is None:
        return status
    return replace(
        status,
        state=status.state if told.state is PrinterState.UNKNOWN else told.state,
        state_reasons=merged((*told.reasons, *status.state_reasons)),
        accepting_jobs=told.accepting_jobs and status.accepting_jobs,
    )


def _supply(tree: Tree) -> Supply:
    code = color_code(
        _text(tree.get("supplyColorCode")) or "".join(filter(None, map(_text, _items(tree.get("colors")))))
    )
    kind = _text(tree.get("supplyType")) or ""
    supply_type = supply_type_of(kind)
    percent = _count(tree.get("percentLifeDisplay"))
    is_there = plain(_text(tree.get("supplyState")) or "") != "missing"
    is_told = is_there and percent is not None and percent <= FULL_PERCENT
    return Supply(
        description=describe(code, kind, _text(tree.get("selectabilityNumber")) or ""),
        supply_type=supply_type,
        supply_class="receptacle" if supply_type.startswith("waste") else "consumed",
        colorant=COLORANTS.get(code),
        unit="percent",
        level=percent if is_told else None,
        max_capacity=FULL_PERCENT,
    )


def _paths(services: Any) -> Iterator[str]:
    """Find the paths of documents at any depth, as the shape of the list differs."""
    waiting = deque([services])
    for _ in range(MOST_SERVICES):
        if not waiting:
            return
        value = waiting.popleft()
        if isinstance(value, str) and _PATH.fullmatch(value):
            yield value
        elif isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)


def _without_version(path: str) -> str:
    return re.sub(r"/v\d+/", "/", path)


def _tree(body: bytes) -> Tree:
    if len(body) > LARGEST_DOCUMENT_BYTES:
        raise PrinterProtocolError("the answer is too long")
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise PrinterProtocolError("the answer is not JSON") from exc
    if not isinstance(tree, dict):
        raise PrinterProtocolError("the answer is no JSON object")
    return tree


def _objects(tree: Tree, name: str) -> Iterator[Tree]:
    if not isinstance(tree.get(name), list):
        raise PrinterProtocolError(f"the answer has no list of {name}")
    return (item for item in _items(tree[name]) if isinstance(item, dict))


def _items(value: Any) -> Sequence[Any]:
    return value[:MOST_ITEMS] if isinstance(value, list) else ()


def _dict(value: Any) -> Tree:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return cleaned(value) if isinstance(value, str) else None


def _boolean(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(str(value).strip().lower()) if isinstance(value, str | bool) else None


def _count(value: Any) -> int | None:
    """Give a whole number that is not negative."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value <= LARGEST_NUMBER else None
