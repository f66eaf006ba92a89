"""SNMP v1 and v2c messages to and from bytes (RFC 1157, RFC 3416): pure, and lenient in what it reads.

v1 and v2c go through this codec of our own, v3 through pysnmp. A strict codec drops a whole answer for one bad value (a
negative Counter32, an INTEGER of five bytes), so that a healthy printer looks dead; here a bad value is None and the
others stand. It also costs 0.3 ms a printer where pysnmp's costs 13.

The agent's side (reading requests, writing answers) is here too, for the simulator and the tests.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.errors import PrinterProtocolError

Oid = tuple[int, ...]

LONGEST_OID = 128
LARGEST_ARC = 2**32 - 1
HIGH_BIT = 0x80


@enum.unique
class Missing(enum.Enum):
    """Why an agent has no value for a name (RFC 3416 §3)."""

    NO_SUCH_OBJECT = 0x80
    NO_SUCH_INSTANCE = 0x81
    END_OF_MIB_VIEW = 0x82


Value = int | bytes | Oid | Missing | None
"""What a name is bound to; None is NULL or a value that is not valid in its type."""

Varbind = tuple[Oid, Value]


@enum.unique
class Version(enum.IntEnum):
    """The message's version field."""

    V1 = 0
    V2C = 1


@enum.unique
class Operation(enum.IntEnum):
    """The PDU's tag."""

    GET = 0xA0
    GET_NEXT = 0xA1
    RESPONSE = 0xA2
    GET_BULK = 0xA5


@enum.unique
class Tag(enum.IntEnum):
    """The tags of values (RFC 2578 §2)."""

    INTEGER = 0x02
    OCTET_STRING = 0x04
    NULL = 0x05
    OBJECT_IDENTIFIER = 0x06
    IP_ADDRESS = 0x40
    COUNTER32 = 0x41
    GAUGE32 = 0x42
    TIME_TICKS = 0x43
    OPAQUE = 0x44
    COUNTER64 = 0x46


SEQUENCE = 0x30
TOO_BIG = 1
NO_SUCH_NAME = 2

_UNSIGNED_CEILINGS: dict[int, int] = {
    Tag.COUNTER32: 2**32,
    Tag.GAUGE32: 2**32,
    Tag.TIME_TICKS: 2**32,
    Tag.COUNTER64: 2**64,
}
_OCTETS: set[int] = {Tag.OCTET_STRING, Tag.IP_ADDRESS, Tag.OPAQUE}
_MISSING = {missing.value: missing for missing in Missing}


@dataclass(frozen=True, slots=True)
class Message:
    """One message. In a GetBulkRequest `error_status` is non-repeaters and `error_index` max-repetitions."""

    version: Version
    community: bytes
    operation: Operation
    request_id: int
    error_status: int
    error_index: int
    varbinds: tuple[Varbind, ...]


def oid(text: str) -> Oid:
    """Read `1.3.6.1`, with or without a leading dot."""
    return tuple(int(arc) for arc in text.strip(".").split("."))


# Writing


