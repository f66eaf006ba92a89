"""A publisher of documents, as an integrator would write one: MQTT 5, QoS 1, the bytes as payload."""

from __future__ import annotations

import threading

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

CONNECT_SECONDS = 10.0


class Publisher:
    """Publishes PDF documents to one topic of a broker on 127.0.0.1."""

    def __init__(self, *, port: int, topic: str) -> None:
        self._port = port
        self._topic = topic
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._connected = threading.Event()
        self._properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types there
        self._properties.ContentType = "application/pdf"

    def start(self) -> None:
        """Connect.

        Raises:
            TimeoutError: the broker does not answer.
        """
        self._client.on_connect = lambda *_: self._connected.set()
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        if not self._connected.wait(CONNECT_SECONDS):
            raise TimeoutError(f"no broker on port {self._port}")

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, document: bytes) -> None:
        """Publish one document; it leaves by itself."""
        self._client.publish(self._topic, document, qos=1, properties=self._properties)
