"""IPP requests and responses to and from bytes (RFC 8010), pure.

A message is lossless: a value that isn't what its tag says (an integer of three octets, text that isn't UTF-8) is kept
as its octets, and `Attributes` gives such a value as unknown. Only octets whose framing can't be followed are an error.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Protocol

from agent.drivers.ipp_values import (
    Attribute,
    Attributes,
    Group,
    GroupTag,
    Localized,
    Message,
    Range,
    Resolution,
    Tag,
    Tagged,
    Value,
)
from agent.errors import PrinterProtocolError

LIMIT_BYTES = 1_048_576
DEEPEST_COLLECTION = 16
FIRST_VALUE_TAG = 0x10


class Source(Protocol):
    """What a message is read from."""

    def read(self, count: int, /) -> bytes:
        """Give at most `count` bytes, none at the end."""


Items = list[tuple[str, list[Tagged]]]
_Groups = list[tuple[int, Items]]


# --- to bytes ---


def encode_message(message: Message) -> bytes:
    """Write a message up to its end-of-attributes tag; document data follows it."""
    parts = [struct.pack(">BBHi", *message.version, message.code, message.request_id)]
    for group in message.groups:
        parts.append(bytes((group.tag,)))
        parts.extend(_encode_attribute(item) for item in group.attributes.items)
    return b"".join((*parts, bytes((GroupTag.END,))))


def _encode_attribute(item: Attribute) -> bytes:
    names = (item.name.encode("latin-1"), *(b"" for _ in item.values[1:]))
    return b"".join(_encode_value(name, tagged) for name, tagged in zip(names, item.values, strict=False))


def _encode_value(name: bytes, tagged: Tagged) -> bytes:
    if isinstance(tagged.value, Attributes):
        members = b"".join(map(_encode_member, tagged.value.items))
        return _field(tagged.tag, name, b"") + members + _field(Tag.END_COLLECTION, b"", b"")
    return _field(tagged.tag, name, _encode_content(tagged.value))


def _encode_member(item: Attribute) -> bytes:
    values = b"".join(_encode_value(b"", tagged) for tagged in item.values)
    return _field(Tag.MEMBER_NAME, b"", item.name.encode("latin-1")) + values


def _field(tag: int, name: bytes, content: bytes) -> bytes:
    return b"".join((bytes((tag,)), _sized(name), _sized(content)))


def _sized(octets: bytes) -> bytes:
    return struct.pack(">H", len(octets)) + octets


def _encode_content(value: int | str | bytes | datetime | Resolution | Range | Localized | None) -> bytes:  # noqa: PLR0911 - one line a type
    match value:
        case None:
            return b""
        case bytes():
            return value
        case bool():
            return bytes((value,))
        case int():
            return struct.pack(">i", value)
        case str():
            return value.encode(errors="replace")
        case Resolution():
            return struct.pack(">iib", value.cross_feed, value.feed, value.units)
        case Range():
            return struct.pack(">ii", value.lower, value.upper)
        case Localized():
            return _sized(value.language.encode(errors="replace")) + _sized(value.text.encode(errors="replace"))
        case datetime():
            return _encode_date_time(value)


def _encode_date_time(moment: datetime) -> bytes:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds() // 60)
    clock = (moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond // 100_000)
    return struct.pack(">H6BcBB", moment.year, *clock, b"-" if minutes < 0 else b"+", *divmod(abs(minutes), 60))


# --- from bytes ---


def parse_message(content: bytes) -> Message:
    """Read a message from its bytes.

    Raises:
        PrinterProtocolError: this is no IPP message, or only a part of one.
    """
    return read_message(io.BytesIO(content))


def parse_response(content: bytes) -> Message:
    """Read a response; one that describes a printer is read up to where its framing can't be followed any more.

    One attribute of a wrong length is no reason to know nothing of a printer. Of jobs no half answer is believed.

    Raises:
        PrinterProtocolError: this is no IPP message, or only a part of one that describes no printer.
    """
    octets, groups = _Octets(io.BytesIO(content)), _Groups()
    header = octets.take(8)
    try:
        _read_groups(octets, groups)
    except PrinterProtocolError:
        if not any(tag == GroupTag.PRINTER and items for tag, items in groups):
            raise
    return _message(header, groups)


def read_message(stream: Source) -> Message:
    """Read a message from a stream, which is left at the first byte of the document data.

    Raises:
        PrinterProtocolError: this is no IPP message, or only a part of one.
    """
    octets, groups = _Octets(stream), _Groups()
    header = octets.take(8)
    _read_groups(octets, groups)
    return _message(header, groups)


def _read_groups(octets: _Octets, groups: _Groups) -> None:
    while (tag := octets.number(1)) != GroupTag.END:
        if tag < FIRST_VALUE_TAG:
            groups.append((tag, []))
        elif groups:
            _read_attribute(octets, tag, groups[-1][1])
        else:
            raise PrinterProtocolError("an IPP message with an attribute before its first group")


def _message(header: bytes, groups: _Groups) -> Message:
    major, minor, code, request_id = struct.unpack(">BBHi", header)
    return Message(code, tuple(Group(tag, _attributes(items)) for tag, items in groups), (major, minor), request_id)


class _Octets:
    """A stream that is read in exact pieces, up to a limit."""

    def __init__(self, stream: Source) -> None:
        self._stream = stream
        self._left = LIMIT_BYTES

    def take(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise PrinterProtocolError("an IPP message that is too long")
        taken = b""
        while len(taken) < count and (more := self._stream.read(count - len(taken))):
            taken += more
        if len(taken) < count:
            raise PrinterProtocolError("an IPP message that is cut off")
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def sized(self) -> bytes:
        return self.take(self.number(2))


def _attributes(items: Items) -> Attributes:
    return Attributes(tuple(Attribute(name, tuple(values)) for name, values in items))


def _read_attribute(octets: _Octets, tag: int, items: Items) -> None:
    name = octets.sized().decode("latin-1")
    value = _read_value(octets, tag, 0)
    if name:
        items.append((name, [value]))
    elif items:
        items[-1][1].append(value)
    else:
        raise PrinterProtocolError("an IPP message with a value that belongs to no attribute")


def _read_value(octets: _Octets, tag: int, depth: int) -> Tagged:
    content = octets.sized()
    if tag == Tag.BEGIN_COLLECTION:
        return Tagged(tag, _read_collection(octets, depth + 1))
    return Tagged(tag, _parse_content(tag, content))


def _read_collection(octets: _Octets, depth: int) -> Attributes:
    if depth > DEEPEST_COLLECTION:
        raise PrinterProtocolError("an IPP message with collections nested too deep")
    members: Items = []
    while True:
        tag, _ = octets.number(1), octets.sized()
        value = _read_value(octets, tag, depth)
        if tag == Tag.END_COLLECTION:
            return _attributes(members)
        if tag == Tag.MEMBER_NAME and isinstance(value.value, bytes):
            members.append((value.value.decode("latin-1"), []))
        elif members and tag >= FIRST_VALUE_TAG:
            members[-1][1].append(value)
        else:
            raise PrinterProtocolError("an IPP message with a collection that isn't one")


def _parse_content(tag: int, content: bytes) -> Value:
    parse = _PARSERS.get(tag)
    if parse is None:
        return content
    try:
        return parse(content)
    except (struct.error, ValueError):
        return content


def _parse_boolean(content: bytes) -> bool:
    return (b"\x00", b"\x01").index(content) == 1


def _parse_integer(content: bytes) -> int:
    (number,) = struct.unpack(">i", content)
    return int(number)


def _parse_localized(content: bytes) -> Localized:
    (length,) = struct.unpack_from(">H", content)
    language, rest = content[2 : 2 + length], content[2 + length :]
    if struct.unpack_from(">H", rest) != (len(rest) - 2,):
        raise ValueError("lengths that don't add up")
    return Localized(language.decode(), rest[2:].decode())


def _parse_date_time(content: bytes) -> datetime:
    year, month, day, hour, minute, second, tenths, sign, hours, minutes = struct.unpack(">H6BcBB", content)
    if sign not in (b"+", b"-"):
        raise ValueError("a direction from UTC that is none")
    offset = timedelta(hours=hours, minutes=minutes)
    zone = timezone(offset if sign == b"+" else -offset)
    return datetime(year, month, day, hour, minute, second, tenths * 100_000, tzinfo=zone)


def _parse_nothing(content: bytes) -> None:
    if content:
        raise ValueError("an out-of-band value with octets")


_STRINGS = (
    Tag.TEXT,
    Tag.NAME,
    Tag.KEYWORD,
    Tag.URI,
    Tag.URI_SCHEME,
    Tag.CHARSET,
    Tag.NATURAL_LANGUAGE,
    Tag.MIME_MEDIA_TYPE,
)

_PARSERS: dict[int, Callable[[bytes], Value]] = {
    Tag.UNSUPPORTED: _parse_nothing,
    Tag.UNKNOWN: _parse_nothing,
    Tag.NO_VALUE: _parse_nothing,
    Tag.INTEGER: _parse_integer,
    Tag.ENUM: _parse_integer,
    Tag.BOOLEAN: _parse_boolean,
    Tag.DATE_TIME: _parse_date_time,
    Tag.RESOLUTION: lambda content: Resolution(*struct.unpack(">iib", content)),
    Tag.RANGE_OF_INTEGER: lambda content: Range(*struct.unpack(">ii", content)),
    Tag.TEXT_WITH_LANGUAGE: _parse_localized,
    Tag.NAME_WITH_LANGUAGE: _parse_localized,
} | dict.fromkeys(_STRINGS, bytes.decode)
