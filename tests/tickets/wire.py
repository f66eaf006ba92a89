"""MQTT by hand: a publisher that sends what libraries refuse to send, and a look at what a session still holds."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tests.tickets.oracle import Message

WINDOW = 10
"""Messages that may be under way to the broker: Mosquitto takes 20."""

PATIENCE_SECONDS = 30.0
CONNACK, PUBLISH, PUBACK = 2, 3, 4
RETAIN_FLAG, QOS_1_FLAG = 1, 2
SESSION_PRESENT = 1


def _variable(value: int) -> bytes:
    more, byte = divmod(value, 128)
    return bytes([byte | 128]) + _variable(more) if more else bytes([byte])


def _binary(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


class Connection:
    """One connection to a broker on 127.0.0.1, of MQTT 5 or 3.1.1."""

    def __init__(self, port: int, version: str, *, client_id: str = "", keep_session: bool = False) -> None:
        self._is_5 = version == "5"
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._file = self._socket.makefile("rb")
        self._sent = 0
        self._under_way: set[int] = set()
        flags = b"\0" if keep_session else b"\2"
        expiry = b"\5\x11" + struct.pack(">I", 3600 if keep_session else 0) if self._is_5 else b""
        level = b"\5" if self._is_5 else b"\4"
        self._send(0x10, _binary(b"MQTT") + level + flags + b"\0\0" + expiry + _binary(client_id.encode()))
        kind, body = self._read()
        if kind != CONNACK or body[1]:
            raise ConnectionError(f"the broker refuses: {body.hex()}")
        self.has_session = bool(body[0] & SESSION_PRESENT)

    def __enter__(self) -> Self:
        """Give the connection."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, with DISCONNECT."""
        with contextlib.suppress(OSError):
            self._send(0xE0, b"")
        self._file.close()
        self._socket.close()

    def publish(self, topic: str, message: Message) -> None:
        """Publish at QoS 1; waits only while many are under way."""
        while len(self._under_way) >= WINDOW:
            self._take_puback()
        self._sent = self._sent % 65_535 + 1
        self._under_way.add(self._sent)
        properties = b"".join(_properties(message)) if self._is_5 else b""
        length = _variable(len(properties)) if self._is_5 else b""
        body = _binary(topic.encode()) + struct.pack(">H", self._sent) + length + properties + message.payload
        self._send(PUBLISH << 4 | QOS_1_FLAG | (RETAIN_FLAG if message.retain else 0), body)

    def finish(self) -> None:
        """Wait until the broker has everything."""
        while self._under_way:
            self._take_puback()

    def redelivered(self, seconds: float) -> int:
        """Count the messages that the session still holds; none is acknowledged."""
        count = 0
        self._socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            while True:
                count += self._read()[0] == PUBLISH
        return count

    def _take_puback(self) -> None:
        kind, body = self._read()
        if kind != PUBACK:
            raise ConnectionError(f"the broker ends the connection: {kind} {body.hex()}")
        self._under_way.discard(int.from_bytes(body[:2], "big"))

    def _send(self, first: int, body: bytes) -> None:
        self._socket.sendall(bytes([first]) + _variable(len(body)) + body)

    def _read(self) -> tuple[int, bytes]:
        first, length, shift = self._byte(), 0, 0
        while True:
            byte = self._byte()
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first >> 4, self._file.read(length)

    def _byte(self) -> int:
        byte = self._file.read(1)
        if not byte:
            raise ConnectionError("the broker closed the connection")
        return byte[0]


def _properties(message: Message) -> Iterator[bytes]:
    if message.payload_format is not None:
        yield bytes([1, message.payload_format])
    if message.content_type is not None:
        yield b"\x03" + _binary(message.content_type.encode())
    if message.response_topic is not None:
        yield b"\x08" + _binary(message.response_topic.encode())
    if message.correlation_data is not None:
        yield b"\x09" + _binary(message.correlation_data)
    for name, value in message.user_properties:
        yield b"\x26" + _binary(name.encode()) + _binary(value.encode())
