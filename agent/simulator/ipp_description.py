"""How a pretended printer describes itself and its jobs in IPP attributes, and what it understands of a job's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from agent.drivers.ipp_keywords import FINISHINGS, QUALITIES
from agent.drivers.ipp_values import Attribute, Attributes, Operation, Range, Resolution, Tag, Tagged, Value, attribute
from agent.model import Identity, PrinterStatus, Supply
from agent.simulator.engine import PrinterEngine, SimulatedJob

PRIORITIES = Range(1, 100)
PORTRAIT = 3
PAGES_PER_MINUTE = 30
ALWAYS: Mapping[str, tuple[str, ...]] = MappingProxyType({"finishings": ("none",)})
"""What every printer can do."""
RGB_BY_COLORANT = {"black": "#000000", "cyan": "#00FFFF", "magenta": "#FF00FF", "yellow": "#FFFF00"}

OPTION_TAGS = {
    "copies": Tag.INTEGER,
    "sides": Tag.KEYWORD,
    "media": Tag.KEYWORD,
    "print-color-mode": Tag.KEYWORD,
    "page-ranges": Tag.RANGE_OF_INTEGER,
    "print-quality": Tag.ENUM,
    "finishings": Tag.ENUM,
    "job-priority": Tag.INTEGER,
}
"""The job template attributes that a job may carry, and their syntax."""

_ENUMS = {"print-quality": QUALITIES, "finishings": FINISHINGS}


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent a job, and when, in seconds of `up_time`; what the engine doesn't keep."""

    user: str = "unknown"
    created_at: int = 1


def up_time() -> int:
    """Give printer-up-time: seconds, at least 1."""
    return max(1, round(time.monotonic()))


def describe_printer(engine: PrinterEngine, uri: str, versions: tuple[tuple[int, int], ...]) -> Attributes:
    """Give the printer attributes group."""
    status, formats = engine.status(), engine.capabilities().document_formats
    waiting = sum(not job.state.is_final for job in engine.jobs())
    return Attributes(
        (
            attribute("printer-uri-supported", Tag.URI, uri),
            attribute("uri-authentication-supported", Tag.KEYWORD, "requesting-user-name"),
            attribute("uri-security-supported", Tag.KEYWORD, "none"),
            attribute("ipp-versions-supported", Tag.KEYWORD, *(f"{major}.{minor}" for major, minor in versions)),
            attribute("operations-supported", Tag.ENUM, *Operation),
            attribute("charset-configured", Tag.CHARSET, "utf-8"),
            attribute("charset-supported", Tag.CHARSET, "utf-8"),
            attribute("natural-language-configured", Tag.NATURAL_LANGUAGE, "en"),
            attribute("generated-natural-language-supported", Tag.NATURAL_LANGUAGE, "en"),
            attribute("document-format-default", Tag.MIME_MEDIA_TYPE, *formats[:1]),
            attribute("document-format-supported", Tag.MIME_MEDIA_TYPE, *formats),
            attribute("compression-supported", Tag.KEYWORD, "none"),
            attribute("pdl-override-supported", Tag.KEYWORD, "attempted"),
            attribute("multiple-document-jobs-supported", Tag.BOOLEAN, False),
            attribute("which-jobs-supported", Tag.KEYWORD, "completed", "not-completed"),
            attribute("job-priority-supported", Tag.INTEGER, PRIORITIES.upper),
            attribute("queued-job-count", Tag.INTEGER, waiting),
            attribute("printer-up-time", Tag.INTEGER, up_time()),
            *_describe_identity(engine.identity, engine.capabilities().command_set),
            *_describe_status(status),
            *_describe_supplies(status.supplies),
            *_describe_options(engine.capabilities().options),
            *_describe_defaults(engine.capabilities().options),
            attribute("printer-more-info", Tag.URI, uri.replace("ipp", "http", 1)),
        )
    )


