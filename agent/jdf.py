"""A JDF 1.x (CIP4) to the keys of a ticket: copies, sides, media, priority, colour, pages, name; pure.

Only what a printer can be asked for is read, wherever in the JDF it stands; what is said twice must be said alike. Of
what would change what comes out, nothing is passed over: what can't be printed as it is told is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

from agent.drivers.xml_document import LARGEST_DOCUMENT_BYTES, descendants, local_name, parse_xml
from agent.errors import PrinterProtocolError, TicketError

LARGEST_JDF_BYTES = LARGEST_DOCUMENT_BYTES
SIDES = {
    "OneSided": "one-sided",
    "OneSidedBack": "one-sided",
    "OneSidedBackFlipX": "one-sided",
    "OneSidedBackFlipY": "one-sided",
    "OneSidedFront": "one-sided",
    "TwoSidedFlipX": "two-sided-short-edge",
    "TwoSidedFlipY": "two-sided-long-edge",
    "TwoSidedHeadToFoot": "two-sided-short-edge",
    "TwoSidedHeadToHead": "two-sided-long-edge",
}
SAYS_SIDES = ("DigitalPrintingParams", "LayoutPreparationParams", "LayoutIntent")
MEDIA = {
    (74, 105): "iso_a7_74x105mm",
    (105, 148): "iso_a6_105x148mm",
    (148, 210): "iso_a5_148x210mm",
    (210, 297): "iso_a4_210x297mm",
    (297, 420): "iso_a3_297x420mm",
    (420, 594): "iso_a2_420x594mm",
    (594, 841): "iso_a1_594x841mm",
    (841, 1189): "iso_a0_841x1189mm",
    (225, 320): "iso_sra4_225x320mm",
    (320, 450): "iso_sra3_320x450mm",
    (176, 250): "iso_b5_176x250mm",
    (250, 353): "iso_b4_250x353mm",
    (353, 500): "iso_b3_353x500mm",
    (500, 707): "iso_b2_500x707mm",
    (182, 257): "jis_b5_182x257mm",
    (257, 364): "jis_b4_257x364mm",
    (184.15, 266.7): "na_executive_7.25x10.5in",
    (215.9, 279.4): "na_letter_8.5x11in",
    (215.9, 355.6): "na_legal_8.5x14in",
    (279.4, 431.8): "na_ledger_11x17in",
    (330.2, 482.6): "na_super-b_13x19in",
}
"""PWG 5101.1's names by millimetres, the short edge first."""

POINTS_PER_MM = 72 / 25.4
TOLERANCE_MM = 1.0
LAST_PAGE = 2**31 - 1
PAGES = re.compile(r"(-?[0-9]{1,9})(?:\s*~\s*(-?[0-9]{1,9}))?(?:\s+|$)")
NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
SHOWN = 40

Said = TypeVar("Said")


@dataclass(frozen=True, slots=True)
class JobDescription:
    """What a JDF says.

    Attributes:
        document: the name of the file that it names, without its folder; None where it names none.
        keys: those of a ticket, as JSON has them.
    """

    document: str | None
    keys: Mapping[str, Any]


def parse_jdf(body: bytes) -> JobDescription:
    """Read a JDF.

    Raises:
        TicketError: it is none, contradicts itself, or asks for what can't be printed as it is told.
    """
    try:
        root = parse_xml(body)
    except PrinterProtocolError:
        raise TicketError("the JDF is not XML, has more than 1 MiB, or a document type declaration") from None
    if local_name(root) != "JDF" or not root.get("Version", "1.").startswith("1."):
        raise TicketError(f"the JDF is no JDF 1.x: {_shown(local_name(root))} {_shown(root.get('Version', ''))}")
    values = {
        "name": _name(root),
        "copies": _one("copies", _amounts(root), _copies),
        "sides": _one("sides", _attributes(root, "Sides", *SAYS_SIDES), _sides),
        "media": _one("media sizes", _sizes(root), _media),
        "priority": _one("priorities", _attributes(root, "JobPriority", "NodeInfo"), _priority),
        "color_mode": _color_mode(root),
        "page_ranges": _one("pages", _pages(root), _page_ranges),
    }
    keys = {name: value for name, value in values.items() if value is not None}
    return JobDescription(_one("documents", _urls(root), _file_name), keys)


def _name(root: Element) -> str | None:
    named = (root.get("DescriptiveName"), *_attributes(root, "CustomerJobName", "CustomerInfo"), root.get("JobID"))
    return next(filter(None, named), None)


