"""Messages as publishers can make them who keep to no rule: each is read, or told what is wrong with it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.mqtt_message import Inbound
from agent.mqtt_publish import PROPERTIES_LIMIT, MalformedPacketError, parse_publish
from tests.mosquitto import Mosquitto
from tests.mqtt_member import Member, join, send

__all__ = ["join"]  # the fixture

QOS_1 = 0x32
CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA, USER_PROPERTY = b"\x03", b"\x08", b"\x09", b"\x26"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Give a broker."""
    with Mosquitto(tmp_path_factory.mktemp("broker")) as running:
        yield running


def text(value: bytes) -> bytes:
    """Write MQTT's text or binary data."""
    return struct.pack(">H", len(value)) + value


def variable(value: int) -> bytes:
    """Write a Variable Byte Integer."""
    more, byte = divmod(value, 128)
    return bytes([byte | 128]) + variable(more) if more else bytes([byte])


def packet(properties: bytes = b"", *, topic: bytes = b"in/x", payload: bytes = b"%PDF") -> bytes:
    """Write what follows the fixed header of a PUBLISH packet of MQTT 5 with packet identifier 7."""
    return text(topic) + b"\0\7" + variable(len(properties)) + properties + payload


def read(content: bytes, first_byte: int = QOS_1) -> Inbound:
    """Read a packet of MQTT 5."""
    return parse_publish(first_byte, content, protocol="5", connection=3)


def test_a_message_has_every_property_that_is_asked_for() -> None:
    """The others are passed over: Payload Format, Subscription Identifier, Topic Alias."""
    passed_over = b"\x01\x07" + b"\x0b\x81\x01" * 2 + b"\x23\0\1"
    known = CONTENT_TYPE + text(b"a/b") + RESPONSE_TOPIC + text(b"r") + CORRELATION_DATA + text(b"\xff")
    message = read(packet(passed_over + known + b"\x02\0\0\0\x09" + USER_PROPERTY + text(b"k") + text(b"v")), 0x3B)
    assert message == Inbound(
        "in/x", b"%PDF", retain=True, dup=True, packet_id=7, content_type="a/b", response_topic="r",
        correlation_data=b"\xff", user_properties=(("k", "v"),), message_expiry=9, connection=3,
    )  # fmt: skip


def test_mqtt_3_1_1_has_no_properties_and_qos_0_no_packet_identifier() -> None:
    """What follows is the payload."""
    message = parse_publish(0x30, text(b"in/x") + b"\0\7%PDF", protocol="3.1.1", connection=1)
    assert (message.payload, message.qos, message.packet_id, message.user_properties) == (b"\0\7%PDF", 0, 0, ())


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        (USER_PROPERTY + text(b"name") + text(b"\xed\xa0\x80"), "not UTF-8"),
        (CONTENT_TYPE + text(b"\xe9"), "not UTF-8"),
        (CONTENT_TYPE + text(b"a/b") + CONTENT_TYPE + text(b"a/c"), "repeated"), (b"\x7e\x01", "identifier 126"),
        (CONTENT_TYPE + b"\0\x09short", "missing"), (b"\xff\xff\xff\xff\x01", "four bytes"),
        ((USER_PROPERTY + text(b"k") + text(b"v")) * (PROPERTIES_LIMIT + 1), f"more than {PROPERTIES_LIMIT}"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_properties_is_the_messages_problem(properties: bytes, problem: str) -> None:
    """So that it can be refused where its publisher listens, and acknowledged, instead of coming again for ever."""
    message = read(packet(RESPONSE_TOPIC + text(b"r") + properties))
    assert problem in str(message.problem)
    assert (message.payload, message.packet_id, message.response_topic) == (b"%PDF", 7, "r")


def test_a_topic_that_is_no_text_is_the_messages_problem() -> None:
    """Brokers that do not look pass it on."""
    assert read(packet(topic=b"in/\xe9")).problem == "the topic is not UTF-8 text"


@pytest.mark.parametrize("content", [b"", b"\0", b"\0\x09in", text(b"in/x") + b"\0", packet()[:8] + b"\xff\xff"])
def test_a_packet_that_ends_too_early_is_the_brokers_fault(content: bytes) -> None:
    """There is no message in it to acknowledge."""
    with pytest.raises(MalformedPacketError):
        read(content)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0x30, 0x3F))
def test_any_properties_are_read_or_a_problem(properties: bytes, first_byte: int) -> None:
    """Nothing is raised for what a publisher wrote."""
    message = read(packet(properties), first_byte & ~6 | 2)
    assert message.payload == b"%PDF"
    assert message.topic == "in/x"


@pytest.mark.parametrize(
    "properties",
    [
        {"UserProperty": [("name", "a\ufeffb")]}, {"ContentType": "\ufeff"}, {"ResponseTopic": "a\ufeff"},
        {"UserProperty": [("a", "b")] * 20_000},
    ],
)  # fmt: skip
def test_no_message_that_a_broker_passes_on_ends_the_connection(
    broker: Mosquitto, join: Callable[..., Member], properties: dict[str, Any]
) -> None:
    """One that did would come again with the next connection, and keep the agent away for ever."""
    member = join(broker.port, session_expiry_seconds=0)
    send(broker.port, b"odd", **properties)
    send(broker.port, b"next")
    odd, after = member.arrived(2)
    assert (odd.payload, after.payload, len(member.connects)) == (b"odd", b"next", 1)
    assert member.session.ack(odd)
