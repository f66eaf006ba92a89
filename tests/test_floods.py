"""More than fits into memory: it waits at the broker and on the disk, and the process stays small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.crash.documents import make_document
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options
from tests.running_agent import RunningAgent

TOPIC = "printers/desk/print"
MESSAGES = 24
MESSAGE_BYTES = 8 << 20
LIMIT_BYTES = 180 << 20


def largest_bytes(pid: int) -> int:
    """Tell the most memory that a process has had in its life."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_memory_is_bounded_when_hundreds_of_megabytes_wait_at_the_broker(tmp_path: Path, version: str) -> None:
    """The agent was away; every one of the large tickets prints, and no more than a few are ever in memory."""
    printer = SimulatedPrinter(PrinterOptions(kind="raw", mdns=False, seconds_per_page=0.001))
    printer.start()
    uris = [printer.ready_line()["raw_uri"]]
    with Mosquitto(tmp_path / "broker", extra="max_queued_messages 0") as broker:
        agent = RunningAgent(
            tmp_path / "agent",
            printers=[{"alias": "desk", "uris": uris}],
            mqtt={"port": broker.port, "version": version},
        )
        with MqttUser(broker_options(broker.port), agent.base_topic) as user, agent:
            agent.connected()
            agent.stop()
            for number in range(MESSAGES):
                user.publish(TOPIC, make_document(number, MESSAGE_BYTES))
            agent.start()
            agent.until("all jobs", lambda: agent.ask("status")["jobs"].get("completed") == MESSAGES)
            largest = largest_bytes(agent.pid)
    printer.stop()
    assert largest < LIMIT_BYTES