def _amounts(root: Element) -> Iterator[str]:
    """Give how many are ordered: by the links to what comes out, else by what is the final product."""
    outputs = [
        link
        for link in descendants(root, "ComponentLink")
        if link.get("Usage") == "Output" and link.get("ProcessUsage") != "Waste"
    ]
    linked = [amount for link in outputs for amount in _attributes(link, "Amount", "ComponentLink", "PartAmount")]
    products = [it for it in descendants(root, "Component") if "FinalProduct" in it.get("ComponentType", "").split()]
    yield from linked or [amount for it in products if (amount := it.get("Amount"))]


def _copies(text: str) -> int:
    if not NUMBER.fullmatch(text.strip()) or float(text) != int(float(text)):
        raise TicketError(f"the JDF: {_shown(text)} is no number of copies")
    return int(float(text))


def _sides(text: str) -> str:
    if text not in SIDES:
        raise TicketError(f"the JDF: Sides {_shown(text)} can't be printed")
    return SIDES[text]


def _sizes(root: Element) -> Iterator[str]:
    """Give the sizes of the paper, in points; plates and film are media too."""
    for media in descendants(root, "Media"):
        if media.get("MediaType", "Paper") == "Paper" and (size := media.get("Dimension")):
            yield size
    for intent in descendants(root, "MediaIntent"):
        for span in descendants(intent, "Dimensions"):
            if size := span.get("Actual") or span.get("Preferred"):
                yield size


def _media(text: str) -> str | None:
    """Name a size; None for a roll, whose length is 0."""
    numbers = text.split()
    if len(numbers) != len("xy") or not all(map(NUMBER.fullmatch, numbers)):
        raise TicketError(f"the JDF: {_shown(text)} is no media size")
    short, long = sorted(float(number) / POINTS_PER_MM for number in numbers)
    if short <= 0:
        return None
    for size, name in MEDIA.items():
        if abs(short - size[0]) <= TOLERANCE_MM and abs(long - size[1]) <= TOLERANCE_MM:
            return name
    return f"custom_{short:.0f}x{long:.0f}mm_{short:.0f}x{long:.0f}mm"


def _priority(text: str) -> int:
    """Read a priority, 0 to 100 there and 1 to 100 here."""
    if not NUMBER.fullmatch(text.strip()):
        raise TicketError(f"the JDF: JobPriority {_shown(text)} is no number")
    return max(1, int(float(text)))


def _color_mode(root: Element) -> str | None:
    models = set(_attributes(root, "ProcessColorModel", "ColorantControl"))
    return "monochrome" if models == {"DeviceGray"} else None


def _pages(root: Element) -> Iterator[str]:
    for runs in descendants(root, "RunList"):
        for name in ("FirstPage", "SkipPage"):
            if runs.get(name, "0") != "0":
                raise TicketError(f"the JDF: {name} of a RunList is not read; give Pages")
        if pages := runs.get("Pages"):
            yield pages


def _page_ranges(text: str) -> str | None:
    """Read an IntegerRangeList, whose first page is 0 and whose last may be -1; None where that is all of them."""
    if not re.fullmatch(f"(?:{PAGES.pattern})+", text.strip()):
        raise TicketError(f"the JDF: Pages {_shown(text)} is no list of pages")
    ranges = [(int(first), int(last or first)) for first, last in PAGES.findall(text.strip())]
    if ranges == [(0, -1)]:
        return None
    if any(first < 0 or last < -1 for first, last in ranges):
        raise TicketError(f"the JDF: Pages {_shown(text)} counts from the end, which is not read")
    return ",".join(f"{first + 1}-{LAST_PAGE if last < 0 else last + 1}" for first, last in ranges)


def _urls(root: Element) -> Iterator[str]:
    for holder in ("RunList", "LayoutElement"):
        for element in descendants(root, holder):
            yield from _attributes(element, "URL", "FileSpec")


def _file_name(url: str) -> str | None:
    """Give the last part of a URL, or of a path of any system."""
    try:
        path = urlsplit(url.replace("\\", "/")).path
    except ValueError:
        raise TicketError(f"the JDF: {_shown(url)} is no URL") from None
    return unquote(path).replace("\\", "/").rpartition("/")[2] or None


def _attributes(root: Element, attribute: str, *elements: str) -> Iterator[str]:
    for name in elements:
        for element in descendants(root, name):
            if value := element.get(attribute):
                yield value


def _one(what: str, texts: Iterable[str], read: Callable[[str], Said | None]) -> Said | None:
    """Read what may be said any number of times, but only in one sense."""
    said = dict.fromkeys(map(read, texts))
    said.pop(None, None)
    if len(said) > 1:
        raise TicketError(f"the JDF names more than one: {what} {', '.join(_shown(str(value)) for value in said)}")
    return next(iter(said), None)


def _shown(text: str) -> str:
    return ascii(text[:SHOWN])
