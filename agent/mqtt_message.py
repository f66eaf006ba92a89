"""MQTT's nouns as the services use them, without a connection: messages in and out, the will, topics and filters."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

ProtocolVersion = Literal["5", "3.1.1"]

TOPIC_LIMIT_BYTES = 65_535


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as it came.

    `connection` is the serial number of the connection that it came by: it can be acknowledged only there. `packet_id`
    is 0 for QoS 0. `message_expiry` is the seconds that were left at receipt. On MQTT 3.1.1 everything from
    `content_type` to `message_expiry` is None or empty. A `problem` says what is wrong with its topic or properties, so
    that it can only be refused; what can't be read of them is left out.
    """

    topic: str
    payload: bytes = field(repr=False)
    qos: int = 1
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    message_expiry: int | None = None
    protocol: ProtocolVersion = "5"
    connection: int = 0
    problem: str | None = None

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory, about."""
        properties = sum(len(name) + len(value) for name, value in self.user_properties)
        return len(self.payload) + len(self.topic) + properties + len(self.correlation_data or b"")


@dataclass(frozen=True, slots=True)
class ConnectInfo:
    """What the broker said when it let us in; without `session_present` it has forgotten what it had not delivered."""

    session_present: bool
    protocol: ProtocolVersion


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when the connection breaks off."""

    topic: str
    payload: bytes


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic matches a filter with `+` and `#`, as MQTT 5 section 4.7 says."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for position, name in enumerate(wanted):
        if name == "#":
            return True
        if position == len(levels) or name not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)


def is_topic_name(topic: str) -> bool:
    """Whether something can be published to this topic: not empty, no wildcard, no control character, not too long."""
    return 0 < len(topic.encode(errors="replace")) <= TOPIC_LIMIT_BYTES and not any(
        character in "+#" or not character.isprintable() for character in topic
    )


class Publication:
    """A message on its way to the broker: settled by its PUBACK, or lost with its connection.

    Attributes:
        refusal: why the broker did not take it (MQTT 5 tells), None where it did; such a message is settled too.
    """

    def __init__(self) -> None:
        self.refusal: str | None = None
        self._over = threading.Event()
        self._is_settled = False

    def settle(self, refusal: str | None = None) -> None:
        """Note the broker's word."""
        self.refusal = refusal
        self._is_settled = True
        self._over.set()

    def lose(self) -> None:
        """Note that the connection went first: it may have arrived or not."""
        self._over.set()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the PUBACK; False where it has not come in time, or can no longer come."""
        self._over.wait(timeout_seconds)
        return self._is_settled

    def done(self) -> bool:
        """Whether the PUBACK has come."""
        return self._is_settled

    def is_lost(self) -> bool:
        """Whether the PUBACK can no longer come."""
        return self._over.is_set() and not self._is_settled
