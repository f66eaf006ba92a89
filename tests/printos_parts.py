"""What the tests of PrintOS share: a running simulator, its clients, printers, and a registry that only remembers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cloud import Cloud
from agent.config_schema import PrinterConfig
from agent.credentials import CredentialStore
from agent.device_report import DeviceReport
from agent.devices import Devices
from agent.errors import NotFoundError
from agent.http import Answer, HttpClient
from agent.made_devices import MadeDevices
from agent.model import Event, Identity, Printer, PrinterState, PrinterStatus, Supply
from agent.printos.openapi import OpenApi
from agent.printos.platform import Platform
from agent.simulator.printos import PrintOSOptions, PrintOSSimulator
from tests.seal_keys import FixedKeys

LOGIN = "boss@example.com"
PASSWORD = "correct-horse"
FIRST_SEEN = datetime(2026, 1, 2, tzinfo=UTC)


class Ticker:
    """A monotonic clock in seconds, with the date that goes with it; both move when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Give the monotonic present."""
        return self.seconds

    def now(self) -> datetime:
        """Give the present as a date."""
        return FIRST_SEEN + timedelta(seconds=self.seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class Bench:
    """A simulator that runs, and clients that speak to it over loopback."""

    def __init__(self, simulator: PrintOSSimulator, http: HttpClient, ticker: Ticker) -> None:
        self.simulator = simulator
        self.http = http
        self.ticker = ticker

    def platform(self, **options: Any) -> Platform:
        """Give a client of HP's dialect."""
        base_url = f"{self.simulator.url}/platform"
        return Platform(http=self.http, base_url=base_url, now=self.ticker.now, monotonic=self.ticker, **options)

    def openapi(self, **options: Any) -> OpenApi:
        """Give a client of the OpenAPI dialect."""
        base_url = f"{self.simulator.url}/openapi"
        return OpenApi(http=self.http, base_url=base_url, now=self.ticker.now, monotonic=self.ticker, **options)

    def call(self, method: str, path: str, content: Any = None, *, headers: dict[str, str] | None = None) -> Answer:
        """Send the simulator whatever a test wants."""
        body = None if content is None else json.dumps(content).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        return self.http.request(method, self.simulator.url + path, headers=given, body=body)

    def report(self) -> dict[str, Any]:
        """Give the simulator's report."""
        return self.simulator.cloud.report()


@contextmanager
def printos(ticker: Ticker | None = None, **options: Any) -> Iterator[Bench]:
    """Run a simulator; with a `ticker` its sessions and the clients' live by that."""
    ticker = ticker or Ticker()
    settings = PrintOSOptions(admin_login=LOGIN, admin_password=PASSWORD, **options)
    simulator = PrintOSSimulator(settings, monotonic=ticker, now=ticker.now)
    http = HttpClient()
    simulator.start()
    try:
        yield Bench(simulator, http, ticker)
    finally:
        http.close()
        simulator.stop()


def received(bench: Bench, request: bytes) -> bytes:
    """Send the simulator bytes and give all that comes until the connection ends."""
    host, _, port = bench.simulator.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def a_press(number: int = 1, **changes: Any) -> Printer:
    """Give an approved, idle printer."""
    status = PrinterStatus(
        state=PrinterState.IDLE,
        supplies=(Supply("Black", "toner", level=60, max_capacity=100), Supply("Waste", "waste-toner", "receptacle")),
        impressions_completed=1234,
    )
    printer = Printer(
        id=f"{number:012x}",
        identity=Identity(serial=f"EX{number:07}", make_and_model="HP T300M", name=f"Press {number}", location="hall"),
        host="192.0.2.7",
        uris=("ipp://192.0.2.7:631/ipp/print",),
        first_seen=FIRST_SEEN,
        status=status,
        online=True,
        approved=True,
        printos="pending",
    )
    return replace(printer, **changes)


