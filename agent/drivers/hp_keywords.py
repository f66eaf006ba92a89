"""The words for HP's own, in LEDM and CDM: categories to a state and to keywords of RFC 8011 and PWG 5100.9. Pure.

HP's categories are an open set of some hundreds, so that a fault is found by the words in its name. One that is not
known is told as `com.hp-<category>` where the printer calls it a warning or an error, and left out otherwise.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from agent.drivers import printer_mib as mib
from agent.drivers.printer_keywords import SUPPLY_WORDS
from agent.model import PrinterState, PrinterStatus

MOST_REASONS = 32
MOST_CONDITIONS = 64
LONGEST_KEYWORD = 64
SUFFIXES = ("-error", "-warning", "-report", "")
STOPPING = frozenset({"media-jam", "door-open", "cover-open"})
"""What stops a printer that calls itself ready; an empty tray or a missing cartridge may be one of several."""

STATES: Mapping[str, PrinterState] = MappingProxyType(
    dict.fromkeys(("ready", "idle", "inpowersave", "insleepmode", "sleeping", "standby"), PrinterState.IDLE)
    | dict.fromkeys(("processing", "printing", "copying", "scanprocessing", "canceljob"), PrinterState.PROCESSING)
    | dict.fromkeys(("initializing", "inksysteminitializing", "warmingup"), PrinterState.PROCESSING)
    | dict.fromkeys(("calibrating", "calibrationinprogress"), PrinterState.PROCESSING)
    | dict.fromkeys(("shuttingdown", "error", "stopped"), PrinterState.STOPPED)
)
STATE_REASONS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("inpowersave", "insleepmode", "sleeping", "standby"), "standby") | {"shuttingdown": "shutdown"}
)
ALERT_SEVERITIES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("error", "critical", "fatal"), "error")
    | dict.fromkeys(("warning", "strictwarning", "warn"), "warning")
    | dict.fromkeys(("info", "information", "informational", "status", "notice"), "report")
)
_SUPPLY = r"(cartridge|supply|consumable|printhead|toner|ink|tank|drum)"
FAULTS: tuple[tuple[str, str, str], ...] = (
    (r"jam", "media-jam", "error"),
    (r"closedoor|door.*open|open.*door", "door-open", "error"),
    (r"closecover|cover.*open|open.*cover", "cover-open", "error"),
    (r"output.*almostfull", "output-area-almost-full", "warning"),
    (r"output.*full", "output-area-full", "error"),
    (r"output.*(open|missing)", "output-tray-missing", "error"),
    (r"emptyoropen|alltraysempty|outof(paper|media)", "media-empty", "error"),
    (r"(tray|media|paper).*empty", "media-empty", "warning"),
    (r"(tray|media|paper).*low", "media-low", "warning"),
    (r"closetray|tray.*(open|missing)", "input-tray-missing", "error"),
    (r"sizemismatch|unexpectedsize", "input-cannot-feed-size-selected", "error"),
    (r"typemismatch|unexpectedtype|improperorientation|load(media|paper)", "media-needed", "error"),
    (r"manual(ly)?feed", "input-manual-input-request", "warning"),
    (r"waste.*almostfull", "marker-waste-almost-full", "warning"),
    (r"waste.*full", "marker-waste-full", "error"),
    (rf"toolow|outof(ink|toner)|{_SUPPLY}(out|empty)", "toner-empty", "error"),
    (rf"{_SUPPLY}.*low", "toner-low", "warning"),
    (rf"{_SUPPLY}.*missing|missing{_SUPPLY}", "marker-supply-missing", "error"),
    (rf"{_SUPPLY}.*(fail|error|incompatible|wrong)", "subunit-recoverable-failure", "error"),
    (rf"(failed|incompatible|incorrect|wrong){_SUPPLY}", "subunit-recoverable-failure", "error"),
    (r"sharedaddress|shaid", "subunit-recoverable-failure", "error"),
    (r"duplexer", "subunit-missing", "error"),
    (r"(printer|hard)error", "other", "error"),
)
"""Pattern in a category's letters in lower case, keyword, and the severity where the printer gives none."""

