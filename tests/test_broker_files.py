"""The files for Mosquitto that the documents offer, in a real Mosquitto."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mosquitto import TOOLS, Mosquitto

FILES = Path(__file__).parents[1] / "docs" / "broker"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run a broker with the ACL file, which two more users than the agent know."""
    acl = tmp_path / "acl"
    shutil.copy(FILES / "mosquitto.acl", acl)
    acl.chmod(0o600)
    with Mosquitto(tmp_path / "broker", username="printos-agent", password="p", extra=f"acl_file {acl}") as running:
        for user in ("kiosk-3", "operator"):
            passwords = str(tmp_path / "broker" / "passwords")
            subprocess.run(
                [str(TOOLS["mosquitto_passwd"]), "-b", passwords, user, "p"], check=True, capture_output=True
            )
        running.stop()
        running.start()
        yield running


def publish(broker: Mosquitto, user: str, topic: str) -> bool:
    """Publish with MQTT 5, where the PUBACK says whether it was allowed."""
    place = ["-h", "127.0.0.1", "-p", str(broker.port), "-u", user, "-P", "p"]
    command = ["mosquitto_pub", "-V", "5", "-q", "1", *place, "-t", topic, "-m", "{}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert not done.returncode or "not authorized" in done.stderr.lower(), done.stderr
    return "not authorized" not in done.stderr.lower()


@pytest.mark.parametrize(
    ("user", "topic", "is_allowed"),
    [
        ("kiosk-3", "print/kiosk-3", True),
        ("kiosk-3", "printers/office/print/kiosk-3", True),
        ("kiosk-3", "print/kiosk-4", False),
        ("kiosk-3", "print", False),
        ("kiosk-3", "jobs/order-17/cmd/reprint", False),
        ("kiosk-3", "bridge/state", False),
        ("operator", "jobs/order-17/cmd/reprint", True),
        ("printos-agent", "bridge/state", True),
    ],
)
def test_the_user_of_a_topic_is_who_published(broker: Mosquitto, user: str, topic: str, is_allowed: bool) -> None:
    """So that limits and PINs count for the right one."""
    assert publish(broker, user, f"printos/site-7/{topic}") is is_allowed


def test_the_offered_configuration_is_one_that_mosquitto_takes(tmp_path: Path) -> None:
    """With its places changed to those of a test; an unknown option would end the broker at once."""
    text = (FILES / "mosquitto.conf").read_text(encoding="utf-8")
    placed = ("listener", "password_file", "acl_file", "allow_anonymous", "persistence")
    options = [line for line in text.splitlines() if not line.startswith(("#", *placed))]
    with Mosquitto(tmp_path, extra="\n".join(options)) as broker:
        assert publish(broker, "anybody", "printos/site-7/print")
