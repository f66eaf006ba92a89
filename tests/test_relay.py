from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.errors import BrokerUnreachableError
from agent.loop import Loop
from agent.mqtt_message import ConnectInfo, Publication
from agent.outbox import Note, Outbox
from agent.relay import Relay, offline_will
from agent.store import Store
from tests.conftest import FakeClock
from tests.mosquitto import Mosquitto
from tests.mqtt_member import Member, join, wait_until

__all__ = ["join"]  # the fixture

BASE = "printos/site"
CONNECTED = ConnectInfo(session_present=True, protocol="5")


@dataclass
class FakeBroker:
    """Keeps what was published; acknowledges it, or leaves it open."""

    acknowledges: bool = True
    is_there: bool = True
    refusal: str | None = None
    published: list[tuple[str, bytes, bool, bytes | None]] = field(default_factory=list)
    open: list[Publication] = field(default_factory=list)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, correlation_data: bytes | None = None
    ) -> Publication:
        if not self.is_there:
            raise BrokerUnreachableError("gone")
        self.published.append((topic.removeprefix(f"{BASE}/"), payload, retain, correlation_data))
        publication = Publication()
        if self.acknowledges:
            publication.settle(self.refusal)
        else:
            self.open.append(publication)
        return publication

    def topics(self) -> list[str]:
        """Name the topics in order."""
        return [topic for topic, *_ in self.published]


class Desk:
    """A relay on a real outbox."""

    def __init__(self, folder: Path, clock: FakeClock, **changes: Any) -> None:
        self.store = Store(folder / "state.sqlite")
        self.store.open()
        self.outbox = Outbox(self.store, now=clock)
        self.outbox.open()
        self.broker = FakeBroker()
        self.seconds = 1000.0
        arguments = {"publish": self.broker.publish, "monotonic": self._tick, "acknowledge_seconds": 0.05, **changes}
        self.relay = Relay(
            outbox=self.outbox, base_topic=BASE, boot_id="b1", info=lambda: {"version": "1"},
            health=lambda: {"outbox": self.outbox.depth()},
            restate=self._restate, **arguments,
        )  # fmt: skip

    def _restate(self, has_forgotten: bool) -> None:
        self.outbox.put(Note("printers/p1", b"{}", retain=True))
        if has_forgotten:
            self.outbox.put(Note("jobs/ended", b"{}", retain=True))

    def _tick(self) -> float:
        self.seconds += 1.0
        return self.seconds

    def put(self, *payloads: bytes, topic: str = "jobs/a") -> None:
        """Put notes that are not retained."""
        for payload in payloads:
            self.outbox.put(Note(topic, payload))


@pytest.fixture
def desk(tmp_path: Path, clock: FakeClock) -> Iterator[Desk]:
    """Give a relay whose broker acknowledges everything."""
    opened = Desk(tmp_path, clock)
    yield opened
    opened.store.close()


def test_nothing_is_published_before_there_is_a_connection(desk: Desk) -> None:
    """The outbox keeps it."""
    desk.put(b"1")
    desk.relay.step()
    assert (desk.broker.published, desk.outbox.depth()) == ([], 1)


def test_a_connection_is_announced_before_the_outbox_is_emptied(desk: Desk) -> None:
    """State, info and health, then what waited, then the printers again."""
    desk.put(b"1")
    desk.relay.connected(CONNECTED)
    desk.relay.step()
    assert desk.broker.topics() == ["bridge/state", "bridge/info", "bridge/health", "jobs/a", "printers/p1"]
    assert json.loads(desk.broker.published[0][1]) == {"state": "online", "boot_id": "b1"}
    assert [retain for _, _, retain, _ in desk.broker.published] == [True, True, True, False, True]
    assert desk.outbox.depth() == 0


def test_a_broker_that_has_forgotten_us_is_told_again_how_jobs_ended(desk: Desk) -> None:
    """Once: at the next connection it still knows."""
    told = []
    for session_present in (False, True):
        desk.relay.connected(ConnectInfo(session_present=session_present, protocol="5"))
        desk.relay.step()
        told.append("jobs/ended" in desk.broker.topics())
        desk.broker.published.clear()
    assert told == [True, False]


def test_every_reconnection_is_announced_again(desk: Desk) -> None:
    """A broker without persistence has forgotten what was retained."""
    for _ in range(2):
        desk.relay.connected(CONNECTED)
        desk.relay.step()
        desk.relay.disconnected()
    assert desk.broker.topics().count("bridge/state") == 2
    assert desk.broker.topics().count("printers/p1") == 2


def test_notes_keep_their_order_and_their_properties(desk: Desk) -> None:
    """Absolute topics stay as they are, Correlation Data goes along."""
    desk.put(b"1", b"2", b"3")
    desk.outbox.put(Note("elsewhere/reply", b"4", absolute=True, correlation_data=b"c"))
    desk.relay.connected(CONNECTED)
    desk.relay.step()
    assert [payload for topic, payload, *_ in desk.broker.published if topic == "jobs/a"] == [b"1", b"2", b"3"]
    assert ("elsewhere/reply", b"4", False, b"c") in desk.broker.published


