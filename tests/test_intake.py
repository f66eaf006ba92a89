from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.answers import Answers
from agent.config_schema import SpoolConfig
from agent.destinations import Destinations
from agent.errors import NotFoundError
from agent.fetch_policy import FetchPolicy
from agent.inbox import Inbox
from agent.intake import Intake, print_topics
from agent.job import Job
from agent.model import Identity, Printer
from agent.mqtt_message import ConnectInfo, Inbound, topic_matches
from agent.outbox import Note, Outbox
from agent.spool import Spool
from agent.store import Store
from tests.conftest import FakeClock
from tests.mosquitto import Mosquitto
from tests.mqtt_member import Member, join, send, wait_until

__all__ = ["join"]  # the fixture

BASE = "printos/site"
PDF = b"%PDF-1.7 pretended"


class Desk:
    """An intake on a real spool, with what it acknowledged, left and rejoined written down."""

    def __init__(
        self,
        folder: Path,
        clock: FakeClock,
        *,
        waiting_bytes: int = 1_000_000,
        allowed_hosts: Iterable[str] = ("files.example",),
        **limits: Any,
    ) -> None:
        self.store = Store(folder / "state.sqlite")
        self.store.open()
        self.outbox = Outbox(self.store, now=clock)
        self.outbox.open()
        self.spool = Spool(
            store=self.store, outbox=self.outbox, folder=folder / "documents",
            limits=SpoolConfig(**limits), retain_final_jobs=True, now=clock,
        )  # fmt: skip
        self.spool.open()
        self.printers = {name: Printer(name, Identity(), "192.0.2.7", (), clock()) for name in ("p1", "p2")}
        self.acked: list[Inbound] = []
        self.moves: list[str] = []
        self.inbox = Inbox(limit_bytes=waiting_bytes, patience_seconds=0.05)
        self.intake = Intake(
            spool=self.spool,
            answers=Answers(outbox=self.outbox, response_topics=[f"{BASE}/reply/#"]),
            fetch_policy=FetchPolicy(allowed_hosts, limit_bytes=1_000_000),
            destinations=Destinations(find_printer=self._find, clouds={}),
            base_topic=BASE,
            inbox=self.inbox,
            ack=self.acked.append,
            leave=lambda _reason: self.moves.append("leave"),
            rejoin=lambda: self.moves.append("rejoin"),
            now=clock,
        )

    def _find(self, name: str) -> Printer:
        if name == "front":
            return self.printers["p1"]
        if name not in self.printers:
            raise NotFoundError(f"no printer {name!r}")
        return self.printers[name]

    def take_in(self, *messages: Inbound) -> None:
        """Receive messages and take them in."""
        for message in messages:
            self.intake.receive(message)
        self.intake.step()

    def jobs(self) -> tuple[Job, ...]:
        """Give the jobs, the oldest first."""
        return tuple(reversed(self.spool.jobs()))

    def notes(self, topic: str) -> list[Note]:
        """Give what waits to be published on a topic."""
        return [note for _, note in self.outbox.take(1000) if note.topic == topic]

    def refusals(self) -> list[dict[str, Any]]:
        """Give the refusals that were told as events."""
        return [json.loads(note.payload) for note in self.notes("bridge/event/refused")]


@pytest.fixture
def desk(tmp_path: Path, clock: FakeClock) -> Iterator[Desk]:
    """Give an intake with plenty of room."""
    with open_desk(tmp_path, clock) as opened:
        yield opened


@contextmanager
def open_desk(folder: Path, clock: FakeClock, **changes: Any) -> Iterator[Desk]:
    """Give an intake with other limits."""
    opened = Desk(folder, clock, **changes)
    try:
        yield opened
    finally:
        opened.store.close()


def ticket(**changes: Any) -> bytes:
    """Write a JSON ticket."""
    return json.dumps({"document": {"data": base64.b64encode(PDF).decode()}, **changes}).encode()


def message(payload: bytes = PDF, topic: str = "printers/p1/print", **changes: Any) -> Inbound:
    """Make a message as the broker brings it."""
    return Inbound(f"{BASE}/{topic}", payload, **{"packet_id": 1, "connection": 1, **changes})


