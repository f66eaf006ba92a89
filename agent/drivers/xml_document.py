"""XML that a printer sent, read with suspicion; the only file that knows defusedxml. Pure.

HP's firmwares use other prefixes, and now and then other namespaces, for the same names: only local names count.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from agent.errors import PrinterProtocolError

LARGEST_DOCUMENT_BYTES = 1_048_576


def parse_xml(body: bytes) -> Element:
    """Give the root element.

    Raises:
        PrinterProtocolError: it is no XML, over 1 MiB, has a document type declaration, or is a web page.
    """
    if len(body) > LARGEST_DOCUMENT_BYTES:
        raise PrinterProtocolError("the answer is too long")
    try:
        root = defusedxml.ElementTree.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as exc:
        raise PrinterProtocolError("the answer is not XML") from exc
    if local_name(root).lower() == "html":
        raise PrinterProtocolError("the answer is a web page")
    return root


def local_name(element: Element) -> str:
    """Give an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    """Give the direct children of this local name."""
    return (child for child in element if local_name(child) == name)


def descendants(element: Element, name: str) -> Iterator[Element]:
    """Give the element itself and those below it, at any depth, that have this local name."""
    return (found for found in element.iter() if local_name(found) == name)


def child_text(element: Element | None, *path: str) -> str:
    """Give the text at the end of a path of direct children, the first of each name; empty where there is none."""
    for name in path:
        element = None if element is None else next(children(element, name), None)
    return "" if element is None else element.text or ""
