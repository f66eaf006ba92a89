"""One connection to an MQTT broker, with MQTT 5 or 3.1.1; the only file that knows paho.

Each connection has a paho client of its own that is thrown away with it. So an acknowledgement can't reach another
connection's message of the same packet identifier, and paho sends nothing again of what the outbox will send again.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.config_schema import MqttConfig
from agent.errors import ConfigError
from agent.mqtt_message import ConnectInfo, Inbound, ProtocolVersion, Publication, Will, is_topic_name
from agent.mqtt_publish import parse_publish
from agent.secret_files import read_secret
from agent.tls import lenient, show, trusting

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 10.0
KEEPALIVE_SECONDS = 30
RECEIVE_MAXIMUM = 8
STEADY_SECONDS = 10.0
HEADER_BYTES = 64
"""Room for what surrounds topic and payload in a packet of ours."""

PROTOCOLS: dict[ProtocolVersion, MQTTProtocolVersion] = {
    "5": MQTTProtocolVersion.MQTTv5,
    "3.1.1": MQTTProtocolVersion.MQTTv311,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What every connection of a session has in common; without an expiry it ends with its connection."""

    client_id: str
    settings: MqttConfig
    session_expiry_seconds: int
    maximum_packet_bytes: int
    subscriptions: tuple[str, ...]
    will: Will | None
    on_message: Callable[[Inbound], None]
    on_connect: Callable[[ConnectInfo], None]


