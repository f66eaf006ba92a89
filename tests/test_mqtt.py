from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import BrokerUnreachableError
from agent.mqtt_message import ConnectInfo, Inbound, Will, is_topic_name, topic_matches
from agent.simulator.broker import Broker, start_amqtt, start_broker
from tests.authority import Authority, fingerprint, over_tls
from tests.mosquitto import Mosquitto, free_port
from tests.mqtt_member import PATIENCE_SECONDS, Member, join, send, wait_until

__all__ = ["join"]  # the fixture


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a broker that keeps its sessions on the disk."""
    with Mosquitto(tmp_path / "broker", persistence=True) as running:
        yield running


def test_a_message_comes_with_its_mqtt_5_properties(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """Content Type, Response Topic, Correlation Data, User Properties and expiry arrive as they were published."""
    member = join(broker.port)
    send(
        broker.port, b"%PDF", ContentType="application/pdf", ResponseTopic="reply/1", CorrelationData=b"\x00c",
        UserProperty=[("name", "Order"), ("copies", "2")], MessageExpiryInterval=300,
    )  # fmt: skip
    (message,) = member.arrived(1)
    assert (message.topic, message.payload, message.qos, message.dup) == ("in/x", b"%PDF", 1, False)
    assert (message.content_type, message.response_topic, message.correlation_data) == (
        "application/pdf", "reply/1", b"\x00c",
    )  # fmt: skip
    assert message.user_properties == (("name", "Order"), ("copies", "2"))
    assert message.message_expiry == 300


def test_mqtt_3_1_1_is_spoken_where_it_is_asked_for(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """With version 3.1.1 messages come without properties and can be acknowledged."""
    member = join(broker.port, settings={"version": "3.1.1"})
    send(broker.port, b"one", b"two")
    first, second = member.arrived(2)
    assert (first.protocol, first.content_type, first.user_properties) == ("3.1.1", None, ())
    assert member.session.ack(first)
    assert member.session.ack(second)


def test_a_broker_that_speaks_only_3_1_1_is_met_with_3_1_1(join: Callable[..., Member]) -> None:
    """After a CONNACK that says unsupported protocol version the next CONNECT is MQTT 3.1.1."""
    levels: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_old_broker, args=(server, levels))
        thread.start()
        member = join(server.getsockname()[1], subscriptions=[])
        assert member.connects == [ConnectInfo(session_present=False, protocol="3.1.1")]
        member.session.stop()
        thread.join(PATIENCE_SECONDS)
    assert levels == [5, 4]


def _old_broker(server: socket.socket, levels: list[int]) -> None:
    """Refuse MQTT 5 as a 3.1.1 broker does, then let 3.1.1 in until it leaves."""
    for answer in (b"\x20\x02\x00\x01", b"\x20\x02\x00\x00"):
        connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE_SECONDS)
            levels.append(connection.recv(1024)[8])
            connection.sendall(answer)
            while answer[3] == 0 and connection.recv(1024):
                continue


def test_acknowledgements_leave_in_order_of_arrival(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """Acknowledged last to first, the PUBACKs still reach the broker first to last (MQTT-4.6.0-2)."""
    member = join(broker.port)
    send(broker.port, b"1", b"2", b"3")
    messages = member.arrived(3)
    for message in reversed(messages):
        assert member.session.ack(message)
    wait_until(lambda: broker.log().count("PUBACK from agent-1") == 3, "the PUBACKs")
    mids = [
        int(line.split("Mid: ")[1].split(",")[0]) for line in broker.log().splitlines() if "PUBACK from agent-1" in line
    ]
    assert mids == [message.packet_id for message in messages]


def test_two_agents_of_one_id_say_what_is_wrong(
    broker: Mosquitto, join: Callable[..., Member], caplog: pytest.LogCaptureFixture
) -> None:
    """They take the session from each other for ever, and not every broker tells them so."""
    join(broker.port)
    join(broker.port)
    wait_until(lambda: "has another agent this agent.id?" in caplog.text, "the hint")


def test_a_message_that_was_not_acknowledged_comes_again(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """After `leave` and `rejoin` it has the DUP flag and the same packet identifier, and the session was kept."""
    member = join(broker.port)
    send(broker.port, b"again")
    (first,) = member.arrived(1)
    member.session.leave("there is no room")
    wait_until(lambda: member.disconnects == 1, "the disconnect")
    send(broker.port, b"meanwhile")
    member.session.rejoin()
    _, second, third = member.arrived(3)
    assert (second.payload, second.dup, second.packet_id) == (b"again", True, first.packet_id)
    assert (third.payload, third.dup) == (b"meanwhile", False)
    assert member.connects[1].session_present
    assert second.connection != first.connection


def test_an_acknowledgement_never_crosses_to_another_connection(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """A message of an earlier connection can't be acknowledged on a later one."""
    member = join(broker.port)
    send(broker.port, b"old")
    (old,) = member.arrived(1)
    member.session.leave("there is no room")
    wait_until(lambda: member.disconnects == 1)
    assert member.session.last_error == "there is no room"
    assert not member.session.ack(old)
    member.session.rejoin()
    _, new = member.arrived(2)
    assert not member.session.ack(old)
    assert member.session.ack(new)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_session_survives_a_restart_of_a_broker_that_persists(
    broker: Mosquitto, join: Callable[..., Member], version: str
) -> None:
    """What was not acknowledged comes again, for clean_start was false from the very first time."""
    member = join(broker.port, settings={"version": version})
    send(broker.port, b"kept")
    member.arrived(1)
    broker.stop()
    wait_until(lambda: member.disconnects == 1, "the loss")
    broker.start()
    _, again = member.arrived(2)
    assert (again.payload, again.dup) == (b"kept", True)
    assert member.connects[-1].session_present


