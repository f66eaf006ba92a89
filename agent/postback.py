"""A postback of Site Flow: which orders it is about, and what it says of them. Pure and total.

Its body is whatever somebody has made a template for, as JSON, XML, a form, or a text with such things in it; only the
names of the two fields that matter are known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from agent.drivers.xml_document import local_name, parse_xml
from agent.errors import PrinterProtocolError

FIELDS_LIMIT = 1000
ORDERS_LIMIT = 100
TEXT_LIMIT = 200
TOKEN_NAMES = ("token",)
FORM = "application/x-www-form-urlencoded"

Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Postback:
    """What a postback says; `tokens` are what it has in fields of that name."""

    source_order_ids: tuple[str, ...]
    status: str | None
    tokens: tuple[str, ...]


def parse_postback(
    body: bytes, content_type: str, query: Fields, *, id_keys: Sequence[str], status_keys: Sequence[str]
) -> Postback:
    """Read a postback.

    Args:
        body: of any form.
        content_type: what it says that it is, which counts only for a form, and there only if it is one.
        query: the fields of the URL.
        id_keys: the names of the field with an order's own id, in letters of any case.
        status_keys: likewise of its status.
    """
    found = [*query, *_fields(body, content_type.partition(";")[0].strip().lower(), (*id_keys, *status_keys))]
    ids = dict.fromkeys(_told(found, id_keys))
    return Postback(tuple(ids)[:ORDERS_LIMIT], next(_told(found, status_keys), None), tuple(_told(found, TOKEN_NAMES)))


def _told(fields: Fields, names: Sequence[str]) -> Iterator[str]:
    wanted = {name.lower() for name in names}
    for name, value in fields:
        text = "".join(letter for letter in value[: 2 * TEXT_LIMIT] if letter.isprintable()).strip()[:TEXT_LIMIT]
        if name.lower() in wanted and text:
            yield text


def _fields(body: bytes, media_type: str, names: Sequence[str]) -> Fields:
    text = body.decode("utf-8-sig", errors="replace")
    if media_type == FORM and (form := _form_fields(text, names)):
        return form
    with suppress(ValueError, RecursionError):
        return list(_json_fields(json.loads(text)))
    try:
        return list(_xml_fields(body))
    except PrinterProtocolError:
        return list(_text_fields(text, (*names, *TOKEN_NAMES)))


def _form_fields(text: str, names: Sequence[str]) -> Fields:
    """Read a form; nothing where it has none of the names, as JSON that is only called a form."""
    try:
        fields = parse_qsl(text, max_num_fields=FIELDS_LIMIT)
    except ValueError:
        return []
    wanted = {name.lower() for name in names}
    return fields if any(name.lower() in wanted for name, _ in fields) else []


def _json_fields(content: Any) -> Iterator[tuple[str, str]]:
    waiting = [("", content)]
    for _ in range(FIELDS_LIMIT):
        if not waiting:
            return
        name, node = waiting.pop(0)
        if isinstance(node, dict):
            waiting += [(str(key), value) for key, value in node.items()]
        elif isinstance(node, list):
            waiting += [(name, value) for value in node[:FIELDS_LIMIT]]
        elif isinstance(node, str | int) and not isinstance(node, bool):
            yield name, str(node)


def _xml_fields(body: bytes) -> Iterator[tuple[str, str]]:
    for number, element in enumerate(parse_xml(body).iter()):
        if number >= FIELDS_LIMIT:
            return
        yield local_name(element), element.text or ""
        yield from ((name.rpartition("}")[2], value) for name, value in element.attrib.items())


def _text_fields(text: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Find `name: value` and `name = "value"` wherever they stand, as in a template that is not quite JSON."""
    for name in names:
        pattern = rf"(?<![\w-]){re.escape(name)}[\"']?\s*[:=>]\s*[\"']?([^\"',;<>{{}}\r\n]+)"
        for found in islice(re.finditer(pattern, text, re.IGNORECASE), ORDERS_LIMIT):
            yield name, found[1]