def describe_job(job: SimulatedJob, origin: Origin, printer_uri: str) -> Attributes:
    """Give the job attributes group."""
    return Attributes(
        (
            attribute("job-id", Tag.INTEGER, job.id),
            attribute("job-uri", Tag.URI, f"{printer_uri}/{job.id}"),
            attribute("job-printer-uri", Tag.URI, printer_uri),
            attribute("job-name", Tag.NAME, job.name),
            attribute("job-state", Tag.ENUM, job.state),
            attribute("job-state-reasons", Tag.KEYWORD, *(job.state_reasons or ("none",))),
            attribute("job-impressions-completed", Tag.INTEGER, job.impressions_completed),
            attribute("job-k-octets", Tag.INTEGER, -(-job.size // 1024)),
            attribute("job-printer-up-time", Tag.INTEGER, up_time()),
            attribute("job-originating-user-name", Tag.NAME, origin.user),
            attribute("time-at-creation", Tag.INTEGER, origin.created_at),
            _describe_time("time-at-processing", job.began_at),
            attribute("time-at-completed", Tag.NO_VALUE, None),
        )
    )


def _describe_time(name: str, seconds: float | None) -> Attribute:
    return attribute(name, Tag.NO_VALUE, None) if seconds is None else attribute(name, Tag.INTEGER, round(seconds))


def sort_options(
    template: Attributes, supported: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, object], tuple[Attribute, ...]]:
    """Sort a job's template attributes into what the engine understands, and those that can't be had as asked."""
    options: dict[str, object] = {}
    refused: list[Attribute] = []
    for item in template.items:
        values = [_understood(item.name, tagged, supported) for tagged in item.values]
        if any(value is None for value in values):
            refused.append(item)
        elif item.name in {"page-ranges", "finishings"}:
            options[item.name] = tuple(values)
        else:
            options[item.name] = values[0]
    return options, tuple(refused)


def _understood(name: str, tagged: Tagged, supported: Mapping[str, tuple[str, ...]]) -> object | None:
    """Give a value in the engine's form: a number, a keyword, a pair of pages; None where it isn't supported."""
    if tagged.tag != OPTION_TAGS.get(name):
        return None
    value = tagged.value
    if name == "job-priority":
        return value if _is_within(value, PRIORITIES) else None
    allowed = supported.get(name, ALWAYS.get(name, ()))
    if name == "copies":
        return value if any(_is_within(value, _range(text)) for text in allowed) else None
    if name == "page-ranges":
        is_range = isinstance(value, Range) and 0 < value.lower <= value.upper
        return (value.lower, value.upper) if isinstance(value, Range) and is_range and allowed else None
    keyword = next((word for word, number in _ENUMS.get(name, {}).items() if number == value), value)
    return keyword if keyword in allowed else None


def _range(text: str) -> Range:
    lower, _, upper = text.partition("-")
    return Range(int(lower), int(upper or lower))


def _is_within(value: Value, range_: Range) -> bool:
    return isinstance(value, int) and range_.lower <= value <= range_.upper


def _describe_identity(identity: Identity, command_set: tuple[str, ...]) -> tuple[Attribute, ...]:
    make, _, model = (identity.make_and_model or "Simulated Printer").partition(" ")
    languages = f"CMD:{','.join(command_set)};" if command_set else ""
    device_id = f"MFG:{make};{languages}MDL:{model};" + (f"SN:{identity.serial};" if identity.serial else "")
    told = (
        _told("printer-name", Tag.NAME, identity.name),
        _told("printer-info", Tag.TEXT, identity.name),
        _told("printer-location", Tag.TEXT, identity.location),
        _told("printer-make-and-model", Tag.TEXT, identity.make_and_model),
        _told("printer-device-id", Tag.TEXT, device_id),
        _told("printer-firmware-string-version", Tag.TEXT, identity.firmware),
        _told("printer-uuid", Tag.URI, identity.uuid and f"urn:uuid:{identity.uuid}"),
    )
    return tuple(item for item in told if item is not None)


def _describe_status(status: PrinterStatus) -> tuple[Attribute, ...]:
    told = (
        attribute("printer-state", Tag.ENUM, status.state),
        attribute("printer-state-reasons", Tag.KEYWORD, *(status.state_reasons or ("none",))),
        attribute("printer-is-accepting-jobs", Tag.BOOLEAN, status.accepting_jobs),
        _told("printer-impressions-completed", Tag.INTEGER, status.impressions_completed),
        _told("printer-media-sheets-completed", Tag.INTEGER, status.media_sheets_completed),
    )
    return tuple(item for item in told if item is not None)


def _describe_supplies(supplies: tuple[Supply, ...]) -> tuple[Attribute, ...]:
    if not supplies:
        return ()
    percents = (supply.percent for supply in supplies)
    colors = (RGB_BY_COLORANT.get(supply.colorant or "", "none") for supply in supplies)
    return (
        attribute("marker-names", Tag.NAME, *(supply.description for supply in supplies)),
        attribute("marker-types", Tag.KEYWORD, *(supply.supply_type for supply in supplies)),
        attribute("marker-colors", Tag.NAME, *colors),
        attribute("marker-levels", Tag.INTEGER, *(-2 if percent is None else round(percent) for percent in percents)),
        attribute("printer-supply", Tag.OCTET_STRING, *map(_supply_octets, supplies)),
        attribute("printer-supply-description", Tag.TEXT, *(supply.description for supply in supplies)),
    )


def _supply_octets(supply: Supply) -> bytes:
    fields = {
        "type": _camel(supply.supply_type),
        "maxcapacity": -2 if supply.max_capacity is None else supply.max_capacity,
        "level": -2 if supply.level is None else supply.level,
        "class": "receptacleThatIsFilled" if supply.supply_class == "receptacle" else "supplyThatIsConsumed",
        "unit": _camel(supply.unit or "unknown"),
        "colorantname": supply.colorant or "none",
    }
    return "".join(f"{key}={value};" for key, value in fields.items()).encode()


def _describe_options(options: Mapping[str, tuple[str, ...]]) -> tuple[Attribute, ...]:
    describe: dict[str, Callable[[tuple[str, ...]], Attribute]] = {
        "copies": lambda texts: attribute("copies-supported", Tag.RANGE_OF_INTEGER, *map(_range, texts)),
        "page-ranges": lambda texts: attribute("page-ranges-supported", Tag.BOOLEAN, bool(texts)),
        "print-quality": lambda texts: attribute("print-quality-supported", Tag.ENUM, *map(QUALITIES.get, texts)),
        "finishings": lambda texts: attribute("finishings-supported", Tag.ENUM, *map(FINISHINGS.get, texts)),
    }
    return tuple(
        describe[name](texts) if name in describe else attribute(f"{name}-supported", Tag.KEYWORD, *texts)
        for name, texts in {**ALWAYS, **options}.items()
    )


def _describe_defaults(options: Mapping[str, tuple[str, ...]]) -> tuple[Attribute, ...]:
    """Tell what PWG 5100.12 wants of IPP/2.0 beside: defaults, and what no job can choose here."""
    chosen = {name: options[name][0] for name in ("sides", "media", "print-color-mode") if options.get(name)}
    resolution = Resolution(600, 600, 3)
    return (
        *(attribute(f"{name}-default", Tag.KEYWORD, keyword) for name, keyword in chosen.items()),
        attribute("copies-default", Tag.INTEGER, 1),
        attribute("print-quality-default", Tag.ENUM, QUALITIES["normal"]),
        attribute("finishings-default", Tag.ENUM, FINISHINGS["none"]),
        attribute("orientation-requested-default", Tag.ENUM, PORTRAIT),
        attribute("orientation-requested-supported", Tag.ENUM, PORTRAIT),
        attribute("output-bin-default", Tag.KEYWORD, "face-down"),
        attribute("output-bin-supported", Tag.KEYWORD, "face-down"),
        attribute("printer-resolution-default", Tag.RESOLUTION, resolution),
        attribute("printer-resolution-supported", Tag.RESOLUTION, resolution),
        attribute("color-supported", Tag.BOOLEAN, "color" in options.get("print-color-mode", ())),
        attribute("pages-per-minute", Tag.INTEGER, PAGES_PER_MINUTE),
        attribute("pages-per-minute-color", Tag.INTEGER, PAGES_PER_MINUTE),
    )


def _told(name: str, tag: Tag, value: str | int | None) -> Attribute | None:
    return None if value is None else attribute(name, tag, value)


def _camel(keyword: str) -> str:
    first, *rest = keyword.split("-")
    return first + "".join(word.capitalize() for word in rest)
