"""What HP's REST interface answers, as models: pure.

The interface is described only by example, so a body may be JSON or XML and a name may be spelt `percentRemaining`,
`PercentRemaining` or `percent-remaining`: both become one tree with names in lower case, letters and digits only. State
words are an open set: a word that is not known is kept as a reason, and tells no state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import Element

from agent.drivers.xml_document import local_name, parse_xml
from agent.errors import PrinterProtocolError
from agent.job import JobReading, JobState
from agent.model import Capabilities, Identity, PrinterState, PrinterStatus, Reading, Supply

Tree = Mapping[str, Any]

DEPTH_LIMIT = 20
TEXT_LIMIT = 255
ITEM_LIMIT = 256
JOBS_LIMIT = 10_000
NUMBER_LIMIT = 10**15
PRINTER_STATES: Mapping[str, PrinterState] = MappingProxyType(
    dict.fromkeys(("ready", "idle", "online", "ok", "standby", "sleep", "inpowersave"), PrinterState.IDLE)
    | dict.fromkeys(("busy", "processing", "printing", "warmingup", "initializing"), PrinterState.PROCESSING)
    | dict.fromkeys(("error", "stopped", "offline", "jam", "shuttingdown"), PrinterState.STOPPED)
)
JOB_STATES: Mapping[str, JobState] = MappingProxyType(
    dict.fromkeys(("pending", "queued", "waiting", "received", "accepted", "created"), JobState.PENDING)
    | dict.fromkeys(("held", "hold", "pendingheld"), JobState.PENDING_HELD)
    | dict.fromkeys(("processing", "printing", "busy", "active", "inprogress"), JobState.PROCESSING)
    | dict.fromkeys(("processingstopped", "stopped", "paused", "error", "blocked"), JobState.PROCESSING_STOPPED)
    | dict.fromkeys(("canceled", "cancelled"), JobState.CANCELED)
    | dict.fromkeys(("aborted", "failed"), JobState.ABORTED)
    | dict.fromkeys(("completed", "complete", "done", "finished", "printed"), JobState.COMPLETED)
)
COLORANTS = ("black", "cyan", "magenta", "yellow", "red", "green", "blue", "orange", "violet", "gray", "white", "clear")
SUPPLY_TYPES = ("waste-toner", "waste-ink", "toner-cartridge", "toner", "ink-cartridge", "ink", "opc", "fuser")


def parse_tree(body: bytes) -> Tree:
    """Read a JSON object or list, or an XML document; a list and the children of the root become `items`.

    Raises:
        PrinterProtocolError: it is neither, or is nested too deeply.
    """
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    tree = _from_xml(text) if text.startswith(b"<") else _from_json(text)
    if isinstance(tree, list):
        return {"items": tree}
    if not isinstance(tree, dict):
        raise PrinterProtocolError("the answer is neither an object nor a list")
    return tree


def parse_device_id(body: bytes) -> str | None:
    """Find the first device's id in the answer to `GET /Devices`."""
    for device in _items(parse_tree(body), "devices", "device"):
        if device_id := _text(_pick(device, "deviceid", "id")):
            return device_id
    return None


def parse_reading(status: bytes, consumables: bytes | None) -> Reading:
    """Read a printer from the bodies of `ProductStatus` and, where it has one, of `Consumables`.

    Raises:
        PrinterProtocolError: this is no product status.
    """
    tree = parse_tree(status)
    word = _text(_pick(tree, "status", "productstatus", "state", "statuscategory"))
    if word is None:
        raise PrinterProtocolError("the product status names no status")
    state = PRINTER_STATES.get(_name(word), PrinterState.UNKNOWN)
    unknown = () if state is not PrinterState.UNKNOWN else (_keyword(word),)
    accepting = _pick(tree, "acceptingjobs", "isacceptingjobs")
    return Reading(
        identity=_identity(tree),
        status=PrinterStatus(
            state=state,
            state_reasons=_reasons(tree) + unknown,
            accepting_jobs=str(accepting).lower() != "false",
            supplies=() if consumables is None else parse_supplies(consumables),
            impressions_completed=_whole(_pick(tree, "impressionscompleted", "totalimpressions", "pagestotal")),
        ),
        capabilities=Capabilities(document_formats=_texts(_pick(tree, "documentformats", "documentformat"))),
    )


def parse_supplies(body: bytes) -> tuple[Supply, ...]:
    """Read `Consumables`, of the device or of `/dev/rest/consumables`."""
    return tuple(map(_supply, _items(parse_tree(body), "consumables", "consumable")))


def parse_job(body: bytes) -> JobReading:
    """Read a job; `state` is None where its state is missing or a word that is not known."""
    tree = parse_tree(body)
    return _job(job if isinstance(job := tree.get("job"), dict) else tree)


def parse_jobs(body: bytes) -> tuple[JobReading, ...]:
    """Read the list of jobs; each as `parse_job` reads one."""
    return tuple(map(_job, _items(parse_tree(body), "jobs", "job", limit=JOBS_LIMIT)))


