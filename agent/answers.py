"""What a publisher hears: on the Response Topic it named, if it may name it, and refusals as an event too."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import TicketError
from agent.model import Event
from agent.mqtt_message import Inbound, is_topic_name, topic_matches
from agent.outbox import Note, Outbox

log = logging.getLogger(__name__)

CORRELATION_LIMIT_BYTES = 1024
WARNINGS_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes."""

    topic: str
    correlation_data: bytes | None


class Answers:
    """Answers to messages, through the outbox.

    Only a Response Topic that matches one of the filters is written to: any publisher can name any topic.
    """

    def __init__(self, *, outbox: Outbox, response_topics: Sequence[str]) -> None:
        self._outbox = outbox
        self._filters = tuple(response_topics)
        self._warned: set[str] = set()

    def address(self, message: Inbound) -> Address | None:
        """Give where to answer a message; None where it asks for no answer, or for one where none may go.

        Raises:
            TicketError: its Correlation Data is too large to be kept.
        """
        if len(message.correlation_data or b"") > CORRELATION_LIMIT_BYTES:
            raise TicketError(f"Correlation Data is larger than {CORRELATION_LIMIT_BYTES} bytes")
        topic = self._topic(message)
        return Address(topic, message.correlation_data) if topic else None

    def tell(self, message: Inbound, content: Mapping[str, Any]) -> None:
        """Answer a message; Correlation Data that is too large is left out."""
        topic = self._topic(message)
        if topic:
            short = len(message.correlation_data or b"") <= CORRELATION_LIMIT_BYTES
            correlation = message.correlation_data if short else None
            payload = json.dumps(content, ensure_ascii=False).encode()
            self._outbox.put(Note(topic, payload, absolute=True, correlation_data=correlation))

    def refuse(self, message: Inbound, problem: str, *, reason: str, job_id: str | None = None) -> None:
        """Tell the publisher and whoever watches that a message was refused, and why."""
        log.info("%s: refused (%s): %s", ascii(message.topic), reason, problem)
        refusal = {"accepted": False, "id": job_id, "reason": reason, "message": problem}
        self.tell(message, refusal)
        self._outbox.put_event(Event("refused", {**refusal, "topic": message.topic}))

    def refuse_retained(self, message: Inbound) -> None:
        """Refuse a message that the broker would deliver again at every subscribe, and log once how to clear it.

        On MQTT 3.1.1 it was done when it was published, and this is a copy: it is ignored.
        """
        self._warn_once(
            message.topic,
            f"a retained message at {message.topic!a} is refused, for it would be done again at every subscribe;"
            f" clear it with: mosquitto_pub -r -n -t {message.topic!a}",
        )
        if message.protocol == "5":
            self.refuse(message, "retained is refused; publish without the retain flag", reason="agent-retained")

    def _topic(self, message: Inbound) -> str | None:
        topic = message.response_topic
        if not topic or (is_topic_name(topic) and any(topic_matches(allowed, topic) for allowed in self._filters)):
            return topic
        self._warn_once(topic, f"no answer goes to {topic!a}: it matches none of mqtt.response_topics")
        return None

    def _warn_once(self, topic: str, text: str) -> None:
        if topic not in self._warned and len(self._warned) < WARNINGS_LIMIT:
            self._warned.add(topic)
            log.warning("%s", text)