class Connection:
    """One connection, from CONNECT to its end.

    Attributes:
        info: what CONNACK told, None before it and after a refusal.
        refused_filters: those of the subscriptions that SUBACK refused, None before it.
        ending: why it ended, for a person.
        refusal: the MQTT 5 reason code with which the broker refused or ended it, 0 where it named none.
    """

    def __init__(self, terms: Terms, *, serial: int, protocol: ProtocolVersion) -> None:
        self.serial = serial
        self.protocol = protocol
        self.info: ConnectInfo | None = None
        self.refused_filters: tuple[str, ...] | None = None
        self.ending = "the broker closed the connection before it answered (TLS on one side only?)"
        self.refusal = 0
        self._terms = terms
        self._client = _make_client(terms, protocol)
        self._connected_at = float("inf")
        self._packet_limit_bytes = 268_435_455
        self._is_leaving = False
        self._is_over = False
        self._lock = threading.Lock()
        self._unacknowledged: deque[int] = deque()
        self._acknowledged: set[int] = set()
        self._publications: dict[int, Publication] = {}
        self._early: dict[int, str | None] = {}

    def open(self) -> None:
        """Connect and send CONNECT; its answer comes in a `turn`.

        Raises:
            OSError: no connection, or TLS failed.
            ConfigError: a secret or certificate can't be read.
        """
        client, settings = self._client, self._terms.settings
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_packet = self._on_packet
        client.on_publish = self._on_publish
        client.on_socket_register_write = _woken_by_its_socketpair
        if settings.username:
            password = read_secret(settings.password_file) if settings.password_file else None
            client.username_pw_set(settings.username, password)
        if settings.tls:
            client.tls_set_context(cast("ssl.SSLContext", _Handshake(_tls_context(settings))))
        is_5 = self.protocol == "5"
        client.connect(
            settings.host,
            settings.port,
            keepalive=KEEPALIVE_SECONDS,
            clean_start=False if is_5 else MQTT_CLEAN_START_FIRST_ONLY,  # for 3.1.1 paho insists on it
            properties=self._connect_properties() if is_5 else None,
        )

    def turn(self, seconds: float) -> bool:
        """Let packets come and go for at most so long; False when the connection is over."""
        try:
            return self._client.loop(seconds) == MQTTErrorCode.MQTT_ERR_SUCCESS
        except Exception:
            log.exception("%s: the MQTT client failed; it connects anew", self._terms.client_id)
            return False

    def leave(self) -> None:
        """Send DISCONNECT; what still comes in is dropped, for it comes again with the next connection."""
        self._is_leaving = True
        self._client.disconnect()

    def discard(self) -> None:
        """Give up what was under way, and the client, whose sockets close as nothing refers to it any more."""
        with self._lock:
            self._is_over = True
            publications = list(self._publications.values())
            self._publications.clear()
        for publication in publications:
            publication.lose()
        client = self._client
        client.on_connect = client.on_disconnect = client.on_subscribe = client.on_publish = None
        client.on_packet = _drop

    def lasted(self) -> bool:
        """Whether it was up long enough to count as good."""
        return time.monotonic() - self._connected_at > STEADY_SECONDS

    def ack(self, packet_id: int) -> None:
        """Acknowledge a message; its PUBACK waits for those of the messages before it (MQTT-4.6.0-2)."""
        with self._lock:
            self._acknowledged.add(packet_id)
            while self._unacknowledged and self._unacknowledged[0] in self._acknowledged:
                first = self._unacknowledged.popleft()
                self._acknowledged.discard(first)
                self._client.ack(first, 1)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool,
        qos: int,
        content_type: str | None,
        correlation_data: bytes | None,
        message_expiry: int | None,
    ) -> Publication:
        """Queue a message; the properties go with MQTT 5 only."""
        publication = Publication()
        if not is_topic_name(topic) or len(topic) + len(payload) + HEADER_BYTES > self._packet_limit_bytes:
            publication.settle(refusal=f"the broker takes no such topic, or not {len(payload)} bytes")
            return publication
        properties = None
        if self.protocol == "5":
            properties = _publish_properties(content_type, correlation_data, message_expiry)
        packet_id = self._client.publish(topic, payload, qos, retain, properties).mid
        with self._lock:
            if packet_id in self._early:
                publication.settle(self._early.pop(packet_id))
            elif self._is_over:
                publication.lose()
            else:
                self._publications[packet_id] = publication
        return publication

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's is untyped
        properties.SessionExpiryInterval = self._terms.session_expiry_seconds
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = self._terms.maximum_packet_bytes
        return properties

    def _subscribe(self) -> None:
        if self.protocol == "5":
            options = SubscribeOptions(
                qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            )
            self._client.subscribe([(topic, options) for topic in self._terms.subscriptions])
        else:
            self._client.subscribe([(topic, 1) for topic in self._terms.subscriptions])

    def _on_connect(
        self, _client: Client, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.refusal, self.ending = reason.value, f"the broker refuses: {reason.getName()}"
            return
        self._connected_at = time.monotonic()
        self._packet_limit_bytes = getattr(properties, "MaximumPacketSize", self._packet_limit_bytes)
        if self._terms.subscriptions:
            self._subscribe()
        self.ending = "the connection is lost"
        self.info = ConnectInfo(session_present=flags.session_present, protocol=self.protocol)
        self._guarded(self._terms.on_connect, self.info)

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.refusal, self.ending = reason.value, f"the broker ended the connection: {reason.getName()}"

    def _on_subscribe(
        self, _client: Client, _userdata: Any, _packet_id: int, reasons: Sequence[ReasonCode], _properties: Any
    ) -> None:
        refused = {
            topic: reason.getName()
            for topic, reason in zip(self._terms.subscriptions, reasons, strict=False)
            if reason.is_failure
        }
        self.refused_filters = tuple(refused)
        for topic, name in refused.items():
            log.error("%s: the broker refuses to subscribe %s: %s", self._terms.client_id, topic, name)

    def _on_packet(self, first_byte: int, packet: bytearray) -> None:
        if self._is_leaving:
            return
        message = parse_publish(first_byte, packet, protocol=self.protocol, connection=self.serial)
        if message.qos:
            with self._lock:
                self._unacknowledged.append(message.packet_id)
        self._guarded(self._terms.on_message, message)

    def _guarded(self, callback: Callable[[Any], None], argument: object) -> None:
        """Call one of ours; where it fails, the message is not lost: it comes again with the next connection."""
        try:
            callback(argument)
        except Exception:
            log.exception("%s: %r could not be taken; it connects anew", self._terms.client_id, argument)
            self.leave()

    def _on_publish(
        self, _client: Client, _userdata: Any, packet_id: int, reason: ReasonCode, _properties: Any
    ) -> None:
        refusal = reason.getName() if reason.is_failure else None
        with self._lock:
            publication = self._publications.pop(packet_id, None)
            if publication is None:  # faster than `publish` could note it
                self._early[packet_id] = refusal
        if publication is not None:
            publication.settle(refusal)


class _Client(Client):
    """paho's client, which leaves it to `mqtt_publish` to read messages.

    Attributes:
        on_packet: called with the first byte of each PUBLISH packet and what follows its fixed header.
    """

    on_packet: Callable[[int, bytearray], None]

    def _handle_publish(self) -> MQTTErrorCode:
        self.on_packet(self._in_packet["command"], self._in_packet["packet"])
        return MQTTErrorCode.MQTT_ERR_SUCCESS


class _Handshake:
    """What paho needs of an SSL context; the socket is closed where the handshake fails, which paho would forget.

    A certificate that is refused is told with what was presented.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.check_hostname = context.check_hostname
        self._context = context

    def wrap_socket(self, plain: socket.socket, *, server_hostname: str, **_postponed: bool) -> ssl.SSLSocket:
        address = plain.getpeername()
        try:
            return self._context.wrap_socket(plain, server_hostname=server_hostname)
        except ssl.SSLCertVerificationError as error:
            from agent.certificate import told  # noqa: PLC0415 - 8 MB, only for who is presented a wrong one

            raise ConnectionError(f"{told(error, _presented(address, server_hostname))} ([mqtt])") from error


def _presented(address: Any, server_hostname: str) -> bytes | None:
    """Connect once more to see the certificate, which the standard library shows of no failed handshake."""
    with contextlib.suppress(OSError):
        plain = socket.create_connection(address[:2], timeout=CONNECT_TIMEOUT_SECONDS)
        with plain, lenient().wrap_socket(plain, server_hostname=server_hostname) as secure:
            return secure.getpeercert(binary_form=True)
    return None


def _make_client(terms: Terms, protocol: ProtocolVersion) -> _Client:
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=terms.client_id,
        clean_session=None if protocol == "5" else not terms.session_expiry_seconds,
        protocol=PROTOCOLS[protocol],
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = CONNECT_TIMEOUT_SECONDS
    if terms.will is not None:
        client.will_set(terms.will.topic, terms.will.payload, qos=1, retain=True)
    return client


def _woken_by_its_socketpair(_client: Client, _userdata: Any, _socket: Any) -> None:
    """Keep paho from writing in the caller's thread: it does so unless somebody seems to watch the socket for it."""


def _drop(_first_byte: int, _packet: bytearray) -> None:
    """Take no message: the connection is given up."""


def _publish_properties(
    content_type: str | None, correlation_data: bytes | None, message_expiry: int | None
) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's is untyped
    if content_type is not None:
        properties.ContentType = content_type
    if correlation_data is not None:
        properties.CorrelationData = correlation_data
    if message_expiry is not None:
        properties.MessageExpiryInterval = message_expiry
    return properties


def _tls_context(settings: MqttConfig) -> ssl.SSLContext:
    context = trusting(settings.ca_file)
    if settings.client_cert_file is not None:
        show(context, settings.client_cert_file, settings.client_key_file or settings.client_cert_file)
    return context


def explain(error: OSError | ConfigError) -> str:
    """Say in one line why a connection could not be made."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'unknown').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return f"its name can't be resolved: {error.strerror}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
