"""A message to a ticket and its document: as JSON, or as the document's bytes with MQTT 5 properties. Pure and total.

Whatever the bytes are, the answer is a `ParsedTicket` or a `TicketError` that names the key. A ticket has few parts and
one long text, its document, so that what JSON may unfold to in memory is limited before it is read.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from agent.document_format import UNKNOWN_FORMAT, tell_format
from agent.document_reference import Reference, parse_reference
from agent.errors import TicketError
from agent.job import Destination, JobOptions, Ticket
from agent.ticket_keys import CHECKS, DELIVERY_KEYS, ID, check, check_user

PARTS_LIMIT = 500
KEY_SHOWN = 40
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,10}")
JSON_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\{")
PLAIN_TICKET = Ticket(printer="")
OPTION_KEYS = frozenset(option.name for option in fields(JobOptions))

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class ParsedTicket:
    """A ticket with its document, or where that is.

    `ticket.document_format` is what the publisher said, `document_format` that or else what the first bytes tell:
    of a document that is elsewhere nothing yet.
    `named_printer` is the printer in the ticket itself where the topic names one too: both must be the same printer.
    """

    ticket: Ticket
    document: bytes | Reference = field(repr=False)
    document_format: str
    named_printer: str | None = None

    def digest_parts(self) -> bytes:
        """Give what tells it from another."""
        document = self.document
        sha256 = document.digest() if isinstance(document, Reference) else hashlib.sha256(document).digest()
        return digest_parts(self.ticket, sha256)


def parse_ticket(
    payload: bytes,
    *,
    content_type: str | None,
    user_properties: Iterable[tuple[str, str]] = (),
    topic_printer: str | None = None,
    topic_user: str | None = None,
) -> ParsedTicket:
    """Read a message.

    Args:
        payload: a JSON ticket where `content_type` says so, or says nothing and the first non-blank byte is `{`; else
            the document.
        content_type: MQTT 5's Content Type, the format of a bare document.
        user_properties: MQTT 5's User Properties, the other keys of a bare document's ticket.
        topic_printer: the printer that the topic names.
        topic_user: the user that the topic names; it wins over the ticket's.

    Raises:
        TicketError: it can never become a job.
    """
    media_type = (content_type or "").partition(";")[0].strip()
    if media_type.lower() == "application/json" or (not media_type and JSON_OBJECT.match(payload)):
        values = _parse_json(payload)
        document = _named(values, lambda: _document_of(values.pop("document", None)))
    else:
        values = _values_of_properties(user_properties, media_type)
        document = payload
    return _named(values, lambda: _parsed(values, document, topic_printer, topic_user))


def parse_ticket_keys(values: Mapping[str, Any]) -> Ticket:
    """Read a ticket whose document comes another way; `values` are JSON values by key, without `document`.

    Raises:
        TicketError: a key is missing, unknown or wrong.
    """
    return _named(values, lambda: _ticket(values, topic_printer=None, topic_user=None))


def digest_parts(ticket: Ticket, document_digest: bytes) -> bytes:
    """Give what tells a ticket from another, the same for the same ticket in every release: to be kept as a keyed hash.

    Keys at their default are left out, so that a key that is added later changes nothing.
    """
    asked = _beside_defaults(ticket, PLAIN_TICKET)
    if "options" in asked:
        asked["options"] = _beside_defaults(ticket.options, PLAIN_TICKET.options)
    return json.dumps(asked, sort_keys=True, default=datetime.isoformat).encode() + b"\0" + document_digest


def _beside_defaults(value: Ticket | JobOptions, plain: Ticket | JobOptions) -> dict[str, Any]:
    names = (name for name in value.__slots__ if getattr(value, name) != getattr(plain, name))
    return {name: getattr(value, name) for name in names}


def _parse_json(payload: bytes) -> dict[str, Any]:
    if sum(payload.count(mark) for mark in (b"{", b"[", b",")) > PARTS_LIMIT:
        raise TicketError(f"a ticket has at most {PARTS_LIMIT} parts")
    repeated: list[str] = []
    try:
        values = json.loads(
            payload.decode("utf-8-sig"),
            object_pairs_hook=lambda pairs: _unrepeated(pairs, repeated),
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise TicketError("the ticket is nested too deeply") from None
    except UnicodeDecodeError:
        raise TicketError("the ticket is not UTF-8 text") from None
    except ValueError as error:
        raise TicketError(f"the ticket is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise TicketError("a ticket is a JSON object")
    if repeated:
        raise TicketError(f"{_shown(repeated[0])}: the key is repeated", job_id=_id_of(values, repeated))
    return values


def _unrepeated(pairs: list[tuple[str, Any]], repeated: list[str]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        repeated += (name for name in values if names.count(name) > 1)
    return values


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _values_of_properties(properties: Iterable[tuple[str, str]], media_type: str) -> dict[str, Any]:
    values: dict[str, Any] = {"document_format": media_type} if media_type else {}
    for name, text in properties:
        if name in values:
            raise TicketError(f"{_shown(name)}: the key is repeated", job_id=_id_of(values, [name]))
        values[name] = _from_text(name, text)
    return values


def _from_text(name: str, text: str) -> Any:
    """Read a User Property as the JSON value that its key has; one that can't be is left for its check to refuse."""
    if name in ("copies", "priority", "expires_in") and WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if name == "hold":
        return {"true": True, "false": False}.get(text, text)
    if name == "finishings":
        return [part.strip() for part in text.split(",")]
    if name == "order":
        with contextlib.suppress(TicketError):
            return _parse_json(text.encode())
    return text