def test_a_document_becomes_a_job_and_is_then_acknowledged(desk: Desk) -> None:
    """The bytes are on the disk as they came, and only then the PUBACK may leave."""
    arrived = message(content_type="application/pdf", user_properties=(("name", "Order 17"),))
    desk.take_in(arrived)
    (job,) = desk.jobs()
    assert (job.printer_id, job.name, job.document.format) == ("p1", "Order 17", "application/pdf")
    assert job.document.path.read_bytes() == PDF
    assert desk.acked == [arrived]


@pytest.mark.parametrize(
    ("topic", "payload", "user"),
    [
        ("print", ticket(printer="p1", user="claimed"), "claimed"),
        ("print/kiosk-3", ticket(printer="front", user="claimed"), "kiosk-3"),
        ("printers/front/print", ticket(), None),
        ("printers/p1/print/kiosk-3", ticket(printer="front"), "kiosk-3"),
    ],
)
def test_each_topic_of_the_contract_brings_tickets(desk: Desk, topic: str, payload: bytes, user: str | None) -> None:
    """The topic or the ticket names the printer, by id or alias, and the topic's user wins."""
    desk.take_in(message(payload, topic))
    (job,) = desk.jobs()
    assert (job.printer_id, job.user) == ("p1", user)
    assert any(topic_matches(wanted, f"{BASE}/{topic}") for wanted in print_topics(BASE))


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("print", ticket(printer="p9"), "agent-unknown-printer"), ("printers/p9/print", PDF, "agent-unknown-printer"),
        ("printers/p1/print", ticket(printer="p2"), "agent-bad-ticket"), ("print", PDF, "agent-bad-ticket"),
        ("printers/p1/print", b"{", "agent-bad-ticket"), ("elsewhere", PDF, "agent-bad-ticket"),
        ("printers/p1/print", ticket(document={"url": "https://h/x"}), "agent-fetch-not-allowed"),
        ("print", ticket(destination="box"), "agent-destination-unsupported"),
        ("printers/p1/print", ticket(destination="box"), "agent-bad-ticket"),
        ("print/", ticket(printer="p1"), "agent-bad-ticket"),
    ],
)  # fmt: skip
def test_what_can_never_be_a_job_is_refused_and_acknowledged(
    desk: Desk, topic: str, payload: bytes, reason: str
) -> None:
    """It would otherwise come again for ever."""
    desk.take_in(message(payload, topic))
    assert [refusal["reason"] for refusal in desk.refusals()] == [reason]
    assert (desk.jobs(), len(desk.acked)) == ((), 1)


def test_a_document_elsewhere_becomes_a_job_that_waits_for_it(desk: Desk) -> None:
    """It is acknowledged and answered at once, whatever its web server does."""
    document = {"url": "https://files.example/a.pdf?sig=SECRET", "sha256": "ab" * 32, "size": 7}
    arrived = message(ticket(document=document), response_topic=f"{BASE}/reply/1")
    desk.take_in(arrived)
    (job,) = desk.jobs()
    assert (job.state_reasons, job.document.size, desk.acked) == (("job-incoming",), 7, [arrived])
    (answer,) = desk.notes(f"{BASE}/reply/1")
    assert json.loads(answer.payload)["state_reasons"] == ["job-incoming"]
    assert b"SECRET" not in answer.payload


def test_a_job_is_told_again_also_when_its_host_is_no_longer_allowed(tmp_path: Path, clock: FakeClock) -> None:
    """What was accepted stays so; a new ticket of the same kind is refused."""
    document = {"url": "https://files.example/a.pdf", "sha256": "ab" * 32}
    with open_desk(tmp_path, clock) as desk:
        desk.take_in(message(ticket(id="known", document=document)))
    with open_desk(tmp_path, clock, allowed_hosts=()) as desk:
        desk.take_in(message(ticket(id="known", document=document)), message(ticket(id="new", document=document)))
        assert [(it["id"], it["reason"]) for it in desk.refusals()] == [("new", "agent-fetch-not-allowed")]


