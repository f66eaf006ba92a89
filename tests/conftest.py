"""What many tests share: recordings of real printers, a clock moved by hand, a broker, who publishes, and a press."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options

RECORDINGS = Path(
    os.environ.get("PRINTOS_AGENT_RECORDINGS", Path(__file__).parents[1].parent / "shared" / "recordings")
)


def pytest_configure(config: pytest.Config) -> None:
    """Let the hundreds of agents that are started compile once, where the environment says never to keep that."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        kept = TemporaryDirectory(prefix="printos-agent-bytecode-", ignore_cleanup_errors=True)
        os.environ["PYTHONPYCACHEPREFIX"] = kept.name
        config.add_cleanup(kept.cleanup)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Give the folder of recordings of real printers, which are not part of the project."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recordings of real printers at {RECORDINGS} (set PRINTOS_AGENT_RECORDINGS)")
    return RECORDINGS


class FakeClock:
    """An aware UTC clock that moves when told."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Give the present."""
        return self.moment

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that starts at 2026-01-02T03:04:05Z."""
    return FakeClock()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a broker that keeps what it has for whoever is away, but nothing over its own restart."""
    with Mosquitto(tmp_path / "broker") as it:
        yield it


@pytest.fixture
def user(broker: Mosquitto) -> Iterator[MqttUser]:
    """Give who publishes to an agent of the usual name and listens to it."""
    with MqttUser(broker_options(broker.port), "printos/site-7") as it:
        yield it


@pytest.fixture
def press() -> Iterator[SimulatedPrinter]:
    """Give a printer that tells what becomes of its jobs."""
    printer = SimulatedPrinter(PrinterOptions(kind="hp-rest", seconds_per_page=0.01))
    printer.start()
    yield printer
    printer.stop()