class Memory:
    """A registry in memory."""

    def __init__(self, *printers: Printer, config: PrinterConfig | None = None) -> None:
        self.known = {printer.id: printer for printer in printers}
        self.config = config or PrinterConfig(printos_type="IHPSPress")

    def printers(self) -> tuple[Printer, ...]:
        """Give all."""
        return tuple(self.known.values())

    def find(self, id_or_alias: str) -> Printer:
        """Give one."""
        if id_or_alias not in self.known:
            raise NotFoundError(f"no printer {id_or_alias!r}")
        return self.known[id_or_alias]

    def config_for(self, printer: Printer) -> PrinterConfig | None:
        """Give its configuration."""
        return self.config

    def set_printos(self, printer_id: str, state: str, message: str | None = None) -> Printer:
        """Note how it stands with PrintOS, and what PrintOS said."""
        return self.change(printer_id, printos=state, printos_message=message)

    def forget(self, id_or_alias: str) -> None:
        """Remove one."""
        del self.known[id_or_alias]

    def change(self, printer_id: str, **changes: Any) -> Printer:
        """Change one."""
        self.known[printer_id] = replace(self.find(printer_id), **changes)
        return self.known[printer_id]


class Watched:
    """A dialect's client that says which of its methods is about to be called."""

    def __init__(self, client: Platform | OpenApi, tell: Callable[[str], None]) -> None:
        self._client = client
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        self._tell(name)
        return getattr(self._client, name)


@dataclass
class Site:
    """The devices and their statuses, with everything around them."""

    bench: Bench
    registry: Memory
    devices: Devices
    cloud: Cloud
    credentials: CredentialStore
    events: list[Event] = field(default_factory=list)

    def activate(self, *, replace: bool = False, printer_ids: list[str] | None = None) -> dict[str, dict[str, Any]]:
        """Activate as a person would, and give the rows by printer."""
        rows = self.devices.activate(
            LOGIN, PASSWORD, printer_ids=printer_ids, replace=replace, progress=lambda _facts: None
        )
        return {row["printer"]: row for row in rows}

    def state(self, printer_id: str) -> str:
        """Say how a printer stands with PrintOS."""
        return self.registry.find(printer_id).printos

    def run(self, seconds: float) -> None:
        """Let the service do its work for a while of the fake clock."""
        end = self.bench.ticker() + seconds
        while self.bench.ticker() < end:
            self.bench.ticker.advance(min(max(self.cloud.step(), 0.01), end - self.bench.ticker()))


class ThreeJobs:
    """A workload in which every printer has three jobs."""

    def __init__(self) -> None:
        self.at_work: frozenset[str] = frozenset()

    def interpreting(self) -> frozenset[str]:
        """Give the printers that a test has said make pages."""
        return self.at_work

    def report(self, printer: Printer, *, is_interpreting: bool) -> DeviceReport:
        """Report three jobs."""
        return DeviceReport(printer, is_interpreting=is_interpreting, jobs=3)


def a_site(
    bench: Bench,
    folder: Path,
    registry: Memory,
    *,
    printos: Any = None,
    workload: ThreeJobs | None = None,
    interval_seconds: float = 120,
    key: bytes = bytes(32),
) -> Site:
    """Build the service on a running simulator, by default in HP's dialect."""
    events: list[Event] = []
    client = printos or bench.platform()
    devices, credentials = the_devices(client, folder, registry, events.append, key=key)
    cloud = Cloud(
        printos=client,
        printers=registry.printers,
        devices=devices,
        workload=workload or ThreeJobs(),
        status_interval_seconds=interval_seconds,
        monotonic=bench.ticker,
    )
    return Site(bench, registry, devices, cloud, credentials, events)


def the_devices(
    client: Platform | OpenApi,
    folder: Path,
    registry: Memory,
    tell: Callable[[Event], None],
    *,
    key: bytes = bytes(32),
) -> tuple[Devices, CredentialStore]:
    """Open the devices whose credentials are in a folder."""
    credentials = CredentialStore(folder / "credentials", keys=FixedKeys(key))
    made = MadeDevices(folder / "elsewhere" / "made-devices")
    devices = Devices(printos=client, registry=registry, credentials=credentials, made=made, tell=tell)
    devices.open()
    return devices, credentials


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a running simulator."""
    with printos(Ticker()) as running:
        yield running


@pytest.fixture
def site(bench: Bench, tmp_path: Path) -> Site:
    """Give the service with one active press that has just been told."""
    press = a_press()
    site = a_site(bench, tmp_path, Memory(press))
    assert site.activate()[press.id]["result"] == "active"
    site.cloud.step()
    return site
