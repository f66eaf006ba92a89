"""A device that prints by MQTT, made of the programs that every publisher has: mosquitto_pub and mosquitto_sub."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from agent.simulator.processes import wait_for

PATIENCE_SECONDS = 20.0
END_SECONDS = 5.0
SIGN_OF_LIFE = "$SYS/broker/version"
"""Retained by every Mosquitto: whoever hears it is subscribed."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was heard; `retained` is True where the broker had kept it."""

    topic: str
    payload: str
    retained: bool
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """Its payload as JSON; empty where it has none."""
        return dict(json.loads(self.payload or "{}"))


class MqttUser:
    """Publishes below a topic and hears all but documents that is published there, while its `with` block runs.

    Args:
        broker: what both programs are told of the broker, such as `-p 1883`.
        base_topic: the agent's.
    """

    def __init__(self, broker: tuple[str, ...], base_topic: str) -> None:
        if not (shutil.which("mosquitto_pub") and shutil.which("mosquitto_sub")):
            pytest.skip("mosquitto_pub and mosquitto_sub are not installed (apt-get install mosquitto-clients)")
        self._broker = ("-h", "127.0.0.1", *broker)
        self._base_topic = base_topic
        self._heard: list[Message] = []
        self._is_subscribed = threading.Event()
        self._ears: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._listen, name="mqtt-user", daemon=True)

    def __enter__(self) -> Self:
        """Begin to listen."""
        documents = ("-T", f"{self._base_topic}/print", "-T", f"{self._base_topic}/printers/+/print")
        topics = ("-t", f"{self._base_topic}/#", *documents, "-t", SIGN_OF_LIFE)
        command = ["mosquitto_sub", *self._broker, "-V", "5", "-q", "1", *topics, "-F", "%j"]
        self._ears = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._reader.start()
        if not self._is_subscribed.wait(PATIENCE_SECONDS):
            self.__exit__(None, None, None)
            raise AssertionError("mosquitto_sub did not subscribe")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        assert self._ears is not None
        assert self._ears.stdout is not None
        self._ears.terminate()
        self._ears.wait(END_SECONDS)
        self._reader.join(END_SECONDS)
        self._ears.stdout.close()

    def publish(
        self, topic: str, payload: bytes | Mapping[str, Any], *options: str, version: str = "5", **properties: str
    ) -> None:
        """Publish at QoS 1 and return when the broker has it.

        Args:
            topic: below the base topic.
            payload: bytes, or what is sent as JSON.
            options: more options of mosquitto_pub, such as `-r` and `-D publish user-property id order-17`.
            version: of MQTT.
            properties: of MQTT 5, such as `content_type="application/pdf"`.
        """
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        command = [
            "mosquitto_pub",
            *self._broker,
            "-V",
            version.replace(".", ""),
            "-q",
            "1",
            "-t",
            f"{self._base_topic}/{topic}",
        ]
        command.append("-s" if body else "-n")
        for name, value in properties.items():
            command += ["-D", "publish", name.replace("_", "-"), value]
        subprocess.run([*command, *options], input=body, check=True, timeout=PATIENCE_SECONDS, capture_output=True)

    def heard(self, topic: str) -> list[Message]:
        """Give what was heard on a topic so far."""
        return [message for message in list(self._heard) if message.topic == f"{self._base_topic}/{topic}"]

    def everything(self) -> list[Message]:
        """Give what was heard on all topics so far."""
        return list(self._heard)

    def hear(self, topic: str, fits: Callable[[Message], object] = lambda _message: True) -> Message:
        """Wait for a message on a topic."""
        return wait_for(f"{topic} by MQTT", lambda: next(filter(fits, self.heard(topic)), None), PATIENCE_SECONDS)

    def hear_job(self, job_id: str, *states: str) -> dict[str, Any]:
        """Wait until the job's topic tells one of these states and give the job."""
        return self.hear(f"jobs/{job_id}", lambda message: message.content.get("state") in states).content

    def retained(self, topic: str) -> dict[str, Any] | None:
        """Ask the broker, as one who comes later does, what it has kept for a topic; None where nothing is."""
        command = ["mosquitto_sub", *self._broker, "-V", "5", "-t", f"{self._base_topic}/{topic}", "-W", "1", "-C", "1"]
        done = subprocess.run([*command, "--retained-only"], capture_output=True, timeout=PATIENCE_SECONDS, check=False)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def hear_retained(self, topic: str) -> dict[str, Any]:
        """Wait until the broker has kept something for a topic."""
        return wait_for(f"{topic} at the broker", lambda: self.retained(topic), PATIENCE_SECONDS)

    def _listen(self) -> None:
        assert self._ears is not None
        assert self._ears.stdout is not None
        for line in self._ears.stdout:
            told = json.loads(line)
            if told["topic"] == SIGN_OF_LIFE:
                self._is_subscribed.set()
            else:
                message = Message(told["topic"], told["payload"], bool(told["retain"]), told.get("properties", {}))
                self._heard.append(message)


def pdf_ticket(document: bytes, **keys: Any) -> dict[str, Any]:
    """Make a JSON ticket of a document."""
    return {**keys, "document": {"data": base64.b64encode(document).decode()}}


def broker_options(port: int, *, login: tuple[str, str] | None = None, ca_file: Path | None = None) -> tuple[str, ...]:
    """Write the options of mosquitto_pub and mosquitto_sub for a broker."""
    who = ("-u", login[0], "-P", login[1]) if login else ()
    return ("-p", str(port), *who, *(("--cafile", str(ca_file)) if ca_file else ()))
