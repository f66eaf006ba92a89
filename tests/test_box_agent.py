"""The whole way to Box: a ticket by MQTT is a file there once, whatever is cut or killed in between.

The agent is a process of its own, killed as by a power cut; the broker is a Mosquitto.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from agent.simulator.printos_faults import Fault
from tests.box_parts import FILE, FOLDER, KEY, MENU, SECRET
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, pdf_ticket
from tests.running_agent import RunningAgent

SHA256 = hashlib.sha256(MENU).hexdigest()
PASSED = ("completed", ["job-completed-successfully"])
UNCONFIRMED = ("completed", ["queued-in-device", "agent-completion-unconfirmed"])
HELD = ("pending-held", ["agent-outcome-unknown"])
ENDS = ("completed", "aborted", "canceled", "pending-held")
LARGE = b"%PDF-1.4\n" + bytes(64 << 20) + b"\n%%EOF\n"
GROWTH_LIMIT_KB = 24_000


@pytest.fixture
def box() -> Iterator[PrintOSSimulator]:
    """Run a PrintOS with Box."""
    simulator = PrintOSSimulator(
        PrintOSOptions(admin_login="a", admin_password="b", api_key=KEY, api_secret=SECRET, preflight_seconds=0.2)
    )
    simulator.start()
    yield simulator
    simulator.stop()


def an_agent(folder: Path, box: PrintOSSimulator, **sections: Any) -> RunningAgent:
    """Give an agent that has the key."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "box-secret"
    secret.write_text(f"{SECRET}\n")
    settings = {"key": KEY, "secret_file": secret, "base_url": f"{box.url}/box"}
    return RunningAgent(folder, box=settings, **sections)


def files(box: PrintOSSimulator) -> list[dict[str, Any]]:
    """Give all that is in Box."""
    return [file for folder in box.box.report()["folders"] for file in folder["files"]]


def test_a_ticket_by_mqtt_is_a_file_in_box(
    tmp_path: Path, broker: Mosquitto, user: MqttUser, box: PrintOSSimulator
) -> None:
    """Whole and once, also where the network is cut in the middle of the document; its end is told by MQTT."""
    box.faults.add(Fault("PUT", "/s3/.*", when="middle"))
    with an_agent(tmp_path / "agent", box, mqtt={"port": broker.port}) as agent:
        agent.connected()
        ticket = pdf_ticket(MENU, id="menu", destination="box", name="Menu", copies=2, notes="thick paper")
        user.publish("print", ticket)
        user.publish("print", ticket)
        job = user.hear_job("menu", "completed", "aborted")
        told = user.retained("bridge/info")
    secret = SECRET.encode()
    written = [path for path in (tmp_path / "agent").rglob("*") if path.is_file() and path.name != "box-secret"]
    assert [path for path in written if secret in path.read_bytes()] == []
    assert (job["state"], job["state_reasons"]) == PASSED
    assert (job["destination"], job["printer"], job["message"]) == (
        "box",
        None,
        "Box has it and its preflight has passed (2 pages)",
    )
    assert told is not None
    assert "box" in told["capabilities"]["destinations"]
    (file,) = files(box)
    assert (file["sha256"], file["name"], file["copies"], file["notes"]) == (SHA256, "Menu.pdf", 2, "thick paper")


@pytest.mark.parametrize(
    ("call", "when", "end"),
    [
        (("POST", FOLDER), "hold-after", (*PASSED, 1)),
        (("PUT", "/s3/.*"), "hold-middle", (*PASSED, 1)),
        (("PUT", "/s3/.*"), "hold-after", (*PASSED, 1)),
        (("POST", FILE), "hold-before", (*HELD, 0)),
        (("POST", FILE), "hold-after", (*UNCONFIRMED, 1)),
    ],
)
def test_a_kill_loses_and_doubles_nothing(
    tmp_path: Path, box: PrintOSSimulator, call: tuple[str, str], when: Any, end: tuple[str, list[str], int]
) -> None:
    """At every step: what may be done again is, and what may have arrived is asked for, or left to a person."""
    fault = box.faults.add(Fault(*call, when=when))
    document = tmp_path / "menu.pdf"
    document.write_bytes(MENU)
    agent = an_agent(tmp_path / "agent", box)
    agent.start()
    try:
        assert agent.run("print", document, "--destination", "box", "--id", "menu").returncode == 0
        assert fault.met.wait(20), agent.log()
        agent.kill()
        fault.let_go.set()
        agent.start()
        job = agent.job("menu", *ENDS)
        assert (job["state"], job["state_reasons"], len(files(box))) == end
        assert {file["sha256"] for file in files(box)} <= {SHA256}
    finally:
        fault.let_go.set()
        agent.kill()


def memory_kb(pid: int) -> int:
    """Give the most memory that a process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def test_a_large_document_is_streamed(tmp_path: Path, box: PrintOSSimulator) -> None:
    """It is never in memory as a whole, neither on its way into the spool nor into Box."""
    document = tmp_path / "large.pdf"
    document.write_bytes(LARGE)
    with an_agent(tmp_path / "agent", box) as agent:
        small = tmp_path / "menu.pdf"
        small.write_bytes(MENU)
        assert agent.run("print", small, "--destination", "box", "--wait").returncode == 0
        before = memory_kb(agent.pid)
        assert agent.run("print", document, "--destination", "box", "--id", "large", "--wait").returncode == 0
        assert memory_kb(agent.pid) - before < GROWTH_LIMIT_KB
    assert files(box)[-1]["sha256"] == hashlib.sha256(LARGE).hexdigest()
