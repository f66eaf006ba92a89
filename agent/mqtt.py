"""The session at the MQTT broker: persistent, acknowledged by hand, and connected again for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from agent.config_schema import MqttConfig
from agent.errors import BrokerUnreachableError, ConfigError
from agent.loop import LONGEST_WAIT_SECONDS, Loop, backoff
from agent.mqtt_connection import Connection, Terms, explain
from agent.mqtt_message import ConnectInfo, Inbound, ProtocolVersion, Publication, Will

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
STOP_SECONDS = 5.0
PAUSE_CEILING_SECONDS = 60.0
REFUSED_PAUSE_CEILING_SECONDS = 300.0
SHORT_CONNECTIONS = 2
"""After so many in a row somebody else takes the session over; some brokers end the connection without saying so."""

UNSUPPORTED_PROTOCOL_VERSION = 0x84
SLOW_REFUSALS = frozenset({0x85, 0x86, 0x87, 0x8A, 0x8E})
"""Client id not valid, bad user name or password, not authorized, banned, session taken over: a person must act."""


class BrokerSession:
    """A session that the broker keeps for us, and the connections it takes to be there: made again for ever.

    The callbacks are called in the session's thread and must hand over and return; while one waits, so does the broker.

    Attributes:
        last_error: why there is no connection, in one line; None while there is one.
    """

    def __init__(
        self,
        *,
        client_id: str,
        settings: MqttConfig,
        session_expiry_seconds: int,
        maximum_packet_bytes: int,
        subscriptions: Sequence[str],
        on_message: Callable[[Inbound], None],
        on_connect: Callable[[ConnectInfo], None],
        on_disconnect: Callable[[], None],
        will: Will | None = None,
        pause_seconds: float = 1.0,
        refused_pause_seconds: float = 30.0,
    ) -> None:
        self.last_error: str | None = "not connected yet"
        self._terms = Terms(
            client_id=client_id,
            settings=settings,
            session_expiry_seconds=session_expiry_seconds,
            maximum_packet_bytes=maximum_packet_bytes,
            subscriptions=tuple(subscriptions),
            will=will,
            on_message=on_message,
            on_connect=self._welcome,
        )
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._pause_seconds = pause_seconds
        self._refused_pause_seconds = refused_pause_seconds
        self._protocol: ProtocolVersion = "5" if settings.version == "auto" else settings.version
        self._connection: Connection | None = None
        self._connections = 0
        self._failures = 0
        self._is_away = False
        self._away_because = ""
        self._gone = threading.Event()
        self._gone.set()
        self._loop = Loop(f"mqtt {client_id}", self.step)

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in and the connection is up."""
        connection = self._connection
        return connection is not None and connection.info is not None

    @property
    def protocol(self) -> ProtocolVersion:
        """The version that is spoken, or tried next."""
        return self._protocol

    def start(self) -> None:
        """Start the session's thread, which connects."""
        self._loop.start()

    def stop(self) -> None:
        """Disconnect, which drops the will, and end the thread; the session stays at the broker."""
        self.leave("the agent is stopping")
        self._gone.wait(STOP_SECONDS)
        self._loop.stop()
        self._loop.join(STOP_SECONDS)

    def is_alive(self) -> bool:
        """Whether the thread does its work."""
        return self._loop.is_alive()

    def beat(self) -> None:
        """Say from inside a callback that waits that all is well."""
        self._loop.beat()

    def leave(self, reason: str) -> None:
        """Disconnect and stay away: the broker keeps what comes, and sends again what was not acknowledged."""
        self._away_because = reason
        self._is_away = True
        if (connection := self._connection) is not None:
            connection.leave()
        self._loop.wake()

    def rejoin(self) -> None:
        """Come back after `leave`."""
        self._is_away = False
        self._loop.wake()

    def ack(self, inbound: Inbound) -> bool:
        """Acknowledge a message; False where its connection is gone, so that it comes again."""
        connection = self._connection
        if connection is None or connection.serial != inbound.connection:
            return False
        if inbound.qos:
            connection.ack(inbound.packet_id)
        return True

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        qos: int = 1,
        content_type: str | None = None,
        correlation_data: bytes | None = None,
        message_expiry: int | None = None,
    ) -> Publication:
        """Publish a message; the properties go with MQTT 5 only.

        Raises:
            BrokerUnreachableError: there is no connection.
        """
        connection = self._connection
        if connection is None or connection.info is None:
            raise BrokerUnreachableError(f"no connection to the broker: {self.last_error}")
        return connection.publish(
            topic,
            payload,
            retain=retain,
            qos=qos,
            content_type=content_type,
            correlation_data=correlation_data,
            message_expiry=message_expiry,
        )

    def step(self) -> float:
        """Connect, or let packets come and go for a while; gives the seconds until the next."""
        connection = self._connection
        if connection is None:
            return LONGEST_WAIT_SECONDS if self._is_away else self._open()
        if connection.turn(TURN_SECONDS):
            return 0.0
        return self._end(connection)

    def _open(self) -> float:
        self._connections += 1
        connection = Connection(self._terms, serial=self._connections, protocol=self._protocol)
        try:
            connection.open()
        except (OSError, ConfigError) as error:
            connection.discard()
            return self._failed(explain(error))
        self._gone.clear()
        self._connection = connection
        if self._is_away:
            connection.leave()
        return 0.0

    def _welcome(self, info: ConnectInfo) -> None:
        log.info("%s: connected to %s by MQTT %s", self._terms.client_id, self._address(), info.protocol)
        self.last_error = None
        self._on_connect(info)

    def _end(self, connection: Connection) -> float:
        self._connection = None
        connection.discard()
        try:
            if connection.info is not None:
                self._on_disconnect()
        finally:
            self._gone.set()
        if self._is_away:
            self.last_error = self._away_because
            return 0.0
        if connection.refusal == UNSUPPORTED_PROTOCOL_VERSION and self._may_step_down():
            self._protocol = "3.1.1"
            return 0.0
        reason = connection.ending
        if connection.lasted():
            self._failures = 0
        elif connection.info is not None and self._failures >= SHORT_CONNECTIONS:
            reason = f"{reason}, again and again: has another agent this agent.id?"
        return self._failed(reason, is_refused=connection.refusal in SLOW_REFUSALS)

    def _failed(self, reason: str, *, is_refused: bool = False) -> float:
        self._failures += 1
        if reason != self.last_error:
            log.warning("%s: broker %s: %s; it tries again", self._terms.client_id, self._address(), reason)
        self.last_error = reason
        if is_refused:
            return backoff(self._failures, base=self._refused_pause_seconds, ceiling=REFUSED_PAUSE_CEILING_SECONDS)
        return backoff(self._failures, base=self._pause_seconds, ceiling=PAUSE_CEILING_SECONDS)

    def _may_step_down(self) -> bool:
        return self._terms.settings.version == "auto" and self._protocol == "5"

    def _address(self) -> str:
        return f"{self._terms.settings.host}:{self._terms.settings.port}"
