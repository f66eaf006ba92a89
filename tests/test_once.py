"""Once and only once, with a real agent at a real Mosquitto: ids, redeliveries, retained messages, a full spool."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.printer import SimulatedPrinter
from tests.mosquitto import Mosquitto, free_port
from tests.mqtt_user import MqttUser, broker_options, pdf_ticket
from tests.running_agent import RunningAgent

PDF = b"%PDF-1.7 a label"
FORMS = ["5", "3.1.1"]


def an_agent(folder: Path, broker: Mosquitto, version: str = "5", uri: str = "", **sections: Any) -> RunningAgent:
    """Give an agent with a printer called desk, which is off unless its URI is given."""
    printer = {"alias": "desk", "uris": [uri or f"ipp://127.0.0.1:{free_port()}/ipp/print"]}
    mqtt = {"port": broker.port, "version": version}
    return RunningAgent(folder / "agent", printers=[printer], mqtt=mqtt, **sections)


def count(agent: RunningAgent, number: int) -> list[dict[str, Any]]:
    """Wait until there are so many jobs and give them."""
    return agent.until(f"{number} jobs", lambda: jobs if len(jobs := agent.ask("jobs")) == number else None)


def settled(user: MqttUser, number: int) -> None:
    """Have everything before it taken in: a ticket for nowhere is refused after it."""
    user.publish("print", pdf_ticket(PDF, id=f"marker-{number}", printer="nowhere"))
    user.hear("bridge/event/refused", lambda message: message.content["id"] == f"marker-{number}")


@pytest.mark.parametrize("version", FORMS)
def test_a_ticket_that_comes_again_after_its_job_has_printed_and_after_a_kill_prints_nothing(
    tmp_path: Path, broker: Mosquitto, user: MqttUser, press: SimulatedPrinter, version: str
) -> None:
    """Its present state is told again; another ticket of that id is refused, and the first job is as it was."""
    agent = an_agent(tmp_path, broker, version, press.ready_line()["http_url"])
    topic = "printers/desk/print"
    with agent:
        agent.connected()
        user.publish(topic, pdf_ticket(PDF, id="order-17"), version=version)
        first = user.hear_job("order-17", "completed")
        agent.kill()
        agent.start()
        agent.connected()
        before = len(user.heard("jobs/order-17"))
        user.publish(topic, pdf_ticket(PDF, id="order-17"), version=version)
        user.hear("jobs/order-17", lambda _message: len(user.heard("jobs/order-17")) > before)
        user.publish(topic, pdf_ticket(PDF, id="order-17", copies=2), version=version)
        refusal = user.hear("bridge/event/refused", lambda message: message.content["id"] == "order-17").content
        assert refusal["reason"] == "agent-conflict"
        assert agent.ask("jobs.show", id="order-17")["attempts"] == first["attempts"]
    assert len(press.engine.history()) == 1


@pytest.mark.parametrize("version", FORMS)
def test_without_an_id_the_same_label_twice_is_two_jobs(
    tmp_path: Path, broker: Mosquitto, user: MqttUser, version: str
) -> None:
    """Each message is a job of its own, and an empty one is none."""
    with an_agent(tmp_path, broker, version) as agent:
        agent.connected()
        for payload in (PDF, b"", PDF):
            user.publish("printers/desk/print", payload, version=version)
        settled(user, 1)
        assert len(count(agent, 2)) == 2
        assert all(message.content["id"] == "marker-1" for message in user.heard("bridge/event/refused"))


def _has_subscribed(broker: Mosquitto, times: int) -> bool:
    return broker.log().count("Sending SUBACK to printos-agent-") == times


def test_a_packet_identifier_of_a_session_that_is_gone_says_nothing_of_a_new_message(
    tmp_path: Path, broker: Mosquitto
) -> None:
    """A broker that has forgotten everything counts from 1 again: the same bytes by the same number are a new label."""
    with an_agent(tmp_path, broker) as agent:
        for number in (1, 2):
            agent.until("its sessions", functools.partial(_has_subscribed, broker, 2 * number))
            agent.connected()
            with MqttUser(broker_options(broker.port), "printos/site-7") as user:
                user.publish("printers/desk/print", PDF)
                settled(user, number)
            assert len(count(agent, number)) == number
            broker.stop()
            broker.start()
    assert broker.log().count("Received PUBACK from printos-agent-site-7 (Mid: 1,") == 2


def test_a_retained_ticket_on_3_1_1_is_one_job_however_often_the_agent_subscribes(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """The live copy is the job; the broker's copy at each later subscription, also after a kill, is ignored."""
    with an_agent(tmp_path, broker, "3.1.1") as agent:
        agent.connected()
        user.publish("printers/desk/print", PDF, "-r", version="3.1.1")
        user.publish("print", pdf_ticket(PDF, id="kept", printer="desk"), "-r", version="3.1.1")
        count(agent, 2)
        for number in (1, 2):
            agent.kill()
            agent.start()
            agent.connected()
            settled(user, number)
        assert len(agent.ask("jobs")) == 2
        assert {message.content["reason"] for message in user.heard("bridge/event/refused")} == {
            "agent-unknown-printer"
        }


def test_a_retained_ticket_that_waited_at_the_broker_is_one_job_on_3_1_1(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """Published before the agent was ever there, so that it never comes as a live copy."""
    user.publish("printers/desk/print", PDF, "-r")
    with an_agent(tmp_path, broker, "3.1.1") as agent:
        count(agent, 1)
        agent.stop()
        agent.start()
        agent.connected()
        settled(user, 1)
        assert len(agent.ask("jobs")) == 1


def test_a_full_spool_keeps_tickets_at_the_broker_while_commands_still_work(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """A cancel makes room, and what waited is then taken in, each once."""
    big = b"%PDF-1.7 " + bytes(700_000)
    with an_agent(tmp_path, broker, spool={"max_bytes": 1_048_576, "max_job_bytes": 1_048_576}) as agent:
        agent.connected()
        user.publish("printers/desk/print", pdf_ticket(big, id="first"))
        user.hear_job("first", "pending")
        user.publish("printers/desk/print", pdf_ticket(big, id="second"))
        agent.until("the ticket session to leave", lambda: "the ticket session leaves" in agent.log())
        assert [job["id"] for job in agent.ask("jobs")] == ["first"]
        user.publish("jobs/first/cmd/cancel", {})
        user.hear_job("first", "canceled")
        user.hear_job("second", "pending")
        assert sorted(job["id"] for job in agent.ask("jobs")) == ["first", "second"]
