from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.answers import Answers
from agent.commands import Commands, command_topics
from agent.errors import AgentError, ConflictError, NotFoundError, PrinterUnreachableError, RefusedError, StorageError
from agent.inbox import Inbox
from agent.job import Document, Job, JobState
from agent.model import Identity, Printer
from agent.mqtt_message import Inbound, topic_matches
from agent.outbox import Note, Outbox
from agent.store import Store
from tests.conftest import FakeClock
from tests.mosquitto import Mosquitto
from tests.mqtt_member import Member, join, send, wait_until

__all__ = ["join"]  # the fixture

BASE = "printos/site"
REPLY = f"{BASE}/reply/a"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job("o-1", "p1", JobState.CANCELED, Document(Path("x"), 3, "application/pdf"), NOW, NOW)
PRINTER = Printer("p1", Identity(), "192.0.2.7", (), NOW)


@dataclass
class FakeOperations:
    """Operations that write down what was asked, or fail as told."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    failure: AgentError | None = None

    def _job(self, *asked: Any) -> Job:
        self.asked.append(asked)
        if self.failure:
            raise self.failure
        return JOB

    def _printer(self, *asked: Any) -> Printer:
        self.asked.append(asked)
        return PRINTER

    def cancel(self, job_id: str, *, user: str | None = None) -> Job:
        return self._job("cancel", job_id, user)

    def release(self, job_id: str, *, pin: str | None = None, user: str | None = None) -> Job:
        return self._job("release", job_id, pin, user)

    def confirm(self, job_id: str, *, attempts: int | None) -> Job:
        return self._job("confirm", job_id, attempts)

    def reprint(self, job_id: str, *, attempts: int | None) -> Job:
        return self._job("reprint", job_id, attempts)

    def pause(self, printer: str) -> Printer:
        return self._printer("pause", printer)

    def resume(self, printer: str) -> Printer:
        return self._printer("resume", printer)

    def identify(self, printer: str) -> Printer:
        return self._printer("identify", printer)


class Desk:
    """A command service on a real outbox."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.store = Store(folder / "state.sqlite")
        self.store.open()
        self.outbox = Outbox(self.store, now=clock)
        self.outbox.open()
        self.operations = FakeOperations()
        self.acked: list[Inbound] = []
        self.commands = Commands(
            operations=self.operations,
            answers=Answers(outbox=self.outbox, response_topics=[f"{BASE}/reply/#"]),
            base_topic=BASE,
            inbox=Inbox(limit_bytes=100_000, patience_seconds=0.05),
            ack=self.acked.append,
        )

    def send(self, topic: str, payload: bytes = b"{}", **changes: Any) -> None:
        """Receive a command and do it."""
        properties = {"response_topic": REPLY, "correlation_data": b"c", "packet_id": 1, **changes}
        self.commands.receive(Inbound(f"{BASE}/{topic}", payload, **properties))
        self.commands.step()

    def answers(self) -> list[Note]:
        """Give what waits for the Response Topic."""
        return [note for _, note in self.outbox.take(100) if note.topic == REPLY]

    def reasons(self) -> list[str]:
        """Give the reasons of the refusals told as events."""
        events = [note for _, note in self.outbox.take(100) if note.topic == "bridge/event/refused"]
        return [json.loads(note.payload)["reason"] for note in events]


@pytest.fixture
def desk(tmp_path: Path, clock: FakeClock) -> Iterator[Desk]:
    """Give a command service."""
    opened = Desk(tmp_path, clock)
    yield opened
    opened.store.close()


@pytest.mark.parametrize(
    ("topic", "payload", "asked"),
    [
        ("jobs/o-1/cmd/cancel", b"{}", ("cancel", "o-1", None)),
        ("jobs/o-1/cmd/cancel/kiosk", b"{}", ("cancel", "o-1", "kiosk")),
        ("jobs/o-1/cmd/release", b"{}", ("release", "o-1", None, None)),
        ("jobs/o-1/cmd/release/kiosk", b'{"pin": "1234"}', ("release", "o-1", "1234", "kiosk")),
        ("jobs/o-1/cmd/confirm", b'{"attempts": 1}', ("confirm", "o-1", 1)),
        ("jobs/o-1/cmd/reprint", b'{"attempts": 2}', ("reprint", "o-1", 2)),
        ("jobs/o-1/cmd/reprint", b"{}", ("reprint", "o-1", None)),
        ("printers/front/cmd/pause", b"{}", ("pause", "front")),
        ("printers/p1/cmd/resume", b"{}", ("resume", "p1")),
        ("printers/p1/cmd/identify", b"{}", ("identify", "p1")),
    ],
)
def test_each_command_of_the_contract_is_done_answered_and_acknowledged(
    desk: Desk, topic: str, payload: bytes, asked: tuple[Any, ...]
) -> None:
    """The answer is the job or the printer, with the Correlation Data."""
    desk.send(topic, payload)
    assert (desk.operations.asked, len(desk.acked)) == ([asked], 1)
    (note,) = desk.answers()
    expected = JOB.to_json() if topic.startswith("jobs") else PRINTER.to_json()
    assert (json.loads(note.payload), note.correlation_data) == (expected, b"c")
    assert any(topic_matches(wanted, f"{BASE}/{topic}") for wanted in command_topics(BASE))


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (NotFoundError("no such job"), "agent-not-found"), (RefusedError("wrong PIN"), "agent-refused"),
        (ConflictError("it has ended"), "agent-conflict"), (AgentError("whatever"), "agent-failed"),
        (PrinterUnreachableError("asleep"), "agent-printer-unreachable"),
    ],
)  # fmt: skip
def test_a_refusal_says_why_and_is_acknowledged(desk: Desk, failure: AgentError, reason: str) -> None:
    """On the Response Topic and as an event, with the job's id."""
    desk.operations.failure = failure
    desk.send("jobs/o-1/cmd/cancel")
    answer = json.loads(desk.answers()[0].payload)
    assert answer == {"accepted": False, "id": "o-1", "reason": reason, "message": str(failure)}
    assert (desk.reasons(), len(desk.acked)) == ([reason], 1)


