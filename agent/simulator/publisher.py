"""The demo's other end of MQTT: publishes documents and listens to what becomes of them."""

from __future__ import annotations

import json
import threading
from typing import Any

from agent.config_schema import MqttConfig
from agent.mqtt import BrokerSession
from agent.mqtt_message import Inbound
from agent.simulator.processes import wait_for

SESSION_SECONDS = 600
PUBLISH_SECONDS = 10.0


class Publisher:
    """A device that prints by MQTT, with what it has heard of its jobs."""

    def __init__(self, *, settings: MqttConfig, base_topic: str) -> None:
        self._base_topic = base_topic
        self._lock = threading.Lock()
        self._jobs: dict[str, dict[str, Any]] = {}
        self._session = BrokerSession(
            client_id="demo-publisher",
            settings=settings,
            session_expiry_seconds=SESSION_SECONDS,
            maximum_packet_bytes=1 << 20,
            subscriptions=[f"{base_topic}/jobs/+"],
            on_message=self._hear,
            on_connect=lambda _info: None,
            on_disconnect=lambda: None,
        )

    def start(self) -> None:
        """Connect."""
        self._session.start()
        wait_for("the publisher at the broker", lambda: self._session.connected)

    def stop(self) -> None:
        """Disconnect."""
        self._session.stop()

    def publish(self, printer: str, ticket: dict[str, Any]) -> None:
        """Publish a ticket at QoS 1 and wait until the broker has it."""
        payload = json.dumps(ticket).encode()
        publication = self._session.publish(f"{self._base_topic}/printers/{printer}/print", payload)
        publication.wait(PUBLISH_SECONDS)

    def job(self, job_id: str) -> dict[str, Any] | None:
        """Give the newest that was heard of a job."""
        with self._lock:
            return self._jobs.get(job_id)

    def _hear(self, message: Inbound) -> None:
        if message.payload:
            job = json.loads(message.payload)
            with self._lock:
                if job["revision"] >= self._jobs.get(job["id"], job)["revision"]:
                    self._jobs[job["id"]] = job
        self._session.ack(message)
