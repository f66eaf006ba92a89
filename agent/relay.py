"""The outbox to the broker: what is told outside leaves in order, and is deleted once the broker has it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from agent.errors import AgentError, BrokerUnreachableError
from agent.loop import LONGEST_WAIT_SECONDS
from agent.mqtt_message import ConnectInfo, Publication, Will
from agent.outbox import Note, Outbox

log = logging.getLogger(__name__)

BATCH_LIMIT = 200
ACKNOWLEDGE_SECONDS = 10.0
HEALTH_SECONDS = 60.0
CLOSE_SECONDS = 5.0
WARNINGS_LIMIT = 100


class Publish(Protocol):
    """What publishes: `BrokerSession.publish`."""

    def __call__(
        self, topic: str, payload: bytes, *, retain: bool = False, correlation_data: bytes | None = None
    ) -> Publication:
        """Publish a message at QoS 1, or raise BrokerUnreachableError."""


def offline_will(base_topic: str, boot_id: str) -> Will:
    """Give the will of the session that the relay publishes by."""
    return Will(f"{base_topic}/bridge/state", _state("offline", boot_id))


class Relay:
    """The service between outbox and broker.

    Attributes:
        on_connected: called, in the broker's thread, when there is a connection to publish by.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        publish: Publish,
        base_topic: str,
        boot_id: str,
        info: Callable[[], Mapping[str, Any]],
        health: Callable[[], Mapping[str, Any]],
        restate: Callable[[bool], None],
        acknowledge_seconds: float = ACKNOWLEDGE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store the parts; `restate` puts what is retained into the outbox again, on True all of it."""
        self.on_connected: Callable[[], None] = _nobody_waits
        self._outbox = outbox
        self._publish = publish
        self._base_topic = base_topic
        self._boot_id = boot_id
        self._info = info
        self._health = health
        self._restate = restate
        self._acknowledge_seconds = acknowledge_seconds
        self._monotonic = monotonic
        self._is_connected = False
        self._is_announced = False
        self._has_forgotten = False
        self._health_due_at = 0.0
        self._under_way: dict[int, Publication] = {}
        self._warned: set[str] = set()

    def connected(self, info: ConnectInfo) -> None:
        """Hear from the broker's thread that there is a connection: what is retained is to be told again.

        What can change no more is told again only where the broker has forgotten our session, and so perhaps all else.
        """
        self._has_forgotten = self._has_forgotten or not info.session_present
        self._is_announced = False
        self._is_connected = True
        self.on_connected()

    def disconnected(self) -> None:
        """Hear from the broker's thread that the connection is gone."""
        self._is_connected = False

    def step(self) -> float:
        """Publish what waits; gives the seconds until the next step is due."""
        if not self._is_connected:
            return LONGEST_WAIT_SECONDS
        try:
            if not self._is_announced:
                self._announce()
            if self._monotonic() >= self._health_due_at:
                self._tell("bridge/health", self._health())
                self._health_due_at = self._monotonic() + HEALTH_SECONDS
        except BrokerUnreachableError:
            return LONGEST_WAIT_SECONDS  # the next connection wakes it
        return 0.0 if self._drain(self._acknowledge_seconds) else LONGEST_WAIT_SECONDS

    def close(self) -> None:
        """Publish what waits, for a few seconds at most, and say goodbye."""
        deadline = self._monotonic() + CLOSE_SECONDS
        while self._is_connected and (left := deadline - self._monotonic()) > 0 and self._drain(left):
            continue
        will = offline_will(self._base_topic, self._boot_id)
        try:
            self._publish(will.topic, will.payload, retain=True).wait(CLOSE_SECONDS)
        except BrokerUnreachableError as error:
            log.info("the broker tells the rest that we are offline: %s", error)

    def _announce(self) -> None:
        self._is_announced = True  # beforehand: a connection that comes meanwhile asks for it again
        self._health_due_at = 0.0
        has_forgotten, self._has_forgotten = self._has_forgotten, False
        try:
            self._publish(f"{self._base_topic}/bridge/state", _state("online", self._boot_id), retain=True)
            self._tell("bridge/info", self._info())
            self._restate(has_forgotten)
        except AgentError:
            self._is_announced = False
            self._has_forgotten = self._has_forgotten or has_forgotten
            raise

    def _tell(self, topic: str, content: Mapping[str, Any]) -> None:
        self._publish(f"{self._base_topic}/{topic}", json.dumps(content, ensure_ascii=False).encode(), retain=True)

    def _drain(self, patience_seconds: float) -> bool:
        """Publish a batch and wait until the broker has it; whether there may be more to do on this connection."""
        notes = self._outbox.take(BATCH_LIMIT)
        self._under_way = {number: self._under_way[number] for number, _ in notes if self._is_under_way(number)}
        self._send(notes)
        deadline = self._monotonic() + patience_seconds
        for publication in self._under_way.values():
            publication.wait(max(0.0, deadline - self._monotonic()))
        settled = [number for number, publication in self._under_way.items() if publication.done()]
        if settled:
            self._warn_of_refusals(notes)
            self._outbox.done(settled)
        return any(not publication.is_lost() for publication in self._under_way.values())

    def _is_under_way(self, number: int) -> bool:
        return number in self._under_way and not self._under_way[number].is_lost()

    def _send(self, notes: Iterable[tuple[int, Note]]) -> None:
        for number, note in notes:
            if number in self._under_way:
                continue
            topic = note.topic if note.absolute else f"{self._base_topic}/{note.topic}"
            try:
                self._under_way[number] = self._publish(
                    topic, note.payload, retain=note.retain, correlation_data=note.correlation_data
                )
            except BrokerUnreachableError:
                return  # the next connection wakes it

    def _warn_of_refusals(self, notes: Iterable[tuple[int, Note]]) -> None:
        for number, note in notes:
            publication = self._under_way.get(number)
            refusal = publication.refusal if publication else None
            if refusal and refusal not in self._warned and len(self._warned) < WARNINGS_LIMIT:
                self._warned.add(refusal)
                log.warning("%s: the broker does not take it: %s; it is dropped", ascii(note.topic), refusal)


def _state(state: str, boot_id: str) -> bytes:
    return json.dumps({"state": state, "boot_id": boot_id}).encode()


def _nobody_waits() -> None:
    """Stand in for `on_connected` until somebody waits."""
