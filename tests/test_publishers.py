"""What publishers meet at a real broker and a real agent: limits, PINs, and tickets that waited through an outage."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.mosquitto import Mosquitto, free_port
from tests.mqtt_user import MqttUser, pdf_ticket
from tests.running_agent import RunningAgent

PDF = b"%PDF-1.7 pretended"
HOUR = 3600
PIN = "735190"


def an_agent(folder: Path, broker: Mosquitto, **sections: Any) -> RunningAgent:
    """Give an agent whose printer is off, so that jobs wait."""
    off = {"alias": "desk", "uris": [f"ipp://127.0.0.1:{free_port()}/ipp/print"]}
    return RunningAgent(folder / "agent", printers=[off], mqtt={"port": broker.port}, **sections)


def publish(device: MqttUser, job_id: str, publisher: str = "", **keys: Any) -> None:
    """Publish a ticket."""
    topic = f"print/{publisher}" if publisher else "print"
    device.publish(topic, pdf_ticket(PDF, id=job_id, printer="desk", **keys))


def refusal(user: MqttUser, job_id: str, *, number: int = 1) -> dict[str, Any]:
    """Wait for the so-many-th refusal that names a job and give it."""

    def is_it(_message: Any) -> bool:
        return len(_refusals(user, job_id)) >= number

    user.hear("bridge/event/refused", is_it)
    return _refusals(user, job_id)[number - 1]


def _refusals(user: MqttUser, job_id: str) -> list[dict[str, Any]]:
    told = [message.content for message in user.heard("bridge/event/refused")]
    return [content for content in told if content["id"] == job_id]


def test_a_publisher_that_has_had_its_jobs_is_refused_and_another_is_not(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """Each by the user in its topic; a kill forgets nothing, and `status` tells who is at a limit."""
    sections = {"limits": {"jobs_per_day": 1}, "[user]": {"name": "bob", "jobs_per_day": 0}}
    agent = an_agent(tmp_path, broker, **sections)
    with agent:
        agent.connected()
        publish(user, "a-1", "ann")
        publish(user, "a-2", "ann")
        publish(user, "b-1", "bob")
        publish(user, "b-2", "bob", user="ann")
        assert refusal(user, "a-2")["reason"] == "agent-limit-exceeded"
        assert user.hear_job("b-2", "pending")["user"] == "bob"
        agent.kill()
        agent.start()
        publish(user, "a-1", "ann")
        publish(user, "a-3", "ann")
        assert "jobs_per_day" in refusal(user, "a-3")["message"]
        assert [entry["user"] for entry in agent.run_json("status")["at_limit"]] == ["ann"]
        assert "ann (jobs_per_day)" in agent.run("status").stdout
        assert {job["id"] for job in agent.run_json("jobs")} == {"a-1", "b-1", "b-2"}


def test_five_wrong_pins_lock_a_job_also_for_the_right_one_and_after_a_kill(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """The PIN is neither in the log nor on the disk, and nobody is told whose job it is."""
    agent = an_agent(tmp_path, broker)
    with agent:
        agent.connected()
        publish(user, "secret", "ann", pin=PIN, name="salary")
        told = user.hear_job("secret", "pending-held")
        assert (told["name"], told["user"]) == (None, None)
        for number in range(1, 6):
            user.publish("jobs/secret/cmd/release/ann", {"pin": f"{number}"})
            assert "wrong PIN" in refusal(user, "secret", number=number)["message"]
        agent.kill()
        agent.start()
        agent.connected()
        user.publish("jobs/secret/cmd/release/ann", {"pin": PIN})
        assert "too many wrong PINs" in refusal(user, "secret", number=6)["message"]
    files = [path for path in (tmp_path / "agent").rglob("*") if path.is_file()]
    assert [path.name for path in files if PIN.encode() in path.read_bytes()] == []


def test_tickets_that_the_broker_kept_through_an_outage_are_held_unless_they_are_new(
    tmp_path: Path, broker: Mosquitto, user: MqttUser
) -> None:
    """Neither what waited on the disk nor what waited at the broker starts by itself."""
    agent = an_agent(tmp_path, broker, spool={"after_outage": "hold", "outage_seconds": HOUR})
    with agent:
        agent.connected()
        agent.run_json("print", str(_document(tmp_path)), "--printer", "desk", "--id", "on-the-disk")
    publish(user, "kept")
    publish(user, "kept-but-new", created_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    _have_ended(tmp_path, hours_ago=2)
    with agent:
        for job_id in ("on-the-disk", "kept"):
            assert user.hear_job(job_id, "pending-held")["state_reasons"] == ["agent-held-after-outage"]
        user.hear_job("kept-but-new", "pending")
        user.publish("jobs/kept/cmd/release", {})
        agent.job("kept", "pending")


def _document(folder: Path) -> Path:
    document = folder / "order.pdf"
    document.write_bytes(PDF)
    return document


def _have_ended(folder: Path, *, hours_ago: int) -> None:
    """Leave the disk as an agent leaves it that was connected, and was cut off so many hours ago."""
    ago = hours_ago * HOUR
    with closing(sqlite3.connect(folder / "agent/state/agent.db")) as database, database:
        database.executemany(
            "INSERT OR REPLACE INTO alive VALUES (?, ?)", [(what, time.time() - ago) for what in ("agent", "link")]
        )
        database.execute("UPDATE jobs SET updated_at = updated_at - ?", (ago,))
