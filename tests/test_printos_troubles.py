"""A whole agent whose device gets into trouble: told on `printers`, by MQTT and by `doctor`, with what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.simulator.printer import SimulatedPrinter
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options
from tests.running_agent import RunningAgent

LOGIN, PASSWORD = "boss@example.com", "correct-horse"
ACTIVATE = ("activate", "--login", LOGIN, "--password-stdin")


@pytest.fixture
def cloud() -> Iterator[PrintOSSimulator]:
    """Run PrintOS."""
    cloud = PrintOSSimulator(PrintOSOptions(admin_login=LOGIN, admin_password=PASSWORD))
    cloud.start()
    yield cloud
    cloud.stop()


def an_agent(folder: Path, press: SimulatedPrinter, cloud: PrintOSSimulator, broker_port: int = 9) -> RunningAgent:
    """Give an agent of the press."""
    printer = {"alias": "press", "uris": [press.ready_line()["http_url"]], "printos_type": "IHPSPress"}
    printos = {"base_url": f"{cloud.url}/platform"}
    return RunningAgent(folder, printers=[printer], printos=printos, mqtt={"port": broker_port})


def activate(agent: RunningAgent, *options: str) -> tuple[int, list[str]]:
    """Activate and give the exit code and the results."""
    done = agent.run(*ACTIVATE, *options, "--json", text=f"{PASSWORD}\n")
    return done.returncode, [row["result"] for row in json.loads(done.stdout)]


def test_a_device_that_was_replaced_is_told_everywhere(
    tmp_path: Path, press: SimulatedPrinter, cloud: PrintOSSimulator
) -> None:
    """On the command line, on the printer's topic, as an event and by doctor; --replace ends it."""
    with (
        Mosquitto(tmp_path / "broker") as broker,
        MqttUser(broker_options(broker.port), "printos/site-7") as user,
        an_agent(tmp_path / "agent", press, cloud, broker.port) as agent,
    ):
        agent.printer("press", online=True, state="idle", printos="pending")
        assert "approved" in agent.run("printers", "approve", "press").stdout
        assert activate(agent) == (0, ["active"])
        cloud.cloud.replace(cloud.cloud.devices("platform")[0].id)
        printer_id = agent.printer("press", printos="credentials-refused")["id"]
        event = user.hear(
            "bridge/event/printos-state", lambda message: message.content.get("state") == "credentials-refused"
        )
        assert "activate --printer press --replace" in event.content["advice"]
        user.hear(f"printers/{printer_id}", lambda message: message.content.get("printos") == "credentials-refused")
        assert "wrong login or password" in agent.run("printers", "show", "press").stdout
        findings = json.loads(agent.run("doctor", "--json").stdout)
        assert [it["result"] for it in findings if it["check"] == "devices"] == ["failed"]
        assert activate(agent) == (4, ["credentials-refused"])
        assert activate(agent, "--replace") == (0, ["active"])
        told = agent.run("printers", "forget", "press").stdout
        assert f"its device {cloud.cloud.devices('platform')[0].id} stays in PrintOS" in told
        user.hear(f"printers/{printer_id}", lambda message: not message.payload)


def test_a_lost_state_folder_is_come_up_without(
    tmp_path: Path, press: SimulatedPrinter, cloud: PrintOSSimulator
) -> None:
    """The printer is found again, and says that its device is in PrintOS; nothing there is replaced unasked."""
    agent = an_agent(tmp_path, press, cloud)
    with agent:
        agent.printer("press", online=True, state="idle")
        agent.ask("printers.approve", id="press")
        assert activate(agent) == (0, ["active"])
    shutil.rmtree(tmp_path / "state")
    made = cloud.cloud.report()["devices"][0]["id"]
    with agent:
        agent.printer("press", online=True, state="idle", approved=False)
        assert "whose credentials are not here" in agent.run("printers", "approve", "press").stdout
        assert activate(agent) == (4, ["credentials-lost"])
        assert cloud.cloud.report()["devices"][0]["id"] == made
        assert activate(agent, "--replace") == (0, ["active"])
