"""The publisher of the crash suite: it publishes tickets at QoS 1 and believes only what it hears by MQTT."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.crash.documents import make_document
from tests.crash.verdict import CLOUDS, Order, Printer, Told

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.005
SESSION_SECONDS = 3600
SHARED_FOLDER = "Shared"


class Publisher:
    """One that listens before it speaks, and misses nothing while its broker is restarted.

    Two tickets of three have an id; the job of the third is known by the correlation data of its answers.

    Args:
        port: the broker's.
        base_topic: the agent's.
        has_ids: give every ticket an id, as who may have to publish it again must.

    Attributes:
        orders: the tickets whose PUBACK has come, by number.
        sizes: the bytes of every document that was published, by number.
        told: what was heard last of each, by number.
        boots: how many agents have said that they are online.
        kills: how many kills there have been; whoever kills sets it.
    """

    def __init__(self, port: int, base_topic: str, *, has_ids: bool = False) -> None:
        self.orders: dict[int, Order] = {}
        self.sizes: dict[int, int] = {}
        self.told: dict[int, Told] = {}
        self.boots = 0
        self.kills = 0
        self._port = port
        self._base_topic = base_topic
        self._has_ids = has_ids
        self._lock = threading.RLock()
        self._numbers: dict[str, int] = {}
        self._early: dict[str, Told] = {}
        self._under_way: dict[int, Order] = {}
        self._pubacks: set[int] = set()
        self._open: dict[int, Printer] = {}
        self._boot_ids: set[str] = set()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "publisher", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda *_: self._subscribe()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_publish = lambda _client, _userdata, mid, *_: self._acknowledged(mid)
        self._client.on_message = lambda _client, _userdata, message: self._hear(message)

    def __enter__(self) -> Self:
        """Connect and subscribe."""
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's is untyped
        lasting.SessionExpiryInterval = SESSION_SECONDS
        self._client.connect("127.0.0.1", self._port, clean_start=False, properties=lasting)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_SECONDS), "the broker does not let the publisher subscribe"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, printer: Printer, size: int) -> int:
        """Publish the next ticket and give its number; its PUBACK comes later."""
        number = self._number(printer, size)
        keys = dict(self._keys_for(printer, number))
        if number % 3 or self._has_ids:
            keys["id"] = f"crash-{number}"
            with self._lock:
                self._numbers[keys["id"]] = number
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's is untyped
        properties.ContentType = "application/pdf"
        properties.ResponseTopic = f"{self._base_topic}/reply/crash"
        properties.CorrelationData = b"%d" % number
        properties.UserProperty = list(keys.items())
        topic = f"{self._base_topic}/print" if printer in CLOUDS else f"{self._base_topic}/printers/{printer}/print"
        packet_id = self._client.publish(topic, make_document(number, size), qos=1, properties=properties).mid
        with self._lock:  # not before: paho holds a lock of its own when it tells of a PUBACK
            self._under_way[packet_id] = Order(number, printer, size)
            self._note_acknowledged()
        return number

    def expect(self, printer: Printer, size: int) -> int:
        """Give the number of a document that comes another way, in a job that is called `crash-` and that number."""
        number = self._number(printer, size)
        with self._lock:
            self._numbers[f"crash-{number}"] = number
            self.orders[number] = Order(number, printer, size)
        return number

    def unsettled(self) -> Counter[Printer]:
        """Count the tickets of each printer whose end was not told yet."""
        with self._lock:
            return Counter(self._open.values())

    def wait_settled(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait until the end of every ticket is told; False where that is not so in time after the last news."""
        news, deadline = self._news(), time.monotonic() + seconds
        while self.unsettled() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            if (heard := self._news()) != news:
                news, deadline = heard, time.monotonic() + seconds
        return not self.unsettled()

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for something that must happen."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(POLL_SECONDS)

    def _number(self, printer: Printer, size: int) -> int:
        with self._lock:
            number = len(self.sizes) + 1
            self.sizes[number], self._open[number] = size, printer
            return number

    def _keys_for(self, printer: Printer, number: int) -> Iterator[tuple[str, str]]:
        """Give what a ticket for a cloud says beside its document; of those for Box some share a folder."""
        if printer in CLOUDS:
            yield "destination", printer
            yield "name", f"crash-{number}"
        if printer == "box" and number % 4 == 0:
            yield "folder", SHARED_FOLDER

    def _news(self) -> int:
        with self._lock:
            return sum(told.revision for told in self.told.values())

    def _subscribe(self) -> None:
        topics = ("jobs/+", "reply/#", "bridge/state")
        self._client.subscribe([(f"{self._base_topic}/{topic}", 1) for topic in topics])

    def _acknowledged(self, packet_id: int) -> None:
        with self._lock:
            self._pubacks.add(packet_id)
            self._note_acknowledged()

    def _note_acknowledged(self) -> None:
        """Note whose PUBACK has come; it may be faster than `publish` can tell what it is of."""
        for packet_id in self._pubacks & self._under_way.keys():
            self._pubacks.discard(packet_id)
            order = self._under_way.pop(packet_id)
            self.orders[order.number] = order

    def _hear(self, message: MQTTMessage) -> None:
        topic = message.topic.removeprefix(f"{self._base_topic}/")
        content = json.loads(message.payload or b"{}")
        with self._lock:
            if topic == "bridge/state" and content.get("state") == "online":
                self._boot_ids.add(content["boot_id"])
                self.boots = len(self._boot_ids)
            elif topic.startswith("reply/"):
                self._numbers[content["id"]] = int(message.properties.CorrelationData)  # type: ignore[union-attr]
                self._learn(content)
            elif content and topic.startswith("jobs/"):
                self._learn(content)

    def _learn(self, job: dict[str, Any]) -> None:
        told = Told(job["id"], job["revision"], job["state"], tuple(job["state_reasons"]))
        number = self._numbers.get(told.job_id, self._numbers.get(job.get("name") or ""))
        if number is None:
            self._early[told.job_id] = told
            return
        for heard in filter(None, (self._early.pop(told.job_id, None), told)):
            before = self.told.get(number)
            if before is None or heard.revision >= before.revision:
                kills = (before.kills if before else 0) or self.kills * heard.is_unknown
                self.told[number] = replace(heard, kills=kills)
                if heard.is_settled:
                    self._open.pop(number, None)