def _job(tree: Tree) -> JobReading:
    word = _text(_pick(tree, "jobstate", "jobstatus", "status", "state"))
    state = None if word is None else JOB_STATES.get(_name(word))
    unknown = () if word is None or state is not None else (_keyword(word),)
    return JobReading(
        state=state,
        device_job_id=_text(_pick(tree, "jobid", "id")),
        state_reasons=_reasons(tree) + unknown,
        impressions_completed=_whole(_pick(tree, "impressionscompleted", "pagesprinted")),
        message=_text(_pick(tree, "message")) or "",
        name=_text(_pick(tree, "jobname", "name")),
    )


def _identity(tree: Tree) -> Identity:
    uuid, mac = (_text(_pick(tree, name)) for name in ("uuid", "mac"))
    return Identity(
        uuid=uuid.lower().removeprefix("urn:uuid:") if uuid else None,
        serial=_text(_pick(tree, "serialnumber", "serial")),
        mac=mac.lower().replace("-", ":") if mac else None,
        make_and_model=_text(_pick(tree, "makeandmodel", "model")),
        name=_text(_pick(tree, "devicename", "name")),
        location=_text(_pick(tree, "location")),
        firmware=_text(_pick(tree, "firmwareversion", "firmware")),
    )


def _supply(tree: Tree) -> Supply:
    description = _text(_pick(tree, "name", "description")) or "unknown"
    told = _keyword(_text(_pick(tree, "type", "consumabletype")) or description)
    supply_type = next((known for known in SUPPLY_TYPES if known in told), "waste" if "waste" in told else "other")
    words = f"{_text(_pick(tree, 'color', 'colorant')) or ''} {description}".lower()
    level = _whole(_pick(tree, "percentremaining", "percentageremaining", "percentagelevelremaining"))
    return Supply(
        description=description,
        supply_type=supply_type,
        supply_class="receptacle" if supply_type.startswith("waste") else "consumed",
        colorant=next((colorant for colorant in COLORANTS if colorant in words), None),
        unit="percent",
        level=level if level is not None and level <= 100 else None,  # noqa: PLR2004 - percent
        max_capacity=100,
    )


def _reasons(tree: Tree) -> tuple[str, ...]:
    told = _pick(tree, "statereasons", "statusreasons", "reasons", "alerts")
    reasons = (_keyword(text) for text in _texts(told))
    return tuple(reason for reason in reasons if reason not in {"", "none"})


def _from_json(text: bytes) -> Any:
    try:
        return _plain_json(json.loads(text), DEPTH_LIMIT)
    except (ValueError, RecursionError) as exc:
        raise PrinterProtocolError("the answer is not JSON") from exc


def _plain_json(value: Any, depth: int) -> Any:
    if not depth:
        raise PrinterProtocolError("the answer is nested too deeply")
    if isinstance(value, dict):
        return {_name(key): _plain_json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_json(item, depth - 1) for item in value]
    return value


def _from_xml(text: bytes) -> Any:
    root = parse_xml(text)
    tree = _plain_xml(root, DEPTH_LIMIT)
    return tree if isinstance(tree, dict) else {_name(root.tag): tree}


def _plain_xml(element: Element, depth: int) -> Any:
    """Give an element's text, or its children by local name; one that repeats becomes a list."""
    if not depth:
        raise PrinterProtocolError("the answer is nested too deeply")
    if not len(element):
        return element.text
    tree: dict[str, Any] = {}
    for child in element:
        name, value = _name(local_name(child)), _plain_xml(child, depth - 1)
        if name not in tree:
            tree[name] = value
        elif isinstance(tree[name], list):
            tree[name].append(value)
        else:
            tree[name] = [tree[name], value]
    return tree


def _items(tree: Tree, plural: str, singular: str, limit: int = ITEM_LIMIT) -> Iterator[Tree]:
    """Give the objects of a list: `plural`, the repeated `singular` in it or alone, or the whole answer."""
    found: Any = next((tree[name] for name in (plural, singular, "items") if name in tree), [])
    if isinstance(found, dict):
        found = found.get(singular, found)
    for item in (found if isinstance(found, list) else [found])[:limit]:
        if isinstance(item, dict):
            yield item


def _pick(tree: Tree, *names: str) -> Any:
    return next((tree[name] for name in names if tree.get(name) is not None), None)


def _texts(value: Any) -> tuple[str, ...]:
    """Give the strings of a list, of XML's one repeated child, or of one string with commas."""
    if isinstance(value, dict):
        value = next(iter(value.values()), None)
    if isinstance(value, str):
        value = value.split(",")
    items = value[:ITEM_LIMIT] if isinstance(value, list) else []
    return tuple(text for text in map(_text, items) if text)


def _text(value: Any) -> str | None:
    """Give a short printable string, or None for what is none; a number is written out."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        text = str(value)
    except ValueError:  # an integer of thousands of digits
        return None
    return "".join(letter for letter in text if letter.isprintable()).strip()[:TEXT_LIMIT] or None


def _whole(value: Any) -> int | None:
    """Give a number that is not negative, from a number or from text such as `42` or `42 %`."""
    found = re.fullmatch(r"(\d{1,15})(?:\.\d+)?\s*%?", str(value).strip()) if isinstance(value, str | float) else None
    number: Any = int(found[1]) if found else value
    is_whole = isinstance(number, int) and not isinstance(number, bool)
    return number if is_whole and 0 <= number <= NUMBER_LIMIT else None


def _name(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def _keyword(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
