"""Brokers that are restarted, with and without a memory of their own."""

from __future__ import annotations

from pathlib import Path

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.crash.campaign import campaign
from tests.crash.documents import make_document
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options
from tests.running_agent import RunningAgent

RESTARTS = 3
LABEL = make_document(1, 5_000)


def test_a_broker_that_is_restarted_under_load_costs_no_ticket_and_doubles_none(tmp_path: Path) -> None:
    """With persistence: whatever was on its way is delivered again, and recognised as what it is."""
    with campaign(tmp_path, seed=2, has_ids=True) as it:
        it.start()
        for _ in range(RESTARTS):
            it.restart_broker()
        evidence = it.finish()
    verdict = evidence.verdict()
    assert verdict.is_good, evidence.table()
    assert (verdict.told_unknown, verdict.jobs > RESTARTS) == (0, True)


def test_a_broker_that_forgets_everything_costs_no_accepted_job_and_hides_no_new_one(tmp_path: Path) -> None:
    """The same label three times, with packet identifiers that begin anew, is three labels; ends are told again too."""
    keep = tmp_path / "printed"
    printer = SimulatedPrinter(PrinterOptions(kind="raw", keep=keep, mdns=False, seconds_per_page=0.01))
    printer.start()
    uris = [printer.ready_line()["raw_uri"]]
    with Mosquitto(tmp_path / "broker") as broker:
        agent = RunningAgent(tmp_path / "agent", printers=[{"alias": "desk", "uris": uris}], mqtt={"port": broker.port})
        with MqttUser(broker_options(broker.port), agent.base_topic) as user, agent:
            agent.connected()
            agent.ask("printers.pause", id="desk")
            for _ in range(2):
                user.publish("printers/desk/print", LABEL)
            agent.until("two jobs", lambda: agent.ask("status")["jobs"] == {"pending": 2})
            broker.stop()
            agent.until("the loss", lambda: agent.ask("status")["broker"]["state"] == "disconnected")
            broker.start()
            agent.connected()
            user.publish("printers/desk/print", LABEL)
            agent.until("the third job", lambda: agent.ask("status")["jobs"] == {"pending": 3})
            for job in agent.ask("jobs"):
                user.hear_retained(f"jobs/{job['id']}")
            agent.ask("printers.resume", id="desk")
            agent.until("the end of all", lambda: agent.ask("status")["jobs"] == {"completed": 3})
            broker.stop()
            broker.start()
            ended = [user.hear_retained(f"jobs/{job['id']}")["state"] for job in agent.ask("jobs")]
    printer.stop()
    assert [path.read_bytes() for path in keep.iterdir()] == [LABEL] * 3
    assert ended == ["completed"] * 3