_MISLEADING = re.compile(r"yellow|allow")
_HARMLESS = re.compile(r"genuinehp")
_NO_PRINTING = re.compile(r"scan|adf|flatbed|fax")

SUPPLY_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "ink": "ink",
        "inktank": "ink",
        "inkcartridge": "ink-cartridge",
        "toner": "toner",
        "rechargeabletoner": "toner",
        "tonercartridge": "toner-cartridge",
        "imagedrum": "opc",
        "drum": "opc",
        "fuser": "fuser",
        "transferunit": "transfer-unit",
        "transferkit": "transfer-unit",
    }
)
"""ConsumableTypeEnum and supplyType to PWG 5100.9; a printhead and whatever else is `other`."""

COLORANTS: Mapping[str, str] = MappingProxyType(
    {
        "K": "black",
        "C": "cyan",
        "M": "magenta",
        "Y": "yellow",
        "PK": "photo-black",
        "MK": "matte-black",
        "G": "gray",
        "LC": "light-cyan",
        "LM": "light-magenta",
        "LG": "light-gray",
        "R": "red",
        "B": "blue",
    }
)
"""Label codes; those of several colours, such as CMY, are no one colorant."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a printer says of the moment: its categories, and its alerts, each a category and HP's word of severity."""

    words: tuple[str, ...] = ()
    alerts: tuple[tuple[str, str], ...] = ()

    @property
    def is_asleep(self) -> bool:
        """Whether it sleeps."""
        return any(STATE_REASONS.get(plain(word)) == "standby" for word in self.words)

    @property
    def is_busy(self) -> bool:
        """Whether it works, so that counters and supplies move."""
        return any(STATES.get(plain(word)) is PrinterState.PROCESSING for word in self.words)


@dataclass(frozen=True, slots=True)
class Fault:
    """What a category says is wrong: `severity` is None where nobody said how bad it is."""

    keyword: str
    severity: str | None
    prints: bool = False


def weigh(conditions: Conditions, *, uses_ink: bool) -> PrinterStatus:
    """Make a status: of several categories the worst counts, whatever their order: a fault, then work, then rest."""
    words, alerts = conditions.words[:MOST_CONDITIONS], conditions.alerts[:MOST_CONDITIONS]
    told = {plain(category): ALERT_SEVERITIES.get(plain(severity)) for category, severity in alerts}
    states = {STATES[word] for word in map(plain, words) if word in STATES}
    current = [_fault(word, told.get(plain(word))) for word in words if plain(word) not in STATES]
    faults = [*current, *(_fault(category, ALERT_SEVERITIES.get(plain(severity))) for category, severity in alerts)]
    reasons = (*_state_reasons(words), *_keywords(faults, SUPPLY_WORDS if uses_ink else {}))
    return PrinterStatus(
        state=_state(states, current, faults),
        state_reasons=reasons[:MOST_REASONS],
        accepting_jobs="shutdown" not in reasons,
    )


def supply_type_of(word: str) -> str:
    """Name a type of supply in the words of PWG 5100.9."""
    if "waste" in plain(word):
        return "waste-ink" if "ink" in plain(word) else "waste-toner"
    return SUPPLY_TYPES.get(plain(word), "other")


def color_code(word: str) -> str:
    """Give the label code of a colour: `Black` and `K` are K, `CyanMagentaYellow` and `CMY` are CMY, `pK` is PK."""
    names = re.findall(r"[A-Z][a-z]+", word)
    return "".join("K" if name == "Black" else name[0] for name in names) or re.sub(r"[^A-Za-z]", "", word).upper()