def test_a_broker_that_forgot_the_session_says_so(tmp_path: Path, join: Callable[..., Member]) -> None:
    """After a restart without persistence `session_present` is false, and what is published then arrives."""
    with Mosquitto(tmp_path / "broker") as broker:
        member = join(broker.port)
        broker.stop()
        wait_until(lambda: not member.session.connected)
        broker.start()
        wait_until(lambda: len(member.connects) == 2)
        assert [info.session_present for info in member.connects] == [False, False]
        wait_until(lambda: broker.log().count("Sending SUBACK to agent-1") == 2)
        send(broker.port, b"new")
        assert member.arrived(1)[0].payload == b"new"


def test_a_broker_that_is_absent_at_start_is_waited_for(
    tmp_path: Path, join: Callable[..., Member], caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once that the broker is not there, and the connection is made when it comes."""
    broker = Mosquitto(tmp_path / "broker")
    member = join(broker.port, wait=False)
    wait_until(lambda: member.session.last_error == "Connection refused")
    with pytest.raises(BrokerUnreachableError, match="Connection refused"):
        member.session.publish("out", b"x")
    with broker:
        wait_until(lambda: member.session.connected)
        assert member.session.last_error is None
        assert sum("Connection refused" in record.message for record in caplog.records) == 1


def test_a_password_over_tls_lets_in(tmp_path: Path, join: Callable[..., Member]) -> None:
    """With the broker's own authority as `ca_file` and the password from its file the session connects."""
    (tmp_path / "password").write_text("sesame\n")
    with Mosquitto(tmp_path / "broker", username="edge", password="sesame", tls=True) as broker:
        login = {"username": "edge", "password_file": tmp_path / "password", "tls": True, "ca_file": broker.ca_file}
        member = join(broker.port, settings=login)
        assert member.session.publish("out", b"x").wait(PATIENCE_SECONDS)


def test_a_wrong_password_is_told_once_and_tried_again(
    tmp_path: Path, join: Callable[..., Member], caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is one line, the password is not in it, and the right one in the file lets in without a restart."""
    (tmp_path / "password").write_text("wrong")
    with Mosquitto(tmp_path / "broker", username="edge", password="sesame") as broker:
        settings = {"username": "edge", "password_file": tmp_path / "password"}
        member = join(broker.port, wait=False, settings=settings)
        wait_until(lambda: broker.log().count("not authorised") >= 2, "a second try")
        assert member.session.last_error == "the broker refuses: Not authorized"
        assert len([record for record in caplog.records if "Not authorized" in record.message]) == 1
        (tmp_path / "password").write_text("sesame")
        wait_until(lambda: member.session.connected)


@pytest.mark.parametrize(
    ("host", "what_to_do"),
    [("127.0.0.1", "put the certificate of its authority"), ("broker.example", "must be named as its certificate")],
)
def test_a_refused_certificate_is_told_with_what_was_presented(
    tmp_path: Path, broker: Mosquitto, join: Callable[..., Member], host: str, what_to_do: str
) -> None:
    """In one line, with its fingerprint and what to do: of an authority that nobody knows, or of another host."""
    authority = Authority(tmp_path / "authority")
    certificate = authority.issue(host)
    settings = {"tls": True} if host == "127.0.0.1" else {"tls": True, "ca_file": authority.ca_file}
    with over_tls(certificate, broker.port) as port:
        member = join(port, wait=False, settings=settings)
        wait_until(lambda: fingerprint(certificate) in str(member.session.last_error))
    assert what_to_do in (told := str(member.session.last_error))
    assert "\n" not in told


def test_tls_against_a_plain_port_is_told_in_one_line(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """TLS where the broker has none fails with a reason."""
    member = join(broker.port, wait=False, settings={"tls": True})
    wait_until(lambda: member.session.last_error not in (None, "not connected yet"))
    assert "\n" not in str(member.session.last_error)


def test_a_missing_ca_file_is_named(broker: Mosquitto, join: Callable[..., Member], tmp_path: Path) -> None:
    """The file is in the reason, and it is tried again."""
    member = join(broker.port, wait=False, settings={"tls": True, "ca_file": tmp_path / "no-such.pem"})
    wait_until(lambda: "no-such.pem: No such file" in str(member.session.last_error))


def test_a_callback_that_raises_does_not_end_the_session(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """The message that it could not take comes again with the next connection."""
    tries: list[Inbound] = []

    def fail_once(inbound: Inbound) -> None:
        tries.append(inbound)
        if len(tries) == 1:
            raise RuntimeError("a mistake of ours")

    member = join(broker.port, on_message=fail_once)
    send(broker.port, b"hard")
    wait_until(lambda: len(tries) == 2, "the second try")
    assert (tries[1].payload, tries[1].dup) == (b"hard", True)
    assert member.session.is_alive()


def test_a_publication_is_settled_by_its_puback(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """What is published arrives with its properties, and `wait` says so."""
    member = join(broker.port)
    publication = member.session.publish("in/me", b"hello", correlation_data=b"c", content_type="text/plain")
    assert publication.wait(PATIENCE_SECONDS)
    assert publication.refusal is None
    (message,) = member.arrived(1)
    assert (message.payload, message.correlation_data, message.content_type) == (b"hello", b"c", "text/plain")


def test_a_publication_is_lost_with_its_connection(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """A broker that hangs and is then gone settles nothing, and nobody waits for ever."""
    member = join(broker.port)
    broker.pause()
    publication = member.session.publish("out", b"x")
    assert not publication.wait(0.05)
    broker.stop(signal.SIGKILL)
    wait_until(publication.is_lost)
    assert not publication.wait(PATIENCE_SECONDS)


def test_what_the_broker_does_not_take_is_told(tmp_path: Path, join: Callable[..., Member]) -> None:
    """A refused PUBACK, a wildcard in the topic and a packet over the broker's limit settle with a reason."""
    acl = tmp_path / "acl"
    acl.write_text("topic read in/#\n")
    with Mosquitto(tmp_path / "broker", extra=f"acl_file {acl}\nmax_packet_size 2000") as broker:
        session = join(broker.port).session
        for topic, payload in (("out", b"x"), ("out/#", b"x"), ("out", bytes(2000))):
            publication = session.publish(topic, payload)
            assert publication.wait(PATIENCE_SECONDS)
            assert publication.refusal


def test_the_will_is_seen_when_the_process_is_killed(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """A process that dies without a word is told offline by the broker, retained."""
    script = (
        "import time; from tests.mqtt_member import Member; from agent.mqtt_message import Will\n"
        f"m = Member({broker.port}, client_id='dying', will=Will('in/state', b'offline')); m.session.start()\n"
        "while not m.session.connected: time.sleep(0.01)\n"
        "print('up', flush=True); time.sleep(60)"
    )
    watcher = join(broker.port)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    child.kill()
    child.wait(PATIENCE_SECONDS)
    child.stdout.close()
    assert watcher.arrived(1)[0].payload == b"offline"


def test_stopping_leaves_no_will(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """A session that is stopped disconnects first, so that the broker drops its will."""
    watcher = join(broker.port)
    member = join(broker.port, client_id="leaving", subscriptions=[], will=Will("in/state", b"offline"))
    member.session.stop()
    assert not member.session.is_alive()
    send(broker.port, b"marker")
    assert [message.payload for message in watcher.arrived(1)] == [b"marker"]


def test_a_session_that_never_started_can_be_stopped() -> None:
    """`stop` before `start` is harmless."""
    member = Member(free_port())
    member.session.stop()
    assert not member.session.connected


def test_large_messages_that_wait_are_bounded(broker: Mosquitto, join: Callable[..., Member]) -> None:
    """With Receive Maximum 8 the broker keeps the rest until there are acknowledgements, and all of it arrives."""
    member = join(broker.port)
    send(broker.port, *[bytes(200_000)] * 20)
    member.arrived(8)
    assert len(member.messages) == 8
    for number in range(20):
        assert member.session.ack(member.arrived(number + 1)[number])
    assert len(member.messages) == 20


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/#", "a", True), ("a/#", "a/b/c", True), ("a/+/c", "a/b/c", True), ("a/+", "a/b/c", False),
        ("a", "a", True), ("a/b", "a", False), ("a", "a/b", False), ("#", "$SYS/x", False), ("+/x", "/x", True),
    ],
)  # fmt: skip
def test_a_topic_matches_a_filter_as_the_standard_says(topic_filter: str, topic: str, expected: bool) -> None:
    """Section 4.7 of MQTT 5, wildcards and `$` topics alike."""
    assert topic_matches(topic_filter, topic) is expected


def test_a_topic_with_a_wildcard_or_control_character_can_not_be_published_to() -> None:
    """Only names are topics, filters are not."""
    assert is_topic_name("printos/reply/1")
    assert not any(is_topic_name(topic) for topic in ("", "a/#", "a/+", "a\x00", "a\n", "x" * 70_000))


@pytest.mark.parametrize("start", [start_broker, start_amqtt])
def test_the_brokers_of_the_demo_carry_messages(
    tmp_path: Path, join: Callable[..., Member], start: Callable[[Path], Broker]
) -> None:
    """Mosquitto, or the library's broker with the version that it speaks."""
    if start is start_amqtt:
        pytest.importorskip("amqtt")
    broker = start(tmp_path)
    try:
        member = join(broker.port, settings={"version": broker.version})
        wait_until(lambda: member.session.publish("in/x", b"hello").wait(PATIENCE_SECONDS) and member.messages)
        assert member.messages[0].payload == b"hello"
        member.session.stop()
    finally:
        broker.stop()
    assert broker.process.returncode is not None
