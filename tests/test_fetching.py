"""Documents by reference with real parts: a Mosquitto, a web server, an agent as a process, a printer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.file_server import FileServer
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options
from tests.running_agent import RunningAgent

TOPIC = "printers/desk/print"
DOCUMENT = b"%PDF-1.7\n" + os.urandom(4 << 20)


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    """Give an IPP printer that keeps its documents."""
    it = SimulatedPrinter(PrinterOptions(kind="ipp", keep=tmp_path / "printed", mdns=False, seconds_per_page=0.01))
    it.start()
    yield it
    it.stop()


@pytest.fixture
def web() -> Iterator[FileServer]:
    """Give a web server with a document of 4 MB."""
    with FileServer(DOCUMENT) as it:
        yield it


@contextmanager
def at_work(folder: Path, printer: SimulatedPrinter, *allowed_hosts: str) -> Iterator[tuple[RunningAgent, MqttUser]]:
    """Run a broker, an agent that may fetch from these hosts, and a user."""
    with Mosquitto(folder / "broker") as broker:
        agent = RunningAgent(
            folder / "agent",
            printers=[{"alias": "desk", "uris": [printer.ready_line()["ipp_uri"]]}],
            mqtt={"port": broker.port},
            agent={"log_level": "debug"},
            fetch={"allowed_hosts": allowed_hosts},
        )
        with MqttUser(broker_options(broker.port), agent.base_topic) as user, agent:
            agent.connected()
            yield agent, user


def reference(url: str, **keys: Any) -> dict[str, Any]:
    """Write a ticket whose document is at a URL."""
    document = {"url": url, "sha256": sha256(DOCUMENT).hexdigest(), "size": len(DOCUMENT)}
    return {"id": "order-17", "document": document, **keys}


def printed(folder: Path) -> list[bytes]:
    """Give what came out of the printer."""
    return [path.read_bytes() for path in (folder / "printed").rglob("*") if path.is_file()]


def test_a_document_is_fetched_and_printed_and_its_query_never_shown(
    tmp_path: Path, printer: SimulatedPrinter, web: FileServer
) -> None:
    """From the message to the paper: neither in the log, nor on the broker, nor on the command line."""
    with at_work(tmp_path, printer, "127.0.0.1") as (agent, user):
        web.goes_on.clear()
        user.publish(TOPIC, reference(web.url()))
        waiting = agent.job("order-17", "pending-held")
        assert (waiting["state_reasons"], waiting["size"]) == (["job-incoming"], len(DOCUMENT))
        assert agent.ask("status")["spool"]["incoming"] == 1
        web.goes_on.set()
        agent.job("order-17", "completed")
        told = ("jobs/order-17", "bridge/health", "bridge/info")
        shown = [agent.log(), *(message.payload for topic in told for message in user.heard(topic))]
        shown += [agent.run(*command).stdout for command in (("jobs",), ("config", "show"), ("status",))]
    assert printed(tmp_path) == [DOCUMENT]
    assert not [text for text in shown if "SECRET" in text]


def test_an_agent_that_is_killed_goes_on_with_what_it_has(
    tmp_path: Path, printer: SimulatedPrinter, web: FileServer
) -> None:
    """A job that was accepted is printed once and whole, and its document is not fetched from the beginning again."""
    with at_work(tmp_path, printer, "127.0.0.1") as (agent, user):
        web.goes_on.clear()
        user.publish(TOPIC, reference(web.url()))
        parts = tmp_path / "agent" / "state" / "documents"
        agent.until("half of it", lambda: [it for it in parts.glob("*.part") if it.stat().st_size > 1 << 20] or None)
        agent.kill()
        web.goes_on.set()
        agent.start()
        agent.job("order-17", "completed")
    assert printed(tmp_path) == [DOCUMENT]
    first, second = web.ranges()
    assert first is None
    assert int(str(second).removeprefix("bytes=").rstrip("-")) > 1 << 20


def test_a_url_is_refused_where_no_host_is_allowed(tmp_path: Path, printer: SimulatedPrinter, web: FileServer) -> None:
    """The publisher hears that it is policy, and nobody is asked for anything."""
    with at_work(tmp_path, printer) as (_, user):
        user.publish(TOPIC, reference(web.url()))
        refusal = user.hear("bridge/event/refused").content
    assert refusal["reason"] == "agent-fetch-not-allowed"
    assert "SECRET" not in json.dumps(refusal)
    assert web.requests == []


def test_a_slow_web_server_delays_no_other_job(tmp_path: Path, printer: SimulatedPrinter, web: FileServer) -> None:
    """Documents that hang, more of them than there are threads, while one that came by message prints."""
    with at_work(tmp_path, printer, "127.0.0.1") as (agent, user):
        web.goes_on.clear()
        for number in range(6):
            user.publish(TOPIC, reference(web.url(), id=f"slow-{number}"))
        user.publish(TOPIC, b"%PDF-1.7 quick", "-D", "publish", "user-property", "id", "quick")
        agent.job("quick", "completed")
        assert agent.job("slow-5", "pending-held")["state_reasons"] == ["job-incoming"]
        assert agent.stop() == 0