def test_a_refusal_goes_to_the_response_topic_with_its_id(desk: Desk) -> None:
    """As the contract shows it, with the Correlation Data, and never on the job's own topic."""
    desk.take_in(message(ticket(id="o-1", copies=0), response_topic=f"{BASE}/reply/a", correlation_data=b"\x01"))
    (note,) = desk.notes(f"{BASE}/reply/a")
    answer = json.loads(note.payload)
    assert (answer["accepted"], answer["id"], answer["reason"]) == (False, "o-1", "agent-bad-ticket")
    assert answer.keys() == {"accepted", "id", "reason", "message"}
    assert (note.absolute, note.retain, note.correlation_data) == (True, False, b"\x01")
    assert desk.notes("jobs/o-1") == []


def test_acceptance_is_answered_with_the_job(desk: Desk) -> None:
    """The job JSON goes to the Response Topic, with the Correlation Data."""
    desk.take_in(message(ticket(id="o-1"), response_topic=f"{BASE}/reply/a", correlation_data=b"c"))
    (note,) = desk.notes(f"{BASE}/reply/a")
    assert (json.loads(note.payload)["id"], json.loads(note.payload)["state"]) == ("o-1", "pending")
    assert note.correlation_data == b"c"


def test_no_answer_goes_to_a_topic_that_is_not_allowed(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Any publisher could otherwise make the agent write anywhere; the job is taken, and it is logged once."""
    for topic in ("home/door/set", f"{BASE}/bridge/state", f"{BASE}/reply/#", f"{BASE}/reply/\n"):
        desk.take_in(message(response_topic=topic), message(ticket(copies=0), response_topic=topic))
    assert len(desk.jobs()) == 4
    assert [note.topic for _, note in desk.outbox.take(100) if note.absolute] == []
    assert sum("home/door/set" in record.message for record in caplog.records) == 1


def test_correlation_data_over_a_kibibyte_is_refused(desk: Desk) -> None:
    """It would have to be kept with the job; the refusal goes without it."""
    desk.take_in(message(response_topic=f"{BASE}/reply/a", correlation_data=bytes(1025)))
    (note,) = desk.notes(f"{BASE}/reply/a")
    assert (json.loads(note.payload)["accepted"], note.correlation_data) == (False, None)


def test_a_retained_ticket_is_refused_on_mqtt_5_and_logged_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It would print at every subscribe; the log says how to clear it."""
    desk.take_in(message(retain=True), message(retain=True))
    assert [refusal["reason"] for refusal in desk.refusals()] == ["agent-retained"] * 2
    assert (desk.jobs(), len(desk.acked)) == ((), 2)
    assert sum("mosquitto_pub -r -n" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("payload", [PDF, ticket(id="o-1")])
def test_a_retained_copy_on_3_1_1_is_ignored_where_it_is_known(desk: Desk, payload: bytes) -> None:
    """The live copy was the job; the copy at each subscribe is neither job nor refusal."""
    desk.take_in(message(payload, protocol="3.1.1"))
    desk.take_in(message(payload, protocol="3.1.1", retain=True), message(payload, protocol="3.1.1", retain=True))
    assert (len(desk.jobs()), desk.refusals(), len(desk.acked)) == (1, [], 3)


def test_a_retained_ticket_on_3_1_1_that_is_new_is_one_job(desk: Desk) -> None:
    """Published while nobody listened, it prints once however often it comes."""
    copy = message(protocol="3.1.1", retain=True)
    desk.take_in(copy, copy)
    assert len(desk.jobs()) == 1


def test_an_empty_payload_is_ignored(desk: Desk) -> None:
    """It clears a retained message: no job, no refusal, acknowledged."""
    desk.take_in(message(b"", retain=True), message(b""))
    assert (desk.jobs(), desk.refusals(), len(desk.acked)) == ((), [], 2)


def test_the_same_label_twice_is_two_labels_and_a_redelivery_is_none(desk: Desk) -> None:
    """Without an id only DUP, packet identifier and content together tell a redelivery."""
    desk.take_in(message(packet_id=4), message(packet_id=5))
    desk.take_in(message(packet_id=4, dup=True), message(packet_id=5, dup=True))
    assert (len(desk.jobs()), len(desk.acked)) == (2, 4)
    desk.take_in(message(b"%PDF-other", packet_id=4, dup=True))
    assert len(desk.jobs()) == 3


def test_a_lost_session_closes_every_packet_identifier(desk: Desk) -> None:
    """In a new session the same identifier with DUP is another message."""
    desk.take_in(message(packet_id=4))
    desk.intake.connected(ConnectInfo(session_present=True, protocol="5"))
    desk.take_in(message(packet_id=4, dup=True))
    assert len(desk.jobs()) == 1
    desk.intake.connected(ConnectInfo(session_present=False, protocol="5"))
    desk.take_in(message(packet_id=4, dup=True))
    assert len(desk.jobs()) == 2


def test_the_same_id_is_one_job_and_another_ticket_of_that_id_a_conflict(desk: Desk) -> None:
    """The present state is told again, or the refusal says agent-conflict."""
    desk.take_in(message(ticket(id="o-1")), message(ticket(id="o-1"), response_topic=f"{BASE}/reply/a"))
    assert (len(desk.jobs()), len(desk.notes(f"{BASE}/reply/a"))) == (1, 1)
    desk.take_in(message(ticket(id="o-1", copies=2)))
    assert [(refusal["id"], refusal["reason"]) for refusal in desk.refusals()] == [("o-1", "agent-conflict")]


def test_the_earlier_of_message_expiry_and_expires_in_counts(desk: Desk, clock: FakeClock) -> None:
    """Both limit the same job."""
    desk.take_in(message(ticket(expires_in=600), message_expiry=60), message(ticket(expires_in=30), message_expiry=60))
    first, second = desk.jobs()
    assert first.expires_at is not None
    assert second.expires_at is not None
    assert (first.expires_at - clock()).total_seconds() == 60
    assert (second.expires_at - clock()).total_seconds() == 30


def test_several_messages_are_one_group_acknowledged_in_order(desk: Desk) -> None:
    """Accepted, refused and ignored alike."""
    arrived = [message(packet_id=1), message(b"{", packet_id=2), message(b"", packet_id=3), message(packet_id=4)]
    desk.take_in(*arrived)
    assert desk.acked == arrived
    assert len(desk.jobs()) == 2


def test_a_full_spool_acknowledges_nothing_and_leaves_until_there_is_room(tmp_path: Path, clock: FakeClock) -> None:
    """What fitted is kept, the rest is dropped from memory and comes again after the return."""
    big = b"%PDF-" + bytes(600_000)
    with open_desk(tmp_path, clock, max_bytes=1_048_576, waiting_bytes=10_000_000) as desk:
        first, second, third = (message(big, packet_id=number) for number in (1, 2, 3))
        desk.take_in(first, second, third)
        assert (desk.acked, desk.moves, desk.inbox.waiting_bytes()) == ([first], ["leave"], 0)
        desk.take_in(second)
        assert (len(desk.acked), desk.moves) == (1, ["leave"])
        desk.spool.cancel(desk.jobs()[0].id)
        desk.intake.step()
        assert desk.moves == ["leave", "rejoin"]
        desk.take_in(second)
        assert desk.acked == [first, second]


def test_a_disk_that_refuses_acknowledges_nothing(desk: Desk) -> None:
    """A commit that fails undoes the whole group."""
    desk.intake.receive(message())
    desk.store.close()
    desk.intake.step()
    assert (desk.acked, desk.moves) == ([], ["leave"])
    desk.store.open()
    desk.intake.step()
    assert desk.moves == ["leave", "rejoin"]


def test_a_document_larger_than_a_job_may_be_is_refused(tmp_path: Path, clock: FakeClock) -> None:
    """It would never fit, so that it is told and acknowledged."""
    with open_desk(tmp_path, clock, max_job_bytes=1024) as desk:
        desk.take_in(message(bytes(2000)))
        assert [refusal["reason"] for refusal in desk.refusals()] == ["agent-document-too-large"]
        assert len(desk.acked) == 1


def test_a_mistake_of_ours_leaves_the_message_with_the_broker(desk: Desk) -> None:
    """The loop logs it, nothing is acknowledged, and the message comes again."""
    desk.printers["p1"] = None  # type: ignore[assignment]  # what a mistake may look like
    desk.intake.receive(message())
    with pytest.raises(AttributeError):
        desk.intake.step()
    assert (desk.acked, desk.moves) == ([], ["leave"])


def test_what_waits_in_memory_is_limited_in_bytes(tmp_path: Path, clock: FakeClock) -> None:
    """Past the limit the broker's thread waits, and a message that waited too long is left with the broker."""
    with open_desk(tmp_path, clock, waiting_bytes=1000) as desk:
        for number in range(3):
            desk.intake.receive(message(bytes(400), packet_id=number))
        assert desk.inbox.waiting_bytes() <= 1000
        desk.intake.step()
        assert (len(desk.acked), desk.moves) == (2, ["leave"])


def test_the_waiting_thread_goes_on_as_soon_as_there_is_room() -> None:
    """Taking is not enough, for what was taken is still in memory; releasing is."""
    inbox = Inbox(limit_bytes=100, patience_seconds=10)
    inbox.put(message(bytes(90)))
    thread = threading.Thread(target=inbox.put, args=(message(bytes(80)),))
    thread.start()
    taken = inbox.take(5)
    assert thread.is_alive()
    inbox.release(taken)
    thread.join(10)
    assert len(inbox.take(5)) == 1


def test_closing_the_inbox_frees_the_thread_that_waits() -> None:
    """It does not wait for a service that has left."""
    inbox = Inbox(limit_bytes=100, patience_seconds=10)
    inbox.put(message(bytes(90)))
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(inbox.put(message(bytes(80)))))
    thread.start()
    inbox.close()
    thread.join(10)
    assert answers == [False]


def test_a_ticket_from_a_real_broker_is_acknowledged_when_it_is_on_the_disk(
    tmp_path: Path, clock: FakeClock, join: Callable[..., Member]
) -> None:
    """Publisher, Mosquitto, session and spool together; the broker sends nothing again after the PUBACK."""
    with Mosquitto(tmp_path / "broker", persistence=True) as broker, open_desk(tmp_path / "desk", clock) as desk:
        member = join(broker.port, subscriptions=print_topics(BASE), on_message=desk.intake.receive)
        desk.intake._ack = member.session.ack
        send(broker.port, PDF, PDF, topic=f"{BASE}/printers/p1/print", ContentType="application/pdf")
        wait_until(lambda: desk.intake.step() >= 0 and len(desk.jobs()) == 2, "both jobs")
        wait_until(lambda: broker.log().count("PUBACK from agent-1") == 2, "the PUBACKs")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_job_killed_before_its_puback_is_not_doubled(
    tmp_path: Path, clock: FakeClock, join: Callable[..., Member], version: str
) -> None:
    """On the disk but not acknowledged, it comes again with DUP and is known, also after a restart of the spool."""
    settings = {"version": version}
    with Mosquitto(tmp_path / "broker", persistence=True) as broker:
        with open_desk(tmp_path / "desk", clock) as desk:
            member = join(
                broker.port, subscriptions=print_topics(BASE), on_message=desk.intake.receive, settings=settings
            )
            send(broker.port, PDF, topic=f"{BASE}/printers/p1/print")
            wait_until(lambda: desk.intake.step() >= 0 and len(desk.jobs()) == 1, "the job")
            member.session.stop()
        with open_desk(tmp_path / "desk", clock) as desk:
            again = join(
                broker.port, subscriptions=print_topics(BASE), on_message=desk.intake.receive, settings=settings
            )
            desk.intake._ack = again.session.ack
            wait_until(lambda: desk.intake.step() >= 0 and broker.log().count("PUBACK from agent-1"), "the PUBACK")
            assert len(desk.jobs()) == 1


def test_a_retained_ticket_at_a_real_broker_is_seen_as_retained(
    tmp_path: Path, clock: FakeClock, join: Callable[..., Member]
) -> None:
    """With Retain As Published the flag shows on the live copy and at the subscription alike."""
    with Mosquitto(tmp_path / "broker") as broker, open_desk(tmp_path / "desk", clock) as desk:
        send(broker.port, PDF, topic=f"{BASE}/printers/p1/print", retain=True)
        join(broker.port, subscriptions=print_topics(BASE), on_message=desk.intake.receive)
        wait_until(lambda: desk.intake.step() >= 0 and len(desk.refusals()) == 1, "the stored copy")
        send(broker.port, PDF, topic=f"{BASE}/printers/p1/print", retain=True)
        wait_until(lambda: desk.intake.step() >= 0 and len(desk.refusals()) == 2, "the live copy")
        assert desk.jobs() == ()