def _parsed(
    values: Mapping[str, Any], document: bytes | Reference, topic_printer: str | None, topic_user: str | None
) -> ParsedTicket:
    if not document:
        raise TicketError("the document is empty")
    told = tell_format(document) if isinstance(document, bytes) else UNKNOWN_FORMAT
    ticket = _ticket(values, topic_printer, topic_user)
    return ParsedTicket(
        ticket=ticket,
        document=document,
        document_format=ticket.document_format or told,
        named_printer=values.get("printer") if topic_printer else None,
    )


def _ticket(values: Mapping[str, Any], topic_printer: str | None, topic_user: str | None) -> Ticket:
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in CHECKS:
            raise TicketError(f"{_shown(key)}: unknown key")
        checked[key] = check(key, value)
    if topic_user is not None:
        checked["user"] = check_user(topic_user)
    if topic_printer is not None:
        checked["printer"] = topic_printer
    destination = checked.get("destination", "printer")
    _check_place(checked, destination)
    options = {key: checked.pop(key) for key in OPTION_KEYS & checked.keys()}
    delivery = {key: checked.pop(key) for key in DELIVERY_KEYS.get(destination, frozenset()) & checked.keys()}
    return Ticket(**{"printer": "", **checked}, options=JobOptions(**options), delivery=delivery)


def _check_place(checked: Mapping[str, Any], destination: Destination) -> None:
    """Refuse a printer where the destination is none, and what only another destination has."""
    if (destination == "printer") != ("printer" in checked):
        missing = "missing, and the topic names none"
        raise TicketError(f"printer: {missing if destination == 'printer' else f'the destination is {destination}'}")
    for other, keys in DELIVERY_KEYS.items():
        if other != destination and (astray := sorted(keys & checked.keys())):
            raise TicketError(f"{astray[0]}: only for the destination {other}")


def _named(values: Mapping[str, Any], read: Callable[[], Read]) -> Read:
    """Read, and put the ticket's id into the error, where it has one."""
    try:
        return read()
    except TicketError as error:
        raise TicketError(str(error), reason=error.reason, job_id=_id_of(values, [])) from None


def _id_of(values: Mapping[str, Any], repeated: Iterable[str]) -> str | None:
    job_id = values.get("id")
    return job_id if isinstance(job_id, str) and ID.fullmatch(job_id) and "id" not in repeated else None


def _document_of(document: Any) -> bytes | Reference:
    if not isinstance(document, dict):
        raise TicketError("document: missing" if document is None else "document: must be an object")
    for key in document:
        if key not in ("data", "url", "sha256", "size"):
            raise TicketError(f"document.{_shown(key)}: unknown key")
    if "url" in document:
        return parse_reference(document)
    if document.keys() != {"data"} or not isinstance(document["data"], str):
        raise TicketError("document.data: must be the document in base64, and alone")
    try:
        return base64.b64decode(document["data"], validate=True)
    except (binascii.Error, ValueError):
        raise TicketError("document.data: not valid base64") from None


def _shown(key: str) -> str:
    """Give a key as it may stand in a message and in the log."""
    return ascii(key[:KEY_SHOWN])