def test_only_what_was_acknowledged_is_deleted_and_nothing_is_sent_twice_on_a_connection(desk: Desk) -> None:
    """What is under way is waited for, not published again."""
    desk.relay.connected(CONNECTED)
    desk.relay.step()
    desk.broker.acknowledges = False
    desk.put(b"1", b"2")
    desk.relay.step()
    desk.broker.open[0].settle()
    desk.relay.step()
    assert (desk.broker.topics().count("jobs/a"), desk.outbox.depth()) == (2, 1)


def test_what_was_lost_with_a_connection_is_published_on_the_next(desk: Desk) -> None:
    """At least once, for nobody knows whether it arrived."""
    desk.relay.connected(CONNECTED)
    desk.relay.step()
    desk.broker.acknowledges = False
    desk.put(b"1")
    desk.relay.step()
    desk.broker.open[0].lose()
    desk.broker.acknowledges = True
    desk.relay.connected(CONNECTED)
    desk.relay.step()
    assert (desk.broker.topics().count("jobs/a"), desk.outbox.depth()) == (2, 0)


def test_a_broker_that_goes_while_it_is_published_to_loses_nothing(desk: Desk) -> None:
    """The rest waits for the next connection, and so does the announcement."""
    desk.put(b"1")
    desk.relay.connected(CONNECTED)
    desk.broker.is_there = False
    desk.relay.step()
    desk.broker.is_there = True
    desk.relay.step()
    assert (desk.broker.topics()[0], desk.outbox.depth()) == ("bridge/state", 0)


def test_what_the_broker_refuses_is_dropped_and_told_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It would block everything behind it for ever."""
    desk.relay.connected(CONNECTED)
    desk.broker.refusal = "Not authorized"
    desk.put(b"1", b"2")
    desk.relay.step()
    assert desk.outbox.depth() == 0
    assert caplog.text.count("Not authorized") == 1


def test_health_is_told_every_minute(desk: Desk) -> None:
    """Between two minutes it is not."""
    desk.relay.connected(CONNECTED)
    for _ in range(3):
        desk.relay.step()
    assert desk.broker.topics().count("bridge/health") == 1
    desk.seconds += 60
    desk.relay.step()
    assert desk.broker.topics().count("bridge/health") == 2


def test_closing_flushes_and_says_offline(desk: Desk) -> None:
    """As the will would, retained."""
    desk.relay.connected(CONNECTED)
    desk.relay.step()
    desk.put(b"last")
    desk.relay.close()
    assert [payload for _, payload, *_ in desk.broker.published[-2:]] == [b"last", offline_will(BASE, "b1").payload]
    assert desk.outbox.depth() == 0


def test_closing_does_not_wait_for_ever(desk: Desk) -> None:
    """A broker that answers nothing, or is gone, is left after a few seconds of the clock."""
    desk.relay.connected(CONNECTED)
    desk.relay.step()
    desk.broker.is_there = False
    desk.put(b"kept")
    desk.relay.close()
    assert desk.outbox.depth() == 1


def test_a_real_broker_gets_everything_over_a_restart(
    tmp_path: Path, clock: FakeClock, join: Callable[..., Member]
) -> None:
    """Killed and started empty, it has the retained state again, and no note is lost."""
    with Mosquitto(tmp_path / "broker") as broker:
        sessions: list[Member] = []

        def publish(*message: Any, **properties: Any) -> Publication:
            return sessions[0].session.publish(*message, **properties)

        desk = Desk(tmp_path, clock, publish=publish, monotonic=time.monotonic, acknowledge_seconds=10)
        loop = Loop("relay", desk.relay.step)
        desk.relay.on_connected = desk.outbox.on_put = loop.wake
        loop.start()
        sessions.append(
            join(
                broker.port, wait=False, subscriptions=[], will=offline_will(BASE, "b1"),
                on_connect=desk.relay.connected, on_disconnect=desk.relay.disconnected,
            )
        )  # fmt: skip
        watcher = join(broker.port, client_id="watcher", subscriptions=["#"])

        def told(payload: bytes) -> bool:
            for message in watcher.messages:
                watcher.session.ack(message)
            return payload in [message.payload for message in watcher.messages]

        desk.outbox.put(Note("jobs/a", b"1", retain=True))
        wait_until(lambda: told(b"1"))
        broker.stop(signal.SIGKILL)
        desk.outbox.put(Note("jobs/b", b"2", retain=True))
        broker.start()
        wait_until(lambda: told(b"2"))
        wait_until(lambda: not desk.outbox.depth())
        states = {message.payload for message in watcher.messages if message.topic == f"{BASE}/bridge/state"}
        assert b'{"state": "online", "boot_id": "b1"}' in states
        desk.relay.close()
        loop.stop()
        assert loop.join(10)
        desk.store.close()