def test_a_command_that_the_disk_does_not_take_waits_and_is_done_first_once_it_does(desk: Desk) -> None:
    """It is neither refused nor acknowledged meanwhile, and done once."""
    desk.operations.failure = StorageError("the disk is full")
    desk.send("jobs/o-1/cmd/cancel")
    desk.send("printers/p1/cmd/pause", packet_id=2)
    assert (desk.acked, desk.reasons()) == ([], [])
    desk.operations.failure = None
    desk.operations.asked.clear()
    while desk.commands.step() == 0.0:
        pass
    assert [asked[0] for asked in desk.operations.asked] == ["cancel", "pause"]
    assert [message.packet_id for message in desk.acked] == [1, 2]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("jobs/o-1/cmd/cancel", b"{", "agent-bad-command"), ("jobs/o-1/cmd/cancel", b"[]", "agent-bad-command"),
        ("jobs/o-1/cmd/cancel", b'{"x": 1}', "agent-bad-command"),
        ("jobs/o-1/cmd/cancel", b"\xff", "agent-bad-command"),
        ("jobs/o-1/cmd/release", b'{"pin": 1234}', "agent-bad-command"),
        ("jobs/o-1/cmd/release", b'{"pin": "1", "pin": "2"}', "agent-bad-command"),
        ("jobs/o-1/cmd/cancel/a/b", b"{}", "agent-bad-command"), ("jobs/o-1/cmd/explode", b"{}", "agent-bad-command"),
        ("jobs/o-1/cmd/confirm", b'{"attempts": true}', "agent-bad-command"),
        ("jobs/o-1/cmd/cancel", b"[" * 5000, "agent-bad-command"),
        ("jobs/o-1/cmd/cancel", b"[" * 4000, "agent-bad-command"),
    ],
)  # fmt: skip
def test_a_bad_command_is_refused_and_does_nothing(desk: Desk, topic: str, payload: bytes, reason: str) -> None:
    """Whatever the bytes are, there is a refusal and an acknowledgement."""
    desk.send(topic, payload)
    assert (desk.operations.asked, desk.reasons(), len(desk.acked)) == ([], [reason], 1)


def test_a_repeated_reprint_that_names_no_attempts_does_nothing(desk: Desk) -> None:
    """It may have been done already, and the job may have come into doubt again since."""
    desk.send("jobs/o-1/cmd/reprint", b"{}", dup=True)
    assert (desk.operations.asked, desk.reasons(), len(desk.acked)) == ([], ["agent-conflict"], 1)


def test_a_retained_command_is_refused_on_mqtt_5_and_ignored_on_3_1_1(desk: Desk) -> None:
    """It would be done at every subscribe; on 3.1.1 it was done when it was published."""
    desk.send("jobs/o-1/cmd/cancel", retain=True, protocol="3.1.1")
    assert (desk.operations.asked, desk.reasons()) == ([], [])
    desk.send("jobs/o-1/cmd/cancel", retain=True)
    assert (desk.operations.asked, desk.reasons(), len(desk.acked)) == ([], ["agent-retained"], 2)


def test_an_empty_command_is_ignored(desk: Desk) -> None:
    """It clears a retained one."""
    desk.send("jobs/o-1/cmd/cancel", b"")
    assert (desk.operations.asked, desk.reasons(), len(desk.acked)) == ([], [], 1)


def test_too_many_commands_are_dropped_and_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Memory is bounded, and the broker does not send them again for ever."""
    for _ in range(30):
        desk.commands.receive(Inbound(f"{BASE}/jobs/o-1/cmd/cancel", b" " * 4000 + b"{}"))
        if desk.acked:
            break
    assert "too many commands wait" in caplog.text


def test_a_command_over_a_real_broker_is_answered(desk: Desk, tmp_path: Path, join: Callable[..., Member]) -> None:
    """Subscribed by the contract's topics, it arrives, is done and acknowledged."""
    with Mosquitto(tmp_path / "broker") as broker:
        member = join(broker.port, subscriptions=command_topics(BASE), on_message=desk.commands.receive)
        desk.commands._ack = member.session.ack
        send(broker.port, b"{}", topic=f"{BASE}/jobs/o-1/cmd/cancel/kiosk")
        wait_until(lambda: desk.commands.step() >= 0 and "PUBACK from agent-1" in broker.log(), "the PUBACK")
    assert desk.operations.asked == [("cancel", "o-1", "kiosk")]
