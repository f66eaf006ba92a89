"""A whole agent with a real broker: Print Beat and the inventory on its topics, through a kill, and by commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.cli.check_beat import check_beat
from agent.config import load_config
from agent.simulator.printer import SimulatedPrinter
from tests.beat_parts import KEYS, PRESSES, live, printed
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser
from tests.printos_parts import Bench
from tests.running_agent import RunningAgent

JOBS = f"beat/jobs/{PRESSES[0]}"


def following(folder: Path, bench: Bench, broker: Mosquitto, **sections: Any) -> RunningAgent:
    """Give an agent that follows Print Beat from the beginning."""
    (secret := folder / "beat-secret").write_text(KEYS["api_secret"])
    beat = {
        "jobs_key": KEYS["api_key"],
        "jobs_secret_file": str(secret),
        "base_url": f"{bench.simulator.url}/printbeat",
        "devices": list(PRESSES),
        "begin": "beginning",
    }
    return RunningAgent(folder / "agent", mqtt={"port": broker.port}, beat=beat, **sections)


def test_a_killed_agent_tells_the_attempts_that_it_has_not_told(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """Each once and in order; the marker outlives the process."""
    with live() as bench:
        agent = following(tmp_path, bench, broker)
        printed(bench, "a.pdf", "b.pdf")
        with agent:
            user.hear(JOBS, lambda message: message.content["jobName"] == "b.pdf")
            agent.until("the outbox to be empty", lambda: agent.ask("status")["spool"]["outbox"] == 0)
            agent.kill()
            printed(bench, "c.pdf")
            agent.start()
            user.hear(JOBS, lambda message: message.content["jobName"] == "c.pdf")
        assert [message.content["marker"] for message in user.heard(JOBS)] == [1, 2, 3]


def test_doctor_tries_the_keys_of_print_beat(tmp_path: Path, broker: Mosquitto) -> None:
    """And says what a key lacks."""
    with live() as bench:
        agent = following(tmp_path, bench, broker)
        config = load_config(agent.config)
        assert [(it.subject, it.result) for it in check_beat(config)] == [("jobs", "ok")]
        config = replace(config, beat=replace(config.beat, devices=(*PRESSES, "49999999")))
        (told,) = check_beat(config)
        assert (told.result, told.advice.startswith("see beat.devices")) == ("failed", True)
        (tmp_path / "beat-secret").write_text("wrong")
        (told,) = check_beat(config)
        assert (told.result, told.advice) == ("failed", "see key and secret in [beat]")


def test_the_inventory_is_at_the_broker_and_on_the_command_line(
    tmp_path: Path, broker: Mosquitto, user: MqttUser, press: SimulatedPrinter
) -> None:
    """With the agent and without it; what is forgotten leaves the broker too."""
    printer = {"alias": "press", "uris": [press.ready_line()["http_url"]]}
    with RunningAgent(tmp_path / "agent", mqtt={"port": broker.port}, printers=[printer]) as agent:
        printer_id = agent.printer("press", online=True)["id"]
        agent.until("a first sample", lambda: agent.ask("counters"))
        told = user.hear_retained(f"inventory/{printer_id}")
        (shown,) = agent.run_json("inventory", "--printer", "press")
        (sample,) = agent.run_json("inventory", "--counters")
        assert told["serial"] == shown["serial"] == press.engine.identity.serial
        assert (sample["printer"], sample["pages_counted"]) == (printer_id, 0)
        agent.ask("printers.forget", id="press")
        user.hear(f"inventory/{printer_id}", lambda message: not message.payload)
    assert agent.run_json("inventory") == []


@pytest.mark.parametrize("question", [("inventory",), ("inventory", "--counters")])
def test_an_inventory_of_no_agent_is_told(tmp_path: Path, question: tuple[str, ...]) -> None:
    """Nothing is there: exit code 3."""
    assert main(["--config", str(RunningAgent(tmp_path).config), *question]) == 3