def encode_value(tag: int, content: bytes) -> bytes:
    """Frame `content` as one BER value."""
    size = len(content)
    if size < HIGH_BIT:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def encode_integer(number: int, tag: Tag = Tag.INTEGER) -> bytes:
    """Write a number as INTEGER or as one of the unsigned types."""
    return encode_value(tag, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def encode_oid(name: Oid) -> bytes:
    """Write an object identifier of at least two arcs."""
    octets = bytearray()
    for arc in (name[0] * 40 + name[1], *name[2:]):
        octets += _encode_arc(arc)
    return encode_value(Tag.OBJECT_IDENTIFIER, bytes(octets))


def _encode_arc(arc: int) -> bytes:
    septets = [arc & 0x7F]
    while arc := arc >> 7:
        septets.append(0x80 | arc & 0x7F)
    return bytes(reversed(septets))


@lru_cache(maxsize=512)
def encode_names(names: tuple[Oid, ...]) -> bytes:
    """Write the variable bindings of a request; kept, because a printer is asked for the same names at each poll."""
    null = encode_value(Tag.NULL, b"")
    return encode_varbinds((name, null) for name in names)


def encode_varbinds(varbinds: Iterable[tuple[Oid, bytes]]) -> bytes:
    """Write variable bindings whose values are BER already."""
    return encode_value(
        SEQUENCE, b"".join(encode_value(SEQUENCE, encode_oid(name) + value) for name, value in varbinds)
    )


def encode_request(
    operation: Operation,
    names: Sequence[Oid],
    *,
    request_id: int,
    community: bytes,
    version: Version,
    max_repetitions: int = 0,
) -> bytes:
    """Write a GET, GETNEXT or GETBULK request for `names`, with non-repeaters 0."""
    return _encode_message(version, community, operation, (request_id, 0, max_repetitions), encode_names(tuple(names)))


def encode_response(
    request: Message, varbinds: Iterable[tuple[Oid, bytes]], *, error_status: int = 0, error_index: int = 0
) -> bytes:
    """Write an agent's answer to `request`; the values are BER already."""
    numbers = (request.request_id, error_status, error_index)
    return _encode_message(request.version, request.community, Operation.RESPONSE, numbers, encode_varbinds(varbinds))


def _encode_message(
    version: Version, community: bytes, operation: Operation, numbers: tuple[int, int, int], varbinds: bytes
) -> bytes:
    pdu = encode_value(operation, b"".join(encode_integer(number) for number in numbers) + varbinds)
    header = encode_integer(version) + encode_value(Tag.OCTET_STRING, community)
    return encode_value(SEQUENCE, header + pdu)


# Reading


class _Reader:
    """Steps through the BER values of one part of a message; `is_cut` where the part should be longer than it is."""

    def __init__(self, data: bytes, at: int, end: int, *, is_cut: bool = False) -> None:
        self.data = data
        self.at = at
        self.end = end
        self.is_cut = is_cut

    def value(self) -> tuple[int, bytes]:
        """Take the next value as its tag and content; PrinterProtocolError where it isn't whole."""
        tag, start, stop = self._frame()
        if stop > self.end:
            raise PrinterProtocolError("SNMP: a value runs over the end of the message")
        self.at = stop
        return tag, self.data[start:stop]

    def inside(self, *tags: int) -> tuple[int, _Reader]:
        """Enter the next value, which must have one of `tags`; one said to be too long ends where its parent does."""
        tag, start, stop = self._frame()
        if tag not in tags:
            raise PrinterProtocolError(f"SNMP: tag 0x{tag:02x} where {', '.join(map(hex, tags))} belongs")
        self.at = min(stop, self.end)
        return tag, _Reader(self.data, start, self.at, is_cut=stop > self.end)

    def integer(self) -> int:
        """Take the next value, which must be an INTEGER."""
        tag, content = self.value()
        number = _parse_integer(content) if tag == Tag.INTEGER else None
        if number is None:
            raise PrinterProtocolError("SNMP: no INTEGER where one belongs")
        return number

    def _frame(self) -> tuple[int, int, int]:
        if self.at + 2 > self.end:
            raise PrinterProtocolError("SNMP: the message is cut short")
        tag, size, start = self.data[self.at], self.data[self.at + 1], self.at + 2
        if size & 0x80:
            octets = size & 0x7F
            size = int.from_bytes(self.data[start : start + octets], "big")
            start += octets
            if not octets or start > self.end:
                raise PrinterProtocolError("SNMP: a length that can't be read")
        return tag, start, start + size


def parse_message(data: bytes) -> Message:
    """Read a v1 or v2c request or response.

    Bytes after the message are ignored. Variable bindings are read up to the first that is cut off by the end of the
    message; one whose name isn't valid is left out, one whose value isn't valid is bound to None.

    Raises:
        PrinterProtocolError: it is not such a message.
    """
    _, body = _Reader(data, 0, len(data)).inside(SEQUENCE)
    version = body.integer()
    tag, community = body.value()
    if version not in (Version.V1, Version.V2C) or tag != Tag.OCTET_STRING:
        raise PrinterProtocolError(f"SNMP: neither v1 nor v2c (version {version})")
    operation, pdu = body.inside(*Operation)
    numbers = (pdu.integer(), pdu.integer(), pdu.integer())
    _, bindings = pdu.inside(SEQUENCE)
    return Message(Version(version), community, Operation(operation), *numbers, tuple(_parse_varbinds(bindings)))


def _parse_varbinds(bindings: _Reader) -> list[Varbind]:
    found: list[Varbind] = []
    while bindings.at < bindings.end:
        try:
            _, binding = bindings.inside(SEQUENCE)
            tag, content = binding.value()
        except PrinterProtocolError:
            return found
        name = _parse_oid(content) if tag == Tag.OBJECT_IDENTIFIER else None
        try:
            value = _parse_value(*binding.value())
        except PrinterProtocolError:
            if binding.is_cut:
                return found
            value = None
        if name:
            found.append((name, value))
    return found


def _parse_value(tag: int, content: bytes) -> Value:
    if tag in _OCTETS:
        return content
    if tag == Tag.INTEGER:
        number = _parse_integer(content)
        return number if number is not None and -(2**31) <= number < 2**31 else None
    if ceiling := _UNSIGNED_CEILINGS.get(tag):
        number = _parse_integer(content)
        return number if number is not None and 0 <= number < ceiling else None
    if tag == Tag.OBJECT_IDENTIFIER:
        return _parse_oid(content)
    return _MISSING.get(tag)


def _parse_integer(content: bytes) -> int | None:
    return int.from_bytes(content, "big", signed=True) if content else None


def _parse_oid(content: bytes) -> Oid | None:
    arcs: list[int] = []
    arc = 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if arc > LARGEST_ARC:
            return None
        if octet < HIGH_BIT:
            arcs.append(arc)
            arc = 0
    if not arcs or content[-1] >= HIGH_BIT or len(arcs) >= LONGEST_OID:
        return None
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - first * 40, *arcs[1:])
