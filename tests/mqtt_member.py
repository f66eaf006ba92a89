"""Members of a real broker for tests: our session, which keeps what it was told, and a publisher that is not ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.config_schema import MqttConfig
from agent.mqtt import BrokerSession
from agent.mqtt_message import ConnectInfo, Inbound

PATIENCE_SECONDS = 10.0


def wait_until(condition: Callable[[], Any], what: str = "it") -> None:
    """Poll for a condition, with a deadline."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in time"
        threading.Event().wait(0.01)


class Member:
    """A `BrokerSession` that keeps what it was told."""

    def __init__(self, port: int, **changes: Any) -> None:
        settings = {"host": "127.0.0.1", "port": port, **changes.pop("settings", {})}
        self.messages: list[Inbound] = []
        self.connects: list[ConnectInfo] = []
        self.disconnects = 0
        arguments = {
            "client_id": "agent-1",
            "session_expiry_seconds": 600,
            "maximum_packet_bytes": 50_000_000,
            "subscriptions": ["in/#"],
            "on_message": self.messages.append,
            "on_connect": self.connects.append,
            "on_disconnect": self._count,
            "pause_seconds": 0.05,
            "refused_pause_seconds": 0.05,
            **changes,
        }
        self.session = BrokerSession(settings=MqttConfig(**settings), **arguments)

    def _count(self) -> None:
        self.disconnects += 1

    def arrived(self, number: int) -> list[Inbound]:
        """Wait until so many messages have come."""
        wait_until(lambda: len(self.messages) >= number, f"message {number}")
        return self.messages


@pytest.fixture
def join() -> Iterator[Callable[..., Member]]:
    """Give a function that starts sessions, which are stopped at the end."""
    with ExitStack() as stack:

        def start(port: int, *, wait: bool = True, **changes: Any) -> Member:
            member = Member(port, **changes)
            stack.callback(member.session.stop)
            member.session.start()
            if wait:
                wait_until(lambda: member.connects, "the connection")
                wait_until(lambda: member.session.connected, "the connection")
            return member

        yield start


@contextmanager
def publisher(port: int, protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5) -> Iterator[PahoClient]:
    """Give a client that is not ours."""
    client = PahoClient(CallbackAPIVersion.VERSION2, protocol=protocol)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def send(port: int, *payloads: bytes, topic: str = "in/x", retain: bool = False, **properties: Any) -> None:
    """Publish messages at QoS 1 and wait for their acknowledgements."""
    with publisher(port) as client:
        carried = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's is untyped
        for name, value in properties.items():
            setattr(carried, name, value)
        for payload in payloads:
            client.publish(topic, payload, qos=1, retain=retain, properties=carried).wait_for_publish(PATIENCE_SECONDS)
