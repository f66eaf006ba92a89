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
from agent.refusal_log import RefusalLog

log = logging.getLogger(__name__)

CORRELATION_LIMIT_BYTES = 1024
WARNINGS_LIMIT = 1000
SHOWN = 1000
"""Characters of what a publisher wrote that are told of it again: a topic may have 65,535."""


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
        self._refusals = RefusalLog()
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
        self._refusals.note(message.topic, reason, problem[:SHOWN])
        refusal = {"accepted": False, "id": job_id, "reason": reason, "message": problem[:SHOWN]}
        self.tell(message, refusal)
        self._outbox.put_event(Event("refused", {**refusal, "topic": message.topic[:SHOWN]}))

    def settle_log(self) -> None:
        """Log how many refusals were not logged one by one; to be called now and then."""
        self._refusals.settle()

    def refuse_retained(self, message: Inbound) -> None:
        """Refuse a message that the broker would deliver again at every subscribe, and log once how to clear it.

        On MQTT 3.1.1 it was done when it was published, and this is a copy: it is ignored.
        """
        topic = message.topic[:SHOWN]
        self._warn_once(
            topic,
            f"a retained message at {topic!a} is refused, for it would be done again at every subscribe;"
            f" clear it with: mosquitto_pub -r -n -t {topic!a}",
        )
        if message.protocol == "5":
            self.refuse(message, "retained is refused; publish without the retain flag", reason="agent-retained")

    def _topic(self, message: Inbound) -> str | None:
        topic = message.response_topic
        if not topic or (is_topic_name(topic) and any(topic_matches(allowed, topic) for allowed in self._filters)):
            return topic
        shown = topic[:SHOWN]
        self._warn_once(shown, f"no answer goes to {shown!a}: it matches none of mqtt.response_topics")
        return None

    def _warn_once(self, topic: str, text: str) -> None:
        if topic not in self._warned and len(self._warned) < WARNINGS_LIMIT:
            self._warned.add(topic)
            log.warning("%s", text)