def describe(code: str, kind: str, number: str) -> str:
    """Say which supply it is, by its label, HP's word for its kind and its number: `Black Toner 207X`."""
    color = COLORANTS[code].replace("-", " ").capitalize() if code in COLORANTS else code
    return " ".join(part for part in (color, hyphenated(kind).replace("-", " ").title(), number) if part)


def with_make(model: str | None) -> str | None:
    """Put HP in front of a model that names no maker: both interfaces are HP's alone."""
    is_named = model is None or re.match(r"(?i)(hp|hewlett[ -]packard)\b", model)
    return model if is_named else f"HP {model}"


def cleaned(word: str) -> str | None:
    """Give a text in one line without control characters, 255 long at most; None where nothing is left."""
    return mib.text(word.encode(errors="replace"))


def serial_of(word: str) -> str | None:
    """Give a serial number; None for a placeholder."""
    return mib.identifier(word.strip().encode(errors="replace"))


def uuid_of(word: str) -> str | None:
    """Give a UUID in lower case; None for what is none, and for the one of zeros."""
    try:
        found = str(uuid.UUID(word.strip().lower()))
    except ValueError:
        return None
    return found if found.strip("0-") else None


def plain(word: str) -> str:
    """Give a word's letters and digits in lower case, as HP's firmwares differ in the rest."""
    return re.sub(r"[^a-z0-9]", "", word.lower())


def hyphenated(word: str) -> str:
    """Write `camelCase` as a keyword, `camel-case`."""
    return re.sub(r"[^a-z0-9.]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", word).lower()).strip("-")


def merged(reasons: Iterable[str]) -> tuple[str, ...]:
    """Give each keyword once, with its worst severity: none, which RFC 8011 takes for an error, goes before all."""
    worst: dict[str, str] = {}
    for reason in reasons:
        suffix = next(suffix for suffix in SUFFIXES if reason.endswith(suffix))
        keyword = reason.removesuffix(suffix)
        worst[keyword] = min(worst.get(keyword, suffix), suffix, key=lambda told: SUFFIXES.index(told) if told else -1)
    return tuple(keyword + suffix for keyword, suffix in worst.items())


def _fault(category: str, severity: str | None) -> Fault:
    name = _MISLEADING.sub("", plain(category))
    if _HARMLESS.search(name):
        return Fault("", "report", prints=True)
    is_printing = not _NO_PRINTING.search(name)
    for pattern, keyword, usual in FAULTS if is_printing else ():
        if re.search(pattern, name):
            return Fault(keyword, severity or usual, prints=(severity or usual) != "error")
    keyword = f"com.hp-{hyphenated(category)}"[:LONGEST_KEYWORD].rstrip("-") if severity != "report" else ""
    return Fault(keyword, severity, prints=not is_printing or severity in ("warning", "report"))


def _state(states: set[PrinterState], current: Sequence[Fault], faults: Sequence[Fault]) -> PrinterState:
    """Judge by the worst of the categories of the moment; alerts alone stop it only where it claims nothing better."""
    is_blocked = any(fault.severity == "error" and not fault.prints for fault in current)
    is_stopped = any(fault.severity == "error" and fault.keyword in STOPPING for fault in faults)
    if is_blocked or is_stopped:
        return PrinterState.STOPPED
    for state in (PrinterState.STOPPED, PrinterState.PROCESSING, PrinterState.IDLE):
        if state in states:
            return state
    if any(fault.severity == "error" and not fault.prints for fault in faults):
        return PrinterState.STOPPED
    return PrinterState.IDLE if any(fault.prints for fault in current) else PrinterState.UNKNOWN


def _state_reasons(words: Sequence[str]) -> Iterator[str]:
    return (reason for word in dict.fromkeys(map(plain, words)) if (reason := STATE_REASONS.get(word)))


def _keywords(faults: Iterable[Fault], words: Mapping[str, str]) -> tuple[str, ...]:
    named = ((words.get(fault.keyword, fault.keyword), fault.severity) for fault in faults)
    return merged(f"{keyword}-{severity}" for keyword, severity in named if keyword and severity)
