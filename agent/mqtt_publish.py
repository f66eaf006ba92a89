"""PUBLISH packets as a broker sends them (section 3.3 of MQTT 3.1.1 and 5): bytes in, a message out. Pure.

paho reads properties in a time that grows with the square of their number, and ends the connection for a U+FEFF in one,
which is allowed: one message could keep an agent from its broker for ever, for an unacknowledged one comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agent.mqtt_message import Inbound, ProtocolVersion

PROPERTIES_LIMIT = 100
MORE_FOLLOWS = 0x80


class MalformedPacketError(ValueError):
    """Raised when a packet ends too early: the broker itself is at fault."""


def parse_publish(first_byte: int, packet: bytes | bytearray, *, protocol: ProtocolVersion, connection: int) -> Inbound:
    """Read a packet; what its publisher did wrong is the message's `problem`, so that it can be acknowledged.

    Args:
        first_byte: of the fixed header.
        packet: what follows the fixed header.
        protocol: the version that is spoken.
        connection: the serial number of the connection that it came by.

    Raises:
        MalformedPacketError: it is no PUBLISH packet.
    """
    reader = _Reader(packet)
    qos = first_byte >> 1 & 3
    topic = reader.binary()
    message = Inbound(
        topic=topic.decode(errors="replace"),
        payload=b"",
        qos=qos,
        retain=bool(first_byte & 1),
        dup=bool(first_byte & 8),
        packet_id=reader.integer(2) if qos else 0,
        protocol=protocol,
        connection=connection,
    )
    properties = reader.take(reader.variable()) if protocol == "5" else b""
    message = replace(message, payload=reader.rest(), **_parse_properties(properties))
    return message if message.topic.encode() == topic else replace(message, problem="the topic is not UTF-8 text")


def _parse_properties(block: bytes) -> dict[str, Any]:
    """Give what a message has of its properties: those before the first that is wrong, and what is wrong with it."""
    values: dict[str, Any] = {}
    users: list[tuple[str, str]] = []
    try:
        for name, value in _properties(_Reader(block)):
            if name == "user_properties":
                users.append(value)
            else:
                values[name] = value
    except UnicodeDecodeError:
        values["problem"] = "a property of the message is not UTF-8 text"
    except MalformedPacketError as error:
        values["problem"] = f"the properties of the message are wrong: {error}"
    return {**values, "user_properties": tuple(users)}


def _properties(reader: _Reader) -> Iterator[tuple[str, Any]]:
    seen: list[int] = []
    while not reader.is_at_end():
        identifier = reader.variable()
        if len(seen) == PROPERTIES_LIMIT:
            raise MalformedPacketError(f"there are more than {PROPERTIES_LIMIT}")
        if identifier not in KINDS:
            raise MalformedPacketError(f"no property of a message has the identifier {identifier}")
        name, read = KINDS[identifier]
        if identifier in seen and name not in ("", "user_properties"):
            raise MalformedPacketError(f"{name} is repeated")
        seen.append(identifier)
        value = read(reader)
        if name:
            yield name, value


class _Reader:
    """MQTT's data types (section 1.5), one after another.

    Raises:
        MalformedPacketError: by each method, where there are too few bytes.
    """

    def __init__(self, content: bytes | bytearray) -> None:
        self._content = content
        self._position = 0

    def is_at_end(self) -> bool:
        return self._position == len(self._content)

    def take(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._content):
            raise MalformedPacketError("bytes are missing at the end")
        taken = bytes(memoryview(self._content)[self._position : end])
        self._position = end
        return taken

    def rest(self) -> bytes:
        return self.take(len(self._content) - self._position)

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def variable(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            (byte,) = self.take(1)
            value |= (byte & ~MORE_FOLLOWS) << shift
            if not byte & MORE_FOLLOWS:
                return value
        raise MalformedPacketError("a number has more than four bytes")

    def binary(self) -> bytes:
        return self.take(self.integer(2))

    def text(self) -> str:
        return self.binary().decode()

    def pair(self) -> tuple[str, str]:
        return self.text(), self.text()


KINDS: Mapping[int, tuple[str, Callable[[_Reader], Any]]] = {
    0x01: ("", lambda reader: reader.integer(1)),
    0x02: ("message_expiry", lambda reader: reader.integer(4)),
    0x03: ("content_type", _Reader.text),
    0x08: ("response_topic", _Reader.text),
    0x09: ("correlation_data", _Reader.binary),
    0x0B: ("", _Reader.variable),
    0x23: ("", lambda reader: reader.integer(2)),
    0x26: ("user_properties", _Reader.pair),
}
"""The properties of a PUBLISH packet (section 3.3.2.3): our name, empty where nobody here asks for it, and its type."""
