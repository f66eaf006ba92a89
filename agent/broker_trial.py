"""Meets the broker as the agent does and leaves nothing there, so that what it refuses shows before a job is missed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.config_schema import MqttConfig
from agent.errors import BrokerUnreachableError, ConfigError, RefusedError
from agent.mqtt import UNSUPPORTED_PROTOCOL_VERSION
from agent.mqtt_connection import Connection, Terms, explain
from agent.mqtt_message import Inbound, ProtocolVersion, Publication

ANSWER_SECONDS = 10.0
ECHO_SECONDS = 3.0
TURN_SECONDS = 0.2
PACKET_LIMIT_BYTES = 65_536
OWN_NAME = "doctor"
"""Stands for every printer, job and user in a topic."""


@dataclass(frozen=True, slots=True)
class BrokerTrial:
    """What a broker that let us in allows.

    Attributes:
        protocol: the MQTT version that it speaks.
        publish_refusal: why it took no event of ours; None where it did, or says nothing, as with 3.1.1.
        refused: filters that it lets us not subscribe to.
        unheard: filters by which nothing came: brokers take subscriptions that they then serve nothing.
        untried: filters that nothing may be published for, so that nobody can tell.
    """

    protocol: ProtocolVersion
    publish_refusal: str | None
    refused: tuple[str, ...]
    unheard: tuple[str, ...]
    untried: tuple[str, ...]


def try_broker(settings: MqttConfig, *, client_id: str, filters: Sequence[str], event_topic: str) -> BrokerTrial:
    """Connect, subscribe, publish an event and an empty message for each filter, and leave; the session ends with that.

    No agent takes an empty message for a ticket or a command.

    Args:
        settings: the broker and the login.
        client_id: one that nobody else has.
        filters: what the agent subscribes to.
        event_topic: one that it publishes to.

    Raises:
        BrokerUnreachableError: there is no connection, or no answer.
        RefusedError: the broker doesn't let us in.
        ConfigError: a secret or certificate can't be read.
    """
    topics = {name: name.replace("+", OWN_NAME) for name in filters}
    came: set[str] = set()

    def hear(message: Inbound) -> None:
        came.add(message.topic)
        if message.qos:
            connection.ack(message.packet_id)

    terms = Terms(
        client_id=client_id,
        settings=settings,
        session_expiry_seconds=0,
        maximum_packet_bytes=PACKET_LIMIT_BYTES,
        subscriptions=tuple(filters),
        will=None,
        on_message=hear,
        on_connect=lambda _info: None,
    )
    connection = _connected(terms, "5" if settings.version == "auto" else settings.version)
    if connection.refusal == UNSUPPORTED_PROTOCOL_VERSION and settings.version == "auto":
        connection = _connected(terms, "3.1.1")
    if connection.info is None:
        raise (RefusedError if connection.refusal else BrokerUnreachableError)(connection.ending)
    try:
        return _tried(connection, event_topic, topics, came)
    except TimeoutError as error:
        raise BrokerUnreachableError("it let us in and then did not answer in time") from error
    finally:
        _leave(connection)


def _connected(terms: Terms, protocol: ProtocolVersion) -> Connection:
    """Connect and wait for CONNACK; the connection has no `info` where the broker refused or hung up."""
    connection = Connection(terms, serial=0, protocol=protocol)
    try:
        connection.open()
        _turn(connection, until=lambda: connection.info is not None)
    except OSError as error:
        connection.discard()
        raise BrokerUnreachableError(explain(error)) from error
    except ConfigError:
        connection.discard()
        raise
    return connection


def _tried(connection: Connection, event_topic: str, topics: Mapping[str, str], came: set[str]) -> BrokerTrial:
    _turn(connection, until=lambda: connection.refused_filters is not None)
    event = _publish(connection, event_topic, b"{}")
    echoes = {name: _publish(connection, topic, b"") for name, topic in topics.items()}
    _turn(connection, until=lambda: all(it.done() for it in (event, *echoes.values())))
    if connection.refused_filters is None or not event.done():
        raise BrokerUnreachableError(connection.ending)
    taken = [name for name, echo in echoes.items() if not echo.refusal]
    with contextlib.suppress(TimeoutError):
        _turn(connection, until=lambda: all(topics[name] in came for name in taken), seconds=ECHO_SECONDS)
    return BrokerTrial(
        protocol=connection.protocol,
        publish_refusal=event.refusal,
        refused=connection.refused_filters,
        unheard=tuple(name for name in taken if topics[name] not in came),
        untried=tuple(name for name in topics if name not in taken),
    )


def _publish(connection: Connection, topic: str, payload: bytes) -> Publication:
    return connection.publish(
        topic, payload, retain=False, qos=1, content_type=None, correlation_data=None, message_expiry=None
    )


def _leave(connection: Connection) -> None:
    connection.leave()
    with contextlib.suppress(TimeoutError):
        _turn(connection, until=lambda: False)
    connection.discard()


def _turn(connection: Connection, *, until: Callable[[], bool], seconds: float = ANSWER_SECONDS) -> None:
    """Let packets come and go until something is so, or the connection is over.

    Raises:
        TimeoutError: neither came about in time.
    """
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise TimeoutError
        if not connection.turn(TURN_SECONDS):
            return
