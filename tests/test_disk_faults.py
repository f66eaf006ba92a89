"""A disk that is full, broken or read-only for a while: nothing acknowledged is lost, and it recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.crash.documents import make_document, number_of
from tests.disks import failing, filled, make_read_only, small_disk
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options
from tests.running_agent import RunningAgent

TOPIC = "printers/desk/print"
FINAL = ("completed", "aborted", "canceled")
DOCUMENT_BYTES = 300_000
RESERVE_BYTES = 8 << 20
"""What is kept free for the agent's own words."""


class Site:
    """An agent on a small disk, a broker, a user and a printer that keeps what it prints elsewhere."""

    def __init__(self, *, agent: RunningAgent, user: MqttUser, state: Path, printed: Path) -> None:
        self.agent = agent
        self.user = user
        self.state = state
        self._printed = printed

    def publish(self, *numbers: int) -> None:
        """Publish tickets; the broker has them when this returns."""
        for number in numbers:
            document = make_document(number, DOCUMENT_BYTES)
            self.user.publish(TOPIC, document, "-D", "publish", "user-property", "id", f"job-{number}")

    def waits(self, what: str) -> None:
        """Wait until the agent has logged that something waits."""
        self.agent.until(what, lambda: what in self.agent.log())

    def ends(self, *numbers: int) -> set[str]:
        """Wait for the ends of jobs."""
        return {self.user.hear_job(f"job-{number}", *FINAL)["state"] for number in numbers}

    def printed(self) -> list[int | None]:
        """Name the documents that came out, whole."""
        documents = sorted(path.read_bytes() for path in self._printed.iterdir())
        return [number_of(document) for document in documents if len(document) == DOCUMENT_BYTES]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a site whose printer is paused."""
    options = PrinterOptions(kind="raw", keep=tmp_path / "printed", mdns=False, seconds_per_page=0.01)
    printer = SimulatedPrinter(options)
    printer.start()
    with (
        small_disk(tmp_path / "agent" / "state") as state,
        Mosquitto(tmp_path / "broker", persistence=True) as broker,
    ):
        uris = [printer.ready_line()["raw_uri"]]
        agent = RunningAgent(tmp_path / "agent", printers=[{"alias": "desk", "uris": uris}], mqtt={"port": broker.port})
        with MqttUser(broker_options(broker.port), agent.base_topic) as user, agent:
            agent.connected()
            agent.ask("printers.pause", id="desk")
            yield Site(agent=agent, user=user, state=state, printed=tmp_path / "printed")
    printer.stop()


def trouble(site: Site, kind: str) -> AbstractContextManager[None]:
    """Give what is wrong with the disk for a while."""
    return filled(site.state) if kind == "full" else failing(site.agent.pid, kind)


@pytest.mark.parametrize("kind", ["full", "EIO", "EROFS"])
def test_a_disk_that_takes_nothing_for_a_while_loses_and_doubles_nothing(site: Site, kind: str) -> None:
    """Tickets wait at the broker, a command waits to be done, and what was accepted before prints once afterwards."""
    site.publish(0, 1)
    for number in (0, 1):
        site.user.hear_job(f"job-{number}", "pending")
    with trouble(site, kind):
        site.publish(2, 3)
        site.user.publish("printers/desk/cmd/resume", {})
        site.waits("the ticket session leaves the broker")
        site.waits("cmd/resume': waits until the disk takes it")
        assert not site.user.heard("jobs/job-2")
    assert site.ends(0, 1, 2, 3) == {"completed"}
    assert site.printed() == [0, 1, 2, 3]


def test_commands_work_while_a_full_disk_keeps_tickets_at_the_broker(site: Site) -> None:
    """The last megabytes are for the agent's own words: a waiting job is printed, another cancelled."""
    site.publish(0, 1)
    site.user.hear_job("job-1", "pending")
    with filled(site.state, but_for=RESERVE_BYTES):
        site.publish(2)
        site.waits("the ticket session leaves the broker")
        site.user.publish("jobs/job-1/cmd/cancel", {})
        assert site.ends(1) == {"canceled"}
        site.user.publish("printers/desk/cmd/resume", {})
        assert site.ends(0) == {"completed"}
    assert site.ends(2) == {"completed"}
    assert site.printed() == [0, 2]


def test_an_agent_on_a_read_only_disk_says_so_and_starts_once_it_can_write(tmp_path: Path) -> None:
    """It ends with an error, as the service manager wants it, and has lost nothing."""
    with small_disk(tmp_path / "agent" / "state") as state:
        agent = RunningAgent(tmp_path / "agent")
        make_read_only(state)
        refused = agent.run("run")
        assert refused.returncode == 1
        assert "Read-only file system" in refused.stderr
